import { WebSocket } from 'ws';
import type { Running } from './processes.ts';

/**
 * Node's inspector of a running process: collects garbage on demand, so that memory can be compared, and says how large
 * the heap is. A process that is inspected does not end before the inspector is closed.
 * @source Chrome DevTools Protocol: HeapProfiler.collectGarbage, Runtime.getHeapUsage
 */
export interface Inspector {
  collectGarbage(): Promise<void>;
  /** Octets of the JavaScript heap in use. */
  heapUsed(): Promise<number>;
  close(): void;
}

const OPEN_MS_MAX = 5_000;
const STEP_MS = 50;

/** @throws Error when the inspector does not listen within 5 s */
export async function inspect(process: Running): Promise<Inspector> {
  process.kill('SIGUSR1');
  const socket = new WebSocket(await urlOf(process));
  await new Promise((done, fail) => socket.once('open', done).once('error', fail));
  const waiting = new Map<number, (result: Readonly<Record<string, unknown>>) => void>();
  let count = 0;
  socket.on('message', (data) => {
    const { id, result } = JSON.parse(String(data)) as { id?: number; result?: Record<string, unknown> };
    if (id === undefined) return;
    waiting.get(id)?.(result ?? {});
    waiting.delete(id);
  });
  const ask = (method: string): Promise<Readonly<Record<string, unknown>>> =>
    new Promise((done) => {
      count += 1;
      waiting.set(count, done);
      socket.send(JSON.stringify({ id: count, method }));
    });
  return {
    collectGarbage: async () => void (await ask('HeapProfiler.collectGarbage')),
    heapUsed: async () => Number((await ask('Runtime.getHeapUsage')).usedSize),
    close: () => {
      // What was asked and not answered is not answered any more.
      for (const done of waiting.values()) done({});
      socket.terminate();
    },
  };
}

async function urlOf(process: Running): Promise<string> {
  for (let waited = 0; waited < OPEN_MS_MAX; waited += STEP_MS) {
    const url = /Debugger listening on (ws:\/\/\S+)/.exec(process.words())?.[1];
    if (url !== undefined) return url;
    await new Promise((done) => setTimeout(done, STEP_MS));
  }
  throw new Error(`the inspector of process ${process.pid} does not listen`);
}
