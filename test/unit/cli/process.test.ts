import { spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { template } from '../../../harness/cli/template.ts';
import { childEnv, nodeWords, tempFolder, vppProcess } from '../../helpers/cli.ts';

/** The command line as a process of its own: what only a real process can show. */
const BASH = '/bin/bash';

describe('vpp as a process', () => {
  const dir = tempFolder();
  beforeAll(() => {
    writeFileSync(join(dir, 'good.yaml'), template('good'));
    writeFileSync(join(dir, 'failing.yaml'), template('failing').replace('atLeastRatio: 0.8', 'atLeastKwh: 9999'));
    writeFileSync(join(dir, 'wrong.yaml'), 'version: 1\n');
  });

  test('exits with 0 after a run that passed, plain into a pipe, data and words kept apart', () => {
    const { code, out, err } = vppProcess(['run', 'good.yaml'], dir);
    expect(code, err).toBe(0);
    expect(out).not.toContain('\u001b[');
    expect(out).toContain('runs/good-1/report.html');
    expect(out).not.toContain('events of the kernel');
    expect(err).toContain('events of the kernel');
    expect(err).toContain('replay: npm run -s vpp -- run good.yaml --seed 1');
  });

  test('exits with 1 after a run that failed, in colour when FORCE_COLOR asks for it', () => {
    const { code, out } = vppProcess(['run', 'failing.yaml', '--quiet'], dir, { FORCE_COLOR: '1' });
    expect(code).toBe(1);
    expect(out).toContain('\u001b[');
  });

  test('has no colour with NO_COLOR, even against FORCE_COLOR', () => {
    const { out } = vppProcess(['run', 'good.yaml', '--quiet'], dir, { NO_COLOR: '1', FORCE_COLOR: '1' });
    expect(out).toContain('runs/good-1/report.html');
    expect(out).not.toContain('\u001b[');
  });

  test('exits with 2 for a wrong file', () => {
    const { code, out, err } = vppProcess(['run', 'wrong.yaml'], dir);
    expect([code, out]).toEqual([2, '']);
    expect(err).toMatch(/^error: wrong\.yaml: line 1, column 1/);
    expect(existsSync(join(dir, 'runs/wrong-1'))).toBe(false);
  });

  test.skipIf(!existsSync(BASH))(`takes a reader that closes early for no error (needs ${BASH})`, () => {
    const quoted = [process.execPath, ...nodeWords(['schema'])].map((word) => `'${word}'`).join(' ');
    const script = `${quoted} | head -1; echo "\${PIPESTATUS[0]}"`;
    const { stdout, stderr } = spawnSync(BASH, ['-c', script], { cwd: dir, env: childEnv(), encoding: 'utf8' });
    const lines = stdout.trim().split('\n');
    expect(stderr).toBe('');
    expect(lines).toHaveLength(2);
    expect(lines[1]).toBe('0');
  });
});
