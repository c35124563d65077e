import { bitPoint, type PointLayout, type PointTold, pointLayout, readBits, readPoint } from '../app/codec.ts';
import type { PointKind } from '../app/objects.ts';
import { indexAt, type ObjectHeader } from '../app/parse.ts';
import { viewOf } from '../util/bytes.ts';

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

/** An octet string as an outstation sent it, 1 to 255 octets. */
export interface OctetString {
  readonly index: number;
  readonly octets: Uint8Array;
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
    const { point: kind, role } = h.spec;
    if (kind === null || (role !== 'static' && role !== 'event')) continue;
    const layout = pointLayout(h.spec);
    const synchronised = layout?.isRelative === true ? base?.synchronised === true : !from.needTime;
    const timed = synchronised ? 'synchronised' : 'unsynchronised';
    const source = from.unsolicited ? 'unsolicited' : role;
    const view = viewOf(h.content.octets);
    for (let i = 0; i < h.content.count; i++) {
      const index = indexAt(h.content, view, i);
      if (!known(kind, index)) {
        dropped += 1;
        continue;
      }
      const { value, flags, timeMs } = pointAt(h, layout, view, i, base?.ms ?? null);
      values.push({ kind, index, value, flags, timeMs, timeQuality: timeMs === null ? 'received' : timed, source });
    }
  }
  return { values, dropped };
}

function pointAt(
  { spec, content }: ObjectHeader,
  layout: PointLayout | null,
  view: DataView,
  i: number,
  baseMs: number | null,
): PointTold {
  if (layout !== null) return readPoint(view, i * content.stride + content.prefix, layout, baseMs);
  return bitPoint(spec.shape.kind === 'packed' ? readBits(content.octets, i, spec.shape.bits) : 0);
}

/** Octet strings in a response, each a copy of its own. */
export function octetStringsOf(
  headers: readonly ObjectHeader[],
  unsolicited: boolean,
  known: (index: number) => boolean,
): { values: OctetString[]; dropped: number } {
  const values: OctetString[] = [];
  let dropped = 0;
  for (const h of headers) {
    if (h.spec.role !== 'octets' && h.spec.role !== 'octets-event') continue;
    const source = unsolicited ? 'unsolicited' : h.spec.role === 'octets' ? 'static' : 'event';
    for (const o of h.objects) {
      if (o.octets === undefined || !known(o.index)) dropped += 1;
      else values.push({ index: o.index, octets: o.octets.slice(), source });
    }
  }
  return { values, dropped };
}

/** Dead-bands of analog inputs in a response. */
export function deadbandsOf(
  headers: readonly ObjectHeader[],
  known: PointFilter,
): { values: { index: number; deadband: number }[]; dropped: number } {
  const all = headers
    .filter((h) => h.spec.role === 'deadband')
    .flatMap((h) => h.objects.map((o) => ({ index: o.index, deadband: o.fields[0] ?? 0 })));
  const values = all.filter((d) => known('AI', d.index));
  return { values, dropped: all.length - values.length };
}
