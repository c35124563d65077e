import { intervalOf, type SiteRegisters } from '../../simulators/site/meter.ts';
import { type EpochMs, whBetween } from '../../src/domain/units.ts';
import { PRIORITY, type Scheduler } from '../../src/ports/clock.ts';
import type { MeterInterval } from '../../src/ports/records.ts';

/** Reads the meters of all sites at each interval's end, on the local clock's quarter hours. */
export interface MeteredSite {
  readonly siteId: string;
  /** Registers as they stand at the time of the call. */
  readonly registers: () => SiteRegisters;
}

/** Net import and net discharge of an interval in whole Wh, so that consecutive intervals sum to the whole. */
export interface MeterWh {
  readonly gridWh: number;
  readonly batteryWh: number;
}

export function startMetering(options: {
  readonly scheduler: Scheduler;
  readonly sites: readonly MeteredSite[];
  readonly startMs: EpochMs;
  readonly endMs: EpochMs;
  readonly intervalMs: number;
  readonly onInterval: (interval: MeterInterval, wh: MeterWh) => void;
}): void {
  const { scheduler, sites, startMs, endMs, intervalMs, onInterval } = options;
  const last = sites.map((s) => s.registers());
  let fromMs = startMs;
  const read = (): void => {
    const toMs = scheduler.nowMs();
    sites.forEach((site, i) => {
      const from = last[i];
      const to = site.registers();
      if (from === undefined) return;
      onInterval(intervalOf({ siteId: site.siteId, startMs: fromMs, endMs: toMs, from, to }), netWh(from, to));
      last[i] = to;
    });
    fromMs = toMs;
    const nextMs = toMs + intervalMs;
    if (nextMs <= endMs) scheduler.at(nextMs, read, PRIORITY.meter);
  };
  scheduler.at(startMs + intervalMs, read, PRIORITY.meter);
}

export function netWh(from: SiteRegisters, to: SiteRegisters): MeterWh {
  return {
    gridWh: wholeWh(from.importMj, to.importMj) - wholeWh(from.exportMj, to.exportMj),
    batteryWh: wholeWh(from.dischargeMj, to.dischargeMj) - wholeWh(from.chargeMj, to.chargeMj),
  };
}

const wholeWh = (fromMj: number, toMj: number): number => whBetween({ fromMj, toMj });
