import type { EpochMs } from '../domain/units.ts';
import type { FieldReply } from '../ports/field.ts';

/**
 * The emergency stop of a site, latched.
 *
 *   no ──take──> sent ──the site shows it──> seen ──the site shows it started again──> no
 *
 * The order is repeated every STOP_RETRY_MS until it is answered; its first failure is told once. While the latch holds
 * nothing but the order leaves. It opens only by what the site itself shows, after somebody there returned it to service.
 */
export const STOPPED = 'the site was stopped and has not returned to service';
const STOP_RETRY_MS = 5_000;

export class StopLatch {
  private state: 'no' | 'sent' | 'seen' = 'no';
  private order: { readonly jobId: string; dueMs: EpochMs; underWay: boolean; told: boolean } | null = null;

  get holds(): boolean {
    return this.state !== 'no';
  }

  /** When the order must leave next; null when none waits. */
  get dueMs(): EpochMs | null {
    return this.order === null || this.order.underWay ? null : this.order.dueMs;
  }

  take(jobId: string, nowMs: EpochMs): void {
    this.state = 'sent';
    this.order = { jobId, dueMs: nowMs, underWay: false, told: false };
  }

  /** On a new connection the next try need not wait. */
  hurry(nowMs: EpochMs): void {
    if (this.order !== null) this.order.dueMs = nowMs;
  }

  /** The order that must leave now, which it then does; null when none must. */
  leaving(nowMs: EpochMs): string | null {
    if (this.order === null || this.order.underWay || nowMs < this.order.dueMs) return null;
    this.order.underWay = true;
    return this.order.jobId;
  }

  /** @returns what the core is told, if it has not been told before */
  ended(result: FieldReply, nowMs: EpochMs): FieldReply | null {
    const order = this.order;
    if (order === null || order.jobId !== result.jobId) return null;
    if (result.kind === 'operated') {
      this.order = null;
      return result;
    }
    order.underWay = false;
    order.dueMs = nowMs + STOP_RETRY_MS;
    const known = order.told;
    order.told = true;
    return known ? null : result;
  }

  /** @param shown  the site's point "stopped": 1, 0, or NaN when it is not known */
  watch(shown: number): void {
    if (this.state === 'no') return;
    if (shown === 1) this.state = 'seen';
    else if (shown === 0 && this.state === 'seen') this.state = 'no';
  }
}
