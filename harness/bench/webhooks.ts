import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { Destination, OutboxEvent } from '../../src/domain/destination.ts';
import { SteppedClock } from '../../src/live/steppedClock.ts';
import { HttpPost } from '../../src/live/webhooks/httpPost.ts';
import { SecretStore } from '../../src/live/webhooks/secrets.ts';
import { WebhookSender } from '../../src/live/webhooks/sender.ts';

/**
 * `taskset -c 0 npx tsx harness/bench/webhooks.ts`: deliveries over HTTP on the loopback, sender and receivers in one
 * process. Every event is looked for at every receiver.
 *
 *   rate   as fast as they go, to 1, 5 and 50 destinations
 *   dead   20 events a second to 50 destinations, alone and with one of them never answering: 99th percentile of the
 *          others from the offer to the arrival
 */
const RATE_MIN = 1_000;
const P99_GROWTH_MAX = 1.1;
const PACE = { perS: 20, seconds: 5 };
/** Alone and beside in turn; the median counts, because other work on the machine comes and goes. */
const ROUNDS = 5;
const policy = { allowLoopback: true, allowHttp: true, ports: 'any' } as const;

console.log(`node ${process.version}, ${cpus().length} cores, load before ${loadavg()[0]?.toFixed(2)}`);
let met = true;
for (const destinations of [1, 5, 50]) met = (await rate(destinations, 20_000 / destinations)) && met;
const alone: Waits[] = [];
const beside: Waits[] = [];
for (let round = 0; round < ROUNDS; round++) {
  alone.push(await paced(false));
  beside.push(await paced(true));
}
const growth = middle(beside, 'p99Ms') / middle(alone, 'p99Ms');
met = growth <= P99_GROWTH_MAX && met;
for (const [name, waits] of Object.entries({ alone, beside })) {
  console.log(`dead: ${name}: median p50 ${show(middle(waits, 'p50Ms'))}, median p99 ${show(middle(waits, 'p99Ms'))}`);
}
console.log(`dead: p99 beside / alone ${growth.toFixed(2)}, at most ${P99_GROWTH_MAX}`);
process.exit(met ? 0 : 1);

interface Waits {
  readonly p50Ms: number;
  readonly p99Ms: number;
}

function middle(waits: readonly Waits[], of: keyof Waits): number {
  return waits.map((w) => w[of]).toSorted((a, b) => a - b)[Math.floor(waits.length / 2)] ?? Number.NaN;
}

function show(ms: number): string {
  return `${ms.toFixed(1)} ms`;
}

/** @param onArrival  destination and event */
async function bench(count: number, onArrival: (name: string, commandId: string) => void) {
  const dir = mkdtempSync(join(process.env.VPP_BENCH_DIR ?? tmpdir(), 'vpp-webhooks-'));
  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (text: string) => {
      body += text;
    });
    request.on('end', () => {
      if (request.url === '/dead') return;
      onArrival(request.url ?? '', (JSON.parse(body) as { data: { commandId: string } }).data.commandId);
      response.writeHead(204).end();
    });
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  const clock = new SteppedClock();
  const secrets = new SecretStore(join(dir, 'secrets.json'));
  const post = new HttpPost({ policy });
  const options = { dir: join(dir, 'outbox'), secrets, post, policy, schedulerOf: () => clock };
  const sender = new WebhookSender({ ...options, wallNowMs: () => clock.nowMs() });
  const names = Array.from({ length: count }, (_, i) => `d${i}`);
  for (const name of names) secrets.rotateWebhook(name);
  const end = async (): Promise<void> => {
    await sender.close();
    server.closeAllConnections();
    server.close();
    clock.stop();
    rmSync(dir, { recursive: true, force: true });
  };
  const to = (name: string, path: string): Destination => destinationAt(name, `http://127.0.0.1:${port}/${path}`);
  return { sender, names, to, end };
}

function destinationAt(destinationId: string, url: string): Destination {
  return {
    destinationId,
    workspaceId: 'ws-1',
    label: destinationId,
    url,
    signature: 'standard-webhooks',
    headers: {},
    eventTypes: [],
    deviceTypes: [],
    enabled: true,
  };
}

function eventAt(seq: number): OutboxEvent {
  return {
    seq,
    index: 0,
    workspaceId: 'ws-1',
    type: 'command.succeeded',
    version: '0.0.2',
    deviceType: 'battery',
    timestampMs: 1_720_000_000_000 + seq,
    data: { workspaceId: 'ws-1', commandId: `cmd-${seq}`, deviceId: `dev-${seq % 100}`, detail: 'x'.repeat(200) },
  };
}

async function rate(destinations: number, events: number): Promise<boolean> {
  const arrived = new Set<string>();
  let count = 0;
  let onAll = (): void => {};
  const all = new Promise<void>((done) => {
    onAll = done;
  });
  const b = await bench(destinations, (name, commandId) => {
    arrived.add(`${name} ${commandId}`);
    count += 1;
    if (arrived.size === destinations * events) onAll();
  });
  b.sender.setDestinations(b.names.map((name) => b.to(name, name)));
  const beganMs = performance.now();
  for (let seq = 1; seq <= events; seq++) b.sender.offer([eventAt(seq)], seq);
  await all;
  while ((b.sender.health('d0')?.pending ?? 0) > 0) await setTimeout(5);
  const perS = count / ((performance.now() - beganMs) / 1000);
  console.log(
    `rate: ${destinations} destinations, ${count} deliveries (${arrived.size} different): ${perS.toFixed(0)}/s`,
  );
  await b.end();
  return perS >= RATE_MIN;
}

async function paced(dead: boolean): Promise<Waits> {
  const offeredMs = new Map<string, number>();
  const waits: number[] = [];
  const b = await bench(50, (name, commandId) => {
    if (name !== '/d0') waits.push(performance.now() - (offeredMs.get(commandId) ?? Number.NaN));
  });
  b.sender.setDestinations(b.names.map((name, i) => b.to(name, dead && i === 0 ? 'dead' : name)));
  const beganMs = performance.now();
  const events = PACE.perS * PACE.seconds;
  for (let seq = 1; seq <= events; seq++) {
    await setTimeout(Math.max(0, beganMs + (seq * 1000) / PACE.perS - performance.now()));
    offeredMs.set(`cmd-${seq}`, performance.now());
    b.sender.offer([eventAt(seq)], seq);
  }
  while (waits.length < 49 * events) await setTimeout(5);
  await b.end();
  const sorted = waits.toSorted((x, y) => x - y);
  const at = (share: number): number => sorted[Math.ceil(sorted.length * share) - 1] ?? Number.NaN;
  return { p50Ms: at(0.5), p99Ms: at(0.99) };
}
