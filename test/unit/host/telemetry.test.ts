import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { BatteryState } from '../../../src/domain/battery.ts';
import { type Metric, windowsOf } from '../../../src/domain/metric.ts';
import { MS_PER_DAY, MS_PER_HOUR, MS_PER_MIN } from '../../../src/domain/units.ts';
import { openTelemetry, type TelemetrySink } from '../../../src/live/host/telemetry.ts';
import type { RawPoint } from '../../../src/ports/field.ts';

const H = MS_PER_HOUR;
const MIN = MS_PER_MIN;
/** Midnight UTC. */
const T0 = Date.UTC(2024, 6, 10);
const ALL = 1_000;

const sample = (atMs: number, over: Partial<BatteryState> = {}): BatteryState => ({
  charge: 5_000,
  chargePercentage: 50,
  chargingState: 'idle',
  chargeRate: 0,
  backupReserve: 20,
  gridStatus: 'unknown',
  gridPower: null,
  strategy: 'self_consumption',
  isStormModeEnabled: false,
  isStormModeActive: false,
  sampledAtMs: atMs,
  ...over,
});

const rate = (atMs: number, chargeRate: number): BatteryState => sample(atMs, { chargeRate });

const windows = (metric: Metric, states: readonly BatteryState[], fromMs: number, toMs: number, windowMs = H) =>
  windowsOf(states, { metric, range: { fromMs, toMs }, windowMs }).map((w) => [(w.startMs - T0) / MIN, w.value]);

describe('windows over samples', () => {
  test('a power holds until the next sample and is split at the windows', () => {
    const states = [rate(T0, 1_000), rate(T0 + 30 * MIN, 4_000), rate(T0 + 75 * MIN, -2_000), rate(T0 + 90 * MIN, 0)];
    // 1 kW · 30 min + 4 kW · 30 min; 4 kW · 15 min and a discharge of nothing afterwards.
    expect(windows('discharged', states, T0, T0 + 2 * H)).toEqual([
      [0, 2_500],
      [60, 1_000],
    ]);
    // Counted as nothing while it discharges; 2 kW · 15 min.
    expect(windows('charged', states, T0, T0 + 2 * H)).toEqual([
      [0, 0],
      [60, 500],
    ]);
  });

  test('a sample before the range holds into it, at most an hour', () => {
    expect(windows('discharged', [rate(T0 - 30 * MIN, 1_200)], T0, T0 + 2 * H)).toEqual([[0, 600]]);
    expect(windows('discharged', [rate(T0 - 60 * MIN, 1_200)], T0, T0 + 2 * H)).toEqual([]);
  });

  test('beyond an hour without a sample is a hole, and a window in it is left out', () => {
    const states = [rate(T0, 1_000), rate(T0 + 4 * H, 1_000)];
    expect(windows('discharged', states, T0, T0 + 5 * H)).toEqual([
      [0, 1_000],
      [240, 1_000],
    ]);
  });

  test('the last power holds no longer than the range', () => {
    expect(windows('discharged', [rate(T0, 6_000)], T0, T0 + 10 * MIN)).toEqual([[0, 1_000]]);
  });

  test('a window goes over the end of a day where it is wider, and a day begins at midnight UTC', () => {
    const states = [rate(T0 - 30 * MIN, 1_000), rate(T0 + 30 * MIN, 0)];
    expect(windows('discharged', states, T0 - H, T0 + H, MS_PER_DAY)).toEqual([
      [-24 * 60, 500],
      [0, 500],
    ]);
  });

  test('the meter counts both ways, and where there is none there is no window', () => {
    const states = [sample(T0, { gridPower: 3_000 }), sample(T0 + 20 * MIN, { gridPower: -600 })];
    expect(windows('imported', states, T0, T0 + H)).toEqual([[0, 1_000]]);
    expect(windows('exported', states, T0, T0 + H)).toEqual([[0, 400]]);
    expect(windows('imported', [sample(T0)], T0, T0 + H)).toEqual([]);
    const gap = [sample(T0, { gridPower: 3_000 }), sample(T0 + 20 * MIN), sample(T0 + 40 * MIN, { gridPower: 3_000 })];
    expect(windows('imported', gap, T0, T0 + H)).toEqual([[0, 2_000]]);
  });

  test('storage is what the last sample of a window said, and nothing where there was none', () => {
    const at = (min: number, charge: number) => sample(T0 + min * MIN, { charge });
    expect(windows('storage', [at(-5, 1), at(10, 100), at(50, 200), at(190, 300)], T0, T0 + 4 * H)).toEqual([
      [0, 200],
      [180, 300],
    ]);
  });

  test('how much of a window is known is told with it', () => {
    const states = [rate(T0 + 15 * MIN, 1_000), rate(T0 + 120 * MIN, 1_000)];
    const request = { metric: 'discharged', range: { fromMs: T0, toMs: T0 + 3 * H }, windowMs: H } as const;
    expect(windowsOf(states, request).map((w) => [w.startMs - T0, w.value, w.knownMs / MIN])).toEqual([
      [0, 750, 45],
      [H, 250, 15],
      [2 * H, 1_000, 60],
    ]);
  });

  test('windows of any width sum to the same energy', () => {
    const story = fc.array(fc.tuple(fc.integer({ min: 1, max: 90 }), fc.integer({ min: -9, max: 9 })), {
      maxLength: 40,
    });
    fc.assert(
      fc.property(story, fc.integer({ min: -100, max: 100 }), (steps, fromMin) => {
        let atMs = T0;
        const states = steps.map(([min, kw]) => {
          atMs += min * MIN;
          return rate(atMs, kw * 60_000);
        });
        const range = { fromMs: T0 + fromMin * MIN, toMs: atMs + 30 * MIN };
        const sum = (windowMs: number): number =>
          windowsOf(states, { metric: 'discharged', range, windowMs }).reduce((total, w) => total + w.value, 0);
        let byHand = 0;
        states.forEach((s, i) => {
          const nextMs = states[i + 1]?.sampledAtMs ?? range.toMs;
          const endMs = Math.min(nextMs, s.sampledAtMs + H, range.toMs);
          const holdsMs = Math.max(0, endMs - Math.max(s.sampledAtMs, range.fromMs));
          byHand += (Math.max(0, s.chargeRate) * holdsMs) / H;
        });
        for (const windowMs of [15 * MIN, H, MS_PER_DAY]) expect(sum(windowMs)).toBeCloseTo(byHand, 3);
      }),
    );
  });
});

describe('the telemetry file', () => {
  let dir = '';
  let store: TelemetrySink;
  let nowMs = T0;
  const file = (): string => join(dir, 'telemetry.db');
  const reopen = (): void => {
    store.close();
    store = openTelemetry(file(), () => nowMs);
  };
  beforeEach(() => {
    nowMs = T0;
    dir = mkdtempSync(join(tmpdir(), 'telemetry-'));
    store = openTelemetry(file(), () => nowMs);
  });
  afterEach(() => {
    store.close();
    rmSync(dir, { recursive: true });
  });
  const statesOf = (deviceId: string, over: { fromMs?: number; toMs?: number; limit?: number } = {}) =>
    store.states(deviceId, { fromMs: T0 - 400 * MS_PER_DAY, toMs: T0 + 400 * MS_PER_DAY, limit: ALL, ...over });

  test('gives samples back as they came, oldest first, also after it was closed', () => {
    const full = sample(T0 + MIN, {
      chargeRate: -3_000,
      chargingState: 'charging',
      gridPower: 3_100,
      gridStatus: 'importing',
      strategy: 'backup',
      isStormModeEnabled: true,
      isStormModeActive: true,
    });
    store.addState('a', full);
    store.addState('a', sample(T0));
    store.addState('b', sample(T0 + 2 * MIN));
    expect(statesOf('a')).toEqual([sample(T0), full]);
    reopen();
    expect(statesOf('a')).toEqual([sample(T0), full]);
  });

  test('a sample that comes twice is one; the later word counts', () => {
    store.addState('a', rate(T0, 1));
    store.addState('a', { ...rate(T0, 2), chargingState: 'discharging' });
    expect(statesOf('a').map((s) => s.chargeRate)).toEqual([2]);
  });

  test('a range holds its start and not its end; at the limit the newest are kept', () => {
    for (let n = 0; n < 5; n++) store.addState('a', rate(T0 + n, n));
    expect(statesOf('a', { fromMs: T0 + 1, toMs: T0 + 4 }).map((s) => s.chargeRate)).toEqual([1, 2, 3]);
    expect(statesOf('a', { limit: 2 }).map((s) => s.chargeRate)).toEqual([3, 4]);
  });

  test.each(['charge', 'chargePercentage', 'chargeRate', 'backupReserve', 'sampledAtMs'] as const)(
    'a sample whose %s is no number is left out and takes no other along',
    (field) => {
      store.addState('a', rate(T0, 1));
      store.addState('a', sample(T0 + 1, { [field]: Number.NaN }));
      store.addState('a', rate(T0 + 2, 3));
      expect(statesOf('a').map((s) => s.chargeRate)).toEqual([1, 3]);
    },
  );

  test('a meter without a number is no meter, and a time is whole milliseconds', () => {
    store.addState('a', sample(T0 + 0.4, { gridPower: Number.NaN }));
    expect(statesOf('a')).toEqual([sample(T0)]);
  });

  test('points come back with what they lack', () => {
    const point = (over: Partial<RawPoint>): RawPoint => ({
      type: 'AI',
      index: 1,
      value: 1.5,
      flags: 1,
      atMs: T0,
      timeQuality: 'synchronised',
      source: 'event',
      ...over,
    });
    const points = [point({}), point({ index: 2, value: Number.NaN }), point({ atMs: T0 + 1, source: 'static' })];
    store.addPoints('a', [...points, point({ atMs: Number.NaN })]);
    const range = { fromMs: T0, toMs: T0 + H, limit: ALL };
    expect([...store.points('a', range)].sort((a, b) => a.atMs - b.atMs || a.index - b.index)).toEqual(points);
  });

  test('what is older than 14 days goes: of a device that reports, and of silent ones at the start', () => {
    store.addState('a', sample(T0));
    store.addState('silent', sample(T0));
    expect(statesOf('a')).toHaveLength(1);
    nowMs = T0 + 14 * MS_PER_DAY + 1;
    store.addState('a', sample(nowMs));
    expect(statesOf('a').map((s) => s.sampledAtMs)).toEqual([nowMs]);
    expect(statesOf('silent')).toHaveLength(1);
    reopen();
    expect(statesOf('silent')).toEqual([]);
    expect(statesOf('a')).toHaveLength(1);
  });

  test('a sample before the range is taken into account', () => {
    store.addState('a', rate(T0 - 30 * MIN, 1_200));
    const range = { fromMs: T0, toMs: T0 + H };
    expect(store.windows({ deviceIds: ['a'], metric: 'discharged', range, windowMs: H })).toEqual([
      { deviceId: 'a', startMs: T0, value: 600, knownMs: 30 * MIN },
    ]);
  });

  test('windows over more samples than one reading holds are whole', () => {
    // A sample a second over 15 h: 54,000, of 3,600 W each.
    for (let n = 0; n < 15 * 3_600; n++) store.addState('a', rate(T0 + n * 1_000, 3_600));
    const range = { fromMs: T0, toMs: T0 + 15 * H };
    const found = store.windows({ deviceIds: ['a', 'nobody'], metric: 'discharged', range, windowMs: H });
    expect(found).toHaveLength(15);
    for (const w of found) expect(w).toMatchObject({ deviceId: 'a', value: expect.closeTo(3_600, 6) });
  });

  test('closing twice is closing once', () => {
    store.close();
    expect(() => store.close()).not.toThrow();
  });
});
