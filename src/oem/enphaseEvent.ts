import { isoUtc } from '../domain/time.ts';
import { type EpochMs, MS_PER_MIN } from '../domain/units.ts';
import type { OemJob, OemReply, VendorCommandStatus } from '../ports/oem.ts';
import { type Json, recordsOf, textOf, timeOf } from './read.ts';
import { garbled, get, type HttpStep } from './script.ts';

/** Events of the Enphase VPP API 1.1.0: a control as an event, and what the API says of one. */
export type Control = Extract<OemJob, { kind: 'control' }>;

const minute = (ms: EpochMs): string => isoUtc(ms).slice(0, 16).replace('T', ' ');

/** Lowest target reserve (read, TextureHQ/docs) [%]. */
export const RESERVE_PCT_MIN = 10;

/** Site ids are 32-bit integers. An id that is none goes as text, which the simulated cloud takes and the real one not. */
export const siteId = (id: string): number | string => (/^[1-9][0-9]{0,9}$/.test(id) ? Number(id) : id);

const MODE_OF = {
  grid_services: { charge: 'Charge_From_PV_Grid', discharge: 'Discharge_To_Load_Grid', idle: 'Idle' },
  baseline: { charge: 'Charge_From_PV_Grid', discharge: 'Discharge_To_Load', idle: 'Idle' },
} as const;

/** "Rate greater than rated power will be set to rated power": asks for all that it has. */
const ALL_WATT = 1_000_000;

export interface EventBody {
  readonly program_id: string;
  readonly site_ids: readonly (number | string)[];
  readonly mode: string;
  readonly rate_watt: number;
  readonly end_time: string;
  readonly superseded: boolean;
  readonly [key: string]: unknown;
}

/**
 * The event for a control. Times are whole minutes: the end is rounded to the nearest, a start within the next minute
 * is left out, which means the next whole minute.
 */
export function eventOf(job: Control, programId: string, nowMs: EpochMs): EventBody | string {
  if (job.mode === 'reset') return 'a reset is no event';
  const startMs = Math.ceil(job.startMs / MS_PER_MIN) * MS_PER_MIN;
  const soonMs = (Math.floor(nowMs / MS_PER_MIN) + 1) * MS_PER_MIN;
  const endMs = Math.round(job.endMs / MS_PER_MIN) * MS_PER_MIN;
  if (endMs <= Math.max(startMs, soonMs)) return 'less than a minute is left of it';
  const sign = job.mode === 'discharge' ? 1 : job.mode === 'charge' ? -1 : 0;
  const rate = sign * Math.min(ALL_WATT, Math.round(job.powerW ?? ALL_WATT));
  if (sign !== 0 && rate === 0) return 'a power of 0 W is no charge and no discharge';
  const targetSoc =
    sign > 0 ? Math.min(100, Math.max(RESERVE_PCT_MIN, Math.ceil(job.reservePctMin))) : Math.floor(job.reservePctMax);
  return {
    program_id: programId,
    measuring_reference: 'ASSET',
    functions: ['BATTERY'],
    site_ids: [siteId(job.vendorDeviceId)],
    mode: MODE_OF[job.mayExport ? job.route : 'baseline'][job.mode],
    rate_watt: rate,
    ...(sign === 0 ? {} : { target_soc: targetSoc }),
    ...(startMs > soonMs ? { start_time: minute(startMs) } : {}),
    end_time: minute(endMs),
    superseded: false,
  };
}

export const EVENTS = '/api/v2/events';

export const LIST_MAX = 20;
export const listOf = (site: string, programId: string): HttpStep =>
  get(
    `${EVENTS}?program_id=${encodeURIComponent(programId)}&site_id=${encodeURIComponent(site)}&page_size=${LIST_MAX}`,
  );

/** The clocks of both sides may differ by this much when created_at is compared with the time of sending [ms]. */
const SKEW_MS = 2_000;

/** An open event with our figures that was made after we asked for it. */
export function findEvent(body: Json, event: EventBody, sentMs: EpochMs): string | null | undefined {
  const items = recordsOf(body, 'eventList', LIST_MAX);
  if (items === null) return undefined;
  for (const item of items) {
    const detail = recordsOf(item, 'events', 10)?.[0];
    if (detail === undefined) continue;
    const status = textOf(detail, 'event_status');
    const isGone = status === 'deleted' || status === 'stopped';
    const createdMs = timeOf(detail, 'created_at');
    const isOurs = textOf(detail, 'mode') === event.mode && detail.rate_watt === event.rate_watt;
    if (!isGone && isOurs && createdMs !== null && createdMs >= sentMs - SKEW_MS) return textOf(item, 'event_id');
  }
  return null;
}

/**
 * As findEvent, for an event that may have been made before a restart: when is not known, so its figures and its end tell.
 * An older one of ours with the same figures and end that is still open is as good: the device does the same. One that was
 * cancelled may or may not be ours, which says nothing.
 */
export function findEventBefore(body: Json, event: EventBody): string | null | undefined {
  const items = recordsOf(body, 'eventList', LIST_MAX);
  if (items === null) return undefined;
  let gone = false;
  for (const item of items) {
    const detail = recordsOf(item, 'events', 10)?.[0];
    const endMs = detail === undefined ? null : timeOf(detail, 'end_time');
    if (detail === undefined || endMs === null || minute(endMs) !== event.end_time) continue;
    if (textOf(detail, 'mode') !== event.mode || detail.rate_watt !== event.rate_watt) continue;
    const status = textOf(detail, 'event_status');
    if (status !== 'deleted' && status !== 'stopped') return textOf(item, 'event_id') ?? undefined;
    gone = true;
  }
  return gone ? undefined : null;
}

const STATUS: Readonly<Record<string, VendorCommandStatus>> = {
  scheduled: 'scheduled',
  in_progress: 'in-progress',
  completed: 'completed',
  stopped: 'cancelled',
  deleted: 'cancelled',
  failed: 'failed',
  optedout: 'opted-out',
};

export function statusReply(jobId: string, body: Json): OemReply {
  const detail = recordsOf(body, 'events', 10)?.[0];
  const word = detail === undefined ? null : textOf(detail, 'event_status');
  const status = word === null || !Object.hasOwn(STATUS, word) ? undefined : STATUS[word];
  if (detail === undefined || status === undefined) return garbled(jobId, 'event_status');
  const why = textOf(detail, 'failure_reason');
  const delivery = textOf(detail, 'command_delivery_status') ?? 'unknown';
  return {
    kind: 'command-status',
    jobId,
    status,
    detail: `${word}, delivery ${delivery}${why === null ? '' : `: ${why}`}`,
  };
}
