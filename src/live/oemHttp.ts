import { invariant } from '../domain/errors.ts';
import type { EpochMs } from '../domain/units.ts';
import { PRIORITY, type Scheduler, type TimerHandle } from '../ports/clock.ts';
import type { OemHealth, OemHttpOut, OemJob, OemReply, OemSession } from '../ports/oem.ts';
import { type Exchanged, HttpWire, type HttpWireOptions } from './httpWire.ts';

/**
 * Drives an OEM session over HTTP: drains its requests, feeds answers and time back. Tokens, limits, retries and the
 * circuit are the session's (src/oem); sockets and their limits are those of httpWire.ts. A request is lost at the
 * session's time-out by the clock given here, and at the wire's limit by the machine's, whichever comes first: a clock that
 * stands does not hold a connection open for ever.
 *
 * Each cloud has a link, a session and connections of its own, so that one which is dead or slow costs the others nothing.
 */
export interface OemHttpOptions extends HttpWireOptions {
  readonly session: OemSession;
  readonly clock: Scheduler;
  /** Called with each reply, exactly one for a job; may submit. */
  readonly onReply: (reply: OemReply) => void;
}

export interface OemLinkHealth extends OemHealth {
  /** Exchanges since the start, those without an answer, and those under way. */
  readonly requests: number;
  readonly lost: number;
  readonly inFlight: number;
  readonly lastLost: { readonly atMs: EpochMs; readonly why: string } | null;
}

/** Far more than a fleet's jobs that answer each other at once. */
const ROUNDS_MAX = 100_000;

export class OemHttpLink {
  readonly #options: OemHttpOptions;
  readonly #wire: HttpWire;
  #wake: { readonly handle: TimerHandle; readonly atMs: EpochMs } | null = null;
  #pumping = false;
  #stopped = false;
  #requests = 0;
  #lost = 0;
  #lastLost: OemLinkHealth['lastLost'] = null;

  /** @throws InputError for a base URL that is none */
  constructor(options: OemHttpOptions) {
    this.#options = options;
    this.#wire = new HttpWire(options);
  }

  /** After stop() nothing is taken: the job gets no reply, as in a crash. */
  submit(job: OemJob): void {
    if (this.#stopped) return;
    this.#options.session.submit(job, this.#options.clock.nowMs());
    this.#pump();
  }

  /** For a stepped clock to watch: exchanges under way. */
  inFlight(): number {
    return this.#wire.inFlight;
  }

  health(): OemLinkHealth {
    const { session, clock } = this.#options;
    const counts = { requests: this.#requests, lost: this.#lost, inFlight: this.inFlight(), lastLost: this.#lastLost };
    return { ...session.health(clock.nowMs()), ...counts };
  }

  /** Gives up what is under way and closes the connections; what the session still had to say is not said. */
  stop(): void {
    this.#stopped = true;
    if (this.#wake !== null) this.#options.clock.cancel(this.#wake.handle);
    this.#wake = null;
    this.#wire.close();
  }

  /** A reply may submit the next job: that is taken up by the round that is running. */
  #pump(): void {
    if (this.#pumping || this.#stopped) return;
    const { session, onReply } = this.#options;
    this.#pumping = true;
    try {
      for (let round = 0; ; round++) {
        invariant(round < ROUNDS_MAX, 'replies and jobs follow each other without an end');
        const output = session.takeOutput();
        const replies = session.takeReplies();
        if (output.length === 0 && replies.length === 0) break;
        for (const out of output) this.#send(out);
        for (const reply of replies) onReply(reply);
      }
    } finally {
      this.#pumping = false;
    }
    this.#arm();
  }

  #send({ requestId, request, timeoutMs }: OemHttpOut): void {
    const { clock } = this.#options;
    this.#requests += 1;
    const giveUp = this.#wire.send(request, (exchanged) => {
      clock.cancel(timer);
      this.#take(requestId, exchanged);
    });
    const timer = clock.at(timeoutMs, () => giveUp('no answer by its time'), PRIORITY.wire);
  }

  #take(requestId: number, exchanged: Exchanged): void {
    if (this.#stopped) return;
    const { session, clock } = this.#options;
    const nowMs = clock.nowMs();
    if (exchanged.kind === 'lost') {
      this.#lost += 1;
      this.#lastLost = { atMs: nowMs, why: exchanged.why };
      session.receive(requestId, { kind: 'lost' }, nowMs);
    } else session.receive(requestId, exchanged, nowMs);
    this.#pump();
  }

  #arm(): void {
    const { session, clock } = this.#options;
    const atMs = this.#stopped ? null : session.nextTimeoutMs();
    if (this.#wake !== null && this.#wake.atMs === atMs) return;
    if (this.#wake !== null) clock.cancel(this.#wake.handle);
    this.#wake = atMs === null ? null : { atMs, handle: clock.at(atMs, () => this.#onWake(), PRIORITY.wire) };
  }

  #onWake(): void {
    this.#wake = null;
    this.#options.session.timeout(this.#options.clock.nowMs());
    this.#pump();
  }
}
