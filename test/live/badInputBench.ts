import { createHash } from 'node:crypto';
import { mkdtempSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WebSocket } from 'ws';
import { DEMO } from '../../harness/serve/demo.ts';
import { snapshotOf } from '../../src/core/snapshot.ts';
import { canonicalJson } from '../../src/domain/canonicalJson.ts';
import { keysInFile, type RotatingKeys } from '../../src/live/apiTools.ts';
import type { Host } from '../../src/live/host/host.ts';
import { SteppedClock } from '../../src/live/steppedClock.ts';
import { Flows, HOUR, MINUTE, START_MS } from './flowsBench.ts';
import { openSockets } from './flowsSockets.ts';

/**
 * A whole plant on the loopback that bad input is thrown at, with a device in each standing that a refusal is about. Its
 * clock stands, so whatever changes was changed by who asked.
 */
export interface BadBench {
  readonly flows: Flows;
  readonly url: string;
  readonly port: number;
  readonly host: Host;
  /** Keys: everything in the workspace; read alone; everything in another workspace. */
  readonly keys: { readonly ana: string; readonly reader: string; readonly other: string };
  /** The keys that the service signs tokens with. */
  readonly signing: RotatingKeys;
  /** A client of the workspace that may read. */
  readonly clientId: string;
  readonly ids: {
    readonly plain: string;
    readonly notEnrolled: string;
    readonly pending: string;
    readonly inStorm: string;
    readonly approved: string;
    /** Another workspace's. */
    readonly foreign: string;
  };
  close(): Promise<void>;
}

export async function openBadBench(): Promise<BadBench> {
  const dir = mkdtempSync(join(tmpdir(), 'vpp-bad-'));
  const clock = new SteppedClock({ startMs: START_MS, frozen: true });
  const world = await openSockets({ dir, clock, onHook: () => {} });
  const flows = new Flows({ world, clock, hooks: [], dir });
  await flows.begin();
  const { url, host } = world.service;
  const inStorm = await flows.enrolled('enphase', 0);
  const approved = await flows.enrolled('enphase', 1);
  flows.cloud('enphase').storm({ vendorDeviceId: flows.vendorId('enphase', 0) }, true);
  await flows.advance(16 * MINUTE);
  const pending = await flows.battery('enphase', 2);
  await flows.made('POST', `/v1/programs/${DEMO.programId}/enrollments`, { deviceId: pending });
  const ids = {
    inStorm,
    approved,
    pending,
    notEnrolled: await flows.battery('enphase', 3),
    plain: await flows.battery('solaredge', 0),
    foreign: '',
  };
  const other = await openOther(flows);
  const key = { name: 'reader', scopes: ['read'] };
  const reader = (await flows.made('POST', `/v1/workspaces/${DEMO.workspaceId}/api-keys`, key, 'operator')).secret;
  const keys = { ana: world.keys.ana, reader, other: other.key };
  const client = await flows.made('POST', `/v1/workspaces/${DEMO.workspaceId}/clients`, key, 'operator');
  const signing = await keysInFile(join(dir, 'data', 'signing-keys.json'));
  const port = Number(new URL(url).port);
  return {
    flows,
    url,
    port,
    host,
    keys,
    signing,
    clientId: client.id,
    ids: { ...ids, foreign: other.deviceId },
    close: () => flows.close(),
  };
}

/** A workspace of somebody else, with a device. */
async function openOther(flows: Flows): Promise<{ readonly key: string; readonly deviceId: string }> {
  const { id } = await flows.made('POST', '/v1/workspaces', { name: 'Other' }, 'operator');
  const scopes = ['read', 'write:devices', 'write:commands'];
  const { secret } = await flows.made('POST', `/v1/workspaces/${id}/api-keys`, { name: 'x', scopes }, 'operator');
  flows.introduce('other', secret);
  const customer = await flows.made('POST', '/v1/customers', { name: 'x' }, 'other');
  const site = { customerId: customer.id, name: 'x', timeZone: 'UTC' };
  const device = await flows.made(
    'POST',
    '/v1/devices',
    {
      siteId: (await flows.made('POST', '/v1/sites', site, 'other')).id,
      type: 'battery',
      manufacturer: 'Tesla',
      model: 'M',
      nameplate: { usableWh: 10_000, chargeWMax: 5_000, dischargeWMax: 5_000 },
      source: { kind: 'oem', oem: 'tesla', vendorDeviceId: flows.vendorId('tesla', 5) },
    },
    'other',
  );
  return { key: secret, deviceId: device.id };
}

/** What a refusal may not change: where the journal stands, and all that the core knows. */
export function standing(host: Host): string {
  const { journal } = host.health().parts;
  const state = createHash('sha256')
    .update(canonicalJson(snapshotOf(host.registry.state)))
    .digest('hex');
  return `${journal?.why} ${state}`;
}

/** What came back, in one line that a table can hold, and whole. */
export interface Got {
  readonly said: string;
  readonly text: string;
}

export interface Sent {
  readonly method?: string;
  readonly path?: string;
  readonly body?: string | Uint8Array<ArrayBuffer> | object | undefined;
  readonly headers?: Readonly<Record<string, string>>;
  /** Absent = ana's; null = none. */
  readonly key?: string | null;
}

/** "status", and for a refusal its code and the first place that it names. */
export async function http(b: Pick<BadBench, 'url' | 'keys'>, sent: Sent): Promise<Got> {
  const { method = 'POST', path = '/v1/commands', body, key = b.keys.ana } = sent;
  const isRaw = typeof body === 'string' || body instanceof Uint8Array || body === undefined;
  const reply = await fetch(`${b.url}${path}`, {
    method,
    headers: {
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(key === null ? {} : { 'texture-api-key': key }),
      ...sent.headers,
    },
    ...(body === undefined ? {} : { body: isRaw ? body : JSON.stringify(body) }),
  });
  const text = await reply.text();
  return { said: said(reply.status, text), text: `${[...reply.headers].map((h) => h.join(': ')).join('\n')}\n${text}` };
}

function said(status: number, text: string): string {
  if (status < 400) return String(status);
  const problem = JSON.parse(text);
  const place = problem.errors?.[0]?.place;
  return `${status} ${problem.code}${place === undefined || place === '' ? '' : ` ${place}`}`;
}

/**
 * Octets as they are, which no HTTP client would send.
 * @param until  enough has come back; the connection's end when absent
 * @returns      the status lines, and whether the service closed the connection
 */
export function raw(
  port: number,
  octets: string | Uint8Array,
  until: (text: string) => boolean = () => false,
): Promise<Got> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    let text = '';
    const end = (how: string): void => {
      const statuses = [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map((m) => m[1]);
      socket.destroy();
      resolve({ said: `${statuses.join(' ')} ${how}`.trim(), text });
    };
    socket.setEncoding('latin1');
    socket.on('data', (piece: string) => {
      text += piece;
      if (until(text)) end('open');
    });
    // A reset after the answer is the service's leave, too.
    socket.on('error', () => {});
    socket.on('close', () => end('closed'));
    socket.write(octets);
  });
}

/** A stream of events: sends frames, and tells the first complaint or the end. */
export function stream(b: Pick<BadBench, 'url' | 'keys'>, frames: readonly (string | Uint8Array)[]): Promise<Got> {
  return new Promise((resolve) => {
    const socket = new WebSocket(`${b.url.replace('http', 'ws')}/v1/stream`, {
      headers: { 'texture-api-key': b.keys.ana },
    });
    socket.on('open', () => {
      for (const frame of frames) socket.send(frame);
    });
    socket.on('message', (data) => {
      const frame = JSON.parse(String(data));
      if (frame.type !== 'error') return;
      resolve({ said: `error ${frame.code}`, text: frame.detail });
      socket.terminate();
    });
    socket.on('close', (code, why) => resolve({ said: `close ${code}`, text: String(why) }));
    socket.on('error', () => {});
  });
}

/** One bad input: what is sent, what must come back, and words that must stand in it. */
export interface Row {
  /** Of the catalogue of bad inputs. */
  readonly n: number;
  readonly what: string;
  readonly send: (b: BadBench) => Promise<Got>;
  readonly expected: string;
  readonly names?: string;
  /** It is no refusal, or only after something that is none. */
  readonly changes?: true;
}

export const hour = (b: BadBench, n: number): string => b.flows.at(n * HOUR);
