import { canonicalJson } from './canonicalJson.ts';
import type { EpochMs } from './units.ts';

/**
 * What a utility-scale site needs before anything may control it (seed: "Watchdog / timeout behavior and dispatch
 * approval must be configured per site before any control phase is enabled"), and the leave that follows from it.
 *
 *   request ──approve, by another──> approved ──revoke, expire, a change, an emergency stop──> over
 *      └──refuse, expire, a change, an emergency stop──> over
 *
 * An approval is bound to site, modes, powers, window, revision of the points map and safety configuration: the text of
 * all of them (bindingOf) is kept with it, and what differs from it in one place is not covered (promise S9).
 */
export interface Watchdog {
  /** Silence after which the site goes to its safe state by itself [ms]. */
  readonly timeoutMs: number;
}

export type ControlMode = 'charge' | 'discharge' | 'idle';
export const CONTROL_MODES = ['charge', 'discharge', 'idle'] as const satisfies readonly ControlMode[];

/**
 * What goes on after the link to the site was lost and is back: the same setpoint once the points are read; nothing until
 * a new command; nothing until a new approval.
 */
export type AfterReconnect = 'resume' | 'new-command' | 'new-approval';
export const AFTER_RECONNECT = ['resume', 'new-command', 'new-approval'] as const satisfies readonly AfterReconnect[];

export interface SiteSafety {
  readonly watchdog: Watchdog;
  /** Magnitude limits the approval may not exceed [W]. */
  readonly chargeWMax: number;
  readonly dischargeWMax: number;
  /** How fast the setpoint may move [W/s], > 0; absent = at once, and the site's own ramp is all there is. */
  readonly rampWPerS?: number;
  /** Absent = all. */
  readonly allowedModes?: readonly ControlMode[];
  /**
   * Whether controls may be operated without a select before (promise S10). Absent or true: as the site's list of
   * functions has each step; false: select before each operate. The emergency stop is always direct.
   */
  readonly directOperate?: boolean;
  /** Absent = 'resume'. */
  readonly afterReconnect?: AfterReconnect;
}

/** Longest watchdog that still is one. Assumed. */
export const WATCHDOG_MS_MAX = 3_600_000;

/** What somebody asks to be allowed. */
export interface ApprovalRequest {
  readonly approvalId: string;
  readonly siteId: string;
  readonly requestedBy: string;
  readonly fromMs: EpochMs;
  readonly untilMs: EpochMs;
  readonly chargeWMax: number;
  readonly dischargeWMax: number;
  /** Absent = all. */
  readonly modes?: readonly ControlMode[];
  /** The points-map revision it was given for. */
  readonly mapRevision: string;
}

/** Leave to control one site, given by somebody other than who asked. */
export interface Approval extends ApprovalRequest {
  readonly approvedBy: string;
  /** What it is bound to, as text; absent where configuration and approval come in one document. */
  readonly binding?: string;
}

export type ApprovalStatus = 'pending' | 'approved' | 'refused' | 'revoked' | 'expired' | 'void';

/**
 * Everything an approval stands for, as one text. The text itself is kept and compared, not a digest of it: there is
 * nothing to collide.
 */
export function bindingOf(request: ApprovalRequest, safety: SiteSafety): string {
  const { siteId, fromMs, untilMs, chargeWMax, dischargeWMax, mapRevision } = request;
  const modes = [...(request.modes ?? CONTROL_MODES)].sort();
  return canonicalJson({ siteId, modes, chargeWMax, dischargeWMax, fromMs, untilMs, mapRevision, safety });
}

export const isSameSafety = (a: SiteSafety, b: SiteSafety): boolean => canonicalJson(a) === canonicalJson(b);

export type ControlLeave = { readonly kind: 'granted' } | { readonly kind: 'refused'; readonly why: string };

export function modeOf(powerW: number): ControlMode {
  if (powerW > 0) return 'discharge';
  return powerW < 0 ? 'charge' : 'idle';
}

/**
 * Decides whether a setpoint may be sent to a site. Missing configuration is a refusal, never a default.
 * @param powerW  AC power wanted [W], positive = discharge
 * @param mode    what the setpoint serves; absent = what its sign says. A step through 0 W serves the mode it leads to
 */
export function leaveToControl(request: {
  readonly safety: SiteSafety | null;
  readonly approvals: readonly Approval[];
  readonly mapRevision: string;
  readonly powerW: number;
  readonly startMs: EpochMs;
  readonly endMs: EpochMs;
  readonly mode?: ControlMode;
}): ControlLeave {
  const { safety, approvals, mapRevision, powerW, startMs, endMs } = request;
  const mode = request.mode ?? modeOf(powerW);
  if (!Number.isFinite(powerW)) return refused(`setpoint ${powerW} W is not a finite number`);
  if (safety === null) return refused('no safety configuration: watchdog and limits are not set for this site');
  if (!(safety.watchdog.timeoutMs > 0)) return refused('the watchdog timeout is not set');
  if (!(safety.allowedModes ?? CONTROL_MODES).includes(mode)) return refused(`the site is not allowed to ${mode}`);
  const limitW = powerW >= 0 ? safety.dischargeWMax : safety.chargeWMax;
  if (Math.abs(powerW) > limitW) return refused(`${powerW} W is outside the site's limit of ${limitW} W`);
  const inTime = covering({ safety, approvals, mapRevision, startMs, endMs });
  if (inTime.length === 0) return refused(NOT_COVERED);
  const inMode = inTime.filter((a) => (a.modes ?? CONTROL_MODES).includes(mode));
  if (inMode.length === 0) return refused(`the approval does not cover the mode ${mode}`);
  const covers = inMode.some((a) => Math.abs(powerW) <= (powerW >= 0 ? a.dischargeWMax : a.chargeWMax));
  return covers ? { kind: 'granted' } : refused(`${powerW} W is more than what was approved`);
}

/**
 * Decides whether a setting that gives no power, such as the reserve, may be sent to a site: as a setpoint, without a mode
 * and a limit of its own.
 */
export function leaveToSet(request: {
  readonly safety: SiteSafety | null;
  readonly approvals: readonly Approval[];
  readonly mapRevision: string;
  readonly atMs: EpochMs;
}): ControlLeave {
  const { safety, approvals, mapRevision, atMs } = request;
  if (safety === null) return refused('no safety configuration: watchdog and limits are not set for this site');
  if (!(safety.watchdog.timeoutMs > 0)) return refused('the watchdog timeout is not set');
  const inTime = covering({ safety, approvals, mapRevision, startMs: atMs, endMs: atMs });
  return inTime.length > 0 ? { kind: 'granted' } : refused(NOT_COVERED);
}

const NOT_COVERED = 'no valid approval by a second person covers this window and map revision';

/** Approvals by a second person, of this map and configuration, in whose time the window lies. */
const covering = (r: {
  readonly safety: SiteSafety;
  readonly approvals: readonly Approval[];
  readonly mapRevision: string;
  readonly startMs: EpochMs;
  readonly endMs: EpochMs;
}): readonly Approval[] =>
  r.approvals
    .filter((a) => a.approvedBy !== a.requestedBy && a.mapRevision === r.mapRevision && isBound(a, r.safety))
    .filter((a) => a.fromMs <= r.startMs && r.endMs <= a.untilMs);

const isBound = (a: Approval, safety: SiteSafety): boolean =>
  a.binding === undefined || a.binding === bindingOf(a, safety);

const refused = (why: string): ControlLeave => ({ kind: 'refused', why });

/** What is wrong with a safety configuration: place, value, expectation; null if it can be used. */
export function safetyProblem(s: SiteSafety): string | null {
  const { timeoutMs } = s.watchdog;
  if (!(Number.isInteger(timeoutMs) && timeoutMs > 0 && timeoutMs <= WATCHDOG_MS_MAX)) {
    return `watchdog.timeoutMs: found ${timeoutMs}, expected whole milliseconds from 1 to ${WATCHDOG_MS_MAX}`;
  }
  for (const place of ['chargeWMax', 'dischargeWMax'] as const) {
    if (!isWatts(s[place])) return `${place}: found ${s[place]}, expected whole watts ≥ 0`;
  }
  if (s.rampWPerS !== undefined && !(isWatts(s.rampWPerS) && s.rampWPerS > 0)) {
    return `rampWPerS: found ${s.rampWPerS}, expected whole watts a second > 0`;
  }
  if (s.allowedModes !== undefined) return modesProblem('allowedModes', s.allowedModes);
  return null;
}

/** What is wrong with a request for an approval under a configuration; null if it can be decided on. */
export function approvalProblem(r: ApprovalRequest, safety: SiteSafety, nowMs: EpochMs): string | null {
  if (!(Number.isInteger(r.fromMs) && Number.isInteger(r.untilMs) && r.untilMs > r.fromMs)) {
    return 'untilMs: the window ends before it starts';
  }
  if (r.untilMs <= nowMs) return 'untilMs: the window is in the past';
  for (const place of ['chargeWMax', 'dischargeWMax'] as const) {
    if (!isWatts(r[place])) return `${place}: found ${r[place]}, expected whole watts ≥ 0`;
    if (r[place] > safety[place]) return `${place}: found ${r[place]}, expected at most the site's ${safety[place]} W`;
  }
  const modes = r.modes ?? CONTROL_MODES;
  const wrong = modesProblem('modes', modes);
  if (wrong !== null) return wrong;
  const allowed = safety.allowedModes ?? CONTROL_MODES;
  const more = r.modes?.find((m) => !allowed.includes(m));
  return more === undefined
    ? null
    : `modes: found ${more}, expected some of ${allowed.join(', ')}: the site allows these`;
}

const isWatts = (w: number): boolean => Number.isSafeInteger(w) && w >= 0;

function modesProblem(place: string, modes: readonly string[]): string | null {
  const known: readonly string[] = CONTROL_MODES;
  const isGood = modes.length > 0 && modes.every((m) => known.includes(m)) && new Set(modes).size === modes.length;
  return isGood ? null : `${place}: found [${modes.join(', ')}], expected some of ${known.join(', ')}, each once`;
}

export type SafetyFact =
  | { readonly type: 'approval.requested'; readonly request: ApprovalRequest }
  | {
      readonly type: 'approval.ended';
      readonly approvalId: string;
      readonly siteId: string;
      readonly status: 'refused' | 'revoked' | 'expired' | 'void';
      /** null = time. */
      readonly by: string | null;
      readonly why: string;
    }
  | {
      readonly type: 'stop.release-requested';
      readonly deviceId: string;
      readonly by: string;
      readonly untilMs: EpochMs;
    }
  | { readonly type: 'stop.released'; readonly deviceId: string; readonly requestedBy: string; readonly by: string };
