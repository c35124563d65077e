import type { Scenario, ScenarioProgram } from '../../scenarios/schema.ts';
import type { Award, Bid } from '../../src/domain/program.ts';
import { localParts, startOfLocalDay } from '../../src/domain/time.ts';
import { type EpochMs, kwToW, MS_PER_HOUR } from '../../src/domain/units.ts';
import { type Series, valueAt } from '../../src/ports/series.ts';

/** The day-ahead market as far as one bidder sees it: bids go in, and each hour's clearing price decides. */

/** The bids of a program for every hour of the run that is still to come, in order of time. */
export function bidsOf(
  scenario: Scenario,
  program: ScenarioProgram,
  span: { startMs: EpochMs; endMs: EpochMs },
): Bid[] {
  const bids: Bid[] = [];
  for (let t = firstHour(span.startMs, scenario.timeZone); t + MS_PER_HOUR <= span.endMs; t += MS_PER_HOUR) {
    const ending = localParts(t, scenario.timeZone).hour + 1;
    const curve = program.bids.find((b) => b.hour === ending);
    if (curve === undefined) continue;
    const steps = curve.steps.map((s) => ({ priceUsdPerMwh: s.priceUsdPerMwh, quantityW: kwToW(s.quantityKw) }));
    bids.push({ programId: program.programId, startMs: t, steps });
  }
  return bids;
}

/** First full hour after the start: the market of a running hour is closed. */
function firstHour(startMs: EpochMs, timeZone: string): EpochMs {
  const day = startOfLocalDay(startMs, timeZone);
  return day + Math.floor((startMs - day) / MS_PER_HOUR + 1) * MS_PER_HOUR;
}

/**
 * Clears one bid as a price taker: the quantity of the last step whose price is at or below the clearing price.
 * A missing price clears nothing.
 */
export function clear(bid: Bid, dayAhead: Series): Award {
  const price = valueAt(dayAhead, bid.startMs);
  const taken = Number.isNaN(price) ? [] : bid.steps.filter((s) => s.priceUsdPerMwh <= price);
  return {
    programId: bid.programId,
    startMs: bid.startMs,
    endMs: bid.startMs + MS_PER_HOUR,
    awardedW: taken[taken.length - 1]?.quantityW ?? 0,
    priceUsdPerMwh: Number.isNaN(price) ? 0 : price,
  };
}
