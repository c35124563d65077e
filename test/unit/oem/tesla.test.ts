import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { Behaviour } from '../../../simulators/oem/behaviour.ts';
import { createTeslaCloud, type TeslaCloud } from '../../../simulators/oem/tesla.ts';
import { createOemSession } from '../../../src/oem/index.ts';
import type { HttpRequest } from '../../../src/ports/http.ts';
import {
  CREDENTIALS,
  controlJob,
  devices,
  GOOD,
  OemPair,
  START_MS,
  TestClock,
  TestFleet,
  testRandom,
} from '../../helpers/oemPair.ts';

interface Pair extends OemPair {
  readonly cloud: TeslaCloud;
}

function pair(behaviour: Partial<Behaviour> = {}): Pair {
  const clock = new TestClock(START_MS);
  const fleet = new TestFleet(clock);
  const cloud = createTeslaCloud({
    scheduler: clock,
    random: testRandom(3),
    fleet,
    devices: devices(2),
    behaviour: { deliveryFailureRatio: 0, ...behaviour },
    credentials: CREDENTIALS,
    programs: [],
  });
  const p = new OemPair({ clock, fleet, cloud, session: createOemSession('tesla', CREDENTIALS) });
  p.run(1);
  return p as Pair;
}

const now = { startMs: START_MS, route: 'baseline' } as const;
const OWN = { reservePct: 20, mode: 'self_consumption', exportRule: 'pv_only', gridChargeOff: true, price: 'own' };

describe('a Tesla site', () => {
  it('discharges with all it has, exports, and goes on until a reset', () => {
    const p = pair();
    expect(p.ask(controlJob('j1', { ...now, powerW: 500, reservePctMin: 30 }))).toMatchObject({
      vendorRef: 'discharge/30',
    });
    expect(p.cloud.settings('1000')).toEqual({
      ...OWN,
      reservePct: 30,
      mode: 'autonomous',
      exportRule: 'battery_ok',
      price: 'peak',
    });
    p.run(120_000);
    expect(p.fleet.controls).toHaveLength(1);
    expect(p.fleet.controls[0]?.control).toMatchObject({
      mode: 'discharge',
      powerW: null,
      endMs: null,
      reservePctMin: 30,
      allowExport: true,
    });
    p.run(86_000_000);
    expect(p.fleet.powerW(0)).toBe(5_000);
  });

  it('gets its earlier settings back by a reset', () => {
    const p = pair();
    p.ask(controlJob('j1', { ...now, reservePctMin: 30 }));
    p.run(120_000);
    p.ask(controlJob('j2', { ...now, mode: 'charge', reservePctMax: 90 }));
    p.run(120_000);
    expect(p.fleet.powerW(0)).toBe(-5_000);
    expect(p.ask(controlJob('r', { ...now, mode: 'reset' }))).toMatchObject({
      kind: 'accepted',
      vendorRef: 'own-settings',
    });
    expect(p.cloud.settings('1000')).toEqual(OWN);
    p.run(120_000);
    expect(p.fleet.controls.map((c) => c.control.mode)).toEqual(['discharge', 'charge', 'reset']);
    expect(p.fleet.powerW(0)).toBe(0);
  });

  it('serves its home only where a discharge may not export: self-powered, and the export rule stays as it is', () => {
    const p = pair();
    const job = controlJob('j1', { ...now, mayExport: false, reservePctMin: 30 });
    expect(p.ask(job)).toMatchObject({ vendorRef: 'self-supply/30' });
    expect(p.cloud.settings('1000')).toEqual({ ...OWN, reservePct: 30 });
    const read = { kind: 'read-command', jobId: 'q', vendorDeviceId: '1000', vendorRef: 'self-supply/30' } as const;
    expect(p.ask(read)).toMatchObject({ status: 'in-progress' });
    p.run(120_000);
    expect(p.fleet.controls.map((c) => c.control.mode)).toEqual([]);
    p.ask(controlJob('r', { ...now, mode: 'reset' }));
    expect(p.cloud.settings('1000')).toEqual(OWN);
    expect(p.ask({ ...read, jobId: 'q2' })).toMatchObject({ status: 'cancelled' });
  });

  it('is left alone by a reset when nothing of ours stands', () => {
    const p = pair();
    p.ask(controlJob('r', { ...now, mode: 'reset' }));
    expect(p.posts('/api/1')).toBe(0);
  });

  it('gets back to self-powered by a reset of a session that does not know what stood before', () => {
    const p = pair();
    p.ask(controlJob('j1', { ...now, reservePctMin: 20 }));
    p.run(120_000);
    const after = new OemPair({
      clock: p.clock,
      fleet: p.fleet,
      cloud: p.cloud,
      session: createOemSession('tesla', CREDENTIALS),
    });
    after.ask(controlJob('r', { ...now, mode: 'reset' }));
    p.run(120_000);
    expect(p.cloud.settings('1000')).toEqual(OWN);
    expect(p.fleet.powerW(0)).toBe(0);
  });

  it('holds its charge when told to idle', () => {
    const p = pair();
    p.ask(controlJob('j1', { ...now, mode: 'idle' }));
    p.run(120_000);
    expect(p.fleet.controls[0]?.control.mode).toBe('idle');
  });

  it('is told once when the same control comes again every five minutes', () => {
    const p = pair();
    for (let i = 0; i < 6; i++) {
      p.ask(controlJob(`j${i}`, { ...now, notAfterMs: START_MS + 9_000_000 }));
      p.run(300_000);
    }
    expect(p.fleet.controls).toHaveLength(1);
  });

  it('shows whether the settings of a control still stand', () => {
    const p = pair();
    p.ask(controlJob('j1', now));
    const read = { kind: 'read-command', vendorDeviceId: '1000', vendorRef: 'discharge/20' } as const;
    expect(p.ask({ ...read, jobId: 'r1' })).toMatchObject({ status: 'in-progress' });
    p.ask(controlJob('r', { ...now, mode: 'reset' }));
    expect(p.ask({ ...read, jobId: 'r2' })).toMatchObject({ status: 'cancelled' });
  });

  it('is told late, not never, when it was offline or the first message got lost', () => {
    const p = pair({ deliveryFailureRatio: 1 });
    p.fleet.offline.add(0);
    p.ask(controlJob('j1', now));
    p.run(600_000);
    expect(p.fleet.controls).toEqual([]);
    p.fleet.offline.delete(0);
    p.run(60_000);
    expect(p.fleet.powerW(0)).toBe(5_000);
  });

  it('reports the reserve and the strategy of its owner while our settings stand', () => {
    const p = pair();
    p.ask(controlJob('j1', { ...now, mode: 'charge', reservePctMax: 95 }));
    p.run(600_000);
    expect(p.ask({ kind: 'read-state', jobId: 's', vendorDeviceId: '1000' })).toMatchObject({
      kind: 'state',
      online: true,
      state: { backupReserve: 20, strategy: 'self_consumption', chargeRate: -5_000, gridPower: 6_000, charge: 8_100 },
    });
  });

  it('is offline when its samples stop', () => {
    const p = pair({ telemetryPeriodMs: 86_400_000 });
    p.run(1_000_000);
    expect(p.ask({ kind: 'read-state', jobId: 's', vendorDeviceId: '1000' })).toMatchObject({
      kind: 'state',
      online: false,
    });
  });

  it('has an unknown state when writing stops half way', () => {
    const p = pair();
    let posts = 0;
    const isWrite = (r: HttpRequest): boolean => r.method === 'POST' && r.path.startsWith('/api/1');
    p.wire = (r) => (isWrite(r) && posts++ >= 1 ? { thereMs: null, backMs: null } : GOOD);
    expect(p.ask(controlJob('j1', { ...now, reservePctMin: 30 }))).toMatchObject({
      kind: 'unknown',
      message: expect.stringContaining('1 settings were written, then: no answer came'),
    });
  });

  it('waits as long as Retry-After says', () => {
    const p = pair({ throttleFactor: 0 });
    p.run(10_000);
    p.submit({ kind: 'read-state', jobId: 's', vendorDeviceId: '1000' });
    p.run(20_000);
    const tries = p.cloud.counts().throttled;
    p.run(25_000);
    expect(p.cloud.counts().throttled).toBe(tries);
    p.cloud.setBehaviour({ throttleFactor: 1 });
    p.run(60_000);
    expect(p.replyTo('s')?.kind).toBe('state');
  });

  it('counts as enrolled when it can be read, and the Fleet API offers no grid service', () => {
    const p = pair();
    const read = { kind: 'enroll', programId: 'x' } as const;
    expect(p.ask({ ...read, jobId: 'e1', vendorDeviceId: '1000' })).toMatchObject({ status: 'approved' });
    expect(p.ask({ ...read, jobId: 'e2', vendorDeviceId: '9' })).toMatchObject({ status: 'rejected' });
    expect(p.session.capabilities.gridServices).toBe(false);
  });
});

describe('the fields of the simulated Tesla cloud', () => {
  const dir = '../shared/data/oem';
  const there = existsSync(`${dir}/tesla_fleet_live_status.json`) && existsSync(`${dir}/tesla_fleet_site_info.json`);
  const fields = (value: unknown, at = ''): string[] =>
    typeof value !== 'object' || value === null || Array.isArray(value)
      ? [`${at}:${Array.isArray(value) ? 'list' : typeof value}`]
      : Object.entries(value).flatMap(([k, v]) => fields(v, `${at}.${k}`));
  it.skipIf(!there)('are fields of recorded answers (tesla_fleet_*.json)', () => {
    const p = pair();
    p.ask({ kind: 'read-state', jobId: 's', vendorDeviceId: '1000' });
    const token = p.exchanges.find((e) => e.request.path.endsWith('/live_status'))?.request.headers ?? {};
    for (const leaf of ['live_status', 'site_info']) {
      const recorded = new Set(fields(JSON.parse(readFileSync(`${dir}/tesla_fleet_${leaf}.json`, 'utf8'))));
      const request: HttpRequest = {
        method: 'GET',
        path: `/api/1/energy_sites/1000/${leaf}`,
        headers: token,
        body: '',
      };
      const shown = fields(JSON.parse(p.cloud.handle(request, p.clock.nowMs()).body));
      expect(shown.length).toBeGreaterThan(10);
      expect(shown.filter((f) => !recorded.has(f))).toEqual([]);
    }
  });
});
