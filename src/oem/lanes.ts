import type { OemJob } from '../ports/oem.ts';
import { isBarred, isEmergency, type Queued, replaces } from './task.ts';

/**
 * Writes for one device: one after the other. An emergency stop waits for other stops of its device only: it goes beside
 * what is under way, and what waits there ends. Orders that come after it wait until it is over.
 */
export interface Lanes {
  enter(queued: Queued): Entered;
  /** The job, which had entered and started, is over. @returns the one that starts in its place */
  leave(job: OemJob): Queued | undefined;
  /** Jobs that wait. */
  size(): number;
}

export interface Entered {
  readonly starts: boolean;
  /** Jobs that end here, each with the reason; the one that came may be among them. */
  readonly ended: readonly { readonly job: OemJob; readonly why: string }[];
  /** The job under way that may write no more; null = none. */
  readonly barredJobId: string | null;
}

/** At LANE_MAX writes waiting for one device a new one ends 'not-sent'. */
export const LANE_MAX = 50;
export const STOPPED_FIRST = 'an emergency stop of the device came first';

/** What is under way, and what waits for it; a lane exists while something is under way. */
interface Lane {
  order: OemJob | null;
  stop: OemJob | null;
  orders: Queued[];
  stops: Queued[];
}

const STARTS: Entered = { starts: true, ended: [], barredJobId: null };

export function createLanes(): Lanes {
  const lanes = new Map<string, Lane>();
  let waiting = 0;
  const wait = (queue: Queued[], queued: Queued): Entered => {
    const { job } = queued;
    if (queue.some((q) => q.job.jobId === job.jobId)) return { ...STARTS, starts: false };
    if (queue.length >= LANE_MAX) {
      const why = `${LANE_MAX} writes for the device are waiting`;
      return { starts: false, ended: [{ job, why }], barredJobId: null };
    }
    queue.push(queued);
    waiting += 1;
    return { ...STARTS, starts: false };
  };
  /** Takes out of the orders that wait what the test says. */
  const dropped = (lane: Lane, isOut: (job: OemJob) => boolean): OemJob[] => {
    const out = lane.orders.filter((q) => isOut(q.job)).map((q) => q.job);
    lane.orders = lane.orders.filter((q) => !isOut(q.job));
    waiting -= out.length;
    return out;
  };
  const enterStop = (lane: Lane, queued: Queued): Entered => {
    const ended = dropped(lane, isBarred).map((job) => ({ job, why: STOPPED_FIRST }));
    const barredJobId = lane.order !== null && isBarred(lane.order) ? lane.order.jobId : null;
    if (lane.stop === null) {
      lane.stop = queued.job;
      return { starts: true, ended, barredJobId };
    }
    const entered = wait(lane.stops, queued);
    return { ...entered, ended: [...ended, ...entered.ended], barredJobId };
  };
  const enterOrder = (lane: Lane, queued: Queued): Entered => {
    const { job } = queued;
    if (lane.order === null && lane.stop === null) {
      lane.order = job;
      return STARTS;
    }
    if (lane.orders.some((q) => q.job.jobId === job.jobId)) return { ...STARTS, starts: false };
    const why = `replaced by the newer job ${job.jobId}`;
    const ended = dropped(lane, (older) => replaces(job, older)).map((older) => ({ job: older, why }));
    const entered = wait(lane.orders, queued);
    return { ...entered, ended: [...ended, ...entered.ended] };
  };
  return {
    enter(queued) {
      const { job } = queued;
      let lane = lanes.get(job.vendorDeviceId);
      if (lane === undefined) {
        lane = { order: null, stop: null, orders: [], stops: [] };
        lanes.set(job.vendorDeviceId, lane);
      }
      return isEmergency(job) ? enterStop(lane, queued) : enterOrder(lane, queued);
    },
    leave(job) {
      const lane = lanes.get(job.vendorDeviceId);
      if (lane === undefined) return undefined;
      if (isEmergency(job)) lane.stop = null;
      else lane.order = null;
      const next =
        lane.stop === null
          ? (lane.stops.shift() ?? (lane.order === null ? lane.orders.shift() : undefined))
          : undefined;
      if (next !== undefined) {
        waiting -= 1;
        if (isEmergency(next.job)) lane.stop = next.job;
        else lane.order = next.job;
      } else if (lane.order === null && lane.stop === null) lanes.delete(job.vendorDeviceId);
      return next;
    },
    size: () => waiting,
  };
}
