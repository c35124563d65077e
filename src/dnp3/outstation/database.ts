import type { PointValue } from '../app/codec.ts';
import { FLAG } from '../app/control.ts';
import { type DataKind, KIND_GROUPS, type ObjectSpec, objectSpec, POINT_KINDS } from '../app/objects.ts';
import type { HeaderRange, ObjectValue } from '../app/parse.ts';
import { sameOctets } from '../util/bytes.ts';

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
  /** How it was last written in a static read: good for as long as value, object and range are the same. */
  item: StaticItem | null;
}

/** One point to be written in a response. */
export interface StaticItem {
  readonly kind: DataKind;
  readonly index: number;
  readonly spec: ObjectSpec;
  readonly point: PointValue;
  /** Octets of the range; the same for all items of one request header. */
  readonly rangeOctets: 1 | 2;
  /** The point in its object, worked out when it is first written. */
  fields: readonly number[] | null;
}

export class Database {
  private readonly points: ReadonlyMap<DataKind, readonly PointRecord[]>;
  private readonly byIndex = new Map<DataKind, Map<number, PointRecord>>();

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

  /**
   * Takes a new value.
   * @returns the record when the change is worth an event, else null
   */
  update(kind: DataKind, index: number, point: PointValue): PointRecord | null {
    const record = this.get(kind, index);
    if (record === null) return null;
    record.current = kind === 'OCT' ? octetPoint(point.octets, point) : point;
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
    item: null,
  };
}

/**
 * Items for records in one variation; 0 means each point's own. Packed bits carry no quality: a point that is not plainly
 * ONLINE is promoted to the variation with flags.
 */
export function staticItems(records: readonly PointRecord[], variation: number): StaticItem[] {
  const rangeOctets = records.some((r) => r.index > 0xff) ? 2 : 1;
  const items: StaticItem[] = [];
  // Neighbours are mostly of one object: its row is looked up once for each run.
  let group = -1;
  let own = -1;
  let wanted: ObjectSpec | null = null;
  for (const r of records) {
    const { staticGroup } = KIND_GROUPS[r.kind];
    const asked = ownVariation(r, variation);
    if (asked !== own || staticGroup !== group) {
      wanted = objectSpec(staticGroup, asked);
      own = asked;
      group = staticGroup;
    }
    const promote = wanted?.shape.kind === 'packed' && r.current.flags !== FLAG.online;
    const spec = promote ? objectSpec(staticGroup, 2) : wanted;
    if (spec !== null) items.push(itemOf(r, spec, rangeOctets));
  }
  return items;
}

/** Most points stand still between two polls: their item of the last read serves again. */
function itemOf(r: PointRecord, spec: ObjectSpec, rangeOctets: 1 | 2): StaticItem {
  const last = r.item;
  if (last !== null && last.point === r.current && last.spec === spec && last.rangeOctets === rangeOctets) return last;
  r.item = { kind: r.kind, index: r.index, spec, point: r.current, rangeOctets, fields: null };
  return r.item;
}

/** The variation of an octet string is its length. */
function ownVariation(r: PointRecord, asked: number): number {
  if (r.kind === 'OCT') return r.current.octets?.length ?? 0;
  return asked === 0 ? r.staticVariation : asked;
}

/** Dead-bands of analog inputs as g34; variation 0 gives floats, which hold any of them. */
export function deadbandItems(records: readonly PointRecord[], variation: number): StaticItem[] {
  const spec = objectSpec(34, variation === 0 ? 3 : variation);
  if (spec === null) return [];
  const last = records.reduce((max, r) => Math.max(max, r.index), 0);
  return records.map((r) => ({
    kind: r.kind,
    index: r.index,
    spec,
    point: { value: r.deadband, flags: FLAG.online, timeMs: 0 },
    rangeOctets: last > 0xff ? 2 : 1,
    fields: null,
  }));
}
