import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { FleetDevice } from '../../simulators/battery/fleetInput.ts';
import { type BatterySpec, makeBatteryColumns, moveBattery } from '../../simulators/battery/physics.ts';
import { createSiteMeter, ledgerResidual } from '../../simulators/site/meter.ts';
import type { OperatingMode } from '../../src/domain/command.ts';
import { whToMj } from '../../src/domain/units.ts';
import { PRIORITY } from '../../src/ports/clock.ts';
import { CONTROL, HOME, MINUTE, type World, world } from '../unit/battery/world.ts';

/** Numbers of properties: the catalogue of the project. Units: W, Wh, ms, mJ, ppm. */
const PPM = 1_000_000n;
const DAY = 24 * 60 * MINUTE;

const specs: fc.Arbitrary<BatterySpec> = fc
  .record({
    usableWh: fc.integer({ min: 20, max: 20_000 }),
    chargeWMax: fc.integer({ min: 0, max: 10_000 }),
    dischargeWMax: fc.integer({ min: 0, max: 10_000 }),
    chargePpm: fc.integer({ min: 500_000, max: 1_000_000 }),
    dischargePpm: fc.integer({ min: 500_000, max: 1_000_000 }),
    standbyW: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 60 })),
    storedPct: fc.integer({ min: 0, max: 100 }),
  })
  .map(({ chargePpm, dischargePpm, storedPct, ...rest }) => ({
    ...rest,
    chargeRatio: chargePpm / 1e6,
    dischargeRatio: dischargePpm / 1e6,
    storedWh: (rest.usableWh * storedPct) / 100,
  }));

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
