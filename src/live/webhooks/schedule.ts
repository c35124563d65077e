import { hash } from 'node:crypto';
import type { EpochMs } from '../../domain/units.ts';
import type { PostOutcome } from './post.ts';

/**
 * When a delivery is tried again, and what an answer means.
 * @source Standard Webhooks 1.0, "Operational considerations": the delays, jitter, 2xx alone is success, 3xx is a failure,
 *         410 disables, 429, 502 and 504 throttle, Retry-After is honoured
 */
export interface Schedule {
  /** Delay before each attempt, counted from the end of the one before [ms]; the first is 0. */
  readonly delaysMs: readonly number[];
  /** Each delay is stretched or cut by up to this share. */
  readonly jitterRatio: number;
}

const S = 1_000;
const MIN = 60 * S;
const H = 60 * MIN;

export const STANDARD_SCHEDULE: Schedule = {
  delaysMs: [0, 5 * S, 5 * MIN, 30 * MIN, 2 * H, 5 * H, 10 * H, 14 * H, 20 * H, 24 * H],
  jitterRatio: 0.1,
};

/**
 * @param attempts  how many have failed, ≥ 1
 * @returns         delay until the next [ms]; null = that was the last. The jitter follows from id and attempt, so that
 *                  it is the same at every run and differs between deliveries that failed together.
 */
export function nextDelayMs({ delaysMs, jitterRatio }: Schedule, attempts: number, id: string): number | null {
  const delayMs = delaysMs[attempts];
  if (delayMs === undefined) return null;
  const share = Number.parseInt(hash('sha256', `${id}/${attempts}`, 'hex').slice(0, 8), 16) / 0xffff_ffff;
  return Math.round(delayMs * (1 + jitterRatio * (2 * share - 1)));
}

export type Verdict =
  | { readonly kind: 'delivered' }
  /** `waitMs`: the receiver asks for this much quiet before anything more [ms]. */
  | { readonly kind: 'failed'; readonly why: string; readonly waitMs: number | null }
  /** 410: it will never want anything again. */
  | { readonly kind: 'gone'; readonly why: string };

/** Asked for quiet without saying how long [ms]. */
const THROTTLE_MS = 60 * S;
/** The longest quiet that is granted [ms]. */
export const RETRY_AFTER_MS_MAX = 24 * H;

export function judge(outcome: PostOutcome, nowMs: EpochMs): Verdict {
  if (outcome.kind === 'failed') return { kind: 'failed', why: `${outcome.reason}: ${outcome.why}`, waitMs: null };
  const { status } = outcome;
  if (status >= 200 && status < 300) return { kind: 'delivered' };
  if (status === 410) return { kind: 'gone', why: 'the receiver answered 410 Gone' };
  if (status >= 300 && status < 400) {
    return { kind: 'failed', why: `answered ${status}; redirects are not followed`, waitMs: null };
  }
  const asked = retryAfterMs(outcome.retryAfter, nowMs);
  const throttled = status === 429 || status === 502 || status === 504;
  const waitMs = throttled ? (asked ?? THROTTLE_MS) : status === 503 ? asked : null;
  return { kind: 'failed', why: `answered ${status}`, waitMs };
}

/** Seconds or an HTTP date (RFC 9110 10.2.3); null = absent or neither. */
export function retryAfterMs(header: string | null, nowMs: EpochMs): number | null {
  if (header === null || header.length > 64) return null;
  const text = header.trim();
  const untilMs = /^\d{1,9}$/.test(text)
    ? nowMs + Number(text) * S
    : / GMT$/.test(text)
      ? Date.parse(text)
      : Number.NaN;
  return Number.isNaN(untilMs) ? null : Math.min(Math.max(0, untilMs - nowMs), RETRY_AFTER_MS_MAX);
}
