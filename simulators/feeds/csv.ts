/**
 * Strict CSV (RFC 4180) as the feeds need it: comma, optional double quotes, CRLF or LF, an optional byte order mark.
 * Not read, but refused: another separator, a row with more or fewer fields than its header, a quote inside an
 * unquoted field, a file whose last line has no line end (it was cut off: the last number may have lost digits).
 * Rows carry the number of their line in the file, so that a message leads to the place.
 */
import { InputError, type InputProblem, inputError, nearestName, show } from '../../src/domain/errors.ts';

export interface CsvRow {
  /** Line of the file the row begins on, from 1. */
  readonly line: number;
  readonly fields: readonly string[];
}

export interface CsvTable {
  readonly source: string;
  readonly header: readonly string[];
  readonly rows: readonly CsvRow[];
}

/** Largest file the readers take [characters]: a year of minutes with 60 columns has some 60 million. */
export const CSV_CHARACTERS_MAX = 200_000_000;

/**
 * Splits text into rows without looking at their number of fields; empty lines are skipped.
 * @throws InputError for an open quote, a stray quote, a file cut off in its last line, a file above the limit
 */
export function csvRows({ text, source }: { text: string; source: string }): CsvRow[] {
  if (text.length > CSV_CHARACTERS_MAX) {
    const expected = `at most ${CSV_CHARACTERS_MAX} characters`;
    throw inputError({ source, place: 'whole file', value: `${text.length} characters`, expected });
  }
  const body = text.startsWith('\uFEFF') ? text.slice(1) : text;
  const rows: CsvRow[] = [];
  let line = 1;
  let at = 0;
  while (at < body.length) {
    const row =
      body[at] === '"' || lineOf(body, at).includes('"') ? quotedRow(body, at, line, source) : plainRow(body, at);
    if (!row.ended) throw cutOff(source, line, row.fields);
    if (row.fields.length > 1 || (row.fields[0] ?? '') !== '') rows.push({ line, fields: row.fields });
    line += row.lines;
    at = row.next;
  }
  return rows;
}

interface Scanned {
  readonly fields: string[];
  readonly next: number;
  readonly lines: number;
  readonly ended: boolean;
}

function lineOf(body: string, at: number): string {
  const end = body.indexOf('\n', at);
  const line = body.slice(at, end < 0 ? body.length : end);
  return line.endsWith('\r') ? line.slice(0, -1) : line;
}

function plainRow(body: string, at: number): Scanned {
  const end = body.indexOf('\n', at);
  const ended = end >= 0;
  return { fields: lineOf(body, at).split(','), next: ended ? end + 1 : body.length, lines: 1, ended };
}

function quotedRow(body: string, start: number, line: number, source: string): Scanned {
  const fields: string[] = [];
  let lines = 1;
  let at = start;
  for (;;) {
    const place = `row ${line}, column ${fields.length + 1}`;
    if (body[at] === '"') {
      const { value, next } = quotedField(body, at, { source, place });
      fields.push(value);
      lines += value.split('\n').length - 1;
      at = next;
    } else {
      const stop = fieldEnd(body, at);
      const value = body.slice(at, stop).replace(/\r$/, '');
      if (value.includes('"'))
        throw inputError({ source, place, value: show(value), expected: 'no quote inside an unquoted field' });
      fields.push(value);
      at = body[stop - 1] === '\r' && body[stop] === '\n' ? stop - 1 : stop;
    }
    if (at >= body.length) return { fields, next: at, lines, ended: false };
    if (body[at] === ',') at += 1;
    else if (body[at] === '\n') return { fields, next: at + 1, lines, ended: true };
    else if (body[at] === '\r' && body[at + 1] === '\n') return { fields, next: at + 2, lines, ended: true };
    else
      throw inputError({
        source,
        place,
        value: show(body.slice(at, at + 10)),
        expected: 'a comma or a line end after a closing quote',
      });
  }
}

function fieldEnd(body: string, at: number): number {
  let stop = at;
  while (stop < body.length && body[stop] !== ',' && body[stop] !== '\n') stop += 1;
  return stop;
}

function quotedField(
  body: string,
  at: number,
  where: { source: string; place: string },
): { value: string; next: number } {
  let value = '';
  let from = at + 1;
  for (;;) {
    const close = body.indexOf('"', from);
    if (close < 0) throw inputError({ ...where, value: show(body.slice(at, at + 40)), expected: 'a closing quote' });
    value += body.slice(from, close);
    if (body[close + 1] !== '"') return { value, next: close + 1 };
    value += '"';
    from = close + 2;
  }
}

const cutOff = (source: string, line: number, fields: readonly string[]) =>
  inputError({
    source,
    place: `row ${line}, column ${fields.length}`,
    value: `${show(fields.at(-1) ?? '')} without a line end`,
    expected: 'a line end after the last row; the file looks cut off, and its last value may have lost digits',
  });

/**
 * Reads a table with one header row.
 * @throws InputError for an empty file, a `;` or tab separator, a column named twice, a row of another length
 */
export function csvTable({ text, source }: { text: string; source: string }): CsvTable {
  return tableOf(csvRows({ text, source }), source);
}

/** Takes the first row as the header and checks that every other row has as many fields. */
export function tableOf(all: readonly CsvRow[], source: string): CsvTable {
  const head = all[0];
  if (head === undefined)
    throw inputError({ source, place: 'row 1', value: 'an empty file', expected: 'a header row' });
  const header = head.fields.map((name) => name.trim());
  const first = header.join(',');
  if (header.length === 1 && /[;\t|]/.test(first)) {
    const expected = 'columns separated by commas (decimal point, not comma)';
    throw inputError({ source, place: `row ${head.line}`, value: show(first), expected });
  }
  for (const [i, name] of header.entries()) {
    if (header.indexOf(name) !== i) {
      const place = `row ${head.line}, column ${i + 1}`;
      throw inputError({ source, place, value: show(name), expected: 'each column name once' });
    }
  }
  const rows = all.slice(1);
  for (const row of rows) {
    if (row.fields.length !== header.length) {
      const expected = `${header.length} fields as in the header`;
      throw inputError({ source, place: `row ${row.line}`, value: `${row.fields.length} fields`, expected });
    }
  }
  if (rows.length === 0)
    throw inputError({ source, place: 'row 2', value: 'nothing', expected: 'at least one row of data' });
  return { source, header, rows };
}

/**
 * Index of a column by its exact name.
 * @throws InputError that names the columns there are and the nearest
 */
export function columnIndex(table: CsvTable, name: string): number {
  const index = table.header.indexOf(name);
  if (index < 0) requireColumns(table, [name]);
  return index;
}

/**
 * @throws InputError with every missing column; the nearest name is looked for among those that are not wanted anyway
 */
export function requireColumns(table: CsvTable, names: readonly string[]): void {
  const spare = table.header.filter((name) => !names.includes(name));
  const shown = `the columns ${table.header.slice(0, 12).join(', ')}${table.header.length > 12 ? ', …' : ''}`;
  const problems = names.flatMap((name): InputProblem[] => {
    if (table.header.includes(name)) return [];
    const near = nearestName(name, spare);
    const problem = { source: table.source, place: 'header', value: shown, expected: `a column ${show(name)}` };
    return [near === undefined ? problem : { ...problem, didYouMean: near }];
  });
  if (problems.length > 0) throw new InputError(problems);
}

export interface CellPlace {
  readonly source: string;
  readonly row: number;
  readonly column: string;
}

export const placeOf = ({ row, column }: CellPlace): string => `row ${row}, column ${column}`;

const NUMBER = /^[+-]?(\d+(\.\d+)?|\.\d+)([eE][+-]?\d+)?$/;
const MISSING = new Set(['', 'NA', 'N/A', 'NaN', 'nan', 'null', 'NULL']);

/**
 * A number with its range checked; an empty cell, NA, NaN, null is missing.
 * @param range  inclusive, in the unit of the column
 * @param unit   said in the message
 * @returns      NaN when missing, never 0
 * @throws       InputError for text, a decimal comma, a cut number ("39."), a value outside the range
 */
export function numberOf(
  field: string | undefined,
  { min, max, unit, ...where }: CellPlace & { min: number; max: number; unit: string },
): number {
  const text = (field ?? '').trim();
  if (MISSING.has(text)) return Number.NaN;
  const value = NUMBER.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  const expected = `a number from ${min} to ${max} ${unit}, or an empty cell`;
  throw inputError({ source: where.source, place: placeOf(where), value: show(text), expected });
}

/** Writes rows so that csvRows reads the same fields back. */
export const csvText = (rows: readonly (readonly string[])[]): string =>
  rows.map((fields) => `${fields.map(quote).join(',')}\n`).join('');

const quote = (field: string): string => (/[",\r\n]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field);
