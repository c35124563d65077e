import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { type AddressInfo, createServer as createTcpServer, type Socket, type Server as TcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { HttpPost } from '../../src/live/webhooks/httpPost.ts';
import { ANSWER_OCTETS_MAX, type PostOutcome } from '../../src/live/webhooks/post.ts';
import type { UrlPolicy } from '../../src/live/webhooks/urls.ts';

/** Receivers on real sockets that do what receivers should not. */
const LOCAL: UrlPolicy = { allowLoopback: true, allowHttp: true, ports: 'any' };
const OPENSSL = '/usr/bin/openssl';

const servers: (Server | TcpServer)[] = [];
const sockets = new Set<Socket>();
const posts: HttpPost[] = [];
afterEach(() => {
  for (const post of posts.splice(0)) post.close();
  for (const socket of sockets) socket.destroy();
  sockets.clear();
  for (const server of servers.splice(0)) server.close();
});

async function listening(server: Server | TcpServer): Promise<number> {
  servers.push(server);
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return (server.address() as AddressInfo).port;
}

const receiver = (handle: (request: IncomingMessage, response: ServerResponse) => void): Promise<number> =>
  listening(createServer(handle));

/** Speaks octets, from the moment of the connection or after the first octets came. */
const rawReceiver = (speak: (socket: Socket) => void): Promise<number> =>
  listening(createTcpServer((socket) => socket.once('data', () => speak(socket))));

function poster(options: ConstructorParameters<typeof HttpPost>[0] = {}): HttpPost {
  const post = new HttpPost({ policy: LOCAL, ...options });
  posts.push(post);
  return post;
}

const BODY = '{"a":"ä"}';
const send = (post: HttpPost, url: string, timeoutMs = 5_000): Promise<PostOutcome> =>
  post.send({
    url,
    headers: { 'Content-Length': `${Buffer.byteLength(BODY)}`, 'X-Mine': 'yes' },
    body: BODY,
    timeoutMs,
  });

describe('a POST', () => {
  test('carries headers and body as they are, and keeps the connection for the next', async () => {
    const got: { method?: string | undefined; body: string; mine: unknown; port: number | undefined }[] = [];
    const port = await receiver((request, response) => {
      let body = '';
      request.setEncoding('utf8').on('data', (text: string) => {
        body += text;
      });
      request.on('end', () => {
        got.push({ method: request.method, body, mine: request.headers['x-mine'], port: request.socket.remotePort });
        response.writeHead(202).end('thanks');
      });
    });
    const post = poster();
    for (let n = 0; n < 3; n++) {
      expect(await send(post, `http://127.0.0.1:${port}/hook`)).toEqual({
        kind: 'answered',
        status: 202,
        retryAfter: null,
      });
    }
    expect(got.map(({ method, body, mine }) => [method, body, mine])).toEqual(Array(3).fill(['POST', BODY, 'yes']));
    expect(new Set(got.map((g) => g.port)).size).toBe(1);
  });

  test('a kept connection that the receiver closed meanwhile is no failure: it is sent once more', async () => {
    let requests = 0;
    const port = await rawReceiver((socket) => {
      requests += 1;
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
      socket.once('data', () => socket.resetAndDestroy());
    });
    const post = poster();
    const outcomes = [await send(post, `http://127.0.0.1:${port}/`), await send(post, `http://127.0.0.1:${port}/`)];
    expect([outcomes.map((o) => o.kind), requests]).toEqual([['answered', 'answered'], 2]);
  });

  test('a redirect is an answer; nobody goes there', async () => {
    let elsewhere = 0;
    const other = await receiver((_, response) => {
      elsewhere += 1;
      response.end();
    });
    const port = await receiver((_, response) => {
      response.writeHead(307, { location: `http://127.0.0.1:${other}/`, 'retry-after': '7' }).end();
    });
    const outcome = await send(poster(), `http://127.0.0.1:${port}/`);
    expect([outcome, elsewhere]).toEqual([{ kind: 'answered', status: 307, retryAfter: '7' }, 0]);
  });
});

describe('a receiver that', () => {
  test('sends without an end is cut soon after 64 kB; its status counts', async () => {
    let written = 0;
    const port = await receiver((_, response) => {
      const chunk = Buffer.alloc(16_384, 'x');
      const more = (): void => {
        for (let room = true; room && !response.destroyed; written += chunk.length) room = response.write(chunk);
        response.once('drain', more);
      };
      more();
    });
    expect(await send(poster(), `http://127.0.0.1:${port}/`)).toMatchObject({ kind: 'answered', status: 200 });
    // What is on its way when it is cut fills the buffers of two sockets: far from a gigabyte.
    expect(written).toBeGreaterThan(ANSWER_OCTETS_MAX);
    expect(written).toBeLessThan(20_000_000);
  });

  test('sends a gzip bomb sends what it weighs packed', async () => {
    const bomb = gzipSync(Buffer.alloc(50_000_000));
    expect(bomb.length).toBeLessThan(ANSWER_OCTETS_MAX);
    let accepts: unknown;
    const port = await receiver((request, response) => {
      accepts = request.headers['accept-encoding'];
      response.writeHead(200, { 'content-encoding': 'gzip', 'content-length': bomb.length }).end(bomb);
    });
    const before = process.memoryUsage().rss;
    expect(await send(poster(), `http://127.0.0.1:${port}/`)).toMatchObject({ status: 200 });
    expect(process.memoryUsage().rss - before).toBeLessThan(40_000_000);
    expect(accepts).toBeUndefined();
  });

  test('never answers, or drips its head, is left when the time is over', async () => {
    const silent = await rawReceiver(() => {});
    const dripping = await rawReceiver((socket) => {
      socket.write('HTTP/1.1 200 OK\r\nX-A: ');
      const drip = setInterval(() => socket.write('x'), 20);
      socket.on('close', () => clearInterval(drip));
    });
    const outcomes = await Promise.all(
      [silent, dripping].map((port) => send(poster(), `http://127.0.0.1:${port}/`, 300)),
    );
    expect(outcomes).toEqual(Array(2).fill({ kind: 'failed', reason: 'timeout', why: 'no answer within 300 ms' }));
  });

  test('drips a body has said its status', async () => {
    const port = await rawReceiver((socket) => socket.write('HTTP/1.1 204 OK\r\nContent-Length: 5\r\n\r\nx'));
    const dripping = await rawReceiver((socket) => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nx'));
    expect(await send(poster(), `http://127.0.0.1:${port}/`, 300)).toMatchObject({ status: 204 });
    expect(await send(poster(), `http://127.0.0.1:${dripping}/`, 300)).toMatchObject({ status: 200 });
  });

  test.each([
    ['garbage', 'this is no HTTP\r\n\r\n'],
    ['half a head', 'HTTP/1.1 200 OK\r\nContent-'],
    ['a head without an end', `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(100_000)}`],
    ['another protocol', 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n'],
    ['nothing', ''],
  ])('sends %s and closes is a failure', async (_, octets) => {
    const port = await rawReceiver((socket) => socket.end(octets));
    const outcome = await send(poster(), `http://127.0.0.1:${port}/`);
    expect(outcome).toMatchObject({ kind: 'failed', reason: 'broken-off' });
  });

  test('resets, or is not there, is a failure', async () => {
    const port = await rawReceiver((socket) => socket.resetAndDestroy());
    expect(await send(poster(), `http://127.0.0.1:${port}/`)).toMatchObject({ kind: 'failed', reason: 'broken-off' });
    const gone = createTcpServer();
    const free = await listening(gone);
    await new Promise((done) => gone.close(done));
    expect(await send(poster(), `http://127.0.0.1:${free}/`)).toMatchObject({ kind: 'failed', reason: 'connect' });
  });

  test('has no name in the DNS is a failure', async () => {
    const resolve = async (): Promise<readonly string[]> => [];
    const outcome = await send(poster({ resolve }), 'https://a.example/');
    expect(outcome).toEqual({ kind: 'failed', reason: 'name', why: 'the name has no address' });
  });
});

describe('closing', () => {
  test('ends what is under way', async () => {
    const post = poster();
    const asked: Promise<PostOutcome>[] = [];
    await new Promise<void>((arrived) => {
      void rawReceiver(() => arrived()).then((port) => asked.push(send(post, `http://127.0.0.1:${port}/`)));
    });
    post.close();
    expect(await asked[0]).toMatchObject({ kind: 'failed', reason: 'closed' });
    expect(await send(post, 'http://127.0.0.1:1/')).toMatchObject({ kind: 'failed', reason: 'closed' });
  });
});

describe.skipIf(!existsSync(OPENSSL))('TLS (needs /usr/bin/openssl)', () => {
  let dir = '';
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'vpp-webhook-tls-'));
    const words =
      'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=hooks';
    const names = ['-addext', 'subjectAltName=DNS:localhost'];
    execFileSync(OPENSSL, [...words.split(' '), ...names], { cwd: dir, stdio: 'pipe' });
  });
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  test('a certificate must be by a known authority, and for the name', async () => {
    const [key, cert] = ['key.pem', 'cert.pem'].map((name) => readFileSync(join(dir, name), 'utf8'));
    const port = await listening(createSecureServer({ key, cert }, (_, response) => response.end()));
    const trusting = { ca: [cert ?? ''] };
    expect(await send(poster(trusting), `https://localhost:${port}/`)).toMatchObject({ kind: 'answered', status: 200 });
    for (const [options, host] of [
      [{}, 'localhost'],
      [trusting, '127.0.0.1'],
    ] as const) {
      expect(await send(poster(options), `https://${host}:${port}/`)).toMatchObject({ kind: 'failed', reason: 'tls' });
    }
  });
});
