import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ApplianceState } from '../../../src/domain/appliance.ts';
import { type ApiBench, openApi, type Tenant } from '../../helpers/apiBench.ts';
import { applianceBody } from '../../helpers/apiSeed.ts';
import { HOUR, MIN } from '../../helpers/coreBench.ts';

let api: ApiBench;
let ana: Tenant;
let siteId: string;
const ids: Record<string, string> = {};

beforeAll(async () => {
  api = await openApi();
  ana = await api.tenant();
  const customerId: string = (await post('/v1/customers', { name: 'Ana' })).body.id;
  siteId = (await post('/v1/sites', { customerId, name: 'Home', timeZone: 'UTC' })).body.id;
  for (const type of ['charger', 'vehicle', 'thermostat', 'inverter'] as const) {
    ids[type] = (await post('/v1/devices', applianceBody(siteId, type))).body.id;
  }
});
afterAll(() => api.close());

const post = (path: string, body: unknown) => api.post(path, body, { key: ana.key });
const get = (path: string) => api.get(path, { key: ana.key });

const thermostat = (over: object = {}): ApplianceState => ({
  kind: 'thermostat',
  ambientTemperature: 72.5,
  operatingMode: 'cool',
  heatTarget: null,
  coolTarget: 74,
  fanMode: 'auto',
  sampledAtMs: api.service.nowMs,
  ...over,
});

function observe(deviceId: string, state: ApplianceState, online = true): void {
  const reply = { kind: 'appliance-state', jobId: 'poll', vendorDeviceId: 'v', state, online } as const;
  api.service.tell(ana.workspaceId, { kind: 'oem-reply', deviceId, reply });
  api.service.applianceStates.set(deviceId, [...(api.service.applianceStates.get(deviceId) ?? []), state]);
}

describe('a device that is no battery', () => {
  test('stands in the one list of devices, with what it can be told', async () => {
    const all = (await get('/v1/devices')).body.data;
    const types = all.map((d: { type: string }) => d.type);
    expect(types.sort()).toEqual(['charger', 'inverter', 'thermostat', 'vehicle']);
    const [car] = (await get('/v1/devices?type=vehicle')).body.data;
    expect(car).toMatchObject({ id: ids.vehicle, state: null, isReachable: true, openCommandIds: [] });
    expect(car.availableCommands.map((c: { slug: string }) => c.slug)).toEqual([
      'vehicle:set-operating-mode',
      'vehicle:set-charge-limit',
    ]);
    expect((await get(`/v1/devices/${ids.charger}`)).body).toMatchObject({ type: 'charger', connection: 'oem' });
  });

  test('is connected once, and only where the site is the caller’s own', async () => {
    const body = applianceBody(siteId, 'vehicle');
    expect((await post('/v1/devices', body)).status).toBe(201);
    expect((await post('/v1/devices', body)).body.code).toBe('conflict');
    const other = await api.tenant();
    expect((await api.post('/v1/devices', body, { key: other.key })).status).toBe(404);
  });

  test('has tags like the others', async () => {
    expect((await get('/v1/tags')).body.data).toContainEqual({ tag: 'plugs', devices: 5 });
    await api.request('PUT', `/v1/devices/${ids.inverter}/tags`, { key: ana.key, body: { tags: ['pv'] } });
    expect((await get(`/v1/devices/${ids.inverter}/tags`)).body).toEqual({ tags: ['pv'] });
    const tagged = (await get('/v1/tags/pv/devices')).body.data;
    expect(tagged.map((d: { id: string }) => d.id)).toEqual([ids.inverter]);
  });

  test('shows its newest state and the ones before it, with instants in words', async () => {
    const id = ids.thermostat ?? '';
    observe(id, thermostat());
    const createdAt = new Date(api.service.nowMs).toISOString();
    const { state } = (await get(`/v1/devices/${id}`)).body;
    expect(state).toEqual({
      ambientTemperature: 72.5,
      operatingMode: 'cool',
      heatTarget: null,
      coolTarget: 74,
      fanMode: 'auto',
      createdAt,
    });
    expect((await get(`/v1/devices/${id}/telemetry`)).body.data).toEqual([state]);
  });
});

describe('its commands', () => {
  test('are recorded, end by what is seen, and are found like any other', async () => {
    const deviceId = ids.thermostat ?? '';
    const path = '/v1/commands/thermostat/set-operating-mode';
    const made = await post(path, { deviceId, input: { operatingMode: 'cool', coolTarget: 78 } });
    expect(made.status).toBe(202);
    const command = { slug: 'thermostat:set-operating-mode', input: { operatingMode: 'cool', coolTarget: 78 } };
    expect(made.body).toMatchObject({ status: 'sent', deviceId, command, endsAt: null, route: null });
    api.service.nowMs += MIN;
    observe(deviceId, thermostat({ coolTarget: 78 }));
    const { id } = made.body;
    expect((await get(`/v1/commands/${id}`)).body).toMatchObject({ status: 'succeeded', reason: 'effect_seen' });
    expect((await get(`/v1/devices/${deviceId}/commands`)).body.data[0].id).toBe(id);
    const history = (await get(`/v1/commands/${id}/history`)).body.data;
    const types = history.flatMap((e: { facts: { type: string }[] }) => e.facts.map((f) => f.type));
    expect(new Set(types)).toEqual(
      new Set(['appliance.command-accepted', 'appliance.command-sent', 'appliance.command-ended']),
    );
  });

  test('that the core has forgotten are told from the journal', async () => {
    const made = await post('/v1/commands/thermostat/set-fan-mode', {
      deviceId: ids.thermostat,
      input: { fanMode: 'on' },
    });
    const { id } = made.body;
    await api.request('DELETE', `/v1/commands/${id}`, { key: ana.key });
    const shown = (await get(`/v1/commands/${id}`)).body;
    expect(shown).toMatchObject({ status: 'cancelled', reason: 'cancelled_by_actor' });
    const plant = api.service.plantOf(ana.workspaceId);
    plant?.state.applianceCommands.delete(id);
    expect((await get(`/v1/commands/${id}`)).body).toEqual(shown);
    expect((await api.request('DELETE', `/v1/commands/${id}`, { key: ana.key })).body).toEqual(shown);
  });

  test('with an end have what stood before set back then', async () => {
    const deviceId = ids.thermostat ?? '';
    observe(deviceId, thermostat({ fanMode: 'auto' }));
    const endsAt = new Date(api.service.nowMs + HOUR).toISOString();
    const made = await post('/v1/commands/thermostat/set-operating-mode', {
      deviceId,
      input: { operatingMode: 'off' },
      endsAt,
    });
    expect(made.body.endsAt).toBe(endsAt);
    api.service.advanceTo(api.service.nowMs + HOUR);
    const [newest] = (await get(`/v1/devices/${deviceId}/commands`)).body.data;
    expect(newest).toMatchObject({
      command: { input: { operatingMode: 'cool', coolTarget: 74 } },
      cause: { kind: 'restore', commandId: made.body.id },
    });
  });

  test.each([
    ['a charge limit over 100 %', 'vehicle/set-charge-limit', 'vehicle', { chargeLimit: 101 }, 400],
    ['a limit as text', 'vehicle/set-charge-limit', 'vehicle', { chargeLimit: '80' }, 400],
    ['no mode', 'charger/set-operating-mode', 'charger', {}, 400],
    ['a field of another command', 'charger/set-operating-mode', 'charger', { fanMode: 'on' }, 400],
    ['a device of another kind', 'vehicle/set-charge-limit', 'charger', { chargeLimit: 80 }, 422],
    [
      'targets too close',
      'thermostat/set-operating-mode',
      'thermostat',
      { operatingMode: 'auto', heatTarget: 70, coolTarget: 71 },
      422,
    ],
  ])('%s is refused', async (_, path, kind, input, status) => {
    const before = api.service.entries.length;
    const { body, ...answer } = await post(`/v1/commands/${path}`, { deviceId: ids[kind], input });
    expect([answer.status, body.status]).toEqual([status, status]);
    expect(api.service.entries).toHaveLength(before);
  });

  test('an end without a known state is refused: nothing could be set back', async () => {
    const endsAt = new Date(api.service.nowMs + HOUR).toISOString();
    const body = { deviceId: ids.inverter, input: { powerW: 1_000 }, endsAt };
    expect((await post('/v1/commands/inverter/set-export-limit', body)).body.code).toBe('conflict');
    const bad = { ...body, startsAt: endsAt };
    expect((await post('/v1/commands/inverter/set-export-limit', bad)).status).toBe(400);
  });

  test('go to all devices with a tag; those of another kind are named', async () => {
    const command = { slug: 'vehicle:set-charge-limit', input: { chargeLimit: 70 } };
    const made = await post('/v1/batch-commands', { tag: 'plugs', command });
    expect(made.status).toBe(202);
    expect(made.body.commands.map((c: { status: string }) => c.status)).toEqual(['sent', 'sent']);
    expect(made.body.skipped.map((x: { deviceId: string }) => x.deviceId).sort()).toEqual(
      [ids.charger, ids.thermostat].sort(),
    );
    const strange = { tag: 'plugs', command: { slug: 'vehicle:set-charge-limit', input: { fanMode: 'on' } } };
    expect((await post('/v1/batch-commands', strange)).status).toBe(400);
  });

  test('are told to destinations like those of batteries', async () => {
    const events: { type: string; deviceType: string | null; data: Readonly<Record<string, unknown>> }[] = [];
    const stop = api.service.listen(ana.workspaceId, (e) => void events.push(e));
    const deviceId = ids.thermostat ?? '';
    const made = await post('/v1/commands/thermostat/set-fan-mode', { deviceId, input: { fanMode: 'circulate' } });
    api.service.nowMs += MIN;
    observe(deviceId, thermostat({ fanMode: 'circulate' }), false);
    stop();
    // An alert on its silence until then is over, which is told as well.
    const told = events.filter(({ type }) => !type.startsWith('alert.'));
    const own = told.filter(({ data }) => data.commandId === undefined || data.commandId === made.body.id);
    expect(own).toMatchObject([
      { type: 'device.disconnected', deviceType: 'thermostat', data: { deviceId } },
      { type: 'command.succeeded', deviceType: 'thermostat', data: { commandId: made.body.id, deviceId } },
    ]);
  });
});
