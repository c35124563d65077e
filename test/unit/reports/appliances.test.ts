import { describe, expect, test } from 'vitest';
import { chartsOf } from '../../../reports/charts.ts';
import { applianceMeterCsv, csvFiles } from '../../../reports/csv.ts';
import { reportHtml } from '../../../reports/html.ts';
import { measure } from '../../../reports/measures.ts';
import { summaryTable } from '../../../reports/table.ts';
import type { LogRecord } from '../../../src/ports/records.ts';
import { flexible } from '../../helpers/flexibleScenario.ts';
import { runLogged } from '../../helpers/library.ts';
import { fixtureRecords } from '../../helpers/reportRecords.ts';

/** What a report shows of cars, thermostats and inverters: the figures of a real run of three homes. */
const { records, result } = runLogged(flexible());
const { measures, expectations } = result;
const run = { scenario: 'flexible', title: 'T', seed: '11', version: '0', hash: 'ab'.repeat(32), replayCommand: 'r' };
const assets = { plotScript: '', plotStyle: '' };
const a = measures.appliances;
if (a === null) throw new Error('the run has appliances');

describe('the measures of a run with appliances', () => {
  test('have every device with what it took by its own register', () => {
    const taken = (deviceId: string): number =>
      records.reduce((sum, r) => {
        if (r.kind !== 'appliance-meter' || r.deviceId !== deviceId) return sum;
        return sum + (r.what === 'ev' ? r.chargeMj : r.hvacMj + r.fanMj);
      }, 0);
    for (const d of a.devices) {
      if (d.kind === 'inverter') expect([d.usedWh, d.ev, d.room]).toEqual([null, null, null]);
      else expect(d.usedWh, d.deviceId).toBe(Math.round(taken(d.deviceId) / 3_600_000));
    }
    expect(a.devices.map((d) => d.ev?.departures ?? 0)).toEqual([1, 0, 0, 1, 0, 0, 0, 0]);
    expect(a.devices[0]?.ev?.departurePctMin).toBe(80);
  });

  test('say what a setting saved against the same run without it, and what came back', () => {
    const limit = a.moved.find((x) => x.slug === 'vehicle:set-charge-limit');
    expect(limit).toMatchObject({ devices: 2, succeeded: 2, what: 'ev', asked: 'charge limit 40 %' });
    expect(limit?.savedWh).toBe((limit?.withoutWh ?? 0) - (limit?.usedWh ?? 0));
    expect(limit?.savedWh).toBeGreaterThan(20_000);
    expect(limit?.backWh).toBeGreaterThan(5_000);
    const fan = a.moved.find((x) => x.slug === 'thermostat:set-fan-mode');
    expect([fan?.backWh, fan?.backPeakW]).toEqual([null, null]);
    expect(fan?.savedWh).toBeLessThan(0);
  });

  test('know nothing of what came back while the next setting of the kind rules', () => {
    const again = `duration: 2h }\n  - { at: "15:00", kind: set, tag: cars, slug: "vehicle:set-charge-limit", input: { chargeLimit: 41 }, duration: 1h }\n`;
    const { moved } = runLogged(flexible('duration: 2h }\n', again)).result.measures.appliances ?? { moved: [] };
    expect(moved.filter((x) => x.what === 'ev').map((x) => x.backWh === null)).toEqual([true, false]);
  });

  test('find energy that a site has and none of its devices took', () => {
    const wrong = records.map(
      (r): LogRecord =>
        r.kind === 'meter' && r.siteId === 'homes-0001-site' && r.hvacMj !== undefined && r.hvacMj > 0
          ? { ...r, hvacMj: r.hvacMj - 1, loadMj: r.loadMj + 1 }
          : r,
    );
    const { ledger } = measure(wrong);
    expect(ledger.siteResidualMj).toBe(0);
    expect(ledger.applianceResidualMj).toBeGreaterThan(0);
    expect(reportHtml({ run, measures: measure(wrong), expectations: [] }, assets)).toContain('does not add up');
  });
});

describe('the report of a run with appliances', () => {
  const page = reportHtml({ run, measures, expectations }, assets);

  test('has a section, figures at the top and charts for them', () => {
    for (const text of [
      '<section id="appliances">',
      'href="#appliances"',
      'charged into cars',
      'warmest room',
      'What settings moved',
      'charge limit 40\u00a0%',
      'homes-0001-thermostat',
      'every car and every thermostat',
      'Thermostat of homes',
      'id="plot-flexible"',
      'id="plot-cars"',
      'id="plot-rooms"',
    ]) {
      expect(page, text).toContain(text);
    }
    expect(page).not.toMatch(/[>\s]NaN[<\s]/);
    const names = chartsOf(measures, () => '').map((c) => c.name);
    expect(names).toEqual(['fleet', 'flexible-load']);
  });

  test('has their figures as CSV', () => {
    const files = csvFiles(measures);
    const [head = '', ...rows] = (files['appliances.csv'] ?? '').trim().split('\r\n');
    expect(rows).toHaveLength(8);
    const columns = head.split(',');
    expect(rows.every((row) => row.split(',').length === columns.length)).toBe(true);
    expect(Number(rows[0]?.split(',')[columns.indexOf('usedWh')])).toBe(a.devices[0]?.usedWh);
    expect((files['settings.csv'] ?? '').trim().split('\r\n')).toHaveLength(1 + a.settings.length);
    const lines = [...applianceMeterCsv(records)];
    expect(lines).toHaveLength(1 + records.filter((r) => r.kind === 'appliance-meter').length);
  });

  test('says in the terminal what each setting moved', () => {
    const text = summaryTable({ run, measures, expectations, color: false });
    expect(text).toContain('Setting: charge limit 40 %, 2 devices, 2024-07-10 13:00 to 15:00');
    expect(text).toContain('in the two hours after it');
  });

  test('leaves all of it out where there are none', () => {
    const plain = measure(fixtureRecords());
    expect(plain.appliances).toBeNull();
    const other = reportHtml({ run, measures: plain, expectations: [] }, assets);
    expect(other).not.toContain('appliances');
    expect(Object.keys(csvFiles(plain))).not.toContain('appliances.csv');
  });
});
