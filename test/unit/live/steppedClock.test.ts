import { describe, expect, test } from 'vitest';
import { SteppedClock } from '../../../src/live/steppedClock.ts';

const START_MS = Date.UTC(2024, 6, 10);
const frozen = (settleMs?: number): SteppedClock =>
  new SteppedClock({ startMs: START_MS, frozen: true, ...(settleMs === undefined ? {} : { settleMs }) });
const turns = async (n: number): Promise<void> => {
  for (let i = 0; i < n; i++) await new Promise<void>((done) => setImmediate(done));
};

describe('a frozen clock', () => {
  test('stands, and runs nothing by itself', async () => {
    const clock = frozen();
    let runs = 0;
    clock.at(START_MS, () => {
      runs += 1;
    });
    await turns(50);
    expect([clock.isFrozen(), clock.nowMs(), runs]).toEqual([true, START_MS, 0]);
  });

  test('stands at each deadline on the way, in the order of time, priority and setting', async () => {
    const clock = frozen();
    const ran: [string, number][] = [];
    const put = (name: string, inMs: number, priority?: number): number =>
      clock.at(START_MS + inMs, () => ran.push([name, clock.nowMs() - START_MS]), priority);
    put('day', 86_400_000);
    put('second', 1_000, 2);
    put('first', 1_000, 1);
    put('third', 1_000, 2);
    put('late', -5_000);
    clock.cancel(put('cancelled', 500));
    put('after', 86_400_001);
    await clock.advanceTo(START_MS + 86_400_000);
    expect(ran).toEqual([
      ['late', 0],
      ['first', 1_000],
      ['second', 1_000],
      ['third', 1_000],
      ['day', 86_400_000],
    ]);
    expect(clock.nowMs()).toBe(START_MS + 86_400_000);
  });

  test('lets what a callback sets for now take its place among what is still due', async () => {
    const clock = frozen();
    const ran: string[] = [];
    clock.at(
      START_MS + 1,
      () => {
        ran.push('wire');
        clock.at(clock.nowMs(), () => ran.push('physics'), 0);
      },
      3,
    );
    clock.at(START_MS + 1, () => ran.push('core'), 4);
    await clock.advanceTo(START_MS + 1);
    expect(ran).toEqual(['wire', 'physics', 'core']);
  });

  test('waits at each deadline for what is in flight, and for what follows from it', async () => {
    const clock = frozen();
    let inFlight = 0;
    const ran: string[] = [];
    clock.watch(() => inFlight, 'requests');
    const ask = (name: string, answered: () => void): void => {
      inFlight += 1;
      setTimeout(() => {
        ran.push(`${name} at ${clock.nowMs() - START_MS}`);
        answered();
        inFlight -= 1;
      }, 5);
    };
    clock.at(START_MS + 10, () => ask('answer', () => clock.at(START_MS + 20, () => ask('second answer', () => {}))));
    clock.at(START_MS + 30, () => ran.push('end'));
    await clock.advanceTo(START_MS + 30);
    expect(ran).toEqual(['answer at 10', 'second answer at 20', 'end']);
  });

  test('waits for something in flight that becomes visible a turn late', async () => {
    const clock = frozen();
    let inFlight = 0;
    let ended = false;
    clock.watch(() => inFlight, 'requests');
    clock.at(START_MS + 10, () => {
      const begin = (): void => {
        inFlight = 1;
        setTimeout(() => {
          ended = true;
          inFlight = 0;
        }, 5);
      };
      setImmediate(() => setImmediate(begin));
    });
    await clock.advanceTo(START_MS + 10);
    expect(ended).toBe(true);
  });

  test('says what never settled', async () => {
    const clock = frozen(20);
    const forget = clock.watch(() => 2, 'octets to the RTAC');
    clock.watch(() => 0, 'requests');
    await expect(clock.advanceTo(START_MS + 10)).rejects.toThrow(
      `the clock stands at ${START_MS}: after 20 ms still in flight: octets to the RTAC (2)`,
    );
    forget();
    await clock.advanceTo(START_MS + 10);
    expect(clock.nowMs()).toBe(START_MS + 10);
  });

  test('gives up on timers and answers that follow each other at one instant', async () => {
    const clock = frozen();
    const again = (): void => {
      setImmediate(() => clock.at(clock.nowMs(), again));
    };
    again();
    await expect(clock.advanceTo(START_MS + 10)).rejects.toThrow(/without an end/);
    clock.stop();
  });

  test('takes a hundred advances at once, and says when one more is too many', async () => {
    const clock = frozen();
    const advances = Array.from({ length: 99 }, () => clock.advanceTo(START_MS));
    expect(clock.canAdvance()).toBe(true);
    advances.push(clock.advanceTo(START_MS));
    expect(clock.canAdvance()).toBe(false);
    expect(() => clock.advanceTo(START_MS)).toThrow('more than 100 advances');
    await Promise.all(advances);
    expect(clock.canAdvance()).toBe(true);
  });

  test('advances one after the other what is asked for at once, and a time that is past is no step back', async () => {
    const clock = frozen();
    const ran: number[] = [];
    for (const inMs of [1_000, 2_000, 3_000]) clock.at(START_MS + inMs, () => ran.push(inMs));
    await Promise.all([
      clock.advanceTo(START_MS + 2_000).then(() => ran.push(-2_000)),
      clock.advanceTo(START_MS + 3_000).then(() => ran.push(-3_000)),
      clock.advanceTo(START_MS).then(() => ran.push(0)),
    ]);
    expect(ran).toEqual([1_000, 2_000, -2_000, 3_000, -3_000, 0]);
    expect(clock.nowMs()).toBe(START_MS + 3_000);
  });

  test('passes on what a callback throws, stands there, and goes on with the rest when it is asked again', async () => {
    const clock = frozen();
    let ran = false;
    clock.at(START_MS + 5, () => {
      throw new Error('broken');
    });
    clock.at(START_MS + 5, () => {
      ran = true;
    });
    await expect(clock.advanceTo(START_MS + 10)).rejects.toThrow('broken');
    expect([clock.nowMs(), ran]).toEqual([START_MS + 5, false]);
    await clock.advanceTo(START_MS + 10);
    expect(ran).toBe(true);
  });

  test('steps through a day of 100,000 timers in no more than some seconds', async () => {
    const clock = frozen();
    let ran = 0;
    for (let i = 0; i < 100; i++) {
      const again = (): void => {
        ran += 1;
        clock.at(clock.nowMs() + 86_400, again);
      };
      clock.at(START_MS + 86_400 + i, again);
    }
    await clock.advanceTo(START_MS + 86_400_000 + 100);
    expect(ran).toBe(100_000);
    clock.stop();
  });
});

describe('a clock that runs', () => {
  test('is whole milliseconds near the wall clock unless it is told a start', () => {
    const nowMs = new SteppedClock().nowMs();
    expect(Number.isInteger(nowMs)).toBe(true);
    expect(Math.abs(nowMs - Date.now())).toBeLessThan(1_000);
  });

  test('runs what is due in the order of time, priority and setting, never early, and not what was cancelled', async () => {
    const clock = new SteppedClock();
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

  test('lets a callback set the next one, gives sockets their turn between, and runs nothing after stop', async () => {
    const clock = new SteppedClock();
    let runs = 0;
    let turned = 0;
    await new Promise<void>((resolve) => {
      const again = (): void => {
        runs += 1;
        setImmediate(() => {
          turned += 1;
        });
        if (runs === 5) resolve();
        clock.at(clock.nowMs(), again);
      };
      again();
    });
    clock.stop();
    await turns(20);
    expect([runs, turned]).toEqual([5, 5]);
  });

  test('runs with an offset, and stands where it was frozen', async () => {
    const clock = new SteppedClock({ startMs: START_MS });
    const order: string[] = [];
    await new Promise<void>((done) => {
      clock.at(START_MS + 20, () => {
        order.push('second');
        done();
      });
      clock.at(START_MS + 10, () => order.push(clock.nowMs() >= START_MS + 10 ? 'first' : 'early'));
    });
    clock.freeze();
    const stoodMs = clock.nowMs();
    clock.at(stoodMs + 1, () => order.push('third'));
    await new Promise<void>((done) => setTimeout(done, 10));
    expect([clock.nowMs(), order]).toEqual([stoodMs, ['first', 'second']]);
    await new Promise<void>((done) => {
      clock.at(stoodMs + 2, () => done());
      clock.resume();
    });
    expect(order).toEqual(['first', 'second', 'third']);
    expect(clock.nowMs()).toBeGreaterThanOrEqual(stoodMs + 2);
    clock.stop();
  });

  test('that is advanced stands for it and runs on from there', async () => {
    const clock = new SteppedClock({ startMs: START_MS });
    let atMs = 0;
    clock.at(START_MS + 3_600_000, () => {
      atMs = clock.nowMs();
    });
    await clock.advanceTo(START_MS + 7_200_000);
    expect(atMs).toBe(START_MS + 3_600_000);
    expect(clock.isFrozen()).toBe(false);
    expect(clock.nowMs()).toBeGreaterThanOrEqual(START_MS + 7_200_000);
    await new Promise<void>((done) => void clock.at(clock.nowMs() + 2, () => done()));
    clock.stop();
  });

  test('that is advanced twice at once runs on after both, unless it was frozen meanwhile', async () => {
    const clock = new SteppedClock({ startMs: START_MS });
    await Promise.all([clock.advanceTo(START_MS + 3_600_000), clock.advanceTo(START_MS + 7_200_000)]);
    expect(clock.isFrozen()).toBe(false);
    const advanced = clock.advanceTo(START_MS + 10_800_000);
    clock.freeze();
    await advanced;
    expect([clock.isFrozen(), clock.nowMs()]).toEqual([true, START_MS + 10_800_000]);
    clock.stop();
  });

  test('keeps no process alive for a timer that was cancelled', () => {
    const clock = new SteppedClock();
    const handle = clock.at(clock.nowMs() + 3_600_000, () => {});
    const kept = process.getActiveResourcesInfo().filter((r) => r === 'Timeout').length;
    clock.cancel(handle);
    expect(process.getActiveResourcesInfo().filter((r) => r === 'Timeout').length).toBe(kept - 1);
  });
});
