import { mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { canonicalJson } from '../../../src/domain/canonicalJson.ts';
import { GENESIS } from '../../../src/live/journal/chain.ts';
import { JournalReader } from '../../../src/live/journal/reader.ts';
import { databaseFile } from '../../../src/live/journal/recover.ts';
import { type GroupEntry, JournalWriter } from '../../../src/live/journal/writer.ts';
import { tempFolder } from '../../helpers/cli.ts';
import { entry, T0 } from './entries.ts';

const folder = tempFolder();
let count = 0;
function fresh(): { readonly file: string; readonly writer: JournalWriter } {
  const dir = join(folder, `w${count++}`);
  mkdirSync(dir);
  const file = databaseFile(dir);
  return { file, writer: new JournalWriter(file, { seq: 0, hash: GENESIS }) };
}

function grouped(n: number): GroupEntry {
  const { plantId, atMs, facts, origin, subjects, reply } = entry(n);
  return { plantId, atMs, body: canonicalJson({ facts, origin, subjects }), subjects, reply };
}

test('after a failed sync nothing is written any more, though the disk would take it', () => {
  const { writer } = fresh();
  expect(writer.write(T0, [grouped(1)])).toEqual({ kind: 'written', firstSeq: 1 });
  const trouble = { reason: 'failed' as const, why: 'a sync' };
  writer.giveUp(trouble);
  expect(writer.write(T0, [grouped(2)])).toEqual({ kind: 'refused', ...trouble });
  expect(writer.probe()).toEqual(trouble);
  expect(writer.checkpoint()).toEqual(trouble);
  writer.giveUp({ reason: 'full', why: 'another' });
  expect(writer.probe()).toEqual(trouble);
  expect(writer.last.seq).toBe(1);
});

test('after a full disk the next group and the next probe try again', () => {
  const { writer } = fresh();
  writer.giveUp({ reason: 'full', why: 'no room' });
  expect(writer.write(T0, [grouped(1)])).toEqual({ kind: 'written', firstSeq: 1 });
  writer.giveUp({ reason: 'full', why: 'no room' });
  expect(writer.probe()).toBeNull();
});

test('a group is written whole or not at all', () => {
  const { file, writer } = fresh();
  const bad = { ...grouped(2), atMs: 1.5 };
  expect(writer.write(T0, [grouped(1), bad])).toMatchObject({ kind: 'refused', reason: 'failed' });
  const reader = new JournalReader(file);
  expect([...reader.read(1)]).toEqual([]);
  expect([...reader.subjects()]).toEqual([]);
  reader.close();
});

test('the log stays short however much is written, also with somebody reading', () => {
  const { file, writer } = fresh();
  const reader = new JournalReader(file);
  let most = 0;
  for (let n = 1; n <= 2_000; n++) {
    writer.write(T0, [grouped(n)]);
    expect(writer.checkpointWhenLong()).toBeNull();
    if (n % 10 === 0) for (const _ of reader.read(n - 5)) break;
    most = Math.max(most, statSync(`${file}-wal`).size);
  }
  reader.close();
  expect(most).toBeGreaterThan(1_000_000);
  expect(most).toBeLessThan(8_000_000);
});
