import { FLAG, STATUS } from '../../src/dnp3/app/control.ts';
import type { PointKind } from '../../src/dnp3/app/objects.ts';
import type { Control } from '../../src/dnp3/outstation/controls.ts';
import type { EventClass, PointConfig } from '../../src/dnp3/outstation/database.ts';
import { OutstationSession } from '../../src/dnp3/outstation/session.ts';
import type { RandomSource, RandomStream } from '../../src/ports/random.ts';

/**
 * An outstation of made-up points: analog inputs and counters walk by the seed, binary inputs turn over, outputs show
 * what was last commanded. For trying a master, not for a plant: nothing stands behind the values.
 */
export interface BankPoint {
  readonly kind: PointKind;
  readonly index: number;
  readonly eventClass: EventClass;
  readonly staticVariation?: number;
  readonly eventVariation?: number;
  readonly deadband?: number;
  readonly value: number;
  /** Largest step a second: of analogs up or down, of counters up; of binaries the chance to turn over. */
  readonly walk: number;
}

export interface BankOptions {
  readonly local: number;
  readonly remote: number;
  readonly unsolicited: boolean;
  readonly points: readonly BankPoint[];
  readonly random: RandomSource;
}

/** `count` analog inputs of g30v5, and a tenth as many of everything else. */
export function generatedPoints(count: number, deadband: number): BankPoint[] {
  const tenth = Math.ceil(count / 10);
  const list = (n: number, one: (index: number) => Omit<BankPoint, 'index'>): BankPoint[] =>
    Array.from({ length: n }, (_, index) => ({ index, ...one(index) }));
  return [
    ...list(count, (i) => ({
      kind: 'AI',
      eventClass: 2,
      staticVariation: 5,
      eventVariation: 7,
      deadband,
      value: 100 + i,
      walk: 2,
    })),
    ...list(tenth, (i) => ({ kind: 'BI', eventClass: 1, value: i % 2, walk: 0.02 })),
    ...list(tenth, () => ({ kind: 'CTR', eventClass: 3, value: 0, walk: 5 })),
    ...list(tenth, () => ({ kind: 'BOS', eventClass: 1, value: 0, walk: 0 })),
    ...list(tenth, () => ({ kind: 'AOS', eventClass: 2, staticVariation: 3, value: 0, walk: 0 })),
  ];
}

const configOf = ({ walk: _, ...config }: BankPoint): PointConfig => config;

export class PointBank {
  readonly session: OutstationSession;
  private readonly walking: readonly BankPoint[];
  private readonly stream: RandomStream;

  constructor({ local, remote, unsolicited, points, random }: BankOptions) {
    this.walking = points.filter((p) => p.walk > 0);
    this.stream = random('walk');
    const needed = Math.max(1_000, points.length * 4);
    this.session = new OutstationSession({
      localAddress: local,
      remoteAddress: remote,
      unsolicited,
      points: points.map(configOf),
      eventsMax: () => needed,
      onControl: (step, control, nowMs) => this.control(step, control, nowMs),
    });
  }

  /** One second of the walk. Counters wrap at 32 bits. */
  step(nowMs: number): void {
    for (const { kind, index, walk } of this.walking) {
      const current = this.session.database.get(kind, index)?.current;
      if (current === undefined) continue;
      const value = walked(kind, current.value, walk, this.stream);
      if (value !== current.value)
        this.session.update(kind, index, { value, flags: FLAG.online, timeMs: nowMs }, nowMs);
    }
  }

  private control(step: 'select' | 'operate', control: Control, nowMs: number): number {
    const kind = control.kind === 'crob' ? 'BOS' : 'AOS';
    if (this.session.database.get(kind, control.index) === null) return STATUS.notSupported;
    if (step === 'select') return STATUS.success;
    const value = control.kind === 'analog' ? control.value : turnsOn(control) ? 1 : 0;
    this.session.update(kind, control.index, { value, flags: FLAG.online, timeMs: nowMs }, nowMs);
    return STATUS.success;
  }
}

/** Latch on, and every pulse but a trip, which opens. */
const turnsOn = (c: Extract<Control, { kind: 'crob' }>): boolean =>
  (c.operation === 3 || c.operation === 1) && c.tripClose !== 'trip';

function walked(kind: PointKind, value: number, walk: number, stream: RandomStream): number {
  if (kind === 'CTR') return (value + stream.int(0, Math.max(1, Math.round(walk)))) % 2 ** 32;
  if (kind === 'AI' || kind === 'AOS') return value + stream.uniform(-walk, walk);
  return stream.chance(Math.min(1, walk)) ? 1 - Math.min(1, value) : value;
}
