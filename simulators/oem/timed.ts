import type { EpochMs } from '../../src/domain/units.ts';
import { PRIORITY, type Scheduler } from '../../src/ports/clock.ts';
import type { DeviceControl } from '../../src/ports/device.ts';
import type { CloudBase, Seat } from './cloud.ts';

/**
 * Commands with a start and an end, as Enphase events and our SolarEdge profiles are.
 *
 *   scheduled ──start──> in_progress ──end──> completed
 *       │ cancel, covered      │ cancel            failed   no delivery until start + deliveryWindowMs
 *       v                      v                   optedout the owner left
 *     deleted               stopped
 *
 * Delivery is another matter: the gateway is told after a drawn delay, not before the start, and again every
 * deliveryRetryMs while it is offline; "in_progress" says nothing of it. A device in an active storm takes the message
 * and ignores it, so its command is in_progress and delivered, without effect.
 * @source Enphase VPP API 1.1.0, GsApiEventResponse: event_status, command_delivery_status
 */
export type Phase = 'scheduled' | 'in_progress' | 'completed' | 'failed' | 'deleted' | 'stopped' | 'optedout';
export type Delivery = 'Scheduled' | 'Delivered' | 'Failed' | 'Cancelled';

export interface TimedSpec {
  readonly mode: 'charge' | 'discharge' | 'idle';
  /** Magnitude [W]; null = all it can. */
  readonly powerW: number | null;
  readonly startMs: EpochMs;
  readonly endMs: EpochMs;
  readonly reservePctMin: number;
  readonly reservePctMax: number;
  readonly allowExport: boolean;
}

export interface TimedCommand<D = unknown> {
  readonly id: string;
  /** What the dialect shows of it. */
  readonly detail: D;
  readonly seat: Seat;
  readonly spec: TimedSpec;
  readonly createdMs: EpochMs;
  /** Cut short by a later command. */
  endMs: EpochMs;
  closed: 'failed' | 'deleted' | 'stopped' | 'optedout' | null;
  closedMs: EpochMs | null;
  delivery: Delivery;
}

export function phaseOf(c: TimedCommand, nowMs: EpochMs): Phase {
  if (c.closed !== null) return c.closed;
  if (nowMs < c.spec.startMs) return 'scheduled';
  return nowMs < c.endMs ? 'in_progress' : 'completed';
}

export const isOpen = (c: TimedCommand, nowMs: EpochMs): boolean => c.closed === null && nowMs < c.endMs;

/** Commands kept per device; beyond it the oldest is forgotten, as an API with a date range would. */
const KEPT_PER_DEVICE = 100;

interface Window {
  readonly startMs: EpochMs;
  readonly endMs: EpochMs;
}

export class TimedCommands<D> {
  readonly #base: CloudBase;
  readonly #scheduler: Scheduler;
  readonly #idOf: (n: number) => string;
  readonly #byId = new Map<string, TimedCommand<D>>();
  readonly #bySeat = new Map<Seat, TimedCommand<D>[]>();
  #made = 0;

  constructor(base: CloudBase, scheduler: Scheduler, idOf: (n: number) => string) {
    this.#base = base;
    this.#scheduler = scheduler;
    this.#idOf = idOf;
  }

  create(seat: Seat, spec: TimedSpec, detail: D): TimedCommand<D> {
    this.#made += 1;
    const nowMs = this.#scheduler.nowMs();
    const c: TimedCommand<D> = {
      id: this.#idOf(this.#made),
      detail,
      seat,
      spec,
      createdMs: nowMs,
      endMs: spec.endMs,
      closed: seat.optedOut ? 'optedout' : null,
      closedMs: seat.optedOut ? nowMs : null,
      delivery: seat.optedOut ? 'Cancelled' : 'Scheduled',
    };
    this.#keep(c);
    const atMs = Math.max(spec.startMs, nowMs + this.#base.drawDelayMs(seat));
    const failing = this.#base.drawFailure(seat);
    if (c.closed === null) this.#scheduler.at(atMs, () => this.#attempt(c, failing), PRIORITY.world);
    return c;
  }

  get(id: string): TimedCommand<D> | undefined {
    return this.#byId.get(id);
  }

  /** All that are kept for a device, oldest first. */
  of(seat: Seat): readonly TimedCommand<D>[] {
    return this.#bySeat.get(seat) ?? [];
  }

  openIn(seat: Seat, { startMs, endMs }: Window): TimedCommand<D>[] {
    const nowMs = this.#scheduler.nowMs();
    return this.of(seat).filter((c) => isOpen(c, nowMs) && c.spec.startMs < endMs && startMs < c.endMs);
  }

  /**
   * Makes room for a command: an older one that would still have begun in it is closed, one that began before is cut
   * at its start. The device goes on with the old command until the new one reaches it, so nothing is recalled.
   */
  supersede(seat: Seat, window: Window): void {
    const nowMs = this.#scheduler.nowMs();
    for (const old of this.openIn(seat, window)) {
      if (window.startMs > Math.max(old.spec.startMs, nowMs)) {
        old.endMs = window.startMs;
        continue;
      }
      this.#close(old, nowMs < old.spec.startMs ? 'deleted' : 'stopped');
      if (old.delivery === 'Scheduled') old.delivery = 'Cancelled';
    }
  }

  cancel(c: TimedCommand<D>): void {
    this.#close(c, this.#scheduler.nowMs() < c.spec.startMs ? 'deleted' : 'stopped');
    this.#recall(c, `${c.id} cancelled`);
  }

  optOut(seat: Seat): void {
    for (const c of this.of(seat)) {
      if (!isOpen(c, this.#scheduler.nowMs())) continue;
      this.#close(c, 'optedout');
      this.#recall(c, `${c.id} opted out`);
    }
  }

  #close(c: TimedCommand<D>, how: NonNullable<TimedCommand['closed']>): void {
    c.closed = how;
    c.closedMs = this.#scheduler.nowMs();
  }

  #attempt(c: TimedCommand<D>, failing: boolean): void {
    const nowMs = this.#scheduler.nowMs();
    if (!isOpen(c, nowMs) || c.delivery !== 'Scheduled') return;
    const taken = failing ? 'offline' : this.#base.send(c.seat, controlOf(c));
    if (taken === 'taken') {
      c.delivery = 'Delivered';
      this.#base.note(c.seat, 'delivered', c.id);
      return;
    }
    const { deliveryRetryMs, deliveryWindowMs } = this.#base.behaviour();
    const nextMs = nowMs + Math.max(1_000, deliveryRetryMs);
    if (nextMs <= Math.max(c.spec.startMs, c.createdMs) + deliveryWindowMs) {
      this.#scheduler.at(nextMs, () => this.#attempt(c, failing), PRIORITY.world);
      return;
    }
    c.delivery = 'Failed';
    this.#close(c, 'failed');
    const what = `no answer of the gateway until ${deliveryWindowMs} ms after the start`;
    this.#base.note(c.seat, 'delivery-failed', `${c.id}: ${what}`);
  }

  /** The device is told to stop only what it has been told to do. */
  #recall(c: TimedCommand<D>, cause: string): void {
    if (c.delivery === 'Scheduled') c.delivery = 'Cancelled';
    if (c.delivery !== 'Delivered') return;
    const { deliveryRetryMs, deliveryWindowMs } = this.#base.behaviour();
    const retryMs = Math.max(1_000, deliveryRetryMs);
    const stop: DeviceControl = { ...controlOf(c), mode: 'reset', powerW: null, endMs: null, cause };
    const tell = (left: number): void => {
      const nowMs = this.#scheduler.nowMs();
      if (this.of(c.seat).some((o) => o !== c && o.delivery === 'Delivered' && isOpen(o, nowMs))) return;
      if (this.#base.send(c.seat, stop) === 'taken' || left <= 0) return;
      this.#scheduler.at(nowMs + retryMs, () => tell(left - 1), PRIORITY.world);
    };
    const atMs = this.#scheduler.nowMs() + this.#base.drawDelayMs(c.seat);
    this.#scheduler.at(atMs, () => tell(Math.floor(deliveryWindowMs / retryMs)), PRIORITY.world);
  }

  #keep(c: TimedCommand<D>): void {
    this.#byId.set(c.id, c);
    const list = this.#bySeat.get(c.seat);
    if (list === undefined) {
      this.#bySeat.set(c.seat, [c]);
      return;
    }
    list.push(c);
    if (list.length <= KEPT_PER_DEVICE) return;
    const oldest = list.shift();
    if (oldest !== undefined) this.#byId.delete(oldest.id);
  }
}

function controlOf(c: TimedCommand): DeviceControl {
  const { spec } = c;
  return {
    mode: spec.mode,
    powerW: spec.powerW,
    endMs: c.endMs,
    reservePctMin: spec.reservePctMin,
    reservePctMax: spec.reservePctMax,
    allowExport: spec.allowExport,
    cause: c.id,
  };
}
