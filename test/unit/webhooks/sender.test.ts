import fc from 'fast-check';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { hiddenHeaders } from '../../../src/domain/destination.ts';
import { SteppedClock } from '../../../src/live/steppedClock.ts';
import type { PostOutcome } from '../../../src/live/webhooks/post.ts';
import { STANDARD_SCHEDULE } from '../../../src/live/webhooks/schedule.ts';
import type { SenderOptions } from '../../../src/live/webhooks/sender.ts';
import { always, answer, commandIds, destination, event, events, Rig, START_MS } from './rig.ts';

const S = 1_000;
const MIN = 60 * S;
const H = 60 * MIN;
const EXACT = { ...STANDARD_SCHEDULE, jitterRatio: 0 };
const ALL = { limit: 100, state: null } as const;

const rigs: Rig[] = [];
const rig = (options: Partial<SenderOptions> = {}): Rig => {
  const made = new Rig(options);
  rigs.push(made);
  return made;
};
afterEach(async () => {
  for (const made of rigs.splice(0)) await made.close();
});

describe('delivery', () => {
  test('an event goes once to each destination that wants it, without time passing', async () => {
    const r = rig();
    r.setUp([
      destination('all'),
      destination('types', { eventTypes: ['device.updated'] }),
      destination('kinds', { deviceTypes: ['thermostat'] }),
      destination('other', { workspaceId: 'ws-2' }),
      destination('off', { enabled: false }),
    ]);
    r.sender.offer([event(1), event(2, { type: 'device.updated', deviceType: 'thermostat' })], 2);
    r.sender.offer([event(3, { type: 'site.created', deviceType: null })], 3);
    await r.settle();
    const seen = ['all', 'types', 'kinds', 'other', 'off'].map((name) => [name, commandIds(r.at(name))]);
    expect(Object.fromEntries(seen)).toEqual({
      all: ['cmd-1', 'cmd-2', 'cmd-3'],
      types: ['cmd-2'],
      kinds: ['cmd-2', 'cmd-3'],
      other: [],
      off: [],
    });
    expect([r.sender.cursor(), r.clock.nowMs()]).toEqual([3, START_MS]);
  });

  test('what was offered before is not taken again', async () => {
    const r = rig();
    r.setUp([destination('a')]);
    r.sender.offer(events(1, 3), 3);
    r.sender.offer(events(1, 5), 5);
    await r.settle();
    expect(commandIds(r.got)).toEqual(['cmd-1', 'cmd-2', 'cmd-3', 'cmd-4', 'cmd-5']);
  });

  test('each workspace counts its own events from 1, wanted or not', async () => {
    const r = rig();
    r.setUp([destination('a', { eventTypes: ['device.updated'] }), destination('b', { workspaceId: 'ws-2' })]);
    const other = { workspaceId: 'ws-2' };
    r.sender.offer(
      [
        event(1),
        event(2, other),
        event(3, { type: 'device.updated' }),
        event(4, other),
        event(5, { type: 'device.updated' }),
      ],
      5,
    );
    await r.settle();
    const counted = (name: string) => r.at(name).map(({ headers }) => headers['texture-sequence']);
    expect([counted('a'), counted('b')]).toEqual([
      ['2', '3'],
      ['1', '2'],
    ]);
  });

  test('a header whose value is kept apart is sent, one that the sender sets is not replaced', async () => {
    const r = rig();
    const headers = { Authorization: 'Bearer abc', 'Texture-Signature': 'forged', Host: 'b.example', 'X-Open': '1' };
    const hidden = { ...hiddenHeaders(headers), 'X-Open': '1' };
    r.secrets.setHeaders('a', headers);
    r.setUp([destination('a', { headers: hidden })]);
    r.sender.offer([event(1)], 1);
    await r.settle();
    const sent = r.got[0]?.headers ?? {};
    expect([sent.authorization, sent['x-open'], sent['texture-signature']?.length]).toEqual(['Bearer abc', '1', 64]);
    expect(sent).not.toHaveProperty('host');
    expect(JSON.stringify(hidden)).not.toContain('abc');
  });

  test('without a secret nothing is sent, and the delivery says why', async () => {
    const r = rig();
    r.sender.setDestinations([destination('a')]);
    r.sender.offer([event(1)], 1);
    await r.settle();
    expect(r.got).toEqual([]);
    expect(r.sender.list('a', ALL)[0]).toMatchObject({
      state: 'pending',
      attempts: 1,
      lastError: expect.stringContaining('no secret'),
    });
  });
});

describe('retries', () => {
  test('follow the standard schedule to the tenth attempt; then the delivery is dead', async () => {
    const r = rig({ schedule: EXACT });
    r.setUp([destination('a')], { a: always(500) });
    r.sender.offer([event(1)], 1);
    await r.to(80 * H);
    let atMs = 0;
    const expected = EXACT.delaysMs.map((delayMs) => {
      atMs += delayMs;
      return atMs;
    });
    expect(r.got.map((g) => g.atMs)).toEqual(expected);
    expect(expected.at(-1)).toBe(75 * H + 35 * MIN + 5 * S);
    expect(new Set(r.got.map((g) => `${g.headers['texture-id']} ${g.body}`)).size).toBe(1);
    expect(r.sender.list('a', ALL)).toMatchObject([
      { state: 'dead', attempts: 10, lastStatus: 500, nextAttemptMs: null },
    ]);
    expect(r.sender.health('a')).toMatchObject({ state: 'failing', pending: 0, dead: 1, failingSinceMs: START_MS });
  });

  test('jitter moves each by at most a tenth, the same way every time', async () => {
    const times: number[][] = [];
    for (let run = 0; run < 2; run++) {
      const r = rig();
      r.setUp([destination('a')], { a: always(500) });
      r.sender.offer([event(1)], 1);
      await r.to(10 * H);
      times.push(r.got.map((g) => g.atMs));
    }
    const [first = []] = times;
    expect(times[1]).toEqual(first);
    const gaps = first.slice(1).map((atMs, i) => atMs - (first[i] ?? 0));
    expect(gaps.length).toBe(5);
    gaps.forEach((gapMs, i) => {
      const ratio = gapMs / (STANDARD_SCHEDULE.delaysMs[i + 1] ?? 0);
      expect(Math.abs(ratio - 1)).toBeLessThanOrEqual(0.1);
      expect(ratio).not.toBe(1);
    });
  });

  test.each([
    ['a redirect', always(301, { location: 'https://b.example/' })],
    ['408', always(408)],
    ['an answer that does not come', () => ({ kind: 'lost' }) as const],
  ])('%s is a failure, and nothing is followed', async (_, how) => {
    const r = rig({ schedule: EXACT });
    r.setUp([destination('a')], { a: how });
    r.sender.offer([event(1)], 1);
    await r.to(4 * S);
    expect(r.at('a').length).toBe(1);
    await r.to(60 * S);
    expect([r.at('a').length, r.at('b').length]).toEqual([2, 0]);
  });

  test('a receiver that comes back gets what it missed, and is healthy', async () => {
    const r = rig({ schedule: EXACT });
    r.setUp([destination('a')], { a: (_, nth) => answer(nth <= 2 ? 503 : 204) });
    r.sender.offer([event(1)], 1);
    await r.to(10 * MIN);
    expect(r.got.map((g) => g.atMs)).toEqual([0, 5 * S, 5 * MIN + 5 * S]);
    expect(r.sender.health('a')).toMatchObject({ state: 'healthy', failingSinceMs: null, pending: 0 });
  });

  test.each([
    [429, { 'retry-after': '120' }, 120 * S],
    [503, { 'retry-after': '90' }, 90 * S],
    [502, {}, 60 * S],
    [504, {}, 60 * S],
    [429, { 'retry-after': 'Wed, 10 Jul 2024 00:10:00 GMT' }, 10 * MIN],
  ])('%i with %j asks for quiet, which holds for all that waits', async (status, headers, quietMs) => {
    const r = rig({ schedule: EXACT });
    r.setUp([destination('a')], { a: (_, nth) => answer(nth === 1 ? status : 200, headers) });
    r.sender.offer([event(1)], 1);
    await r.settle();
    r.sender.offer([event(2)], 2);
    await r.to(quietMs - 1);
    expect(r.got.length).toBe(1);
    await r.to(quietMs);
    expect(commandIds(r.got).toSorted()).toEqual(['cmd-1', 'cmd-1', 'cmd-2']);
  });

  test('a dead receiver with much waiting is asked one by one, and gets all of it when it is back', async () => {
    const r = rig({ schedule: EXACT });
    let up = false;
    r.setUp([destination('a')], { a: () => answer(up ? 200 : 500) });
    r.sender.offer(events(1, 500), 500);
    await r.to(10 * MIN);
    expect(r.got.length).toBeLessThan(60);
    up = true;
    const before = r.got.length;
    await r.to(11 * MIN + 1 * S);
    expect(r.got.length - before).toBe(500);
    expect(r.sender.health('a')).toMatchObject({ pending: 0, dead: 0, state: 'healthy' });
  });
});

describe('a workspace with a clock of its own', () => {
  test('retries by its clock, and neither clock waits for the work of the other', async () => {
    const own = new SteppedClock({ startMs: START_MS, frozen: true });
    const r: Rig = rig({ schedule: EXACT, schedulerOf: (id) => (id === 'ws-2' ? own : r.clock) });
    r.setUp([destination('a'), destination('b', { workspaceId: 'ws-2' })], { a: always(500), b: always(500) });
    r.sender.offer([event(2, { workspaceId: 'ws-2' })], 2);
    expect([r.sender.inFlight('ws-1'), r.sender.inFlight('ws-2'), r.sender.inFlight()]).toEqual([0, 1, 1]);
    r.sender.offer([event(3)], 3);
    await r.settle();
    await r.to(1 * H);
    expect([r.at('a').length, r.at('b').length]).toEqual([4, 1]);
    const unwatch = own.watch(() => r.sender.inFlight('ws-2'), 'webhooks');
    await own.advanceTo(START_MS + 5 * S);
    unwatch();
    own.stop();
    expect([r.at('a').length, r.at('b').length]).toEqual([4, 2]);
  });
});

describe('a stepped clock', () => {
  test('waits a second for a receiver that hangs, and for the next messages not at all, until it answers in time', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const open: (() => void)[] = [];
    const send = () =>
      new Promise<PostOutcome>((done) => open.push(() => done({ kind: 'answered', status: 200, retryAfter: null })));
    const r = rig({ post: { waitsOn: 'machine', send, close: () => {} }, concurrency: 1 });
    r.setUp([destination('a')]);
    const turns = async () => {
      for (let n = 0; n < 20; n++) await new Promise<void>((done) => setImmediate(done));
    };
    r.sender.offer(events(1, 3), 3);
    await turns();
    expect([open.length, r.sender.inFlight()]).toEqual([1, 1]);
    vi.advanceTimersByTime(999);
    expect(r.sender.inFlight()).toBe(1);
    vi.advanceTimersByTime(1);
    expect(r.sender.inFlight()).toBe(0);
    open[0]?.();
    await turns();
    expect([open.length, r.sender.inFlight()], 'the next one is not waited for').toEqual([2, 0]);
    open[1]?.();
    await turns();
    expect([open.length, r.sender.inFlight()], 'it has answered in time').toEqual([3, 1]);
    open[2]?.();
    await turns();
    expect(r.sender.inFlight()).toBe(0);
    vi.useRealTimers();
  });
});

describe('a full queue', () => {
  test('lets what comes on top die at birth, until there is room; a replay takes it up', async () => {
    const r = rig({ pendingMax: 5, schedule: EXACT });
    r.setUp([destination('a')]);
    r.sender.offer(events(1, 5), 5);
    await r.settle();
    r.answers.set('a', always(500));
    r.sender.offer(events(6, 12), 12);
    await r.settle();
    expect(r.sender.health('a')).toMatchObject({ pending: 5, dead: 2 });
    const dead = r.sender.list('a', { limit: 9, state: 'dead' });
    expect(dead.map(({ attempts, lastError }) => [attempts, lastError])).toEqual(
      Array(2).fill([0, 'more than 5 were waiting']),
    );
    r.answers.set('a', always(200));
    await r.to(1 * MIN);
    for (const { deliveryId } of dead) expect(r.sender.replay('a', { deliveryId })).toBe(1);
    await r.settle();
    expect(new Set(commandIds(r.got)).size).toBe(12);
    expect(r.sender.health('a')).toMatchObject({ pending: 0, dead: 0 });
  });
});

describe('whatever receivers do', () => {
  test('every event ends delivered or dead, after as many attempts as there were, and none is sent after it was taken', async () => {
    const statuses = fc.array(fc.constantFrom(200, 204, 301, 404, 429, 500, 502, 503), { minLength: 1, maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(
        statuses,
        fc.integer({ min: 1, max: 30 }),
        fc.integer({ min: 1, max: 9 }),
        async (codes, count, width) => {
          const r = new Rig({ schedule: { delaysMs: [0, 1_000, 60_000], jitterRatio: 0.1 }, concurrency: width });
          r.setUp([destination('a')], {
            a: (_, nth) => answer(codes[nth % codes.length] ?? 200, { 'retry-after': '5' }),
          });
          for (const e of events(1, count)) {
            r.sender.offer([e], e.seq);
            if (e.seq % 7 === 0) await r.to(e.seq * 100);
          }
          await r.to(24 * H);
          const rows = r.sender.list('a', { limit: 100, state: null });
          const attempts = new Map<string, number>();
          for (const { headers } of r.got)
            attempts.set(headers['texture-id'] ?? '', (attempts.get(headers['texture-id'] ?? '') ?? 0) + 1);
          await r.close();
          expect(rows.length).toBe(count);
          for (const row of rows) {
            expect(row.attempts).toBe(attempts.get(row.deliveryId));
            const taken = row.lastStatus !== null && row.lastStatus >= 200 && row.lastStatus < 300;
            expect(row.state).toBe(taken ? 'delivered' : 'dead');
            if (!taken) expect(row.attempts).toBe(3);
          }
        },
      ),
      { numRuns: 30 },
    );
  });
});

describe('fifty destinations', () => {
  const p99Of = async (dead: boolean): Promise<number> => {
    const r = rig({ schedule: EXACT });
    const names = Array.from({ length: 50 }, (_, i) => `d${i}`);
    const others = names.slice(1);
    for (const name of names) r.latencyMs.set(`https://${name}.example`, 20);
    r.setUp(
      names.map((name) => destination(name)),
      dead ? { d0: () => ({ kind: 'lost' }) } : {},
    );
    const offeredMs = new Map<string, number>();
    for (let n = 1; n <= 300; n++) {
      await r.to(n * 10);
      offeredMs.set(`cmd-${n}`, n * 10);
      r.sender.offer([event(n)], n);
    }
    await r.to(60 * S);
    const waits = others.flatMap((name) =>
      r.at(name).map((g) => g.atMs - (offeredMs.get(commandIds([g])[0] ?? '') ?? Number.NaN)),
    );
    expect(waits.length).toBe(49 * 300);
    return waits.toSorted((a, b) => a - b)[Math.ceil(waits.length * 0.99) - 1] ?? Number.NaN;
  };

  test('a dead one adds at most a tenth to the 99th percentile of the others, in virtual time', async () => {
    const [alone, beside] = [await p99Of(false), await p99Of(true)];
    expect(alone).toBeLessThanOrEqual(20);
    expect(beside).toBeLessThanOrEqual(alone * 1.1);
  });
});
