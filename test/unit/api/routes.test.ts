import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ApiBench, openApi, type Reply, type Tenant } from '../../helpers/apiBench.ts';
import { approval, automation, destination, type Seed, safety, seed } from '../../helpers/apiSeed.ts';
import { batteryState, HOUR } from '../../helpers/coreBench.ts';

/** What the routes do beyond their form, which the matrix has. */
let api: ApiBench;
let tenant: Tenant;
let ids: Seed;
beforeAll(async () => {
  api = await openApi();
  tenant = await api.tenant();
  ids = await seed(api, tenant);
});
afterAll(() => api.close());

const get = (path: string): Promise<Reply> => api.get(path, { key: tenant.key });
const post = (path: string, body: unknown = {}, key = tenant.key): Promise<Reply> => api.post(path, body, { key });
const put = (path: string, body: unknown): Promise<Reply> => api.request('PUT', path, { key: tenant.key, body });
const idsOf = (reply: Reply): string[] => reply.body.data.map((x: { id: string }) => x.id);

describe('the fleet', () => {
  test('devices are found by tag, type, site and words; tags are counted', async () => {
    const device = api.device(tenant.workspaceId, { name: 'Garage', referenceId: 'R-77', tags: ['south'] });
    expect(idsOf(await get('/v1/devices?search=garage'))).toEqual([device]);
    expect(idsOf(await get('/v1/devices?search=r-77'))).toEqual([device]);
    expect(idsOf(await get('/v1/devices?tag=south'))).toEqual([device]);
    expect(idsOf(await get('/v1/tags/south/devices'))).toEqual([device]);
    expect(idsOf(await get('/v1/devices?type=bess')).length).toBe(1);
    expect(idsOf(await get(`/v1/devices?siteId=${ids.siteId}`))).toContain(ids.deviceId);
    const tags = (await get('/v1/tags')).body.data;
    expect(tags).toContainEqual({ tag: 'south', devices: 1 });
    await put(`/v1/devices/${device}/tags`, { tags: [] });
    expect((await get('/v1/tags')).body.data.map((t: { tag: string }) => t.tag)).not.toContain('south');
  });

  test('a device shows its newest state in the names of the battery model', async () => {
    api.observe(tenant.workspaceId, ids.deviceId ?? '', { chargePercentage: 50, isStormModeActive: true });
    const { body } = await get(`/v1/devices/${ids.deviceId}`);
    expect(body).toMatchObject({
      type: 'battery',
      isStormModeActive: true,
      state: { charge: 6_750, chargePercentage: 50, isStormModeActive: true, createdAt: '2024-07-10T22:00:00.000Z' },
    });
    api.observe(tenant.workspaceId, ids.deviceId ?? '');
  });

  test('one physical device is connected once in a workspace', async () => {
    const known = (await get(`/v1/devices/${ids.deviceId}`)).body.manufacturerDeviceId;
    const source = { kind: 'oem', oem: 'tesla', vendorDeviceId: known };
    const nameplate = { usableWh: 1, chargeWMax: 1, dischargeWMax: 1 };
    const body = { siteId: ids.siteId, type: 'battery', manufacturer: 'T', model: 'M', nameplate, source };
    expect((await post('/v1/devices', body)).status).toBe(409);
  });

  test('pages follow each other without a hole, also when the last one shown is gone from the filter', async () => {
    const made = Array.from({ length: 5 }, () => api.device(tenant.workspaceId, { tags: ['page'] }));
    const first = await get('/v1/devices?tag=page&limit=2');
    expect(idsOf(first)).toEqual(made.slice(0, 2));
    await put(`/v1/devices/${made[1]}/tags`, { tags: [] });
    const second = await get(`/v1/devices?tag=page&limit=2&cursor=${first.body.nextCursor}`);
    expect(idsOf(second)).toEqual(made.slice(2, 4));
    const third = await get(`/v1/devices?tag=page&limit=2&cursor=${second.body.nextCursor}`);
    expect([idsOf(third), third.body.nextCursor]).toEqual([made.slice(4), null]);
  });
});

describe('events and partners', () => {
  test('two workspaces may give a resource and an event the same name, and see their own', async () => {
    const other = await api.tenant();
    const theirs = await seed(api, other);
    expect(idsOf(await get('/v1/resources'))).toEqual(['ev-fleet']);
    const mine = await get('/v1/resources/ev-fleet');
    const foreign = await api.get('/v1/resources/ev-fleet', { key: other.key });
    expect(mine.body.deviceIds).toEqual([ids.deviceId]);
    expect(foreign.body.deviceIds).toEqual([theirs.deviceId]);
    const at = (n: number) => new Date(api.service.nowMs + n * HOUR).toISOString();
    const offer = (programId: string | undefined) => ({
      id: 'summer-1',
      programId,
      kind: 'incentive',
      intervals: [{ startsAt: at(30), endsAt: at(31), targetW: 1_000 }],
    });
    expect((await post('/v1/events', offer(ids.programId))).body.id).toBe('summer-1');
    expect((await post('/v1/events', offer(theirs.programId), other.key)).body.id).toBe('summer-1');
    expect((await get('/v1/events/summer-1')).body.programId).toBe(ids.programId);
    expect((await post('/v1/events', offer(ids.programId))).status).toBe(409);
  });

  test('an answer opts devices out, a change of mind brings them back, a report is read back', async () => {
    const path = `/v1/events/${ids.eventId}`;
    await post(`${path}/answers`, { resourceId: 'ev-fleet', answer: 'opt-out' });
    expect((await get(path)).body.optedOutDeviceIds).toEqual([ids.deviceId]);
    await post(`${path}/answers`, { resourceId: 'ev-fleet', answer: 'opt-in' });
    expect((await get(path)).body.optedOutDeviceIds).toEqual([]);
    const readings = [{ startsAt: '2024-07-10T21:00:00Z', endsAt: '2024-07-10T21:15:00Z', usageWh: -250 }];
    const made = await post('/v1/reports', { resourceId: 'ev-fleet', eventId: ids.eventId, readings });
    const { data } = (await get(`${path}/reports`)).body;
    expect(data).toMatchObject([{ id: made.body.id, resourceId: 'ev-fleet', readings: [{ usageWh: -250 }] }]);
  });

  test('an event is called off once, and once more without a change', async () => {
    const remove = () => api.request('DELETE', `/v1/events/${ids.eventId}`, { key: tenant.key });
    expect((await remove()).body.status).toBe('cancelled');
    expect((await remove()).body.status).toBe('cancelled');
    expect((await get(`/v1/events/${ids.eventId}/performance`)).body).toEqual({ performance: null });
  });
});

describe('destinations', () => {
  test.each([
    ['Authorization', 'Bearer x'],
    ['X-Api-Key', 'x'],
    ['Host', 'x'],
    ['Content-Length', '1'],
    ['webhook-id', 'x'],
    ['X-Line', 'a\r\nb'],
  ])('the header %s is refused: it is the sender’s, or a secret, or no header', async (name, value) => {
    const reply = await post('/v1/destinations', { ...destination(), headers: { [name]: value } });
    expect(reply.status).toBe(400);
  });

  test('a filter that nothing would pass is refused, and the nearest name is told', async () => {
    const reply = await post('/v1/destinations', { ...destination(), eventTypes: ['command.suceeded'] });
    const [error] = reply.body.errors;
    expect([reply.status, error.place, error.didYouMean]).toEqual([400, 'eventTypes[0]', 'command.succeeded']);
    const kind = await post('/v1/destinations', { ...destination(), deviceTypes: ['batery'] });
    expect(kind.body.errors[0].didYouMean).toBe('battery');
  });

  test('an address that may not be, is refused and says why', async () => {
    const reply = await post('/v1/destinations', { ...destination(), url: 'http://169.254.169.254/' });
    expect([reply.status, reply.body.code, reply.body.errors[0].place]).toEqual([422, 'blocked_address', 'url']);
  });

  test('shows the secret once and the values of headers never', async () => {
    const made = await post('/v1/destinations', { ...destination(), headers: { 'X-Site': 'north' } });
    expect(made.body.secret).toMatch(/^whsec_/);
    const read = await get(`/v1/destinations/${made.body.id}`);
    expect(read.body).not.toHaveProperty('secret');
    expect(read.body.headers).toEqual(['X-Site']);
    expect(JSON.stringify(api.service.entries)).not.toContain(made.body.secret);
    const again = { key: tenant.key, headers: { 'idempotency-key': 'dst' } };
    const first = await api.post('/v1/destinations', destination(), again);
    const second = await api.post('/v1/destinations', destination(), again);
    expect(second.body).toEqual({ ...first.body, secret: null });
    const rotated = await post(`/v1/destinations/${made.body.id}/secret`);
    expect(rotated.body.secret).not.toBe(made.body.secret);
  });
});

describe('safety', () => {
  test('control needs two persons, and any change voids it', async () => {
    const site = ids.siteId;
    const approver = await api.apiKey(tenant.workspaceId, ['approve:control', 'write:safety']);
    const path = `/v1/approvals/${ids.approvalId}`;
    const own = await api.post(`/v1/sites/${site}/approvals`, approval(api), { key: approver });
    const self = await api.post(`/v1/approvals/${own.body.id}/approve`, {}, { key: approver });
    expect([self.status, self.body.code]).toEqual([403, 'forbidden']);
    const given = await api.post(`${path}/approve`, {}, { key: approver });
    expect(given.body).toMatchObject({ status: 'approved' });
    expect(given.body.decidedBy).not.toBe(given.body.requestedBy);
    await put(`/v1/sites/${site}/safety`, { ...safety(), rampWPerS: 100 });
    expect((await get(path)).body.status).toBe('void');
  });

  test('a misspelt limit is not ignored', async () => {
    const { dischargeWMax, ...rest } = safety();
    const reply = await put(`/v1/sites/${ids.siteId}/safety`, { ...rest, dischargWMax: dischargeWMax });
    expect(reply.status).toBe(400);
    expect(reply.body.errors).toContainEqual(
      expect.objectContaining({ place: 'dischargWMax', didYouMean: 'dischargeWMax' }),
    );
  });

  test('a stop holds until two persons release it', async () => {
    const deviceId = api.device(tenant.workspaceId, { tags: ['stop-me'] });
    const stopped = await post('/v1/emergency-stop', { tag: 'stop-me' });
    expect(stopped.body.deviceIds).toEqual([deviceId]);
    expect((await get(`/v1/devices/${deviceId}/emergency-stop`)).body.isStopped).toBe(true);
    const turned = await post('/v1/commands', { deviceId, input: { operatingMode: 'charge' } });
    expect(turned.status).toBe(409);
    const approver = await api.apiKey(tenant.workspaceId, ['approve:control', 'write:safety']);
    const release = (what: string, key?: string) => post(`/v1/devices/${deviceId}/release/${what}`, {}, key);
    expect((await release('request', approver)).body.isStopped).toBe(true);
    expect((await release('confirm', approver)).status).toBe(403);
    expect((await release('request')).status).toBe(409);
    const second = await api.apiKey(tenant.workspaceId, ['approve:control']);
    expect((await release('confirm', second)).body.isStopped).toBe(false);
    expect((await post('/v1/commands', { deviceId, input: { operatingMode: 'charge' } })).status).toBe(202);
  });
});

describe('automations, schedules, the clock', () => {
  test('a dry run tells what would happen and does nothing', async () => {
    const before = api.service.entries.length;
    const reply = await post('/v1/automations/dry-run', automation());
    expect(reply.body.problems).toEqual([]);
    expect(reply.body.now.length).toBeGreaterThan(0);
    expect(api.service.entries.length).toBe(before);
  });

  test('a rule that is wrong in itself says where', async () => {
    const reply = await post('/v1/automations', { ...automation(), target: { kind: 'group', groupId: 'grp-none' } });
    expect([404, 422]).toContain(reply.status);
    expect(reply.body.detail).toContain('grp-none');
  });

  test('a schedule tells its next times, pauses and goes on', async () => {
    const path = `/v1/schedules/${ids.scheduleId}`;
    const { data } = (await get(`${path}/preview?count=2`)).body;
    expect(data.map((d: { at: string }) => d.at)).toEqual(['2024-07-11T01:00:00.000Z', '2024-07-12T01:00:00.000Z']);
    expect((await post(`${path}/pause`)).body.status).toBe('paused');
    expect((await post(`${path}/resume`)).body.status).toBe('active');
    expect(idsOf(await get(`/v1/schedules?deviceId=${ids.deviceId}`))).toContain(ids.scheduleId);
  });

  test('rules that overlap are refused', async () => {
    const rule = { daysOfWeek: [1], startTime: '10:00', endTime: '12:00', deviceOperatingMode: 'charge' };
    const reply = await post(`/v1/devices/${ids.deviceId}/schedule`, {
      schedule: { deviceTimezone: 'UTC', defaultDeviceOperatingMode: 'reset' },
      rules: [rule, { ...rule, startTime: '11:00' }],
    });
    expect([reply.status, reply.body.code]).toEqual([422, 'unprocessable']);
    expect(reply.body.detail).toContain('overlap');
  });

  test('a sandbox’s clock stands, moves on and runs what is due; production has none', async () => {
    expect((await get('/v1/clock')).status).toBe(403);
    const sandbox = await api.tenant('sandbox');
    const clock = (path: string, body: unknown = {}) => api.post(path, body, { key: sandbox.key });
    const to = new Date(api.service.nowMs + HOUR).toISOString();
    expect((await clock('/v1/clock/freeze')).body.isFrozen).toBe(true);
    expect((await clock('/v1/clock/advance', { to })).body).toEqual({ now: to, isFrozen: true });
    const back = await clock('/v1/clock/advance', { to: '2024-07-10T00:00:00Z' });
    expect([back.status, back.body.code]).toEqual([422, 'window_in_past']);
    const on = await clock('/v1/clock/advance', { seconds: 60 });
    expect(Date.parse(on.body.now) - Date.parse(to)).toBe(60_000);
    expect((await clock('/v1/clock/advance', { to, seconds: 1 })).status).toBe(400);
    expect((await clock('/v1/clock/resume')).body.isFrozen).toBe(false);
    api.service.canAdvance = false;
    const crowded = await clock('/v1/clock/advance', { seconds: 60 });
    expect([crowded.status, crowded.body.code, crowded.headers['retry-after']]).toEqual([429, 'rate_limited', '1']);
    api.service.canAdvance = true;
  });
});

describe('records', () => {
  test('the audit trail names who did what, and shows nothing of another workspace', async () => {
    const { data } = (await get('/v1/audit?limit=500')).body;
    expect(data.length).toBeGreaterThan(10);
    const made = data.filter((e: { facts: { type: string }[] }) => e.facts.some((f) => f.type === 'customer.created'));
    expect(made[0].actor).toMatch(/^key\/key_/);
    const mixed = api.service.entries.at(-1);
    expect(mixed).toBeDefined();
    const other = await api.tenant();
    const theirs = await seed(api, other);
    const text = (await get('/v1/audit?limit=500')).text;
    expect(text).not.toContain(theirs.deviceId);
    expect(text).not.toContain(other.workspaceId);
  });

  test('an entry that holds facts of two workspaces is shown to each without the other’s', async () => {
    const other = await api.tenant();
    const [mine, theirs] = [api.device(tenant.workspaceId), api.device(other.workspaceId)];
    for (const [key, deviceId] of [
      [tenant.key, mine],
      [other.key, theirs],
    ] as const) {
      const command = { deviceId, input: { operatingMode: 'charge' } };
      expect((await api.post('/v1/commands', command, { key })).status).toBe(202);
    }
    // Both windows end at one instant: one input of time ends both.
    api.service.advanceTo(api.service.nowMs + 3 * HOUR);
    const shared = api.service.entries.filter(
      (e) => JSON.stringify(e.facts).includes(mine) && JSON.stringify(e.facts).includes(theirs),
    );
    expect(shared.length).toBeGreaterThan(0);
    for (const [key, own, foreign] of [
      [tenant.key, mine, theirs],
      [other.key, theirs, mine],
    ] as const) {
      const { text } = await api.get('/v1/audit?limit=500', { key });
      expect(text).toContain(own);
      expect(text).not.toContain(foreign);
      expect((await api.get(`/v1/devices/${own}/history`, { key })).text).not.toContain(foreign);
    }
  });

  test('telemetry and metrics have ranges that make sense, or are refused', async () => {
    const deviceId = ids.deviceId ?? '';
    api.service.states.set(deviceId, []);
    expect((await get(`/v1/devices/${deviceId}/telemetry`)).body).toEqual({ data: [] });
    const back = `/v1/devices/${deviceId}/telemetry?from=2024-07-10T00:00:00Z&to=2024-07-09T00:00:00Z`;
    expect((await get(back)).status).toBe(400);
    const long = '/v1/metrics/discharged?from=2024-01-01T00:00:00Z&to=2024-07-01T00:00:00Z&windowSize=FIFTEEN_MINUTES';
    expect((await get(long)).body.code).toBe('limit_reached');
    expect((await get('/v1/metrics/dischargd')).body.errors[0].didYouMean).toBe('discharged');
    api.service.states.set(deviceId, [batteryState(13_500, api.service.nowMs - HOUR, { chargeRate: 2_000 })]);
    const one = await get(`/v1/metrics/discharged?deviceId=${deviceId}&windowSize=DAY`);
    expect(one.body.data[0]).toMatchObject({ deviceId, siteId: ids.siteId, v: 2_000 });
  });

  test('health tells whether it runs; parts are for administrators', async () => {
    expect((await api.get('/health')).body).toEqual({ status: 'ok' });
    api.service.healthNow = { status: 'read-only', parts: { journal: { ok: false, why: 'disk full' } } };
    expect((await api.get('/health')).status).toBe(503);
    expect((await get('/v1/health')).body.parts.journal.why).toBe('disk full');
    api.service.healthNow = { status: 'ok', parts: {} };
  });
});
