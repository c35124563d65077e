import type { PointValue } from '../app/codec.ts';
import { IIN1 } from '../app/control.ts';
import { type DataKind, KIND_GROUPS, type ObjectSpec, objectSpec } from '../app/objects.ts';
import type { PointRecord } from './database.ts';

/**
 * Events wait here until the master confirmed them. waiting -> selected (by a read or for an unsolicited response) ->
 * written (in a fragment that awaits its confirm) -> gone; anything else puts them back to waiting.
 * Each kind of point has its own limit; the oldest of that kind makes room and is lost. IIN2.3 then stays set until no
 * kind is full and the master has confirmed a fragment that was built after the last loss, so that no loss goes untold.
 */
export interface EventRecord {
  readonly kind: DataKind;
  readonly index: number;
  readonly eventClass: 1 | 2 | 3;
  readonly variation: number;
  readonly point: PointValue;
  state: 'waiting' | 'selected' | 'written';
  /** Variation the request asked for, 0 = the event's own. */
  asked: number;
}

export class EventBuffer {
  overflowed = false;
  lost = 0;
  private readonly capacity: (kind: DataKind) => number;
  private readonly counts = new Map<DataKind, number>();
  private events: EventRecord[] = [];

  constructor(capacity: (kind: DataKind) => number) {
    this.capacity = capacity;
  }

  get size(): number {
    return this.events.length;
  }

  add(record: PointRecord): void {
    if (record.eventClass === 0) return;
    const limit = this.capacity(record.kind);
    if (limit <= 0) return;
    if ((this.counts.get(record.kind) ?? 0) >= limit) {
      const oldest = this.events.findIndex((e) => e.kind === record.kind);
      this.events.splice(oldest, 1);
      this.count(record.kind, -1);
      this.overflowed = true;
      this.lost += 1;
    }
    this.count(record.kind, 1);
    this.events.push({
      kind: record.kind,
      index: record.index,
      eventClass: record.eventClass,
      variation: record.eventVariation,
      point: record.current,
      state: 'waiting',
      asked: 0,
    });
  }

  /** Marks up to `limit` waiting events, oldest first. */
  select(wanted: (e: EventRecord) => boolean, variation: number, limit: number): void {
    let left = limit;
    for (const e of this.events) {
      if (left <= 0) return;
      if (e.state !== 'waiting' || !wanted(e)) continue;
      e.state = 'selected';
      e.asked = variation;
      left -= 1;
    }
  }

  selected(): EventRecord[] {
    return this.events.filter((e) => e.state === 'selected');
  }

  /** The master has them. @param lostTold  value of `lost` when the confirmed fragment was built */
  confirmWritten(lostTold: number): void {
    for (const e of this.events) if (e.state === 'written') this.count(e.kind, -1);
    this.events = this.events.filter((e) => e.state !== 'written');
    const full = [...this.counts].some(([kind, n]) => n >= this.capacity(kind));
    if (!full && this.lost === lostTold) this.overflowed = false;
  }

  /** Nobody has them: all wait again. */
  putBack(): void {
    for (const e of this.events) e.state = 'waiting';
  }

  /** What was selected and found no room waits again. */
  unselect(): void {
    for (const e of this.events) if (e.state === 'selected') e.state = 'waiting';
  }

  clear(): void {
    this.events = [];
    this.counts.clear();
    this.overflowed = false;
  }

  /** Bits of IIN1 for classes with events that are in no fragment yet. */
  classBits(): number {
    let bits = 0;
    for (const e of this.events) {
      if (e.state === 'written') continue;
      bits |= e.eventClass === 1 ? IIN1.class1 : e.eventClass === 2 ? IIN1.class2 : IIN1.class3;
    }
    return bits;
  }

  hasWaiting(classes: readonly number[]): boolean {
    return this.events.some((e) => e.state === 'waiting' && classes.includes(e.eventClass));
  }

  private count(kind: DataKind, by: number): void {
    this.counts.set(kind, (this.counts.get(kind) ?? 0) + by);
  }
}

/** Object of an event: what was asked for where it exists, else the event's own variation. */
export function eventSpec(e: EventRecord): ObjectSpec | null {
  const { eventGroup } = KIND_GROUPS[e.kind];
  if (e.kind === 'OCT') return objectSpec(eventGroup, e.point.octets?.length ?? 0);
  return objectSpec(eventGroup, e.asked === 0 ? e.variation : e.asked);
}
