import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type ApiBench, openApi, type Tenant } from '../../helpers/apiBench.ts';

let api: ApiBench;
let tenant: Tenant;
let deviceId: string;
beforeEach(async () => {
  api = await openApi();
  tenant = await api.tenant();
  deviceId = api.device(tenant.workspaceId, { oem: 'solaredge' });
});
afterEach(() => api.close());

const body = (over: object = {}) => ({ deviceId, input: { operatingMode: 'charge', ...over } });
const send = (idempotencyKey: string, of: unknown = body(), key = tenant.key) =>
  api.post('/v1/commands', of, { key, headers: { 'idempotency-key': idempotencyKey } });
const commands = () => api.service.entries.flatMap((e) => e.facts.filter((f) => f.type === 'command.accepted')).length;

describe('Idempotency-Key', () => {
  test('the same request five times is one command and one answer', async () => {
    const first = await send('a');
    expect(first.status).toBe(202);
    expect(first.headers['idempotency-replayed']).toBeUndefined();
    for (let n = 0; n < 4; n++) {
      const again = await send('a');
      expect([again.status, again.text]).toEqual([202, first.text]);
      expect(again.headers['idempotency-replayed']).toBe('true');
    }
    expect(commands()).toBe(1);
  });

  test('keys in another order are the same request; another value is not', async () => {
    await send('a', { deviceId, input: { operatingMode: 'charge', powerW: 1_000 } });
    const same = await send('a', { input: { powerW: 1_000, operatingMode: 'charge' }, deviceId });
    expect(same.headers['idempotency-replayed']).toBe('true');
    const other = await send('a', body({ powerW: 2_000 }));
    expect([other.status, other.body.code]).toEqual([422, 'key_reused']);
    expect(commands()).toBe(1);
  });

  test('while the first is under way the second waits with 409, another body is refused with 422', async () => {
    let release = (): void => undefined;
    api.service.hold = new Promise<void>((resolve) => {
      release = resolve;
    });
    const first = send('a');
    while (api.service.effects.length === 0) await new Promise((resolve) => setImmediate(resolve));
    const second = await send('a');
    expect([second.status, second.body.code, second.headers['retry-after']]).toEqual([409, 'request_in_flight', '1']);
    expect((await send('a', body({ powerW: 1 }))).body.code).toBe('key_reused');
    release();
    api.service.hold = null;
    const answered = await first;
    expect(answered.status).toBe(202);
    expect((await send('a')).text).toBe(answered.text);
    expect(commands()).toBe(1);
  });

  test('a key belongs to a workspace and to a route', async () => {
    const other = await api.tenant();
    const theirs = api.device(other.workspaceId);
    const mine = await send('a');
    const foreign = await send('a', { deviceId: theirs, input: { operatingMode: 'charge' } }, other.key);
    expect(foreign.status).toBe(202);
    expect(foreign.body.id).not.toBe(mine.body.id);
    const headers = { 'idempotency-key': 'a' };
    expect((await api.post('/v1/customers', { name: 'Ana' }, { key: tenant.key, headers })).status).toBe(201);
  });

  test('a refusal changed nothing and is decided anew', async () => {
    const refused = await send('a', { ...body({ powerW: 6_000 }) });
    expect(refused.status).toBe(422);
    expect((await send('a')).status).toBe(202);
  });

  test('what could not be recorded is no answer: the next try is a new one', async () => {
    api.service.refusing = { kind: 'unavailable', reason: 'overload', why: 'too much', retryAfterS: 3 };
    const turned = await send('a');
    expect([turned.status, turned.body.code, turned.headers['retry-after']]).toEqual([503, 'unavailable', '3']);
    api.service.refusing = { kind: 'unavailable', reason: 'full', why: 'no room', retryAfterS: 5 };
    expect((await send('a')).status).toBe(507);
    api.service.refusing = null;
    expect((await send('a')).status).toBe(202);
    expect(commands()).toBe(1);
  });

  test.each(['', 'x'.repeat(256), 'a b', 'é'])('the key %j is refused', async (bad) => {
    // fetch itself refuses what is no header; both ways nothing happens.
    const reply = await send(bad).catch(() => null);
    if (reply !== null) expect([reply.status, reply.body.errors[0].place]).toEqual([400, 'idempotency-key']);
    expect(commands()).toBe(0);
  });

  test('an emergency stop is never answered from memory: it takes no key', async () => {
    const path = `/v1/devices/${deviceId}/emergency-stop`;
    const stop = () => api.post(path, undefined, { key: tenant.key, headers: { 'idempotency-key': 's1' } });
    const stops = () => api.service.entries.flatMap((e) => e.facts.filter((f) => f.type === 'undo.sent')).length;
    expect((await stop()).body.isStopped).toBe(true);
    const before = stops();
    const again = await stop();
    expect([again.status, again.headers['idempotency-replayed']]).toEqual([200, undefined]);
    expect([before, stops()]).toEqual([1, 2]);
  });

  test('a key of 255 characters is taken', async () => {
    expect((await send('x'.repeat(255))).status).toBe(202);
  });
});
