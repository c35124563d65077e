import { describe, expect, it } from 'vitest';
import type { Behaviour } from '../../../simulators/oem/behaviour.ts';
import { createSolaredgeCloud, type SolaredgeCloud } from '../../../simulators/oem/solaredge.ts';
import { createOemSession } from '../../../src/oem/index.ts';
import { gridPowerOf } from '../../../src/oem/solaredge.ts';
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
  readonly cloud: SolaredgeCloud;
}

function pair(behaviour: Partial<Behaviour> = {}, count = 2): Pair {
  const clock = new TestClock(START_MS);
  const fleet = new TestFleet(clock);
  const cloud = createSolaredgeCloud({
    scheduler: clock,
    random: testRandom(2),
    fleet,
    devices: devices(count),
    behaviour: { deliveryFailureRatio: 0, commandTailRatio: 0, ...behaviour },
    credentials: CREDENTIALS,
    programs: [{ programId: 'prog-1' }],
  });
  const p = new OemPair({ clock, fleet, cloud, session: createOemSession('solaredge', CREDENTIALS) });
  p.run(1);
  return p as Pair;
}

const state = (jobId: string) => ({ kind: 'read-state', jobId, vendorDeviceId: '1000' }) as const;

describe('a SolarEdge profile', () => {
  it('reaches the inverter within minutes and ends by itself', () => {
    const p = pair();
    p.ask(controlJob('j1'));
    p.run(1_200_000);
    expect(p.fleet.controls).toHaveLength(1);
    expect(p.fleet.controls[0]?.control).toMatchObject({ mode: 'discharge', powerW: 3_000, allowExport: true });
    p.run(3_600_000);
    expect(p.fleet.powerW(0)).toBe(0);
  });

  it('may take hours over a slow link', () => {
    const p = pair({ commandTailRatio: 1 });
    p.ask(controlJob('j1', { endMs: START_MS + 6 * 3_600_000 }));
    p.run(6 * 3_600_000);
    const first = p.fleet.controls[0];
    expect(first?.atMs).toBeGreaterThan(START_MS + 1_200_000);
  });

  it('does not export on the baseline path', () => {
    const p = pair();
    p.ask(controlJob('j1', { route: 'baseline' }));
    p.run(1_200_000);
    expect(p.fleet.controls[0]?.control.allowExport).toBe(false);
  });

  it('takes the place of an older one, and a reset ends it', () => {
    const p = pair();
    p.ask(controlJob('j1'));
    p.ask(controlJob('j2', { powerW: 1_000 }));
    p.run(1_200_000);
    expect(p.cloud.profiles('1000').map((c) => c.closed)).toEqual(['deleted', null]);
    expect(p.fleet.powerW(0)).toBe(1_000);
    const nowMs = p.clock.nowMs();
    p.ask(controlJob('r', { mode: 'reset', startMs: nowMs, endMs: nowMs + 60_000, notAfterMs: nowMs + 60_000 }));
    p.run(900_000);
    expect(p.fleet.powerW(0)).toBe(0);
  });

  it('whose reply is lost is found by reading back', () => {
    const p = pair();
    let lost = 0;
    p.wire = (r) => (r.method === 'POST' && lost++ === 0 ? { thereMs: 40, backMs: null } : GOOD);
    expect(p.ask(controlJob('j1'))).toMatchObject({ kind: 'accepted', vendorRef: 'profile-1' });
    expect(p.cloud.profiles('1000')).toHaveLength(1);
    expect(p.ask({ kind: 'read-command', jobId: 'r', vendorDeviceId: '1000', vendorRef: 'profile-1' })).toMatchObject({
      kind: 'command-status',
      status: 'scheduled',
    });
  });
});

describe('SolarEdge enrollment', () => {
  it('is there as soon as the device is connected', () => {
    const p = pair();
    const read = { kind: 'read-enrollment', vendorDeviceId: '1000' } as const;
    expect(p.ask({ ...read, jobId: 'e1', programId: 'prog-1' })).toMatchObject({ status: 'approved' });
    expect(p.ask({ ...read, jobId: 'e2', programId: 'other' })).toMatchObject({ status: 'not-enrolled' });
    expect(p.session.capabilities.autoEnroll).toBe(true);
  });
});

describe('SolarEdge telemetry', () => {
  it('turns the sign of storageData and the arrows of the power flow into the domain signs', () => {
    const p = pair();
    p.ask(controlJob('j1'));
    p.run(2_700_000);
    expect(p.ask(state('s'))).toMatchObject({
      kind: 'state',
      online: true,
      state: {
        chargeRate: 3_000,
        chargingState: 'discharging',
        gridPower: -2_000,
        gridStatus: 'exporting',
        charge: 8_100,
      },
    });
  });

  it('polled every 5 minutes for a day stays within 300 requests per site', () => {
    const p = pair({}, 1);
    for (let i = 0; i < 288; i++) {
      p.submit(state(`s${i}`));
      p.run(300_000);
    }
    const monitoring = p.exchanges.filter((e) => e.request.path.startsWith('/site/')).length;
    expect(monitoring).toBeGreaterThan(150);
    expect(monitoring).toBeLessThanOrEqual(200);
    expect(p.replies.filter((r) => r.reply.kind === 'state')).toHaveLength(288);
    expect(p.cloud.counts().throttled).toBe(0);
  });

  it('ends not-sent when the quota of the site is used up, without a request', () => {
    const clock = new TestClock(START_MS);
    const fleet = new TestFleet(clock);
    const { cloud } = pair();
    const session = createOemSession('solaredge', { ...CREDENTIALS, limits: { perSiteDayMax: 1 } });
    const p = new OemPair({ clock, fleet, cloud, session });
    expect(p.ask(state('s'))).toMatchObject({ kind: 'not-sent', message: "the day's quota of site 1000 is used up" });
  });

  it('beyond the quota of the cloud is answered 429 until the next day', () => {
    const p = pair({ siteRequestsPerDayMax: 1 });
    expect(p.ask(state('s1'), 1_000_000).kind).toBe('not-sent');
    expect(p.cloud.counts().throttled).toBeGreaterThan(2);
    p.cloud.setBehaviour({ siteRequestsPerDayMax: 300 });
    p.run(86_400_000);
    expect(p.ask(state('s2')).kind).toBe('state');
  });

  it.each([
    [{ unit: 'kW', connections: [{ from: 'GRID', to: 'Load' }], GRID: { currentPower: 0.7 } }, 700],
    [{ unit: 'kW', connections: [{ from: 'LOAD', to: 'Grid' }], GRID: { currentPower: 16.19 } }, -16_190],
    [{ unit: 'W', connections: [{ from: 'GRID', to: 'Load' }], GRID: { currentPower: 12 } }, 12],
    [{ unit: 'kW', connections: [], GRID: { currentPower: 0 } }, 0],
    [{ unit: 'kW', connections: [] }, null],
    [{ unit: 'MW', connections: [], GRID: { currentPower: 1 } }, undefined],
    [{ unit: 'kW', connections: [], GRID: { currentPower: 1 } }, undefined],
    [{ unit: 'kW', connections: [{ from: 'GRID', to: 'Load' }], GRID: { currentPower: '0.7' } }, undefined],
  ])('reads the meter from %j', (flow, expected) => {
    expect(gridPowerOf(flow)).toBe(expected);
  });
});
