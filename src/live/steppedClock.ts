import { InvariantError, invariant } from '../domain/errors.ts';
import type { EpochMs } from '../domain/units.ts';
import { PRIORITY, type Scheduler, type TimerHandle } from '../ports/clock.ts';
import { liveNowMs, TIMEOUT_MS_MAX } from './liveClock.ts';
import { TimerHeap } from './timerHeap.ts';

/**
 * Time for what runs on real sockets: the machine's own, or time that is stepped by hand.
 *
 *   wall ──freeze──> frozen ──advanceTo(ms)──> frozen, later      frozen ──resume──> wall, with an offset
 *
 * wall     runs with the machine's monotonic clock plus an offset. Due callbacks run in the order (time, priority,
 *          sequence); a callback sees the time at which it runs, and what it sets for now waits for the next turn, so that
 *          sockets get theirs.
 * frozen   stands. advanceTo stands at each deadline on the way, runs what is due, waits until everything in flight has
 *          settled (requests, commits, octets on the loopback) and only then goes on, so that a day passes in seconds and
 *          every answer is in when the next timer runs: the order of events is that of virtual time.
 *
 * In flight is what the probes count. Settled means that all of them are 0 and stay 0 over QUIET_TURNS turns of the event
 * loop: an octet that a probe does not see needs a turn to arrive.
 *
 * Limits: PENDING_MAX timers, and as many callbacks at one instant; ROUNDS_MAX settlings at one instant; settleMs of the
 * machine's time for one settling; ADVANCES_MAX advances that wait. Beyond each an InvariantError says which, and for a
 * settling which probe did not come to 0.
 */
export interface SteppedClockOptions {
  /** Time at the start [epoch ms]; absent = the machine's. */
  readonly startMs?: EpochMs;
  readonly frozen?: boolean;
  /** How long one settling may take by the machine's clock [ms]; 30 s when absent: three times the limit of a request. */
  readonly settleMs?: number;
}

/** Counts what is in flight; 0 = nothing. */
export type Probe = () => number;

export const PENDING_MAX = 1_000_000;
const ROUNDS_MAX = 10_000;
const ADVANCES_MAX = 100;
const SETTLE_MS = 30_000;
const QUIET_TURNS = 3;
/** After so many turns without an end the wait is by millisecond, to leave the processor to others. */
const EAGER_TURNS = 500;

export class SteppedClock implements Scheduler {
  readonly #timers = new TimerHeap();
  readonly #probes = new Map<Probe, string>();
  readonly #settleMs: number;
  #offsetMs: number;
  /** Where a frozen clock stands; null = it runs. */
  #standsMs: EpochMs | null = null;
  #timer: NodeJS.Timeout | null = null;
  #armedMs: EpochMs = Number.POSITIVE_INFINITY;
  #advances = 0;
  /** Whether it runs on when the last advance is done. */
  #runsOn = false;
  #walk: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(options: SteppedClockOptions = {}) {
    this.#offsetMs = options.startMs === undefined ? 0 : options.startMs - liveNowMs();
    this.#settleMs = options.settleMs ?? SETTLE_MS;
    if (options.frozen === true) this.#standsMs = options.startMs ?? liveNowMs();
  }

  nowMs(): EpochMs {
    return this.#standsMs ?? liveNowMs() + this.#offsetMs;
  }

  isFrozen(): boolean {
    return this.#standsMs !== null;
  }

  at(atMs: EpochMs, fn: () => void, priority: number = PRIORITY.world): TimerHandle {
    invariant(Number.isFinite(atMs), `a timer needs a time, not ${atMs}`);
    invariant(this.#timers.size < PENDING_MAX, `more than ${PENDING_MAX} timers wait`);
    const handle = this.#timers.push({ atMs, priority, fn });
    this.#arm();
    return handle;
  }

  cancel(handle: TimerHandle): void {
    if (this.#timers.remove(handle) && this.#timers.size === 0) this.#disarm();
  }

  /** At this time or later from now on. What lies between is not stepped through: what was due there is late. */
  notBefore(atMs: EpochMs): void {
    const behindMs = atMs - this.nowMs();
    if (behindMs <= 0) return;
    if (this.#standsMs !== null) this.#standsMs = atMs;
    else {
      this.#offsetMs += behindMs;
      this.#disarm();
      this.#arm();
    }
  }

  /** Stands from now on, also after an advance that is under way. Nothing happens to a clock that stands. */
  freeze(): void {
    this.#runsOn = false;
    this.#stand();
  }

  /** Runs on from where it stands; while it is being advanced, after that. */
  resume(): void {
    if (this.#advances > 0) this.#runsOn = true;
    else this.#run();
  }

  /**
   * Counts something in flight; a clock that is stepped waits for it.
   * @param name  what it is, for the message when it never settles
   * @returns     forgets the probe
   */
  watch(probe: Probe, name: string): () => void {
    this.#probes.set(probe, name);
    return () => void this.#probes.delete(probe);
  }

  canAdvance(): boolean {
    return this.#advances < ADVANCES_MAX;
  }

  /**
   * Everything due until then happens, in order. A clock that runs is frozen for it and runs on afterwards, from there.
   * Advances asked for at the same time go one after the other. A time that is past only settles.
   * @throws InvariantError (as a rejection) at a limit, and whatever a callback throws; the clock stands where it was then
   */
  advanceTo(toMs: EpochMs): Promise<void> {
    invariant(Number.isFinite(toMs), `a clock is advanced to a time, not ${toMs}`);
    invariant(this.canAdvance(), `more than ${ADVANCES_MAX} advances of the clock wait`);
    this.#advances += 1;
    if (!this.isFrozen()) this.#runsOn = true;
    this.#stand();
    const walk = this.#walk
      .then(() => this.#advance(toMs))
      .finally(() => {
        this.#advances -= 1;
        if (this.#advances === 0 && this.#runsOn) this.#run();
      });
    this.#walk = walk.catch(() => {});
    return walk;
  }

  /** Waits until nothing is in flight. */
  async settle(): Promise<void> {
    const giveUpMs = liveNowMs() + this.#settleMs;
    let quiet = 0;
    for (let turn = 1; quiet < QUIET_TURNS; turn++) {
      if (turn < EAGER_TURNS) await new Promise<void>((done) => setImmediate(done));
      else await new Promise<void>((done) => setTimeout(done, 1));
      quiet = this.#unsettled().length === 0 ? quiet + 1 : 0;
      if (quiet > 0 || liveNowMs() < giveUpMs) continue;
      const what = this.#unsettled().join(', ') || 'something that comes and goes';
      throw new InvariantError(
        `the clock stands at ${this.nowMs()}: after ${this.#settleMs} ms still in flight: ${what}`,
      );
    }
  }

  /** Forgets every timer; none runs any more. */
  stop(): void {
    this.#stopped = true;
    this.#timers.clear();
    this.#disarm();
  }

  #unsettled(): string[] {
    const found: string[] = [];
    for (const [probe, name] of this.#probes) {
      const count = probe();
      if (count !== 0) found.push(`${name} (${count})`);
    }
    return found;
  }

  async #advance(toMs: EpochMs): Promise<void> {
    await this.settle();
    let rounds = 0;
    while (!this.#stopped) {
      const next = this.#timers.peek();
      if (next === undefined || next.atMs > toMs) break;
      const nowMs = this.nowMs();
      rounds = next.atMs > nowMs ? 0 : rounds + 1;
      invariant(rounds < ROUNDS_MAX, `answers and timers follow each other at ${nowMs} without an end`);
      this.#standsMs = Math.max(nowMs, next.atMs);
      this.#runInstant(this.#standsMs);
      await this.settle();
    }
    if (!this.#stopped && toMs > this.nowMs()) this.#standsMs = toMs;
  }

  /** Runs everything due at the instant where the clock stands, also what callbacks set for it. */
  #runInstant(nowMs: EpochMs): void {
    for (let n = 0; ; n++) {
      const timer = this.#timers.takeDue(nowMs);
      if (timer === undefined) return;
      invariant(n < PENDING_MAX, `timers set each other for ${nowMs} again and again`);
      timer.fn();
    }
  }

  #stand(): void {
    this.#standsMs ??= this.nowMs();
    this.#disarm();
  }

  #run(): void {
    this.#runsOn = false;
    if (this.#standsMs === null || this.#stopped) return;
    this.#offsetMs = this.#standsMs - liveNowMs();
    this.#standsMs = null;
    this.#arm();
  }

  #disarm(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#armedMs = Number.POSITIVE_INFINITY;
  }

  #arm(): void {
    const next = this.#timers.peek();
    if (next === undefined || this.#standsMs !== null || this.#stopped || next.atMs >= this.#armedMs) return;
    this.#disarm();
    this.#armedMs = next.atMs;
    const waitMs = Math.min(Math.max(1, next.atMs - this.nowMs()), TIMEOUT_MS_MAX);
    this.#timer = setTimeout(() => this.#onTimer(), waitMs);
  }

  #onTimer(): void {
    this.#disarm();
    if (this.#standsMs !== null) return;
    const nowMs = this.nowMs();
    const { newest } = this.#timers;
    try {
      for (
        let due = this.#timers.takeDue(nowMs, newest);
        due !== undefined;
        due = this.#timers.takeDue(nowMs, newest)
      ) {
        due.fn();
      }
    } finally {
      this.#arm();
    }
  }
}

/** The machine's time, for whatever is given no clock of its own. */
export const wallClock = new SteppedClock();
