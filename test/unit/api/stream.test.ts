import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import WebSocket from 'ws';
import type { OutboxEvent } from '../../../src/domain/destination.ts';
import { type ApiBench, openApi, type Tenant } from '../../helpers/apiBench.ts';

let api: ApiBench;
let tenant: Tenant;
let open: Client[] = [];
beforeEach(async () => {
  // A WebSocket is a socket: these always run over real ones.
  api = await openApi({ wire: 'sockets', api: { stream: { heartbeatMs: 3_600_000, bufferedMax: 200_000 } } });
  tenant = await api.tenant();
});
afterEach(async () => {
  for (const c of open) c.socket.terminate();
  open = [];
  await api.close();
});

interface Client {
  readonly socket: WebSocket;
  // biome-ignore lint/suspicious/noExplicitAny: frames are what a test looks into
  readonly frames: any[];
  /** Resolves with the code when it is closed. */
  readonly closed: Promise<number>;
  next(): Promise<void>;
}

async function connect(
  headers: Record<string, string> = { 'texture-api-key': tenant.key },
  query = '',
): Promise<Client> {
  const { port } = api.app.server.address() as AddressInfo;
  const socket = new WebSocket(`ws://127.0.0.1:${port}/v1/stream${query}`, { headers });
  const frames: unknown[] = [];
  let wake = (): void => undefined;
  socket.on('message', (data) => {
    frames.push(JSON.parse(String(data)));
    wake();
  });
  const closed = new Promise<number>((resolve) => socket.on('close', resolve));
  await new Promise<void>((resolve, reject) => {
    socket.on('open', () => resolve());
    socket.on('unexpected-response', (_, response) => reject(new Error(String(response.statusCode))));
    socket.on('error', reject);
  });
  const client: Client = {
    socket,
    frames,
    closed,
    next: () => {
      const seen = frames.length;
      return new Promise((resolve) => {
        wake = () => {
          if (frames.length > seen) resolve();
        };
      });
    },
  };
  open.push(client);
  return client;
}

async function say(client: Client, frame: unknown): Promise<void> {
  const next = client.next();
  client.socket.send(typeof frame === 'string' ? frame : JSON.stringify(frame));
  await next;
}

const subscribe = (client: Client, topics: readonly string[]) => say(client, { type: 'subscribe', topics });

const event = (over: Partial<OutboxEvent> = {}): OutboxEvent => ({
  seq: 7,
  index: 0,
  workspaceId: tenant.workspaceId,
  type: 'command.succeeded',
  version: '0.0.2',
  deviceType: 'battery',
  timestampMs: api.service.nowMs,
  data: { deviceId: 'dev-1' },
  ...over,
});

describe('the stream', () => {
  test('tells what is subscribed to, and nothing else', async () => {
    const [commands, device, all, none] = [await connect(), await connect(), await connect(), await connect()];
    await subscribe(commands, ['command']);
    await subscribe(device, ['device:dev-2', 'event.offered']);
    await subscribe(all, ['*']);
    await subscribe(none, ['command']);
    await say(none, { type: 'unsubscribe', topics: ['command'] });
    const waits = [all.next()];
    api.service.emit(event());
    await Promise.all(waits);
    api.service.emit(event({ seq: 8, type: 'device.updated', data: { deviceId: 'dev-2' } }));
    api.service.emit(event({ seq: 9, type: 'event.offered', data: {} }));
    while (all.frames.length < 4) await all.next();
    while (device.frames.length < 3) await device.next();
    const seqs = (c: Client) => c.frames.filter((f) => f.type === 'event').map((f) => f.seq);
    expect([seqs(commands), seqs(device), seqs(all), seqs(none)]).toEqual([[7], [8, 9], [7, 8, 9], []]);
    expect(all.frames[1]).toMatchObject({
      type: 'event',
      seq: 7,
      index: 0,
      event: { type: 'command.succeeded', version: '0.0.2', data: { deviceId: 'dev-1' } },
    });
  });

  test('tells an event once to who asked for it under several topics', async () => {
    const [several, other] = [await connect(), await connect()];
    await subscribe(several, ['*', 'command', 'command.succeeded', 'device:dev-1']);
    await subscribe(other, ['command']);
    api.service.emit(event());
    api.service.emit(event({ seq: 8, type: 'event.offered', data: {} }));
    while (several.frames.length < 3) await several.next();
    const seqs = (c: Client) => c.frames.filter((f) => f.type === 'event').map((f) => f.seq);
    expect([seqs(several), seqs(other)]).toEqual([[7, 8], [7]]);
  });

  test('tells who comes which entry is the newest, so that it knows whether it missed something', async () => {
    const first = await connect();
    await subscribe(first, ['device']);
    const known = first.frames[0].lastSeq;
    expect(known).toBe(api.service.entries.length);
    first.socket.terminate();
    await first.closed;
    while (api.service.listening > 0) await new Promise(setImmediate);
    api.device(tenant.workspaceId);
    const again = await connect();
    await subscribe(again, ['device']);
    const { lastSeq } = again.frames[0];
    expect(lastSeq).toBeGreaterThan(known);
    const missed = (await api.get('/v1/audit', { key: tenant.key })).body.data;
    expect(missed[0].seq).toBe(lastSeq);
  });

  test('tells what the core does, as it becomes durable', async () => {
    const client = await connect();
    await subscribe(client, ['command']);
    const deviceId = api.device(tenant.workspaceId);
    const headers = { key: tenant.key };
    const made = await api.post('/v1/commands', { deviceId, input: { operatingMode: 'charge' } }, headers);
    const next = client.next();
    await api.request('DELETE', `/v1/commands/${made.body.id}`, headers);
    await next;
    const told = client.frames.at(-1);
    expect(told.event).toMatchObject({
      type: 'command.failed',
      data: { commandId: made.body.id, status: 'cancelled' },
    });
  });

  test('tells nothing of another workspace', async () => {
    const other = await api.tenant();
    const [mine, theirs] = [await connect(), await connect({ 'texture-api-key': other.key })];
    await subscribe(mine, ['*']);
    await subscribe(theirs, ['*']);
    const next = theirs.next();
    api.service.emit(event({ workspaceId: other.workspaceId }));
    await next;
    await subscribe(mine, ['command']);
    expect(mine.frames.filter((f) => f.type === 'event')).toEqual([]);
  });

  test.each<[string, string, string]>([
    ['no JSON', '{', 'invalid_json'],
    ['a name twice', '{"type":"subscribe","type":"subscribe","topics":["*"]}', 'invalid_json'],
    ['an unknown type', '{"type":"subscibe","topics":["*"]}', 'invalid_request'],
    ['an unknown topic', '{"type":"subscribe","topics":["comand"]}', 'invalid_request'],
    ['an unknown field', '{"type":"subscribe","topics":["*"],"from":1}', 'invalid_request'],
    ['no topics', '{"type":"subscribe","topics":[]}', 'invalid_request'],
    ['a list', '[]', 'invalid_request'],
  ])('%s is answered with an error, and the stream stays', async (_, text, code) => {
    const client = await connect();
    await say(client, text);
    expect(client.frames[0]).toMatchObject({ type: 'error', code });
    if (text.includes('comand')) expect(client.frames[0].detail).toContain('Did you mean "command"?');
    await subscribe(client, ['*']);
    expect(client.frames.at(-1)).toMatchObject({ type: 'subscribed', topics: ['*'] });
  });

  test('a frame over 64 kB closes with 1009, over 100 subscriptions with 1007', async () => {
    const [large, many] = [await connect(), await connect()];
    large.socket.send('x'.repeat(65_537));
    expect(await large.closed).toBe(1009);
    await subscribe(
      many,
      Array.from({ length: 100 }, (_, i) => `device:d${i}`),
    );
    many.socket.send(JSON.stringify({ type: 'subscribe', topics: ['*'] }));
    expect(await many.closed).toBe(1007);
    const huge = await connect();
    huge.socket.send(
      JSON.stringify({ type: 'subscribe', topics: Array.from({ length: 10_000 }, (_, i) => `device:${i}`) }),
    );
    expect([1007, 1009]).toContain(await huge.closed);
  });

  test('a client that never reads is cut, others do not notice', async () => {
    const [deaf, good] = [await connect(), await connect()];
    await subscribe(deaf, ['*']);
    await subscribe(good, ['*']);
    deaf.socket.pause();
    const blob = 'x'.repeat(50_000);
    const before = await connections();
    let sent = 0;
    // The kernel's buffers take some first; after those the server's own fills up to the limit.
    while ((await connections()) >= before && sent < 2_000) {
      const next = good.next();
      sent += 1;
      api.service.emit(event({ seq: sent, data: { blob } }));
      await next;
    }
    expect(sent).toBeLessThan(2_000);
    expect(good.frames.filter((f) => f.type === 'event').length).toBe(sent);
  });

  test('ends with its credential, and says so in a heartbeat until then', async () => {
    const short = await openApi({ wire: 'sockets', api: { stream: { heartbeatMs: 20 } } });
    const was = api;
    api = short;
    const mine = await short.tenant();
    const key: string = (
      await short.post(
        `/v1/workspaces/${mine.workspaceId}/api-keys`,
        { name: 'k', scopes: ['read'] },
        { key: mine.key },
      )
    ).body.secret;
    const client = await connect({ 'texture-api-key': key });
    await client.next();
    expect(client.frames[0]).toMatchObject({ type: 'heartbeat' });
    const keyId = key.split('.')[1];
    await short.request('DELETE', `/v1/workspaces/${mine.workspaceId}/api-keys/${keyId}`, { key: mine.key });
    expect(await client.closed).toBe(1008);
    await short.close();
    api = was;
  });

  test('opens with a ticket, once and in time', async () => {
    const { ticket } = (await api.post('/v1/stream/tickets', {}, { key: tenant.key })).body;
    const client = await connect({}, `?ticket=${ticket}`);
    await subscribe(client, ['*']);
    await expect(connect({}, `?ticket=${ticket}`)).rejects.toThrow('401');
    const late = (await api.post('/v1/stream/tickets', {}, { key: tenant.key })).body.ticket;
    api.service.nowMs += 30_000;
    await expect(connect({}, `?ticket=${late}`)).rejects.toThrow('401');
  });

  const shortLived = async () => {
    const path = `/v1/workspaces/${tenant.workspaceId}/api-keys`;
    const made = await api.post(path, { name: 'k', scopes: ['read'] }, { key: tenant.key });
    const revoke = () => api.request('DELETE', `${path}/${made.body.id}`, { key: tenant.key });
    return { key: made.body.secret as string, revoke };
  };

  test('opens with no ticket of a key that was revoked since', async () => {
    const { key, revoke } = await shortLived();
    const { ticket } = (await api.post('/v1/stream/tickets', {}, { key })).body;
    await revoke();
    await expect(connect({}, `?ticket=${ticket}`)).rejects.toThrow('401');
  });

  test('tells nothing more to a key that was revoked: the next event closes it', async () => {
    const { key, revoke } = await shortLived();
    const [cut, other] = [await connect({ 'texture-api-key': key }), await connect()];
    for (const client of [cut, other]) await subscribe(client, ['*']);
    await revoke();
    const before = cut.frames.length;
    api.service.emit(event());
    expect(await cut.closed).toBe(1008);
    expect([cut.frames.length, other.frames.at(-1)?.type]).toEqual([before, 'event']);
  });

  test('refuses who gives no credential, too few scopes, or no upgrade', async () => {
    await expect(connect({})).rejects.toThrow('401');
    const key = await api.apiKey(tenant.workspaceId, ['write:commands']);
    await expect(connect({ 'texture-api-key': key })).rejects.toThrow('403');
    const reply = await api.get('/v1/stream', { key: tenant.key, unchecked: true });
    expect([reply.status, reply.body.code]).toEqual([426, 'upgrade_required']);
  });

  test('lets go of what it listened to', async () => {
    const client = await connect();
    await subscribe(client, ['*']);
    expect(api.service.listening).toBe(1);
    client.socket.close();
    await client.closed;
    while (api.service.listening > 0) await new Promise((resolve) => setImmediate(resolve));
    expect(api.service.listening).toBe(0);
  });
});

/** Connections that the server holds. */
const connections = () => new Promise<number>((resolve) => api.app.server.getConnections((_, count) => resolve(count)));
