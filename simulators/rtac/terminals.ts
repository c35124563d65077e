/**
 * What a meter at the plant's terminals sees of a power: a stiff grid behind a line and a step-up transformer.
 *
 *   V  = Vn · (1 + RISE · P/Pn)            the resistive part of the line; power into the bus lifts the voltage
 *   Q  = −X · (P/Pn)² · Pn                 the transformer's leakage takes reactive power with the square of the load
 *   S  = √(P² + Q²),  I = S / (√3 · V)
 *
 * Frequency is nominal: one plant does not move an interconnection. RISE and X are assumed, of the size that such plants
 * have. The battery's DC voltage falls in a straight line from full to empty, 1 300 V to 1 100 V (assumed).
 */
export interface Terminals {
  readonly voltageV: number;
  readonly frequencyHz: number;
  readonly reactiveVar: number;
  readonly apparentVa: number;
  readonly currentA: number;
  /** −1..1, the sign of the power. */
  readonly powerFactor: number;
}

const RISE = 0.02;
const X = 0.06;
const NOMINAL_HZ = 60;

/** @param at  powerW + discharge; ratedW and nominalV > 0 */
export function terminals(at: { powerW: number; ratedW: number; nominalV: number }): Terminals {
  const load = at.powerW / at.ratedW;
  const voltageV = at.nominalV * (1 + RISE * load);
  const reactiveVar = -X * load * load * at.ratedW;
  const apparentVa = Math.hypot(at.powerW, reactiveVar);
  return {
    voltageV,
    frequencyHz: NOMINAL_HZ,
    reactiveVar,
    apparentVa,
    currentA: apparentVa / (Math.sqrt(3) * voltageV),
    powerFactor: apparentVa === 0 ? 1 : at.powerW / apparentVa,
  };
}

/** @param socRatio  0..1 */
export const dcVoltageV = (socRatio: number): number => 1_100 + 200 * socRatio;
