import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { Histogram } from './histogram.ts';
import type { Order, Said, StreamLoad, StreamsDone } from './loadTasks.ts';

/** Connections that are made at once. */
const DIAL = 50;
/** How long the deaf client, listening again, may take to find its connection ended. */
const DEAF_MS = 5_000;

interface Counted {
  frames: number;
  lastSeq: number;
}

interface Tally {
  readonly latency: Histogram;
  ended: number;
  disordered: number;
  isOver: boolean;
}

/** Reads until it is told to end. Latency: from the time in the event, which the journal has too, to the frame. */
export async function runStreams(
  { url, key, clients, topics }: StreamLoad,
  line: { readonly say: (said: Said) => void; readonly onOrder: (take: (order: Order) => void) => void },
): Promise<StreamsDone> {
  const tally: Tally = { latency: new Histogram(), ended: 0, disordered: 0, isOver: false };
  const counted: Counted[] = [];
  const sockets: WebSocket[] = [];
  for (let n = 0; n < clients - 1; n += DIAL) {
    const batch = Array.from({ length: Math.min(DIAL, clients - 1 - n) }, (_, i) => {
      const count: Counted = { frames: 0, lastSeq: 0 };
      counted.push(count);
      return open({ url, key, topic: topics[(n + i) % topics.length] ?? '', onFrame: (f) => take(tally, count, f) });
    });
    sockets.push(...(await Promise.all(batch)));
  }
  for (const socket of sockets) {
    socket.on('close', () => {
      if (!tally.isOver) tally.ended += 1;
    });
  }
  const deaf = await open({ url, key, topic: '*', onFrame: () => {} });
  netSocketOf(deaf).pause();
  const end = new Promise<void>((done) =>
    line.onOrder((order) => {
      if (order.kind === 'end') done();
    }),
  );
  line.say({ kind: 'ready', url });
  await end;
  const deafDropped = await hasEnded(deaf);
  tally.isOver = true;
  for (const socket of sockets) socket.terminate();
  const { latency, ended, disordered } = tally;
  return {
    kind: 'streamed',
    frames: counted.map((c) => c.frames),
    ended,
    disordered,
    p50Ms: latency.quantileMs(0.5),
    p99Ms: latency.quantileMs(0.99),
    maxMs: latency.maxMs,
    deafDropped,
  };
}

interface Frame {
  readonly type: string;
  readonly seq: number;
  readonly event: { readonly timestamp: string };
}

function take(tally: Tally, count: Counted, frame: Frame): void {
  if (frame.type !== 'event') return;
  count.frames += 1;
  if (frame.seq <= count.lastSeq) tally.disordered += 1;
  count.lastSeq = frame.seq;
  tally.latency.add(Math.max(0, Date.now() - Date.parse(frame.event.timestamp)) * 1_000);
}

/** Resolves when the subscription is confirmed. */
function open(r: {
  readonly url: string;
  readonly key: string;
  readonly topic: string;
  readonly onFrame: (frame: Frame) => void;
}): Promise<WebSocket> {
  const { url, key, topic, onFrame } = r;
  return new Promise((done, fail) => {
    const headers = { 'texture-api-key': key };
    const socket = new WebSocket(`${url.replace('http', 'ws')}/v1/stream`, { headers, perMessageDeflate: false });
    socket.once('error', fail);
    socket.once('open', () => socket.send(JSON.stringify({ type: 'subscribe', topics: [topic] })));
    socket.on('message', (data) => {
      const frame = JSON.parse(String(data)) as Frame;
      if (frame.type === 'subscribed') done(socket);
      else onFrame(frame);
    });
  });
}

/** What is not read has to pile up outside of this process: the socket itself stops reading. */
function netSocketOf(socket: WebSocket): Socket {
  const { _socket: net } = socket as unknown as { readonly _socket: Socket };
  return net;
}

async function hasEnded(socket: WebSocket): Promise<boolean> {
  let isClosed = false;
  socket.once('close', () => {
    isClosed = true;
  });
  socket.on('error', () => {});
  netSocketOf(socket).resume();
  for (let waitedMs = 0; waitedMs < DEAF_MS && !isClosed; waitedMs += 100) await sleep(100);
  socket.terminate();
  return isClosed;
}
