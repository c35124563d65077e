import {
  APPLIANCE_COMMANDS,
  type ApplianceCommandSpec,
  type ApplianceInput,
  type ApplianceKind,
  type ApplianceSlug,
  type ApplianceState,
  COMMANDS_PAGE,
  effectOf,
} from './appliance.ts';
import type { EpochMs } from './units.ts';

/**
 * Settings: what a device is told that stands until the next one of the same slug. All that appliances can be told are
 * settings; of a battery it is the backup reserve. Its operating mode is none: that is a command with an end (command.ts).
 *
 * Reserve and operating mode. They are two slugs, so neither takes the other's place: a battery has at most one open mode
 * command and one open reserve. The reserve is the owner's: from the moment the device has it no mode command spends it,
 * whether it was open before or comes later, because the floor of a mode command is the owner's reserve or its own
 * minimumBatteryReserve, whichever is higher. Lowering the reserve does not lower the floor that an open mode command was
 * given, and what a mode command puts back when it ends is the newest reserve, not the one that stood when it began.
 */
export type BatterySetting = {
  readonly slug: 'battery:set-reserve';
  /** The floor kept for outages [% of usable capacity]. */
  readonly input: { readonly chargePercentage: number };
};

export type Setting = ApplianceInput | BatterySetting;
export type SettingSlug = ApplianceSlug | BatterySetting['slug'];
/** A home battery and a utility-scale one take the same. */
export type SettingKind = ApplianceKind | 'battery';

export interface SettingSpec extends Omit<ApplianceCommandSpec, 'slug' | 'deviceKind'> {
  readonly slug: SettingSlug;
  readonly deviceKind: SettingKind;
}

/** Every setting by slug. Schemas of an API are made from this table. */
export const SETTINGS: Readonly<Record<SettingSlug, SettingSpec>> = {
  'battery:set-reserve': {
    slug: 'battery:set-reserve',
    deviceKind: 'battery',
    description: 'Sets the backup reserve of a battery, at once.',
    fields: [
      { name: 'chargePercentage', kind: 'number', required: true, min: 0, max: 100, unit: '%', nullable: false },
    ],
    provenance: COMMANDS_PAGE,
  },
  ...APPLIANCE_COMMANDS,
};

/** In words, for a device that is of another kind than a command is for. */
export const unknownTo = (kind: string, slug: string): string =>
  `${kind === 'inverter' ? 'an' : 'a'} ${kind} does not know ${slug}`;

export const settingsOf = (kind: SettingKind): readonly SettingSpec[] =>
  Object.values(SETTINGS).filter((spec) => spec.deviceKind === kind);

/** What a state says of settings. */
export type SettingEvidence =
  | ApplianceState
  | { readonly kind: 'battery'; readonly backupReserve: number; readonly sampledAtMs: EpochMs };

/** Clouds keep whole percents, sites behind DNP3 tenths [%]. */
const RESERVE_TOLERANCE_PCT = 0.5;

/** As effectOf, for every device. */
export function settingEffect(setting: Setting, state: SettingEvidence): 'seen' | 'not-seen' | 'open' {
  if (setting.slug !== 'battery:set-reserve') return state.kind === 'battery' ? 'not-seen' : effectOf(setting, state);
  const isThere =
    state.kind === 'battery' && Math.abs(state.backupReserve - setting.input.chargePercentage) <= RESERVE_TOLERANCE_PCT;
  return isThere ? 'seen' : 'not-seen';
}
