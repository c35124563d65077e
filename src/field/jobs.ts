import type { EpochMs } from '../domain/units.ts';
import type { FieldJob } from '../ports/field.ts';

/** What the connector keeps of its jobs. */
export type Setpoint = Extract<FieldJob, { kind: 'setpoint' }>;

/** A request on its way to the site. */
export interface About {
  readonly jobId: string;
  readonly job: FieldJob['kind'];
  readonly text: string;
  /** The target of a setpoint [W]. */
  readonly powerW?: number;
  /** What its steps are called. */
  readonly names: readonly string[];
}

/** A setpoint that is given, or waits for its window. */
export interface Active {
  readonly job: Setpoint;
  beatDueMs: EpochMs;
  beats: number;
  underWay: boolean;
  answered: boolean;
}

/** What leaves for the site, in order, before its octets. */
export interface OperateIntent {
  readonly atMs: EpochMs;
  readonly jobId: string;
  readonly job: FieldJob['kind'];
  /** "setpoint 500000 W: direct AO146", for a log. */
  readonly detail: string;
}

export const earliest = (times: readonly (EpochMs | null)[]): EpochMs | null =>
  times.reduce<EpochMs | null>((min, t) => (t !== null && (min === null || t < min) ? t : min), null);

/** Events and intents that nobody took: so many are kept, the oldest falls out. */
const KEPT_MAX = 10_000;

export function pushKept<T>(list: T[], item: T): void {
  if (list.length >= KEPT_MAX) list.shift();
  list.push(item);
}
