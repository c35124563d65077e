import type { DevicePerformance } from '../domain/fact.ts';
import { eventEndMs, eventStartMs } from '../domain/program.ts';
import { MJ_PER_WH } from '../domain/units.ts';
import { BASELINE_METHOD, tenInTen } from './baseline.ts';
import type { Context } from './context.ts';
import { members } from './dispatch.ts';
import { type DeviceEntry, type EventEntry, enrollmentKey } from './state.ts';

/**
 * Performance of an event per device [Wh], from what the core itself can know: its meters and its baseline; once, and
 * again when readings come late. A device
 * without complete meter data is left out; one without a baseline has no delivered energy.
 */
export function measureEvent(ctx: Context, eventId: string): void {
  const entry = ctx.state.events.get(eventId);
  if (entry === undefined || entry.status === 'cancelled') return;
  if (entry.measured && !entry.measureAgain) return;
  const devices = members(ctx, entry.event.programId).flatMap((device) => performanceOf(ctx, entry, device));
  ctx.emit({ type: 'event.measured', performance: { eventId, baselineMethod: BASELINE_METHOD, devices } });
}

function performanceOf(ctx: Context, entry: EventEntry, device: DeviceEntry): DevicePerformance[] {
  const { deviceId, siteId } = device.device;
  const enrolled = ctx.state.enrollments.get(enrollmentKey(deviceId, entry.event.programId))?.status === 'approved';
  if (!enrolled && !entry.requestedMj.has(deviceId)) return [];
  const history = ctx.telemetry.gridHistory(siteId);
  if (history === null) return [];
  const startMs = eventStartMs(entry.event);
  const endMs = eventEndMs(entry.event);
  const timeZone = ctx.state.sites.get(siteId)?.timeZone ?? 'UTC';
  const eventDays = ctx.state.eventDays.get(entry.event.programId) ?? new Set();
  const calendar = ctx.telemetry.calendar(startMs, timeZone);
  const baseline = tenInTen({ history, startMs, endMs, timeZone, eventDays, calendar });
  const first = Math.floor((startMs - history.startMs) / history.stepMs);
  const metered = history.wh.slice(first, first + baseline.wh.length);
  if (metered.length < baseline.wh.length || metered.some((x) => Number.isNaN(x))) return [];
  const known = baseline.wh.every((x) => x !== null);
  const baselineWh = known ? Math.round(baseline.wh.reduce<number>((a, b) => a + (b ?? 0), 0)) : null;
  const meteredWh = metered.reduce((a, b) => a + b, 0);
  return [
    {
      deviceId,
      requestedWh: Math.round((entry.requestedMj.get(deviceId) ?? 0) / MJ_PER_WH),
      baselineWh,
      meteredWh,
      deliveredWh: baselineWh === null ? null : baselineWh - meteredWh,
      adjustment: baseline.adjustment,
      adjustmentNote: known ? baseline.adjustmentNote : 'no baseline: fewer than five similar days with data',
    },
  ];
}
