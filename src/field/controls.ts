import type { Measurement } from '../dnp3/master/measurements.ts';
import type { CommandOutcome, CommandStep } from '../dnp3/master/tasks.ts';
import type { Control } from '../dnp3/outstation/controls.ts';
import type { EpochMs } from '../domain/units.ts';
import type { FieldReply, RawPoint } from '../ports/field.ts';
import { POINT } from './an2018.ts';

/** What the connector says to a site, and how it hands on what it hears. */
export const SETPOINT_STEP_NAMES = ['direct operate AO145', 'direct operate AO146', 'operate BO23'] as const;

/**
 * AGC: reversion timeout, target, enable.
 * @param powerW     wanted AC power, + discharge [W]
 * @param timeoutMs  the site's watchdog; the target reverts when it is not refreshed for so long [ms]
 * @source           step order and modes: mesa_functions.yaml of VOLTTRON releases/8.2 (direct operate of the analogs,
 *                   select and operate of the enabling binary) [S]
 */
export function setpointSteps(powerW: number, timeoutMs: number): CommandStep[] {
  const reversionS = Math.max(1, Math.floor(timeoutMs / 1000));
  return [
    { mode: 'direct', controls: [analog(POINT.agcReversion.index, reversionS)] },
    { mode: 'direct', controls: [analog(POINT.setAgcTarget.index, Math.round(powerW))] },
    { mode: 'select-operate', controls: [latch(POINT.enableAgc.index, true)] },
  ];
}

const analog = (index: number, value: number): Control => ({ kind: 'analog', index, value });

const latch = (index: number, on: boolean): Control => ({
  kind: 'crob',
  index,
  operation: on ? 3 : 4,
  tripClose: 'none',
  count: 1,
  onMs: 0,
  offMs: 0,
});

export const RELEASE_STEPS: readonly CommandStep[] = [
  { mode: 'select-operate', controls: [latch(POINT.enableAgc.index, false)] },
];

/** One request only: a stop must not hang on a second answer. */
export const STOP_STEPS: readonly CommandStep[] = [
  { mode: 'direct', controls: [latch(POINT.ceaseToEnergize.index, true)] },
];

/** What the core is told; nothing sent is a refusal to it. */
export function replyOf(jobId: string, outcome: CommandOutcome): FieldReply {
  if (outcome.kind === 'operated') return { kind: 'operated', jobId };
  return { kind: outcome.kind === 'unknown' ? 'unknown' : 'refused', jobId, why: outcome.why };
}

/** A measured value as a raw point; null for kinds that a battery's map has none of. */
export function rawPoint(m: Measurement, nowMs: EpochMs): RawPoint | null {
  const { kind, index, value, flags, timeQuality, source } = m;
  if (kind === 'DBI' || kind === 'FCTR') return null;
  return { type: kind, index, value, flags, atMs: m.timeMs ?? nowMs, timeQuality, source };
}
