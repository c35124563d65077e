import { readFileSync } from 'node:fs';
import { describe, expect, it, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { readScenario } from '../../../scenarios/read.ts';
import { InputError, type InputProblem } from '../../../src/domain/errors.ts';
import { broken, SMALL_SCENARIO } from '../../helpers/scenarioText.ts';

const source = 'small.yaml';

function problemsOf(text: string): readonly InputProblem[] {
  try {
    readScenario({ text, source });
  } catch (error) {
    if (error instanceof InputError) return error.problems;
    throw error;
  }
  return [];
}

const wrongCase = z.strictObject({
  name: z.string(),
  text: z.string().optional(),
  from: z.string().optional(),
  to: z.string().optional(),
  problems: z.int(),
  place: z.string(),
  value: z.string(),
  expected: z.string(),
  didYouMean: z.string().optional(),
});
const wrong = z.array(wrongCase).parse(parse(readFileSync(new URL('./wrong.yaml', import.meta.url), 'utf8')));

describe('a wrong scenario is refused with its place, its value and what was expected', () => {
  it('in at least ninety ways, each of which has a name of its own', () => {
    expect(new Set(wrong.map((c) => c.name)).size).toBe(wrong.length);
    expect(wrong.length).toBeGreaterThanOrEqual(90);
  });

  test.each(wrong)('$name', ({ text, from = '', to = '', problems, place, value, expected, didYouMean }) => {
    const found = problemsOf(text ?? broken(from, to));
    expect(found[0]).toEqual({ source, place, value, expected, ...(didYouMean === undefined ? {} : { didYouMean }) });
    expect(found).toHaveLength(problems);
  });

  it('an empty fleet', () => {
    const from = SMALL_SCENARIO.indexOf('  homes:');
    const text = `${SMALL_SCENARIO.slice(0, from)}  homes: []\n${SMALL_SCENARIO.slice(SMALL_SCENARIO.indexOf('weather:'))}`;
    expect(problemsOf(text)[0]).toMatchObject({
      place: 'line 10, column 3 (fleet)',
      expected: 'at least one group of homes or one BESS site',
    });
  });
});

describe('a hostile file ends with a message', () => {
  const mega = 1024 * 1024;
  test.each([
    ['too long', '#'.repeat(mega + 1), 'at most 1048576 characters'],
    ['braces', '{'.repeat(mega), 'levels of nesting'],
    ['dashes', '- '.repeat(mega / 2), 'levels of nesting'],
    ['question marks', '? '.repeat(mega / 2), 'levels of nesting'],
    ['stairs', Array.from({ length: 1400 }, (_, i) => `${' '.repeat(i)}a:`).join('\n'), 'levels of nesting'],
    ['many fields', Array.from({ length: 80_000 }, (_, i) => `k${i}: 1`).join('\n'), 'the version of this format'],
    ['many values', `zones: [${'x,'.repeat(250_000)}]`, 'at most 200000 values'],
    ['many aliases', `a: [${'&a x,*a,'.repeat(100_000)}]`, 'at most 200000 values'],
  ])('%s', (_, text, expected) => {
    expect(problemsOf(text)[0]?.expected).toContain(expected);
  });

  it('says how many problems it does not show', () => {
    const homes = '    - { group: 1 }\n'.repeat(20);
    const found = problemsOf(broken('  homes:\n', `  homes:\n${homes}`));
    expect(found).toHaveLength(51);
    expect(found[50]?.value).toMatch(/^[0-9]+ more problems$/);
  });

  it('leaves the prototype of objects alone', () => {
    problemsOf(broken('seed: 7', 'seed: 7\n__proto__: { polluted: 1 }'));
    expect({}).not.toHaveProperty('polluted');
  });
});

describe('a right scenario', () => {
  const small = readScenario({ text: SMALL_SCENARIO, source });

  it('is read with its defaults filled in', () => {
    expect(small.controlPeriod).toBe('5min');
    expect(small.meterInterval).toBe('15min');
    expect(small.fleet.homes[0]).toMatchObject({ reservePct: 20, unitsPerHome: 1, stormGuard: true, enrolledShare: 1 });
    expect(small.market.realTime).toEqual({ kind: 'none' });
    expect(small.timeline[1]).toMatchObject({ status: 'Actual', messageType: 'Alert', replaces: [] });
    expect(small.expect[0]).toMatchObject({ severity: 'fail', baseline: 'counterfactual' });
  });

  test.each([
    ['CRLF', SMALL_SCENARIO.replaceAll('\n', '\r\n')],
    ['a byte order mark', `\uFEFF${SMALL_SCENARIO}`],
    ['JSON', JSON.stringify(parse(SMALL_SCENARIO))],
    ['JSON with indentation', JSON.stringify(parse(SMALL_SCENARIO), null, 2)],
  ])('may be written with %s', (_, text) => {
    expect(readScenario({ text, source })).toEqual(small);
  });

  it('may repeat a piece by an alias', () => {
    const text = broken('zones: [CAC071]\n      tags: [all]', 'zones: &z [CAC071]\n      tags: [all]').replace(
      'severity: Extreme, zones: [CAC071]',
      'severity: Extreme, zones: *z',
    );
    expect(readScenario({ text, source })).toEqual(small);
  });

  test.each([
    ['7', '7'],
    ['0x2a', '42'],
    ['"0x2a"', '42'],
    ['"0X2A"', '42'],
    ['"18446744073709551615"', '18446744073709551615'],
    ['0', '0'],
  ])('may write its seed as %s, which is %s', (written, seed) => {
    expect(readScenario({ text: broken('seed: 7', `seed: ${written}`), source }).seed).toBe(seed);
  });
});
