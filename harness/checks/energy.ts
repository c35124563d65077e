import type { DeviceEventMeasure, EventMeasure } from '../../reports/measureTypes.ts';
import type { Expectation } from '../../scenarios/expect.ts';
import { instantAt } from '../../scenarios/times.ts';
import { localDateTime } from '../../src/domain/time.ts';
import { MJ_PER_WH } from '../../src/domain/units.ts';
import type { Evidence } from './evidence.ts';
import type { CheckContext, Judged } from './judged.ts';

/** Expectations about energy and who gave it, from the measures of the run. */

function eventsOf(x: { programId?: string; eventId?: string }, { measures }: CheckContext): EventMeasure[] {
  return measures.events.filter(
    (e) =>
      (x.eventId === undefined || e.eventId === x.eventId) &&
      (x.programId === undefined || e.programId === x.programId),
  );
}

const devicesOf = (events: readonly EventMeasure[], group: string | undefined): DeviceEventMeasure[] =>
  events.flatMap((e) => e.devices.filter((d) => group === undefined || d.group === group));

export function checkDelivered(x: Extract<Expectation, { kind: 'delivered' }>, ctx: CheckContext): Judged {
  const events = eventsOf(x, ctx);
  const { deliveredWh, requestedWh } = x.during === undefined ? whole(x, events) : within(x, events, ctx);
  const unknown =
    x.baseline === 'ten-in-ten' && x.during !== undefined ? 'ten-in-ten measures whole events only' : null;
  const ratio = requestedWh > 0 ? deliveredWh / requestedWh : Number.NaN;
  const bounds = [
    x.atLeastRatio === undefined ? null : `≥ ${x.atLeastRatio} of the request`,
    x.atMostRatio === undefined ? null : `≤ ${x.atMostRatio} of the request`,
    x.atLeastKwh === undefined ? null : `≥ ${x.atLeastKwh} kWh`,
  ].filter((b) => b !== null);
  const passed =
    events.length > 0 &&
    unknown === null &&
    (x.atLeastRatio === undefined || ratio >= x.atLeastRatio) &&
    (x.atMostRatio === undefined || ratio <= x.atMostRatio) &&
    (x.atLeastKwh === undefined || deliveredWh >= x.atLeastKwh * 1000);
  const share = Number.isNaN(ratio) ? 'no request' : `${(ratio * 100).toFixed(1)} % of ${kwh(requestedWh)}`;
  return {
    passed,
    expected: `delivered ${bounds.join(' and ')} (${x.baseline} baseline)`,
    found: unknown ?? foundWords(events, deliveredWh, share),
    where: [x.eventId ?? x.programId ?? 'all events', x.group].filter((w) => w !== undefined).join(', '),
    when: spanWords(x, events, ctx),
  };
}

function foundWords(events: readonly EventMeasure[], deliveredWh: number, share: string): string {
  if (events.length === 0) return 'no such event';
  return Number.isNaN(deliveredWh) ? 'no device has such a baseline' : `${kwh(deliveredWh)}, ${share}`;
}

const kwh = (wh: number): string => `${(wh / 1000).toFixed(1)} kWh`;

function spanWords(
  x: Extract<Expectation, { kind: 'delivered' }>,
  events: readonly EventMeasure[],
  ctx: CheckContext,
): string {
  const { timeZone } = ctx.evidence;
  if (x.during !== undefined) return `${x.during.from} to ${x.during.until}`;
  const [first, last] = [events[0], events[events.length - 1]];
  if (first === undefined || last === undefined) return 'never';
  return `${localDateTime(first.startMs, timeZone)} to ${localDateTime(last.endMs, timeZone)}`;
}

/** Over whole events. The target belongs to the fleet; of a group, what was planned for it is the request. */
function whole(x: Extract<Expectation, { kind: 'delivered' }>, events: readonly EventMeasure[]) {
  const devices = devicesOf(events, x.group);
  const requestedWh = x.group === undefined ? sum(events.map((e) => e.targetWh)) : sum(devices.map((d) => d.plannedWh));
  if (x.baseline === 'counterfactual') return { requestedWh, deliveredWh: sum(devices.map((d) => d.deliveredWh)) };
  const derived = devices.flatMap((d) => d.derivedWh ?? []);
  return { requestedWh, deliveredWh: derived.length === 0 ? Number.NaN : sum(derived) };
}

/** Over the event intervals that lie in a span of time; for one group from the meters themselves. */
function within(x: Extract<Expectation, { kind: 'delivered' }>, events: readonly EventMeasure[], ctx: CheckContext) {
  const fromMs = instantAt(ctx.scenario, x.during?.from ?? '+0min', 'from');
  const untilMs = instantAt(ctx.scenario, x.during?.until ?? '+0min', 'until');
  const inside = (s: { startMs: number; endMs: number }) => s.startMs >= fromMs && s.endMs <= untilMs;
  if (x.group === undefined) {
    const rows = events.flatMap((e) => e.intervals.filter(inside));
    return { requestedWh: sum(rows.map((i) => i.targetWh)), deliveredWh: sum(rows.map((i) => i.deliveredWh)) };
  }
  const ids = new Set(events.map((e) => e.eventId));
  const deliveredWh = meteredGainWh(ctx.evidence, events, x.group, inside);
  return { requestedWh: plannedWh(ctx.evidence, ids, x.group, inside), deliveredWh };
}

function plannedWh(
  e: Evidence,
  ids: ReadonlySet<string>,
  group: string,
  inside: (s: { startMs: number; endMs: number }) => boolean,
) {
  let mj = 0;
  for (const r of e.ordered) {
    if (r.kind !== 'fact' || r.fact.type !== 'dispatch.planned' || !ids.has(r.fact.dispatch.eventId)) continue;
    const { periodStartMs: startMs, periodEndMs: endMs, allocations } = r.fact.dispatch;
    if (!inside({ startMs, endMs })) continue;
    for (const a of allocations) {
      if (e.siteOfDevice.get(a.deviceId)?.group === group) mj += a.allocatedW * (endMs - startMs);
    }
  }
  return mj / MJ_PER_WH;
}

/** Counterfactual less metered grid energy of a group's sites, over the meter intervals of the events inside a span. */
function meteredGainWh(
  e: Evidence,
  events: readonly EventMeasure[],
  group: string,
  inside: (s: { startMs: number; endMs: number }) => boolean,
): number {
  let mj = 0;
  for (const m of e.meters) {
    // An interval touched by a storm counts neither for nor against a device, here as in the report.
    if (e.sites.get(m.siteId)?.group !== group || !inside(m) || m.stormMs > 0) continue;
    if (!events.some((v) => v.startMs <= m.startMs && m.endMs <= v.endMs)) continue;
    const without = e.counterfactual.get(`${m.siteId}@${m.startMs}`);
    if (without !== undefined) mj += without.importMj - without.exportMj - (m.importMj - m.exportMj);
  }
  return mj / MJ_PER_WH;
}

const sum = (xs: readonly number[]): number => xs.reduce((a, b) => a + b, 0);

const NOT_MEMBERS = new Set(['not_enrolled', 'enrollment_pending']);

export function checkParticipation(x: Extract<Expectation, { kind: 'participation' }>, ctx: CheckContext): Judged {
  const events = eventsOf(x, ctx);
  const approved = devicesOf(events, x.group).filter((d) => !d.excluded.some((r) => NOT_MEMBERS.has(r.reason)));
  const gave = approved.filter((d) => d.deliveredWh > 0).length;
  const share = approved.length === 0 ? 0 : gave / approved.length;
  return {
    passed: approved.length > 0 && share >= x.atLeastRatio,
    expected: `at least ${Math.round(x.atLeastRatio * 100)} % of the approved devices deliver`,
    found:
      approved.length === 0 ? 'no approved device' : `${gave} of ${approved.length} (${(share * 100).toFixed(1)} %)`,
    where: [x.eventId ?? x.programId ?? 'all events', x.group].filter((w) => w !== undefined).join(', '),
    when: events.length === 0 ? 'never' : 'in the events',
  };
}

export function checkShortfall(x: Extract<Expectation, { kind: 'shortfallAttributed' }>, ctx: CheckContext): Judged {
  const lines = eventsOf(x, ctx).flatMap((e) => e.shortfall);
  const missing = sum(lines.filter((l) => l.wh > 0).map((l) => l.wh));
  const mine = sum(lines.filter((l) => l.wh > 0 && l.reason === x.reason).map((l) => l.wh));
  const share = missing > 0 ? mine / missing : 0;
  return {
    passed: missing > 0 && share >= x.atLeastShare,
    expected: `at least ${Math.round(x.atLeastShare * 100)} % of what is missing is put down to ${x.reason}`,
    found: missing > 0 ? `${kwh(mine)} of ${kwh(missing)} (${(share * 100).toFixed(1)} %)` : 'nothing is missing',
    where: x.eventId ?? x.programId ?? 'all events',
    when: 'in the events',
  };
}
