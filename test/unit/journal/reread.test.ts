import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { GENESIS } from '../../../src/live/journal/chain.ts';
import type { Mark } from '../../../src/live/journal/mark.ts';
import { databaseFile } from '../../../src/live/journal/recover.ts';
import { Reread } from '../../../src/live/journal/reread.ts';
import { JournalWriter } from '../../../src/live/journal/writer.ts';
import { sql } from './journals.ts';

const folder = mkdtempSync(join(tmpdir(), 'vpp-reread-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const ENTRIES = 300;
let count = 0;

/** A journal of so many entries, and where each ends. */
function made(): { readonly dir: string; readonly marks: readonly Mark[] } {
  const dir = join(folder, `r${count++}`);
  mkdirSync(dir);
  const writer = new JournalWriter(databaseFile(dir), { seq: 0, hash: GENESIS });
  const marks: Mark[] = [];
  for (let n = 1; n <= ENTRIES; n++) {
    const body = `{"facts":[],"n":${n},"origin":{},"subjects":[]}`;
    writer.write(n, [{ plantId: 'main', atMs: n, body, subjects: [], reply: null }]);
    marks.push(writer.last);
  }
  writer.close();
  return { dir, marks };
}

let good: ReturnType<typeof made>;
beforeAll(() => {
  good = made();
});

const markAt = (seq: number): Mark => good.marks[seq - 1] ?? { seq: 0, hash: GENESIS };

/** Steps until it ends. */
function readOut(dir: string, to: Mark) {
  const reread = new Reread(databaseFile(dir), to);
  let steps = 1;
  let found = reread.step();
  for (; found === 'more'; steps += 1) found = reread.step();
  reread.close();
  return { found, steps };
}

test('what is as it was written is read to the end, a piece at a time, and no further than asked', () => {
  expect(readOut(good.dir, markAt(ENTRIES))).toEqual({ found: 'done', steps: 5 });
  expect(readOut(good.dir, markAt(64))).toEqual({ found: 'done', steps: 2 });
  expect(readOut(good.dir, markAt(0))).toEqual({ found: 'done', steps: 1 });
});

test.each([
  ['a changed entry', `UPDATE entry SET body = replace(body, '"n":200', '"n":201') WHERE seq = 200`, 200, /check sum/],
  ['an entry left out', 'DELETE FROM entry WHERE seq = 3', 3, /entry 3 is missing, 4 stands here/],
  ['an end that is gone', 'DELETE FROM entry WHERE seq > 128', 129, /the entries end here/],
])('%s is named with its place', (_what, statement, seq, says) => {
  const { dir, marks } = made();
  sql(dir, statement);
  const { found } = readOut(dir, marks.at(-1) ?? markAt(0));
  expect(found).toEqual({ file: databaseFile(dir), place: `entry ${seq}`, what: expect.stringMatching(says) });
});

test('a chain that is whole and ends in another history than the snapshot is damage', () => {
  const { found } = readOut(good.dir, { seq: 100, hash: 'f'.repeat(64) });
  expect(found).toMatchObject({ place: 'entry 101', what: expect.stringMatching(/another history/) });
});
