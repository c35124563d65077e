import { afterEach, describe, expect, test } from 'vitest';
import type { FieldJob } from '../../src/ports/field.ts';
import { START_MS } from '../unit/field/bench.ts';
import { type LiveSite, liveSite } from './fieldEnds.ts';

const open: LiveSite[] = [];
afterEach(async () => {
  for (const site of open.splice(0)) await site.close();
});

async function site(...args: Parameters<typeof liveSite>): Promise<LiveSite> {
  const made = await liveSite(...args);
  open.push(made);
  return made;
}

async function online(...args: Parameters<typeof liveSite>): Promise<LiveSite> {
  const s = await site(...args);
  s.field.start();
  await s.run(5_000);
  return s;
}

const setpoint = (jobId: string, change: Partial<Extract<FieldJob, { kind: 'setpoint' }>> = {}): FieldJob => ({
  kind: 'setpoint',
  jobId,
  powerW: 500_000,
  startMs: START_MS,
  endMs: START_MS + 3_600_000,
  ...change,
});

describe('a site over sockets on a stepped clock', () => {
  test('is read before anything else, and says so', async () => {
    const s = await online();
    expect(s.field.health()).toEqual({ connected: true, why: null, linkUp: true });
    expect(s.events.map((e) => e.kind)).toEqual(expect.arrayContaining(['link', 'integrity-read', 'points', 'state']));
    const state = s.events.findLast((e) => e.kind === 'state');
    expect(state?.kind === 'state' ? state.state.chargePercentage : null).toBeGreaterThan(0);
    expect(s.intents).toEqual([]);
  });

  test('follows a setpoint, whose beats keep its watchdog fed, and goes back to its schedule when the window ends', async () => {
    const s = await online();
    s.field.submit(setpoint('j1'));
    await s.run(10_000);
    expect(s.replyTo('j1')).toEqual({ kind: 'operated', jobId: 'j1' });
    expect(s.rtac.plant.targetW).toBe(500_000);
    await s.run(3_000_000);
    expect(s.rtac.plant.state).toBe('following');
    await s.clock.advanceTo(START_MS + 3_660_000);
    expect(s.rtac.plant.state).toBe('schedule');
    expect(s.intents.length).toBeGreaterThan(300);
  });

  test('gets no setpoint without an approval, and loses the one it has when the approval is taken back', async () => {
    const s = await online({ approvals: [] });
    s.field.submit(setpoint('j1'));
    await s.run(1_000);
    expect(s.replyTo('j1')).toMatchObject({ kind: 'refused' });
    const approved = await online();
    approved.field.submit(setpoint('j2'));
    await approved.run(10_000);
    approved.field.configure(null, []);
    await approved.run(10_000);
    expect(approved.rtac.plant.state).not.toBe('following');
  });

  test('is stopped at once in an emergency', async () => {
    const s = await online();
    s.field.submit(setpoint('j1'));
    await s.run(10_000);
    s.field.submit({ kind: 'emergency-stop', jobId: 'stop' });
    await s.clock.settle();
    expect(s.replyTo('stop')).toEqual({ kind: 'operated', jobId: 'stop' });
    expect(s.rtac.plant.state).toBe('stopped');
  });

  test('whose connection is cut is dialled anew after a wait, read anew, and its setpoint goes on', async () => {
    const s = await online();
    s.field.submit(setpoint('j1'));
    await s.run(10_000);
    s.cut();
    await s.clock.settle();
    expect(s.field.health()).toMatchObject({ connected: false, linkUp: false, why: 'the peer closed the connection' });
    await s.run(30_000);
    expect(s.states).toEqual(['connected', 'down: the peer closed the connection', 'connected']);
    expect(s.events.filter((e) => e.kind === 'integrity-read')).toHaveLength(2);
    await s.run(60_000);
    expect(s.rtac.plant.state).toBe('following');
  });

  test('that takes octets and answers nothing is half-open: the connection is closed and made anew', async () => {
    const s = await online();
    s.deafen(true);
    await s.run(300_000);
    expect(s.states).toContain('down: nobody answers');
    expect(s.events).toContainEqual({ kind: 'link', up: false });
    s.deafen(false);
    await s.run(120_000);
    expect(s.field.health()).toEqual({ connected: true, why: null, linkUp: true });
  });

  test('that is not there answers a setpoint when its window ends, and is tried less and less often', async () => {
    const s = await site({ random: () => 1 });
    await s.server.close();
    s.field.start();
    s.field.submit(setpoint('j1', { endMs: START_MS + 600_000 }));
    await s.run(3_600_000);
    expect(s.replyTo('j1')?.kind).toMatch(/unknown|refused/);
    expect(s.states.every((state) => state.includes('ECONNREFUSED'))).toBe(true);
    expect(s.states.length).toBeGreaterThan(50);
    expect(s.states.length).toBeLessThan(75);
  });

  test('plays the same story again octet by octet', async () => {
    const story = async (): Promise<string> => {
      const s = await online();
      s.field.submit(setpoint('j1'));
      await s.run(100_000);
      s.cut();
      await s.run(100_000);
      return JSON.stringify([s.events, s.intents, s.states]);
    };
    expect(await story()).toBe(await story());
  });

  test('takes no jobs after it was stopped', async () => {
    const s = await online();
    await s.field.stop();
    const before = s.events.length;
    s.field.submit(setpoint('j1'));
    await s.run(60_000);
    expect(s.events).toHaveLength(before);
  });
});
