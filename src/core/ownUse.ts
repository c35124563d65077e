import { type EpochMs, MS_PER_HOUR } from '../domain/units.ts';
import { energyAt, type MeterHistory, onDay } from './baseline.ts';
import type { Context } from './context.ts';
import type { DeviceEntry, EventEntry } from './state.ts';

const NO_DAYS: ReadonlySet<EpochMs> = new Set();

/**
 * What the battery would discharge for its own site from the meter interval that holds startMs until endMs: the mean of
 * its own meter over the last similar days (see baseline.ts) [W], whole, ≥ 0; 0 without history. A day's shift is taken
 * at the start and holds for the window. Looked up once per site and meter interval.
 */
export function ownUseW(
  ctx: Context,
  request: {
    readonly entry: EventEntry;
    readonly device: DeviceEntry;
    readonly startMs: EpochMs;
    readonly endMs: EpochMs;
  },
): number {
  const { entry, device, startMs, endMs } = request;
  const { siteId } = device.device;
  const history = ctx.telemetry.batteryHistory(siteId);
  if (history === null) return 0;
  const timeZone = ctx.state.sites.get(siteId)?.timeZone ?? 'UTC';
  const eventDays = ctx.state.eventDays.get(entry.event.programId) ?? NO_DAYS;
  const { today, days } = ctx.telemetry.similarDaysOf(siteId, { history, startMs, timeZone, eventDays });
  const fromMs = startMs - ((startMs - history.startMs) % history.stepMs);
  const known = ctx.telemetry.ownUse.get(siteId);
  if (known?.days === days && known.fromMs === fromMs && known.endMs === endMs) return known.powerW;
  const starts = days.flatMap((day) => onDay({ atMs: fromMs, today, day, timeZone }) ?? []);
  const powerW = meanDischargeW(history, starts, endMs - fromMs);
  ctx.telemetry.ownUse.set(siteId, { days, fromMs, endMs, powerW });
  return powerW;
}

function meanDischargeW(history: MeterHistory, starts: readonly EpochMs[], durationMs: number): number {
  let sum = 0;
  let n = 0;
  for (const startMs of starts) {
    for (let t = startMs; t < startMs + durationMs; t += history.stepMs) {
      const wh = energyAt(history, t);
      if (Number.isNaN(wh)) continue;
      sum += wh;
      n += 1;
    }
  }
  return n === 0 ? 0 : Math.max(0, Math.round((sum / n) * (MS_PER_HOUR / history.stepMs)));
}
