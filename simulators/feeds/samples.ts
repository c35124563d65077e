/**
 * From stamped values to a Series of equal intervals. A reader turns each row into a Sample (instant of the interval's
 * START, value, row); here they are put on the grid. What is missing becomes NaN and a note with the row it is missing
 * after; what comes twice is a note, and the first value stands.
 */
import { inputError, show } from '../../src/domain/errors.ts';
import { isoUtc } from '../../src/domain/time.ts';
import { type EpochMs, MS_PER_MIN } from '../../src/domain/units.ts';
import type { DataNote, Series } from '../../src/ports/series.ts';

export interface Sample {
  readonly startMs: EpochMs;
  readonly value: number;
  readonly row: number;
}

/** Longest series [intervals]: 20 years of minutes. Beyond it a date is more likely wrong than the series long. */
export const INTERVALS_MAX = 10_519_200;

export interface GridInput {
  readonly samples: readonly Sample[];
  readonly stepMs: number;
  readonly unit: string;
  /** File, as in messages. */
  readonly source: string;
  /** Added to the source of the series: node, column. */
  readonly what: string;
  /** Whether rows may come in any order (a raw OASIS report does). */
  readonly order: 'rising' | 'any';
}

/**
 * @returns the series from the first to the last sample, and notes on gaps, repeats and missing values by row
 * @throws  InputError when there is no sample, time goes back (order 'rising'), or a stamp is off the grid
 */
export function seriesOf(input: GridInput): { series: Series; notes: DataNote[] } {
  const { stepMs, unit, source, what } = input;
  const samples = ordered(input);
  const first = samples[0];
  const last = samples.at(-1);
  if (first === undefined || last === undefined) {
    throw inputError({ source, place: what, value: 'no rows', expected: 'at least one row of data' });
  }
  const count = (last.startMs - first.startMs) / stepMs + 1;
  if (count > INTERVALS_MAX) {
    const value = `${isoUtc(first.startMs)} to ${isoUtc(last.startMs)}`;
    const expected = `at most ${INTERVALS_MAX} intervals of ${stepMs / MS_PER_MIN} min`;
    throw inputError({ source, place: `row ${last.row}`, value, expected });
  }
  const notes: DataNote[] = [];
  const values = new Float64Array(Math.floor(count)).fill(Number.NaN);
  let before: Sample | undefined;
  for (const sample of samples) {
    if (before !== undefined && sample.startMs === before.startMs) {
      notes.push({ row: sample.row, what: repeatText(what, before, sample) });
      continue;
    }
    const index = (sample.startMs - first.startMs) / stepMs;
    if (!Number.isInteger(index)) {
      const expected = `a stamp a whole number of ${stepMs / MS_PER_MIN} min steps after ${isoUtc(first.startMs)}`;
      throw inputError({ source, place: `row ${sample.row}`, value: isoUtc(sample.startMs), expected });
    }
    if (before !== undefined) noteGap(notes, { before, sample, stepMs, what });
    values[index] = sample.value;
    before = sample;
  }
  notes.push(...missingRuns(samples, what));
  const series = { startMs: first.startMs, stepMs, unit, values, source: `${source}, ${what}` };
  return { series, notes: notes.sort((a, b) => a.row - b.row) };
}

function ordered({ samples, order, source }: GridInput): readonly Sample[] {
  if (order === 'any') return [...samples].sort((a, b) => a.startMs - b.startMs || a.row - b.row);
  for (const [i, sample] of samples.entries()) {
    const before = samples[i - 1];
    if (before !== undefined && sample.startMs < before.startMs) {
      const expected = `a time not before that of row ${before.row}, ${isoUtc(before.startMs)}`;
      throw inputError({ source, place: `row ${sample.row}`, value: isoUtc(sample.startMs), expected });
    }
  }
  return samples;
}

const repeatText = (what: string, kept: Sample, other: Sample): string =>
  Object.is(kept.value, other.value)
    ? `${what}: ${isoUtc(kept.startMs)} comes again (first in row ${kept.row}) with the same value`
    : `${what}: ${isoUtc(kept.startMs)} comes again (first in row ${kept.row}) with ${other.value}; ${kept.value} kept`;

interface GapEdges {
  readonly before: Sample;
  readonly sample: Sample;
  readonly stepMs: number;
  readonly what: string;
}

function noteGap(notes: DataNote[], { before, sample, stepMs, what }: GapEdges): void {
  const absent = (sample.startMs - before.startMs) / stepMs - 1;
  if (absent <= 0) return;
  const from = isoUtc(before.startMs + stepMs);
  notes.push({
    row: before.row,
    what: `${what}: gap of ${absent} interval${absent === 1 ? '' : 's'} after row ${before.row}, ${from} to ${isoUtc(sample.startMs)}`,
  });
}

/** Runs of empty cells, one note a run. */
function missingRuns(samples: readonly Sample[], what: string): DataNote[] {
  const notes: DataNote[] = [];
  let run: { first: Sample; last: Sample; count: number } | undefined;
  const close = () => {
    if (run === undefined) return;
    const rows = run.count === 1 ? `row ${run.first.row}` : `rows ${run.first.row} to ${run.last.row}`;
    notes.push({
      row: run.first.row,
      what: `${what}: no value in ${rows} (${run.count} interval${run.count === 1 ? '' : 's'})`,
    });
    run = undefined;
  };
  for (const sample of samples) {
    if (!Number.isNaN(sample.value)) close();
    else if (run === undefined) run = { first: sample, last: sample, count: 1 };
    else run = { first: run.first, last: sample, count: run.count + 1 };
  }
  close();
  return notes;
}

/**
 * The part of a series that covers [startMs, endMs), on the series' own grid.
 * @throws InputError when the series does not reach that far, with the range it has
 */
export function cutSeries(series: Series, { startMs, endMs }: { startMs: EpochMs; endMs: EpochMs }): Series {
  const seriesEndMs = series.startMs + series.values.length * series.stepMs;
  if (startMs < series.startMs || endMs > seriesEndMs || endMs <= startMs) {
    throw inputError({
      source: series.source,
      place: 'time range',
      value: show(`${isoUtc(startMs)} to ${isoUtc(endMs)}`),
      expected: `a range within ${isoUtc(series.startMs)} to ${isoUtc(seriesEndMs)}`,
    });
  }
  const from = Math.floor((startMs - series.startMs) / series.stepMs);
  const to = Math.ceil((endMs - series.startMs) / series.stepMs);
  return { ...series, startMs: series.startMs + from * series.stepMs, values: series.values.slice(from, to) };
}

/**
 * Bridges short gaps by a straight line between the neighbours; longer ones, and those at an end, stay NaN.
 * @param stepsMax  longest gap to bridge [intervals]
 * @returns         the series and how many intervals were filled; never done unless asked for
 */
export function bridgeGaps(series: Series, stepsMax: number): { series: Series; filled: number } {
  const values = series.values.slice();
  let filled = 0;
  let i = 0;
  while (i < values.length) {
    if (!Number.isNaN(values[i])) {
      i += 1;
      continue;
    }
    let end = i;
    while (end < values.length && Number.isNaN(values[end])) end += 1;
    const left = values[i - 1];
    const right = values[end];
    if (left !== undefined && right !== undefined && end - i <= stepsMax) {
      for (let k = i; k < end; k++) values[k] = left + ((right - left) * (k - i + 1)) / (end - i + 1);
      filled += end - i;
    }
    i = end;
  }
  return { series: { ...series, values }, filled };
}
