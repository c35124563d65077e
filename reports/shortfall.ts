import type { EndReason } from '../src/domain/command.ts';
import { splitWhole } from '../src/domain/units.ts';
import { type CollectedCommand, type Collection, overlapMs, type Span } from './collection.ts';
import type { CellEnergy } from './energy.ts';
import type { EventMeasure, ReasonLine, ShortfallLine, ShortfallReason } from './measureTypes.ts';
import type { PlanRow } from './plan.ts';

/**
 * Why target and delivery differ. The lines sum exactly to target − delivered; nothing is netted away.
 *
 * Planning, for each meter interval: what the dispatch left open is laid on the devices it left out, in proportion to
 * what each reason's devices could have given, and never more than that; the rest is "fleet_too_small". Target in time
 * without a decision is "no_plan". A plan above its target is "over_delivery" (negative).
 *
 * Delivery, for each device and interval: asked − delivered goes to one reason, the first that the log shows:
 *   not measured; Storm Guard; a difference of at most 2 Wh or 2 % ("small_deviation", of either sign); given too much
 *   ("over_delivery", negative); nothing asked and yet more taken from the grid ("earlier_discharge": the battery had been
 *   emptied before and no longer covered its home); link of the site lost; the way its command ended; device offline; a
 *   late start that explains at least half; battery at its reserve; no effect or telemetry; no command; replaced by a
 *   command from elsewhere; else "effect_partly_seen".
 * Rounding of the plan is part of "small_deviation".
 */
export class Attribution {
  private readonly lines = new Map<
    string,
    { stage: 'planning' | 'delivery'; reason: ShortfallReason; wh: number; devices: Set<string> }
  >();

  add(stage: 'planning' | 'delivery', reason: ShortfallReason, wh: number, devices: Iterable<string> = []): void {
    if (wh === 0) return;
    const key = `${stage}/${reason}`;
    const line = this.lines.get(key) ?? { stage, reason, wh: 0, devices: new Set() };
    line.wh += wh;
    for (const d of devices) line.devices.add(d);
    this.lines.set(key, line);
  }

  /** Largest first; lines that came to 0 are left out. */
  result(): ShortfallLine[] {
    return [...this.lines.values()]
      .filter((l) => l.wh !== 0)
      .map((l) => ({ stage: l.stage, reason: l.reason, wh: l.wh, devices: l.devices.size }))
      .sort((a, b) => b.wh - a.wh);
  }

  /** Planning and delivery together. */
  byReason(): ReasonLine[] {
    const merged = new Map<ShortfallReason, { wh: number; devices: Set<string> }>();
    for (const { reason, wh, devices } of this.lines.values()) {
      const line = merged.get(reason) ?? { wh: 0, devices: new Set() };
      merged.set(reason, { wh: line.wh + wh, devices: new Set([...line.devices, ...devices]) });
    }
    return [...merged]
      .filter(([, l]) => l.wh !== 0)
      .map(([reason, l]) => ({ reason, wh: l.wh, devices: l.devices.size }))
      .sort((a, b) => b.wh - a.wh);
  }
}

/** Σ of the positive lines with this reason ÷ Σ of all positive lines; 0 when nothing is missing. */
export function shortfallShare(event: Pick<EventMeasure, 'shortfall'>, reason: ShortfallReason): number {
  const missing = event.shortfall.filter((l) => l.wh > 0);
  const all = missing.reduce((sum, l) => sum + l.wh, 0);
  const part = missing.filter((l) => l.reason === reason).reduce((sum, l) => sum + l.wh, 0);
  return all === 0 ? 0 : part / all;
}

export function attributePlanning(into: Attribution, row: PlanRow): void {
  into.add('planning', 'no_plan', row.noPlanWh);
  const plannedWh = [...row.plannedWh.values()].reduce((a, b) => a + b, 0);
  into.add('planning', 'small_deviation', row.targetWh - plannedWh - row.noPlanWh - row.gapWh);
  if (row.gapWh <= 0) {
    into.add('planning', 'over_delivery', row.gapWh);
    return;
  }
  const reasons = [...row.excludedWh];
  const weights = reasons.map(([, wh]) => wh);
  const capableWh = weights.reduce((a, b) => a + b, 0);
  const namedWh = Math.min(row.gapWh, capableWh);
  const parts = splitWhole(namedWh, weights);
  reasons.forEach(([reason], i) => {
    into.add('planning', reason, parts[i] ?? 0, row.excludedDevices.get(reason) ?? []);
  });
  into.add('planning', 'fleet_too_small', row.gapWh - namedWh);
}

export interface Delivery {
  readonly deviceId: string;
  readonly siteId: string;
  readonly row: Span;
  readonly plannedWh: number;
  readonly deliveredWh: number;
  readonly energy: CellEnergy | null;
  readonly reservePct: number;
  readonly usableMj: number;
  /** The device's commands of this event. */
  readonly commands: readonly CollectedCommand[];
}

/** The reason to which asked − delivered of one device in one interval goes. */
export function reasonOf(d: Delivery, c: Pick<Collection, 'links' | 'offline' | 'unreachable'>): ShortfallReason {
  const missingWh = d.plannedWh - d.deliveredWh;
  if (d.energy === null || !d.energy.measured) return 'not_measured';
  if (d.energy.storm) return 'storm_guard';
  if (Math.abs(missingWh) <= Math.max(2, 0.02 * d.plannedWh)) return 'small_deviation';
  if (missingWh < 0) return 'over_delivery';
  if (d.plannedWh === 0) return 'earlier_discharge';
  if (c.links.within(d.siteId, d.row) > 0) return 'link_lost';
  const running = d.commands.filter((k) => overlapMs(inForce(k), d.row) > 0);
  const strong = longest(running, d.row, STRONG);
  if (strong !== null) return strong;
  const offlineMs = c.offline.within(d.deviceId, d.row) + c.unreachable.within(d.deviceId, d.row);
  if (offlineMs > 0) return 'device_offline';
  if (lateWh(d.commands, d) * 2 >= missingWh) return 'late_start';
  if (atReserve(d, running)) return 'reserve';
  const weak = longest(running, d.row, WEAK);
  if (weak !== null) return weak;
  if (running.length === 0) return 'no_command';
  return replacedByOther(running, d.row) ? 'superseded' : 'effect_partly_seen';
}

/**
 * A command of the event was replaced inside the interval and none of the event came after it: somebody else took the
 * device. The dispatcher replacing its own command by the next is no reason for anything.
 */
function replacedByOther(running: readonly CollectedCommand[], row: Span): boolean {
  const untilMs = Math.max(...running.map((k) => inForce(k).endMs));
  const last = running.filter((k) => inForce(k).endMs === untilMs);
  return untilMs < row.endMs && last.every((k) => k.status === 'superseded');
}

/** Ends of a command that explain a missing delivery by themselves. */
const STRONG: Partial<Record<EndReason, ShortfallReason>> = {
  storm_guard: 'storm_guard',
  delivery_failed: 'delivery_failed',
  oem_refused: 'oem_refused',
  outcome_unknown: 'outcome_unknown',
  device_offline: 'device_offline',
  not_after_passed: 'late_start',
  cancelled_by_actor: 'cancelled',
  event_cancelled: 'cancelled',
  opted_out: 'opted_out',
  no_route: 'no_route',
  site_not_controllable: 'site_not_controllable',
  transformer_limit: 'transformer_limit',
};

/** Ends that only say that something was missing. */
const WEAK: Partial<Record<EndReason, ShortfallReason>> = {
  no_effect: 'no_effect',
  no_telemetry: 'no_telemetry',
  effect_partly_seen: 'effect_partly_seen',
};

/** A command that was replaced or cancelled counts only until then; one that failed counts for its whole window. */
function inForce(k: CollectedCommand): Span {
  const cut = k.status === 'superseded' && k.endedMs !== null ? Math.min(k.endMs, k.endedMs) : k.endMs;
  return { startMs: k.startMs, endMs: Math.max(k.startMs, cut) };
}

function longest(
  commands: readonly CollectedCommand[],
  row: Span,
  table: Partial<Record<EndReason, ShortfallReason>>,
): ShortfallReason | null {
  let best: { reason: ShortfallReason; ms: number } | null = null;
  for (const k of commands) {
    const reason = k.reason === null ? undefined : table[k.reason];
    const ms = overlapMs(inForce(k), row);
    if (reason !== undefined && ms > (best?.ms ?? 0)) best = { reason, ms };
  }
  return best === null ? null : best.reason;
}

/**
 * Energy asked of the device before the first of its commands was acknowledged. A newer command that replaces a running
 * one loses nothing while it is on its way.
 */
function lateWh(commands: readonly CollectedCommand[], d: Delivery): number {
  const startMs = Math.min(...commands.map((k) => k.startMs));
  const endMs = Math.min(...commands.map((k) => k.acknowledgedMs ?? Number.POSITIVE_INFINITY));
  if (commands.length === 0 || endMs === Number.POSITIVE_INFINITY) return 0;
  return (d.plannedWh * overlapMs({ startMs, endMs }, d.row)) / (d.row.endMs - d.row.startMs);
}

/** Stored energy at the end of the interval is within half a percent of usable capacity of the floor in force. */
function atReserve(d: Delivery, commands: readonly CollectedCommand[]): boolean {
  const m = d.energy?.cell.metered;
  if (m === undefined || m === null || d.usableMj <= 0) return false;
  const floorPct = Math.max(d.reservePct, ...commands.map((k) => k.minimumReservePct));
  return m.storedEndMj <= (d.usableMj * (floorPct + 0.5)) / 100;
}
