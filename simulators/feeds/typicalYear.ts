/**
 * A year of hourly weather of one place in local STANDARD time, as EPW and TMY3 give it: months may come from
 * different years, so the year itself means nothing. Both formats stamp the END of the hour (hour 1 = 00:00–01:00).
 * Element i of each array is the hour [i, i+1) since 1 January 00:00 standard time; a file with 29 February has 8,784.
 */
import { inputError, show } from '../../src/domain/errors.ts';
import { isoUtc } from '../../src/domain/time.ts';
import { type EpochMs, MS_PER_DAY, MS_PER_HOUR, MS_PER_MIN } from '../../src/domain/units.ts';
import type { DataNote, Series } from '../../src/ports/series.ts';
import type { SiteWeather } from '../site/siteWeather.ts';
import { isDate } from './localTime.ts';

export interface TypicalYear {
  readonly source: string;
  readonly format: 'epw' | 'tmy3';
  readonly name: string;
  readonly latitudeDeg: number;
  readonly longitudeDeg: number;
  readonly elevationM: number;
  /** Local standard time minus UTC [min]. */
  readonly utcOffsetMin: number;
  readonly leap: boolean;
  readonly temperatureC: Float64Array;
  readonly ghiWPerM2: Float64Array;
  readonly dniWPerM2: Float64Array;
  readonly dhiWPerM2: Float64Array;
  readonly notes: readonly DataNote[];
}

export interface WeatherHour {
  readonly row: number;
  readonly month: number;
  readonly day: number;
  /** Hour ENDING, 1…24. */
  readonly hourEnding: number;
  readonly temperatureC: number;
  readonly ghiWPerM2: number;
  readonly dniWPerM2: number;
  readonly dhiWPerM2: number;
}

export type YearHead = Pick<
  TypicalYear,
  'source' | 'format' | 'name' | 'latitudeDeg' | 'longitudeDeg' | 'elevationM' | 'utcOffsetMin'
>;

/** A year that is not a leap year and one that is: only their calendars are used. */
const COMMON_YEAR = 2023;
const LEAP_YEAR = 2024;
const QUANTITIES = ['temperatureC', 'ghiWPerM2', 'dniWPerM2', 'dhiWPerM2'] as const;

const hourIndex = ({ year, month, day }: { year: number; month: number; day: number }): number =>
  ((Date.UTC(year, month - 1, day) - Date.UTC(year, 0, 1)) / MS_PER_DAY) * 24;

/**
 * Puts the hours on the calendar of the year.
 * @param hours  in the order of the file
 * @returns      the year; hours the file leaves out are NaN with a note, as are its missing values
 * @throws       InputError when a date does not exist, or the hours do not rise
 */
export function typicalYear(
  head: YearHead,
  { hours, notes }: { hours: readonly WeatherHour[]; notes: readonly DataNote[] },
): TypicalYear {
  const leap = hours.some((h) => h.month === 2 && h.day === 29);
  const year = leap ? LEAP_YEAR : COMMON_YEAR;
  const count = (leap ? 366 : 365) * 24;
  const arrays = {
    temperatureC: new Float64Array(count).fill(Number.NaN),
    ghiWPerM2: new Float64Array(count).fill(Number.NaN),
    dniWPerM2: new Float64Array(count).fill(Number.NaN),
    dhiWPerM2: new Float64Array(count).fill(Number.NaN),
  };
  const all = [...notes];
  let before: { index: number; row: number } = { index: -1, row: 0 };
  for (const h of hours) {
    const index = indexInYear(h, { year, source: head.source });
    if (index <= before.index) {
      const value = `month ${h.month}, day ${h.day}, hour ${h.hourEnding}`;
      throw inputError({
        source: head.source,
        place: `row ${h.row}`,
        value,
        expected: `an hour after that of row ${before.row}`,
      });
    }
    if (index > before.index + 1) all.push(gapNote(before, index));
    for (const quantity of QUANTITIES) arrays[quantity][index] = h[quantity];
    before = { index, row: h.row };
  }
  if (before.index < count - 1) all.push(gapNote(before, count));
  all.push(...missingNotes(hours));
  return { ...head, leap, ...arrays, notes: all.sort((a, b) => a.row - b.row) };
}

function indexInYear(h: WeatherHour, { year, source }: { year: number; source: string }): number {
  const { month, day, hourEnding } = h;
  if (!isDate({ year, month, day }) || !Number.isInteger(hourEnding) || hourEnding < 1 || hourEnding > 24) {
    const value = `month ${month}, day ${day}, hour ${hourEnding}`;
    throw inputError({
      source,
      place: `row ${h.row}`,
      value,
      expected: 'a date that exists and an hour ending from 1 to 24',
    });
  }
  return hourIndex({ year, month, day }) + hourEnding - 1;
}

const gapNote = (before: { index: number; row: number }, index: number): DataNote => ({
  row: before.row,
  what: `gap of ${index - before.index - 1} hours after row ${before.row}`,
});

/** One note a quantity and run of missing values. */
function missingNotes(hours: readonly WeatherHour[]): DataNote[] {
  const notes: DataNote[] = [];
  for (const quantity of QUANTITIES) {
    let first: WeatherHour | undefined;
    let count = 0;
    for (const h of [...hours, undefined]) {
      if (h !== undefined && Number.isNaN(h[quantity])) {
        first ??= h;
        count += 1;
      } else if (first !== undefined) {
        notes.push({
          row: first.row,
          what: `${quantity}: missing in ${count} hour${count === 1 ? '' : 's'} from row ${first.row}`,
        });
        first = undefined;
        count = 0;
      }
    }
  }
  return notes;
}

/**
 * Irradiance as measured, checked: sensors read a little below zero at night, more is a wrong unit or a fault.
 * @returns the value with −5 ≤ x < 0 raised to 0 and a note
 * @throws  InputError below −5 W/m²
 */
export function clampedIrradiance(
  value: number,
  { source, row, column, notes }: { source: string; row: number; column: string; notes: DataNote[] },
): number {
  if (!(value < 0)) return value;
  if (value < -5) {
    const expected = 'an irradiance of at least −5 W/m² (a sensor at night) or the code for a missing value';
    throw inputError({ source, place: `row ${row}, column ${column}`, value: show(value), expected });
  }
  notes.push({ row, what: `${column}: ${value} W/m² raised to 0` });
  return 0;
}

/** Longest cut [hours]: ten years. */
const HOURS_MAX = 87_672;

/**
 * The weather of any calendar range, taken from the typical year by month, day and hour of standard time; 29 February
 * is 28 February where the file has none. The range begins with the standard-time hour that holds startMs.
 * @throws InputError when the range is empty or longer than ten years
 */
export function weatherBetween(
  year: TypicalYear,
  { startMs, endMs }: { startMs: EpochMs; endMs: EpochMs },
): SiteWeather {
  const offsetMs = year.utcOffsetMin * MS_PER_MIN;
  const firstMs = Math.floor((startMs + offsetMs) / MS_PER_HOUR) * MS_PER_HOUR - offsetMs;
  const hours = Math.ceil((endMs - firstMs) / MS_PER_HOUR);
  if (!(endMs > startMs) || hours > HOURS_MAX) {
    const value = `${isoUtc(startMs)} to ${isoUtc(endMs)}`;
    throw inputError({ source: year.source, place: 'time range', value, expected: 'a range of at most ten years' });
  }
  const cut = (values: Float64Array, unit: string, what: string): Series => {
    const out = new Float64Array(hours);
    for (let i = 0; i < hours; i++) out[i] = values[indexAt(year, firstMs + offsetMs + i * MS_PER_HOUR)] ?? Number.NaN;
    return {
      startMs: firstMs,
      stepMs: MS_PER_HOUR,
      unit,
      values: out,
      source: `${year.source}, ${what}, typical year`,
    };
  };
  return {
    latitudeDeg: year.latitudeDeg,
    longitudeDeg: year.longitudeDeg,
    temperatureC: cut(year.temperatureC, '°C', 'air temperature'),
    ghiWPerM2: cut(year.ghiWPerM2, 'W/m²', 'global horizontal irradiance'),
    dniWPerM2: cut(year.dniWPerM2, 'W/m²', 'direct normal irradiance'),
    dhiWPerM2: cut(year.dhiWPerM2, 'W/m²', 'diffuse horizontal irradiance'),
  };
}

/** Index of the hour that a standard-time clock, read as UTC, shows. */
function indexAt(year: TypicalYear, standardMs: number): number {
  const d = new Date(standardMs);
  const month = d.getUTCMonth() + 1;
  const day = month === 2 && d.getUTCDate() === 29 && !year.leap ? 28 : d.getUTCDate();
  return hourIndex({ year: year.leap ? LEAP_YEAR : COMMON_YEAR, month, day }) + d.getUTCHours();
}
