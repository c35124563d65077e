import { describe, expect, it } from 'vitest';
import type { ApplianceInput } from '../../../src/domain/appliance.ts';
import { basic } from '../../../src/oem/read.ts';
import type { HttpRequest } from '../../../src/ports/http.ts';
import { GOOD } from '../../helpers/oemPair.ts';
import { CLIENT, OpenPair, setJob } from './pair.ts';
import { HOUR, MINUTE, START_MS } from './world.ts';

const isOrder = (r: HttpRequest): boolean => r.method === 'POST' && r.path.endsWith('/commands');
const limit = (chargeLimit: number): ApplianceInput => ({ slug: 'vehicle:set-charge-limit', input: { chargeLimit } });

describe('a setting', () => {
  it('reaches its device, and the cloud says so afterwards', () => {
    const p = new OpenPair();
    expect(p.ask(setJob('j1'))).toEqual({ kind: 'accepted', jobId: 'j1', vendorRef: 'cmd-1' });
    expect(p.ask({ kind: 'read-command', jobId: 'r1', vendorDeviceId: 'v-car', vendorRef: 'cmd-1' })).toMatchObject({
      kind: 'command-status',
      status: 'scheduled',
    });
    p.run(2_000);
    expect(p.ask({ kind: 'read-command', jobId: 'r2', vendorDeviceId: 'v-car', vendorRef: 'cmd-1' })).toEqual({
      kind: 'command-status',
      jobId: 'r2',
      status: 'completed',
      detail: 'applied',
    });
    expect(p.world.fleet.sample(0).state).toMatchObject({ chargingState: 'idle' });
    expect(p.notes.map((n) => n.what)).toEqual(['delivered']);
  });

  it('whose answer is lost is sent again with the same token and has one effect', () => {
    const p = new OpenPair();
    let lost = 0;
    p.wire = (r) => (isOrder(r) && lost++ < 2 ? { thereMs: 40, backMs: null } : GOOD);
    expect(p.ask(setJob('j1'))).toEqual({ kind: 'accepted', jobId: 'j1', vendorRef: 'cmd-1' });
    p.run(MINUTE);
    expect(p.posts()).toBe(3);
    expect(p.cloud.orders('v-car').map((o) => [o.status, o.effects])).toEqual([['applied', 1]]);
    expect(new Set(p.exchanges.filter((e) => isOrder(e.request)).map((e) => e.request.body)).size).toBe(1);
  });

  it('that may have left before a crash is submitted again under its id and has one effect', () => {
    const p = new OpenPair();
    p.wire = (r) => (isOrder(r) ? { thereMs: 40, backMs: null } : GOOD);
    p.submit(setJob('j1'));
    p.run(3_000);
    p.restart();
    p.wire = () => GOOD;
    expect(p.ask(setJob('j1'))).toEqual({ kind: 'accepted', jobId: 'j1', vendorRef: 'cmd-1' });
    p.run(MINUTE);
    expect(p.cloud.orders('v-car').map((o) => [o.status, o.effects])).toEqual([['applied', 1]]);
    expect(p.notes).toHaveLength(1);
  });

  it('that arrives twice is done once', () => {
    const p = new OpenPair();
    p.wire = () => ({ ...GOOD, twice: true });
    p.ask(setJob('j1'));
    p.run(MINUTE);
    expect(p.cloud.orders('v-car')).toHaveLength(1);
    expect(p.cloud.orders('v-car')[0]?.effects).toBe(1);
  });

  it('is unknown, not failed, when no answer ever comes', () => {
    const p = new OpenPair();
    p.wire = (r) => (isOrder(r) ? { thereMs: 40, backMs: null } : GOOD);
    expect(p.ask(setJob('j1'))).toMatchObject({ kind: 'unknown' });
    expect(p.cloud.orders('v-car')[0]?.effects).toBe(1);
  });

  it('that cannot leave in time was not sent', () => {
    const p = new OpenPair({ tokenDown: true });
    expect(p.ask(setJob('j1'), 700_000)).toMatchObject({ kind: 'not-sent' });
    expect(p.cloud.orders('v-car')).toEqual([]);
    expect(p.ask(setJob('j2', { notAfterMs: START_MS }))).toMatchObject({ kind: 'not-sent' });
  });

  it('does not replace another one for the same device that waits its turn', () => {
    const p = new OpenPair();
    p.submit(setJob('j1'));
    p.submit(setJob('j2', { setting: limit(55) }));
    p.submit(setJob('j3', { setting: limit(65) }));
    p.run(MINUTE);
    expect(p.replies.map((r) => [r.jobId, r.kind])).toEqual([
      ['j1', 'accepted'],
      ['j2', 'accepted'],
      ['j3', 'accepted'],
    ]);
    expect(p.cloud.orders('v-car').map((o) => o.status)).toEqual(['applied', 'cancelled', 'applied']);
    expect(p.world.fleet.sample(0).state).toMatchObject({ chargeLimit: 65, chargingState: 'idle' });
  });

  it('that comes again under its id with other words, while the first waits, is the first', () => {
    const p = new OpenPair();
    p.submit(setJob('j0'));
    p.submit(setJob('j1', { setting: limit(55) }));
    p.submit(setJob('j1', { setting: limit(65) }));
    p.run(MINUTE);
    expect(p.world.fleet.sample(0).state).toMatchObject({ chargeLimit: 55 });
  });

  it('acts at its start and not before', () => {
    const p = new OpenPair();
    p.ask(setJob('j1', { startMs: START_MS + 5 * MINUTE }));
    p.run(4 * MINUTE);
    expect(p.world.fleet.sample(0).state).toMatchObject({ chargingState: 'charging' });
    p.run(2 * MINUTE);
    expect(p.world.fleet.sample(0).state).toMatchObject({ chargingState: 'idle' });
  });

  it('can be withdrawn before its start, not after', () => {
    const p = new OpenPair();
    p.ask(setJob('j1', { startMs: START_MS + 5 * MINUTE }));
    const cancel = { kind: 'cancel', vendorDeviceId: 'v-car', vendorRef: 'cmd-1' } as const;
    expect(p.ask({ ...cancel, jobId: 'c1' })).toMatchObject({ kind: 'accepted' });
    p.run(6 * MINUTE);
    expect(p.cloud.orders('v-car').map((o) => [o.status, o.effects])).toEqual([['cancelled', 0]]);
    p.ask(setJob('j2'));
    p.run(2_000);
    expect(p.ask({ ...cancel, jobId: 'c2', vendorRef: 'cmd-2' })).toMatchObject({ kind: 'refused', code: 'too_late' });
  });

  it('fails with the device its words, and fails when the device stays out of reach', () => {
    const p = new OpenPair();
    p.run(47 * HOUR);
    p.ask(setJob('j1', { notAfterMs: START_MS + 48 * HOUR }));
    p.run(2_000);
    const read = (jobId: string, vendorRef: string) =>
      p.ask({ kind: 'read-command', jobId, vendorDeviceId: 'v-car', vendorRef });
    expect(read('r1', 'cmd-1')).toMatchObject({ status: 'failed', detail: 'no vehicle is plugged in' });
    p.world.fleet.setLink(2, false);
    const setting: ApplianceInput = { slug: 'thermostat:set-fan-mode', input: { fanMode: 'on' } };
    p.ask(setJob('j2', { vendorDeviceId: 'v-house', setting, notAfterMs: START_MS + 48 * HOUR }));
    p.run(6 * MINUTE);
    expect(read('r2', 'cmd-2')).toMatchObject({ status: 'failed', detail: 'the device could not be reached' });
  });

  it('is never delivered after its notAfter', () => {
    const p = new OpenPair();
    p.world.fleet.setLink(0, false);
    p.ask(setJob('j1', { notAfterMs: START_MS + 2 * MINUTE }));
    p.run(3 * MINUTE);
    p.world.fleet.setLink(0, true);
    p.run(10 * MINUTE);
    expect(p.cloud.orders('v-car').map((o) => [o.status, o.effects])).toEqual([['expired', 0]]);
  });

  it('that the cloud swallows is called applied without effect', () => {
    const p = new OpenPair({ swallowRatio: 1 });
    p.ask(setJob('j1'));
    p.run(MINUTE);
    expect(p.cloud.orders('v-car').map((o) => [o.status, o.effects])).toEqual([['applied', 0]]);
    expect(p.world.fleet.sample(0).state).toMatchObject({ chargingState: 'charging' });
  });
});

describe('a state', () => {
  const read = (p: OpenPair, id: string, jobId = `s-${id}`) => p.ask({ kind: 'read-state', jobId, vendorDeviceId: id });

  it('comes back as the device measured it, for every kind', () => {
    const p = new OpenPair();
    p.run(12 * HOUR + 6 * MINUTE);
    for (const [i, id] of ['v-car', 'v-wall', 'v-house', 'v-roof'].entries()) {
      const reply = read(p, id);
      if (reply.kind !== 'appliance-state') throw new Error(JSON.stringify(reply));
      const truth = p.world.fleet.sample(i).state;
      expect(Object.keys(reply.state).sort()).toEqual(Object.keys(truth).sort());
      expect(reply).toMatchObject({ online: true, state: { kind: truth.kind } });
      expect(p.nowMs() - reply.state.sampledAtMs).toBeLessThan(6 * MINUTE);
    }
    expect(read(p, 'v-roof', 's5')).toMatchObject({
      state: { power: 5_000, gridPower: -4_300, gridStatus: 'exporting', exportLimit: null },
    });
    expect(read(p, 'v-car', 's6')).toMatchObject({ state: { chargeLimit: 80, chargePercentage: 80 } });
  });

  it('of an inverter has the energy since the upload before, and these sum to the meter', () => {
    const p = new OpenPair({ telemetryDelayMs: 0 });
    let sumWh = 0;
    let sampledAtMs = 0;
    p.run(HOUR);
    const first = p.world.fleet.registers(3);
    for (let k = 0; k < 60; k++) {
      p.run(5 * MINUTE - 200);
      const reply = read(p, 'v-roof', `s${k}`);
      if (reply.kind !== 'appliance-state' || reply.state.kind !== 'inverter') throw new Error('no inverter');
      if (k > 0 && reply.state.sampledAtMs > sampledAtMs) sumWh += reply.state.gridEnergy ?? Number.NaN;
      sampledAtMs = reply.state.sampledAtMs;
    }
    const last = p.world.fleet.registers(3);
    if (first.kind !== 'inverter' || last.kind !== 'inverter') throw new Error('no inverter');
    const meterWh = (last.importMj - last.exportMj - first.importMj + first.exportMj) / 3_600_000;
    expect(Math.abs(sumWh - meterWh)).toBeLessThan(500); // the ends of the two are a sample apart
    expect(Math.abs(sumWh)).toBeGreaterThan(1_000);
  });

  it('of a device that is offline stays what it was and says so', () => {
    const p = new OpenPair();
    p.run(HOUR);
    p.world.fleet.setLink(2, false);
    p.run(HOUR);
    const reply = read(p, 'v-house');
    if (reply.kind !== 'appliance-state') throw new Error('no state');
    expect(reply.online).toBe(false);
    expect(reply.state.sampledAtMs).toBeLessThanOrEqual(START_MS + HOUR + 1);
  });

  it('of a device nobody knows is refused', () => {
    expect(read(new OpenPair(), 'v-none')).toMatchObject({ kind: 'refused', code: 'not_found' });
  });

  /** What the cloud would say of each kind, whole and valid. */
  const plug = { chargingState: 'idle', isPluggedIn: true, chargerVoltage: 240, chargerCurrent: 0, chargerWattage: 0 };
  const place = { latitude: null, longitude: null };
  const VALID: Readonly<Record<string, Record<string, unknown>>> = {
    charger: plug,
    vehicle: {
      ...plug,
      ...place,
      charge: 1_000,
      chargePercentage: 40,
      chargeLimit: 80,
      chargeCompletionDate: null,
      chargeCompletedAt: '2024-07-10T06:00:00.000Z',
      range: 90,
    },
    thermostat: { ambientTemperature: 70, operatingMode: 'off', heatTarget: null, coolTarget: null, fanMode: 'auto' },
    inverter: { power: 500, gridPower: null, gridEnergy: null, exportLimit: null },
  };
  const said = (kind: string, field: Record<string, unknown> = {}, top: Record<string, unknown> = {}): string => {
    const body = {
      id: 'x',
      kind,
      online: true,
      sampledAt: '2024-07-10T07:00:00.000Z',
      state: { ...VALID[kind], ...field },
    };
    return JSON.stringify({ ...body, ...top });
  };
  const answerTo = (garbage: string) => {
    const p = new OpenPair();
    p.wire = (r) => (r.method === 'GET' ? { ...GOOD, garbage } : GOOD);
    return read(p, 'v-car');
  };

  it.each(Object.keys(VALID))('of a %s is read when all of it is valid', (kind) => {
    expect(answerTo(said(kind))).toMatchObject({ kind: 'appliance-state', state: { kind } });
  });

  it.each([
    ['no JSON', '<html>', 'not a JSON object'],
    ['no state', said('charger', {}, { state: null }), 'state'],
    ['no word of its link', said('charger', {}, { online: 'yes' }), 'online'],
    ['a kind of its own', said('toaster'), 'kind'],
    ['a sample from the future', said('charger', {}, { sampledAt: '2024-07-10T09:00:00.000Z' }), 'time of the sample'],
    ['a local time', said('charger', {}, { sampledAt: '2024-07-10T07:00:00' }), 'time of the sample'],
    ['a plug that is none', said('charger', { isPluggedIn: 1 }), 'isPluggedIn'],
    ['a power that is absurd', said('charger', { chargerWattage: 2e6 }), 'chargerWattage'],
    ['a store of 140 %', said('vehicle', { chargePercentage: 140 }), 'chargePercentage'],
    ['a limit in quotes', said('vehicle', { chargeLimit: '80' }), 'chargeLimit'],
    ['an end that is no time', said('vehicle', { chargeCompletionDate: 'soon' }), 'chargeCompletionDate'],
    ['no store at all', said('vehicle', { charge: undefined }), 'charge'],
    ['half a place', said('vehicle', { latitude: 91 }), 'location'],
    ['a room on fire', said('thermostat', { ambientTemperature: 451 }), 'ambientTemperature'],
    ['a target in quotes', said('thermostat', { coolTarget: '74' }), 'coolTarget'],
    ['a power in quotes', said('inverter', { power: '5' }), 'power'],
    ['a limit below nothing', said('inverter', { exportLimit: -1 }), 'exportLimit'],
  ])('that holds %s is unknown, by name', (_what, garbage, field) => {
    expect(answerTo(garbage)).toMatchObject({ kind: 'unknown', message: expect.stringContaining(field) });
  });

  it('with modes nobody knows is read as unknown modes', () => {
    const p = new OpenPair();
    const body = {
      online: true,
      sampledAt: '2024-07-10T07:00:00.000Z',
      kind: 'thermostat',
      state: { ambientTemperature: 70, operatingMode: 'party', heatTarget: null, coolTarget: null, fanMode: 'gale' },
    };
    p.wire = (r) => (r.method === 'GET' ? { ...GOOD, garbage: JSON.stringify(body) } : GOOD);
    expect(read(p, 'v-house')).toMatchObject({ state: { operatingMode: 'unknown', fanMode: 'unknown' } });
  });
});

describe('the open cloud as a server', () => {
  const call = (p: OpenPair, method: HttpRequest['method'], path: string, body: unknown, authorization?: string) => {
    const headers = { authorization: authorization ?? `Bearer ${tokenOf(p)}` };
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    const response = p.cloud.handle({ method, path, headers, body: text }, p.nowMs());
    return { status: response.status, body: JSON.parse(response.body) as Record<string, unknown> };
  };
  const GRANT = 'grant_type=client_credentials';
  const BASIC = basic(CLIENT.clientId, CLIENT.clientSecret);
  const tokenOf = (p: OpenPair): unknown => call(p, 'POST', '/oauth2/token', GRANT, BASIC).body.access_token;
  const order = (change: Record<string, unknown> = {}) => ({
    slug: 'vehicle:set-charge-limit',
    input: { chargeLimit: 70 },
    clientToken: 't1',
    ...change,
  });

  it('gives a token for the right credentials and grant only (RFC 6749 4.4, 5.2)', () => {
    const p = new OpenPair();
    expect(call(p, 'POST', '/oauth2/token', GRANT, BASIC)).toMatchObject({
      status: 200,
      body: { token_type: 'Bearer', expires_in: 3600 },
    });
    expect(call(p, 'POST', '/oauth2/token', GRANT, basic('partner', 'wrong')).status).toBe(401);
    expect(call(p, 'POST', '/oauth2/token', 'grant_type=password', BASIC)).toMatchObject({
      status: 400,
      body: { error: 'unsupported_grant_type' },
    });
    expect(call(p, 'GET', '/devices', '', 'Bearer token-0').status).toBe(401);
    const token = tokenOf(p);
    p.cloud.revokeTokens();
    expect(call(p, 'GET', '/devices', '', `Bearer ${token}`).status).toBe(401);
  });

  it('lists its devices in pages that hold each once', () => {
    const p = new OpenPair();
    const first = call(p, 'GET', '/devices?limit=3', '').body;
    const second = call(p, 'GET', `/devices?limit=3&cursor=${first.next}`, '').body;
    const ids = [...(first.devices as { id: string }[]), ...(second.devices as { id: string }[])].map((d) => d.id);
    expect(ids).toEqual(['v-car', 'v-wall', 'v-house', 'v-roof']);
    expect(second).toMatchObject({
      next: null,
      devices: [{ kind: 'inverter', commands: ['inverter:set-export-limit'] }],
    });
    expect(call(p, 'GET', '/devices?limit=0', '').status).toBe(400);
    expect(call(p, 'GET', '/devices?cursor=nobody', '').status).toBe(400);
  });

  it('answers a token it has seen with the command that exists, and refuses it for another command', () => {
    const p = new OpenPair();
    const post = (body: unknown) => call(p, 'POST', '/devices/v-car/commands', body);
    expect(post(order())).toMatchObject({ status: 202, body: { id: 'cmd-1', status: 'scheduled' } });
    p.run(2_000);
    expect(post(order())).toMatchObject({ status: 200, body: { id: 'cmd-1', status: 'applied' } });
    expect(post(order({ input: { chargeLimit: 71 } }))).toMatchObject({ status: 409, body: { error: 'token_reused' } });
    expect(
      call(p, 'POST', '/devices/v-wall/commands', {
        ...order(),
        slug: 'charger:set-operating-mode',
        input: { operatingMode: 'stop-charging' },
      }).status,
    ).toBe(202);
    expect(p.cloud.orders('v-car')).toHaveLength(1);
  });

  it.each([
    ['an unknown field', order({ powerW: 1 }), 400],
    ['an unknown input', order({ input: { chargeLimit: 70, soon: true } }), 400],
    ['a number in quotes', order({ input: { chargeLimit: '70' } }), 400],
    ['a value out of range', order({ input: { chargeLimit: 101 } }), 400],
    ['no value', order({ input: {} }), 400],
    ['null where it means nothing', order({ input: { chargeLimit: null } }), 400],
    ['no token', order({ clientToken: undefined }), 400],
    ['a token with a space', order({ clientToken: 'a b' }), 400],
    ['a command of another kind', order({ slug: 'thermostat:set-fan-mode', input: { fanMode: 'on' } }), 422],
    ['a command nobody knows', order({ slug: 'toString', input: {} }), 422],
    ['a local time', order({ startAt: '2024-07-10T07:00:00' }), 400],
    ['an end before its start', order({ startAt: '2024-07-10T08:00:00Z', expireAt: '2024-07-10T07:00:00Z' }), 400],
    ['no JSON', 'x', 400],
  ])('refuses %s and keeps nothing', (_what, body, status) => {
    const p = new OpenPair();
    expect(call(p, 'POST', '/devices/v-car/commands', body).status).toBe(status);
    expect(p.cloud.orders('v-car')).toEqual([]);
  });

  it('takes null as "no limit" for an inverter', () => {
    const p = new OpenPair();
    const body = { slug: 'inverter:set-export-limit', input: { powerW: null }, clientToken: 't' };
    expect(call(p, 'POST', '/devices/v-roof/commands', body).status).toBe(202);
  });

  it('forgets the oldest of more than 100 commands of a device', () => {
    const p = new OpenPair();
    for (let k = 0; k < 101; k++) call(p, 'POST', '/devices/v-car/commands', order({ clientToken: `t${k}` }));
    expect(p.cloud.orders('v-car')).toHaveLength(100);
    expect(call(p, 'GET', '/commands/cmd-1', '').status).toBe(404);
    expect(call(p, 'GET', '/commands/cmd-101', '').body).toMatchObject({ status: 'scheduled', deviceId: 'v-car' });
  });

  it('says 503 when it is down, 413 to a large body, 429 with a time to come back', () => {
    const p = new OpenPair({ down: true });
    const bare = (body: string) => p.cloud.handle({ method: 'GET', path: '/devices', headers: {}, body }, p.nowMs());
    expect(bare('').status).toBe(503);
    p.cloud.setBehaviour({ down: false });
    expect(bare('x'.repeat(64_001)).status).toBe(413);
    p.cloud.setBehaviour({ throttleFactor: 0 });
    expect(bare('')).toMatchObject({ status: 429, headers: { 'retry-after': '60' } });
    expect(() => p.cloud.setBehaviour({ swallowRatio: 2 })).toThrow(/swallowRatio: found 2/);
  });

  it('knows nothing elsewhere', () => {
    const p = new OpenPair();
    for (const path of ['/', '/devices/v-car', '/devices/v-car/state/x', '/commands', '/commands/x', '/oauth2'])
      expect(call(p, 'GET', path, '').status).toBe(404);
    expect(call(p, 'DELETE', '/devices/v-car/state', '').status).toBe(404);
  });
});
