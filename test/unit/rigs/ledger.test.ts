import { describe, expect, test } from 'vitest';
import { Histogram } from '../../../harness/rigs/histogram.ts';
import { type Asked, Ledger } from '../../../harness/rigs/ledger.ts';

function asked(ledger: Ledger, over: Partial<Asked> = {}): Asked {
  const powerW = ledger.nextPowerW();
  const one: Asked = { key: `key-${powerW}`, body: '', deviceId: 'd', powerW, toCloud: true, id: null, ...over };
  ledger.ask(one);
  return one;
}
const first = (id: string) => ({ status: 202, id, replayed: false });
const again = (id: string) => ({ status: 202, id, replayed: true });

describe('the ledger of the kill rig', () => {
  test('a command that is answered, asked again, shown and executed once breaks no promise', () => {
    const ledger = new Ledger();
    const one = asked(ledger);
    ledger.answered(one, first('cmd-1'));
    ledger.answered(one, again('cmd-1'));
    ledger.shown(one, { status: 200, powerW: one.powerW });
    ledger.seen([{ id: 'profile-1', powerW: one.powerW }]);
    ledger.seen([{ id: 'profile-1', powerW: one.powerW }]);
    expect(ledger.violations).toEqual([]);
    expect(ledger.newest()).toEqual([one]);
    expect(ledger.isAtCloud(one)).toBe(true);
  });

  test.each<[string, (ledger: Ledger, one: Asked) => void]>([
    ['another id for the same key', (l, one) => l.answered(one, again('cmd-2'))],
    ['a key that is not known any more', (l, one) => l.answered(one, first('cmd-1'))],
    ['an answer that is no 202', (l, one) => l.answered(one, { status: 500, id: undefined, replayed: false })],
    ['an acknowledged command that is gone', (l, one) => l.shown(one, { status: 404, powerW: undefined })],
    ['an acknowledged command that is another', (l, one) => l.shown(one, { status: 200, powerW: 77 })],
    [
      'a second execution',
      (l, one) => {
        l.seen([{ id: 'profile-1', powerW: one.powerW }]);
        l.seen([{ id: 'profile-2', powerW: one.powerW }]);
      },
    ],
    ['an execution that nobody asked for', (l) => l.seen([{ id: 'profile-1', powerW: 99 }])],
  ])('%s is a violation', (_name, happens) => {
    const ledger = new Ledger();
    const one = asked(ledger);
    ledger.answered(one, first('cmd-1'));
    expect(ledger.violations).toEqual([]);
    happens(ledger, one);
    expect(ledger.violations).toHaveLength(1);
  });

  test('what the cloud had before the crash must be known after it', () => {
    for (const [replayed, violations] of [
      [true, 0],
      [false, 1],
    ] as const) {
      const ledger = new Ledger();
      const one = asked(ledger);
      ledger.answerLost(one);
      ledger.seen([{ id: 'profile-1', powerW: one.powerW }]);
      ledger.answered(one, { status: 202, id: 'cmd-1', replayed });
      expect(ledger.violations).toHaveLength(violations);
      expect(ledger.lost).toEqual([]);
    }
  });

  test('the newest of a device is the one with the highest number, whatever the order of the answers', () => {
    const ledger = new Ledger();
    const [one, two] = [asked(ledger), asked(ledger)];
    asked(ledger, { deviceId: 'later', toCloud: false });
    ledger.answered(two, first('cmd-9'));
    ledger.answered(one, first('cmd-10'));
    expect(ledger.newest()).toEqual([one]);
  });
});

test('a histogram gives quantiles within a hundredth of what it was given', () => {
  const histogram = new Histogram();
  for (let us = 1_000; us <= 100_000; us += 1_000) histogram.add(us);
  expect(histogram.count).toBe(100);
  expect(Math.abs(histogram.quantileMs(0.5) - 50)).toBeLessThanOrEqual(0.5);
  expect(Math.abs(histogram.quantileMs(0.99) - 99)).toBeLessThanOrEqual(0.99);
  expect(histogram.quantileMs(1)).toBe(100);
  expect(histogram.maxMs).toBe(100);
});
