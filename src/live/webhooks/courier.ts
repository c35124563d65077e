import { type Destination, HIDDEN, headerRefusal } from '../../domain/destination.ts';
import type { EpochMs } from '../../domain/units.ts';
import type { Post, PostOutcome } from './post.ts';
import { type Message, signedHeaders } from './signing.ts';

/** Puts one message on its way: the destination's headers, ours over them, signed with its live secrets. */
export interface CourierOptions {
  readonly post: Post;
  readonly secrets: SecretsOf;
  readonly attemptMsMax: number;
  readonly wallNowMs: () => EpochMs;
}

export interface SecretsOf {
  /** The live ones, the newest first. */
  webhookSecrets(destinationId: string): readonly string[];
  headersOf(destinationId: string): Readonly<Record<string, string>>;
}

/** Resolves always. Without a secret nothing is sent: a receiver could not tell the message from anybody's. */
export async function carry(
  { destinationId, url, signature, headers }: Destination,
  message: Message,
  { post, secrets: kept, attemptMsMax, wallNowMs }: CourierOptions,
): Promise<PostOutcome> {
  const secrets = kept.webhookSecrets(destinationId);
  if (secrets.length === 0) return { kind: 'failed', reason: 'no-secret', why: 'there is no secret to sign with' };
  const all = {
    ...extraHeaders(headers, kept.headersOf(destinationId)),
    'Content-Type': 'application/json',
    'Content-Length': `${Buffer.byteLength(message.body)}`,
    'Accept-Encoding': 'identity',
    'User-Agent': 'vpp-testbed',
    ...signedHeaders(signature, message, { secrets, sentMs: wallNowMs() }),
  };
  try {
    return await post.send({ url, headers: all, body: message.body, timeoutMs: attemptMsMax });
  } catch (e) {
    // The words of a failure that no post foresaw may hold what was to be sent.
    return { kind: 'failed', reason: 'broken-off', why: e instanceof Error ? e.name : 'unknown' };
  }
}

function extraHeaders(headers: Destination['headers'], hidden: Destination['headers']): Record<string, string> {
  const found = Object.entries(headers).flatMap(([name, value]) => {
    const real = value === HIDDEN ? hidden[name] : value;
    return real === undefined || headerRefusal(name, real) !== null ? [] : [[name, real] as const];
  });
  return Object.fromEntries(found);
}
