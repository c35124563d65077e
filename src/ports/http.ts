import type { EpochMs } from '../domain/units.ts';

/** HTTP as values. Header names are lower case; bodies are text as it stands on the wire. */
export interface HttpRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Path with query, no host: "/api/v2/events?site=7". */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface HttpResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** A server's side of one exchange; the effect has happened when it returns. */
export type HttpHandler = (request: HttpRequest, nowMs: EpochMs) => HttpResponse;

/**
 * What the client learns of one exchange. "lost" says that no answer came in time: the request may or may not have
 * taken effect.
 */
export type HttpOutcome = { readonly kind: 'response'; readonly response: HttpResponse } | { readonly kind: 'lost' };
