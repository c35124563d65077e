import { describe, expect, test } from 'vitest';
import { sumEnergy } from '../../../reports/energy.ts';
import { measure } from '../../../reports/measures.ts';
import type { EventMeasure } from '../../../reports/measureTypes.ts';
import { InvariantError } from '../../../src/domain/errors.ts';
import { MS_PER_HOUR, MS_PER_MIN, whToMj } from '../../../src/domain/units.ts';
import type { LogRecord } from '../../../src/ports/records.ts';
import { factAt, type MiniEvent, meterInterval, miniRun, siteIdOf } from '../../helpers/miniRun.ts';
import { EVENT_END, EVENT_START, fixtureRecords } from '../../helpers/reportRecords.ts';

const QUARTER = 15 * MS_PER_MIN;

function only(events: readonly EventMeasure[]): EventMeasure {
  const [e, ...more] = events;
  if (e === undefined || more.length > 0) throw new Error(`expected one event, found ${events.length}`);
  return e;
}

/** One device, four quarters of an hour, asked 1 kW in all of them. */
const hour = (event: Partial<MiniEvent> = {}): MiniEvent => ({
  eventId: 'e',
  from: 0,
  to: 4,
  targetW: 1_000,
  plans: [{ fromMs: 0, toMs: MS_PER_HOUR, allocatedW: { a: 1_000 } }],
  ...event,
});
const wh = (...values: number[]): number[] => values.map(whToMj);

describe('delivered energy', () => {
  test('is baseline − metered in each interval: 5 kW metered over a 4 kW baseline is −0.25 kWh a quarter (LBNL loadshape test_loadshape.py)', () => {
    const site = { deviceId: 'a', metered: wh(1250, 1250, 1250, 1250), baseline: wh(1000, 1000, 1000, 1000) };
    const e = only(measure(miniRun({ stepMs: QUARTER, sites: [site], events: [hour()] })).events);
    let cumulative = 0;
    expect(e.intervals.map((i) => (cumulative += i.deliveredWh))).toEqual([-250, -500, -750, -1000]);
    expect(e.baselineWh).toBe(4000);
    expect(e.meteredWh).toBe(5000);
  });

  test('of the evening fixture is what the four devices gave by hand', () => {
    const e = only(measure(fixtureRecords()).events);
    expect(Object.fromEntries(e.devices.map((d) => [d.deviceId, d.deliveredWh]))).toEqual({
      'home-1': 6_000,
      'home-2': 1_500,
      'home-3': 0,
      'bess-1': 29_750,
    });
    expect([e.targetWh, e.deliveredWh, e.stormWh]).toEqual([54_000, 37_250, -1_658]);
    expect(e.ratio).toBeCloseTo(37_250 / 54_000, 12);
    expect(e.paymentUsd).toBeCloseTo(74.5, 9);
    expect([e.startMs, e.endMs]).toEqual([EVENT_START, EVENT_END]);
  });

  test('quantises a register, not its parts: four intervals of 0.3 Wh are 1 Wh together, in whatever order the log has them', () => {
    const site = { deviceId: 'a', metered: [0, 0, 0, 0], baseline: [0.3, 0.3, 0.3, 0.3].map(whToMj) };
    const records = miniRun({ stepMs: QUARTER, sites: [site], events: [hour()] });
    const isMeter = (r: LogRecord): boolean => r.kind === 'meter' || r.kind === 'counterfactual';
    const meters = records.filter(isMeter);
    const others = records.filter((r) => !isMeter(r));
    for (const log of [records, [...others, ...meters.toReversed()]]) {
      expect(only(measure(log).events).intervals.map((i) => i.deliveredWh)).toEqual([0, 1, 0, 0]);
    }
  });

  test('counts 0 in an interval touched by a storm, and states what the meter moved apart', () => {
    const site = {
      deviceId: 'a',
      metered: wh(0, 900, 900, 0),
      baseline: wh(250, 250, 250, 250),
      stormMs: [0, 1, QUARTER, 0],
    };
    const e = only(measure(miniRun({ stepMs: QUARTER, sites: [site], events: [hour()] })).events);
    expect(e.intervals.map((i) => [i.deliveredWh, i.stormWh])).toEqual([
      [250, 0],
      [0, -650],
      [0, -650],
      [250, 0],
    ]);
    expect(e.shortfall).toEqual([{ stage: 'delivery', reason: 'storm_guard', wh: 500, devices: 1 }]);
  });

  test('without a baseline or a meter value counts 0 and is named', () => {
    const site = { deviceId: 'a', metered: [0, null, 0, 0], baseline: [whToMj(250), whToMj(250), null, whToMj(250)] };
    const e = only(measure(miniRun({ stepMs: QUARTER, sites: [site], events: [hour()] })).events);
    expect(e.unmeasuredCells).toBe(2);
    expect(e.deliveredWh).toBe(500);
    expect(e.shortfall).toEqual([{ stage: 'delivery', reason: 'not_measured', wh: 500, devices: 1 }]);
  });

  test('of a device that two events ask at once is split by what each asked, and counted once', () => {
    const site = { deviceId: 'a', metered: wh(0), baseline: wh(100) };
    const plan = (w: number) => [{ fromMs: 0, toMs: QUARTER, allocatedW: { a: w } }];
    const events = [
      hour({ eventId: 'one', to: 1, plans: plan(300) }),
      hour({ eventId: 'two', to: 1, plans: plan(100) }),
    ];
    const m = measure(miniRun({ stepMs: QUARTER, sites: [site], events }));
    expect(m.events.map((e) => e.deliveredWh)).toEqual([75, 25]);
    expect(m.totals.deliveredWh).toBe(100);
  });
});

describe('what was asked', () => {
  const site = { deviceId: 'a', metered: wh(0, 0, 0, 0), baseline: wh(250, 250, 250, 250) };
  const run = (event: MiniEvent, facts: Parameters<typeof miniRun>[0]['facts'] = []) =>
    only(measure(miniRun({ stepMs: QUARTER, sites: [site], events: [event], facts })).events);

  test('a later decision for the same period replaces the earlier one, and a newer period cuts an older one', () => {
    const plans = [
      { fromMs: 0, toMs: 0, allocatedW: { a: 9_000 } },
      { fromMs: 0, toMs: MS_PER_HOUR, allocatedW: { a: 1_000 } },
      { fromMs: MS_PER_HOUR / 2, toMs: MS_PER_HOUR, allocatedW: { a: 600 } },
    ];
    const e = run(hour({ plans }));
    expect(e.intervals.map((i) => i.plannedWh)).toEqual([250, 250, 150, 150]);
    expect(e.shortfall.find((l) => l.stage === 'planning')).toEqual({
      stage: 'planning',
      reason: 'fleet_too_small',
      wh: 200,
      devices: 0,
    });
  });

  test('stops when the event is cancelled', () => {
    const e = run(hour(), [
      { atMs: MS_PER_HOUR / 2, fact: { type: 'event.cancelled', eventId: 'e', by: 'an operator' } },
    ]);
    expect(e.status).toBe('cancelled');
    expect([e.targetWh, e.plannedWh, e.intervals.length]).toEqual([500, 500, 2]);
  });

  test('stops in the middle of a meter interval when the event is cancelled there', () => {
    const e = run(hour(), [
      { atMs: 1.5 * QUARTER, fact: { type: 'event.cancelled', eventId: 'e', by: 'an operator' } },
    ]);
    expect(e.intervals.map((i) => [i.targetWh, i.plannedWh])).toEqual([
      [250, 250],
      [125, 125],
    ]);
  });

  test('is nothing when the event is cancelled before it begins', () => {
    const event = hour({ from: 1 });
    const e = run(event, [{ atMs: 0, fact: { type: 'event.cancelled', eventId: 'e', by: 'an operator' } }]);
    expect([e.targetWh, e.deliveredWh, e.devices.length, e.ratio]).toEqual([0, 0, 0, null]);
  });

  test('and never planned is "no_plan"', () => {
    const e = run(hour({ plans: [{ fromMs: 0, toMs: QUARTER, allocatedW: { a: 1_000 } }] }));
    expect(e.shortfall.find((l) => l.reason === 'no_plan')?.wh).toBe(750);
  });

  test('and not planned goes to the reasons of the devices left out, as far as they could have given', () => {
    const excluded = [
      { deviceId: 'b', reason: 'storm_guard', capableW: 300 },
      { deviceId: 'c', reason: 'offline', capableW: 100 },
      { deviceId: 'f', reason: 'not_enrolled', capableW: 50 },
      { deviceId: 'd', reason: 'not_needed', capableW: 5_000 },
    ] as const;
    const plans = [{ fromMs: 0, toMs: MS_PER_HOUR, allocatedW: { a: 200 }, excluded }];
    const planning = run(hour({ plans })).shortfall.filter((l) => l.stage === 'planning');
    expect(planning).toEqual([
      { stage: 'planning', reason: 'fleet_too_small', wh: 350, devices: 0 },
      { stage: 'planning', reason: 'storm_guard', wh: 300, devices: 1 },
      { stage: 'planning', reason: 'offline', wh: 100, devices: 1 },
      { stage: 'planning', reason: 'not_enrolled', wh: 50, devices: 1 },
    ]);
  });

  test('devices that were never enrolled are no part of the event', () => {
    const excluded = [{ deviceId: 'a', reason: 'not_enrolled', capableW: 300 }] as const;
    const e = run(hour({ plans: [{ fromMs: 0, toMs: MS_PER_HOUR, allocatedW: {}, excluded }] }));
    expect([e.devices.length, e.deliveredWh]).toEqual([0, 0]);
  });
});

describe('money and rebound', () => {
  const flat = (n: number, value: number) => Array.from({ length: n }, () => whToMj(value));

  test('energy is worth the price published for the program’s node, and energy without a price is left out by name', () => {
    const site = { deviceId: 'a', metered: flat(4, 0), baseline: flat(4, 250) };
    const prices = (node: string, usdPerMwh: (number | null)[]) =>
      ({ type: 'prices.published', node, market: 'day-ahead', startMs: 0, stepMs: QUARTER, usdPerMwh }) as const;
    const facts = [
      { atMs: 0, fact: prices('N', [9, 9, 9, 9]) },
      { atMs: 0, fact: prices('N', [100, 200, null, 400]) },
      { atMs: 0, fact: prices('OTHER', [8, 8, 8, 8]) },
    ];
    const e = only(measure(miniRun({ stepMs: QUARTER, sites: [site], events: [hour()], facts })).events);
    expect(e.energyValueUsd).toBeCloseTo(0.25 * 0.7, 12);
    expect(e.unpricedWh).toBe(250);
    expect(e.paymentUsd).toBeCloseTo(2, 12);
    expect(e.nominationRatio).toBeCloseTo(0.1, 12);
  });

  test('the rebound is watched for two hours and not into the next event', () => {
    const metered = flat(16, 100);
    const baseline = [...flat(4, 350), ...flat(12, 60)];
    const site = { deviceId: 'a', metered, baseline };
    const alone = only(measure(miniRun({ stepMs: QUARTER, sites: [site], events: [hour()] })).events);
    expect([alone.snapbackWh, alone.snapbackPeakW]).toEqual([320, 160]);
    const next = hour({ eventId: 'next', from: 6, to: 8, plans: [] });
    const [first] = measure(miniRun({ stepMs: QUARTER, sites: [site], events: [hour(), next] })).events;
    expect(first?.snapbackWh).toBe(80);
  });
});

describe('the run', () => {
  test('books that do not close are found, and two errors do not cancel', () => {
    const site = { deviceId: 'a', metered: [], baseline: [] };
    const bad = (i: number, by: number) => ({
      atMs: (i + 1) * QUARTER,
      ...meterInterval(siteIdOf('a'), i * QUARTER, (i + 1) * QUARTER, 1_000),
      loadMj: 1_000 + by,
      storedEndMj: by,
    });
    const { ledger } = measure(miniRun({ stepMs: QUARTER, sites: [site], more: [bad(0, 7), bad(1, -7)] }));
    expect(ledger).toEqual({
      intervals: 2,
      siteResidualMj: 14,
      applianceResidualMj: 0,
      batteryResidualMj: 14,
      open: [
        { siteId: siteIdOf('a'), startMs: 0, siteMj: -7, batteryMj: -7 },
        { siteId: siteIdOf('a'), startMs: QUARTER, siteMj: 7, batteryMj: 7 },
      ],
    });
  });

  test('of the fixture closes its books in all 384 intervals', () => {
    const { ledger, complete } = measure(fixtureRecords());
    expect([ledger.intervals, ledger.siteResidualMj, ledger.batteryResidualMj, complete]).toEqual([384, 0, 0, true]);
  });

  test('a log that stops early says so', () => {
    expect(measure(miniRun({ stepMs: QUARTER, sites: [], ended: false })).complete).toBe(false);
  });

  test('a log without a beginning, of an unknown site, or that names a site twice is a bug', () => {
    const records = miniRun({ stepMs: QUARTER, sites: [{ deviceId: 'a', metered: [0], baseline: [0] }] });
    expect(() => measure([])).toThrow(InvariantError);
    expect(() => measure(records.filter((r) => r.kind !== 'site'))).toThrow(/meters site .* before it names it/);
    expect(() => measure(records.flatMap((r): LogRecord[] => (r.kind === 'site' ? [r, r] : [r])))).toThrow(
      /stands twice/,
    );
  });

  test('faults, exchanges, enrollments, commands and links of the fixture are counted', () => {
    const m = measure(fixtureRecords());
    expect(m.faults).toHaveLength(1);
    expect(m.faults[0]?.endMs).toBe((m.faults[0]?.beginMs ?? 0) + MS_PER_HOUR);
    expect(m.exchanges.map((x) => [x.to, x.total, x.ok, x.noAnswer, x.faulted])).toEqual([
      ['enphase', 1, 1, 0, 0],
      ['solaredge', 1, 0, 1, 1],
    ]);
    expect(m.enrollments.map((e) => [e.status, e.count])).toEqual([
      ['approved', 4],
      ['ineligible', 1],
    ]);
    expect(m.commandCounts).toContainEqual({ status: 'ignored', reason: 'storm_guard', count: 1 });
    expect(m.fields.map((f) => [f.siteId, f.linkDownMs, f.operates, f.integrityReads])).toEqual([
      ['bess-1', 10 * MS_PER_MIN, 1, 1],
    ]);
    expect(m.devices.find((d) => d.deviceId === 'home-2')).toMatchObject({
      stormMs: 160 * MS_PER_MIN,
      stormDischargeMj: 0,
    });
  });

  test('controls repeated for the watchdog are one step, until something else happens at the site', () => {
    const field = (atMs: number, what: 'operate' | 'operated', detail: string): LogRecord => {
      return { atMs, kind: 'field', siteId: 's', what, detail };
    };
    const more = [
      ...[0, 10, 20].flatMap((ms) => [field(ms, 'operate', 'AO146'), field(ms + 1, 'operate', 'BO23')]),
      { atMs: 30, kind: 'link', siteId: 's', up: false } as const,
      field(40, 'operate', 'AO146'),
    ];
    const [site] = measure(miniRun({ stepMs: QUARTER, sites: [], more })).fields;
    expect(site?.operates).toBe(7);
    expect(site?.steps.map((x) => [x.atMs, x.what, x.detail, x.times, x.lastMs])).toEqual([
      [0, 'operate', 'AO146', 3, 20],
      [1, 'operate', 'BO23', 3, 21],
      [30, 'link lost', '', 1, 30],
      [40, 'operate', 'AO146', 1, 40],
    ]);
  });

  test('answers of a cloud are told apart: done, refused, failed, none', () => {
    const more = [200, 302, 404, 429, 500, 503, null].map((status): LogRecord => {
      return { atMs: 0, kind: 'exchange', to: 'x', method: 'GET', path: '/', status, sentMs: 0, fault: null };
    });
    const [x] = measure(miniRun({ stepMs: QUARTER, sites: [], more })).exchanges;
    expect(x).toEqual({ to: 'x', total: 7, ok: 2, refused: 2, serverError: 2, noAnswer: 1, faulted: 0 });
  });

  test('the core’s own 10-in-10 figure stands beside, with how many devices it does not know', () => {
    const e = only(measure(fixtureRecords()).events);
    expect(e.derived).toEqual({
      method: '10-in-10 with same-day adjustment',
      deliveredWh: 5_950 + 1_480 - 20,
      devicesWithBaseline: 3,
      devicesWithoutBaseline: 1,
    });
  });

  test('and is unknown, not 0, when no device has such a baseline', () => {
    const blank = {
      requestedWh: 1,
      baselineWh: null,
      meteredWh: 1,
      deliveredWh: null,
      adjustment: 1,
      adjustmentNote: '',
    };
    const performance = { eventId: 'e', baselineMethod: 'm', devices: [{ deviceId: 'a', ...blank }] };
    const facts = [{ atMs: 0, fact: { type: 'event.measured', performance } as const }];
    const e = only(measure(miniRun({ stepMs: QUARTER, sites: [], events: [hour()], facts })).events);
    expect(e.derived).toEqual({ method: 'm', deliveredWh: null, devicesWithBaseline: 0, devicesWithoutBaseline: 1 });
  });

  test('the series has one value for each meter interval, and the day of 25 hours has 100 quarters', () => {
    const start = Date.UTC(2024, 10, 3, 7);
    const records = miniRun({ stepMs: QUARTER, sites: [], timeZone: 'America/Los_Angeles' }).map((r) =>
      r.kind === 'run-started' ? { ...r, startMs: start, endMs: start + 25 * MS_PER_HOUR } : r,
    );
    const { series } = measure(records);
    expect(series.startMs).toHaveLength(100);
    expect(series.startMs[99]).toBe(start + 25 * MS_PER_HOUR - QUARTER);
  });

  test('mean power, state of charge and target of the fixture at 18:15', () => {
    const { series } = measure(fixtureRecords());
    const i = series.startMs.indexOf(EVENT_START + QUARTER);
    expect(series.targetW[i]).toBe(27_000);
    expect((series.baselineGridW[i] ?? 0) - (series.gridW[i] ?? 0)).toBe(25_000);
    expect(series.socPct.find((g) => g.group === 'utility-scale')?.pct[i]).toBeCloseTo(90 - 4.9875 - 5.25, 1);
    expect(series.dayAheadUsdPerMwh[i]).toBe(222.99745);
  });

  test('facts about an event that was never offered are left out', () => {
    const fact = factAt(0, { type: 'event.started', eventId: 'ghost' });
    expect(measure(miniRun({ stepMs: QUARTER, sites: [], more: [fact] })).events).toEqual([]);
  });

  test('program, group and device sums of the fixture are the event', () => {
    const m = measure(fixtureRecords());
    const e = only(m.events);
    const groups = sumEnergy(e.groups);
    expect([groups.plannedWh, groups.deliveredWh, groups.meteredWh]).toEqual([e.plannedWh, e.deliveredWh, e.meteredWh]);
    expect(m.programs[0]).toMatchObject({ deliveredWh: e.deliveredWh, targetWh: e.targetWh, events: 1 });
  });
});
