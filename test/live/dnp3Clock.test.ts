import { describe, expect, test } from 'vitest';
import { LiveScheduler, liveNowMs } from '../../src/live/dnp3Clock.ts';

describe("the machine's clock as a scheduler", () => {
  test('is whole milliseconds near the wall clock', () => {
    expect(Number.isInteger(liveNowMs())).toBe(true);
    expect(Math.abs(liveNowMs() - Date.now())).toBeLessThan(1_000);
  });

  test('runs what is due in the order of time, priority and setting, never early, and not what was cancelled', async () => {
    const clock = new LiveScheduler();
    const beganMs = clock.nowMs();
    const order: string[] = [];
    await new Promise<void>((resolve) => {
      const put = (name: string, inMs: number, priority?: number): number =>
        clock.at(
          beganMs + inMs,
          () => {
            if (clock.nowMs() < beganMs + inMs) order.push(`${name} early`);
            order.push(name);
            if (name === 'last') resolve();
          },
          priority,
        );
      put('last', 40);
      put('later', 20, 5);
      put('second', 10, 2);
      put('first', 10, 1);
      put('third', 10, 2);
      clock.cancel(put('cancelled', 15));
      put('past', -1_000);
    });
    expect(order).toEqual(['past', 'first', 'second', 'third', 'later', 'last']);
  });

  test('a callback may set the next one, and nothing runs after stop', async () => {
    const clock = new LiveScheduler();
    let runs = 0;
    await new Promise<void>((resolve) => {
      const again = (): void => {
        runs += 1;
        if (runs === 5) resolve();
        clock.at(clock.nowMs(), again);
      };
      again();
    });
    clock.stop();
    await new Promise<void>((resolve) => setTimeout(resolve, 20));
    expect(runs).toBe(5);
  });
});
