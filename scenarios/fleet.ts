import { InvariantError } from '../src/domain/errors.ts';
import { type BatterySpec, batteryOfModel } from './catalogue.ts';
import type { Bess, HomeGroup, Scenario } from './schema.ts';

/** Names and figures of the fleet that a scenario describes; whoever builds or checks a run takes them from here. */
const number = (index: number): string => String(index + 1).padStart(4, '0');

/** The battery of the home at `index` (from 0) of a group: "sce-tesla-0001". */
export const homeDeviceId = (group: string, index: number): string => `${group}-${number(index)}`;
export const homeSiteId = (group: string, index: number): string => `${group}-${number(index)}-site`;
export const bessDeviceId = (siteId: string): string => `${siteId}-bess`;

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
  | null {
  const bess = fleet.bess.find((b) => bessDeviceId(b.siteId) === deviceId);
  if (bess !== undefined) return { kind: 'bess', bess };
  const [, name, digits] = /^(.*)-([0-9]{4,6})$/.exec(deviceId) ?? [];
  const group = fleet.homes.find((g) => g.group === name);
  if (group === undefined) return null;
  const index = Number(digits) - 1;
  const exists = index >= 0 && index < group.count && homeDeviceId(group.group, index) === deviceId;
  return exists ? { kind: 'home', group, index } : null;
}
