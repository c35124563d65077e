import type { ApplianceKind } from '../src/domain/appliance.ts';
import { InvariantError } from '../src/domain/errors.ts';
import { type BatterySpec, batteryOfModel } from './catalogue.ts';
import type { Bess, HomeGroup, Scenario } from './schema.ts';

/** Names and figures of the fleet that a scenario describes; whoever builds or checks a run takes them from here. */
const number = (index: number): string => String(index + 1).padStart(4, '0');

/** The battery of the home at `index` (from 0) of a group: "sce-tesla-0001". */
export const homeDeviceId = (group: string, index: number): string => `${group}-${number(index)}`;
export const homeSiteId = (group: string, index: number): string => `${group}-${number(index)}-site`;
export const bessDeviceId = (siteId: string): string => `${siteId}-bess`;

/** What a home may have beside its battery, as its field in the group and as the end of its device's name. */
export const APPLIANCES = ['ev', 'thermostat', 'inverter'] as const;
export type ApplianceField = (typeof APPLIANCES)[number];
export const applianceDeviceId = (homeDevice: string, field: ApplianceField): string => `${homeDevice}-${field}`;

/** The kind of device that a group's field is connected as; null when the group has none. */
export function applianceKindOf(group: HomeGroup, field: ApplianceField): ApplianceKind | null {
  if (group[field] === undefined) return null;
  return field === 'ev' ? (group.ev?.reachedAs ?? null) : field;
}

/** Tags of a group's devices of one kind. */
export const applianceTags = (group: HomeGroup, field: ApplianceField): string[] => [
  ...new Set([group.group, ...group.tags, ...(group[field]?.tags ?? [])]),
];

/**
 * All units of one home as one battery.
 * @returns figures of the home: energy, power and standby times `unitsPerHome`
 */
export function batteryOf(group: HomeGroup): BatterySpec {
  const unit = group.battery ?? (group.model === undefined ? null : batteryOfModel(group.model));
  if (unit === null)
    throw new InvariantError(`group ${group.group} has neither model nor battery: it was not validated`);
  const n = group.unitsPerHome;
  return {
    usableKwh: unit.usableKwh * n,
    chargeKwMax: unit.chargeKwMax * n,
    dischargeKwMax: unit.dischargeKwMax * n,
    roundTripRatio: unit.roundTripRatio,
    standbyW: unit.standbyW * n,
  };
}

/** Is there a device of this name? Answered without listing the fleet. */
export function findDevice(
  fleet: Scenario['fleet'],
  deviceId: string,
):
  | { readonly kind: 'home'; readonly group: HomeGroup; readonly index: number }
  | { readonly kind: 'bess'; readonly bess: Bess }
  | { readonly kind: 'appliance'; readonly group: HomeGroup; readonly appliance: ApplianceKind }
  | null {
  const bess = fleet.bess.find((b) => bessDeviceId(b.siteId) === deviceId);
  if (bess !== undefined) return { kind: 'bess', bess };
  const [, name, digits, end] = /^(.*)-([0-9]{4,6})(?:-([a-z]+))?$/.exec(deviceId) ?? [];
  const group = fleet.homes.find((g) => g.group === name);
  if (group === undefined) return null;
  const index = Number(digits) - 1;
  const home = homeDeviceId(group.group, index);
  if (!(index >= 0 && index < group.count)) return null;
  if (home === deviceId) return { kind: 'home', group, index };
  const field = APPLIANCES.find((f) => f === end && applianceDeviceId(home, f) === deviceId);
  const appliance = field === undefined ? null : applianceKindOf(group, field);
  if (field === undefined || appliance === null) return null;
  // Which homes a share falls on is drawn in the run; here any may have one.
  return index < (group[field]?.count ?? group.count) ? { kind: 'appliance', group, appliance } : null;
}
