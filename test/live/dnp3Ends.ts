import { connect, type Socket } from 'node:net';
import type { BankPoint } from '../../harness/cli/dnp3Bank.ts';
import { PointBank } from '../../harness/cli/dnp3Bank.ts';
import { randomSource } from '../../harness/kernel/random.ts';
import type { MasterConfig, MasterNotice } from '../../src/dnp3/master/config.ts';
import { MasterSession } from '../../src/dnp3/master/session.ts';
import type { OutstationEvent } from '../../src/dnp3/outstation/config.ts';
import { type ClientOptions, type ClientState, Dnp3Client } from '../../src/live/dnp3Client.ts';
import { Dnp3Server, type ServerOptions, type ServerState } from '../../src/live/dnp3Server.ts';
import type { Dnp3Link } from '../../src/live/dnp3Tcp.ts';

/** Master and outstation on loopback sockets, as things a test can wait for. */
export const MASTER = 1;
export const OUTSTATION = 10;

/** A list that can be waited on. */
export class Feed<T> {
  readonly all: T[] = [];
  private waiting: { readonly fits: (item: T) => boolean; readonly resolve: (item: T) => void }[] = [];

  push(item: T): void {
    this.all.push(item);
    const ready = this.waiting.filter((w) => w.fits(item));
    this.waiting = this.waiting.filter((w) => !ready.includes(w));
    for (const w of ready) w.resolve(item);
  }

  /** The first item from now on that fits; fails after 5 s, with what came instead. */
  next(what: string, fits: (item: T) => boolean = () => true): Promise<T> {
    const from = this.all.length;
    return new Promise((resolve, reject) => {
      const limit = setTimeout(
        () => reject(new Error(`${what} did not come; got ${JSON.stringify(this.all.slice(from)).slice(0, 2_000)}`)),
        5_000,
      );
      const done = (item: T): void => {
        clearTimeout(limit);
        resolve(item);
      };
      this.waiting.push({ fits, resolve: done });
    });
  }
}

export interface ServedBank {
  readonly server: Dnp3Server;
  readonly port: number;
  readonly bank: PointBank;
  readonly states: Feed<ServerState>;
  readonly events: Feed<OutstationEvent>;
  /** Touches the session and sends what came of it. */
  readonly use: (act: (nowMs: number) => void) => void;
}

export const POINTS: readonly BankPoint[] = [
  { kind: 'AI', index: 0, eventClass: 2, staticVariation: 5, eventVariation: 7, deadband: 1, value: 12.5, walk: 0 },
  { kind: 'AI', index: 1, eventClass: 2, value: -70_000, walk: 0 },
  { kind: 'BI', index: 3, eventClass: 1, value: 1, walk: 0 },
  { kind: 'CTR', index: 0, eventClass: 3, value: 4_000_000_000, walk: 0 },
  { kind: 'BOS', index: 2, eventClass: 1, value: 0, walk: 0 },
  { kind: 'AOS', index: 5, eventClass: 2, staticVariation: 3, value: 0, walk: 0 },
];

/** One outstation that takes one master at a time. */
export async function serveBank(
  points: readonly BankPoint[] = POINTS,
  { unsolicited = true, ...options }: Partial<ServerOptions> & { readonly unsolicited?: boolean } = {},
): Promise<ServedBank> {
  const bank = new PointBank({
    local: OUTSTATION,
    remote: MASTER,
    unsolicited,
    points,
    random: randomSource('test'),
  });
  const states = new Feed<ServerState>();
  const events = new Feed<OutstationEvent>();
  let link: Dnp3Link | null = null;
  let busy = false;
  const server = await Dnp3Server.listen({
    port: 0,
    onState: (s) => states.push(s),
    accept: () => {
      if (busy) return { kind: 'refused', why: 'another master is connected' };
      busy = true;
      return {
        kind: 'session',
        end: bank.session,
        onWork: () => {
          for (const e of bank.session.takeEvents()) events.push(e);
        },
        onLink: (l) => {
          link = l;
        },
        onEnded: () => {
          busy = false;
          link = null;
        },
      };
    },
    ...options,
  });
  const use = (act: (nowMs: number) => void): void => {
    act(Date.now());
    link?.flush();
  };
  return { server, port: server.address.port, bank, states, events, use };
}

export interface LiveMaster {
  readonly session: MasterSession;
  readonly client: Dnp3Client;
  readonly notices: Feed<MasterNotice>;
  readonly states: Feed<ClientState>;
}

/** A master that closes a connection which its session calls dead. */
export function liveMaster(
  port: number,
  config: Partial<MasterConfig> = {},
  options: Partial<ClientOptions> = {},
): LiveMaster {
  const session = new MasterSession({
    localAddress: MASTER,
    remoteAddress: OUTSTATION,
    known: () => true,
    ...config,
  });
  const notices = new Feed<MasterNotice>();
  const states = new Feed<ClientState>();
  const client: Dnp3Client = new Dnp3Client({
    host: '127.0.0.1',
    port,
    end: session,
    random: () => 0,
    retryMsMin: 20,
    retryMsMax: 100,
    onState: (s) => states.push(s),
    onWork: () => {
      for (const n of session.takeNotices()) {
        notices.push(n);
        if (n.kind === 'link-dead') queueMicrotask(() => client.reconnect('nobody answers'));
      }
    },
    ...options,
  });
  return { session, client, notices, states };
}

export const integrityOf = (m: LiveMaster): Promise<MasterNotice> =>
  m.notices.next('the integrity poll', (n) => n.kind === 'integrity-complete');

/** A bare connection, open. */
export async function bareSocket(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  await new Promise<void>((resolve) => socket.once('connect', () => resolve()));
  return socket;
}
