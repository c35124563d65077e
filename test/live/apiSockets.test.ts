import { type AddressInfo, connect, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ApiBench, openApi, type Tenant } from '../helpers/apiBench.ts';

/** What only a real socket can do wrong: octets that are no HTTP, too much of it, too slowly. */
let api: ApiBench;
let tenant: Tenant;
let deviceId: string;
beforeAll(async () => {
  api = await openApi({ wire: 'sockets', api: { arrivesMs: 200 } });
  tenant = await api.tenant();
  deviceId = api.device(tenant.workspaceId);
});
afterAll(() => api.close());

const { port } = { port: () => (api.app.server.address() as AddressInfo).port };

/** Everything the server says until it closes the connection. */
function talk(octets: string | readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket: Socket = connect({ host: '127.0.0.1', port: port(), noDelay: true });
    let said = '';
    socket.setEncoding('utf8');
    socket.on('data', (text: string) => {
      said += text;
    });
    socket.on('error', reject);
    socket.on('close', () => resolve(said));
    socket.on('connect', () => {
      for (const part of typeof octets === 'string' ? [octets] : octets) socket.write(part);
    });
  });
}

const problemIn = (said: string) => {
  const [head = '', body = ''] = said.split('\r\n\r\n', 2);
  return { status: Number(head.slice(9, 12)), head, problem: JSON.parse(body) as { code: string; status: number } };
};

const head = (more: readonly string[]) => ['POST /v1/commands HTTP/1.1', 'host: x', ...more, '', ''].join('\r\n');

describe('a connection', () => {
  test.each<[string, () => string | readonly string[], number, string]>([
    ['that says something else', () => 'HELLO\r\n\r\n', 400, 'malformed_http'],
    [
      'with two lengths of a body (request smuggling)',
      () => `${head(['content-length: 5', 'transfer-encoding: chunked'])}0\r\n\r\nGET`,
      400,
      'malformed_http',
    ],
    ['with a length twice', () => head(['content-length: 5', 'content-length: 6']), 400, 'malformed_http'],
    ['with a bare line end in a header', () => head(['x: a\n y: b', 'content-length: x']), 400, 'malformed_http'],
    ['with headers over 16 kB', () => head([`x: ${'y'.repeat(20_000)}`]), 431, 'headers_too_large'],
    [
      'with 10,000 headers',
      () => head(Array.from({ length: 10_000 }, (_, i) => `x-${i}: 1`)),
      431,
      'headers_too_large',
    ],
    ['that never ends its headers', () => 'POST /v1/commands HTTP/1.1\r\nhost: x\r\n', 408, 'request_timeout'],
    [
      'that never ends its body',
      () => `${head([`texture-api-key: ${tenant.key}`, 'content-type: application/json', 'content-length: 50'])}{"a`,
      408,
      'request_timeout',
    ],
  ])('%s is answered and closed', async (_, octets, status, code) => {
    const said = problemIn(await talk(octets()));
    expect([said.status, said.problem.status, said.problem.code]).toEqual([status, status, code]);
    expect(said.head).toContain('application/problem+json');
    expect(said.head.toLowerCase()).toContain('connection: close');
    expect(api.reported).toEqual([]);
  });

  test('serves one request after another, also after a refusal, until a body is no body', async () => {
    const body = JSON.stringify({ deviceId, input: { operatingMode: 'charge' } });
    const good = (text: string, more: readonly string[] = []) =>
      head([
        `texture-api-key: ${tenant.key}`,
        'content-type: application/json',
        `content-length: ${text.length}`,
        ...more,
      ]) + text;
    const wrong = JSON.stringify({ deviceId, input: { operatingMode: 'chrge' } });
    const said = await talk([good(body), good(wrong), good(body), good('{'), good(body)]);
    expect(said.match(/HTTP\/1\.1 \d+/g)).toEqual([202, 400, 202, 400].map((n) => `HTTP/1.1 ${n}`));
  });

  test('a body said to be over 64 kB is refused before it is sent', async () => {
    const said = await talk(
      head([
        `texture-api-key: ${tenant.key}`,
        'content-type: application/json',
        'content-length: 70000',
        'connection: close',
      ]),
    );
    expect(problemIn(said)).toMatchObject({ status: 413, problem: { code: 'body_too_large' } });
  });
});

describe('an API key', () => {
  test('in another case of the header’s name works, in the URL it does not', async () => {
    const answer = await fetch(`${api.url}/v1/devices`, { headers: { 'TEXTURE-API-KEY': tenant.key } });
    expect(answer.status).toBe(200);
    const inUrl = await fetch(`${api.url}/v1/devices?texture-api-key=${tenant.key}`);
    expect(inUrl.status).toBe(401);
  });
});
