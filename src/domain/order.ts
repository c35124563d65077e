import type { ApplianceKind } from './appliance.ts';
import { settingObstacle } from './applianceCommand.ts';
import type { CommandInput, OperatingMode } from './command.ts';
import type { Device } from './device.ts';
import { SETTINGS, type Setting } from './setting.ts';

/**
 * What a device is told, whatever its kind, by the slug of the command: what schedules and automations carry. A slug is
 * of one family of devices; those of another kind are left out ("ignoring devices that can't execute the specified
 * command", TextureHQ/docs platform-concepts/commands/batch-commands @022f132, read).
 */
export const BATTERY_SLUG = 'battery:set-operating-mode';

export interface BatteryOrder {
  readonly slug: typeof BATTERY_SLUG;
  readonly input: CommandInput;
}

export type Order = BatteryOrder | Setting;

/** A mode that a device can be in over a span of time: a device's weekly schedule is made of these. */
export type ModeOrder = Extract<Order, { readonly slug: `${string}:set-operating-mode` }>;

export type DeviceKind = Device['kind'] | ApplianceKind;
export const DEVICE_KINDS = [
  'battery',
  'bess',
  'charger',
  'vehicle',
  'thermostat',
  'inverter',
] as const satisfies readonly DeviceKind[];

const OPERATING_MODES: readonly OperatingMode[] = ['charge', 'discharge', 'idle', 'reset'];

/** Whether devices of this kind can be told this. */
export function knows(kind: DeviceKind, { slug }: Pick<Order, 'slug'>): boolean {
  const wanted = slug === BATTERY_SLUG ? 'battery' : SETTINGS[slug].deviceKind;
  return wanted === kind || (wanted === 'battery' && kind === 'bess');
}

/** What is wrong with an order, whichever device it goes to; null = nothing. */
export function orderProblem(order: Order): string | null {
  if (order.slug !== BATTERY_SLUG) return settingObstacle(SETTINGS[order.slug].deviceKind, order);
  const { operatingMode } = order.input;
  return OPERATING_MODES.includes(operatingMode)
    ? null
    : `input.operatingMode is ${JSON.stringify(operatingMode)}, expected one of ${OPERATING_MODES.join(', ')}`;
}
