import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { profilePoints } from '../../harness/cli/dnp3Profile.ts';
import type { CliIo } from '../../harness/cli/io.ts';
import { buildProgram, isUsageError, type Outcome } from '../../harness/cli/program.ts';
import { InputError } from '../../src/domain/errors.ts';

/** `vpp dnp3 outstation` in a process of its own, `vpp dnp3 master` in this one against it. */
const ROOT = join(import.meta.dirname, '../..');

interface Line {
  readonly type: string;
  readonly index?: number;
  readonly value?: number;
  readonly flags?: readonly string[];
  readonly source?: string;
  readonly outcome?: string;
  readonly why?: string;
  readonly polls?: number;
}

async function vpp(...words: string[]): Promise<{ code: number; lines: Line[]; err: string }> {
  let out = '';
  let err = '';
  const io: CliIo = {
    out: (text) => {
      out += text;
    },
    err: (text) => {
      err += text;
    },
    color: false,
    interactive: false,
    cwd: ROOT,
    nowMs: () => 0,
  };
  const outcome: Outcome = { code: 0 };
  try {
    await buildProgram(io, outcome).parseAsync(['node', 'vpp', 'dnp3', ...words]);
  } catch (e) {
    if (!isUsageError(e) && !(e instanceof InputError)) throw e;
    return { code: 2, lines: [], err: `${err}${e.message}` };
  }
  const lines = out.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as Line]));
  return { code: outcome.code, lines, err };
}

/** Starts an outstation and gives it back once it printed its address. */
async function outstation(...words: string[]): Promise<{ child: ChildProcess; port: string; first: string }> {
  const args = ['--import', 'tsx', 'harness/cli/main.ts', 'dnp3', 'outstation', '--port', '0', ...words];
  const child = spawn(process.execPath, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] });
  const first = await new Promise<string>((resolve, reject) => {
    let text = '';
    child.stdout.on('data', (octets: Buffer) => {
      text += octets.toString();
      if (text.includes('\n')) resolve(text.split('\n')[0] ?? '');
    });
    let words = '';
    child.stderr.on('data', (octets: Buffer) => {
      words += octets.toString();
    });
    child.once('exit', (code) => reject(new Error(`ended with ${code}: ${words}`)));
  });
  return { child, first, port: String((JSON.parse(first) as { port: number }).port) };
}

const endOf = (child: ChildProcess, signal: NodeJS.Signals): Promise<number | null> =>
  new Promise((resolve) => {
    child.once('exit', (code) => resolve(code));
    child.kill(signal);
  });

describe('vpp dnp3 master and outstation', () => {
  let served: Awaited<ReturnType<typeof outstation>>;
  beforeAll(async () => {
    served = await outstation('--points', '10', '--seed', '7');
  });
  afterAll(async () => {
    expect(await endOf(served.child, 'SIGTERM')).toBe(0);
  });

  test('the outstation prints where it listens as one JSON line', () => {
    expect(JSON.parse(served.first)).toEqual({
      host: '127.0.0.1',
      port: expect.any(Number),
      tls: false,
      local: 10,
      remote: 1,
      points: 14,
    });
  });

  test('--integrity prints each point, one JSON line a value', async () => {
    const { code, lines } = await vpp('master', '--port', served.port, '--integrity');
    expect(code).toBe(0);
    const statics = lines.filter((l) => l.source === 'static');
    expect(statics.map((l) => `${l.type}${l.index}`)).toEqual([
      'BI0',
      ...Array.from({ length: 10 }, (_, i) => `AI${i}`),
      'CTR0',
      'BOS0',
      'AOS0',
    ]);
    expect(statics[0]).toMatchObject({ value: expect.any(Number), flags: ['online'], time: null });
  });

  test('reads, controls, sets the clock, restarts and measures in one go', async () => {
    const { code, lines } = await vpp(
      ...['master', '--port', served.port, '--read', 'g30v5:2-4', '--sbo', '0=on', '--analog', '0=-12.5'],
      ...['--time-sync', 'non-lan', '--restart', 'warm', '--bench', '0.1'],
    );
    expect(code).toBe(0);
    expect(lines.map((l) => l.outcome ?? `${l.type}${l.index ?? ''}`)).toEqual([
      'done',
      'AI2',
      'AI3',
      'AI4',
      'operated',
      'operated',
      'done',
      'bench',
    ]);
    expect(lines.at(-1)?.polls).toBeGreaterThan(0);
    const after = await vpp('master', '--port', served.port, '--read', 'g40v0', '--read', 'g10v0');
    expect(after.lines.map((l) => [l.type, l.value])).toEqual([
      ['AOS', -12.5],
      ['BOS', 1],
    ]);
  });

  test('a control without select is taken with --direct', async () => {
    const { code, lines } = await vpp('master', '--port', served.port, '--sbo', '0=off', '--direct');
    expect([code, lines[0]?.outcome]).toEqual([0, 'operated']);
  });

  test('--listen prints what comes unasked and ends in time', async () => {
    const { code, lines } = await vpp('master', '--port', served.port, '--listen', '1.2');
    expect(code).toBe(0);
    expect(lines.length).toBeGreaterThan(0);
    expect(new Set(lines.map((l) => l.source))).toEqual(new Set(['unsolicited']));
  });

  test('what the outstation refuses ends with 1 and the name of the status, and what would follow is left', async () => {
    const { code, lines } = await vpp('master', '--port', served.port, '--sbo', '9=on', '--analog', '0=5');
    expect(code).toBe(1);
    expect(lines).toEqual([
      expect.objectContaining({ outcome: 'refused', why: expect.stringContaining('notSupported (status 4)') }),
    ]);
  });

  test('a capture of what passed is left where --pcap says', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'dnp3-cli-'));
    const path = join(dir, 'a.pcap');
    await vpp('master', '--port', served.port, '--integrity', '--pcap', path);
    expect(readFileSync(path).includes(Buffer.from([0x05, 0x64]))).toBe(true);
    rmSync(dir, { recursive: true });
  });

  test('nobody there, or somebody of another address: 4', async () => {
    const nobody = await vpp('master', '--port', '1', '--timeout', '0.3');
    expect([nobody.code, nobody.err]).toEqual([
      4,
      expect.stringContaining('no answer within 0.3 s: connect ECONNREFUSED'),
    ]);
    const other = await vpp('master', '--port', served.port, '--remote', '11', '--timeout', '0.3');
    expect(other.code).toBe(4);
  });
});

describe('vpp dnp3 outstation', () => {
  test('the battery behind an RTAC is what it serves by itself; an interrupt ends it with 130', async () => {
    const { child, port } = await outstation();
    const { code, lines } = await vpp('master', '--port', port, '--sbo', '23=on', '--analog', '146=99999999');
    expect(code).toBe(1);
    expect(lines.map((l) => l.outcome)).toEqual(['operated', 'refused']);
    expect(lines[1]?.why).toContain('outOfRange');
    expect(await endOf(child, 'SIGINT')).toBe(130);
  });
});

describe('options of vpp dnp3 that cannot be', () => {
  test.each([
    [['master', '--port', '0'], /a port, a whole number from 1 to 65535/],
    [['master', '--remote', '65520'], /a DNP3 address, a whole number from 0 to 65519/],
    [['master', '--read', 'g30v5:9-0'], /an object like g30v5/],
    [['master', '--read', 'AI3'], /an object like g30v5/],
    [['master', '--sbo', '3=onn'], /<index>=<on\|off\|pulse\|close\|trip>/],
    [['master', '--analog', '3=x'], /<index>=<number>/],
    [['master', '--time-sync', 'wan'], /Allowed choices are lan, non-lan/],
    [['master', '--timeout', '0'], /seconds above 0/],
    [['outstation', '--points', '0'], /points, a whole number from 1 to 10000/],
    [['outstation', '--deadband', '1'], /--deadband: found 1, expected --points or --profile/],
    [['outstation', '--points', '1', '--profile', 'x'], /found both, expected one of them/],
    [['outstation', '--profile', 'none.yaml'], /none\.yaml: the file: found ENOENT/],
    [['master', '--tls-cert', 'x'], /only --tls-cert, expected --tls-cert, --tls-key and --tls-ca together/],
    [['mastr'], /unknown command 'mastr'/],
  ])('%j', async (words, message) => {
    const { code, err } = await vpp(...words);
    expect(code).toBe(2);
    expect(err).toMatch(message);
  });
});

describe('a profile of points', () => {
  test('names points one by one or in runs', () => {
    const text =
      'points:\n  - { kind: AI, from: 3, to: 5, class: 2, staticVariation: 5, deadband: 0.5, value: 7, walk: 1 }\n  - { kind: BOS, from: 9 }\n';
    expect(profilePoints(text, 'p.yaml')).toEqual([
      ...[3, 4, 5].map((index) => ({
        kind: 'AI',
        index,
        eventClass: 2,
        staticVariation: 5,
        deadband: 0.5,
        value: 7,
        walk: 1,
      })),
      { kind: 'BOS', index: 9, eventClass: 0, value: 0, walk: 0 },
    ]);
  });

  test.each([
    ['points:\n  - { kind: AJ, from: 0 }\n', /p\.yaml: points\[0\]\.kind, line 2: found "AJ".*Did you mean "AI"\?/],
    ['points:\n  - { kind: AI, form: 0, from: 1 }\n', /line 2: found "form".*Did you mean "from"\?/],
    ['points:\n  - { kind: AI, from: 70000 }\n', /points\[0\]\.from, line 2: found 70000/],
    ['points:\n  - { kind: AI, from: 5, to: 3 }\n', /points\[0\], line 2: found from 5 to 3/],
    ['points:\n  - { kind: AI, from: 5, staticVariation: 9 }\n', /found g30v9, expected a variation that exists/],
    ['points: []\n', /points, line 1: found \[\]/],
    ['points: [\n', /line \d+, column \d+: found .*expected YAML/],
  ])('%j', (text, message) => {
    expect(() => profilePoints(text, 'p.yaml')).toThrow(message);
  });
});
