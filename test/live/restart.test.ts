import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { operatorKeyIn } from '../../src/live/keys.ts';
import { SteppedClock } from '../../src/live/steppedClock.ts';
import { openSockets, type SocketWorld } from './flowsSockets.ts';
import type { Hook } from './flowsWorld.ts';

let dir: string;
let world: SocketWorld | null = null;
let clock: SteppedClock;
const hooks: Hook[] = [];

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'vpp-restart-'));
  hooks.length = 0;
});
afterEach(async () => {
  await world?.close();
  clock?.stop();
  world = null;
  rmSync(dir, { recursive: true, force: true });
});

/** Starts the plant of the demo on the folder, whatever ran on it before. */
async function start(): Promise<SocketWorld> {
  await world?.close();
  clock?.stop();
  clock = new SteppedClock();
  world = await openSockets({ dir, clock, onHook: (h) => hooks.push(h) });
  return world;
}

const ask = async (w: SocketWorld, method: string, path: string, body?: unknown) => {
  const headers = { 'texture-api-key': w.keys.ana, 'content-type': 'application/json' };
  const reply = await w.request(method, path, headers, body === undefined ? undefined : JSON.stringify(body));
  return { status: reply.status, body: reply.text === '' ? null : JSON.parse(reply.text) };
};

const until = async (what: () => boolean): Promise<void> => {
  while (!what()) await new Promise((done) => setTimeout(done, 5));
};

describe('the service after a restart', () => {
  test('tells the destinations that it had before', async () => {
    const first = await start();
    const { body: made } = await ask(first, 'POST', '/v1/destinations', { label: 'hooks', url: first.receiverUrl });
    const second = await start();
    expect((await ask(second, 'GET', '/v1/health')).body.parts.webhooks).toMatchObject({ ok: true });
    // The receiver listens on another port since.
    const moved = { label: 'hooks', url: second.receiverUrl };
    expect((await ask(second, 'PUT', `/v1/destinations/${made.id}`, moved)).status).toBe(200);
    expect((await ask(second, 'POST', `/v1/destinations/${made.id}/test`)).body).toMatchObject({ ok: true });
    await ask(second, 'POST', '/v1/customers', { name: 'after' });
    await until(() => hooks.some((h) => h.body.includes('"customer.created"')));
  });

  test('goes on from the time that its journal has come to', async () => {
    const first = await start();
    const { body: advanced } = await ask(first, 'POST', '/v1/clock/advance', { seconds: 7_200 });
    await ask(first, 'POST', '/v1/customers', { name: 'before' });
    const second = await start();
    const { body: now } = await ask(second, 'GET', '/v1/clock');
    expect(Date.parse(now.now)).toBeGreaterThanOrEqual(Date.parse(advanced.now));
    expect((await ask(second, 'GET', '/v1/health')).body.parts['main/time']).toBeUndefined();
  });
});

describe('the key of whoever runs the service', () => {
  test('is made whole, for nobody else to read, and stays', () => {
    const file = join(dir, 'operator.key');
    const key = operatorKeyIn(file);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(operatorKeyIn(file)).toBe(key);
    expect(readFileSync(file, 'utf8')).toBe(`${key}\n`);
  });

  test.each(['', '\n', 'vpp.key_0.0\n', `vpp.key_${'0'.repeat(16)}.${'0'.repeat(63)}\n`])(
    'is not taken from a file that holds %j',
    (text) => {
      const file = join(dir, 'operator.key');
      writeFileSync(file, text, { mode: 0o600 });
      expect(() => operatorKeyIn(file)).toThrow(/operator\.key.*the key/s);
    },
  );

  test('that cannot be written leaves nothing behind', () => {
    expect(() => operatorKeyIn(join(dir, 'no-folder', 'operator.key'))).toThrow(/ENOENT/);
  });
});
