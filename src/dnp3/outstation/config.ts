import type { DataKind } from '../app/objects.ts';
import type { Control, ControlHandler } from './controls.ts';
import type { PointConfig } from './database.ts';

/** Settings of an outstation; what is left out takes the value of OUTSTATION_DEFAULTS. */
export interface OutstationConfig {
  readonly localAddress: number;
  readonly remoteAddress: number;
  readonly points: readonly PointConfig[];
  readonly onControl: ControlHandler;
  /** Kinds that a class 0 read returns, in order. */
  readonly class0?: readonly DataKind[];
  /** May it speak unasked at all; even then no class is enabled before the master says so. */
  readonly unsolicited?: boolean;
  readonly eventsMax?: (kind: DataKind) => number;
  readonly fragmentOctetsMax?: number;
  readonly selectMs?: number;
  readonly confirmMs?: number;
  /** Repeats of one unsolicited response before a pause of offlineMs. */
  readonly unsolicitedRetries?: number;
  readonly offlineMs?: number;
  /** Events of this long are gathered into one unsolicited response. */
  readonly holdMs?: number;
  readonly interOctetMs?: number;
  readonly controlsMax?: number;
  /** What a restart is announced to take; answered as g52v2 [ms], above 65 535 ms as g52v1 [s]. */
  readonly restartMs?: number;
  /** Asks the master for the time (IIN1.4). */
  readonly needTime?: boolean;
  /** Asks again so long after the clock was set; null = never [ms]. */
  readonly needTimeEveryMs?: number | null;
  /** Executes DIRECT OPERATE WITHOUT RESPONSE sent to a broadcast address; other controls never come that way. */
  readonly broadcastControls?: boolean;
}

/**
 * Select 10 s, confirm 5 s, 3 retries, offline 60 s: the profile proposed for an RTAC after tables of SEL-421 and
 * SEL-787 [S]. Fragment 2048, 64 controls and 1000 events a kind are our limits.
 */
export const OUTSTATION_DEFAULTS = {
  class0: ['BI', 'DBI', 'AI', 'CTR', 'FCTR', 'BOS', 'AOS', 'OCT'],
  unsolicited: true,
  eventsMax: () => 1000,
  fragmentOctetsMax: 2048,
  selectMs: 10_000,
  confirmMs: 5_000,
  unsolicitedRetries: 3,
  offlineMs: 60_000,
  holdMs: 100,
  interOctetMs: 2_000,
  controlsMax: 64,
  restartMs: 5_000,
  needTime: false,
  needTimeEveryMs: null,
  broadcastControls: false,
} as const satisfies Partial<OutstationConfig>;

export type OutstationEvent =
  /** A request that was understood and answered (or needed no answer); feeds a watchdog. */
  | { readonly kind: 'request'; readonly functionCode: number; readonly iin2: number }
  | { readonly kind: 'controls'; readonly functionCode: number; readonly controls: readonly ControlResult[] }
  | { readonly kind: 'clock-set'; readonly timeMs: number }
  | { readonly kind: 'restart'; readonly cold: boolean }
  | { readonly kind: 'broadcast-refused'; readonly functionCode: number }
  | { readonly kind: 'class-assigned'; readonly points: number }
  | { readonly kind: 'deadbands-set'; readonly points: number }
  /** A request fell because so many answers, or reads put off, already wait; the sender gets nothing for it. */
  | { readonly kind: 'request-dropped'; readonly why: 'answers waiting' | 'reads waiting' };

export interface ControlResult {
  readonly control: Control;
  readonly status: number;
}

/** Output and events not drained hold at most this many; then the newest request is dropped, or the oldest event is. */
export const OUTPUT_MAX = 256;
export const EVENTS_OUT_MAX = 1_000;
/** Reads put off until an unsolicited response is confirmed; above that the newest is dropped. */
export const DEFERRED_MAX = 256;
/** Latest time a clock may be set to: 2100-01-01. A later one is a parameter error. */
export const CLOCK_MS_MAX = 4_102_444_800_000;
