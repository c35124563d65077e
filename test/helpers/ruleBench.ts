import type { AutomationRule } from '../../src/domain/automation.ts';
import type { CommandInput, OperatingMode } from '../../src/domain/command.ts';
import { BATTERY_SLUG, type ModeOrder, type Order } from '../../src/domain/order.ts';
import type {
  DeviceModeSchedule,
  FiringResult,
  ModeRule,
  ScheduleTarget,
  ScheduleTiming,
} from '../../src/domain/schedule.ts';
import { type Bench, HOUR, MIN, ZONE } from './coreBench.ts';

/** Schedules and automations on the bench, with the parts that a test does not care for filled in. */
export const DISCHARGE: CommandInput = { operatingMode: 'discharge', enableGridInteraction: false };
export const CHARGE: CommandInput = { operatingMode: 'charge', enableGridInteraction: false };

/** What schedules and automations go into: the bench of batteries, or the rig of the others. */
type Plant = Pick<Bench, 'put'>;

export const toBattery = (input: CommandInput): Order => ({ slug: BATTERY_SLUG, input });
/** A battery's mode; without grid interaction. */
export const mode = (operatingMode: OperatingMode): ModeOrder => ({
  slug: BATTERY_SLUG,
  input: { operatingMode, enableGridInteraction: false },
});

export interface ScheduleOptions {
  readonly device?: string;
  readonly tag?: string;
  readonly group?: string;
  readonly timing: ScheduleTiming;
  readonly input?: CommandInput;
  readonly command?: Order;
  /** null = it stands. */
  readonly durationMs?: number | null;
}

function targetOf({ tag, group, device = 'e' }: ScheduleOptions): ScheduleTarget {
  if (tag !== undefined) return { kind: 'tag', tag };
  return group === undefined ? { kind: 'device', deviceId: device } : { kind: 'group', groupId: group };
}

/** @returns id of the schedule, '' when it was refused */
export function schedule(b: Plant, o: ScheduleOptions): string {
  const out = b.put({
    kind: 'create-schedule',
    schedule: {
      kind: 'command',
      workspaceId: 'ws',
      name: 'test',
      target: targetOf(o),
      timing: o.timing,
      command: o.command ?? toBattery(o.input ?? DISCHARGE),
      durationMs: o.durationMs === undefined ? HOUR : o.durationMs,
    },
    actor: 'ana',
  });
  const made = out.facts.find((f) => f.type === 'schedule.created');
  return made?.type === 'schedule.created' ? made.scheduleId : '';
}

export const cron = (expression: string, timeZone = ZONE): ScheduleTiming => ({ kind: 'cron', expression, timeZone });

/** The modes of a device: discharge in the rules, reset outside them, unless told otherwise. */
export function modes(
  b: Plant,
  deviceId: string,
  rules: readonly (Omit<ModeRule, 'deviceOperatingMode'> & Partial<ModeRule>)[],
  over: Partial<Pick<DeviceModeSchedule, 'defaultDeviceOperatingMode' | 'timeZone'>> = {},
): string {
  const out = b.put({
    kind: 'create-schedule',
    schedule: {
      kind: 'device-modes',
      workspaceId: 'ws',
      deviceId,
      timeZone: ZONE,
      defaultDeviceOperatingMode: mode('reset'),
      rules: rules.map((r) => ({ deviceOperatingMode: mode('discharge'), ...r })),
      ...over,
    },
    actor: 'ana',
  });
  const made = out.facts.find((f) => f.type === 'schedule.created');
  return made?.type === 'schedule.created' ? made.scheduleId : '';
}

export const EVERY_DAY = [0, 1, 2, 3, 4, 5, 6];

/** Firings as [time, what became of it]. */
export const fired = (b: Bench, scheduleId?: string): [string, FiringResult['kind']][] =>
  b.facts.flatMap(({ fact }) =>
    fact.type === 'schedule.fired' && (scheduleId === undefined || fact.scheduleId === scheduleId)
      ? [[iso(fact.dueMs), fact.result.kind]]
      : [],
  );

export const iso = (atMs: number): string => new Date(atMs).toISOString().slice(0, 16);

/** Whether what a command schedule or an automation gave a device was this, as [mode, start, end] in order. */
export const commands = (b: Bench, deviceId: string): string[] =>
  b
    .factsOf('command.accepted')
    .filter(({ command }) => command.deviceId === deviceId)
    .map(({ command: c }) => `${c.input.operatingMode} ${iso(c.startMs)} ${(c.endMs - c.startMs) / MIN} min`);

export const rule = (over: Partial<AutomationRule>): AutomationRule => ({
  workspaceId: 'ws',
  name: 'test',
  enabled: true,
  when: {
    kind: 'telemetry',
    watch: { kind: 'all' },
    metric: 'chargePercentage',
    comparison: 'below',
    value: 20,
    forMs: 0,
    hysteresis: 5,
  },
  conditions: [],
  target: { kind: 'triggering-device' },
  action: { kind: 'command', command: toBattery(CHARGE), durationMs: 30 * MIN },
  cooldownMs: 10 * MIN,
  firingsPerDayMax: 24,
  timeZone: ZONE,
  ...over,
});

/** @returns id of the automation, '' when it was refused */
export function automation(b: Plant, over: Partial<AutomationRule>): string {
  const out = b.put({ kind: 'create-automation', rule: rule(over), actor: 'ana' });
  const made = out.facts.find((f) => f.type === 'automation.saved');
  return made?.type === 'automation.saved' ? made.automationId : '';
}
