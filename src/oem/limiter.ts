import { type EpochMs, MS_PER_DAY } from '../domain/units.ts';
import type { Limits } from './script.ts';

/**
 * Keeps a cloud's quotas by construction: never more than N sends in any window of the last second or minute (exact,
 * from the times of the last N sends), never more than N in a UTC day, in all and per site. The delay of the network
 * can press requests of more than a minute into one minute of the server; MARGIN leaves room for it.
 *
 * The last RESERVE of each quota is for emergency stops: other requests leave it alone. 5 % and at least one request, our
 * own choice: no cloud publishes a lane of its own for stops. A day's quota per site is for readings, and has none.
 */
const MARGIN = 0.9;
const RESERVE = 0.05;

export interface Limiter {
  /** When the next send is allowed; nowMs = now. */
  freeMs(nowMs: EpochMs, emergency: boolean): EpochMs;
  /** False: the day's quota of the site is used up. */
  siteFree(site: string, nowMs: EpochMs): boolean;
  sent(site: string | null, nowMs: EpochMs): void;
}

export function createLimiter(limits: Limits): Limiter {
  const windows = [
    windowOf(limits.perSecondMax, 1000),
    windowOf(limits.perMinuteMax === null ? null : Math.floor(limits.perMinuteMax * MARGIN), 60_000),
  ].filter((w) => w !== null);
  const days = { day: -1, count: 0 };
  const sites = new Map<string, { day: number; count: number }>();
  const dayOf = (nowMs: EpochMs): number => Math.floor(nowMs / MS_PER_DAY);
  const perDayMax = limits.perDayMax === null ? Number.POSITIVE_INFINITY : Math.floor(limits.perDayMax * MARGIN);
  const ordinaryPerDay = limits.perDayMax === null ? perDayMax : ordinaryOf(perDayMax);
  const siteMax = limits.perSiteDayMax === null ? Number.POSITIVE_INFINITY : Math.floor(limits.perSiteDayMax * MARGIN);
  return {
    freeMs(nowMs, emergency) {
      let freeMs = nowMs;
      for (const w of windows) freeMs = Math.max(freeMs, w.freeMs(emergency));
      const dayMax = emergency ? perDayMax : ordinaryPerDay;
      if (days.day === dayOf(nowMs) && days.count >= dayMax) {
        freeMs = Math.max(freeMs, (days.day + 1) * MS_PER_DAY);
      }
      return freeMs;
    },
    siteFree(site, nowMs) {
      const used = sites.get(site);
      return used === undefined || used.day !== dayOf(nowMs) || used.count < siteMax;
    },
    sent(site, nowMs) {
      const day = dayOf(nowMs);
      for (const w of windows) w.sent(nowMs);
      days.count = days.day === day ? days.count + 1 : 1;
      days.day = day;
      if (site === null) return;
      const used = sites.get(site);
      if (used === undefined) sites.set(site, { day, count: 1 });
      else {
        used.count = used.day === day ? used.count + 1 : 1;
        used.day = day;
      }
    },
  };
}

/** What is left of so many requests for everything but emergency stops; where there is only one, they share it. */
const ordinaryOf = (max: number): number => Math.max(1, max - Math.max(1, Math.ceil(max * RESERVE)));

/** A ring of the last `max` send times: the next one may go when the one `max`, or fewer, before it has left the window. */
function windowOf(
  max: number | null,
  windowMs: number,
): { freeMs(emergency: boolean): EpochMs; sent(nowMs: EpochMs): void } | null {
  if (max === null) return null;
  const size = Math.max(1, max);
  const ordinary = ordinaryOf(size);
  const ring = new Float64Array(size).fill(Number.NEGATIVE_INFINITY);
  let at = 0;
  return {
    freeMs: (emergency) => {
      const before = emergency ? size : ordinary;
      return (ring[(at - before + size) % size] ?? Number.NEGATIVE_INFINITY) + windowMs;
    },
    sent: (nowMs) => {
      ring[at] = nowMs;
      at = (at + 1) % size;
    },
  };
}
