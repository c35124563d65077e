import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DEFAULT_REVISION } from '../../../src/domain/pointsMap.ts';
import { make, makeRig, type Rig, serve } from '../bench.ts';
import { RigReceiver } from '../faults/receiver.ts';
import { launch, type Running } from '../processes.ts';
import { Streams } from './streams.ts';

/** What stands around the service during a soak: clouds and outstations as processes, receivers and streams of the rig. */
export interface SoakOptions {
  readonly minutes: number;
  readonly devices: number;
  readonly outstations: number;
  readonly streams: number;
  /** Of the most that the service takes for good. */
  readonly share: number;
  readonly json: string | null;
  readonly keep: boolean;
}

export interface Outstation {
  readonly connectionId: string;
  readonly port: number;
  process: Running;
}

export interface Field {
  readonly rig: Rig;
  readonly service: Running;
  readonly url: string;
  readonly key: string;
  readonly operator: string;
  readonly clouds: readonly { readonly oem: string; readonly url: string; readonly process: Running }[];
  readonly outstations: readonly Outstation[];
  readonly receivers: readonly RigReceiver[];
  readonly destinationIds: readonly string[];
  /** Batteries whose commands go to their cloud. */
  readonly soonIds: readonly string[];
  /** Batteries whose commands begin hours later: they fill the journal, and each takes the place of the one before. */
  readonly laterIds: readonly string[];
  readonly siteDeviceIds: readonly string[];
  readonly streams: Streams;
}

/**
 * Each cloud is asked for each device once in TELEMETRY_S within its own limits (Enphase 300 requests a minute and two
 * for a device, the others 1,200, commands and what is read back after them included): so many of the fleet each can have.
 */
const SHARE = { enphase: 0.05, solaredge: 0.475, tesla: 0.475 } as const;
const TELEMETRY_S = 90;
const PACE = {
  telemetrySeconds: TELEMETRY_S,
  effectSeconds: 5,
  checkSeconds: 20,
  verifySeconds: 5,
  webhookDelaysSeconds: [0, 1, 2, 5, 10, 20, 30, 60],
  webhookTimeoutSeconds: 5,
};
const RECEIVERS = 5;
/** The rest of the fleet only reports. */
const SOON_EACH = 40;
const LATER = 500;
/**
 * The young generation as large as it becomes, from the start on: it grows by steps of 8 MB when many objects live a
 * little longer, as after a fault, and one step in five minutes would look like a slope of memory.
 */
const YOUNG_GENERATION = ['--min-semi-space-size=16', '--max-semi-space-size=16'];
const MASTER = 1;
const OUTSTATION = 10;
const CONNECTING_AT_ONCE = 16;

export async function openField(o: SoakOptions): Promise<Field> {
  const clouds = await Promise.all(
    Object.entries(SHARE).map(async ([oem, share]) => {
      const devices = String(Math.max(1, Math.round(o.devices * share)));
      const common = ['--reliable', '--delay-seconds', '1', '--telemetry-seconds', String(TELEMETRY_S), '--quiet'];
      const process = await launch({ args: ['cloud', oem, '--devices', devices, ...common], built: true });
      return { oem, url: String(process.ready.url), process };
    }),
  );
  const outstations = await Promise.all(
    Array.from({ length: o.outstations }, async (_, i): Promise<Outstation> => {
      const process = await launchOutstation(0);
      return { connectionId: `site-${i}`, port: Number(process.ready.port), process };
    }),
  );
  const receivers = await Promise.all(Array.from({ length: RECEIVERS }, () => RigReceiver.listen()));
  const rig = makeRig('soak', {
    clouds: Object.fromEntries(
      clouds.map(({ oem, url, process }) => [oem, { url, ...(process.ready.credentials as object) }]),
    ),
    sites: outstations.map(({ connectionId, port }) => ({
      ...{ connectionId, host: '127.0.0.1', port, master: MASTER, outstation: OUTSTATION },
      pointsMap: { revision: DEFAULT_REVISION },
    })),
    webhooks: { allowLoopback: true },
    pace: PACE,
  });
  const { process: service, url } = await serve(rig, YOUNG_GENERATION);
  const operator = readFileSync(join(rig.data, 'operator.key'), 'utf8').trim();
  const key = await workspaceKey(url, operator);
  const at = { url, key };
  const { id: customerId } = await make(at, '/v1/customers', { name: 'soak' });
  const { id: siteId } = await make(at, '/v1/sites', { customerId, name: 'homes', timeZone: 'UTC' });
  const soonIds: string[] = [];
  const laterIds: string[] = [];
  for (const { oem, process } of clouds) {
    const ids = await connectAll(at, { siteId, oem, vendorDeviceIds: process.ready.devices as string[] });
    // Enphase's commands begin at a whole minute, too late for a short window.
    if (oem === 'enphase') continue;
    soonIds.push(...ids.slice(0, SOON_EACH));
    if (oem === 'tesla') laterIds.push(...ids.slice(SOON_EACH, SOON_EACH + LATER));
  }
  const siteDeviceIds = await connectSites(at, customerId, outstations);
  const destinationIds: string[] = [];
  for (const receiver of receivers) {
    const eventTypes = ['command.succeeded', 'command.failed'];
    const body = { label: 'soak', url: receiver.url, eventTypes };
    destinationIds.push((await make(at, '/v1/destinations', body)).id);
  }
  const streams = new Streams({ url, key, count: o.streams, deviceIds: [...soonIds, ...laterIds] });
  return {
    ...{ rig, service, url, key, operator, clouds, outstations, receivers, destinationIds },
    ...{ soonIds, laterIds, siteDeviceIds, streams },
  };
}

export const launchOutstation = (port: number): Promise<Running> =>
  launch({ args: ['dnp3', 'outstation', '--port', String(port), '--quiet'], built: true });

export async function closeField(field: Field): Promise<void> {
  field.streams.close();
  for (const { process } of field.outstations) process.kill('SIGTERM');
  for (const { process } of field.clouds) process.kill('SIGTERM');
  for (const receiver of field.receivers) await receiver.down();
}

async function workspaceKey(url: string, operator: string): Promise<string> {
  const at = { url, key: operator };
  const { id } = await make(at, '/v1/workspaces', { name: 'soak' });
  const scopes = ['read', 'write:commands', 'write:devices', 'write:destinations', 'write:safety', 'emergency:stop'];
  return (await make(at, `/v1/workspaces/${id}/api-keys`, { name: 'soak', scopes })).secret;
}

async function connectAll(
  at: { readonly url: string; readonly key: string },
  r: { readonly siteId: string; readonly oem: string; readonly vendorDeviceIds: readonly string[] },
): Promise<string[]> {
  const ids = new Map<string, string>();
  const waiting = [...r.vendorDeviceIds];
  const lane = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const device = await make(at, '/v1/devices', {
        siteId: r.siteId,
        ...{ type: 'battery', manufacturer: r.oem, model: 'soak' },
        nameplate: { usableWh: 13_500, chargeWMax: 11_500, dischargeWMax: 11_500 },
        source: { kind: 'oem', oem: r.oem, vendorDeviceId: next },
      });
      ids.set(next, device.id);
    }
  };
  await Promise.all(Array.from({ length: CONNECTING_AT_ONCE }, lane));
  return r.vendorDeviceIds.flatMap((v) => ids.get(v) ?? []);
}

async function connectSites(
  at: { readonly url: string; readonly key: string },
  customerId: string,
  outstations: readonly Outstation[],
): Promise<string[]> {
  const ids: string[] = [];
  for (const { connectionId } of outstations) {
    const site = await make(at, '/v1/sites', { customerId, name: connectionId, timeZone: 'UTC' });
    const device = await make(at, '/v1/devices', {
      siteId: site.id,
      ...{ type: 'bess', manufacturer: 'rig', model: 'bess' },
      nameplate: { usableWh: 40_000_000, chargeWMax: 10_000_000, dischargeWMax: 10_000_000 },
      source: { kind: 'dnp3', connectionId, mapRevision: DEFAULT_REVISION },
    });
    ids.push(device.id);
  }
  return ids;
}
