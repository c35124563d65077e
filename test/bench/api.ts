import { fork } from 'node:child_process';
import type { AddressInfo } from 'node:net';
import fastify from 'fastify';
import { putLoad } from '../../harness/bench/httpLoad.ts';
import { createApi } from '../../src/api/server.ts';
import { createApiTools, keysInMemory } from '../../src/live/apiTools.ts';
import { MemoryService } from '../helpers/memoryService.ts';

/**
 * How many commands a second the HTTP face takes with nothing durable behind it: auth by token, idempotency key, strict
 * JSON, the real core. The load generator is a process of its own on the same machine.
 *   npx tsx test/bench/api.ts [seconds] [connections]
 */
const [, , seconds = '5', connections = '50', role = 'server'] = process.argv;
const DEVICES = 2_000;
const ANSWER = JSON.stringify({ id: 'cmd-1', status: 'accepted', detail: 'x'.repeat(300) });
if (role === 'client') await client();
else {
  console.log('nothing but the framework');
  await noOp();
  console.log('the HTTP face');
  await server();
}

/** The same framework with nothing in it: what is left to gain. */
async function noOp(): Promise<void> {
  const app = fastify();
  app.post('/v1/commands', (_request, reply) => reply.code(202).type('application/json').send(ANSWER));
  await app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = app.server.address() as AddressInfo;
  await underLoad({ port, token: 'none' });
  await app.close();
}

async function underLoad(message: { readonly port: number; readonly token: string }): Promise<void> {
  const child = fork(new URL(import.meta.url).pathname, [seconds, connections, 'client'], {
    execArgv: process.execArgv,
  });
  child.send(message);
  const before = process.cpuUsage();
  await new Promise((resolve) => child.on('exit', resolve));
  const { user, system } = process.cpuUsage(before);
  console.log(`  the server's CPU: ${((user + system) / 1e6).toFixed(2)} s`);
}

async function server(): Promise<void> {
  const keys = await keysInMemory();
  const service = new MemoryService(Date.now());
  service.keepsHistory = false;
  const tools = createApiTools({ keys, report: (error) => console.error(error) });
  const operator = 'vpp.operator.bench';
  const app = await createApi(service, tools, {
    version: 'bench',
    issuer: 'bench',
    audience: 'bench',
    operatorKeyHashes: [tools.sha256(operator)],
    rate: { perSecond: 1e9, burst: 1e9 },
  });
  await app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = app.server.address() as AddressInfo;
  const token = await setUp(`http://127.0.0.1:${port}`, operator, service);
  await underLoad({ port, token });
  console.log(`  ${service.entries.length} recorded`);
  await app.close();
}

async function setUp(url: string, operator: string, service: MemoryService): Promise<string> {
  const post = async (path: string, body: unknown) => {
    const headers = { 'content-type': 'application/json', 'texture-api-key': operator };
    const answer = await fetch(`${url}${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
    return (await answer.json()) as Record<string, string>;
  };
  const { id: workspaceId = '' } = await post('/v1/workspaces', { name: 'bench' });
  const scopes = ['read', 'write:commands'];
  const made = await post(`/v1/workspaces/${workspaceId}/clients`, { name: 'bench', scopes });
  service.tell(workspaceId, {
    kind: 'create-site',
    site: { siteId: 'site', workspaceId, customerId: 'c', name: 's', timeZone: 'UTC' },
  });
  for (let i = 0; i < DEVICES; i++) {
    service.tell(workspaceId, {
      kind: 'connect-device',
      device: {
        deviceId: `dev-${i}`,
        workspaceId,
        siteId: 'site',
        kind: 'battery',
        manufacturer: 'tesla',
        model: 'M',
        nameplate: { usableWh: 13_500, chargeWMax: 5_000, dischargeWMax: 5_000 },
        source: { kind: 'oem', oem: 'tesla', vendorDeviceId: `v${i}` },
        tags: [],
      },
    });
  }
  const form = new URLSearchParams({
    grant_type: 'client_credentials',
    client_id: made.id ?? '',
    client_secret: made.secret ?? '',
  });
  const answer = await fetch(`${url}/oauth/token`, { method: 'POST', body: form });
  return ((await answer.json()) as { access_token: string }).access_token;
}

async function client(): Promise<void> {
  const { port, token } = await new Promise<{ port: number; token: string }>((resolve) =>
    process.once('message', (m) => resolve(m as { port: number; token: string })),
  );
  const result = await putLoad({
    port,
    connections: Number(connections),
    seconds: Number(seconds),
    request: (n) => {
      const body = `{"deviceId":"dev-${n % DEVICES}","input":{"operatingMode":"discharge","powerW":${1_000 + (n % 4_000)},"enableGridInteraction":false}}`;
      return `POST /v1/commands HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${token}\r\ncontent-type: application/json\r\nidempotency-key: key-${n}\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
    },
  });
  const { answers, perSecond, p50Ms, p99Ms, byStatus } = result;
  console.log(
    `${answers} answers, ${perSecond}/s, p50 ${p50Ms.toFixed(1)} ms, p99 ${p99Ms.toFixed(1)} ms, ${JSON.stringify(byStatus)}`,
  );
  process.exit(0);
}
