import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ApiBench, openApi, type Reply, type Tenant } from '../../helpers/apiBench.ts';
import { applianceBody } from '../../helpers/apiSeed.ts';
import { HOUR } from '../../helpers/coreBench.ts';

/** Groups, schedules and automations on the wire, over devices of every kind. */
let api: ApiBench;
let ana: Tenant;
let siteId: string;
const ids: Record<string, string> = {};

beforeAll(async () => {
  api = await openApi();
  ana = await api.tenant();
  const customerId: string = (await post('/v1/customers', { name: 'Ana' })).body.id;
  siteId = (await post('/v1/sites', { customerId, name: 'Home', timeZone: 'UTC' })).body.id;
  for (const type of ['charger', 'vehicle', 'thermostat', 'inverter'] as const) {
    ids[type] = (await post('/v1/devices', applianceBody(siteId, type))).body.id;
  }
  ids.battery = api.device(ana.workspaceId, { tags: ['plugs'] });
});
afterAll(() => api.close());

const post = (path: string, body: unknown): Promise<Reply> => api.post(path, body, { key: ana.key });
const get = (path: string): Promise<Reply> => api.get(path, { key: ana.key });
const put = (path: string, body: unknown): Promise<Reply> => api.request('PUT', path, { key: ana.key, body });

const timing = { kind: 'cron', expression: '0 18 * * *', timeZone: 'America/Los_Angeles' };
const stop = { slug: 'charger:set-operating-mode', input: { operatingMode: 'stop-charging' } };

describe('a group', () => {
  test('lists devices of every kind, each in its own form', async () => {
    const { body: group } = await post('/v1/groups', { name: 'plugs', rule: { tags: ['plugs'] } });
    const { data } = (await get(`/v1/groups/${group.id}/devices`)).body;
    expect(data.map((d: { type: string }) => d.type).toSorted()).toEqual([
      'battery',
      'charger',
      'inverter',
      'thermostat',
      'vehicle',
    ]);
    await put(`/v1/groups/${group.id}`, { name: 'cars', rule: { kinds: ['charger', 'vehicle'], siteIds: [siteId] } });
    const cars = (await get(`/v1/groups/${group.id}/devices?limit=1`)).body;
    expect([cars.data.length, typeof cars.nextCursor]).toEqual([1, 'string']);
    expect((await post('/v1/groups', { name: 'x', rule: { kinds: ['toaster'] } })).status).toBe(400);
  });

  test('is commanded as one: by a batch, to the devices that know the command', async () => {
    const groupId: string = (await post('/v1/groups', { name: 'all', rule: { tags: ['plugs'] } })).body.id;
    const batch = await post('/v1/batch-commands', { groupId, command: stop });
    expect(batch.status).toBe(202);
    expect(batch.body.commands.map((c: { deviceId: string }) => c.deviceId)).toEqual([ids.charger]);
    expect(batch.body.skipped).toEqual([]);
    const other = await api.tenant();
    const foreign = await api.post('/v1/batch-commands', { groupId, command: stop }, { key: other.key });
    expect([foreign.status, foreign.body.code]).toEqual([404, 'not_found']);
    const roofs: string = (await post('/v1/groups', { name: 'roofs', rule: { kinds: ['inverter'] } })).body.id;
    const none = await post('/v1/batch-commands', { groupId: roofs, command: stop });
    expect([none.status, none.body.detail]).toEqual([422, 'no device of the group knows charger:set-operating-mode']);
    expect((await post('/v1/batch-commands', { groupId, tag: 'plugs', command: stop })).status).toBe(400);
  });
});

describe('a schedule', () => {
  test('takes the command of any device, with and without a time, and shows it as it was asked for', async () => {
    const target = { kind: 'device', deviceId: ids.charger };
    const timed = await post('/v1/schedules', { target, timing, command: { ...stop, durationS: 3_600 } });
    expect([timed.status, timed.body.schedule.command]).toEqual([201, { ...stop, durationS: 3_600 }]);
    const standing = await post('/v1/schedules', { target, timing, command: stop });
    expect(standing.body.schedule).toMatchObject({ target, timing, command: stop });
    expect(standing.body.schedule.command).not.toHaveProperty('durationS');
    const { data } = (await get(`/v1/schedules/${standing.body.id}/preview?count=1`)).body;
    expect(data).toEqual([{ at: '2024-07-11T01:00:00.000Z', command: stop }]);
    expect((await get(`/v1/schedules?deviceId=${ids.charger}`)).body.data).toHaveLength(2);
  });

  test('goes by a group, and is found by it', async () => {
    const groupId: string = (await post('/v1/groups', { name: 'g', rule: { kinds: ['charger'] } })).body.id;
    const made = await post('/v1/schedules', { target: { kind: 'group', groupId }, timing, command: stop });
    expect(made.status).toBe(201);
    const { data } = (await get(`/v1/schedules?groupId=${groupId}`)).body;
    expect(data.map((d: { id: string }) => d.id)).toEqual([made.body.id]);
    const gone = await api.request('DELETE', `/v1/groups/${groupId}`, { key: ana.key });
    expect([gone.status, gone.body.detail]).toEqual([409, `${groupId} is used by ${made.body.id}`]);
  });

  test.each([
    ['another kind of device', { target: 'thermostat', command: stop }, 422, 'a thermostat does not know charger'],
    ['a slug that is none', { target: 'charger', command: { ...stop, slug: 'charger:explode' } }, 400, 'command.slug'],
    ['an input of another slug', { target: 'charger', command: { ...stop, input: { fanMode: 'on' } } }, 400, 'fanMode'],
    [
      'a battery’s command without an end',
      { target: 'battery', command: { slug: 'battery:set-operating-mode', input: { operatingMode: 'idle' } } },
      400,
      'command.durationS',
    ],
    [
      'targets too close',
      {
        target: 'thermostat',
        command: {
          slug: 'thermostat:set-operating-mode',
          input: { operatingMode: 'auto', heatTarget: 70, coolTarget: 71 },
        },
      },
      422,
      'not 3 °F above',
    ],
  ])('with %s is refused', async (_, { target, command }, status, words) => {
    const reply = await post('/v1/schedules', { target: { kind: 'device', deviceId: ids[target] }, timing, command });
    expect(reply.status).toBe(status);
    expect(reply.body.detail).toContain(words);
  });
});

describe('the week of a device', () => {
  const rule = { daysOfWeek: [1, 2, 3, 4, 5], startTime: '22:00', endTime: '06:00' };
  const week = (standard: unknown, mode: unknown) => ({
    schedule: { deviceTimezone: 'America/Los_Angeles', defaultDeviceOperatingMode: standard },
    rules: [{ ...rule, deviceOperatingMode: mode }],
  });

  test('is made of the modes of its kind, with targets where it has some', async () => {
    const [day, night] = [
      { operatingMode: 'heat', heatTarget: 70 },
      { operatingMode: 'heat', heatTarget: 62 },
    ];
    const made = await post(`/v1/devices/${ids.thermostat}/schedule`, week(day, night));
    expect(made.status).toBe(201);
    expect(made.body.schedule).toMatchObject({
      defaultDeviceOperatingMode: day,
      rules: [{ ...rule, deviceOperatingMode: night }],
    });
    expect((await get(`/v1/devices/${ids.thermostat}/schedule`)).body.id).toBe(made.body.id);
    const car = await post(`/v1/devices/${ids.vehicle}/schedule`, week('stop-charging', 'start-charging'));
    expect(car.body.schedule.defaultDeviceOperatingMode).toEqual({ operatingMode: 'stop-charging' });
    const battery = { operatingMode: 'charge', minimumBatteryReserve: 30, enableGridInteraction: false };
    const own = await post(`/v1/devices/${ids.battery}/schedule`, week('reset', battery));
    expect(own.body.schedule.rules[0].deviceOperatingMode).toEqual(battery);
  });

  test.each([
    ['a mode of another kind', 'vehicle', 'heat', 'charge', 400, 'defaultDeviceOperatingMode'],
    ['a field of another kind', 'battery', 'reset', { operatingMode: 'charge', coolTarget: 70 }, 400, 'coolTarget'],
    ['an inverter', 'inverter', 'off', 'off', 422, 'an inverter has no modes'],
    ['a mode that is none', 'charger', 'stop-charging', 'explode', 400, 'rules[0].deviceOperatingMode'],
  ])('with %s is refused', async (_, device, standard, mode, status, words) => {
    const reply = await post(`/v1/devices/${ids[device]}/schedule`, week(standard, mode));
    expect(reply.status).toBe(status);
    expect(JSON.stringify(reply.body)).toContain(words);
  });
});

describe('an automation', () => {
  const automation = (over: object) => ({
    name: 'dear',
    enabled: true,
    when: { kind: 'price', node: 'N', market: 'real-time', comparison: 'above', usdPerMwh: 200 },
    target: { kind: 'tag', tag: 'plugs' },
    action: { kind: 'command', command: stop, durationMs: HOUR },
    cooldownMs: 3_600_000,
    firingsPerDayMax: 3,
    timeZone: 'America/Los_Angeles',
    ...over,
  });

  test('commands devices of any kind, and is put back as it is shown', async () => {
    const made = await post('/v1/automations', automation({}));
    expect([made.status, made.body.rule.action]).toEqual([201, { kind: 'command', command: stop, durationMs: HOUR }]);
    const action = { kind: 'command', command: stop };
    const changed = await put(`/v1/automations/${made.body.id}`, automation({ action }));
    expect(changed.body.rule.action).toEqual({ ...action, durationMs: null });
    const again = await put(`/v1/automations/${made.body.id}`, changed.body.rule);
    expect([again.status, again.body.rule]).toEqual([200, changed.body.rule]);
  });

  test('watches what a device is, and a dry run names who would be commanded', async () => {
    const when = { kind: 'state', watch: { kind: 'all' }, field: 'isPluggedIn', is: true, forMs: 0 };
    const target = { kind: 'triggering-device' };
    const { body } = await post('/v1/automations/dry-run', automation({ when, target }));
    expect(body).toMatchObject({ problems: [], now: [{ subject: ids.charger, holds: null }] });
    const price = (await post('/v1/automations/dry-run', automation({}))).body.now[0].plan;
    expect(price.steps.map((s: { deviceId: string }) => s.deviceId)).toEqual([ids.charger]);
  });

  test.each([
    ['a field that is none', { kind: 'state', watch: { kind: 'all' }, field: 'isPlugged', is: true, forMs: 0 }, 400],
    ['a value that is none', { kind: 'state', watch: { kind: 'all' }, field: 'fanMode', is: 'fast', forMs: 0 }, 422],
  ])('with %s is refused', async (_, when, status) => {
    expect((await post('/v1/automations', automation({ when }))).status).toBe(status);
  });

  test('with a battery’s command that never ends is refused', async () => {
    const command = { slug: 'battery:set-operating-mode', input: { operatingMode: 'charge' } };
    const reply = await post('/v1/automations', automation({ action: { kind: 'command', command } }));
    expect([reply.status, reply.body.detail]).toEqual([422, expect.stringContaining('action.durationMs')]);
  });
});
