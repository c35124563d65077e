import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ApiBench, openApi, type Tenant } from '../../helpers/apiBench.ts';
import { applianceBody, deviceBody } from '../../helpers/apiSeed.ts';
import { stateOf } from '../../helpers/applianceBench.ts';
import { batteryState, HOUR, MIN } from '../../helpers/coreBench.ts';

let api: ApiBench;
let ana: Tenant;
let T0: number;
const id: Record<string, string> = {};

const post = async (path: string, body: unknown, key = ana.key) => (await api.post(path, body, { key })).body;
const get = (path: string, key = ana.key) => api.get(path, { key });

/** What stands in the points, in the order they came: hour, energy, known part, and whose. */
async function points(query: string, metric = 'consumption') {
  const { data } = (await get(`/v1/metrics/${metric}?from=${iso(T0)}&to=${iso(T0 + 2 * HOUR)}&${query}`)).body;
  return data.map((p: Record<string, string | number>) => {
    const name = Object.entries(id).find(([, v]) => v === (p.deviceId ?? p.siteId ?? p.groupId))?.[0];
    return [(Date.parse(String(p.ts)) - T0) / HOUR, p.v, p.knownRatio, name];
  });
}
const iso = (ms: number): string => new Date(ms).toISOString();

beforeAll(async () => {
  api = await openApi();
  ana = await api.tenant();
  T0 = Math.floor(api.service.nowMs / HOUR) * HOUR + HOUR;
  const customerId = (await post('/v1/customers', { name: 'Ana' })).id;
  for (const name of ['elm', 'oak']) {
    id[name] = (await post('/v1/sites', { customerId, name, timeZone: 'UTC' })).id;
    id[`${name}-battery`] = (await post('/v1/devices', { ...deviceBody(id[name] ?? ''), tags: [name] })).id;
  }
  for (const type of ['charger', 'vehicle', 'inverter', 'thermostat'] as const) {
    id[type] = (await post('/v1/devices', { ...applianceBody(id.elm ?? '', type), tags: ['elm'] })).id;
  }
  id.group = (await post('/v1/groups', { name: 'elm', rule: { tags: ['elm'] } })).id;
  const told = (name: string, ...states: ReturnType<typeof stateOf>[]) =>
    api.service.applianceStates.set(id[name] ?? '', states);
  told('charger', stateOf('charger', T0, 7_000), stateOf('charger', T0 + 30 * MIN, 0));
  told('vehicle', stateOf('vehicle', T0, 6_000), stateOf('vehicle', T0 + HOUR, 2_000));
  told('inverter', stateOf('inverter', T0, 4_000, { gridPower: 1_000 }));
  told('thermostat', stateOf('thermostat', T0));
  const battery = (name: string, ...rates: number[]) =>
    api.service.states.set(
      id[`${name}-battery`] ?? '',
      rates.map((chargeRate, i) => batteryState(13_500, T0 + i * HOUR, { chargeRate, gridPower: 3_000 })),
    );
  battery('elm', -1_000, 500);
  battery('oak', -2_000);
  api.service.nowMs = T0 + 2 * HOUR;
});
afterAll(() => api.close());

describe('metrics', () => {
  test('of devices have chargers, vehicles and inverters in them, and of a thermostat nothing', async () => {
    expect(await points('')).toEqual([
      [0, 1_000, 1, 'elm-battery'],
      [1, 0, 1, 'elm-battery'],
      [0, 2_000, 1, 'oak-battery'],
      [0, 3_500, 1, 'charger'],
      [1, 0, 0.5, 'charger'],
      [0, 6_000, 1, 'vehicle'],
      [1, 2_000, 1, 'vehicle'],
    ]);
    expect(await points(`deviceId=${id.thermostat}`)).toEqual([]);
    expect(await points(`deviceId=${id.inverter}`, 'generation')).toEqual([[0, 4_000, 1, 'inverter']]);
    expect(await points(`deviceId=${id.inverter}`, 'production')).toEqual([[0, 4_000, 1, 'inverter']]);
  });

  test('of sites add devices up, count a car and its charger once, and tell what share is known', async () => {
    expect(await points('groupBy=SITE')).toEqual([
      [0, 1_000 + 6_000, 1, 'elm'],
      [1, 2_000, 2.5 / 3, 'elm'],
      [0, 2_000, 1, 'oak'],
    ]);
    expect(await points(`groupBy=SITE&siteId=${id.oak}`)).toEqual([[0, 2_000, 1, 'oak']]);
    expect(await points('groupBy=SITE', 'production')).toEqual([
      [0, 4_000, 1, 'elm'],
      [1, 500, 0.5, 'elm'],
      [0, 0, 1, 'oak'],
    ]);
  });

  test('of a site’s meter are told once, by who knows most', async () => {
    expect(await points(`groupBy=SITE&siteId=${id.elm}`, 'grid-energy')).toEqual([
      [0, 3_000, 1, 'elm'],
      [1, 3_000, 1, 'elm'],
    ]);
    expect(await points(`deviceId=${id.inverter}`, 'grid-energy')).toEqual([[0, 1_000, 1, 'inverter']]);
  });

  test('of a group are those of its members, one by one or together', async () => {
    const members = await points(`groupId=${id.group}&deviceId=${id.charger}&deviceId=${id['oak-battery']}`);
    expect(members).toEqual([
      [0, 3_500, 1, 'charger'],
      [1, 0, 0.5, 'charger'],
    ]);
    expect(await points(`groupId=${id.group}&groupBy=GROUP`)).toEqual([
      [0, 7_000, 1, 'group'],
      [1, 2_000, 2.5 / 3, 'group'],
    ]);
  });

  test('of what is not there, or another’s, are not found; a sum needs to know of what', async () => {
    const other = await api.tenant();
    for (const query of [`deviceId=${id.charger}`, `siteId=${id.elm}`, `groupId=${id.group}`]) {
      expect((await get(`/v1/metrics/consumption?${query}`, other.key)).status).toBe(404);
    }
    const nothing = await get('/v1/metrics/consumption?groupBy=SITE', other.key);
    expect(nothing.body).toEqual({ data: [] });
    const ofWhat = await get('/v1/metrics/consumption?groupBy=GROUP');
    expect([ofWhat.status, ofWhat.body.errors[0].place]).toEqual([400, 'groupId']);
    expect((await get('/v1/metrics/emissions')).status).toBe(400);
  });
});
