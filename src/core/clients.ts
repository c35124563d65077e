import { type ApiClient, type ApiKey, type ClientFact, SECRETS_MAX, type SecretHash } from '../domain/client.ts';
import type { Context } from './context.ts';
import type { CoreState } from './state.ts';

/** The registry of who may speak to the service. Hashes only: secrets are made and forgotten outside. */
export const CLIENTS_PER_WORKSPACE_MAX = 200;
export const KEYS_PER_WORKSPACE_MAX = 200;

export type ClientInput =
  | { readonly kind: 'create-client'; readonly client: ApiClient; readonly actor: string }
  | {
      readonly kind: 'add-client-secret';
      readonly clientId: string;
      readonly secret: SecretHash;
      readonly actor: string;
    }
  | {
      readonly kind: 'remove-client-secret';
      readonly clientId: string;
      readonly secretId: string;
      readonly actor: string;
    }
  | { readonly kind: 'revoke-client'; readonly clientId: string; readonly actor: string }
  | { readonly kind: 'create-api-key'; readonly key: ApiKey; readonly actor: string }
  | { readonly kind: 'revoke-api-key'; readonly keyId: string; readonly actor: string };

export function onClient(ctx: Context, input: ClientInput): void {
  switch (input.kind) {
    case 'create-client':
      return createClient(ctx, input.client, input.actor);
    case 'create-api-key':
      return createKey(ctx, input.key, input.actor);
    case 'revoke-api-key': {
      const { keyId, actor } = input;
      const key = ctx.state.apiKeys.get(keyId);
      if (key === undefined) return ctx.refuse(input.kind, `${keyId}: no such key`, 'unknown');
      return ctx.emit({ type: 'api-key.revoked', keyId, workspaceId: key.workspaceId, actor });
    }
    case 'add-client-secret':
    case 'remove-client-secret':
    case 'revoke-client':
      return changeClient(ctx, input);
  }
}

function createClient(ctx: Context, client: ApiClient, actor: string): void {
  const { clients, workspaces } = ctx.state;
  const { clientId, workspaceId } = client;
  if (clients.has(clientId)) return ctx.refuse('create-client', `${clientId} exists`);
  if (workspaceId !== null && !workspaces.has(workspaceId)) {
    return ctx.refuse('create-client', `${workspaceId}: no such workspace`, 'unknown');
  }
  if (countOf(clients.values(), workspaceId) >= CLIENTS_PER_WORKSPACE_MAX) {
    return ctx.refuse('create-client', `a workspace has at most ${CLIENTS_PER_WORKSPACE_MAX} clients`, 'limit');
  }
  ctx.emit({ type: 'client.created', client, actor });
}

function createKey(ctx: Context, key: ApiKey, actor: string): void {
  const { apiKeys, workspaces } = ctx.state;
  const { keyId, workspaceId } = key;
  if (apiKeys.has(keyId)) return ctx.refuse('create-api-key', `${keyId} exists`);
  if (workspaceId !== null && !workspaces.has(workspaceId)) {
    return ctx.refuse('create-api-key', `${workspaceId}: no such workspace`, 'unknown');
  }
  if (countOf(apiKeys.values(), workspaceId) >= KEYS_PER_WORKSPACE_MAX) {
    return ctx.refuse('create-api-key', `a workspace has at most ${KEYS_PER_WORKSPACE_MAX} keys`, 'limit');
  }
  ctx.emit({ type: 'api-key.created', key, actor });
}

const countOf = (held: Iterable<{ readonly workspaceId: string | null }>, workspaceId: string | null): number => {
  let count = 0;
  for (const h of held) if (h.workspaceId === workspaceId) count += 1;
  return count;
};

function changeClient(
  ctx: Context,
  input: Extract<ClientInput, { kind: 'add-client-secret' | 'remove-client-secret' | 'revoke-client' }>,
): void {
  const { clientId, actor } = input;
  const client = ctx.state.clients.get(clientId);
  if (client === undefined) return ctx.refuse(input.kind, `${clientId}: no such client`, 'unknown');
  const { workspaceId } = client;
  switch (input.kind) {
    case 'revoke-client':
      return ctx.emit({ type: 'client.revoked', clientId, workspaceId, actor });
    case 'add-client-secret':
      return ctx.emit({ type: 'client.secret-added', clientId, workspaceId, secret: input.secret, actor });
    case 'remove-client-secret': {
      const { secretId } = input;
      if (!client.secrets.some((s) => s.secretId === secretId)) {
        return ctx.refuse(input.kind, `${secretId}: no such secret`, 'unknown');
      }
      if (client.secrets.length === 1) return ctx.refuse(input.kind, 'it is the last one: revoke the client instead');
      return ctx.emit({ type: 'client.secret-removed', clientId, workspaceId, secretId, actor });
    }
  }
}

export function applyClient(state: CoreState, fact: ClientFact): void {
  switch (fact.type) {
    case 'client.created':
      state.clients.set(fact.client.clientId, fact.client);
      return;
    case 'client.secret-added':
      return change(state, fact.clientId, (secrets) => [...secrets, fact.secret].slice(-SECRETS_MAX));
    case 'client.secret-removed':
      return change(state, fact.clientId, (secrets) => secrets.filter((s) => s.secretId !== fact.secretId));
    case 'client.revoked':
      state.clients.delete(fact.clientId);
      return;
    case 'api-key.created':
      state.apiKeys.set(fact.key.keyId, fact.key);
      return;
    case 'api-key.revoked':
      state.apiKeys.delete(fact.keyId);
  }
}

/** A client that changes is replaced, so that whoever holds the one before sees that it did. */
function change(
  state: CoreState,
  clientId: string,
  by: (secrets: readonly SecretHash[]) => readonly SecretHash[],
): void {
  const client = state.clients.get(clientId);
  if (client !== undefined) state.clients.set(clientId, { ...client, secrets: by(client.secrets) });
}
