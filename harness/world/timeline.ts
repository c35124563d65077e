import { homeDeviceId } from '../../scenarios/fleet.ts';
import type { Scenario } from '../../scenarios/schema.ts';
import type { TimelineStep } from '../../scenarios/steps.ts';
import { durationMs, endMsOf, instantAt } from '../../scenarios/times.ts';
import type { CoreInput } from '../../src/core/input.ts';
import type { ApplianceInput } from '../../src/domain/appliance.ts';
import { SETTING_NOT_AFTER_MS } from '../../src/domain/applianceCommand.ts';
import type { CommandInput } from '../../src/domain/command.ts';
import { kwToW } from '../../src/domain/units.ts';
import type { WeatherAlert } from '../../src/ports/series.ts';

/** Timeline steps in the words of the core and of the weather service. */

/** Room between an event's call and its start, for plans to go out ahead. */
export const NOTICE_MS = 30 * 60_000;

type StepOf<K extends TimelineStep['kind']> = Extract<TimelineStep, { kind: K }>;

export function alertOfStep(scenario: Scenario, s: StepOf<'alert'>): WeatherAlert {
  const sentMs = instantAt(scenario, s.at, 'at');
  return {
    alertId: s.alertId,
    event: s.event,
    status: s.status,
    messageType: s.messageType,
    severity: s.severity,
    urgency: s.urgency,
    certainty: s.certainty,
    sentMs,
    onsetMs: s.onset === undefined ? sentMs : instantAt(scenario, s.onset, 'onset'),
    endMs: instantAt(scenario, s.until, 'until'),
    zones: s.zones,
    references: s.replaces,
    headline: `${s.event} (${s.severity}) until ${s.until}`,
  };
}

export function offerOfStep(scenario: Scenario, s: StepOf<'dispatch'>): CoreInput {
  const startMs = instantAt(scenario, s.at, 'at');
  const interval = {
    startMs,
    endMs: startMs + durationMs(s.duration),
    targetW: kwToW(s.targetKw),
    priceUsdPerMwh: null,
  };
  const { eventId, programId } = s;
  const kind = s.test ? 'test' : 'dispatch';
  return { kind: 'offer-event', offer: { eventId, programId, kind, calledBy: 'timeline', intervals: [interval] } };
}

export function commandOfStep(scenario: Scenario, s: StepOf<'command'>, workspaceId: string): CoreInput {
  const startMs = instantAt(scenario, s.at, 'at');
  const request = {
    workspaceId,
    input: commandInput(s.input),
    startMs,
    endMs: startMs + durationMs(s.duration),
    actor: 'timeline',
  };
  if (s.tag !== undefined) return { kind: 'batch', batch: { ...request, tag: s.tag } };
  return { kind: 'command', request: { ...request, deviceId: s.deviceId ?? '' } };
}

export function settingOfStep(scenario: Scenario, s: StepOf<'set'>, workspaceId: string): CoreInput {
  const startMs = instantAt(scenario, s.at, 'at');
  const endMs = s.duration === undefined ? null : startMs + durationMs(s.duration);
  const setting = { slug: s.slug, input: s.input } as unknown as ApplianceInput;
  const order = { workspaceId, setting, startMs, endMs, notAfterMs: startMs + SETTING_NOT_AFTER_MS, actor: 'timeline' };
  if (s.tag !== undefined) return { kind: 'appliance-batch', batch: { ...order, tag: s.tag } };
  return { kind: 'appliance-command', request: { ...order, deviceId: s.deviceId ?? '' } };
}

function commandInput(i: StepOf<'command'>['input']): CommandInput {
  const { powerKw, ...rest } = i;
  return powerKw === undefined ? rest : { ...rest, powerW: kwToW(powerKw) };
}

/** Devices that a step speaks of: one, or the first `count` homes of a group. */
export function devicesOfStep(scenario: Scenario, s: { group?: string; count?: number; deviceId?: string }): string[] {
  if (s.deviceId !== undefined) return [s.deviceId];
  const group = scenario.fleet.homes.find((g) => g.group === s.group);
  if (group === undefined) return [];
  return Array.from({ length: Math.min(s.count ?? group.count, group.count) }, (_, i) => homeDeviceId(group.group, i));
}

/** When an event called by the timeline is made known: half an hour ahead, or at the start of the run. */
export function noticeMs(scenario: Scenario, s: StepOf<'dispatch'>, startMs: number): number {
  return Math.min(Math.max(startMs, instantAt(scenario, s.at, 'at') - NOTICE_MS), endMsOf(scenario));
}
