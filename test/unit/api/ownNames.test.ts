import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { OutboxEvent } from '../../../src/domain/destination.ts';
import { type ApiBench, openApi, type Tenant } from '../../helpers/apiBench.ts';
import { deviceBody, eventBody, program, type Seed, seed } from '../../helpers/apiSeed.ts';
import { HOUR } from '../../helpers/coreBench.ts';

/** Ids that partners choose carry the workspace inside; whatever leaves has them as the partner wrote them. */
let api: ApiBench;
let tenant: Tenant;
let ids: Seed;
let told: OutboxEvent[] = [];
beforeAll(async () => {
  api = await openApi();
  tenant = await api.tenant();
  api.service.listen(tenant.workspaceId, (e) => told.push(e));
  ids = await seed(api, tenant);
  told = [];
});
afterAll(() => api.close());

const get = async (path: string) => await api.get(path, { key: tenant.key });
const post = (path: string, body: unknown, headers = {}) => api.post(path, body, { key: tenant.key, headers });

describe('an id that a partner chose', () => {
  test('leaves as it came: in answers, problems, replays, the audit trail, the views and events', async () => {
    const programId = (await post('/v1/programs', program())).body.id;
    const nameplate = { usableWh: 13_500, chargeWMax: 4_000, dischargeWMax: 4_000 };
    const device = { ...deviceBody(ids.siteId ?? ''), nameplate, tags: [`program:${programId}`] };
    const deviceId: string = (await post('/v1/devices', device)).body.id;
    const enrolled = await post(`/v1/programs/${programId}/enrollments`, { deviceId });
    expect(enrolled.body).toMatchObject({ programId, status: 'approved' });
    const body = eventBody(api, programId, 'my-event');
    const made = await post('/v1/events', body, { 'idempotency-key': 'one' });
    const replies = [
      made,
      await post('/v1/events', body, { 'idempotency-key': 'one' }),
      await post('/v1/events', { ...body, id: 'other' }),
      await post('/v1/resources', { id: 'my-cars', programId, deviceIds: [] }),
      await post('/v1/resources', { id: 'my-cars', programId, deviceIds: [] }),
      await post('/v1/events/my-event/answers', { resourceId: 'my-cars', answer: 'opt-in' }),
    ];
    expect(replies.map((r) => r.status)).toEqual([201, 201, 409, 201, 409, 200]);
    expect([made.body.id, replies[1]?.body.id]).toEqual(['my-event', 'my-event']);
    expect(replies[2]?.body.detail).toContain('overlaps my-event');
    api.service.advanceTo(api.service.nowMs + HOUR - 60_000);
    api.observe(tenant.workspaceId, deviceId);
    api.service.advanceTo(api.service.nowMs + 120_000);
    const commands = await get(`/v1/devices/${deviceId}/commands`);
    expect(commands.body.data[0].cause).toMatchObject({ kind: 'dispatch', eventId: 'my-event' });
    api.service.advanceTo(api.service.nowMs + 2 * HOUR);
    const measured = await get('/v1/events/my-event/performance');
    expect(measured.body.performance.eventId).toBe('my-event');
    const looks = ['/v1/events', '/v1/resources', '/v1/audit', '/v1/alerts', `/v1/devices/${deviceId}/history`];
    for (const r of [...replies, commands, measured, ...(await Promise.all(looks.map(get)))]) {
      expect(r.text).not.toContain(`${tenant.workspaceId}/`);
    }
    const cursor = (await get('/v1/events?limit=1')).body.nextCursor;
    expect(atob(cursor)).not.toContain(tenant.workspaceId);
    const shown = JSON.stringify(told);
    expect(shown).not.toContain(`${tenant.workspaceId}/`);
    const types = new Set(told.filter((e) => JSON.stringify(e.data).includes('my-event')).map((e) => e.type));
    expect([...types]).toEqual(expect.arrayContaining(['event.offered', 'event.started', 'event.measured']));
  });
});

describe('an event', () => {
  test('shows a device, an event and a site as the API shows them', async () => {
    told = [];
    const site = { customerId: ids.customerId, name: 'Barn', timeZone: 'UTC' };
    const siteId: string = (await post('/v1/sites', site)).body.id;
    const device = (await post('/v1/devices', deviceBody(siteId))).body;
    const programId = (await post('/v1/programs', program())).body.id;
    const offered = (await post('/v1/events', eventBody(api, programId, 'shown'))).body;
    const dataOf = (type: string) => told.find((e) => e.type === type)?.data;
    expect(dataOf('site.created')?.site).toEqual((await get(`/v1/sites/${siteId}`)).body);
    expect(dataOf('device.discovered')?.device).toEqual(device);
    expect(dataOf('event.offered')).toMatchObject({ eventId: 'shown', event: offered });
  });

  test('of a command says when it was accepted, not when it begins', async () => {
    told = [];
    const acceptedAt = new Date(api.service.nowMs).toISOString();
    const startsAt = new Date(api.service.nowMs + HOUR).toISOString();
    const command = { deviceId: ids.deviceId, input: { operatingMode: 'charge' }, startsAt };
    const { id } = (await post('/v1/commands', command)).body;
    api.service.advanceTo(api.service.nowMs + 60_000);
    await api.request('DELETE', `/v1/commands/${id}`, { key: tenant.key });
    const ended = told.find((e) => e.type === 'command.failed' && e.data.commandId === id);
    expect(ended?.data).toMatchObject({ issuedAt: acceptedAt, executedAt: new Date(api.service.nowMs).toISOString() });
  });
});
