import { describe, expect, it } from 'vitest';
import type { Behaviour } from '../../../simulators/oem/behaviour.ts';
import { createEnphaseCloud } from '../../../simulators/oem/enphase.ts';
import { phaseOf } from '../../../simulators/oem/timed.ts';
import { enphaseDialect } from '../../../src/oem/enphase.ts';
import { eventOf } from '../../../src/oem/enphaseEvent.ts';
import { createSession } from '../../../src/oem/session.ts';
import { notes, type EnphasePair as Pair, enphasePair as pair } from '../../helpers/enphasePair.ts';
import { CREDENTIALS, controlJob, GOOD, OemPair, START_MS, testRandom } from '../../helpers/oemPair.ts';

describe('an Enphase event', () => {
  it('starts at its minute with the power asked for, and ends by itself', () => {
    const p = pair();
    const reply = p.ask(controlJob('j1'));
    expect(reply).toMatchObject({ kind: 'accepted', vendorRef: 'e0000000-0000-4000-8000-000000000001' });
    p.run(1_200_000);
    expect(p.fleet.controls).toHaveLength(1);
    expect(p.fleet.controls[0]).toMatchObject({
      atMs: START_MS + 600_000,
      control: { mode: 'discharge', powerW: 3_000, endMs: START_MS + 4_200_000, reservePctMin: 20, allowExport: true },
    });
    expect(p.fleet.powerW(0)).toBe(3_000);
    p.run(3_600_000);
    expect(p.fleet.powerW(0)).toBe(0);
    expect(p.ask({ kind: 'read-command', jobId: 'r', vendorDeviceId: '1000', vendorRef: refOf(reply) })).toEqual({
      kind: 'command-status',
      jobId: 'r',
      status: 'completed',
      detail: 'completed, delivery Delivered',
    });
  });

  it('takes at least a minute to reach the gateway when it starts at once', () => {
    const p = pair();
    p.run(30_000);
    p.ask(controlJob('j1', { startMs: START_MS }));
    p.run(300_000);
    const first = p.fleet.controls[0];
    expect(first?.atMs).toBeGreaterThanOrEqual(START_MS + 90_000);
  });

  it('charges from the grid with a negative rate, and serves only the load on the baseline path', () => {
    const charge = eventOf(controlJob('a', { mode: 'charge', reservePctMax: 80 }), 'p', START_MS);
    expect(charge).toMatchObject({ mode: 'Charge_From_PV_Grid', rate_watt: -3_000, target_soc: 80 });
    const baseline = eventOf(controlJob('b', { route: 'baseline' }), 'p', START_MS);
    expect(baseline).toMatchObject({ mode: 'Discharge_To_Load', rate_watt: 3_000, target_soc: 20 });
    expect(eventOf(controlJob('c', { mode: 'idle' }), 'p', START_MS)).toMatchObject({ mode: 'Idle', rate_watt: 0 });
  });

  it('never asks for a reserve below 10 %', () => {
    expect(eventOf(controlJob('a', { reservePctMin: 3 }), 'p', START_MS)).toMatchObject({ target_soc: 10 });
  });

  it('is refused when longer than 300 minutes or further ahead than 7 days', () => {
    const p = pair();
    const long = p.ask(controlJob('long', { endMs: START_MS + 600_000 + 301 * 60_000 }));
    expect(long).toMatchObject({ kind: 'refused', code: '400', message: 'Event duration out of range' });
    const startMs = START_MS + 7 * 86_400_000 + 120_000;
    const far = p.ask(controlJob('far', { startMs, endMs: startMs + 600_000 }));
    expect(far).toMatchObject({ kind: 'refused', message: 'Event start time can be maximum 7 days from current time' });
  });

  it('supersedes an overlapping one: the old is deleted before its start and stopped after it', () => {
    const p = pair();
    p.ask(controlJob('j1'));
    p.ask(controlJob('j2', { powerW: 1_000, notAfterMs: START_MS + 900_000 }));
    expect(p.cloud.events('1000').map((e) => e.closed)).toEqual(['deleted', null]);
    p.run(1_200_000);
    expect(p.fleet.powerW(0)).toBe(1_000);
    p.ask(controlJob('j3', { powerW: 2_000, startMs: START_MS, notAfterMs: START_MS + 9_000_000 }));
    p.run(300_000);
    expect(p.cloud.events('1000').map((e) => e.closed)).toEqual(['deleted', null, null]);
    expect(p.cloud.events('1000').map((e) => phaseOf(e, p.clock.nowMs()))).toEqual([
      'deleted',
      'completed',
      'in_progress',
    ]);
    expect(p.fleet.powerW(0)).toBe(2_000);
  });

  it('is cancelled once however often the cancel is asked for', () => {
    const p = pair();
    const vendorRef = refOf(p.ask(controlJob('j1')));
    const cancel = { kind: 'cancel', vendorDeviceId: '1000', vendorRef } as const;
    expect(p.ask({ ...cancel, jobId: 'c1' })).toEqual({ kind: 'accepted', jobId: 'c1', vendorRef });
    expect(p.ask({ ...cancel, jobId: 'c2' })).toEqual({ kind: 'accepted', jobId: 'c2', vendorRef });
    p.run(1_200_000);
    expect(p.fleet.controls).toEqual([]);
  });

  it('is ended by a reset while it runs, and the device is told', () => {
    const p = pair();
    p.ask(controlJob('j1'));
    p.run(1_200_000);
    const nowMs = p.clock.nowMs();
    expect(
      p.ask(controlJob('r', { mode: 'reset', startMs: nowMs, endMs: nowMs + 60_000, notAfterMs: nowMs + 600_000 })),
    ).toMatchObject({
      kind: 'accepted',
    });
    p.run(300_000);
    expect(p.fleet.powerW(0)).toBe(0);
    expect(p.cloud.events('1000')[0]?.closed).toBe('stopped');
  });

  it('fails when the gateway is not reached within 5 minutes of the start', () => {
    const p = pair({ deliveryFailureRatio: 1 });
    const vendorRef = refOf(p.ask(controlJob('j1')));
    p.run(600_000 + 299_000 - (p.clock.nowMs() - START_MS));
    const read = { kind: 'read-command', vendorDeviceId: '1000', vendorRef } as const;
    expect(p.ask({ ...read, jobId: 'r1' })).toMatchObject({
      status: 'in-progress',
      detail: 'in_progress, delivery Scheduled',
    });
    p.run(60_000);
    expect(p.ask({ ...read, jobId: 'r2' })).toMatchObject({
      status: 'failed',
      detail: 'failed, delivery Failed: Command not acknowledged by the gateway',
    });
    expect(p.fleet.controls).toEqual([]);
    expect(notes.map((n) => n.what)).toEqual(['delivery-failed']);
  });

  it('reaches a gateway that comes back within the 5 minutes', () => {
    const p = pair();
    p.fleet.offline.add(0);
    p.ask(controlJob('j1'));
    p.run(780_000);
    expect(p.fleet.controls).toEqual([]);
    p.fleet.offline.delete(0);
    p.run(120_000);
    expect(p.fleet.controls).toHaveLength(1);
  });

  it('is reported delivered and in progress during a storm, though the device ignores it', () => {
    const p = pair();
    p.fleet.storm.add(0);
    const vendorRef = refOf(p.ask(controlJob('j1')));
    p.run(1_200_000);
    expect(p.ask({ kind: 'read-command', jobId: 'r', vendorDeviceId: '1000', vendorRef })).toMatchObject({
      status: 'in-progress',
      detail: 'in_progress, delivery Delivered',
    });
    expect(p.fleet.powerW(0)).toBe(0);
  });

  it('is accepted and reported delivered, but never reaches the device, while the cloud swallows commands', () => {
    const p = pair({ swallowRatio: 1 });
    expect(p.ask(controlJob('j1')).kind).toBe('accepted');
    p.run(1_200_000);
    expect(p.fleet.controls).toEqual([]);
    expect(notes.map((n) => n.what)).toEqual(['swallowed', 'delivered']);
  });

  it('tells when the owner opted out', () => {
    const p = pair();
    const vendorRef = refOf(p.ask(controlJob('j1')));
    p.cloud.setOptOut('1000', true);
    expect(p.ask({ kind: 'read-command', jobId: 'r', vendorDeviceId: '1000', vendorRef })).toMatchObject({
      status: 'opted-out',
    });
    p.run(1_200_000);
    expect(p.fleet.controls).toEqual([]);
  });
});

describe('a reply lost after its effect', () => {
  const loseFirstPost = (p: Pair): void => {
    let lost = 0;
    p.wire = (r) =>
      r.method === 'POST' && r.path === '/api/v2/events' && lost++ === 0 ? { thereMs: 40, backMs: null } : GOOD;
  };

  it('is found by reading back, and nothing is sent again', () => {
    const p = pair();
    loseFirstPost(p);
    expect(p.ask(controlJob('j1'))).toMatchObject({
      kind: 'accepted',
      vendorRef: 'e0000000-0000-4000-8000-000000000001',
    });
    expect(p.posts('/api/v2/events')).toBe(1);
    expect(p.cloud.events('1000')).toHaveLength(1);
  });

  it('is unknown when reading back fails as well', () => {
    const p = pair();
    p.wire = (r) => (r.path.startsWith('/api/v2/events') ? { thereMs: 40, backMs: null } : GOOD);
    expect(p.ask(controlJob('j1'))).toMatchObject({ kind: 'unknown', jobId: 'j1' });
    expect(p.posts('/api/v2/events')).toBe(1);
    expect(p.cloud.events('1000')).toHaveLength(1);
  });

  it('is sent once more when reading back twice shows that the request never arrived', () => {
    const p = pair();
    let lost = 0;
    p.wire = (r) =>
      r.method === 'POST' && r.path === '/api/v2/events' && lost++ === 0 ? { thereMs: null, backMs: null } : GOOD;
    expect(p.ask(controlJob('j1')).kind).toBe('accepted');
    expect(p.posts('/api/v2/events')).toBe(2);
    expect(p.cloud.events('1000')).toHaveLength(1);
  });

  it('takes effect once when the network delivers the request twice', () => {
    const p = pair();
    p.wire = () => ({ ...GOOD, twice: true });
    expect(p.ask(controlJob('j1')).kind).toBe('accepted');
    expect(p.cloud.events('1000')).toHaveLength(1);
  });
});

describe('telemetry', () => {
  it('is the last upload with its own time, never the truth now', () => {
    const p = pair();
    p.run(3_600_000);
    p.fleet.socPct.set(0, 33);
    const reply = p.ask({ kind: 'read-state', jobId: 's', vendorDeviceId: '1000' });
    expect(reply).toMatchObject({
      kind: 'state',
      online: true,
      state: {
        chargePercentage: 60,
        charge: 8_100,
        backupReserve: 20,
        gridPower: 1_000,
        gridStatus: 'importing',
        strategy: 'self_consumption',
        isStormModeEnabled: true,
        isStormModeActive: false,
      },
    });
    if (reply.kind !== 'state') throw new Error('no state');
    const ageMs = p.clock.nowMs() - reply.state.sampledAtMs;
    expect(ageMs).toBeGreaterThan(0);
    expect(ageMs).toBeLessThan(900_000 + 32_000);
    p.run(1_000_000);
    expect(p.ask({ kind: 'read-state', jobId: 's2', vendorDeviceId: '1000' })).toMatchObject({
      state: { chargePercentage: 33 },
    });
  });

  it('shows discharge as positive power', () => {
    const p = pair();
    p.ask(controlJob('j1'));
    p.run(2_400_000);
    expect(p.ask({ kind: 'read-state', jobId: 's', vendorDeviceId: '1000' })).toMatchObject({
      state: { chargeRate: 3_000, chargingState: 'discharging', gridPower: -2_000, gridStatus: 'exporting' },
    });
  });

  it.each([
    ['not JSON', '<html>busy</html>'],
    ['an array', '[]'],
    [
      'a state of charge of 140 %',
      '{"status":"normal","last_report_at":1720569600,"battery_power":0,"battery_soc":140,"battery_capacity":1000,"grid_power":0}',
    ],
    [
      'a number in quotes',
      '{"status":"normal","last_report_at":1720569600,"battery_power":"0","battery_soc":50,"battery_capacity":1000,"grid_power":0}',
    ],
    [
      'null for the power',
      '{"status":"normal","last_report_at":1720569600,"battery_power":null,"battery_soc":50,"battery_capacity":1000,"grid_power":0}',
    ],
    [
      'a time in the future',
      '{"status":"normal","last_report_at":1920569600,"battery_power":0,"battery_soc":50,"battery_capacity":1000,"grid_power":0}',
    ],
    [
      'two megabytes',
      `{"status":"normal","last_report_at":1720569600,"battery_power":0,"battery_soc":50,"battery_capacity":1000,"grid_power":0,"a":"${'x'.repeat(2_000_000)}"}`,
    ],
  ])('with %s is unknown, not a state', (_what, garbage) => {
    const p = pair();
    p.wire = (r) => (r.path.endsWith('/live_status') ? { ...GOOD, garbage } : GOOD);
    expect(p.ask({ kind: 'read-state', jobId: 's', vendorDeviceId: '1000' }).kind).toBe('unknown');
  });
});

describe('enrollment', () => {
  const days = 86_400_000;
  const enroll = { kind: 'enroll', vendorDeviceId: '1000', programId: 'prog-1' } as const;
  const read = { kind: 'read-enrollment', vendorDeviceId: '1000', programId: 'prog-1' } as const;
  /** No `enrolledIn`. */
  const fresh = (behaviour: Partial<Behaviour> = {}): Pair => {
    const p = pair(behaviour);
    const clock = p.clock;
    const cloud = createEnphaseCloud({
      scheduler: clock,
      random: testRandom(1),
      fleet: p.fleet,
      devices: [{ device: 0, vendorDeviceId: '1000', zones: [], stormGuardEnabled: true }],
      behaviour: {
        deliveryFailureRatio: 0,
        enrollMsMin: 2 * days,
        enrollMsMax: 2 * days,
        enrollRejectRatio: 0,
        ...behaviour,
      },
      credentials: CREDENTIALS,
      programs: [{ programId: 'prog-1' }],
    });
    const session = createSession(enphaseDialect({ ...CREDENTIALS, programId: 'prog-1' }));
    return new OemPair({ clock, fleet: p.fleet, cloud, session }) as Pair;
  };

  it('takes an application, a test period and an approval before an event is accepted', () => {
    const p = fresh();
    expect(p.ask({ ...read, jobId: 'e0' })).toMatchObject({ kind: 'enrollment', status: 'not-enrolled' });
    expect(p.ask(controlJob('j1'))).toMatchObject({
      kind: 'refused',
      message: expect.stringContaining('No enrollments found'),
    });
    expect(p.ask({ ...enroll, jobId: 'e1' })).toMatchObject({ status: 'submitted' });
    expect(p.ask({ ...enroll, jobId: 'e2' })).toMatchObject({ status: 'submitted' });
    expect(p.posts('/api/v1/applications')).toBe(1);
    p.run(days + 1);
    expect(p.ask({ ...read, jobId: 'e3' })).toMatchObject({ status: 'submitted' });
    p.run(days);
    expect(p.ask({ ...read, jobId: 'e4' })).toMatchObject({ status: 'approved' });
    const startMs = p.clock.nowMs() + 600_000;
    const job = controlJob('j2', { startMs, endMs: startMs + 3_600_000, notAfterMs: startMs });
    expect(p.ask(job).kind).toBe('accepted');
  });

  it('may be rejected', () => {
    const p = fresh({ enrollRejectRatio: 1 });
    p.ask({ ...enroll, jobId: 'e1' });
    p.run(2 * days);
    expect(p.ask({ ...enroll, jobId: 'e2' })).toMatchObject({ status: 'rejected' });
  });
});

describe('the reserve of an Enphase site', () => {
  const order = (jobId: string, chargePercentage: number, notAfterMs = START_MS + 3_600_000) =>
    ({
      kind: 'set',
      jobId,
      vendorDeviceId: '1000',
      setting: { slug: 'battery:set-reserve', input: { chargePercentage } },
      startMs: START_MS,
      notAfterMs,
    }) as const;
  const reading = (jobId: string) => ({ kind: 'read-state', jobId, vendorDeviceId: '1000' }) as const;

  it('is written in whole percents, and read anew after that though it was read a moment ago', () => {
    const p = pair({ telemetryPeriodMs: 60_000 });
    expect(p.ask(reading('s1'))).toMatchObject({ state: { backupReserve: 20 } });
    expect(p.ask(order('j1', 34.6))).toEqual({ kind: 'accepted', jobId: 'j1', vendorRef: 'reserve/35' });
    p.run(240_000);
    expect(p.ask(reading('s2'))).toMatchObject({ state: { backupReserve: 35 } });
    expect(p.exchanges.filter((e) => e.request.method === 'PUT').map((e) => e.request.body)).toEqual([
      '{"reserve_soc":35}',
    ]);
  });

  it('is written again when the answer was lost: the second time changes nothing', () => {
    const p = pair();
    let lost = 0;
    p.wire = (r) => (r.method === 'PUT' && lost++ === 0 ? { thereMs: 40, backMs: null } : GOOD);
    expect(p.ask(order('j1', 40))).toMatchObject({ kind: 'accepted' });
    p.run(240_000);
    expect(p.fleet.reservePct.get(0)).toBe(40);
  });

  it('is not sent after its time, and is unknown then when it may have been sent before a restart', () => {
    const p = pair({ down: true });
    expect(p.ask(order('j1', 40, START_MS + 60_000))).toMatchObject({ kind: 'not-sent' });
    const again = { ...order('j2', 40, p.clock.nowMs() + 60_000), resume: true } as const;
    expect(p.ask(again)).toMatchObject({ kind: 'unknown' });
  });
});

function refOf(reply: { readonly kind: string; readonly vendorRef?: string }): string {
  if (reply.vendorRef === undefined) throw new Error(`not accepted: ${JSON.stringify(reply)}`);
  return reply.vendorRef;
}
