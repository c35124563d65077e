import { describe, expect, test } from 'vitest';
import { type ReadLoadInput, readLoad } from '../../../simulators/feeds/load.ts';
import { isoUtc } from '../../../src/domain/time.ts';
import { dataText, missing, refusal } from './data.ts';

type Options = Omit<ReadLoadInput, 'text' | 'source'>;
const nan = (values: Float64Array): number => values.filter((v) => Number.isNaN(v)).length;

/** File, options, series, name of the first, start, minutes a step, values, first value [W], missing in it. */
const FILES: readonly (readonly [string, Options, number, string, string, number, number, number, number])[] = [
  [
    'commercial/doe_crb_Houston_16types_hourly.csv.gz',
    { utcOffsetMin: -360 },
    16,
    'FastFoodRest_kwh',
    '2017-01-01T06:00:00.000Z',
    60,
    8760,
    14_090,
    0,
  ],
  [
    'commercial/doe_crb_LasVegas_16types_hourly.csv.gz',
    { utcOffsetMin: -480 },
    16,
    'FastFoodRest_kwh',
    '2017-01-01T08:00:00.000Z',
    60,
    8760,
    13_970,
    0,
  ],
  [
    'commercial/doe_crb_LosAngeles_16types_hourly.csv.gz',
    { utcOffsetMin: -480 },
    16,
    'FastFoodRest_kwh',
    '2017-01-01T08:00:00.000Z',
    60,
    8760,
    14_060,
    0,
  ],
  [
    'residential/fontana_sierra_crest_17homes_b01-b11_hourly.csv.gz',
    { utcOffsetMin: -480 },
    22,
    'load_kwh_b1',
    '2016-08-01T07:00:00.000Z',
    60,
    8760,
    2275.8,
    0,
  ],
  [
    'commercial/lbnl_small_office_15min_kw_2013.csv',
    { timeZone: 'America/Los_Angeles' },
    1,
    'kw',
    '2013-08-01T07:00:00.000Z',
    15,
    5472,
    5168,
    743,
  ],
  [
    'residential/eulv_household_1min_kw_p001-p060.csv.gz',
    { startMs: 0 },
    60,
    'p1_kw',
    '1970-01-01T00:00:00.000Z',
    1,
    1440,
    36,
    0,
  ],
  [
    'commercial/bdg2_two_buildings_hourly.csv.gz',
    { utcOffsetMin: 0, stamp: 'start', unit: 'kWh' },
    2,
    'building_1',
    '2016-01-01T00:00:00.000Z',
    60,
    6553,
    186_532,
    0,
  ],
  [
    'residential/ausgrid_customer12_30min_2011_2012.csv.gz',
    { utcOffsetMin: 600, stamp: 'start', unit: 'kW' },
    2,
    'GC',
    '2011-06-30T14:00:00.000Z',
    30,
    17_568,
    392,
    0,
  ],
  [
    'residential/alameda_resstock_thermostat_homes_hourly_2018.csv.gz',
    { utcOffsetMin: -480, where: { column: 'home', value: '122940' } },
    1,
    'plug_load_kwh',
    '2018-01-01T08:00:00.000Z',
    60,
    8760,
    288,
    0,
  ],
];

describe('load files', () => {
  for (const [path, options, count, name, start, stepMin, length, firstW, absent] of FILES) {
    test.skipIf(missing(path))(`${path}: ${count} series of ${length} × ${stepMin} min from ${start}`, () => {
      const { loads } = readLoad({ text: dataText(path), source: path, ...options });
      const first = loads[0];
      expect(loads.length).toBe(count);
      expect([first?.name, first?.series.unit, first && isoUtc(first.series.startMs)]).toEqual([name, 'W', start]);
      expect([first?.series.stepMs, first?.series.values.length]).toEqual([stepMin * 60_000, length]);
      expect(first?.series.values[0]).toBeCloseTo(firstW, 6);
      expect(nan(first?.series.values ?? new Float64Array())).toBe(absent);
    });
  }

  const office = 'commercial/lbnl_small_office_15min_kw_2013.csv';
  test.skipIf(missing(office))(`743 missing values lie in 10 runs, the longest 416 (${office})`, () => {
    const { notes } = readLoad({ text: dataText(office), source: office, timeZone: 'America/Los_Angeles' });
    const runs = notes.map((n) => Number(/\((\d+) interval/.exec(n.what)?.[1]));
    expect([runs.length, runs.reduce((a, b) => a + b, 0), Math.max(...runs)]).toEqual([10, 743, 416]);
  });

  const mixed = 'residential/alameda_resstock_thermostat_homes_hourly_2018.csv.gz';
  test.skipIf(missing(mixed))(`homes stacked in one file are refused unless one is chosen (${mixed})`, () => {
    const text = dataText(mixed);
    expect(refusal(() => readLoad({ text, source: mixed, utcOffsetMin: -480 }))).toMatch(
      /row 8762: .*not before that of row 8761/,
    );
    const where = { column: 'home', value: '12294' };
    expect(refusal(() => readLoad({ text, source: mixed, utcOffsetMin: -480, where }))).toMatch(
      /Did you mean "122940"\?/,
    );
  });
});

describe('what a load file leaves open', () => {
  const read = (text: string, options: Options = {}) => readLoad({ text, source: 'l.csv', ...options });
  const two = (stamp: string, value: string) => `${stamp},${value}\n2024-07-01T01:00,1\n2024-07-01T02:00,2\n`;

  test('edge, zone, unit and date are asked for', () => {
    expect(refusal(() => read(two('timestamp', 'kw'), { utcOffsetMin: 0 }))).toMatch(
      /unclear interval edge, expected the option stamp/,
    );
    expect(refusal(() => read(two('hour_end_local', 'kw')))).toMatch(
      /utcOffsetMin \(local standard time\) or timeZone/,
    );
    expect(refusal(() => read(two('hour_end_lst', 'kw'), { timeZone: 'UTC' }))).toMatch(
      /the column is local standard time/,
    );
    expect(refusal(() => read(two('hour_end_local', 'building'), { utcOffsetMin: 0 }))).toMatch(/or the option unit/);
    expect(refusal(() => read(two('hour_end_local', 'x_kw'), { utcOffsetMin: 0, unit: 'kWh' }))).toMatch(
      /kW in the name, "kWh" in the option/,
    );
    expect(refusal(() => read(two('hour_end_local', 'kw'), { utcOffsetMin: 0, stamp: 'start' }))).toMatch(
      /stamp "end", as its name says/,
    );
    expect(refusal(() => read('minute,a_kw\n1,1\n2,1\n'))).toMatch(/option startMs: when minute 1 begins/);
    expect(refusal(() => read('a,b\n1,2\n'))).toMatch(/a column of stamps/);
  });

  test('an hour-ending stamp means the hour before it', () => {
    const [load] = read(two('hour_end_local', 'kwh'), { utcOffsetMin: -480 }).loads;
    expect(load && isoUtc(load.series.startMs)).toBe('2024-07-01T08:00:00.000Z');
    expect([...(load?.series.values ?? [])]).toEqual([1000, 2000]);
  });

  test('a negative load is refused, a net meter may be negative, rates and heat are passed over', () => {
    const text =
      'interval_start_utc,net_kwh,dni_w_m2,price_usd_kwh,heat_thermal_kwh\n2024-07-01T00:00Z,-1,5,0.2,9\n2024-07-01T00:15Z,2,5,0.2,9\n';
    expect(refusal(() => read(text))).toMatch(/row 2, column net_kwh: found "-1", expected a number from 0 to/);
    const { loads } = read(text, { signed: true });
    expect(loads.map((l) => [l.name, [...l.series.values]])).toEqual([['net_kwh', [-4000, 8000]]]);
    expect(read(text, { columns: ['heat_thermal_kwh'] }).loads).toHaveLength(1);
  });

  test('a lost row is a gap with its row; an unknown column and an off-grid stamp are refused', () => {
    const text = 'interval_start_utc,a_kw\n2024-07-01T00:00Z,1\n2024-07-01T01:00Z,1\n2024-07-01T03:00Z,1\n';
    expect(read(text).notes).toEqual([
      { row: 3, what: 'a_kw: gap of 1 interval after row 3, 2024-07-01T02:00:00.000Z to 2024-07-01T03:00:00.000Z' },
    ]);
    expect(refusal(() => read(text, { columns: ['b_kw'] }))).toMatch(/a column "b_kw"\. Did you mean "a_kw"/);
    expect(
      refusal(() => read(text.replace('T03:00', 'T02:30').concat('2024-07-01T03:30Z,1\n2024-07-01T04:30Z,1\n'))),
    ).toMatch(/a whole number of 60 min steps/);
  });
});
