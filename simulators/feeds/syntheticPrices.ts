/**
 * Market prices drawn from the seed, for runs without a price file. The shape is that of a sunny system: a mild night,
 * a morning shoulder, a midday low when the sun is up and an evening peak. Day-ahead prices are hourly. Real-time
 * prices stand in 5 or 15 minutes and stray from the same shape by an autoregressive factor, with rare spikes in the
 * hours around the evening peak. Parameters are assumptions; no market's statistics are claimed.
 */
import { invariant } from '../../src/domain/errors.ts';
import { localParts } from '../../src/domain/time.ts';
import { type EpochMs, MS_PER_HOUR, MS_PER_MIN } from '../../src/domain/units.ts';
import type { RandomSource } from '../../src/ports/random.ts';
import type { Series } from '../../src/ports/series.ts';

export interface SyntheticPricesInput {
  readonly startMs: EpochMs;
  readonly hours: number;
  readonly timeZone: string;
  readonly random: RandomSource;
  /** Level of the night. */
  readonly baseUsdPerMwh?: number;
  /** What the peak lies above the base. */
  readonly eveningPeakUsdPerMwh?: number;
  /** Local hour of the peak, 19.5 = 19:30; the hour around it has the expected price base + peak. */
  readonly eveningPeakHour?: number;
  /** What the midday low lies below the base; the price may turn negative. Absent = half the base. */
  readonly middayDipUsdPerMwh?: number;
  readonly realTimeStepMin?: 5 | 15;
  /** Standard deviation of real time ÷ expected. */
  readonly volatilityRatio?: number;
  /** Chance of a spike in each real-time interval within two hours of the peak, and what it adds. */
  readonly spikeRatio?: number;
  readonly spikeUsdPerMwh?: number;
}

/** Longest curve [h]: ten years. */
const HOURS_MAX = 87_672;
const DAY_AHEAD_SD = 0.04;

/**
 * @returns day-ahead (60 min) and real-time series from the whole hour that holds startMs [$/MWh], whole cents
 * @throws  InvariantError when hours is not a whole number in 1…87,672
 */
export function syntheticPrices(input: SyntheticPricesInput): { dayAhead: Series; realTime: Series } {
  const { startMs, expected } = expectedPrices(input);
  const rng = input.random('prices/day-ahead');
  const values = expected.map(({ usdPerMwh }) => cents(usdPerMwh * (1 + rng.normal(0, DAY_AHEAD_SD))));
  const dayAhead = series({ startMs, stepMs: MS_PER_HOUR, values, what: 'day-ahead' });
  return { dayAhead, realTime: realTimeOf({ startMs, expected }, input) };
}

function realTimeOf({ startMs, expected }: Expected, input: SyntheticPricesInput): Series {
  const { realTimeStepMin: stepMin = 5, volatilityRatio = 0.15, spikeRatio = 0.01, spikeUsdPerMwh = 600 } = input;
  const rng = input.random('prices/real-time');
  let stray = 0;
  const values = expected.flatMap(({ usdPerMwh, hoursFromPeak }) =>
    Array.from({ length: 60 / stepMin }, () => {
      stray = STRAY_KEPT * stray + rng.normal(0, volatilityRatio * Math.sqrt(1 - STRAY_KEPT ** 2));
      const spike = rng.chance(spikeRatio) && hoursFromPeak <= 2;
      return cents(usdPerMwh * (1 + stray) + (spike ? spikeUsdPerMwh : 0));
    }),
  );
  return series({ startMs, stepMs: stepMin * MS_PER_MIN, values, what: 'real-time' });
}

/** Share of the deviation that lasts to the next interval. */
const STRAY_KEPT = 0.9;

function series({
  values,
  what,
  ...grid
}: {
  startMs: EpochMs;
  stepMs: number;
  values: readonly number[];
  what: string;
}): Series {
  return { ...grid, unit: '$/MWh', values: Float64Array.from(values), source: `generated from seed, ${what}` };
}

const cents = (x: number): number => Math.round(x * 100) / 100;

const hoursApart = (a: number, b: number): number => Math.min(Math.abs(a - b), 24 - Math.abs(a - b));

interface ExpectedPrice {
  readonly usdPerMwh: number;
  readonly hoursFromPeak: number;
}

interface Expected {
  readonly startMs: EpochMs;
  readonly expected: readonly ExpectedPrice[];
}

/** The mean price of each hour: base, plus Gaussian bumps for morning, midday and evening at the hour's middle. */
function expectedPrices(input: SyntheticPricesInput): Expected {
  const { hours, timeZone, baseUsdPerMwh = 40, eveningPeakUsdPerMwh = 110, eveningPeakHour = 19.5 } = input;
  const { middayDipUsdPerMwh = Math.max(0, baseUsdPerMwh / 2) } = input;
  invariant(
    Number.isInteger(hours) && hours >= 1 && hours <= HOURS_MAX,
    `1 to ${HOURS_MAX} hours of prices, not ${hours}`,
  );
  const startMs = Math.floor(input.startMs / MS_PER_HOUR) * MS_PER_HOUR;
  const expected = Array.from({ length: hours }, (_, i): ExpectedPrice => {
    const p = localParts(startMs + i * MS_PER_HOUR, timeZone);
    const middle = p.hour + p.minute / 60 + 0.5;
    const bump = (at: number, width: number) => Math.exp(-0.5 * (hoursApart(middle, at) / width) ** 2);
    const evening = bump(eveningPeakHour, 1.3);
    const day = 0.15 * eveningPeakUsdPerMwh * bump(7, 1) - middayDipUsdPerMwh * bump(12.5, 2.5);
    // Morning and midday fade out near the peak, so that its hour costs what was asked for wherever it lies.
    const usdPerMwh = baseUsdPerMwh + eveningPeakUsdPerMwh * evening + (1 - evening) * day;
    return { usdPerMwh, hoursFromPeak: hoursApart(middle, eveningPeakHour) };
  });
  return { startMs, expected };
}
