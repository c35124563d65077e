import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type BatterySpec, makeBatteryColumns, moveBattery } from '../../simulators/battery/physics.ts';
import { MINUTE } from '../unit/battery/world.ts';
import { specs } from './batterySpecs.ts';

/** Numbers of properties: the catalogue of the project. Units: W, Wh, ms, mJ, ppm. */
const PPM = 1_000_000n;
const DAY = 24 * 60 * MINUTE;

interface Step {
  readonly powerPermille: number;
  readonly dtMs: number;
  readonly floorPct: number;
  readonly ceilPct: number;
}
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.record({
    powerPermille: fc.integer({ min: -1000, max: 1000 }),
    dtMs: fc.oneof(fc.integer({ min: 0, max: 1000 }), fc.integer({ min: 0, max: 4 * 60 * MINUTE })),
    floorPct: fc.integer({ min: 0, max: 100 }),
    ceilPct: fc.integer({ min: 0, max: 100 }),
  }),
  { maxLength: 30 },
);

const powerOf = (spec: BatterySpec, { powerPermille }: Step): number =>
  Math.trunc((powerPermille * (powerPermille > 0 ? spec.dischargeWMax : spec.chargeWMax)) / 1000);

function battery(spec: BatterySpec) {
  const c = makeBatteryColumns([spec]);
  const read = (column: Float64Array): number => column[0] ?? Number.NaN;
  const limits = (s: Step) => ({
    floorMj: Math.ceil((read(c.usableMj) * s.floorPct) / 100),
    ceilMj: Math.floor((read(c.usableMj) * s.ceilPct) / 100),
  });
  return {
    c,
    read,
    limits,
    stored: () => read(c.storedMj),
    move: (s: Step, dtMs = s.dtMs, powerW = powerOf(spec, s)): number => {
      const { floorMj, ceilMj } = limits(s);
      return moveBattery(c, 0, powerW, dtMs, floorMj, ceilMj);
    },
  };
}

describe('physics of one battery', () => {
  test('1 Conservation: stored is start + charge − losses − discharge − standby, to the mJ, at every step', () => {
    fc.assert(
      fc.property(specs, steps, (spec, list) => {
        const b = battery(spec);
        const start = b.stored();
        for (const s of list) {
          b.move(s);
          const { c, read } = b;
          const into = read(c.chargeMj) - read(c.chargeLossMj);
          const out = read(c.dischargeMj) + read(c.dischargeLossMj) + read(c.standbyMj);
          expect(b.stored()).toBe(start + into - out);
          // The losses are those of the exact ratios, rounded up once over the whole past.
          const [ppmIn, ppmOut] = [BigInt(read(c.chargePpm)), BigInt(read(c.dischargePpm))];
          const ceil = (a: bigint, d: bigint): bigint => (a + d - 1n) / d;
          const lossIn = ceil(BigInt(read(c.chargeMj)) * (PPM - ppmIn), PPM);
          const lossOut = ceil(BigInt(read(c.dischargeMj)) * (PPM - ppmOut), ppmOut);
          expect([BigInt(read(c.chargeLossMj)), BigInt(read(c.dischargeLossMj))]).toEqual([lossIn, lossOut]);
        }
      }),
    );
  });

  test('2 The store stays in 0..usable, and neither floor nor ceiling is crossed by 1 mJ', () => {
    fc.assert(
      fc.property(specs, steps, (spec, list) => {
        const b = battery({ ...spec, standbyW: 0 });
        for (const s of list) {
          const before = b.stored();
          b.move(s);
          const { floorMj, ceilMj } = b.limits(s);
          expect(b.stored()).toBeGreaterThanOrEqual(Math.min(before, floorMj));
          expect(b.stored()).toBeLessThanOrEqual(Math.max(before, ceilMj));
        }
      }),
    );
    fc.assert(
      fc.property(specs, steps, (spec, list) => {
        const b = battery(spec);
        for (const s of list) {
          b.move({ ...s, floorPct: 0, ceilPct: 100 });
          expect(b.stored()).toBeGreaterThanOrEqual(0);
          expect(b.stored()).toBeLessThanOrEqual(b.read(b.c.usableMj));
        }
      }),
    );
  });

  test('2 Within a few mJ of a limit the last whole ms is given and the next is not', () => {
    const near = fc.record({ powerW: fc.integer({ min: -5, max: 5 }), gapMj: fc.nat(60), dtMs: fc.nat(100) });
    fc.assert(
      fc.property(specs, fc.array(near, { maxLength: 20 }), (spec, list) => {
        const b = battery({ ...spec, chargeWMax: 5, dischargeWMax: 5, standbyW: 0, storedWh: spec.usableWh / 2 });
        for (const { powerW, gapMj, dtMs } of list) {
          const limitMj = b.stored() + (powerW > 0 ? -gapMj : gapMj);
          const resting = powerW < 0 && b.c.fullAtMj[0] === limitMj;
          const storedAfter = exactStore(b.c, powerW);
          const givenMs = moveBattery(b.c, 0, powerW, dtMs, limitMj, limitMj);
          const within = (mj: bigint): boolean => (powerW > 0 ? mj >= BigInt(limitMj) : mj <= BigInt(limitMj));
          if (powerW === 0 || resting) continue;
          expect(within(BigInt(b.stored()))).toBe(true);
          if (givenMs < dtMs) expect(within(storedAfter(givenMs + 1))).toBe(false);
        }
      }),
      { numRuns: 300 },
    );
  });

  test('3 No free energy: what came out is at most what went in and what was stored, times the ratios', () => {
    fc.assert(
      fc.property(specs, steps, (spec, list) => {
        const b = battery(spec);
        const start = BigInt(b.stored());
        for (const s of list) b.move(s);
        // out / ratioOut ≤ in · ratioIn + (start − end), multiplied out in whole numbers.
        const [ppmIn, ppmOut] = [BigInt(b.read(b.c.chargePpm)), BigInt(b.read(b.c.dischargePpm))];
        const [into, out] = [BigInt(b.read(b.c.chargeMj)), BigInt(b.read(b.c.dischargeMj))];
        const available = into * ppmIn + (start - BigInt(b.stored())) * PPM;
        expect(out * PPM * PPM <= available * ppmOut).toBe(true);
      }),
    );
  });

  test('4 Power is given within the rating: energy of a step is power × given ms, given ms ≤ the step', () => {
    fc.assert(
      fc.property(specs, steps, (spec, list) => {
        const b = battery(spec);
        for (const s of list) {
          const [chargeMj, dischargeMj] = [b.read(b.c.chargeMj), b.read(b.c.dischargeMj)];
          const powerW = powerOf(spec, s);
          const givenMs = b.move(s);
          expect(givenMs).toBeLessThanOrEqual(s.dtMs);
          expect(b.read(b.c.dischargeMj) - dischargeMj).toBe(Math.max(0, powerW) * givenMs);
          expect(b.read(b.c.chargeMj) - chargeMj).toBe(Math.max(0, -powerW) * givenMs);
        }
        expect(() => b.move({ ...fullStep, powerPermille: 0 }, 1, spec.dischargeWMax + 1)).toThrow(/over the limit/);
        expect(() => b.move({ ...fullStep, powerPermille: 0 }, 1, -spec.chargeWMax - 1)).toThrow(/over the limit/);
      }),
    );
  });

  test('6 Splitting a step anywhere changes no register', () => {
    fc.assert(
      fc.property(specs, steps, fc.integer({ min: 0, max: 1000 }), fc.nat(1000), (spec, list, cut, cut2) => {
        const [whole, split] = [battery(spec), battery(spec)];
        for (const s of list) {
          const a = Math.floor((s.dtMs * Math.min(cut, cut2)) / 1000);
          const b = Math.floor((s.dtMs * Math.max(cut, cut2)) / 1000);
          const givenMs = whole.move(s);
          const parts = split.move(s, a) + split.move(s, b - a) + split.move(s, s.dtMs - b);
          expect(parts).toBe(givenMs);
          expect(split.c).toEqual(whole.c);
        }
      }),
    );
  });

  test('6 Splitting holds at the limits, where a full battery rests and resumes', () => {
    const small = specs.map((s) => ({ ...s, usableWh: 20, storedWh: 19, standbyW: 40, chargeWMax: 3000 }));
    fc.assert(
      fc.property(
        small,
        fc.integer({ min: 0, max: 120 * MINUTE }),
        fc.integer({ min: -3000, max: -1 }),
        (spec, cut, p) => {
          const [whole, split] = [battery(spec), battery(spec)];
          const givenMs = whole.move(fullStep, 120 * MINUTE, p);
          expect(split.move(fullStep, cut, p) + split.move(fullStep, 120 * MINUTE - cut, p)).toBe(givenMs);
          expect(split.c).toEqual(whole.c);
        },
      ),
    );
  });

  test('7 An idle battery without standby keeps its energy', () => {
    fc.assert(
      fc.property(specs, fc.nat(DAY), (spec, dtMs) => {
        const b = battery({ ...spec, standbyW: 0 });
        const before = JSON.stringify(b.c);
        expect(b.move(fullStep, dtMs, 0)).toBe(dtMs);
        expect(JSON.stringify(b.c)).toBe(before);
      }),
    );
  });

  test('9 A limit is found at its exact ms: one ms more would cross it', () => {
    fc.assert(
      fc.property(specs, steps, (spec, list) => {
        const b = battery({ ...spec, standbyW: 0 });
        for (const s of list) {
          const powerW = powerOf(spec, s);
          const { floorMj, ceilMj } = b.limits(s);
          const resting = b.c.fullAtMj[0] === ceilMj || (powerW < 0 && b.stored() > ceilMj);
          const storedAfter = exactStore(b.c, powerW);
          const givenMs = b.move(s);
          if (givenMs === s.dtMs || resting) continue;
          const oneMore = storedAfter(givenMs + 1);
          expect(powerW > 0 ? oneMore < BigInt(floorMj) : oneMore > BigInt(ceilMj)).toBe(true);
        }
      }),
    );
  });
});

const fullStep: Step = { powerPermille: 0, dtMs: 0, floorPct: 0, ceilPct: 100 };

/** The store after ms at constant power, without limits or standby, from the ratios alone in whole numbers. */
function exactStore(c: ReturnType<typeof makeBatteryColumns>, powerW: number): (ms: number) => bigint {
  const at = (column: Float64Array): bigint => BigInt(column[0] ?? 0);
  const ceil = (a: bigint, d: bigint): bigint => (a + d - 1n) / d;
  const [stored, part, whole, past] =
    powerW > 0
      ? [at(c.storedMj), PPM - at(c.dischargePpm), at(c.dischargePpm), at(c.dischargeMj)]
      : [at(c.storedMj), PPM - at(c.chargePpm), PPM, at(c.chargeMj)];
  return (ms) => {
    const energy = BigInt(Math.abs(powerW)) * BigInt(ms);
    const loss = ceil((past + energy) * part, whole) - ceil(past * part, whole);
    return powerW > 0 ? stored - energy - loss : stored + energy - loss;
  };
}
