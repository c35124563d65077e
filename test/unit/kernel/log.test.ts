import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { RunLog } from '../../../harness/kernel/log.ts';
import { canonicalJson } from '../../../src/domain/canonicalJson.ts';
import { InvariantError } from '../../../src/domain/errors.ts';
import type { LogRecord } from '../../../src/ports/records.ts';

describe('canonical JSON', () => {
  test('keys are sorted at every depth, integer-like ones as text', () => {
    expect(canonicalJson({ b: 1, 10: 2, 9: { z: [], a: null }, a: true })).toBe(
      '{"10":2,"9":{"a":null,"z":[]},"a":true,"b":1}',
    );
  });

  test('many keys are sorted like few', () => {
    const keys = Array.from({ length: 50 }, (_, i) => `k${(i * 37) % 50}`);
    const line = canonicalJson(Object.fromEntries(keys.map((k) => [k, 0])));
    expect(Object.keys(JSON.parse(line))).toEqual([...keys].sort());
  });

  test('more shapes than are remembered are written like the few', () => {
    for (let i = 0; i < 12_000; i++) {
      const line = canonicalJson({ [`z${i}`]: 1, [`a${i}`]: 2 });
      if (line !== `{"a${i}":2,"z${i}":1}`) expect.unreachable(line);
    }
    expect(canonicalJson({ unseen: 1, before: 2 })).toBe('{"before":2,"unseen":1}');
  });

  test('minus zero is written 0, and a property that is undefined is left out', () => {
    expect(canonicalJson({ x: -0, list: [-0], gone: undefined })).toBe('{"list":[0],"x":0}');
  });

  test('text is escaped as JSON has it', () => {
    const text = 'quote " backslash \\ line\nfeed é \u2028 \ud800 \u0000';
    expect(canonicalJson([text])).toBe(JSON.stringify([text]));
    expect(canonicalJson({ [text]: 1 })).toBe(JSON.stringify({ [text]: 1 }));
  });

  test.each([
    ['NaN', { a: [{ b: Number.NaN }] }, /NaN at \.a\[0\]\.b/],
    ['Infinity', { a: Number.POSITIVE_INFINITY }, /Infinity at \.a/],
    ['undefined in a list', { a: [undefined] }, /undefined at \.a\[0\]/],
    ['undefined', undefined, /undefined at the top/],
    ['a typed array', { a: new Float64Array(2) }, /Float64Array at \.a/],
    ['a Map', { a: new Map() }, /Map at \.a/],
    ['a Date', new Date(0), /Date at the top/],
    ['a bigint', { a: 1n }, /1 at \.a/],
  ])('%s is refused with its place', (_name, value, message) => {
    expect(() => canonicalJson(value)).toThrow(message);
    expect(() => canonicalJson(value)).toThrow(InvariantError);
  });

  test('a circle is refused', () => {
    const circle: Record<string, unknown> = {};
    circle.self = circle;
    expect(() => canonicalJson(circle)).toThrow(/deeper than 64/);
  });
});

describe('the run log', () => {
  const record = (i: number): LogRecord => ({ atMs: i, kind: 'link', siteId: `home-${i} é`, up: i % 2 === 0 });

  test('its hash is the SHA-256 of the file that its lines make', () => {
    const lines: string[] = [];
    const log = new RunLog((line) => lines.push(line));
    for (let i = 0; i < 3000; i++) log.write(record(i));
    const file = lines.map((line) => `${line}\n`).join('');
    expect(file.length).toBeGreaterThan(65_536);
    expect(log.hash()).toBe(createHash('sha256').update(file, 'utf8').digest('hex'));
    expect([log.count, lines.length]).toEqual([3000, 3000]);
  });

  test('asking for the hash on the way does not change it', () => {
    const asked = new RunLog();
    const quiet = new RunLog();
    const seen = new Set<string>();
    for (let i = 0; i < 20; i++) {
      asked.write(record(i));
      quiet.write(record(i));
      seen.add(asked.hash());
    }
    expect(asked.hash()).toBe(quiet.hash());
    expect(seen.size).toBe(20);
  });

  test('a record that cannot be written is neither counted nor hashed', () => {
    const log = new RunLog();
    log.write(record(1));
    const before = log.hash();
    expect(() => log.write({ ...record(2), atMs: Number.NaN })).toThrow(InvariantError);
    expect([log.count, log.hash()]).toEqual([1, before]);
  });
});
