import { isoUtc } from '../../src/domain/time.ts';
import { type EpochMs, MS_PER_DAY } from '../../src/domain/units.ts';
import { PRIORITY, type TimerHandle } from '../../src/ports/clock.ts';
import type { DeviceControl } from '../../src/ports/device.ts';
import type { HttpRequest, HttpResponse } from '../../src/ports/http.ts';
import {
  type CloudBase,
  type CloudErrors,
  type CloudOptions,
  createCloudBase,
  type OemCloud,
  type Seat,
} from './cloud.ts';
import { isRecord, json, readObject, routeOf } from './http.ts';

/**
 * A simulated Tesla cloud: the energy part of the Fleet API. There are no commands with a start, an end or a power;
 * there are settings, and the device follows them until they are changed.
 *
 * Read: paths and bodies (Teslemetry/python-tesla-fleet-api energysite.py), fields of live_status and site_info
 * (home-assistant/core teslemetry fixtures), {"response": {"code": 201, "message": "Updated"}}.
 * From memory: the token endpoint and 8 hours of life. Assumed: the error texts; 429 with Retry-After.
 *
 * What settings make the device do is ASSUMED (`follow` below), after TextureHQ/docs, commands (read): "Time of use"
 * with a price peak written over the whole day discharges for the grid, as much as the battery gives, when the export
 * rule is battery_ok; a trough charges up to the reserve; a reserve at the present charge holds it there; "Self
 * consumption" where the owner has another strategy discharges for the home's load only. A reserve that
 * stands with the owner's own prices is the device's reserve; that of a peak or a trough only bounds it.
 * Settings are synchronised: a device that was not reached is told later, when it is.
 */
export interface TeslaCloud extends OemCloud {
  readonly settings: (vendorDeviceId: string) => TeslaSettings | null;
}

export interface TeslaSettings {
  readonly reservePct: number;
  readonly mode: 'autonomous' | 'self_consumption' | 'backup';
  readonly exportRule: 'battery_ok' | 'pv_only' | 'never';
  readonly gridChargeOff: boolean;
  readonly price: 'own' | 'peak' | 'trough';
}

interface Site {
  /** What the owner had, as the first sample shows it. */
  own: TeslaSettings | null;
  settings: TeslaSettings | null;
  /** The schedule as it was sent. */
  schedule: unknown;
  timer: TimerHandle | null;
  applied: string;
  /** The reserve that the device keeps, as far as the cloud knows [%]. */
  keptPct: number;
}

interface Ctx {
  readonly base: CloudBase;
  readonly options: CloudOptions;
  readonly sites: Map<Seat, Site>;
}

export function createTeslaCloud(options: CloudOptions): TeslaCloud {
  const base = createCloudBase('tesla', options);
  const sites = new Map<Seat, Site>();
  for (const seat of base.seats) {
    sites.set(seat, { own: null, settings: null, schedule: [], timer: null, applied: '', keptPct: 0 });
  }
  const ctx: Ctx = { base, options, sites };
  return {
    oem: 'tesla',
    handle: (request) => handle(ctx, request),
    alert: (alert) => base.storm.alert(alert),
    alertOver: (id) => {
      base.storm.over(id);
    },
    setBehaviour: base.setBehaviour,
    behaviour: base.behaviour,
    counts: base.counts,
    revokeTokens: base.revokeTokens,
    setOptOut: (id, out) => {
      const seat = base.seat(id);
      if (seat !== undefined) seat.optedOut = out;
    },
    settings: (id) => {
      const seat = base.seat(id);
      return seat === undefined ? null : (sites.get(seat)?.settings ?? null);
    },
  };
}

const fail = (status: number, error: string, headers: Record<string, string> = {}): HttpResponse =>
  json(status, { response: null, error, error_description: '' }, { 'content-type': 'application/json', ...headers });

const ERRORS: CloudErrors = {
  down: () => fail(503, 'service unavailable'),
  tooLarge: () => fail(413, 'payload too large'),
  tooMany: (retryAfterS) =>
    fail(429, 'Account exceeded the rate limit', retryAfterS === null ? {} : { 'retry-after': String(retryAfterS) }),
};

function handle(ctx: Ctx, request: HttpRequest): HttpResponse {
  const { base } = ctx;
  const stopped = base.admit(request, ERRORS);
  if (stopped !== null) return stopped;
  const route = routeOf(request.path);
  if (route === '/oauth2/v3/token' && request.method === 'POST') return token(ctx, request);
  if (!base.isAuthorised(request)) return fail(401, 'unauthorized');
  const [, api, version, group, id, leaf] = route.split('/');
  if (api !== 'api' || version !== '1' || group !== 'energy_sites') return fail(404, 'not found');
  const seat = base.seat(id ?? '');
  const site = seat === undefined ? undefined : ctx.sites.get(seat);
  if (seat === undefined || site === undefined) return fail(404, 'not_found');
  const settings = settingsOf(ctx, seat, site);
  if (settings === null) return fail(408, 'device unavailable');
  if (request.method === 'GET' && leaf === 'live_status') return liveStatus(ctx, seat);
  if (request.method === 'GET' && leaf === 'site_info') return siteInfo(ctx, seat, site, settings);
  if (request.method === 'POST') return write(ctx, seat, site, settings, leaf, readObject(request.body));
  return fail(404, 'not found');
}

function token(ctx: Ctx, request: HttpRequest): HttpResponse {
  if (ctx.base.behaviour().tokenDown) return ERRORS.down();
  const body = readObject(request.body);
  const { clientId, clientSecret } = ctx.options.credentials;
  const isKnown = body?.client_id === clientId && body.client_secret === clientSecret;
  if (!isKnown || body.grant_type !== 'client_credentials') return fail(401, 'invalid_client');
  const issued = ctx.base.issueToken();
  return json(200, {
    access_token: issued.token,
    expires_in: Math.floor(issued.lifetimeMs / 1000),
    token_type: 'Bearer',
  });
}

const MODE = {
  self_consumption: 'self_consumption',
  time_of_use: 'autonomous',
  backup: 'backup',
  unknown: 'self_consumption',
} as const;

function settingsOf(ctx: Ctx, seat: Seat, site: Site): TeslaSettings | null {
  if (site.settings !== null) return site.settings;
  const sample = ctx.base.sampleOf(seat);
  if (sample === null) return null;
  site.own = {
    reservePct: sample.state.backupReserve,
    mode: MODE[sample.state.strategy],
    exportRule: 'pv_only',
    gridChargeOff: true,
    price: 'own',
  };
  site.settings = site.own;
  site.applied = signature({ mode: 'reset' });
  site.keptPct = site.own.reservePct;
  return site.settings;
}

/** battery_power is positive when discharging, grid_power when importing; W. */
function liveStatus(ctx: Ctx, seat: Seat): HttpResponse {
  const sample = ctx.base.sampleOf(seat);
  if (sample === null) return fail(408, 'device unavailable');
  const { state } = sample;
  return json(200, {
    response: {
      solar_power: Math.round(sample.pvW),
      percentage_charged: state.chargePercentage,
      backup_capable: true,
      battery_power: Math.round(state.chargeRate),
      load_power: Math.round(sample.loadW),
      grid_status: 'Active',
      grid_services_active: false,
      grid_power: state.gridPower === null ? null : Math.round(state.gridPower),
      grid_services_power: 0,
      generator_power: 0,
      island_status: 'on_grid',
      storm_mode_active: seat.alerts.size > 0,
      timestamp: isoUtc(state.sampledAtMs),
      wall_connectors: [],
    },
  });
}

function siteInfo(ctx: Ctx, seat: Seat, site: Site, settings: TeslaSettings): HttpResponse {
  const sample = ctx.base.sampleOf(seat);
  return json(200, {
    response: {
      id: seat.id,
      site_name: `Site ${seat.id}`,
      backup_reserve_percent: settings.reservePct,
      default_real_mode: settings.mode,
      user_settings: { storm_mode_enabled: seat.stormEnabled },
      components: {
        solar: (sample?.pvW ?? 0) > 0,
        battery: true,
        grid: true,
        storm_mode_capable: true,
        grid_services_enabled: false,
        disallow_charge_from_grid_with_solar_installed: settings.gridChargeOff,
        customer_preferred_export_rule: settings.exportRule,
      },
      battery_count: 1,
      tou_settings: { optimization_strategy: 'economics', schedule: site.schedule },
      nameplate_power: Math.round(sample?.dischargeWMax ?? 0),
      nameplate_energy: Math.round(sample?.usableWh ?? 0),
      installation_time_zone: '',
    },
  });
}

const UPDATED = (): HttpResponse => json(200, { response: { code: 201, message: 'Updated' } });

function write(
  ctx: Ctx,
  seat: Seat,
  site: Site,
  settings: TeslaSettings,
  leaf: string | undefined,
  body: Record<string, unknown> | null,
): HttpResponse {
  if (body === null) return fail(400, 'invalid request body');
  if (leaf === 'storm_mode') {
    if (typeof body.enabled !== 'boolean') return fail(400, 'enabled must be a boolean');
    ctx.base.storm.enable(seat, body.enabled);
    return UPDATED();
  }
  const change = leaf === undefined ? null : readChange(leaf, body);
  if (change === null) return fail(404, 'not found');
  if (typeof change === 'string') return fail(400, change);
  if (leaf === 'time_of_use_settings') site.schedule = scheduleOf(body);
  site.settings = { ...settings, ...change };
  apply(ctx, seat, site);
  return UPDATED();
}

function readChange(leaf: string, body: Record<string, unknown>): Partial<TeslaSettings> | string | null {
  switch (leaf) {
    case 'backup': {
      const pct = body.backup_reserve_percent;
      const ok = typeof pct === 'number' && pct >= 0 && pct <= 100;
      return ok ? { reservePct: pct } : 'backup_reserve_percent must be 0 to 100';
    }
    case 'operation': {
      const mode = body.default_real_mode;
      const ok = mode === 'autonomous' || mode === 'self_consumption' || mode === 'backup';
      return ok ? { mode } : 'default_real_mode is not supported';
    }
    case 'grid_import_export': {
      const rule = body.customer_preferred_export_rule;
      const off = body.disallow_charge_from_grid_with_solar_installed;
      if (rule !== undefined && rule !== 'battery_ok' && rule !== 'pv_only' && rule !== 'never')
        return 'unknown export rule';
      if (off !== undefined && typeof off !== 'boolean') return 'disallow_charge_from_grid must be a boolean';
      return {
        ...(rule === undefined ? {} : { exportRule: rule }),
        ...(off === undefined ? {} : { gridChargeOff: off }),
      };
    }
    case 'time_of_use_settings': {
      const schedule = scheduleOf(body);
      return Array.isArray(schedule) ? { price: priceOf(schedule) } : 'tou_settings.schedule must be a list';
    }
    default:
      return null;
  }
}

const scheduleOf = (body: Record<string, unknown>): unknown =>
  isRecord(body.tou_settings) ? body.tou_settings.schedule : undefined;

/** A single entry over the whole day of all days is an event of ours; anything else is the owner's tariff. */
function priceOf(schedule: readonly unknown[]): TeslaSettings['price'] {
  const [only, ...rest] = schedule;
  if (rest.length > 0 || !isRecord(only) || only.start_seconds !== 0 || only.end_seconds !== 0) return 'own';
  if (!Array.isArray(only.week_days) || only.week_days.length !== 7) return 'own';
  return only.target === 'peak' ? 'peak' : only.target === 'off_peak' ? 'trough' : 'own';
}

type Follow = Pick<DeviceControl, 'mode'> & Partial<DeviceControl>;

/** What the device does under these settings; 'reset' = the owner's own strategy. */
export function follow(own: TeslaSettings, now: TeslaSettings, socPct: number): Follow {
  if (signature(own) === signature(now)) return { mode: 'reset' };
  const floor = { reservePctMin: now.reservePct };
  if (now.mode === 'backup') return own.mode === 'backup' ? { mode: 'reset' } : { mode: 'charge' };
  if (now.mode === 'autonomous' && now.price === 'peak') {
    return { mode: 'discharge', ...floor, allowExport: now.exportRule === 'battery_ok' };
  }
  if (now.mode === 'autonomous' && now.price === 'trough' && !now.gridChargeOff) {
    return { mode: 'charge', reservePctMax: now.reservePct };
  }
  const isSelf = now.mode === 'self_consumption' && own.mode !== 'self_consumption';
  const otherwise: Follow = isSelf ? { mode: 'discharge', ...floor, allowExport: false } : { mode: 'reset' };
  if (now.reservePct <= own.reservePct) return otherwise;
  if (now.reservePct > socPct + HOLD_PCT)
    return now.gridChargeOff ? otherwise : { mode: 'charge', reservePctMax: now.reservePct };
  return now.reservePct >= socPct - HOLD_PCT ? { mode: 'idle' } : otherwise;
}

/** The floor that the device keeps under these settings, whatever it does [%]. */
const keptPctOf = (own: TeslaSettings, now: TeslaSettings): number =>
  now.mode === 'self_consumption' || now.price === 'own' ? now.reservePct : own.reservePct;

/** A reserve this near to the charge holds it [%]: the charge that was read is minutes old. */
const HOLD_PCT = 5;

const signature = (x: object): string => JSON.stringify(Object.entries(x).sort(([a], [b]) => (a < b ? -1 : 1)));

/** Settings that come in one after the other make one message to the device. */
function apply(ctx: Ctx, seat: Seat, site: Site): void {
  const { scheduler } = ctx.options;
  if (site.timer !== null) scheduler.cancel(site.timer);
  const lateMs = ctx.base.drawFailure(seat) ? ctx.base.behaviour().deliveryWindowMs : 0;
  if (lateMs > 0) ctx.base.note(seat, 'delivery-failed', `settings are late by ${lateMs} ms`);
  site.timer = scheduler.at(
    scheduler.nowMs() + ctx.base.drawDelayMs(seat) + lateMs,
    () => tell(ctx, seat, site, 0),
    PRIORITY.world,
  );
}

/** Attempts go on for a day; by then the owner will have been asked. */
function tell(ctx: Ctx, seat: Seat, site: Site, spentMs: number): void {
  site.timer = null;
  if (site.own === null || site.settings === null) return;
  const socPct = ctx.base.sampleOf(seat)?.state.chargePercentage ?? 0;
  const keptPct = keptPctOf(site.own, site.settings);
  const isKept = keptPct === site.keptPct || ctx.base.tellReserve(seat, keptPct) === 'taken';
  if (isKept) site.keptPct = keptPct;
  const wanted = follow(site.own, site.settings, socPct);
  if (isKept && signature(wanted) === site.applied) return;
  const cause = `settings ${site.settings.mode}, ${site.settings.price} price, reserve ${site.settings.reservePct} %`;
  const control: DeviceControl = {
    powerW: null,
    endMs: null,
    reservePctMin: 0,
    reservePctMax: 100,
    allowExport: false,
    ...wanted,
    cause,
  };
  if (isKept && ctx.base.send(seat, control) === 'taken') {
    site.applied = signature(wanted);
    ctx.base.note(seat, 'delivered', cause);
    return;
  }
  const retryMs = Math.max(1_000, ctx.base.behaviour().deliveryRetryMs);
  if (spentMs > MS_PER_DAY) return;
  const atMs: EpochMs = ctx.options.scheduler.nowMs() + retryMs;
  site.timer = ctx.options.scheduler.at(atMs, () => tell(ctx, seat, site, spentMs + retryMs), PRIORITY.world);
}
