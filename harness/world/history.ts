import type { Scenario } from '../../scenarios/schema.ts';
import { startMsOf } from '../../scenarios/times.ts';
import { BusLoads } from '../../simulators/appliance/homeLoads.ts';
import { createFleet, type FleetRegisters } from '../../simulators/battery/fleet.ts';
import type { FleetDevice } from '../../simulators/battery/fleetInput.ts';
import type { CoreInput } from '../../src/core/input.ts';
import type { RandomSource } from '../../src/ports/random.ts';
import { Kernel } from '../kernel/kernel.ts';
import { type HomeAppliance, hangAppliances } from './appliances.ts';
import { historyStartOf, type WorldInputs } from './inputs.ts';
import { netWh } from './metering.ts';
import type { Profiles } from './profiles.ts';

/**
 * The meter readings of the days before the run: the same homes under their owners' own strategies, with their cars and
 * thermostats as nobody sets them, on coarse steps of one meter interval. A baseline needs them; a run of one day cannot make them.
 */
export function homeHistory(r: {
  readonly scenario: Scenario;
  readonly inputs: WorldInputs;
  readonly random: RandomSource;
  readonly devices: readonly FleetDevice[];
  readonly appliances: readonly HomeAppliance[];
  readonly profiles: Profiles;
}): CoreInput[] {
  const { scenario, devices, profiles } = r;
  const startMs = historyStartOf(scenario);
  const endMs = startMsOf(scenario);
  const stepMs = profiles.historyStepMs;
  if (devices.length === 0 || endMs <= startMs) return [];
  const kernel = new Kernel({ startMs });
  const buses = new BusLoads(devices.length, startMs);
  const fleet = createFleet({
    devices,
    profiles: profiles.history,
    startMs,
    stepMs,
    scheduler: kernel,
    onMode: () => {},
    loads: buses,
  });
  const list = r.appliances.filter((a) => a.kind !== 'inverter');
  hangAppliances({ ...r, list, buses, homes: fleet, scheduler: kernel, label: 'history/', onNote: () => {} });
  const grid: number[][] = devices.map(() => []);
  const battery: number[][] = devices.map(() => []);
  const last: FleetRegisters[] = devices.map((_, i) => fleet.registers(i));
  for (let t = startMs + stepMs; t <= endMs; t += stepMs) {
    kernel.run(t);
    fleet.advanceAll(t);
    devices.forEach((_, i) => {
      const from = last[i];
      const to = fleet.registers(i);
      if (from === undefined) return;
      const wh = netWh(from, to);
      grid[i]?.push(wh.gridWh);
      battery[i]?.push(wh.batteryWh);
      last[i] = to;
    });
  }
  return devices.map((d, i) => ({
    kind: 'meter',
    siteId: d.siteId,
    startMs,
    stepMs,
    gridWh: grid[i] ?? [],
    batteryWh: battery[i] ?? [],
  }));
}

/** A utility-scale battery stood idle on the days before: its plan without control is 0 W. */
export function bessHistory(scenario: Scenario, stepMs: number): CoreInput[] {
  const startMs = historyStartOf(scenario);
  const count = Math.max(0, Math.round((startMsOf(scenario) - startMs) / stepMs));
  const idle = new Array<number>(count).fill(0);
  return scenario.fleet.bess.map(({ siteId }) => ({
    kind: 'meter',
    siteId,
    startMs,
    stepMs,
    gridWh: idle,
    batteryWh: idle,
  }));
}
