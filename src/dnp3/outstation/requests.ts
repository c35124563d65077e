import { FUNCTION, IIN2 } from '../app/control.ts';
import { type DataKind, KIND_GROUPS, POINT_KINDS } from '../app/objects.ts';
import type { ObjectHeader } from '../app/parse.ts';
import type { Database, EventClass, PointRecord } from './database.ts';
import type { EventBuffer } from './events.ts';
import { addDeadbands, addStatics, type StaticRun } from './statics.ts';

/** What the headers of a READ select, with the indications they raise. */
export interface ReadSelection {
  readonly statics: readonly StaticRun[];
  readonly iin2: number;
}

/** Marks the events a READ asks for and collects its static points, header by header. */
export function selectRead(
  headers: readonly ObjectHeader[],
  database: Database,
  events: EventBuffer,
  class0: readonly DataKind[],
): ReadSelection {
  const statics: StaticRun[] = [];
  let iin2 = 0;
  for (const h of headers) {
    const { role } = h.spec;
    const point = role === 'octets' || role === 'octets-event' ? 'OCT' : h.spec.point;
    const isEvent = role === 'event' || (role === 'octets-event' && h.variation === 0);
    const isStatic = role === 'static' || role === 'deadband' || (role === 'octets' && h.variation === 0);
    const limit = h.range.kind === 'count' ? h.range.count : Number.POSITIVE_INFINITY;
    if (role === 'class' && (h.range.kind === 'all' || h.range.kind === 'count')) {
      if (h.variation === 1) for (const kind of class0) database.picture(kind).addTo(statics);
      else events.select((e) => e.eventClass === h.variation - 1, 0, limit);
    } else if (isEvent && (h.range.kind === 'all' || h.range.kind === 'count')) {
      events.select((e) => e.kind === point, h.variation, limit);
    } else if (isStatic && point !== null && h.range.kind !== 'count') {
      const found = database.select(point, h.range, h.objects);
      if (found.missing) iin2 |= IIN2.parameterError;
      const add = role === 'deadband' ? addDeadbands : addStatics;
      add(statics, found.records, h.variation);
    } else {
      // A known object that cannot be read, or not with this qualifier.
      iin2 |= isStatic || isEvent || role === 'class' ? IIN2.parameterError : IIN2.objectUnknown;
    }
  }
  return { statics, iin2 };
}

/** Classes 1 to 3 named by g60v2 to g60v4; null when anything else stands among them. */
export function namedClasses(headers: readonly ObjectHeader[]): number[] | null {
  const fits = headers.every((h) => h.spec.role === 'class' && h.variation >= 2 && h.range.kind === 'all');
  return fits ? headers.map((h) => h.variation - 1) : null;
}

/**
 * Points and the class they get (function 22): g60v1 to g60v4 without range, then headers of points until the next class.
 * `missing` when a header named points that are not there; those that are get their class all the same.
 * @returns null when anything else stands among them, or no class comes first
 */
export function namedAssignments(
  headers: readonly ObjectHeader[],
  database: Database,
): { assigned: { record: PointRecord; eventClass: EventClass }[]; missing: boolean } | null {
  const assigned: { record: PointRecord; eventClass: EventClass }[] = [];
  let eventClass: EventClass | null = null;
  let missing = false;
  let open = false;
  for (const h of headers) {
    if (h.spec.role === 'class') {
      if (h.range.kind !== 'all' || open) return null;
      eventClass = CLASSES[h.variation - 1] ?? null;
      open = true;
      continue;
    }
    const kind = h.spec.role === 'octets' ? 'OCT' : h.spec.role === 'static' ? h.spec.point : null;
    if (kind === null || eventClass === null || h.variation !== 0 || h.range.kind === 'count') return null;
    open = false;
    const found = database.select(kind, h.range, h.objects);
    missing ||= found.missing;
    for (const record of found.records) assigned.push({ record, eventClass });
  }
  return open || headers.length === 0 ? null : { assigned, missing };
}

const CLASSES: readonly EventClass[] = [0, 1, 2, 3];

/** Counters that a freeze names; null when it names anything else. */
export function namedCounters(headers: readonly ObjectHeader[], database: Database): number[] | null {
  const fits = headers.every(
    (h) => h.group === KIND_GROUPS.CTR.staticGroup && h.variation === 0 && h.range.kind !== 'count',
  );
  if (!fits || headers.length === 0) return null;
  return headers.flatMap((h) => database.select('CTR', h.range, h.objects).records.map((r) => r.index));
}

export const isFreeze = (functionCode: number): boolean =>
  functionCode >= FUNCTION.freeze && functionCode <= FUNCTION.freezeClearNoResponse;

export const wantsNoResponse = (functionCode: number): boolean =>
  functionCode === FUNCTION.directOperateNoResponse ||
  functionCode === FUNCTION.freezeNoResponse ||
  functionCode === FUNCTION.freezeClearNoResponse;

/** The order in which opendnp3 3.x answers class 0 (conformance log 6.1.2); double-bit inputs are left out there. */
export const CLASS0_ALL: readonly DataKind[] = [...POINT_KINDS, 'OCT'];
