import { z } from 'zod';
import { isScope, type Scope } from '../../domain/client.ts';
import { TOKEN_S } from '../identity.ts';
import { PROBLEMS, problemUri } from '../problems.ts';
import { type Answer, type Asked, ok, type Route, route } from '../route.ts';

/** What anybody may ask for: a token, the keys to check one with, what there is, and whether it runs. */

const tokenAnswer = z.strictObject({
  access_token: z.string(),
  token_type: z.literal('Bearer'),
  expires_in: z.number(),
  scope: z.string(),
});
const oauthError = z.strictObject({ error: z.string(), error_description: z.string() });

/** [octets] Of each part of the form. */
const PART_MAX = 300;

type Client = { readonly clientId: string; readonly secret: string };

/** RFC 6749 5.2; the body of this endpoint's failures is its own, not RFC 9457. */
const refusal = (error: string, why: string, status = 400, headers: Readonly<Record<string, string>> = {}): Answer => ({
  status,
  body: { error, error_description: why },
  headers: { pragma: 'no-cache', 'content-type': 'application/json', ...headers },
});

/** The client and its secret, from the Authorization header or the form, not from both (RFC 6749 2.3). */
function clientOf(asked: Asked, form: ReadonlyMap<string, string>): Client | string {
  const { authorization } = asked.headers;
  const id = form.get('client_id');
  const secret = form.get('client_secret');
  if (typeof authorization !== 'string') {
    return id === undefined || secret === undefined ? 'no client credentials were given' : { clientId: id, secret };
  }
  if (secret !== undefined) return 'credentials were given in two places';
  const basic = /^Basic ([A-Za-z0-9+/]+=*)$/i.exec(authorization)?.[1];
  if (basic === undefined) return 'the Authorization header is not Basic';
  try {
    const [clientId = '', ...rest] = atob(basic).split(':');
    // RFC 6749 2.3.1: both are form-encoded before they are joined.
    const decoded = { clientId: decodeURIComponent(clientId), secret: decodeURIComponent(rest.join(':')) };
    return id !== undefined && id !== decoded.clientId ? 'two different clients were named' : decoded;
  } catch {
    return 'the Authorization header is not Basic';
  }
}

/** Names and values of a form; null when a name comes twice or a part is too long (RFC 6749 3.2). */
function formOf(text: unknown): ReadonlyMap<string, string> | null {
  if (typeof text !== 'string') return null;
  const form = new Map<string, string>();
  for (const [name, value] of new URLSearchParams(text)) {
    if (form.has(name) || value.length > PART_MAX) return null;
    form.set(name, value);
  }
  return form;
}

async function token(asked: Asked): Promise<Answer> {
  const form = formOf(asked.body);
  if (form === null) return refusal('invalid_request', 'expected a form in which each name stands once');
  const { identity, limits, service, tools } = asked.face;
  const named = clientOf(asked, form);
  if (typeof named === 'string') return refusal('invalid_client', named, 401, BASIC);
  const waitS = limits.token(named.clientId, tools.nowMs());
  if (waitS > 0) return refusal('slow_down', `try again in ${waitS} s`, 429, { 'retry-after': String(waitS) });
  const client = service.registry.state.clients.get(named.clientId);
  const isGood = await limits.hashing(() => identity.hasSecret(client, named.secret));
  if (isGood === null) return refusal('temporarily_unavailable', 'too many at once', 503, { 'retry-after': '1' });
  if (!isGood || client === undefined) return refusal('invalid_client', 'no such client and secret', 401, BASIC);
  const grant = form.get('grant_type');
  if (grant === undefined) return refusal('invalid_request', 'grant_type is missing');
  if (grant !== 'client_credentials') return refusal('unsupported_grant_type', 'only client_credentials');
  const scopes = scopesOf(form.get('scope'), client.scopes);
  if (typeof scopes === 'string') return refusal('invalid_scope', `the client does not have the scope ${scopes}`);
  const body = {
    access_token: await identity.issue(client, scopes),
    token_type: 'Bearer',
    expires_in: TOKEN_S,
    scope: scopes.join(' '),
  };
  return { status: 200, body, headers: { pragma: 'no-cache' } };
}

const BASIC = { 'www-authenticate': 'Basic realm="vpp"' };

/** Those that were asked for, or all; the first one that the client does not have, as text. */
function scopesOf(asked: string | undefined, has: readonly Scope[]): readonly Scope[] | string {
  if (asked === undefined || asked.trim() === '') return has;
  const names = [...new Set(asked.split(' ').filter((n) => n !== ''))];
  const missing = names.find((n) => !isScope(n) || !has.includes(n));
  return missing ?? names.filter(isScope);
}

const some = z.record(z.string(), z.unknown());

export const openRoutes: readonly Route[] = [
  route({
    method: 'POST',
    path: '/oauth/token',
    tag: 'Identity',
    summary: 'An access token for a client (RFC 6749 4.4)',
    description: 'A form: grant_type=client_credentials, optionally scope. The client by HTTP Basic or in the form.',
    scope: null,
    form: true,
    body: z.strictObject({
      grant_type: z.literal('client_credentials'),
      client_id: z.optional(z.string()),
      client_secret: z.optional(z.string()),
      scope: z.optional(z.string()),
    }),
    answers: {
      200: { means: 'The token', body: tokenAnswer },
      400: { means: 'invalid_request, unsupported_grant_type or invalid_scope (RFC 6749 5.2)', body: oauthError },
      401: { means: 'invalid_client', body: oauthError },
      429: { means: 'Too many for this client', body: oauthError },
      503: { means: 'Too many at once', body: oauthError },
    },
    problems: ['body_too_large', 'unsupported_media_type'],
    handle: (asked) => token(asked),
  }),
  route({
    method: 'GET',
    path: '/.well-known/jwks.json',
    tag: 'Identity',
    summary: 'The public keys that tokens are signed with (RFC 7517)',
    scope: null,
    answers: { 200: { means: 'The key set', body: z.strictObject({ keys: z.array(some) }) } },
    handle: ({ face }) => ok({ keys: face.tools.keys.live().map(({ jwk }) => jwk) }),
  }),
  route({
    method: 'GET',
    path: '/v1/openapi.json',
    tag: 'About',
    summary: 'This document',
    scope: null,
    answers: { 200: { means: 'OpenAPI 3.1', body: some } },
    handle: ({ face }) => ok(face.document()),
  }),
  route({
    method: 'GET',
    path: '/v1/problems',
    tag: 'About',
    summary: 'Every code a failure can have',
    scope: null,
    answers: {
      200: {
        means: 'The codes',
        body: z.strictObject({
          data: z.array(z.strictObject({ code: z.string(), type: z.string(), status: z.number(), title: z.string() })),
        }),
      },
    },
    handle: () => {
      const codes = Object.keys(PROBLEMS) as (keyof typeof PROBLEMS)[];
      return ok({ data: codes.map((code) => ({ code, type: problemUri(code), ...PROBLEMS[code] })) });
    },
  }),
  route({
    method: 'GET',
    path: '/health',
    tag: 'About',
    summary: 'Whether requests can be served; the parts only for those who may read',
    scope: null,
    answers: {
      200: { means: 'It runs', body: z.strictObject({ status: z.string() }) },
      503: { means: 'It only reads', body: z.strictObject({ status: z.string() }) },
    },
    handle: ({ face }) => {
      const { status } = face.service.health();
      return { status: status === 'read-only' ? 503 : 200, body: { status }, headers: JSON_TYPE };
    },
  }),
];
const JSON_TYPE = { 'content-type': 'application/json' };
