import type Database from 'libsql';
import type { JournalEntry, StoredReply } from '../../ports/journal.ts';
import { crcOf, type Row, unsealed } from './chain.ts';
import { damaged } from './errors.ts';
import { asJournalError, type Db, ENTRY_COLUMNS, entryRow, octetsOf, openForReading, textOf } from './schema.ts';
import { REPLY_KEPT_MS, replyText } from './writer.ts';

/**
 * Reads beside the writer: what is committed, as of the moment of the call. Every row is held against its check sum, so
 * that a damaged one is an error and never another history.
 */

/** Rows fetched at a time: the WAL cannot be reused while one fetch lasts. */
const PAGE_ROWS = 512;

export class JournalReader {
  readonly #db: Db;
  readonly #prepared = new Map<string, Database.Statement<unknown[]>>();
  readonly #file: string;

  constructor(file: string) {
    this.#file = file;
    this.#db = openForReading(file);
  }

  /** Rows from a sequence number on, unchecked, a page at a time. @throws JournalError when SQLite finds damage */
  *rows(fromSeq: number, pageRows = PAGE_ROWS): Generator<Row> {
    let next = fromSeq;
    for (;;) {
      const sql = `SELECT ${ENTRY_COLUMNS} FROM entry e WHERE e.seq >= ? ORDER BY e.seq LIMIT ${pageRows}`;
      const page = this.#rows(sql, next).map(entryRow);
      yield* page;
      const last = page.at(-1);
      if (last === undefined || page.length < pageRows) return;
      if (last.seq < next) throw damaged({ file: this.#file, place: `entry ${next}`, what: 'the entries lead back' });
      next = last.seq + 1;
    }
  }

  /** @throws JournalError 'damaged' at the entry that is not as it was written */
  *read(fromSeq: number): Generator<JournalEntry> {
    let expected = Math.max(1, fromSeq);
    for (const row of this.rows(expected)) {
      if (row.seq !== expected) {
        throw damaged({ file: this.#file, place: `entry ${expected}`, what: `it is missing, ${row.seq} stands here` });
      }
      yield this.#entry(row);
      expected += 1;
    }
  }

  bySubject(subject: string, { beforeSeq, limit }: { beforeSeq: number | null; limit: number }): JournalEntry[] {
    return this.#rows(
      `SELECT ${ENTRY_COLUMNS} FROM subject s JOIN entry e ON e.seq = s.seq
       WHERE s.subject = ? AND s.seq < ? ORDER BY s.seq DESC LIMIT ?`,
      subject,
      beforeSeq ?? Number.MAX_SAFE_INTEGER,
      limit,
    ).map((row) => this.#entry(entryRow(row)));
  }

  replyOf({ workspaceId, key, nowMs }: { workspaceId: string; key: string; nowMs: number }): StoredReply | null {
    const columns = `${octetsOf('request_hash')}, status, ${octetsOf('body')}, crc, wall_ms`;
    const sql = `SELECT ${columns} FROM reply WHERE workspace = ? AND key = ?`;
    const [row] = this.#rows(sql, workspaceId, key);
    if (row === undefined) return null;
    const [requestHash, status, body, crc, wallMs] = row;
    const reply = { workspaceId, key, requestHash: textOf(requestHash), status: Number(status), body: textOf(body) };
    if (crcOf(replyText(reply)) !== crc) {
      const what = 'its check sum is wrong: it is not as it was written';
      throw damaged({ file: this.#file, place: `reply to ${workspaceId} ${key}`, what });
    }
    return Number(wallMs) < nowMs - REPLY_KEPT_MS ? null : reply;
  }

  /** Hash of an entry; null when there is no such entry. */
  hashAt(seq: number): string | null {
    const [row] = this.#rows('SELECT lower(hex(hash)) FROM entry WHERE seq = ?', seq);
    return row === undefined ? null : String(row[0]);
  }

  lastSeq(): number {
    const [row] = this.#rows('SELECT max(seq) FROM entry');
    return Number(row?.[0] ?? 0);
  }

  *subjects(): Generator<{ readonly subject: string; readonly seq: number }> {
    const sql = `SELECT ${octetsOf('subject')}, seq FROM subject WHERE (subject, seq) > (CAST(? AS TEXT), ?)
                 ORDER BY subject, seq LIMIT ${PAGE_ROWS}`;
    for (const [subject, seq] of this.#paged(sql, [Buffer.alloc(0), 0])) {
      yield { subject: textOf(subject), seq: Number(seq) };
    }
  }

  /** Every reply there is, with its check sum as it was written. */
  *replies(): Generator<StoredReply & { readonly seq: number; readonly crc: number }> {
    const texts = ['workspace', 'key', 'request_hash', 'body'].map(octetsOf).join(', ');
    const sql = `SELECT ${texts}, status, crc, seq FROM reply WHERE seq > ? ORDER BY seq LIMIT ${PAGE_ROWS}`;
    for (const [workspace, key, hash, body, status, crc, seq] of this.#paged(sql, [0])) {
      const request = { workspaceId: textOf(workspace), key: textOf(key), requestHash: textOf(hash) };
      yield { ...request, status: Number(status), body: textOf(body), crc: Number(crc), seq: Number(seq) };
    }
  }

  /** What SQLite itself finds wrong with its pages and indexes; at most so many lines. */
  integrity(linesMax: number): string[] {
    const sql = `SELECT ${octetsOf('integrity_check')} FROM pragma_integrity_check(${linesMax})`;
    return this.#rows(sql)
      .map(([line]) => textOf(line))
      .filter((line) => line !== 'ok');
  }

  /** Rows a page at a time; the last columns of a row are where the next page begins. */
  *#paged(sql: string, start: readonly unknown[]): Generator<unknown[]> {
    for (let from = start; ; ) {
      const page = this.#rows(sql, ...from);
      yield* page;
      const last = page.at(-1);
      if (last === undefined || page.length < PAGE_ROWS) return;
      from = last.slice(-start.length);
    }
  }

  close(): void {
    this.#db.close();
  }

  /** Prepared once: preparing costs more than most of the queries. All rows are read, so that none stands open. */
  #rows(sql: string, ...values: readonly unknown[]): unknown[][] {
    try {
      let statement = this.#prepared.get(sql);
      if (statement === undefined) {
        statement = this.#db.prepare<unknown[]>(sql).raw();
        this.#prepared.set(sql, statement);
      }
      return statement.all(...values) as unknown[][];
    } catch (e) {
      throw asJournalError(e, this.#file);
    }
  }

  #entry(row: Row): JournalEntry {
    if (crcOf(row.text) !== row.crc) {
      const what = 'its check sum is wrong: it is not as it was written';
      throw damaged({ file: this.#file, place: `entry ${row.seq}`, what });
    }
    const { seq, plantId, atMs, wallMs, body } = unsealed(row.text);
    const { facts, origin } = JSON.parse(body) as Pick<JournalEntry, 'facts' | 'origin'>;
    return { seq, plantId, atMs, wallMs, origin, facts };
  }
}
