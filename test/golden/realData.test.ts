import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { applyOverrides } from '../../harness/overrides.ts';
import { simulate } from '../../harness/run.ts';
import type { Scenario } from '../../scenarios/schema.ts';
import { localParts } from '../../src/domain/time.ts';
import { SHARED, tempFolder, vpp } from '../helpers/cli.ts';
import { libraryScenario } from '../helpers/library.ts';

/** A run on published prices, weather and alerts, and the hours that those prices call for. */
const PRICES = join(SHARED, 'prices/caiso_dlap_hourly_20240615_20240731.csv');
const WEATHER = join(SHARED, 'weather/CA-Chino_Airport.tmy3.gz');
const ALERTS = join(SHARED, 'alerts/nws_alerts_active_20251215.geojson');
const missing = [PRICES, WEATHER, ALERTS].filter((path) => !existsSync(path));
const unless = missing.length === 0 ? '' : ` (skipped: ${missing.join(', ')} missing)`;

describe(`heat-wave-evening on the prices of 10 July 2024, a typical year and a day's alerts${unless}`, () => {
  const dir = tempFolder();
  const words = ['--prices', PRICES, '--node', 'DLAP_SCE-APND', '--date', '2024-07-10'];
  const files = ['--weather', WEATHER, '--alerts', ALERTS, '--out', 'runs'];

  test.skipIf(missing.length > 0)('dispatches exactly hours ending 19, 20 and 21 and leaves a report', async () => {
    const run = await vpp(['run', 'heat-wave-evening', ...words, ...files], dir);
    expect(run.code, run.err).toBe(0);
    const hours = run.out.split('\n').filter((line) => /HE\d\d/.test(line));
    expect(hours.map((line) => line.trim().split(/\s+/).slice(0, 3).join(' '))).toEqual([
      '2024-07-10 HE19 223.00',
      '2024-07-10 HE20 428.01',
      '2024-07-10 HE21 245.76',
    ]);
    const made = join(dir, 'runs/heat-wave-evening-20240710');
    for (const name of ['report.html', 'summary.json', 'junit.xml', 'log.jsonl', 'csv/meter.csv']) {
      expect(statSync(join(made, name)).size, name).toBeGreaterThan(100);
    }
    expect(readFileSync(join(made, 'report.html'), 'utf8')).toContain('428.01');
  });

  test.skipIf(missing.length > 0)('says in its log which files the prices and the weather came from', async () => {
    const log = readFileSync(join(dir, 'runs/heat-wave-evening-20240710/log.jsonl'), 'utf8');
    const sources = log.split('\n').filter((line) => line.includes('"kind":"series"'));
    expect(sources.some((line) => line.includes('caiso_dlap_hourly_20240615_20240731.csv'))).toBe(true);
    expect(sources.some((line) => line.includes('CA-Chino_Airport.tmy3'))).toBe(true);
    expect(log).not.toContain(dir);
    expect(log).not.toContain(SHARED);
  });
});

interface Row {
  readonly date: string;
  readonly hourEnding: number;
  readonly node: string;
  readonly usdPerMwh: number;
}

/** opr_dt,opr_hr,node,dam_lmp_usd_mwh,rtm_lmp_mean_usd_mwh; read here by itself, without the feed's reader. */
const rowsOf = (text: string): Row[] =>
  text
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => line.split(','))
    .map(([date = '', hour = '', node = '', price = '']) => {
      return { date, hourEnding: Number(hour), node, usdPerMwh: price === '' ? Number.NaN : Number(price) };
    });

/** The window of the program, 16:00 to 21:00, by the ends of its hours. */
const inWindow = (hourEnding: number): boolean => hourEnding >= 17 && hourEnding <= 21;
const called = (r: Row, threshold: number): boolean => inWindow(r.hourEnding) && r.usdPerMwh >= threshold;

/** The utility-scale battery of the scenario alone, with the same program: quick to run. */
function batteryOnly(thresholdUsdPerMwh: number): Scenario {
  const full = libraryScenario('heat-wave-evening');
  const window = { start: '16:00', end: '21:00' };
  const trigger = { kind: 'day-ahead-price', thresholdUsdPerMwh, window } as const;
  const programs = full.programs.map((p) => ({ ...p, trigger, groups: ['chino'] }));
  return { ...full, fleet: { ...full.fleet, homes: [] }, programs, expect: [] };
}

function dispatchedHours(scenario: Scenario): number[] {
  const hours = new Set<number>();
  for (const r of simulate({ scenario, dataDir: '/' }).records) {
    if (r.kind !== 'fact' || r.fact.type !== 'dispatch.planned' || r.fact.dispatch.targetW === 0) continue;
    hours.add(localParts(r.fact.dispatch.periodStartMs, scenario.timeZone).hour + 1);
  }
  return [...hours].sort((a, b) => a - b);
}

describe(`a price threshold on days and nodes of the price file${unless}`, () => {
  const rows = existsSync(PRICES) ? rowsOf(readFileSync(PRICES, 'utf8')) : [];
  const nodes = [...new Set(rows.map((r) => r.node))];
  const dearDates = [...new Set(rows.filter((r) => called(r, 200)).map((r) => r.date))];
  const quietDates = ['2024-06-20', '2024-07-15'];

  function compare(node: string, threshold: number, dates: readonly string[]): number {
    const found: Record<string, number[]> = {};
    const expected: Record<string, number[]> = {};
    for (const date of dates) {
      const own = rows.filter((r) => r.date === date && r.node === node);
      expect(own.length, `${date} at ${node}`).toBeGreaterThan(0);
      expected[date] = own.filter((r) => called(r, threshold)).map((r) => r.hourEnding);
      const overrides = { prices: PRICES, node, date };
      found[date] = dispatchedHours(applyOverrides(batteryOnly(threshold), overrides, (path) => path));
    }
    expect(found).toEqual(expected);
    return Object.values(expected).flat().length;
  }

  test.skipIf(rows.length === 0).each(nodes.length === 0 ? ['no node'] : nodes)(
    'of 200 $/MWh dispatches at %s exactly the hours that the CSV text has at or above it, on dear and quiet days',
    (node) => {
      expect(dearDates.length).toBeGreaterThanOrEqual(6);
      expect(rows.filter((r) => quietDates.includes(r.date) && called(r, 200))).toEqual([]);
      expect(compare(node, 200, [...dearDates, ...quietDates])).toBeGreaterThan(6);
    },
  );

  test.skipIf(rows.length === 0)('of 100 $/MWh leaves out the dear hour after the window', () => {
    const late = rows.filter((r) => r.date === '2024-07-10' && r.node === 'DLAP_SCE-APND' && r.hourEnding === 22);
    expect(late.map((r) => r.usdPerMwh > 100)).toEqual([true]);
    expect(compare('DLAP_SCE-APND', 100, ['2024-07-10', '2024-07-11'])).toBe(6);
  });
});
