import type { CoreInput, Refusal } from '../core/input.ts';
import type { CoreSettings } from '../core/settings.ts';
import type { CoreState } from '../core/state.ts';
import type { TelemetryStore } from '../core/telemetry.ts';
import type { ApplianceState } from '../domain/appliance.ts';
import type { BatteryState } from '../domain/battery.ts';
import type { OutboxEvent } from '../domain/destination.ts';
import type { Fact } from '../domain/fact.ts';
import type { Metric, MetricRange, MetricWindow } from '../domain/metric.ts';
import type { EpochMs } from '../domain/units.ts';
import type { RawPoint } from '../ports/field.ts';
import type { JournalEntry, StoredReply } from '../ports/journal.ts';

/**
 * What the HTTP face needs of the service behind it. The host implements it over real sockets and a journal on disk; a
 * test may implement it in memory. The face decides nothing about devices: it checks who asks, reads what was said and
 * hands it on.
 */
export interface Service {
  /** The plant that holds a workspace; null = there is no such workspace. */
  plantOf(workspaceId: string): Plant | null;
  /** The plant that holds the registry: workspaces, clients, keys. */
  readonly registry: Plant;
  /**
   * Puts one input into a plant. Resolves when what the core decided is durable and its effects are on their way, or when
   * nothing happened at all.
   */
  submit(submission: Submission): Promise<Submitted>;
  /** The answer that was given to a request with this key; null = none in the last 24 hours. */
  replyOf(workspaceId: string, key: string): StoredReply | null;
  /** Journal entries of a subject ("workspace/…", "command/…", "device/…"), newest first. */
  history(
    subject: string,
    page: { readonly beforeSeq: number | null; readonly limit: number },
  ): readonly JournalEntry[];
  readonly telemetry: TelemetryHistory;
  readonly deliveries: Deliveries;
  readonly secrets: Secrets;
  /** Everything that is told to the destinations of a workspace, as it becomes durable. Call the result to stop. */
  listen(workspaceId: string, onEvent: (event: OutboxEvent) => void): () => void;
  /** The test clock of a sandbox workspace; null in production. */
  clockOf(workspaceId: string): TestClock | null;
  health(): ServiceHealth;
}

/** One core with what it knows. Reading is free; every change goes through submit(). */
export interface Plant {
  readonly plantId: string;
  readonly state: CoreState;
  readonly telemetry: TelemetryStore;
  readonly settings: CoreSettings;
  nowMs(): EpochMs;
}

export interface Submission {
  /** null: the registry's plant. */
  readonly workspaceId: string | null;
  readonly input: CoreInput;
  readonly actor: string;
  readonly requestId: string;
  /** Written in the same transaction, so that the same request twice gets the same answer. null = no key was given. */
  readonly reply: ((decided: Decided) => StoredReply) | null;
}

/** What the core decided; nothing is durable yet. */
export interface Decided {
  readonly facts: readonly Fact[];
  readonly refusals: readonly Refusal[];
  readonly atMs: EpochMs;
}

export type Submitted =
  | (Decided & { readonly kind: 'done'; readonly seq: number | null })
  /** Nothing happened; 'overload' and 'full' may pass. */
  | { readonly kind: 'unavailable'; readonly reason: string; readonly why: string; readonly retryAfterS: number };

/** Samples as they came, and the windows over them. Not part of the journal: after a loss there is a hole, no error. */
export interface TelemetryHistory {
  states(deviceId: string, range: TimeRange): readonly BatteryState[];
  /** Of a device that is no battery. */
  applianceStates(deviceId: string, range: TimeRange): readonly ApplianceState[];
  /** Raw DNP3 points of a device, irregular. */
  points(deviceId: string, range: TimeRange): readonly RawPoint[];
  windows(request: {
    readonly deviceIds: readonly string[];
    readonly metric: Metric;
    readonly range: MetricRange;
    readonly windowMs: number;
  }): readonly (MetricWindow & { readonly deviceId: string })[];
}

export interface TimeRange {
  readonly fromMs: EpochMs;
  readonly toMs: EpochMs;
  /** The newest so many. */
  readonly limit: number;
}

/** Webhook deliveries, as far as a workspace may see and steer them. */
export interface Deliveries {
  list(
    destinationId: string,
    page: { readonly limit: number; readonly state: 'pending' | 'delivered' | 'dead' | null },
  ): readonly Delivery[];
  health(destinationId: string): DestinationHealth | null;
  /** Sends a test event now. @returns how the first attempt ended */
  test(destinationId: string): Promise<{ readonly ok: boolean; readonly status: number | null; readonly why: string }>;
  /** Puts dead or delivered ones back in the queue. @returns how many */
  replay(
    destinationId: string,
    which: { readonly deliveryId: string } | { readonly fromMs: EpochMs; readonly toMs: EpochMs },
  ): number;
  /** Whether a URL may be a destination; null = it may. */
  refusalOf(url: string): string | null;
}

export interface Delivery {
  readonly deliveryId: string;
  readonly eventType: string;
  readonly state: 'pending' | 'delivered' | 'dead';
  readonly attempts: number;
  readonly nextAttemptMs: EpochMs | null;
  readonly lastStatus: number | null;
  readonly lastError: string | null;
  readonly createdMs: EpochMs;
}

export interface DestinationHealth {
  readonly state: 'healthy' | 'failing' | 'disabled';
  readonly pending: number;
  readonly dead: number;
  readonly lastSuccessMs: EpochMs | null;
  readonly failingSinceMs: EpochMs | null;
}

/** Secrets live beside the journal, never in it. */
export interface Secrets {
  /** Makes a new webhook secret; the one before stays valid until the next rotation. Shown once. */
  rotateWebhook(destinationId: string): string;
  forgetWebhook(destinationId: string): void;
}

export interface TestClock {
  nowMs(): EpochMs;
  isFrozen(): boolean;
  freeze(): void;
  resume(): void;
  /** Whether one more advance may wait. */
  canAdvance(): boolean;
  /** Everything due until then happens, in order; resolves when it has settled. Only when one more may wait. */
  advanceTo(atMs: EpochMs): Promise<void>;
}

export interface ServiceHealth {
  readonly status: 'ok' | 'degraded' | 'read-only';
  /** Part → how it is, in words. */
  readonly parts: Readonly<Record<string, { readonly ok: boolean; readonly why: string }>>;
}
