import { z } from 'zod';
import { type AnyEntry, deviceOf } from '../../core/anyDevice.ts';
import { CHARGING_MODES, THERMOSTAT_MODES } from '../../domain/appliance.ts';
import type { CommandInput } from '../../domain/command.ts';
import { BATTERY_SLUG, type ModeOrder, type Order } from '../../domain/order.ts';
import { SETTINGS } from '../../domain/setting.ts';
import { inputSchema, settingOf } from '../appliances.ts';
import { ProblemError } from '../problems.ts';
import * as s from '../schemas.ts';
import { checked } from '../shape.ts';
import { batchSettings } from './appliances.ts';

/**
 * What a device is told, {slug, input}: the same in batches, schedules and automations. What is wrong with it is said when
 * it is made, not when it is due.
 */
export const batteryInput = z.strictObject({
  operatingMode: s.choice(['charge', 'discharge', 'idle', 'reset']),
  enableGridInteraction: z.optional(s.flag('enableGridInteraction: whether it may exchange power with the grid')),
  powerW: z.optional(s.watts('powerW')),
  minimumBatteryReserve: z.optional(s.percent('minimumBatteryReserve')),
  maximumBatteryReserve: z.optional(s.percent('maximumBatteryReserve')),
  executionPriority: z.optional(z.array(s.choice(['grid_services', 'baseline'])).max(2)),
});

type BatteryInput = z.output<typeof batteryInput>;

/** What the core is asked for. Nothing that matters is guessed: power for the grid is said, or asked back. */
export function inputOf(input: BatteryInput): CommandInput {
  const { enableGridInteraction, powerW, minimumBatteryReserve: low, maximumBatteryReserve: high } = input;
  const { executionPriority } = input;
  const exports = input.operatingMode === 'discharge' && powerW !== undefined;
  if (enableGridInteraction === undefined && (exports || executionPriority?.includes('grid_services'))) {
    throw new ProblemError('grid_interaction_unsaid', 'input.enableGridInteraction', {
      errors: [
        {
          place: 'input.enableGridInteraction',
          found: 'nothing',
          expected: 'true to exchange power with the grid, or false to serve the own load only',
        },
      ],
    });
  }
  return {
    operatingMode: input.operatingMode,
    enableGridInteraction: enableGridInteraction ?? false,
    ...(powerW === undefined ? {} : { powerW }),
    ...(low === undefined ? {} : { minimumBatteryReserve: low }),
    ...(high === undefined ? {} : { maximumBatteryReserve: high }),
    ...(executionPriority === undefined ? {} : { executionPriority }),
  };
}

const batteryOrder = z.strictObject({ slug: z.literal(BATTERY_SLUG), input: batteryInput });
const SLUGS = [BATTERY_SLUG, ...Object.keys(SETTINGS)];
/** A command with its slug: to a battery, or the input of that setting. */
export const orderBody = z.discriminatedUnion('slug', [batteryOrder, ...batchSettings()], {
  error: `slug: one of ${SLUGS.join(', ')}`,
});

/** The same with how long it holds: a battery's command ends, a setting may stand. */
const duration = s.whole('durationS', { min: 60, max: 7 * 86_400 });
export const timedOrderBody = z.discriminatedUnion(
  'slug',
  [
    batteryOrder.extend({ durationS: duration }),
    ...batchSettings().map((order) => order.extend({ durationS: z.optional(duration) })),
  ],
  { error: `slug: one of ${SLUGS.join(', ')}` },
);

/** @throws ProblemError grid_interaction_unsaid, as for a command */
export const orderOf = (command: z.output<typeof orderBody>): Order =>
  command.slug === BATTERY_SLUG
    ? { slug: command.slug, input: inputOf(command.input) }
    : settingOf(command.slug, command.input);

const MODES = ['charge', 'discharge', 'idle', 'reset', ...CHARGING_MODES, ...THERMOSTAT_MODES] as const;
const { operatingMode: _, ...ofBattery } = batteryInput.shape;

/**
 * A mode of a device: its name, or the whole input of its set-operating-mode command, "specific to the deviceType".
 * @source TextureHQ/docs docs/commands/scheduling.md @78e959e
 */
export const modeBody = z.union(
  [
    s.choice(MODES),
    z.strictObject({
      operatingMode: s.choice(MODES),
      ...ofBattery,
      coolTarget: z.optional(s.number('coolTarget [°F]', { min: -100, max: 200 })),
      heatTarget: z.optional(s.number('heatTarget [°F]', { min: -100, max: 200 })),
    }),
  ],
  { error: `a mode (${MODES.join(', ')}), or the input of the device's set-operating-mode command` },
);

/**
 * What a mode means for a device of this kind.
 * @throws ProblemError invalid_request with the wrong places, unprocessable for a device that has no modes
 */
export function modeOf(entry: AnyEntry, given: z.output<typeof modeBody>, place: string): ModeOrder {
  const input = typeof given === 'string' ? { operatingMode: given } : given;
  const { kind } = deviceOf(entry);
  switch (kind) {
    case 'battery':
    case 'bess':
      return { slug: BATTERY_SLUG, input: inputOf(checked(batteryInput, input, place)) };
    case 'charger':
    case 'vehicle':
    case 'thermostat': {
      const slug = `${kind}:set-operating-mode` as const;
      return settingOf(slug, checked(inputSchema(slug), input, place)) as ModeOrder;
    }
    case 'inverter':
      throw new ProblemError('unprocessable', `${place}: an inverter has no modes`);
  }
}
