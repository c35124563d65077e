import { type EpochMs, MS_PER_HOUR } from '../domain/units.ts';
import { energyAt, onDay } from './baseline.ts';
import type { Context } from './context.ts';
import type { DeviceEntry, EventEntry } from './state.ts';

const NO_DAYS: ReadonlySet<EpochMs> = new Set();

/**
 * What the battery would discharge for its own site in [startMs, endMs): the mean of its own meter over the last similar
 * days (see baseline.ts) [W], whole, ≥ 0; 0 without history. A day's shift is taken at startMs and holds for the window.
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
  let sum = 0;
  let n = 0;
  for (const day of days) {
    const fromMs = onDay({ atMs: startMs, today, day, timeZone });
    if (fromMs === null) continue;
    for (let t = fromMs; t < fromMs + (endMs - startMs); t += history.stepMs) {
      const wh = energyAt(history, t);
      if (Number.isNaN(wh)) continue;
      sum += wh;
      n += 1;
    }
  }
  return n === 0 ? 0 : Math.max(0, Math.round((sum / n) * (MS_PER_HOUR / history.stepMs)));
}
