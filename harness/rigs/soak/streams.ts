import { WebSocket } from 'ws';

/** Stream clients: most follow one device, the first few every command. A connection that is lost is made anew. */
export interface StreamsOptions {
  readonly url: string;
  readonly key: string;
  readonly count: number;
  readonly deviceIds: readonly string[];
}

const ALL_EVENTS = 5;
const AGAIN_MS = 500;

export class Streams {
  messages = 0;
  /** Connections that ended without being asked to. */
  lost = 0;
  readonly #o: StreamsOptions;
  readonly #sockets = new Set<WebSocket>();
  #closed = false;

  constructor(options: StreamsOptions) {
    this.#o = options;
  }

  get open(): number {
    return this.#sockets.size;
  }

  start(): void {
    for (let n = 0; n < this.#o.count; n++) this.#dial(n);
  }

  /** Cuts every connection; they come back by themselves. */
  cut(): void {
    for (const socket of this.#sockets) socket.terminate();
  }

  close(): void {
    this.#closed = true;
    for (const socket of this.#sockets) socket.terminate();
  }

  #dial(n: number): void {
    if (this.#closed) return;
    const { url, key, deviceIds } = this.#o;
    const headers = { 'texture-api-key': key };
    const socket = new WebSocket(`${url.replace('http', 'ws')}/v1/stream`, { headers });
    socket.on('open', () => {
      this.#sockets.add(socket);
      const topic = n < ALL_EVENTS ? 'command' : `device:${deviceIds[n % deviceIds.length]}`;
      socket.send(JSON.stringify({ type: 'subscribe', topics: [topic] }));
    });
    socket.on('message', () => {
      this.messages += 1;
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      this.#sockets.delete(socket);
      if (this.#closed) return;
      this.lost += 1;
      setTimeout(() => this.#dial(n), AGAIN_MS);
    });
  }
}
