import { createHash } from 'node:crypto';
import { existsSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { inputError } from '../domain/errors.ts';
import { secureHex } from './secureRandom.ts';

/** A new API key and what is kept of it. The text is 256 random bits; it is shown once. */
export function newApiKey(): { readonly text: string; readonly hash: string; readonly keyId: string } {
  const keyId = `key_${secureHex(8)}`;
  const text = `vpp.${keyId}.${secureHex(32)}`;
  return { text, hash: createHash('sha256').update(text).digest('hex'), keyId };
}

/** What newApiKey makes. */
const KEY = /^vpp\.key_[0-9a-f]{16}\.[0-9a-f]{64}$/;

/**
 * The key of whoever runs the service, made at the first start; whoever can read the file may run the service.
 * @throws InputError when it cannot be written, others may read it, or what stands in it is no key
 */
export function operatorKeyIn(file: string): string {
  if (!existsSync(file)) makeKeyFile(file);
  const mode = statSync(file).mode & 0o777;
  if ((mode & 0o077) !== 0) {
    const expected = '0600, because whoever has it may run the service';
    throw inputError({ source: file, place: 'mode of the file', value: `0${mode.toString(8)}`, expected });
  }
  const key = readFileSync(file, 'utf8').trim();
  if (KEY.test(key)) return key;
  const expected = 'a key as the first start made it; without the file a new one is made';
  throw inputError({ source: file, place: 'the key', value: `${key.length} characters`, expected });
}

/** Whole or not at all: half of a key, or none, would be a key that can be guessed. */
function makeKeyFile(file: string): void {
  const unfinished = `${file}.new`;
  try {
    writeFileSync(unfinished, `${newApiKey().text}\n`, { mode: 0o600, flush: true });
    renameSync(unfinished, file);
  } catch (error) {
    rmSync(unfinished, { force: true });
    const value = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    throw inputError({ source: file, place: 'the key', value, expected: 'a file that can be written' });
  }
}
