import type { EpochMs } from '../domain/units.ts';
import type { HttpOutcome, HttpRequest } from '../ports/http.ts';
import { backoffMs } from './flow.ts';
import { readBody } from './read.ts';
import type { TokenAuth } from './script.ts';

/**
 * The access token of a session (RFC 6749 4.4), fetched in single flight: whoever finds it missing, over or refused
 * waits for the one request under way. After a failure the next try waits, longer each time.
 */
export interface TokenKeeper {
  isValid(nowMs: EpochMs): boolean;
  /** The request to send under this id now; null = one is under way, or it is too early. */
  wanted(nowMs: EpochMs, requestId: number): HttpRequest | null;
  owns(requestId: number): boolean;
  receive(outcome: HttpOutcome, nowMs: EpochMs): void;
  /** The token in use, and which one it is. */
  use(): { readonly value: string; readonly age: number };
  /** A request that carried token number `age` was answered 401. */
  refused(age: number): void;
  /** When a request may be sent, as far as the token is concerned. */
  freeMs(nowMs: EpochMs): EpochMs;
  isAwaited(): boolean;
  reason(): string | null;
}

/** A token is not used in the last part of its life, so that it does not end under way. */
const MARGIN_MS = 30_000;
const REFUSED_PAUSE_MS = 60_000;

export function createTokenKeeper(auth: TokenAuth | null, oem: string): TokenKeeper {
  let value: string | null = auth === null ? '' : null;
  let age = 0;
  let endMs: EpochMs = auth === null ? Number.POSITIVE_INFINITY : 0;
  let underWay: number | null = null;
  let retryMs: EpochMs = 0;
  let failures = 0;
  let why: string | null = null;
  const failed = (nowMs: EpochMs, what: string, pauseMs: number): void => {
    failures += 1;
    why = `no access token: ${what}`;
    retryMs = nowMs + Math.max(pauseMs, backoffMs(Math.min(failures, 8), oem));
  };
  return {
    isValid: (nowMs) => value !== null && nowMs < endMs,
    wanted: (nowMs, requestId) => {
      if (auth === null || underWay !== null || nowMs < retryMs) return null;
      underWay = requestId;
      return auth.request;
    },
    owns: (requestId) => underWay === requestId,
    receive: (outcome, nowMs) => {
      underWay = null;
      if (outcome.kind === 'lost') return failed(nowMs, 'no answer came', 0);
      const { status, body } = outcome.response;
      const parsed = status === 200 ? readBody(body) : null;
      const read = parsed === null ? null : (auth?.read(parsed) ?? null);
      if (read === null) {
        const final = status >= 400 && status < 500 && status !== 429;
        return failed(nowMs, `the token endpoint answered ${status}`, final ? REFUSED_PAUSE_MS : 0);
      }
      value = read.token;
      age += 1;
      endMs = nowMs + Math.max(read.lifetimeMs / 2, read.lifetimeMs - MARGIN_MS);
      failures = 0;
      why = null;
    },
    use: () => ({ value: value ?? '', age }),
    refused: (which) => {
      if (which === age) value = null;
    },
    freeMs: (nowMs) => (value === null || nowMs >= endMs ? Math.max(nowMs, retryMs) : nowMs),
    isAwaited: () => underWay !== null,
    reason: () => why,
  };
}
