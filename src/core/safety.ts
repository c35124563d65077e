import { isTerminal } from '../domain/command.ts';
import {
  type Approval,
  type ApprovalRequest,
  type ApprovalStatus,
  approvalProblem,
  bindingOf,
  isSameSafety,
  type SafetyFact,
  type SiteSafety,
  safetyProblem,
} from '../domain/safety.ts';
import { type EpochMs, MS_PER_MIN } from '../domain/units.ts';
import { conclude, end, openEntry } from './commands.ts';
import type { Context } from './context.ts';
import { fieldLeave, signedPowerW } from './routing.ts';
import { type CoreState, type DeviceEntry, deviceTagKey } from './state.ts';
import { undo } from './undo.ts';

/**
 * What makes a site controllable, and what stops it at once.
 *
 * Safety configuration: set by one person for a site; a change voids every approval of it, and the command that holds
 * there ends. Approval: asked for by one person, given by another; names are compared as they are given. Whatever is no
 * longer covered ends at once and the site is released: leave comes before the ramp.
 *
 * Emergency stop: anybody who may, no approval; latched per device. While it is latched nothing but the stop leaves for
 * the device, and no approval is given for its site. It opens when one person asks for it and another confirms within
 * RELEASE_CONFIRM_MS; after that a site behind DNP3 needs a new approval as well.
 * What it can promise: a site behind DNP3 on a live link is told within a second, and told again until it answers. Behind a
 * manufacturer's cloud it is a reset, and a cancel of what the cloud has a name for, ahead of all that waits for that
 * cloud and within its quota, a part of which is kept for stops (src/oem/limiter.ts): the cloud delivers it when it does, a device that is offline hears nothing, and what the home's own strategy
 * does with the battery afterwards is its owner's.
 */
export const RELEASE_CONFIRM_MS = 15 * MS_PER_MIN;
/** Requests and approvals of one site that are not over. */
export const APPROVALS_PER_SITE_MAX = 20;
/** So many that are over are kept at hand; the journal has the rest. */
export const ENDED_APPROVALS_MAX = 1_000;

export interface ApprovalEntry {
  readonly request: ApprovalRequest;
  /** What it stood for when it was asked for. */
  readonly binding: string;
  readonly requestedAtMs: EpochMs;
  status: ApprovalStatus;
  /** Who approved or refused it; null = nobody. */
  decidedBy: string | null;
  /** Who revoked it; null = nobody: time, a change of the site or a stop ends it, too. */
  revokedBy: string | null;
  why: string;
}

export interface StopLatch {
  readonly sinceMs: EpochMs;
  readonly why: string;
  /** Somebody asked for its release; another has to confirm. */
  release: { readonly by: string; readonly untilMs: EpochMs } | null;
}

export type SafetyInput =
  | { readonly kind: 'configure-safety'; readonly siteId: string; readonly safety: SiteSafety; readonly actor: string }
  | { readonly kind: 'request-approval'; readonly request: Omit<ApprovalRequest, 'approvalId'> }
  /** A request that waits is given. */
  | { readonly kind: 'approve-control'; readonly approvalId: string; readonly approvedBy: string }
  /** Request and approval in one document, as a scenario or a plant's set-up has it. */
  | { readonly kind: 'approve-control'; readonly approval: Approval }
  | {
      readonly kind: 'refuse-approval' | 'revoke-approval';
      readonly approvalId: string;
      readonly by: string;
      readonly why: string;
    }
  | { readonly kind: 'emergency-stop'; readonly deviceId: string; readonly actor: string }
  /** Every device of the workspace, or every one with the tag. */
  | {
      readonly kind: 'emergency-stop-all';
      readonly workspaceId: string;
      readonly tag: string | null;
      readonly actor: string;
    }
  | { readonly kind: 'request-release'; readonly deviceId: string; readonly by: string }
  | { readonly kind: 'confirm-release'; readonly deviceId: string; readonly by: string };

export function onSafety(ctx: Context, input: SafetyInput): void {
  switch (input.kind) {
    case 'configure-safety':
      return configureSafety(ctx, input);
    case 'request-approval':
      return requestApproval(ctx, input.request);
    case 'approve-control':
      return 'approval' in input
        ? approveAtOnce(ctx, input.approval)
        : approve(ctx, input.approvalId, input.approvedBy);
    case 'refuse-approval':
    case 'revoke-approval':
      return endByPerson(ctx, input);
    case 'emergency-stop':
      return emergencyStop(ctx, input.deviceId, input.actor);
    case 'emergency-stop-all':
      return stopAll(ctx, input);
    case 'request-release':
      return requestRelease(ctx, input.deviceId, input.by);
    case 'confirm-release':
      return confirmRelease(ctx, input.deviceId, input.by);
  }
}

/** The configuration that stands already changes nothing and voids nothing. */
function configureSafety(ctx: Context, input: Extract<SafetyInput, { kind: 'configure-safety' }>): void {
  const { siteId, safety, actor } = input;
  if (!ctx.state.sites.has(siteId)) return ctx.refuse(input.kind, `${siteId}: no such site`, 'unknown');
  const problem = safetyProblem(safety);
  if (problem !== null) return ctx.refuse(input.kind, problem, 'invalid');
  const known = ctx.state.safety.get(siteId);
  if (known !== undefined && isSameSafety(known, safety)) return;
  const voided = aliveIds(ctx.state, siteId);
  const fact = { type: 'site.safety-configured', siteId, safety, actor } as const;
  ctx.emit(voided.length === 0 ? fact : { ...fact, voided });
  endUncovered(ctx, siteId);
}

function requestApproval(ctx: Context, asked: Omit<ApprovalRequest, 'approvalId'>): void {
  const what = 'request-approval';
  const { siteId } = asked;
  if (!ctx.state.sites.has(siteId)) return ctx.refuse(what, `${siteId}: no such site`, 'unknown');
  const safety = ctx.state.safety.get(siteId);
  if (safety === undefined) return ctx.refuse(what, `${siteId} has no safety configuration to approve control under`);
  const request = { ...asked, approvalId: `apr-${ctx.state.counters.approval + 1}` };
  const problem = approvalProblem(request, safety, ctx.nowMs);
  if (problem !== null) return ctx.refuse(what, problem, 'invalid');
  const stale = mapObstacle(ctx.state, request);
  if (stale !== null) return ctx.refuse(what, stale);
  if (aliveIds(ctx.state, siteId).length >= APPROVALS_PER_SITE_MAX) {
    return ctx.refuse(what, `a site has at most ${APPROVALS_PER_SITE_MAX} requests and approvals`, 'limit');
  }
  ctx.emit({ type: 'approval.requested', request });
}

/** The points map of the site must be the one that is asked for; a site with no DNP3 device has none. */
function mapObstacle(state: CoreState, { siteId, mapRevision }: ApprovalRequest): string | null {
  const revisions = devicesAt(state, siteId).flatMap(({ device }) =>
    device.source.kind === 'dnp3' ? [device.source.mapRevision] : [],
  );
  if (revisions.length === 0) return `${siteId} has no device behind DNP3: there is nothing to approve`;
  const [first] = revisions;
  return revisions.includes(mapRevision) ? null : `mapRevision: found ${mapRevision}, the site has ${first}`;
}

function approve(ctx: Context, approvalId: string, approvedBy: string): void {
  const what = 'approve-control';
  const entry = ctx.state.approvalRequests.get(approvalId);
  if (entry === undefined) return ctx.refuse(what, `${approvalId}: no such request`, 'unknown');
  const { request, binding, status } = entry;
  if (status !== 'pending') return ctx.refuse(what, `${approvalId} is ${status}`);
  if (approvedBy === request.requestedBy) return ctx.refuse(what, NOT_THE_SAME, 'forbidden');
  const safety = ctx.state.safety.get(request.siteId);
  const isSame = safety !== undefined && bindingOf(request, safety) === binding;
  if (!isSame) return ctx.refuse(what, `${request.siteId} has changed since the request`);
  const obstacle = mapObstacle(ctx.state, request) ?? latchObstacle(ctx.state, request.siteId);
  if (obstacle !== null) return ctx.refuse(what, obstacle);
  ctx.emit({ type: 'site.control-approved', approval: { ...request, approvedBy, binding } });
}

const NOT_THE_SAME = 'the approval must come from somebody other than who asked';

function approveAtOnce(ctx: Context, approval: Approval): void {
  if (approval.approvedBy === approval.requestedBy) return ctx.refuse('approve-control', NOT_THE_SAME);
  const latched = latchObstacle(ctx.state, approval.siteId);
  if (latched !== null) return ctx.refuse('approve-control', latched);
  ctx.emit({ type: 'site.control-approved', approval });
}

function latchObstacle(state: CoreState, siteId: string): string | null {
  const stopped = devicesAt(state, siteId).find(({ device }) => state.stops.has(device.deviceId));
  return stopped === undefined
    ? null
    : `${stopped.device.deviceId} is stopped: two persons have to release it before control is approved anew`;
}

function endByPerson(ctx: Context, input: Extract<SafetyInput, { kind: 'refuse-approval' | 'revoke-approval' }>): void {
  const { kind, approvalId, by, why } = input;
  const entry = ctx.state.approvalRequests.get(approvalId);
  if (entry === undefined) return ctx.refuse(kind, `${approvalId}: no such request`, 'unknown');
  const from = kind === 'refuse-approval' ? 'pending' : 'approved';
  if (entry.status !== from) return ctx.refuse(kind, `${approvalId} is ${entry.status}`);
  const { siteId } = entry.request;
  const status = kind === 'refuse-approval' ? 'refused' : 'revoked';
  ctx.emit({ type: 'approval.ended', approvalId, siteId, status, by, why });
  if (status === 'revoked') endUncovered(ctx, siteId);
}

/** The window of a request or an approval is over. */
export function expireApproval(ctx: Context, approvalId: string): void {
  const entry = ctx.state.approvalRequests.get(approvalId);
  if (entry === undefined || (entry.status !== 'pending' && entry.status !== 'approved')) return;
  const why = entry.status === 'pending' ? 'nobody decided in time' : 'its window is over';
  const { siteId } = entry.request;
  ctx.emit({ type: 'approval.ended', approvalId, siteId, status: 'expired', by: null, why });
  endUncovered(ctx, siteId);
}

/** Commands that hold or wait at a site and are not covered any more end, and the site is released. */
function endUncovered(ctx: Context, siteId: string): void {
  for (const device of devicesAt(ctx.state, siteId)) {
    const open = openEntry(ctx, device);
    if (open === null || device.device.source.kind !== 'dnp3' || open.command.input.operatingMode === 'reset') continue;
    const { startMs, endMs, input, commandId } = open.command;
    if (endMs <= ctx.nowMs) continue;
    const window = { startMs: Math.max(startMs, ctx.nowMs), endMs };
    const leave = fieldLeave(ctx, device, { powerW: signedPowerW(device, input), ...window });
    if (leave.kind === 'granted') continue;
    conclude(ctx, commandId, { status: 'cancelled', reason: 'site_not_controllable', detail: leave.why });
  }
}

/** What the site wants after its link was lost: only then is it more than the setpoint that goes on by itself. */
export function onLinkLost(ctx: Context, device: DeviceEntry): void {
  const { siteId } = device.device;
  const policy = ctx.state.safety.get(siteId)?.afterReconnect ?? 'resume';
  if (policy === 'resume') return;
  if (policy === 'new-approval') {
    for (const approvalId of approvedIds(ctx.state, siteId)) {
      const why = 'the link to the site was lost, and it wants a new approval after that';
      ctx.emit({ type: 'approval.ended', approvalId, siteId, status: 'void', by: null, why });
    }
  }
  const open = openEntry(ctx, device);
  if (open === null || open.route !== 'dnp3' || isTerminal(open.status) || open.command.endMs <= ctx.nowMs) return;
  const detail = `the link to the site was lost, and it wants a ${policy === 'new-command' ? 'new command' : 'new approval'}`;
  conclude(ctx, open.command.commandId, { status: 'failed', reason: 'site_not_controllable', detail });
}

/** The open command is over at once; nothing but the stop itself leaves. Said again when it is asked for again. */
function emergencyStop(ctx: Context, deviceId: string, actor: string): void {
  const device = ctx.state.devices.get(deviceId);
  if (device === undefined) return ctx.refuse('emergency-stop', `${deviceId}: no such device`, 'unknown');
  stop(ctx, device, actor);
}

function stop(ctx: Context, device: DeviceEntry, actor: string): void {
  const { deviceId } = device.device;
  const open = openEntry(ctx, device);
  if (open !== null) {
    end(ctx, open.command.commandId, 'cancelled', 'cancelled_by_actor', `emergency stop by ${actor}`);
  }
  const vendorRef = device.device.source.kind === 'oem' ? (open?.vendorRef ?? null) : null;
  undo(ctx, deviceId, { what: 'emergency-stop', vendorRef, why: `by ${actor}` });
}

/** However many there are: a stop has no limit. Sites behind DNP3 come first. */
function stopAll(ctx: Context, input: Extract<SafetyInput, { kind: 'emergency-stop-all' }>): void {
  const { workspaceId, tag, actor, kind } = input;
  const tagged = tag === null ? null : ctx.state.devicesByTag.get(deviceTagKey(workspaceId, tag));
  const all =
    tag === null
      ? [...ctx.state.devices.values()]
      : [...(tagged ?? [])].flatMap((id) => ctx.state.devices.get(id) ?? []);
  const own = all.filter(({ device }) => device.workspaceId === workspaceId);
  if (own.length === 0) {
    const whose = tag === null ? `${workspaceId} has no device` : `no device carries the tag "${tag}"`;
    return ctx.refuse(kind, whose, 'unknown');
  }
  const rank = ({ device }: DeviceEntry) => (device.source.kind === 'dnp3' ? 0 : 1);
  const order = own.sort((a, b) => rank(a) - rank(b) || (a.device.deviceId < b.device.deviceId ? -1 : 1));
  for (const device of order) stop(ctx, device, actor);
}

function requestRelease(ctx: Context, deviceId: string, by: string): void {
  const what = 'request-release';
  if (!ctx.state.devices.has(deviceId)) return ctx.refuse(what, `${deviceId}: no such device`, 'unknown');
  const latch = ctx.state.stops.get(deviceId);
  if (latch === undefined) return ctx.refuse(what, `${deviceId} is not stopped`);
  const { release } = latch;
  if (release !== null && ctx.nowMs < release.untilMs && release.by !== by) {
    return ctx.refuse(what, `${release.by} asked for it already: confirm it`);
  }
  ctx.emit({ type: 'stop.release-requested', deviceId, by, untilMs: ctx.nowMs + RELEASE_CONFIRM_MS });
}

function confirmRelease(ctx: Context, deviceId: string, by: string): void {
  const what = 'confirm-release';
  if (!ctx.state.devices.has(deviceId)) return ctx.refuse(what, `${deviceId}: no such device`, 'unknown');
  const release = ctx.state.stops.get(deviceId)?.release ?? null;
  if (release === null) return ctx.refuse(what, `nobody asked for the release of ${deviceId}`);
  if (ctx.nowMs >= release.untilMs) return ctx.refuse(what, 'the request for the release is too old: ask again');
  if (release.by === by)
    return ctx.refuse(what, 'the release must be confirmed by somebody other than who asked', 'forbidden');
  ctx.emit({ type: 'stop.released', deviceId, requestedBy: release.by, by });
}

export const isStopped = (state: CoreState, deviceId: string): boolean => state.stops.has(deviceId);

export const devicesAt = (state: CoreState, siteId: string): DeviceEntry[] =>
  [...(state.devicesBySite.get(siteId) ?? [])].flatMap((id) => state.devices.get(id) ?? []);

const approvedIds = (state: CoreState, siteId: string): string[] =>
  (state.approvals.get(siteId) ?? []).map((a) => a.approvalId);

/** Of a site: requests that wait, and approvals in force. */
function aliveIds(state: CoreState, siteId: string): string[] {
  const pending = [...state.approvalRequests.values()].filter(
    (e) => e.request.siteId === siteId && e.status === 'pending',
  );
  return [...approvedIds(state, siteId), ...pending.map((e) => e.request.approvalId)];
}

// --- the fold ---

export function applySafety(state: CoreState, fact: SafetyFact, atMs: EpochMs): void {
  switch (fact.type) {
    case 'approval.requested': {
      const { request } = fact;
      const safety = state.safety.get(request.siteId);
      state.counters.approval += 1;
      state.approvalRequests.set(request.approvalId, {
        request,
        binding: safety === undefined ? '' : bindingOf(request, safety),
        requestedAtMs: atMs,
        status: 'pending',
        decidedBy: null,
        revokedBy: null,
        why: '',
      });
      state.agenda.add(request.untilMs, { kind: 'approval-end', approvalId: request.approvalId });
      return;
    }
    case 'approval.ended': {
      const { approvalId, siteId, status, by, why } = fact;
      const left = (state.approvals.get(siteId) ?? []).filter((a) => a.approvalId !== approvalId);
      state.approvals.set(siteId, left);
      return close(state, approvalId, { status, by, why });
    }
    case 'stop.release-requested': {
      const latch = state.stops.get(fact.deviceId);
      if (latch !== undefined) latch.release = { by: fact.by, untilMs: fact.untilMs };
      return;
    }
    case 'stop.released': {
      state.stops.delete(fact.deviceId);
      const device = state.devices.get(fact.deviceId);
      // A stop that never reached the device must not come after its release.
      if (device?.undo?.what === 'emergency-stop') device.undo = null;
    }
  }
}

/** The configuration of a site is new: approvals and requests that were made under the one before are void. */
export function applyConfigured(state: CoreState, siteId: string, safety: SiteSafety, actor: string): void {
  state.safety.set(siteId, safety);
  voidAll(state, siteId, `the safety configuration was changed by ${actor}`);
}

/** An approval that names no binding is bound to the configuration that stands. */
export function applyApproved(state: CoreState, approval: Approval): void {
  const { siteId, approvalId, approvedBy } = approval;
  const safety = state.safety.get(siteId);
  const bound = approval.binding === undefined && safety !== undefined ? bindingOf(approval, safety) : approval.binding;
  const kept = bound === undefined ? approval : { ...approval, binding: bound };
  state.approvals.set(siteId, [...(state.approvals.get(siteId) ?? []), kept]);
  const entry = state.approvalRequests.get(approvalId);
  if (entry === undefined) return;
  entry.status = 'approved';
  entry.decidedBy = approvedBy;
}

/** Latches the stop of a device, and voids every approval of its site. A stop that is said again is the same stop. */
export function applyStop(state: CoreState, deviceId: string, why: string, atMs: EpochMs): void {
  const siteId = state.devices.get(deviceId)?.device.siteId;
  if (!state.stops.has(deviceId)) state.stops.set(deviceId, { sinceMs: atMs, why, release: null });
  if (siteId !== undefined) voidAll(state, siteId, `emergency stop ${why}`);
}

function voidAll(state: CoreState, siteId: string, why: string): void {
  for (const approvalId of aliveIds(state, siteId)) close(state, approvalId, { status: 'void', by: null, why });
  if (state.approvals.has(siteId)) state.approvals.set(siteId, []);
}

function close(
  state: CoreState,
  approvalId: string,
  by: { readonly status: ApprovalStatus; readonly by: string | null; readonly why: string },
): void {
  const entry = state.approvalRequests.get(approvalId);
  if (entry === undefined) return;
  entry.status = by.status;
  if (by.status === 'refused') entry.decidedBy = by.by;
  if (by.status === 'revoked') entry.revokedBy = by.by;
  entry.why = by.why;
  state.endedApprovals.add(approvalId);
  const [oldest] = state.endedApprovals;
  if (state.endedApprovals.size <= ENDED_APPROVALS_MAX || oldest === undefined) return;
  state.endedApprovals.delete(oldest);
  state.approvalRequests.delete(oldest);
}
