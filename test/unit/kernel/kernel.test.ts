import { describe, expect, test } from 'vitest';
import { Kernel, PENDING_MAX, PRIORITY_MAX } from '../../../harness/kernel/kernel.ts';
import { InvariantError } from '../../../src/domain/errors.ts';
import { PRIORITY } from '../../../src/ports/clock.ts';

/** Three timers, each set by the one before, as a machine with three delayed transitions has them. */
function chain(run: (kernel: Kernel) => void): string[] {
  const kernel = new Kernel({ startMs: 0 });
  const seen: string[] = [];
  const mark = (name: string): number => seen.push(`${name}@${kernel.nowMs()}`);
  kernel.at(100, () => {
    mark('b');
    kernel.at(kernel.nowMs() + 100, () => {
      mark('c');
      kernel.at(kernel.nowMs() + 100, () => mark('d'));
    });
  });
  run(kernel);
  return seen;
}

describe('virtual time', () => {
  test('chained timers fire at their own deadlines inside one run, however the run is cut', () => {
    const whole = chain((kernel) => kernel.run(1000));
    const inSteps = chain((kernel) => {
      for (let atMs = 100; atMs <= 1000; atMs += 100) kernel.run(atMs);
    });
    expect(whole).toEqual(['b@100', 'c@200', 'd@300']);
    expect(inSteps).toEqual(whole);
  });

  test('run includes its end, leaves later timers and stands at its end', () => {
    const kernel = new Kernel({ startMs: 0 });
    const seen: number[] = [];
    for (const atMs of [10, 11]) kernel.at(atMs, () => seen.push(atMs));
    kernel.run(10);
    expect([seen, kernel.nowMs(), kernel.pending()]).toEqual([[10], 10, 1]);
    kernel.run(500);
    expect([seen, kernel.nowMs(), kernel.pending()]).toEqual([[10, 11], 500, 0]);
  });

  test('at one instant the lower priority number goes first, then the earlier scheduled', () => {
    const kernel = new Kernel({ startMs: 0 });
    const seen: string[] = [];
    kernel.at(5, () => seen.push('core'), PRIORITY.core);
    kernel.at(5, () => seen.push('wire 1'), PRIORITY.wire);
    kernel.at(5, () => seen.push('wire 2'), PRIORITY.wire);
    kernel.at(5, () => seen.push('world'));
    kernel.at(5, () => seen.push('physics'), PRIORITY.physics);
    kernel.run(5);
    expect(seen).toEqual(['physics', 'world', 'wire 1', 'wire 2', 'core']);
  });

  test('a deadline in the past means now, after what is already due now', () => {
    const kernel = new Kernel({ startMs: 1000 });
    const seen: string[] = [];
    kernel.at(1000, () => {
      kernel.at(3, () => seen.push(`late@${kernel.nowMs()}`));
      seen.push('first');
    });
    kernel.at(1000, () => seen.push('second'));
    kernel.run(1000);
    expect(seen).toEqual(['first', 'second', 'late@1000']);
  });

  test('step runs one callback and says whether there was one', () => {
    const kernel = new Kernel({ startMs: 0 });
    let count = 0;
    kernel.at(7, () => {
      count += 1;
    });
    expect([kernel.step(), count, kernel.nowMs()]).toEqual([true, 1, 7]);
    expect([kernel.step(), count, kernel.nowMs()]).toEqual([false, 1, 7]);
  });
});

describe('cancelling', () => {
  test('a cancelled timer does not fire and is not pending', () => {
    const kernel = new Kernel({ startMs: 0 });
    const handle = kernel.at(10, () => expect.unreachable());
    kernel.cancel(handle);
    expect([kernel.pending(), kernel.nextMs()]).toEqual([0, null]);
    kernel.run(20);
  });

  test('no handle is 0, so that 0 may stand for no timer', () => {
    const kernel = new Kernel({ startMs: 0 });
    const handle = kernel.at(1, () => {});
    kernel.cancel(0);
    expect([handle > 0, kernel.pending()]).toEqual([true, 1]);
  });

  test('a spent handle does not cancel the timer that took its place', () => {
    const kernel = new Kernel({ startMs: 0 });
    let fired = 0;
    const spent = kernel.at(1, () => {});
    kernel.run(1);
    kernel.at(2, () => {
      fired += 1;
    });
    kernel.cancel(spent);
    kernel.cancel(spent);
    kernel.run(2);
    expect(fired).toBe(1);
  });

  test('set and cancelled a million times, as time-outs are, the queue holds no more than it must', () => {
    const kernel = new Kernel({ startMs: 0 });
    const seen: number[] = [];
    for (let i = 0; i < 10; i++) kernel.at(50_000 + i, () => seen.push(i));
    // Without the rebuild this needs more than PENDING_MAX entries.
    for (let i = 0; i < PENDING_MAX + 10; i++) kernel.cancel(kernel.at(40_000 + (i % 1000), () => {}));
    expect(kernel.pending()).toBe(10);
    kernel.run(60_000);
    expect(seen).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });
});

describe('bugs are named', () => {
  test('a loop of zero-delay timers stops with the instant it hangs at', () => {
    const kernel = new Kernel({ startMs: Date.UTC(2024, 6, 10), eventsAtInstantMax: 1000 });
    const loop = (): void => {
      kernel.at(kernel.nowMs(), loop);
    };
    kernel.at(kernel.nowMs() + 5, loop);
    expect(() => kernel.run(kernel.nowMs() + 10)).toThrow(
      /1000 callbacks ran at 2024-07-10T00:00:00\.005Z \(1720569600005 ms\).*zero-delay/,
    );
  });

  test('as many callbacks as the limit at one instant, and again at the next, are no loop', () => {
    const kernel = new Kernel({ startMs: 0, eventsAtInstantMax: 3 });
    let count = 0;
    for (const atMs of [1, 1, 1, 2, 2, 2]) kernel.at(atMs, () => count++);
    kernel.run(1);
    kernel.run(3);
    expect(count).toBe(6);
  });

  test('a limit counts over several runs to the same instant', () => {
    const kernel = new Kernel({ startMs: 0, eventsAtInstantMax: 3 });
    const again = (): void => {
      for (let i = 0; i < 2; i++) kernel.at(1, () => {});
      kernel.run(1);
    };
    again();
    expect(again).toThrow(InvariantError);
  });

  test.each([Number.NaN, Number.POSITIVE_INFINITY, 1.5])('a deadline of %s is refused', (atMs) => {
    expect(() => new Kernel({ startMs: 0 }).at(atMs, () => {})).toThrow(InvariantError);
  });

  test.each([-1, 0.5, PRIORITY_MAX + 1])('a priority of %s is refused', (priority) => {
    expect(() => new Kernel({ startMs: 0 }).at(1, () => {}, priority)).toThrow(InvariantError);
  });

  test('a callback that steps the kernel is refused, and the kernel can go on after the error', () => {
    const kernel = new Kernel({ startMs: 0 });
    let after = 0;
    kernel.at(1, () => kernel.run(5));
    kernel.at(2, () => {
      after = kernel.nowMs();
    });
    expect(() => kernel.run(3)).toThrow(/from inside/);
    kernel.run(3);
    expect(after).toBe(2);
  });

  test('running to a time before the clock is refused', () => {
    expect(() => new Kernel({ startMs: 10 }).run(9)).toThrow(InvariantError);
  });
});
