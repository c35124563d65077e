import { statSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { JournalError } from './errors.ts';
import { MARK_LATE_MS, type Mark, writeMark, writeMarkNow } from './mark.ts';
import type { FromWriter, ToWriter, WriterSetUp } from './protocol.ts';
import { databaseFile, recover } from './recover.ts';
import { Reread } from './reread.ts';
import { asJournalError } from './schema.ts';
import { JournalWriter, type Trouble, troubleOf } from './writer.ts';

/**
 * The writing thread: it alone writes the database and the mark, so that the thread that serves requests never waits for a
 * disk. After each group it answers first and copies the WAL afterwards.
 */
const PROBE_MS = 250;
/** What the start did not read is read afterwards, so many times slower than it could be, and never for long at once. */
const REREAD_SLOWER = 20;
const REREAD_PAUSE_MS_MIN = 10;

const inodeOf = (file: string): number => statSync(file, { throwIfNoEntry: false })?.ino ?? 0;

class WriterThread {
  readonly #port: NonNullable<typeof parentPort>;
  readonly #markFile: string;
  readonly #file: string;
  /** SQLite goes on writing into a file that was deleted or replaced; nobody would find it again. */
  readonly #inode: number;
  readonly #writer: JournalWriter;
  #marked: Mark;
  #markTimer: NodeJS.Timeout | null = null;
  #marking: Promise<void> = Promise.resolve();
  #probeTimer: NodeJS.Timeout | null = null;
  #reread: Reread | null = null;
  #rereadTimer: NodeJS.Timeout | null = null;

  constructor(port: NonNullable<typeof parentPort>, { dir, markFile, build }: WriterSetUp) {
    this.#port = port;
    this.#markFile = markFile;
    const { last, snapshot, notes } = recover({ dir, markFile }, build);
    this.#file = databaseFile(dir);
    this.#writer = new JournalWriter(this.#file, last);
    this.#inode = inodeOf(this.#file);
    writeMarkNow(markFile, last);
    this.#marked = last;
    this.#say({ kind: 'opened', lastSeq: last.seq, snapshot, notes });
    port.on('message', (message: ToWriter) => void this.#hear(message));
    if (snapshot === null) return;
    this.#reread = new Reread(this.#file, snapshot);
    this.#rereadTimer = setTimeout(() => this.#rereadOn(), REREAD_PAUSE_MS_MIN);
  }

  #rereadOn(): void {
    const began = performance.now();
    const found = this.#reread?.step() ?? 'done';
    if (found === 'more') {
      const pauseMs = Math.max(REREAD_PAUSE_MS_MIN, REREAD_SLOWER * (performance.now() - began));
      this.#rereadTimer = setTimeout(() => this.#rereadOn(), pauseMs);
      return;
    }
    this.#endReread();
    if (found !== 'done') this.#say({ kind: 'damage', damage: found });
  }

  #endReread(): void {
    if (this.#rereadTimer !== null) clearTimeout(this.#rereadTimer);
    this.#rereadTimer = null;
    this.#reread?.close();
    this.#reread = null;
  }

  #say(message: FromWriter): void {
    this.#port.postMessage(message);
  }

  async #hear(message: ToWriter): Promise<void> {
    if (message.kind === 'close') return this.#close();
    const result = this.#writer.write(message.wallMs, message.entries);
    this.#say(result);
    if (result.kind === 'refused') return this.#watch(result);
    this.#markTimer ??= setTimeout(() => this.#mark(), MARK_LATE_MS);
    this.#report(this.#writer.checkpointWhenLong());
  }

  #report(trouble: Trouble | null): void {
    if (trouble === null) return;
    this.#say({ kind: 'trouble', ...trouble });
    this.#watch(trouble);
  }

  /** A full disk is asked again and again; everything else is final. */
  #watch({ reason }: Trouble): void {
    if (reason === 'full') this.#probeTimer ??= setTimeout(() => void this.#probe(), PROBE_MS);
  }

  async #probe(): Promise<void> {
    this.#probeTimer = null;
    const trouble = this.#writer.probe();
    if (trouble !== null) return this.#watch(trouble);
    await this.#mark();
    if (this.#probeTimer === null) this.#say({ kind: 'well' });
  }

  #mark(): Promise<void> {
    this.#markTimer = null;
    this.#marking = this.#marking.then(() => this.#markOnce());
    return this.#marking;
  }

  async #markOnce(): Promise<void> {
    const mark = this.#writer.last;
    if (mark.seq === this.#marked.seq) return;
    try {
      if (inodeOf(this.#file) !== this.#inode) throw new Error(`${this.#file} is not there any more`);
      await writeMark(this.#markFile, mark);
      this.#marked = mark;
    } catch (e) {
      const { reason, why } = troubleOf(e);
      const trouble = { reason, why: `high-water mark ${this.#markFile}: ${why}` };
      this.#writer.giveUp(trouble);
      this.#report(trouble);
    }
  }

  async #close(): Promise<void> {
    if (this.#markTimer !== null) clearTimeout(this.#markTimer);
    if (this.#probeTimer !== null) clearTimeout(this.#probeTimer);
    this.#endReread();
    await this.#mark();
    try {
      this.#writer.close();
    } catch (e) {
      this.#say({ kind: 'trouble', ...troubleOf(e) });
    }
    this.#say({ kind: 'closed' });
    this.#port.close();
  }
}

if (parentPort !== null) {
  const setUp = workerData as WriterSetUp;
  try {
    new WriterThread(parentPort, setUp);
  } catch (e) {
    const { kind, file, place, message } = e instanceof JournalError ? e : asJournalError(e, setUp.dir);
    const what = message.slice(`${file}: ${place}: `.length);
    parentPort.postMessage({ kind: 'not-opened', error: { kind, file, place, what } } satisfies FromWriter);
  }
}
