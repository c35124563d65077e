import {
  decodeJwt,
  decodeProtectedHeader,
  exportJWK,
  generateKeyPair,
  importJWK,
  jwtVerify,
  SignJWT,
  UnsecuredJWT,
} from 'jose';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { keysInMemory, type RotatingKeys } from '../../../src/live/apiTools.ts';
import { type ApiBench, OPERATOR_KEY, openApi, type Tenant } from '../../helpers/apiBench.ts';

let keys: RotatingKeys;
let api: ApiBench;
let tenant: Tenant;
beforeEach(async () => {
  keys = await keysInMemory();
  api = await openApi({ keys });
  tenant = await api.tenant();
});
afterEach(() => api.close());

interface Client {
  readonly id: string;
  readonly secret: string;
}

async function newClient(scopes: readonly string[] = ['read', 'write:commands']): Promise<Client> {
  const made = await api.post(
    `/v1/workspaces/${tenant.workspaceId}/clients`,
    { name: 'c', scopes },
    { key: tenant.key },
  );
  expect(made.status).toBe(201);
  return made.body;
}

const FORM = { 'content-type': 'application/x-www-form-urlencoded' };
const form = (fields: Readonly<Record<string, string>>) =>
  api.request('POST', '/oauth/token', { headers: FORM, body: new URLSearchParams(fields).toString() });

const withSecret = (c: Client, more: Readonly<Record<string, string>> = {}) =>
  form({ grant_type: 'client_credentials', client_id: c.id, client_secret: c.secret, ...more });

async function token(c: Client): Promise<string> {
  const reply = await withSecret(c);
  expect(reply.status).toBe(200);
  return reply.body.access_token;
}

const read = (bearer: string) => api.get('/v1/devices', { headers: { authorization: `Bearer ${bearer}` } });

describe('a token (RFC 6749 4.4)', () => {
  test('is signed with a key of the key set, short-lived, and lets in', async () => {
    const client = await newClient();
    const reply = await withSecret(client);
    expect(reply.body).toMatchObject({ token_type: 'Bearer', expires_in: 900, scope: 'read write:commands' });
    expect(reply.headers['cache-control']).toBe('no-store');
    const { keys: set } = (await api.get('/.well-known/jwks.json')).body;
    expect(set[0]).not.toHaveProperty('d');
    const { kid } = decodeProtectedHeader(reply.body.access_token);
    const jwk = set.find((k: { kid: string }) => k.kid === kid);
    const { payload } = await jwtVerify(reply.body.access_token, await importJWK(jwk, 'ES256'), {
      currentDate: new Date(api.service.nowMs),
    });
    expect(payload).toMatchObject({ sub: client.id, iss: 'https://vpp.example', aud: 'https://vpp.example/v1' });
    expect((payload.exp ?? 0) - (payload.iat ?? 0)).toBe(900);
    expect((await read(reply.body.access_token)).status).toBe(200);
  });

  test('can be asked for by HTTP Basic, with fewer scopes', async () => {
    const { id, secret } = await newClient();
    const headers = { ...FORM, authorization: `Basic ${btoa(`${id}:${secret}`)}` };
    const body = 'grant_type=client_credentials&scope=read';
    const reply = await api.request('POST', '/oauth/token', { headers, body });
    expect([reply.status, reply.body.scope]).toEqual([200, 'read']);
    const write = { headers: { authorization: `Bearer ${reply.body.access_token}` } };
    expect((await api.post('/v1/commands', {}, write)).body.code).toBe('missing_scope');
  });

  test.each<[string, Readonly<Record<string, string>>, number, string]>([
    ['a wrong secret', { client_secret: 'wrong' }, 401, 'invalid_client'],
    ['an unknown client', { client_id: 'cli_nobody' }, 401, 'invalid_client'],
    ['an empty secret', { client_secret: '' }, 401, 'invalid_client'],
    ['another grant', { grant_type: 'password' }, 400, 'unsupported_grant_type'],
    ['a scope it lacks', { scope: 'read emergency:stop' }, 400, 'invalid_scope'],
    ['a scope there is not', { scope: 'everything' }, 400, 'invalid_scope'],
    ['a part that is too long', { scope: 'x'.repeat(301) }, 400, 'invalid_request'],
  ])('is refused for %s', async (_, over, status, error) => {
    const reply = await withSecret(await newClient(), over);
    expect([reply.status, reply.body.error]).toEqual([status, error]);
    expect(reply.headers['www-authenticate']).toBe(status === 401 ? 'Basic realm="vpp"' : undefined);
  });

  test('is refused for a part that comes twice, for no grant, for credentials in two places, for JSON', async () => {
    const { id, secret } = await newClient();
    const send = async (body: string, headers: Readonly<Record<string, string>> = {}) =>
      (await api.request('POST', '/oauth/token', { headers: { ...FORM, ...headers }, body })).body.error;
    const good = `client_id=${id}&client_secret=${secret}`;
    expect(await send(`${good}&grant_type=client_credentials&grant_type=x`)).toBe('invalid_request');
    expect(await send(good)).toBe('invalid_request');
    const basic = { authorization: `Basic ${btoa(`${id}:${secret}`)}` };
    expect(await send(`${good}&grant_type=client_credentials`, basic)).toBe('invalid_client');
    const json = await api.post('/oauth/token', { grant_type: 'client_credentials' });
    expect(json.status).toBe(415);
  });

  test('requests of one client have a limit of their own', async () => {
    const client = await newClient();
    const all = await Promise.all(Array.from({ length: 25 }, () => withSecret(client)));
    const limited = all.filter((r) => r.status === 429);
    expect(limited.length).toBe(5);
    expect(limited[0]?.headers['retry-after']).toBe('1');
    api.service.nowMs += 1_000;
    expect((await withSecret(client)).status).toBe(200);
  });
});

describe('a token that is not ours, or not any more', () => {
  const sign = async (
    over: { readonly header?: object; readonly claims?: object; readonly exp?: number; readonly iat?: number } = {},
    key = keys.signing(),
  ) => {
    const client = await newClient();
    const nowS = Math.floor(api.service.nowMs / 1000);
    return new SignJWT({ scope: 'read', client_id: client.id, ...over.claims })
      .setProtectedHeader({ alg: key.alg, kid: key.kid, typ: 'at+jwt', ...over.header })
      .setIssuer('https://vpp.example')
      .setAudience('https://vpp.example/v1')
      .setSubject(client.id)
      .setJti('x')
      .setIssuedAt(over.iat ?? nowS)
      .setExpirationTime(over.exp ?? nowS + 600)
      .sign(key.privateKey);
  };
  const swapPart = (jwt: string, part: number, text: string): string =>
    jwt
      .split('.')
      .map((p, i) => (i === part ? btoa(text).replaceAll('=', '') : p))
      .join('.');

  test('the one made here by hand is good, so that what follows is about what is changed', async () => {
    expect((await read(await sign())).status).toBe(200);
  });

  test.each<[string, () => Promise<string>]>([
    ['no algorithm', async () => new UnsecuredJWT({ sub: 'x' }).setIssuer('https://vpp.example').encode()],
    [
      'HS256 with the public key as secret',
      async () => {
        const { signing } = keys;
        const secret = new TextEncoder().encode(JSON.stringify(signing().jwk));
        return new SignJWT({ scope: 'read' }).setProtectedHeader({ alg: 'HS256', kid: signing().kid }).sign(secret);
      },
    ],
    [
      'another audience',
      () =>
        sign({ claims: { aud: 'https://other.example' } }).then((t) =>
          swapPart(t, 1, JSON.stringify({ ...decodeJwt(t), aud: 'x' })),
        ),
    ],
    [
      'a payload that was changed',
      async () => {
        const t = await sign();
        return swapPart(t, 1, JSON.stringify({ ...decodeJwt(t), scope: 'admin:service' }));
      },
    ],
    ['expired', () => sign({ exp: Math.floor(api.service.nowMs / 1000) - 1 })],
    ['too long-lived', () => sign({ iat: Math.floor(api.service.nowMs / 1000) - 3_600 })],
    [
      'issued in the future',
      () =>
        sign({ iat: Math.floor(api.service.nowMs / 1000) + 3_600, exp: Math.floor(api.service.nowMs / 1000) + 4_000 }),
    ],
    ['another type', () => sign({ header: { typ: 'JWT' } })],
    ['an unknown key id', () => sign({ header: { kid: 'nobody' } })],
    [
      'a key of somebody else under our id',
      async () => {
        const { privateKey } = await generateKeyPair('ES256', { extractable: true });
        return sign({}, { ...keys.signing(), privateKey });
      },
    ],
    [
      'a key in the header',
      async () => {
        const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
        return sign({ header: { jwk: await exportJWK(publicKey) } }, { ...keys.signing(), privateKey });
      },
    ],
    [
      'a client that does not exist',
      () =>
        sign({ claims: {} }).then(async () => {
          const { kid, alg, privateKey } = keys.signing();
          const nowS = Math.floor(api.service.nowMs / 1000);
          return new SignJWT({ scope: 'read' })
            .setProtectedHeader({ alg, kid, typ: 'at+jwt' })
            .setIssuer('https://vpp.example')
            .setAudience('https://vpp.example/v1')
            .setSubject('cli_nobody')
            .setJti('x')
            .setIssuedAt(nowS)
            .setExpirationTime(nowS + 60)
            .sign(privateKey);
        }),
    ],
    ['garbage', async () => 'a.b.c'],
    ['an empty one', async () => ''],
  ])('is refused: %s', async (_, make) => {
    const reply = await read(await make());
    expect([reply.status, reply.body.code]).toEqual([401, 'unauthenticated']);
    expect(reply.headers['www-authenticate']).toContain('Bearer');
  });

  test('other issuers and audiences are refused though signed with our key', async () => {
    const { kid, alg, privateKey } = keys.signing();
    const client = await newClient();
    const nowS = Math.floor(api.service.nowMs / 1000);
    const jwt = (iss: string, aud: string) =>
      new SignJWT({ scope: 'read' })
        .setProtectedHeader({ alg, kid, typ: 'at+jwt' })
        .setIssuer(iss)
        .setAudience(aud)
        .setSubject(client.id)
        .setJti('x')
        .setIssuedAt(nowS)
        .setExpirationTime(nowS + 60)
        .sign(privateKey);
    expect((await read(await jwt('https://vpp.example', 'https://vpp.example/v1'))).status).toBe(200);
    expect((await read(await jwt('https://evil.example', 'https://vpp.example/v1'))).status).toBe(401);
    expect((await read(await jwt('https://vpp.example', 'https://other.example'))).status).toBe(401);
  });

  test('ends by its time, and at once with its client, also when it was seen before', async () => {
    const client = await newClient();
    const bearer = await token(client);
    expect((await read(bearer)).status).toBe(200);
    api.service.nowMs += 899_000;
    expect((await read(bearer)).status).toBe(200);
    api.service.nowMs += 1_000;
    expect((await read(bearer)).body.detail).toBe('the token has expired');
    const fresh = await token(client);
    expect((await read(fresh)).status).toBe(200);
    const path = `/v1/workspaces/${tenant.workspaceId}/clients/${client.id}`;
    expect((await api.request('DELETE', path, { key: tenant.key })).status).toBe(204);
    expect((await read(fresh)).status).toBe(401);
  });

  test('two credentials at once are refused', async () => {
    const bearer = await token(await newClient());
    const reply = await api.get('/v1/devices', { key: tenant.key, headers: { authorization: `Bearer ${bearer}` } });
    expect(reply.status).toBe(401);
  });
});

describe('rotation', () => {
  test('of signing keys: tokens of the key before stay good, those of two before do not', async () => {
    const client = await newClient();
    const first = await token(client);
    await keys.rotate();
    const second = await token(client);
    expect(decodeProtectedHeader(first).kid).not.toBe(decodeProtectedHeader(second).kid);
    expect([(await read(first)).status, (await read(second)).status]).toEqual([200, 200]);
    expect((await api.get('/.well-known/jwks.json')).body.keys.length).toBe(2);
    await keys.rotate();
    const other = await openApi({ keys });
    const reply = await other.get('/v1/devices', { headers: { authorization: `Bearer ${first}` } });
    expect(reply.status).toBe(401);
    await other.close();
  });

  test('of client secrets: two are good at a time, the third ends the first, the last one stays', async () => {
    const client = await newClient();
    const path = `/v1/workspaces/${tenant.workspaceId}/clients/${client.id}/secrets`;
    const next = async (): Promise<Client> => (await api.post(path, {}, { key: tenant.key })).body;
    const second = await next();
    const status = async (c: Client) => (await withSecret({ id: client.id, secret: c.secret })).status;
    expect([await status(client), await status(second)]).toEqual([200, 200]);
    const third = await next();
    expect([await status(client), await status(second), await status(third)]).toEqual([401, 200, 200]);
    const { body } = await api.get(`/v1/workspaces/${tenant.workspaceId}/clients`, { key: tenant.key });
    const [older, newer] = body.data[0].secrets;
    expect((await api.request('DELETE', `${path}/${older.id}`, { key: tenant.key })).status).toBe(200);
    expect([await status(second), await status(third)]).toEqual([401, 200]);
    expect((await api.request('DELETE', `${path}/${newer.id}`, { key: tenant.key })).status).toBe(409);
  });
});

describe('who may give what', () => {
  const make = (scopes: readonly string[], key = tenant.key) =>
    api.post(`/v1/workspaces/${tenant.workspaceId}/api-keys`, { name: 'k', scopes }, { key });

  test('nobody gives what he lacks, and leave to approve is the operator’s to give', async () => {
    const admin: string = (await make(['admin:workspace', 'read'])).body.secret;
    expect((await make(['read'], admin)).status).toBe(201);
    expect((await make(['write:commands'], admin)).body.code).toBe('forbidden');
    expect((await make(['approve:control'])).body.code).toBe('forbidden');
    expect((await make(['approve:control'], OPERATOR_KEY)).status).toBe(201);
    const approver: string = (await make(['approve:control', 'admin:workspace'], OPERATOR_KEY)).body.secret;
    expect((await make(['approve:control'], approver)).body.code).toBe('forbidden');
    expect((await make(['admin:service'], OPERATOR_KEY)).body.code).toBe('forbidden');
  });

  test('the operator is in no workspace', async () => {
    expect((await api.get('/v1/devices', { key: OPERATOR_KEY })).body.code).toBe('missing_scope');
  });

  test('a revoked key is refused at once', async () => {
    const made = await make(['read']);
    expect((await api.get('/v1/devices', { key: made.body.secret })).status).toBe(200);
    await api.request('DELETE', `/v1/workspaces/${tenant.workspaceId}/api-keys/${made.body.id}`, { key: tenant.key });
    expect((await api.get('/v1/devices', { key: made.body.secret })).status).toBe(401);
  });

  test('a key works as a bearer token too', async () => {
    expect((await read(tenant.key)).status).toBe(200);
  });

  test('no secret stands in the journal or in an answer to a second request with the same key', async () => {
    const client = await newClient();
    const key: string = (await make(['read'])).body.secret;
    const path = `/v1/workspaces/${tenant.workspaceId}/clients`;
    const again = { key: tenant.key, headers: { 'idempotency-key': 'k1' } };
    const first = await api.post(path, { name: 'x', scopes: ['read'] }, again);
    const second = await api.post(path, { name: 'x', scopes: ['read'] }, again);
    expect(second.headers['idempotency-replayed']).toBe('true');
    expect(second.body).toEqual({ ...first.body, secret: null });
    const journal = JSON.stringify(api.service.entries);
    for (const secret of [client.secret, key, first.body.secret, tenant.key, OPERATOR_KEY]) {
      expect(secret.length).toBeGreaterThan(30);
      expect(journal).not.toContain(secret);
    }
  });
});
