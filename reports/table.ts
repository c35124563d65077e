import { localTimes } from './csv.ts';
import type { DerivedMeasure, EventMeasure, RunMeasures } from './measureTypes.ts';
import { type ExpectationResult, type RunInfo, verdictOf } from './verdict.ts';
import { kwh, percent, reasonWords, usd } from './words.ts';

/** No line is longer, so that it fits a terminal and a CI log. */
const WIDTH = 100;
const SHORTFALL_LINES = 6;
const SETTING_LINES = 6;

/**
 * The end of a run for a terminal.
 * @param color  ANSI colours; the caller turns them off for NO_COLOR, a pipe, or --no-color
 */
export function summaryTable(parts: {
  readonly run: RunInfo;
  readonly measures: RunMeasures;
  readonly expectations: readonly ExpectationResult[];
  readonly color: boolean;
}): string {
  const { run, measures, expectations, color } = parts;
  const paint = painter(color);
  const verdict = verdictOf(expectations);
  const lines = [
    `${verdict.passed ? paint('32;1', 'PASS') : paint('31;1', 'FAIL')}  ${clip(`${run.scenario}: ${run.title}`, WIDTH - 6)}`,
    '',
    ...expectations.flatMap((e) => expectationLines(e, paint)),
    ...(expectations.length === 0 ? ['  No expectations: nothing was judged.'] : []),
    '',
    ...measures.events.flatMap((e) => eventLines(measures, e)),
    ...(measures.events.length === 0 ? ['  No event was called.', ''] : []),
    ...settingLines(measures),
    ...ledgerLines(measures, paint),
    clip(`  seed ${run.seed}   log ${run.hash.slice(0, 16)}   version ${run.version}`, WIDTH),
    // Never clipped: it is there to be copied.
    `  replay: ${clean(run.replayCommand)}`,
  ];
  return `${lines.join('\n')}\n`;
}

type Paint = (code: string, text: string) => string;
const painter =
  (on: boolean): Paint =>
  (code, text) =>
    on ? `\u001b[${code}m${text}\u001b[0m` : text;

function expectationLines(e: ExpectationResult, paint: Paint): string[] {
  const mark = e.passed ? paint('32', 'ok  ') : e.severity === 'warn' ? paint('33', 'warn') : paint('31', 'FAIL');
  const head = `  ${mark}  ${clip(e.name, WIDTH - 8)}`;
  if (e.passed) return [head];
  return [
    head,
    clip(`        expected ${e.expected}`, WIDTH),
    clip(`        found    ${e.found}`, WIDTH),
    clip(`        where    ${e.where}; when ${e.when}`, WIDTH),
  ];
}

function eventLines(m: RunMeasures, e: EventMeasure): string[] {
  const local = localTimes(m);
  const head = `  Event ${e.eventId} (${e.programId}), ${local(e.startMs)} to ${local(e.endMs).slice(11)}, ${e.status}`;
  const rows: [string, string, string][] = [
    ['requested', kwh(e.targetWh), ''],
    ['planned', kwh(e.plannedWh), ''],
    ['delivered', kwh(e.deliveredWh), `${percent(e.ratio)} of the request, ${usd(e.paymentUsd)} earned`],
  ];
  if (e.derived !== null)
    rows.push([
      '10-in-10',
      e.derived.deliveredWh === null ? 'unknown' : kwh(e.derived.deliveredWh),
      derivedNote(e.derived),
    ]);
  if (e.stormWh !== 0) rows.push(['in storm', kwh(e.stormWh), 'excused, not counted']);
  if (e.unmeasuredCells > 0) rows.push(['unmeasured', String(e.unmeasuredCells), 'device intervals counted as 0']);
  const why = e.reasons.slice(0, SHORTFALL_LINES).map((l): [string, string, string] => {
    return [
      l.wh < 0 ? 'beyond' : 'missing',
      kwh(Math.abs(l.wh)),
      `${reasonWords(l.reason)}${l.devices > 0 ? ` (${plural(l.devices, 'device')})` : ''}`,
    ];
  });
  const rest = e.reasons.slice(SHORTFALL_LINES).reduce((sum, l) => sum + l.wh, 0);
  if (e.reasons.length > SHORTFALL_LINES)
    why.push([rest < 0 ? 'beyond' : 'missing', kwh(Math.abs(rest)), 'other reasons']);
  const body = [...rows, ...why].map(([a, b, c]) =>
    clip(`    ${a.padEnd(11)}${b.padStart(13)}   ${c}`.trimEnd(), WIDTH),
  );
  return [clip(head, WIDTH), ...body, ''];
}

/** What settings of cars, thermostats and inverters moved; the first few. */
function settingLines(m: RunMeasures): string[] {
  const moved = m.appliances?.moved ?? [];
  if (moved.length === 0) return [];
  const local = localTimes(m);
  const lines = moved.slice(0, SETTING_LINES).flatMap((x) => {
    const head = `  Setting: ${x.asked}, ${plural(x.devices, 'device')}, ${local(x.startMs)} to ${local(x.endMs).slice(11)}`;
    const rows: [string, number | null, string][] = [
      ['used', x.usedWh, x.withoutWh === null ? '' : `${kwh(x.withoutWh)} without the setting`],
      ['saved', x.savedWh, ''],
      ['came back', x.backWh, 'in the two hours after it'],
    ];
    const body = rows.flatMap(([label, wh, note]) =>
      wh === null ? [] : [clip(`    ${label.padEnd(11)}${kwh(wh).padStart(13)}   ${note}`.trimEnd(), WIDTH)],
    );
    return [clip(head, WIDTH), ...body, ''];
  });
  const more = moved.length - SETTING_LINES;
  return more > 0 ? [...lines, `  ${more} more settings are in the report.`, ''] : lines;
}

/** How many devices the derived figure leaves out stands with it: their part is unknown, not 0. */
function derivedNote(d: DerivedMeasure): string {
  const all = d.devicesWithBaseline + d.devicesWithoutBaseline;
  const some = d.devicesWithoutBaseline === 0 ? '' : `, for ${d.devicesWithBaseline} of ${plural(all, 'device')}`;
  return `${d.method}${some}`;
}

function ledgerLines(m: RunMeasures, paint: Paint): string[] {
  const { siteResidualMj, batteryResidualMj, applianceResidualMj } = m.ledger;
  if (siteResidualMj === 0 && batteryResidualMj === 0 && applianceResidualMj === 0) return [];
  const rest = applianceResidualMj === 0 ? '' : `, ${applianceResidualMj} mJ in appliances`;
  const text = `  The energy books do not close: ${siteResidualMj} mJ at sites, ${batteryResidualMj} mJ in batteries${rest}.`;
  return [paint('31', clip(text, WIDTH))];
}

const plural = (n: number, word: string): string => `${n} ${word}${n === 1 ? '' : 's'}`;

/** Control characters could move the cursor or colour the terminal. */
const clean = (text: string): string => text.replace(/[\p{Cc}\p{Cf}]/gu, '\uFFFD');

function clip(text: string, width: number): string {
  const chars = [...clean(text)];
  return chars.length <= width ? chars.join('') : `${chars.slice(0, width - 1).join('')}…`;
}
