import type { EpochMs } from '../domain/units.ts';
import type { HttpRequest } from '../ports/http.ts';
import type { OemCapabilities, OemId, OemJob, OemReply } from '../ports/oem.ts';

/**
 * A job is a script: a generator that yields the exchanges it needs, one after the other, gets each answer and returns
 * the reply to the core. The session (session.ts) runs scripts; tokens, limits, pauses and retries are its affair, so a
 * script reads like the vendor's manual.
 */
export type Step =
  | HttpStep
  | { readonly kind: 'wait'; readonly ms: number }
  /** Something the core has to keep, before the script goes on; answered with 'waited' at once. */
  | { readonly kind: 'tell'; readonly reply: OemReply };

export interface HttpStep {
  readonly kind: 'http';
  /** May be repeated without a second effect: reads, deletes, settings that are absolute. */
  readonly safe: boolean;
  readonly method: HttpRequest['method'];
  readonly path: string;
  readonly body: string;
  /** The site whose daily quota it counts against. */
  readonly quotaSite: string | null;
  /** Does not leave after this; null = the deadline of the job is all. */
  readonly notAfterMs: EpochMs | null;
}

export type Answer =
  | { readonly kind: 'ok'; readonly body: Record<string, unknown> }
  /** 4xx other than 401 and 429: nothing took effect and asking again does not help. */
  | { readonly kind: 'refused'; readonly status: number; readonly code: string; readonly message: string }
  /** A safe step got no usable answer, retries included. */
  | { readonly kind: 'no-answer'; readonly why: string }
  /** An unsafe step got no usable answer: it may have taken effect. */
  | { readonly kind: 'doubtful'; readonly why: string }
  /** It never left, or was turned away at the door (429, 503), until the deadline. */
  | { readonly kind: 'not-sent'; readonly why: string }
  | { readonly kind: 'waited' };

export type Script<R = OemReply> = Generator<Step, R, Answer>;

/** The time at which the script was last resumed. */
export interface ScriptClock {
  nowMs: EpochMs;
}

export interface Limits {
  /** Requests in any second / minute / UTC day; null = no limit known. */
  readonly perSecondMax: number | null;
  readonly perMinuteMax: number | null;
  readonly perDayMax: number | null;
  /** Steps with a quotaSite, per site and UTC day. */
  readonly perSiteDayMax: number | null;
  /** Exchanges under way at once. */
  readonly inFlightMax: number;
}

export interface TokenAuth {
  readonly request: HttpRequest;
  /** null = the answer is no token. */
  read(body: Record<string, unknown>): { readonly token: string; readonly lifetimeMs: number } | null;
}

/** One cloud's API: data and mapping functions. */
export interface Dialect {
  readonly oem: OemId;
  readonly capabilities: OemCapabilities;
  readonly limits: Limits;
  /** null = the credentials go with each request. */
  readonly auth: TokenAuth | null;
  headers(token: string): Readonly<Record<string, string>>;
  /** Where this API puts the code and the words of an error. */
  errorOf(status: number, body: Record<string, unknown>): { readonly code: string; readonly message: string };
  script(job: OemJob, clock: ScriptClock): Script;
}

export const get = (path: string, quotaSite: string | null = null): HttpStep => ({
  kind: 'http',
  safe: true,
  method: 'GET',
  path,
  body: '',
  quotaSite,
  notAfterMs: null,
});

/** A write that must not happen twice. */
export const postOnce = (path: string, body: unknown): HttpStep => ({
  kind: 'http',
  safe: false,
  method: 'POST',
  path,
  body: JSON.stringify(body),
  quotaSite: null,
  notAfterMs: null,
});

/** A write that may be repeated: the second one changes nothing. */
export const postAgain = (path: string, body: unknown): HttpStep => ({ ...postOnce(path, body), safe: true });

/** A setting that is absolute. */
export const putAgain = (path: string, body: unknown): HttpStep => ({ ...postAgain(path, body), method: 'PUT' });

export const remove = (path: string): HttpStep => ({
  kind: 'http',
  safe: true,
  method: 'DELETE',
  path,
  body: '',
  quotaSite: null,
  notAfterMs: null,
});

/** The reply for an answer that is not 'ok', when the script has nothing better to do with it. */
export function failReply(jobId: string, answer: Exclude<Answer, { kind: 'ok' }>): OemReply {
  switch (answer.kind) {
    case 'refused':
      return { kind: 'refused', jobId, code: answer.code, message: answer.message };
    case 'not-sent':
      return { kind: 'not-sent', jobId, message: answer.why };
    case 'no-answer':
    case 'doubtful':
      return { kind: 'unknown', jobId, message: answer.why };
    case 'waited':
      return { kind: 'unknown', jobId, message: 'nothing was asked' };
  }
}

/** The reply when a job fails before its first write: nothing can have taken effect. */
export function unsentReply(jobId: string, answer: Exclude<Answer, { kind: 'ok' }>): OemReply {
  const reply = failReply(jobId, answer);
  return reply.kind === 'unknown' ? { kind: 'not-sent', jobId, message: reply.message } : reply;
}

export const garbled = (jobId: string, what: string): OemReply => ({
  kind: 'unknown',
  jobId,
  message: `the answer is not valid: ${what}`,
});

/** Long enough for a request that was given up to arrive or be dropped by the network. */
export const SETTLE_MS = 30_000;

export type SendResult =
  | { readonly kind: 'ok'; readonly body: Record<string, unknown> }
  /** The answer was lost, but reading back shows that it took effect. */
  | { readonly kind: 'found'; readonly ref: string }
  | Exclude<Answer, { kind: 'ok' }>;

/**
 * Sends a write that has no idempotency key so that it takes effect at most once. When the answer is lost, the cloud is
 * asked whether the effect is there: at once and again after SETTLE_MS; only when both readings say no, and the deadline
 * allows, it is sent once more. What cannot be told stays 'doubtful'.
 * Relies on: a request that was given up (10 s) does not arrive later than SETTLE_MS after that.
 * @param again   the step for the second try; a cloud that can refuse an overlap should do it here
 * @param find    looks for the effect in the answer to readBack: its reference, null when it is not there, undefined
 *                when the answer is not a valid list, which says nothing
 */
export function* sendOnce(options: {
  readonly clock: ScriptClock;
  readonly step: HttpStep;
  readonly again: HttpStep;
  readonly readBack: HttpStep;
  readonly find: (body: Record<string, unknown>) => string | null | undefined;
  readonly notAfterMs: EpochMs;
}): Script<SendResult> {
  const { clock, readBack, find, notAfterMs } = options;
  const first = yield { ...options.step, notAfterMs };
  if (first.kind !== 'doubtful') return first;
  for (const pauseMs of [0, SETTLE_MS]) {
    if (pauseMs > 0) yield { kind: 'wait', ms: pauseMs };
    const seen = yield readBack;
    const ref = seen.kind === 'ok' ? find(seen.body) : undefined;
    if (typeof ref === 'string') return { kind: 'found', ref };
    if (ref === undefined && pauseMs > 0) {
      const why = seen.kind === 'ok' ? 'the answer is not valid' : describe(seen);
      return { kind: 'doubtful', why: `${first.why}; reading back: ${why}` };
    }
  }
  if (clock.nowMs >= options.notAfterMs) return { kind: 'doubtful', why: `${first.why}; not seen when read back` };
  const second = yield { ...options.again, notAfterMs };
  if (second.kind === 'ok' || second.kind === 'not-sent') return second;
  const seen = yield readBack;
  const ref = seen.kind === 'ok' ? find(seen.body) : undefined;
  return typeof ref === 'string' ? { kind: 'found', ref } : second;
}

export type Before =
  | { readonly kind: 'found'; readonly ref: string }
  /** It is not there, and what may still have been on the way has settled. */
  | { readonly kind: 'absent' }
  | { readonly kind: 'doubtful'; readonly why: string };

/**
 * Looks whether a write that may have left before a restart took effect: at once, and again after SETTLE_MS, in which
 * what was still on the way arrives or is dropped.
 * @param find  as of sendOnce; undefined also for an effect that was there and has been undone by somebody
 */
export function* lookBefore(options: {
  readonly readBack: HttpStep;
  readonly find: (body: Record<string, unknown>) => string | null | undefined;
}): Script<Before> {
  let last: Before = { kind: 'absent' };
  for (const pauseMs of [0, SETTLE_MS]) {
    if (pauseMs > 0) yield { kind: 'wait', ms: pauseMs };
    const seen = yield options.readBack;
    const ref = seen.kind === 'ok' ? options.find(seen.body) : undefined;
    if (typeof ref === 'string') return { kind: 'found', ref };
    const why = seen.kind === 'ok' ? 'reading back does not tell' : `reading back: ${describe(seen)}`;
    last = ref === null ? { kind: 'absent' } : { kind: 'doubtful', why };
  }
  return last;
}

/** The reply that ends a resumed job, or null: it is surely not there and there is time, so it is sent. */
export function resumedReply(
  job: { jobId: string; notAfterMs: EpochMs },
  before: Before,
  nowMs: EpochMs,
): OemReply | null {
  const { jobId } = job;
  switch (before.kind) {
    case 'found':
      return { kind: 'accepted', jobId, vendorRef: before.ref };
    case 'doubtful':
      return { kind: 'unknown', jobId, message: before.why };
    case 'absent':
      if (nowMs <= job.notAfterMs) return null;
      return { kind: 'not-sent', jobId, message: 'it was not there when read back, and its time has passed' };
  }
}

/** A job that may have been sent before the restart is not 'not-sent' because nothing more was sent of it. */
export const inDoubt = (reply: OemReply): OemReply =>
  reply.kind === 'not-sent' || reply.kind === 'refused'
    ? { kind: 'unknown', jobId: reply.jobId, message: `it may have been sent before the restart; ${reply.message}` }
    : reply;

export const describe = (answer: Answer): string => {
  switch (answer.kind) {
    case 'refused':
      return `${answer.status} ${answer.message}`;
    case 'no-answer':
    case 'doubtful':
    case 'not-sent':
      return answer.why;
    case 'ok':
    case 'waited':
      return answer.kind;
  }
};

/** The reserve that a cloud of batteries is told, in whole percents, which is all that they keep; null = no battery's. */
export const reserveOf = ({ setting }: Extract<OemJob, { kind: 'set' }>): number | null =>
  setting.slug === 'battery:set-reserve' ? Math.round(setting.input.chargePercentage) : null;

/** Of a cloud whose sessions ask to keep nothing. */
// biome-ignore lint/correctness/useYield: a script that has nothing to ask
export function* nothingKept(jobId: string): Script {
  return { kind: 'accepted', jobId, vendorRef: 'nothing-kept' };
}

/** A maker of batteries has no other devices. */
export const onlyBatteries = (jobId: string): OemReply => ({
  kind: 'refused',
  jobId,
  code: 'unsupported',
  message: 'this cloud has batteries only',
});
