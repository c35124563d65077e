import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterAll } from 'vitest';
import { runVpp } from '../../harness/cli/entry.ts';
import type { CliIo } from '../../harness/cli/io.ts';

/** Command lines of `vpp`, run in this process with ends of their own, or as a process when the process is the point. */
export interface CliRun {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export const REPO = fileURLToPath(new URL('../..', import.meta.url));
/** Real data beside the repository; tests that need it are skipped without it. */
export const SHARED = resolve(REPO, '../shared/data');
const MAIN = join(REPO, 'harness/cli/main.ts');
const TSX = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;

export async function vpp(args: readonly string[], cwd: string, io: Partial<CliIo> = {}): Promise<CliRun> {
  const out: string[] = [];
  const err: string[] = [];
  const code = await runVpp(['node', 'vpp', ...args], {
    out: (text) => void out.push(text),
    err: (text) => void err.push(text),
    color: false,
    interactive: false,
    cwd,
    nowMs: () => 0,
    ...io,
  });
  return { code, out: out.join(''), err: err.join('') };
}

/** The words after `node` that run the command line in a process, from any folder. */
export const nodeWords = (args: readonly string[]): string[] => ['--import', TSX, MAIN, ...args];

/** The environment of a child: that of this process without what colours or configures output, and `env` on top. */
export function childEnv(env: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  const { NO_COLOR: _n, FORCE_COLOR: _f, NODE_OPTIONS: _o, VITEST: _v, ...rest } = process.env;
  return { ...rest, ...env };
}

export function vppProcess(args: readonly string[], cwd: string, env: Readonly<Record<string, string>> = {}): CliRun {
  const done = spawnSync(process.execPath, nodeWords(args), { cwd, env: childEnv(env), encoding: 'utf8' });
  return { code: done.status, out: done.stdout, err: done.stderr };
}

/** A folder that is gone after the tests of the file. */
export function tempFolder(): string {
  const dir = mkdtempSync(join(tmpdir(), 'vpp-test-'));
  afterAll(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

export const errorLines = (err: string): string[] => err.split('\n').filter((line) => line.startsWith('error: '));
