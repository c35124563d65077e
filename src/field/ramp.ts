import type { EpochMs } from '../domain/units.ts';

/**
 * The way of a setpoint under a site's ramp limit (promise S5).
 *
 *   |P|  ┌──────────┐          Steps of RAMP_STEP_MS, each at most rampWPerS · 1 s, from what was given last, or from what
 *       ┌┘          └┐         the site measures, to the setpoint; and down again so that 0 is reached as the window ends.
 *     ──┘            └──       A release goes down to 0 first, and then gives the site back.
 *
 * Between two steps the site's own ramp holds, so |ΔP| ≤ ramp · (Δt + one step) over any Δt. The emergency stop, and a
 * release because leave was lost, do not wait for a ramp: no setpoint is sent without leave, not even a smaller one.
 * What nobody approved is not sent as a step either: then the way begins at 0, or at the setpoint itself.
 */
export const RAMP_STEP_MS = 1_000;

interface Goal {
  readonly powerW: number;
  readonly endMs: EpochMs;
}

/** The setpoint at a time: its power, or what can still be taken back before the window ends [W]. */
export function wantedW({ powerW, endMs }: Goal, rampWPerS: number | undefined, nowMs: EpochMs): number {
  if (rampWPerS === undefined) return powerW;
  const backW = Math.floor((rampWPerS * Math.max(0, endMs - nowMs)) / 1000);
  return Math.sign(powerW) * Math.min(Math.abs(powerW), backW) + 0;
}

/** When the way down begins; never before now. */
export const turnMs = ({ powerW, endMs }: Goal, rampWPerS: number, nowMs: EpochMs): EpochMs =>
  Math.max(nowMs, endMs - Math.ceil((Math.abs(powerW) * 1000) / rampWPerS));

/** One step towards a power [W]. */
export function stepW(way: { readonly fromW: number; readonly toW: number; readonly rampWPerS: number }): number {
  const { fromW, toW, rampWPerS } = way;
  const mostW = (rampWPerS * RAMP_STEP_MS) / 1000;
  return Math.abs(toW - fromW) <= mostW ? toW : fromW + Math.sign(toW - fromW) * mostW;
}

/**
 * The next setpoint on the way.
 * @param isGranted  whether a setpoint [W] may be sent; the goal itself may
 */
export function nextW(
  way: { readonly fromW: number; readonly toW: number; readonly rampWPerS: number | undefined },
  isGranted: (powerW: number) => boolean,
): number {
  const { fromW, toW, rampWPerS } = way;
  if (rampWPerS === undefined) return toW;
  const steps = [stepW({ fromW, toW, rampWPerS }), stepW({ fromW: 0, toW, rampWPerS })];
  return steps.find(isGranted) ?? toW;
}
