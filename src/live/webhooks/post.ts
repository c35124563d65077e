/**
 * One POST to a receiver, as the sender sees it. What goes over sockets is in httpPost.ts, what calls a handler in the
 * same process in directPost.ts.
 */
export interface Post {
  /** Whose time an answer takes: the machine's (sockets), or that of the scheduler (a handler with a delay). */
  readonly waitsOn: 'machine' | 'scheduler';
  /** Resolves always, within timeoutMs and a little. */
  send(request: PostRequest): Promise<PostOutcome>;
  /** Ends what is under way and lets every connection go. */
  close(): void;
}

export interface PostRequest {
  readonly url: string;
  /** Names as they are sent. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** For the whole exchange, name to last octet of the answer [ms]. */
  readonly timeoutMs: number;
}

export type PostOutcome =
  | {
      readonly kind: 'answered';
      readonly status: number;
      /** The header Retry-After as it came. */
      readonly retryAfter: string | null;
    }
  /** No whole head of an answer came. `why` names no secret, no header and no path. */
  | { readonly kind: 'failed'; readonly reason: PostFailure; readonly why: string };

export type PostFailure =
  | 'no-secret'
  | 'blocked-address'
  | 'name'
  | 'connect'
  | 'tls'
  | 'timeout'
  | 'broken-off'
  | 'closed';

/** Octets of an answer that are read; then the connection is closed. The status has been said by then. */
export const ANSWER_OCTETS_MAX = 65_536;
