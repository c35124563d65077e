import { describeProblem, type InputProblem, invariant, nearestName, show } from '../domain/errors.ts';
import { BATTERY_SLUG, knows, type Order } from '../domain/order.ts';
import {
  type CommandSchedule,
  type DeviceModeSchedule,
  type FiringResult,
  type ModeLevel,
  modeAt,
  modePeriods,
  nextTime,
  type Schedule,
  type ScheduleEdge,
  type ScheduleRequest,
  scheduleProblems,
  timesOf,
} from '../domain/schedule.ts';
import { type EpochMs, MS_PER_DAY, MS_PER_MIN } from '../domain/units.ts';
import { type AnyEntry, anyDevice, deviceOf, isBattery, taggedIds } from './anyDevice.ts';
import type { Ruling } from './applianceState.ts';
import { nextBatchId } from './commands.ts';
import { type Context, capabilitiesOf } from './context.ts';
import { giveOrder, issueOrders, orderObstacle, planOrders, rulingOf } from './give.ts';
import { fitsGroup, membersOf } from './groups.ts';
import { deviceKey, groupKey, type ScheduleEntry, tagKey } from './scheduleState.ts';
import { type CoreState, deviceTagKey } from './state.ts';

/**
 * Schedules at work. Each has one next time; the agenda wakes the core then, and what was done, or why nothing was, is a
 * fact with the time after it.
 *
 * Late: a firing looked at up to LATE_MS_MAX after its time is carried out, and still ends when it should have; of several
 * in that span only the last is. Older ones are recorded as missed. Nothing is fired twice: a firing moves the next time
 * in the same fact. A device's modes are a state, not an instant: after an absence the mode that holds now is set, the
 * edges before it were missed.
 *
 * Who gives way, so that it does not depend on the order of the agenda (TextureHQ/docs schedules: "newer beats older;
 * device-specific beats tag-based"):
 * - of commands the newer replaces the older, but a schedule does not take a device from an event's dispatch;
 * - a schedule of a tag or group leaves out devices that a schedule of their own holds, or is about to take at the same
 *   instant;
 * - of two schedules of the same rank that are due at the same instant the one made later counts;
 * - only what is told by the same slug is in each other's way: a fan mode leaves the operating mode alone.
 * A command holds a device until its end; a setting that stands holds it while a rule of the device's own week lasts, and
 * else only at its instant.
 * A schedule that is deleted or paused takes nothing back: a command under way goes on until its end.
 */
export const SCHEDULES_PER_WORKSPACE_MAX = 10_000;
export const LATE_MS_MAX = 5 * MS_PER_MIN;
/** Of missed times so many are counted. */
export const MISSED_COUNT_MAX = 1_000;
/** Within this time a device that goes back to its own settings should show it [ms]. */
const RESET_MS = 15 * MS_PER_MIN;

export type ScheduleInput =
  | { readonly kind: 'create-schedule'; readonly schedule: ScheduleRequest; readonly actor: string }
  | {
      readonly kind: 'pause-schedule' | 'resume-schedule' | 'delete-schedule';
      readonly workspaceId: string;
      readonly scheduleId: string;
      readonly actor: string;
    };

export function onSchedule(ctx: Context, input: ScheduleInput): void {
  if (input.kind === 'create-schedule') return create(ctx, input.schedule, input.actor);
  const { workspaceId, scheduleId, actor } = input;
  const entry = ctx.state.schedules.get(scheduleId);
  if (entry === undefined || entry.schedule.workspaceId !== workspaceId) {
    return ctx.refuse(input.kind, `${scheduleId}: no such schedule`, 'unknown');
  }
  const head = { workspaceId, scheduleId, actor };
  switch (input.kind) {
    case 'delete-schedule':
      return ctx.emit({ type: 'schedule.deleted', ...head, why: 'asked for' });
    case 'pause-schedule':
      if (entry.status === 'over') return ctx.refuse(input.kind, `${scheduleId} is over`);
      if (entry.status === 'active') ctx.emit({ type: 'schedule.paused', ...head });
      return;
    case 'resume-schedule':
      if (entry.status === 'over') return ctx.refuse(input.kind, `${scheduleId} is over`);
      if (entry.status === 'active') return;
      return ctx.emit({ type: 'schedule.resumed', ...head, nextMs: firstMs(entry.schedule, ctx.nowMs) });
  }
}

/** The first time it looks at anything: a rule of a device's modes that holds now is set at once. */
function firstMs(s: Schedule, nowMs: EpochMs): EpochMs | null {
  if (s.kind === 'command') return nextTime(s.timing, nowMs);
  const level = modeAt(s, nowMs);
  return level.ruleIndex === null ? level.endMs : nowMs;
}

function create(ctx: Context, request: ScheduleRequest, actor: string): void {
  const what = 'create-schedule';
  const { workspaceId } = request;
  if (!ctx.state.workspaces.has(workspaceId)) {
    return ctx.refuse(what, `${workspaceId}: no such workspace`, 'unknown');
  }
  const problems = scheduleProblems(request, ctx.nowMs);
  if (problems.length > 0) return ctx.refuse(what, problems.map(describeProblem).join('\n'), 'invalid');
  if (!targetIsGood(ctx, request)) return;
  const scheduleId = `sch-${ctx.state.counters.schedule + 1}`;
  const replaced = request.kind === 'device-modes' ? ctx.state.deviceModes.get(request.deviceId) : undefined;
  if (replaced !== undefined) {
    const why = `replaced by ${scheduleId}`;
    ctx.emit({ type: 'schedule.deleted', workspaceId, scheduleId: replaced, actor, why });
  } else if (!makeRoom(ctx, workspaceId)) return;
  const schedule: Schedule = { ...request, scheduleId };
  const nextMs = firstMs(schedule, ctx.nowMs);
  ctx.emit({ type: 'schedule.created', workspaceId, scheduleId, schedule, nextMs, actor });
}

function targetIsGood(ctx: Context, request: ScheduleRequest): boolean {
  const what = 'create-schedule';
  const { workspaceId } = request;
  const target = request.kind === 'command' ? request.target : ({ ...request, kind: 'device' } as const);
  switch (target.kind) {
    case 'tag': {
      const { tag } = target;
      if (taggedIds(ctx.state, workspaceId, tag).length > 0) return true;
      ctx.refuse(what, describeProblem(noSuchTag(ctx.state, workspaceId, tag)), 'unknown');
      return false;
    }
    case 'group': {
      const { groupId } = target;
      if (ctx.state.groups.get(groupId)?.workspaceId === workspaceId) return true;
      ctx.refuse(what, `schedule: target.groupId: ${groupId}: no such group`, 'unknown');
      return false;
    }
    case 'device': {
      const { deviceId } = target;
      const obstacle = orderObstacle(ctx, { ...sampleOrder(ctx, request), workspaceId, deviceId });
      if (obstacle !== null) ctx.refuse(what, `schedule: ${deviceId}: ${obstacle.why}`, obstacle.code);
      return obstacle === null;
    }
  }
}

/** The first order it would give, to be checked like any other; what is set back at an end is not known before. */
function sampleOrder(ctx: Context, s: ScheduleRequest) {
  const startMs = ctx.nowMs;
  const order = s.kind === 'command' ? s.command : s.defaultDeviceOperatingMode;
  const durationMs = s.kind === 'command' ? s.durationMs : MS_PER_MIN;
  const endMs = order.slug === BATTERY_SLUG ? startMs + (durationMs ?? MS_PER_MIN) : null;
  return { order, startMs, endMs, actor: '' };
}

export function noSuchTag(state: CoreState, workspaceId: string, tag: string): InputProblem {
  const prefix = deviceTagKey(workspaceId, '');
  const tags = [...state.devicesByTag, ...state.appliancesByTag].flatMap(([key, ids]) =>
    key.startsWith(prefix) && ids.size > 0 ? [key.slice(prefix.length)] : [],
  );
  const didYouMean = nearestName(tag, tags);
  const expected = 'a tag that at least one device of the workspace carries';
  const base = { source: 'schedule', place: 'target.tag', value: show(tag), expected };
  return didYouMean === undefined ? base : { ...base, didYouMean };
}

/** At the limit the oldest schedule that is over is dropped; if there is none, the new one is refused. */
function makeRoom(ctx: Context, workspaceId: string): boolean {
  const mine = ctx.state.schedulesIn.get(workspaceId) ?? new Set();
  if (mine.size < SCHEDULES_PER_WORKSPACE_MAX) return true;
  const over = [...mine].find((id) => ctx.state.schedules.get(id)?.status === 'over');
  if (over === undefined) {
    const why = `${mine.size} schedules: a workspace has at most ${SCHEDULES_PER_WORKSPACE_MAX}`;
    ctx.refuse('create-schedule', why, 'limit');
    return false;
  }
  ctx.emit({
    type: 'schedule.deleted',
    workspaceId,
    scheduleId: over,
    actor: 'system',
    why: 'over, and room was needed',
  });
  return true;
}

/** A time of the agenda has come. An entry of a time that no longer counts is passed over. */
export function fireSchedule(ctx: Context, scheduleId: string, atMs: EpochMs): void {
  const entry = ctx.state.schedules.get(scheduleId);
  if (entry === undefined || entry.status !== 'active' || entry.nextMs !== atMs) return;
  if (entry.schedule.kind === 'command') fireCommand(ctx, entry, entry.schedule, atMs);
  else fireModes(ctx, entry, entry.schedule, atMs);
}

const headOf = ({ workspaceId, scheduleId }: Schedule) => ({ workspaceId, scheduleId });

/** The time to carry out now, and how many before it are lost; null when none is young enough. */
function lateness(
  s: CommandSchedule,
  firstDueMs: EpochMs,
  nowMs: EpochMs,
): { readonly dueMs: EpochMs | null; readonly missed: readonly EpochMs[]; readonly isMore: boolean } {
  const nextMs = nextTime(s.timing, firstDueMs);
  if (nowMs - firstDueMs <= LATE_MS_MAX && (nextMs === null || nextMs > nowMs)) {
    return { dueMs: firstDueMs, missed: [], isMore: false };
  }
  // Times are on the minute: more than one a minute there cannot be.
  const recentMax = LATE_MS_MAX / MS_PER_MIN + 1;
  const afterMs = Math.max(firstDueMs - 1, nowMs - LATE_MS_MAX - 1);
  const recent = timesOf(s.timing, { afterMs, untilMs: nowMs, max: recentMax });
  const dueMs = recent[recent.length - 1] ?? null;
  const untilMs = dueMs === null ? nowMs : dueMs - 1;
  const missed = timesOf(s.timing, { afterMs: firstDueMs - 1, untilMs, max: MISSED_COUNT_MAX + 1 });
  return { dueMs, missed: missed.slice(0, MISSED_COUNT_MAX), isMore: missed.length > MISSED_COUNT_MAX };
}

function fireCommand(ctx: Context, entry: ScheduleEntry, s: CommandSchedule, firstDueMs: EpochMs): void {
  const { dueMs, missed, isMore } = lateness(s, firstDueMs, ctx.nowMs);
  const nextMs = nextTime(s.timing, ctx.nowMs);
  if (missed.length > 0) {
    const [fromMs = firstDueMs] = missed;
    const toMs = isMore || dueMs === null ? ctx.nowMs : (missed[missed.length - 1] ?? fromMs);
    const why = `looked at ${ctx.nowMs - fromMs} ms late; more than ${LATE_MS_MAX} ms, or a newer time was due as well`;
    ctx.emit({ type: 'schedule.missed', ...headOf(s), fromMs, toMs, count: missed.length, isMore, why, nextMs });
  }
  if (dueMs === null) return;
  const endMs = s.durationMs === null ? null : dueMs + s.durationMs;
  const firing: Firing = { dueMs, nextMs, edge: null, endMs };
  if (endMs !== null && endMs <= ctx.nowMs) {
    return nothing(ctx, s, firing, 'its window was over when it was looked at');
  }
  if (s.target.kind === 'device') fireOne(ctx, entry, s.command, { ...firing, deviceId: s.target.deviceId });
  else fireBatch(ctx, entry, s, firing);
}

interface Firing {
  readonly dueMs: EpochMs;
  readonly nextMs: EpochMs | null;
  readonly edge: ScheduleEdge | null;
  /** null = what is set stands. */
  readonly endMs: EpochMs | null;
}

function tell(ctx: Context, s: Schedule, firing: Firing, result: FiringResult): void {
  const { dueMs, nextMs, edge } = firing;
  ctx.emit({ type: 'schedule.fired', ...headOf(s), dueMs, edge, result, nextMs });
}

const nothing = (ctx: Context, s: Schedule, firing: Firing, why: string): void =>
  tell(ctx, s, firing, { kind: 'nothing', why });

const actorOf = (s: Schedule): string => `schedule/${s.scheduleId}`;

/**
 * The fact comes before the command: then the agenda has the next edge before the end of the command, and a device that
 * is told something else at that instant is not reset in between.
 */
function fireOne(
  ctx: Context,
  entry: ScheduleEntry,
  order: Order,
  firing: Firing & { readonly deviceId: string },
): void {
  const { schedule } = entry;
  const { deviceId, dueMs, endMs } = firing;
  const { workspaceId, scheduleId } = schedule;
  const actor = actorOf(schedule);
  const request = { workspaceId, deviceId, order, startMs: ctx.nowMs, endMs, actor };
  const device = anyDevice(ctx.state, deviceId);
  const obstacle = orderObstacle(ctx, request)?.why ?? (device === undefined ? 'no such device' : null);
  const why = obstacle ?? (device === undefined ? null : holder(ctx, entry, device, firing));
  if (why !== null) return nothing(ctx, schedule, firing, why);
  const commandId = `cmd-${ctx.state.counters.command + 1}`;
  tell(ctx, schedule, firing, { kind: 'command', commandId });
  const accepted = giveOrder(ctx, request, { kind: 'schedule', actor, scheduleId, dueMs, batchId: null });
  invariant(accepted === commandId, `the command of ${scheduleId} is ${accepted}, not ${commandId}`);
}

function fireBatch(ctx: Context, entry: ScheduleEntry, s: CommandSchedule, firing: Firing): void {
  const { workspaceId, scheduleId, command: order, target } = s;
  const { dueMs, endMs } = firing;
  const actor = actorOf(s);
  const tag = target.kind === 'tag' ? target.tag : '';
  const members = target.kind === 'group' ? ablesOf(ctx.state, target.groupId, order) : null;
  if (members?.length === 0) return nothing(ctx, s, firing, `no device of the group knows ${order.slug}`);
  const which = members === null ? {} : { deviceIds: members };
  const batch = { workspaceId, tag, ...which, order, startMs: ctx.nowMs, endMs, actor };
  const plan = planOrders(ctx, batch, (device) => holder(ctx, entry, device, firing));
  if (plan.kind === 'refused') return nothing(ctx, s, firing, plan.why);
  const batchId = nextBatchId(ctx);
  tell(ctx, s, firing, { kind: 'batch', batchId });
  issueOrders(ctx, batch, plan, { kind: 'schedule', actor, scheduleId, dueMs, batchId });
}

/** The devices of a group that know an order; the others are left out, as the vendor documents for tags. */
const ablesOf = (state: CoreState, groupId: string, order: Order): string[] =>
  membersOf(state, groupId)
    .map(deviceOf)
    .flatMap(({ kind, deviceId }) => (knows(kind, order) ? [deviceId] : []));

const isOwn = (s: Schedule): boolean => s.kind === 'device-modes' || s.target.kind === 'device';

/** Whether one schedule goes before another that is due at the same instant. */
const outranks = (a: ScheduleEntry, b: ScheduleEntry): boolean =>
  isOwn(a.schedule) === isOwn(b.schedule) ? a.order > b.order : isOwn(a.schedule);

const slugOf = (s: Schedule): Order['slug'] => (s.kind === 'command' ? s.command : s.defaultDeviceOperatingMode).slug;

/** Why a schedule leaves a device alone; null = it may have it. */
function holder(ctx: Context, mine: ScheduleEntry, device: AnyEntry, firing: Firing): string | null {
  const slug = slugOf(mine.schedule);
  const ruling = rulingOf(ctx, device, slug);
  const why = ruling === null ? null : heldBy(ctx, mine, ruling, firing);
  if (why !== null) return why;
  for (const other of dueAt(ctx.state, device, firing.dueMs)) {
    if (other === mine || slugOf(other.schedule) !== slug || !outranks(other, mine)) continue;
    if (takes(other.schedule, firing.dueMs))
      return `${other.schedule.scheduleId} is due at the same time and goes before`;
  }
  return null;
}

/** The schedules that are due for a device at an instant: its own, and those of its tags and groups. */
function dueAt(state: CoreState, entry: AnyEntry, dueMs: EpochMs): ScheduleEntry[] {
  const device = deviceOf(entry);
  const { deviceId, tags, workspaceId } = device;
  const keys = [deviceKey(deviceId), ...tags.map((t) => tagKey(workspaceId, t)), groupKey(workspaceId)];
  return keys
    .flatMap((key) => [...(state.schedulesOf.get(key) ?? [])])
    .flatMap((id) => state.schedules.get(id) ?? [])
    .filter(({ schedule, status, nextMs }) => {
      if (status !== 'active' || nextMs !== dueMs) return false;
      if (schedule.kind !== 'command' || schedule.target.kind !== 'group') return true;
      const group = state.groups.get(schedule.target.groupId);
      return group !== undefined && fitsGroup(state, group.rule, device);
    });
}

/** Going back to the default is no claim to the device. */
const takes = (s: Schedule, dueMs: EpochMs): boolean => s.kind === 'command' || modeAt(s, dueMs).ruleIndex !== null;

function heldBy(ctx: Context, mine: ScheduleEntry, ruling: Ruling, firing: Firing): string | null {
  const { cause } = ruling;
  if (cause.kind === 'dispatch') return `a dispatch of ${cause.eventId} holds it`;
  const isMine = cause.kind === 'schedule' && cause.scheduleId === mine.schedule.scheduleId;
  const ends = ruling.endMs !== null;
  if (!isMine && ends && (firing.edge === 'continued' || firing.edge === 'falling')) {
    return `${ruling.commandId} holds it`;
  }
  if (cause.kind !== 'schedule' || isMine) return null;
  const other = ctx.state.schedules.get(cause.scheduleId);
  if (other === undefined || !outranks(other, mine)) return null;
  const isSameRank = isOwn(other.schedule) === isOwn(mine.schedule);
  const isWeek = other.schedule.kind === 'device-modes';
  if ((isSameRank || !(ends || isWeek)) && cause.dueMs !== firing.dueMs) return null;
  if (!takes(other.schedule, cause.dueMs)) return null;
  return isSameRank ? `${cause.scheduleId}, made later, has it` : `${cause.scheduleId}, a schedule of its own, has it`;
}

/** The mode that holds now is set for what is left of it, at most as long as the maker takes at once. */
function fireModes(ctx: Context, entry: ScheduleEntry, s: DeviceModeSchedule, dueMs: EpochMs): void {
  const level = modeAt(s, ctx.nowMs, dueMs);
  const edgeMs = level.startMs === null || level.startMs < dueMs ? null : level.startMs;
  missedEdges(ctx, s, { dueMs, beforeMs: edgeMs ?? dueMs, nextMs: level.endMs });
  const isFirst = edgeMs === null && entry.fired === 0;
  const isEdge = edgeMs !== null || isFirst;
  const edge = !isEdge ? 'continued' : level.ruleIndex === null ? 'falling' : 'rising';
  const device = anyDevice(ctx.state, s.deviceId);
  const isReset = level.mode.input.operatingMode === 'reset';
  const heldMs = device === undefined ? null : afterHold(ctx, device, s);
  const firing = { dueMs: edgeMs ?? dueMs, edge, ...spanOf(ctx, device, { level, isReset, heldMs }) } as const;
  if (isReset && edge === 'continued') return nothing(ctx, s, firing, 'the default goes on');
  fireOne(ctx, entry, level.mode, { ...firing, deviceId: s.deviceId });
}

/** Until when a mode is set, and when it is looked at next. A setting stands: the next edge sets another. */
function spanOf(
  ctx: Context,
  device: AnyEntry | undefined,
  at: { readonly level: ModeLevel; readonly isReset: boolean; readonly heldMs: EpochMs | null },
): { readonly endMs: EpochMs | null; readonly nextMs: EpochMs } {
  const { level, isReset, heldMs } = at;
  if (device !== undefined && !isBattery(device)) {
    return { endMs: null, nextMs: Math.min(level.endMs, heldMs ?? level.endMs) };
  }
  const longestMs = device === undefined ? MS_PER_DAY : (capabilitiesOf(ctx, device)?.durationMsMax ?? MS_PER_DAY);
  const endMs = Math.min(level.endMs, ctx.nowMs + (isReset ? RESET_MS : longestMs));
  return { endMs, nextMs: isReset ? level.endMs : Math.min(endMs, heldMs ?? endMs) };
}

/**
 * When what holds a device lets it go, so that the mode is set again for what is left of its time: an event's dispatch,
 * or a command to another kind of device, which would set back what stood before.
 */
function afterHold(ctx: Context, device: AnyEntry, s: DeviceModeSchedule): EpochMs | null {
  const ruling = rulingOf(ctx, device, slugOf(s));
  return ruling?.cause.kind === 'dispatch' || !isBattery(device) ? (ruling?.endMs ?? null) : null;
}

/** Edges from dueMs on that passed unseen, and rules whose time the day leaves out. */
function missedEdges(
  ctx: Context,
  s: DeviceModeSchedule,
  at: { readonly dueMs: EpochMs; readonly beforeMs: EpochMs; readonly nextMs: EpochMs },
): void {
  const days = Math.min(MISSED_COUNT_MAX, 2 + Math.ceil((ctx.nowMs - at.dueMs) / MS_PER_DAY));
  const periods = modePeriods(s, at.dueMs, days);
  const empty = periods.filter((p) => p.startMs === p.endMs && p.startMs <= ctx.nowMs);
  for (const { startMs, ruleIndex } of empty) {
    const why = `the time of rules[${ruleIndex}] does not exist on this day (daylight saving time)`;
    emitMissed(ctx, s, { times: [startMs], why, nextMs: at.nextMs });
  }
  const edges = new Set(periods.filter((p) => p.startMs < p.endMs).flatMap((p) => [p.startMs, p.endMs]));
  const times = [...edges].filter((t) => at.dueMs <= t && t < at.beforeMs).sort((a, b) => a - b);
  if (times.length > 0) emitMissed(ctx, s, { times, why: 'a later edge was due as well', nextMs: at.nextMs });
}

function emitMissed(
  ctx: Context,
  s: Schedule,
  missed: { readonly times: readonly EpochMs[]; readonly why: string; readonly nextMs: EpochMs },
): void {
  const { times, why, nextMs } = missed;
  const [fromMs = ctx.nowMs] = times;
  const toMs = times[times.length - 1] ?? fromMs;
  const count = Math.min(times.length, MISSED_COUNT_MAX);
  const isMore = times.length > MISSED_COUNT_MAX;
  ctx.emit({ type: 'schedule.missed', ...headOf(s), fromMs, toMs, count, isMore, why, nextMs });
}
