import { hash } from 'node:crypto';
import { canonicalJson } from '../../domain/canonicalJson.ts';
import type { OutboxEvent } from '../../domain/destination.ts';
import { isoUtc } from '../../domain/time.ts';

/**
 * The body of a message: {type, version, key, timestamp, data} as compact JSON in that order. `key` is the SHA-256 of the
 * data, by which a receiver may find the same news told twice. The vendor's own receiver signs JSON.stringify of what it
 * parsed, so the text must be what JSON.stringify makes of it: no blanks, numbers as ECMAScript prints them.
 * @source TextureHQ/docs events; TextureHQ/examples destinations/webhooks/node/verification.js
 */
export const BODY_OCTETS_MAX = 256 * 1024;

/** An event, or the test of a destination. */
type Said = Pick<OutboxEvent, 'version' | 'timestampMs' | 'data'> & { readonly type: string };

/** What is more than BODY_OCTETS_MAX keeps its ids and says so; the whole of it can be read through the API. */
export function bodyOf(event: Said): string {
  const whole = write(event, event.data);
  if (Buffer.byteLength(whole) <= BODY_OCTETS_MAX) return whole;
  const short = Object.entries(event.data).filter(([, v]) => typeof v !== 'object' && String(v).length <= 256);
  return write(event, { ...Object.fromEntries(short.slice(0, 32)), truncated: true });
}

const write = ({ type, version, timestampMs }: Omit<Said, 'data'>, data: Said['data']): string =>
  JSON.stringify({
    type,
    version,
    key: hash('sha256', canonicalJson(data), 'hex'),
    timestamp: isoUtc(timestampMs),
    data,
  });

/** "msg_<workspace>_<sequence>": the same for an event after every restart, and without a word about other workspaces. */
export const webhookIdOf = (workspaceId: string, sequence: number): string => `${prefixOf(workspaceId)}${sequence}`;

const prefixOf = (workspaceId: string): string => `msg_${hash('sha256', workspaceId, 'hex').slice(0, 12)}_`;

/** The sequence number in an id of this workspace; null = it is no such id. */
export function sequenceOf(webhookId: string, workspaceId: string): number | null {
  const prefix = prefixOf(workspaceId);
  const digits = webhookId.slice(prefix.length);
  return webhookId.startsWith(prefix) && /^[1-9]\d{0,14}$/.test(digits) ? Number(digits) : null;
}
