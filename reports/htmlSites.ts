import type { Times } from './htmlEvents.ts';
import { type Cell, chartBox, figure, type Html, html, section, table, text } from './htmlParts.ts';
import type { FeedMeasure, FeedPoint, FieldMeasure, FieldStep, RunMeasures } from './measureTypes.ts';
import { ALARM_WORDS, duration, flagWords, grouped, kw, kwh, STANDING_WORDS } from './words.ts';

/** The utility-scale sites: link, plant and controls in order, the normalised battery, and the points it was made of. */
const ROWS_MAX = 300;
const num = (label: string) => ({ label, numeric: true });

export function sites(m: RunMeasures, t: Times): Html {
  const bess = new Set(m.devices.filter((d) => d.siteKind === 'bess').map((d) => d.siteId));
  const isShown = (f: FieldMeasure): boolean => bess.has(f.siteId) || f.operates + f.integrityReads > 0;
  const fields = m.fields.filter(isShown);
  if (fields.length === 0)
    return section('sites', 'Utility-scale sites', html`<p class="none">No site was reached over DNP3.</p>`);
  const summary = table({
    caption: 'DNP3 connections',
    columns: [
      { label: 'Site' },
      ...['Link lost for', 'Full reads', 'Controls sent', 'Carried out', 'Refused', 'Unknown'].map(num),
    ],
    rows: fields.map((f) => [
      text(f.siteId),
      figure(f.linkDownMs, f.linkDownMs === 0 ? 'never' : duration(f.linkDownMs)),
      ...[f.integrityReads, f.operates, f.operated, f.refused, f.unknown].map((n) => figure(n, String(n))),
    ]),
  });
  const parts = m.fields.map((f, i) => (isShown(f) ? sitePart(f, i, m, t) : null));
  return section('sites', 'Utility-scale sites', summary, parts);
}

function sitePart(f: FieldMeasure, i: number, m: RunMeasures, t: Times): Html {
  const feed = f.feed === null ? null : feedPart(f.siteId, f.feed, i, m, t);
  return html`<article><h3>${f.siteId}</h3>${feed}${siteSteps(f, t)}</article>`;
}

function siteSteps(f: FieldMeasure, t: Times): Html {
  const steps = f.steps.slice(0, ROWS_MAX);
  const out = f.steps.length - steps.length + f.stepsLeftOut;
  return html`<details><summary>${f.siteId}: what happened, in order</summary>${table({
    caption: `Link, plant and controls of ${f.siteId}${out > 0 ? `; ${out} later steps are in log.jsonl` : ''}`,
    columns: [{ label: 'When' }, { label: 'What' }, { label: 'Detail' }, { label: 'Repeated' }],
    rows: steps.map((s) => [text(t.local(s.atMs)), text(s.what), text(s.detail), text(repeats(s, t))]),
  })}</details>`;
}

const repeats = (s: FieldStep, t: Times): string =>
  s.times === 1 ? '' : `${s.times} times until ${t.clock(s.lastMs)}`;

function feedPart(siteId: string, feed: FeedMeasure, i: number, m: RunMeasures, t: Times): Html {
  const { standing } = feed.provenance;
  const chart =
    feed.samples.length === 0
      ? null
      : chartBox(
          `plot-site-${i}`,
          `Setpoint, power and state of charge of ${siteId}; the readings are in csv/points.csv`,
        );
  return html`${chart}
<p class="soft">Points map <code>${feed.revision}</code> (${STANDING_WORDS[standing] ?? standing}).</p>
${batteryTable(feed, m.run.endMs, t)}${pointsTable(siteId, feed, m.run.endMs)}`;
}

/** Points that a field of the normalised battery is made of, by name in the map; the first list that was read counts. */
const SOURCES = {
  soc: [['usableSoc'], ['actualSoc']],
  charge: [['totalEnergy'], ['usableCapacity', 'usableSoc'], ['effectiveCapacity', 'actualSoc']],
  rate: [['activePower']],
  state: [['generating', 'charging', 'idle'], ['activePower']],
  reserve: [['minimumReserve']],
  ceiling: [['maximumReserve']],
  limits: [['dischargeWMax', 'chargeWMax']],
  available: [['availableDischargeW', 'availableChargeW']],
  voltage: [['voltage']],
  dc: [['dcVoltage']],
  frequency: [['frequency']],
  reactive: [['reactivePower']],
  local: [['local', 'lockout']],
} as const;

function batteryTable(feed: FeedMeasure, endMs: number, t: Times): Html {
  const { state } = feed;
  if (state === null) return html`<p class="none">The core was never told a state of this battery.</p>`;
  const { battery: b, site: s } = state;
  const byKey = new Map(feed.points.map((p) => [p.key, p]));
  const from = (lists: readonly (readonly string[])[]): string => {
    const list = lists.find((keys) => keys.every((k) => byKey.has(k)));
    return list === undefined ? '–' : list.map((k) => byKey.get(k)?.name).join(' × ');
  };
  const both = (lists: readonly (readonly string[])[]): string => from(lists).replaceAll(' × ', ', ');
  const of = (x: number | null, words: (x: number) => string): string => (x === null ? 'not known' : words(x));
  const pair = (a: number | null, c: number | null): string => `${of(a, kw)} out, ${of(c, kw)} in`;
  const rows: readonly (readonly [string, string, string])[] = [
    ['State of charge', of(b.chargePercentage, (x) => `${grouped(x, 1)} %`), from(SOURCES.soc)],
    ['Charge', of(b.charge, kwh), from(SOURCES.charge)],
    ['Charge rate, above 0 = discharging', of(b.chargeRate, kw), from(SOURCES.rate)],
    ['Charging state', b.chargingState, both(SOURCES.state)],
    ['Backup reserve', of(b.backupReserve, (x) => `${grouped(x, 1)} %`), from(SOURCES.reserve)],
    ['Charge ceiling', of(s.maximumReservePct, (x) => `${grouped(x, 1)} %`), from(SOURCES.ceiling)],
    ['Limits', pair(s.dischargeWMax, s.chargeWMax), both(SOURCES.limits)],
    ['Available now', pair(s.availableDischargeW, s.availableChargeW), both(SOURCES.available)],
    ['Voltage, line to line', of(s.voltageV, (x) => `${grouped(x, 1)} V`), from(SOURCES.voltage)],
    ['Battery voltage', of(s.dcVoltageV, (x) => `${grouped(x, 1)} V`), from(SOURCES.dc)],
    ['Frequency', of(s.frequencyHz, (x) => `${grouped(x, 3)} Hz`), from(SOURCES.frequency)],
    [
      'Reactive power, above 0 = given',
      of(s.reactivePowerVar, (x) => `${grouped(x / 1000, 1)} kvar`),
      from(SOURCES.reactive),
    ],
    ['Alarms', alarmWords(s.alarms, s.alarmsUnknown), 'BI0 to BI9'],
    ['Local or locked out', state.local ? 'yes: not controlled from afar' : 'no', both(SOURCES.local)],
  ];
  return table({
    caption: `The battery at the end as the core knew it: it last changed at ${t.local(state.sampledAtMs)}, ${duration(Math.max(0, endMs - state.sampledAtMs))} before the end`,
    columns: [{ label: 'Normalised' }, { label: 'Value' }, { label: 'Made of' }],
    rows: rows.map((row) => row.map(text)),
    stack: true,
  });
}

function alarmWords(
  alarms: readonly (keyof typeof ALARM_WORDS)[],
  unknown: readonly (keyof typeof ALARM_WORDS)[],
): string {
  const on = alarms.map((a) => ALARM_WORDS[a]).join(', ');
  const more = unknown.length === 0 ? '' : `${unknown.length} not known`;
  return [on === '' ? 'none' : on, more].filter((w) => w !== '').join('; ');
}

const QUALITY_WORDS = {
  synchronised: 'device clock',
  unsynchronised: 'device clock, not set',
  received: 'when received',
};

function pointsTable(siteId: string, feed: FeedMeasure, endMs: number): Html {
  const more = feed.leftOut > 0 ? `; ${feed.leftOut} changes found no room in the log` : '';
  // Points that the normalised battery is made of come first.
  const points = [...feed.points].sort((a, b) => Number(a.key === null) - Number(b.key === null));
  return html`<details><summary>${siteId}: raw points (${feed.points.length})</summary>${table({
    caption: `Last reading of each point of ${siteId}; every change is in csv/points.csv${more}`,
    columns: [
      { label: 'Point' },
      { label: 'Meaning' },
      num('Value'),
      { label: 'Unit' },
      { label: 'Quality' },
      num('Unchanged for'),
      { label: 'Time from' },
      { label: 'Came as' },
      num('Raw'),
    ],
    rows: points.map((p) => pointRow(p, endMs)),
    interactive: true,
    stack: true,
    empty: 'Nothing was read.',
  })}</details>`;
}

function pointRow(p: FeedPoint, endMs: number): Cell[] {
  const ageMs = Math.max(0, endMs - p.atMs);
  const decimals =
    p.value === null || Number.isInteger(p.value) ? 0 : Math.min(3, String(p.value).split('.')[1]?.length ?? 0);
  return [
    text(p.name),
    text(p.overridden ? `${p.meaning} (the site's own)` : p.meaning),
    figure(p.value, p.value === null ? '–' : grouped(p.value, decimals)),
    text(p.unit),
    text(flagWords(p.type, p.flags)),
    figure(ageMs, duration(ageMs)),
    text(QUALITY_WORDS[p.quality]),
    text(p.source),
    figure(p.raw, p.raw === null ? '–' : String(p.raw)),
  ];
}
