import { describe, expect, test } from 'vitest';
import type { AutomationFact } from '../../../src/domain/automation.ts';
import { Bench, batteryState, HOUR, MIN, PROGRAM, T0, ZONE } from '../../helpers/coreBench.ts';
import { automation, CHARGE, commands, DISCHARGE, iso, rule, toBattery } from '../../helpers/ruleBench.ts';

const soc = (b: Bench, id: string, chargePercentage: number) => b.observe(id, { chargePercentage });
const triggered = (b: Bench) => b.factsOf('automation.triggered');
const suppressed = (b: Bench) => b.factsOf('automation.suppressed').map((f) => f.why);
const why = (b: Bench) => b.refusals.at(-1)?.why;

/** A bench with two home batteries that are full. */
function bench(): Bench {
  const b = new Bench();
  for (const id of ['e', 'f']) b.device('tesla', id, { tags: ['home'], enrolled: false });
  return b;
}

const prices = (b: Bench, values: readonly (number | null)[], startMs = T0) =>
  b.put({
    kind: 'publish-prices',
    node: 'NODE',
    market: 'day-ahead',
    startMs,
    stepMs: HOUR,
    usdPerMwh: values,
  });

const PRICE = { kind: 'price', node: 'NODE', market: 'day-ahead', comparison: 'above', usdPerMwh: 100 } as const;
const ALL_HOME = { kind: 'tag', tag: 'home' } as const;
const low = (over: object = {}) =>
  ({
    kind: 'telemetry',
    watch: { kind: 'all' },
    metric: 'chargePercentage',
    comparison: 'below',
    value: 20,
    forMs: 0,
    hysteresis: 5,
    ...over,
  }) as const;

describe('an automation on telemetry', () => {
  test('acts on the device that triggered it, once for each edge, and says what it saw and did', () => {
    const b = bench();
    const id = automation(b, {});
    soc(b, 'e', 25);
    expect(triggered(b)).toEqual([]);
    soc(b, 'e', 19);
    expect(triggered(b)).toEqual([
      {
        type: 'automation.triggered',
        workspaceId: 'ws',
        automationId: id,
        firingId: `${id}/1`,
        subject: 'e',
        day: '2024-07-10',
        depth: 1,
        seen: [{ what: 'chargePercentage of e', value: 19, atMs: T0 }],
        outcomes: [{ kind: 'command', deviceId: 'e', commandId: 'cmd-1' }],
      },
    ]);
    expect(commands(b, 'e')).toEqual(['charge 2024-07-10T22:00 30 min']);
    expect(b.factsOf('command.accepted')[0]?.command.cause).toMatchObject({ kind: 'automation', depth: 1 });
    b.advance(30 * MIN);
    soc(b, 'e', 15);
    expect(triggered(b)).toHaveLength(1);
  });

  test('fires again only behind its hysteresis', () => {
    const b = bench();
    automation(b, {});
    const at = (pct: number) => {
      b.advance(15 * MIN);
      soc(b, 'e', pct);
    };
    for (const pct of [19, 21, 24, 19]) at(pct);
    expect(triggered(b)).toHaveLength(1);
    for (const pct of [25, 19]) at(pct);
    expect(triggered(b)).toHaveLength(2);
  });

  test('"for 10 minutes" is proven by the samples, and a gap in them begins anew', () => {
    const b = bench();
    automation(b, { when: low({ forMs: 10 * MIN }) });
    const times: string[] = [];
    const at = (ms: number, pct = 15) => {
      b.advanceTo(T0 + ms);
      soc(b, 'e', pct);
      times.push(
        ...triggered(b)
          .slice(times.length)
          .map(() => iso(b.nowMs)),
      );
    };
    at(0);
    b.advanceTo(T0 + 11 * MIN); // no sample: nothing is known of these minutes
    expect(triggered(b)).toEqual([]);
    at(30 * MIN); // more than 12.5 minutes after the first: a new beginning
    at(35 * MIN);
    at(39 * MIN);
    at(40 * MIN);
    expect(times).toEqual(['2024-07-10T22:40']);
  });

  test('is not triggered by what is stale, offline or not known', () => {
    const b = bench();
    automation(b, {});
    automation(b, { when: low({ metric: 'gridPower', comparison: 'below', value: 1_000 }) });
    const before = b.nowMs;
    b.advance(HOUR);
    b.put({
      kind: 'telemetry',
      deviceId: 'e',
      online: true,
      state: { ...batteryState(13_500, before, { chargePercentage: 5 }), gridPower: null },
    });
    b.observe('f', { chargePercentage: 5, gridPower: null }, false);
    b.observe('e', { gridPower: null });
    expect(triggered(b)).toEqual([]);
    b.observe('e', { gridPower: 0 });
    expect(triggered(b)).toHaveLength(1);
  });

  test('does not fire again for what it knew before a restart', () => {
    const b = bench();
    automation(b, {});
    soc(b, 'e', 15);
    b.core.telemetry.latest.clear();
    b.advance(HOUR);
    soc(b, 'e', 14);
    expect(triggered(b)).toHaveLength(1);
  });

  test('rests between firings and keeps to a number a day, each device for itself', () => {
    const b = bench();
    automation(b, { cooldownMs: HOUR, firingsPerDayMax: 2 });
    const edge = (id: string) => {
      soc(b, id, 30);
      soc(b, id, 10);
    };
    edge('e');
    edge('f');
    expect(triggered(b)).toHaveLength(2);
    b.advance(HOUR - 1);
    edge('e');
    expect(suppressed(b)).toEqual([`cooldown: fired ${HOUR - 1} ms ago, rests for ${HOUR} ms`]);
    b.advance(1);
    edge('e');
    b.advance(HOUR);
    edge('e');
    expect(suppressed(b).at(-1)).toBe('fired 2 times today, at most 2');
    b.advance(12 * HOUR); // past local midnight
    edge('e');
    b.advance(HOUR);
    edge('e');
    expect(triggered(b)).toHaveLength(5);
  });
});

describe('an automation on prices', () => {
  test('fires when the price that holds crosses the value, not for what is not known', () => {
    const b = bench();
    automation(b, {
      when: PRICE,
      target: ALL_HOME,
      action: { kind: 'command', command: toBattery(DISCHARGE), durationMs: HOUR },
    });
    prices(b, [50, 150, 160, null, 150, 50, 150]);
    b.advance(8 * HOUR);
    expect(b.facts.flatMap(({ fact, atMs }) => (fact.type === 'automation.triggered' ? [iso(atMs)] : []))).toEqual([
      '2024-07-10T23:00',
      '2024-07-11T04:00',
    ]);
    expect(commands(b, 'f')).toHaveLength(2);
    expect(triggered(b)[0]?.seen).toEqual([{ what: 'day-ahead price of NODE [$/MWh]', value: 150, atMs: T0 + HOUR }]);
  });

  test('fires at the first look when the price is there already, and sees prices published later beside the old', () => {
    const b = bench();
    prices(b, [150, 50, 150, 50]);
    automation(b, { when: PRICE, target: ALL_HOME });
    b.advance(0);
    expect(triggered(b)).toHaveLength(1);
    prices(b, [50, 150], T0 + 4 * HOUR);
    b.advance(4 * HOUR);
    expect(triggered(b)).toHaveLength(2);
    b.advance(HOUR);
    expect(triggered(b)).toHaveLength(3);
  });

  test('goes by the prices of its own workspace, else by the market’s, and by nobody else’s', () => {
    const b = bench();
    automation(b, { when: PRICE, target: ALL_HOME });
    const series = { node: 'NODE', market: 'day-ahead', startMs: T0, stepMs: HOUR } as const;
    b.put({ kind: 'publish-prices', workspaceId: 'other', ...series, usdPerMwh: [500, 500] });
    b.advance(MIN);
    expect(triggered(b)).toEqual([]);
    b.put({ kind: 'publish-prices', workspaceId: 'ws', ...series, usdPerMwh: [50, 150] });
    prices(b, [500, 50]);
    expect(triggered(b), 'its own come first').toEqual([]);
    b.advance(HOUR);
    expect(triggered(b)).toHaveLength(1);
  });

  test('keeps what it knows while the price is not known', () => {
    const b = bench();
    automation(b, { when: PRICE, target: ALL_HOME });
    prices(b, [150, null, 150]);
    b.advance(1.5 * HOUR);
    prices(b, [null, 150], T0 + HOUR);
    b.advance(2 * HOUR);
    expect(triggered(b)).toHaveLength(1);
  });

  test('says why when nothing can be done', () => {
    const b = bench();
    automation(b, {
      when: PRICE,
      target: ALL_HOME,
      action: { kind: 'command', command: toBattery({ ...DISCHARGE, powerW: 99_000 }), durationMs: HOUR },
    });
    prices(b, [150]);
    expect(suppressed(b)).toEqual(["e: powerW 99000 is over the device's 5000 W"]);
  });
});

describe('an automation on time, storms and events', () => {
  test('fires by the clock in its zone; looked at late it is held back, in words', () => {
    const b = bench();
    automation(b, { when: { kind: 'time', cron: '0 16 * * *', timeZone: ZONE }, target: ALL_HOME });
    b.advance(HOUR);
    expect(triggered(b)).toHaveLength(1);
    b.nowMs += 24 * HOUR + 10 * MIN;
    b.put({ kind: 'time' });
    expect(triggered(b)).toHaveLength(1);
    expect(suppressed(b)[0]).toContain(`looked at ${10 * MIN} ms late`);
  });

  test('fires when a storm begins or ends at a device that it watches', () => {
    const b = bench();
    const on = (what: 'began' | 'ended') =>
      automation(b, { when: { kind: 'storm', watch: { kind: 'devices', deviceIds: ['e'] }, what } });
    const [began, ended] = [on('began'), on('ended')];
    b.observe('f', { isStormModeActive: true });
    b.observe('e', { isStormModeActive: true });
    b.observe('e', { isStormModeActive: false });
    expect(triggered(b).map((f) => [f.automationId, f.subject])).toEqual([
      [began, 'e'],
      [ended, 'e'],
    ]);
  });

  test('fires when an event is offered, starts and ends', () => {
    const b = bench();
    for (const what of ['offered', 'started', 'ended'] as const) {
      automation(b, { name: what, when: { kind: 'event', what, programId: PROGRAM }, target: ALL_HOME });
    }
    b.event(1_000, { inMs: HOUR, forMs: HOUR });
    b.advance(3 * HOUR);
    expect(triggered(b).map((f) => [f.automationId, f.seen[0]?.value])).toEqual([
      ['aut-1', 'offered'],
      ['aut-2', 'started'],
      ['aut-3', 'ended'],
    ]);
  });

  test('opts resources out of the event that triggered it, if all their devices are targets', () => {
    const b = new Bench();
    for (const id of ['e', 'f', 'g']) b.device('enphase', id);
    const register = (resourceId: string, deviceIds: string[]) =>
      b.put({ kind: 'register-resource', resourceId, partnerId: 'p', programId: PROGRAM, deviceIds });
    register('one', ['e']);
    register('two', ['f', 'g']);
    automation(b, {
      when: { kind: 'event', what: 'offered', programId: null },
      target: { kind: 'devices', deviceIds: ['e', 'f'] },
      action: { kind: 'opt-out' },
    });
    b.event(1_000);
    expect(triggered(b)[0]?.outcomes).toEqual([
      { kind: 'opted-out', resourceId: 'one', eventId: 'evt-1' },
      { kind: 'nothing', deviceId: 'f', why: 'two answers for g, too, which is no target that fits' },
    ]);
    expect([...(b.core.state.events.get('evt-1')?.optedOut ?? [])]).toEqual(['e']);
  });

  test('unenrols', () => {
    const b = new Bench();
    b.device('enphase', 'e');
    automation(b, {
      when: { kind: 'storm', watch: { kind: 'all' }, what: 'began' },
      action: { kind: 'unenroll', programId: PROGRAM },
    });
    b.observe('e', { isStormModeActive: true });
    expect(triggered(b)[0]?.outcomes).toEqual([{ kind: 'unenrolled', deviceId: 'e', programId: PROGRAM }]);
    expect(b.core.state.enrollments.get(`${PROGRAM}/e`)?.status).toBe('unenrolled');
  });
});

describe('conditions', () => {
  test('hold all, or the edge is used up and a fact says which did not', () => {
    const b = bench();
    const window = { start: '15:00', end: '16:00' };
    automation(b, {
      conditions: [
        { kind: 'time', window, timeZone: ZONE, daysOfWeek: [3] },
        { kind: 'telemetry', metric: 'chargeRate', comparison: 'above', value: -1 },
        PRICE,
      ],
    });
    soc(b, 'e', 10);
    expect(suppressed(b).at(-1)).toBe('conditions[2] is not known: day-ahead price of NODE [$/MWh] is not known');
    prices(b, [150, 150]);
    b.observe('f', { chargePercentage: 10, chargeRate: -50 });
    expect(suppressed(b).at(-1)).toBe('f: conditions[1] does not hold: chargeRate of f is -50');
    soc(b, 'f', 50);
    soc(b, 'f', 10);
    expect(triggered(b).map((f) => f.subject)).toEqual(['f']);
    b.advance(HOUR);
    soc(b, 'e', 50);
    soc(b, 'e', 10);
    expect(suppressed(b).at(-1)).toContain('conditions[0] does not hold');
  });

  test('ask for storm and running events too', () => {
    const b = bench();
    automation(b, {
      conditions: [
        { kind: 'storm', active: true },
        { kind: 'event', programId: PROGRAM, running: true },
      ],
    });
    soc(b, 'e', 10);
    expect(suppressed(b).at(-1)).toContain('conditions[1] does not hold');
    b.event(0, { inMs: 0 });
    b.advance(MIN);
    soc(b, 'e', 50);
    soc(b, 'e', 10);
    expect(suppressed(b).at(-1)).toContain('e: conditions[0] does not hold');
    b.observe('e', { chargePercentage: 50, isStormModeActive: true });
    b.observe('e', { chargePercentage: 10, isStormModeActive: true });
    expect(triggered(b)).toHaveLength(1);
  });
});

describe('limits', () => {
  test('two automations that chase one another end after three in a row', () => {
    const b = bench();
    const pair = (comparison: 'above' | 'below', input: typeof CHARGE) =>
      automation(b, {
        when: low({ metric: 'chargeRate', comparison, value: 0, hysteresis: 0 }),
        action: { kind: 'command', command: toBattery(input), durationMs: 4 * HOUR },
        cooldownMs: 5 * MIN,
      });
    pair('above', CHARGE);
    pair('below', DISCHARGE);
    b.observe('e', { chargeRate: 1_000 });
    b.run(b.nowMs + 2 * HOUR, (id) => (id === 'e' ? b.obedient(id) : null));
    expect(triggered(b).map((f) => f.depth)).toEqual([1, 2, 3]);
    expect(suppressed(b)).toEqual(['it follows from 3 automations in a row on e']);
  });

  test('an automation does not take a device from a dispatch, and gives way to one', () => {
    const b = new Bench();
    b.device('enphase', 'e');
    automation(b, { when: low({ value: 60 }) });
    b.event(3_000, { inMs: 0 });
    b.advance(MIN);
    soc(b, 'e', 50);
    expect(suppressed(b)).toEqual(['e: a dispatch of evt-1 holds it']);
    b.run(b.nowMs + 2 * HOUR);
    soc(b, 'e', 50);
    expect(triggered(b)).toHaveLength(1);
    b.event(3_000, { inMs: 0 });
    b.advance(MIN);
    expect(b.allocatedW('e')).toBeGreaterThan(0);
  });

  test('what is wrong is refused with its place', () => {
    const b = bench();
    automation(b, { when: low({ metric: 'chargePercent', value: 120 }), cooldownMs: MIN });
    expect(why(b)?.split('\n')).toEqual([
      'automation: cooldownMs: found 60000, expected whole milliseconds from 300000 (5 minutes) to 30 days.',
      'automation: when.metric: found "chargePercent", expected one of chargePercentage, backupReserve, chargeLimit, chargeRate, gridPower, power, exportLimit, chargerWattage, ambientTemperature, heatTarget, coolTarget, range. Did you mean "chargePercentage"?',
    ]);
    automation(b, { when: low({ value: 120 }) });
    expect(why(b)).toBe('automation: when.value: found 120, expected 0 to 100 %.');
    automation(b, { when: PRICE });
    expect(why(b)).toContain('no device triggers this rule');
    automation(b, { action: { kind: 'opt-out' } });
    expect(why(b)).toContain('a rule that an offered or started event triggers');
    automation(b, { target: { kind: 'tag', tag: 'hom' } });
    expect(why(b)).toContain('automation: target.tag: found "hom"');
    automation(b, { target: { kind: 'devices', deviceIds: ['z'] } });
    expect(why(b)).toBe('automation: target.deviceIds: z: no such device');
    automation(b, { target: { kind: 'group', groupId: 'grp-9' } });
    expect(why(b)).toContain('no such group');
    automation(b, { when: { kind: 'time', cron: 'x', timeZone: ZONE }, target: ALL_HOME });
    expect(why(b)).toContain('when.cron');
    automation(b, { when: { kind: 'event', what: 'ended', programId: 'nope' }, target: ALL_HOME });
    expect(why(b)).toBe('automation: nope: no such program');
    expect(b.core.state.automations.size).toBe(0);
  });

  test('a workspace has at most 1,000 of them', () => {
    const b = bench();
    for (let n = 0; n < 1_000; n++) automation(b, {});
    expect(automation(b, {})).toBe('');
    expect(why(b)).toBe('a workspace has at most 1000 automations');
  });

  test('one that is switched off does nothing; switched on it begins anew; deleted it is gone', () => {
    const b = bench();
    const automationId = automation(b, { enabled: false });
    soc(b, 'e', 10);
    expect(triggered(b)).toEqual([]);
    b.put({ kind: 'change-automation', automation: { ...rule({}), automationId }, actor: 'ana' });
    soc(b, 'e', 10);
    expect(triggered(b)).toHaveLength(1);
    b.put({ kind: 'change-automation', automation: { ...rule({ name: 'other' }), automationId }, actor: 'ana' });
    b.advance(HOUR);
    soc(b, 'e', 10);
    expect(triggered(b)).toHaveLength(1);
    for (const over of [{ enabled: false }, {}]) {
      b.put({ kind: 'change-automation', automation: { ...rule(over), automationId }, actor: 'ana' });
      soc(b, 'e', 10);
    }
    expect(triggered(b)).toHaveLength(2);
    b.advance(HOUR);
    b.put({
      kind: 'change-automation',
      automation: { ...rule({ when: low({ value: 15 }) }), automationId },
      actor: 'ana',
    });
    soc(b, 'e', 10);
    expect(triggered(b)).toHaveLength(3);
    b.put({ kind: 'delete-automation', workspaceId: 'ws', automationId, actor: 'ana' });
    soc(b, 'e', 50);
    soc(b, 'e', 10);
    expect([triggered(b).length, b.core.state.automationsOf.get('ws')?.size]).toEqual([3, 0]);
  });

  test('another workspace neither sees nor triggers it', () => {
    const b = bench();
    b.put({ kind: 'create-workspace', workspace: { workspaceId: 'other', name: 'Other', gridServices: true } });
    const automationId = automation(b, {});
    b.put({ kind: 'create-automation', rule: { ...rule({}), workspaceId: 'other' }, actor: 'eve' });
    soc(b, 'e', 10);
    expect(triggered(b).map((f) => f.automationId)).toEqual([automationId]);
    b.put({ kind: 'delete-automation', workspaceId: 'other', automationId, actor: 'eve' });
    expect(why(b)).toBe(`${automationId}: no such automation`);
  });
});

test('every fact of an automation names its workspace and the automation', () => {
  const b = bench();
  automation(b, { when: PRICE, target: ALL_HOME });
  prices(b, [150, 50]);
  b.advance(HOUR);
  const own = b.facts.flatMap(({ fact }) => (fact.type.startsWith('automation.') ? [fact as AutomationFact] : []));
  expect(own.map((f) => f.type)).toEqual([
    'automation.saved',
    'automation.waits',
    'automation.met',
    'automation.triggered',
    'automation.waits',
    'automation.met',
  ]);
  expect(own.every((f) => f.workspaceId === 'ws' && f.automationId === 'aut-1')).toBe(true);
});
