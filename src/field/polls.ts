import type { SiteSafety } from '../domain/safety.ts';

/**
 * How often a site is asked for its events [ms]: every half minute, and three times in its watchdog's time, so that a
 * picture that is older than the watchdog means a site that does not answer.
 */
const POLL_MS = 30_000;
const POLL_MS_MIN = 1_000;

export function eventPollMs(safety: SiteSafety | null, wantedMs: number = POLL_MS): number {
  const watchdogMs = safety?.watchdog.timeoutMs ?? Number.POSITIVE_INFINITY;
  return Math.max(POLL_MS_MIN, Math.min(wantedMs, Math.floor(watchdogMs / 3)));
}
