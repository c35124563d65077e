import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { expect } from 'vitest';
import { REPO } from './cli.ts';

/**
 * Small tables kept beside the tests. A table changes only because somebody looked at the difference and meant it:
 *
 *   VPP_GOLDEN=write npx vitest run test/golden      then: git diff test/golden
 *
 * Under CI nothing is ever written.
 */
const mayWrite = (): boolean => process.env.VPP_GOLDEN === 'write';

export function expectGolden(name: string, table: unknown): void {
  const path = join(REPO, 'test/golden', `${name}.json`);
  const shown = relative(REPO, path);
  const text = `${JSON.stringify(table, null, 2)}\n`;
  if (mayWrite()) {
    if ((process.env.CI ?? '') !== '') throw new Error(`${shown} is not written under CI: unset VPP_GOLDEN`);
    writeFileSync(path, text);
    return;
  }
  const how = `If it is meant: VPP_GOLDEN=write npx vitest run test/golden, then read git diff test/golden.`;
  expect(existsSync(path), `${shown} is missing. ${how}`).toBe(true);
  expect(text, `the run differs from ${shown}. ${how}`).toBe(readFileSync(path, 'utf8'));
}
