import type { CommandOutcome } from '../domain/command.ts';
import type { Allocation } from '../domain/fact.ts';
import { type EventInterval, type ExclusionReason, eventEndMs, eventStartMs, programTag } from '../domain/program.ts';
import { type EpochMs, MS_PER_HOUR } from '../domain/units.ts';
import { allocate, type Candidate } from './allocate.ts';
import { conclude, openEntry } from './commands.ts';
import { type Context, capabilitiesOf, isOffline, staleAfterMs } from './context.ts';
import { type Cut, fitUnderLimits } from './limits.ts';
import { order, ordersOf } from './orders.ts';
import { ownUseW } from './ownUse.ts';
import { dischargeLimitW } from './routing.ts';
import { type DeviceEntry, deviceTagKey, type EventEntry, enrollmentKey } from './state.ts';

/**
 * The dispatcher: splits an event's target over the enrolled devices, anew in each control period, from fresh telemetry.
 *
 * A device's share is what it gives over its own baseline (what the battery would have done anyway at this time of
 * day, the mean of its meter over the last similar days), so its setpoint is share + baseline. What it can hold until
 * the end is limited by its power and by the energy above its reserve. Every device left out is named with the reason.
 * The first plan is made some minutes ahead, from the telemetry of then, so that clouds have the command in time; the
 * plan at the start puts right what has changed since.
 */

/** A device whose commands failed this often in an event is left alone for the rest of it. */
const FAILURES_MAX = 2;

interface Assessment {
  readonly device: DeviceEntry;
  readonly baselineW: number;
  readonly capableW: number;
  readonly excluded: ExclusionReason | null;
  readonly candidate: Candidate;
  /** What the limits of transformers and feeders leave of it; null = they do not bind. */
  readonly cut: Cut | null;
}

/** What all devices of one plan are measured against. */
interface Planning {
  readonly entry: EventEntry;
  readonly interval: EventInterval;
  readonly startMs: EpochMs;
  /** Shares of the plan before [W]. */
  readonly held: ReadonlyMap<string, number>;
}

/** Makes the plan for the control period that begins now (or for the start of the event) and carries it out. */
export function plan(ctx: Context, eventId: string): void {
  const entry = ctx.state.events.get(eventId);
  if (entry === undefined || entry.status === 'ended' || entry.status === 'cancelled') return;
  const startMs = Math.max(ctx.nowMs, eventStartMs(entry.event));
  const interval = entry.event.intervals.find((i) => i.startMs <= startMs && startMs < i.endMs);
  if (interval === undefined || isPlanned(entry, startMs)) return;
  const held = new Map(entry.lastDispatch?.allocations.map((a) => [a.deviceId, a.allocatedW]));
  const planning = { entry, interval, startMs, held };
  const free = members(ctx, entry.event.programId).map((device) => assess(ctx, planning, device));
  const assessed = underLimits(ctx, planning, free);
  const able = assessed.filter((a) => a.excluded === null);
  const shares = allocate({ targetW: interval.targetW, candidates: able.map((a) => a.candidate) });
  const wanted = able.flatMap((a) => toAllocation(a, shares.get(a.device.device.deviceId) ?? 0));
  const orders = ordersOf(ctx, { eventId, startMs, targetW: interval.targetW, wanted });
  emitPlan(ctx, planning, { assessed, shares, allocations: orders.allocations });
  for (const a of assessed) release(ctx, eventId, a, (shares.get(a.device.device.deviceId) ?? 0) > 0);
  for (const { deviceId, setpointW } of orders.changes) order(ctx, entry.event, { deviceId, setpointW, startMs });
}

/** Cuts what devices under a transformer or feeder can give to what it has room for (promise S4). */
function underLimits(ctx: Context, planning: Planning, free: readonly Assessment[]): readonly Assessment[] {
  if (ctx.state.transformers.size === 0) return free;
  const { startMs, interval } = planning;
  const asked = free.flatMap(({ candidate, baselineW, excluded }) => {
    const { deviceId, capW, blockW } = candidate;
    return excluded === null ? [{ deviceId, fixedW: baselineW, moreW: blockW ?? capW, isWhole: blockW !== null }] : [];
  });
  const window = { startMs, endMs: interval.endMs };
  const cuts = fitUnderLimits(ctx, { direction: 'discharge', asked, window });
  return free.map((a) => {
    const cut = cuts.get(a.candidate.deviceId);
    if (cut === undefined) return a;
    if (cut.moreW === 0) return { ...a, cut, excluded: 'transformer_limit' };
    const { blockW, capW } = a.candidate;
    return { ...a, cut, candidate: { ...a.candidate, capW: blockW === null ? Math.min(capW, cut.moreW) : capW } };
  });
}

/** After a restart several past entries of the agenda can be due at once: one plan an instant is enough. */
function isPlanned(entry: EventEntry, startMs: EpochMs): boolean {
  const last = entry.lastDispatch;
  return last !== null && last.periodStartMs === startMs && last.periodEndMs > startMs;
}

function emitPlan(
  ctx: Context,
  planning: Planning,
  result: {
    readonly assessed: readonly Assessment[];
    readonly shares: ReadonlyMap<string, number>;
    readonly allocations: readonly Allocation[];
  },
): void {
  const { entry, interval, startMs } = planning;
  const { targetW } = interval;
  const plannedW = result.allocations.reduce((sum, a) => sum + a.allocatedW, 0);
  const excluded = result.assessed.flatMap(({ device, capableW, excluded: why }) => {
    const { deviceId } = device.device;
    const reason = why ?? ((result.shares.get(deviceId) ?? 0) > 0 ? null : 'not_needed');
    return reason === null ? [] : [{ deviceId, reason, capableW }];
  });
  ctx.emit({
    type: 'dispatch.planned',
    dispatch: {
      eventId: entry.event.eventId,
      periodStartMs: startMs,
      periodEndMs: periodEndMs(ctx, planning),
      targetW,
      allocations: result.allocations,
      excluded,
      plannedW,
      shortfallW: targetW - plannedW,
    },
  });
}

/** A plan holds until the next one; the first, made ahead, only announces: its period has no length. */
function periodEndMs(ctx: Context, { entry, interval, startMs }: Planning): EpochMs {
  if (ctx.nowMs < eventStartMs(entry.event)) return startMs;
  const { controlPeriodMs } = ctx.settings;
  const periods = Math.floor((startMs - interval.startMs) / controlPeriodMs) + 1;
  return Math.min(interval.startMs + periods * controlPeriodMs, interval.endMs);
}

function toAllocation(a: Assessment, allocatedW: number): Allocation[] {
  const { deviceId } = a.device.device;
  if (allocatedW <= 0) return [];
  const allocation = { deviceId, allocatedW, setpointW: allocatedW + a.baselineW };
  return a.cut !== null && allocatedW >= a.cut.moreW ? [{ ...allocation, limitedBy: a.cut.by }] : [allocation];
}

/** Devices that may take part in the event's program, enrolled or not, by id. */
export function members(ctx: Context, programId: string): DeviceEntry[] {
  const workspaceId = ctx.state.programs.get(programId)?.workspaceId ?? '';
  const tagged = ctx.state.devicesByTag.get(deviceTagKey(workspaceId, programTag(programId))) ?? [];
  const ids = new Set([...tagged, ...(ctx.state.enrolledIn.get(programId) ?? [])]);
  return [...ids].sort().flatMap((id) => ctx.state.devices.get(id) ?? []);
}

function assess(ctx: Context, planning: Planning, device: DeviceEntry): Assessment {
  const { entry, interval, startMs, held } = planning;
  const { deviceId, nameplate } = device.device;
  const endMs = eventEndMs(entry.event);
  const limitW = dischargeLimitW(ctx, device, { startMs, endMs });
  const usedW = ownUseW(ctx, { entry, device, startMs, endMs: interval.endMs });
  const baselineW = Math.min(usedW, limitW);
  const roomW = limitW - baselineW;
  const energy = energyLimit(ctx, device, startMs, endMs);
  const capW = Math.max(0, Math.min(roomW, Math.floor(energy.holdW) - baselineW));
  const onOff = capabilitiesOf(ctx, device)?.powerControl === 'on-off';
  const lasts = energy.wh * MS_PER_HOUR >= limitW * Math.min(ctx.settings.controlPeriodMs, endMs - startMs);
  const blockW = onOff ? (lasts ? roomW : 0) : null;
  const base = { device, baselineW, cut: null, candidate: { deviceId, capW, blockW, heldW: held.get(deviceId) ?? 0 } };
  const excluded = standing(ctx, planning, device, limitW);
  if (excluded !== null) return { ...base, excluded, capableW: Math.max(0, nameplate.dischargeWMax - usedW) };
  if (roomW === 0) return { ...base, excluded: 'not_needed', capableW: 0 }; // gives all it has to its own site anyway
  if (capW > 0 && blockW !== 0) return { ...base, excluded: null, capableW: capW };
  return { ...base, excluded: energy.atReserve ? 'reserve' : 'low_soc', capableW: roomW };
}

/** Why the device cannot take part whatever its energy; null if nothing stands against it. */
function standing(ctx: Context, planning: Planning, device: DeviceEntry, limitW: number): ExclusionReason | null {
  const { entry, startMs } = planning;
  const { deviceId, source } = device.device;
  const enrollment = ctx.state.enrollments.get(enrollmentKey(deviceId, entry.event.programId));
  if (enrollment === undefined) return 'not_enrolled';
  if (enrollment.status === 'submitted' || enrollment.status === 'eligible') return 'enrollment_pending';
  if (enrollment.status !== 'approved') return 'not_enrolled';
  if (entry.optedOut.has(deviceId)) return 'opted_out';
  const seen = ctx.telemetry.latest.get(deviceId);
  if (isOffline(ctx, device)) return 'offline';
  if (seen === undefined || ctx.nowMs - seen.state.sampledAtMs > staleAfterMs(ctx, device)) return 'stale_telemetry';
  if (device.stormActive) return 'storm_guard';
  if ((entry.failures.get(deviceId) ?? 0) >= FAILURES_MAX) return 'not_responding';
  if (ctx.state.stops.has(deviceId)) return 'site_not_controllable';
  if (source.kind === 'dnp3' && (seen.local || limitW === 0)) return 'site_not_controllable';
  return isTaken(ctx, entry.event.eventId, device, startMs) ? 'held_by_command' : null;
}

/**
 * A person's command, or another event, has the device in the coming period: "newer beats older" must not swing to and fro.
 * Schedules and automations give way to an event, and do not take a device from one.
 */
function isTaken(ctx: Context, eventId: string, device: DeviceEntry, startMs: EpochMs): boolean {
  const open = openEntry(ctx, device)?.command;
  if (open === undefined || (open.cause.kind === 'dispatch' && open.cause.eventId === eventId)) return false;
  if (open.cause.kind === 'schedule' || open.cause.kind === 'automation') return false;
  return open.startMs < startMs + ctx.settings.controlPeriodMs && open.endMs > startMs;
}

/**
 * Energy above the reserve, as AC energy [Wh], and the power that holds it until the end [W]. The sample's own discharge
 * since it was taken is counted off. The reserve is the owner's or the manufacturer's, whichever is higher (promise S1).
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

/** A device that has no share any more is let go; the end of its command says why. */
function release(ctx: Context, eventId: string, a: Assessment, hasShare: boolean): void {
  const open = openEntry(ctx, a.device)?.command;
  if (hasShare || open?.cause.kind !== 'dispatch' || open.cause.eventId !== eventId) return;
  if (open.endMs <= ctx.nowMs) return; // its verification is on the way
  conclude(ctx, open.commandId, releaseOutcome(a.excluded ?? 'not_needed'));
}

function releaseOutcome(reason: ExclusionReason): CommandOutcome {
  switch (reason) {
    case 'offline':
      return { status: 'failed', reason: 'device_offline', detail: 'the device went offline during the event' };
    case 'stale_telemetry':
      return { status: 'failed', reason: 'no_telemetry', detail: 'its telemetry stopped during the event' };
    case 'storm_guard':
      return { status: 'ignored', reason: 'storm_guard', detail: 'Storm Guard is active' };
    case 'opted_out':
      return { status: 'cancelled', reason: 'opted_out', detail: 'its owner opted out' };
    case 'site_not_controllable':
      return { status: 'cancelled', reason: 'site_not_controllable', detail: 'the site may no longer be controlled' };
    case 'not_enrolled':
    case 'enrollment_pending':
    case 'low_soc':
    case 'reserve':
    case 'not_responding':
    case 'held_by_command':
    case 'transformer_limit':
    case 'not_needed':
      return { status: 'cancelled', reason: 'released', detail: `the dispatcher let it go: ${reason}` };
  }
}
