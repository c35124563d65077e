import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { openJournal } from '../../src/live/journal/journal.ts';
import { asJournalError } from '../../src/live/journal/schema.ts';
import { verifyJournal } from '../../src/live/journal/verify.ts';
import { troubleOf } from '../../src/live/journal/writer.ts';
import { childEnv, tempFolder } from '../helpers/cli.ts';
import { entry, reply } from '../unit/journal/entries.ts';
import { fill, journalIn } from '../unit/journal/journals.ts';

/** What a failing disk does to the journal, on real file systems of this machine. */
const folder = tempFolder();
const mounted: string[] = [];
const run = (command: string, ...args: string[]): boolean => spawnSync(command, args).status === 0;

function mount(name: string, size: string): string {
  const dir = join(folder, name);
  mkdirSync(dir, { recursive: true });
  if (!run('mount', '-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', dir)) throw new Error(`cannot mount ${dir}`);
  mounted.push(dir);
  return dir;
}
function canMount(): boolean {
  const dir = join(folder, 'try');
  mkdirSync(dir);
  return run('mount', '-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', dir) && run('umount', dir);
}
const hasMount = canMount();
const hasStrace = run('strace', '-V');
afterAll(() => {
  for (const dir of mounted) run('umount', '-l', dir);
});

const RUNS_MAX = 20_000;

describe('a full disk', () => {
  test.skipIf(!hasMount)(
    'refuses what finds no room, goes on reading, and takes entries again by itself when there is room (needs the right to mount)',
    async () => {
      const disk = mount('full', '2m');
      const ballast = join(disk, 'ballast');
      writeFileSync(ballast, Buffer.alloc(800_000));
      const journal = await journalIn(join(disk, 'journal'), { highWaterDir: join(folder, 'full-mark') });
      let last = await journal.append(entry(1, { reply: reply('k1') }));
      let n = 1;
      while (last.kind === 'durable' && n < RUNS_MAX)
        last = await journal.append(entry(++n, { reply: reply(`k${n}`) }));
      expect(last).toMatchObject({ kind: 'refused', reason: 'full' });
      expect(journal.health()).toMatchObject({ kind: 'full', sinceMs: expect.any(Number) });
      const acked = n - 1;
      expect(acked).toBeGreaterThan(50);
      expect([...journal.read(1)]).toHaveLength(acked);
      expect(journal.replyOf('ws-1', `k${acked}`)).toEqual(reply(`k${acked}`));
      expect(journal.replyOf('ws-1', `k${n}`)).toBeNull();
      rmSync(ballast);
      await expect.poll(() => journal.health().kind, { timeout: 10_000, interval: 20 }).toBe('ok');
      expect(await journal.append(entry(n))).toEqual({ kind: 'durable', seq: acked + 1 });
      await journal.close();
      const checked = verifyJournal(join(disk, 'journal'), { highWaterDir: join(folder, 'full-mark') });
      expect(checked).toMatchObject({ entries: acked + 1, damage: [], notes: [] });
    },
  );

  test.skipIf(!hasMount)(
    'refuses at once all that waits behind the entry that found no room (needs the right to mount)',
    async () => {
      const disk = mount('queue', '1m');
      const journal = await journalIn(join(disk, 'journal'), { highWaterDir: join(folder, 'queue-mark') });
      const answers = await Promise.all(Array.from({ length: 5_000 }, (_, n) => journal.append(entry(n))));
      const kinds = answers.map((a) => a.kind);
      const first = kinds.indexOf('refused');
      expect(first).toBeGreaterThanOrEqual(0);
      expect(kinds.slice(first).every((k) => k === 'refused')).toBe(true);
      expect(journal.lastSeq()).toBe(first);
      expect([...journal.read(1)]).toHaveLength(first);
    },
  );

  test.skipIf(!hasMount)(
    'of the high-water mark counts as well: without it a cut tail would go unnoticed (needs the right to mount)',
    async () => {
      const disk = mount('mark', '64k');
      const ballast = join(disk, 'ballast');
      const journal = await journalIn(join(folder, 'marked'), { highWaterDir: disk });
      expect(run('dd', 'if=/dev/zero', `of=${ballast}`, 'bs=4096')).toBe(false);
      await fill(journal, 1);
      await expect.poll(() => journal.health().kind, { timeout: 10_000, interval: 20 }).toBe('full');
      expect(journal.health()).toMatchObject({ why: expect.stringMatching(/high-water mark .*ENOSPC/) });
      expect(await journal.append(entry(2))).toMatchObject({ kind: 'refused', reason: 'full' });
      rmSync(ballast);
      await expect.poll(() => journal.health().kind, { timeout: 10_000, interval: 20 }).toBe('ok');
      expect(await journal.append(entry(2))).toEqual({ kind: 'durable', seq: 2 });
    },
  );
});

describe('a disk that fails', () => {
  const CHILD = fileURLToPath(new URL('journalChild.ts', import.meta.url));
  const TSX = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;

  test.skipIf(!hasStrace).each([1, 2, 5, 30, 120, 400])(
    'a sync that fails (the %ith of a thread) ends all acknowledgement; what was acknowledged before is there, and nothing that was refused (needs strace)',
    async (when) => {
      const dir = join(folder, `eio-${when}`);
      await openJournal({ dir, build: 'child' }).then((journal) => journal.close());
      const inject = `inject=fsync,fdatasync:error=EIO:when=${when}`;
      const words = ['-f', '-qq', '-o', '/dev/null', '-e', 'trace=fsync,fdatasync', '-e', inject];
      const child = spawnSync('strace', [...words, process.execPath, '--import', TSX, CHILD, dir, '1', '2'], {
        env: childEnv(),
        encoding: 'utf8',
      });
      const lines = child.stdout.trimEnd().split('\n');
      const answers = lines.filter((line) => /^(ack|no) /.test(line));
      if (answers.length === 0) {
        // The sync failed while the journal was opened: it did not open.
        expect(child.stderr).toMatch(/JournalError: .*(EIO|disk I\/O error)/);
      } else {
        const first = answers.findIndex((line) => line.startsWith('no '));
        expect(answers.slice(first).every((line) => line.startsWith('no failed '))).toBe(true);
        expect(lines.at(-1)).toBe('health failed');
      }
      const acked = answers.filter((line) => line.startsWith('ack ')).map((line) => line.split(' ').map(Number));
      expect(verifyJournal(dir).damage).toEqual([]);
      const journal = await journalIn(dir);
      const ids = [...journal.read(1)].map((e) => e.atMs - entry(0).atMs);
      for (const [, seq = 0, id] of acked) expect(ids[seq - 1]).toBe(id);
      const refused = new Set(answers.flatMap((line) => (line.startsWith('no ') ? [Number(line.split(' ')[2])] : [])));
      expect(ids.filter((id) => refused.has(id))).toEqual([]);
      expect((await journal.append(entry(9))).kind).toBe('durable');
    },
    120_000,
  );

  test('the journal under a running service that is deleted is noticed', async () => {
    const dir = join(folder, 'deleted');
    const journal = await journalIn(dir);
    await fill(journal, 1);
    rmSync(dir, { recursive: true });
    await expect
      .poll(async () => (await journal.append(entry(2))).kind, { timeout: 10_000, interval: 50 })
      .toBe('refused');
    expect(journal.health()).toMatchObject({ kind: 'failed', why: expect.stringMatching(/is not there any more/) });
  });
});

describe('a folder that cannot be written', () => {
  test.skipIf(!hasMount)('is refused at the start, by its name (needs the right to mount)', async () => {
    const disk = mount('ro', '4m');
    const dir = join(disk, 'journal');
    const journal = await openJournal({ dir, build: 'test', highWaterDir: folder });
    await fill(journal, 3);
    await journal.close();
    const again = () => openJournal({ dir, build: 'test', highWaterDir: folder });
    run('umount', '-l', disk);
    mount('ro', '4m');
    expect(run('mount', '-o', 'remount,ro', disk)).toBe(true);
    await expect(again()).rejects.toMatchObject({ kind: 'read-only', message: expect.stringContaining(dir) });
  });

  test.each(['EROFS', 'EACCES', 'SQLITE_READONLY', 'SQLITE_CANTOPEN'])(
    'says so at the start for the error %s',
    (code) => {
      const found = asJournalError(Object.assign(new Error('e'), { code }), 'f');
      expect(found).toMatchObject({ kind: 'read-only', file: 'f' });
    },
  );

  test.each([
    ['SQLITE_READONLY', 'read-only'],
    ['SQLITE_READONLY_DBMOVED', 'read-only'],
    ['EROFS', 'read-only'],
    ['SQLITE_FULL', 'full'],
    ['ENOSPC', 'full'],
    ['SQLITE_IOERR_FSYNC', 'failed'],
    ['SQLITE_IOERR_WRITE', 'failed'],
    ['SQLITE_CORRUPT', 'failed'],
    ['EIO', 'failed'],
    ['', 'failed'],
  ])('the error %s means %s', (code, reason) => {
    expect(troubleOf(Object.assign(new Error('e'), { code })).reason).toBe(reason);
  });
});
