import { z } from 'zod';
import type { ScheduleEntry } from '../../core/scheduleState.ts';
import {
  type DeviceModeSchedule,
  type FiringResult,
  PREVIEW_MAX,
  preview,
  type Schedule,
} from '../../domain/schedule.ts';
import { isoUtc } from '../../domain/time.ts';
import { ownAny } from '../anyDevice.ts';
import { pageOf } from '../page.ts';
import { notFound, ProblemError } from '../problems.ts';
import { type Answer, type Asked, ok, type Route, route } from '../route.ts';
import * as s from '../schemas.ts';
import { modeBody, modeOf, orderOf, timedOrderBody } from './orders.ts';

/**
 * Schedules: commands at times, and the mode of a device over the week. A newer one beats an older one, a device's own
 * beats a tag's.
 * @source TextureHQ/docs schedules: paths and body of a device's schedule
 */
const tag = 'Schedules';
const days = z
  .array(s.whole('a day of the week, 0 = Sunday', { min: 0, max: 6 }))
  .min(1, { error: 'at least one day' })
  .max(7, { error: 'at most seven days' });
const clock = (what: string) => {
  const error = `${what}: a local time like 16:00`;
  return z.string({ error }).regex(/^(([01]\d|2[0-3]):[0-5]\d|24:00)$/, { error });
};

const timing = z.discriminatedUnion(
  'kind',
  [
    z.strictObject({
      kind: z.literal('cron'),
      expression: s.text('a cron expression of five fields', 100),
      timeZone: s.timeZone(),
    }),
    z.strictObject({ kind: z.literal('once'), at: s.instant() }),
    z.strictObject({ kind: z.literal('weekly'), daysOfWeek: days, time: clock('time'), timeZone: s.timeZone() }),
  ],
  { error: 'kind "cron", "once" or "weekly"' },
);
const target = z.discriminatedUnion(
  'kind',
  [
    z.strictObject({ kind: z.literal('tag'), tag: s.text('tag', 100) }),
    z.strictObject({ kind: z.literal('group'), groupId: s.id('groupId') }),
    z.strictObject({ kind: z.literal('device'), deviceId: s.id('deviceId') }),
  ],
  { error: 'kind "tag", "group" or "device"' },
);
const body = z.strictObject({
  name: z.optional(s.text('name')),
  target,
  timing,
  command: timedOrderBody,
});

const some = z.record(z.string(), z.unknown());
const schema = z.strictObject({
  id: z.string(),
  kind: z.string(),
  status: z.string(),
  nextAt: z.nullable(s.wireInstant()),
  fired: z.number(),
  missed: z.number(),
  last: z.nullable(z.strictObject({ dueAt: s.wireInstant(), result: some })),
  schedule: some,
});

function view({ schedule, status, nextMs, last, fired, missed }: ScheduleEntry) {
  return {
    id: schedule.scheduleId,
    kind: schedule.kind,
    status,
    nextAt: nextMs === null ? null : isoUtc(nextMs),
    fired,
    missed,
    last: last === null ? null : { dueAt: isoUtc(last.dueMs), result: last.result satisfies FiringResult },
    schedule: shownSchedule(schedule),
  };
}

function shownSchedule(schedule: Schedule): Readonly<Record<string, unknown>> {
  if (schedule.kind === 'device-modes') return shownWeek(schedule);
  const { name, target: to, timing: at, command, durationMs } = schedule;
  return {
    name,
    target: to,
    timing: at.kind === 'once' ? { kind: 'once', at: isoUtc(at.atMs) } : at,
    command: durationMs === null ? command : { ...command, durationS: durationMs / 1_000 },
  };
}

/** Modes as they are asked for: the input of the command, whose slug goes with the kind of device. */
function shownWeek({ deviceId, timeZone, defaultDeviceOperatingMode, rules }: DeviceModeSchedule) {
  return {
    deviceId,
    timeZone,
    defaultDeviceOperatingMode: defaultDeviceOperatingMode.input,
    rules: rules.map((rule) => ({ ...rule, deviceOperatingMode: rule.deviceOperatingMode.input })),
  };
}

function own(asked: Asked, scheduleId: string): ScheduleEntry {
  const entry = asked.state.schedules.get(scheduleId);
  if (entry?.schedule.workspaceId !== asked.workspaceId) throw notFound('schedule', scheduleId);
  return entry;
}

/** Answers with the schedule that was made. */
function made(asked: Asked, facts: readonly { readonly type: string }[]): Answer {
  const fact = facts.find((f): f is { type: 'schedule.created'; scheduleId: string } => f.type === 'schedule.created');
  if (fact === undefined) throw new ProblemError('internal', 'a schedule left no fact');
  return { status: 201, body: view(own(asked, fact.scheduleId)) };
}

function create(asked: Asked<undefined, undefined, z.output<typeof body>>): Promise<Answer> {
  const { target: to, timing: at, command, name } = asked.body;
  if (to.kind === 'device') ownAny(asked, to.deviceId);
  const schedule = {
    kind: 'command',
    workspaceId: asked.workspaceId,
    name: name ?? '',
    target: to,
    timing: at.kind === 'once' ? { kind: 'once' as const, atMs: at.at } : at,
    command: orderOf(command),
    durationMs: command.durationS === undefined ? null : command.durationS * 1_000,
  } as const;
  const input = { kind: 'create-schedule', schedule, actor: asked.principal.actor } as const;
  return asked.change(input, ({ facts }) => made(asked, facts));
}

const params = z.strictObject({ scheduleId: s.pathId() });
const deviceParams = z.strictObject({ deviceId: s.pathId() });

const steer = (what: 'pause' | 'resume', summary: string): Route =>
  route({
    method: 'POST',
    path: `/v1/schedules/{scheduleId}/${what}`,
    tag,
    summary,
    scope: 'write:commands',
    params,
    answers: { 200: { means: 'The schedule as it is now', body: schema } },
    problems: ['not_found', 'conflict'],
    handle: (asked) => {
      const { scheduleId } = own(asked, asked.params.scheduleId).schedule;
      const input = { workspaceId: asked.workspaceId, scheduleId, actor: asked.principal.actor };
      return asked.change({ kind: `${what}-schedule`, ...input }, () => ok(view(own(asked, scheduleId))));
    },
  });

const ofDevices: readonly Route[] = [
  route({
    method: 'POST',
    path: '/v1/devices/{deviceId}/schedule',
    tag,
    summary: 'The modes of a device over the week; a new one replaces the one before',
    scope: 'write:commands',
    params: deviceParams,
    body: z.strictObject({
      schedule: z.strictObject({ deviceTimezone: s.timeZone(), defaultDeviceOperatingMode: modeBody }),
      rules: z
        .array(
          z.strictObject({
            daysOfWeek: days,
            startTime: clock('startTime'),
            endTime: clock('endTime'),
            deviceOperatingMode: modeBody,
          }),
        )
        .min(1, { error: 'at least one rule' })
        .max(100, { error: 'at most 100 rules' }),
    }),
    answers: { 201: { means: 'Made', body: schema } },
    problems: ['not_found', 'unprocessable', 'grid_interaction_unsaid', 'limit_reached', 'conflict'],
    handle: (asked) => {
      const { deviceId } = asked.params;
      const device = ownAny(asked, deviceId);
      const { schedule: head, rules } = asked.body;
      const schedule: Omit<DeviceModeSchedule, 'scheduleId'> = {
        kind: 'device-modes',
        workspaceId: asked.workspaceId,
        deviceId,
        timeZone: head.deviceTimezone,
        defaultDeviceOperatingMode: modeOf(device, head.defaultDeviceOperatingMode, 'defaultDeviceOperatingMode'),
        rules: rules.map((rule, i) => {
          const mode = modeOf(device, rule.deviceOperatingMode, `rules[${i}].deviceOperatingMode`);
          return { ...rule, deviceOperatingMode: mode };
        }),
      };
      const input = { kind: 'create-schedule', schedule, actor: asked.principal.actor } as const;
      return asked.change(input, ({ facts }) => made(asked, facts));
    },
  }),
  route({
    method: 'GET',
    path: '/v1/devices/{deviceId}/schedule',
    tag,
    summary: 'The schedule of a device’s modes',
    scope: 'read',
    params: deviceParams,
    answers: { 200: { means: 'The schedule', body: schema } },
    problems: ['not_found'],
    handle: (asked) => {
      const { deviceId } = asked.params;
      ownAny(asked, deviceId);
      const scheduleId = asked.state.deviceModes.get(deviceId);
      if (scheduleId === undefined) throw notFound('schedule of the device', deviceId);
      return ok(view(own(asked, scheduleId)));
    },
  }),
];

export const scheduleRoutes: readonly Route[] = [
  route({
    method: 'POST',
    path: '/v1/schedules',
    tag,
    summary: 'Commands a device, or all with a tag or of a group, at times',
    description:
      'cron has five fields; a local time that daylight saving time skips or doubles is decided by a stated rule and never fired twice. Devices that do not know the command are left out. Without durationS a setting stands; with it, what stood before is set back at the end. Of what is told by the same slug newer beats older, and a schedule of a device beats one of a tag or group.',
    scope: 'write:commands',
    body,
    answers: { 201: { means: 'Made', body: schema } },
    problems: ['not_found', 'unprocessable', 'grid_interaction_unsaid', 'local_time', 'limit_reached', 'conflict'],
    handle: create,
  }),
  route({
    method: 'GET',
    path: '/v1/schedules',
    tag,
    summary: 'Schedules',
    scope: 'read',
    query: z.strictObject({
      ...s.paging,
      tag: z.optional(z.string().max(100)),
      groupId: z.optional(s.pathId()),
      deviceId: z.optional(s.pathId()),
      status: z.optional(s.choice(['active', 'paused', 'over'])),
    }),
    answers: { 200: { means: 'A page', body: s.page(schema) } },
    handle: (asked) => {
      const { tag: wantedTag, groupId, deviceId, status, ...query } = asked.query;
      const matches = ({ schedule, status: now }: ScheduleEntry): boolean => {
        const to = schedule.kind === 'command' ? schedule.target : { kind: 'device', deviceId: schedule.deviceId };
        return (
          (wantedTag === undefined || ('tag' in to && to.tag === wantedTag)) &&
          (groupId === undefined || ('groupId' in to && to.groupId === groupId)) &&
          (deviceId === undefined || ('deviceId' in to && to.deviceId === deviceId)) &&
          (status === undefined || now === status)
        );
      };
      const all = asked.state.schedules.values();
      const isMine = ({ schedule }: ScheduleEntry) => schedule.workspaceId === asked.workspaceId;
      const idOf = ({ schedule }: ScheduleEntry) => schedule.scheduleId;
      return ok(pageOf({ list: 'schedules', all, idOf, isMine, matches, view }, query));
    },
  }),
  route({
    method: 'GET',
    path: '/v1/schedules/{scheduleId}',
    tag,
    summary: 'A schedule',
    scope: 'read',
    params,
    answers: { 200: { means: 'The schedule', body: schema } },
    problems: ['not_found'],
    handle: (asked) => ok(view(own(asked, asked.params.scheduleId))),
  }),
  route({
    method: 'DELETE',
    path: '/v1/schedules/{scheduleId}',
    tag,
    summary: 'Ends a schedule; commands it gave stay',
    scope: 'write:commands',
    urgent: true,
    params,
    answers: { 204: { means: 'Ended', body: null } },
    problems: ['not_found'],
    handle: (asked) => {
      const { scheduleId } = own(asked, asked.params.scheduleId).schedule;
      const input = { workspaceId: asked.workspaceId, scheduleId, actor: asked.principal.actor };
      return asked.change({ kind: 'delete-schedule', ...input }, () => ({ status: 204, body: null }));
    },
  }),
  steer('pause', 'Pauses a schedule'),
  steer('resume', 'Lets a paused schedule go on; what it missed is not made up for'),
  route({
    method: 'GET',
    path: '/v1/schedules/{scheduleId}/preview',
    tag,
    summary: 'The next times of a schedule',
    scope: 'read',
    params,
    query: z.strictObject({ count: z.optional(s.queryWhole('count', { min: 1, max: PREVIEW_MAX })) }),
    answers: {
      200: {
        means: 'The times',
        body: z.strictObject({ data: z.array(z.strictObject({ at: s.wireInstant(), command: some })) }),
      },
    },
    problems: ['not_found'],
    handle: (asked) => {
      const { schedule } = own(asked, asked.params.scheduleId);
      const times = preview(schedule, asked.nowMs, asked.query.count ?? 10);
      return ok({ data: times.map(({ atMs, command }) => ({ at: isoUtc(atMs), command: { ...command } })) });
    },
  }),
  ...ofDevices,
];
