import type { Allocation } from '../domain/fact.ts';
import { type ExclusionReason, eventEndMs, eventStartMs, programTag } from '../domain/program.ts';
import { type EpochMs, MS_PER_HOUR } from '../domain/units.ts';
import { allocate, type Candidate } from './allocate.ts';
import { accept, fieldLeave, withdraw } from './commands.ts';
import { type Context, capabilitiesOf, staleAfterMs } from './context.ts';
import { type DeviceEntry, deviceTagKey, type EventEntry, enrollmentKey } from './state.ts';

/**
 * The dispatcher: splits an event's target over the enrolled devices, anew in each control period, from fresh telemetry.
 *
 * A device's share is what it gives over its own baseline (what the battery would have done anyway at this time of
 * day, the mean of its meter over the last similar days), so its setpoint is share + baseline. What it can hold until
 * the end is limited by its power and by the energy above its reserve. Every device left out is named with the reason.
 */

/** A device whose commands failed this often in an event is left alone for the rest of it. */
const FAILURES_MAX = 2;

interface Assessment {
  readonly deviceId: string;
  readonly baselineW: number;
  readonly capableW: number;
  readonly excluded: ExclusionReason | null;
  readonly candidate: Candidate;
}

export function plan(ctx: Context, eventId: string): void {
  const entry = ctx.state.events.get(eventId);
  if (entry === undefined || entry.status === 'ended' || entry.status === 'cancelled') return;
  const startMs = Math.max(ctx.nowMs, eventStartMs(entry.event));
  const interval = entry.event.intervals.find((i) => i.startMs <= startMs && startMs < i.endMs);
  if (interval === undefined) return;
  const first = ctx.nowMs < eventStartMs(entry.event);
  const assessed = members(ctx, entry.event.programId).map((d) => assess(ctx, entry, d, startMs, interval.endMs));
  const able = assessed.filter((a) => a.excluded === null);
  const shares = allocate({
    targetW: interval.targetW,
    candidates: able.map((a) => a.candidate),
    deadbandRatio: ctx.settings.deadbandRatio,
  });
  const allocations = able.flatMap((a) => toAllocation(a, shares.get(a.deviceId) ?? 0));
  const plannedW = allocations.reduce((sum, a) => sum + a.allocatedW, 0);
  const idle = able.filter((a) => (shares.get(a.deviceId) ?? 0) === 0);
  const excluded = [
    ...assessed.flatMap((a) => (a.excluded === null ? [] : [{ ...left(a), reason: a.excluded }])),
    ...idle.map((a) => ({ ...left(a), reason: 'not_needed' as const })),
  ];
  const periodEndMs = first ? startMs : Math.min(startMs + ctx.settings.controlPeriodMs, interval.endMs);
  ctx.emit({
    type: 'dispatch.planned',
    dispatch: {
      eventId,
      periodStartMs: startMs,
      periodEndMs,
      targetW: interval.targetW,
      allocations,
      excluded: excluded.sort((a, b) => (a.deviceId < b.deviceId ? -1 : 1)),
      plannedW,
      shortfallW: Math.max(0, interval.targetW - plannedW),
    },
  });
  carryOut(ctx, entry, allocations, startMs);
}

const left = (a: Assessment) => ({ deviceId: a.deviceId, capableW: a.capableW });

function toAllocation(a: Assessment, allocatedW: number): Allocation[] {
  return allocatedW > 0 ? [{ deviceId: a.deviceId, allocatedW, setpointW: allocatedW + a.baselineW }] : [];
}

/** Devices that may take part in the event's program, enrolled or not, by id. */
export function members(ctx: Context, programId: string): DeviceEntry[] {
  const workspaceId = ctx.state.programs.get(programId)?.workspaceId ?? '';
  const tagged = ctx.state.devicesByTag.get(deviceTagKey(workspaceId, programTag(programId))) ?? [];
  const ids = new Set([...tagged, ...(ctx.state.enrolledIn.get(programId) ?? [])]);
  return [...ids].sort().flatMap((id) => ctx.state.devices.get(id) ?? []);
}

function assess(
  ctx: Context,
  entry: EventEntry,
  device: DeviceEntry,
  startMs: EpochMs,
  intervalEndMs: EpochMs,
): Assessment {
  const { deviceId, nameplate } = device.device;
  const heldW = entry.lastDispatch?.allocations.find((a) => a.deviceId === deviceId)?.allocatedW ?? 0;
  const baselineW = Math.min(ownUseW(ctx, entry, device, startMs, intervalEndMs), nameplate.dischargeWMax);
  const excluded = standing(ctx, entry, device, startMs);
  const roomW = nameplate.dischargeWMax - baselineW;
  const energy = energyLimit(ctx, device, startMs, eventEndMs(entry.event));
  const capW = Math.max(0, Math.min(roomW, Math.floor(energy.holdW) - baselineW));
  const onOff = capabilitiesOf(ctx, device)?.powerControl === 'on-off';
  const blockW = onOff
    ? energy.wh * MS_PER_HOUR >= nameplate.dischargeWMax * ctx.settings.controlPeriodMs
      ? roomW
      : 0
    : null;
  const base = { deviceId, baselineW, candidate: { deviceId, capW, blockW, heldW } };
  if (excluded !== null) return { ...base, excluded, capableW: roomW };
  if (capW > 0) return { ...base, excluded: null, capableW: capW };
  return { ...base, excluded: energy.atReserve ? 'reserve' : 'low_soc', capableW: roomW };
}

/** Why the device cannot take part whatever its energy; null if nothing stands against it. */
function standing(ctx: Context, entry: EventEntry, device: DeviceEntry, startMs: EpochMs): ExclusionReason | null {
  const { deviceId, source, nameplate } = device.device;
  const enrollment = ctx.state.enrollments.get(enrollmentKey(deviceId, entry.event.programId));
  if (enrollment === undefined) return 'not_enrolled';
  if (enrollment.status === 'submitted' || enrollment.status === 'eligible') return 'enrollment_pending';
  if (enrollment.status !== 'approved') return 'not_enrolled';
  if (entry.optedOut.has(deviceId)) return 'opted_out';
  const seen = ctx.telemetry.latest.get(deviceId);
  if (!device.reachable) return 'offline';
  if (seen === undefined || ctx.nowMs - seen.state.sampledAtMs > staleAfterMs(ctx, device)) return 'stale_telemetry';
  if (device.stormActive) return 'storm_guard';
  if ((entry.failures.get(deviceId) ?? 0) >= FAILURES_MAX) return 'not_responding';
  if (source.kind === 'dnp3') {
    const endMs = eventEndMs(entry.event);
    if (
      seen.local ||
      fieldLeave(ctx, device, { powerW: Math.min(1, nameplate.dischargeWMax), startMs, endMs }).kind === 'refused'
    ) {
      return 'site_not_controllable';
    }
  }
  return null;
}

/**
 * Energy above the reserve, as AC energy, and the power that holds it until the end. The sample's own discharge since it
 * was taken is counted off.
 */
function energyLimit(ctx: Context, device: DeviceEntry, startMs: EpochMs, endMs: EpochMs) {
  const seen = ctx.telemetry.latest.get(device.device.deviceId);
  if (seen === undefined) return { wh: 0, holdW: 0, atReserve: false };
  const { state } = seen;
  const floorPct = Math.max(state.backupReserve, capabilitiesOf(ctx, device)?.reservePctMin ?? 0);
  const storedWh = state.charge - (device.device.nameplate.usableWh * floorPct) / 100;
  const sinceMs = Math.max(0, ctx.nowMs - state.sampledAtMs);
  const usedWh = (Math.max(0, state.chargeRate) * sinceMs) / MS_PER_HOUR;
  const wh = Math.max(0, storedWh * ctx.settings.assumedDischargeRatio - usedWh);
  const holdW = endMs > startMs ? (wh * MS_PER_HOUR) / (endMs - startMs) : 0;
  return { wh, holdW, atReserve: state.chargePercentage <= floorPct + 0.5 };
}

/** What the battery would discharge for its own site in [startMs, endMs): mean over the last similar days [W], whole. */
function ownUseW(ctx: Context, entry: EventEntry, device: DeviceEntry, startMs: EpochMs, endMs: EpochMs): number {
  const history = ctx.telemetry.batteryHistory(device.device.siteId);
  const timeZone = ctx.state.sites.get(device.device.siteId)?.timeZone ?? 'UTC';
  if (history === null) return 0;
  const eventDays = ctx.state.eventDays.get(entry.event.programId) ?? new Set();
  const days = ctx.telemetry.similarDaysOf(device.device.siteId, { history, startMs, timeZone, eventDays });
  const midnight = days.midnightMs;
  let sum = 0;
  let n = 0;
  for (const day of days.days) {
    for (let t = startMs; t < endMs; t += history.stepMs) {
      const wh = history.wh[Math.floor((day + (t - midnight) - history.startMs) / history.stepMs)];
      if (wh === undefined || Number.isNaN(wh)) continue;
      sum += wh;
      n += 1;
    }
  }
  return n === 0 ? 0 : Math.max(0, Math.round((sum / n) * (MS_PER_HOUR / history.stepMs)));
}

/** Turns a plan into commands: only what changed by more than the dead-band is sent. */
function carryOut(ctx: Context, entry: EventEntry, allocations: readonly Allocation[], startMs: EpochMs): void {
  const wanted = new Map(allocations.map((a) => [a.deviceId, a]));
  for (const device of members(ctx, entry.event.programId)) {
    const { deviceId } = device.device;
    const a = wanted.get(deviceId);
    const open = openCommand(ctx, entry.event.eventId, device);
    if (a === undefined) {
      if (open !== null) withdraw(ctx, open.commandId, 'released', 'the dispatcher needs it no longer');
    } else if (open === null || changed(ctx, device, open.powerW, a.setpointW)) {
      order(ctx, entry, device, a.setpointW, startMs);
    }
  }
}

function openCommand(ctx: Context, eventId: string, device: DeviceEntry): { commandId: string; powerW: number } | null {
  const command = device.openCommandId === null ? undefined : ctx.state.commands.get(device.openCommandId)?.command;
  if (command === undefined || command.cause.kind !== 'dispatch' || command.cause.eventId !== eventId) return null;
  return { commandId: command.commandId, powerW: command.input.powerW ?? 0 };
}

function changed(ctx: Context, device: DeviceEntry, beforeW: number, afterW: number): boolean {
  if (capabilitiesOf(ctx, device)?.powerControl === 'on-off') return false;
  const { deadbandW, deadbandRatio } = ctx.settings;
  return Math.abs(afterW - beforeW) > Math.max(deadbandW, deadbandRatio * beforeW);
}

function order(ctx: Context, entry: EventEntry, device: DeviceEntry, setpointW: number, startMs: EpochMs): void {
  const endMs = eventEndMs(entry.event);
  accept(ctx, {
    deviceId: device.device.deviceId,
    input: { operatingMode: 'discharge', enableGridInteraction: true, powerW: setpointW },
    startMs,
    endMs,
    notAfterMs: endMs,
    cause: { kind: 'dispatch', eventId: entry.event.eventId, periodStartMs: startMs },
  });
}
