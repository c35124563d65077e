import { describe, expect, test } from 'vitest';
import {
  type BatterySpec,
  makeBatteryColumns,
  moveBattery,
  msUntilLimit,
} from '../../../simulators/battery/physics.ts';
import { mjToKwh } from '../../../src/domain/units.ts';

const SPEC: BatterySpec = {
  usableWh: 100_000,
  chargeWMax: 10_000,
  dischargeWMax: 10_000,
  chargeRatio: 0.9,
  dischargeRatio: 0.9,
  standbyW: 0,
  storedWh: 0,
};
const one = (over: Partial<BatterySpec> = {}) => makeBatteryColumns([{ ...SPEC, ...over }]);
const move = (c: ReturnType<typeof one>, powerW: number, dtMs: number, floorMj = 0, ceilMj = Number.MAX_SAFE_INTEGER) =>
  moveBattery(c, 0, powerW, dtMs, floorMj, ceilMj);

describe('acceptance rows of SIMONA StorageModelSpec.scala (2cf8fe6): 100 kWh, ±10 kW, 0.9 each way', () => {
  // There + charges; here + discharges. Time in s, stored in kWh.
  test.each([
    { fromKwh: 0, powerW: -10_000, s: 20_000, storedKwh: 50 },
    { fromKwh: 0, powerW: -10_000, s: 39_999, storedKwh: 99.9975 },
    { fromKwh: 0, powerW: -10_000, s: 40_001, storedKwh: 100 },
    { fromKwh: 0, powerW: -1000, s: 1, storedKwh: 0.00025 },
    { fromKwh: 50, powerW: 8100, s: 20_000, storedKwh: 0 },
    { fromKwh: 50, powerW: 810, s: 1, storedKwh: 49.99975 },
    { fromKwh: 100, powerW: 8100, s: 39_999, storedKwh: 0.0025 },
  ])('from $fromKwh kWh at $powerW W for $s s it holds $storedKwh kWh', ({ fromKwh, powerW, s, storedKwh }) => {
    const c = one({ storedWh: fromKwh * 1000 });
    move(c, powerW, s * 1000);
    expect(Math.abs(mjToKwh(c.storedMj[0] ?? Number.NaN) - storedKwh)).toBeLessThanOrEqual(1e-10);
  });
});

describe('limits', () => {
  test('a full battery says for how long it took charge: 40 000 s of 40 001 s', () => {
    expect(move(one(), -10_000, 40_001_000)).toBe(40_000_000);
  });

  test('charging stops before the first ms that would pass the ceiling', () => {
    const c = one();
    const givenMs = move(c, -10_000, 60_000, 0, 1_000_000);
    expect(givenMs).toBe(111); // 9000 mJ reach the store each ms
    expect(c.storedMj[0]).toBe(999_000);
  });

  test('discharge stops before the first ms that would pass the floor', () => {
    const c = one({ storedWh: 1 });
    const givenMs = move(c, 9000, 60_000, 3_000_000);
    expect(givenMs).toBe(60); // 10 000 mJ leave the store each ms, 600 000 mJ are above the floor
    expect(c.storedMj[0]).toBe(3_000_000);
  });

  test('below its floor a battery discharges nothing and can still charge', () => {
    const c = one({ storedWh: 1 });
    expect(move(c, 100, 1000, 3_600_001)).toBe(0);
    expect(c.dischargeMj[0]).toBe(0);
    expect(move(c, -100, 1000, 3_600_001)).toBe(1000);
  });

  test('above its ceiling a battery takes no charge and can still discharge', () => {
    const c = one({ storedWh: 1 });
    expect(move(c, -100, 1000, 0, 3_599_999)).toBe(0);
    expect(move(c, 100, 1000, 0, 3_599_999)).toBe(1000);
  });

  test('msUntilLimit foretells what moveBattery gives and changes nothing', () => {
    const c = one({ storedWh: 1 });
    const before = JSON.stringify(c);
    expect(msUntilLimit(c, 0, 9000, 60_000, 3_000_000, 0)).toBe(60);
    expect(JSON.stringify(c)).toBe(before);
    expect(msUntilLimit(c, 0, -10_000, 60_000, 0, 3_609_000)).toBe(1);
    expect(msUntilLimit(c, 0, 0, 60_000, 0, 0)).toBe(60_000);
  });
});

describe('standby', () => {
  test('it empties an idle battery and then stops', () => {
    const c = one({ storedWh: 1, standbyW: 10 });
    move(c, 0, 100_000);
    expect([c.storedMj[0], c.standbyMj[0]]).toEqual([2_600_000, 1_000_000]);
    move(c, 0, 3_600_000);
    expect([c.storedMj[0], c.standbyMj[0]]).toEqual([0, 3_600_000]);
  });

  test('a full battery rests until 1 % of its energy is gone, then charges again', () => {
    const c = one({ usableWh: 100, storedWh: 100, standbyW: 10 });
    expect(move(c, -1000, 1000)).toBe(0);
    // 1 Wh at 10 W lasts 360 s; then 1 Wh at a net 890 W takes 4.04 s.
    expect(move(c, -1000, 358_999)).toBe(0);
    expect(move(c, -1000, 10_000)).toBe(4044);
    expect(c.storedMj[0]).toBeGreaterThan(359_900_000);
  });

  test('a full battery charges again at once after a discharge', () => {
    const c = one({ usableWh: 100, storedWh: 100 });
    expect(move(c, -1000, 1000)).toBe(0);
    move(c, 900, 1000);
    expect(move(c, -1000, 1000)).toBe(1000);
  });

  test('an empty battery charged below its standby power stays empty and books what came in', () => {
    const c = one({ standbyW: 10 });
    expect(move(c, -10, 1000)).toBe(1000);
    expect([c.storedMj[0], c.chargeMj[0], c.chargeLossMj[0], c.standbyMj[0]]).toEqual([0, 10_000, 1000, 9000]);
  });
});

describe('mistakes', () => {
  test('a spec out of range is refused with its place', () => {
    expect(() => makeBatteryColumns([SPEC, { ...SPEC, chargeRatio: 1.2, storedWh: 100_001 }])).toThrow(
      /specs\[1\]\.chargeRatio: found 1\.2.*\n.*specs\[1\]\.storedWh/,
    );
  });

  test('a power over the limit, a broken ms or a missing battery is a bug', () => {
    expect(() => move(one(), 10_001, 1)).toThrow(/over the limit/);
    expect(() => move(one(), -10_001, 1)).toThrow(/over the limit/);
    expect(() => move(one(), 1.5, 1)).toThrow(/not whole/);
    expect(() => move(one(), 1, 0.5)).toThrow(/dtMs/);
    expect(() => moveBattery(one(), 1, 1, 1, 0, 0)).toThrow(/index 1/);
  });

  test('a register that would pass 2^53 mJ stops the run instead of losing digits', () => {
    const c = one({ usableWh: 2_000_000_000, storedWh: 2_000_000_000, dischargeRatio: 1, dischargeWMax: 1e9 });
    c.dischargeMj[0] = Number.MAX_SAFE_INTEGER - 10;
    expect(() => move(c, 1e9, 1)).toThrow(/2\^53/);
  });
});
