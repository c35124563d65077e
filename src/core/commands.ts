import type { Command, CommandCause, CommandInput, CommandOutcome, EndReason } from '../domain/command.ts';
import { isTerminal } from '../domain/command.ts';
import { invariant } from '../domain/errors.ts';
import { type EpochMs, MS_PER_MIN } from '../domain/units.ts';
import { type Context, capabilitiesOf, isOffline, nextJobId } from './context.ts';
import { enrollmentOf } from './enrollment.ts';
import type { BatchRequest, CommandRequest, RefusalCode } from './input.ts';
import { batchUnderLimits, overloadOf } from './limits.ts';
import { nextPath, STOPPED } from './routing.ts';
import { type CommandEntry, type DeviceEntry, deviceTagKey } from './state.ts';
import { giveBack } from './undo.ts';
import { verdictOf } from './verify.ts';

/**
 * Commands: from the request to the one terminal state.
 *
 * A newer command for a device takes the place of the open one ("newer beats older", TextureHQ/docs schedules), also
 * when it starts later. A command is sent once per path; the next path of executionPriority is tried only when the peer
 * refused for certain. When the outcome is unknown nothing is sent again: telemetry decides (promise S22).
 */

/** Largest batch by tag. @source TextureHQ/docs batch-commands: "more than 10,000 devices: use several batches" */
const BATCH_MAX = 10_000;

/** Accepts an operator's command and returns its id, or refuses it and returns null. */
export function requestCommand(ctx: Context, request: CommandRequest): string | null {
  const obstacle = commandObstacle(ctx, request);
  if (obstacle !== null) {
    ctx.refuse('command', `${request.deviceId}: ${obstacle.why}`, obstacle.code);
    return null;
  }
  const standing = standingObstacle(ctx, request);
  if (standing !== null) {
    ctx.refuse('command', `${request.deviceId}: ${standing}`);
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

/** What stands against a command now, and may not later: a latched stop, a transformer or feeder without room. */
function standingObstacle(ctx: Context, request: CommandRequest): string | null {
  const { deviceId, input, startMs, endMs } = request;
  if (ctx.state.stops.has(deviceId)) return STOPPED;
  const device = ctx.state.devices.get(deviceId);
  return device === undefined ? null : overloadOf(ctx, device, input, { startMs, endMs });
}

/** Batch by tag: incompatible devices are left out and named, as the vendor documents; if none is left it is refused. */
export function requestBatch(ctx: Context, batch: BatchRequest): void {
  const plan = planBatch(ctx, batch, ({ device }) => (batch.enrolledOnly ? notEnrolled(ctx, device.deviceId) : null));
  if (plan.kind === 'refused') return ctx.refuse('batch', plan.why, plan.code);
  const { actor, tag } = batch;
  issueBatch(ctx, batch, plan, { kind: 'batch', actor, batchId: nextBatchId(ctx), tag });
}

export type BatchPlan =
  | {
      readonly kind: 'batch';
      readonly deviceIds: readonly string[];
      readonly skipped: readonly { readonly deviceId: string; readonly why: string }[];
    }
  | { readonly kind: 'refused'; readonly why: string; readonly code: RefusalCode };

/** Which devices with the tag can take the command, and why the others cannot. */
export function planBatch(
  ctx: Context,
  batch: BatchRequest,
  holdsBack: (device: DeviceEntry) => string | null = () => null,
): BatchPlan {
  const tagged = ctx.state.devicesByTag.get(deviceTagKey(batch.workspaceId, batch.tag)) ?? [];
  const ids = [...(batch.deviceIds ?? tagged)].sort();
  const which = batch.deviceIds === undefined ? `with the tag "${batch.tag}"` : 'of the list';
  if (ids.length === 0) return { kind: 'refused', why: `no device carries the tag "${batch.tag}"`, code: 'unknown' };
  if (ids.length > BATCH_MAX) {
    return { kind: 'refused', why: `${ids.length} devices: a batch takes at most ${BATCH_MAX}`, code: 'limit' };
  }
  const deviceIds: string[] = [];
  const skipped: { readonly deviceId: string; readonly why: string }[] = [];
  for (const deviceId of ids) {
    const device = ctx.state.devices.get(deviceId);
    const obstacle = commandObstacle(ctx, { ...batch, deviceId })?.why;
    const why = obstacle ?? (device === undefined ? null : ctx.state.stops.has(deviceId) ? STOPPED : holdsBack(device));
    if (why === null) deviceIds.push(deviceId);
    else skipped.push({ deviceId, why });
  }
  const [first] = skipped;
  if (first === undefined || (deviceIds.length > 0 && !batch.allOrNothing)) {
    return { kind: 'batch', deviceIds, skipped };
  }
  const what = deviceIds.length === 0 ? 'no device' : 'not every device';
  const why = `${what} ${which} can take it; ${first.deviceId}: ${first.why}`;
  return { kind: 'refused', why, code: 'invalid' };
}

function notEnrolled(ctx: Context, deviceId: string): string | null {
  const standing = enrollmentOf(ctx.state, deviceId);
  return standing === 'approved' ? null : standing === 'pending' ? 'its enrollment is pending' : 'it is not enrolled';
}

export const nextBatchId = (ctx: Context): string => `batch-${ctx.state.counters.batch + 1}`;

/** Accepts the commands of a batch, one a device; cut in proportion where a transformer or feeder has no room for all. */
export function issueBatch(
  ctx: Context,
  batch: BatchRequest,
  plan: Extract<BatchPlan, { kind: 'batch' }>,
  cause: CommandCause,
): void {
  const { workspaceId, tag, input, startMs, endMs } = batch;
  const batchId = nextBatchId(ctx);
  const fit = batchUnderLimits(ctx, { deviceIds: plan.deviceIds, input, window: { startMs, endMs } });
  const commandIds = fit.inputs.map((one) => accept(ctx, { ...one, startMs, endMs, notAfterMs: endMs, cause }));
  const skipped = [...plan.skipped, ...fit.skipped];
  ctx.emit({ type: 'batch.accepted', batchId, workspaceId, tag, commandIds, skipped });
}

export interface Obstacle {
  readonly why: string;
  readonly code: RefusalCode;
}

/** Why a request cannot be accepted at all; null if it can. */
export function commandObstacle(ctx: Context, request: CommandRequest): Obstacle | null {
  const entry = ctx.state.devices.get(request.deviceId);
  if (entry === undefined || entry.device.workspaceId !== request.workspaceId) {
    return { why: 'no such device', code: 'unknown' };
  }
  const { input, startMs, endMs } = request;
  if (!(endMs > startMs)) return { why: 'the window ends before it starts', code: 'invalid' };
  if (endMs <= ctx.nowMs) return { why: 'the window is in the past', code: 'invalid' };
  const why = inputObstacle(entry, input);
  if (why !== null) return { why, code: 'invalid' };
  const caps = capabilitiesOf(ctx, entry);
  const foreign = expressionObstacle(ctx, entry, input);
  if (foreign !== null) return { why: foreign, code: 'unsupported' };
  if (caps !== null && endMs - startMs > caps.durationMsMax) {
    const most = caps.durationMsMax / MS_PER_MIN;
    return { why: `the window is longer than the manufacturer takes: at most ${most} min`, code: 'unsupported' };
  }
  if (!input.enableGridInteraction) return null;
  const workspace = ctx.state.workspaces.get(entry.device.workspaceId);
  return workspace?.gridServices
    ? null
    : { why: 'grid services are not enabled for this organisation', code: 'forbidden' };
}

/** What the peer has no words for: it would be dropped in silence, or do something else. */
function expressionObstacle(ctx: Context, entry: DeviceEntry, input: CommandInput): string | null {
  const { operatingMode, powerW, minimumBatteryReserve, maximumBatteryReserve, enableGridInteraction } = input;
  const { deviceId, nameplate } = entry.device;
  const caps = capabilitiesOf(ctx, entry);
  if (caps === null) {
    const isPlain = minimumBatteryReserve === undefined && maximumBatteryReserve === undefined;
    if (!isPlain) return 'a setpoint of a site behind DNP3 has no reserves of its own; its reserve is a setting';
    const isHome = operatingMode === 'discharge' && !enableGridInteraction;
    return isHome
      ? 'a site behind DNP3 has no load of its own: without enableGridInteraction it cannot discharge'
      : null;
  }
  if (caps.needsEnrollment && enrollmentOf(ctx.state, deviceId) !== 'approved') {
    return 'its manufacturer takes commands only for a device with an approved enrollment in a program';
  }
  if (powerW === undefined || caps.powerControl === 'setpoint') return null;
  const wholeW = operatingMode === 'charge' ? nameplate.chargeWMax : nameplate.dischargeWMax;
  const isOther = (operatingMode === 'charge' || operatingMode === 'discharge') && powerW !== wholeW;
  return isOther ? `it knows only on and off: leave out powerW, and it gives all of its ${wholeW} W` : null;
}

function inputObstacle(entry: DeviceEntry, input: CommandInput): string | null {
  const { powerW, minimumBatteryReserve: low = 0, maximumBatteryReserve: high = 100 } = input;
  if (!(low >= 0 && low <= high && high <= 100))
    return `reserves ${low} %, ${high} % are not 0 ≤ minimum ≤ maximum ≤ 100`;
  if (powerW === undefined) return null;
  if (!(Number.isInteger(powerW) && powerW >= 0)) {
    return `powerW ${powerW} is not a whole number of watts ≥ 0; the direction is the operating mode`;
  }
  const { chargeWMax, dischargeWMax } = entry.device.nameplate;
  const limitW = input.operatingMode === 'charge' ? chargeWMax : dischargeWMax;
  return powerW > limitW ? `powerW ${powerW} is over the device's ${limitW} W` : null;
}

export interface AcceptRequest {
  readonly deviceId: string;
  readonly input: CommandInput;
  readonly startMs: EpochMs;
  readonly endMs: EpochMs;
  readonly notAfterMs: EpochMs;
  readonly cause: CommandCause;
}

/**
 * Accepts a command, retires the one before it and starts it on its way.
 * @returns its id
 * @throws  InvariantError if there is no such device: that was checked before
 */
export function accept(ctx: Context, request: AcceptRequest): string {
  const device = ctx.state.devices.get(request.deviceId);
  invariant(device !== undefined, `a command for the unknown device ${request.deviceId}`);
  const commandId = `cmd-${ctx.state.counters.command + 1}`;
  const previous = openEntry(ctx, device);
  const command: Command = { ...request, commandId, workspaceId: device.device.workspaceId };
  ctx.emit({ type: 'command.accepted', command });
  const ignored = device.stormActive && request.input.enableGridInteraction;
  const caps = capabilitiesOf(ctx, device);
  const sendAtMs = caps === null || caps.scheduledStart ? ctx.nowMs : request.startMs - caps.leadMs;
  const replacesAtOnce = !ignored && sendAtMs <= ctx.nowMs && request.startMs <= ctx.nowMs + (caps?.leadMs ?? 0);
  if (previous !== null) supersede(ctx, previous, { newerId: commandId, replacesAtOnce });
  if (ignored) {
    end(ctx, commandId, 'ignored', 'storm_guard', 'Storm Guard is active: the battery would not respond');
  } else if (sendAtMs <= ctx.nowMs) send(ctx, commandId);
  // What was meant to replace the one before never left: then that one must not go on by itself.
  const isRejected = ctx.state.commands.get(commandId)?.outcome?.status === 'rejected';
  if (previous !== null && replacesAtOnce && isRejected) giveBack(ctx, previous, `${commandId} could not be sent`);
  return commandId;
}

/** The device's open command, unless it has ended. */
export function openEntry(ctx: Context, device: DeviceEntry): CommandEntry | null {
  const entry = device.openCommandId === null ? undefined : ctx.state.commands.get(device.openCommandId);
  return entry === undefined || isTerminal(entry.status) ? null : entry;
}

/** A command whose window is over is left to its verification; a newer one that starts later does not stop it by itself. */
function supersede(
  ctx: Context,
  previous: CommandEntry,
  by: { readonly newerId: string; readonly replacesAtOnce: boolean },
): void {
  const { commandId, endMs } = previous.command;
  if (endMs <= ctx.nowMs && previous.status !== 'accepted') return;
  const detail = `replaced by ${by.newerId}; ${meanSeen(ctx, commandId)}`;
  end(ctx, commandId, 'superseded', 'newer_command', detail);
  if (!by.replacesAtOnce) giveBack(ctx, previous, detail);
}

/** The evidence of a command so far, in words. */
export function meanSeen(ctx: Context, commandId: string): string {
  const e = ctx.telemetry.evidence.get(commandId);
  return e === undefined
    ? 'no sample in its time'
    : `mean ${Math.round(e.sumW / e.samples)} W over ${e.samples} samples`;
}

/** Sends an accepted command on the first path that is possible. */
export function send(ctx: Context, commandId: string): void {
  const entry = ctx.state.commands.get(commandId);
  if (entry === undefined || entry.status !== 'accepted') return;
  tryNextPath(ctx, entry, 'first');
}

/** An event's plan, and a batch, fit their commands under the limits together; one by one they would stand in each other's way. */
function isFitted({ command: { cause } }: CommandEntry): boolean {
  return cause.kind === 'dispatch' || cause.kind === 'batch' || (cause.kind === 'schedule' && cause.batchId !== null);
}

/** The next path of an accepted command, or of a sent one that its peer refused for certain. */
export function tryNextPath(ctx: Context, entry: CommandEntry, after: string): void {
  const { commandId, deviceId, notAfterMs } = entry.command;
  const device = ctx.state.devices.get(deviceId);
  if (device === undefined) return;
  if (ctx.nowMs >= notAfterMs) {
    return end(
      ctx,
      commandId,
      'expired',
      'not_after_passed',
      `its latest start had passed before it was sent (${after})`,
    );
  }
  const overload = isFitted(entry) ? null : overloadOf(ctx, device, entry.command.input, entry.command);
  if (overload !== null) return end(ctx, commandId, 'rejected', 'transformer_limit', overload);
  const choice = nextPath(ctx, entry, device);
  if (choice.kind === 'none') return end(ctx, commandId, 'rejected', choice.reason, `${choice.why} (${after})`);
  ctx.emit({ type: 'command.routed', commandId, route: choice.route, why: choice.why });
  ctx.emit({ type: 'command.sent', commandId, jobId: nextJobId(ctx), attempt: entry.attempt + 1 });
}

/** The window is over: devices that do not end by themselves are told to, unless a newer command rules them by now. */
export function finish(ctx: Context, commandId: string): void {
  const entry = ctx.state.commands.get(commandId);
  if (entry === undefined || isTerminal(entry.status)) return;
  if (entry.status === 'accepted') {
    return end(ctx, commandId, 'expired', 'not_after_passed', 'its window ended before it was sent');
  }
  const rules = ctx.state.devices.get(entry.command.deviceId)?.openCommandId === commandId;
  if (rules && entry.command.input.operatingMode !== 'reset') giveBack(ctx, entry, 'the window is over');
}

/** Samples have come in: the telemetry says what became of it. */
export function verify(ctx: Context, commandId: string): void {
  const entry = ctx.state.commands.get(commandId);
  if (entry === undefined || isTerminal(entry.status)) return;
  const device = ctx.state.devices.get(entry.command.deviceId);
  if (device === undefined) return;
  const evidence = ctx.telemetry.evidence.get(commandId);
  const outcome = verdictOf({ entry, device, evidence, settings: ctx.settings, isOffline: isOffline(ctx, device) });
  ctx.emit({ type: 'command.ended', commandId, outcome });
}

/** Storm Guard was seen active: the open command is over, and its peer is told so that it does not come back later. */
export function stormBegan(ctx: Context, device: DeviceEntry): void {
  const entry = openEntry(ctx, device);
  if (entry === null || !entry.command.input.enableGridInteraction) return;
  const { commandId } = entry.command;
  conclude(ctx, commandId, {
    status: 'ignored',
    reason: 'storm_guard',
    detail: `Storm Guard is active; ${meanSeen(ctx, commandId)}`,
  });
}

/** Takes a command back as cancelled. Nothing happens if it has ended already. */
export function withdraw(ctx: Context, commandId: string, reason: EndReason, detail: string): void {
  conclude(ctx, commandId, { status: 'cancelled', reason, detail });
}

/** Ends a command before its time. What was sent is taken back; before it was sent nothing leaves at all (promise S12). */
export function conclude(ctx: Context, commandId: string, outcome: CommandOutcome): void {
  const entry = ctx.state.commands.get(commandId);
  if (entry === undefined || isTerminal(entry.status)) return;
  ctx.emit({ type: 'command.ended', commandId, outcome });
  giveBack(ctx, entry, outcome.detail);
}

/** Ends a command; the caller has seen to it that it has not ended. */
export function end(
  ctx: Context,
  commandId: string,
  status: CommandOutcome['status'],
  reason: EndReason,
  detail: string,
): void {
  ctx.emit({ type: 'command.ended', commandId, outcome: { status, reason, detail } });
}
