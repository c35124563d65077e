import type { DevicePerformance } from '../src/domain/fact.ts';
import { MS_PER_HOUR, splitWhole } from '../src/domain/units.ts';
import type { CollectedCommand, CollectedEvent, CollectedSite, Collection, Span } from './collection.ts';
import { overlapMs } from './collection.ts';
import { type CellEnergy, meterRows, ratioOf, sumEnergy, wholeWh } from './energy.ts';
import type {
  DerivedMeasure,
  DeviceEventMeasure,
  EnergyTotals,
  EventMeasure,
  GroupMeasure,
  IntervalMeasure,
  ShortfallReason,
} from './measureTypes.ts';
import { type EventPlan, planOf } from './plan.ts';
import type { PriceBook } from './seriesMeasures.ts';
import { Attribution, attributePlanning, reasonOf } from './shortfall.ts';

/** How long the rebound after an event is watched; it ends earlier when another event begins. */
const SNAPBACK_MS = 2 * MS_PER_HOUR;

export interface EventContext {
  readonly c: Collection;
  readonly grid: { readonly startMs: number; readonly stepMs: number };
  /** Every site's intervals in order of time, by site and start. */
  readonly energies: ReadonlyMap<string, ReadonlyMap<number, CellEnergy>>;
  readonly prices: PriceBook;
}

interface Planned {
  readonly e: CollectedEvent;
  readonly plan: EventPlan;
}

/**
 * Measures all events together: where two events claim the same device in the same interval, its energy is split in
 * proportion to what each had allocated to it (all to the first, if neither had), so that nothing counts twice.
 */
export function measureEvents(context: EventContext): EventMeasure[] {
  const planned = [...context.c.events.values()].map((e) => ({ e, plan: planOf(e, context.grid) }));
  const claims = claimsOf(planned);
  return planned.map((p) => measureEvent(context, p, claims, planned));
}

type Claims = ReadonlyMap<string, readonly { readonly eventId: string; readonly weight: number }[]>;

function claimsOf(planned: readonly Planned[]): Claims {
  const claims = new Map<string, { eventId: string; weight: number }[]>();
  for (const { e, plan } of planned) {
    for (const row of plan.rows) {
      for (const deviceId of plan.members) {
        const key = `${row.startMs}/${deviceId}`;
        const list = claims.get(key) ?? [];
        list.push({ eventId: e.event.eventId, weight: row.allocatedMj.get(deviceId) ?? 0 });
        claims.set(key, list);
      }
    }
  }
  return claims;
}

/** This event's part of a device's interval. */
function share(energy: CellEnergy, claims: Claims, eventId: string, deviceId: string): EnergyTotals {
  const list = claims.get(`${energy.cell.startMs}/${deviceId}`) ?? [];
  const i = list.findIndex((x) => x.eventId === eventId);
  const weights = list.map((x) => x.weight);
  const shares = weights.every((w) => w === 0) ? weights.map((_, k) => (k === 0 ? 1 : 0)) : weights;
  const part = (wh: number): number => (splitWhole(Math.abs(wh), shares)[i] ?? 0) * Math.sign(wh) + 0;
  const meteredWh = part(energy.meteredWh);
  const deliveredWh = part(energy.deliveredWh);
  const stormWh = part(energy.stormWh);
  return { targetWh: 0, plannedWh: 0, meteredWh, deliveredWh, stormWh, baselineWh: meteredWh + deliveredWh + stormWh };
}

function measureEvent(
  context: EventContext,
  { e, plan }: Planned,
  claims: Claims,
  all: readonly Planned[],
): EventMeasure {
  const attribution = new Attribution();
  for (const row of plan.rows) attributePlanning(attribution, row);
  const rows = plan.rows.map((): EnergyTotals[] => []);
  let unmeasuredCells = 0;
  const snapback = snapbackRows(context, e, all);
  const devices = [...plan.members].map((deviceId) => {
    const d = measureDevice(context, { e, plan }, claims, deviceId, { attribution, rows, snapback });
    unmeasuredCells += d.unmeasured;
    return d.measure;
  });
  const intervals = plan.rows.map((row, i): IntervalMeasure => {
    const energy = sumEnergy(rows[i] ?? []);
    const priceUsdPerMwh = context.prices.dayAhead(row.startMs, programNode(context, e));
    return { startMs: row.startMs, endMs: row.endMs, ...energy, targetWh: row.targetWh, priceUsdPerMwh };
  });
  const totals = sumEnergy(intervals);
  return {
    ...header(e),
    ...totals,
    ratio: ratioOf(totals.deliveredWh, totals.targetWh),
    ...money(context, e, intervals, totals.deliveredWh),
    intervals,
    groups: groupsOf(devices),
    devices,
    shortfall: attribution.result(),
    reasons: attribution.byReason(),
    snapbackWh: snapback.reduce((sum, r) => sum + r.wh, 0),
    snapbackPeakW: snapback.reduce((max, r) => Math.max(max, (r.wh * MS_PER_HOUR) / (r.endMs - r.startMs)), 0),
    derived: derivedOf(e),
    unmeasuredCells,
  };
}

const header = (e: CollectedEvent) => ({
  eventId: e.event.eventId,
  programId: e.event.programId,
  kind: e.event.kind,
  calledBy: e.event.calledBy,
  status: e.status,
  startMs: e.startMs,
  endMs: e.endMs,
});

const programNode = ({ c }: EventContext, e: CollectedEvent): string | null =>
  c.programs.get(e.event.programId)?.node ?? null;

interface Tables {
  readonly attribution: Attribution;
  /** Device parts of each interval, to be summed. */
  readonly rows: readonly EnergyTotals[][];
  readonly snapback: readonly (Span & { wh: number })[];
}

function measureDevice(
  context: EventContext,
  { e, plan }: Planned,
  claims: Claims,
  deviceId: string,
  into: Tables,
): { readonly measure: DeviceEventMeasure; readonly unmeasured: number } {
  const { c } = context;
  const siteId = c.siteOfDevice.get(deviceId) ?? '';
  const site = c.sites.get(siteId);
  const energies = context.energies.get(siteId);
  const commands = commandsOf(c, e.event.eventId, deviceId);
  const missing = new Map<ShortfallReason, number>();
  const parts: EnergyTotals[] = [];
  let stormMs = 0;
  let rechargeMj = 0;
  let unmeasured = 0;
  plan.rows.forEach((row, i) => {
    const energy = energies?.get(row.startMs) ?? null;
    const plannedWh = row.plannedWh.get(deviceId) ?? 0;
    const part = { ...(energy === null ? sumEnergy([]) : share(energy, claims, e.event.eventId, deviceId)), plannedWh };
    if (energy === null || !energy.measured) unmeasured += 1;
    stormMs += energy?.cell.metered?.stormMs ?? 0;
    rechargeMj += energy?.rechargeMj ?? 0;
    const wh = plannedWh - part.deliveredWh;
    const { deliveredWh } = part;
    const delivery = { deviceId, siteId, row, plannedWh, deliveredWh, energy, commands, ...floorOf(site) };
    if (wh !== 0) {
      const reason = reasonOf(delivery, c);
      into.attribution.add('delivery', reason, wh, [deviceId]);
      missing.set(reason, (missing.get(reason) ?? 0) + wh);
    }
    parts.push(part);
    into.rows[i]?.push(part);
  });
  const totals = sumEnergy(parts);
  const measure: DeviceEventMeasure = {
    deviceId,
    siteId,
    group: site?.site.group ?? 'unknown',
    oem: site?.site.oem ?? 'unknown',
    ...totals,
    ratio: ratioOf(totals.deliveredWh, totals.plannedWh),
    stormMs,
    rechargeWh: wholeWh(rechargeMj),
    excluded: [...(plan.exclusions.get(deviceId) ?? [])].map(([reason, x]) => ({
      reason,
      durationMs: x.durationMs,
      capableWh: wholeWh(x.capableMj),
    })),
    missing: [...missing].map(([reason, wh]) => ({ reason, wh })).sort((a, b) => b.wh - a.wh),
    commandIds: commands.map((k) => k.commandId),
    snapbackWh: addSnapback(energies, into.snapback),
    ...derivedOfDevice(e.derived?.devices.find((d) => d.deviceId === deviceId)),
  };
  return { measure, unmeasured };
}

const floorOf = (site: CollectedSite | undefined) => ({
  reservePct: site?.site.reservePct ?? 0,
  usableMj: site?.site.usableMj ?? 0,
});

const derivedOfDevice = (d: DevicePerformance | undefined) => ({
  derivedWh: d?.deliveredWh ?? null,
  adjustment: d?.adjustment ?? null,
  adjustmentNote: d?.adjustmentNote ?? '',
});

function commandsOf(c: Collection, eventId: string, deviceId: string): CollectedCommand[] {
  return c.commandsByEvent(eventId).get(deviceId) ?? [];
}

function snapbackRows(
  { c, grid }: EventContext,
  e: CollectedEvent,
  all: readonly Planned[],
): (Span & { wh: number })[] {
  const later = all.map((p) => p.e.startMs).filter((startMs) => startMs >= e.endMs && startMs !== e.startMs);
  const endMs = Math.min(e.endMs + SNAPBACK_MS, ...later, c.run?.endMs ?? Number.POSITIVE_INFINITY);
  if (e.endMs <= e.startMs || endMs <= e.endMs) return [];
  return meterRows({ startMs: e.endMs, endMs }, grid)
    .filter((r) => r.startMs >= e.endMs && overlapMs(r, { startMs: e.endMs, endMs }) > 0)
    .map((r) => ({ ...r, wh: 0 }));
}

/** Metered − baseline after the event, storms left out; adds to the fleet's rows and returns the device's sum. */
function addSnapback(
  energies: ReadonlyMap<number, CellEnergy> | undefined,
  rows: readonly (Span & { wh: number })[],
): number {
  let sum = 0;
  for (const row of rows) {
    const wh = -(energies?.get(row.startMs)?.deliveredWh ?? 0) + 0;
    row.wh += wh;
    sum += wh;
  }
  return sum;
}

function money(context: EventContext, e: CollectedEvent, rows: readonly IntervalMeasure[], deliveredWh: number) {
  const program = context.c.programs.get(e.event.programId);
  const nominatedW = program?.nominatedW ?? 0;
  const hours = (e.endMs - e.startMs) / MS_PER_HOUR;
  const priced = rows.filter((r) => r.priceUsdPerMwh !== null);
  const energyValueUsd = priced.reduce((sum, r) => sum + (r.deliveredWh * (r.priceUsdPerMwh ?? 0)) / 1e6, 0);
  return {
    nominatedW,
    nominationRatio: nominatedW > 0 && hours > 0 ? deliveredWh / hours / nominatedW : null,
    paymentUsd: (Math.max(0, deliveredWh) * (program?.paymentUsdPerKwh ?? 0)) / 1000,
    energyValueUsd,
    unpricedWh: deliveredWh - priced.reduce((sum, r) => sum + r.deliveredWh, 0),
  };
}

function groupsOf(devices: readonly DeviceEventMeasure[]): GroupMeasure[] {
  const groups = new Map<string, DeviceEventMeasure[]>();
  for (const d of devices) {
    const list = groups.get(d.group) ?? [];
    list.push(d);
    groups.set(d.group, list);
  }
  return [...groups].map(([group, list]) => {
    const totals = sumEnergy(list);
    return { group, devices: list.length, ...totals, ratio: ratioOf(totals.deliveredWh, totals.plannedWh) };
  });
}

function derivedOf(e: CollectedEvent): DerivedMeasure | null {
  if (e.derived === null) return null;
  const known = e.derived.devices.filter((d) => d.deliveredWh !== null);
  return {
    method: e.derived.baselineMethod,
    deliveredWh: known.length === 0 ? null : known.reduce((sum, d) => sum + (d.deliveredWh ?? 0), 0),
    devicesWithBaseline: known.length,
    devicesWithoutBaseline: e.derived.devices.length - known.length,
  };
}
