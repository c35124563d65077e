import { localClock } from '../src/domain/time.ts';
import { localTimes } from './csv.ts';
import { escapeScriptJson } from './escape.ts';
import { appliancePlots, appliances } from './htmlAppliances.ts';
import { eventPlot, fieldPlots, seriesPlots } from './htmlCharts.ts';
import { CLIENT } from './htmlClient.ts';
import { eventParticipation, eventPerformance, type Times } from './htmlEvents.ts';
import { chartBox, figure, type Html, html, section, table, text } from './htmlParts.ts';
import { books, cloudsAndFaults, commands, origins } from './htmlSections.ts';
import { sites } from './htmlSites.ts';
import { STYLE } from './htmlStyle.ts';
import type { RunMeasures } from './measureTypes.ts';
import { type ExpectationResult, type RunInfo, verdictOf } from './verdict.ts';
import { kwh, kwhFigure, percent, usd } from './words.ts';

/** More events are listed in one table only, to keep the file small. */
const EVENTS_MAX = 20;

interface Parts {
  readonly run: RunInfo;
  readonly measures: RunMeasures;
  readonly expectations: readonly ExpectationResult[];
}

/**
 * The report as one file that opens from disk and loads nothing: verdict first, then what was delivered, who took part
 * and why not, what moved, and at the end what it was made from. Times are local to the run.
 * @param assets  uPlot's script and style sheet, put into the file
 */
export function reportHtml(parts: Parts, assets: { readonly plotScript: string; readonly plotStyle: string }): string {
  const { measures: m, run } = parts;
  const clocks = new Map<number, string>();
  const clock = (atMs: number): string => {
    const known = clocks.get(atMs) ?? localClock(atMs, m.run.timeZone);
    clocks.set(atMs, known);
    return known;
  };
  const t: Times = { local: localTimes(m), clock };
  const shown = m.events.slice(0, EVENTS_MAX);
  const plots = [...shown.map(eventPlot), ...seriesPlots(m), ...appliancePlots(m), ...fieldPlots(m)];
  const nav = NAV.filter(([id]) => id !== 'appliances' || m.appliances !== null);
  const body = html`${head(parts, t)}
<nav aria-label="Contents"><ul>${nav.map(([id, label]) => html`<li><a href="#${id}">${label}</a></li>`)}</ul></nav>
<main>${expectationsSection(parts)}${performance(m, t)}${participation(m, t)}${movement(m)}${appliances(m, t)}${commands(m, t)}${sites(m, t)}${cloudsAndFaults(m, t)}${books(m, t)}${origins(m, run)}</main>
<footer><div>vpp-testbed ${run.version}. Times are local to ${m.run.timeZone}. Energy is quantised to whole Wh; sums are exact.</div></footer>`;
  return [
    '<!doctype html>',
    '<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">',
    // Nothing may be loaded from anywhere, whatever a name in the log contains.
    `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:">`,
    html`<title>${verdictOf(parts.expectations).passed ? 'PASS' : 'FAIL'}: ${run.title}</title>`.markup,
    `<style>${assets.plotStyle}${STYLE}</style></head><body>`,
    body.markup,
    `<script type="application/json" id="plot-data">${escapeScriptJson({ timeZone: m.run.timeZone, plots })}</script>`,
    `<script>${assets.plotScript}</script><script>${CLIENT}</script>`,
    '</body></html>',
    '',
  ].join('\n');
}

const NAV = [
  ['verdict', 'Verdict'],
  ['performance', 'Did it perform?'],
  ['participation', 'Who took part?'],
  ['movement', 'Charge and prices'],
  ['appliances', 'Cars and thermostats'],
  ['commands', 'Commands'],
  ['sites', 'Utility-scale sites'],
  ['disturbances', 'Faults and clouds'],
  ['books', 'Energy books'],
  ['origins', 'Sources'],
] as const;

function head({ run, measures: m, expectations }: Parts, t: Times): Html {
  const v = verdictOf(expectations);
  const kind = v.passed ? (v.warned > 0 ? 'warn' : 'pass') : 'fail';
  const took = m.events.flatMap((e) => e.devices.filter((d) => d.deliveredWh > 0).map((d) => d.deviceId));
  const members = m.events.flatMap((e) => e.devices.map((d) => d.deviceId));
  const ratio = m.totals.targetWh > 0 ? m.totals.deliveredWh / m.totals.targetWh : null;
  const tile = (label: string, value: string): Html => html`<li><b>${value}</b><span>${label}</span></li>`;
  const payment = usd(m.programs.reduce((sum, p) => sum + p.paymentUsd, 0));
  const eventTiles = [
    tile('requested', kwh(m.totals.targetWh)),
    tile('delivered', kwh(m.totals.deliveredWh)),
    tile('delivered of request', percent(ratio)),
    tile('payment', payment),
    tile('devices delivered', `${new Set(took).size} of ${new Set(members).size}`),
  ];
  return html`<header><div><p><span class="verdict ${kind}">${v.passed ? 'PASS' : 'FAIL'}</span></p><h1>${run.title}</h1>
<p class="meta">Scenario ${run.scenario}, seed <code>${run.seed}</code>, ${t.local(m.run.startMs)} to ${t.local(m.run.endMs)} (${m.run.timeZone})</p>
${m.complete ? null : html`<p class="mark fail">The run log stops before the end of the run: figures are those until then.</p>`}
<ul class="tiles">${m.events.length === 0 && m.appliances !== null ? null : eventTiles}${applianceTiles(m).map(([label, value]) => tile(label, value))}</ul></div></header>`;
}

function applianceTiles({ appliances: a }: RunMeasures): [string, string][] {
  if (a === null) return [];
  const sum = (xs: readonly number[]): number => xs.reduce((total, x) => total + x, 0);
  const used = (has: 'ev' | 'room') => sum(a.devices.map((d) => (d[has] === null ? 0 : (d.usedWh ?? 0))));
  const saved = (what: 'ev' | 'hvac') => {
    const own = a.moved.filter((x) => x.what === what && (x.savedWh ?? 0) > 0);
    return own.length === 0 ? null : sum(own.map((x) => x.savedWh ?? 0));
  };
  const left = a.devices.flatMap((d) => (d.ev?.departurePctMin == null ? [] : [d.ev.departurePctMin]));
  const rooms = a.devices.flatMap((d) => (d.room?.highF == null ? [] : [d.room.highF]));
  const [ev, hvac] = [saved('ev'), saved('hvac')];
  return [
    ...(a.devices.some((d) => d.ev !== null) ? [['charged into cars', kwh(used('ev'))] as [string, string]] : []),
    ...(ev === null ? [] : [['charging kept out of the settings’ hours', kwh(ev)] as [string, string]]),
    ...(left.length === 0
      ? []
      : [['least charge when leaving', `${Math.min(...left).toFixed(0)} %`] as [string, string]]),
    ...(rooms.length === 0 ? [] : [['heating and cooling', kwh(used('room'))] as [string, string]]),
    ...(hvac === null ? [] : [['of it kept out of the settings’ hours', kwh(hvac)] as [string, string]]),
    ...(rooms.length === 0 ? [] : [['warmest room', `${Math.max(...rooms).toFixed(1)} °F`] as [string, string]]),
  ];
}

function expectationsSection({ expectations }: Parts): Html {
  const v = verdictOf(expectations);
  const held = expectations.length - v.failed - v.warned;
  const words =
    expectations.length === 0
      ? 'The scenario states no expectation, so nothing was judged.'
      : `${held} of ${expectations.length} expectations held${v.warned > 0 ? `; ${v.warned} that did not are warnings only` : ''}.`;
  const order = (e: ExpectationResult): number => (e.passed ? 2 : e.severity === 'warn' ? 1 : 0);
  const rows = [...expectations]
    .sort((a, b) => order(a) - order(b))
    .map((e) => {
      const [label, kind] = e.passed
        ? ['held', 'pass']
        : e.severity === 'warn'
          ? ['warning', 'warn']
          : ['broken', 'fail'];
      return [
        text(e.name),
        text(html`<span class="mark ${kind}">${label}</span>`),
        text(e.expected),
        text(e.found),
        text(e.where),
        text(e.when),
      ];
    });
  const columns = ['What was promised', 'Result', 'Expected', 'Found', 'Where', 'When'].map((label) => ({ label }));
  return section(
    'verdict',
    'Verdict',
    html`<p>${words}</p>`,
    table({ caption: 'Expectations, broken ones first', columns, rows, stack: true }),
  );
}

function performance(m: RunMeasures, t: Times): Html {
  const explain = html`<p class="soft">Delivered is what the sites took less from the grid, or gave more to it, than the same sites under the
same weather in the same run without the events (the baseline). Both are metered; nothing is estimated. A device under Storm Guard is excused for every meter
interval the storm touches: what its meter moved then is shown, and not counted.${(m.appliances?.moved.length ?? 0) > 0 ? ' The world without events has no settings of cars, thermostats and inverters either: what they move at a home of an event counts with it.' : null}</p>`;
  if (m.events.length === 0) return section('performance', 'Did it perform?', noEvent(m));
  const more = m.events.length - EVENTS_MAX;
  return section(
    'performance',
    'Did it perform?',
    explain,
    programTable(m),
    m.events.slice(0, EVENTS_MAX).map((e, i) => eventPerformance(m, e, i, t)),
    more > 0 ? html`<p>${more} more events are in csv/intervals.csv.</p>` : null,
  );
}

const noEvent = (m: RunMeasures): Html =>
  m.appliances === null
    ? html`<p>No event was called.</p>`
    : html`<p>No event was called. What settings moved stands under <a href="#appliances">Cars, thermostats and inverters</a>.</p>`;

function programTable(m: RunMeasures): Html {
  const num = (label: string) => ({ label, numeric: true });
  return table({
    caption: 'Programs (performance factor = mean of the events’ delivered power ÷ nominated power)',
    columns: [
      { label: 'Program' },
      ...['Events', 'Requested kWh', 'Delivered kWh', 'Delivered of request', 'Performance factor', 'Payment'].map(num),
    ],
    rows: m.programs.map((p) => [
      text(p.program.name),
      figure(p.events, String(p.events)),
      figure(p.targetWh, kwhFigure(p.targetWh)),
      figure(p.deliveredWh, kwhFigure(p.deliveredWh)),
      figure(p.ratio, percent(p.ratio)),
      figure(p.performanceFactor, p.performanceFactor === null ? '–' : p.performanceFactor.toFixed(3)),
      figure(p.paymentUsd, usd(p.paymentUsd)),
    ]),
    empty: 'No program.',
  });
}

function participation(m: RunMeasures, t: Times): Html {
  const enrollments = table({
    caption: 'Enrollment at the end of the run',
    columns: [
      { label: 'Program' },
      { label: 'State' },
      { label: 'Devices', numeric: true },
      { label: 'Reasons given' },
    ],
    rows: m.enrollments.map((e) => [
      text(m.programs.find((p) => p.program.programId === e.programId)?.program.name ?? e.programId),
      text(e.status),
      figure(e.count, String(e.count)),
      text(e.whys.slice(0, 4).map((w) => html`<div>${w.why} (${w.count})</div>`)),
    ]),
    empty: 'No device was enrolled.',
  });
  return section(
    'participation',
    'Who took part, and why not',
    m.events.slice(0, EVENTS_MAX).map((e) => eventParticipation(m, e, t)),
    html`<h3>Enrollment</h3>`,
    enrollments,
  );
}

function movement(m: RunMeasures): Html {
  const boxes = seriesPlots(m).map((p) => chartBox(p.id, `${p.title} in ${p.unit} over the run`));
  const pct = (x: number | null): string => (x === null ? '–' : `${x.toFixed(0)} %`);
  const groups = [...new Set(m.devices.map((d) => d.group))];
  const rows = groups.map((group) => {
    const own = m.devices.filter((d) => d.group === group);
    const soc = m.series.socPct.find((s) => s.group === group)?.pct.filter((x) => x !== null) ?? [];
    const sum = (f: (d: (typeof own)[number]) => number) => own.reduce((total, d) => total + f(d), 0);
    const cells = [sum((d) => d.usableWh), sum((d) => d.chargeWh), sum((d) => d.dischargeWh), sum((d) => d.rechargeWh)];
    const low = soc.length === 0 ? null : Math.min(...soc);
    return [
      text(group),
      figure(own.length, String(own.length)),
      ...cells.map((wh) => figure(wh, kwhFigure(wh))),
      figure(low, pct(low)),
      figure(soc[soc.length - 1] ?? null, pct(soc[soc.length - 1] ?? null)),
    ];
  });
  const labels = [
    'Devices',
    'Usable kWh',
    'Charged kWh',
    'Discharged kWh',
    'Charged during storms kWh',
    'Lowest charge',
    'Charge at the end',
  ];
  const columns = [{ label: 'Group' }, ...labels.map((label) => ({ label, numeric: true }))];
  return section(
    'movement',
    'How charge and prices moved',
    boxes,
    table({ caption: 'Batteries over the whole run', columns, rows }),
  );
}
