import type { ApplianceKind } from '../src/domain/appliance.ts';
import type { ApplianceCommandStatus } from '../src/domain/applianceCommand.ts';
import type { EndReason } from '../src/domain/command.ts';
import type { SettingSlug } from '../src/domain/setting.ts';
import type { EpochMs } from '../src/domain/units.ts';

/** Figures of chargers, vehicles, thermostats and inverters. Energy is whole Wh on the AC side unless it says otherwise. */
export interface ApplianceMeasures {
  readonly devices: readonly ApplianceMeasure[];
  readonly settings: readonly SettingMeasure[];
  readonly moved: readonly SettingEffect[];
  readonly series: ApplianceSeries;
}

export interface ApplianceMeasure {
  readonly deviceId: string;
  readonly siteId: string;
  readonly group: string;
  readonly kind: ApplianceKind;
  /** Taken; null for an inverter, whose energy is in the site's register. */
  readonly usedWh: number | null;
  readonly ev: CarMeasure | null;
  readonly room: RoomMeasure | null;
}

export interface CarMeasure {
  readonly capacityWh: number;
  readonly lossWh: number;
  readonly drivenWh: number;
  /** What trips would have needed and the store did not hold. */
  readonly shortWh: number;
  readonly socStartPct: number | null;
  readonly socEndPct: number | null;
  readonly departures: number;
  /** The least charged departure; null when it never left. */
  readonly departurePctMin: number | null;
}

export interface RoomMeasure {
  readonly coolingMs: number;
  readonly heatingMs: number;
  readonly lowF: number | null;
  readonly highF: number | null;
  readonly endF: number | null;
}

export interface SettingMeasure {
  readonly commandId: string;
  readonly deviceId: string;
  readonly by: string;
  readonly slug: SettingSlug;
  readonly asked: string;
  /** It sets back what stood before another. */
  readonly setsBack: boolean;
  readonly startMs: EpochMs;
  /** Null = it stands. */
  readonly endMs: EpochMs | null;
  readonly acceptedMs: EpochMs;
  readonly endedMs: EpochMs | null;
  readonly status: ApplianceCommandStatus;
  readonly reason: EndReason | null;
  readonly detail: string;
}

/** What one setting, given to one device or to all with a tag, moved at the sites of these devices. */
export interface SettingEffect {
  readonly slug: SettingSlug;
  readonly asked: string;
  readonly by: string;
  readonly devices: number;
  readonly succeeded: number;
  readonly startMs: EpochMs;
  /** The end of the run for one that stands. */
  readonly endMs: EpochMs;
  /** The register that it is about. */
  readonly what: 'ev' | 'hvac' | 'export';
  /** In the meter intervals that it touches. */
  readonly usedWh: number;
  /** The same in the world without events and settings, and the difference; null where that world is not known. */
  readonly withoutWh: number | null;
  readonly savedWh: number | null;
  /**
   * More than in that world in the two hours after the end; null where it is not known, the setting
   * stands, or another one of the kind rules then.
   */
  readonly backWh: number | null;
  /** Highest mean power of an interval in these two hours, and in that world [W]. */
  readonly backPeakW: number | null;
  readonly withoutPeakW: number | null;
}

/** Sums over all sites by meter interval; index i belongs to startMs[i]. Power is the interval's mean. */
export interface ApplianceSeries {
  readonly startMs: readonly EpochMs[];
  readonly evW: readonly number[];
  readonly hvacW: readonly number[];
  /** In the world without events and settings; null where it is not known. */
  readonly withoutEvW: readonly (number | null)[];
  readonly withoutHvacW: readonly (number | null)[];
  /** Mean of the cars, home or away, at the end of the interval [%]; null without cars. */
  readonly carPct: readonly (number | null)[];
  /** Mean, lowest and highest room [°F]; null without thermostats. */
  readonly roomF: readonly (number | null)[];
  readonly roomLowF: readonly (number | null)[];
  readonly roomHighF: readonly (number | null)[];
}
