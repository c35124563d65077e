import type { ApplianceKind } from '../src/domain/appliance.ts';
import type { CommandStatus, EndReason } from '../src/domain/command.ts';
import type { ExclusionReason } from '../src/domain/program.ts';
import type { Setting } from '../src/domain/setting.ts';
import type { SiteAlarm } from '../src/domain/siteTelemetry.ts';
import type { RawPoint } from '../src/ports/field.ts';
import type { CommandMeasure, ShortfallReason } from './measureTypes.ts';

/** Plain words for the closed lists, for readers who do not code. */
export const REASON_WORDS: Readonly<Record<ShortfallReason | 'not_needed', string>> = {
  not_enrolled: 'Not enrolled in the program',
  enrollment_pending: 'Enrollment not yet approved',
  opted_out: 'Owner opted out',
  offline: 'Device offline when planned',
  stale_telemetry: 'No fresh measurements, so not used',
  storm_guard: 'Storm Guard: battery kept full for a storm',
  low_soc: 'Battery too empty',
  reserve: 'Battery at its backup reserve',
  site_not_controllable: 'Site not approved or not controllable',
  held_by_command: 'Another command held the device',
  transformer_limit: 'Transformer or feeder at its rating',
  not_responding: 'Took the command before, but nothing happened',
  not_needed: 'Not needed: target already met',
  fleet_too_small: 'The fleet could not have given more',
  no_plan: 'No dispatch decision for this time',
  not_measured: 'Meter or baseline missing',
  link_lost: 'Link to the site lost',
  device_offline: 'Device went offline',
  late_start: 'Started late',
  no_command: 'No command was in force',
  delivery_failed: 'Command could not be delivered',
  oem_refused: 'Manufacturer refused the command',
  outcome_unknown: 'No answer: unknown whether it took effect',
  no_telemetry: 'No measurements came back',
  no_effect: 'Accepted, but nothing happened',
  cancelled: 'Cancelled',
  superseded: 'Replaced by a newer command',
  no_route: 'No way to reach the device',
  earlier_discharge: 'Battery used up earlier, home drew from the grid',
  effect_partly_seen: 'Gave less than asked',
  small_deviation: 'Small deviations (2 % or 2 Wh) and rounding',
  over_delivery: 'Gave more than asked',
};

export const reasonWords = (reason: ShortfallReason | ExclusionReason): string => REASON_WORDS[reason];

export const STATUS_WORDS: Readonly<Record<CommandStatus, string>> = {
  accepted: 'Accepted, not sent yet',
  routed: 'Path chosen, not sent yet',
  sent: 'Sent, no answer yet',
  acknowledged: 'Taken by the device’s cloud or site',
  succeeded: 'Succeeded',
  partial: 'Partly succeeded',
  failed: 'Failed',
  expired: 'Expired',
  cancelled: 'Cancelled',
  superseded: 'Replaced',
  ignored: 'Ignored by the device',
  rejected: 'Rejected',
};

export const END_WORDS: Readonly<Record<EndReason, string>> = {
  effect_seen: 'the effect was measured',
  effect_partly_seen: 'only part of the effect was measured',
  effect_exceeded: 'more than asked was measured',
  storm_guard: 'Storm Guard was active',
  no_effect: 'no effect was measured',
  delivery_failed: 'it could not be delivered',
  oem_refused: 'the manufacturer refused it',
  outcome_unknown: 'no answer came',
  device_offline: 'the device was offline',
  no_telemetry: 'no measurements came back',
  not_after_passed: 'it was too late to start',
  cancelled_by_actor: 'somebody cancelled it',
  event_cancelled: 'the event was cancelled',
  newer_command: 'a newer command took its place',
  opted_out: 'the owner opted out',
  no_route: 'there was no way to reach the device',
  site_not_controllable: 'the site may not be controlled',
  transformer_limit: 'a transformer or feeder had no room left',
  released: 'it was released',
};

/** Where a figure comes from, in words. */
export const STANDING_WORDS: Readonly<Record<string, string>> = {
  read: 'read at the source',
  secondary: 'second-hand, not checked at the source',
  memory: 'from memory, not checked',
  assumed: 'assumed',
  derived: 'calculated from other figures',
  generated: 'generated from the seed',
};

export const ALARM_WORDS: Readonly<Record<SiteAlarm, string>> = {
  'communication-error': 'communication error',
  'priority-1': 'priority 1',
  'priority-2': 'priority 2',
  'priority-3': 'priority 3',
  'soc-at-maximum': 'battery full',
  'soc-too-high': 'charge at its ceiling',
  'soc-too-low': 'charge at its reserve',
  'soc-depleted': 'battery empty',
  'internal-temperature-high': 'internal temperature high',
  'external-temperature-high': 'ambient temperature high',
  'meter-communication-error': 'meter not reached',
};

const FLAGS = ['online', 'restart', 'comm lost', 'remote forced', 'local forced'] as const;
/** Bits 5 and 6 mean other things for each type of point. */
const HIGH_FLAGS: Readonly<Record<RawPoint['type'], readonly [string, string]>> = {
  AI: ['over range', 'reference error'],
  AOS: ['over range', 'reference error'],
  BI: ['chatter', 'reserved'],
  BOS: ['reserved', 'reserved'],
  CTR: ['rollover', 'discontinuity'],
};

/** Quality flags of a point in words (IEEE 1815 clause 11.6 [S]); "offline" when nothing is set. */
export function flagWords(type: RawPoint['type'], flags: number): string {
  const words = [...FLAGS, ...HIGH_FLAGS[type]].filter((_, bit) => (flags & (1 << bit)) !== 0);
  return words.length === 0 ? 'offline' : words.join(', ');
}

export const KIND_WORDS: Readonly<Record<ApplianceKind, string>> = {
  charger: 'Charger with its car',
  vehicle: 'Car',
  thermostat: 'Thermostat',
  inverter: 'PV inverter',
};

/** "discharge at 3.5 kW": what a command asked of the device. */
export function askWords(k: Pick<CommandMeasure, 'mode' | 'powerW'>): string {
  if (k.mode === 'idle' || k.mode === 'reset') return k.mode;
  return k.powerW === null ? `${k.mode} as much as it gives` : `${k.mode} at ${kw(k.powerW)}`;
}

/** "charge limit 20 %": what a setting asked of a device. */
export function settingWords(s: Setting): string {
  switch (s.slug) {
    case 'battery:set-reserve':
      return `backup reserve ${s.input.chargePercentage} %`;
    case 'charger:set-operating-mode':
    case 'vehicle:set-operating-mode':
      return s.input.operatingMode === 'start-charging' ? 'start charging' : 'stop charging';
    case 'vehicle:set-charge-limit':
      return `charge limit ${s.input.chargeLimit} %`;
    case 'thermostat:set-operating-mode': {
      const { operatingMode, heatTarget, coolTarget } = s.input;
      const heat = heatTarget === undefined ? '' : `, heat to ${heatTarget} °F`;
      const cool = coolTarget === undefined ? '' : `, cool to ${coolTarget} °F`;
      return `mode ${operatingMode}${heat}${cool}`;
    }
    case 'thermostat:set-fan-mode':
      return `fan ${s.input.fanMode}`;
    case 'inverter:set-export-limit':
      return s.input.powerW === null ? 'no export limit' : `export limit ${kw(s.input.powerW)}`;
  }
}

/** 1 kWh has three decimals at most; the last digit is the whole Wh the figure was quantised to. */
export function kwh(wh: number): string {
  const abs = Math.abs(wh);
  if (abs >= 10_000_000) return `${grouped(wh / 1e6, 2)} MWh`;
  if (abs >= 100_000) return `${grouped(wh / 1000, 1)} kWh`;
  return `${grouped(wh / 1000, abs >= 10_000 ? 2 : 3)} kWh`;
}

/** kWh without its unit, for a column: every whole Wh shows, so that what is printed adds up. */
export const kwhFigure = (wh: number): string => grouped(wh / 1000, 3);

export function kw(w: number): string {
  const abs = Math.abs(w);
  return abs >= 10_000_000 ? `${grouped(w / 1e6, 2)} MW` : `${grouped(w / 1000, abs >= 100_000 ? 0 : 2)} kW`;
}

export const usd = (amount: number): string => `${amount < 0 ? '−' : ''}$${grouped(Math.abs(amount), 2)}`;

export const percent = (ratio: number | null): string => (ratio === null ? '–' : `${grouped(ratio * 100, 1)} %`);

/** "1 h 30 min", "45 s". */
export function duration(ms: number): string {
  if (ms < 60_000) return `${grouped(ms / 1000, 0)} s`;
  const minutes = Math.round(ms / 60_000);
  const h = Math.floor(minutes / 60);
  const rest = h === 0 ? `${minutes} min` : `${h} h ${minutes % 60} min`;
  return h > 0 && minutes % 60 === 0 ? `${h} h` : rest;
}

/** Fixed decimals, thousands parted by a comma, a real minus sign; no locale is asked. */
export function grouped(x: number, decimals: number): string {
  const fixed = Math.abs(x).toFixed(decimals);
  const [whole = '0', part] = fixed.split('.');
  const sign = x < 0 && Number(fixed) !== 0 ? '−' : '';
  const digits = whole.replace(/\B(?=(\d{3})+(?!\d))/g, ',');
  return `${sign}${digits}${part === undefined ? '' : `.${part}`}`;
}
