import type { EpochMs } from './units.ts';

/**
 * Where a workspace receives webhooks.
 * @source TextureHQ/docs destinations: label, url, headers, secret, filters by event and device type; Standard Webhooks
 *         1.0 for the other signature scheme
 */
export interface Destination {
  readonly destinationId: string;
  readonly workspaceId: string;
  readonly label: string;
  readonly url: string;
  readonly signature: 'texture' | 'standard-webhooks';
  /** Extra headers of each delivery; names that the sender sets itself are refused. */
  readonly headers: Readonly<Record<string, string>>;
  /** Event types it wants; empty = all. */
  readonly eventTypes: readonly string[];
  /** Device kinds it wants; empty = all. Events that concern no device pass. */
  readonly deviceTypes: readonly string[];
  readonly enabled: boolean;
}

/** An event for a workspace's destinations. `data` has no secrets. */
export interface OutboxEvent {
  /** Journal sequence it follows from, and its place in that entry. */
  readonly seq: number;
  readonly index: number;
  readonly workspaceId: string;
  readonly type: string;
  readonly version: string;
  readonly deviceType: string | null;
  readonly timestampMs: EpochMs;
  readonly data: Readonly<Record<string, unknown>>;
}
