import type { MasterNotice } from '../../src/dnp3/master/config.ts';
import { MasterSession } from '../../src/dnp3/master/session.ts';
import { Dnp3Client } from '../../src/live/dnp3Client.ts';
import type { LinkTap } from '../../src/live/dnp3Tcp.ts';
import type { TlsSettings } from '../../src/live/dnp3Tls.ts';
import { randomSource } from '../kernel/random.ts';

/**
 * A master session on a connection, as something one can wait for: what it tells goes to listeners, each until it says
 * that it is done. A link that the session calls dead is closed and made anew.
 */
export interface MasterLinkOptions {
  readonly host: string;
  readonly port: number;
  readonly local: number;
  readonly remote: number;
  readonly unsolicited: boolean;
  readonly responseMs: number;
  readonly tls: TlsSettings | undefined;
  readonly tap: LinkTap | undefined;
  readonly say: (text: string) => void;
}

export class MasterLink {
  readonly session: MasterSession;
  private readonly client: Dnp3Client;
  private readonly listeners = new Set<(notice: MasterNotice) => void>();
  private readonly downs = new Set<(why: string) => void>();

  constructor({ host, port, local, remote, unsolicited, responseMs, tls, tap, say }: MasterLinkOptions) {
    this.session = new MasterSession({
      localAddress: local,
      remoteAddress: remote,
      known: () => true,
      knownOctets: () => true,
      unsolicitedClasses: unsolicited ? [1, 2, 3] : [],
      timeSync: false,
      responseMs,
    });
    const random = randomSource(`vpp dnp3 master/${process.pid}/${process.hrtime.bigint()}`)('back-off');
    this.client = new Dnp3Client({
      host,
      port,
      end: this.session,
      random: () => random.next(),
      tls,
      tap,
      onWork: () => this.drain(),
      onState: (state) => {
        if (state.kind === 'connected') return say(`connected to ${host}:${port}`);
        if (state.inMs !== null) say(`${state.why}, next try in ${(state.inMs / 1000).toFixed(1)} s`);
        for (const down of this.downs) down(state.why);
      },
    });
  }

  start(): void {
    this.client.start();
  }

  stop(): Promise<void> {
    return this.client.stop();
  }

  /** Touches the session; what comes of it leaves at once. */
  use(act: (session: MasterSession, nowMs: number) => void): void {
    this.client.use((nowMs) => act(this.session, nowMs));
  }

  /** @returns a function that takes the listener back */
  listen(listener: (notice: MasterNotice) => void): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  onDown(listener: (why: string) => void): void {
    this.downs.add(listener);
  }

  /** The first notice that `pick` turns into a value. `act` runs once the listener stands. */
  wait<T>(pick: (notice: MasterNotice) => T | null, act?: (session: MasterSession, nowMs: number) => void): Promise<T> {
    return new Promise((resolve) => {
      const forget = this.listen((notice) => {
        const value = pick(notice);
        if (value === null) return;
        forget();
        resolve(value);
      });
      if (act !== undefined) this.use(act);
    });
  }

  private drain(): void {
    for (const notice of this.session.takeNotices()) {
      for (const listener of [...this.listeners]) listener(notice);
      // After this round of work, not in the middle of it.
      if (notice.kind === 'link-dead') queueMicrotask(() => this.client.reconnect('nobody answers on this connection'));
    }
  }
}
