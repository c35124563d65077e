/**
 * Reads a file of market prices, whichever of the known formats it is (priceRows.ts says what each holds).
 * The format is told by the header alone and named in the result.
 */
import { inputError, nearestName, show } from '../../src/domain/errors.ts';
import { isoUtc } from '../../src/domain/time.ts';
import type { DataNote, Series } from '../../src/ports/series.ts';
import { type CsvTable, csvTable, requireColumns } from './csv.ts';
import {
  dlapRows,
  ercotRows,
  type Market,
  oasisRows,
  type PriceRow,
  type PriceRows,
  rt15Rows,
  WIDE_HOURS,
  wideRows,
} from './priceRows.ts';
import { seriesOf } from './samples.ts';

export type { Market } from './priceRows.ts';

export type PriceFormat =
  | 'caiso-dlap-hourly'
  | 'caiso-rt15'
  | 'caiso-oasis-prc-lmp'
  | 'caiso-dam-hourly-wide'
  | 'ercot-15min';

export interface ReadPricesInput {
  readonly text: string;
  readonly source: string;
  /** Needed when the file has more than one. */
  readonly node?: string | undefined;
  /** The market the caller cannot do without; absent = whatever the file has. */
  readonly market?: Market | undefined;
}

/** Series are in $/MWh; a market the file does not have is null. */
export interface PricesRead {
  readonly format: PriceFormat;
  readonly node: string;
  readonly nodes: readonly string[];
  readonly dayAhead: Series | null;
  readonly realTime: Series | null;
  readonly notes: readonly DataNote[];
}

interface FormatReader {
  readonly format: PriceFormat;
  readonly columns: readonly string[];
  readonly read: (table: CsvTable) => PriceRows;
}

const FORMATS: readonly FormatReader[] = [
  {
    format: 'caiso-dlap-hourly',
    columns: ['opr_dt', 'opr_hr', 'node', 'dam_lmp_usd_mwh', 'rtm_lmp_mean_usd_mwh'],
    read: dlapRows,
  },
  {
    format: 'caiso-rt15',
    columns: ['interval_start_utc', 'interval_end_utc', 'market', 'location', 'lmp'],
    read: rt15Rows,
  },
  {
    format: 'caiso-oasis-prc-lmp',
    columns: ['INTERVALSTARTTIME_GMT', 'INTERVALENDTIME_GMT', 'NODE', 'MARKET_RUN_ID', 'LMP_TYPE', 'MW'],
    read: oasisRows,
  },
  { format: 'caiso-dam-hourly-wide', columns: ['date', ...WIDE_HOURS], read: wideRows },
  { format: 'ercot-15min', columns: ['interval_start_local'], read: ercotRows },
];

/**
 * @throws InputError: no known header, a column missing, no or an unknown node where one must be chosen, the wanted
 *         market absent, time going back, a value outside ±20,000 $/MWh, a file cut off
 */
export function readPrices({ text, source, node, market }: ReadPricesInput): PricesRead {
  const table = csvTable({ text, source });
  const { format, read } = formatOf(table);
  const { rows, order, notes } = read(table);
  const nodes = [...new Set(rows.map((row) => row.node))];
  const chosen = chooseNode({ nodes, node, source });
  const mine = rows.filter((row) => row.node === chosen);
  const dayAhead = marketSeries({ rows: mine, market: 'day-ahead', order, source });
  const realTime = marketSeries({ rows: mine, market: 'real-time', order, source });
  const wanted = { 'day-ahead': dayAhead, 'real-time': realTime };
  if (market !== undefined && wanted[market] === null) {
    const there = market === 'day-ahead' ? 'real-time' : 'day-ahead';
    throw inputError({
      source,
      place: 'market',
      value: `only ${there} prices`,
      expected: `${market} prices of ${chosen}`,
    });
  }
  const all = [...notes, ...(dayAhead?.notes ?? []), ...(realTime?.notes ?? [])].sort((a, b) => a.row - b.row);
  return {
    format,
    node: chosen,
    nodes,
    dayAhead: dayAhead?.series ?? null,
    realTime: realTime?.series ?? null,
    notes: all,
  };
}

/** The format that shares most of its columns with the header; what it lacks of them is then named. */
function formatOf(table: CsvTable): FormatReader {
  const shares = FORMATS.map((f) => ({
    reader: f,
    share: f.columns.filter((name) => table.header.includes(name)).length / f.columns.length,
  }));
  const best = shares.reduce((a, b) => (b.share > a.share ? b : a));
  if (best.share > 0) {
    requireColumns(table, best.reader.columns);
    return best.reader;
  }
  const near = nearestName(
    table.header[0] ?? '',
    FORMATS.flatMap((f) => f.columns.slice(0, 1)),
  );
  throw inputError({
    source: table.source,
    place: 'header',
    value: show(table.header.join(',')),
    expected: `the header of one of ${FORMATS.map((f) => `${f.format} (${f.columns.slice(0, 3).join(', ')} …)`).join('; ')}`,
    ...(near === undefined ? {} : { didYouMean: near }),
  });
}

const NODES_SHOWN = 10;

function chooseNode({
  nodes,
  node,
  source,
}: {
  nodes: readonly string[];
  node: string | undefined;
  source: string;
}): string {
  const only = nodes[0];
  if (only === undefined) {
    throw inputError({ source, place: 'whole file', value: 'no row with a price', expected: 'at least one price' });
  }
  if (node === undefined && nodes.length === 1) return only;
  if (node !== undefined && nodes.includes(node)) return node;
  const shown = nodes.slice(0, NODES_SHOWN).join(', ');
  const more = nodes.length > NODES_SHOWN ? ` and ${nodes.length - NODES_SHOWN} more` : '';
  const near = node === undefined ? undefined : nearestName(node, nodes);
  throw inputError({
    source,
    place: 'node',
    value: show(node),
    expected: `one of the ${nodes.length} nodes of the file: ${shown}${more}`,
    ...(near === undefined ? {} : { didYouMean: near }),
  });
}

interface MarketInput {
  readonly rows: readonly PriceRow[];
  readonly market: Market;
  readonly order: 'rising' | 'any';
  readonly source: string;
}

function marketSeries({ rows, market, order, source }: MarketInput): { series: Series; notes: DataNote[] } | null {
  const mine = rows.filter((row) => row.market === market);
  const first = mine[0];
  if (first === undefined) return null;
  const odd = mine.find((row) => row.stepMs !== first.stepMs);
  if (odd !== undefined) {
    const value = `an interval of ${odd.stepMs / 60_000} min at ${isoUtc(odd.startMs)}`;
    const expected = `${first.stepMs / 60_000} min as in row ${first.row}`;
    throw inputError({ source, place: `row ${odd.row}`, value, expected });
  }
  const what = `${first.node} ${market}`;
  const { series, notes } = seriesOf({ samples: mine, stepMs: first.stepMs, unit: '$/MWh', source, what, order });
  return { series, notes: [...notes, ...smallPrices(mine, what)] };
}

/** A day of prices all below 1 $/MWh is more likely in $/kWh; nothing in the file can prove it, so it is only said. */
function smallPrices(rows: readonly PriceRow[], what: string): DataNote[] {
  const given = rows.filter((row) => !Number.isNaN(row.value));
  if (given.length < 24 || given.some((row) => Math.abs(row.value) >= 1)) return [];
  return [{ row: given[0]?.row ?? 1, what: `${what}: every price lies within ±1 $/MWh; is the unit really $/MWh?` }];
}
