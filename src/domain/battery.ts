import type { EpochMs } from './units.ts';

/**
 * The normalised battery, the same for a home battery behind an OEM cloud and a utility-scale one behind DNP3.
 * Field names, units and signs are those of Texture's battery data model (docs/integrations/data-models/batteries,
 * TextureHQ/docs @02e9856), so that what a partner reads elsewhere means the same here.
 */
export type ChargingState = 'charging' | 'discharging' | 'idle' | 'unknown';
export type GridStatus = 'idle' | 'exporting' | 'importing' | 'unknown';
export type BatteryStrategy = 'self_consumption' | 'time_of_use' | 'backup' | 'unknown';

export interface BatteryState {
  /** Stored energy as the device counts it [Wh]. */
  readonly charge: number;
  /** State of charge [% of usable capacity]. */
  readonly chargePercentage: number;
  readonly chargingState: ChargingState;
  /** AC power at the battery's terminals [W], positive = discharging. */
  readonly chargeRate: number;
  /** The floor kept for outages [%]. */
  readonly backupReserve: number;
  readonly gridStatus: GridStatus;
  /** Power at the site's meter [W], positive = import; null where no site meter is known. */
  readonly gridPower: number | null;
  readonly strategy: BatteryStrategy;
  /** The owner lets the OEM's storm mode act. */
  readonly isStormModeEnabled: boolean;
  /** A storm alert is being acted on now: the battery charges up and leaves grid services. */
  readonly isStormModeActive: boolean;
  /** When the device measured this. */
  readonly sampledAtMs: EpochMs;
}

/** What is known of a battery without asking it. */
export interface BatteryNameplate {
  /** Energy between empty and full [Wh]. */
  readonly usableWh: number;
  /** Limits at the AC terminals, ≥ 0 [W]. */
  readonly chargeWMax: number;
  readonly dischargeWMax: number;
}

export function chargingStateOf(chargeRate: number): ChargingState {
  if (!Number.isFinite(chargeRate)) return 'unknown';
  if (chargeRate > 0) return 'discharging';
  return chargeRate < 0 ? 'charging' : 'idle';
}

export function gridStatusOf(gridPower: number | null): GridStatus {
  if (gridPower === null || !Number.isFinite(gridPower)) return 'unknown';
  if (gridPower > 0) return 'importing';
  return gridPower < 0 ? 'exporting' : 'idle';
}
