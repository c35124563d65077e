import { type AlertSubject, alertKey } from '../domain/alert.ts';
import {
  type Automation,
  type AutomationOutcome,
  type AutomationRule,
  automationProblems,
  type PriceTest,
  type SeenValue,
  type Selection,
} from '../domain/automation.ts';
import { describeProblem, invariant } from '../domain/errors.ts';
import type { Fact } from '../domain/fact.ts';
import { holdsFor, isOver, sampledValue } from '../domain/sample.ts';
import { nextTime } from '../domain/schedule.ts';
import { localDate } from '../domain/time.ts';
import type { EpochMs } from '../domain/units.ts';
import { clearAlert, openAlert } from './alerts.ts';
import { type AnyEntry, anyDevice, anyStaleAfterMs, deviceOf, freshSample, taggedIds } from './anyDevice.ts';
import type { AutomationEntry } from './automationState.ts';
import {
  type Cause,
  type FiringPlan,
  type FiringStep,
  isWatched,
  planFiring,
  priceAnswer,
  restOf,
  useKey,
  whatOf,
  windowFrom,
} from './automationView.ts';
import type { Context } from './context.ts';
import { unenroll } from './enrollment.ts';
import { giveOrder } from './give.ts';
import { answerEvent } from './incentives.ts';
import { nextChange, pricesFor } from './prices.ts';
import { LATE_MS_MAX, noSuchTag } from './schedules.ts';
import type { CoreState } from './state.ts';

/**
 * Automations at work. Edges come from four sides: the agenda (time, and the next change of a known price), samples, facts
 * (storm, events) and new prices. That a test is seen to hold is a fact of its own, so that a restart fires nothing twice:
 * samples from before it are gone, what was concluded from them is not. A rule that is met when it is made fires with the
 * first look at it.
 *
 * "For 10 minutes" is proven by samples: the last of them is taken at least so long after the first, and no two of them
 * lie further apart than a sample may be old. An edge that meets a cooldown, a daily limit or a condition that does not
 * hold is used up, and a fact says why.
 *
 * Loops: what an automation does can come back to it only through telemetry. It ends at the cooldown (five minutes at
 * least), the daily limit, and after DEPTH_MAX automations in a row on a device. A command counts in the row until its
 * end, a setting that stands for CHAIN_MS. An automation does not take a device from an event's dispatch.
 */
export const AUTOMATIONS_PER_WORKSPACE_MAX = 1_000;

export type AutomationInput =
  | { readonly kind: 'create-automation'; readonly rule: AutomationRule; readonly actor: string }
  /** The whole of it anew; id and workspace stay. */
  | { readonly kind: 'change-automation'; readonly automation: Automation; readonly actor: string }
  | {
      readonly kind: 'delete-automation';
      readonly workspaceId: string;
      readonly automationId: string;
      readonly actor: string;
    };

export function onAutomation(ctx: Context, input: AutomationInput): void {
  switch (input.kind) {
    case 'create-automation': {
      const { workspaceId } = input.rule;
      if (!ctx.state.workspaces.has(workspaceId)) {
        return ctx.refuse(input.kind, `${workspaceId}: no such workspace`, 'unknown');
      }
      const count = ctx.state.automationsOf.get(workspaceId)?.size ?? 0;
      if (count >= AUTOMATIONS_PER_WORKSPACE_MAX) {
        const why = `a workspace has at most ${AUTOMATIONS_PER_WORKSPACE_MAX} automations`;
        return ctx.refuse(input.kind, why, 'limit');
      }
      const automationId = `aut-${ctx.state.counters.automation + 1}`;
      return save(ctx, input.kind, { ...input.rule, automationId }, input.actor);
    }
    case 'change-automation': {
      const { automation, actor } = input;
      if (!isOf(ctx.state, automation)) {
        return ctx.refuse(input.kind, `${automation.automationId}: no such automation`, 'unknown');
      }
      return save(ctx, input.kind, automation, actor);
    }
    case 'delete-automation': {
      const { workspaceId, automationId, actor } = input;
      if (!isOf(ctx.state, input)) return ctx.refuse(input.kind, `${automationId}: no such automation`, 'unknown');
      return ctx.emit({ type: 'automation.deleted', workspaceId, automationId, actor });
    }
  }
}

const isOf = (
  state: CoreState,
  { automationId, workspaceId }: { readonly automationId: string; readonly workspaceId: string },
): boolean => state.automations.get(automationId)?.automation.workspaceId === workspaceId;

function save(ctx: Context, what: string, automation: Automation, actor: string): void {
  const problems = automationProblems(automation);
  if (problems.length > 0) return ctx.refuse(what, problems.map(describeProblem).join('\n'), 'invalid');
  const unknown = unknownName(ctx.state, automation);
  if (unknown !== null) return ctx.refuse(what, unknown, 'unknown');
  const { workspaceId, automationId } = automation;
  ctx.emit({
    type: 'automation.saved',
    workspaceId,
    automationId,
    automation,
    nextMs: firstMs(ctx, automation),
    actor,
  });
}

/** A price is looked at as soon as possible; a clock time when it comes. */
function firstMs(ctx: Context, { when, enabled }: Automation): EpochMs | null {
  if (!enabled) return null;
  if (when.kind === 'price') return ctx.nowMs;
  if (when.kind !== 'time') return null;
  return nextTime({ kind: 'cron', expression: when.cron, timeZone: when.timeZone }, ctx.nowMs);
}

/** The first thing that the rule names and the workspace does not have; null if all is there. */
export function unknownName(state: CoreState, rule: AutomationRule): string | null {
  const { workspaceId, when, action, target } = rule;
  const programIds = rule.conditions.flatMap((c) => (c.kind === 'event' ? [c.programId] : []));
  if (when.kind === 'event' && when.programId !== null) programIds.push(when.programId);
  if (action.kind === 'unenroll') programIds.push(action.programId);
  const program = programIds.find((id) => state.programs.get(id)?.workspaceId !== workspaceId);
  if (program !== undefined) return `automation: ${program}: no such program`;
  const watched = 'watch' in when ? missing(state, rule, 'when.watch', when.watch) : null;
  if (watched !== null) return watched;
  return target.kind === 'triggering-device' ? null : missing(state, rule, 'target', target);
}

function missing(state: CoreState, { workspaceId }: AutomationRule, place: string, s: Selection): string | null {
  switch (s.kind) {
    case 'all':
      return null;
    case 'devices': {
      const isMine = (entry: AnyEntry | undefined) =>
        entry !== undefined && deviceOf(entry).workspaceId === workspaceId;
      const id = s.deviceIds.find((d) => !isMine(anyDevice(state, d)));
      return id === undefined ? null : `automation: ${place}.deviceIds: ${id}: no such device`;
    }
    case 'tag':
      return taggedIds(state, workspaceId, s.tag).length > 0
        ? null
        : describeProblem({
            ...noSuchTag(state, workspaceId, s.tag),
            source: 'automation',
            place: `${place}.tag`,
          });
    case 'group':
      return state.groups.get(s.groupId)?.workspaceId === workspaceId
        ? null
        : `automation: ${place}.groupId: ${s.groupId}: no such group`;
  }
}

const headOf = ({ workspaceId, automationId }: Automation) => ({ workspaceId, automationId });

/** A time of the agenda has come. An entry of a time that no longer counts is passed over. */
export function automationDue(ctx: Context, automationId: string, atMs: EpochMs): void {
  const entry = ctx.state.automations.get(automationId);
  if (entry === undefined || entry.nextMs !== atMs) return;
  const { when } = entry.automation;
  if (when.kind === 'price') return lookAtPrice(ctx, entry, when);
  if (when.kind !== 'time') return;
  const timing = { kind: 'cron', expression: when.cron, timeZone: when.timeZone } as const;
  const nextMs = nextTime(timing, ctx.nowMs);
  ctx.emit({ type: 'automation.waits', ...headOf(entry.automation), nextMs });
  const seen: SeenValue[] = [{ what: `time by ${when.cron} in ${when.timeZone}`, value: atMs, atMs }];
  const lateMs = ctx.nowMs - atMs;
  if (lateMs > LATE_MS_MAX) {
    const why = `looked at ${lateMs} ms late; at most ${LATE_MS_MAX} ms, and what was due in between is lost, too`;
    return ctx.emit({ type: 'automation.suppressed', ...headOf(entry.automation), subject: '', why, seen });
  }
  fire(ctx, entry, { subject: '', eventId: null, seen });
}

function lookAtPrice(ctx: Context, entry: AutomationEntry, test: PriceTest): void {
  const { workspaceId } = entry.automation;
  const { holds, seen } = priceAnswer(ctx, workspaceId, test);
  const head = headOf(entry.automation);
  const wasMet = entry.met.has('');
  const isMet = holds ?? wasMet;
  const series = pricesFor(ctx.state, workspaceId, test);
  const nextMs = nextChange(series, test, { nowMs: ctx.nowMs, holds: isMet });
  if (nextMs !== entry.nextMs) ctx.emit({ type: 'automation.waits', ...head, nextMs });
  if (isMet === wasMet) return;
  const sinceMs = isMet ? ctx.nowMs : null;
  ctx.emit({ type: 'automation.met', ...head, subject: '', sinceMs, seen: [seen] });
  if (isMet) fire(ctx, entry, { subject: '', eventId: null, seen: [seen] });
  else clearOwn(ctx, entry.automation, '');
}

/** A newest sample of a device has come. @param beforeMs  when the one before it was taken; null = there was none */
export function onSample(ctx: Context, device: AnyEntry, beforeMs: EpochMs | null): void {
  for (const id of ctx.state.automationsOf.get(deviceOf(device).workspaceId) ?? []) {
    const entry = ctx.state.automations.get(id);
    const when = entry?.automation.when;
    if (entry === undefined || !entry.automation.enabled) continue;
    if (when?.kind !== 'telemetry' && when?.kind !== 'state') continue;
    if (isWatched(ctx.state, entry.automation, when.watch, device)) lookAtSample(ctx, entry, device, beforeMs);
  }
}

/** After a sample of a device that is no battery. @param beforeMs  when the newest one before the input was taken */
export function onApplianceSample(ctx: Context, deviceId: string, beforeMs: EpochMs | null): void {
  const newestMs = ctx.telemetry.appliances.get(deviceId)?.state.sampledAtMs;
  const device = ctx.state.appliances.get(deviceId);
  if (device !== undefined && newestMs !== undefined && newestMs !== beforeMs) onSample(ctx, device, beforeMs);
}

function lookAtSample(ctx: Context, entry: AutomationEntry, device: AnyEntry, beforeMs: EpochMs | null): void {
  const { when } = entry.automation;
  const sample = freshSample(ctx, device);
  if ((when.kind !== 'telemetry' && when.kind !== 'state') || sample === null) return;
  const value = sampledValue(sample, when);
  if (value === null) return;
  const subject = deviceOf(device).deviceId;
  const { sampledAtMs } = sample;
  const seen: SeenValue[] = [{ what: whatOf(when, device), value, atMs: sampledAtMs }];
  const met = (sinceMs: EpochMs | null) =>
    ctx.emit({ type: 'automation.met', ...headOf(entry.automation), subject, sinceMs, seen });
  const known = entry.met.get(subject);
  if (known === undefined) {
    if (!holdsFor(value, when)) return;
    met(sampledAtMs);
  } else {
    if (isOver(value, when)) {
      met(null);
      return clearOwn(ctx, entry.automation, subject);
    }
    const gapMs = beforeMs === null ? Number.POSITIVE_INFINITY : sampledAtMs - beforeMs;
    if (!known.isUsed && gapMs > anyStaleAfterMs(ctx, device)) met(sampledAtMs);
  }
  const holds = entry.met.get(subject);
  if (holds === undefined || holds.isUsed || sampledAtMs - holds.sinceMs < when.forMs) return;
  fire(ctx, entry, { subject, eventId: null, seen });
}

/** What an input made true may trigger automations. Their own facts trigger none: only what is listed here does. */
export function react(ctx: Context, facts: readonly Fact[]): void {
  if (ctx.state.automations.size === 0) return;
  // Firing adds facts behind these; none of them is of a kind that is looked at, so the end is fixed here.
  for (const fact of facts.slice()) {
    switch (fact.type) {
      case 'device.storm':
        onStorm(ctx, fact.deviceId, fact.active, fact.sampledAtMs);
        break;
      case 'event.offered':
        onEvent(ctx, fact.event.eventId, 'offered');
        break;
      case 'event.started':
        onEvent(ctx, fact.eventId, 'started');
        break;
      case 'event.ended':
        onEvent(ctx, fact.eventId, 'ended');
        break;
      case 'prices.published':
        onPrices(ctx, fact);
        break;
      default:
        break;
    }
  }
}

function enabledOf(ctx: Context, workspaceId: string): AutomationEntry[] {
  return [...(ctx.state.automationsOf.get(workspaceId) ?? [])].flatMap((id) => {
    const entry = ctx.state.automations.get(id);
    return entry?.automation.enabled ? [entry] : [];
  });
}

function onStorm(ctx: Context, deviceId: string, active: boolean, atMs: EpochMs): void {
  const device = ctx.state.devices.get(deviceId);
  if (device === undefined) return;
  const seen: SeenValue[] = [{ what: `storm at ${deviceId}`, value: active, atMs }];
  for (const entry of enabledOf(ctx, device.device.workspaceId)) {
    const { when } = entry.automation;
    if (when.kind !== 'storm' || (when.what === 'began') !== active) continue;
    if (!isWatched(ctx.state, entry.automation, when.watch, device)) continue;
    fire(ctx, entry, { subject: deviceId, eventId: null, seen });
  }
}

function onEvent(ctx: Context, eventId: string, what: 'offered' | 'started' | 'ended'): void {
  const programId = ctx.state.events.get(eventId)?.event.programId ?? '';
  const seen: SeenValue[] = [{ what: `${eventId} of ${programId}`, value: what, atMs: ctx.nowMs }];
  for (const entry of enabledOf(ctx, ctx.state.programs.get(programId)?.workspaceId ?? '')) {
    const { when } = entry.automation;
    if (when.kind !== 'event' || when.what !== what) continue;
    if (when.programId === null || when.programId === programId) fire(ctx, entry, { subject: '', eventId, seen });
  }
}

/** Prices of a node are everybody's. */
function onPrices(ctx: Context, p: Extract<Fact, { readonly type: 'prices.published' }>): void {
  for (const entry of ctx.state.automations.values()) {
    const { when, enabled, workspaceId } = entry.automation;
    if (!enabled || when.kind !== 'price' || when.node !== p.node || when.market !== p.market) continue;
    if (p.workspaceId === undefined || p.workspaceId === workspaceId) lookAtPrice(ctx, entry, when);
  }
}

function fire(ctx: Context, entry: AutomationEntry, cause: Cause): void {
  const { automation } = entry;
  const { subject } = cause;
  const rest = restOf(automation, entry.uses.get(useKey(automation, subject)), ctx.nowMs);
  const plan = planFiring(ctx, automation, cause, rest);
  const { seen } = plan;
  if (plan.kind === 'held') {
    return ctx.emit({ type: 'automation.suppressed', ...headOf(automation), subject, why: plan.why, seen });
  }
  const firingId = `${automation.automationId}/${entry.firings + 1}`;
  const outcomes = perform(ctx, automation, cause, { plan, firingId });
  const day = localDate(ctx.nowMs, automation.timeZone);
  const { depth } = plan;
  ctx.emit({
    type: 'automation.triggered',
    ...headOf(automation),
    firingId,
    subject,
    day,
    depth,
    seen,
    outcomes,
  });
}

interface PlannedFiring {
  readonly plan: Extract<FiringPlan, { kind: 'go' }>;
  readonly firingId: string;
}

function perform(ctx: Context, automation: Automation, cause: Cause, firing: PlannedFiring): AutomationOutcome[] {
  return firing.plan.steps.map((step) =>
    step.why === null
      ? carryOut(ctx, automation, { ...firing, step, eventId: cause.eventId ?? '' })
      : { kind: 'nothing', deviceId: step.deviceId, why: step.why },
  );
}

function carryOut(
  ctx: Context,
  automation: Automation,
  firing: PlannedFiring & { readonly step: FiringStep; readonly eventId: string },
): AutomationOutcome {
  const { automationId, workspaceId, action } = automation;
  const actor = `automation/${automationId}`;
  const { plan, firingId, step, eventId } = firing;
  const { deviceId } = step;
  switch (action.kind) {
    case 'command': {
      const cause = { kind: 'automation', actor, automationId, firingId, depth: plan.depth } as const;
      const request = { workspaceId, deviceId, order: action.command, ...windowFrom(ctx, action), actor };
      return { kind: 'command', deviceId, commandId: giveOrder(ctx, request, cause) };
    }
    case 'unenroll':
      unenroll(ctx, deviceId, action.programId, `by ${actor}`);
      return { kind: 'unenrolled', deviceId, programId: action.programId };
    case 'alert':
      return raise(ctx, automation, firing);
    case 'opt-out': {
      const resourceId = step.resourceId ?? '';
      answerEvent(ctx, { eventId, resourceId, answer: 'opt-out', by: actor });
      return { kind: 'opted-out', resourceId, eventId };
    }
  }
}

function raise(
  ctx: Context,
  { workspaceId, automationId, action, name }: Automation,
  firing: PlannedFiring & { readonly step: FiringStep },
): AutomationOutcome {
  const { deviceId } = firing.step;
  invariant(action.kind === 'alert', `${automationId} raises no alert`);
  const evidence = Object.fromEntries(firing.plan.seen.map((s) => [s.what, s.value]));
  const alertId = openAlert(ctx, {
    workspaceId,
    severity: action.severity,
    type: action.type,
    rule: 'automation',
    subject: alertSubject(automationId, deviceId),
    text: `${name}: ${action.text}`,
    evidence: { automationId, ...evidence },
  });
  if (alertId !== null) return { kind: 'alert', alertId };
  return { kind: 'nothing', deviceId, why: `an alert of type ${action.type} is open there` };
}

const alertSubject = (automationId: string, deviceId: string): AlertSubject =>
  deviceId === '' ? { kind: 'automation', id: automationId } : { kind: 'device', id: deviceId };

/** What an automation asks for does not hold any more: so its alert is over, unless it is somebody else's. */
function clearOwn(ctx: Context, { automationId, action }: Automation, subject: string): void {
  if (action.kind !== 'alert') return;
  const about = alertSubject(automationId, subject);
  const alert = ctx.state.alerts.get(ctx.state.openAlerts.get(alertKey(action.type, about)) ?? '');
  if (alert?.evidence.automationId !== automationId) return;
  clearAlert(ctx, action.type, about, 'automation', 'what the automation asks for does not hold any more');
}
