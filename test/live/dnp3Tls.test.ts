import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as tlsConnect } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { readTls, type TlsSettings } from '../../src/live/dnp3Tls.ts';
import { integrityOf, liveMaster, POINTS, type ServedBank, serveBank } from './dnp3Ends.ts';

/** Mutual TLS with certificates made for the test. */
const OPENSSL = '/usr/bin/openssl';
const missing = !existsSync(OPENSSL);

let dir = '';
const openssl = (...words: string[]): void => void execFileSync(OPENSSL, words, { cwd: dir, stdio: 'pipe' });

/** An own authority, and a certificate for 127.0.0.1 signed by it. */
function authority(name: string): void {
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  openssl(
    'req',
    '-x509',
    ...key,
    '-keyout',
    `${name}-ca.key`,
    '-out',
    `${name}-ca.pem`,
    '-days',
    '2',
    '-subj',
    `/CN=${name}`,
  );
  writeFileSync(join(dir, 'ext'), 'subjectAltName=IP:127.0.0.1,DNS:localhost\n');
  openssl('req', ...key, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}-end`);
  const signed = [
    '-CA',
    `${name}-ca.pem`,
    '-CAkey',
    `${name}-ca.key`,
    '-CAcreateserial',
    '-days',
    '1',
    '-extfile',
    'ext',
  ];
  openssl('x509', '-req', '-in', `${name}.csr`, ...signed, '-out', `${name}.pem`);
}

const tlsOf = (own: string, trusted: string): TlsSettings =>
  readTls({ cert: join(dir, `${own}.pem`), key: join(dir, `${own}.key`), ca: join(dir, `${trusted}-ca.pem`) });

const cleanUp: (() => unknown)[] = [];
afterEach(async () => {
  for (const act of cleanUp.splice(0).reverse()) await act();
});

async function serve(): Promise<ServedBank> {
  const served = await serveBank(POINTS, { tls: tlsOf('utility', 'utility') });
  cleanUp.push(() => served.server.close());
  return served;
}

describe.skipIf(missing)(`mutual TLS (needs ${OPENSSL})`, () => {
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'dnp3-tls-'));
    for (const name of ['utility', 'stranger']) authority(name);
  });
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  test("two ends that know each other's authority talk", async () => {
    const { port } = await serve();
    const master = liveMaster(port, {}, { tls: tlsOf('utility', 'utility') });
    cleanUp.push(() => master.client.stop());
    const read = integrityOf(master);
    master.client.start();
    await read;
    const values = master.notices.all.flatMap((n) => (n.kind === 'measurements' ? n.values : []));
    expect(values).toHaveLength(POINTS.length);
  });

  test('a master of a strange authority is refused before its session begins', async () => {
    const { port, states } = await serve();
    const refused = states.next('a refusal', (s) => s.kind === 'refused');
    const master = liveMaster(port, {}, { tls: tlsOf('stranger', 'utility') });
    cleanUp.push(() => master.client.stop());
    master.client.start();
    expect(await refused).toMatchObject({ why: expect.stringMatching(/^TLS: /) });
    expect(states.all.filter((s) => s.kind === 'connected')).toEqual([]);
  });

  test('a master without a certificate is refused', async () => {
    const { port, states } = await serve();
    const refused = states.next('a refusal', (s) => s.kind === 'refused');
    const socket = tlsConnect({ host: '127.0.0.1', port, ca: tlsOf('utility', 'utility').ca });
    socket.on('error', () => {});
    cleanUp.push(() => socket.destroy());
    expect(await refused).toMatchObject({ why: expect.stringMatching(/did not return a certificate/) });
  });

  test('a master refuses an outstation of a strange authority', async () => {
    const { port } = await serve();
    const master = liveMaster(port, {}, { tls: tlsOf('utility', 'stranger') });
    cleanUp.push(() => master.client.stop());
    const down = master.states.next('down', (s) => s.kind === 'down');
    master.client.start();
    expect(await down).toMatchObject({ why: expect.stringMatching(/certificate|issuer/) });
    expect(master.states.all.filter((s) => s.kind === 'connected')).toEqual([]);
  });

  test('TLS 1.1 is refused', async () => {
    const { port, states } = await serve();
    const refused = states.next('a refusal', (s) => s.kind === 'refused');
    const { cert, key, ca } = tlsOf('utility', 'utility');
    // Level 0: the library would not offer so old a version by itself.
    const old = { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const;
    const socket = tlsConnect({ host: '127.0.0.1', port, cert, key, ca, ...old });
    socket.on('error', () => {});
    cleanUp.push(() => socket.destroy());
    expect(await refused).toMatchObject({ why: expect.stringMatching(/unsupported protocol|version/) });
  });

  test('octets without TLS are refused', async () => {
    const { port, states } = await serve();
    const refused = states.next('a refusal', (s) => s.kind === 'refused');
    const master = liveMaster(port);
    cleanUp.push(() => master.client.stop());
    master.client.start();
    expect(await refused).toMatchObject({ why: expect.stringMatching(/^TLS: /) });
  });

  test("a file that is no PEM is the author's mistake", () => {
    const path = join(dir, 'ext');
    expect(() => readTls({ cert: path, key: path, ca: path })).toThrow(
      /TLS cert: found no PEM block, expected a readable PEM/,
    );
    expect(() => readTls({ cert: join(dir, 'none'), key: path, ca: path })).toThrow(/ENOENT/);
  });
});
