import type { EpochMs } from './units.ts';

/** A figure with where it comes from; nothing secondary or remembered may pass as checked. */
export interface Provenance {
  readonly source: string;
  readonly standing: 'read' | 'secondary' | 'memory' | 'assumed' | 'derived';
}

/** Local wall-clock window [start, end), "16:00" to "21:00". */
export interface DailyWindow {
  readonly start: string;
  readonly end: string;
}

export type ProgramTrigger =
  /** Dispatch in every hour of the window whose day-ahead price is at or above the threshold. */
  | { readonly kind: 'day-ahead-price'; readonly thresholdUsdPerMwh: number; readonly window: DailyWindow }
  /** Dispatch what the day-ahead market awarded to our bid. */
  | { readonly kind: 'day-ahead-award' }
  /** Events come from the timeline or the API only. */
  | { readonly kind: 'called' };

/** The tag of devices that may be enrolled in a program. */
export const programTag = (programId: string): string => `program:${programId}`;

export interface Program {
  readonly programId: string;
  readonly workspaceId: string;
  readonly name: string;
  readonly timeZone: string;
  /** The market node whose prices trigger or settle it. */
  readonly node: string;
  readonly trigger: ProgramTrigger;
  /** Capacity promised to the program [W]. */
  readonly nominatedW: number;
  readonly paymentUsdPerKwh: number;
  readonly provenance: Provenance;
}

/**
 * Enrollment of a device in a program.
 * @source TextureHQ/docs programs/enrollments: the seven states and their transitions
 */
export const ENROLLMENT_STATUSES = [
  'candidate',
  'eligible',
  'ineligible',
  'submitted',
  'approved',
  'rejected',
  'unenrolled',
] as const;
export type EnrollmentStatus = (typeof ENROLLMENT_STATUSES)[number];

export const ENROLLMENT_NEXT: Readonly<Record<EnrollmentStatus, readonly EnrollmentStatus[]>> = {
  candidate: ['eligible', 'ineligible'],
  eligible: ['submitted'],
  submitted: ['approved', 'rejected'],
  approved: ['unenrolled'],
  ineligible: [],
  rejected: [],
  unenrolled: [],
};

export interface EventInterval {
  readonly startMs: EpochMs;
  readonly endMs: EpochMs;
  /** Power to deliver over the baseline, ≥ 0 [W]. */
  readonly targetW: number;
  /** Price that called it, when a price did [$/MWh]. */
  readonly priceUsdPerMwh: number | null;
}

/** An event offered to the resources of a program: adjacent intervals in order of time. */
export interface GridEvent {
  readonly eventId: string;
  readonly programId: string;
  readonly kind: 'dispatch' | 'test' | 'incentive';
  readonly calledBy: string;
  readonly intervals: readonly EventInterval[];
}

export const eventStartMs = (e: GridEvent): EpochMs => e.intervals[0]?.startMs ?? 0;
export const eventEndMs = (e: GridEvent): EpochMs => e.intervals[e.intervals.length - 1]?.endMs ?? 0;

/** Why a device takes no part in a control period; a closed list. */
export type ExclusionReason =
  | 'not_enrolled'
  | 'enrollment_pending'
  | 'opted_out'
  | 'offline'
  | 'stale_telemetry'
  | 'storm_guard'
  | 'low_soc'
  | 'reserve'
  | 'site_not_controllable'
  /** Another command has the device in this period, a person's or another event's. */
  | 'held_by_command'
  /** A transformer or feeder above it has no room left. */
  | 'transformer_limit'
  /** Took the command in this event, and telemetry shows no effect. */
  | 'not_responding'
  | 'not_needed';

/** A price-quantity curve for one delivery hour; price ascending, quantity non-decreasing. */
export interface Bid {
  readonly programId: string;
  readonly startMs: EpochMs;
  readonly steps: readonly { readonly priceUsdPerMwh: number; readonly quantityW: number }[];
}

/** What the market took of a bid at the clearing price. */
export interface Award {
  readonly programId: string;
  readonly startMs: EpochMs;
  readonly endMs: EpochMs;
  readonly awardedW: number;
  readonly priceUsdPerMwh: number;
}
