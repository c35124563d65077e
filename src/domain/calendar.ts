import { Temporal } from 'temporal-polyfill';
import { type EpochMs, MS_PER_DAY, MS_PER_HOUR, MS_PER_MIN } from './units.ts';

/**
 * Recurring local times: cron expressions of five fields and "HH:MM on these weekdays", as instants.
 *
 * Cron: minute hour day-of-month month day-of-week; `*`, numbers, names (JAN, MON), lists, ranges, steps behind `*` or a
 * range; weekday 0 and 7 are Sunday. When both day fields are restricted (do not begin with `*`) a day that matches either
 * counts. @source crontab(5) of Vixie cron [M]
 *
 * Change of daylight saving time, so that nothing is fired twice or lost in silence (promise S18):
 * - A rule whose hours are all 24 runs with real time: it fires at each local minute that there is, in both passes of an
 *   hour that comes twice and not in one that is left out; a day has 23, 24 or 25 of its hours.
 * - Any other rule means a time of day. A time that is left out fires once, at the first instant after the gap, and
 *   several of them fire there together as one; a time that comes twice fires in its first pass only. Vixie cron does the
 *   same for jobs without a wildcard [M]; it passes over the gap for those with a step in the hours, which this does not.
 * A day that a zone leaves out altogether counts as a gap.
 */
export interface CalendarRule {
  /** Ascending, as all lists here; 0..59. */
  readonly minutes: readonly number[];
  readonly hours: readonly number[];
  readonly daysOfMonth: readonly number[];
  readonly months: readonly number[];
  /** 0 = Sunday … 6 = Saturday. */
  readonly daysOfWeek: readonly number[];
  /** A day that matches day of month or day of week counts; otherwise it has to match both. */
  readonly eitherDay: boolean;
}

interface Field {
  readonly name: string;
  readonly min: number;
  readonly max: number;
  /** Names of min, min + 1, … */
  readonly names: readonly string[];
}

const MONTHS = ['JAN', 'FEB', 'MAR', 'APR', 'MAY', 'JUN', 'JUL', 'AUG', 'SEP', 'OCT', 'NOV', 'DEC'];
const WEEKDAYS = ['SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT'];
const FIELDS = [
  { name: 'minute', min: 0, max: 59, names: [] },
  { name: 'hour', min: 0, max: 23, names: [] },
  { name: 'day of month', min: 1, max: 31, names: [] },
  { name: 'month', min: 1, max: 12, names: MONTHS },
  { name: 'day of week', min: 0, max: 7, names: WEEKDAYS },
] as const satisfies readonly Field[];

const MACROS: Readonly<Record<string, string>> = {
  '@hourly': '0 * * * *',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@weekly': '0 0 * * 0',
  '@monthly': '0 0 1 * *',
  '@yearly': '0 0 1 1 *',
  '@annually': '0 0 1 1 *',
};

export const CRON_LENGTH_MAX = 200;

export type ParsedCron =
  | { readonly kind: 'rule'; readonly rule: CalendarRule }
  | { readonly kind: 'bad'; readonly field: string; readonly value: string; readonly expected: string };

/** Reads a cron expression of five fields, or one of @hourly, @daily, @weekly, @monthly, @yearly. */
export function parseCron(expression: string): ParsedCron {
  if (expression.length > CRON_LENGTH_MAX)
    return { kind: 'bad', field: 'expression', value: expression, expected: `at most ${CRON_LENGTH_MAX} characters` };
  const text = MACROS[expression.trim().toLowerCase()] ?? expression.trim();
  const parts = text.split(/\s+/);
  if (parts.length !== FIELDS.length) {
    const expected = 'five fields: minute hour day-of-month month day-of-week';
    return { kind: 'bad', field: 'expression', value: expression, expected };
  }
  const values: number[][] = [];
  for (const [i, field] of FIELDS.entries()) {
    const part = parts[i] ?? '';
    const found = parseField(part, field);
    if (found === null) return { kind: 'bad', field: field.name, value: part, expected: wording(field) };
    values.push(found);
  }
  const [minutes = [], hours = [], daysOfMonth = [], months = [], weekdays = []] = values;
  const daysOfWeek = [...new Set(weekdays.map((d) => d % 7))].sort((a, b) => a - b);
  const [, , monthDay = '', , weekday = ''] = parts;
  const eitherDay = !monthDay.startsWith('*') && !weekday.startsWith('*');
  const rule = { minutes, hours, daysOfMonth, months, daysOfWeek, eitherDay };
  if (canMatch(rule)) return { kind: 'rule', rule };
  return { kind: 'bad', field: 'day of month', value: monthDay, expected: 'a day that one of the months has' };
}

const wording = ({ min, max, names }: Field): string => {
  const named = names.length === 0 ? '' : ` or ${names[0]}–${names[names.length - 1]}`;
  return `*, ${min}–${max}${named}, lists (1,2), ranges (1-5) or steps (*/5, 10-20/5)`;
};

function parseField(text: string, field: Field): number[] | null {
  const found = new Set<number>();
  for (const item of text.split(',')) {
    const [range = '', step, more] = item.split('/');
    const span = range === '*' ? { from: field.min, to: field.max } : parseRange(range, field);
    if (span === null || more !== undefined) return null;
    const by = step === undefined ? 1 : wholeNumber(step);
    const stepsOverOne = step !== undefined && range !== '*' && !range.includes('-');
    if (by === null || by < 1 || stepsOverOne) return null;
    for (let x = span.from; x <= span.to; x += by) found.add(x);
  }
  return [...found].sort((a, b) => a - b);
}

function parseRange(text: string, field: Field): { from: number; to: number } | null {
  const [first = '', second, more] = text.split('-');
  const from = readValue(first, field);
  const to = second === undefined ? from : readValue(second, field);
  return more !== undefined || from === null || to === null || to < from ? null : { from, to };
}

function readValue(text: string, field: Field): number | null {
  const named = field.names.indexOf(text.toUpperCase());
  if (named >= 0) return field.min + named;
  const x = wholeNumber(text);
  return x === null || x < field.min || x > field.max ? null : x;
}

const wholeNumber = (text: string): number | null => (/^\d{1,4}$/.test(text) ? Number(text) : null);

const LONGEST = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/** False for 30 February and the like. */
function canMatch({ daysOfMonth, months, eitherDay }: CalendarRule): boolean {
  const first = daysOfMonth[0] ?? 0;
  return eitherDay || months.some((m) => first <= (LONGEST[m - 1] ?? 0));
}

const upTo = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, i) => from + i);

/** A time of day on some days of the week. @param minute  of the day, 0..1439 */
export const weeklyRule = (daysOfWeek: readonly number[], minute: number): CalendarRule => ({
  minutes: [minute % 60],
  hours: [Math.floor(minute / 60)],
  daysOfMonth: upTo(1, 31),
  months: upTo(1, 12),
  daysOfWeek: [...daysOfWeek].sort((a, b) => a - b),
  eitherDay: false,
});

/** A part of a local day in which the offset from UTC does not change. */
interface Stretch {
  readonly startMs: EpochMs;
  readonly endMs: EpochMs;
  /** What the clock shows at startMs, since midnight of the day [ms]. */
  readonly clockMs: number;
}

/** A local day as real time: 23, 24 or 25 hours as a rule. */
export interface CalendarDay {
  /** UTC midnight of the same date, as a name of it [epoch ms]. */
  readonly date: EpochMs;
  readonly endMs: EpochMs;
  readonly stretches: readonly Stretch[];
}

/** No zone changes its offset more often than this within a day. */
const STRETCHES_MAX = 8;

/** @param date  UTC midnight of the date [epoch ms] */
export function calendarDay(date: EpochMs, timeZone: string): CalendarDay {
  const startOf = (atMs: EpochMs) => {
    const d = new Date(atMs);
    return Temporal.PlainDate.from({
      year: d.getUTCFullYear(),
      month: d.getUTCMonth() + 1,
      day: d.getUTCDate(),
    }).toZonedDateTime(timeZone);
  };
  const endMs = startOf(date + MS_PER_DAY).epochMilliseconds;
  const stretches: Stretch[] = [];
  let at = startOf(date);
  while (at.epochMilliseconds < endMs && stretches.length < STRETCHES_MAX) {
    const change = at.getTimeZoneTransition('next');
    const startMs = at.epochMilliseconds;
    const untilMs = Math.min(endMs, change?.epochMilliseconds ?? endMs);
    const clockMs = startMs + Math.round(at.offsetNanoseconds / 1e6) - date;
    stretches.push({ startMs, endMs: untilMs, clockMs });
    if (change === null || untilMs === endMs) break;
    at = change;
  }
  return { date, endMs, stretches };
}

/** UTC midnight of the local date that holds an instant [epoch ms]. */
export function dateOf(atMs: EpochMs, timeZone: string): EpochMs {
  const z = Temporal.Instant.fromEpochMilliseconds(atMs).toZonedDateTimeISO(timeZone);
  const clockMs = atMs + Math.round(z.offsetNanoseconds / 1e6);
  return Math.floor(clockMs / MS_PER_DAY) * MS_PER_DAY;
}

/** Day of the week of a date, 0 = Sunday. */
export const weekdayOf = (date: EpochMs): number => new Date(date).getUTCDay();

/** The instant of a time of day: its first pass, or the first instant after the gap it falls into. */
export function instantAt(day: CalendarDay, minute: number): EpochMs {
  const clockMs = minute * MS_PER_MIN;
  for (const s of day.stretches) {
    if (clockMs < s.clockMs) return s.startMs;
    if (clockMs < s.clockMs + (s.endMs - s.startMs)) return s.startMs + (clockMs - s.clockMs);
  }
  return day.endMs;
}

function matchesDay(rule: CalendarRule, date: EpochMs): boolean {
  const d = new Date(date);
  if (!rule.months.includes(d.getUTCMonth() + 1)) return false;
  const byMonth = rule.daysOfMonth.includes(d.getUTCDate());
  const byWeek = rule.daysOfWeek.includes(d.getUTCDay());
  return rule.eitherDay ? byMonth || byWeek : byMonth && byWeek;
}

const HOURS_OF_DAY = 24;

/** Instants of a rule on one day, ascending, each once. */
function onDay(rule: CalendarRule, day: CalendarDay): EpochMs[] {
  const found: EpochMs[] = [];
  if (rule.hours.length === HOURS_OF_DAY) {
    for (const s of day.stretches) {
      const toFullMinute = (MS_PER_MIN - (s.clockMs % MS_PER_MIN)) % MS_PER_MIN;
      for (let t = s.startMs + toFullMinute; t < s.endMs; t += MS_PER_MIN) {
        const clockMs = s.clockMs + (t - s.startMs);
        const minute = Math.floor((((clockMs % MS_PER_HOUR) + MS_PER_HOUR) % MS_PER_HOUR) / MS_PER_MIN);
        if (rule.minutes.includes(minute)) found.push(t);
      }
    }
    return found;
  }
  for (const hour of rule.hours) {
    for (const minute of rule.minutes) {
      const t = instantAt(day, hour * 60 + minute);
      if (t !== found[found.length - 1]) found.push(t);
    }
  }
  return found;
}

/** 29 February on one day of the week: at most 40 years apart (across 2100). */
const DAYS_MAX = 41 * 366;

/**
 * The first instants of a rule in (afterMs, untilMs], ascending.
 * @param untilMs  Infinity = as far as there are any
 * @param max      at most so many
 * @throws         RangeError for an unknown zone: isTimeZone() asks first
 */
export function occurrences(request: {
  readonly rule: CalendarRule;
  readonly timeZone: string;
  readonly afterMs: EpochMs;
  readonly untilMs: EpochMs;
  readonly max: number;
}): EpochMs[] {
  const { rule, timeZone, afterMs, untilMs, max } = request;
  const found: EpochMs[] = [];
  // A time left out at the end of a day fires at the beginning of the next: the day before is looked at, too.
  const firstDate = dateOf(afterMs, timeZone) - MS_PER_DAY;
  for (let n = 0; n < DAYS_MAX && found.length < max; n++) {
    const date = firstDate + n * MS_PER_DAY;
    if (date - MS_PER_DAY > untilMs) break;
    if (!matchesDay(rule, date)) continue;
    for (const t of onDay(rule, calendarDay(date, timeZone))) {
      if (t <= Math.max(afterMs, found[found.length - 1] ?? afterMs)) continue;
      if (t > untilMs || found.length >= max) return found;
      found.push(t);
    }
  }
  return found;
}

/** "16:05" → 965; null for anything else. "24:00" is 1440, the end of the day. */
export function minuteOfDay(clock: string): number | null {
  const match = /^(\d{2}):(\d{2})$/.exec(clock);
  if (match === null) return null;
  const [hour, minute] = [Number(match[1]), Number(match[2])];
  const total = hour * 60 + minute;
  return minute > 59 || total > 1_440 ? null : total;
}
