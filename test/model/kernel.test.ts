import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Kernel } from '../../harness/kernel/kernel.ts';
import type { Scheduler } from '../../src/ports/clock.ts';

/** The oracle: all timers in one list, sorted anew for each callback. */
class SortedList implements Scheduler {
  #now: number;
  #sequence = 0;
  #timers: { id: number; at: number; priority: number; fn: () => void }[] = [];
  constructor(startMs: number) {
    this.#now = startMs;
  }
  nowMs(): number {
    return this.#now;
  }
  pending(): number {
    return this.#timers.length;
  }
  at(atMs: number, fn: () => void, priority = 2): number {
    const id = this.#sequence++;
    this.#timers.push({ id, at: Math.max(atMs, this.#now), priority, fn });
    return id;
  }
  cancel(handle: number): void {
    this.#timers = this.#timers.filter((t) => t.id !== handle);
  }
  step(untilMs: number): boolean {
    this.#timers.sort((a, b) => a.at - b.at || a.priority - b.priority || a.id - b.id);
    const next = this.#timers[0];
    if (next === undefined || next.at > untilMs) return false;
    this.#timers.shift();
    this.#now = next.at;
    next.fn();
    return true;
  }
  run(untilMs: number): void {
    while (this.step(untilMs));
    this.#now = untilMs;
  }
}

interface Timer {
  readonly delayMs: number;
  readonly priority: number;
  /** What the callback sets and cancels in its turn. */
  readonly actions: readonly Action[];
}
type Action = { readonly kind: 'set'; readonly timer: Timer } | { readonly kind: 'cancel'; readonly which: number };
type Step = Action | { readonly kind: 'run'; readonly forMs: number } | { readonly kind: 'step' };

const { action } = fc.letrec<{ action: Action; timer: Timer }>((tie) => ({
  action: fc.oneof(
    { depthSize: 'max', maxDepth: 4 },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('cancel' as const), which: fc.nat(60) }) },
    { weight: 5, arbitrary: fc.record({ kind: fc.constant('set' as const), timer: tie('timer') }) },
  ),
  timer: fc.record({
    delayMs: fc.integer({ min: -3, max: 12 }),
    priority: fc.integer({ min: 0, max: 5 }),
    actions: fc.array(tie('action'), { maxLength: 3 }),
  }),
}));
const script: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: action },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('run' as const), forMs: fc.nat(15) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('step' as const) }) },
  ),
  { maxLength: 80, size: 'max' },
);

type World = Scheduler & { pending(): number; run(untilMs: number): void; stepOnce(): boolean };

/** Plays the script and writes down everything that can be seen from outside. */
function play(world: World, steps: readonly Step[]): string[] {
  const seen: string[] = [];
  const handles: number[] = [];
  const act = (a: Action): void => {
    if (a.kind === 'cancel') {
      const handle = handles[a.which % Math.max(1, handles.length)];
      if (handle !== undefined) world.cancel(handle);
      return;
    }
    const name = handles.length;
    const fire = (): void => {
      seen.push(`#${name}@${world.nowMs()}`);
      a.timer.actions.forEach(act);
    };
    handles.push(world.at(world.nowMs() + a.timer.delayMs, fire, a.timer.priority));
  };
  for (const step of steps) {
    if (step.kind === 'run') world.run(world.nowMs() + step.forMs);
    else if (step.kind === 'step') seen.push(`stepped ${world.stepOnce()}`);
    else act(step);
    seen.push(`now ${world.nowMs()} pending ${world.pending()}`);
  }
  return seen;
}

test('the kernel does what a naive sorted list does, for any script of set, cancel, run and step', () => {
  let callbacks = 0;
  fc.assert(
    fc.property(script, (steps) => {
      const kernel = new Kernel({ startMs: 1000 });
      const list = new SortedList(1000);
      const got = play(Object.assign(kernel, { stepOnce: () => kernel.step() }), steps);
      const want = play(Object.assign(list, { stepOnce: () => list.step(Number.POSITIVE_INFINITY) }), steps);
      callbacks += got.filter((line) => line.startsWith('#')).length;
      expect(got).toEqual(want);
    }),
    { numRuns: 300 },
  );
  expect(callbacks).toBeGreaterThan(1000);
});

test('thousands of timers with mass cancelling come out in the order of a sort', () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat(500), { minLength: 9000, maxLength: 12_000 }),
      fc.integer({ min: 2, max: 5 }),
      (delays, keepEvery) => {
        const kernel = new Kernel({ startMs: 0 });
        const seen: number[] = [];
        const handles = delays.map((delayMs, i) => kernel.at(delayMs, () => seen.push(i), i % 3));
        handles.forEach((handle, i) => {
          if (i % keepEvery !== 0) kernel.cancel(handle);
        });
        kernel.run(500);
        const want = delays.map((delayMs, i) => ({ delayMs, i })).filter(({ i }) => i % keepEvery === 0);
        want.sort((a, b) => a.delayMs - b.delayMs || (a.i % 3) - (b.i % 3) || a.i - b.i);
        expect(seen).toEqual(want.map(({ i }) => i));
      },
    ),
    { numRuns: 5 },
  );
});
