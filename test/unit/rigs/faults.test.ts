import { describe, expect, test } from 'vitest';
import { type Bend, failWith, only } from '../../../harness/rigs/faults/cloud.ts';
import { group, must, type Row, type RowResult, Skipped, until } from '../../../harness/rigs/faults/row.ts';
import { slopeMbPerMin } from '../../../harness/rigs/soak/verdict.ts';

const row = (fault: string, run: () => Promise<string>): Row<null> => ({
  component: 'core',
  fault,
  expectation: 'as it says',
  run,
});

async function resultsOf(rows: readonly Row<null>[], open: () => Promise<null> = async () => null) {
  const results: RowResult[] = [];
  await group('g', open, async () => {}, rows).run(
    () => true,
    (r) => void results.push(r),
  );
  return results.map(({ fault, verdict, words }) => ({ fault, verdict, words }));
}

describe('the fault matrix', () => {
  test('a row passes with its figures, fails with what was not so, and is skipped with what is missing', async () => {
    const rows = [
      row('a', async () => '3 of 3'),
      row('b', async () => {
        must(false, 'two at the cloud');
        return '';
      }),
      row('c', async () => {
        throw new Skipped('strace is not there');
      }),
    ];
    expect(await resultsOf(rows)).toEqual([
      { fault: 'a', verdict: 'PASS', words: '3 of 3' },
      { fault: 'b', verdict: 'FAIL', words: 'two at the cloud' },
      { fault: 'c', verdict: 'SKIP', words: 'strace is not there' },
    ]);
  });

  test('an error that nobody expected is a failure, and the rows after it still run', async () => {
    const rows = [
      row('a', async () => {
        throw new TypeError('no such thing');
      }),
      row('b', async () => ''),
    ];
    const results = await resultsOf(rows);
    expect(results.map((r) => r.verdict)).toEqual(['FAIL', 'PASS']);
    expect(results[0]?.words).toContain('no such thing');
  });

  test('a bed that does not open fails its rows', async () => {
    const rows = [row('a', async () => ''), row('b', async () => '')];
    const results = await resultsOf(rows, async () => {
      throw new Error('no port');
    });
    expect(results.map((r) => r.verdict)).toEqual(['FAIL', 'FAIL']);
  });

  test('what is waited for in vain is told with what was seen last', async () => {
    const wait = until(
      'it follows',
      0,
      () => null,
      () => 'safe',
    );
    await expect(wait).rejects.toThrow('not within 0 s: it follows; last seen: safe');
  });

  test('a bend for controls leaves reads alone', () => {
    const bend: Bend = only('control', failWith(503));
    const request = { method: 'GET', path: '/', headers: {}, body: '' } as const;
    const answer = () => ({ status: 200, headers: {}, body: '' });
    const to = {} as Parameters<Bend>[2];
    expect(bend({ atMs: 0, target: 'read', request }, answer, to)).toBeNull();
    expect(bend({ atMs: 0, target: 'control', request }, answer, to)).toMatchObject({ status: 503 });
  });
});

describe('the slope of memory', () => {
  const at = (ms: number, mb: number) => ({ ms, rss: mb * 1e6 });

  test('is that of the line through the samples', () => {
    expect(slopeMbPerMin([at(0, 100), at(30_000, 101), at(60_000, 102)])).toBeCloseTo(2, 9);
    expect(slopeMbPerMin([at(0, 100), at(30_000, 160), at(60_000, 100)])).toBeCloseTo(0, 9);
  });

  test('is 0 where there is nothing to draw a line through', () => {
    expect(slopeMbPerMin([])).toBe(0);
    expect(slopeMbPerMin([at(5, 1), at(5, 2)])).toBe(0);
  });
});
