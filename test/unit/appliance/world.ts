import { Kernel } from '../../../harness/kernel/kernel.ts';
import { randomSource } from '../../../harness/kernel/random.ts';
import { USUAL_EV } from '../../../simulators/appliance/evPhysics.ts';
import {
  type ApplianceDevice,
  type ApplianceFleet,
  type ApplianceFleetConfig,
  createApplianceFleet,
} from '../../../simulators/appliance/fleet.ts';
import { USUAL_HOUSE } from '../../../simulators/appliance/thermal.ts';
import type { ApplianceNote } from '../../../simulators/appliance/unit.ts';
import type { SiteWeather } from '../../../simulators/site/siteWeather.ts';
import type { Series } from '../../../src/ports/series.ts';

/** Devices in virtual time from 2024-07-10 00:00 in Los Angeles; 1 h = 3,600,000 ms. */
export const START_MS = Date.UTC(2024, 6, 10, 7);
export const HOUR = 3_600_000;
export const MINUTE = 60_000;

type Of<K extends ApplianceDevice['kind']> = Extract<ApplianceDevice, { kind: K }>;

export const ev = (change: Partial<Extract<ApplianceDevice, { visits: unknown }>> = {}) =>
  ({
    kind: 'vehicle',
    deviceId: 'car',
    spec: USUAL_EV,
    storedWh: 30_000,
    chargeLimitPct: 80,
    visits: { list: [{ arriveMs: START_MS + HOUR, departMs: START_MS + 9 * HOUR, usedWh: 10_000 }] },
    ...change,
  }) satisfies ApplianceDevice;

export const thermostat = (change: Partial<Of<'thermostat'>> = {}) =>
  ({
    kind: 'thermostat',
    deviceId: 'house',
    house: USUAL_HOUSE,
    mode: 'cool',
    fan: 'auto',
    heatTarget: 66,
    coolTarget: 74,
    roomF: 74,
    ...change,
  }) satisfies ApplianceDevice;

export const inverter = (change: Partial<Of<'inverter'>> = {}) =>
  ({
    kind: 'inverter',
    deviceId: 'roof',
    pvProfile: 0,
    pvW: 5_000,
    loadProfile: 0,
    loadScale: 1,
    ...change,
  }) satisfies ApplianceDevice;

const series = (unit: string, values: readonly number[]): Series => ({
  startMs: START_MS,
  stepMs: HOUR,
  unit,
  values: Float64Array.from(values),
  source: 'test',
});

/** Hourly outdoor temperatures [°C] and irradiance [W/m²]. */
export const weatherOf = (
  outdoorC: readonly number[],
  ghi: readonly number[] = outdoorC.map(() => 0),
): SiteWeather => ({
  latitudeDeg: 34,
  longitudeDeg: -118,
  temperatureC: series('°C', outdoorC),
  ghiWPerM2: series('W/m²', ghi),
  dniWPerM2: series('W/m²', ghi),
  dhiWPerM2: series('W/m²', ghi),
});

/** A hot day, its highest at 16:00 local. */
export const HOT_DAY = Array.from({ length: 48 }, (_, h) => 29 + 9 * Math.cos(((h - 16) / 24) * 2 * Math.PI));

export interface World {
  readonly kernel: Kernel;
  readonly fleet: ApplianceFleet;
  readonly notes: ApplianceNote[];
  /** Runs to so many ms after the start. */
  to(ms: number): void;
}

export function world(devices: readonly ApplianceDevice[], change: Partial<ApplianceFleetConfig> = {}): World {
  const kernel = new Kernel({ startMs: START_MS });
  const notes: ApplianceNote[] = [];
  const fleet = createApplianceFleet({
    devices,
    scheduler: kernel,
    random: randomSource('appliance'),
    timeZone: 'America/Los_Angeles',
    weather: weatherOf(HOT_DAY),
    profiles: {
      startMs: START_MS,
      stepMs: HOUR,
      load: [Int32Array.from({ length: 48 }, (_, h) => 500 + 100 * (h % 5))],
      pv: [Float64Array.from({ length: 48 }, (_, h) => Math.max(0, Math.sin(((h - 6) / 12) * Math.PI)))],
    },
    onNote: (note) => notes.push(note),
    ...change,
  });
  return { kernel, fleet, notes, to: (ms) => kernel.run(START_MS + ms) };
}
