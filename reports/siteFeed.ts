import { UNITS } from '../src/domain/pointsMap.ts';
import type { EpochMs } from '../src/domain/units.ts';
import type { LogRecord, PointsOfSite, ReadPoints, SiteState } from '../src/ports/records.ts';
import type { FeedMeasure, FeedPoint, FeedSample } from './measureTypes.ts';

/**
 * What the master read of one DNP3 site: the last value of each point, the last normalised battery, and what moved its
 * power and state of charge. Samples stop at SAMPLES_MAX; points are as many as the site's map has.
 */
const SAMPLES_MAX = 5_000;

type Point = PointsOfSite['points'][number];
type Reading = ReadPoints['points'][number];

/** "AI537"; outputs as the note calls them, AO and BO. */
export const pointName = (type: Reading['type'], index: number): string =>
  `${type === 'AOS' ? 'AO' : type === 'BOS' ? 'BO' : type}${index}`;

/** Value in the unit of the map; tenths and thousandths are divided, so that they stay exact. */
export function pointValue(point: Pick<Point, 'factor'>, raw: number | null): number | null {
  if (raw === null) return null;
  const whole = Math.round(1 / point.factor);
  return Math.abs(point.factor) < 1 && 1 / whole === point.factor ? raw / whole + 0 : raw * point.factor + 0;
}

export class SiteFeed {
  private map: PointsOfSite | null = null;
  private state: SiteState | null = null;
  private readonly latest = new Map<string, Reading>();
  private readonly samples: FeedSample[] = [];
  private readonly known = new Map<string, Point>();
  private leftOut = 0;

  take(r: Extract<LogRecord, { kind: 'points-map' | 'points' | 'site-state' | 'plant' }>): void {
    switch (r.kind) {
      case 'points-map':
        this.map = r;
        for (const p of r.points) this.known.set(pointName(p.type, p.index), p);
        return;
      case 'points':
        this.leftOut += r.leftOut;
        for (const p of r.points) this.read(p, r.atMs);
        return;
      case 'site-state':
        this.state = r;
        return;
      case 'plant':
        return this.sample({ atMs: r.atMs, what: 'plant', value: r.powerW / 1000 });
    }
  }

  private sample(s: FeedSample): void {
    if (this.samples.length < SAMPLES_MAX) this.samples.push(s);
  }

  private read(p: Reading, atMs: EpochMs): void {
    const name = pointName(p.type, p.index);
    this.latest.set(name, p);
    const point = this.known.get(name);
    const value = point === undefined ? null : pointValue(point, p.value);
    const kw = value === null ? null : (value * (UNITS.power[point?.unit ?? ''] ?? 1)) / 1000;
    switch (point?.key) {
      case 'agcTarget':
        return this.sample({ atMs, what: 'target', value: kw });
      case 'agcEnabled':
        return this.sample({ atMs, what: 'enabled', value: p.value });
      case 'activePower':
        return this.sample({ atMs, what: 'read', value: kw });
      case 'usableSoc':
        return this.sample({ atMs, what: 'soc', value });
      default:
        return;
    }
  }

  /** Null for a site of which no map stands in the log. */
  measure(): FeedMeasure | null {
    const { map, state } = this;
    if (map === null) return null;
    const points = map.points.flatMap((p): FeedPoint[] => {
      const r = this.latest.get(pointName(p.type, p.index));
      if (r === undefined) return [];
      const { key, meaning, unit, overridden } = p;
      const { atMs, flags, quality, source } = r;
      const name = pointName(p.type, p.index);
      return [
        {
          name,
          key,
          meaning,
          unit,
          overridden,
          raw: r.value,
          value: pointValue(p, r.value),
          flags,
          atMs,
          quality,
          source,
          type: p.type,
        },
      ];
    });
    const { revision, provenance } = map;
    return { revision, provenance, points, state, samples: this.samples, leftOut: this.leftOut };
  }
}
