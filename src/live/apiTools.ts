import { createHash, scrypt, timingSafeEqual } from 'node:crypto';
import { chmodSync, existsSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { type CryptoKey, calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK, type JWK } from 'jose';
import type { ApiTools, KeyRing, SigningKey } from '../api/tools.ts';
import { inputError, show } from '../domain/errors.ts';
import { secureRandom } from './secureRandom.ts';

/** What the HTTP face needs of the machine. */
export interface ApiToolsOptions {
  readonly keys: KeyRing;
  /** A bug was answered with 500. */
  readonly report: (error: unknown, requestId: string) => void;
}

/** N = 2^15, r = 8, p = 1: some 60 ms and 32 MB here. @source RFC 7914; OWASP password storage: at least 2^17/8/1 for passwords that people choose; these secrets have 256 bits of their own */
const SCRYPT = { N: 2 ** 15, r: 8, p: 1, maxmem: 64 * 1024 * 1024 };
const HASH_OCTETS = 32;

export function createApiTools({ keys, report }: ApiToolsOptions): ApiTools {
  return {
    nowMs: () => Date.now(),
    random: secureRandom,
    sha256: (text) => createHash('sha256').update(text).digest('hex'),
    equal: (a, b) => {
      const [x, y] = [Buffer.from(a), Buffer.from(b)];
      return x.length === y.length && timingSafeEqual(x, y);
    },
    scrypt: (secret, salt) =>
      new Promise((resolve, reject) => {
        scrypt(secret, salt, HASH_OCTETS, SCRYPT, (error, key) =>
          error === null ? resolve(key.toString('hex')) : reject(error),
        );
      }),
    every: (periodMs, fn) => {
      const timer = setInterval(fn, periodMs);
      timer.unref();
      return () => clearInterval(timer);
    },
    keys,
    report,
  };
}

/** Signing keys of tokens, newest last. Two are live, so that tokens of the one before stay good until they end. */
const LIVE_MAX = 2;

export interface RotatingKeys extends KeyRing {
  /** A new key signs from now on; the one before it is believed until the next rotation. */
  rotate(): Promise<void>;
}

/** Keys that end with the process: tokens have to be fetched anew after a restart. */
export async function keysInMemory(alg: SigningKey['alg'] = 'ES256'): Promise<RotatingKeys> {
  return ringOf([await newSigningKey(alg)], alg, () => undefined);
}

/**
 * Keys in a file that only its owner may read; it is made when it is not there.
 * @throws InputError when others may read it, or it holds no keys
 */
export async function keysInFile(path: string, alg: SigningKey['alg'] = 'ES256'): Promise<RotatingKeys> {
  const save = (keys: readonly SavedKey[]): void => {
    const next = `${path}.next`;
    writeFileSync(next, `${JSON.stringify({ keys }, null, 2)}\n`, { mode: 0o600 });
    chmodSync(next, 0o600);
    renameSync(next, path);
  };
  if (existsSync(path)) return ringOf(await readKeys(path), alg, save);
  const first = await newSigningKey(alg);
  save([await savedKey(first)]);
  return ringOf([first], alg, save);
}

interface SavedKey {
  readonly kid: string;
  readonly alg: SigningKey['alg'];
  readonly jwk: JWK;
}

function ringOf(
  keys: readonly SigningKey[],
  alg: SigningKey['alg'],
  save: (keys: readonly SavedKey[]) => void,
): RotatingKeys {
  let live = keys.slice(-LIVE_MAX);
  return {
    live: () => live,
    signing: () => {
      const key = live[live.length - 1];
      if (key === undefined) throw inputError({ source: 'keys', place: 'keys', value: 'none', expected: 'one key' });
      return key;
    },
    rotate: async () => {
      const next = [...live, await newSigningKey(alg)].slice(-LIVE_MAX);
      save(await Promise.all(next.map(savedKey)));
      live = next;
    },
  };
}

async function newSigningKey(alg: SigningKey['alg']): Promise<SigningKey> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  return withPublicHalf(alg, privateKey, publicKey);
}

async function withPublicHalf(
  alg: SigningKey['alg'],
  privateKey: CryptoKey,
  publicKey: CryptoKey,
): Promise<SigningKey> {
  const bare = await exportJWK(publicKey);
  const kid = await calculateJwkThumbprint(bare);
  return { kid, alg, privateKey, publicKey, jwk: { ...bare, kid, alg, use: 'sig' } };
}

const savedKey = async ({ kid, alg, privateKey }: SigningKey): Promise<SavedKey> => ({
  kid,
  alg,
  jwk: await exportJWK(privateKey),
});

async function readKeys(path: string): Promise<SigningKey[]> {
  const bad = (value: string, expected: string) => inputError({ source: path, place: 'keys', value, expected });
  const mode = statSync(path).mode & 0o777;
  if ((mode & 0o077) !== 0) throw bad(`mode 0${mode.toString(8)}`, '0600: a file that only its owner may read');
  let read: unknown;
  try {
    read = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw bad(error instanceof Error ? error.name : show(error), 'a JSON file of signing keys');
  }
  const keys = typeof read === 'object' && read !== null && 'keys' in read ? read.keys : null;
  if (!Array.isArray(keys) || keys.length === 0) throw bad(show(typeof keys), 'a list of at least one signing key');
  return Promise.all(keys.map((k: SavedKey) => readKey(k, bad)));
}

async function readKey(saved: SavedKey, bad: (value: string, expected: string) => Error): Promise<SigningKey> {
  if (saved.alg !== 'ES256' && saved.alg !== 'EdDSA') throw bad(show(saved.alg), 'alg ES256 or EdDSA');
  const { d: _, ...bare } = saved.jwk;
  const [privateKey, publicKey] = [
    await importJWK(saved.jwk, saved.alg, { extractable: true }),
    await importJWK(bare, saved.alg),
  ];
  if (privateKey instanceof Uint8Array || publicKey instanceof Uint8Array) throw bad('a symmetric key', 'a key pair');
  return withPublicHalf(saved.alg, privateKey, publicKey);
}
