import {
  type AutomationCondition,
  type AutomationRule,
  CHAIN_MS,
  DEPTH_MAX,
  type PriceTest,
  SELECTION_MAX,
  type SeenValue,
  type Selection,
} from '../domain/automation.ts';
import { dateOf, weekdayOf } from '../domain/calendar.ts';
import { knows } from '../domain/order.ts';
import { compares, fieldOf, holdsFor, type SampleTest, sampledValue } from '../domain/sample.ts';
import { localDate } from '../domain/time.ts';
import type { EpochMs } from '../domain/units.ts';
import {
  type AnyEntry,
  allDevices,
  anyDevice,
  byId,
  deviceOf,
  freshSample,
  isBattery,
  taggedIds,
} from './anyDevice.ts';
import { openEntry } from './commands.ts';
import type { Context } from './context.ts';
import { orderObstacle, rulingOf } from './give.ts';
import { fitsGroup, membersOf } from './groups.ts';
import { inWindow } from './markets.ts';
import { priceAt, pricesFor } from './prices.ts';
import { type CoreState, enrollmentKey } from './state.ts';

/** What automations see, and what a firing would do. Nothing here changes anything: the dry run asks the same questions. */

function selects(state: CoreState, s: Selection, entry: AnyEntry): boolean {
  const device = deviceOf(entry);
  switch (s.kind) {
    case 'all':
      return true;
    case 'devices':
      return s.deviceIds.includes(device.deviceId);
    case 'tag':
      return device.tags.includes(s.tag);
    case 'group': {
      const group = state.groups.get(s.groupId);
      return group !== undefined && fitsGroup(state, group.rule, device);
    }
  }
}

/** The devices of a selection in a workspace, by id. */
function selected(state: CoreState, workspaceId: string, s: Selection): AnyEntry[] {
  const found = (ids: Iterable<string>) => [...ids].flatMap((id) => anyDevice(state, id) ?? []);
  const mine = (entries: AnyEntry[]) => entries.filter((d) => deviceOf(d).workspaceId === workspaceId).sort(byId);
  switch (s.kind) {
    case 'all':
      return mine([...allDevices(state)]);
    case 'devices':
      return mine(found(s.deviceIds));
    case 'tag':
      return mine(found(taggedIds(state, workspaceId, s.tag)));
    case 'group':
      return mine(membersOf(state, s.groupId));
  }
}

/** Whether a device can do what the rule is for: one that does not know the command is left out. */
const canTake = ({ action }: AutomationRule, entry: AnyEntry): boolean =>
  action.kind !== 'command' || knows(deviceOf(entry).kind, action.command);

/** A rule that commands the device that triggers it watches those that know the command. */
const canTrigger = (rule: AutomationRule, entry: AnyEntry): boolean =>
  rule.target.kind !== 'triggering-device' || canTake(rule, entry);

/** Whether a device, which is of the rule's workspace, can trigger it. */
export const isWatched = (state: CoreState, rule: AutomationRule, watch: Selection, entry: AnyEntry): boolean =>
  canTrigger(rule, entry) && selects(state, watch, entry);

export const watchedBy = (state: CoreState, rule: AutomationRule, watch: Selection): AnyEntry[] =>
  selected(state, rule.workspaceId, watch).filter((entry) => canTrigger(rule, entry));

/** Whether something holds; null = it is not known. */
export interface Answer {
  readonly holds: boolean | null;
  readonly seen: SeenValue;
}

export function priceAnswer(ctx: Context, workspaceId: string, test: PriceTest): Answer {
  const price = priceAt(pricesFor(ctx.state, workspaceId, test), ctx.nowMs);
  const what = `${test.market} price of ${test.node} [$/MWh]`;
  const holds = price === null ? null : compares(price, test.comparison, test.usdPerMwh);
  return { holds, seen: { what, value: price, atMs: ctx.nowMs } };
}

export function sampleAnswer(ctx: Context, test: SampleTest, entry: AnyEntry): Answer {
  const sample = freshSample(ctx, entry);
  const value = sample === null ? null : sampledValue(sample, test);
  const holds = value === null ? null : holdsFor(value, test);
  return { holds, seen: { what: whatOf(test, entry), value, atMs: sample?.sampledAtMs ?? null } };
}

export const whatOf = (test: SampleTest, entry: AnyEntry): string => `${fieldOf(test)} of ${deviceOf(entry).deviceId}`;

/** @param device  a target; null for the conditions that ask for no device */
export function conditionAnswer(
  ctx: Context,
  workspaceId: string,
  c: AutomationCondition,
  device: AnyEntry | null,
): Answer {
  switch (c.kind) {
    case 'time': {
      const days = c.daysOfWeek ?? [0, 1, 2, 3, 4, 5, 6];
      const holds =
        inWindow(ctx.nowMs, c.timeZone, c.window) && days.includes(weekdayOf(dateOf(ctx.nowMs, c.timeZone)));
      return {
        holds,
        seen: { what: `local time in ${c.window.start}–${c.window.end}`, value: holds, atMs: ctx.nowMs },
      };
    }
    case 'price':
      return priceAnswer(ctx, workspaceId, c);
    case 'telemetry':
    case 'state':
      if (device === null) return { holds: null, seen: { what: fieldOf(c), value: null, atMs: null } };
      return sampleAnswer(ctx, c, device);
    case 'storm': {
      const value = device === null ? null : stormAt(ctx, device);
      const what = `storm at ${device === null ? 'no device' : deviceOf(device).deviceId}`;
      return { holds: value === null ? null : value === c.active, seen: { what, value, atMs: ctx.nowMs } };
    }
    case 'event': {
      const running = [...ctx.state.events.values()].some(
        ({ event, status }) => event.programId === c.programId && status === 'started',
      );
      const what = `an event of ${c.programId} runs`;
      return { holds: running === c.running, seen: { what, value: running, atMs: ctx.nowMs } };
    }
  }
}

/** After a loss of contact the last word on the storm is old, too; only batteries say one. */
export const stormAt = (ctx: Context, entry: AnyEntry): boolean | null =>
  isBattery(entry) && freshSample(ctx, entry) !== null ? entry.stormActive : null;

const asksDevice = (c: AutomationCondition): boolean =>
  c.kind === 'telemetry' || c.kind === 'state' || c.kind === 'storm';

const failed = (place: string, { holds, seen }: Answer): string | null => {
  if (holds === true) return null;
  const value = seen.value === null ? 'not known' : `${seen.value}`;
  return `${place} ${holds === null ? 'is not known' : 'does not hold'}: ${seen.what} is ${value}`;
};

/** What made a rule fire. */
export interface Cause {
  /** The device, '' for what belongs to none. */
  readonly subject: string;
  readonly eventId: string | null;
  readonly seen: readonly SeenValue[];
}

/** What a firing would do, device by device; held: nothing at all, and why. */
export type FiringPlan =
  | {
      readonly kind: 'go';
      readonly depth: number;
      readonly seen: readonly SeenValue[];
      readonly steps: readonly FiringStep[];
    }
  | {
      readonly kind: 'held';
      readonly why: string;
      readonly seen: readonly SeenValue[];
      readonly steps: readonly FiringStep[];
    };

/** why null = it would be done. resourceId: for an opt-out, which goes by resources. */
export interface FiringStep {
  readonly deviceId: string;
  readonly resourceId: string | null;
  readonly why: string | null;
}

/** @param heldBack  cooldown or daily limit in words; null = none */
export function planFiring(ctx: Context, rule: AutomationRule, cause: Cause, heldBack: string | null): FiringPlan {
  const seen = [...cause.seen];
  const held = (why: string, steps: readonly FiringStep[] = []): FiringPlan => ({ kind: 'held', why, seen, steps });
  if (heldBack !== null) return held(heldBack);
  const trigger = anyDevice(ctx.state, cause.subject);
  const depth = trigger === undefined ? 1 : depthOf(ctx, trigger);
  if (depth > DEPTH_MAX) return held(`it follows from ${DEPTH_MAX} automations in a row on ${cause.subject}`);
  for (const [i, c] of rule.conditions.entries()) {
    if (asksDevice(c)) continue;
    const answer = conditionAnswer(ctx, rule.workspaceId, c, null);
    seen.push(answer.seen);
    const why = failed(`conditions[${i}]`, answer);
    if (why !== null) return held(why);
  }
  if (rule.action.kind === 'alert') {
    const step = alertStep(ctx, rule, trigger);
    return step.why === null ? { kind: 'go', depth, seen, steps: [step] } : held(step.why, [step]);
  }
  const targets = targetsOf(ctx, rule, trigger);
  if (targets.length === 0) return held(noTarget(rule));
  if (targets.length > SELECTION_MAX) return held(`${targets.length} devices: at most ${SELECTION_MAX} at once`);
  const steps = stepsOf(ctx, rule, targets, cause);
  const [first] = steps;
  if (steps.every((s) => s.why !== null)) return held(`${first?.deviceId}: ${first?.why}`, steps);
  return { kind: 'go', depth, seen, steps };
}

const noTarget = ({ action }: AutomationRule): string =>
  action.kind === 'command' ? `no device that knows ${action.command.slug} is selected` : 'no device is selected';

function targetsOf(ctx: Context, rule: AutomationRule, trigger: AnyEntry | undefined): AnyEntry[] {
  const { target, workspaceId } = rule;
  const all =
    target.kind !== 'triggering-device'
      ? selected(ctx.state, workspaceId, target)
      : trigger === undefined
        ? []
        : [trigger];
  return all.filter((entry) => canTake(rule, entry));
}

/** An alert is no matter of the targets: conditions that ask for a device ask for the one that triggered it. */
function alertStep(ctx: Context, rule: AutomationRule, trigger: AnyEntry | undefined): FiringStep {
  const whys = rule.conditions.flatMap((c, i) =>
    asksDevice(c) ? (failed(`conditions[${i}]`, conditionAnswer(ctx, rule.workspaceId, c, trigger ?? null)) ?? []) : [],
  );
  const deviceId = trigger === undefined ? '' : deviceOf(trigger).deviceId;
  return { deviceId, resourceId: null, why: whys[0] ?? null };
}

/** How many automations in a row lead to what happens on a device now. */
export function depthOf(ctx: Context, entry: AnyEntry): number {
  const open = isBattery(entry) ? openEntry(ctx, entry)?.command.cause : undefined;
  const set = [...entry.rulings.values()].flatMap(({ cause, startMs, endMs }) =>
    (endMs ?? startMs + CHAIN_MS) > ctx.nowMs ? [cause] : [],
  );
  const depths = [open, ...set].map((cause) => (cause?.kind === 'automation' ? cause.depth : 0));
  return Math.max(...depths) + 1;
}

function stepsOf(ctx: Context, rule: AutomationRule, targets: readonly AnyEntry[], cause: Cause): FiringStep[] {
  const { action } = rule;
  const whyNot = (device: AnyEntry): string | null => {
    for (const [i, c] of rule.conditions.entries()) {
      const why = asksDevice(c) ? failed(`conditions[${i}]`, conditionAnswer(ctx, rule.workspaceId, c, device)) : null;
      if (why !== null) return why;
    }
    return actionObstacle(ctx, rule, device);
  };
  const checked = new Map(targets.map((d) => [deviceOf(d).deviceId, whyNot(d)]));
  if (action.kind === 'opt-out') return optOutSteps(ctx, checked, cause.eventId);
  return [...checked].map(([deviceId, why]) => ({ deviceId, resourceId: null, why }));
}

function actionObstacle(ctx: Context, rule: AutomationRule, entry: AnyEntry): string | null {
  const { action, workspaceId } = rule;
  const { deviceId } = deviceOf(entry);
  switch (action.kind) {
    case 'command': {
      const cause = rulingOf(ctx, entry, action.command.slug)?.cause;
      if (cause?.kind === 'dispatch') return `a dispatch of ${cause.eventId} holds it`;
      const request = { workspaceId, deviceId, order: action.command, ...windowFrom(ctx, action), actor: '' };
      return orderObstacle(ctx, request)?.why ?? null;
    }
    case 'unenroll': {
      const status = ctx.state.enrollments.get(enrollmentKey(deviceId, action.programId))?.status;
      return status === 'approved' ? null : `it is ${status ?? 'not enrolled'} in ${action.programId}`;
    }
    case 'opt-out':
    case 'alert':
      return null;
  }
}

/** The window of a command that an automation gives now. */
export const windowFrom = ({ nowMs }: Context, { durationMs }: { readonly durationMs: number | null }) => ({
  startMs: nowMs,
  endMs: durationMs === null ? null : nowMs + durationMs,
});

/** A resource answers for all its devices: it opts out only if every one of them is a target that fits. */
function optOutSteps(ctx: Context, checked: ReadonlyMap<string, string | null>, eventId: string | null): FiringStep[] {
  const entry = eventId === null ? undefined : ctx.state.events.get(eventId);
  const steps: FiringStep[] = [];
  const answered = new Set<string>();
  for (const { resourceId, programId, deviceIds } of ctx.state.resources.values()) {
    if (programId !== entry?.event.programId || !deviceIds.some((id) => checked.has(id))) continue;
    const missing = deviceIds.find((id) => checked.get(id) !== null);
    for (const id of deviceIds) answered.add(id);
    const why =
      missing === undefined ? null : `${resourceId} answers for ${missing}, too, which is no target that fits`;
    steps.push({ deviceId: deviceIds[0] ?? '', resourceId, why });
  }
  for (const [deviceId, why] of checked) {
    if (answered.has(deviceId)) continue;
    steps.push({ deviceId, resourceId: null, why: why ?? 'it belongs to no resource of the program' });
  }
  return steps;
}

/** How a rule has been used on a subject: for its cooldown and its daily limit. */
export interface Use {
  readonly lastMs: EpochMs;
  /** Local date of the last firing, and how many there were on it. */
  readonly day: string;
  readonly count: number;
}

/** Counted per device when the rule acts on the device that triggers it, for the rule as a whole otherwise. */
export const useKey = (rule: AutomationRule, subject: string): string =>
  rule.target.kind === 'triggering-device' ? subject : '';

/** Why a rule may not fire again yet; null = it may. */
export function restOf(rule: AutomationRule, use: Use | undefined, nowMs: EpochMs): string | null {
  if (use === undefined) return null;
  const { cooldownMs, firingsPerDayMax, timeZone } = rule;
  if (nowMs - use.lastMs < cooldownMs)
    return `cooldown: fired ${nowMs - use.lastMs} ms ago, rests for ${cooldownMs} ms`;
  const isSameDay = use.day === localDate(nowMs, timeZone);
  return isSameDay && use.count >= firingsPerDayMax
    ? `fired ${use.count} times today, at most ${firingsPerDayMax}`
    : null;
}
