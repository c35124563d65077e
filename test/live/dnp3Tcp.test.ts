import { createServer, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { randomSource } from '../../harness/kernel/random.ts';
import { rtacEnd } from '../../harness/serve/batterySite.ts';
import { createRtac } from '../../simulators/rtac/rtac.ts';
import { encodeFrame, PRIMARY } from '../../src/dnp3/link/frame.ts';
import type { Measurement } from '../../src/dnp3/master/measurements.ts';
import { Dnp3Server } from '../../src/live/dnp3Server.ts';
import { type Dnp3End, Dnp3Link, endWords, type LinkEnded } from '../../src/live/dnp3Tcp.ts';
import { SteppedClock } from '../../src/live/steppedClock.ts';
import { RTAC } from '../unit/field/bench.ts';
import {
  bareSocket,
  Feed,
  integrityOf,
  type LiveMaster,
  liveMaster,
  OUTSTATION,
  POINTS,
  serveBank,
} from './dnp3Ends.ts';

/** Master and outstation over loopback TCP: the driver, its limits, and what a peer can do to it. */
const cleanUp: (() => unknown)[] = [];
afterEach(async () => {
  for (const act of cleanUp.splice(0).reverse()) await act();
});

async function pair(config: Parameters<typeof liveMaster>[1] = {}) {
  const served = await serveBank();
  const master = liveMaster(served.port, config);
  cleanUp.push(
    () => served.server.close(),
    () => master.client.stop(),
  );
  return { served, master };
}

async function online(config: Parameters<typeof liveMaster>[1] = {}) {
  const both = await pair(config);
  const read = integrityOf(both.master);
  both.master.client.start();
  await read;
  return both;
}

const valuesOf = (m: LiveMaster): Measurement[] =>
  m.notices.all.flatMap((n) => (n.kind === 'measurements' ? n.values : []));

const ended = (m: LiveMaster, id: string) =>
  m.notices.next(`the end of ${id}`, (n) => (n.kind === 'command-ended' || n.kind === 'request-ended') && n.id === id);

const operate = (
  m: LiveMaster,
  id: string,
  control: Parameters<typeof m.session.command>[0]['steps'][0]['controls'][0],
) => {
  const end = ended(m, id);
  m.client.use((nowMs) =>
    m.session.command({ id, steps: [{ mode: 'select-operate', controls: [control] }], urgent: false }, nowMs),
  );
  return end;
};

const LATCH_ON = { kind: 'crob', operation: 3, tripClose: 'none', count: 1, onMs: 0, offMs: 0 } as const;

describe('master and outstation over TCP', () => {
  test('an integrity poll brings every point with its value', async () => {
    const { master } = await online();
    const got = new Map(valuesOf(master).map((v) => [`${v.kind}${v.index}`, v.value]));
    expect([...got].sort()).toEqual(POINTS.map((p) => [`${p.kind}${p.index}`, p.value]).sort());
  });

  test('a change is sent unasked', async () => {
    const { served, master } = await pair();
    const enabled = served.events.next('enable unsolicited', (e) => e.kind === 'request' && e.functionCode === 20);
    master.client.start();
    await enabled;
    const came = master.notices.next('the change', (n) => n.kind === 'measurements' && n.values[0]?.value === 99);
    served.use((nowMs) => served.bank.session.update('AI', 0, { value: 99, flags: 1, timeMs: nowMs }, nowMs));
    expect(await came).toMatchObject({ values: [{ kind: 'AI', index: 0, value: 99, source: 'unsolicited' }] });
  });

  test('select and operate sets a binary output and a set-point, and the status of a refusal is told', async () => {
    const { served, master } = await online();
    expect(await operate(master, 'on', { ...LATCH_ON, index: 2 })).toMatchObject({ outcome: { kind: 'operated' } });
    expect(await operate(master, 'set', { kind: 'analog', index: 5, value: 41.5 })).toMatchObject({
      outcome: { kind: 'operated' },
    });
    expect(served.bank.session.database.get('BOS', 2)?.current.value).toBe(1);
    expect(served.bank.session.database.get('AOS', 5)?.current.value).toBe(41.5);
    expect(await operate(master, 'none', { ...LATCH_ON, index: 77 })).toMatchObject({
      outcome: { kind: 'refused', why: expect.stringContaining('notSupported') },
    });
  });

  test.each(['lan', 'non-lan'] as const)('%s time synchronisation sets the clock to now', async (method) => {
    const { served, master } = await online();
    const set = served.events.next('the clock', (e) => e.kind === 'clock-set');
    const end = ended(master, 'time');
    master.client.use((nowMs) => master.session.timeSync({ id: 'time', method }, nowMs));
    const event = await set;
    expect(await end).toMatchObject({ outcome: { kind: 'done' } });
    expect(Math.abs((event.kind === 'clock-set' ? event.timeMs : 0) - Date.now())).toBeLessThan(1_000);
  });

  test('a restart is answered with a time, and everything is read again after it', async () => {
    const { master } = await online({ retryMs: 0 });
    const again = integrityOf(master);
    const end = ended(master, 'restart');
    master.client.use((nowMs) => master.session.restart({ id: 'restart', how: 'cold' }, nowMs));
    expect(await end).toMatchObject({ outcome: { kind: 'done', restartMs: 5_000 } });
    // The bit is seen in the next answer.
    master.client.use((nowMs) => master.session.readClasses({ id: 'look', classes: [1] }, nowMs));
    await again;
    expect(master.notices.all.map((n) => n.kind)).toContain('restarted');
  });

  test("a battery behind an RTAC follows a set-point on the machine's clock", async () => {
    const scheduler = new SteppedClock();
    const rtac = createRtac({ ...RTAC, addresses: { master: 1, outstation: OUTSTATION } }, scheduler);
    let link: Dnp3Link | null = null;
    rtac.onOutput(() => link?.flush());
    const changes = new Feed<string>();
    rtac.onPlantChange((c) => changes.push(c.state));
    const end = rtacEnd(rtac);
    const server = await Dnp3Server.listen({
      port: 0,
      accept: () => ({
        kind: 'session',
        end,
        onLink: (l) => {
          link = l;
        },
      }),
    });
    const master = liveMaster(server.address.port);
    cleanUp.push(
      () => scheduler.stop(),
      () => server.close(),
      () => master.client.stop(),
    );
    const read = integrityOf(master);
    master.client.start();
    await read;
    const following = changes.next('the plant following', (s) => s === 'following');
    expect(await operate(master, 'target', { kind: 'analog', index: 146, value: 500_000 })).toMatchObject({
      outcome: { kind: 'operated' },
    });
    expect(await operate(master, 'agc', { ...LATCH_ON, index: 23 })).toMatchObject({ outcome: { kind: 'operated' } });
    await following;
    expect(rtac.plant.targetW).toBe(500_000);
  });
});

describe('a connection that is there and dead', () => {
  test('is found by the master and made anew', async () => {
    const served = await serveBank();
    // A wire between both that passes octets until it is cut without telling anybody.
    let deaf = false;
    let connections = 0;
    const wire = createServer(async (near: Socket) => {
      connections += 1;
      near.on('error', () => {});
      const far = await bareSocket(served.port);
      near.on('data', (octets) => void (deaf || far.write(octets)));
      far.on('data', (octets) => void (deaf || near.write(octets)));
      near.on('close', () => far.destroy());
    });
    await new Promise<void>((resolve) => wire.listen(0, '127.0.0.1', resolve));
    const at = wire.address();
    const master = liveMaster(at !== null && typeof at === 'object' ? at.port : 0, {
      keepAliveMs: 150,
      responseMs: 150,
    });
    cleanUp.push(
      () => served.server.close(),
      () => wire.close(),
      () => master.client.stop(),
    );
    const read = integrityOf(master);
    master.client.start();
    await read;
    const down = master.states.next('the connection down', (s) => s.kind === 'down');
    deaf = true;
    expect(await down).toMatchObject({ why: 'nobody answers' });
    const again = integrityOf(master);
    deaf = false;
    await again;
    expect(connections).toBeGreaterThan(1);
  });

  test('is closed by an outstation that hears nothing', async () => {
    const served = await serveBank(POINTS, { limits: { silenceMs: 100 } });
    cleanUp.push(() => served.server.close());
    const over = served.states.next('the end', (s) => s.kind === 'ended');
    const socket = await bareSocket(served.port);
    cleanUp.push(() => socket.destroy());
    expect(await over).toMatchObject({ why: 'the peer said nothing for 100 ms' });
    expect(served.server.connectionCount).toBe(0);
  });
});

describe("an outstation's door", () => {
  test('a second master is refused and the first goes on', async () => {
    const { served, master } = await online();
    const refused = served.states.next('a refusal', (s) => s.kind === 'refused');
    const second = liveMaster(served.port);
    cleanUp.push(() => second.client.stop());
    const down = second.states.next('down', (s) => s.kind === 'down');
    second.client.start();
    expect(await refused).toMatchObject({ why: 'another master is connected' });
    await down;
    await second.client.stop();
    expect(await operate(master, 'on', { ...LATCH_ON, index: 2 })).toMatchObject({ outcome: { kind: 'operated' } });
  });

  test('connections beyond the limit are closed before they are asked anything', async () => {
    const states = new Feed<{ kind: string; why?: string }>();
    let accepted = 0;
    const server = await Dnp3Server.listen({
      port: 0,
      connectionsMax: 2,
      onState: (s) => states.push(s),
      accept: () => {
        accepted += 1;
        return { kind: 'session', end: silentEnd() };
      },
    });
    cleanUp.push(() => server.close());
    const refused = states.next('a refusal', (s) => s.kind === 'refused');
    const sockets = [await bareSocket(server.address.port), await bareSocket(server.address.port)];
    sockets.push(await bareSocket(server.address.port));
    cleanUp.push(() => sockets.map((s) => s.destroy()));
    expect(await refused).toMatchObject({ why: '2 connections are open' });
    expect(accepted).toBe(2);
  });

  test('listens on the own machine only unless told otherwise', async () => {
    const served = await serveBank();
    cleanUp.push(() => served.server.close());
    expect(served.server.address.host).toBe('127.0.0.1');
  });

  test("an address that cannot be had is the author's mistake", async () => {
    const served = await serveBank();
    cleanUp.push(() => served.server.close());
    await expect(serveBank(POINTS, { port: served.port })).rejects.toThrow(/listen: 127\.0\.0\.1:\d+: .*EADDRINUSE/);
  });

  test('closing ends open connections and comes back', async () => {
    const { served, master } = await online();
    const down = master.states.next('down', (s) => s.kind === 'down');
    await served.server.close();
    await down;
    expect(served.server.connectionCount).toBe(0);
  });
});

const silentEnd = (): Dnp3End => ({
  connected: () => {},
  disconnected: () => {},
  receive: () => {},
  timeout: () => {},
  nextTimeoutMs: () => null,
  takeOutput: () => [],
});

describe('a peer that misbehaves', () => {
  test('garbage is passed over and the next request is answered', async () => {
    const served = await serveBank();
    cleanUp.push(() => served.server.close());
    const random = randomSource('garbage')('octets');
    const noise = Uint8Array.from({ length: 65_536 }, (_, i) =>
      i % 97 === 0 ? 0x05 : i % 97 === 1 ? 0x64 : random.int(0, 255),
    );
    const socket = await bareSocket(served.port);
    cleanUp.push(() => socket.destroy());
    const heard = new Feed<Uint8Array>();
    socket.on('data', (octets) => heard.push(octets));
    socket.write(noise);
    // Link status: 15 garbled octets could still hold its frame back, so it is asked twice, a frame's length apart.
    const ask = encodeFrame({
      fromMaster: true,
      primary: true,
      fcb: false,
      fcvOrDfc: false,
      functionCode: PRIMARY.requestStatus,
      destination: OUTSTATION,
      source: 1,
      userData: new Uint8Array(0),
    });
    const answer = heard.next('a link status', (o) => o.length === 10 && o[3] === 0x0b);
    socket.write(Buffer.concat([new Uint8Array(292), ask]));
    expect((await answer)[0]).toBe(0x05);
    expect(served.server.connectionCount).toBe(1);
  });

  test('one that asks and takes no answers is cut off, and no more of it is read', async () => {
    const many = Array.from({ length: 1_000 }, (_, index) => ({
      kind: 'AI' as const,
      index,
      eventClass: 0 as const,
      value: index,
      walk: 0,
    }));
    const served = await serveBank(many, { limits: { stallMs: 200, pendingOctetsMax: 2_000_000 }, unsolicited: false });
    cleanUp.push(() => served.server.close());
    const over = served.states.next('the end', (s) => s.kind === 'ended');
    const socket = await bareSocket(served.port);
    cleanUp.push(() => socket.destroy());
    socket.pause();
    const reads = Buffer.concat(Array.from({ length: 16 }, (_, sequence) => readAll(sequence)));
    for (let i = 0; i < 12_000; i++) socket.write(reads);
    expect(await over).toMatchObject({ why: 'the peer took nothing for 200 ms' });
  });

  test('what waits for it has a limit, and the reason is told', async () => {
    const server = createServer((s) => s.pause());
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const at = server.address();
    const socket = await bareSocket(at !== null && typeof at === 'object' ? at.port : 0);
    cleanUp.push(
      () => server.close(),
      () => socket.destroy(),
    );
    const over: LinkEnded[] = [];
    let given = 0;
    const end: Dnp3End = {
      ...silentEnd(),
      takeOutput: () => Array.from({ length: 200 }, () => new Uint8Array(100_000).fill(given++ & 0xff)),
    };
    const link = new Dnp3Link({
      socket,
      end,
      role: 'client',
      connection: 1,
      limits: { pendingOctetsMax: 1_000_000 },
      onEnded: (e) => over.push(e),
    });
    for (let i = 0; i < 10 && link.isOpen; i++) link.flush();
    expect(over).toEqual([{ kind: 'overloaded', pendingOctets: expect.any(Number) }]);
    const pending = over[0]?.kind === 'overloaded' ? over[0].pendingOctets : 0;
    expect(pending).toBeGreaterThan(1_000_000);
    expect(pending).toBeLessThanOrEqual(1_100_000);
    expect(over.map(endWords)).toEqual([`${pending} octets wait that the peer does not take`]);
  });
});

/** A read of class 0 as a frame. */
const readAll = (sequence: number): Uint8Array =>
  encodeFrame({
    fromMaster: true,
    primary: true,
    fcb: false,
    fcvOrDfc: false,
    functionCode: PRIMARY.unconfirmedData,
    destination: OUTSTATION,
    source: 1,
    userData: Uint8Array.of(0xc0, 0xc0 | sequence, 1, 60, 1, 6),
  });

describe('the back-off of a master', () => {
  test('draws each wait between the least and three times the last, up to the longest', async () => {
    const random = randomSource('back-off')('waits');
    const waits: number[] = [];
    const enough = new Feed<number>();
    const master = liveMaster(
      1,
      {},
      {
        random: () => random.next(),
        retryMsMin: 2,
        retryMsMax: 40,
        onState: (s) => {
          if (s.kind === 'down' && s.inMs !== null) enough.push(waits.push(s.inMs));
        },
      },
    );
    cleanUp.push(() => master.client.stop());
    const done = enough.next('twelve waits', (n) => n >= 12);
    master.client.start();
    await done;
    waits.forEach((wait, i) => {
      const last = i === 0 ? 2 : (waits[i - 1] ?? 0);
      expect(wait).toBeGreaterThanOrEqual(2);
      expect(wait).toBeLessThanOrEqual(Math.min(40, 3 * last));
    });
    expect(new Set(waits).size).toBeGreaterThan(4);
  });

  test('starts anew once a connection brought an octet, and not for one that was only accepted', async () => {
    let speaks = false;
    const server = createServer((s) => {
      s.on('error', () => {});
      if (speaks) s.end(Uint8Array.of(0));
      else s.destroy();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const at = server.address();
    const waits = new Feed<number>();
    const master = liveMaster(
      at !== null && typeof at === 'object' ? at.port : 0,
      {},
      {
        random: () => 0.999,
        retryMsMin: 2,
        retryMsMax: 60,
        onState: (s) => {
          if (s.kind === 'down' && s.inMs !== null) waits.push(s.inMs);
        },
      },
    );
    cleanUp.push(
      () => server.close(),
      () => master.client.stop(),
    );
    const longest = waits.next('the longest wait', (w) => w === 60);
    master.client.start();
    await longest;
    const short = waits.next('a short wait', (w) => w === 6);
    speaks = true;
    await short;
  });
});
