import type { Socket } from 'node:net';
import type { EpochMs } from '../domain/units.ts';
import { PRIORITY, type Scheduler, type TimerHandle } from '../ports/clock.ts';
import { wallClock } from './steppedClock.ts';

/**
 * One TCP or TLS connection that carries one DNP3 session (IEEE 1815 clause 13 [S]).
 *
 * The session is sans-I/O: octets and time go in, octets come out. This driver moves them. What it adds:
 *   writes     one write for each buffer the session gives, that is one a fragment, with Nagle's algorithm off: a fragment
 *              that waits for the acknowledgement of the one before costs 40 ms on Linux (delayed acknowledgement)
 *   timers     one timer at the earliest deadline of the session; a deadline that moves later leaves it, and it is set
 *              anew when it fires, because deadlines move with every exchange
 *   back-pressure   while the socket has more than it takes, nothing is read: a peer that does not take answers gets none
 *              of its further requests worked on. At `pendingOctetsMax` waiting octets, or when nothing drained for
 *              `stallMs`, the connection is closed and the reason told
 *   clock      the session's deadlines and the limits below go by `clock`; what bounds the machine alone, such as the grace
 *              for a peer that does not end its side, goes by the machine's
 *   half-open  TCP keep-alive after `keepAliveMs` finds a host that is gone; `silenceMs` without an octet closes a
 *              connection whose peer is there and says nothing (null = the session asks itself, as a master does)
 */
export interface Dnp3End {
  connected(nowMs: EpochMs): void;
  disconnected(nowMs: EpochMs): void;
  receive(octets: Uint8Array, nowMs: EpochMs): void;
  timeout(nowMs: EpochMs): void;
  nextTimeoutMs(): EpochMs | null;
  takeOutput(): readonly Uint8Array[];
}

export interface LinkLimits {
  readonly pendingOctetsMax: number;
  readonly stallMs: number;
  readonly keepAliveMs: number;
  readonly silenceMs: number | null;
}

/** Ours: 256 KiB are 128 fragments; 10 s is twice the usual response time-out of a master. */
export const LINK_LIMITS: LinkLimits = {
  pendingOctetsMax: 256 * 1024,
  stallMs: 10_000,
  keepAliveMs: 30_000,
  silenceMs: null,
};

export type LinkEnded =
  | { readonly kind: 'closed'; readonly why: string }
  | { readonly kind: 'peer-closed' }
  | { readonly kind: 'failed'; readonly why: string }
  | { readonly kind: 'overloaded'; readonly pendingOctets: number }
  | { readonly kind: 'stalled'; readonly stallMs: number }
  | { readonly kind: 'silent'; readonly silenceMs: number };

export function endWords(ended: LinkEnded): string {
  switch (ended.kind) {
    case 'closed':
      return ended.why;
    case 'peer-closed':
      return 'the peer closed the connection';
    case 'failed':
      return ended.why;
    case 'overloaded':
      return `${ended.pendingOctets} octets wait that the peer does not take`;
    case 'stalled':
      return `the peer took nothing for ${ended.stallMs} ms`;
    case 'silent':
      return `the peer said nothing for ${ended.silenceMs} ms`;
  }
}

/** What passes a connection, as a capture wants it; a is the end that connected. */
export interface LinkSegment {
  readonly atMs: EpochMs;
  readonly from: 'a' | 'b';
  readonly connection: number;
  readonly kind: 'syn' | 'syn-ack' | 'ack' | 'data' | 'fin' | 'rst';
  readonly octets: Uint8Array;
  readonly lost: boolean;
}
export type LinkTap = (segment: LinkSegment) => void;

export interface LinkOptions {
  readonly socket: Socket;
  readonly end: Dnp3End;
  readonly role: 'client' | 'server';
  /** Number of the connection, for the tap. */
  readonly connection: number;
  readonly limits?: Partial<LinkLimits>;
  /** Called after the session took octets or a time-out and before its output leaves: drain its events here. */
  readonly onWork?: (nowMs: EpochMs) => void;
  readonly onEnded?: (ended: LinkEnded) => void;
  readonly tap?: LinkTap | undefined;
  /** The machine's when absent. */
  readonly clock?: Scheduler | undefined;
}

/** A peer that does not end its side in this time is cut off. */
const CLOSE_MS = 1_000;
const NO_OCTETS = new Uint8Array(0);

export class Dnp3Link {
  octetsIn = 0;
  octetsOut = 0;
  /** Settles when the socket is gone: the peer then knows of the end, or was cut off. */
  readonly gone: Promise<void>;
  private readonly options: LinkOptions;
  private readonly limits: LinkLimits;
  private readonly clock: Scheduler;
  private ended: LinkEnded | null = null;
  private isGone = false;
  private timer: TimerHandle | null = null;
  private timerMs = Number.POSITIVE_INFINITY;
  private heardMs: EpochMs;
  /** Since when the socket has more than it takes. */
  private stalledMs: EpochMs | null = null;

  /** Takes over a connected socket; the session is told at once and may speak first. */
  constructor(options: LinkOptions) {
    this.options = options;
    this.limits = { ...LINK_LIMITS, ...options.limits };
    this.clock = options.clock ?? wallClock;
    const { socket, end } = options;
    this.heardMs = this.clock.nowMs();
    this.gone = new Promise((resolve) =>
      socket.once('close', () => {
        this.isGone = true;
        resolve();
      }),
    );
    socket.setNoDelay(true);
    socket.setKeepAlive(true, this.limits.keepAliveMs);
    socket.on('data', (octets: Uint8Array) => this.onData(octets));
    socket.on('drain', () => this.onDrain());
    socket.on('end', () => this.finish({ kind: 'peer-closed' }));
    socket.on('error', (e) => this.finish({ kind: 'failed', why: e.message }));
    socket.on('close', () => this.finish({ kind: 'peer-closed' }));
    this.tapOpening();
    end.connected(this.heardMs);
    this.work(this.heardMs);
  }

  get isOpen(): boolean {
    return this.ended === null;
  }

  /** It ended, and the socket still has to learn of it or to say so. */
  get isClosing(): boolean {
    return this.ended !== null && !this.isGone;
  }

  /** Port of this end, and of the other. */
  get ports(): { readonly local: number; readonly remote: number } {
    const { localPort = 0, remotePort = 0 } = this.options.socket;
    return { local: localPort, remote: remotePort };
  }

  /** To be called after the session was touched from outside: sends what it has and sets the timer. */
  flush(): void {
    this.work(this.clock.nowMs());
  }

  close(why: string): void {
    this.finish({ kind: 'closed', why });
  }

  private onData(octets: Uint8Array): void {
    if (this.ended !== null) return;
    const nowMs = this.clock.nowMs();
    this.heardMs = nowMs;
    this.octetsIn += octets.length;
    if (this.options.tap !== undefined) this.tell('data', this.options.role === 'client' ? 'b' : 'a', octets);
    this.options.end.receive(octets, nowMs);
    this.work(nowMs);
  }

  private onDrain(): void {
    this.stalledMs = null;
    if (this.ended === null) this.options.socket.resume();
  }

  private work(nowMs: EpochMs): void {
    if (this.ended !== null) return;
    this.options.onWork?.(nowMs);
    this.send(nowMs);
    this.arm();
  }

  private send(nowMs: EpochMs): void {
    const { socket, end, role, tap } = this.options;
    const output = end.takeOutput();
    // A confirm and the request behind it are two writes and one system call.
    if (output.length > 1) socket.cork();
    for (const octets of output) {
      if (this.ended !== null) break;
      this.octetsOut += octets.length;
      if (tap !== undefined) this.tell('data', role === 'client' ? 'a' : 'b', octets);
      if (socket.write(octets)) continue;
      if (this.stalledMs === null) {
        this.stalledMs = nowMs;
        socket.pause();
      }
      const pendingOctets = socket.writableLength;
      if (pendingOctets > this.limits.pendingOctetsMax) this.finish({ kind: 'overloaded', pendingOctets });
    }
    if (output.length > 1) socket.uncork();
  }

  private deadlineMs(): EpochMs {
    const { silenceMs, stallMs } = this.limits;
    return Math.min(
      this.options.end.nextTimeoutMs() ?? Number.POSITIVE_INFINITY,
      silenceMs === null ? Number.POSITIVE_INFINITY : this.heardMs + silenceMs,
      this.stalledMs === null ? Number.POSITIVE_INFINITY : this.stalledMs + stallMs,
    );
  }

  private arm(): void {
    if (this.ended !== null) return;
    const dueMs = this.deadlineMs();
    if (dueMs >= this.timerMs) return;
    if (this.timer !== null) this.clock.cancel(this.timer);
    this.timerMs = dueMs;
    this.timer = this.clock.at(dueMs, () => this.onTimer(), PRIORITY.wire);
  }

  private onTimer(): void {
    this.timer = null;
    this.timerMs = Number.POSITIVE_INFINITY;
    if (this.ended !== null) return;
    const nowMs = this.clock.nowMs();
    const { silenceMs, stallMs } = this.limits;
    if (silenceMs !== null && nowMs >= this.heardMs + silenceMs) return this.finish({ kind: 'silent', silenceMs });
    if (this.stalledMs !== null && nowMs >= this.stalledMs + stallMs) return this.finish({ kind: 'stalled', stallMs });
    const sessionMs = this.options.end.nextTimeoutMs();
    if (sessionMs !== null && nowMs >= sessionMs) {
      this.options.end.timeout(nowMs);
      this.work(nowMs);
    } else this.arm();
  }

  private finish(ended: LinkEnded): void {
    if (this.ended !== null) return;
    this.ended = ended;
    if (this.timer !== null) this.clock.cancel(this.timer);
    const { socket, end, role } = this.options;
    const own = role === 'client' ? 'a' : 'b';
    this.tell('fin', ended.kind === 'peer-closed' ? (own === 'a' ? 'b' : 'a') : own, NO_OCTETS);
    // What was written still leaves when we close in good order; a peer that takes nothing is cut off.
    if (ended.kind === 'closed' || ended.kind === 'peer-closed') socket.end();
    else socket.destroy();
    socket.resume();
    const grace = setTimeout(() => socket.destroy(), CLOSE_MS);
    void this.gone.then(() => clearTimeout(grace));
    const nowMs = this.clock.nowMs();
    end.disconnected(nowMs);
    this.options.onWork?.(nowMs);
    this.options.onEnded?.(ended);
  }

  private tell(kind: LinkSegment['kind'], from: 'a' | 'b', octets: Uint8Array): void {
    const { tap, connection } = this.options;
    tap?.({ atMs: this.clock.nowMs(), from, connection, kind, octets, lost: false });
  }

  private tapOpening(): void {
    this.tell('syn', 'a', NO_OCTETS);
    this.tell('syn-ack', 'b', NO_OCTETS);
    this.tell('ack', 'a', NO_OCTETS);
  }
}
