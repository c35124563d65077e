import { localParts, startOfLocalDay } from '../domain/time.ts';
import { type EpochMs, MS_PER_DAY, MS_PER_HOUR } from '../domain/units.ts';

/**
 * The 10-in-10 baseline with same-day adjustment.
 *
 * Theory: the mean of the same interval over the last ten similar days (weekday or weekend) without an event, looked
 * for at most 45 days back; scaled by the ratio of the metered to the baseline energy in the three hours that end one
 * hour before the event, the ratio capped to 0.8..1.2.
 * Standing: the rule is from memory of CAISO's tariff and secondary texts; no numeric example of CAISO's was found, so
 * what is computed here is labelled "10-in-10, derived" and must not be called a CAISO settlement.
 * Left out: holidays, 5-in-10, meter-generator output.
 */
export const BASELINE_METHOD = '10-in-10 with same-day adjustment ±20 % (derived)';

const DAYS_WANTED = 10;
const DAYS_BACK_MAX = 45;
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

/**
 * @param history    the site's register, intervals aligned with the event's edges
 * @param eventDays  local midnights of days that had an event: they are not similar
 */
export function tenInTen(request: {
  readonly history: MeterHistory;
  readonly startMs: EpochMs;
  readonly endMs: EpochMs;
  readonly timeZone: string;
  readonly eventDays: ReadonlySet<EpochMs>;
}): Baseline {
  const { history, startMs, endMs } = request;
  const days = similarDays(request);
  const at = (fromMs: EpochMs) => meanOver(history, days, fromMs, startOfLocalDay(fromMs, request.timeZone));
  const raw = intervals(startMs, endMs, history.stepMs).map(at);
  const { ratio, note } = adjustment({ history, startMs, at });
  return {
    wh: raw.map((x) => (x === null ? null : x * ratio)),
    daysUsed: days.length,
    adjustment: ratio,
    adjustmentNote: days.length < DAYS_WANTED ? `${note}; only ${days.length} similar days` : note,
  };
}

/** Local midnights of the days to average, newest first; empty if there are fewer than five. */
export function similarDays(request: {
  readonly history: MeterHistory;
  readonly startMs: EpochMs;
  readonly timeZone: string;
  readonly eventDays: ReadonlySet<EpochMs>;
}): EpochMs[] {
  const { history, startMs, timeZone, eventDays } = request;
  const weekend = isWeekend(startMs, timeZone);
  const found: EpochMs[] = [];
  for (let back = 1; back <= DAYS_BACK_MAX && found.length < DAYS_WANTED; back++) {
    const day = startOfLocalDay(startMs, timeZone, -back);
    if (day < history.startMs) break;
    if (eventDays.has(day) || isWeekend(day, timeZone) !== weekend) continue;
    found.push(day);
  }
  return found.length >= DAYS_MIN ? found : [];
}

const isWeekend = (atMs: EpochMs, timeZone: string): boolean => localParts(atMs, timeZone).weekday >= 6;

function intervals(startMs: EpochMs, endMs: EpochMs, stepMs: number): EpochMs[] {
  return Array.from({ length: Math.round((endMs - startMs) / stepMs) }, (_, k) => startMs + k * stepMs);
}

function energyAt(history: MeterHistory, atMs: EpochMs): number {
  return history.wh[Math.round((atMs - history.startMs) / history.stepMs)] ?? Number.NaN;
}

function meanOver(history: MeterHistory, days: readonly EpochMs[], atMs: EpochMs, midnightMs: EpochMs): number | null {
  let sum = 0;
  let n = 0;
  for (const day of days) {
    const v = energyAt(history, day + ((atMs - midnightMs) % MS_PER_DAY));
    if (Number.isNaN(v)) continue;
    sum += v;
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
