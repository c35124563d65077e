import type { CommandInput, CommandRoute, EndReason } from '../domain/command.ts';
import { type ControlLeave, leaveToControl } from '../domain/safety.ts';
import type { EpochMs } from '../domain/units.ts';
import { type Context, capabilitiesOf } from './context.ts';
import { type CommandEntry, type DeviceEntry, enrollmentKey } from './state.ts';

/** Which way a command takes to its device, and whether a site behind DNP3 may be controlled at all. */
export type PathChoice =
  | { readonly kind: 'path'; readonly route: CommandRoute; readonly why: string }
  | { readonly kind: 'none'; readonly reason: EndReason; readonly why: string };

export const STOPPED = 'the device is stopped: two persons have to release it first';

/**
 * The path a command takes next. Default order is grid services, then baseline; baseline is always the last resort;
 * an empty list or ["baseline"] avoids the Grid Service. A path is tried once.
 * @source TextureHQ/docs platform-concepts/commands: executionPriority
 */
export function nextPath(ctx: Context, entry: CommandEntry, device: DeviceEntry): PathChoice {
  if (ctx.state.stops.has(device.device.deviceId))
    return { kind: 'none', reason: 'site_not_controllable', why: STOPPED };
  if (device.device.source.kind === 'dnp3') return fieldPath(ctx, entry, device);
  const { input } = entry.command;
  const wanted = input.executionPriority ?? ['grid_services'];
  const obstacle = gridServiceObstacle(ctx, device);
  const useGrid =
    input.enableGridInteraction && wanted.includes('grid_services') && !entry.tried.includes('grid_services');
  if (useGrid && obstacle === null) {
    return { kind: 'path', route: 'grid_services', why: 'enrolled, and the manufacturer offers a Grid Service' };
  }
  if (entry.tried.includes('baseline')) return { kind: 'none', reason: 'no_route', why: 'every path was refused' };
  const why = !input.enableGridInteraction
    ? 'no grid interaction asked for'
    : (obstacle ?? 'executionPriority or an earlier refusal');
  return { kind: 'path', route: 'baseline', why };
}

function gridServiceObstacle(ctx: Context, device: DeviceEntry): string | null {
  if (capabilitiesOf(ctx, device)?.gridServices !== true) return 'the manufacturer offers no Grid Service';
  const { deviceId } = device.device;
  for (const [programId, members] of ctx.state.enrolledIn) {
    if (!members.has(deviceId)) continue;
    if (ctx.state.enrollments.get(enrollmentKey(deviceId, programId))?.status === 'approved') return null;
  }
  return 'the device is not enrolled in grid services';
}

function fieldPath(ctx: Context, entry: CommandEntry, device: DeviceEntry): PathChoice {
  if (entry.tried.includes('dnp3')) return { kind: 'none', reason: 'no_route', why: 'the outstation refused it' };
  const { input, startMs, endMs } = entry.command;
  const leave = fieldLeave(ctx, device, { powerW: signedPowerW(device, input), startMs, endMs });
  if (leave.kind === 'refused') return { kind: 'none', reason: 'site_not_controllable', why: leave.why };
  return { kind: 'path', route: 'dnp3', why: 'watchdog and approval are configured for the site' };
}

/** Whether the site may be controlled so (promise S9). Power in W, + discharge. */
export function fieldLeave(
  ctx: Context,
  device: DeviceEntry,
  wanted: { readonly powerW: number; readonly startMs: EpochMs; readonly endMs: EpochMs },
): ControlLeave {
  const { siteId, source } = device.device;
  return leaveToControl({
    safety: ctx.state.safety.get(siteId) ?? null,
    approvals: ctx.state.approvals.get(siteId) ?? [],
    mapRevision: source.kind === 'dnp3' ? source.mapRevision : '',
    ...wanted,
  });
}

/**
 * Most discharge power that a device may be asked for in a window [W]: its nameplate, and for a site behind DNP3 also
 * its configured limit and the largest approval that covers the window; 0 = no control at all.
 */
export function dischargeLimitW(
  ctx: Context,
  device: DeviceEntry,
  window: { readonly startMs: EpochMs; readonly endMs: EpochMs },
): number {
  const { nameplate, siteId, source } = device.device;
  if (source.kind !== 'dnp3') return nameplate.dischargeWMax;
  const siteW = ctx.state.safety.get(siteId)?.dischargeWMax ?? 0;
  if (ctx.state.stops.has(device.device.deviceId)) return 0;
  const steps = (ctx.state.approvals.get(siteId) ?? []).map((a) => a.dischargeWMax);
  const tried = steps.map((w) => Math.floor(Math.min(w, siteW, nameplate.dischargeWMax))).filter((w) => w > 0);
  const granted = tried.filter((powerW) => fieldLeave(ctx, device, { powerW, ...window }).kind === 'granted');
  return granted.length === 0 ? 0 : Math.max(...granted);
}

/** The power a command asks for at the terminals [W], + discharge; 0 for idle and reset. */
export function signedPowerW(device: DeviceEntry, input: CommandInput): number {
  const { chargeWMax, dischargeWMax } = device.device.nameplate;
  if (input.operatingMode === 'discharge') return input.powerW ?? dischargeWMax;
  if (input.operatingMode === 'charge') return -(input.powerW ?? chargeWMax);
  return 0;
}
