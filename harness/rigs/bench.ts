import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { launch, type Running } from './processes.ts';

/** What the rigs share: a folder, a service with its settings in a file, a workspace with a key, devices. */
export interface Rig {
  readonly dir: string;
  /** The service's folder. */
  readonly data: string;
  readonly configFile: string;
}

/** What stands in a rig's settings beside the folder and a free port on the loopback. */
export type RigSettings = Readonly<Record<string, unknown>>;

/** A new folder under VPP_RIG_DIR, or the machine's for temporary files. */
export function makeRig(name: string, settings: RigSettings): Rig {
  const dir = mkdtempSync(join(process.env.VPP_RIG_DIR ?? tmpdir(), `vpp-${name}-`));
  const data = join(dir, 'data');
  const configFile = join(dir, 'serve.json');
  // Commands come much faster than from any client that the default limit is made for.
  const limits = { requestsPerSecond: 1_000_000 };
  const config = { data, listen: { host: '127.0.0.1', port: 0 }, limits, ...settings };
  writeFileSync(configFile, JSON.stringify(config), { mode: 0o600 });
  return { dir, data, configFile };
}

export const removeRig = ({ dir }: Rig): void => rmSync(dir, { recursive: true, force: true });

export interface Served {
  readonly process: Running;
  readonly url: string;
}

export async function serve({ configFile }: Rig, nodeFlags: readonly string[] = []): Promise<Served> {
  const process = await launch({ args: ['serve', '--config', configFile, '--quiet'], built: true, nodeFlags });
  return { process, url: String(process.ready.url) };
}

export const operatorKey = ({ data }: Rig): string => readFileSync(join(data, 'operator.key'), 'utf8').trim();

export interface Answered {
  readonly status: number;
  /** Its Idempotency-Replayed. */
  readonly replayed: boolean;
  // biome-ignore lint/suspicious/noExplicitAny: answers of routes that the rigs know
  readonly body: any;
}

/** One request. @throws what fetch throws when no answer comes */
export async function ask(r: {
  readonly url: string;
  readonly key: string;
  readonly method?: string;
  readonly path: string;
  readonly body?: string;
  readonly idempotencyKey?: string;
}): Promise<Answered> {
  const { url, key, path, body, idempotencyKey, method = body === undefined ? 'GET' : 'POST' } = r;
  const answer = await fetch(`${url}${path}`, {
    method,
    headers: {
      'texture-api-key': key,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey }),
    },
    ...(body === undefined ? {} : { body }),
  });
  const text = await answer.text();
  const replayed = answer.headers.get('idempotency-replayed') === 'true';
  return { status: answer.status, replayed, body: text === '' ? null : JSON.parse(text) };
}

/** A change that must succeed. @throws Error with the answer when it does not */
export async function make(at: { readonly url: string; readonly key: string }, path: string, body: unknown) {
  const answer = await ask({ ...at, path, body: JSON.stringify(body) });
  if (answer.status >= 300) throw new Error(`POST ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
  return answer.body;
}

export interface Workspace {
  readonly workspaceId: string;
  readonly key: string;
  readonly siteId: string;
}

/** A workspace with a key for everything that the rigs do, and a site. */
export async function makeWorkspace(url: string, operator: string): Promise<Workspace> {
  const byOperator = { url, key: operator };
  const { id: workspaceId } = await make(byOperator, '/v1/workspaces', { name: 'rig' });
  const scopes = ['read', 'write:commands', 'write:devices', 'write:destinations'];
  const { secret: key } = await make(byOperator, `/v1/workspaces/${workspaceId}/api-keys`, { name: 'rig', scopes });
  const { id: customerId } = await make({ url, key }, '/v1/customers', { name: 'rig' });
  const site = await make({ url, key }, '/v1/sites', { customerId, name: 'rig', timeZone: 'UTC' });
  return { workspaceId, key, siteId: site.id };
}

/** Far more than any home has, so that the power of each command can be one of its own. */
export const POWER_W_MAX = 1_000_000;

/** Connects batteries behind a cloud, of that many watts. @returns their ids in the order of the vendor's */
export async function connectDevices(
  at: { readonly url: string; readonly key: string; readonly siteId: string },
  oem: string,
  vendorDeviceIds: readonly string[],
): Promise<string[]> {
  const ids: string[] = [];
  for (const vendorDeviceId of vendorDeviceIds) {
    const device = await make(at, '/v1/devices', {
      siteId: at.siteId,
      type: 'battery',
      manufacturer: oem,
      model: 'rig',
      nameplate: { usableWh: 1e9, chargeWMax: POWER_W_MAX, dischargeWMax: POWER_W_MAX },
      source: { kind: 'oem', oem, vendorDeviceId },
      tags: ['rig'],
    });
    ids.push(device.id);
  }
  return ids;
}
