import type { AutomationFact } from '../domain/automation.ts';
import type { Fact } from '../domain/fact.ts';
import type { GroupFact } from '../domain/group.ts';
import type { ScheduleFact } from '../domain/schedule.ts';
import type { EpochMs } from '../domain/units.ts';
import { applyAutomation } from './automationState.ts';
import { type AutomationInput, onAutomation } from './automations.ts';
import type { Context } from './context.ts';
import { applyGroup, type GroupInput, onGroup } from './groups.ts';
import type { CoreInput } from './input.ts';
import { applySchedule } from './scheduleState.ts';
import { onSchedule, type ScheduleInput } from './schedules.ts';
import type { CoreState } from './state.ts';

/** The door to schedules, automations and groups. */
export type RuleInput = ScheduleInput | AutomationInput | GroupInput;
export type RuleFact = ScheduleFact | AutomationFact | GroupFact;

/** A record, so that the compiler finds a kind that is missing here. */
const INPUTS: Readonly<Record<RuleInput['kind'], true>> = {
  'create-schedule': true,
  'pause-schedule': true,
  'resume-schedule': true,
  'delete-schedule': true,
  'create-automation': true,
  'change-automation': true,
  'delete-automation': true,
  'create-group': true,
  'change-group': true,
  'delete-group': true,
};

export const isRuleInput = (input: CoreInput): input is RuleInput => Object.hasOwn(INPUTS, input.kind);

export function onRule(ctx: Context, input: RuleInput): void {
  switch (input.kind) {
    case 'create-schedule':
    case 'pause-schedule':
    case 'resume-schedule':
    case 'delete-schedule':
      return onSchedule(ctx, input);
    case 'create-automation':
    case 'change-automation':
    case 'delete-automation':
      return onAutomation(ctx, input);
    case 'create-group':
    case 'change-group':
    case 'delete-group':
      return onGroup(ctx, input);
  }
}

const isSchedule = (fact: Fact): fact is ScheduleFact => fact.type.startsWith('schedule.');
const isAutomation = (fact: Fact): fact is AutomationFact => fact.type.startsWith('automation.');
const isGroup = (fact: Fact): fact is GroupFact => fact.type.startsWith('group.');

export const isRuleFact = (fact: Fact): fact is RuleFact => isSchedule(fact) || isAutomation(fact) || isGroup(fact);

export function applyRule(state: CoreState, fact: RuleFact, atMs: EpochMs): void {
  if (isSchedule(fact)) return applySchedule(state, fact, atMs);
  if (isAutomation(fact)) return applyAutomation(state, fact, atMs);
  return applyGroup(state, fact);
}
