import {
  type ApplianceInput,
  type ApplianceKind,
  type ApplianceSlug,
  type ApplianceState,
  type InputField,
  TARGET_GAP_F_MIN,
} from './appliance.ts';
import type { CommandCause, CommandOutcome } from './command.ts';
import { show } from './errors.ts';
import {
  SETTINGS,
  type Setting,
  type SettingEvidence,
  type SettingKind,
  type SettingSlug,
  unknownTo,
} from './setting.ts';
import { type EpochMs, MS_PER_HOUR } from './units.ts';

/**
 * Devices other than batteries as the core keeps them, and settings of all devices (setting.ts), the reserve of a battery
 * among them.
 *
 *   accepted ─> sent ─> acknowledged ─> (terminal)
 *
 * A command is a setting that stands until the next one of the same slug, so a newer one takes the place of an older one
 * per device and slug: a fan mode does not replace an operating mode. One with an end has what stood before sent back as
 * a command of its own (cause "restore"), because the cloud ends nothing by itself.
 */
export interface Appliance {
  readonly deviceId: string;
  readonly workspaceId: string;
  readonly siteId: string;
  readonly kind: ApplianceKind;
  readonly manufacturer: string;
  readonly model: string;
  readonly source: { readonly kind: 'oem'; readonly oem: 'open'; readonly vendorDeviceId: string };
  readonly tags: readonly string[];
  /** What its owner calls it; absent = nothing was said. */
  readonly name?: string;
  /** What the partner's own system calls it. */
  readonly referenceId?: string;
  /** The most a charger or vehicle takes [W], > 0; absent = nothing was said. Neither tells it in its state. */
  readonly chargeWMax?: number;
}

/** So long after its start a setting may still leave, unless something else is said; ours [ms]. */
export const SETTING_NOT_AFTER_MS = MS_PER_HOUR;

export type ApplianceCause =
  | CommandCause
  /** What stood before the command commandId is set back: its window is over, or it was cancelled. */
  | { readonly kind: 'restore'; readonly commandId: string };

export interface ApplianceCommand {
  readonly commandId: string;
  readonly workspaceId: string;
  readonly deviceId: string;
  readonly setting: Setting;
  readonly startMs: EpochMs;
  /** Then what stood before is set back; null = the setting stands. */
  readonly endMs: EpochMs | null;
  /** Neither leaves nor acts after. */
  readonly notAfterMs: EpochMs;
  readonly cause: ApplianceCause;
  /** What stood before, as the newest state showed it; null = not known, so nothing can be set back. */
  readonly before: Setting | null;
}

export type ApplianceCommandStatus = 'accepted' | 'sent' | 'acknowledged' | CommandOutcome['status'];

export type ApplianceFact =
  | { readonly type: 'appliance.connected'; readonly appliance: Appliance }
  | { readonly type: 'appliance.tagged'; readonly deviceId: string; readonly tags: readonly string[] }
  | {
      readonly type: 'appliance.reachable';
      readonly deviceId: string;
      readonly reachable: boolean;
      readonly why: string;
    }
  | { readonly type: 'appliance.command-accepted'; readonly command: ApplianceCommand }
  /** The intent, recorded before anything leaves. */
  | { readonly type: 'appliance.command-sent'; readonly commandId: string; readonly jobId: string }
  /** The cloud took it, also when the command had ended by then. */
  | { readonly type: 'appliance.command-acknowledged'; readonly commandId: string; readonly vendorRef: string }
  | { readonly type: 'appliance.command-ended'; readonly commandId: string; readonly outcome: CommandOutcome };

/** Why a device of this kind cannot be told this; null if it can. @source SETTINGS */
export function settingObstacle(kind: SettingKind, { slug, input }: Setting): string | null {
  const { deviceKind, fields } = SETTINGS[slug];
  if (deviceKind !== kind) return unknownTo(kind, slug);
  const given: ReadonlyMap<string, unknown> = new Map(Object.entries(input));
  const stranger = [...given.keys()].find((name) => !fields.some((f) => f.name === name));
  if (stranger !== undefined) return `input.${stranger} is not known to ${slug}`;
  for (const field of fields) {
    const value = given.get(field.name);
    if (value === undefined ? field.required : !fits(field, value)) {
      return `input.${field.name} is ${value === undefined ? 'missing' : show(value)}, expected ${wordsOf(field)}`;
    }
  }
  const heat = given.get('heatTarget');
  const cool = given.get('coolTarget');
  if (typeof heat === 'number' && typeof cool === 'number' && cool - heat < TARGET_GAP_F_MIN) {
    return `coolTarget ${cool} is not ${TARGET_GAP_F_MIN} °F above heatTarget ${heat}`;
  }
  return null;
}

function fits(field: InputField, value: unknown): boolean {
  if (field.kind === 'choice') return typeof value === 'string' && field.values.includes(value);
  if (value === null) return field.nullable;
  return typeof value === 'number' && value >= field.min && value <= field.max;
}

const wordsOf = (field: InputField): string =>
  field.kind === 'choice'
    ? `one of ${field.values.join(', ')}`
    : `a number in ${field.min}..${field.max} ${field.unit}${field.nullable ? ', or null' : ''}`;

/** As settingShown, for every device. */
export function shownSetting(slug: SettingSlug, state: SettingEvidence): Setting | null {
  if (slug !== 'battery:set-reserve') return state.kind === 'battery' ? null : settingShown(slug, state);
  return state.kind === 'battery' ? { slug, input: { chargePercentage: state.backupReserve } } : null;
}

/**
 * What a device would be told to be as this state shows it.
 * @returns null where the state does not tell: an unplugged vehicle shows neither start nor stop
 */
export function settingShown(slug: ApplianceSlug, state: ApplianceState): ApplianceInput | null {
  switch (slug) {
    case 'charger:set-operating-mode':
    case 'vehicle:set-operating-mode': {
      if (state.kind !== 'charger' && state.kind !== 'vehicle') return null;
      const operatingMode = chargingShown(state);
      return operatingMode === null ? null : { slug, input: { operatingMode } };
    }
    case 'vehicle:set-charge-limit':
      return state.kind === 'vehicle' ? { slug, input: { chargeLimit: state.chargeLimit } } : null;
    case 'thermostat:set-operating-mode': {
      if (state.kind !== 'thermostat' || state.operatingMode === 'unknown') return null;
      const { operatingMode, heatTarget, coolTarget } = state;
      const targets = {
        ...(heatTarget === null ? {} : { heatTarget }),
        ...(coolTarget === null ? {} : { coolTarget }),
      };
      return { slug, input: { operatingMode, ...targets } };
    }
    case 'thermostat:set-fan-mode':
      if (state.kind !== 'thermostat' || state.fanMode === 'unknown') return null;
      return { slug, input: { fanMode: state.fanMode } };
    case 'inverter:set-export-limit':
      return state.kind === 'inverter' ? { slug, input: { powerW: state.exportLimit } } : null;
  }
}

/** A full vehicle would charge if it could; one that could and does not was told to stop. */
function chargingShown(
  state: Extract<ApplianceState, { kind: 'charger' | 'vehicle' }>,
): 'start-charging' | 'stop-charging' | null {
  if (state.chargingState === 'charging') return 'start-charging';
  if (state.chargingState === 'unknown' || !state.isPluggedIn) return null;
  const isFull = state.kind === 'vehicle' && state.chargePercentage >= state.chargeLimit;
  return isFull ? 'start-charging' : 'stop-charging';
}
