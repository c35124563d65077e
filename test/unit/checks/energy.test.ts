import { describe, expect, test } from 'vitest';
import type { Expectation } from '../../../scenarios/expect.ts';
import type { LogRecord } from '../../../src/ports/records.ts';
import { factAt, judge, minute, QUIET, RUN, withRecords } from '../../helpers/checks.ts';
import type { MiniRun } from '../../helpers/miniRun.ts';

/** Expectations about energy and who gave it, on a hand-made log: they hold, they fail, and silence is no proof. */
type Of<K extends Expectation['kind']> = Extract<Expectation, { kind: K }>;
const fail = { severity: 'fail' } as const;

describe('delivered', () => {
  const x = (over: Partial<Of<'delivered'>>): Of<'delivered'> => ({
    kind: 'delivered',
    baseline: 'counterfactual',
    ...fail,
    ...over,
  });
  const WHOLE = { where: 'e1', when: '1970-01-01 00:30 to 1970-01-01 01:30' };

  test('holds at its bounds: 4 kWh of 4 kWh', () => {
    const found = '4.0 kWh, 100.0 % of 4.0 kWh';
    const exact = x({ eventId: 'e1', atLeastRatio: 1, atMostRatio: 1, atLeastKwh: 4 });
    expect(judge(exact, RUN)).toEqual({ passed: true, found, ...WHOLE });
  });

  test.each([{ bound: { atLeastRatio: 1.001 } }, { bound: { atMostRatio: 0.999 } }, { bound: { atLeastKwh: 4.001 } }])(
    'fails just beyond $bound',
    ({ bound }) => {
      const found = '4.0 kWh, 100.0 % of 4.0 kWh';
      expect(judge(x({ eventId: 'e1', ...bound }), RUN)).toEqual({ passed: false, found, ...WHOLE });
    },
  );

  test('takes the plan for a group as the request of that group', () => {
    expect(judge(x({ eventId: 'e1', group: 'others', atLeastRatio: 0.1 }), RUN)).toEqual({
      passed: false,
      found: '0.0 kWh, 0.0 % of 1.0 kWh',
      where: 'e1, others',
      when: WHOLE.when,
    });
    expect(judge(x({ eventId: 'e1', group: 'homes', atLeastRatio: 1.33 }), RUN).found).toBe(
      '4.0 kWh, 133.3 % of 3.0 kWh',
    );
  });

  test('looks at part of an event only with during, for the fleet and for a group', () => {
    const during = { from: '00:30', until: '00:45' };
    const fleet = judge(x({ eventId: 'e1', during, atLeastRatio: 1 }), RUN);
    expect(fleet).toEqual({ passed: true, found: '1.0 kWh, 100.0 % of 1.0 kWh', where: 'e1', when: '00:30 to 00:45' });
    const group = x({ eventId: 'e1', group: 'homes', during: { from: '00:30', until: '01:30' }, atLeastRatio: 1 });
    expect(judge(group, RUN).found).toBe('4.0 kWh, 133.3 % of 3.0 kWh');
  });

  test('fails outside every event, where nothing was requested', () => {
    const during = { from: '00:00', until: '00:30' };
    for (const bound of [{ atLeastRatio: 0 }, { atMostRatio: 1 }]) {
      expect(judge(x({ eventId: 'e1', during, ...bound }), RUN)).toMatchObject({
        passed: false,
        found: '0.0 kWh, no request',
      });
    }
  });

  test('fails when there is no such event', () => {
    for (const bound of [{ atLeastRatio: 0 }, { atMostRatio: 10 }, { atLeastKwh: 0 }]) {
      const judged = judge(x({ eventId: 'e1', ...bound }), QUIET);
      expect(judged).toEqual({ passed: false, found: 'no such event', where: 'e1', when: 'never' });
    }
  });

  const measured = (deliveredWh: number | null): LogRecord =>
    factAt(95, {
      type: 'event.measured',
      performance: {
        eventId: 'e1',
        baselineMethod: '10-in-10',
        devices: [
          {
            deviceId: 'a',
            requestedWh: 3000,
            baselineWh: deliveredWh === null ? null : 2000,
            meteredWh: -2000,
            deliveredWh,
            adjustment: 1,
            adjustmentNote: '',
          },
        ],
      },
    });

  test("judges by the core's own baseline when asked to", () => {
    const own = x({ eventId: 'e1', baseline: 'ten-in-ten', atLeastRatio: 0.5 });
    expect(judge(own, withRecords(RUN, measured(1000)))).toMatchObject({
      passed: false,
      found: '1.0 kWh, 25.0 % of 4.0 kWh',
    });
    expect(judge(own, withRecords(RUN, measured(2000))).passed).toBe(true);
  });

  test('fails by the own baseline when no device has one, also with an upper bound only', () => {
    const own = x({ eventId: 'e1', baseline: 'ten-in-ten', atMostRatio: 1 });
    const found = 'no device has such a baseline';
    expect(judge(own, RUN)).toMatchObject({ passed: false, found });
    expect(judge(own, withRecords(RUN, measured(null)))).toMatchObject({ passed: false, found });
  });

  test('fails by the own baseline for a part of an event, which that method does not measure', () => {
    const during = { from: '00:30', until: '00:45' };
    const own = x({ eventId: 'e1', baseline: 'ten-in-ten', during, atLeastRatio: 0 });
    expect(judge(own, withRecords(RUN, measured(4000)))).toMatchObject({
      passed: false,
      found: 'ten-in-ten measures whole events only',
    });
  });
});

describe('participation', () => {
  const x = (atLeastRatio: number): Of<'participation'> => ({
    kind: 'participation',
    ...fail,
    eventId: 'e1',
    atLeastRatio,
  });

  test('holds and fails at its bound: one of two devices delivered', () => {
    const said = { found: '1 of 2 (50.0 %)', where: 'e1', when: 'in the events' };
    expect(judge(x(0.5), RUN)).toEqual({ passed: true, ...said });
    expect(judge(x(0.51), RUN)).toEqual({ passed: false, ...said });
  });

  test('does not count a device that is not enrolled', () => {
    const excluded = [{ deviceId: 'b', reason: 'not_enrolled', capableW: 1000 }] as const;
    const plans = [{ fromMs: minute(30), toMs: minute(90), allocatedW: { a: 4000 }, excluded }];
    const events = [{ eventId: 'e1', from: 2, to: 6, targetW: 4000, plans }];
    expect(judge(x(1), { ...RUN, events })).toMatchObject({ passed: true, found: '1 of 1 (100.0 %)' });
  });

  test('does not count a device whose enrollment was pending in a part of the event', () => {
    const excluded = [{ deviceId: 'b', reason: 'enrollment_pending', capableW: 1000 }] as const;
    const plans = [
      { fromMs: minute(30), toMs: minute(60), allocatedW: { a: 4000 }, excluded },
      { fromMs: minute(60), toMs: minute(90), allocatedW: { a: 3000, b: 1000 } },
    ];
    const events = [{ eventId: 'e1', from: 2, to: 6, targetW: 4000, plans }];
    expect(judge(x(1), { ...RUN, events })).toMatchObject({ passed: true, found: '1 of 1 (100.0 %)' });
  });

  test('fails without an event', () => {
    expect(judge(x(0), QUIET)).toEqual({ passed: false, found: 'no approved device', where: 'e1', when: 'never' });
  });
});

describe('shortfallAttributed', () => {
  const x = (reason: Of<'shortfallAttributed'>['reason'], atLeastShare: number): Of<'shortfallAttributed'> => ({
    kind: 'shortfallAttributed',
    ...fail,
    eventId: 'e1',
    reason,
    atLeastShare,
  });
  const excluded = [{ deviceId: 'b', reason: 'low_soc', capableW: 4000 }] as const;
  const plans = [{ fromMs: minute(30), toMs: minute(90), allocatedW: { a: 4000 }, excluded }];
  const short: MiniRun = { ...RUN, events: [{ eventId: 'e1', from: 2, to: 6, targetW: 8000, plans }] };

  test('holds when the energy is put down to the reason: 4 of 8 kWh are missing, all for an empty battery', () => {
    expect(judge(x('low_soc', 1), short)).toEqual({
      passed: true,
      found: '4.0 kWh of 4.0 kWh (100.0 %)',
      where: 'e1',
      when: 'in the events',
    });
  });

  test('fails when it is put down to something else', () => {
    expect(judge(x('storm_guard', 0.01), short)).toMatchObject({ passed: false, found: '0.0 kWh of 4.0 kWh (0.0 %)' });
  });

  test('fails when nothing is missing, and without an event', () => {
    const nothing = { passed: false, found: 'nothing is missing' };
    const whole = [{ fromMs: minute(30), toMs: minute(90), allocatedW: { a: 4000 } }];
    const served: MiniRun = { ...RUN, events: [{ eventId: 'e1', from: 2, to: 6, targetW: 4000, plans: whole }] };
    expect(judge(x('low_soc', 0), served)).toMatchObject(nothing);
    expect(judge(x('low_soc', 0), QUIET)).toMatchObject(nothing);
  });
});
