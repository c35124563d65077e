import type { EpochMs } from './units.ts';

/**
 * What a utility-scale site needs before anything may control it (seed: "Watchdog / timeout behavior and dispatch
 * approval must be configured per site before any control phase is enabled").
 */
export interface Watchdog {
  /** Silence after which the site goes to its safe state by itself [ms]. */
  readonly timeoutMs: number;
}

export interface SiteSafety {
  readonly watchdog: Watchdog;
  /** Magnitude limits the approval may not exceed [W]. */
  readonly chargeWMax: number;
  readonly dischargeWMax: number;
}

/** Leave to control one site, given by somebody other than who asked. */
export interface Approval {
  readonly approvalId: string;
  readonly siteId: string;
  readonly requestedBy: string;
  readonly approvedBy: string;
  readonly fromMs: EpochMs;
  readonly untilMs: EpochMs;
  readonly chargeWMax: number;
  readonly dischargeWMax: number;
  /** The points-map revision it was given for. */
  readonly mapRevision: string;
}

export type ControlLeave = { readonly kind: 'granted' } | { readonly kind: 'refused'; readonly why: string };

/**
 * Decides whether a setpoint may be sent to a site. Missing configuration is a refusal, never a default.
 * @param powerW  AC power wanted [W], positive = discharge
 */
export function leaveToControl(request: {
  readonly safety: SiteSafety | null;
  readonly approvals: readonly Approval[];
  readonly mapRevision: string;
  readonly powerW: number;
  readonly startMs: EpochMs;
  readonly endMs: EpochMs;
}): ControlLeave {
  const { safety, approvals, mapRevision, powerW, startMs, endMs } = request;
  if (!Number.isFinite(powerW)) return refused(`setpoint ${powerW} W is not a finite number`);
  if (safety === null) return refused('no safety configuration: watchdog and limits are not set for this site');
  if (!(safety.watchdog.timeoutMs > 0)) return refused('the watchdog timeout is not set');
  const limitW = powerW >= 0 ? safety.dischargeWMax : safety.chargeWMax;
  if (Math.abs(powerW) > limitW) return refused(`${powerW} W is outside the site's limit of ${limitW} W`);
  const valid = approvals.filter((a) => a.approvedBy !== a.requestedBy && a.mapRevision === mapRevision);
  const inTime = valid.filter((a) => a.fromMs <= startMs && endMs <= a.untilMs);
  if (inTime.length === 0) return refused('no valid approval by a second person covers this window and map revision');
  const covers = inTime.some((a) => Math.abs(powerW) <= (powerW >= 0 ? a.dischargeWMax : a.chargeWMax));
  return covers ? { kind: 'granted' } : refused(`${powerW} W is more than what was approved`);
}

const refused = (why: string): ControlLeave => ({ kind: 'refused', why });
