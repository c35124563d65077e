import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ApplianceState } from '../../../src/domain/appliance.ts';
import { type ApiBench, openApi, type Tenant } from '../../helpers/apiBench.ts';
import { applianceBody } from '../../helpers/apiSeed.ts';
import { stateOf } from '../../helpers/applianceBench.ts';
import { HOUR, MIN } from '../../helpers/coreBench.ts';

/** A street of chargers over HTTP: what is told of its transformer, what is refused for it, and what is alerted. */
let api: ApiBench;
let ana: Tenant;
let siteId: string;
const ids: Record<string, string> = {};

const post = (path: string, body: unknown) => api.post(path, body, { key: ana.key });
const get = (path: string) => api.get(path, { key: ana.key });
function observe(deviceId: string, state: ApplianceState, online = true): void {
  const reply = { kind: 'appliance-state', jobId: 'poll', vendorDeviceId: 'v', state, online } as const;
  api.service.tell(ana.workspaceId, { kind: 'oem-reply', deviceId, reply });
}
const see = (name: string, state: ApplianceState): void => observe(ids[name] ?? '', state);

beforeAll(async () => {
  api = await openApi();
  ana = await api.tenant();
  const customerId: string = (await post('/v1/customers', { name: 'Ana' })).body.id;
  siteId = (await post('/v1/sites', { customerId, name: 'Home', timeZone: 'UTC' })).body.id;
  for (const [name, type] of [
    ['wall', 'charger'],
    ['car', 'vehicle'],
    ['roof', 'inverter'],
    ['room', 'thermostat'],
  ] as const) {
    ids[name] = (await post('/v1/devices', applianceBody(siteId, type))).body.id;
  }
  const transformer = { name: 'T', feederId: null, ratingVa: 10_000, siteIds: [siteId], powerFactorAssumed: 1 };
  ids.transformer = (await post('/v1/transformers', transformer)).body.id;
});
afterAll(() => api.close());

test('what a charger says it takes is kept, and is nothing for what does not charge', async () => {
  const said = (await post('/v1/devices', { ...applianceBody(siteId, 'charger'), chargeWMax: 7_400 })).body;
  expect(said).toMatchObject({ type: 'charger', chargeWMax: 7_400 });
  expect((await get(`/v1/devices/${ids.wall}`)).body.chargeWMax).toBeNull();
  const wrong = await post('/v1/devices', { ...applianceBody(siteId, 'thermostat'), chargeWMax: 7_400 });
  expect([wrong.status, wrong.body.errors[0].place]).toEqual([400, 'chargeWMax']);
});

test('a transformer tells what its devices load it with, and how many it knows', async () => {
  const { nowMs } = api.service;
  see('wall', stateOf('charger', nowMs, 7_000));
  see('car', stateOf('vehicle', nowMs, 6_900));
  see('roof', stateOf('inverter', nowMs, 2_000));
  see('room', stateOf('thermostat', nowMs));
  const { loading } = (await get(`/v1/transformers/${ids.transformer}`)).body;
  expect(loading).toMatchObject({
    importW: 5_000,
    ratio: 0.5,
    sitesKnown: 0,
    sitesInPart: 1,
    sitesTotal: 1,
    // Charger and inverter; thermostat and the charger of the test before; the car at the charger.
    devices: { counted: 2, unknown: 2, same: 1 },
  });
});

test('a start that has no room is refused with 409, alone and in a batch', async () => {
  const start = { operatingMode: 'start-charging' };
  see('roof', stateOf('inverter', api.service.nowMs, 2_000, { gridPower: 9_000 }));
  see('wall', stateOf('charger', api.service.nowMs));
  see('car', stateOf('vehicle', api.service.nowMs));
  const one = await post('/v1/commands/charger/set-operating-mode', { deviceId: ids.wall, input: start });
  expect([one.status, one.body.code]).toEqual([409, 'conflict']);
  expect(one.body.detail).toContain('transformer_limit: a start that draws 7000 W more would load transformer');
  const command = { slug: 'charger:set-operating-mode', input: start };
  const batch = await post('/v1/batch-commands', { deviceIds: [ids.wall], command });
  expect([batch.status, batch.body.detail]).toEqual([422, expect.stringContaining('transformer_limit')]);
  see('roof', stateOf('inverter', api.service.nowMs, 2_000, { gridPower: 1_000 }));
  const fits = await post('/v1/commands/charger/set-operating-mode', { deviceId: ids.wall, input: start });
  expect(fits.status).toBe(202);
});

test('a device that is silent is alerted, to the list and to the outside', async () => {
  const heard: string[] = [];
  const stop = api.service.listen(ana.workspaceId, (event) => heard.push(`${event.type} ${event.deviceType}`));
  api.service.advanceTo(api.service.nowMs + HOUR);
  const open = (await get('/v1/alerts?status=OPEN')).body.data;
  const mine = open.filter((a: { subject: { id: string } }) => a.subject.id === ids.room);
  expect(mine).toMatchObject([{ severity: 'WARNING', type: 'COMMUNICATIONS', rule: 'stale-telemetry' }]);
  see('room', stateOf('thermostat', api.service.nowMs));
  expect((await get(`/v1/alerts/${mine[0].id}`)).body.status).toBe('RESOLVED');
  api.service.advanceTo(api.service.nowMs + MIN);
  stop();
  expect(heard.filter((h) => h.startsWith('alert.opened')).length).toBe(5);
  expect(heard.filter((h) => h.startsWith('alert.resolved')).length).toBe(1);
});
