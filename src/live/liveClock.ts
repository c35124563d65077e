import type { EpochMs } from '../domain/units.ts';

/**
 * The machine's time for live sessions.
 *
 * Time starts at the wall clock when the process starts and then runs with the monotonic clock: a wall clock that is set
 * back would hold every deadline, one set forward would end all of them at once. So a process that runs for weeks drifts
 * from UTC by what its crystal does (some 10 ppm, 1 s a day [M]); who needs better restarts it or measures the offset.
 */
const ORIGIN_MS = performance.timeOrigin;
export const liveNowMs = (): EpochMs => Math.floor(ORIGIN_MS + performance.now());

/** Longest delay that setTimeout takes; a longer one would fire at once. */
export const TIMEOUT_MS_MAX = 2 ** 31 - 1;
