import { createHash } from 'node:crypto';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { inputError } from '../domain/errors.ts';
import { secureHex } from './secureRandom.ts';

/** A new API key and what is kept of it. The text is 256 random bits; it is shown once. */
export function newApiKey(): { readonly text: string; readonly hash: string; readonly keyId: string } {
  const keyId = `key_${secureHex(8)}`;
  const text = `vpp.${keyId}.${secureHex(32)}`;
  return { text, hash: createHash('sha256').update(text).digest('hex'), keyId };
}

/**
 * The key of whoever runs the service, made at the first start; whoever can read the file may run the service.
 * @throws InputError when others may read it
 */
export function operatorKeyIn(file: string): string {
  if (!existsSync(file)) writeFileSync(file, `${newApiKey().text}\n`, { mode: 0o600, flag: 'wx' });
  const mode = statSync(file).mode & 0o777;
  if ((mode & 0o077) !== 0) {
    const expected = '0600, because whoever has it may run the service';
    throw inputError({ source: file, place: 'mode of the file', value: `0${mode.toString(8)}`, expected });
  }
  return readFileSync(file, 'utf8').trim();
}
