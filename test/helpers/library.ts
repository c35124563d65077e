import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type RunResult, simulate } from '../../harness/run.ts';
import { loadScenario } from '../../scenarios/library.ts';
import type { Scenario } from '../../scenarios/schema.ts';
import type { LogRecord } from '../../src/ports/records.ts';
import { REPO } from './cli.ts';

/** Scenarios of the library and their runs, with the log taken line by line as it would be written. */
export const libraryScenario = (name: string): Scenario =>
  loadScenario(name, (file) => readFileSync(join(REPO, 'scenarios/library', file), 'utf8'));

export interface LoggedRun {
  readonly result: RunResult;
  /** The records as they are read back from the lines. */
  readonly records: readonly LogRecord[];
  /** SHA-256 [hex] of the lines, made here. */
  readonly sha256: string;
}

export function runLogged(scenario: Scenario): LoggedRun {
  const lines: string[] = [];
  const result = simulate({ scenario, dataDir: REPO, onLine: (line) => void lines.push(line) });
  const records = lines.map((line) => JSON.parse(line) as LogRecord);
  const sha256 = createHash('sha256')
    .update(`${lines.join('\n')}\n`)
    .digest('hex');
  return { result, records, sha256 };
}
