import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setImmediate, setTimeout } from 'node:timers/promises';
import { Core } from '../../src/core/core.ts';
import { defaultSettings } from '../../src/core/settings.ts';
import { frozenSnapshotOf, snapshotOf } from '../../src/core/snapshot.ts';
import type { CoreState } from '../../src/core/state.ts';
import { canonicalJson } from '../../src/domain/canonicalJson.ts';
import { GENESIS } from '../../src/live/journal/chain.ts';
import { openJournal } from '../../src/live/journal/journal.ts';
import { markFile, writeMarkNow } from '../../src/live/journal/mark.ts';
import { databaseFile } from '../../src/live/journal/recover.ts';
import { JournalWriter } from '../../src/live/journal/writer.ts';
import { CAPABILITIES } from '../../src/oem/index.ts';
import type { NewEntry } from '../../src/ports/journal.ts';

/**
 * `npx tsx harness/bench/journal.ts [rates|recovery|snapshot] [records]`: the journal on this machine's disk.
 *
 *   rates     entries of 1 KB, each with a reply and two subjects, in closed loops of so many in flight, once with the
 *             writing thread and once with the same writer on the thread that asks; then 5,000 a second for ten seconds.
 *             "blocked" is the share of the asking thread's time that is gone, "stall" its longest turn
 *   recovery  a journal of so many records (default a million of 0.3 KB): open and read all, then with a snapshot
 *   snapshot  the longest turns of the event loop while the state of 21,000 commands is written, as the service does it
 *             and made in one piece
 */
const SECONDS = 4;
const FLIGHTS = [1, 16, 64, 256];
const PACE = { perS: 5_000, seconds: 10, p99MsMax: 25 };
const RECOVERY_MS_MAX = { whole: 8_000, snapshot: 2_000 };
/** The size the limits are for; the other is printed beside it. */
const RECOVERY_OCTETS = 300;
const TAIL = 1_000;
const COMMANDS = 21_000;
const HOMES = 1_000;
const SNAPSHOTS = 10;

const [what = 'all', records = '1000000'] = process.argv.slice(2);
const dir = mkdtempSync(join(process.env.VPP_BENCH_DIR ?? tmpdir(), 'vpp-journal-'));
try {
  console.log(`node ${process.version}, ${cpus().length} cores, load before ${loadavg()[0]?.toFixed(2)}`);
  if (what === 'rates' || what === 'all') await rates();
  if (what === 'recovery' || what === 'all') await recovery(Number(records));
  if (what === 'snapshot' || what === 'all') await snapshots();
} finally {
  rmSync(dir, { recursive: true, force: true });
}

function entry(n: number, octets: number): NewEntry {
  const command = { commandId: `cmd-${n}`, deviceId: `dev-${n % 1000}`, note: 'x'.repeat(Math.max(0, octets - 240)) };
  return {
    plantId: 'main',
    atMs: 1_720_000_000_000 + n,
    origin: { workspaceId: 'ws-1', actor: 'client/bench', requestId: `req-${n}` },
    facts: [{ type: 'event.cancelled', eventId: command.commandId, by: canonicalJson(command) }],
    subjects: [`command/${command.commandId}`, `device/${command.deviceId}`],
    reply: {
      workspaceId: 'ws-1',
      key: `POST /commands ${n}`,
      requestHash: GENESIS,
      status: 202,
      body: canonicalJson({ commandId: command.commandId, note: 'y'.repeat(200) }),
    },
  };
}

interface Store {
  readonly append: (entry: NewEntry) => Promise<unknown>;
  readonly close: () => Promise<void>;
}

async function threaded(name: string): Promise<Store> {
  const journal = await openJournal({ dir: join(dir, name), build: 'bench' });
  return { append: (e) => journal.append(e), close: () => journal.close() };
}

/** The same writer and the same grouping, on the asking thread. */
function inline(name: string): Store {
  const writer = new JournalWriter(join(dir, `${name}.db`), { seq: 0, hash: GENESIS });
  let queue: { entry: NewEntry; done: () => void }[] = [];
  let soon = false;
  const flush = (): void => {
    soon = false;
    const group = queue.splice(0, 512);
    const entries = group.map(({ entry: { plantId, atMs, origin, facts, subjects, reply } }) => {
      return { plantId, atMs, body: canonicalJson({ facts, origin, subjects }), subjects, reply };
    });
    writer.write(1_720_000_000_000, entries);
    for (const { done } of group) done();
    writer.checkpointWhenLong();
  };
  return {
    append: (e) =>
      new Promise<void>((done) => {
        queue.push({ entry: e, done });
        if (!soon) void setImmediate().then(flush);
        soon = true;
      }),
    close: async () => {
      queue = [];
      writer.close();
    },
  };
}

async function rates(): Promise<void> {
  for (const [name, open] of [
    ['thread', threaded],
    ['inline', inline],
  ] as const) {
    for (const flight of FLIGHTS) {
      const store = await open(`${name}-${flight}`);
      const took: number[] = [];
      const measured = await watched(async () => {
        const until = performance.now() + SECONDS * 1000;
        let n = 0;
        const loop = async (): Promise<void> => {
          for (let at = performance.now(); at < until; at = performance.now()) {
            await store.append(entry(n++, 1_024));
            took.push(performance.now() - at);
          }
        };
        await Promise.all(Array.from({ length: flight }, loop));
      });
      await store.close();
      print(`${name} ${String(flight).padStart(4)} in flight`, took, measured);
    }
    await paced(name, await open(`${name}-paced`));
  }
}

async function paced(name: string, store: Store): Promise<void> {
  const took: number[] = [];
  const measured = await watched(async () => {
    const began = performance.now();
    const all: Promise<void>[] = [];
    for (let n = 0; n < PACE.perS * PACE.seconds; ) {
      const due = Math.min(PACE.perS * PACE.seconds, ((performance.now() - began) * PACE.perS) / 1000);
      for (; n < due; n++) {
        // From the moment it was due, so that a stalled thread counts.
        const at = began + (n * 1000) / PACE.perS;
        all.push(store.append(entry(n, 1_024)).then(() => void took.push(performance.now() - at)));
      }
      await setTimeout(1);
    }
    await Promise.all(all);
  });
  await store.close();
  print(`${name} ${PACE.perS}/s asked`, took, measured);
  const p99 = quantile(took, 0.99);
  if (name === 'thread' && p99 > PACE.p99MsMax) process.exitCode = 1;
}

interface Watched {
  readonly seconds: number;
  readonly blocked: number;
  readonly stallMs: number;
}

async function watched(work: () => Promise<void>): Promise<Watched> {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const before = performance.eventLoopUtilization();
  const began = performance.now();
  await work();
  const seconds = (performance.now() - began) / 1000;
  delay.disable();
  return {
    seconds,
    blocked: performance.eventLoopUtilization(before).utilization,
    stallMs: delay.percentile(99) / 1e6,
  };
}

function quantile(values: number[], q: number): number {
  return values.sort((a, b) => a - b)[Math.floor(values.length * q)] ?? Number.NaN;
}

function print(name: string, took: number[], { seconds, blocked, stallMs }: Watched): void {
  const perS = Math.round(took.length / seconds);
  console.log(
    `  ${name.padEnd(22)} ${String(perS).padStart(6)}/s  p50 ${quantile(took, 0.5).toFixed(2)} ms  ` +
      `p99 ${quantile(took, 0.99).toFixed(2)} ms  max ${quantile(took, 1 - 1e-9).toFixed(1)} ms  ` +
      `blocked ${(blocked * 100).toFixed(0)} %  stall p99 ${stallMs.toFixed(1)} ms`,
  );
}

async function recovery(count: number): Promise<void> {
  for (const octets of [RECOVERY_OCTETS, 1_024]) {
    const folder = join(dir, `recovery-${octets}`);
    const journal = await openJournal({ dir: folder, build: 'bench' });
    await journal.close();
    fill(folder, { count, octets });
    const mb = statSync(databaseFile(folder)).size / 1e6;
    console.log(`  recovery of ${count} records of ${octets} octets, ${mb.toFixed(0)} MB on the disk`);
    const whole = await reopen(folder, 0);
    const again = await openJournal({ dir: folder, build: 'bench' });
    await again.writeSnapshot({ main: { n: count } }, count - TAIL);
    await again.close();
    const short = await reopen(folder, count - TAIL);
    const isSlow = whole > RECOVERY_MS_MAX.whole || short > RECOVERY_MS_MAX.snapshot;
    if (isSlow && octets === RECOVERY_OCTETS) process.exitCode = 1;
    rmSync(folder, { recursive: true });
  }
}

function fill(folder: string, { count, octets }: { readonly count: number; readonly octets: number }): void {
  const writer = new JournalWriter(databaseFile(folder), { seq: 0, hash: GENESIS });
  for (let n = 0; n < count; ) {
    const group = Array.from({ length: Math.min(512, count - n) }, () => {
      const { plantId, atMs, origin, facts, subjects } = entry(n++, octets);
      return { plantId, atMs, body: canonicalJson({ facts, origin, subjects }), subjects, reply: null };
    });
    writer.write(1_720_000_000_000, group);
    writer.checkpointWhenLong();
  }
  writeMarkNow(markFile(folder), writer.last);
  writer.close();
}

/** The state as it is at 5,000 commands a second: the last 20,000 that have ended, and those under way. */
function busyState(): CoreState {
  const core = new Core(defaultSettings(CAPABILITIES));
  const [workspaceId, nowMs] = ['ws', 1_720_000_000_000];
  core.handle({ kind: 'create-workspace', workspace: { workspaceId, name: 'bench', gridServices: true } }, nowMs);
  for (let n = 0; n < HOMES; n++) {
    const siteId = `site-${n}`;
    core.handle(
      { kind: 'create-site', site: { siteId, workspaceId, customerId: 'c', name: siteId, timeZone: 'UTC' } },
      nowMs,
    );
    const nameplate = { usableWh: 13_500, chargeWMax: 5_000, dischargeWMax: 5_000 };
    const source = { kind: 'oem', oem: 'tesla', vendorDeviceId: `v-${n}` } as const;
    const [deviceId, kind, model] = [`home-${n}`, 'battery', 'M'] as const;
    core.handle(
      {
        kind: 'connect-device',
        device: { deviceId, workspaceId, siteId, kind, manufacturer: 'tesla', model, nameplate, source, tags: [] },
      },
      nowMs,
    );
  }
  for (let n = 0; n < COMMANDS; n++) {
    const input = { operatingMode: 'discharge', enableGridInteraction: false } as const;
    const window = { startMs: nowMs + 3_600_000, endMs: nowMs + 7_200_000 };
    core.handle(
      { kind: 'command', request: { deviceId: `home-${n % HOMES}`, input, ...window, workspaceId, actor: 'bench' } },
      nowMs,
    );
  }
  return core.state;
}

async function snapshots(): Promise<void> {
  const state = busyState();
  const journal = await openJournal({ dir: join(dir, 'snapshot'), build: 'bench' });
  await journal.append(entry(1, 300));
  for (const [name, made] of [
    ['as the service does it', frozenSnapshotOf],
    ['made in one piece', snapshotOf],
  ] as const) {
    const delay = monitorEventLoopDelay({ resolution: 1 });
    const took: number[] = [];
    const longest: number[] = [];
    for (let n = 0; n < SNAPSHOTS; n++) {
      await setTimeout(50);
      delay.reset();
      delay.enable();
      const began = performance.now();
      await setTimeout(2);
      await journal.writeSnapshot({ main: { state: made(state), lastMs: 0 } }, 1);
      took.push(performance.now() - began);
      delay.disable();
      longest.push(delay.max / 1e6);
    }
    const ms = (of: number[], q: number): string => quantile(of, q).toFixed(1);
    console.log(
      `  snapshot of ${state.commands.size} commands, ${name}: longest turn ${ms(longest, 0.5)} ms (median of ${SNAPSHOTS}), ` +
        `${ms(longest, 1 - 1e-9)} ms (worst); written in ${ms(took, 0.5)} ms`,
    );
  }
  await journal.close();
}

/** @returns how long it took to open it, to read its snapshot and to read the entries behind that [ms] */
async function reopen(folder: string, expected: number): Promise<number> {
  const began = performance.now();
  const journal = await openJournal({ dir: folder, build: 'bench' });
  const openedMs = performance.now() - began;
  const from = journal.snapshot()?.seq ?? 0;
  let read = 0;
  for (const { facts } of journal.read(from + 1)) read += facts.length;
  const totalMs = performance.now() - began;
  await journal.close();
  if (from !== expected) throw new Error(`the snapshot is at ${from}, expected ${expected}`);
  const name = from === 0 ? 'from the first entry' : `from a snapshot, ${read} entries behind it`;
  console.log(`    ${name}: open ${openedMs.toFixed(0)} ms, with reading ${totalMs.toFixed(0)} ms`);
  return totalMs;
}
