import { MS_PER_MIN } from '../../src/domain/units.ts';
import { inUnit, type MappedPoint, type PointMap } from '../../src/field/pointMap.ts';
import type { FieldEvent, RawPoint } from '../../src/ports/field.ts';
import { type LogBody, POINTS_PER_MIN_MAX, SITE_STATES_PER_MIN_MAX, type SiteState } from '../../src/ports/records.ts';

/** Writes what the master read of one site: changes only, and never more than the limits of the records in a minute. */
export class FieldLog {
  readonly #siteId: string;
  readonly #map: PointMap;
  readonly #record: (body: LogBody) => void;
  readonly #known = new Map<string, RawPoint>();
  #points = { minute: Number.NEGATIVE_INFINITY, written: 0, leftOut: 0 };
  #states = { minute: Number.NEGATIVE_INFINITY, written: 0 };
  #lastState = '';

  constructor(siteId: string, map: PointMap, record: (body: LogBody) => void) {
    this.#siteId = siteId;
    this.#map = map;
    this.#record = record;
  }

  /** The map, so that a reader of the log knows what the points are. */
  begin(): void {
    const { fullRevision, provenance } = this.#map;
    const points = this.#map.points.map((p) => ({
      type: wireType(p),
      index: p.index,
      key: p.key,
      name: p.name,
      meaning: p.meaning,
      unit: p.unit,
      factor: inUnit(p, 1),
      overridden: p.overridden,
    }));
    this.#record({ kind: 'points-map', siteId: this.#siteId, revision: fullRevision, provenance, points });
  }

  points(points: readonly RawPoint[], nowMs: number): void {
    const minute = Math.floor(nowMs / MS_PER_MIN);
    if (minute !== this.#points.minute) this.#points = { minute, written: 0, leftOut: this.#points.leftOut };
    const changed = points.filter((p) => this.#isNews(p));
    const room = Math.max(0, POINTS_PER_MIN_MAX - this.#points.written);
    const kept = changed.slice(0, room);
    this.#points.leftOut += changed.length - kept.length;
    if (kept.length === 0) return;
    for (const p of kept) this.#known.set(`${p.type}${p.index}`, p);
    this.#points.written += kept.length;
    const written = kept.map(({ timeQuality: quality, ...p }) => ({ ...p, value: finite(p.value), quality }));
    this.#record({ kind: 'points', siteId: this.#siteId, points: written, leftOut: this.#points.leftOut });
    this.#points.leftOut = 0;
  }

  #isNews(p: RawPoint): boolean {
    const known = this.#known.get(`${p.type}${p.index}`);
    return known === undefined || !Object.is(known.value, p.value) || known.flags !== p.flags;
  }

  state(event: Extract<FieldEvent, { kind: 'state' }>, nowMs: number): void {
    const record = stateRecord(this.#siteId, event);
    if (record === null) return;
    const text = JSON.stringify({ ...record, sampledAtMs: 0 });
    if (text === this.#lastState) return;
    const minute = Math.floor(nowMs / MS_PER_MIN);
    if (minute !== this.#states.minute) this.#states = { minute, written: 0 };
    // A state that finds no room differs from the last one written as long as it holds, so a later one is written.
    if (this.#states.written >= SITE_STATES_PER_MIN_MAX) return;
    this.#states.written += 1;
    this.#lastState = text;
    this.#record(record);
  }
}

const wireType = (p: MappedPoint): RawPoint['type'] => (p.type === 'AO' ? 'AOS' : p.type === 'BO' ? 'BOS' : p.type);

const finite = (x: number): number | null => (Number.isFinite(x) ? x : null);

function stateRecord(siteId: string, event: Extract<FieldEvent, { kind: 'state' }>): SiteState | null {
  if (event.site === undefined) return null;
  const { charge, chargePercentage, chargingState, chargeRate, backupReserve, sampledAtMs } = event.state;
  const { sampledAtMs: _at, ...site } = event.site;
  const battery = {
    charge: finite(charge),
    chargePercentage: finite(chargePercentage),
    chargingState,
    chargeRate: finite(chargeRate),
    backupReserve: finite(backupReserve),
  };
  return { kind: 'site-state', siteId, sampledAtMs, local: event.local, battery, site };
}
