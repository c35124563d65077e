import websocket from '@fastify/websocket';
import type { FastifyInstance } from 'fastify';
import type { OutboxEvent } from '../domain/destination.ts';
import { nearestName } from '../domain/errors.ts';
import { EVENT_TOPICS, EVENT_TYPE_NAMES } from '../domain/eventTypes.ts';
import { isoUtc } from '../domain/time.ts';
import { type Principal, stillValid } from './identity.ts';
import { readJsonOctets } from './json.ts';
import { ProblemError } from './problems.ts';
import type { Face } from './route.ts';
import type { Tickets } from './tickets.ts';

/**
 * GET /v1/stream: the events of a workspace as they become durable, over a WebSocket (RFC 6455).
 *
 *   client → {"type":"subscribe","topics":["command","device:dev_1"]}   also "unsubscribe"
 *   server → {"type":"subscribed","topics":[…all there are now…],"lastSeq":12}
 *   server → {"type":"event","seq":12,"index":0,"event":{type, version, timestamp, data}}
 *   server → {"type":"heartbeat","at":…,"lastSeq":12}
 *   server → {"type":"error","code":…,"detail":…}   the connection stays
 *
 * A topic is the first word of event types ("command" has command.succeeded and command.failed), a whole event type, one
 * device ("device:<id>"), or "*". `seq` is the journal's: it grows, and has holes where other things were recorded. At most
 * once: what was missed while away, which `lastSeq` tells (the newest there is), is in the audit trail and at the
 * destinations.
 *
 * Limits: a frame of 64 kB (close 1009), SUBSCRIPTIONS_MAX topics (close 1007 with no change), a client that does not
 * read is cut at 1 MB (others do not notice: each has a buffer of its own), CLIENTS_MAX connections of a workspace. The
 * connection ends with its credential (close 1008): in place of the next frame.
 */
export interface StreamOptions {
  readonly heartbeatMs: number;
  readonly bufferedMax: number;
  readonly clientsMax: number;
}

const DEFAULTS: StreamOptions = { heartbeatMs: 15_000, bufferedMax: 1_000_000, clientsMax: 5_000 };
export const FRAME_MAX = 64 * 1024;
export const SUBSCRIPTIONS_MAX = 100;
/** Frames that make no sense before the connection is cut. */
const ERRORS_MAX = 100;

const CLOSE = { goingAway: 1001, badData: 1007, policy: 1008, tryLater: 1013 } as const;

const TOPICS = ['*', ...EVENT_TOPICS, ...EVENT_TYPE_NAMES];

/** What is used of a socket of ws. */
interface Socket {
  readonly bufferedAmount: number;
  send(text: string): void;
  close(code: number, why: string): void;
  terminate(): void;
  on(event: 'message', fn: (data: Uint8Array, isBinary: boolean) => void): void;
  on(event: 'close' | 'error', fn: () => void): void;
}

interface Client {
  readonly socket: Socket;
  readonly principal: Principal;
  readonly room: Room;
  readonly topics: Set<string>;
  errors: number;
  isGone: boolean;
}

interface Room {
  readonly clients: Set<Client>;
  /** Topic → who asked for it. */
  readonly byTopic: Map<string, Set<Client>>;
  readonly stop: () => void;
  lastSeq: number;
}

export class Streams {
  readonly #face: Face;
  readonly #o: StreamOptions;
  readonly #rooms = new Map<string, Room>();
  readonly #stopBeating: () => void;

  constructor(face: Face, options: Partial<StreamOptions>) {
    this.#face = face;
    this.#o = { ...DEFAULTS, ...options };
    this.#stopBeating = face.tools.every(this.#o.heartbeatMs, () => this.beat());
  }

  get size(): number {
    return [...this.#rooms.values()].reduce((sum, room) => sum + room.clients.size, 0);
  }

  /** Takes a socket in; it hears nothing before it subscribes. */
  enter(socket: Socket, principal: Principal, workspaceId: string): void {
    const room = this.#room(workspaceId);
    if (room.clients.size >= this.#o.clientsMax) return socket.close(CLOSE.tryLater, 'too many streams');
    const client: Client = { socket, principal, room, topics: new Set(), errors: 0, isGone: false };
    room.clients.add(client);
    const leave = (): void => {
      client.isGone = true;
      room.clients.delete(client);
      for (const topic of client.topics) unsubscribe(client, topic);
      if (room.clients.size > 0 || this.#rooms.get(workspaceId) !== room) return;
      room.stop();
      this.#rooms.delete(workspaceId);
    };
    socket.on('close', leave);
    socket.on('error', leave);
    socket.on('message', (data, isBinary) => this.#onMessage(client, data, isBinary));
  }

  /** Tells everybody that the line stands. */
  beat(): void {
    const nowMs = this.#face.tools.nowMs();
    for (const room of this.#rooms.values()) {
      const text = JSON.stringify({ type: 'heartbeat', at: isoUtc(nowMs), lastSeq: room.lastSeq });
      for (const client of [...room.clients]) this.#send(client, text);
    }
  }

  close(): void {
    this.#stopBeating();
    for (const room of this.#rooms.values()) {
      room.stop();
      for (const { socket } of [...room.clients]) socket.close(CLOSE.goingAway, 'the service is going down');
    }
    this.#rooms.clear();
  }

  #room(workspaceId: string): Room {
    const known = this.#rooms.get(workspaceId);
    if (known !== undefined) return known;
    const { service } = this.#face;
    const clients = new Set<Client>();
    const [newest] = service.history(`workspace/${workspaceId}`, { beforeSeq: null, limit: 1 });
    const room: Room = {
      clients,
      byTopic: new Map(),
      lastSeq: newest?.seq ?? 0,
      stop: service.listen(workspaceId, (event) => {
        room.lastSeq = event.seq;
        this.#tell(room, event);
      }),
    };
    this.#rooms.set(workspaceId, room);
    return room;
  }

  #tell(room: Room, event: OutboxEvent): void {
    const asked = topicsOf(event).flatMap((topic) => room.byTopic.get(topic) ?? []);
    const [first, ...rest] = asked;
    if (first === undefined) return;
    // One text for all of them, once for each of them.
    const text = frameOf(event);
    const clients = rest.length === 0 ? first : new Set(asked.flatMap((some) => [...some]));
    for (const client of clients) this.#send(client, text);
  }

  #send(client: Client, text: string): void {
    if (client.isGone) return;
    const { service, tools } = this.#face;
    if (!stillValid(client.principal, service.registry.state, tools.nowMs())) {
      client.isGone = true;
      return client.socket.close(CLOSE.policy, 'the credential has ended');
    }
    if (client.socket.bufferedAmount > this.#o.bufferedMax) {
      client.isGone = true;
      return client.socket.terminate();
    }
    client.socket.send(text);
  }

  #onMessage(client: Client, data: Uint8Array, isBinary: boolean): void {
    if (isBinary) return this.#complain(client, 'invalid_json', 'a binary frame, expected text');
    const read = readJsonOctets(data);
    if (read.kind === 'refused') {
      return this.#complain(client, 'invalid_json', `${read.place}: found ${read.found}, expected ${read.expected}`);
    }
    const request = readRequest(read.value);
    if (typeof request === 'string') return this.#complain(client, 'invalid_request', request);
    const { topics } = client;
    if (request.type === 'unsubscribe') for (const t of request.topics) unsubscribe(client, t);
    else if (new Set([...topics, ...request.topics]).size > SUBSCRIPTIONS_MAX) {
      return client.socket.close(CLOSE.badData, `at most ${SUBSCRIPTIONS_MAX} subscriptions`);
    } else for (const t of request.topics) subscribe(client, t);
    this.#send(client, JSON.stringify({ type: 'subscribed', topics: [...topics], lastSeq: client.room.lastSeq }));
  }

  #complain(client: Client, code: string, detail: string): void {
    client.errors += 1;
    if (client.errors > ERRORS_MAX) return client.socket.close(CLOSE.badData, 'too many frames that make no sense');
    this.#send(client, JSON.stringify({ type: 'error', code, detail }));
  }
}

function subscribe(client: Client, topic: string): void {
  const { byTopic } = client.room;
  const asked = byTopic.get(topic) ?? new Set();
  asked.add(client);
  byTopic.set(topic, asked);
  client.topics.add(topic);
}

function unsubscribe(client: Client, topic: string): void {
  const { byTopic } = client.room;
  const asked = byTopic.get(topic);
  asked?.delete(client);
  if (asked?.size === 0) byTopic.delete(topic);
  client.topics.delete(topic);
}

/** The topics that an event is told under. */
function topicsOf({ type, data: { deviceId } }: OutboxEvent): readonly string[] {
  const [word = ''] = type.split('.', 1);
  const topics = ['*', type, word];
  return typeof deviceId === 'string' ? [...topics, `device:${deviceId}`] : topics;
}

function frameOf({ seq, index, type, version, timestampMs, data }: OutboxEvent): string {
  return JSON.stringify({ type: 'event', seq, index, event: { type, version, timestamp: isoUtc(timestampMs), data } });
}

interface StreamRequest {
  readonly type: 'subscribe' | 'unsubscribe';
  readonly topics: readonly string[];
}

/** @returns what is wrong, as text */
function readRequest(value: unknown): StreamRequest | string {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'expected an object';
  const { type, topics, ...rest } = value as Readonly<Record<string, unknown>>;
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined) return `unknown field "${unknown}", expected type and topics`;
  if (type !== 'subscribe' && type !== 'unsubscribe') return 'type: expected "subscribe" or "unsubscribe"';
  if (!Array.isArray(topics) || topics.length === 0) return 'topics: expected a list of at least one topic';
  for (const t of topics) {
    if (typeof t !== 'string' || !isTopic(t)) {
      const hint = typeof t === 'string' ? nearestName(t, TOPICS) : undefined;
      const words = `expected an event type, device:<id>, or one of *, ${EVENT_TOPICS.join(', ')}`;
      return `topics: unknown topic ${JSON.stringify(t).slice(0, 80)}, ${words}${hint === undefined ? '' : `. Did you mean "${hint}"?`}`;
    }
  }
  return { type, topics: topics as readonly string[] };
}

const isTopic = (t: string): boolean => TOPICS.includes(t) || /^device:[\w.:-]{1,100}$/.test(t);

/** Registers GET /v1/stream. */
export async function openStream(
  app: FastifyInstance,
  { face, streams, tickets }: { readonly face: Face; readonly streams: Streams; readonly tickets: Tickets },
): Promise<void> {
  await app.register(websocket, {
    options: { maxPayload: FRAME_MAX, perMessageDeflate: false, clientTracking: false },
    preClose: (done) => {
      streams.close();
      done();
    },
  });
  app.route({
    method: 'GET',
    url: '/v1/stream',
    config: { stream: true },
    onRequest: async (request) => {
      const state = face.service.registry.state;
      const { ticket } = request.query as { readonly ticket?: unknown };
      const principal =
        typeof ticket === 'string' ? tickets.redeem(ticket, state) : await face.identity.of(request.headers, state);
      if (principal === null) throw new ProblemError('unauthenticated', 'the ticket is not valid');
      if (!principal.scopes.has('read')) throw new ProblemError('missing_scope', 'this needs the scope read');
      if (principal.workspaceId === null)
        throw new ProblemError('forbidden', 'this credential belongs to no workspace');
      request.principal = principal;
    },
    handler: (_request, reply) => {
      reply.header('upgrade', 'websocket');
      throw new ProblemError('upgrade_required', 'this path speaks WebSocket');
    },
    wsHandler: (socket, { principal }) => {
      if (principal === null || principal.workspaceId === null) return socket.close(CLOSE.policy, 'no credential');
      streams.enter(socket as unknown as Socket, principal, principal.workspaceId);
    },
  });
}
