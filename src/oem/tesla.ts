import type { BatteryStrategy } from '../domain/battery.ts';
import { type EpochMs, MS_PER_DAY, MS_PER_MIN } from '../domain/units.ts';
import { KEPT_CHARS_MAX, type OemCapabilities, type OemJob, type OemReply } from '../ports/oem.ts';
import { readToken } from './enphase.ts';
import {
  flagOf,
  HOME_W_MAX,
  HOME_WH_MAX,
  type Json,
  numberOf,
  readBody,
  recordOf,
  stateOf,
  textOf,
  timeOf,
} from './read.ts';
import {
  type Answer,
  type Dialect,
  describe,
  failReply,
  garbled,
  get,
  inDoubt,
  type Limits,
  onlyBatteries,
  postAgain,
  reserveOf,
  type Script,
  type ScriptClock,
  unsentReply,
} from './script.ts';
import { failedSet, notSent } from './task.ts';

/**
 * The Tesla cloud from the core's side: Fleet API, energy sites.
 * @source Teslemetry/python-tesla-fleet-api energysite.py and the teslemetry fixtures of home-assistant/core (read)
 *
 * There are no commands, only settings that stand until they are changed; so a control is a set of settings, written one
 * by one, and a reset writes back what stood before. Settings are absolute: writing one twice has one effect, and a lost
 * answer is repeated. There is no setpoint: the device gives all it can. What settings make a device do is assumed, see
 * simulators/oem/tesla.ts; the recipes follow TextureHQ/docs, commands (read): Time of use, reserve at the minimum to
 * discharge and at the maximum to charge, "TOU settings may be rewritten to simulate off-peak/peak"; a discharge without
 * grid interaction is "Self consumption", which covers home load only, and leaves the export rule as it is.
 *
 * What stood before is the session's to remember until a reset. It is told the core before the first write ('kept'), which
 * journals it and recalls it after a restart; a crash between the first write and the journal's disk leaves it unknown, and
 * then settings that look like an event of ours are replaced by the self-powered ones. While a control stands a new reserve
 * goes into what stood before, and to the site only where it is higher than the floor of the control.
 *
 * The reference of a control is the recipe itself ("discharge/20"), so that reading the site tells whether it stands.
 */
export interface TeslaConfig {
  readonly clientId: string;
  readonly clientSecret: string;
  readonly limits?: Partial<Limits>;
  /** How long settings of a site are taken as known [ms]. */
  readonly settingsAgeMsMax?: number;
}

export const TESLA_CAPABILITIES: OemCapabilities = {
  gridServices: false, // the Fleet API has no grid-service command (read)
  autoEnroll: true, // the owner's consent when the site is connected is all there is (derived)
  needsEnrollment: false, // settings are the owner's consent, no program's (read)
  powerControl: 'on-off', // no setpoint (read)
  scheduledStart: false, // settings act at once (read)
  timedEnd: false, // settings stand until changed (read)
  leadMs: 30_000, // 5 to 30 s (assumed)
  durationMsMax: MS_PER_DAY, // earlier settings are kept up to 24 hours (read, TextureHQ/docs)
  telemetryPeriodMs: 5 * MS_PER_MIN, // assumed
  reservePctMin: 0, // assumed
};

const LIMITS: Limits = {
  perSecondMax: null,
  perMinuteMax: 1_200, // assumed: no current figure was found
  perDayMax: null,
  perSiteDayMax: null,
  inFlightMax: 20, // our own choice
};

/**
 * The limits of the Discovery plan, a page that has been replaced since (secondary); for a session that wants to keep
 * them: 5 requests a second, 50,000 a day. Left out: one read per site and 5 minutes, 5 settings per site and day.
 */
export const TESLA_DISCOVERY_LIMITS: Partial<Limits> = { perSecondMax: 5, perMinuteMax: 300, perDayMax: 50_000 };

interface Settings {
  readonly reservePct: number;
  readonly mode: string;
  readonly exportRule: string;
  readonly gridChargeOff: boolean;
  readonly schedule: readonly unknown[];
}

/** Settings before ours, and when they were put aside. */
interface Before {
  readonly settings: Settings;
  readonly atMs: EpochMs;
}

/** What is remembered of a site: one entry each. */
interface SiteMemory {
  info: {
    readonly settings: Settings;
    readonly usableWh: number;
    readonly stormEnabled: boolean;
    readonly readMs: EpochMs;
  } | null;
  before: Before | null;
  /** Controls under way: what stood before is theirs, whatever a reset beside them says. */
  controls: number;
}

interface Ctx {
  readonly config: TeslaConfig;
  readonly clock: ScriptClock;
  readonly memory: (site: string) => SiteMemory;
}

export function teslaDialect(config: TeslaConfig): Dialect {
  const sites = new Map<string, SiteMemory>();
  const memory = (site: string): SiteMemory => {
    let m = sites.get(site);
    if (m === undefined) {
      m = { info: null, before: null, controls: 0 };
      sites.set(site, m);
    }
    return m;
  };
  let headersOf = '';
  let headers: Readonly<Record<string, string>> = {};
  const credentials = { client_id: config.clientId, client_secret: config.clientSecret };
  return {
    oem: 'tesla',
    capabilities: TESLA_CAPABILITIES,
    limits: { ...LIMITS, ...config.limits },
    auth: {
      request: {
        method: 'POST',
        path: '/oauth2/v3/token',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ grant_type: 'client_credentials', ...credentials }),
      },
      read: readToken,
    },
    headers: (token) => {
      if (token === headersOf) return headers;
      headersOf = token;
      headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
      return headers;
    },
    errorOf: (status, body) => ({ code: String(status), message: textOf(body, 'error') ?? `HTTP ${status}` }),
    script: (job, clock) => scriptOf(job, { config, clock, memory }),
  };
}

function scriptOf(job: OemJob, ctx: Ctx): Script {
  switch (job.kind) {
    case 'control':
      if (job.mode === 'reset') return restore(job, ctx);
      return job.resume === true ? resume(job, modeOf(job.mode, job), ctx) : control(job, modeOf(job.mode, job), ctx);
    case 'cancel':
      return restore(job, ctx);
    case 'read-command':
      return readCommand(job, ctx);
    case 'read-state':
      return readState(job, ctx);
    case 'enroll':
    case 'read-enrollment':
      return enrollment(job, ctx);
    case 'recall':
      return recall(job, ctx);
    case 'set':
      return setReserve(job, ctx);
  }
}

const pathOf = (site: string, leaf: string): string => `/api/1/energy_sites/${encodeURIComponent(site)}/${leaf}`;

/** One price over the whole day, every day. */
const allDay = (target: 'peak' | 'off_peak'): readonly unknown[] => [
  { target, week_days: [0, 1, 2, 3, 4, 5, 6], start_seconds: 0, end_seconds: 0 },
];

/** 'self-supply' is a discharge that may not export: it serves the home's load. */
const MODES = ['charge', 'discharge', 'self-supply', 'idle'] as const;
type Mode = (typeof MODES)[number];

const modeOf = (mode: Exclude<Control['mode'], 'reset'>, { mayExport }: Control): Mode =>
  mode === 'discharge' && !mayExport ? 'self-supply' : mode;

function recipeOf(mode: Mode, pct: number, before: Settings): Settings {
  switch (mode) {
    case 'discharge':
      return {
        reservePct: pct,
        mode: 'autonomous',
        exportRule: 'battery_ok',
        gridChargeOff: before.gridChargeOff,
        schedule: allDay('peak'),
      };
    case 'charge':
      return {
        reservePct: pct,
        mode: 'autonomous',
        exportRule: before.exportRule,
        gridChargeOff: false,
        schedule: allDay('off_peak'),
      };
    case 'self-supply':
      return { ...before, reservePct: pct, mode: 'self_consumption' };
    case 'idle':
      return { ...before, reservePct: pct, mode: 'self_consumption', gridChargeOff: true };
  }
}

type Control = Extract<OemJob, { kind: 'control' }>;

/** Counts itself, so that a reset beside it does not forget what it rests on; what came to nothing is forgotten. */
function* control(job: Control, mode: Mode, ctx: Ctx): Script {
  const { vendorDeviceId } = job;
  const memory = ctx.memory(vendorDeviceId);
  const wasOurs = isOurs(memory, ctx);
  memory.controls += 1;
  const reply = yield* controlOnce(job, mode, ctx);
  memory.controls -= 1;
  const isNothing = reply.kind === 'not-sent' || reply.kind === 'refused';
  if (!wasOurs && isNothing && memory.controls === 0) yield* keep(job, null, ctx);
  return reply;
}

const isOurs = ({ before }: SiteMemory, { clock }: Ctx): boolean =>
  before !== null && clock.nowMs - before.atMs < MS_PER_DAY;

type About = { readonly jobId: string; readonly vendorDeviceId: string };

/** @returns false = it is too long to be kept */
function* keep({ jobId, vendorDeviceId }: About, before: Before | null, ctx: Ctx): Script<boolean> {
  const memory = ctx.memory(vendorDeviceId);
  const kept = before === null ? null : JSON.stringify(before);
  if (kept !== null && kept.length > KEPT_CHARS_MAX) return false;
  if (before === null && memory.before === null) return true;
  memory.before = before;
  yield { kind: 'tell', reply: { kind: 'kept', jobId, vendorDeviceId, kept } };
  return true;
}

/** Only what keep() wrote comes here; anything else is as if nothing had been kept. */
// biome-ignore lint/correctness/useYield: a script that has nothing to ask
function* recall(job: Extract<OemJob, { kind: 'recall' }>, ctx: Ctx): Script {
  const { jobId, vendorDeviceId } = job;
  const kept = readBody(job.kept);
  const s = kept === null ? null : recordOf(kept, 'settings');
  const atMs = kept === null ? null : numberOf(kept, 'atMs', 0, Number.MAX_SAFE_INTEGER);
  const reservePct = s === null ? null : numberOf(s, 'reservePct', 0, 100);
  const mode = s === null ? null : textOf(s, 'mode');
  const exportRule = s === null ? null : textOf(s, 'exportRule');
  const gridChargeOff = s === null ? null : flagOf(s, 'gridChargeOff');
  const schedule = s?.schedule;
  if (atMs === null || reservePct === null || mode === null || exportRule === null || gridChargeOff === null) {
    return garbled(jobId, 'what was kept');
  }
  if (!Array.isArray(schedule)) return garbled(jobId, 'what was kept');
  const settings = { reservePct, mode, exportRule, gridChargeOff, schedule };
  ctx.memory(vendorDeviceId).before ??= { settings, atMs };
  return { kind: 'accepted', jobId, vendorRef: 'recalled' };
}

function* controlOnce(job: Control, mode: Mode, ctx: Ctx): Script {
  const { jobId, vendorDeviceId } = job;
  const memory = ctx.memory(vendorDeviceId);
  const info = yield* readInfo(vendorDeviceId, ctx, 0);
  if ('kind' in info) return unsentReply(jobId, info);
  const own = isOurs(memory, ctx) ? memory.before : { settings: ownOf(info.settings), atMs: ctx.clock.nowMs };
  if (own !== memory.before && !(yield* keep(job, own, ctx))) {
    return {
      kind: 'refused',
      jobId,
      code: 'not-expressible',
      message: 'the settings of the owner are too long to keep',
    };
  }
  const before = own?.settings ?? info.settings;
  // The reserve is the owner's: a grid command raises it, and never spends it (promise S1).
  const floorPct = Math.max(Math.ceil(job.reservePctMin), before.reservePct);
  let pct = mode === 'discharge' || mode === 'self-supply' ? floorPct : Math.floor(job.reservePctMax);
  if (mode === 'idle') {
    const live = yield get(pathOf(vendorDeviceId, 'live_status'));
    if (live.kind !== 'ok') return unsentReply(jobId, live);
    const soc = numberOf(recordOf(live.body, 'response') ?? {}, 'percentage_charged', 0, 100);
    if (soc === null) return { kind: 'not-sent', jobId, message: 'percentage_charged is not valid' };
    pct = Math.ceil(soc);
  }
  const want = recipeOf(mode, pct, before);
  const failed = yield* writeAll({ site: vendorDeviceId, now: info.settings, want, notAfterMs: job.notAfterMs }, ctx);
  if (failed !== null) return partial(jobId, failed);
  return { kind: 'accepted', jobId, vendorRef: `${mode}/${pct}` };
}

/**
 * A control that may have been sent before a restart. Settings are read first and are absolute, so writing what differs is
 * no second effect; what was written before and by whom cannot be told, so nothing of it ends 'not-sent'.
 */
function* resume(job: Control, mode: Mode, ctx: Ctx): Script {
  return inDoubt(yield* control(job, mode, ctx));
}

/** Settings that look like an event of ours were left behind by a session before this one; self-powered is the default. */
function ownOf(s: Settings): Settings {
  if (!isEvent(s)) return s;
  return { ...s, mode: 'self_consumption', exportRule: 'pv_only', gridChargeOff: true, schedule: [] };
}

function isEvent(s: Settings): boolean {
  const shown = JSON.stringify(s.schedule);
  return shown === JSON.stringify(allDay('peak')) || shown === JSON.stringify(allDay('off_peak'));
}

interface Failure {
  /** Settings written before it went wrong. */
  readonly written: number;
  readonly answer: Exclude<Answer, { kind: 'ok' }>;
}

/** Half of the settings written is an unknown state, whatever the last answer said. */
function partial(jobId: string, { written, answer }: Failure): OemReply {
  if (written === 0) return failReply(jobId, answer);
  return { kind: 'unknown', jobId, message: `${written} settings were written, then: ${describe(answer)}` };
}

interface Change {
  readonly site: string;
  readonly now: Settings;
  readonly want: Settings;
  /** Nothing is written after this; null = whenever. */
  readonly notAfterMs: EpochMs | null;
}

/** Writes what differs, the mode last, because it sets the rest going. */
function* writeAll({ site, now, want, notAfterMs }: Change, ctx: Ctx): Script<Failure | null> {
  const memory = ctx.memory(site);
  const steps: { leaf: string; body: unknown }[] = [];
  if (now.reservePct !== want.reservePct)
    steps.push({ leaf: 'backup', body: { backup_reserve_percent: want.reservePct } });
  if (JSON.stringify(now.schedule) !== JSON.stringify(want.schedule)) {
    const tou = { optimization_strategy: 'economics', schedule: want.schedule };
    steps.push({ leaf: 'time_of_use_settings', body: { tou_settings: tou } });
  }
  if (now.exportRule !== want.exportRule || now.gridChargeOff !== want.gridChargeOff) {
    const rule = { customer_preferred_export_rule: want.exportRule };
    steps.push({
      leaf: 'grid_import_export',
      body: { ...rule, disallow_charge_from_grid_with_solar_installed: want.gridChargeOff },
    });
  }
  if (now.mode !== want.mode) steps.push({ leaf: 'operation', body: { default_real_mode: want.mode } });
  let written = 0;
  for (const { leaf, body } of steps) {
    const answer = yield { ...postAgain(pathOf(site, leaf), body), notAfterMs };
    memory.info = null;
    if (answer.kind !== 'ok') return { written, answer };
    written += 1;
  }
  return null;
}

/** Writes back what stood before; nothing to do when nothing of ours stands. */
function* restore(job: About, ctx: Ctx): Script {
  const { jobId, vendorDeviceId } = job;
  const memory = ctx.memory(vendorDeviceId);
  const info = yield* readInfo(vendorDeviceId, ctx, 0);
  if ('kind' in info) return unsentReply(jobId, info);
  const want = memory.before?.settings ?? ownOf(info.settings);
  const failed = yield* writeAll({ site: vendorDeviceId, now: info.settings, want, notAfterMs: null }, ctx);
  if (failed !== null) return partial(jobId, failed);
  if (memory.controls === 0) yield* keep(job, null, ctx);
  return { kind: 'accepted', jobId, vendorRef: 'own-settings' };
}

function* setReserve(job: Extract<OemJob, { kind: 'set' }>, ctx: Ctx): Script {
  const { jobId, vendorDeviceId } = job;
  const pct = reserveOf(job);
  if (pct === null) return onlyBatteries(jobId);
  const memory = ctx.memory(vendorDeviceId);
  const info = yield* readInfo(vendorDeviceId, ctx, 0);
  if ('kind' in info) {
    const reply = unsentReply(jobId, info);
    return reply.kind === 'not-sent' ? notSent(job, reply.message) : reply;
  }
  const now = info.settings;
  // The reserve of a charge is its ceiling; that of any other control is a floor, as the owner's is.
  const isCeiling = JSON.stringify(now.schedule) === JSON.stringify(allDay('off_peak'));
  const isHigher = memory.before !== null && (isCeiling || now.reservePct >= pct);
  if (!isHigher) {
    const want = { ...now, reservePct: pct };
    const failed = yield* writeAll({ site: vendorDeviceId, now, want, notAfterMs: job.notAfterMs }, ctx);
    if (failed !== null) return failedSet(job, failed.answer);
  }
  const { before } = memory;
  if (before !== null) yield* keep(job, { ...before, settings: { ...before.settings, reservePct: pct } }, ctx);
  return { kind: 'accepted', jobId, vendorRef: `reserve/${pct}` };
}

function* readCommand(job: { jobId: string; vendorDeviceId: string; vendorRef: string }, ctx: Ctx): Script {
  const { jobId } = job;
  const info = yield* readInfo(job.vendorDeviceId, ctx, 0);
  if ('kind' in info) return failReply(jobId, info);
  const [word, pct] = job.vendorRef.split('/');
  const mode = MODES.find((m) => m === word);
  const { settings } = info;
  const stands =
    mode !== undefined && JSON.stringify(recipeOf(mode, Number(pct), settings)) === JSON.stringify(settings);
  const detail = `${settings.mode}, export ${settings.exportRule}, reserve ${settings.reservePct} %`;
  return { kind: 'command-status', jobId, status: stands ? 'in-progress' : 'cancelled', detail };
}

type Info = NonNullable<SiteMemory['info']>;

/** @returns what is known when it is younger than ageMsMax, else what the cloud says now */
function* readInfo(site: string, ctx: Ctx, ageMsMax: number): Script<Info | Exclude<Answer, { kind: 'ok' }>> {
  const memory = ctx.memory(site);
  if (memory.info !== null && ctx.clock.nowMs - memory.info.readMs < ageMsMax) return memory.info;
  const seen = yield get(pathOf(site, 'site_info'));
  if (seen.kind !== 'ok') return seen;
  const info = infoOf(recordOf(seen.body, 'response') ?? {}, ctx.clock.nowMs);
  if (typeof info === 'string') return { kind: 'no-answer', why: `the answer is not valid: ${info}` };
  memory.info = info;
  return info;
}

function infoOf(r: Json, nowMs: EpochMs): Info | string {
  const components = recordOf(r, 'components') ?? {};
  const reservePct = numberOf(r, 'backup_reserve_percent', 0, 100);
  const mode = textOf(r, 'default_real_mode');
  const exportRule = textOf(components, 'customer_preferred_export_rule');
  const gridChargeOff = flagOf(components, 'disallow_charge_from_grid_with_solar_installed');
  const schedule = recordOf(r, 'tou_settings')?.schedule;
  const usableWh = numberOf(r, 'nameplate_energy', 1, HOME_WH_MAX);
  const stormEnabled = flagOf(recordOf(r, 'user_settings') ?? {}, 'storm_mode_enabled');
  if (reservePct === null) return 'backup_reserve_percent';
  if (mode === null) return 'default_real_mode';
  if (exportRule === null || gridChargeOff === null) return 'components';
  if (!Array.isArray(schedule) || schedule.length > 100) return 'tou_settings.schedule';
  if (usableWh === null) return 'nameplate_energy';
  if (stormEnabled === null) return 'storm_mode_enabled';
  return { settings: { reservePct, mode, exportRule, gridChargeOff, schedule }, usableWh, stormEnabled, readMs: nowMs };
}

const STRATEGY: Readonly<Record<string, BatteryStrategy>> = {
  self_consumption: 'self_consumption',
  autonomous: 'time_of_use',
  backup: 'backup',
};

/** A sample older than this many periods means that the site does not report. */
const SILENT_PERIODS = 3;

/**
 * battery_power + = discharge, grid_power + = import, W, as in the domain. While settings of ours stand, reserve and
 * strategy are those that stood before: the floor for outages is the owner's, not that of our recipe.
 */
function* readState(job: { jobId: string; vendorDeviceId: string }, ctx: Ctx): Script {
  const { jobId, vendorDeviceId } = job;
  const live = yield get(pathOf(vendorDeviceId, 'live_status'));
  if (live.kind !== 'ok') return failReply(jobId, live);
  const info = yield* readInfo(vendorDeviceId, ctx, ctx.config.settingsAgeMsMax ?? 30 * MS_PER_MIN);
  if ('kind' in info) return failReply(jobId, info);
  const r = recordOf(live.body, 'response') ?? {};
  const own = ctx.memory(vendorDeviceId).before?.settings ?? info.settings;
  const state = stateOf(
    {
      chargePercentage: numberOf(r, 'percentage_charged', 0, 100),
      usableWh: info.usableWh,
      chargeRate: numberOf(r, 'battery_power', -HOME_W_MAX, HOME_W_MAX),
      backupReserve: own.reservePct,
      gridPower: r.grid_power === null ? null : (numberOf(r, 'grid_power', -HOME_W_MAX, HOME_W_MAX) ?? undefined),
      strategy: STRATEGY[own.mode] ?? 'unknown',
      isStormModeEnabled: info.stormEnabled,
      isStormModeActive: flagOf(r, 'storm_mode_active'),
      sampledAtMs: timeOf(r, 'timestamp'),
    },
    ctx.clock.nowMs,
  );
  if (typeof state === 'string') return garbled(jobId, state);
  const online = ctx.clock.nowMs - state.sampledAtMs <= SILENT_PERIODS * TESLA_CAPABILITIES.telemetryPeriodMs;
  return { kind: 'state', jobId, vendorDeviceId, state, online };
}

/** A site that can be read is connected with its owner's consent; the Fleet API knows no other enrollment. */
function* enrollment(job: { jobId: string; vendorDeviceId: string }, ctx: Ctx): Script {
  const { jobId, vendorDeviceId } = job;
  const info = yield* readInfo(vendorDeviceId, ctx, 0);
  if (!('kind' in info)) return { kind: 'enrollment', jobId, vendorDeviceId, status: 'approved' };
  const isUnknown = info.kind === 'refused' && (info.status === 404 || info.status === 403);
  return isUnknown ? { kind: 'enrollment', jobId, vendorDeviceId, status: 'rejected' } : failReply(jobId, info);
}
