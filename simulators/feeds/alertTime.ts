/**
 * Times of alerts. Absolute ones are ISO 8601 with an offset (CAP 1.2 §3.2.1, dateTime; NWS writes ±hh:mm, samples also
 * ±hhmm and ±hh). Relative ones stand in weather.gov's recorded test feeds and suit scenarios:
 *   "date:now -235 seconds"           the anchor plus a span
 *   "date:today 09:00:-06 +2 days"    09:00 at UTC−6 on the anchor's date there, plus a span
 * A day of a span is 24 hours. Any other form is not a time; the caller says what follows from that.
 */
import { type EpochMs, MS_PER_DAY, MS_PER_HOUR, MS_PER_MIN } from '../../src/domain/units.ts';
import { isDate } from './localTime.ts';

export type AlertTime =
  | { readonly kind: 'time'; readonly atMs: EpochMs }
  | { readonly kind: 'absent' }
  /** A relative time and no anchor to count from. */
  | { readonly kind: 'no-anchor' }
  | { readonly kind: 'malformed' };

const ABSOLUTE = /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2}):(\d{2})(?:\.\d+)?(Z|[+-]\d{1,2}(?::?\d{2})?)$/;
const NOW = /^date:now(?:\s+(.+))?$/;
const TODAY = /^date:today\s+(\d{2}):(\d{2}):([+-]\d{1,2}(?::?\d{2})?)(?:\s+(.+))?$/;
const SPAN = /^([+-])\s*(\d{1,9})\s+(second|minute|hour|day)s?$/;
const SPAN_MS: Readonly<Record<string, number>> = {
  second: 1000,
  minute: MS_PER_MIN,
  hour: MS_PER_HOUR,
  day: MS_PER_DAY,
};

export function alertTime(text: string | null | undefined, anchorMs: EpochMs | undefined): AlertTime {
  const trimmed = (text ?? '').trim();
  if (trimmed === '') return { kind: 'absent' };
  if (!trimmed.startsWith('date:')) return absolute(trimmed);
  if (anchorMs === undefined) return { kind: 'no-anchor' };
  const now = NOW.exec(trimmed);
  if (now !== null) return plusSpan(anchorMs, now[1]);
  const today = TODAY.exec(trimmed);
  const offset = today === null ? undefined : offsetMs(today[3] ?? '');
  if (today === null || offset === undefined) return { kind: 'malformed' };
  const hour = Number(today[1]);
  const minute = Number(today[2]);
  if (hour > 23 || minute > 59) return { kind: 'malformed' };
  const midnightMs = Math.floor((anchorMs + offset) / MS_PER_DAY) * MS_PER_DAY - offset;
  return plusSpan(midnightMs + hour * MS_PER_HOUR + minute * MS_PER_MIN, today[4]);
}

function absolute(text: string): AlertTime {
  const m = ABSOLUTE.exec(text);
  const offset = m === null ? undefined : offsetMs(m[7] ?? '');
  if (m === null || offset === undefined) return { kind: 'malformed' };
  const [year, month, day, hour, minute, second] = [1, 2, 3, 4, 5, 6].map((i) => Number(m[i]));
  if (year === undefined || month === undefined || day === undefined) return { kind: 'malformed' };
  if (hour === undefined || minute === undefined || second === undefined) return { kind: 'malformed' };
  if (!isDate({ year, month, day }) || hour > 23 || minute > 59 || second > 59) return { kind: 'malformed' };
  return { kind: 'time', atMs: Date.UTC(year, month - 1, day, hour, minute, second) - offset };
}

function offsetMs(text: string): number | undefined {
  if (text === 'Z') return 0;
  const m = /^([+-])(\d{1,2})(?::?(\d{2}))?$/.exec(text);
  const hours = Number(m?.[2]);
  const minutes = Number(m?.[3] ?? 0);
  if (m === null || hours > 14 || minutes > 59) return undefined;
  return (m[1] === '-' ? -1 : 1) * (hours * MS_PER_HOUR + minutes * MS_PER_MIN);
}

function plusSpan(fromMs: EpochMs, span: string | undefined): AlertTime {
  if (span === undefined) return { kind: 'time', atMs: fromMs };
  const m = SPAN.exec(span.trim());
  const unitMs = SPAN_MS[m?.[3] ?? ''];
  if (m === null || unitMs === undefined) return { kind: 'malformed' };
  return { kind: 'time', atMs: fromMs + (m[1] === '-' ? -1 : 1) * Number(m[2]) * unitMs };
}
