import type { ApplianceState } from '../domain/appliance.ts';
import type { BatteryState } from '../domain/battery.ts';
import { invariant } from '../domain/errors.ts';
import type { SiteTelemetry } from '../domain/siteTelemetry.ts';
import { type EpochMs, MS_PER_HOUR } from '../domain/units.ts';
import { isIn, type LocalDay, localDaysBack, type MeterHistory, similarDays } from './baseline.ts';

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

/** What is older says nothing of what flows now. */
export const LOADING_FRESH_MS = MS_PER_HOUR;

/** The newest sample of a device that is no battery. */
export interface ApplianceObservation {
  readonly state: ApplianceState;
  readonly online: boolean;
  readonly receivedAtMs: EpochMs;
}

/** What the samples within a command's window say, as sums. */
export interface Evidence {
  samples: number;
  /** Σ chargeRate over the samples [W], + discharge. */
  sumW: number;
  /** Σ gridPower over those samples that have one [W], + import. */
  sumGridW: number;
  gridSamples: number;
  stormSamples: number;
  /** Time of the newest sample. */
  lastMs: EpochMs;
  /** Times of the samples counted: one that comes twice counts once. */
  readonly atMs: Set<EpochMs>;
}

const noEvidence = (): Evidence => ({
  samples: 0,
  sumW: 0,
  sumGridW: 0,
  gridSamples: 0,
  stormSamples: 0,
  lastMs: 0,
  atMs: new Set(),
});

export interface SiteMeter {
  readonly startMs: EpochMs;
  readonly stepMs: number;
  /** Net import per interval [Wh]. */
  readonly gridWh: number[];
  /** Net discharge per interval [Wh]. */
  readonly batteryWh: number[];
}

interface SimilarDaysOfSite {
  readonly today: LocalDay;
  /** The event days they were looked for with; another set is looked up anew. */
  readonly eventDays: ReadonlySet<EpochMs>;
  readonly days: readonly LocalDay[];
}

interface OwnUse {
  readonly days: readonly LocalDay[];
  readonly fromMs: EpochMs;
  readonly endMs: EpochMs;
  readonly powerW: number;
}

/** A sample a minute over a day. */
const EVIDENCE_SAMPLES_MAX = 1_440;

/** Longest history kept per site, in intervals: 60 days of quarter hours. */
const METER_INTERVALS_MAX = 60 * 96;
/** So many are dropped at once, so that not every block moves the whole history. */
const METER_DROP = 96;

export class TelemetryStore {
  /** When this store began to listen: nothing from before is in it; null = it has not. */
  startedMs: EpochMs | null = null;
  readonly latest = new Map<string, Observation>();
  readonly appliances = new Map<string, ApplianceObservation>();
  /** Charger or vehicle → the most it was seen to charge [W], > 0. */
  readonly mostChargedW = new Map<string, number>();
  /** What a utility-scale battery says beyond that: device → newest. */
  readonly utility = new Map<string, SiteTelemetry>();
  /** When the loading of a transformer or feeder was last looked at, "transformer/<id>". */
  readonly loadCheckedMs = new Map<string, EpochMs>();
  readonly evidence = new Map<string, Evidence>();
  readonly meters = new Map<string, SiteMeter>();
  /** The last undo of a device that its peer took while the device was reachable: device → job. */
  readonly settledUndo = new Map<string, string>();
  /** What was last worked out of a site's own use, and from what. */
  readonly ownUse = new Map<string, OwnUse>();
  readonly #similar = new Map<string, SimilarDaysOfSite>();
  readonly #calendars = new Map<string, readonly LocalDay[]>();

  observe(deviceId: string, observation: Observation): void {
    this.latest.set(deviceId, observation);
  }

  /** Takes the newest sample of a device that is no battery. */
  observeAppliance(deviceId: string, observation: ApplianceObservation): void {
    this.appliances.set(deviceId, observation);
    const { state } = observation;
    if (state.kind !== 'charger' && state.kind !== 'vehicle') return;
    const mostW = Math.max(state.chargerWattage, this.mostChargedW.get(deviceId) ?? 0);
    if (mostW > 0) this.mostChargedW.set(deviceId, mostW);
  }

  /** Counts a sample for a command; at most EVIDENCE_SAMPLES_MAX of them, later ones say nothing new. */
  addEvidence(commandId: string, state: BatteryState): Evidence {
    const e = this.evidence.get(commandId) ?? noEvidence();
    if (e.atMs.has(state.sampledAtMs) || e.samples >= EVIDENCE_SAMPLES_MAX) return e;
    e.atMs.add(state.sampledAtMs);
    e.samples += 1;
    e.sumW += state.chargeRate;
    if (state.gridPower !== null) {
      e.sumGridW += state.gridPower;
      e.gridSamples += 1;
    }
    e.lastMs = Math.max(e.lastMs, state.sampledAtMs);
    if (state.isStormModeActive) e.stormSamples += 1;
    this.evidence.set(commandId, e);
    return e;
  }

  /**
   * Appends intervals; a hole before them is filled with NaN, what comes again replaces what is there. At the limit the
   * oldest intervals are dropped; blocks older than the first interval, or of another step, are ignored.
   */
  addMeter(siteId: string, block: SiteMeter): void {
    const known = this.meters.get(siteId);
    const end = known === undefined ? 0 : Math.round((block.startMs - known.startMs) / known.stepMs);
    if (known === undefined || end > 2 * METER_INTERVALS_MAX) {
      this.meters.set(siteId, { ...block, gridWh: [...block.gridWh], batteryWh: [...block.batteryWh] });
      return;
    }
    if (end < 0 || block.stepMs !== known.stepMs) return;
    while (known.gridWh.length < end) {
      known.gridWh.push(Number.NaN);
      known.batteryWh.push(Number.NaN);
    }
    block.gridWh.forEach((wh, i) => {
      known.gridWh[end + i] = wh;
      known.batteryWh[end + i] = block.batteryWh[i] ?? Number.NaN;
    });
    const over = known.gridWh.length - METER_INTERVALS_MAX;
    if (over <= METER_DROP) return;
    this.meters.set(siteId, {
      startMs: known.startMs + over * known.stepMs,
      stepMs: known.stepMs,
      gridWh: known.gridWh.slice(over),
      batteryWh: known.batteryWh.slice(over),
    });
  }

  /** Replaces all that is known of a site's meters. */
  setMeter(siteId: string, meter: SiteMeter): void {
    this.meters.set(siteId, meter);
    this.#similar.delete(siteId);
    this.ownUse.delete(siteId);
  }

  /** The local day of an instant and the days before it, newest first; looked up once per zone and day. */
  calendar(atMs: EpochMs, timeZone: string): readonly LocalDay[] {
    const known = this.#calendars.get(timeZone);
    const today = known?.[0];
    if (known !== undefined && today !== undefined && isIn(today, atMs)) return known;
    const days = localDaysBack(atMs, timeZone);
    this.#calendars.set(timeZone, days);
    return days;
  }

  /** Similar days do not change within a day: they are looked for once per site and local day. */
  similarDaysOf(
    siteId: string,
    request: Omit<Parameters<typeof similarDays>[0], 'calendar'>,
  ): { readonly today: LocalDay; readonly days: readonly LocalDay[] } {
    const known = this.#similar.get(siteId);
    if (known !== undefined && known.eventDays === request.eventDays && isIn(known.today, request.startMs))
      return known;
    const calendar = this.calendar(request.startMs, request.timeZone);
    const [today] = calendar;
    invariant(today !== undefined, 'a calendar has at least its own day');
    const found = { today, eventDays: request.eventDays, days: similarDays({ ...request, calendar }) };
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
