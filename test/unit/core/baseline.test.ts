import { describe, expect, test } from 'vitest';
import { localDaysBack, type MeterHistory, onDay, similarDays, tenInTen } from '../../../src/core/baseline.ts';
import { TelemetryStore } from '../../../src/core/telemetry.ts';
import { Bench, HOUR, MIN, ZONE } from '../../helpers/coreBench.ts';

const DAY = 24 * HOUR;
const STEP = 15 * MIN;
const NONE = new Set<number>();
/** Wednesday 2024-07-10 00:00 in Los Angeles. */
const WED = Date.UTC(2024, 6, 10, 7);

/** Quarter hours of a register over whole days that end with the given one, from power [kW] by instant. */
function history(lastDayMs: number, days: number, kw: (atMs: number) => number): MeterHistory {
  const startMs = lastDayMs - (days - 1) * DAY;
  return { startMs, stepMs: STEP, wh: Array.from({ length: days * 96 + 8 }, (_, i) => kw(startMs + i * STEP) * 250) };
}

const event = (h: MeterHistory, over: { startMs?: number; eventDays?: ReadonlySet<number> } = {}) => {
  const startMs = over.startMs ?? WED + 17 * HOUR;
  return tenInTen({ history: h, startMs, endMs: startMs + HOUR, timeZone: ZONE, eventDays: over.eventDays ?? NONE });
};
const kwOf = (b: ReturnType<typeof tenInTen>) => b.wh.map((x) => (x === null ? null : x / 250));

describe('10-in-10 with same-day adjustment', () => {
  test('ten days at 4 kW and 5 kW in the morning of: ratio 1.25, capped at 1.20, so 4.8 kW', () => {
    const b = event(history(WED, 30, (t) => (t >= WED && t < WED + 16 * HOUR ? 5 : 4)));
    expect(b.adjustment).toBe(1.2);
    expect(b.adjustmentNote).toBe('same-day ratio 1.250, capped');
    expect(kwOf(b)).toEqual([4.8, 4.8, 4.8, 4.8]);
    expect(b.daysUsed).toBe(10);
  });

  test('a low morning is capped at 0.8, one in between scales as it is', () => {
    expect(event(history(WED, 30, (t) => (t >= WED ? 1 : 4))).adjustment).toBe(0.8);
    const b = event(history(WED, 30, (t) => (t >= WED ? 4.4 : 4)));
    expect(b.adjustment).toBeCloseTo(1.1, 12);
    expect(b.adjustmentNote).toBe('same-day ratio');
  });

  test('the window of the adjustment is the three hours that end one hour before the event', () => {
    const outside = event(history(WED, 30, (t) => (t >= WED && (t < WED + 13 * HOUR || t >= WED + 16 * HOUR) ? 9 : 4)));
    expect(outside.adjustment).toBe(1);
    const edge = event(history(WED, 30, (t) => (t >= WED + 13 * HOUR && t < WED + 13 * HOUR + STEP ? 6.4 : 4)));
    expect(edge.adjustment).toBeCloseTo(1 + 0.6 / 12, 12);
  });

  test('weekdays are averaged for a weekday, weekend days for a weekend day', () => {
    const isWeekend = (t: number) => [0, 6].includes(new Date(t - 7 * HOUR).getUTCDay());
    const h = history(WED + 3 * DAY, 45, (t) => (isWeekend(t) ? 9 : 4));
    expect(kwOf(event(h))).toEqual([4, 4, 4, 4]);
    expect(kwOf(event(h, { startMs: WED + 3 * DAY + 17 * HOUR }))).toEqual([9, 9, 9, 9]);
  });

  test('days with an event are passed over', () => {
    const bad = WED - DAY;
    const h = history(WED, 30, (t) => (t >= bad && t < bad + DAY ? 100 : 4));
    expect(kwOf(event(h))[0]).toBeGreaterThan(4);
    expect(kwOf(event(h, { eventDays: new Set([bad]) }))).toEqual([4, 4, 4, 4]);
  });

  test('a day without a reading at the event is no similar day; a hole in another is left out of the mean', () => {
    const h = history(WED, 30, (t) => (t >= WED - DAY && t < WED ? Number.NaN : 4));
    const calendar = localDaysBack(WED + 17 * HOUR, ZONE);
    const days = similarDays({ history: h, startMs: WED + 17 * HOUR, timeZone: ZONE, eventDays: NONE, calendar });
    expect(days).toHaveLength(10);
    expect(days.map((d) => d.midnightMs)).not.toContain(WED - DAY);
    const hole = WED - DAY + 17 * HOUR + STEP;
    const holed = history(WED, 30, (t) => (t === hole ? Number.NaN : 4));
    expect(kwOf(event(holed))).toEqual([4, 4, 4, 4]);
  });

  test('under five similar days there is no baseline; under ten it says so', () => {
    expect(event(history(WED, 7, () => 4))).toMatchObject({ daysUsed: 0, wh: [null, null, null, null] });
    expect(event(history(WED, 8, () => 4))).toMatchObject({
      daysUsed: 5,
      adjustmentNote: 'same-day ratio; only 5 similar days',
    });
  });

  test('nothing further back than 45 days counts', () => {
    const eventDays = new Set(Array.from({ length: 41 }, (_, i) => WED - (i + 1) * DAY));
    expect(
      event(
        history(WED, 60, () => 4),
        { eventDays },
      ).daysUsed,
    ).toBe(0);
  });

  test('a site that did not import in the window is not adjusted, and says why', () => {
    const b = event(history(WED, 30, (t) => (t >= WED ? -1 : 4)));
    expect(b).toMatchObject({ adjustment: 1 });
    expect(b.adjustmentNote).toContain('did not import');
  });
});

describe('daylight saving time', () => {
  const clock = new Intl.DateTimeFormat('en-GB', { timeZone: ZONE, hour: '2-digit', minute: '2-digit' });
  const clockLoad = (t: number): number => {
    const text = clock.format(t);
    return Number(text.slice(0, 2)) + Number(text.slice(3, 5)) / 60;
  };

  test.each([
    ['a Sunday of 23 hours', Date.UTC(2024, 2, 10, 8)],
    ['a Sunday of 25 hours', Date.UTC(2024, 10, 3, 7)],
    ['a Sunday that has a changed Sunday among its similar days', Date.UTC(2024, 2, 17, 7)],
    ['a Monday with days of both kinds of time behind it', Date.UTC(2024, 2, 11, 7)],
  ])('%s compares wall-clock times: a load that follows the clock is its own baseline', (_what, midnightMs) => {
    const startMs = midnightMs - 50 * DAY;
    const wh = Array.from({ length: 52 * 96 }, (_, i) => clockLoad(startMs + i * STEP) * 250);
    const at = [...Array(16)].map((_, i) => midnightMs + (15 * 4 + i) * STEP);
    const fromMs = at.find((t) => clockLoad(t) === 17) ?? 0;
    const b = tenInTen({
      history: { startMs, stepMs: STEP, wh },
      startMs: fromMs,
      endMs: fromMs + HOUR,
      timeZone: ZONE,
      eventDays: NONE,
    });
    expect(b.daysUsed).toBe(10);
    expect(b.adjustment).toBeCloseTo(1, 12);
    expect(b.wh.map((x) => (x ?? 0) / 250)).toEqual([17, 17.25, 17.5, 17.75].map((x) => expect.closeTo(x, 9)));
  });

  test('an hour that a day skips has no counterpart on it; late evening does not slip into the next day', () => {
    const [today] = localDaysBack(Date.UTC(2024, 2, 9, 20), ZONE);
    const [spring] = localDaysBack(Date.UTC(2024, 2, 10, 20), ZONE);
    if (today === undefined || spring === undefined) throw new Error('no calendar');
    const on = (h: number) => onDay({ atMs: today.midnightMs + h * HOUR, today, day: spring, timeZone: ZONE });
    expect(spring.lengthMs).toBe(23 * HOUR);
    expect(on(2.5)).toBe(null);
    expect(on(1.5)).toBe(spring.midnightMs + 1.5 * HOUR);
    expect(on(23.5)).toBe(spring.midnightMs + 22.5 * HOUR);
  });
});

describe('the meter store', () => {
  const block = (startMs: number, wh: number[]) => ({ startMs, stepMs: STEP, gridWh: wh, batteryWh: wh });

  test('a hole is no zero, and what comes again replaces what is there', () => {
    const store = new TelemetryStore();
    store.addMeter('s', block(0, [1]));
    store.addMeter('s', block(3 * STEP, [4]));
    store.addMeter('s', block(0, [7]));
    expect(store.gridHistory('s')?.wh).toEqual([7, Number.NaN, Number.NaN, 4]);
  });

  test('at its limit the oldest days go and the newest stay in their place', () => {
    const store = new TelemetryStore();
    for (let day = 0; day < 70; day++) store.addMeter('s', block(day * DAY, Array<number>(96).fill(day)));
    const h = store.gridHistory('s');
    expect(h?.wh.length).toBeLessThanOrEqual(61 * 96);
    expect(h?.wh.at(-1)).toBe(69);
    expect(h?.wh[(65 * DAY - (h?.startMs ?? 0)) / STEP]).toBe(65);
  });
});

describe('the performance of an event', () => {
  const measured = (kw: (atMs: number) => number, enrolled = true) => {
    const b = new Bench({ startMs: WED + 12 * HOUR });
    b.device('enphase', 'e', { enrolled });
    const { endMs, startMs } = b.event(2_000, { inMs: 5 * HOUR });
    b.run(endMs);
    const h = history(WED, 30, kw);
    b.put({
      kind: 'meter',
      siteId: 'site-e',
      startMs: h.startMs,
      stepMs: STEP,
      gridWh: h.wh,
      batteryWh: h.wh.map(() => 0),
    });
    b.run(endMs + 30 * MIN);
    return { performance: b.factsOf('event.measured')[0]?.performance, startMs };
  };

  test('is baseline minus metered, beside what was asked', () => {
    const { performance } = measured((t) => (t >= WED + 17 * HOUR && t < WED + 18 * HOUR ? 1 : 3));
    expect(performance?.devices).toEqual([
      {
        deviceId: 'e',
        requestedWh: 2_000,
        baselineWh: 3_000,
        meteredWh: 1_000,
        deliveredWh: 2_000,
        adjustment: 1,
        adjustmentNote: 'same-day ratio',
      },
    ]);
    expect(performance?.baselineMethod).toContain('derived');
  });

  test('is unknown without a baseline, and absent without its meter data or its enrollment', () => {
    const noHistory = measured((t) => (t < WED ? Number.NaN : 3)).performance?.devices[0];
    expect(noHistory).toMatchObject({ baselineWh: null, deliveredWh: null, meteredWh: 3_000 });
    expect(measured((t) => (t >= WED + 17 * HOUR ? Number.NaN : 3)).performance?.devices).toEqual([]);
    expect(measured(() => 3, false).performance?.devices).toEqual([]);
  });

  test('is zero when the site does what it always does', () => {
    expect(measured(() => 3).performance?.devices[0]?.deliveredWh).toBe(0);
  });
});
