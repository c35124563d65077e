import { batteryOfModel, type ModelId } from '../../scenarios/catalogue.ts';
import type { FleetDevice } from '../../simulators/battery/fleetInput.ts';
import type { HomeProfiles } from '../../simulators/battery/home.ts';
import { loadDrivers, loadProfile } from '../../simulators/site/load.ts';
import { haurwitzGhiWPerM2, sunPosition } from '../../simulators/site/sun.ts';
import { type EpochMs, MS_PER_MIN } from '../../src/domain/units.ts';
import type { BatteryOem } from '../../src/ports/oem.ts';
import type { RandomSource } from '../../src/ports/random.ts';
import { specOf } from '../world/spec.ts';

/**
 * The homes behind a cloud that is served: batteries of its maker, each with a load and PV on a roof. One week of both,
 * worked out from the start, comes again and again: enough for whoever watches a battery, no model of a season.
 */
const MODEL: Readonly<Record<BatteryOem, ModelId>> = {
  enphase: 'iq-battery-10c',
  solaredge: 'solaredge-home-battery',
  tesla: 'powerwall-3',
};

/** Los Angeles; assumed, as are the figures below: no fleet is copied. */
export const PLACE = { latitudeDeg: 34.05, longitudeDeg: -118.24 };
export const TIME_ZONE = 'America/Los_Angeles';
export const LOAD_SHAPES = 8;
export const PV_W = 6_000;
/** AC power per watt of nameplate at 1,000 W/m². */
const PV_RATIO = 0.8;
const RESERVE_PCT = 20;
const SOC_PCT = { min: 50, max: 80 } as const;

export const STEP_MS = 15 * MS_PER_MIN;
const WEEK_STEPS = 672;
/** How long there are values for; then the fleet refuses to go on. */
export const WEEKS = 156;

export interface ServedHomes {
  readonly devices: readonly FleetDevice[];
  readonly profiles: HomeProfiles;
  readonly startMs: EpochMs;
}

/** The vendor's id of a home: a number, as the real ones are. */
export const vendorIdAt = (index: number): string => String(1_000_001 + index);

export function makeHomes(request: {
  readonly oem: BatteryOem;
  readonly count: number;
  readonly nowMs: EpochMs;
  readonly random: RandomSource;
}): ServedHomes {
  const { oem, count, nowMs, random } = request;
  const devices = Array.from({ length: count }, (_, i): FleetDevice => {
    const deviceId = vendorIdAt(i);
    const draw = random(`home/${oem}/${deviceId}`);
    return {
      deviceId,
      siteId: deviceId,
      spec: specOf(batteryOfModel(MODEL[oem]), draw.int(SOC_PCT.min, SOC_PCT.max)),
      reservePct: RESERVE_PCT,
      strategy: 'self_consumption',
      stormGuardEnabled: true,
      loadProfile: i % LOAD_SHAPES,
      loadScale: draw.uniform(0.7, 1.3),
      pvProfile: 0,
      pvW: PV_W,
      exportWMax: null,
    };
  });
  return { devices, ...servedProfiles(nowMs, random) };
}

/** Load and PV of served homes from the step that holds a time. */
export function servedProfiles(nowMs: EpochMs, random: RandomSource): Pick<ServedHomes, 'profiles' | 'startMs'> {
  const startMs = Math.floor(nowMs / STEP_MS) * STEP_MS;
  return { profiles: makeProfiles(startMs, random), startMs };
}

function makeProfiles(startMs: EpochMs, random: RandomSource): HomeProfiles {
  const perStep = STEP_MS / MS_PER_MIN;
  const drivers = loadDrivers({ startMs, minutes: WEEK_STEPS * perStep, timeZone: TIME_ZONE });
  const load = Array.from({ length: LOAD_SHAPES }, (_, k) => {
    const minutes = loadProfile({ drivers, rng: random(`load/${k}`) });
    return everyWeek((step) => mean(minutes, step * perStep, perStep));
  });
  const pv = everyWeek((step) => {
    const { elevationDeg } = sunPosition(PLACE, startMs + (step + 0.5) * STEP_MS);
    return (haurwitzGhiWPerM2(Math.sin((elevationDeg * Math.PI) / 180)) / 1000) * PV_RATIO;
  });
  return { load, pv: [pv] };
}

function everyWeek(valueAt: (step: number) => number): Float64Array {
  const week = Float64Array.from({ length: WEEK_STEPS }, (_, step) => valueAt(step));
  const all = new Float64Array(WEEK_STEPS * WEEKS);
  for (let w = 0; w < WEEKS; w++) all.set(week, w * WEEK_STEPS);
  return all;
}

function mean(values: Int32Array, from: number, count: number): number {
  let sum = 0;
  for (let i = from; i < from + count; i++) sum += values[i] ?? 0;
  return sum / count;
}
