import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ask, removeRig } from '../bench.ts';
import { inspect } from '../inspector.ts';
import { runToEnd, vitals } from '../processes.ts';
import { SOAK_FAULTS } from './faults.ts';
import { closeField, type Field, openField, type SoakOptions } from './field.ts';
import { cancelLater, type Loaded, loadFor, most } from './load.ts';
import { type Line, type Sample, slopeMbPerMin } from './verdict.ts';

const FAULT_EVERY_MS = 30_000;
/** Windows of 30 s, a sample a minute, and what is behind after the last fault. */
const SETTLE_MS_MAX = 240_000;
const SLOPE_MB_MAX = 1;
const SLOPE_MS = 300_000;
/** Before this the store of ended commands still fills (20,000 are kept), and a slope says nothing. */
const WARM_MS = 240_000;
const DESCRIPTORS_MORE_MAX = 5;
const QUIET_MS = 40_000;

/** @returns the exit code */
export async function runSoak(o: SoakOptions): Promise<number> {
  const say = (text: string): void => console.error(text);
  const field = await openField(o);
  say(`${o.devices} devices, ${o.outstations} outstations, ${field.receivers.length} receivers behind ${field.url}`);
  await sleep(5_000);
  const before = await fewest(field);
  field.streams.start();
  const mostPerSecond = await most(field);
  const perSecond = Math.round(mostPerSecond * o.share);
  say(`it takes ${Math.round(mostPerSecond)} requests a second for good; the load is ${perSecond} a second`);
  const samples: Sample[] = [];
  const struck: string[] = [];
  const over = { is: false };
  const watching = watch(field, samples, over);
  const faults = strikeAll(field, { struck, over, say });
  const loaded = await loadFor(field, { ms: o.minutes * 60_000, perSecond });
  over.is = true;
  await Promise.all([faults, watching]);
  say('the load is over; what is open comes to its end');
  await cancelLater(field);
  const open = await settle(field, loaded);
  field.streams.close();
  await sleep(QUIET_MS);
  const after = await fewest(field);
  const lines = [
    {
      what: 'load',
      found: `${perSecond} of the ${Math.round(mostPerSecond)} requests a second that it takes for good`,
      goal: `${o.share * 100} %`,
      met: true,
    },
    ...loadLines(field, loaded, struck),
    ...memoryLines(samples, o),
    {
      what: 'descriptors',
      found: `${before} before, ${after} after`,
      goal: `at most ${DESCRIPTORS_MORE_MAX} more`,
      met: after <= before + DESCRIPTORS_MORE_MAX,
    },
    ...open,
    ...(await endLines(field)),
  ];
  await closeField(field);
  for (const { what, found, goal, met } of lines)
    console.log(`${met ? 'ok  ' : 'MISS'}  ${what.padEnd(34)}  ${found}   (${goal})`);
  const isMet = lines.every((l) => l.met);
  if (o.json !== null) writeFileSync(o.json, `${JSON.stringify({ options: o, lines, struck, samples }, null, 1)}\n`);
  if (isMet && !o.keep) removeRig(field.rig);
  else say(`kept: ${field.rig.dir}`);
  return isMet ? 0 : 1;
}

/** Fewest in ten seconds: connections to clouds come and go with the polling, and at the start all devices are read. */
async function fewest({ service }: Field): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let n = 0; n < 20; n++) {
    least = Math.min(least, vitals(service.pid).descriptors);
    await sleep(500);
  }
  return least;
}

/** A collection stops the service for some tenths of a second. */
const COLLECT_EVERY_MS = 15_000;

/** Once a second, each COLLECT_EVERY_MS after a collection of garbage: memory, descriptors, how long health takes to answer and what it says. */
async function watch(field: Field, samples: Sample[], over: { readonly is: boolean }): Promise<void> {
  const beganMs = performance.now();
  const inspector = await inspect(field.service);
  let collectedMs = beganMs;
  while (!over.is) {
    let heap: number | null = null;
    if (performance.now() - collectedMs >= COLLECT_EVERY_MS) {
      collectedMs = performance.now();
      await inspector.collectGarbage();
      heap = await inspector.heapUsed();
    }
    const { rss, descriptors } = vitals(field.service.pid);
    const askedMs = performance.now();
    const health = await ask({ url: field.url, key: field.operator, path: '/v1/health' }).catch(() => null);
    const healthMs = Math.round(performance.now() - askedMs);
    const status = health === null ? 'no answer' : String(health.body.status);
    const journalSeq = numberIn(health?.body.parts?.journal?.why);
    const webhooksSeq = numberIn(health?.body.parts?.webhooks?.why);
    const behind = journalSeq === null || webhooksSeq === null ? null : journalSeq - webhooksSeq;
    samples.push({ ms: Math.round(askedMs - beganMs), rss, heap, descriptors, status, healthMs, behind });
    await sleep(Math.max(0, 1_000 - (performance.now() - askedMs)));
  }
  inspector.close();
}

const numberIn = (text: unknown): number | null => {
  const found = /at (\d+)/.exec(String(text))?.[1];
  return found === undefined ? null : Number(found);
};

async function strikeAll(
  field: Field,
  { struck, over, say }: { struck: string[]; over: { readonly is: boolean }; say: (text: string) => void },
): Promise<void> {
  for (let n = 0; !over.is; n++) {
    const nextMs = performance.now() + FAULT_EVERY_MS;
    const fault = SOAK_FAULTS[n % SOAK_FAULTS.length];
    if (fault !== undefined) {
      say(`fault: ${fault.name}`);
      await fault.strike(field);
      struck.push(fault.name);
    }
    while (!over.is && performance.now() < nextMs) await sleep(250);
  }
}

/** Every accepted command has ended and every receiver was told so, each by the id of the command. */
async function settle(field: Field, { accepted }: Loaded): Promise<Line[]> {
  const endMs = performance.now() + SETTLE_MS_MAX;
  const missing = (): number[] => {
    return field.receivers.map((r) => {
      const told = new Set(r.got.map((g) => g.commandId));
      return accepted.filter((id) => !told.has(id)).length;
    });
  };
  let left = missing();
  while (left.some((n) => n > 0) && performance.now() < endMs) {
    await sleep(2_000);
    left = missing();
  }
  const open = new Set<string>();
  const toldAll = field.receivers.map((r) => new Set(r.got.map((g) => g.commandId)));
  for (const id of accepted.filter((a) => toldAll.some((t) => !t.has(a))).slice(0, 200)) {
    const { body } = await ask({ url: field.url, key: field.key, path: `/v1/commands/${id}` });
    if (['accepted', 'routed', 'sent', 'acknowledged'].includes(body.status)) open.add(`${id} ${body.status}`);
  }
  const twice = field.receivers.map((r) => r.got.length - new Set(r.got.map((g) => g.id)).size);
  const waited = `waited ${Math.round((SETTLE_MS_MAX - (endMs - performance.now())) / 1_000)} s`;
  return [
    {
      what: 'commands that have not ended',
      found: `${open.size} of ${accepted.length}; ${waited} ${[...open].slice(0, 3).join(', ')}`,
      goal: '0',
      met: open.size === 0,
    },
    { what: 'ends not told, by receiver', found: left.join(' '), goal: '0', met: left.every((n) => n === 0) },
    { what: 'told again with the same id', found: twice.join(' '), goal: 'at least once', met: true },
  ];
}

function loadLines(field: Field, { result, accepted, soon }: Loaded, struck: readonly string[]): Line[] {
  const statuses = Object.keys(result.statuses);
  const bad = statuses.filter((s) => s !== '200' && s !== '202' && s !== '503' && s !== '429');
  return [
    {
      what: 'requests',
      found: `${result.answered}, ${Math.round(result.perSecond)} a second, ${JSON.stringify(result.statuses)}`,
      goal: 'no other status than 200, 202, 429, 503',
      met: bad.length === 0,
    },
    {
      what: 'latency',
      found: `p50 ${result.latency.quantileMs(0.5).toFixed(1)} ms, p99 ${result.latency.quantileMs(0.99).toFixed(1)} ms, most ${Math.round(result.latency.maxMs)} ms`,
      goal: 'shown',
      met: true,
    },
    {
      what: 'commands accepted',
      found: `${accepted.length}, ${soon.length} of them sent to a cloud`,
      goal: '> 0',
      met: soon.length > 0,
    },
    {
      what: 'faults',
      found: `${struck.length}: ${[...new Set(struck)].join('; ')}`,
      goal: 'one each 30 s',
      met: struck.length > 0,
    },
    {
      what: 'streams',
      found: `${field.streams.messages} messages, ${field.streams.lost} connections lost and made anew`,
      goal: '> 0 messages',
      met: field.streams.messages > 0,
    },
  ];
}

function memoryLines(samples: readonly Sample[], { minutes }: SoakOptions): Line[] {
  const last = samples.at(-1)?.ms ?? 0;
  const fromMs = Math.max(last - SLOPE_MS, WARM_MS);
  const judged = minutes * 60_000 - WARM_MS >= SLOPE_MS / 2;
  const collected = samples.filter((s) => s.heap !== null && s.ms >= (judged ? fromMs : last / 2));
  const slope = slopeMbPerMin(collected);
  const heapSlope = slopeMbPerMin(collected.map((s) => ({ ms: s.ms, rss: s.heap ?? 0 })));
  const largest = Math.max(...samples.map((s) => s.rss));
  const slowest = Math.max(...samples.map((s) => s.healthMs));
  const behind = Math.max(...samples.map((s) => s.behind ?? 0));
  const when = judged ? 'over the last 5 min' : 'over the second half; too short to judge';
  return [
    {
      what: 'memory slope',
      found: `${slope.toFixed(2)} MB/min resident, ${heapSlope.toFixed(2)} of heap, after collections ${when}`,
      goal: `< ${SLOPE_MB_MAX} MB/min`,
      met: !judged || slope < SLOPE_MB_MAX,
    },
    { what: 'memory, most', found: `${Math.round(largest / 1e6)} MB`, goal: 'shown', met: true },
    {
      what: 'health, slowest answer',
      found: `${slowest} ms; webhooks at most ${behind} entries behind`,
      goal: 'shown',
      met: true,
    },
  ];
}

async function endLines(field: Field): Promise<Line[]> {
  field.service.kill('SIGTERM');
  const how = await field.service.ended;
  const words = field.service.words();
  const bad = /unhandled|uncaught|MaxListeners/i.exec(words)?.[0];
  const verified = await runToEnd(['verify-journal', join(field.rig.data, 'journal')]);
  return [
    { what: 'the service ends', found: `exit code ${how}`, goal: '0', met: how === 0 },
    {
      what: 'words of trouble',
      found: bad === undefined ? 'none' : words.slice(-500),
      goal: 'none',
      met: bad === undefined,
    },
    {
      what: 'journal',
      found:
        verified.out
          .split('\n')
          .filter((l) => l !== '')
          .at(-1) ?? verified.err,
      goal: 'verifies',
      met: verified.code === 0,
    },
  ];
}
