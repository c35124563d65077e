import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { allocate, type Candidate } from '../../src/core/allocate.ts';

/** Numbers are those of the catalogue of properties for continuous integration; units are whole watts. */
const smooth = fc.array(fc.record({ capW: fc.integer({ min: 0, max: 20_000 }), heldW: fc.constant(0) }), {
  maxLength: 12,
});
const mixed = fc.array(
  fc.record({
    capW: fc.integer({ min: 0, max: 20_000 }),
    blockW: fc.option(fc.integer({ min: 0, max: 20_000 }), { nil: null }),
    heldW: fc.integer({ min: 0, max: 20_000 }),
  }),
  { maxLength: 12 },
);
const target = fc.integer({ min: 0, max: 150_000 });
/** Few watts: equal figures and equal remainders are common, so that ties are. */
const tiny = fc.array(
  fc.record({ capW: fc.integer({ min: 0, max: 4 }), heldW: fc.constantFrom(0, 0, 0, 0, 0, 0, 3) }),
  {
    maxLength: 6,
  },
);
const tinyTarget = fc.integer({ min: 0, max: 15 });

const name = (i: number): string => `d${String(i).padStart(2, '0')}`;
const named = (xs: readonly { capW: number; blockW?: number | null; heldW: number }[], id = name): Candidate[] =>
  xs.map((x, i) => ({ blockW: null, ...x, deviceId: id(i) }));
const sum = (xs: Iterable<number>): number => [...xs].reduce((a, b) => a + b, 0);
const run = (targetW: number, candidates: readonly Candidate[]) => allocate({ targetW, candidates });
const total = (targetW: number, candidates: readonly Candidate[]) => sum(run(targetW, candidates).values());
const listed = (shares: Map<string, number>) => [...shares].filter(([, w]) => w > 0).sort();

describe('allocate', () => {
  test('10 no setpoint device is asked for more than it can hold above its reserve', () => {
    fc.assert(
      fc.property(target, mixed, (t, xs) => {
        const candidates = named(xs);
        const shares = run(t, candidates);
        for (const c of candidates) {
          const w = shares.get(c.deviceId) ?? 0;
          expect(Number.isInteger(w) && w >= 0).toBe(true);
          expect(c.blockW === null ? w <= c.capW : w === 0 || w === c.blockW).toBe(true);
        }
      }),
    );
  });

  test('11 the sum is at most the target; it falls short only if every setpoint device is at its limit and no block fits', () => {
    fc.assert(
      fc.property(target, mixed, (t, xs) => {
        const candidates = named(xs);
        const shares = run(t, candidates);
        const given = sum(shares.values());
        expect(given).toBeLessThanOrEqual(t);
        if (given === t) return;
        const usable = candidates.some((c) => c.blockW !== null && c.capW > 0);
        for (const c of candidates) {
          const w = shares.get(c.deviceId) ?? 0;
          if (c.blockW === null) expect(w).toBe(c.capW);
          else if (usable && w === 0 && c.blockW > 0) expect(given + c.blockW).toBeGreaterThan(t);
        }
      }),
    );
  });

  test('12 the order of the input does not matter', () => {
    fc.assert(
      fc.property(fc.oneof(target, tinyTarget), fc.oneof(mixed, tiny), fc.nat(11), (t, xs, turn) => {
        const candidates = named(xs);
        const k = candidates.length === 0 ? 0 : turn % candidates.length;
        const other = [...candidates.slice(k), ...candidates.slice(0, k)].reverse();
        expect(listed(run(t, other))).toEqual(listed(run(t, candidates)));
      }),
      { numRuns: 500 },
    );
  });

  test('13 other names give the same shares, whoever has them', () => {
    fc.assert(
      fc.property(fc.oneof(target, tinyTarget), fc.oneof(mixed, tiny), (t, xs) => {
        const renamed = named(xs, (i) => `z${99 - i}`);
        const shares = (c: Candidate[]) => [...run(t, c).values()].filter((w) => w > 0).sort((a, b) => a - b);
        expect(shares(renamed)).toEqual(shares(named(xs)));
      }),
      { numRuns: 500 },
    );
  });

  test('10 a share that was held is cut to what the device can still hold, and the others make it good', () => {
    const shares = run(5_000, [
      { deviceId: 'worn', capW: 1_000, blockW: null, heldW: 2_500 },
      { deviceId: 'full', capW: 9_000, blockW: null, heldW: 2_500 },
    ]);
    expect(listed(shares)).toEqual([
      ['full', 4_000],
      ['worn', 1_000],
    ]);
  });

  test('14 everything times k gives shares times k, to 1 W of the unscaled world and 1 W of the scaled one', () => {
    fc.assert(
      fc.property(target, smooth, fc.integer({ min: 2, max: 9 }), (t, xs, k) => {
        const one = run(t, named(xs));
        const many = run(t * k, named(xs.map((x) => ({ ...x, capW: x.capW * k }))));
        for (const [id, w] of one) expect(Math.abs((many.get(id) ?? 0) - k * w)).toBeLessThanOrEqual(k + 1);
      }),
    );
  });

  test('15, 16 more capacity or one device more never lowers the sum, a higher reserve never raises it', () => {
    fc.assert(
      fc.property(target, smooth, fc.nat(11), fc.integer({ min: 0, max: 9_000 }), (t, xs, i, more) => {
        const before = total(t, named(xs));
        const grown = xs.map((x, j) => (j === i ? { ...x, capW: x.capW + more } : x));
        expect(total(t, named(grown))).toBeGreaterThanOrEqual(before);
        expect(total(t, named([...xs, { capW: more, heldW: 0 }]))).toBeGreaterThanOrEqual(before);
        const shrunk = xs.map((x, j) => (j === i ? { ...x, capW: Math.max(0, x.capW - more) } : x));
        expect(total(t, named(shrunk))).toBeLessThanOrEqual(before);
      }),
    );
  });

  test('17 a higher target never lowers the sum', () => {
    fc.assert(
      fc.property(target, fc.integer({ min: 0, max: 50_000 }), smooth, (t, more, xs) => {
        expect(total(t + more, named(xs))).toBeGreaterThanOrEqual(total(t, named(xs)));
      }),
    );
  });

  test('20 equal devices differ by at most 1 W', () => {
    fc.assert(
      fc.property(target, fc.integer({ min: 0, max: 9_000 }), fc.integer({ min: 1, max: 12 }), (t, capW, n) => {
        const shares = [...run(t, named(Array.from({ length: n }, () => ({ capW, heldW: 0 })))).values()];
        expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(1);
      }),
    );
  });

  test('21 solving again from its own result changes nothing', () => {
    fc.assert(
      fc.property(target, mixed, (t, xs) => {
        const first = run(t, named(xs));
        const again = run(
          t,
          named(xs).map((c) => ({ ...c, heldW: first.get(c.deviceId) ?? 0 })),
        );
        expect(listed(again)).toEqual(listed(first));
      }),
    );
  });
});
