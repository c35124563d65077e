import type { EpochMs } from '../domain/units.ts';
import type { OemHealth } from '../ports/oem.ts';
import type { RandomStream } from '../ports/random.ts';
import { createLimiter } from './limiter.ts';
import type { Limits } from './script.ts';

/**
 * How fast a session may send: the quotas (limiter.ts), a window of exchanges under way, and what follows a 429:
 *
 *   free ──429──> paused ──pause over──> probing: one exchange at a time, one a second ──success──> free, window 1
 *                   ^                       │
 *                   └── twice the pause ────┘ 429
 *
 * The pause is what Retry-After says, else from PAUSE_MS_MIN on, doubling. The window begins at 1 after it and grows by
 * one on each success (slow start, RFC 5681 3.1), so that a cloud which throttles never gets a window's burst at once.
 * A success counts only when its request left after the 429. And a circuit:
 *
 *   closed ──FAILURES_MAX failures in a row──> open ──pause over──> half-open ──the probe succeeds──> closed
 *                                                ^                     │
 *                                                └─ twice the pause ───┘ it fails
 *
 * With a random stream each open pause is drawn from the upper half of its length, so that many sessions which lose one
 * cloud do not come back together.
 *
 * An emergency stop waits for the quota and for what Retry-After says, but not for the pauses that are our own choice:
 * while they last it is tried once a second, beside what is under way.
 */
export interface Flow {
  freeMs(nowMs: EpochMs, emergency: boolean): EpochMs;
  window(emergency: boolean): number;
  siteFree(site: string, nowMs: EpochMs): boolean;
  sent(site: string | null, nowMs: EpochMs): void;
  /** @param sentMs  when the request of the answer left */
  succeeded(sentMs: EpochMs): void;
  failed(nowMs: EpochMs): void;
  throttled(retryAfterS: number | null, nowMs: EpochMs): void;
  /** Why nothing may be sent now; null = it may. */
  reason(nowMs: EpochMs): string | null;
  health(nowMs: EpochMs): OemHealth;
}

const FAILURES_MAX = 5;
const PAUSE_MS_MIN = 1_000;
const PAUSE_MS_MAX = 60_000;
/** Distance of the tries while a cloud throttles, or while nothing but a stop leaves. @source promise: at most one try a second */
const PROBE_MS = 1_000;
/** Exchanges beyond the window for emergency stops, while the others hang. Our own choice. */
const EMERGENCY_IN_FLIGHT = 2;
const OPEN_MS_MIN = 10_000;
const OPEN_MS_MAX = 300_000;

export function createFlow(limits: Limits, random: RandomStream | null = null): Flow {
  const limiter = createLimiter(limits);
  let window = limits.inFlightMax;
  let pausedMs: EpochMs = 0;
  let pauseWhy = '';
  /** Until then not even a stop leaves. */
  let refusedMs: EpochMs = 0;
  let failures = 0;
  let throttles = 0;
  let throttledMs = Number.NEGATIVE_INFINITY;
  let lastSentMs = Number.NEGATIVE_INFINITY;
  const pause = (untilMs: EpochMs, why: string): void => {
    if (untilMs <= pausedMs) return;
    pausedMs = untilMs;
    pauseWhy = why;
  };
  return {
    freeMs: (nowMs, emergency) => {
      const isSlow = throttles > 0 || nowMs < pausedMs;
      const nextMs = isSlow ? lastSentMs + PROBE_MS : 0;
      return Math.max(limiter.freeMs(nowMs, emergency), nextMs, emergency ? refusedMs : pausedMs);
    },
    window: (emergency) => (emergency ? limits.inFlightMax + EMERGENCY_IN_FLIGHT : window),
    siteFree: limiter.siteFree,
    sent: (site, nowMs) => {
      lastSentMs = nowMs;
      limiter.sent(site, nowMs);
    },
    succeeded: (sentMs) => {
      failures = 0;
      if (sentMs <= throttledMs) return;
      throttles = 0;
      if (window < limits.inFlightMax) window += 1;
    },
    failed: (nowMs) => {
      // What was under way when the circuit opened says nothing new.
      if (nowMs < pausedMs) return;
      failures += 1;
      if (failures < FAILURES_MAX) return;
      window = 1;
      const openMs = Math.min(OPEN_MS_MAX, OPEN_MS_MIN * 2 ** Math.min(10, failures - FAILURES_MAX));
      const shareOf = random === null ? 1 : random.uniform(0.5, 1);
      pause(nowMs + Math.round(openMs * shareOf), `circuit open after ${failures} failures in a row`);
    },
    throttled: (retryAfterS, nowMs) => {
      const askedMs = Math.max(PAUSE_MS_MIN, retryAfterS === null ? 0 : retryAfterS * 1000);
      refusedMs = Math.max(refusedMs, nowMs + askedMs);
      throttledMs = nowMs;
      window = 1;
      // Answers that were under way when the pause began say nothing new, unless they ask for more.
      if (nowMs >= pausedMs || throttles === 0) throttles += 1;
      if (nowMs < pausedMs) return pause(refusedMs, 'throttled (429)');
      const ownMs = Math.min(PAUSE_MS_MAX, PAUSE_MS_MIN * 2 ** Math.min(10, throttles - 1));
      pause(nowMs + (retryAfterS === null ? ownMs : askedMs), 'throttled (429)');
    },
    reason: (nowMs) => {
      if (nowMs < pausedMs) return pauseWhy;
      return limiter.freeMs(nowMs, false) > nowMs ? 'the rate limit is used up' : null;
    },
    health: (nowMs) => {
      const isPaused = nowMs < pausedMs;
      const isBroken = failures >= FAILURES_MAX;
      if (isPaused) return { circuit: isBroken ? 'open' : 'closed', pausedUntilMs: pausedMs, why: pauseWhy };
      if (!isBroken) return { circuit: 'closed', pausedUntilMs: null, why: null };
      return { circuit: 'half-open', pausedUntilMs: null, why: `${failures} failures in a row` };
    },
  };
}

const BACKOFF_MS_MIN = 1_000;
const BACKOFF_MS_MAX = 30_000;

/** Exponential, with a jitter in [½, 1] that depends on the job and the try alone. */
export function backoffMs(tries: number, key: string): number {
  let h = 0x811c9dc5 ^ tries;
  for (let i = 0; i < key.length; i++) h = Math.imul(h ^ key.charCodeAt(i), 0x01000193);
  const jitter = 0.5 + ((h >>> 0) / 2 ** 32) * 0.5;
  return Math.round(Math.min(BACKOFF_MS_MAX, BACKOFF_MS_MIN * 2 ** Math.max(0, tries - 1)) * jitter);
}
