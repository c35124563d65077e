import { isoUtc } from '../../src/domain/time.ts';
import type { EpochMs } from '../../src/domain/units.ts';
import type { HttpRequest, HttpResponse } from '../../src/ports/http.ts';
import {
  type CloudBase,
  type CloudErrors,
  type CloudOptions,
  createCloudBase,
  type OemCloud,
  type Seat,
} from './cloud.ts';
import { json, queryOf, readObject, routeOf } from './http.ts';
import { isOpen, type Phase, phaseOf, type TimedCommand, TimedCommands, type TimedSpec } from './timed.ts';

/**
 * A simulated SolarEdge cloud: two APIs.
 *
 * Monitoring (read in api-evangelist/solaredge openapi/ and in clients of it): read-only, api_key in the query,
 * /site/{id}/storageData and /site/{id}/currentPowerFlow, 300 requests a day per key and site (secondary), 429 and
 * problem+json (RFC 9457). Powers of the power flow are magnitudes in kW with two decimals; the direction stands in
 * `connections`. The sign of storageData's power (+ charging) is from memory; times are the site's local time, and the
 * simulated sites keep UTC. Three concurrent requests are not counted: an exchange takes no time on this side.
 *
 * Control (/control/v1): ASSUMED as a whole. The real one is not public (certificate authentication); this is a plain
 * REST dialect of our own with the behaviour that is known: a profile change reaches the inverter within minutes, over a
 * cellular link within hours, and a newer profile takes the place of an older one it overlaps. Connected devices are
 * members of the programs of their account at once (TextureHQ/docs, read).
 */
export interface SolaredgeCloud extends OemCloud {
  readonly profiles: (vendorDeviceId: string) => readonly TimedCommand[];
}

interface Ctx {
  readonly base: CloudBase;
  readonly options: CloudOptions;
  readonly profiles: TimedCommands<null>;
}

export function createSolaredgeCloud(options: CloudOptions): SolaredgeCloud {
  const base = createCloudBase('solaredge', options);
  const profiles = new TimedCommands<null>(base, options.scheduler, (n) => `profile-${n}`);
  const ctx: Ctx = { base, options, profiles };
  return {
    oem: 'solaredge',
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
      if (seat === undefined) return;
      seat.optedOut = out;
      if (out) profiles.optOut(seat);
    },
    profiles: (id) => {
      const seat = base.seat(id);
      return seat === undefined ? [] : profiles.of(seat);
    },
  };
}

const PROBLEM = { 'content-type': 'application/problem+json' };
const fail = (status: number, title: string, detail: string): HttpResponse =>
  json(status, { type: 'about:blank', title, status, detail, instance: null }, PROBLEM);

const tooMany = (): HttpResponse => fail(429, 'Too Many Requests', 'the query quota has been exceeded');
const ERRORS: CloudErrors = {
  down: () => ({ status: 503, headers: { 'content-type': 'text/html' }, body: '<html>Service Unavailable</html>' }),
  tooLarge: () => fail(413, 'Payload Too Large', 'the body is too large'),
  tooMany,
};

function handle(ctx: Ctx, request: HttpRequest): HttpResponse {
  const stopped = ctx.base.admit(request, ERRORS);
  if (stopped !== null) return stopped;
  const parts = routeOf(request.path).split('/');
  if (parts[1] === 'site') return monitoring(ctx, request, parts[2] ?? '', parts[3]);
  if (parts[1] !== 'control' || parts[2] !== 'v1') return fail(404, 'Not Found', 'no such path');
  const { clientId, clientSecret } = ctx.options.credentials;
  if (request.headers['x-client-id'] !== clientId || request.headers['x-client-secret'] !== clientSecret) {
    return fail(401, 'Unauthorized', 'unknown client');
  }
  if (parts[3] === 'profiles') return profileRoute(ctx, request, parts[4] ?? '');
  const seat = ctx.base.seat(parts[4] ?? '');
  if (parts[3] !== 'sites' || seat === undefined) return fail(404, 'Not Found', 'no such site');
  return siteRoute(ctx, request, seat, parts[5], parts[6]);
}

function monitoring(ctx: Ctx, request: HttpRequest, id: string, leaf: string | undefined): HttpResponse {
  if (queryOf(request.path, 'api_key') !== ctx.options.credentials.apiKey) {
    return fail(401, 'Unauthorized - Authentication Failed', 'Invalid API key');
  }
  const seat = ctx.base.seat(id);
  if (seat === undefined || request.method !== 'GET') return fail(404, 'Not Found', 'no such site');
  if (!ctx.base.admitSite(seat)) return tooMany();
  if (leaf === 'storageData') return json(200, storageBody(ctx, seat));
  if (leaf === 'currentPowerFlow') return json(200, flowBody(ctx, seat));
  return fail(404, 'Not Found', 'no such path');
}

/** The last sample only, whatever startTime and endTime say. */
function storageBody(ctx: Ctx, seat: Seat): Record<string, unknown> {
  const sample = ctx.base.sampleOf(seat);
  const telemetries =
    sample === null
      ? []
      : [
          {
            timeStamp: isoUtc(sample.state.sampledAtMs).slice(0, 19).replace('T', ' '),
            power: 0 - Math.round(sample.state.chargeRate),
            batteryState: sample.state.chargeRate > 0 ? 4 : sample.state.chargeRate < 0 ? 3 : 6,
            batteryPercentageState: Math.round(sample.state.chargePercentage * 100) / 100,
            fullPackEnergyAvailable: Math.round(sample.usableWh),
          },
        ];
  const battery = { serialNumber: `B-${seat.id}`, telemetryCount: telemetries.length, telemetries };
  return { storageData: { batteryCount: 1, batteries: [battery] } };
}

const kw = (w: number): number => Math.round(Math.abs(w) / 10) / 100;

function flowBody(ctx: Ctx, seat: Seat): Record<string, unknown> {
  const sample = ctx.base.sampleOf(seat);
  const connections: { from: string; to: string }[] = [];
  if (sample === null) return { siteCurrentPowerFlow: { updateRefreshRate: 3, unit: 'kW', connections } };
  const { gridPower, chargeRate, chargePercentage } = sample.state;
  if (sample.pvW > 0) connections.push({ from: 'PV', to: 'Load' });
  if (gridPower !== null && gridPower > 0) connections.push({ from: 'GRID', to: 'Load' });
  if (gridPower !== null && gridPower < 0) connections.push({ from: 'LOAD', to: 'Grid' });
  if (chargeRate > 0) connections.push({ from: 'STORAGE', to: 'Load' });
  if (chargeRate < 0) connections.push({ from: 'LOAD', to: 'Storage' });
  const part = (w: number): Record<string, unknown> => ({ status: w === 0 ? 'Idle' : 'Active', currentPower: kw(w) });
  return {
    siteCurrentPowerFlow: {
      updateRefreshRate: 3,
      unit: 'kW',
      connections,
      ...(gridPower === null ? {} : { GRID: part(gridPower) }),
      LOAD: part(sample.loadW),
      PV: part(sample.pvW),
      STORAGE: {
        status: chargeRate > 0 ? 'Discharging' : chargeRate < 0 ? 'Charging' : 'Idle',
        currentPower: kw(chargeRate),
        chargeLevel: Math.round(chargePercentage),
        critical: false,
      },
    },
  };
}

function siteRoute(
  ctx: Ctx,
  request: HttpRequest,
  seat: Seat,
  leaf: string | undefined,
  id: string | undefined,
): HttpResponse {
  const isGet = request.method === 'GET';
  if (leaf === 'status' && isGet) return statusBody(ctx, seat);
  if (leaf === 'profiles' && isGet) {
    const latest = ctx.profiles.of(seat).slice(-LISTED_MAX).reverse();
    return json(200, { profiles: latest.map((p) => profileBody(ctx, p)) });
  }
  if (leaf === 'profiles' && request.method === 'POST') return createProfile(ctx, request, seat);
  if (leaf === 'settings' && request.method === 'PUT') return putSettings(ctx, request, seat);
  if (leaf === 'enrollments' && (isGet || request.method === 'POST')) {
    if (!ctx.options.programs.some((p) => p.programId === id)) return fail(404, 'Not Found', 'no such program');
    return json(200, { siteId: seat.id, programId: id, status: 'approved' });
  }
  return fail(404, 'Not Found', 'no such path');
}

const LISTED_MAX = 20;

function statusBody(ctx: Ctx, seat: Seat): HttpResponse {
  const sample = ctx.base.sampleOf(seat);
  if (sample === null) return fail(404, 'Not Found', 'no data yet');
  const nowMs = ctx.options.scheduler.nowMs();
  const stale = nowMs - sample.state.sampledAtMs > 3 * ctx.base.behaviour().telemetryPeriodMs;
  return json(200, {
    siteId: seat.id,
    communication: stale ? 'lost' : 'ok',
    strategy: sample.state.strategy,
    backupReservePct: sample.state.backupReserve,
    weatherGuard: { enabled: seat.stormEnabled, active: seat.alerts.size > 0 },
    activeProfileId: ctx.profiles.of(seat).find((p) => isOpen(p, nowMs) && p.spec.startMs <= nowMs)?.id ?? null,
  });
}

/** What the device reports stays in the status until it has heard of it. */
function putSettings(ctx: Ctx, request: HttpRequest, seat: Seat): HttpResponse {
  const pct = readObject(request.body)?.backupReservePct;
  if (!isIn(pct, 0, 100)) return fail(422, 'Unprocessable Content', 'backupReservePct: 0 to 100 expected');
  ctx.base.setReserve(seat, pct);
  return json(200, { siteId: seat.id, backupReservePct: pct });
}

function createProfile(ctx: Ctx, request: HttpRequest, seat: Seat): HttpResponse {
  const spec = readProfile(readObject(request.body), ctx.options.scheduler.nowMs());
  if (typeof spec === 'string') return fail(422, 'Unprocessable Content', spec);
  ctx.profiles.supersede(seat, spec);
  return json(201, profileBody(ctx, ctx.profiles.create(seat, spec, null)));
}

function readProfile(body: Record<string, unknown> | null, nowMs: EpochMs): TimedSpec | string {
  if (body === null) return 'the body is not a JSON object';
  const { mode, powerW, minSocPct, maxSocPct, allowExport } = body;
  if (mode !== 'charge' && mode !== 'discharge' && mode !== 'idle') return 'mode: charge, discharge or idle expected';
  if (powerW !== null && !isIn(powerW, 0, 1e6)) return 'powerW: null or a number ≥ 0 expected';
  if (!isIn(minSocPct, 0, 100) || !isIn(maxSocPct, 0, 100)) return 'minSocPct, maxSocPct: 0 to 100 expected';
  if (typeof allowExport !== 'boolean') return 'allowExport: true or false expected';
  const startMs = Date.parse(String(body.startTime));
  const endMs = Date.parse(String(body.endTime));
  if (!Number.isFinite(startMs) || !Number.isFinite(endMs) || endMs <= startMs || endMs <= nowMs) {
    return 'startTime, endTime: ISO 8601, the end after the start and in the future expected';
  }
  const limits = { reservePctMin: minSocPct, reservePctMax: maxSocPct };
  return { mode, powerW, startMs: Math.max(startMs, nowMs), endMs, ...limits, allowExport };
}

const isIn = (value: unknown, min: number, max: number): value is number =>
  typeof value === 'number' && value >= min && value <= max;

const STATUS: Readonly<Record<Phase, string>> = {
  scheduled: 'pending',
  in_progress: 'active',
  completed: 'expired',
  failed: 'failed',
  deleted: 'cancelled',
  stopped: 'cancelled',
  optedout: 'opted-out',
};

function profileBody(ctx: Ctx, p: TimedCommand<null>): Record<string, unknown> {
  return {
    profileId: p.id,
    siteId: p.seat.id,
    status: STATUS[phaseOf(p, ctx.options.scheduler.nowMs())],
    delivery: p.delivery.toLowerCase(),
    createdAt: isoUtc(p.createdMs),
    mode: p.spec.mode,
    powerW: p.spec.powerW,
    startTime: isoUtc(p.spec.startMs),
    endTime: isoUtc(p.endMs),
    minSocPct: p.spec.reservePctMin,
    maxSocPct: p.spec.reservePctMax,
    allowExport: p.spec.allowExport,
  };
}

function profileRoute(ctx: Ctx, request: HttpRequest, id: string): HttpResponse {
  const profile = ctx.profiles.get(id);
  if (profile === undefined) return fail(404, 'Not Found', 'no such profile');
  if (request.method === 'GET') return json(200, profileBody(ctx, profile));
  if (request.method !== 'DELETE') return fail(405, 'Method Not Allowed', 'GET or DELETE expected');
  if (isOpen(profile, ctx.options.scheduler.nowMs())) ctx.profiles.cancel(profile);
  return json(200, profileBody(ctx, profile));
}
