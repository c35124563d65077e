import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type { Scope } from '../domain/client.ts';
import { guardSame, type IdempotentRequest, InFlight, idempotentOf, storedReply } from './idempotency.ts';
import { Identity, type IdentityOptions, type Principal } from './identity.ts';
import { readJsonOctets } from './json.ts';
import { Limits } from './limits.ts';
import { openApiDocument } from './openapi.ts';
import { withoutPrefix } from './owned.ts';
import { PROBLEM_TYPE, PROBLEMS, ProblemError, problemBody } from './problems.ts';
import { Buckets, type Rate } from './rate.ts';
import { type Answer, Asked, type Face, type Route, type Submit } from './route.ts';
import { ROUTES } from './routes.ts';
import type { Service } from './service.ts';
import { checked } from './shape.ts';
import { openStream, type StreamOptions, Streams } from './stream.ts';
import { Tickets } from './tickets.ts';
import { type ApiTools, randomId } from './tools.ts';

/**
 * The HTTP face. One way for each request: who asks and with which scope, before a body is read; the limit of the
 * workspace; the body, strictly; each part against its schema; the key; the handler. A failure at any of them is a problem
 * of RFC 9457 and nothing has happened.
 */
export interface ApiOptions extends IdentityOptions {
  readonly version: string;
  /** Of one workspace. What stops something is not counted. */
  readonly rate: Rate;
  /** Failed credentials of one address. */
  readonly failures?: Rate;
  /** A request has arrived whole by then [ms]; absent = ARRIVES_MS. */
  readonly arrivesMs?: number;
  readonly stream?: Partial<StreamOptions>;
}

/** [octets] Bad input 17. */
const BODY_MAX = 64 * 1024;
/** [ms] A request has arrived by then, or it is cut (bad input 48: at most 10 s; Node looks each CHECK_MS). */
const ARRIVES_MS = 8_000;
const CHECK_MS = 1_000;
const HEADERS_MAX = 16 * 1024;
const CONNECTIONS_MAX = 10_000;
const REQUESTS_PER_SOCKET_MAX = 1_000_000;
const FAILURES: Rate = { perSecond: 10, burst: 100 };

const HEADERS = {
  'x-content-type-options': 'nosniff',
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
} as const;

declare module 'fastify' {
  interface FastifyContextConfig {
    route?: Route;
    /** It lets callers in by itself. */
    stream?: true;
  }
  interface FastifyRequest {
    principal: Principal | null;
  }
}

export async function createApi(service: Service, tools: ApiTools, options: ApiOptions): Promise<FastifyInstance> {
  const identity = new Identity(tools, options);
  const document = openApiDocument(ROUTES, options);
  const tickets = new Tickets(tools);
  const face: Face = { service, tools, identity, tickets, limits: new Limits(), document: () => document };
  const app = newServer(tools, options.arrivesMs ?? ARRIVES_MS);
  app.decorateRequest('principal', null);
  readBodies(app);
  const gate = new Gate(face, options);
  app.addHook('onRequest', (request, reply, done) => {
    reply.headers(HEADERS).header('x-request-id', request.id);
    gate.admit(request, done);
  });
  app.addHook('onSend', (request, _reply, payload, done) => {
    const workspaceId = request.principal?.workspaceId ?? null;
    done(null, workspaceId !== null && typeof payload === 'string' ? withoutPrefix(payload, workspaceId) : payload);
  });
  app.setErrorHandler((error, request, reply) => answerFailure(error, request, reply, tools));
  app.setNotFoundHandler((request, reply) => answerFailure(noSuchRoute(request), request, reply, tools));
  const inFlight = new InFlight();
  await openStream(app, { face, tickets, streams: new Streams(face, options.stream ?? {}) });
  for (const r of ROUTES) {
    app.route({
      method: r.method,
      url: r.path.replaceAll(/\{(\w+)\}/g, ':$1'),
      config: { route: r },
      handler: (request, reply) => serve({ route: r, face, inFlight, request, reply }),
    });
  }
  return app;
}

function newServer(tools: ApiTools, arrivesMs: number): FastifyInstance {
  const prefix = randomId(tools, 'req', 8);
  let count = 0;
  const app = fastify({
    logger: false,
    bodyLimit: BODY_MAX,
    requestTimeout: arrivesMs,
    connectionTimeout: 0,
    keepAliveTimeout: 30_000,
    maxRequestsPerSocket: REQUESTS_PER_SOCKET_MAX,
    exposeHeadRoutes: false,
    return503OnClosing: true,
    forceCloseConnections: 'idle',
    http: {
      headersTimeout: arrivesMs,
      connectionsCheckingInterval: Math.min(CHECK_MS, arrivesMs),
      maxHeaderSize: HEADERS_MAX,
    },
    routerOptions: { maxParamLength: 100 },
    genReqId: ({ headers }) => {
      const given = headers['x-request-id'];
      count += 1;
      return typeof given === 'string' && /^[\w.-]{1,64}$/.test(given) ? given : `${prefix}-${count}`;
    },
    frameworkErrors: (error, request, reply) => answerFailure(error, request, reply, tools),
    clientErrorHandler: onBrokenHttp,
  });
  app.server.maxConnections = CONNECTIONS_MAX;
  return app;
}

/** What Node itself could not read as HTTP. The connection ends: nobody knows where the next request would begin. */
function onBrokenHttp(
  error: Error & { code?: string },
  socket: { readonly writable: boolean; end(text: string): void },
) {
  if (error.code === 'ECONNRESET' || !socket.writable) return;
  const code =
    error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
      ? 'request_timeout'
      : error.code === 'HPE_HEADER_OVERFLOW'
        ? 'headers_too_large'
        : 'malformed_http';
  const { status, title } = PROBLEMS[code];
  const body = JSON.stringify(problemBody(new ProblemError(code, title), 'none'));
  socket.end(
    `HTTP/1.1 ${status} ${title}\r\ncontent-type: ${PROBLEM_TYPE}\r\ncontent-length: ${body.length}\r\nconnection: close\r\n\r\n${body}`,
  );
}

function readBodies(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    const octets = body as Uint8Array;
    const { route } = request.routeOptions.config;
    if (!isUtf8(request.headers['content-type'] ?? '') || route?.form === true) return done(unsupportedType(request));
    if (octets.length === 0 && route?.body === undefined) return done(null, undefined);
    const read = readJsonOctets(octets);
    if (read.kind === 'read') return done(null, read.value);
    const { place, found, expected } = read;
    const detail = place === '' ? 'the body' : place;
    done(new ProblemError('invalid_json', detail, { errors: [{ place, found, expected }] }));
  });
  app.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'buffer' }, (request, body, done) => {
    if (request.routeOptions.config.route?.form !== true) return done(unsupportedType(request));
    try {
      done(null, new TextDecoder('utf-8', { fatal: true }).decode(body as Uint8Array));
    } catch {
      done(new ProblemError('invalid_request', 'the body is not UTF-8'));
    }
  });
}

/** JSON has one charset (RFC 8259 8.1); a parameter that says so is no harm. */
const isUtf8 = (contentType: string): boolean => {
  const charset = /;\s*charset\s*=\s*"?([^";]+)"?/i.exec(contentType)?.[1];
  return charset === undefined || /^utf-?8$/i.test(charset.trim());
};

const unsupportedType = (request: FastifyRequest): ProblemError => {
  const expected = request.routeOptions.config.route?.form ? 'application/x-www-form-urlencoded' : 'application/json';
  const found = JSON.stringify(request.headers['content-type'] ?? 'none').slice(0, 80);
  return new ProblemError('unsupported_media_type', `content-type ${found}, expected ${expected} in UTF-8`);
};

/** Lets a request in, or not, before its body is read. */
class Gate {
  readonly #face: Face;
  readonly #perWorkspace: Buckets;
  readonly #failures: Buckets;

  constructor(face: Face, options: ApiOptions) {
    this.#face = face;
    this.#perWorkspace = new Buckets(options.rate);
    this.#failures = new Buckets(options.failures ?? FAILURES);
  }

  admit(request: FastifyRequest, done: (error?: Error) => void): void {
    const { route, stream } = request.routeOptions.config;
    if (stream) return done();
    if (request.is404 || route === undefined) return done(noSuchRoute(request));
    if (route.scope === null) return done();
    try {
      const { identity, service } = this.#face;
      const principal = identity.of(request.headers, service.registry.state);
      if (!(principal instanceof Promise)) return this.#enter(request, route, principal, done);
      principal.then(
        (p) => this.#enter(request, route, p, done),
        (error) => done(this.#failed(request, error)),
      );
    } catch (error) {
      done(this.#failed(request, error));
    }
  }

  #enter(request: FastifyRequest, route: Route, principal: Principal, done: (error?: Error) => void): void {
    request.principal = principal;
    if (route.scope !== null && !holds(principal, route, route.scope)) {
      const error = `Bearer error="insufficient_scope", scope="${route.scope}"`;
      return done(
        new ProblemError('missing_scope', `this needs the scope ${route.scope}`, {
          headers: { 'www-authenticate': error },
        }),
      );
    }
    if (route.urgent) return done();
    const waitS = this.#perWorkspace.take(principal.workspaceId ?? 'registry', this.#face.tools.nowMs());
    done(waitS === 0 ? undefined : rateLimited(waitS));
  }

  #failed(request: FastifyRequest, error: unknown): Error {
    const waitS = this.#failures.take(request.ip, this.#face.tools.nowMs());
    if (waitS > 0) return rateLimited(waitS);
    return error instanceof Error ? error : new Error(String(error));
  }
}

const rateLimited = (waitS: number): ProblemError =>
  new ProblemError('rate_limited', `try again in ${waitS} s`, { headers: { 'retry-after': String(waitS) } });

/** The operator of the service administers every workspace, and is inside none. */
const holds = (p: Principal, route: Route, scope: Scope): boolean =>
  p.scopes.has(scope) || (route.in === 'registry' && p.scopes.has('admin:service'));

interface Served {
  readonly route: Route;
  readonly face: Face;
  readonly inFlight: InFlight;
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
}

async function serve(s: Served): Promise<FastifyReply> {
  const { route, request, reply, face } = s;
  const parts = {
    params: route.params === undefined ? undefined : checked(route.params, request.params, 'path'),
    query: checkedQuery(route, request),
    body: checkedBody(route, request),
  };
  const idempotent = keyOf(s);
  const before = idempotent === null ? null : face.service.replyOf(idempotent.tenant, idempotent.key);
  if (idempotent !== null && before !== null) {
    guardSame(before.requestHash, idempotent);
    return sendText(reply.header('idempotency-replayed', 'true'), before.status, before.body);
  }
  if (idempotent !== null) s.inFlight.begin(idempotent);
  try {
    const { principal, headers, id: requestId } = request;
    const submit = submitter(s, idempotent);
    const answer = await route.handle(new Asked({ face, principal, headers, requestId, submit, ...parts }));
    return sendText(reply, answer.status, answer.body === null ? '' : JSON.stringify(answer.body), answer.headers);
  } finally {
    if (idempotent !== null) s.inFlight.end(idempotent);
  }
}

function keyOf({ route, request, face }: Served): IdempotentRequest | null {
  if (route.method !== 'POST' || route.harmless || request.principal === null) return null;
  const header = request.headers['idempotency-key'];
  if (header === undefined) return null;
  const tenant = request.principal.workspaceId ?? 'registry';
  const name = `${route.method} ${route.path}`;
  return idempotentOf({ header, tenant, route: name, url: request.url, body: request.body }, face.tools);
}

function submitter({ face, request }: Served, idempotent: IdempotentRequest | null): Submit {
  const { service, tools } = face;
  const actor = request.principal?.actor ?? 'nobody';
  return async ({ workspaceId, input, answer }) => {
    let given: Answer | null = null;
    const submitted = await service.submit({
      workspaceId,
      input,
      actor,
      requestId: request.id,
      reply:
        idempotent === null
          ? null
          : (decided) => {
              // The facts are applied: a bug in the answer must not keep them from the journal.
              try {
                given = answer(decided);
                return storedReply(idempotent, given.status, given.body === null ? '' : JSON.stringify(given.body));
              } catch (error) {
                tools.report(error, request.id);
                const bug = problemBody(new ProblemError('internal', 'it was done, the answer failed'), request.id);
                return storedReply(idempotent, bug.status, JSON.stringify(bug));
              }
            },
    });
    return { submitted, answer: given };
  };
}

function checkedQuery(route: Route, request: FastifyRequest): unknown {
  if (route.query !== undefined) return checked(route.query, request.query, 'query');
  const [name] = Object.keys(request.query as object);
  if (name === undefined) return undefined;
  throw new ProblemError('invalid_request', `query: ${name}`, {
    errors: [{ place: name, found: 'a query parameter', expected: 'none' }],
  });
}

function checkedBody(route: Route, request: FastifyRequest): unknown {
  const { body } = request;
  if (route.form) return body;
  if (route.body !== undefined) {
    if (body === undefined) {
      const errors = [{ place: '', found: 'no body', expected: 'a JSON object' }];
      throw new ProblemError('invalid_json', 'the body is missing', { errors });
    }
    return checked(route.body, body, 'body');
  }
  if (body === undefined || (typeof body === 'object' && body !== null && Object.keys(body).length === 0)) {
    return undefined;
  }
  throw new ProblemError('invalid_request', 'a body', {
    errors: [{ place: '', found: 'a body', expected: 'none' }],
  });
}

function sendText(reply: FastifyReply, status: number, text: string, headers: Answer['headers'] = {}): FastifyReply {
  if (text === '') return reply.code(status).headers(headers).send();
  const type = status >= 400 ? PROBLEM_TYPE : 'application/json; charset=utf-8';
  return reply.code(status).header('content-type', type).headers(headers).send(text);
}

const PATTERNS = ROUTES.map((r) => ({
  method: r.method,
  pattern: new RegExp(`^${r.path.replaceAll(/[.]/g, '\\.').replaceAll(/\{\w+\}/g, '[^/]{1,100}')}$`),
}));

function noSuchRoute(request: FastifyRequest): ProblemError {
  const [path = ''] = request.url.split('?');
  const allowed = PATTERNS.filter(({ pattern }) => pattern.test(path)).map(({ method }) => method);
  if (allowed.length === 0) return new ProblemError('not_found', 'there is no such path');
  const allow = [...new Set(allowed)].join(', ');
  return new ProblemError('method_not_allowed', `this path takes ${allow}`, { headers: { allow } });
}

/** Fastify's own failures, by their codes. @source fastify docs/Reference/Errors.md */
const FRAMEWORK: Readonly<Record<string, keyof typeof PROBLEMS>> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'unsupported_media_type',
  FST_ERR_CTP_BODY_TOO_LARGE: 'body_too_large',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'malformed_http',
  FST_ERR_BAD_URL: 'invalid_request',
  FST_ERR_MAX_PARAM_LENGTH: 'not_found',
};

function answerFailure(error: unknown, request: FastifyRequest, reply: FastifyReply, tools: ApiTools): void {
  const problem = asProblem(error, request, tools);
  const body = problemBody(problem, request.id);
  reply.headers(problem.headers).code(body.status).header('content-type', PROBLEM_TYPE).send(JSON.stringify(body));
}

function asProblem(error: unknown, request: FastifyRequest, tools: ApiTools): ProblemError {
  if (error instanceof ProblemError) return error;
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const known = Object.hasOwn(FRAMEWORK, code) ? FRAMEWORK[code] : undefined;
  if (known === 'unsupported_media_type') return unsupportedType(request);
  if (known === 'body_too_large') return new ProblemError(known, `a body has at most ${BODY_MAX} octets`);
  if (known !== undefined) return new ProblemError(known, PROBLEMS[known].title);
  tools.report(error, request.id);
  return new ProblemError('internal', 'it is reported under this request id');
}
