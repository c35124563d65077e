import {
  type CalendarRule,
  calendarDay,
  dateOf,
  instantAt,
  minuteOfDay,
  occurrences,
  parseCron,
  weekdayOf,
  weeklyRule,
} from './calendar.ts';
import { type InputProblem, nearestName, problem } from './errors.ts';
import { BATTERY_SLUG, type ModeOrder, type Order, orderProblem } from './order.ts';
import { isTimeZone } from './time.ts';
import { type EpochMs, MS_PER_DAY, MS_PER_MIN } from './units.ts';

/**
 * Schedules, for devices of every kind. One kind gives a command, at times, to a device or to all devices with a tag or of
 * a group; the other says in which mode a device is at each time of the week. How local times meet a change of daylight
 * saving time is told in calendar.ts.
 * @source TextureHQ/docs batch and schedules: {type: cron | iso | recurrence}; device schedules with
 *         deviceTimezone, defaultDeviceOperatingMode and rules, whose modes are "specific to the deviceType"
 *         (docs/commands/scheduling.md @78e959e) [R]
 */
export type ScheduleTiming =
  | { readonly kind: 'cron'; readonly expression: string; readonly timeZone: string }
  | { readonly kind: 'once'; readonly atMs: EpochMs }
  /** daysOfWeek: 0 = Sunday; time: "HH:MM" local. */
  | {
      readonly kind: 'weekly';
      readonly daysOfWeek: readonly number[];
      readonly time: string;
      readonly timeZone: string;
    };

export type ScheduleTarget =
  | { readonly kind: 'tag'; readonly tag: string }
  | { readonly kind: 'group'; readonly groupId: string }
  | { readonly kind: 'device'; readonly deviceId: string };

export interface CommandSchedule {
  readonly kind: 'command';
  readonly scheduleId: string;
  readonly workspaceId: string;
  readonly name: string;
  readonly target: ScheduleTarget;
  readonly timing: ScheduleTiming;
  readonly command: Order;
  /** null = the setting stands until the next one; a battery's command always ends. */
  readonly durationMs: number | null;
}

export interface ModeRule {
  /** 0 = Sunday; of the start. */
  readonly daysOfWeek: readonly number[];
  /** "HH:MM" local. */
  readonly startTime: string;
  /** "HH:MM" or "24:00"; one that is not after the start is of the next day. */
  readonly endTime: string;
  readonly deviceOperatingMode: ModeOrder;
}

export interface DeviceModeSchedule {
  readonly kind: 'device-modes';
  readonly scheduleId: string;
  readonly workspaceId: string;
  readonly deviceId: string;
  readonly timeZone: string;
  /** Outside the rules; a battery's 'reset' = it goes back to what its owner set. */
  readonly defaultDeviceOperatingMode: ModeOrder;
  /** At least one; they do not overlap. */
  readonly rules: readonly ModeRule[];
}

export type Schedule = CommandSchedule | DeviceModeSchedule;

export type ScheduleRequest = Omit<CommandSchedule, 'scheduleId'> | Omit<DeviceModeSchedule, 'scheduleId'>;

export type ScheduleFact =
  | {
      readonly type: 'schedule.created';
      readonly workspaceId: string;
      readonly scheduleId: string;
      readonly schedule: Schedule;
      /** In the fact, not worked out again from it: a later edition of the time zones must not change the past. */
      readonly nextMs: EpochMs | null;
      readonly actor: string;
    }
  | {
      readonly type: 'schedule.paused';
      readonly workspaceId: string;
      readonly scheduleId: string;
      readonly actor: string;
    }
  | {
      readonly type: 'schedule.resumed';
      readonly workspaceId: string;
      readonly scheduleId: string;
      readonly nextMs: EpochMs | null;
      readonly actor: string;
    }
  | {
      readonly type: 'schedule.deleted';
      readonly workspaceId: string;
      readonly scheduleId: string;
      readonly actor: string;
      readonly why: string;
    }
  | {
      readonly type: 'schedule.fired';
      readonly workspaceId: string;
      readonly scheduleId: string;
      /** When it was due; it may have been looked at a little later. */
      readonly dueMs: EpochMs;
      readonly edge: ScheduleEdge | null;
      readonly result: FiringResult;
      readonly nextMs: EpochMs | null;
    }
  /** Times that passed without a command: the core was away, or the time does not exist on that day. */
  | {
      readonly type: 'schedule.missed';
      readonly workspaceId: string;
      readonly scheduleId: string;
      readonly fromMs: EpochMs;
      readonly toMs: EpochMs;
      readonly count: number;
      /** There were more than were counted. */
      readonly isMore: boolean;
      readonly why: string;
      readonly nextMs: EpochMs | null;
    };

/** Of a device's modes: into a rule, back to the default, or on in the same rule behind what the maker takes at once. */
export type ScheduleEdge = 'rising' | 'falling' | 'continued';

export type FiringResult =
  | { readonly kind: 'command'; readonly commandId: string }
  | { readonly kind: 'batch'; readonly batchId: string }
  | { readonly kind: 'nothing'; readonly why: string };

export const RULES_MAX = 100;
export const NAME_LENGTH_MAX = 200;
export const DURATION_MS_MAX = 7 * MS_PER_DAY;
export const PREVIEW_MAX = 100;

/** What is wrong with a schedule by itself, whatever the plant holds; empty = nothing. */
export function scheduleProblems(s: ScheduleRequest, nowMs: EpochMs): InputProblem[] {
  return s.kind === 'command' ? commandProblems(s, nowMs) : modeProblems(s);
}

function commandProblems(s: Omit<CommandSchedule, 'scheduleId'>, nowMs: EpochMs): InputProblem[] {
  const found: InputProblem[] = [];
  const bad = (place: string, value: unknown, expected: string) =>
    found.push(problem('schedule', place, value, expected));
  if (s.name.length > NAME_LENGTH_MAX) bad('name', s.name, `at most ${NAME_LENGTH_MAX} characters`);
  if (s.target.kind === 'tag' && s.target.tag.trim() === '') bad('target.tag', s.target.tag, 'a tag');
  return [...found, ...givenProblems('schedule', '', s), ...timingProblems(s.timing, nowMs)];
}

/** What is wrong with an order and how long it is to hold. */
export function givenProblems(
  source: string,
  place: string,
  { command, durationMs }: Pick<CommandSchedule, 'command' | 'durationMs'>,
): InputProblem[] {
  const found = orderProblems(source, `${place}command`, command);
  const isLength = Number.isInteger(durationMs) && Number(durationMs) >= MS_PER_MIN;
  if (durationMs === null ? command.slug !== BATTERY_SLUG : isLength && durationMs <= DURATION_MS_MAX) return found;
  const expected = `whole milliseconds from ${MS_PER_MIN} to ${DURATION_MS_MAX} (7 days)`;
  return [...found, problem(source, `${place}durationMs`, durationMs, expected)];
}

function orderProblems(source: string, place: string, order: Order): InputProblem[] {
  const why = orderProblem(order);
  return why === null ? [] : [problem(source, place, order.input, `an input of ${order.slug}: ${why}`)];
}

function timingProblems(timing: ScheduleTiming, nowMs: EpochMs): InputProblem[] {
  switch (timing.kind) {
    case 'once':
      return Number.isSafeInteger(timing.atMs) && timing.atMs > nowMs
        ? []
        : [problem('schedule', 'timing.atMs', timing.atMs, `a time after ${nowMs} [epoch ms]`)];
    case 'cron':
      return [...cronProblems('schedule', 'timing.expression', timing.expression), ...zoneProblems('timing', timing)];
    case 'weekly': {
      const found = [...dayProblems('timing.daysOfWeek', timing.daysOfWeek), ...zoneProblems('timing', timing)];
      if ((minuteOfDay(timing.time) ?? 1_440) === 1_440) {
        found.push(problem('schedule', 'timing.time', timing.time, 'a local time "HH:MM" from 00:00 to 23:59'));
      }
      return found;
    }
  }
}

export function cronProblems(source: string, place: string, expression: string): InputProblem[] {
  const parsed = parseCron(expression);
  if (parsed.kind === 'rule') return [];
  return [problem(source, `${place} (${parsed.field})`, parsed.value, parsed.expected)];
}

function zoneProblems(place: string, { timeZone }: { readonly timeZone: string }): InputProblem[] {
  return zoneProblem('schedule', `${place}.timeZone`, timeZone);
}

/** Zones that people mean most often, for the hint at a misspelt one. */
const KNOWN_ZONES = [
  'UTC',
  'America/Los_Angeles',
  'America/Denver',
  'America/Phoenix',
  'America/Chicago',
  'America/New_York',
  'Europe/London',
  'Europe/Oslo',
  'Europe/Berlin',
  'Australia/Sydney',
];

export function zoneProblem(source: string, place: string, timeZone: string): InputProblem[] {
  if (isTimeZone(timeZone)) return [];
  const didYouMean = nearestName(timeZone, KNOWN_ZONES);
  const p = problem(source, place, timeZone, 'an IANA time zone like America/Los_Angeles');
  return [didYouMean === undefined ? p : { ...p, didYouMean }];
}

function dayProblems(place: string, days: readonly number[]): InputProblem[] {
  const good = days.every((d) => Number.isInteger(d) && d >= 0 && d <= 6) && new Set(days).size === days.length;
  return good && days.length > 0
    ? []
    : [problem('schedule', place, days, 'days from 0 (Sunday) to 6 (Saturday), at least one, each once')];
}

function modeProblems(s: Omit<DeviceModeSchedule, 'scheduleId'>): InputProblem[] {
  const found = zoneProblem('schedule', 'timeZone', s.timeZone);
  const bad = (place: string, value: unknown, expected: string) =>
    found.push(problem('schedule', place, value, expected));
  const standard = s.defaultDeviceOperatingMode;
  found.push(...orderProblems('schedule', 'defaultDeviceOperatingMode', standard));
  if (s.rules.length === 0 || s.rules.length > RULES_MAX) {
    bad('rules', `${s.rules.length} rules`, `1 to ${RULES_MAX} rules`);
  }
  for (const [i, rule] of s.rules.entries()) {
    found.push(...dayProblems(`rules[${i}].daysOfWeek`, rule.daysOfWeek));
    const { deviceOperatingMode: mode } = rule;
    found.push(...orderProblems('schedule', `rules[${i}].deviceOperatingMode`, mode));
    if (mode.slug !== standard.slug) bad(`rules[${i}].deviceOperatingMode`, mode.slug, `${standard.slug}, as outside`);
    const start = minuteOfDay(rule.startTime);
    const end = minuteOfDay(rule.endTime);
    if (start === null || start === 1_440) bad(`rules[${i}].startTime`, rule.startTime, '"HH:MM" from 00:00 to 23:59');
    if (end === null) bad(`rules[${i}].endTime`, rule.endTime, '"HH:MM" from 00:00 to 24:00');
    if (start !== null && start === end) bad(`rules[${i}].endTime`, rule.endTime, 'another time than the start');
  }
  return found.length > 0 ? found : overlaps(s.rules);
}

const MINUTES_OF_DAY = 1_440;
const MINUTES_OF_WEEK = 7 * MINUTES_OF_DAY;

/** Start and end of a rule in minutes of its day; the end may be of the next day. */
function minutesOf(rule: ModeRule): { readonly start: number; readonly end: number } {
  const start = minuteOfDay(rule.startTime) ?? 0;
  const end = minuteOfDay(rule.endTime) ?? 0;
  return { start, end: end > start ? end : end + MINUTES_OF_DAY };
}

function overlaps(rules: readonly ModeRule[]): InputProblem[] {
  const spans = rules.flatMap((rule, i) => {
    const { start, end } = minutesOf(rule);
    return rule.daysOfWeek.map((d) => ({ i, start: d * MINUTES_OF_DAY + start, end: d * MINUTES_OF_DAY + end }));
  });
  spans.sort((a, b) => a.start - b.start || a.i - b.i);
  const found = new Map<string, InputProblem>();
  for (const [n, span] of spans.entries()) {
    const next = spans[n + 1];
    const first = spans[0];
    // Behind the last one comes the first of the next week.
    const after = next ?? (first === undefined ? span : { ...first, start: first.start + MINUTES_OF_WEEK });
    if (after.start >= span.end) continue;
    const [low, high] = [Math.min(span.i, after.i), Math.max(span.i, after.i)];
    const expected = `no overlap with rules[${low}]`;
    found.set(`${low}/${high}`, problem('schedule', `rules[${high}]`, rules[high], expected));
  }
  return [...found.values()];
}

/** The calendar of a timing; null for a single time. The timing has been checked. */
function ruleOf(timing: Exclude<ScheduleTiming, { kind: 'once' }>): CalendarRule | null {
  if (timing.kind === 'weekly') return weeklyRule(timing.daysOfWeek, minuteOfDay(timing.time) ?? 0);
  const parsed = parseCron(timing.expression);
  return parsed.kind === 'rule' ? parsed.rule : null;
}

/** Times of a checked timing in (afterMs, untilMs], ascending, at most max. */
export function timesOf(
  timing: ScheduleTiming,
  range: { readonly afterMs: EpochMs; readonly untilMs: EpochMs; readonly max: number },
): EpochMs[] {
  if (timing.kind === 'once') return range.afterMs < timing.atMs && timing.atMs <= range.untilMs ? [timing.atMs] : [];
  const rule = ruleOf(timing);
  return rule === null ? [] : occurrences({ rule, timeZone: timing.timeZone, ...range });
}

export const nextTime = (timing: ScheduleTiming, afterMs: EpochMs): EpochMs | null =>
  timesOf(timing, { afterMs, untilMs: Number.POSITIVE_INFINITY, max: 1 })[0] ?? null;

/** A rule of a device's modes as real time on one day; of no length where the day leaves its time out. */
export interface ModePeriod {
  readonly startMs: EpochMs;
  readonly endMs: EpochMs;
  readonly ruleIndex: number;
  readonly mode: ModeOrder;
}

/** A rule comes again within a week; two more days for what crosses midnight. */
const DAYS_AROUND = 9;

/** The periods of a schedule that end at fromMs or later and start within the week after it, in order of time. */
export function modePeriods(s: DeviceModeSchedule, fromMs: EpochMs, days = DAYS_AROUND): ModePeriod[] {
  const firstDate = dateOf(fromMs, s.timeZone) - MS_PER_DAY;
  const dates = Array.from({ length: days + 1 }, (_, n) => calendarDay(firstDate + n * MS_PER_DAY, s.timeZone));
  const found = dates.slice(0, days).flatMap((day, n) =>
    s.rules.flatMap((rule, ruleIndex) => {
      if (!rule.daysOfWeek.includes(weekdayOf(day.date))) return [];
      const { start, end } = minutesOf(rule);
      const lastDay = end > MINUTES_OF_DAY ? (dates[n + 1] ?? day) : day;
      const endMs = instantAt(lastDay, end > MINUTES_OF_DAY ? end - MINUTES_OF_DAY : end);
      return [{ startMs: instantAt(day, start), endMs, ruleIndex, mode: rule.deviceOperatingMode }];
    }),
  );
  return found.filter((p) => p.endMs >= fromMs).sort((a, b) => a.startMs - b.startMs || a.endMs - b.endMs);
}

/** The mode that holds at an instant, since when and until when. */
export interface ModeLevel {
  readonly mode: ModeOrder;
  /** null = the default. */
  readonly ruleIndex: number | null;
  /** null = since before the week that was looked at. */
  readonly startMs: EpochMs | null;
  readonly endMs: EpochMs;
}

/** @param fromMs  periods are looked at from here on, ≤ atMs: as far back the start of the level is known */
export function modeAt(s: DeviceModeSchedule, atMs: EpochMs, fromMs: EpochMs = atMs): ModeLevel {
  const days = DAYS_AROUND + Math.ceil((atMs - fromMs) / MS_PER_DAY);
  const all = modePeriods(s, fromMs, days);
  const periods = all.filter((p) => p.startMs < p.endMs);
  const held = periods.find((p) => p.startMs <= atMs && atMs < p.endMs);
  if (held !== undefined) return held;
  const before = periods.filter((p) => p.endMs <= atMs).map((p) => p.endMs);
  // A rule that its day leaves out ends the level, too: somebody has to say that it was missed.
  const after = all.filter((p) => p.startMs > atMs).map((p) => p.startMs);
  return {
    mode: s.defaultDeviceOperatingMode,
    ruleIndex: null,
    startMs: before.length === 0 ? null : Math.max(...before),
    endMs: after.length === 0 ? atMs + MS_PER_DAY : Math.min(...after),
  };
}

export interface Firing {
  readonly atMs: EpochMs;
  /** What is commanded then. */
  readonly command: Order;
}

/** The next firings of a checked schedule after an instant, at most PREVIEW_MAX; conflicts with others are not in it. */
export function preview(s: Schedule, afterMs: EpochMs, count: number): Firing[] {
  const max = Math.min(count, PREVIEW_MAX);
  if (s.kind === 'command') {
    const range = { afterMs, untilMs: Number.POSITIVE_INFINITY, max };
    return timesOf(s.timing, range).map((atMs) => ({ atMs, command: s.command }));
  }
  const found: Firing[] = [];
  let atMs = modeAt(s, afterMs).endMs;
  // A level may begin at no firing: where a day leaves out a rule.
  for (let n = 0; n < 2 * PREVIEW_MAX && found.length < max; n++) {
    const level = modeAt(s, atMs);
    if (level.startMs === atMs) found.push({ atMs, command: level.mode });
    atMs = level.endMs;
  }
  return found;
}
