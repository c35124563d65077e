import type { ApplianceKind } from '../domain/appliance.ts';
import type { ChargingState } from '../domain/battery.ts';
import type { Fact } from '../domain/fact.ts';
import type { Provenance } from '../domain/program.ts';
import type { SiteTelemetry } from '../domain/siteTelemetry.ts';
import type { EpochMs } from '../domain/units.ts';
import type { RawPoint } from './field.ts';
import type { WeatherAlert } from './series.ts';

/**
 * The run log: the ordered facts of a run, one canonical JSON line each (keys sorted, no spaces). Its SHA-256 names the
 * run: same seed and build, same hash. Nothing of the machine is in it. Reports are made from the log alone.
 */
export type LogRecord = { readonly atMs: EpochMs } & LogBody;

export type LogBody =
  | RunStarted
  | SiteInWorld
  | { readonly kind: 'fact'; readonly fact: Fact }
  /** A request that the core refused: nothing changed. */
  | { readonly kind: 'refusal'; readonly what: string; readonly why: string }
  /** One exchange with a cloud that was not a telemetry poll; status null = no answer came. */
  | {
      readonly kind: 'exchange';
      readonly to: string;
      readonly method: string;
      readonly path: string;
      readonly status: number | null;
      readonly sentMs: EpochMs;
      readonly fault: string | null;
    }
  | { readonly kind: 'fault'; readonly what: string; readonly target: string; readonly phase: 'begins' | 'ends' }
  /** The device's own modes after a change, by the device's clock: the truth, which the core learns later or never. */
  | {
      readonly kind: 'device-mode';
      readonly deviceId: string;
      readonly operation: string;
      readonly storm: string;
      readonly connection: string;
      readonly cause: string;
    }
  /** A charger, vehicle, thermostat or inverter of a home, once at the start. */
  | ApplianceInWorld
  /**
   * Its modes after a change, by its own clock. Stored energy of a car that comes or goes [mJ]; null for everything else.
   */
  | {
      readonly kind: 'appliance-mode';
      readonly deviceId: string;
      readonly mode: string;
      readonly connection: string;
      readonly cause: string;
      readonly storedMj: number | null;
    }
  | ApplianceInterval
  | MeterInterval
  | MeterReading
  | {
      readonly kind: 'series';
      readonly name: 'price-day-ahead' | 'price-real-time' | 'temperature' | 'irradiance';
      readonly unit: string;
      readonly startMs: EpochMs;
      readonly stepMs: number;
      readonly values: readonly (number | null)[];
      readonly source: string;
    }
  | { readonly kind: 'alert'; readonly alert: WeatherAlert; readonly acted: boolean; readonly why: string }
  | { readonly kind: 'link'; readonly siteId: string; readonly up: boolean }
  /** The plant behind an RTAC: what it does and why. */
  | {
      readonly kind: 'plant';
      readonly siteId: string;
      readonly state: 'schedule' | 'following' | 'safe' | 'stopped';
      readonly powerW: number;
      readonly cause: string;
    }
  /** The master's side of a DNP3 site, in order, so that "reads before it controls" can be checked. */
  | {
      readonly kind: 'field';
      readonly siteId: string;
      readonly what: 'integrity-read' | 'operate' | 'operated' | 'refused' | 'unknown';
      readonly detail: string;
    }
  /** The points of a DNP3 site as its map has them, once at the start of a run: for a reader of `points`. */
  | PointsOfSite
  | ReadPoints
  | SiteState
  /** What happened inside a maker's cloud and no API tells: a command that did not reach its device. */
  | {
      readonly kind: 'cloud';
      readonly oem: string;
      readonly deviceId: string;
      readonly what: 'delivery-failed' | 'swallowed' | 'refused';
      readonly detail: string;
    }
  /** The owner changed what is kept for outages. */
  | { readonly kind: 'reserve'; readonly deviceId: string; readonly reservePct: number }
  /** A message for the workspace's destinations (webhooks). */
  | {
      readonly kind: 'notification';
      readonly workspaceId: string;
      readonly type: string;
      readonly subject: string;
      readonly detail: string;
    }
  | CounterfactualInterval
  | { readonly kind: 'run-ended'; readonly virtualMs: number };

export interface PointsOfSite {
  readonly kind: 'points-map';
  readonly siteId: string;
  /** With the overrides of the site in it. */
  readonly revision: string;
  readonly provenance: Provenance;
  readonly points: readonly {
    readonly type: RawPoint['type'];
    readonly index: number;
    /** What the connector calls it; null for a point that is only kept raw. */
    readonly key: string | null;
    readonly name: string;
    readonly meaning: string;
    readonly unit: string;
    /** Value in `unit` = raw × factor. */
    readonly factor: number;
    readonly overridden: boolean;
  }[];
}

/**
 * Raw points as the master read them: an irregular, event-driven feed. Only those whose value or flags differ from what
 * stands here already, at most POINTS_PER_MIN_MAX a site and minute of the run (a whole map is some 240); what is more is
 * counted in `leftOut` of the next record and stands here with its next change.
 */
export interface ReadPoints {
  readonly kind: 'points';
  readonly siteId: string;
  readonly points: readonly {
    readonly type: RawPoint['type'];
    readonly index: number;
    /** As on the wire; null = not a finite number. */
    readonly value: number | null;
    readonly flags: number;
    /** By the device's clock, or when it was received: `quality` tells. */
    readonly atMs: EpochMs;
    readonly quality: RawPoint['timeQuality'];
    readonly source: RawPoint['source'];
  }[];
  readonly leftOut: number;
}

export const POINTS_PER_MIN_MAX = 600;

/**
 * The normalised battery of a DNP3 site as the core was told: when it differs from the record before, and then at most
 * SITE_STATES_PER_MIN_MAX a site and minute; what finds no room is written with the next one that has it, if it still holds.
 * Null = not known.
 */
export interface SiteState {
  readonly kind: 'site-state';
  readonly siteId: string;
  readonly sampledAtMs: EpochMs;
  readonly local: boolean;
  readonly battery: {
    readonly charge: number | null;
    readonly chargePercentage: number | null;
    readonly chargingState: ChargingState;
    readonly chargeRate: number | null;
    readonly backupReserve: number | null;
  };
  readonly site: Omit<SiteTelemetry, 'sampledAtMs'>;
}

export const SITE_STATES_PER_MIN_MAX = 6;

export interface RunStarted {
  readonly kind: 'run-started';
  readonly scenario: string;
  readonly title: string;
  readonly seed: string;
  readonly startMs: EpochMs;
  readonly endMs: EpochMs;
  readonly timeZone: string;
  readonly meterIntervalMs: number;
  readonly version: string;
}

export interface SiteInWorld {
  readonly kind: 'site';
  readonly siteId: string;
  readonly deviceId: string;
  readonly group: string;
  readonly siteKind: 'home' | 'bess';
  readonly oem: string;
  readonly model: string;
  readonly usableMj: number;
  readonly chargeWMax: number;
  readonly dischargeWMax: number;
  readonly reservePct: number;
  readonly pvW: number;
  readonly zones: readonly string[];
}

export interface ApplianceInWorld {
  readonly kind: 'appliance';
  readonly siteId: string;
  readonly deviceId: string;
  readonly group: string;
  readonly applianceKind: ApplianceKind;
  readonly model: string;
  /** Of a car [mJ]; null for everything else. */
  readonly capacityMj: number | null;
  /** Most AC power that it takes, or gives as an inverter [W]. */
  readonly powerWMax: number;
  /** Of its figures, and of how its cloud behaves. */
  readonly provenance: Provenance;
}

/**
 * A device's own registers over one meter interval, whole mJ, ≥ 0. The sum over a site's cars is the site's evMj, over its
 * thermostats its hvacMj. In every car: charge = into the store + loss, and storedEnd − storedStart = charge − loss − driven.
 */
export type ApplianceInterval = {
  readonly kind: 'appliance-meter';
  readonly siteId: string;
  readonly deviceId: string;
  readonly startMs: EpochMs;
  readonly endMs: EpochMs;
} & (
  | {
      readonly what: 'ev';
      readonly chargeMj: number;
      readonly lossMj: number;
      readonly drivenMj: number;
      /** What trips would have needed and the store did not hold. */
      readonly shortMj: number;
      readonly storedStartMj: number;
      readonly storedEndMj: number;
    }
  | {
      readonly what: 'hvac';
      readonly hvacMj: number;
      readonly fanMj: number;
      readonly heatingMs: number;
      readonly coolingMs: number;
      /** The room at the end, and its extremes in the interval, to a hundredth [°F]. */
      readonly roomF: number;
      readonly roomLowF: number;
      readonly roomHighF: number;
    }
);

/**
 * Registers of one site over one meter interval, each metered for itself, whole mJ (W·ms), ≥ 0.
 * At every site: load + ev + hvac = import − export + discharge − charge + pv − curtailed(already left out of pv).
 * In every battery: storedEnd − storedStart = charge − chargeLoss − discharge − dischargeLoss − standby.
 */
export interface MeterInterval {
  readonly kind: 'meter';
  readonly siteId: string;
  readonly startMs: EpochMs;
  readonly endMs: EpochMs;
  readonly loadMj: number;
  readonly pvMj: number;
  readonly importMj: number;
  readonly exportMj: number;
  readonly chargeMj: number;
  readonly dischargeMj: number;
  readonly chargeLossMj: number;
  readonly dischargeLossMj: number;
  readonly standbyMj: number;
  readonly storedStartMj: number;
  readonly storedEndMj: number;
  /** Discharge while a grid command was being followed. */
  readonly dispatchedMj: number;
  /** Time in an active storm, and discharge in that time [ms], [mJ]. */
  readonly stormMs: number;
  readonly stormDischargeMj: number;
  /** At the bus of a site with appliances: vehicles that charge, and heating and cooling with their fans. */
  readonly evMj?: number;
  readonly hvacMj?: number;
}

/** Battery registers read at one instant, at the edges of a storm. */
export interface MeterReading {
  readonly kind: 'reading';
  readonly siteId: string;
  readonly deviceId: string;
  readonly why: string;
  readonly chargeMj: number;
  readonly dischargeMj: number;
  readonly dispatchedMj: number;
  readonly storedMj: number;
}

/** The same site, seed and interval in the world without events and without settings of appliances: the exact baseline. */
export interface CounterfactualInterval {
  readonly kind: 'counterfactual';
  readonly siteId: string;
  readonly startMs: EpochMs;
  readonly endMs: EpochMs;
  readonly importMj: number;
  readonly exportMj: number;
  readonly chargeMj: number;
  readonly dischargeMj: number;
  readonly evMj?: number;
  readonly hvacMj?: number;
}
