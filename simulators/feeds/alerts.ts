/**
 * Weather alerts: read from NWS GeoJSON or CAP XML, and the rule which of them are in force.
 *
 * An alert counts when its status is Actual; Test, Exercise, System and Draft never act on a device, nor do they end
 * an alert that does. An Update ends the alerts it references and takes their place, a Cancel ends them, whatever the
 * order of arrival. What is left is over at its end. Ack and Error say nothing of the weather.
 * @source CAP 1.2 §3.2.1 (status, msgType, references)
 */
import { inputError, show } from '../../src/domain/errors.ts';
import type { EpochMs } from '../../src/domain/units.ts';
import type { DataNote, WeatherAlert } from '../../src/ports/series.ts';
import { type AlertDraft, finishAlert } from './alertDraft.ts';
import { capDrafts } from './alertsCap.ts';
import { nwsDrafts } from './alertsNws.ts';

export interface ReadAlertsInput {
  readonly text: string;
  readonly source: string;
  /** The instant that "date:now" means in a feed with relative times. */
  readonly anchorMs?: EpochMs | undefined;
}

export interface AlertsRead {
  readonly alerts: readonly WeatherAlert[];
  /** `row` is the number of the alert (feature, entry) in the document, from 1. */
  readonly notes: readonly DataNote[];
}

/** More alerts than NWS ever has active at once by two orders. */
const ALERTS_MAX = 100_000;

/**
 * @returns the alerts in the order of the document; one that cannot be used is left out with a note that says why
 * @throws  InputError when the document as a whole cannot be read, or has relative times and no anchor is given
 */
export function readAlerts({ text, source, anchorMs }: ReadAlertsInput): AlertsRead {
  const { drafts, notes: readNotes } = draftsOf({ text, source });
  if (drafts.length > ALERTS_MAX) {
    throw inputError({
      source,
      place: 'whole file',
      value: `${drafts.length} alerts`,
      expected: `at most ${ALERTS_MAX}`,
    });
  }
  const alerts: WeatherAlert[] = [];
  const notes = [...readNotes];
  const seen = new Map<string, { row: number; alert: string }>();
  for (const draft of drafts) {
    const finished = finishAlert(draft, { source, anchorMs });
    notes.push(...finished.notes);
    if (finished.kind === 'left-out') continue;
    const { alert } = finished;
    const print = JSON.stringify(alert);
    const first = seen.get(alert.alertId);
    if (first !== undefined) {
      const fate = first.alert === print ? 'the same alert, left out' : 'with other content, kept';
      notes.push({
        row: draft.row,
        what: `alert ${alert.alertId} comes again (first as number ${first.row}): ${fate}`,
      });
      if (first.alert === print) continue;
    } else seen.set(alert.alertId, { row: draft.row, alert: print });
    alerts.push(alert);
  }
  return { alerts, notes: notes.sort((a, b) => a.row - b.row) };
}

function draftsOf({ text, source }: { text: string; source: string }): { drafts: AlertDraft[]; notes: DataNote[] } {
  const body = text.replace(/^\uFEFF/, '').trimStart();
  if (body.startsWith('{')) return { drafts: nwsDrafts({ text: body, source }), notes: [] };
  if (body.startsWith('<')) return capDrafts({ text: body, source });
  const expected = 'GeoJSON ({…) or CAP XML (<…)';
  throw inputError({ source, place: 'whole file', value: show(body.slice(0, 40)), expected });
}

/**
 * The alerts that hold at an instant, in the order given.
 * @param alerts  all that were ever heard, in any order
 * @param from    'onset' (default): the hazard has begun; 'sent': it was announced, whether or not it has begun
 */
export function alertsInForce(
  alerts: readonly WeatherAlert[],
  nowMs: EpochMs,
  { from = 'onset' }: { from?: 'onset' | 'sent' } = {},
): WeatherAlert[] {
  const heard = alerts.filter((a) => a.status === 'Actual' && a.sentMs <= nowMs);
  const ended = new Set(heard.flatMap((a) => (replaces(a) ? a.references : [])));
  return heard.filter(
    (a) =>
      (a.messageType === 'Alert' || a.messageType === 'Update') &&
      !ended.has(a.alertId) &&
      nowMs < a.endMs &&
      (from === 'sent' || a.onsetMs <= nowMs),
  );
}

function replaces({ messageType }: WeatherAlert): boolean {
  switch (messageType) {
    case 'Update':
    case 'Cancel':
      return true;
    case 'Alert':
    case 'Ack':
    case 'Error':
      return false;
  }
}

/** The instants at which alertsInForce can change, rising, each once. */
export function alertInstants(alerts: readonly WeatherAlert[]): EpochMs[] {
  const all = alerts.filter((a) => a.status === 'Actual').flatMap((a) => [a.sentMs, a.onsetMs, a.endMs]);
  return [...new Set(all)].sort((a, b) => a - b);
}

/** Whether an alert names one of a site's zones ("CAZ567", "CAC071", "006071"); an alert without zones matches none. */
export const alertTouches = (alert: WeatherAlert, zones: readonly string[]): boolean =>
  zones.some((zone) => alert.zones.includes(zone));
