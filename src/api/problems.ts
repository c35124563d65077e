import type { InputProblem } from '../domain/errors.ts';

/**
 * Every way in which a request can fail, in one table: the documentation, the handlers and the tests use this one. The
 * body of a failure is a problem of RFC 9457: {type, title, status, detail, code, requestId, errors?}.
 */
export const PROBLEMS = {
  invalid_json: { status: 400, title: 'The body is not the JSON that was asked for' },
  invalid_request: { status: 400, title: 'A part of the request is missing, unknown or of the wrong form' },
  malformed_http: { status: 400, title: 'The request is not HTTP/1.1 as it should be' },
  unauthenticated: { status: 401, title: 'No valid credential was given' },
  missing_scope: { status: 403, title: 'The credential lacks a scope' },
  forbidden: { status: 403, title: 'It is not for this credential or organisation to do' },
  not_found: { status: 404, title: 'There is no such thing' },
  method_not_allowed: { status: 405, title: 'The resource does not take this method' },
  request_timeout: { status: 408, title: 'The request did not arrive in time' },
  conflict: { status: 409, title: 'The state does not allow it now' },
  not_enrolled: { status: 409, title: 'The device is not enrolled in grid services' },
  enrollment_pending: { status: 409, title: "The device's enrollment in grid services is not approved yet" },
  request_in_flight: { status: 409, title: 'A request with this Idempotency-Key is still being served' },
  body_too_large: { status: 413, title: 'The body is too large' },
  unsupported_media_type: { status: 415, title: 'The content type or charset is not taken' },
  unprocessable: { status: 422, title: 'Well formed, but it can never be right' },
  window_in_past: { status: 422, title: 'The window lies in the past' },
  window_too_long: { status: 422, title: 'The window is too long' },
  grid_interaction_unsaid: {
    status: 422,
    title: 'It is not said whether the battery may exchange power with the grid',
  },
  local_time: { status: 422, title: 'A local time does not exist, or exists twice' },
  unsupported_by_device: { status: 422, title: 'The device or its manufacturer cannot do it' },
  limit_reached: { status: 422, title: 'More than there may be' },
  blocked_address: { status: 422, title: 'Nothing is delivered to such an address' },
  upgrade_required: { status: 426, title: 'This path speaks WebSocket only' },
  key_reused: { status: 422, title: 'The Idempotency-Key was used for another request' },
  rate_limited: { status: 429, title: 'Too many requests' },
  headers_too_large: { status: 431, title: 'The header fields are too large' },
  internal: { status: 500, title: 'A bug: this should not have happened' },
  unavailable: { status: 503, title: 'It cannot be done now; nothing happened' },
  storage_full: { status: 507, title: 'The journal has no room; nothing happened' },
} as const satisfies Readonly<Record<string, { readonly status: number; readonly title: string }>>;

export type ProblemCode = keyof typeof PROBLEMS;

export const PROBLEM_TYPE = 'application/problem+json';
export const problemUri = (code: ProblemCode): string => `urn:vpp-testbed:problem:${code}`;

/** One wrong place in a request. */
export interface RequestError {
  readonly place: string;
  readonly found: string;
  readonly expected: string;
  readonly didYouMean?: string;
}

export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: ProblemCode;
  readonly requestId: string;
  readonly errors?: readonly RequestError[];
}

/** Thrown by whatever serves a request, answered by the server. Its text is for the client: nothing of the machine. */
export class ProblemError extends Error {
  override readonly name = 'ProblemError';
  readonly code: ProblemCode;
  readonly errors: readonly RequestError[];
  readonly headers: Readonly<Record<string, string>>;
  constructor(
    code: ProblemCode,
    detail: string,
    more: { readonly errors?: readonly RequestError[]; readonly headers?: Readonly<Record<string, string>> } = {},
  ) {
    super(detail);
    this.code = code;
    this.errors = more.errors ?? [];
    this.headers = more.headers ?? {};
  }
}

export function problemBody(error: ProblemError, requestId: string): Problem {
  const { status, title } = PROBLEMS[error.code];
  const head = { type: problemUri(error.code), title, status, detail: error.message, code: error.code, requestId };
  return error.errors.length === 0 ? head : { ...head, errors: error.errors };
}

/** The same words for what does not exist and for what is another's, so that nobody can tell the two apart. */
export const notFound = (what: string, id: string): ProblemError =>
  new ProblemError('not_found', `no ${what} ${JSON.stringify(id)}`);

export const requestErrorOf = ({ place, value, expected, didYouMean }: InputProblem): RequestError => ({
  place,
  found: value,
  expected,
  ...(didYouMean === undefined ? {} : { didYouMean }),
});
