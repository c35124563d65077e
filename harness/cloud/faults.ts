import type { ServerResponse } from 'node:http';
import type { HttpRequest, HttpResponse } from '../../src/ports/http.ts';
import type { RandomStream } from '../../src/ports/random.ts';
import { garble } from '../wire/garbage.ts';

/**
 * What may go wrong with single exchanges of a served cloud, asked for one by one:
 *   reset          the connection is cut before the request is looked at: no effect
 *   lost-reply     the effect happens, then the connection is cut without an answer
 *   slow-body      the effect happens, the answer comes octet by octet, one every DRIP_MS of the machine's time
 *   endless-body   the effect happens, the answer has no end (it is cut at ENDLESS_OCTETS_MAX)
 *   garbage        the effect happens, the body is replaced by something broken
 *   html200        the effect happens, the answer is a web page with status 200
 *   stale          a read is answered with what the same path said the last time, if it was read before
 */
export const FAULT_KINDS = ['reset', 'lost-reply', 'slow-body', 'endless-body', 'garbage', 'html200', 'stale'] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

/** Which requests it strikes: tokens, everything else that is read, everything else that writes. */
export const FAULT_TARGETS = ['any', 'token', 'read', 'control'] as const;
export type FaultTarget = (typeof FAULT_TARGETS)[number];

export const FAULTS_MAX = 1_000;
export const NEXT_MAX = 100_000;
const DRIP_MS = 250;
const ENDLESS_OCTETS_MAX = 1 << 30;
const ANSWERS_KEPT = 10_000;
const WEB_PAGE = '<!DOCTYPE html><html><head><title>Please log in</title></head><body>Please log in</body></html>';

export const targetOf = ({ method, path }: HttpRequest): FaultTarget =>
  path.includes('/token') ? 'token' : method === 'GET' ? 'read' : 'control';

/** Faults that were asked for and have not struck yet, first asked first. */
export class Faults {
  readonly #random: RandomStream;
  readonly #waiting: { readonly kind: FaultKind; readonly on: FaultTarget; left: number }[] = [];
  /** The last good answer to each path, for 'stale'. */
  readonly #answers = new Map<string, HttpResponse>();
  #struck = 0;

  constructor(random: RandomStream) {
    this.#random = random;
  }

  get struck(): number {
    return this.#struck;
  }

  /** Those that wait. */
  list(): readonly { readonly kind: FaultKind; readonly on: FaultTarget; readonly left: number }[] {
    return this.#waiting;
  }

  /** @returns false at FAULTS_MAX */
  add(kind: FaultKind, on: FaultTarget, next: number): boolean {
    if (this.#waiting.length >= FAULTS_MAX) return false;
    this.#waiting.push({ kind, on, left: next });
    return true;
  }

  clear(): void {
    this.#waiting.length = 0;
  }

  take(request: HttpRequest): FaultKind | null {
    const target = targetOf(request);
    const at = this.#waiting.findIndex(({ on }) => on === 'any' || on === target);
    const found = this.#waiting[at];
    if (found === undefined) return null;
    found.left -= 1;
    if (found.left <= 0) this.#waiting.splice(at, 1);
    this.#struck += 1;
    return found.kind;
  }

  /** The answer as a broken proxy would leave it; remembers good ones. */
  bend(kind: FaultKind | null, request: HttpRequest, response: HttpResponse): HttpResponse {
    const path = request.path.split('?', 1)[0] ?? '';
    if (kind === 'stale') return (request.method === 'GET' ? this.#answers.get(path) : undefined) ?? response;
    if (request.method === 'GET' && response.status === 200) this.#keep(path, response);
    if (kind === 'garbage') return { ...response, status: 200, body: garble(response.body, this.#random.next()) };
    if (kind === 'html200') return { status: 200, headers: { 'content-type': 'text/html' }, body: WEB_PAGE };
    return response;
  }

  #keep(path: string, response: HttpResponse): void {
    if (this.#answers.size >= ANSWERS_KEPT) this.#answers.clear();
    this.#answers.set(path, response);
  }
}

/** An answer octet by octet, until whoever waits for it goes away. */
export function drip(to: ServerResponse, body: string): void {
  const octets = new TextEncoder().encode(`${body}${' '.repeat(1_000)}`);
  let at = 0;
  const timer = setInterval(() => {
    to.write(octets.subarray(at, at + 1));
    at += 1;
    if (at < octets.length) return;
    clearInterval(timer);
    to.end();
  }, DRIP_MS);
  to.on('close', () => clearInterval(timer));
}

/** An answer without an end: as much as the other side takes. */
export function flood(to: ServerResponse): void {
  const piece = new Uint8Array(65_536).fill(0x20);
  let sent = 0;
  const more = (): void => {
    while (!to.destroyed && sent < ENDLESS_OCTETS_MAX) {
      sent += piece.length;
      if (!to.write(piece)) return void to.once('drain', more);
    }
    to.end();
  };
  more();
}
