import { InvalidArgumentError } from 'commander';
import type { ObjectRead, Selector } from '../../src/dnp3/master/requests.ts';
import type { CommandStep } from '../../src/dnp3/master/tasks.ts';
import type { Control } from '../../src/dnp3/outstation/controls.ts';

/** What the options of `vpp dnp3` take; each refuses with what it expected. */
const wrong = (expected: string): InvalidArgumentError => new InvalidArgumentError(`expected ${expected}.`);

export const integer =
  (min: number, max: number, what: string) =>
  (text: string): number => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= min && value <= max) return value;
    throw wrong(`${what}, a whole number from ${min} to ${max}`);
  };

/** 0 to 65519; those above are reserved (IEEE 1815 clause 9.2.5 [S]). */
export const linkAddress = integer(0, 65_519, 'a DNP3 address');
export const portNumber = integer(0, 65_535, 'a port');

export function seconds(text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && value > 0 && value <= 86_400 * 365) return value;
  throw wrong('seconds above 0');
}

export function positive(text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && Number.isFinite(value) && value >= 0) return value;
  throw wrong('a number, 0 or more');
}

const READ_EXPECTED = 'an object like g30v5, g30v5:0-9 or g1v0:3,7,12, indices up to 65535';
const INDEX_MAX = 65_535;

/** "g30v5:0-9" */
export function objectRead(text: string, before: readonly ObjectRead[] = []): ObjectRead[] {
  const match = /^g(\d{1,3})v(\d{1,3})(?::(.+))?$/i.exec(text);
  const [group, variation] = [Number(match?.[1]), Number(match?.[2])];
  if (match === null || group > 255 || variation > 255) throw wrong(READ_EXPECTED);
  return [...before, { group, variation, select: selector(match[3]) }];
}

function selector(text: string | undefined): Selector {
  if (text === undefined) return { kind: 'all' };
  const range = /^(\d+)(?:-|\.\.)(\d+)$/.exec(text);
  if (range !== null) {
    const [start, stop] = [Number(range[1]), Number(range[2])];
    if (start > stop || stop > INDEX_MAX) throw wrong(READ_EXPECTED);
    return { kind: 'range', start, stop };
  }
  if (!/^\d+(,\d+)*$/.test(text)) throw wrong(READ_EXPECTED);
  const indices = text.split(',').map(Number);
  if (indices.some((i) => i > INDEX_MAX)) throw wrong(READ_EXPECTED);
  const first = indices[0] ?? 0;
  return indices.length === 1 ? { kind: 'range', start: first, stop: first } : { kind: 'indices', indices };
}

const LATCHES = {
  on: { operation: 3, tripClose: 'none' },
  off: { operation: 4, tripClose: 'none' },
  pulse: { operation: 1, tripClose: 'none' },
  close: { operation: 1, tripClose: 'close' },
  trip: { operation: 1, tripClose: 'trip' },
} as const;
const isLatch = (word: string): word is keyof typeof LATCHES => Object.hasOwn(LATCHES, word);
const PULSE_MS = 500;

/** "23=on": a control relay output block, operated once. */
export function binaryControl(text: string, before: readonly Control[] = []): Control[] {
  const [index, word = ''] = parts(text);
  if (index === null || !isLatch(word)) throw wrong(`<index>=<${Object.keys(LATCHES).join('|')}>`);
  const { operation, tripClose } = LATCHES[word];
  const pulsed = operation === 1 ? { onMs: PULSE_MS, offMs: PULSE_MS } : { onMs: 0, offMs: 0 };
  return [...before, { kind: 'crob', index, operation, tripClose, count: 1, ...pulsed }];
}

/** "146=-500000": a set-point in the point's raw units. */
export function analogControl(text: string, before: readonly Control[] = []): Control[] {
  const [index, word = ''] = parts(text);
  const value = Number(word);
  if (index === null || word.trim() === '' || !Number.isFinite(value)) throw wrong('<index>=<number>');
  return [...before, { kind: 'analog', index, value }];
}

function parts(text: string): [number | null, string | undefined] {
  const match = /^(\d{1,5})=(.+)$/.exec(text);
  const index = Number(match?.[1]);
  return [match === null || index > INDEX_MAX ? null : index, match?.[2]];
}

export const stepOf = (control: Control, direct: boolean): CommandStep => ({
  mode: direct ? 'direct' : 'select-operate',
  controls: [control],
});

export const controlWords = (c: Control): string =>
  c.kind === 'analog' ? `${c.index}=${c.value}` : `${c.index}=${latchWord(c)}`;

const latchWord = (c: Extract<Control, { kind: 'crob' }>): string =>
  Object.entries(LATCHES).find(([, l]) => l.operation === c.operation && l.tripClose === c.tripClose)?.[0] ??
  `operation ${c.operation}`;
