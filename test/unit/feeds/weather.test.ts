import { describe, expect, test } from 'vitest';
import { weatherBetween } from '../../../simulators/feeds/typicalYear.ts';
import { readWeather } from '../../../simulators/feeds/weather.ts';
import { valueAt } from '../../../src/ports/series.ts';
import { dataText, missing, refusal } from './data.ts';

const at = (iso: string): number => Date.parse(iso);
const chino = 'CA-Chino_Airport.tmy3.gz';
const houston = 'USA_TX_Houston-Bush.Intercontinental.AP.722430_TMY3.epw.gz';
const alameda = 'US_CA_Alameda_County_AMY2018.epw.gz';
const year = (name: string) => readWeather({ text: dataText(`weather/${name}`), source: name });

describe('typical years', () => {
  test.skipIf(missing(`weather/${chino}`))(`TMY3: place, sums, and the hour 11–12 of 10 July (${chino})`, () => {
    const y = year(chino);
    expect(y).toMatchObject({
      format: 'tmy3',
      latitudeDeg: 33.967,
      longitudeDeg: -117.633,
      utcOffsetMin: -480,
      leap: false,
      notes: [],
    });
    expect(y.ghiWPerM2.reduce((a, b) => a + b)).toBe(1_871_797);
    const w = weatherBetween(y, { startMs: at('2024-07-10T07:00Z'), endMs: at('2024-07-11T07:00Z') });
    // 07/10 12:00 hour ending, UTC−8: 811 W/m² in the file.
    expect(valueAt(w.ghiWPerM2, at('2024-07-10T19:30Z'))).toBe(811);
    expect(w.temperatureC.values.length).toBe(24);
  });

  test.skipIf(missing(`weather/${houston}`))(`EPW of a typical year (${houston})`, () => {
    const y = year(houston);
    expect(y).toMatchObject({
      format: 'epw',
      name: 'Houston Bush Intercontinental, TX, USA',
      utcOffsetMin: -360,
      notes: [],
    });
    expect([y.temperatureC[0], y.temperatureC.at(-1), y.temperatureC.length]).toEqual([2.8, 6.7, 8760]);
  });

  test.skipIf(missing(`weather/${alameda}`))(`EPW of an actual year; 29 February is 28 February (${alameda})`, () => {
    const y = year(alameda);
    expect(y.notes).toEqual([]);
    const leapDay = weatherBetween(y, { startMs: at('2024-02-29T08:00Z'), endMs: at('2024-03-01T08:00Z') });
    const dayBefore = weatherBetween(y, { startMs: at('2024-02-28T08:00Z'), endMs: at('2024-02-29T08:00Z') });
    const dayAfter = weatherBetween(y, { startMs: at('2024-03-01T08:00Z'), endMs: at('2024-03-02T08:00Z') });
    expect(leapDay.temperatureC.values).toEqual(dayBefore.temperatureC.values);
    expect(dayAfter.temperatureC.values).toEqual(y.temperatureC.slice(59 * 24, 60 * 24));
  });
});

const HEADERS = [
  'LOCATION,Town,XX,USA,TMY3,1,30.00,-95.37,-6.0,29.0',
  'DESIGN CONDITIONS,0',
  'TYPICAL/EXTREME PERIODS,0',
  'GROUND TEMPERATURES,0',
  'HOLIDAYS/DAYLIGHT SAVINGS,No,0,0,0',
  'COMMENTS 1,a',
  'COMMENTS 2,b',
  'DATA PERIODS,1,1,Data,Sunday,1/1,12/31',
];

/** An EPW row with dry bulb and the three irradiances; the rest is missing by its codes. */
const epwRow = (hour: string, dryBulb: string, [ghi, dni, dhi]: readonly [string, string, string]): string =>
  [
    ...`1999,${hour},0,?9,${dryBulb},99.9,999,999999,9999,9999,9999,${ghi},${dni},${dhi}`.split(','),
    ...Array(19).fill('999'),
  ].join(',');

const epw = (rows: readonly string[], headers: readonly string[] = HEADERS): string =>
  `${[...headers, ...rows].join('\r\n')}\r\n`;
const read = (text: string) => readWeather({ text, source: 'w.epw' });

describe('EPW', () => {
  test('codes for missing values become NaN with a note, small negatives 0 with a note', () => {
    const y = read(epw([epwRow('1,1,1', '99.9', ['9999', '-4', '0']), epwRow('1,1,3', '5', ['0', '0', '0'])]));
    expect([y.temperatureC[0], y.ghiWPerM2[0], y.dniWPerM2[0], y.dhiWPerM2[0]]).toEqual([NaN, NaN, 0, 0]);
    expect([y.temperatureC[1], y.temperatureC[2], y.temperatureC[3]]).toEqual([NaN, 5, NaN]);
    expect(y.notes.map((n) => `${n.row} ${n.what}`)).toEqual([
      '9 15 (direct normal): -4 W/m² raised to 0',
      '9 gap of 1 hours after row 9',
      '9 temperatureC: missing in 1 hour from row 9',
      '9 ghiWPerM2: missing in 1 hour from row 9',
      '10 gap of 8757 hours after row 10',
    ]);
  });

  test('irradiance of −5 is raised, −5.1 refused', () => {
    expect(read(epw([epwRow('1,1,1', '5', ['-5', '0', '0'])])).ghiWPerM2[0]).toBe(0);
    const bad = epw([epwRow('1,1,1', '5', ['-5.1', '0', '0'])]);
    expect(refusal(() => read(bad))).toMatch(
      /^w\.epw: row 9, column 14 \(global horizontal\): found -5\.1, expected an irradiance of at least −5/,
    );
  });

  test('refuses Fahrenheit, hours out of order, a date that does not exist, a lost header line, half-hourly records', () => {
    const zero = ['0', '0', '0'] as const;
    expect(refusal(() => read(epw([epwRow('1,1,1', '95', zero)])))).toMatch(
      /column 7 \(dry bulb\): found "95", expected a number from -90 to 60 °C/,
    );
    expect(refusal(() => read(epw([epwRow('1,1,2', '5', zero), epwRow('1,1,1', '5', zero)])))).toMatch(
      /row 10: .*an hour after that of row 9/,
    );
    expect(refusal(() => read(epw([epwRow('2,30,1', '5', zero)])))).toMatch(/row 9: found month 2, day 30/);
    expect(refusal(() => read(epw([epwRow('1,1,25', '5', zero)])))).toMatch(/an hour ending from 1 to 24/);
    expect(refusal(() => read(epw([epwRow('1,1,1', '5', zero)], HEADERS.toSpliced(3, 1))))).toMatch(
      /row 4: .*the header line GROUND TEMPERATURES/,
    );
    const half = HEADERS.with(7, 'DATA PERIODS,1,2,Data,Sunday,1/1,12/31');
    expect(refusal(() => read(epw([epwRow('1,1,1', '5', zero)], half)))).toMatch(/1 record per hour/);
    expect(refusal(() => read('Hello,world\n1,2\n'))).toMatch(/an EPW file .* or a TMY3 file/);
    expect(refusal(() => read(epw([`${epwRow('1,1,1', '5', zero)},1`])))).toMatch(
      /row 9: found 36 fields, expected 35/,
    );
  });

  test('a file with 29 February keeps it, and a common year leaves it out', () => {
    const zero = ['0', '0', '0'] as const;
    const rows = [epwRow('2,28,24', '28', zero), epwRow('2,29,1', '29', zero), epwRow('3,1,1', '31', zero)];
    const y = read(epw(rows));
    expect([y.leap, y.temperatureC.length]).toEqual([true, 8784]);
    const first = (day: string) =>
      weatherBetween(y, { startMs: at(`${day}T06:00Z`), endMs: at(`${day}T07:00Z`) }).temperatureC.values[0];
    expect([first('2024-02-29'), first('2024-03-01'), first('2023-03-01')]).toEqual([29, 31, 31]);
  });
});

describe('TMY3', () => {
  const head =
    '1,"TOWN",CA,-8.0,33.967,-117.633,198\nDate (MM/DD/YYYY),Time (HH:MM),GHI (W/m^2),DNI (W/m^2),DHI (W/m^2),Dry-bulb (C)\n';
  test('24:00 is the last hour of its day; −9900 is missing', () => {
    const y = readWeather({
      text: `${head}01/01/1999,24:00,1,2,3,4\n01/02/1999,01:00,-9900,2,3,-9900\n`,
      source: 'w.tmy3',
    });
    expect([y.temperatureC[23], y.temperatureC[24], y.ghiWPerM2[23], y.ghiWPerM2[24]]).toEqual([4, NaN, 1, NaN]);
  });

  test('refuses another date form and a missing column', () => {
    const text = `${head}1999-01-01,01:00,1,2,3,4\n`;
    expect(refusal(() => readWeather({ text, source: 'w.tmy3' }))).toMatch(/row 3: .*MM\/DD\/YYYY/);
    const lost = `${head.replace('GHI (W/m^2)', 'GHI (W/m2)')}01/01/1999,01:00,1,2,3,4\n`;
    expect(refusal(() => readWeather({ text: lost, source: 'w.tmy3' }))).toMatch(
      /a column "GHI \(W\/m\^2\)"\. Did you mean "GHI \(W\/m2\)/,
    );
  });
});
