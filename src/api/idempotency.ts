import { canonicalJson } from '../domain/canonicalJson.ts';
import type { StoredReply } from '../ports/journal.ts';
import { ProblemError } from './problems.ts';
import type { ApiTools } from './tools.ts';

/**
 * The same request twice has one effect and one answer: after a crash a client cannot know whether its request was taken,
 * so the key is part of durability (reliability note F7). The answer is stored with the facts, in one transaction.
 *   - same key, same request: the first answer again, with `Idempotency-Replayed: true`;
 *   - same key, other request: 422 key_reused;
 *   - the first one is still being served: 409 request_in_flight, try again.
 * An answer is kept when something happened. A request that was refused changed nothing and is decided anew.
 * Keys belong to a workspace and to a method and path as the table has it. In secret-showing answers the secret is shown
 * once: a stored answer has null in its place.
 * @source draft-ietf-httpapi-idempotency-key-header; Stripe's documentation for the length and the 24 hours
 */
const KEY_LENGTH_MAX = 255;

export interface IdempotentRequest {
  readonly tenant: string;
  readonly key: string;
  readonly hash: string;
}

/** The request's key, or null when none was given. @throws ProblemError invalid_request */
export function idempotentOf(
  request: {
    readonly header: unknown;
    readonly tenant: string;
    readonly route: string;
    readonly url: string;
    readonly body: unknown;
  },
  tools: ApiTools,
): IdempotentRequest | null {
  const { header, tenant, route, url, body } = request;
  if (header === undefined) return null;
  if (typeof header !== 'string' || header.length > KEY_LENGTH_MAX || !/^[\x21-\x7e]+$/.test(header)) {
    const found = typeof header === 'string' ? `${header.length} characters` : 'several';
    throw new ProblemError('invalid_request', 'headers: idempotency-key', {
      errors: [{ place: 'idempotency-key', found, expected: `1 to ${KEY_LENGTH_MAX} visible ASCII characters` }],
    });
  }
  const hash = tools.sha256(`${url}\n${body === undefined ? '' : canonicalJson(body)}`);
  return { tenant, key: `${route} ${header}`, hash };
}

export class InFlight {
  readonly #held = new Map<string, string>();

  /** @throws ProblemError when this key is being served now */
  begin(r: IdempotentRequest): void {
    const name = `${r.tenant}\n${r.key}`;
    const hash = this.#held.get(name);
    if (hash === undefined) {
      this.#held.set(name, r.hash);
      return;
    }
    guardSame(hash, r);
    throw new ProblemError('request_in_flight', 'the first request with this key has no answer yet', {
      headers: { 'retry-after': '1' },
    });
  }

  end(r: IdempotentRequest): void {
    this.#held.delete(`${r.tenant}\n${r.key}`);
  }
}

/** @throws ProblemError key_reused */
export function guardSame(hash: string, r: IdempotentRequest): void {
  if (hash === r.hash) return;
  throw new ProblemError('key_reused', 'this Idempotency-Key came with another path or body before');
}

export const storedReply = (r: IdempotentRequest, status: number, body: string): StoredReply => ({
  workspaceId: r.tenant,
  key: r.key,
  requestHash: r.hash,
  status,
  body,
});
