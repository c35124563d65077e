import type { Alert } from '../domain/alert.ts';
import type { ApiClient, ApiKey } from '../domain/client.ts';
import type { Command, CommandOutcome, CommandRoute, CommandStatus } from '../domain/command.ts';
import type { Destination } from '../domain/destination.ts';
import type { Customer, Device, Site, Workspace } from '../domain/device.ts';
import type { Dispatch } from '../domain/fact.ts';
import type { Group } from '../domain/group.ts';
import type { Award, Bid, EnrollmentStatus, GridEvent, Program } from '../domain/program.ts';
import type { Approval, SiteSafety } from '../domain/safety.ts';
import type { Feeder, Transformer } from '../domain/topology.ts';
import type { EpochMs } from '../domain/units.ts';
import { Agenda } from './agenda.ts';
import type { ApplianceCommandEntry, ApplianceEntry, SettingBook } from './applianceState.ts';
import type { AutomationEntry } from './automationState.ts';
import type { MeterSeries } from './readings.ts';
import type { ApprovalEntry, StopLatch } from './safety.ts';
import type { ScheduleEntry } from './scheduleState.ts';

/** So many commands that have ended are kept at hand, for late answers and quick questions. */
export const ENDED_COMMANDS_MAX = 20_000;
export const UNDO_JOBS_MAX = 20_000;
export const BATCHES_MAX = 1_000;

/** The state of the core: a fold of its facts. Only apply.ts writes to it. */
export interface CoreState {
  readonly workspaces: Map<string, Workspace>;
  readonly customers: Map<string, Customer>;
  readonly clients: Map<string, ApiClient>;
  readonly apiKeys: Map<string, ApiKey>;
  readonly destinations: Map<string, Destination>;
  readonly sites: Map<string, Site>;
  readonly devices: Map<string, DeviceEntry>;
  /** Of the plant's test clock, if it has one. */
  readonly clock: { isFrozen: boolean };
  /** Source → the one device that has it; the names are sourceKey's. */
  readonly sources: Map<string, string>;
  readonly devicesByTag: Map<string, Set<string>>;
  readonly devicesBySite: Map<string, Set<string>>;
  /** Chargers, vehicles, thermostats and inverters; their ids are no battery's. */
  readonly appliances: Map<string, ApplianceEntry>;
  readonly appliancesByTag: Map<string, Set<string>>;
  readonly appliancesBySite: Map<string, Set<string>>;
  /** Open ones, and the last ENDED_COMMANDS_MAX that ended. Numbered in one row with commands of batteries. */
  readonly applianceCommands: Map<string, ApplianceCommandEntry>;
  /** In the order in which they ended. */
  readonly endedApplianceCommands: Set<string>;
  readonly programs: Map<string, Program>;
  readonly enrollments: Map<string, Enrollment>;
  readonly enrolledIn: Map<string, Set<string>>;
  readonly safety: Map<string, SiteSafety>;
  /** Site → approvals in force, or that will be: each gives leave within its own window. */
  readonly approvals: Map<string, Approval[]>;
  /** Requests by id, with what became of them. */
  readonly approvalRequests: Map<string, ApprovalEntry>;
  /** In the order in which they ended. */
  readonly endedApprovals: Set<string>;
  /** Device → its emergency stop, until it is released. */
  readonly stops: Map<string, StopLatch>;
  readonly feeders: Map<string, Feeder>;
  readonly transformers: Map<string, Transformer>;
  /** Site → transformer. */
  readonly transformerOfSite: Map<string, string>;
  readonly alerts: Map<string, Alert>;
  /** Type and subject → the one alert that is not resolved. */
  readonly openAlerts: Map<string, string>;
  /** In the order in which they were resolved. */
  readonly resolvedAlerts: Set<string>;
  /** Device → since when it is out of reach. */
  readonly unreachableSince: Map<string, EpochMs>;
  /** Device → commands in a row without effect. */
  readonly noEffectRuns: Map<string, number>;
  readonly resources: Map<string, Resource>;
  readonly events: Map<string, EventEntry>;
  /** Open ones, and the last ENDED_COMMANDS_MAX that ended; older ones are history, which the journal has. */
  readonly commands: Map<string, CommandEntry>;
  /** In the order in which they ended. */
  readonly endedCommands: Set<string>;
  /** Job → what it was for. Kept as long as its command is: an answer may come long after that has ended. */
  readonly jobs: Map<string, JobUse>;
  /** Jobs of undos, oldest first; at most UNDO_JOBS_MAX. */
  readonly undoJobs: Set<string>;
  readonly groups: Map<string, Group>;
  readonly automations: Map<string, AutomationEntry>;
  /** Workspace → its automations. */
  readonly automationsOf: Map<string, Set<string>>;
  readonly schedules: Map<string, ScheduleEntry>;
  /** Target of a schedule → schedules. */
  readonly schedulesOf: Map<string, Set<string>>;
  /** Workspace → its schedules, oldest first. */
  readonly schedulesIn: Map<string, Set<string>>;
  /** Device → the one schedule of its modes. */
  readonly deviceModes: Map<string, string>;
  readonly prices: Map<string, PriceSeries>;
  /** Meter → what was read, by readings.ts's key. */
  readonly meters: Map<string, MeterSeries>;
  readonly bids: Map<string, Bid>;
  readonly awards: Award[];
  /** Facts put entries in; time takes them out, and a question that is still open puts itself back. */
  readonly agenda: Agenda;
  /** Local midnights, per program, of days with an event: they are no baseline days. A change replaces the set. */
  readonly eventDays: Map<string, ReadonlySet<EpochMs>>;
  /** The last BATCHES_MAX, oldest first. */
  readonly batches: Map<string, BatchEntry>;
  readonly counters: {
    command: number;
    event: number;
    job: number;
    enrollment: number;
    batch: number;
    schedule: number;
    automation: number;
    group: number;
    approval: number;
    alert: number;
  };
}

export interface BatchEntry {
  readonly batchId: string;
  readonly workspaceId: string;
  readonly tag: string;
  readonly commandIds: readonly string[];
  readonly skipped: readonly { readonly deviceId: string; readonly why: string }[];
  readonly acceptedAtMs: EpochMs;
}

export interface DeviceEntry extends SettingBook {
  device: Device;
  stormActive: boolean;
  reachable: boolean;
  /** The control command that holds now or next; at most one. */
  openCommandId: string | null;
  /** The one accepted before it, whose last samples may still be on the way. */
  lastCommandId: string | null;
  /** What is recalled to the session with its cloud after a restart; null = nothing. */
  kept: string | null;
  /** The last undo, until a newer command rules the device. */
  undo: OwedUndo | null;
}

export interface OwedUndo {
  readonly jobId: string;
  readonly what: 'reset' | 'cancel' | 'release' | 'emergency-stop';
  readonly vendorRef: string | null;
  readonly why: string;
  /** How often it was said, this time included. */
  readonly attempt: number;
}

export interface Enrollment {
  readonly enrollmentId: string;
  readonly deviceId: string;
  readonly programId: string;
  status: EnrollmentStatus;
  /** When the application went out; null before. */
  submittedAtMs: EpochMs | null;
  /** Unenrolled by itself, not with its whole organisation. */
  wasTakenOut: boolean;
}

export interface Resource {
  readonly resourceId: string;
  readonly partnerId: string;
  readonly programId: string;
  readonly deviceIds: readonly string[];
}

export const EVENT_STATUSES = ['offered', 'started', 'ended', 'cancelled'] as const;
export type EventStatus = (typeof EVENT_STATUSES)[number];

export interface EventEntry {
  readonly event: GridEvent;
  status: EventStatus;
  measured: boolean;
  /** Readings came since that it rests on. */
  measureAgain: boolean;
  readonly optedOut: Set<string>;
  lastDispatch: Dispatch | null;
  /** Commands of this event that the device or its peer failed, per device. */
  readonly failures: Map<string, number>;
  /** Energy asked of each device so far [W·ms]. */
  readonly requestedMj: Map<string, number>;
}

export interface CommandEntry {
  readonly command: Command;
  readonly acceptedAtMs: EpochMs;
  status: CommandStatus;
  route: CommandRoute | null;
  readonly tried: CommandRoute[];
  jobId: string | null;
  /** Every job it had, one per path. */
  readonly jobIds: string[];
  attempt: number;
  vendorRef: string | null;
  acknowledgedAtMs: EpochMs | null;
  outcome: CommandOutcome | null;
}

export type JobUse =
  | { readonly kind: 'command'; readonly commandId: string }
  | { readonly kind: 'appliance'; readonly commandId: string }
  | { readonly kind: 'undo'; readonly deviceId: string; readonly vendorRef: string | null };

export interface PriceSeries {
  readonly startMs: EpochMs;
  readonly stepMs: number;
  readonly usdPerMwh: readonly (number | null)[];
}

export function newState(): CoreState {
  return {
    workspaces: new Map(),
    customers: new Map(),
    clients: new Map(),
    apiKeys: new Map(),
    destinations: new Map(),
    sites: new Map(),
    devices: new Map(),
    clock: { isFrozen: false },
    sources: new Map(),
    devicesByTag: new Map(),
    devicesBySite: new Map(),
    appliances: new Map(),
    appliancesByTag: new Map(),
    appliancesBySite: new Map(),
    applianceCommands: new Map(),
    endedApplianceCommands: new Set(),
    programs: new Map(),
    enrollments: new Map(),
    enrolledIn: new Map(),
    safety: new Map(),
    approvals: new Map(),
    approvalRequests: new Map(),
    endedApprovals: new Set(),
    stops: new Map(),
    feeders: new Map(),
    transformers: new Map(),
    transformerOfSite: new Map(),
    alerts: new Map(),
    openAlerts: new Map(),
    resolvedAlerts: new Set(),
    unreachableSince: new Map(),
    noEffectRuns: new Map(),
    resources: new Map(),
    events: new Map(),
    commands: new Map(),
    endedCommands: new Set(),
    jobs: new Map(),
    undoJobs: new Set(),
    groups: new Map(),
    automations: new Map(),
    automationsOf: new Map(),
    schedules: new Map(),
    schedulesOf: new Map(),
    schedulesIn: new Map(),
    deviceModes: new Map(),
    prices: new Map(),
    meters: new Map(),
    bids: new Map(),
    awards: [],
    agenda: new Agenda(),
    eventDays: new Map(),
    batches: new Map(),
    counters: {
      command: 0,
      event: 0,
      job: 0,
      enrollment: 0,
      batch: 0,
      schedule: 0,
      automation: 0,
      group: 0,
      approval: 0,
      alert: 0,
    },
  };
}

export const enrollmentKey = (deviceId: string, programId: string): string => `${programId}/${deviceId}`;
/** @param workspaceId  whose prices they are; absent = the market's, which are everybody's */
export const priceKey = (node: string, market: 'day-ahead' | 'real-time', workspaceId?: string): string =>
  workspaceId === undefined ? `${market}/${node}` : `own/${workspaceId}/${market}/${node}`;
export const bidKey = (programId: string, startMs: EpochMs): string => `${programId}/${startMs}`;
export const deviceTagKey = (workspaceId: string, tag: string): string => `${workspaceId}/${tag}`;
