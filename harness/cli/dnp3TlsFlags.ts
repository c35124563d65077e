import { resolve } from 'node:path';
import { inputError } from '../../src/domain/errors.ts';
import { readTls, type TlsSettings } from '../../src/live/dnp3Tls.ts';

export interface TlsFlags {
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly tlsCa?: string;
}

/** All three or none: one end that is not checked is no mutual TLS. @throws InputError */
export function readTlsFlags(flags: TlsFlags, cwd: string): TlsSettings | undefined {
  const { tlsCert, tlsKey, tlsCa } = flags;
  if (tlsCert === undefined && tlsKey === undefined && tlsCa === undefined) return undefined;
  if (tlsCert === undefined || tlsKey === undefined || tlsCa === undefined) {
    const given = Object.entries({ '--tls-cert': tlsCert, '--tls-key': tlsKey, '--tls-ca': tlsCa });
    throw inputError({
      source: 'vpp dnp3',
      place: 'TLS',
      value: `only ${given.flatMap(([name, x]) => (x === undefined ? [] : [name])).join(' and ')}`,
      expected: '--tls-cert, --tls-key and --tls-ca together',
    });
  }
  return readTls({ cert: resolve(cwd, tlsCert), key: resolve(cwd, tlsKey), ca: resolve(cwd, tlsCa) });
}
