import { describe, expect, test } from 'vitest';
import { inWindow } from '../../../src/core/markets.ts';
import { Bench, HOUR, MIN, PROGRAM, T0, ZONE } from '../../helpers/coreBench.ts';

const WINDOW = { start: '16:00', end: '21:00' };
const priceTrigger = { kind: 'day-ahead-price', thresholdUsdPerMwh: 200, window: WINDOW } as const;
/** Midnight of 2024-07-11 in Los Angeles. */
const MIDNIGHT = Date.UTC(2024, 6, 11, 7);

const publish = (b: Bench, usdPerMwh: readonly (number | null)[], startMs = MIDNIGHT, node = 'NODE') =>
  b.put({ kind: 'publish-prices', node, market: 'day-ahead', startMs, stepMs: HOUR, usdPerMwh });

const hoursOf = (b: Bench) =>
  b.factsOf('event.offered').map((f) => f.event.intervals.map((i) => (i.startMs - MIDNIGHT) / HOUR));

describe('events called by a price', () => {
  test('every hour of the window at or above the threshold; adjacent ones are one event', () => {
    const b = new Bench({ trigger: priceTrigger });
    const prices = Array<number>(24).fill(50);
    // 15:00 and 21:00 are outside the window, 16:00 and 20:00 are its edges, 200 is "at"
    for (const [h, p] of [
      [15, 900],
      [16, 200],
      [17, 201],
      [18, 199.99],
      [20, 300],
      [21, 900],
    ] as const)
      prices[h] = p;
    publish(b, prices);
    expect(hoursOf(b)).toEqual([[16, 17], [20]]);
    const [first] = b.factsOf('event.offered');
    expect(first?.event).toMatchObject({ kind: 'dispatch', calledBy: 'day-ahead price ≥ 200 $/MWh' });
    expect(first?.event.intervals[0]).toMatchObject({ targetW: 5_000, priceUsdPerMwh: 200 });
  });

  test('a missing price calls nothing, and neither does another node, another market or an hour that has begun', () => {
    const b = new Bench({ trigger: priceTrigger });
    const high = Array<number>(24).fill(500);
    publish(
      b,
      high.map((p, h) => (h === 18 ? null : h === 19 ? Number.NaN : p)),
    );
    expect(hoursOf(b)).toEqual([[16, 17], [20]]);
    const c = new Bench({ trigger: priceTrigger });
    publish(c, high, MIDNIGHT, 'ELSEWHERE');
    c.put({
      kind: 'publish-prices',
      node: 'NODE',
      market: 'real-time',
      startMs: MIDNIGHT,
      stepMs: HOUR,
      usdPerMwh: high,
    });
    c.nowMs = MIDNIGHT + 17.5 * HOUR;
    publish(c, high);
    expect(hoursOf(c)).toEqual([[18, 19, 20]]);
  });

  test('prices of a workspace call its own programs alone; the market’s call those of all', () => {
    const b = new Bench({ trigger: priceTrigger });
    b.put({ kind: 'create-workspace', workspace: { workspaceId: 'other', name: 'Other', gridServices: true } });
    b.program('theirs', priceTrigger, { workspaceId: 'other' });
    const high = {
      node: 'NODE',
      market: 'day-ahead',
      startMs: MIDNIGHT + 18 * HOUR,
      stepMs: HOUR,
      usdPerMwh: [500],
    } as const;
    b.put({ kind: 'publish-prices', workspaceId: 'other', ...high });
    const called = () => b.factsOf('event.offered').map((f) => f.event.programId);
    expect(called()).toEqual(['theirs']);
    b.put({ kind: 'publish-prices', ...high, startMs: MIDNIGHT + 19 * HOUR });
    expect(called()).toEqual(['theirs', PROGRAM, 'theirs']);
  });

  test('prices that come twice call nothing twice', () => {
    const b = new Bench({ trigger: priceTrigger });
    publish(b, Array<number>(24).fill(500));
    publish(b, Array<number>(24).fill(500));
    expect(hoursOf(b)).toEqual([[16, 17, 18, 19, 20]]);
    expect(b.refusals.at(-1)?.why).toBe('overlaps evt-1 of the same program');
  });

  test('the window is local wall-clock time on days of 23 and 25 hours', () => {
    for (const [day, hours] of [
      [Date.UTC(2024, 2, 10, 8), 23],
      [Date.UTC(2024, 10, 3, 7), 25],
    ] as const) {
      const b = new Bench({ trigger: priceTrigger, startMs: day - 12 * HOUR });
      publish(b, Array<number>(hours).fill(500), day);
      const [event] = b.factsOf('event.offered');
      expect(event?.event.intervals).toHaveLength(5);
      expect(((event?.event.intervals[0]?.startMs ?? 0) - day) / HOUR).toBe(hours - 8);
    }
  });

  test('a window over midnight holds on both sides of it', () => {
    const at = (h: number) => inWindow(MIDNIGHT + h * HOUR, ZONE, { start: '22:00', end: '02:00' });
    expect([21, 22, 23, 0, 1, 2].map(at)).toEqual([false, true, true, true, true, false]);
  });
});

describe('bids and awards', () => {
  const hour = (h: number) => MIDNIGHT + h * HOUR;
  const step = (priceUsdPerMwh: number, quantityW: number) => ({ priceUsdPerMwh, quantityW });
  const bid = (b: Bench, h: number, steps = [step(100, 1_000), step(200, 3_000)]) =>
    b.put({ kind: 'submit-bid', bid: { programId: PROGRAM, startMs: hour(h), steps } });
  const award = (h: number, awardedW: number, priceUsdPerMwh = 250, programId = PROGRAM) => ({
    programId,
    startMs: hour(h),
    endMs: hour(h + 1),
    awardedW,
    priceUsdPerMwh,
  });

  test.each([
    ['a price that does not ascend', [step(100, 1_000), step(100, 2_000)], 'price 100 does not ascend'],
    ['a quantity that falls', [step(100, 1_000), step(200, 999)], 'quantity 999 W falls or is not whole'],
    ['a quantity that is not whole', [step(100, 1.5)], 'quantity 1.5 W falls or is not whole'],
    ['an empty curve', [], 'an empty curve bids nothing'],
  ])('%s is refused', (_what, steps, why) => {
    const b = new Bench({ trigger: { kind: 'day-ahead-award' } });
    bid(b, 17, steps);
    expect(b.refusals).toMatchObject([{ what: 'bid', why }]);
    expect(b.factsOf('bid.submitted')).toEqual([]);
  });

  test('a bid for an hour that has begun is refused, a newer bid replaces the curve', () => {
    const b = new Bench({ startMs: hour(17), trigger: { kind: 'day-ahead-award' } });
    bid(b, 17);
    expect(b.refusals[0]?.why).toContain('its market is closed');
    bid(b, 18);
    bid(b, 18, [step(50, 500)]);
    b.put({ kind: 'awards', awards: [award(18, 501)] });
    expect(b.refusals.at(-1)?.why).toBe('501 W is more than the 500 W offered at 250 $/MWh');
  });

  test('adjacent awarded hours become one event with its targets; an hour awarded nothing splits it', () => {
    const b = new Bench({ trigger: { kind: 'day-ahead-award' } });
    for (const h of [16, 17, 18, 19]) bid(b, h);
    b.put({ kind: 'awards', awards: [award(16, 1_000, 120), award(17, 3_000), award(18, 0), award(19, 2_000)] });
    expect(hoursOf(b)).toEqual([[16, 17], [19]]);
    expect(b.factsOf('event.offered')[0]?.event.intervals.map((i) => i.targetW)).toEqual([1_000, 3_000]);
  });

  test('an award without a bid, twice for an hour, or of another program stands for itself', () => {
    const b = new Bench({ trigger: { kind: 'day-ahead-award' } });
    b.program('other', { kind: 'day-ahead-award' });
    bid(b, 16);
    b.put({ kind: 'submit-bid', bid: { programId: 'other', startMs: hour(17), steps: [step(1, 700)] } });
    b.put({ kind: 'awards', awards: [award(15, 1), award(16, 1_000), award(17, 700, 250, 'other')] });
    b.put({ kind: 'awards', awards: [award(16, 1_000)] });
    expect(b.factsOf('event.offered').map((f) => [f.event.programId, f.event.intervals.length])).toEqual([
      [PROGRAM, 1],
      ['other', 1],
    ]);
    expect(b.refusals.map((r) => r.what)).toEqual(['award', 'award']);
    expect(b.core.state.awards).toHaveLength(2);
  });
});

describe('incentive events, answers and reports', () => {
  const resource = (b: Bench, deviceIds: readonly string[], programId = PROGRAM) =>
    b.put({ kind: 'register-resource', resourceId: `r-${programId}`, partnerId: 'p', programId, deviceIds });

  test('an incentive event starts and ends and never becomes a command (promise S23)', () => {
    const b = new Bench();
    b.device('enphase', 'a');
    const { eventId, endMs } = b.event(3_000, { kind: 'incentive' });
    resource(b, ['a']);
    b.put({ kind: 'answer-event', eventId, resourceId: `r-${PROGRAM}`, answer: 'opt-in', by: 'p' });
    b.run(endMs + HOUR);
    expect(b.factsOf('command.accepted')).toEqual([]);
    expect(b.factsOf('dispatch.planned')).toEqual([]);
    expect([b.factsOf('event.started').length, b.factsOf('event.ended').length]).toEqual([1, 1]);
  });

  test('an opt-out in mid-event takes the commands back and leaves the others the work; opting in again returns it', () => {
    const b = new Bench();
    for (const id of ['a', 'b']) b.device('enphase', id);
    resource(b, ['b']);
    const { eventId } = b.event(4_000, { inMs: 0 });
    b.run(T0 + 10 * MIN);
    b.put({ kind: 'answer-event', eventId, resourceId: `r-${PROGRAM}`, answer: 'opt-out', by: 'owner' });
    expect(b.ended('cmd-2')).toEqual(['cancelled', 'opted_out']);
    expect(b.jobs('b').at(-1)?.kind).toBe('cancel');
    b.run(b.nowMs + 5 * MIN);
    expect(b.reasonOf('b')).toBe('opted_out');
    expect(b.allocatedW('a')).toBe(4_000);
    b.put({ kind: 'answer-event', eventId, resourceId: `r-${PROGRAM}`, answer: 'opt-in', by: 'owner' });
    b.run(b.nowMs + 5 * MIN);
    expect(b.reasonOf('b')).toBe('not_needed');
  });

  test('answers to unknown, foreign and finished events are refused', () => {
    const b = new Bench();
    b.program('other');
    b.device('enphase', 'a');
    resource(b, ['a']);
    resource(b, ['a'], 'other');
    const { eventId, endMs } = b.event(1_000);
    const answer = (event: string, resourceId: string) =>
      b.put({ kind: 'answer-event', eventId: event, resourceId, answer: 'opt-out', by: 'p' });
    answer('evt-9', `r-${PROGRAM}`);
    answer(eventId, 'r-none');
    answer(eventId, 'r-other');
    b.advanceTo(endMs);
    answer(eventId, `r-${PROGRAM}`);
    expect(b.refusals.map((r) => r.why)).toEqual([
      'evt-9: no such event',
      'r-none: no such resource',
      'r-other is not in the program of evt-1',
      'evt-1 is ended',
    ]);
    expect(b.factsOf('event.answered')).toEqual([]);
  });

  test('a report is kept; one with a reading that is none, or of nobody, is refused whole', () => {
    const b = new Bench();
    b.device('enphase', 'a');
    resource(b, ['a']);
    const reading = { startMs: T0 - HOUR, endMs: T0, usageWh: 900 };
    const report = (resourceId: string, readings: (typeof reading)[]) =>
      b.put({ kind: 'report', reportId: 'x', resourceId, eventId: null, readings });
    report(`r-${PROGRAM}`, [reading]);
    report('r-none', [reading]);
    report(`r-${PROGRAM}`, [reading, { ...reading, usageWh: Number.NaN }]);
    report(`r-${PROGRAM}`, [{ ...reading, endMs: reading.startMs }]);
    report(`r-${PROGRAM}`, [reading, { ...reading, endMs: T0 + 1 }]);
    expect(b.factsOf('report.received')).toHaveLength(1);
    expect(b.refusals.map((r) => r.code)).toEqual(['unknown', 'conflict', 'conflict', 'invalid']);
  });

  test('a resource of unknown devices or programs, or with a name in use, is refused', () => {
    const b = new Bench();
    b.device('enphase', 'a');
    resource(b, ['a']);
    resource(b, ['a']);
    resource(b, ['zz'], 'nothing');
    b.program('other');
    resource(b, ['zz'], 'other');
    expect(b.refusals.map((r) => r.why)).toEqual(['r-dsgs exists', 'nothing: no such program', 'zz: no such device']);
  });
});

describe('offering and calling off', () => {
  test('a cancelled event takes its commands back, sent ahead or running, and plans no more; twice is once', () => {
    const b = new Bench();
    b.device('enphase', 'a');
    b.device('tesla', 't');
    const { eventId, startMs } = b.event(6_000);
    b.run(startMs + 10 * MIN);
    const plans = b.factsOf('dispatch.planned').length;
    b.put({ kind: 'cancel-event', eventId, by: 'ops' });
    b.put({ kind: 'cancel-event', eventId, by: 'ops' });
    b.run(startMs + HOUR);
    expect(b.factsOf('event.cancelled')).toHaveLength(1);
    expect(b.factsOf('dispatch.planned')).toHaveLength(plans);
    expect(b.factsOf('command.ended').map((f) => f.outcome.reason)).toEqual(['event_cancelled', 'event_cancelled']);
    expect(b.jobs('a').at(-1)?.kind).toBe('cancel');
    expect(b.jobs('t').at(-1)).toMatchObject({ mode: 'reset' });
    expect(b.factsOf('event.measured')).toEqual([]);
  });

  test('an event called off before it began is no event day; one that ran is', () => {
    const b = new Bench();
    const days = () => [...(b.core.state.eventDays.get(PROGRAM) ?? [])];
    const { eventId } = b.event(1_000, { inMs: 3 * HOUR });
    expect(days()).toEqual([Date.UTC(2024, 6, 10, 7)]);
    b.put({ kind: 'cancel-event', eventId, by: 'ops' });
    expect(days()).toEqual([]);
    const second = b.event(1_000, { inMs: 0 });
    b.advance(MIN);
    b.put({ kind: 'cancel-event', eventId: second.eventId, by: 'ops' });
    expect(days()).toEqual([Date.UTC(2024, 6, 10, 7)]);
  });

  test('gaps, overlaps, the past, fractions and an unknown program are refused', () => {
    const b = new Bench();
    const offer = (parts: readonly (readonly [number, number, number])[], programId = PROGRAM) =>
      b.put({
        kind: 'offer-event',
        offer: {
          programId,
          kind: 'dispatch',
          calledBy: 'x',
          intervals: parts.map(([s, e, targetW]) => ({
            startMs: T0 + s * HOUR,
            endMs: T0 + e * HOUR,
            targetW,
            priceUsdPerMwh: null,
          })),
        },
      });
    offer([]);
    offer([[1, 2, 5]], 'nothing');
    offer([[2, 1, 5]]);
    offer([
      [1, 3, 5],
      [2, 4, 5],
    ]);
    offer([
      [1, 2, 5],
      [3, 4, 5],
    ]);
    offer([[1, 2, 5.5]]);
    offer([[-2, -1, 5]]);
    offer([[1, 2, 5]]);
    offer([[1, 3, 5]]);
    expect(b.refusals).toHaveLength(8);
    expect(b.factsOf('event.offered')).toHaveLength(1);
  });
});
