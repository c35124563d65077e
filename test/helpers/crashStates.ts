import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import Database from 'libsql';
import { randomSource } from '../../harness/kernel/random.ts';
import { canonicalJson } from '../../src/domain/canonicalJson.ts';
import { GENESIS } from '../../src/live/journal/chain.ts';
import { markFile, writeMarkNow } from '../../src/live/journal/mark.ts';
import { databaseFile } from '../../src/live/journal/recover.ts';
import { snapshotFiles, writeSnapshotFile } from '../../src/live/journal/snapshotFile.ts';
import { type GroupEntry, JournalWriter } from '../../src/live/journal/writer.ts';

/**
 * What a loss of power may leave of a journal. A run of the real writer is recorded: the files before and after each of
 * its steps. What a step wrote and did not sync yet is on the disk in any part and any order, by sectors; what it synced
 * is there. SQLite syncs the log at each commit, a new header of the log before the frames behind it, and the database at
 * the end of a checkpoint, before the log may be written from its front again.
 * @source sqlite.org/wal.html, sqlite.org/atomiccommit.html 9; the list of cuts: ALICE (Pillai et al., OSDI 2014)
 */
export interface Image {
  readonly db: Buffer;
  readonly wal: Buffer;
}

export interface Step {
  readonly kind: 'commit' | 'checkpoint';
  readonly before: Image;
  readonly after: Image;
  /** Entries that were acknowledged before it, and those with its group. */
  readonly acknowledged: number;
  readonly withGroup: number;
  /** The high-water mark as it stands; null = there is none yet. */
  readonly mark: string | null;
  /** File → content of the snapshots that stand. */
  readonly snapshots: ReadonlyMap<string, Buffer>;
}

export interface Recorded {
  readonly steps: readonly Step[];
  /** Body of each entry, by its number less one. */
  readonly bodies: readonly string[];
}

export const CRASH_BUILD = 'crash';
export type Draw = ReturnType<ReturnType<typeof randomSource>>;
export const drawOf = (seed: string): Draw => randomSource(seed)('crash-states');

const STEPS = 70;

const imageOf = (dir: string): Image => {
  const read = (file: string): Buffer => (existsSync(file) ? readFileSync(file) : Buffer.alloc(0));
  return { db: read(databaseFile(dir)), wal: read(`${databaseFile(dir)}-wal`) };
};

/** The first start: SQLite makes the database, its first page says that there is a log, then the tables come by the log. */
export function recordFirst(dir: string): Step {
  mkdirSync(dir);
  const db = new Database(databaseFile(dir));
  db.exec('PRAGMA journal_mode = WAL');
  db.close();
  const before = imageOf(dir);
  const writer = new JournalWriter(databaseFile(dir), { seq: 0, hash: GENESIS });
  const after = imageOf(dir);
  writer.close();
  return { kind: 'commit', before, after, acknowledged: 0, withGroup: 0, mark: null, snapshots: new Map() };
}

/** Groups of one to four entries of 40 octets to 20,000; now and then a checkpoint, a mark, a snapshot. */
export async function record(dir: string, draw: Draw): Promise<Recorded> {
  mkdirSync(dir);
  const writer = new JournalWriter(databaseFile(dir), { seq: 0, hash: GENESIS });
  writeMarkNow(markFile(dir), writer.last);
  const steps: Step[] = [];
  const bodies: string[] = [];
  let before = imageOf(dir);
  for (let n = 0; n < STEPS; n++) {
    const kind = draw.int(0, 6) === 0 ? 'checkpoint' : 'commit';
    const acknowledged = bodies.length;
    const mark = readFileSync(markFile(dir), 'utf8');
    const snapshots = new Map(snapshotFiles(dir).map(({ file }) => [file.slice(dir.length + 1), readFileSync(file)]));
    if (kind === 'checkpoint') writer.checkpoint();
    else {
      const group = Array.from({ length: draw.int(1, 4) }, (_, i) => entryOf(bodies.length + i + 1, draw));
      writer.write(1_000 + n, group);
      bodies.push(...group.map((e) => e.body));
    }
    const after = imageOf(dir);
    steps.push({ kind, before, after, acknowledged, withGroup: bodies.length, mark, snapshots });
    before = after;
    if (draw.int(0, 3) === 0) writeMarkNow(markFile(dir), writer.last);
    if (draw.int(0, 9) === 0)
      await writeSnapshotFile(dir, { ...writer.last, build: CRASH_BUILD }, { main: { n: bodies.length } });
  }
  writer.close();
  return { steps, bodies };
}

function entryOf(n: number, draw: Draw): GroupEntry {
  const pad = 'x'.repeat(draw.int(0, 5) === 0 ? draw.int(4_000, 20_000) : draw.int(0, 400));
  const subjects = [`s/${n % 5}`];
  const reply = { workspaceId: 'ws', key: `k-${n}`, requestHash: 'h', status: 202, body: `{"n":${n}}` };
  return {
    plantId: 'main',
    atMs: n,
    body: canonicalJson({ facts: [{ n, pad }], origin: {}, subjects }),
    subjects,
    reply,
  };
}

export interface CrashState {
  readonly name: string;
  /** @param draw  decides which sectors got there, where the state is one of many */
  readonly image: (draw: Draw) => Image;
}

const LOG_HEADER = 32;
const LOG_FRAME = 24 + 4_096;
const INSIDE = [1, 16, 100, 311, 512, 2_048];

/** Every state of the catalogue for one step. */
export const statesOf = (step: Step): CrashState[] =>
  step.kind === 'checkpoint' ? checkpointStates(step) : commitStates(step);

function commitStates(step: Step): CrashState[] {
  const isReset = !step.before.wal.subarray(0, LOG_HEADER).equals(step.after.wal.subarray(0, LOG_HEADER));
  const { db } = step.before;
  const now = step.after.wal;
  const old = isReset ? withHeader(step) : step.before.wal;
  const states: CrashState[] = isReset
    ? [{ name: 'the new header of the log alone', image: () => ({ db, wal: old }) }]
    : [];
  const [from, to] = changedRange(old, now);
  for (let octet = LOG_HEADER; octet <= to; octet += LOG_FRAME) {
    if (octet < from - LOG_FRAME) continue;
    for (const within of [0, ...INSIDE]) {
      const at = Math.min(octet + within, to);
      states.push({ name: `the log written as far as octet ${at}`, image: () => ({ db, wal: splice(old, now, at) }) });
    }
    const name = `the log as long as it gets, without what stands from octet ${octet} on`;
    states.push({ name, image: () => ({ db, wal: unwritten(old, now, octet) }) });
  }
  for (const size of [512, 512, 4_096, 4_096]) {
    const image = (draw: Draw): Image => ({ db, wal: sectors({ old, now, size, draw }) });
    states.push({ name: `some sectors of ${size} of the log`, image });
  }
  return states;
}

/**
 * The last part of a commit alone, from between the mark of a commit and the salts of a header that lies across two
 * sectors: what stands there of an older round of the log looks like a commit of this one.
 */
export function halfHeaders(step: Step): Image[] {
  const { db, wal: old } = step.before;
  const now = step.after.wal;
  const isSameRound = old.subarray(0, LOG_HEADER).equals(now.subarray(0, LOG_HEADER));
  if (step.kind !== 'commit' || !isSameRound) return [];
  const images: Image[] = [];
  const [from, to] = changedRange(old, now);
  for (let frame = LOG_HEADER; frame < Math.min(to, old.length - 8); frame += LOG_FRAME) {
    const isTorn = frame > from && (frame + 8) % 512 === 0 && old.readUInt32BE(frame + 4) !== 0;
    if (isTorn) images.push({ db, wal: Buffer.concat([old.subarray(0, frame + 8), now.subarray(frame + 8)]) });
  }
  return images;
}

function checkpointStates({ before, after }: Step): CrashState[] {
  const { wal, db: old } = before;
  const now = after.db;
  const states: CrashState[] = [{ name: 'a checkpoint without a sector of it', image: () => before }];
  for (const size of [512, 512, 512, 4_096, 4_096, 4_096]) {
    const image = (draw: Draw): Image => ({ db: sectors({ old, now, size, draw }), wal });
    states.push({ name: `some sectors of ${size} of a checkpoint`, image });
  }
  for (let at = 4_096; at < now.length; at += 4_096 * 7) {
    states.push({ name: `a checkpoint as far as octet ${at}`, image: () => ({ db: splice(old, now, at), wal }) });
  }
  states.push({ name: 'a checkpoint with all of it', image: () => ({ db: now, wal }) });
  return states;
}

const withHeader = ({ before, after }: Step): Buffer =>
  Buffer.concat([after.wal.subarray(0, LOG_HEADER), before.wal.subarray(LOG_HEADER)]);

function changedRange(old: Buffer, now: Buffer): readonly [number, number] {
  let from = 0;
  while (from < now.length && from < old.length && old[from] === now[from]) from += 1;
  let to = now.length;
  while (to > from && to <= old.length && old[to - 1] === now[to - 1]) to -= 1;
  return [from, to];
}

/** The new one up to an octet, behind it the old one as long as it was. */
const splice = (old: Buffer, now: Buffer, at: number): Buffer =>
  Buffer.concat([now.subarray(0, at), old.subarray(Math.min(at, old.length))]);

/** As long as the longer one, the new one up to an octet; what was never written is zero. */
function unwritten(old: Buffer, now: Buffer, from: number): Buffer {
  const octets = Buffer.alloc(Math.max(old.length, now.length));
  old.copy(octets);
  now.copy(octets, 0, 0, from);
  return octets;
}

function sectors(of: {
  readonly old: Buffer;
  readonly now: Buffer;
  readonly size: number;
  readonly draw: Draw;
}): Buffer {
  const { old, now, size, draw } = of;
  const octets = Buffer.alloc(Math.max(old.length, now.length));
  old.copy(octets);
  for (let at = 0; at < now.length; at += size) if (draw.int(0, 1) === 0) now.copy(octets, at, at, at + size);
  return octets;
}

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** libsql lets the files of a closed database go when its statements are collected; a thousand states are more than a process may open. */
export async function letFilesGo(): Promise<void> {
  collect();
  await setImmediate();
}

/** The files of a state in a new folder, with what lies around there after a crash. */
export function placed(dir: string, { db, wal }: Image, step: Pick<Step, 'mark' | 'snapshots'>): string {
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir);
  writeFileSync(databaseFile(dir), db);
  if (wal.length > 0) writeFileSync(`${databaseFile(dir)}-wal`, wal);
  // The index of the log was in memory; what of it is on the disk is of no time in particular.
  writeFileSync(`${databaseFile(dir)}-shm`, Buffer.alloc(32_768, 0x5a));
  rmSync(markFile(dir), { force: true });
  if (step.mark !== null) writeFileSync(markFile(dir), step.mark);
  for (const [name, octets] of step.snapshots) writeFileSync(join(dir, name), octets);
  return dir;
}
