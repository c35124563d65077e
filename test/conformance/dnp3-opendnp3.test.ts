import { existsSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { type Procedure, replay } from './dnp3-replay.ts';

const FILE = new URL('../../../shared/data/dnp3/opendnp3_conformance.jsonl.gz', import.meta.url).pathname;
const missing = !existsSync(FILE);

/** Procedures that do not pass, each with the reason; one that passes must be taken off. */
const NOT_YET: Readonly<Record<string, string>> = {};

const procedures: readonly Procedure[] = missing
  ? []
  : gunzipSync(readFileSync(FILE))
      .toString('utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Procedure);

describe('recorded certification procedures, octet by octet', () => {
  test.skipIf(missing)('shared/data/dnp3/opendnp3_conformance.jsonl.gz holds 70 procedures', () => {
    expect(procedures.length).toBe(70);
    const passed = procedures.filter((p) => !(p.id in NOT_YET)).length;
    console.info(`dnp3 procedures replayed octet by octet: ${passed} of ${procedures.length}`);
  });

  for (const p of procedures) {
    const reason = NOT_YET[p.id];
    if (reason === undefined) test(`${p.id} ${p.title}`, () => expect(replay(p)).toBeNull());
    else test(`${p.id} does not pass yet: ${reason}`, () => expect(replay(p)).not.toBeNull());
  }
});
