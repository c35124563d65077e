import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/**
 * Real processes of the command line, for what cannot be shown in one: kill -9, a stopped process, a second instance. A
 * command prints one JSON line when it is ready.
 *
 * Started from source, a process measures the compiler too; what is measured runs from the build (`npm run build`), as it
 * does for whoever runs a service. VPP_RIG_BUILD names another build's entry.
 */
const SOURCE = fileURLToPath(new URL('../cli/main.ts', import.meta.url));
const BUILD = process.env.VPP_RIG_BUILD ?? fileURLToPath(new URL('../../dist/harness/cli/main.js', import.meta.url));
const entryOf = (built: boolean): string[] => (built ? [BUILD] : ['--import', 'tsx', SOURCE]);
const LINES_KEPT = 200;

export interface Running {
  readonly pid: number;
  /** Its first line on standard output. */
  readonly ready: Readonly<Record<string, unknown>>;
  /** From the start of the process to that line [ms]. */
  readonly readyMs: number;
  kill(signal: NodeJS.Signals): void;
  /** Exit code, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>;
  /** The last words on standard error. */
  words(): string;
}

export interface LaunchOptions {
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly readyMsMax?: number;
  /** From the build; default: from source. */
  readonly built?: boolean;
  /** Words in front, like a tracer with its options. */
  readonly under?: readonly string[];
  /** For Node, like those of its profiler. */
  readonly nodeFlags?: readonly string[];
}

/** Starts `vpp …` and waits until it is ready. @throws Error with its words when it ends first or takes too long */
export async function launch({
  args,
  env,
  built = false,
  readyMsMax = 30_000,
  under = [],
  nodeFlags = [],
}: LaunchOptions): Promise<Running> {
  const startMs = performance.now();
  const [command = process.execPath, ...rest] = [...under, process.execPath, ...nodeFlags, ...entryOf(built), ...args];
  const child = spawn(command, rest, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } });
  const errors: string[] = [];
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors.push(text);
    if (errors.length > LINES_KEPT) errors.shift();
  });
  const words = (): string => errors.join('');
  const ended = endOf(child);
  const line = await firstLine(child, { ended, readyMsMax, words, name: args.join(' ') });
  const { pid } = child;
  if (pid === undefined) throw new Error(`${args.join(' ')}: no process`);
  return {
    pid,
    ready: JSON.parse(line) as Record<string, unknown>,
    readyMs: performance.now() - startMs,
    kill: (signal) => void child.kill(signal),
    ended,
    words,
  };
}

/** Runs a command of the build to its end. */
export async function runToEnd(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const child = spawn(process.execPath, [...entryOf(true), ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  });
  let out = '';
  let err = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text;
  });
  return { code: await endOf(child), out, err };
}

const endOf = (child: ChildProcess): Promise<number | NodeJS.Signals> =>
  new Promise((done) => child.once('close', (code, signal) => done(code ?? signal ?? -1)));

function firstLine(
  child: ChildProcess,
  at: {
    readonly ended: Promise<number | NodeJS.Signals>;
    readonly readyMsMax: number;
    readonly words: () => string;
    readonly name: string;
  },
): Promise<string> {
  return new Promise((done, fail) => {
    let out = '';
    const limit = setTimeout(() => {
      child.kill('SIGKILL');
      fail(new Error(`vpp ${at.name}: not ready after ${at.readyMsMax} ms\n${at.words()}`));
    }, at.readyMsMax);
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      if (out.includes('\n')) return;
      out += text;
      const end = out.indexOf('\n');
      if (end < 0) return;
      clearTimeout(limit);
      done(out.slice(0, end));
    });
    void at.ended.then((how) => {
      clearTimeout(limit);
      fail(new Error(`vpp ${at.name}: ended with ${how} before it was ready\n${at.words()}`));
    });
  });
}

/** Resident memory [octets] and open descriptors of a process, from /proc. */
export function vitals(pid: number): { readonly rss: number; readonly descriptors: number; readonly cpuS: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const kb = Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? 0);
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  const TICKS_PER_S = 100;
  const cpuS = (Number(stat[11] ?? 0) + Number(stat[12] ?? 0)) / TICKS_PER_S;
  return { rss: kb * 1024, descriptors: readdirSync(`/proc/${pid}/fd`).length, cpuS };
}
