import type { PriceSource, Scenario } from '../../scenarios/schema.ts';
import { readPrices } from '../../simulators/feeds/prices.ts';
import { syntheticPrices } from '../../simulators/feeds/syntheticPrices.ts';
import { inputError } from '../../src/domain/errors.ts';
import { instantOfLocal, localDate, localParts, startOfLocalDay } from '../../src/domain/time.ts';
import { type EpochMs, MS_PER_HOUR } from '../../src/domain/units.ts';
import type { RandomSource } from '../../src/ports/random.ts';
import type { Series } from '../../src/ports/series.ts';
import type { Note, TextFile } from './textFile.ts';

/** Prices of a run, from a file, from 24 numbers or from the seed. */
export interface PriceRequest {
  readonly scenario: Scenario;
  readonly source: Exclude<PriceSource, { kind: 'none' }>;
  readonly market: 'day-ahead' | 'real-time';
  readonly span: { readonly startMs: EpochMs; readonly endMs: EpochMs };
  readonly random: RandomSource;
  readonly readText: (path: string) => TextFile;
  readonly note: (note: Note) => void;
}

export function pricesOf(r: PriceRequest): Series {
  switch (r.source.kind) {
    case 'hourly':
      return hourlyPrices(r, r.source.usdPerMwh, r.source.source);
    case 'synthetic':
      return synthetic(r, r.source);
    case 'file':
      return fromFile(r, r.source);
  }
}

const daySpan = (r: PriceRequest) => ({
  startMs: startOfLocalDay(r.span.startMs, r.scenario.timeZone),
  endMs: startOfLocalDay(r.span.endMs - 1, r.scenario.timeZone, 1),
});

function hourlyPrices(r: PriceRequest, usdPerMwh: readonly number[], source: string): Series {
  const { startMs, endMs } = daySpan(r);
  const values = Float64Array.from({ length: (endMs - startMs) / MS_PER_HOUR }, (_, k) => {
    return usdPerMwh[localParts(startMs + k * MS_PER_HOUR, r.scenario.timeZone).hour] ?? Number.NaN;
  });
  return { startMs, stepMs: MS_PER_HOUR, unit: '$/MWh', values, source };
}

/** Each market is drawn by itself: a scenario may shape the two differently. */
function synthetic(r: PriceRequest, s: Extract<PriceSource, { kind: 'synthetic' }>): Series {
  const { startMs, endMs } = daySpan(r);
  const made = syntheticPrices({
    startMs,
    hours: Math.ceil((endMs - startMs) / MS_PER_HOUR),
    timeZone: r.scenario.timeZone,
    random: r.random,
    baseUsdPerMwh: s.baseUsdPerMwh,
    eveningPeakUsdPerMwh: s.peakUsdPerMwh - s.baseUsdPerMwh,
    eveningPeakHour: s.peakHour + 0.5,
  });
  return r.market === 'day-ahead' ? made.dayAhead : made.realTime;
}

function fromFile(r: PriceRequest, s: Extract<PriceSource, { kind: 'file' }>): Series {
  const { text, source } = r.readText(s.path);
  const read = readPrices({ text, source, node: s.node, market: r.market });
  for (const n of read.notes) r.note({ source, what: `row ${n.row}: ${n.what}` });
  const series = r.market === 'day-ahead' ? read.dayAhead : read.realTime;
  if (series === null) {
    throw inputError({
      source,
      place: 'market',
      value: `no ${r.market} prices`,
      expected: `${r.market} prices of ${s.node}`,
    });
  }
  const { timeZone } = r.scenario;
  const day = startOfLocalDay(r.span.startMs, timeZone);
  const fromMs = s.date === undefined ? day : instantOfLocal(`${s.date}T00:00`, timeZone, { source, place: 'date' });
  return cut(series, { fromMs, toMs: fromMs + (daySpan(r).endMs - day), shiftMs: day - fromMs, timeZone });
}

/** The part of a series in [fromMs, toMs), moved by shiftMs; refused when the file has no value there at all. */
function cut(series: Series, at: { fromMs: EpochMs; toMs: EpochMs; shiftMs: number; timeZone: string }): Series {
  const first = Math.floor((at.fromMs - series.startMs) / series.stepMs);
  const count = Math.ceil((at.toMs - at.fromMs) / series.stepMs);
  const values = Float64Array.from({ length: count }, (_, k) => series.values[first + k] ?? Number.NaN);
  if (values.every((v) => Number.isNaN(v))) {
    const day = (ms: number) => localDate(ms, at.timeZone);
    throw inputError({
      source: series.source,
      place: 'date',
      value: day(at.fromMs),
      expected: `a day from ${day(series.startMs)} to ${day(series.startMs + series.values.length * series.stepMs - 1)}`,
    });
  }
  return { ...series, startMs: series.startMs + first * series.stepMs + at.shiftMs, values };
}
