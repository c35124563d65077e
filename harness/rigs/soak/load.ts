import { setTimeout as sleep } from 'node:timers/promises';
import { ask } from '../bench.ts';
import { type LoadResult, requestOctets, runLoad } from '../httpLoad.ts';
import type { Field } from './field.ts';

/**
 * A mixed load over kept connections: of ten requests three read a device, one page of a fleet, and six command batteries
 * for a time hours ahead. Beside them a command that goes to its cloud, each half second. Ids of what was accepted are
 * kept.
 */
const CONNECTIONS = 16;
const LATER_MS = 6 * 3_600_000;
const SOON_EVERY_MS = 500;
const SOON_S = 30;
const MOST_REQUESTS = 12_000;
const MOST_MS_MAX = 120_000;

/**
 * The most the service takes of this mix for good, work behind the answers included: so many requests as fast as answers
 * come, and the time until every end of a command that they caused has been told to every receiver [requests/s].
 */
export async function most(field: Field): Promise<number> {
  const startMs = performance.now();
  const accepted: string[] = [];
  let sent = 0;
  const { hostname: host, port } = new URL(field.url);
  await runLoad({
    host,
    port: Number(port),
    connections: CONNECTIONS,
    durationMs: MOST_MS_MAX,
    request: (n) => (n < MOST_REQUESTS ? requestOf(field, n) : null),
    onAnswer: (n, status, body) => {
      sent += 1;
      if (status === 202 && isCommand(n)) accepted.push(JSON.parse(body).id);
    },
  });
  // The newest of each device stays open until it is its turn.
  const due = accepted.length - field.laterIds.length;
  const told = (): number => Math.min(...field.receivers.map((r) => r.got.length));
  while (told() < due && performance.now() - startMs < MOST_MS_MAX) await sleep(100);
  return (sent * 1_000) / (performance.now() - startMs);
}

export interface Loaded {
  readonly result: LoadResult;
  readonly accepted: readonly string[];
  /** Those of them that went to a cloud. */
  readonly soon: readonly string[];
}

export async function loadFor(field: Field, r: { readonly ms: number; readonly perSecond: number }): Promise<Loaded> {
  const accepted: string[] = [];
  const soon: string[] = [];
  const { hostname: host, port } = new URL(field.url);
  const timer = setInterval(() => void sendSoon(field, soon), SOON_EVERY_MS);
  const result = await runLoad({
    host,
    port: Number(port),
    connections: CONNECTIONS,
    durationMs: r.ms,
    perSecond: r.perSecond,
    request: (n) => requestOf(field, n),
    onAnswer: (n, status, body) => {
      if (status === 202 && isCommand(n)) accepted.push(JSON.parse(body).id);
    },
  });
  clearInterval(timer);
  return { result, accepted: [...accepted, ...soon], soon };
}

const isCommand = (n: number): boolean => n % 10 < 6;

function requestOf(field: Field, n: number): Buffer {
  const headers = { 'texture-api-key': field.key };
  const deviceId = field.laterIds[n % field.laterIds.length] ?? '';
  if (n % 10 === 9) return requestOctets('GET', '/v1/devices?limit=50', headers, '');
  if (!isCommand(n)) return requestOctets('GET', `/v1/devices/${deviceId}`, headers, '');
  const startMs = Date.now() + LATER_MS;
  const body = JSON.stringify({
    deviceId,
    input: { operatingMode: 'discharge', enableGridInteraction: false },
    startsAt: new Date(startMs).toISOString(),
    endsAt: new Date(startMs + 3_600_000).toISOString(),
  });
  return requestOctets('POST', '/v1/commands', { ...headers, 'content-type': 'application/json' }, body);
}

let turn = 0;

async function sendSoon(field: Field, soon: string[]): Promise<void> {
  const deviceId = field.soonIds[turn++ % field.soonIds.length] ?? '';
  const endsAt = new Date(Date.now() + SOON_S * 1_000).toISOString();
  const body = JSON.stringify({ deviceId, input: { operatingMode: 'charge', enableGridInteraction: false }, endsAt });
  const answer = await ask({ url: field.url, key: field.key, path: '/v1/commands', body }).catch(() => null);
  if (answer?.status === 202) soon.push(answer.body.id);
}

/** Takes back what would begin hours later: the newest of each device. */
export async function cancelLater(field: Field): Promise<number> {
  let count = 0;
  for (const deviceId of field.laterIds) {
    const { body } = await ask({ url: field.url, key: field.key, path: `/v1/devices/${deviceId}` });
    if (body.openCommandId === null) continue;
    await ask({ url: field.url, key: field.key, path: `/v1/commands/${body.openCommandId}`, method: 'DELETE' });
    count += 1;
  }
  return count;
}
