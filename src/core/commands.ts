import type {
  Command,
  CommandCause,
  CommandInput,
  CommandOutcome,
  CommandRoute,
  EndReason,
} from '../domain/command.ts';
import { isTerminal } from '../domain/command.ts';
import { leaveToControl } from '../domain/safety.ts';
import type { EpochMs } from '../domain/units.ts';
import type { OemReply } from '../ports/oem.ts';
import { type Context, capabilitiesOf, nextJobId } from './context.ts';
import type { BatchRequest, CommandRequest } from './input.ts';
import { type CommandEntry, type DeviceEntry, deviceTagKey, enrollmentKey } from './state.ts';
import { verdictOf } from './verify.ts';

/**
 * Commands: from the request to the one terminal state.
 *
 * A newer command for a device takes the place of the open one ("newer beats older", TextureHQ/docs schedules). A
 * command is sent once per path; the next path of executionPriority is tried only when the peer refused for certain.
 * When the outcome is unknown nothing is sent again: telemetry decides (promise S22).
 */

export function requestCommand(ctx: Context, request: CommandRequest): string | null {
  const why = refusal(ctx, request);
  if (why !== null) {
    ctx.refuse('command', `${request.deviceId}: ${why}`);
    return null;
  }
  return accept(ctx, {
    deviceId: request.deviceId,
    input: request.input,
    startMs: request.startMs,
    endMs: request.endMs,
    notAfterMs: request.endMs,
    cause: { kind: 'operator', actor: request.actor },
  });
}

/** Batch by tag: incompatible devices are left out and named, as the vendor documents. */
export function requestBatch(ctx: Context, batch: BatchRequest): void {
  const ids = [...(ctx.state.devicesByTag.get(deviceTagKey(batch.workspaceId, batch.tag)) ?? [])].sort();
  if (ids.length === 0) return ctx.refuse('batch', `no device carries the tag "${batch.tag}"`);
  const checked = ids.map((deviceId) => ({ deviceId, why: refusal(ctx, { ...batch, deviceId }) }));
  const batchId = `batch-${ctx.state.counters.batch + 1}`;
  const commandIds: string[] = [];
  for (const { deviceId, why } of checked) {
    if (why !== null) continue;
    const { input, startMs, endMs, actor, tag } = batch;
    const cause: CommandCause = { kind: 'batch', actor, batchId, tag };
    commandIds.push(accept(ctx, { deviceId, input, startMs, endMs, notAfterMs: endMs, cause }));
  }
  const skipped = checked.flatMap(({ deviceId, why }) => (why === null ? [] : [{ deviceId, why }]));
  ctx.emit({ type: 'batch.accepted', batchId, workspaceId: batch.workspaceId, tag: batch.tag, commandIds, skipped });
}

/** Why a request cannot be accepted at all; null if it can. */
function refusal(ctx: Context, request: CommandRequest): string | null {
  const entry = ctx.state.devices.get(request.deviceId);
  if (entry === undefined || entry.device.workspaceId !== request.workspaceId) return 'no such device';
  const { input, startMs, endMs } = request;
  if (!(endMs > startMs)) return 'the window ends before it starts';
  if (endMs <= ctx.nowMs) return 'the window is in the past';
  if (input.powerW !== undefined && !(Number.isInteger(input.powerW) && input.powerW >= 0)) {
    return `powerW ${input.powerW} is not a whole number of watts ≥ 0; the direction is the operating mode`;
  }
  const limitW =
    input.operatingMode === 'charge' ? entry.device.nameplate.chargeWMax : entry.device.nameplate.dischargeWMax;
  if (input.powerW !== undefined && input.powerW > limitW)
    return `powerW ${input.powerW} is over the device's ${limitW} W`;
  const caps = capabilitiesOf(ctx, entry);
  if (caps !== null && endMs - startMs > caps.durationMsMax) return 'the window is longer than the manufacturer takes';
  if (!input.enableGridInteraction) return null;
  const workspace = ctx.state.workspaces.get(entry.device.workspaceId);
  return workspace?.gridServices ? null : 'grid services are not enabled for this organisation';
}

export interface AcceptRequest {
  readonly deviceId: string;
  readonly input: CommandInput;
  readonly startMs: EpochMs;
  readonly endMs: EpochMs;
  readonly notAfterMs: EpochMs;
  readonly cause: CommandCause;
}

/** Accepts a command, retires the one before it and starts it on its way. Returns its id. */
export function accept(ctx: Context, request: AcceptRequest): string {
  const entry = ctx.state.devices.get(request.deviceId);
  const commandId = `cmd-${ctx.state.counters.command + 1}`;
  if (entry === undefined) return commandId;
  const previous = entry.openCommandId === null ? undefined : ctx.state.commands.get(entry.openCommandId);
  const command: Command = { ...request, commandId, workspaceId: entry.device.workspaceId };
  ctx.emit({ type: 'command.accepted', command });
  if (previous !== undefined) supersede(ctx, previous, commandId);
  if (entry.stormActive && request.input.enableGridInteraction) {
    end(ctx, commandId, 'ignored', 'storm_guard', 'Storm Guard is active: the battery would not respond');
    return commandId;
  }
  const caps = capabilitiesOf(ctx, entry);
  const sendAtMs = caps === null || caps.scheduledStart ? ctx.nowMs : request.startMs - caps.leadMs;
  if (sendAtMs <= ctx.nowMs) send(ctx, commandId);
  return commandId;
}

function supersede(ctx: Context, previous: CommandEntry, newerId: string): void {
  if (isTerminal(previous.status)) return;
  const detail = `replaced by ${newerId}; ${meanSeen(ctx, previous.command.commandId)}`;
  end(ctx, previous.command.commandId, 'superseded', 'newer_command', detail);
}

function meanSeen(ctx: Context, commandId: string): string {
  const e = ctx.telemetry.evidence.get(commandId);
  return e === undefined
    ? 'no sample in its time'
    : `mean ${Math.round(e.sumW / e.samples)} W over ${e.samples} samples`;
}

/** Sends an accepted command on the first path that is possible. */
export function send(ctx: Context, commandId: string): void {
  const entry = ctx.state.commands.get(commandId);
  if (entry === undefined || entry.status !== 'accepted') return;
  if (ctx.nowMs > entry.command.notAfterMs) {
    return end(ctx, commandId, 'expired', 'not_after_passed', 'its latest start had passed before it could be sent');
  }
  tryNextPath(ctx, entry, 'first');
}

function tryNextPath(ctx: Context, entry: CommandEntry, after: string): void {
  const { commandId, deviceId } = entry.command;
  const device = ctx.state.devices.get(deviceId);
  if (device === undefined) return;
  const choice = nextPath(ctx, entry, device);
  if (choice.kind === 'none') return end(ctx, commandId, 'rejected', choice.reason, `${choice.why} (${after})`);
  ctx.emit({ type: 'command.routed', commandId, route: choice.route, why: choice.why });
  ctx.emit({ type: 'command.sent', commandId, jobId: nextJobId(ctx), attempt: entry.attempt + 1 });
}

type PathChoice =
  | { readonly kind: 'path'; readonly route: CommandRoute; readonly why: string }
  | { readonly kind: 'none'; readonly reason: EndReason; readonly why: string };

/**
 * Which path a command takes next. Default order is grid services, then baseline; baseline is always the last resort;
 * an empty list or ["baseline"] avoids the Grid Service (TextureHQ/docs commands).
 */
function nextPath(ctx: Context, entry: CommandEntry, device: DeviceEntry): PathChoice {
  if (device.device.source.kind === 'dnp3') return fieldPath(ctx, entry, device);
  const { input } = entry.command;
  const wanted = input.executionPriority ?? ['grid_services'];
  const why = gridServiceObstacle(ctx, entry, device);
  const useGrid =
    input.enableGridInteraction && wanted.includes('grid_services') && !entry.tried.includes('grid_services');
  if (useGrid && why === null) {
    return { kind: 'path', route: 'grid_services', why: 'enrolled, and the manufacturer offers a Grid Service' };
  }
  if (entry.tried.includes('baseline')) return { kind: 'none', reason: 'no_route', why: 'every path was refused' };
  const reason = !input.enableGridInteraction
    ? 'no grid interaction asked for'
    : (why ?? 'executionPriority or an earlier refusal');
  return { kind: 'path', route: 'baseline', why: reason };
}

function gridServiceObstacle(ctx: Context, entry: CommandEntry, device: DeviceEntry): string | null {
  if (capabilitiesOf(ctx, device)?.gridServices !== true) return 'the manufacturer offers no Grid Service';
  const enrolled = [...ctx.state.enrolledIn.entries()].some(
    ([programId, members]) =>
      members.has(entry.command.deviceId) &&
      ctx.state.enrollments.get(enrollmentKey(entry.command.deviceId, programId))?.status === 'approved',
  );
  return enrolled ? null : 'the device is not enrolled in grid services';
}

function fieldPath(ctx: Context, entry: CommandEntry, device: DeviceEntry): PathChoice {
  if (entry.tried.includes('dnp3')) return { kind: 'none', reason: 'no_route', why: 'the outstation refused it' };
  const { input, startMs, endMs } = entry.command;
  const leave = fieldLeave(ctx, device, { powerW: signedPowerW(device, input), startMs, endMs });
  if (leave.kind === 'refused') return { kind: 'none', reason: 'site_not_controllable', why: leave.why };
  return { kind: 'path', route: 'dnp3', why: 'watchdog and approval are configured for the site' };
}

/** Whether the site may be controlled so (promise S9). */
export function fieldLeave(
  ctx: Context,
  device: DeviceEntry,
  wanted: { readonly powerW: number; readonly startMs: EpochMs; readonly endMs: EpochMs },
) {
  const { siteId, source } = device.device;
  return leaveToControl({
    safety: ctx.state.safety.get(siteId) ?? null,
    approvals: ctx.state.approvals.get(siteId) ?? [],
    mapRevision: source.kind === 'dnp3' ? source.mapRevision : '',
    ...wanted,
  });
}

/** The power a command asks for at the terminals [W], + discharge. */
export function signedPowerW(device: DeviceEntry, input: CommandInput): number {
  const { chargeWMax, dischargeWMax } = device.device.nameplate;
  if (input.operatingMode === 'discharge') return input.powerW ?? dischargeWMax;
  if (input.operatingMode === 'charge') return -(input.powerW ?? chargeWMax);
  return 0;
}

/** The peer's answer to a control job. */
export function onCommandReply(ctx: Context, commandId: string, reply: OemReply): void {
  const entry = ctx.state.commands.get(commandId);
  if (entry === undefined) return;
  if (reply.kind === 'accepted') return acknowledged(ctx, entry, reply.vendorRef);
  if (isTerminal(entry.status)) return;
  switch (reply.kind) {
    case 'refused':
      entry.route === 'grid_services'
        ? tryNextPath(ctx, entry, `grid service refused: ${reply.code} ${reply.message}`)
        : end(ctx, commandId, 'rejected', 'oem_refused', `${reply.code} ${reply.message}`);
      return;
    case 'not-sent':
      return end(ctx, commandId, 'expired', 'not_after_passed', `never left: ${reply.message}`);
    case 'command-status':
      return onVendorStatus(ctx, entry, reply.status, reply.detail);
    case 'unknown':
    case 'state':
    case 'enrollment':
      return; // an unknown outcome stays "sent": telemetry decides at the end of the window
  }
}

/** A command that ended while its answer was on the way must still be taken back at the cloud. */
function acknowledged(ctx: Context, entry: CommandEntry, vendorRef: string): void {
  const { commandId, deviceId } = entry.command;
  if (!isTerminal(entry.status)) return ctx.emit({ type: 'command.acknowledged', commandId, vendorRef });
  const current = ctx.state.devices.get(deviceId)?.openCommandId ?? null;
  if (current !== null || entry.outcome?.reason === 'newer_command') return;
  undo(
    ctx,
    deviceId,
    'cancel',
    vendorRef,
    `${commandId} had ended (${entry.outcome?.reason}) before the cloud answered`,
  );
}

function onVendorStatus(ctx: Context, entry: CommandEntry, status: string, detail: string): void {
  const { commandId } = entry.command;
  if (status === 'failed')
    return end(ctx, commandId, 'failed', 'delivery_failed', `the cloud could not deliver it: ${detail}`);
  if (status === 'opted-out') return end(ctx, commandId, 'cancelled', 'opted_out', `the owner opted out: ${detail}`);
}

/** Asks the cloud how an acknowledged command stands. */
export function check(ctx: Context, commandId: string): void {
  const entry = ctx.state.commands.get(commandId);
  if (entry === undefined || entry.status !== 'acknowledged' || entry.vendorRef === null) return;
  const device = ctx.state.devices.get(entry.command.deviceId)?.device;
  if (device === undefined || device.source.kind !== 'oem' || entry.jobId === null) return;
  const { oem, vendorDeviceId } = device.source;
  const job = { kind: 'read-command', jobId: entry.jobId, vendorDeviceId, vendorRef: entry.vendorRef } as const;
  ctx.ask({ kind: 'oem', oem, deviceId: device.deviceId, job });
}

/** The window is over: devices that do not end by themselves are told to. */
export function finish(ctx: Context, commandId: string): void {
  const entry = ctx.state.commands.get(commandId);
  if (entry === undefined || isTerminal(entry.status)) return;
  const { deviceId } = entry.command;
  if (entry.status === 'accepted') {
    return end(ctx, commandId, 'expired', 'not_after_passed', 'its window ended before it was sent');
  }
  giveBack(ctx, deviceId, entry, 'the window is over');
}

/** Samples have come in: the telemetry says what became of it. */
export function verify(ctx: Context, commandId: string): void {
  const entry = ctx.state.commands.get(commandId);
  if (entry === undefined || isTerminal(entry.status)) return;
  const device = ctx.state.devices.get(entry.command.deviceId);
  if (device === undefined) return;
  const verdict = verdictOf({ entry, device, evidence: ctx.telemetry.evidence.get(commandId), settings: ctx.settings });
  ctx.emit({ type: 'command.ended', commandId, outcome: verdict });
}

/** Storm Guard was seen active: the open command is over, and its cloud is told so that it does not come back later. */
export function stormBegan(ctx: Context, device: DeviceEntry): void {
  const entry = device.openCommandId === null ? undefined : ctx.state.commands.get(device.openCommandId);
  if (entry === undefined || isTerminal(entry.status) || !entry.command.input.enableGridInteraction) return;
  const { commandId, deviceId } = entry.command;
  const detail = `Storm Guard is active; ${meanSeen(ctx, commandId)}`;
  end(ctx, commandId, 'ignored', 'storm_guard', detail);
  if (entry.vendorRef !== null) giveBack(ctx, deviceId, entry, 'Storm Guard is active');
}

/** Takes a command back: before it was sent nothing leaves at all. */
export function withdraw(ctx: Context, commandId: string, reason: EndReason, detail: string): void {
  const entry = ctx.state.commands.get(commandId);
  if (entry === undefined || isTerminal(entry.status)) return;
  const sent = entry.status !== 'accepted';
  const { deviceId } = entry.command;
  end(ctx, commandId, 'cancelled', reason, detail);
  if (!sent) return;
  const timedEnd = capabilitiesOfDevice(ctx, deviceId)?.timedEnd === true;
  if (timedEnd && entry.vendorRef !== null) undo(ctx, deviceId, 'cancel', entry.vendorRef, detail);
  else if (!timedEnd) giveBack(ctx, deviceId, entry, detail);
}

function giveBack(ctx: Context, deviceId: string, entry: CommandEntry, why: string): void {
  const caps = capabilitiesOfDevice(ctx, deviceId);
  if (entry.route === 'dnp3') return undo(ctx, deviceId, 'release', null, why);
  if (caps === null || caps === undefined) return;
  if (!caps.timedEnd) return undo(ctx, deviceId, 'reset', null, why);
  if (ctx.nowMs < entry.command.endMs && entry.vendorRef !== null) undo(ctx, deviceId, 'cancel', entry.vendorRef, why);
}

function capabilitiesOfDevice(ctx: Context, deviceId: string) {
  const device = ctx.state.devices.get(deviceId);
  return device === undefined ? null : capabilitiesOf(ctx, device);
}

export function undo(
  ctx: Context,
  deviceId: string,
  what: 'reset' | 'cancel' | 'release' | 'emergency-stop',
  vendorRef: string | null,
  why: string,
): void {
  ctx.emit({ type: 'undo.sent', deviceId, jobId: nextJobId(ctx), what, vendorRef, why });
}

export function end(
  ctx: Context,
  commandId: string,
  status: CommandOutcome['status'],
  reason: EndReason,
  detail: string,
): void {
  ctx.emit({ type: 'command.ended', commandId, outcome: { status, reason, detail } });
}
