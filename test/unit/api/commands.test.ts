import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ApiBench, openApi, type Tenant } from '../../helpers/apiBench.ts';

let api: ApiBench;
let tenant: Tenant;
beforeAll(async () => {
  api = await openApi();
  tenant = await api.tenant();
});
afterAll(() => api.close());

describe('a command', () => {
  test('is recorded, answered with 202, and can be read', async () => {
    const deviceId = api.device(tenant.workspaceId);
    const made = await api.post('/v1/commands', { deviceId, input: { operatingMode: 'charge' } }, { key: tenant.key });
    expect(made.status).toBe(202);
    expect(made.body).toMatchObject({ status: 'sent', deviceId, command: { slug: 'battery:set-operating-mode' } });
    const read = await api.get(`/v1/commands/${made.body.id}`, { key: tenant.key });
    expect(read.body).toEqual(made.body);
  });
});
