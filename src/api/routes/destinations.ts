import { z } from 'zod';
import type { Destination } from '../../domain/destination.ts';
import { EVENT_TYPE_NAMES } from '../../domain/eventTypes.ts';
import { isoUtc } from '../../domain/time.ts';
import { pageOf } from '../page.ts';
import { notFound, ProblemError } from '../problems.ts';
import { type Answer, type Asked, ok, type Route, route } from '../route.ts';
import * as s from '../schemas.ts';
import { randomId } from '../tools.ts';

/** Where events go as webhooks. @source TextureHQ/docs destinations; Standard Webhooks 1.0 for the second signature */
const tag = 'Destinations';

/**
 * Headers that the sender sets itself, that would change how the request is framed or routed, or that carry a secret: what
 * a destination is stands in the journal, and a secret may not. Receivers know us by the signature.
 */
const RESERVED =
  /^(host|content-|connection|transfer-encoding|te$|trailer|upgrade|expect|webhook-|texture-|forwarded|x-forwarded-)|auth|cookie|token|secret|key|password|signature/i;
const headerName = 'a header name that the sender does not set itself and that names no secret';
const headers = z
  .record(
    z
      .string()
      .regex(/^[A-Za-z0-9-]{1,64}$/, { error: headerName })
      .refine((name) => !RESERVED.test(name), { error: headerName }),
    z.string().regex(/^[\x20-\x7e]{1,500}$/, { error: '1 to 500 visible ASCII characters' }),
  )
  .refine((all) => Object.keys(all).length <= 20, { error: 'at most 20 headers' });

const types = <const T extends readonly [string, ...string[]]>(names: T) =>
  z.array(s.choice(names)).max(names.length, { error: `at most ${names.length} of ${names.join(', ')}` });
const DEVICE_TYPES = ['battery', 'bess', 'charger', 'vehicle', 'thermostat', 'inverter'] as const;

const body = z.strictObject({
  label: s.text('label', 100),
  url: s.text('url', 2_000),
  signature: z.optional(s.choice(['texture', 'standard-webhooks'])),
  headers: z.optional(headers),
  eventTypes: z.optional(types(EVENT_TYPE_NAMES)),
  deviceTypes: z.optional(types(DEVICE_TYPES)),
  enabled: z.optional(s.flag('enabled')),
});

const schema = z.strictObject({
  id: z.string(),
  label: z.string(),
  url: z.string(),
  signature: z.string(),
  headers: z.array(z.string()).describe('Their names; values may be secrets'),
  eventTypes: z.array(z.string()),
  deviceTypes: z.array(z.string()),
  enabled: z.boolean(),
});
const view = (d: Destination) => ({
  id: d.destinationId,
  label: d.label,
  url: d.url,
  signature: d.signature,
  headers: Object.keys(d.headers),
  eventTypes: d.eventTypes,
  deviceTypes: d.deviceTypes,
  enabled: d.enabled,
});
const shown = schema.extend({ secret: z.nullable(z.string()).describe('Shown once; null when asked again') });

function own(asked: Asked, destinationId: string): Destination {
  const found = asked.state.destinations.get(destinationId);
  if (found?.workspaceId !== asked.workspaceId) throw notFound('destination', destinationId);
  return found;
}

function wanted(asked: Asked<unknown, unknown, z.output<typeof body>>, destinationId: string): Destination {
  const { label, url, signature = 'texture', headers = {}, eventTypes = [], deviceTypes = [] } = asked.body;
  const why = asked.face.service.deliveries.refusalOf(url);
  if (why !== null) {
    const errors = [{ place: 'url', found: JSON.stringify(url).slice(0, 200), expected: why }];
    throw new ProblemError('blocked_address', 'url', { errors });
  }
  const { enabled = true } = asked.body;
  const { workspaceId } = asked;
  return { destinationId, workspaceId, label, url, signature, headers, eventTypes, deviceTypes, enabled };
}

const params = z.strictObject({ destinationId: s.pathId() });

const manage: readonly Route[] = [
  route({
    method: 'POST',
    path: '/v1/destinations',
    tag,
    summary: 'Makes a destination; its signing secret is shown once',
    scope: 'write:destinations',
    body,
    answers: { 201: { means: 'Made', body: shown } },
    problems: ['blocked_address', 'limit_reached'],
    handle: async (asked): Promise<Answer> => {
      const destination = wanted(asked, randomId(asked.face.tools, 'dst'));
      const input = { kind: 'create-destination', destination, actor: asked.principal.actor } as const;
      const stored = { ...view(destination), secret: null };
      const { status } = await asked.change(input, () => ({ status: 201, body: stored }));
      // Beside the journal, which must not hold it.
      const secret = asked.face.service.secrets.rotateWebhook(destination.destinationId);
      return { status, body: { ...stored, secret } };
    },
  }),
  route({
    method: 'GET',
    path: '/v1/destinations',
    tag,
    summary: 'Destinations',
    scope: 'read',
    query: z.strictObject(s.paging),
    answers: { 200: { means: 'A page', body: s.page(schema) } },
    handle: (asked) => {
      const isMine = (d: Destination) => d.workspaceId === asked.workspaceId;
      const all = asked.state.destinations.values();
      return ok(pageOf({ list: 'destinations', all, idOf: (d) => d.destinationId, isMine, view }, asked.query));
    },
  }),
  route({
    method: 'GET',
    path: '/v1/destinations/{destinationId}',
    tag,
    summary: 'A destination',
    scope: 'read',
    params,
    answers: { 200: { means: 'The destination', body: schema } },
    problems: ['not_found'],
    handle: (asked) => ok(view(own(asked, asked.params.destinationId))),
  }),
  route({
    method: 'PUT',
    path: '/v1/destinations/{destinationId}',
    tag,
    summary: 'Replaces a destination; the secret stays',
    scope: 'write:destinations',
    params,
    body,
    answers: { 200: { means: 'As it is now', body: schema } },
    problems: ['not_found', 'blocked_address'],
    handle: (asked) => {
      const { destinationId } = own(asked, asked.params.destinationId);
      const destination = wanted(asked, destinationId);
      const input = { kind: 'change-destination', destination, actor: asked.principal.actor } as const;
      return asked.change(input, () => ok(view(destination)));
    },
  }),
  route({
    method: 'DELETE',
    path: '/v1/destinations/{destinationId}',
    tag,
    summary: 'Ends a destination; what waits for it is dropped',
    scope: 'write:destinations',
    params,
    answers: { 204: { means: 'Ended', body: null } },
    problems: ['not_found'],
    handle: async (asked) => {
      const { destinationId, workspaceId } = own(asked, asked.params.destinationId);
      const input = { destinationId, workspaceId, actor: asked.principal.actor };
      const answer = await asked.change({ kind: 'delete-destination', ...input }, () => ({ status: 204, body: null }));
      asked.face.service.secrets.forgetWebhook(destinationId);
      return answer;
    },
  }),
];

const deliverySchema = z.strictObject({
  id: z.string(),
  eventType: z.string(),
  state: z.string(),
  attempts: z.number(),
  nextAttemptAt: z.nullable(s.wireInstant()),
  lastStatus: z.nullable(z.number()),
  lastError: z.nullable(z.string()),
  createdAt: s.wireInstant(),
});
const iso = (atMs: number | null): string | null => (atMs === null ? null : isoUtc(atMs));

const deliveries: readonly Route[] = [
  route({
    method: 'POST',
    path: '/v1/destinations/{destinationId}/secret',
    tag,
    summary: 'A new signing secret; the one before also signs until the next',
    scope: 'write:destinations',
    harmless: true,
    params,
    answers: { 201: { means: 'The secret, shown once', body: z.strictObject({ secret: z.string() }) } },
    problems: ['not_found'],
    handle: (asked) => {
      const { destinationId } = own(asked, asked.params.destinationId);
      return { status: 201, body: { secret: asked.face.service.secrets.rotateWebhook(destinationId) } };
    },
  }),
  route({
    method: 'POST',
    path: '/v1/destinations/{destinationId}/test',
    tag,
    summary: 'Sends a test event now',
    scope: 'write:destinations',
    harmless: true,
    params,
    answers: {
      200: {
        means: 'How the attempt ended',
        body: z.strictObject({ ok: z.boolean(), status: z.nullable(z.number()), why: z.string() }),
      },
    },
    problems: ['not_found'],
    handle: async (asked) =>
      ok(await asked.face.service.deliveries.test(own(asked, asked.params.destinationId).destinationId)),
  }),
  route({
    method: 'GET',
    path: '/v1/destinations/{destinationId}/deliveries',
    tag,
    summary: 'The newest deliveries',
    scope: 'read',
    params,
    query: z.strictObject({ limit: s.paging.limit, state: z.optional(s.choice(['pending', 'delivered', 'dead'])) }),
    answers: { 200: { means: 'The deliveries', body: z.strictObject({ data: z.array(deliverySchema) }) } },
    problems: ['not_found'],
    handle: (asked) => {
      const { destinationId } = own(asked, asked.params.destinationId);
      const page = { limit: s.pageSize(asked.query), state: asked.query.state ?? null };
      const data = asked.face.service.deliveries.list(destinationId, page).map((d) => ({
        id: d.deliveryId,
        eventType: d.eventType,
        state: d.state,
        attempts: d.attempts,
        nextAttemptAt: iso(d.nextAttemptMs),
        lastStatus: d.lastStatus,
        lastError: d.lastError,
        createdAt: isoUtc(d.createdMs),
      }));
      return ok({ data });
    },
  }),
  route({
    method: 'POST',
    path: '/v1/destinations/{destinationId}/replay',
    tag,
    summary: 'Delivers again: one, or all of a time',
    scope: 'write:destinations',
    harmless: true,
    params,
    body: z.union(
      [
        z.strictObject({ deliveryId: s.text('deliveryId', 200) }),
        z.strictObject({ from: s.instant(), to: s.instant() }),
      ],
      { error: 'either deliveryId, or from and to' },
    ),
    answers: { 202: { means: 'Queued again', body: z.strictObject({ queued: z.number() }) } },
    problems: ['not_found', 'local_time'],
    handle: (asked) => {
      const { destinationId } = own(asked, asked.params.destinationId);
      const which = 'deliveryId' in asked.body ? asked.body : { fromMs: asked.body.from, toMs: asked.body.to };
      return { status: 202, body: { queued: asked.face.service.deliveries.replay(destinationId, which) } };
    },
  }),
  route({
    method: 'GET',
    path: '/v1/destinations/{destinationId}/health',
    tag,
    summary: 'Whether deliveries arrive',
    scope: 'read',
    params,
    answers: {
      200: {
        means: 'How it is',
        body: z.strictObject({
          state: z.string(),
          pending: z.number(),
          dead: z.number(),
          lastSuccessAt: z.nullable(s.wireInstant()),
          failingSince: z.nullable(s.wireInstant()),
        }),
      },
    },
    problems: ['not_found'],
    handle: (asked) => {
      const { destinationId } = own(asked, asked.params.destinationId);
      const h = asked.face.service.deliveries.health(destinationId);
      if (h === null) return ok({ state: 'healthy', pending: 0, dead: 0, lastSuccessAt: null, failingSince: null });
      const { state, pending, dead } = h;
      return ok({ state, pending, dead, lastSuccessAt: iso(h.lastSuccessMs), failingSince: iso(h.failingSinceMs) });
    },
  }),
];

export const destinationRoutes: readonly Route[] = [...manage, ...deliveries];
