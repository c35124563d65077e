import { splitWhole } from '../domain/units.ts';

/**
 * Splits a target over devices, in whole watts.
 *
 * Each device comes with the power it can hold over its baseline until the end of the event (capW). Devices that only
 * know on and off (blockW not null) give all or nothing: as many of them are switched on as fit into their group's
 * proportional share, or are needed because the others cannot give the rest; those already on first, then the one that
 * can hold most, then by id. A block may give more than its capW for a while: it is off again when it is empty, and
 * another one takes its place in a later plan. The others share what is left in proportion to capW.
 * A device keeps what it had as long as it still can and the sum is right, so that a re-plan in an unchanged world
 * changes nothing and no cloud is bothered.
 * The result depends on ids and figures, never on the order of the input; ids only break ties between equal figures.
 */
export interface Candidate {
  readonly deviceId: string;
  /** Power it can hold over its baseline until the end [W], ≥ 0, whole. */
  readonly capW: number;
  /** What "on" gives over the baseline [W], whole; 0 = cannot be switched on; null where a setpoint can be asked for. */
  readonly blockW: number | null;
  /** What it holds from the plan before [W], whole; 0 if none. */
  readonly heldW: number;
}

/**
 * @param targetW     power wanted from all [W], ≥ 0, whole
 * @returns           share per device [W], whole, ≥ 0; absent = 0. Σ ≤ targetW, and less only if no setpoint device
 *                    can give more and no switched-off block would fit
 */
export function allocate(request: {
  readonly targetW: number;
  readonly candidates: readonly Candidate[];
}): Map<string, number> {
  const { targetW } = request;
  const sorted = [...request.candidates].sort(byFigures);
  const smooth = sorted.filter((c) => c.blockW === null);
  const blocks = sorted.filter((c) => c.blockW !== null);
  const shares = switchOn({ blocks, targetW, smoothCapW: sum(smooth.map((s) => s.capW)) });
  const left = targetW - sum([...shares.values()]);
  for (const [id, w] of share(smooth, left)) shares.set(id, w);
  return shares;
}

function switchOn(request: {
  readonly blocks: readonly Candidate[];
  readonly targetW: number;
  readonly smoothCapW: number;
}): Map<string, number> {
  const { blocks, targetW, smoothCapW } = request;
  const on = new Map<string, number>();
  const blockCapW = sum(blocks.map((b) => b.capW));
  if (blockCapW === 0) return on;
  const fairW = (targetW * blockCapW) / (blockCapW + smoothCapW);
  const order = [...blocks].sort((a, b) => Number(b.heldW > 0) - Number(a.heldW > 0) || byFigures(a, b));
  let used = 0;
  for (const b of order) {
    const w = b.blockW ?? 0;
    if (w <= 0 || used + w > targetW) continue;
    const needed = used + smoothCapW < targetW;
    if (!needed && used + w / 2 > fairW) continue;
    on.set(b.deviceId, w);
    used += w;
  }
  return on;
}

/** Held shares stay where they can; a change of the sum is spread in proportion to what each can still give. */
function share(candidates: readonly Candidate[], targetW: number): Map<string, number> {
  const caps = candidates.map((c) => c.capW);
  const wanted = Math.min(targetW, sum(caps));
  const held = candidates.map((c) => Math.min(c.heldW, c.capW));
  const missing = wanted - sum(held);
  if (missing < 0 || missing === wanted) return zip(candidates, splitWhole(wanted, caps));
  const room = candidates.map((c, i) => c.capW - (held[i] ?? 0));
  const more = splitWhole(missing, room);
  return zip(
    candidates,
    held.map((h, i) => h + (more[i] ?? 0)),
  );
}

/** Most capable first; the id decides only between devices that cannot be told apart by their figures. */
const byFigures = (a: Candidate, b: Candidate): number =>
  b.capW - a.capW || (b.blockW ?? 0) - (a.blockW ?? 0) || b.heldW - a.heldW || (a.deviceId < b.deviceId ? -1 : 1);

const sum = (xs: readonly number[]): number => xs.reduce((a, b) => a + b, 0);

function zip(candidates: readonly Candidate[], watts: readonly number[]): Map<string, number> {
  return new Map(candidates.map((c, i) => [c.deviceId, watts[i] ?? 0]));
}
