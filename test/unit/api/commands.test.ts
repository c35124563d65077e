import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type ApiBench, openApi, type Reply, type Tenant } from '../../helpers/apiBench.ts';
import { program } from '../../helpers/apiSeed.ts';
import { HOUR } from '../../helpers/coreBench.ts';

let api: ApiBench;
let tenant: Tenant;
beforeEach(async () => {
  api = await openApi();
  tenant = await api.tenant();
});
afterEach(() => api.close());

const command = (deviceId: string, input: object, more: object = {}): Promise<Reply> =>
  api.post('/v1/commands', { deviceId, input, ...more }, { key: tenant.key });
const get = (path: string): Promise<Reply> => api.get(path, { key: tenant.key });
const grid = { operatingMode: 'discharge', enableGridInteraction: true };

/** A program and grid services, so that grid commands are possible. */
async function withProgram(): Promise<string> {
  await api.request('PUT', '/v1/grid-services', { key: tenant.key, body: { enabled: true } });
  return (await api.post('/v1/programs', program(), { key: tenant.key })).body.id;
}

async function enrolled(oem: 'enphase' | 'solaredge'): Promise<string> {
  const programId = await withProgram();
  const deviceId = api.device(tenant.workspaceId, { oem, tags: [`program:${programId}`] });
  if (oem === 'enphase') {
    await api.post(`/v1/programs/${programId}/enrollments`, { deviceId }, { key: tenant.key });
  }
  return deviceId;
}

describe('a command', () => {
  test('is recorded, answered with 202, and can be read', async () => {
    const deviceId = api.device(tenant.workspaceId);
    const made = await command(deviceId, { operatingMode: 'charge' });
    expect(made.status).toBe(202);
    expect(made.body).toMatchObject({
      status: 'sent',
      deviceId,
      command: { slug: 'battery:set-operating-mode', input: { operatingMode: 'charge', enableGridInteraction: false } },
      startsAt: '2024-07-10T22:00:00.000Z',
      endsAt: '2024-07-10T23:00:00.000Z',
      createdAt: '2024-07-10T22:00:00.000Z',
    });
    expect((await get(`/v1/commands/${made.body.id}`)).body).toEqual(made.body);
  });

  test('may be given on the path that Texture has', async () => {
    const deviceId = api.device(tenant.workspaceId);
    const path = '/v1/commands/battery/set-operating-mode';
    const made = await api.post(path, { deviceId, input: { operatingMode: 'idle' } }, { key: tenant.key });
    expect(made.status).toBe(202);
  });

  test('for the grid, of a device in no program, is refused unless a path is named', async () => {
    await withProgram();
    const deviceId = api.device(tenant.workspaceId, { oem: 'solaredge' });
    const refused = await command(deviceId, grid);
    expect([refused.status, refused.body.code]).toEqual([409, 'not_enrolled']);
    expect(refused.body.detail).toContain('executionPriority');
    const baseline = await command(deviceId, { ...grid, executionPriority: ['baseline'] });
    expect([baseline.status, baseline.body.route]).toEqual([202, 'baseline']);
  });

  test('of a device in no program, whose manufacturer has no other way, is refused and no path is offered', async () => {
    await withProgram();
    const deviceId = api.device(tenant.workspaceId, { oem: 'enphase' });
    const forGrid = await command(deviceId, grid);
    expect([forGrid.status, forGrid.body.code]).toEqual([409, 'not_enrolled']);
    expect(forGrid.body.detail).not.toContain('executionPriority');
    for (const input of [{ ...grid, executionPriority: ['baseline'] }, { operatingMode: 'reset' }]) {
      const refused = await command(deviceId, input);
      expect([refused.status, refused.body.code]).toEqual([422, 'unsupported_by_device']);
    }
  });

  test('for the grid, while the manufacturer has not decided, is refused', async () => {
    const refused = await command(await enrolled('enphase'), grid);
    expect([refused.status, refused.body.code]).toEqual([409, 'enrollment_pending']);
  });

  test('for the grid, of an approved device, goes through grid services', async () => {
    const made = await command(await enrolled('solaredge'), grid);
    expect([made.status, made.body.route]).toEqual([202, 'grid_services']);
  });

  test('under Storm Guard is accepted and ignored at once, never succeeded', async () => {
    const deviceId = await enrolled('solaredge');
    api.observe(tenant.workspaceId, deviceId, { isStormModeActive: true });
    const made = await command(deviceId, grid);
    expect([made.status, made.body.status, made.body.reason]).toEqual([202, 'ignored', 'storm_guard']);
    expect(api.service.effects.filter((e) => e.kind === 'oem' && e.job.kind === 'control')).toEqual([]);
  });

  test('longer than the manufacturer takes is refused as unsupported', async () => {
    const deviceId = api.device(tenant.workspaceId);
    const endsAt = new Date(api.service.nowMs + 6 * HOUR).toISOString();
    const refused = await command(deviceId, { operatingMode: 'idle' }, { endsAt });
    expect([refused.status, refused.body.code]).toEqual([422, 'unsupported_by_device']);
  });

  test('is cancelled once, and again without a change; one that ended stays as it is', async () => {
    const deviceId = api.device(tenant.workspaceId);
    const { id } = (await command(deviceId, { operatingMode: 'charge' })).body;
    const remove = () => api.request('DELETE', `/v1/commands/${id}`, { key: tenant.key });
    const cancelled = await remove();
    expect([cancelled.status, cancelled.body.status]).toEqual([200, 'cancelled']);
    const facts = api.service.entries.length;
    expect((await remove()).body).toEqual(cancelled.body);
    expect(api.service.entries.length).toBe(facts);
  });

  test('before its start leaves nothing when it is cancelled', async () => {
    const deviceId = api.device(tenant.workspaceId);
    const startsAt = new Date(api.service.nowMs + HOUR).toISOString();
    const made = await command(deviceId, { operatingMode: 'charge' }, { startsAt });
    expect(made.body.status).toBe('accepted');
    await api.request('DELETE', `/v1/commands/${made.body.id}`, { key: tenant.key });
    api.service.advanceTo(api.service.nowMs + 2 * HOUR);
    expect(api.service.effects.filter((e) => e.kind === 'oem' && e.job.kind === 'control')).toEqual([]);
  });

  test('that the core has forgotten is read from the journal', async () => {
    const deviceId = api.device(tenant.workspaceId);
    const { id } = (await command(deviceId, { operatingMode: 'charge' })).body;
    const cancelled = await api.request('DELETE', `/v1/commands/${id}`, { key: tenant.key });
    const { commands } = api.service.registry.state;
    commands.delete(id);
    expect((await get(`/v1/commands/${id}`)).body).toEqual(cancelled.body);
    expect((await api.request('DELETE', `/v1/commands/${id}`, { key: tenant.key })).body).toEqual(cancelled.body);
    const other = await api.tenant();
    expect((await api.get(`/v1/commands/${id}`, { key: other.key })).status).toBe(404);
    const history = await get(`/v1/commands/${id}/history`);
    expect(history.body.data.at(-1).facts[0].type).toBe('command.accepted');
  });

  test('stands in the list of its device, newest first, in pages, by status', async () => {
    const deviceId = api.device(tenant.workspaceId);
    const ids: string[] = [];
    for (let n = 0; n < 5; n++) ids.unshift((await command(deviceId, { operatingMode: 'charge' })).body.id);
    const seen: string[] = [];
    let cursor: string | null = '';
    while (cursor !== null) {
      const page: Reply = await get(
        `/v1/devices/${deviceId}/commands?limit=2${cursor === '' ? '' : `&cursor=${cursor}`}`,
      );
      seen.push(...page.body.data.map((c: { id: string }) => c.id));
      cursor = page.body.nextCursor;
    }
    expect(seen).toEqual(ids);
    const open = await get(`/v1/devices/${deviceId}/commands?status=sent&status=accepted`);
    expect(open.body.data.map((c: { id: string }) => c.id)).toEqual(ids.slice(0, 1));
  });
});

describe('a batch', () => {
  const slug = 'battery:set-operating-mode';
  const batch = (body: object) => api.post('/v1/batch-commands', body, { key: tenant.key });
  const charge = { slug, input: { operatingMode: 'charge', powerW: 4_000 } };
  const small = { oem: 'solaredge', nameplate: { usableWh: 5_000, chargeWMax: 3_000, dischargeWMax: 3_000 } } as const;

  test('by tag names who takes it and who does not', async () => {
    const a = api.device(tenant.workspaceId, { oem: 'solaredge', tags: ['north'] });
    const b = api.device(tenant.workspaceId, { tags: ['north'], ...small });
    const made = await batch({ tag: 'north', command: charge });
    expect(made.status).toBe(202);
    expect(made.body.commands.map((c: { deviceId: string }) => c.deviceId)).toEqual([a]);
    expect(made.body.skipped).toEqual([{ deviceId: b, reason: "powerW 4000 is over the device's 3000 W" }]);
    expect((await get(`/v1/batch-commands/${made.body.id}`)).body).toEqual(made.body);
  });

  test('by list does what it can, or all or nothing', async () => {
    const a = api.device(tenant.workspaceId, { oem: 'solaredge' });
    const deviceIds = [a, api.device(tenant.workspaceId, small)];
    const whole = await batch({ deviceIds, command: charge, allOrNothing: true });
    expect([whole.status, whole.body.code]).toEqual([422, 'unprocessable']);
    expect(whole.body.detail).toContain('not every device');
    const part = await batch({ deviceIds, command: charge });
    expect([part.status, part.body.commands.length, part.body.skipped.length]).toEqual([202, 1, 1]);
    expect(part.body.tag).toBeNull();
  });

  test('for the grid leaves out who is not approved in a program, and says so', async () => {
    const approved = await enrolled('solaredge');
    const stranger = api.device(tenant.workspaceId, { oem: 'solaredge' });
    const made = await batch({ deviceIds: [approved, stranger], command: { slug, input: grid } });
    expect(made.body.commands.map((c: { deviceId: string }) => c.deviceId)).toEqual([approved]);
    expect(made.body.skipped).toEqual([{ deviceId: stranger, reason: 'it is not enrolled' }]);
  });

  test.each<[string, object, string]>([
    ['no device', { deviceIds: [] }, 'deviceIds'],
    ['1,001 devices', { deviceIds: Array.from({ length: 1_001 }, (_, i) => `d${i}`) }, 'deviceIds'],
    ['a device twice', { deviceIds: ['a', 'a'] }, 'deviceIds'],
    ['neither tag nor list', {}, 'tag'],
    ['both', { tag: 'a', deviceIds: ['a'] }, 'tag'],
  ])('of %s is refused', async (_, which, place) => {
    const reply = await batch({ ...which, command: charge });
    expect([reply.status, reply.body.errors[0].place]).toEqual([400, place]);
  });

  test('of a tag that nobody has is not found', async () => {
    expect((await batch({ tag: 'nobody', command: charge })).status).toBe(404);
  });
});

describe('the reserve of a battery', () => {
  const setReserve = (body: object): Promise<Reply> =>
    api.post('/v1/commands/battery/set-reserve', body, { key: tenant.key });

  test('is set on the path that Texture has, stands beside an operating mode, and is listed with the device', async () => {
    const deviceId = api.device(tenant.workspaceId);
    const mode = await command(deviceId, { operatingMode: 'charge' });
    const made = await setReserve({ deviceId, input: { chargePercentage: 30 } });
    expect(made.status).toBe(202);
    expect(made.body).toMatchObject({
      status: 'sent',
      deviceId,
      command: { slug: 'battery:set-reserve', input: { chargePercentage: 30 } },
      endsAt: null,
    });
    expect((await get(`/v1/commands/${made.body.id}`)).body).toEqual(made.body);
    expect((await get(`/v1/commands/${mode.body.id}`)).body.status).toBe('sent');
    const { body } = await get(`/v1/devices/${deviceId}/commands`);
    expect(body.data.map((c: { id: string }) => c.id)).toEqual([made.body.id, mode.body.id]);
    const slugs = (await get(`/v1/devices/${deviceId}`)).body.availableCommands.map((c: { slug: string }) => c.slug);
    expect(slugs).toEqual(['battery:set-operating-mode', 'battery:set-reserve']);
    const gone = await api.request('DELETE', `/v1/commands/${made.body.id}`, { key: tenant.key });
    expect([gone.status, gone.body.status]).toEqual([200, 'cancelled']);
  });

  test('is a percentage of a battery, and nothing else', async () => {
    const deviceId = api.device(tenant.workspaceId);
    const bad = [{}, { chargePercentage: '30' }, { chargePercentage: 101 }, { chargePercentage: 30, powerW: 1 }];
    for (const input of bad) expect((await setReserve({ deviceId, input })).status).toBe(400);
    expect((await setReserve({ deviceId: 'dev_x', input: { chargePercentage: 30 } })).status).toBe(404);
    const ahead = await setReserve({ deviceId, input: { chargePercentage: 30 }, startsAt: '2024-07-11T00:00:00Z' });
    expect([ahead.status, ahead.body.code]).toEqual([422, 'unsupported_by_device']);
  });

  test('goes to all batteries with a tag; a site without a safety configuration is left out and named', async () => {
    const home = api.device(tenant.workspaceId, { tags: ['all'] });
    const site = api.device(tenant.workspaceId, { oem: 'dnp3', tags: ['all'] });
    const order = { slug: 'battery:set-reserve', input: { chargePercentage: 40 } };
    const made = await api.post('/v1/batch-commands', { tag: 'all', command: order }, { key: tenant.key });
    expect(made.status).toBe(202);
    expect(made.body.commands.map((c: { deviceId: string }) => c.deviceId)).toEqual([home]);
    expect(made.body.skipped).toEqual([{ deviceId: site, reason: expect.stringContaining('no safety configuration') }]);
  });
});
