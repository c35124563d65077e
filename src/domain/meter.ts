import type { EpochMs } from './units.ts';

/**
 * Readings of one meter in a row, as a meter data provider tells them: energy per interval [Wh], positive into the site's
 * bus. Of a site's own meter that is + import, of a battery's + discharge; null = not read.
 */
export interface MeterBlock {
  readonly siteId: string;
  /** null: the meter of the site, at its connection to the grid. */
  readonly deviceId: string | null;
  /** On a multiple of stepMs. */
  readonly startMs: EpochMs;
  readonly stepMs: number;
  readonly energyWh: readonly (number | null)[];
}

/** A block that is known from now on. What it says replaces what was known of the same intervals; null replaces nothing. */
export type MeterFact = { readonly type: 'meter.read' } & MeterBlock;

/** Intervals that meters are read in [ms]. */
export const METER_STEPS_MS: readonly number[] = [300_000, 900_000, 1_800_000, 3_600_000];
