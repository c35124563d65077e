import type { BatteryState } from '../domain/battery.ts';
import type { SiteTelemetry } from '../domain/siteTelemetry.ts';
import type { EpochMs } from '../domain/units.ts';

/** How the core speaks with a utility-scale site over DNP3: jobs in, replies out, octets and time through. */
export type FieldJob =
  /** Hold this AC power until released; repeated by the connector so that the site's watchdog stays fed. */
  | {
      readonly kind: 'setpoint';
      readonly jobId: string;
      readonly powerW: number;
      readonly startMs: EpochMs;
      readonly endMs: EpochMs;
    }
  /** Give the site back to its own schedule. */
  | { readonly kind: 'release'; readonly jobId: string }
  /** The floor of the site's store [% of usable]; stands until the next one. */
  | { readonly kind: 'reserve'; readonly jobId: string; readonly reservePct: number; readonly notAfterMs: EpochMs }
  /** Cease to energise, at once. */
  | { readonly kind: 'emergency-stop'; readonly jobId: string };

export type FieldReply =
  | { readonly kind: 'operated'; readonly jobId: string }
  /** The safety gate or the outstation said no. */
  | { readonly kind: 'refused'; readonly jobId: string; readonly why: string }
  /** No answer came. */
  | { readonly kind: 'unknown'; readonly jobId: string; readonly why: string };

/** One raw point as it came, kept beside the normalised state. */
export interface RawPoint {
  readonly type: 'AI' | 'BI' | 'CTR' | 'AOS' | 'BOS';
  readonly index: number;
  readonly value: number;
  readonly flags: number;
  readonly atMs: EpochMs;
  readonly timeQuality: 'synchronised' | 'unsynchronised' | 'received';
  readonly source: 'static' | 'event' | 'unsolicited';
}

export type FieldEvent =
  | { readonly kind: 'link'; readonly up: boolean }
  /** The integrity poll is complete: the point table is whole and fresh. */
  | { readonly kind: 'integrity-read' }
  /** The battery as normalised; `site` is what a utility-scale one says beyond that. */
  | { readonly kind: 'state'; readonly state: BatteryState; readonly local: boolean; readonly site?: SiteTelemetry }
  | { readonly kind: 'points'; readonly points: readonly RawPoint[] }
  | { readonly kind: 'reply'; readonly reply: FieldReply };

/** The connector of one site. It does no I/O: octets and time go in, octets and events are drained. */
export interface FieldSession {
  connected(nowMs: EpochMs): void;
  disconnected(nowMs: EpochMs): void;
  receive(octets: Uint8Array, nowMs: EpochMs): void;
  submit(job: FieldJob, nowMs: EpochMs): void;
  timeout(nowMs: EpochMs): void;
  nextTimeoutMs(): EpochMs | null;
  takeOutput(): Uint8Array[];
  takeEvents(): FieldEvent[];
}
