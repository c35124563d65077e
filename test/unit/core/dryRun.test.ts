import { describe, expect, test } from 'vitest';
import { dryRun } from '../../../src/core/dryRun.ts';
import { snapshotOf } from '../../../src/core/snapshot.ts';
import { Bench, batteryState, HOUR, MIN, T0, ZONE } from '../../helpers/coreBench.ts';
import { automation, cron, iso, rule, schedule } from '../../helpers/ruleBench.ts';

const soc = (b: Bench, id: string, chargePercentage: number) => b.observe(id, { chargePercentage });
const triggered = (b: Bench) => b.factsOf('automation.triggered');

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

describe('the dry run', () => {
  const try_ = (b: Bench, over: Parameters<typeof rule>[0], more: object = {}) => {
    const before = JSON.stringify(snapshotOf(b.core.state));
    const found = dryRun({
      state: b.core.state,
      telemetry: b.core.telemetry,
      settings: b.settings,
      rule: rule(over),
      nowMs: b.nowMs,
      ...more,
    });
    expect(JSON.stringify(snapshotOf(b.core.state))).toBe(before);
    return found;
  };

  test('says for each device whether it holds, what would be done, and why not; and does nothing', () => {
    const b = bench();
    b.device('tesla', 'g', { tags: ['home'], enrolled: false, observed: false });
    soc(b, 'e', 10);
    const { now } = try_(b, {
      conditions: [{ kind: 'telemetry', metric: 'chargePercentage', comparison: 'above', value: 5 }],
    });
    expect(now.map((n) => [n.subject, n.holds, n.plan.kind === 'go' ? 'go' : n.plan.why])).toEqual([
      ['e', true, 'go'],
      ['f', false, 'go'],
      ['g', null, 'g: conditions[0] is not known: chargePercentage of g is not known'],
    ]);
    expect(b.factsOf('command.accepted')).toEqual([]);
  });

  test('says the same as the automation at work then does', () => {
    const b = bench();
    const over = { when: PRICE, target: ALL_HOME };
    schedule(b, { device: 'e', timing: cron('0 * * * *') });
    prices(b, [150]);
    const [now] = try_(b, over).now;
    automation(b, over);
    b.advance(0);
    const would = now?.plan.steps.map((s) => [s.deviceId, s.why]);
    const did = triggered(b)[0]?.outcomes.map((o) => (o.kind === 'command' ? [o.deviceId, null] : o));
    expect(did).toEqual(would);
  });

  test('tries a price rule on a series, with cooldown, daily limit and the hours of its conditions', () => {
    const b = bench();
    const { firings, notLookedAt } = try_(
      b,
      {
        when: PRICE,
        target: ALL_HOME,
        cooldownMs: 3 * HOUR,
        firingsPerDayMax: 2,
        conditions: [
          { kind: 'time', window: { start: '15:00', end: '22:00' }, timeZone: ZONE },
          { kind: 'storm', active: false },
        ],
      },
      { prices: { startMs: T0, stepMs: HOUR, usdPerMwh: [150, 50, 150, null, 50, 150, 50, 150, 50, 150] } },
    );
    expect(firings.map((f) => [iso(f.atMs), f.why])).toEqual([
      ['2024-07-10T22:00', null],
      ['2024-07-11T00:00', `cooldown: fired ${2 * HOUR} ms ago, rests for ${3 * HOUR} ms`],
      ['2024-07-11T03:00', null],
      ['2024-07-11T05:00', `cooldown: fired ${2 * HOUR} ms ago, rests for ${3 * HOUR} ms`],
      ['2024-07-11T07:00', 'conditions[0] does not hold'],
    ]);
    expect(notLookedAt).toEqual(['conditions[1]']);
  });

  test('tries a telemetry rule on past samples as the automation at work would have', () => {
    const values = [30, 15, 15, 15, 22, 15, 26, 15, 15, 15, 15];
    const when = low({ forMs: 10 * MIN });
    const b = bench();
    automation(b, { when });
    const samples = values.map((chargePercentage, i) => ({
      deviceId: 'e',
      state: batteryState(13_500, T0 + i * 5 * MIN, { chargePercentage }),
    }));
    const { firings } = try_(b, { when }, { samples });
    for (const { state } of samples) {
      b.advanceTo(state.sampledAtMs);
      b.put({ kind: 'telemetry', deviceId: 'e', state, online: true });
    }
    const at = triggered(b).map((f) => f.seen[0]?.atMs);
    expect(firings.filter((f) => f.why === null).map((f) => f.atMs)).toEqual(at);
    expect(at).toEqual([T0 + 15 * MIN, T0 + 45 * MIN]);
  });

  test('shows the next times of a clock, and what is wrong with a rule', () => {
    const b = bench();
    const when = { kind: 'time', cron: '0 16 * * *', timeZone: ZONE } as const;
    expect(iso(try_(b, { when, target: ALL_HOME }).firings[0]?.atMs ?? 0)).toBe('2024-07-10T23:00');
    expect(try_(b, { when }).problems[0]).toContain('no device triggers this rule');
    expect(try_(b, { target: { kind: 'tag', tag: 'x' } }).problems[0]).toContain('target.tag');
  });
});
