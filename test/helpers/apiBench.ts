import { createHash } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { expect } from 'vitest';
import { codesOf } from '../../src/api/openapi.ts';
import type { Route } from '../../src/api/route.ts';
import { ROUTES } from '../../src/api/routes.ts';
import { type ApiOptions, createApi } from '../../src/api/server.ts';
import type { ApiTools, KeyRing } from '../../src/api/tools.ts';
import type { Scope } from '../../src/domain/client.ts';
import type { Device, DeviceSource } from '../../src/domain/device.ts';
import { createApiTools, keysInMemory, type RotatingKeys } from '../../src/live/apiTools.ts';
import { batteryState } from './coreBench.ts';
import { MemoryService } from './memoryService.ts';

/**
 * The HTTP face over the real core in memory. The same tests run without a socket and over real ones: VPP_API_WIRE=sockets.
 * Each answer is held against the table of routes: its body against the schema of its status, its code against those the
 * route may give.
 */
export type ApiWire = 'direct' | 'sockets';

/** Wednesday 2024-07-10 15:00 in Los Angeles. */
export const NOW = Date.UTC(2024, 6, 10, 22);
export const OPERATOR_KEY = 'vpp.operator.0123456789abcdef0123456789abcdef';
export const ALL_SCOPES: readonly Scope[] = [
  'read',
  'write:commands',
  'write:devices',
  'write:programs',
  'write:awards',
  'write:meter-readings',
  'write:incentives',
  'write:destinations',
  'write:safety',
  'emergency:stop',
  'admin:workspace',
];

export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: the body of an answer is what a test looks into
  readonly body: any;
}

export interface RequestOptions {
  readonly headers?: Readonly<Record<string, string>>;
  /** An object is sent as JSON; text and octets as they are, with the content type of the headers or JSON's. */
  readonly body?: unknown;
  readonly key?: string | undefined;
  /** The answer is not held against the table. */
  readonly unchecked?: boolean;
}

export interface Tenant {
  readonly workspaceId: string;
  /** An API key with all scopes that a workspace may give itself. */
  readonly key: string;
}

let sharedKeys: Promise<RotatingKeys> | null = null;

export interface ApiBenchOptions {
  readonly wire?: ApiWire;
  readonly api?: Partial<ApiOptions>;
  readonly keys?: KeyRing;
}

export async function openApi(options: ApiBenchOptions = {}): Promise<ApiBench> {
  const wire = options.wire ?? (process.env.VPP_API_WIRE === 'sockets' ? 'sockets' : 'direct');
  sharedKeys ??= keysInMemory();
  const service = new MemoryService(NOW);
  const reported: unknown[] = [];
  const made = createApiTools({ keys: options.keys ?? (await sharedKeys), report: (error) => reported.push(error) });
  const tools: ApiTools = {
    ...made,
    nowMs: () => service.nowMs,
    // A fast one: how slow scrypt is has a test of its own.
    scrypt: async (secret, salt) => createHash('sha256').update(`${salt}/${secret}`).digest('hex'),
  };
  const app = await createApi(service, tools, {
    version: 'test',
    issuer: 'https://vpp.example',
    audience: 'https://vpp.example/v1',
    operatorKeyHashes: [tools.sha256(OPERATOR_KEY)],
    rate: { perSecond: 100_000, burst: 100_000 },
    failures: { perSecond: 100_000, burst: 100_000 },
    ...options.api,
  });
  if (wire === 'sockets') await app.listen({ host: '127.0.0.1', port: 0 });
  else await app.ready();
  return new ApiBench({ app, service, tools, wire, reported });
}

interface Parts {
  readonly app: FastifyInstance;
  readonly service: MemoryService;
  readonly tools: ApiTools;
  readonly wire: ApiWire;
  readonly reported: unknown[];
}

export class ApiBench {
  readonly app: FastifyInstance;
  readonly service: MemoryService;
  readonly tools: ApiTools;
  readonly wire: ApiWire;
  /** Bugs that were answered with 500. */
  readonly reported: unknown[];
  #ids = 0;

  constructor(parts: Parts) {
    this.app = parts.app;
    this.service = parts.service;
    this.tools = parts.tools;
    this.wire = parts.wire;
    this.reported = parts.reported;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.app.server.address() as AddressInfo).port}`;
  }

  async request(method: Route['method'] | 'PATCH' | 'OPTIONS', path: string, o: RequestOptions = {}): Promise<Reply> {
    const isRaw = typeof o.body === 'string' || o.body instanceof Uint8Array;
    const payload = o.body === undefined ? undefined : isRaw ? (o.body as string) : JSON.stringify(o.body);
    const headers = {
      ...(payload === undefined ? {} : { 'content-type': 'application/json' }),
      ...(o.key === undefined ? {} : { 'texture-api-key': o.key }),
      ...o.headers,
    };
    const reply = await (this.wire === 'direct'
      ? this.#inject(method, path, headers, payload)
      : this.#fetch(method, path, headers, payload));
    if (o.unchecked !== true) holdAgainstTable(method, path, reply);
    return reply;
  }

  async #inject(method: string, url: string, headers: Record<string, string>, payload: string | undefined) {
    const answer = await this.app.inject({
      method: method as 'GET',
      url,
      headers,
      ...(payload === undefined ? {} : { payload: typeof payload === 'string' ? payload : Buffer.from(payload) }),
    });
    return replyOf(answer.statusCode, answer.headers as Record<string, string>, answer.body);
  }

  async #fetch(method: string, path: string, headers: Record<string, string>, body: string | undefined) {
    const answer = await fetch(`${this.url}${path}`, { method, headers, ...(body === undefined ? {} : { body }) });
    return replyOf(answer.status, Object.fromEntries(answer.headers), await answer.text());
  }

  get(path: string, o: RequestOptions = {}): Promise<Reply> {
    return this.request('GET', path, o);
  }

  post(path: string, body: unknown, o: RequestOptions = {}): Promise<Reply> {
    return this.request('POST', path, { ...o, body });
  }

  /** A workspace with a key for everything. */
  async tenant(environment: 'production' | 'sandbox' = 'production'): Promise<Tenant> {
    const made = await this.post('/v1/workspaces', { name: 'Test', environment }, { key: OPERATOR_KEY });
    expect(made.status).toBe(201);
    const workspaceId: string = made.body.id;
    return { workspaceId, key: await this.apiKey(workspaceId, ALL_SCOPES) };
  }

  async apiKey(workspaceId: string, scopes: readonly Scope[]): Promise<string> {
    const made = await this.post(
      `/v1/workspaces/${workspaceId}/api-keys`,
      { name: 'a key', scopes },
      { key: OPERATOR_KEY },
    );
    expect(made.status).toBe(201);
    return made.body.secret;
  }

  /** Puts something into the plant of a workspace without the face. */
  put(workspaceId: string, input: Parameters<MemoryService['tell']>[1]): void {
    this.service.tell(workspaceId, input);
  }

  /** Connects a battery at a site of its own, seen a moment ago. @returns its id */
  device(
    workspaceId: string,
    over: Partial<Device> & { readonly oem?: 'enphase' | 'solaredge' | 'tesla' | 'dnp3' } = {},
  ) {
    this.#ids += 1;
    const { oem = 'tesla', ...device } = over;
    const deviceId = over.deviceId ?? `dev-${this.#ids}`;
    const siteId = `site-${this.#ids}`;
    const site = { siteId, workspaceId, customerId: 'cus-1', name: siteId, timeZone: 'America/Los_Angeles' };
    this.put(workspaceId, { kind: 'create-site', site });
    const source: DeviceSource =
      oem === 'dnp3'
        ? { kind: 'dnp3', connectionId: `conn-${deviceId}`, mapRevision: 'r1' }
        : { kind: 'oem', oem, vendorDeviceId: `v-${deviceId}` };
    this.put(workspaceId, {
      kind: 'connect-device',
      device: {
        deviceId,
        workspaceId,
        siteId,
        kind: oem === 'dnp3' ? 'bess' : 'battery',
        manufacturer: oem,
        model: 'M',
        nameplate: { usableWh: 13_500, chargeWMax: 5_000, dischargeWMax: 5_000 },
        source,
        tags: [],
        ...device,
      },
    });
    this.observe(workspaceId, deviceId);
    return deviceId;
  }

  observe(workspaceId: string, deviceId: string, over: Parameters<typeof batteryState>[2] = {}): void {
    const state = batteryState(13_500, this.service.nowMs, over);
    this.put(workspaceId, { kind: 'telemetry', deviceId, state, online: true });
  }

  async close(): Promise<void> {
    await this.app.close();
  }
}

function replyOf(status: number, headers: Record<string, string>, text: string): Reply {
  const isJson = /json/.test(headers['content-type'] ?? '');
  return { status, headers, text, body: isJson && text !== '' ? JSON.parse(text) : null };
}

export function routeOf(method: string, path: string): Route | undefined {
  const [bare = ''] = path.split('?');
  return ROUTES.find(
    (r) =>
      r.method === method &&
      new RegExp(`^${r.path.replaceAll('.', '\\.').replaceAll(/\{\w+\}/g, '[^/]+')}$`).test(bare),
  );
}

/** @throws when an answer is none that the table has for its route */
function holdAgainstTable(method: string, path: string, reply: Reply): void {
  const what = `${method} ${path} → ${reply.status} ${reply.text.slice(0, 300)}`;
  const route = routeOf(method, path);
  const told = route?.answers[reply.status];
  if (route !== undefined && told !== undefined) {
    if (told.body === null) expect(reply.text, what).toBe('');
    else expect(told.body.safeParse(reply.body).error?.issues ?? [], what).toEqual([]);
    return;
  }
  expect(reply.status, what).toBeGreaterThanOrEqual(400);
  expect(reply.headers['content-type'], what).toMatch(/^application\/problem\+json\b/);
  expect(reply.body.status, what).toBe(reply.status);
  if (route !== undefined) expect(codesOf(route), what).toContain(reply.body.code);
}
