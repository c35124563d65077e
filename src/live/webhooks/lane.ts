import { hash } from 'node:crypto';
import { canonicalJson } from '../../domain/canonicalJson.ts';
import type { Destination, OutboxEvent } from '../../domain/destination.ts';
import type { EpochMs } from '../../domain/units.ts';
import type { Scheduler, TimerHandle } from '../../ports/clock.ts';
import { webhookIdOf } from './envelope.ts';
import { nextDelayMs, type Schedule, type Verdict } from './schedule.ts';
import type { DestinationRow, Due, Outcome } from './store.ts';

/**
 * One destination as the sender sees it: each has a lane of its own, so that one which hangs holds up nobody else.
 *
 *   healthy ──(a failure)──> failing ──(120 h without a success, or 410)──> disabled ──(changed, or enabled)──> healthy
 *      ^─────────(a success)────┘
 *
 * A receiver that failed FAILURES_BEFORE_PROBING times in a row gets one message at a time, with a growing pause after each
 * failure: what waits keeps its attempts, and goes out as soon as one was taken.
 * @source 120 h: the Svix server
 */
export interface Lane {
  destination: Destination;
  readonly scheduler: Scheduler;
  row: DestinationRow;
  /** Deliveries of the store that are under way or whose end is not written yet. */
  readonly claimed: Set<number>;
  /** Messages under way. */
  open: number;
  pending: number;
  /** Failures in a row; those of messages that were under way together count once. */
  failures: number;
  round: number;
  quietUntilMs: EpochMs;
  timer: { readonly handle: TimerHandle; readonly atMs: EpochMs } | null;
  /** A test is under way. */
  testing: boolean;
  /** Of what is under way, how much has been for longer than WAITED_MS_MAX. */
  overdue: number;
  /** The newest that is known took longer. */
  isSlow: boolean;
}

export const DISABLED_AFTER_MS = 120 * 3_600_000;
/** So long a stepped clock stands for an answer, by the machine's time; then it goes on without [ms]. */
const WAITED_MS_MAX = 1_000;
const FAILURES_BEFORE_PROBING = 3;
const PROBE_MS = { first: 1_000, max: 60_000 };

export function newLane(destination: Destination, { row, scheduler, pending }: NewLane): Lane {
  const counts = { open: 0, pending, failures: 0, round: 0, quietUntilMs: Number.NEGATIVE_INFINITY };
  return {
    destination,
    scheduler,
    row,
    claimed: new Set(),
    ...counts,
    timer: null,
    testing: false,
    overdue: 0,
    isSlow: false,
  };
}

interface NewLane {
  readonly row: DestinationRow;
  readonly scheduler: Scheduler;
  readonly pending: number;
}

/**
 * What of a lane a stepped clock waits for: nothing that hangs, and nothing at all of a receiver that was slow, until it has
 * answered in time again. So that one that hangs costs an advance WAITED_MS_MAX, and not that for each message.
 */
export const waitedFor = ({ open, testing, overdue, isSlow }: Lane): number =>
  isSlow ? 0 : open + (testing ? 1 : 0) - overdue;

/** Takes note of how long an answer is waited for. */
export function timed<T>(lane: Lane, answer: Promise<T>): Promise<T> {
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    lane.overdue += 1;
    lane.isSlow = true;
  }, WAITED_MS_MAX).unref();
  return answer.finally(() => {
    clearTimeout(timer);
    if (isLate) lane.overdue -= 1;
    else lane.isSlow = false;
  });
}

export const mayRun = ({ destination, row }: Lane): boolean => destination.enabled && row.disabled === null;

/** How many messages may be under way at once. */
export const widthOf = ({ failures }: Lane, most: number): number => (failures < FAILURES_BEFORE_PROBING ? most : 1);

/** Whether the destination wants an event. */
export function wants({ destination, row }: Lane, event: OutboxEvent): boolean {
  const { workspaceId, eventTypes, deviceTypes, enabled } = destination;
  if (!enabled || row.disabled !== null || workspaceId !== event.workspaceId) return false;
  if (eventTypes.length > 0 && !eventTypes.includes(event.type)) return false;
  return deviceTypes.length === 0 || event.deviceType === null || deviceTypes.includes(event.deviceType);
}

/** What of a destination, when it changes, makes it another receiver: what was decided about the old one is forgotten. */
export const fingerprintOf = ({ url, enabled, signature, headers }: Destination): string =>
  hash('sha256', canonicalJson({ url, enabled, signature, headers }), 'hex').slice(0, 32);

export const afresh = (row: DestinationRow, fingerprint: string): DestinationRow => ({
  ...row,
  fingerprint,
  failingSinceMs: null,
  disabled: null,
});

/** Ends one attempt: changes the lane, and says what becomes of the delivery. */
export function settle(lane: Lane, { due, round, verdict, status, schedule }: Attempt): Outcome {
  const nowMs = lane.scheduler.nowMs();
  const attempts = due.attempts + 1;
  const base = { no: due.no, d: lane.row.d, attempts, status };
  if (verdict.kind === 'delivered') {
    succeeded(lane, nowMs);
    lane.pending -= 1;
    return { ...base, state: 'delivered', nextMs: null, error: null };
  }
  failed(lane, { nowMs, round, waitMs: verdict.kind === 'failed' ? verdict.waitMs : null });
  const error = verdict.why;
  const delayMs = nextDelayMs(schedule, attempts, webhookIdOf(lane.destination.workspaceId, due.sequence));
  if (verdict.kind === 'gone') lane.row = { ...lane.row, disabled: error };
  else if (nowMs - (lane.row.failingSinceMs ?? nowMs) >= DISABLED_AFTER_MS) {
    lane.row = { ...lane.row, disabled: `nothing was taken for ${DISABLED_AFTER_MS / 3_600_000} h; last: ${error}` };
  }
  if (verdict.kind === 'gone' || delayMs === null) {
    lane.pending -= 1;
    return { ...base, state: 'dead', nextMs: null, error };
  }
  return { ...base, state: 'pending', nextMs: nowMs + Math.max(delayMs, verdict.waitMs ?? 0), error };
}

export interface Attempt {
  readonly due: Due;
  /** The lane's round when it began. */
  readonly round: number;
  readonly verdict: Verdict;
  readonly status: number | null;
  readonly schedule: Schedule;
}

function succeeded(lane: Lane, nowMs: EpochMs): void {
  lane.failures = 0;
  lane.quietUntilMs = Number.NEGATIVE_INFINITY;
  lane.row = { ...lane.row, failingSinceMs: null, lastSuccessMs: nowMs };
}

function failed(lane: Lane, at: { nowMs: EpochMs; round: number; waitMs: number | null }): void {
  if (at.round === lane.round) {
    lane.round += 1;
    lane.failures += 1;
  }
  const over = lane.failures - FAILURES_BEFORE_PROBING;
  const pauseMs = over < 0 ? 0 : Math.min(PROBE_MS.first * 2 ** Math.min(over, 20), PROBE_MS.max);
  lane.quietUntilMs = Math.max(lane.quietUntilMs, at.nowMs + Math.max(pauseMs, at.waitMs ?? 0));
  lane.row = { ...lane.row, failingSinceMs: lane.row.failingSinceMs ?? at.nowMs };
}
