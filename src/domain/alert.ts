import type { EpochMs } from './units.ts';

/**
 * Alerts: what a person should look at. Names and values are Texture's.
 *
 *   OPEN <──> ACKNOWLEDGED, IGNORED ──the condition is over, or a person says so──> RESOLVED
 *
 * There is one alert at a time per type and subject: a condition that holds on, or a second one of the same type at the
 * same subject, opens no other. A person who resolves an alert whose condition still holds is taken at his word: it
 * comes back with the next change only.
 * @source TextureHQ/docs alerts @02e9856: severities, statuses, types
 */
export const ALERT_SEVERITIES = ['CRITICAL', 'WARNING', 'INFO'] as const;
export type AlertSeverity = (typeof ALERT_SEVERITIES)[number];

export const ALERT_STATUSES = ['OPEN', 'ACKNOWLEDGED', 'IGNORED', 'RESOLVED'] as const;
export type AlertStatus = (typeof ALERT_STATUSES)[number];

export const ALERT_TYPES = [
  'COMMUNICATIONS',
  'POWER_LIMIT',
  'GRID_STATUS',
  'HARDWARE_FAULT',
  'SOFTWARE_PROCESS',
  'SAFETY',
] as const;
export type AlertType = (typeof ALERT_TYPES)[number];

/** What an alert is about. */
export interface AlertSubject {
  readonly kind: 'device' | 'site' | 'transformer' | 'feeder' | 'automation' | 'event';
  readonly id: string;
}

/** What opened it; only the same rule, or a person, resolves it. */
export type AlertRule =
  | 'unreachable'
  | 'stale-telemetry'
  | 'link-down'
  | 'overload'
  | 'no-effect'
  | 'storm'
  | 'emergency-stop'
  | 'approval-ends'
  | 'enrollment-rejected'
  | 'underperformer'
  | 'automation';

export type Evidence = Readonly<Record<string, string | number | boolean | null>>;

export interface Alert {
  readonly alertId: string;
  readonly workspaceId: string;
  readonly severity: AlertSeverity;
  readonly status: AlertStatus;
  readonly type: AlertType;
  readonly rule: AlertRule;
  readonly subject: AlertSubject;
  /** For people. */
  readonly text: string;
  /** What was seen, as figures. */
  readonly evidence: Evidence;
  readonly openedMs: EpochMs;
  readonly changedMs: EpochMs;
  /** Who changed it last; null = the rule itself. */
  readonly changedBy: string | null;
}

export type AlertFact =
  | {
      readonly type: 'alert.opened';
      readonly alert: Omit<Alert, 'status' | 'openedMs' | 'changedMs' | 'changedBy'>;
    }
  /** A person's word, or the condition got worse: then severity, text and evidence are new and it is OPEN again. */
  | {
      readonly type: 'alert.changed';
      readonly alertId: string;
      readonly workspaceId: string;
      readonly status: Exclude<AlertStatus, 'RESOLVED'>;
      readonly severity: AlertSeverity;
      readonly text: string;
      readonly evidence: Evidence;
      readonly by: string | null;
    }
  | {
      readonly type: 'alert.resolved';
      readonly alertId: string;
      readonly workspaceId: string;
      readonly why: string;
      readonly by: string | null;
    };

export const alertKey = (type: AlertType, subject: AlertSubject): string => `${type}/${subject.kind}/${subject.id}`;
