import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { CloudWorld } from '../../harness/cloud/cloudWorld.ts';
import type { ApplianceShown } from '../../harness/cloud/openWorld.ts';
import { DEMO } from '../../harness/serve/demo.ts';
import type { ApplianceKind } from '../../src/domain/appliance.ts';
import { DEFAULT_REVISION } from '../../src/domain/pointsMap.ts';
import { SteppedClock } from '../../src/live/steppedClock.ts';
import type { BatteryOem } from '../../src/ports/oem.ts';
import { openDirect } from './flowsDirect.ts';
import { openSockets } from './flowsSockets.ts';
import type { Hook, World } from './flowsWorld.ts';

/**
 * One plant for the flows, in either world, on a clock that stands until a test moves it. What a test may use is the HTTP
 * API, a receiver of webhooks, and what the makers' clouds were told.
 *
 *   direct   no socket: the API by injection, clouds, receiver and RTAC by calls and pipes in the time of the clock
 *   sockets  the API, the clouds and the receiver over HTTP, the RTAC over TCP, all on the loopback
 *
 * Both have the journal, the outbox and the secrets on disk, in a folder of their own.
 */
export type Wire = 'direct' | 'sockets';
const WIRES: readonly Wire[] = ['direct', 'sockets'];

/** VPP_WIRE picks one; both without it. */
export function wires(): readonly Wire[] {
  const { VPP_WIRE: wanted } = process.env;
  if (wanted === undefined || wanted === '') return WIRES;
  const found = WIRES.find((w) => w === wanted);
  if (found === undefined) throw new Error(`VPP_WIRE: found ${wanted}, expected direct or sockets`);
  return [found];
}

export interface Answer {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: the answers of a test are read field by field and compared
  readonly body: any;
}

/** A Wednesday, 09:00 in Los Angeles: nobody's evening is near. */
export const START_MS = Date.UTC(2024, 6, 10, 16);
export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;

export async function openFlows(wire: Wire): Promise<Flows> {
  const dir = mkdtempSync(join(tmpdir(), `vpp-flows-${wire}-`));
  const clock = new SteppedClock({ startMs: START_MS, frozen: true });
  const hooks: Hook[] = [];
  const onHook = (hook: Hook): void => void hooks.push(hook);
  const open = wire === 'direct' ? openDirect : openSockets;
  const world = await open({ dir, clock, onHook });
  const flows = new Flows({ world, clock, hooks, dir });
  await flows.begin();
  return flows;
}

export class Flows {
  readonly clock: SteppedClock;
  readonly #world: World;
  readonly #hooks: Hook[];
  readonly #dir: string;
  #keys = 0;
  #customerId = '';
  readonly #people = new Map<string, string>();

  constructor(parts: {
    readonly world: World;
    readonly clock: SteppedClock;
    readonly hooks: Hook[];
    readonly dir: string;
  }) {
    this.#world = parts.world;
    this.clock = parts.clock;
    this.#hooks = parts.hooks;
    this.#dir = parts.dir;
    for (const [name, key] of Object.entries(parts.world.keys)) this.#people.set(name, key);
  }

  /** A customer, and a destination for everything. */
  async begin(): Promise<void> {
    this.#customerId = (await this.made('POST', '/v1/customers', { name: 'Maple Street' })).id;
    await this.made('POST', '/v1/destinations', { label: 'all', url: this.#world.receiverUrl });
  }

  /** @param by  who asks; ana when absent */
  async call(method: string, path: string, body?: unknown, by = 'ana'): Promise<Answer> {
    this.#keys += 1;
    const headers: Record<string, string> = { 'texture-api-key': this.#people.get(by) ?? '' };
    if (method === 'POST') headers['idempotency-key'] = `flow-${this.#keys}`;
    if (body !== undefined) headers['content-type'] = 'application/json';
    const text = body === undefined ? undefined : JSON.stringify(body);
    const reply = await this.#world.request(method, path, headers, text);
    return { status: reply.status, body: reply.text === '' ? null : JSON.parse(reply.text) };
  }

  /** A call that is taken; its answer. */
  async made(method: string, path: string, body?: unknown, by = 'ana'): Promise<Answer['body']> {
    const { status, body: answer } = await this.call(method, path, body, by);
    expect(status, `${method} ${path}: ${JSON.stringify(answer)}`).toBeLessThan(300);
    return answer;
  }

  async get(path: string): Promise<Answer['body']> {
    return this.made('GET', path);
  }

  /** Status and code of a refusal. */
  async refused(method: string, path: string, body?: unknown, by = 'ana'): Promise<string> {
    const { status, body: answer } = await this.call(method, path, body, by);
    return `${status} ${answer?.code ?? 'taken'}`;
  }

  /** Moves the clock, as a client does. */
  async advance(ms: number): Promise<void> {
    const to = new Date(this.clock.nowMs() + ms).toISOString();
    await this.made('POST', '/v1/clock/advance', { to });
  }

  /** Goes on until a new sample of the device has come in: the next one is a quarter of an hour away. */
  async justSeen(deviceId: string): Promise<void> {
    const sampled = async () => (await this.get(`/v1/devices/${deviceId}`)).state?.createdAt;
    const before = await sampled();
    for (let n = 0; n < 20; n++) {
      await this.advance(MINUTE);
      if ((await sampled()) !== before) return;
    }
    throw new Error(`nothing was heard of ${deviceId} for 20 minutes`);
  }

  /** [RFC 3339] */
  at(fromNowMs: number): string {
    return new Date(this.clock.nowMs() + fromNowMs).toISOString();
  }

  cloud(oem: BatteryOem): CloudWorld {
    const cloud = this.#world.clouds.get(oem);
    if (cloud === undefined) throw new Error(`there is no cloud ${oem}`);
    return cloud;
  }

  /** What the cloud keeps for a device: every command that it was ever sent. */
  sentTo(oem: BatteryOem, vendorDeviceId: string) {
    const shown = this.cloud(oem)
      .shown()
      .devices.find((d) => d.vendorDeviceId === vendorDeviceId);
    if (shown === undefined) throw new Error(`${oem} has no ${vendorDeviceId}`);
    return shown.commands;
  }

  async site(name: string): Promise<string> {
    const site = { customerId: this.#customerId, name, timeZone: 'America/Los_Angeles' };
    return (await this.made('POST', '/v1/sites', site)).id;
  }

  /** The n-th battery of a maker, at a site of its own; its first state is known. */
  async battery(oem: BatteryOem, n: number, tags: readonly string[] = []): Promise<string> {
    const vendorDeviceId = this.vendorId(oem, n);
    const device = await this.made('POST', '/v1/devices', {
      siteId: await this.site(`${oem} ${vendorDeviceId}`),
      type: 'battery',
      manufacturer: oem,
      model: 'M',
      nameplate: { usableWh: 10_000, chargeWMax: 5_000, dischargeWMax: 5_000 },
      source: { kind: 'oem', oem, vendorDeviceId },
      tags: [`program:${DEMO.programId}`, ...tags],
    });
    await this.advance(1_000);
    return device.id;
  }

  /** The first device of a kind behind the open cloud, at a site of its own; its first state is known. */
  async appliance(kind: ApplianceKind, tags: readonly string[] = []): Promise<string> {
    const device = await this.made('POST', '/v1/devices', {
      siteId: await this.site(kind),
      type: kind,
      manufacturer: 'Acme',
      model: 'M',
      source: { kind: 'oem', oem: 'open', vendorDeviceId: this.openCloud(kind).vendorDeviceId },
      tags,
    });
    await this.advance(1_000);
    return device.id;
  }

  /** What the open cloud's first device of a kind does now, and what it was told. */
  openCloud(kind: ApplianceKind): ApplianceShown {
    const devices: readonly ApplianceShown[] = this.#world.open.shown().devices;
    const found = devices.find((d) => d.kind === kind);
    if (found === undefined) throw new Error(`the open cloud has no ${kind}`);
    return found;
  }

  vendorId(oem: BatteryOem, n: number): string {
    const id = this.cloud(oem).deviceIds[n];
    if (id === undefined) throw new Error(`${oem} has no battery ${n}`);
    return id;
  }

  /** A battery whose enrollment is approved; an hour and a half later. */
  async enrolled(oem: BatteryOem, n: number, tags: readonly string[] = []): Promise<string> {
    const deviceId = await this.battery(oem, n, tags);
    const { id } = await this.made('POST', `/v1/programs/${DEMO.programId}/enrollments`, { deviceId });
    await this.advance(90 * MINUTE);
    expect((await this.get(`/v1/enrollments/${id}`)).status).toBe('approved');
    return deviceId;
  }

  /** The battery of 10 MW behind the RTAC. */
  async bess(): Promise<{ readonly siteId: string; readonly deviceId: string }> {
    const siteId = await this.site('Yard');
    const { id } = await this.made('POST', '/v1/devices', {
      siteId,
      type: 'bess',
      manufacturer: 'SEL',
      model: 'RTAC',
      nameplate: { usableWh: 40_000_000, chargeWMax: 10_000_000, dischargeWMax: 10_000_000 },
      source: { kind: 'dnp3', connectionId: DEMO.connectionId, mapRevision: DEFAULT_REVISION },
    });
    // Its state comes with the next poll of events, which is due within half a minute.
    await this.advance(40_000);
    return { siteId, deviceId: id };
  }

  /** Discharge to the grid. */
  command(deviceId: string, powerW: number, window: { readonly startsAt?: string; readonly endsAt?: string } = {}) {
    const input = { operatingMode: 'discharge', enableGridInteraction: true, powerW };
    return { deviceId, input, ...window };
  }

  /** Somebody who has a key already. */
  introduce(name: string, key: string): void {
    this.#people.set(name, key);
  }

  /** One more person of the workspace. */
  async person(name: string, scopes: readonly string[]): Promise<void> {
    const path = `/v1/workspaces/${DEMO.workspaceId}/api-keys`;
    const { secret } = await this.made('POST', path, { name, scopes }, 'operator');
    this.introduce(name, secret);
  }

  /** Webhooks about a thing, in the order of their sequence: their types and data. */
  hooksAbout(id: string): { readonly type: string; readonly data: Answer['body'] }[] {
    const told = this.#hooks.map(({ headers, body }) => ({
      sequence: Number(headers['texture-sequence']),
      ...JSON.parse(body),
    }));
    const about = told.filter(({ data }) => JSON.stringify(data).includes(`"${id}"`));
    return about.sort((x, y) => x.sequence - y.sequence);
  }

  get hooks(): readonly Hook[] {
    return this.#hooks;
  }

  async close(): Promise<void> {
    await this.#world.close();
    rmSync(this.#dir, { recursive: true, force: true });
  }
}
