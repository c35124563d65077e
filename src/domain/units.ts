/**
 * Units and the one quantisation of the project.
 *
 * Power is metered in whole watts and time in whole milliseconds, so AC energy is an exact integer of
 * millijoules: 1 mJ = 1 W·ms. Sums of exact integers do not depend on order and a ledger over them closes to 0.
 * 1 Wh = 3 600 000 mJ. Number holds 9.007e15 mJ = 2 501 MWh exactly; larger sums take BigInt.
 */
export const MJ_PER_WH = 3_600_000;
export const MS_PER_MIN = 60_000;
export const MS_PER_HOUR = 3_600_000;
export const MS_PER_DAY = 86_400_000;

/** Milliseconds since 1970-01-01T00:00Z, an integer. */
export type EpochMs = number;

export const kwToW = (kw: number): number => Math.round(kw * 1000);
export const wToKw = (w: number): number => w / 1000;
export const kwhToMj = (kwh: number): number => Math.round(kwh * 1000 * MJ_PER_WH);
export const mjToWh = (mj: number): number => mj / MJ_PER_WH;
export const mjToKwh = (mj: number): number => mj / (MJ_PER_WH * 1000);
export const whToMj = (wh: number): number => Math.round(wh * MJ_PER_WH);

/**
 * Reads a cumulative register twice and returns the whole Wh between, so that consecutive intervals sum to the whole.
 * @param fromMj  register at the start [mJ]
 * @param toMj    register at the end [mJ]
 * @returns       floor(to) − floor(from) [Wh]
 */
export const whBetween = ({ fromMj, toMj }: { fromMj: number; toMj: number }): number =>
  Math.floor(toMj / MJ_PER_WH) - Math.floor(fromMj / MJ_PER_WH);

/**
 * Splits a whole number into whole parts in proportion to weights, by largest remainder (ties: lower index).
 * @param total    integer ≥ 0
 * @param weights  each ≥ 0; if all are 0 every part is 0
 * @returns        integers ≥ 0 that sum to total (or to 0)
 */
export function splitWhole(total: number, weights: readonly number[]): number[] {
  const sum = weights.reduce((a, b) => a + b, 0);
  if (sum <= 0) return weights.map(() => 0);
  const exact = weights.map((w) => (total * w) / sum);
  const parts = exact.map(Math.floor);
  let left = total - parts.reduce((a, b) => a + b, 0);
  const order = exact.map((x, i) => ({ i, rest: x - Math.floor(x) })).sort((a, b) => b.rest - a.rest || a.i - b.i);
  for (const { i } of order) {
    if (left <= 0) break;
    if ((weights[i] ?? 0) <= 0) continue;
    parts[i] = (parts[i] ?? 0) + 1;
    left -= 1;
  }
  return parts;
}

export const clamp = (x: number, min: number, max: number): number => (x < min ? min : x > max ? max : x);
