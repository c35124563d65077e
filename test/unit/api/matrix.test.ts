import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isScope, SCOPE_NAMES, type Scope } from '../../../src/domain/client.ts';
import { ALL_SCOPES, type ApiBench, openApi, type Tenant } from '../../helpers/apiBench.ts';
import {
  approval,
  automation,
  credential,
  destination,
  deviceBody,
  deviceSchedule,
  eventBody,
  feeder,
  group,
  program,
  type Seed,
  safety,
  schedule,
  seed,
  transformer,
} from '../../helpers/apiSeed.ts';

/**
 * Every route × {no credential, too few scopes, another tenant}, made from the OpenAPI document the service gives: a route
 * that is added is in here by itself, and fails until a body is given for it below.
 */
interface Operation {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly path: string;
  readonly scope: Scope | null;
  readonly isRegistry: boolean;
  readonly hasBody: boolean;
}

let api: ApiBench;
let ana: Tenant;
let ben: Tenant;
let things: Seed;
let operations: readonly Operation[];

beforeAll(async () => {
  api = await openApi();
  // Both live in one plant: what parts them is the face and the core, not that they run apart.
  [ana, ben] = [await api.tenant(), await api.tenant()];
  things = await seed(api, ana);
  await seed(api, ben);
  operations = await operationsOf(api);
});
afterAll(() => api.close());

async function operationsOf(bench: ApiBench): Promise<Operation[]> {
  const { body } = await bench.get('/v1/openapi.json');
  const paths = body.paths as Record<string, Record<string, Record<string, unknown>>>;
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, o]) => {
      const scope = typeof o['x-scope'] === 'string' && isScope(o['x-scope']) ? o['x-scope'] : null;
      const isRegistry = o['x-operator'] === true;
      const hasBody = o.requestBody !== undefined;
      return { method: method.toUpperCase() as Operation['method'], path, scope, isRegistry, hasBody };
    }),
  );
}

const filled = (path: string, ids: Seed): string =>
  path.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
    const id = ids[name];
    if (id === undefined) throw new Error(`the seed has no ${name} for ${path}`);
    return id;
  });

/** A body that is right, with the ids of one workspace. */
function bodyOf({ method, path }: Operation, ids: Seed): unknown {
  const { deviceId = '', siteId = '', customerId = '', programId = '', resourceId = '', feederId = '' } = ids;
  const input = { operatingMode: 'charge' };
  const { chargerId, vehicleId, thermostatId, inverterId } = ids;
  const bodies: Readonly<Record<string, unknown>> = {
    'POST /v1/workspaces': { name: 'x' },
    'POST /v1/workspaces/{workspaceId}/clients': credential(['read']),
    'POST /v1/workspaces/{workspaceId}/api-keys': credential(['read']),
    'POST /v1/customers': { name: 'x' },
    'POST /v1/sites': { customerId, name: 'x', timeZone: 'UTC' },
    'POST /v1/devices': deviceBody(siteId),
    'PUT /v1/devices/{deviceId}/tags': { tags: ['a', 'north'] },
    'POST /v1/commands': { deviceId, input },
    'POST /v1/commands/battery/set-operating-mode': { deviceId, input },
    'POST /v1/commands/battery/set-reserve': { deviceId, input: { chargePercentage: 30 } },
    'POST /v1/commands/charger/set-operating-mode': {
      deviceId: chargerId,
      input: { operatingMode: 'stop-charging' },
    },
    'POST /v1/commands/vehicle/set-operating-mode': {
      deviceId: vehicleId,
      input: { operatingMode: 'start-charging' },
    },
    'POST /v1/commands/vehicle/set-charge-limit': { deviceId: vehicleId, input: { chargeLimit: 80 } },
    'POST /v1/commands/thermostat/set-operating-mode': {
      deviceId: thermostatId,
      input: { operatingMode: 'cool', coolTarget: 75 },
    },
    'POST /v1/commands/thermostat/set-fan-mode': { deviceId: thermostatId, input: { fanMode: 'on' } },
    'POST /v1/commands/inverter/set-export-limit': { deviceId: inverterId, input: { powerW: null } },
    'POST /v1/batch-commands': { deviceIds: [deviceId], command: { slug: 'battery:set-operating-mode', input } },
    'POST /v1/programs': program(),
    'POST /v1/programs/{programId}/enrollments': { deviceId },
    'PUT /v1/grid-services': { enabled: true },
    'POST /v1/programs/{programId}/bids': {
      startsAt: new Date(api.service.nowMs + 7_200_000).toISOString(),
      steps: [{ priceUsdPerMwh: 10, quantityW: 1_000 }],
    },
    'POST /v1/awards': {
      awards: [
        {
          ...{ programId, awardedW: 1_000, priceUsdPerMwh: 10 },
          startsAt: new Date(api.service.nowMs + 7_200_000).toISOString(),
        },
      ],
    },
    'POST /v1/meter-readings': {
      meters: [
        { siteId, startsAt: '2024-07-10T18:00:00Z', stepS: 3_600, energyWh: [100, null] },
        { deviceId, startsAt: '2024-07-10T18:00:00Z', stepS: 3_600, energyWh: [-100] },
      ],
    },
    'POST /v1/prices': {
      node: 'ELSEWHERE',
      market: 'real-time',
      startsAt: new Date(api.service.nowMs).toISOString(),
      stepS: 3_600,
      usdPerMwh: [10, null],
    },
    'POST /v1/events': eventBody(api, programId),
    'POST /v1/resources': { id: 'other', programId, deviceIds: [deviceId] },
    'POST /v1/events/{eventId}/answers': { resourceId, answer: 'opt-out' },
    'POST /v1/reports': {
      resourceId,
      readings: [{ startsAt: '2024-07-10T18:00:00Z', endsAt: '2024-07-10T19:00:00Z', usageWh: 100 }],
    },
    'POST /v1/schedules': schedule(deviceId),
    'POST /v1/devices/{deviceId}/schedule': deviceSchedule(),
    'POST /v1/automations': automation(),
    'PUT /v1/automations/{automationId}': automation(),
    'POST /v1/automations/dry-run': automation(),
    'POST /v1/groups': group(),
    'PUT /v1/groups/{groupId}': group(),
    'POST /v1/feeders': feeder(),
    'PUT /v1/feeders/{feederId}': feeder(),
    'POST /v1/transformers': transformer(feederId, siteId),
    'PUT /v1/transformers/{transformerId}': transformer(feederId, ids.otherSiteId ?? ''),
    'PUT /v1/sites/{siteId}/safety': safety(),
    'POST /v1/sites/{siteId}/approvals': approval(api),
    'POST /v1/approvals/{approvalId}/refuse': { why: 'no' },
    'POST /v1/approvals/{approvalId}/revoke': { why: 'no' },
    'POST /v1/emergency-stop': { tag: 'north' },
    'POST /v1/alerts/{alertId}/resolve': { why: 'seen to' },
    'POST /v1/destinations': destination(),
    'PUT /v1/destinations/{destinationId}': destination(),
    'POST /v1/destinations/{destinationId}/replay': { deliveryId: 'd' },
    'POST /v1/clock/advance': { to: new Date(api.service.nowMs).toISOString() },
  };
  const name = `${method} ${path}`;
  if (!(name in bodies)) throw new Error(`this table has no body for ${name}`);
  return bodies[name];
}

const request = (o: Operation, ids: Seed, key: string | undefined) => {
  const body = o.hasBody ? { body: bodyOf(o, ids) } : {};
  return api.request(o.method, filled(o.path, ids), { key, ...body });
};

describe('every route', () => {
  test('is in the document, with a scope or open on purpose', () => {
    const open = operations.filter((o) => o.scope === null).map((o) => `${o.method} ${o.path}`);
    expect(open.sort()).toEqual([
      'GET /.well-known/jwks.json',
      'GET /health',
      'GET /v1/openapi.json',
      'GET /v1/problems',
      'POST /oauth/token',
    ]);
    expect(operations.length).toBeGreaterThan(110);
  });

  test('refuses who gives no credential, a wrong one, or two', async () => {
    for (const o of operations) {
      if (o.scope === null) continue;
      const what = `${o.method} ${o.path}`;
      expect((await request(o, things, undefined)).status, what).toBe(401);
      expect((await request(o, things, 'vpp.key_nobody.0000')).status, what).toBe(401);
    }
  });

  test('refuses who has every scope but its own, and names it', async () => {
    for (const o of operations) {
      const { scope } = o;
      if (scope === null || scope === 'admin:service') continue;
      const others = SCOPE_NAMES.filter((x) => x !== scope && x !== 'admin:service');
      const reply = await request(o, things, await api.apiKey(ana.workspaceId, others));
      expect([reply.status, reply.body.code], `${o.method} ${o.path}`).toEqual([403, 'missing_scope']);
      expect(reply.body.detail).toContain(scope);
    }
  });

  test('tells another tenant nothing: what is foreign answers as what does not exist, and no list has it', async () => {
    const unknown = Object.fromEntries(
      Object.entries(things).map(([name, id]) => [name, name === 'tag' || name === 'metric' ? id : `${id}x`]),
    );
    const secrets = Object.entries(things).filter(([name]) => !['tag', 'metric', 'resourceId'].includes(name));
    let named = 0;
    const key = await api.apiKey(ben.workspaceId, [...ALL_SCOPES, 'approve:control']);
    for (const o of operations) {
      if (o.scope === null || o.scope === 'admin:service') continue;
      const what = `${o.method} ${o.path}`;
      const reply = await request(o, things, key);
      const asUnknown = await request(o, unknown, key);
      const strip = (text: string, ids: Seed) =>
        Object.entries(ids).reduce((t, [name, id]) => t.replaceAll(id, name), text.replace(/"requestId":"[^"]*"/, ''));
      if (reply.status >= 400) {
        named += 1;
        expect(reply.status, `${what} ${reply.text}`).toBe(OWN_FAULT[what] ?? 404);
        expect(strip(reply.text, things), what).toBe(strip(asUnknown.text, unknown));
        expect(reply.status, what).toBe(asUnknown.status);
      } else {
        for (const [name, id] of secrets) expect(reply.text, `${what} tells ${name}`).not.toContain(id);
      }
    }
    expect(named).toBeGreaterThan(60);
  });

  test('works for its own tenant, so that the refusals above are about whose it is', async () => {
    const bad: string[] = [];
    const sandbox = await api.tenant('sandbox');
    const own = await seed(api, sandbox);
    const last = operations.filter((o) => o.method === 'DELETE').sort((a, b) => a.path.length - b.path.length);
    for (const o of [...operations.filter((x) => x.method !== 'DELETE'), ...last.reverse()]) {
      if (o.scope === null || o.scope === 'admin:service') continue;
      const approver = o.scope === 'approve:control';
      const key = approver ? await api.apiKey(sandbox.workspaceId, ['approve:control']) : sandbox.key;
      const reply = await request(o, own, key);
      const expected = OWN[`${o.method} ${o.path}`] ?? [];
      if (reply.status >= 300 && !expected.includes(reply.body.code)) bad.push(`${o.method} ${o.path}: ${reply.text}`);
    }
    expect(bad).toEqual([]);
  });
});

/** A batch names each device that it leaves out; prices and clocks are for sandboxes; a stream is no request. */
const OWN_FAULT: Readonly<Record<string, number>> = {
  'POST /v1/batch-commands': 422,
  'POST /v1/prices': 403,
  'GET /v1/clock': 403,
  'GET /v1/stream': 426,
  'POST /v1/clock/freeze': 403,
  'POST /v1/clock/resume': 403,
  'POST /v1/clock/advance': 403,
};

/** Refusals that are right, since the thing has been made already, no award calls the program, or the clock runs. */
const OWN: Readonly<Record<string, readonly string[]>> = {
  'POST /v1/programs/{programId}/enrollments': ['conflict'],
  'POST /v1/events': ['conflict'],
  'POST /v1/programs/{programId}/bids': ['unprocessable'],
  'POST /v1/awards': ['conflict'],
  'POST /v1/approvals/{approvalId}/refuse': ['conflict'],
  'DELETE /v1/feeders/{feederId}': ['conflict'],
  'POST /v1/clock/advance': ['conflict'],
  'GET /v1/stream': ['upgrade_required'],
};
