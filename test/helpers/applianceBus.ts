import { Kernel } from '../../harness/kernel/kernel.ts';
import { randomSource } from '../../harness/kernel/random.ts';
import { type ApplianceDevice, type ApplianceFleet, createApplianceFleet } from '../../simulators/appliance/fleet.ts';
import { BusLoads } from '../../simulators/appliance/homeLoads.ts';
import { createFleet, type Fleet } from '../../simulators/battery/fleet.ts';
import type { FleetDevice } from '../../simulators/battery/fleetInput.ts';
import { intervalOf } from '../../simulators/site/meter.ts';
import type { MeterInterval } from '../../src/ports/records.ts';
import { HOT_DAY, START_MS, weatherOf } from '../unit/appliance/world.ts';
import { HOME } from '../unit/battery/world.ts';

/** One home with a battery, PV and load whose bus has appliances; physics in steps of a minute, 30 hours. */
export interface Bus {
  readonly kernel: Kernel;
  readonly home: Fleet;
  readonly appliances: ApplianceFleet;
  /** Runs to so many ms after the start. */
  to(ms: number): void;
  /** Reads the meter at the end of each interval up to untilMs after the start. */
  meter(untilMs: number, stepMs: number): MeterInterval[];
}

const MINUTES = 30 * 60;

export function applianceBus(
  devices: readonly ApplianceDevice[],
  change: Partial<FleetDevice> = {},
  loadW: (minute: number) => number = (m) => 400 + 50 * (m % 7),
): Bus {
  const kernel = new Kernel({ startMs: START_MS });
  const buses = new BusLoads(1, START_MS);
  const sun = (m: number): number => Math.max(0, Math.sin((((m / 60 - 6) % 24) / 12) * Math.PI));
  const home = createFleet({
    devices: [{ ...HOME, stormGuardEnabled: false, pvW: 4_000, ...change }],
    profiles: {
      load: [Int32Array.from({ length: MINUTES }, (_, m) => loadW(m))],
      pv: [Float64Array.from({ length: MINUTES }, (_, m) => sun(m))],
    },
    startMs: START_MS,
    stepMs: 60_000,
    scheduler: kernel,
    onMode: () => {},
    loads: buses,
  });
  let ready = false;
  const appliances = createApplianceFleet({
    devices,
    scheduler: kernel,
    random: randomSource('bus'),
    timeZone: 'America/Los_Angeles',
    weather: weatherOf(HOT_DAY),
    homes: home,
    busOf: () => ({
      settle: () => home.advance(0, kernel.nowMs()),
      changed: () => {
        if (ready) home.loadsChanged(0);
      },
    }),
  });
  devices.forEach((d, i) => {
    if (d.kind !== 'home-inverter') buses.add(0, appliances.unit(i));
  });
  ready = true;
  home.loadsChanged(0);
  const to = (ms: number): void => {
    kernel.run(START_MS + ms);
    home.advance(0, START_MS + ms);
  };
  const meter = (untilMs: number, stepMs: number): MeterInterval[] => {
    const intervals: MeterInterval[] = [];
    let from = home.registers(0);
    for (let ms = kernel.nowMs() - START_MS + stepMs; ms <= untilMs; ms += stepMs) {
      to(ms);
      const next = home.registers(0);
      const endMs = START_MS + ms;
      intervals.push(intervalOf({ siteId: 'site-0', startMs: endMs - stepMs, endMs, from, to: next }));
      from = next;
    }
    return intervals;
  };
  return { kernel, home, appliances, to, meter };
}
