import { Temporal } from 'temporal-polyfill';
import { inputError, show } from './errors.ts';
import type { EpochMs } from './units.ts';

/**
 * Local time at the edges only: inside, an instant is an integer of milliseconds UTC. A local time that does not exist
 * or exists twice (change of daylight saving time) is refused, never guessed.
 */
export interface LocalParts {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  readonly hour: number;
  readonly minute: number;
  /** 1 = Monday … 7 = Sunday (ISO 8601). */
  readonly weekday: number;
}

export function isTimeZone(name: string): boolean {
  try {
    Temporal.Instant.fromEpochMilliseconds(0).toZonedDateTimeISO(name);
    return true;
  } catch {
    return false;
  }
}

const zoned = (atMs: EpochMs, timeZone: string) =>
  Temporal.Instant.fromEpochMilliseconds(atMs).toZonedDateTimeISO(timeZone);

export function localParts(atMs: EpochMs, timeZone: string): LocalParts {
  const z = zoned(atMs, timeZone);
  return { year: z.year, month: z.month, day: z.day, hour: z.hour, minute: z.minute, weekday: z.dayOfWeek };
}

/** "2024-07-10" of the local day that holds the instant. */
export const localDate = (atMs: EpochMs, timeZone: string): string => zoned(atMs, timeZone).toPlainDate().toString();

/** "18:05" local. */
export const localClock = (atMs: EpochMs, timeZone: string): string =>
  zoned(atMs, timeZone).toPlainTime().toString({ smallestUnit: 'minute' });

/** "2024-07-10 18:05" local. */
export const localDateTime = (atMs: EpochMs, timeZone: string): string =>
  `${localDate(atMs, timeZone)} ${localClock(atMs, timeZone)}`;

/**
 * The instant of a local wall-clock time.
 * @param local  "2024-07-10T18:00" (seconds optional)
 * @throws       InputError for a malformed date, and for a time that is skipped or doubled by daylight saving time
 */
export function instantOfLocal(local: string, timeZone: string, where: { source: string; place: string }): EpochMs {
  let plain: Temporal.PlainDateTime;
  try {
    plain = Temporal.PlainDateTime.from(local, { overflow: 'reject' });
  } catch {
    throw inputError({ ...where, value: show(local), expected: 'a local date and time like 2024-07-10T18:00' });
  }
  try {
    return plain.toZonedDateTime(timeZone, { disambiguation: 'reject' }).epochMilliseconds;
  } catch {
    const earlier = plain.toZonedDateTime(timeZone, { disambiguation: 'earlier' }).toInstant().toString();
    const later = plain.toZonedDateTime(timeZone, { disambiguation: 'later' }).toInstant().toString();
    throw inputError({
      ...where,
      value: show(local),
      expected: `a local time that exists once in ${timeZone}; daylight saving time makes it ${earlier} or ${later}`,
    });
  }
}

/** Start of the local day that is `days` after the day holding the instant; days have 23, 24 or 25 hours. */
export function startOfLocalDay(atMs: EpochMs, timeZone: string, days = 0): EpochMs {
  return zoned(atMs, timeZone).startOfDay().add({ days }).startOfDay().epochMilliseconds;
}

export const isoUtc = (atMs: EpochMs): string => new Date(atMs).toISOString();
