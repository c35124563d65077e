import type { HomeGroup, Scenario } from '../../scenarios/schema.ts';
import { startMsOf } from '../../scenarios/times.ts';
import { readLoad } from '../../simulators/feeds/load.ts';
import { bridgeGaps } from '../../simulators/feeds/samples.ts';
import { inputError } from '../../src/domain/errors.ts';
import { instantOfLocal, localDate, startOfLocalDay } from '../../src/domain/time.ts';
import { type EpochMs, MS_PER_DAY, MS_PER_HOUR, MS_PER_MIN } from '../../src/domain/units.ts';
import { type Series, valueAt } from '../../src/ports/series.ts';
import type { Note, TextFile } from './textFile.ts';

/**
 * Metered load and generation as profiles of a run. A file seldom covers the days of the run, so its whole local days are
 * used in turn: `firstDay` (or the first whole day of the file) stands for the first day of the run, the days after it
 * follow, and before the first and after the last it starts again. Clock times keep their place.
 */
export type MeterFile = NonNullable<HomeGroup['loadFile']>;

/** Holes up to this long are bridged by a straight line; a longer one is refused. */
const BRIDGE_MS = 3 * MS_PER_HOUR;

export interface MeteredRequest {
  readonly scenario: Scenario;
  readonly file: MeterFile;
  readonly readText: (path: string) => TextFile;
  readonly note: (note: Note) => void;
}

/** @throws InputError for a file that cannot be read, has no whole day, or a hole of more than three hours in a day used */
export function readMetered(r: MeteredRequest): Series[] {
  const { text, source } = r.readText(r.file.path);
  const { columns, unit, stamp, utcOffsetMin } = r.file;
  const timeZone = utcOffsetMin === undefined ? r.scenario.timeZone : undefined;
  const read = readLoad({ text, source, columns, unit, stamp, utcOffsetMin, timeZone });
  for (const n of read.notes) r.note({ source, what: `row ${n.row}: ${n.what}` });
  return read.loads.map(({ series }) => {
    const { series: bridged, filled } = bridgeGaps(series, Math.floor(BRIDGE_MS / series.stepMs));
    if (filled > 0) r.note({ source, what: `${filled} missing values bridged by straight lines` });
    return bridged;
  });
}

/**
 * The series per minute from startMs on.
 * @returns  mean power of the minute, in the unit of the series
 */
export function perMinute(
  series: Series,
  at: { readonly scenario: Scenario; readonly startMs: EpochMs; readonly minutes: number; readonly file: MeterFile },
): Float64Array {
  const { timeZone } = at.scenario;
  const days = wholeDays(series, timeZone);
  const first = firstDayIndex(days, series, at.file, timeZone);
  const runDay = startOfLocalDay(startMsOf(at.scenario), timeZone);
  const out = new Float64Array(at.minutes);
  let dayMs = Number.NaN;
  let fileDayMs = 0;
  for (let m = 0; m < at.minutes; m++) {
    const t = at.startMs + m * MS_PER_MIN;
    if (!(t >= dayMs && t < dayMs + 23 * MS_PER_HOUR)) {
      dayMs = startOfLocalDay(t, timeZone);
      const offset = Math.round((dayMs - runDay) / MS_PER_DAY);
      fileDayMs = days[(((first + offset) % days.length) + days.length) % days.length] ?? 0;
    }
    const value = valueAt(series, fileDayMs + Math.min(t - dayMs, MS_PER_DAY - 1));
    if (Number.isNaN(value)) throw hole(series, fileDayMs, timeZone);
    out[m] = value;
  }
  return out;
}

const hole = (series: Series, dayMs: EpochMs, timeZone: string) =>
  inputError({
    source: series.source,
    place: `day ${localDate(dayMs, timeZone)}`,
    value: 'missing values for more than three hours',
    expected: 'a day without such a hole; choose another with firstDay',
  });

/** Local midnights of the days that the series covers from begin to end. */
function wholeDays(series: Series, timeZone: string): EpochMs[] {
  const endMs = series.startMs + series.values.length * series.stepMs;
  const days: EpochMs[] = [];
  let day = startOfLocalDay(
    series.startMs,
    timeZone,
    startOfLocalDay(series.startMs, timeZone) < series.startMs ? 1 : 0,
  );
  for (let next = startOfLocalDay(day, timeZone, 1); next <= endMs; next = startOfLocalDay(next, timeZone, 1)) {
    days.push(day);
    day = next;
  }
  if (days.length > 0) return days;
  throw inputError({
    source: series.source,
    place: 'whole file',
    value: 'less than a whole local day',
    expected: 'at least one whole day',
  });
}

function firstDayIndex(days: readonly EpochMs[], series: Series, file: MeterFile, timeZone: string): number {
  if (file.firstDay === undefined) return 0;
  const wanted = instantOfLocal(`${file.firstDay}T00:00`, timeZone, { source: series.source, place: 'firstDay' });
  const index = days.indexOf(wanted);
  if (index >= 0) return index;
  const [from, to] = [days[0] ?? 0, days[days.length - 1] ?? 0].map((d) => localDate(d, timeZone));
  throw inputError({
    source: series.source,
    place: 'firstDay',
    value: file.firstDay,
    expected: `a whole day from ${from} to ${to}`,
  });
}
