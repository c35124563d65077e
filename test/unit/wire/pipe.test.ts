import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Kernel } from '../../../harness/kernel/kernel.ts';
import { randomSource } from '../../../harness/kernel/random.ts';
import { BytePipe, type PipeBehaviour, type PipeEnd, type Segment } from '../../../harness/wire/pipe.ts';
import { InvariantError } from '../../../src/domain/errors.ts';

const bytes = (...octets: number[]): Uint8Array => Uint8Array.from(octets);

/** Both ends write down what they are told, with the time. */
function world(behaviour: Partial<PipeBehaviour> = {}, inFlightBytesMax?: number) {
  const kernel = new Kernel({ startMs: 0 });
  const segments: Segment[] = [];
  const pipe = new BytePipe({
    scheduler: kernel,
    random: randomSource('pipe'),
    name: 'site-1',
    behaviour,
    onSegment: (segment) => segments.push(segment),
    ...(inFlightBytesMax === undefined ? {} : { inFlightBytesMax }),
  });
  const told: string[] = [];
  const got: Record<'a' | 'b', number[]> = { a: [], b: [] };
  const pieces: Record<'a' | 'b', number> = { a: 0, b: 0 };
  const watch = (end: PipeEnd): void =>
    end.attach({
      onOpen: () => told.push(`${end.name} open@${kernel.nowMs()}`),
      onClose: (why) => told.push(`${end.name} ${why}@${kernel.nowMs()}`),
      onData: (octets) => {
        got[end.name].push(...octets);
        pieces[end.name] += 1;
      },
    });
  watch(pipe.a);
  watch(pipe.b);
  const run = (ms: number): void => kernel.run(kernel.nowMs() + ms);
  return { kernel, pipe, told, got, pieces, segments, run };
}

describe('a healthy pipe', () => {
  test('the client is open after two travel times, the server after three, and octets take one', () => {
    const w = world({ delayMs: 10 });
    w.pipe.open();
    w.run(20);
    expect([w.told, w.pipe.a.connected(), w.pipe.b.connected()]).toEqual([['a open@20'], true, false]);
    w.pipe.a.send(bytes(1, 2, 3));
    w.run(10);
    expect([w.told, w.got.b]).toEqual([
      ['a open@20', 'b open@30'],
      [1, 2, 3],
    ]);
    w.pipe.b.send(bytes(9));
    w.run(9);
    expect(w.got.a).toEqual([]);
    w.run(1);
    expect(w.got.a).toEqual([9]);
    w.run(60_000);
    expect([w.told.length, w.kernel.pending()]).toEqual([2, 0]);
  });

  test('closing tells the other end after the octets that were sent before', () => {
    const w = world({ delayMs: 10, jitterMs: 50, chopBytesMax: 2 });
    w.pipe.open();
    w.run(100);
    w.pipe.a.send(bytes(1, 2, 3, 4, 5, 6, 7));
    w.pipe.a.close();
    w.pipe.a.send(bytes(8));
    w.run(1000);
    expect(w.got.b).toEqual([1, 2, 3, 4, 5, 6, 7]);
    expect(w.told.map((t) => t.split('@')[0])).toEqual(['a open', 'b open', 'b closed']);
    expect([w.pipe.a.connected(), w.pipe.b.connected()]).toEqual([false, false]);
  });

  test('an end that closed is not told of a connection time-out later', () => {
    const w = world({ connectTimeoutMs: 1000 });
    w.pipe.open();
    w.run(1);
    w.pipe.a.close();
    w.run(5000);
    expect(w.told).toEqual(['a open@0', 'b open@0', 'b closed@1']);
  });

  test('the sender may reuse its array', () => {
    const w = world({ delayMs: 5 });
    w.pipe.open();
    w.run(20);
    const octets = bytes(1, 2);
    w.pipe.a.send(octets);
    octets.fill(0);
    w.run(20);
    expect(w.got.b).toEqual([1, 2]);
  });

  test('sending before there is a connection goes nowhere', () => {
    const w = world();
    w.pipe.a.send(bytes(1));
    w.pipe.open();
    w.pipe.a.send(bytes(2));
    w.run(10);
    expect(w.got.b).toEqual([]);
  });
});

describe('faults', () => {
  test('after a cut nobody is told, nothing arrives, and mending does not revive the connection', () => {
    const w = world({ delayMs: 10 });
    w.pipe.open();
    w.run(100);
    w.pipe.a.send(bytes(1));
    w.pipe.cut();
    w.pipe.a.send(bytes(2));
    w.pipe.b.send(bytes(3));
    w.run(1000);
    w.pipe.mend();
    w.pipe.a.send(bytes(4));
    w.run(60_000);
    expect(w.got).toEqual({ a: [], b: [] });
    expect(w.told).toEqual(['a open@20', 'b open@30']);
    expect([w.pipe.a.connected(), w.pipe.b.connected()]).toEqual([true, true]);
    expect(w.segments.filter((s) => s.lost).map((s) => [...s.octets])).toEqual([[2], [3], [4]]);
  });

  test('a new connection after a cut replaces the old one at each end when it gets there', () => {
    const w = world({ delayMs: 10 });
    w.pipe.open();
    w.run(100);
    w.pipe.cut();
    w.pipe.mend();
    w.pipe.a.close();
    w.pipe.open();
    w.run(15);
    w.pipe.b.send(bytes(7));
    w.run(100);
    w.pipe.b.send(bytes(8));
    w.run(100);
    expect(w.told).toEqual(['a open@20', 'b open@30', 'a open@120', 'b replaced@130', 'b open@130']);
    expect(w.got.a).toEqual([8]);
  });

  test('connecting through a cut network times out, and the server keeps what it believed', () => {
    const w = world({ delayMs: 10, connectTimeoutMs: 3000 });
    w.pipe.open();
    w.run(100);
    w.pipe.cut();
    w.pipe.open();
    w.run(10_000);
    expect(w.told).toEqual(['a open@20', 'b open@30', 'a replaced@100', 'a timeout@3100']);
    expect([w.pipe.a.connected(), w.pipe.b.connected()]).toEqual([false, true]);
  });

  test('a cut in the middle of the handshake times out as well', () => {
    const w = world({ delayMs: 10, connectTimeoutMs: 3000 });
    w.pipe.open();
    w.run(15);
    w.pipe.cut();
    w.run(10_000);
    expect(w.told).toEqual(['a timeout@3000']);
  });

  test('nobody listening is refused after a round trip', () => {
    const w = world({ delayMs: 10, refusing: true });
    w.pipe.open();
    w.run(60_000);
    expect([w.told, w.pipe.a.connected()]).toEqual([['a refused@20'], false]);
  });

  test('a reset tells both ends at once and loses what is on the way', () => {
    const w = world({ delayMs: 10 });
    w.pipe.open();
    w.run(100);
    w.pipe.a.send(bytes(1));
    w.pipe.reset();
    w.pipe.reset();
    w.run(100);
    expect([w.told, w.got.b]).toEqual([['a open@20', 'b open@30', 'b reset@100', 'a reset@100'], []]);
  });

  test('more on the way than the limit resets the connection, later than send returns', () => {
    const w = world({ delayMs: 10 }, 4);
    w.pipe.open();
    w.run(100);
    w.pipe.a.send(bytes(1, 2, 3));
    w.run(10);
    w.pipe.a.send(bytes(4, 5, 6, 7));
    w.run(10);
    w.pipe.a.send(bytes(8, 9, 10));
    w.pipe.a.send(bytes(11, 12));
    w.pipe.a.send(bytes(13));
    expect(w.told.length).toBe(2);
    w.run(10);
    expect(w.told.slice(2)).toEqual(['b reset@120', 'a reset@120']);
    expect(w.got.b).toEqual([1, 2, 3, 4, 5, 6, 7]);
  });

  test('a reset clears what counts as being on the way', () => {
    const w = world({ delayMs: 10 }, 4);
    w.pipe.open();
    w.run(100);
    w.pipe.a.send(bytes(1, 2, 3));
    w.pipe.reset();
    w.pipe.open();
    w.run(100);
    w.pipe.a.send(bytes(4, 5, 6, 7));
    w.run(100);
    expect(w.got.b).toEqual([4, 5, 6, 7]);
  });

  test('octets of an old connection never arrive in the next', () => {
    const w = world({ delayMs: 10 });
    w.pipe.open();
    w.run(100);
    w.pipe.a.send(bytes(1));
    w.pipe.setBehaviour({ delayMs: 0 });
    w.pipe.open();
    w.pipe.b.send(bytes(2));
    w.run(100);
    expect([w.told.at(-1), w.got]).toEqual(['b open@100', { a: [], b: [] }]);
  });

  test('a client that connects again as soon as it is told gets one connection', () => {
    const w = world({ delayMs: 10 });
    w.pipe.open();
    w.run(100);
    const told: string[] = [];
    w.pipe.a.attach({
      onOpen: () => told.push('open'),
      onData: () => {},
      onClose: (why) => {
        told.push(why);
        w.pipe.open();
      },
    });
    w.pipe.open();
    w.run(100);
    expect(told).toEqual(['replaced', 'open']);
    w.pipe.reset();
    w.run(100);
    expect(told).toEqual(['replaced', 'open', 'reset', 'open']);
    expect(w.segments.filter((s) => s.kind === 'syn').length).toBe(3);
  });

  test('a server that resets when it is replaced is not opened after all', () => {
    const w = world({ delayMs: 10 });
    w.pipe.open();
    w.run(100);
    const told: string[] = [];
    w.pipe.b.attach({
      onOpen: () => told.push('open'),
      onData: () => {},
      onClose: (why) => {
        told.push(why);
        w.pipe.reset();
      },
    });
    w.pipe.open();
    w.run(100);
    expect([told, w.pipe.a.connected(), w.pipe.b.connected()]).toEqual([['replaced'], false, false]);
  });

  test('bit flips turn one bit over in each piece they strike', () => {
    const w = world({ bitFlipRatio: 1, chopBytesMax: 1 });
    w.pipe.open();
    w.run(1);
    w.pipe.a.send(new Uint8Array(100));
    w.run(1);
    expect(w.got.b.length).toBe(100);
    expect(w.got.b.every((octet) => Number.isInteger(Math.log2(octet)))).toBe(true);
    expect(new Set(w.got.b).size).toBe(8);
  });

  test.each([{ delayMs: -1 }, { jitterMs: 0.5 }, { chopBytesMax: Number.NaN }, { bitFlipRatio: 2 }])(
    'a behaviour of %o is refused',
    (change) => {
      expect(() => world().pipe.setBehaviour(change)).toThrow(InvariantError);
    },
  );
});

describe('whatever is sent, however it is chopped and delayed', () => {
  test('octets arrive whole and in order, in pieces no larger than asked for', () => {
    const sends = fc.array(
      fc.tuple(fc.constantFrom('a' as const, 'b' as const), fc.uint8Array({ maxLength: 40 }), fc.nat(30)),
      {
        maxLength: 40,
      },
    );
    fc.assert(
      fc.property(sends, fc.nat(20), fc.nat(60), fc.nat(7), (list, delayMs, jitterMs, chopBytesMax) => {
        const w = world({ delayMs, jitterMs, chopBytesMax });
        w.pipe.open();
        w.run(3 * delayMs);
        const want: Record<'a' | 'b', number[]> = { a: [], b: [] };
        let least = { a: 0, b: 0 };
        for (const [from, octets, waitMs] of list) {
          w.pipe[from].send(octets);
          const to = from === 'a' ? 'b' : 'a';
          want[to].push(...octets);
          if (chopBytesMax > 0) least = { ...least, [to]: least[to] + Math.ceil(octets.length / chopBytesMax) };
          w.run(waitMs);
        }
        w.run(10_000);
        expect(w.got).toEqual(want);
        expect(w.pieces.a).toBeGreaterThanOrEqual(least.a);
        expect(w.pieces.b).toBeGreaterThanOrEqual(least.b);
      }),
    );
  });

  test('under any cuts, resets and reconnects each connection delivers a prefix, and ends are told open and closed in turn', () => {
    const act = fc.oneof(
      { weight: 4, arbitrary: fc.constantFrom('send a', 'send b') },
      { weight: 2, arbitrary: fc.nat(40).map((ms) => `run ${ms}`) },
      {
        weight: 1,
        arbitrary: fc.constantFrom('open', 'cut', 'mend', 'reset', 'close a', 'close b', 'refuse', 'listen'),
      },
    );
    fc.assert(
      fc.property(fc.array(act, { maxLength: 80 }), fc.nat(10), (acts, delayMs) => {
        const w = world({ delayMs, jitterMs: 5, chopBytesMax: 3, connectTimeoutMs: 50 });
        const told: Record<'a' | 'b', string[]> = { a: [], b: [] };
        /** What each end was given since it was last open. */
        const got: Record<'a' | 'b', number[]> = { a: [], b: [] };
        for (const end of [w.pipe.a, w.pipe.b]) {
          end.attach({
            onOpen: () => {
              got[end.name] = [];
              told[end.name].push('open');
            },
            onClose: (why) => told[end.name].push(why),
            onData: (octets) => {
              got[end.name].push(...octets);
              // Numbers are counted up per end and never restart: within one connection there is no gap.
              const list = got[end.name];
              expect(list).toEqual(list.map((_, i) => ((list[0] ?? 0) + i) & 0xff));
              expect(end.connected()).toBe(true);
            },
          });
        }
        const next = { a: 0, b: 0 };
        const send = (from: 'a' | 'b'): void => {
          if (w.pipe[from].connected()) w.pipe[from].send(Uint8Array.from({ length: 5 }, () => next[from]++ & 0xff));
        };
        w.pipe.open();
        for (const a of acts) {
          if (a === 'open') w.pipe.open();
          else if (a === 'cut') w.pipe.cut();
          else if (a === 'mend') w.pipe.mend();
          else if (a === 'reset') w.pipe.reset();
          else if (a === 'close a') w.pipe.a.close();
          else if (a === 'close b') w.pipe.b.close();
          else if (a === 'refuse') w.pipe.setBehaviour({ refusing: true });
          else if (a === 'listen') w.pipe.setBehaviour({ refusing: false });
          else if (a.startsWith('send')) send(a.endsWith('a') ? 'a' : 'b');
          else w.run(Number(a.slice(4)));
        }
        w.run(10_000);
        for (const end of ['a', 'b'] as const) {
          const opens = told[end].filter((t) => t === 'open').length;
          const neverOpened = told[end].filter((t) => t === 'timeout' || t === 'refused').length;
          expect(told[end].length - opens - neverOpened).toBeLessThanOrEqual(opens);
        }
        expect(w.kernel.pending()).toBe(0);
      }),
    );
  });
});
