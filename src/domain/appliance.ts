import type { ChargingState, GridStatus } from './battery.ts';
import type { Provenance } from './program.ts';
import type { EpochMs } from './units.ts';

/**
 * Devices other than batteries: EV chargers, vehicles, thermostats, PV inverters. Field names and units of the states
 * are those of Texture's data models (TextureHQ/docs docs/integrations/data-models @05a04c6, read), slugs and inputs of
 * the commands those of its command pages (docs/platform-concepts/commands/commands.md @022f132, read), so that what a
 * partner reads elsewhere means the same here. What those pages leave open is said at the field.
 */
export type ApplianceKind = 'charger' | 'vehicle' | 'thermostat' | 'inverter';

export interface ChargerState {
  readonly kind: 'charger';
  readonly chargingState: ChargingState;
  readonly isPluggedIn: boolean;
  /** [V] */
  readonly chargerVoltage: number;
  /** [A] */
  readonly chargerCurrent: number;
  /** AC power into the vehicle [W], ≥ 0 while charging. The page gives no sign; this one is derived. */
  readonly chargerWattage: number;
  readonly sampledAtMs: EpochMs;
}

export interface VehicleState {
  readonly kind: 'vehicle';
  /** Stored energy [Wh]; null where the maker does not tell. */
  readonly charge: number | null;
  /** [% of capacity] */
  readonly chargePercentage: number;
  readonly chargingState: ChargingState;
  /** When the limit will be reached; null when it is not charging. */
  readonly chargeCompletionDateMs: EpochMs | null;
  /** When it was last reached; null = never seen. */
  readonly chargeCompletedAtMs: EpochMs | null;
  /** The vehicle charges no higher [%]. */
  readonly chargeLimit: number;
  readonly isPluggedIn: boolean;
  /** As in ChargerState; 0 when unplugged. */
  readonly chargerVoltage: number;
  readonly chargerCurrent: number;
  readonly chargerWattage: number;
  /** [mi] */
  readonly range: number;
  /** [°]; null where the owner does not share it. */
  readonly latitude: number | null;
  readonly longitude: number | null;
  readonly sampledAtMs: EpochMs;
}

export type ThermostatMode = 'off' | 'heat' | 'cool' | 'auto' | 'eco';
export type FanMode = 'auto' | 'on' | 'off' | 'circulate';

/** A thermostat knows no power: what it switches is not known to it (read, page "thermostats", Energy Consumption). */
export interface ThermostatState {
  readonly kind: 'thermostat';
  /** Of the room [°F]. */
  readonly ambientTemperature: number;
  readonly operatingMode: ThermostatMode | 'unknown';
  /** [°F]; null where the mode has none: "heat" has only a heatTarget, "cool" only a coolTarget (read). */
  readonly heatTarget: number | null;
  readonly coolTarget: number | null;
  readonly fanMode: FanMode | 'unknown';
  readonly sampledAtMs: EpochMs;
}

/** The battery that an inverter may report beside itself (batteryState) is a device of its own here. */
export interface InverterState {
  readonly kind: 'inverter';
  /** AC output [W], ≥ 0. */
  readonly power: number;
  readonly gridStatus: GridStatus;
  /** At the site's meter [W], positive = import (sign of the battery model); null where no site meter is known. */
  readonly gridPower: number | null;
  /** Since the sample before [Wh], positive = import; null where no site meter is known. */
  readonly gridEnergy: number | null;
  /** The export limit in force at the site's meter [W]; null = none. Not in Texture's model: assumed. */
  readonly exportLimit: number | null;
  readonly sampledAtMs: EpochMs;
}

export type ApplianceState = ChargerState | VehicleState | ThermostatState | InverterState;

export type ChargingMode = 'start-charging' | 'stop-charging';

/** What a device can be told, tagged by the slug of the command. */
export type ApplianceInput =
  | { readonly slug: 'charger:set-operating-mode'; readonly input: { readonly operatingMode: ChargingMode } }
  | { readonly slug: 'vehicle:set-operating-mode'; readonly input: { readonly operatingMode: ChargingMode } }
  /** [%] */
  | { readonly slug: 'vehicle:set-charge-limit'; readonly input: { readonly chargeLimit: number } }
  | {
      readonly slug: 'thermostat:set-operating-mode';
      /** Targets [°F]; one that is absent stays as it is. */
      readonly input: {
        readonly operatingMode: ThermostatMode;
        readonly coolTarget?: number;
        readonly heatTarget?: number;
      };
    }
  | { readonly slug: 'thermostat:set-fan-mode'; readonly input: { readonly fanMode: FanMode } }
  /** Most power out of the site's meter [W]; null lifts the limit. PV is curtailed to keep it. */
  | { readonly slug: 'inverter:set-export-limit'; readonly input: { readonly powerW: number | null } };

export type ApplianceSlug = ApplianceInput['slug'];

export type InputField =
  | { readonly name: string; readonly kind: 'choice'; readonly required: boolean; readonly values: readonly string[] }
  | {
      readonly name: string;
      readonly kind: 'number';
      readonly required: boolean;
      readonly min: number;
      readonly max: number;
      readonly unit: string;
      /** null is a value as well, with a meaning of its own. */
      readonly nullable: boolean;
    };

export interface ApplianceCommandSpec {
  readonly slug: ApplianceSlug;
  readonly deviceKind: ApplianceKind;
  readonly description: string;
  readonly fields: readonly InputField[];
  readonly provenance: Provenance;
}

export const CHARGING_MODES = ['start-charging', 'stop-charging'] as const satisfies readonly ChargingMode[];
export const THERMOSTAT_MODES = ['off', 'heat', 'cool', 'auto', 'eco'] as const satisfies readonly ThermostatMode[];
export const FAN_MODES = ['auto', 'on', 'off', 'circulate'] as const satisfies readonly FanMode[];

/** Range of a target [°F]. Assumed: 45 to 95, what common thermostats let one set; no page gives one. */
export const TARGET_F_MIN = 45;
export const TARGET_F_MAX = 95;
/** Between the two targets of "auto" and "eco" lies at least this [°F]. Assumed; closer, heat and cool chase each other. */
export const TARGET_GAP_F_MIN = 3;
/** Largest export limit that makes sense for a home's inverter [W]. Assumed. */
export const EXPORT_LIMIT_W_MAX = 1_000_000;

export const COMMANDS_PAGE: Provenance = {
  source: 'TextureHQ/docs docs/platform-concepts/commands/commands.md @022f132',
  standing: 'read',
};
const NO_PAGE: Provenance = { source: 'no vendor page: our own, after the naming of the others', standing: 'assumed' };
const CHARGING: InputField = { name: 'operatingMode', kind: 'choice', required: true, values: CHARGING_MODES };
const target = (name: string): InputField => ({
  name,
  kind: 'number',
  required: false,
  min: TARGET_F_MIN,
  max: TARGET_F_MAX,
  unit: '°F',
  nullable: false,
});

/** Every command by slug: whose it is, what goes in, where it is from. Schemas of an API are made from this table. */
export const APPLIANCE_COMMANDS: Readonly<Record<ApplianceSlug, ApplianceCommandSpec>> = {
  'charger:set-operating-mode': {
    slug: 'charger:set-operating-mode',
    deviceKind: 'charger',
    description: 'Starts or stops charging at the charger.',
    fields: [CHARGING],
    provenance: COMMANDS_PAGE,
  },
  'vehicle:set-operating-mode': {
    slug: 'vehicle:set-operating-mode',
    deviceKind: 'vehicle',
    description: 'Starts or stops charging of the vehicle.',
    fields: [CHARGING],
    provenance: COMMANDS_PAGE,
  },
  'vehicle:set-charge-limit': {
    slug: 'vehicle:set-charge-limit',
    deviceKind: 'vehicle',
    description: 'Sets how high the vehicle charges.',
    // "in percent, from 0 up to 100"; the page's example has it in quotes, "80", here it is a number.
    fields: [{ name: 'chargeLimit', kind: 'number', required: true, min: 0, max: 100, unit: '%', nullable: false }],
    provenance: COMMANDS_PAGE,
  },
  'thermostat:set-operating-mode': {
    slug: 'thermostat:set-operating-mode',
    deviceKind: 'thermostat',
    description: 'Sets the operating mode of the thermostat and its targets.',
    fields: [
      { name: 'operatingMode', kind: 'choice', required: true, values: THERMOSTAT_MODES },
      target('coolTarget'),
      target('heatTarget'),
    ],
    provenance: COMMANDS_PAGE,
  },
  'thermostat:set-fan-mode': {
    slug: 'thermostat:set-fan-mode',
    deviceKind: 'thermostat',
    description: 'Sets the fan mode of the thermostat.',
    fields: [{ name: 'fanMode', kind: 'choice', required: true, values: FAN_MODES }],
    provenance: COMMANDS_PAGE,
  },
  'inverter:set-export-limit': {
    slug: 'inverter:set-export-limit',
    deviceKind: 'inverter',
    description: 'Limits what the site exports; PV is curtailed to keep it.',
    fields: [
      { name: 'powerW', kind: 'number', required: true, min: 0, max: EXPORT_LIMIT_W_MAX, unit: 'W', nullable: true },
    ],
    provenance: NO_PAGE,
  },
};

export const isApplianceSlug = (text: string): text is ApplianceSlug => Object.hasOwn(APPLIANCE_COMMANDS, text);

export const commandsOf = (kind: ApplianceKind): readonly ApplianceCommandSpec[] =>
  Object.values(APPLIANCE_COMMANDS).filter((c) => c.deviceKind === kind);

/**
 * @returns AC power at the site's bus in the sign of the house, + into it [W]: a charging vehicle is negative, PV
 *          positive. null where the device does not know: unknown is not zero
 */
export function busPowerW(state: ApplianceState): number | null {
  switch (state.kind) {
    case 'charger':
    case 'vehicle':
      return state.chargerWattage === 0 ? 0 : -state.chargerWattage;
    case 'inverter':
      return state.power;
    case 'thermostat':
      return null;
  }
}

/**
 * Whether a state shows what a command asked for; the evidence that ends a command.
 * @returns 'seen', 'not-seen', or 'open' where this state cannot tell, such as a vehicle that is told to start and is
 *          full already
 */
export function effectOf(setting: ApplianceInput, state: ApplianceState): 'seen' | 'not-seen' | 'open' {
  if (APPLIANCE_COMMANDS[setting.slug].deviceKind !== state.kind) return 'not-seen';
  switch (setting.slug) {
    case 'charger:set-operating-mode':
    case 'vehicle:set-operating-mode':
      return 'chargingState' in state ? chargingEffect(setting.input.operatingMode, state) : 'not-seen';
    case 'vehicle:set-charge-limit':
      return seen(state.kind === 'vehicle' && state.chargeLimit === setting.input.chargeLimit);
    case 'thermostat:set-operating-mode':
      return seen(state.kind === 'thermostat' && hasTargets(setting.input, state));
    case 'thermostat:set-fan-mode':
      return seen(state.kind === 'thermostat' && state.fanMode === setting.input.fanMode);
    case 'inverter:set-export-limit':
      return seen(state.kind === 'inverter' && state.exportLimit === setting.input.powerW);
  }
}

const seen = (yes: boolean): 'seen' | 'not-seen' => (yes ? 'seen' : 'not-seen');

function chargingEffect(mode: ChargingMode, state: ChargerState | VehicleState): 'seen' | 'not-seen' | 'open' {
  if (state.chargingState === 'unknown') return 'open';
  const charges = state.chargingState === 'charging';
  if (mode === 'stop-charging') return seen(!charges);
  if (charges) return 'seen';
  // A charger does not know whether the vehicle at it is full; a vehicle does.
  if (!state.isPluggedIn) return 'not-seen';
  return state.kind === 'charger' || state.chargePercentage >= state.chargeLimit ? 'open' : 'not-seen';
}

/** Targets that the mode does not use are not shown by the device and are not asked after. */
function hasTargets(
  input: Extract<ApplianceInput, { slug: 'thermostat:set-operating-mode' }>['input'],
  state: ThermostatState,
): boolean {
  const agrees = (wanted: number | undefined, shown: number | null): boolean =>
    wanted === undefined || shown === null || Math.abs(wanted - shown) <= TARGET_F_TOLERANCE;
  return (
    state.operatingMode === input.operatingMode &&
    agrees(input.coolTarget, state.coolTarget) &&
    agrees(input.heatTarget, state.heatTarget)
  );
}

/** A device may keep targets in half degrees Celsius [°F]. Assumed. */
const TARGET_F_TOLERANCE = 0.5;

export const celsiusOf = (fahrenheit: number): number => ((fahrenheit - 32) * 5) / 9;
export const fahrenheitOf = (celsius: number): number => (celsius * 9) / 5 + 32;
