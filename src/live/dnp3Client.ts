import { isIP, type Socket, connect as tcpConnect } from 'node:net';
import { connect as tlsConnect } from 'node:tls';
import type { EpochMs } from '../domain/units.ts';
import { PRIORITY, type Scheduler, type TimerHandle } from '../ports/clock.ts';
import { type Dnp3End, Dnp3Link, endWords, type LinkEnded, type LinkLimits, type LinkTap } from './dnp3Tcp.ts';
import type { TlsSettings } from './dnp3Tls.ts';
import { wallClock } from './steppedClock.ts';

/**
 * The connecting end, a master as a rule: keeps one connection to one outstation.
 *
 * After a failure it waits and tries again. The wait is drawn between the least wait and three times the last one, up to
 * the longest ("decorrelated jitter", Brooker, Exponential Backoff And Jitter, 2015 [S]), so that many masters which lose
 * one server do not come back together. It starts anew once a connection brought an octet: a server that accepts and
 * closes is no success.
 */
export interface ClientOptions {
  readonly host: string;
  readonly port: number;
  readonly end: Dnp3End;
  /** Uniform in [0, 1), for the waits. */
  readonly random: () => number;
  readonly tls?: TlsSettings | undefined;
  readonly limits?: Partial<LinkLimits>;
  readonly retryMsMin?: number;
  readonly retryMsMax?: number;
  readonly connectMs?: number;
  readonly onWork?: (nowMs: EpochMs) => void;
  readonly onState?: (state: ClientState) => void;
  readonly tap?: LinkTap | undefined;
  /** For the session and the waits between tries; the machine's when absent. */
  readonly clock?: Scheduler | undefined;
}

export type ClientState =
  | { readonly kind: 'connected' }
  /** @field inMs  wait before the next try; null when the client was stopped */
  | { readonly kind: 'down'; readonly why: string; readonly inMs: number | null };

/** 1 s to 60 s as opendnp3's ChannelRetry has them [S]; 10 s for a connect is ours. */
export const CLIENT_DEFAULTS = { retryMsMin: 1_000, retryMsMax: 60_000, connectMs: 10_000 } as const;

export class Dnp3Client {
  private readonly options: Required<Pick<ClientOptions, 'retryMsMin' | 'retryMsMax' | 'connectMs'>> & ClientOptions;
  private readonly clock: Scheduler;
  private link: Dnp3Link | null = null;
  /** The link before, which may still be ending. */
  private former: Dnp3Link | null = null;
  private dialling: Socket | null = null;
  private retry: TimerHandle | null = null;
  private waitMs: number;
  private connections = 0;
  private stopped = true;

  constructor(options: ClientOptions) {
    this.options = { ...CLIENT_DEFAULTS, ...options };
    this.waitMs = this.options.retryMsMin;
    this.clock = options.clock ?? wallClock;
  }

  get isConnected(): boolean {
    return this.link?.isOpen === true;
  }

  /** The connection that stands. */
  get openLink(): Dnp3Link | null {
    return this.link;
  }

  /** For a stepped clock to watch: a connection is being made or ended. */
  inFlight(): number {
    return (this.dialling === null ? 0 : 1) + (this.former?.isClosing === true ? 1 : 0);
  }

  start(): void {
    if (!this.stopped) return;
    this.stopped = false;
    this.dial();
  }

  /** Touches the session, then sends what came of it. Works while there is no connection, too: the session decides. */
  use(act: (nowMs: EpochMs) => void): void {
    const nowMs = this.clock.nowMs();
    act(nowMs);
    if (this.link?.isOpen === true) this.link.flush();
    else this.options.onWork?.(nowMs);
  }

  /** Gives up this connection and makes a new one. */
  reconnect(why: string): void {
    this.link?.close(why);
  }

  /** Ends the connection in good order; settles when the socket is gone. */
  async stop(): Promise<void> {
    if (this.stopped) return;
    this.stopped = true;
    if (this.retry !== null) this.clock.cancel(this.retry);
    this.dialling?.destroy();
    const { link } = this;
    link?.close('the client was stopped');
    await link?.gone;
  }

  private dial(): void {
    const { host, port, tls, connectMs } = this.options;
    this.retry = null;
    const name = isIP(host) === 0 ? { servername: host } : {};
    const socket = tls === undefined ? tcpConnect({ host, port }) : tlsConnect({ host, port, ...tls, ...name });
    this.dialling = socket;
    let settled = false;
    const settle = (then: () => void): void => {
      if (settled) return;
      settled = true;
      clearTimeout(limit);
      this.dialling = null;
      then();
    };
    const failed = (why: string): void =>
      settle(() => {
        socket.destroy();
        this.again(why);
      });
    const limit = setTimeout(() => failed(`no connection within ${connectMs} ms`), connectMs);
    // A TLS socket is ready only when both certificates were checked; 'connect' comes before that.
    socket.once(tls === undefined ? 'connect' : 'secureConnect', () => settle(() => this.adopt(socket)));
    socket.once('error', (e) => failed(e.message));
    socket.once('close', () => failed('the connection was closed while it was made'));
  }

  private adopt(socket: Socket): void {
    if (this.stopped) {
      socket.destroy();
      return;
    }
    this.options.onState?.({ kind: 'connected' });
    this.connections += 1;
    const { end, limits, onWork, tap } = this.options;
    // The session may close the link while it is being made: onEnded then comes before `link` is known.
    let early: LinkEnded | null = null;
    const link: Dnp3Link = new Dnp3Link({
      socket,
      end,
      role: 'client',
      connection: this.connections,
      tap,
      clock: this.clock,
      ...(limits === undefined ? {} : { limits }),
      ...(onWork === undefined ? {} : { onWork }),
      onEnded: (ended) => {
        if (this.link === null) early = ended;
        else this.lost(this.link, ended);
      },
    });
    this.link = link;
    if (early !== null) this.lost(link, early);
  }

  private lost(link: Dnp3Link, ended: LinkEnded): void {
    this.link = null;
    this.former = link;
    if (link.octetsIn > 0) this.waitMs = this.options.retryMsMin;
    this.again(endWords(ended));
  }

  private again(why: string): void {
    const { retryMsMin, retryMsMax, random } = this.options;
    if (this.stopped) {
      this.options.onState?.({ kind: 'down', why, inMs: null });
      return;
    }
    const inMs = Math.min(retryMsMax, Math.round(retryMsMin + random() * (3 * this.waitMs - retryMsMin)));
    this.waitMs = inMs;
    this.options.onState?.({ kind: 'down', why, inMs });
    this.retry = this.clock.at(this.clock.nowMs() + inMs, () => this.dial(), PRIORITY.wire);
  }
}
