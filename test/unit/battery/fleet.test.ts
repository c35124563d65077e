import { describe, expect, test } from 'vitest';
import { MJ_PER_WH, MS_PER_HOUR } from '../../../src/domain/units.ts';
import { CONTROL, flat, HOME, HOME_SPEC, MINUTE, world } from './world.ts';

const HOURS = 600;
const at = (loadW: number, pvRatio = 0) => ({ loadW: flat(loadW, HOURS), pvRatio: flat(pvRatio, HOURS) });
const wh = (mj: number): number => mj / MJ_PER_WH;

describe('own use', () => {
  test('self-consumption covers load − PV from the battery and imports nothing', () => {
    const w = world([HOME], at(1500, 1));
    w.to(MS_PER_HOUR);
    const r = w.fleet.registers(0);
    expect([wh(r.dischargeMj), wh(r.importMj), wh(r.pvMj), wh(r.loadMj)]).toEqual([500, 0, 1000, 1500]);
    expect(r.dispatchedMj).toBe(0);
  });

  test('self-consumption charges from surplus PV only and exports what the battery does not take', () => {
    const w = world([{ ...HOME, spec: { ...HOME_SPEC, chargeWMax: 300 } }], at(500, 1));
    w.to(MS_PER_HOUR);
    const r = w.fleet.registers(0);
    expect([wh(r.chargeMj), wh(r.exportMj), wh(r.importMj)]).toEqual([300, 200, 0]);
  });

  test("own use stops at the owner's reserve and the grid takes over", () => {
    const w = world([{ ...HOME, reservePct: 50 }], at(1000));
    w.to(MS_PER_HOUR);
    expect([w.fleet.registers(0).dischargeMj, wh(w.fleet.registers(0).importMj)]).toEqual([0, 1000]);
  });

  test('a backup battery never discharges for the home and still stores surplus PV', () => {
    const backup = { ...HOME, strategy: 'backup' } as const;
    const short = world([backup], at(1500, 1));
    short.to(MS_PER_HOUR);
    expect(short.fleet.registers(0).dischargeMj).toBe(0);
    const surplus = world([backup], at(500, 1));
    surplus.to(MS_PER_HOUR);
    expect(wh(surplus.fleet.registers(0).chargeMj)).toBe(500);
  });

  test('PV above the export limit is curtailed and counted, and never enters pvMj', () => {
    const full = { ...HOME_SPEC, storedWh: HOME_SPEC.usableWh };
    const w = world([{ ...HOME, spec: full, pvW: 4000, exportWMax: 1000 }], at(500, 1));
    w.to(MS_PER_HOUR);
    const r = w.fleet.registers(0);
    expect([wh(r.pvMj), wh(r.curtailedMj), wh(r.exportMj)]).toEqual([1500, 2500, 1000]);
  });
});

describe('grid commands', () => {
  test('a discharge with export gives its power, beyond the load', () => {
    const w = world([HOME], at(1000));
    w.fleet.control(0, { ...CONTROL, powerW: 3000 });
    w.to(30 * MINUTE);
    const r = w.fleet.registers(0);
    expect([wh(r.dispatchedMj), wh(r.exportMj)]).toEqual([1500, 1000]);
  });

  test('a discharge without export covers at most the net load', () => {
    const w = world([HOME], at(1000, 0.4));
    w.fleet.control(0, { ...CONTROL, powerW: 3000, allowExport: false });
    w.to(30 * MINUTE);
    expect([wh(w.fleet.registers(0).dispatchedMj), w.fleet.registers(0).exportMj]).toEqual([300, 0]);
  });

  test("an export limit at the meter bounds a command's discharge", () => {
    const w = world([{ ...HOME, exportWMax: 1000 }], at(1000));
    w.fleet.control(0, CONTROL);
    w.to(30 * MINUTE);
    expect([wh(w.fleet.registers(0).dispatchedMj), wh(w.fleet.registers(0).exportMj)]).toEqual([1000, 500]);
  });

  test('the reserve is reached at its exact ms, which stands in the log', () => {
    const w = world([HOME], at(0));
    w.fleet.control(0, CONTROL);
    w.to(2 * MS_PER_HOUR);
    // 30 % of 13.5 kWh above the reserve, 5 kW at 0.95: 14.58e9 mJ · 0.95 / 5000 W.
    expect(w.modes.map((m) => [m.atMs, m.operation, m.cause])).toEqual([
      [0, 'discharge', 'test'],
      [2_770_200, 'discharge', 'at reserve'],
    ]);
    expect(w.fleet.registers(0).storedMj).toBe(2700 * MJ_PER_WH);
  });

  test.each([
    { what: 'a part of its power', control: { ...CONTROL, powerW: 3000 }, loadW: 0, atMs: 4_617_000 },
    { what: 'as much as the home takes', control: { ...CONTROL, allowExport: false }, loadW: 1000, atMs: 13_851_000 },
  ])('the ms is exact too for a discharge that gives $what', ({ control, loadW, atMs }) => {
    const w = world([HOME], at(loadW));
    w.fleet.control(0, control);
    w.to(4 * MS_PER_HOUR);
    expect(w.modes.at(-1)).toMatchObject({ atMs, cause: 'at reserve' });
  });

  test('the higher of the two floors holds', () => {
    for (const [reservePct, reservePctMin, floorPct] of [
      [20, 40, 40],
      [40, 20, 40],
    ] as const) {
      const w = world([{ ...HOME, reservePct }], at(0));
      w.fleet.control(0, { ...CONTROL, reservePctMin });
      w.to(3 * MS_PER_HOUR);
      expect(w.fleet.registers(0).storedMj).toBe((13_500 * floorPct * MJ_PER_WH) / 100);
    }
  });

  test('a reserve raised in mid-command binds at once; lowered, the discharge goes on', () => {
    const w = world([HOME], at(0));
    w.fleet.control(0, CONTROL);
    w.to(10 * MINUTE + 123);
    const before = w.fleet.registers(0).dispatchedMj;
    w.fleet.setReserve(0, 90);
    w.to(20 * MINUTE);
    expect(w.fleet.registers(0).dispatchedMj).toBe(before);
    w.fleet.setReserve(0, 10);
    w.to(21 * MINUTE);
    expect(w.fleet.registers(0).dispatchedMj).toBe(before + 5000 * MINUTE);
  });

  test("a reserve that its cloud tells is taken by a home that can hear it, and binds like its owner's", () => {
    const w = world([HOME], at(0));
    w.fleet.setLink(0, false);
    expect(w.fleet.keepReserve(0, 90, 'reserve 90 %')).toBe('offline');
    expect(w.fleet.sample(0).state.backupReserve).toBe(HOME.reservePct);
    w.fleet.setLink(0, true);
    expect(w.fleet.keepReserve(0, 90, 'reserve 90 %')).toBe('taken');
    expect(w.fleet.sample(0).state.backupReserve).toBe(90);
    w.fleet.control(0, CONTROL);
    w.to(3 * MS_PER_HOUR);
    expect(w.fleet.registers(0).dispatchedMj).toBe(0);
  });

  test('a charge stops at its ceiling', () => {
    const w = world([HOME], at(0));
    w.fleet.control(0, { ...CONTROL, mode: 'charge', reservePctMax: 60 });
    w.to(2 * MS_PER_HOUR);
    const missingMj = 8100 * MJ_PER_WH - w.fleet.registers(0).storedMj;
    expect(missingMj).toBeGreaterThanOrEqual(0);
    expect(missingMj).toBeLessThan(4750); // less than one ms of charge
    expect(w.modes.at(-1)?.cause).toBe('full');
  });

  test('a device ends its command by itself, in mid-minute and offline', () => {
    const w = world([HOME], at(0));
    w.fleet.control(0, { ...CONTROL, endMs: 90_500 });
    w.to(MINUTE);
    w.fleet.setLink(0, false);
    w.to(10 * MINUTE);
    expect(w.fleet.registers(0).dispatchedMj).toBe(5000 * 90_500);
    expect(w.modes.at(-1)).toMatchObject({ atMs: 90_500, operation: 'self-consumption', cause: 'end of test' });
  });

  test('a newer command takes over with its own end; the older end does nothing', () => {
    const w = world([HOME], at(0));
    w.fleet.control(0, { ...CONTROL, endMs: 2 * MINUTE });
    w.to(MINUTE);
    w.fleet.control(0, { ...CONTROL, powerW: 1000, endMs: 5 * MINUTE });
    w.to(10 * MINUTE);
    expect(w.fleet.registers(0).dispatchedMj).toBe(5000 * MINUTE + 1000 * 4 * MINUTE);
  });

  test('idle holds still, reset gives the device back to its owner', () => {
    const w = world([HOME], at(1000));
    w.fleet.control(0, { ...CONTROL, mode: 'idle' });
    w.to(MINUTE);
    expect(w.fleet.registers(0).dischargeMj).toBe(0);
    w.fleet.control(0, { ...CONTROL, mode: 'reset' });
    w.to(2 * MINUTE);
    expect(w.fleet.registers(0).dischargeMj).toBe(1000 * MINUTE);
  });

  test('an offline device hears nothing and says so', () => {
    const w = world([HOME], at(0));
    w.fleet.setLink(0, false);
    expect(w.fleet.control(0, CONTROL)).toBe('offline');
    expect(w.fleet.setStorm(0, true, 'storm')).toBe('offline');
    w.to(MINUTE);
    expect(w.fleet.registers(0).dischargeMj).toBe(0);
  });

  test('a command whose end has passed is taken and not followed', () => {
    const w = world([HOME], at(0));
    w.to(MINUTE);
    expect(w.fleet.control(0, { ...CONTROL, endMs: MINUTE })).toBe('taken');
    w.to(2 * MINUTE);
    expect(w.fleet.registers(0).dischargeMj).toBe(0);
    expect(w.modes.at(-1)?.cause).toBe('ignored, its end has passed: test');
  });
});

describe('Storm Guard', () => {
  test('it ends a running command, charges at full power to 100 % at its exact ms, then holds', () => {
    const w = world([HOME], at(1000, 0.5));
    w.fleet.control(0, { ...CONTROL, endMs: 5 * MS_PER_HOUR });
    w.to(6 * MINUTE);
    w.fleet.setStorm(0, true, 'alert');
    expect(w.fleet.sample(0)).toMatchObject({ operation: 'storm', state: { chargeRate: -5000, gridPower: 5500 } });
    w.to(5 * MS_PER_HOUR);
    const r = w.fleet.registers(0);
    expect(wh(r.dispatchedMj)).toBe(500);
    expect(r.storedMj).toBeGreaterThan(13_500 * MJ_PER_WH - 5000);
    expect([r.stormMs, r.stormDischargeMj]).toEqual([5 * MS_PER_HOUR - 6 * MINUTE, 0]);
    const full = w.modes.find((m) => m.cause === 'full');
    // What the discharge took and half the usable energy, at 4750 W into the store.
    const missingMj = 6750 * MJ_PER_WH + Math.ceil((500 * MJ_PER_WH) / 0.95);
    expect(full?.atMs).toBe(6 * MINUTE + Math.floor(missingMj / 4750));
  });

  test('a command during a storm is taken, ignored and logged', () => {
    const w = world([HOME], at(0));
    w.fleet.setStorm(0, true, 'alert');
    expect(w.fleet.control(0, CONTROL)).toBe('taken');
    w.to(MS_PER_HOUR);
    expect(w.fleet.registers(0).dischargeMj).toBe(0);
    expect(w.modes.at(-1)).toMatchObject({ storm: 'active', cause: 'ignored, storm guard: test' });
  });

  test("after the storm the owner's strategy is back, not the old command", () => {
    const w = world([HOME], at(1000));
    w.fleet.control(0, CONTROL);
    w.fleet.setStorm(0, true, 'alert');
    w.to(MINUTE);
    w.fleet.setStorm(0, false, 'over');
    expect(w.fleet.sample(0)).toMatchObject({ operation: 'self-consumption', state: { chargeRate: 1000 } });
  });

  test('without the consent of the owner a storm changes nothing', () => {
    const w = world([{ ...HOME, stormGuardEnabled: false }], at(0));
    expect(w.fleet.setStorm(0, true, 'alert')).toBe('taken');
    expect(w.fleet.sample(0).state).toMatchObject({ isStormModeEnabled: false, isStormModeActive: false });
    expect(w.modes).toEqual([]);
  });

  test('with the planted fault a device discharges to the grid in a storm, and the registers show it', () => {
    const w = world([HOME], at(0), { ruleOff: { stormGuardPrecedence: true } });
    w.fleet.setStorm(0, true, 'alert');
    w.fleet.control(0, CONTROL);
    w.to(6 * MINUTE);
    expect(wh(w.fleet.registers(0).stormDischargeMj)).toBe(500);
  });
});

describe('grid outage', () => {
  test('the battery carries the home, below the reserve too, and then nobody does', () => {
    const w = world([{ ...HOME, reservePct: 90 }], at(6000));
    w.fleet.setGrid(0, false);
    w.to(3 * MS_PER_HOUR);
    const r = w.fleet.registers(0);
    expect([r.importMj, r.exportMj, wh(r.loadMj), wh(r.unservedMj)]).toEqual([0, 0, 6412.5, 18_000 - 6412.5]);
    expect(r.storedMj).toBe(0);
  });

  test('PV that nobody takes is curtailed, and a command is ignored', () => {
    const w = world([{ ...HOME, pvW: 8000 }], at(1000, 1));
    w.fleet.setGrid(0, false);
    w.fleet.control(0, CONTROL);
    w.to(30 * MINUTE);
    const r = w.fleet.registers(0);
    expect([wh(r.chargeMj), wh(r.curtailedMj), wh(r.pvMj), r.exportMj]).toEqual([2500, 1000, 3000, 0]);
    expect(w.modes.at(-1)?.cause).toBe('ignored, grid outage: test');
  });
});

describe('reading a device', () => {
  test('a sample between two steps is the truth of that ms', () => {
    const w = world([HOME], at(1000, 0.2));
    w.kernel.run(90_250);
    const { state, loadW, pvW } = w.fleet.sample(0);
    expect(state).toMatchObject({ chargeRate: 800, gridPower: 0, chargingState: 'discharging', gridStatus: 'idle' });
    expect(state.charge).toBeCloseTo(6750 - (800 * 90_250) / 0.95 / MJ_PER_WH, 6);
    expect([state.sampledAtMs, loadW, pvW]).toEqual([90_250, 1000, 200]);
  });

  test('one actor per device and the table write the same log and registers', () => {
    const runs = (['table', 'actors'] as const).map((executor) => {
      const w = world([HOME, { ...HOME, deviceId: 'home-1' }], at(900, 0.5), { executor });
      w.fleet.control(0, { ...CONTROL, endMs: MS_PER_HOUR });
      w.fleet.control(1, { ...CONTROL, mode: 'charge', endMs: MS_PER_HOUR });
      w.to(50 * MINUTE);
      w.fleet.setStorm(1, true, 'alert');
      w.to(3 * MS_PER_HOUR);
      return [w.modes, w.fleet.registers(0), w.fleet.registers(1)];
    });
    expect(runs[1]).toEqual(runs[0]);
  });
});

describe('mistakes', () => {
  test('a fleet out of range is refused with each place', () => {
    const build = () =>
      world(
        [
          { ...HOME, reservePct: 120 },
          { ...HOME, loadProfile: 3 },
        ],
        at(0),
      );
    expect(build).toThrow(
      /devices\[0\]\.reservePct: found 120.*\n.*devices\[1\]\.loadProfile.*\n.*devices\[1\]\.deviceId/,
    );
  });

  test('a profile with a hole is refused', () => {
    expect(() => world([HOME], { loadW: [0, 1], pvRatio: [0, Number.NaN] })).toThrow(/profiles\.pv\[0\]\[1\]/);
  });

  test('time beyond the profiles is refused', () => {
    const w = world([HOME], { loadW: [0], pvRatio: [0] });
    expect(() => w.to(MINUTE + 1)).toThrow(/profiles: found "?1 steps/);
  });

  test('a device asked at a time it has passed is a bug', () => {
    const w = world([HOME], at(0));
    w.fleet.advance(0, MINUTE);
    expect(() => w.fleet.sample(0)).toThrow(/advanced past/);
  });
});
