import { createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { inputError } from '../domain/errors.ts';
import type { Scheduler } from '../ports/clock.ts';
import { type Dnp3End, Dnp3Link, endWords, type LinkLimits, type LinkTap } from './dnp3Tcp.ts';
import type { TlsSettings } from './dnp3Tls.ts';

/**
 * The listening end, an outstation as a rule. Each connection gets a session of its own from `accept`, which may also
 * refuse it: an outstation talks to one master, and a second one that came in would tear the first one's dialogue apart.
 * Listens on 127.0.0.1 unless told otherwise, since DNP3 itself asks nobody who he is.
 * At `connectionsMax` further connections are closed as they come in, before any handshake.
 */
export interface ServerOptions {
  readonly host?: string;
  /** 0 = any free one. */
  readonly port: number;
  readonly accept: (peer: string) => Accepted;
  readonly connectionsMax?: number;
  readonly tls?: TlsSettings | undefined;
  readonly limits?: Partial<LinkLimits>;
  readonly onState?: (state: ServerState) => void;
  readonly tap?: LinkTap | undefined;
  /** For the sessions; the machine's when absent. */
  readonly clock?: Scheduler | undefined;
}

export type Accepted =
  | {
      readonly kind: 'session';
      readonly end: Dnp3End;
      readonly onWork?: (nowMs: number) => void;
      /** Gets the link, to flush it when the session was touched from outside. */
      readonly onLink?: (link: Dnp3Link) => void;
      readonly onEnded?: () => void;
    }
  | { readonly kind: 'refused'; readonly why: string };

export type ServerState =
  | { readonly kind: 'connected'; readonly peer: string }
  | { readonly kind: 'ended'; readonly peer: string; readonly why: string }
  | { readonly kind: 'refused'; readonly peer: string; readonly why: string };

export const SERVER_DEFAULTS = { host: '127.0.0.1', connectionsMax: 64 } as const;
const HANDSHAKE_MS = 10_000;
const CLOSE_MS = 1_000;

export class Dnp3Server {
  private readonly options: ServerOptions;
  private readonly server: Server;
  private readonly links = new Set<Dnp3Link>();
  private readonly ending = new Set<Dnp3Link>();
  /** Every open socket, those in a TLS handshake too: closing waits for none of them. */
  private readonly sockets = new Set<Socket>();
  private connections = 0;

  private constructor(options: ServerOptions, server: Server) {
    this.options = options;
    this.server = server;
  }

  /** @throws InputError when the address cannot be had */
  static async listen(options: ServerOptions): Promise<Dnp3Server> {
    const { tls } = options;
    const host = options.host ?? SERVER_DEFAULTS.host;
    const net =
      tls === undefined
        ? createTcpServer()
        : createTlsServer({ ...tls, requestCert: true, handshakeTimeout: HANDSHAKE_MS });
    net.maxConnections = options.connectionsMax ?? SERVER_DEFAULTS.connectionsMax;
    const self = new Dnp3Server(options, net);
    net.on(tls === undefined ? 'connection' : 'secureConnection', (socket: Socket) => self.take(socket));
    net.on('connection', (socket: Socket) => {
      self.sockets.add(socket);
      socket.once('close', () => self.sockets.delete(socket));
    });
    net.on('drop', (data?: { remoteAddress?: string; remotePort?: number }) =>
      self.refuse(
        `${data?.remoteAddress ?? '?'}:${data?.remotePort ?? '?'}`,
        `${net.maxConnections} connections are open`,
      ),
    );
    net.on('tlsClientError', (e: Error, socket: Socket) => self.refuse(peerOf(socket), `TLS: ${e.message}`));
    await new Promise<void>((resolve, reject) => {
      net.once('error', (e) =>
        reject(
          inputError({
            source: 'listen',
            place: `${host}:${options.port}`,
            value: e.message,
            expected: 'an address of this machine and a free port',
          }),
        ),
      );
      net.listen(options.port, host, resolve);
    });
    net.on('error', (e) => options.onState?.({ kind: 'refused', peer: '?', why: e.message }));
    return self;
  }

  get address(): { readonly host: string; readonly port: number } {
    const at = this.server.address();
    return at !== null && typeof at === 'object' ? { host: at.address, port: at.port } : { host: '', port: 0 };
  }

  get connectionCount(): number {
    return this.links.size;
  }

  /** The open connection that comes from this port of the other end. */
  linkFrom(port: number): Dnp3Link | null {
    for (const link of this.links) if (link.isOpen && link.ports.remote === port) return link;
    return null;
  }

  /** For a stepped clock to watch: connections that are being ended. */
  inFlight(): number {
    return this.ending.size;
  }

  /** Takes no more connections, closes those that are open and waits until all are gone. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
    const greeted = this.links.size > 0;
    for (const link of this.links) link.close('the server was stopped');
    const cut = (): void => {
      for (const socket of this.sockets) socket.destroy();
    };
    // Links end in good order; whoever is still there afterwards, or never came to be one, is cut off.
    const limit = setTimeout(cut, greeted ? CLOSE_MS : 0);
    await closed;
    clearTimeout(limit);
  }

  private take(socket: Socket): void {
    const peer = peerOf(socket);
    const accepted = this.options.accept(peer);
    if (accepted.kind === 'refused') {
      socket.on('error', () => {});
      socket.destroy();
      return this.refuse(peer, accepted.why);
    }
    this.options.onState?.({ kind: 'connected', peer });
    this.connections += 1;
    const { limits, tap, clock } = this.options;
    let gone = false;
    const link: Dnp3Link = new Dnp3Link({
      socket,
      end: accepted.end,
      role: 'server',
      connection: this.connections,
      tap,
      clock,
      ...(limits === undefined ? {} : { limits }),
      ...(accepted.onWork === undefined ? {} : { onWork: accepted.onWork }),
      onEnded: (ended) => {
        gone = true;
        for (const l of this.links) {
          if (l.isOpen) continue;
          this.links.delete(l);
          this.ending.add(l);
          void l.gone.then(() => this.ending.delete(l));
        }
        accepted.onEnded?.();
        this.options.onState?.({ kind: 'ended', peer, why: endWords(ended) });
      },
    });
    if (gone) return;
    this.links.add(link);
    accepted.onLink?.(link);
  }

  private refuse(peer: string, why: string): void {
    this.options.onState?.({ kind: 'refused', peer, why });
  }
}

const peerOf = (socket: Socket): string => `${socket.remoteAddress ?? '?'}:${socket.remotePort ?? '?'}`;
