import { describe, expect, test } from 'vitest';
import { readPrices } from '../../../simulators/feeds/prices.ts';
import { bridgeGaps, cutSeries } from '../../../simulators/feeds/samples.ts';
import { valueAt } from '../../../src/ports/series.ts';
import { dataText, missing, refusal } from './data.ts';

const at = (iso: string): number => Date.parse(iso);
const prices = (name: string, node?: string) => readPrices({ text: dataText(`prices/${name}`), source: name, node });
const gaps = (values: Float64Array): number => values.filter((v) => Number.isNaN(v)).length;

const dlap = 'caiso_dlap_hourly_20240615_20240731.csv';
describe('CAISO hourly prices of load aggregation points', () => {
  test.skipIf(missing(`prices/${dlap}`))(
    `hours ending 19, 20, 21 Pacific stand at their UTC instants (${dlap})`,
    () => {
      const { dayAhead, realTime, format } = prices(dlap, 'DLAP_SCE-APND');
      expect(format).toBe('caiso-dlap-hourly');
      const evening = ['2024-07-11T01:00Z', '2024-07-11T02:00Z', '2024-07-11T03:00Z'].map(
        (t) => dayAhead && valueAt(dayAhead, at(t)),
      );
      expect(evening).toEqual([222.99745, 428.01227, 245.7578]);
      expect(realTime && valueAt(realTime, at('2024-07-24T02:59Z'))).toBe(904.93653);
    },
  );

  test.skipIf(missing(`prices/${dlap}`))(`the hours the source lost are gaps with their row, never 0 (${dlap})`, () => {
    const { dayAhead, notes } = prices(dlap, 'DLAP_SCE-APND');
    expect(dayAhead?.values.length).toBe(46 * 24 + 15);
    expect(gaps(dayAhead?.values ?? new Float64Array())).toBe(46 * 9);
    expect(notes).toHaveLength(2 * 46);
    expect(notes[0]).toEqual({
      row: 59,
      what: 'DLAP_SCE-APND day-ahead: gap of 9 intervals after row 59, 2024-06-16T07:00:00.000Z to 2024-06-16T16:00:00.000Z',
    });
  });

  test.skipIf(missing(`prices/${dlap}`))(`asks for a node, and knows the one that was meant (${dlap})`, () => {
    expect(refusal(() => prices(dlap))).toMatch(
      /node: found nothing, expected one of the 4 nodes of the file: DLAP_PGAE-APND/,
    );
    expect(refusal(() => prices(dlap, 'DLAP_SEC-APND'))).toMatch(/Did you mean "DLAP_SCE-APND"\?$/);
  });

  const head = 'opr_dt,opr_hr,node,dam_lmp_usd_mwh,rtm_lmp_mean_usd_mwh\n';
  const small = (rows: string) => readPrices({ text: head + rows, source: 'p.csv' });
  test('the long day has an hour 25, the short one no hour 24', () => {
    const autumn = small('2024-11-03,1,N,1,1\n2024-11-03,2,N,2,2\n2024-11-03,3,N,3,3\n2024-11-03,25,N,25,25\n');
    expect(autumn.dayAhead && valueAt(autumn.dayAhead, at('2024-11-03T09:00Z'))).toBe(3);
    expect(autumn.dayAhead && valueAt(autumn.dayAhead, at('2024-11-04T07:00Z'))).toBe(25);
    expect(refusal(() => small('2024-03-10,24,N,1,1\n'))).toMatch(
      /row 2, column opr_hr: found "24", expected an hour ending from 1 to 23/,
    );
  });

  test('refuses a date that does not exist, time going back, an absurd price, a missing column', () => {
    expect(refusal(() => small('2024-02-30,1,N,1,1\n'))).toMatch(/row 2, column opr_dt: found "2024-02-30"/);
    expect(refusal(() => small('2024-02-02,2,N,1,1\n2024-02-02,1,N,1,1\n'))).toMatch(
      /row 3: .* expected a time not before that of row 2/,
    );
    expect(refusal(() => small('2024-02-02,2,N,99999,1\n'))).toMatch(
      /column dam_lmp_usd_mwh: .*from -20000 to 20000 \$\/MWh/,
    );
    const wrong = 'opr_dt,opr_hour,node,dam_lmp_usd_mwh,rtm_lmp_mean_usd_mwh\n2024-02-02,2,N,1,1\n';
    expect(refusal(() => readPrices({ text: wrong, source: 'p.csv' }))).toMatch(
      /expected a column "opr_hr"\. Did you mean "opr_hour"\?$/,
    );
    expect(refusal(() => readPrices({ text: 'x,y\n1,2\n', source: 'p.csv' }))).toMatch(
      /expected the header of one of caiso-dlap-hourly/,
    );
  });

  test('notes a repeated hour and keeps the first value', () => {
    const { dayAhead, notes } = small('2024-02-02,2,N,1,5\n2024-02-02,2,N,9,5\n2024-02-02,3,N,,5\n');
    expect([...(dayAhead?.values ?? [])]).toEqual([1, NaN]);
    expect(notes.map((n) => `${n.row} ${n.what}`)).toEqual([
      '3 N day-ahead: 2024-02-02T09:00:00.000Z comes again (first in row 2) with 9; 1 kept',
      '3 N real-time: 2024-02-02T09:00:00.000Z comes again (first in row 2) with the same value',
      '4 N day-ahead: no value in row 4 (1 interval)',
    ]);
  });

  test('says when all prices of a day are so small that the unit may be $/kWh', () => {
    const rows = Array.from({ length: 24 }, (_, h) => `2024-02-02,${h + 1},N,0.05,40\n`).join('');
    expect(small(rows).notes).toEqual([
      { row: 2, what: 'N day-ahead: every price lies within ±1 $/MWh; is the unit really $/MWh?' },
    ]);
  });
});

const spring = 'caiso_rt15_STANDFD2_1_N011_20200412_20200418.csv';
const heat = 'caiso_rt15_STANDFD2_1_N011_20200725_20200816.csv';
const normal = 'caiso_rt15_all_nodes_instance_normal.csv';
const peak = 'caiso_rt15_all_nodes_instance_peak_load.csv';
describe('CAISO fifteen-minute prices', () => {
  test.skipIf(missing(`prices/${spring}`))(`four lost intervals are one gap (${spring})`, () => {
    const { realTime, dayAhead, notes } = prices(spring);
    expect(dayAhead).toBeNull();
    expect([realTime?.values.length, realTime?.stepMs, gaps(realTime?.values ?? new Float64Array())]).toEqual([
      672, 900_000, 4,
    ]);
    expect(notes.map((n) => n.row)).toEqual([233]);
  });

  test.skipIf(missing(`prices/${heat}`))(`the evening of 14 August 2020 reaches the cap (${heat})`, () => {
    const { realTime, notes } = prices(heat);
    expect(notes).toEqual([]);
    const evening =
      realTime && cutSeries(realTime, { startMs: at('2020-08-15T00:00Z'), endMs: at('2020-08-15T05:00Z') });
    expect(evening?.values.length).toBe(20);
    expect(Math.max(...(evening?.values ?? []))).toBeGreaterThan(900);
  });

  test.skipIf(missing(`prices/${normal}`))(
    `reads the spelling with a blank, one interval of many nodes (${normal})`,
    () => {
      const { realTime, nodes } = prices(normal, 'WOODLD_1_N001');
      expect(nodes).toHaveLength(274);
      expect(realTime).toMatchObject({ startMs: at('2024-12-06T13:00Z'), stepMs: 900_000 });
      expect([...(realTime?.values ?? [])]).toEqual([129.0144]);
    },
  );

  test.skipIf(missing(`prices/${peak}`))(`lists nodes when none is named, at most ten (${peak})`, () => {
    expect(refusal(() => prices(peak))).toMatch(/one of the 279 nodes of the file: AIRPROD_1_N001, .* and 269 more\.$/);
  });

  test('refuses an unknown market, an odd interval, another market than the file has', () => {
    const head = 'interval_start_utc,interval_end_utc,market,location,lmp\n';
    const row = (end: string, market: string) => `${head}2024-01-01T00:00:00Z,2024-01-01T${end}:00Z,${market},N,10\n`;
    const read = (text: string) => readPrices({ text, source: 'p.csv', market: 'day-ahead' });
    expect(refusal(() => read(row('00:15', 'SPOT')))).toMatch(/column market: found "SPOT"/);
    expect(refusal(() => read(row('00:07', 'RTM')))).toMatch(/an interval of 5, 15 or 60 minutes/);
    expect(refusal(() => read(row('00:15', 'RTM')))).toMatch(/only real-time prices, expected day-ahead prices of N/);
    expect(read(row('01:00', 'DAM')).dayAhead?.values).toEqual(Float64Array.of(10));
  });
});

const oasis = 'caiso_oasis_PRC_LMP_DAM_20200101_raw.csv';
test.skipIf(missing(`prices/${oasis}`))(`a raw OASIS report is put in order and its parts left out (${oasis})`, () => {
  const { dayAhead, notes, format } = prices(oasis);
  expect(format).toBe('caiso-oasis-prc-lmp');
  expect(dayAhead?.startMs).toBe(at('2020-01-02T00:00Z'));
  expect([...(dayAhead?.values ?? [])]).toEqual([
    33.34256, 37.19566, 36.80716, 36.26838, 36.23535, 34.04259, 30.74597, 29.57653,
  ]);
  expect(notes).toEqual([{ row: 10, what: '1 row(s) of LMP_TYPE MCC left out: a part of the price, not the price' }]);
});

const wide = 'caiso_dam_hourly_avg_20200801_20200813.csv';
describe('CAISO wide table', () => {
  test.skipIf(missing(`prices/${wide}`))(`the column is the hour's beginning, Pacific (${wide})`, () => {
    const { dayAhead } = prices(wide);
    expect(dayAhead?.values.length).toBe(13 * 24);
    expect(dayAhead && valueAt(dayAhead, at('2020-08-14T02:30Z'))).toBe(174.39);
  });

  test('says what happened to the hours of the two odd days', () => {
    const hours = Array.from({ length: 24 }, (_, h) => `${String(h).padStart(2, '0')}:00`);
    const text = (date: string) => `date,${hours.join(',')}\n${date},${hours.map((_, h) => h + 10).join(',')}\n`;
    const short = readPrices({ text: text('2024-03-10'), source: 'w.csv' });
    expect(short.dayAhead?.values.length).toBe(23);
    expect(short.notes).toEqual([{ row: 2, what: 'column 02:00: this hour does not exist on that day; 12 left out' }]);
    const long = readPrices({ text: text('2024-11-03'), source: 'w.csv' });
    expect([...(long.dayAhead?.values ?? [])].slice(0, 4)).toEqual([10, 11, NaN, 12]);
    expect(long.notes.some((n) => n.what.includes('comes twice'))).toBe(true);
  });
});

const ercot = 'ercot_hb_south_15min_202408.csv';
describe('ERCOT', () => {
  test.skipIf(missing(`prices/${ercot}`))(`reads the hub's real-time quarters and day-ahead hours (${ercot})`, () => {
    const { dayAhead, realTime, node, notes } = prices(ercot);
    expect([node, notes]).toEqual(['HB_SOUTH', []]);
    expect(dayAhead).toMatchObject({ startMs: at('2024-08-01T05:00Z'), stepMs: 3_600_000 });
    expect(dayAhead?.values.length).toBe(744);
    expect(realTime?.values.length).toBe(2976);
    const scarcity =
      realTime && cutSeries(realTime, { startMs: at('2024-08-20T05:00Z'), endMs: at('2024-08-21T05:00Z') });
    expect(Math.max(...(scarcity?.values ?? []))).toBeCloseTo(4858, 0);
  });

  const head = 'interval_start_local,hb_x_rtm_usd_mwh\n';
  const quarters = (hour: string, from: number) =>
    ['00', '15', '30', '45'].map((m, i) => `${hour}:${m},${from + i}\n`).join('');
  test('an hour that comes twice is resolved by the order of rows', () => {
    const text = head + ['2024-11-03T01', '2024-11-03T01', '2024-11-03T02'].map((h, i) => quarters(h, 10 * i)).join('');
    const { realTime, notes } = readPrices({ text, source: 'e.csv' });
    expect(realTime?.startMs).toBe(at('2024-11-03T06:00Z'));
    expect([...(realTime?.values ?? [])]).toEqual([0, 1, 2, 3, 10, 11, 12, 13, 20, 21, 22, 23]);
    expect(notes).toEqual([
      {
        row: 2,
        what: 'rows 2 to 9 lie in an hour that America/Chicago has twice; taken by their order, first run earlier',
      },
    ]);
  });

  test('an hour that does not exist is left out and said', () => {
    const text = head + quarters('2025-03-09T01', 0) + quarters('2025-03-09T02', 50) + quarters('2025-03-09T03', 10);
    const { realTime, notes } = readPrices({ text, source: 'e.csv' });
    expect([...(realTime?.values ?? [])]).toEqual([0, 1, 2, 3, 10, 11, 12, 13]);
    expect(notes.map((n) => n.row)).toEqual([6, 7, 8, 9]);
  });
});

test('a range outside a series is refused with the range there is; a gap is bridged only up to the length asked for', () => {
  const series = {
    startMs: 0,
    stepMs: 900_000,
    unit: '$/MWh',
    values: Float64Array.of(1, NaN, NaN, 4, NaN, NaN, NaN, 8),
    source: 's',
  };
  expect(refusal(() => cutSeries(series, { startMs: 0, endMs: 7_200_001 }))).toMatch(
    /within 1970-01-01T00:00:00.000Z to 1970-01-01T02:00/,
  );
  const { series: bridged, filled } = bridgeGaps(series, 2);
  expect([filled, [...bridged.values]]).toEqual([2, [1, 2, 3, 4, NaN, NaN, NaN, 8]]);
});
