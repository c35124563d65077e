import type { PointConfig } from '../../src/dnp3/outstation/database.ts';
import { isPointKey, POINT_PLACES, type PointOverride, UNITS } from '../../src/domain/pointsMap.ts';
import type { RtacConfig } from './config.ts';
import type { OutstationKind, PointDef, SiteNow } from './points.ts';

/**
 * Where a site has its points and how it counts in them: AN2018-001 with the overrides of its points map.
 *
 *   raw = value ÷ unit ÷ scale × sign, rounded
 */
export interface PlacedPoint {
  readonly def: PointDef;
  readonly kind: OutstationKind;
  readonly index: number;
  toRaw(value: number): number;
  fromRaw(raw: number): number;
}

/** A point that another takes the place of is not there any more. */
export function placePoints(defs: readonly PointDef[], config: RtacConfig): PlacedPoint[] {
  const overrides = config.pointsMap?.overrides ?? {};
  const placed = defs.map((def) => place(def, def.key === undefined ? undefined : overrides[def.key]));
  const moved = new Set(placed.filter((p) => p.index !== p.def.index).map(nameOf));
  return placed.filter((p) => p.index !== p.def.index || !moved.has(nameOf(p)));
}

const nameOf = ({ kind, index }: PlacedPoint): string => `${kind}${index}`;

function place(def: PointDef, change: PointOverride | undefined): PlacedPoint {
  const { kind } = def;
  const sign = change?.sign ?? 1;
  const count = countOf(def, change) * sign;
  return {
    def,
    kind,
    index: change?.index ?? def.index,
    toRaw: (value) => Math.round(value / count) + 0,
    // Tenths and thousandths are divided, so that they stay exact.
    fromRaw: (raw) => (Math.abs(count) < 1 ? raw / Math.round(1 / count) : raw * count) + 0,
  };
}

/** What one count means in W, Wh, %, V, Hz, var or s. */
function countOf(def: PointDef, change: PointOverride | undefined): number {
  if (change === undefined || def.key === undefined || !isPointKey(def.key)) return def.scale;
  const unit = change.unit === undefined ? null : UNITS[POINT_PLACES[def.key].quantity][change.unit];
  // Without a unit of its own a scale is in the unit of the standard point: W, Wh, %; kWh for the counter.
  const ofUnit = unit ?? (def.kind === 'CTR' ? def.scale : 1);
  const scale = change.scale ?? (def.kind === 'CTR' ? 1 : def.scale);
  return scale * ofUnit;
}

export const pointConfigs = (placed: readonly PlacedPoint[], site: SiteNow): PointConfig[] =>
  placed.map((p) => ({
    kind: p.kind,
    index: p.index,
    eventClass: p.def.eventClass,
    value: p.toRaw(p.def.value(site)),
    deadband: Math.abs(p.toRaw(p.def.deadband)),
  }));
