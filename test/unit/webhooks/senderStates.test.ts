import { join } from 'node:path';
import Database from 'libsql';
import { afterEach, describe, expect, test } from 'vitest';
import { STANDARD_SCHEDULE } from '../../../src/live/webhooks/schedule.ts';
import { HELD_MAX, type SenderOptions } from '../../../src/live/webhooks/sender.ts';
import { KEEP_MS } from '../../../src/live/webhooks/store.ts';
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

describe('what a receiver asked for', () => {
  test('holds for the delivery after a restart as well', async () => {
    const r = rig({ schedule: EXACT });
    r.setUp([destination('a')], { a: always(429, { 'retry-after': '3600' }) });
    r.sender.offer([event(1)], 1);
    await r.settle();
    await r.sender.close();
    r.start().setDestinations([destination('a')]);
    await r.to(1 * H - 1);
    expect(r.got.length).toBe(1);
    await r.to(1 * H);
    expect(r.got.length).toBe(2);
  });
});

describe('switching off', () => {
  test('410 switches the destination off: nothing more goes there, what waited is dead', async () => {
    const off: string[] = [];
    const r = rig({ concurrency: 1, onDisabled: (id, why) => off.push(`${id}: ${why}`) });
    r.setUp([destination('a')], { a: always(410) });
    r.sender.offer(events(1, 3), 3);
    await r.settle();
    r.sender.offer([event(4)], 4);
    await r.to(1 * H);
    expect(r.got.length).toBe(1);
    expect(off).toEqual(['a: the receiver answered 410 Gone']);
    expect(r.sender.health('a')).toMatchObject({ state: 'disabled', pending: 0, dead: 3 });
    expect(r.sender.replay('a', { fromMs: 0, toMs: START_MS + H })).toBe(0);
  });

  test('it stays off after a restart, and is on again after it was changed, or enabled by hand', async () => {
    const r = rig();
    const a = destination('a');
    r.setUp([a], { a: always(500) });
    r.sender.offer([event(1)], 1);
    await r.settle();
    r.answers.set('a', always(410));
    await r.to(1 * MIN);
    await r.sender.close();
    r.start().setDestinations([a]);
    expect(r.sender.health('a')?.state).toBe('disabled');
    r.answers.set('a', always(200));
    r.sender.setDestinations([{ ...a, url: 'https://a.example/new' }]);
    expect(r.sender.health('a')?.state).toBe('healthy');
    r.answers.set('a', always(410));
    r.sender.offer([event(2)], 2);
    await r.settle();
    expect(r.sender.health('a')?.state).toBe('disabled');
    expect([r.sender.enable('a'), r.sender.enable('b')]).toEqual([true, false]);
    expect(r.sender.health('a')?.state).toBe('healthy');
  });

  test('so does a receiver that took nothing for 120 hours', async () => {
    const r = rig({ schedule: EXACT });
    r.setUp([destination('a')], { a: always(500) });
    for (let day = 0; day < 6; day++) {
      r.sender.offer([event(day + 1)], day + 1);
      await r.to((day + 1) * 24 * H - 1);
      const state = day < 5 ? 'failing' : 'disabled';
      expect([day, r.sender.health('a')?.state]).toEqual([day, state]);
    }
    expect(r.sender.health('a')).toMatchObject({ pending: 0, why: expect.stringContaining('120 h') });
  });
});

describe('replay', () => {
  test('sends a dead one again under the same id', async () => {
    const r = rig({ schedule: { delaysMs: [0, 5 * S], jitterRatio: 0 } });
    r.setUp([destination('a')], { a: (_, nth) => answer(nth <= 2 ? 500 : 200) });
    r.sender.offer([event(1)], 1);
    await r.to(1 * MIN);
    const [dead] = r.sender.list('a', { limit: 5, state: 'dead' });
    expect(r.sender.replay('a', { deliveryId: dead?.deliveryId ?? '' })).toBe(1);
    await r.settle();
    expect(new Set(r.got.map((g) => g.headers['texture-id'])).size).toBe(1);
    expect(r.got.length).toBe(3);
    expect(r.sender.list('a', ALL)).toMatchObject([{ state: 'delivered', attempts: 1 }]);
  });

  test('sends what was delivered in a span of time again, its end left out', async () => {
    const r = rig();
    r.setUp([destination('a')]);
    r.sender.offer(events(1, 10), 10);
    await r.settle();
    expect(r.sender.replay('a', { fromMs: START_MS + 3, toMs: START_MS + 6 })).toBe(3);
    await r.settle();
    expect(commandIds(r.got.slice(10))).toEqual(['cmd-3', 'cmd-4', 'cmd-5']);
  });

  test('knows neither ids of other workspaces nor what is no id', async () => {
    const r = rig();
    r.setUp([destination('a'), destination('b', { workspaceId: 'ws-2' })]);
    r.sender.offer([event(1), event(2, { workspaceId: 'ws-2' })], 2);
    await r.settle();
    const [foreign] = r.sender.list('b', ALL);
    const counts = [foreign?.deliveryId ?? '', '', 'msg_1', "1' OR 1=1"].map((deliveryId) =>
      r.sender.replay('a', { deliveryId }),
    );
    expect(counts).toEqual([0, 0, 0, 0]);
    expect(r.sender.replay('nobody', { fromMs: 0, toMs: 1 })).toBe(0);
  });
});

describe('a test message', () => {
  test('is signed, counts for nothing and says how it ended', async () => {
    const r = rig();
    r.setUp([destination('a'), destination('b')], { b: always(302) });
    expect(await r.sender.test('a')).toEqual({ ok: true, status: 200, why: 'taken' });
    expect(await r.sender.test('b')).toMatchObject({ ok: false, status: 302 });
    expect(await r.sender.test('c')).toMatchObject({ ok: false, status: null });
    expect(JSON.parse(r.got[0]?.body ?? '')).toMatchObject({ type: 'destination.test', data: { destinationId: 'a' } });
    expect(r.got[0]?.headers['texture-signature']).toMatch(/^[0-9a-f]{64}$/);
    expect(r.sender.health('b')).toMatchObject({ state: 'healthy', dead: 0 });
    expect(r.sender.list('b', ALL)).toEqual([]);
  });
});

describe('after a restart', () => {
  test('what was pending goes on where it was, what was delivered is not sent again', async () => {
    const r = rig({ schedule: EXACT });
    const both = [destination('a'), destination('b')];
    r.setUp(both, { a: always(500) });
    r.sender.offer(events(1, 3), 3);
    await r.settle();
    await r.sender.close();
    r.answers.set('a', always(200));
    r.start().setDestinations(both);
    expect(r.sender.cursor()).toBe(3);
    await r.to(1 * MIN);
    expect([r.at('a').length, r.at('b').length]).toEqual([6, 3]);
    expect(r.sender.list('a', ALL).every(({ state, attempts }) => state === 'delivered' && attempts === 2)).toBe(true);
  });

  test('an answer that was not written down is an attempt more with the same id', async () => {
    const r = rig();
    r.latencyMs.set('https://a.example', 50);
    r.setUp([destination('a')]);
    r.sender.offer([event(1)], 1);
    await r.to(49);
    await r.sender.close();
    r.start().setDestinations([destination('a')]);
    await r.to(200);
    expect(r.got.map(({ headers }) => headers['texture-id'])).toEqual([
      r.got[0]?.headers['texture-id'],
      r.got[0]?.headers['texture-id'],
    ]);
    expect(r.sender.list('a', ALL)).toMatchObject([{ state: 'delivered', attempts: 1 }]);
  });

  test('a destination that is gone is forgotten with what waited for it', async () => {
    const r = rig();
    r.setUp([destination('a'), destination('b')], { a: always(500) });
    r.sender.offer([event(1)], 1);
    await r.settle();
    r.sender.setDestinations([destination('b')]);
    await r.to(1 * H);
    expect(r.at('a').length).toBe(1);
    expect([r.sender.health('a'), r.sender.list('a', ALL)]).toEqual([null, []]);
  });
});

describe('while the disk takes nothing', () => {
  const blocked = (r: Rig): (() => void) => {
    const other = new Database(join(r.dir, 'outbox', 'webhooks.db'));
    other.exec('BEGIN IMMEDIATE');
    return () => {
      other.exec('ROLLBACK');
      other.close();
    };
  };

  test('nothing is sent; when it is well again, everything is', async () => {
    const r = rig();
    r.setUp([destination('a')]);
    const release = blocked(r);
    r.sender.offer(events(1, 3), 3);
    await r.settle();
    expect([r.got.length, r.sender.cursor(), r.sender.status().ok]).toEqual([0, 0, false]);
    expect(r.sender.replay('a', { fromMs: 0, toMs: 1 })).toBe(0);
    release();
    expect(r.sender.health('a')?.pending).toBe(3);
    await r.settle();
    expect([commandIds(r.got), r.sender.cursor()]).toEqual([['cmd-1', 'cmd-2', 'cmd-3'], 3]);
    expect(r.sender.status().ok).toBe(true);
  });

  test('what is more than can be held is asked for again', async () => {
    const all = events(1, HELD_MAX + 10, { type: 'site.created' });
    let asked = 0;
    const r: Rig = rig({
      onBehind: () => {
        asked += 1;
        for (const e of all.slice(r.sender.cursor())) r.sender.offer([e], e.seq);
      },
    });
    r.setUp([destination('a', { eventTypes: ['device.updated'] })]);
    const release = blocked(r);
    r.sender.offer(all.slice(0, HELD_MAX), HELD_MAX);
    await r.settle();
    for (const e of all.slice(HELD_MAX)) r.sender.offer([e], e.seq);
    expect(r.sender.status().ok).toBe(false);
    release();
    r.sender.health('a');
    r.sender.offer([event(HELD_MAX + 11, { type: 'device.updated' })], HELD_MAX + 11);
    await r.settle();
    expect([asked, r.sender.cursor(), r.got[0]?.headers['texture-sequence']]).toEqual([
      1,
      HELD_MAX + 11,
      `${HELD_MAX + 11}`,
    ]);
  });
});

describe('what is old', () => {
  test('is removed after two weeks, whatever its state; what is younger stays', async () => {
    const r = rig({ schedule: { delaysMs: [0], jitterRatio: 0 } });
    r.setUp([destination('a'), destination('b')], { b: (_, nth) => answer(nth % 2 === 0 ? 200 : 500) });
    r.sender.offer(events(1, 1_000), 1_000);
    await r.to(KEEP_MS - H);
    r.sender.offer(events(1_001, 1_002), 1_002);
    await r.to(KEEP_MS + MIN);
    r.sender.offer([event(1_003)], 1_003);
    await r.settle();
    r.sender.offer([event(1_004)], 1_004);
    await r.settle();
    r.sender.offer([event(1_005)], 1_005);
    await r.settle();
    const left = (name: string) => r.sender.list(name, { limit: 500, state: null });
    const ids = r.at('a').map(({ headers }) => headers['texture-id']);
    expect(ids.length).toBe(1_005);
    expect(left('a').map(({ deliveryId }) => deliveryId)).toEqual(ids.slice(1_000).toReversed());
    expect(left('b').length).toBe(5);
    expect(new Set(left('b').map(({ state }) => state))).toEqual(new Set(['delivered', 'dead']));
  });
});
