import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { faultOf, GENESIS } from './chain.ts';
import { damaged, messageOf } from './errors.ts';
import { type Mark, readMark } from './mark.ts';
import { JournalReader } from './reader.ts';
import { hasNoTable } from './schema.ts';
import { newestSnapshot, type SnapshotHead } from './snapshotFile.ts';
import { walDamage } from './walFile.ts';

/**
 * Finds out at the start what is there and whether it can be relied on; it reads only, so that what it refuses can still be
 * looked into. In this order: the write-ahead log (SQLite would cut a damaged one without a word), the file itself, the
 * newest snapshot, the chain from there to the end, the high-water mark.
 */
export interface Recovered {
  readonly last: Mark;
  readonly snapshot: SnapshotHead | null;
  readonly notes: readonly string[];
}

export const databaseFile = (dir: string): string => join(dir, 'journal.db');

/** @throws JournalError 'damaged' or 'format' with file and place */
export function recover(paths: { readonly dir: string; readonly markFile: string }, build: string): Recovered {
  const file = databaseFile(paths.dir);
  const wal = walDamage(`${file}-wal`);
  if (wal !== null) throw damaged(wal);
  const mark = readMark(paths.markFile);
  const octets = existsSync(file) ? statSync(file).size : 0;
  if (octets === 0) return recoverNothing(file, paths.markFile, mark);
  if (mark === null && isUnbegun(file, octets)) return NOTHING;
  const reader = new JournalReader(file);
  try {
    const hashAt = (seq: number): string | null => reader.hashAt(seq);
    const { head, notes } = newestSnapshot(paths.dir, { build, hashAt });
    const last = walk(reader, file, head ?? { seq: 0, hash: GENESIS });
    const { problem, note } = heldAgainst(mark, { last, hashAt, file, markFile: paths.markFile });
    if (problem !== null) throw damaged(problem);
    return { last, snapshot: head, notes: note === null ? notes : [...notes, note] };
  } finally {
    reader.close();
  }
}

/** An empty or missing file is a new journal only where nothing was ever written. */
function recoverNothing(file: string, marked: string, mark: Mark | null): Recovered {
  const walOctets = existsSync(`${file}-wal`) ? statSync(`${file}-wal`).size : 0;
  if (mark !== null && mark.seq > 0) {
    throw damaged({ file, place: 'octet 0', what: `nothing is here, and ${marked} says it reached entry ${mark.seq}` });
  }
  if (walOctets > 0) {
    throw damaged({ file, place: 'octet 0', what: `nothing is here, and ${walOctets} octets wait in its -wal` });
  }
  return NOTHING;
}

const NOTHING: Recovered = { last: { seq: 0, hash: GENESIS }, snapshot: null, notes: [] };
const FIRST_PAGE = 4_096;

/** Where the first page has the application id. @source sqlite.org/fileformat2.html 1.3 */
const APPLICATION_ID_AT = 68;

/**
 * A first start that ended before its tables were on the disk, which is before there is a mark: a table has a page of its
 * own, and the id of a journal comes with the tables.
 */
export function isUnbegun(file: string, octets: number): boolean {
  if (octets > FIRST_PAGE) return false;
  const page = readFileSync(file);
  if (page.subarray(APPLICATION_ID_AT, APPLICATION_ID_AT + 4).some((octet) => octet !== 0)) return false;
  const wal = `${file}-wal`;
  return !existsSync(wal) || statSync(wal).size === 0 || hasNoTable(file);
}

function walk(reader: JournalReader, file: string, from: Mark): Mark {
  let last: Mark = { seq: from.seq, hash: from.hash };
  const failure = (what: string) => damaged({ file, place: `entry ${last.seq + 1}`, what });
  try {
    for (const row of reader.rows(from.seq + 1)) {
      const fault = faultOf(row, last);
      if (fault !== null) throw failure(fault);
      last = { seq: row.seq, hash: row.hash };
    }
  } catch (e) {
    throw failure(messageOf(e));
  }
  return last;
}

/** The mark against the journal: the journal reaches at least so far, and has this hash there. */
export function heldAgainst(
  mark: Mark | null,
  {
    last,
    hashAt,
    file,
    markFile,
  }: {
    readonly last: Mark;
    readonly hashAt: (seq: number) => string | null;
    readonly file: string;
    readonly markFile: string;
  },
) {
  const say = (place: string, what: string) => ({ problem: { file, place, what }, note: null });
  if (mark === null) {
    if (last.seq === 0) return { problem: null, note: null };
    const what = `it is missing, and the journal has ${last.seq} entries; without it a cut tail cannot be told`;
    return { problem: { file: markFile, place: 'the file', what }, note: null };
  }
  if (mark.seq > last.seq) {
    return say(`entry ${last.seq + 1}`, `the journal ends before it, and ${markFile} says it reached ${mark.seq}`);
  }
  if (mark.seq > 0 && hashAt(mark.seq) !== mark.hash) {
    return say(`entry ${mark.seq}`, `its hash is not the one in ${markFile}: this is another history`);
  }
  const more = last.seq - mark.seq;
  const note = more > 0 ? `${more} entries were written after the high-water mark was last set` : null;
  return { problem: null, note };
}
