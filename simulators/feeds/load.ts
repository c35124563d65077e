/**
 * Reads metered or simulated consumption and generation: one column of stamps, any number of value columns.
 *
 * What a file leaves open must be said by the caller, nothing is guessed:
 * - edge: from the stamp column's name (…begin…, …start… = START of the interval; …end… = END), else option `stamp`;
 * - zone: …_utc… in the name, else option `utcOffsetMin` (local standard time) or `timeZone` (prevailing local time);
 * - unit: from the end of a value column's name (_kw, _kwh, _w, _wh), else option `unit` for all columns;
 * - date: a column `minute` (1…1440, minute m = [m−1, m)) has none: option `startMs` says when minute 1 begins.
 * Energy in an interval becomes mean power: W = kWh · 1000 / hours. Columns of another unit (°C, people) are passed
 * over; so is heat (…thermal…), which no electric meter sees, unless the column is asked for by name.
 */
import { inputError, nearestName, show } from '../../src/domain/errors.ts';
import { type EpochMs, MS_PER_HOUR, MS_PER_MIN } from '../../src/domain/units.ts';
import type { DataNote, Series } from '../../src/ports/series.ts';
import { type CsvRow, type CsvTable, columnIndex, csvTable, numberOf } from './csv.ts';
import { asUtcMs, utcMs, wallTime } from './localTime.ts';
import { localStarts } from './priceRows.ts';
import { type Sample, seriesOf } from './samples.ts';

export type LoadUnit = 'W' | 'kW' | 'Wh' | 'kWh';

export interface ReadLoadInput {
  readonly text: string;
  readonly source: string;
  /** Columns to read; absent = all whose name ends in a unit of power or energy, or all when `unit` is given. */
  readonly columns?: readonly string[] | undefined;
  readonly unit?: LoadUnit | undefined;
  readonly stamp?: 'start' | 'end' | undefined;
  readonly utcOffsetMin?: number | undefined;
  readonly timeZone?: string | undefined;
  readonly startMs?: EpochMs | undefined;
  /** Of a file that stacks several meters: keep the rows whose column has this value. */
  readonly where?: { readonly column: string; readonly value: string } | undefined;
  /** Net meters may be negative; a load may not. */
  readonly signed?: boolean | undefined;
}

export interface LoadRead {
  /** Mean power of the interval [W], as the file counts it (a load is ≥ 0, not the bus sign). */
  readonly loads: readonly { readonly name: string; readonly series: Series }[];
  readonly notes: readonly DataNote[];
}

/**
 * @throws InputError: an edge, zone, unit or date that is not clear, an unknown column, a negative load, time that goes
 *         back, steps that differ, a file cut off
 */
export function readLoad(input: ReadLoadInput): LoadRead {
  const whole = csvTable(input);
  const table = input.where === undefined ? whole : filtered(whole, input.where);
  const stamp = stampColumn(table);
  const { starts, notes } = stampsOf(table, stamp, input);
  const stepMs = stepOf(starts, table.source);
  const shiftMs = edgeOf(table.header[stamp] ?? '', input) === 'end' ? stepMs : 0;
  const loads = chosenColumns(table, stamp, input).map(({ index, name, unit }) => {
    const samples = starts.map(({ row, startMs }): Sample => {
      const value = powerW(row.fields[index], {
        source: table.source,
        row: row.line,
        column: name,
        unit,
        stepMs,
        signed: input.signed === true,
      });
      return { startMs: startMs - shiftMs, value, row: row.line };
    });
    return { name, ...seriesOf({ samples, stepMs, unit: 'W', source: table.source, what: name, order: 'rising' }) };
  });
  const all = [...notes, ...loads.flatMap((l) => l.notes)].sort((a, b) => a.row - b.row);
  return { loads: loads.map(({ name, series }) => ({ name, series })), notes: all };
}

function filtered(table: CsvTable, { column, value }: { column: string; value: string }): CsvTable {
  const index = columnIndex(table, column);
  const rows = table.rows.filter((row) => row.fields[index] === value);
  if (rows.length > 0) return { ...table, rows };
  const values = [...new Set(table.rows.map((row) => row.fields[index] ?? ''))];
  const near = nearestName(value, values);
  throw inputError({
    source: table.source,
    place: `column ${column}`,
    value: show(value),
    expected: `one of ${values.slice(0, 12).join(', ')}${values.length > 12 ? ', …' : ''}`,
    ...(near === undefined ? {} : { didYouMean: near }),
  });
}

const STAMP_NAME = /time|hour|interval|minute|date|stamp/i;

/** The first column named like a time; a first column without a name (an index written by a data frame) also counts. */
function stampColumn(table: CsvTable): number {
  if (table.header[0] === '') return 0;
  const index = table.header.findIndex((name) => STAMP_NAME.test(name));
  if (index >= 0) return index;
  const expected = 'a column of stamps: hour_begin_…, hour_end_…, interval_start_…, timestamp or minute';
  throw inputError({ source: table.source, place: 'header', value: show(table.header.join(',')), expected });
}

interface Stamped {
  readonly row: CsvRow;
  readonly startMs: EpochMs;
}

function stampsOf(
  table: CsvTable,
  column: number,
  input: ReadLoadInput,
): { starts: readonly Stamped[]; notes: DataNote[] } {
  const { source } = table;
  const name = table.header[column] ?? '';
  const place = (row: CsvRow) => ({ source, place: `row ${row.line}, column ${name === '' ? '1' : name}` });
  const text = (row: CsvRow) => row.fields[column] ?? '';
  if (name === 'minute') return { starts: minutesOf(table, column, input), notes: [] };
  if (/utc|gmt/i.test(name))
    return { starts: table.rows.map((row) => ({ row, startMs: utcMs(text(row), place(row)) })), notes: [] };
  const { utcOffsetMin, timeZone } = input;
  if (utcOffsetMin !== undefined) {
    const at = (row: CsvRow) => asUtcMs(wallTime(text(row), place(row))) - utcOffsetMin * MS_PER_MIN;
    return { starts: table.rows.map((row) => ({ row, startMs: at(row) })), notes: [] };
  }
  if (timeZone !== undefined && !/lst/i.test(name)) return localStarts({ table, column, timeZone });
  const expected = /lst/i.test(name)
    ? 'the option utcOffsetMin: the column is local standard time'
    : 'the option utcOffsetMin (local standard time) or timeZone (with daylight saving time)';
  throw inputError({ source, place: `column ${show(name)}`, value: 'local times of an unknown zone', expected });
}

function minutesOf(table: CsvTable, column: number, { startMs }: ReadLoadInput): Stamped[] {
  const { source } = table;
  if (startMs === undefined) {
    const expected = 'the option startMs: when minute 1 begins';
    throw inputError({ source, place: 'column minute', value: 'minutes of an unnamed day', expected });
  }
  return table.rows.map((row) => {
    const minute = numberOf(row.fields[column], {
      source,
      row: row.line,
      column: 'minute',
      min: 1,
      max: 527_040,
      unit: 'min',
    });
    if (Number.isInteger(minute)) return { row, startMs: startMs + (minute - 1) * MS_PER_MIN };
    const value = show(row.fields[column]);
    throw inputError({ source, place: `row ${row.line}, column minute`, value, expected: 'a whole minute from 1' });
  });
}

function edgeOf(name: string, { stamp, source }: ReadLoadInput): 'start' | 'end' {
  const named = name === 'minute' || /begin|start/i.test(name) ? 'start' : /end/i.test(name) ? 'end' : undefined;
  if (named !== undefined && stamp !== undefined && named !== stamp) {
    throw inputError({
      source,
      place: `column ${show(name)}`,
      value: show(stamp),
      expected: `stamp "${named}", as its name says`,
    });
  }
  const edge = named ?? stamp;
  if (edge !== undefined) return edge;
  const expected = 'the option stamp ("start" or "end"): the name does not say which edge is stamped';
  throw inputError({ source, place: `column ${show(name)}`, value: 'an unclear interval edge', expected });
}

/** The commonest step of the file is its step; seriesOf then refuses stamps that lie off that grid. */
function stepOf(starts: readonly Stamped[], source: string): number {
  const counts = new Map<number, number>();
  for (const [i, { startMs }] of starts.entries()) {
    const before = starts[i - 1];
    const stepMs = before === undefined ? 0 : startMs - before.startMs;
    if (stepMs > 0) counts.set(stepMs, (counts.get(stepMs) ?? 0) + 1);
  }
  const best = [...counts].sort((a, b) => b[1] - a[1] || a[0] - b[0])[0];
  if (best !== undefined && MS_PER_HOUR % best[0] === 0) return best[0];
  const value = best === undefined ? 'a single time' : `a step of ${best[0] / MS_PER_MIN} min`;
  throw inputError({
    source,
    place: 'column of stamps',
    value,
    expected: 'a step that divides an hour, seen at least once',
  });
}

interface ValueColumn {
  readonly index: number;
  readonly name: string;
  readonly unit: LoadUnit;
}

const UNITS: Readonly<Record<string, LoadUnit>> = { w: 'W', kw: 'kW', wh: 'Wh', kwh: 'kWh' };

/** The unit a name carries as a word of its own: "kw", "p1_kw", "load_kwh_b1". Two different ones are none. */
function unitInName(name: string): LoadUnit | undefined {
  const found = [
    ...new Set(
      name
        .toLowerCase()
        .split(/[^a-z0-9]+/)
        .flatMap((word) => (Object.hasOwn(UNITS, word) ? [word] : [])),
    ),
  ];
  const word = found.length === 1 ? found[0] : undefined;
  return word === undefined || isRate(name) ? undefined : UNITS[word];
}

/** "dni_w_m2", "price_usd_kwh" and "carbon_kg_kwh" are per area or per energy, not power or energy. */
const isRate = (name: string): boolean => /m2|usd|eur|price|carbon|kg/i.test(name);

function chosenColumns(table: CsvTable, stamp: number, input: ReadLoadInput): ValueColumn[] {
  const names =
    input.columns ??
    table.header.filter((name, i) => i !== stamp && name !== input.where?.column && isLoad(name, input));
  const columns = names.map((name): ValueColumn => {
    const index = columnIndex(table, name);
    const named = unitInName(name);
    const unit = input.unit ?? named;
    if (unit === undefined || (named !== undefined && named !== unit)) {
      const value = named === undefined ? 'no unit' : `${named} in the name, ${show(input.unit)} in the option`;
      throw inputError({
        source: table.source,
        place: `column ${show(name)}`,
        value,
        expected: 'the option unit: W, kW, Wh or kWh',
      });
    }
    return { index, name, unit };
  });
  if (columns.length > 0) return columns;
  const expected = 'a column whose name ends in _kw or _kwh, or the option unit';
  throw inputError({ source: table.source, place: 'header', value: show(table.header.join(',')), expected });
}

function isLoad(name: string, { unit }: ReadLoadInput): boolean {
  return unit === undefined ? unitInName(name) !== undefined && !/thermal/i.test(name) : true;
}

/** A gigawatt at one meter is a wrong unit. */
const POWER_W_MAX = 1e9;

interface PowerCell {
  readonly source: string;
  readonly row: number;
  readonly column: string;
  readonly unit: LoadUnit;
  readonly stepMs: number;
  readonly signed: boolean;
}

function powerW(field: string | undefined, { unit, stepMs, signed, ...where }: PowerCell): number {
  const wattsPer = { W: 1, kW: 1000, Wh: MS_PER_HOUR / stepMs, kWh: (1000 * MS_PER_HOUR) / stepMs }[unit];
  const max = POWER_W_MAX / wattsPer;
  return numberOf(field, { ...where, min: signed ? -max : 0, max, unit }) * wattsPer;
}
