/**
 * The plant's settings: analog outputs of AN2018-001 and the analog inputs that mirror them.
 *
 * The plant acts on reversion timeouts, limits, targets, ramp rates and states of charge. It has no priorities (the mode
 * enabled last rules), no random time windows, no enabling ramps, no choice of meters and no time constants: there only 0
 * is taken, and another value is refused as not supported instead of being kept without effect.
 * @source points and mirrors: VOLTTRON mesa_functions.yaml @releases/8.2 [S]; ranges: the same list, narrowed to what the
 *         plant can do
 */
export interface Setting {
  readonly output: number;
  readonly mirror: number;
  /** What one count of the point is. */
  readonly scale: 1 | 0.1;
  readonly min: number;
  readonly max: number;
  /** Value at the start. */
  readonly initial: number;
}

const REVERSION_S_MAX = 86_400;
/** Raw values of a rate go to 500 000 in the list: 50 000 % a second. */
const RATE_PCT_PER_S_MAX = 50_000;

const whole = (output: number, mirror: number, max: number): Setting => ({
  output,
  mirror,
  scale: 1,
  min: 0,
  max,
  initial: 0,
});
const none = (output: number, mirror: number): Setting => whole(output, mirror, 0);
const rate = (output: number, mirror: number): Setting => ({
  ...whole(output, mirror, RATE_PCT_PER_S_MAX),
  scale: 0.1,
});
const pct = (output: number, mirror: number, initial: number, min = 0): Setting => ({
  output,
  mirror,
  scale: 0.1,
  min,
  max: 100,
  initial,
});

export const OUTPUT = {
  limitReversion: 85,
  chargeLimit: 87,
  dischargeLimit: 88,
  percentReversion: 92,
  percentTarget: 93,
  percentRates: 96,
  reserveMin: 100,
  reserveMax: 101,
  agcReversion: 145,
  agcTarget: 146,
  agcRates: 149,
  agcSocMin: 153,
  agcSocMax: 154,
} as const;

export function plantSettings(plant: { chargeWMax: number; dischargeWMax: number; reservePct: number }): Setting[] {
  return [
    none(82, 142),
    none(83, 143),
    none(84, 144),
    whole(OUTPUT.limitReversion, 145, REVERSION_S_MAX),
    none(86, 146),
    pct(OUTPUT.chargeLimit, 148, 100),
    pct(OUTPUT.dischargeLimit, 149, 100),
    none(89, 150),
    none(90, 151),
    none(91, 152),
    whole(OUTPUT.percentReversion, 153, REVERSION_S_MAX),
    pct(OUTPUT.percentTarget, 154, 0, -100),
    none(94, 155),
    none(95, 156),
    ...[0, 1, 2, 3].map((i) => rate(OUTPUT.percentRates + i, 157 + i)),
    pct(OUTPUT.reserveMin, 161, plant.reservePct),
    pct(OUTPUT.reserveMax, 162, 100),
    none(142, 209),
    none(143, 210),
    none(144, 211),
    whole(OUTPUT.agcReversion, 212, REVERSION_S_MAX),
    { output: OUTPUT.agcTarget, mirror: 213, scale: 1, min: -plant.chargeWMax, max: plant.dischargeWMax, initial: 0 },
    none(147, 214),
    none(148, 215),
    ...[0, 1, 2, 3].map((i) => rate(OUTPUT.agcRates + i, 216 + i)),
    pct(OUTPUT.agcSocMin, 220, 0),
    pct(OUTPUT.agcSocMax, 221, 100),
  ];
}
