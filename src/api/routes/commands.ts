import { z } from 'zod';
import { deviceOf } from '../../core/anyDevice.ts';
import { enrollmentOf } from '../../core/enrollment.ts';
import { membersOf } from '../../core/groups.ts';
import type { DeviceEntry } from '../../core/state.ts';
import { COMMAND_STATUSES, type CommandInput } from '../../domain/command.ts';
import { BATTERY_SLUG, knows } from '../../domain/order.ts';
import { isoUtc } from '../../domain/time.ts';
import { type EpochMs, MS_PER_DAY, MS_PER_HOUR } from '../../domain/units.ts';
import { applianceCommandOf, applianceCommandView, ownAppliance, settingOf } from '../appliances.ts';
import { commandFromHistory, historyEntry } from '../history.ts';
import { ownDevice, ownGroup } from '../owned.ts';
import { beforeSeqOf, cursorAt } from '../page.ts';
import { notFound, ProblemError } from '../problems.ts';
import { type Answer, type Asked, ok, type Route, route } from '../route.ts';
import * as s from '../schemas.ts';
import type { Decided } from '../service.ts';
import { batchSchema, batchView, type CommandLike, commandSchema, commandView } from '../views.ts';
import { settingWindow } from './appliances.ts';
import { batteryInput, inputOf, orderBody } from './orders.ts';

/**
 * Commands. 202 means that it is recorded, and nothing more: what becomes of it is told by GET, by the stream and by
 * webhooks. A battery under Storm Guard ignores grid commands, so such a command is accepted and at once
 * `ignored: storm_guard`, never `succeeded`.
 * @source TextureHQ/docs platform-concepts/commands: request, defaults, executionPriority
 */
const WINDOW_MS_MAX = 7 * MS_PER_DAY;
/** Texture's battery commands have no duration; ours end by themselves. */
const WINDOW_MS = MS_PER_HOUR;
const BATCH_LIST_MAX = 1_000;

const window = { startsAt: z.optional(s.instant()), endsAt: z.optional(s.instant()) };
const commandBody = z.strictObject({ deviceId: s.id('deviceId'), input: batteryInput, ...window });

/** The window a request means [epoch ms]; it begins now and lasts an hour unless it says otherwise. */
export function windowOf(
  asked: { readonly startsAt?: EpochMs | undefined; readonly endsAt?: EpochMs | undefined },
  nowMs: EpochMs,
): { readonly startMs: EpochMs; readonly endMs: EpochMs } {
  const startMs = asked.startsAt ?? nowMs;
  const endMs = asked.endsAt ?? startMs + WINDOW_MS;
  const at = (place: string, foundMs: EpochMs, expected: string) => ({
    errors: [{ place, found: isoUtc(foundMs), expected }],
  });
  if (endMs <= startMs) {
    throw new ProblemError('invalid_request', 'the window', at('endsAt', endMs, `after ${isoUtc(startMs)}`));
  }
  if (endMs <= nowMs || startMs < nowMs - MS_PER_DAY) {
    throw new ProblemError('window_in_past', 'the window', at('endsAt', endMs, `after now, ${isoUtc(nowMs)}`));
  }
  if (endMs - startMs > WINDOW_MS_MAX) {
    throw new ProblemError('window_too_long', 'the window', at('endsAt', endMs, 'at most 7 days after startsAt'));
  }
  return { startMs, endMs };
}

/** Without a say in executionPriority a grid command of a device that is in no program would end up elsewhere. */
function guardEnrollment(asked: Asked, { device }: DeviceEntry, input: CommandInput): void {
  if (!input.enableGridInteraction || input.executionPriority !== undefined || device.source.kind !== 'oem') return;
  const standing = enrollmentOf(asked.state, device.deviceId);
  if (standing === 'approved') return;
  const { needsEnrollment } = asked.plant.settings.capabilities[device.source.oem];
  const hint = needsEnrollment ? '' : '; give executionPriority ["baseline"] to command it without grid services';
  if (standing === 'pending') throw new ProblemError('enrollment_pending', `its enrollment is not approved${hint}`);
  throw new ProblemError('not_enrolled', `the device is enrolled in no program${hint}`);
}

type CommandBody = z.output<typeof commandBody>;

function command(asked: Asked<undefined, undefined, CommandBody>): Promise<Answer> {
  const { body, workspaceId, nowMs } = asked;
  const device = ownDevice(asked, body.deviceId);
  const input = inputOf(body.input);
  const window = windowOf(body, nowMs);
  guardPower(device, input);
  guardEnrollment(asked, device, input);
  const { actor } = asked.principal;
  const request = { workspaceId, deviceId: body.deviceId, input, ...window, actor };
  return asked.change({ kind: 'command', request }, (decided) => accepted(asked, decided));
}

function guardPower({ device }: DeviceEntry, { operatingMode, powerW }: CommandInput): void {
  const { chargeWMax, dischargeWMax } = device.nameplate;
  const mostW = operatingMode === 'charge' ? chargeWMax : dischargeWMax;
  if (powerW === undefined || powerW <= mostW) return;
  const errors = [{ place: 'input.powerW', found: String(powerW), expected: `at most ${mostW}, the device's maximum` }];
  throw new ProblemError('unprocessable', `input.powerW is over the device's maximum of ${mostW} W`, { errors });
}

function accepted(asked: Asked, decided: Decided): Answer {
  const fact = decided.facts.find((f) => f.type === 'command.accepted');
  const entry = fact?.type === 'command.accepted' ? asked.state.commands.get(fact.command.commandId) : undefined;
  if (entry === undefined) throw new ProblemError('internal', 'a command was accepted and is not there');
  return { status: 202, body: commandView(entry) };
}

/** A command of the caller's workspace to a device of any kind, also one that ended long ago. */
function commandShown(asked: Asked, commandId: string): ReturnType<typeof commandView | typeof applianceCommandView> {
  const { service } = asked.face;
  const mine = <T extends { readonly command: { readonly workspaceId: string } }>(entry: T | null): T | null =>
    entry?.command.workspaceId === asked.workspaceId ? entry : null;
  const other = mine(applianceCommandOf({ service, state: asked.state }, commandId));
  if (other !== null) return applianceCommandView(other);
  const entry: CommandLike | null = mine(asked.state.commands.get(commandId) ?? commandFromHistory(service, commandId));
  if (entry === null) throw notFound('command', commandId);
  return commandView(entry);
}

const commandId = z.strictObject({ commandId: s.pathId() });
const given = { 202: { means: 'Recorded; the status tells what became of it so far', body: commandSchema } } as const;

const create = (path: string, summary: string): Route =>
  route({
    method: 'POST',
    path,
    tag: 'Commands',
    summary,
    description:
      'A device has one open command: a newer one takes the place of the open one and ends it at once, also when it starts ' +
      'later; what is to follow one another belongs into a schedule. Without enableGridInteraction the battery serves its ' +
      "own load only. What the device's manufacturer or site has no words for is refused (unsupported_by_device): a " +
      'powerW below its nameplate for a device that knows only on and off; reserves, and a discharge without ' +
      'enableGridInteraction, for a site behind DNP3; anything for a device of a manufacturer that takes commands only ' +
      'with an approved enrollment.',
    scope: 'write:commands',
    body: commandBody,
    answers: given,
    problems: [
      'not_found',
      'conflict',
      'not_enrolled',
      'enrollment_pending',
      'unprocessable',
      'window_in_past',
      'window_too_long',
      'local_time',
      'grid_interaction_unsaid',
      'unsupported_by_device',
    ],
    handle: command,
  });

const commandsOfDevice = route({
  method: 'GET',
  path: '/v1/devices/{deviceId}/commands',
  tag: 'Commands',
  summary: 'Commands of a device, newest first',
  scope: 'read',
  params: z.strictObject({ deviceId: s.pathId() }),
  query: z.strictObject({ ...s.paging, status: z.optional(s.several(s.choice(COMMAND_STATUSES))) }),
  answers: { 200: { means: 'A page', body: s.page(commandSchema) } },
  problems: ['not_found'],
  handle: (asked) => {
    const { deviceId } = asked.params;
    if (ownAppliance(asked, deviceId) === null) ownDevice(asked, deviceId);
    const { list, limit } = { list: `commands/${deviceId}`, limit: s.pageSize(asked.query) };
    const wanted = asked.query.status;
    const data: ReturnType<typeof commandShown>[] = [];
    let beforeSeq = beforeSeqOf(list, asked.query);
    // The journal has many entries per command: it is read on until the page is full, at most so often.
    for (let n = 0; n < READS_MAX; n++) {
      const entries = asked.face.service.history(`device/${deviceId}`, { beforeSeq, limit: READ });
      for (const entry of entries) {
        beforeSeq = entry.seq;
        for (const fact of entry.facts) {
          if (fact.type !== 'command.accepted' && fact.type !== 'appliance.command-accepted') continue;
          if (fact.command.deviceId !== deviceId) continue;
          const view = commandShown(asked, fact.command.commandId);
          if (wanted === undefined || wanted.includes(view.status)) data.push(view);
        }
        if (data.length >= limit) return ok({ data, nextCursor: cursorAt(list, entry.seq) });
      }
      if (entries.length < READ) return ok({ data, nextCursor: null });
    }
    return ok({ data, nextCursor: beforeSeq === null ? null : cursorAt(list, beforeSeq) });
  },
});
const READ = 200;
const READS_MAX = 20;

const batchBody = z
  .strictObject({
    tag: z.optional(s.text('tag', 100)),
    deviceIds: z.optional(
      z
        .array(s.id('a device id'), { error: `1 to ${BATCH_LIST_MAX} device ids` })
        .min(1, { error: `1 to ${BATCH_LIST_MAX} device ids` })
        .max(BATCH_LIST_MAX, { error: `1 to ${BATCH_LIST_MAX} device ids` })
        .refine((ids) => new Set(ids).size === ids.length, { error: 'each device once' }),
    ),
    groupId: z.optional(s.id('groupId')),
    command: orderBody,
    allOrNothing: z.optional(s.flag('allOrNothing: refuse the whole batch unless every device can take it')),
    ...window,
  })
  .refine((b) => [b.tag, b.groupId, b.deviceIds].filter((x) => x !== undefined).length === 1, {
    error: 'one of tag, groupId and deviceIds',
    path: ['tag'],
  });

const batch = route({
  method: 'POST',
  path: '/v1/batch-commands',
  tag: 'Commands',
  summary: 'Commands all devices with a tag or of a group, or a list of devices',
  description:
    'Devices that cannot take it are left out and named in `skipped`, each with its reason; of a group those that do not know the command are not asked. With allOrNothing the whole batch is refused instead.',
  scope: 'write:commands',
  body: batchBody,
  answers: { 202: { means: 'Recorded; one item per device', body: batchSchema } },
  problems: [
    'not_found',
    'unprocessable',
    'window_in_past',
    'window_too_long',
    'grid_interaction_unsaid',
    'limit_reached',
  ],
  handle: (asked) => {
    const { body, workspaceId, nowMs } = asked;
    const { command } = body;
    const which = {
      workspaceId,
      tag: body.tag ?? '',
      ...listed(asked),
      allOrNothing: body.allOrNothing ?? false,
    };
    const { actor } = asked.principal;
    if (command.slug !== BATTERY_SLUG) {
      const setting = settingOf(command.slug, command.input);
      const batch = { ...which, setting, ...settingWindow(body, nowMs), actor };
      return asked.change({ kind: 'appliance-batch', batch }, (decided) => batchAnswer(asked, decided));
    }
    const input = inputOf(command.input);
    const batch = {
      ...which,
      enrolledOnly: input.enableGridInteraction && input.executionPriority === undefined,
      input,
      ...windowOf(body, nowMs),
      actor,
    };
    return asked.change({ kind: 'batch', batch }, (decided) => batchAnswer(asked, decided));
  },
});

/** The devices of a list, or of a group as it is now: those that know the command. */
function listed(asked: Asked<undefined, undefined, z.output<typeof batchBody>>): { deviceIds?: readonly string[] } {
  const { deviceIds, groupId, command } = asked.body;
  if (groupId === undefined) return deviceIds === undefined ? {} : { deviceIds };
  ownGroup(asked, groupId);
  const members = membersOf(asked.state, groupId).map(deviceOf);
  const able = members.filter(({ kind }) => knows(kind, command)).map((device) => device.deviceId);
  if (able.length > 0) return { deviceIds: able };
  throw new ProblemError('unprocessable', `no device of the group knows ${command.slug}`);
}

function batchAnswer(asked: Asked, { facts }: Decided): Answer {
  const fact = facts.find((f) => f.type === 'batch.accepted');
  const entry = fact?.type === 'batch.accepted' ? asked.state.batches.get(fact.batchId) : undefined;
  if (entry === undefined) throw new ProblemError('internal', 'a batch was accepted and is not there');
  return { status: 202, body: batchView(entry, asked.state) };
}

export const commandRoutes: readonly Route[] = [
  create('/v1/commands', 'Commands a battery'),
  create('/v1/commands/battery/set-operating-mode', 'Sets the operating mode of a battery'),
  route({
    method: 'GET',
    path: '/v1/commands/{commandId}',
    tag: 'Commands',
    summary: 'A command and what became of it',
    scope: 'read',
    params: commandId,
    answers: { 200: { means: 'The command', body: commandSchema } },
    problems: ['not_found'],
    handle: (asked) => ok(commandShown(asked, asked.params.commandId)),
  }),
  route({
    method: 'GET',
    path: '/v1/commands/{commandId}/history',
    tag: 'Commands',
    summary: 'Everything that was recorded about a command, newest first',
    scope: 'read',
    params: commandId,
    query: z.strictObject(s.paging),
    answers: { 200: { means: 'A page', body: s.page(z.record(z.string(), z.unknown())) } },
    problems: ['not_found'],
    handle: (asked) => {
      commandShown(asked, asked.params.commandId);
      const subject = `command/${asked.params.commandId}`;
      const limit = s.pageSize(asked.query);
      const entries = asked.face.service.history(subject, { beforeSeq: beforeSeqOf(subject, asked.query), limit });
      const viewer = { workspaceId: asked.workspaceId, state: asked.state, subject };
      const last = entries.length < limit ? undefined : entries[entries.length - 1];
      return ok({
        data: entries.map((e) => historyEntry(e, viewer)),
        nextCursor: last === undefined ? null : cursorAt(subject, last.seq),
      });
    },
  }),
  route({
    method: 'DELETE',
    path: '/v1/commands/{commandId}',
    tag: 'Commands',
    summary: 'Cancels a command',
    description:
      'Twice is the same as once. One that has ended stays as it is. What was not sent never leaves; what a cloud took ahead of its start is cancelled there.',
    scope: 'write:commands',
    urgent: true,
    params: commandId,
    answers: { 200: { means: 'The command as it is now', body: commandSchema } },
    problems: ['not_found'],
    handle: (asked) => {
      const { commandId } = asked.params;
      const known = commandShown(asked, commandId);
      const { commands, applianceCommands } = asked.state;
      if (!commands.has(commandId) && !applianceCommands.has(commandId)) return ok(known);
      const input = { kind: 'cancel-command', commandId, actor: asked.principal.actor } as const;
      return asked.change(input, () => ok(commandShown(asked, commandId)));
    },
  }),
  commandsOfDevice,
  batch,
  route({
    method: 'GET',
    path: '/v1/batch-commands/{batchId}',
    tag: 'Commands',
    summary: 'A batch and its commands; the last 1,000 batches are kept at hand',
    scope: 'read',
    params: z.strictObject({ batchId: s.pathId() }),
    answers: { 200: { means: 'The batch', body: batchSchema } },
    problems: ['not_found'],
    handle: (asked) => {
      const { batchId } = asked.params;
      const entry = asked.state.batches.get(batchId);
      if (entry?.workspaceId !== asked.workspaceId) throw notFound('batch', batchId);
      return ok(batchView(entry, asked.state));
    },
  }),
];
