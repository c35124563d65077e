import { createServer, type Server } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { addressRefusal } from '../../src/live/webhooks/addresses.ts';
import { HttpPost } from '../../src/live/webhooks/httpPost.ts';
import type { PostOutcome } from '../../src/live/webhooks/post.ts';
import { PUBLIC_ONLY, type UrlPolicy, urlRefusal } from '../../src/live/webhooks/urls.ts';

/**
 * Nothing of one's own network is reached (OWASP API7:2023). A listener on loopback counts connections while every form
 * of an address that may lead there, or to another place that is not public, is posted to. Ports and plain HTTP are
 * allowed, so that the address alone decides.
 */
const OPEN: UrlPolicy = { allowLoopback: false, allowHttp: true, ports: 'any' };

let connections = 0;
let ports: { readonly v4: number; readonly v6: number | null };
const servers: Server[] = [];

async function listen(host: string): Promise<number | null> {
  const server = createServer((socket) => {
    connections += 1;
    socket.on('error', () => {});
    socket.end('HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
  });
  servers.push(server);
  return new Promise((done) => {
    server.once('error', () => done(null));
    server.listen(0, host, () => {
      const address = server.address();
      done(typeof address === 'object' && address !== null ? address.port : null);
    });
  });
}

beforeAll(async () => {
  ports = { v4: (await listen('127.0.0.1')) ?? 0, v6: await listen('::1') };
});
afterAll(() => {
  for (const server of servers) server.close();
});

const request = (url: string) => ({ url, headers: { 'Content-Length': '2' }, body: '{}', timeoutMs: 3_000 });

async function post(url: string, policy: UrlPolicy, names: Readonly<Record<string, readonly string[]>> = {}) {
  const sender = new HttpPost({ policy, resolve: async (name) => names[name] ?? [] });
  const outcome: PostOutcome = await sender.send(request(url));
  sender.close();
  return outcome;
}

/** Hosts as somebody may write them; the port of the listener is put behind each. */
const HOSTS: readonly string[] = [
  // Loopback, plain and in the forms that URL parsers and C libraries take.
  '127.0.0.1',
  '127.255.255.254',
  '127.1',
  '127.0.1',
  '2130706433',
  '0x7f000001',
  '0x7f.1',
  '0x7f.0x0.0x0.0x1',
  '0177.0.0.1',
  '0177.1',
  '017700000001',
  '00000177.0.0.1',
  '127.0.0.1.',
  '%31%32%37.0.0.1',
  '127.0.0.%31',
  '１２７.0.0.1',
  '127。0。0。1',
  'localhost',
  'LOCALHOST',
  'localhost.',
  'ⓛocalhost',
  'a.localhost',
  '[::1]',
  '[0:0:0:0:0:0:0:1]',
  '[::0001]',
  '[::ffff:127.0.0.1]',
  '[::ffff:7f00:1]',
  '[0:0:0:0:0:ffff:127.0.0.1]',
  '[::127.0.0.1]',
  '[64:ff9b::7f00:1]',
  '[64:ff9b:1::7f00:1]',
  '[2002:7f00:1::]',
  '[2001:0:7f00:1::]',
  // This network and "any", which Linux takes for loopback.
  '0.0.0.0',
  '0',
  '0x0',
  '[::]',
  // Private, link-local, carriers, metadata.
  '10.0.0.1',
  '100.64.0.1',
  '100.127.255.255',
  '169.254.169.254',
  '2852039166',
  '[::ffff:169.254.169.254]',
  '172.16.0.1',
  '172.31.255.255',
  '192.0.0.192',
  '192.168.1.1',
  '3232235777',
  '[fc00::1]',
  '[fd00:ec2::254]',
  '[fe80::1]',
  '[fec0::1]',
  // For documents and benchmarks, relays, multicast, reserved.
  '192.0.2.1',
  '192.88.99.1',
  '198.18.0.1',
  '198.19.255.255',
  '198.51.100.1',
  '203.0.113.1',
  '224.0.0.1',
  '239.255.255.255',
  '240.0.0.1',
  '255.255.255.255',
  '[100::1]',
  '[2001:db8::1]',
  '[3fff::1]',
  '[5f00::1]',
  '[ff02::1]',
  // Names of one's own network, and no names at all.
  'metadata.google.internal',
  'printer.local',
  'router.home.arpa',
  'intranet',
  'a..b',
  'user@127.0.0.1',
  '127.0.0.1\\@a.example',
];

describe('the guard', () => {
  test(`lets none of ${HOSTS.length} hosts through: no connection`, async () => {
    expect(new Set(HOSTS).size).toBe(HOSTS.length);
    expect(HOSTS.length).toBeGreaterThanOrEqual(60);
    const outcomes = [];
    for (const host of HOSTS) {
      for (const port of [ports.v4, ports.v6 ?? ports.v4]) {
        const outcome = await post(`http://${host}:${port}/`, OPEN);
        outcomes.push([host, outcome.kind === 'failed' ? outcome.reason : outcome.status]);
      }
    }
    expect(outcomes).toEqual(outcomes.map(([host]) => [host, 'blocked-address']));
    expect(connections).toBe(0);
  });

  test('lets no name through that leads there, alone or beside a public address', async () => {
    const bad = HOSTS.filter((host) => /^(\d+\.){3}\d+$|^\[[0-9a-f:.]+\]$/.test(host)).map((h) =>
      h.replace(/[[\]]/g, ''),
    );
    expect(bad.length).toBeGreaterThanOrEqual(40);
    for (const address of bad) {
      for (const answer of [[address], ['93.184.215.14', address]]) {
        const outcome = await post(`http://a.example:${ports.v4}/`, OPEN, { 'a.example': answer });
        expect([address, outcome]).toEqual([address, expect.objectContaining({ reason: 'blocked-address' })]);
      }
    }
    expect(connections).toBe(0);
  });

  test('asks for the addresses anew for each connection, so that a name which changes its mind wins nothing', async () => {
    const answers = [['192.0.2.200'], ['127.0.0.1']];
    let asked = 0;
    const resolve = async (): Promise<readonly string[]> => answers[asked++] ?? [];
    const sender = new HttpPost({ policy: OPEN, resolve });
    const outcomes = [
      await sender.send(request(`http://a.example:${ports.v4}/`)),
      await sender.send(request(`http://a.example:${ports.v4}/`)),
    ];
    sender.close();
    expect([asked, outcomes.map((o) => o.kind === 'failed' && o.reason)]).toEqual([
      2,
      ['blocked-address', 'blocked-address'],
    ]);
    expect(connections).toBe(0);
  });

  test('with the allowance lets loopback through and nothing else', async () => {
    const policy = { ...OPEN, allowLoopback: true };
    const before = connections;
    const through: string[] = [];
    for (const host of HOSTS) {
      const outcome = await post(`http://${host}:${host.startsWith('[') ? (ports.v6 ?? ports.v4) : ports.v4}/`, policy);
      if (outcome.kind === 'answered') through.push(host);
      else if (outcome.reason !== 'blocked-address') through.push(`${host} (tried)`);
    }
    const v6 = ports.v6 === null ? '[::1] (tried)' : '[::1]';
    // 127.255.255.254 is loopback as well: who listens on 127.0.0.1 alone refuses it.
    expect(through).toEqual(['127.0.0.1', '127.255.255.254 (tried)', 'localhost', 'LOCALHOST', v6]);
    expect(connections - before).toBe(ports.v6 === null ? 3 : 4);
    for (const address of ['10.0.0.1', '::ffff:127.0.0.1', '169.254.169.254', 'fe80::1']) {
      const outcome = await post(`http://a.example:${ports.v4}/`, policy, { 'a.example': [address] });
      expect(outcome).toMatchObject({ reason: 'blocked-address' });
    }
  });

  test('public addresses pass', () => {
    const open = [
      '1.1.1.1',
      '9.255.255.255',
      '11.0.0.1',
      '100.63.255.255',
      '100.128.0.0',
      '126.255.255.255',
      '128.0.0.1',
    ];
    const more = ['172.15.255.255', '172.32.0.0', '192.167.255.255', '198.17.255.255', '198.20.0.0', '223.255.255.255'];
    const v6 = ['2606:4700:4700::1111', '2a00:1450::1', '2001:4860:4860::8888', '2003::1', '2000::1'];
    for (const address of [...open, ...more, ...v6]) {
      expect([address, addressRefusal(address, OPEN)]).toEqual([address, null]);
    }
  });
});

describe('a URL', () => {
  test.each([
    'https://a.example/hook',
    'https://a.example:443/',
    'https://a.example:8443/hook?x=1',
    'https://hooks.a-b.example:8843/',
    'https://xn--bcher-kva.example/',
    'https://1.1.1.1/hook',
    'https://[2606:4700:4700::1111]/hook',
  ])('may be %s', (url) => {
    expect(urlRefusal(url, PUBLIC_ONLY)).toBeNull();
  });

  test.each([
    ['http://a.example/', 'https'],
    ['ftp://a.example/', 'https'],
    ['file:///etc/passwd', 'https'],
    ['https://a.example:22/', 'port 22'],
    ['https://a.example:80/', 'port 80'],
    ['https://user@a.example/', 'user name'],
    ['https://:secret@a.example/', 'user name'],
    ['https://@a.example/', 'user name'],
    ['https://a.example/#x', 'fragment'],
    ['https://a.example/#', 'fragment'],
    ['https://a.example./', 'dot'],
    ['https://bücher.example/', 'ASCII'],
    ['https://a.example/\n', 'blanks'],
    ['https://a .example/', 'blanks'],
    ['https:\\\\a.example/', 'backslashes'],
    ['https://2130706433/', 'odd form'],
    ['https://16843009/', 'odd form'],
    ['https://1.1.1.1./', 'odd form'],
    ['https://[2606:4700:4700:0:0:0:0:1111]/', 'odd form'],
    ['a.example', 'no URL'],
    ['', 'blanks'],
    [`https://a.example/${'x'.repeat(2_048)}`, 'characters'],
  ])('may not be %j: %s', (url, why) => {
    const refusal = urlRefusal(url, PUBLIC_ONLY);
    expect(refusal).toContain(why);
    expect(refusal).not.toContain('secret');
  });

  test('of plain HTTP, or on another port, needs an allowance for that', () => {
    expect(urlRefusal('http://a.example:443/', { ...PUBLIC_ONLY, allowHttp: true })).toBeNull();
    expect(urlRefusal('ftp://a.example/', PUBLIC_ONLY)).toBe('the URL must be https');
    expect(urlRefusal('ftp://a.example/', OPEN)).toBe('the URL must be https or http');
    expect(urlRefusal('https://a.example:9000/', { ...PUBLIC_ONLY, ports: [9000] })).toBeNull();
    expect(urlRefusal('https://a.example:9001/', { ...PUBLIC_ONLY, ports: [9000] })).toContain('9000');
  });
});
