import { dirname, resolve } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { canonicalJson } from '../../domain/canonicalJson.ts';
import { invariant } from '../../domain/errors.ts';
import type { EpochMs } from '../../domain/units.ts';
import {
  type Appended,
  type Journal,
  type JournalEntry,
  type JournalHealth,
  type JournalTrouble,
  type NewEntry,
  type StoredReply,
  SUBJECTS_MAX,
} from '../../ports/journal.ts';
import { damaged, JournalError, messageOf } from './errors.ts';
import { makeFolder } from './folder.ts';
import { type Lock, lockFolder } from './lock.ts';
import { markFile } from './mark.ts';
import type { FromWriter, ToWriter, WriterSetUp } from './protocol.ts';
import { JournalReader } from './reader.ts';
import { databaseFile } from './recover.ts';
import { readSnapshotFile, type SnapshotHead, snapshotPath, writeSnapshotFile } from './snapshotFile.ts';
import type { GroupEntry } from './writer.ts';

/**
 * The journal on a disk: SQLite in WAL mode with synchronous=FULL, entries chained by hash, a high-water mark in another
 * folder.
 *
 * Group commit: what is appended while a commit is under way waits and goes into the next one, so the more there is to do
 * the fewer syncs an entry costs. A thread of its own writes, so that the thread that serves requests waits for no disk.
 * Measured on 2 quiet cores with harness/bench/journal.ts, entries of 1 KB with a reply and two subjects, thread against
 * the same writer on the serving thread: at 5,000 a second 16 % against 50 % of the serving thread is gone (p99 of an append
 * 6.5 and 7.7 ms); with 256 in flight 23,800 against 21,400 a second, and its turns take 3.8 against 24 ms (p99).
 *
 * An entry that is refused takes along all that wait behind it: they were decided on a state that has it.
 */
export interface JournalOptions {
  /** Folder of the journal; made when it is not there. */
  readonly dir: string;
  /** Folder of the high-water mark; default: the one the journal's folder is in. Best on another disk. */
  readonly highWaterDir?: string;
  /** Version of the program: snapshots of another one are not used. */
  readonly build: string;
  /** Wall clock [epoch ms]. */
  readonly nowMs?: () => EpochMs;
  /** Entries, and octets of their text, that may wait; over it an append is refused as 'overload'. */
  readonly queueMax?: number;
  readonly queueOctetsMax?: number;
}

const QUEUE_MAX = 20_000;
const QUEUE_OCTETS_MAX = 64 * 1024 * 1024;
/** A group's limits bound how long the last of it waits, and the memory of a transaction. */
const GROUP_MAX = 512;
const GROUP_OCTETS_MAX = 4 * 1024 * 1024;
const NAME_MAX = 300;

interface Waiting {
  readonly entry: GroupEntry;
  readonly octets: number;
  readonly settle: (appended: Appended) => void;
}

/**
 * Opens a journal, or makes a new one where nothing ever was.
 * @throws JournalError  'locked': another instance has it; 'damaged': it cannot be relied on, with file and place;
 *                       'format': a newer build wrote it; 'read-only': the folder cannot be written; 'failed': the rest
 */
export async function openJournal(options: JournalOptions): Promise<LiveJournal> {
  const dir = resolve(options.dir);
  const mark = markFile(dir, options.highWaterDir);
  try {
    makeFolder(dir);
    makeFolder(dirname(mark));
  } catch (e) {
    throw new JournalError('read-only', { file: dir, place: 'the folder', what: messageOf(e) });
  }
  const lock = lockFolder(dir);
  try {
    const worker = startThread({ dir, markFile: mark, build: options.build });
    const opened = await firstWord(worker, dir);
    return new LiveJournal({ ...options, dir }, { lock, worker, opened });
  } catch (e) {
    lock.release();
    throw e;
  }
}

/**
 * Built, the thread is plain JavaScript. From source it needs tsx, which `--import` does not bring into a thread of Node 20
 * (tsx registers itself on the main thread alone), so the thread asks for it by its interface.
 * @source tsx.is/dev-api/register-esm
 */
function startThread(setUp: WriterSetUp): Worker {
  if (import.meta.url.endsWith('.js'))
    return new Worker(new URL('./thread.js', import.meta.url), { workerData: setUp });
  const tsx = import.meta.resolve('tsx/esm/api');
  const thread = new URL('./thread.ts', import.meta.url).href;
  const text = `import('${tsx}').then(({ register }) => { register(); return import('${thread}'); })`;
  return new Worker(text, { eval: true, workerData: setUp, execArgv: [] });
}

type Opened = Extract<FromWriter, { kind: 'opened' }>;

function firstWord(worker: Worker, dir: string): Promise<Opened> {
  return new Promise((done, fail) => {
    worker.once('error', (e) =>
      fail(new JournalError('failed', { file: dir, place: 'its writer', what: messageOf(e) })),
    );
    worker.once('message', (message: FromWriter) => {
      worker.removeAllListeners('error');
      if (message.kind === 'opened') return done(message);
      invariant(message.kind === 'not-opened', `the journal's writer began with ${message.kind}`);
      fail(new JournalError(message.error.kind, message.error));
    });
  });
}

interface Parts {
  readonly lock: Lock;
  readonly worker: Worker;
  readonly opened: Opened;
}

export class LiveJournal implements Journal {
  /** What is to be known about the start, in words: entries beyond the mark, snapshots that were passed over. */
  readonly notes: readonly string[];
  /** Resolves when the disk failed, with file and reason: nothing is written any more, and only a new start ends that. */
  readonly failed: Promise<JournalError>;
  readonly #options: JournalOptions;
  readonly #lock: Lock;
  readonly #worker: Worker;
  readonly #reader: JournalReader;
  readonly #nowMs: () => EpochMs;
  #snapshot: SnapshotHead | null;
  #lastSeq: number;
  #health: JournalHealth = { kind: 'ok' };
  #damage: string | null = null;
  #queue: Waiting[] = [];
  #queueOctets = 0;
  #isOver = false;
  #underWay: readonly Waiting[] = [];
  #pumpSoon = false;
  #closing: Promise<void> | null = null;
  #closed: (() => void) | null = null;
  /** The writer is gone. */
  #hasEnded = false;
  #idle: (() => void)[] = [];
  #fail: (error: JournalError) => void = () => {};

  constructor(options: JournalOptions, { lock, worker, opened }: Parts) {
    this.#options = options;
    this.#lock = lock;
    this.#worker = worker;
    this.#reader = new JournalReader(databaseFile(options.dir));
    this.#nowMs = options.nowMs ?? Date.now;
    this.#snapshot = opened.snapshot;
    this.#lastSeq = opened.lastSeq;
    this.notes = opened.notes;
    this.failed = new Promise((fail) => {
      this.#fail = fail;
    });
    worker.on('message', (message: FromWriter) => this.#hear(message));
    worker.on('error', (e) => this.#trouble('failed', `the journal's writer ended: ${messageOf(e)}`));
    worker.on('exit', () => this.#ended());
  }

  append(entry: NewEntry): Promise<Appended> {
    const { queueMax = QUEUE_MAX, queueOctetsMax = QUEUE_OCTETS_MAX } = this.#options;
    if (this.#closing !== null) return refused('closed', 'the journal is closed');
    if (this.#health.kind !== 'ok') return refused(this.#health.kind, this.#health.why);
    const grouped = groupEntry(entry);
    const octets = grouped.body.length + (grouped.reply?.body.length ?? 0);
    if (this.#isOver || this.pending() >= queueMax || this.#queueOctets + octets > queueOctetsMax) {
      this.#overUntilNextTurn();
      return refused('overload', `${this.pending()} entries, ${this.#queueOctets} octets wait for the disk`);
    }
    return new Promise((settle) => {
      this.#queue.push({ entry: grouped, octets, settle });
      this.#queueOctets += octets;
      this.#pump();
    });
  }

  /** What comes in the same turn was decided by those who do not know of the refusal yet. */
  #overUntilNextTurn(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    globalThis.setImmediate(() => {
      this.#isOver = false;
    });
  }

  health(): JournalHealth {
    return this.#health;
  }

  damage(): string | null {
    return this.#damage;
  }

  pending(): number {
    return this.#queue.length + this.#underWay.length;
  }

  lastSeq(): number {
    return this.#lastSeq;
  }

  read(fromSeq: number): Iterable<JournalEntry> {
    return this.#reader.read(fromSeq);
  }

  bySubject(subject: string, page: { readonly beforeSeq: number | null; readonly limit: number }): JournalEntry[] {
    return this.#reader.bySubject(subject, page);
  }

  replyOf(workspaceId: string, key: string): StoredReply | null {
    return this.#reader.replyOf({ workspaceId, key, nowMs: this.#nowMs() });
  }

  snapshot(): { readonly seq: number; readonly plants: Readonly<Record<string, unknown>> } | null {
    if (this.#snapshot === null) return null;
    const { seq } = this.#snapshot;
    const found = readSnapshotFile(snapshotPath(this.#options.dir, seq));
    if (found.kind === 'bad' || found.head.hash !== this.#snapshot.hash) return null;
    return { seq, plants: JSON.parse(found.plantsText) as Record<string, unknown> };
  }

  /**
   * @param plants  plain JSON values that nobody changes any more, with lists or iterables in them
   * @param seq     the last entry that is in them; it may still be on its way to the disk
   * @throws JournalError 'failed' when that entry did not get there, and what writing a file throws
   */
  async writeSnapshot(plants: Readonly<Record<string, unknown>>, seq: number): Promise<void> {
    while (seq > this.#lastSeq && seq <= this.#lastSeq + this.pending()) {
      await new Promise<void>((done) => this.#idle.push(done));
    }
    const hash = this.#reader.hashAt(seq);
    if (hash === null) {
      const { dir } = this.#options;
      throw new JournalError('failed', {
        file: dir,
        place: `entry ${seq}`,
        what: 'there is none to bind a snapshot to',
      });
    }
    const head = { seq, hash, build: this.#options.build };
    await writeSnapshotFile(this.#options.dir, head, plants);
    this.#snapshot = head;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    while (this.pending() > 0) await new Promise<void>((done) => this.#idle.push(done));
    const closed = new Promise<void>((done) => {
      this.#closed = done;
    });
    // SQLite copies the log when the last connection closes that may write. After a failure nothing is to be copied: this
    // one, which only reads, goes last.
    const isWell = this.#health.kind !== 'failed';
    if (isWell) this.#reader.close();
    if (!this.#hasEnded) {
      this.#post({ kind: 'close' });
      await closed;
    }
    if (!isWell) this.#reader.close();
    this.#lock.release();
    // The thread has closed its port; one turn lets it end by itself.
    await setImmediate();
    await this.#worker.terminate();
  }

  #post(message: ToWriter): void {
    this.#worker.postMessage(message);
  }

  /** At the end of this turn of the event loop, so that all that came in with it shares one commit. */
  #pump(): void {
    if (this.#pumpSoon || this.#underWay.length > 0 || this.#queue.length === 0) return;
    this.#pumpSoon = true;
    globalThis.setImmediate(() => {
      this.#pumpSoon = false;
      if (this.#underWay.length === 0 && this.#queue.length > 0) this.#send();
    });
  }

  #send(): void {
    let n = 0;
    let octets = 0;
    while (n < this.#queue.length && n < GROUP_MAX && (n === 0 || octets < GROUP_OCTETS_MAX)) {
      octets += this.#queue[n]?.octets ?? 0;
      n += 1;
    }
    this.#underWay = this.#queue.slice(0, n);
    this.#queue = this.#queue.slice(n);
    this.#post({ kind: 'write', wallMs: this.#nowMs(), entries: this.#underWay.map((w) => w.entry) });
  }

  #hear(message: FromWriter): void {
    switch (message.kind) {
      case 'written':
        return this.#written(message.firstSeq);
      case 'refused':
      case 'trouble':
        return this.#trouble(message.reason, message.why, message.kind === 'refused');
      case 'damage':
        this.#damage = damaged(message.damage).message;
        return;
      case 'well':
        this.#health = { kind: 'ok' };
        return;
      case 'closed':
        this.#closed?.();
        return;
      case 'opened':
      case 'not-opened':
        invariant(false, `the journal's writer said ${message.kind} twice`);
    }
  }

  #written(firstSeq: number): void {
    const group = this.#underWay;
    invariant(firstSeq === this.#lastSeq + 1, `the journal's writer wrote ${firstSeq} after ${this.#lastSeq}`);
    this.#underWay = [];
    this.#lastSeq = firstSeq + group.length - 1;
    group.forEach(({ octets, settle }, i) => {
      this.#queueOctets -= octets;
      settle({ kind: 'durable', seq: firstSeq + i });
    });
    if (this.#queue.length > 0) this.#send();
    this.#turnIdle();
  }

  /** @param withGroup  the group under way was not written either */
  #trouble(reason: JournalTrouble, why: string, withGroup = true): void {
    const known = this.#health.kind === reason ? this.#health.sinceMs : this.#nowMs();
    this.#health = { kind: reason, why, sinceMs: known };
    if (reason === 'failed') {
      this.#fail(new JournalError('failed', { file: this.#options.dir, place: 'its disk', what: why }));
    }
    const gone = withGroup ? [...this.#underWay, ...this.#queue] : this.#queue;
    if (withGroup) this.#underWay = [];
    this.#queue = [];
    for (const { octets, settle } of gone) {
      this.#queueOctets -= octets;
      settle({ kind: 'refused', reason, why });
    }
    this.#turnIdle();
  }

  #turnIdle(): void {
    for (const done of this.#idle.splice(0)) done();
  }

  #ended(): void {
    this.#hasEnded = true;
    if (this.#closed === null) this.#trouble('failed', "the journal's writer ended");
    else this.#closed();
  }
}

const refused = (reason: Extract<Appended, { kind: 'refused' }>['reason'], why: string): Promise<Appended> =>
  Promise.resolve({ kind: 'refused', reason, why });

/** The text of an entry, made at once: what the facts hold may be changed later by whoever has them. */
function groupEntry({ plantId, atMs, origin, facts, subjects, reply }: NewEntry): GroupEntry {
  const isName = (name: string): boolean => /^[^\p{Cc}\p{Cs}]+$/u.test(name) && name.length <= NAME_MAX;
  invariant(isName(plantId) && !plantId.includes(' '), `the journal cannot hold the plant ${JSON.stringify(plantId)}`);
  invariant(Number.isSafeInteger(atMs), `the journal cannot hold the time ${atMs}`);
  invariant(subjects.length <= SUBJECTS_MAX, `${subjects.length} subjects, at most ${SUBJECTS_MAX}`);
  for (const s of subjects) invariant(isName(s), `the journal cannot hold the subject ${JSON.stringify(s)}`);
  return { plantId, atMs, body: canonicalJson({ facts, origin, subjects }), subjects, reply };
}
