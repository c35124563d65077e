import type { BatteryState, BatteryStrategy } from '../domain/battery.ts';
import { isoUtc } from '../domain/time.ts';
import { type EpochMs, MS_PER_DAY, MS_PER_HOUR, MS_PER_MIN } from '../domain/units.ts';
import type { OemCapabilities, OemJob, OemReply, VendorCommandStatus } from '../ports/oem.ts';
import {
  flagOf,
  HOME_W_MAX,
  HOME_WH_MAX,
  isRecord,
  type Json,
  numberOf,
  recordOf,
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
  sendOnce,
  unsentReply,
} from './script.ts';
import { failedSet } from './task.ts';

/**
 * The SolarEdge cloud from the core's side. Telemetry: the public Monitoring API (read in api-evangelist/solaredge).
 * Control: a dialect of our own, ASSUMED, because the real control API is not public; see simulators/oem/solaredge.ts.
 *
 * The Monitoring API allows 300 requests a day per key and site (secondary). A sample takes two, and a new sample comes
 * every 15 minutes, so a poll before the next one is due is answered from the last and costs nothing: 192 a day.
 * storageData gives state of charge, battery power and the time of both; currentPowerFlow gives the meter, in kW.
 */
export interface SolaredgeConfig {
  readonly clientId: string;
  readonly clientSecret: string;
  readonly apiKey: string;
  readonly limits?: Partial<Limits>;
}

export const SOLAREDGE_CAPABILITIES: OemCapabilities = {
  gridServices: true, // TextureHQ/docs (read)
  autoEnroll: true, // "automatically enrolled as they're added via the Connect flow" (read)
  needsEnrollment: false, // assumed
  powerControl: 'setpoint', // assumed
  scheduledStart: true, // assumed
  timedEnd: true, // assumed
  leadMs: 5 * MS_PER_MIN, // a profile change reaches the inverter within 5 minutes (secondary)
  durationMsMax: MS_PER_DAY, // assumed
  telemetryPeriodMs: 15 * MS_PER_MIN, // (read)
  reservePctMin: 10, // assumed
};

const LIMITS: Limits = {
  perSecondMax: 20, // assumed
  perMinuteMax: 1_200, // assumed
  perDayMax: null,
  perSiteDayMax: 300, // secondary
  inFlightMax: 20, // our own choice; the 3 at once of the usage limits are per key, and reads of a site go one by one
};

/** The last whole reading of a site: one entry each. */
interface Known {
  readonly chargePercentage: number;
  readonly usableWh: number;
  readonly chargeRate: number;
  readonly gridPower: number | null;
  readonly sampledAtMs: EpochMs;
  readonly readMs: EpochMs;
}

interface Ctx {
  readonly config: SolaredgeConfig;
  readonly clock: ScriptClock;
  readonly known: Map<string, Known>;
}

export function solaredgeDialect(config: SolaredgeConfig): Dialect {
  const known = new Map<string, Known>();
  const headers = {
    'x-client-id': config.clientId,
    'x-client-secret': config.clientSecret,
    'content-type': 'application/json',
  };
  return {
    oem: 'solaredge',
    capabilities: SOLAREDGE_CAPABILITIES,
    limits: { ...LIMITS, ...config.limits },
    auth: null,
    headers: () => headers,
    errorOf: (status, body) => ({
      code: String(status),
      message: textOf(body, 'detail') ?? textOf(body, 'title') ?? `HTTP ${status}`,
    }),
    script: (job, clock) => scriptOf(job, { config, clock, known }),
  };
}

function scriptOf(job: OemJob, ctx: Ctx): Script {
  switch (job.kind) {
    case 'control':
      return job.mode === 'reset' ? reset(job) : control(job, job.mode, ctx);
    case 'cancel':
      return cancel(job.jobId, job.vendorRef);
    case 'read-command':
      return readCommand(job.jobId, job.vendorRef);
    case 'read-state':
      return readState(job, ctx);
    case 'enroll':
    case 'read-enrollment':
      return enrollment(job);
    case 'recall':
      return nothingKept(job.jobId);
    case 'set':
      return setReserve(job);
  }
}

type Control = Extract<OemJob, { kind: 'control' }>;

const siteOf = (id: string): string => `/control/v1/sites/${encodeURIComponent(id)}`;

function* control(job: Control, mode: 'charge' | 'discharge' | 'idle', ctx: Ctx): Script {
  const { clock } = ctx;
  const { jobId } = job;
  if (job.endMs <= clock.nowMs && job.resume !== true) {
    return { kind: 'refused', jobId, code: 'not-expressible', message: 'it would end before it starts' };
  }
  const profile = {
    mode,
    powerW: mode === 'idle' ? 0 : job.powerW === null ? null : Math.round(job.powerW),
    startTime: isoUtc(job.startMs),
    endTime: isoUtc(job.endMs),
    minSocPct: Math.min(100, Math.max(SOLAREDGE_CAPABILITIES.reservePctMin, job.reservePctMin)),
    maxSocPct: job.reservePctMax,
    allowExport: job.route === 'grid_services' && job.mayExport,
  };
  const path = `${siteOf(job.vendorDeviceId)}/profiles`;
  if (job.resume === true) {
    const find = (body: Json): string | null | undefined => findProfileBefore(body, profile);
    const before = yield* lookBefore({ readBack: get(path), find });
    const reply = resumedReply(job, before, clock.nowMs);
    if (reply !== null) return reply;
  }
  const sentMs = clock.nowMs;
  const step = postOnce(path, profile);
  const sent = yield* sendOnce({
    clock,
    step,
    again: step,
    readBack: get(path),
    find: (body) => findProfile(body, profile, sentMs),
    notAfterMs: job.notAfterMs,
  });
  if (sent.kind !== 'ok' && sent.kind !== 'found') return failReply(jobId, sent);
  const ref = sent.kind === 'found' ? sent.ref : textOf(sent.body, 'profileId');
  return ref === null ? garbled(jobId, 'profileId') : { kind: 'accepted', jobId, vendorRef: ref };
}

const LISTED_MAX = 20;
const SKEW_MS = 2_000;

type Wanted = { readonly mode: string; readonly powerW: number | null; readonly endTime: string };

const isLike = (item: Json, wanted: Wanted): boolean =>
  item.mode === wanted.mode && item.powerW === wanted.powerW && item.endTime === wanted.endTime;

/**
 * As findProfile, for a profile that may have been made before a restart: its figures and its end tell. A cancelled one may
 * or may not be ours, which says nothing.
 */
function findProfileBefore(body: Json, wanted: Wanted): string | null | undefined {
  const items = recordsOf(body, 'profiles', LISTED_MAX);
  const like = items?.filter((item) => isLike(item, wanted));
  if (like === undefined) return undefined;
  const open = like.find((item) => item.status !== 'cancelled');
  if (open !== undefined) return textOf(open, 'profileId') ?? undefined;
  return like.length > 0 ? undefined : null;
}

function findProfile(body: Json, wanted: Wanted, sentMs: EpochMs): string | null | undefined {
  const items = recordsOf(body, 'profiles', LISTED_MAX);
  if (items === null) return undefined;
  for (const item of items) {
    const createdMs = timeOf(item, 'createdAt');
    if (isLike(item, wanted) && item.status !== 'cancelled' && createdMs !== null && createdMs >= sentMs - SKEW_MS) {
      return textOf(item, 'profileId');
    }
  }
  return null;
}

function* reset(job: Control): Script {
  const { jobId } = job;
  const list = yield get(`${siteOf(job.vendorDeviceId)}/profiles`);
  if (list.kind !== 'ok') return unsentReply(jobId, list);
  const items = recordsOf(list.body, 'profiles', LISTED_MAX);
  if (items === null) return garbled(jobId, 'profiles');
  let ref = 'nothing-open';
  for (const item of items) {
    const id = textOf(item, 'profileId');
    const startMs = timeOf(item, 'startTime');
    const isOpen = item.status === 'active' || (item.status === 'pending' && startMs !== null && startMs < job.endMs);
    if (id === null || !isOpen) continue;
    const gone = yield* cancel(jobId, id);
    if (gone.kind !== 'accepted' && gone.kind !== 'command-status') return gone;
    ref = id;
  }
  return { kind: 'accepted', jobId, vendorRef: ref };
}

function* cancel(jobId: string, ref: string): Script {
  const gone = yield remove(`/control/v1/profiles/${encodeURIComponent(ref)}`);
  if (gone.kind !== 'ok') return failReply(jobId, gone);
  const reply = statusReply(jobId, gone.body);
  return reply.kind === 'command-status' && reply.status === 'cancelled'
    ? { kind: 'accepted', jobId, vendorRef: ref }
    : reply;
}

/** The owner's reserve: a setting of the site, of the same assumed dialect as the profiles. */
function* setReserve(job: Extract<OemJob, { kind: 'set' }>): Script {
  const { jobId } = job;
  const pct = reserveOf(job);
  if (pct === null) return onlyBatteries(jobId);
  const step = putAgain(`${siteOf(job.vendorDeviceId)}/settings`, { backupReservePct: pct });
  const answer = yield { ...step, notAfterMs: job.notAfterMs };
  return answer.kind === 'ok' ? { kind: 'accepted', jobId, vendorRef: `reserve/${pct}` } : failedSet(job, answer);
}

const STATUS: Readonly<Record<string, VendorCommandStatus>> = {
  pending: 'scheduled',
  active: 'in-progress',
  expired: 'completed',
  failed: 'failed',
  cancelled: 'cancelled',
  'opted-out': 'opted-out',
};

function statusReply(jobId: string, body: Json): OemReply {
  const word = textOf(body, 'status') ?? '';
  const status = Object.hasOwn(STATUS, word) ? STATUS[word] : undefined;
  if (status === undefined) return garbled(jobId, 'status');
  return {
    kind: 'command-status',
    jobId,
    status,
    detail: `${word}, delivery ${textOf(body, 'delivery') ?? 'unknown'}`,
  };
}

function* readCommand(jobId: string, ref: string): Script {
  const seen = yield get(`/control/v1/profiles/${encodeURIComponent(ref)}`);
  return seen.kind === 'ok' ? statusReply(jobId, seen.body) : failReply(jobId, seen);
}

const STRATEGY: Readonly<Record<string, BatteryStrategy>> = {
  self_consumption: 'self_consumption',
  time_of_use: 'time_of_use',
  backup: 'backup',
};

/** How long after it was measured a sample shows up in the API at the latest; then the next is worth asking for. */
const UPLOAD_MS = 2 * MS_PER_MIN;
/** When a due sample has not come, ask again no sooner than this, so that an offline site does not use up its quota. */
const ASK_AGAIN_MS = 14 * MS_PER_MIN;

function* readState(job: { jobId: string; vendorDeviceId: string }, ctx: Ctx): Script {
  const { jobId, vendorDeviceId } = job;
  const status = yield get(`${siteOf(vendorDeviceId)}/status`);
  if (status.kind !== 'ok') return failReply(jobId, status);
  const before = ctx.known.get(vendorDeviceId);
  const nowMs = ctx.clock.nowMs;
  const isFresh =
    before !== undefined &&
    (nowMs < before.sampledAtMs + SOLAREDGE_CAPABILITIES.telemetryPeriodMs + UPLOAD_MS ||
      nowMs < before.readMs + ASK_AGAIN_MS);
  const known = isFresh ? before : yield* readSample(job, ctx);
  if ('kind' in known) return known;
  ctx.known.set(vendorDeviceId, known);
  const state = combine(known, status.body, ctx.clock.nowMs);
  if (typeof state === 'string') return garbled(jobId, state);
  return { kind: 'state', jobId, vendorDeviceId, state, online: textOf(status.body, 'communication') === 'ok' };
}

function combine(known: Known, status: Json, nowMs: EpochMs): BatteryState | string {
  const guard = recordOf(status, 'weatherGuard') ?? {};
  return stateOf(
    {
      ...known,
      backupReserve: numberOf(status, 'backupReservePct', 0, 100),
      strategy: STRATEGY[textOf(status, 'strategy') ?? ''] ?? 'unknown',
      isStormModeEnabled: flagOf(guard, 'enabled'),
      isStormModeActive: flagOf(guard, 'active'),
    },
    nowMs,
  );
}

function* readSample(job: { jobId: string; vendorDeviceId: string }, ctx: Ctx): Script<Known | OemReply> {
  const { jobId, vendorDeviceId } = job;
  const site = encodeURIComponent(vendorDeviceId);
  const key = encodeURIComponent(ctx.config.apiKey);
  const stamp = (ms: EpochMs): string => isoUtc(ms).slice(0, 19).replace('T', '%20');
  const range = `startTime=${stamp(ctx.clock.nowMs - 3 * MS_PER_HOUR)}&endTime=${stamp(ctx.clock.nowMs)}`;
  const storage = yield get(`/site/${site}/storageData?${range}&api_key=${key}`, vendorDeviceId);
  if (storage.kind !== 'ok') return failReply(jobId, storage);
  const flow = yield get(`/site/${site}/currentPowerFlow?api_key=${key}`, vendorDeviceId);
  if (flow.kind !== 'ok') return failReply(jobId, flow);
  const battery = recordsOf(recordOf(storage.body, 'storageData') ?? {}, 'batteries', 10)?.[0];
  const last = battery === undefined ? undefined : recordsOf(battery, 'telemetries', 1_000)?.at(-1);
  if (last === undefined) return garbled(jobId, 'telemetries');
  const chargePercentage = numberOf(last, 'batteryPercentageState', 0, 100);
  const usableWh = numberOf(last, 'fullPackEnergyAvailable', 1, HOME_WH_MAX);
  const chargingW = numberOf(last, 'power', -HOME_W_MAX, HOME_W_MAX);
  const sampledAtMs = siteTime(last);
  const gridPower = gridPowerOf(recordOf(flow.body, 'siteCurrentPowerFlow') ?? {});
  if (chargePercentage === null) return garbled(jobId, 'state of charge');
  if (usableWh === null) return garbled(jobId, 'capacity');
  if (chargingW === null) return garbled(jobId, 'battery power');
  if (sampledAtMs === null) return garbled(jobId, 'time of the sample');
  if (gridPower === undefined) return garbled(jobId, 'grid power');
  return { chargePercentage, usableWh, chargeRate: 0 - chargingW, gridPower, sampledAtMs, readMs: ctx.clock.nowMs };
}

/** "yyyy-MM-dd HH:mm:ss" of the site's clock, which is UTC here. */
function siteTime(last: Json): EpochMs | null {
  const text = textOf(last, 'timeStamp');
  if (text === null || !/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/.test(text)) return null;
  const ms = Date.parse(`${text.replace(' ', 'T')}Z`);
  return Number.isFinite(ms) ? ms : null;
}

/**
 * Power at the meter, + import [W], from a magnitude in kW or W and the arrows of the picture.
 * @returns null = the site has no meter; undefined = not valid
 */
export function gridPowerOf(flow: Json): number | null | undefined {
  const scale = flow.unit === 'kW' ? 1000 : flow.unit === 'W' ? 1 : null;
  if (scale === null) return undefined;
  if (flow.GRID === undefined) return null;
  const size = isRecord(flow.GRID) ? numberOf(flow.GRID, 'currentPower', 0, HOME_W_MAX / scale) : null;
  const arrows = recordsOf(flow, 'connections', 20);
  if (size === null || arrows === null) return undefined;
  if (size === 0) return 0;
  const isImport = arrows.some((a) => String(a.from).toUpperCase() === 'GRID');
  const isExport = arrows.some((a) => String(a.to).toUpperCase() === 'GRID');
  if (isImport === isExport) return undefined;
  return Math.round(size * scale) * (isExport ? -1 : 1);
}

type Enrolling = Extract<OemJob, { kind: 'enroll' | 'read-enrollment' }>;

function* enrollment(job: Enrolling): Script {
  const { jobId, vendorDeviceId } = job;
  const path = `${siteOf(vendorDeviceId)}/enrollments/${encodeURIComponent(job.programId)}`;
  const seen = yield job.kind === 'enroll' ? postAgain(path, {}) : get(path);
  if (seen.kind === 'refused' && seen.status === 404)
    return { kind: 'enrollment', jobId, vendorDeviceId, status: 'not-enrolled' };
  if (seen.kind !== 'ok') return failReply(jobId, seen);
  const status = textOf(seen.body, 'status');
  if (status !== 'approved' && status !== 'submitted' && status !== 'rejected') return garbled(jobId, 'status');
  return { kind: 'enrollment', jobId, vendorDeviceId, status };
}
