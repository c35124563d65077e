import { jwtVerify, SignJWT } from 'jose';
import type { CoreState } from '../core/state.ts';
import { type ApiClient, type ApiKey, isScope, type Scope } from '../domain/client.ts';
import type { EpochMs } from '../domain/units.ts';
import { ProblemError } from './problems.ts';
import { type ApiTools, randomId, randomSecret } from './tools.ts';

/**
 * Who asks. A credential is an access token (JWT, RFC 9068, of POST /oauth/token) or an API key. Whatever it says, the
 * registry has the last word at each request: a client or key that was revoked a moment ago is refused, and a scope that
 * the client has no longer is not in force.
 */
export interface Principal {
  /** "client/<id>" or "key/<id>": who it was, in the audit trail and in approvals. */
  readonly actor: string;
  /** null: the operator of the service. */
  readonly workspaceId: string | null;
  readonly scopes: ReadonlySet<Scope>;
  /** When the credential ends by itself; null = not. */
  readonly expiresMs: EpochMs | null;
}

export interface IdentityOptions {
  readonly issuer: string;
  readonly audience: string;
  /** SHA-256 [hex] of keys that the operator of the service holds; they are configured, not registered. */
  readonly operatorKeyHashes: readonly string[];
}

/** Promise of the project: at most a quarter of an hour. */
export const TOKEN_S = 900;
const ALGORITHMS = ['ES256', 'EdDSA'];
const KEY_PREFIX = 'vpp.';
/** A token that is not among these is verified again, which costs some 0.2 ms. */
const VERIFIED_MAX = 10_000;

interface Verified {
  readonly clientId: string;
  readonly asked: readonly Scope[];
  readonly expiresMs: EpochMs;
  /** The client as it was when the principal was made. */
  client: ApiClient | null;
  principal: Principal | null;
}

export class Identity {
  readonly #tools: ApiTools;
  readonly #options: IdentityOptions;
  readonly #verified = new Map<string, Verified>();

  constructor(tools: ApiTools, options: IdentityOptions) {
    this.#tools = tools;
    this.#options = options;
  }

  /**
   * The principal of a request's headers.
   * @returns   at once for an API key and for a token that was seen before
   * @throws    ProblemError unauthenticated
   */
  of(headers: Readonly<Record<string, unknown>>, state: CoreState): Principal | Promise<Principal> {
    const { authorization } = headers;
    const key = headers['texture-api-key'];
    if (authorization !== undefined && key !== undefined) throw unauthenticated('two credentials were given');
    if (typeof key === 'string') return this.#ofKey(key, state);
    if (typeof authorization !== 'string') throw unauthenticated('no credential was given');
    const bearer = /^Bearer ([\w\-.~+/]+=*)$/i.exec(authorization)?.[1];
    if (bearer === undefined) throw unauthenticated('the Authorization header is no bearer credential');
    return this.ofBearer(bearer, state);
  }

  ofBearer(bearer: string, state: CoreState): Principal | Promise<Principal> {
    if (bearer.startsWith(KEY_PREFIX)) return this.#ofKey(bearer, state);
    const known = this.#verified.get(bearer);
    if (known !== undefined) return this.#ofVerified(known, bearer, state);
    return this.#verify(bearer).then((v) => this.#ofVerified(v, bearer, state));
  }

  #ofKey(text: string, state: CoreState): Principal {
    const hash = this.#tools.sha256(text);
    const keyId = text.split('.')[1] ?? '';
    const key = state.apiKeys.get(keyId);
    if (key !== undefined && this.#tools.equal(key.hash, hash)) return principalOfKey(key);
    if (this.#options.operatorKeyHashes.some((h) => this.#tools.equal(h, hash))) return OPERATOR;
    throw unauthenticated('the API key is not valid');
  }

  async #verify(token: string): Promise<Verified> {
    try {
      const { payload } = await jwtVerify(
        token,
        (header) => {
          const key = this.#tools.keys.live().find((k) => k.kid === header.kid && k.alg === header.alg);
          if (key === undefined) throw unauthenticated('the token is not valid');
          return key.publicKey;
        },
        {
          algorithms: ALGORITHMS,
          issuer: this.#options.issuer,
          audience: this.#options.audience,
          typ: 'at+jwt',
          requiredClaims: ['exp', 'iat', 'sub', 'jti'],
          maxTokenAge: TOKEN_S + 1,
          currentDate: new Date(this.#tools.nowMs()),
        },
      );
      const { sub = '', exp = 0, scope } = payload;
      const asked = (typeof scope === 'string' ? scope.split(' ') : []).filter(isScope);
      const verified: Verified = { clientId: sub, asked, expiresMs: exp * 1000, client: null, principal: null };
      this.#remember(token, verified);
      return verified;
    } catch (error) {
      // What exactly is wrong with a forged token is nobody's business; that it has expired helps an honest client.
      const expired = error instanceof Error && 'code' in error && error.code === 'ERR_JWT_EXPIRED';
      throw unauthenticated(expired ? 'the token has expired' : 'the token is not valid');
    }
  }

  #remember(token: string, verified: Verified): void {
    this.#verified.set(token, verified);
    if (this.#verified.size <= VERIFIED_MAX) return;
    const [first] = this.#verified.keys();
    if (first !== undefined) this.#verified.delete(first);
  }

  #ofVerified(v: Verified, token: string, state: CoreState): Principal {
    if (v.expiresMs <= this.#tools.nowMs()) {
      this.#verified.delete(token);
      throw unauthenticated('the token has expired');
    }
    const client = state.clients.get(v.clientId);
    if (client === undefined) throw unauthenticated('the token is not valid');
    if (v.client !== client || v.principal === null) {
      v.client = client;
      v.principal = {
        actor: `client/${client.clientId}`,
        workspaceId: client.workspaceId,
        scopes: new Set(v.asked.filter((s) => client.scopes.includes(s))),
        expiresMs: v.expiresMs,
      };
    }
    return v.principal;
  }

  /** An access token for a client. The caller has checked its secret and its scopes. */
  async issue(client: ApiClient, scopes: readonly Scope[]): Promise<string> {
    const { kid, alg, privateKey } = this.#tools.keys.signing();
    const nowS = Math.floor(this.#tools.nowMs() / 1000);
    return new SignJWT({ client_id: client.clientId, scope: scopes.join(' ') })
      .setProtectedHeader({ alg, kid, typ: 'at+jwt' })
      .setIssuer(this.#options.issuer)
      .setAudience(this.#options.audience)
      .setSubject(client.clientId)
      .setJti(randomId(this.#tools, 'tok', 16))
      .setIssuedAt(nowS)
      .setExpirationTime(nowS + TOKEN_S)
      .sign(privateKey);
  }

  /** Whether one of the client's secrets is this one. An unknown client takes as long as a known one. */
  async hasSecret(client: ApiClient | undefined, secret: string): Promise<boolean> {
    const hashes = client?.secrets ?? [];
    if (hashes.length === 0) await this.#tools.scrypt(secret, 'nobody');
    let found = false;
    for (const { salt, hash } of hashes) {
      if (this.#tools.equal(await this.#tools.scrypt(secret, salt), hash)) found = true;
    }
    return found;
  }
}

const OPERATOR: Principal = {
  actor: 'operator',
  workspaceId: null,
  scopes: new Set<Scope>(['admin:service']),
  expiresMs: null,
};

const principals = new WeakMap<ApiKey, Principal>();

function principalOfKey(key: ApiKey): Principal {
  const known = principals.get(key);
  if (known !== undefined) return known;
  const { keyId, workspaceId, scopes } = key;
  const principal = { actor: `key/${keyId}`, workspaceId, scopes: new Set(scopes), expiresMs: null };
  principals.set(key, principal);
  return principal;
}

/** Whether a credential still stands: for what outlives the request it came with. */
export function stillValid(p: Principal, state: CoreState, nowMs: EpochMs): boolean {
  if (p.expiresMs !== null && p.expiresMs <= nowMs) return false;
  const [kind, id = ''] = p.actor.split('/');
  if (kind === 'client') return state.clients.has(id);
  return kind === 'key' ? state.apiKeys.has(id) : true;
}

/** A new API key and what is kept of it. */
export function newKey(tools: ApiTools): { readonly keyId: string; readonly text: string; readonly hash: string } {
  const keyId = randomId(tools, 'key');
  const text = `${KEY_PREFIX}${keyId}.${randomSecret(tools)}`;
  return { keyId, text, hash: tools.sha256(text) };
}

/** @source RFC 6750 3: the challenge names the scheme */
export const unauthenticated = (detail: string): ProblemError =>
  new ProblemError('unauthenticated', detail, {
    headers: { 'www-authenticate': 'Bearer realm="vpp", Texture-Api-Key realm="vpp"' },
  });
