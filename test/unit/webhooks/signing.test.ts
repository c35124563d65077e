import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { Webhook } from 'standardwebhooks';
import { describe, expect, test } from 'vitest';
import { headerRefusal } from '../../../src/domain/destination.ts';
import { BODY_OCTETS_MAX, bodyOf, sequenceOf, webhookIdOf } from '../../../src/live/webhooks/envelope.ts';
import { retryAfterMs } from '../../../src/live/webhooks/schedule.ts';
import { secretOf, secretRefusal, signedHeaders } from '../../../src/live/webhooks/signing.ts';
import { event } from './rig.ts';

const [NEW, OLD, OTHER] = [7, 8, 9].map((octet) => secretOf(new Uint8Array(24).fill(octet))) as [
  string,
  string,
  string,
];
const message = { webhookId: 'msg_abc_1', sequence: 1, body: bodyOf(event(1)) };
/** The package judges by the machine's clock. */
const sentMs = Date.now();

/** @source TextureHQ/examples destinations/webhooks/node/verification.js: the HMAC of the body parsed and written again */
const vendorVerifies = (body: string, secret: string, signature: string | undefined): boolean =>
  createHmac('sha256', secret)
    .update(JSON.stringify(JSON.parse(body)))
    .digest('hex') === signature;

describe('Standard Webhooks', () => {
  const headers = signedHeaders('standard-webhooks', message, { secrets: [NEW, OLD], sentMs });

  test('the reference library takes the message under each of two live secrets', () => {
    for (const secret of [NEW, OLD]) {
      expect(new Webhook(secret).verify(message.body, headers)).toEqual(JSON.parse(message.body));
    }
    expect(headers['webhook-signature']?.split(' ').length).toBe(2);
  });

  test('it refuses another secret, another body, another id, another time', () => {
    expect(() => new Webhook(OTHER).verify(message.body, headers)).toThrow('No matching signature');
    expect(() => new Webhook(NEW).verify(`${message.body} `, headers)).toThrow('No matching signature');
    expect(() => new Webhook(NEW).verify(message.body, { ...headers, 'webhook-id': 'msg_abc_2' })).toThrow();
    const late = { ...headers, 'webhook-timestamp': `${Math.floor(sentMs / 1000) - 301}` };
    expect(() => new Webhook(NEW).verify(message.body, late)).toThrow('too old');
  });
});

describe("Texture's scheme", () => {
  test("the vendor's receiver takes the message: the signature is over the body parsed and written again", () => {
    const headers = signedHeaders('texture', message, { secrets: [NEW, OLD], sentMs });
    expect(vendorVerifies(message.body, NEW, headers['Texture-Signature'])).toBe(true);
    expect(vendorVerifies(message.body, OLD, headers['Texture-Signature-Previous'])).toBe(true);
    expect(vendorVerifies(message.body, OTHER, headers['Texture-Signature'])).toBe(false);
    expect(headers).toMatchObject({ 'Texture-Timestamp': new Date(sentMs).toISOString(), 'Texture-Sequence': '1' });
  });

  test('whatever an event holds, the body is what JSON.stringify makes of it', () => {
    const data = fc.dictionary(fc.string(), fc.jsonValue());
    fc.assert(
      fc.property(data, (held) => {
        const body = bodyOf(event(1, { data: held as Record<string, unknown> }));
        expect(JSON.stringify(JSON.parse(body))).toBe(body);
        const headers = signedHeaders('texture', { ...message, body }, { secrets: [NEW], sentMs });
        expect(vendorVerifies(body, NEW, headers['Texture-Signature'])).toBe(true);
      }),
    );
  });
});

describe('the envelope', () => {
  test('has type, version, key, timestamp and data in this order; the key is the hash of the data', () => {
    const parsed = (change: Parameters<typeof event>[1]) =>
      JSON.parse(bodyOf(event(1, change))) as Record<string, unknown>;
    const one = parsed({ data: { a: 1, b: 2 } });
    expect(Object.keys(one)).toEqual(['type', 'version', 'key', 'timestamp', 'data']);
    expect(one.timestamp).toBe('2024-07-10T00:00:00.001Z');
    expect(one.key).toMatch(/^[0-9a-f]{64}$/);
    expect(parsed({ data: { b: 2, a: 1 }, timestampMs: 0 }).key).toBe(one.key);
    expect(parsed({ data: { a: 1, b: 3 } }).key).not.toBe(one.key);
  });

  test('one that is too large keeps its ids and says so', () => {
    const data = { deviceId: 'dev-1', points: Array.from({ length: 100_000 }, (_, i) => i) };
    const body = bodyOf(event(1, { data }));
    expect(body.length).toBeLessThan(BODY_OCTETS_MAX);
    expect(JSON.parse(body)).toMatchObject({ data: { deviceId: 'dev-1', truncated: true } });
  });

  test('ids of two workspaces differ and tell the sequence to their own alone', () => {
    const id = webhookIdOf('ws-1', 57);
    expect(id).toMatch(/^msg_[0-9a-f]{12}_57$/);
    expect([sequenceOf(id, 'ws-1'), sequenceOf(id, 'ws-2'), sequenceOf(`${id}x`, 'ws-1')]).toEqual([57, null, null]);
  });
});

describe('a secret', () => {
  test.each([
    [NEW, null],
    [secretOf(new Uint8Array(64)), null],
    [secretOf(new Uint8Array(23)), 'not 23'],
    [secretOf(new Uint8Array(65)), 'not 65'],
    [NEW.slice(6), 'whsec_'],
    [`${NEW}!`, 'no base64'],
    ['', 'whsec_'],
  ])('%# is whsec_ and 24 to 64 octets in base64', (secret, why) => {
    const refusal = secretRefusal(secret);
    if (why === null) expect(refusal).toBeNull();
    else expect(refusal).toContain(why);
  });
});

describe('a header of a destination', () => {
  test.each([
    ['Authorization', 'Bearer x', null],
    ['X-Api-Key', 'x', null],
    ['Host', 'x', 'set by the sender'],
    ['content-length', '3', 'set by the sender'],
    ['Transfer-Encoding', 'chunked', 'set by the sender'],
    ['Texture-Signature', 'x', 'set by the sender'],
    ['webhook-id', 'x', 'set by the sender'],
    ['X-A\r\nX-B', 'x', 'no name'],
    ['', 'x', 'no name'],
    ['X-A', 'x\r\nX-B: y', 'beyond printable'],
    ['X-A', 'x'.repeat(1_025), 'more than'],
  ])('%j: %j', (name, value, why) => {
    const refusal = headerRefusal(name, value);
    if (why === null) expect(refusal).toBeNull();
    else expect(refusal).toContain(why);
  });
});

describe('Retry-After', () => {
  const NOW_MS = Date.UTC(2024, 6, 10);
  test.each([
    ['120', 120_000],
    ['0', 0],
    ['Wed, 10 Jul 2024 00:00:30 GMT', 30_000],
    ['Tue, 09 Jul 2024 00:00:30 GMT', 0],
    ['999999999', 86_400_000],
    ['-1', null],
    ['soon', null],
    ['1.5', null],
    ['', null],
    [null, null],
  ])('%j is %j ms', (header, expected) => {
    expect(retryAfterMs(header, NOW_MS)).toBe(expected);
  });
});
