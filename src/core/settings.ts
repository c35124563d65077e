import { MS_PER_MIN } from '../domain/units.ts';
import type { OemCapabilities, OemId } from '../ports/oem.ts';
import { type AlertSettings, DEFAULT_ALERTS } from './alerts.ts';
import type { Reach } from './sources.ts';

/** The knobs of the core. They are part of a run's input: same settings, same log. */
export interface CoreSettings {
  readonly controlPeriodMs: number;
  /** How long before an event the first plan is made and sent to clouds that take a start in the future. */
  readonly planLeadMs: number;
  /** A sample older than this many telemetry periods says nothing any more. */
  readonly staleAfterPeriods: number;
  /** Telemetry period of a site behind DNP3 [ms]. */
  readonly fieldTelemetryPeriodMs: number;
  /** Time after the end of a command for the last samples to arrive. */
  readonly verifySlackMs: number;
  /** A command has this long to show in the samples after it starts or is acknowledged. */
  readonly effectGraceMs: number;
  /** When, after the start of a command, its state at the cloud is read. */
  readonly commandCheckMs: number;
  /** Meter data is complete this long after an interval ends. */
  readonly meterDelayMs: number;
  /** Mean power ÷ setpoint at and above which a command succeeded; below the second it had no effect. */
  readonly succeededRatio: number;
  readonly partialRatio: number;
  /** Mean power ÷ setpoint above which a command gave more than it was asked for, if that is more than deadbandW, too. */
  readonly exceededRatio: number;
  /** A new setpoint is sent only if it differs by more than both. */
  readonly deadbandW: number;
  readonly deadbandRatio: number;
  /** How far the sum of the setpoints that hold may be off the plan, as part of the target; at least deadbandW. */
  readonly sumToleranceRatio: number;
  /** One-way efficiency assumed for a battery whose own is not known (√0.9). */
  readonly assumedDischargeRatio: number;
  /** null = no rule watches. */
  readonly alerts: AlertSettings | null;
  readonly capabilities: Readonly<Record<OemId, OemCapabilities>>;
  /** So many workspaces may be sandboxes: each has makers of its own in the process. */
  readonly sandboxesMax: number;
  /** What may be connected, and by whom; absent = whatever is named, by anybody. */
  readonly reach?: Reach;
}

export const defaultSettings = (capabilities: Readonly<Record<OemId, OemCapabilities>>): CoreSettings => ({
  controlPeriodMs: 5 * MS_PER_MIN,
  planLeadMs: 10 * MS_PER_MIN,
  staleAfterPeriods: 2.5,
  fieldTelemetryPeriodMs: MS_PER_MIN,
  verifySlackMs: 2 * MS_PER_MIN,
  effectGraceMs: 2 * MS_PER_MIN,
  commandCheckMs: 6 * MS_PER_MIN, // past Enphase's five minutes of retries
  meterDelayMs: 20 * MS_PER_MIN,
  succeededRatio: 0.9,
  partialRatio: 0.1,
  exceededRatio: 1.1, // assumed, as far off as the other side
  deadbandW: 50,
  deadbandRatio: 0.05,
  sumToleranceRatio: 0.01,
  assumedDischargeRatio: 0.948,
  alerts: DEFAULT_ALERTS,
  sandboxesMax: 50,
  capabilities,
});
