import { fsyncSync, mkdtempSync, openSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { makeFolder } from '../../../src/live/journal/folder.ts';

/** What is synced is not to be seen afterwards: the calls are looked at. */
vi.mock('node:fs', async (original) => {
  const fs = await original<typeof import('node:fs')>();
  return { ...fs, openSync: vi.fn(fs.openSync), fsyncSync: vi.fn(fs.fsyncSync) };
});

const root = mkdtempSync(join(tmpdir(), 'vpp-folder-'));
afterEach(() => rmSync(root, { recursive: true, force: true }));

test('each folder that is made has its name synced in the one above it', () => {
  makeFolder(root);
  expect(fsyncSync).toHaveBeenCalledTimes(0);
  const dir = join(root, 'a', 'b', 'c');
  makeFolder(dir, 0o700);
  expect(statSync(dir).mode & 0o777).toBe(0o700);
  expect(vi.mocked(openSync).mock.calls.map(([path]) => path)).toEqual([dirname(dir), dirname(dirname(dir)), root]);
  expect(fsyncSync).toHaveBeenCalledTimes(3);
});
