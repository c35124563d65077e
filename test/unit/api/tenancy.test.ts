import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ApiBench, OPERATOR_KEY, openApi, type Tenant } from '../../helpers/apiBench.ts';
import { applianceBody, deviceBody } from '../../helpers/apiSeed.ts';

/** Two tenants on one service: what one has the other neither takes nor sees. */
let api: ApiBench;
let ana: Tenant & { siteId: string };
let eve: Tenant & { siteId: string };

async function settle() {
  const tenant = await api.tenant();
  const { key } = tenant;
  const customerId = (await api.post('/v1/customers', { name: 'C' }, { key })).body.id;
  const siteId: string = (await api.post('/v1/sites', { customerId, name: 'S', timeZone: 'UTC' }, { key })).body.id;
  return { ...tenant, siteId };
}

beforeAll(async () => {
  api = await openApi();
  [ana, eve] = [await settle(), await settle()];
});
afterAll(() => api.close());

const connect = (by: typeof ana, body: object) =>
  api.post('/v1/devices', { ...body, siteId: by.siteId }, { key: by.key });
const site = (connectionId: string) => ({
  ...deviceBody(''),
  type: 'bess',
  source: { kind: 'dnp3', connectionId, mapRevision: 'r1' },
});

describe('two tenants', () => {
  test('a site that another has answers as one that does not exist', async () => {
    expect((await connect(ana, site('yard'))).status).toBe(201);
    const taken = await connect(eve, site('yard'));
    expect([taken.status, taken.body.code, taken.body.detail]).toEqual([404, 'not_found', 'no connection "yard"']);
    expect((await connect(ana, site('yard'))).body.code).toBe('conflict');
  });

  test('a device of a maker that another has is refused without a word of whose it is', async () => {
    const { source, ...body } = deviceBody('');
    const mine = await connect(ana, { ...body, source });
    expect(mine.status).toBe(201);
    for (const vendorDeviceId of [source.vendorDeviceId, source.vendorDeviceId.toUpperCase()]) {
      const taken = await connect(eve, { ...body, source: { ...source, vendorDeviceId } });
      expect([taken.status, taken.body.code]).toEqual([409, 'conflict']);
      for (const id of [mine.body.id, ana.workspaceId, ana.siteId]) expect(taken.text).not.toContain(id);
    }
    const blank = await connect(eve, { ...body, source: { ...source, vendorDeviceId: ` ${source.vendorDeviceId}` } });
    expect(blank.status, 'a name that a maker may trim').toBe(400);
  });

  test('so is a charger, a vehicle, a thermostat, an inverter', async () => {
    const body = applianceBody('', 'vehicle');
    expect((await connect(ana, body)).status).toBe(201);
    expect((await connect(eve, body)).body.code).toBe('conflict');
  });

  test('each sees of sites, clouds and sandboxes its own, the operator all', async () => {
    const names = [
      'journal',
      'webhooks',
      'main/clock',
      'plant/main',
      'main/site/yard',
      'main/site/free',
      'main/cloud/tesla',
    ];
    const foreign = ['main/cloud/enphase', 'ws_other/cloud/tesla', 'plant/ws_other'];
    const parts = Object.fromEntries([...names, ...foreign].map((n) => [n, { ok: n !== 'main/site/free', why: 'so' }]));
    api.service.healthNow = { status: 'degraded', parts };
    const seenBy = async (key: string) => {
      const { body } = await api.get('/v1/health', { key });
      return [body.status, ...Object.keys(body.parts)];
    };
    const shared = ['journal', 'webhooks', 'main/clock', 'plant/main'];
    expect(await seenBy(eve.key)).toEqual(['ok', ...shared]);
    expect(await seenBy(ana.key)).toEqual(['ok', ...shared, 'main/site/yard', 'main/cloud/tesla']);
    expect(await seenBy(OPERATOR_KEY)).toEqual(['degraded', ...names, ...foreign]);
  });
});
