import { describe, expect, test } from 'vitest';
import { openAlert } from '../../../src/core/alerts.ts';
import { apply } from '../../../src/core/apply.ts';
import type { Context } from '../../../src/core/context.ts';
import type { Alert, AlertRule, AlertSeverity } from '../../../src/domain/alert.ts';
import { Bench, HOUR, MIN } from '../../helpers/coreBench.ts';

const all = (b: Bench): Alert[] => [...b.core.state.alerts.values()];
const short = (b: Bench) => all(b).map((a) => [a.severity, a.status, a.type, a.rule, a.subject.id]);
const notified = (b: Bench) =>
  b.sent.flatMap(({ effect: e }) => (e.kind === 'notify' && e.type.startsWith('alert.') ? [[e.type, e.subject]] : []));

describe('out of reach', () => {
  const reach = (b: Bench) => b.factsOf('device.reachable').map((f) => [f.deviceId, f.reachable, f.why]);

  test('is a device that nothing was ever heard of, with a warning; the first sample brings it back', () => {
    const b = new Bench();
    b.device('enphase', 'e', { observed: false });
    b.advance(12.5 * MIN - 1);
    expect(reach(b)).toEqual([]);
    b.advance(1);
    expect(reach(b)).toEqual([['e', false, 'nothing was heard of it since it is waited for']]);
    b.advance(24 * HOUR);
    expect(reach(b)).toHaveLength(1);
    expect(short(b)).toEqual([['WARNING', 'OPEN', 'COMMUNICATIONS', 'unreachable', 'e']]);
    b.observe('e');
    expect(b.core.state.devices.get('e')?.reachable).toBe(true);
    expect(short(b)[0]?.[1]).toBe('RESOLVED');
  });

  test('is a device whose cloud is down for longer than its samples say something, and only that long', () => {
    const b = new Bench();
    b.device('enphase', 'e', { enrolled: false });
    b.device('tesla', 't', { enrolled: false });
    for (let n = 0; n < 18; n++) {
      b.advance(5 * MIN);
      b.observe('t');
    }
    expect(reach(b)).toEqual([['e', false, 'nothing was heard of it since 2024-07-10T22:00:00.000Z']]);
    expect(b.factsOf('device.reachable')).toHaveLength(1);
    b.observe('e');
    expect(reach(b).at(-1)).toEqual(['e', true, 'its cloud reports it online']);
    b.advance(12.5 * MIN);
    const gone = reach(b).filter(([, isReachable]) => !isReachable);
    expect(gone.map(([id]) => id).sort()).toEqual(['e', 'e', 't']);
  });

  test('is a site behind DNP3 whose link never came up; one that was heard of is told by its link', () => {
    const b = new Bench();
    b.device('dnp3', 'x', { observed: false });
    b.device('dnp3', 'y');
    b.advance(HOUR);
    expect(reach(b).map(([id, is]) => [id, is])).toEqual([['x', false]]);
    expect(short(b).map((a) => [a[3], a[4]])).toEqual([['link-down', 'site-x']]);
  });

  test('by silence leaves open what became of a command; one whose cloud calls it offline was offline', () => {
    const b = new Bench({ answer: () => 'silent' });
    for (const id of ['e', 'f', 'g']) b.device('enphase', id, { enrolled: false });
    const [silent, offline] = [b.command('e'), b.command('f')];
    b.observe('f', {}, false);
    b.advance(2 * HOUR);
    expect([b.ended(silent), b.ended(offline)]).toEqual([
      ['failed', 'outcome_unknown'],
      ['failed', 'device_offline'],
    ]);
  });

  test('a device behind a cloud opens a warning after a quarter of an hour, once, and its return resolves it', () => {
    const b = new Bench();
    b.device('enphase', 'e');
    b.observe('e', {}, false);
    b.advance(15 * MIN - 1);
    expect(short(b)).toEqual([]);
    b.advance(1);
    b.observe('e', {}, false);
    b.advance(HOUR);
    expect(short(b)).toEqual([['WARNING', 'OPEN', 'COMMUNICATIONS', 'unreachable', 'e']]);
    expect(all(b)[0]?.evidence).toMatchObject({ deviceId: 'e', forMs: 15 * MIN });
    b.observe('e');
    expect(short(b)[0]?.[1]).toBe('RESOLVED');
    expect(notified(b)).toEqual([
      ['alert.opened', 'alert-1'],
      ['alert.resolved', 'alert-1'],
    ]);
  });

  test('one that is back in time, and gone again, starts anew', () => {
    const b = new Bench();
    b.device('enphase', 'e');
    b.observe('e', {}, false);
    b.advance(10 * MIN);
    b.observe('e');
    b.observe('e', {}, false);
    b.advance(14 * MIN);
    expect(short(b)).toEqual([]);
    b.advance(MIN);
    expect(short(b)).toHaveLength(1);
  });

  test('a site without link is critical after a minute', () => {
    const b = new Bench();
    b.device('dnp3', 'x');
    b.link('x', false);
    b.advance(MIN);
    expect(short(b)).toEqual([['CRITICAL', 'OPEN', 'COMMUNICATIONS', 'link-down', 'site-x']]);
    b.link('x', true);
    expect(short(b)[0]?.[1]).toBe('RESOLVED');
  });
});

test('commands in a row without effect open a fault at the third, and one with effect resolves it', () => {
  const b = new Bench();
  b.device('enphase', 'e');
  const tryOnce = (rateW: number) => {
    b.command('e', { powerW: 2_000 }, { forMs: 20 * MIN });
    b.run(b.nowMs + 40 * MIN, () => ({ chargeRate: rateW }));
  };
  tryOnce(0);
  tryOnce(0);
  expect(short(b)).toEqual([]);
  tryOnce(0);
  tryOnce(0);
  expect(short(b)).toEqual([['WARNING', 'OPEN', 'HARDWARE_FAULT', 'no-effect', 'e']]);
  expect(all(b)[0]?.evidence).toMatchObject({ inARow: 3 });
  tryOnce(2_000);
  expect(short(b)[0]?.[1]).toBe('RESOLVED');
});

test('a storm is told of an enrolled device only', () => {
  const b = new Bench();
  b.device('enphase', 'in');
  b.device('enphase', 'out', { enrolled: false });
  for (const id of ['in', 'out']) b.observe(id, { isStormModeActive: true });
  expect(short(b)).toEqual([['INFO', 'OPEN', 'GRID_STATUS', 'storm', 'in']]);
  b.observe('in', { isStormModeActive: false });
  expect(short(b)[0]?.[1]).toBe('RESOLVED');
});

test('an emergency stop is critical until two persons released it, however often it is said', () => {
  const b = new Bench();
  b.device('dnp3', 'x');
  b.put({ kind: 'emergency-stop', deviceId: 'x', actor: 'ana' });
  b.put({ kind: 'emergency-stop', deviceId: 'x', actor: 'ben' });
  expect(short(b)).toEqual([['CRITICAL', 'OPEN', 'SAFETY', 'emergency-stop', 'x']]);
  b.put({ kind: 'request-release', deviceId: 'x', by: 'ana' });
  b.put({ kind: 'confirm-release', deviceId: 'x', by: 'ben' });
  expect(short(b)[0]?.[1]).toBe('RESOLVED');
});

test('a rejected enrollment is told', () => {
  const b = new Bench();
  b.device('enphase', 'e', { enrolled: false });
  b.put({ kind: 'enroll', deviceId: 'e', programId: 'dsgs' });
  b.enrollmentReply('e', 'enr-1', 'rejected');
  expect(short(b)).toEqual([['WARNING', 'OPEN', 'SOFTWARE_PROCESS', 'enrollment-rejected', 'e']]);
});

test('an approval that ends during an event is told when the event is offered, and is over with a longer one', () => {
  const b = new Bench();
  b.device('dnp3', 'x', { usableWh: 1_000_000 });
  b.event(1_000, { inMs: 23 * HOUR, forMs: 2 * HOUR });
  expect(short(b)).toEqual([['WARNING', 'OPEN', 'SAFETY', 'approval-ends', 'site-x']]);
  expect(all(b)[0]?.evidence).toMatchObject({ eventId: 'evt-1' });
  b.advance(2 * HOUR);
  b.approve('site-x', 5_000);
  expect(short(b)[0]?.[1]).toBe('RESOLVED');
});

describe('an overload', () => {
  const loaded = () => {
    const b = new Bench();
    b.device('enphase', 'e');
    b.put({
      kind: 'set-transformer',
      transformer: {
        transformerId: 'tr',
        workspaceId: 'ws',
        name: 'T',
        feederId: null,
        ratingVa: 10_000,
        siteIds: ['site-e'],
        powerFactorAssumed: 1,
      },
      actor: 'ana',
    });
    const see = (gridPower: number) => {
      b.advance(2 * MIN);
      b.observe('e', { gridPower });
    };
    return { b, see };
  };

  test('warns over 80 %, is critical over 100 %, stays until it is under 75 %', () => {
    const { b, see } = loaded();
    const states: unknown[] = [];
    for (const w of [8_000, 8_001, 10_000, 10_001, 9_000, 7_600, 7_499]) {
      see(w);
      states.push(short(b)[0]?.slice(0, 2).join(' '));
    }
    expect(states).toEqual([
      undefined,
      'WARNING OPEN',
      'WARNING OPEN',
      'CRITICAL OPEN',
      'CRITICAL OPEN',
      'CRITICAL OPEN',
      'CRITICAL RESOLVED',
    ]);
    expect(all(b)).toHaveLength(1);
    expect(b.factsOf('alert.changed')).toMatchObject([{ severity: 'CRITICAL', evidence: { apparentVa: 10_001 } }]);
  });

  test('counts export like import', () => {
    const { b, see } = loaded();
    see(-10_500);
    expect(all(b)[0]).toMatchObject({ severity: 'CRITICAL', evidence: { importW: -10_500 } });
  });
});

test('a device that delivered less than half of what was asked is told, by event', () => {
  const b = new Bench({ settings: { meterDelayMs: 0 } });
  b.device('enphase', 'good');
  b.device('enphase', 'poor');
  const step = 15 * MIN;
  const meter = (id: string, startMs: number, wh: number, n: number) =>
    b.put({
      kind: 'meter',
      siteId: `site-${id}`,
      startMs,
      stepMs: step,
      gridWh: Array.from({ length: n }, () => wh),
      batteryWh: Array.from({ length: n }, () => 0),
    });
  const days = 20 * 96;
  for (const id of ['good', 'poor']) meter(id, b.nowMs - days * step, 500, days);
  b.event(4_000, { inMs: 0, forMs: HOUR });
  b.run(b.nowMs + HOUR - 1, (id) => b.obedient(id), 5 * MIN);
  // 2 000 W asked of each over an hour: 500 Wh less in each quarter, and 125 Wh less.
  meter('good', b.nowMs + 1 - HOUR, 0, 4);
  meter('poor', b.nowMs + 1 - HOUR, 375, 4);
  b.advance(5 * MIN);
  expect(short(b)).toEqual([['WARNING', 'OPEN', 'HARDWARE_FAULT', 'underperformer', 'poor']]);
  expect(all(b)[0]?.evidence).toMatchObject({ requestedWh: 2_000, deliveredWh: 500, ratio: 0.25 });
});

describe('a person', () => {
  const open = () => {
    const b = new Bench();
    b.device('dnp3', 'x');
    b.put({ kind: 'emergency-stop', deviceId: 'x', actor: 'ana' });
    const ask = (kind: 'acknowledge-alert' | 'ignore-alert', workspaceId = 'ws') =>
      b.put({ kind, workspaceId, alertId: 'alert-1', by: 'ben' });
    const resolve = () =>
      b.put({ kind: 'resolve-alert', workspaceId: 'ws', alertId: 'alert-1', by: 'ben', why: 'seen to' });
    return { b, ask, resolve };
  };

  test('acknowledges, ignores and resolves it; resolved is the end', () => {
    const { b, ask, resolve } = open();
    ask('acknowledge-alert');
    expect(all(b)[0]).toMatchObject({ status: 'ACKNOWLEDGED', changedBy: 'ben' });
    expect(ask('acknowledge-alert').facts).toEqual([]);
    ask('ignore-alert');
    expect(all(b)[0]?.status).toBe('IGNORED');
    resolve();
    expect(all(b)[0]?.status).toBe('RESOLVED');
    ask('acknowledge-alert');
    expect(b.refusals.at(-1)).toEqual({ what: 'acknowledge-alert', why: 'alert-1 is resolved', code: 'conflict' });
  });

  test('of another workspace learns nothing of it', () => {
    const { b, ask } = open();
    ask('acknowledge-alert', 'other');
    expect(b.refusals.at(-1)).toEqual({ what: 'acknowledge-alert', why: 'alert-1: no such alert', code: 'unknown' });
  });

  test('who ignores it is not asked again while the condition holds', () => {
    const { b, ask } = open();
    ask('ignore-alert');
    b.put({ kind: 'emergency-stop', deviceId: 'x', actor: 'ana' });
    expect(short(b)).toEqual([['CRITICAL', 'IGNORED', 'SAFETY', 'emergency-stop', 'x']]);
  });
});

test('another rule at the same type and subject neither opens a second one nor makes the first worse', () => {
  const b = new Bench();
  b.device('enphase', 'e');
  const ctx: Context = {
    state: b.core.state,
    telemetry: b.core.telemetry,
    settings: b.settings,
    nowMs: b.nowMs,
    emit: (fact) => apply(b.core.state, fact, b.nowMs, b.settings),
    ask: () => undefined,
    refuse: () => undefined,
  };
  const open = (rule: AlertRule, severity: AlertSeverity) =>
    openAlert(ctx, {
      workspaceId: 'ws',
      severity,
      type: 'HARDWARE_FAULT',
      rule,
      subject: { kind: 'device', id: 'e' },
      text: rule,
      evidence: {},
    });
  expect(open('no-effect', 'INFO')).toBe('alert-1');
  expect(open('underperformer', 'CRITICAL')).toBeNull();
  expect(open('no-effect', 'WARNING')).toBe('alert-1');
  expect(open('no-effect', 'INFO')).toBeNull();
  expect(short(b)).toEqual([['WARNING', 'OPEN', 'HARDWARE_FAULT', 'no-effect', 'e']]);
});

test('without rules nothing watches', () => {
  const b = new Bench({ settings: { alerts: null } });
  b.device('enphase', 'e', { enrolled: false });
  b.observe('e', {}, false);
  b.advance(HOUR);
  expect(short(b)).toEqual([]);
});
