import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { nextPollMs, Poller } from '../../../src/live/poller.ts';
import { SteppedClock } from '../../../src/live/steppedClock.ts';
import type { Scheduler } from '../../../src/ports/clock.ts';
import type { OemJob } from '../../../src/ports/oem.ts';

const START_MS = Date.UTC(2024, 6, 10);
const PERIOD_MS = 900_000;

describe('the poller', () => {
  test('reads each device once per period, and never two alike', async () => {
    const clock = new SteppedClock({ startMs: START_MS, frozen: true });
    const jobs: OemJob[] = [];
    const poller = new Poller(clock);
    for (let i = 0; i < 20; i++) {
      poller.add({
        deviceId: `d${i}`,
        vendorDeviceId: `v${i}`,
        periodMs: PERIOD_MS,
        submit: (job) => void jobs.push(job),
      });
    }
    await clock.advanceTo(START_MS + 4 * PERIOD_MS);
    for (let i = 0; i < 20; i++) expect(jobs.filter((job) => job.vendorDeviceId === `v${i}`)).toHaveLength(4);
    expect(new Set(jobs.map((job) => job.jobId)).size).toBe(80);
  });

  test('spreads a fleet over the period: no tenth of it has more than twice its share', () => {
    const tenths = new Array<number>(10).fill(0);
    for (let i = 0; i < 1_000; i++) {
      const inMs =
        nextPollMs({ deviceId: `sce-tesla-${String(i).padStart(4, '0')}`, periodMs: PERIOD_MS }, START_MS) - START_MS;
      const tenth = Math.min(9, Math.floor((inMs / PERIOD_MS) * 10));
      tenths[tenth] = (tenths[tenth] ?? 0) + 1;
    }
    expect(Math.max(...tenths)).toBeLessThan(200);
    expect(Math.min(...tenths)).toBeGreaterThan(50);
  });

  test('gives a device the same place whenever it is asked', () => {
    fc.assert(
      fc.property(
        fc.string(),
        fc.integer({ min: 1_000, max: 86_400_000 }),
        fc.integer({ min: 0, max: 10 * 86_400_000 }),
        (deviceId, periodMs, inMs) => {
          const device = { deviceId, periodMs };
          const first = nextPollMs(device, START_MS);
          const later = nextPollMs(device, START_MS + inMs);
          expect(later).toBeGreaterThan(START_MS + inMs);
          expect(later).toBeLessThanOrEqual(START_MS + inMs + periodMs);
          expect((later - first) % periodMs).toBe(0);
        },
      ),
    );
  });

  test('goes on after a device was replaced, and stops for one that was removed', async () => {
    const clock = new SteppedClock({ startMs: START_MS, frozen: true });
    const polled: string[] = [];
    const poller = new Poller(clock);
    const add = (vendorDeviceId: string): void =>
      poller.add({
        deviceId: 'd1',
        vendorDeviceId,
        periodMs: PERIOD_MS,
        submit: (job) => void polled.push(job.vendorDeviceId),
      });
    add('old');
    add('new');
    await clock.advanceTo(START_MS + PERIOD_MS);
    expect(polled).toEqual(['new']);
    poller.remove('d1');
    await clock.advanceTo(START_MS + 3 * PERIOD_MS);
    expect([polled, poller.size]).toEqual([['new'], 0]);
  });

  test('makes no poll up for those it missed', () => {
    let nowMs = START_MS;
    let due: () => void = () => {};
    let dueMs = 0;
    const clock: Scheduler = {
      nowMs: () => nowMs,
      at: (atMs, fn) => {
        [dueMs, due] = [atMs, fn];
        return 1;
      },
      cancel: () => {},
    };
    const jobs: OemJob[] = [];
    new Poller(clock).add({
      deviceId: 'd1',
      vendorDeviceId: 'v1',
      periodMs: 1_000,
      submit: (job) => void jobs.push(job),
    });
    const firstMs = dueMs;
    // The process slept over three periods.
    nowMs = firstMs + 3_100;
    due();
    expect([jobs.length, dueMs]).toEqual([1, firstMs + 4_000]);
  });
});
