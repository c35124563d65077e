import { invariant } from '../domain/errors.ts';
import {
  checkMap,
  fullRevision,
  POINT_KEYS,
  POINT_PLACES,
  type PointKey,
  type PointsMapConfig,
  UNITS,
} from '../domain/pointsMap.ts';
import type { Provenance } from '../domain/program.ts';
import { AN2018_POINTS, AN2018_PROVENANCE, type FieldPoint, type FieldPointType } from './an2018.ts';

/**
 * The map of one site: the table of its revision with the site's overrides in it.
 *
 *   value [W, Wh, %, V, Hz, var, s] = raw × scale × sign × unit
 *
 * Two points that stand for nothing here may not be hidden in silence: an override that takes the place of another point
 * of the table drops that one, and of two named points none may take the other's place (pointsMap.ts refuses it).
 */
export interface MappedPoint extends FieldPoint {
  /** The name the connector uses; null for points that are only kept raw. */
  readonly key: PointKey | null;
  readonly sign: 1 | -1;
  /** What one unit is in W, Wh, %, V, Hz, var or s; null: the unit is no energy, or BI27 has to tell. */
  readonly unitFactor: number | null;
  readonly overridden: boolean;
}

export interface PointMap {
  readonly revision: string;
  /** With the overrides in it: what an approval is given for. */
  readonly fullRevision: string;
  readonly provenance: Provenance;
  readonly points: readonly MappedPoint[];
  readonly byKey: ReadonlyMap<PointKey, MappedPoint>;
}

const TABLES: ReadonlyMap<string, readonly FieldPoint[]> = new Map([['AN2018-001', AN2018_POINTS]]);

/**
 * @param siteId  for the message
 * @throws        InputError for an unknown revision or point, or an override that makes no sense
 */
export function pointMap(siteId: string, config: PointsMapConfig): PointMap {
  checkMap(siteId, config);
  const table = TABLES.get(config.revision);
  invariant(table !== undefined, `no table for the revision ${config.revision}`);
  const named = POINT_KEYS.flatMap((key) => mapped(key, config, table));
  const places = new Set(named.map(placeOf));
  const standard = new Set(POINT_KEYS.map((k) => `${POINT_PLACES[k].type}${POINT_PLACES[k].index}`));
  const others = table
    .filter((p) => !places.has(placeOf(p)) && !standard.has(placeOf(p)))
    .map((p): MappedPoint => ({ ...p, key: null, sign: 1, unitFactor: null, overridden: false }));
  return {
    revision: config.revision,
    fullRevision: fullRevision(config),
    provenance: AN2018_PROVENANCE,
    points: [...named, ...others].sort((a, b) => ORDER[a.type] - ORDER[b.type] || a.index - b.index),
    byKey: new Map(named.flatMap((p) => (p.key === null ? [] : [[p.key, p]]))),
  };
}

const ORDER: Readonly<Record<FieldPointType, number>> = { AI: 0, BI: 1, CTR: 2, AO: 3, BO: 4 };

const placeOf = ({ type, index }: { type: FieldPointType; index: number }): string => `${type}${index}`;

function mapped(key: PointKey, config: PointsMapConfig, table: readonly FieldPoint[]): MappedPoint[] {
  const { type, index, quantity } = POINT_PLACES[key];
  const change = config.overrides[key];
  const found =
    table.find((p) => p.type === type && p.index === index) ?? (change === undefined ? null : ownPoint(type));
  if (found === null) return [];
  const unit = change?.unit ?? found.unit;
  const point: MappedPoint = {
    ...found,
    key,
    index: change?.index ?? found.index,
    scale: change?.scale ?? found.scale,
    unit,
    sign: change?.sign ?? 1,
    unitFactor: quantity === 'state' ? 1 : (UNITS[quantity][unit] ?? null),
    overridden: change !== undefined,
  };
  return [point];
}

/** A point that the revision does not have and this site does. */
const ownPoint = (type: FieldPointType): FieldPoint => ({
  type,
  index: 0,
  name: '-',
  unit: 'kWh',
  scale: 1,
  range: 'not-negative',
  eventClass: null,
  meaning: 'Energy in the store, as this site counts it',
  standing: 'assumed',
});

/**
 * Raw to scaled: dividing by a whole number keeps tenths exact, 655 × 0.1 is not 65.5 in binary and 655 / 10 is.
 */
export function scaled(raw: number, scale: number): number {
  const whole = Math.round(1 / scale);
  return scale < 1 && 1 / whole === scale ? raw / whole : raw * scale;
}

/** Value in the unit of the map, signed as here; for people. */
export const inUnit = (p: MappedPoint, raw: number): number => scaled(raw, p.scale) * p.sign;

/**
 * What is written to a point so that it means `value`.
 * @param value  [W, %, s]
 * @returns      the raw number; whole numbers stay whole, others are cut toward 0, so that a setpoint is never exceeded
 */
export function rawOf(p: MappedPoint, value: number): number {
  const inOwnUnit = (value * p.sign) / (p.unitFactor ?? 1);
  const whole = Math.round(1 / p.scale);
  const raw = p.scale < 1 && 1 / whole === p.scale ? inOwnUnit * whole : inOwnUnit / p.scale;
  const near = Math.round(raw);
  return (Math.abs(raw - near) < 1e-9 * Math.max(1, Math.abs(raw)) ? near : Math.trunc(raw)) + 0;
}
