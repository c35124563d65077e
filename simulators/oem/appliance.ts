import { type ApplianceKind, type ApplianceState, commandsOf } from '../../src/domain/appliance.ts';
import { inputError, show } from '../../src/domain/errors.ts';
import { isoUtc } from '../../src/domain/time.ts';
import { type EpochMs, MJ_PER_WH } from '../../src/domain/units.ts';
import { PRIORITY, type Scheduler } from '../../src/ports/clock.ts';
import type { HttpHandler, HttpRequest, HttpResponse } from '../../src/ports/http.ts';
import type { RandomSource, RandomStream } from '../../src/ports/random.ts';
import type { AppliancePort } from '../appliance/fleet.ts';
import { OPEN_BEHAVIOUR } from './applianceBehaviour.ts';
import { type OpenOrder, OpenOrders } from './applianceOrders.ts';
import { readOrder } from './applianceRead.ts';
import type { Behaviour } from './behaviour.ts';
import { type CloudCounts, type CloudErrors, checked } from './cloud.ts';
import { createGate, type Gate } from './gate.ts';
import { json, queryOf, readBasic, readObject, routeOf } from './http.ts';

/**
 * The open device cloud: chargers, vehicles, thermostats and inverters behind one plain REST dialect. NO VENDOR'S: the
 * clouds of these devices are many and their APIs partly not public, so this one is ASSUMED throughout (standing
 * 'assumed', OPEN_BEHAVIOUR_PROVENANCE) and stands for all of them. Command slugs and inputs are those of
 * src/domain/appliance.ts.
 *
 *   POST /oauth2/token            RFC 6749 4.4: Basic credentials, form grant_type=client_credentials
 *   GET  /devices?limit&cursor    {devices: [{id, kind, online, commands}], next}
 *   GET  /devices/{id}/state      {id, kind, online, sampledAt, state}: the last sample that was uploaded
 *   POST /devices/{id}/commands   {slug, input, clientToken, startAt?, expireAt?} -> 202, or 200 for a token seen before
 *   GET  /commands/{id}           {id, deviceId, slug, status, reason}
 *   DELETE /commands/{id}         withdraws what no device was told yet
 *   errors                        {error, message}
 *
 * A clientToken names one command of one device: the same token with the same body is answered with the command that
 * exists and has no second effect; with another body it is refused, 409 token_reused. Orders: applianceOrders.ts.
 * Fields of a state are those of the domain; times are ISO 8601 text, named ...At.
 */
export interface OpenDevice {
  /** Position in the fleet. */
  readonly device: number;
  readonly vendorDeviceId: string;
}

/** What happens inside the cloud and no API tells; for the run log. */
export interface OpenNote {
  readonly atMs: EpochMs;
  readonly device: number;
  readonly vendorDeviceId: string;
  readonly what: 'delivered' | 'refused' | 'delivery-failed' | 'swallowed';
  readonly detail: string;
}

export interface OpenCloudOptions {
  readonly scheduler: Scheduler;
  readonly random: RandomSource;
  readonly fleet: AppliancePort;
  readonly devices: readonly OpenDevice[];
  readonly behaviour?: Partial<Behaviour>;
  readonly credentials: { readonly clientId: string; readonly clientSecret: string };
  readonly onNote?: (note: OpenNote) => void;
}

export interface OpenCloud {
  readonly oem: 'open';
  readonly handle: HttpHandler;
  setBehaviour(change: Partial<Behaviour>): void;
  behaviour(): Behaviour;
  revokeTokens(): void;
  counts(): CloudCounts;
  /** All orders that are kept for a device, oldest first. */
  orders(vendorDeviceId: string): readonly OpenOrder[];
}

/** One device as the cloud knows it. */
export interface OpenSeat {
  readonly device: number;
  readonly id: string;
  readonly kind: ApplianceKind;
  readonly draw: RandomStream;
  /** A stream of its own, so that the fault shifts nothing else. */
  readonly swallow: RandomStream;
  shown: ApplianceState | null;
  /** Uploaded, but not yet to be seen. */
  coming: ApplianceState | null;
  comingMs: EpochMs;
  /** The meter at the last upload [mJ]. */
  gridMj: number | null;
}

interface Ctx {
  readonly options: OpenCloudOptions;
  readonly behaviour: () => Behaviour;
  readonly gate: Gate;
  readonly seats: readonly OpenSeat[];
  readonly byId: ReadonlyMap<string, OpenSeat>;
  readonly orders: OpenOrders;
}

export function createOpenCloud(options: OpenCloudOptions): OpenCloud {
  const { scheduler } = options;
  let behaviour: Behaviour = checked({ ...OPEN_BEHAVIOUR, ...options.behaviour });
  const seats = options.devices.map((d) => makeSeat(d, options));
  const byId = new Map(seats.map((s) => [s.id, s]));
  if (byId.size !== seats.length) throw wrongDevices('a vendorDeviceId twice', 'unique ids');
  const gate = createGate(scheduler, () => behaviour);
  const orders = new OpenOrders({ scheduler, fleet: options.fleet, behaviour: () => behaviour, note: options.onNote });
  const ctx: Ctx = { options, behaviour: () => behaviour, gate, seats, byId, orders };
  for (const seat of seats) startUploads(ctx, seat);
  return {
    oem: 'open',
    handle: (request) => handle(ctx, request),
    setBehaviour: (change) => {
      behaviour = checked({ ...behaviour, ...change });
    },
    behaviour: () => behaviour,
    revokeTokens: gate.revokeTokens,
    counts: gate.counts,
    orders: (id) => {
      const seat = byId.get(id);
      return seat === undefined ? [] : orders.of(seat);
    },
  };
}

const wrongDevices = (value: string, expected: string): Error =>
  inputError({ source: 'open cloud', place: 'devices.vendorDeviceId', value, expected });

function makeSeat({ device, vendorDeviceId: id }: OpenDevice, { fleet, random }: OpenCloudOptions): OpenSeat {
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(id)) throw wrongDevices(show(id), '1 to 64 letters, digits, "-" or "_"');
  const draw = random(`oem/open/${id}`);
  const swallow = random(`oem/open/${id}/swallow`);
  const kind = fleet.kind(device);
  return { device, id, kind, draw, swallow, shown: null, coming: null, comingMs: 0, gridMj: null };
}

/** The first sample is there from the start; the next ones come every period at an offset drawn per device. */
function startUploads({ options, behaviour }: Ctx, seat: OpenSeat): void {
  const { scheduler, fleet } = options;
  const read = (): ApplianceState | null => (fleet.isOnline(seat.device) ? measure(fleet, seat) : null);
  const upload = (): void => {
    if (seat.coming !== null) seat.shown = seat.coming;
    seat.coming = read();
    seat.comingMs = scheduler.nowMs() + behaviour().telemetryDelayMs;
    scheduler.at(scheduler.nowMs() + behaviour().telemetryPeriodMs, upload, PRIORITY.world);
  };
  const first = (): void => {
    seat.shown = read();
  };
  scheduler.at(scheduler.nowMs(), first, PRIORITY.meter);
  const offsetMs = seat.draw.int(1, Math.max(1, behaviour().telemetryPeriodMs));
  scheduler.at(scheduler.nowMs() + offsetMs, upload, PRIORITY.world);
}

/** Whole Wh since the upload before, cut so that consecutive ones sum to the whole. */
function measure(fleet: AppliancePort, seat: OpenSeat): ApplianceState {
  const { state, gridMj } = fleet.sample(seat.device);
  if (state.kind !== 'inverter' || gridMj === null) return state;
  const fromMj = seat.gridMj ?? gridMj;
  seat.gridMj = gridMj;
  return { ...state, gridEnergy: Math.floor(gridMj / MJ_PER_WH) - Math.floor(fromMj / MJ_PER_WH) };
}

const fail = (status: number, error: string, message: string, headers: Record<string, string> = {}): HttpResponse =>
  json(status, { error, message }, { 'content-type': 'application/json', ...headers });

const ERRORS: CloudErrors = {
  down: () => fail(503, 'unavailable', 'the service is unavailable'),
  tooLarge: () => fail(413, 'too_large', 'the body is too large'),
  tooMany: (retryAfterS) =>
    fail(429, 'rate_limited', 'too many requests', retryAfterS === null ? {} : { 'retry-after': String(retryAfterS) }),
};
const notFound = (): HttpResponse => fail(404, 'not_found', 'there is nothing here');

function handle(ctx: Ctx, request: HttpRequest): HttpResponse {
  const stopped = ctx.gate.admit(request, ERRORS);
  if (stopped !== null) return stopped;
  const route = routeOf(request.path);
  if (route === '/oauth2/token') return request.method === 'POST' ? token(ctx, request) : notFound();
  if (!ctx.gate.isAuthorised(request))
    return fail(401, 'invalid_token', 'a valid access token is needed', { 'www-authenticate': 'Bearer' });
  const [, group, id, leaf, ...rest] = route.split('/');
  if (rest.length > 0) return notFound();
  if (group === 'devices' && id === undefined && request.method === 'GET') return list(ctx, request);
  if (group === 'commands' && id !== undefined && leaf === undefined) return order(ctx, request, id);
  const seat = group === 'devices' ? ctx.byId.get(id ?? '') : undefined;
  if (seat === undefined) return notFound();
  if (leaf === 'state' && request.method === 'GET') return state(ctx, seat);
  if (leaf === 'commands' && request.method === 'POST') return create(ctx, request, seat);
  return notFound();
}

/** @source RFC 6749 4.4.2, 4.4.3, 5.2; 2.3.1 for the Basic scheme */
function token(ctx: Ctx, request: HttpRequest): HttpResponse {
  if (ctx.behaviour().tokenDown) return ERRORS.down();
  const { clientId, clientSecret } = ctx.options.credentials;
  if (readBasic(request.headers.authorization) !== `${clientId}:${clientSecret}`)
    return fail(401, 'invalid_client', 'unknown client', { 'www-authenticate': 'Basic' });
  if (queryOf(`?${request.body}`, 'grant_type') !== 'client_credentials')
    return fail(400, 'unsupported_grant_type', 'grant_type must be client_credentials');
  const issued = ctx.gate.issueToken();
  const expires = Math.floor(issued.lifetimeMs / 1000);
  return json(200, { access_token: issued.token, token_type: 'Bearer', expires_in: expires });
}

const PAGE_MAX = 200;

/** The cursor is the id of the last device of the page before; devices are in the order of the fleet. */
function list(ctx: Ctx, request: HttpRequest): HttpResponse {
  const asked = queryOf(request.path, 'limit');
  const limit = asked === '' ? PAGE_MAX : Number(asked);
  if (!Number.isInteger(limit) || limit < 1 || limit > PAGE_MAX)
    return fail(400, 'invalid_request', `limit must be a whole number in 1..${PAGE_MAX}`);
  const cursor = queryOf(request.path, 'cursor');
  const from = cursor === '' ? 0 : ctx.seats.findIndex((s) => s.id === cursor) + 1;
  if (cursor !== '' && from === 0) return fail(400, 'invalid_request', 'unknown cursor');
  const page = ctx.seats.slice(from, from + limit);
  const last = page.at(-1);
  return json(200, {
    devices: page.map((seat) => ({
      id: seat.id,
      kind: seat.kind,
      online: ctx.options.fleet.isOnline(seat.device),
      commands: commandsOf(seat.kind).map((c) => c.slug),
    })),
    next: last !== undefined && from + page.length < ctx.seats.length ? last.id : null,
  });
}

function state(ctx: Ctx, seat: OpenSeat): HttpResponse {
  const nowMs = ctx.options.scheduler.nowMs();
  if (seat.coming !== null && seat.comingMs <= nowMs) {
    seat.shown = seat.coming;
    seat.coming = null;
  }
  if (seat.shown === null) return fail(404, 'no_sample', 'the device has sent no sample yet');
  const { kind, sampledAtMs, ...fields } = seat.shown;
  const shown: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(fields)) {
    if (!name.endsWith('Ms')) shown[name] = value;
    else shown[name.slice(0, -2)] = value === null ? null : isoUtc(value);
  }
  const online = ctx.options.fleet.isOnline(seat.device);
  return json(200, { id: seat.id, kind, online, sampledAt: isoUtc(sampledAtMs), state: shown });
}

function create(ctx: Ctx, request: HttpRequest, seat: OpenSeat): HttpResponse {
  const body = readOrder(readObject(request.body), seat.kind);
  if ('error' in body) return fail(body.error === 'invalid_request' ? 400 : 422, body.error, body.message);
  const known = ctx.orders.byToken(seat, body.clientToken);
  if (known === undefined) return json(202, describe(ctx.orders.create(seat, body)));
  if (known.signature !== ctx.orders.signature(body))
    return fail(409, 'token_reused', 'this clientToken named another command of this device');
  return json(200, describe(known));
}

function order(ctx: Ctx, request: HttpRequest, id: string): HttpResponse {
  const found = ctx.orders.get(id);
  if (found === undefined) return notFound();
  if (request.method === 'GET') return json(200, describe(found));
  if (request.method !== 'DELETE') return notFound();
  if (!ctx.orders.cancel(found)) return fail(409, 'too_late', `the command is ${found.status}`);
  return json(200, describe(found));
}

const describe = (o: OpenOrder): object => ({
  id: o.id,
  deviceId: o.seat.id,
  slug: o.body.setting.slug,
  status: o.status,
  reason: o.reason,
  createdAt: isoUtc(o.createdMs),
});
