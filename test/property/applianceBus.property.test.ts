import fc from 'fast-check';
import { describe, test } from 'vitest';
import { ledgerResidual } from '../../simulators/site/meter.ts';
import type { ApplianceInput } from '../../src/domain/appliance.ts';
import { PRIORITY } from '../../src/ports/clock.ts';
import type { MeterInterval } from '../../src/ports/records.ts';
import { applianceBus } from '../helpers/applianceBus.ts';
import { ev, HOUR, MINUTE, START_MS, thermostat } from '../unit/appliance/world.ts';
import { CONTROL } from '../unit/battery/world.ts';

/**
 * A home with a car, a house and an inverter on its bus, told whatever at whatever ms: the books close to 0 mJ in every
 * interval, the devices' own registers are the site's, and nobody who reads a device changes a digit.
 */
const HOURS = 16;
const END = HOURS * HOUR;

const settings: readonly fc.Arbitrary<ApplianceInput>[] = [
  fc.oneof(
    fc.record({
      slug: fc.constant('vehicle:set-operating-mode' as const),
      input: fc.record({ operatingMode: fc.constantFrom('start-charging' as const, 'stop-charging' as const) }),
    }),
    fc.record({
      slug: fc.constant('vehicle:set-charge-limit' as const),
      input: fc.record({ chargeLimit: fc.nat(100) }),
    }),
  ),
  fc.record({
    slug: fc.constant('thermostat:set-operating-mode' as const),
    input: fc.record({
      operatingMode: fc.constantFrom('off' as const, 'cool' as const, 'auto' as const),
      coolTarget: fc.integer({ min: 68, max: 82 }),
      heatTarget: fc.integer({ min: 55, max: 64 }),
    }),
  }),
  fc.record({
    slug: fc.constant('inverter:set-export-limit' as const),
    input: fc.record({ powerW: fc.option(fc.nat(4_000), { nil: null }) }),
  }),
];

const told = fc.nat(2).chain((device) =>
  fc.record({
    atMs: fc.nat(END - 1),
    device: fc.constant(device),
    setting: settings[device] ?? fc.constant(null as never),
  }),
);
const battery = fc.record({
  atMs: fc.nat(END - 1),
  mode: fc.constantFrom('charge' as const, 'discharge' as const, 'reset' as const),
  forMs: fc.integer({ min: 1, max: 3 * HOUR }),
});
const plan = fc.record({
  arriveMs: fc.nat(4 * HOUR),
  stayMs: fc.integer({ min: 1, max: 10 * HOUR }),
  storedWh: fc.integer({ min: 0, max: 75_000 }),
  told: fc.array(told, { maxLength: 8 }),
  battery: fc.array(battery, { maxLength: 3 }),
});

interface Plan {
  readonly arriveMs: number;
  readonly stayMs: number;
  readonly storedWh: number;
  readonly told: readonly { readonly atMs: number; readonly device: number; readonly setting: ApplianceInput }[];
  readonly battery: readonly {
    readonly atMs: number;
    readonly mode: 'charge' | 'discharge' | 'reset';
    readonly forMs: number;
  }[];
}

function run(p: Plan, readsMs: readonly number[]) {
  const arriveMs = START_MS + p.arriveMs;
  const visits = { list: [{ arriveMs, departMs: arriveMs + p.stayMs, usedWh: 5_000 }] };
  const bus = applianceBus([
    ev({ storedWh: p.storedWh, chargeLimitPct: 90, visits }),
    thermostat(),
    { kind: 'home-inverter', deviceId: 'roof', home: 0 },
  ]);
  const { kernel, home, appliances } = bus;
  for (const { atMs, device, setting } of p.told) {
    kernel.at(START_MS + atMs, () => void appliances.apply(device, setting, 'told'), PRIORITY.world);
  }
  for (const { atMs, mode, forMs } of p.battery) {
    const endMs = START_MS + atMs + forMs;
    kernel.at(START_MS + atMs, () => void home.control(0, { ...CONTROL, mode, powerW: 3_000, endMs }), PRIORITY.world);
  }
  readsMs.forEach((atMs, k) => {
    kernel.at(START_MS + atMs, () => void (k % 4 === 3 ? home.sample(0) : appliances.sample(k % 4)), PRIORITY.world);
  });
  return { bus, intervals: bus.meter(END, 15 * MINUTE) };
}

const sumOf = (list: readonly MeterInterval[], of: 'evMj' | 'hvacMj'): number =>
  list.reduce((total, m) => total + (m[of] ?? 0), 0);

describe('the bus of a home with appliances', () => {
  test('closes its books to 0 mJ, and has the energy of each device by its own register', () => {
    fc.assert(
      fc.property(plan, (p) => {
        const { bus, intervals } = run(p, []);
        const open = intervals.find((m) => ledgerResidual(m).acMj !== 0 || ledgerResidual(m).batteryMj !== 0);
        if (open !== undefined) throw new Error(`open: ${JSON.stringify(open)}`);
        const low = intervals.find((m) => Math.min(m.importMj, m.exportMj, m.evMj ?? 0, m.hvacMj ?? 0, m.loadMj) < 0);
        if (low !== undefined) throw new Error(`a register fell: ${JSON.stringify(low)}`);
        const [car, house] = [bus.appliances.registers(0), bus.appliances.registers(1)];
        if (car.kind !== 'ev' || house.kind !== 'thermostat') throw new Error('other devices');
        const [evMj, hvacMj] = [sumOf(intervals, 'evMj'), sumOf(intervals, 'hvacMj')];
        if (evMj !== car.chargeMj) throw new Error(`car ${car.chargeMj} mJ, bus ${evMj} mJ`);
        if (hvacMj !== house.hvacMj + house.fanMj) throw new Error(`house ${house.hvacMj} mJ, bus ${hvacMj} mJ`);
      }),
      { numRuns: 60 },
    );
  });

  test('counts the same whoever reads the devices in between', () => {
    fc.assert(
      fc.property(plan, fc.array(fc.nat(END - 1), { maxLength: 40 }), (p, readsMs) => {
        const plain = JSON.stringify(run(p, []).intervals);
        if (JSON.stringify(run(p, readsMs).intervals) !== plain) throw new Error('a reader changed what is counted');
      }),
      { numRuns: 30 },
    );
  });
});
