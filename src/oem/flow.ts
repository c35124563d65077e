import type { EpochMs } from '../domain/units.ts';
import type { OemHealth } from '../ports/oem.ts';
import type { RandomStream } from '../ports/random.ts';
import { createLimiter } from './limiter.ts';
import type { Limits } from './script.ts';

/**
 * How fast a session may send: the quotas (limiter.ts), a pause after 429 that doubles while they go on, a window of
 * exchanges under way that halves on 429 and grows by one on each success (additive increase, multiplicative decrease,
 * RFC 5681), and a circuit:
 *
 *   closed ──FAILURES_MAX failures in a row──> open ──pause over──> half-open ──the probe succeeds──> closed
 *                                                ^                     │
 *                                                └─ twice the pause ───┘ it fails
 *
 * With a random stream each open pause is drawn from the upper half of its length, so that many sessions which lose one
 * cloud do not come back together.
 */
export interface Flow {
  freeMs(nowMs: EpochMs): EpochMs;
  window(): number;
  siteFree(site: string, nowMs: EpochMs): boolean;
  sent(site: string | null, nowMs: EpochMs): void;
  succeeded(): void;
  failed(nowMs: EpochMs): void;
  throttled(retryAfterS: number | null, nowMs: EpochMs): void;
  /** Why nothing may be sent now; null = it may. */
  reason(nowMs: EpochMs): string | null;
  health(nowMs: EpochMs): OemHealth;
}

const FAILURES_MAX = 5;
const PAUSE_MS_MIN = 1_000;
const PAUSE_MS_MAX = 60_000;
const OPEN_MS_MIN = 10_000;
const OPEN_MS_MAX = 300_000;

export function createFlow(limits: Limits, random: RandomStream | null = null): Flow {
  const limiter = createLimiter(limits);
  let window = limits.inFlightMax;
  let pausedMs: EpochMs = 0;
  let pauseWhy = '';
  let failures = 0;
  let throttles = 0;
  const pause = (untilMs: EpochMs, why: string): void => {
    if (untilMs <= pausedMs) return;
    pausedMs = untilMs;
    pauseWhy = why;
  };
  return {
    freeMs: (nowMs) => Math.max(pausedMs, limiter.freeMs(nowMs)),
    window: () => window,
    siteFree: limiter.siteFree,
    sent: limiter.sent,
    succeeded: () => {
      failures = 0;
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
      // Answers that were under way when the pause began say nothing new.
      if (nowMs < pausedMs) return;
      throttles += 1;
      window = Math.max(1, Math.floor(window / 2));
      const ownMs = Math.min(PAUSE_MS_MAX, PAUSE_MS_MIN * 2 ** Math.min(10, throttles - 1));
      pause(nowMs + Math.max(PAUSE_MS_MIN, retryAfterS === null ? ownMs : retryAfterS * 1000), 'throttled (429)');
    },
    reason: (nowMs) => {
      if (nowMs < pausedMs) return pauseWhy;
      return limiter.freeMs(nowMs) > nowMs ? 'the rate limit is used up' : null;
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
