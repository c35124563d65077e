import { loadavg } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { randomSource } from '../kernel/random.ts';
import {
  connectDevices,
  makeRig,
  makeWorkspace,
  operatorKey,
  type Rig,
  removeRig,
  type Served,
  serve,
} from './bench.ts';
import {
  askLost,
  CLIENTS,
  CLOUD_CLIENTS,
  CLOUD_DEVICES_EACH,
  checkAll,
  checkSome,
  FUTURE_DEVICES_EACH,
  type Kill,
  readCloud,
  runClients,
  settleCloud,
} from './killClients.ts';
import { Ledger } from './ledger.ts';
import { launch, type Running, runToEnd, vitals } from './processes.ts';

/**
 * kill -9, again and again: `npm run test:kill -- --cycles 200 --seed 1`, on the build.
 *
 *   ready ─> what was acknowledged is asked for ─> 20 clients post, lost answers first ─> kill -9 after U(20, 500) ms
 *   ─> the cloud's record is read ─> start again …   and now and then a pause, in which what is in doubt is settled
 *
 * The cloud is a process of its own that lives on; its record tells what was executed. Violations of the promises:
 *   S13, S14  an acknowledged command is not there, or its key gives another id; the cloud had what the journal did not
 *   S22       a command stands twice in the cloud's record; the newest command of a device neither reached it nor ended
 *   recovery  not ready within RECOVERY_MS_MAX of the start of the process
 * and the journal must verify at the end. Prints a JSON summary; exit code 1 on any violation.
 */
const KILL_MS = { min: 20, max: 500 } as const;
const QUIET_EVERY = 50;
/** Reading back happens twice, 30 s apart, and each waits for its turn. */
const QUIET_MS_MAX = 120_000;
const RECOVERY_MS_MAX = 3_000;

const { values: flags } = parseArgs({
  options: {
    cycles: { type: 'string', default: '200' },
    seed: { type: 'string', default: '1' },
    keep: { type: 'boolean', default: false },
  },
});
process.exit(await main(Number(flags.cycles), flags.seed));

async function main(cycles: number, seed: string): Promise<number> {
  const beganMs = performance.now();
  const cloud = await openCloud();
  const { url, credentials } = cloud.ready;
  const rig = makeRig('kill', { clouds: { solaredge: { url, ...(credentials as object) } } });
  const stream = randomSource(seed)('kill');
  let served = await serve(rig);
  const kill = await furnish(rig, { served, cloud, random: () => stream.uniform(0, 1) });
  const recoveryMs: number[] = [];
  // Tells a slow start from a busy machine.
  const recoveryCpuMs: number[] = [];
  for (let cycle = 1; cycle <= cycles; cycle++) {
    await crash(kill, served, cycle);
    served = await serve(rig);
    recoveryMs.push(served.process.readyMs);
    recoveryCpuMs.push(vitals(served.process.pid).cpuS * 1_000);
    if (cycle % QUIET_EVERY === 0 || cycle === cycles) await settleCloud(kill, served.url, QUIET_MS_MAX);
    if (cycle % 10 === 0) say(`cycle ${cycle}: ${kill.ledger.all.length} asked, ${violated(kill)} violations`);
  }
  await askLost(kill, served.url);
  await checkAll(kill, served.url, kill.ledger.all);
  await end(served.process);
  await end(cloud);
  const verified = await runToEnd(['verify-journal', `${rig.data}/journal`, '--json']);
  if (verified.code !== 0) kill.ledger.violated(`verify-journal: ${verified.out}${verified.err}`);
  for (const ms of recoveryMs) {
    if (ms > RECOVERY_MS_MAX) kill.ledger.violated(`ready after ${Math.round(ms)} ms, at most ${RECOVERY_MS_MAX}`);
  }
  report(kill, { cycles, seed, recoveryMs, recoveryCpuMs, journal: verified.out, tookMs: performance.now() - beganMs });
  if (violated(kill) === 0 && !flags.keep) removeRig(rig);
  else say(`kept: ${rig.dir}`);
  return violated(kill) === 0 ? 0 : 1;
}

function say(text: string): void {
  console.error(text);
}

function violated({ ledger }: Kill): number {
  return ledger.violations.length;
}

async function end(running: Running): Promise<void> {
  running.kill('SIGTERM');
  await running.ended;
}

async function openCloud(): Promise<Running> {
  const devices = String(CLOUD_CLIENTS * CLOUD_DEVICES_EACH);
  const args = ['cloud', 'solaredge', '--reliable', '--delay-seconds', '0', '--devices', devices, '--quiet'];
  const cloud = await launch({ args, built: true });
  // The quotas are those of one account for a day; restarts by the hundred would use them up.
  const body = JSON.stringify({ siteRequestsPerDayMax: null, requestsPerMinuteMax: 1_000_000 });
  const answer = await fetch(`${cloud.ready.url}/testbed/behaviour`, { method: 'POST', body });
  if (!answer.ok) throw new Error(`the cloud's behaviour: ${answer.status} ${await answer.text()}`);
  return cloud;
}

async function furnish(
  rig: Rig,
  {
    served: { url },
    cloud,
    random,
  }: { readonly served: Served; readonly cloud: Running; readonly random: () => number },
): Promise<Kill> {
  const at = { url, ...(await makeWorkspace(url, operatorKey(rig))) };
  const cloudIds = await connectDevices(at, 'solaredge', cloud.ready.devices as string[]);
  const later = Array.from({ length: CLIENTS * FUTURE_DEVICES_EACH }, (_, i) => `later-${i}`);
  const futureIds = await connectDevices(at, 'tesla', later);
  return { rig, cloudUrl: String(cloud.ready.url), cloudIds, futureIds, key: at.key, ledger: new Ledger(), random };
}

/** One life of the service under load, and its end. */
async function crash(kill: Kill, { url, process }: Served, cycle: number): Promise<void> {
  // In some cycles the load meets a service that has only just begun to read back.
  if (cycle % 4 !== 0) await checkSome(kill, url);
  const gate = { isShut: false };
  const clients = runClients(kill, { url, cycle }, gate);
  await sleep(KILL_MS.min + (KILL_MS.max - KILL_MS.min) * kill.random());
  process.kill('SIGKILL');
  await process.ended;
  gate.isShut = true;
  await clients;
  await readCloud(kill);
}

function middleAndMost(all: readonly number[]) {
  const sorted = all.toSorted((a, b) => a - b).map(Math.round);
  return { p50: sorted[Math.floor(sorted.length / 2)], max: sorted.at(-1) };
}

function report(
  kill: Kill,
  r: {
    readonly cycles: number;
    readonly seed: string;
    readonly recoveryMs: readonly number[];
    readonly recoveryCpuMs: readonly number[];
    readonly journal: string;
    readonly tookMs: number;
  },
): void {
  const { ledger } = kill;
  const summary = {
    cycles: r.cycles,
    seed: r.seed,
    commands: ledger.all.length,
    acknowledged: ledger.all.filter((a) => a.id !== null).length,
    answersLost: ledger.lostInAll,
    replays: ledger.replays,
    atCloud: ledger.executed,
    recoveryMs: middleAndMost(r.recoveryMs),
    recoveryCpuMs: middleAndMost(r.recoveryCpuMs),
    violations: ledger.violations,
    journal: JSON.parse(r.journal === '' ? 'null' : r.journal),
    seconds: Math.round(r.tookMs / 1_000),
    load: loadavg().map((n) => Math.round(n * 100) / 100),
  };
  console.log(JSON.stringify(summary));
  const rows = {
    ...summary,
    recoveryMs: `p50 ${summary.recoveryMs.p50}, max ${summary.recoveryMs.max}, at most ${RECOVERY_MS_MAX}`,
    recoveryCpuMs: `p50 ${summary.recoveryCpuMs.p50}, max ${summary.recoveryCpuMs.max}`,
    journal: `${summary.journal?.entries} entries verified, ${summary.journal?.damage.length} places damaged`,
    violations: ledger.violations.length,
    load: summary.load.join(' '),
  };
  for (const [name, value] of Object.entries(rows)) say(`${name.padEnd(14)} ${value}`);
  for (const what of ledger.violations.slice(0, 20)) say(`violated       ${what}`);
}
