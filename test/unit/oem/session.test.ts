import { describe, expect, it } from 'vitest';
import { enphaseDialect } from '../../../src/oem/enphase.ts';
import { createFlow } from '../../../src/oem/flow.ts';
import { createSession } from '../../../src/oem/session.ts';
import { enphasePair as pair } from '../../helpers/enphasePair.ts';
import { CREDENTIALS, controlJob, GOOD, START_MS } from '../../helpers/oemPair.ts';

describe('an access token', () => {
  it('is fetched once for many jobs that wait for it', () => {
    const p = pair({}, {}, 30);
    for (let i = 0; i < 30; i++) p.submit({ kind: 'read-state', jobId: `s${i}`, vendorDeviceId: String(1000 + i) });
    p.run(10_000);
    expect(p.cloud.counts().tokens).toBe(1);
    expect(p.replies.filter((r) => r.reply.kind === 'state')).toHaveLength(30);
  });

  it('is renewed once when it ends in the midst of a batch, and no job is lost', () => {
    const p = pair({}, {}, 30);
    p.ask({ kind: 'read-state', jobId: 'first', vendorDeviceId: '1000' });
    const before = p.cloud.counts();
    p.cloud.revokeTokens();
    for (let i = 0; i < 30; i++) p.submit({ kind: 'read-state', jobId: `s${i}`, vendorDeviceId: String(1000 + i) });
    p.run(30_000);
    expect(p.replies.filter((r) => r.reply.kind === 'state')).toHaveLength(31);
    expect(p.cloud.counts().tokens - before.tokens).toBe(1);
    expect(p.cloud.counts().unauthorised).toBeGreaterThan(10);
  });

  it('is not thrown away when a late 401 speaks of the one before', () => {
    const p = pair({}, {}, 30);
    p.ask({ kind: 'read-state', jobId: 'first', vendorDeviceId: '1000' });
    p.cloud.revokeTokens();
    p.wire = (r, n) => (n % 2 === 0 && r.method === 'GET' ? { thereMs: 10, backMs: 5_000 } : GOOD);
    for (let i = 0; i < 18; i++) p.submit({ kind: 'read-state', jobId: `s${i}`, vendorDeviceId: String(1000 + i) });
    p.run(60_000);
    expect(p.replies.filter((r) => r.reply.kind === 'state')).toHaveLength(19);
    expect(p.cloud.counts().tokens).toBe(2);
  });

  it('that cannot be had ends a control not-sent at its time, and sends nothing', () => {
    const p = pair({ tokenDown: true });
    expect(p.ask(controlJob('j1'), 1_000_000)).toMatchObject({
      kind: 'not-sent',
      message: 'no access token: the token endpoint answered 503',
    });
    expect(p.replies[0]?.atMs).toBe(START_MS + 900_001);
    expect(p.posts('/api/v2/events')).toBe(0);
  });
});

describe('throttling', () => {
  it('holds a control back until the cloud lets it through', () => {
    const p = pair({ throttleFactor: 0 });
    p.submit(controlJob('j1'));
    p.run(200_000);
    expect(p.replies).toEqual([]);
    p.cloud.setBehaviour({ throttleFactor: 1 });
    p.run(120_000);
    expect(p.replyTo('j1')?.kind).toBe('accepted');
    expect(p.cloud.events('1000')).toHaveLength(1);
  });

  it('ends a control not-sent when it lasts beyond notAfter', () => {
    const p = pair({ throttleFactor: 0 });
    expect(p.ask(controlJob('j1'), 1_000_000)).toMatchObject({ kind: 'not-sent' });
    expect(p.clock.nowMs()).toBeLessThan(START_MS + 901_000);
  });

  it('is never met by the session itself: no 429 in ten polls of 200 sites', () => {
    const p = pair({}, {}, 200);
    for (let round = 0; round < 10; round++) {
      for (let i = 0; i < 200; i++)
        p.submit({ kind: 'read-state', jobId: `s${round}-${i}`, vendorDeviceId: String(1000 + i) });
      p.run(900_000);
    }
    expect(p.cloud.counts().throttled).toBe(0);
    const states = p.replies.filter((r) => r.reply.kind === 'state').length;
    expect(states).toBe(2_000);
  });

  it('meets a 429 with at most one try a second', () => {
    const p = pair({}, {}, 50);
    p.ask({ kind: 'read-state', jobId: 'warm', vendorDeviceId: '1000' });
    p.cloud.setBehaviour({ throttleFactor: 0 });
    for (let i = 0; i < 50; i++) p.submit({ kind: 'read-state', jobId: `s${i}`, vendorDeviceId: String(1000 + i) });
    p.run(1_000);
    const fromHere = p.exchanges.length;
    p.run(60_000);
    expect(p.exchanges.length - fromHere).toBeLessThanOrEqual(20);
  });
});

describe('a cloud that is down', () => {
  it('is probed rarely, and the jobs end with a reason', () => {
    const p = pair({}, {}, 40);
    p.ask({ kind: 'read-state', jobId: 'warm', vendorDeviceId: '1000' });
    p.cloud.setBehaviour({ down: true });
    const fromHere = p.exchanges.length;
    p.submit(controlJob('j1'));
    for (let i = 0; i < 40; i++) p.submit({ kind: 'read-state', jobId: `s${i}`, vendorDeviceId: String(1000 + i) });
    p.run(1_800_000);
    expect(p.replyTo('j1')).toMatchObject({ kind: 'not-sent', message: expect.stringMatching(/^circuit open after/) });
    expect(p.replies).toHaveLength(42);
    expect(p.exchanges.length - fromHere).toBeLessThan(35);
  });
});

describe('readings that are wanted more often than a cloud gives them', () => {
  it('come less often, each device in its turn, and none waits behind itself', () => {
    // 300 requests a minute, two a reading: 200 devices each half minute want 800.
    const p = pair({}, {}, 200);
    for (let round = 0; round < 40; round++) {
      for (let i = 0; i < 200; i++)
        p.submit({ kind: 'read-state', jobId: `s${round}-${i}`, vendorDeviceId: String(1000 + i) });
      p.run(30_000);
    }
    const ends = p.replies.map((r) => r.reply);
    const read = new Map<string, number>();
    for (const r of ends) if (r.kind === 'state') read.set(r.vendorDeviceId, 1 + (read.get(r.vendorDeviceId) ?? 0));
    expect(read.size).toBe(200);
    const counts = [...read.values()];
    // All are wanted at the same instants, in the same order: who is read late waits for the next of them.
    expect(Math.max(...counts)).toBeLessThanOrEqual(2 * Math.min(...counts));
    expect(ends.filter((r) => r.kind === 'not-sent').every((r) => /under way already/.test(r.message))).toBe(true);
    // What has no answer yet is one reading of each device at most.
    expect(40 * 200 - ends.length).toBeLessThanOrEqual(200);
  });
});

describe('a reading that nothing became of', () => {
  it('is no obstacle to the next one, from the instant on at which its time is over', () => {
    const session = createSession(enphaseDialect({ ...CREDENTIALS, programId: 'prog-1' }));
    const periodMs = session.capabilities.telemetryPeriodMs;
    const read = (jobId: string, nowMs: number) => {
      session.submit({ kind: 'read-state', jobId, vendorDeviceId: '1000' }, nowMs);
      return session.takeReplies().map((r) => r.jobId);
    };
    expect(read('first', START_MS)).toEqual([]);
    expect(read('second', START_MS + periodMs - 1)).toEqual(['second']);
    // The first ends, the third waits for its turn.
    expect(read('third', START_MS + periodMs)).toEqual(['first']);
    expect(read('fourth', START_MS + periodMs + 1)).toEqual(['fourth']);
  });
});

describe('a job', () => {
  it('that is submitted twice is done once', () => {
    const p = pair();
    p.submit(controlJob('j1'));
    p.submit(controlJob('j1'));
    p.run(60_000);
    expect(p.replies).toHaveLength(1);
    expect(p.cloud.events('1000')).toHaveLength(1);
  });

  it('gives way to a newer control for the same time that comes while it waits its turn', () => {
    const p = pair();
    p.submit(controlJob('j1', { powerW: 1_000 }));
    p.submit(controlJob('j2', { powerW: 2_000 }));
    p.submit(controlJob('j3', { powerW: 3_000 }));
    p.run(60_000);
    expect(p.replyTo('j2')).toEqual({ kind: 'not-sent', jobId: 'j2', message: 'replaced by the newer job j3' });
    expect(p.cloud.events('1000').map((e) => [e.spec.powerW, e.closed])).toEqual([
      [1_000, 'deleted'],
      [3_000, null],
    ]);
  });

  it('ends not-sent at once when 50 writes wait for its device', () => {
    const p = pair();
    for (let i = 0; i < 52; i++) p.submit({ kind: 'cancel', jobId: `c${i}`, vendorDeviceId: '1000', vendorRef: 'x' });
    expect(p.replyTo('c51')).toMatchObject({ kind: 'not-sent', message: '50 writes for the device are waiting' });
    expect(p.replies).toHaveLength(1);
  });

  it('after notAfter is not sent at all', () => {
    const p = pair();
    expect(p.ask(controlJob('j1', { notAfterMs: START_MS }))).toMatchObject({ kind: 'not-sent' });
    expect(p.exchanges).toEqual([]);
  });
});

describe('an emergency stop', () => {
  const NO_LIMITS = { perSecondMax: null, perMinuteMax: null, perDayMax: null, perSiteDayMax: null };
  const stop = (jobId: string, site = '1000') =>
    ({ ...controlJob(jobId, { vendorDeviceId: site, mode: 'reset' }), emergency: true }) as const;

  it('leaves before everything that waits for the cloud, whatever device it is for', () => {
    const p = pair({}, {}, 60);
    p.ask({ kind: 'read-state', jobId: 'warm', vendorDeviceId: '1000' });
    p.cloud.setBehaviour({ throttleFactor: 0 });
    for (let i = 0; i < 50; i++) {
      const mode = i < 25 ? 'reset' : 'discharge';
      p.submit(controlJob(`c${i}`, { mode, vendorDeviceId: String(1000 + i) }));
    }
    p.run(20_000);
    p.submit(stop('halt', '1059'));
    p.cloud.setBehaviour({ throttleFactor: 1 });
    const fromHere = p.exchanges.length;
    p.run(30_000);
    const passed = p.exchanges.slice(fromHere).filter((e) => e.status === 200);
    expect(passed[0]?.request).toMatchObject({ method: 'GET', path: expect.stringContaining('site_id=1059') });
    expect(p.replyTo('halt')).toMatchObject({ kind: 'accepted' });
  });

  it('is tried once a second while our own pause after a 429 lasts, and not before Retry-After', () => {
    const p = pair();
    p.ask({ kind: 'read-state', jobId: 'warm', vendorDeviceId: '1000' });
    p.cloud.setBehaviour({ throttleFactor: 0 });
    const fromHere = p.exchanges.length;
    p.submit(stop('halt'));
    p.run(60_000);
    expect(p.exchanges.length - fromHere).toBeGreaterThan(50);
    expect(p.exchanges.length - fromHere).toBeLessThanOrEqual(60);
    const flow = createFlow({ ...NO_LIMITS, inFlightMax: 20 });
    flow.throttled(30, 0);
    expect([flow.freeMs(0, true), flow.freeMs(0, false)]).toEqual([30_000, 30_000]);
  });

  it('goes beside the order under way at its device, which writes no more, and ends what waits there', () => {
    const p = pair();
    p.ask({ kind: 'read-state', jobId: 'warm', vendorDeviceId: '1000' });
    let lost = false;
    p.wire = (r) => {
      if (r.method !== 'POST' || lost) return GOOD;
      lost = true;
      return { thereMs: null, backMs: null };
    };
    p.submit(controlJob('under-way', { powerW: 1_000 }));
    p.submit(controlJob('waits', { powerW: 2_000 }));
    // The post is lost; after 10 s the session reads back, and would send again after another 30 s.
    p.run(15_000);
    const halted = p.ask(stop('halt'), 5_000);
    expect(halted).toMatchObject({ kind: 'accepted', vendorRef: 'nothing-open' });
    expect(p.replyTo('waits')).toMatchObject({ kind: 'not-sent', message: expect.stringMatching(/emergency stop/) });
    p.run(120_000);
    expect(p.replyTo('under-way')?.kind).not.toBe('accepted');
    expect(p.posts('/api/v2/events')).toBe(1);
    expect(p.cloud.events('1000')).toEqual([]);
  });

  it('is over before an order that comes after it begins', () => {
    const p = pair();
    p.submit(controlJob('first', { powerW: 1_000 }));
    p.run(5_000);
    p.submit(stop('halt'));
    p.submit(controlJob('after', { powerW: 2_000 }));
    p.run(60_000);
    expect(p.replies.map((x) => x.reply.jobId)).toEqual(['first', 'halt', 'after']);
    expect(p.cloud.events('1000').map((e) => [e.spec.powerW, e.closed])).toEqual([
      [1_000, 'deleted'],
      [2_000, null],
    ]);
  });
});
