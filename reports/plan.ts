import type { Dispatch } from '../src/domain/fact.ts';
import type { ExclusionReason } from '../src/domain/program.ts';
import { type CollectedEvent, overlapMs, type Span } from './collection.ts';
import { meterRows, Register } from './energy.ts';

/**
 * What an event asked for and what the dispatch decided, on the rows of the meter: row i is one meter interval. A
 * decision holds from its period's start until its end or the next decision, whichever comes first, and never beyond
 * the event.
 */
export interface PlanRow extends Span {
  readonly targetWh: number;
  /** Asked of each device [Wh]. */
  readonly plannedWh: ReadonlyMap<string, number>;
  readonly allocatedMj: ReadonlyMap<string, number>;
  /** Target in time for which no decision was made [Wh]. */
  readonly noPlanWh: number;
  /** Target that the decisions left open [Wh]; negative when they allocated more than the target. */
  readonly gapWh: number;
  /** What excluded devices could have given, by reason [Wh]. */
  readonly excludedWh: ReadonlyMap<Blamed, number>;
  readonly excludedDevices: ReadonlyMap<Blamed, ReadonlySet<string>>;
}

/** A device that was not needed is no reason for anything missing. */
type Blamed = Exclude<ExclusionReason, 'not_needed'>;

export interface EventPlan {
  readonly rows: readonly PlanRow[];
  /** Devices whose meter counts for the event: asked at least once, or enrolled and left out for a while. */
  readonly members: ReadonlySet<string>;
  readonly exclusions: ReadonlyMap<string, ReadonlyMap<ExclusionReason, Exclusion>>;
}

export interface Exclusion {
  readonly durationMs: number;
  readonly capableMj: number;
}

interface Decision extends Span {
  readonly dispatch: Dispatch;
}

export function planOf(e: CollectedEvent, grid: { readonly startMs: number; readonly stepMs: number }): EventPlan {
  const decisions = decisionsOf(e);
  const registers: Registers = {
    target: new Register(),
    noPlan: new Register(),
    gap: new Register(),
    planned: new Map(),
    excluded: new Map(),
  };
  const rows = meterRows(e, grid).map((row) => planRow(e, row, decisions, registers));
  return { rows, ...membersOf(decisions) };
}

function decisionsOf(e: CollectedEvent): Decision[] {
  const plans = [...e.plans.values()].sort((a, b) => a.periodStartMs - b.periodStartMs);
  return plans
    .map((p, i) => ({
      startMs: Math.max(p.periodStartMs, e.startMs),
      endMs: Math.min(p.periodEndMs, plans[i + 1]?.periodStartMs ?? p.periodEndMs, e.endMs),
      dispatch: p,
    }))
    .filter((d) => d.endMs > d.startMs);
}

interface Registers {
  readonly target: Register;
  readonly noPlan: Register;
  readonly gap: Register;
  readonly planned: Map<string, Register>;
  readonly excluded: Map<Blamed, Register>;
}

function registerOf<K>(map: Map<K, Register>, key: K): Register {
  const register = map.get(key) ?? new Register();
  map.set(key, register);
  return register;
}

function planRow(e: CollectedEvent, row: Span, decisions: readonly Decision[], registers: Registers): PlanRow {
  const allocatedMj = new Map<string, number>();
  const excludedMj = new Map<Blamed, number>();
  const excludedDevices = new Map<Blamed, Set<string>>();
  let coveredMj = 0;
  for (const d of decisions) {
    const ms = overlapMs(d, row);
    if (ms === 0) continue;
    coveredMj += targetMj(e, { startMs: Math.max(d.startMs, row.startMs), endMs: Math.min(d.endMs, row.endMs) });
    for (const a of d.dispatch.allocations) add(allocatedMj, a.deviceId, a.allocatedW * ms);
    for (const x of d.dispatch.excluded) {
      if (x.reason === 'not_needed') continue;
      add(excludedMj, x.reason, Math.max(0, x.capableW) * ms);
      const devices = excludedDevices.get(x.reason) ?? new Set<string>();
      excludedDevices.set(x.reason, devices.add(x.deviceId));
    }
  }
  const rowTargetMj = targetMj(e, row);
  let totalMj = 0;
  const plannedWh = new Map<string, number>();
  for (const [deviceId, mj] of allocatedMj) {
    totalMj += mj;
    plannedWh.set(deviceId, registerOf(registers.planned, deviceId).advance(mj));
  }
  const excludedWh = new Map<Blamed, number>();
  for (const [reason, mj] of excludedMj) excludedWh.set(reason, registerOf(registers.excluded, reason).advance(mj));
  return {
    ...row,
    targetWh: registers.target.advance(rowTargetMj),
    plannedWh,
    allocatedMj,
    noPlanWh: registers.noPlan.advance(rowTargetMj - coveredMj),
    gapWh: registers.gap.advance(coveredMj - totalMj),
    excludedWh,
    excludedDevices,
  };
}

/** Target energy of the event inside a span; nothing is asked after its end or cancellation. */
function targetMj(e: CollectedEvent, span: Span): number {
  const until = Math.min(span.endMs, e.endMs);
  return e.event.intervals.reduce(
    (sum, i) => sum + i.targetW * overlapMs(i, { startMs: span.startMs, endMs: until }),
    0,
  );
}

function membersOf(decisions: readonly Decision[]): Pick<EventPlan, 'members' | 'exclusions'> {
  const members = new Set<string>();
  const exclusions = new Map<string, Map<ExclusionReason, Exclusion>>();
  for (const d of decisions) {
    for (const a of d.dispatch.allocations) members.add(a.deviceId);
    const durationMs = d.endMs - d.startMs;
    for (const x of d.dispatch.excluded) {
      if (x.reason !== 'not_enrolled' && x.reason !== 'enrollment_pending') members.add(x.deviceId);
      const reasons = exclusions.get(x.deviceId) ?? new Map<ExclusionReason, Exclusion>();
      const before = reasons.get(x.reason) ?? { durationMs: 0, capableMj: 0 };
      reasons.set(x.reason, {
        durationMs: before.durationMs + durationMs,
        capableMj: before.capableMj + Math.max(0, x.capableW) * durationMs,
      });
      exclusions.set(x.deviceId, reasons);
    }
  }
  return { members, exclusions };
}

function add<K>(map: Map<K, number>, key: K, value: number): void {
  map.set(key, (map.get(key) ?? 0) + value);
}
