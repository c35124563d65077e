import type { EpochMs } from '../../src/domain/units.ts';
import type { MeterInterval, MeterReading } from '../../src/ports/records.ts';

/**
 * The meters of a site. Every register is cumulative and metered for itself, in whole mJ; an interval is the difference
 * of two readings, so that intervals sum to the whole without a rest and a ledger over them closes to 0.
 */
export interface SiteRegisters {
  /** At the site's bus [mJ]. */
  readonly loadMj: number;
  readonly pvMj: number;
  readonly importMj: number;
  readonly exportMj: number;
  /** The site's meter at the battery's AC terminals [mJ]. */
  readonly chargeMj: number;
  readonly dischargeMj: number;
  /** The battery's own registers [mJ]. */
  readonly chargeLossMj: number;
  readonly dischargeLossMj: number;
  readonly standbyMj: number;
  readonly storedMj: number;
  /** Discharge while a grid command was being followed [mJ]. */
  readonly dispatchedMj: number;
  /** Time in an active storm [ms] and discharge in it [mJ]. */
  readonly stormMs: number;
  readonly stormDischargeMj: number;
  /** At the bus beside the household's load [mJ]; null or absent: the site has none. */
  readonly appliances?: { readonly evMj: number; readonly hvacMj: number } | null;
}

/** The records of one interval from two readings of the same registers. */
export function intervalOf(at: {
  readonly siteId: string;
  readonly startMs: EpochMs;
  readonly endMs: EpochMs;
  readonly from: SiteRegisters;
  readonly to: SiteRegisters;
}): MeterInterval {
  const { siteId, startMs, endMs, from, to } = at;
  const interval: MeterInterval = {
    kind: 'meter',
    siteId,
    startMs,
    endMs,
    loadMj: to.loadMj - from.loadMj,
    pvMj: to.pvMj - from.pvMj,
    importMj: to.importMj - from.importMj,
    exportMj: to.exportMj - from.exportMj,
    chargeMj: to.chargeMj - from.chargeMj,
    dischargeMj: to.dischargeMj - from.dischargeMj,
    chargeLossMj: to.chargeLossMj - from.chargeLossMj,
    dischargeLossMj: to.dischargeLossMj - from.dischargeLossMj,
    standbyMj: to.standbyMj - from.standbyMj,
    storedStartMj: from.storedMj,
    storedEndMj: to.storedMj,
    dispatchedMj: to.dispatchedMj - from.dispatchedMj,
    stormMs: to.stormMs - from.stormMs,
    stormDischargeMj: to.stormDischargeMj - from.stormDischargeMj,
  };
  if (to.appliances == null || from.appliances == null) return interval;
  const evMj = to.appliances.evMj - from.appliances.evMj;
  return { ...interval, evMj, hvacMj: to.appliances.hvacMj - from.appliances.hvacMj };
}

export interface SiteMeter {
  /** Ends the running interval now and starts the next; the registers must stand at endMs. */
  close(endMs: EpochMs): MeterInterval;
}

/** A meter that remembers its last reading. The first interval starts at startMs. */
export function createSiteMeter(site: {
  readonly siteId: string;
  readonly startMs: EpochMs;
  readonly read: () => SiteRegisters;
}): SiteMeter {
  let startMs = site.startMs;
  let from = site.read();
  return {
    close: (endMs) => {
      const to = site.read();
      const interval = intervalOf({ siteId: site.siteId, startMs, endMs, from, to });
      startMs = endMs;
      from = to;
      return interval;
    },
  };
}

export function readingOf(at: {
  readonly siteId: string;
  readonly deviceId: string;
  readonly why: string;
  readonly registers: SiteRegisters;
}): MeterReading {
  const { chargeMj, dischargeMj, dispatchedMj, storedMj } = at.registers;
  return {
    kind: 'reading',
    siteId: at.siteId,
    deviceId: at.deviceId,
    why: at.why,
    chargeMj,
    dischargeMj,
    dispatchedMj,
    storedMj,
  };
}

export interface LedgerResidual {
  /** import − export + discharge − charge + pv − load − ev − hvac at the site's bus [mJ]. */
  readonly acMj: number;
  /** charge − chargeLoss − discharge − dischargeLoss − standby − (storedEnd − storedStart) [mJ]. */
  readonly batteryMj: number;
}

/** What an interval's two ledgers leave over; both are exactly 0 for a sound record. */
export function ledgerResidual(m: MeterInterval): LedgerResidual {
  return {
    acMj: m.importMj - m.exportMj + m.dischargeMj - m.chargeMj + m.pvMj - m.loadMj - (m.evMj ?? 0) - (m.hvacMj ?? 0),
    batteryMj:
      m.chargeMj - m.chargeLossMj - m.dischargeMj - m.dischargeLossMj - m.standbyMj - (m.storedEndMj - m.storedStartMj),
  };
}
