import { localParts, startOfLocalDay } from '../domain/time.ts';
import { type EpochMs, MS_PER_HOUR, MS_PER_MIN } from '../domain/units.ts';

/**
 * The 10-in-10 baseline with same-day adjustment.
 *
 * Theory: the mean of the same interval over the last ten similar days (weekday or weekend) without an event, looked
 * for at most 45 days back; scaled by the ratio of the metered to the baseline energy in the three hours that end one
 * hour before the event, the ratio capped to 0.8..1.2.
 * Standing: the rule is from memory of CAISO's tariff and secondary texts; no numeric example of CAISO's was found, so
 * what is computed here is labelled "10-in-10, derived" and must not be called a CAISO settlement.
 * A day is similar only if it has a reading at the event's time. Wall-clock times are compared, so that a change to or
 * from daylight saving time between the days does not shift the load by an hour.
 * Left out: holidays, 5-in-10, meter-generator output.
 */
export const BASELINE_METHOD = '10-in-10 with same-day adjustment ±20 % (derived)';

const DAYS_WANTED = 10;
export const DAYS_BACK_MAX = 45;
const DAYS_MIN = 5;
const ADJUST_FROM_MS = 4 * MS_PER_HOUR;
const ADJUST_TO_MS = MS_PER_HOUR;
const ADJUST_MIN = 0.8;
const ADJUST_MAX = 1.2;

/** Energy per interval of one register; NaN where it is missing. */
export interface MeterHistory {
  readonly startMs: EpochMs;
  readonly stepMs: number;
  readonly wh: readonly number[];
}

export interface Baseline {
  /** Per interval of the event [Wh]; null where no similar day has data. */
  readonly wh: readonly (number | null)[];
  readonly daysUsed: number;
  readonly adjustment: number;
  readonly adjustmentNote: string;
}

const HALF_DAY_MIN = 720;

/** A local day: 23, 24 or 25 hours. */
export interface LocalDay {
  readonly midnightMs: EpochMs;
  readonly lengthMs: number;
  readonly isWeekend: boolean;
}

export const isIn = (day: LocalDay, atMs: EpochMs): boolean =>
  atMs >= day.midnightMs && atMs < day.midnightMs + day.lengthMs;

function localDay(atMs: EpochMs, timeZone: string, back = 0): LocalDay {
  const midnightMs = startOfLocalDay(atMs, timeZone, -back);
  const lengthMs = startOfLocalDay(atMs, timeZone, 1 - back) - midnightMs;
  return { midnightMs, lengthMs, isWeekend: localParts(midnightMs, timeZone).weekday >= 6 };
}

/** The local day of an instant and the DAYS_BACK_MAX days before it, newest first. */
export function localDaysBack(atMs: EpochMs, timeZone: string): LocalDay[] {
  return Array.from({ length: DAYS_BACK_MAX + 1 }, (_, back) => localDay(atMs, timeZone, back));
}

/**
 * The 10-in-10 baseline of one register over an event.
 * @param history    the site's register; intervals should be aligned with the event's edges
 * @param eventDays  local midnights of days that had an event: they are not similar
 * @param calendar   the local day of startMs and the days before it, newest first
 */
export function tenInTen(request: {
  readonly history: MeterHistory;
  readonly startMs: EpochMs;
  readonly endMs: EpochMs;
  readonly timeZone: string;
  readonly eventDays: ReadonlySet<EpochMs>;
  readonly calendar?: readonly LocalDay[];
}): Baseline {
  const { history, startMs, endMs, timeZone } = request;
  const calendar = request.calendar ?? localDaysBack(startMs, timeZone);
  const days = similarDays({ ...request, calendar });
  const around = [...calendar.slice(0, 2), localDay(endMs - 1, timeZone)];
  const at = (atMs: EpochMs): number | null => {
    const today = around.find((d) => isIn(d, atMs));
    return today === undefined ? null : meanOver({ history, days, atMs, today, timeZone });
  };
  const raw = intervals(startMs, endMs, history.stepMs).map(at);
  const { ratio, note } = adjustment({ history, startMs, at });
  return {
    wh: raw.map((x) => (x === null ? null : x * ratio)),
    daysUsed: days.length,
    adjustment: ratio,
    adjustmentNote: days.length < DAYS_WANTED ? `${note}; only ${days.length} similar days` : note,
  };
}

/** The days to average, newest first: same kind of day, no event, with a reading at this time; empty if under five. */
export function similarDays(request: {
  readonly history: MeterHistory;
  readonly startMs: EpochMs;
  readonly timeZone: string;
  readonly eventDays: ReadonlySet<EpochMs>;
  readonly calendar: readonly LocalDay[];
}): LocalDay[] {
  const { history, startMs, timeZone, eventDays } = request;
  const [today, ...before] = request.calendar;
  const found: LocalDay[] = [];
  if (today === undefined) return found;
  for (const day of before) {
    if (found.length >= DAYS_WANTED || day.midnightMs < history.startMs) break;
    if (eventDays.has(day.midnightMs) || day.isWeekend !== today.isWeekend) continue;
    const atMs = onDay({ atMs: startMs, today, day, timeZone });
    if (atMs !== null && !Number.isNaN(energyAt(history, atMs))) found.push(day);
  }
  return found.length >= DAYS_MIN ? found : [];
}

/**
 * The instant with the same wall-clock time on another day; null if that day skips it. In an hour that comes twice the
 * same elapsed time since midnight is taken where it has that wall clock, else the one that has it.
 */
export function onDay(request: {
  readonly atMs: EpochMs;
  readonly today: LocalDay;
  readonly day: LocalDay;
  readonly timeZone: string;
}): EpochMs | null {
  const { atMs, today, day, timeZone } = request;
  const sameElapsed = day.midnightMs + (atMs - today.midnightMs);
  if (today.lengthMs === day.lengthMs) return sameElapsed;
  const wanted = minuteOfDay(atMs, timeZone);
  const lateMin = minuteOfDay(sameElapsed, timeZone) - wanted;
  const shortWay = ((lateMin + 3 * HALF_DAY_MIN) % (2 * HALF_DAY_MIN)) - HALF_DAY_MIN;
  const shifted = sameElapsed - shortWay * MS_PER_MIN;
  return isIn(day, shifted) && minuteOfDay(shifted, timeZone) === wanted ? shifted : null;
}

function minuteOfDay(atMs: EpochMs, timeZone: string): number {
  const { hour, minute } = localParts(atMs, timeZone);
  return hour * 60 + minute;
}

function intervals(startMs: EpochMs, endMs: EpochMs, stepMs: number): EpochMs[] {
  return Array.from({ length: Math.round((endMs - startMs) / stepMs) }, (_, k) => startMs + k * stepMs);
}

/** Energy of the interval that holds an instant [Wh]; NaN where it is missing. */
export function energyAt(history: MeterHistory, atMs: EpochMs): number {
  return history.wh[Math.floor((atMs - history.startMs) / history.stepMs)] ?? Number.NaN;
}

/** Mean over days of the interval at the same wall-clock time [Wh]; days without a reading are left out; null if all are. */
export function meanOver(request: {
  readonly history: MeterHistory;
  readonly days: readonly LocalDay[];
  readonly atMs: EpochMs;
  readonly today: LocalDay;
  readonly timeZone: string;
}): number | null {
  const { history, days, atMs, today, timeZone } = request;
  let sum = 0;
  let n = 0;
  for (const day of days) {
    const onThatDayMs = onDay({ atMs, today, day, timeZone });
    const wh = onThatDayMs === null ? Number.NaN : energyAt(history, onThatDayMs);
    if (Number.isNaN(wh)) continue;
    sum += wh;
    n += 1;
  }
  return n === 0 ? null : sum / n;
}

function adjustment(request: {
  readonly history: MeterHistory;
  readonly startMs: EpochMs;
  readonly at: (fromMs: EpochMs) => number | null;
}): { ratio: number; note: string } {
  const { history, startMs, at } = request;
  let metered = 0;
  let expected = 0;
  for (const t of intervals(startMs - ADJUST_FROM_MS, startMs - ADJUST_TO_MS, history.stepMs)) {
    const m = energyAt(history, t);
    const b = at(t);
    if (Number.isNaN(m) || b === null) continue;
    metered += m;
    expected += b;
  }
  if (expected <= 0 || metered <= 0) {
    return { ratio: 1, note: 'no adjustment: the site did not import in the adjustment window' };
  }
  const ratio = metered / expected;
  const capped = Math.min(ADJUST_MAX, Math.max(ADJUST_MIN, ratio));
  return { ratio: capped, note: capped === ratio ? 'same-day ratio' : `same-day ratio ${ratio.toFixed(3)}, capped` };
}
