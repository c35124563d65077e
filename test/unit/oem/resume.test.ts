import { describe, expect, it } from 'vitest';
import { createOemSession } from '../../../src/oem/index.ts';
import type { BatteryOem, OemReply } from '../../../src/ports/oem.ts';
import { CREDENTIALS, controlJob, GOOD, OemPair, START_MS } from '../../helpers/oemPair.ts';
import { type World, world } from '../../helpers/oemWorld.ts';

/** A second session with the same cloud that knows nothing of the first. */
function again({ p }: World): OemPair {
  const { clock, fleet, cloud } = p;
  return new OemPair({ clock, fleet, cloud, session: createOemSession(cloud.oem, CREDENTIALS) });
}

const resumed = controlJob('j1', { resume: true });
const isTold = (p: OemPair): OemReply | undefined => p.replyTo('j1');
const TIMED: readonly BatteryOem[] = ['enphase', 'solaredge'];

describe.each(TIMED)('a control for %s that is taken up again after a restart', (oem) => {
  it('is found when it had taken effect, with its reference, and is not sent again', () => {
    const w = world(oem);
    w.p.run(1);
    const first = w.p.ask(controlJob('j1'));
    const p = again(w);
    expect(p.ask(resumed)).toEqual(first);
    expect(w.commands('1000')).toHaveLength(1);
  });

  it('is found after its time as well', () => {
    const w = world(oem);
    w.p.run(1);
    const first = w.p.ask(controlJob('j1'));
    w.p.run(1_000_000);
    expect(again(w).ask(resumed)).toEqual(first);
  });

  it('is sent once when it is surely not there, half a minute later', () => {
    const w = world(oem);
    w.p.run(1);
    const p = again(w);
    p.submit(resumed);
    p.run(30_000);
    expect(w.commands('1000')).toEqual([]);
    p.run(30_000);
    expect(isTold(p)?.kind).toBe('accepted');
    expect(w.commands('1000')).toHaveLength(1);
  });

  it('is not sent when it is not there and its time has passed, and that is certain', () => {
    const w = world(oem);
    w.p.run(1_000_000);
    expect(again(w).ask(resumed)).toEqual({
      kind: 'not-sent',
      jobId: 'j1',
      message: 'it was not there when read back, and its time has passed',
    });
    expect(w.commands('1000')).toEqual([]);
  });

  it('stays unknown when it cannot be read back', () => {
    const w = world(oem);
    w.p.run(1);
    const p = again(w);
    p.wire = (r) => (r.method === 'GET' ? { thereMs: null, backMs: null } : GOOD);
    expect(p.ask(resumed, 1_200_000)).toMatchObject({ kind: 'unknown', message: expect.stringContaining('no answer') });
    expect(w.commands('1000')).toEqual([]);
  });

  it('stays unknown when one like it was cancelled: it cannot be told whether that was this one', () => {
    const w = world(oem);
    w.p.run(1);
    const first = w.p.ask(controlJob('j0'));
    const vendorRef = first.kind === 'accepted' ? first.vendorRef : '';
    w.p.ask({ kind: 'cancel', jobId: 'c', vendorDeviceId: '1000', vendorRef });
    expect(again(w).ask(resumed)).toMatchObject({ kind: 'unknown', message: 'reading back does not tell' });
    expect(w.commands('1000')).toHaveLength(1);
  });

  it('is not taken for one with another end', () => {
    const w = world(oem);
    w.p.run(1);
    w.p.ask(controlJob('j0', { endMs: START_MS + 3_000_000 }));
    expect(again(w).ask(resumed).kind).toBe('accepted');
    expect(w.commands('1000')).toHaveLength(2);
  });

  it('is unknown, not unsent, when it gives way to a newer one before it was looked for', () => {
    const w = world(oem);
    w.p.run(1);
    const p = again(w);
    p.submit({ kind: 'cancel', jobId: 'busy', vendorDeviceId: '1000', vendorRef: 'none' });
    p.submit(resumed);
    p.submit(controlJob('j2', { powerW: 1_000 }));
    p.run(60_000);
    expect(isTold(p)).toMatchObject({
      kind: 'unknown',
      message: 'it may have been sent before the restart, and was not read back: replaced by the newer job j2',
    });
  });
});

describe('a control for Enphase that is taken up again', () => {
  it('is unknown when its program cannot be read', () => {
    const w = world('enphase');
    w.p.run(1);
    w.p.ask(controlJob('j1'));
    const p = again(w);
    p.wire = (r) => (r.path.startsWith('/api/v1/applications') ? { thereMs: null, backMs: null } : GOOD);
    expect(p.ask(resumed, 1_200_000).kind).toBe('unknown');
  });

  it('leaves room for the next one: that takes its place', () => {
    const w = world('enphase');
    w.p.run(1);
    w.p.ask(controlJob('j1'));
    const p = again(w);
    p.ask(resumed);
    const fromHere = p.posts('/api/v2/events');
    expect(p.ask(controlJob('j2', { powerW: 1_000 })).kind).toBe('accepted');
    expect(p.posts('/api/v2/events') - fromHere).toBe(1);
  });
});

describe('a control for Tesla that is taken up again', () => {
  const job = { startMs: START_MS, route: 'baseline', reservePctMin: 30 } as const;

  it('is found when its settings stand, and writes nothing', () => {
    const w = world('tesla');
    w.p.run(1);
    const first = w.p.ask(controlJob('j1', job));
    const p = again(w);
    expect(p.ask(controlJob('j1', { ...job, resume: true }))).toEqual(first);
    expect(p.posts('/api/1/')).toBe(0);
  });

  it('writes the rest when half of it was written', () => {
    const w = world('tesla');
    w.p.run(1);
    w.p.wire = (r) => (r.path.endsWith('/operation') ? { thereMs: null, backMs: null } : GOOD);
    w.p.submit(controlJob('j1', { ...job, notAfterMs: START_MS + 5_000 }));
    w.p.run(120_000);
    const p = again(w);
    expect(p.ask(controlJob('j1', { ...job, resume: true }))).toMatchObject({ kind: 'accepted' });
    expect(p.posts('/api/1/')).toBe(1);
  });

  it('is unknown after its time when they do not stand, and nothing is written', () => {
    const w = world('tesla');
    w.p.run(1_000_000);
    const p = again(w);
    expect(p.ask(controlJob('j1', { ...job, resume: true }))).toMatchObject({ kind: 'unknown' });
    expect(p.posts('/api/1/')).toBe(0);
  });
});

describe('a reset that is taken up again', () => {
  it('is done anew, and after its time it is not', () => {
    const w = world('enphase');
    w.p.run(1);
    w.p.ask(controlJob('j1'));
    const p = again(w);
    const reset = controlJob('r', { mode: 'reset', startMs: START_MS, endMs: START_MS + 3_600_000, resume: true });
    expect(p.ask({ ...reset, notAfterMs: START_MS + 60_000 })).toMatchObject({ kind: 'accepted' });
    expect(w.commands('1000')[0]?.closed).toBe('deleted');
    expect(p.ask({ ...reset, jobId: 'late', notAfterMs: START_MS })).toMatchObject({ kind: 'unknown' });
  });
});
