import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { launch, type Running } from '../../harness/rigs/processes.ts';

/** The README's own lines, run as they stand against the demo it tells to start. */
const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
const lines = /```sh\n(\. vpp-demo\/demo\.env\n[\s\S]*?)```/.exec(readme)?.[1] ?? '';
const has = (command: string): boolean => {
  try {
    execFileSync('sh', ['-c', `command -v ${command}`]);
    return true;
  } catch {
    return false;
  }
};

describe.skipIf(!has('curl'))('the curl lines of the README (needs curl)', () => {
  let folder = '';
  let demo: Running | null = null;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'vpp-readme-'));
    demo = await launch({ args: ['serve', '--demo', '--port', '0', '--data', join(folder, 'vpp-demo')] });
  }, 60_000);

  afterAll(async () => {
    demo?.kill('SIGTERM');
    await demo?.ended;
    rmSync(folder, { recursive: true });
  });

  test('connect a device, enrol it, send a grid-service command and show its end', () => {
    expect(lines).toContain('post commands');
    const out = execFileSync('bash', ['-eu', '-c', lines], { cwd: folder, encoding: 'utf8' });
    expect(out).toContain('"status":"approved"');
    expect(out).toMatch(
      /"status":"succeeded","reason":"effect_seen","detail":"wanted 1500 W; mean 1500 W over [34] samples"/,
    );
    expect(out).toContain('"command.ended"');
  }, 60_000);

  test('the demo ends in good order, and its journal is whole', async () => {
    demo?.kill('SIGTERM');
    expect(await demo?.ended).toBe(0);
    const args = ['--import', 'tsx', 'harness/cli/main.ts', 'verify-journal', join(folder, 'vpp-demo', 'journal')];
    const said = execFileSync(process.execPath, args, { encoding: 'utf8' });
    expect(said).toContain('entries');
  }, 60_000);
});
