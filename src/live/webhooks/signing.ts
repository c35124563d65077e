import { createHmac } from 'node:crypto';
import type { Destination } from '../../domain/destination.ts';
import type { EpochMs } from '../../domain/units.ts';

/**
 * How a receiver can tell that a message is ours and whole. Two schemes, one per destination:
 *
 *   texture            Texture-Signature: hex HMAC-SHA256(secret, raw body); the secret as it was shown, octet by octet.
 *                      Texture-Timestamp: when it was sent, ISO 8601; not signed.
 *   standard-webhooks  webhook-id, webhook-timestamp (s), webhook-signature: "v1," base64 HMAC-SHA256(key,
 *                      "<id>.<timestamp>.<body>"), the key being what stands in base64 after "whsec_".
 *
 * While two secrets are live, Standard Webhooks sends a signature with each, the new one first. Texture's header has room
 * for one: it carries the new secret's, and Texture-Signature-Previous the other's, which is an addition of ours.
 * Texture-Sequence, likewise ours, counts the events of a workspace from 1, so that a receiver sees what it missed.
 *
 * @source TextureHQ/docs webhooks and TextureHQ/examples destinations/webhooks; Standard Webhooks 1.0. The format of
 *         Texture-Timestamp is not written down there ("the exact time we sent the request"); ISO 8601 is our reading [M].
 */
export interface Message {
  /** The same at every attempt and every replay. */
  readonly webhookId: string;
  readonly sequence: number | null;
  readonly body: string;
}

/** @param secrets  the live ones, the newest first; at least one */
export function signedHeaders(
  scheme: Destination['signature'],
  { webhookId, sequence, body }: Message,
  { secrets, sentMs }: { readonly secrets: readonly string[]; readonly sentMs: EpochMs },
): Record<string, string> {
  const counted = sequence === null ? {} : { 'Texture-Sequence': `${sequence}` };
  switch (scheme) {
    case 'texture': {
      const [now, before] = secrets.map((secret) => createHmac('sha256', secret).update(body).digest('hex'));
      return {
        'Texture-Signature': now ?? '',
        ...(before === undefined ? {} : { 'Texture-Signature-Previous': before }),
        'Texture-Timestamp': new Date(sentMs).toISOString(),
        'Texture-Id': webhookId,
        ...counted,
      };
    }
    case 'standard-webhooks': {
      const timestamp = `${Math.floor(sentMs / 1000)}`;
      const signatures = secrets.map((secret) => {
        const mac = createHmac('sha256', keyOf(secret)).update(`${webhookId}.${timestamp}.${body}`);
        return `v1,${mac.digest('base64')}`;
      });
      return {
        'webhook-id': webhookId,
        'webhook-timestamp': timestamp,
        'webhook-signature': signatures.join(' '),
        ...counted,
      };
    }
  }
}

const PREFIX = 'whsec_';
const keyOf = (secret: string): Buffer => Buffer.from(secret.slice(PREFIX.length), 'base64');

/** @source Standard Webhooks 1.0: "between 24 bytes and 64 bytes", serialised in base64 behind whsec_ */
export const KEY_OCTETS = { min: 24, max: 64 } as const;

/** @returns why it is no secret, without saying it; null = it is one */
export function secretRefusal(secret: string): string | null {
  const form = `${PREFIX} and ${KEY_OCTETS.min} to ${KEY_OCTETS.max} octets in base64`;
  if (!secret.startsWith(PREFIX)) return `a secret is ${form}`;
  const key = keyOf(secret);
  if (key.toString('base64') !== secret.slice(PREFIX.length)) return `what follows ${PREFIX} is no base64`;
  return key.length >= KEY_OCTETS.min && key.length <= KEY_OCTETS.max ? null : `a secret is ${form}, not ${key.length}`;
}

/** @param key  random octets */
export const secretOf = (key: Uint8Array): string => `${PREFIX}${Buffer.from(key).toString('base64')}`;
