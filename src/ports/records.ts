import type { Fact } from '../domain/fact.ts';
import type { EpochMs } from '../domain/units.ts';
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
  /** What happened inside a maker's cloud and no API tells: a command that did not reach its device. */
  | {
      readonly kind: 'cloud';
      readonly oem: string;
      readonly deviceId: string;
      readonly what: 'delivery-failed' | 'swallowed';
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

/**
 * Registers of one site over one meter interval, each metered for itself, whole mJ (W·ms), ≥ 0.
 * At every site: load = import − export + discharge − charge + pv − curtailed(already left out of pv).
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

/** The same site, seed and interval in the world without the events: the exact baseline. */
export interface CounterfactualInterval {
  readonly kind: 'counterfactual';
  readonly siteId: string;
  readonly startMs: EpochMs;
  readonly endMs: EpochMs;
  readonly importMj: number;
  readonly exportMj: number;
  readonly chargeMj: number;
  readonly dischargeMj: number;
}
