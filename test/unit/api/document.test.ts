import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PROBLEMS } from '../../../src/api/problems.ts';
import { ROUTES } from '../../../src/api/routes.ts';
import { SCOPE_NAMES } from '../../../src/domain/client.ts';
import { EVENT_TYPE_NAMES, EVENT_TYPES } from '../../../src/domain/eventTypes.ts';
import { type ApiBench, openApi } from '../../helpers/apiBench.ts';

let api: ApiBench;
// biome-ignore lint/suspicious/noExplicitAny: the document is what the test looks into
let document: any;
beforeAll(async () => {
  api = await openApi();
  document = (await api.get('/v1/openapi.json')).body;
});
afterAll(() => api.close());

describe('the OpenAPI document', () => {
  test('has the routes that the server has, and no others', () => {
    const served = api.app.printRoutes({ commonPrefix: false, includeHooks: false }).split('\n').flatMap(pathsOfTree());
    const documented = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods as object).map((m) => `${m.toUpperCase()} ${path}`),
    );
    expect(documented.length).toBe(ROUTES.length + 1);
    expect(served.sort()).toEqual(documented.sort());
  });

  test('has the WebSocket as an upgrade, with its topics and the schema of each frame', () => {
    const { get } = document.paths['/v1/stream'];
    expect(Object.keys(get.responses)).toEqual(expect.arrayContaining(['101', '401', '403', '426']));
    for (const topic of ['`*`', '`device:<id>`', ...EVENT_TYPE_NAMES.map((t) => `\`${t.split('.', 1)}\``)]) {
      expect(get.description).toContain(topic);
    }
    const { fromClient, fromServer } = get['x-frames'];
    expect(Object.keys(fromClient)).toEqual(['subscribe', 'unsubscribe']);
    expect(Object.keys(fromServer)).toEqual(['subscribed', 'event', 'heartbeat', 'error']);
  });

  test('is OpenAPI 3.1 with unique operation ids, path parameters that are all described, strict bodies', () => {
    expect(document.openapi).toBe('3.1.0');
    const ids = new Set<string>();
    for (const [path, methods] of Object.entries<Record<string, Record<string, unknown>>>(document.paths)) {
      for (const [method, o] of Object.entries(methods)) {
        const what = `${method} ${path}`;
        expect(ids.has(String(o.operationId)), what).toBe(false);
        ids.add(String(o.operationId));
        expect(String(o.summary).length, what).toBeGreaterThan(3);
        const parameters = (o.parameters ?? []) as { name: string; in: string }[];
        const inPath = [...path.matchAll(/\{(\w+)\}/g)].map((m) => m[1]);
        expect(
          parameters.filter((p) => p.in === 'path').map((p) => p.name),
          what,
        ).toEqual(inPath);
        expect(JSON.stringify(o), what).not.toContain('"additionalProperties":true');
        const keyed = parameters.some((p) => p.name === 'Idempotency-Key');
        if (method !== 'post') expect(keyed, what).toBe(false);
      }
    }
  });

  test('has every event that may come as a webhook, each with its type and version', () => {
    const webhooks = Object.entries<{ post: Record<string, never> }>(document.webhooks);
    const ids = new Set(webhooks.map(([, { post }]) => post.operationId));
    expect(ids.size).toBe(webhooks.length);
    for (const [type, { post }] of webhooks) {
      // biome-ignore lint/suspicious/noExplicitAny: the document is what the test looks into
      const { properties } = (post.requestBody as any).content['application/json'].schema;
      expect([properties.type.const, properties.version.const]).toEqual([
        type,
        EVENT_TYPES[type as keyof typeof EVENT_TYPES].version,
      ]);
    }
    expect(webhooks.map(([type]) => type)).toEqual(expect.arrayContaining(['enrollment.approved', 'command.failed']));
  });

  test('names only scopes there are, and each scope opens something', () => {
    const used = new Set(ROUTES.map((r) => r.scope));
    for (const scope of SCOPE_NAMES) expect(used.has(scope), scope).toBe(true);
    expect(Object.keys(document.components.securitySchemes.oauth.flows.clientCredentials.scopes)).toEqual(SCOPE_NAMES);
  });

  test('every code of the table is used in the code, and the table is served', async () => {
    const folder = join(import.meta.dirname, '../../../src/api');
    const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(
      (f) => f.endsWith('.ts') && f !== 'problems.ts',
    );
    const text = files.map((f) => readFileSync(join(folder, f), 'utf8')).join('\n');
    for (const code of Object.keys(PROBLEMS)) expect(text.includes(`'${code}'`), code).toBe(true);
    const served = (await api.get('/v1/problems')).body.data;
    expect(served.map((p: { code: string }) => p.code)).toEqual(Object.keys(PROBLEMS));
  });
});

/** Fastify prints a tree: a line's depth is where its part begins. */
function pathsOfTree(): (line: string) => string[] {
  const parts: { readonly at: number; readonly part: string }[] = [];
  return (line) => {
    const [, indent = '', part = '', methods] = /^(\W*?)(\/\S*|:\w+\S*|\S+?)(?: \(([A-Z, ]+)\))?$/.exec(line) ?? [];
    if (part === '') return [];
    while ((parts.at(-1)?.at ?? -1) >= indent.length) parts.pop();
    parts.push({ at: indent.length, part });
    const path = parts
      .map((p) => p.part)
      .join('')
      .replaceAll(/:(\w+)/g, '{$1}');
    return methods === undefined ? [] : methods.split(', ').map((m) => `${m} ${path}`);
  };
}

describe('every answer', () => {
  test('carries a request id, the client’s own where it is one, and security headers', async () => {
    const reply = await api.get('/health', { headers: { 'x-request-id': 'abc-1' } });
    expect(reply.headers).toMatchObject({
      'x-request-id': 'abc-1',
      'x-content-type-options': 'nosniff',
      'cache-control': 'no-store',
    });
    expect(reply.headers['content-security-policy']).toContain("default-src 'none'");
    const odd = await api.get('/health', { headers: { 'x-request-id': '<script>' } });
    expect(odd.headers['x-request-id']).toMatch(/^req_/);
    const nowhere = await api.get('/nowhere', { unchecked: true });
    expect(nowhere.headers['x-content-type-options']).toBe('nosniff');
    expect(nowhere.body.requestId).toBe(nowhere.headers['x-request-id']);
  });

  test('lets no other origin read it', async () => {
    const reply = await api.get('/health', { headers: { origin: 'https://evil.example' } });
    expect(Object.keys(reply.headers).filter((h) => h.startsWith('access-control'))).toEqual([]);
  });

  test('to a bug tells nothing but its request id, and the operator everything', async () => {
    const tenant = await api.tenant();
    const { health } = api.service;
    api.service.health = () => {
      throw new Error('secret detail at /etc/passwd');
    };
    const reply = await api.get('/v1/health', { key: tenant.key });
    api.service.health = health;
    expect([reply.status, reply.body.code]).toEqual([500, 'internal']);
    expect(reply.text).not.toMatch(/secret|passwd|\.ts|at /);
    expect(String(api.reported.at(-1))).toContain('secret detail');
  });
});

describe('limits', () => {
  test('a workspace that asks too much is told when to come back; stopping is never limited', async () => {
    const limited = await openApi({ api: { rate: { perSecond: 2, burst: 3 } } });
    const ana = await limited.tenant();
    limited.service.nowMs += 60_000;
    const ben = await limited.tenant();
    limited.service.nowMs += 60_000;
    const { key } = ana;
    const deviceId = limited.device(ana.workspaceId);
    const made = await limited.post('/v1/commands', { deviceId, input: { operatingMode: 'idle' } }, { key });
    for (let n = 0; n < 2; n++) expect((await limited.get('/v1/devices', { key })).status).toBe(200);
    const turned = await limited.get('/v1/devices', { key });
    expect([turned.status, turned.body.code, turned.headers['retry-after']]).toEqual([429, 'rate_limited', '1']);
    expect((await limited.get('/v1/devices', { key: ben.key })).status).toBe(200);
    for (const [method, path] of [
      ['DELETE', `/v1/commands/${made.body.id}`],
      ['POST', `/v1/devices/${deviceId}/emergency-stop`],
    ] as const) {
      for (let n = 0; n < 10; n++) expect((await limited.request(method, path, { key })).status, path).toBe(200);
    }
    limited.service.nowMs += 1_000;
    expect((await limited.get('/v1/devices', { key })).status).toBe(200);
    await limited.close();
  });

  test('an address that guesses credentials is slowed down; a good one from there still gets in', async () => {
    const guessed = await openApi({ api: { failures: { perSecond: 1, burst: 5 } } });
    const tenant = await guessed.tenant();
    const status = async () => (await guessed.get('/v1/devices', { key: 'vpp.key_x.guess' })).status;
    const seen: number[] = [];
    for (let n = 0; n < 8; n++) seen.push(await status());
    expect(seen).toEqual([401, 401, 401, 401, 401, 429, 429, 429]);
    expect((await guessed.get('/v1/devices', { key: tenant.key })).status).toBe(200);
    await guessed.close();
  });
});
