/**
 * A byte pipe in virtual time between two ends, as TCP is one: ordered, whole or broken, cut into pieces at will.
 *
 * End `a` is the client that connects (a DNP3 master), end `b` the server that accepts (an outstation).
 *
 * Connection:   closed ──open()──> opening ──> open ──close(), reset()──> closed
 *                                     │          └──cut()──> half-open ──close(), reset(), open()──> closed
 *                                     └── network cut or refusing ──> closed
 *
 *   open()    a's SYN, b's answer, a's ACK: a is told after two travel times, b after three. While the network is cut
 *             a is told 'timeout' after connectTimeoutMs; while b refuses, 'refused' after two travel times
 *   close()   orderly: the other end is told once what was sent before has arrived, and is then closed as well
 *   cut()     the network goes silent: what is on the way and what is sent later vanishes and nobody is told. A
 *             connection that lived then is half-open and stays so, even after mend(): bytes were lost in it, and TCP
 *             does not go on behind a gap. Each end finds out by its own time-outs. Only a new open() brings contact
 *   reset()   both ends are told 'reset' now; what is on the way is lost, a handshake as well
 *   open() while a connection lives replaces it: a is told 'replaced' now, b when the new one reaches it and only
 *             then, as an outstation drops the old session for the new one
 *
 * Left out: retransmission, windows, Nagle. A limit stands in for backpressure: more than `inFlightBytesMax` on the way
 * in one direction resets the connection.
 */
import { invariant } from '../../src/domain/errors.ts';
import type { EpochMs } from '../../src/domain/units.ts';
import { PRIORITY, type Scheduler, type TimerHandle } from '../../src/ports/clock.ts';
import type { RandomSource, RandomStream } from '../../src/ports/random.ts';

export interface PipeBehaviour {
  /** Shortest travel time, one way [ms]. */
  readonly delayMs: number;
  /** Uniform addition per piece, 0..jitterMs; order is kept all the same [ms]. */
  readonly jitterMs: number;
  /** What is sent arrives in pieces of 1..chopBytesMax octets; 0 = as it was sent. */
  readonly chopBytesMax: number;
  /** Share of pieces in which one bit is turned over: a serial link behind a gateway has no TCP checksum. */
  readonly bitFlipRatio: number;
  /** Nobody listens: open() is refused. */
  readonly refusing: boolean;
  /** How long a waits for an answer to open() [ms]. */
  readonly connectTimeoutMs: number;
}

export const PERFECT_PIPE: PipeBehaviour = {
  delayMs: 0,
  jitterMs: 0,
  chopBytesMax: 0,
  bitFlipRatio: 0,
  refusing: false,
  connectTimeoutMs: 10_000,
};

export type EndName = 'a' | 'b';
export type CloseReason = 'closed' | 'reset' | 'replaced' | 'refused' | 'timeout';

export interface EndHandlers {
  readonly onOpen: () => void;
  /** An end that never got to onOpen may get this alone. */
  readonly onClose: (why: CloseReason) => void;
  readonly onData: (octets: Uint8Array) => void;
}

/** What passes a tap beside the sender, at the time of sending. */
export interface Segment {
  readonly atMs: EpochMs;
  readonly from: EndName;
  /** Which connection of this pipe, rising. */
  readonly connection: number;
  readonly kind: 'syn' | 'syn-ack' | 'ack' | 'data' | 'fin' | 'rst';
  readonly octets: Uint8Array;
  /** Never arrives. */
  readonly lost: boolean;
}

export interface BytePipeOptions {
  readonly scheduler: Scheduler;
  readonly random: RandomSource;
  /** Names the random streams: "pipe/<name>/<purpose>". */
  readonly name: string;
  readonly behaviour?: Partial<PipeBehaviour>;
  readonly onSegment?: (segment: Segment) => void;
  readonly inFlightBytesMax?: number;
}

/** One side of the pipe as its user sees it. */
export interface PipeEnd {
  readonly name: EndName;
  /** This end believes in a connection; after cut() it may be wrong. */
  connected(): boolean;
  attach(handlers: EndHandlers): void;
  /** Octets are copied. Without a connection they go nowhere, as on a closed socket; that is no error. */
  send(octets: Uint8Array): void;
  close(): void;
}

interface Side {
  readonly name: EndName;
  handlers: EndHandlers | null;
  /** The connection this end believes in. */
  connection: number | null;
  /** Sent from here and not arrived yet. */
  inFlightBytes: number;
  /** When the last of what is on the way to here arrives. */
  lastArrivalMs: EpochMs;
}

const NOTHING = new Uint8Array(0);
const newSide = (name: EndName): Side => ({
  name,
  handlers: null,
  connection: null,
  inFlightBytes: 0,
  lastArrivalMs: Number.NEGATIVE_INFINITY,
});

export class BytePipe {
  readonly a: PipeEnd;
  readonly b: PipeEnd;
  readonly #sides: Readonly<Record<EndName, Side>> = { a: newSide('a'), b: newSide('b') };
  readonly #options: BytePipeOptions;
  readonly #inFlightBytesMax: number;
  readonly #streams: Readonly<Record<EndName, Readonly<Record<'jitter' | 'chop' | 'flip' | 'flipBit', RandomStream>>>>;
  #behaviour: PipeBehaviour;
  #networkUp = true;
  /** Number of the newest connection; what is on the way in an earlier one is void. */
  #connection = 0;
  /** Octets can pass on the newest connection. */
  #carrying = false;
  #connectTimer: TimerHandle | null = null;

  constructor(options: BytePipeOptions) {
    this.#options = options;
    this.#inFlightBytesMax = options.inFlightBytesMax ?? 1_048_576;
    this.#behaviour = checkedBehaviour({ ...PERFECT_PIPE, ...options.behaviour });
    const streams = (end: EndName) => {
      const stream = (purpose: string) => options.random(`pipe/${options.name}/${end}/${purpose}`);
      return { jitter: stream('jitter'), chop: stream('chop'), flip: stream('flip'), flipBit: stream('flip-bit') };
    };
    this.#streams = { a: streams('a'), b: streams('b') };
    this.a = this.#end(this.#sides.a, this.#sides.b);
    this.b = this.#end(this.#sides.b, this.#sides.a);
  }

  behaviour(): PipeBehaviour {
    return this.#behaviour;
  }

  /**
   * Changes the pipe for what is sent from now on.
   * @throws  InvariantError for a ratio outside 0..1 or a time or size below 0
   */
  setBehaviour(change: Partial<PipeBehaviour>): void {
    this.#behaviour = checkedBehaviour({ ...this.#behaviour, ...change });
  }

  /** a connects. */
  open(): void {
    const { a } = this.#sides;
    const { delayMs, refusing, connectTimeoutMs } = this.#behaviour;
    this.#void();
    const connection = this.#connection;
    this.#forget(a, 'replaced');
    // a's own answer to 'replaced' may have been to connect again.
    if (connection !== this.#connection) return;
    this.#connectTimer = this.#later(connectTimeoutMs, () => {
      this.#connectTimer = null;
      this.#void();
      a.handlers?.onClose('timeout');
    });
    this.#tap('a', 'syn', NOTHING, !this.#networkUp);
    if (!this.#networkUp) return;
    this.#carrying = true;
    this.#later(delayMs, () => this.#carrying && this.#tap('b', refusing ? 'rst' : 'syn-ack', NOTHING, false));
    this.#later(2 * delayMs, () => {
      if (!this.#carrying) return;
      this.#clearConnectTimer();
      if (!refusing) return this.#established(delayMs);
      this.#void();
      a.handlers?.onClose('refused');
    });
  }

  /** The network goes silent. */
  cut(): void {
    this.#networkUp = false;
    this.#carrying = false;
  }

  /** The network carries again, for connections opened from now on. */
  mend(): void {
    this.#networkUp = true;
  }

  /** Every end that believes in a connection is told now; a handshake on the way is lost and a times out. */
  reset(): void {
    const { a, b } = this.#sides;
    if (a.connection === null && b.connection === null) {
      this.#carrying = false;
      return;
    }
    this.#tap('b', 'rst', NOTHING, false);
    this.#void();
    this.#forget(b, 'reset');
    this.#forget(a, 'reset');
  }

  #end(side: Side, peer: Side): PipeEnd {
    return {
      name: side.name,
      connected: () => side.connection !== null,
      attach: (handlers) => {
        side.handlers = handlers;
      },
      send: (octets) => this.#send(side, peer, octets),
      close: () => this.#close(side, peer),
    };
  }

  /** a has its answer. */
  #established(delayMs: number): void {
    const { a, b } = this.#sides;
    this.#tap('a', 'ack', NOTHING, false);
    a.connection = this.#connection;
    // Set before a is told, so that b is open when a's first octets arrive.
    this.#laterTo(b, delayMs, () => {
      if (!this.#carrying) return;
      const connection = this.#connection;
      this.#forget(b, 'replaced');
      // b's own answer to 'replaced' could have ended the new connection.
      if (connection !== this.#connection) return;
      b.connection = connection;
      b.handlers?.onOpen();
    });
    a.handlers?.onOpen();
  }

  /** What is on the way is void, and nothing passes until the next handshake. */
  #void(): void {
    this.#clearConnectTimer();
    this.#connection += 1;
    this.#carrying = false;
    for (const side of [this.#sides.a, this.#sides.b]) {
      side.inFlightBytes = 0;
      side.lastArrivalMs = Number.NEGATIVE_INFINITY;
    }
  }

  #forget(side: Side, why: CloseReason): void {
    if (side.connection === null) return;
    side.connection = null;
    side.handlers?.onClose(why);
  }

  #reaches(side: Side): boolean {
    return this.#carrying && side.connection === this.#connection;
  }

  #close(side: Side, peer: Side): void {
    if (side.connection === null) return;
    const reaches = this.#reaches(side);
    this.#tap(side.name, 'fin', NOTHING, !reaches, side.connection);
    side.connection = null;
    if (!reaches) return;
    this.#laterTo(peer, this.#behaviour.delayMs, () => {
      if (!this.#carrying) return;
      this.#tap(peer.name, 'fin', NOTHING, false);
      this.#carrying = false;
      this.#forget(peer, 'closed');
    });
  }

  #send(side: Side, peer: Side, octets: Uint8Array): void {
    if (side.connection === null || octets.length === 0) return;
    if (!this.#reaches(side)) return this.#tap(side.name, 'data', octets.slice(), true, side.connection);
    if (side.inFlightBytes + octets.length > this.#inFlightBytesMax) {
      // Told later, not inside send(). What is sent until then is voided by the reset: no gap is seen.
      this.#later(0, () => this.reset());
      return;
    }
    const streams = this.#streams[side.name];
    for (const piece of this.#pieces(side.name, octets)) {
      this.#maybeFlip(side.name, piece);
      this.#tap(side.name, 'data', piece, false);
      side.inFlightBytes += piece.length;
      const delayMs = this.#behaviour.delayMs + streams.jitter.int(0, this.#behaviour.jitterMs);
      this.#laterTo(peer, delayMs, () => {
        side.inFlightBytes -= piece.length;
        if (this.#reaches(peer)) peer.handlers?.onData(piece);
      });
    }
  }

  #pieces(from: EndName, octets: Uint8Array): Uint8Array[] {
    const { chopBytesMax } = this.#behaviour;
    if (chopBytesMax === 0) return [octets.slice()];
    const pieces: Uint8Array[] = [];
    for (let at = 0; at < octets.length; ) {
      const end = at + this.#streams[from].chop.int(1, chopBytesMax);
      pieces.push(octets.slice(at, end));
      at = end;
    }
    return pieces;
  }

  /** Draws whether or not it flips, so that the ratio does not shift later flips. */
  #maybeFlip(from: EndName, piece: Uint8Array): void {
    const { flip, flipBit } = this.#streams[from];
    const flips = flip.chance(this.#behaviour.bitFlipRatio);
    const bit = flipBit.int(0, piece.length * 8 - 1);
    if (flips) piece[bit >> 3] = (piece[bit >> 3] ?? 0) ^ (1 << (bit & 7));
  }

  #clearConnectTimer(): void {
    if (this.#connectTimer !== null) this.#options.scheduler.cancel(this.#connectTimer);
    this.#connectTimer = null;
  }

  /** Runs unless a newer connection has begun by then. */
  #later(delayMs: number, fn: () => void): TimerHandle {
    const connection = this.#connection;
    const atMs = this.#options.scheduler.nowMs() + delayMs;
    return this.#options.scheduler.at(atMs, () => connection === this.#connection && fn(), PRIORITY.wire);
  }

  /** Never before what was sent earlier to the same side: equal times keep the order of scheduling. */
  #laterTo(side: Side, delayMs: number, fn: () => void): void {
    const nowMs = this.#options.scheduler.nowMs();
    side.lastArrivalMs = Math.max(side.lastArrivalMs, nowMs + delayMs);
    this.#later(side.lastArrivalMs - nowMs, fn);
  }

  #tap(from: EndName, kind: Segment['kind'], octets: Uint8Array, lost: boolean, connection = this.#connection): void {
    const { scheduler, onSegment } = this.#options;
    onSegment?.({ atMs: scheduler.nowMs(), from, connection, kind, octets, lost });
  }
}

function checkedBehaviour(b: PipeBehaviour): PipeBehaviour {
  for (const name of ['delayMs', 'jitterMs', 'chopBytesMax', 'connectTimeoutMs'] as const) {
    invariant(Number.isSafeInteger(b[name]) && b[name] >= 0, `${name} of a pipe is whole and >= 0, not ${b[name]}`);
  }
  invariant(b.bitFlipRatio >= 0 && b.bitFlipRatio <= 1, `bitFlipRatio is a ratio in 0..1, not ${b.bitFlipRatio}`);
  return b;
}
