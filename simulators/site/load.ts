/**
 * The consumption of a home, minute by minute, in whole watts.
 *
 *   load = size · habits(local clock − shift, weekend) · noise + cooling · (T − comfort)⁺, at most the air conditioner
 *        + appliances switched on at random, more often when people are up
 *
 * Habits have a base, a morning and an evening peak. What all homes share (clock, weekend, degrees above comfort) is
 * worked out once for a run (loadDrivers); each home then draws its size, shift and noise from its own stream. The
 * parameters are assumptions of this project, chosen so that an average home uses about 20 kWh on a mild day; they
 * claim no measured fleet. Left out: heating, correlation between neighbours other than weather and clock.
 */
import { invariant } from '../../src/domain/errors.ts';
import { localParts } from '../../src/domain/time.ts';
import { clamp, type EpochMs, MS_PER_MIN } from '../../src/domain/units.ts';
import type { RandomStream } from '../../src/ports/random.ts';
import { type Series, valueAt } from '../../src/ports/series.ts';
import { requireCovered } from './pv.ts';

export interface LoadModel {
  readonly baseW: number;
  readonly morningW: number;
  readonly morningHour: number;
  readonly eveningW: number;
  readonly eveningHour: number;
  /** Added between 9:00 and 18:00 on Saturday and Sunday. */
  readonly weekendW: number;
  readonly comfortC: number;
  readonly coolingWPerC: number;
  readonly coolingWMax: number;
  /** Share of homes with air conditioning. */
  readonly coolingRatio: number;
  /** Spread of sizes: standard deviation of the logarithm. */
  readonly sizeSd: number;
  readonly shiftMinSd: number;
  readonly noiseSd: number;
  readonly appliancesPerDay: number;
}

/** @source assumption of this project, see above */
export const HOME_LOAD: LoadModel = {
  baseW: 350,
  morningW: 450,
  morningHour: 7.5,
  eveningW: 1000,
  eveningHour: 19.5,
  weekendW: 200,
  comfortC: 22,
  coolingWPerC: 160,
  coolingWMax: 3500,
  coolingRatio: 0.85,
  sizeSd: 0.35,
  shiftMinSd: 40,
  noiseSd: 0.15,
  appliancesPerDay: 6,
};

/** What all homes of a run share, one value a minute. */
export interface LoadDrivers {
  readonly startMs: EpochMs;
  readonly minutes: number;
  readonly model: LoadModel;
  /** Local minute of the day, 0…1439. */
  readonly minuteOfDay: Uint16Array;
  readonly weekend: Uint8Array;
  /** Degrees above comfort [°C], ≥ 0. */
  readonly aboveComfortC: Float64Array;
  /** Mean habits [W] by local minute, weekday then weekend: 2 × 1440. */
  readonly habitsW: Float64Array;
}

/** Longest profile [min]: two years. */
const MINUTES_MAX = 1_052_640;
/** Daylight saving time changes on a quarter of an hour UTC in every zone in use, so the clock is asked that often. */
const CLOCK_MIN = 15;

/** @throws InputError when the temperature does not cover the range or has a value missing in it */
export function loadDrivers({
  startMs,
  minutes,
  timeZone,
  temperatureC,
  model = {},
}: {
  startMs: EpochMs;
  minutes: number;
  timeZone: string;
  /** Absent = never above comfort. */
  temperatureC?: Series | undefined;
  model?: Partial<LoadModel> | undefined;
}): LoadDrivers {
  invariant(
    Number.isInteger(minutes) && minutes >= 0 && minutes <= MINUTES_MAX,
    `0 to ${MINUTES_MAX} minutes, not ${minutes}`,
  );
  invariant(startMs % MS_PER_MIN === 0, 'a profile begins on a whole minute');
  if (temperatureC !== undefined && minutes > 0)
    requireCovered(temperatureC, { startMs, endMs: startMs + minutes * MS_PER_MIN });
  const full = { ...HOME_LOAD, ...model };
  const minuteOfDay = new Uint16Array(minutes);
  const weekend = new Uint8Array(minutes);
  const aboveComfortC = new Float64Array(minutes);
  let clock = { minute: 0, weekend: 0 };
  for (let i = 0; i < minutes; i++) {
    const atMs = startMs + i * MS_PER_MIN;
    if (i === 0 || (atMs / MS_PER_MIN) % CLOCK_MIN === 0) {
      const p = localParts(atMs, timeZone);
      clock = { minute: p.hour * 60 + p.minute, weekend: p.weekday >= 6 ? 1 : 0 };
    } else clock.minute += 1;
    minuteOfDay[i] = clock.minute;
    weekend[i] = clock.weekend;
    if (temperatureC !== undefined) aboveComfortC[i] = Math.max(0, smoothAt(temperatureC, atMs) - full.comfortC);
  }
  return { startMs, minutes, model: full, minuteOfDay, weekend, aboveComfortC, habitsW: habits(full) };
}

/** Interval means joined by straight lines between interval centres. */
function smoothAt(series: Series, atMs: EpochMs): number {
  const x = (atMs - series.startMs) / series.stepMs - 0.5;
  const left = Math.floor(x);
  const a = series.values[left];
  const b = series.values[left + 1];
  if (a === undefined || b === undefined || Number.isNaN(a) || Number.isNaN(b)) return valueAt(series, atMs);
  return a + (b - a) * (x - left);
}

function habits(model: LoadModel): Float64Array {
  const bump = (hour: number, at: number, width: number) => {
    const away = Math.abs(hour - at);
    return Math.exp(-0.5 * (Math.min(away, 24 - away) / width) ** 2);
  };
  return Float64Array.from({ length: 2880 }, (_, i) => {
    const hour = (i % 1440) / 60;
    const free = i >= 1440 && hour >= 9 && hour < 18 ? model.weekendW : 0;
    const morning = model.morningW * bump(hour, model.morningHour, 1.2);
    return model.baseW + morning + model.eveningW * bump(hour, model.eveningHour, 1.8) + free;
  });
}

/** Log-normal with mean 1. */
const sizeOf = (rng: RandomStream, { sizeSd }: LoadModel): number => Math.exp(rng.normal(-0.5 * sizeSd ** 2, sizeSd));

/** The noise holds for this long, so that a home's load has steps of minutes, not a hiss. */
const NOISE_MIN = 5;

/**
 * One home, from its own stream.
 * @returns load [W], whole, ≥ 0, one value for each minute of the drivers
 */
export function loadProfile({ drivers, rng }: { drivers: LoadDrivers; rng: RandomStream }): Int32Array {
  const { model, minutes, minuteOfDay, weekend, aboveComfortC, habitsW } = drivers;
  const size = sizeOf(rng, model);
  const shift = Math.round(clamp(rng.normal(0, model.shiftMinSd), -180, 180));
  const cools = rng.chance(model.coolingRatio);
  const coolingSize = sizeOf(rng, model);
  const out = new Int32Array(minutes);
  let noise = 1;
  for (let i = 0; i < minutes; i++) {
    if (i % NOISE_MIN === 0) noise = clamp(1 + 0.8 * (noise - 1) + rng.normal(0, 0.6 * model.noiseSd), 0.4, 1.8);
    const minute = ((minuteOfDay[i] ?? 0) - shift + 1440) % 1440;
    const habit = habitsW[(weekend[i] ?? 0) * 1440 + minute] ?? 0;
    const wanted = cools ? model.coolingWPerC * (aboveComfortC[i] ?? 0) * coolingSize : 0;
    out[i] = Math.round(size * habit * noise + Math.min(wanted, model.coolingWMax));
  }
  addAppliances(out, drivers, rng);
  return out;
}

const APPLIANCE_W = { min: 800, max: 2500 };
const APPLIANCE_MIN = { min: 5, max: 45 };
/** Candidates for each run wanted; about a third is kept. */
const CANDIDATES = 3;

/** Share of candidates kept at a local minute: the more, the higher the habits. */
const keptRatio = (habitsW: Float64Array, minute: number, model: LoadModel): number =>
  (habitsW[minute] ?? 0) / (model.baseW + model.morningW + model.eveningW);

/** Short runs (kettle, oven, dryer), thinned so that most happen when habits are high. */
function addAppliances(out: Int32Array, drivers: LoadDrivers, rng: RandomStream): void {
  const { model, minutes, minuteOfDay, habitsW } = drivers;
  if (model.appliancesPerDay <= 0) return;
  const gapMin = 1440 / (model.appliancesPerDay * CANDIDATES);
  for (let at = rng.exponential(gapMin); at < minutes; at += rng.exponential(gapMin)) {
    const start = Math.floor(at);
    const kept = rng.chance(keptRatio(habitsW, minuteOfDay[start] ?? 0, model));
    const powerW = rng.int(APPLIANCE_W.min, APPLIANCE_W.max);
    const end = Math.min(minutes, start + rng.int(APPLIANCE_MIN.min, APPLIANCE_MIN.max));
    if (!kept) continue;
    for (let i = start; i < end; i++) out[i] = (out[i] ?? 0) + powerW;
  }
}
