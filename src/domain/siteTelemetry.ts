import type { EpochMs } from './units.ts';

/**
 * What a utility-scale battery says of itself beyond the normalised battery: the meter at its terminals, what it can give
 * now, and its alarms. Null = not known (missing, not online, in doubt), never 0.
 * @source Texture, "Utility-Scale Batteries": reactive power, voltage, frequency, faults and alarms as enrichment
 */
export const SITE_ALARMS = [
  'communication-error',
  'priority-1',
  'priority-2',
  'priority-3',
  'soc-at-maximum',
  'soc-too-high',
  'soc-too-low',
  'soc-depleted',
  'internal-temperature-high',
  'external-temperature-high',
  'meter-communication-error',
] as const;
export type SiteAlarm = (typeof SITE_ALARMS)[number];

export interface SiteTelemetry {
  /** Limits as set, magnitudes ≥ 0 [W]. */
  readonly chargeWMax: number | null;
  readonly dischargeWMax: number | null;
  /** What it could take or give now, magnitudes ≥ 0 [W]. */
  readonly availableChargeW: number | null;
  readonly availableDischargeW: number | null;
  /** Ceiling of the state of charge that its modes keep [%]. */
  readonly maximumReservePct: number | null;
  /** Line to line, mean of the phases [V]. */
  readonly voltageV: number | null;
  /** At the terminals of the first battery bank [V]. */
  readonly dcVoltageV: number | null;
  readonly frequencyHz: number | null;
  /** Positive = injected [var]. */
  readonly reactivePowerVar: number | null;
  /** Those that are on, in the order of SITE_ALARMS. */
  readonly alarms: readonly SiteAlarm[];
  /** Those whose state is not known. */
  readonly alarmsUnknown: readonly SiteAlarm[];
  readonly sampledAtMs: EpochMs;
}
