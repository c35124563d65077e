import type { EpochMs } from '../domain/units.ts';

/** A series of equal intervals: values[i] holds over [startMs + i·stepMs, startMs + (i+1)·stepMs). NaN = missing. */
export interface Series {
  readonly startMs: EpochMs;
  readonly stepMs: number;
  readonly unit: string;
  readonly values: Float64Array;
  /** Where it came from, for the report: file and node, or "generated from seed". */
  readonly source: string;
}

/** Value at an instant; NaN outside the series or where it is missing. */
export function valueAt(series: Series, atMs: EpochMs): number {
  const i = Math.floor((atMs - series.startMs) / series.stepMs);
  return series.values[i] ?? Number.NaN;
}

/** What a reader has to say of a file beside its data: gaps, repeats, clamped values, each with its row. */
export interface DataNote {
  readonly row: number;
  readonly what: string;
}

/** A weather alert, normalised from NWS GeoJSON or CAP. Only status "Actual" may act on a device. */
export interface WeatherAlert {
  readonly alertId: string;
  readonly event: string;
  readonly status: 'Actual' | 'Exercise' | 'System' | 'Test' | 'Draft';
  readonly messageType: 'Alert' | 'Update' | 'Cancel' | 'Ack' | 'Error';
  readonly severity: 'Extreme' | 'Severe' | 'Moderate' | 'Minor' | 'Unknown';
  readonly urgency: string;
  readonly certainty: string;
  readonly sentMs: EpochMs;
  /** When the hazard begins: onset, else effective, else sent. */
  readonly onsetMs: EpochMs;
  /** When it is over: ends, else expires. */
  readonly endMs: EpochMs;
  /** UGC zone or county codes ("CAC071") and SAME codes ("006071"). */
  readonly zones: readonly string[];
  /** Ids of earlier alerts this one replaces. */
  readonly references: readonly string[];
  readonly headline: string;
}
