import type { PointValue } from '../app/codec.ts';
import { FLAG } from '../app/control.ts';
import { type DataKind, KIND_GROUPS, POINT_KINDS } from '../app/objects.ts';
import type { HeaderRange, ObjectValue } from '../app/parse.ts';
import { sameOctets } from '../util/bytes.ts';
import { Picture } from './statics.ts';

/** The points of an outstation: per kind, sorted by index; indices may be sparse. */
export type EventClass = 0 | 1 | 2 | 3;
export interface PointConfig {
  readonly kind: DataKind;
  readonly index: number;
  /** 0 = static only, never an event. */
  readonly eventClass: EventClass;
  readonly staticVariation?: number;
  readonly eventVariation?: number;
  /** A new event when the value moved by more than this since the last one. */
  readonly deadband?: number;
  readonly value?: number;
  readonly flags?: number;
  /** Of octet strings, 1 to 255 octets; an empty one is held as one octet 0, since no object can carry it. */
  readonly octets?: Uint8Array;
  /** Of analog outputs: setpoints outside are refused with OUT_OF_RANGE; what a float holds when left out. */
  readonly limits?: { readonly min: number; readonly max: number };
}

export interface PointRecord {
  readonly kind: DataKind;
  readonly index: number;
  /** A master may assign another one (function 22). */
  eventClass: EventClass;
  readonly staticVariation: number;
  readonly eventVariation: number;
  /** Of analog inputs a master may write it (g34). */
  deadband: number;
  readonly config: PointConfig;
  /** Replaced as a whole, so a reference to it is a snapshot. */
  current: PointValue;
  /** Value and flags at the last event. */
  reported: PointValue;
}

export class Database {
  private readonly points: ReadonlyMap<DataKind, readonly PointRecord[]>;
  private readonly byIndex = new Map<DataKind, Map<number, PointRecord>>();
  private readonly pictures = new Map<DataKind, Picture>();

  /** A point given twice keeps its last configuration. */
  constructor(configs: readonly PointConfig[]) {
    for (const kind of DATA_KINDS) this.byIndex.set(kind, new Map());
    for (const c of configs) this.byIndex.get(c.kind)?.set(c.index, recordOf(c));
    this.points = new Map(
      [...this.byIndex].map(([kind, map]) => [kind, [...map.values()].sort((a, b) => a.index - b.index)]),
    );
  }

  all(kind: DataKind): readonly PointRecord[] {
    return this.points.get(kind) ?? [];
  }

  get(kind: DataKind, index: number): PointRecord | null {
    return this.byIndex.get(kind)?.get(index) ?? null;
  }

  /** All points of a kind as static objects. */
  picture(kind: DataKind): Picture {
    const known = this.pictures.get(kind);
    if (known !== undefined) return known;
    const picture = new Picture(this.all(kind));
    this.pictures.set(kind, picture);
    return picture;
  }

  /**
   * Takes a new value.
   * @returns the record when the change is worth an event, else null
   */
  update(kind: DataKind, index: number, point: PointValue): PointRecord | null {
    const record = this.get(kind, index);
    if (record === null) return null;
    record.current = kind === 'OCT' ? octetPoint(point.octets, point) : point;
    if (this.pictures.get(kind)?.update(record) === false) this.pictures.delete(kind);
    if (record.eventClass === 0 || !isEvent(record)) return null;
    record.reported = record.current;
    return record;
  }

  /** Classes and dead-bands as configured: what a master set does not outlive a cold restart. */
  reset(): void {
    for (const records of this.points.values()) {
      for (const r of records) {
        r.eventClass = r.config.eventClass;
        r.deadband = r.config.deadband ?? 0;
      }
    }
  }

  /** Points of a kind that a request header asks for; `missing` when it named a point that is not there. */
  select(
    kind: DataKind,
    range: HeaderRange,
    objects: readonly ObjectValue[],
  ): { records: readonly PointRecord[]; missing: boolean } {
    const all = this.all(kind);
    switch (range.kind) {
      case 'all':
        return { records: all, missing: false };
      case 'range': {
        const records = all.filter((p) => p.index >= range.start && p.index <= range.stop);
        return { records, missing: records.length < range.stop - range.start + 1 };
      }
      case 'count':
        return { records: all.slice(0, range.count), missing: range.count > all.length };
      case 'indexed': {
        const records = objects.flatMap((o) => this.get(kind, o.index) ?? []);
        return { records, missing: records.length < objects.length };
      }
      case 'free':
        return { records: [], missing: true };
    }
  }
}

const DATA_KINDS: readonly DataKind[] = [...POINT_KINDS, 'OCT'];

/** Of octet strings every change is one; of numbers a change of quality or beyond the dead-band. */
function isEvent({ kind, current, reported, deadband }: PointRecord): boolean {
  if (kind === 'OCT') return !sameOctets(current.octets ?? EMPTY, reported.octets ?? EMPTY);
  const moved = Math.abs(current.value - reported.value);
  return current.flags !== reported.flags || Number.isNaN(moved) || moved > deadband;
}

const EMPTY = new Uint8Array(1);

/** Octets beyond 255 are cut off; none become one octet 0. */
function octetPoint(octets: Uint8Array | undefined, point: PointValue): PointValue {
  const kept = octets === undefined || octets.length === 0 ? EMPTY : octets.slice(0, 255);
  return { value: kept.length, flags: FLAG.online, timeMs: point.timeMs, octets: kept };
}

function recordOf(c: PointConfig): PointRecord {
  const groups = KIND_GROUPS[c.kind];
  const plain: PointValue = { value: c.value ?? 0, flags: c.flags ?? FLAG.online, timeMs: 0 };
  const point = c.kind === 'OCT' ? octetPoint(c.octets, plain) : plain;
  return {
    kind: c.kind,
    index: c.index,
    eventClass: c.eventClass,
    staticVariation: c.staticVariation ?? groups.staticVariation,
    eventVariation: c.eventVariation ?? groups.eventVariation,
    deadband: c.deadband ?? 0,
    config: c,
    current: point,
    reported: point,
  };
}
