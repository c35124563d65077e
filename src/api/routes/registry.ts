import { z } from 'zod';
import type { CoreState } from '../../core/state.ts';
import { type ApiClient, type ApiKey, SCOPE_NAMES, type Scope } from '../../domain/client.ts';
import type { Workspace } from '../../domain/device.ts';
import { isoUtc } from '../../domain/time.ts';
import { newKey } from '../identity.ts';
import { pageOf } from '../page.ts';
import { notFound, ProblemError } from '../problems.ts';
import { type Answer, type Asked, ok, type Route, route } from '../route.ts';
import * as s from '../schemas.ts';
import { randomId, randomSecret } from '../tools.ts';
import { workspaceSchema, workspaceView } from '../views.ts';

/**
 * Workspaces and credentials. The operator of the service (admin:service) sees all; the administrator of a workspace its
 * own. Nobody gives what he does not have, and leave to approve control is given by the operator only: else one person
 * could make himself the second one that an approval needs (promise S9).
 */
const tag = 'Administration';
const registry = (asked: Pick<Asked, 'face'>): CoreState => asked.face.service.registry.state;
const isOperator = (asked: Pick<Asked, 'principal'>): boolean => asked.principal.scopes.has('admin:service');

function ownWorkspace(asked: Pick<Asked, 'face' | 'principal'>, workspaceId: string): Workspace {
  const workspace = registry(asked).workspaces.get(workspaceId);
  if (workspace === undefined || !(isOperator(asked) || asked.principal.workspaceId === workspaceId)) {
    throw notFound('workspace', workspaceId);
  }
  return workspace;
}

/** Credentials of a workspace, or of the operator where the path says "service". */
const SERVICE = 'service';
function holderOf(asked: Pick<Asked, 'face' | 'principal'>, workspaceId: string): string | null {
  if (workspaceId === SERVICE && isOperator(asked)) return null;
  return ownWorkspace(asked, workspaceId).workspaceId;
}

const clientSchema = z.strictObject({
  id: z.string(),
  name: z.string(),
  scopes: z.array(z.string()),
  secrets: z.array(z.strictObject({ id: z.string(), createdAt: s.wireInstant() })),
  createdAt: s.wireInstant(),
});
const clientView = (c: ApiClient) => ({
  id: c.clientId,
  name: c.name,
  scopes: c.scopes,
  secrets: c.secrets.map(({ secretId, createdMs }) => ({ id: secretId, createdAt: isoUtc(createdMs) })),
  createdAt: isoUtc(c.createdMs),
});
const shown = clientSchema.extend({ secret: z.nullable(z.string()).describe('Shown once; null when asked again') });

const keySchema = z.strictObject({
  id: z.string(),
  name: z.string(),
  scopes: z.array(z.string()),
  createdAt: s.wireInstant(),
});
const keyView = (k: ApiKey) => ({ id: k.keyId, name: k.name, scopes: k.scopes, createdAt: isoUtc(k.createdMs) });

const body = z.strictObject({
  name: s.text('name'),
  scopes: z
    .array(s.choice(SCOPE_NAMES as unknown as [Scope, ...Scope[]]))
    .min(1, { error: 'at least one scope' })
    .max(SCOPE_NAMES.length)
    .refine((list) => new Set(list).size === list.length, { error: 'each scope once' }),
});

const OPERATORS_GIFTS: readonly Scope[] = ['approve:control', 'admin:service'];

function guardScopes(asked: Asked, workspaceId: string | null, scopes: readonly Scope[]): void {
  if (workspaceId !== null && scopes.includes('admin:service')) {
    throw new ProblemError('forbidden', 'admin:service is for credentials of the operator, in no workspace');
  }
  if (isOperator(asked)) return;
  const missing = scopes.find((x) => OPERATORS_GIFTS.includes(x) || !asked.principal.scopes.has(x));
  if (missing !== undefined) throw new ProblemError('forbidden', `${missing} is not yours to give`);
}

/** Answers with a secret that the journal must not hold: it is put in after the answer was stored. */
const withSecret = async (answer: Promise<Answer>, secret: string): Promise<Answer> => {
  const { body: stored, ...rest } = await answer;
  return { ...rest, body: { ...(stored as object), secret } };
};

const inWorkspace = z.strictObject({ workspaceId: s.pathId() });
const clientParams = z.strictObject({ workspaceId: s.pathId(), clientId: s.pathId() });

function ownClient(asked: Asked<{ readonly workspaceId: string; readonly clientId: string }>): ApiClient {
  const { workspaceId, clientId } = asked.params;
  // The workspace first, whatever the client: else the answer would tell whether there is such a client elsewhere.
  const holder = holderOf(asked, workspaceId);
  const client = registry(asked).clients.get(clientId);
  if (client === undefined || client.workspaceId !== holder) throw notFound('client', clientId);
  return client;
}

async function newSecret(asked: Pick<Asked, 'face'>) {
  const { tools, limits } = asked.face;
  const secret = randomSecret(tools);
  const salt = randomSecret(tools);
  const hash = await limits.hashing(() => tools.scrypt(secret, salt));
  if (hash === null) throw new ProblemError('unavailable', 'too many at once', { headers: { 'retry-after': '1' } });
  const kept = { secretId: randomId(tools, 'sec', 16), salt, hash, createdMs: tools.nowMs() };
  return { secret, kept };
}

const workspaces: readonly Route[] = [
  route({
    method: 'POST',
    path: '/v1/workspaces',
    tag,
    summary: 'Makes a workspace; a sandbox has simulated devices and a clock of its own',
    scope: 'admin:service',
    in: 'registry',
    body: z.strictObject({ name: s.text('name'), environment: z.optional(s.choice(['production', 'sandbox'])) }),
    answers: { 201: { means: 'Made', body: workspaceSchema } },
    problems: ['limit_reached'],
    handle: (asked) => {
      const { name, environment = 'production' } = asked.body;
      const workspaceId = randomId(asked.face.tools, 'ws');
      const workspace = { workspaceId, name, environment, gridServices: false };
      const input = { kind: 'create-workspace', workspace } as const;
      return asked.changeRegistry(input, () => ({ status: 201, body: workspaceView(workspace) }));
    },
  }),
  route({
    method: 'GET',
    path: '/v1/workspaces',
    tag,
    summary: 'The workspaces that the caller may see',
    scope: 'read',
    in: 'registry',
    query: z.strictObject(s.paging),
    answers: { 200: { means: 'A page', body: s.page(workspaceSchema) } },
    handle: (asked) => {
      const isMine = (w: Workspace) => isOperator(asked) || w.workspaceId === asked.principal.workspaceId;
      const all = registry(asked).workspaces.values();
      const list = { list: 'workspaces', all, idOf: (w: Workspace) => w.workspaceId, isMine, view: workspaceView };
      return ok(pageOf(list, asked.query));
    },
  }),
  route({
    method: 'GET',
    path: '/v1/workspaces/{workspaceId}',
    tag,
    summary: 'A workspace',
    scope: 'read',
    in: 'registry',
    params: inWorkspace,
    answers: { 200: { means: 'The workspace', body: workspaceSchema } },
    problems: ['not_found'],
    handle: (asked) => ok(workspaceView(ownWorkspace(asked, asked.params.workspaceId))),
  }),
];

const clients: readonly Route[] = [
  route({
    method: 'POST',
    path: '/v1/workspaces/{workspaceId}/clients',
    tag,
    summary: 'Makes an OAuth2 client; its secret is shown once',
    description: 'The operator of the service names "service" in place of a workspace for clients of his own.',
    scope: 'admin:workspace',
    in: 'registry',
    params: inWorkspace,
    body,
    answers: { 201: { means: 'Made', body: shown } },
    problems: ['not_found', 'limit_reached'],
    handle: async (asked) => {
      const workspaceId = holderOf(asked, asked.params.workspaceId);
      const { name, scopes } = asked.body;
      guardScopes(asked, workspaceId, scopes);
      const { tools } = asked.face;
      const clientId = randomId(tools, 'cli');
      const { secret, kept } = await newSecret(asked);
      const client = { clientId, workspaceId, name, scopes, secrets: [kept], createdMs: tools.nowMs() };
      const input = { kind: 'create-client', client, actor: asked.principal.actor } as const;
      const answer = asked.changeRegistry(input, () => ({
        status: 201,
        body: { ...clientView(client), secret: null },
      }));
      return withSecret(answer, secret);
    },
  }),
  route({
    method: 'GET',
    path: '/v1/workspaces/{workspaceId}/clients',
    tag,
    summary: 'The clients of a workspace',
    scope: 'admin:workspace',
    in: 'registry',
    params: inWorkspace,
    query: z.strictObject(s.paging),
    answers: { 200: { means: 'A page', body: s.page(clientSchema) } },
    problems: ['not_found'],
    handle: (asked) => {
      const workspaceId = holderOf(asked, asked.params.workspaceId);
      const isMine = (c: ApiClient) => c.workspaceId === workspaceId;
      const all = registry(asked).clients.values();
      return ok(pageOf({ list: 'clients', all, idOf: (c) => c.clientId, isMine, view: clientView }, asked.query));
    },
  }),
  route({
    method: 'POST',
    path: '/v1/workspaces/{workspaceId}/clients/{clientId}/secrets',
    tag,
    summary: 'A new secret; the one before stays valid until the next',
    scope: 'admin:workspace',
    in: 'registry',
    params: clientParams,
    answers: { 201: { means: 'Made', body: shown } },
    problems: ['not_found'],
    handle: async (asked) => {
      const { clientId } = ownClient(asked);
      const { secret, kept } = await newSecret(asked);
      const input = { kind: 'add-client-secret', clientId, secret: kept, actor: asked.principal.actor } as const;
      const answer = asked.changeRegistry(input, () => ({
        status: 201,
        body: { ...clientView(ownClient(asked)), secret: null },
      }));
      return withSecret(answer, secret);
    },
  }),
  route({
    method: 'DELETE',
    path: '/v1/workspaces/{workspaceId}/clients/{clientId}/secrets/{secretId}',
    tag,
    summary: 'Ends a secret at once; not the last one',
    scope: 'admin:workspace',
    in: 'registry',
    params: clientParams.extend({ secretId: s.pathId() }),
    answers: { 200: { means: 'The client as it is now', body: clientSchema } },
    problems: ['not_found', 'conflict'],
    handle: (asked) => {
      const { clientId } = ownClient(asked);
      const { secretId } = asked.params;
      const input = { kind: 'remove-client-secret', clientId, secretId, actor: asked.principal.actor } as const;
      return asked.changeRegistry(input, () => ok(clientView(ownClient(asked))));
    },
  }),
  route({
    method: 'DELETE',
    path: '/v1/workspaces/{workspaceId}/clients/{clientId}',
    tag,
    summary: 'Revokes a client; its tokens end with it',
    scope: 'admin:workspace',
    in: 'registry',
    params: clientParams,
    answers: { 204: { means: 'Revoked', body: null } },
    problems: ['not_found'],
    handle: (asked) => {
      const { clientId } = ownClient(asked);
      const input = { kind: 'revoke-client', clientId, actor: asked.principal.actor } as const;
      return asked.changeRegistry(input, () => ({ status: 204, body: null }));
    },
  }),
];

const keys: readonly Route[] = [
  route({
    method: 'POST',
    path: '/v1/workspaces/{workspaceId}/api-keys',
    tag,
    summary: 'Makes an API key; it is shown once',
    scope: 'admin:workspace',
    in: 'registry',
    params: inWorkspace,
    body,
    answers: {
      201: {
        means: 'Made',
        body: keySchema.extend({ secret: z.nullable(z.string()).describe('The key; null when asked again') }),
      },
    },
    problems: ['not_found', 'limit_reached'],
    handle: (asked) => {
      const workspaceId = holderOf(asked, asked.params.workspaceId);
      const { name, scopes } = asked.body;
      guardScopes(asked, workspaceId, scopes);
      const { tools } = asked.face;
      const { keyId, text, hash } = newKey(tools);
      const key = { keyId, workspaceId, name, scopes, hash, createdMs: tools.nowMs() };
      const input = { kind: 'create-api-key', key, actor: asked.principal.actor } as const;
      const answer = asked.changeRegistry(input, () => ({ status: 201, body: { ...keyView(key), secret: null } }));
      return withSecret(answer, text);
    },
  }),
  route({
    method: 'GET',
    path: '/v1/workspaces/{workspaceId}/api-keys',
    tag,
    summary: 'The API keys of a workspace',
    scope: 'admin:workspace',
    in: 'registry',
    params: inWorkspace,
    query: z.strictObject(s.paging),
    answers: { 200: { means: 'A page', body: s.page(keySchema) } },
    problems: ['not_found'],
    handle: (asked) => {
      const workspaceId = holderOf(asked, asked.params.workspaceId);
      const isMine = (k: ApiKey) => k.workspaceId === workspaceId;
      const all = registry(asked).apiKeys.values();
      return ok(pageOf({ list: 'api-keys', all, idOf: (k) => k.keyId, isMine, view: keyView }, asked.query));
    },
  }),
  route({
    method: 'DELETE',
    path: '/v1/workspaces/{workspaceId}/api-keys/{keyId}',
    tag,
    summary: 'Revokes an API key',
    scope: 'admin:workspace',
    in: 'registry',
    params: z.strictObject({ workspaceId: s.pathId(), keyId: s.pathId() }),
    answers: { 204: { means: 'Revoked', body: null } },
    problems: ['not_found'],
    handle: (asked) => {
      const { workspaceId, keyId } = asked.params;
      const holder = holderOf(asked, workspaceId);
      const key = registry(asked).apiKeys.get(keyId);
      if (key === undefined || key.workspaceId !== holder) throw notFound('key', keyId);
      const input = { kind: 'revoke-api-key', keyId, actor: asked.principal.actor } as const;
      return asked.changeRegistry(input, () => ({ status: 204, body: null }));
    },
  }),
];

export const registryRoutes: readonly Route[] = [...workspaces, ...clients, ...keys];
