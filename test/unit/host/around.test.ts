import { describe, expect, test, vi } from 'vitest';
import type { CoreInput } from '../../../src/core/input.ts';
import type { Reach } from '../../../src/core/sources.ts';
import type { Approval, SiteSafety } from '../../../src/domain/safety.ts';
import { Around, type CloudLink, type SiteLink } from '../../../src/live/host/around.ts';
import { openTelemetry } from '../../../src/live/host/telemetry.ts';
import { SteppedClock } from '../../../src/live/steppedClock.ts';
import type { FieldEvent, FieldJob } from '../../../src/ports/field.ts';
import type { OemJob, OemReply } from '../../../src/ports/oem.ts';
import { Bench, batteryState, CAPABILITIES, MIN, T0 } from '../../helpers/coreBench.ts';

const PERIOD_MS = CAPABILITIES.enphase.telemetryPeriodMs;

interface Configured {
  readonly safety: SiteSafety | null;
  readonly approvals: readonly Approval[];
}

/** An outside with one cloud and one site whose links only write down what they get. */
function outside(over: { readonly stopFails?: boolean; readonly testClock?: boolean; readonly reach?: Reach } = {}) {
  const bench = new Bench();
  const clock = new SteppedClock({ startMs: T0, frozen: true });
  const jobs: OemJob[] = [];
  const fieldJobs: FieldJob[] = [];
  const configured: Configured[] = [];
  const told: { input: CoreInput; actor: string }[] = [];
  const calls: string[] = [];
  let reply: (reply: OemReply) => void = () => {};
  let event: (event: FieldEvent) => void = () => {};
  const cloud: CloudLink = {
    submit: (job) => void jobs.push(job),
    inFlight: () => 0,
    health: () => ({ ok: true, why: 'up' }),
    stop: () => {
      calls.push('cloud stopped');
      if (over.stopFails === true) throw new Error('it does not stop');
    },
  };
  const site: SiteLink = {
    start: () => void calls.push('site started'),
    submit: (job) => void fieldJobs.push(job),
    configure: (safety, approvals) => {
      calls.push('configured');
      configured.push({ safety, approvals });
    },
    inFlight: () => 0,
    health: () => ({ ok: false, why: 'down' }),
    stop: async () => void calls.push('site stopped'),
  };
  const telemetry = openTelemetry(':memory:', () => T0);
  const around = new Around({
    clock,
    testClock: over.testClock ?? true,
    capabilities: CAPABILITIES,
    clouds: new Map([
      [
        'enphase',
        (onReply) => {
          reply = onReply;
          return cloud;
        },
      ],
    ]),
    sites: new Map([
      [
        'conn-x',
        (onEvent) => {
          event = onEvent;
          return site;
        },
      ],
    ]),
    telemetry,
    reach: over.reach,
  });
  const start = (): void =>
    around.start(
      (input, actor) => void told.push({ input, actor }),
      () => bench.core.state,
    );
  /** Puts an input into the core, and what became durable before the outside. */
  const put = (input: CoreInput): void => around.onFacts(bench.put(input).facts);
  const say = { reply: (r: OemReply) => reply(r), event: (e: FieldEvent) => event(e) };
  return { around, bench, clock, jobs, fieldJobs, configured, told, calls, telemetry, start, put, say };
}

const read = (jobId: string): OemJob => ({ kind: 'read-state', jobId, vendorDeviceId: 'v-a' });
const state = (jobId: string, atMs: number): OemReply => ({
  kind: 'state',
  jobId,
  vendorDeviceId: 'v-a',
  state: batteryState(13_500, atMs, {}),
  online: true,
});
const range = { fromMs: 0, toMs: T0 + 1_000 * MIN, limit: 10 };

describe('what surrounds a plant', () => {
  test('a reply goes to the device that its job was for, once', () => {
    const o = outside();
    o.start();
    for (const [deviceId, jobId] of [
      ['a', 'j1'],
      ['b', 'j2'],
    ] as const) {
      o.around.perform({ kind: 'oem', oem: 'enphase', deviceId, job: read(jobId) });
    }
    o.say.reply(state('j2', T0));
    o.say.reply(state('j1', T0));
    o.say.reply(state('j1', T0));
    o.say.reply(state('nobody', T0));
    expect(o.told.map(({ input, actor }) => ['deviceId' in input ? input.deviceId : '', actor])).toEqual([
      ['b', 'cloud/enphase'],
      ['a', 'cloud/enphase'],
    ]);
    expect([o.telemetry.states('a', range).length, o.telemetry.states('b', range).length]).toEqual([1, 1]);
  });

  test('a cloud or a site that is not configured answers that nothing was sent', async () => {
    const o = outside();
    o.start();
    o.around.perform({ kind: 'oem', oem: 'tesla', deviceId: 't', job: read('j1') });
    o.around.perform({
      kind: 'field',
      deviceId: 'y',
      connectionId: 'conn-y',
      job: { kind: 'release', jobId: 'j2' },
    });
    expect(o.told).toEqual([]);
    await o.clock.advanceTo(T0);
    expect(o.told).toEqual([
      {
        actor: 'cloud/tesla',
        input: {
          kind: 'oem-reply',
          deviceId: 't',
          reply: { kind: 'not-sent', jobId: 'j1', message: 'no connection to tesla is configured' },
        },
      },
      {
        actor: 'site/conn-y',
        input: {
          kind: 'field-event',
          deviceId: 'y',
          event: {
            kind: 'reply',
            reply: { kind: 'refused', jobId: 'j2', why: 'no connection conn-y is configured' },
          },
        },
      },
    ]);
  });

  test('a device is read at once when it is connected, and then once a period', async () => {
    const o = outside();
    o.bench.device('enphase', 'known', { observed: false });
    o.start();
    const site = { siteId: 's', workspaceId: 'ws', customerId: 'c', name: 's', timeZone: 'UTC' };
    o.put({ kind: 'create-site', site });
    const known = o.bench.core.state.devices.get('known')?.device;
    if (known === undefined) throw new Error('the bench has it');
    const source = { kind: 'oem', oem: 'enphase', vendorDeviceId: 'v-new' } as const;
    o.put({ kind: 'connect-device', device: { ...known, deviceId: 'new', siteId: 's', source } });
    await o.clock.advanceTo(T0);
    const ids = (): string[] => o.jobs.splice(0).map((j) => `${j.kind} ${j.vendorDeviceId}`);
    expect(ids()).toEqual(['read-state v-known', 'read-state v-new']);
    await o.clock.advanceTo(T0 + PERIOD_MS);
    expect(ids().sort()).toEqual(['read-state v-known', 'read-state v-new']);
    await o.clock.advanceTo(T0 + 11 * PERIOD_MS);
    expect(ids()).toHaveLength(20);
  });

  test('a device of a cloud that is not configured is not read', async () => {
    const o = outside();
    o.bench.device('solaredge', 's', { observed: false });
    o.start();
    await o.clock.advanceTo(T0 + 3 * PERIOD_MS);
    expect([o.jobs, o.told]).toEqual([[], []]);
  });

  test('the gate of a site knows its limits before the link starts, and each change when it is durable', () => {
    const o = outside();
    o.bench.device('dnp3', 'x', { safety: 'unapproved' });
    o.start();
    expect(o.calls.at(-1)).toBe('site started');
    expect(o.configured.at(-1)).toMatchObject({ safety: { dischargeWMax: 5_000 }, approvals: [] });
    const approval = {
      approvalId: 'ap',
      siteId: 'site-x',
      requestedBy: 'ana',
      approvedBy: 'ben',
      fromMs: T0,
      untilMs: T0 + 60 * MIN,
      chargeWMax: 1_000,
      dischargeWMax: 1_000,
      mapRevision: 'r1',
    };
    o.put({ kind: 'approve-control', approval });
    expect(o.configured.at(-1)?.approvals.map((a) => a.approvalId)).toEqual(['ap']);
    o.put({ kind: 'emergency-stop', deviceId: 'x', actor: 'ana' });
    expect(o.configured.at(-1)?.approvals).toEqual([]);
    const { length } = o.configured;
    o.put({ kind: 'create-customer', customer: { customerId: 'c', workspaceId: 'ws', name: 'C' } });
    expect(o.configured).toHaveLength(length);
  });

  test('a setpoint finds the gate as the state is, and a stop does not wait for it', () => {
    const o = outside();
    o.bench.device('dnp3', 'x');
    o.start();
    const { length } = o.configured;
    const at = { kind: 'field', deviceId: 'x', connectionId: 'conn-x' } as const;
    o.around.perform({ ...at, job: { kind: 'emergency-stop', jobId: 'j1' } });
    expect(o.configured).toHaveLength(length);
    o.around.perform({ ...at, job: { kind: 'setpoint', jobId: 'j2', powerW: 1, startMs: T0, endMs: T0 + MIN } });
    expect(o.configured).toHaveLength(length + 1);
    expect(o.fieldJobs.map((j) => j.kind)).toEqual(['emergency-stop', 'setpoint']);
  });

  test('what a site says reaches its device; raw points are kept and not told', () => {
    const o = outside();
    o.bench.device('dnp3', 'x');
    const early = outside();
    early.start();
    early.say.event({ kind: 'link', up: true });
    expect(early.told).toEqual([]);
    o.start();
    o.say.event({ kind: 'link', up: true });
    o.say.event({ kind: 'state', state: batteryState(13_500, T0, {}), local: false });
    const point = { type: 'AI', index: 1, value: 2, flags: 1, atMs: T0 } as const;
    o.say.event({ kind: 'points', points: [{ ...point, timeQuality: 'received', source: 'static' }] });
    expect(o.told.map(({ input, actor }) => [actor, input.kind === 'field-event' ? input.event.kind : ''])).toEqual([
      ['site/conn-x', 'link'],
      ['site/conn-x', 'state'],
    ]);
    expect([o.telemetry.states('x', range).length, o.telemetry.points('x', range).length]).toEqual([1, 1]);
  });

  test('a device whose site or cloud is another workspace’s by now is cut off: nothing goes there, nothing is heard', async () => {
    const reach = { sites: new Map([['conn-x', 'other']]), clouds: new Map([['enphase' as const, 'other']]) };
    const o = outside({ reach });
    o.bench.device('dnp3', 'x');
    o.bench.device('enphase', 'e', { observed: false });
    o.start();
    expect([o.calls, o.configured]).toEqual([['site started'], []]);
    o.say.event({ kind: 'state', state: batteryState(13_500, T0, {}), local: false });
    const setpoint = { kind: 'setpoint', jobId: 'j1', powerW: 1, startMs: T0, endMs: T0 + MIN } as const;
    o.around.perform({ kind: 'field', deviceId: 'x', connectionId: 'conn-x', job: setpoint });
    o.around.perform({ kind: 'oem', oem: 'enphase', deviceId: 'e', job: read('j2') });
    await o.clock.advanceTo(T0 + PERIOD_MS);
    expect([o.fieldJobs, o.jobs, o.telemetry.states('x', range)]).toEqual([[], [], []]);
    expect(o.told.map(({ input }) => input)).toMatchObject([
      { deviceId: 'x', event: { reply: { kind: 'refused', jobId: 'j1' } } },
      { deviceId: 'e', reply: { kind: 'not-sent', jobId: 'j2' } },
    ]);
  });

  test('every part says how it is', () => {
    const o = outside();
    o.start();
    expect(o.around.health()).toEqual({
      'cloud/enphase': { ok: true, why: 'up' },
      'site/conn-x': { ok: false, why: 'down' },
    });
  });

  test.each([
    ['set forward', 3_600, '3600 s'],
    ['set back', -7_200, '-7200 s'],
  ])("the machine's clock that was %s is told, where the plant goes by the machine's", (_how, byS, words) => {
    const o = outside({ testClock: false });
    o.start();
    const now = vi.spyOn(Date, 'now').mockImplementation(() => o.clock.nowMs() + byS * 1_000);
    expect(o.around.health().clock).toEqual({ ok: false, why: expect.stringContaining(words) });
    now.mockImplementation(() => o.clock.nowMs() + 2_000);
    expect(o.around.health().clock).toBeUndefined();
    now.mockRestore();
  });

  test('after it is stopped nothing is told and nothing is read, though a link did not stop', async () => {
    const o = outside({ stopFails: true });
    o.bench.device('enphase', 'a');
    o.start();
    o.around.perform({ kind: 'oem', oem: 'enphase', deviceId: 'a', job: read('j1') });
    await expect(o.around.stop()).rejects.toThrow('it does not stop');
    o.say.reply(state('j1', T0));
    const { length } = o.jobs;
    await o.clock.advanceTo(T0 + 3 * PERIOD_MS);
    expect([o.told, o.jobs.length]).toEqual([[], length]);
    expect(o.calls).toEqual(expect.arrayContaining(['cloud stopped', 'site stopped']));
  });
});
