import type { PriceTest } from '../domain/automation.ts';
import { compares } from '../domain/sample.ts';
import { type EpochMs, MS_PER_DAY } from '../domain/units.ts';
import { type CoreState, type PriceSeries, priceKey } from './state.ts';

/** Prices of a node as steps of equal length: what is published later takes the place of what it covers. */

/** What is older than this is not kept: rules ask for now and later [ms]. */
const KEEP_MS = 2 * MS_PER_DAY;
const VALUES_MAX = 20_000;

/** The known series with a newer block in it. Blocks that do not fit (other step, far apart) replace it. */
export function joinPrices(known: PriceSeries | undefined, block: PriceSeries, nowMs: EpochMs): PriceSeries {
  const { startMs, stepMs, usdPerMwh } = block;
  const newer: PriceSeries = { startMs, stepMs, usdPerMwh };
  if (known === undefined || known.stepMs !== stepMs || (startMs - known.startMs) % stepMs !== 0) return newer;
  const firstMs = Math.max(Math.min(known.startMs, startMs), Math.min(startMs, nowMs - KEEP_MS));
  const from = firstMs + ((((startMs - firstMs) % stepMs) + stepMs) % stepMs);
  const toMs = Math.max(endOf(known), endOf(newer));
  const count = Math.round((toMs - from) / stepMs);
  if (count > VALUES_MAX) return newer;
  const values = Array.from({ length: count }, (_, i) => {
    const t = from + i * stepMs;
    return t >= startMs && t < endOf(newer) ? priceAt(newer, t) : priceAt(known, t);
  });
  return { startMs: from, stepMs, usdPerMwh: values };
}

/** The prices that a workspace goes by: its own at this node, else the market's. */
export const pricesFor = (
  { prices }: CoreState,
  workspaceId: string,
  { node, market }: Pick<PriceTest, 'node' | 'market'>,
): PriceSeries | undefined => prices.get(priceKey(node, market, workspaceId)) ?? prices.get(priceKey(node, market));

export const endOf = (s: PriceSeries): EpochMs => s.startMs + s.usdPerMwh.length * s.stepMs;

/** The price that holds at an instant [$/MWh]; null = not known. */
export function priceAt(s: PriceSeries | undefined, atMs: EpochMs): number | null {
  if (s === undefined) return null;
  return s.usdPerMwh[Math.floor((atMs - s.startMs) / s.stepMs)] ?? null;
}

/** The first step after an instant whose known price answers the test otherwise than `holds`; null if there is none. */
export function nextChange(
  s: PriceSeries | undefined,
  test: PriceTest,
  at: { readonly nowMs: EpochMs; readonly holds: boolean },
): EpochMs | null {
  if (s === undefined) return null;
  const first = Math.max(0, Math.floor((at.nowMs - s.startMs) / s.stepMs) + 1);
  for (let i = first; i < s.usdPerMwh.length; i++) {
    const price = s.usdPerMwh[i] ?? null;
    if (price !== null && compares(price, test.comparison, test.usdPerMwh) !== at.holds)
      return s.startMs + i * s.stepMs;
  }
  return null;
}
