import { z } from 'zod';
import type { Enrollment } from '../../core/state.ts';
import { ENROLLMENT_STATUSES, type Program } from '../../domain/program.ts';
import { ownDevice, ownProgram } from '../owned.ts';
import { pageOf } from '../page.ts';
import { notFound, ProblemError } from '../problems.ts';
import { type Asked, ok, type Route, route } from '../route.ts';
import * as s from '../schemas.ts';
import { randomId } from '../tools.ts';
import {
  enrollmentSchema,
  enrollmentView,
  programSchema,
  programView,
  workspaceSchema,
  workspaceView,
} from '../views.ts';

/** Programs and what may be in them. @source TextureHQ/docs programs/enrollments */
const clock = (what: string) => {
  const error = `${what}: a local time like 16:00`;
  return z.string({ error }).regex(/^([01]\d|2[0-3]):[0-5]\d$/, { error });
};

const trigger = z.discriminatedUnion(
  'kind',
  [
    z.strictObject({
      kind: z.literal('day-ahead-price'),
      thresholdUsdPerMwh: s.number('thresholdUsdPerMwh', { min: -10_000, max: 100_000 }),
      window: z.strictObject({ start: clock('start'), end: clock('end') }),
    }),
    z.strictObject({ kind: z.literal('day-ahead-award') }),
    z.strictObject({ kind: z.literal('called') }),
  ],
  { error: 'kind "day-ahead-price", "day-ahead-award" or "called"' },
);

const programParams = z.strictObject({ programId: s.pathId() });

const programs: readonly Route[] = [
  route({
    method: 'POST',
    path: '/v1/programs',
    tag: 'Programs',
    summary: 'Makes a program; devices with the tag program:<id> may be enrolled',
    scope: 'write:programs',
    body: z.strictObject({
      name: s.text('name'),
      timeZone: s.timeZone(),
      node: s.text('node', 100),
      trigger,
      nominatedW: s.watts('nominatedW'),
      paymentUsdPerKwh: s.number('paymentUsdPerKwh', { min: 0, max: 10_000 }),
      provenance: z.optional(
        z.strictObject({
          source: s.text('source', 500),
          standing: s.choice(['read', 'secondary', 'memory', 'assumed', 'derived']),
        }),
      ),
    }),
    answers: { 201: { means: 'Made', body: programSchema } },
    handle: (asked) => {
      const { provenance = { source: 'given with the program', standing: 'assumed' as const }, ...rest } = asked.body;
      const programId = randomId(asked.face.tools, 'prg');
      const program: Program = { programId, workspaceId: asked.workspaceId, ...rest, provenance };
      return asked.change({ kind: 'create-program', program }, () => ({ status: 201, body: programView(program) }));
    },
  }),
  route({
    method: 'GET',
    path: '/v1/programs',
    tag: 'Programs',
    summary: 'Programs',
    scope: 'read',
    query: z.strictObject(s.paging),
    answers: { 200: { means: 'A page', body: s.page(programSchema) } },
    handle: (asked) => {
      const isMine = (p: Program) => p.workspaceId === asked.workspaceId;
      const all = asked.state.programs.values();
      return ok(pageOf({ list: 'programs', all, idOf: (p) => p.programId, isMine, view: programView }, asked.query));
    },
  }),
  route({
    method: 'GET',
    path: '/v1/programs/{programId}',
    tag: 'Programs',
    summary: 'A program',
    scope: 'read',
    params: programParams,
    answers: { 200: { means: 'The program', body: programSchema } },
    problems: ['not_found'],
    handle: (asked) => ok(programView(ownProgram(asked, asked.params.programId))),
  }),
];

function ownEnrollment(asked: Asked, enrollmentId: string): Enrollment {
  for (const e of asked.state.enrollments.values()) {
    if (e.enrollmentId === enrollmentId && isOwn(asked, e)) return e;
  }
  throw notFound('enrollment', enrollmentId);
}

const isOwn = (asked: Pick<Asked, 'state' | 'workspaceId'>, { programId, deviceId }: Enrollment): boolean =>
  asked.state.programs.get(programId)?.workspaceId === asked.workspaceId &&
  asked.state.devices.get(deviceId)?.device.workspaceId === asked.workspaceId;

const enrollments: readonly Route[] = [
  route({
    method: 'POST',
    path: '/v1/programs/{programId}/enrollments',
    tag: 'Programs',
    summary: 'Asks for a device to be enrolled',
    description: 'It may end as `ineligible` at once, and says why in the history of the device.',
    scope: 'write:programs',
    params: programParams,
    body: z.strictObject({ deviceId: s.id('deviceId') }),
    answers: { 202: { means: 'Asked for; the status tells how far it is', body: enrollmentSchema } },
    problems: ['not_found', 'conflict'],
    handle: (asked) => {
      const { programId } = asked.params;
      const { deviceId } = asked.body;
      ownProgram(asked, programId);
      ownDevice(asked, deviceId);
      return asked.change({ kind: 'enroll', deviceId, programId }, ({ facts }) => {
        const fact = facts.find((f) => f.type === 'enrollment.changed');
        if (fact?.type !== 'enrollment.changed') throw new ProblemError('internal', 'an enrollment left no fact');
        return { status: 202, body: enrollmentView(ownEnrollment(asked, fact.enrollmentId)) };
      });
    },
  }),
  route({
    method: 'GET',
    path: '/v1/enrollments',
    tag: 'Programs',
    summary: 'Enrollments',
    scope: 'read',
    query: z.strictObject({
      ...s.paging,
      programId: z.optional(s.pathId()),
      deviceId: z.optional(s.pathId()),
      status: z.optional(s.several(s.choice(ENROLLMENT_STATUSES))),
    }),
    answers: { 200: { means: 'A page', body: s.page(enrollmentSchema) } },
    handle: (asked) => {
      const { programId, deviceId, status, ...query } = asked.query;
      const matches = (e: Enrollment) =>
        (programId === undefined || e.programId === programId) &&
        (deviceId === undefined || e.deviceId === deviceId) &&
        (status === undefined || status.includes(e.status));
      const isMine = (e: Enrollment) => isOwn(asked, e);
      const all = asked.state.enrollments.values();
      const of = { list: 'enrollments', all, idOf: (e: Enrollment) => e.enrollmentId, isMine, matches };
      return ok(pageOf({ ...of, view: enrollmentView }, query));
    },
  }),
  route({
    method: 'GET',
    path: '/v1/enrollments/{enrollmentId}',
    tag: 'Programs',
    summary: 'An enrollment',
    scope: 'read',
    params: z.strictObject({ enrollmentId: s.pathId() }),
    answers: { 200: { means: 'The enrollment', body: enrollmentSchema } },
    problems: ['not_found'],
    handle: (asked) => ok(enrollmentView(ownEnrollment(asked, asked.params.enrollmentId))),
  }),
  route({
    method: 'DELETE',
    path: '/v1/enrollments/{enrollmentId}',
    tag: 'Programs',
    summary: 'Takes a device out of a program; only an approved enrollment can end so',
    scope: 'write:programs',
    params: z.strictObject({ enrollmentId: s.pathId() }),
    answers: { 200: { means: 'The enrollment as it is now', body: enrollmentSchema } },
    problems: ['not_found', 'conflict'],
    handle: (asked) => {
      const { enrollmentId } = asked.params;
      const { deviceId, programId, status } = ownEnrollment(asked, enrollmentId);
      if (status === 'unenrolled') return ok(enrollmentView(ownEnrollment(asked, enrollmentId)));
      const why = `asked for by ${asked.principal.actor}`;
      const view = () => ok(enrollmentView(ownEnrollment(asked, enrollmentId)));
      return asked.change({ kind: 'unenroll', deviceId, programId, why }, view);
    },
  }),
  route({
    method: 'PUT',
    path: '/v1/grid-services',
    tag: 'Programs',
    summary: 'Enables or disables grid services for the organisation',
    description: 'Disabled, approved devices leave their programs.',
    scope: 'admin:workspace',
    body: z.strictObject({ enabled: s.flag('enabled') }),
    answers: { 200: { means: 'The workspace as it is now', body: workspaceSchema } },
    problems: ['not_found'],
    handle: (asked) => {
      const { workspaceId } = asked;
      const input = { workspaceId, enabled: asked.body.enabled, actor: asked.principal.actor };
      return asked.change({ kind: 'enable-grid-services', ...input }, () => {
        const workspace = asked.state.workspaces.get(workspaceId);
        if (workspace === undefined) throw notFound('workspace', workspaceId);
        return ok(workspaceView(workspace));
      });
    },
  }),
];

const prices: readonly Route[] = [
  route({
    method: 'POST',
    path: '/v1/prices',
    tag: 'Programs',
    summary: 'Publishes prices at a node; in a sandbox only, where no market does',
    description: 'They hold in the workspace alone and call the events of its programs.',
    scope: 'write:programs',
    body: z.strictObject({
      node: s.text('node', 100),
      market: s.choice(['day-ahead', 'real-time']),
      startsAt: s.instant(),
      stepS: s.whole('stepS', { min: 60, max: 86_400 }),
      usdPerMwh: z
        .array(z.nullable(s.number('a price [$/MWh], or null for a gap', { min: -100_000, max: 100_000 })))
        .min(1, { error: 'at least one price' })
        .max(1_000, { error: 'at most 1,000 prices' }),
    }),
    answers: {
      202: { means: 'Published; what they call is called', body: z.strictObject({ events: z.array(z.string()) }) },
    },
    problems: ['local_time'],
    handle: (asked) => {
      if (asked.face.service.clockOf(asked.workspaceId) === null) {
        throw new ProblemError('forbidden', 'prices come from the market, except in a sandbox');
      }
      const { workspaceId } = asked;
      const { node, market, startsAt: startMs, stepS, usdPerMwh } = asked.body;
      const prices = { workspaceId, node, market, startMs, stepMs: stepS * 1_000, usdPerMwh };
      const input = { kind: 'publish-prices', ...prices } as const;
      return asked.change(input, ({ facts }) => ({
        status: 202,
        body: { events: facts.flatMap((f) => (f.type === 'event.offered' ? [f.event.eventId] : [])) },
      }));
    },
  }),
];

export const programRoutes: readonly Route[] = [...programs, ...enrollments, ...prices];
