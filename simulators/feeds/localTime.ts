/**
 * Stamps of feeds into instants. Three kinds occur: UTC with or without a mark, local standard time with a fixed offset
 * (weather, metering), and prevailing local time with daylight saving time (market files). The last has two traps: an
 * hour that does not exist in spring, and one that exists twice in autumn. Files of the second kind repeat the stamp,
 * so the order of rows tells which is meant; a reader asks for all instants of a stamp and chooses.
 */
import { inputError, show } from '../../src/domain/errors.ts';
import { localParts, startOfLocalDay } from '../../src/domain/time.ts';
import { type EpochMs, MS_PER_DAY, MS_PER_HOUR, MS_PER_MIN } from '../../src/domain/units.ts';

export interface WallTime {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  /** 0…23, or 24 for the end of the day. */
  readonly hour: number;
  readonly minute: number;
}

const STAMP = /^(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:\.0+)?)?)?$/;

/**
 * "2024-07-10", "2024-07-10T18:00", "2024-07-10 18:00:00" without a zone.
 * @throws InputError for another form, a date that does not exist, seconds other than 0
 */
export function wallTime(text: string, where: { source: string; place: string }): WallTime {
  const m = STAMP.exec(text.trim());
  const [year, month, day, hour, minute, second] = [1, 2, 3, 4, 5, 6].map((i) => Number(m?.[i] ?? 0));
  if (m === null || year === undefined || month === undefined || day === undefined) {
    throw inputError({ ...where, value: show(text), expected: 'a time like 2024-07-10T18:00' });
  }
  const wall = { year, month, day, hour: hour ?? 0, minute: minute ?? 0 };
  if (!isDate(wall) || wall.hour > 23 || wall.minute > 59 || second !== 0) {
    throw inputError({ ...where, value: show(text), expected: 'a date that exists and a time on a whole minute' });
  }
  return wall;
}

export function isDate({ year, month, day }: { year: number; month: number; day: number }): boolean {
  const d = new Date(Date.UTC(year, month - 1, day));
  return d.getUTCFullYear() === year && d.getUTCMonth() === month - 1 && d.getUTCDate() === day;
}

/** The wall time read as if it were UTC [ms]; subtract the offset to get the instant. */
export const asUtcMs = ({ year, month, day, hour, minute }: WallTime): number =>
  Date.UTC(year, month - 1, day) + hour * MS_PER_HOUR + minute * MS_PER_MIN;

const UTC_STAMP = /^(\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(?::\d{2}(?:\.0+)?)?)(?:Z|[+-]00:?00)?$/;

/**
 * A UTC stamp in any spelling the market files use: "…T07:00:00Z", "… 07:00:00", "…T07:00:00-00:00".
 * @throws InputError for another form, an offset other than 0, a date that does not exist
 */
export function utcMs(text: string, where: { source: string; place: string }): EpochMs {
  const m = UTC_STAMP.exec(text.trim());
  if (m?.[1] === undefined) {
    throw inputError({ ...where, value: show(text), expected: 'a UTC time like 2020-08-14T18:00:00Z' });
  }
  return asUtcMs(wallTime(m[1], where));
}

export interface LocalDay {
  readonly startMs: EpochMs;
  readonly endMs: EpochMs;
  /** 23, 24 or 25 in most zones. */
  readonly hours: number;
}

export interface LocalCalendar {
  readonly timeZone: string;
  day(date: { year: number; month: number; day: number }): LocalDay;
  /** The instants that show this wall time: none (skipped), one, or two in rising order (doubled). */
  instants(wall: WallTime): EpochMs[];
}

/** A calendar of one zone that keeps the days it has seen (at most DAYS_MAX, then it starts anew). */
export function localCalendar(timeZone: string): LocalCalendar {
  const seen = new Map<number, LocalDay>();
  const day = (date: { year: number; month: number; day: number }): LocalDay => {
    const key = Date.UTC(date.year, date.month - 1, date.day);
    const known = seen.get(key);
    if (known !== undefined) return known;
    const startMs = startOfNamedDay(key, timeZone);
    const endMs = startOfLocalDay(startMs, timeZone, 1);
    const found = { startMs, endMs, hours: (endMs - startMs) / MS_PER_HOUR };
    if (seen.size >= DAYS_MAX) seen.clear();
    seen.set(key, found);
    return found;
  };
  const instants = (wall: WallTime): EpochMs[] => {
    const { startMs, endMs, hours } = day(wall);
    const sinceMidnightMs = wall.hour * MS_PER_HOUR + wall.minute * MS_PER_MIN;
    if (hours === 24) return [startMs + sinceMidnightMs];
    const candidates = [startMs + sinceMidnightMs, endMs - MS_PER_DAY + sinceMidnightMs].sort((a, b) => a - b);
    return candidates.filter((ms, i) => ms !== candidates[i - 1] && shows(ms, wall, timeZone));
  };
  return { timeZone, day, instants };
}

const DAYS_MAX = 10_000;

/** Noon of a date is in that date in every zone between UTC−12 and UTC+12; further east one step back is needed. */
function startOfNamedDay(dateAsUtcMs: number, timeZone: string): EpochMs {
  const guess = dateAsUtcMs + MS_PER_DAY / 2;
  const parts = localParts(guess, timeZone);
  const days = Math.round((dateAsUtcMs - Date.UTC(parts.year, parts.month - 1, parts.day)) / MS_PER_DAY);
  return startOfLocalDay(guess, timeZone, days);
}

function shows(atMs: EpochMs, wall: WallTime, timeZone: string): boolean {
  const p = localParts(atMs, timeZone);
  return p.day === wall.day && p.hour === wall.hour && p.minute === wall.minute;
}
