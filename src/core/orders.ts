import type { Allocation } from '../domain/fact.ts';
import { eventEndMs, type GridEvent } from '../domain/program.ts';
import type { EpochMs } from '../domain/units.ts';
import { accept, openEntry } from './commands.ts';
import { type Context, capabilitiesOf } from './context.ts';
import type { DeviceEntry } from './state.ts';

/**
 * From a plan to commands. A small change of one device's setpoint is held back, so that clouds are not bothered in each
 * control period; but when the small changes add up to more than the sum may be off, the largest of them are sent.
 */
export interface Orders {
  /** The plan with the setpoints that really hold: a change that is held back keeps the one before. */
  readonly allocations: readonly Allocation[];
  readonly changes: readonly Allocation[];
}

interface Change {
  readonly allocation: Allocation;
  readonly beforeW: number;
  readonly diffW: number;
}

export function ordersOf(
  ctx: Context,
  request: {
    readonly eventId: string;
    readonly startMs: EpochMs;
    readonly targetW: number;
    readonly wanted: readonly Allocation[];
  },
): Orders {
  const { targetW, wanted } = request;
  const { deadbandW, deadbandRatio, sumToleranceRatio } = ctx.settings;
  const send = new Set<string>();
  const small: Change[] = [];
  const kept = new Map<string, number>();
  for (const allocation of wanted) {
    const { deviceId, setpointW } = allocation;
    const device = ctx.state.devices.get(deviceId);
    if (device === undefined) continue;
    const open = standingOrder(ctx, device, request);
    if (open.kind === 'wait') continue;
    if (open.kind === 'none') send.add(deviceId);
    else if (capabilitiesOf(ctx, device)?.powerControl !== 'on-off') {
      const diffW = setpointW - open.powerW;
      if (Math.abs(diffW) > Math.max(deadbandW, deadbandRatio * open.powerW)) send.add(deviceId);
      else small.push({ allocation, beforeW: open.powerW, diffW });
    }
  }
  const toleranceW = Math.max(deadbandW, sumToleranceRatio * targetW);
  for (const c of small) kept.set(c.allocation.deviceId, c.beforeW);
  for (const deviceId of unavoidable(small, toleranceW)) {
    kept.delete(deviceId);
    send.add(deviceId);
  }
  return {
    allocations: wanted.map((a) => ({ ...a, setpointW: kept.get(a.deviceId) ?? a.setpointW })),
    changes: wanted.filter((a) => send.has(a.deviceId)),
  };
}

/** The fewest small changes that bring the sum back within the tolerance. */
function unavoidable(small: readonly Change[], toleranceW: number): string[] {
  let gapW = small.reduce((sum, c) => sum + c.diffW, 0);
  const towards = small.filter((c) => Math.sign(c.diffW) === Math.sign(gapW));
  const order = towards.sort((a, b) => Math.abs(b.diffW) - Math.abs(a.diffW));
  const ids: string[] = [];
  for (const c of order) {
    if (Math.abs(gapW) <= toleranceW) break;
    gapW -= c.diffW;
    ids.push(c.allocation.deviceId);
  }
  return ids;
}

type Standing =
  | { readonly kind: 'none' }
  | { readonly kind: 'open'; readonly powerW: number }
  /** Another command runs until before the event starts: the plan at the start will order. */
  | { readonly kind: 'wait' };

function standingOrder(
  ctx: Context,
  device: DeviceEntry,
  at: { readonly eventId: string; readonly startMs: EpochMs },
): Standing {
  const open = openEntry(ctx, device)?.command;
  if (open === undefined || open.endMs <= ctx.nowMs) return { kind: 'none' };
  if (open.cause.kind === 'dispatch' && open.cause.eventId === at.eventId && open.endMs > at.startMs) {
    return { kind: 'open', powerW: open.input.powerW ?? 0 };
  }
  return open.endMs <= at.startMs ? { kind: 'wait' } : { kind: 'none' };
}

/** Commands one device until the end of the event, or as long as its manufacturer takes; a later plan goes on from there. */
export function order(
  ctx: Context,
  event: GridEvent,
  what: { readonly deviceId: string; readonly setpointW: number; readonly startMs: EpochMs },
): void {
  const { deviceId, setpointW, startMs } = what;
  const device = ctx.state.devices.get(deviceId);
  const longestMs = device === undefined ? null : (capabilitiesOf(ctx, device)?.durationMsMax ?? null);
  const endMs = Math.min(eventEndMs(event), startMs + (longestMs ?? Number.POSITIVE_INFINITY));
  accept(ctx, {
    deviceId,
    input: { operatingMode: 'discharge', enableGridInteraction: true, powerW: setpointW },
    startMs,
    endMs,
    notAfterMs: endMs,
    cause: { kind: 'dispatch', eventId: event.eventId, periodStartMs: startMs },
  });
}
