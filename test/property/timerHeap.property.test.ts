import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TimerHeap } from '../../src/live/timerHeap.ts';

const push = fc.record({ kind: fc.constant('push' as const), atMs: fc.nat(200), priority: fc.nat(2) });
const step = fc.oneof(
  push,
  fc.record({ kind: fc.constant('remove' as const), handle: fc.nat(120) }),
  fc.record({ kind: fc.constant('take' as const), byMs: fc.nat(250), newest: fc.nat(120) }),
);

describe('the heap of timers', () => {
  it('gives them in the order of time, priority and setting, whatever is removed between', () => {
    fc.assert(
      fc.property(
        fc.array(push, { minLength: 20, maxLength: 100, size: 'max' }),
        fc.array(step, { maxLength: 100 }),
        (before, then) => {
          const heap = new TimerHeap();
          let model: { handle: number; atMs: number; priority: number }[] = [];
          const fired: number[] = [];
          const first = () =>
            model.toSorted((a, b) => a.atMs - b.atMs || a.priority - b.priority || a.handle - b.handle)[0];
          for (const s of [...before, ...then]) {
            if (s.kind === 'push') {
              const handle = heap.push({ atMs: s.atMs, priority: s.priority, fn: () => void fired.push(handle) });
              model.push({ handle, atMs: s.atMs, priority: s.priority });
            } else if (s.kind === 'remove') {
              expect(heap.remove(s.handle)).toBe(model.some((t) => t.handle === s.handle));
              model = model.filter((t) => t.handle !== s.handle);
            } else {
              const next = first();
              const isDue = next !== undefined && next.atMs <= s.byMs && next.handle <= s.newest;
              const taken = heap.takeDue(s.byMs, s.newest);
              taken?.fn();
              expect(taken === undefined ? null : fired.at(-1)).toBe(isDue ? next.handle : null);
              if (isDue) model = model.filter((t) => t !== next);
            }
            expect(heap.size).toBe(model.length);
            expect(heap.peek()?.atMs).toBe(first()?.atMs);
          }
          for (let next = first(); next !== undefined; next = first()) {
            heap.takeDue(200)?.fn();
            expect(fired.at(-1)).toBe(next.handle);
            model = model.filter((t) => t !== next);
          }
        },
      ),
    );
  });
});
