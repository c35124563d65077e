import type { HttpResponse } from '../../src/ports/http.ts';

/** Reading requests and writing answers, for all clouds. */
export const json = (status: number, body: unknown, headers: Record<string, string> = JSON_HEADERS): HttpResponse => ({
  status,
  headers,
  body: JSON.stringify(body),
});
const JSON_HEADERS = { 'content-type': 'application/json' };

/** "clientId:clientSecret" of an RFC 7617 Basic header, or null. */
export function readBasic(header: string | undefined): string | null {
  const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
  if (header === undefined) return null;
  const text = (header.startsWith('Basic ') ? header.slice(6) : header).replace(/=+$/, '');
  let out = '';
  let bits = 0;
  let held = 0;
  for (const c of text) {
    const v = ALPHABET.indexOf(c);
    if (v < 0) return null;
    held = (held << 6) | v;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      out += String.fromCharCode((held >> bits) & 0xff);
      held &= (1 << bits) - 1;
    }
  }
  return out;
}

/** The value of one query parameter, decoded; '' when absent. */
export function queryOf(path: string, name: string): string {
  const at = path.indexOf('?');
  if (at < 0) return '';
  for (const pair of path.slice(at + 1).split('&')) {
    if (pair.startsWith(`${name}=`)) return decode(pair.slice(name.length + 1));
  }
  return '';
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export function routeOf(path: string): string {
  const at = path.indexOf('?');
  return at < 0 ? path : path.slice(0, at);
}

export function readObject(body: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(body);
    return isRecord(value) ? value : null;
  } catch {
    return null;
  }
}

export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
