import type { PointValue } from '../app/codec.ts';
import { FLAG } from '../app/control.ts';
import { KIND_GROUPS, type ObjectSpec, objectSpec, POINT_KINDS, type PointKind } from '../app/objects.ts';
import type { HeaderRange, ObjectValue } from '../app/parse.ts';

/** The points of an outstation: per kind, sorted by index; indices may be sparse. */
export type EventClass = 0 | 1 | 2 | 3;
export interface PointConfig {
  readonly kind: PointKind;
  readonly index: number;
  /** 0 = static only, never an event. */
  readonly eventClass: EventClass;
  readonly staticVariation?: number;
  readonly eventVariation?: number;
  /** A new event when the value moved by more than this since the last one. */
  readonly deadband?: number;
  readonly value?: number;
  readonly flags?: number;
}

export interface PointRecord {
  readonly kind: PointKind;
  readonly index: number;
  readonly eventClass: EventClass;
  readonly staticVariation: number;
  readonly eventVariation: number;
  readonly deadband: number;
  /** Replaced as a whole, so a reference to it is a snapshot. */
  current: PointValue;
  /** Value and flags at the last event. */
  reported: PointValue;
}

/** One point to be written in a response. */
export interface StaticItem {
  readonly kind: PointKind;
  readonly index: number;
  readonly spec: ObjectSpec;
  readonly point: PointValue;
  /** Octets of the range; the same for all items of one request header. */
  readonly rangeOctets: 1 | 2;
}

export class Database {
  private readonly points: ReadonlyMap<PointKind, readonly PointRecord[]>;
  private readonly byIndex = new Map<PointKind, Map<number, PointRecord>>();

  /** A point given twice keeps its last configuration. */
  constructor(configs: readonly PointConfig[]) {
    for (const kind of POINT_KINDS) this.byIndex.set(kind, new Map());
    for (const c of configs) this.byIndex.get(c.kind)?.set(c.index, recordOf(c));
    this.points = new Map(
      [...this.byIndex].map(([kind, map]) => [kind, [...map.values()].sort((a, b) => a.index - b.index)]),
    );
  }

  all(kind: PointKind): readonly PointRecord[] {
    return this.points.get(kind) ?? [];
  }

  get(kind: PointKind, index: number): PointRecord | null {
    return this.byIndex.get(kind)?.get(index) ?? null;
  }

  /**
   * Takes a new value.
   * @returns the record when the change is worth an event, else null
   */
  update(kind: PointKind, index: number, point: PointValue): PointRecord | null {
    const record = this.get(kind, index);
    if (record === null) return null;
    record.current = point;
    if (record.eventClass === 0) return null;
    const moved = Math.abs(point.value - record.reported.value);
    const changed = point.flags !== record.reported.flags || (Number.isNaN(moved) ? true : moved > record.deadband);
    if (!changed) return null;
    record.reported = point;
    return record;
  }

  /** Points of a kind that a request header asks for; `missing` when it named a point that is not there. */
  select(
    kind: PointKind,
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
    }
  }
}

function recordOf(c: PointConfig): PointRecord {
  const groups = KIND_GROUPS[c.kind];
  const point: PointValue = { value: c.value ?? 0, flags: c.flags ?? FLAG.online, timeMs: 0 };
  return {
    kind: c.kind,
    index: c.index,
    eventClass: c.eventClass,
    staticVariation: c.staticVariation ?? groups.staticVariation,
    eventVariation: c.eventVariation ?? groups.eventVariation,
    deadband: c.deadband ?? 0,
    current: point,
    reported: point,
  };
}

/**
 * Items for records in one variation; 0 means each point's own. Packed bits carry no quality: a point that is not plainly
 * ONLINE is promoted to the variation with flags.
 */
export function staticItems(records: readonly PointRecord[], variation: number): StaticItem[] {
  const last = records.reduce((max, r) => Math.max(max, r.index), 0);
  return records.flatMap((r) => {
    const wanted = objectSpec(KIND_GROUPS[r.kind].staticGroup, variation === 0 ? r.staticVariation : variation);
    const promote = wanted?.shape.kind === 'packed' && r.current.flags !== FLAG.online;
    const spec = promote ? objectSpec(KIND_GROUPS[r.kind].staticGroup, 2) : wanted;
    if (spec === null) return [];
    return { kind: r.kind, index: r.index, spec, point: r.current, rangeOctets: last > 0xff ? 2 : 1 };
  });
}
