import fc from 'fast-check';
import { XMLValidator } from 'fast-xml-parser';
import { describe, expect, test } from 'vitest';
import { csvFiles, csvLine } from '../../reports/csv.ts';
import { sumEnergy } from '../../reports/energy.ts';
import { reportHtml } from '../../reports/html.ts';
import { eventPlot } from '../../reports/htmlCharts.ts';
import { junitXml } from '../../reports/junit.ts';
import { measure } from '../../reports/measures.ts';
import type { EnergyTotals, EventMeasure } from '../../reports/measureTypes.ts';
import { summaryOf } from '../../reports/summary.ts';
import { summaryTable } from '../../reports/table.ts';
import type { ExpectationResult } from '../../reports/verdict.ts';
import type { ExclusionReason } from '../../src/domain/program.ts';
import { MS_PER_MIN } from '../../src/domain/units.ts';
import { type MiniEvent, type MiniPlan, type MiniRun, type MiniSite, miniRun } from '../helpers/miniRun.ts';

const STEP = 5 * MS_PER_MIN;
const STEPS = 12;

/** Up to ±20 kW over 5 min, any whole mJ, so that rounding is at work. */
const mj = fc.integer({ min: -6_000_000_000, max: 6_000_000_000 });
const REASONS: readonly ExclusionReason[] = ['storm_guard', 'offline', 'low_soc', 'not_needed', 'not_enrolled'];

const site = (deviceId: string, storms: boolean): fc.Arbitrary<MiniSite> =>
  fc.record({
    deviceId: fc.constant(deviceId),
    group: fc.constantFrom('north', 'south'),
    metered: fc.array(fc.option(mj, { freq: 20 }), { minLength: STEPS, maxLength: STEPS }),
    baseline: fc.array(fc.option(mj, { freq: 20 }), { minLength: STEPS, maxLength: STEPS }),
    stormMs: fc.array(storms ? fc.constantFrom(0, 0, 0, 1, STEP) : fc.constant(0), {
      minLength: STEPS,
      maxLength: STEPS,
    }),
    storedEndMj: fc.constantFrom(0, 7_300_000_000, 30_000_000_000),
  });

const watt = fc.integer({ min: 0, max: 20_000 });

/** Control periods of any length, with gaps, overlaps and repeats. */
const plan: fc.Arbitrary<MiniPlan> = fc
  .record({
    fromMs: fc.integer({ min: 0, max: STEPS * STEP }),
    lengthMs: fc.integer({ min: 0, max: 4 * STEP }),
    a: watt,
    b: fc.option(watt),
    excluded: fc.array(
      fc.record({ deviceId: fc.constantFrom('b', 'c', 'ghost'), reason: fc.constantFrom(...REASONS), capableW: watt }),
      { maxLength: 3 },
    ),
  })
  .map(({ fromMs, lengthMs, a, b, excluded }) => ({
    fromMs,
    toMs: fromMs + lengthMs,
    allocatedW: b === null ? { a } : { a, b },
    excluded,
  }));

const event = (eventId: string): fc.Arbitrary<MiniEvent> =>
  fc
    .record({
      from: fc.integer({ min: 0, max: STEPS - 1 }),
      length: fc.integer({ min: 1, max: STEPS }),
      targetW: fc.integer({ min: 0, max: 30_000 }),
      plans: fc.array(plan, { maxLength: 6 }),
    })
    .map(({ from, length, ...rest }) => ({ eventId, from, to: Math.min(STEPS, from + length), ...rest }));

const run = (storms: boolean): fc.Arbitrary<MiniRun> =>
  fc.record({
    stepMs: fc.constant(STEP),
    sites: fc.tuple(site('a', storms), site('b', storms), site('c', storms)),
    events: fc.tuple(event('one'), event('two')),
  });

const parts = (e: EnergyTotals): number[] => [e.plannedWh, e.baselineWh, e.meteredWh, e.deliveredWh, e.stormWh];

describe('property 54: figures add up', () => {
  test('devices = groups = intervals = event = program = run, in every figure', () => {
    fc.assert(
      fc.property(run(true), (r) => {
        const m = measure(miniRun(r));
        for (const e of m.events) {
          expect(parts(sumEnergy(e.devices))).toEqual(parts(e));
          expect(parts(sumEnergy(e.groups))).toEqual(parts(e));
          expect(sumEnergy(e.intervals)).toEqual(sumEnergy([e]));
          for (const x of [e, ...e.intervals, ...e.devices]) {
            expect(x.baselineWh - x.meteredWh - x.stormWh).toBe(x.deliveredWh);
          }
        }
        expect(sumEnergy(m.events)).toEqual(m.totals);
        expect(sumEnergy(m.programs)).toEqual(m.totals);
      }),
    );
  });

  test('CSV and chart data and JSON hold the same figures', () => {
    const columns = ['targetWh', 'plannedWh', 'baselineWh', 'meteredWh', 'deliveredWh', 'stormWh'] as const;
    const info = { scenario: 's', title: 't', seed: '1', version: '0', hash: 'h', replayCommand: 'r' };
    fc.assert(
      fc.property(run(true), (r) => {
        const m = measure(miniRun(r));
        const files = csvFiles(m);
        const json = JSON.parse(JSON.stringify(summaryOf({ run: info, measures: m, expectations: [] })));
        for (const name of columns) {
          expect(sumColumn(files['intervals.csv'] ?? '', name)).toBe(m.totals[name]);
          expect(json.measures.totals[name]).toBe(m.totals[name]);
          if (name !== 'targetWh') expect(sumColumn(files['devices.csv'] ?? '', name)).toBe(m.totals[name]);
        }
        for (const e of m.events) {
          const bars = eventPlot(e, 0).series[0]?.values.slice(0, -1) ?? [];
          expect(bars).toEqual(e.intervals.map((i) => Math.round(i.deliveredWh * 12) / 1000).map(twoDecimals));
        }
      }),
    );
  });

  test('an event is the sum of its two halves', () => {
    fc.assert(
      fc.property(run(true), fc.integer({ min: 1, max: STEPS - 1 }), (r, cut) => {
        const plans = [{ fromMs: 0, toMs: STEPS * STEP, allocatedW: { a: 1_000, b: 1, c: 777 } }];
        const of = (from: number, to: number): EventMeasure | undefined =>
          measure(miniRun({ ...r, events: [{ eventId: 'e', from, to, targetW: 5_000, plans }] })).events[0];
        const [whole, left, right] = [of(0, STEPS), of(0, cut), of(cut, STEPS)];
        expect((left?.deliveredWh ?? 0) + (right?.deliveredWh ?? 0)).toBe(whole?.deliveredWh);
        expect((left?.meteredWh ?? 0) + (right?.meteredWh ?? 0)).toBe(whole?.meteredWh);
      }),
    );
  });

  test('5-minute figures sum to those of 15 minutes and of an hour', () => {
    const known = fc.array(mj, { minLength: STEPS, maxLength: STEPS });
    fc.assert(
      fc.property(known, known, (metered, baseline) => {
        const rows = (n: number): number[] => {
          const group = (values: readonly number[]) =>
            Array.from({ length: STEPS / n }, (_, i) => values.slice(i * n, (i + 1) * n).reduce((a, b) => a + b, 0));
          const sites = [{ deviceId: 'a', metered: group(metered), baseline: group(baseline) }];
          const plans = [{ fromMs: 0, toMs: STEPS * STEP, allocatedW: { a: 1_000 } }];
          const events = [{ eventId: 'e', from: 0, to: STEPS / n, targetW: 1_000, plans }];
          const e = measure(miniRun({ stepMs: n * STEP, sites, events })).events[0];
          return e?.intervals.map((i) => i.deliveredWh) ?? [];
        };
        const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
        const [five, quarter, hour] = [rows(1), rows(3), rows(12)];
        expect(quarter).toEqual([0, 1, 2, 3].map((i) => sum(five.slice(3 * i, 3 * i + 3))));
        expect(hour).toEqual([sum(five)]);
      }),
    );
  });
});

describe('property 55: the baseline', () => {
  test('no event, no performance', () => {
    fc.assert(
      fc.property(run(true), (r) => {
        const m = measure(miniRun({ ...r, events: [] }));
        expect([m.events, m.totals.deliveredWh, m.programs[0]?.paymentUsd]).toEqual([[], 0, 0]);
      }),
    );
  });

  test('a site that behaves as without the event delivers 0, whatever was asked', () => {
    fc.assert(
      fc.property(run(true), (r) => {
        const sites = r.sites.map((s) => ({ ...s, baseline: s.metered }));
        for (const e of measure(miniRun({ ...r, sites })).events) {
          expect([e.deliveredWh, e.stormWh, e.paymentUsd, e.snapbackWh]).toEqual([0, 0, 0, 0]);
        }
      }),
    );
  });

  test('a constant load added to both worlds changes no delivery', () => {
    fc.assert(
      fc.property(run(true), mj, (r, more) => {
        const add = (values: readonly (number | null)[]) => values.map((v) => (v === null ? null : v + more));
        const sites = r.sites.map((s) => ({ ...s, metered: add(s.metered), baseline: add(s.baseline) }));
        const of = (x: MiniRun) => measure(miniRun(x)).events.map((e) => [e.deliveredWh, e.stormWh, e.shortfall]);
        expect(of({ ...r, sites })).toEqual(of(r));
      }),
    );
  });
});

test('the lines of the shortfall sum exactly to target − delivered, and only gifts and rounding are negative', () => {
  fc.assert(
    fc.property(run(true), (r) => {
      for (const e of measure(miniRun(r)).events) {
        const missing = e.targetWh - e.deliveredWh;
        expect(e.shortfall.reduce((sum, l) => sum + l.wh, 0)).toBe(missing);
        expect(e.reasons.reduce((sum, l) => sum + l.wh, 0)).toBe(missing);
        const negative = e.shortfall.filter((l) => l.wh < 0).map((l) => l.reason);
        for (const reason of negative) {
          expect(['over_delivery', 'small_deviation']).toContain(reason);
        }
      }
    }),
  );
});

describe('hostile names', () => {
  const hostile = fc.oneof(
    fc.constantFrom(
      '</script><script>alert(1)</script>',
      '"><img src=x onerror=alert(1)>',
      "' onmouseover='x",
      ']]>',
      '<!--',
      '&lt;',
      '=cmd|calc!A1',
      '\u0000\u0008\uFFFE',
      '\uD800',
      '__proto__',
    ),
    fc.string({ unit: 'binary', minLength: 1, maxLength: 20 }),
  );
  const info = (name: string) => ({
    scenario: name,
    title: name,
    seed: name,
    version: name,
    hash: name,
    replayCommand: name,
  });
  const results = (name: string): ExpectationResult[] => [
    { name, kind: name, severity: 'fail', passed: false, expected: name, found: name, where: name, when: name },
    { name, kind: name, severity: 'warn', passed: false, expected: name, found: name, where: name, when: name },
  ];
  const named = (name: string) =>
    measure(
      miniRun({
        stepMs: STEP,
        sites: [{ deviceId: name, group: name, metered: [0], baseline: [9_000_000_000] }],
        events: [
          { eventId: name, from: 0, to: 1, targetW: 9, plans: [{ fromMs: 0, toMs: STEP, allocatedW: { [name]: 5 } }] },
        ],
        more: [{ atMs: 0, kind: 'refusal', what: name, why: name }],
      }),
    );
  const tags = (page: string): string[] => [...page.matchAll(/<[^>]*>/g)].map((m) => m[0].split(/[\s>]/)[0] ?? '');

  test('add no element to report.html', () => {
    const page = (name: string) =>
      reportHtml(
        { run: info(name), measures: named(name), expectations: results(name) },
        { plotScript: '', plotStyle: '' },
      );
    const expected = tags(page('plain'));
    fc.assert(
      fc.property(hostile, (name) => {
        expect(tags(page(name))).toEqual(expected);
      }),
    );
  });

  test('leave junit.xml well-formed and come back as they were, but for what XML cannot hold', () => {
    fc.assert(
      fc.property(hostile, (name) => {
        const xml = junitXml(info(name), results(name));
        expect(XMLValidator.validate(xml)).toBe(true);
        const attribute = /<testcase classname="[^"]*" name="([^"]*)"/.exec(xml)?.[1] ?? '';
        expect(decoded(attribute)).toBe(
          name.replace(/[^\t\n\r\u{20}-\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]/gu, '\uFFFD'),
        );
      }),
    );
  });

  test('come back from CSV as they were, with an apostrophe where they could be a formula', () => {
    fc.assert(
      fc.property(hostile, hostile, (a, b) => {
        const guarded = (x: string) => (/^[=+\-@\t\r\n]/.test(x) ? `'${x}` : x);
        expect(parseCsv(csvLine([a, b, 7]))).toEqual([[guarded(a), guarded(b), '7']]);
      }),
    );
  });

  test('send no control character to the terminal', () => {
    fc.assert(
      fc.property(hostile, (name) => {
        const out = summaryTable({ run: info(name), measures: named(name), expectations: results(name), color: false });
        expect(/[\p{Cc}\p{Cf}]/u.test(out.replaceAll('\n', ''))).toBe(false);
      }),
    );
  });
});

const twoDecimals = (x: number): number => Math.round(x * 100) / 100 + 0;

function sumColumn(csv: string, name: string): number {
  const [head = [], ...rows] = parseCsv(csv);
  const i = head.indexOf(name);
  if (i < 0) throw new Error(`no column ${name}`);
  return rows.reduce((sum, row) => sum + Number(row[i]), 0);
}

/** RFC 4180, for reading back. */
function parseCsv(text: string): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  let rest = text;
  while (rest !== '') {
    const quoted = /^"((?:[^"]|"")*)"(,|\r\n)/.exec(rest);
    const plain = /^([^",\r\n]*)(,|\r\n)/.exec(rest);
    const found = quoted ?? plain;
    if (found === null) throw new Error(`not CSV: ${JSON.stringify(rest.slice(0, 40))}`);
    row.push(quoted === null ? (found[1] ?? '') : (found[1] ?? '').replaceAll('""', '"'));
    if (found[2] === '\r\n') {
      rows.push(row);
      row = [];
    }
    rest = rest.slice(found[0].length);
  }
  return rows;
}

function decoded(text: string): string {
  const named: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"' };
  return text.replace(/&(?:#(\d+)|(\w+));/g, (_, n, name) =>
    n === undefined ? (named[name] ?? '') : String.fromCodePoint(Number(n)),
  );
}
