import type { EpochMs } from './units.ts';

/**
 * The part of the grid that sites share: sites under transformers, transformers under feeders.
 *
 * Loading. What flows through a transformer is the sum over the meters downstream, import minus export, in P and, where it
 * is measured, Q; S = √(P² + Q²). For what has no measured Q a power factor is assumed: Q = |P|·tan φ, in the direction
 * that loads more. Nameplate against S is the loading; it does not depend on the direction of the flow.
 * A site without fresh data is unknown, not zero: it is counted out of the sum, the share of sites that are known is told
 * with it, and where a limit is kept an unknown site holds its equal share of the rating for itself.
 * A site without a meter is known in part: what its devices tell of themselves (batteries, chargers, vehicles, inverters)
 * is in the sum, the rest of the site is not, so it is none of the sites that are known and holds its share as well. How
 * many devices count and how many are unknown is told; a thermostat knows no power and is unknown without a meter.
 *
 * A vehicle and its charger tell of the same power, and nothing tells which vehicle stands at which charger, or whether a
 * vehicle charges at home. The power into the vehicles of a site is therefore the larger of what its chargers say together
 * and what its vehicles say together: one that charges at a charger counts once, one at a socket is not lost. Too much
 * where a vehicle charges elsewhere while the chargers rest; too little where one charges at a socket and a vehicle that
 * tells nothing stands at a charger.
 * @source Texture on SCADA and transformer loading: kVA = √(kW² + kVAR²), else a power factor of about 0.95, summed over
 *         downstream meters against the nameplate [P]; signs and what is unknown: our own
 */
export interface Feeder {
  readonly feederId: string;
  readonly workspaceId: string;
  readonly name: string;
  /** [VA]; null = no limit is known, none is kept. */
  readonly ratingVa: number | null;
}

export interface Transformer {
  readonly transformerId: string;
  readonly workspaceId: string;
  readonly name: string;
  readonly feederId: string | null;
  /** Nameplate [VA]. */
  readonly ratingVa: number;
  /** Each site is under one transformer at most. */
  readonly siteIds: readonly string[];
  /** Used where reactive power is not measured, 0..1. */
  readonly powerFactorAssumed: number;
}

export const POWER_FACTOR_ASSUMED = 0.95;
/** Sites under one transformer. A pad-mounted one has some ten; this is for a substation's. */
export const SITES_PER_TRANSFORMER_MAX = 10_000;
export const TRANSFORMERS_PER_WORKSPACE_MAX = 10_000;

/** What is known of what flows into one site. Power [W], reactive power [var], + import; null = not known. */
export interface SiteFlow {
  readonly siteId: string;
  readonly importW: number | null;
  readonly importVar: number | null;
  readonly atMs: EpochMs | null;
  /** false: importW is what some devices of the site tell of themselves, the rest of the site is not known. */
  readonly isWhole: boolean;
  readonly devices: DeviceCount;
}

/** Devices of any kind, each in one of the three. */
export interface DeviceCount {
  /** Their power is in the sum: through the meter of the site, or as they tell it. */
  readonly counted: number;
  readonly unknown: number;
  /** Chargers or vehicles that tell of power that is counted already. */
  readonly same: number;
}

export const NO_DEVICES: DeviceCount = { counted: 0, unknown: 0, same: 0 };

export interface ChargeReading {
  readonly deviceId: string;
  readonly kind: 'charger' | 'vehicle';
  /** Into the vehicle [W]; negative while it gives back; null = not known. */
  readonly powerW: number | null;
}

/** The power into the vehicles of one site [W], by the rule above; at a tie the chargers are taken. */
export function chargingOf(readings: readonly ChargeReading[]): {
  readonly powerW: number;
  readonly devices: DeviceCount;
} {
  const of = (kind: ChargeReading['kind']): number =>
    readings.reduce((sum, r) => (r.kind === kind ? sum + (r.powerW ?? 0) : sum), 0);
  const kind = Math.abs(of('vehicle')) > Math.abs(of('charger')) ? 'vehicle' : 'charger';
  let [counted, unknown, same] = [0, 0, 0];
  for (const r of readings) {
    if (r.powerW === null) unknown += 1;
    else if (r.kind === kind || r.powerW === 0) counted += 1;
    else same += 1;
  }
  return { powerW: of(kind), devices: { counted, unknown, same } };
}

export interface Loading {
  /** Net import of what is known [W]; negative = export; null when nothing is known. */
  readonly importW: number | null;
  /** [VA], ≥ 0. */
  readonly apparentVa: number | null;
  /** apparentVa ÷ rating; null when nothing is known or there is no rating. */
  readonly ratio: number | null;
  readonly ratingVa: number | null;
  /** Sites whose whole flow is known. */
  readonly sitesKnown: number;
  /** Sites of which only some devices are known. */
  readonly sitesInPart: number;
  readonly sitesTotal: number;
  readonly devices: DeviceCount;
  /** Share of the power's magnitude whose reactive part was measured, 0..1. */
  readonly reactiveMeasuredRatio: number;
  /** Oldest sample in the sum. */
  readonly oldestMs: EpochMs | null;
}

/** @param powerFactor  assumed where reactive power is not measured, > 0, ≤ 1 */
export function loadingOfFlows(flows: readonly SiteFlow[], ratingVa: number | null, powerFactor: number): Loading {
  const known = flows.filter((f) => f.importW !== null);
  const base = {
    ratingVa,
    sitesKnown: flows.filter((f) => f.isWhole).length,
    sitesInPart: known.filter((f) => !f.isWhole).length,
    sitesTotal: flows.length,
    devices: sumOf(flows.map((f) => f.devices)),
  };
  if (known.length === 0) {
    return { ...base, importW: null, apparentVa: null, ratio: null, reactiveMeasuredRatio: 0, oldestMs: null };
  }
  const { importW, reactiveVar, measuredW, totalW } = totals(known, powerFactor);
  const apparentVa = Math.hypot(importW, reactiveVar);
  return {
    ...base,
    importW,
    apparentVa,
    ratio: ratingVa === null ? null : apparentVa / ratingVa,
    reactiveMeasuredRatio: totalW === 0 ? 1 : measuredW / totalW,
    oldestMs: known.reduce<EpochMs | null>((min, f) => (min === null ? f.atMs : Math.min(min, f.atMs ?? min)), null),
  };
}

export const sumOf = (counts: readonly DeviceCount[]): DeviceCount =>
  counts.reduce(
    (sum, c) => ({ counted: sum.counted + c.counted, unknown: sum.unknown + c.unknown, same: sum.same + c.same }),
    NO_DEVICES,
  );

function totals(known: readonly SiteFlow[], powerFactor: number) {
  let importW = 0;
  let measuredVar = 0;
  let measuredW = 0;
  let assumedW = 0;
  let totalW = 0;
  for (const f of known) {
    const w = f.importW ?? 0;
    importW += w;
    totalW += Math.abs(w);
    if (f.importVar === null) assumedW += w;
    else {
      measuredVar += f.importVar;
      measuredW += Math.abs(w);
    }
  }
  const reactiveVar = Math.abs(measuredVar) + Math.abs(assumedW) * Math.tan(Math.acos(powerFactor));
  return { importW, reactiveVar, measuredW, totalW };
}

/**
 * The most active power, of either sign, that keeps a rating [W], whole, ≥ 0.
 * Measured reactive power is taken to stay; the rest is taken to come with the assumed power factor.
 */
export function activeLimitW(flows: readonly SiteFlow[], ratingVa: number, powerFactor: number): number {
  const share = flows.length === 0 ? 1 : flows.filter((f) => f.isWhole).length / flows.length;
  const measured = flows.filter((f) => f.importW !== null && f.importVar !== null);
  const q = Math.abs(measured.reduce((sum, f) => sum + (f.importVar ?? 0), 0));
  // P² + (q + P·t)² = S², solved for P ≥ 0; with everything measured t is 0.
  const t = measured.length === flows.length && flows.length > 0 ? 0 : Math.tan(Math.acos(powerFactor));
  const s = ratingVa * share;
  if (s <= q) return 0;
  const a = 1 + t * t;
  const p = (-q * t + Math.sqrt(q * q * t * t - a * (q * q - s * s))) / a;
  return Math.max(0, Math.floor(p));
}

/** What is wrong with a transformer's own figures: place, value, expectation; null if nothing. */
export function transformerProblem(t: Transformer): string | null {
  if (!isRating(t.ratingVa)) return `ratingVa: found ${t.ratingVa}, expected VA > 0`;
  const pf = t.powerFactorAssumed;
  if (!(pf > 0 && pf <= 1)) return `powerFactorAssumed: found ${pf}, expected > 0 and ≤ 1`;
  if (t.siteIds.length > SITES_PER_TRANSFORMER_MAX) {
    return `siteIds: found ${t.siteIds.length}, expected at most ${SITES_PER_TRANSFORMER_MAX}`;
  }
  const twice = t.siteIds.find((id, i) => t.siteIds.indexOf(id) !== i);
  return twice === undefined ? null : `siteIds: found ${twice} twice, expected each site once`;
}

export const feederProblem = (f: Feeder): string | null =>
  f.ratingVa === null || isRating(f.ratingVa)
    ? null
    : `ratingVa: found ${f.ratingVa}, expected VA > 0, or null where none is known`;

const isRating = (va: number): boolean => Number.isFinite(va) && va > 0;

export type TopologyFact =
  /** New, or the whole of it anew. */
  | { readonly type: 'topology.feeder-set'; readonly feeder: Feeder; readonly actor: string }
  | { readonly type: 'topology.transformer-set'; readonly transformer: Transformer; readonly actor: string }
  | {
      readonly type: 'topology.feeder-removed';
      readonly workspaceId: string;
      readonly feederId: string;
      readonly actor: string;
    }
  | {
      readonly type: 'topology.transformer-removed';
      readonly workspaceId: string;
      readonly transformerId: string;
      readonly actor: string;
    };
