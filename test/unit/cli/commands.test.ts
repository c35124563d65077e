import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { template } from '../../../harness/cli/template.ts';
import { LIBRARY } from '../../../scenarios/library.ts';
import { errorLines, tempFolder, vpp } from '../../helpers/cli.ts';

/** Each command on its own: what it prints, what it leaves, its exit code. */
const GOOD = template('good');
/** Asks for ten times the energy that the homes have: an expectation that cannot hold. */
const FAILING = template('failing').replace('atLeastRatio: 0.8', 'atLeastKwh: 9999');

function filesUnder(dir: string): string[] {
  const all = readdirSync(dir, { recursive: true, withFileTypes: true }).filter((f) => f.isFile());
  return all.map((f) => relative(dir, join(f.parentPath, f.name))).sort();
}

const sha256 = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex');
/** Every file by its hash; summary.json by its data, because the order of its keys is that of the records read. */
const contentsOf = (dir: string): Record<string, unknown> =>
  Object.fromEntries(
    filesUnder(dir).map((name) => {
      const path = join(dir, name);
      return [name, name === 'summary.json' ? JSON.parse(readFileSync(path, 'utf8')) : sha256(path)];
    }),
  );

describe('vpp list', () => {
  test('prints a line for each scenario of the library, name first', async () => {
    const { code, out, err } = await vpp(['list'], '/');
    expect({ code, err }).toEqual({ code: 0, err: '' });
    const names = out
      .trim()
      .split('\n')
      .map((line) => line.split(/\s{2,}/)[0]);
    expect(names).toEqual(LIBRARY.map((e) => e.name));
  });

  test('prints JSON and nothing else with --json', async () => {
    const { code, out, err } = await vpp(['--json', 'list'], '/');
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(JSON.parse(out)).toEqual(LIBRARY.map(({ name, title }) => ({ name, title })));
  });
});

describe('vpp check', () => {
  const dir = tempFolder();
  beforeAll(() => {
    writeFileSync(join(dir, 'good.yaml'), GOOD);
    writeFileSync(join(dir, 'wrong.yaml'), GOOD.replace('count: 20', 'count: 0').replace('pvKw', 'pvkw'));
  });

  test('says ok of every scenario of the library', async () => {
    const names = LIBRARY.map((e) => e.name);
    const { code, out } = await vpp(['check', ...names], '/');
    expect(code).toBe(0);
    expect(out.trim().split('\n')).toEqual(names.map((name) => `${name}: ok`));
  });

  test('goes on after a wrong file and tells all that is wrong', async () => {
    const { code, out, err } = await vpp(['check', 'wrong.yaml', 'gone.yaml', 'good.yaml'], dir);
    expect(code).toBe(2);
    expect(out).toBe('good.yaml: ok\n');
    expect(errorLines(err).map((line) => line.split(': ').slice(1, 3).join(': '))).toEqual([
      'wrong.yaml: line 14, column 14 (fleet.homes[0].count)',
      'wrong.yaml: line 19, column 7 (fleet.homes[0].pvkw)',
      'gone.yaml: whole file',
    ]);
  });

  test('prints the problems as data with --json, and nothing but that', async () => {
    const { code, out } = await vpp(['check', 'wrong.yaml', '--json'], dir);
    expect(code).toBe(2);
    const data = JSON.parse(out) as { ok: boolean; problems: { place: string; didYouMean?: string }[] };
    expect(data.ok).toBe(false);
    expect(data.problems.map((p) => p.didYouMean)).toEqual([undefined, 'pvKw']);
  });

  test('reads the input files too when it is told their folder', async () => {
    const text = GOOD.replace(/dayAhead: .*/, 'dayAhead: { kind: file, path: p.csv, node: DLAP_SCE-APND }');
    writeFileSync(join(dir, 'files.yaml'), text);
    expect((await vpp(['check', 'files.yaml'], dir)).code).toBe(0);
    const { code, err } = await vpp(['check', 'files.yaml', '--data', '.'], dir);
    expect(code).toBe(2);
    expect(errorLines(err)).toEqual([
      'error: p.csv: whole file: found no such file, expected a file that can be read.',
    ]);
  });
});

describe('vpp init', () => {
  const dir = tempFolder();

  test('writes a scenario that can be checked and run, and refuses to write over a file', async () => {
    const first = await vpp(['init', 'mine'], dir);
    expect([first.code, first.out]).toEqual([0, 'mine.yaml\n']);
    expect((await vpp(['check', 'mine.yaml'], dir)).code).toBe(0);
    writeFileSync(join(dir, 'mine.yaml'), 'my own work\n');
    const again = await vpp(['init', 'mine'], dir);
    expect(again.code).toBe(2);
    expect(errorLines(again.err)).toEqual([
      'error: mine.yaml: whole file: found a file of that name, expected a new name, or --force.',
    ]);
    expect(readFileSync(join(dir, 'mine.yaml'), 'utf8')).toBe('my own work\n');
  });

  test('writes over a file with --force', async () => {
    writeFileSync(join(dir, 'mine.yaml'), 'my own work\n');
    expect((await vpp(['init', 'mine', '--force'], dir)).code).toBe(0);
    expect(readFileSync(join(dir, 'mine.yaml'), 'utf8')).toBe(template('mine'));
  });

  test('refuses a name that cannot name a scenario', async () => {
    const { code, err } = await vpp(['init', '../mine'], dir);
    expect(code).toBe(2);
    expect(err).toContain("'../mine' is invalid");
    expect(readdirSync(dir)).toEqual(['mine.yaml']);
  });
});

describe('vpp run, replay and report', () => {
  const dir = tempFolder();
  const folder = join(dir, 'runs/good-1');
  let run: Awaited<ReturnType<typeof vpp>>;

  beforeAll(async () => {
    writeFileSync(join(dir, 'good.yaml'), GOOD);
    writeFileSync(join(dir, 'failing.yaml'), FAILING);
    run = await vpp(['run', 'good.yaml'], dir);
  }, 60_000);

  test('run exits with 0 when every expectation holds, and prints the seed and how to replay', () => {
    expect(run.code).toBe(0);
    expect(run.err).toContain('seed 1, replay: npm run -s vpp -- run good.yaml --seed 1\n');
    expect(run.out).toContain('report: runs/good-1/report.html');
    expect(run.out).toMatch(/2024-07-10 HE19 +[\d.]+ \$\/MWh +requested 40\.0 kWh, delivered [\d.]+ kWh/);
  });

  test('run leaves log, summary, report, charts, tables and what a replay needs', () => {
    const files = filesUnder(folder);
    for (const name of ['log.jsonl', 'summary.json', 'report.html', 'junit.xml', 'scenario.json', 'replay.json']) {
      expect(files).toContain(name);
      expect(statSync(join(folder, name)).size, name).toBeGreaterThan(50);
    }
    expect(files.filter((f) => f.startsWith('charts/') && f.endsWith('.png')).length).toBeGreaterThanOrEqual(3);
    const summary = JSON.parse(readFileSync(join(folder, 'summary.json'), 'utf8')) as { hash: string };
    expect(summary.hash).toBe(sha256(join(folder, 'log.jsonl')));
  });

  test('run exits with 1 when an expectation does not hold, and says which', async () => {
    const { code, out } = await vpp(['run', 'failing.yaml'], dir);
    expect(code).toBe(1);
    expect(out).toContain('≥ 9999 kWh');
  });

  test('run of two scenarios exits with 1 when one of them fails, whichever comes first', async () => {
    const { code, out } = await vpp(['run', 'failing.yaml', 'good.yaml', '--json', '--out', 'two'], dir);
    expect(code).toBe(1);
    const verdicts = JSON.parse(out) as { scenario: string; verdict: { passed: boolean } }[];
    expect(verdicts.map((v) => [v.scenario, v.verdict.passed])).toEqual([
      ['failing', false],
      ['good', true],
    ]);
  });

  test('run --quiet says nothing on standard error, and --json nothing but JSON on standard output', async () => {
    const { code, out, err } = await vpp(['run', 'good.yaml', '--json', '--quiet', '--out', 'quiet'], dir);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect((JSON.parse(out) as { seed: string }).seed).toBe('1');
  });

  test('run colours its table only when the output wants it', async () => {
    const plain = await vpp(['run', 'good.yaml', '--out', 'plain'], dir, { color: false });
    const coloured = await vpp(['run', 'good.yaml', '--out', 'coloured'], dir, { color: true });
    expect(plain.out).not.toContain('\u001b[');
    expect(coloured.out).toContain('\u001b[');
  });

  test('replay gives the same hash, says so and exits with 0', async () => {
    const { code, out } = await vpp(['replay', 'runs/good-1'], dir);
    expect(code).toBe(0);
    expect(out).toMatch(/ {2}the same\n$/);
    const data = await vpp(['replay', 'runs/good-1', '--json'], dir);
    expect(JSON.parse(data.out)).toMatchObject({ scenario: 'good', seed: '1', same: true });
  });

  test('replay notices one changed octet of the log, wherever it stands', async () => {
    const log = readFileSync(join(folder, 'log.jsonl'));
    for (const at of [0, Math.floor(log.length / 2), log.length - 1]) {
      const copy = join(dir, `changed-${at}`);
      cpSync(folder, copy, { recursive: true });
      const changed = Buffer.from(log);
      changed[at] = (changed[at] ?? 0) ^ 1;
      writeFileSync(join(copy, 'log.jsonl'), changed);
      const { code, out } = await vpp(['replay', `changed-${at}`], dir);
      expect([code, out.includes('NOT THE SAME')], `octet ${at}`).toEqual([1, true]);
    }
  });

  test('replay of a run that failed gives the same log and exits with 1', async () => {
    const { code, out } = await vpp(['replay', 'runs/failing-1'], dir);
    expect(code).toBe(1);
    expect(out).toMatch(/ {2}the same\n$/);
  });

  test('replay finds the price file of a run that was started in another folder', async () => {
    mkdirSync(join(dir, 'sub'));
    const rows = Array.from({ length: 24 }, (_, i) => `2024-07-10,${i + 1},N-1,${50 + i},40`);
    writeFileSync(join(dir, 'p.csv'), `opr_dt,opr_hr,node,dam_lmp_usd_mwh,rtm_lmp_mean_usd_mwh\n${rows.join('\n')}\n`);
    const made = await vpp(['run', 'good.yaml', '--prices', 'p.csv', '--node', 'N-1', '--out', 'priced'], dir);
    expect(made.code, made.err).toBe(0);
    expect(made.out).toContain('68.00 $/MWh');
    const { code, out } = await vpp(['replay', '../priced/good-1'], join(dir, 'sub'));
    expect([code, out.endsWith('  the same\n')]).toEqual([0, true]);
  });

  test('report makes the same files anew from the log alone', async () => {
    const before = contentsOf(folder);
    for (const name of ['report.html', 'summary.json', 'junit.xml']) rmSync(join(folder, name));
    for (const name of ['csv', 'charts']) rmSync(join(folder, name), { recursive: true });
    const { code, out } = await vpp(['report', 'runs/good-1'], dir);
    expect(code).toBe(0);
    expect(contentsOf(folder)).toEqual(before);
    expect(out.trim().split('\n')).toContain('runs/good-1/report.html');
  });

  test('report of a run that failed exits with 1', async () => {
    expect((await vpp(['report', 'runs/failing-1'], dir)).code).toBe(1);
  });

  test('replay and report say what is missing of a folder that is no run', async () => {
    mkdirSync(join(dir, 'empty'));
    for (const command of ['replay', 'report']) {
      const { code, err } = await vpp([command, 'empty'], dir);
      expect([command, code]).toEqual([command, 2]);
      expect(errorLines(err)).toHaveLength(1);
      expect(err).toContain('empty/');
    }
  });

  test('replay and report name the file and line of a run folder that was damaged', async () => {
    const copy = join(dir, 'damaged');
    cpSync(folder, copy, { recursive: true });
    writeFileSync(join(copy, 'log.jsonl'), `${readFileSync(join(folder, 'log.jsonl'), 'utf8').split('\n')[0]}\n{"at\n`);
    const log = await vpp(['report', 'damaged'], dir);
    expect([log.code, errorLines(log.err)]).toEqual([
      2,
      ['error: damaged/log.jsonl: line 2: found "{\\"at", expected a JSON record.'],
    ]);
    writeFileSync(join(copy, 'replay.json'), '{}\n');
    const replay = await vpp(['replay', 'damaged'], dir);
    expect(replay.code, replay.err).toBe(2);
    expect(errorLines(replay.err)[0]).toMatch(/^error: damaged\/replay\.json: /);
    renameSync(join(copy, 'scenario.json'), join(copy, 'gone.json'));
    expect(errorLines((await vpp(['report', 'damaged'], dir)).err)[0]).toMatch(/^error: damaged\/scenario\.json: /);
  });
});

describe('wrong usage', () => {
  const dir = tempFolder();

  test.each([
    { args: ['rnu'], says: "error: unknown command 'rnu'\n(Did you mean run?)" },
    { args: ['run', '--sed', '4', 'x'], says: "error: unknown option '--sed'\n(Did you mean --seed?)" },
    { args: ['run'], says: "error: missing required argument 'scenario'" },
    { args: ['run', 'x', '--seed'], says: "error: option '--seed <seed>' argument missing" },
    { args: ['list', 'more'], says: "error: too many arguments for 'list'" },
    { args: ['run', 'heat-wave-evenin'], says: 'Did you mean "heat-wave-evening"?' },
    { args: ['replay'], says: "error: missing required argument 'folder'" },
  ])('exits with 2 and says: $says', async ({ args, says }) => {
    const { code, out, err } = await vpp(args, dir);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toContain(says);
    expect(readdirSync(dir)).toEqual([]);
  });

  test('no command at all exits with 2 and lists the commands', async () => {
    const { code, err } = await vpp([], dir);
    expect(code).toBe(2);
    for (const command of ['run', 'list', 'check', 'replay', 'report', 'init']) expect(err).toContain(`  ${command} `);
  });

  test('--help and --version exit with 0 on standard output', async () => {
    const help = await vpp(['run', '--help'], dir);
    expect([help.code, help.err]).toEqual([0, '']);
    expect(help.out).toContain('--pcap');
    const version = await vpp(['--version'], dir);
    expect([version.code, /^\d+\.\d+\.\d+\n$/.test(version.out)]).toEqual([0, true]);
  });
});

describe('a bug', () => {
  test('exits with 3, says that it is one and shows where it happened', async () => {
    const dir = tempFolder();
    writeFileSync(join(dir, 'good.yaml'), GOOD);
    const nowMs = () => {
      throw new RangeError('a clock that broke');
    };
    const { code, err } = await vpp(['run', 'good.yaml'], dir, { nowMs });
    expect(code).toBe(3);
    expect(err).toContain('This is a bug of vpp-testbed, please report it');
    expect(err).toMatch(/RangeError: a clock that broke\n\s+at /);
    expect(errorLines(err)).toEqual([]);
  });
});

describe('the run folder', () => {
  test('is not made in the place of a folder that holds other things, and those stay', async () => {
    const dir = tempFolder();
    writeFileSync(join(dir, 'mine.yaml'), template('mine'));
    mkdirSync(join(dir, 'runs/mine-1'), { recursive: true });
    writeFileSync(join(dir, 'runs/mine-1/thesis.txt'), 'years of work');
    const { code, err } = await vpp(['run', 'mine.yaml', '--quiet'], dir);
    expect(code).toBe(2);
    expect(errorLines(err)).toEqual([
      expect.stringContaining('run folder: found other files, expected an empty folder, or one of an earlier run'),
    ]);
    expect(readFileSync(join(dir, 'runs/mine-1/thesis.txt'), 'utf8')).toBe('years of work');
    expect(filesUnder(join(dir, 'runs'))).toEqual(['mine-1/thesis.txt']);
  });
});
