/**
 * The five price files, each turned into rows of one shape. All prices are $/MWh.
 *
 * caiso-dlap-hourly      opr_dt, opr_hr, node, dam_lmp_usd_mwh, rtm_lmp_mean_usd_mwh. opr_hr is the hour ENDING in Pacific
 *                        prevailing time, 1…24, 23 on the short day, 25 on the long one: hour n is the n-th hour since
 *                        local midnight. The real-time column is the hour's mean of 5-minute prices.
 * caiso-rt15             interval_start_utc, interval_end_utc, market, location, location_type, lmp (= energy +
 *                        congestion + loss). UTC, the START is stamped; "2020-04-12T07:00:00Z" or "2024-12-06 13:00:00".
 * caiso-oasis-prc-lmp    the raw OASIS report PRC_LMP: INTERVALSTARTTIME_GMT, INTERVALENDTIME_GMT, NODE, MARKET_RUN_ID,
 *                        LMP_TYPE, MW. Rows are in no order; the price stands in the column MW; rows of LMP_TYPE other
 *                        than LMP are its parts and are left out.
 * caiso-dam-hourly-wide  date, 00:00 … 23:00: day-ahead, the column is the hour's BEGINNING in Pacific prevailing time.
 * ercot-15min            interval_start_local, <hub>_dam_usd_mwh (hourly, repeated), <hub>_rtm_usd_mwh: the START in
 *                        America/Chicago prevailing time.
 * @source the files' own headers and their publishers' notes; hour-ending of CAISO: OASIS interface specification [M]
 */
import { inputError, show } from '../../src/domain/errors.ts';
import { isoUtc } from '../../src/domain/time.ts';
import { type EpochMs, MS_PER_HOUR, MS_PER_MIN } from '../../src/domain/units.ts';
import type { DataNote } from '../../src/ports/series.ts';
import { type CsvRow, type CsvTable, columnIndex, numberOf } from './csv.ts';
import { type LocalCalendar, localCalendar, utcMs, wallTime } from './localTime.ts';

export type Market = 'day-ahead' | 'real-time';

export interface PriceRow {
  readonly market: Market;
  readonly node: string;
  readonly startMs: EpochMs;
  readonly stepMs: number;
  readonly value: number;
  readonly row: number;
}

export interface PriceRows {
  readonly rows: readonly PriceRow[];
  readonly order: 'rising' | 'any';
  readonly notes: readonly DataNote[];
}

const PACIFIC = 'America/Los_Angeles';
const CENTRAL = 'America/Chicago';

/** CAISO and ERCOT caps lie at 2,000 and 5,000 $/MWh, congestion can add to them; four times that is a wrong unit. */
const USD_PER_MWH_MAX = 20_000;

const priceOf = (field: string | undefined, where: { source: string; row: number; column: string }): number =>
  numberOf(field, { ...where, min: -USD_PER_MWH_MAX, max: USD_PER_MWH_MAX, unit: '$/MWh' });

const cell = (row: CsvRow, index: number): string => (row.fields[index] ?? '').trim();

export function dlapRows(table: CsvTable): PriceRows {
  const { source } = table;
  const date = columnIndex(table, 'opr_dt');
  const hour = columnIndex(table, 'opr_hr');
  const node = columnIndex(table, 'node');
  const dam = columnIndex(table, 'dam_lmp_usd_mwh');
  const rtm = columnIndex(table, 'rtm_lmp_mean_usd_mwh');
  const calendar = localCalendar(PACIFIC);
  const rows = table.rows.flatMap((row): PriceRow[] => {
    const startMs = hourEnding(calendar, { date: cell(row, date), hour: cell(row, hour), source, row: row.line });
    const common = { node: cell(row, node), startMs, stepMs: MS_PER_HOUR, row: row.line };
    const damValue = priceOf(row.fields[dam], { source, row: row.line, column: 'dam_lmp_usd_mwh' });
    const rtmValue = priceOf(row.fields[rtm], { source, row: row.line, column: 'rtm_lmp_mean_usd_mwh' });
    return [
      { ...common, market: 'day-ahead', value: damValue },
      { ...common, market: 'real-time', value: rtmValue },
    ];
  });
  return { rows, order: 'rising', notes: [] };
}

function hourEnding(
  calendar: LocalCalendar,
  { date, hour, source, row }: { date: string; hour: string; source: string; row: number },
): EpochMs {
  const day = calendar.day(wallTime(date, { source, place: `row ${row}, column opr_dt` }));
  const n = /^\d{1,2}$/.test(hour) ? Number(hour) : Number.NaN;
  if (n >= 1 && n <= day.hours) return day.startMs + (n - 1) * MS_PER_HOUR;
  const expected = `an hour ending from 1 to ${day.hours} on ${date}`;
  throw inputError({ source, place: `row ${row}, column opr_hr`, value: show(hour), expected });
}

export function rt15Rows(table: CsvTable): PriceRows {
  const { source } = table;
  const at = (name: string) => columnIndex(table, name);
  const [start, end, market, node, lmp] = [
    at('interval_start_utc'),
    at('interval_end_utc'),
    at('market'),
    at('location'),
    at('lmp'),
  ];
  const rows = table.rows.map((row): PriceRow => {
    const startMs = utcMs(cell(row, start), { source, place: `row ${row.line}, column interval_start_utc` });
    const endMs = utcMs(cell(row, end), { source, place: `row ${row.line}, column interval_end_utc` });
    return {
      market: marketOf(cell(row, market), { source, place: `row ${row.line}, column market` }),
      node: cell(row, node),
      startMs,
      stepMs: stepOf({ startMs, endMs, source, row: row.line }),
      value: priceOf(row.fields[lmp], { source, row: row.line, column: 'lmp' }),
      row: row.line,
    };
  });
  return { rows, order: 'rising', notes: [] };
}

const MARKETS: Readonly<Record<string, Market>> = {
  DAY_AHEAD_HOURLY: 'day-ahead',
  REAL_TIME_HOURLY: 'real-time',
  REAL_TIME_15_MIN: 'real-time',
  REAL_TIME_5_MIN: 'real-time',
  DAM: 'day-ahead',
  RTPD: 'real-time',
  RTM: 'real-time',
};

function marketOf(name: string, where: { source: string; place: string }): Market {
  const market = Object.hasOwn(MARKETS, name) ? MARKETS[name] : undefined;
  if (market !== undefined) return market;
  throw inputError({ ...where, value: show(name), expected: `one of ${Object.keys(MARKETS).join(', ')}` });
}

const STEPS_MS: readonly number[] = [5, 15, 60].map((min) => min * MS_PER_MIN);

function stepOf({
  startMs,
  endMs,
  source,
  row,
}: {
  startMs: EpochMs;
  endMs: EpochMs;
  source: string;
  row: number;
}): number {
  const stepMs = endMs - startMs;
  if (STEPS_MS.includes(stepMs)) return stepMs;
  const value = `${isoUtc(startMs)} to ${isoUtc(endMs)}`;
  throw inputError({ source, place: `row ${row}`, value, expected: 'an interval of 5, 15 or 60 minutes' });
}

export function oasisRows(table: CsvTable): PriceRows {
  const { source } = table;
  const at = (name: string) => columnIndex(table, name);
  const [start, end] = [at('INTERVALSTARTTIME_GMT'), at('INTERVALENDTIME_GMT')];
  const [market, node, type, price] = [at('MARKET_RUN_ID'), at('NODE'), at('LMP_TYPE'), at('MW')];
  const rows: PriceRow[] = [];
  const parts: CsvRow[] = [];
  for (const row of table.rows) {
    if (cell(row, type) !== 'LMP') {
      parts.push(row);
      continue;
    }
    const startMs = utcMs(cell(row, start), { source, place: `row ${row.line}, column INTERVALSTARTTIME_GMT` });
    const endMs = utcMs(cell(row, end), { source, place: `row ${row.line}, column INTERVALENDTIME_GMT` });
    rows.push({
      market: marketOf(cell(row, market), { source, place: `row ${row.line}, column MARKET_RUN_ID` }),
      node: cell(row, node),
      startMs,
      stepMs: stepOf({ startMs, endMs, source, row: row.line }),
      value: priceOf(row.fields[price], { source, row: row.line, column: 'MW' }),
      row: row.line,
    });
  }
  const first = parts[0];
  if (first === undefined) return { rows, order: 'any', notes: [] };
  const kinds = [...new Set(parts.map((row) => cell(row, type)))].join(', ');
  const what = `${parts.length} row(s) of LMP_TYPE ${kinds} left out: a part of the price, not the price`;
  return { rows, order: 'any', notes: [{ row: first.line, what }] };
}

export const WIDE_HOURS: readonly string[] = Array.from({ length: 24 }, (_, h) => `${String(h).padStart(2, '0')}:00`);

/** The node of a file that holds one area's prices and does not name it. */
export const UNNAMED_NODE = 'unnamed';

export function wideRows(table: CsvTable): PriceRows {
  const { source } = table;
  const date = columnIndex(table, 'date');
  const hours = WIDE_HOURS.map((name) => columnIndex(table, name));
  const calendar = localCalendar(PACIFIC);
  const rows: PriceRow[] = [];
  const notes: DataNote[] = [];
  for (const row of table.rows) {
    const day = wallTime(cell(row, date), { source, place: `row ${row.line}, column date` });
    for (const [hour, index] of hours.entries()) {
      const column = WIDE_HOURS[hour] ?? '';
      const value = priceOf(row.fields[index], { source, row: row.line, column });
      const [startMs, second] = calendar.instants({ ...day, hour, minute: 0 });
      if (second !== undefined) {
        notes.push({ row: row.line, what: `column ${column}: this hour comes twice on that day; taken as the first` });
      }
      if (startMs !== undefined) {
        const common = { market: 'day-ahead', node: UNNAMED_NODE, stepMs: MS_PER_HOUR } as const;
        rows.push({ ...common, startMs, value, row: row.line });
      } else if (!Number.isNaN(value)) {
        notes.push({
          row: row.line,
          what: `column ${column}: this hour does not exist on that day; ${value} left out`,
        });
      }
    }
  }
  return { rows, order: 'rising', notes };
}

const HUB_COLUMN = /^(.+)_(dam|rtm)_usd_mwh$/;

export function ercotRows(table: CsvTable): PriceRows {
  const { source } = table;
  const stamp = columnIndex(table, 'interval_start_local');
  const columns = table.header.flatMap((name, index) => {
    const m = HUB_COLUMN.exec(name);
    if (m?.[1] === undefined) return [];
    const market: Market = m[2] === 'dam' ? 'day-ahead' : 'real-time';
    return [{ name, index, node: m[1].toUpperCase(), market }];
  });
  if (columns.length === 0) columnIndex(table, 'hb_south_rtm_usd_mwh');
  const { starts, notes } = localStarts({ table, column: stamp, timeZone: CENTRAL });
  const rows: PriceRow[] = [];
  for (const { row, startMs } of starts) {
    for (const { name, index, node, market } of columns) {
      const value = priceOf(row.fields[index], { source, row: row.line, column: name });
      rows.push({ market, node, startMs, stepMs: 15 * MS_PER_MIN, value, row: row.line });
    }
  }
  const hourly = columns.filter((c) => c.market === 'day-ahead').map((c) => hourlyOf(rows, c.node));
  const realTime = rows.filter((r) => r.market === 'real-time');
  return {
    rows: [...realTime, ...hourly.flatMap((h) => h.rows)],
    order: 'rising',
    notes: [...notes, ...hourly.flatMap((h) => h.notes)],
  };
}

/** Hourly prices written in each quarter of the hour: the first one given stands for the hour. */
function hourlyOf(all: readonly PriceRow[], node: string): { rows: PriceRow[]; notes: DataNote[] } {
  const hours = new Map<number, PriceRow>();
  const notes: DataNote[] = [];
  for (const row of all) {
    if (row.market !== 'day-ahead' || row.node !== node) continue;
    const startMs = Math.floor(row.startMs / MS_PER_HOUR) * MS_PER_HOUR;
    const known = hours.get(startMs);
    if (known === undefined || Number.isNaN(known.value)) hours.set(startMs, { ...row, startMs, stepMs: MS_PER_HOUR });
    else if (!Number.isNaN(row.value) && row.value !== known.value) {
      const what = `${node} day-ahead: ${row.value} in an hour that began with ${known.value} (row ${known.row}); the first kept`;
      notes.push({ row: row.row, what });
    }
  }
  return { rows: [...hours.values()], notes };
}

interface LocalStart {
  readonly row: CsvRow;
  readonly startMs: EpochMs;
}

/**
 * Stamps in prevailing local time, by the order of rows: of a doubled hour the first run is the earlier one, a stamp
 * that would go back in time is the later one. A stamp that daylight saving time skips is left out with a note.
 * @throws InputError for a malformed stamp
 */
export function localStarts({ table, column, timeZone }: { table: CsvTable; column: number; timeZone: string }): {
  starts: LocalStart[];
  notes: DataNote[];
} {
  const calendar = localCalendar(timeZone);
  const name = table.header[column] ?? '';
  const starts: LocalStart[] = [];
  const doubled: number[] = [];
  const notes: DataNote[] = [];
  let beforeMs = Number.NEGATIVE_INFINITY;
  for (const row of table.rows) {
    const text = cell(row, column);
    const wall = wallTime(text, { source: table.source, place: `row ${row.line}, column ${name}` });
    const [early, late] = calendar.instants(wall);
    if (early === undefined) {
      notes.push({ row: row.line, what: `${text} does not exist in ${timeZone} (clocks go forward); row left out` });
      continue;
    }
    if (late !== undefined) doubled.push(row.line);
    const startMs = late !== undefined && early <= beforeMs ? late : early;
    starts.push({ row, startMs });
    beforeMs = startMs;
  }
  const [first, last] = [doubled[0], doubled.at(-1)];
  if (first !== undefined && last !== undefined) {
    const what = `rows ${first} to ${last} lie in an hour that ${timeZone} has twice; taken by their order, first run earlier`;
    notes.push({ row: first, what });
  }
  return { starts, notes };
}
