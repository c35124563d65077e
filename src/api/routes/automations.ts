import { z } from 'zod';
import { deviceOf } from '../../core/anyDevice.ts';
import type { AutomationEntry } from '../../core/automationState.ts';
import { dryRun } from '../../core/dryRun.ts';
import { membersOf } from '../../core/groups.ts';
import { ALERT_SEVERITIES, ALERT_TYPES } from '../../domain/alert.ts';
import type { AutomationRule } from '../../domain/automation.ts';
import type { Group, GroupRule } from '../../domain/group.ts';
import { DEVICE_KINDS } from '../../domain/order.ts';
import { METRICS, STATE_FIELDS } from '../../domain/sample.ts';
import { isoUtc } from '../../domain/time.ts';
import { anySchema, anyView } from '../anyDevice.ts';
import { ownGroup } from '../owned.ts';
import { pageOf } from '../page.ts';
import { notFound, ProblemError } from '../problems.ts';
import { type Asked, ok, type Route, route } from '../route.ts';
import * as s from '../schemas.ts';
import { orderBody, orderOf } from './orders.ts';

/** Automations: when something becomes so, something is done. Groups: saved selections of devices. */
const tag = 'Automations';
const clock = (what: string) => {
  const error = `${what}: a local time like 16:00`;
  return z.string({ error }).regex(/^([01]\d|2[0-3]):[0-5]\d$/, { error });
};
const comparison = s.choice(['above', 'below']);
const value = s.number('value', { min: -1e12, max: 1e12 });
const ids = (what: string) =>
  z
    .array(s.id(what), { error: `a list of ${what}` })
    .min(1, { error: 'at least one' })
    .max(1_000, { error: 'at most 1,000' });

const selections = [
  z.strictObject({ kind: z.literal('all') }),
  z.strictObject({ kind: z.literal('devices'), deviceIds: ids('a device id') }),
  z.strictObject({ kind: z.literal('tag'), tag: s.text('tag', 100) }),
  z.strictObject({ kind: z.literal('group'), groupId: s.id('groupId') }),
] as const;
const selection = z.discriminatedUnion('kind', selections, { error: 'kind "all", "devices", "tag" or "group"' });
const price = z.strictObject({
  kind: z.literal('price'),
  node: s.text('node', 100),
  market: s.choice(['day-ahead', 'real-time']),
  comparison,
  usdPerMwh: s.number('usdPerMwh', { min: -100_000, max: 100_000 }),
});

const forMs = s.whole('forMs', { min: 0, max: 86_400_000 });
const state = {
  field: s.choice(STATE_FIELDS),
  is: z.union([z.string().max(40), z.boolean()], {
    error: 'a value of the field, such as "charging", or true or false',
  }),
};

const when = z.discriminatedUnion(
  'kind',
  [
    z.strictObject({ kind: z.literal('time'), cron: s.text('cron', 100), timeZone: s.timeZone() }),
    price,
    z.strictObject({
      kind: z.literal('telemetry'),
      watch: selection,
      metric: s.choice(METRICS),
      comparison,
      value,
      forMs,
      hysteresis: s.number('hysteresis', { min: 0, max: 1e12 }),
    }),
    z.strictObject({ kind: z.literal('state'), watch: selection, ...state, forMs }),
    z.strictObject({ kind: z.literal('storm'), watch: selection, what: s.choice(['began', 'ended']) }),
    z.strictObject({
      kind: z.literal('event'),
      what: s.choice(['offered', 'started', 'ended']),
      programId: z.nullable(s.id('programId')),
    }),
  ],
  { error: 'kind "time", "price", "telemetry", "state", "storm" or "event"' },
);

const condition = z.discriminatedUnion(
  'kind',
  [
    z.strictObject({
      kind: z.literal('time'),
      window: z.strictObject({ start: clock('start'), end: clock('end') }),
      daysOfWeek: z.exactOptional(z.array(s.whole('a day, 0 = Sunday', { min: 0, max: 6 })).max(7)),
      timeZone: s.timeZone(),
    }),
    price,
    z.strictObject({ kind: z.literal('telemetry'), metric: s.choice(METRICS), comparison, value }),
    z.strictObject({ kind: z.literal('state'), ...state }),
    z.strictObject({ kind: z.literal('storm'), active: s.flag('active') }),
    z.strictObject({ kind: z.literal('event'), programId: s.id('programId'), running: s.flag('running') }),
  ],
  { error: 'kind "time", "price", "telemetry", "state", "storm" or "event"' },
);

const action = z.discriminatedUnion(
  'kind',
  [
    z.strictObject({
      kind: z.literal('command'),
      command: orderBody,
      durationMs: z.optional(z.nullable(s.whole('durationMs', { min: 60_000, max: 7 * 86_400_000 }))),
    }),
    z.strictObject({ kind: z.literal('opt-out') }),
    z.strictObject({ kind: z.literal('unenroll'), programId: s.id('programId') }),
    z.strictObject({
      kind: z.literal('alert'),
      type: s.choice(ALERT_TYPES),
      severity: s.choice(ALERT_SEVERITIES),
      text: s.text('text', 1_000),
    }),
  ],
  { error: 'kind "command", "opt-out", "unenroll" or "alert"' },
);

const body = z.strictObject({
  name: s.text('name'),
  enabled: s.flag('enabled'),
  when,
  conditions: z.optional(z.array(condition).max(20, { error: 'at most 20 conditions' })),
  target: z.discriminatedUnion('kind', [...selections, z.strictObject({ kind: z.literal('triggering-device') })], {
    error: 'kind "all", "devices", "tag", "group" or "triggering-device"',
  }),
  action,
  cooldownMs: s.whole('cooldownMs', { min: 300_000, max: 30 * 86_400_000 }),
  firingsPerDayMax: s.whole('firingsPerDayMax', { min: 1, max: 96 }),
  timeZone: s.timeZone(),
});

function ruleOf(asked: Asked<unknown, unknown, z.output<typeof body>>): AutomationRule {
  const { action: to, conditions = [], ...rest } = asked.body;
  const act =
    to.kind === 'command' ? { kind: to.kind, command: orderOf(to.command), durationMs: to.durationMs ?? null } : to;
  return { workspaceId: asked.workspaceId, ...rest, conditions, action: act };
}

const some = z.record(z.string(), z.unknown());
const schema = z.strictObject({
  id: z.string(),
  rule: some,
  nextAt: z.nullable(s.wireInstant()),
  firings: z.number(),
});
function view({ automation, nextMs, firings }: AutomationEntry) {
  const { automationId, workspaceId: _, ...rule } = automation;
  return { id: automationId, rule, nextAt: nextMs === null ? null : isoUtc(nextMs), firings };
}

function own(asked: Asked, automationId: string): AutomationEntry {
  const entry = asked.state.automations.get(automationId);
  if (entry?.automation.workspaceId !== asked.workspaceId) throw notFound('automation', automationId);
  return entry;
}

const params = z.strictObject({ automationId: s.pathId() });
const problems = ['not_found', 'unprocessable', 'grid_interaction_unsaid', 'limit_reached', 'conflict'] as const;

const automations: readonly Route[] = [
  route({
    method: 'POST',
    path: '/v1/automations',
    tag,
    summary: 'Makes an automation',
    description:
      'It fires on an edge, when what it asks for begins to hold. What is not known holds neither way. A command goes to the targets that know its slug; without durationMs a setting stands.',
    scope: 'write:commands',
    body,
    answers: { 201: { means: 'Made', body: schema } },
    problems,
    handle: (asked) => {
      const input = { kind: 'create-automation', rule: ruleOf(asked), actor: asked.principal.actor } as const;
      return asked.change(input, ({ facts }) => {
        const fact = facts.find((f) => f.type === 'automation.saved');
        if (fact?.type !== 'automation.saved') throw new ProblemError('internal', 'an automation left no fact');
        return { status: 201, body: view(own(asked, fact.automationId)) };
      });
    },
  }),
  route({
    method: 'GET',
    path: '/v1/automations',
    tag,
    summary: 'Automations',
    scope: 'read',
    query: z.strictObject(s.paging),
    answers: { 200: { means: 'A page', body: s.page(schema) } },
    handle: (asked) => {
      const isMine = ({ automation }: AutomationEntry) => automation.workspaceId === asked.workspaceId;
      const idOf = ({ automation }: AutomationEntry) => automation.automationId;
      const all = asked.state.automations.values();
      return ok(pageOf({ list: 'automations', all, idOf, isMine, view }, asked.query));
    },
  }),
  route({
    method: 'GET',
    path: '/v1/automations/{automationId}',
    tag,
    summary: 'An automation',
    scope: 'read',
    params,
    answers: { 200: { means: 'The automation', body: schema } },
    problems: ['not_found'],
    handle: (asked) => ok(view(own(asked, asked.params.automationId))),
  }),
  route({
    method: 'PUT',
    path: '/v1/automations/{automationId}',
    tag,
    summary: 'Replaces an automation',
    scope: 'write:commands',
    params,
    body,
    answers: { 200: { means: 'As it is now', body: schema } },
    problems,
    handle: (asked) => {
      const { automationId } = own(asked, asked.params.automationId).automation;
      const automation = { ...ruleOf(asked), automationId };
      const input = { kind: 'change-automation', automation, actor: asked.principal.actor } as const;
      return asked.change(input, () => ok(view(own(asked, automationId))));
    },
  }),
  route({
    method: 'DELETE',
    path: '/v1/automations/{automationId}',
    tag,
    summary: 'Ends an automation',
    scope: 'write:commands',
    urgent: true,
    params,
    answers: { 204: { means: 'Ended', body: null } },
    problems: ['not_found'],
    handle: (asked) => {
      const { automationId } = own(asked, asked.params.automationId).automation;
      const input = { workspaceId: asked.workspaceId, automationId, actor: asked.principal.actor };
      return asked.change({ kind: 'delete-automation', ...input }, () => ({ status: 204, body: null }));
    },
  }),
  route({
    method: 'POST',
    path: '/v1/automations/dry-run',
    tag,
    summary: 'What a rule would do now, device by device, and why not; nothing is done',
    scope: 'read',
    harmless: true,
    body,
    answers: { 200: { means: 'What would happen', body: some } },
    problems: ['grid_interaction_unsaid'],
    handle: (asked) => {
      const { state, telemetry, settings } = asked.plant;
      return ok(dryRun({ state, telemetry, settings, rule: ruleOf(asked), nowMs: asked.nowMs }));
    },
  }),
];

const groupBody = z.strictObject({
  name: s.text('name'),
  rule: z.strictObject({
    tags: z.exactOptional(z.array(s.text('a tag', 100)).min(1).max(50)),
    kinds: z.exactOptional(z.array(s.choice(DEVICE_KINDS)).min(1).max(10)),
    siteIds: z.exactOptional(ids('a site id')),
    within: z.exactOptional(
      z.strictObject({
        latitude: s.number('latitude [°]', { min: -90, max: 90 }),
        longitude: s.number('longitude [°]', { min: -180, max: 180 }),
        radiusM: s.number('radiusM [m]', { min: 1, max: 20_037_508 }),
      }),
    ),
    transformerId: z.exactOptional(s.id('transformerId')),
  }),
});
const groupSchema = z.strictObject({ id: z.string(), name: z.string(), rule: some });
const groupView = ({ groupId, name, rule }: Group) => ({ id: groupId, name, rule: rule satisfies GroupRule });

const groupParams = z.strictObject({ groupId: s.pathId() });

const groups: readonly Route[] = [
  route({
    method: 'POST',
    path: '/v1/groups',
    tag: 'Fleet',
    summary: 'Saves a selection of devices; one that comes later is in it',
    scope: 'write:devices',
    body: groupBody,
    answers: { 201: { means: 'Made', body: groupSchema } },
    problems: ['not_found', 'unprocessable', 'limit_reached', 'conflict'],
    handle: (asked) => {
      const group = { workspaceId: asked.workspaceId, ...asked.body };
      return asked.change({ kind: 'create-group', group, actor: asked.principal.actor }, ({ facts }) => {
        const fact = facts.find((f) => f.type === 'group.saved');
        if (fact?.type !== 'group.saved') throw new ProblemError('internal', 'a group left no fact');
        return { status: 201, body: groupView(ownGroup(asked, fact.groupId)) };
      });
    },
  }),
  route({
    method: 'GET',
    path: '/v1/groups',
    tag: 'Fleet',
    summary: 'Groups',
    scope: 'read',
    query: z.strictObject(s.paging),
    answers: { 200: { means: 'A page', body: s.page(groupSchema) } },
    handle: (asked) => {
      const isMine = (g: Group) => g.workspaceId === asked.workspaceId;
      const all = asked.state.groups.values();
      return ok(pageOf({ list: 'groups', all, idOf: (g) => g.groupId, isMine, view: groupView }, asked.query));
    },
  }),
  route({
    method: 'GET',
    path: '/v1/groups/{groupId}',
    tag: 'Fleet',
    summary: 'A group',
    scope: 'read',
    params: groupParams,
    answers: { 200: { means: 'The group', body: groupSchema } },
    problems: ['not_found'],
    handle: (asked) => ok(groupView(ownGroup(asked, asked.params.groupId))),
  }),
  route({
    method: 'PUT',
    path: '/v1/groups/{groupId}',
    tag: 'Fleet',
    summary: 'Replaces a group',
    scope: 'write:devices',
    params: groupParams,
    body: groupBody,
    answers: { 200: { means: 'As it is now', body: groupSchema } },
    problems: ['not_found', 'unprocessable', 'conflict'],
    handle: (asked) => {
      const { groupId } = ownGroup(asked, asked.params.groupId);
      const group = { groupId, workspaceId: asked.workspaceId, ...asked.body };
      const view = () => ok(groupView(ownGroup(asked, groupId)));
      return asked.change({ kind: 'change-group', group, actor: asked.principal.actor }, view);
    },
  }),
  route({
    method: 'DELETE',
    path: '/v1/groups/{groupId}',
    tag: 'Fleet',
    summary: 'Ends a group',
    scope: 'write:devices',
    params: groupParams,
    answers: { 204: { means: 'Ended', body: null } },
    problems: ['not_found', 'conflict'],
    handle: (asked) => {
      const { groupId } = ownGroup(asked, asked.params.groupId);
      const input = { workspaceId: asked.workspaceId, groupId, actor: asked.principal.actor };
      return asked.change({ kind: 'delete-group', ...input }, () => ({ status: 204, body: null }));
    },
  }),
  route({
    method: 'GET',
    path: '/v1/groups/{groupId}/devices',
    tag: 'Fleet',
    summary: 'The devices of a group now',
    scope: 'read',
    params: groupParams,
    query: z.strictObject(s.paging),
    answers: { 200: { means: 'A page', body: s.page(anySchema) } },
    problems: ['not_found'],
    handle: (asked) => {
      const { groupId } = ownGroup(asked, asked.params.groupId);
      return ok(
        pageOf(
          {
            list: `group/${groupId}`,
            all: membersOf(asked.state, groupId),
            idOf: (entry) => deviceOf(entry).deviceId,
            isMine: () => true,
            view: (entry) => anyView(asked, entry),
          },
          asked.query,
        ),
      );
    },
  }),
];

export const automationRoutes: readonly Route[] = [...automations, ...groups];
