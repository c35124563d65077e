import type { AlertFact } from '../domain/alert.ts';
import type { Fact } from '../domain/fact.ts';
import type { SafetyFact } from '../domain/safety.ts';
import type { TopologyFact } from '../domain/topology.ts';
import type { EpochMs } from '../domain/units.ts';
import { type AlertInput, applyAlert, onAlertInput } from './alerts.ts';
import type { Context } from './context.ts';
import type { CoreInput } from './input.ts';
import { applySafety, onSafety, type SafetyInput } from './safety.ts';
import type { CoreState } from './state.ts';
import { applyTopology, onTopology, type TopologyInput } from './topology.ts';

/** The door to safety, topology and alerts. */
export type WatchInput = SafetyInput | TopologyInput | AlertInput;
export type WatchFact = SafetyFact | TopologyFact | AlertFact;

/** A record, so that the compiler finds a kind that is missing here. */
const INPUTS: Readonly<Record<WatchInput['kind'], 'safety' | 'topology' | 'alert'>> = {
  'configure-safety': 'safety',
  'request-approval': 'safety',
  'approve-control': 'safety',
  'refuse-approval': 'safety',
  'revoke-approval': 'safety',
  'emergency-stop': 'safety',
  'emergency-stop-all': 'safety',
  'request-release': 'safety',
  'confirm-release': 'safety',
  'set-feeder': 'topology',
  'set-transformer': 'topology',
  'remove-feeder': 'topology',
  'remove-transformer': 'topology',
  'acknowledge-alert': 'alert',
  'ignore-alert': 'alert',
  'resolve-alert': 'alert',
};

export const isWatchInput = (input: CoreInput): input is WatchInput => Object.hasOwn(INPUTS, input.kind);

const isOf =
  <T extends WatchInput>(area: 'safety' | 'topology' | 'alert') =>
  (input: WatchInput): input is T =>
    INPUTS[input.kind] === area;
const isSafetyInput = isOf<SafetyInput>('safety');
const isTopologyInput = isOf<TopologyInput>('topology');
const isAlertInput = isOf<AlertInput>('alert');

export function onWatch(ctx: Context, input: WatchInput): void {
  if (isSafetyInput(input)) return onSafety(ctx, input);
  if (isTopologyInput(input)) return onTopology(ctx, input);
  if (isAlertInput(input)) return onAlertInput(ctx, input);
}

const isTopology = (fact: Fact): fact is TopologyFact => fact.type.startsWith('topology.');
export const isAlert = (fact: Fact): fact is AlertFact => fact.type.startsWith('alert.');
const isSafety = (fact: Fact): fact is SafetyFact => fact.type.startsWith('approval.') || fact.type.startsWith('stop.');

export const isWatchFact = (fact: Fact): fact is WatchFact => isTopology(fact) || isAlert(fact) || isSafety(fact);

export function applyWatch(state: CoreState, fact: WatchFact, atMs: EpochMs): void {
  if (isTopology(fact)) return applyTopology(state, fact);
  if (isAlert(fact)) return applyAlert(state, fact, atMs);
  return applySafety(state, fact, atMs);
}
