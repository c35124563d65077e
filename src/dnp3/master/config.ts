import type { Measurement, OctetString, PointFilter } from './measurements.ts';
import type { AssignClassRequest, MasterRequest, RequestOutcome, TimeSyncRequest } from './requests.ts';
import type { CommandOutcome } from './tasks.ts';

export interface MasterConfig {
  readonly localAddress: number;
  readonly remoteAddress: number;
  readonly known: PointFilter;
  /** Classes the outstation may send unasked; [] = polls only. */
  readonly unsolicitedClasses?: readonly (1 | 2 | 3)[];
  /** Time between reads of everything [ms]. */
  readonly integrityMs?: number;
  /** Time between reads of events [ms]; null = only when indications say that there are some. */
  readonly eventPollMs?: number | null;
  /** Silence after which the link status is asked for; as long again without any octet and the link is called dead [ms]. */
  readonly keepAliveMs?: number;
  readonly responseMs?: number;
  /** Pause after a failed start-up step [ms]. */
  readonly retryMs?: number;
  readonly interOctetMs?: number;
  /** Sets the outstation's clock when it asks for it (IIN1.4). */
  readonly timeSync?: boolean;
  /** How: by recording the current time, or by measuring the delay (serial lines). */
  readonly timeSyncMethod?: TimeSyncRequest['method'];
  readonly commandsMax?: number;
  /** Requests of the owner (reads, restarts, ...) that may wait. */
  readonly requestsMax?: number;
  /** Octet strings of the map; others are dropped. */
  readonly knownOctets?: (index: number) => boolean;
  /** Longest pause between failed attempts; each failure in a row doubles it from retryMs [ms]. */
  readonly retryMaxMs?: number;
  /** Event classes set at each start-up, before the integrity poll. */
  readonly assignments?: AssignClassRequest['assignments'];
}

/** Keep-alive 60 s and response 5 s as opendnp3 and stepfunc have them; the others are ours. */
export const MASTER_DEFAULTS = {
  unsolicitedClasses: [1, 2, 3],
  integrityMs: 3_600_000,
  eventPollMs: null,
  keepAliveMs: 60_000,
  responseMs: 5_000,
  retryMs: 5_000,
  interOctetMs: 2_000,
  timeSync: true,
  timeSyncMethod: 'lan',
  commandsMax: 32,
  requestsMax: 32,
  knownOctets: () => false,
  retryMaxMs: 60_000,
  assignments: [],
} as const satisfies Partial<MasterConfig>;

export type MasterEvent =
  | { readonly kind: 'measurements'; readonly values: readonly Measurement[] }
  /** Every class was read to the end: the picture is whole. */
  | { readonly kind: 'integrity-complete' }
  /** The events were read: what was known and is not contradicted still holds. */
  | { readonly kind: 'polled' }
  /** The outstation restarted: what was known of it is void until the next integrity poll. */
  | { readonly kind: 'restarted' }
  /** A control leaves; before its octets, so that a log has the intent first. */
  | {
      readonly kind: 'control-sent';
      readonly id: string;
      readonly phase: 'select' | 'operate' | 'direct' | 'no-ack';
      readonly step: number;
    }
  | { readonly kind: 'command-ended'; readonly id: string; readonly outcome: CommandOutcome }
  | { readonly kind: 'task-failed'; readonly task: string; readonly why: string }
  /** Nothing heard although asked: a live adapter closes the connection. */
  | { readonly kind: 'link-dead' }
  /** Something was heard again; the start-up runs anew. */
  | { readonly kind: 'link-alive' };

/** All that a master tells, in order: what takeEvents gives, and ends of requests and octet strings. */
export type MasterNotice =
  | MasterEvent
  /** The end of readRange, readClasses, timeSync, restart, assignClass, freeze, writeDeadbands; once for each id. */
  | {
      readonly kind: 'request-ended';
      readonly id: string;
      readonly request: MasterRequest['kind'];
      readonly outcome: RequestOutcome;
    }
  /** Octet strings and dead-bands that came; not numbers of a point, so no measurements. */
  | { readonly kind: 'octet-strings'; readonly values: readonly OctetString[] }
  | { readonly kind: 'deadbands'; readonly values: readonly { readonly index: number; readonly deadband: number }[] };

/** Events not drained hold at most this many; then the oldest goes. */
export const MASTER_EVENTS_MAX = 10_000;
/** A response of more fragments than this is broken off. */
export const FRAGMENTS_MAX = 512;
