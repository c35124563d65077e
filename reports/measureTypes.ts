import type { CommandRoute, CommandStatus, EndReason, OperatingMode } from '../src/domain/command.ts';
import type { ExclusionReason, Program, Provenance } from '../src/domain/program.ts';
import type { EpochMs } from '../src/domain/units.ts';
import type { RawPoint } from '../src/ports/field.ts';
import type { RunStarted, SiteInWorld, SiteState } from '../src/ports/records.ts';
import type { ApplianceMeasures } from './applianceTypes.ts';

/**
 * The figures of a run. Energy is whole Wh; every total is the sum of its parts, whichever way it is cut: interval ×
 * device = device = group = event = program. Power is mean W over an interval. Delivered is positive when the site
 * took less from the grid, or gave more to it, than it would have without the events.
 */
export interface RunMeasures {
  readonly run: Omit<RunStarted, 'kind'>;
  /** False when the log stops before its run-ended record. */
  readonly complete: boolean;
  readonly records: number;
  readonly totals: EnergyTotals;
  readonly programs: readonly ProgramMeasure[];
  readonly events: readonly EventMeasure[];
  readonly devices: readonly DeviceMeasure[];
  readonly commands: readonly CommandMeasure[];
  readonly commandCounts: readonly CommandCount[];
  readonly enrollments: readonly EnrollmentCount[];
  readonly series: SeriesMeasure;
  readonly ledger: LedgerMeasure;
  readonly faults: readonly FaultMeasure[];
  readonly refusals: readonly { readonly atMs: EpochMs; readonly what: string; readonly why: string }[];
  readonly exchanges: readonly ExchangeCount[];
  readonly notifications: readonly { readonly type: string; readonly count: number }[];
  readonly fields: readonly FieldMeasure[];
  readonly alerts: readonly AlertMeasure[];
  readonly incidents: readonly Incident[];
  /** Null in a run without chargers, vehicles, thermostats and inverters. */
  readonly appliances: ApplianceMeasures | null;
  readonly provenance: readonly ProvenanceLine[];
}

export interface EnergyTotals {
  readonly targetWh: number;
  readonly plannedWh: number;
  readonly baselineWh: number;
  readonly meteredWh: number;
  /** baselineWh − meteredWh − stormWh. */
  readonly deliveredWh: number;
  /**
   * What the meter moved, against the baseline, in intervals touched by an active storm. It counts neither for nor
   * against the event (the device had left grid services); negative = the extra recharge.
   */
  readonly stormWh: number;
}

export interface ProgramMeasure extends EnergyTotals {
  readonly program: Program;
  readonly events: number;
  /** deliveredWh ÷ targetWh; null without a target. */
  readonly ratio: number | null;
  /** Mean of the events' delivered power ÷ nominated power; null without events or nomination. */
  readonly performanceFactor: number | null;
  readonly paymentUsd: number;
}

export interface IntervalMeasure extends EnergyTotals {
  readonly startMs: EpochMs;
  readonly endMs: EpochMs;
  /** Day-ahead price; null = not known. */
  readonly priceUsdPerMwh: number | null;
}

export interface EventMeasure extends EnergyTotals {
  readonly eventId: string;
  readonly programId: string;
  readonly kind: 'dispatch' | 'test' | 'incentive';
  readonly calledBy: string;
  readonly status: 'offered' | 'running' | 'ended' | 'cancelled';
  readonly startMs: EpochMs;
  /** The end as it happened: a cancelled event ends when it was cancelled. */
  readonly endMs: EpochMs;
  readonly ratio: number | null;
  readonly nominatedW: number;
  /** Mean delivered power ÷ nominated power; null without a nomination. */
  readonly nominationRatio: number | null;
  /** max(0, deliveredWh) × the program's rate; no cap on delivery above the target is applied. */
  readonly paymentUsd: number;
  /** Σ delivered × day-ahead price over the intervals with a price. */
  readonly energyValueUsd: number;
  /** Delivered energy in intervals without a known price, left out of the value. */
  readonly unpricedWh: number;
  readonly intervals: readonly IntervalMeasure[];
  readonly groups: readonly GroupMeasure[];
  readonly devices: readonly DeviceEventMeasure[];
  /** Sums exactly to targetWh − deliveredWh. */
  readonly shortfall: readonly ShortfallLine[];
  /** The same with planning and delivery together. */
  readonly reasons: readonly ReasonLine[];
  /** Additional grid energy in the two hours after the event [Wh], and its highest interval mean [W]. */
  readonly snapbackWh: number;
  readonly snapbackPeakW: number;
  /** What the core's own method says; null before event.measured. */
  readonly derived: DerivedMeasure | null;
  /** Device-intervals inside the event without a meter value or a baseline: they count as 0 and are named. */
  readonly unmeasuredCells: number;
}

/** Delivered by the core's method, from meter data alone ("10-in-10, derived"). */
export interface DerivedMeasure {
  readonly method: string;
  /** Over the devices with such a baseline; null when none has one. */
  readonly deliveredWh: number | null;
  readonly devicesWithBaseline: number;
  readonly devicesWithoutBaseline: number;
}

export interface GroupMeasure extends EnergyTotals {
  readonly group: string;
  readonly devices: number;
  readonly ratio: number | null;
}

export interface DeviceEventMeasure extends EnergyTotals {
  readonly deviceId: string;
  readonly siteId: string;
  readonly group: string;
  readonly oem: string;
  /** plannedWh is what was asked of this device; targetWh is 0 here, as a target belongs to the fleet. */
  readonly ratio: number | null;
  readonly stormMs: number;
  readonly rechargeWh: number;
  readonly excluded: readonly {
    readonly reason: ExclusionReason;
    readonly durationMs: number;
    /** What it could have given in that time [Wh]. */
    readonly capableWh: number;
  }[];
  readonly missing: readonly { readonly reason: ShortfallReason; readonly wh: number }[];
  readonly commandIds: readonly string[];
  readonly snapbackWh: number;
  readonly derivedWh: number | null;
  readonly adjustment: number | null;
  readonly adjustmentNote: string;
}

export type ShortfallReason =
  | Exclude<ExclusionReason, 'not_needed'>
  | 'fleet_too_small'
  | 'no_plan'
  | 'not_measured'
  | 'link_lost'
  | 'device_offline'
  | 'late_start'
  | 'no_command'
  | 'delivery_failed'
  | 'oem_refused'
  | 'outcome_unknown'
  | 'no_telemetry'
  | 'no_effect'
  | 'cancelled'
  | 'superseded'
  | 'no_route'
  | 'earlier_discharge'
  | 'effect_partly_seen'
  | 'small_deviation'
  | 'over_delivery';

/** One cause of target − delivered. Only "small_deviation" and "over_delivery" can be negative. */
export interface ShortfallLine {
  readonly stage: 'planning' | 'delivery';
  readonly reason: ShortfallReason;
  readonly wh: number;
  readonly devices: number;
}

/** One cause over both stages, for readers. */
export type ReasonLine = Omit<ShortfallLine, 'stage'>;

export interface DeviceMeasure {
  readonly deviceId: string;
  readonly siteId: string;
  readonly group: string;
  readonly siteKind: SiteInWorld['siteKind'];
  readonly oem: string;
  readonly model: string;
  readonly usableWh: number;
  readonly reservePct: number;
  readonly socStartPct: number | null;
  readonly socEndPct: number | null;
  readonly socMinPct: number | null;
  readonly stormMs: number;
  readonly stormDischargeMj: number;
  /** Charge in intervals touched by an active storm. */
  readonly rechargeWh: number;
  readonly chargeWh: number;
  readonly dischargeWh: number;
  readonly importWh: number;
  readonly exportWh: number;
}

export interface CommandMeasure {
  readonly commandId: string;
  readonly deviceId: string;
  readonly by: string;
  readonly eventId: string | null;
  readonly mode: OperatingMode;
  readonly powerW: number | null;
  readonly startMs: EpochMs;
  readonly endMs: EpochMs;
  readonly acceptedMs: EpochMs;
  readonly route: CommandRoute | null;
  readonly routeWhy: string;
  readonly sentMs: EpochMs | null;
  readonly attempts: number;
  readonly acknowledgedMs: EpochMs | null;
  readonly endedMs: EpochMs | null;
  readonly status: CommandStatus;
  readonly reason: EndReason | null;
  readonly detail: string;
}

export interface CommandCount {
  readonly status: CommandStatus;
  readonly reason: EndReason | null;
  readonly count: number;
}

export interface EnrollmentCount {
  readonly programId: string;
  readonly status: string;
  readonly count: number;
  /** Reasons given for the last change, most frequent first. */
  readonly whys: readonly { readonly why: string; readonly count: number }[];
}

/** Sums over all sites for each meter interval; index i belongs to startMs[i]. */
export interface SeriesMeasure {
  readonly startMs: readonly EpochMs[];
  readonly batteryW: readonly number[];
  readonly gridW: readonly number[];
  /** Null where a site has no baseline for the interval. */
  readonly baselineGridW: readonly (number | null)[];
  readonly targetW: readonly number[];
  readonly socPct: readonly { readonly group: string; readonly pct: readonly (number | null)[] }[];
  readonly dayAheadUsdPerMwh: readonly (number | null)[];
  readonly realTimeUsdPerMwh: readonly (number | null)[];
  readonly temperatureC: readonly (number | null)[];
}

/** Energy books of every meter interval; a residual that is not 0 is a bug of the simulated world. */
export interface LedgerMeasure {
  readonly intervals: number;
  readonly siteResidualMj: number;
  readonly batteryResidualMj: number;
  /** Devices against the registers of their sites, and the stores of cars. */
  readonly applianceResidualMj: number;
  /** Intervals whose books do not close, each with its residuals; the first 20. */
  readonly open: readonly {
    readonly siteId: string;
    readonly startMs: EpochMs;
    readonly siteMj: number;
    readonly batteryMj: number;
  }[];
}

export interface FaultMeasure {
  readonly what: string;
  readonly target: string;
  readonly beginMs: EpochMs;
  /** Null = it lasted to the end of the run. */
  readonly endMs: EpochMs | null;
}

export interface ExchangeCount {
  readonly to: string;
  readonly total: number;
  readonly ok: number;
  readonly refused: number;
  readonly serverError: number;
  readonly noAnswer: number;
  /** Exchanges in which an injected fault played a part. */
  readonly faulted: number;
}

/** A site reached over DNP3: its link, its plant and what the master did, in order of time. */
export interface FieldMeasure {
  readonly siteId: string;
  readonly linkDownMs: number;
  readonly operates: number;
  readonly operated: number;
  readonly refused: number;
  readonly unknown: number;
  readonly integrityReads: number;
  readonly steps: readonly FieldStep[];
  /** Steps beyond the limit, left out of `steps`. */
  readonly stepsLeftOut: number;
  /** What the master read; null when the log has no points of the site. */
  readonly feed: FeedMeasure | null;
}

export interface FeedMeasure {
  /** The points map with the site's overrides in it. */
  readonly revision: string;
  readonly provenance: Provenance;
  /** Points that were read, in the order of the map, each with its last value. */
  readonly points: readonly FeedPoint[];
  /** The last normalised battery as the core was told. */
  readonly state: SiteState | null;
  /** In order of time, for a chart. */
  readonly samples: readonly FeedSample[];
  /** Changes that found no room in the log. */
  readonly leftOut: number;
}

export interface FeedPoint {
  readonly type: RawPoint['type'];
  /** "AI537". */
  readonly name: string;
  readonly key: string | null;
  readonly meaning: string;
  readonly unit: string;
  readonly overridden: boolean;
  /** As on the wire; null = not a number. */
  readonly raw: number | null;
  readonly value: number | null;
  readonly flags: number;
  readonly atMs: EpochMs;
  readonly quality: RawPoint['timeQuality'];
  readonly source: RawPoint['source'];
}

/** target, read, plant: kW, + discharge; enabled: 1 or 0; soc: %. `plant` is the truth, the others are as read. */
export interface FeedSample {
  readonly atMs: EpochMs;
  readonly what: 'target' | 'enabled' | 'read' | 'plant' | 'soc';
  readonly value: number | null;
}

/** One step, or the same control sent again and again to keep the site's watchdog fed, until something else happens. */
export interface FieldStep {
  readonly atMs: EpochMs;
  readonly what: string;
  readonly detail: string;
  readonly times: number;
  readonly lastMs: EpochMs;
}

export interface AlertMeasure {
  readonly atMs: EpochMs;
  readonly event: string;
  readonly status: string;
  readonly severity: string;
  readonly headline: string;
  readonly onsetMs: EpochMs;
  readonly endMs: EpochMs;
  readonly zones: readonly string[];
  readonly acted: boolean;
  readonly why: string;
}

/** What happened to a device apart from commands, for the cause chain. */
export interface Incident {
  readonly deviceId: string;
  readonly atMs: EpochMs;
  readonly what: string;
  readonly why: string;
}

export interface ProvenanceLine {
  readonly what: string;
  readonly source: string;
  readonly standing: string;
}
