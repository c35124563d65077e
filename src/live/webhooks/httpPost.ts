import { Resolver } from 'node:dns/promises';
import { type ClientRequest, Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { isIP, connect as netConnect, type Socket } from 'node:net';
import { connect as tlsConnect } from 'node:tls';
import { addressRefusal } from './addresses.ts';
import { ANSWER_OCTETS_MAX, type Post, type PostOutcome, type PostRequest } from './post.ts';
import { bareHost, PUBLIC_ONLY, type UrlPolicy, urlRefusal } from './urls.ts';

/**
 * POSTs over real sockets to receivers that customers chose, so that nothing of one's own network can be reached:
 *   the URL           is checked at every attempt, not only when it was written down
 *   the name          is resolved here; one address in the answer that is not public refuses all of them, so that a name
 *                     which changes its mind between two questions (DNS rebinding) wins nothing
 *   the connection    is given to a request only after the address really connected to was checked, and again when a kept
 *                     connection is used anew
 *   the answer        is read up to ANSWER_OCTETS_MAX and thrown away; no redirect is followed, nothing is decompressed
 * Names are asked of the DNS alone: /etc/hosts and search domains hold names of one's own network. A dead name server costs
 * a socket, not one of the process's four threads for getaddrinfo.
 * Time here is the machine's: a receiver that hangs does so in real time.
 */
export interface HttpPostOptions {
  readonly policy?: UrlPolicy;
  /** Addresses of a name; throws when there are none. Absent: the DNS. */
  readonly resolve?: (name: string) => Promise<readonly string[]>;
  /** Certificates of authorities beside those of Node, PEM. */
  readonly ca?: readonly string[];
}

/** To make one connection, name to finished handshake [ms]; below the limit of an attempt, so that it is told apart. */
const CONNECT_MS_MAX = 10_000;
/** A kept connection without use is closed after this [ms]. */
const IDLE_MS_MAX = 30_000;
const FREE_SOCKETS_MAX = 16;

type Resolve = (name: string) => Promise<readonly string[]>;
type Created = (error: Error | null, socket?: Socket) => void;

class Blocked extends Error {}
class NameFailed extends Error {}

export class HttpPost implements Post {
  readonly waitsOn = 'machine';
  readonly #policy: UrlPolicy;
  readonly #plain: HttpAgent;
  readonly #secure: HttpsAgent;
  readonly #open = new Set<ClientRequest>();
  #closed = false;

  constructor({ policy = PUBLIC_ONLY, resolve = askDns(), ca }: HttpPostOptions = {}) {
    this.#policy = policy;
    const kept = { keepAlive: true, maxFreeSockets: FREE_SOCKETS_MAX, timeout: IDLE_MS_MAX };
    this.#plain = Object.assign(new HttpAgent(kept), { createConnection: guarded(policy, resolve, null) });
    const trust = ca === undefined ? {} : { ca: [...ca] };
    this.#secure = Object.assign(new HttpsAgent({ ...kept, ...trust }), {
      createConnection: guarded(policy, resolve, trust),
    });
  }

  async send(request: PostRequest): Promise<PostOutcome> {
    if (this.#closed) return { kind: 'failed', reason: 'closed', why: 'the service is going down' };
    const refused = urlRefusal(request.url, this.#policy);
    if (refused !== null) return { kind: 'failed', reason: 'blocked-address', why: refused };
    const first = await this.#once(request);
    return first === 'stale' ? notStale(await this.#once(request)) : first;
  }

  close(): void {
    this.#closed = true;
    for (const request of this.#open) request.destroy();
    this.#plain.destroy();
    this.#secure.destroy();
  }

  /** 'stale': a kept connection that the receiver had closed meanwhile, before a word of an answer. */
  #once({ url, headers, body, timeoutMs }: PostRequest): Promise<PostOutcome | 'stale'> {
    return new Promise((resolve) => {
      const secure = url.startsWith('https:');
      const options = { method: 'POST', headers, agent: secure ? this.#secure : this.#plain };
      const request = secure ? httpsRequest(url, options) : httpRequest(url, options);
      let answer: IncomingMessage | null = null;
      const end = (failure: PostOutcome | 'stale'): void => {
        clearTimeout(timer);
        this.#open.delete(request);
        resolve(answer === null ? failure : answered(answer));
      };
      const timer = setTimeout(() => {
        end({ kind: 'failed', reason: 'timeout', why: `no answer within ${timeoutMs} ms` });
        request.destroy();
      }, timeoutMs);
      this.#open.add(request);
      request.on('error', (error) => {
        const stale = request.reusedSocket && 'code' in error && error.code === 'ECONNRESET';
        end(this.#closed ? CLOSED : stale ? 'stale' : failureOf(error));
      });
      request.on('socket', (socket) => {
        // Without an address it is closed already, and the request fails by itself.
        const why = socket.remoteAddress === undefined ? null : addressRefusal(socket.remoteAddress, this.#policy);
        if (why !== null) request.destroy(new Blocked(why));
      });
      request.on('response', (response) => {
        answer = response;
        drain(response, () => end(BROKEN_OFF));
      });
      // Also after a switch of protocols, which nobody asked for.
      request.on('close', () => end(this.#closed ? CLOSED : BROKEN_OFF));
      request.end(body);
    });
  }
}

const CLOSED: PostOutcome = { kind: 'failed', reason: 'closed', why: 'the service is going down' };
const BROKEN_OFF: PostOutcome = { kind: 'failed', reason: 'broken-off', why: 'the connection ended before an answer' };

const notStale = (outcome: PostOutcome | 'stale'): PostOutcome => (outcome === 'stale' ? BROKEN_OFF : outcome);

function answered(response: IncomingMessage): PostOutcome {
  const retryAfter = response.headers['retry-after'] ?? null;
  return { kind: 'answered', status: response.statusCode ?? 0, retryAfter };
}

/** Reads the answer to its end, so that the connection can be used again, or cuts it. */
function drain(response: IncomingMessage, onEnd: () => void): void {
  let octets = 0;
  response.on('data', (chunk: Buffer) => {
    octets += chunk.length;
    if (octets > ANSWER_OCTETS_MAX) response.destroy();
  });
  response.on('error', onEnd);
  response.on('close', onEnd);
}

/** Makes connections for an agent. Trust null: without TLS. */
function guarded(policy: UrlPolicy, resolve: Resolve, trust: { readonly ca?: string[] } | null) {
  return (
    options: { readonly host?: string | null; readonly port?: number | string | null },
    done: Created,
  ): undefined => {
    const host = bareHost(options.host ?? '');
    void publicAddresses(host, policy, resolve).then(
      (addresses) => open({ host, port: Number(options.port), addresses, trust, policy }, done),
      (error: Error) => done(error),
    );
    return undefined;
  };
}

/** @throws Blocked when one of them is not public, NameFailed when there are none */
async function publicAddresses(host: string, policy: UrlPolicy, resolve: Resolve): Promise<readonly string[]> {
  const local = policy.allowLoopback && host === 'localhost';
  const addresses = isIP(host) !== 0 ? [host] : local ? ['127.0.0.1'] : await resolve(host);
  if (addresses.length === 0) throw new NameFailed('the name has no address');
  for (const address of addresses) {
    const why = addressRefusal(address, policy);
    if (why !== null) throw new Blocked(isIP(host) !== 0 ? why : `the name leads to ${why}`);
  }
  return addresses;
}

interface Target {
  readonly host: string;
  readonly port: number;
  readonly addresses: readonly string[];
  readonly trust: { readonly ca?: string[] } | null;
  readonly policy: UrlPolicy;
}

function open({ host, port, addresses, trust, policy }: Target, done: Created): void {
  const all = addresses.map((address) => ({ address, family: isIP(address) }));
  // Handed the addresses that were checked; with more than one Node tries them in turn (RFC 8305).
  const lookup = (_: string, options: { readonly all?: boolean }, found: (...answer: unknown[]) => void): void =>
    options.all === true ? found(null, all) : found(null, all[0]?.address, all[0]?.family);
  const common = { host, port, lookup: lookup as never, noDelay: true, autoSelectFamily: true };
  const servername = isIP(host) === 0 ? { servername: host } : {};
  const socket =
    trust === null ? netConnect(common) : tlsConnect({ ...common, ...trust, ...servername, minVersion: 'TLSv1.2' });
  const finish = (error: Error | null): void => {
    clearTimeout(timer);
    socket.off('error', finish).off('close', onClose);
    if (error === null) return done(null, socket);
    socket.on('error', () => {});
    socket.destroy();
    done(error);
  };
  const onClose = (): void => finish(new Error('the connection was closed'));
  const timer = setTimeout(() => finish(new Error('no connection in time')), CONNECT_MS_MAX);
  socket.once('connect', () => {
    const why = addressRefusal(socket.remoteAddress ?? '', policy);
    if (why !== null) finish(new Blocked(why));
  });
  socket.once(trust === null ? 'connect' : 'secureConnect', () => {
    if (!socket.destroyed) finish(null);
  });
  socket.once('error', finish);
  socket.once('close', onClose);
}

const CONNECT_CODES = ['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'ETIMEDOUT', 'EADDRNOTAVAIL'];

function failureOf(error: Error): PostOutcome {
  const inner: unknown = error instanceof AggregateError ? error.errors[0] : error;
  const cause = inner instanceof Error ? inner : error;
  const code = 'code' in cause && typeof cause.code === 'string' ? cause.code : '';
  const failed = (reason: Extract<PostOutcome, { kind: 'failed' }>['reason'], why: string): PostOutcome => ({
    kind: 'failed',
    reason,
    why,
  });
  if (cause instanceof Blocked) return failed('blocked-address', cause.message);
  if (cause instanceof NameFailed) return failed('name', cause.message);
  if (CONNECT_CODES.includes(code)) return failed('connect', `no connection (${code})`);
  if (/CERT|TLS|SSL|EPROTO|ISSUER|SIGNATURE/.test(code))
    return failed('tls', `the certificate or TLS failed (${code})`);
  // Node's own words for the rest may hold what the receiver sent; the code does not.
  return failed('broken-off', code === '' ? 'the connection ended before an answer' : `broken off (${code})`);
}

/** Both families; what one of them does not know is no matter. */
function askDns(): Resolve {
  const resolver = new Resolver({ timeout: 3_000, tries: 2 });
  return async (name) => {
    const answers = await Promise.allSettled([resolver.resolve4(name), resolver.resolve6(name)]);
    const found = answers.flatMap((a) => (a.status === 'fulfilled' ? a.value : []));
    if (found.length > 0) return found;
    const first: unknown = answers[0]?.status === 'rejected' ? answers[0].reason : null;
    const code = first instanceof Error && 'code' in first ? String(first.code) : 'no answer';
    throw new NameFailed(`the name has no address (${code})`);
  };
}
