import type { BatteryState } from '../domain/battery.ts';
import type { OperatingMode } from '../domain/command.ts';
import type { EpochMs } from '../domain/units.ts';

/** What a manufacturer's cloud tells its device to do. */
export interface DeviceControl {
  readonly mode: OperatingMode;
  /** Magnitude at the AC terminals [W]; null = all it can. */
  readonly powerW: number | null;
  /** The device goes back to its own strategy at this time by itself; null = only when told. */
  readonly endMs: EpochMs | null;
  /** Floor and ceiling for this control [%]; the owner's reserve holds as well. */
  readonly reservePctMin: number;
  readonly reservePctMax: number;
  /** May push energy through the meter into the grid; otherwise it covers the home's load only. */
  readonly allowExport: boolean;
  /** For the log: the cloud's reference of the command. */
  readonly cause: string;
}

export interface DeviceSample {
  readonly state: BatteryState;
  /** What the device follows now. */
  readonly operation: 'self-consumption' | 'charge' | 'discharge' | 'idle' | 'storm';
  readonly loadW: number;
  readonly pvW: number;
  /** Limits at the AC terminals, ≥ 0 [W]. */
  readonly chargeWMax: number;
  readonly dischargeWMax: number;
  readonly usableWh: number;
}

/**
 * The devices as their clouds reach them, by position in the fleet. "taken" says only that the message arrived: a
 * device in an active storm takes a grid command and ignores it.
 */
export interface FleetPort {
  /** Whether the device can reach its cloud now; a sample of one that cannot stays with the device. */
  isOnline(device: number): boolean;
  sample(device: number): DeviceSample;
  control(device: number, control: DeviceControl): 'taken' | 'offline';
  /** The owner's floor for outages from now on [%], 0..100. */
  keepReserve(device: number, reservePct: number, cause: string): 'taken' | 'offline';
  setStorm(device: number, active: boolean, cause: string): 'taken' | 'offline';
}
