import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { KIND_GROUPS, OBJECTS, POINT_KINDS, type PointKind } from '../../../src/dnp3/app/objects.ts';
import type { PointConfig } from '../../../src/dnp3/outstation/database.ts';
import { Desk } from './desk.ts';
import { hex, octets } from './hex.ts';

const want = (text: string): string => hex(octets(text));
const READ_ALL = 'C1 01 3C 01 06';

/** Value bits of each kind, so that a change can need another object and be clipped. */
const numberOf = (kind: PointKind): fc.Arbitrary<number> => {
  if (kind === 'BI' || kind === 'BOS') return fc.integer({ min: 0, max: 1 });
  return kind === 'DBI' ? fc.integer({ min: 0, max: 3 }) : fc.integer({ min: -100_000, max: 100_000 });
};
const stateOf = (kind: PointKind) =>
  fc.record({ value: numberOf(kind), flags: fc.constantFrom(1, 1, 1, 0, 5), timeMs: fc.integer({ min: 0, max: 9 }) });

const setup = fc.constantFrom(...POINT_KINDS).chain((kind) => {
  const variations = OBJECTS.filter((o) => o.group === KIND_GROUPS[kind].staticGroup && o.variation > 0);
  const point = fc.record({
    gap: fc.constantFrom(1, 1, 1, 1, 2, 250),
    staticVariation: fc.constantFrom(...variations.map((o) => o.variation)),
    eventClass: fc.constant(0 as const),
  });
  const changes = fc.array(fc.tuple(fc.nat({ max: 19 }), stateOf(kind)), { maxLength: 30 });
  return fc.record({
    kind: fc.constant(kind),
    points: fc.array(point, { minLength: 1, maxLength: 20 }),
    changes,
    readBefore: fc.nat({ max: 30 }),
  });
});

describe('the picture of all static points', () => {
  test('after any changes, before and after a read of it, a read gives what an outstation gives that was never read', () => {
    fc.assert(
      fc.property(setup, ({ kind, points, changes, readBefore }) => {
        const configs: PointConfig[] = [];
        for (const { gap, ...p } of points) configs.push({ kind, index: (configs.at(-1)?.index ?? -1) + gap, ...p });
        const [kept, fresh] = [new Desk({ points: configs }), new Desk({ points: configs })];
        for (const [i, [at, state]] of changes.entries()) {
          if (i === readBefore) kept.ask(READ_ALL);
          const point = configs[at % configs.length];
          for (const desk of [kept, fresh]) desk.session.update(kind, point?.index ?? 0, state, 0);
        }
        expect(kept.ask('C2 01 3C 01 06')).toBe(fresh.ask('C2 01 3C 01 06'));
      }),
      { numRuns: 500 },
    );
  });

  test('an answer of several fragments tells of the moment of the request, whatever changes meanwhile', () => {
    const points = [0, 1].map((index): PointConfig => ({ kind: 'AI', index, eventClass: 0, value: 7 }));
    const desk = new Desk({ points, fragmentOctetsMax: 15 });
    expect(desk.ask(READ_ALL)).toBe(want('A1 81 00 00 1E 01 00 00 00 01 07 00 00 00'));
    desk.session.update('AI', 1, { value: 8, flags: 1, timeMs: 0 }, 0);
    expect(desk.ask('C1 00')).toBe(want('42 81 00 00 1E 01 00 01 01 01 07 00 00 00'));
    expect(desk.ask('C3 01 1E 00 00 01 01')).toBe(want('C3 81 00 00 1E 01 00 01 01 01 08 00 00 00'));
  });
});

describe('headers of a READ that go on with each other', () => {
  test('octets: the answer has one header', () => {
    const points = [0, 1, 2].map((index): PointConfig => ({ kind: 'AI', index, eventClass: 0, value: index }));
    expect(new Desk({ points }).ask('C1 01 1E 02 00 00 00 1E 02 00 01 02')).toBe(
      want('C1 81 00 00 1E 02 00 00 02 01 00 00 01 01 00 01 02 00'),
    );
  });

  test('packed bits: they are joined bit by bit', () => {
    const points = [1, 0, 1, 1, 0, 1, 0, 1, 1, 1].map(
      (value, index): PointConfig => ({ kind: 'BI', index, eventClass: 0, value }),
    );
    expect(new Desk({ points }).ask('C1 01 01 01 00 00 02 01 01 00 03 09')).toBe(
      want('C1 81 00 00 01 01 00 00 09 AD 03'),
    );
  });

  test('packed bits cut by the end of a fragment go on with an octet', () => {
    const points = Array.from(
      { length: 20 },
      (_, index): PointConfig => ({ kind: 'BI', index, eventClass: 0, value: index % 3 === 0 ? 1 : 0 }),
    );
    const desk = new Desk({ points, fragmentOctetsMax: 11 });
    expect(desk.ask('C1 01 01 01 06')).toBe(want('A1 81 00 00 01 01 00 00 0F 49 92'));
    expect(desk.ask('C1 00')).toBe(want('42 81 00 00 01 01 00 10 13 04'));
  });
});
