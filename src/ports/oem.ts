import type { ApplianceState } from '../domain/appliance.ts';
import type { BatteryState } from '../domain/battery.ts';
import type { OperatingMode } from '../domain/command.ts';
import type { Setting } from '../domain/setting.ts';
import type { EpochMs } from '../domain/units.ts';
import type { HttpOutcome, HttpRequest } from './http.ts';

/**
 * How the core speaks with OEM clouds. The core asks for jobs in its own words; an OemSession turns them into the
 * cloud's HTTP dialect and the answers back. A session does no I/O and owns no clock: requests are drained, responses
 * and time are put in.
 */
export type OemId = BatteryOem | 'open';

/** Makers of batteries. The cloud of chargers, vehicles, thermostats and inverters is 'open': src/oem/appliance.ts. */
export type BatteryOem = 'enphase' | 'solaredge' | 'tesla';

/** What a cloud can do; each figure's source stands in the adapter. */
export interface OemCapabilities {
  /** Offers a Grid Service (commands that may export, with an SLA). */
  readonly gridServices: boolean;
  /** Devices are enrolled when they are connected; otherwise an application and a test period come first. */
  readonly autoEnroll: boolean;
  /** Takes no command at all for a device that is enrolled in no program. */
  readonly needsEnrollment: boolean;
  /** 'setpoint': a power can be asked for; 'on-off': the device gives all it can. */
  readonly powerControl: 'setpoint' | 'on-off';
  /** A start in the future may be sent ahead. */
  readonly scheduledStart: boolean;
  /** The device ends the command by itself at endMs; otherwise a reset must be sent. */
  readonly timedEnd: boolean;
  /** How long before the start a command should be sent [ms]. */
  readonly leadMs: number;
  /** Longest command [ms]. */
  readonly durationMsMax: number;
  /** How often the cloud has a new sample [ms]. */
  readonly telemetryPeriodMs: number;
  /** Floor below which the OEM lets no grid command discharge [%]. */
  readonly reservePctMin: number;
}

export type OemJob =
  | {
      readonly kind: 'control';
      readonly jobId: string;
      readonly vendorDeviceId: string;
      readonly route: 'grid_services' | 'baseline';
      readonly mode: OperatingMode;
      /** Whether energy of the battery may go out to the grid; without, a discharge serves the home's load only. */
      readonly mayExport: boolean;
      /** Magnitude [W]; null = all the device gives. */
      readonly powerW: number | null;
      readonly startMs: EpochMs;
      readonly endMs: EpochMs;
      /** Floor for this command [%]. */
      readonly reservePctMin: number;
      /** Ceiling for charging [%]. */
      readonly reservePctMax: number;
      readonly notAfterMs: EpochMs;
      /** It may have been sent before a restart: begins with reading back, and is sent only if it surely is not there. */
      readonly resume?: true;
      /** A reset that is an emergency stop: ahead of all that waits for the cloud, beside what is under way at the device. */
      readonly emergency?: true;
    }
  /**
   * A setting of a device. It is absolute, and where the cloud takes one the jobId is its idempotency token: a job that may
   * have been sent before is submitted again under the same id and has one effect.
   */
  | {
      readonly kind: 'set';
      readonly jobId: string;
      readonly vendorDeviceId: string;
      readonly setting: Setting;
      /** Acts not before. */
      readonly startMs: EpochMs;
      /** Neither leaves nor acts after. */
      readonly notAfterMs: EpochMs;
      /** It may have been sent before a restart: what does not leave now is unknown, not "not sent". */
      readonly resume?: true;
    }
  | {
      readonly kind: 'cancel';
      readonly jobId: string;
      readonly vendorDeviceId: string;
      readonly vendorRef: string;
      /** As of a control. */
      readonly emergency?: true;
    }
  | {
      readonly kind: 'read-command';
      readonly jobId: string;
      readonly vendorDeviceId: string;
      readonly vendorRef: string;
    }
  | { readonly kind: 'read-state'; readonly jobId: string; readonly vendorDeviceId: string }
  /** What a session before this one asked to keep of a device ('kept'). Nothing is asked of the cloud. */
  | {
      readonly kind: 'recall';
      readonly jobId: string;
      readonly vendorDeviceId: string;
      readonly kept: string;
    }
  | { readonly kind: 'enroll'; readonly jobId: string; readonly vendorDeviceId: string; readonly programId: string }
  | {
      readonly kind: 'read-enrollment';
      readonly jobId: string;
      readonly vendorDeviceId: string;
      readonly programId: string;
    };

export const KEPT_CHARS_MAX = 50_000;

export type VendorCommandStatus = 'scheduled' | 'in-progress' | 'completed' | 'failed' | 'cancelled' | 'opted-out';

export type OemReply =
  /** The cloud took it. Not a proof of effect. */
  | { readonly kind: 'accepted'; readonly jobId: string; readonly vendorRef: string }
  /** The cloud said no; asking again does not help. */
  | { readonly kind: 'refused'; readonly jobId: string; readonly code: string; readonly message: string }
  /** No answer, after the retries that are safe: it may or may not have taken effect. */
  | { readonly kind: 'unknown'; readonly jobId: string; readonly message: string }
  /** Not sent at all before notAfterMs (throttled, token endpoint down, circuit open). */
  | { readonly kind: 'not-sent'; readonly jobId: string; readonly message: string }
  /**
   * Besides the one reply to the job: what the session has to know of the device after a restart, in words of its own, at
   * most KEPT_CHARS_MAX; null = nothing any more. It is said before the first write that rests on it leaves.
   */
  | { readonly kind: 'kept'; readonly jobId: string; readonly vendorDeviceId: string; readonly kept: string | null }
  | {
      readonly kind: 'command-status';
      readonly jobId: string;
      readonly status: VendorCommandStatus;
      readonly detail: string;
    }
  | {
      readonly kind: 'state';
      readonly jobId: string;
      readonly vendorDeviceId: string;
      readonly state: BatteryState;
      readonly online: boolean;
    }
  | {
      readonly kind: 'appliance-state';
      readonly jobId: string;
      readonly vendorDeviceId: string;
      readonly state: ApplianceState;
      readonly online: boolean;
    }
  | {
      readonly kind: 'enrollment';
      readonly jobId: string;
      readonly vendorDeviceId: string;
      readonly status: 'not-enrolled' | 'submitted' | 'approved' | 'rejected';
    };

export interface OemHttpOut {
  readonly requestId: number;
  readonly request: HttpRequest;
  /** Give up waiting for the answer at this time: put {kind:'lost'} in. */
  readonly timeoutMs: EpochMs;
}

/** How the way to a cloud is, seen from here. */
export interface OemHealth {
  /** 'open': nothing is sent after failures in a row; 'half-open': single requests try whether it is back. */
  readonly circuit: 'closed' | 'half-open' | 'open';
  /** Nothing is sent before; null = no pause. */
  readonly pausedUntilMs: EpochMs | null;
  /** What is wrong, in words; null = nothing. */
  readonly why: string | null;
}

export interface OemSession {
  readonly oem: OemId;
  readonly capabilities: OemCapabilities;
  health(nowMs: EpochMs): OemHealth;
  submit(job: OemJob, nowMs: EpochMs): void;
  receive(requestId: number, outcome: HttpOutcome, nowMs: EpochMs): void;
  /** Must be called at or after nextTimeoutMs(). */
  timeout(nowMs: EpochMs): void;
  nextTimeoutMs(): EpochMs | null;
  takeOutput(): OemHttpOut[];
  takeReplies(): OemReply[];
}
