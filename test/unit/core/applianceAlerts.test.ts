import { describe, expect, test } from 'vitest';
import { Core } from '../../../src/core/core.ts';
import type { Alert } from '../../../src/domain/alert.ts';
import { chargerMode, connect, see, tell } from '../../helpers/applianceBench.ts';
import { Bench, canonical, HOUR, MIN } from '../../helpers/coreBench.ts';

const all = (b: Bench): Alert[] => [...b.core.state.alerts.values()];
const short = (b: Bench) => all(b).map((a) => [a.severity, a.status, a.type, a.rule, a.subject.id]);
const notified = (b: Bench) =>
  b.sent.flatMap(({ effect: e }) => (e.kind === 'notify' && e.type.startsWith('alert.') ? [[e.type, e.subject]] : []));

const KINDS = ['charger', 'vehicle', 'thermostat', 'inverter'] as const;

/** Samples come in every five minutes. */
function live(b: Bench, deviceId: string, forMs: number, powerW = 0): void {
  const toMs = b.nowMs + forMs;
  while (b.nowMs < toMs) {
    see(b, deviceId, powerW);
    b.advance(Math.min(5 * MIN, toMs - b.nowMs));
  }
}

describe('a device that is no battery', () => {
  test.each(KINDS)('%s: out of reach for a quarter of an hour opens a warning, and its return resolves it', (kind) => {
    const b = new Bench();
    connect(b, kind, 'd');
    see(b, 'd');
    see(b, 'd', 0, {}, false);
    b.advance(15 * MIN - 1);
    expect(short(b)).toEqual([]);
    b.advance(1);
    expect(short(b)).toEqual([['WARNING', 'OPEN', 'COMMUNICATIONS', 'unreachable', 'd']]);
    expect(all(b)[0]).toMatchObject({ workspaceId: 'ws', evidence: { deviceId: 'd', forMs: 15 * MIN } });
    see(b, 'd');
    expect(short(b)[0]?.[1]).toBe('RESOLVED');
    expect(notified(b)).toEqual([
      ['alert.opened', 'alert-1'],
      ['alert.resolved', 'alert-1'],
    ]);
  });

  test('that is silent for half an hour opens a warning though its cloud calls it online; a sample resolves it', () => {
    const b = new Bench();
    connect(b, 'charger', 'd');
    live(b, 'd', 3 * HOUR);
    expect(short(b)).toEqual([]);
    const lastSampleMs = b.nowMs - 5 * MIN;
    b.advance(25 * MIN - 1);
    expect(short(b)).toEqual([]);
    b.advance(1);
    expect(short(b)).toEqual([['WARNING', 'OPEN', 'COMMUNICATIONS', 'stale-telemetry', 'd']]);
    expect(all(b)[0]?.evidence).toEqual({ deviceId: 'd', lastSampleMs, forMs: 30 * MIN });
    see(b, 'd', 0, { sampledAtMs: lastSampleMs });
    b.advance(2 * HOUR);
    expect(short(b)).toHaveLength(1);
    expect(short(b)[0]?.[1]).toBe('OPEN');
    see(b, 'd');
    expect(short(b)[0]?.[1]).toBe('RESOLVED');
    b.advance(30 * MIN);
    expect(short(b)).toHaveLength(2);
  });

  test('that never sent one is told of half an hour after it was connected', () => {
    const b = new Bench();
    b.advance(2 * HOUR);
    connect(b, 'thermostat', 'd');
    b.advance(30 * MIN - 1);
    expect(short(b)).toEqual([]);
    b.advance(1);
    expect(all(b)[0]).toMatchObject({ rule: 'stale-telemetry', evidence: { lastSampleMs: null } });
  });

  test('has one alert at a time: what silence had hidden, being out of reach, is told when samples come again', () => {
    const b = new Bench();
    connect(b, 'vehicle', 'd');
    see(b, 'd');
    b.advance(20 * MIN);
    see(b, 'd', 0, { sampledAtMs: b.nowMs - 20 * MIN }, false);
    b.advance(HOUR);
    expect(short(b)).toEqual([['WARNING', 'OPEN', 'COMMUNICATIONS', 'stale-telemetry', 'd']]);
    see(b, 'd', 0, {}, false);
    expect(short(b).map((a) => [a[1], a[3]])).toEqual([
      ['RESOLVED', 'stale-telemetry'],
      ['OPEN', 'unreachable'],
    ]);
  });

  test('is not called silent because the core was started again: it has half an hour from there', () => {
    const b = new Bench();
    connect(b, 'inverter', 'd');
    live(b, 'd', 10 * HOUR);
    const again = new Core(b.settings);
    for (const { fact, atMs } of b.facts) again.replay([fact], atMs);
    const at = (ms: number) => again.handle({ kind: 'time' }, b.nowMs + ms).facts;
    again.handle({ kind: 'resume' }, b.nowMs);
    expect(at(0)).toEqual([]);
    expect(again.nextTimeoutMs()).toBe(b.nowMs + 30 * MIN);
    expect(at(30 * MIN - 1)).toEqual([]);
    expect(at(30 * MIN)).toMatchObject([{ type: 'alert.opened', alert: { rule: 'stale-telemetry' } }]);
  });

  test('without rules is not watched', () => {
    const b = new Bench({ settings: { alerts: null } });
    connect(b, 'charger', 'd');
    see(b, 'd', 0, {}, false);
    expect(b.core.nextTimeoutMs()).toBeNull();
  });
});

test('commands in a row without effect open a fault at the third, and one with effect resolves it', () => {
  const b = new Bench();
  connect(b, 'charger', 'd');
  see(b, 'd', 7_000);
  const stopIt = (obeys: boolean) => {
    tell(b, 'd', chargerMode('stop-charging'));
    b.advance(MIN);
    // Until the verdict: the command's latest start, two periods and the slack.
    live(b, 'd', 80 * MIN, obeys ? 0 : 7_000);
  };
  stopIt(false);
  stopIt(false);
  expect(short(b)).toEqual([]);
  stopIt(false);
  expect(short(b)).toEqual([['WARNING', 'OPEN', 'HARDWARE_FAULT', 'no-effect', 'd']]);
  expect(all(b)[0]?.evidence).toMatchObject({ deviceId: 'd', inARow: 3 });
  stopIt(true);
  expect(short(b)[0]?.[1]).toBe('RESOLVED');
  const folded = new Core(b.settings);
  for (const { fact, atMs } of b.facts) folded.replay([fact], atMs);
  expect(canonical({ ...folded.state, agenda: null })).toBe(canonical({ ...b.core.state, agenda: null }));
});
