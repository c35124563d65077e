import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { inputError } from '../../src/domain/errors.ts';
import type { Scheduler } from '../../src/ports/clock.ts';
import type { HttpRequest, HttpResponse } from '../../src/ports/http.ts';
import type { RandomStream } from '../../src/ports/random.ts';
import type { CloudWorld } from './cloudWorld.ts';
import { controlRoute } from './control.ts';
import { drip, Faults, flood } from './faults.ts';
import type { ServedWorld } from './served.ts';

/**
 * A simulated cloud on a socket. Under /testbed/ (control.ts) a test asks what happened and makes things go wrong; all
 * other paths are the vendor's API. Plain HTTP and credentials that everybody knows: listen on the loopback.
 *
 * Limits: a request has 10 s of the machine's time and 1 MB, at most CONNECTIONS_MAX connections.
 */
export interface CloudServerOptions<W extends ServedWorld = CloudWorld> {
  readonly world: W;
  readonly scheduler: Scheduler;
  /** For faults. */
  readonly random: RandomStream;
  readonly host?: string;
  /** 0 = any free one. */
  readonly port: number;
}

const REQUEST_MS = 10_000;
const BODY_OCTETS_MAX = 1_000_000;
const CONNECTIONS_MAX = 1_000;
const METHODS = ['GET', 'POST', 'PUT', 'DELETE'] as const;

export class CloudServer<W extends ServedWorld = CloudWorld> {
  readonly world: W;
  readonly faults: Faults;
  readonly #options: CloudServerOptions<W>;
  readonly #server: Server;
  #requests = 0;
  #open = 0;

  private constructor(options: CloudServerOptions<W>) {
    this.#options = options;
    this.world = options.world;
    this.faults = new Faults(options.random);
    this.#server = createServer({ requestTimeout: REQUEST_MS, headersTimeout: REQUEST_MS }, (request, response) =>
      this.#take(request, response),
    );
    this.#server.maxConnections = CONNECTIONS_MAX;
  }

  /** @throws InputError when the address cannot be had */
  static async listen<W extends ServedWorld>(options: CloudServerOptions<W>): Promise<CloudServer<W>> {
    const self = new CloudServer(options);
    const { host = '127.0.0.1', port } = options;
    await new Promise<void>((resolve, reject) => {
      self.#server.once('error', (e) =>
        reject(
          inputError({
            source: 'listen',
            place: `${host}:${port}`,
            value: e.message,
            expected: 'an address of this machine and a free port',
          }),
        ),
      );
      self.#server.listen(port, host, resolve);
    });
    return self;
  }

  /** Base URL of the vendor's API. */
  get url(): string {
    const at = this.#server.address();
    if (at === null || typeof at !== 'object') return '';
    const host = at.family === 'IPv6' ? `[${at.address}]` : at.address;
    return `http://${host}:${at.port}`;
  }

  /** Requests that came in so far, those of the test aside. */
  get requests(): number {
    return this.#requests;
  }

  /** Requests without a whole answer yet. */
  get inFlight(): number {
    return this.#open;
  }

  /** Cuts every connection. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    await closed;
  }

  #take(incoming: IncomingMessage, to: ServerResponse): void {
    this.#open += 1;
    to.on('close', () => {
      this.#open -= 1;
    });
    incoming.on('error', () => {});
    to.on('error', () => {});
    readBody(incoming, (body) => {
      if (body === null) return answer(to, { status: 413, headers: { connection: 'close' }, body: '' });
      const method = METHODS.find((m) => m === incoming.method);
      if (method === undefined) return answer(to, { status: 405, headers: {}, body: '' });
      this.#answer({ method, path: incoming.url ?? '/', headers: plain(incoming), body }, to);
    });
  }

  #answer(request: HttpRequest, to: ServerResponse): void {
    const { scheduler } = this.#options;
    if (request.path.startsWith('/testbed/')) {
      answer(to, controlRoute({ server: this, scheduler }, request));
      return;
    }
    this.#requests += 1;
    const fault = this.faults.take(request);
    if (fault === 'reset') {
      to.destroy();
      return;
    }
    const response = this.faults.bend(fault, request, this.world.cloud.handle(request, scheduler.nowMs()));
    switch (fault) {
      case 'lost-reply':
        to.destroy();
        return;
      case 'slow-body':
        to.writeHead(response.status, response.headers);
        drip(to, response.body);
        return;
      case 'endless-body':
        to.writeHead(response.status, response.headers);
        flood(to);
        return;
      default:
        answer(to, response);
    }
  }
}

function answer(to: ServerResponse, { status, headers, body }: HttpResponse): void {
  const octets = new TextEncoder().encode(body);
  to.writeHead(status, { ...headers, 'content-length': String(octets.length) });
  to.end(octets);
}

/** @param then  gets the body as text; null when it is too long */
function readBody(incoming: IncomingMessage, then: (body: string | null) => void): void {
  const pieces: Uint8Array[] = [];
  let octets = 0;
  let over = false;
  incoming.on('data', (piece: Uint8Array) => {
    octets += piece.length;
    if (octets <= BODY_OCTETS_MAX) pieces.push(piece);
    else if (!over) {
      over = true;
      then(null);
    }
  });
  incoming.on('end', () => {
    if (!over) then(new TextDecoder().decode(Buffer.concat(pieces)));
  });
}

function plain({ headers }: IncomingMessage): Record<string, string> {
  const entries = Object.entries(headers).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, Array.isArray(value) ? value.join(', ') : value] as const],
  );
  return Object.fromEntries(entries);
}
