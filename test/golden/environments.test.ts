import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { template } from '../../harness/cli/template.ts';
import { simulate } from '../../harness/run.ts';
import { readScenario } from '../../scenarios/read.ts';
import { childEnv, nodeWords, tempFolder } from '../helpers/cli.ts';

/**
 * One scenario and one seed give one log, whatever the machine thinks of time zones, languages and folders. Each run is
 * a process of its own, because a process reads its time zone and locale once.
 */
interface Surroundings {
  readonly zone: string;
  readonly locale: string;
  readonly folder: 'a' | 'b';
}

const ZONES = ['UTC', 'America/Los_Angeles', 'Asia/Kolkata'];
const LOCALES = ['C', 'de_DE.UTF-8'];
const SIX: readonly Surroundings[] = ZONES.flatMap((zone) =>
  LOCALES.map((locale) => ({ zone, locale, folder: 'a' }) as const),
);
const ELSEWHERE: Surroundings = { zone: 'Asia/Kolkata', locale: 'de_DE.UTF-8', folder: 'b' };
const TEXT = template('environments');
/** Processes at a time. */
const AT_ONCE = 2;

const dir = tempFolder();
const cwdOf = (s: Surroundings): string => join(dir, s.folder);
const envOf = (s: Surroundings) => childEnv({ TZ: s.zone, LANG: s.locale, LC_ALL: s.locale });
const label = (s: Surroundings): string => `${s.zone}, ${s.locale}, folder ${s.folder}`;

interface Found {
  readonly hash: string;
  readonly sha256OfFile: string;
}

function run(s: Surroundings, index: number, seed: string): Promise<Found> {
  const out = join(dir, `out-${index}`);
  const words = nodeWords(['run', join(dir, 'environments.yaml'), '--seed', seed, '--out', out, '--json', '--quiet']);
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, words, { cwd: cwdOf(s), env: envOf(s), stdio: ['ignore', 'pipe', 'pipe'] });
    let text = '';
    let words2 = '';
    child.stdout.on('data', (d) => (text += d));
    child.stderr.on('data', (d) => (words2 += d));
    child.on('error', reject);
    child.on('close', (code) => {
      if (code !== 0) return reject(new Error(`exit code ${code} with ${label(s)}: ${words2}`));
      const { hash } = JSON.parse(text) as { hash: string };
      const log = readFileSync(join(out, `environments-${seed}`, 'log.jsonl'));
      resolve({ hash, sha256OfFile: createHash('sha256').update(log).digest('hex') });
    });
  });
}

async function runAll(jobs: readonly { readonly s: Surroundings; readonly seed: string }[]): Promise<Found[]> {
  const found: Found[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let i = next++; i < jobs.length; i = next++) {
      const job = jobs[i];
      if (job !== undefined) found[i] = await run(job.s, i, job.seed);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return found;
}

describe('a scenario with its seed', () => {
  let found: Found[] = [];

  beforeAll(async () => {
    writeFileSync(join(dir, 'environments.yaml'), TEXT);
    for (const folder of ['a', 'b']) mkdirSync(join(dir, folder));
    const here = SIX.map((s) => ({ s, seed: '1' }));
    found = await runAll([...here, { s: ELSEWHERE, seed: '1' }, { s: ELSEWHERE, seed: '2' }]);
  }, 120_000);

  test('is run in surroundings that do differ: each child sees its own time zone and language', () => {
    const look = 'const o = new Date(0); console.log(o.getHours(), o.toString(), (1234.5).toLocaleString())';
    const seen = SIX.map((s) => spawnSync(process.execPath, ['-e', look], { env: envOf(s), encoding: 'utf8' }).stdout);
    expect(new Set(seen).size).toBe(SIX.length);
  });

  test('has one log hash in three time zones, two languages and two working folders', () => {
    const names = [...SIX, ELSEWHERE].map(label);
    const hashes = names.map((name, i) => `${name}: ${found[i]?.hash}`);
    expect(hashes).toEqual(names.map((name) => `${name}: ${found[0]?.hash}`));
    expect(found[0]?.hash).toMatch(/^[0-9a-f]{64}$/);
  });

  test('has that hash in this process too', () => {
    const scenario = readScenario({ text: TEXT, source: 'environments.yaml' });
    expect(simulate({ scenario, dataDir: dir }).hash).toBe(found[0]?.hash);
  });

  test('has the hash that sha256sum prints of its log.jsonl', () => {
    expect(found.map((f) => f.sha256OfFile)).toEqual(found.map((f) => f.hash));
  });

  test('has another hash with another seed', () => {
    expect(found).toHaveLength(SIX.length + 2);
    expect(found.at(-1)?.hash).not.toBe(found[0]?.hash);
  });
});
