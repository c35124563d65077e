import { expect, test } from 'vitest';
import { randomSource } from '../../../harness/kernel/random.ts';
import { InvariantError } from '../../../src/domain/errors.ts';

const draws = (seed: string, label: string, n = 5): number[] => {
  const stream = randomSource(seed)(label);
  return Array.from({ length: n }, () => stream.next());
};

test('one seed and label give one sequence; another seed or label gives another', () => {
  expect(draws('7', 'load/1')).toEqual(draws('7', 'load/1'));
  expect(draws('7', 'load/1')).not.toEqual(draws('8', 'load/1'));
  expect(draws('7', 'load/1')).not.toEqual(draws('7', 'load/2'));
});

test('asking for a label again goes on with the same stream', () => {
  const source = randomSource('7');
  const both = [source('x').next(), source('x').next()];
  expect(both).toEqual(draws('7', 'x', 2));
});

test('means and spreads are those asked for, within five standard errors of 20,000 draws', () => {
  const n = 20_000;
  const mean = (xs: readonly number[]): number => xs.reduce((a, b) => a + b, 0) / xs.length;
  const sample = (draw: (s: ReturnType<ReturnType<typeof randomSource>>) => number): number[] => {
    const stream = randomSource('moments')('m');
    return Array.from({ length: n }, () => draw(stream));
  };
  const within = (got: number, want: number, sd: number): void =>
    expect(Math.abs(got - want)).toBeLessThan((5 * sd) / Math.sqrt(n));
  within(mean(sample((s) => s.uniform(10, 20))), 15, 10 / Math.sqrt(12));
  within(mean(sample((s) => s.exponential(40))), 40, 40);
  within(mean(sample((s) => (s.chance(0.2) ? 1 : 0))), 0.2, 0.4);
  const normal = sample((s) => s.normal(-3, 2));
  within(mean(normal), -3, 2);
  within(mean(normal.map((x) => (x + 3) ** 2)), 4, 4 * Math.SQRT2);
});

test('an exponential draw is never negative, and with mean 0 always 0', () => {
  const stream = randomSource('e')('e');
  for (let i = 0; i < 1000; i++) {
    expect(stream.exponential(5)).toBeGreaterThanOrEqual(0);
    expect(Object.is(stream.exponential(0), 0)).toBe(true);
  }
});

test.each([
  [3, 2],
  [0.5, 2],
  [0, 2 ** 32],
])('a range of %s..%s that integers cannot be drawn from is refused', (min, max) => {
  expect(() => randomSource('s')('l').int(min, max)).toThrow(InvariantError);
});
