/**
 * Charging sessions as the ACN data set has them, one row a session:
 *
 *   session,station,arrival_utc,departure_utc,energy_kwh,max_kw
 *
 * Other columns are left alone. Times are UTC ("2019-03-01T14:20:00Z"), energy and power on the AC side.
 * @source caltech-netlab/acnportal-experiments @593f5dc, flattened to CSV
 */
import { inputError } from '../../src/domain/errors.ts';
import type { EpochMs } from '../../src/domain/units.ts';
import type { DataNote } from '../../src/ports/series.ts';
import { columnIndex, csvTable, numberOf, placeOf, requireColumns } from './csv.ts';
import { utcMs } from './localTime.ts';

export interface ChargingSession {
  readonly station: string;
  readonly arriveMs: EpochMs;
  readonly departMs: EpochMs;
  /** AC energy that was taken, ≥ 0 [Wh]. */
  readonly energyWh: number;
}

const COLUMNS = ['station', 'arrival_utc', 'departure_utc', 'energy_kwh'] as const;
const KWH_MAX = 1_000;

/**
 * @returns sessions by time of arrival. One that begins before the last at its station has ended, that takes no time, or
 *          whose energy is not known, is left out with a note
 * @throws  InputError for a column that is missing, or a time or an energy that is none
 */
export function readSessions(file: { readonly text: string; readonly source: string }): {
  readonly sessions: readonly ChargingSession[];
  readonly notes: readonly DataNote[];
} {
  const table = csvTable(file);
  const { source } = file;
  requireColumns(table, COLUMNS);
  const at = new Map(COLUMNS.map((name) => [name, columnIndex(table, name)]));
  const rows = table.rows.map(({ line, fields }) => {
    const cell = (column: (typeof COLUMNS)[number]) => fields[at.get(column) ?? -1] ?? '';
    const time = (column: 'arrival_utc' | 'departure_utc'): EpochMs =>
      utcMs(cell(column), { source, place: placeOf({ source, row: line, column }) });
    const energy = { source, row: line, column: 'energy_kwh', min: 0, max: KWH_MAX, unit: 'kWh' };
    const energyWh = Math.round(numberOf(cell('energy_kwh'), energy) * 1000);
    const [arriveMs, departMs] = [time('arrival_utc'), time('departure_utc')];
    return { line, session: { station: cell('station'), arriveMs, departMs, energyWh } };
  });
  if (rows.length === 0) throw inputError({ source, place: 'whole file', value: 'no rows', expected: 'sessions' });
  return keepInTurn(rows.sort((a, b) => a.session.arriveMs - b.session.arriveMs || a.line - b.line));
}

function keepInTurn(rows: readonly { readonly line: number; readonly session: ChargingSession }[]) {
  const freeMs = new Map<string, EpochMs>();
  const notes: DataNote[] = [];
  const sessions: ChargingSession[] = [];
  for (const { line, session } of rows) {
    const { station, arriveMs, departMs } = session;
    const early = arriveMs < (freeMs.get(station) ?? Number.NEGATIVE_INFINITY);
    if (departMs <= arriveMs || early || Number.isNaN(session.energyWh)) {
      const why = early ? 'begins before the last has ended' : 'has no length or no energy';
      notes.push({ row: line, what: `left out: a session at ${station} that ${why}` });
      continue;
    }
    freeMs.set(station, departMs);
    sessions.push(session);
  }
  return { sessions, notes };
}
