import { expect, test } from 'vitest';
import { randomSource } from '../../../harness/kernel/random.ts';
import { syntheticPrices } from '../../../simulators/feeds/syntheticPrices.ts';
import { valueAt } from '../../../src/ports/series.ts';

const startMs = Date.parse('2024-07-10T07:00:00Z');
const make = (seed: string, more: object = {}) =>
  syntheticPrices({
    startMs,
    hours: 48,
    timeZone: 'America/Los_Angeles',
    random: randomSource(seed),
    eveningPeakUsdPerMwh: 300,
    ...more,
  });

test('the evening hour costs base plus peak within the noise, midday the least', () => {
  const { dayAhead } = make('1');
  const day = [...dayAhead.values.slice(0, 24)];
  expect(day.indexOf(Math.max(...day))).toBe(19);
  expect(Math.abs((day[19] ?? 0) / 340 - 1)).toBeLessThan(0.2);
  expect(day.indexOf(Math.min(...day))).toBeGreaterThan(9);
  expect(day.indexOf(Math.min(...day))).toBeLessThan(16);
});

test('the peak follows the parameter, by the local clock', () => {
  const { dayAhead } = make('1', { eveningPeakHour: 17.5 });
  expect(valueAt(dayAhead, Date.parse('2024-07-11T00:00:00Z'))).toBe(Math.max(...dayAhead.values.slice(0, 24)));
});

test('real time has 5 or 15 minutes, whole cents, and the same draw from the same seed', () => {
  expect(make('1').realTime).toMatchObject({ stepMs: 300_000, unit: '$/MWh' });
  expect(make('1').realTime.values.length).toBe(48 * 12);
  expect(make('1', { realTimeStepMin: 15 }).realTime.values.length).toBe(48 * 4);
  for (const v of make('1').realTime.values) expect(Math.round(v * 100) / 100).toBe(v);
  expect(make('1').realTime.values).toEqual(make('1').realTime.values);
  expect(make('1').realTime.values).not.toEqual(make('2').realTime.values);
});

test('spikes come only within two hours of the peak', () => {
  const calm = make('1', { spikeRatio: 0 }).realTime.values;
  const wild = make('1', { spikeRatio: 1, spikeUsdPerMwh: 1000 }).realTime.values;
  const spiked = [...wild].map((v, i) => Math.round(v - (calm[i] ?? 0)) === 1000);
  // 18:00–21:00 and the hours whose middle lies exactly two hours away: 17:00–22:00 local.
  expect(spiked.map((s, i) => (s ? Math.floor(i / 12) % 24 : -1)).filter((h) => h >= 0)).toEqual(
    [17, 18, 19, 20, 21, 17, 18, 19, 20, 21].flatMap((h) => Array<number>(12).fill(h)),
  );
});
