import { describe, expect, test } from 'vitest';
import type { SiteSafety } from '../../../src/domain/safety.ts';
import { nextW, stepW, turnMs, wantedW } from '../../../src/field/ramp.ts';
import { APPROVAL, Bench, RTAC, SAFETY } from './bench.ts';

const RELEASE = 'release, stop following';

const givenW = (b: Bench): { atMs: number; powerW: number }[] =>
  b.intents.flatMap((detail, i) => {
    const found = /^setpoint (-?\d+) W: direct operate AO146/.exec(detail);
    return found === null ? [] : [{ atMs: b.intentTimes[i] ?? 0, powerW: Number(found[1]) }];
  });

const ramped = (over: Partial<SiteSafety> = {}): Bench => {
  const b = new Bench({ safety: { ...SAFETY, rampWPerS: 100_000, ...over } });
  b.connect();
  b.run(1_000);
  return b;
};

describe('the way of a setpoint', () => {
  test('is a step of one second, never past the goal', () => {
    expect(stepW({ fromW: 0, toW: 250, rampWPerS: 100 })).toBe(100);
    expect(stepW({ fromW: 200, toW: 250, rampWPerS: 100 })).toBe(250);
    expect(stepW({ fromW: 200, toW: -500, rampWPerS: 300 })).toBe(-100);
  });

  test('is what can still be taken back before the window ends', () => {
    const goal = { powerW: -1_000, endMs: 10_000 };
    expect(wantedW(goal, 100, 0)).toBe(-1_000);
    expect(wantedW(goal, 100, 5_000)).toBe(-500);
    expect(wantedW(goal, 100, 10_000)).toBe(0);
    expect(wantedW(goal, undefined, 9_999)).toBe(-1_000);
    expect(turnMs(goal, 200, 0)).toBe(5_000);
    expect(turnMs(goal, 200, 7_000)).toBe(7_000);
  });

  test('does not lead through what nobody approved', () => {
    const way = { fromW: -800, toW: 500, rampWPerS: 100 };
    expect(nextW(way, () => true)).toBe(-700);
    expect(nextW(way, (w) => w >= 0)).toBe(100);
    expect(nextW(way, (w) => w === 500)).toBe(500);
  });
});

describe('a site with a ramp limit', () => {
  test('is led to the setpoint in steps of a second, and back to 0 as the window ends', () => {
    const b = ramped();
    const startMs = b.nowMs;
    b.setpoint('job', 450_000, 2);
    b.run(3 * 60_000);
    const given = givenW(b);
    expect(given.slice(0, 6).map((g) => g.powerW)).toEqual([100_000, 200_000, 300_000, 400_000, 450_000, 450_000]);
    expect(given.slice(0, 5).map((g) => Math.round((g.atMs - startMs) / 1000))).toEqual([0, 1, 2, 3, 4]);
    const last = given.filter((g) => g.atMs > startMs + 110_000);
    expect(last.at(-1)?.powerW).toBeLessThanOrEqual(100_000);
    for (const g of last) expect(g.powerW).toBeLessThanOrEqual((startMs + 120_000 - g.atMs + 500) * 100);
    expect(b.intents.at(-1)).toBe(RELEASE);
    expect(b.replies()).toEqual(['job operated']);
  });

  test('goes on from where it is when a newer setpoint comes, also to the other side', () => {
    const b = ramped();
    b.setpoint('one', 300_000, 30);
    b.run(10_000);
    b.setpoint('two', -200_000, 30);
    b.run(10_000);
    const after = givenW(b).map((g) => g.powerW);
    expect(after.slice(after.indexOf(200_000, 3))).toEqual([200_000, 100_000, 0, -100_000, -200_000]);
  });

  test('goes down before it is given back when it is cancelled, and answers the release then', () => {
    const b = ramped();
    b.setpoint('one', 300_000, 30);
    b.run(10_000);
    const before = b.intents.length;
    b.connector.submit({ kind: 'release', jobId: 'give-back' }, b.nowMs);
    b.pump();
    b.run(1_500);
    expect(b.replies()).toEqual(['one operated']);
    b.run(10_000);
    const left = b.intents.slice(before).filter((d) => d.includes('AO146') || d === RELEASE);
    expect(left).toEqual([
      'setpoint 200000 W: direct operate AO146',
      'setpoint 100000 W: direct operate AO146',
      'setpoint 0 W: direct operate AO146',
      RELEASE,
    ]);
    expect(b.replies()).toEqual(['one operated', 'give-back operated']);
    expect(b.rtac.plant).toMatchObject({ state: 'schedule', powerW: 0 });
  });

  test('is stopped at once by an emergency stop', () => {
    const b = ramped();
    b.setpoint('one', 1_000_000, 30);
    b.run(20_000);
    const before = b.intents.length;
    b.connector.submit({ kind: 'emergency-stop', jobId: 'stop' }, b.nowMs);
    b.pump();
    b.run(60_000);
    expect(b.intents.slice(before)).toEqual(['emergency-stop']);
    expect(b.rtac.plant).toMatchObject({ state: 'stopped', powerW: 0 });
  });

  test('is given back at once, without another setpoint, when its leave is taken', () => {
    const b = ramped();
    b.setpoint('one', 1_000_000, 30);
    b.run(20_000);
    const before = b.intents.length;
    b.connector.configure({ ...SAFETY, rampWPerS: 100_000 }, [], b.nowMs);
    b.pump();
    b.run(60_000);
    expect(b.intents.slice(before)).toEqual([RELEASE]);
  });

  test('takes a setpoint while it still goes down from the one before', () => {
    const b = ramped();
    b.setpoint('one', 500_000, 30);
    b.run(10_000);
    b.connector.submit({ kind: 'release', jobId: 'give-back' }, b.nowMs);
    b.pump();
    b.run(2_000);
    b.setpoint('two', 500_000, 30);
    b.run(10_000);
    expect(b.intents).not.toContain(RELEASE);
    expect(givenW(b).at(-1)?.powerW).toBe(500_000);
    expect(b.replies()).toContain('give-back refused: replaced by a newer job');
  });
});

test('a site that allows no direct operate gets a select before each, and follows', () => {
  const b = new Bench({ safety: { ...SAFETY, directOperate: false } });
  b.connect();
  b.run(1_000);
  b.setpoint('job', 500_000, 10);
  b.run(5_000);
  expect(b.intents.slice(0, 3)).toEqual([
    'setpoint 500000 W: operate AO145',
    'setpoint 500000 W: operate AO146',
    'setpoint 500000 W: operate BO23',
  ]);
  expect(b.rtac.plant).toMatchObject({ state: 'following', powerW: 500_000 });
  b.connector.submit({ kind: 'emergency-stop', jobId: 'stop' }, b.nowMs);
  b.pump();
  b.run(1_000);
  expect(b.rtac.plant.state).toBe('stopped');
});

describe('after the link was lost', () => {
  const lose = (afterReconnect: NonNullable<SiteSafety['afterReconnect']>) => {
    const b = new Bench({ safety: { ...SAFETY, afterReconnect } });
    b.connect();
    b.run(1_000);
    b.setpoint('job', 500_000, 30);
    b.run(5_000);
    b.cut();
    b.run(60_000);
    const before = b.intents.length;
    b.connect();
    b.run(20_000);
    return { b, left: new Set(b.intents.slice(before).map((d) => d.replace(/:.*/, ''))) };
  };

  test('a site that resumes is led on as soon as its points are read', () => {
    expect(lose('resume').left).toEqual(new Set(['setpoint 500000 W']));
  });

  test('a site that wants a new command is given back, and takes a new one', () => {
    for (const policy of ['new-command', 'new-approval'] as const) {
      const { b, left } = lose(policy);
      expect(left).toEqual(new Set([RELEASE]));
      b.setpoint('again', 300_000, 10);
      b.run(10_000);
      expect(b.rtac.plant).toMatchObject({ state: 'following', powerW: 300_000 });
    }
  });
});

test('an approval that is bound to another safety configuration covers nothing', () => {
  const b = new Bench({ approvals: [{ ...APPROVAL, binding: 'another text' }], rtac: RTAC });
  b.connect();
  b.run(1_000);
  b.setpoint('job', 500_000, 10);
  b.run(5_000);
  expect(b.intents).toEqual([]);
  expect(b.replies()[0]).toContain('job refused: no valid approval by a second person');
});
