import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { OutboxEvent } from '../../../src/domain/destination.ts';
import { type ApiBench, NOW, openApi, type Reply, type Tenant } from '../../helpers/apiBench.ts';
import { deviceBody, program } from '../../helpers/apiSeed.ts';
import { HOUR, MIN } from '../../helpers/coreBench.ts';

const DAY = 24 * HOUR;
const QUARTER_S = 900;
const HOME_WH = 500;

let api: ApiBench;
let tenant: Tenant;
let siteId: string;
let deviceId: string;
let programId: string;
beforeEach(async () => {
  api = await openApi();
  tenant = await api.tenant();
  await api.request('PUT', '/v1/grid-services', { key: tenant.key, body: { enabled: true } });
  const customerId = (await post('/v1/customers', { name: 'Ana' })).body.id;
  siteId = (await post('/v1/sites', { customerId, name: 'Home', timeZone: 'America/Los_Angeles' })).body.id;
  programId = (await post('/v1/programs', { ...program(), trigger: { kind: 'day-ahead-award' } })).body.id;
  const nameplate = { usableWh: 13_500, chargeWMax: 5_000, dischargeWMax: 5_000 };
  const battery = { ...deviceBody(siteId), nameplate, tags: [`program:${programId}`] };
  deviceId = (await post('/v1/devices', battery)).body.id;
  await post(`/v1/programs/${programId}/enrollments`, { deviceId });
});
afterEach(() => api.close());

const iso = (atMs: number): string => new Date(atMs).toISOString();
const get = (path: string): Promise<Reply> => api.get(path, { key: tenant.key });
const post = (path: string, body: unknown): Promise<Reply> => api.post(path, body, { key: tenant.key });
const quarters = (hours: number, wh: number): number[] => Array<number>(hours * 4).fill(wh);
const read = (startMs: number, energyWh: readonly (number | null)[], of: object = { siteId }) =>
  post('/v1/meter-readings', { meters: [{ ...of, startsAt: iso(startMs), stepS: QUARTER_S, energyWh }] });
const bid = (startMs: number) =>
  post(`/v1/programs/${programId}/bids`, {
    startsAt: iso(startMs),
    steps: [{ priceUsdPerMwh: 100, quantityW: 5_000 }],
  });
const award = (startMs: number, over: object = {}) =>
  post('/v1/awards', {
    awards: [{ programId, startsAt: iso(startMs), awardedW: 5_000, priceUsdPerMwh: 120, ...over }],
  });
const advanceTo = (atMs: number, chargeRate = 0): void => {
  api.service.advanceTo(atMs);
  api.observe(tenant.workspaceId, deviceId, { chargeRate });
};

describe('a bid', () => {
  test('is awarded, dispatched, metered and shown with what was delivered', async () => {
    const told: OutboxEvent[] = [];
    api.service.listen(tenant.workspaceId, (e) => told.push(e));
    expect((await read(NOW - 20 * DAY, quarters(480, HOME_WH))).body).toEqual({ meters: 1, intervals: 1_920 });
    const hourMs = NOW + 3 * HOUR;
    expect((await bid(hourMs)).status).toBe(201);
    expect((await get('/v1/bids')).body.data).toEqual([
      { programId, startsAt: iso(hourMs), steps: [{ priceUsdPerMwh: 100, quantityW: 5_000 }] },
    ]);
    const won = await award(hourMs);
    const shown = {
      programId,
      startsAt: iso(hourMs),
      endsAt: iso(hourMs + HOUR),
      awardedW: 5_000,
      priceUsdPerMwh: 120,
    };
    expect([won.status, won.body]).toEqual([200, { awards: [shown], events: ['evt-1'], refused: [] }]);
    expect((await get(`/v1/awards?programId=${programId}`)).body.data).toEqual([shown]);

    advanceTo(hourMs - MIN);
    advanceTo(hourMs + MIN);
    const [command] = (await get(`/v1/devices/${deviceId}/commands`)).body.data;
    expect(command).toMatchObject({ cause: { kind: 'dispatch', eventId: 'evt-1' } });

    for (let minute = 5; minute <= 90; minute += 5) advanceTo(hourMs + minute * MIN, minute <= 60 ? 5_000 : 0);
    expect((await performance()).devices).toEqual([]);
    await read(NOW, [...quarters(3, HOME_WH), ...quarters(1, HOME_WH - 1_250)]);
    expect((await performance()).devices).toEqual([]);
    advanceTo(api.service.nowMs + 5 * MIN);
    expect((await performance()).devices).toMatchObject([
      { deviceId, requestedWh: 5_000, baselineWh: 2_000, meteredWh: -3_000, deliveredWh: 5_000, adjustment: 1 },
    ]);
    expect(told.filter((e) => e.type === 'event.measured')).toHaveLength(2);
    const [awarded] = told.filter((e) => e.type === 'bid.awarded');
    expect(awarded?.data).toMatchObject({ award: shown });
  });

  const performance = async () => (await get('/v1/events/evt-1/performance')).body.performance;

  test.each<[string, () => Promise<Reply>, string]>([
    ['for an hour and a half', () => bid(NOW + 90 * MIN), '422 unprocessable begins no hour in America/Los_Angeles'],
    ['for an hour that has begun', () => bid(NOW), '409 conflict its market is closed'],
  ])('%s is refused', async (_, ask, expected) => {
    expect(said(await ask(), expected)).toBe(expected);
  });

  test('of a program that no award calls is refused', async () => {
    programId = (await post('/v1/programs', program())).body.id;
    const expected = '422 unprocessable has the trigger called';
    expect(said(await bid(NOW + HOUR), expected)).toBe(expected);
  });
});

/** Status, code and the words that are expected of the detail. */
const said = ({ status, body }: Reply, expected: string): string => {
  const words = expected.split(' ').slice(2).join(' ');
  return `${status} ${body.code} ${String(body.detail).includes(words) ? words : body.detail}`;
};

describe('an award', () => {
  test('is taken or refused by itself, once, and by the hour in whatever order', async () => {
    for (const h of [2, 3, 5]) await bid(NOW + h * HOUR);
    const at = (h: number, awardedW = 5_000) => ({
      ...{ programId, startsAt: iso(NOW + h * HOUR), awardedW, priceUsdPerMwh: 120 },
    });
    const { body } = await post('/v1/awards', { awards: [at(5, 5_001), at(3), at(4), at(2)] });
    expect(body.awards.map((a: { startsAt: string }) => a.startsAt)).toEqual([
      iso(NOW + 2 * HOUR),
      iso(NOW + 3 * HOUR),
    ]);
    expect(body.events).toEqual(['evt-1']);
    expect((await get('/v1/events/evt-1')).body.intervals).toHaveLength(2);
    expect(body.refused).toEqual([
      `no bid of ${programId} stands for the hour at ${iso(NOW + 4 * HOUR)}`,
      '5001 W is more than the 5000 W offered at 120 $/MWh',
    ]);
    const again = await post('/v1/awards', { awards: [at(2)] });
    expect([again.status, again.body.code]).toEqual([409, 'conflict']);
  });

  test('of an hour that is over is refused with its place', async () => {
    const reply = await award(NOW - HOUR);
    expect([reply.status, reply.body.code, reply.body.errors[0].place]).toEqual([
      ...[422, 'window_in_past', 'awards[0].startsAt'],
    ]);
  });

  test('of another workspace is nobody else’s: neither taken nor listed', async () => {
    await bid(NOW + HOUR);
    const other = await api.tenant();
    const body = { awards: [{ programId, startsAt: iso(NOW + HOUR), awardedW: 1, priceUsdPerMwh: 120 }] };
    expect((await api.post('/v1/awards', body, { key: other.key })).status).toBe(404);
    expect((await api.get('/v1/bids', { key: other.key })).body.data).toEqual([]);
    await award(NOW + HOUR);
    expect((await api.get('/v1/awards', { key: other.key })).body.data).toEqual([]);
  });
});

describe('meter readings', () => {
  const START = NOW - DAY;

  test('that come twice are the same as once, also without a key', async () => {
    const entries = () => api.service.entries.length;
    const before = entries();
    const first = await read(START, [100, null, 300]);
    expect([first.status, first.body]).toEqual([200, { meters: 1, intervals: 2 }]);
    expect(entries()).toBe(before + 1);
    expect((await read(START, [100, null, 300])).body).toEqual(first.body);
    expect(entries()).toBe(before + 1);
    await read(START, [null, 200]);
    expect(entries()).toBe(before + 2);
  });

  test('are all taken or none', async () => {
    const good = { siteId, startsAt: iso(START), stepS: QUARTER_S, energyWh: [1] };
    const meters = [good, { ...good, siteId: undefined, deviceId, startsAt: iso(NOW) }];
    const reply = await post('/v1/meter-readings', { meters });
    expect(said(reply, '422 unprocessable is not over')).toBe('422 unprocessable is not over');
    expect(api.service.plantOf(tenant.workspaceId)?.state.meters.size).toBe(0);
  });

  test.each<[string, object, string]>([
    ['a step of ten minutes', { stepS: 600 }, '400 invalid_request'],
    ['no step', { stepS: undefined }, '400 invalid_request'],
    ['neither a site nor a battery', { siteId: undefined }, '400 invalid_request'],
    ['both', { deviceId: 'dev-1' }, '400 invalid_request'],
    ['text for energy', { energyWh: ['1'] }, '400 invalid_request'],
    ['no intervals', { energyWh: [] }, '400 invalid_request'],
    ['an interval that is not over', { startsAt: iso(NOW - 14 * MIN) }, '422 unprocessable'],
    ['a start on no multiple', { startsAt: iso(START + MIN) }, '422 unprocessable'],
    ['what is older than 60 days', { startsAt: iso(NOW - 61 * DAY) }, '422 unprocessable'],
    ['a site that is not there', { siteId: 'site_x' }, '404 not_found'],
  ])('with %s are refused', async (_, over, expected) => {
    const body = { siteId, startsAt: iso(START), stepS: QUARTER_S, energyWh: [1], ...over };
    const reply = await post('/v1/meter-readings', { meters: [body] });
    expect(`${reply.status} ${reply.body.code}`).toBe(expected);
  });

  test('of another step than the site’s other meters are a conflict', async () => {
    await read(START, [1]);
    const body = { deviceId, startsAt: iso(START), stepS: 3_600, energyWh: [1] };
    const expected = '409 conflict are read every 900 s';
    expect(said(await post('/v1/meter-readings', { meters: [body] }), expected)).toBe(expected);
  });
});

describe('a report', () => {
  test('of an interval that is not over is refused', async () => {
    await post('/v1/resources', { id: 'cars', programId, deviceIds: [deviceId] });
    const reading = { startsAt: iso(NOW), endsAt: iso(NOW + DAY), usageWh: 1 };
    const expected = '422 unprocessable is not over';
    expect(said(await post('/v1/reports', { resourceId: 'cars', readings: [reading] }), expected)).toBe(expected);
  });
});
