import type { MeterBlock } from '../domain/meter.ts';
import { METER_STEPS_MS } from '../domain/meter.ts';
import { eventEndMs, eventStartMs } from '../domain/program.ts';
import { isoUtc } from '../domain/time.ts';
import { type EpochMs, MS_PER_DAY, MS_PER_MIN } from '../domain/units.ts';
import { DAYS_BACK_MAX } from './baseline.ts';
import type { Context } from './context.ts';
import type { Refusal } from './input.ts';
import { watchLoading } from './loadAlerts.ts';
import type { CoreState, EventEntry } from './state.ts';
import type { SiteMeter, TelemetryStore } from './telemetry.ts';

/**
 * Meter readings that somebody brings: unlike what is measured by the way they are facts, as what is paid rests on them.
 * The telemetry store shows them to whoever works with meters.
 */
export interface MeterSeries {
  readonly startMs: EpochMs;
  readonly stepMs: number;
  /** [Wh] */
  readonly energyWh: readonly (number | null)[];
}

/** So far back readings are taken and kept: more than a baseline looks back. */
export const READINGS_KEPT_MS = 60 * MS_PER_DAY;
/** Readings come site by site: so long after the first that touches a measured event it is measured again [ms]. */
export const MEASURE_AGAIN_MS = 5 * MS_PER_MIN;

export const meterKey = ({ siteId, deviceId }: Pick<MeterBlock, 'siteId' | 'deviceId'>): string =>
  deviceId === null ? `site/${siteId}` : `device/${deviceId}`;

const endOf = ({ startMs, stepMs, energyWh }: MeterSeries): EpochMs => startMs + energyWh.length * stepMs;

/** Takes all blocks or none. What is known already is no news, so that the same blocks twice are the same as once. */
export function takeReadings(ctx: Context, blocks: readonly MeterBlock[]): void {
  const steps = new Map<string, number>();
  for (const block of blocks) {
    const obstacle = blockObstacle(ctx, block) ?? stepObstacle(ctx, block, steps);
    if (obstacle !== null) return ctx.refuse('meter-readings', obstacle.why, obstacle.code);
    steps.set(block.siteId, block.stepMs);
  }
  const siteIds = new Set<string>();
  for (const block of blocks) {
    if (isKnown(ctx.state.meters.get(meterKey(block)), block)) continue;
    const { siteId, deviceId, startMs, stepMs, energyWh } = block;
    ctx.emit({ type: 'meter.read', siteId, deviceId, startMs, stepMs, energyWh });
    siteIds.add(siteId);
  }
  for (const siteId of siteIds) {
    showReadings(ctx.state, ctx.telemetry, siteId);
    watchLoading(ctx, siteId);
  }
}

type Obstacle = Pick<Refusal, 'why' | 'code'>;

function blockObstacle(ctx: Context, block: MeterBlock): Obstacle | null {
  const { siteId, deviceId, startMs, stepMs, energyWh } = block;
  if (!ctx.state.sites.has(siteId)) return { why: `${siteId}: no such site`, code: 'unknown' };
  if (deviceId !== null && ctx.state.devices.get(deviceId)?.device.siteId !== siteId)
    return { why: `${deviceId}: no such battery at ${siteId}`, code: 'unknown' };
  const invalid = (why: string): Obstacle => ({ why: `${deviceId ?? siteId}: ${why}`, code: 'invalid' });
  if (!METER_STEPS_MS.includes(stepMs)) return invalid(`a step of ${stepMs / 1_000} s`);
  if (startMs % stepMs !== 0) return invalid(`${isoUtc(startMs)} is on no multiple of ${stepMs / 1_000} s`);
  if (energyWh.length === 0 || energyWh.some((wh) => wh !== null && !Number.isFinite(wh)))
    return invalid('readings are finite, and at least one');
  if (endOf(block) > ctx.nowMs) return invalid(`the interval that ends ${isoUtc(endOf(block))} is not over`);
  const oldestMs = ctx.nowMs - READINGS_KEPT_MS;
  return startMs < oldestMs ? invalid(`${isoUtc(startMs)} is before ${isoUtc(oldestMs)}: 60 days are kept`) : null;
}

/** The meters of a site are added up, so they are read in the same intervals. */
function stepObstacle(ctx: Context, block: MeterBlock, steps: ReadonlyMap<string, number>): Obstacle | null {
  const { siteId, stepMs } = block;
  const known = steps.get(siteId) ?? seriesAt(ctx.state, siteId)[0]?.stepMs;
  if (known === undefined || known === stepMs) return null;
  return { why: `the meters of ${siteId} are read every ${known / 1_000} s`, code: 'conflict' };
}

/** The site's own series first, then those of its batteries. */
function seriesAt(state: CoreState, siteId: string): MeterSeries[] {
  const keys = [null, ...(state.devicesBySite.get(siteId) ?? [])].map((deviceId) => meterKey({ siteId, deviceId }));
  return keys.flatMap((key) => state.meters.get(key) ?? []);
}

const valueAt = (series: MeterSeries, atMs: EpochMs): number | null =>
  series.energyWh[(atMs - series.startMs) / series.stepMs] ?? null;

const isKnown = (known: MeterSeries | undefined, block: MeterBlock): boolean =>
  known !== undefined &&
  block.energyWh.every((wh, i) => wh === null || valueAt(known, block.startMs + i * block.stepMs) === wh);

/** Folds a block in. What is older than READINGS_KEPT_MS before the newest interval is let go. */
export function applyReadings(state: CoreState, block: MeterBlock, atMs: EpochMs): void {
  const key = meterKey(block);
  const known = state.meters.get(key);
  state.meters.set(key, known === undefined ? seriesOf(block) : joined(known, block));
  for (const entry of state.events.values()) {
    if (!isTouched(state, entry, block)) continue;
    entry.measureAgain = true;
    state.agenda.add(atMs + MEASURE_AGAIN_MS, { kind: 'event-measure', eventId: entry.event.eventId });
  }
}

const seriesOf = ({ startMs, stepMs, energyWh }: MeterBlock): MeterSeries => ({ startMs, stepMs, energyWh });

function joined(known: MeterSeries, block: MeterBlock): MeterSeries {
  const { stepMs } = known;
  const endMs = Math.max(endOf(known), endOf(block));
  const startMs = Math.max(Math.min(known.startMs, block.startMs), endMs - READINGS_KEPT_MS);
  const energyWh = Array.from({ length: (endMs - startMs) / stepMs }, (_, i) => {
    const at = startMs + i * stepMs;
    return valueAt(block, at) ?? valueAt(known, at);
  });
  return { startMs, stepMs, energyWh };
}

/** Whether it was measured and rests on these readings: those of its own time, or of its baseline's days. */
function isTouched(state: CoreState, { event, measured, measureAgain, requestedMj }: EventEntry, block: MeterBlock) {
  if (!measured || measureAgain) return false;
  if (block.startMs >= eventEndMs(event) || endOf(block) <= eventStartMs(event) - (DAYS_BACK_MAX + 1) * MS_PER_DAY)
    return false;
  const enrolled = state.enrolledIn.get(event.programId);
  return [...(state.devicesBySite.get(block.siteId) ?? [])].some((id) => enrolled?.has(id) || requestedMj.has(id));
}

/** Puts what the state knows of a site's meters where the others look for it. */
export function showReadings(state: CoreState, telemetry: TelemetryStore, siteId: string): void {
  const [first, ...rest] = seriesAt(state, siteId);
  if (first === undefined) return;
  const startMs = Math.min(first.startMs, ...rest.map((x) => x.startMs));
  const endMs = Math.max(endOf(first), ...rest.map(endOf));
  const grid = state.meters.get(meterKey({ siteId, deviceId: null }));
  const batteries = [...(state.devicesBySite.get(siteId) ?? [])].map((deviceId) =>
    state.meters.get(meterKey({ siteId, deviceId })),
  );
  const meter: SiteMeter = { startMs, stepMs: first.stepMs, gridWh: [], batteryWh: [] };
  for (let atMs = startMs; atMs < endMs; atMs += first.stepMs) {
    const at = (series: MeterSeries | undefined): number =>
      (series === undefined ? null : valueAt(series, atMs)) ?? Number.NaN;
    meter.gridWh.push(at(grid));
    // A sum without one of them says nothing of the site.
    meter.batteryWh.push(batteries.length === 0 ? Number.NaN : batteries.reduce((sum, b) => sum + at(b), 0));
  }
  telemetry.setMeter(siteId, meter);
}

/** After a restart: readings are facts, what shows them is not. */
export function showAllReadings(ctx: Context): void {
  for (const siteId of ctx.state.sites.keys()) showReadings(ctx.state, ctx.telemetry, siteId);
}
