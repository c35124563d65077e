import type { ReportReading } from '../domain/fact.ts';
import { eventEndMs, eventStartMs } from '../domain/program.ts';
import { isoUtc } from '../domain/time.ts';
import { withdraw } from './commands.ts';
import type { Context } from './context.ts';
import type { EventOffer } from './input.ts';

/**
 * Incentive events: a partner registers resources, is offered events, may decline any of them without penalty, and
 * reports. An event of kind "incentive" never becomes a command: the partner decides (promise S23).
 */
export function registerResource(
  ctx: Context,
  r: {
    readonly resourceId: string;
    readonly partnerId: string;
    readonly programId: string;
    readonly deviceIds: readonly string[];
  },
): void {
  if (ctx.state.resources.has(r.resourceId)) return ctx.refuse('register-resource', `${r.resourceId} exists`);
  if (!ctx.state.programs.has(r.programId))
    return ctx.refuse('register-resource', `${r.programId}: no such program`, 'unknown');
  const unknown = r.deviceIds.find((id) => !ctx.state.devices.has(id));
  if (unknown !== undefined) return ctx.refuse('register-resource', `${unknown}: no such device`, 'unknown');
  ctx.emit({
    type: 'resource.registered',
    resourceId: r.resourceId,
    partnerId: r.partnerId,
    programId: r.programId,
    deviceIds: r.deviceIds,
  });
}

/** Offers an event and returns its id, or refuses it and returns null. Intervals touch, in order of time; power in W. */
export function offerEvent(ctx: Context, offer: EventOffer): string | null {
  const why = offerObstacle(ctx, offer);
  if (why !== null) {
    ctx.refuse('offer-event', why);
    return null;
  }
  const eventId = offer.eventId ?? `evt-${ctx.state.counters.event + 1}`;
  ctx.emit({ type: 'event.offered', event: { ...offer, eventId } });
  return eventId;
}

function offerObstacle(ctx: Context, offer: EventOffer): string | null {
  if (!ctx.state.programs.has(offer.programId)) return `${offer.programId}: no such program`;
  if (offer.eventId !== undefined && ctx.state.events.has(offer.eventId))
    return `${offer.eventId}: an event of this id exists`;
  if (offer.intervals.length === 0) return 'an event needs at least one interval';
  let endMs = Number.NEGATIVE_INFINITY;
  for (const i of offer.intervals) {
    if (!(i.endMs > i.startMs)) return `interval at ${i.startMs} ends before it starts`;
    if (i.startMs < endMs) return `interval at ${i.startMs} overlaps the one before`;
    if (endMs !== Number.NEGATIVE_INFINITY && i.startMs > endMs) return `a gap before the interval at ${i.startMs}`;
    if (!Number.isInteger(i.targetW) || i.targetW < 0) return `target ${i.targetW} W is not a whole number ≥ 0`;
    endMs = i.endMs;
  }
  if (endMs <= ctx.nowMs) return 'the event is in the past';
  return overlapping(ctx, offer, endMs);
}

function overlapping(ctx: Context, offer: EventOffer, endMs: number): string | null {
  const startMs = offer.intervals[0]?.startMs ?? 0;
  for (const { event, status } of ctx.state.events.values()) {
    if (event.programId !== offer.programId || status === 'cancelled' || status === 'ended') continue;
    if (eventStartMs(event) < endMs && startMs < eventEndMs(event))
      return `overlaps ${event.eventId} of the same program`;
  }
  return null;
}

/** A resource declines, or changes its mind. Its running commands of the event are taken back; there is no penalty. */
export function answerEvent(
  ctx: Context,
  a: {
    readonly eventId: string;
    readonly resourceId: string;
    readonly answer: 'opt-in' | 'opt-out';
    readonly by: string;
  },
): void {
  const event = ctx.state.events.get(a.eventId);
  const resource = ctx.state.resources.get(a.resourceId);
  if (event === undefined) return ctx.refuse('answer-event', `${a.eventId}: no such event`, 'unknown');
  if (resource === undefined) return ctx.refuse('answer-event', `${a.resourceId}: no such resource`, 'unknown');
  if (resource.programId !== event.event.programId)
    return ctx.refuse('answer-event', `${a.resourceId} is not in the program of ${a.eventId}`);
  if (event.status === 'ended' || event.status === 'cancelled')
    return ctx.refuse('answer-event', `${a.eventId} is ${event.status}`);
  ctx.emit({ type: 'event.answered', eventId: a.eventId, resourceId: a.resourceId, answer: a.answer, by: a.by });
  if (a.answer === 'opt-in') return;
  for (const id of resource.deviceIds) {
    const open = ctx.state.devices.get(id)?.openCommandId ?? null;
    const cause = open === null ? undefined : ctx.state.commands.get(open)?.command.cause;
    if (open !== null && cause?.kind === 'dispatch' && cause.eventId === a.eventId)
      withdraw(ctx, open, 'opted_out', `${a.by} opted out`);
  }
}

export function startEvent(ctx: Context, eventId: string): void {
  if (ctx.state.events.get(eventId)?.status === 'offered') ctx.emit({ type: 'event.started', eventId });
}

export function endEvent(ctx: Context, eventId: string): void {
  if (ctx.state.events.get(eventId)?.status === 'started') ctx.emit({ type: 'event.ended', eventId });
}

/** Calls an event off; commands of it are taken back. A second time it changes nothing; after the end it is refused. */
export function cancelEvent(ctx: Context, eventId: string, by: string): void {
  const entry = ctx.state.events.get(eventId);
  if (entry === undefined || entry.status === 'ended')
    return ctx.refuse('cancel-event', `${eventId} is ${entry?.status ?? 'unknown'}`);
  if (entry.status === 'cancelled') return;
  ctx.emit({ type: 'event.cancelled', eventId, by });
  for (const { openCommandId } of ctx.state.devices.values()) {
    if (openCommandId === null) continue;
    const cause = ctx.state.commands.get(openCommandId)?.command.cause;
    if (cause?.kind === 'dispatch' && cause.eventId === eventId)
      withdraw(ctx, openCommandId, 'event_cancelled', `event cancelled by ${by}`);
  }
}

/** Takes a partner's readings [Wh]; refused whole if one of them is no reading. */
export function takeReport(
  ctx: Context,
  r: {
    readonly reportId: string;
    readonly resourceId: string;
    readonly eventId: string | null;
    readonly readings: readonly ReportReading[];
  },
): void {
  if (!ctx.state.resources.has(r.resourceId))
    return ctx.refuse('report', `${r.resourceId}: no such resource`, 'unknown');
  if (r.eventId !== null && !ctx.state.events.has(r.eventId))
    return ctx.refuse('report', `${r.eventId}: no such event`, 'unknown');
  const bad = r.readings.find((x) => !(x.endMs > x.startMs) || !Number.isFinite(x.usageWh));
  if (bad !== undefined) return ctx.refuse('report', `reading at ${bad.startMs}: not an interval with a finite energy`);
  const ahead = r.readings.find((x) => x.endMs > ctx.nowMs);
  if (ahead !== undefined)
    return ctx.refuse('report', `the interval that ends ${isoUtc(ahead.endMs)} is not over`, 'invalid');
  ctx.emit({
    type: 'report.received',
    reportId: r.reportId,
    resourceId: r.resourceId,
    eventId: r.eventId,
    readings: r.readings,
  });
}
