/**
 * Charging of an electric vehicle. Two stages: constant power up to where the battery limits it, then a power that
 * falls linearly with the state of charge s from taperFrom to 0 at full:
 *
 *   P = min(pilot, battery · (1 − s) / (1 − taperFrom)),   d stored / dt = P        (power at the battery, after losses)
 *
 * so the store rises in a straight line and then comes nearer to full by e^(−kt), k = battery / ((1 − taperFrom) ·
 * capacity). Charging ends at the owner's limit, or when the taper has fallen to cutoffRatio of the battery's power,
 * because an exponential never arrives. On the AC side stands the same energy divided by one efficiency.
 * Left out: temperature, steps of the pilot current, drain while parked, discharge to the grid.
 *
 * Arithmetic. Energy is whole mJ (1 W·ms). The store is a function of the time since charging began at an anchor, cut
 * to whole mJ, and the AC register a function of the cumulative energy taken in alone, so that it does not matter who
 * reads the device in between: registers come out the same to the mJ, and charge = stored gain + loss exactly.
 *
 * @source two-stage curve: acnportal Linear2StageBattery, its tests pin 85.472401268812 kWh (14e723b, read). Assumed:
 *         the cut-off ratio
 */
import { InputError, type InputProblem, show } from '../../src/domain/errors.ts';
import { clamp, whToMj } from '../../src/domain/units.ts';

export interface EvSpec {
  /** > 0 [Wh] */
  readonly capacityWh: number;
  /** Limits on AC power of the charger on the wall and of the vehicle, whole, > 0 [W]. */
  readonly chargerWMax: number;
  readonly vehicleWMax: number;
  /** AC to battery, 0 < ratio ≤ 1. */
  readonly chargeRatio: number;
  /** Where the taper begins [% of capacity]; 100 = none. */
  readonly taperFromPct: number;
  /** Charging ends when the taper is down to this part of the vehicle's power, 0 < ratio < 1. */
  readonly cutoffRatio: number;
}

/** A mid-size car at a 7.2 kW wall charger. Assumed, all of it. */
export const USUAL_EV: EvSpec = {
  capacityWh: 75_000,
  chargerWMax: 7_200,
  vehicleWMax: 11_000,
  chargeRatio: 0.9,
  taperFromPct: 80,
  cutoffRatio: 0.05,
};

/** The charging curve of a spec, in W, ms and mJ at the battery. */
export interface Curve {
  readonly capacityMj: number;
  /** Power in the first stage at the battery [W]. */
  readonly pilotW: number;
  /** Store at which the taper takes over [mJ]. */
  readonly kneeMj: number;
  /** Of the exponential [1/ms]; 0 = no taper. */
  readonly ratePerMs: number;
  /** Store at which the taper has fallen to the cut-off, or capacity [mJ], whole. */
  readonly cutoffMj: number;
}

/** @throws InputError naming each field that is out of range */
export function curveOf(spec: EvSpec, place: string): Curve {
  const problems = problemsOf(spec, place);
  if (problems.length > 0) throw new InputError(problems);
  const capacityMj = whToMj(spec.capacityWh);
  const batteryW = spec.vehicleWMax * spec.chargeRatio;
  const pilotW = Math.min(spec.vehicleWMax, spec.chargerWMax) * spec.chargeRatio;
  const open = 1 - spec.taperFromPct / 100;
  if (open === 0) return { capacityMj, pilotW, kneeMj: capacityMj, ratePerMs: 0, cutoffMj: capacityMj };
  return {
    capacityMj,
    pilotW,
    kneeMj: capacityMj * (1 - (open * pilotW) / batteryW),
    ratePerMs: batteryW / (open * capacityMj),
    cutoffMj: Math.floor(capacityMj * (1 - open * spec.cutoffRatio)),
  };
}

function problemsOf(spec: EvSpec, place: string): InputProblem[] {
  const wrong = (field: keyof EvSpec, ok: boolean, expected: string): InputProblem[] =>
    ok ? [] : [{ source: 'appliance fleet', place: `${place}.${field}`, value: show(spec[field]), expected }];
  const watts = (w: number): boolean => Number.isSafeInteger(w) && w > 0;
  return [
    ...wrong('capacityWh', spec.capacityWh > 0 && spec.capacityWh <= 1e6, 'energy > 0, at most 1 MWh, in Wh'),
    ...wrong('chargerWMax', watts(spec.chargerWMax), 'a whole number of W, > 0'),
    ...wrong('vehicleWMax', watts(spec.vehicleWMax), 'a whole number of W, > 0'),
    ...wrong('chargeRatio', spec.chargeRatio > 0 && spec.chargeRatio <= 1, 'a ratio in (0, 1]'),
    ...wrong('taperFromPct', spec.taperFromPct >= 0 && spec.taperFromPct <= 100, 'a percentage in 0..100'),
    ...wrong('cutoffRatio', spec.cutoffRatio > 0 && spec.cutoffRatio < 1, 'a ratio in (0, 1)'),
  ];
}

/** Where charging ends under the owner's limit, whole [mJ]. */
export const ceilingMj = (c: Curve, limitPct: number): number =>
  Math.min(c.cutoffMj, Math.floor((c.capacityMj * limitPct) / 100));

/**
 * @param storedMj  at the anchor
 * @param ms        of charging since, ≥ 0
 * @returns         the store, not cut by any limit [mJ], not whole
 */
export function storedAfter(c: Curve, storedMj: number, ms: number): number {
  const straightMs = Math.max(0, (c.kneeMj - storedMj) / c.pilotW);
  if (ms <= straightMs || c.ratePerMs === 0) return storedMj + c.pilotW * ms;
  const fromMj = Math.max(storedMj, c.kneeMj);
  return c.capacityMj - (c.capacityMj - fromMj) * Math.exp(-c.ratePerMs * (ms - straightMs));
}

/** Whole energy taken in since the anchor, at most up to the ceiling [mJ]. */
export const gainMj = (c: Curve, storedMj: number, ms: number, ceiling: number): number =>
  Math.max(0, Math.min(Math.floor(storedAfter(c, storedMj, ms) - storedMj), ceiling - storedMj));

/** Power at the battery at this store [W]. */
export const powerAt = (c: Curve, storedMj: number): number =>
  c.ratePerMs === 0 ? c.pilotW : clamp((c.capacityMj - storedMj) * c.ratePerMs, 0, c.pilotW);

/**
 * @returns the first ms after the anchor at which the ceiling is reached, ≥ 0. The closed form says where to look; the
 *          cut to whole mJ moves it by a ms or two.
 */
export function msUntilCeiling(c: Curve, storedMj: number, ceiling: number): number {
  if (storedMj >= ceiling) return 0;
  let ms = Math.max(1, Math.round(closedForm(c, storedMj, ceiling)));
  const reached = (t: number): boolean => gainMj(c, storedMj, t, ceiling) >= ceiling - storedMj;
  while (!reached(ms)) ms += 1;
  while (ms > 1 && reached(ms - 1)) ms -= 1;
  return ms;
}

function closedForm(c: Curve, storedMj: number, ceiling: number): number {
  const straightMs = Math.max(0, (Math.min(ceiling, c.kneeMj) - storedMj) / c.pilotW);
  if (ceiling <= c.kneeMj || c.ratePerMs === 0) return straightMs;
  const fromMj = Math.max(storedMj, c.kneeMj);
  return straightMs + Math.log((c.capacityMj - fromMj) / (c.capacityMj - ceiling)) / c.ratePerMs;
}

/** AC energy behind a whole cumulative energy at the battery, whole [mJ]; never falls as the register grows. */
export const acMjOf = (intoMj: number, chargeRatio: number): number => Math.ceil(intoMj / chargeRatio);
