import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ApiBench, NOW, openApi, type RequestOptions, type Tenant } from '../../helpers/apiBench.ts';

/** Refusals of commands: what is answered, which place is named, and that nothing has happened. */
let api: ApiBench;
let tenant: Tenant;
let deviceId: string;
beforeAll(async () => {
  api = await openApi();
  tenant = await api.tenant();
  deviceId = api.device(tenant.workspaceId, { oem: 'solaredge' });
});
afterAll(() => api.close());

const input = { operatingMode: 'charge' };
const hour = (n: number): string => new Date(NOW + n * 3_600_000).toISOString();

async function refused(body: unknown, o: RequestOptions = {}) {
  const before = api.service.entries.length;
  const reply = await api.post('/v1/commands', body, { key: tenant.key, ...o });
  expect(api.service.entries.length, 'nothing is recorded').toBe(before);
  expect(api.reported).toEqual([]);
  return reply;
}

/** status code place expectation, of the first wrong place */
const said = (reply: Awaited<ReturnType<typeof refused>>): string => {
  const [first] = reply.body.errors ?? [];
  return `${reply.status} ${reply.body.code}${first === undefined ? '' : ` ${first.place}`}`;
};

describe('a command of the wrong form', () => {
  const command = (over: Record<string, unknown>, inside: Record<string, unknown> = {}) => ({
    deviceId,
    input: { ...input, ...inside },
    ...over,
  });
  test.each<[string, Record<string, unknown>, Record<string, unknown>, string]>([
    ['an unknown field', {}, { powerWw: 1 }, '400 invalid_request input.powerWw'],
    ['an unknown field at the top', { workspaceId: 'ws' }, {}, '400 invalid_request workspaceId'],
    ['a number as text', {}, { powerW: '1000' }, '400 invalid_request input.powerW'],
    ['null for a number', {}, { powerW: null }, '400 invalid_request input.powerW'],
    ['a boolean for a number', {}, { powerW: true }, '400 invalid_request input.powerW'],
    ['a list for text', { deviceId: ['d'] }, {}, '400 invalid_request deviceId'],
    ['a fraction of a watt', {}, { powerW: 1.5 }, '400 invalid_request input.powerW'],
    ['negative power', {}, { powerW: -1 }, '400 invalid_request input.powerW'],
    ['an unknown mode', {}, { operatingMode: 'dischrge' }, '400 invalid_request input.operatingMode'],
    ['a reserve over 100 %', {}, { minimumBatteryReserve: 101 }, '400 invalid_request input.minimumBatteryReserve'],
    ['text for a flag', {}, { enableGridInteraction: 'false' }, '400 invalid_request input.enableGridInteraction'],
    ['a window that ends first', { startsAt: hour(2), endsAt: hour(1) }, {}, '400 invalid_request endsAt'],
    ['a window of no length', { startsAt: hour(1), endsAt: hour(1) }, {}, '400 invalid_request endsAt'],
    ['a window in the past', { startsAt: hour(-2), endsAt: hour(-1) }, {}, '422 window_in_past endsAt'],
    ['a window of over 7 days', { endsAt: hour(169) }, {}, '422 window_too_long endsAt'],
    ['a time without zone', { endsAt: '2024-07-11T18:00:00' }, {}, '400 invalid_request endsAt'],
    ['a day that is not', { endsAt: '2024-02-30T18:00:00Z' }, {}, '400 invalid_request endsAt'],
    ['a leap second', { endsAt: '2024-12-31T23:59:60Z' }, {}, '400 invalid_request endsAt'],
    ['an hour 24', { endsAt: '2024-07-11T24:00:00Z' }, {}, '400 invalid_request endsAt'],
    ['a zone nobody has', { endsAt: '2024-07-11T18:00[Mars/Olympus]' }, {}, '400 invalid_request endsAt'],
    ['a skipped local time', { endsAt: '2025-03-09T02:30[America/Los_Angeles]' }, {}, '422 local_time endsAt'],
    ['a doubled local time', { endsAt: '2024-11-03T01:30[America/Los_Angeles]' }, {}, '422 local_time endsAt'],
    ['power over the maximum', {}, { powerW: 5_001 }, '422 unprocessable input.powerW'],
    ['an id with a space', { deviceId: 'a b' }, {}, '400 invalid_request deviceId'],
  ])('%s', async (_, over, inside, expected) => {
    expect(said(await refused(command(over, inside)))).toBe(expected);
  });

  test('power for the grid that is not said to be, is asked back', async () => {
    const exported = { deviceId, input: { operatingMode: 'discharge', powerW: 1_000 } };
    expect(said(await refused(exported))).toBe('422 grid_interaction_unsaid input.enableGridInteraction');
    const prioritised = { deviceId, input: { operatingMode: 'charge', executionPriority: ['grid_services'] } };
    expect(said(await refused(prioritised))).toBe('422 grid_interaction_unsaid input.enableGridInteraction');
  });

  test('the nearest name is suggested for a field and for a value', async () => {
    const field = await refused({ deviceId, input: { ...input, minimumBatteryReserv: 20 } });
    expect(field.body.errors[0]).toMatchObject({ didYouMean: 'minimumBatteryReserve' });
    const mode = await refused({ deviceId, input: { operatingMode: 'dischrge' } });
    expect(mode.body.errors[0]).toMatchObject({ found: '"dischrge"', didYouMean: 'discharge' });
  });

  test('a leap second is named as such', async () => {
    const reply = await refused({ deviceId, input, endsAt: '2024-12-31T23:59:60Z' });
    expect(reply.body.errors[0].expected).toContain('leap second');
  });

  test('both instants of a doubled local time are named, and the maximum of the device', async () => {
    const doubled = await refused({ deviceId, input, endsAt: '2024-11-03T01:30[America/Los_Angeles]' });
    expect(doubled.body.errors[0].expected).toContain('2024-11-03T08:30:00Z or 2024-11-03T09:30:00Z');
    const over = await refused({ deviceId, input: { ...input, powerW: 6_000 } });
    expect(over.body.detail).toContain('5000 W');
  });

  test('a missing device and a missing input are named, all wrong places at once', async () => {
    const reply = await refused({});
    expect(reply.status).toBe(400);
    expect(reply.body.errors.map((e: { place: string }) => e.place)).toEqual(['deviceId', 'input']);
    expect(reply.body.errors[0].found).toBe('nothing');
  });
});

describe('a body that is no body', () => {
  const raw = (text: string) => `{"deviceId":"${deviceId}",${text}`;
  test.each<[string, () => string | Uint8Array, Record<string, string>, string]>([
    [
      'a name twice',
      () => raw('"input":{"operatingMode":"idle","operatingMode":"charge"}}'),
      {},
      '400 invalid_json input.operatingMode',
    ],
    ['not UTF-8', () => new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), {}, '400 invalid_json '],
    ['a byte order mark', () => new Uint8Array([0xef, 0xbb, 0xbf, 0x7b, 0x7d]), {}, '400 invalid_json '],
    [
      'a control character',
      () => '{"deviceId":"a\\u0000b","input":{"operatingMode":"idle"}}',
      {},
      '400 invalid_json deviceId',
    ],
    [
      'half a surrogate pair',
      () => '{"deviceId":"\\ud800","input":{"operatingMode":"idle"}}',
      {},
      '400 invalid_json deviceId',
    ],
    ['1e400', () => raw('"input":{"operatingMode":"idle","powerW":1e400}}'), {}, '400 invalid_json input.powerW'],
    [
      'over 2^53 − 1',
      () => raw('"input":{"operatingMode":"idle","powerW":9007199254740993}}'),
      {},
      '400 invalid_json input.powerW',
    ],
    [
      'deep nesting',
      () => `${'['.repeat(40)}${']'.repeat(40)}`,
      {},
      '400 invalid_json [0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0]',
    ],
    ['nothing', () => '', {}, '400 invalid_json '],
    ['text behind it', () => '{} {}', {}, '400 invalid_json '],
    ['__proto__', () => '{"__proto__":{"a":1}}', {}, '400 invalid_json __proto__'],
    ['constructor', () => '{"constructor":{"a":1}}', {}, '400 invalid_json constructor'],
    ['a list', () => '[]', {}, '400 invalid_request '],
    ['over 64 kB', () => `{"deviceId":"${'x'.repeat(70_000)}"}`, {}, '413 body_too_large'],
    ['another type', () => 'deviceId=1', { 'content-type': 'text/plain' }, '415 unsupported_media_type'],
    [
      'a form',
      () => 'deviceId=1',
      { 'content-type': 'application/x-www-form-urlencoded' },
      '415 unsupported_media_type',
    ],
    ['UTF-16', () => '{}', { 'content-type': 'application/json; charset=utf-16' }, '415 unsupported_media_type'],
  ])('%s', async (_, body, headers, expected) => {
    expect(said(await refused(body(), { headers }))).toBe(expected);
  });

  test('−0 is 0, and a charset that says UTF-8 is no harm', async () => {
    const body = `{"deviceId":"${deviceId}","input":{"operatingMode":"charge","powerW":-0}}`;
    const headers = { 'content-type': 'application/json; charset=UTF-8' };
    const reply = await api.post('/v1/commands', body, { key: tenant.key, headers });
    expect(reply.status).toBe(202);
    expect(reply.body.command.input.powerW).toBe(0);
  });
});

describe('a path, a method, a query', () => {
  test('a wrong method is answered with the right ones', async () => {
    const reply = await api.request('PATCH', '/v1/commands', { key: tenant.key });
    expect([reply.status, reply.headers.allow]).toEqual([405, 'POST']);
    const device = await api.request('DELETE', `/v1/devices/${deviceId}`, { key: tenant.key });
    expect([device.status, device.headers.allow]).toEqual([405, 'GET']);
    expect((await api.request('OPTIONS', '/v1/commands')).status).toBe(405);
  });

  test.each([
    '/nowhere',
    '/v1/',
    '/v1/commands/',
    `/v1/devices/${'d'.repeat(101)}`,
    '/v1/devices/a%2e%2e%2fb',
    '/v1/devices/%00',
    '/v1//devices',
  ])('%s is nowhere', async (path) => {
    expect((await api.get(path, { key: tenant.key, unchecked: true })).status).toBe(404);
  });

  test('a path that cannot be decoded is refused', async () => {
    expect((await api.get('/v1/devices/%zz', { key: tenant.key, unchecked: true })).status).toBe(400);
  });

  test.each([
    ['limit=-1', 'limit'],
    ['limit=1000000000', 'limit'],
    ['limit=0', 'limit'],
    ['limit=1e2', 'limit'],
    ['limit=5&limit=6', 'limit'],
    ['cursor=zzz', 'cursor'],
    ['cursor=', 'cursor'],
    ['nope=1', 'nope'],
    ['type=bttery', 'type'],
  ])('?%s is refused', async (query, place) => {
    const reply = await api.get(`/v1/devices?${query}`, { key: tenant.key });
    expect([reply.status, reply.body.errors[0].place]).toEqual([400, place]);
  });

  test.each([
    ['/v1/alerts?status=OPN', 'status', 'OPEN'],
    ['/v1/alerts?status=OPEN&status=RESOLVD', 'status[1]', 'RESOLVED'],
    ['/v1/events?status=strted', 'status', 'started'],
    ['/v1/enrollments?status=aproved', 'status', 'approved'],
    ['/v1/devices/dev-1/commands?status=sucess', 'status', undefined],
  ])('%s is refused with the values there are, and the nearest one', async (path, place, nearest) => {
    const reply = await api.get(path, { key: tenant.key });
    const [error] = reply.body.errors;
    expect([reply.status, reply.body.code, error.place, error.didYouMean]).toEqual([
      ...[400, 'invalid_request', place, nearest],
    ]);
    expect(error.expected).toMatch(/^one of \w+, /);
  });

  test('the name of a header that may not be is named, with why', async () => {
    const body = { label: 'x', url: 'https://a.example/', headers: { 'X-Api-Key': 'x' } };
    const reply = await api.post('/v1/destinations', body, { key: tenant.key });
    expect([reply.status, reply.body.errors]).toEqual([
      400,
      [
        {
          place: 'headers.X-Api-Key',
          found: '"X-Api-Key"',
          expected: 'a header name that the sender does not set itself and that names no secret',
        },
      ],
    ]);
  });

  test('a local time that exists twice is told so inside a choice of bodies too', async () => {
    const sandbox = await api.tenant('sandbox');
    const to = '2024-11-03T01:30[America/Los_Angeles]';
    const reply = await api.post('/v1/clock/advance', { to }, { key: sandbox.key });
    expect(said(reply)).toBe('422 local_time to');
    expect(reply.body.errors[0].expected).toContain('2024-11-03T08:30:00Z or 2024-11-03T09:30:00Z');
  });

  test('a page goes on where it was after what its cursor names was deleted, as were others', async () => {
    const { key } = await api.tenant();
    const made: string[] = [];
    for (let n = 0; n < 12; n++) {
      made.push((await api.post('/v1/groups', { name: `g${n}`, rule: { tags: ['north'] } }, { key })).body.id);
    }
    const page = async (cursor?: string) =>
      (await api.get(`/v1/groups?limit=3${cursor === undefined ? '' : `&cursor=${cursor}`}`, { key })).body;
    const idsOf = ({ data }: { readonly data: readonly { readonly id: string }[] }) => data.map((g) => g.id);
    const first = await page();
    expect(idsOf(first)).toEqual(made.slice(0, 3));
    for (const n of [0, 2, 4]) await api.request('DELETE', `/v1/groups/${made[n]}`, { key });
    const second = await page(first.nextCursor);
    expect(idsOf(second)).toEqual([made[3], made[5], made[6]]);
    const third = await page(second.nextCursor);
    const fourth = await page(third.nextCursor);
    expect([...idsOf(third), ...idsOf(fourth), fourth.nextCursor]).toEqual([...made.slice(7), null]);
  });

  test('a cursor of one list is none of another', async () => {
    const [a, b] = [api.device(tenant.workspaceId), api.device(tenant.workspaceId)];
    expect(a).not.toBe(b);
    const page = await api.get('/v1/devices?limit=1', { key: tenant.key });
    const cursor: string = page.body.nextCursor;
    expect((await api.get(`/v1/sites?cursor=${cursor}`, { key: tenant.key })).status).toBe(400);
    for (let n = 0; n < 2; n++) await api.post('/v1/commands', { deviceId: a, input }, { key: tenant.key });
    await api.post('/v1/commands', { deviceId: b, input }, { key: tenant.key });
    const commands = (await api.get(`/v1/devices/${a}/commands?limit=1`, { key: tenant.key })).body.nextCursor;
    expect((await api.get(`/v1/devices/${a}/commands?cursor=${commands}`, { key: tenant.key })).status).toBe(200);
    expect((await api.get(`/v1/devices/${b}/commands?cursor=${commands}`, { key: tenant.key })).status).toBe(400);
    const next = await api.get(`/v1/devices?limit=1&cursor=${cursor}`, { key: tenant.key });
    expect(next.body.data[0].id).not.toBe(page.body.data[0].id);
  });
});
