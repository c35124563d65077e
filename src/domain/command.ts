import type { EpochMs } from './units.ts';

/**
 * A command to one device and its life.
 *
 *   accepted ─> routed ─> sent ─> acknowledged ─> (terminal)
 *
 * Every accepted command reaches exactly one terminal state and says why. "acknowledged" means that the cloud or the
 * outstation took it, nothing more: only telemetry proves an effect, and a device under Storm Guard ignores what its
 * cloud accepted.
 * @source request fields: TextureHQ/docs platform-concepts/commands; terminal states: promise S6 of the project
 */
export type OperatingMode = 'charge' | 'discharge' | 'idle' | 'reset';
export type ExecutionPath = 'grid_services' | 'baseline';
export type CommandRoute = ExecutionPath | 'dnp3';

export interface CommandInput {
  readonly operatingMode: OperatingMode;
  /** Route the command through the manufacturer's Grid Service when possible. */
  readonly enableGridInteraction: boolean;
  /** Magnitude of the AC power wanted [W], ≥ 0; absent = as much as the device gives. */
  readonly powerW?: number;
  /** [%]; absent = the device's current backup reserve. Never lowers what the owner keeps for outages. */
  readonly minimumBatteryReserve?: number;
  /** [%]; absent = 100. */
  readonly maximumBatteryReserve?: number;
  /** Paths to try in order; "baseline" is always tried last; [] or ["baseline"] avoids the Grid Service. */
  readonly executionPriority?: readonly ExecutionPath[];
}

export type CommandCause =
  | { readonly kind: 'operator'; readonly actor: string }
  | { readonly kind: 'batch'; readonly actor: string; readonly batchId: string; readonly tag: string }
  | { readonly kind: 'dispatch'; readonly eventId: string; readonly periodStartMs: EpochMs }
  /** actor: "schedule/<id>"; batchId: of the batch when the target is a tag. */
  | {
      readonly kind: 'schedule';
      readonly actor: string;
      readonly scheduleId: string;
      readonly dueMs: EpochMs;
      readonly batchId: string | null;
    }
  /** actor: "automation/<id>"; depth: how many automations in a row led to it, 1 = this one alone. */
  | {
      readonly kind: 'automation';
      readonly actor: string;
      readonly automationId: string;
      readonly firingId: string;
      readonly depth: number;
    };

const TERMINAL = [
  'succeeded',
  'partial',
  'failed',
  'expired',
  'cancelled',
  'superseded',
  'ignored',
  'rejected',
] as const;
export type TerminalStatus = (typeof TERMINAL)[number];

export const COMMAND_STATUSES = ['accepted', 'routed', 'sent', 'acknowledged', ...TERMINAL] as const;
export type CommandStatus = (typeof COMMAND_STATUSES)[number];

/** Why a command ended; a closed list, so that a report can group by it. */
export type EndReason =
  | 'effect_seen'
  | 'effect_partly_seen'
  /** More than was asked for. */
  | 'effect_exceeded'
  | 'storm_guard'
  | 'no_effect'
  | 'delivery_failed'
  | 'oem_refused'
  | 'outcome_unknown'
  | 'device_offline'
  | 'no_telemetry'
  | 'not_after_passed'
  | 'cancelled_by_actor'
  | 'event_cancelled'
  | 'newer_command'
  | 'opted_out'
  | 'no_route'
  | 'site_not_controllable'
  /** What is above the device has no room left for it. */
  | 'transformer_limit'
  | 'released';

export interface CommandOutcome {
  readonly status: TerminalStatus;
  readonly reason: EndReason;
  /** For people: the evidence or the peer's words. */
  readonly detail: string;
}

export interface Command {
  readonly commandId: string;
  readonly workspaceId: string;
  readonly deviceId: string;
  readonly input: CommandInput;
  readonly startMs: EpochMs;
  readonly endMs: EpochMs;
  /** Never starts after this. */
  readonly notAfterMs: EpochMs;
  readonly cause: CommandCause;
}

export const isTerminal = (status: CommandStatus): status is TerminalStatus =>
  (TERMINAL as readonly CommandStatus[]).includes(status);
