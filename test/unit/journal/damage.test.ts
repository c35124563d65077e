import { readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { InputError } from '../../../src/domain/errors.ts';
import { openJournal } from '../../../src/live/journal/journal.ts';
import { markFile } from '../../../src/live/journal/mark.ts';
import { recover } from '../../../src/live/journal/recover.ts';
import { verifyJournal } from '../../../src/live/journal/verify.ts';
import { walDamage } from '../../../src/live/journal/walFile.ts';
import { tempFolder } from '../../helpers/cli.ts';
import { entry } from './entries.ts';
import { asKilled, BUILD, changed, copyOf, fill, journalIn, sql } from './journals.ts';

/**
 * What SQLite does not notice, or notices too late: an emptied file, a deleted or changed write-ahead log, changed rows.
 * Each has to be named with its place by the check, and must keep the journal from opening.
 */
const ENTRIES = 100;
const WAL_HEADER = 32;
const WAL_FRAME = 24 + 4096;

const folder = tempFolder();
let count = 0;
const fresh = (): string => join(folder, `d${count++}`);
/** Closed: everything is in the database. Killed: everything is in the write-ahead log, and the mark is exact. */
let closed: string;
let killed: string;
/** As killed within the first moment: the mark still says 0. */
let early: string;

beforeAll(async () => {
  const dir = fresh();
  const journal = await openJournal({ dir, build: BUILD });
  const first = readFileSync(markFile(dir), 'utf8');
  await fill(journal, ENTRIES);
  early = asKilled(dir, fresh(), first);
  killed = asKilled(dir, fresh(), null);
  await journal.close();
  closed = dir;
  writeFileSync(markFile(killed), readFileSync(markFile(closed)));
});

const db = (dir: string): string => join(dir, 'journal.db');
const flip = (file: string, at: number, octets = 1): void =>
  changed(file, (o) => {
    for (let i = at; i < at + octets; i++) o.writeUInt8((o[i] ?? 0) ^ 0x55, i);
    return undefined;
  });
/** Octet of the database at which the text of entry n stands; the first page keeps old copies in its free part. */
const placeOf = (dir: string, n: number): number => readFileSync(db(dir)).lastIndexOf(`"eventId":"evt-${n}"`);

interface Case {
  readonly name: string;
  readonly of: () => string;
  readonly damage: (dir: string) => void;
  /** What the check says, and what the refusal to open says. */
  readonly says: RegExp;
  readonly refuses?: RegExp;
}

const CASES: readonly Case[] = [
  {
    name: 'a database of 0 octets',
    of: () => closed,
    damage: (dir) => truncateSync(db(dir), 0),
    says: /journal\.db: octet 0: it holds nothing, and .*\.hwm says it reached entry 100/,
    refuses: /journal\.db: octet 0: nothing is here, and .*\.hwm says it reached entry 100/,
  },
  {
    name: 'a database of 0 octets, with the log still there and a mark at 0',
    of: () => early,
    damage: (dir) => truncateSync(db(dir), 0),
    says: /journal\.db: octet 0: it holds nothing/,
    refuses: /journal\.db: octet 0: nothing is here, and \d+ octets wait in its -wal/,
  },
  {
    name: 'a deleted write-ahead log',
    of: () => killed,
    damage: (dir) => rmSync(`${db(dir)}-wal`),
    says: /journal\.db: (entry 1: the journal ends before it, and .*\.hwm says it reached 100|the file|octet \d+: )/,
  },
  {
    name: 'one octet flipped in the write-ahead log',
    of: () => killed,
    damage: (dir) => flip(`${db(dir)}-wal`, WAL_HEADER + 200 * WAL_FRAME + 1_000),
    says: new RegExp(
      `journal\\.db-wal: octet ${WAL_HEADER + 200 * WAL_FRAME}: the frame here is not as it was written`,
    ),
  },
  {
    name: 'one octet flipped in the write-ahead log before the mark was ever set',
    of: () => early,
    damage: (dir) => flip(`${db(dir)}-wal`, WAL_HEADER + 300 * WAL_FRAME + 8),
    says: new RegExp(
      `journal\\.db-wal: octet ${WAL_HEADER + 300 * WAL_FRAME}: the frame here is not as it was written`,
    ),
  },
  {
    name: 'an octet flipped in the last frame of the log, which looks like a torn end, with the mark behind it',
    of: () => killed,
    damage: (dir) => flip(`${db(dir)}-wal`, statSync(`${db(dir)}-wal`).size - 100),
    says: /journal\.db: entry 100: the journal ends before it, and .*\.hwm says it reached 100/,
  },
  {
    name: 'a log that was cut',
    of: () => killed,
    damage: (dir) => truncateSync(`${db(dir)}-wal`, WAL_HEADER + 250 * WAL_FRAME),
    says: /journal\.db: entry \d+: the journal ends before it/,
  },
  {
    name: 'a log with a damaged header',
    of: () => killed,
    damage: (dir) => flip(`${db(dir)}-wal`, 18),
    says: /journal\.db-wal: octet 24: the check sum of its header is wrong/,
  },
  {
    name: '200 octets flipped in a page of rows',
    of: () => closed,
    damage: (dir) => flip(db(dir), placeOf(dir, 50) - 150, 120),
    says: /journal\.db: entry 50: its check sum is wrong/,
  },
  {
    name: 'one octet of one row flipped',
    of: () => closed,
    damage: (dir) => flip(db(dir), placeOf(dir, 1) + 12),
    says: /journal\.db: entry 1: its check sum is wrong/,
  },
  {
    name: 'a bad header',
    of: () => closed,
    damage: (dir) => flip(db(dir), 3),
    says: /journal\.db: octet 0: file is not a database/,
  },
  {
    name: 'the mark of another kind of file in the header',
    of: () => closed,
    damage: (dir) => flip(db(dir), 68, 4),
    says: /journal\.db: octet 68: found application id/,
  },
  {
    name: 'half a file',
    of: () => closed,
    damage: (dir) => truncateSync(db(dir), Math.floor(statSync(db(dir)).size / 8192) * 4096),
    says: /journal\.db: a page: database disk image is malformed/,
  },
  {
    name: 'two rows that were swapped, each whole',
    of: () => closed,
    damage: (dir) =>
      sql(
        dir,
        'UPDATE entry SET seq = -1 WHERE seq = 30',
        'UPDATE entry SET seq = 30 WHERE seq = 31',
        'UPDATE entry SET seq = 31 WHERE seq = -1',
      ),
    says: /journal\.db: entry 30: its check sum is wrong/,
  },
  {
    name: 'a row in the middle that was deleted',
    of: () => closed,
    damage: (dir) => sql(dir, 'DELETE FROM entry WHERE seq = 40'),
    says: /journal\.db: entry 41: entry 40 is missing, 41 stands here/,
    refuses: /journal\.db: entry 40: entry 40 is missing, 41 stands here/,
  },
  {
    name: 'a row that was deleted and those behind it moved up',
    of: () => closed,
    damage: (dir) => sql(dir, 'DELETE FROM entry WHERE seq = 40', 'UPDATE entry SET seq = seq - 1 WHERE seq > 40'),
    says: /journal\.db: entry 40: its check sum is wrong/,
  },
  {
    name: 'a cut tail',
    of: () => closed,
    damage: (dir) => sql(dir, 'DELETE FROM entry WHERE seq > 95'),
    says: /journal\.db: entry 96: the journal ends before it, and .*\.hwm says it reached 100/,
  },
  {
    name: 'a folder whose content was deleted',
    of: () => closed,
    damage: (dir) => rmSync(dir, { recursive: true }),
    says: /journal\.db: octet 0: it is missing, and .*\.hwm says it reached entry 100/,
    refuses: /journal\.db: octet 0: nothing is here/,
  },
  {
    name: 'a mark of another history',
    of: () => closed,
    damage: (dir) => changed(markFile(dir), (o) => Buffer.from(o.toString().replace(/[0-9a-f]{8}"/, '00000000"'))),
    says: /journal\.db: entry 100: its hash is not the one in .*\.hwm: this is another history/,
  },
  {
    name: 'a missing mark',
    of: () => closed,
    damage: (dir) => rmSync(markFile(dir)),
    says: /\.hwm: the file: it is missing, and the journal has 100 entries/,
  },
  {
    name: 'a mark that is none',
    of: () => closed,
    damage: (dir) => writeFileSync(markFile(dir), 'x'),
    says: /\.hwm: octet 0: this is no high-water mark/,
  },
  {
    name: 'a newer format',
    of: () => closed,
    damage: (dir) => sql(dir, 'PRAGMA user_version = 2'),
    says: /journal\.db: octet 60: found format 2, this build reads format 1/,
  },
];

describe('damage is found, named with its place, and keeps the journal from opening', () => {
  test.each(CASES)('$name', ({ of, damage, says, refuses = says }) => {
    const dir = copyOf(of(), fresh());
    damage(dir);
    const said = verifyJournal(dir).damage.map(({ file, place, what }) => `${file}: ${place}: ${what}`);
    expect(said.join('\n')).toMatch(says);
    expect(() => recover({ dir, markFile: markFile(dir) }, BUILD)).toThrow(refuses);
    // Nothing was changed by the refusal: the check says the same again.
    const again = verifyJournal(dir).damage.map(({ file, place, what }) => `${file}: ${place}: ${what}`);
    expect(again).toEqual(said);
  });
});

describe('a journal that is refused', () => {
  test('says so as an error with kind, file and place, and lets the folder go', async () => {
    const dir = copyOf(closed, fresh());
    const file = markFile(dir);
    const good = readFileSync(file);
    rmSync(file);
    const refusal = { name: 'JournalError', kind: 'damaged', file, place: 'the file' };
    await expect(openJournal({ dir, build: BUILD })).rejects.toMatchObject(refusal);
    writeFileSync(file, good);
    expect((await journalIn(dir)).lastSeq()).toBe(ENTRIES);
  });
});

describe('damage of what a start does not read', () => {
  test('a row before the snapshot is found by the check and by whoever reads it, and never read as another', async () => {
    const dir = copyOf(closed, fresh());
    const journal = await journalIn(dir);
    await journal.writeSnapshot({ main: {} }, 90);
    await journal.close();
    flip(db(dir), placeOf(dir, 20) + 12);
    const again = await journalIn(dir);
    expect(again.snapshot()?.seq).toBe(90);
    await expect
      .poll(() => again.damage(), { timeout: 10_000, interval: 10 })
      .toMatch(/journal\.db: entry 20: its check sum is wrong/);
    expect((await again.append(entry(ENTRIES + 1))).kind).toBe('durable');
    expect(() => [...again.read(1)]).toThrow(/entry 20: its check sum is wrong/);
    expect(() => again.bySubject('event/evt-20', { beforeSeq: null, limit: 1 })).toThrow(/entry 20/);
    expect(verifyJournal(dir).damage).toMatchObject([{ place: 'entry 20' }]);
  });

  test.each([
    ['a reply', `UPDATE reply SET body = '{}' WHERE seq = 7`, /reply of entry 7: its check sum is wrong/],
    ['a lost subject', `DELETE FROM subject WHERE seq = 7 AND subject = 'event/evt-7'`, /table subject: 199 rows/],
    ['a false subject', `UPDATE subject SET subject = 'event/evt-8' WHERE subject = 'event/evt-7'`, /table subject/],
  ])('%s in the views', (_name, statement, says) => {
    const dir = copyOf(closed, fresh());
    sql(dir, statement);
    const said = verifyJournal(dir).damage.map(({ file, place, what }) => `${file}: ${place}: ${what}`);
    expect(said.join('\n')).toMatch(says);
  });

  test('an index that says something else than its table', () => {
    const dir = copyOf(closed, fresh());
    const [octets, key] = [readFileSync(db(dir)), 'ws-1key-50'];
    // The row goes on with the hash of the request, the entry of the index does not.
    let at = octets.indexOf(key);
    while (at >= 0 && octets.toString('latin1', at + key.length, at + key.length + 4) === 'hash') {
      at = octets.indexOf(key, at + 1);
    }
    flip(db(dir), at + key.length - 1);
    const said = verifyJournal(dir).damage.map(({ file, place, what }) => `${file}: ${place}: ${what}`);
    expect(said.join('\n')).toMatch(/journal\.db: a page: row \d+ missing from index/);
  });

  test('a snapshot', async () => {
    const dir = copyOf(closed, fresh());
    const journal = await journalIn(dir);
    await journal.writeSnapshot({ main: {} }, 90);
    await journal.close();
    expect(verifyJournal(dir)).toMatchObject({ damage: [], snapshots: 1 });
    flip(join(dir, 'snapshot-90.json'), 40);
    expect(verifyJournal(dir).damage).toMatchObject([{ what: 'its check sum is wrong' }]);
  });
});

describe('what is no damage', () => {
  test.each([
    ['after a clean end', () => closed, []],
    ['after a kill', () => killed, []],
    [
      'after a kill before the mark was set',
      () => early,
      ['100 entries were written after the high-water mark was last set'],
    ],
  ] as const)('a journal %s is good, and all of it is there', async (_name, of, notes) => {
    const dir = copyOf(of(), fresh());
    expect(verifyJournal(dir)).toMatchObject({
      ...{ entries: ENTRIES, firstSeq: 1, lastSeq: ENTRIES, replies: ENTRIES, damage: [], notes },
    });
    const journal = await journalIn(dir);
    expect(journal.notes).toEqual(notes);
    expect([...journal.read(1)]).toHaveLength(ENTRIES);
  });

  test('a torn end of the log is cut off: the entries before it are there, and the next follows on them', async () => {
    const dir = copyOf(early, fresh());
    const wal = `${db(dir)}-wal`;
    truncateSync(wal, statSync(wal).size - 1_000);
    expect(walDamage(wal)).toBeNull();
    const journal = await journalIn(dir);
    expect(journal.lastSeq()).toBe(ENTRIES - 1);
    await fill(journal, 3, ENTRIES);
    await journal.close();
    expect(verifyJournal(dir)).toMatchObject({ entries: ENTRIES + 2, damage: [] });
  });

  test('a folder that never had a journal is a mistake of who asks', () => {
    expect(() => verifyJournal(join(folder, 'none'))).toThrow(InputError);
  });

  test('the check changes nothing in the folder, and may run beside a service', async () => {
    const dir = copyOf(killed, fresh());
    const before = readFileSync(`${db(dir)}-wal`);
    verifyJournal(dir);
    expect(readFileSync(`${db(dir)}-wal`).equals(before)).toBe(true);
    const journal = await journalIn(dir);
    expect(verifyJournal(dir).damage).toEqual([]);
    await fill(journal, 2, ENTRIES + 1);
    expect(verifyJournal(dir)).toMatchObject({ entries: ENTRIES + 2, damage: [] });
  });
});
