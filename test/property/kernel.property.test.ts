import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Kernel } from '../../harness/kernel/kernel.ts';
import { randomSource } from '../../harness/kernel/random.ts';
import { canonicalJson } from '../../src/domain/canonicalJson.ts';

describe('virtual time', () => {
  test('cutting a run into pieces changes nothing', () => {
    const timers = fc.array(fc.tuple(fc.nat(100), fc.nat(30), fc.nat(4)), { maxLength: 30 });
    fc.assert(
      fc.property(timers, fc.array(fc.nat(20), { maxLength: 30 }), (set, pieces) => {
        const play = (cuts: readonly number[]): string[] => {
          const kernel = new Kernel({ startMs: 0 });
          const seen: string[] = [];
          set.forEach(([atMs, againMs, times], i) => {
            const fire = (left: number): void => {
              seen.push(`${i}@${kernel.nowMs()}`);
              if (left > 0) kernel.at(kernel.nowMs() + againMs, () => fire(left - 1));
            };
            kernel.at(atMs, () => fire(times));
          });
          for (const cut of cuts) kernel.run(kernel.nowMs() + cut);
          kernel.run(1000);
          return seen;
        };
        expect(play(pieces)).toEqual(play([]));
      }),
    );
  });
});

describe('random streams', () => {
  const label = fc.stringMatching(/^[a-z]{1,6}\/[0-9]{1,3}$/);

  test('adding labels, before or between draws, never shifts another stream', () => {
    fc.assert(
      fc.property(fc.string(), label, fc.array(fc.tuple(label, fc.nat(5)), { maxLength: 20 }), (seed, mine, others) => {
        const alone = randomSource(seed)(mine);
        const crowd = randomSource(seed);
        for (const [other, draws] of others) {
          if (other !== mine) for (let i = 0; i < draws; i++) crowd(other).normal(0, 1);
          expect(crowd(mine).next()).toBe(alone.next());
        }
        expect(crowd(mine).int(0, 1000)).toBe(alone.int(0, 1000));
      }),
    );
  });

  test('integers stay inside their bounds and reach both', () => {
    fc.assert(
      fc.property(fc.string(), fc.integer({ min: -1000, max: 1000 }), fc.nat(5), (seed, min, span) => {
        const stream = randomSource(seed)('dice');
        const seen = new Set(Array.from({ length: 300 }, () => stream.int(min, min + span)));
        expect([...seen].sort((a, b) => a - b)).toEqual(Array.from({ length: span + 1 }, (_, i) => min + i));
      }),
    );
  });
});

describe('canonical JSON', () => {
  test('the order in which keys were written does not change the line', () => {
    const flat = fc.array(fc.tuple(fc.string(), fc.jsonValue({ maxDepth: 2 })), { maxLength: 40 });
    fc.assert(
      fc.property(flat, fc.infiniteStream(fc.nat()), (entries, order) => {
        const unique = [...new Map(entries.filter(([key]) => key !== '__proto__'))];
        const shuffled = unique
          .map((entry) => ({ entry, rank: order.next().value as number }))
          .sort((a, b) => a.rank - b.rank)
          .map(({ entry }) => entry);
        const line = canonicalJson({ inner: Object.fromEntries(unique) });
        expect(canonicalJson({ inner: Object.fromEntries(shuffled) })).toBe(line);
        expect(canonicalJson({ inner: Object.fromEntries(unique.toReversed()) })).toBe(line);
      }),
    );
  });

  test('what is read back and written again is the same line', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const line = canonicalJson(value);
        expect(canonicalJson(JSON.parse(line))).toBe(line);
        expect(JSON.parse(line)).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });
});
