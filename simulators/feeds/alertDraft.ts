/**
 * The last step of both alert readers: from the texts a document holds to a WeatherAlert, or to the reason why it was
 * left out. One bad alert never hides the others: it is left out with a note that says why.
 */
import { inputError } from '../../src/domain/errors.ts';
import type { EpochMs } from '../../src/domain/units.ts';
import type { DataNote, WeatherAlert } from '../../src/ports/series.ts';
import { alertTime } from './alertTime.ts';

/** Texts as they stand in the document; empty and absent are the same. */
export interface AlertDraft {
  /** Number of the alert in the document, from 1. */
  readonly row: number;
  readonly alertId: string;
  readonly event: string;
  readonly status: string;
  readonly messageType: string;
  readonly severity: string;
  readonly urgency: string;
  readonly certainty: string;
  readonly sent: string | null;
  readonly effective: string | null;
  readonly onset: string | null;
  readonly expires: string | null;
  readonly ends: string | null;
  readonly zones: readonly string[];
  readonly references: readonly string[];
  readonly headline: string;
}

export type Finished =
  | { readonly kind: 'alert'; readonly alert: WeatherAlert; readonly notes: readonly DataNote[] }
  | { readonly kind: 'left-out'; readonly notes: readonly DataNote[] };

const STATUSES = ['Actual', 'Exercise', 'System', 'Test', 'Draft'] as const;
const MESSAGE_TYPES = ['Alert', 'Update', 'Cancel', 'Ack', 'Error'] as const;
const SEVERITIES = ['Extreme', 'Severe', 'Moderate', 'Minor', 'Unknown'] as const;

/** Codes of the places the rules can match: UGC zone or county ("CAZ567", "CAC071"), SAME ("006071"). */
const UGC = /^[A-Z]{2}[CZ](\d{3}|ALL)$/;
const SAME = /^\d{6}$/;
export const isUgc = (code: string): boolean => UGC.test(code);
export const isSame = (code: string): boolean => SAME.test(code);

const oneOf = <T extends string>(text: string, names: readonly T[]): T | undefined =>
  names.find((name) => name === text);

/**
 * @throws InputError when a time is relative and no anchor is given: the author must say what "now" is
 */
export function finishAlert(
  draft: AlertDraft,
  { source, anchorMs }: { source: string; anchorMs: EpochMs | undefined },
): Finished {
  const name = draft.alertId === '' ? 'alert without an id' : `alert ${draft.alertId}`;
  const leftOut = (why: string): Finished => ({
    kind: 'left-out',
    notes: [{ row: draft.row, what: `${name} left out: ${why}` }],
  });
  const required = {
    identifier: draft.alertId,
    sent: draft.sent,
    status: draft.status,
    'message type': draft.messageType,
    event: draft.event,
  };
  for (const [field, text] of Object.entries(required)) {
    if ((text ?? '').trim() === '') return leftOut(`${field} is missing`);
  }
  const status = oneOf(draft.status, STATUSES);
  const messageType = oneOf(draft.messageType, MESSAGE_TYPES);
  if (status === undefined) return leftOut(`status "${draft.status}" is none of ${STATUSES.join(', ')}`);
  if (messageType === undefined)
    return leftOut(`message type "${draft.messageType}" is none of ${MESSAGE_TYPES.join(', ')}`);
  const times = timesOf(draft, { source, anchorMs });
  if (times.kind === 'bad') return leftOut(times.why);
  const notes: DataNote[] = [];
  const graded = grade(draft, name, notes);
  if (graded === undefined) return leftOut(`severity "${draft.severity}" is none of ${SEVERITIES.join(', ')}`);
  const zones = [...new Set(draft.zones)];
  if (zones.length === 0) notes.push({ row: draft.row, what: `${name}: no UGC or SAME code, so it matches no site` });
  const { event, alertId, headline } = draft;
  const references = [...new Set(draft.references)].filter((id) => id !== alertId);
  const { sentMs, onsetMs, endMs } = times;
  const alert = { alertId, event, status, messageType, ...graded, sentMs, onsetMs, endMs, zones, references, headline };
  return { kind: 'alert', alert, notes };
}

/** CAP requires severity, urgency and certainty; an empty one is read as the standard's own "Unknown" and said. */
function grade(
  { severity, urgency, certainty, row }: AlertDraft,
  name: string,
  notes: DataNote[],
): Pick<WeatherAlert, 'severity' | 'urgency' | 'certainty'> | undefined {
  const empty = Object.entries({ severity, urgency, certainty }).flatMap(([field, text]) =>
    text === '' ? [field] : [],
  );
  if (empty.length > 0) notes.push({ row, what: `${name}: ${empty.join(', ')} empty, read as Unknown` });
  const known = oneOf(severity === '' ? 'Unknown' : severity, SEVERITIES);
  if (known === undefined) return undefined;
  return {
    severity: known,
    urgency: urgency === '' ? 'Unknown' : urgency,
    certainty: certainty === '' ? 'Unknown' : certainty,
  };
}

type Times =
  | { readonly kind: 'good'; readonly sentMs: EpochMs; readonly onsetMs: EpochMs; readonly endMs: EpochMs }
  | { readonly kind: 'bad'; readonly why: string };

/**
 * Hazard begins: onset, else effective, else sent. Over: ends, else expires. For a hazard still to come `expires` (of
 * the message) may lie before `onset`; it may never lie before `effective`.
 */
function timesOf(draft: AlertDraft, { source, anchorMs }: { source: string; anchorMs: EpochMs | undefined }): Times {
  const found: Partial<Record<'sent' | 'effective' | 'onset' | 'expires' | 'ends', EpochMs>> = {};
  for (const field of ['sent', 'effective', 'onset', 'expires', 'ends'] as const) {
    const time = alertTime(draft[field], anchorMs);
    if (time.kind === 'no-anchor') {
      const place = `alert ${draft.row}, ${field}`;
      throw inputError({
        source,
        place,
        value: `"${draft[field]}"`,
        expected: 'the option anchorMs: the instant that "now" means',
      });
    }
    if (time.kind === 'malformed')
      return { kind: 'bad', why: `${field} "${draft[field]}" is not a time with an offset` };
    if (time.kind === 'time') found[field] = time.atMs;
  }
  const { sent, effective, onset, expires, ends } = found;
  if (sent === undefined) return { kind: 'bad', why: 'sent is missing' };
  // What a cancellation says stands in its references; no oddity of its own times may make it be overlooked.
  if (draft.messageType === 'Cancel')
    return { kind: 'good', sentMs: sent, onsetMs: sent, endMs: Math.max(sent, ends ?? expires ?? sent) };
  if (expires !== undefined && expires < (effective ?? sent))
    return { kind: 'bad', why: 'it expires before it takes effect' };
  const onsetMs = onset ?? effective ?? sent;
  const endMs = ends ?? expires;
  if (endMs === undefined) return { kind: 'bad', why: 'neither ends nor expires is given, so it would never be over' };
  if (endMs < onsetMs) return { kind: 'bad', why: 'it ends before it begins' };
  return { kind: 'good', sentMs: sent, onsetMs, endMs };
}
