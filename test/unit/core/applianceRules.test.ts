import { describe, expect, test } from 'vitest';
import { deviceOf } from '../../../src/core/anyDevice.ts';
import { dryRun } from '../../../src/core/dryRun.ts';
import { membersOf } from '../../../src/core/groups.ts';
import { defaultSettings } from '../../../src/core/settings.ts';
import { restoreState, snapshotOf } from '../../../src/core/snapshot.ts';
import type { ApplianceInput } from '../../../src/domain/appliance.ts';
import { CHAIN_MS } from '../../../src/domain/automation.ts';
import type { GroupRule } from '../../../src/domain/group.ts';
import type { ModeOrder, Order } from '../../../src/domain/order.ts';
import { CAPABILITIES } from '../../../src/oem/index.ts';
import { ApplianceRig, PERIOD } from '../../helpers/applianceRig.ts';
import { canonical, ZONE } from '../../helpers/coreBench.ts';
import { automation, cron, EVERY_DAY, modes, rule, schedule } from '../../helpers/ruleBench.ts';
import { FOUR } from '../appliance/pair.ts';
import { ev, HOUR, MINUTE, START_MS } from '../appliance/world.ts';

/** The rig begins at 00:00 in Los Angeles: car and wall are plugged in and charge, the house cools. */
const [CAR, WALL, HOUSE] = [0, 1, 2] as const;
type Mode = ModeOrder & ApplianceInput;
const charger = (operatingMode: 'start-charging' | 'stop-charging'): Mode => ({
  slug: 'charger:set-operating-mode',
  input: { operatingMode },
});
const vehicle = (operatingMode: 'start-charging' | 'stop-charging'): Mode => ({
  slug: 'vehicle:set-operating-mode',
  input: { operatingMode },
});
const cool = (coolTarget: number): Mode => ({
  slug: 'thermostat:set-operating-mode',
  input: { operatingMode: 'cool', coolTarget },
});
const fan = (fanMode: 'auto' | 'on'): Order => ({ slug: 'thermostat:set-fan-mode', input: { fanMode } });

const at = (r: ApplianceRig, hours: number): void => r.run(START_MS + hours * HOUR - r.nowMs);
const why = (r: ApplianceRig): string | undefined => r.refusals.at(-1)?.why;
const facts = <T extends string>(r: ApplianceRig, type: T) =>
  r.facts.flatMap(({ fact }) => (fact.type === type ? [fact] : []));
const clock = (ms: number): string => new Date(ms).toLocaleTimeString('en-GB', { timeZone: ZONE }).slice(0, 5);

/** What a device was told and set back, as [time, slug or mode, cause]. */
const told = (r: ApplianceRig, deviceId: string): string[] =>
  r.facts.flatMap(({ atMs, fact }) => {
    if (fact.type !== 'appliance.command-accepted' || fact.command.deviceId !== deviceId) return [];
    const { setting, cause } = fact.command;
    return [`${clock(atMs)} ${Object.values(setting.input).join(' ')} by ${cause.kind}`];
  });

const fired = (r: ApplianceRig): string[] =>
  r.facts.flatMap(({ atMs, fact }) => {
    if (fact.type !== 'schedule.fired') return [];
    const { result, scheduleId } = fact;
    return [`${clock(atMs)} ${scheduleId} ${result.kind}${result.kind === 'nothing' ? `: ${result.why}` : ''}`];
  });

const reasons = (r: ApplianceRig): string[] =>
  r.facts.flatMap(({ fact }) => (fact.type === 'automation.suppressed' ? [fact.why] : []));

function group(r: ApplianceRig, of: GroupRule): string {
  const { facts: made } = r.put({
    kind: 'create-group',
    group: { workspaceId: 'ws', name: 'g', rule: of },
    actor: 'ana',
  });
  const fact = made.find((f) => f.type === 'group.saved');
  return fact?.type === 'group.saved' ? fact.groupId : '';
}

function prices(r: ApplianceRig, usdPerMwh: readonly number[]): void {
  const series = { node: 'NODE', market: 'real-time', startMs: START_MS, stepMs: HOUR, usdPerMwh } as const;
  r.put({ kind: 'publish-prices', ...series });
}

describe('a group', () => {
  test('holds devices of every kind by kind, tag and site', () => {
    const r = new ApplianceRig();
    const ids = (of: GroupRule) => membersOf(r.core.state, group(r, of)).map((d) => deviceOf(d).deviceId);
    expect(ids({ kinds: ['charger', 'vehicle'] })).toEqual(['car', 'wall']);
    expect(ids({ tags: ['all'] })).toEqual(['car', 'house', 'roof', 'wall']);
    expect(ids({ siteIds: ['home'], kinds: ['thermostat', 'battery'] })).toEqual(['house']);
    r.put({ kind: 'tag-device', deviceId: 'house', tags: [] });
    expect(ids({ tags: ['all'] })).toEqual(['car', 'roof', 'wall']);
  });

  test('that a schedule goes by is not deleted under it', () => {
    const r = new ApplianceRig();
    const groupId = group(r, { kinds: ['charger'] });
    const scheduleId = schedule(r, { group: groupId, timing: cron('0 16 * * *'), command: charger('stop-charging') });
    r.put({ kind: 'delete-group', workspaceId: 'ws', groupId, actor: 'ana' });
    expect(why(r)).toBe(`${groupId} is used by ${scheduleId}`);
    r.put({ kind: 'delete-schedule', workspaceId: 'ws', scheduleId, actor: 'ana' });
    r.put({ kind: 'delete-group', workspaceId: 'ws', groupId, actor: 'ana' });
    expect(r.core.state.groups.size).toBe(0);
  });
});

describe('a schedule', () => {
  test('stops a charger for its time and sets back what stood before', () => {
    const r = new ApplianceRig();
    schedule(r, { device: 'wall', timing: cron('0 1 * * *'), command: charger('stop-charging') });
    at(r, 1.2);
    expect(r.shown(WALL)).toMatchObject({ chargingState: 'idle', isPluggedIn: true });
    at(r, 2.2);
    expect(r.shown(WALL)).toMatchObject({ chargingState: 'charging' });
    expect(told(r, 'wall')).toEqual(['01:00 stop-charging by schedule', '02:00 start-charging by restore']);
    expect(fired(r)).toEqual(['01:00 sch-1 command']);
  });

  test('without a duration leaves a setting standing', () => {
    const r = new ApplianceRig();
    schedule(r, { device: 'house', timing: cron('0 1 * * *'), command: cool(78), durationMs: null });
    at(r, 5);
    expect(r.shown(HOUSE)).toMatchObject({ coolTarget: 78 });
    expect(told(r, 'house')).toEqual(['01:00 cool 78 by schedule']);
  });

  test('of a tag or a group commands the devices that know the command', () => {
    const r = new ApplianceRig();
    schedule(r, { tag: 'all', timing: cron('0 1 * * *'), command: charger('stop-charging') });
    const groupId = group(r, { tags: ['all'] });
    schedule(r, { group: groupId, timing: cron('0 3 * * *'), command: vehicle('stop-charging'), durationMs: null });
    at(r, 3.5);
    expect(fired(r)).toEqual(['01:00 sch-1 batch', '03:00 sch-2 batch']);
    const [tagged, grouped] = [...r.core.state.batches.values()];
    expect(tagged?.skipped.map((s) => s.why)).toEqual([
      'a vehicle does not know charger:set-operating-mode',
      'a thermostat does not know charger:set-operating-mode',
      'an inverter does not know charger:set-operating-mode',
    ]);
    expect([tagged?.commandIds.length, grouped?.commandIds.length, grouped?.skipped]).toEqual([1, 1, []]);
    expect(told(r, 'car')).toEqual(['03:00 stop-charging by schedule']);
  });

  test('says so when there is nobody to command, or nothing that could be set back', () => {
    const r = new ApplianceRig({ behaviour: { down: true } });
    const groupId = group(r, { kinds: ['battery'] });
    schedule(r, { group: groupId, timing: cron('0 1 * * *'), command: cool(78) });
    schedule(r, { device: 'house', timing: cron('0 2 * * *'), command: cool(78) });
    at(r, 3);
    expect(fired(r)).toEqual([
      '01:00 sch-1 nothing: no device of the group knows thermostat:set-operating-mode',
      '02:00 sch-2 nothing: no fresh state shows what could be set back at the end',
    ]);
  });

  test('of a device goes before that of a tag at the same instant and for its time, by slug', () => {
    const r = new ApplianceRig();
    schedule(r, { tag: 'all', timing: cron('0 1 * * *'), command: fan('on') });
    schedule(r, { tag: 'all', timing: cron('0 1 * * *'), command: cool(80) });
    schedule(r, { device: 'house', timing: cron('0 1 * * *'), command: cool(78) });
    schedule(r, { tag: 'all', timing: cron('30 1 * * *'), command: cool(70), durationMs: null });
    schedule(r, { tag: 'all', timing: cron('30 2 * * *'), command: cool(72), durationMs: null });
    at(r, 3);
    expect(told(r, 'house')).toEqual([
      '01:00 on by schedule',
      '01:00 cool 78 by schedule',
      '02:00 auto by restore',
      '02:00 cool 74 by restore',
      '02:30 cool 72 by schedule',
    ]);
    expect(fired(r).map((f) => f.split(': ')[2] ?? f)).toEqual([
      '01:00 sch-1 batch',
      'sch-3 is due at the same time and goes before',
      '01:00 sch-3 command',
      'sch-3, a schedule of its own, has it',
      '02:30 sch-5 batch',
    ]);
  });

  test('of a group stands behind that of a device, like one of a tag', () => {
    const r = new ApplianceRig();
    const groupId = group(r, { kinds: ['thermostat'] });
    schedule(r, { group: groupId, timing: cron('0 1 * * *'), command: cool(80) });
    schedule(r, { device: 'house', timing: cron('0 1 * * *'), command: cool(78) });
    schedule(r, { tag: 'all', timing: cron('0 3 * * *'), command: cool(70) });
    schedule(r, { group: groupId, timing: cron('0 3 * * *'), command: cool(72) });
    at(r, 3.5);
    expect(told(r, 'house').filter((t) => t.endsWith('schedule'))).toEqual([
      '01:00 cool 78 by schedule',
      '03:00 cool 72 by schedule',
    ]);
    expect(fired(r)[0]).toContain('sch-2 is due at the same time and goes before');
    expect(fired(r)[2]).toContain('sch-4 is due at the same time and goes before');
  });

  test('of a device that leaves a setting standing claims its instant, and no more', () => {
    const r = new ApplianceRig();
    schedule(r, { device: 'house', timing: cron('0 1 * * *'), command: cool(78), durationMs: null });
    schedule(r, { tag: 'all', timing: cron('0 1,2 * * *'), command: cool(70), durationMs: null });
    at(r, 3);
    expect(told(r, 'house')).toEqual(['01:00 cool 78 by schedule', '02:00 cool 70 by schedule']);
  });

  test('of a device whose command came to nothing leaves it to the others', () => {
    const r = new ApplianceRig({ behaviour: { deliveryFailureRatio: 1, deliveryWindowMs: MINUTE } });
    schedule(r, { device: 'house', timing: cron('0 1 * * *'), command: cool(78) });
    schedule(r, { tag: 'all', timing: cron('30 1 * * *'), command: cool(70), durationMs: null });
    at(r, 2);
    expect(r.standing('cmd-1')).toEqual(['failed', 'delivery_failed']);
    expect(fired(r)).toEqual(['01:00 sch-1 command', '01:30 sch-2 batch']);
  });

  test('of two of a kind the newer beats the older, and one made later counts at the same instant', () => {
    const r = new ApplianceRig();
    schedule(r, { tag: 'all', timing: cron('0 1 * * *'), command: cool(78), durationMs: null });
    schedule(r, { tag: 'all', timing: cron('0 1,2 * * *'), command: cool(76), durationMs: null });
    schedule(r, { tag: 'all', timing: cron('0 3 * * *'), command: cool(80), durationMs: null });
    at(r, 3.5);
    expect(told(r, 'house')).toEqual([
      '01:00 cool 76 by schedule',
      '02:00 cool 76 by schedule',
      '03:00 cool 80 by schedule',
    ]);
  });

  test.each([
    [
      { device: 'house', command: charger('stop-charging') },
      'house: a thermostat does not know charger:set-operating-mode',
    ],
    [
      { device: 'car', command: { slug: 'vehicle:set-charge-limit', input: { chargeLimit: 101 } } as const },
      'chargeLimit is 101',
    ],
    [{ device: 'nobody', command: cool(70) }, 'nobody: no such device'],
    [{ group: 'grp-9', command: cool(70) }, 'grp-9: no such group'],
    [{ tag: 'none', command: cool(70) }, 'a tag that at least one device'],
    [
      {
        device: 'house',
        command: {
          slug: 'battery:set-operating-mode',
          input: { operatingMode: 'idle', enableGridInteraction: false },
        } as const,
        durationMs: null,
      },
      'durationMs',
    ],
  ])('with %o is refused', (what, expected) => {
    const r = new ApplianceRig();
    expect(schedule(r, { timing: cron('0 1 * * *'), ...what })).toBe('');
    expect(why(r)).toContain(expected);
  });
});

describe('the week of a thermostat', () => {
  const night = [{ daysOfWeek: EVERY_DAY, startTime: '01:00', endTime: '03:00', deviceOperatingMode: cool(80) }];

  test('sets its modes at the edges, and nothing in between', () => {
    const r = new ApplianceRig();
    modes(r, 'house', night, { defaultDeviceOperatingMode: cool(74) });
    at(r, 25.5);
    expect(told(r, 'house')).toEqual([
      '01:00 cool 80 by schedule',
      '03:00 cool 74 by schedule',
      '01:00 cool 80 by schedule',
    ]);
  });

  test('goes before a tag while a rule lasts, not outside it', () => {
    const r = new ApplianceRig();
    modes(r, 'house', night, { defaultDeviceOperatingMode: cool(74) });
    schedule(r, { tag: 'all', timing: cron('0 2,4 * * *'), command: cool(70), durationMs: null });
    at(r, 4.5);
    expect(told(r, 'house').map((t) => t.slice(0, 13))).toEqual(['01:00 cool 80', '03:00 cool 74', '04:00 cool 70']);
  });

  test('a person’s command holds it until its end, and then the mode of that time is set', () => {
    const r = new ApplianceRig();
    modes(r, 'house', night, { defaultDeviceOperatingMode: cool(74) });
    at(r, 2.5);
    r.command('house', cool(68), { forMs: HOUR });
    at(r, 3.2);
    expect(r.shown(HOUSE)).toMatchObject({ coolTarget: 68 });
    at(r, 4);
    expect(r.shown(HOUSE)).toMatchObject({ coolTarget: 74 });
    expect(fired(r)).toEqual(['01:00 sch-1 command', '03:00 sch-1 nothing: cmd-2 holds it', '03:30 sch-1 command']);
  });

  test('is of the modes of its kind', () => {
    const r = new ApplianceRig();
    expect(modes(r, 'house', night, { defaultDeviceOperatingMode: charger('start-charging') })).toBe('');
    expect(why(r)).toContain('charger:set-operating-mode, as outside');
    expect(modes(r, 'car', night, { defaultDeviceOperatingMode: cool(74) })).toBe('');
    expect(why(r)).toContain('a vehicle does not know thermostat:set-operating-mode');
    expect(modes(r, 'house', night)).toBe('');
  });
});

describe('an automation', () => {
  const HIGH = { kind: 'price', node: 'NODE', market: 'real-time', comparison: 'above', usdPerMwh: 200 } as const;
  const stop = { kind: 'command', command: charger('stop-charging'), durationMs: HOUR } as const;

  test('stops the chargers when the price goes up, whatever else carries the tag', () => {
    const r = new ApplianceRig();
    prices(r, [50, 50, 500, 50, 50]);
    const id = automation(r, { when: HIGH, target: { kind: 'tag', tag: 'all' }, action: stop });
    at(r, 4);
    expect(told(r, 'wall')).toEqual(['02:00 stop-charging by automation', '03:00 start-charging by restore']);
    expect(told(r, 'car')).toEqual([]);
    const [triggered] = facts(r, 'automation.triggered');
    expect(triggered).toMatchObject({ automationId: id, depth: 1, outcomes: [{ kind: 'command', deviceId: 'wall' }] });
  });

  test('is triggered by the temperature of a room, for the device itself', () => {
    const r = new ApplianceRig();
    r.command('house', { slug: 'thermostat:set-operating-mode', input: { operatingMode: 'off' } });
    const when = {
      kind: 'telemetry',
      watch: { kind: 'all' },
      metric: 'ambientTemperature',
      comparison: 'above',
    } as const;
    automation(r, {
      when: { ...when, value: 78, forMs: 10 * MINUTE, hysteresis: 2 },
      action: { kind: 'command', command: cool(75), durationMs: null },
    });
    at(r, 20);
    const [fact, ...others] = facts(r, 'automation.triggered');
    expect(others).toEqual([]);
    expect(fact).toMatchObject({ subject: 'house', seen: [{ what: 'ambientTemperature of house' }] });
    expect(r.shown(HOUSE)).toMatchObject({ operatingMode: 'cool', coolTarget: 75 });
  });

  test('is triggered when a vehicle is plugged in, and again when it comes back', () => {
    const visits = [1, 5].map((h) => ({
      arriveMs: START_MS + h * HOUR,
      departMs: START_MS + (h + 2) * HOUR,
      usedWh: 5_000,
    }));
    const r = new ApplianceRig({ devices: [ev({ visits: { list: visits } }), ...FOUR.slice(1)] });
    automation(r, {
      when: { kind: 'state', watch: { kind: 'tag', tag: 'all' }, field: 'isPluggedIn', is: true, forMs: 0 },
      action: {
        kind: 'command',
        command: { slug: 'vehicle:set-charge-limit', input: { chargeLimit: 60 } },
        durationMs: null,
      },
    });
    at(r, 8);
    expect(told(r, 'car').map((t) => t.slice(0, 2))).toEqual(['01', '05']);
    expect(facts(r, 'automation.triggered').map((f) => ('subject' in f ? f.subject : ''))).toEqual(['car', 'car']);
  });

  test('turns the thermostats up while an event of a program runs', () => {
    const r = new ApplianceRig();
    const program = { programId: 'dr', workspaceId: 'ws', name: 'dr', timeZone: ZONE, node: 'NODE', nominatedW: 1_000 };
    const provenance = { source: 'test', standing: 'assumed' } as const;
    r.put({
      kind: 'create-program',
      program: { ...program, trigger: { kind: 'called' }, paymentUsdPerKwh: 2, provenance },
    });
    automation(r, {
      when: { kind: 'event', what: 'started', programId: 'dr' },
      conditions: [{ kind: 'telemetry', metric: 'ambientTemperature', comparison: 'below', value: 82 }],
      target: { kind: 'all' },
      action: { kind: 'command', command: cool(80), durationMs: 2 * HOUR },
    });
    const [startMs, endMs] = [START_MS + 2 * HOUR, START_MS + 4 * HOUR];
    const intervals = [{ startMs, endMs, targetW: 1_000, priceUsdPerMwh: null }];
    r.put({ kind: 'offer-event', offer: { programId: 'dr', kind: 'incentive', calledBy: 'test', intervals } });
    at(r, 5);
    expect(told(r, 'house')).toEqual(['02:00 cool 80 by automation', '04:00 cool 74 by restore']);
  });

  test('raises an alert at a room that is too warm, and clears it when it is not', () => {
    const r = new ApplianceRig();
    r.command('house', { slug: 'thermostat:set-operating-mode', input: { operatingMode: 'off' } });
    automation(r, {
      when: {
        kind: 'telemetry',
        watch: { kind: 'tag', tag: 'all' },
        metric: 'ambientTemperature',
        comparison: 'above',
        value: 78,
        forMs: 0,
        hysteresis: 1,
      },
      action: { kind: 'alert', type: 'HARDWARE_FAULT', severity: 'WARNING', text: 'too warm' },
    });
    at(r, 14);
    r.command('house', cool(70));
    at(r, 20);
    const alerts = [...r.core.state.alerts.values()].filter((a) => a.type === 'HARDWARE_FAULT');
    expect(alerts).toMatchObject([{ subject: { kind: 'device', id: 'house' }, status: 'RESOLVED' }]);
  });

  test('is not triggered by what a device does not have, or does not know', () => {
    const r = new ApplianceRig({ behaviour: { down: true } });
    const state = { kind: 'state', watch: { kind: 'all' }, field: 'chargingState', is: 'charging', forMs: 0 } as const;
    automation(r, { when: state, action: { kind: 'command', command: vehicle('stop-charging'), durationMs: null } });
    at(r, 2);
    expect(facts(r, 'automation.met')).toEqual([]);
  });

  test('two that chase one another over a standing setting end after three in a row, and rest an hour', () => {
    const r = new ApplianceRig();
    const chase = (is: 'charging' | 'idle', what: 'start-charging' | 'stop-charging') =>
      automation(r, {
        when: { kind: 'state', watch: { kind: 'all' }, field: 'chargingState', is, forMs: 0 },
        action: { kind: 'command', command: vehicle(what), durationMs: null },
        cooldownMs: 5 * MINUTE,
      });
    chase('charging', 'stop-charging');
    chase('idle', 'start-charging');
    r.run(CHAIN_MS - PERIOD);
    expect(facts(r, 'automation.triggered').map((f) => ('depth' in f ? f.depth : 0))).toEqual([1, 2, 3]);
    expect(reasons(r)).toEqual(['it follows from 3 automations in a row on car']);
    r.run(2 * HOUR);
    r.command('car', vehicle('start-charging'));
    r.run(3 * PERIOD);
    expect(
      facts(r, 'automation.triggered')
        .map((f) => ('depth' in f ? f.depth : 0))
        .slice(3),
    ).toContain(1);
  });

  test('a dry run says what it would do, and what each device would say', () => {
    const r = new ApplianceRig();
    r.run(PERIOD);
    const { state, telemetry } = r.core;
    const base = { state, telemetry, settings: defaultSettings(CAPABILITIES), nowMs: r.nowMs };
    const action = { kind: 'command', command: vehicle('stop-charging'), durationMs: HOUR } as const;
    const when = { kind: 'state', watch: { kind: 'all' }, field: 'chargingState', is: 'charging', forMs: 0 } as const;
    const [now, ...others] = dryRun({ ...base, rule: rule({ when, action }) }).now;
    expect(others).toEqual([]);
    expect(now).toMatchObject({
      subject: 'car',
      holds: true,
      plan: { kind: 'go', steps: [{ deviceId: 'car', why: null }] },
    });
    const sample = telemetry.appliances.get('car')?.state;
    if (sample?.kind !== 'vehicle') throw new Error('the car has sent no sample');
    const samples = [0, 1, 2, 3].map((h) => ({
      deviceId: 'car',
      state: {
        ...sample,
        chargingState: h % 2 === 0 ? ('idle' as const) : ('charging' as const),
        sampledAtMs: h * HOUR,
      },
    }));
    expect(dryRun({ ...base, rule: rule({ when, action }), samples }).firings.map((f) => f.atMs)).toEqual([
      HOUR,
      3 * HOUR,
    ]);
    const wrong = { ...when, field: 'chargingStat', is: 'loading' } as unknown as typeof when;
    expect(dryRun({ ...base, rule: rule({ when: wrong, action }) }).problems[0]).toContain(
      'Did you mean "chargingState"?',
    );
    const strange = { ...when, is: 'loading' };
    expect(dryRun({ ...base, rule: rule({ when: strange, action }) }).problems[0]).toContain(
      'one of charging, discharging, idle',
    );
  });
});

test('what schedules and automations did to appliances survives snapshot and replay', () => {
  const r = new ApplianceRig();
  modes(r, 'house', [{ daysOfWeek: EVERY_DAY, startTime: '01:00', endTime: '03:00', deviceOperatingMode: cool(80) }], {
    defaultDeviceOperatingMode: cool(74),
  });
  schedule(r, { tag: 'all', timing: cron('*/30 * * * *'), command: fan('on'), durationMs: 10 * MINUTE });
  automation(r, {
    when: { kind: 'state', watch: { kind: 'all' }, field: 'chargingState', is: 'charging', forMs: 0 },
    action: { kind: 'command', command: vehicle('stop-charging'), durationMs: 20 * MINUTE },
  });
  at(r, 2.2);
  const before = canonical(snapshotOf(r.core.state));
  expect(canonical(snapshotOf(restoreState(JSON.parse(JSON.stringify(snapshotOf(r.core.state))))))).toBe(before);
  const told_ = told(r, 'house').length;
  r.restart();
  at(r, 4);
  expect(told(r, 'house').length).toBeGreaterThan(told_);
  expect(told(r, 'house').filter((t) => t.includes('cool'))).toEqual([
    '01:00 cool 80 by schedule',
    '03:00 cool 74 by schedule',
  ]);
  expect(r.shown(CAR).kind).toBe('vehicle');
});
