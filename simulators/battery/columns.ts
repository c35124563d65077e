import { type BatteryColumns, type BatterySpec, makeBatteryColumns } from './physics.ts';

/**
 * The store of a fleet of home batteries: physics, the owner's settings and the running command, one value per device.
 * Guards read it, actions write it, and nothing else of a device's mode lives anywhere but in the machine's state.
 */
export interface DeviceColumns {
  readonly battery: BatteryColumns;
  /** The owner's floor for outages [%]. */
  readonly reservePct: Float64Array;
  /** 1 = Storm Guard goes before grid commands (the rule); 0 only where a test plants the fault. */
  readonly stormFirst: Uint8Array;
  /** The running command; magnitude [W], −1 = all it can. */
  readonly commandW: Float64Array;
  /** Floor and ceiling of the running command [%]; 0 and 100 when none runs. */
  readonly commandFloorPct: Float64Array;
  readonly commandCeilPct: Float64Array;
  /** 1 = the running command may push energy through the meter. */
  readonly commandExport: Uint8Array;
  /** Commands that were taken and ignored. */
  readonly ignored: Float64Array;
}

export interface DeviceSettings {
  readonly spec: BatterySpec;
  readonly reservePct: number;
}

export function makeDeviceColumns(devices: readonly DeviceSettings[], stormFirst: boolean): DeviceColumns {
  const n = devices.length;
  return {
    battery: makeBatteryColumns(devices.map((d) => d.spec)),
    reservePct: Float64Array.from(devices, (d) => d.reservePct),
    stormFirst: new Uint8Array(n).fill(stormFirst ? 1 : 0),
    commandW: new Float64Array(n),
    commandFloorPct: new Float64Array(n),
    commandCeilPct: new Float64Array(n).fill(100),
    commandExport: new Uint8Array(n),
    ignored: new Float64Array(n),
  };
}

/** A share of the usable energy, rounded so that a floor is never set too low nor a ceiling too high [mJ]. */
export const floorMjAt = (c: BatteryColumns, i: number, pct: number): number =>
  Math.ceil(((c.usableMj[i] ?? 0) * pct) / 100);
export const ceilMjAt = (c: BatteryColumns, i: number, pct: number): number =>
  Math.floor(((c.usableMj[i] ?? 0) * pct) / 100);
