import { EVENT_TOPICS, EVENT_TYPE_NAMES } from '../domain/eventTypes.ts';
import { PROBLEM_TYPE, PROBLEMS, type ProblemCode } from './problems.ts';
import { FRAME_MAX, SUBSCRIPTIONS_MAX } from './stream.ts';

/**
 * GET /v1/stream in the OpenAPI document. OpenAPI 3.1 has no form for what goes over a WebSocket: the upgrade is described
 * as an answer 101, and the frames in words and as schemas under x-frames.
 */
type Json = Readonly<Record<string, unknown>>;

const DESCRIPTION = `Upgrades to a WebSocket (RFC 6455) that tells the events of the workspace as they become durable: the \
same type, version, timestamp and data as the webhooks of this document. Nothing is told before the first \`subscribe\`.

Topics: \`*\`; the first word of event types (${EVENT_TOPICS.map((t) => `\`${t}\``).join(', ')}); a whole event type like \
\`command.failed\`; one device as \`device:<id>\`.

Frames are text, one JSON object each; \`x-frames\` has their schemas. \`seq\` is the number of the journal: it grows, and has \
holes where other things were recorded. \`lastSeq\` of \`subscribed\` and \`heartbeat\` is the newest there is: a client that was \
away and knows an older one finds what it missed in \`GET /v1/audit\`, and at its destinations. An event is told at most once.

Limits: a frame of ${FRAME_MAX} octets (close 1009), ${SUBSCRIPTIONS_MAX} topics (close 1007), a client that does not read is \
cut, too many streams of a workspace (close 1013). The stream ends with its credential (close 1008). Where no header can be \
sent, \`?ticket=\` of \`POST /v1/stream/tickets\` takes the place of the credential.`;

const text = { type: 'string' } as const;
const whole = { type: 'integer' } as const;
const topics = { type: 'array', items: text } as const;

function frame(type: string, properties: Json): Json {
  const all = { type: { const: type }, ...properties };
  return { type: 'object', required: Object.keys(all), additionalProperties: false, properties: all };
}

const EVENT: Json = {
  type: 'object',
  required: ['type', 'version', 'timestamp', 'data'],
  properties: {
    type: { ...text, enum: EVENT_TYPE_NAMES },
    version: text,
    timestamp: { ...text, format: 'date-time' },
    data: { type: 'object', required: ['workspaceId', 'occurredAt'] },
  },
};

const FRAMES: Json = {
  fromClient: { subscribe: frame('subscribe', { topics }), unsubscribe: frame('unsubscribe', { topics }) },
  fromServer: {
    subscribed: frame('subscribed', { topics, lastSeq: whole }),
    event: frame('event', { seq: whole, index: whole, event: EVENT }),
    heartbeat: frame('heartbeat', { at: { ...text, format: 'date-time' }, lastSeq: whole }),
    error: frame('error', { code: text, detail: text }),
  },
};

const CODES: readonly ProblemCode[] = ['unauthenticated', 'missing_scope', 'forbidden', 'upgrade_required', 'internal'];

function problems(): Json {
  const statuses = [...new Set(CODES.map((c) => PROBLEMS[c].status))];
  return Object.fromEntries(
    statuses.map((status) => [
      status,
      {
        description: CODES.filter((c) => PROBLEMS[c].status === status)
          .map((c) => `\`${c}\`: ${PROBLEMS[c].title}`)
          .join('; '),
        content: { [PROBLEM_TYPE]: { schema: { $ref: '#/components/schemas/Problem' } } },
      },
    ]),
  );
}

export const STREAM_PATH = '/v1/stream';

export const streamOperation = (): Json => ({
  operationId: 'getStream',
  tags: ['Records'],
  summary: 'The events of the workspace as they happen, over a WebSocket',
  description: DESCRIPTION,
  security: [{ oauth: ['read'] }, { key: [] }],
  'x-scope': 'read',
  'x-frames': FRAMES,
  parameters: [
    {
      ...{ name: 'ticket', in: 'query', required: false, schema: text },
      description: 'In place of a credential, once',
    },
  ],
  responses: { 101: { description: 'The connection speaks WebSocket from here on' }, ...problems() },
});
