import { fieldsToPoint } from '../app/codec.ts';
import type { PointKind } from '../app/objects.ts';
import type { ObjectHeader } from '../app/parse.ts';

/** One value as an outstation sent it. */
export interface Measurement {
  readonly kind: PointKind;
  readonly index: number;
  /** Binaries 0 or 1, double-bit 0 to 3. */
  readonly value: number;
  /** Quality without the state bits. */
  readonly flags: number;
  /** When the device says it was so; null when the object carries no time. */
  readonly timeMs: number | null;
  readonly timeQuality: 'synchronised' | 'unsynchronised' | 'received';
  readonly source: 'static' | 'event' | 'unsolicited';
}

/** The points that a site's map knows; values of others are dropped, so that no peer can grow our tables. */
export type PointFilter = (kind: PointKind, index: number) => boolean;

/**
 * Values in a response, in order. Objects that do not belong in one (a control echoed, an unknown role) are passed over.
 * Relative times need a common time of occurrence before them; without one the value has no time.
 */
export function measurementsOf(
  headers: readonly ObjectHeader[],
  from: { readonly unsolicited: boolean; readonly needTime: boolean },
  known: PointFilter,
): { values: Measurement[]; dropped: number } {
  const values: Measurement[] = [];
  let dropped = 0;
  let base: { readonly ms: number; readonly synchronised: boolean } | null = null;
  for (const h of headers) {
    if (h.group === 51) base = { ms: h.objects[0]?.fields[0] ?? 0, synchronised: h.variation === 1 };
    const kind = h.spec.point;
    if (kind === null || (h.spec.role !== 'static' && h.spec.role !== 'event')) continue;
    const isRelative = h.spec.shape.kind === 'fields' && h.spec.shape.fields.some((f) => f.name === 'relativeMs');
    const synchronised = isRelative ? base?.synchronised === true : !from.needTime;
    for (const o of h.objects) {
      if (!known(kind, o.index)) {
        dropped += 1;
        continue;
      }
      const point = fieldsToPoint(h.spec, kind, o.fields, base?.ms ?? null);
      values.push({
        kind,
        index: o.index,
        ...point,
        timeQuality: point.timeMs === null ? 'received' : synchronised ? 'synchronised' : 'unsynchronised',
        source: from.unsolicited ? 'unsolicited' : h.spec.role,
      });
    }
  }
  return { values, dropped };
}
