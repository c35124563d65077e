import { describe, expect, test } from 'vitest';
import { CLIENTS_PER_WORKSPACE_MAX, KEYS_PER_WORKSPACE_MAX } from '../../../src/core/clients.ts';
import { restoreState, snapshotOf } from '../../../src/core/snapshot.ts';
import type { ApiClient, ApiKey, SecretHash } from '../../../src/domain/client.ts';
import { Bench } from '../../helpers/coreBench.ts';

const secret = (secretId: string): SecretHash => ({ secretId, salt: 's', hash: `h-${secretId}`, createdMs: 0 });
const client = (clientId: string, over: Partial<ApiClient> = {}): ApiClient => ({
  clientId,
  workspaceId: 'ws',
  name: clientId,
  scopes: ['read'],
  secrets: [secret('s1')],
  createdMs: 0,
  ...over,
});
const key = (keyId: string, workspaceId: string | null = 'ws'): ApiKey => ({
  keyId,
  workspaceId,
  name: keyId,
  scopes: ['read'],
  hash: 'h',
  createdMs: 0,
});
const actor = 'operator';

describe('the registry of credentials', () => {
  test('keeps at most two secrets of a client, the newest', () => {
    const b = new Bench();
    b.put({ kind: 'create-client', client: client('c'), actor });
    for (const id of ['s2', 's3']) b.put({ kind: 'add-client-secret', clientId: 'c', secret: secret(id), actor });
    const secrets = () => b.core.state.clients.get('c')?.secrets.map((s) => s.secretId);
    expect(secrets()).toEqual(['s2', 's3']);
    b.put({ kind: 'remove-client-secret', clientId: 'c', secretId: 's2', actor });
    expect(secrets()).toEqual(['s3']);
    b.put({ kind: 'remove-client-secret', clientId: 'c', secretId: 's3', actor });
    expect([secrets(), b.refusals.at(-1)?.why]).toEqual([['s3'], 'it is the last one: revoke the client instead']);
  });

  test('a client that changes is another object, so that a cache sees it', () => {
    const b = new Bench();
    b.put({ kind: 'create-client', client: client('c'), actor });
    const before = b.core.state.clients.get('c');
    b.put({ kind: 'add-client-secret', clientId: 'c', secret: secret('s2'), actor });
    expect(b.core.state.clients.get('c')).not.toBe(before);
  });

  test('refuses what is not there, what is there twice, and a workspace nobody knows', () => {
    const b = new Bench();
    const said = (input: Parameters<Bench['put']>[0]) => b.put(input).refusals.map((r) => r.code);
    b.put({ kind: 'create-client', client: client('c'), actor });
    b.put({ kind: 'create-api-key', key: key('k'), actor });
    expect(said({ kind: 'create-client', client: client('c'), actor })).toEqual(['conflict']);
    expect(said({ kind: 'create-api-key', key: key('k'), actor })).toEqual(['conflict']);
    expect(said({ kind: 'create-client', client: client('d', { workspaceId: 'no' }), actor })).toEqual(['unknown']);
    expect(said({ kind: 'create-api-key', key: key('l', 'no'), actor })).toEqual(['unknown']);
    expect(said({ kind: 'revoke-client', clientId: 'x', actor })).toEqual(['unknown']);
    expect(said({ kind: 'revoke-api-key', keyId: 'x', actor })).toEqual(['unknown']);
    expect(said({ kind: 'add-client-secret', clientId: 'x', secret: secret('s'), actor })).toEqual(['unknown']);
    expect(said({ kind: 'remove-client-secret', clientId: 'c', secretId: 'x', actor })).toEqual(['unknown']);
    expect(said({ kind: 'create-api-key', key: key('op', null), actor })).toEqual([]);
  });

  test('has a limit per workspace, and one that is revoked makes room', () => {
    const b = new Bench();
    for (let n = 0; n < CLIENTS_PER_WORKSPACE_MAX; n++) {
      b.put({ kind: 'create-client', client: client(`c${n}`), actor });
    }
    for (let n = 0; n < KEYS_PER_WORKSPACE_MAX; n++) b.put({ kind: 'create-api-key', key: key(`k${n}`), actor });
    expect(b.refusals).toEqual([]);
    expect(b.put({ kind: 'create-client', client: client('more'), actor }).refusals[0]?.code).toBe('limit');
    expect(b.put({ kind: 'create-api-key', key: key('more'), actor }).refusals[0]?.code).toBe('limit');
    b.put({ kind: 'revoke-client', clientId: 'c0', actor });
    b.put({ kind: 'revoke-api-key', keyId: 'k0', actor });
    expect(b.put({ kind: 'create-client', client: client('more'), actor }).refusals).toEqual([]);
    expect(b.put({ kind: 'create-api-key', key: key('more'), actor }).refusals).toEqual([]);
  });

  test('comes back from a snapshot', () => {
    const b = new Bench();
    b.put({ kind: 'create-client', client: client('c'), actor });
    b.put({ kind: 'create-api-key', key: key('k'), actor });
    const state = restoreState(JSON.parse(JSON.stringify(snapshotOf(b.core.state))));
    expect(state.clients).toEqual(b.core.state.clients);
    expect(state.apiKeys).toEqual(b.core.state.apiKeys);
  });
});
