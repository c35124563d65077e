import type { ControlLeave } from '../domain/safety.ts';
import type { EpochMs } from '../domain/units.ts';
import type { FieldJob, FieldReply } from '../ports/field.ts';
import { type NamedStep, namedStep } from './controls.ts';
import type { About } from './jobs.ts';
import type { PointMap } from './pointMap.ts';

/**
 * The reserve of a site (AO100, its answer AI161). A setting that stands, so it leaves once and is not repeated by beats;
 * like a setpoint it waits until the site may be controlled, and passes the gate as long as it waits. One
 * waits at a time: a newer one takes its place. It is selected and then operated (promise S10), though the list of
 * functions writes it directly (functions.ts): it changes what the site keeps for outages for good.
 */
export type ReserveJob = Extract<FieldJob, { kind: 'reserve' }>;

export class ReserveOrder {
  private waiting: ReserveJob | null = null;
  private readonly map: PointMap;
  private readonly reply: (reply: FieldReply) => void;

  constructor(map: PointMap, reply: (reply: FieldReply) => void) {
    this.map = map;
    this.reply = reply;
  }

  /** When what waits gives up; null = nothing waits. */
  get endMs(): EpochMs | null {
    return this.waiting === null ? null : this.waiting.notAfterMs + 1;
  }

  /** The gate is asked by leaving(). @param why  the site takes none now, whatever its leave; null = it does */
  take(job: ReserveJob, why: string | null): void {
    if (why !== null) return this.reply({ kind: 'refused', jobId: job.jobId, why });
    this.drop('replaced by a newer reserve');
    this.waiting = job;
  }

  drop(why: string): void {
    const job = this.waiting;
    this.waiting = null;
    if (job !== null) this.reply({ kind: 'refused', jobId: job.jobId, why });
  }

  /** What leaves now, or null. @param mayControl  the site may be controlled and is heard */
  leaving(
    mayControl: boolean,
    leave: ControlLeave,
    nowMs: EpochMs,
  ): { readonly about: Omit<About, 'names'>; readonly steps: readonly NamedStep[] } | null {
    const job = this.waiting;
    if (job === null) return null;
    if (nowMs > job.notAfterMs) this.drop('its time had passed before it could be sent');
    else if (leave.kind === 'refused') this.drop(leave.why);
    if (this.waiting === null || !mayControl) return null;
    this.waiting = null;
    const { jobId, reservePct } = job;
    const step = namedStep(this.map, 'select-operate', 'setMinimumReserve', reservePct);
    return { about: { jobId, job: 'reserve', text: `reserve ${reservePct} %` }, steps: [step] };
  }
}
