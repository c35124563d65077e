import type { CryptoKey, JWK } from 'jose';
import type { EpochMs } from '../domain/units.ts';

/** What the HTTP face needs of the machine. src/live implements it; a test may stand still or repeat itself. */
export interface ApiTools {
  /** Wall clock: tokens and limits go by it, also where a plant's clock stands still. */
  nowMs(): EpochMs;
  /** Octets that nobody can guess. */
  random(octets: number): Uint8Array;
  /** [hex] */
  sha256(text: string): string;
  /** Compares two texts in a time that does not tell where they differ. */
  equal(a: string, b: string): boolean;
  /** scrypt (RFC 7914) of a secret, off the main thread. @returns hex */
  scrypt(secret: string, salt: string): Promise<string>;
  /** Calls back every so often until the result is called. */
  every(periodMs: number, fn: () => void): () => void;
  readonly keys: KeyRing;
  /** A bug was answered with 500: tells whoever runs the service. */
  report(error: unknown, requestId: string): void;
}

export interface SigningKey {
  readonly kid: string;
  readonly alg: 'ES256' | 'EdDSA';
  readonly privateKey: CryptoKey;
  readonly publicKey: CryptoKey;
  /** The public half, as the key set shows it. */
  readonly jwk: JWK;
}

export interface KeyRing {
  /** New tokens are signed with this one. */
  signing(): SigningKey;
  /** Tokens are believed when signed by one of these: the signing key, and the one before it while its tokens live. */
  live(): readonly SigningKey[];
}

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';

/** 26 characters of Crockford's base 32 hold 130 random bits: an id that tells neither age nor number. */
export function randomId(tools: ApiTools, prefix: string, length = 26): string {
  let id = `${prefix}_`;
  for (const octet of tools.random(length)) id += ALPHABET[octet & 31];
  return id;
}

/** 256 bits in hexadecimal digits. */
export function randomSecret(tools: ApiTools): string {
  return [...tools.random(32)].map((octet) => octet.toString(16).padStart(2, '0')).join('');
}
