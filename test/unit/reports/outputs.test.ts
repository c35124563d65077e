import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createCanvas, GlobalFonts, loadImage } from '@napi-rs/canvas';
import { XMLParser } from 'fast-xml-parser';
import { describe, expect, test } from 'vitest';
import { chainOf } from '../../../reports/chain.ts';
import { CHART_FONT, chartsOf, deliveredChart, whyNotChart } from '../../../reports/charts.ts';
import { csvCell, csvFiles, meterCsv } from '../../../reports/csv.ts';
import { escapeMarkup, escapeScriptJson } from '../../../reports/escape.ts';
import { reportHtml } from '../../../reports/html.ts';
import { junitXml } from '../../../reports/junit.ts';
import { measure } from '../../../reports/measures.ts';
import { summaryOf } from '../../../reports/summary.ts';
import { summaryTable } from '../../../reports/table.ts';
import { type ExpectationResult, verdictOf } from '../../../reports/verdict.ts';
import { duration, grouped, kw, kwh, usd } from '../../../reports/words.ts';
import { writeReport } from '../../../reports/write.ts';
import { renderPng } from '../../../reports/writePng.ts';
import { localClock } from '../../../src/domain/time.ts';
import { MS_PER_HOUR } from '../../../src/domain/units.ts';
import { miniRun } from '../../helpers/miniRun.ts';
import { fixtureRecords } from '../../helpers/reportRecords.ts';

const measures = measure(fixtureRecords());
const event = measures.events[0];
if (event === undefined) throw new Error('the fixture has an event');
const run = {
  scenario: 'fixture-evening',
  title: 'A hot evening',
  seed: '42',
  version: '0.1.0',
  hash: 'ab'.repeat(32),
  replayCommand: 'npm run vpp -- run fixture-evening --seed 42',
};
const clock = (ms: number) => localClock(ms, measures.run.timeZone);

const expectation = (o: Partial<ExpectationResult> = {}): ExpectationResult => ({
  name: 'delivers at least 90 %',
  kind: 'delivered',
  severity: 'fail',
  passed: false,
  expected: 'at least 90 %',
  found: '69.0 %',
  where: 'event-1',
  when: '18:00 to 20:00',
  ...o,
});
const held = expectation({ name: 'holds', passed: true });
const warned = expectation({ name: 'warns', severity: 'warn' });

test('a run fails on one broken expectation of severity fail, and never on warnings', () => {
  expect(verdictOf([held, warned])).toEqual({ passed: true, expectations: 2, failed: 0, warned: 1 });
  expect(verdictOf([held, expectation(), warned])).toEqual({ passed: false, expectations: 3, failed: 1, warned: 1 });
});

describe('figures in words', () => {
  test.each([
    [kwh(1_234), '1.234 kWh'],
    [kwh(-1_658), '−1.658 kWh'],
    [kwh(54_000), '54.00 kWh'],
    [kwh(1_234_567), '1,234.6 kWh'],
    [kwh(12_345_678), '12.35 MWh'],
    [kw(27_000), '27.00 kW'],
    [usd(-1_234.5), '−$1,234.50'],
    [grouped(-0.001, 2), '0.00'],
    [duration(45_000), '45 s'],
    [duration(90 * 60_000), '1 h 30 min'],
    [duration(2 * MS_PER_HOUR), '2 h'],
    [duration(3_599_999), '1 h'],
  ])('%s is %s', (found, expected) => {
    expect(found).toBe(expected);
  });
});

describe('junit.xml', () => {
  const parsed = (xml: string) => new XMLParser({ ignoreAttributes: false, processEntities: true }).parse(xml);

  test('has one case for each expectation; a failure says what, where, when, and how to replay', () => {
    const suite = parsed(junitXml(run, [held, expectation(), warned])).testsuites.testsuite;
    expect([suite['@_tests'], suite['@_failures']]).toEqual(['3', '1']);
    const [a, b, c] = suite.testcase;
    expect(a.failure).toBeUndefined();
    expect(b.failure['@_message']).toBe('expected at least 90 %, found 69.0 %; where: event-1; when: 18:00 to 20:00');
    expect(b.failure['#text']).toContain(run.replayCommand);
    expect(c['system-out']).toContain('warning: expected at least 90 %');
  });

  test('keeps a line break in a name, which a bare one in an attribute would not survive', () => {
    expect(junitXml(run, [expectation({ name: 'a\nb\rc' })])).toContain('name="a&#10;b&#13;c"');
  });
});

describe('escaping', () => {
  test.each([
    ['<b a="1" c=\'2\'>&amp;]]>', '&lt;b a=&quot;1&quot; c=&#39;2&#39;&gt;&amp;amp;]]&gt;'],
    ['\u0000\u0007\uFFFE\uFFFF\uD800x\uDC00', '\uFFFD\uFFFD\uFFFD\uFFFD\uFFFDx\uFFFD'],
    ['\t\n\r é 😀', '\t\n\r é 😀'],
  ])('%j in markup is %j', (text, expected) => {
    expect(escapeMarkup(text)).toBe(expected);
  });

  test('JSON in a script holds no character that could end the script, and reads back the same', () => {
    const value = { text: '</script><!-- & \u2028 \u2029' };
    expect(escapeScriptJson(value)).not.toMatch(/[<>&\u2028\u2029]/);
    expect(JSON.parse(escapeScriptJson(value))).toEqual(value);
  });
});

describe('CSV', () => {
  test.each([
    ['=HYPERLINK("http://x")', '"\'=HYPERLINK(""http://x"")"'],
    ['+1', '"\'+1"'],
    ['-1', '"\'-1"'],
    ['@sum', '"\'@sum"'],
    ['\tx', '"\'\tx"'],
    ['a,b', '"a,b"'],
    ['say "no"', '"say ""no"""'],
    ['line\r\nbreak', '"line\r\nbreak"'],
    ['plain', 'plain'],
  ])('the text %j becomes %j', (value, cell) => {
    expect(csvCell(value)).toBe(cell);
  });

  test('numbers stay numbers, also negative ones, and unknown is empty', () => {
    expect([csvCell(-1658), csvCell(0), csvCell(null)]).toEqual(['-1658', '0', '']);
  });

  test('the interval column of delivered energy sums to the event', () => {
    const [head = '', ...rows] = (csvFiles(measures)['intervals.csv'] ?? '').trim().split('\r\n');
    const column = head.split(',').indexOf('deliveredWh');
    expect(rows).toHaveLength(8);
    expect(rows.reduce((sum, r) => sum + Number(r.split(',')[column]), 0)).toBe(event.deliveredWh);
  });

  test('meter.csv has a line for each interval of each site in both worlds', () => {
    const lines = [...meterCsv(fixtureRecords())];
    expect(lines).toHaveLength(1 + 2 * 4 * 96);
    expect(lines[1]).toMatch(/^as run,site-1,2024-07-10T07:00:00.000Z,15,/);
  });
});

describe('the terminal', () => {
  const long = expectation({ name: 'x'.repeat(300), where: 'y'.repeat(300), found: 'nothing \u001b[2J here' });
  const plain = summaryTable({ run, measures, expectations: [long, held, warned], color: false });

  test('prints no line over 100 columns and no escape that a name brought along', () => {
    expect(Math.max(...plain.split('\n').map((l) => [...l].length))).toBe(100);
    expect(plain).not.toContain('\u001b');
  });

  test('says verdict, figures, reasons, seed and replay command', () => {
    for (const text of [
      'FAIL',
      '54.00 kWh',
      '37.25 kWh',
      '69.0 %',
      'Command could not be delivered (1 device)',
      'seed 42',
    ]) {
      expect(plain).toContain(text);
    }
    expect(plain).toContain(`replay: ${run.replayCommand}`);
  });

  test('uses colour only when told to', () => {
    expect(summaryTable({ run, measures, expectations: [held], color: true })).toContain('\u001b[32;1mPASS');
  });

  test('says that no event was called', () => {
    const empty = measure(miniRun({ stepMs: MS_PER_HOUR, sites: [] }));
    expect(summaryTable({ run, measures: empty, expectations: [], color: false })).toContain('No event was called.');
  });
});

describe('the cause chain of a device', () => {
  test('tells the failed command from acceptance to the meter, in order of time', () => {
    const d = event.devices.find((x) => x.deviceId === 'home-3');
    const steps = d === undefined ? [] : chainOf(measures, event, d);
    expect(steps.map((s) => `${clock(s.atMs)} ${s.text}`)).toEqual([
      '17:55 Command accepted: discharge at 3.50 kW',
      '17:55 Path grid_services: the program needs export',
      '17:56 Sent',
      '18:00 Event begins; 4.000 kWh asked of this device over its whole length',
      '18:10 Failed: it could not be delivered (no answer after 5 attempts)',
      '20:00 The meter says 0.000 kWh of 4.000 kWh delivered',
      '20:00 4.000 kWh missing: Command could not be delivered',
    ]);
  });

  test('shows the storm as the device and as the core saw it', () => {
    const d = event.devices.find((x) => x.deviceId === 'home-2');
    const text = (d === undefined ? [] : chainOf(measures, event, d)).map((s) => `${clock(s.atMs)} ${s.text}`);
    expect(text).toContain('18:50 Storm Guard active: alert urn:1 in zone CAC037');
    expect(text).toContain('18:55 core sees Storm Guard active: telemetry');
  });
});

describe('charts', () => {
  test('draw the figures of the measures', () => {
    const { datasets, labels } = deliveredChart(event, clock).data;
    expect(labels).toEqual(['18:00', '18:15', '18:30', '18:45', '19:00', '19:15', '19:30', '19:45']);
    expect(datasets[0]?.data).toEqual(event.intervals.map((i) => (i.deliveredWh * 4) / 1000));
    const why = whyNotChart(event).data.datasets[0]?.data ?? [];
    expect(why.reduce<number>((sum, x) => sum + Number(x), 0)).toBeCloseTo(event.targetWh / 1000, 9);
  });

  test('are PNGs of the size asked for, with text in the bundled font', async () => {
    const size = { width: 400, height: 200 };
    const title = { display: true, text: 'Watt ≥ µ', font: { size: 40 } };
    const bare = {
      type: 'bar',
      data: { labels: [], datasets: [] },
      options: { scales: { x: { display: false }, y: { display: false } } },
    } as const;
    const ink = async (png: Uint8Array) => {
      const image = await loadImage(png);
      const context = createCanvas(image.width, image.height).getContext('2d');
      context.drawImage(image, 0, 0);
      const { data } = context.getImageData(0, 0, image.width, image.height);
      return { width: image.width, height: image.height, dark: data.filter((v, i) => i % 4 === 0 && v < 128).length };
    };
    const without = await ink(await renderPng({ ...bare, data: { labels: [], datasets: [] } }, size));
    const options = { ...bare.options, plugins: { title } };
    const withTitle = await ink(await renderPng({ type: 'bar', data: { labels: [], datasets: [] }, options }, size));
    expect(without).toEqual({ ...size, dark: 0 });
    expect(withTitle.dark).toBeGreaterThan(500);
  });

  test('have the regular and the bold face of the bundled font', async () => {
    await renderPng({ type: 'bar', data: { labels: [], datasets: [] } }, { width: 10, height: 10 });
    const weights = GlobalFonts.families.find((f) => f.family === CHART_FONT)?.styles.map((style) => style.weight);
    expect(weights?.toSorted()).toEqual([400, 700]);
  });

  test('of a run without events are the fleet only', () => {
    expect(chartsOf(measure(miniRun({ stepMs: MS_PER_HOUR, sites: [] })), clock).map((c) => c.name)).toEqual(['fleet']);
  });
});

describe('report.html', () => {
  const assets = { plotScript: '/*plot script*/', plotStyle: '/*plot style*/' };
  const page = reportHtml({ run, measures, expectations: [held, expectation(), warned] }, assets);

  test('loads nothing: no address outside the file, and a policy that forbids it', () => {
    expect(page).not.toMatch(/(src|href)="(?!#)/);
    expect(page).not.toMatch(/https?:\/\//);
    expect(page).toContain("default-src 'none'");
  });

  test('answers in order: verdict, performance, participation, charge and prices, commands, sites, faults, books, sources', () => {
    const ids = [...page.matchAll(/<section id="([a-z]+)"/g)].map((m) => m[1]);
    const order = [
      'verdict',
      'performance',
      'participation',
      'movement',
      'commands',
      'sites',
      'disturbances',
      'books',
      'origins',
    ];
    expect(ids).toEqual(order);
  });

  test('its tables show the figures of the measures, in local time', () => {
    expect(page).toContain('<th scope="row">18:45</th>');
    for (const i of event.intervals) expect(page).toContain(`>${grouped(i.deliveredWh / 1000, 3)}</td>`);
    expect(page).toContain('second-hand, not checked at the source');
  });

  test('its chart data is JSON with a value for each interval and one more', () => {
    const json = /<script type="application\/json" id="plot-data">(.*?)<\/script>/s.exec(page)?.[1] ?? '';
    const { plots, timeZone } = JSON.parse(json);
    expect(timeZone).toBe('America/Los_Angeles');
    expect(plots.map((p: { id: string }) => p.id)).toEqual(['plot-event-0', 'plot-power', 'plot-soc', 'plot-price']);
    for (const p of plots) for (const s of p.series) expect(s.values).toHaveLength(p.x.length);
    expect(plots[0].series[0].values.slice(0, -1)).toEqual(event.intervals.map((i) => (i.deliveredWh * 4) / 1000));
  });

  test('every chart has a place in the page, and every place a chart', () => {
    const places = [...page.matchAll(/id="(plot-(?!data)[a-z0-9-]+)"/g)].map((m) => m[1]);
    expect(places).toEqual(['plot-event-0', 'plot-power', 'plot-soc', 'plot-price']);
  });
});

test('summary.json is the whole verdict and can be read back', () => {
  const summary = summaryOf({ run, measures, expectations: [expectation()] });
  const back = JSON.parse(JSON.stringify(summary));
  expect(back).toEqual(summary);
  expect(back).toMatchObject({
    format: 'vpp-testbed/summary/1',
    seed: '42',
    hash: run.hash,
    verdict: { passed: false },
  });
  expect(back.measures.totals.deliveredWh).toBe(37_250);
});

test('a report on disk is complete, and a second one in the same place replaces it', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'report-'));
  try {
    const parts = { dir: join(dir, 'new'), records: fixtureRecords(), measures, expectations: [held], run };
    const written = await writeReport(parts);
    expect(written.map((p) => p.slice(parts.dir.length + 1))).toEqual([
      'summary.json',
      'junit.xml',
      'csv/intervals.csv',
      'csv/devices.csv',
      'csv/shortfall.csv',
      'csv/commands.csv',
      'csv/meter.csv',
      'charts/fleet.png',
      'charts/event-1-delivered.png',
      'charts/event-1-why-not.png',
      'report.html',
    ]);
    const first = readFileSync(join(parts.dir, 'report.html'), 'utf8');
    expect(first).toContain('uPlot');
    await writeReport({ ...parts, records: fixtureRecords() });
    expect(readFileSync(join(parts.dir, 'report.html'), 'utf8')).toBe(first);
  } finally {
    rmSync(dir, { recursive: true });
  }
});
