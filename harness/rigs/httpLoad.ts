import { connect, type Socket } from 'node:net';
import { Histogram } from './histogram.ts';

/**
 * Requests over plain HTTP/1.1 with as little work as can be, so that the server gets the processor: kept connections,
 * one request at a time on each, octets made by the caller, answers cut by Content-Length. No chunked answers, no TLS.
 */
export interface LoadOptions {
  readonly host: string;
  readonly port: number;
  readonly connections: number;
  readonly durationMs: number;
  /** The octets of request n, or null when there is nothing more to send. */
  readonly request: (n: number) => Buffer | null;
  readonly onAnswer?: (n: number, status: number, body: string) => void;
  /** Requests a second over all connections; absent = as fast as answers come. */
  readonly perSecond?: number;
}

export interface LoadResult {
  readonly sent: number;
  readonly answered: number;
  readonly perSecond: number;
  /** Status → how many. */
  readonly statuses: Readonly<Record<string, number>>;
  /** Connections that broke; each is made anew. */
  readonly broken: number;
  readonly latency: Histogram;
}

/** An HTTP request as octets. */
export function requestOctets(
  method: string,
  path: string,
  headers: Readonly<Record<string, string>>,
  body: string,
): Buffer {
  const lines = Object.entries({ host: 'localhost', ...headers, 'content-length': String(Buffer.byteLength(body)) });
  const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  return Buffer.from(`${method} ${path} HTTP/1.1\r\n${head}\r\n${body}`);
}

const HEAD_END = Buffer.from('\r\n\r\n');

class Lane {
  readonly #load: Load;
  #socket: Socket | null = null;
  #rest: Buffer = Buffer.alloc(0);
  #n = -1;
  #sentAt = 0;
  #finished = false;

  constructor(load: Load) {
    this.#load = load;
  }

  dial(): void {
    const { host, port } = this.#load.options;
    const socket = connect({ host, port });
    this.#socket = socket;
    this.#rest = Buffer.alloc(0);
    socket.setNoDelay(true);
    socket.once('connect', () => this.#next());
    socket.on('data', (octets) => this.#received(octets));
    socket.on('error', () => {});
    socket.once('close', () => {
      if (this.#load.over || this.#finished) return this.#load.laneDone();
      this.#load.broken += 1;
      setTimeout(() => this.dial(), 20);
    });
  }

  end(): void {
    this.#finished = true;
    this.#socket?.destroy();
  }

  #next(): void {
    const waitMs = this.#load.waitMs();
    if (waitMs > 0) setTimeout(() => this.#send(), waitMs);
    else this.#send();
  }

  #send(): void {
    if (this.#load.over) return this.end();
    const n = this.#load.take();
    const octets = this.#load.options.request(n);
    if (octets === null) return this.end();
    this.#n = n;
    this.#sentAt = performance.now();
    this.#socket?.write(octets);
  }

  #received(octets: Buffer): void {
    this.#rest = this.#rest.length === 0 ? octets : Buffer.concat([this.#rest, octets]);
    const headEnd = this.#rest.indexOf(HEAD_END);
    if (headEnd < 0) return;
    const head = this.#rest.toString('latin1', 0, headEnd);
    const length = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0);
    const end = headEnd + HEAD_END.length + length;
    if (this.#rest.length < end) return;
    const status = Number(head.slice(9, 12));
    const body = this.#load.options.onAnswer === undefined ? '' : this.#rest.toString('utf8', headEnd + 4, end);
    this.#rest = this.#rest.subarray(end);
    this.#load.answered(this.#n, status, body, performance.now() - this.#sentAt);
    this.#next();
  }
}

class Load {
  readonly options: LoadOptions;
  readonly statuses = new Map<number, number>();
  readonly latency = new Histogram();
  readonly #startMs = performance.now();
  broken = 0;
  over = false;
  #taken = 0;
  #answers = 0;
  #open: number;
  #done: () => void = () => {};

  constructor(options: LoadOptions) {
    this.options = options;
    this.#open = options.connections;
  }

  async run(): Promise<LoadResult> {
    const lanes = Array.from({ length: this.options.connections }, () => new Lane(this));
    const allDone = new Promise<void>((done) => {
      this.#done = done;
    });
    for (const lane of lanes) lane.dial();
    const limit = setTimeout(() => {
      this.over = true;
      // Answers under way get a second.
      setTimeout(() => {
        for (const lane of lanes) lane.end();
      }, 1_000);
    }, this.options.durationMs);
    await allDone;
    clearTimeout(limit);
    const seconds = Math.min(performance.now() - this.#startMs, this.options.durationMs) / 1_000;
    return {
      sent: this.#taken,
      answered: this.#answers,
      perSecond: this.#answers / seconds,
      statuses: Object.fromEntries(this.statuses),
      broken: this.broken,
      latency: this.latency,
    };
  }

  take(): number {
    return this.#taken++;
  }

  /** How long to wait for the next turn when a rate is asked for [ms]. */
  waitMs(): number {
    const { perSecond } = this.options;
    if (perSecond === undefined) return 0;
    const dueMs = this.#startMs + (this.#taken * 1_000) / perSecond;
    return Math.max(0, dueMs - performance.now());
  }

  answered(n: number, status: number, body: string, ms: number): void {
    this.#answers += 1;
    this.statuses.set(status, (this.statuses.get(status) ?? 0) + 1);
    this.latency.add(ms * 1_000);
    this.options.onAnswer?.(n, status, body);
  }

  laneDone(): void {
    this.#open -= 1;
    if (this.#open === 0) this.#done();
  }
}

/** Runs the load until its time is over or the requests are. */
export const runLoad = (options: LoadOptions): Promise<LoadResult> => new Load(options).run();
