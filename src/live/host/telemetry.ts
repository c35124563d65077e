import Database from 'libsql';
import type { TelemetryHistory, TimeRange } from '../../api/service.ts';
import type { ApplianceState } from '../../domain/appliance.ts';
import { type BatteryState, chargingStateOf, gridStatusOf } from '../../domain/battery.ts';
import { inputError } from '../../domain/errors.ts';
import { HOLD_MS_MAX, windowsOf } from '../../domain/metric.ts';
import type { DeviceState } from '../../domain/sample.ts';
import { type EpochMs, MS_PER_DAY, MS_PER_HOUR } from '../../domain/units.ts';
import type { RawPoint } from '../../ports/field.ts';

/**
 * Samples and raw points as they came, in a SQLite file of their own. Telemetry is no fact: writing is buffered for a
 * second and not synced at once, so a crash leaves a hole and never a wrong value. A sample that comes twice is one
 * sample; one with a figure that is no number is none. Kept for RETENTION_MS: old rows of a device go when it brings new
 * ones, those of silent devices at the start. At BUFFER_MAX waiting rows they are written at once.
 * @source retention: TextureHQ/docs, older text: 14 days
 */
const RETENTION_MS = 14 * MS_PER_DAY;
const BUFFER_MAX = 5_000;
const FLUSH_MS = 1_000;
const PRUNE_MS = MS_PER_HOUR;
const ROWS_MAX = 50_000;

const TABLES = `
CREATE TABLE IF NOT EXISTS state(device TEXT NOT NULL, at_ms INTEGER NOT NULL, charge REAL NOT NULL, pct REAL NOT NULL,
  rate REAL NOT NULL, reserve REAL NOT NULL, grid REAL, strategy TEXT NOT NULL, storm INTEGER NOT NULL,
  PRIMARY KEY(device, at_ms)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS point(device TEXT NOT NULL, at_ms INTEGER NOT NULL, type TEXT NOT NULL, idx INTEGER NOT NULL,
  value REAL, flags INTEGER NOT NULL, quality TEXT NOT NULL, source TEXT NOT NULL,
  PRIMARY KEY(device, at_ms, type, idx, source)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS appliance(device TEXT NOT NULL, at_ms INTEGER NOT NULL, state TEXT NOT NULL,
  PRIMARY KEY(device, at_ms)) STRICT, WITHOUT ROWID;
`;

export interface TelemetrySink extends TelemetryHistory {
  addState(deviceId: string, state: BatteryState): void;
  addApplianceState(deviceId: string, state: ApplianceState): void;
  addPoints(deviceId: string, points: readonly RawPoint[]): void;
  close(): void;
}

/**
 * @param file  where to keep it; ":memory:" for a plant that is thrown away
 * @throws InputError when the file is no such store
 */
export function openTelemetry(file: string, wallMs: () => EpochMs): TelemetrySink {
  return new Store(file, wallMs);
}

/** It holds no fact: without it history is lost, and nothing else. That is for a person to decide. */
function damaged(file: string, error: unknown): Error {
  const value = error instanceof Error ? error.message : String(error);
  const expected = 'the telemetry that was kept here, or no such file: then it begins anew';
  return inputError({ source: file, place: 'the file', value, expected });
}

class Store implements TelemetrySink {
  readonly #db;
  readonly #addState;
  readonly #addPoint;
  readonly #addAppliance;
  readonly #wallMs: () => EpochMs;
  #states: (readonly [string, BatteryState])[] = [];
  #points: (readonly [string, RawPoint])[] = [];
  #appliances: (readonly [string, ApplianceState])[] = [];
  readonly #timer: NodeJS.Timeout;
  /** Device → when its old rows went. */
  readonly #prunedMs = new Map<string, EpochMs>();
  #closed = false;

  constructor(file: string, wallMs: () => EpochMs) {
    this.#wallMs = wallMs;
    this.#db = new Database(file);
    try {
      this.#db.pragma('journal_mode = WAL');
      this.#db.pragma('synchronous = NORMAL');
      this.#db.exec(TABLES);
    } catch (error) {
      this.#db.close();
      throw damaged(file, error);
    }
    this.#addState = this.#db.prepare('INSERT OR REPLACE INTO state VALUES (?,?,?,?,?,?,?,?,?)');
    this.#addPoint = this.#db.prepare('INSERT OR REPLACE INTO point VALUES (?,?,?,?,?,?,?,?)');
    this.#addAppliance = this.#db.prepare('INSERT OR REPLACE INTO appliance VALUES (?,?,?)');
    this.#forget('at_ms < ?', [wallMs() - RETENTION_MS]);
    this.#timer = setInterval(() => this.#tryFlush(), FLUSH_MS);
    this.#timer.unref();
  }

  addState(deviceId: string, state: BatteryState): void {
    if (![state.charge, state.chargePercentage, state.chargeRate, state.backupReserve].every(Number.isFinite)) return;
    if (!Number.isFinite(state.sampledAtMs)) return;
    this.#states.push([deviceId, state]);
    if (this.#states.length >= BUFFER_MAX) this.#tryFlush();
  }

  addApplianceState(deviceId: string, state: ApplianceState): void {
    if (!Number.isFinite(state.sampledAtMs)) return;
    this.#appliances.push([deviceId, state]);
    if (this.#appliances.length >= BUFFER_MAX) this.#tryFlush();
  }

  addPoints(deviceId: string, points: readonly RawPoint[]): void {
    for (const p of points) if (Number.isFinite(p.atMs)) this.#points.push([deviceId, p]);
    if (this.#points.length >= BUFFER_MAX) this.#tryFlush();
  }

  states(deviceId: string, range: TimeRange): readonly BatteryState[] {
    this.#tryFlush();
    const rows = this.#db
      .prepare('SELECT * FROM state WHERE device = ? AND at_ms >= ? AND at_ms < ? ORDER BY at_ms DESC LIMIT ?')
      .all(deviceId, range.fromMs, range.toMs, Math.min(range.limit, ROWS_MAX)) as StateRow[];
    return rows.map(stateOf).reverse();
  }

  applianceStates(deviceId: string, range: TimeRange): readonly ApplianceState[] {
    this.#tryFlush();
    const rows = this.#db
      .prepare('SELECT state FROM appliance WHERE device = ? AND at_ms >= ? AND at_ms < ? ORDER BY at_ms DESC LIMIT ?')
      .all(deviceId, range.fromMs, range.toMs, Math.min(range.limit, ROWS_MAX)) as { readonly state: string }[];
    return rows.map(({ state }) => JSON.parse(state) as ApplianceState).reverse();
  }

  points(deviceId: string, range: TimeRange): readonly RawPoint[] {
    this.#tryFlush();
    const rows = this.#db
      .prepare(
        'SELECT * FROM point WHERE device = ? AND at_ms >= ? AND at_ms < ? ORDER BY at_ms DESC, type, idx LIMIT ?',
      )
      .all(deviceId, range.fromMs, range.toMs, Math.min(range.limit, ROWS_MAX)) as PointRow[];
    return rows.map(pointOf).reverse();
  }

  windows(request: Parameters<TelemetryHistory['windows']>[0]): ReturnType<TelemetryHistory['windows']> {
    const { deviceIds, metric, range, windowMs } = request;
    return deviceIds.flatMap((deviceId) => {
      const samples = this.#samples(deviceId, { fromMs: range.fromMs - HOLD_MS_MAX, toMs: range.toMs });
      return windowsOf(samples, { metric, range, windowMs }).map((w) => ({ deviceId, ...w }));
    });
  }

  /** All of a device, oldest first; it is a battery or it is not. */
  *#samples(deviceId: string, range: { readonly fromMs: EpochMs; readonly toMs: EpochMs }): Generator<DeviceState> {
    this.#tryFlush();
    for (const row of this.#rows('state', deviceId, range)) yield stateOf(row as StateRow);
    for (const row of this.#rows('appliance', deviceId, range)) {
      yield JSON.parse((row as ApplianceRow).state) as ApplianceState;
    }
  }

  /** Some at a time. */
  *#rows(
    table: 'state' | 'appliance',
    deviceId: string,
    range: { readonly fromMs: EpochMs; readonly toMs: EpochMs },
  ): Generator<{ readonly at_ms: number }> {
    const page = this.#db.prepare(
      `SELECT * FROM ${table} WHERE device = ? AND at_ms >= ? AND at_ms < ? ORDER BY at_ms LIMIT ?`,
    );
    for (let fromMs = range.fromMs; ; ) {
      const rows = page.all(deviceId, fromMs, range.toMs, ROWS_MAX) as { readonly at_ms: number }[];
      yield* rows;
      const last = rows.at(-1);
      if (last === undefined || rows.length < ROWS_MAX) return;
      fromMs = last.at_ms + 1;
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#timer);
    this.#tryFlush();
    this.#db.close();
  }

  /** A disk that takes nothing costs history, not the service: what cannot be written is dropped. */
  #tryFlush(): void {
    const states = this.#states;
    const points = this.#points;
    const appliances = this.#appliances;
    if (states.length + points.length + appliances.length === 0) return;
    this.#states = [];
    this.#points = [];
    this.#appliances = [];
    try {
      this.#db.transaction(() => {
        for (const [id, s] of states) this.#addState.run(...stateRow(id, s));
        for (const [id, p] of points) this.#addPoint.run(...pointRow(id, p));
        for (const [id, s] of appliances) this.#addAppliance.run(id, Math.round(s.sampledAtMs), JSON.stringify(s));
      })();
      for (const [id] of [...states, ...points, ...appliances]) this.#prune(id);
    } catch {
      return;
    }
  }

  /** By the key of the tables: the whole of them is too much to read while requests wait. */
  #prune(deviceId: string): void {
    const nowMs = this.#wallMs();
    if (nowMs - (this.#prunedMs.get(deviceId) ?? Number.NEGATIVE_INFINITY) < PRUNE_MS) return;
    this.#prunedMs.set(deviceId, nowMs);
    this.#forget('device = ? AND at_ms < ?', [deviceId, nowMs - RETENTION_MS]);
  }

  #forget(which: string, values: readonly (string | number)[]): void {
    for (const table of ['state', 'point', 'appliance']) {
      this.#db.prepare(`DELETE FROM ${table} WHERE ${which}`).run(...values);
    }
  }
}

interface StateRow {
  readonly at_ms: number;
  readonly charge: number;
  readonly pct: number;
  readonly rate: number;
  readonly reserve: number;
  readonly grid: number | null;
  readonly strategy: BatteryState['strategy'];
  readonly storm: number;
}

interface ApplianceRow {
  readonly at_ms: number;
  readonly state: string;
}

interface PointRow {
  readonly at_ms: number;
  readonly type: RawPoint['type'];
  readonly idx: number;
  readonly value: number | null;
  readonly flags: number;
  readonly quality: RawPoint['timeQuality'];
  readonly source: RawPoint['source'];
}

const stateRow = (id: string, s: BatteryState) => [
  id,
  Math.round(s.sampledAtMs),
  s.charge,
  s.chargePercentage,
  s.chargeRate,
  s.backupReserve,
  s.gridPower !== null && Number.isFinite(s.gridPower) ? s.gridPower : null,
  s.strategy,
  (s.isStormModeEnabled ? 1 : 0) + (s.isStormModeActive ? 2 : 0),
];

const stateOf = (r: StateRow): BatteryState => ({
  charge: r.charge,
  chargePercentage: r.pct,
  chargingState: chargingStateOf(r.rate),
  chargeRate: r.rate,
  backupReserve: r.reserve,
  gridStatus: gridStatusOf(r.grid),
  gridPower: r.grid,
  strategy: r.strategy,
  isStormModeEnabled: (r.storm & 1) !== 0,
  isStormModeActive: (r.storm & 2) !== 0,
  sampledAtMs: r.at_ms,
});

/** SQLite has no NaN: it stands as NULL. */
const pointRow = (id: string, p: RawPoint) => [
  id,
  Math.round(p.atMs),
  p.type,
  p.index,
  Number.isFinite(p.value) ? p.value : null,
  p.flags,
  p.timeQuality,
  p.source,
];

const pointOf = (r: PointRow): RawPoint => ({
  type: r.type,
  index: r.idx,
  value: r.value ?? Number.NaN,
  flags: r.flags,
  atMs: r.at_ms,
  timeQuality: r.quality,
  source: r.source,
});
