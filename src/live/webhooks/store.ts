import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'libsql';
import type { OutboxEvent } from '../../domain/destination.ts';
import type { EpochMs } from '../../domain/units.ts';
import { JournalError } from '../journal/errors.ts';
import { type Lock, lockFolder } from '../journal/lock.ts';
import { asJournalError, type Db, rowsOf } from '../journal/schema.ts';
import { bodyOf, webhookIdOf } from './envelope.ts';

/**
 * What is to be delivered, on disk beside the journal: a view of it. The cursor, the number up to which the journal was
 * taken, moves in the same transaction as the rows that follow from it. The journal is synced before anything is offered
 * here, so this file need not be (synchronous = NORMAL): a power cut may turn it back to an earlier state as a whole, cursor
 * and sequence numbers included, and what comes after is made anew from the journal with the same ids. What an operator asks
 * for follows from no journal, so that is synced (FULL). A killed process loses nothing either way.
 *
 *   event      once per event that somebody wants: its number in its workspace, its body
 *   delivery   event × destination: pending (0), delivered (1) or dead (2), attempts, when it is due
 *
 * Everything is kept for KEEP_MS and then removed whatever its state: a delivery ends in 76 hours by the standard schedule,
 * so what is still pending then waits for a destination that was switched off two weeks ago.
 */
export const KEEP_MS = 14 * 86_400_000;
/** Events removed with one group, so that a group stays short. */
const PRUNE_MAX = 512;
/** How often the oldest are looked at, unless there was as much as one group takes [ms]. */
const PRUNE_EVERY_MS = 60_000;

export type DeliveryState = 'pending' | 'delivered' | 'dead';
const STATES: readonly DeliveryState[] = ['pending', 'delivered', 'dead'];

export interface DestinationRow {
  readonly d: number;
  readonly destinationId: string;
  /** Of its configuration: a change of it ends what the sender had decided about the old one. */
  readonly fingerprint: string;
  readonly failingSinceMs: EpochMs | null;
  readonly lastSuccessMs: EpochMs | null;
  /** Why the sender has switched it off; null = it has not. */
  readonly disabled: string | null;
}

/** One delivery that is due. */
export interface Due {
  readonly no: number;
  readonly sequence: number;
  readonly attempts: number;
  readonly body: string;
}

export interface Outcome {
  readonly no: number;
  readonly d: number;
  readonly state: DeliveryState;
  readonly attempts: number;
  readonly nextMs: EpochMs | null;
  readonly status: number | null;
  readonly error: string | null;
}

export interface Offered {
  readonly event: OutboxEvent;
  /** Whom it goes to: when it is due there, or why it is dead at birth. */
  readonly to: readonly { readonly d: number; readonly dueMs: EpochMs; readonly dead: string | null }[];
}

export interface Batch {
  readonly offered: readonly Offered[];
  readonly cursor: number;
  readonly outcomes: readonly Outcome[];
  readonly destinations: Iterable<DestinationRow>;
  /** The machine's time, for what is kept how long. */
  readonly wallMs: EpochMs;
}

export interface DeliveryRow {
  readonly deliveryId: string;
  readonly eventType: string;
  readonly state: DeliveryState;
  readonly attempts: number;
  readonly nextAttemptMs: EpochMs | null;
  readonly lastStatus: number | null;
  readonly lastError: string | null;
  readonly createdMs: EpochMs;
}

/** "vppw" (PRAGMA application_id). */
const APPLICATION_ID = 0x76_70_70_77;
const FORMAT_VERSION = 1;

const TABLES = `
CREATE TABLE cursor(one INTEGER PRIMARY KEY CHECK(one = 1), seq INTEGER NOT NULL) STRICT;
CREATE TABLE workspace(w INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, seq INTEGER NOT NULL) STRICT;
CREATE TABLE destination(
  d INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, fingerprint TEXT NOT NULL,
  failing_ms INTEGER, success_ms INTEGER, disabled TEXT
) STRICT;
CREATE TABLE event(
  no INTEGER PRIMARY KEY AUTOINCREMENT, w INTEGER NOT NULL, wseq INTEGER NOT NULL, type TEXT NOT NULL,
  at_ms INTEGER NOT NULL, kept_ms INTEGER NOT NULL, body TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX event_wseq ON event(w, wseq);
CREATE INDEX event_time ON event(w, at_ms, no);
CREATE TABLE delivery(
  no INTEGER NOT NULL, d INTEGER NOT NULL, state INTEGER NOT NULL, attempts INTEGER NOT NULL, next_ms INTEGER,
  status INTEGER, error TEXT, PRIMARY KEY(no, d)
) WITHOUT ROWID, STRICT;
CREATE INDEX delivery_due ON delivery(d, next_ms, no) WHERE state = 0;
CREATE INDEX delivery_dead ON delivery(d, no) WHERE state = 2;
CREATE INDEX delivery_of ON delivery(d, no);
`;

const SQL = {
  workspace: 'INSERT INTO workspace(id, seq) VALUES (?1, ?2) ON CONFLICT(id) DO UPDATE SET seq = ?2',
  event: 'INSERT INTO event(w, wseq, type, at_ms, kept_ms, body) VALUES (?, ?, ?, ?, ?, ?)',
  delivery: 'INSERT INTO delivery VALUES (?, ?, ?, 0, ?, NULL, ?)',
  outcome:
    'UPDATE delivery SET state = ?, attempts = ?, next_ms = ?, status = ?, error = ? WHERE no = ? AND d = ? AND state = 0',
  destination: 'UPDATE destination SET fingerprint = ?, failing_ms = ?, success_ms = ?, disabled = ? WHERE d = ?',
  cursor: 'UPDATE cursor SET seq = ?',
  due: `SELECT e.no, e.wseq, x.attempts, e.body FROM delivery x JOIN event e ON e.no = x.no
    WHERE x.d = ? AND x.state = 0 AND x.next_ms <= ? ORDER BY x.next_ms, x.no LIMIT ?`,
  next: 'SELECT min(next_ms) FROM delivery WHERE d = ? AND state = 0 AND next_ms > ?',
  old: 'SELECT max(no), count(*) FROM (SELECT no, kept_ms FROM event ORDER BY no LIMIT ?) WHERE kept_ms < ?',
} as const;

export class DeliveryStore {
  readonly #lock: Lock;
  readonly #db: Db;
  readonly #statements: Readonly<Record<keyof typeof SQL, Database.Statement<unknown[]>>>;
  readonly #workspaces = new Map<string, { readonly w: number; seq: number }>();
  #cursor = 0;
  #pruneMs = Number.NEGATIVE_INFINITY;

  /**
   * @param dir          a folder of its own; made when it is not there
   * @param firstCursor  where a new file begins: the number of the journal's last entry, when older ones are not to be told
   * @throws JournalError of kind 'format', 'damaged', 'read-only', 'locked' or 'failed'
   */
  constructor(dir: string, { firstCursor }: { readonly firstCursor: number }) {
    mkdirSync(dir, { recursive: true });
    this.#lock = lockFolder(dir);
    try {
      this.#db = opened(join(dir, 'webhooks.db'), firstCursor);
    } catch (e) {
      this.#lock.release();
      throw e;
    }
    const make = (name: keyof typeof SQL) => this.#db.prepare<unknown[]>(SQL[name]);
    const names = Object.keys(SQL) as (keyof typeof SQL)[];
    this.#statements = Object.fromEntries(names.map((name) => [name, make(name)])) as Record<
      keyof typeof SQL,
      Database.Statement<unknown[]>
    >;
    this.#readBack();
  }

  /** Number of the last entry of the journal that was taken. */
  get cursor(): number {
    return this.#cursor;
  }

  /** All of it or nothing. @throws what SQLite throws; nothing has changed then, here and on the disk */
  write(batch: Batch): void {
    try {
      this.#transaction(() => this.#writeRows(batch));
    } catch (e) {
      this.#readBack();
      throw e;
    }
    this.#cursor = batch.cursor;
  }

  /** Due deliveries of a destination, the longest overdue first. */
  due(d: number, nowMs: EpochMs, limit: number): Due[] {
    return this.#rows('due', d, nowMs, limit).map(([no, sequence, attempts, body]) => ({
      no: Number(no),
      sequence: Number(sequence),
      attempts: Number(attempts),
      body: String(body),
    }));
  }

  /** When the next delivery after an instant is due; null = none is. */
  nextDueMs(d: number, afterMs: EpochMs): EpochMs | null {
    return numberOrNull(this.#rows('next', d, afterMs)[0]?.[0]);
  }

  count(d: number, state: 'pending' | 'dead'): number {
    const [row] = rowsOf(this.#db, `SELECT count(*) FROM delivery WHERE d = ? AND state = ${STATES.indexOf(state)}`, d);
    return Number(row?.[0]);
  }

  destinations(): DestinationRow[] {
    const rows = rowsOf(this.#db, 'SELECT d, id, fingerprint, failing_ms, success_ms, disabled FROM destination');
    return rows.map(([d, id, fingerprint, failing, success, disabled]) => ({
      d: Number(d),
      destinationId: String(id),
      fingerprint: String(fingerprint),
      failingSinceMs: numberOrNull(failing),
      lastSuccessMs: numberOrNull(success),
      disabled: disabled === null ? null : String(disabled),
    }));
  }

  /** Takes destinations up and lets others go with what waits for them; what was delivered to them stays until it is old. */
  changeDestinations({
    added,
    removed,
  }: {
    readonly added: readonly Added[];
    readonly removed: readonly number[];
  }): void {
    const insert = this.#db.prepare('INSERT INTO destination(id, fingerprint) VALUES (?, ?)');
    this.#transaction(() => {
      for (const { destinationId, fingerprint } of added) insert.run(destinationId, fingerprint);
      for (const d of removed) {
        this.#db.prepare('DELETE FROM delivery WHERE d = ? AND state = 0').run(d);
        this.#db.prepare('DELETE FROM destination WHERE d = ?').run(d);
      }
    });
  }

  list(
    d: number,
    workspaceId: string,
    page: { readonly limit: number; readonly state: DeliveryState | null },
  ): DeliveryRow[] {
    const state = page.state === null ? '' : `AND x.state = ${STATES.indexOf(page.state)}`;
    const sql = `SELECT e.wseq, e.type, x.state, x.attempts, x.next_ms, x.status, x.error, e.at_ms
      FROM delivery x JOIN event e ON e.no = x.no WHERE x.d = ? ${state} ORDER BY x.no DESC LIMIT ?`;
    return rowsOf(this.#db, sql, d, page.limit).map(([wseq, type, at, attempts, next, status, error, createdMs]) => ({
      deliveryId: webhookIdOf(workspaceId, Number(wseq)),
      eventType: String(type),
      state: STATES[Number(at)] ?? 'dead',
      attempts: Number(attempts),
      nextAttemptMs: numberOrNull(next),
      lastStatus: numberOrNull(status),
      lastError: error === null ? null : String(error),
      createdMs: Number(createdMs),
    }));
  }

  /** Puts ended deliveries back, durably, the oldest first. @returns how many */
  replay(d: number, workspaceId: string, { which, nowMs, limit }: ReplayRequest): number {
    const w = this.#workspaces.get(workspaceId)?.w;
    if (w === undefined) return 0;
    const [where, ...values] =
      'sequence' in which
        ? (['e.wseq = ?', which.sequence] as const)
        : (['e.at_ms >= ? AND e.at_ms < ?', which.fromMs, which.toMs] as const);
    const chosen = `SELECT x.no FROM event e JOIN delivery x ON x.no = e.no AND x.d = ?
      WHERE e.w = ? AND ${where} AND x.state <> 0 ORDER BY e.at_ms, e.no LIMIT ?`;
    const sql = `UPDATE delivery SET state = 0, attempts = 0, next_ms = ? WHERE d = ? AND no IN (${chosen})`;
    return this.#durably(() => this.#db.prepare(sql).run(nowMs, d, d, w, ...values, limit).changes);
  }

  /** Ends everything that waits for a destination. */
  endPending(d: number, why: string): void {
    const sql = 'UPDATE delivery SET state = 2, next_ms = NULL, error = ? WHERE d = ? AND state = 0';
    this.#transaction(() => this.#db.prepare(sql).run(why, d));
  }

  close(): void {
    this.#db.close();
    this.#lock.release();
  }

  #rows(name: 'due' | 'next' | 'old', ...values: readonly unknown[]): unknown[][] {
    return this.#statements[name].raw().all(...values) as unknown[][];
  }

  #writeRows({ offered, cursor, outcomes, destinations, wallMs }: Batch): void {
    const { outcome, destination, cursor: moved } = this.#statements;
    const touched = new Set<string>();
    for (const one of offered) {
      this.#insert(one, wallMs);
      touched.add(one.event.workspaceId);
    }
    for (const id of touched) this.#statements.workspace.run(id, this.#workspaces.get(id)?.seq ?? 0);
    for (const { no, d, state, attempts, nextMs, status, error } of outcomes) {
      outcome.run(STATES.indexOf(state), attempts, nextMs, status, error, no, d);
    }
    for (const { d, fingerprint, failingSinceMs, lastSuccessMs, disabled } of destinations) {
      destination.run(fingerprint, failingSinceMs, lastSuccessMs, disabled, d);
    }
    if (offered.length > 0 && wallMs >= this.#pruneMs) this.#prune(wallMs);
    if (cursor !== this.#cursor) moved.run(cursor);
  }

  #insert({ event, to }: Offered, wallMs: EpochMs): void {
    const workspace = this.#workspaces.get(event.workspaceId) ?? this.#addWorkspace(event.workspaceId);
    workspace.seq += 1;
    if (to.length === 0) return;
    const { w, seq } = workspace;
    const added = this.#statements.event.run(w, seq, event.type, event.timestampMs, wallMs, bodyOf(event));
    for (const { d, dueMs, dead } of to) {
      this.#statements.delivery.run(
        added.lastInsertRowid,
        d,
        dead === null ? 0 : 2,
        dead === null ? dueMs : null,
        dead,
      );
    }
  }

  #addWorkspace(id: string): { readonly w: number; seq: number } {
    const added = this.#statements.workspace.run(id, 0);
    const workspace = { w: Number(added.lastInsertRowid), seq: 0 };
    this.#workspaces.set(id, workspace);
    return workspace;
  }

  #prune(wallMs: EpochMs): void {
    const [row] = this.#rows('old', PRUNE_MAX, wallMs - KEEP_MS);
    const [upTo, found] = [numberOrNull(row?.[0]), Number(row?.[1])];
    this.#pruneMs = found < PRUNE_MAX ? wallMs + PRUNE_EVERY_MS : wallMs;
    if (upTo === null) return;
    this.#db.prepare('DELETE FROM delivery WHERE no <= ?').run(upTo);
    this.#db.prepare('DELETE FROM event WHERE no <= ?').run(upTo);
  }

  #transaction<T>(work: () => T): T {
    this.#db.exec('BEGIN IMMEDIATE');
    try {
      const result = work();
      this.#db.exec('COMMIT');
      return result;
    } catch (e) {
      if (this.#db.inTransaction) this.#db.exec('ROLLBACK');
      throw e;
    }
  }

  #durably<T>(work: () => T): T {
    this.#db.pragma('synchronous = FULL');
    try {
      return this.#transaction(work);
    } finally {
      this.#db.pragma('synchronous = NORMAL');
    }
  }

  #readBack(): void {
    this.#workspaces.clear();
    for (const [w, id, seq] of rowsOf(this.#db, 'SELECT w, id, seq FROM workspace')) {
      this.#workspaces.set(String(id), { w: Number(w), seq: Number(seq) });
    }
    this.#cursor = Number(rowsOf(this.#db, 'SELECT seq FROM cursor')[0]?.[0]);
  }
}

interface Added {
  readonly destinationId: string;
  readonly fingerprint: string;
}

export interface ReplayRequest {
  readonly which: { readonly sequence: number } | { readonly fromMs: EpochMs; readonly toMs: EpochMs };
  readonly nowMs: EpochMs;
  readonly limit: number;
}

const numberOrNull = (value: unknown): number | null => (value === null || value === undefined ? null : Number(value));

function opened(file: string, firstCursor: number): Db {
  let db: Db | undefined;
  try {
    db = new Database(file);
    db.pragma('journal_mode = WAL');
    db.pragma('synchronous = NORMAL');
    db.pragma('trusted_schema = OFF');
    const [id, version] = ['application_id', 'user_version'].map((name) => pragmaOf(db, name));
    if (id === 0 && version === 0) {
      db.exec(`BEGIN IMMEDIATE; ${TABLES} INSERT INTO cursor VALUES (1, ${firstCursor});
        PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${FORMAT_VERSION}; COMMIT`);
    } else if (id !== APPLICATION_ID || version !== FORMAT_VERSION) {
      const what = `found application id ${id} and format ${version}, expected ${APPLICATION_ID} and ${FORMAT_VERSION}`;
      throw new JournalError('format', { file, place: 'the file', what });
    }
    return db;
  } catch (e) {
    db?.close();
    throw asJournalError(e, file);
  }
}

const pragmaOf = (db: Db | undefined, name: string): number =>
  db === undefined ? Number.NaN : Number(rowsOf(db, `PRAGMA ${name}`)[0]?.[0]);
