import type Database from 'libsql';
import type { EpochMs } from '../../domain/units.ts';
import type { JournalTrouble, StoredReply } from '../../ports/journal.ts';
import { crcOf, hashOf, sealedText } from './chain.ts';
import { codeOf, isReadOnly, messageOf } from './errors.ts';
import type { Mark } from './mark.ts';
import { type Db, openForWriting, rowsOf } from './schema.ts';
import { cutRefused } from './walIndex.ts';

/**
 * Writes groups of entries, one transaction each, on the thread it is called on. What a failing disk means:
 *   no room            nothing of the group is there, reading goes on, and the next group may find room again ('full');
 *   a sync that failed the kernel may have dropped what it could not write and say "done" to the next sync, so there is
 *                      no next one: nothing is written any more ('failed'). The group stands whole in the log by then and
 *                      would be found at the next start, so it is cut off it;
 *   a file or a file system that cannot be written: the same, under its own name ('read-only').
 */
export interface GroupEntry {
  readonly plantId: string;
  readonly atMs: EpochMs;
  readonly body: string;
  readonly subjects: readonly string[];
  readonly reply: StoredReply | null;
}

export interface Trouble {
  readonly reason: JournalTrouble;
  readonly why: string;
}

export type GroupResult =
  | { readonly kind: 'written'; readonly firstSeq: number }
  | ({ readonly kind: 'refused' } & Trouble);

/** Replies are kept this long at least. @source reliability practice of idempotency keys: a client retries within a day */
export const REPLY_KEPT_MS = 24 * 3_600_000;
/** Old replies removed with one group: twice what it brings, and so many more, so that a backlog shrinks. */
const PRUNE_MORE = 32;

/**
 * Pages in the WAL after which it is copied into the database. The copy holds up the next group: measured 1,000 pages in
 * 7 ms, 74,000 in 590 ms.
 */
const CHECKPOINT_PAGES = 1_000;
const PAGE = 4_096;
/** Pages that one transaction touches beside its rows: the ends of five trees. */
const PAGES_PER_GROUP = 5;

/** Kept in the database so that a probe writes what a group would; a probe that passes means room for a group. */
const BALLAST_OCTETS = 65_536;

const SQL = {
  entry: 'INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?, ?)',
  subject: 'INSERT OR IGNORE INTO subject VALUES (?, ?)',
  reply: 'INSERT OR REPLACE INTO reply VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
  oldest: 'SELECT wall_ms FROM reply ORDER BY seq LIMIT 1',
  prune: 'DELETE FROM reply WHERE seq IN (SELECT seq FROM reply WHERE wall_ms < ? ORDER BY seq LIMIT ?)',
  probe: `INSERT OR REPLACE INTO room VALUES (1, randomblob(${BALLAST_OCTETS}))`,
} as const;

type Statement = Database.Statement<unknown[]>;

export class JournalWriter {
  readonly #file: string;
  readonly #db: Db;
  readonly #statements: Readonly<Record<keyof typeof SQL, Statement>>;
  #last: Mark;
  #trouble: Trouble | null = null;
  #walPages = 0;

  /** @param last  the last entry, as recovery found it */
  constructor(file: string, last: Mark) {
    this.#file = file;
    this.#db = openForWriting(file);
    this.#last = last;
    const make = (name: keyof typeof SQL): Statement => this.#db.prepare<unknown[]>(SQL[name]);
    this.#statements = {
      entry: make('entry'),
      subject: make('subject'),
      reply: make('reply'),
      oldest: make('oldest'),
      prune: make('prune'),
      probe: make('probe'),
    };
  }

  /** The last durable entry. */
  get last(): Mark {
    return this.#last;
  }

  /** All of the group or nothing. */
  write(wallMs: EpochMs, entries: readonly GroupEntry[]): GroupResult {
    const refused = this.#lasting();
    if (refused !== null) return { kind: 'refused', ...refused };
    const before = this.#last;
    try {
      this.#db.exec('BEGIN IMMEDIATE');
      let octets = 0;
      for (const entry of entries) octets += this.#insert(wallMs, entry);
      this.#prune(wallMs, entries.length);
      this.#db.exec('COMMIT');
      this.#walPages += PAGES_PER_GROUP + entries.length + octets / PAGE;
    } catch (e) {
      this.#last = before;
      return { kind: 'refused', ...this.#withoutGroup(this.#failed(e)) };
    }
    this.#trouble = null;
    return { kind: 'written', firstSeq: before.seq + 1 };
  }

  /** Whether there is room again. */
  probe(): Trouble | null {
    const lasting = this.#lasting();
    if (lasting !== null) return lasting;
    try {
      this.#db.exec('BEGIN IMMEDIATE');
      this.#statements.probe.run();
      this.#db.exec('COMMIT');
      this.#walPages += PAGES_PER_GROUP + BALLAST_OCTETS / PAGE;
      this.#trouble = null;
    } catch (e) {
      return this.#failed(e);
    }
    return this.checkpoint();
  }

  /** Trouble that was met elsewhere counts as the writer's own. */
  giveUp(trouble: Trouble): void {
    if (this.#lasting() === null) this.#trouble = trouble;
  }

  /** Copies the WAL into the database when it has grown long. An entry is durable without it. */
  checkpointWhenLong(): Trouble | null {
    return this.#walPages < CHECKPOINT_PAGES ? null : this.checkpoint();
  }

  checkpoint(): Trouble | null {
    if (this.#trouble !== null) return this.#trouble;
    try {
      const [row] = rowsOf(this.#db, 'PRAGMA wal_checkpoint(PASSIVE)');
      const [, log, done] = (row ?? []).map(Number);
      // What a reader held back is tried again after as much again.
      this.#walPages = log === done ? 0 : CHECKPOINT_PAGES / 2;
      return null;
    } catch (e) {
      return this.#failed(e);
    }
  }

  /** Empties the WAL into the database and closes it; after a failure what is on the disk is left as it is. */
  close(): void {
    if (this.#trouble === null) rowsOf(this.#db, 'PRAGMA wal_checkpoint(TRUNCATE)');
    this.#db.close();
  }

  #insert(wallMs: EpochMs, { plantId, atMs, body, subjects, reply }: GroupEntry): number {
    const seq = this.#last.seq + 1;
    const text = sealedText({ seq, plantId, atMs, wallMs, body });
    const hash = hashOf(this.#last.hash, text);
    const { entry, subject, reply: replied } = this.#statements;
    entry.run(seq, plantId, atMs, wallMs, crcOf(text), Buffer.from(hash, 'hex'), body);
    for (const name of subjects) subject.run(name, seq);
    if (reply !== null) {
      const { workspaceId, key, requestHash, status } = reply;
      replied.run(seq, workspaceId, key, requestHash, status, wallMs, crcOf(replyText(reply)), reply.body);
    }
    this.#last = { seq, hash };
    return body.length + (reply?.body.length ?? 0);
  }

  #prune(wallMs: EpochMs, entries: number): void {
    const before = wallMs - REPLY_KEPT_MS;
    const oldest = this.#statements.oldest.raw().all() as unknown[][];
    if (Number(oldest[0]?.[0] ?? before) < before) this.#statements.prune.run(before, 2 * entries + PRUNE_MORE);
  }

  /** The trouble that no try can end. */
  #lasting(): Trouble | null {
    return this.#trouble === null || this.#trouble.reason === 'full' ? null : this.#trouble;
  }

  /** Nobody was told of the group, so no later start may find it. */
  #withoutGroup(trouble: Trouble): Trouble {
    if (trouble.reason !== 'failed') return trouble;
    const left = cutRefused(this.#file);
    return left === null ? trouble : { ...trouble, why: `${trouble.why}; ${left}` };
  }

  #failed(e: unknown): Trouble {
    try {
      this.#db.exec('ROLLBACK');
    } catch {
      // SQLite has rolled back by itself.
    }
    const { reason, why } = troubleOf(e);
    const trouble = { reason, why: `${this.#file}: ${why}` };
    this.#trouble = trouble;
    return trouble;
  }
}

/** What the CRC of a reply covers. */
export const replyText = (r: StoredReply): string =>
  JSON.stringify([r.workspaceId, r.key, r.requestHash, r.status, r.body]);

/** SHMSIZE: the index of the WAL could not grow, before anything was written. */
const FULL_CODES = ['SQLITE_FULL', 'SQLITE_IOERR_SHMSIZE', 'ENOSPC', 'EDQUOT'];

/** What an error of SQLite or of the operating system means for the journal; what is not known counts as failed. */
export function troubleOf(e: unknown): Trouble {
  const code = codeOf(e);
  const why = `${messageOf(e)}${code === '' ? '' : ` (${code})`}`;
  if (FULL_CODES.includes(code)) return { reason: 'full', why };
  if (isReadOnly(code)) return { reason: 'read-only', why };
  return { reason: 'failed', why };
}
