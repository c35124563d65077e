import { describe, expect, test } from 'vitest';
import type { ModeOrder } from '../../../src/domain/order.ts';
import { preview } from '../../../src/domain/schedule.ts';
import { Bench, HOUR, MIN, T0 } from '../../helpers/coreBench.ts';
import { CHARGE, commands, cron, EVERY_DAY, iso, mode, modes, schedule } from '../../helpers/ruleBench.ts';

const DAY = 24 * HOUR;
const why = (b: Bench) => b.refusals.at(-1)?.why;

describe('who gives way', () => {
  test('a schedule of a tag leaves a device alone that its own schedule holds', () => {
    const b = new Bench();
    for (const id of ['a', 'b']) b.device('tesla', id, { tags: ['home'], enrolled: false });
    schedule(b, { device: 'a', timing: cron('0 16 * * *'), durationMs: 2 * HOUR });
    schedule(b, { tag: 'home', timing: cron('0 17 * * *'), input: CHARGE });
    b.advance(3 * HOUR);
    expect(commands(b, 'a')).toEqual(['discharge 2024-07-10T23:00 120 min']);
    expect(commands(b, 'b')).toEqual(['charge 2024-07-11T00:00 60 min']);
    expect(b.factsOf('batch.accepted')[0]?.skipped).toEqual([
      { deviceId: 'a', why: 'sch-1, a schedule of its own, has it' },
    ]);
  });

  test('at the same instant too, whichever was made first', () => {
    for (const ownFirst of [true, false]) {
      const b = new Bench();
      for (const id of ['a', 'b']) b.device('tesla', id, { tags: ['home'], enrolled: false });
      const own = () => schedule(b, { device: 'a', timing: cron('0 16 * * *') });
      const tagged = () => schedule(b, { tag: 'home', timing: cron('0 16 * * *'), input: CHARGE });
      for (const make of ownFirst ? [own, tagged] : [tagged, own]) make();
      b.advance(2 * HOUR);
      expect([commands(b, 'a'), commands(b, 'b')]).toEqual([
        ['discharge 2024-07-10T23:00 60 min'],
        ['charge 2024-07-10T23:00 60 min'],
      ]);
    }
  });

  test('of two schedules for a tag at the same instant the one made later counts; otherwise the newer firing', () => {
    const b = new Bench();
    b.device('solaredge', 'a', { tags: ['home', 'x'], enrolled: false });
    schedule(b, { tag: 'home', timing: cron('30 16 * * *'), input: { ...CHARGE, powerW: 1_000 } });
    schedule(b, { tag: 'home', timing: cron('0 16 * * *') });
    schedule(b, { tag: 'x', timing: cron('0 16 * * *'), input: CHARGE });
    b.advance(2 * HOUR);
    expect(commands(b, 'a')).toEqual(['charge 2024-07-10T23:00 60 min', 'charge 2024-07-10T23:30 60 min']);
  });

  test('the one made later counts too when its turn comes first', () => {
    const b = new Bench();
    b.device('tesla', 'a', { tags: ['home'], enrolled: false });
    schedule(b, { tag: 'home', timing: cron('0,30 * * * *'), durationMs: 10 * MIN });
    schedule(b, { tag: 'home', timing: cron('0 16 * * *'), input: CHARGE });
    b.advance(HOUR);
    expect(commands(b, 'a')).toEqual(['discharge 2024-07-10T22:30 10 min', 'charge 2024-07-10T23:00 60 min']);
    expect(b.factsOf('schedule.fired').at(-1)?.result).toMatchObject({ kind: 'nothing' });
  });

  test('the device schedule goes back to its default without taking the device from a tag', () => {
    const b = new Bench();
    b.device('tesla', 'a', { tags: ['home'], enrolled: false });
    modes(b, 'a', [{ daysOfWeek: EVERY_DAY, startTime: '16:00', endTime: '17:00' }]);
    schedule(b, { tag: 'home', timing: cron('0 17 * * *'), input: CHARGE });
    b.advance(4 * HOUR);
    expect(commands(b, 'a')).toEqual(['discharge 2024-07-10T23:00 60 min', 'charge 2024-07-11T00:00 60 min']);
  });

  test('a schedule does not take a device from a dispatch, and gives way to one', () => {
    const b = new Bench();
    b.device('enphase', 'e');
    schedule(b, { timing: cron('30 16 * * *'), input: CHARGE });
    schedule(b, { timing: cron('0 15 * * *'), input: CHARGE, durationMs: 2 * HOUR });
    b.event(3_000, { inMs: HOUR, forMs: HOUR });
    b.run(b.nowMs + 2 * HOUR);
    const [held] = b.factsOf('schedule.fired');
    expect(held?.result).toEqual({ kind: 'nothing', why: 'a dispatch of evt-1 holds it' });
    expect(b.allocatedW('e')).toBe(3_000);

    const c = new Bench();
    c.device('enphase', 'e');
    schedule(c, { timing: { kind: 'once', atMs: T0 + MIN }, input: CHARGE, durationMs: 3 * HOUR });
    c.event(3_000, { inMs: HOUR, forMs: HOUR });
    c.run(c.nowMs + 1.5 * HOUR);
    expect(c.factsOf('schedule.fired')[0]?.result.kind).toBe('command');
    expect(c.allocatedW('e')).toBe(3_000);
  });

  test('the mode of a device comes back when the dispatch that held it at the edge is over', () => {
    const b = new Bench();
    b.device('enphase', 'e');
    modes(b, 'e', [
      { daysOfWeek: EVERY_DAY, startTime: '16:00', endTime: '20:00', deviceOperatingMode: mode('charge') },
    ]);
    b.event(3_000, { inMs: 30 * MIN, forMs: HOUR });
    b.run(b.nowMs + 3 * HOUR);
    expect(commands(b, 'e').filter((c) => c.startsWith('charge'))).toEqual(['charge 2024-07-10T23:30 210 min']);
  });
});

describe('a schedule is refused with the place, the value and what was expected', () => {
  const bench = () => {
    const b = new Bench();
    b.device('tesla', 'e', { tags: ['evening'], enrolled: false });
    return b;
  };

  test('an unknown zone, a bad cron, a time that is past, no days', () => {
    const b = bench();
    schedule(b, { timing: cron('0 17 * * *', 'America/Los_Angles') });
    expect(why(b)).toBe(
      'schedule: timing.timeZone: found "America/Los_Angles", expected an IANA time zone like America/Los_Angeles. ' +
        'Did you mean "America/Los_Angeles"?',
    );
    schedule(b, { timing: cron('0 25 * * *') });
    expect(why(b)).toBe(
      'schedule: timing.expression (hour): found "25", expected *, 0–23, lists (1,2), ranges (1-5) or steps (*/5, 10-20/5).',
    );
    schedule(b, { timing: cron('0 0 31 2 *') });
    expect(why(b)).toContain('(day of month): found "31", expected a day that one of the months has');
    schedule(b, { timing: cron('0 17 * *') });
    expect(why(b)).toContain('five fields');
    schedule(b, { timing: { kind: 'once', atMs: T0 } });
    expect(why(b)).toContain('timing.atMs');
    schedule(b, { timing: { kind: 'weekly', daysOfWeek: [], time: '24:00', timeZone: 'UTC' } });
    expect(why(b)?.split('\n')).toHaveLength(2);
    expect(b.core.state.schedules.size).toBe(0);
  });

  test('a tag that nobody carries, a device that is not there, a command that the device cannot take', () => {
    const b = bench();
    schedule(b, { tag: 'evenin', timing: cron('0 17 * * *') });
    expect(why(b)).toContain('Did you mean "evening"?');
    schedule(b, { tag: ' ', timing: cron('0 17 * * *') });
    expect(why(b)).toContain('target.tag');
    schedule(b, { device: 'nope', timing: cron('0 17 * * *') });
    expect(why(b)).toBe('schedule: nope: no such device');
    schedule(b, { timing: cron('0 17 * * *'), input: { ...CHARGE, powerW: 99_999 } });
    expect(why(b)).toContain('powerW 99999');
    schedule(b, { timing: cron('0 17 * * *'), durationMs: 8 * DAY });
    expect(why(b)).toContain('schedule: durationMs: found 691200000');
  });

  test('rules that overlap, across midnight and across the week too, and no rule', () => {
    const b = bench();
    const overlap = 'schedule: rules[1]: found';
    modes(b, 'e', [
      { daysOfWeek: [1], startTime: '10:00', endTime: '12:00' },
      { daysOfWeek: [1, 2], startTime: '11:59', endTime: '13:00' },
    ]);
    expect(why(b)).toContain(overlap);
    modes(b, 'e', [
      { daysOfWeek: [6], startTime: '23:00', endTime: '01:00' },
      { daysOfWeek: [0], startTime: '00:30', endTime: '02:00' },
    ]);
    expect(why(b)).toContain('no overlap with rules[0]');
    modes(b, 'e', []);
    expect(why(b)).toContain('1 to 100 rules');
    modes(b, 'e', [{ daysOfWeek: [1], startTime: '10:00', endTime: '10:00' }]);
    expect(why(b)).toContain('another time than the start');
    expect(
      modes(b, 'e', [
        { daysOfWeek: [1], startTime: '10:00', endTime: '12:00' },
        { daysOfWeek: [1], startTime: '12:00', endTime: '24:00' },
        { daysOfWeek: [2], startTime: '00:00', endTime: '00:30' },
      ]),
    ).toBe('sch-1');
  });

  test('one of another workspace is not there', () => {
    const b = bench();
    const id = schedule(b, { timing: cron('0 17 * * *') });
    b.put({ kind: 'delete-schedule', workspaceId: 'other', scheduleId: id, actor: 'eve' });
    expect(why(b)).toBe(`${id}: no such schedule`);
    expect(b.core.state.schedules.size).toBe(1);
  });

  test('over the limit of a workspace, unless one that is over makes room', () => {
    const b = bench();
    for (let n = 0; n < 9_999; n++) schedule(b, { timing: { kind: 'once', atMs: T0 + DAY + n } });
    const first = schedule(b, { timing: { kind: 'once', atMs: T0 + MIN } });
    expect(schedule(b, { timing: { kind: 'once', atMs: T0 + HOUR } })).toBe('');
    expect(why(b)).toBe('10000 schedules: a workspace has at most 10000');
    b.advance(MIN);
    expect(schedule(b, { timing: { kind: 'once', atMs: T0 + HOUR } })).toBe('sch-10001');
    expect(b.core.state.schedules.has(first)).toBe(false);
  });
});

test('the preview names the firings to come', () => {
  const b = new Bench();
  b.device('tesla', 'e');
  schedule(b, { timing: cron('0 17 * * *') });
  modes(b, 'e', [{ daysOfWeek: [3, 4], startTime: '16:00', endTime: '21:00' }]);
  const [one, two] = [...b.core.state.schedules.values()].map((e) => preview(e.schedule, T0, 4));
  expect(one?.map((f) => iso(f.atMs))).toEqual([
    '2024-07-11T00:00',
    '2024-07-12T00:00',
    '2024-07-13T00:00',
    '2024-07-14T00:00',
  ]);
  expect(two?.map((f) => `${(f.command as ModeOrder).input.operatingMode} ${iso(f.atMs)}`)).toEqual([
    'discharge 2024-07-10T23:00',
    'reset 2024-07-11T04:00',
    'discharge 2024-07-11T23:00',
    'reset 2024-07-12T04:00',
  ]);
});
