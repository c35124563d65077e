import { FUNCTION, IIN2 } from '../app/control.ts';
import { KIND_GROUPS, POINT_KINDS, type PointKind } from '../app/objects.ts';
import type { ObjectHeader } from '../app/parse.ts';
import { type Database, type StaticItem, staticItems } from './database.ts';
import type { EventBuffer } from './events.ts';

/** What the headers of a READ select, with the indications they raise. */
export interface ReadSelection {
  readonly statics: readonly StaticItem[];
  readonly iin2: number;
}

/** Marks the events a READ asks for and collects its static points, header by header. */
export function selectRead(
  headers: readonly ObjectHeader[],
  database: Database,
  events: EventBuffer,
  class0: readonly PointKind[],
): ReadSelection {
  const statics: StaticItem[] = [];
  let iin2 = 0;
  for (const h of headers) {
    const { role, point } = h.spec;
    const limit = h.range.kind === 'count' ? h.range.count : Number.POSITIVE_INFINITY;
    if (role === 'class' && (h.range.kind === 'all' || h.range.kind === 'count')) {
      if (h.variation === 1) for (const kind of class0) statics.push(...staticItems(database.all(kind), 0));
      else events.select((e) => e.eventClass === h.variation - 1, 0, limit);
    } else if (role === 'event' && (h.range.kind === 'all' || h.range.kind === 'count')) {
      events.select((e) => e.kind === point, h.variation, limit);
    } else if (role === 'static' && point !== null && h.range.kind !== 'count') {
      const found = database.select(point, h.range, h.objects);
      if (found.missing) iin2 |= IIN2.parameterError;
      statics.push(...staticItems(found.records, h.variation));
    } else {
      // A known object that cannot be read, or not with this qualifier.
      iin2 |= role === 'static' || role === 'event' || role === 'class' ? IIN2.parameterError : IIN2.objectUnknown;
    }
  }
  return { statics, iin2 };
}

/** Classes 1 to 3 named by g60v2 to g60v4; null when anything else stands among them. */
export function namedClasses(headers: readonly ObjectHeader[]): number[] | null {
  const fits = headers.every((h) => h.spec.role === 'class' && h.variation >= 2 && h.range.kind === 'all');
  return fits ? headers.map((h) => h.variation - 1) : null;
}

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
export const CLASS0_ALL: readonly PointKind[] = POINT_KINDS;
