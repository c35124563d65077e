import { afterAll, beforeAll, expect, test } from 'vitest';
import { DEMO } from '../../harness/serve/demo.ts';
import { DEFAULT_REVISION } from '../../src/domain/pointsMap.ts';
import { type Flows, HOUR, MINUTE, openFlows } from './flowsBench.ts';

/** The plant of `vpp serve --demo`, and a second workspace on it that wants what the first one has. */
let flows: Flows;
let theirSite = '';

beforeAll(async () => {
  flows = await openFlows('sockets');
  const { id } = await flows.made('POST', '/v1/workspaces', { name: 'Second' }, 'operator');
  const scopes = ['read', 'write:devices', 'write:commands', 'write:safety', 'write:programs', 'admin:workspace'];
  const made = await flows.made('POST', `/v1/workspaces/${id}/api-keys`, { name: 'eve', scopes }, 'operator');
  flows.introduce('eve', made.secret);
  const customer = await flows.made('POST', '/v1/customers', { name: 'Eve' }, 'eve');
  const site = { customerId: customer.id, name: 'Hers', timeZone: 'UTC' };
  theirSite = (await flows.made('POST', '/v1/sites', site, 'eve')).id;
}, 60_000);
afterAll(() => flows.close());

const connect = (type: string, source: object) =>
  flows.call(
    'POST',
    '/v1/devices',
    {
      siteId: theirSite,
      type,
      manufacturer: 'M',
      model: 'M',
      nameplate: { usableWh: 40_000_000, chargeWMax: 10_000_000, dischargeWMax: 10_000_000 },
      source,
    },
    'eve',
  );
const dnp3 = (connectionId: string) => ({ kind: 'dnp3', connectionId, mapRevision: DEFAULT_REVISION });

test('a site is its workspace’s alone, before it is connected and while it discharges', async () => {
  const before = await connect('bess', dnp3(DEMO.connectionId));
  expect([before.status, before.body.detail]).toEqual([404, `no connection "${DEMO.connectionId}"`]);
  const { siteId, deviceId } = await flows.bess();
  const limits = { chargeWMax: 10_000_000, dischargeWMax: 10_000_000 };
  await flows.made('PUT', `/v1/sites/${siteId}/safety`, { watchdog: { timeoutMs: 60_000 }, ...limits });
  const times = { from: flows.at(0), until: flows.at(4 * HOUR) };
  const body = { ...limits, mapRevision: DEFAULT_REVISION, ...times };
  const approval = await flows.made('POST', `/v1/sites/${siteId}/approvals`, body);
  await flows.made('POST', `/v1/approvals/${approval.id}/approve`, undefined, 'ben');
  const { id } = await flows.made('POST', '/v1/commands', flows.command(deviceId, 4_000_000));
  await flows.advance(10 * MINUTE);
  const power = async () => (await flows.get(`/v1/devices/${deviceId}`)).state.chargeRate;
  expect(await power()).toBe(4_000_000);

  const taken = await connect('bess', dnp3(DEMO.connectionId));
  const unknown = await connect('bess', dnp3('nowhere'));
  expect([taken.status, unknown.status]).toEqual([404, 404]);
  expect(taken.body.detail.replace(DEMO.connectionId, 'nowhere')).toBe(unknown.body.detail);
  await flows.advance(10 * MINUTE);
  expect(await power(), 'it goes on').toBe(4_000_000);
  await flows.advance(HOUR);
  expect((await flows.get(`/v1/commands/${id}`)).status).toBe('succeeded');
}, 60_000);

test('a battery at its maker is commanded by one workspace', async () => {
  const deviceId = await flows.battery('tesla', 0);
  const vendorDeviceId = flows.vendorId('tesla', 0);
  for (const name of [vendorDeviceId, `0${vendorDeviceId}`]) {
    const taken = await connect('battery', { kind: 'oem', oem: 'tesla', vendorDeviceId: name });
    expect([taken.status, taken.body.code]).toEqual([409, 'conflict']);
    expect(JSON.stringify(taken.body)).not.toContain(deviceId);
  }
  const free = { kind: 'oem', oem: 'tesla', vendorDeviceId: flows.vendorId('tesla', 1) };
  expect((await connect('battery', free)).status).toBe(201);
}, 60_000);

test('prices of a workspace call no program of another, and no id of another is told', async () => {
  const program = {
    name: 'By price',
    timeZone: 'UTC',
    node: 'SHARED',
    trigger: { kind: 'day-ahead-price', thresholdUsdPerMwh: 100, window: { start: '00:00', end: '23:59' } },
    nominatedW: 1_000,
    paymentUsdPerKwh: 1,
  };
  await flows.made('POST', '/v1/programs', program);
  const hour = new Date(Math.ceil(flows.clock.nowMs() / HOUR) * HOUR).toISOString();
  const prices = { node: 'SHARED', market: 'day-ahead', startsAt: hour, stepS: 3_600, usdPerMwh: [500] };
  expect(await flows.made('POST', '/v1/prices', prices, 'eve')).toEqual({ events: [] });
  expect((await flows.get('/v1/events')).data).toEqual([]);
  expect((await flows.made('POST', '/v1/prices', prices)).events).toHaveLength(1);
}, 60_000);

test('health names to a workspace its own sites and clouds, to the operator all', async () => {
  const namesFor = async (by: string): Promise<string[]> =>
    Object.keys((await flows.made('GET', '/v1/health', undefined, by)).parts).filter((n) => /\/(site|cloud)\//.test(n));
  expect(await namesFor('eve')).toEqual(['main/cloud/tesla']);
  expect(await namesFor('ana')).toEqual(['main/cloud/tesla', `main/site/${DEMO.connectionId}`]);
  const clouds = ['enphase', 'solaredge', 'tesla', 'open'].map((oem) => `main/cloud/${oem}`);
  expect(await namesFor('operator')).toEqual([...clouds, `main/site/${DEMO.connectionId}`]);
});
