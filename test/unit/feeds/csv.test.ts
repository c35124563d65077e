import { describe, expect, test } from 'vitest';
import { csvRows, csvTable, numberOf } from '../../../simulators/feeds/csv.ts';
import { refusal } from './data.ts';

const source = 'a.csv';

describe('CSV', () => {
  test('reads quotes, CRLF, a byte order mark and skips empty lines, with line numbers', () => {
    const text = '\uFEFFa,"b ""x"""\r\n1,"two\nlines"\r\n\r\n3,4\r\n';
    expect(csvRows({ text, source })).toEqual([
      { line: 1, fields: ['a', 'b "x"'] },
      { line: 2, fields: ['1', 'two\nlines'] },
      { line: 5, fields: ['3', '4'] },
    ]);
  });

  test('refuses a row of another length with its line', () => {
    expect(refusal(() => csvTable({ text: 'a,b\n1,2\n3\n', source }))).toBe(
      'a.csv: row 3: found 1 fields, expected 2 fields as in the header.',
    );
  });

  test.each(['a,b\n1,2\n3,4', 'a,b\n1,2\n3,', 'a,b\n1,2\n3', 'a,b\n1,2\n"3"'])(
    'refuses a file cut off in its last line: %j',
    (text) => {
      expect(refusal(() => csvTable({ text, source }))).toMatch(
        /^a\.csv: row 3, column \d: .* without a line end.*cut off/,
      );
    },
  );

  test('refuses semicolons, a doubled column, an empty file, a header alone', () => {
    expect(refusal(() => csvTable({ text: 'a;b\n1;2\n', source }))).toMatch(/row 1.*separated by commas/);
    expect(refusal(() => csvTable({ text: 'a,a\n1,2\n', source }))).toMatch(/column 2.*each column name once/);
    expect(refusal(() => csvTable({ text: '', source }))).toMatch(/an empty file/);
    expect(refusal(() => csvTable({ text: 'a,b\n', source }))).toMatch(/at least one row/);
  });

  test('refuses an open quote and a stray one', () => {
    expect(refusal(() => csvRows({ text: 'a,"b\n', source }))).toMatch(/row 1, column 2.*a closing quote/);
    expect(refusal(() => csvRows({ text: 'a,b"c\n', source }))).toMatch(/no quote inside an unquoted field/);
    expect(refusal(() => csvRows({ text: 'a,"b"c\n', source }))).toMatch(/after a closing quote/);
  });

  test('takes an empty cell and NA as missing, never as 0, and refuses a cut or foreign number', () => {
    const at = { source, row: 7, column: 'kw', min: 0, max: 10, unit: 'kW' };
    expect([numberOf('', at), numberOf('NA', at), numberOf(undefined, at)]).toEqual([NaN, NaN, NaN]);
    expect(numberOf(' 1.5e0 ', at)).toBe(1.5);
    for (const bad of ['39.', '1,5', '0x1', 'Infinity', '11', '-1', 'abc']) {
      expect(refusal(() => numberOf(bad, at))).toMatch(/row 7, column kw: .*a number from 0 to 10 kW/);
    }
  });
});
