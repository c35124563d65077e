import { readFileSync } from 'node:fs';
import { inputError, show } from '../domain/errors.ts';

/**
 * Mutual TLS for DNP3: both ends show a certificate and both check it, as IEC 62351-3 asks [S]; TLS 1.2 is the least.
 * `ca` holds the certificates that may sign the peer's, and only those: the machine's own list is not used.
 */
export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

export interface TlsSettings {
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly ca: Buffer;
  readonly minVersion: 'TLSv1.2';
  readonly rejectUnauthorized: true;
}

/** @throws InputError naming the file that cannot be read */
export function readTls(files: TlsFiles): TlsSettings {
  const [cert, key, ca] = [readPem(files.cert, 'cert'), readPem(files.key, 'key'), readPem(files.ca, 'ca')];
  return { cert, key, ca, minVersion: 'TLSv1.2', rejectUnauthorized: true };
}

const EXPECTED = { cert: 'a certificate', key: 'a private key', ca: 'the certificates of who signs the peer' } as const;

function readPem(path: string, name: keyof typeof EXPECTED): Buffer {
  const expected = `a readable PEM file with ${EXPECTED[name]}`;
  try {
    const octets = readFileSync(path);
    if (octets.includes('-----BEGIN ')) return octets;
  } catch (e) {
    throw inputError({ source: path, place: `TLS ${name}`, value: e instanceof Error ? e.message : show(e), expected });
  }
  throw inputError({ source: path, place: `TLS ${name}`, value: 'no PEM block', expected });
}
