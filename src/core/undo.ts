import { MS_PER_MIN } from '../domain/units.ts';
import { type Context, capabilitiesOf, nextJobId } from './context.ts';
import type { CommandEntry, DeviceEntry, OwedUndo } from './state.ts';

/**
 * Taking back: what was sent must not go on after the core has ended it.
 *
 * A cloud that ends commands by itself gets a cancel of its reference; one that does not gets a reset; a site behind
 * DNP3 gets a release. An undo is owed until the peer took it while the device was reachable, or a newer command rules
 * the device. While it is owed it is said again, at most UNDO_ATTEMPTS_MAX times in a row, and once more whenever the
 * device comes back. All of them may be said twice without harm. What the peers answered is no fact: after a restart an
 * undo is owed until it is answered anew.
 */
export const UNDO_RETRY_MS = 5 * MS_PER_MIN;
export const UNDO_ATTEMPTS_MAX = 6;

export interface UndoRequest {
  readonly what: OwedUndo['what'];
  readonly vendorRef: string | null;
  readonly why: string;
}

/** While a site behind DNP3 is stopped nothing but the stop leaves for it (promise S11). */
export function undo(ctx: Context, deviceId: string, request: UndoRequest): void {
  const isField = ctx.state.devices.get(deviceId)?.device.source.kind === 'dnp3';
  if (isField && request.what !== 'emergency-stop' && ctx.state.stops.has(deviceId)) return;
  ctx.emit({ type: 'undo.sent', deviceId, jobId: nextJobId(ctx), ...request });
}

/** Takes a command that was sent back from the peer, as the peer knows it. */
export function giveBack(ctx: Context, entry: CommandEntry, why: string): void {
  const { deviceId, endMs } = entry.command;
  const device = ctx.state.devices.get(deviceId);
  if (device === undefined || entry.route === null) return;
  if (entry.route === 'dnp3') return undo(ctx, deviceId, { what: 'release', vendorRef: null, why });
  const caps = capabilitiesOf(ctx, device);
  if (caps === null) return;
  if (!caps.timedEnd) return undo(ctx, deviceId, { what: 'reset', vendorRef: null, why });
  if (ctx.nowMs < endMs && entry.vendorRef !== null) {
    undo(ctx, deviceId, { what: 'cancel', vendorRef: entry.vendorRef, why });
  }
}

/** The peer's answer to an undo. A refusal settles it too: asking again would not help. */
export function onUndoAnswer(ctx: Context, deviceId: string, jobId: string, answered: boolean): void {
  const device = ctx.state.devices.get(deviceId);
  if (answered && device?.reachable === true) ctx.telemetry.settledUndo.set(deviceId, jobId);
}

/** Whether the device still has to be told. */
const isOwed = (ctx: Context, device: DeviceEntry): boolean =>
  device.undo !== null && ctx.telemetry.settledUndo.get(device.device.deviceId) !== device.undo.jobId;

/** Some time after an undo: it is said again while it is owed and the limit is not reached. */
export function checkUndo(ctx: Context, deviceId: string, jobId: string): void {
  const device = ctx.state.devices.get(deviceId);
  if (device?.undo?.jobId !== jobId || !isOwed(ctx, device)) return;
  if (device.undo.attempt >= UNDO_ATTEMPTS_MAX) return;
  repeat(ctx, device);
}

/** The device is back: what is still owed is said once more. */
export function onReachable(ctx: Context, device: DeviceEntry): void {
  if (isOwed(ctx, device)) repeat(ctx, device);
}

function repeat(ctx: Context, device: DeviceEntry): void {
  if (device.undo === null) return;
  const { what, vendorRef, why } = device.undo;
  undo(ctx, device.device.deviceId, { what, vendorRef, why });
}
