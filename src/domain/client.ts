import type { EpochMs } from './units.ts';

/**
 * Who may speak to the service: OAuth2 clients (RFC 6749 4.4) and API keys. Only hashes are kept; a secret is shown once,
 * when it is made. Belonging to a workspace is part of the credential, so no request can name another one.
 */

/** The smallest set that keeps people apart who should be: who reads, who steers, who approves, who runs the service. */
export const SCOPES = {
  read: 'Reads everything of the workspace',
  'write:commands': 'Commands, batches, schedules, automations',
  'write:devices': 'Customers, sites, devices, tags, groups, topology, alerts',
  'write:programs': 'Programs, enrollments, events, bids',
  'write:awards': 'Awards: the side of a market integration',
  'write:meter-readings': 'Meter readings: the side of a meter data provider',
  'write:incentives': 'Resources, answers to events, reports: the side of a partner',
  'write:destinations': 'Where webhooks go',
  'write:safety': 'Configures the safety of sites and asks for leave to control them',
  'approve:control':
    'Approves control of a site, and the release after a stop. Only the operator of the service grants it',
  'emergency:stop': 'Stops devices at once',
  'admin:workspace': "The workspace's clients, keys, grid services and, in a sandbox, its clock",
  'admin:service': 'Workspaces and everything about credentials: the operator of the service',
} as const satisfies Readonly<Record<string, string>>;

export type Scope = keyof typeof SCOPES;
export const SCOPE_NAMES = Object.keys(SCOPES) as readonly Scope[];
export const isScope = (text: string): text is Scope => Object.hasOwn(SCOPES, text);

export interface SecretHash {
  readonly secretId: string;
  /** [hex] */
  readonly salt: string;
  /** scrypt of the secret [hex]. */
  readonly hash: string;
  readonly createdMs: EpochMs;
}

export interface ApiClient {
  readonly clientId: string;
  /** null: the operator of the service, in no workspace. */
  readonly workspaceId: string | null;
  readonly name: string;
  readonly scopes: readonly Scope[];
  /** Oldest first; at most SECRETS_MAX are valid at a time, so that one can be replaced without a gap. */
  readonly secrets: readonly SecretHash[];
  readonly createdMs: EpochMs;
}

export const SECRETS_MAX = 2;

export interface ApiKey {
  readonly keyId: string;
  readonly workspaceId: string | null;
  readonly name: string;
  readonly scopes: readonly Scope[];
  /** SHA-256 of the key [hex]: it has 256 bits of its own, so a slow hash would add nothing. */
  readonly hash: string;
  readonly createdMs: EpochMs;
}

export type ClientFact =
  | { readonly type: 'client.created'; readonly client: ApiClient; readonly actor: string }
  | {
      readonly type: 'client.secret-added';
      readonly clientId: string;
      readonly workspaceId: string | null;
      readonly secret: SecretHash;
      readonly actor: string;
    }
  | {
      readonly type: 'client.secret-removed';
      readonly clientId: string;
      readonly workspaceId: string | null;
      readonly secretId: string;
      readonly actor: string;
    }
  | {
      readonly type: 'client.revoked';
      readonly clientId: string;
      readonly workspaceId: string | null;
      readonly actor: string;
    }
  | { readonly type: 'api-key.created'; readonly key: ApiKey; readonly actor: string }
  | {
      readonly type: 'api-key.revoked';
      readonly keyId: string;
      readonly workspaceId: string | null;
      readonly actor: string;
    };
