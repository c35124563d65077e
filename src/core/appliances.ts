import type { ApplianceState } from '../domain/appliance.ts';
import {
  type Appliance,
  type ApplianceCause,
  type ApplianceCommand,
  SETTING_NOT_AFTER_MS,
  settingObstacle,
  shownSetting,
} from '../domain/applianceCommand.ts';
import type { CommandCause, CommandOutcome, EndReason } from '../domain/command.ts';
import { knows } from '../domain/order.ts';
import { leaveToSet } from '../domain/safety.ts';
import { SETTINGS, type Setting, type SettingEvidence, type SettingSlug, settingEffect } from '../domain/setting.ts';
import type { EpochMs } from '../domain/units.ts';
import type { FieldReply } from '../ports/field.ts';
import type { OemReply } from '../ports/oem.ts';
import { endSilence } from './alerts.ts';
import { type AnyEntry, anyDevice, anyStaleAfterMs, deviceOf, isBattery } from './anyDevice.ts';
import { type ApplianceCommandEntry, bookOf, CANCEL, READ, verdictMs } from './applianceState.ts';
import { mayStart } from './charging.ts';
import { type BatchPlan, nextBatchId, type Obstacle } from './commands.ts';
import { type Context, nextJobId } from './context.ts';
import type { CoreInput, RefusalCode } from './input.ts';
import { startsUnderLimits } from './limits.ts';
import { watchLoading } from './loadAlerts.ts';
import { STOPPED } from './routing.ts';
import { connectObstacle } from './sources.ts';
import { type DeviceEntry, deviceTagKey } from './state.ts';

/**
 * Chargers, vehicles, thermostats, inverters, and the reserve of batteries: settings, and the samples that prove them. A newer command takes the place
 * of the open one of the same device and slug, here as at the cloud. "acknowledged" proves nothing: a sample taken after
 * the command shows what was asked for (succeeded), or two telemetry periods after the acknowledgement none has
 * (no_effect), or the samples cannot tell (outcome_unknown).
 *
 * Setting back. What stood before is kept with the command. At its end, or when it is cancelled after its start, it goes
 * out as a command of its own (cause "restore"). Cancelled before its start, the command is withdrawn at the cloud, and
 * set back only if that comes too late.
 *
 * The reserve of a battery (domain/setting.ts says how it goes with operating modes) takes effect at once: neither its
 * maker's cloud nor a site behind DNP3 keeps it for later. At a site it is a control: without a safety configuration and
 * an approval in force nothing leaves. A device that is stopped takes no setting, and what is to be set back there waits.
 */
export type ApplianceCoreInput =
  | { readonly kind: 'connect-appliance'; readonly appliance: Appliance }
  | { readonly kind: 'appliance-command'; readonly request: ApplianceCommandRequest }
  | { readonly kind: 'appliance-batch'; readonly batch: ApplianceBatchRequest };

export interface ApplianceOrder {
  readonly workspaceId: string;
  readonly setting: Setting;
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
  const obstacle = connectObstacle(ctx, appliance);
  if (obstacle !== null) return ctx.refuse('connect-appliance', obstacle.why, obstacle.code);
  ctx.emit({ type: 'appliance.connected', appliance });
}

function command(ctx: Context, request: ApplianceCommandRequest): void {
  const { deviceId, actor } = request;
  const obstacle = settingRefusal(ctx, request);
  if (obstacle !== null) return ctx.refuse('appliance-command', `${deviceId}: ${obstacle.why}`, obstacle.code);
  const overload = withoutRoom(ctx, request, [deviceId]).get(deviceId);
  if (overload !== undefined) return ctx.refuse('appliance-command', `${deviceId}: ${overload}`);
  acceptSetting(ctx, request, { kind: 'operator', actor });
}

function batch(ctx: Context, request: ApplianceBatchRequest): void {
  const { tag, actor } = request;
  const plan = planSettings(ctx, request);
  if (plan.kind === 'refused') return ctx.refuse('appliance-batch', plan.why, plan.code);
  issueSettings(ctx, request, plan, { kind: 'batch', actor, batchId: nextBatchId(ctx), tag });
}

/** As batches of batteries: devices that cannot take it are left out and named; if none is left it is refused. */
export function planSettings(
  ctx: Context,
  request: ApplianceBatchRequest,
  holdsBack: (device: AnyEntry) => string | null = () => null,
): BatchPlan {
  const { workspaceId, tag, setting } = request;
  const { devicesByTag, appliancesByTag } = ctx.state;
  const index = SETTINGS[setting.slug].deviceKind === 'battery' ? devicesByTag : appliancesByTag;
  const tagged = index.get(deviceTagKey(workspaceId, tag)) ?? [];
  const ids = [...(request.deviceIds ?? tagged)].sort();
  const refused = (why: string, code: RefusalCode): BatchPlan => ({ kind: 'refused', why, code });
  if (ids.length === 0) return refused(`no device of this kind carries the tag "${tag}"`, 'unknown');
  if (ids.length > BATCH_MAX) return refused(`${ids.length} devices: a batch takes at most ${BATCH_MAX}`, 'limit');
  const deviceIds: string[] = [];
  const skipped: { readonly deviceId: string; readonly why: string }[] = [];
  for (const deviceId of ids) {
    const entry = anyDevice(ctx.state, deviceId);
    const obstacle = settingRefusal(ctx, { ...request, deviceId })?.why;
    const why = obstacle ?? (entry === undefined ? null : holdsBack(entry));
    if (why === null) deviceIds.push(deviceId);
    else skipped.push({ deviceId, why });
  }
  const overloads = withoutRoom(ctx, request, deviceIds);
  for (const [deviceId, why] of overloads) skipped.push({ deviceId, why });
  const fit = deviceIds.filter((id) => !overloads.has(id));
  // Of those that are left out one of the right kind tells more.
  const first = skipped.find(({ deviceId }) => isKnownTo(ctx, deviceId, setting)) ?? skipped[0];
  if (first !== undefined && (fit.length === 0 || request.allOrNothing === true)) {
    const what = fit.length === 0 ? 'no device' : 'not every device';
    return refused(`${what} can take it; ${first.deviceId}: ${first.why}`, 'invalid');
  }
  return { kind: 'batch', deviceIds: fit, skipped };
}

function isKnownTo({ state }: Context, deviceId: string, setting: Setting): boolean {
  const entry = anyDevice(state, deviceId);
  return entry !== undefined && knows(deviceOf(entry).kind, setting);
}

/** Which of these devices would overload what is above them, and why; only what makes them charge can (promise S4). */
function withoutRoom(
  ctx: Context,
  { setting, startMs, endMs }: Pick<ApplianceOrder, 'setting' | 'startMs' | 'endMs'>,
  deviceIds: readonly string[],
): ReadonlyMap<string, string> {
  const starting = deviceIds.filter((id) => mayStart(ctx, id, setting));
  return startsUnderLimits(ctx, { deviceIds: starting, window: { startMs, endMs: endMs ?? Number.POSITIVE_INFINITY } });
}

/** Accepts the commands of a batch, one a device. */
export function issueSettings(
  ctx: Context,
  request: ApplianceBatchRequest,
  { deviceIds, skipped }: Extract<BatchPlan, { kind: 'batch' }>,
  cause: CommandCause,
): void {
  const { workspaceId, tag } = request;
  const batchId = nextBatchId(ctx);
  const commandIds = deviceIds.map((deviceId) => acceptSetting(ctx, { ...request, deviceId }, cause));
  ctx.emit({ type: 'batch.accepted', batchId, workspaceId, tag, commandIds, skipped });
}

/** Why a setting cannot be accepted at all; null if it can. */
export function settingRefusal(ctx: Context, request: ApplianceCommandRequest): Obstacle | null {
  const entry = anyDevice(ctx.state, request.deviceId);
  if (entry === undefined || deviceOf(entry).workspaceId !== request.workspaceId) {
    return { why: 'no such device', code: 'unknown' };
  }
  const { setting, startMs, endMs, notAfterMs } = request;
  const why = settingObstacle(isBattery(entry) ? 'battery' : entry.appliance.kind, setting);
  if (why !== null) return { why, code: 'invalid' };
  if (endMs !== null && endMs <= startMs) return { why: 'the window ends before it starts', code: 'invalid' };
  if ((endMs ?? notAfterMs) <= ctx.nowMs) return { why: 'the window is in the past', code: 'invalid' };
  if (notAfterMs < startMs) return { why: 'its latest start lies before its start', code: 'invalid' };
  const held = isBattery(entry) ? batteryRefusal(ctx, entry, startMs) : null;
  if (held !== null || endMs === null || beforeOf(ctx, entry, setting.slug) !== null) return held;
  return { why: 'no fresh state shows what could be set back at the end', code: 'conflict' };
}

function batteryRefusal(ctx: Context, { device }: DeviceEntry, startMs: EpochMs): Obstacle | null {
  if (ctx.state.stops.has(device.deviceId)) return { why: STOPPED, code: 'conflict' };
  if (startMs > ctx.nowMs) return { why: 'a reserve takes effect at once: it cannot start later', code: 'unsupported' };
  const { source, siteId } = device;
  if (source.kind !== 'dnp3') return null;
  const leave = leaveToSet({
    safety: ctx.state.safety.get(siteId) ?? null,
    approvals: ctx.state.approvals.get(siteId) ?? [],
    mapRevision: source.mapRevision,
    atMs: ctx.nowMs,
  });
  return leave.kind === 'granted' ? null : { why: leave.why, code: 'conflict' };
}

/** What the newest sample says of a device's settings. */
function evidenceOf(ctx: Context, deviceId: string): SettingEvidence | undefined {
  const battery = ctx.telemetry.latest.get(deviceId)?.state;
  if (battery === undefined) return ctx.telemetry.appliances.get(deviceId)?.state;
  return { kind: 'battery', backupReserve: battery.backupReserve, sampledAtMs: battery.sampledAtMs };
}

/**
 * What a newer command comes to replace: what is to be set back already, which it takes over; else the open command,
 * whose setting stands for good; else what the newest sample shows.
 */
function beforeOf(ctx: Context, entry: AnyEntry, slug: SettingSlug): Setting | null {
  const { restores, open } = entry;
  const owed = restores.get(slug);
  if (owed !== undefined) return owed.setting;
  const standing = ctx.state.applianceCommands.get(open.get(slug) ?? '')?.command;
  if (standing !== undefined) return standing.setting;
  const seen = evidenceOf(ctx, deviceOf(entry).deviceId);
  if (seen === undefined || ctx.nowMs - seen.sampledAtMs > anyStaleAfterMs(ctx, entry)) return null;
  const shown = shownSetting(slug, seen);
  return shown === null || settingObstacle(seen.kind, shown) !== null ? null : shown;
}

type Accepted = Pick<ApplianceCommandRequest, 'deviceId' | 'setting' | 'startMs' | 'endMs' | 'notAfterMs'>;

/**
 * Accepts a command, retires the open one of its slug and sends it: the cloud keeps it until its start. A start of charging
 * that has no room under a transformer or feeder ends instead, unless its batch was fitted already; one that sets back
 * what stood before is tried again later.
 */
export function acceptSetting(ctx: Context, request: Accepted, cause: ApplianceCause): string {
  const { deviceId, setting, startMs, endMs, notAfterMs } = request;
  const entry = anyDevice(ctx.state, deviceId);
  const commandId = `cmd-${ctx.state.counters.command + 1}`;
  if (entry === undefined) return commandId;
  const older = entry.open.get(setting.slug);
  const overload = isFitted(cause) ? undefined : withoutRoom(ctx, request, [deviceId]).get(deviceId);
  const made: ApplianceCommand = {
    commandId,
    workspaceId: deviceOf(entry).workspaceId,
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
  if (overload !== undefined) {
    const status = cause.kind === 'restore' ? 'failed' : 'rejected';
    end(ctx, commandId, status, 'transformer_limit', overload);
    return commandId;
  }
  if (ctx.state.stops.has(deviceId)) end(ctx, commandId, 'failed', 'site_not_controllable', STOPPED);
  else ctx.emit({ type: 'appliance.command-sent', commandId, jobId: nextJobId(ctx) });
  return commandId;
}

/** What a batch orders was looked at together with the others of the batch. */
const isFitted = (cause: ApplianceCause): boolean => 'batchId' in cause && cause.batchId !== null;

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
  const open = bookOf(ctx.state, deviceId)?.open;
  if (before === null || open === undefined || open.has(before.slug)) return;
  restore(ctx, deviceId, before, commandId);
}

function restore(ctx: Context, deviceId: string, setting: Setting, restoreOf: string): void {
  const notAfterMs = ctx.nowMs + SETTING_NOT_AFTER_MS;
  const cause = { kind: 'restore', commandId: restoreOf } as const;
  acceptSetting(ctx, { deviceId, setting, startMs: ctx.nowMs, endMs: null, notAfterMs }, cause);
}

/** The end of a command's window. */
export function restoreDue(
  ctx: Context,
  at: { readonly deviceId: string; readonly slug: SettingSlug; readonly restoreOf: string },
): void {
  const entry = bookOf(ctx.state, at.deviceId);
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
  ctx.telemetry.observeAppliance(deviceId, { state, online, receivedAtMs: ctx.nowMs });
  if (online !== entry.reachable) {
    const why = online ? 'its cloud reports it online' : 'its cloud reports it offline';
    ctx.emit({ type: 'appliance.reachable', deviceId, reachable: online, why });
  }
  endSilence(ctx, deviceId, state.sampledAtMs);
  watchLoading(ctx, entry.appliance.siteId);
  settle(ctx, deviceId);
}

/** A sample came in: the settings that it shows have succeeded. */
export function settle(ctx: Context, deviceId: string): void {
  const open = bookOf(ctx.state, deviceId)?.open;
  const state = open === undefined || open.size === 0 ? undefined : evidenceOf(ctx, deviceId);
  if (open === undefined || state === undefined) return;
  for (const commandId of [...open.values()]) {
    const entry = ctx.state.applianceCommands.get(commandId);
    if (entry === undefined || !isAfter(entry, state) || settingEffect(entry.command.setting, state) !== 'seen')
      continue;
    end(ctx, commandId, 'succeeded', 'effect_seen', 'a sample taken since shows it');
  }
}

const isAfter = ({ command, acceptedAtMs }: ApplianceCommandEntry, state: SettingEvidence): boolean =>
  state.sampledAtMs >= Math.max(command.startMs, acceptedAtMs);

/** The time has come by which samples must have told. */
export function checkAppliance(ctx: Context, commandId: string): void {
  const entry = ctx.state.applianceCommands.get(commandId);
  if (entry === undefined || entry.outcome !== null || ctx.nowMs < verdictMs(ctx.state, entry, ctx.settings)) return;
  conclude(ctx, entry);
}

/** Ends a command whose effect was not seen. */
function conclude(ctx: Context, entry: ApplianceCommandEntry): void {
  const { commandId, deviceId, setting } = entry.command;
  const newest = evidenceOf(ctx, deviceId);
  const fail = (reason: EndReason, detail: string): void => end(ctx, commandId, 'failed', reason, detail);
  if (newest !== undefined && isAfter(entry, newest)) {
    const effect = settingEffect(setting, newest);
    if (effect === 'not-seen') return fail('no_effect', 'the newest sample does not show it');
    return fail('outcome_unknown', 'the samples cannot tell');
  }
  if (anyDevice(ctx.state, deviceId)?.reachable === false) return fail('device_offline', 'it sent no sample since');
  if (entry.acknowledgedAtMs === null) return fail('outcome_unknown', 'no answer came and no sample since');
  fail('no_telemetry', 'no sample since');
}

/**
 * Asks the cloud what became of a command that no sample has shown yet: a device that says no says why. Clouds of batteries
 * know a reserve by its value only.
 */
export function askAppliance(ctx: Context, commandId: string): void {
  const entry = ctx.state.applianceCommands.get(commandId);
  const source = ctx.state.appliances.get(entry?.command.deviceId ?? '')?.appliance.source;
  if (entry === undefined || entry.outcome !== null || entry.vendorRef === null || source === undefined) return;
  const { oem, vendorDeviceId } = source;
  const jobId = `${entry.jobId}${READ}`;
  const job = { kind: 'read-command', jobId, vendorDeviceId, vendorRef: entry.vendorRef } as const;
  ctx.ask({ kind: 'oem', oem, deviceId: entry.command.deviceId, job });
}

/** Answers to settings, and what the open cloud says besides. @returns false for all others */
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

/** A site's answer to a setting. */
export function onFieldSetting(ctx: Context, commandId: string, reply: FieldReply): void {
  const entry = ctx.state.applianceCommands.get(commandId);
  if (entry === undefined) return;
  if (reply.kind === 'operated') {
    if (entry.vendorRef === null) {
      ctx.emit({ type: 'appliance.command-acknowledged', commandId, vendorRef: reply.jobId });
    }
  } else if (reply.kind === 'refused' && entry.status === 'sent') {
    end(ctx, commandId, 'rejected', 'site_not_controllable', reply.why);
  }
}
