import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createCloudWorld } from '../../harness/cloud/cloudWorld.ts';
import { defaultConfig } from '../../harness/serve/config.ts';
import { openService, type RunningService } from '../../harness/serve/service.ts';

vi.mock('../../harness/cloud/cloudWorld.ts', async (original) => {
  const real = await original<typeof import('../../harness/cloud/cloudWorld.ts')>();
  return { ...real, createCloudWorld: vi.fn(real.createCloudWorld) };
});

const SCOPES = ['read', 'write:commands', 'write:devices', 'write:programs', 'write:destinations', 'admin:workspace'];
const MINUTE_S = 60;
const HOUR_S = 60 * MINUTE_S;

let dir = '';
let service: RunningService;

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'vpp-sandbox-'));
  await open();
});
afterEach(async () => {
  await service.close();
  rmSync(dir, { recursive: true, force: true });
});

async function open(sandboxes = 2): Promise<void> {
  const config = { ...defaultConfig(), data: dir, listen: { host: '127.0.0.1', port: 0 } };
  service = await openService({
    config: { ...config, limits: { ...config.limits, sandboxes }, webhooks: { allowLoopback: true } },
  });
}

async function ask(method: string, path: string, key: string, body?: unknown) {
  const headers = { 'texture-api-key': key, 'content-type': 'application/json' };
  const text = body === undefined ? {} : { body: JSON.stringify(body) };
  const reply = await fetch(`${service.url}/v1/${path}`, { method, headers, ...text });
  // biome-ignore lint/suspicious/noExplicitAny: the answers of a test are read field by field and compared
  return { status: reply.status, body: (await reply.json()) as any };
}

/** A sandbox and a key for it. */
async function sandbox() {
  const made = await ask('POST', 'workspaces', service.operatorKey, { name: 'Test', environment: 'sandbox' });
  const { id } = made.body;
  const path = `workspaces/${id}/api-keys`;
  const { secret } = (await ask('POST', path, service.operatorKey, { name: 'ana', scopes: SCOPES })).body;
  const post = async (where: string, body: unknown = {}) => (await ask('POST', where, secret, body)).body;
  const get = async (where: string) => (await ask('GET', where, secret)).body;
  const put = async (where: string, body: unknown) => (await ask('PUT', where, secret, body)).body;
  return { id, key: secret, post, get, put };
}
type Sandbox = Awaited<ReturnType<typeof sandbox>>;

async function enphase(s: Sandbox): Promise<{ readonly deviceId: string; readonly enrollmentId: string }> {
  await s.put('grid-services', { enabled: true });
  const program = {
    name: 'P',
    timeZone: 'UTC',
    node: 'N',
    trigger: { kind: 'called' },
    nominatedW: 1_000,
    paymentUsdPerKwh: 1,
  };
  const { id: programId } = await s.post('programs', program);
  const { id: customerId } = await s.post('customers', { name: 'C' });
  const { id: siteId } = await s.post('sites', { customerId, name: 'S', timeZone: 'UTC' });
  const { id: deviceId } = await s.post('devices', {
    siteId,
    type: 'battery',
    manufacturer: 'Enphase',
    model: 'M',
    nameplate: { usableWh: 10_000, chargeWMax: 3_000, dischargeWMax: 3_000 },
    source: { kind: 'oem', oem: 'enphase', vendorDeviceId: '1000001' },
    tags: [`program:${programId}`],
  });
  await s.post('clock/advance', { seconds: MINUTE_S });
  const { id: enrollmentId } = await s.post(`programs/${programId}/enrollments`, { deviceId });
  return { deviceId, enrollmentId };
}

async function restart(): Promise<void> {
  await service.close();
  await open();
}

/** A grid command from now on: what its maker says. How full the battery is depends on the hour of the day. */
async function answered(s: Sandbox, deviceId: string): Promise<string> {
  const input = { operatingMode: 'discharge', enableGridInteraction: true, powerW: 1_000 };
  const { id } = await s.post('commands', { deviceId, input });
  await s.post('clock/advance', { seconds: MINUTE_S });
  const { status, route, detail } = await s.get(`commands/${id}`);
  return `${status} ${route} ${detail}`;
}

describe('a sandbox', () => {
  test('that is frozen stands at the same instant after a restart, and runs on when it is let', async () => {
    const s = await sandbox();
    await s.post('clock/freeze');
    const before = await s.post('clock/advance', { seconds: 300 });
    expect(before.isFrozen).toBe(true);
    await restart();
    expect(await s.get('clock')).toEqual(before);
    expect((await s.post('clock/resume')).isFrozen).toBe(false);
    await restart();
    expect((await s.get('clock')).isFrozen).toBe(false);
  });

  test('a device that is approved is so at its maker, too, after a restart', async () => {
    const s = await sandbox();
    const { deviceId, enrollmentId } = await enphase(s);
    await s.post('clock/advance', { seconds: 2 * HOUR_S });
    expect((await s.get(`enrollments/${enrollmentId}`)).status).toBe('approved');
    await restart();
    await s.post('clock/advance', { seconds: 10 * MINUTE_S });
    expect(await answered(s, deviceId)).toBe('acknowledged grid_services null');
  });

  test('an application that a restart met is approved after it', async () => {
    const s = await sandbox();
    const { deviceId, enrollmentId } = await enphase(s);
    await s.post('clock/advance', { seconds: 10 * MINUTE_S });
    expect((await s.get(`enrollments/${enrollmentId}`)).status).toBe('submitted');
    await restart();
    await s.post('clock/advance', { seconds: 26 * HOUR_S });
    expect((await s.get(`enrollments/${enrollmentId}`)).status).toBe('approved');
    expect(await answered(s, deviceId)).toBe('acknowledged grid_services null');
  });

  test('has no makers before one is asked something, and tells their devices all the same', async () => {
    const made = vi.mocked(createCloudWorld);
    made.mockClear();
    const s = await sandbox();
    const { parts } = await s.get('health');
    const whyOf = (oem: string): string =>
      parts[Object.keys(parts).find((name) => name.endsWith(`cloud/${oem}`)) ?? '']?.why;
    expect(whyOf('enphase')).toMatch(/^10 simulated batteries: 1000001, .*, 1000010$/);
    expect(whyOf('open')).toMatch(/^simulated devices: charger 1000001, vehicle 1000002, /);
    await s.post('clock/advance', { seconds: 24 * HOUR_S });
    expect(made).toHaveBeenCalledTimes(0);
    await enphase(s);
    expect(made.mock.calls.map(([{ oem }]) => oem)).toEqual(['enphase']);
  });

  test('is advanced in about a second though a receiver of its webhooks hangs', async () => {
    const asked: string[] = [];
    const receiver = createServer((request) => void asked.push(request.url ?? ''));
    await new Promise<void>((done) => receiver.listen(0, '127.0.0.1', done));
    const { port } = receiver.address() as AddressInfo;
    const s = await sandbox();
    await s.post('destinations', { label: 'hangs', url: `http://127.0.0.1:${port}/hook` });
    const { id: customerId } = await s.post('customers', { name: 'C' });
    const { id: siteId } = await s.post('sites', { customerId, name: 'S', timeZone: 'UTC' });
    for (let n = 1; n <= 6; n++) {
      const source = { kind: 'oem', oem: 'open', vendorDeviceId: `${1_000_000 + n}` };
      await s.post('devices', { siteId, type: 'charger', manufacturer: 'A', model: 'M', source });
    }
    const beganMs = performance.now();
    await s.post('clock/advance', { seconds: HOUR_S });
    const tookMs = performance.now() - beganMs;
    expect(asked.length).toBeGreaterThan(0);
    expect(tookMs).toBeLessThan(5_000);
    receiver.closeAllConnections();
    receiver.close();
  });

  test('is refused when there are as many as there may be; other workspaces are not', async () => {
    await sandbox();
    await sandbox();
    const make = (environment: string) => ask('POST', 'workspaces', service.operatorKey, { name: 'W', environment });
    const third = await make('sandbox');
    expect([third.status, third.body.code, third.body.detail]).toEqual([
      422,
      'limit_reached',
      '2 sandboxes are there, the most that this service has',
    ]);
    expect((await make('production')).status).toBe(201);
    await service.close();
    await open(3);
    expect((await make('sandbox')).status, 'the file allows one more').toBe(201);
  });
});
