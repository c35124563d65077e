import { chainOf } from './chain.ts';
import { sumEnergy } from './energy.ts';
import { type Cell, chartBox, figure, type Html, html, table, text } from './htmlParts.ts';
import type { DeviceEventMeasure, EventMeasure, IntervalMeasure, RunMeasures } from './measureTypes.ts';
import { duration, kw, kwh, kwhFigure, percent, reasonWords, usd } from './words.ts';

/** A fleet's table would be megabytes: the devices with most missing energy come first, the rest is in devices.csv. */
const DEVICE_ROWS_MAX = 1000;
const CHAINS_MAX = 200;

export interface Times {
  /** "2024-07-10 18:05" and "18:05" in the run's time zone. */
  readonly local: (atMs: number) => string;
  readonly clock: (atMs: number) => string;
}

const KIND_WORDS = { dispatch: 'Dispatch', test: 'Test dispatch', incentive: 'Incentive event' } as const;

export function eventPerformance(m: RunMeasures, e: EventMeasure, i: number, t: Times): Html {
  return html`<article>
<h3>${KIND_WORDS[e.kind]} ${e.eventId}, ${t.local(e.startMs)} to ${t.clock(e.endMs)}</h3>
<p>${sentence(e)}</p>
${chartBox(`plot-event-${i}`, `Requested and delivered power of event ${e.eventId}; the figures are in the table below`)}
${table({
  caption: 'Energy in each meter interval, in kWh (the last row sums them)',
  columns: INTERVAL_COLUMNS,
  rows: e.intervals.map((r) => [text(t.clock(r.startMs)), ...energyCells(r), priceCell(r)]),
  foot: [text('Sum'), ...energyCells(e), text('')],
})}
${eventFacts(m, e)}</article>`;
}

const INTERVAL_COLUMNS = [
  { label: 'From' },
  ...[
    'Requested',
    'Planned',
    'Grid use without the event (baseline)',
    'Grid use as metered',
    'Delivered',
    'Moved during a storm, not counted',
    'Delivered of request',
  ].map((label) => ({ label, numeric: true })),
  { label: 'Day-ahead $/MWh', numeric: true },
];

const plain = (wh: number): Cell => figure(wh, kwhFigure(wh));

function energyCells(
  r: Pick<IntervalMeasure, 'targetWh' | 'plannedWh' | 'baselineWh' | 'meteredWh' | 'deliveredWh' | 'stormWh'>,
): Cell[] {
  const ratio = r.targetWh > 0 ? r.deliveredWh / r.targetWh : null;
  return [
    ...[r.targetWh, r.plannedWh, r.baselineWh, r.meteredWh, r.deliveredWh, r.stormWh].map(plain),
    figure(ratio, percent(ratio)),
  ];
}

const priceCell = (r: IntervalMeasure): Cell =>
  figure(r.priceUsdPerMwh, r.priceUsdPerMwh === null ? 'not known' : r.priceUsdPerMwh.toFixed(2));

function sentence(e: EventMeasure): string {
  const called = `Called by: ${e.calledBy}.`;
  if (e.targetWh === 0) return `${called} Nothing was requested in the end (${e.status}).`;
  const delivered = `It delivered ${kwh(e.deliveredWh)} of the ${kwh(e.targetWh)} requested: ${percent(e.ratio)}.`;
  const missing = e.targetWh - e.deliveredWh;
  const main = e.reasons[0];
  if (missing <= 0 || main === undefined || main.wh <= 0) return `${called} ${delivered}`;
  return `${called} ${delivered} The largest part of what is missing is ${kwh(main.wh)} (${reasonWords(main.reason)}).`;
}

function eventFacts(m: RunMeasures, e: EventMeasure): Html {
  const rate = m.programs.find((p) => p.program.programId === e.programId)?.program.paymentUsdPerKwh ?? 0;
  return html`<dl class="facts">
<dt>Payment</dt><dd>${usd(e.paymentUsd)} at ${usd(rate)} for each delivered kWh (no cap applied)</dd>
<dt>Worth of the energy</dt><dd>${usd(e.energyValueUsd)} at day-ahead prices${e.unpricedWh === 0 ? '' : `; ${kwh(e.unpricedWh)} without a known price is left out`}</dd>
<dt>Mean delivered power of nomination</dt><dd>${e.nominationRatio === null ? 'nothing was nominated' : `${percent(e.nominationRatio)} of ${kw(e.nominatedW)}`}</dd>
<dt>Delivered by 10-in-10</dt><dd>${derivedWords(e)}</dd>
<dt>Rebound in the two hours after</dt><dd>${rebound(e)}</dd>
${e.unmeasuredCells === 0 ? null : html`<dt>Not measured</dt><dd>${e.unmeasuredCells} device intervals have no meter value or baseline and count as 0</dd>`}
</dl>`;
}

function derivedWords({ derived: d }: EventMeasure): string {
  if (d === null) return 'Not calculated.';
  const all = d.devicesWithBaseline + d.devicesWithoutBaseline;
  if (d.deliveredWh === null) return `Unknown: none of the ${all} devices has such a baseline (${d.method}).`;
  const some =
    d.devicesWithoutBaseline === 0
      ? ''
      : `, for the ${d.devicesWithBaseline} of ${all} devices that have such a baseline`;
  return `${kwh(d.deliveredWh)} (${d.method}, from meter data alone${some}).`;
}

function rebound(e: EventMeasure): string {
  if (e.snapbackWh === 0 && e.snapbackPeakW === 0)
    return 'none: outside of storms, the grid use was as without the event';
  const side = e.snapbackWh < 0 ? 'less' : 'more';
  return `${kwh(Math.abs(e.snapbackWh))} ${side} taken from the grid than without the event, up to ${kw(e.snapbackPeakW)} more`;
}

/** By reason, then group by group and device by device, each with the chain of its missing energy. */
export function eventParticipation(m: RunMeasures, e: EventMeasure, t: Times): Html {
  const gave = e.devices.filter((d) => d.deliveredWh > 0).length;
  const devices = [...e.devices].sort((a, b) => missingWh(b) - missingWh(a) || (a.deviceId < b.deviceId ? -1 : 1));
  const shown = devices.slice(0, DEVICE_ROWS_MAX);
  const more = devices.length - shown.length;
  return html`<article><h3>Event ${e.eventId}</h3>
<p>${gave} of ${e.devices.length} devices delivered something.</p>
${reasonBars(e)}
${table({
  caption: 'By group, in kWh',
  columns: [
    { label: 'Group' },
    ...['Devices', 'Asked', 'Delivered', 'Delivered of asked'].map((label) => ({ label, numeric: true })),
  ],
  rows: e.groups.map((g) => [
    text(g.group),
    figure(g.devices, String(g.devices)),
    plain(g.plannedWh),
    plain(g.deliveredWh),
    figure(g.ratio, percent(g.ratio)),
  ]),
  foot: groupFoot(e),
})}
${table({
  caption: `By device, in kWh${more > 0 ? `; the ${shown.length} with most missing, ${more} more are in devices.csv` : ''}`,
  columns: DEVICE_COLUMNS,
  rows: shown.map((d, i) => deviceRow(m, e, d, t, i < CHAINS_MAX)),
  interactive: true,
  stack: true,
  empty: 'No device was asked.',
})}</article>`;
}

function groupFoot(e: EventMeasure): Cell[] {
  const sum = sumEnergy(e.groups);
  const ratio = sum.plannedWh > 0 ? sum.deliveredWh / sum.plannedWh : null;
  return [
    text('Sum'),
    figure(e.devices.length, String(e.devices.length)),
    plain(sum.plannedWh),
    plain(sum.deliveredWh),
    figure(ratio, percent(ratio)),
  ];
}

const missingWh = (d: DeviceEventMeasure): number =>
  d.plannedWh - d.deliveredWh + d.excluded.reduce((s, x) => s + (x.reason === 'not_needed' ? 0 : x.capableWh), 0);

function reasonBars(e: EventMeasure): Html {
  const lines = e.reasons;
  const scale = Math.max(e.deliveredWh, ...lines.map((l) => l.wh), 1);
  const bar = (label: string, wh: number, note: string, kind: string): Html =>
    html`<li class="${kind}"><span>${label} <small>${note}</small></span><span class="track"><i style="width:${Math.max(0, (100 * wh) / scale).toFixed(1)}%"></i></span><b>${kwh(wh)}</b></li>`;
  return html`<ul class="bars" aria-label="What became of the request">${bar('Delivered', e.deliveredWh, '', 'ok')}${lines.map(
    (l) => {
      const who = l.devices === 0 ? '' : `${l.devices} device${l.devices === 1 ? '' : 's'}`;
      return bar(reasonWords(l.reason), l.wh, who, l.wh < 0 ? 'ok' : '');
    },
  )}</ul>
<p class="soft">Delivered and these reasons sum to the ${kwh(e.targetWh)} requested. Energy that was planned and not delivered stands with the
reason seen at its device; what could not be planned stands with the reasons for which devices were left out, in proportion to what they could have given.</p>`;
}

const DEVICE_COLUMNS = [
  { label: 'Device' },
  { label: 'Group' },
  { label: 'Through' },
  ...['Asked', 'Delivered', 'Of asked', '10-in-10', 'Rebound'].map((label) => ({ label, numeric: true })),
  { label: 'Why not more, and what happened' },
];

function deviceRow(m: RunMeasures, e: EventMeasure, d: DeviceEventMeasure, t: Times, withChain: boolean): Cell[] {
  const missing = d.missing.filter((x) => x.wh > 0).map((x) => `${kwh(x.wh)}: ${reasonWords(x.reason)}`);
  const out = d.excluded.map((x) => `left out for ${duration(x.durationMs)}: ${reasonWords(x.reason)}`);
  const storm = d.stormMs > 0 ? [`Storm Guard for ${duration(d.stormMs)}, charged ${kwh(d.rechargeWh)}`] : [];
  const why = [...missing, ...out, ...storm];
  return [
    text(d.deviceId),
    text(d.group),
    text(d.oem),
    plain(d.plannedWh),
    plain(d.deliveredWh),
    figure(d.ratio, percent(d.ratio)),
    figure(d.derivedWh, d.derivedWh === null ? 'none' : kwhFigure(d.derivedWh)),
    plain(d.snapbackWh),
    {
      show: [
        why.length === 0 ? 'nothing missing' : why.map((w) => html`<div>${w}</div>`),
        withChain ? chain(m, e, d, t) : null,
      ],
      sort: missingWh(d),
    },
  ];
}

function chain(m: RunMeasures, e: EventMeasure, d: DeviceEventMeasure, t: Times): Html {
  const steps = chainOf(m, e, d).map((s) => html`<li><time>${t.clock(s.atMs)}</time><span>${s.text}</span></li>`);
  return html`<details><summary>step by step</summary><ol class="chain">${steps}</ol></details>`;
}
