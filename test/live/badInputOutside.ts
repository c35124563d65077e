import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { http, type Row } from './badInputBench.ts';

/** Bad inputs 55 to 61: where webhooks are sent to. A plain service, which lets nothing through that is not public. */
const destination = (n: number, url: string, names: string): Row => ({
  n,
  what: `a destination ${url}`,
  send: (b) => http(b, { path: '/v1/destinations', body: { label: 'x', url } }),
  expected: '422 blocked_address url',
  names,
});

export const DESTINATION_ROWS: readonly Row[] = [
  destination(55, 'http://hooks.example.com/in', 'must be https'),
  destination(55, 'ftp://hooks.example.com/in', 'must be https'),
  ...[
    '127.0.0.1',
    '10.1.2.3',
    '172.16.0.1',
    '192.168.1.1',
    '169.254.169.254',
    '100.64.0.1',
    '0.0.0.0',
    '255.255.255.255',
    '[::1]',
    '[::ffff:127.0.0.1]',
    '[::ffff:7f00:1]',
    '[64:ff9b::7f00:1]',
    '[fd00::1]',
    '[fe80::1]',
  ].map((host) => destination(56, `https://${host}/in`, 'url')),
  ...['2130706433', '0x7f.1', '0177.0.0.1', '127.1'].map((host) => destination(56, `https://${host}/in`, 'odd form')),
  destination(56, 'https://localhost/in', 'no domain'),
  destination(56, 'https://metadata.google.internal/in', 'private network'),
  destination(56, 'https://hooks.example.com./in', 'ends in a dot'),
  destination(59, 'https://user:pass@hooks.example.com/in', 'user name or a password'),
  destination(59, 'https://hooks.example.com/in#part', 'fragment'),
  destination(59, 'https://hooks.example.com:22/in', 'port 22'),
  destination(59, 'no URL', 'blanks'),
  {
    n: 59,
    what: 'a header that would carry a secret into the journal',
    send: (b) =>
      http(b, {
        path: '/v1/destinations',
        body: { label: 'x', url: 'https://hooks.example.com/in', headers: { Authorization: 'Bearer x' } },
      }),
    expected: '400 invalid_request headers.Authorization',
  },
];

/** Receivers that do harm to who asks them, and what a test event to each of them comes to. */
export interface Harmful {
  readonly url: string;
  /** Octets that were taken from the one that never ends; requests that came where a redirect points. */
  readonly seen: { drained: number; trapped: number };
  close(): Promise<void>;
}

const HALF_A_GIGABYTE = 512 * 1024 * 1024;

export async function openHarmful(): Promise<Harmful> {
  const seen = { drained: 0, trapped: 0 };
  const bomb = gzipSync(new Uint8Array(20 * 1024 * 1024));
  const server = createServer((request, response) => {
    request.resume();
    if (request.url === '/redirect') response.writeHead(302, { location: '/trap' }).end();
    else if (request.url === '/endless') pour(response, seen);
    else if (request.url === '/bomb') response.writeHead(200, { 'content-encoding': 'gzip' }).end(bomb);
    else {
      seen.trapped += 1;
      response.writeHead(204).end();
    }
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    close: () =>
      new Promise<void>((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  };
}

/** Writes until the other end has had enough. */
function pour(response: ServerResponse, seen: { drained: number }): void {
  const piece = new Uint8Array(64 * 1024);
  response.writeHead(200);
  const more = (): void => {
    while (!response.destroyed && seen.drained < HALF_A_GIGABYTE) {
      seen.drained += piece.length;
      if (!response.write(piece)) return;
    }
    response.end();
  };
  response.on('drain', more);
  response.on('error', () => {});
  more();
}
