import { z } from 'zod';
import { connectionsOf } from '../../core/sources.ts';
import { isoUtc } from '../../domain/time.ts';
import { type EpochMs, MS_PER_DAY } from '../../domain/units.ts';
import { applianceStateSchema, applianceStateView, ownAppliance } from '../appliances.ts';
import { historyEntry } from '../history.ts';
import { ownDevice } from '../owned.ts';
import { beforeSeqOf, cursorAt } from '../page.ts';
import { ProblemError } from '../problems.ts';
import { type Asked, ok, type Route, route } from '../route.ts';
import * as s from '../schemas.ts';
import type { Service } from '../service.ts';
import { batteryStateSchema, batteryStateView } from '../views.ts';

/** What was measured and what was recorded: telemetry, the audit trail, health. */
const RANGE_MS_MAX = 366 * MS_PER_DAY;
const POINTS_MAX = 5_000;

export const range = { from: z.optional(s.instant()), to: z.optional(s.instant()) };
const limit = z.optional(s.queryWhole('limit', { min: 1, max: POINTS_MAX }));

/** The last day unless it says otherwise; [from, to). */
export function rangeOf(
  asked: {
    readonly from?: EpochMs | undefined;
    readonly to?: EpochMs | undefined;
    readonly limit?: number | undefined;
  },
  nowMs: EpochMs,
) {
  const toMs = asked.to ?? nowMs + 1;
  const fromMs = asked.from ?? toMs - MS_PER_DAY;
  const isGood = fromMs < toMs && toMs - fromMs <= RANGE_MS_MAX;
  if (isGood) return { fromMs, toMs, limit: asked.limit ?? 1_000 };
  const expected = `after ${isoUtc(fromMs)}, by at most 366 days`;
  throw new ProblemError('invalid_request', 'the range', { errors: [{ place: 'to', found: isoUtc(toMs), expected }] });
}

const deviceParams = z.strictObject({ deviceId: s.pathId() });
const list = <T extends z.ZodType>(item: T) => z.strictObject({ data: z.array(item) });

const telemetry: readonly Route[] = [
  route({
    method: 'GET',
    path: '/v1/devices/{deviceId}/telemetry',
    tag: 'Telemetry',
    summary: 'The states a device reported, oldest first: the newest so many of the range',
    scope: 'read',
    params: deviceParams,
    query: z.strictObject({ ...range, limit }),
    answers: { 200: { means: 'The states', body: list(z.union([batteryStateSchema, applianceStateSchema])) } },
    problems: ['not_found', 'local_time'],
    handle: (asked) => {
      const { deviceId } = asked.params;
      const { telemetry: kept } = asked.face.service;
      const wanted = rangeOf(asked.query, asked.nowMs);
      if (ownAppliance(asked, deviceId) !== null) {
        return ok({ data: kept.applianceStates(deviceId, wanted).map(applianceStateView) });
      }
      ownDevice(asked, deviceId);
      return ok({ data: kept.states(deviceId, wanted).map(batteryStateView) });
    },
  }),
  route({
    method: 'GET',
    path: '/v1/devices/{deviceId}/points',
    tag: 'Telemetry',
    summary: 'Raw DNP3 points of a device as they were read',
    scope: 'read',
    params: deviceParams,
    query: z.strictObject({ ...range, limit }),
    answers: {
      200: {
        means: 'The points',
        body: list(
          z.strictObject({
            type: z.string(),
            index: z.number(),
            value: z.nullable(z.number()),
            flags: z.number(),
            at: s.wireInstant(),
            timeQuality: z.string(),
            source: z.string(),
          }),
        ),
      },
    },
    problems: ['not_found', 'local_time'],
    handle: (asked) => {
      ownDevice(asked, asked.params.deviceId);
      const points = asked.face.service.telemetry.points(asked.params.deviceId, rangeOf(asked.query, asked.nowMs));
      const data = points.map(({ atMs, value, ...p }) => ({
        ...p,
        value: Number.isFinite(value) ? value : null,
        at: isoUtc(atMs),
      }));
      return ok({ data });
    },
  }),
];

const historySchema = z.strictObject({
  seq: z.number(),
  at: s.wireInstant(),
  actor: z.string(),
  requestId: z.nullable(z.string()),
  facts: z.array(z.record(z.string(), z.unknown())),
});

function trail(asked: Asked, subject: string, own: string | null, query: Parameters<typeof beforeSeqOf>[1]) {
  const size = s.pageSize(query);
  const entries = asked.face.service.history(subject, { beforeSeq: beforeSeqOf(subject, query), limit: size });
  const viewer = { workspaceId: asked.workspaceId, state: asked.state, subject: own };
  const last = entries.length < size ? undefined : entries[entries.length - 1];
  return ok({
    data: entries.map((e) => historyEntry(e, viewer)),
    nextCursor: last === undefined ? null : cursorAt(subject, last.seq),
  });
}

/**
 * Which parts of the service a workspace is shown. Their names: "journal"; "plant/<plant>"; "<plant>/clock",
 * "<plant>/cloud/<maker>", "<plant>/site/<connection>".
 */
function shownTo({ registry }: Service, workspaceId: string): (name: string) => boolean {
  const { sites, clouds } = connectionsOf(registry.state, registry.settings.reach, workspaceId);
  return (name) => {
    const [head = '', kind, ...rest] = name.split('/');
    if (kind === undefined) return true;
    if (head === 'plant') return kind === registry.plantId || kind === workspaceId;
    if (head !== registry.plantId) return head === workspaceId;
    const connection = rest.join('/');
    if (kind === 'site') return sites.has(connection);
    return kind !== 'cloud' || new Set<string>(clouds).has(connection);
  };
}

const records: readonly Route[] = [
  route({
    method: 'GET',
    path: '/v1/audit',
    tag: 'Records',
    summary: 'Everything that was recorded in the workspace, newest first',
    scope: 'read',
    query: z.strictObject(s.paging),
    answers: { 200: { means: 'A page', body: s.page(historySchema) } },
    handle: (asked) => trail(asked, `workspace/${asked.workspaceId}`, null, asked.query),
  }),
  route({
    method: 'GET',
    path: '/v1/devices/{deviceId}/history',
    tag: 'Records',
    summary: 'Everything that was recorded about a device, newest first',
    scope: 'read',
    params: deviceParams,
    query: z.strictObject(s.paging),
    answers: { 200: { means: 'A page', body: s.page(historySchema) } },
    problems: ['not_found'],
    handle: (asked) => {
      const { deviceId } = asked.params;
      if (ownAppliance(asked, deviceId) === null) ownDevice(asked, deviceId);
      const subject = `device/${deviceId}`;
      return trail(asked, subject, subject, asked.query);
    },
  }),
  route({
    method: 'GET',
    path: '/v1/health',
    tag: 'Records',
    summary: 'How the service is, part by part',
    description: 'A workspace sees what all share, and of sites, clouds and sandboxes its own; the operator sees all.',
    scope: 'admin:workspace',
    in: 'registry',
    answers: {
      200: {
        means: 'The parts',
        body: z.strictObject({
          status: z.string(),
          parts: z.record(z.string(), z.strictObject({ ok: z.boolean(), why: z.string() })),
        }),
      },
    },
    handle: ({ face, principal }) => {
      const { workspaceId } = principal;
      const { status, parts } = face.service.health();
      if (workspaceId === null) return ok({ status, parts });
      const isShown = shownTo(face.service, workspaceId);
      const mine = Object.entries(parts).filter(([name]) => isShown(name));
      const isWell = mine.every(([, part]) => part.ok);
      return ok({
        status: status === 'read-only' ? status : isWell ? 'ok' : 'degraded',
        parts: Object.fromEntries(mine),
      });
    },
  }),
  route({
    method: 'POST',
    path: '/v1/stream/tickets',
    tag: 'Records',
    summary: 'A ticket that opens GET /v1/stream?ticket=… once, within 30 seconds',
    description:
      'Where no header can be sent with a WebSocket. The stream itself: GET /v1/stream with a credential of scope read, then {"type":"subscribe","topics":["command"]}.',
    scope: 'read',
    harmless: true,
    answers: { 201: { means: 'The ticket', body: z.strictObject({ ticket: z.string(), expiresAt: s.wireInstant() }) } },
    handle: (asked) => {
      const { ticket, expiresMs } = asked.face.tickets.issue(asked.principal);
      return { status: 201, body: { ticket, expiresAt: isoUtc(expiresMs) } };
    },
  }),
];

export const recordRoutes: readonly Route[] = [...telemetry, ...records];
