import { loadavg } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { ask, connectDevices, makeRig, makeWorkspace, operatorKey, removeRig, type Served, serve } from './bench.ts';
import { diskWords } from './disk.ts';
import { startHelper } from './helpers.ts';
import type { CommandLoad, CommandsDone } from './loadTasks.ts';
import { runToEnd, vitals } from './processes.ts';

/**
 * `npm run bench:load`: the built service as a process under load from others on the same machine. Exit code 1 when a goal
 * is missed.
 *
 *   commands   durable acceptance, with key, idempotency and audit, as fast as answers come; and the same connections on
 *              a path that does nothing
 *   streams    1,000 WebSocket clients with 10 events a second each, and one that never reads
 *   webhooks   deliveries of what the journal holds, each checked for signature and found again by its id
 *
 * The commands begin hours later and each takes the place of the one before it on its device: what is measured is the
 * service and not a cloud, and each but the last of a device ends with an event.
 *
 * Less than 40 s may be over before the client that never reads has filled the machine's own buffers.
 *
 *   --only commands,streams,webhooks   --seconds 60   --profile (writes a CPU profile of the service into the folder)
 */
const { values: flags } = parseArgs({
  options: {
    only: { type: 'string', default: 'commands,streams,webhooks' },
    seconds: { type: 'string', default: '60' },
    connections: { type: 'string', default: '48' },
    profile: { type: 'boolean', default: false },
  },
});

const GOAL = { perSecond: 5_000, p99Ms: 25, framesPerSecond: 10, streamP99Ms: 200, webhooksPerSecond: 1_000 } as const;
const DEVICES = 1_000;
const STREAM = { clients: 1_001, talking: 10, floodEach: 200, floodEveryMs: 100 } as const;
const WARM_MS = 5_000;
const NO_OP_MS = 10_000;
/** The load is this much over the goal, so that the goal can be seen to be reached. */
const WEBHOOK_LOAD = 1.3;
/** What is still on its way after the load, or a dropped connection. */
const TAIL_MS = 30_000;

interface Row {
  readonly what: string;
  readonly found: string;
  readonly goal: string;
  readonly met: boolean;
}

interface Bench {
  readonly served: Served;
  readonly port: number;
  readonly url: string;
  readonly key: string;
  readonly deviceIds: readonly string[];
  readonly rows: Row[];
  readonly notes: string[];
  accepted: number;
}

process.exit(await main());

async function main(): Promise<number> {
  const rig = makeRig('load', { webhooks: { allowLoopback: true } });
  const nodeFlags = flags.profile ? ['--cpu-prof', `--cpu-prof-dir=${rig.dir}`] : [];
  const served = await serve(rig, nodeFlags);
  const { url } = served;
  const at = { url, ...(await makeWorkspace(url, operatorKey(rig))) };
  const vendorIds = Array.from({ length: DEVICES }, (_, i) => `later-${i}`);
  const deviceIds = await connectDevices(at, 'tesla', vendorIds);
  const port = Number(new URL(url).port);
  const b: Bench = { served, port, url, key: at.key, deviceIds, rows: [], notes: [], accepted: 0 };
  const parts = flags.only.split(',');
  const before = loadavg()[0] ?? 0;
  b.notes.push(`disk before: ${diskWords(rig.dir)}`);
  try {
    if (parts.includes('commands')) await commands(b);
    if (parts.includes('streams')) await streams(b);
    if (parts.includes('webhooks')) await webhooks(b);
  } finally {
    served.process.kill('SIGTERM');
    await served.process.ended;
  }
  await verify(b, rig.data);
  b.notes.push(`disk after:  ${diskWords(rig.dir)}`);
  b.notes.push(`load of the machine before ${before.toFixed(2)}, after ${(loadavg()[0] ?? 0).toFixed(2)}`);
  for (const row of b.rows) console.log(lineOf(row));
  for (const note of b.notes) console.log(note);
  const met = b.rows.every((row) => row.met);
  if (met && !flags.profile) removeRig(rig);
  else console.log(`kept: ${rig.dir}\n${served.process.words()}`);
  return met ? 0 : 1;
}

function lineOf({ what, found, goal, met }: Row): string {
  return `${met ? 'met   ' : 'MISSED'}  ${what.padEnd(34)} ${found.padStart(12)}   ${goal}`;
}

function row(
  b: Bench,
  what: string,
  r: { readonly found: number; readonly least?: number; readonly most?: number },
): void {
  const { found, least = Number.NEGATIVE_INFINITY, most = Number.POSITIVE_INFINITY } = r;
  const goal =
    r.least === undefined ? `at most ${most}` : r.most === undefined ? `at least ${least}` : `exactly ${most}`;
  const shown = Number.isInteger(found) ? String(found) : found.toFixed(found < 10 ? 2 : 1);
  b.rows.push({ what, found: shown, goal, met: found >= least && found <= most });
}

async function load(b: Bench, options: Pick<CommandLoad, 'name' | 'durationMs' | 'wantsIds'> & Partial<CommandLoad>) {
  const { port, key, deviceIds } = b;
  const connections = Number(flags.connections);
  const helper = startHelper({ kind: 'commands', port, key, deviceIds, connections, ...options }, 'loaded');
  const done = await helper.done;
  b.accepted += done.statuses[202] ?? 0;
  return done;
}

function errorsOf(done: CommandsDone, status: number): number {
  return done.broken + done.answered - (done.statuses[status] ?? 0);
}

async function noOp({ port }: Bench): Promise<CommandsDone> {
  const connections = Number(flags.connections);
  return startHelper({ kind: 'no-op', port, connections, durationMs: NO_OP_MS }, 'loaded').done;
}

async function commands(b: Bench): Promise<void> {
  await load(b, { name: 'warm', durationMs: WARM_MS, wantsIds: false });
  const before = await noOp(b);
  const cpuBefore = vitals(b.served.process.pid).cpuS;
  const done = await load(b, { name: 'main', durationMs: Number(flags.seconds) * 1_000, wantsIds: false });
  const { cpuS, rss } = vitals(b.served.process.pid);
  const after = await noOp(b);
  const noOpPerSecond = (before.perSecond + after.perSecond) / 2;
  row(b, 'commands a second', { found: done.perSecond, least: GOAL.perSecond });
  row(b, 'commands, p99 [ms]', { found: done.p99Ms, most: GOAL.p99Ms });
  row(b, 'commands, errors', { found: errorsOf(done, 202), least: 0, most: 0 });
  const perCommandUs = Math.round(((cpuS - cpuBefore) * 1e6) / Math.max(1, done.answered));
  b.notes.push(
    `commands: ${done.answered} in ${flags.seconds} s on ${flags.connections} connections, p50 ${done.p50Ms.toFixed(1)} ms, max ${done.maxMs.toFixed(1)} ms`,
    `          ${perCommandUs} µs of CPU each, ${Math.round(rss / 2 ** 20)} MiB resident afterwards`,
    `no-op:    ${Math.round(noOpPerSecond)} a second (404 of GET /v1/nothing), p99 ${after.p99Ms.toFixed(1)} ms; durable / no-op ${(done.perSecond / noOpPerSecond).toFixed(2)}`,
  );
}

/** Ten devices get 10 commands a second each, of which each ends the one before; 100 clients listen to each device. */
async function streams(b: Bench): Promise<void> {
  const talking = b.deviceIds.slice(0, STREAM.talking);
  // Each has an open command from now on, that the next one ends.
  await load(b, {
    name: 'talk-first',
    deviceIds: talking,
    connections: 1,
    durationMs: 500,
    perSecond: 50,
    wantsIds: false,
  });
  const topics = talking.map((id) => `device:${id}`);
  const { url, key } = b;
  const listeners = startHelper({ kind: 'streams', url, key, clients: STREAM.clients, topics }, 'streamed');
  await listeners.ready;
  const durationMs = (Number(flags.seconds) / 2) * 1_000;
  const perSecond = STREAM.talking * GOAL.framesPerSecond;
  const flood = { isOver: false };
  const flooding = floodDeaf(b, flood);
  const talked = await load(b, {
    name: 'talk',
    deviceIds: talking,
    connections: 20,
    durationMs,
    perSecond,
    wantsIds: true,
  });
  flood.isOver = true;
  const flooded = await flooding;
  await sleep(2_000);
  listeners.tell({ kind: 'end' });
  const done = await listeners.done;
  const expected = talking.map((id) => talked.ids.filter(([deviceId]) => deviceId === id).length);
  const wrong = done.frames.filter((frames, n) => frames !== expected[n % talking.length]).length;
  const frames = done.frames.reduce((sum, n) => sum + n, 0);
  const each = frames / done.frames.length / (durationMs / 1_000);
  row(b, 'streams: clients', { found: done.frames.length, least: STREAM.clients - 1, most: STREAM.clients - 1 });
  row(b, 'streams: events a second and client', { found: each, least: GOAL.framesPerSecond * 0.98 });
  row(b, 'streams: p99 [ms]', { found: done.p99Ms, most: GOAL.streamP99Ms });
  row(b, 'streams: clients missing an event', { found: wrong + done.ended + done.disordered, least: 0, most: 0 });
  row(b, 'streams: who never reads is dropped', { found: done.deafDropped ? 1 : 0, least: 1, most: 1 });
  const p = (ms: number): string => ms.toFixed(0);
  b.notes.push(
    `streams:  ${frames} events, p50 ${p(done.p50Ms)} ms, max ${p(done.maxMs)} ms; ${flooded} more events for the one that never reads`,
  );
}

/** Batches over the other devices: their events go to nobody but the client that never reads. @returns events */
async function floodDeaf(b: Bench, gate: { readonly isOver: boolean }): Promise<number> {
  const deviceIds = b.deviceIds.slice(STREAM.talking, STREAM.talking + STREAM.floodEach);
  let events = 0;
  while (!gate.isOver) {
    const startMs = Date.now() + 6 * 3_600_000;
    const [startsAt, endsAt] = [startMs, startMs + 3_600_000].map((ms) => new Date(ms).toISOString());
    const input = { operatingMode: 'charge', enableGridInteraction: false };
    const body = { deviceIds, command: { slug: 'battery:set-operating-mode', input }, startsAt, endsAt };
    const { url, key } = b;
    const answer = await ask({ url, key, path: '/v1/batch-commands', body: JSON.stringify(body) });
    if (answer.status !== 202) throw new Error(`a batch: ${answer.status} ${JSON.stringify(answer.body)}`);
    events += deviceIds.length;
    await sleep(STREAM.floodEveryMs);
  }
  return events;
}

async function webhooks(b: Bench): Promise<void> {
  const receiver = startHelper({ kind: 'receiver' }, 'received');
  const { url, key } = b;
  const body = {
    label: 'rig',
    url: await receiver.ready,
    signature: 'standard-webhooks',
    eventTypes: ['command.failed'],
  };
  const made = await ask({ url, key, path: '/v1/destinations', body: JSON.stringify(body) });
  if (made.status !== 201) throw new Error(`a destination: ${made.status} ${JSON.stringify(made.body)}`);
  receiver.tell({ kind: 'secret', secret: made.body.secret });
  const perSecond = GOAL.webhooksPerSecond * WEBHOOK_LOAD;
  const durationMs = (Number(flags.seconds) / 2) * 1_000;
  const deviceIds = b.deviceIds.slice(0, 100);
  const done = await load(b, { name: 'hook', deviceIds, durationMs, perSecond, wantsIds: true });
  await delivered(b, made.body.id);
  receiver.tell({ kind: 'end' });
  const got = await receiver.done;
  const arrived = new Set(got.commandIds);
  // All but the newest of each device were ended by the next one.
  const newest = new Map(done.ids.toSorted(byNumber));
  const ended = done.ids.filter(([deviceId, id]) => newest.get(deviceId) !== id);
  const missing = ended.filter(([, id]) => !arrived.has(id)).length;
  row(b, 'webhooks a second', { found: got.messages / (got.spanMs / 1_000), least: GOAL.webhooksPerSecond });
  row(b, 'webhooks: events never delivered', { found: missing, least: 0, most: 0 });
  row(b, 'webhooks: signature not right', { found: got.refused, least: 0, most: 0 });
  b.notes.push(
    `webhooks: ${done.answered} commands, ${ended.length} events, ${got.messages} messages with ${got.webhookIds} ids in ${(got.spanMs / 1_000).toFixed(1)} s`,
  );
}

type Id = readonly [string, string];
function byNumber([, a]: Id, [, b]: Id): number {
  return Number(a.split('-')[1]) - Number(b.split('-')[1]);
}

/** Waits until nothing is pending at a destination any more, or TAIL_MS. */
async function delivered({ url, key }: Bench, destinationId: string): Promise<void> {
  const path = `/v1/destinations/${destinationId}/health`;
  for (let waitedMs = 0; waitedMs < TAIL_MS; waitedMs += 200) {
    const { body } = await ask({ url, key, path });
    if (body.pending === 0) return;
    await sleep(200);
  }
}

async function verify(b: Bench, data: string): Promise<void> {
  const { code, out, err } = await runToEnd(['verify-journal', `${data}/journal`, '--json']);
  const verified = JSON.parse(out === '' ? '{}' : out) as { entries?: number; replies?: number; perS?: number };
  row(b, 'journal: replies kept', { found: verified.replies ?? 0, least: b.accepted, most: b.accepted });
  row(b, 'journal: exit code of its check', { found: Number(code), least: 0, most: 0 });
  b.notes.push(`journal:  ${verified.entries} entries, read back at ${verified.perS} a second ${err}`);
}
