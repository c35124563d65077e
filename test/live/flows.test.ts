import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DEMO } from '../../harness/serve/demo.ts';
import { DEFAULT_REVISION } from '../../src/domain/pointsMap.ts';
import { type Flows, HOUR, MINUTE, openFlows, wires } from './flowsBench.ts';

/**
 * What the service promises of its flows, once over calls in virtual time and once over sockets: the same assertions, all
 * of them on what a client of the API sees, on webhooks, and on what the makers' clouds were told.
 */
describe.each(wires())('over %s', (wire) => {
  let flows: Flows;
  beforeAll(async () => {
    flows = await openFlows(wire);
  });
  afterAll(() => flows?.close());

  const types = (id: string): string[] => flows.hooksAbout(id).map(({ type }) => type);
  const commandNow = (id: string) => flows.get(`/v1/commands/${id}`);
  /** How a command ended. */
  const ended = async (id: string): Promise<string> => {
    const { status, reason } = await commandNow(id);
    return `${status} ${reason}`;
  };

  test('enrollment: a grid command is refused until the maker has approved the device, and each step is told', async () => {
    const deviceId = await flows.battery('enphase', 0);
    const command = flows.command(deviceId, 1_500);
    expect(await flows.refused('POST', '/v1/commands', command)).toBe('409 not_enrolled');

    const { id } = await flows.made('POST', `/v1/programs/${DEMO.programId}/enrollments`, { deviceId });
    await flows.advance(30 * MINUTE);
    expect((await flows.get(`/v1/enrollments/${id}`)).status).toBe('submitted');
    expect(await flows.refused('POST', '/v1/commands', command)).toBe('409 enrollment_pending');

    await flows.advance(HOUR);
    expect((await flows.get(`/v1/enrollments/${id}`)).status).toBe('approved');
    const { id: commandId } = await flows.made('POST', '/v1/commands', command);
    await flows.advance(90 * MINUTE);
    expect(await commandNow(commandId)).toMatchObject({
      status: 'succeeded',
      reason: 'effect_seen',
      route: 'grid_services',
    });

    expect((await flows.made('DELETE', `/v1/enrollments/${id}`)).status).toBe('unenrolled');
    expect(await flows.refused('POST', '/v1/commands', command)).toBe('409 not_enrolled');
    await flows.advance(1_000);
    expect(types(id)).toEqual([
      'enrollment.created',
      'enrollment.status_changed',
      'enrollment.submitted',
      'enrollment.approved',
      'enrollment.status_changed',
    ]);
    const told = flows.hooksAbout(id).map(({ data }) => data.status);
    expect(told).toEqual(['candidate', 'eligible', 'submitted', 'approved', 'unenrolled']);
  });

  test('Storm Guard: a battery in a storm ignores commands, also one that its cloud took', async () => {
    const deviceId = await flows.enrolled('enphase', 1);
    const vendorDeviceId = flows.vendorId('enphase', 1);
    const cloud = flows.cloud('enphase');
    const before = flows.sentTo('enphase', vendorDeviceId).length;

    await flows.justSeen(deviceId);
    cloud.storm({ vendorDeviceId }, true);
    // The service cannot know it yet: the cloud takes the command, the battery does not.
    const { id: early } = await flows.made('POST', '/v1/commands', flows.command(deviceId, 1_500));
    await flows.advance(MINUTE);
    expect((await commandNow(early)).status).toBe('acknowledged');
    expect(flows.sentTo('enphase', vendorDeviceId)).toHaveLength(before + 1);
    await flows.advance(16 * MINUTE);
    expect((await flows.get(`/v1/devices/${deviceId}`)).isStormModeActive).toBe(true);
    expect(await ended(early)).toBe('ignored storm_guard');

    const late = await flows.made('POST', '/v1/commands', flows.command(deviceId, 1_500));
    expect([late.status, late.reason]).toEqual(['ignored', 'storm_guard']);
    await flows.advance(90 * MINUTE);
    expect(await ended(late.id)).toBe('ignored storm_guard');
    expect(flows.sentTo('enphase', vendorDeviceId), 'the second one never left').toHaveLength(before + 1);

    cloud.storm({ vendorDeviceId }, false);
    await flows.advance(16 * MINUTE);
    const { id: after } = await flows.made('POST', '/v1/commands', flows.command(deviceId, 1_500));
    await flows.advance(90 * MINUTE);
    expect(await ended(after)).toBe('succeeded effect_seen');

    expect(types(early)).toEqual(['command.failed']);
    expect(flows.hooksAbout(late.id)[0]?.data).toMatchObject({ status: 'ignored', reason: 'storm_guard' });
    const storms = flows.hooksAbout(deviceId).filter(({ type, data }) => type === 'device.updated' && 'state' in data);
    expect(storms.map(({ data }) => data.state.isStormModeActive)).toEqual([true, false]);
  });

  test('a batch by tag commands who can take it and names who cannot; all or nothing commands nobody', async () => {
    const one = await flows.enrolled('enphase', 2, ['north']);
    const two = await flows.battery('solaredge', 0, ['north']);
    const not = await flows.battery('enphase', 3, ['north']);
    const input = { operatingMode: 'discharge', enableGridInteraction: true, powerW: 1_500 };
    const batch = { tag: 'north', command: { slug: 'battery:set-operating-mode', input } };
    const all = { ...batch, allOrNothing: true };
    expect(await flows.refused('POST', '/v1/batch-commands', all)).toMatch(/^422 /);

    const made = await flows.made('POST', '/v1/batch-commands', batch);
    expect(made.skipped.map((s: { deviceId: string }) => s.deviceId)).toEqual([not]);
    expect(made.skipped[0].reason).toMatch(/enroll/);
    await flows.advance(2 * HOUR);
    const { commands } = await flows.get(`/v1/batch-commands/${made.id}`);
    const outcome = Object.fromEntries(
      commands.map((c: { deviceId: string; status: string }) => [c.deviceId, c.status]),
    );
    expect(outcome).toEqual({ [one]: 'succeeded', [two]: 'succeeded' });
    for (const { id } of commands) expect(types(id)).toEqual(['command.succeeded']);
    expect(flows.sentTo('enphase', flows.vendorId('enphase', 3))).toEqual([]);
  });

  test('a schedule commands at its times, not while it is paused, and says when it comes next', async () => {
    const deviceId = await flows.battery('solaredge', 1);
    const first = Math.ceil(flows.clock.nowMs() / HOUR) * HOUR + HOUR;
    const hour = new Date(first).getUTCHours();
    const made = await flows.made('POST', '/v1/schedules', {
      name: 'twice',
      target: { kind: 'device', deviceId },
      timing: { kind: 'cron', expression: `0 ${hour},${(hour + 2) % 24},${(hour + 4) % 24} * * *`, timeZone: 'UTC' },
      command: {
        slug: 'battery:set-operating-mode',
        input: { operatingMode: 'discharge', enableGridInteraction: true, powerW: 1_000 },
        durationS: 3_600,
      },
    });
    const path = `/v1/schedules/${made.id}`;
    const iso = (ms: number): string => new Date(ms).toISOString().replace('.000Z', 'Z');
    const same = (text: string, ms: number): void => expect(Date.parse(text), text).toBe(ms);
    same(made.nextAt, first);
    const { data: preview } = await flows.get(`${path}/preview?count=2`);
    expect(preview.map((p: { at: string }) => iso(Date.parse(p.at)))).toEqual([iso(first), iso(first + 2 * HOUR)]);

    await flows.advance(first - flows.clock.nowMs() + 90 * MINUTE);
    const fired = await flows.get(path);
    expect(fired.fired).toBe(1);
    same(fired.last.dueAt, first);
    same(fired.nextAt, first + 2 * HOUR);
    const { data: commands } = await flows.get(`/v1/devices/${deviceId}/commands`);
    expect(commands).toHaveLength(1);
    expect(commands[0].cause).toMatchObject({ kind: 'schedule', scheduleId: made.id });
    same(commands[0].startsAt, first);
    expect(await ended(commands[0].id)).toBe('succeeded effect_seen');

    await flows.made('POST', `${path}/pause`);
    await flows.advance(90 * MINUTE);
    expect((await flows.get(path)).status).toBe('paused');
    await flows.made('POST', `${path}/resume`);
    await flows.advance(2 * HOUR);
    expect((await flows.get(path)).fired, 'what it missed is not made up for').toBe(2);
    const again = await flows.get(`/v1/devices/${deviceId}/commands`);
    expect(again.data.map((c: { startsAt: string }) => Date.parse(c.startsAt))).toEqual([first + 4 * HOUR, first]);
    expect(types(made.id).filter((t) => t === 'schedule.fired')).toHaveLength(2);
    await flows.made('DELETE', path);
    expect(await flows.refused('GET', path)).toBe('404 not_found');
  });

  test('an automation fires on what it sees, says what it saw, and commands the device', async () => {
    const deviceId = await flows.battery('solaredge', 2, ['watched']);
    const soc: number = (await flows.get(`/v1/devices/${deviceId}`)).state.chargePercentage;
    const { id } = await flows.made('POST', '/v1/automations', overFull(soc + 10));
    await flows.advance(16 * MINUTE);
    expect((await flows.get(`/v1/automations/${id}`)).firings, 'it is not that full').toBe(0);

    const input = { operatingMode: 'charge', enableGridInteraction: true, powerW: 4_000 };
    const { id: charging } = await flows.made('POST', '/v1/commands', { deviceId, input });
    await flows.advance(50 * MINUTE);
    expect((await flows.get(`/v1/automations/${id}`)).firings).toBe(1);
    expect(await ended(charging), 'the newer command takes its place').toBe('superseded newer_command');
    const { data: commands } = await flows.get(`/v1/devices/${deviceId}/commands`);
    expect(commands.map((c: { cause: { kind: string } }) => c.cause.kind)).toEqual(['automation', 'operator']);
    expect(commands[0].cause).toMatchObject({ automationId: id, depth: 1 });
    const [fired, ...others] = flows.hooksAbout(id);
    expect([fired?.type, others]).toEqual(['automation.triggered', []]);
    const { seen, outcomes, subject } = fired?.data ?? {};
    expect(subject).toBe(deviceId);
    expect(seen[0]).toMatchObject({ what: `chargePercentage of ${deviceId}`, value: expect.any(Number) });
    expect(seen[0].value).toBeGreaterThan(soc + 10);
    expect(seen[0].atMs, 'when it was measured').toBeLessThanOrEqual(Date.parse(commands[0].createdAt));
    expect(outcomes).toEqual([{ kind: 'command', deviceId, commandId: commands[0].id }]);
    await flows.advance(2 * HOUR);
    expect(await ended(commands[0].id)).toBe('succeeded effect_seen');
    expect((await flows.get(`/v1/automations/${id}`)).firings, 'once a day').toBe(1);
  });

  test('a price stops a charger for its time, and what stood before is set back', async () => {
    const deviceId = await flows.appliance('charger', ['flexible']);
    const state = async () => (await flows.get(`/v1/devices/${deviceId}`)).state;
    for (let n = 0; n < 200 && (await state()).chargingState !== 'charging'; n++) await flows.advance(15 * MINUTE);
    expect(await state(), 'somebody comes home and plugs in').toMatchObject({ isPluggedIn: true });

    const { id } = await flows.made('POST', '/v1/automations', whenDear());
    const series = { node: 'HOME', market: 'real-time', startsAt: flows.at(0), stepS: 600 };
    await flows.made('POST', '/v1/prices', { ...series, usdPerMwh: [50, 500, 500, 50] });
    await flows.advance(9 * MINUTE);
    expect((await flows.get(`/v1/automations/${id}`)).firings).toBe(0);

    await flows.advance(8 * MINUTE);
    expect(flows.openCloud('charger').state).toMatchObject({ chargingState: 'idle', isPluggedIn: true });
    const { data: told } = await flows.get(`/v1/devices/${deviceId}/commands`);
    expect(told.map((c: { cause: { kind: string } }) => c.cause.kind)).toEqual(['automation']);
    await flows.advance(18 * MINUTE);
    expect(await ended(told[0].id)).toBe('succeeded effect_seen');
    const [fired, ...others] = flows.hooksAbout(id);
    expect([fired?.type, others]).toEqual(['automation.triggered', []]);
    expect(fired?.data.outcomes).toEqual([{ kind: 'command', deviceId, commandId: told[0].id }]);

    await flows.advance(30 * MINUTE);
    expect(await state()).toMatchObject({ chargingState: 'charging' });
    const { data: since } = await flows.get(`/v1/devices/${deviceId}/commands`);
    expect(since[0].cause).toMatchObject({ kind: 'restore', commandId: told[0].id });
    expect(flows.openCloud('charger').commands.map((c) => [c.status, c.effects])).toEqual([
      ['applied', 1],
      ['applied', 1],
    ]);
  });

  test('cancel: before its start no call is made, a cloud that plans by itself forgets it, and a running one ends', async () => {
    const window = { startsAt: flows.at(2 * HOUR), endsAt: flows.at(3 * HOUR) };
    const input = { operatingMode: 'charge', powerW: 2_000 };
    const teslaId = await flows.battery('tesla', 0);
    const enphaseId = await flows.enrolled('enphase', 4);
    const vendorId = flows.vendorId('enphase', 4);
    const told = () => flows.cloud('tesla').shown().devices[0]?.controls.length;
    const before = told();
    const charge = { operatingMode: 'charge' };
    const later = { deviceId: teslaId, input: charge, ...window };
    const { id: held } = await flows.made('POST', '/v1/commands', later);
    const { id: planned } = await flows.made('POST', '/v1/commands', { deviceId: enphaseId, input, ...window });
    await flows.advance(10 * MINUTE);
    expect((await commandNow(held)).status).toBe('accepted');
    expect((await commandNow(planned)).status).toBe('acknowledged');
    for (const id of [held, planned, held]) {
      expect((await flows.made('DELETE', `/v1/commands/${id}`)).status).toBe('cancelled');
    }
    await flows.advance(4 * HOUR);
    expect(told(), 'nothing was said to the battery').toBe(before);
    const [kept, ...others] = flows.sentTo('enphase', vendorId);
    expect([kept?.phase, kept?.delivery, others.length]).toEqual(['deleted', 'Cancelled', 0]);
    expect(flows.cloud('enphase').shown().devices[4]?.controlsTaken).toBe(0);
    for (const id of [held, planned]) {
      expect(await ended(id)).toBe('cancelled cancelled_by_actor');
      expect(types(id)).toEqual(['command.failed']);
    }

    const { id: running } = await flows.made('POST', '/v1/commands', { deviceId: enphaseId, input });
    await flows.advance(20 * MINUTE);
    await flows.made('DELETE', `/v1/commands/${running}`);
    await flows.advance(MINUTE);
    expect(await ended(running)).toBe('cancelled cancelled_by_actor');
    expect(flows.sentTo('enphase', vendorId).map(({ phase }) => phase)).toEqual(['deleted', 'stopped']);
  });

  describe('a site of 10 MW', () => {
    const safety = { watchdog: { timeoutMs: 60_000 }, chargeWMax: 5_000_000, dischargeWMax: 5_000_000 };
    let siteId: string;
    let deviceId: string;
    beforeAll(async () => {
      ({ siteId, deviceId } = await flows.bess());
      await flows.person('cleo', ['read', 'write:safety', 'approve:control']);
    });
    const configure = (over: object = {}) => flows.made('PUT', `/v1/sites/${siteId}/safety`, { ...safety, ...over });
    const askFor = async (by = 'ana'): Promise<string> => {
      const window = { from: flows.at(0), until: flows.at(24 * HOUR) };
      const power = { chargeWMax: 3_000_000, dischargeWMax: 3_000_000 };
      const body = { ...window, ...power, mapRevision: DEFAULT_REVISION };
      return (await flows.made('POST', `/v1/sites/${siteId}/approvals`, body, by)).id;
    };
    const approve = (id: string, by: string) => flows.refused('POST', `/v1/approvals/${id}/approve`, undefined, by);
    const discharge = async (powerW: number): Promise<string> =>
      (await flows.made('POST', '/v1/commands', flows.command(deviceId, powerW))).id;
    const powerW = async (): Promise<number> => (await flows.get(`/v1/devices/${deviceId}`)).state.chargeRate;

    test('no control without safety configuration and the approval of a second person; a change voids it', async () => {
      expect(await ended(await discharge(2_000_000))).toBe('rejected site_not_controllable');
      await configure();
      expect(await ended(await discharge(2_000_000))).toBe('rejected site_not_controllable');

      const [refused, own, given] = [await askFor(), await askFor('cleo'), await askFor()];
      expect(await approve(refused, 'ana')).toBe('403 missing_scope');
      expect(await approve(own, 'cleo'), 'not by who asked').toBe('403 forbidden');
      await flows.made('POST', `/v1/approvals/${refused}/refuse`, { why: 'not today' }, 'ben');
      expect(await ended(await discharge(2_000_000)), 'none is given yet').toBe('rejected site_not_controllable');
      expect(await approve(given, 'ben')).toBe('200 taken');
      const statuses = async () => {
        const { data } = await flows.get(`/v1/approvals?siteId=${siteId}`);
        return Object.fromEntries(data.map((a: { id: string; status: string }) => [a.id, a.status]));
      };
      expect(await statuses()).toEqual({ [refused]: 'refused', [own]: 'pending', [given]: 'approved' });

      expect(await ended(await discharge(4_000_000)), 'more than was approved').toBe('rejected site_not_controllable');
      const running = await discharge(2_000_000);
      await flows.advance(MINUTE);
      expect([(await commandNow(running)).status, await powerW()]).toEqual(['acknowledged', 2_000_000]);

      await configure({ dischargeWMax: 4_000_000 });
      expect(await statuses()).toEqual({ [refused]: 'refused', [own]: 'void', [given]: 'void' });
      expect(await ended(running)).toBe('cancelled site_not_controllable');
      await flows.advance(MINUTE);
      expect(await powerW(), 'the site is released').toBe(0);
      expect(types(running)).toEqual(['command.failed']);
    });

    test('an emergency stop is at the site within a second, is latched, and takes two persons to release', async () => {
      await configure();
      const leave = await askFor();
      expect(await approve(leave, 'ben')).toBe('200 taken');
      const running = await discharge(2_000_000);
      await flows.advance(MINUTE);
      expect(await powerW()).toBe(2_000_000);

      const path = `/v1/devices/${deviceId}`;
      expect((await flows.made('POST', `${path}/emergency-stop`)).isStopped).toBe(true);
      await flows.advance(1_000);
      const { state } = await flows.get(path);
      expect([state.chargeRate, state.chargingState]).toEqual([0, 'idle']);
      expect(await ended(running)).toBe('cancelled cancelled_by_actor');
      expect((await flows.get(`/v1/approvals/${leave}`)).status).toBe('void');

      await flows.advance(HOUR);
      expect((await flows.get(`${path}/emergency-stop`)).isStopped, 'it stays').toBe(true);
      expect(await flows.refused('POST', '/v1/commands', flows.command(deviceId, 1_000_000))).toBe('409 conflict');
      expect(await approve(await askFor(), 'ben')).toBe('409 conflict');

      expect(await flows.refused('POST', `${path}/release/confirm`, undefined, 'ben')).toBe('409 conflict');
      await flows.made('POST', `${path}/release/request`, undefined, 'cleo');
      expect(await flows.refused('POST', `${path}/release/confirm`, undefined, 'cleo')).toBe('403 forbidden');
      expect(await flows.refused('POST', `${path}/release/confirm`)).toBe('403 missing_scope');
      expect((await flows.get(`${path}/emergency-stop`)).isStopped).toBe(true);
      expect((await flows.made('POST', `${path}/release/confirm`, undefined, 'ben')).isStopped).toBe(false);
      expect(await ended(await discharge(1_000_000)), 'it wants a new approval').toBe('rejected site_not_controllable');
    });
  });

  test('a stop of everything reaches the batteries behind clouds, too', async () => {
    const deviceId = await flows.enrolled('enphase', 5, ['stop-me']);
    const { id: running } = await flows.made('POST', '/v1/commands', flows.command(deviceId, 1_500));
    await flows.advance(20 * MINUTE);
    const { deviceIds } = await flows.made('POST', '/v1/emergency-stop', { tag: 'stop-me' });
    expect(deviceIds).toEqual([deviceId]);
    await flows.advance(MINUTE);
    expect(await ended(running)).toBe('cancelled cancelled_by_actor');
    expect(flows.sentTo('enphase', flows.vendorId('enphase', 5)).map(({ phase }) => phase)).toEqual(['stopped']);
    expect(await flows.refused('POST', '/v1/commands', flows.command(deviceId, 1_500))).toBe('409 conflict');
  });
});

const overFull = (value: number) => ({
  name: 'full enough',
  enabled: true,
  when: {
    kind: 'telemetry',
    watch: { kind: 'tag', tag: 'watched' },
    metric: 'chargePercentage',
    comparison: 'above',
    value,
    forMs: 0,
    hysteresis: 2,
  },
  conditions: [{ kind: 'storm', active: false }],
  target: { kind: 'triggering-device' },
  action: {
    kind: 'command',
    command: {
      slug: 'battery:set-operating-mode',
      input: { operatingMode: 'discharge', enableGridInteraction: true, powerW: 1_000 },
    },
    durationMs: HOUR,
  },
  cooldownMs: 6 * HOUR,
  firingsPerDayMax: 1,
  timeZone: 'America/Los_Angeles',
});

const whenDear = () => ({
  name: 'dear',
  enabled: true,
  when: { kind: 'price', node: 'HOME', market: 'real-time', comparison: 'above', usdPerMwh: 200 },
  conditions: [{ kind: 'state', field: 'chargingState', is: 'charging' }],
  target: { kind: 'tag', tag: 'flexible' },
  action: {
    kind: 'command',
    command: { slug: 'charger:set-operating-mode', input: { operatingMode: 'stop-charging' } },
    durationMs: 30 * MINUTE,
  },
  cooldownMs: HOUR,
  firingsPerDayMax: 3,
  timeZone: 'America/Los_Angeles',
});
