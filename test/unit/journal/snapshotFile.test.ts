import { describe, expect, test } from 'vitest';
import { partsOf } from '../../../src/live/journal/snapshotFile.ts';

const HEAD = { seq: 7, hash: 'a'.repeat(64), build: '1' };
const textOf = (plants: Readonly<Record<string, unknown>>): string => [...partsOf(HEAD, plants)].join('');
const listOf = (count: number) => Array.from({ length: count }, (_, n) => [`cmd-${n}`, { n, text: 'x'.repeat(90) }]);
const plantOf = (count: number) => ({ lastMs: 5, state: { format: 1, fields: { commands: { $map: listOf(count) } } } });

describe('the text of a snapshot', () => {
  test('the lines are the head and the plants, whatever the length of their lists', () => {
    for (const count of [0, 1, 199, 200, 201, 400, 1_001]) {
      const plants = { main: plantOf(count), 'ws-1': plantOf(2), empty: {}, list: listOf(count) };
      const [head, text, rest] = textOf(plants).split('\n');
      expect(JSON.parse(head ?? '')).toEqual({ ...HEAD, format: 1 });
      expect(JSON.parse(text ?? '')).toEqual(plants);
      expect(rest).toBe('');
    }
  });

  test('no part is long, so that making it never stops the service for long', () => {
    const parts = [...partsOf(HEAD, { main: plantOf(20_000) })];
    expect(parts.join('').length).toBeGreaterThan(2_000_000);
    expect(Math.max(...parts.map((p) => p.length))).toBeLessThan(50_000);
  });
});
