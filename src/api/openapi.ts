import { z } from 'zod';
import { SCOPES } from '../domain/client.ts';
import { EVENT_TYPE_NAMES, EVENT_TYPES, type EventType } from '../domain/eventTypes.ts';
import { PROBLEM_TYPE, PROBLEMS, type ProblemCode, problemUri } from './problems.ts';
import type { Route } from './route.ts';
import { STREAM_PATH, streamOperation } from './streamDoc.ts';

/**
 * The OpenAPI 3.1 document, made from the table of routes: there is no other description to fall out of step. The WebSocket
 * is no route; streamDoc.ts describes it.
 */
type Json = Readonly<Record<string, unknown>>;

const ALWAYS: readonly ProblemCode[] = ['internal', 'unavailable'];

export function openApiDocument(routes: readonly Route[], about: { readonly version: string }): Json {
  const paths: Record<string, Record<string, Json>> = {};
  for (const r of routes) {
    const path = paths[r.path] ?? {};
    path[r.method.toLowerCase()] = operation(r);
    paths[r.path] = path;
  }
  paths[STREAM_PATH] = { get: streamOperation() };
  return {
    openapi: '3.1.0',
    info: {
      title: 'vpp-testbed',
      version: about.version,
      description: 'Coordination of distributed energy resources.',
    },
    paths,
    webhooks: Object.fromEntries(EVENT_TYPE_NAMES.map((type) => [type, { post: webhook(type) }])),
    components: {
      securitySchemes: {
        oauth: {
          type: 'oauth2',
          flows: { clientCredentials: { tokenUrl: '/oauth/token', scopes: SCOPES } },
        },
        key: { type: 'apiKey', in: 'header', name: 'Texture-Api-Key' },
      },
      schemas: { Problem: problemSchema },
    },
  };
}

function operation(r: Route): Json {
  const parameters = [...parametersOf(r.params, 'path'), ...parametersOf(r.query, 'query'), ...keyHeader(r)];
  return {
    operationId: operationId(r),
    tags: [r.tag],
    summary: r.summary,
    ...(r.description === undefined ? {} : { description: r.description }),
    security: r.scope === null ? [] : [{ oauth: [r.scope] }, { key: [] }],
    ...(r.scope === null ? {} : { 'x-scope': r.scope }),
    ...(r.in === undefined ? {} : { 'x-operator': true }),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(r.body === undefined ? {} : { requestBody: requestBody(r, r.body) }),
    responses: { ...answersOf(r), ...problemsOf(r) },
  };
}

/** What a destination receives; headers are those of its signature scheme (src/live/webhooks/signing.ts). */
function webhook(type: EventType): Json {
  const { version, means } = EVENT_TYPES[type];
  const header = (name: string, description: string): Json => ({
    ...{ name, in: 'header', required: false, description, schema: text },
  });
  return {
    operationId: `on${type
      .split(/[._-]/)
      .map((part) => part[0]?.toUpperCase() + part.slice(1))
      .join('')}`,
    tags: ['Destinations'],
    summary: means,
    parameters: [
      header('Texture-Signature', 'Scheme "texture": hexadecimal HMAC-SHA256 of the body'),
      header('Texture-Timestamp', 'Scheme "texture": when it was sent; not signed'),
      header('Texture-Id', 'Scheme "texture": the same at every attempt'),
      header('Texture-Sequence', 'Either scheme: counts the events of the workspace from 1'),
      header('webhook-id', 'Scheme "standard-webhooks": the same at every attempt'),
      header('webhook-timestamp', 'Scheme "standard-webhooks" [s]'),
      header('webhook-signature', 'Scheme "standard-webhooks": "v1," and base64 HMAC-SHA256 of id.timestamp.body'),
    ],
    requestBody: {
      required: true,
      content: {
        'application/json': {
          schema: {
            type: 'object',
            required: ['type', 'version', 'key', 'timestamp', 'data'],
            properties: {
              type: { const: type },
              version: { const: version },
              key: { ...text, description: 'The same for the same data: what came already can be told' },
              timestamp: { ...text, format: 'date-time' },
              data: { type: 'object', required: ['workspaceId'], properties: { workspaceId: text } },
            },
          },
        },
      },
    },
    responses: { '2XX': { description: 'Taken. Anything else, or nothing within the time limit, is tried again' } },
  };
}

const requestBody = (r: Route, body: z.ZodType): Json => {
  const type = r.form ? 'application/x-www-form-urlencoded' : 'application/json';
  return { required: true, content: { [type]: { schema: schemaOf(body, 'input') } } };
};

const operationId = (r: Route): string =>
  `${r.method.toLowerCase()}${r.path
    .replace(/^\/v1|^(?!\/v1)/, (start) => (start === '' ? '/service' : ''))
    .split(/[^A-Za-z0-9]+/)
    .filter((part) => part !== '')
    .map((part) => part[0]?.toUpperCase() + part.slice(1))
    .join('')}`;

function parametersOf(schema: z.ZodType | undefined, where: 'path' | 'query'): Json[] {
  if (schema === undefined) return [];
  const { properties = {}, required = [] } = schemaOf(schema, 'input') as {
    readonly properties?: Json;
    readonly required?: readonly string[];
  };
  return Object.entries(properties).map(([name, of]) => ({
    name,
    in: where,
    required: where === 'path' || required.includes(name),
    schema: of,
  }));
}

const keyHeader = (r: Route): Json[] =>
  r.method === 'POST' && r.scope !== null && !r.harmless
    ? [
        {
          name: 'Idempotency-Key',
          in: 'header',
          required: false,
          description: 'The same request with the same key has one effect and one answer, for 24 hours.',
          schema: { type: 'string', minLength: 1, maxLength: 255 },
        },
      ]
    : [];

const answersOf = (r: Route): Json =>
  Object.fromEntries(
    Object.entries(r.answers).map(([status, { means, body }]) => [
      status,
      {
        description: means,
        ...(body === null ? {} : { content: { 'application/json': { schema: schemaOf(body, 'output') } } }),
      },
    ]),
  );

/** Every code that a route may answer, from what it has and what it says. */
export function codesOf(r: Route): readonly ProblemCode[] {
  const codes = new Set<ProblemCode>([...ALWAYS, ...(r.problems ?? [])]);
  if (r.scope !== null) for (const c of ['unauthenticated', 'missing_scope', 'forbidden'] as const) codes.add(c);
  // Where something is stopped only wrong credentials are counted.
  codes.add('rate_limited');
  if (r.params !== undefined || r.query !== undefined) codes.add('invalid_request');
  if (r.method !== 'GET') codes.add('storage_full');
  if (r.body !== undefined) {
    for (const c of ['invalid_json', 'invalid_request', 'body_too_large', 'unsupported_media_type'] as const)
      codes.add(c);
  }
  if (keyHeader(r).length > 0) for (const c of ['request_in_flight', 'key_reused'] as const) codes.add(c);
  return [...codes];
}

function problemsOf(r: Route): Json {
  const byStatus = new Map<number, ProblemCode[]>();
  for (const code of codesOf(r)) {
    const { status } = PROBLEMS[code];
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  return Object.fromEntries(
    [...byStatus].map(([status, codes]) => [
      status,
      {
        description: codes.map((c) => `\`${c}\`: ${PROBLEMS[c].title}`).join('; '),
        content: { [PROBLEM_TYPE]: { schema: { $ref: '#/components/schemas/Problem' } } },
      },
    ]),
  );
}

function schemaOf(schema: z.ZodType, io: 'input' | 'output'): Json {
  const { $schema: _, ...made } = z.toJSONSchema(schema, { target: 'draft-2020-12', io, unrepresentable: 'any' });
  return made;
}

const text = { type: 'string' } as const;
const problemSchema: Json = {
  type: 'object',
  description: 'RFC 9457',
  required: ['type', 'title', 'status', 'detail', 'code', 'requestId'],
  properties: {
    type: { ...text, enum: (Object.keys(PROBLEMS) as ProblemCode[]).map(problemUri) },
    title: text,
    status: { type: 'integer' },
    detail: text,
    code: { ...text, enum: Object.keys(PROBLEMS) },
    requestId: text,
    errors: {
      type: 'array',
      items: {
        type: 'object',
        required: ['place', 'found', 'expected'],
        properties: { place: text, found: text, expected: text, didYouMean: text },
      },
    },
  },
};
