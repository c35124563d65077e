import { existsSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { crc32 } from 'node:zlib';
import { inputError } from '../../domain/errors.ts';
import { faultOf, GENESIS, type Row, unsealed } from './chain.ts';
import { type Damage, JournalError, messageOf } from './errors.ts';
import { type Mark, markFile, readMark } from './mark.ts';
import { JournalReader } from './reader.ts';
import { databaseFile, heldAgainst, isUnbegun } from './recover.ts';
import { readSnapshotFile, snapshotFiles } from './snapshotFile.ts';
import { walDamage } from './walFile.ts';
import { replyText } from './writer.ts';

/**
 * Reads everything of a journal and says what is not as it was written. It changes nothing and needs no lock, so it may be
 * run beside a service and on what a crash left.
 */
export interface Verified {
  readonly entries: number;
  /** Sequence numbers of the first and the last entry; 0 = none. */
  readonly firstSeq: number;
  readonly lastSeq: number;
  readonly replies: number;
  readonly snapshots: number;
  readonly damage: readonly Damage[];
  /** Nothing wrong, and still to be known. */
  readonly notes: readonly string[];
}

/** More than so many of one kind say nothing new. */
const DAMAGE_MAX = 20;
/** PRAGMA integrity_check stops after as many. */
const SQLITE_DAMAGE_MAX = 10;

/** Of a service's data folder. */
export const JOURNAL_FOLDER = 'journal';

/**
 * @param folder  of the journal, or the data folder of a service that has it in it
 * @throws        InputError when there neither is nor was a journal
 */
export function verifyJournal(folder: string, options: { readonly highWaterDir?: string } = {}): Verified {
  const places = [resolve(folder), resolve(folder, JOURNAL_FOLDER)].map((dir) => ({
    dir,
    file: databaseFile(dir),
    marked: markFile(dir, options.highWaterDir),
  }));
  const found = places.find(({ file, marked }) => existsSync(file) || existsSync(marked));
  if (found === undefined) {
    const [{ file, marked } = { file: '', marked: '' }] = places;
    const expected = `the folder of a journal, with ${file} in it or ${marked} beside it, or the data folder of a service`;
    throw inputError({ source: 'verify-journal', place: '<dir>', value: folder, expected });
  }
  const { dir, file, marked } = found;
  const check = new Check(file, marked);
  const octets = existsSync(file) ? statSync(file).size : 0;
  const wal = walDamage(`${file}-wal`);
  if (wal !== null) check.found(wal);
  const mark = check.attempt(marked, () => readMark(marked)) ?? null;
  if (octets === 0) check.empty(mark);
  else if (mark !== null || !isUnbegun(file, octets)) check.attempt(file, () => check.all(dir, mark));
  return check.result();
}

class Check {
  readonly #file: string;
  readonly #marked: string;
  readonly #damage: Damage[] = [];
  readonly #notes: string[] = [];
  #isBroken = false;
  #entries = 0;
  #firstSeq = 0;
  #last: Mark = { seq: 0, hash: GENESIS };
  #replies = 0;
  #snapshots = 0;

  constructor(file: string, marked: string) {
    this.#file = file;
    this.#marked = marked;
  }

  result(): Verified {
    return {
      entries: this.#entries,
      firstSeq: this.#firstSeq,
      lastSeq: this.#last.seq,
      replies: this.#replies,
      snapshots: this.#snapshots,
      damage: this.#damage,
      notes: this.#notes,
    };
  }

  found(damage: Damage): void {
    if (this.#damage.length < DAMAGE_MAX) this.#damage.push(damage);
  }

  /** What cannot be read is damage, with the place the error names. */
  attempt<T>(file: string, work: () => T): T | undefined {
    try {
      return work();
    } catch (e) {
      const known = e instanceof JournalError ? e : null;
      const place = known?.place ?? 'the file';
      const what = known === null ? messageOf(e) : known.message.slice(`${known.file}: ${known.place}: `.length);
      this.found({ file: known?.file ?? file, place, what });
      return undefined;
    }
  }

  empty(mark: Mark | null): void {
    const reached = mark === null ? '' : `, and ${this.#marked} says it reached entry ${mark.seq}`;
    const what = existsSync(this.#file) ? 'it holds nothing' : 'it is missing';
    const wal = `${this.#file}-wal`;
    const isNew = mark?.seq === 0 && !(existsSync(wal) && statSync(wal).size > 0);
    if (!isNew) this.found({ file: this.#file, place: 'octet 0', what: `${what}${reached}` });
  }

  all(dir: string, mark: Mark | null): void {
    const reader = new JournalReader(this.#file);
    try {
      const subjects = this.#walk(reader);
      this.#marks(reader, mark);
      this.attempt(this.#file, () => {
        // An index that SQLite finds damaged can lead round in a circle.
        if (this.#isSound(reader)) this.#views(reader, subjects);
      });
      this.#snapshotsOf(dir, reader);
    } finally {
      reader.close();
    }
  }

  /** @returns what the subjects of all entries add up to */
  #walk(reader: JournalReader): Tally {
    const tally = new Tally();
    this.attempt(this.#file, () => {
      let next = 1;
      try {
        for (const row of reader.rows(0)) {
          this.#entry(row, tally);
          next = row.seq + 1;
        }
      } catch (e) {
        throw new JournalError('damaged', { file: this.#file, place: `entry ${next}`, what: messageOf(e) });
      }
    });
    return tally;
  }

  /** After a fault the walk goes on from what stands there, so that each damaged place is named once. */
  #entry(row: Row, tally: Tally): void {
    const fault = faultOf(row, this.#last);
    if (fault !== null) {
      this.#isBroken = true;
      this.found({ file: this.#file, place: `entry ${row.seq}`, what: fault });
    }
    if (this.#entries === 0) this.#firstSeq = row.seq;
    this.#entries += 1;
    this.#last = { seq: row.seq, hash: row.hash };
    if (fault !== null) return;
    const { subjects } = JSON.parse(unsealed(row.text).body) as { subjects: readonly string[] };
    for (const subject of new Set(subjects)) tally.add(subject, row.seq);
  }

  #marks(reader: JournalReader, mark: Mark | null): void {
    const hashAt = (seq: number): string | null => reader.hashAt(seq);
    const by = { last: this.#last, hashAt, file: this.#file, markFile: this.#marked };
    const { problem, note } = heldAgainst(mark, by);
    if (problem !== null) this.found(problem);
    if (note !== null) this.#notes.push(note);
  }

  #isSound(reader: JournalReader): boolean {
    const lines = reader.integrity(SQLITE_DAMAGE_MAX);
    for (const what of lines) this.found({ file: this.#file, place: 'a page', what });
    return lines.length === 0;
  }

  #views(reader: JournalReader, expected: Tally): void {
    const found = new Tally();
    for (const { subject, seq } of reader.subjects()) found.add(subject, seq);
    // The subjects of an entry that is damaged are not known.
    if (!this.#isBroken && !found.isSame(expected)) {
      const what = `${found.count} rows, which are not the ${expected.count} subjects of the entries`;
      this.found({ file: this.#file, place: 'table subject', what });
    }
    for (const stored of reader.replies()) {
      this.#replies += 1;
      if (crc32(replyText(stored)) === stored.crc) continue;
      this.found({ file: this.#file, place: `reply of entry ${stored.seq}`, what: 'its check sum is wrong' });
    }
  }

  #snapshotsOf(dir: string, reader: JournalReader): void {
    for (const { file } of snapshotFiles(dir)) {
      const snapshot = readSnapshotFile(file);
      this.#snapshots += 1;
      if (snapshot.kind === 'bad') this.found({ file, place: snapshot.place, what: snapshot.why });
      else if (reader.hashAt(snapshot.head.seq) !== snapshot.head.hash) {
        this.found({ file, place: 'octet 0', what: `it is not of this journal at entry ${snapshot.head.seq}` });
      }
    }
  }
}

/** Two sets of rows are the same when they have as many and their check sums add up to the same, in whatever order. */
class Tally {
  count = 0;
  #sum = 0;

  add(subject: string, seq: number): void {
    this.count += 1;
    this.#sum = (this.#sum + crc32(`${seq} ${subject}`)) % Number.MAX_SAFE_INTEGER;
  }

  isSame(other: Tally): boolean {
    return this.count === other.count && this.#sum === other.#sum;
  }
}
