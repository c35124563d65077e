import { createServer, type Server } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import type { FaultKind, FaultTarget } from '../../harness/cloud/faults.ts';
import { randomSource } from '../../harness/kernel/random.ts';
import { InputError } from '../../src/domain/errors.ts';
import { OemHttpLink } from '../../src/live/oemHttp.ts';
import { SteppedClock } from '../../src/live/steppedClock.ts';
import { createOemSession, type OemConfig } from '../../src/oem/index.ts';
import type { BatteryOem, OemReply } from '../../src/ports/oem.ts';
import { control, DEVICE, type LiveCloud, type LiveCloudOptions, liveCloud, read, START_MS } from './cloudEnds.ts';

const OEMS: readonly BatteryOem[] = ['enphase', 'solaredge', 'tesla'];
const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const thing of open.splice(0).reverse()) await thing.close();
});

async function cloud(oem: BatteryOem, options: LiveCloudOptions = {}): Promise<LiveCloud> {
  const c = await liveCloud(oem, options);
  open.push(c);
  return c;
}

const fault = (c: LiveCloud, kind: FaultKind, on: FaultTarget, next = 1): void => {
  c.server.faults.add(kind, on, next);
};

describe.each(OEMS)('a session with %s over sockets', (oem) => {
  test('reads a state, has a command carried out, and reads it back', async () => {
    const c = await cloud(oem);
    expect(await c.ask(read('r1'))).toMatchObject({ kind: 'state', vendorDeviceId: DEVICE, online: true });
    const reply = await c.ask(
      control('j1', { startMs: START_MS, route: oem === 'tesla' ? 'baseline' : 'grid_services' }),
    );
    expect(reply).toMatchObject({ kind: 'accepted' });
    await c.run(600_000);
    expect(c.device()).toMatchObject({ operation: 'discharge', controlsTaken: 1 });
    const vendorRef = reply.kind === 'accepted' ? reply.vendorRef : '';
    expect(await c.ask({ kind: 'read-command', jobId: 'r2', vendorDeviceId: DEVICE, vendorRef })).toMatchObject({
      kind: 'command-status',
      status: 'in-progress',
    });
    expect(c.link.health()).toMatchObject({ circuit: 'closed', pausedUntilMs: null, why: null, lost: 0, inFlight: 0 });
  });

  test('that was doing something when it died is taken up again: the command is found and given once', async () => {
    const c = await cloud(oem);
    const job = control('j1', { startMs: START_MS, route: oem === 'tesla' ? 'baseline' : 'grid_services' });
    // The effect happens, the answer is lost, and the process dies before it can ask.
    c.link.submit(read('warm'));
    await c.run(0);
    fault(c, 'lost-reply', 'control', 4);
    c.link.submit(job);
    await c.clock.settle();
    c.link.stop();
    c.server.faults.clear();
    const link = c.restart();
    link.submit({ ...job, resume: true });
    await c.run(120_000);
    expect(c.replyTo('j1')).toMatchObject({ kind: 'accepted' });
    await c.run(600_000);
    expect(c.device()).toMatchObject({ operation: 'discharge', controlsTaken: 1 });
    expect(c.device().commands).toHaveLength(oem === 'tesla' ? 0 : 1);
  });
});

describe('a token', () => {
  test.each(['enphase', 'tesla'] as const)('of %s that ends while many jobs run is fetched once more', async (oem) => {
    const c = await cloud(oem, { world: { devices: 20, behaviour: { telemetryPeriodMs: 900_000 } } });
    for (let i = 0; i < 20; i++) c.link.submit(read(`a${i}`, String(1_000_001 + i)));
    await c.run(5_000);
    expect(c.server.world.cloud.counts()).toMatchObject({ tokens: 1 });
    c.server.world.cloud.revokeTokens();
    for (let i = 0; i < 20; i++) c.link.submit(read(`b${i}`, String(1_000_001 + i)));
    await c.run(5_000);
    expect(c.replies.filter((r) => r.kind === 'state')).toHaveLength(40);
    expect(c.server.world.cloud.counts().tokens).toBe(2);
    expect(c.server.world.cloud.counts().unauthorised).toBeGreaterThan(1);
  });
});

describe('a token endpoint that', () => {
  test('is down or refuses the credentials pauses the cloud, says why, and is asked rarely', async () => {
    const c = await cloud('enphase', { world: { behaviour: { tokenDown: true } } });
    c.link.submit(control('j1'));
    await c.run(600_000);
    expect(c.link.health()).toMatchObject({ why: 'no access token: the token endpoint answered 503' });
    // Every 15 to 30 s.
    expect(c.server.requests).toBeLessThan(45);
    const wrong = await cloud('tesla', { session: { clientSecret: 'not this one' } });
    wrong.link.submit(read('r1'));
    await wrong.run(240_000);
    expect(wrong.link.health()).toMatchObject({ why: 'no access token: the token endpoint answered 401' });
    expect(wrong.server.requests).toBeLessThan(6);
  });
});

describe('a cloud that', () => {
  test('answers 429 is left alone for a while, and the command is given once', async () => {
    const c = await cloud('tesla');
    await c.ask(read('warm'));
    c.server.world.cloud.setBehaviour({ throttleFactor: 0 });
    c.link.submit(control('j1', { route: 'baseline', startMs: START_MS }));
    const before = c.server.requests;
    await c.run(50_000);
    expect(c.link.health()).toMatchObject({ circuit: 'closed', why: 'throttled (429)' });
    expect(c.server.requests - before).toBeLessThanOrEqual(2);
    c.server.world.cloud.setBehaviour({ throttleFactor: 1 });
    await c.run(60_000);
    expect(c.replyTo('j1')).toMatchObject({ kind: 'accepted' });
    expect(c.device().controlsTaken).toBe(1);
  });

  test.each(['enphase', 'solaredge'] as const)(
    'carries out a command of %s and loses the answer is asked, and not told again',
    async (oem) => {
      const c = await cloud(oem);
      await c.ask(read('warm'));
      fault(c, 'lost-reply', 'control');
      expect(await c.ask(control('j1'))).toMatchObject({ kind: 'accepted' });
      expect(c.server.faults.struck).toBe(1);
      expect(c.device().commands).toHaveLength(1);
      expect(c.link.health()).toMatchObject({
        lost: 1,
        lastLost: { why: expect.stringMatching(/socket hang up|reset/) },
      });
    },
  );

  test('cuts the connection before it looked is told again, half a minute later, once', async () => {
    const c = await cloud('enphase');
    await c.ask(read('warm'));
    fault(c, 'reset', 'control');
    expect(await c.ask(control('j1'))).toMatchObject({ kind: 'accepted' });
    expect(c.clock.nowMs()).toBeGreaterThanOrEqual(START_MS + 30_000);
    expect(c.device().commands).toHaveLength(1);
  });

  test.each([
    ['slow-body', 'no whole answer within 300 ms'],
    ['endless-body', 'the answer has more than 1000000 octets'],
  ] as const)('answers with a %s is cut off', async (kind, why) => {
    const c = await cloud('enphase');
    await c.ask(read('warm'));
    fault(c, kind, 'read');
    expect(await c.ask(read('r1'))).toMatchObject({ kind: 'state' });
    expect(c.link.health()).toMatchObject({ lost: 1, lastLost: { why } });
    await c.clock.settle();
    expect(c.server.inFlight).toBe(0);
  });

  test.each(['garbage', 'html200'] as const)('answers a command with %s is asked whether it has it', async (kind) => {
    const c = await cloud('solaredge');
    await c.ask(read('warm'));
    fault(c, kind, 'control');
    const reply = await c.ask(control('j1'));
    expect(['accepted', 'unknown']).toContain(reply.kind);
    expect(c.device().commands).toHaveLength(1);
  });

  test('answers with what it said before is believed no more than its time stamp', async () => {
    const c = await cloud('tesla');
    const first = await c.ask(read('r1'));
    await c.run(3_600_000);
    fault(c, 'stale', 'read');
    const stale = await c.ask(read('r2'));
    expect(stale).toMatchObject({ kind: 'state', online: false });
    const sampledAtMs = (reply: OemReply): number => (reply.kind === 'state' ? reply.state.sampledAtMs : 0);
    expect(sampledAtMs(stale)).toBe(sampledAtMs(first));
  });

  test('is dead opens the circuit after five failures, is probed one by one, and costs the others nothing', async () => {
    const dead = await cloud('enphase', {
      world: { devices: 50 },
      session: { random: randomSource('jitter')('circuit') },
    });
    await dead.ask(read('warm'));
    dead.server.world.cloud.setBehaviour({ down: true });
    const before = dead.server.requests;
    for (let i = 0; i < 50; i++) dead.link.submit(read(`r${i}`, String(1_000_001 + i)));
    await dead.run(0);
    expect(dead.link.health()).toMatchObject({ circuit: 'open', why: 'circuit open after 5 failures in a row' });
    const pausedMs = (dead.link.health().pausedUntilMs ?? 0) - dead.clock.nowMs();
    expect(pausedMs).toBeGreaterThanOrEqual(5_000);
    expect(pausedMs).toBeLessThan(10_000);
    // Half an hour: what was under way when it opened, and a probe after each pause, which doubles up to five minutes.
    await dead.run(1_800_000);
    expect(dead.server.requests - before).toBeLessThan(45);
    const alive = await cloud('tesla');
    expect(await alive.ask(read('r'))).toMatchObject({ kind: 'state' });
  });

  test('comes back is found by a single probe, and the circuit closes', async () => {
    const c = await cloud('enphase', { world: { devices: 30 } });
    await c.ask(read('warm'));
    c.server.world.cloud.setBehaviour({ down: true });
    for (let i = 0; i < 10; i++) c.link.submit(read(`r${i}`, String(1_000_001 + i)));
    await c.run(0);
    c.server.world.cloud.setBehaviour({ down: false });
    const { pausedUntilMs } = c.link.health();
    await c.clock.advanceTo((pausedUntilMs ?? 0) - 1);
    const before = c.server.requests;
    expect(c.link.health().circuit).toBe('open');
    fault(c, 'slow-body', 'read');
    await c.run(1);
    // The probe failed: one request, and the pause is twice as long.
    expect(c.server.requests - before).toBe(1);
    expect(c.link.health()).toMatchObject({ circuit: 'open', pausedUntilMs: c.clock.nowMs() + 20_000 });
    await c.run(20_000);
    await c.run(10_000);
    expect(c.link.health()).toMatchObject({ circuit: 'closed', why: null });
    expect(c.replies.filter((r) => r.kind === 'state')).toHaveLength(11);
  });
});

describe('a link', () => {
  /** A server of octets that does as it is told. */
  async function peer(onData: (write: (text: string) => void, end: () => void) => void): Promise<string> {
    const server: Server = createServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', () =>
        onData(
          (text) => void socket.write(text),
          () => void socket.end(),
        ),
      );
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    open.push({ close: () => new Promise<void>((resolve) => void server.close(() => resolve())) });
    const at = server.address();
    return `http://127.0.0.1:${at !== null && typeof at === 'object' ? at.port : 0}`;
  }

  /** What a session that needs no token learns of one read. */
  async function lostBecause(baseUrl: string, change: Partial<OemConfig> = {}): Promise<string | undefined> {
    const clock = new SteppedClock({ startMs: START_MS, frozen: true });
    const session = createOemSession('solaredge', { clientId: 'a', clientSecret: 'b', apiKey: 'c', ...change });
    const link = new OemHttpLink({ session, baseUrl, clock, limitMs: 200, onReply: () => {} });
    open.push({ close: async () => link.stop() });
    clock.watch(() => link.inFlight(), 'requests');
    link.submit(read('r1'));
    await clock.settle();
    expect(link.health()).toMatchObject({ requests: 1, inFlight: 0 });
    return link.health().lastLost?.why;
  }

  test.each([
    ['nothing at all', '', 'no whole answer within 200 ms'],
    ['octets that are no HTTP', '220 smtp ready\r\n', /Parse Error/],
    ['headers without an end', `HTTP/1.1 200 OK\r\nx: ${'y'.repeat(100_000)}`, /Header overflow/],
    ['half of a body', 'HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{', 'no whole answer within 200 ms'],
    ['another protocol', 'HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n', /another protocol/],
  ])('loses an exchange whose answer is %s', async (_name, octets, why) => {
    expect(await lostBecause(await peer((write) => write(octets)))).toMatch(why);
  });

  test('loses an exchange whose answer is cut short', async () => {
    const url = await peer((write, end) => {
      write('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{');
      end();
    });
    expect(await lostBecause(url)).toMatch(/aborted|closed/);
  });

  test('loses an exchange when nobody listens', async () => {
    expect(await lostBecause('http://127.0.0.1:1')).toMatch(/ECONNREFUSED/);
  });

  test('follows no redirect, so that credentials reach nobody else', async () => {
    let reached = 0;
    const other = await peer(() => {
      reached += 1;
    });
    const url = await peer((write) => write(`HTTP/1.1 307 Moved\r\nlocation: ${other}/\r\ncontent-length: 0\r\n\r\n`));
    expect(await lostBecause(url)).toBeUndefined();
    expect(reached).toBe(0);
  });

  test('survives a device id with a line feed in it', async () => {
    const c = await cloud('tesla');
    expect((await c.ask(read('r1', 'line\nfeed'))).kind).toBe('refused');
    expect(await c.ask(read('r2'))).toMatchObject({ kind: 'state' });
  });

  test('loses an exchange with a header that HTTP cannot carry', async () => {
    expect(await lostBecause(await peer(() => {}), { clientId: 'line\nfeed' })).toMatch(/Invalid character in header/);
  });

  test('gives up at the time of its clock when that runs ahead of the machine', async () => {
    const url = await peer(() => {});
    const clock = new SteppedClock({ startMs: START_MS, frozen: true });
    const session = createOemSession('solaredge', { clientId: 'a', clientSecret: 'b', apiKey: 'c' });
    const link = new OemHttpLink({ session, baseUrl: url, clock, limitMs: 60_000, onReply: () => {} });
    open.push({ close: async () => link.stop() });
    link.submit(read('r1'));
    await clock.advanceTo(START_MS + 10_000);
    await clock.settle();
    expect(link.health().lastLost).toEqual({ atMs: START_MS + 10_000, why: 'no answer by its time' });
  });

  test.each([
    ['ftp://127.0.0.1/', /something else/],
    ['not a url', /something else/],
    ['http://user:secret@127.0.0.1/', /credentials/],
    ['http://127.0.0.1/?key=secret', /query/],
  ])('refuses the base URL %s without repeating what is secret', (baseUrl, words) => {
    const session = createOemSession('solaredge', { clientId: 'a', clientSecret: 'b', apiKey: 'c' });
    const make = (): OemHttpLink => new OemHttpLink({ session, baseUrl, clock: new SteppedClock(), onReply: () => {} });
    expect(make).toThrow(InputError);
    expect(make).toThrow(words);
    expect(make).not.toThrow(/user:secret|key=secret/);
  });
});
