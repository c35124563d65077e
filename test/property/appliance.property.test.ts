import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { randomSource } from '../../harness/kernel/random.ts';
import { USUAL_EV } from '../../simulators/appliance/evPhysics.ts';
import type { ApplianceDevice } from '../../simulators/appliance/fleet.ts';
import { USUAL_HOUSE } from '../../simulators/appliance/thermal.ts';
import { COMMUTER } from '../../simulators/appliance/visits.ts';
import { type ApplianceInput, FAN_MODES, THERMOSTAT_MODES } from '../../src/domain/appliance.ts';
import { whToMj } from '../../src/domain/units.ts';
import { PRIORITY } from '../../src/ports/clock.ts';
import { OpenPair, SURE, setJob } from '../unit/appliance/pair.ts';
import {
  ev,
  HOUR,
  inverter,
  MINUTE,
  START_MS,
  thermostat,
  type World,
  weatherOf,
  world,
} from '../unit/appliance/world.ts';

const HOURS = 30;
const END = HOURS * HOUR;

/** What may be told to the three devices, or happen to their links, at a ms of its own choosing. */
type Happening = { readonly atMs: number; readonly device: number } & (
  | { readonly kind: 'set'; readonly setting: ApplianceInput }
  | { readonly kind: 'link'; readonly on: boolean }
);
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
  fc.oneof(
    fc.record({
      slug: fc.constant('thermostat:set-operating-mode' as const),
      input: fc.record({
        operatingMode: fc.constantFrom(...THERMOSTAT_MODES),
        coolTarget: fc.integer({ min: 60, max: 90 }),
        heatTarget: fc.integer({ min: 50, max: 80 }),
      }),
    }),
    fc.record({
      slug: fc.constant('thermostat:set-fan-mode' as const),
      input: fc.record({ fanMode: fc.constantFrom(...FAN_MODES) }),
    }),
  ),
  fc.record({
    slug: fc.constant('inverter:set-export-limit' as const),
    input: fc.record({ powerW: fc.option(fc.nat(4_000), { nil: null }) }),
  }),
];
const happening: fc.Arbitrary<Happening> = fc.nat(2).chain((device) =>
  fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({
        atMs: fc.nat(END - 1),
        device: fc.constant(device),
        kind: fc.constant('set' as const),
        setting: settings[device] ?? fc.constant(null as never),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        atMs: fc.nat(END - 1),
        device: fc.constant(device),
        kind: fc.constant('link' as const),
        on: fc.boolean(),
      }),
    },
  ),
);
const plans = fc.array(happening, { maxLength: 14 });

const homes = fc
  .record({
    capacityWh: fc.integer({ min: 1_000, max: 120_000 }),
    storedPct: fc.nat(100),
    chargerWMax: fc.integer({ min: 1, max: 22_000 }),
    vehicleWMax: fc.integer({ min: 1, max: 22_000 }),
    chargePct: fc.integer({ min: 50, max: 100 }),
    taperFromPct: fc.nat(100),
    outdoorC: fc.array(fc.integer({ min: -20, max: 45 }), { minLength: HOURS + 1, maxLength: HOURS + 1 }),
    leakWPerK: fc.integer({ min: 50, max: 600 }),
    capacityWhPerK: fc.integer({ min: 500, max: 20_000 }),
    pvW: fc.nat(12_000),
    seed: fc.nat(1_000_000),
  })
  .map((h) => {
    const { capacityWh, chargerWMax, vehicleWMax, taperFromPct, leakWPerK, capacityWhPerK } = h;
    const spec = { ...USUAL_EV, capacityWh, chargerWMax, vehicleWMax, taperFromPct, chargeRatio: h.chargePct / 100 };
    const storedWh = Math.floor((capacityWh * h.storedPct) / 100);
    const devices: ApplianceDevice[] = [
      ev({ spec, storedWh, visits: { pattern: COMMUTER } }),
      thermostat({ house: { ...USUAL_HOUSE, leakWPerK, capacityWhPerK } }),
      inverter({ pvW: h.pvW }),
    ];
    return { devices, outdoorC: h.outdoorC, seed: h.seed, startMj: whToMj(storedWh) };
  });
type Home = typeof homes extends fc.Arbitrary<infer T> ? T : never;

/** Runs a plan; readsMs say when somebody looks at the devices in between. */
function follow(
  home: Home,
  plan: readonly Happening[],
  readsMs: readonly number[] = [],
  look?: (w: World) => void,
): World {
  const w = world(home.devices, { weather: weatherOf(home.outdoorC), random: randomSource(`s${home.seed}`) });
  plan.forEach((h, n) => {
    const act = (): void => {
      if (h.kind === 'link') w.fleet.setLink(h.device, h.on);
      else w.fleet.apply(h.device, h.setting, `c${n}`);
    };
    w.kernel.at(START_MS + h.atMs, act, PRIORITY.wire);
  });
  for (const atMs of readsMs) {
    const read = (): void => {
      for (let i = 0; i < w.fleet.count; i++) w.fleet.sample(i);
      look?.(w);
    };
    w.kernel.at(START_MS + atMs, read, PRIORITY.check);
  }
  w.to(END);
  return w;
}

const registers = (w: World) => [0, 1, 2].map((i) => w.fleet.registers(i));
const everyQuarter = Array.from({ length: HOURS * 4 - 1 }, (_, k) => (k + 1) * 15 * MINUTE);

describe('devices that are no batteries', () => {
  test('close their ledgers to the mJ at every look, whatever they are told', () => {
    fc.assert(
      fc.property(homes, plans, (home, plan) => {
        follow(home, plan, everyQuarter, (w) => {
          const [car, house, roof] = registers(w);
          if (car?.kind !== 'ev' || house?.kind !== 'thermostat' || roof?.kind !== 'inverter') throw new Error('kinds');
          expect(home.startMj + car.intoMj - car.drivenMj).toBe(car.storedMj);
          expect(car.chargeMj).toBe(car.intoMj + car.lossMj);
          expect(car.lossMj).toBeGreaterThanOrEqual(0);
          expect(roof.loadMj + roof.exportMj).toBe(roof.pvMj + roof.importMj);
          expect(house.hvacMj).toBe((house.coolingMs + house.heatingMs) * USUAL_HOUSE.coolW);
          for (const value of [...Object.values(car), ...Object.values(house), ...Object.values(roof)])
            if (typeof value === 'number') expect(Number.isSafeInteger(value) && value >= 0).toBe(true);
        });
      }),
      { numRuns: 60 },
    );
  });

  test('do not change by being looked at', () => {
    fc.assert(
      fc.property(homes, plans, fc.array(fc.nat(END - 1), { maxLength: 40 }), (home, plan, readsMs) => {
        const alone = follow(home, plan);
        const watched = follow(home, plan, readsMs);
        expect(registers(watched)).toEqual(registers(alone));
        expect(watched.notes).toEqual(alone.notes);
        expect([0, 1, 2].map((i) => watched.fleet.sample(i))).toEqual([0, 1, 2].map((i) => alone.fleet.sample(i)));
      }),
      { numRuns: 60 },
    );
  });

  test('keep the limits: store under its ceiling while it charges, power under the weaker side, export under its limit', () => {
    fc.assert(
      fc.property(homes, plans, (home, plan) => {
        const spec = home.devices[0]?.kind === 'vehicle' ? home.devices[0].spec : USUAL_EV;
        const weakerW = Math.min(spec.chargerWMax, spec.vehicleWMax);
        follow(home, plan, everyQuarter, (w) => {
          const car = w.fleet.sample(0).state;
          const roof = w.fleet.sample(2).state;
          if (car.kind !== 'vehicle' || roof.kind !== 'inverter') throw new Error('kinds');
          expect(car.chargePercentage).toBeLessThanOrEqual(100);
          expect(car.chargerWattage).toBeGreaterThanOrEqual(0);
          expect(car.chargerWattage).toBeLessThanOrEqual(weakerW);
          if (car.chargingState === 'charging') expect(car.chargePercentage).toBeLessThanOrEqual(car.chargeLimit);
          if (!car.isPluggedIn) expect(car.chargerWattage).toBe(0);
          if (roof.exportLimit !== null) expect(-(roof.gridPower ?? 0)).toBeLessThanOrEqual(roof.exportLimit);
        });
      }),
      { numRuns: 60 },
    );
  });
});

describe('a session of the open cloud over a bad wire', () => {
  const fates = fc.array(
    fc.record({
      thereMs: fc.option(fc.integer({ min: 1, max: 3_000 }), { nil: null, freq: 5 }),
      backMs: fc.option(fc.integer({ min: 1, max: 12_000 }), { nil: null, freq: 3 }),
      twice: fc.boolean(),
    }),
    { minLength: 1, maxLength: 30 },
  );
  const jobs = fc.array(fc.record({ atMs: fc.nat(120_000), limitPct: fc.nat(100), again: fc.boolean() }), {
    minLength: 1,
    maxLength: 5,
  });

  test('answers each job once, and no job has two effects, whatever is lost, doubled or submitted again', () => {
    fc.assert(
      fc.property(fates, jobs, (list, asked) => {
        const p = new OpenPair(SURE);
        p.wire = (_request, n) => list[n % list.length] ?? { thereMs: 1, backMs: 1 };
        asked.forEach(({ atMs, limitPct, again }, k) => {
          const setting: ApplianceInput = { slug: 'vehicle:set-charge-limit', input: { chargeLimit: limitPct } };
          const job = setJob(`j${k}`, { setting, notAfterMs: START_MS + 300_000 });
          p.world.kernel.at(START_MS + 10 + atMs, () => p.submit(job), PRIORITY.core);
          if (again) p.world.kernel.at(START_MS + 60_000 + atMs, () => p.submit(job), PRIORITY.core);
        });
        p.run(1_200_000);
        const orders = p.cloud.orders('v-car');
        const tokens = orders.map((o) => o.body.clientToken);
        expect(new Set(tokens).size).toBe(tokens.length);
        expect(orders.every((o) => o.effects <= 1)).toBe(true);
        asked.forEach(({ again }, k) => {
          const replies = p.replies.filter((r) => r.jobId === `j${k}`);
          expect(replies.length).toBeGreaterThanOrEqual(1);
          expect(replies.length).toBeLessThanOrEqual(again ? 2 : 1);
          if (replies.some((r) => r.kind === 'accepted')) expect(tokens).toContain(`j${k}`);
          if (replies.every((r) => r.kind === 'not-sent')) expect(tokens).not.toContain(`j${k}`);
        });
      }),
      { numRuns: 150 },
    );
  });
});
