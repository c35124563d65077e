import type { EpochMs } from '../domain/units.ts';

/**
 * Time as the simulated world sees it. The kernel implements it: callbacks run at their deadline, in the total order
 * (time, priority, sequence of scheduling), and the clock stands at the deadline while they run.
 */
export type TimerHandle = number;

export interface Scheduler {
  nowMs(): EpochMs;
  /** Runs `fn` at `atMs` (or now, if that is past). Lower priority numbers run first among equal times. */
  at(atMs: EpochMs, fn: () => void, priority?: number): TimerHandle;
  cancel(handle: TimerHandle): void;
}

/** Who goes first at one instant: the world moves, then it is measured, then messages arrive, then the core decides. */
export const PRIORITY = { physics: 0, meter: 1, world: 2, wire: 3, core: 4, check: 5 } as const;
