import { z } from 'zod';
import { EVENT_STATUSES, type EventEntry, type Resource } from '../../core/state.ts';
import { isoUtc } from '../../domain/time.ts';
import { isOwnEvent, ownDevice, ownEvent, ownPrefix, ownProgram, ownResource, withoutPrefix } from '../owned.ts';
import { pageOf } from '../page.ts';
import { type Asked, ok, type Route, route } from '../route.ts';
import * as s from '../schemas.ts';
import { randomId } from '../tools.ts';
import { eventSchema, eventView } from '../views.ts';

/**
 * Events and the partners they are offered to. An event is an incentive: a resource may decline it without penalty, and
 * for a resource of a partner the service issues no control (promise S23). Names of resources, events and reports are the
 * partner's own.
 * @source Volue Spark energy coordination API of July 2023: resources, events, reports
 */
const tag = 'Events';
const prefixOf = ({ workspaceId }: Pick<Asked, 'workspaceId'>): string => ownPrefix(workspaceId);

const interval = z.strictObject({
  startsAt: s.instant(),
  endsAt: s.instant(),
  targetW: s.watts('targetW'),
  priceUsdPerMwh: z.optional(s.number('priceUsdPerMwh', { min: -100_000, max: 100_000 })),
});

const eventParams = z.strictObject({ eventId: s.pathId() });

const events: readonly Route[] = [
  route({
    method: 'POST',
    path: '/v1/events',
    tag,
    summary: 'Offers an event to the resources of a program',
    description:
      'Intervals touch, in order of time. `dispatch` and `test` command the enrolled devices, `incentive` does not.',
    scope: 'write:programs',
    body: z.strictObject({
      id: z.optional(s.id('id')),
      programId: s.id('programId'),
      kind: s.choice(['dispatch', 'test', 'incentive']),
      intervals: z
        .array(interval)
        .min(1, { error: 'at least one interval' })
        .max(500, { error: 'at most 500 intervals' }),
    }),
    answers: { 201: { means: 'Offered', body: eventSchema } },
    problems: ['not_found', 'conflict', 'unprocessable', 'local_time'],
    handle: (asked) => {
      const { id, programId, kind, intervals } = asked.body;
      ownProgram(asked, programId);
      const offer = {
        ...(id === undefined ? {} : { eventId: `${prefixOf(asked)}${id}` }),
        programId,
        kind,
        calledBy: asked.principal.actor,
        intervals: intervals.map((i) => ({
          startMs: i.startsAt,
          endMs: i.endsAt,
          targetW: i.targetW,
          priceUsdPerMwh: i.priceUsdPerMwh ?? null,
        })),
      };
      return asked.change({ kind: 'offer-event', offer }, ({ facts }) => {
        const eventId = facts.flatMap((f) => (f.type === 'event.offered' ? [f.event.eventId] : []))[0] ?? '';
        return { status: 201, body: eventView(ownEvent(asked, eventId)) };
      });
    },
  }),
  route({
    method: 'GET',
    path: '/v1/events',
    tag,
    summary: 'Events',
    scope: 'read',
    query: z.strictObject({
      ...s.paging,
      programId: z.optional(s.pathId()),
      status: z.optional(s.several(s.choice(EVENT_STATUSES))),
    }),
    answers: { 200: { means: 'A page', body: s.page(eventSchema) } },
    handle: (asked) => {
      const { programId, status, ...query } = asked.query;
      const matches = (e: EventEntry) =>
        (programId === undefined || e.event.programId === programId) &&
        (status === undefined || status.includes(e.status));
      const isMine = (e: EventEntry) => isOwnEvent(asked, e);
      const all = asked.state.events.values();
      const idOf = (e: EventEntry) => withoutPrefix(e.event.eventId, asked.workspaceId);
      return ok(pageOf({ list: 'events', all, idOf, isMine, matches, view: eventView }, query));
    },
  }),
  route({
    method: 'GET',
    path: '/v1/events/{eventId}',
    tag,
    summary: 'An event',
    scope: 'read',
    params: eventParams,
    answers: { 200: { means: 'The event', body: eventSchema } },
    problems: ['not_found'],
    handle: (asked) => ok(eventView(ownEvent(asked, asked.params.eventId))),
  }),
  route({
    method: 'DELETE',
    path: '/v1/events/{eventId}',
    tag,
    summary: 'Calls an event off; its commands are taken back. Twice is the same as once',
    scope: 'write:programs',
    urgent: true,
    params: eventParams,
    answers: { 200: { means: 'The event as it is now', body: eventSchema } },
    problems: ['not_found', 'conflict'],
    handle: (asked) => {
      const { eventId } = ownEvent(asked, asked.params.eventId).event;
      const input = { kind: 'cancel-event', eventId, by: asked.principal.actor } as const;
      return asked.change(input, () => ok(eventView(ownEvent(asked, eventId))));
    },
  }),
  route({
    method: 'GET',
    path: '/v1/events/{eventId}/performance',
    tag,
    summary: 'What an event delivered, by device, once it is measured',
    description:
      'By meter data alone (POST /v1/meter-readings, of the site): baseline 10-in-10 with same-day adjustment. Null = not measured yet, which is 20 minutes after the end; a device is in it once its site has readings of the whole event, and has delivered energy once there is a baseline of at least five similar days.',
    scope: 'read',
    params: eventParams,
    answers: {
      200: {
        means: 'The figures, or null',
        body: z.strictObject({ performance: z.nullable(z.record(z.string(), z.unknown())) }),
      },
    },
    problems: ['not_found'],
    handle: (asked) => {
      const { event } = ownEvent(asked, asked.params.eventId);
      const entries = asked.face.service.history(`event/${event.eventId}`, { beforeSeq: null, limit: 200 });
      const facts = entries.flatMap((e) => e.facts);
      const measured = facts.find((f) => f.type === 'event.measured' && f.performance.eventId === event.eventId);
      return ok({ performance: measured?.type === 'event.measured' ? measured.performance : null });
    },
  }),
];

const answerSchema = z.strictObject({
  eventId: z.string(),
  resourceId: z.string(),
  answer: z.enum(['opt-in', 'opt-out']),
});

const resourceSchema = z.strictObject({
  id: z.string(),
  programId: z.string(),
  partnerId: z.string(),
  deviceIds: z.array(z.string()),
});
const resourceView = (r: Resource) => ({
  id: r.resourceId,
  programId: r.programId,
  partnerId: r.partnerId,
  deviceIds: r.deviceIds,
});

const partners: readonly Route[] = [
  route({
    method: 'POST',
    path: '/v1/resources',
    tag,
    summary: 'Registers a resource that events are offered to; its id is the partner’s',
    scope: 'write:incentives',
    body: z.strictObject({
      id: s.id('id'),
      programId: s.id('programId'),
      deviceIds: z
        .array(s.id('a device id'))
        .max(1_000, { error: 'at most 1,000 devices' })
        .refine((ids) => new Set(ids).size === ids.length, { error: 'each device once' }),
    }),
    answers: { 201: { means: 'Registered', body: resourceSchema } },
    problems: ['not_found', 'conflict'],
    handle: (asked) => {
      const { id, programId, deviceIds } = asked.body;
      ownProgram(asked, programId);
      for (const deviceId of deviceIds) ownDevice(asked, deviceId);
      const resourceId = `${prefixOf(asked)}${id}`;
      const input = { resourceId, partnerId: asked.principal.actor, programId, deviceIds };
      return asked.change({ kind: 'register-resource', ...input }, () => ({
        status: 201,
        body: resourceView(ownResource(asked, id)),
      }));
    },
  }),
  route({
    method: 'GET',
    path: '/v1/resources',
    tag,
    summary: 'Resources',
    scope: 'read',
    query: z.strictObject(s.paging),
    answers: { 200: { means: 'A page', body: s.page(resourceSchema) } },
    handle: (asked) => {
      const isMine = (r: Resource) => r.resourceId.startsWith(prefixOf(asked));
      const all = asked.state.resources.values();
      const idOf = (r: Resource) => withoutPrefix(r.resourceId, asked.workspaceId);
      return ok(pageOf({ list: 'resources', all, idOf, isMine, view: resourceView }, asked.query));
    },
  }),
  route({
    method: 'GET',
    path: '/v1/resources/{resourceId}',
    tag,
    summary: 'A resource',
    scope: 'read',
    params: z.strictObject({ resourceId: s.pathId() }),
    answers: { 200: { means: 'The resource', body: resourceSchema } },
    problems: ['not_found'],
    handle: (asked) => ok(resourceView(ownResource(asked, asked.params.resourceId))),
  }),
  route({
    method: 'POST',
    path: '/v1/events/{eventId}/answers',
    tag,
    summary: 'A resource takes part or not; it may change its mind until the end, without penalty',
    scope: 'write:incentives',
    urgent: true,
    params: eventParams,
    body: z.strictObject({ resourceId: s.id('resourceId'), answer: s.choice(['opt-in', 'opt-out']) }),
    answers: { 200: { means: 'Taken', body: answerSchema } },
    problems: ['not_found', 'conflict'],
    handle: (asked) => {
      const { event } = ownEvent(asked, asked.params.eventId);
      const { resourceId } = ownResource(asked, asked.body.resourceId);
      const { answer } = asked.body;
      const input = { eventId: event.eventId, resourceId, answer, by: asked.principal.actor };
      const body = { eventId: asked.params.eventId, resourceId: asked.body.resourceId, answer };
      return asked.change({ kind: 'answer-event', ...input }, () => ok(body));
    },
  }),
  route({
    method: 'POST',
    path: '/v1/reports',
    tag,
    summary: 'Reports energy of a resource at its meter',
    scope: 'write:incentives',
    body: z.strictObject({
      resourceId: s.id('resourceId'),
      eventId: z.optional(s.id('eventId')),
      readings: z
        .array(
          z.strictObject({
            startsAt: s.instant(),
            endsAt: s.instant(),
            usageWh: s.number('usageWh, + import', { min: -1e12, max: 1e12 }),
          }),
        )
        .min(1, { error: 'at least one reading' })
        .max(500, { error: 'at most 500 readings' }),
    }),
    answers: { 201: { means: 'Taken', body: z.strictObject({ id: z.string(), readings: z.number() }) } },
    problems: ['not_found', 'conflict', 'unprocessable', 'local_time'],
    handle: (asked) => {
      const { resourceId, eventId, readings } = asked.body;
      const resource = ownResource(asked, resourceId);
      const event = eventId === undefined ? null : ownEvent(asked, eventId).event;
      const reportId = randomId(asked.face.tools, 'rep');
      return asked.change(
        {
          kind: 'report',
          reportId,
          resourceId: resource.resourceId,
          eventId: event?.eventId ?? null,
          readings: readings.map((r) => ({ startMs: r.startsAt, endMs: r.endsAt, usageWh: r.usageWh })),
        },
        () => ({ status: 201, body: { id: reportId, readings: readings.length } }),
      );
    },
  }),
  route({
    method: 'GET',
    path: '/v1/events/{eventId}/reports',
    tag,
    summary: 'The newest reports about an event',
    scope: 'read',
    params: eventParams,
    answers: {
      200: { means: 'The reports', body: z.strictObject({ data: z.array(z.record(z.string(), z.unknown())) }) },
    },
    problems: ['not_found'],
    handle: (asked) => {
      const { event } = ownEvent(asked, asked.params.eventId);
      const entries = asked.face.service.history(`event/${event.eventId}`, { beforeSeq: null, limit: s.PAGE_MAX });
      const data = entries.flatMap((e) =>
        e.facts.flatMap((f) =>
          f.type !== 'report.received' || f.eventId !== event.eventId
            ? []
            : [
                {
                  id: f.reportId,
                  resourceId: f.resourceId,
                  receivedAt: isoUtc(e.atMs),
                  readings: f.readings.map((r) => ({
                    startsAt: isoUtc(r.startMs),
                    endsAt: isoUtc(r.endMs),
                    usageWh: r.usageWh,
                  })),
                },
              ],
        ),
      );
      return ok({ data });
    },
  }),
];

export const eventRoutes: readonly Route[] = [...events, ...partners];
