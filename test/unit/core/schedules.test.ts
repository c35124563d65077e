import { describe, expect, test } from 'vitest';
import { LATE_MS_MAX } from '../../../src/core/schedules.ts';
import { preview } from '../../../src/domain/schedule.ts';
import { Bench, HOUR, MIN, T0 } from '../../helpers/coreBench.ts';
import { commands, cron, EVERY_DAY, fired, iso, mode, modes, schedule } from '../../helpers/ruleBench.ts';

const DAY = 24 * HOUR;

/** Advances as a service does: it wakes at each deadline. */
const days = (b: Bench, n: number) => b.advance(n * DAY);

describe('a schedule fires', () => {
  test('by cron in its own zone, again and again, as a command with its window', () => {
    const b = new Bench();
    b.device('tesla', 'e');
    const id = schedule(b, { timing: cron('0 17 * * MON-FRI') });
    days(b, 5);
    // T0 is Wednesday 15:00; 17:00 in Los Angeles is 00:00 UTC.
    expect(fired(b, id)).toEqual([
      ['2024-07-11T00:00', 'command'],
      ['2024-07-12T00:00', 'command'],
      ['2024-07-13T00:00', 'command'],
    ]);
    expect(commands(b, 'e')[0]).toBe('discharge 2024-07-11T00:00 60 min');
    expect(b.factsOf('command.accepted')[0]?.command.cause).toEqual({
      kind: 'schedule',
      actor: `schedule/${id}`,
      scheduleId: id,
      dueMs: Date.UTC(2024, 6, 11),
      batchId: null,
    });
  });

  test('once, and is over then', () => {
    const b = new Bench();
    b.device('tesla', 'e');
    const id = schedule(b, { timing: { kind: 'once', atMs: T0 + HOUR } });
    days(b, 2);
    expect(fired(b)).toEqual([['2024-07-10T23:00', 'command']]);
    expect(b.core.state.schedules.get(id)?.status).toBe('over');
  });

  test('on days of the week at a local time', () => {
    const b = new Bench();
    b.device('tesla', 'e');
    schedule(b, {
      timing: { kind: 'weekly', daysOfWeek: [0, 6], time: '09:30', timeZone: 'Europe/Oslo' },
    });
    days(b, 8);
    expect(fired(b).map(([at]) => at)).toEqual(['2024-07-13T07:30', '2024-07-14T07:30']);
  });

  test('with a setting of a battery beside its mode: neither holds the other', () => {
    const b = new Bench();
    b.device('tesla', 'e', { tags: ['home'], enrolled: false });
    schedule(b, { timing: cron('0 16 * * *'), durationMs: 2 * HOUR });
    const command = { slug: 'battery:set-reserve', input: { chargePercentage: 40 } } as const;
    schedule(b, { tag: 'home', timing: cron('0 16 * * *'), command, durationMs: null });
    b.advance(HOUR + MIN);
    expect(fired(b).map(([, what]) => what)).toEqual(['command', 'batch']);
    expect(commands(b, 'e')).toEqual(['discharge 2024-07-10T23:00 120 min']);
    expect(b.factsOf('appliance.command-accepted').map((f) => f.command)).toMatchObject([
      { deviceId: 'e', setting: command, endMs: null, cause: { kind: 'schedule', scheduleId: 'sch-2' } },
    ]);
  });

  test('for a tag as a batch that names whom it left out', () => {
    const b = new Bench();
    b.device('solaredge', 'a', { tags: ['home'], enrolled: false });
    b.device('solaredge', 'b', { tags: ['home'], dischargeWMax: 1_000, enrolled: false });
    schedule(b, {
      tag: 'home',
      timing: cron('0 * * * *'),
      input: { operatingMode: 'discharge', enableGridInteraction: false, powerW: 3_000 },
    });
    b.advance(HOUR);
    const [batch] = b.factsOf('batch.accepted');
    expect(batch?.commandIds).toHaveLength(1);
    expect(batch?.skipped).toEqual([{ deviceId: 'b', why: "powerW 3000 is over the device's 1000 W" }]);
    expect(b.factsOf('schedule.fired')[0]?.result).toEqual({ kind: 'batch', batchId: batch?.batchId });
  });

  test('and says why nothing came of it when nobody carries the tag any more', () => {
    const b = new Bench();
    b.device('tesla', 'a', { tags: ['home'], enrolled: false });
    schedule(b, { tag: 'home', timing: cron('0 * * * *') });
    b.put({ kind: 'tag-device', deviceId: 'a', tags: [] });
    b.advance(HOUR);
    expect(b.factsOf('schedule.fired')[0]?.result).toEqual({
      kind: 'nothing',
      why: 'no device carries the tag "home"',
    });
  });

  test('not while it is paused, and from the next time on when it is resumed', () => {
    const b = new Bench();
    b.device('tesla', 'e');
    const id = schedule(b, { timing: cron('0 * * * *') });
    b.put({ kind: 'pause-schedule', workspaceId: 'ws', scheduleId: id, actor: 'ana' });
    expect(b.core.state.schedules.get(id)?.nextMs).toBeNull();
    b.advance(2.5 * HOUR);
    expect(fired(b)).toEqual([]);
    for (let n = 0; n < 3; n++) {
      b.put({ kind: 'resume-schedule', workspaceId: 'ws', scheduleId: id, actor: 'ana' });
      b.put({ kind: 'pause-schedule', workspaceId: 'ws', scheduleId: id, actor: 'ana' });
    }
    b.put({ kind: 'resume-schedule', workspaceId: 'ws', scheduleId: id, actor: 'ana' });
    b.advance(HOUR);
    expect(fired(b)).toEqual([['2024-07-11T01:00', 'command']]);
    expect(b.factsOf('schedule.missed')).toEqual([]);
  });

  test('once, however often it is paused and resumed at one instant, before its time there and after', () => {
    for (const wakes of [false, true]) {
      const b = new Bench();
      b.device('tesla', 'e');
      const id = modes(b, 'e', [{ daysOfWeek: [3], startTime: '14:00', endTime: '16:00' }]);
      for (const kind of ['pause-schedule', 'resume-schedule', 'pause-schedule', 'resume-schedule'] as const) {
        b.put({ kind, workspaceId: 'ws', scheduleId: id, actor: 'ana' });
        if (wakes && kind === 'pause-schedule') b.put({ kind: 'time' });
      }
      b.put({ kind: 'time' });
      b.put({ kind: 'time' });
      expect(fired(b)).toEqual([['2024-07-10T22:00', 'command']]);
    }
  });

  test('never again when it is deleted; the command under way goes on', () => {
    const b = new Bench();
    b.device('tesla', 'e');
    const id = schedule(b, { timing: cron('0 * * * *'), durationMs: 2 * HOUR });
    b.advance(HOUR + MIN);
    b.put({ kind: 'delete-schedule', workspaceId: 'ws', scheduleId: id, actor: 'ana' });
    const [command] = b.factsOf('command.accepted');
    b.advance(30 * MIN);
    expect(b.ended(command?.command.commandId ?? '')).toBeNull();
    b.advance(DAY);
    expect(fired(b)).toHaveLength(1);
    expect(b.core.state.schedulesOf.size).toBe(0);
  });
});

describe('a schedule that is looked at late', () => {
  const late = (ms: number, expression = '0 16 * * *', durationMs = HOUR) => {
    const b = new Bench();
    b.device('tesla', 'e');
    schedule(b, { timing: cron(expression), durationMs });
    b.nowMs = T0 + HOUR + ms;
    b.put({ kind: 'time' });
    return b;
  };

  test('is carried out within the tolerance and ends when it should have', () => {
    const b = late(LATE_MS_MAX);
    expect(commands(b, 'e')).toEqual(['discharge 2024-07-10T23:05 55 min']);
    expect(b.factsOf('schedule.missed')).toEqual([]);
  });

  test('is missed one millisecond later, and says so', () => {
    const b = late(LATE_MS_MAX + 1);
    expect(commands(b, 'e')).toEqual([]);
    expect(b.factsOf('schedule.missed')).toMatchObject([{ count: 1, isMore: false, fromMs: T0 + HOUR }]);
    b.advance(DAY);
    expect(commands(b, 'e')).toEqual(['discharge 2024-07-11T23:00 60 min']);
  });

  test('fires no burst: of a schedule each minute one firing comes after an hour away, the others are counted', () => {
    const b = late(HOUR, '* * * * *', 10 * MIN);
    expect(fired(b)).toEqual([['2024-07-11T00:00', 'command']]);
    // From T0 + 1 min to the minute before the one that fired.
    expect(b.factsOf('schedule.missed').map((m) => [m.count, iso(m.fromMs), iso(m.toMs)])).toEqual([
      [119, '2024-07-10T22:01', '2024-07-10T23:59'],
    ]);
  });

  test('carries out the last of several if it is no older than the tolerance', () => {
    // Woken at 16:45, to the millisecond at the end of the tolerance of 16:40, and one later.
    expect(fired(late(45 * MIN, '*/20 * * * *'))).toEqual([['2024-07-10T23:40', 'command']]);
    expect(fired(late(45 * MIN + 1, '*/20 * * * *'))).toEqual([]);
  });

  test('counts up to a limit after months away and goes on from now', () => {
    const b = late(90 * DAY, '*/5 * * * *');
    expect(b.factsOf('schedule.missed')).toMatchObject([{ count: 1_000, isMore: true }]);
    expect(fired(b)).toHaveLength(1);
    const [entry] = b.core.state.schedules.values();
    expect(entry?.nextMs).toBe(b.nowMs + 5 * MIN);
  });

  test('whose window is over gives no command', () => {
    const b = late(3 * MIN, '0 16 * * *', 2 * MIN);
    expect(b.factsOf('schedule.fired')[0]?.result).toEqual({
      kind: 'nothing',
      why: 'its window was over when it was looked at',
    });
  });
});

describe('change of daylight saving time', () => {
  const over = (startMs: number, expression: string) => {
    const b = new Bench({ startMs });
    b.device('tesla', 'e');
    schedule(b, { timing: cron(expression), durationMs: 10 * MIN });
    b.advance(27 * HOUR);
    return fired(b).map(([at]) => at);
  };
  const SPRING = Date.UTC(2024, 2, 10, 8); // midnight of the day of 23 hours in Los Angeles
  const AUTUMN = Date.UTC(2024, 10, 3, 7); // and of the one of 25

  test('a time that is left out fires once, at the first instant after the gap', () => {
    expect(over(SPRING - 1, '30 2 * * *')).toEqual(['2024-03-10T10:00', '2024-03-11T09:30']);
    expect(over(SPRING - 1, '0,15,30,45 2 * * *')[0]).toBe('2024-03-10T10:00');
    expect(over(SPRING - 1, '0,15,30,45 2 * * *')[1]).toBe('2024-03-11T09:00');
    expect(over(SPRING - 1, '0 */2 * * *').slice(0, 3)).toEqual([
      '2024-03-10T08:00',
      '2024-03-10T10:00',
      '2024-03-10T11:00',
    ]);
  });

  test('a day that is left out is a gap, and what falls on its end fires with the beginning of the next', () => {
    const b = new Bench({ startMs: Date.UTC(2011, 11, 30, 9) }); // 29 December, 23:00 in Apia
    b.device('tesla', 'e');
    schedule(b, { timing: cron('0 0,12 * * *', 'Pacific/Apia'), durationMs: 10 * MIN });
    b.advance(30 * HOUR);
    const times = ['2011-12-30T10:00', '2011-12-30T22:00', '2011-12-31T10:00'];
    expect(fired(b).map(([at]) => at)).toEqual(times);
    const [entry] = b.core.state.schedules.values();
    if (entry === undefined) throw new Error('the schedule was refused');
    expect(preview(entry.schedule, Date.UTC(2011, 11, 30, 9), 3).map((f) => iso(f.atMs))).toEqual(times);
  });

  test('a time that comes twice fires in its first pass only', () => {
    expect(over(AUTUMN - 1, '30 1 * * *')).toEqual(['2024-11-03T08:30', '2024-11-04T09:30']);
  });

  test('what runs each hour has 23 and 25 of them, each quarter hour 92 and 100', () => {
    const count = (startMs: number, hours: number, expression: string) =>
      over(startMs - 1, expression).filter((at) => Date.parse(`${at}Z`) < startMs + hours * HOUR).length;
    expect([count(SPRING, 23, '0 * * * *'), count(AUTUMN, 25, '0 * * * *')]).toEqual([23, 25]);
    expect([count(SPRING, 23, '*/15 * * * *'), count(AUTUMN, 25, '*/15 * * * *')]).toEqual([92, 100]);
  });

  test('a rule of a device that lies in the gap is told to be missed, one across it is shorter', () => {
    const b = new Bench({ startMs: SPRING });
    b.device('tesla', 'e');
    modes(b, 'e', [{ daysOfWeek: [0], startTime: '02:10', endTime: '02:50' }]);
    b.device('tesla', 'f');
    modes(b, 'f', [{ daysOfWeek: [0], startTime: '01:30', endTime: '03:30' }]);
    b.advance(12 * HOUR);
    expect(commands(b, 'e').filter((c) => c.startsWith('discharge'))).toEqual([]);
    expect(b.factsOf('schedule.missed').map((m) => [m.scheduleId, iso(m.fromMs), m.why])).toEqual([
      ['sch-1', '2024-03-10T10:00', 'the time of rules[0] does not exist on this day (daylight saving time)'],
    ]);
    expect(commands(b, 'f')[0]).toBe('discharge 2024-03-10T09:30 60 min');
  });
});

describe('the modes of a device', () => {
  const EVENING = [{ daysOfWeek: EVERY_DAY, startTime: '16:00', endTime: '21:00' }];

  test('are set at each edge: default to rule, rule to rule, rule to default', () => {
    const b = new Bench();
    b.device('tesla', 'e');
    const id = modes(b, 'e', [
      ...EVENING,
      { daysOfWeek: EVERY_DAY, startTime: '21:00', endTime: '23:00', deviceOperatingMode: mode('charge') },
    ]);
    b.advance(10 * HOUR);
    expect(b.factsOf('schedule.fired').map((f) => [f.edge, iso(f.dueMs)])).toEqual([
      ['rising', '2024-07-10T23:00'],
      ['rising', '2024-07-11T04:00'],
      ['falling', '2024-07-11T06:00'],
    ]);
    expect(commands(b, 'e')).toEqual([
      'discharge 2024-07-10T23:00 300 min',
      'charge 2024-07-11T04:00 120 min',
      'reset 2024-07-11T06:00 15 min',
    ]);
    expect(id).toBe('sch-1');
  });

  test('go from rule to rule without a reset in between', () => {
    const b = new Bench();
    b.device('tesla', 'e');
    modes(b, 'e', [
      ...EVENING,
      { daysOfWeek: EVERY_DAY, startTime: '21:00', endTime: '23:00', deviceOperatingMode: mode('charge') },
    ]);
    b.advance(7 * HOUR);
    expect(b.jobs('e').map((j) => (j.kind === 'control' ? j.mode : j.kind))).toEqual(['discharge', 'charge']);
  });

  test('hold longer than the maker takes at once: the rest follows', () => {
    const b = new Bench();
    b.device('tesla', 'e');
    modes(b, 'e', [{ daysOfWeek: EVERY_DAY, startTime: '16:00', endTime: '23:00', deviceOperatingMode: mode('idle') }]);
    b.advance(9 * HOUR);
    expect(commands(b, 'e')).toEqual([
      'idle 2024-07-10T23:00 300 min',
      'idle 2024-07-11T04:00 120 min',
      'reset 2024-07-11T06:00 15 min',
    ]);
  });

  test('are set at once when they are made in the middle of a rule, and run over midnight', () => {
    const b = new Bench();
    b.device('tesla', 'e');
    modes(b, 'e', [{ daysOfWeek: [3], startTime: '14:00', endTime: '16:00' }]);
    b.advance(0);
    expect(commands(b, 'e')).toEqual(['discharge 2024-07-10T22:00 60 min']);
    b.device('tesla', 'f');
    modes(b, 'f', [{ daysOfWeek: [3], startTime: '22:00', endTime: '02:00' }]);
    b.advance(13 * HOUR);
    expect(commands(b, 'f')).toEqual(['discharge 2024-07-11T05:00 240 min', 'reset 2024-07-11T09:00 15 min']);
  });

  test('are one for a device: a new one replaces the one before', () => {
    const b = new Bench();
    b.device('tesla', 'e');
    const first = modes(b, 'e', EVENING);
    const second = modes(b, 'e', [{ daysOfWeek: EVERY_DAY, startTime: '17:00', endTime: '18:00' }]);
    expect(b.factsOf('schedule.deleted')).toMatchObject([{ scheduleId: first, why: `replaced by ${second}` }]);
    b.advance(6 * HOUR);
    expect(commands(b, 'e')[0]).toBe('discharge 2024-07-11T00:00 60 min');
  });

  test('after an absence are those of now for what is left of them; the edges before are missed', () => {
    const b = new Bench();
    b.device('tesla', 'e');
    modes(b, 'e', EVENING);
    b.nowMs = T0 + DAY + 2 * HOUR; // the next day, 17:00
    b.put({ kind: 'time' });
    expect(commands(b, 'e')).toEqual(['discharge 2024-07-12T00:00 240 min']);
    expect(b.factsOf('schedule.missed').map((m) => [m.count, iso(m.fromMs), iso(m.toMs)])).toEqual([
      [2, '2024-07-10T23:00', '2024-07-11T04:00'],
    ]);
    b.advance(5 * HOUR);
    expect(commands(b, 'e').slice(1)).toEqual(['reset 2024-07-12T04:00 15 min']);
  });
});
