import { describe, expect, test } from 'vitest';
import { NOT_YET, procedures, replay } from './dnp3-replay.ts';

const missing = procedures.length === 0;

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
