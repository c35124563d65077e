import { type ApplianceInput, type ApplianceSlug, type ApplianceState, effectOf } from '../domain/appliance.ts';
import {
  type Appliance,
  type ApplianceCause,
  type ApplianceCommand,
  settingObstacle,
  settingShown,
} from '../domain/applianceCommand.ts';
import type { CommandCause, CommandOutcome, EndReason } from '../domain/command.ts';
import { type EpochMs, MS_PER_HOUR } from '../domain/units.ts';
import type { OemReply } from '../ports/oem.ts';
import { type ApplianceCommandEntry, type ApplianceEntry, CANCEL, READ, verdictMs } from './applianceState.ts';
import { nextBatchId } from './commands.ts';
import { type Context, nextJobId } from './context.ts';
import type { CoreInput, RefusalCode } from './input.ts';
import { deviceTagKey } from './state.ts';

/**
 * Chargers, vehicles, thermostats, inverters: settings, and the samples that prove them. A newer command takes the place
 * of the open one of the same device and slug, here as at the cloud. "acknowledged" proves nothing: a sample taken after
 * the command shows what was asked for (succeeded), or two telemetry periods after the acknowledgement none has
 * (no_effect), or the samples cannot tell (outcome_unknown).
 *
 * Setting back. What stood before is kept with the command. At its end, or when it is cancelled after its start, it goes
 * out as a command of its own (cause "restore"). Cancelled before its start, the command is withdrawn at the cloud, and
 * set back only if that comes too late.
 */
export type ApplianceCoreInput =
  | { readonly kind: 'connect-appliance'; readonly appliance: Appliance }
  | { readonly kind: 'appliance-command'; readonly request: ApplianceCommandRequest }
  | { readonly kind: 'appliance-batch'; readonly batch: ApplianceBatchRequest };

export interface ApplianceOrder {
  readonly workspaceId: string;
  readonly setting: ApplianceInput;
  readonly startMs: EpochMs;
  /** null = the setting stands. */
  readonly endMs: EpochMs | null;
  readonly notAfterMs: EpochMs;
  readonly actor: string;
}

export interface ApplianceCommandRequest extends ApplianceOrder {
  readonly deviceId: string;
}

export interface ApplianceBatchRequest extends ApplianceOrder {
  /** Empty when the devices are listed. */
  readonly tag: string;
  readonly deviceIds?: readonly string[];
  readonly allOrNothing?: boolean;
}

const INPUTS: Readonly<Record<ApplianceCoreInput['kind'], true>> = {
  'connect-appliance': true,
  'appliance-command': true,
  'appliance-batch': true,
};
/** As for batteries. */
const BATCH_MAX = 10_000;
/** How long a setting that is set back may take to leave. */
const RESTORE_NOT_AFTER_MS = MS_PER_HOUR;
/** How far a device's clock may be ahead; as for batteries. */
const AHEAD_MS_MAX = 5_000;

export const isApplianceInput = (input: CoreInput): input is ApplianceCoreInput => Object.hasOwn(INPUTS, input.kind);

export function onAppliance(ctx: Context, input: ApplianceCoreInput): void {
  switch (input.kind) {
    case 'connect-appliance':
      return connect(ctx, input.appliance);
    case 'appliance-command':
      return command(ctx, input.request);
    case 'appliance-batch':
      return batch(ctx, input.batch);
  }
}

function connect(ctx: Context, appliance: Appliance): void {
  const { deviceId, siteId, workspaceId } = appliance;
  const { appliances, devices, sites } = ctx.state;
  if (appliances.has(deviceId) || devices.has(deviceId)) {
    return ctx.refuse('connect-appliance', `${deviceId} is connected`);
  }
  if (sites.get(siteId)?.workspaceId !== workspaceId) {
    return ctx.refuse('connect-appliance', `${siteId}: no such site`, 'unknown');
  }
  ctx.emit({ type: 'appliance.connected', appliance });
}

function command(ctx: Context, request: ApplianceCommandRequest): void {
  const { deviceId, actor } = request;
  const obstacle = obstacleOf(ctx, request);
  if (obstacle !== null) return ctx.refuse('appliance-command', `${deviceId}: ${obstacle.why}`, obstacle.code);
  accept(ctx, request, { kind: 'operator', actor });
}

/** As batches of batteries: devices that cannot take it are left out and named; if none is left it is refused. */
function batch(ctx: Context, request: ApplianceBatchRequest): void {
  const { workspaceId, tag, actor } = request;
  const tagged = ctx.state.appliancesByTag.get(deviceTagKey(workspaceId, tag)) ?? [];
  const ids = [...(request.deviceIds ?? tagged)].sort();
  const refuse = (why: string, code: RefusalCode): void => ctx.refuse('appliance-batch', why, code);
  if (ids.length === 0) return refuse(`no device of this kind carries the tag "${tag}"`, 'unknown');
  if (ids.length > BATCH_MAX) return refuse(`${ids.length} devices: a batch takes at most ${BATCH_MAX}`, 'limit');
  const fit: string[] = [];
  const skipped: { readonly deviceId: string; readonly why: string }[] = [];
  for (const deviceId of ids) {
    const obstacle = obstacleOf(ctx, { ...request, deviceId });
    if (obstacle === null) fit.push(deviceId);
    else skipped.push({ deviceId, why: obstacle.why });
  }
  const [first] = skipped;
  if (first !== undefined && (fit.length === 0 || request.allOrNothing === true)) {
    const what = fit.length === 0 ? 'no device' : 'not every device';
    return refuse(`${what} can take it; ${first.deviceId}: ${first.why}`, 'invalid');
  }
  const batchId = nextBatchId(ctx);
  const cause: CommandCause = { kind: 'batch', actor, batchId, tag };
  const commandIds = fit.map((deviceId) => accept(ctx, { ...request, deviceId }, cause));
  ctx.emit({ type: 'batch.accepted', batchId, workspaceId, tag, commandIds, skipped });
}

interface Obstacle {
  readonly why: string;
  readonly code: RefusalCode;
}

function obstacleOf(ctx: Context, request: ApplianceCommandRequest): Obstacle | null {
  const entry = ctx.state.appliances.get(request.deviceId);
  if (entry?.appliance.workspaceId !== request.workspaceId) return { why: 'no such device', code: 'unknown' };
  const { setting, startMs, endMs, notAfterMs } = request;
  const why = settingObstacle(entry.appliance.kind, setting);
  if (why !== null) return { why, code: 'invalid' };
  if (endMs !== null && endMs <= startMs) return { why: 'the window ends before it starts', code: 'invalid' };
  if ((endMs ?? notAfterMs) <= ctx.nowMs) return { why: 'the window is in the past', code: 'invalid' };
  if (notAfterMs < startMs) return { why: 'its latest start lies before its start', code: 'invalid' };
  if (endMs === null || beforeOf(ctx, entry, setting.slug) !== null) return null;
  return { why: 'no fresh state shows what could be set back at the end', code: 'conflict' };
}

/**
 * What a newer command comes to replace: what is to be set back already, which it takes over; else the open command,
 * whose setting stands for good; else what the newest sample shows.
 */
function beforeOf(ctx: Context, entry: ApplianceEntry, slug: ApplianceSlug): ApplianceInput | null {
  const { appliance, restores, open } = entry;
  const owed = restores.get(slug);
  if (owed !== undefined) return owed.setting;
  const standing = ctx.state.applianceCommands.get(open.get(slug) ?? '')?.command;
  if (standing !== undefined) return standing.setting;
  const seen = ctx.telemetry.appliances.get(appliance.deviceId);
  const staleMs = ctx.settings.capabilities.open.telemetryPeriodMs * ctx.settings.staleAfterPeriods;
  if (seen === undefined || ctx.nowMs - seen.state.sampledAtMs > staleMs) return null;
  const shown = settingShown(slug, seen.state);
  return shown === null || settingObstacle(appliance.kind, shown) !== null ? null : shown;
}

type Accepted = Pick<ApplianceCommandRequest, 'deviceId' | 'setting' | 'startMs' | 'endMs' | 'notAfterMs'>;

/** Accepts a command, retires the open one of its slug and sends it: the cloud keeps it until its start. */
function accept(ctx: Context, request: Accepted, cause: ApplianceCause): string {
  const { deviceId, setting, startMs, endMs, notAfterMs } = request;
  const entry = ctx.state.appliances.get(deviceId);
  const commandId = `cmd-${ctx.state.counters.command + 1}`;
  if (entry === undefined) return commandId;
  const older = entry.open.get(setting.slug);
  const made: ApplianceCommand = {
    commandId,
    workspaceId: entry.appliance.workspaceId,
    deviceId,
    setting,
    startMs,
    endMs,
    notAfterMs: Math.min(notAfterMs, endMs ?? notAfterMs),
    cause,
    before: cause.kind === 'restore' ? null : beforeOf(ctx, entry, setting.slug),
  };
  ctx.emit({ type: 'appliance.command-accepted', command: made });
  if (older !== undefined) end(ctx, older, 'superseded', 'newer_command', `replaced by ${commandId}`);
  ctx.emit({ type: 'appliance.command-sent', commandId, jobId: nextJobId(ctx) });
  return commandId;
}

function end(ctx: Context, commandId: string, status: CommandOutcome['status'], reason: EndReason, detail: string) {
  ctx.emit({ type: 'appliance.command-ended', commandId, outcome: { status, reason, detail } });
}

/** Twice is the same as once; one that has ended stays as it is. */
export function cancelAppliance(ctx: Context, commandId: string, actor: string): void {
  const entry = ctx.state.applianceCommands.get(commandId);
  if (entry === undefined || entry.outcome !== null) return;
  end(ctx, commandId, 'cancelled', 'cancelled_by_actor', `cancelled by ${actor}`);
  if (ctx.nowMs >= entry.command.startMs) setBack(ctx, entry);
}

/** Sends what stood before a command that was cancelled, unless a newer one rules. */
function setBack(ctx: Context, { command }: ApplianceCommandEntry): void {
  const { before, deviceId, commandId } = command;
  const open = ctx.state.appliances.get(deviceId)?.open;
  if (before === null || open === undefined || open.has(before.slug)) return;
  restore(ctx, deviceId, before, commandId);
}

function restore(ctx: Context, deviceId: string, setting: ApplianceInput, restoreOf: string): void {
  const notAfterMs = ctx.nowMs + RESTORE_NOT_AFTER_MS;
  const cause = { kind: 'restore', commandId: restoreOf } as const;
  accept(ctx, { deviceId, setting, startMs: ctx.nowMs, endMs: null, notAfterMs }, cause);
}

/** The end of a command's window. */
export function restoreDue(
  ctx: Context,
  at: { readonly deviceId: string; readonly slug: ApplianceSlug; readonly restoreOf: string },
): void {
  const entry = ctx.state.appliances.get(at.deviceId);
  const owed = entry?.restores.get(at.slug);
  if (entry === undefined || owed?.commandId !== at.restoreOf || owed.atMs > ctx.nowMs) return;
  const open = ctx.state.applianceCommands.get(entry.open.get(at.slug) ?? '');
  if (open !== undefined) conclude(ctx, open);
  restore(ctx, at.deviceId, owed.setting, owed.commandId);
}

/** A sample of a device. */
export function onApplianceState(ctx: Context, deviceId: string, state: ApplianceState, online: boolean): void {
  const entry = ctx.state.appliances.get(deviceId);
  if (entry === undefined) return ctx.refuse('telemetry', `${deviceId}: no such device`, 'unknown');
  if (state.kind !== entry.appliance.kind) return ctx.refuse('telemetry', `${deviceId}: it is no ${state.kind}`);
  if (!(state.sampledAtMs <= ctx.nowMs + AHEAD_MS_MAX)) return ctx.refuse('telemetry', `${deviceId}: sampled ahead`);
  const known = ctx.telemetry.appliances.get(deviceId);
  if (known !== undefined && known.state.sampledAtMs > state.sampledAtMs) return;
  ctx.telemetry.appliances.set(deviceId, { state, online, receivedAtMs: ctx.nowMs });
  if (online !== entry.reachable) {
    const why = online ? 'its cloud reports it online' : 'its cloud reports it offline';
    ctx.emit({ type: 'appliance.reachable', deviceId, reachable: online, why });
  }
  for (const commandId of [...entry.open.values()]) {
    const open = ctx.state.applianceCommands.get(commandId);
    if (open === undefined || !isAfter(open, state) || effectOf(open.command.setting, state) !== 'seen') continue;
    end(ctx, commandId, 'succeeded', 'effect_seen', 'a sample taken since shows it');
  }
}

const isAfter = ({ command, acceptedAtMs }: ApplianceCommandEntry, state: ApplianceState): boolean =>
  state.sampledAtMs >= Math.max(command.startMs, acceptedAtMs);

/** The time has come by which samples must have told. */
export function checkAppliance(ctx: Context, commandId: string): void {
  const entry = ctx.state.applianceCommands.get(commandId);
  if (entry === undefined || entry.outcome !== null || ctx.nowMs < verdictMs(entry, ctx.settings)) return;
  conclude(ctx, entry);
}

/** Ends a command whose effect was not seen. */
function conclude(ctx: Context, entry: ApplianceCommandEntry): void {
  const { commandId, deviceId, setting } = entry.command;
  const newest = ctx.telemetry.appliances.get(deviceId)?.state;
  const fail = (reason: EndReason, detail: string): void => end(ctx, commandId, 'failed', reason, detail);
  if (newest !== undefined && isAfter(entry, newest)) {
    const effect = effectOf(setting, newest);
    if (effect === 'not-seen') return fail('no_effect', 'the newest sample does not show it');
    return fail('outcome_unknown', 'the samples cannot tell');
  }
  if (ctx.state.appliances.get(deviceId)?.reachable === false) return fail('device_offline', 'it sent no sample since');
  if (entry.acknowledgedAtMs === null) return fail('outcome_unknown', 'no answer came and no sample since');
  fail('no_telemetry', 'no sample since');
}

/** Asks the cloud what became of a command that no sample has shown yet: a device that says no says why. */
export function askAppliance(ctx: Context, commandId: string): void {
  const entry = ctx.state.applianceCommands.get(commandId);
  const source = ctx.state.appliances.get(entry?.command.deviceId ?? '')?.appliance.source;
  if (entry === undefined || entry.outcome !== null || entry.vendorRef === null || source === undefined) return;
  const { oem, vendorDeviceId } = source;
  const jobId = `${entry.jobId}${READ}`;
  const job = { kind: 'read-command', jobId, vendorDeviceId, vendorRef: entry.vendorRef } as const;
  ctx.ask({ kind: 'oem', oem, deviceId: entry.command.deviceId, job });
}

/** The open cloud's answers. @returns false for answers that are none of its */
export function onApplianceReply(ctx: Context, deviceId: string, reply: OemReply): boolean {
  if (reply.kind === 'appliance-state') {
    onApplianceState(ctx, deviceId, reply.state, reply.online);
    return true;
  }
  const { jobId } = reply;
  const suffix = [READ, CANCEL].find((s) => jobId.endsWith(s)) ?? '';
  const use = ctx.state.jobs.get(jobId.slice(0, jobId.length - suffix.length));
  if (use?.kind !== 'appliance') return false;
  const entry = ctx.state.applianceCommands.get(use.commandId);
  if (entry === undefined) return true;
  if (suffix === CANCEL) onCancelReply(ctx, entry, reply);
  else if (suffix === READ) onReadReply(ctx, entry, reply);
  else onSetReply(ctx, entry, reply);
  return true;
}

function onSetReply(ctx: Context, entry: ApplianceCommandEntry, reply: OemReply): void {
  const { commandId, startMs } = entry.command;
  if (reply.kind === 'accepted') {
    if (entry.vendorRef !== null) return;
    ctx.emit({ type: 'appliance.command-acknowledged', commandId, vendorRef: reply.vendorRef });
    if (entry.outcome?.status === 'cancelled' && ctx.nowMs >= startMs) setBack(ctx, entry);
    return;
  }
  if (entry.status !== 'sent') return;
  if (reply.kind === 'refused') {
    end(ctx, commandId, 'rejected', 'oem_refused', `${reply.code} ${reply.message}`);
  } else if (reply.kind === 'not-sent') {
    end(ctx, commandId, 'expired', 'not_after_passed', `never left: ${reply.message}`);
  }
}

function onReadReply(ctx: Context, entry: ApplianceCommandEntry, reply: OemReply): void {
  if (reply.kind !== 'command-status' || reply.status !== 'failed' || entry.outcome !== null) return;
  const detail = `the cloud could not deliver it: ${reply.detail}`;
  end(ctx, entry.command.commandId, 'failed', 'delivery_failed', detail);
}

/** A withdrawal that came too late, or may have: what stood before is set back. */
function onCancelReply(ctx: Context, entry: ApplianceCommandEntry, reply: OemReply): void {
  if (reply.kind !== 'accepted') setBack(ctx, entry);
}
