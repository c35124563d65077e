import { Core } from '../../../src/core/core.ts';
import { defaultSettings } from '../../../src/core/settings.ts';
import { snapshotOf } from '../../../src/core/snapshot.ts';
import type { CoreState } from '../../../src/core/state.ts';
import { canonicalJson } from '../../../src/domain/canonicalJson.ts';
import type { Folded } from '../../../src/live/host/plant.ts';
import { partsOf } from '../../../src/live/journal/snapshotFile.ts';
import type { Scheduler, TimerHandle } from '../../../src/ports/clock.ts';
import type {
  Appended,
  Journal,
  JournalEntry,
  JournalHealth,
  NewEntry,
  StoredReply,
} from '../../../src/ports/journal.ts';
import { CAPABILITIES } from '../../helpers/coreBench.ts';

/** A journal whose disk is the test's hand: entries become durable, or are refused, when it says so. */
interface Waiting {
  readonly entry: NewEntry;
  readonly settle: (appended: Appended) => void;
}

export class HandJournal implements Journal {
  readonly entries: JournalEntry[] = [];
  readonly waiting: Waiting[] = [];
  /** Set: an append is refused at once, as at the limit of a queue. */
  full: string | null = null;
  /** Counted on top of what waits. */
  ofOthers = 0;
  kept: { readonly seq: number; readonly text: string } | null = null;
  /** What a reading in the background has found. */
  bent: string | null = null;
  reads = 0;
  closed = 0;

  /** What a crash leaves: the entries up to one, and the snapshot that was there. */
  static after(entries: readonly JournalEntry[], kept: HandJournal['kept'] = null): HandJournal {
    const journal = new HandJournal();
    journal.entries.push(...entries);
    journal.kept = kept !== null && kept.seq <= entries.length ? kept : null;
    return journal;
  }

  append(entry: NewEntry): Promise<Appended> {
    if (this.full !== null) return Promise.resolve({ kind: 'refused', reason: 'overload', why: this.full });
    return new Promise((settle) => this.waiting.push({ entry, settle }));
  }

  /** The oldest so many are on the disk. */
  async write(count = this.waiting.length): Promise<void> {
    for (const { entry, settle } of this.waiting.splice(0, count)) {
      const { subjects: _, reply: __, ...kept } = entry;
      const seq = this.entries.length + 1;
      this.entries.push({ ...kept, seq, wallMs: entry.atMs });
      settle({ kind: 'durable', seq });
    }
    await turn();
  }

  /** Everything that waits is refused. */
  async refuse(why = 'no room'): Promise<void> {
    for (const { settle } of this.waiting.splice(0)) settle({ kind: 'refused', reason: 'full', why });
    await turn();
  }

  health(): JournalHealth {
    return { kind: 'ok' };
  }
  damage(): string | null {
    return this.bent;
  }
  pending(): number {
    return this.waiting.length + this.ofOthers;
  }
  lastSeq(): number {
    return this.entries.length;
  }
  read(fromSeq: number): Iterable<JournalEntry> {
    this.reads += 1;
    return this.entries.slice(fromSeq - 1);
  }
  bySubject(): readonly JournalEntry[] {
    return [];
  }
  replyOf(): StoredReply | null {
    return null;
  }
  snapshot(): ReturnType<Journal['snapshot']> {
    return this.kept === null ? null : { seq: this.kept.seq, plants: JSON.parse(this.kept.text) };
  }
  async writeSnapshot(plants: Readonly<Record<string, unknown>>, seq: number): Promise<void> {
    while (seq > this.lastSeq() && seq <= this.lastSeq() + this.waiting.length) await turn();
    if (seq > this.lastSeq()) throw new Error(`there is no entry ${seq}`);
    // Made late, as it is on a disk: by then the plants have gone on.
    const [, text = ''] = [...partsOf({ seq, hash: '', build: '' }, plants)].join('').split('\n');
    this.kept = { seq, text };
  }
  async close(): Promise<void> {
    this.closed += 1;
  }
}

/** Lets promises go on. */
export const turn = (): Promise<void> => new Promise((done) => setImmediate(done));

export const SETTINGS = defaultSettings(CAPABILITIES);

/** What entries make of nothing. */
export function foldOf(entries: Iterable<JournalEntry>, plantId = 'main'): Folded {
  const core = new Core(SETTINGS);
  let lastMs = Number.NEGATIVE_INFINITY;
  let seq = 0;
  for (const entry of entries) {
    seq = entry.seq;
    if (entry.plantId !== plantId) continue;
    core.replay(entry.facts, entry.atMs);
    lastMs = entry.atMs;
  }
  return { core, lastMs, seq };
}

/** Fields by name, as the journal writes them; maps and sets in their order, which the core relies on. */
export const textOf = (state: CoreState): string => canonicalJson(snapshotOf(state));

/** Time that stands until it is set; what is due then runs, in order of time. */
export class HandClock implements Scheduler {
  now: number;
  readonly #timers = new Map<TimerHandle, { readonly atMs: number; readonly fn: () => void }>();
  #next = 1;

  constructor(startMs: number) {
    this.now = startMs;
  }

  get timers(): number {
    return this.#timers.size;
  }

  nowMs(): number {
    return this.now;
  }

  at(atMs: number, fn: () => void): TimerHandle {
    this.#timers.set(this.#next, { atMs, fn });
    return this.#next++;
  }

  cancel(handle: TimerHandle): void {
    this.#timers.delete(handle);
  }

  setTo(atMs: number): void {
    for (;;) {
      const due = [...this.#timers].filter(([, t]) => t.atMs <= atMs).sort(([, a], [, b]) => a.atMs - b.atMs);
      const [first] = due;
      if (first === undefined) break;
      this.now = Math.max(this.now, first[1].atMs);
      this.#timers.delete(first[0]);
      first[1].fn();
    }
    this.now = atMs;
  }
}
