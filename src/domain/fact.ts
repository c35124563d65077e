import type { AlertFact } from './alert.ts';
import type { ApplianceFact } from './applianceCommand.ts';
import type { AutomationFact } from './automation.ts';
import type { ClientFact } from './client.ts';
import type { Command, CommandOutcome, CommandRoute } from './command.ts';
import type { DestinationFact } from './destination.ts';
import type { Customer, Device, Site, Workspace } from './device.ts';
import type { GroupFact } from './group.ts';
import type { MeterFact } from './meter.ts';
import type { Award, Bid, EnrollmentStatus, ExclusionReason, GridEvent, Program } from './program.ts';
import type { Approval, SafetyFact, SiteSafety } from './safety.ts';
import type { ScheduleFact } from './schedule.ts';
import type { TopologyFact } from './topology.ts';
import type { EpochMs } from './units.ts';

/**
 * Facts are what the core decided or was told and keeps. State is a fold of them: apply(state, fact) is the only place
 * that changes it. Telemetry is no fact; what was concluded from it is,
 * and so are meter readings that somebody brings: what is paid rests on them.
 */
export type Fact =
  | ClientFact
  | DestinationFact
  | ScheduleFact
  | AutomationFact
  | GroupFact
  | SafetyFact
  | TopologyFact
  | AlertFact
  | ApplianceFact
  | MeterFact
  | { readonly type: 'workspace.created'; readonly workspace: Workspace }
  | {
      readonly type: 'workspace.grid-services';
      readonly workspaceId: string;
      readonly enabled: boolean;
      readonly actor: string;
    }
  /** The plant's test clock was frozen, or let run on: it comes back so after a restart. */
  | {
      readonly type: 'clock.set';
      readonly workspaceId: string;
      readonly isFrozen: boolean;
      readonly actor: string;
    }
  | { readonly type: 'customer.created'; readonly customer: Customer }
  | { readonly type: 'site.created'; readonly site: Site }
  | { readonly type: 'device.connected'; readonly device: Device }
  | { readonly type: 'device.tagged'; readonly deviceId: string; readonly tags: readonly string[] }
  /** Concluded from telemetry: the pair isStormModeEnabled / isStormModeActive, and whether the device is reachable. */
  | {
      readonly type: 'device.storm';
      readonly deviceId: string;
      readonly active: boolean;
      readonly sampledAtMs: EpochMs;
    }
  | { readonly type: 'device.reachable'; readonly deviceId: string; readonly reachable: boolean; readonly why: string }
  /** What the session with its cloud has to know of the device after a restart, in words of its own; null = nothing. */
  | { readonly type: 'device.kept'; readonly deviceId: string; readonly kept: string | null }
  | { readonly type: 'program.created'; readonly program: Program }
  | {
      readonly type: 'enrollment.changed';
      readonly enrollmentId: string;
      readonly deviceId: string;
      readonly programId: string;
      readonly from: EnrollmentStatus | null;
      readonly to: EnrollmentStatus;
      readonly why: string;
    }
  | {
      readonly type: 'site.safety-configured';
      readonly siteId: string;
      readonly safety: SiteSafety;
      readonly actor: string;
      /** Requests and approvals that the change made void; absent = there were none. */
      readonly voided?: readonly string[];
    }
  | { readonly type: 'site.control-approved'; readonly approval: Approval }
  | {
      readonly type: 'resource.registered';
      readonly resourceId: string;
      readonly partnerId: string;
      readonly programId: string;
      readonly deviceIds: readonly string[];
    }
  | { readonly type: 'event.offered'; readonly event: GridEvent }
  /** A resource's free choice; no answer means it takes part as its enrollment says. */
  | {
      readonly type: 'event.answered';
      readonly eventId: string;
      readonly resourceId: string;
      readonly answer: 'opt-in' | 'opt-out';
      readonly by: string;
    }
  | { readonly type: 'event.started'; readonly eventId: string }
  | { readonly type: 'event.ended'; readonly eventId: string }
  | { readonly type: 'event.cancelled'; readonly eventId: string; readonly by: string }
  | {
      readonly type: 'report.received';
      readonly reportId: string;
      readonly resourceId: string;
      readonly eventId: string | null;
      readonly readings: readonly ReportReading[];
    }
  | {
      readonly type: 'prices.published';
      /** They hold in this workspace alone; absent = the market's, which hold for all. */
      readonly workspaceId?: string;
      readonly node: string;
      readonly market: 'day-ahead' | 'real-time';
      readonly startMs: EpochMs;
      readonly stepMs: number;
      readonly usdPerMwh: readonly (number | null)[];
    }
  | { readonly type: 'bid.submitted'; readonly bid: Bid }
  | { readonly type: 'bid.awarded'; readonly award: Award }
  | { readonly type: 'dispatch.planned'; readonly dispatch: Dispatch }
  | {
      readonly type: 'batch.accepted';
      readonly batchId: string;
      readonly workspaceId: string;
      readonly tag: string;
      readonly commandIds: readonly string[];
      readonly skipped: readonly { readonly deviceId: string; readonly why: string }[];
    }
  | { readonly type: 'command.accepted'; readonly command: Command }
  | { readonly type: 'command.routed'; readonly commandId: string; readonly route: CommandRoute; readonly why: string }
  /** The intent, recorded before anything leaves. */
  | { readonly type: 'command.sent'; readonly commandId: string; readonly jobId: string; readonly attempt: number }
  | { readonly type: 'command.acknowledged'; readonly commandId: string; readonly vendorRef: string }
  | { readonly type: 'command.ended'; readonly commandId: string; readonly outcome: CommandOutcome }
  /** An undo that no command stands for: a reset, a release, a cancel at the cloud. */
  | {
      readonly type: 'undo.sent';
      readonly deviceId: string;
      readonly jobId: string;
      readonly what: 'reset' | 'cancel' | 'release' | 'emergency-stop';
      /** The cloud's name of what is cancelled; null for the others. */
      readonly vendorRef: string | null;
      readonly why: string;
    }
  | { readonly type: 'event.measured'; readonly performance: EventPerformance };

export interface ReportReading {
  readonly startMs: EpochMs;
  readonly endMs: EpochMs;
  /** Energy at the meter, + import [Wh]. */
  readonly usageWh: number;
}

export interface Allocation {
  readonly deviceId: string;
  /** Share of the target, over the device's own baseline [W]. */
  readonly allocatedW: number;
  /** What the device is asked to do at its terminals, + discharge [W]. */
  readonly setpointW: number;
  /** "transformer tr-1": its rating allows no more; absent = nothing above the device cut it. */
  readonly limitedBy?: string;
}

/** The decision for one control period of one event. */
export interface Dispatch {
  readonly eventId: string;
  readonly periodStartMs: EpochMs;
  readonly periodEndMs: EpochMs;
  readonly targetW: number;
  readonly allocations: readonly Allocation[];
  readonly excluded: readonly {
    readonly deviceId: string;
    readonly reason: ExclusionReason;
    readonly capableW: number;
  }[];
  /** Σ allocatedW. */
  readonly plannedW: number;
  /** targetW − plannedW, ≥ 0. */
  readonly shortfallW: number;
}

/** What the core can measure by itself: its baseline is 10-in-10 with same-day adjustment, from meter data alone. */
export interface EventPerformance {
  readonly eventId: string;
  readonly baselineMethod: string;
  readonly devices: readonly DevicePerformance[];
}

export interface DevicePerformance {
  readonly deviceId: string;
  readonly requestedWh: number;
  readonly baselineWh: number | null;
  readonly meteredWh: number;
  /** baseline − metered at the site's meter; null without a baseline. */
  readonly deliveredWh: number | null;
  /** The ratio applied to the 10-in-10 mean, and why if it is 1. */
  readonly adjustment: number;
  readonly adjustmentNote: string;
}
