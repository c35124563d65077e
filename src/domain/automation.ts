import { ALERT_SEVERITIES, ALERT_TYPES, type AlertSeverity, type AlertType } from './alert.ts';
import { minuteOfDay } from './calendar.ts';
import { type InputProblem, problem, show } from './errors.ts';
import type { Order } from './order.ts';
import type { DailyWindow } from './program.ts';
import { type MetricTest, metricProblems, type SampleTest, type StateTest, stateProblems } from './sample.ts';
import { cronProblems, givenProblems, NAME_LENGTH_MAX, zoneProblem } from './schedule.ts';
import { type EpochMs, MS_PER_DAY, MS_PER_HOUR, MS_PER_MIN } from './units.ts';

/**
 * Automations: when something becomes so, and other things are so, then something is done to some devices.
 *
 * `when` is an edge: it fires when what it asks for is seen to hold and was not known to hold before; it fires again only
 * after it was seen not to hold. `conditions` are levels, all of which have to hold at that moment. What is not known
 * (no sample, a stale one, no price) holds neither way and fires nothing.
 */

/** Some devices of the workspace, of any kind. */
export type Selection =
  | { readonly kind: 'all' }
  | { readonly kind: 'devices'; readonly deviceIds: readonly string[] }
  | { readonly kind: 'tag'; readonly tag: string }
  | { readonly kind: 'group'; readonly groupId: string };

export type AutomationTarget = Selection | { readonly kind: 'triggering-device' };

export type AutomationTrigger =
  | { readonly kind: 'time'; readonly cron: string; readonly timeZone: string }
  | PriceTest
  | SampleTrigger
  | { readonly kind: 'storm'; readonly watch: Selection; readonly what: 'began' | 'ended' }
  /** programId null = of any program of the workspace. */
  | {
      readonly kind: 'event';
      readonly what: 'offered' | 'started' | 'ended';
      readonly programId: string | null;
    };

/** Each device of `watch` for itself; those that do not have the field are not watched. */
export type SampleTrigger = {
  readonly watch: Selection;
  /** So long the samples have to say so, from the first to the last of them [ms]. */
  readonly forMs: number;
} & (
  | (MetricTest & {
      /** It is over only when the value is so far on the other side, ≥ 0, in the unit of the metric. */
      readonly hysteresis: number;
    })
  | StateTest
);

export interface PriceTest {
  readonly kind: 'price';
  readonly node: string;
  readonly market: 'day-ahead' | 'real-time';
  readonly comparison: 'above' | 'below';
  readonly usdPerMwh: number;
}

export type AutomationCondition =
  /** Local time of day, as the trigger's days are: [start, end); one that ends before it starts runs over midnight. */
  | {
      readonly kind: 'time';
      readonly window: DailyWindow;
      /** 0 = Sunday; absent = all. Of the instant itself, also behind midnight. */
      readonly daysOfWeek?: readonly number[];
      readonly timeZone: string;
    }
  | PriceTest
  /** Of each target device for itself. */
  | SampleTest
  | { readonly kind: 'storm'; readonly active: boolean }
  /** An event of the program runs now, or does not. */
  | { readonly kind: 'event'; readonly programId: string; readonly running: boolean };

export type AutomationAction =
  /** To the targets that know it. durationMs null = the setting stands; a battery's command always ends. */
  | { readonly kind: 'command'; readonly command: Order; readonly durationMs: number | null }
  /** Out of the event that triggered it, by the resources whose devices are all targets. */
  | { readonly kind: 'opt-out' }
  | { readonly kind: 'unenroll'; readonly programId: string }
  /**
   * One alert at the device that triggered the rule, or at the automation itself; the target is not asked. It is resolved
   * when what a telemetry or price rule asks for does not hold any more, or by a person.
   */
  | {
      readonly kind: 'alert';
      readonly type: AlertType;
      readonly severity: AlertSeverity;
      readonly text: string;
    };

export interface AutomationRule {
  readonly workspaceId: string;
  readonly name: string;
  readonly enabled: boolean;
  readonly when: AutomationTrigger;
  readonly conditions: readonly AutomationCondition[];
  readonly target: AutomationTarget;
  readonly action: AutomationAction;
  /** After a firing none for so long [ms]; per device when the target is the triggering device. */
  readonly cooldownMs: number;
  /** Per local day of timeZone; counted like the cooldown. */
  readonly firingsPerDayMax: number;
  readonly timeZone: string;
}

export interface Automation extends AutomationRule {
  readonly automationId: string;
}

/** What a firing saw: value and when it was measured or published; null = not known. */
export interface SeenValue {
  readonly what: string;
  readonly value: number | string | boolean | null;
  readonly atMs: EpochMs | null;
}

/** What a firing did to one device or resource. */
export type AutomationOutcome =
  | { readonly kind: 'command'; readonly deviceId: string; readonly commandId: string }
  | { readonly kind: 'unenrolled'; readonly deviceId: string; readonly programId: string }
  | { readonly kind: 'opted-out'; readonly resourceId: string; readonly eventId: string }
  | { readonly kind: 'alert'; readonly alertId: string }
  | { readonly kind: 'nothing'; readonly deviceId: string; readonly why: string };

interface FactHead {
  readonly workspaceId: string;
  readonly automationId: string;
}

export type AutomationFact =
  /** Made, or made anew under the same id. nextMs: when it looks at the clock next, null = it waits for something else. */
  | (FactHead & {
      readonly type: 'automation.saved';
      readonly automation: Automation;
      readonly nextMs: EpochMs | null;
      readonly actor: string;
    })
  | (FactHead & { readonly type: 'automation.deleted'; readonly actor: string })
  | (FactHead & { readonly type: 'automation.waits'; readonly nextMs: EpochMs | null })
  /** What it asks for was seen to hold since then, or not to hold any more (null). subject: the device, '' for a price. */
  | (FactHead & {
      readonly type: 'automation.met';
      readonly subject: string;
      readonly sinceMs: EpochMs | null;
      readonly seen: readonly SeenValue[];
    })
  | (FactHead & {
      readonly type: 'automation.triggered';
      readonly firingId: string;
      readonly subject: string;
      /** Local date of the firing: the day it counts for. */
      readonly day: string;
      readonly depth: number;
      readonly seen: readonly SeenValue[];
      readonly outcomes: readonly AutomationOutcome[];
    })
  /** The edge came and nothing was done. */
  | (FactHead & {
      readonly type: 'automation.suppressed';
      readonly subject: string;
      readonly why: string;
      readonly seen: readonly SeenValue[];
    });

export const COOLDOWN_MS_MIN = 5 * MS_PER_MIN;
export const FIRINGS_PER_DAY_MAX = 96;
export const CONDITIONS_MAX = 20;
export const TEXT_LENGTH_MAX = 1_000;
export const SELECTION_MAX = 10_000;
/** Automations in a row that may lead to one another on a device. */
export const DEPTH_MAX = 3;
/** What a setting that stands leads to follows from it for so long; ours [ms]. A command with an end: until then. */
export const CHAIN_MS = MS_PER_HOUR;

/** What is wrong with a rule by itself; empty = nothing. */
export function automationProblems(r: AutomationRule): InputProblem[] {
  const found: InputProblem[] = [];
  const bad = (place: string, value: unknown, expected: string) =>
    found.push(problem('automation', place, value, expected));
  if (r.name.trim() === '' || r.name.length > NAME_LENGTH_MAX)
    bad('name', r.name, `1 to ${NAME_LENGTH_MAX} characters`);
  if (!isWithin(r.cooldownMs, COOLDOWN_MS_MIN, 30 * MS_PER_DAY)) {
    bad('cooldownMs', r.cooldownMs, `whole milliseconds from ${COOLDOWN_MS_MIN} (5 minutes) to 30 days`);
  }
  if (!isWithin(r.firingsPerDayMax, 1, FIRINGS_PER_DAY_MAX)) {
    bad('firingsPerDayMax', r.firingsPerDayMax, `1 to ${FIRINGS_PER_DAY_MAX}`);
  }
  found.push(...zoneProblem('automation', 'timeZone', r.timeZone), ...triggerProblems(r.when));
  if (r.conditions.length > CONDITIONS_MAX) bad('conditions', `${r.conditions.length}`, `at most ${CONDITIONS_MAX}`);
  for (const [i, c] of r.conditions.entries()) found.push(...conditionProblems(`conditions[${i}]`, c));
  const hasDevice = 'watch' in r.when;
  if (r.target.kind === 'triggering-device') {
    if (!hasDevice) bad('target', r.target.kind, 'devices, a tag or a group: no device triggers this rule');
  } else found.push(...selectionProblems('target', r.target));
  return [...found, ...actionProblems(r)];
}

const isWithin = (x: number, min: number, max: number): boolean => Number.isInteger(x) && x >= min && x <= max;

function actionProblems({ action, when }: AutomationRule): InputProblem[] {
  switch (action.kind) {
    case 'command':
      return givenProblems('automation', 'action.', action);
    case 'opt-out':
      return when.kind === 'event' && when.what !== 'ended'
        ? []
        : [problem('automation', 'action', action.kind, 'a rule that an offered or started event triggers')];
    case 'unenroll':
      return [];
    case 'alert': {
      const found: InputProblem[] = [];
      const bad = (field: string, value: string, expected: string) =>
        found.push(problem('automation', `action.${field}`, value, expected));
      if (!ALERT_TYPES.includes(action.type)) bad('type', action.type, `one of ${ALERT_TYPES.join(', ')}`);
      if (!ALERT_SEVERITIES.includes(action.severity)) {
        bad('severity', action.severity, `one of ${ALERT_SEVERITIES.join(', ')}`);
      }
      const { text } = action;
      if (text.trim() === '' || text.length > TEXT_LENGTH_MAX) bad('text', text, `1 to ${TEXT_LENGTH_MAX} characters`);
      return found;
    }
  }
}

function selectionProblems(place: string, s: Selection): InputProblem[] {
  if (s.kind === 'tag' && s.tag.trim() === '') return [problem('automation', `${place}.tag`, s.tag, 'a tag')];
  if (s.kind !== 'devices') return [];
  const { deviceIds } = s;
  const good =
    deviceIds.length > 0 && deviceIds.length <= SELECTION_MAX && new Set(deviceIds).size === deviceIds.length;
  const expected = `1 to ${SELECTION_MAX} devices, each once`;
  return good ? [] : [problem('automation', `${place}.deviceIds`, `${deviceIds.length} ids`, expected)];
}

function triggerProblems(when: AutomationTrigger): InputProblem[] {
  switch (when.kind) {
    case 'time':
      return [
        ...cronProblems('automation', 'when.cron', when.cron),
        ...zoneProblem('automation', 'when.timeZone', when.timeZone),
      ];
    case 'price':
      return priceProblems('when', when);
    case 'telemetry':
    case 'state': {
      const found = [...selectionProblems('when.watch', when.watch), ...sampleProblems('when', when)];
      if (!isWithin(when.forMs, 0, MS_PER_DAY)) {
        found.push(problem('automation', 'when.forMs', when.forMs, 'whole milliseconds from 0 to one day'));
      }
      if (when.kind === 'telemetry' && !(Number.isFinite(when.hysteresis) && when.hysteresis >= 0)) {
        found.push(problem('automation', 'when.hysteresis', when.hysteresis, 'a number ≥ 0 in the unit of the metric'));
      }
      return found;
    }
    case 'storm':
      return selectionProblems('when.watch', when.watch);
    case 'event':
      return [];
  }
}

function priceProblems(place: string, { node, usdPerMwh }: PriceTest): InputProblem[] {
  const found = Number.isFinite(usdPerMwh)
    ? []
    : [problem('automation', `${place}.usdPerMwh`, usdPerMwh, 'a number [$/MWh]')];
  return node.trim() === '' ? [...found, problem('automation', `${place}.node`, node, 'a market node')] : found;
}

const sampleProblems = (place: string, test: SampleTest): InputProblem[] =>
  test.kind === 'telemetry' ? metricProblems('automation', place, test) : stateProblems('automation', place, test);

function conditionProblems(place: string, c: AutomationCondition): InputProblem[] {
  switch (c.kind) {
    case 'time': {
      const found = zoneProblem('automation', `${place}.timeZone`, c.timeZone);
      for (const end of ['start', 'end'] as const) {
        if (minuteOfDay(c.window[end]) !== null) continue;
        found.push(problem('automation', `${place}.window.${end}`, c.window[end], '"HH:MM" from 00:00 to 24:00'));
      }
      const days = c.daysOfWeek ?? [0];
      if (days.length === 0 || !days.every((d) => isWithin(d, 0, 6))) {
        found.push(problem('automation', `${place}.daysOfWeek`, show(days), 'days from 0 (Sunday) to 6 (Saturday)'));
      }
      return found;
    }
    case 'price':
      return priceProblems(place, c);
    case 'telemetry':
    case 'state':
      return sampleProblems(place, c);
    case 'storm':
    case 'event':
      return [];
  }
}
