import type { Award, Bid, DailyWindow, EventInterval, Program } from '../domain/program.ts';
import { isoUtc, localClock } from '../domain/time.ts';
import { type EpochMs, MS_PER_MIN } from '../domain/units.ts';
import type { Context } from './context.ts';
import { offerEvent } from './incentives.ts';
import type { CoreInput } from './input.ts';
import { bidKey } from './state.ts';

/** Markets: prices call events, bids are submitted, awards are dispatched. */

/**
 * Keeps a price series [$/MWh, null = gap]; day-ahead ones call the events of programs that a price triggers: with a
 * workspace those of its programs, without one (the market's) those of all.
 */
export function publishPrices(ctx: Context, p: Omit<Extract<CoreInput, { kind: 'publish-prices' }>, 'kind'>): void {
  ctx.emit({ type: 'prices.published', ...p });
  if (p.market !== 'day-ahead') return;
  for (const program of ctx.state.programs.values()) {
    if (program.node !== p.node || program.trigger.kind !== 'day-ahead-price') continue;
    if (p.workspaceId === undefined || p.workspaceId === program.workspaceId) {
      callByPrice(ctx, program, program.trigger, p);
    }
  }
}

function callByPrice(
  ctx: Context,
  program: Program,
  trigger: { readonly thresholdUsdPerMwh: number; readonly window: DailyWindow },
  p: { readonly startMs: EpochMs; readonly stepMs: number; readonly usdPerMwh: readonly (number | null)[] },
): void {
  const hours: EventInterval[] = [];
  p.usdPerMwh.forEach((price, i) => {
    const startMs = p.startMs + i * p.stepMs;
    if (price === null || !(price >= trigger.thresholdUsdPerMwh) || startMs < ctx.nowMs) return;
    if (!inWindow(startMs, program.timeZone, trigger.window)) return;
    hours.push({ startMs, endMs: startMs + p.stepMs, targetW: program.nominatedW, priceUsdPerMwh: price });
  });
  const calledBy = `day-ahead price ≥ ${trigger.thresholdUsdPerMwh} $/MWh`;
  for (const run of adjacent(hours)) {
    offerEvent(ctx, { programId: program.programId, kind: 'dispatch', calledBy, intervals: run });
  }
}

/** Whether a local wall-clock time lies in [start, end); a window that ends before it starts runs over midnight. */
export function inWindow(atMs: EpochMs, timeZone: string, window: DailyWindow): boolean {
  const clock = localClock(atMs, timeZone);
  const [begun, over] = [window.start <= clock, window.end <= clock];
  return window.start <= window.end ? begun && !over : begun || !over;
}

/** Groups intervals that touch. */
function adjacent(intervals: readonly EventInterval[]): EventInterval[][] {
  const runs: EventInterval[][] = [];
  for (const i of intervals) {
    const last = runs[runs.length - 1];
    if (last !== undefined && last[last.length - 1]?.endMs === i.startMs) last.push(i);
    else runs.push([i]);
  }
  return runs;
}

/** Takes a bid for one local hour that has not begun, where awards call events; a newer one replaces the whole curve. */
export function submitBid(ctx: Context, bid: Bid): void {
  const program = ctx.state.programs.get(bid.programId);
  if (program === undefined) return ctx.refuse('bid', `${bid.programId}: no such program`, 'unknown');
  if (program.trigger.kind !== 'day-ahead-award')
    return ctx.refuse('bid', `${bid.programId} has the trigger ${program.trigger.kind}: no award calls it`, 'invalid');
  if (bid.startMs % MS_PER_MIN !== 0 || !localClock(bid.startMs, program.timeZone).endsWith(':00'))
    return ctx.refuse('bid', `${isoUtc(bid.startMs)} begins no hour in ${program.timeZone}`, 'invalid');
  if (bid.startMs <= ctx.nowMs)
    return ctx.refuse('bid', `the hour at ${isoUtc(bid.startMs)} has begun: its market is closed`);
  const why = curveObstacle(bid);
  if (why !== null) return ctx.refuse('bid', why, 'invalid');
  ctx.emit({ type: 'bid.submitted', bid });
}

/** A curve ascends in price and does not fall in quantity (Leap bids: ascending [{price, quantity}]). */
function curveObstacle(bid: Bid): string | null {
  let price = Number.NEGATIVE_INFINITY;
  let quantity = 0;
  for (const s of bid.steps) {
    if (!(s.priceUsdPerMwh > price)) return `price ${s.priceUsdPerMwh} does not ascend`;
    if (!Number.isInteger(s.quantityW) || s.quantityW < quantity)
      return `quantity ${s.quantityW} W falls or is not whole`;
    price = s.priceUsdPerMwh;
    quantity = s.quantityW;
  }
  return bid.steps.length === 0 ? 'an empty curve bids nothing' : null;
}

/**
 * The market's answer for hours in order of time. Adjacent awarded hours of a program become one event. An award without
 * a bid, over what was offered at its price, or for an hour that has its award already, is refused by itself.
 */
export function takeAwards(ctx: Context, awards: readonly Award[]): void {
  const taken = new Map<string, EventInterval[]>();
  for (const award of awards) {
    const { programId, startMs, endMs, awardedW: targetW, priceUsdPerMwh } = award;
    const why = awardObstacle(ctx, award);
    if (why !== null) {
      ctx.refuse('award', why);
      continue;
    }
    ctx.emit({ type: 'bid.awarded', award });
    if (targetW <= 0) continue;
    taken.set(programId, [...(taken.get(programId) ?? []), { startMs, endMs, targetW, priceUsdPerMwh }]);
  }
  for (const [programId, hours] of taken) {
    for (const intervals of adjacent(hours)) {
      offerEvent(ctx, { programId, kind: 'dispatch', calledBy: 'day-ahead award', intervals });
    }
  }
}

function awardObstacle(ctx: Context, award: Award): string | null {
  const { programId, startMs, awardedW, priceUsdPerMwh } = award;
  const bid = ctx.state.bids.get(bidKey(programId, startMs));
  if (bid === undefined) return `no bid of ${programId} stands for the hour at ${isoUtc(startMs)}`;
  if (ctx.state.awards.some((a) => a.programId === programId && a.startMs === startMs))
    return `${programId} has its award for the hour at ${isoUtc(startMs)}`;
  const offered = bid.steps.filter((s) => s.priceUsdPerMwh <= priceUsdPerMwh);
  const offeredW = offered[offered.length - 1]?.quantityW ?? 0;
  return awardedW <= offeredW
    ? null
    : `${awardedW} W is more than the ${offeredW} W offered at ${priceUsdPerMwh} $/MWh`;
}
