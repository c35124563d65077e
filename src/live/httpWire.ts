import {
  type ClientRequest,
  Agent as HttpAgent,
  request as httpRequest,
  type IncomingMessage,
  type RequestOptions,
} from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { inputError } from '../domain/errors.ts';
import type { HttpRequest, HttpResponse } from '../ports/http.ts';

/**
 * Exchanges with one HTTP server over real sockets, as values. Exactly one outcome for each: a response, or lost with the
 * reason in words. The other side is taken to be hostile or broken:
 *   no answer, a body byte by byte   lost `limitMs` after it was sent, by the machine's clock
 *   a body without an end            cut at `bodyOctetsMax`, lost
 *   a reset, a refused connection, TLS that does not check, octets that are no HTTP, an upgrade     lost
 *   whatever is in a complete body   passed on as text; octets that are no UTF-8 become U+FFFD
 * Redirects are not followed: credentials go to the server that was named and to no other.
 *
 * Connections are kept and used again, at most `socketsMax` at once; further requests wait within their limit. An idle one
 * is closed after IDLE_MS, before most servers would: a request on a connection that the server is just closing is lost.
 */
export interface HttpWireOptions {
  /** "https://api.example.com/base"; paths of requests are appended. */
  readonly baseUrl: string;
  readonly limitMs?: number;
  readonly bodyOctetsMax?: number;
  readonly socketsMax?: number;
}

export type Exchanged =
  | { readonly kind: 'response'; readonly response: HttpResponse }
  | { readonly kind: 'lost'; readonly why: string };

export const WIRE_LIMITS = { limitMs: 10_000, bodyOctetsMax: 1_000_000, socketsMax: 32 } as const;
const IDLE_MS = 4_000;

export class HttpWire {
  readonly #limits: Required<Omit<HttpWireOptions, 'baseUrl'>>;
  readonly #base: URL;
  readonly #agent: HttpAgent;
  readonly #open = new Set<(why: string) => void>();

  /** @throws InputError for a base URL that is none */
  constructor(options: HttpWireOptions) {
    this.#base = readBaseUrl(options.baseUrl);
    const { limitMs, bodyOctetsMax, socketsMax } = { ...WIRE_LIMITS, ...options };
    this.#limits = { limitMs, bodyOctetsMax, socketsMax };
    const settings = { keepAlive: true, maxSockets: socketsMax, timeout: IDLE_MS, scheduling: 'lifo' as const };
    this.#agent = this.#base.protocol === 'https:' ? new HttpsAgent(settings) : new HttpAgent(settings);
  }

  /** Exchanges without an outcome. */
  get inFlight(): number {
    return this.#open.size;
  }

  /**
   * @param done  called once, later than this call returns
   * @returns     gives the exchange up: it is lost for the reason given
   */
  send(request: HttpRequest, done: (exchanged: Exchanged) => void): (why: string) => void {
    const { limitMs } = this.#limits;
    let sent: ClientRequest | null = null;
    const end = (exchanged: Exchanged): void => {
      if (!this.#open.delete(giveUp)) return;
      clearTimeout(limit);
      done(exchanged);
    };
    const giveUp = (why: string): void => {
      if (!this.#open.has(giveUp)) return;
      // Told in a turn of its own: whoever gives up is not called back meanwhile.
      setImmediate(() => end({ kind: 'lost', why }));
      sent?.destroy();
    };
    const limit = setTimeout(() => giveUp(`no whole answer within ${limitMs} ms`), limitMs);
    this.#open.add(giveUp);
    try {
      sent = this.#begin(request, giveUp, end);
    } catch (e) {
      // A path or a header that HTTP cannot carry, such as a device id with a line feed in it.
      giveUp(e instanceof Error ? e.message : 'the request cannot be written');
    }
    return giveUp;
  }

  #begin(request: HttpRequest, giveUp: (why: string) => void, end: (exchanged: Exchanged) => void): ClientRequest {
    const secure = this.#base.protocol === 'https:';
    const sent = (secure ? httpsRequest : httpRequest)(this.#optionsOf(request));
    sent.on('response', (response) => readResponse(response, this.#limits.bodyOctetsMax, giveUp, end));
    sent.on('upgrade', (_response, socket) => {
      socket.destroy();
      giveUp('the server wants another protocol');
    });
    sent.on('error', (e) => giveUp(e.message));
    sent.on('close', () => giveUp('the connection was closed'));
    sent.end(request.body === '' ? undefined : request.body);
    return sent;
  }

  /** Everything under way is lost; connections are closed. */
  close(): void {
    for (const giveUp of this.#open) giveUp('the service is going down');
    this.#agent.destroy();
  }

  #optionsOf({ method, path, headers, body }: HttpRequest): RequestOptions {
    const { hostname, port, pathname } = this.#base;
    const size =
      method === 'GET' && body === '' ? {} : { 'content-length': String(new TextEncoder().encode(body).length) };
    return {
      agent: this.#agent,
      hostname: hostname.replace(/^\[|\]$/g, ''),
      ...(port === '' ? {} : { port }),
      method,
      path: `${pathname.replace(/\/$/, '')}${path}`,
      headers: { ...headers, ...size },
    };
  }
}

function readResponse(
  response: IncomingMessage,
  bodyOctetsMax: number,
  giveUp: (why: string) => void,
  end: (exchanged: Exchanged) => void,
): void {
  const pieces: Uint8Array[] = [];
  let octets = 0;
  response.on('data', (piece: Uint8Array) => {
    octets += piece.length;
    if (octets > bodyOctetsMax) giveUp(`the answer has more than ${bodyOctetsMax} octets`);
    else pieces.push(piece);
  });
  response.on('error', (e) => giveUp(e.message));
  response.on('close', () => giveUp('the connection was closed in the middle of the answer'));
  response.on('end', () => {
    const body = new TextDecoder().decode(Buffer.concat(pieces));
    end({ kind: 'response', response: { status: response.statusCode ?? 0, headers: plain(response), body } });
  });
}

function plain({ headers }: IncomingMessage): Record<string, string> {
  const entries = Object.entries(headers).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, Array.isArray(value) ? value.join(', ') : value] as const],
  );
  return Object.fromEntries(entries);
}

/** The value is not repeated in the message: a URL may hold a password. */
function readBaseUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null;
  const isWhole = url !== null && (url.protocol === 'https:' || url.protocol === 'http:') && url.hostname !== '';
  const isPlain = url?.username === '' && url.password === '' && url.search === '' && url.hash === '';
  if (isWhole && isPlain) return url;
  throw inputError({
    source: 'base URL of a cloud',
    place: url === null ? 'the whole' : url.host,
    value: isWhole ? 'a URL with credentials, a query or a fragment' : 'something else',
    expected: 'http://host[:port][/path] or https://…, without credentials, query or fragment',
  });
}
