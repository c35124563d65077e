import { describe, expect, test } from 'vitest';
import { ledgerResidual } from '../../../simulators/site/meter.ts';
import { whToMj } from '../../../src/domain/units.ts';
import { applianceBus, type Bus } from '../../helpers/applianceBus.ts';
import { ev, HOUR, MINUTE, START_MS, thermostat } from './world.ts';

/** Cars, houses and inverters at the bus of a home with a battery (simulators/appliance/homeLoads.ts). */
const CAR = ev({
  storedWh: 50_000,
  chargeLimitPct: 100,
  visits: { list: [{ arriveMs: START_MS + HOUR + 17_501, departMs: START_MS + 12 * HOUR, usedWh: 9_000 }] },
});
const HOUSE = thermostat();
const ROOF = { kind: 'home-inverter', deviceId: 'roof', home: 0 } as const;

const deviceMj = ({ appliances }: Bus, i: number): number => {
  const r = appliances.registers(i);
  if (r.kind === 'ev') return r.chargeMj;
  return r.kind === 'thermostat' ? r.hvacMj + r.fanMj : Number.NaN;
};

describe('a home with a car and a thermostat', () => {
  test('closes its books to 0 mJ in every minute, through arrival, taper and full', () => {
    const bus = applianceBus([CAR, HOUSE]);
    const intervals = bus.meter(14 * HOUR, MINUTE);
    expect(intervals.filter((m) => ledgerResidual(m).acMj !== 0 || ledgerResidual(m).batteryMj !== 0)).toEqual([]);
    const falling = intervals.filter((m) => m.importMj < 0 || m.exportMj < 0 || (m.evMj ?? -1) < 0);
    expect(falling).toEqual([]);
  });

  test('has in its registers what the devices took by their own, to the mJ', () => {
    const bus = applianceBus([CAR, HOUSE]);
    const intervals = bus.meter(14 * HOUR, 15 * MINUTE);
    const sum = (of: 'evMj' | 'hvacMj') => intervals.reduce((total, m) => total + (m[of] ?? 0), 0);
    expect(sum('evMj')).toBe(deviceMj(bus, 0));
    expect(sum('hvacMj')).toBe(deviceMj(bus, 1));
    expect(sum('evMj')).toBeGreaterThan(whToMj(20_000));
    expect(sum('hvacMj')).toBeGreaterThan(whToMj(4_000));
  });

  test('counts the same in every interval, whoever reads the devices in between', () => {
    const plain = applianceBus([CAR, HOUSE]).meter(14 * HOUR, 15 * MINUTE);
    const read = applianceBus([CAR, HOUSE]);
    for (let t = 0; t < 14 * HOUR; t += 41_777) {
      read.kernel.at(START_MS + t, () => {
        read.appliances.sample((t / 41_777) % 2);
        read.home.sample(0);
      });
    }
    expect(read.meter(14 * HOUR, 15 * MINUTE)).toEqual(plain);
  });

  test('discharges its battery into the car: what the home uses itself, it covers itself', () => {
    const with0 = applianceBus([CAR]).meter(3 * HOUR, 15 * MINUTE);
    const without = applianceBus([]).meter(3 * HOUR, 15 * MINUTE);
    const discharged = (list: typeof with0) => list.reduce((total, m) => total + m.dischargeMj, 0);
    expect(discharged(with0)).toBeGreaterThan(discharged(without) + whToMj(2_000));
    const charging = with0.filter((m) => (m.evMj ?? 0) === 7_200 * 15 * MINUTE);
    expect(charging.length).toBeGreaterThan(3);
    // 5 kW is all it gives; the rest of 7.2 kW and the household comes from the grid.
    const [first] = charging;
    expect(first?.dischargeMj).toBe(5_000 * 15 * MINUTE);
    expect(first?.importMj).toBe(2_200 * 15 * MINUTE + (first?.loadMj ?? 0));
  });

  test('has the power of the house at the very moment it changes, not at the next minute', () => {
    const bus = applianceBus([HOUSE], {}, () => 400);
    const off: number[] = [];
    for (let t = 10 * HOUR; t < 15 * HOUR; t += 7_003) {
      bus.to(t);
      const houseW = -bus.appliances.sample(0).busW;
      if (bus.home.sample(0).loadW !== 400 + houseW) off.push(t);
    }
    expect(off).toEqual([]);
    const registers = bus.appliances.registers(0);
    expect(registers.kind === 'thermostat' ? registers.starts : 0).toBeGreaterThan(1);
  });

  test('has no registers of appliances where there are none', () => {
    const [first] = applianceBus([]).meter(15 * MINUTE, 15 * MINUTE);
    expect(first).not.toHaveProperty('evMj');
  });

  test('is not asked what it goes without in an outage: that is not modelled', () => {
    expect(() => applianceBus([HOUSE]).home.setGrid(0, false)).toThrow(/not modelled/);
  });
});

describe('the inverter of a home', () => {
  test('shows the PV and the meter of the bus, and its export limit acts there', () => {
    const bus = applianceBus([ROOF], { spec: { ...full(), storedWh: 13_500 } });
    bus.to(12 * HOUR);
    const before = bus.appliances.sample(0).state;
    if (before.kind !== 'inverter') throw new Error('no inverter');
    expect(before).toMatchObject({ power: 4_000, gridStatus: 'exporting', exportLimit: null });
    const limit = { slug: 'inverter:set-export-limit', input: { powerW: 500 } } as const;
    expect(bus.appliances.apply(0, limit, 'test')).toEqual({ kind: 'taken' });
    const after = bus.appliances.sample(0).state;
    expect(after).toMatchObject({ gridPower: -500, exportLimit: 500 });
    const [hour] = bus.meter(13 * HOUR, HOUR);
    expect(hour?.exportMj).toBe(500 * HOUR);
    expect(bus.appliances.apply(0, { ...limit, input: { powerW: null } }, 'test')).toEqual({ kind: 'taken' });
    expect(bus.appliances.sample(0).state).toMatchObject({ exportLimit: null, gridStatus: 'exporting' });
  });

  test('that is offline hears no limit', () => {
    const bus = applianceBus([ROOF]);
    bus.appliances.setLink(0, false);
    const limit = { slug: 'inverter:set-export-limit', input: { powerW: 0 } } as const;
    expect(bus.appliances.apply(0, limit, 'test')).toEqual({ kind: 'offline' });
  });
});

const full = () => ({
  usableWh: 13_500,
  chargeWMax: 5000,
  dischargeWMax: 5000,
  chargeRatio: 0.95,
  dischargeRatio: 0.95,
  standbyW: 0,
});
