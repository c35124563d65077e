import { type ChildProcess, spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { describe, expect, test } from 'vitest';
import { markFile, readMark } from '../../src/live/journal/mark.ts';
import { verifyJournal } from '../../src/live/journal/verify.ts';
import { childEnv, tempFolder } from '../helpers/cli.ts';
import { entry } from '../unit/journal/entries.ts';
import { fill, journalIn } from '../unit/journal/journals.ts';

/** A process that appends, killed without warning: what it acknowledged is there, once, and the next one starts at once. */
const CHILD = fileURLToPath(new URL('journalChild.ts', import.meta.url));
const TSX = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;
const folder = tempFolder();

/** Acks of one life: id → seq, read until so many have come and then to the end of what was said. */
async function oneLife(dir: string, { from, acks }: { from: number; acks: number }): Promise<Map<number, number>> {
  const child: ChildProcess = spawn(process.execPath, ['--import', TSX, CHILD, dir, String(from)], {
    env: childEnv(),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const acked = new Map<number, number>();
  if (child.stdout === null) throw new Error('the child has no output');
  for await (const line of createInterface({ input: child.stdout })) {
    const [word, seq, id] = line.split(' ');
    expect(word === 'ack' || word === 'open').toBe(true);
    if (word === 'ack') acked.set(Number(id), Number(seq));
    if (acked.size === acks) child.kill('SIGKILL');
  }
  expect(acked.size).toBeGreaterThanOrEqual(acks);
  return acked;
}

describe('kill -9', () => {
  test('loses no acknowledged entry and doubles none, and the folder is free at once', async () => {
    const dir = join(folder, 'killed');
    const acked = new Map<number, number>();
    for (const [life, acks] of [40, 1, 300, 77, 500].entries()) {
      for (const [id, seq] of await oneLife(dir, { from: life * 100_000 + 1, acks })) acked.set(id, seq);
      const { damage, lastSeq } = verifyJournal(dir);
      expect(damage).toEqual([]);
      const journal = await journalIn(dir);
      expect(journal.lastSeq()).toBe(lastSeq);
      const ids = [...journal.read(1)].map((e) => e.atMs - entry(0).atMs);
      for (const [id, seq] of acked) expect(ids[seq - 1]).toBe(id);
      expect(new Set(ids).size).toBe(ids.length);
      await journal.close();
    }
    expect(acked.size).toBeGreaterThanOrEqual(918);
  }, 120_000);
});

describe('the high-water mark', () => {
  test('follows within a second of a commit, without a close', async () => {
    const dir = join(folder, 'marked');
    const journal = await journalIn(dir);
    expect(readMark(markFile(dir))?.seq).toBe(0);
    await fill(journal, 3);
    await expect.poll(() => readMark(markFile(dir))?.seq, { timeout: 5_000, interval: 20 }).toBe(3);
  });
});
