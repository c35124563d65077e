import type { BatteryState } from '../domain/battery.ts';
import type { CommandInput } from '../domain/command.ts';
import type { Customer, Device, Site, Workspace } from '../domain/device.ts';
import type { ReportReading } from '../domain/fact.ts';
import type { MeterBlock } from '../domain/meter.ts';
import type { Award, Bid, EventInterval, Program } from '../domain/program.ts';
import type { EpochMs } from '../domain/units.ts';
import type { FieldEvent, FieldJob } from '../ports/field.ts';
import type { OemId, OemJob, OemReply } from '../ports/oem.ts';
import type { ApplianceCoreInput } from './appliances.ts';
import type { ClientInput } from './clients.ts';
import type { DestinationInput } from './destinations.ts';
import type { RuleInput } from './rules.ts';
import type { WatchInput } from './watch.ts';

/** Everything that can happen to the core. */
export type CoreInput =
  | ApplianceCoreInput
  | ClientInput
  | DestinationInput
  | RuleInput
  | WatchInput
  | { readonly kind: 'create-workspace'; readonly workspace: Workspace }
  | {
      readonly kind: 'enable-grid-services';
      readonly workspaceId: string;
      readonly enabled: boolean;
      readonly actor: string;
    }
  | {
      readonly kind: 'set-clock';
      readonly workspaceId: string;
      readonly isFrozen: boolean;
      readonly actor: string;
    }
  | { readonly kind: 'create-customer'; readonly customer: Customer }
  | { readonly kind: 'create-site'; readonly site: Site }
  | { readonly kind: 'connect-device'; readonly device: Device }
  | { readonly kind: 'tag-device'; readonly deviceId: string; readonly tags: readonly string[] }
  | { readonly kind: 'create-program'; readonly program: Program }
  | { readonly kind: 'enroll'; readonly deviceId: string; readonly programId: string }
  | { readonly kind: 'unenroll'; readonly deviceId: string; readonly programId: string; readonly why: string }
  | { readonly kind: 'command'; readonly request: CommandRequest }
  | { readonly kind: 'batch'; readonly batch: BatchRequest }
  | { readonly kind: 'cancel-command'; readonly commandId: string; readonly actor: string }
  | {
      readonly kind: 'register-resource';
      readonly resourceId: string;
      readonly partnerId: string;
      readonly programId: string;
      readonly deviceIds: readonly string[];
    }
  | { readonly kind: 'offer-event'; readonly offer: EventOffer }
  | { readonly kind: 'cancel-event'; readonly eventId: string; readonly by: string }
  | {
      readonly kind: 'answer-event';
      readonly eventId: string;
      readonly resourceId: string;
      readonly answer: 'opt-in' | 'opt-out';
      readonly by: string;
    }
  | {
      readonly kind: 'report';
      readonly reportId: string;
      readonly resourceId: string;
      readonly eventId: string | null;
      readonly readings: readonly ReportReading[];
    }
  | {
      readonly kind: 'publish-prices';
      /** They hold in this workspace alone; absent = the market's, which hold for all. */
      readonly workspaceId?: string;
      readonly node: string;
      readonly market: 'day-ahead' | 'real-time';
      readonly startMs: EpochMs;
      readonly stepMs: number;
      readonly usdPerMwh: readonly (number | null)[];
    }
  | { readonly kind: 'submit-bid'; readonly bid: Bid }
  | { readonly kind: 'awards'; readonly awards: readonly Award[] }
  | { readonly kind: 'telemetry'; readonly deviceId: string; readonly state: BatteryState; readonly online: boolean }
  | {
      readonly kind: 'meter';
      readonly siteId: string;
      readonly startMs: EpochMs;
      readonly stepMs: number;
      readonly gridWh: readonly number[];
      readonly batteryWh: readonly number[];
    }
  | { readonly kind: 'meter-readings'; readonly blocks: readonly MeterBlock[] }
  | { readonly kind: 'oem-reply'; readonly deviceId: string; readonly reply: OemReply }
  | { readonly kind: 'field-event'; readonly deviceId: string; readonly event: FieldEvent }
  /** The core begins anew on what the journal holds: what may be under way at a peer is asked after. */
  | { readonly kind: 'resume' }
  /** Time has passed: whatever is due happens. */
  | { readonly kind: 'time' };

export interface CommandRequest {
  readonly workspaceId: string;
  readonly deviceId: string;
  readonly input: CommandInput;
  readonly startMs: EpochMs;
  readonly endMs: EpochMs;
  readonly actor: string;
}

export interface BatchRequest {
  readonly workspaceId: string;
  /** Empty when the devices are listed. */
  readonly tag: string;
  readonly deviceIds?: readonly string[];
  /** Nothing is done unless every device can take it. */
  readonly allOrNothing?: boolean;
  /** Devices that are not approved in a program are left out, instead of being led over the baseline path. */
  readonly enrolledOnly?: boolean;
  readonly input: CommandInput;
  readonly startMs: EpochMs;
  readonly endMs: EpochMs;
  readonly actor: string;
}

export interface EventOffer {
  /** The caller's own name for the event; absent: the core numbers it. */
  readonly eventId?: string;
  readonly programId: string;
  readonly kind: 'dispatch' | 'test' | 'incentive';
  readonly calledBy: string;
  readonly intervals: readonly EventInterval[];
}

/** What the outside has to do. Effects follow from facts; reads change nothing and need none. */
export type Effect =
  | { readonly kind: 'oem'; readonly oem: OemId; readonly deviceId: string; readonly job: OemJob }
  | { readonly kind: 'field'; readonly deviceId: string; readonly connectionId: string; readonly job: FieldJob }
  | {
      readonly kind: 'notify';
      readonly workspaceId: string;
      readonly type: string;
      readonly subject: string;
      readonly detail: string;
    };

/**
 * What kind of "no" a refusal is: 'unknown' = what it names does not exist, 'conflict' = the state does not allow it
 * now, 'invalid' = it can never be right, 'unsupported' = the device or its maker cannot, 'forbidden' = not by this actor,
 * 'limit' = too much at once.
 */
export type RefusalCode = 'unknown' | 'conflict' | 'invalid' | 'unsupported' | 'forbidden' | 'limit';

export interface Refusal {
  readonly what: string;
  readonly why: string;
  readonly code: RefusalCode;
}
