import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { FleetDevice } from '../../simulators/battery/fleetInput.ts';
import { createSiteMeter, ledgerResidual } from '../../simulators/site/meter.ts';
import type { OperatingMode } from '../../src/domain/command.ts';
import { whToMj } from '../../src/domain/units.ts';
import { PRIORITY } from '../../src/ports/clock.ts';
import { CONTROL, HOME, MINUTE, type World, world } from '../unit/battery/world.ts';
import { specs } from './batterySpecs.ts';

const MINUTES = 240;
const END = MINUTES * MINUTE;

/** What may happen to a device at a ms of its own choosing. */
type Happening =
  | { readonly kind: 'command'; readonly mode: OperatingMode; readonly powerW: number | null; readonly forMs: number }
  | { readonly kind: 'storm' | 'link' | 'grid'; readonly on: boolean }
  | { readonly kind: 'reserve'; readonly pct: number };
type Plan = readonly { readonly atMs: number; readonly device: number; readonly what: Happening }[];

const command: fc.Arbitrary<Happening> = fc.record({
  kind: fc.constant('command' as const),
  mode: fc.constantFrom('charge', 'discharge', 'discharge', 'idle', 'reset'),
  powerW: fc.option(fc.nat(8000), { nil: null }),
  forMs: fc.integer({ min: 1, max: 3 * 60 * MINUTE }),
});
const reserve: fc.Arbitrary<Happening> = fc.record({ kind: fc.constant('reserve' as const), pct: fc.nat(100) });
const toggle = (...kinds: ('storm' | 'link' | 'grid')[]): fc.Arbitrary<Happening> =>
  fc.record({ kind: fc.constantFrom(...kinds), on: fc.boolean() });
const planOf = (what: fc.Arbitrary<Happening>): fc.Arbitrary<Plan> =>
  fc.array(fc.record({ atMs: fc.nat(END - 1), device: fc.nat(1), what }), { maxLength: 12 });
const anything = planOf(fc.oneof(command, command, reserve, toggle('storm', 'link', 'grid')));

const homes: fc.Arbitrary<FleetDevice[]> = fc
  .array(
    fc.record({
      spec: specs,
      reservePct: fc.nat(100),
      strategy: fc.constantFrom('self_consumption' as const, 'backup' as const),
      pvW: fc.nat(8000),
      loadScalePct: fc.nat(300),
      exportWMax: fc.option(fc.nat(5000), { nil: null }),
    }),
    { minLength: 2, maxLength: 2 },
  )
  .map((list) =>
    list.map(({ loadScalePct, ...home }, k) => ({
      ...HOME,
      ...home,
      loadScale: loadScalePct / 100,
      deviceId: `d${k}`,
      siteId: `s${k}`,
    })),
  );

const PROFILES = {
  loadW: Array.from({ length: MINUTES }, (_, k) => 100 + ((k * 379) % 2500)),
  pvRatio: Array.from({ length: MINUTES }, (_, k) => (k % 60 < 25 ? 0 : ((k * 71) % 1000) / 1000)),
};

interface Following {
  /** Called at the end of each minute, with everything advanced. */
  readonly look?: (w: World, atMs: number) => void;
  /** When somebody reads the devices in between. */
  readonly readsMs?: readonly number[];
}

function follow(list: readonly FleetDevice[], plan: Plan, { look, readsMs = [] }: Following = {}): World {
  const w = world(list, PROFILES);
  plan.forEach(({ atMs, device, what }, n) => {
    w.kernel.at(atMs, () => act(w, device, what, atMs, n), PRIORITY.wire);
  });
  for (const atMs of readsMs) w.kernel.at(atMs, () => w.fleet.advanceAll(atMs), PRIORITY.meter);
  for (let m = 1; m <= MINUTES && look !== undefined; m++) {
    const atMs = m * MINUTE;
    const visit = (): void => {
      w.fleet.advanceAll(atMs);
      look(w, atMs);
    };
    w.kernel.at(atMs, visit, PRIORITY.check);
  }
  w.to(END);
  return w;
}

function act({ fleet }: World, device: number, what: Happening, atMs: number, n: number): void {
  switch (what.kind) {
    case 'command': {
      const { mode, powerW, forMs } = what;
      const reservePctMin = (n * 17) % 60;
      const allowExport = n % 2 === 0;
      fleet.control(device, {
        ...CONTROL,
        mode,
        powerW,
        endMs: atMs + forMs,
        reservePctMin,
        allowExport,
        cause: `c${n}`,
      });
      return;
    }
    case 'storm':
      fleet.setStorm(device, what.on, `s${n}`);
      return;
    case 'link':
      fleet.setLink(device, what.on);
      return;
    case 'grid':
      fleet.setGrid(device, what.on);
      return;
    case 'reserve':
      fleet.setReserve(device, what.pct);
  }
}

const both = [0, 1] as const;
const sum = (list: readonly number[]): number => list.reduce((a, b) => a + b, 0);
const dispatched = (w: World): number => sum(both.map((i) => w.fleet.registers(i).dispatchedMj));

describe('a fleet in its homes', () => {
  test('4 No battery is seen above its rating, and no home exports above the limit at its meter', () => {
    fc.assert(
      fc.property(homes, anything, (list, plan) => {
        const look = (w: World): void => {
          list.forEach(({ spec, exportWMax }, i) => {
            const { state } = w.fleet.sample(i);
            expect(state.chargeRate).toBeLessThanOrEqual(spec.dischargeWMax);
            expect(-state.chargeRate).toBeLessThanOrEqual(spec.chargeWMax);
            expect(-(state.gridPower ?? 0)).toBeLessThanOrEqual(exportWMax ?? Number.POSITIVE_INFINITY);
          });
        };
        const w = follow(list, plan, { look });
        list.forEach(({ exportWMax }, i) => {
          if (exportWMax !== null) expect(w.fleet.registers(i).exportMj).toBeLessThanOrEqual(exportWMax * END);
        });
      }),
    );
  });

  test('5 The reported state of charge is stored ÷ usable, in 0..100, and rises and falls with the store', () => {
    fc.assert(
      fc.property(homes, anything, (list, plan) => {
        const last = both.map(() => ({ storedMj: -1, pct: -1 }));
        follow(list, plan, {
          look: ({ fleet }) => {
            for (const i of both) {
              const { storedMj } = fleet.registers(i);
              const pct = fleet.sample(i).state.chargePercentage;
              const usableMj = whToMj(list[i]?.spec.usableWh ?? 0);
              expect(Math.round((pct * usableMj) / 100)).toBe(storedMj);
              expect(pct).toBeLessThanOrEqual(100);
              const before = last[i];
              if (before !== undefined && before.pct >= 0) {
                expect(Math.sign(pct - before.pct)).toBe(Math.sign(storedMj - before.storedMj));
              }
              last[i] = { storedMj, pct };
            }
          },
        });
      }),
    );
  });

  test('8 At each minute the flow into the feeder is the sum over its homes, and both ledgers close to 0', () => {
    fc.assert(
      fc.property(homes, anything, (list, plan) => {
        const meters = new Map<number, ReturnType<typeof createSiteMeter>>();
        const read = (w: World, i: number) => {
          const meter =
            meters.get(i) ?? createSiteMeter({ siteId: `s${i}`, startMs: 0, read: () => w.fleet.registers(i) });
          meters.set(i, meter);
          return meter;
        };
        follow(list, plan, {
          look: (w, atMs) => {
            const intervals = both.map((i) => read(w, i).close(atMs));
            const feeder = sum(intervals.map((m) => m.importMj - m.exportMj));
            const homesUse = sum(intervals.map((m) => m.loadMj - m.pvMj + m.chargeMj - m.dischargeMj));
            expect(feeder).toBe(homesUse);
            for (const m of intervals) {
              expect(ledgerResidual(m)).toEqual({ acMj: 0, batteryMj: 0 });
              expect(
                Math.min(m.loadMj, m.pvMj, m.importMj, m.exportMj, m.chargeMj, m.dischargeMj),
              ).toBeGreaterThanOrEqual(0);
            }
            if (atMs === END) return;
            for (const i of both) {
              const { state, loadW, pvW } = w.fleet.sample(i);
              if (w.fleet.view(i).grid === 'connected') expect(state.gridPower).toBe(loadW - state.chargeRate - pvW);
            }
          },
        });
      }),
    );
  });

  test('9 Limits stand in the log at their exact ms, whenever the devices are read', () => {
    fc.assert(
      fc.property(homes, anything, fc.array(fc.nat(END), { maxLength: 40 }), (list, plan, readsMs) => {
        const lazy = follow(list, plan);
        const eager = follow(list, plan, { readsMs, look: () => undefined });
        expect(eager.modes).toEqual(lazy.modes);
        for (const i of both) expect(eager.fleet.registers(i)).toEqual(lazy.fleet.registers(i));
      }),
    );
  });

  test('9 The log names the very ms at which a discharge ended at the reserve, for any power and start', () => {
    const control = fc.record({ fromMs: fc.nat(END / 4), powerW: fc.integer({ min: 500, max: 9000 }) });
    fc.assert(
      fc.property(homes, control, fc.boolean(), (list, { fromMs, powerW }, allowExport) => {
        const [first = HOME] = list;
        const spec = { ...first.spec, usableWh: 3000, storedWh: 3000, standbyW: 0, dischargeWMax: 9000 };
        const home = {
          ...first,
          spec,
          strategy: 'backup',
          pvW: 0,
          reservePct: 40,
          loadScale: 3,
          exportWMax: null,
        } as const;
        const w = world([home], PROFILES);
        w.to(fromMs);
        w.fleet.control(0, { ...CONTROL, powerW, allowExport });
        w.to(END);
        const atReserve = w.modes.find((m) => m.cause === 'at reserve');
        const again = world([home], PROFILES);
        again.to(fromMs);
        again.fleet.control(0, { ...CONTROL, powerW, allowExport });
        if (atReserve === undefined) {
          const usableMj = whToMj(spec.usableWh);
          expect(w.fleet.registers(0).storedMj).toBeGreaterThan(Math.ceil(usableMj * 0.4));
          return;
        }
        again.to(atReserve.atMs - 1);
        const beforeMj = again.fleet.registers(0).dispatchedMj;
        again.to(atReserve.atMs);
        const thenMj = again.fleet.registers(0).dispatchedMj;
        // At a change of load the limit may bind the new power where the old one had gone on.
        const steady = atReserve.atMs % MINUTE !== 0 && atReserve.atMs !== fromMs;
        if (steady) expect(thenMj).toBeGreaterThan(beforeMj);
        expect(again.fleet.sample(0).state.chargeRate).toBe(0);
        again.to(atReserve.atMs + 1);
        expect(again.fleet.registers(0).dispatchedMj).toBe(thenMj);
      }),
    );
  });

  test('10 A grid discharge never takes a store below the larger of the two floors, and own use never below the reserve', () => {
    const times = { fromMs: fc.nat(END - 1), forMs: fc.integer({ min: 1, max: END }) };
    const control = fc.record({ ...times, floorPct: fc.nat(100), powerW: fc.nat(10_000), allowExport: fc.boolean() });
    fc.assert(
      fc.property(homes, control, (list, { fromMs, forMs, floorPct, powerW, allowExport }) => {
        const [first = HOME] = list;
        const w = world([{ ...first, spec: { ...first.spec, standbyW: 0 } }], PROFILES);
        const usableMj = whToMj(first.spec.usableWh);
        const floorOf = (pct: number): number => Math.ceil((usableMj * pct) / 100);
        const stored = (): number => w.fleet.registers(0).storedMj;
        const startMj = stored();
        w.to(fromMs);
        const atCommandMj = stored();
        expect(atCommandMj).toBeGreaterThanOrEqual(Math.min(startMj, floorOf(first.reservePct)));
        w.fleet.control(0, { ...CONTROL, powerW, allowExport, reservePctMin: floorPct, endMs: fromMs + forMs });
        w.to(Math.min(END, fromMs + forMs));
        const floorMj = floorOf(Math.max(first.reservePct, floorPct));
        expect(stored()).toBeGreaterThanOrEqual(Math.min(atCommandMj, floorMj));
      }),
    );
  });
});

describe('Storm Guard at the device', () => {
  test('28 While a storm is active the battery gives the grid nothing, whatever is commanded', () => {
    fc.assert(
      fc.property(homes, planOf(fc.oneof(command, reserve, toggle('storm'))), (list, plan) => {
        const w = follow(list, plan, {
          look: ({ fleet }) => {
            for (const i of both)
              if (fleet.sample(i).operation === 'discharge') expect(fleet.view(i).storm).not.toBe('active');
          },
        });
        for (const i of both) expect(w.fleet.registers(i).stormDischargeMj).toBe(0);
      }),
    );
  });

  test('28 During a storm the store only rises, but for standby, and the time in it is counted', () => {
    fc.assert(
      fc.property(homes, planOf(command), fc.nat(END), (list, plan, fromMs) => {
        const still = list.map((home) => ({ ...home, spec: { ...home.spec, standbyW: 0 } }));
        const storm = { atMs: fromMs, device: 0, what: { kind: 'storm', on: true } } as const;
        let last = -1;
        const w = follow(still, [storm, ...plan], {
          look: ({ fleet }, atMs) => {
            if (atMs <= fromMs) return;
            const { storedMj, stormMs } = fleet.registers(0);
            expect(storedMj).toBeGreaterThanOrEqual(last);
            expect(stormMs).toBe(atMs - fromMs);
            last = storedMj;
          },
        });
        expect(w.fleet.view(0).storm).toBe('active');
      }),
    );
  });

  test('29 A storm at one device never raises what the group delivers, and leaves the other device as it was', () => {
    fc.assert(
      fc.property(homes, planOf(fc.oneof(command, reserve)), fc.nat(END), (list, plan, fromMs) => {
        const storm = { atMs: fromMs, device: 0, what: { kind: 'storm', on: true } } as const;
        // Last in the plan, so that the commands keep their numbers and with them their floors.
        const calm = follow(list, plan);
        const stormy = follow(list, [...plan, storm]);
        expect(dispatched(stormy)).toBeLessThanOrEqual(dispatched(calm));
        expect(stormy.fleet.registers(1)).toEqual(calm.fleet.registers(1));
      }),
    );
  });

  test('30 Storms that come and go without a command deliver nothing to the grid from a battery', () => {
    fc.assert(
      fc.property(homes, planOf(toggle('storm', 'link')), (list, plan) => {
        const w = follow(list, plan, {
          look: ({ fleet }, atMs) => {
            if (atMs === END) return;
            for (const i of both) {
              const { chargeRate, gridPower } = fleet.sample(i).state;
              expect(chargeRate > 0 && (gridPower ?? 0) < 0).toBe(false);
            }
          },
        });
        expect(dispatched(w)).toBe(0);
        for (const i of both) expect(w.fleet.registers(i).stormDischargeMj).toBe(0);
      }),
    );
  });
});
