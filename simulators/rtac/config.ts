import type { PointsMapConfig } from '../../src/domain/pointsMap.ts';
import type { EpochMs } from '../../src/domain/units.ts';
import type { BatterySpec } from '../battery/physics.ts';

/** A utility-scale battery behind an RTAC, as a scenario describes it. */
export interface RtacConfig {
  readonly siteId: string;
  readonly addresses: { readonly master: number; readonly outstation: number };
  readonly battery: BatterySpec;
  /** Floor of the plant's own reserve [% of usable]. */
  readonly reservePct: number;
  /** Fastest change of power in either direction [W/s], ≥ 1. */
  readonly rampWPerS: number;
  /** Silence of the master after which the plant goes to its safe state while it follows a setpoint [ms]. */
  readonly watchdogMs: number;
  /** The plant's own plan when nobody controls it [W], + discharge; absent = idle. */
  readonly schedule?: (nowMs: EpochMs) => number;
  /** May the outstation send events unasked. */
  readonly unsolicited?: boolean;
  /** Unit of the capacity points: Wh (BI27 = 1) or the note's default amp-hours, which a master must refuse. */
  readonly capacityUnit?: 'Wh' | 'Ah';
  /** Where this site has its points; absent = as AN2018-001 has them. With totalEnergy in it the site has a counter. */
  readonly pointsMap?: PointsMapConfig;
  /** Line to line at the point of connection [V]; absent = 12 470 V, a distribution voltage. */
  readonly nominalV?: number;
}

/**
 * schedule   follows its own plan
 * following  holds the master's target: of AGC in watts or of charge/discharge mode in percent
 * safe       0 W after the master fell silent or did not refresh its target; until it is enabled or released again
 * stopped    ceased to energise; until it is returned to service
 */
export type PlantState = 'schedule' | 'following' | 'safe' | 'stopped';
export type PlantMode = 'agc' | 'charge-discharge';

export interface PlantChange {
  readonly atMs: EpochMs;
  readonly state: PlantState;
  /** AC power now, + discharge [W]. */
  readonly powerW: number;
  readonly cause: string;
}

/** Cumulative registers, whole mJ; `dispatchedMj` is the discharge while following. */
export interface PlantRegisters {
  readonly storedMj: number;
  readonly chargeMj: number;
  readonly dischargeMj: number;
  readonly chargeLossMj: number;
  readonly dischargeLossMj: number;
  readonly standbyMj: number;
  readonly dispatchedMj: number;
  /** The revenue meter at the point of connection, integrated from the power there. */
  readonly importMj: number;
  readonly exportMj: number;
}

/** Switches at the site's door, and what its sensors say. */
export interface SiteSwitches {
  /** Control is taken at the site. */
  local: boolean;
  lockout: boolean;
  /** The controller does not reach the battery: its values are old. */
  communicationError: boolean;
  internalTemperatureHigh: boolean;
  externalTemperatureHigh: boolean;
}

export type SiteAlarmSwitch = Exclude<keyof SiteSwitches, 'local' | 'lockout'>;
