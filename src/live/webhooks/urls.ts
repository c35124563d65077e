import { isIP } from 'node:net';
import { type AddressPolicy, addressRefusal } from './addresses.ts';

/**
 * Which URLs may be a destination. This is the check when somebody writes one down; a name says nothing about where it
 * leads, so the addresses behind it are checked again at every attempt (httpPost.ts).
 */
export interface UrlPolicy extends AddressPolicy {
  /** Plain HTTP as well, for receivers on the same machine in a test. */
  readonly allowHttp: boolean;
  /** Ports beside PORTS; 'any' only in tests. */
  readonly ports: readonly number[] | 'any';
}

export const PUBLIC_ONLY: UrlPolicy = { allowLoopback: false, allowHttp: false, ports: [] };

/** @source Leap's webhooks: "HTTPS 443/8443/8843" */
export const PORTS: readonly number[] = [443, 8443, 8843];

const URL_CHARACTERS_MAX = 2_048;

/** Names that lead into a network of one's own. @source RFC 6761, 6762, 8375; "internal": ICANN 2024 */
const PRIVATE_NAMES = ['localhost', 'local', 'internal', 'intranet', 'lan', 'home.arpa'];

/**
 * @returns why it may not be a destination, in words for who wrote it; null = it may. What stands in the URL is not
 *          repeated: a path may hold a token.
 */
export function urlRefusal(text: string, policy: UrlPolicy): string | null {
  if (text.length > URL_CHARACTERS_MAX) return `the URL has more than ${URL_CHARACTERS_MAX} characters`;
  if (!/^[!-~]+$/.test(text) || text.includes('\\')) {
    return 'the URL has blanks, backslashes or characters beyond ASCII; a name in another script is written as xn--…';
  }
  const url = parsed(text);
  if (url === null) return 'this is no URL';
  if (url.protocol !== 'https:' && !(policy.allowHttp && url.protocol === 'http:')) {
    return `the URL must be https${policy.allowHttp ? ' or http' : ''}`;
  }
  if (url.username !== '' || url.password !== '' || authority(text).includes('@')) {
    return 'the URL holds a user name or a password; put what authenticates into a header';
  }
  if (text.includes('#')) return 'the URL has a fragment, which is never sent';
  return portRefusal(url, policy) ?? hostRefusal(text, url, policy);
}

function parsed(text: string): URL | null {
  try {
    return new URL(text);
  } catch {
    return null;
  }
}

/** What stands between the slashes and the path, as written. */
const authority = (text: string): string => /^[a-z]+:\/*([^/?#]*)/i.exec(text)?.[1] ?? '';

function portRefusal(url: URL, { ports }: UrlPolicy): string | null {
  const port = url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port);
  if (ports === 'any' || PORTS.includes(port) || ports.includes(port)) return null;
  return `port ${port} is not allowed; these are: ${[...PORTS, ...ports].join(', ')}`;
}

function hostRefusal(text: string, url: URL, policy: UrlPolicy): string | null {
  const address = bareHost(url.hostname);
  if (isIP(address) !== 0) {
    // The parser turns 2130706433, 0x7f.1, 0177.0.0.1, 127.1 and %31%32%37.1 into addresses; nobody means well by those.
    const written = authority(text).toLowerCase();
    const host = url.port === '' ? written.replace(/:(443|80)?$/, '') : written.slice(0, written.lastIndexOf(':'));
    if (host !== url.hostname) return 'the address stands in an odd form';
    return addressRefusal(address, policy);
  }
  const name = address.toLowerCase();
  if (name.endsWith('.')) return 'the name ends in a dot';
  if (policy.allowLoopback && name === 'localhost') return null;
  if (!name.includes('.')) return 'the name has no domain';
  if (PRIVATE_NAMES.some((end) => name.endsWith(`.${end}`))) return 'the name is one of a private network';
  const valid = name.split('.').every((label) => /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/.test(label));
  return valid && name.length <= 253 ? null : 'this is no host name';
}

/** Without the brackets of an address of version 6. */
export const bareHost = (hostname: string): string => hostname.replace(/^\[(.*)\]$/, '$1');
