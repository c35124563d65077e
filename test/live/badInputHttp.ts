import { type JWTPayload, SignJWT, UnsecuredJWT } from 'jose';
import { type BadBench, type Got, http, type Row, raw, type Sent, stream } from './badInputBench.ts';

/** Bad inputs 41 and 44 to 54: the request line, header fields, framing, credentials, and the stream of events. */
const asked = (n: number, what: string, sent: Sent, expected: string, names?: string): Row => ({
  n,
  what,
  send: (b) => http(b, sent),
  expected,
  ...(names === undefined ? {} : { names }),
});

const get = (n: number, what: string, path: string, expected: string, names?: string): Row =>
  asked(n, what, { method: 'GET', path }, expected, names);

/** A path as it is: a client would tidy it. */
const path = (n: number, target: string, expected: string): Row => ({
  n,
  what: `GET ${target.slice(0, 40)}`,
  send: (b) => raw(b.port, `GET ${target} HTTP/1.1\r\n${head(b)}connection: close\r\n\r\n`),
  expected,
});

const head = (b: BadBench): string => `host: 127.0.0.1\r\ntexture-api-key: ${b.keys.ana}\r\n`;
const json = (body: string): string =>
  `content-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
const post = (b: BadBench, rest: string): string => `POST /v1/commands HTTP/1.1\r\n${head(b)}${rest}`;

const LINES: readonly Row[] = [
  {
    n: 41,
    what: 'a key whose first request is still being served',
    send: (b) => {
      const body = JSON.stringify({ deviceId: b.ids.plain, input: { operatingMode: 'idle' } });
      // Both in one piece: the second is read while the first waits for the disk.
      const one = post(b, `idempotency-key: both\r\n${json(body)}`);
      return raw(b.port, one + one, (text) => text.includes('request_in_flight"') && text.endsWith('}'));
    },
    expected: '202 409 open',
    names: 'retry-after: 1',
    changes: true,
  },
  asked(44, 'a method that the path does not take', { method: 'PATCH' }, '405 method_not_allowed', 'allow: POST'),
  asked(44, 'OPTIONS', { method: 'OPTIONS', key: null }, '405 method_not_allowed', 'allow: POST'),
  {
    n: 44,
    what: 'TRACE',
    send: (b) => raw(b.port, `TRACE /v1/commands HTTP/1.1\r\n${head(b)}connection: close\r\n\r\n`),
    expected: '405 closed',
  },
  path(45, '/v1/devices/%2e%2e', '404 closed'),
  path(45, '/v1/devices/../../etc/passwd', '404 closed'),
  path(45, '/v1/devices/%00', '404 closed'),
  path(45, '/v1/devices/%zz', '400 closed'),
  path(45, `/v1/devices/${'d'.repeat(101)}`, '404 closed'),
  path(45, '/v1//devices', '404 closed'),
  get(46, 'a cursor of nothing', '/v1/devices?cursor=zzz', '400 invalid_request cursor', 'nextCursor'),
  get(46, 'an empty cursor', '/v1/devices?cursor=', '400 invalid_request cursor'),
  get(47, 'limit=-1', '/v1/devices?limit=-1', '400 invalid_request limit', 'from 1 to 500'),
  get(47, 'limit=1000000000', '/v1/devices?limit=1000000000', '400 invalid_request limit', 'from 1 to 500'),
  get(47, 'limit twice', '/v1/devices?limit=5&limit=6', '400 invalid_request limit'),
  get(47, 'an unknown part of the query', '/v1/devices?nope=1', '400 invalid_request nope'),
  {
    n: 48,
    what: 'a body and a head that do not come to an end are cut within 10 s',
    send: async (b) => {
      const startMs = performance.now();
      const slow = [
        post(b, 'content-type: application/json\r\ncontent-length: 100\r\n\r\n{'),
        post(b, 'x-slow: 1\r\n'),
      ];
      const [body, fields] = await Promise.all(slow.map((octets) => raw(b.port, octets)));
      const inTime = performance.now() - startMs < 10_500 ? 'in time' : 'late';
      return { said: `${body?.said}, ${fields?.said}, ${inTime}`, text: `${body?.text}${fields?.text}` };
    },
    expected: '408 closed, 408 closed, in time',
    names: 'request_timeout',
  },
  {
    n: 49,
    what: 'a header field over 16 kB',
    send: (b) => raw(b.port, post(b, `x-long: ${'x'.repeat(17_000)}\r\n\r\n`)),
    expected: '431 closed',
    names: 'headers_too_large',
  },
  {
    n: 49,
    what: '10,000 header fields',
    send: (b) => raw(b.port, post(b, `${Array.from({ length: 10_000 }, (_, i) => `x-${i}: 1\r\n`).join('')}\r\n`)),
    expected: '431 closed',
    names: 'headers_too_large',
  },
];

/** A second request that hides in the first: whoever stands between must not see another border than the service. */
const HIDDEN = 'GET /v1/devices HTTP/1.1\r\nhost: x\r\n\r\n';
const smuggled = (what: string, rest: string): Row => ({
  n: 50,
  what,
  send: (b) => raw(b.port, post(b, `content-type: application/json\r\n${rest}`)),
  expected: '400 closed',
  names: 'malformed_http',
});

const SMUGGLED: readonly Row[] = [
  smuggled('a length and chunks', `content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n${HIDDEN}`),
  smuggled('chunks and a length', `transfer-encoding: chunked\r\ncontent-length: 4\r\n\r\n0\r\n\r\n${HIDDEN}`),
  smuggled('two lengths', `content-length: 2\r\ncontent-length: 40\r\n\r\n{}${HIDDEN}`),
  smuggled('a length that is no number', `content-length: +2\r\n\r\n{}${HIDDEN}`),
  smuggled('chunks under another name', `transfer-encoding: xchunked\r\n\r\n0\r\n\r\n${HIDDEN}`),
  smuggled('a blank before the colon', `transfer-encoding : chunked\r\n\r\n0\r\n\r\n${HIDDEN}`),
  smuggled('a chunk size that is no number', `transfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n${HIDDEN}`),
  smuggled('a folded field', `x-a: 1\r\n content-length: 4\r\n\r\n${HIDDEN}`),
  {
    n: 50,
    what: 'no HTTP at all',
    send: (b) => raw(b.port, '\u0016\u0003\u0001\u0002\u0000\u0001'),
    expected: '400 closed',
  },
];

const bearer = async (b: BadBench, token: string): Promise<Got> =>
  http(b, { method: 'GET', path: '/v1/devices', key: null, headers: { authorization: `Bearer ${token}` } });

/** A token as the service itself would sign it, with a slip. */
async function withToken(b: BadBench, slip: JWTPayload, header: { typ?: string } = {}): Promise<Got> {
  const { kid, alg, privateKey } = b.signing.signing();
  const nowS = Math.floor(Date.now() / 1_000);
  const good = { iss: 'vpp-testbed', aud: 'vpp-testbed', sub: b.clientId, jti: 't', iat: nowS, exp: nowS + 900 };
  const jwt = new SignJWT({ ...good, scope: 'read', ...slip });
  return bearer(b, await jwt.setProtectedHeader({ alg, kid, typ: 'at+jwt', ...header }).sign(privateKey));
}

const token = (what: string, slip: JWTPayload, header?: { typ?: string }): Row => ({
  n: 51,
  what,
  send: (b) => withToken(b, slip, header),
  expected: '401 unauthenticated',
  names: 'www-authenticate: Bearer',
});

const CREDENTIALS: readonly Row[] = [
  asked(
    51,
    'no credential',
    { method: 'GET', path: '/v1/devices', key: null },
    '401 unauthenticated',
    'www-authenticate',
  ),
  asked(51, 'a key of nobody', { method: 'GET', path: '/v1/devices', key: 'vpp.key_0.00' }, '401 unauthenticated'),
  {
    n: 51,
    what: 'a token that is not signed (alg none)',
    send: (b) =>
      bearer(b, new UnsecuredJWT({ scope: 'read' }).setSubject('cli_nobody').setExpirationTime('1h').encode()),
    expected: '401 unauthenticated',
  },
  {
    n: 51,
    what: 'the token that the next ones have a slip in is good',
    send: (b) => withToken(b, {}),
    expected: '200',
  },
  token('a token of an unknown client', { sub: 'cli_nobody' }),
  token('a token that has expired', { iat: 1_700_000_000, exp: 1_700_000_900 }),
  token('a token for another audience', { aud: 'somebody-else' }),
  token('a token of another issuer', { iss: 'somebody-else' }),
  token('an ID token in place of an access token', {}, { typ: 'JWT' }),
  {
    n: 51,
    what: 'the key of another workspace',
    send: (b) => http(b, { method: 'GET', path: `/v1/devices/${b.ids.plain}`, key: b.keys.other }),
    expected: '404 not_found',
  },
  {
    n: 52,
    what: 'a scope that the key has not',
    send: (b) => http(b, { body: { deviceId: b.ids.plain, input: { operatingMode: 'idle' } }, key: b.keys.reader }),
    expected: '403 missing_scope',
    names: 'write:commands',
  },
];

const subscribe = (...topics: readonly string[]): string => JSON.stringify({ type: 'subscribe', topics });
const streamed = (what: string, frames: readonly (string | Uint8Array)[], expected: string, names = ''): Row => ({
  n: 53,
  what,
  send: (b) => stream(b, frames),
  expected,
  names,
});

const STREAM: readonly Row[] = [
  streamed('a frame over 64 kB', ['x'.repeat(70_000)], 'close 1009'),
  streamed('a frame that is no JSON', ['{"type":'], 'error invalid_json', 'expected'),
  streamed('a binary frame', [new Uint8Array([1, 2, 3])], 'error invalid_json', 'expected text'),
  streamed('an unknown topic', [subscribe('comand')], 'error invalid_request', 'Did you mean "command"'),
  streamed('an unknown field', ['{"type":"subscribe","topics":["*"],"since":1}'], 'error invalid_request', '"since"'),
  streamed(
    '10,000 subscriptions',
    Array.from({ length: 10 }, (_, i) => subscribe(...Array.from({ length: 1_000 }, (_x, k) => `device:d${i}-${k}`))),
    'close 1007',
    'at most 100 subscriptions',
  ),
  streamed(
    'nonsense again and again',
    Array.from({ length: 200 }, () => 'x'),
    'error invalid_json',
  ),
];

export const HTTP_ROWS: readonly Row[] = [...LINES, ...SMUGGLED, ...CREDENTIALS, ...STREAM];
