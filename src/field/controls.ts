import type { Measurement } from '../dnp3/master/measurements.ts';
import type { CommandOutcome, CommandStep } from '../dnp3/master/tasks.ts';
import type { Control } from '../dnp3/outstation/controls.ts';
import { invariant } from '../domain/errors.ts';
import { POINT_PLACES, type PointKey } from '../domain/pointsMap.ts';
import type { EpochMs } from '../domain/units.ts';
import type { FieldReply, RawPoint } from '../ports/field.ts';
import { AGC, CHARGE_DISCHARGE, type FieldFunction } from './functions.ts';
import { type PointMap, rawOf } from './pointMap.ts';

/** What the connector says to a site, and how it hands on what it hears. */
export type ControlMode = 'agc' | 'charge-discharge';

/** A request to the site and what it is called in a log: "direct operate AO146". */
export interface NamedStep {
  readonly step: CommandStep;
  readonly name: string;
}

type Values = Readonly<Partial<Record<PointKey, number>>>;

/**
 * The steps of a function for which there are values, in its order; each point once.
 * @param values  [W, %, s], or 1 and 0 for a switch, by name of the point
 */
export function functionSteps(map: PointMap, fn: FieldFunction, values: Values): NamedStep[] {
  const open = new Map(
    Object.entries(values).map(([key, value]) => {
      const { type, index } = POINT_PLACES[key as PointKey];
      return [`${type}${index}`, { key: key as PointKey, value }];
    }),
  );
  return fn.steps.flatMap((s) => {
    const found = s.point === null ? undefined : open.get(s.point);
    if (found === undefined || s.mode === 'read') return [];
    open.delete(s.point ?? '');
    return [namedStep(map, s.mode, found.key, found.value)];
  });
}

/** One control a request: an RTAC may take no more (SEL-351: control count > 1 never [S]). */
export function namedStep(map: PointMap, mode: CommandStep['mode'], key: PointKey, value: number): NamedStep {
  const point = map.byKey.get(key);
  invariant(point !== undefined, `the map has no ${key}`);
  const { type, index } = point;
  const control = type === 'BO' ? latch(index, value === 1) : analog(index, rawOf(point, value));
  const verb = mode === 'direct' ? 'direct operate' : 'operate';
  return { step: { mode, controls: [control] }, name: `${verb} ${type}${index}` };
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

/**
 * A setpoint: reversion timeout, target, enable.
 * @param powerW     wanted AC power, + discharge [W]
 * @param timeoutMs  the site's watchdog; the target reverts when it is not refreshed for so long [ms]
 * @param select     select before each operate, whatever the function's steps say (promise S10)
 * @param limitW     the site's maximum in the direction of powerW, > 0; only for a target in percent [W]
 */
export function setpointSteps(
  map: PointMap,
  request: { mode: ControlMode; powerW: number; timeoutMs: number; limitW: number; select: boolean },
): NamedStep[] {
  const reversionS = Math.max(1, Math.floor(request.timeoutMs / 1000));
  if (request.mode === 'agc') {
    const setAgcTarget = Math.round(request.powerW);
    const values = { agcReversion: reversionS, setAgcTarget, enableAgc: 1 };
    return functionSteps(map, request.select ? selected(AGC) : AGC, values);
  }
  return functionSteps(map, request.select ? selected(CHARGE_DISCHARGE) : CHARGE_DISCHARGE, {
    chargeDischargeReversion: reversionS,
    setChargeDischargeTarget: (100 * request.powerW) / request.limitW,
    enableChargeDischarge: 1,
  });
}

/** Which of the steps of a setpoint gives its target. */
export const TARGET_STEP = 1;

const selected = (fn: FieldFunction): FieldFunction => ({
  ...fn,
  steps: fn.steps.map((s) => (s.mode === 'direct' ? { ...s, mode: 'select-operate' } : s)),
});

export const releaseSteps = (map: PointMap, mode: ControlMode): NamedStep[] => [
  namedStep(map, 'select-operate', mode === 'agc' ? 'enableAgc' : 'enableChargeDischarge', 0),
];

/** One request only, and without a select: a stop must not hang on a second answer. */
export const stopSteps = (map: PointMap): NamedStep[] => [namedStep(map, 'direct', 'ceaseToEnergize', 1)];

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
