import type { BatteryState } from '../domain/battery.ts';
import { startOfLocalDay } from '../domain/time.ts';
import type { EpochMs } from '../domain/units.ts';
import { type MeterHistory, similarDays } from './baseline.ts';

/**
 * What devices and meters said. No fact and not in the journal: after a restart it is unknown until fresh. What was
 * concluded from it is a fact.
 */
export interface Observation {
  readonly state: BatteryState;
  readonly online: boolean;
  readonly receivedAtMs: EpochMs;
  /** Local/remote switch of a utility-scale site; false where there is none. */
  readonly local: boolean;
}

/** What the samples within a command's window say, as sums. */
export interface Evidence {
  samples: number;
  /** Σ chargeRate over the samples [W], + discharge. */
  sumW: number;
  stormSamples: number;
}

export interface SiteMeter {
  readonly startMs: EpochMs;
  readonly stepMs: number;
  /** Net import per interval [Wh]. */
  readonly gridWh: number[];
  /** Net discharge per interval [Wh]. */
  readonly batteryWh: number[];
}

interface SimilarDays {
  readonly midnightMs: EpochMs;
  /** How many days had events when this was looked up. */
  readonly events: number;
  readonly days: readonly EpochMs[];
}

/** Whether an instant is surely in the local day that began at midnightMs; the 24th hour and later are looked up anew. */
const inDay = (midnightMs: EpochMs, atMs: EpochMs): boolean => atMs >= midnightMs && atMs < midnightMs + 23 * 3_600_000;

/** Longest history kept per site, in intervals: 60 days of quarter hours. */
const METER_INTERVALS_MAX = 60 * 96;

export class TelemetryStore {
  readonly latest = new Map<string, Observation>();
  readonly evidence = new Map<string, Evidence>();
  readonly meters = new Map<string, SiteMeter>();
  readonly #similar = new Map<string, SimilarDays>();

  observe(deviceId: string, observation: Observation): void {
    this.latest.set(deviceId, observation);
  }

  addEvidence(commandId: string, state: BatteryState): void {
    const e = this.evidence.get(commandId) ?? { samples: 0, sumW: 0, stormSamples: 0 };
    e.samples += 1;
    e.sumW += state.chargeRate;
    if (state.isStormModeActive) e.stormSamples += 1;
    this.evidence.set(commandId, e);
  }

  /** Appends intervals; a hole before them is filled with NaN, what is already there stays. */
  addMeter(siteId: string, block: SiteMeter): void {
    const meter = this.meters.get(siteId);
    if (meter === undefined) {
      this.meters.set(siteId, { ...block, gridWh: [...block.gridWh], batteryWh: [...block.batteryWh] });
      return;
    }
    const offset = Math.round((block.startMs - meter.startMs) / meter.stepMs);
    if (offset < 0 || offset + block.gridWh.length > METER_INTERVALS_MAX || block.stepMs !== meter.stepMs) return;
    while (meter.gridWh.length < offset) {
      meter.gridWh.push(Number.NaN);
      meter.batteryWh.push(Number.NaN);
    }
    block.gridWh.forEach((wh, i) => {
      meter.gridWh[offset + i] = wh;
      meter.batteryWh[offset + i] = block.batteryWh[i] ?? Number.NaN;
    });
  }

  /** Similar days do not change within a day: they are looked for once per site and local day. */
  similarDaysOf(siteId: string, request: Parameters<typeof similarDays>[0]): SimilarDays {
    const known = this.#similar.get(siteId);
    if (known !== undefined && known.events === request.eventDays.size && inDay(known.midnightMs, request.startMs))
      return known;
    const midnightMs = startOfLocalDay(request.startMs, request.timeZone);
    const found = { midnightMs, events: request.eventDays.size, days: similarDays(request) };
    this.#similar.set(siteId, found);
    return found;
  }

  gridHistory(siteId: string): MeterHistory | null {
    const m = this.meters.get(siteId);
    return m === undefined ? null : { startMs: m.startMs, stepMs: m.stepMs, wh: m.gridWh };
  }

  batteryHistory(siteId: string): MeterHistory | null {
    const m = this.meters.get(siteId);
    return m === undefined ? null : { startMs: m.startMs, stepMs: m.stepMs, wh: m.batteryWh };
  }
}
