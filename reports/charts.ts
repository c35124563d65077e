import type { ChartConfiguration, ChartDataset } from 'chart.js';
import type { ApplianceMeasures } from './applianceTypes.ts';
import type { EventMeasure, RunMeasures } from './measureTypes.ts';
import { reasonWords } from './words.ts';

/** Family under which the bundled fonts are registered. */
export const CHART_FONT = 'VPP Sans';

/** Told apart by people with colour-blindness, and by lightness in print. */
export const COLOR = {
  requested: '#475569',
  planned: '#94a3b8',
  baseline: '#d97706',
  metered: '#7c3aed',
  delivered: '#0f766e',
  price: '#be123c',
  realTime: '#f59e0b',
  missing: '#b91c1c',
} as const;

const GROUP_COLORS = ['#0369a1', '#65a30d', '#a21caf', '#ea580c', '#0d9488', '#4f46e5', '#ca8a04', '#64748b'];

/** Colour of the i-th group, repeating after eight. */
export const groupColor = (i: number): string => GROUP_COLORS[i % GROUP_COLORS.length] ?? '#64748b';

const KW = 1000;

export interface NamedChart {
  readonly name: string;
  readonly config: ChartConfiguration;
}

/** One delivery and one "why not" chart for each event (the first 12), and one of the fleet over the whole run. */
const EVENT_CHARTS_MAX = 12;

/** @param clock  "18:05" of an instant in the run's time zone */
export function chartsOf(m: RunMeasures, clock: (atMs: number) => string): NamedChart[] {
  const events = m.events
    .filter((e) => e.intervals.length > 0)
    .slice(0, EVENT_CHARTS_MAX)
    .flatMap((e, i) => [
      { name: `event-${i + 1}-delivered`, config: deliveredChart(e, clock) },
      { name: `event-${i + 1}-why-not`, config: whyNotChart(e) },
    ]);
  const flexible = m.appliances === null ? [] : [{ name: 'flexible-load', config: flexibleChart(m.appliances, clock) }];
  return [{ name: 'fleet', config: fleetChart(m, clock) }, ...flexible, ...events];
}

/** Charging, heating and cooling beside what they would have been, with the charge of the cars and the rooms. */
export function flexibleChart({ series: s }: ApplianceMeasures, clock: (atMs: number) => string): ChartConfiguration {
  const line = (
    label: string,
    yAxisID: string,
    color: string,
    data: readonly (number | null)[],
    dash: number[] = [],
  ) =>
    data.every((x) => x === null)
      ? []
      : [
          {
            type: 'line' as const,
            label,
            yAxisID,
            data: [...data],
            borderColor: color,
            backgroundColor: color,
            borderDash: dash,
            borderWidth: 2,
            pointRadius: 0,
            stepped: 'before' as const,
            pointStyle: 'line' as const,
          },
        ];
  const toKw = (watts: readonly (number | null)[], isThere: boolean) =>
    watts.map((w) => (w === null || !isThere ? null : w / KW));
  const cars = s.carPct.some((x) => x !== null);
  const rooms = s.roomF.some((x) => x !== null);
  const right = (name: string) => ({ ...axis(name), position: 'right' as const, grid: { display: false } });
  return {
    type: 'line',
    data: {
      labels: s.startMs.map(clock),
      datasets: [
        ...line('charging of cars (kW)', 'y', '#4f46e5', toKw(s.evW, cars)),
        ...line('charging without settings (kW)', 'y', COLOR.baseline, toKw(s.withoutEvW, cars), [6, 4]),
        ...line('heating and cooling (kW)', 'y', COLOR.delivered, toKw(s.hvacW, rooms)),
        ...line('heating and cooling without settings (kW)', 'y', COLOR.realTime, toKw(s.withoutHvacW, rooms), [6, 4]),
        ...line('mean charge of the cars (%)', 'soc', '#64748b', s.carPct, [2, 3]),
        ...line('mean room (°F)', 'room', COLOR.missing, s.roomF, [2, 3]),
      ],
    },
    options: {
      plugins: { title: title('Cars, heating and cooling'), legend: LEGEND },
      scales: {
        x: { ...axis('local time'), ticks: { maxTicksLimit: 13 } },
        y: { ...axis('mean power in kW'), min: 0 },
        ...(cars ? { soc: { ...right('charge in %'), min: 0, max: 100 } } : {}),
        ...(rooms ? { room: right('°F') } : {}),
      },
    },
  };
}

/** Mean kW of an energy in an interval. */
export const meanKw = (wh: number, i: { readonly startMs: number; readonly endMs: number }): number =>
  (wh * 3_600_000) / (i.endMs - i.startMs) / KW;

const title = (text: string) => ({ display: true, text, font: { size: 18, weight: 'bold' as const } });
const axis = (text: string) => ({ title: { display: true, text }, grid: { color: '#e2e8f0' } });

const LEGEND = { position: 'bottom' as const, labels: { usePointStyle: true, pointStyleWidth: 32 } };

export function deliveredChart(e: EventMeasure, clock: (atMs: number) => string): ChartConfiguration {
  const line = (
    label: string,
    color: string,
    dash: number[],
    wh: (i: EventMeasure['intervals'][number]) => number,
  ) => ({
    type: 'line' as const,
    label,
    data: e.intervals.map((i) => meanKw(wh(i), i)),
    borderColor: color,
    backgroundColor: color,
    borderDash: dash,
    borderWidth: 2.5,
    pointRadius: 0,
    pointStyle: 'line' as const,
    stepped: 'middle' as const,
  });
  const bars = {
    type: 'bar' as const,
    label: 'delivered',
    data: e.intervals.map((i) => meanKw(i.deliveredWh, i)),
    backgroundColor: COLOR.delivered,
    order: 10,
    pointStyle: 'rect' as const,
  };
  return {
    type: 'bar',
    data: {
      labels: e.intervals.map((i) => clock(i.startMs)),
      datasets: [
        bars,
        line('requested', COLOR.requested, [], (i) => i.targetWh),
        line('grid use without the event (baseline)', COLOR.baseline, [6, 4], (i) => i.baselineWh),
        line('grid use as metered', COLOR.metered, [2, 3], (i) => i.meteredWh),
      ],
    },
    options: {
      plugins: { title: title(`Event ${e.eventId}: requested and delivered`), legend: LEGEND },
      scales: { x: axis('local time, start of interval'), y: axis('mean power in kW') },
    },
  };
}

export function whyNotChart(e: EventMeasure): ChartConfiguration {
  const lines = e.reasons.filter((l) => l.wh > 0);
  return {
    type: 'bar',
    data: {
      labels: ['delivered', ...lines.map((l) => reasonWords(l.reason))],
      datasets: [
        {
          label: 'kWh',
          data: [e.deliveredWh / KW, ...lines.map((l) => l.wh / KW)],
          backgroundColor: [COLOR.delivered, ...lines.map(() => COLOR.missing)],
        },
      ],
    },
    options: {
      indexAxis: 'y',
      plugins: { title: title(`Event ${e.eventId}: delivered, and why not more`), legend: { display: false } },
      scales: { x: axis('kWh'), y: { grid: { display: false } } },
    },
  };
}

export function fleetChart(m: RunMeasures, clock: (atMs: number) => string): ChartConfiguration {
  const s = m.series;
  const line = (label: string, yAxisID: string, color: string, data: readonly (number | null)[], dash: number[] = []) =>
    ({
      type: 'line' as const,
      label,
      yAxisID,
      data: [...data],
      borderColor: color,
      backgroundColor: color,
      borderDash: dash,
      borderWidth: 2,
      pointRadius: 0,
      stepped: 'before' as const,
      pointStyle: 'line' as const,
    }) satisfies ChartDataset<'line', (number | null)[]>;
  return {
    type: 'line',
    data: {
      labels: s.startMs.map(clock),
      datasets: [
        line(
          'batteries, + discharge (kW)',
          'y',
          COLOR.delivered,
          s.batteryW.map((w) => w / KW),
        ),
        line(
          'requested (kW)',
          'y',
          COLOR.requested,
          s.targetW.map((w) => w / KW),
          [6, 4],
        ),
        ...s.socPct.slice(0, 4).map((g, i) => line(`charge of ${g.group} (%)`, 'soc', groupColor(i), g.pct, [2, 3])),
        line('day-ahead price ($/MWh)', 'price', COLOR.price, s.dayAheadUsdPerMwh),
      ],
    },
    options: {
      plugins: { title: title('Fleet power, state of charge and price'), legend: LEGEND },
      scales: {
        x: { ...axis('local time'), ticks: { maxTicksLimit: 13 } },
        y: axis('kW'),
        soc: { ...axis('state of charge in %'), position: 'right', min: 0, max: 100, grid: { display: false } },
        price: { ...axis('$/MWh'), position: 'right', grid: { display: false } },
      },
    },
  };
}
