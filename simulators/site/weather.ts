/**
 * Weather drawn from the seed, for runs without a weather file. Hourly, one place.
 *
 * Temperature: each day has a low at 06:00 and a high at 15:00 mean solar time, joined by half cosines (the
 * course of a clear day; de Wit 1978 uses the same shape [M]). Sky: Haurwitz' clear sky times 1 − 0.75·N^3.4 for a cloud cover
 * N (Kasten & Czeplak 1980), with N an autoregressive walk around the given ratio; the diffuse share is Erbs'. Left
 * out: wind, humidity, the link between clouds and temperature.
 */
import { invariant } from '../../src/domain/errors.ts';
import { clamp, type EpochMs, MS_PER_DAY, MS_PER_HOUR } from '../../src/domain/units.ts';
import type { RandomSource, RandomStream } from '../../src/ports/random.ts';
import type { Series } from '../../src/ports/series.ts';
import { bridgeGaps } from '../feeds/samples.ts';
import type { Place, SiteWeather } from './siteWeather.ts';
import { cosZenith, erbsDiffuseRatio, extraterrestrialWPerM2, haurwitzGhiWPerM2 } from './sun.ts';

export interface SyntheticWeatherInput extends Place {
  readonly startMs: EpochMs;
  readonly hours: number;
  /** Lows and highs [°C]: one for all days, or one a day from that which holds the start (the last one goes on). */
  readonly lowC: number | readonly number[];
  readonly highC: number | readonly number[];
  /** How far a day strays from them, standard deviation [°C]. */
  readonly dayToDayC?: number;
  /** Mean cloud cover, 0 clear … 1 overcast. */
  readonly cloudiness?: number;
  readonly random: RandomSource;
}

interface Hours {
  readonly startMs: EpochMs;
  readonly hours: number;
}

/** Longest synthetic weather [h]: ten years. */
const HOURS_MAX = 87_672;
const LOW_HOUR = 6;
const HIGH_HOUR = 15;

/**
 * @returns weather from the whole hour that holds startMs, `hours` long
 * @throws  InvariantError when hours is not a whole number in 1…87,672, or cloudiness not in 0…1
 */
export function syntheticWeather(input: SyntheticWeatherInput): SiteWeather {
  const { hours, cloudiness = 0.2, latitudeDeg, longitudeDeg } = input;
  const startMs = Math.floor(input.startMs / MS_PER_HOUR) * MS_PER_HOUR;
  invariant(
    Number.isInteger(hours) && hours >= 1 && hours <= HOURS_MAX,
    `1 to ${HOURS_MAX} hours of weather, not ${hours}`,
  );
  invariant(cloudiness >= 0 && cloudiness <= 1, `cloudiness lies in 0…1, not ${cloudiness}`);
  const series = (unit: string, what: string, values: Float64Array): Series => {
    return { startMs, stepMs: MS_PER_HOUR, unit, values, source: `generated from seed, ${what}` };
  };
  const sky = skyOf(input, { startMs, hours }, cloudiness);
  return {
    latitudeDeg,
    longitudeDeg,
    temperatureC: series('°C', 'air temperature', temperatures(input, { startMs, hours })),
    ghiWPerM2: series('W/m²', 'global horizontal irradiance', sky.ghi),
    dniWPerM2: series('W/m²', 'direct normal irradiance', sky.dni),
    dhiWPerM2: series('W/m²', 'diffuse horizontal irradiance', sky.dhi),
  };
}

interface Extremes {
  readonly low: number;
  readonly high: number;
}

function temperatures(input: SyntheticWeatherInput, { startMs, hours }: Hours): Float64Array {
  const { longitudeDeg, dayToDayC = 1.5, random } = input;
  const solarMs = (longitudeDeg / 360) * MS_PER_DAY;
  const clock = Array.from({ length: hours }, (_, i) => {
    const ms = startMs + solarMs + (i + 0.5) * MS_PER_HOUR;
    const day = Math.floor(ms / MS_PER_DAY);
    return { day, hour: (ms - day * MS_PER_DAY) / MS_PER_HOUR };
  });
  // Clock time runs up to two hours ahead of solar time: a run from local midnight means the solar day about to begin.
  const dayBefore = Math.floor((startMs + solarMs + 2 * MS_PER_HOUR) / MS_PER_DAY) - 1;
  const rng = random('weather/temperature');
  // Days more at each end: their lows and highs shape the first and the last night. Index 2 is the first named day.
  const days = Array.from({ length: (clock.at(-1)?.day ?? 0) - dayBefore + 3 }, (_, i): Extremes => {
    const shift = rng.normal(0, dayToDayC);
    const low = ofDay(input.lowC, i - 2) + shift;
    return { low, high: Math.max(low, ofDay(input.highC, i - 2) + shift) };
  });
  return Float64Array.from(clock, ({ day, hour }) => round1(temperatureAt(hour, day - dayBefore + 1, days)));
}

const ofDay = (values: number | readonly number[], day: number): number =>
  typeof values === 'number' ? values : (values[Math.min(Math.max(0, day), values.length - 1)] ?? Number.NaN);

const round1 = (x: number): number => Math.round(x * 10) / 10;

function temperatureAt(hour: number, day: number, days: readonly Extremes[]): number {
  const low = (i: number) => days[i]?.low ?? Number.NaN;
  const high = (i: number) => days[i]?.high ?? Number.NaN;
  const between = (from: number, to: number, share: number) =>
    from + ((to - from) * (1 - Math.cos(Math.PI * share))) / 2;
  const night = 24 - HIGH_HOUR + LOW_HOUR;
  if (hour < LOW_HOUR) return between(high(day - 1), low(day), (hour + 24 - HIGH_HOUR) / night);
  if (hour < HIGH_HOUR) return between(low(day), high(day), (hour - LOW_HOUR) / (HIGH_HOUR - LOW_HOUR));
  return between(high(day), low(day + 1), (hour - HIGH_HOUR) / night);
}

/** Sun samples an hour; their mean is the hour's irradiance. */
const SAMPLES = 12;
/** Strongest direct beam seen at the ground on clear days [W/m²]; what decomposition gives beyond becomes diffuse. */
const BEAM_W_PER_M2_MAX = 1050;

interface Sky {
  readonly ghi: Float64Array;
  readonly dni: Float64Array;
  readonly dhi: Float64Array;
}

function skyOf(input: SyntheticWeatherInput, { startMs, hours }: Hours, cloudiness: number): Sky {
  const cover = cloudCover(input.random('weather/clouds'), hours, cloudiness);
  const ghi = new Float64Array(hours);
  const dni = new Float64Array(hours);
  const dhi = new Float64Array(hours);
  for (let i = 0; i < hours; i++) {
    const fromMs = startMs + i * MS_PER_HOUR;
    const cosines = Array.from({ length: SAMPLES }, (_, s) =>
      Math.max(0, cosZenith(input, fromMs + ((s + 0.5) * MS_PER_HOUR) / SAMPLES)),
    );
    const cosMean = cosines.reduce((a, b) => a + b, 0) / SAMPLES;
    if (cosMean <= 0) continue;
    const clear = cosines.reduce((sum, c) => sum + haurwitzGhiWPerM2(c), 0) / SAMPLES;
    const global = clear * (1 - 0.75 * (cover[i] ?? 0) ** 3.4);
    const clearness = global / (extraterrestrialWPerM2(fromMs) * cosMean);
    const beam = Math.min((global * (1 - erbsDiffuseRatio(clearness))) / cosMean, BEAM_W_PER_M2_MAX);
    ghi[i] = round1(global);
    dni[i] = round1(beam);
    dhi[i] = round1(global - beam * cosMean);
  }
  return { ghi, dni, dhi };
}

/** Hourly cover in 0…1; a correlation of 0.9 from hour to hour keeps clouds for some ten hours. */
function cloudCover(rng: RandomStream, hours: number, cloudiness: number): Float64Array {
  const out = new Float64Array(hours);
  let walk = rng.normal(0, 1);
  for (let i = 0; i < hours; i++) {
    out[i] = clamp(cloudiness + 0.35 * Math.sqrt(cloudiness) * walk, 0, 1);
    walk = 0.9 * walk + Math.sqrt(1 - 0.9 ** 2) * rng.normal(0, 1);
  }
  return out;
}

/**
 * Bridges gaps of up to `hoursMax` in all four quantities.
 * @returns the weather and how many values were filled
 */
export function bridgeWeather(weather: SiteWeather, hoursMax: number): { weather: SiteWeather; filled: number } {
  const steps = Math.floor((hoursMax * MS_PER_HOUR) / weather.ghiWPerM2.stepMs);
  const t = bridgeGaps(weather.temperatureC, steps);
  const g = bridgeGaps(weather.ghiWPerM2, steps);
  const n = bridgeGaps(weather.dniWPerM2, steps);
  const h = bridgeGaps(weather.dhiWPerM2, steps);
  const bridged = { ...weather, temperatureC: t.series, ghiWPerM2: g.series, dniWPerM2: n.series, dhiWPerM2: h.series };
  return { weather: bridged, filled: t.filled + g.filled + n.filled + h.filled };
}
