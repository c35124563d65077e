import type { BatteryStrategy } from '../domain/battery.ts';
import { type EpochMs, MS_PER_HOUR, MS_PER_MIN } from '../domain/units.ts';
import type { OemCapabilities, OemJob, OemReply } from '../ports/oem.ts';
import {
  type Control,
  EVENTS,
  eventOf,
  findEvent,
  findEventBefore,
  LIST_MAX,
  listOf,
  RESERVE_PCT_MIN,
  siteId,
  statusReply,
} from './enphaseEvent.ts';
import {
  basic,
  HOME_W_MAX,
  HOME_WH_MAX,
  type Json,
  numberOf,
  type Reading,
  recordsOf,
  stateOf,
  textOf,
  timeOf,
} from './read.ts';
import {
  type Dialect,
  failReply,
  garbled,
  get,
  type HttpStep,
  inDoubt,
  type Limits,
  lookBefore,
  nothingKept,
  onlyBatteries,
  postAgain,
  postOnce,
  putAgain,
  remove,
  reserveOf,
  resumedReply,
  type Script,
  type ScriptClock,
  type SendResult,
  sendOnce,
  unsentReply,
} from './script.ts';
import { failedSet } from './task.ts';

/**
 * The Enphase cloud from the core's side: VPP API 1.1.0, client credentials, one site per event.
 * @source api-evangelist/enphase openapi/enphase-{auth,events,applications}-api-openapi.yml (read), and
 *         TextureHQ/docs on Enphase grid services (read): a command takes at least a minute, reserve at least 10 %
 *
 * An event has no idempotency key. So an event is first asked for without `superseded`: a copy of it, sent by us or made
 * by the network, is refused as an overlap. Only where an older event of ours is known or found to be in the way is
 * `superseded` used.
 * The baseline path uses an event as well, in a mode that serves the home's load and never exports: the VPP API has no
 * other way to control a battery.
 */
export interface EnphaseConfig {
  readonly clientId: string;
  readonly clientSecret: string;
  readonly apiKey: string;
  /** The program that events are booked on; absent = the one the site is enrolled in, which is read once. */
  readonly programId?: string;
  readonly limits?: Partial<Limits>;
  /** How long reserve and battery mode are taken as known [ms]. */
  readonly settingsAgeMsMax?: number;
}

export const ENPHASE_CAPABILITIES: OemCapabilities = {
  gridServices: true, // TextureHQ/docs, programs CA and TX (read)
  autoEnroll: false, // "requires separate enrollment process" (read)
  needsEnrollment: true, // an event is booked on the program of the site's application (read)
  powerControl: 'setpoint', // rate_watt (read)
  scheduledStart: true, // start_time up to 7 days ahead (read)
  timedEnd: true, // end_time (read)
  leadMs: 2 * MS_PER_MIN, // one minute to act (read), one for the start on a whole minute (derived)
  durationMsMax: 5 * MS_PER_HOUR, // 300 minutes (read); TextureHQ/docs says 4 hours
  telemetryPeriodMs: 15 * MS_PER_MIN, // (read)
  reservePctMin: RESERVE_PCT_MIN,
};

const LIMITS: Limits = {
  perSecondMax: null,
  perMinuteMax: 300, // assumed: VPP quota unpublished; Monitoring v4 Partner plan 300 a minute (read)
  perDayMax: null,
  perSiteDayMax: null,
  inFlightMax: 20, // our own choice
};

/** What the session remembers of a site: one entry each. */
interface SiteMemory {
  programId: string | null;
  /** An event of ours stands until then. */
  busyMs: EpochMs;
  reservePct: number;
  strategy: BatteryStrategy;
  settingsMs: EpochMs;
}

interface Ctx {
  readonly config: EnphaseConfig;
  readonly clock: ScriptClock;
  readonly memory: (site: string) => SiteMemory;
}

export function enphaseDialect(config: EnphaseConfig): Dialect {
  const sites = new Map<string, SiteMemory>();
  const memory = (site: string): SiteMemory => {
    let m = sites.get(site);
    if (m === undefined) {
      m = {
        programId: null,
        busyMs: 0,
        reservePct: Number.NaN,
        strategy: 'unknown',
        settingsMs: Number.NEGATIVE_INFINITY,
      };
      sites.set(site, m);
    }
    return m;
  };
  let headersOf = '';
  let headers: Readonly<Record<string, string>> = {};
  return {
    oem: 'enphase',
    capabilities: ENPHASE_CAPABILITIES,
    limits: { ...LIMITS, ...config.limits },
    auth: {
      request: {
        method: 'POST',
        path: '/auth/oauth2/token?grant_type=client_credentials',
        headers: {
          authorization: basic(config.clientId, config.clientSecret),
          'content-type': 'application/x-www-form-urlencoded',
          accept: 'application/json',
        },
        body: '',
      },
      read: readToken,
    },
    headers: (token) => {
      if (token === headersOf) return headers;
      headersOf = token;
      headers = { authorization: `Bearer ${token}`, 'x-api-key': config.apiKey, 'content-type': 'application/json' };
      return headers;
    },
    errorOf: (status, body) => ({
      code: textOf(body, 'code') ?? String(status),
      message: textOf(body, 'displayMessage') ?? textOf(body, 'message') ?? `HTTP ${status}`,
    }),
    script: (job, clock) => scriptOf(job, { config, clock, memory }),
  };
}

export function readToken(body: Json): { token: string; lifetimeMs: number } | null {
  const token = textOf(body, 'access_token');
  const lifetimeS = numberOf(body, 'expires_in', 1, 1e9);
  return token === null || lifetimeS === null ? null : { token, lifetimeMs: lifetimeS * 1000 };
}

function scriptOf(job: OemJob, ctx: Ctx): Script {
  switch (job.kind) {
    case 'control':
      if (job.mode === 'reset') return reset(job, ctx);
      return job.resume === true ? resume(job, ctx) : control(job, ctx);
    case 'cancel':
      return cancel(job, job.vendorRef, ctx);
    case 'read-command':
      return readCommand(job);
    case 'read-state':
      return readState(job, ctx);
    case 'enroll':
      return enroll(job, ctx);
    case 'read-enrollment':
      return readEnrollment(job, ctx);
    case 'recall':
      return nothingKept(job.jobId);
    case 'set':
      return setReserve(job, ctx);
  }
}

function* control(job: Control, ctx: Ctx): Script {
  const { clock } = ctx;
  const memory = ctx.memory(job.vendorDeviceId);
  const programId = yield* programOf(job, ctx);
  if (typeof programId !== 'string') return programId;
  const event = eventOf(job, programId, clock.nowMs);
  if (typeof event === 'string') return { kind: 'refused', jobId: job.jobId, code: 'not-expressible', message: event };
  const sentMs = clock.nowMs;
  const override = postOnce(EVENTS, { ...event, superseded: true });
  const plain = postOnce(EVENTS, event);
  const send = (step: HttpStep): Script<SendResult> =>
    sendOnce({
      clock,
      step,
      again: plain,
      readBack: listOf(job.vendorDeviceId, programId),
      find: (body) => findEvent(body, event, sentMs),
      notAfterMs: job.notAfterMs,
    });
  let sent = yield* send(memory.busyMs > clock.nowMs ? override : plain);
  if (sent.kind === 'refused' && isOverlap(sent.message)) sent = yield* send(override);
  if (sent.kind === 'ok' || sent.kind === 'found') {
    memory.busyMs = Math.max(memory.busyMs, job.endMs);
    const ref = sent.kind === 'found' ? sent.ref : textOf(sent.body, 'event_id');
    return ref === null ? garbled(job.jobId, 'event_id') : { kind: 'accepted', jobId: job.jobId, vendorRef: ref };
  }
  return failReply(job.jobId, sent);
}

/** A control that may have been sent before a restart: it is looked for first, by the event it would have become then. */
function* resume(job: Control, ctx: Ctx): Script {
  const programId = yield* programOf(job, ctx);
  if (typeof programId !== 'string') return inDoubt(programId);
  const event = eventOf(job, programId, Math.min(ctx.clock.nowMs, job.startMs));
  if (typeof event === 'string') return { kind: 'refused', jobId: job.jobId, code: 'not-expressible', message: event };
  const before = yield* lookBefore({
    readBack: listOf(job.vendorDeviceId, programId),
    find: (body) => findEventBefore(body, event),
  });
  const reply = resumedReply(job, before, ctx.clock.nowMs);
  if (reply === null) return yield* control(job, ctx);
  if (reply.kind === 'accepted') {
    const memory = ctx.memory(job.vendorDeviceId);
    memory.busyMs = Math.max(memory.busyMs, job.endMs);
  }
  return reply;
}

/** The program to book on, read from the site's application when it is not known; or the reply that ends the job. */
function* programOf(job: Control, ctx: Ctx): Script<string | OemReply> {
  const memory = ctx.memory(job.vendorDeviceId);
  const known = memory.programId ?? ctx.config.programId;
  if (known !== undefined) return known;
  const seen = yield get(`/api/v1/applications/${encodeURIComponent(job.vendorDeviceId)}`);
  if (seen.kind !== 'ok') return unsentReply(job.jobId, seen);
  const programId = textOf(seen.body, 'program_id');
  if (programId === null) return { kind: 'not-sent', jobId: job.jobId, message: 'program_id is not valid' };
  if (textOf(seen.body, 'application_status') === 'Site_Approved') memory.programId = programId;
  return programId;
}

const isOverlap = (message: string): boolean => message.startsWith('Already event is scheduled/ongoing');

/** Ends whatever event is open at the site; the battery goes back to the owner's settings by itself. */
function* reset(job: Control, ctx: Ctx): Script {
  const programId = yield* programOf(job, ctx);
  if (typeof programId !== 'string') return programId;
  const list = yield listOf(job.vendorDeviceId, programId);
  if (list.kind !== 'ok') return unsentReply(job.jobId, list);
  const items = recordsOf(list.body, 'eventList', LIST_MAX);
  if (items === null) return garbled(job.jobId, 'eventList');
  let ref = 'nothing-open';
  for (const item of items) {
    const id = textOf(item, 'event_id');
    const detail = recordsOf(item, 'events', 10)?.[0];
    const startMs = detail === undefined ? null : timeOf(detail, 'start_time');
    const status = detail === undefined ? null : textOf(detail, 'event_status');
    const isOpen = status === 'in_progress' || (status === 'scheduled' && startMs !== null && startMs < job.endMs);
    if (id === null || !isOpen) continue;
    const gone = yield* cancel(job, id, ctx);
    if (gone.kind !== 'accepted' && gone.kind !== 'command-status') return gone;
    ref = id;
  }
  return { kind: 'accepted', jobId: job.jobId, vendorRef: ref };
}

function* cancel(job: { jobId: string; vendorDeviceId: string }, ref: string, ctx: Ctx): Script {
  const accepted: OemReply = { kind: 'accepted', jobId: job.jobId, vendorRef: ref };
  const path = `${EVENTS}/${encodeURIComponent(ref)}`;
  const gone = yield remove(path);
  if (gone.kind === 'ok') {
    ctx.memory(job.vendorDeviceId).busyMs = 0;
    return accepted;
  }
  if (gone.kind !== 'refused' || gone.status !== 400) return failReply(job.jobId, gone);
  // Over already, perhaps by the first try of this very cancel.
  const seen = yield get(path);
  if (seen.kind !== 'ok') return failReply(job.jobId, seen);
  const reply = statusReply(job.jobId, seen.body);
  return reply.kind === 'command-status' && reply.status === 'cancelled' ? accepted : reply;
}

function* readCommand(job: { jobId: string; vendorRef: string }): Script {
  const seen = yield get(`${EVENTS}/${encodeURIComponent(job.vendorRef)}`);
  return seen.kind === 'ok' ? statusReply(job.jobId, seen.body) : failReply(job.jobId, seen);
}

/**
 * The owner's reserve. Its path is that of reading it; that it can be written there is from memory of the Monitoring API
 * v4 (PUT /api/v4/systems/config/{id}/battery_settings), the VPP API's own transcript has no such operation.
 */
function* setReserve(job: Extract<OemJob, { kind: 'set' }>, ctx: Ctx): Script {
  const { jobId, vendorDeviceId } = job;
  const pct = reserveOf(job);
  if (pct === null) return onlyBatteries(jobId);
  const path = `/api/v1/systems/${encodeURIComponent(vendorDeviceId)}/battery_settings`;
  const answer = yield { ...putAgain(path, { reserve_soc: pct }), notAfterMs: job.notAfterMs };
  // What is known of it may be old now, whatever the answer was.
  ctx.memory(vendorDeviceId).settingsMs = Number.NEGATIVE_INFINITY;
  if (answer.kind !== 'ok') return failedSet(job, answer);
  return { kind: 'accepted', jobId, vendorRef: `reserve/${pct}` };
}

const STRATEGY: Readonly<Record<string, BatteryStrategy>> = {
  'Self - Consumption': 'self_consumption',
  'Savings Mode': 'time_of_use',
  'Full Backup': 'backup',
};

/** Three reads: live status, storm guard, and the settings when those known are old. */
function* readState(job: { jobId: string; vendorDeviceId: string }, ctx: Ctx): Script {
  const site = `/api/v1/systems/${encodeURIComponent(job.vendorDeviceId)}`;
  const memory = ctx.memory(job.vendorDeviceId);
  const live = yield get(`${site}/live_status`);
  if (live.kind !== 'ok') return failReply(job.jobId, live);
  const storm = yield get(`${site}/storm_guard_settings`);
  if (storm.kind !== 'ok') return failReply(job.jobId, storm);
  if (ctx.clock.nowMs - memory.settingsMs > (ctx.config.settingsAgeMsMax ?? 14 * MS_PER_MIN)) {
    const settings = yield get(`${site}/battery_settings`);
    if (settings.kind !== 'ok') return failReply(job.jobId, settings);
    const reservePct = numberOf(settings.body, 'reserve_soc', 0, 100);
    if (reservePct === null) return garbled(job.jobId, 'reserve_soc');
    memory.reservePct = reservePct;
    memory.strategy = STRATEGY[textOf(settings.body, 'battery_mode') ?? ''] ?? 'unknown';
    memory.settingsMs = ctx.clock.nowMs;
  }
  const state = stateOf(readingOf(live.body, storm.body, memory), ctx.clock.nowMs);
  if (typeof state === 'string') return garbled(job.jobId, state);
  const online = textOf(live.body, 'status') === 'normal';
  return { kind: 'state', jobId: job.jobId, vendorDeviceId: job.vendorDeviceId, state, online };
}

const FLAG: Readonly<Record<string, boolean>> = { enabled: true, disabled: false, true: true, false: false };

/** battery_power + = discharge, grid_power + = import (Enphase Monitoring v4 live data), as in the domain. */
function readingOf(live: Json, storm: Json, memory: SiteMemory): Reading {
  const lastReportS = numberOf(live, 'last_report_at', 1, 1e11);
  return {
    chargePercentage: numberOf(live, 'battery_soc', 0, 100),
    usableWh: numberOf(live, 'battery_capacity', 1, HOME_WH_MAX),
    chargeRate: numberOf(live, 'battery_power', -HOME_W_MAX, HOME_W_MAX),
    backupReserve: memory.reservePct,
    gridPower: live.grid_power === null ? null : (numberOf(live, 'grid_power', -HOME_W_MAX, HOME_W_MAX) ?? undefined),
    strategy: memory.strategy,
    isStormModeEnabled: FLAG[textOf(storm, 'storm_guard_status') ?? ''] ?? null,
    isStormModeActive: FLAG[textOf(storm, 'storm_alert') ?? ''] ?? null,
    sampledAtMs: lastReportS === null ? null : lastReportS * 1000,
  };
}

type Enrolling = { readonly jobId: string; readonly vendorDeviceId: string; readonly programId: string };

/** An application may be repeated: a second one for the same site is refused, and reading tells how the first stands. */
function* enroll(job: Enrolling, ctx: Ctx): Script {
  const known = yield* readEnrollment(job, ctx);
  if (known.kind !== 'enrollment' || known.status !== 'not-enrolled') return known;
  const sent = yield postAgain('/api/v1/applications', {
    site_id: siteId(job.vendorDeviceId),
    program_id: job.programId,
  });
  if (sent.kind === 'ok' || (sent.kind === 'refused' && sent.status === 409)) return yield* readEnrollment(job, ctx);
  return failReply(job.jobId, sent);
}

const APPLICATION: Readonly<Record<string, 'not-enrolled' | 'submitted' | 'approved' | 'rejected'>> = {
  Application_Drafted: 'not-enrolled',
  Application_Submitted: 'submitted',
  Application_Approved: 'submitted',
  Site_Submitted: 'submitted',
  Site_Approved: 'approved',
  Application_Rejected: 'rejected',
  Site_Rejected: 'rejected',
  Application_Withdrawn: 'not-enrolled',
};

function* readEnrollment(job: Enrolling, ctx: Ctx): Script {
  const { jobId, vendorDeviceId } = job;
  const seen = yield get(`/api/v1/applications/${encodeURIComponent(vendorDeviceId)}`);
  if (seen.kind === 'refused' && seen.status === 404)
    return { kind: 'enrollment', jobId, vendorDeviceId, status: 'not-enrolled' };
  if (seen.kind !== 'ok') return failReply(jobId, seen);
  const word = textOf(seen.body, 'application_status') ?? '';
  const status = Object.hasOwn(APPLICATION, word) ? APPLICATION[word] : undefined;
  if (status === undefined) return garbled(jobId, 'application_status');
  const isThis = textOf(seen.body, 'program_id') === job.programId;
  if (isThis && status === 'approved') ctx.memory(vendorDeviceId).programId = job.programId;
  if (!isThis && status !== 'not-enrolled') {
    return { kind: 'refused', jobId, code: 'other-program', message: 'the site is a member of another program' };
  }
  return { kind: 'enrollment', jobId, vendorDeviceId, status };
}
