import { Kernel } from '../../../harness/kernel/kernel.ts';
import { createFleet, type Fleet } from '../../../simulators/battery/fleet.ts';
import type { FleetConfig, FleetDevice, ModeRecord } from '../../../simulators/battery/fleetInput.ts';
import type { BatterySpec } from '../../../simulators/battery/physics.ts';
import type { DeviceControl } from '../../../src/ports/device.ts';

export const HOME_SPEC: BatterySpec = {
  usableWh: 13_500,
  chargeWMax: 5000,
  dischargeWMax: 5000,
  chargeRatio: 0.95,
  dischargeRatio: 0.95,
  standbyW: 0,
  storedWh: 6750,
};

export const HOME: FleetDevice = {
  deviceId: 'home-0',
  siteId: 'site-0',
  spec: HOME_SPEC,
  reservePct: 20,
  strategy: 'self_consumption',
  stormGuardEnabled: true,
  loadProfile: 0,
  loadScale: 1,
  pvProfile: 0,
  pvW: 1000,
  exportWMax: null,
};

export const CONTROL: DeviceControl = {
  mode: 'discharge',
  powerW: null,
  endMs: null,
  reservePctMin: 0,
  reservePctMax: 100,
  allowExport: true,
  cause: 'test',
};

export interface World {
  readonly fleet: Fleet;
  readonly kernel: Kernel;
  readonly modes: ModeRecord[];
  /** Runs the kernel and moves every device there. */
  to(ms: number): void;
}

export function world(
  devices: readonly FleetDevice[],
  profiles: { readonly loadW: readonly number[]; readonly pvRatio: readonly number[] },
  more: Partial<FleetConfig> = {},
): World {
  const kernel = new Kernel({ startMs: 0 });
  const modes: ModeRecord[] = [];
  const fleet = createFleet({
    devices,
    profiles: { load: [Int32Array.from(profiles.loadW)], pv: [Float64Array.from(profiles.pvRatio)] },
    startMs: 0,
    stepMs: 60_000,
    scheduler: kernel,
    onMode: (record) => modes.push(record),
    ...more,
  });
  const to = (ms: number): void => {
    kernel.run(ms);
    fleet.advanceAll(ms);
  };
  return { fleet, kernel, modes, to };
}

export const MINUTE = 60_000;
export const flat = (value: number, minutes: number): number[] => Array.from({ length: minutes }, () => value);
