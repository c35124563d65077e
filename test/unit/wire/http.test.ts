import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Kernel } from '../../../harness/kernel/kernel.ts';
import { randomSource } from '../../../harness/kernel/random.ts';
import { type Exchange, HttpWire, type LinkBehaviour, PERFECT_LINK } from '../../../harness/wire/http.ts';
import { InvariantError } from '../../../src/domain/errors.ts';
import type { HttpOutcome } from '../../../src/ports/http.ts';

const START_MS = 1_000_000;

/** A client and a counting server; request n asks for "/n", the server says when and how often it saw it. */
function pair(link: Partial<LinkBehaviour>, seed = 'wire', openMax?: number) {
  const kernel = new Kernel({ startMs: START_MS });
  const arrivals: { path: string; atMs: number }[] = [];
  const exchanges: Exchange[] = [];
  const outcomes: { n: number; atMs: number; outcome: HttpOutcome }[] = [];
  const wire = new HttpWire({
    scheduler: kernel,
    random: randomSource(seed),
    name: 'cloud',
    link: { ...PERFECT_LINK, ...link },
    handler: ({ path }, nowMs) => {
      arrivals.push({ path, atMs: nowMs - START_MS });
      return { status: 200, headers: { 'content-type': 'application/json' }, body: `{"path":"${path}","n":1}` };
    },
    onExchange: (exchange) => exchanges.push(exchange),
    ...(openMax === undefined ? {} : { openMax }),
  });
  const send = (n: number, timeoutMs = 1000): void =>
    wire.send({ method: 'GET', path: `/${n}`, headers: {}, body: '' }, kernel.nowMs() + timeoutMs, (outcome) =>
      outcomes.push({ n, atMs: kernel.nowMs() - START_MS, outcome }),
    );
  const run = (ms: number): void => kernel.run(kernel.nowMs() + ms);
  return { kernel, wire, send, run, arrivals, outcomes, exchanges };
}

const kinds = (p: ReturnType<typeof pair>): string[] => p.outcomes.map((o) => o.outcome.kind);
const faults = (p: ReturnType<typeof pair>): string[] => p.exchanges.map((e) => e.faults.join('+'));

describe('a healthy link', () => {
  test('the answer comes after both travel times, and the time-out is forgotten', () => {
    const p = pair({ delayMinMs: 20 });
    p.send(1);
    expect([p.arrivals, p.outcomes]).toEqual([[], []]);
    p.run(5000);
    expect(p.arrivals).toEqual([{ path: '/1', atMs: 20 }]);
    expect(p.outcomes.map(({ atMs, outcome }) => [atMs, outcome.kind])).toEqual([[40, 'response']]);
    expect(p.exchanges[0]).toMatchObject({ sentMs: START_MS, endMs: START_MS + 40, faults: [] });
    expect([p.kernel.pending(), p.wire.openCount()]).toEqual([0, 0]);
  });

  test('even without any delay, done is never called inside send', () => {
    const p = pair({});
    p.send(1);
    expect(p.outcomes).toEqual([]);
    p.run(0);
    expect(kinds(p)).toEqual(['response']);
  });
});

describe('faults', () => {
  test('a lost request has no effect and ends at the time-out', () => {
    const p = pair({ requestLossRatio: 1 });
    p.send(1, 700);
    p.run(5000);
    expect([p.arrivals.length, kinds(p), p.outcomes[0]?.atMs, faults(p)]).toEqual([0, ['lost'], 700, ['request-lost']]);
  });

  test('a lost reply ends at the time-out after its effect', () => {
    const p = pair({ replyLossRatio: 1, delayMinMs: 5 });
    p.send(1, 700);
    p.run(5000);
    expect([p.arrivals, kinds(p), p.outcomes[0]?.atMs, faults(p)]).toEqual([
      [{ path: '/1', atMs: 5 }],
      ['lost'],
      700,
      ['reply-lost'],
    ]);
  });

  test('a duplicated request has two effects and one answer', () => {
    const p = pair({ duplicateRatio: 1, delayMinMs: 5, delayMeanMs: 50 });
    for (let n = 0; n < 50; n++) p.send(n, 100_000);
    p.run(200_000);
    expect(p.arrivals.length).toBe(100);
    expect(kinds(p)).toEqual(Array.from({ length: 50 }, () => 'response'));
  });

  test('a lost reply is lost for both copies of a duplicated request, and told once', () => {
    const p = pair({ duplicateRatio: 1, replyLossRatio: 1, delayMeanMs: 50 });
    p.send(1, 10_000);
    p.run(20_000);
    expect([p.arrivals.length, kinds(p), faults(p)]).toEqual([2, ['lost'], ['duplicated+reply-lost']]);
  });

  test('fault classes strike independently of each other', () => {
    const p = pair({ duplicateRatio: 0.5, replyLossRatio: 0.5, requestLossRatio: 0.5, garbageRatio: 0.5 });
    for (let n = 0; n < 4000; n++) p.send(n);
    p.run(2000);
    const share = (wanted: string): number => faults(p).filter((f) => f === wanted).length / 4000;
    // Five standard errors of a share of 1/16 in 4,000 draws are 0.019.
    expect(share('request-lost')).toBeGreaterThan(0.46);
    expect(Math.abs(share('') - 1 / 16)).toBeLessThan(0.019);
    expect(share('duplicated+reply-lost')).toBeGreaterThan(1 / 8 - 0.026);
    expect(share('duplicated+reply-lost')).toBeLessThan(1 / 8 + 0.026);
    expect(share('duplicated+garbage')).toBeGreaterThan(1 / 16 - 0.019);
    expect(share('duplicated+garbage')).toBeLessThan(1 / 16 + 0.019);
  });

  test('a request that arrives after its client gave up still has its effect', () => {
    const p = pair({ delayMinMs: 300 });
    p.send(1, 200);
    p.run(5000);
    expect([p.arrivals, kinds(p), p.outcomes[0]?.atMs, faults(p)]).toEqual([
      [{ path: '/1', atMs: 300 }],
      ['lost'],
      200,
      ['late'],
    ]);
  });

  test('an answer at the very instant of the time-out is too late', () => {
    const p = pair({ delayMinMs: 100 });
    p.send(1, 200);
    p.send(2, 201);
    p.run(5000);
    expect(kinds(p)).toEqual(['lost', 'response']);
  });

  test('garbage keeps the status and replaces the body, in many ways', () => {
    const p = pair({ garbageRatio: 1 });
    for (let n = 0; n < 200; n++) p.send(n);
    p.run(10);
    const bodies = p.outcomes.map(({ n, outcome }) => {
      if (outcome.kind !== 'response') return 'lost';
      expect(outcome.response.status).toBe(200);
      expect(outcome.response.body).not.toBe(`{"path":"/${n}","n":1}`);
      return outcome.response.body;
    });
    expect(new Set(bodies).size).toBeGreaterThan(8);
    expect(new Set(faults(p))).toEqual(new Set(['garbage']));
  });

  test('a link that is down refuses after the shortest delay, but never after the time-out', () => {
    const p = pair({ down: true, delayMinMs: 30 });
    p.send(1, 1000);
    p.send(2, 10);
    p.run(5000);
    expect(p.outcomes.map(({ n, atMs, outcome }) => [n, atMs, outcome.kind])).toEqual([
      [2, 10, 'lost'],
      [1, 30, 'lost'],
    ]);
    expect([p.arrivals, faults(p)]).toEqual([[], ['down', 'down']]);
  });

  test('what is on the way when the link goes down is lost, also when it comes back first', () => {
    const p = pair({ delayMinMs: 100 });
    p.send(1);
    p.run(50);
    p.wire.setLink({ down: true });
    p.wire.setLink({ down: false });
    p.run(100);
    p.send(2);
    p.run(150);
    p.wire.setLink({ down: true });
    p.run(5000);
    expect(p.arrivals).toEqual([{ path: '/2', atMs: 250 }]);
    expect([kinds(p), faults(p)]).toEqual([
      ['lost', 'lost'],
      ['down', 'down'],
    ]);
  });

  test('past its limit of open exchanges the wire refuses', () => {
    const p = pair({ delayMinMs: 10 }, 'wire', 2);
    for (let n = 0; n < 3; n++) p.send(n);
    p.run(100);
    p.send(3);
    p.run(100);
    expect(p.outcomes.map(({ n, outcome }) => [n, outcome.kind])).toEqual([
      [2, 'lost'],
      [0, 'response'],
      [1, 'response'],
      [3, 'response'],
    ]);
    expect(faults(p)[0]).toBe('overload');
  });

  test.each([
    { requestLossRatio: 1.1 },
    { replyLossRatio: -0.1 },
    { garbageRatio: Number.NaN },
    { delayMinMs: -1 },
    { delayMinMs: 0.5 },
    { delayMeanMs: Number.POSITIVE_INFINITY },
  ])('a link with %o is refused', (change) => {
    expect(() => pair({}).wire.setLink(change)).toThrow(InvariantError);
  });
});

const ratio = fc.integer({ min: 0, max: 4 }).map((quarters) => quarters / 4);
const link: fc.Arbitrary<LinkBehaviour> = fc.record({
  delayMinMs: fc.nat(50),
  delayMeanMs: fc.nat(200),
  requestLossRatio: ratio,
  replyLossRatio: ratio,
  duplicateRatio: ratio,
  garbageRatio: ratio,
  down: fc.boolean(),
});

describe('whatever the link does', () => {
  test('every client is told exactly once, not later than its time-out, and answers imply an effect', () => {
    const act = fc.oneof(
      fc.record({ kind: fc.constant('send' as const), timeoutMs: fc.integer({ min: -5, max: 400 }) }),
      fc.record({ kind: fc.constant('run' as const), ms: fc.nat(100) }),
      fc.record({ kind: fc.constant('link' as const), change: link }),
    );
    fc.assert(
      fc.property(link, fc.array(act, { maxLength: 60 }), fc.string(), (first, acts, seed) => {
        const p = pair(first, seed);
        const giveUpMs: number[] = [];
        for (const a of acts) {
          if (a.kind === 'run') p.run(a.ms);
          else if (a.kind === 'link') p.wire.setLink(a.change);
          else {
            giveUpMs.push(p.kernel.nowMs() - START_MS + Math.max(0, a.timeoutMs));
            p.send(giveUpMs.length - 1, a.timeoutMs);
          }
        }
        p.run(100_000);
        expect(p.outcomes.map((o) => o.n).sort((a, b) => a - b)).toEqual(giveUpMs.map((_, n) => n));
        for (const { n, atMs, outcome } of p.outcomes) {
          const seen = p.arrivals.filter((a) => a.path === `/${n}`);
          expect(atMs).toBeLessThanOrEqual(giveUpMs[n] ?? -1);
          expect(seen.length).toBeLessThanOrEqual(2);
          if (outcome.kind === 'response') expect(seen.some((a) => a.atMs <= atMs)).toBe(true);
        }
        expect([p.exchanges.length, p.wire.openCount(), p.kernel.pending()]).toEqual([giveUpMs.length, 0, 0]);
      }),
    );
  });

  test('turning one fault class off leaves the fate of every exchange in the others as it was', () => {
    const base: LinkBehaviour = { ...PERFECT_LINK, delayMinMs: 5, delayMeanMs: 40, requestLossRatio: 0.3 };
    const lossyReplies = { ...base, replyLossRatio: 0.5, duplicateRatio: 0.5, garbageRatio: 0.5 };
    const firstArrivals = (behaviour: LinkBehaviour): Map<string, number> => {
      const p = pair({ ...behaviour, duplicateRatio: 0 });
      for (let n = 0; n < 200; n++) p.send(n, 10_000);
      p.run(20_000);
      return new Map(p.arrivals.map((a) => [a.path, a.atMs]));
    };
    const quiet = firstArrivals(base);
    expect(quiet.size).toBeGreaterThan(100);
    expect(quiet.size).toBeLessThan(180);
    expect([...firstArrivals(lossyReplies)]).toEqual([...quiet]);

    const answered = (duplicateRatio: number): number[] => {
      const p = pair({ ...lossyReplies, delayMeanMs: 0, duplicateRatio });
      for (let n = 0; n < 200; n++) p.send(n, 10_000);
      p.run(20_000);
      return p.outcomes.filter((o) => o.outcome.kind === 'response').map((o) => o.n);
    };
    expect(answered(0.9)).toEqual(answered(0));
  });
});
