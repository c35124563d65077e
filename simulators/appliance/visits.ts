import { InputError, type InputProblem, InvariantError, inputError, show } from '../../src/domain/errors.ts';
import { startOfLocalDay } from '../../src/domain/time.ts';
import { clamp, type EpochMs, MS_PER_MIN } from '../../src/domain/units.ts';
import type { RandomStream } from '../../src/ports/random.ts';

/** A stay at the charger: it comes, having used so much since it left, and leaves. */
export interface Visit {
  readonly arriveMs: EpochMs;
  readonly departMs: EpochMs;
  /** Energy driven before it came, ≥ 0 [Wh]. */
  readonly usedWh: number;
}

/** Stays in the order of time; each begins at or after the end of the one before. */
export interface VisitSource {
  next(): Visit | null;
}

/**
 * A day of a car at home: it leaves and comes back once, or stays. Times are minutes of the local day, normally
 * distributed; a return may fall after midnight. Days are independent.
 */
export interface DailyPattern {
  readonly departMin: number;
  readonly departSdMin: number;
  readonly arriveMin: number;
  readonly arriveSdMin: number;
  readonly usedWh: number;
  readonly usedSdWh: number;
  /** Probability that it leaves at all on a day, 0.01..1. One that never leaves is a list of one stay. */
  readonly drivesRatio: number;
}

/** A commuter. Assumed: about 30 miles a day at 0.3 kWh a mile. */
export const COMMUTER: DailyPattern = {
  departMin: 450,
  departSdMin: 45,
  arriveMin: 1065,
  arriveSdMin: 75,
  usedWh: 9_000,
  usedSdWh: 3_500,
  drivesRatio: 0.85,
};

/** @throws InputError when a stay ends before it begins, or begins before the one before has ended */
export function listedVisits(visits: readonly Visit[], place: string): VisitSource {
  let freeMs = Number.NEGATIVE_INFINITY;
  visits.forEach((v, k) => {
    const where = { source: 'appliance fleet', place: `${place}[${k}]` };
    if (!(v.departMs > v.arriveMs && v.arriveMs >= freeMs)) {
      const expected = 'a stay that ends after it begins, not before the end of the one before';
      throw inputError({ ...where, value: show(v), expected });
    }
    if (!(v.usedWh >= 0)) throw inputError({ ...where, value: show(v.usedWh), expected: 'an energy ≥ 0 in Wh' });
    freeMs = v.departMs;
  });
  let at = 0;
  return { next: () => visits[at++] ?? null };
}

/** Longest search for a day on which it leaves: at the least drivesRatio it fails once in 10^16. */
const DAYS_MAX = 3_660;
/** At home, and away, for at least this long. */
const SHORTEST_MS = MS_PER_MIN;

/**
 * Stays after the pattern without end; the first one has begun at startMs. Four draws a day whatever happens, so that
 * one day's fate does not shift the next one's numbers.
 * @throws InputError naming each field of the pattern that is out of range
 */
export function dailyVisits(options: {
  readonly pattern: DailyPattern;
  readonly draw: RandomStream;
  readonly startMs: EpochMs;
  readonly timeZone: string;
  readonly place: string;
}): VisitSource {
  const { pattern: p, draw, startMs, timeZone } = options;
  checkPattern(p, options.place);
  let day = 0;
  let arriveMs = startMs;
  let usedWh = 0;
  return {
    next: () => {
      for (let tried = 0; tried < DAYS_MAX; tried++) {
        const midnightMs = startOfLocalDay(startMs, timeZone, day);
        day += 1;
        const drives = draw.chance(p.drivesRatio);
        const leaveMs = midnightMs + Math.round(draw.normal(p.departMin, p.departSdMin) * MS_PER_MIN);
        const returnMs = midnightMs + Math.round(draw.normal(p.arriveMin, p.arriveSdMin) * MS_PER_MIN);
        const wh = Math.round(clamp(draw.normal(p.usedWh, p.usedSdWh), 0, 4 * p.usedWh));
        const departMs = Math.max(leaveMs, midnightMs);
        if (!drives || departMs < arriveMs + SHORTEST_MS) continue;
        const visit = { arriveMs, departMs, usedWh };
        arriveMs = Math.max(returnMs, departMs + SHORTEST_MS);
        usedWh = wh;
        return visit;
      }
      throw new InvariantError(`no departure within ${DAYS_MAX} days`);
    },
  };
}

function checkPattern(p: DailyPattern, place: string): void {
  const wrong = (field: keyof DailyPattern, ok: boolean, expected: string): InputProblem[] =>
    ok ? [] : [{ source: 'appliance fleet', place: `${place}.${field}`, value: show(p[field]), expected }];
  const range = (field: keyof DailyPattern, min: number, max: number, unit: string): InputProblem[] =>
    wrong(field, p[field] >= min && p[field] <= max, `a number in ${min}..${max}${unit}`);
  const problems = [
    ...range('departMin', 0, 1_440, ' minutes'),
    ...range('departSdMin', 0, 1_440, ' minutes'),
    ...range('arriveMin', 0, 2_880, ' minutes'),
    ...range('arriveSdMin', 0, 1_440, ' minutes'),
    ...range('usedWh', 0, 1_000_000, ' Wh'),
    ...range('usedSdWh', 0, 1_000_000, ' Wh'),
    ...range('drivesRatio', 0.01, 1, ''),
  ];
  if (problems.length > 0) throw new InputError(problems);
}
