import { type EpochMs, MS_PER_DAY, MS_PER_MIN } from '../../src/domain/units.ts';
import type { Scheduler } from '../../src/ports/clock.ts';
import type { Behaviour } from './behaviour.ts';
import type { CloudBase } from './cloud.ts';

const BODY_CHARS_MAX = 64_000;
const TOKENS_MAX = 64;

export type Gate = Pick<CloudBase, 'counts' | 'admitSite' | 'admit' | 'revokeTokens' | 'issueToken' | 'isAuthorised'>;

/** Counts requests, gives out tokens, turns away what is too much. */
export function createGate(scheduler: Scheduler, behaviour: () => Behaviour): Gate {
  let requests = 0;
  let throttled = 0;
  let unauthorised = 0;
  let minute = -1;
  let inMinute = 0;
  let tokenCount = 0;
  /** Token to its end; the oldest falls out at TOKENS_MAX, as if it had expired. */
  const tokens = new Map<string, EpochMs>();
  return {
    counts: () => ({ requests, throttled, unauthorised, tokens: tokenCount }),
    admitSite: (seat) => {
      const max = behaviour().siteRequestsPerDayMax;
      if (max === null) return true;
      const day = Math.floor(scheduler.nowMs() / MS_PER_DAY);
      if (seat.day !== day) {
        seat.day = day;
        seat.dayCount = 0;
      }
      seat.dayCount += 1;
      if (seat.dayCount <= max) return true;
      throttled += 1;
      return false;
    },
    admit: (request, errors) => {
      requests += 1;
      const b = behaviour();
      if (b.down) return errors.down();
      if (request.body.length > BODY_CHARS_MAX) return errors.tooLarge();
      const nowMs = scheduler.nowMs();
      const nowMinute = Math.floor(nowMs / MS_PER_MIN);
      if (nowMinute !== minute) {
        minute = nowMinute;
        inMinute = 0;
      }
      inMinute += 1;
      if (inMinute <= Math.floor(b.requestsPerMinuteMax * b.throttleFactor)) return null;
      throttled += 1;
      return errors.tooMany(b.retryAfter ? Math.ceil(((minute + 1) * MS_PER_MIN - nowMs) / 1000) : null);
    },
    revokeTokens: () => tokens.clear(),
    issueToken: () => {
      tokenCount += 1;
      const lifetimeMs = behaviour().tokenLifetimeMs;
      const token = `token-${tokenCount}`;
      tokens.set(token, scheduler.nowMs() + lifetimeMs);
      if (tokens.size > TOKENS_MAX) for (const oldest of tokens.keys()) if (tokens.delete(oldest)) break;
      return { token, lifetimeMs };
    },
    isAuthorised: (request) => {
      const header = request.headers.authorization ?? '';
      const endMs = header.startsWith('Bearer ') ? tokens.get(header.slice(7)) : undefined;
      if (endMs !== undefined && scheduler.nowMs() < endMs) return true;
      unauthorised += 1;
      return false;
    },
  };
}
