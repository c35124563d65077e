import { invariant, show } from '../src/domain/errors.ts';
import { instantOfLocal, localDate, startOfLocalDay } from '../src/domain/time.ts';
import { type EpochMs, MS_PER_DAY, MS_PER_HOUR, MS_PER_MIN } from '../src/domain/units.ts';
import { AFTER_START, CLOCK, DURATION } from './scalars.ts';

/** Lengths of time and points in a run, as a scenario writes them, in milliseconds. */
const MS_PER: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  min: MS_PER_MIN,
  h: MS_PER_HOUR,
  d: MS_PER_DAY,
};

/** "90s" → 90 000. The text has passed the schema; anything else is a bug. */
export function durationMs(text: string): number {
  const [, digits, unit] = DURATION.exec(text) ?? [];
  const perUnit = MS_PER[unit ?? ''];
  invariant(digits !== undefined && perUnit !== undefined, `${show(text)} is a length of time`);
  return Number(digits) * perUnit;
}

interface Run {
  readonly name: string;
  readonly start: string;
  readonly timeZone: string;
  readonly duration: string;
}

export const startMsOf = (run: Run): EpochMs =>
  instantOfLocal(run.start, run.timeZone, { source: run.name, place: 'start' });

export const endMsOf = (run: Run): EpochMs => startMsOf(run) + durationMs(run.duration);

/**
 * The instant of a time in a scenario.
 * @param at  "18:00" (its first occurrence at or after the start), "2024-07-10T18:00", or "+90min" after the start
 * @throws    InputError for a local time that daylight saving time skips or doubles
 */
export function instantAt(run: Run, at: string, place = 'time'): EpochMs {
  const where = { source: run.name, place };
  const startMs = startMsOf(run);
  if (AFTER_START.test(at)) return startMs + durationMs(at.slice(1));
  if (!CLOCK.test(at)) return instantOfLocal(at, run.timeZone, where);
  // Both are local: comparing the texts compares the clocks.
  const clockOfStart = run.start.slice(11).padEnd(8, ':00');
  const day = startOfLocalDay(startMs, run.timeZone, `${at}:00` >= clockOfStart ? 0 : 1);
  return instantOfLocal(`${localDate(day, run.timeZone)}T${at}`, run.timeZone, where);
}

/** [from, until) of a fault, an approval or a period: without `until` it lasts to the end of the run. */
export function spanOf(run: Run, span: { readonly from: string; readonly until?: string }) {
  return {
    startMs: instantAt(run, span.from, 'from'),
    endMs: span.until === undefined ? endMsOf(run) : instantAt(run, span.until, 'until'),
  };
}
