import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DEFAULT_REVISION } from '../../../src/domain/pointsMap.ts';
import { type Answered, ask, make, makeRig, type Rig, removeRig } from '../bench.ts';
import { launch, type Running } from '../processes.ts';
import { DEVICES, RigCloud, type RigOem } from './cloud.ts';
import { RigReceiver } from './receiver.ts';
import { Missed, must, until, yes } from './row.ts';
import { ADDRESSES, RigSite, SITE_W, WATCHDOG_MS } from './site.ts';

/**
 * A bed: the service as a process of its own, and around it clouds, sites and receivers of the rig on sockets. One
 * workspace, with keys for two persons. Clouds have a sample each second, so that a command's fate is known in seconds.
 */
export interface BedOptions {
  readonly name: string;
  readonly clouds?: readonly RigOem[];
  readonly sites?: number;
  readonly receivers?: number;
  /** The service's folder; absent = a new one under the machine's for temporary files. */
  readonly dir?: string;
  readonly pace?: Readonly<Record<string, unknown>>;
  /** Words in front of the service, like a tracer's. */
  readonly under?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

const PACE = { telemetrySeconds: 1, effectSeconds: 1, checkSeconds: 5, verifySeconds: 1 };

/** A Powerwall 3 gives so much (Tesla's data sheet, 11.5 kW). */
export const HOME_W = 11_500;

interface SiteOfApi {
  readonly siteId: string;
  readonly deviceId: string;
}

export class Bed {
  readonly rig: Rig;
  readonly clouds: ReadonlyMap<RigOem, RigCloud>;
  readonly sites: readonly RigSite[];
  readonly receivers: readonly RigReceiver[];
  readonly destinationIds: string[] = [];
  /** Oem → ids of its devices, in the order of the cloud's. */
  readonly devices = new Map<RigOem, readonly string[]>();
  readonly atSite: SiteOfApi[] = [];
  operator = '';
  /** May do everything but approve. */
  ana = '';
  /** May approve. */
  ben = '';
  workspaceId = '';
  process: Running;
  url: string;
  /** Commands that were answered 202. */
  readonly acknowledged: string[] = [];
  readonly #options: BedOptions;
  #isTraced: boolean;
  #hasEnded = false;

  private constructor(
    options: BedOptions,
    around: {
      readonly rig: Rig;
      readonly clouds: ReadonlyMap<RigOem, RigCloud>;
      readonly sites: readonly RigSite[];
      readonly receivers: readonly RigReceiver[];
      readonly process: Running;
    },
  ) {
    this.#options = options;
    this.rig = around.rig;
    this.clouds = around.clouds;
    this.sites = around.sites;
    this.receivers = around.receivers;
    this.process = around.process;
    this.url = String(around.process.ready.url);
    this.#isTraced = (options.under ?? []).length > 0;
    this.#take(around.process);
  }

  static async open(options: BedOptions): Promise<Bed> {
    const clouds = new Map<RigOem, RigCloud>();
    for (const oem of options.clouds ?? []) clouds.set(oem, await RigCloud.listen(oem));
    const sites = await Promise.all(Array.from({ length: options.sites ?? 0 }, (_, i) => RigSite.listen(`site-${i}`)));
    const receivers = await Promise.all(Array.from({ length: options.receivers ?? 0 }, () => RigReceiver.listen()));
    const rig = makeRig(`faults-${options.name}`, {
      ...(options.dir === undefined ? {} : { data: options.dir }),
      clouds: Object.fromEntries([...clouds].map(([oem, c]) => [oem, { url: c.url, ...c.world.credentials }])),
      sites: sites.map(({ connectionId, port }) => ({
        connectionId,
        host: '127.0.0.1',
        port,
        ...ADDRESSES,
        pointsMap: { revision: DEFAULT_REVISION },
      })),
      webhooks: { allowLoopback: true },
      pace: { ...PACE, ...options.pace },
    });
    const placed = options.dir === undefined ? rig : { ...rig, data: options.dir };
    const bed = new Bed(options, { rig: placed, clouds, sites, receivers, process: await start(placed, options) });
    await bed.#furnish();
    return bed;
  }

  /** The service again, on the same folder; without the tracer that may have been in front of it. */
  async start(): Promise<Running> {
    this.#isTraced = false;
    this.#take(await start(this.rig, { ...this.#options, under: [] }));
    return this.process;
  }

  /** A start on the same folder that must fail with exit code 2. @returns its words */
  async refusesToStart(): Promise<string> {
    try {
      const running = await start(this.rig, { ...this.#options, under: [] });
      running.kill('SIGKILL');
      await running.ended;
    } catch (e) {
      const words = e instanceof Error ? e.message : String(e);
      must(words.includes('ended with 2 '), words);
      return words.slice(words.indexOf('\n') + 1).trim();
    }
    throw new Missed('it started');
  }

  #take(running: Running): void {
    this.process = running;
    this.url = String(running.ready.url);
    this.#hasEnded = false;
    void running.ended.then(() => {
      if (this.process === running) this.#hasEnded = true;
    });
  }

  async stop(signal: NodeJS.Signals): Promise<number | NodeJS.Signals> {
    this.kill(signal);
    return this.process.ended;
  }

  /** To the service itself: a tracer in front of it does not pass signals on, and ends with it. */
  kill(signal: NodeJS.Signals): void {
    const { pid } = this.process;
    const children = this.#isTraced ? readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ') : [];
    const [traced] = children.filter((c) => c !== '').map(Number);
    if (traced === undefined) this.process.kill(signal);
    else process.kill(traced, signal);
  }

  async close(): Promise<void> {
    if (!this.#hasEnded) this.kill('SIGKILL');
    await this.process.ended;
    for (const site of this.sites) await site.close();
    for (const cloud of this.clouds.values()) await cloud.close();
    for (const receiver of this.receivers) await receiver.down();
    removeRig(this.rig);
  }

  cloud(oem: RigOem): RigCloud {
    const cloud = this.clouds.get(oem);
    if (cloud === undefined) throw new Error(`the bed has no cloud ${oem}`);
    return cloud;
  }

  site(n: number): RigSite & { readonly api: SiteOfApi } {
    const site = this.sites[n];
    const api = this.atSite[n];
    if (site === undefined || api === undefined) throw new Error(`the bed has no site ${n}`);
    return Object.assign(site, { api });
  }

  receiver(n: number): RigReceiver {
    const receiver = this.receivers[n];
    if (receiver === undefined) throw new Error(`the bed has no receiver ${n}`);
    return receiver;
  }

  deviceOf(oem: RigOem, n: number): { readonly deviceId: string; readonly vendorDeviceId: string } {
    const deviceId = this.devices.get(oem)?.[n];
    const vendorDeviceId = this.cloud(oem).world.deviceIds[n];
    if (deviceId === undefined || vendorDeviceId === undefined) throw new Error(`${oem} has no device ${n}`);
    return { deviceId, vendorDeviceId };
  }

  /** A request of ana's, or of whoever's key is given. */
  ask(path: string, more: { readonly body?: unknown; readonly method?: string; readonly key?: string } = {}) {
    const { body, method, key = this.ana } = more;
    return ask({
      url: this.url,
      key,
      path,
      ...(method === undefined ? {} : { method }),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  }

  /** A request that must succeed. */
  async need(path: string, more: Parameters<Bed['ask']>[1] = {}): Promise<Answered['body']> {
    const answer = await this.ask(path, more);
    must(answer.status < 300, `${more.method ?? ''} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body;
  }

  /** Asks for a command. @returns the answer; its id is kept when it was accepted */
  async command(
    deviceId: string,
    more: {
      readonly mode?: string;
      readonly powerW?: number;
      readonly fromS?: number;
      readonly forS?: number;
      readonly grid?: boolean;
    } = {},
  ): Promise<Answered> {
    const { mode = 'discharge', powerW, fromS = 0, forS = 600, grid = true } = more;
    const startMs = Date.now() + fromS * 1_000;
    const input = {
      operatingMode: mode,
      enableGridInteraction: grid,
      ...(grid ? { executionPriority: ['baseline'] } : {}),
      ...(powerW === undefined ? {} : { powerW }),
    };
    const window = {
      ...(fromS === 0 ? {} : { startsAt: new Date(startMs).toISOString() }),
      endsAt: new Date(startMs + forS * 1_000).toISOString(),
    };
    const answer = await this.ask('/v1/commands', { body: { deviceId, input, ...window } });
    if (answer.status === 202) this.acknowledged.push(answer.body.id);
    return answer;
  }

  /** A command that must be accepted. @returns its id */
  async commanded(...of: Parameters<Bed['command']>): Promise<string> {
    const answer = await this.command(...of);
    must(answer.status === 202, `the command was answered ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body.id;
  }

  async statusOf(commandId: string): Promise<{ status: string; reason: string | null; detail: string | null }> {
    return this.need(`/v1/commands/${commandId}`);
  }

  /** Waits for a command to be in one of these. */
  async reaches(commandId: string, wanted: readonly string[], ms: number) {
    let seen = '';
    return until(
      `${commandId} is ${wanted.join(' or ')}`,
      ms,
      async () => {
        const command = await this.statusOf(commandId);
        seen = `${command.status} ${command.reason ?? ''} ${command.detail ?? ''}`;
        return wanted.includes(command.status) ? command : null;
      },
      () => seen,
    );
  }

  /** Every acknowledged command is there. */
  async allThere(): Promise<void> {
    for (const id of this.acknowledged) {
      const { status } = await this.ask(`/v1/commands/${id}`);
      must(status === 200, `${id} was acknowledged, and GET gives ${status}`);
    }
  }

  health(): Promise<{ status: string; parts: Record<string, { ok: boolean; why: string }> }> {
    return this.need('/v1/health', { key: this.operator });
  }

  async part(name: string): Promise<{ ok: boolean; why: string }> {
    return (await this.health()).parts[name] ?? { ok: true, why: 'no such part' };
  }

  /** Safety of a site, and an approval by the second person. */
  async approve(n: number, more: { readonly directOperate?: boolean; readonly forS?: number } = {}): Promise<string> {
    const { siteId } = this.site(n).api;
    await this.safety(n, more);
    const { id } = await this.need(`/v1/sites/${siteId}/approvals`, { body: this.approvalBody(more.forS ?? 3_600) });
    await this.need(`/v1/approvals/${id}/approve`, { method: 'POST', key: this.ben });
    return id;
  }

  safety(n: number, more: Readonly<Record<string, unknown>> = {}): Promise<unknown> {
    const { forS: _, ...rest } = more;
    const limits = { chargeWMax: SITE_W, dischargeWMax: SITE_W };
    const body = { watchdog: { timeoutMs: WATCHDOG_MS }, ...limits, ...rest };
    return this.need(`/v1/sites/${this.site(n).api.siteId}/safety`, { method: 'PUT', body });
  }

  approvalBody(forS: number) {
    const nowMs = Date.now();
    return {
      from: new Date(nowMs - 1_000).toISOString(),
      until: new Date(nowMs + forS * 1_000).toISOString(),
      chargeWMax: SITE_W,
      dischargeWMax: SITE_W,
      mapRevision: DEFAULT_REVISION,
    };
  }

  /** The site follows a setpoint of ours. */
  async following(n: number, powerW: number, forS = 600): Promise<string> {
    const site = this.site(n);
    await this.siteUp(n);
    const id = await this.commanded(site.api.deviceId, { powerW, forS });
    await until(
      `site ${n} follows ${powerW} W`,
      15_000,
      () => yes(site.plant.state === 'following' && site.plant.targetW === powerW),
      () => `${site.plant.state}, target ${site.plant.targetW} W`,
    );
    return id;
  }

  async siteUp(n: number, ms = 20_000): Promise<void> {
    let seen = '';
    const name = `main/site/${this.site(n).connectionId}`;
    await until(
      `${name} is up`,
      ms,
      async () => {
        const { ok, why } = await this.part(name);
        seen = why;
        return yes(ok);
      },
      () => seen,
    );
  }

  async #furnish(): Promise<void> {
    this.operator = readFileSync(join(this.rig.data, 'operator.key'), 'utf8').trim();
    const op = { url: this.url, key: this.operator };
    this.workspaceId = (await make(op, '/v1/workspaces', { name: 'rig' })).id;
    const key = async (name: string, scopes: readonly string[]): Promise<string> =>
      (await make(op, `/v1/workspaces/${this.workspaceId}/api-keys`, { name, scopes })).secret;
    const write = ['commands', 'devices', 'destinations', 'programs', 'safety'].map((s) => `write:${s}`);
    this.ana = await key('ana', ['read', ...write, 'emergency:stop', 'admin:workspace']);
    this.ben = await key('ben', ['read', 'approve:control']);
    const { id: customerId } = await this.need('/v1/customers', { body: { name: 'rig' } });
    await this.need('/v1/grid-services', { method: 'PUT', body: { enabled: true } });
    const home = await this.#siteOfApi(customerId, 'homes');
    for (const oem of this.clouds.keys()) await this.#connectHomes(oem, home);
    for (const site of this.sites) await this.#connectSite(site, await this.#siteOfApi(customerId, site.connectionId));
    for (const { url } of this.receivers) {
      const body = { label: 'rig', url, eventTypes: ['command.succeeded', 'command.failed'] };
      this.destinationIds.push((await this.need('/v1/destinations', { body })).id);
    }
  }

  async #siteOfApi(customerId: string, name: string): Promise<string> {
    return (await this.need('/v1/sites', { body: { customerId, name, timeZone: 'UTC' } })).id;
  }

  async #connectHomes(oem: RigOem, siteId: string): Promise<void> {
    const ids: string[] = [];
    for (const vendorDeviceId of this.cloud(oem).world.deviceIds.slice(0, DEVICES)) {
      const body = {
        siteId,
        type: 'battery',
        manufacturer: oem,
        model: 'rig',
        nameplate: { usableWh: 13_500, chargeWMax: HOME_W, dischargeWMax: HOME_W },
        source: { kind: 'oem', oem, vendorDeviceId },
      };
      ids.push((await this.need('/v1/devices', { body })).id);
    }
    this.devices.set(oem, ids);
  }

  async #connectSite({ connectionId }: RigSite, siteId: string): Promise<void> {
    const body = {
      siteId,
      type: 'bess',
      manufacturer: 'rig',
      model: 'bess',
      nameplate: { usableWh: 40_000_000, chargeWMax: SITE_W, dischargeWMax: SITE_W },
      source: { kind: 'dnp3', connectionId, mapRevision: DEFAULT_REVISION },
    };
    this.atSite.push({ siteId, deviceId: (await this.need('/v1/devices', { body })).id });
  }
}

function start({ configFile, data }: Rig, { under = [], env }: BedOptions): Promise<Running> {
  const args = ['serve', '--config', configFile, '--data', data, '--quiet'];
  return launch({ args, under, built: true, ...(env === undefined ? {} : { env }) });
}
