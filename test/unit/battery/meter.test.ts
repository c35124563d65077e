import { describe, expect, test } from 'vitest';
import {
  createSiteMeter,
  intervalOf,
  ledgerResidual,
  readingOf,
  type SiteRegisters,
} from '../../../simulators/site/meter.ts';
import { MJ_PER_WH, MS_PER_HOUR, whBetween } from '../../../src/domain/units.ts';
import { CONTROL, flat, HOME, MINUTE, world } from './world.ts';

const QUARTER = 15 * MINUTE;
const ZERO: SiteRegisters = {
  loadMj: 0,
  pvMj: 0,
  importMj: 0,
  exportMj: 0,
  chargeMj: 0,
  dischargeMj: 0,
  chargeLossMj: 0,
  dischargeLossMj: 0,
  standbyMj: 0,
  storedMj: 0,
  dispatchedMj: 0,
  stormMs: 0,
  stormDischargeMj: 0,
};

describe('intervals', () => {
  // LBNL loadshape test_loadshape.py: load 5 kW against a baseline of 4 kW, each 15 minutes.
  test('four quarters of 5 kW against 4 kW differ by 0.25, 0.5, 0.75, 1.0 kWh cumulatively', () => {
    const meterOf = (loadW: number) => {
      const spec = { ...HOME.spec, storedWh: 0 };
      const w = world([{ ...HOME, spec }], { loadW: flat(loadW, 60), pvRatio: flat(0, 60) });
      const meter = createSiteMeter({ siteId: 'a', startMs: 0, read: () => w.fleet.registers(0) });
      return [1, 2, 3, 4].map((q) => {
        w.to(q * QUARTER);
        return meter.close(q * QUARTER).importMj;
      });
    };
    const baseline = meterOf(4000);
    let differenceMj = 0;
    const cumulativeKwh = meterOf(5000).map((mj, q) => {
      differenceMj += mj - (baseline[q] ?? Number.NaN);
      return differenceMj / MJ_PER_WH / 1000;
    });
    expect(cumulativeKwh).toEqual([0.25, 0.5, 0.75, 1]);
    expect(baseline.map((mj) => mj / MJ_PER_WH)).toEqual([1000, 1000, 1000, 1000]);
  });

  test('intervals of any cut sum to the whole, in mJ and in whole Wh', () => {
    const w = world([HOME], { loadW: flat(777, 60), pvRatio: flat(0, 60) });
    const meter = createSiteMeter({ siteId: 'a', startMs: 0, read: () => w.fleet.registers(0) });
    const cuts = [1, 61_003, 899_999, 900_000, MS_PER_HOUR];
    const readings = [0];
    const parts = cuts.map((ms) => {
      w.to(ms);
      readings.push(w.fleet.registers(0).loadMj);
      return meter.close(ms).loadMj;
    });
    expect(parts.reduce((a, b) => a + b, 0)).toBe(777 * MS_PER_HOUR);
    const whole = cuts.map((_, k) => whBetween({ fromMj: readings[k] ?? 0, toMj: readings[k + 1] ?? 0 }));
    expect(whole.reduce((a, b) => a + b, 0)).toBe(777);
  });

  test('each interval begins where the last one ended', () => {
    const w = world([HOME], { loadW: flat(500, 60), pvRatio: flat(0, 60) });
    const meter = createSiteMeter({ siteId: 'a', startMs: 0, read: () => w.fleet.registers(0) });
    w.to(QUARTER);
    const first = meter.close(QUARTER);
    w.to(2 * QUARTER);
    const second = meter.close(2 * QUARTER);
    expect([second.startMs, second.storedStartMj]).toEqual([first.endMs, first.storedEndMj]);
  });
});

describe('the ledger', () => {
  const sound = { ...ZERO, loadMj: 900, importMj: 1000, chargeMj: 100, chargeLossMj: 10, storedMj: 90 };
  const residual = (to: SiteRegisters) =>
    ledgerResidual(intervalOf({ siteId: 'a', startMs: 0, endMs: 1, from: ZERO, to }));

  test('closes to 0 on a sound interval', () => {
    expect(residual(sound)).toEqual({ acMj: 0, batteryMj: 0 });
  });

  test.each(['loadMj', 'pvMj', 'importMj', 'exportMj'] as const)('shows one mJ too many in %s at the bus', (field) => {
    const { acMj, batteryMj } = residual({ ...sound, [field]: sound[field] + 1 });
    expect([Math.abs(acMj), batteryMj]).toEqual([1, 0]);
  });

  test.each(['chargeLossMj', 'dischargeLossMj', 'standbyMj', 'storedMj'] as const)(
    'shows one mJ too many in %s in the battery',
    (field) => {
      const { acMj, batteryMj } = residual({ ...sound, [field]: sound[field] + 1 });
      expect([acMj, Math.abs(batteryMj)]).toEqual([0, 1]);
    },
  );

  test('closes to 0 over a day of a home that charges, discharges, idles and follows a command', () => {
    const loadW = Array.from({ length: 1440 }, (_, k) => 300 + ((k * 37) % 2900));
    const pvRatio = Array.from({ length: 1440 }, (_, k) => (k > 400 && k < 1100 ? ((k * 13) % 1000) / 1000 : 0));
    const spec = { ...HOME.spec, standbyW: 13, chargeRatio: 0.9487, dischargeRatio: 0.9487 };
    const w = world([{ ...HOME, spec, pvW: 6000, exportWMax: 2000 }], { loadW, pvRatio });
    const meter = createSiteMeter({ siteId: 'a', startMs: 0, read: () => w.fleet.registers(0) });
    w.kernel.at(17 * MS_PER_HOUR + 12_345, () => {
      w.fleet.control(0, { ...CONTROL, endMs: 19 * MS_PER_HOUR + 777 });
    });
    const residuals = Array.from({ length: 96 }, (_, q) => {
      w.to((q + 1) * QUARTER);
      return ledgerResidual(meter.close((q + 1) * QUARTER));
    });
    expect(residuals).toEqual(residuals.map(() => ({ acMj: 0, batteryMj: 0 })));
    expect(w.fleet.registers(0).dispatchedMj).toBeGreaterThan(0);
    expect(w.fleet.registers(0).curtailedMj).toBeGreaterThan(0);
  });
});

test('a reading copies the registers it names', () => {
  const registers = { ...ZERO, chargeMj: 1, dischargeMj: 2, dispatchedMj: 3, storedMj: 4 };
  expect(readingOf({ siteId: 's', deviceId: 'd', why: 'storm begins', registers })).toEqual({
    kind: 'reading',
    siteId: 's',
    deviceId: 'd',
    why: 'storm begins',
    chargeMj: 1,
    dischargeMj: 2,
    dispatchedMj: 3,
    storedMj: 4,
  });
});
