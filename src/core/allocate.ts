import { splitWhole } from '../domain/units.ts';

/**
 * Splits a target over devices, in whole watts.
 *
 * Each device comes with the power it can hold over its baseline until the end of the event (capW). Devices that only
 * know on and off (blockW not null) give all or nothing: as many of them are switched on as fit into their group's
 * proportional share, those already on first, then the fullest, then by id; the others share what is left in
 * proportion to capW. A device keeps what it had as long as it still can and the sum is right, so that a re-plan in an
 * unchanged world changes nothing and no cloud is bothered.
 * The result depends on ids and figures, never on the order of the input.
 */
export interface Candidate {
  readonly deviceId: string;
  /** Power it can hold over its baseline until the end [W], ≥ 0, whole. */
  readonly capW: number;
  /** What "on" gives over the baseline [W]; null where a setpoint can be asked for. */
  readonly blockW: number | null;
  /** What it holds from the plan before [W]; 0 if none. */
  readonly heldW: number;
}

/**
 * @param targetW     power wanted from all [W], ≥ 0, whole
 * @param deadband    a held share is kept while it is within cap·(1 + ratio)
 * @returns           share per device [W], whole, ≥ 0; Σ ≤ targetW, and less only if nobody can give more
 */
export function allocate(request: {
  readonly targetW: number;
  readonly candidates: readonly Candidate[];
  readonly deadbandRatio: number;
}): Map<string, number> {
  const { targetW, deadbandRatio } = request;
  const sorted = [...request.candidates].sort((a, b) => (a.deviceId < b.deviceId ? -1 : 1));
  const blocks = sorted.filter((c) => c.blockW !== null);
  const smooth = sorted.filter((c) => c.blockW === null);
  const shares = new Map<string, number>();
  let left = targetW;
  for (const [id, w] of switchOn(blocks, smooth, targetW)) {
    shares.set(id, w);
    left -= w;
  }
  for (const [id, w] of share(smooth, left, deadbandRatio)) shares.set(id, w);
  return shares;
}

function switchOn(blocks: readonly Candidate[], smooth: readonly Candidate[], targetW: number): Map<string, number> {
  const on = new Map<string, number>();
  const blockCap = sum(blocks.map((b) => b.capW));
  const smoothCap = sum(smooth.map((s) => s.capW));
  if (blockCap === 0) return on;
  const groupW = Math.max((targetW * blockCap) / (blockCap + smoothCap), targetW - smoothCap);
  const order = [...blocks].sort(
    (a, b) => Number(b.heldW > 0) - Number(a.heldW > 0) || b.capW - a.capW || (a.deviceId < b.deviceId ? -1 : 1),
  );
  let used = 0;
  for (const b of order) {
    const w = b.blockW ?? 0;
    if (w <= 0 || used + w > Math.min(targetW, groupW + w / 2)) continue;
    on.set(b.deviceId, w);
    used += w;
  }
  return on;
}

function share(candidates: readonly Candidate[], targetW: number, deadbandRatio: number): Map<string, number> {
  const capable = sum(candidates.map((c) => c.capW));
  const wanted = Math.min(targetW, capable);
  const held = candidates.map((c) => (c.heldW <= c.capW * (1 + deadbandRatio) ? c.heldW : c.capW));
  const heldSum = sum(held);
  if (heldSum > 0 && heldSum >= wanted * (1 - deadbandRatio) && heldSum <= targetW) {
    return zip(candidates, held);
  }
  if (heldSum > 0 && heldSum < wanted) {
    const room = candidates.map((c, i) => Math.max(0, c.capW - (held[i] ?? 0)));
    const more = splitCapped(Math.min(wanted - heldSum, sum(room)), room);
    return zip(
      candidates,
      held.map((h, i) => h + (more[i] ?? 0)),
    );
  }
  return zip(
    candidates,
    splitCapped(
      wanted,
      candidates.map((c) => c.capW),
    ),
  );
}

/** Proportional to the caps, so no part can pass its cap while the total is at most their sum. */
function splitCapped(total: number, caps: readonly number[]): number[] {
  const parts = splitWhole(Math.min(total, sum(caps)), caps);
  return parts.map((p, i) => Math.min(p, caps[i] ?? 0));
}

const sum = (xs: readonly number[]): number => xs.reduce((a, b) => a + b, 0);

function zip(candidates: readonly Candidate[], watts: readonly number[]): Map<string, number> {
  return new Map(candidates.map((c, i) => [c.deviceId, watts[i] ?? 0]));
}
