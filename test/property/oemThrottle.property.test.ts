import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createOemSession } from '../../src/oem/index.ts';
import { createLimiter } from '../../src/oem/limiter.ts';
import type { HttpResponse } from '../../src/ports/http.ts';
import type { OemJob, OemSession } from '../../src/ports/oem.ts';
import { CREDENTIALS, controlJob, START_MS } from '../helpers/oemPair.ts';

/** What the cloud makes of one request: after so long it says this, or nothing. */
interface Turn {
  readonly afterMs: number;
  readonly status: 200 | 400 | 429 | 503 | null;
  readonly retryAfterS: number | null;
}

const turn: fc.Arbitrary<Turn> = fc.record({
  afterMs: fc.integer({ min: 0, max: 9_000 }),
  status: fc.constantFrom(200, 200, 400, 429, 429, 429, 503, null),
  retryAfterS: fc.constantFrom(null, null, 0, 1, 30),
});

const order = fc.record({
  atMs: fc.integer({ min: 0, max: 120_000 }),
  what: fc.constantFrom('read-state' as const, 'control' as const, 'reset' as const, 'stop' as const),
  site: fc.integer({ min: 0, max: 9 }),
});

type Order = typeof order extends fc.Arbitrary<infer T> ? T : never;

function jobOf({ what, site }: Order, jobId: string, nowMs: number): OemJob {
  const vendorDeviceId = String(1000 + site);
  if (what === 'read-state') return { kind: 'read-state', jobId, vendorDeviceId };
  const window = { startMs: nowMs, endMs: nowMs + 3_600_000, notAfterMs: nowMs + 300_000 };
  const job = controlJob(jobId, { vendorDeviceId, ...window, mode: what === 'control' ? 'discharge' : 'reset' });
  return what === 'stop' ? { ...job, emergency: true } : job;
}

type Happened =
  | { readonly what: 'left'; readonly atMs: number }
  | { readonly what: 'answered'; readonly atMs: number; readonly status: Turn['status']; readonly leftMs: number };

const RETRY = (s: number | null): Record<string, string> => (s === null ? {} : { 'retry-after': String(s) });
const TOKEN = '{"access_token":"t","expires_in":3600}';

function answerOf(t: Turn, isToken: boolean): HttpResponse {
  const status = t.status ?? 503;
  return { status, headers: RETRY(t.retryAfterS), body: isToken && status === 200 ? TOKEN : '{}' };
}

/** Plays orders against answers, in steps of what is due next; what happened, in order. */
function play(session: OemSession, orders: readonly Order[], turns: readonly Turn[]): Happened[] {
  const happened: Happened[] = [];
  const answers: { atMs: number; run: () => void }[] = [];
  const due = orders.map((o, i) => ({ atMs: START_MS + o.atMs, run: () => o, i })).sort((a, b) => a.atMs - b.atMs);
  let nowMs = START_MS;
  let n = 0;
  const drain = (): void => {
    session.takeReplies();
    for (const { requestId, request, timeoutMs } of session.takeOutput()) {
      const isToken = request.path.includes('/oauth2/');
      const t = turns[n++ % Math.max(1, turns.length)] ?? { afterMs: 10, status: 429, retryAfterS: null };
      const leftMs = nowMs;
      happened.push({ what: 'left', atMs: leftMs });
      const atMs = t.status === null ? timeoutMs : nowMs + t.afterMs;
      const run = (): void => {
        // A token is no success of what was throttled.
        const status = isToken && t.status === 200 ? null : t.status;
        happened.push({ what: 'answered', atMs, status, leftMs });
        const response = answerOf(t, isToken);
        session.receive(requestId, t.status === null ? { kind: 'lost' } : { kind: 'response', response }, atMs);
      };
      answers.push({ atMs, run });
    }
  };
  for (let steps = 0; steps < 5_000; steps++) {
    answers.sort((a, b) => a.atMs - b.atMs);
    const nextMs = session.nextTimeoutMs() ?? Number.POSITIVE_INFINITY;
    const orderMs = due[0]?.atMs ?? Number.POSITIVE_INFINITY;
    const answerMs = answers[0]?.atMs ?? Number.POSITIVE_INFINITY;
    const atMs = Math.min(nextMs, orderMs, answerMs);
    if (atMs > START_MS + 900_000) return happened;
    nowMs = Math.max(nowMs, atMs);
    const next = orderMs === atMs ? due.shift() : undefined;
    if (next !== undefined) session.submit(jobOf(next.run(), `j${next.i}`, nowMs), nowMs);
    else if (answerMs === atMs) answers.shift()?.run();
    else session.timeout(nowMs);
    drain();
  }
  return happened;
}

describe('a cloud that throttles', () => {
  it('sees at most one request a second between a 429 and the next success, stops included', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('enphase' as const, 'solaredge' as const, 'tesla' as const, 'open' as const),
        fc.array(order, { minLength: 1, maxLength: 60 }),
        fc.array(turn, { minLength: 1, maxLength: 40 }),
        (oem, orders, turns) => {
          const happened = play(createOemSession(oem, CREDENTIALS), orders, turns);
          let throttledMs: number | null = null;
          let lastMs = Number.NEGATIVE_INFINITY;
          for (const h of happened) {
            if (h.what === 'left') {
              if (throttledMs !== null) expect(h.atMs - lastMs).toBeGreaterThanOrEqual(1_000);
              lastMs = h.atMs;
            } else if (h.status === 429) {
              throttledMs = h.atMs;
              lastMs = h.atMs;
            } else if ((h.status === 200 || h.status === 400) && throttledMs !== null && h.leftMs > throttledMs) {
              throttledMs = null;
            }
          }
        },
      ),
      { numRuns: 300 },
    );
  });

  it('does not get the window at once when it lets the first one through again', () => {
    const session = createOemSession('solaredge', CREDENTIALS);
    const throttled: Turn = { afterMs: 100, status: 429, retryAfterS: null };
    const fine: Turn = { afterMs: 2_000, status: 200, retryAfterS: null };
    const orders = Array.from({ length: 10 }, (_, site): Order => ({ atMs: 0, what: 'read-state', site }));
    const happened = play(session, orders, [...Array(10).fill(throttled), ...Array(200).fill(fine)]);
    const left = happened.flatMap((h) => (h.what === 'left' ? [h.atMs - START_MS] : []));
    // Ten at once, all refused after 100 ms; a second later one; then two for each that is answered.
    expect(left.slice(0, 17)).toEqual([...Array(10).fill(0), 1_100, 3_100, 3_100, 5_100, 5_100, 5_100, 5_100]);
  });
});

describe('the quota of a cloud', () => {
  const limits = { perSecondMax: null, perMinuteMax: null, perDayMax: null, perSiteDayMax: null, inFlightMax: 1 };

  it('leaves its last part to emergency stops, and they keep it too', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 100 }),
        fc.array(fc.record({ gapMs: fc.integer({ min: 0, max: 400 }), stop: fc.boolean() }), { maxLength: 300 }),
        (max, sends) => {
          const limiter = createLimiter({ ...limits, perSecondMax: max });
          const sent: { readonly atMs: number; readonly stop: boolean }[] = [];
          let nowMs = 0;
          for (const { gapMs, stop } of sends) {
            nowMs = Math.max(nowMs + gapMs, limiter.freeMs(nowMs + gapMs, stop));
            limiter.sent(null, nowMs);
            sent.push({ atMs: nowMs, stop });
          }
          for (const [i, { atMs, stop }] of sent.entries()) {
            const before = sent.slice(0, i).filter((s) => s.atMs > atMs - 1_000).length;
            expect(before).toBeLessThan(stop ? max : max - Math.ceil(max * 0.05));
          }
        },
      ),
    );
  });

  it('of a day is kept as that of a second is', () => {
    const limiter = createLimiter({ ...limits, perDayMax: 100 });
    for (let i = 0; i < 85; i++) {
      expect(limiter.freeMs(i, false)).toBe(i);
      limiter.sent(null, i);
    }
    expect(limiter.freeMs(1_000, false)).toBe(86_400_000);
    for (let i = 0; i < 5; i++) {
      expect(limiter.freeMs(1_000, true)).toBe(1_000);
      limiter.sent(null, 1_000);
    }
    expect(limiter.freeMs(1_000, true)).toBe(86_400_000);
  });
});
