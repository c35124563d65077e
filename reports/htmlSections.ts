import { isoUtc } from '../src/domain/time.ts';
import type { Times } from './htmlEvents.ts';
import { figure, type Html, html, section, table, text } from './htmlParts.ts';
import type { RunMeasures } from './measureTypes.ts';
import type { RunInfo } from './verdict.ts';
import { askWords, END_WORDS, STANDING_WORDS, STATUS_WORDS } from './words.ts';

/** Rows that a reader can look through; the CSV files and the run log hold all. */
const ROWS_MAX = 300;

const more = (all: number, where: string): string =>
  all > ROWS_MAX ? `; the first ${ROWS_MAX} of ${all}, all are in ${where}` : '';
const num = (label: string) => ({ label, numeric: true });

export function commands(m: RunMeasures, t: Times): Html {
  const counts = table({
    caption: 'How commands ended',
    columns: [{ label: 'State' }, { label: 'Because' }, num('Commands')],
    rows: m.commandCounts.map((c) => [
      text(STATUS_WORDS[c.status]),
      text(c.reason === null ? 'not ended when the run ended' : END_WORDS[c.reason]),
      figure(c.count, String(c.count)),
    ]),
    empty: 'No command was given.',
  });
  const odd = m.commands.filter((k) => k.reason !== 'effect_seen' && k.reason !== 'newer_command');
  const list = table({
    caption: `Commands that did not simply succeed${more(odd.length, 'csv/commands.csv')}`,
    columns: ['Command', 'Device', 'By', 'Asked', 'From', 'Until', 'Path', 'End', 'Detail'].map((label) => ({ label })),
    rows: odd
      .slice(0, ROWS_MAX)
      .map((k) => [
        text(k.commandId),
        text(k.deviceId),
        text(k.by),
        text(askWords(k)),
        { show: t.clock(k.startMs), sort: k.startMs },
        { show: t.clock(k.endMs), sort: k.endMs },
        text(k.route ?? 'none'),
        text(k.reason === null ? STATUS_WORDS[k.status] : `${STATUS_WORDS[k.status]}: ${END_WORDS[k.reason]}`),
        text(k.detail),
      ]),
    interactive: true,
    stack: true,
    empty: 'Every command succeeded.',
  });
  const refusals = table({
    caption: `Requests that were refused; nothing changed${more(m.refusals.length, 'log.jsonl')}`,
    columns: [{ label: 'When' }, { label: 'What' }, { label: 'Why' }],
    rows: m.refusals.slice(0, ROWS_MAX).map((r) => [text(t.local(r.atMs)), text(r.what), text(r.why)]),
    empty: 'No request was refused.',
  });
  return section('commands', 'Commands', counts, list, html`<h3>Refused requests</h3>`, refusals);
}

export function cloudsAndFaults(m: RunMeasures, t: Times): Html {
  const faults = table({
    caption: 'Faults that the scenario put in',
    columns: [{ label: 'Fault' }, { label: 'Where' }, { label: 'From' }, { label: 'Until' }],
    rows: m.faults
      .slice(0, ROWS_MAX)
      .map((f) => [
        text(f.what),
        text(f.target),
        text(t.local(f.beginMs)),
        text(f.endMs === null ? 'end of the run' : t.local(f.endMs)),
      ]),
    empty: 'No fault was put in.',
  });
  const alerts = table({
    caption: 'Weather alerts',
    columns: ['Alert', 'Status', 'Severity', 'From', 'Until', 'Zones', 'Acted on', 'Why'].map((label) => ({ label })),
    rows: m.alerts
      .slice(0, ROWS_MAX)
      .map((a) => [
        text(a.headline === '' ? a.event : a.headline),
        text(a.status),
        text(a.severity),
        text(t.local(a.onsetMs)),
        text(t.local(a.endMs)),
        text(a.zones.join(', ')),
        text(a.acted ? 'yes' : 'no'),
        text(a.why),
      ]),
    stack: true,
    empty: 'No weather alert.',
  });
  const clouds = table({
    caption: 'Exchanges with manufacturers’ clouds, without routine measurements',
    columns: [
      { label: 'Cloud' },
      ...['Exchanges', 'Done', 'Refused', 'Failed', 'No answer', 'With a fault put in'].map(num),
    ],
    rows: m.exchanges.map((x) => [
      text(x.to),
      ...[x.total, x.ok, x.refused, x.serverError, x.noAnswer, x.faulted].map((n) => figure(n, String(n))),
    ]),
    empty: 'No exchange.',
  });
  const notes = table({
    caption: 'Messages sent to the workspace’s destinations',
    columns: [{ label: 'Type' }, num('Messages')],
    rows: m.notifications.map((n) => [text(n.type), figure(n.count, String(n.count))]),
    empty: 'No message.',
  });
  return section('disturbances', 'Faults, weather and clouds', faults, alerts, clouds, html`<h3>Messages</h3>`, notes);
}

export function books(m: RunMeasures, t: Times): Html {
  const l = m.ledger;
  const closed = l.siteResidualMj === 0 && l.batteryResidualMj === 0 && l.applianceResidualMj === 0;
  const open = table({
    caption: 'Intervals that do not close, in mJ (3.6 million mJ are 1 Wh)',
    columns: [{ label: 'Site' }, { label: 'From' }, num('At the site'), num('In the battery')],
    rows: l.open.map((o) => [
      text(o.siteId),
      text(t.local(o.startMs)),
      figure(o.siteMj, String(o.siteMj)),
      figure(o.batteryMj, String(o.batteryMj)),
    ]),
    empty: '',
  });
  const words = `In ${l.intervals} metered intervals, energy in and out of every site and every battery${m.appliances === null ? '' : ', every car and every thermostat'} ${closed ? 'adds up to the last mJ: nothing is left over.' : `does not add up: ${l.siteResidualMj} mJ at sites, ${l.batteryResidualMj} mJ in batteries, ${l.applianceResidualMj} mJ in appliances.`}`;
  return section(
    'books',
    'Energy books',
    html`<p><span class="mark ${closed ? 'pass' : 'fail'}">${closed ? 'closed' : 'open'}</span> ${words}</p>`,
    closed ? null : open,
  );
}

export function origins(m: RunMeasures, run: RunInfo): Html {
  const lines = table({
    caption: 'Programs and inputs',
    columns: [{ label: 'What' }, { label: 'Source' }, { label: 'Standing' }],
    rows: m.provenance.map((p) => [text(p.what), text(p.source), text(STANDING_WORDS[p.standing] ?? p.standing)]),
    empty: 'The run log names no source.',
  });
  return section(
    'origins',
    'Where the figures come from, and how to repeat the run',
    lines,
    html`<dl class="facts"><dt>Repeat it</dt><dd><code>${run.replayCommand}</code></dd><dt>Seed</dt><dd><code>${run.seed}</code></dd>
<dt>Run log (SHA-256)</dt><dd><code>${run.hash}</code></dd><dt>Version</dt><dd>${run.version}</dd>
<dt>Period</dt><dd>${isoUtc(m.run.startMs)} to ${isoUtc(m.run.endMs)}</dd><dt>Records</dt><dd>${m.records}</dd></dl>
<p class="soft">The same seed and version give the same run log and the same hash.</p>`,
  );
}
