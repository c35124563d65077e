import type { ApplianceMeasure, ApplianceMeasures, SettingEffect } from './applianceTypes.ts';
import { COLOR } from './charts.ts';
import { line, type PlotSpec } from './htmlCharts.ts';
import type { Times } from './htmlEvents.ts';
import { type Cell, chartBox, figure, type Html, html, section, table, text } from './htmlParts.ts';
import type { RunMeasures } from './measureTypes.ts';
import { duration, END_WORDS, grouped, KIND_WORDS, kw, kwhFigure, STATUS_WORDS } from './words.ts';

/** Cars, thermostats and inverters: what settings moved, how charge and rooms went, and every device. */
const ROWS_MAX = 300;
const num = (label: string) => ({ label, numeric: true });

export function appliances(m: RunMeasures, t: Times): Html | null {
  const a = m.appliances;
  if (a === null) return null;
  const boxes = appliancePlots(m).map((p) => chartBox(p.id, `${p.title} in ${p.unit} over the run`));
  return section(
    'appliances',
    'Cars, thermostats and inverters',
    html`<p class="soft">What a setting saved is what the registers of these sites counted less, in the meter intervals it touches, than in
the same run without events and settings. What comes back afterwards, as cars fill up and houses are cooled down again, stands beside it.</p>`,
    effects(a, t),
    boxes,
    groups(a),
    devices(a),
    settings(a, t),
  );
}

const WHAT_WORDS = { ev: 'charging', hvac: 'heating and cooling', export: 'export' } as const;
const wh = (x: number | null): Cell => figure(x, x === null ? 'not known' : kwhFigure(x));

function effects(a: ApplianceMeasures, t: Times): Html {
  const peak = (x: SettingEffect): string =>
    x.backPeakW === null || x.withoutPeakW === null ? '–' : `${kw(x.backPeakW)}, without ${kw(x.withoutPeakW)}`;
  return table({
    caption: 'What settings moved, in kWh',
    columns: [
      { label: 'Setting' },
      { label: 'From' },
      { label: 'Until' },
      num('Succeeded'),
      { label: 'Energy of' },
      num('Used'),
      num('Without it'),
      num('Saved'),
      num('Came back within 2 h'),
      { label: 'Highest power in these 2 h' },
    ],
    rows: a.moved
      .slice(0, ROWS_MAX)
      .map((x) => [
        text(x.asked),
        { show: t.clock(x.startMs), sort: x.startMs },
        { show: t.clock(x.endMs), sort: x.endMs },
        figure(x.succeeded, `${x.succeeded} of ${x.devices}`),
        text(WHAT_WORDS[x.what]),
        wh(x.usedWh),
        wh(x.withoutWh),
        wh(x.savedWh),
        x.backWh === null ? text('–') : wh(x.backWh),
        text(peak(x)),
      ]),
    stack: true,
    empty: 'No setting was given.',
  });
}

function groups(a: ApplianceMeasures): Html {
  const keys = [...new Set(a.devices.map((d) => `${d.group}\n${d.kind}`))];
  const rows = keys.map((key) => {
    const own = a.devices.filter((d) => `${d.group}\n${d.kind}` === key);
    const cars = own.flatMap((d) => (d.ev === null ? [] : [d.ev]));
    const rooms = own.flatMap((d) => (d.room === null ? [] : [d.room]));
    const sum = (xs: readonly number[]): number => xs.reduce((total, x) => total + x, 0);
    const departures = cars.flatMap((c) => (c.departurePctMin === null ? [] : [c.departurePctMin]));
    const low = extreme(
      Math.min,
      rooms.map((r) => r.lowF),
    );
    const high = extreme(
      Math.max,
      rooms.map((r) => r.highF),
    );
    const [first] = own;
    return [
      text(first?.group ?? ''),
      text(first === undefined ? '' : KIND_WORDS[first.kind]),
      figure(own.length, String(own.length)),
      first?.kind === 'inverter' ? text('–') : wh(sum(own.map((d) => d.usedWh ?? 0))),
      cars.length === 0 ? text('–') : wh(sum(cars.map((c) => c.drivenWh))),
      cars.length === 0
        ? text('–')
        : figure(sum(cars.map((c) => c.departures)), `${sum(cars.map((c) => c.departures))}`),
      departures.length === 0 ? text('–') : figure(Math.min(...departures), `${grouped(Math.min(...departures), 1)} %`),
      text(low === null || high === null ? '–' : `${grouped(low, 1)} to ${grouped(high, 1)} °F`),
    ];
  });
  const columns = [
    { label: 'Group' },
    { label: 'Kind' },
    num('Devices'),
    num('Used kWh'),
    num('Driven kWh'),
    num('Departures'),
    num('Least charge when leaving'),
    { label: 'Rooms' },
  ];
  return table({ caption: 'Over the whole run', columns, rows });
}

function extreme(of: (...xs: number[]) => number, xs: readonly (number | null)[]): number | null {
  const known = xs.filter((x) => x !== null);
  return known.length === 0 ? null : of(...known);
}

function devices(a: ApplianceMeasures): Html {
  const more = a.devices.length > ROWS_MAX ? `; the first ${ROWS_MAX}, all are in csv/appliances.csv` : '';
  return html`<details><summary>Every device (${a.devices.length})</summary>${table({
    caption: `Cars, thermostats and inverters${more}`,
    columns: [
      { label: 'Device' },
      { label: 'Group' },
      { label: 'Kind' },
      num('Used kWh'),
      num('Charge at start'),
      num('Charge at end'),
      num('Least charge when leaving'),
      num('Missing on trips kWh'),
      num('Lowest room'),
      num('Highest room'),
      num('Cooling'),
      num('Heating'),
    ],
    rows: a.devices.slice(0, ROWS_MAX).map(deviceRow),
    interactive: true,
    stack: true,
  })}</details>`;
}

function deviceRow(d: ApplianceMeasure): Cell[] {
  const pct = (x: number | null | undefined): Cell => (x == null ? text('–') : figure(x, `${grouped(x, 1)} %`));
  const fahrenheit = (x: number | null | undefined): Cell => (x == null ? text('–') : figure(x, `${grouped(x, 1)} °F`));
  const time = (ms: number | undefined): Cell => (ms === undefined ? text('–') : figure(ms, duration(ms)));
  return [
    text(d.deviceId),
    text(d.group),
    text(KIND_WORDS[d.kind]),
    d.usedWh === null ? text('–') : wh(d.usedWh),
    pct(d.ev?.socStartPct),
    pct(d.ev?.socEndPct),
    pct(d.ev?.departurePctMin),
    d.ev === null ? text('–') : wh(d.ev.shortWh),
    fahrenheit(d.room?.lowF),
    fahrenheit(d.room?.highF),
    time(d.room?.coolingMs),
    time(d.room?.heatingMs),
  ];
}

function settings(a: ApplianceMeasures, t: Times): Html {
  const counts = new Map<string, number>();
  for (const s of a.settings) counts.set(s.status, (counts.get(s.status) ?? 0) + 1);
  const summary = [...counts].map(([status, n]) => `${n} ${status}`).join(', ');
  const odd = a.settings.filter((s) => s.reason !== 'effect_seen' && s.reason !== 'newer_command');
  const more = odd.length > ROWS_MAX ? `; the first ${ROWS_MAX} of ${odd.length}, all are in csv/settings.csv` : '';
  const list = table({
    caption: `Settings that did not simply succeed${more}`,
    columns: ['Command', 'Device', 'By', 'Asked', 'From', 'Until', 'End', 'Detail'].map((label) => ({ label })),
    rows: odd
      .slice(0, ROWS_MAX)
      .map((s) => [
        text(s.commandId),
        text(s.deviceId),
        text(s.setsBack ? 'set back by itself' : s.by),
        text(s.asked),
        { show: t.clock(s.startMs), sort: s.startMs },
        text(s.endMs === null ? 'stands' : t.clock(s.endMs)),
        text(s.reason === null ? s.status : `${STATUS_WORDS[s.status]}: ${END_WORDS[s.reason]}`),
        text(s.detail),
      ]),
    interactive: odd.length > 10,
    stack: true,
    empty: 'Every setting succeeded.',
  });
  const words = a.settings.length === 0 ? 'No setting was given.' : `${a.settings.length} settings: ${summary}.`;
  return html`<h3>Settings, one by one</h3><p>${words} Those that set back what stood before are among them.</p>${list}`;
}

export function appliancePlots(m: RunMeasures): PlotSpec[] {
  const s = m.appliances?.series;
  if (s === undefined || s.startMs.length === 0) return [];
  const toKw = (w: number | null): number | null => (w === null ? null : w / 1000);
  const endMs = (s.startMs.at(-1) ?? 0) + m.run.meterIntervalMs;
  const base = { x: [...s.startMs, endMs].map((ms) => ms / 1000), range: null };
  const [hasCars, hasRooms] = [s.carPct.some((x) => x !== null), s.roomF.some((x) => x !== null)];
  const power = [
    ...(hasCars
      ? [
          line('Charging of cars', EV_COLOR, 'area', s.evW.map(toKw)),
          line('Charging without settings', COLOR.baseline, 'dash', s.withoutEvW.map(toKw)),
        ]
      : []),
    ...(hasRooms
      ? [
          line('Heating and cooling', HVAC_COLOR, 'area', s.hvacW.map(toKw)),
          line('Heating and cooling without settings', COLOR.realTime, 'dash', s.withoutHvacW.map(toKw)),
        ]
      : []),
  ];
  const rooms = [...s.roomLowF, ...s.roomHighF].filter((x) => x !== null);
  const roomRange = [Math.floor(Math.min(...rooms)) - 1, Math.ceil(Math.max(...rooms)) + 1] as const;
  const plots: PlotSpec[] = [
    { ...base, id: 'plot-flexible', title: 'Flexible load', unit: 'kW', series: power },
    {
      ...base,
      id: 'plot-cars',
      title: 'Mean charge of the cars, at home and away',
      unit: '%',
      range: [0, 100],
      series: [line('Cars', EV_COLOR, 'step', s.carPct)],
    },
    {
      ...base,
      id: 'plot-rooms',
      title: 'Rooms',
      unit: '°F',
      range: roomRange,
      series: [
        line('Warmest', COLOR.missing, 'dots', s.roomHighF),
        line('Mean', HVAC_COLOR, 'step', s.roomF),
        line('Coldest', '#0369a1', 'dots', s.roomLowF),
      ],
    },
  ];
  return plots.filter((p) => p.series.some((l) => l.values.some((v) => v !== null)));
}

const EV_COLOR = '#4f46e5';
const HVAC_COLOR = '#0d9488';
