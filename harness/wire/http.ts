/**
 * The direct wire between an HTTP client and a server: no socket, a handler call in virtual time, with faults.
 *
 * One exchange: the request travels (delay), the handler runs (the effect has then happened), the answer travels back
 * (delay). `done` is called exactly once, never inside send(): at the answer, or at the time-out. An answer that arrives
 * at the very instant of the time-out is too late. A time-out does not call the request back: it can still arrive and
 * have its effect, and its answer then reaches nobody.
 *
 * Faults and where they strike:
 *   request lost   the handler never sees it; the client learns of it by its time-out
 *   duplicated     the request arrives twice, each with its own delay; the first arrival's answer travels back
 *   reply lost     the effect happens, the client learns of it by its time-out
 *   garbage        status and headers stand, the body is replaced
 *   down           a new request is refused: lost after one minimum delay. What is on the way when the link goes down
 *                  is lost in silence, requests and answers alike
 * A server that never answers is requestLossRatio 1; a client cannot tell it from a lost request.
 *
 * Draws. Each fault class has a random stream of its own and draws once for every exchange, at send(), whether or not
 * its ratio is 0. Exchange n therefore meets the same fate in every other class when one class is turned up or off.
 *
 * Left out: connections, TLS, backpressure, reordering beyond what unequal delays do.
 */
import { invariant } from '../../src/domain/errors.ts';
import type { EpochMs } from '../../src/domain/units.ts';
import { PRIORITY, type Scheduler, type TimerHandle } from '../../src/ports/clock.ts';
import type { HttpHandler, HttpOutcome, HttpRequest, HttpResponse } from '../../src/ports/http.ts';
import type { RandomSource, RandomStream } from '../../src/ports/random.ts';
import { garble } from './garbage.ts';

export interface LinkBehaviour {
  /** Shortest travel time, one way [ms]. */
  readonly delayMinMs: number;
  /** Mean of the exponential part above the shortest, one way [ms]. */
  readonly delayMeanMs: number;
  readonly requestLossRatio: number;
  readonly replyLossRatio: number;
  readonly duplicateRatio: number;
  readonly garbageRatio: number;
  readonly down: boolean;
}

/** A link that does nothing to what it carries and takes no time. */
export const PERFECT_LINK: LinkBehaviour = {
  delayMinMs: 0,
  delayMeanMs: 0,
  requestLossRatio: 0,
  replyLossRatio: 0,
  duplicateRatio: 0,
  garbageRatio: 0,
  down: false,
};

export type WireFault = 'down' | 'overload' | 'request-lost' | 'duplicated' | 'reply-lost' | 'garbage' | 'late';

/** One exchange, told when its client was told. */
export interface Exchange {
  readonly request: HttpRequest;
  readonly outcome: HttpOutcome;
  readonly sentMs: EpochMs;
  readonly endMs: EpochMs;
  /** What struck it so far, in the order it struck; empty = nothing. A late effect of it comes after this. */
  readonly faults: readonly WireFault[];
}

export interface HttpWireOptions {
  readonly scheduler: Scheduler;
  readonly random: RandomSource;
  /** Names the random streams: "wire/<name>/<fault class>". Two wires of one run need two names. */
  readonly name: string;
  readonly link: LinkBehaviour;
  readonly handler: HttpHandler;
  readonly onExchange?: (exchange: Exchange) => void;
  /** Exchanges open at once; one more is refused at once as if the link were down, fault "overload". */
  readonly openMax?: number;
}

/** The fate of one exchange, drawn when it was sent. */
interface Fate {
  readonly requestDelayMs: number;
  readonly copyDelayMs: number;
  readonly replyDelayMs: number;
  readonly requestLost: boolean;
  readonly duplicated: boolean;
  readonly replyLost: boolean;
  readonly garbage: boolean;
  /** [0, 1): which garbage. */
  readonly garbageKind: number;
}

/** An exchange whose client was not told yet. */
interface Open {
  readonly request: HttpRequest;
  readonly sentMs: EpochMs;
  readonly fate: Fate;
  readonly done: (outcome: HttpOutcome) => void;
  readonly faults: WireFault[];
  /** None for an exchange that was refused. */
  timeout: TimerHandle | null;
  answered: boolean;
  told: boolean;
}

const LOST: HttpOutcome = { kind: 'lost' };

export class HttpWire {
  readonly #options: HttpWireOptions;
  readonly #openMax: number;
  readonly #streams: Readonly<Record<keyof Fate, RandomStream>>;
  #link: LinkBehaviour;
  /** Counts how often the link went down, so that what was on the way then can be told. */
  #outages = 0;
  #open = 0;

  constructor(options: HttpWireOptions) {
    this.#options = options;
    this.#openMax = options.openMax ?? 100_000;
    this.#link = checkedLink(options.link);
    const stream = (label: string): RandomStream => options.random(`wire/${options.name}/${label}`);
    this.#streams = {
      requestDelayMs: stream('request-delay'),
      copyDelayMs: stream('copy-delay'),
      replyDelayMs: stream('reply-delay'),
      requestLost: stream('request-loss'),
      duplicated: stream('duplicate'),
      replyLost: stream('reply-loss'),
      garbage: stream('garbage'),
      garbageKind: stream('garbage-kind'),
    };
  }

  link(): LinkBehaviour {
    return this.#link;
  }

  /** Exchanges whose client was not told yet. */
  openCount(): number {
    return this.#open;
  }

  /**
   * Changes the link from now on. Delays and losses of what is on the way stay as drawn.
   * @throws  InvariantError for a ratio outside 0..1 or a delay below 0
   */
  setLink(change: Partial<LinkBehaviour>): void {
    const next = checkedLink({ ...this.#link, ...change });
    if (next.down && !this.#link.down) this.#outages += 1;
    this.#link = next;
  }

  /**
   * @param timeoutAtMs  the client gives up then; a time that is past means now
   * @param done         called once, later than this call returns
   */
  send(request: HttpRequest, timeoutAtMs: EpochMs, done: (outcome: HttpOutcome) => void): void {
    const { scheduler } = this.#options;
    const nowMs = scheduler.nowMs();
    const fate = this.#draw();
    const open: Open = { request, sentMs: nowMs, fate, done, faults: [], timeout: null, answered: false, told: false };
    const giveUpMs = Math.max(nowMs, timeoutAtMs);
    const refusal = this.#link.down ? 'down' : this.#open >= this.#openMax ? 'overload' : null;
    this.#open += 1;
    if (refusal !== null) {
      open.faults.push(refusal);
      this.#later(Math.min(giveUpMs, nowMs + this.#link.delayMinMs), () => this.#tell(open, LOST));
      return;
    }
    open.timeout = this.#later(giveUpMs, () => this.#timeOut(open));
    if (fate.requestLost) {
      open.faults.push('request-lost');
      return;
    }
    const outages = this.#outages;
    this.#later(nowMs + fate.requestDelayMs, () => this.#arrive(open, outages));
    if (!fate.duplicated) return;
    open.faults.push('duplicated');
    this.#later(nowMs + fate.copyDelayMs, () => this.#arrive(open, outages));
  }

  #later(atMs: EpochMs, fn: () => void): TimerHandle {
    return this.#options.scheduler.at(atMs, fn, PRIORITY.wire);
  }

  #arrive(open: Open, outages: number): void {
    if (outages !== this.#outages) {
      open.faults.push('down');
      return;
    }
    const { scheduler, handler } = this.#options;
    const nowMs = scheduler.nowMs();
    const response = handler(open.request, nowMs);
    if (open.answered) return;
    open.answered = true;
    if (open.fate.replyLost) {
      open.faults.push('reply-lost');
      return;
    }
    this.#later(nowMs + open.fate.replyDelayMs, () => this.#return(open, response, outages));
  }

  #return(open: Open, response: HttpResponse, outages: number): void {
    if (open.told) return;
    if (outages !== this.#outages) {
      open.faults.push('down');
      return;
    }
    if (!open.fate.garbage) return this.#tell(open, { kind: 'response', response });
    open.faults.push('garbage');
    const body = garble(response.body, open.fate.garbageKind);
    this.#tell(open, { kind: 'response', response: { ...response, body } });
  }

  #timeOut(open: Open): void {
    const struck = open.faults.some((fault) => fault !== 'duplicated');
    if (!struck) open.faults.push('late');
    this.#tell(open, LOST);
  }

  #tell(open: Open, outcome: HttpOutcome): void {
    invariant(!open.told, `the client of ${open.request.method} ${open.request.path} was told twice`);
    open.told = true;
    this.#open -= 1;
    const { scheduler, onExchange } = this.#options;
    if (open.timeout !== null) scheduler.cancel(open.timeout);
    const { request, sentMs } = open;
    onExchange?.({ request, outcome, sentMs, endMs: scheduler.nowMs(), faults: [...open.faults] });
    open.done(outcome);
  }

  #draw(): Fate {
    const { requestLossRatio, duplicateRatio, replyLossRatio, garbageRatio } = this.#link;
    const s = this.#streams;
    return {
      requestDelayMs: this.#delayMs(s.requestDelayMs),
      copyDelayMs: this.#delayMs(s.copyDelayMs),
      replyDelayMs: this.#delayMs(s.replyDelayMs),
      requestLost: s.requestLost.chance(requestLossRatio),
      duplicated: s.duplicated.chance(duplicateRatio),
      replyLost: s.replyLost.chance(replyLossRatio),
      garbage: s.garbage.chance(garbageRatio),
      garbageKind: s.garbageKind.next(),
    };
  }

  #delayMs(stream: RandomStream): number {
    return this.#link.delayMinMs + Math.floor(stream.exponential(this.#link.delayMeanMs));
  }
}

function checkedLink(link: LinkBehaviour): LinkBehaviour {
  for (const name of ['requestLossRatio', 'replyLossRatio', 'duplicateRatio', 'garbageRatio'] as const) {
    invariant(link[name] >= 0 && link[name] <= 1, `${name} is a ratio in 0..1, not ${link[name]}`);
  }
  invariant(
    Number.isSafeInteger(link.delayMinMs) && link.delayMinMs >= 0,
    `delayMinMs is whole and >= 0, not ${link.delayMinMs}`,
  );
  invariant(
    Number.isFinite(link.delayMeanMs) && link.delayMeanMs >= 0,
    `delayMeanMs is finite and >= 0, not ${link.delayMeanMs}`,
  );
  return link;
}
