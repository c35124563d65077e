import { createServer, type Server } from 'node:net';
import type { PointConfig } from '../../src/dnp3/outstation/database.ts';
import { OutstationSession } from '../../src/dnp3/outstation/session.ts';
import { Dnp3Server } from '../../src/live/dnp3Server.ts';
import type { Dnp3Link } from '../../src/live/dnp3Tcp.ts';
import { liveNowMs } from '../../src/live/liveClock.ts';

/**
 * The other process of the DNP3 benchmark. It is told over the process channel what to be: outstations behind one port,
 * one session for each connection, or a bare TCP server that answers with as many octets as a poll has. It says what
 * processor time it used when asked.
 */
export type PeerOrder =
  | {
      readonly kind: 'outstations';
      readonly points: number;
      /** Changes one point after each READ, so that each answer carries an event and asks for a confirm. */
      readonly eventPerPoll: boolean;
      /** Changes a second over all sessions, sent unasked; 0 = none. */
      readonly unsolicitedPerS: number;
    }
  /** Exchanges in turn: after so many octets in, so many out. */
  | { readonly kind: 'bare'; readonly exchanges: readonly Exchange[] }
  | { readonly kind: 'cpu' };

export interface Exchange {
  readonly inOctets: number;
  readonly outOctets: number;
}

export type PeerAnswer =
  | { readonly kind: 'listening'; readonly port: number }
  | { readonly kind: 'cpu'; readonly cpuMs: number; readonly sessions: number };

export const MASTER_ADDRESS = 1;
export const OUTSTATION_ADDRESS = 10;

/** Analog inputs as 32-bit floats with flags (g30v5), class 2, events as floats with time (g32v7). */
const pointsOf = (count: number): PointConfig[] =>
  Array.from({ length: count }, (_, index) => ({
    kind: 'AI',
    index,
    eventClass: 2,
    staticVariation: 5,
    eventVariation: 7,
    deadband: 0.5,
    value: index * 1.25,
  }));

interface Served {
  readonly session: OutstationSession;
  readonly link: Dnp3Link;
}

export function servePeer(): void {
  const served = new Set<Served>();
  process.on('message', async (order: PeerOrder) => {
    const tell = (answer: PeerAnswer): void => void process.send?.(answer);
    if (order.kind === 'cpu') {
      const { user, system } = process.cpuUsage();
      tell({ kind: 'cpu', cpuMs: (user + system) / 1000, sessions: served.size });
    } else if (order.kind === 'bare') {
      tell({ kind: 'listening', port: await listenBare(order.exchanges) });
    } else {
      tell({ kind: 'listening', port: await listenOutstations(order, served) });
    }
  });
  process.on('disconnect', () => process.exit(0));
}

async function listenOutstations(
  order: Extract<PeerOrder, { kind: 'outstations' }>,
  served: Set<Served>,
): Promise<number> {
  const points = pointsOf(order.points);
  let changes = 0;
  const change = (session: OutstationSession, nowMs: number): void => {
    changes += 1;
    session.update('AI', changes % order.points, { value: changes, flags: 1, timeMs: nowMs }, nowMs);
  };
  const server = await Dnp3Server.listen({
    port: 0,
    connectionsMax: 2_000,
    accept: () => {
      const session = new OutstationSession({
        localAddress: OUTSTATION_ADDRESS,
        remoteAddress: MASTER_ADDRESS,
        points,
        holdMs: 0,
        onControl: () => 4,
      });
      const onWork = (nowMs: number): void => {
        for (const e of session.takeEvents()) {
          if (order.eventPerPoll && e.kind === 'request' && e.functionCode === 1) change(session, nowMs);
        }
      };
      let own: Served | null = null;
      return {
        kind: 'session',
        end: session,
        onWork,
        onLink: (link) => {
          own = { session, link };
          served.add(own);
        },
        onEnded: () => {
          if (own !== null) served.delete(own);
        },
      };
    },
  });
  if (order.unsolicitedPerS > 0) walk(served, order.unsolicitedPerS, change);
  return server.address.port;
}

/** Changes a point of one session after another at an even pace. */
function walk(served: Set<Served>, perS: number, change: (session: OutstationSession, nowMs: number) => void): void {
  const beganMs = liveNowMs();
  let done = 0;
  let at = 0;
  setInterval(() => {
    const nowMs = liveNowMs();
    const all = [...served];
    for (; done < ((nowMs - beganMs) * perS) / 1000; done++) {
      const one = all[at++ % Math.max(1, all.length)];
      if (one === undefined) continue;
      change(one.session, nowMs);
      one.link.flush();
    }
  }, 10);
}

async function listenBare(exchanges: readonly Exchange[]): Promise<number> {
  const answers = exchanges.map((e) => Buffer.alloc(e.outOctets, 0xa5));
  const server: Server = createServer((socket) => {
    socket.setNoDelay(true);
    socket.on('error', () => socket.destroy());
    let at = 0;
    let got = 0;
    socket.on('data', (octets) => {
      got += octets.length;
      for (;;) {
        const wanted = exchanges[at % exchanges.length]?.inOctets ?? 0;
        if (got < wanted) return;
        got -= wanted;
        const answer = answers[at++ % exchanges.length];
        if (answer !== undefined && answer.length > 0) socket.write(answer);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return address !== null && typeof address === 'object' ? address.port : 0;
}
