import type { EventType } from './eventTypes.ts';
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
  readonly type: EventType;
  readonly version: string;
  readonly deviceType: string | null;
  readonly timestampMs: EpochMs;
  readonly data: Readonly<Record<string, unknown>>;
}

export type DestinationFact =
  | { readonly type: 'destination.created'; readonly destination: Destination; readonly actor: string }
  | { readonly type: 'destination.changed'; readonly destination: Destination; readonly actor: string }
  | {
      readonly type: 'destination.deleted';
      readonly workspaceId: string;
      readonly destinationId: string;
      readonly actor: string;
    };

/**
 * Stands in a destination's headers where the value is kept apart: what a receiver asks for, like "Authorization: Bearer
 * …", is a secret, and the journal holds none.
 */
export const HIDDEN = '(hidden)';

/** For the journal: the names of the headers, no value. */
export const hiddenHeaders = (headers: Readonly<Record<string, string>>): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.keys(headers).map((name) => [name, HIDDEN]));

export const HEADERS_MAX = 20;
const HEADER_VALUE_CHARACTERS_MAX = 1_024;

/** Headers that the sender sets, or that steer the connection itself (RFC 9110 7.6.1). */
const OWN_HEADERS = new Set(
  (
    'host content-type content-length content-encoding transfer-encoding connection keep-alive proxy-connection ' +
    'proxy-authorization te trailer upgrade expect user-agent accept accept-encoding date'
  ).split(' '),
);

/** @returns why a delivery may not carry this header, without its value; null = it may */
export function headerRefusal(name: string, value: string): string | null {
  const lower = name.toLowerCase();
  if (!/^[!#$%&'*+.^_`|~0-9a-z-]{1,128}$/.test(lower)) return 'this is no name of a header (RFC 9110 5.6.2)';
  if (OWN_HEADERS.has(lower) || lower.startsWith('texture-') || lower.startsWith('webhook-')) {
    return `${lower} is set by the sender`;
  }
  if (value.length > HEADER_VALUE_CHARACTERS_MAX) {
    return `the value of ${lower} has more than ${HEADER_VALUE_CHARACTERS_MAX} characters`;
  }
  return /^[\t -~]*$/.test(value) ? null : `the value of ${lower} holds characters beyond printable ASCII`;
}
