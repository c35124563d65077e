import { invariant } from '../domain/errors.ts';
import type { EpochMs } from '../domain/units.ts';
import { PRIORITY, type Scheduler, type TimerHandle } from '../ports/clock.ts';

/**
 * The machine's time for live sessions.
 *
 * Time starts at the wall clock when the process starts and then runs with the monotonic clock: a wall clock that is set
 * back would hold every deadline, one set forward would end all of them at once. So a process that runs for weeks drifts
 * from UTC by what its crystal does (some 10 ppm, 1 s a day [M]); who needs better restarts it or measures the offset.
 */
const ORIGIN_MS = performance.timeOrigin;
export const liveNowMs = (): EpochMs => Math.floor(ORIGIN_MS + performance.now());

/** Longest delay that setTimeout takes; a longer one would fire at once. */
export const TIMEOUT_MS_MAX = 2 ** 31 - 1;
export const PENDING_MAX = 100_000;

interface Entry {
  readonly handle: TimerHandle;
  readonly atMs: EpochMs;
  readonly priority: number;
  readonly fn: () => void;
}

const isBefore = (a: Entry, b: Entry): boolean =>
  a.atMs !== b.atMs ? a.atMs < b.atMs : a.priority !== b.priority ? a.priority < b.priority : a.handle < b.handle;

/**
 * A Scheduler on the machine's clock, for simulators that run live. Due callbacks run in the order (time, priority,
 * sequence). Unlike virtual time the clock does not stand at the deadline: a callback sees the time at which it runs.
 * At PENDING_MAX waiting callbacks `at` throws InvariantError: something sets timers in a loop.
 */
export class LiveScheduler implements Scheduler {
  /** Sorted, the next one last. */
  private readonly entries: Entry[] = [];
  private handles = 0;
  private timer: NodeJS.Timeout | null = null;
  private stopped = false;

  nowMs(): EpochMs {
    return liveNowMs();
  }

  at(atMs: EpochMs, fn: () => void, priority: number = PRIORITY.world): TimerHandle {
    invariant(this.entries.length < PENDING_MAX, `more than ${PENDING_MAX} timers wait`);
    this.handles += 1;
    const entry: Entry = { handle: this.handles, atMs, priority, fn };
    let low = 0;
    let high = this.entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const other = this.entries[middle];
      if (other !== undefined && isBefore(entry, other)) low = middle + 1;
      else high = middle;
    }
    this.entries.splice(low, 0, entry);
    if (low === this.entries.length - 1) this.arm();
    return entry.handle;
  }

  cancel(handle: TimerHandle): void {
    const found = this.entries.findIndex((e) => e.handle === handle);
    if (found >= 0) this.entries.splice(found, 1);
  }

  /** Forgets everything; nothing runs any more. */
  stop(): void {
    this.stopped = true;
    this.entries.length = 0;
    if (this.timer !== null) clearTimeout(this.timer);
  }

  private arm(): void {
    if (this.timer !== null) clearTimeout(this.timer);
    const next = this.entries.at(-1);
    this.timer = null;
    if (next === undefined || this.stopped) return;
    const waitMs = Math.min(Math.max(1, next.atMs - liveNowMs()), TIMEOUT_MS_MAX);
    this.timer = setTimeout(() => this.run(), waitMs);
  }

  /** Runs what is due now; what a callback sets for now waits for the next turn, so that sockets get theirs. */
  private run(): void {
    const nowMs = liveNowMs();
    const due: Entry[] = [];
    for (let next = this.entries.at(-1); next !== undefined && next.atMs <= nowMs; next = this.entries.at(-1)) {
      due.push(next);
      this.entries.pop();
    }
    for (const entry of due) entry.fn();
    this.arm();
  }
}
