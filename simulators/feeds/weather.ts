/**
 * Reads weather files of a typical or actual year.
 *
 * EPW (EnergyPlus Auxiliary Programs, "EPW File Format"): 8 header lines, the first being LOCATION, city, state,
 * country, source, WMO number, latitude, longitude, hours from UTC, elevation; then one row an hour without column
 * names: year, month, day, hour ENDING 1–24, minute, flags, dry bulb [°C] (missing 99.9), … column 14 GHI, 15 DNI,
 * 16 DHI [Wh/m² in the hour = mean W/m²] (missing 9999).
 *
 * TMY3 (Wilcox & Marion, NREL/TP-581-43156): line 1 station, "name", state, hours from UTC, latitude, longitude,
 * elevation; line 2 column names; then Date (MM/DD/YYYY), Time (HH:MM) of the hour's END with 24:00 for midnight,
 * GHI, DNI, DHI [Wh/m² in the hour], Dry-bulb [°C]; missing −9900.
 */
import { inputError, show } from '../../src/domain/errors.ts';
import type { DataNote } from '../../src/ports/series.ts';
import { type CsvRow, columnIndex, csvRows, numberOf, requireColumns, tableOf } from './csv.ts';
import { clampedIrradiance, type TypicalYear, typicalYear, type WeatherHour, type YearHead } from './typicalYear.ts';

/**
 * @returns the year, whichever format the file has
 * @throws  InputError: neither format, a header line or column missing, a value that cannot be (temperature outside
 *          −90…60 °C, irradiance above 1,600 or below −5 W/m²), hours that do not rise, a file cut off
 */
export function readWeather({ text, source }: { text: string; source: string }): TypicalYear {
  const rows = csvRows({ text, source });
  const first = rows[0]?.fields ?? [];
  if ((first[0] ?? '').trim().toUpperCase() === 'LOCATION') return readEpw(rows, source);
  if (rows[1]?.fields.some((name) => name.startsWith('Date (MM/DD/YYYY)')) === true) return readTmy3(rows, source);
  const expected = 'an EPW file (line 1: LOCATION,…) or a TMY3 file (line 2: Date (MM/DD/YYYY),Time (HH:MM),…)';
  throw inputError({ source, place: 'row 1', value: show(first.join(',')), expected });
}

/** World records are −89.2 and 56.7 °C (WMO); beyond them the unit is not °C. */
const TEMPERATURE_C = { min: -90, max: 60, unit: '°C' };
/** The sun gives 1,361 W/m² outside the air; bright clouds add a little at the ground. */
const IRRADIANCE_W_PER_M2 = { min: -999_999, max: 1600, unit: 'W/m²' };

const EPW_HEADER: readonly string[] = [
  'LOCATION',
  'DESIGN CONDITIONS',
  'TYPICAL/EXTREME PERIODS',
  'GROUND TEMPERATURES',
  'HOLIDAYS/DAYLIGHT SAVINGS',
  'COMMENTS 1',
  'COMMENTS 2',
  'DATA PERIODS',
];
const EPW_FIELDS = 35;

function readEpw(rows: readonly CsvRow[], source: string): TypicalYear {
  for (const [i, name] of EPW_HEADER.entries()) {
    const found = (rows[i]?.fields[0] ?? '').trim().toUpperCase();
    // Some writers put the daylight saving keyword with a blank: "HOLIDAYS/DAYLIGHT SAVING".
    if (found !== name && !(name.startsWith('HOLIDAYS') && found.startsWith('HOLIDAYS'))) {
      throw inputError({ source, place: `row ${i + 1}`, value: show(found), expected: `the header line ${name}` });
    }
  }
  const perHour = Number(rows[7]?.fields[2]);
  if (perHour !== 1) {
    const value = show(rows[7]?.fields[2]);
    throw inputError({ source, place: 'row 8, DATA PERIODS', value, expected: '1 record per hour' });
  }
  const head = rows[0]?.fields ?? [];
  const notes: DataNote[] = [];
  const hours = rows.slice(EPW_HEADER.length).map((row) => epwHour(row, { source, notes }));
  const name = [head[1], head[2], head[3]].map((t) => (t ?? '').trim()).join(', ');
  const place = placeOfHead({
    source,
    name,
    latitude: head[6],
    longitude: head[7],
    offset: head[8],
    elevation: head[9],
  });
  return typicalYear({ ...place, format: 'epw' }, { hours, notes });
}

function epwHour(row: CsvRow, { source, notes }: { source: string; notes: DataNote[] }): WeatherHour {
  if (row.fields.length !== EPW_FIELDS) {
    throw inputError({
      source,
      place: `row ${row.line}`,
      value: `${row.fields.length} fields`,
      expected: `${EPW_FIELDS} fields`,
    });
  }
  const field = (index: number) => (row.fields[index] ?? '').trim();
  const at = (column: string) => ({ source, row: row.line, column });
  const irradiance = (index: number, column: string): number => {
    if (Number(field(index)) >= 9999) return Number.NaN;
    const value = numberOf(field(index), { ...at(column), ...IRRADIANCE_W_PER_M2 });
    return clampedIrradiance(value, { ...at(column), notes });
  };
  return {
    row: row.line,
    month: Number(field(1)),
    day: Number(field(2)),
    hourEnding: Number(field(3)),
    temperatureC:
      Number(field(6)) === 99.9 ? Number.NaN : numberOf(field(6), { ...at('7 (dry bulb)'), ...TEMPERATURE_C }),
    ghiWPerM2: irradiance(13, '14 (global horizontal)'),
    dniWPerM2: irradiance(14, '15 (direct normal)'),
    dhiWPerM2: irradiance(15, '16 (diffuse horizontal)'),
  };
}

const TMY3_COLUMNS = {
  date: 'Date (MM/DD/YYYY)',
  time: 'Time (HH:MM)',
  ghi: 'GHI (W/m^2)',
  dni: 'DNI (W/m^2)',
  dhi: 'DHI (W/m^2)',
  dryBulb: 'Dry-bulb (C)',
};

function readTmy3(rows: readonly CsvRow[], source: string): TypicalYear {
  const table = tableOf(rows.slice(1), source);
  requireColumns(table, Object.values(TMY3_COLUMNS));
  const columns = {
    date: columnIndex(table, TMY3_COLUMNS.date),
    time: columnIndex(table, TMY3_COLUMNS.time),
    ghi: columnIndex(table, TMY3_COLUMNS.ghi),
    dni: columnIndex(table, TMY3_COLUMNS.dni),
    dhi: columnIndex(table, TMY3_COLUMNS.dhi),
    dryBulb: columnIndex(table, TMY3_COLUMNS.dryBulb),
  };
  const notes: DataNote[] = [];
  const hours = table.rows.map((row) => tmy3Hour(row, { source, notes, columns }));
  const head = rows[0]?.fields ?? [];
  const name = [head[1], head[2]].map((t) => (t ?? '').trim()).join(', ');
  const place = placeOfHead({
    source,
    name,
    latitude: head[4],
    longitude: head[5],
    offset: head[3],
    elevation: head[6],
  });
  return typicalYear({ ...place, format: 'tmy3' }, { hours, notes });
}

type Tmy3Columns = Readonly<Record<keyof typeof TMY3_COLUMNS, number>>;

function tmy3Hour(
  row: CsvRow,
  { source, notes, columns }: { source: string; notes: DataNote[]; columns: Tmy3Columns },
): WeatherHour {
  const field = (index: number) => (row.fields[index] ?? '').trim();
  const at = (column: string) => ({ source, row: row.line, column });
  const date = /^(\d{2})\/(\d{2})\/\d{4}$/.exec(field(columns.date));
  const time = /^(\d{2}):00$/.exec(field(columns.time));
  if (date === null || time === null) {
    const value = show(`${field(columns.date)} ${field(columns.time)}`);
    throw inputError({
      source,
      place: `row ${row.line}`,
      value,
      expected: 'MM/DD/YYYY and HH:00, hour ending 01:00 to 24:00',
    });
  }
  const missing = (index: number) => Number(field(index)) <= -9900;
  const irradiance = (index: number, column: string): number => {
    if (missing(index)) return Number.NaN;
    const value = numberOf(field(index), { ...at(column), ...IRRADIANCE_W_PER_M2 });
    return clampedIrradiance(value, { ...at(column), notes });
  };
  const dryBulb = missing(columns.dryBulb)
    ? Number.NaN
    : numberOf(field(columns.dryBulb), { ...at(TMY3_COLUMNS.dryBulb), ...TEMPERATURE_C });
  return {
    row: row.line,
    month: Number(date[1]),
    day: Number(date[2]),
    hourEnding: Number(time[1]),
    temperatureC: dryBulb,
    ghiWPerM2: irradiance(columns.ghi, TMY3_COLUMNS.ghi),
    dniWPerM2: irradiance(columns.dni, TMY3_COLUMNS.dni),
    dhiWPerM2: irradiance(columns.dhi, TMY3_COLUMNS.dhi),
  };
}

interface HeadText {
  readonly source: string;
  readonly name: string;
  readonly latitude: string | undefined;
  readonly longitude: string | undefined;
  readonly offset: string | undefined;
  readonly elevation: string | undefined;
}

function placeOfHead({ source, name, latitude, longitude, offset, elevation }: HeadText): Omit<YearHead, 'format'> {
  const number = (
    text: string | undefined,
    column: string,
    range: { min: number; max: number; unit: string },
  ): number => {
    const value = numberOf(text, { source, row: 1, column, ...range });
    if (!Number.isNaN(value)) return value;
    throw inputError({ source, place: `row 1, ${column}`, value: show(text), expected: 'a number' });
  };
  return {
    source,
    name,
    latitudeDeg: number(latitude, 'latitude', { min: -90, max: 90, unit: '°' }),
    longitudeDeg: number(longitude, 'longitude', { min: -180, max: 180, unit: '°' }),
    utcOffsetMin: Math.round(number(offset, 'hours from UTC', { min: -12, max: 14, unit: 'h' }) * 60),
    elevationM: number(elevation, 'elevation', { min: -1000, max: 9999.9, unit: 'm' }),
  };
}
