import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type BadBench, http, openBadBench, type Row, standing } from './badInputBench.ts';
import { COMMAND_ROWS } from './badInputCommands.ts';
import { HTTP_ROWS } from './badInputHttp.ts';

const ROWS: readonly Row[] = [...COMMAND_ROWS, ...HTTP_ROWS];

describe('bad input is refused with its place, changes nothing, and the service goes on', () => {
  let b: BadBench;
  beforeAll(async () => {
    b = await openBadBench();
  });
  afterAll(() => b?.close());

  test.each(ROWS)('$n: $what', async ({ send, expected, names = '', changes }) => {
    await b.flows.clock.settle();
    const before = standing(b.host);
    const got = await send(b);
    expect(got.said, got.text).toBe(expected);
    expect(got.text).toContain(names);
    await b.flows.clock.settle();
    if (changes !== true) expect(standing(b.host), 'nothing has changed').toBe(before);
    const alive = await http(b, { method: 'GET', path: `/v1/devices/${b.ids.plain}` });
    expect(alive.said, 'the service still answers').toBe('200');
  });
});
