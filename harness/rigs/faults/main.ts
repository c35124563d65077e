import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { CLOCK_GROUPS } from './clockRows.ts';
import { CLOUD_GROUPS } from './cloudRows.ts';
import { CORE_GROUPS } from './coreRows.ts';
import { DISK_GROUPS } from './diskRows.ts';
import { RECEIVER_GROUPS } from './receiverRows.ts';
import type { Group, Row, RowResult } from './row.ts';
import { SITE_GROUPS } from './siteRows.ts';

/**
 * The fault matrix: `npm run test:faults`. Prints a line for each row as it ends, then all of them; exit code 1 when one
 * failed. `--only words` runs the rows whose component or fault has these words; `--json file` leaves the table there.
 */
const GROUPS: readonly Group[] = [
  ...CLOUD_GROUPS,
  ...SITE_GROUPS,
  ...CORE_GROUPS,
  ...RECEIVER_GROUPS,
  ...CLOCK_GROUPS,
  ...DISK_GROUPS,
];
const AT_ONCE = 3;

const { values: flags } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    json: { type: 'string' },
    list: { type: 'boolean', default: false },
  },
});

const nameOf = ({ component, fault }: Pick<RowResult, 'component' | 'fault'>): string => `${component}: ${fault}`;
const isWanted = (row: Pick<Row<never>, 'component' | 'fault'>): boolean => nameOf(row).includes(flags.only);

function line(r: RowResult): string {
  return `${r.verdict}  ${r.seconds.toFixed(1).padStart(6)} s  ${nameOf(r).padEnd(70)}  ${r.words.replaceAll('\n', '\n        ')}`;
}

async function main(): Promise<number> {
  const beganMs = performance.now();
  const results: RowResult[] = [];
  const waiting = [...GROUPS];
  const lane = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const { name } = next;
      await next
        .run(isWanted, (result) => {
          results.push(result);
          console.error(line(result));
        })
        .catch((e: unknown) => console.error(`the bed of ${name} did not close: ${String(e)}`));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
  const count = (verdict: RowResult['verdict']): number => results.filter((r) => r.verdict === verdict).length;
  const summary = {
    rows: results.length,
    passed: count('PASS'),
    failed: count('FAIL'),
    skipped: count('SKIP'),
    seconds: Math.round((performance.now() - beganMs) / 1_000),
  };
  results.sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
  console.log(results.map(line).join('\n'));
  console.log(JSON.stringify(summary));
  if (flags.json !== undefined) writeFileSync(flags.json, `${JSON.stringify({ summary, rows: results }, null, 2)}\n`);
  return summary.failed > 0 || results.length === 0 ? 1 : 0;
}

if (flags.list)
  for (const { rows } of GROUPS) for (const row of rows) console.log(`${nameOf(row)} -> ${row.expectation}`);
else process.exitCode = await main();
