import { pathToFileURL } from 'node:url';
import Database from 'libsql';
import type { Row } from './chain.ts';
import { codeOf, isReadOnly, JournalError, messageOf } from './errors.ts';

/**
 * The tables. The entries are the truth; replies and subjects are views that are written in the same transaction.
 * A reply carries the seq of its entry, so that the oldest are found without an index of their own.
 */
export type Db = InstanceType<typeof Database>;

/** "vppj": tells this from any other SQLite file (PRAGMA application_id). */
const APPLICATION_ID = 0x76_70_70_6a;
export const FORMAT_VERSION = 1;

const TABLES = `
CREATE TABLE entry(
  seq INTEGER PRIMARY KEY, plant TEXT NOT NULL, at_ms INTEGER NOT NULL, wall_ms INTEGER NOT NULL,
  crc INTEGER NOT NULL, hash BLOB NOT NULL, body TEXT NOT NULL
) STRICT;
CREATE TABLE subject(subject TEXT NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY(subject, seq)) WITHOUT ROWID, STRICT;
CREATE TABLE reply(
  seq INTEGER PRIMARY KEY, workspace TEXT NOT NULL, key TEXT NOT NULL, request_hash TEXT NOT NULL,
  status INTEGER NOT NULL, wall_ms INTEGER NOT NULL, crc INTEGER NOT NULL, body TEXT NOT NULL,
  UNIQUE(workspace, key)
) STRICT;
CREATE TABLE room(one INTEGER PRIMARY KEY, ballast BLOB NOT NULL) STRICT;
`;

/**
 * Opens for writing and makes the tables where there are none.
 * FULL: the WAL is synced before a commit returns; with NORMAL a power cut loses what was acknowledged. Checkpoints are
 * made by the writer, because SQLite keeps the errors of its own to itself.
 * @throws JournalError of kind 'format', 'damaged' or 'read-only'
 */
export function openForWriting(file: string): Db {
  const db = opened(file, file);
  try {
    demand(db, 'journal_mode = WAL', 'wal');
    db.pragma('synchronous = FULL');
    demand(db, 'synchronous', 2);
    db.pragma('wal_autocheckpoint = 0');
    demand(db, 'wal_autocheckpoint', 0);
    db.pragma('trusted_schema = OFF');
    if (pragmaOf(db, 'user_version') === 0 && pragmaOf(db, 'application_id') === 0) create(db);
    checkFormat(db, file);
    return db;
  } catch (e) {
    db.close();
    throw asJournalError(e, file);
  }
}

function create(db: Db): void {
  db.exec(
    `BEGIN IMMEDIATE; ${TABLES} PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${FORMAT_VERSION}; COMMIT`,
  );
}

/**
 * Opens for reading alone: nothing of the folder's content is changed, and closing it makes no checkpoint, so that what a
 * check finds is still there after it.
 * @throws JournalError of kind 'format' or 'damaged'
 */
export function openForReading(file: string): Db {
  const db = opened(forReading(file), file);
  try {
    checkFormat(db, file);
    return db;
  } catch (e) {
    db.close();
    throw asJournalError(e, file);
  }
}

/** Whether a database that can be read has nothing in it yet. */
export function hasNoTable(file: string): boolean {
  const db = opened(forReading(file), file);
  try {
    const [row] = rowsOf(db, 'SELECT count(*) FROM sqlite_schema');
    return row?.[0] === 0;
  } catch (e) {
    throw asJournalError(e, file);
  } finally {
    db.close();
  }
}

const forReading = (file: string): string => `${pathToFileURL(file).href}?mode=ro`;

function opened(name: string, file: string): Db {
  try {
    return new Database(name);
  } catch (e) {
    throw new JournalError('failed', { file, place: 'the file', what: `it cannot be opened: ${messageOf(e)}` });
  }
}

function checkFormat(db: Db, file: string): void {
  const [id, version] = [pragmaOf(db, 'application_id'), pragmaOf(db, 'user_version')];
  if (id !== APPLICATION_ID) {
    const what = `found application id ${String(id)}, expected ${APPLICATION_ID}: this is no journal, or its first page is damaged`;
    throw new JournalError(id === 0 ? 'damaged' : 'format', { file, place: 'octet 68', what });
  }
  if (version !== FORMAT_VERSION) {
    const what = `found format ${String(version)}, this build reads format ${FORMAT_VERSION}`;
    throw new JournalError('format', { file, place: 'octet 60', what });
  }
}

/** SQLite's own words for a damaged file, a file that cannot be written and the rest. */
export function asJournalError(e: unknown, file: string): JournalError {
  if (e instanceof JournalError) return e;
  const code = codeOf(e);
  const what = `${messageOf(e)}${code === '' ? '' : ` (${code})`}`;
  if (code.startsWith('SQLITE_CORRUPT')) return new JournalError('damaged', { file, place: 'a page', what });
  if (code === 'SQLITE_NOTADB') return new JournalError('damaged', { file, place: 'octet 0', what });
  if (isReadOnly(code) || code === 'SQLITE_CANTOPEN') {
    return new JournalError('read-only', { file, place: 'the file', what });
  }
  return new JournalError('failed', { file, place: 'the file', what });
}

function pragmaOf(db: Db, name: string): unknown {
  const [row] = rowsOf(db, `PRAGMA ${name}`);
  return row?.[0];
}

function demand(db: Db, pragma: string, expected: string | number): void {
  const found = pragmaOf(db, pragma);
  if (found !== expected) throw new Error(`PRAGMA ${pragma} gave ${String(found)}, expected ${expected}`);
}

/** All rows as arrays. Read to the end, because a statement that stands open would keep the WAL from being reused. */
export const rowsOf = (db: Db, sql: string, ...values: readonly unknown[]): unknown[][] =>
  db
    .prepare(sql)
    .raw()
    .all(...values) as unknown[][];

/**
 * Text is handed over as octets: libsql 0.5.29 ends the whole process when a text that it reads is not UTF-8, which is what
 * a damaged page may hold (value.rs:237, seen by the property over flipped octets).
 */
export const octetsOf = (column: string): string => `CAST(${column} AS BLOB)`;

/** What is not UTF-8 becomes another text, and the check sum does not hold. */
export const textOf = (value: unknown): string => (Buffer.isBuffer(value) ? value.toString('utf8') : String(value));

/**
 * An entry of the table `e` as SQL hands it over: its sealed text is put together there, because a value less across the
 * border of the database costs less than making the text here (measured: 1.9 µs a row of 0.3 KB, 2.6 µs as seven columns).
 */
export const ENTRY_COLUMNS = `e.seq, e.crc, lower(hex(e.hash)), ${octetsOf(
  "e.seq || ' ' || e.at_ms || ' ' || e.wall_ms || ' ' || e.plant || ' ' || e.body",
)}`;

/** What a damaged page holds may be anything, so values are taken as they come; the CRC tells. */
export function entryRow([seq, crc, hash, text]: readonly unknown[]): Row {
  return { seq: Number(seq), crc: Number(crc), hash: String(hash), text: textOf(text) };
}
