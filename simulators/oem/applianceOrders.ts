import type { EpochMs } from '../../src/domain/units.ts';
import { PRIORITY, type Scheduler } from '../../src/ports/clock.ts';
import type { AppliancePort } from '../appliance/fleet.ts';
import type { OpenNote, OpenSeat } from './appliance.ts';
import type { OrderBody } from './applianceRead.ts';
import type { Behaviour } from './behaviour.ts';

/**
 * Commands inside the open device cloud, from the request to the device.
 *
 *   scheduled ──delivery──> applied
 *       │  │ └──the device says no, or no way to it until deliveryWindowMs──> failed
 *       │  └──expireAt──> expired
 *       └──DELETE, or a newer command with the same slug──> cancelled
 *
 * The device is told after a drawn delay, not before startAt, and again every deliveryRetryMs while it is out of reach.
 * "applied" says that it was told; a setting stands until the next one, the cloud ends nothing by itself.
 * Of each device the last KEPT commands are known, with their tokens; a token older than that names nothing any more.
 */
export type OpenStatus = 'scheduled' | 'applied' | 'failed' | 'expired' | 'cancelled';

export interface OpenOrder {
  readonly id: string;
  readonly seat: OpenSeat;
  readonly body: OrderBody;
  readonly signature: string;
  readonly createdMs: EpochMs;
  status: OpenStatus;
  reason: string | null;
  /** How often the device followed it: 1 when applied, whatever became of the answers. */
  effects: number;
}

const KEPT = 100;
const RETRY_MS_MIN = 1_000;

export interface OpenOrdersParts {
  readonly scheduler: Scheduler;
  readonly fleet: AppliancePort;
  readonly behaviour: () => Behaviour;
  readonly note: ((note: OpenNote) => void) | undefined;
}

export class OpenOrders {
  readonly #parts: OpenOrdersParts;
  readonly #byId = new Map<string, OpenOrder>();
  readonly #bySeat = new Map<OpenSeat, OpenOrder[]>();
  #made = 0;

  constructor(parts: OpenOrdersParts) {
    this.#parts = parts;
  }

  get(id: string): OpenOrder | undefined {
    return this.#byId.get(id);
  }

  of(seat: OpenSeat): readonly OpenOrder[] {
    return this.#bySeat.get(seat) ?? [];
  }

  byToken(seat: OpenSeat, token: string): OpenOrder | undefined {
    return this.of(seat).find((o) => o.body.clientToken === token);
  }

  /** Equal for bodies that ask for the same, whatever the order of their fields. */
  signature({ setting, startMs, expireMs }: OrderBody): string {
    const fields = Object.entries(setting.input).sort(([a], [b]) => (a < b ? -1 : 1));
    return JSON.stringify([setting.slug, fields, startMs, expireMs]);
  }

  create(seat: OpenSeat, body: OrderBody): OpenOrder {
    const { scheduler } = this.#parts;
    const nowMs = scheduler.nowMs();
    for (const older of this.of(seat)) {
      if (older.status !== 'scheduled' || older.body.setting.slug !== body.setting.slug) continue;
      this.#close(older, 'cancelled', 'a newer command took its place');
    }
    this.#made += 1;
    const id = `cmd-${this.#made}`;
    const signature = this.signature(body);
    const made: OpenOrder = {
      id,
      seat,
      body,
      signature,
      createdMs: nowMs,
      status: 'scheduled',
      reason: null,
      effects: 0,
    };
    this.#keep(made);
    const b = this.#parts.behaviour();
    const dueMs = Math.max(body.startMs ?? nowMs, nowMs + delayMs(seat, b));
    const failing = seat.draw.chance(b.deliveryFailureRatio);
    scheduler.at(dueMs, () => this.#attempt(made, failing), PRIORITY.world);
    return made;
  }

  /** @returns false when the device was told already, or it ended otherwise */
  cancel(o: OpenOrder): boolean {
    if (o.status === 'cancelled') return true;
    if (o.status !== 'scheduled') return false;
    this.#close(o, 'cancelled', 'withdrawn');
    return true;
  }

  #attempt(o: OpenOrder, failing: boolean): void {
    if (o.status !== 'scheduled') return;
    const { scheduler, fleet, behaviour } = this.#parts;
    const nowMs = scheduler.nowMs();
    const { startMs, expireMs, setting } = o.body;
    if (expireMs !== null && nowMs > expireMs) {
      this.#close(o, 'expired', 'it could not be delivered before expireAt');
      return this.#note(o, 'delivery-failed');
    }
    if (!failing && o.seat.swallow.chance(behaviour().swallowRatio)) {
      this.#close(o, 'applied', null);
      return this.#note(o, 'swallowed');
    }
    const taken = failing ? ({ kind: 'offline' } as const) : fleet.apply(o.seat.device, setting, o.id);
    if (taken.kind === 'taken') {
      o.effects += 1;
      this.#close(o, 'applied', null);
      return this.#note(o, 'delivered');
    }
    if (taken.kind === 'refused') {
      this.#close(o, 'failed', taken.why);
      return this.#note(o, 'refused');
    }
    const { deliveryRetryMs, deliveryWindowMs } = behaviour();
    const nextMs = nowMs + Math.max(RETRY_MS_MIN, deliveryRetryMs);
    if (nextMs <= Math.max(startMs ?? 0, o.createdMs) + deliveryWindowMs) {
      scheduler.at(nextMs, () => this.#attempt(o, failing), PRIORITY.world);
      return;
    }
    this.#close(o, 'failed', 'the device could not be reached');
    this.#note(o, 'delivery-failed');
  }

  #close(o: OpenOrder, status: OpenStatus, reason: string | null): void {
    o.status = status;
    o.reason = reason;
  }

  #note(o: OpenOrder, what: OpenNote['what']): void {
    const { scheduler, note } = this.#parts;
    const detail = o.reason === null ? o.id : `${o.id}: ${o.reason}`;
    note?.({ atMs: scheduler.nowMs(), device: o.seat.device, vendorDeviceId: o.seat.id, what, detail });
  }

  #keep(o: OpenOrder): void {
    this.#byId.set(o.id, o);
    const list = this.#bySeat.get(o.seat) ?? [];
    this.#bySeat.set(o.seat, list);
    list.push(o);
    if (list.length <= KEPT) return;
    const oldest = list.shift();
    if (oldest === undefined) return;
    if (oldest.status === 'scheduled') this.#close(oldest, 'cancelled', 'too many commands for one device');
    this.#byId.delete(oldest.id);
  }
}

function delayMs({ draw }: OpenSeat, b: Behaviour): number {
  const slow = draw.chance(b.commandTailRatio);
  const usualMs = b.commandDelayMsMin + (b.commandDelayMsMean > 0 ? draw.exponential(b.commandDelayMsMean) : 0);
  return Math.round(slow ? Math.max(usualMs, draw.uniform(0, b.commandTailMsMax)) : usualMs);
}
