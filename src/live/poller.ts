import { invariant } from '../domain/errors.ts';
import type { EpochMs } from '../domain/units.ts';
import { PRIORITY, type Scheduler, type TimerHandle } from '../ports/clock.ts';
import type { OemJob } from '../ports/oem.ts';

/**
 * Reads the state of each OEM device once per telemetry period of its cloud, at an offset hashed from its id: the polls of
 * a fleet spread evenly over the period, and after a restart each device keeps its place, so that no restart becomes a
 * burst. A poll that is late, because the clock jumped or the process slept, is made once and not made up for.
 */
export interface PolledDevice {
  readonly deviceId: string;
  readonly vendorDeviceId: string;
  readonly periodMs: number;
  /** Puts the job on its way to the device's cloud. */
  readonly submit: (job: OemJob) => void;
}

/** A telemetry period below this is a mistake. */
export const PERIOD_MS_MIN = 1_000;

export class Poller {
  readonly #clock: Scheduler;
  readonly #timers = new Map<string, TimerHandle>();
  #count = 0;

  constructor(clock: Scheduler) {
    this.#clock = clock;
  }

  /** Devices that are polled. */
  get size(): number {
    return this.#timers.size;
  }

  /** Polls the device from now on; what was known of the same id is replaced. */
  add(device: PolledDevice): void {
    invariant(device.periodMs >= PERIOD_MS_MIN, `a telemetry period of ${device.periodMs} ms`);
    this.remove(device.deviceId);
    this.#wait(device);
  }

  remove(deviceId: string): void {
    const timer = this.#timers.get(deviceId);
    if (timer !== undefined) this.#clock.cancel(timer);
    this.#timers.delete(deviceId);
  }

  stop(): void {
    for (const deviceId of [...this.#timers.keys()]) this.remove(deviceId);
  }

  #wait(device: PolledDevice): void {
    const atMs = nextPollMs(device, this.#clock.nowMs());
    this.#timers.set(
      device.deviceId,
      this.#clock.at(atMs, () => this.#poll(device), PRIORITY.wire),
    );
  }

  #poll(device: PolledDevice): void {
    const { deviceId, vendorDeviceId, submit } = device;
    this.#count += 1;
    this.#wait(device);
    submit({ kind: 'read-state', jobId: `poll-${deviceId}-${this.#count}`, vendorDeviceId });
  }
}

/** The first instant after now that lies at the device's offset in a period; periods are counted from the epoch. */
export function nextPollMs(device: { readonly deviceId: string; readonly periodMs: number }, nowMs: EpochMs): EpochMs {
  const { deviceId, periodMs } = device;
  const offsetMs = hash(deviceId) % periodMs;
  return (Math.floor((nowMs - offsetMs) / periodMs) + 1) * periodMs + offsetMs;
}

/** FNV-1a over UTF-16 code units, with the finaliser of MurmurHash3: ids that differ in one digit lie far apart. */
function hash(text: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
