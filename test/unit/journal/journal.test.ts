import { cpSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { InvariantError } from '../../../src/domain/errors.ts';
import { markFile, readMark } from '../../../src/live/journal/mark.ts';
import { databaseFile } from '../../../src/live/journal/recover.ts';
import { openForReading, rowsOf } from '../../../src/live/journal/schema.ts';
import { REPLY_KEPT_MS } from '../../../src/live/journal/writer.ts';
import { SUBJECTS_MAX } from '../../../src/ports/journal.ts';
import { tempFolder } from '../../helpers/cli.ts';
import { entry, reply, T0 } from './entries.ts';
import { changed, fill, journalIn, sql } from './journals.ts';

const folder = tempFolder();
let count = 0;
const fresh = (): string => join(folder, `j${count++}`);

describe('a journal', () => {
  test('gives what was appended back, in order, under seqs without a gap, also after it was opened again', async () => {
    const dir = fresh();
    const first = await journalIn(dir, { nowMs: () => T0 });
    expect(await first.append(entry(1))).toEqual({ kind: 'durable', seq: 1 });
    const more = await Promise.all([2, 3, 4].map((n) => first.append(entry(n))));
    expect(more).toEqual([2, 3, 4].map((seq) => ({ kind: 'durable', seq })));
    const whole = [...first.read(1)];
    expect(whole.map((e) => e.seq)).toEqual([1, 2, 3, 4]);
    const { subjects: _s, reply: _r, ...kept } = entry(3);
    expect(whole[2]).toEqual({ ...kept, seq: 3, wallMs: T0 });
    await first.close();
    const second = await journalIn(dir);
    expect(second.lastSeq()).toBe(4);
    expect([...second.read(1)]).toEqual(whole);
    expect([...second.read(4)]).toEqual(whole.slice(3));
    expect([...second.read(5)]).toEqual([]);
    expect(await second.append(entry(5))).toEqual({ kind: 'durable', seq: 5 });
  });

  test('takes what was appended at once into few commits', async () => {
    let groups = 0;
    const journal = await journalIn(fresh(), { nowMs: () => T0 + ++groups });
    await Promise.all(Array.from({ length: 1000 }, (_, n) => journal.append(entry(n))));
    expect(new Set([...journal.read(1)].map((e) => e.wallMs))).toEqual(new Set([T0 + 1, T0 + 2]));
  });

  test('finds the entries of a subject, newest first, a page at a time', async () => {
    const journal = await journalIn(fresh());
    await fill(journal, 10);
    const seqs = (beforeSeq: number | null, limit: number) =>
      journal.bySubject('device/dev-1', { beforeSeq, limit }).map((e) => e.seq);
    expect(seqs(null, 3)).toEqual([10, 7, 4]);
    expect(seqs(4, 3)).toEqual([1]);
    expect(journal.bySubject('device/dev-', { beforeSeq: null, limit: 9 })).toEqual([]);
  });

  test('an entry with the most subjects is found under each; one more is a bug of the caller', async () => {
    const journal = await journalIn(fresh());
    const subjects = Array.from({ length: SUBJECTS_MAX }, (_, i) => `device/d${i}`);
    await journal.append(entry(1, { subjects }));
    // Each search reads the whole entry: a hundred of them, the first and the last too.
    const some = subjects.filter((_, i) => i % 250 === 0 || i === SUBJECTS_MAX - 1);
    for (const s of some) expect(journal.bySubject(s, { beforeSeq: null, limit: 2 })).toHaveLength(1);
    expect(() => journal.append(entry(2, { subjects: [...subjects, 'device/more'] }))).toThrow(InvariantError);
  });

  test('a subject that is named twice is one', async () => {
    const journal = await journalIn(fresh());
    expect(await journal.append(entry(1, { subjects: ['a/b', 'a/b'] }))).toEqual({ kind: 'durable', seq: 1 });
    expect(journal.bySubject('a/b', { beforeSeq: null, limit: 9 })).toHaveLength(1);
  });

  test('what JSON would change in silence is a bug of the caller', async () => {
    const journal = await journalIn(fresh());
    const facts = [{ type: 'event.cancelled' as const, eventId: 'e', by: Number.NaN as unknown as string }];
    expect(() => journal.append(entry(1, { facts }))).toThrow(/NaN at \.facts\[0\]\.by/);
    expect(journal.pending()).toBe(0);
  });

  test('writes what waits when it is closed, sets the mark, and takes nothing afterwards', async () => {
    const dir = fresh();
    const journal = await journalIn(dir);
    const waiting = Array.from({ length: 20 }, (_, n) => journal.append(entry(n)));
    await journal.close();
    expect((await Promise.all(waiting)).every((a) => a.kind === 'durable')).toBe(true);
    expect(readMark(markFile(dir))?.seq).toBe(20);
    expect(await journal.append(entry(1))).toMatchObject({ kind: 'refused', reason: 'closed' });
  });
});

describe('the limits of the queue', () => {
  test('over so many entries an append is refused, and those that wait are written', async () => {
    const journal = await journalIn(fresh(), { queueMax: 4 });
    const answers = await Promise.all(Array.from({ length: 6 }, (_, n) => journal.append(entry(n))));
    expect(answers.map((a) => (a.kind === 'durable' ? a.seq : a.reason))).toEqual([1, 2, 3, 4, 'overload', 'overload']);
    expect(await journal.append(entry(7))).toEqual({ kind: 'durable', seq: 5 });
    expect(journal.health()).toEqual({ kind: 'ok' });
  });

  test('over so many octets as well, and they are given back when they are written', async () => {
    const journal = await journalIn(fresh(), { queueOctetsMax: 1_000 });
    const answers = await Promise.all(Array.from({ length: 4 }, (_, n) => journal.append(entry(n))));
    expect(answers.map((a) => a.kind)).toEqual(['durable', 'durable', 'refused', 'refused']);
    expect((await journal.append(entry(5))).kind).toBe('durable');
  });
});

describe('one owner', () => {
  test('a second instance on the folder is turned away at once, and let in when the first is closed', async () => {
    const dir = fresh();
    const first = await journalIn(dir);
    await expect(journalIn(dir)).rejects.toMatchObject({ kind: 'locked', file: join(dir, 'lock') });
    expect((await first.append(entry(1))).kind).toBe('durable');
    await first.close();
    expect((await journalIn(dir)).lastSeq()).toBe(1);
  });
});

describe('replies', () => {
  test('are there when the entry is, until a day is over, and are then cleared away in small steps', async () => {
    let nowMs = T0;
    const dir = fresh();
    const journal = await journalIn(dir, { nowMs: () => nowMs });
    await Promise.all(Array.from({ length: 100 }, (_, n) => journal.append(entry(n, { reply: reply(`k${n}`) }))));
    expect(journal.replyOf('ws-1', 'k7')).toEqual(reply('k7'));
    expect(journal.replyOf('ws-2', 'k7')).toBeNull();
    expect(journal.replyOf('ws-1', 'k')).toBeNull();
    nowMs = T0 + REPLY_KEPT_MS;
    expect(journal.replyOf('ws-1', 'k7')).toEqual(reply('k7'));
    nowMs += 1;
    expect(journal.replyOf('ws-1', 'k7')).toBeNull();
    const left: number[] = [];
    for (let n = 0; n < 4; n++) {
      await journal.append(entry(n, { reply: reply('k7', 200 + n) }));
      left.push(repliesIn(dir));
    }
    expect(left).toEqual([66, 32, 1, 1]);
    expect(journal.replyOf('ws-1', 'k7')).toEqual(reply('k7', 203));
  });

  test('one that is not as it was written is an error and not an answer', async () => {
    const dir = fresh();
    const journal = await journalIn(dir);
    await journal.append(entry(1, { reply: reply('k') }));
    sql(dir, `UPDATE reply SET status = 500`);
    expect(() => journal.replyOf('ws-1', 'k')).toThrow(/reply to ws-1 k: its check sum is wrong/);
  });
});

describe('snapshots', () => {
  const plants = { main: { format: 1, fields: { a: { $map: [['k', 1]] }, 'ä\n': null } }, 'ws-9': { list: [1, 'x'] } };

  test('come back as they were written, with the entry they are bound to', async () => {
    const dir = fresh();
    const journal = await journalIn(dir);
    await fill(journal, 5);
    expect(journal.snapshot()).toBeNull();
    await journal.writeSnapshot(plants, 4);
    expect(journal.snapshot()).toEqual({ seq: 4, plants });
    await journal.close();
    const again = await journalIn(dir);
    expect(again.snapshot()).toEqual({ seq: 4, plants });
    expect(again.notes).toEqual([]);
  });

  test('one of an entry that is under way waits for it; one of an entry that nobody appended is refused', async () => {
    const journal = await journalIn(fresh());
    const appended = journal.append(entry(1));
    await journal.writeSnapshot(plants, 1);
    expect(journal.lastSeq()).toBe(1);
    expect((await appended).kind).toBe('durable');
    await expect(journal.writeSnapshot(plants, 2)).rejects.toMatchObject({ kind: 'failed', place: 'entry 2' });
  });

  test('a damaged one is passed over with a note, and the one before it is used', async () => {
    const dir = fresh();
    const journal = await journalIn(dir);
    await fill(journal, 6);
    for (const seq of [2, 4, 6]) await journal.writeSnapshot({ main: { seq } }, seq);
    await journal.close();
    changed(join(dir, 'snapshot-6.json'), (o) => void o.writeUInt8((o[130] ?? 0) ^ 1, 130));
    const again = await journalIn(dir);
    expect(again.snapshot()).toEqual({ seq: 4, plants: { main: { seq: 4 } } });
    expect(again.notes.join()).toMatch(/snapshot-6\.json: octet \d+: its check sum is wrong; it is not used/);
    await again.close();
    changed(join(dir, 'snapshot-4.json'), (o) => o.subarray(0, 50));
    const third = await journalIn(dir);
    expect(third.snapshot()).toBeNull();
    expect(third.notes).toHaveLength(2);
  });

  test('the newest two are kept, and what a kill left half written is cleared away', async () => {
    const dir = fresh();
    const journal = await journalIn(dir);
    await fill(journal, 4);
    writeFileSync(join(dir, 'snapshot-9.json.new'), '{');
    for (const seq of [1, 2, 3, 4]) await journal.writeSnapshot({ main: { seq } }, seq);
    expect(readdirSync(dir).filter((name) => name.startsWith('snapshot'))).toEqual([
      'snapshot-3.json',
      'snapshot-4.json',
    ]);
  });

  test('one that cannot be written leaves nothing behind', async () => {
    const dir = fresh();
    const journal = await journalIn(dir);
    await fill(journal, 1);
    await expect(journal.writeSnapshot({ main: { n: Number.NaN } }, 1)).rejects.toThrow(/NaN/);
    expect(readdirSync(dir).filter((name) => name.startsWith('snapshot'))).toEqual([]);
    expect(journal.snapshot()).toBeNull();
  });

  test('those of another build and of another history are not used', async () => {
    const [dir, other] = [fresh(), fresh()];
    for (const [d, by] of [
      [dir, 'a'],
      [other, 'b'],
    ] as const) {
      const journal = await journalIn(d);
      await journal.append(entry(1, { origin: { workspaceId: null, actor: by, requestId: null } }));
      await journal.writeSnapshot({ main: { by } }, 1);
      await journal.close();
    }
    const newer = await journalIn(dir, { build: 'newer' });
    expect(newer.snapshot()).toBeNull();
    expect(newer.notes.join()).toMatch(/made by build test, this is newer/);
    await newer.close();
    cpSync(join(other, 'snapshot-1.json'), join(dir, 'snapshot-1.json'));
    const mixed = await journalIn(dir);
    expect(mixed.snapshot()).toBeNull();
    expect(mixed.notes.join()).toMatch(/not of this journal at entry 1/);
  });
});

function repliesIn(dir: string): number {
  const db = openForReading(databaseFile(dir));
  const [row] = rowsOf(db, 'SELECT count(*) FROM reply');
  db.close();
  return Number(row?.[0]);
}
