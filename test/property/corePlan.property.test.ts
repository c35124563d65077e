import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { tenInTen } from '../../src/core/baseline.ts';
import type { BatteryState } from '../../src/domain/battery.ts';
import type { Dispatch } from '../../src/domain/fact.ts';
import { Bench, HOUR, MIN, ZONE } from '../helpers/coreBench.ts';

/** Numbers are those of the catalogue of properties for continuous integration. */
interface Home {
  readonly usableWh: number;
  readonly socPct: number;
  readonly reservePct: number;
  readonly powerW: number;
}

const home = fc.record({
  usableWh: fc.integer({ min: 1_000, max: 30_000 }),
  socPct: fc.integer({ min: 0, max: 100 }),
  reservePct: fc.integer({ min: 0, max: 100 }),
  powerW: fc.integer({ min: 500, max: 10_000 }),
});
const homes = fc.array(home, { minLength: 1, maxLength: 6 });
const targetW = fc.integer({ min: 0, max: 40_000 });

const stateOf = (h: Home): Partial<BatteryState> => ({
  charge: (h.usableWh * h.socPct) / 100,
  chargePercentage: h.socPct,
  backupReserve: h.reservePct,
});

function planOf(fleet: readonly Home[], target: number, with_: (b: Bench) => void = () => undefined): Dispatch {
  const b = new Bench();
  fleet.forEach((h, i) => {
    b.device('enphase', `d${i}`, { usableWh: h.usableWh, dischargeWMax: h.powerW, state: stateOf(h) });
  });
  with_(b);
  b.event(target, { inMs: 0 });
  b.advance(0);
  const d = b.lastDispatch;
  if (d === undefined) throw new Error('no plan');
  return d;
}

const change = (fleet: readonly Home[], i: number, by: (h: Home) => Home) =>
  fleet.map((h, j) => (j === i % fleet.length ? by(h) : h));

const STORM = { isStormModeActive: true };

describe('the plan of the core', () => {
  test('10 what is planned for the grid stays above the reserve and the floor of the manufacturer until the end', () => {
    fc.assert(
      fc.property(homes, targetW, (fleet, target) => {
        for (const a of planOf(fleet, target).allocations) {
          const h = fleet[Number(a.deviceId.slice(1))];
          if (h === undefined) throw new Error('unknown device');
          const aboveWh = (h.usableWh * (h.socPct - Math.max(h.reservePct, 10))) / 100;
          expect(a.setpointW).toBeLessThanOrEqual(aboveWh * 0.948 + 1e-6);
          expect(a.setpointW).toBeLessThanOrEqual(h.powerW);
        }
      }),
    );
  });

  test('15 more charge, power or capacity never lowers the plan; 16 a higher reserve never raises it', () => {
    fc.assert(
      fc.property(homes, targetW, fc.nat(5), fc.nat(40), (fleet, target, i, more) => {
        const before = planOf(fleet, target).plannedW;
        const soc = change(fleet, i, (h) => ({ ...h, socPct: Math.min(100, h.socPct + more) }));
        const power = change(fleet, i, (h) => ({ ...h, powerW: h.powerW + 100 * more }));
        const reserve = change(fleet, i, (h) => ({ ...h, reservePct: Math.min(100, h.reservePct + more) }));
        expect(planOf(soc, target).plannedW).toBeGreaterThanOrEqual(before);
        expect(planOf(power, target).plannedW).toBeGreaterThanOrEqual(before);
        expect(planOf(reserve, target).plannedW).toBeLessThanOrEqual(before);
      }),
      { numRuns: 50 },
    );
  });

  test('18 a device that may not take part leaves the shares of the others as they are', () => {
    const intruders: readonly ((b: Bench) => void)[] = [
      (b) => b.device('enphase', 'z', { enrolled: false }),
      (b) => b.device('enphase', 'z', { observed: false }),
      (b) => b.device('enphase', 'z', { state: STORM }),
      (b) => b.device('dnp3', 'z', { safety: 'none' }),
      (b) => {
        b.device('enphase', 'z');
        b.observe('z', {}, false);
      },
    ];
    fc.assert(
      fc.property(homes, targetW, fc.nat(intruders.length - 1), (fleet, target, which) => {
        const others = planOf(fleet, target, intruders[which]);
        expect(others.allocations).toEqual(planOf(fleet, target).allocations);
        expect(others.excluded.map((x) => x.deviceId)).toContain('z');
      }),
      { numRuns: 50 },
    );
  });

  test('29 a storm at a device never raises the plan and gives that device nothing', () => {
    fc.assert(
      fc.property(homes, targetW, fc.nat(5), (fleet, target, i) => {
        const id = `d${i % fleet.length}`;
        const stormy = planOf(fleet, target, (b) => b.observe(id, STORM));
        expect(stormy.plannedW).toBeLessThanOrEqual(planOf(fleet, target).plannedW);
        expect(stormy.allocations.map((a) => a.deviceId)).not.toContain(id);
      }),
      { numRuns: 50 },
    );
  });

  test('21 with the same telemetry a second plan is the first, and no command leaves for it', () => {
    fc.assert(
      fc.property(homes, targetW, (fleet, target) => {
        const b = new Bench({ settings: { planLeadMs: 0, controlPeriodMs: HOUR / 2 } });
        const put = (h: Home, i: number) => b.observe(`d${i}`, { ...stateOf({ ...h, socPct: 100, reservePct: 0 }) });
        fleet.forEach((h, i) => {
          b.device('enphase', `d${i}`, { usableWh: h.usableWh * 10, dischargeWMax: h.powerW });
        });
        b.event(target, { inMs: 0 });
        b.advance(0);
        const [first, jobs] = [b.lastDispatch, b.jobs().length];
        b.nowMs += HOUR / 2 - 1;
        for (const [i, h] of fleet.entries()) put({ ...h, usableWh: h.usableWh * 10 }, i);
        b.advance(1);
        expect(b.factsOf('dispatch.planned')).toHaveLength(2);
        expect(b.lastDispatch?.allocations).toEqual(first?.allocations);
        expect(b.jobs()).toHaveLength(jobs);
      }),
      { numRuns: 50 },
    );
  });
});

describe('55 the baseline', () => {
  const STEP = 15 * MIN;
  const PER_DAY = 96;
  /** 2024-07-10 in Los Angeles. */
  const midnightMs = Date.UTC(2024, 6, 10, 7);
  const day = fc.array(fc.integer({ min: 1, max: 3_000 }), { minLength: PER_DAY, maxLength: PER_DAY });
  const slot = fc.integer({ min: 20, max: 90 });

  const performance = (wh: readonly number[], days: number, from: number) => {
    const startMs = midnightMs + from * STEP;
    const history = { startMs: midnightMs - (days - 1) * PER_DAY * STEP, stepMs: STEP, wh };
    const b = tenInTen({ history, startMs, endMs: startMs + 4 * STEP, timeZone: ZONE, eventDays: new Set() });
    return b.wh.map((x, i) => (x ?? Number.NaN) - (wh[(days - 1) * PER_DAY + from + i] ?? Number.NaN));
  };

  test('without an event the performance is 0', () => {
    fc.assert(
      fc.property(day, slot, (profile, from) => {
        const wh = Array.from({ length: 30 * PER_DAY }, (_, i) => profile[i % PER_DAY] ?? 0);
        for (const p of performance(wh, 30, from)) expect(p).toBeCloseTo(0, 6);
      }),
    );
  });

  test('a constant load on all days leaves the performance of an event as it is', () => {
    fc.assert(
      fc.property(
        day,
        slot,
        fc.integer({ min: 0, max: 5_000 }),
        fc.integer({ min: 0, max: 3_000 }),
        (profile, from, constant, cut) => {
          const eventAt = 29 * PER_DAY + from;
          const wh = Array.from(
            { length: 30 * PER_DAY },
            (_, i) => (profile[i % PER_DAY] ?? 0) - (i >= eventAt && i < eventAt + 4 ? cut : 0),
          );
          const plain = performance(wh, 30, from);
          const loaded = performance(
            wh.map((x) => x + constant),
            30,
            from,
          );
          plain.forEach((p, i) => {
            expect(p).toBeCloseTo(cut, 6);
            expect(loaded[i]).toBeCloseTo(p, 6);
          });
        },
      ),
    );
  });
});
