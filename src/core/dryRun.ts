import {
  type AutomationRule,
  type AutomationTrigger,
  automationProblems,
  type SampleTrigger,
  type SeenValue,
} from '../domain/automation.ts';
import { describeProblem, InvariantError } from '../domain/errors.ts';
import { compares, type DeviceState, holdsFor, isOver, sampledValue } from '../domain/sample.ts';
import { timesOf } from '../domain/schedule.ts';
import { localDate } from '../domain/time.ts';
import type { EpochMs } from '../domain/units.ts';
import { anyStaleAfterMs, deviceOf } from './anyDevice.ts';
import { unknownName } from './automations.ts';
import {
  type Cause,
  conditionAnswer,
  type FiringPlan,
  planFiring,
  priceAnswer,
  restOf,
  sampleAnswer,
  stormAt,
  type Use,
  useKey,
  watchedBy,
  whatOf,
} from './automationView.ts';
import type { Context } from './context.ts';
import { endOf, priceAt, pricesFor } from './prices.ts';
import type { CoreSettings } from './settings.ts';
import type { CoreState, PriceSeries } from './state.ts';
import type { TelemetryStore } from './telemetry.ts';

/**
 * What an automation would do, without doing it. It asks the same questions as the automation at work, and a context that
 * refuses to record anything makes sure that nothing is done.
 */
export interface DryRunRequest {
  readonly state: CoreState;
  readonly telemetry: TelemetryStore;
  readonly settings: CoreSettings;
  readonly rule: AutomationRule;
  readonly nowMs: EpochMs;
  /** The automation that the rule is of or is meant for: its cooldown and daily limit count. */
  readonly automationId?: string;
  /** Prices to try a price rule on, in place of those that were published. */
  readonly prices?: PriceSeries;
  /** Past samples to try a telemetry rule on, in order of time. */
  readonly samples?: readonly { readonly deviceId: string; readonly state: DeviceState }[];
}

export interface DryRun {
  /** What is wrong with the rule; then the rest is empty. */
  readonly problems: readonly string[];
  /** Subjects of the trigger as they are now: devices, or '' for what belongs to none; at most SUBJECTS_MAX. */
  readonly now: readonly {
    readonly subject: string;
    /** Whether what the trigger asks for holds now; null = not known, or it is no level (a time, an edge). */
    readonly holds: boolean | null;
    readonly seen: readonly SeenValue[];
    /** What a firing for this subject would do at this moment. */
    readonly plan: FiringPlan;
  }[];
  /** More subjects than were looked at. */
  readonly isMore: boolean;
  /** Firings over the series that was given, over the known prices, or of the clock; at most FIRINGS_MAX. */
  readonly firings: readonly TriedFiring[];
  /** Conditions that a try over other times than now cannot look at. */
  readonly notLookedAt: readonly string[];
}

export interface TriedFiring {
  readonly atMs: EpochMs;
  readonly subject: string;
  /** null = it would fire. */
  readonly why: string | null;
  readonly seen: readonly SeenValue[];
}

export const SUBJECTS_MAX = 1_000;
export const FIRINGS_MAX = 1_000;

export function dryRun(request: DryRunRequest): DryRun {
  const { state, rule } = request;
  const unknown = unknownName(state, rule);
  const problems = automationProblems(rule).map(describeProblem);
  if (problems.length === 0 && unknown !== null) problems.push(unknown);
  if (problems.length > 0) return { problems, now: [], isMore: false, firings: [], notLookedAt: [] };
  const ctx = onlyLooks(request, request.nowMs);
  const causes = subjects(ctx, rule);
  const edges = edgesOf(request, ctx);
  return {
    problems: [],
    now: causes.slice(0, SUBJECTS_MAX).map(({ cause, holds }) => ({
      subject: cause.subject,
      holds,
      seen: cause.seen,
      plan: planFiring(ctx, rule, cause, restNow(request, cause.subject)),
    })),
    isMore: causes.length > SUBJECTS_MAX,
    firings: tried(request, edges),
    notLookedAt: edges.length === 0 ? [] : rule.conditions.flatMap((c, i) => (isTimed(c) ? [] : [`conditions[${i}]`])),
  };
}

function onlyLooks(request: DryRunRequest, nowMs: EpochMs): Context {
  const { state, telemetry, settings } = request;
  const never = (what: string) => () => {
    throw new InvariantError(`a dry run must not ${what}`);
  };
  return {
    state,
    telemetry,
    settings,
    nowMs,
    emit: never('record a fact'),
    ask: never('ask a peer'),
    refuse: never('refuse'),
  };
}

function restNow({ state, rule, automationId, nowMs }: DryRunRequest, subject: string): string | null {
  const entry = automationId === undefined ? undefined : state.automations.get(automationId);
  return restOf(rule, entry?.uses.get(useKey(rule, subject)), nowMs);
}

interface Subject {
  readonly cause: Cause;
  readonly holds: boolean | null;
}

function subjects(ctx: Context, rule: AutomationRule): Subject[] {
  const { when } = rule;
  switch (when.kind) {
    case 'time':
      return [{ cause: { subject: '', eventId: null, seen: [] }, holds: null }];
    case 'price': {
      const { holds, seen } = priceAnswer(ctx, rule.workspaceId, when);
      return [{ cause: { subject: '', eventId: null, seen: [seen] }, holds }];
    }
    case 'telemetry':
    case 'state':
      return watchedBy(ctx.state, rule, when.watch).map((device) => {
        const { holds, seen } = sampleAnswer(ctx, when, device);
        return { cause: { subject: deviceOf(device).deviceId, eventId: null, seen: [seen] }, holds };
      });
    case 'storm':
      return watchedBy(ctx.state, rule, when.watch).map((device) => {
        const subject = deviceOf(device).deviceId;
        const value = stormAt(ctx, device);
        const seen = [{ what: `storm at ${subject}`, value, atMs: ctx.nowMs }];
        return {
          cause: { subject, eventId: null, seen },
          holds: value === null ? null : value === (when.what === 'began'),
        };
      });
    case 'event':
      return eventSubjects(ctx, rule, when);
  }
}

/** Events that are offered or run now; without one, what would be done for an event that is not there yet. */
function eventSubjects(
  ctx: Context,
  { workspaceId }: AutomationRule,
  when: Extract<AutomationTrigger, { kind: 'event' }>,
): Subject[] {
  const found: Subject[] = [];
  for (const { event, status } of ctx.state.events.values()) {
    const { eventId, programId } = event;
    if (ctx.state.programs.get(programId)?.workspaceId !== workspaceId) continue;
    if (when.programId !== null && when.programId !== programId) continue;
    if (status !== 'offered' && status !== 'started') continue;
    const seen = [{ what: `${eventId} of ${programId}`, value: status, atMs: ctx.nowMs }];
    found.push({ cause: { subject: '', eventId, seen }, holds: status === when.what });
  }
  return found.length > 0 ? found : [{ cause: { subject: '', eventId: null, seen: [] }, holds: null }];
}

interface Edge {
  readonly atMs: EpochMs;
  readonly subject: string;
  readonly seen: readonly SeenValue[];
}

function edgesOf(request: DryRunRequest, ctx: Context): Edge[] {
  const { when } = request.rule;
  switch (when.kind) {
    case 'time': {
      const timing = { kind: 'cron', expression: when.cron, timeZone: when.timeZone } as const;
      const range = { afterMs: ctx.nowMs, untilMs: Number.POSITIVE_INFINITY, max: CLOCK_FIRINGS };
      return timesOf(timing, range).map((atMs) => ({ atMs, subject: '', seen: [] }));
    }
    case 'price':
      return priceEdges(request.prices ?? pricesFor(ctx.state, request.rule.workspaceId, when), when);
    case 'telemetry':
    case 'state':
      return sampleEdges(ctx, request, when);
    case 'storm':
    case 'event':
      return [];
  }
}

/** Of a clock's endless firings so many are tried. */
const CLOCK_FIRINGS = 100;

function priceEdges(series: PriceSeries | undefined, when: Extract<AutomationTrigger, { kind: 'price' }>): Edge[] {
  const found: Edge[] = [];
  if (series === undefined) return found;
  let held = false;
  for (let atMs = series.startMs; atMs < endOf(series); atMs += series.stepMs) {
    const value = priceAt(series, atMs);
    if (value === null) continue;
    const holds = compares(value, when.comparison, when.usdPerMwh);
    const what = `${when.market} price of ${when.node} [$/MWh]`;
    if (holds && !held) found.push({ atMs, subject: '', seen: [{ what, value, atMs }] });
    held = holds;
  }
  return found;
}

/** Runs of samples as the automation at work sees them: one that breaks off for longer than a sample may be old begins anew. */
function sampleEdges(ctx: Context, { samples = [], rule }: DryRunRequest, when: SampleTrigger): Edge[] {
  const found: Edge[] = [];
  const watched = new Map(watchedBy(ctx.state, rule, when.watch).map((d) => [deviceOf(d).deviceId, d]));
  const runs = new Map<string, { sinceMs: EpochMs; isUsed: boolean }>();
  const lastMs = new Map<string, EpochMs>();
  for (const { deviceId, state } of samples) {
    const device = watched.get(deviceId);
    const value = sampledValue(state, when);
    if (device === undefined || value === null) continue;
    const { sampledAtMs: atMs } = state;
    const gapMs = atMs - (lastMs.get(deviceId) ?? Number.NEGATIVE_INFINITY);
    lastMs.set(deviceId, atMs);
    const run = runs.get(deviceId);
    if (run !== undefined && isOver(value, when)) runs.delete(deviceId);
    else if (run === undefined && holdsFor(value, when)) {
      runs.set(deviceId, { sinceMs: atMs, isUsed: false });
    } else if (run !== undefined && !run.isUsed && gapMs > anyStaleAfterMs(ctx, device)) run.sinceMs = atMs;
    const held = runs.get(deviceId);
    if (held === undefined || held.isUsed || atMs - held.sinceMs < when.forMs) continue;
    held.isUsed = true;
    found.push({ atMs, subject: deviceId, seen: [{ what: whatOf(when, device), value, atMs }] });
  }
  return found;
}

/** Conditions that can be answered for another time than now. */
const isTimed = (c: AutomationRule['conditions'][number]): boolean => c.kind === 'time';

/** Cooldown, daily limit and the conditions that go by the clock, edge by edge. */
function tried(request: DryRunRequest, edges: readonly Edge[]): TriedFiring[] {
  const { rule } = request;
  const uses = new Map<string, Use>();
  return edges.slice(0, FIRINGS_MAX).map(({ atMs, subject, seen }) => {
    const key = useKey(rule, subject);
    const before = uses.get(key);
    const why = restOf(rule, before, atMs) ?? clockObstacle(request, atMs);
    if (why === null) {
      const day = localDate(atMs, rule.timeZone);
      uses.set(key, { lastMs: atMs, day, count: before?.day === day ? before.count + 1 : 1 });
    }
    return { atMs, subject, why, seen };
  });
}

function clockObstacle(request: DryRunRequest, atMs: EpochMs): string | null {
  const then = onlyLooks(request, atMs);
  const { conditions, workspaceId } = request.rule;
  const i = conditions.findIndex((c) => isTimed(c) && conditionAnswer(then, workspaceId, c, null).holds !== true);
  return i < 0 ? null : `conditions[${i}] does not hold`;
}
