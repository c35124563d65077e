import { describe, expect, test } from 'vitest';
import { verdictOf } from '../../../reports/verdict.ts';
import type { Expectation } from '../../../scenarios/expect.ts';
import { whToMj } from '../../../src/domain/units.ts';
import type { LogRecord } from '../../../src/ports/records.ts';
import {
  accepted,
  at,
  BESS,
  command,
  ended,
  factAt,
  judge,
  judgeRecords,
  minute,
  RUN,
  withRecords,
} from '../../helpers/checks.ts';
import { type MiniRun, miniRun } from '../../helpers/miniRun.ts';

/**
 * Each kind of expectation that is not about energy on a hand-made log: it holds, it fails and says where, when and what was found, and it fails
 * when there is nothing to look at. Silence is no proof.
 */
type Of<K extends Expectation['kind']> = Extract<Expectation, { kind: K }>;
const fail = { severity: 'fail' } as const;

describe('dispatchedHours', () => {
  const x = (equals: number[], programId?: string): Of<'dispatchedHours'> => ({
    kind: 'dispatchedHours',
    ...fail,
    equals,
    ...(programId === undefined ? {} : { programId }),
  });
  const two: MiniRun = {
    ...RUN,
    events: [
      {
        eventId: 'e1',
        from: 2,
        to: 6,
        targetW: 4000,
        plans: [
          { fromMs: minute(30), toMs: minute(60), allocatedW: { a: 4000 } },
          { fromMs: minute(60), toMs: minute(90), allocatedW: { a: 4000 } },
        ],
      },
    ],
  };

  test('holds for exactly the hours by their ends, in any order', () => {
    expect(judge(x([2, 1]), two)).toEqual({
      passed: true,
      found: 'hours ending 1, 2',
      where: 'all programs',
      when: 'whole run',
    });
    expect(judge(x([1, 2], 'p'), two)).toMatchObject({ passed: true, where: 'p' });
  });

  test('fails for an hour more and an hour less', () => {
    expect(judge(x([1]), two)).toMatchObject({ passed: false, found: 'hours ending 1, 2' });
    expect(judge(x([1, 2, 3]), two)).toMatchObject({ passed: false, found: 'hours ending 1, 2' });
  });

  test('does not count a period in which nothing was planned', () => {
    const plans = [{ fromMs: minute(30), toMs: minute(60), allocatedW: {} }];
    const events = [{ eventId: 'e1', from: 2, to: 6, targetW: 4000, plans }];
    expect(judge(x([]), { ...RUN, events })).toMatchObject({ passed: true, found: 'hours ending none' });
  });

  test('fails for a program that is not there, even when no hour is expected', () => {
    expect(judge(x([], 'elsewhere'), RUN)).toMatchObject({
      passed: false,
      found: 'no such program',
      where: 'elsewhere',
    });
  });
});

describe('awarded', () => {
  const x = (equals: Of<'awarded'>['equals']): Of<'awarded'> => ({ kind: 'awarded', ...fail, programId: 'p', equals });
  const award = (hour: number, awardedW: number, programId = 'p'): LogRecord => {
    const [startMs, endMs] = [minute(60 * (hour - 1)), minute(60 * hour)];
    return factAt(1, { type: 'bid.awarded', award: { programId, startMs, endMs, awardedW, priceUsdPerMwh: 50 } });
  };

  test('holds for exactly the hours and quantities that were taken', () => {
    const run = withRecords(RUN, award(2, 600_000), award(1, 200_000), award(3, 0), award(1, 999_000, 'q'));
    const both = [
      { hour: 1, quantityKw: 200 },
      { hour: 2, quantityKw: 600 },
    ];
    expect(judge(x(both), run)).toEqual({
      passed: true,
      found: 'HE1 200 kW, HE2 600 kW',
      where: 'p',
      when: 'whole run',
    });
    expect(judge(x(both.slice(0, 1)), run).passed).toBe(false);
    expect(judge(x([{ hour: 1, quantityKw: 201 }]), withRecords(RUN, award(1, 200_000)))).toMatchObject({
      passed: false,
      found: 'HE1 200 kW',
    });
  });

  test('holds for nothing when the market answered and took nothing', () => {
    expect(judge(x([]), withRecords(RUN, award(1, 0)))).toMatchObject({ passed: true, found: 'none' });
  });

  test('fails when the market never answered, even when nothing was expected', () => {
    expect(judge(x([]), withRecords(RUN, award(1, 5000, 'q')))).toMatchObject({
      passed: false,
      found: 'no answer of the market',
    });
  });
});

describe('commandsEnd', () => {
  const x = (over: Partial<Of<'commandsEnd'>>): Of<'commandsEnd'> => ({
    kind: 'commandsEnd',
    ...fail,
    status: 'succeeded',
    where: {},
    atLeastShare: 1,
    ...over,
  });
  const run = withRecords(
    RUN,
    accepted(25, command('c1', 'a')),
    accepted(26, command('c2', 'b')),
    accepted(27, command('c3', 'b', { cause: { kind: 'operator', actor: 'me' } })),
    ended(91, 'c1', { status: 'succeeded', reason: 'effect_seen' }),
    ended(92, 'c2', { status: 'ignored', reason: 'storm_guard' }),
  );

  test('holds for the share that ended so', () => {
    expect(judge(x({ atLeastShare: 0.33 }), run)).toMatchObject({ passed: true, where: 'all commands' });
    expect(judge(x({ where: { group: 'homes' } }), run)).toEqual({
      passed: true,
      found: '1 of 1 commands',
      where: 'homes',
      when: 'whole run',
    });
  });

  test('fails and names the first command that ended otherwise, with its outcome and time', () => {
    expect(judge(x({ where: { eventId: 'e1' } }), run)).toEqual({
      passed: false,
      found: '1 of 2 commands; c2 of b: ignored (storm_guard) as the test says',
      where: 'e1',
      when: '1970-01-01 01:32',
    });
  });

  test('asks for the reason too, when one is given', () => {
    const where = { group: 'others', eventId: 'e1' };
    expect(judge(x({ status: 'ignored', reason: 'storm_guard', where }), run).passed).toBe(true);
    expect(judge(x({ status: 'ignored', reason: 'no_effect', where }), run).passed).toBe(false);
  });

  test('says of a command without an end that it has not ended', () => {
    const judged = judge(x({ where: { group: 'others' }, status: 'ignored' }), run);
    expect(judged).toMatchObject({
      passed: false,
      found: '1 of 2 commands; c3 of b: not ended',
      when: '1970-01-01 02:00',
    });
  });

  test('knows the devices in a storm from the devices themselves, between start and end of the command', () => {
    const mode = (minutes: number, storm: string): LogRecord =>
      at(minutes, {
        kind: 'device-mode',
        deviceId: 'b',
        operation: 'idle',
        storm,
        connection: 'online',
        cause: 'test',
      });
    const stormy = withRecords(RUN, ...(run.more ?? []), mode(40, 'active'), mode(60, 'armed'));
    const before = withRecords(RUN, ...(run.more ?? []), mode(5, 'active'), mode(20, 'armed'));
    const where = { stormActive: true, eventId: 'e1' };
    expect(judge(x({ status: 'ignored', where }), stormy)).toMatchObject({ passed: true, found: '1 of 1 commands' });
    expect(judge(x({ status: 'ignored', where }), before)).toMatchObject({
      passed: false,
      found: 'no command matches',
    });
  });

  test('fails when no command matches', () => {
    for (const judged of [judge(x({ where: { group: 'nobody' } }), run), judge(x({ atLeastShare: 0 }), RUN)]) {
      expect(judged).toMatchObject({ passed: false, found: 'no command matches', when: 'whole run' });
    }
  });
});

describe('socPct', () => {
  const x = (over: Partial<Of<'socPct'>>): Of<'socPct'> => ({
    kind: 'socPct',
    ...fail,
    group: 'homes',
    at: '01:00',
    ...over,
  });
  const run: MiniRun = {
    ...RUN,
    sites: RUN.sites.map((s, i) => ({ ...s, storedEndMj: whToMj(i === 0 ? 4_000 : 9_000) })),
  };

  test('holds and fails at its bounds: 4 kWh of 10 kWh', () => {
    const said = { found: '40.0 %', where: 'homes', when: '1970-01-01 01:00' };
    expect(judge(x({ atLeast: 40, atMost: 40 }), run)).toEqual({ passed: true, ...said });
    expect(judge(x({ atLeast: 40.1 }), run)).toEqual({ passed: false, ...said });
    expect(judge(x({ atMost: 39.9 }), run)).toEqual({ passed: false, ...said });
    expect(judge(x({ group: 'others', atLeast: 90 }), run).passed).toBe(true);
  });

  test('reads the last meter value at the end of the run', () => {
    expect(judge(x({ at: '+2h', atLeast: 40 }), run)).toMatchObject({ passed: true, found: '40.0 %' });
  });

  test('fails where nothing was metered', () => {
    for (const over of [{ group: 'nobody' }, { at: '+3h' }]) {
      expect(judge(x({ atLeast: 0, atMost: 100, ...over }), run)).toMatchObject({
        passed: false,
        found: 'no meter value at that time',
      });
    }
  });
});

describe('by', () => {
  const x = (what: Of<'by'>['what'], siteId?: string): Of<'by'> => ({
    kind: 'by',
    ...fail,
    what,
    after: '00:30',
    within: '1min',
    ...(siteId === undefined ? {} : { siteId }),
  });
  const plant = (minutes: number, state: 'following' | 'safe' | 'stopped'): LogRecord =>
    at(minutes, { kind: 'plant', siteId: 'plant', state, powerW: 0, cause: 'test' });
  const field = (minutes: number): LogRecord =>
    at(minutes, { kind: 'field', siteId: 'plant', what: 'integrity-read', detail: 'all' });
  const late = { passed: false, found: '60.6 s after', where: 'plant', when: '1970-01-01 00:31' };
  const never = { passed: false, found: 'it did not come to hold', when: 'not in the run' };

  test('plant-safe holds in time, or when it was safe already', () => {
    expect(judge(x('plant-safe', 'plant'), withRecords(RUN, BESS, plant(1, 'following'), plant(31, 'safe')))).toEqual({
      passed: true,
      found: '60.0 s after',
      where: 'plant',
      when: '1970-01-01 00:31',
    });
    const already = withRecords(RUN, BESS, plant(1, 'safe'));
    expect(judge(x('plant-safe', 'plant'), already)).toMatchObject({ passed: true, found: '0.0 s after' });
  });

  test('plant-safe fails when it comes late, at another site, or never', () => {
    expect(
      judge(x('plant-safe', 'plant'), withRecords(RUN, BESS, plant(1, 'following'), plant(31.01, 'safe'))),
    ).toEqual(late);
    const elsewhere = withRecords(RUN, BESS, plant(1, 'following'), plant(31, 'safe'));
    expect(judge(x('plant-safe', 'other'), elsewhere)).toMatchObject(never);
    expect(judge(x('plant-safe', 'plant'), RUN)).toMatchObject(never);
  });

  test('plant-stopped asks for more than a safe state', () => {
    const safe = withRecords(RUN, BESS, plant(1, 'following'), plant(30.5, 'safe'));
    const stopped = withRecords(RUN, BESS, plant(1, 'following'), plant(30.5, 'stopped'));
    expect(judge(x('plant-stopped', 'plant'), safe)).toMatchObject(never);
    expect(judge(x('plant-stopped', 'plant'), stopped)).toMatchObject({ passed: true, found: '30.0 s after' });
    expect(judge(x('plant-safe', 'plant'), stopped).passed).toBe(true);
  });

  test('link-restored is the first integrity poll after the time', () => {
    const run = (minutes: number) => withRecords(RUN, BESS, field(10), field(minutes));
    expect(judge(x('link-restored', 'plant'), run(30.5))).toMatchObject({ passed: true, found: '30.0 s after' });
    expect(judge(x('link-restored', 'plant'), run(31.01))).toEqual(late);
    expect(judge(x('link-restored', 'plant'), withRecords(RUN, BESS, field(10)))).toMatchObject(never);
  });

  test('all-commands-terminal asks for those that were accepted before the time', () => {
    const c = [accepted(25, command('c1', 'a')), accepted(30, command('c2', 'a'))];
    const end = (minutes: number) => ended(minutes, 'c1', { status: 'succeeded', reason: 'effect_seen' });
    expect(judge(x('all-commands-terminal'), withRecords(RUN, ...c, end(31)))).toMatchObject({
      passed: true,
      where: 'whole run',
    });
    expect(judge(x('all-commands-terminal'), withRecords(RUN, ...c, end(31.01)))).toMatchObject({ passed: false });
    expect(judge(x('all-commands-terminal'), withRecords(RUN, ...c))).toMatchObject(never);
    expect(judge(x('all-commands-terminal'), RUN)).toMatchObject(never);
  });

  test('enrolled asks for every enrollment to be decided', () => {
    const change = (minutes: number, id: string, to: 'submitted' | 'approved' | 'rejected'): LogRecord =>
      factAt(minutes, {
        type: 'enrollment.changed',
        enrollmentId: id,
        deviceId: id,
        programId: 'p',
        from: null,
        to,
        why: 'test',
      });
    const asked = [change(1, 'a', 'submitted'), change(1, 'b', 'submitted'), change(2, 'a', 'approved')];
    expect(judge(x('enrolled'), withRecords(RUN, ...asked, change(31, 'b', 'rejected'))).passed).toBe(true);
    expect(judge(x('enrolled'), withRecords(RUN, ...asked, change(32, 'b', 'rejected'))).passed).toBe(false);
    expect(judge(x('enrolled'), withRecords(RUN, ...asked))).toMatchObject(never);
    expect(judge(x('enrolled'), RUN)).toMatchObject(never);
  });
});

describe('every result', () => {
  const broken: Expectation = { kind: 'socPct', ...fail, group: 'nobody', at: '01:00', atLeast: 1 };

  test('carries the name that the author gave, else what was expected', () => {
    const records = miniRun(RUN);
    expect(judgeRecords({ ...broken, name: 'They are full' }, records).name).toBe('They are full');
    expect(judgeRecords(broken, records).name).toBe('state of charge ≥ 1 %');
  });

  test('fails the run with severity fail and only warns with severity warn', () => {
    const records = miniRun(RUN);
    expect(verdictOf([judgeRecords(broken, records)])).toMatchObject({ passed: false, failed: 1, warned: 0 });
    const warn = judgeRecords({ ...broken, severity: 'warn' }, records);
    expect(verdictOf([warn])).toMatchObject({ passed: true, failed: 0, warned: 1 });
  });
});
