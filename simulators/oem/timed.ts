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

export interface TimedCommands<D> {
  create(seat: Seat, spec: TimedSpec, detail: D): TimedCommand<D>;
  get(id: string): TimedCommand<D> | undefined;
  /** All that are kept for a device, oldest first. */
  of(seat: Seat): readonly TimedCommand<D>[];
  openIn(seat: Seat, window: { readonly startMs: EpochMs; readonly endMs: EpochMs }): TimedCommand<D>[];
  /** Makes room for a command that starts at startMs and ends at endMs. */
  supersede(seat: Seat, window: { readonly startMs: EpochMs; readonly endMs: EpochMs }): void;
  cancel(command: TimedCommand<D>): void;
  optOut(seat: Seat): void;
}

export function phaseOf(c: TimedCommand, nowMs: EpochMs): Phase {
  if (c.closed !== null) return c.closed;
  if (nowMs < c.spec.startMs) return 'scheduled';
  return nowMs < c.endMs ? 'in_progress' : 'completed';
}

export const isOpen = (c: TimedCommand, nowMs: EpochMs): boolean => c.closed === null && nowMs < c.endMs;

/** Commands kept per device; beyond it the oldest is forgotten, as an API with a date range would. */
const KEPT_PER_DEVICE = 100;

export function createTimedCommands<D>(
  base: CloudBase,
  scheduler: Scheduler,
  idOf: (n: number) => string,
): TimedCommands<D> {
  const byId = new Map<string, TimedCommand<D>>();
  const bySeat = new Map<Seat, TimedCommand<D>[]>();
  let made = 0;

  const close = (c: TimedCommand<D>, how: NonNullable<TimedCommand['closed']>): void => {
    c.closed = how;
    c.closedMs = scheduler.nowMs();
  };
  const attempt = (c: TimedCommand<D>, failing: boolean): void => {
    const nowMs = scheduler.nowMs();
    if (!isOpen(c, nowMs) || c.delivery !== 'Scheduled') return;
    const taken = failing ? 'offline' : base.send(c.seat, controlOf(c));
    if (taken === 'taken') {
      c.delivery = 'Delivered';
      base.note(c.seat, 'delivered', c.id);
      return;
    }
    const { deliveryRetryMs, deliveryWindowMs } = base.behaviour();
    const lastMs = Math.max(c.spec.startMs, c.createdMs) + deliveryWindowMs;
    if (nowMs + deliveryRetryMs <= lastMs) {
      scheduler.at(nowMs + deliveryRetryMs, () => attempt(c, failing), PRIORITY.world);
      return;
    }
    c.delivery = 'Failed';
    close(c, 'failed');
    base.note(
      c.seat,
      'delivery-failed',
      `${c.id}: no answer of the gateway until ${deliveryWindowMs} ms after the start`,
    );
  };
  /** The device is told only of a command it has been told of before. */
  const recall = (c: TimedCommand<D>, cause: string): void => {
    if (c.delivery === 'Scheduled') {
      c.delivery = 'Cancelled';
      return;
    }
    if (c.delivery !== 'Delivered') return;
    const control: DeviceControl = { ...controlOf(c), mode: 'reset', powerW: null, endMs: null, cause };
    const tell = (left: number): void => {
      if (bySeat.get(c.seat)?.some((o) => o !== c && o.delivery === 'Delivered' && isOpen(o, scheduler.nowMs())))
        return;
      const taken = base.send(c.seat, control);
      if (taken === 'taken' || left <= 0) return;
      scheduler.at(scheduler.nowMs() + base.behaviour().deliveryRetryMs, () => tell(left - 1), PRIORITY.world);
    };
    const { deliveryRetryMs, deliveryWindowMs } = base.behaviour();
    const retries = Math.floor(deliveryWindowMs / Math.max(1, deliveryRetryMs));
    scheduler.at(scheduler.nowMs() + base.drawDelayMs(c.seat), () => tell(retries), PRIORITY.world);
  };
  const openIn: TimedCommands<D>['openIn'] = (seat, { startMs, endMs }) =>
    (bySeat.get(seat) ?? []).filter((c) => isOpen(c, scheduler.nowMs()) && c.spec.startMs < endMs && startMs < c.endMs);
  const endNow = (c: TimedCommand<D>, cause: string): void => {
    close(c, scheduler.nowMs() < c.spec.startMs ? 'deleted' : 'stopped');
    recall(c, cause);
  };
  const keep = (c: TimedCommand<D>): void => {
    byId.set(c.id, c);
    const list = bySeat.get(c.seat);
    if (list === undefined) {
      bySeat.set(c.seat, [c]);
      return;
    }
    list.push(c);
    if (list.length > KEPT_PER_DEVICE) {
      const oldest = list.shift();
      if (oldest !== undefined) byId.delete(oldest.id);
    }
  };

  return {
    create(seat, spec, detail) {
      made += 1;
      const nowMs = scheduler.nowMs();
      const c: TimedCommand<D> = {
        id: idOf(made),
        detail,
        seat,
        spec,
        createdMs: nowMs,
        endMs: spec.endMs,
        closed: seat.optedOut ? 'optedout' : null,
        closedMs: seat.optedOut ? nowMs : null,
        delivery: seat.optedOut ? 'Cancelled' : 'Scheduled',
      };
      keep(c);
      const atMs = Math.max(spec.startMs, nowMs + base.drawDelayMs(seat));
      const failing = base.drawFailure(seat);
      if (c.closed === null) scheduler.at(atMs, () => attempt(c, failing), PRIORITY.world);
      return c;
    },
    get: (id) => byId.get(id),
    of: (seat) => bySeat.get(seat) ?? [],
    openIn,
    supersede(seat, window) {
      const nowMs = scheduler.nowMs();
      for (const old of openIn(seat, window)) {
        const rest = Math.max(old.spec.startMs, nowMs);
        // The device goes on with an old command until the new one reaches it; so nothing is recalled here.
        if (window.startMs <= rest) {
          close(old, nowMs < old.spec.startMs ? 'deleted' : 'stopped');
          if (old.delivery === 'Scheduled') old.delivery = 'Cancelled';
        } else old.endMs = window.startMs;
      }
    },
    cancel: (c) => endNow(c, `${c.id} cancelled`),
    optOut(seat) {
      for (const c of bySeat.get(seat) ?? []) {
        if (!isOpen(c, scheduler.nowMs())) continue;
        close(c, 'optedout');
        recall(c, `${c.id} opted out`);
      }
    },
  };
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
