/**
 * The kernel's speed: `pending` timers stand in the queue all the time, each callback sets its successor at a
 * pseudo-random distance, and every fourth one also sets and cancels another, as a reply cancels its time-out.
 */
import { Kernel } from './kernel.ts';

export interface KernelSpeed {
  readonly pending: number;
  readonly events: number;
  readonly wallMs: number;
  readonly eventsPerS: number;
}

/** @param wallMs  the machine's own clock [ms], e.g. performance.now */
export function measureKernel(options: { pending: number; events: number; wallMs: () => number }): KernelSpeed {
  const { pending, events, wallMs } = options;
  const kernel = new Kernel({ startMs: 0 });
  let state = 12345;
  const delayMs = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return 1 + (state >>> 16);
  };
  let left = events;
  const nothing = (): void => {};
  const tick = (): void => {
    if (left-- <= 0) return;
    const now = kernel.nowMs();
    kernel.at(now + delayMs(), tick, state & 3);
    if ((left & 3) === 0) kernel.cancel(kernel.at(now + 30_000, nothing));
  };
  for (let i = 0; i < pending; i++) kernel.at(delayMs(), tick);
  const startedMs = wallMs();
  while (left > 0) kernel.step();
  const tookMs = wallMs() - startedMs;
  return { pending, events, wallMs: tookMs, eventsPerS: Math.round((events / tookMs) * 1000) };
}
