import { describe, expect, test } from 'vitest';
import { type Expectation, NEVER } from '../../../scenarios/expect.ts';
import { whToMj } from '../../../src/domain/units.ts';
import type { LogRecord } from '../../../src/ports/records.ts';
import {
  accepted,
  at,
  BESS,
  command,
  factAt,
  judge,
  minute,
  QUIET,
  RUN,
  STEP_MS,
  withRecords,
} from '../../helpers/checks.ts';
import { type MiniRun, meterInterval } from '../../helpers/miniRun.ts';

/**
 * Each rule of what must never happen, on a hand-made log: it holds, it is broken in one place and says where, when and
 * what, and it fails where what it watches is not there at all.
 */
type What = Extract<Expectation, { kind: 'never' }>['what'];
const never = (what: What, run: MiniRun) => judge({ kind: 'never', severity: 'fail', what }, run);

const HOLDS = { passed: true, found: 'nothing of the kind', where: 'whole run', when: 'whole run' };
const nothing = (subject: string) => ({
  passed: false,
  found: `nothing to look at: no ${subject}`,
  where: 'whole run',
  when: 'whole run',
});

const NO_METERS: MiniRun = { ...QUIET, sites: [{ deviceId: 'a', metered: [null], baseline: [null] }] };

/** A log in which only home a is metered, an interval at 00:30 with the given registers. */
function metered(over: Partial<ReturnType<typeof meterInterval>>, ...more: LogRecord[]): MiniRun {
  const interval = { ...meterInterval('site of a', minute(30), minute(45), 0), ...over };
  return {
    ...NO_METERS,
    sites: [{ deviceId: 'a', metered: Array(8).fill(null), baseline: [null] }],
    more: [...more, at(45, interval)],
  };
}

/** 10 kWh usable and 20 % kept: the floor is 2 kWh. */
const FLOOR = whToMj(2_000);

describe('discharge-below-reserve', () => {
  const what = 'discharge-below-reserve';
  const setReserve = (minutes: number, reservePct: number): LogRecord =>
    at(minutes, { kind: 'reserve', deviceId: 'a', reservePct });
  const dispatched = (storedEndMj: number, ...more: LogRecord[]) => metered({ dispatchedMj: 1, storedEndMj }, ...more);

  test('holds at the reserve, and below it without a dispatch', () => {
    expect(never(what, dispatched(FLOOR))).toEqual(HOLDS);
    expect(never(what, metered({ dispatchedMj: 0, storedEndMj: 0 }))).toEqual(HOLDS);
  });

  test('is broken below the reserve after a dispatch, by what is missing', () => {
    expect(never(what, dispatched(FLOOR - whToMj(100)))).toEqual({
      passed: false,
      found: '100.0 Wh under the reserve after a dispatch',
      where: 'site of a',
      when: '1970-01-01 00:45',
    });
  });

  test('allows the standby loss of the interval', () => {
    const standbyMj = whToMj(5);
    expect(never(what, metered({ dispatchedMj: 1, storedEndMj: FLOOR - standbyMj, standbyMj }))).toEqual(HOLDS);
    expect(
      never(what, metered({ dispatchedMj: 1, storedEndMj: FLOOR - standbyMj - whToMj(1), standbyMj })).passed,
    ).toBe(false);
  });

  test('goes by the reserve that the owner has set by then, and waits in the interval of the change', () => {
    expect(never(what, dispatched(FLOOR, setReserve(10, 30)))).toMatchObject({
      passed: false,
      found: '1000.0 Wh under the reserve after a dispatch',
    });
    expect(never(what, dispatched(whToMj(500), setReserve(10, 5)))).toEqual(HOLDS);
    expect(never(what, dispatched(FLOOR, setReserve(40, 30)))).toEqual(HOLDS);
  });

  test('fails without a meter interval', () => expect(never(what, NO_METERS)).toEqual(nothing('meter interval')));
});

describe('storm-discharge', () => {
  test('holds without, and is broken by, discharge for the grid in a storm', () => {
    expect(never('storm-discharge', RUN)).toEqual(HOLDS);
    expect(never('storm-discharge', metered({ stormMs: STEP_MS, stormDischargeMj: whToMj(12) }))).toEqual({
      passed: false,
      found: '12.0 Wh discharged in an active storm',
      where: 'site of a',
      when: '1970-01-01 00:30',
    });
  });

  test('fails without a meter interval', () =>
    expect(never('storm-discharge', NO_METERS)).toEqual(nothing('meter interval')));
});

const operate = (minutes: number, detail = 'setpoint 1 W'): LogRecord =>
  at(minutes, { kind: 'field', siteId: 'plant', what: 'operate', detail });

describe('control-without-approval', () => {
  const what = 'control-without-approval';
  const approval = (over: { siteId?: string; approvedBy?: string; untilMs?: number } = {}): LogRecord =>
    factAt(1, {
      type: 'site.control-approved',
      approval: {
        approvalId: 'one',
        siteId: 'plant',
        requestedBy: 'x',
        approvedBy: 'y',
        fromMs: minute(20),
        untilMs: minute(60),
        chargeWMax: 1,
        dischargeWMax: 1,
        mapRevision: 'any',
        ...over,
      },
    });

  test('holds within an approval, and when nothing was controlled', () => {
    expect(never(what, withRecords(QUIET, BESS, approval(), operate(20), operate(60)))).toEqual(HOLDS);
    expect(never(what, withRecords(QUIET, BESS))).toEqual(HOLDS);
  });

  test.each([
    { how: 'there is none', records: [operate(30)] },
    { how: 'it is for another site', records: [approval({ siteId: 'other' }), operate(30)] },
    { how: 'who asked has approved it', records: [approval({ approvedBy: 'x' }), operate(30)] },
    { how: 'it has ended', records: [approval({ untilMs: minute(29) }), operate(30)] },
    { how: 'it comes afterwards', records: [operate(30), approval()] },
  ])('is broken when $how', ({ records }) => {
    expect(never(what, withRecords(QUIET, BESS, ...records))).toEqual({
      passed: false,
      found: 'setpoint 1 W without a valid approval',
      where: 'plant',
      when: '1970-01-01 00:30',
    });
  });

  test('is broken when the approval is for another revision of the points map', () => {
    const map = (revision: string): LogRecord => {
      const provenance = { source: 'test', standing: 'assumed' } as const;
      return at(0, { kind: 'points-map', siteId: 'plant', revision, provenance, points: [] });
    };
    expect(never(what, withRecords(QUIET, BESS, map('any'), approval(), operate(30)))).toEqual(HOLDS);
    expect(never(what, withRecords(QUIET, BESS, map('other'), approval(), operate(30)))).toMatchObject({
      passed: false,
      found: 'setpoint 1 W without a valid approval',
    });
  });

  test('counts the breaches and names the first', () => {
    const run = withRecords(QUIET, BESS, operate(10), operate(11), operate(12));
    expect(never(what, run)).toMatchObject({
      found: 'setpoint 1 W without a valid approval (and 2 more)',
      when: '1970-01-01 00:10',
    });
  });

  test('lets a stop through, which needs no leave', () =>
    expect(never(what, withRecords(QUIET, BESS, operate(30, 'emergency stop: operate BO22')))).toEqual(HOLDS));

  test('fails without a BESS site', () => expect(never(what, QUIET)).toEqual(nothing('BESS site')));
});

describe('control-before-read', () => {
  const what = 'control-before-read';
  const read = (minutes: number): LogRecord =>
    at(minutes, { kind: 'field', siteId: 'plant', what: 'integrity-read', detail: 'all' });
  const link = (minutes: number, up: boolean): LogRecord => at(minutes, { kind: 'link', siteId: 'plant', up });
  const broken = {
    passed: false,
    found: 'setpoint 1 W before an integrity poll was complete',
    where: 'plant',
    when: '1970-01-01 00:30',
  };

  test('holds when each connection is read before it is controlled', () => {
    const twice = [link(1, true), read(2), operate(3), link(4, false), link(5, true), read(6), operate(7)];
    expect(never(what, withRecords(QUIET, BESS, ...twice))).toEqual(HOLDS);
  });

  test('is broken without any read, and after a reconnection without a new one', () => {
    expect(never(what, withRecords(QUIET, BESS, link(1, true), operate(30)))).toEqual(broken);
    const again = [link(1, true), read(2), operate(3), link(4, false), link(5, true), operate(30)];
    expect(never(what, withRecords(QUIET, BESS, ...again))).toEqual(broken);
  });

  test('fails without a BESS site', () => expect(never(what, QUIET)).toEqual(nothing('BESS site')));
});

describe('control-after-stop', () => {
  const what = 'control-after-stop';
  const stop = factAt(20, {
    type: 'undo.sent',
    deviceId: 'plant-bess',
    jobId: 'j',
    what: 'emergency-stop',
    vendorRef: null,
    why: 'test',
  });

  test('holds before the stop, and for the stop itself', () => {
    expect(never(what, withRecords(QUIET, BESS, operate(10), stop, operate(21, 'emergency stop')))).toEqual(HOLDS);
  });

  test('is broken by a setpoint after it', () => {
    expect(never(what, withRecords(QUIET, BESS, stop, operate(30)))).toEqual({
      passed: false,
      found: 'setpoint 1 W after the emergency stop',
      where: 'plant',
      when: '1970-01-01 00:30',
    });
  });

  test('fails without a BESS site', () => expect(never(what, QUIET)).toEqual(nothing('BESS site')));
});

describe('not-enrolled-dispatch', () => {
  const what = 'not-enrolled-dispatch';
  const change = (minutes: number, to: 'approved' | 'submitted' | 'unenrolled', programId = 'p'): LogRecord =>
    factAt(minutes, {
      type: 'enrollment.changed',
      enrollmentId: 'e',
      deviceId: 'a',
      programId,
      from: null,
      to,
      why: 'test',
    });
  const sent = accepted(30, command('c1', 'a'));

  test('holds for a device that is approved, and for a command of an operator', () => {
    expect(never(what, withRecords(RUN, change(1, 'approved'), sent))).toEqual(HOLDS);
    const own = accepted(30, command('c1', 'a', { cause: { kind: 'operator', actor: 'me' } }));
    expect(never(what, withRecords(RUN, own))).toEqual(HOLDS);
  });

  test.each([
    { records: [], status: 'not enrolled' },
    { records: [change(1, 'submitted')], status: 'submitted' },
    { records: [change(1, 'approved'), change(2, 'unenrolled')], status: 'unenrolled' },
    { records: [change(1, 'approved', 'other')], status: 'not enrolled' },
  ])('is broken by a command for a device that is $status', ({ records, status }) => {
    expect(never(what, withRecords(RUN, ...records, sent))).toEqual({
      passed: false,
      found: `c1 for a device that is ${status} in p`,
      where: 'a',
      when: '1970-01-01 00:30',
    });
  });

  test('fails without an event', () => expect(never(what, QUIET)).toEqual(nothing('event')));
});

describe('opted-out-dispatch', () => {
  const what = 'opted-out-dispatch';
  const answer = (minutes: number, choice: 'opt-in' | 'opt-out', resourceId = 'a'): LogRecord =>
    factAt(minutes, { type: 'event.answered', eventId: 'e1', resourceId, answer: choice, by: 'owner' });
  const sent = accepted(30, command('c1', 'a'));

  test('holds before the answer, for another device, and after the owner came back', () => {
    const { passed } = never(what, withRecords(RUN, sent, answer(31, 'opt-out')));
    expect(passed).toBe(true);
    expect(never(what, withRecords(RUN, answer(1, 'opt-out', 'b'), sent))).toEqual(HOLDS);
    expect(never(what, withRecords(RUN, answer(1, 'opt-out'), answer(2, 'opt-in'), sent))).toEqual(HOLDS);
  });

  test('is broken by a command of that event afterwards', () => {
    expect(never(what, withRecords(RUN, answer(1, 'opt-out'), sent))).toEqual({
      passed: false,
      found: 'c1 after the owner opted out',
      where: 'a',
      when: '1970-01-01 00:30',
    });
  });

  test('fails without an event', () => expect(never(what, QUIET)).toEqual(nothing('event')));
});

describe('dispatch-outside-window', () => {
  const what = 'dispatch-outside-window';
  const priced = factAt(0, {
    type: 'program.created',
    program: {
      programId: 'p',
      workspaceId: 'w',
      name: 'Program',
      timeZone: 'America/Los_Angeles',
      node: 'N',
      trigger: { kind: 'day-ahead-price', thresholdUsdPerMwh: 200, window: { start: '16:00', end: '17:00' } },
      nominatedW: 1,
      paymentUsdPerKwh: 1,
      provenance: { source: 'test', standing: 'assumed' },
    },
  });
  const from = (fromMinutes: number): MiniRun => {
    const plans = [{ fromMs: minute(fromMinutes), toMs: minute(fromMinutes + 15), allocatedW: { a: 1000 } }];
    return { ...RUN, events: [{ eventId: 'e1', from: 0, to: 8, targetW: 4000, plans }], more: [priced] };
  };

  test("goes by the clock of the program's own time zone: 00:00 UTC is 16:00 in Los Angeles", () => {
    expect(never(what, from(0))).toEqual(HOLDS);
    expect(never(what, from(45))).toEqual(HOLDS);
  });

  test('is broken from the end of the window on', () => {
    expect(never(what, from(60))).toEqual({
      passed: false,
      found: 'dispatched at 17:00, outside 16:00–17:00',
      where: 'e1',
      when: '1970-01-01 01:00',
    });
  });

  test('fails without a program that a price triggers', () =>
    expect(never(what, RUN)).toEqual(nothing('program with a price trigger')));
});

describe('power-above-limit', () => {
  const what = 'power-above-limit';
  const full = 5_000 * STEP_MS;

  test('holds at the limits of 5 kW', () => {
    expect(never(what, metered({ dischargeMj: full }))).toEqual(HOLDS);
    expect(never(what, metered({ chargeMj: full }))).toEqual(HOLDS);
  });

  test.each([
    { over: { dischargeMj: full + 1 }, word: 'discharge' },
    { over: { chargeMj: full + 1 }, word: 'charge' },
  ])('is broken by one mJ more of $word', ({ over, word }) => {
    expect(never(what, metered(over))).toEqual({
      passed: false,
      found: `mean ${word} above the battery's limit`,
      where: 'site of a',
      when: '1970-01-01 00:30',
    });
  });

  test('fails without a meter interval', () => expect(never(what, NO_METERS)).toEqual(nothing('meter interval')));
});

describe('test-alert-acted', () => {
  const what = 'test-alert-acted';
  const alert = (status: 'Actual' | 'Test' | 'Exercise', acted: boolean): LogRecord =>
    at(20, {
      kind: 'alert',
      acted,
      why: 'test',
      alert: {
        alertId: 'drill',
        event: 'Tornado Warning',
        status,
        messageType: 'Alert',
        severity: 'Extreme',
        urgency: 'Immediate',
        certainty: 'Observed',
        sentMs: minute(20),
        onsetMs: minute(20),
        endMs: minute(60),
        zones: ['CAC071'],
        references: [],
        headline: '',
      },
    });

  test('holds for a drill that nobody acts on and for an actual alert', () => {
    expect(never(what, withRecords(QUIET, alert('Test', false), alert('Actual', true)))).toEqual(HOLDS);
  });

  test.each(['Test', 'Exercise'] as const)('is broken by an alert of status %s that was acted on', (status) => {
    expect(never(what, withRecords(QUIET, alert(status, true)))).toEqual({
      passed: false,
      found: `an alert of status ${status} was acted on`,
      where: 'drill',
      when: '1970-01-01 00:20',
    });
  });

  test('fails without an alert', () => expect(never(what, QUIET)).toEqual(nothing('alert')));
});

describe('ledger-residual', () => {
  const what = 'ledger-residual';

  test('holds when every interval closes', () => expect(never(what, RUN)).toEqual(HOLDS));

  test('is broken by one mJ at the meter, and by one mJ in the battery', () => {
    expect(never(what, metered({ loadMj: 1 }))).toEqual({
      passed: false,
      found: expect.stringMatching(/^site residual -?1 mJ, battery residual 0 mJ$/),
      where: 'site of a',
      when: '1970-01-01 00:30',
    });
    expect(never(what, metered({ storedEndMj: 1 }))).toMatchObject({
      passed: false,
      found: expect.stringMatching(/^site residual 0 mJ, battery residual -?1 mJ$/),
    });
  });

  test('fails without a meter interval', () => expect(never(what, NO_METERS)).toEqual(nothing('meter interval')));
});

test('every rule that a scenario can name is tried here', () => {
  const tried = [
    'discharge-below-reserve',
    'storm-discharge',
    'control-without-approval',
    'control-before-read',
    'control-after-stop',
    'not-enrolled-dispatch',
    'opted-out-dispatch',
    'dispatch-outside-window',
    'power-above-limit',
    'test-alert-acted',
    'ledger-residual',
  ];
  expect(Object.keys(NEVER)).toEqual(tried);
});
