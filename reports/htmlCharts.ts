import { COLOR, groupColor, meanKw } from './charts.ts';
import type { EventMeasure, FeedSample, RunMeasures, SeriesMeasure } from './measureTypes.ts';

/** What the script in the report draws with uPlot. x is in whole seconds UTC, one more than the intervals. */
export interface PlotSpec {
  readonly id: string;
  readonly title: string;
  readonly unit: string;
  readonly x: readonly number[];
  readonly range: readonly [number, number] | null;
  readonly series: readonly PlotLine[];
  /** A second scale on the right, for the lines that say so. */
  readonly right?: { readonly unit: string; readonly range: readonly [number, number] };
}

export interface PlotLine {
  readonly label: string;
  readonly color: string;
  readonly style: 'step' | 'dash' | 'dots' | 'bar' | 'area';
  readonly values: readonly (number | null)[];
  readonly onRight?: true;
}

/** Two decimals are what a reader can see; the tables have the exact Wh. */
const round = (x: number | null): number | null => (x === null ? null : Math.round(x * 100) / 100 + 0);

/** A step needs its last value twice to reach the end of the last interval; a bar does not. */
export function line(
  label: string,
  color: string,
  style: PlotLine['style'],
  values: readonly (number | null)[],
): PlotLine {
  const last = style === 'bar' ? null : (values[values.length - 1] ?? null);
  return { label, color, style, values: [...values, last].map(round) };
}

export function eventPlot(e: EventMeasure, i: number): PlotSpec {
  const rows = e.intervals;
  const kw = (f: (row: (typeof rows)[number]) => number) => rows.map((row) => meanKw(f(row), row));
  return {
    id: `plot-event-${i}`,
    title: 'Mean power in each meter interval',
    unit: 'kW',
    x: [...rows.map((r) => r.startMs), rows[rows.length - 1]?.endMs ?? 0].map((ms) => ms / 1000),
    range: null,
    series: [
      line(
        'Delivered',
        COLOR.delivered,
        'bar',
        kw((r) => r.deliveredWh),
      ),
      line(
        'Requested',
        COLOR.requested,
        'step',
        kw((r) => r.targetWh),
      ),
      line(
        'Grid use without the event',
        COLOR.baseline,
        'dash',
        kw((r) => r.baselineWh),
      ),
      line(
        'Grid use as metered',
        COLOR.metered,
        'dots',
        kw((r) => r.meteredWh),
      ),
    ],
  };
}

export function seriesPlots(m: RunMeasures): PlotSpec[] {
  const s = m.series;
  const endMs = (s.startMs[s.startMs.length - 1] ?? 0) + m.run.meterIntervalMs;
  const x = [...s.startMs, endMs].map((ms) => ms / 1000);
  const base = { x, range: null };
  const plots: PlotSpec[] = [
    { ...base, id: 'plot-power', title: 'Power of the whole fleet', unit: 'kW', series: powerLines(s) },
    {
      ...base,
      id: 'plot-soc',
      title: 'State of charge at the end of each interval',
      unit: '%',
      range: [0, 100],
      series: s.socPct.slice(0, 8).map((g, i) => line(g.group, groupColor(i), 'step', g.pct)),
    },
    { ...base, id: 'plot-price', title: 'Prices', unit: '$/MWh', series: priceLines(s) },
  ];
  return plots.filter((p) => p.series.some((l) => l.values.some((v) => v !== null)));
}

/** Sites whose chart is drawn; the id counts the fields of the measures. */
const FIELD_PLOTS_MAX = 20;

/** Setpoint, power and state of charge of each site whose points are in the log. */
export const fieldPlots = (m: RunMeasures): PlotSpec[] =>
  m.fields.slice(0, FIELD_PLOTS_MAX).flatMap((f, i) => {
    const plot = f.feed === null ? null : fieldPlot(f.feed.samples, `plot-site-${i}`, f.siteId, m.run.endMs);
    return plot === null ? [] : [plot];
  });

function fieldPlot(samples: readonly FeedSample[], id: string, siteId: string, endMs: number): PlotSpec | null {
  if (samples.length === 0) return null;
  const now: Record<FeedSample['what'], number | null> = { target: null, enabled: 0, read: null, plant: 0, soc: null };
  const x: number[] = [];
  const rows: (typeof now)[] = [];
  for (const s of samples) {
    now[s.what] = s.value;
    if (x[x.length - 1] === s.atMs / 1000) rows.pop();
    else x.push(s.atMs / 1000);
    rows.push({ ...now });
  }
  const points = (label: string, color: string, style: PlotLine['style'], f: (r: typeof now) => number | null) =>
    line(label, color, style, rows.map(f));
  return {
    id,
    title: `${siteId}: setpoint, power and state of charge`,
    unit: 'kW',
    x: [...x, Math.max(endMs / 1000, x[x.length - 1] ?? 0)],
    range: null,
    right: { unit: '%', range: [0, 100] },
    series: [
      points('Power of the plant', COLOR.delivered, 'area', (r) => r.plant),
      points('Setpoint, while the site follows it', COLOR.requested, 'dash', (r) =>
        r.enabled === 1 ? r.target : null,
      ),
      points('Power as read', COLOR.metered, 'dots', (r) => r.read),
      { ...points('State of charge as read (%)', COLOR.baseline, 'step', (r) => r.soc), onRight: true },
    ],
  };
}

const toKw = (w: number | null): number | null => (w === null ? null : w / 1000);

const powerLines = (s: SeriesMeasure): PlotLine[] => [
  line('Batteries, above 0 = discharging', COLOR.delivered, 'step', s.batteryW.map(toKw)),
  line('Requested by events', COLOR.requested, 'dash', s.targetW.map(toKw)),
  line('Grid use without the events', COLOR.baseline, 'dash', s.baselineGridW.map(toKw)),
  line('Grid use as metered', COLOR.metered, 'dots', s.gridW.map(toKw)),
];

const priceLines = (s: SeriesMeasure): PlotLine[] =>
  [
    line('Day-ahead', COLOR.price, 'step', s.dayAheadUsdPerMwh),
    line('Real-time', COLOR.realTime, 'dots', s.realTimeUsdPerMwh),
  ].filter((l) => l.values.some((v) => v !== null));
