import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Bed } from './bed.ts';
import { type Group, group, must, type Row, Skipped, seconds, until, yes } from './row.ts';

/**
 * The wall clock of the service is set while it runs and is another one at its next start. libfaketime stands in front of
 * it and reads the offset from a file; the monotonic clock goes on, as it does when a clock is set.
 */
const LIBRARIES = ['x86_64-linux-gnu', 'aarch64-linux-gnu', '.'].map(
  (machine) => `/usr/lib/${machine}/faketime/libfaketimeMT.so.1`,
);

/** Tesla's lead is 30 s: so much later its command is due to be sent. */
const TESLA_LEAD_S = 30;
const SENT_AFTER_S = 5;
const ENDS_AFTER_S = 20;
const LATER_S = 600;

const clockJump = (words: string, offsetS: number): Row<null> => ({
  component: 'clock',
  fault: `the wall clock jumps by ${words}`,
  expectation:
    'what was asked for starts once and ends at its time; the next start has the new time, or says how long it stands; nothing starts twice',
  run: async () => {
    const library = LIBRARIES.find((file) => existsSync(file));
    if (library === undefined) throw new Skipped('libfaketime is not on this machine');
    const dir = mkdtempSync(join(tmpdir(), 'vpp-clock-'));
    const offsetFile = join(dir, 'offset');
    writeFileSync(offsetFile, '+0');
    const env = {
      LD_PRELOAD: library,
      FAKETIME_TIMESTAMP_FILE: offsetFile,
      FAKETIME_NO_CACHE: '1',
      DONT_FAKE_MONOTONIC: '1',
      NO_FAKE_STAT: '1',
    };
    const bed = await Bed.open({ name: 'clock', clouds: ['tesla'], env });
    try {
      return await jumped(bed, offsetS, () => writeFileSync(offsetFile, offsetS < 0 ? `${offsetS}` : `+${offsetS}`));
    } finally {
      await bed.close();
      rmSync(dir, { recursive: true, force: true });
    }
  },
});

async function jumped(bed: Bed, offsetS: number, jump: () => void): Promise<string> {
  const [running, waiting] = [bed.deviceOf('tesla', 0), bed.deviceOf('tesla', 1)];
  const shown = (of: typeof running) => bed.cloud('tesla').device(of.vendorDeviceId);
  const settingsOf = (of: typeof running): string => JSON.stringify(shown(of).settings);
  const [runningBefore, waitingBefore] = [settingsOf(running), settingsOf(waiting)];
  const askedMs = performance.now();
  const ends = await bed.commanded(running.deviceId, { forS: ENDS_AFTER_S });
  const starts = await bed.commanded(waiting.deviceId, { fromS: TESLA_LEAD_S + SENT_AFTER_S, forS: LATER_S });
  await until('the first one runs', 4_000, () => yes(settingsOf(running) !== runningBefore));
  must(settingsOf(waiting) === waitingBefore, 'the second one began before its time');
  jump();
  await until('the second one is sent', 15_000, () => yes(settingsOf(waiting) !== waitingBefore));
  await until('the first one ends', 30_000, () => yes(settingsOf(running) === runningBefore));
  const endedMs = performance.now() - askedMs;
  must(Math.abs(endedMs / 1_000 - ENDS_AFTER_S) < 5, `it ended after ${seconds(endedMs)}, not ${ENDS_AFTER_S} s`);
  const told = await bed.part('main/clock');
  must(!told.ok, `health says nothing of the clock: ${told.why}`);

  await bed.stop('SIGTERM');
  const taken = [running, waiting].map((of) => shown(of).controlsTaken);
  await bed.start();
  await bed.allThere();
  if (offsetS > 0) {
    await until('the second one, whose time is over now, ends', 30_000, () =>
      yes(settingsOf(waiting) === waitingBefore),
    );
    must(shown(running).controlsTaken === taken[0], 'the first one was told something again');
  } else {
    await sleep(5_000);
    const now = [running, waiting].map((of) => shown(of).controlsTaken);
    must(now.join() === taken.join(), `told ${taken.join()} times before the restart, ${now.join()} after it`);
    const { ok, why } = await bed.part('main/time');
    must(!ok, `health does not say that time stands: ${why}`);
  }
  const [{ status: first }, { status: second }] = [await bed.statusOf(ends), await bed.statusOf(starts)];
  return `ended after ${seconds(endedMs)} (${first}); after the restart the other is ${second}; health: ${told.why}`;
}

export const CLOCK_GROUPS: readonly Group[] = [
  group(
    'clock',
    async () => null,
    async () => {},
    [clockJump('+1 h', 3_600), clockJump('-2 h', -7_200)],
  ),
];
