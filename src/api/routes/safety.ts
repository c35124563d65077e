import { z } from 'zod';
import type { ApprovalEntry, StopLatch } from '../../core/safety.ts';
import { AFTER_RECONNECT, CONTROL_MODES, type SiteSafety } from '../../domain/safety.ts';
import { isoUtc } from '../../domain/time.ts';
import { ownDevice, ownSite } from '../owned.ts';
import { pageOf } from '../page.ts';
import { notFound, ProblemError } from '../problems.ts';
import { type Asked, ok, type Route, route } from '../route.ts';
import * as s from '../schemas.ts';

/**
 * What makes a utility-scale site controllable, and what stops anything at once. One person configures and asks, another
 * one approves; any change voids what was approved. A stop needs nobody's leave; its release needs two.
 */
const tag = 'Safety';
const modes = z.array(s.choice(CONTROL_MODES)).min(1, { error: 'at least one mode' }).max(CONTROL_MODES.length);

const safetyBody = z.strictObject({
  watchdog: z.strictObject({ timeoutMs: s.whole('timeoutMs', { min: 1, max: 3_600_000 }) }),
  chargeWMax: s.watts('chargeWMax'),
  dischargeWMax: s.watts('dischargeWMax'),
  rampWPerS: z.exactOptional(s.whole('rampWPerS [W/s]', { min: 1, max: 1e12 })),
  allowedModes: z.exactOptional(modes),
  directOperate: z.exactOptional(s.flag('directOperate')),
  afterReconnect: z.exactOptional(s.choice(AFTER_RECONNECT)),
});

const some = z.record(z.string(), z.unknown());
const safetySchema = z.strictObject({ siteId: z.string(), safety: z.nullable(some) });
const safetyView = (siteId: string, safety: SiteSafety | undefined) => ({ siteId, safety: safety ?? null });
const siteParams = z.strictObject({ siteId: s.pathId() });

const approvalSchema = z.strictObject({
  id: z.string(),
  siteId: z.string(),
  status: z.string(),
  requestedBy: z.string(),
  requestedAt: s.wireInstant(),
  decidedBy: z.nullable(z.string()),
  revokedBy: z.nullable(z.string()),
  why: z.string(),
  from: s.wireInstant(),
  until: s.wireInstant(),
  chargeWMax: z.number(),
  dischargeWMax: z.number(),
  modes: z.nullable(z.array(z.string())),
  mapRevision: z.string(),
});
function approvalView({ request: r, status, decidedBy, revokedBy, why, requestedAtMs }: ApprovalEntry) {
  return {
    id: r.approvalId,
    siteId: r.siteId,
    status,
    requestedBy: r.requestedBy,
    requestedAt: isoUtc(requestedAtMs),
    decidedBy,
    revokedBy,
    why,
    from: isoUtc(r.fromMs),
    until: isoUtc(r.untilMs),
    chargeWMax: r.chargeWMax,
    dischargeWMax: r.dischargeWMax,
    modes: r.modes ?? null,
    mapRevision: r.mapRevision,
  };
}

const isOwn = (asked: Pick<Asked, 'state' | 'workspaceId'>, { request }: ApprovalEntry): boolean =>
  asked.state.sites.get(request.siteId)?.workspaceId === asked.workspaceId;

function ownApproval(asked: Asked, approvalId: string): ApprovalEntry {
  const entry = asked.state.approvalRequests.get(approvalId);
  if (entry === undefined || !isOwn(asked, entry)) throw notFound('approval', approvalId);
  return entry;
}
const approvalParams = z.strictObject({ approvalId: s.pathId() });
const decided = { 200: { means: 'As it is now', body: approvalSchema } } as const;

const sites: readonly Route[] = [
  route({
    method: 'GET',
    path: '/v1/sites/{siteId}/safety',
    tag,
    summary: 'The safety configuration of a site; null = none, and no control',
    scope: 'read',
    params: siteParams,
    answers: { 200: { means: 'The configuration', body: safetySchema } },
    problems: ['not_found'],
    handle: (asked) => {
      const { siteId } = ownSite(asked, asked.params.siteId);
      return ok(safetyView(siteId, asked.state.safety.get(siteId)));
    },
  }),
  route({
    method: 'PUT',
    path: '/v1/sites/{siteId}/safety',
    tag,
    summary: 'Configures the safety of a site; every approval of it is void',
    scope: 'write:safety',
    params: siteParams,
    body: safetyBody,
    answers: { 200: { means: 'The configuration', body: safetySchema } },
    problems: ['not_found', 'unprocessable'],
    handle: (asked) => {
      const { siteId } = ownSite(asked, asked.params.siteId);
      const input = { kind: 'configure-safety', siteId, safety: asked.body, actor: asked.principal.actor } as const;
      return asked.change(input, () => ok(safetyView(siteId, asked.state.safety.get(siteId))));
    },
  }),
];

const approvals: readonly Route[] = [
  route({
    method: 'POST',
    path: '/v1/sites/{siteId}/approvals',
    tag,
    summary: 'Asks for leave to control a site',
    description:
      'It is bound to site, modes, powers, window, points map and safety configuration; any change voids it.',
    scope: 'write:safety',
    params: siteParams,
    body: z.strictObject({
      from: s.instant(),
      until: s.instant(),
      chargeWMax: s.watts('chargeWMax'),
      dischargeWMax: s.watts('dischargeWMax'),
      modes: z.exactOptional(modes),
      mapRevision: s.text('mapRevision', 100),
    }),
    answers: { 202: { means: 'Asked for; another person decides', body: approvalSchema } },
    problems: ['not_found', 'conflict', 'unprocessable', 'limit_reached', 'local_time'],
    handle: (asked) => {
      const { siteId } = ownSite(asked, asked.params.siteId);
      const { from, until, ...rest } = asked.body;
      const request = { siteId, requestedBy: asked.principal.actor, fromMs: from, untilMs: until, ...rest };
      return asked.change({ kind: 'request-approval', request }, ({ facts }) => {
        const fact = facts.find((f) => f.type === 'approval.requested');
        if (fact?.type !== 'approval.requested') throw new ProblemError('internal', 'a request left no fact');
        return { status: 202, body: approvalView(ownApproval(asked, fact.request.approvalId)) };
      });
    },
  }),
  route({
    method: 'GET',
    path: '/v1/approvals',
    tag,
    summary: 'Requests for leave to control, and what became of them',
    scope: 'read',
    query: z.strictObject({
      ...s.paging,
      siteId: z.optional(s.pathId()),
      status: z.optional(s.choice(['pending', 'approved', 'refused', 'revoked', 'expired', 'void'])),
    }),
    answers: { 200: { means: 'A page', body: s.page(approvalSchema) } },
    handle: (asked) => {
      const { siteId, status, ...query } = asked.query;
      const matches = (e: ApprovalEntry) =>
        (siteId === undefined || e.request.siteId === siteId) && (status === undefined || e.status === status);
      const all = asked.state.approvalRequests.values();
      const idOf = ({ request }: ApprovalEntry) => request.approvalId;
      const isMine = (e: ApprovalEntry) => isOwn(asked, e);
      return ok(pageOf({ list: 'approvals', all, idOf, isMine, matches, view: approvalView }, query));
    },
  }),
  route({
    method: 'GET',
    path: '/v1/approvals/{approvalId}',
    tag,
    summary: 'A request for leave to control',
    scope: 'read',
    params: approvalParams,
    answers: { 200: { means: 'The request', body: approvalSchema } },
    problems: ['not_found'],
    handle: (asked) => ok(approvalView(ownApproval(asked, asked.params.approvalId))),
  }),
  route({
    method: 'POST',
    path: '/v1/approvals/{approvalId}/approve',
    tag,
    summary: 'Approves it; not by who asked',
    scope: 'approve:control',
    params: approvalParams,
    answers: decided,
    problems: ['not_found', 'conflict'],
    handle: (asked) => {
      const { approvalId } = ownApproval(asked, asked.params.approvalId).request;
      const input = { kind: 'approve-control', approvalId, approvedBy: asked.principal.actor } as const;
      return asked.change(input, () => ok(approvalView(ownApproval(asked, approvalId))));
    },
  }),
  end('refuse', 'Refuses a request that waits', 'approve:control'),
  end('revoke', 'Takes an approval back; what it covered ends', 'write:safety'),
];

function end(what: 'refuse' | 'revoke', summary: string, scope: 'approve:control' | 'write:safety'): Route {
  return route({
    method: 'POST',
    path: `/v1/approvals/{approvalId}/${what}`,
    tag,
    summary,
    scope,
    urgent: true,
    params: approvalParams,
    body: z.strictObject({ why: s.text('why', 500) }),
    answers: decided,
    problems: ['not_found', 'conflict'],
    handle: (asked) => {
      const { approvalId } = ownApproval(asked, asked.params.approvalId).request;
      const input = { approvalId, by: asked.principal.actor, why: asked.body.why };
      const view = () => ok(approvalView(ownApproval(asked, approvalId)));
      return asked.change({ kind: `${what}-approval`, ...input }, view);
    },
  });
}

const stopSchema = z.strictObject({
  deviceId: z.string(),
  isStopped: z.boolean(),
  since: z.nullable(s.wireInstant()),
  why: z.nullable(z.string()),
  releaseAskedBy: z.nullable(z.string()),
  releaseUntil: z.nullable(s.wireInstant()),
});
function stopView(deviceId: string, latch: StopLatch | undefined) {
  return {
    deviceId,
    isStopped: latch !== undefined,
    since: latch === undefined ? null : isoUtc(latch.sinceMs),
    why: latch?.why ?? null,
    releaseAskedBy: latch?.release?.by ?? null,
    releaseUntil: latch?.release ? isoUtc(latch.release.untilMs) : null,
  };
}
const deviceParams = z.strictObject({ deviceId: s.pathId() });
const stopped = { 200: { means: 'How it stands', body: stopSchema } } as const;
const standing = (asked: Asked, deviceId: string) => ok(stopView(deviceId, asked.state.stops.get(deviceId)));

const stops: readonly Route[] = [
  route({
    method: 'POST',
    path: '/v1/devices/{deviceId}/emergency-stop',
    tag,
    summary: 'Stops a device at once; nothing else leaves for it until two persons release it',
    scope: 'emergency:stop',
    urgent: true,
    // A stop is never answered from memory: it takes no key, and twice is as good as once.
    harmless: true,
    params: deviceParams,
    answers: stopped,
    problems: ['not_found', 'conflict'],
    handle: (asked) => {
      const { deviceId } = ownDevice(asked, asked.params.deviceId).device;
      const input = { kind: 'emergency-stop', deviceId, actor: asked.principal.actor } as const;
      return asked.change(input, () => standing(asked, deviceId));
    },
  }),
  route({
    method: 'GET',
    path: '/v1/devices/{deviceId}/emergency-stop',
    tag,
    summary: 'Whether a device is stopped',
    scope: 'read',
    params: deviceParams,
    answers: stopped,
    problems: ['not_found'],
    handle: (asked) => standing(asked, ownDevice(asked, asked.params.deviceId).device.deviceId),
  }),
  route({
    method: 'POST',
    path: '/v1/emergency-stop',
    tag,
    summary: 'Stops every device of the workspace, or every one with a tag',
    scope: 'emergency:stop',
    urgent: true,
    harmless: true,
    body: z.strictObject({ tag: z.optional(s.text('tag', 100)) }),
    answers: {
      200: { means: 'The devices that are stopped', body: z.strictObject({ deviceIds: z.array(z.string()) }) },
    },
    problems: ['not_found', 'conflict'],
    handle: (asked) => {
      const { workspaceId } = asked;
      const input = { workspaceId, tag: asked.body.tag ?? null, actor: asked.principal.actor };
      return asked.change({ kind: 'emergency-stop-all', ...input }, ({ facts }) => {
        const told = facts.flatMap((f) => (f.type === 'undo.sent' && f.what === 'emergency-stop' ? [f.deviceId] : []));
        return ok({ deviceIds: [...new Set(told)] });
      });
    },
  }),
  release('request', 'Asks for the release of a stopped device', 'write:safety'),
  release('confirm', 'Confirms a release; not by who asked', 'approve:control'),
];

function release(what: 'request' | 'confirm', summary: string, scope: 'write:safety' | 'approve:control'): Route {
  return route({
    method: 'POST',
    path: `/v1/devices/{deviceId}/release/${what}`,
    tag,
    summary,
    scope,
    params: deviceParams,
    answers: stopped,
    problems: ['not_found', 'conflict'],
    handle: (asked) => {
      const { deviceId } = ownDevice(asked, asked.params.deviceId).device;
      const input = { deviceId, by: asked.principal.actor };
      return asked.change({ kind: `${what}-release`, ...input }, () => standing(asked, deviceId));
    },
  });
}

export const safetyRoutes: readonly Route[] = [...sites, ...approvals, ...stops];
