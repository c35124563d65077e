import { isoUtc } from '../../src/domain/time.ts';
import { type EpochMs, MS_PER_DAY, MS_PER_MIN } from '../../src/domain/units.ts';
import type { HttpRequest, HttpResponse } from '../../src/ports/http.ts';
import { type CloudErrors, type CloudOptions, createCloudBase, type OemCloud, type Seat } from './cloud.ts';
import { applicationRoute } from './enphaseEnroll.ts';
import { type Detail, type EnphaseCtx, FIRST_APPLICATION, fail, siteId, stamp } from './enphaseParts.ts';
import { json, queryOf, readBasic, readObject, routeOf } from './http.ts';
import { phaseOf, type TimedCommand, TimedCommands, type TimedSpec } from './timed.ts';

/**
 * A simulated Enphase cloud: events of the VPP API, applications, settings, live status.
 *
 * Read in the transcription of the VPP API 1.1.0 (api-evangelist/enphase openapi/enphase-{auth,events,applications,
 * system-details-and-telemetry}-api-openapi.yml): paths, field names, both state machines, error shape and texts, the
 * 5-minute retries, start within 7 days and rounded up to the next minute when absent, at most 300 minutes, an
 * overlapping event refused without superseded.
 * Assumed by us: what a partial overlap does to the older event (it is cut at the new start); the order of the
 * application states; that a site's reads need no enrollment (its owner connected it); GET live_status, which stands for
 * one message of the live-data stream; 429 at all. DELETE answers when it is accepted. From memory of the Monitoring API
 * v4: PUT battery_settings with reserve_soc; it shows what the gateway reported last.
 * Left out: vpp_ids, PV, HP and EVSE events, forecast, webhooks, unenrollment.
 */
export interface EnphaseCloud extends OemCloud {
  readonly events: (vendorDeviceId: string) => readonly TimedCommand[];
}

const DURATION_MIN_MAX = 300;
const TARGET_SOC_MIN = 10;

export function createEnphaseCloud(options: CloudOptions): EnphaseCloud {
  const base = createCloudBase('enphase', options);
  const events = new TimedCommands<Detail>(base, options.scheduler, eventId);
  const ctx: EnphaseCtx = { base, options, events, applications: new Map() };
  for (const d of options.devices) {
    const seat = base.seat(d.vendorDeviceId);
    if (d.enrolledIn === undefined || seat === undefined) continue;
    ctx.applications.set(seat, {
      applicationId: FIRST_APPLICATION + ctx.applications.size,
      programId: d.enrolledIn,
      createdMs: options.scheduler.nowMs(),
      status: 'Site_Approved',
    });
  }
  return {
    oem: 'enphase',
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
      if (out) events.optOut(seat);
    },
    events: (id) => {
      const seat = base.seat(id);
      return seat === undefined ? [] : events.of(seat);
    },
  };
}

const eventId = (n: number): string => `e0000000-0000-4000-8000-${n.toString(16).padStart(12, '0')}`;

const ERRORS: CloudErrors = {
  down: () => ({ status: 503, headers: { 'content-type': 'text/html' }, body: '<html>Service Unavailable</html>' }),
  tooLarge: () => fail(413, 'Payload Too Large'),
  tooMany: () => json(429, { message: 'Too Many Requests' }),
};

function handle(ctx: EnphaseCtx, request: HttpRequest): HttpResponse {
  const { base, options } = ctx;
  const stopped = base.admit(request, ERRORS);
  if (stopped !== null) return stopped;
  const [, first, version, group, id, leaf] = routeOf(request.path).split('/');
  if (first === 'auth') return token(ctx, request);
  if (request.headers['x-api-key'] !== options.credentials.apiKey)
    return fail(403, 'x-api-key is not provided or invalid');
  if (!base.isAuthorised(request)) return fail(401, 'Authorization is not provided or invalid');
  if (first === 'api' && version === 'v2' && group === 'events') return eventRoute(ctx, request, id);
  if (first === 'api' && version === 'v1' && group === 'applications') return applicationRoute(ctx, request, id);
  const seat = first === 'api' && version === 'v1' && group === 'systems' ? base.seat(id ?? '') : undefined;
  if (seat !== undefined && request.method === 'GET') return systemRoute(ctx, seat, leaf);
  if (seat !== undefined && request.method === 'PUT' && leaf === 'battery_settings') {
    return putBatterySettings(ctx, request, seat);
  }
  return fail(404, 'Requested resource Not Found');
}

function token(ctx: EnphaseCtx, request: HttpRequest): HttpResponse {
  const { base, options } = ctx;
  if (base.behaviour().tokenDown) return ERRORS.down();
  if (request.method !== 'POST' || routeOf(request.path) !== '/auth/oauth2/token')
    return fail(404, 'Requested resource Not Found');
  if (queryOf(request.path, 'grant_type') !== 'client_credentials')
    return fail(401, 'grant_type is not provided or invalid');
  const { clientId, clientSecret } = options.credentials;
  if (readBasic(request.headers.authorization) !== `${clientId}:${clientSecret}`) {
    return fail(401, 'Authorization is not provided or invalid');
  }
  const issued = base.issueToken();
  return json(200, {
    access_token: issued.token,
    expires_in: Math.floor(issued.lifetimeMs / 1000),
    token_type: 'Bearer',
  });
}

function eventRoute(ctx: EnphaseCtx, request: HttpRequest, id: string | undefined): HttpResponse {
  if (id === undefined) {
    if (request.method === 'POST') return createEvent(ctx, request);
    return request.method === 'GET' ? listEvents(ctx, request) : fail(404, 'Requested resource Not Found');
  }
  const event = ctx.events.get(id);
  if (event === undefined) return fail(404, 'No events found', `No events found for event_id:${id}`);
  if (request.method === 'GET') return json(200, eventBody(ctx, event));
  if (request.method !== 'DELETE') return fail(404, 'Requested resource Not Found');
  const phase = phaseOf(event, ctx.options.scheduler.nowMs());
  if (phase !== 'scheduled' && phase !== 'in_progress') {
    const text = 'Only scheduled or in_progress events can be deleted';
    return fail(400, text, `${text}. This event status is ${phase}`);
  }
  ctx.events.cancel(event);
  return json(200, {
    message: 'Event cancelled successfully',
    event_id: id,
    program_id: event.detail.programId,
  });
}

type Wanted = { readonly seat: Seat; readonly spec: TimedSpec; readonly detail: Detail; readonly superseded: boolean };

function createEvent(ctx: EnphaseCtx, request: HttpRequest): HttpResponse {
  const wanted = readEvent(ctx, request.body);
  if ('status' in wanted) return wanted;
  const { seat, spec, detail, superseded } = wanted;
  if (!superseded && ctx.events.openIn(seat, spec).length > 0) {
    const text =
      'Already event is scheduled/ongoing. If needed, cancel existing and create new event. Event time is conflicting with an existing event time.';
    return fail(400, text, 'VppEvent could not be processed');
  }
  ctx.events.supersede(seat, spec);
  const event = ctx.events.create(seat, spec, detail);
  return json(200, {
    message: 'Event created successfully',
    event_id: event.id,
    name: `Event ${isoUtc(spec.startMs).slice(0, 16).replace(/[-T:]/g, '')}`,
    no_of_sites: 1,
    program_id: detail.programId,
    total_watts: Math.abs(detail.rateWatt),
  });
}

function readEvent(ctx: EnphaseCtx, text: string): Wanted | HttpResponse {
  const body = readObject(text);
  if (body === null) return fail(400, 'Type Mismatch', 'the body is not a JSON object');
  const { program_id: programId, site_ids: siteIds, rate_watt: rateWatt, superseded } = body;
  if (typeof programId !== 'string') return fail(400, 'program_id cannot be null');
  if (!ctx.options.programs.some((p) => p.programId === programId)) return fail(403, 'Please provide valid Program ID');
  if (!Array.isArray(siteIds) || siteIds.length !== 1)
    return fail(400, 'One of vpp_ids or site_ids needs to be provided');
  if (body.measuring_reference !== 'ASSET')
    return fail(400, 'Missing Parameter', 'measuring_reference must be ASSET for BATTERY');
  const seat = ctx.base.seat(String(siteIds[0]));
  const application = seat === undefined ? undefined : ctx.applications.get(seat);
  if (seat === undefined || application?.status !== 'Site_Approved' || application.programId !== programId) {
    return fail(400, `No enrollments found for the given program for site: ${String(siteIds[0])}`);
  }
  if (!Number.isInteger(rateWatt)) return fail(400, 'Type Mismatch', 'rate_watt is not an integer');
  const rate = Number(rateWatt);
  const mode =
    typeof body.mode === 'string'
      ? body.mode
      : rate > 0
        ? 'Discharge_To_Load_Grid'
        : rate < 0
          ? 'Charge_From_PV_Grid'
          : 'Idle';
  const sign = MODES[mode];
  if (sign === undefined) return fail(400, `${mode} mode is not supported for this program`);
  if (Math.sign(rate) !== sign)
    return fail(400, 'rate_watt out of range', `rate_watt ${rate} does not fit mode ${mode}`);
  const window = readWindow(body, ctx.options.scheduler.nowMs());
  if ('status' in window) return window;
  const soc = body.target_soc;
  if (soc !== undefined && !(typeof soc === 'number' && Number.isInteger(soc) && soc <= 100))
    return fail(400, 'Type Mismatch', 'target_soc is not an integer up to 100');
  const targetSoc = typeof soc === 'number' ? soc : null;
  if (sign > 0 && targetSoc !== null && targetSoc < TARGET_SOC_MIN) {
    return fail(
      400,
      `Target SOC : ${targetSoc} is less than minimum target SOC for ${programId}. Minimum target SOC = ${TARGET_SOC_MIN}`,
    );
  }
  const spec: TimedSpec = {
    mode: sign > 0 ? 'discharge' : sign < 0 ? 'charge' : 'idle',
    powerW: sign === 0 ? 0 : Math.abs(rate),
    ...window,
    reservePctMin: sign > 0 ? (targetSoc ?? TARGET_SOC_MIN) : 0,
    reservePctMax: sign < 0 ? (targetSoc ?? 100) : 100,
    allowExport: mode === 'Discharge_To_Load_Grid',
  };
  return { seat, spec, superseded: superseded === true, detail: { programId, mode, rateWatt: rate, targetSoc } };
}

/** Mode to the sign that rate_watt must have. */
const MODES: Readonly<Record<string, number>> = {
  Charge_From_PV: -1,
  Charge_From_NetPV: -1,
  Charge_From_PV_Grid: -1,
  Discharge_To_Load: 1,
  Discharge_To_NetLoad: 1,
  Discharge_To_Load_Grid: 1,
  Idle: 0,
};

function readWindow(
  body: Record<string, unknown>,
  nowMs: EpochMs,
): { startMs: EpochMs; endMs: EpochMs } | HttpResponse {
  const startMs =
    body.start_time === undefined ? (Math.floor(nowMs / MS_PER_MIN) + 1) * MS_PER_MIN : readMinute(body.start_time);
  if (startMs === null) return fail(400, 'start_time format should be yyyy-MM-dd HH:mm');
  const { duration } = body;
  const endMs =
    typeof duration === 'number' && Number.isInteger(duration)
      ? startMs + duration * MS_PER_MIN
      : readMinute(body.end_time);
  if (endMs === null) return fail(400, 'end_time format should be yyyy-MM-dd HH:mm');
  if (endMs <= startMs) return fail(400, 'End time must be greater than start time');
  if (startMs <= nowMs) return fail(400, 'Start time must be future time');
  if (startMs > nowMs + 7 * MS_PER_DAY) return fail(400, 'Event start time can be maximum 7 days from current time');
  if (endMs - startMs > DURATION_MIN_MAX * MS_PER_MIN) {
    return fail(400, 'Event duration out of range', 'Event duration should not exceed 5 Hours 0 Mins');
  }
  return { startMs, endMs };
}

/** "yyyy-MM-dd HH:mm" in UTC. */
function readMinute(value: unknown): EpochMs | null {
  if (typeof value !== 'string' || !/^\d{4}-\d\d-\d\d \d\d:\d\d$/.test(value)) return null;
  const ms = Date.parse(`${value.replace(' ', 'T')}:00Z`);
  return Number.isFinite(ms) ? ms : null;
}

function eventBody(ctx: EnphaseCtx, event: TimedCommand<Detail>): Record<string, unknown> {
  const { detail } = event;
  const nowMs = ctx.options.scheduler.nowMs();
  const phase = phaseOf(event, nowMs);
  const ended = phase === 'deleted' || phase === 'stopped' ? { cancelled_at: stamp(event.closedMs ?? nowMs) } : {};
  return {
    event_id: event.id,
    name: `Event ${isoUtc(event.spec.startMs).slice(0, 16).replace(/[-T:]/g, '')}`,
    program_id: detail.programId,
    events: [
      {
        site_id: event.seat.id,
        event_status: phase,
        ...(phase === 'failed' ? { failure_reason: 'Command not acknowledged by the gateway' } : {}),
        start_time: stamp(event.spec.startMs),
        end_time: stamp(event.endMs),
        created_at: stamp(event.createdMs),
        ...ended,
        functions: ['BATTERY'],
        duration: Math.round((event.endMs - event.spec.startMs) / MS_PER_MIN),
        mode: detail.mode,
        ...(detail?.targetSoc === null || detail === undefined ? {} : { target_soc: detail.targetSoc }),
        rate_watt: detail.rateWatt,
        command_delivery_status: event.delivery,
        measuring_reference: 'ASSET',
      },
    ],
  };
}

/** Newest first; the date range of the real API is not applied, site_id and page_size are. */
function listEvents(ctx: EnphaseCtx, request: HttpRequest): HttpResponse {
  const programId = queryOf(request.path, 'program_id');
  if (programId === '') return fail(400, 'Missing Parameter', 'Required parameter program_id is not present');
  const seat = ctx.base.seat(queryOf(request.path, 'site_id'));
  if (seat === undefined) return fail(400, 'Invalid siteId', 'this cloud lists the events of one site');
  const size = Number(queryOf(request.path, 'page_size') || '10');
  if (!Number.isInteger(size) || size < 1 || size > 100) return fail(400, 'Pagination variables are incorrect');
  const mine = ctx.events.of(seat).filter((e) => e.detail.programId === programId);
  const page = mine.slice(-size).reverse();
  return json(200, { program_id: programId, total_count: mine.length, eventList: page.map((e) => eventBody(ctx, e)) });
}

function systemRoute(ctx: EnphaseCtx, seat: Seat, leaf: string | undefined): HttpResponse {
  const sample = ctx.base.sampleOf(seat);
  switch (leaf) {
    case 'live_status':
      return sample === null ? fail(422, 'no data yet') : json(200, liveBody(ctx, seat));
    case 'storm_guard_settings':
      return json(200, {
        system_id: siteId(seat),
        storm_guard_status: seat.stormEnabled ? 'enabled' : 'disabled',
        storm_alert: seat.alerts.size > 0 ? 'true' : 'false',
      });
    case 'battery_settings':
      if (sample === null) return fail(422, 'no data yet');
      return json(200, {
        system_id: siteId(seat),
        battery_mode: BATTERY_MODE[sample.state.strategy],
        reserve_soc: sample.state.backupReserve,
        energy_independence: 'disabled',
        charge_from_grid: 'enabled',
        battery_shutdown_level: 5,
      });
    default:
      return fail(404, 'Requested resource Not Found');
  }
}

function putBatterySettings(ctx: EnphaseCtx, request: HttpRequest, seat: Seat): HttpResponse {
  const pct = readObject(request.body)?.reserve_soc;
  if (typeof pct !== 'number' || !Number.isInteger(pct) || pct < 0 || pct > 100) {
    return fail(422, 'reserve_soc should be a whole number from 0 to 100');
  }
  ctx.base.setReserve(seat, pct);
  return json(200, { system_id: siteId(seat), reserve_soc: pct });
}

const BATTERY_MODE = {
  self_consumption: 'Self - Consumption',
  time_of_use: 'Savings Mode',
  backup: 'Full Backup',
  unknown: 'Self - Consumption',
} as const;

/** battery_power is positive when discharging, grid_power when importing; both in W; times in epoch seconds. */
function liveBody(ctx: EnphaseCtx, seat: Seat): Record<string, unknown> {
  const sample = ctx.base.sampleOf(seat);
  if (sample === null) return {};
  const { state, operation } = sample;
  const stale = ctx.options.scheduler.nowMs() - state.sampledAtMs > 3 * ctx.base.behaviour().telemetryPeriodMs;
  const commanded = operation === 'charge' || operation === 'discharge' || operation === 'idle';
  return {
    system_id: siteId(seat),
    status: stale ? 'comm' : 'normal',
    last_report_at: Math.floor(state.sampledAtMs / 1000),
    pv_power: Math.round(sample.pvW),
    load_power: Math.round(sample.loadW),
    grid_power: state.gridPower === null ? null : Math.round(state.gridPower),
    battery_power: Math.round(state.chargeRate),
    battery_soc: Math.round(state.chargePercentage * 100) / 100,
    battery_capacity: Math.round(sample.usableWh),
    battery_mode: commanded ? 'DR Event Active' : BATTERY_MODE[state.strategy],
  };
}
