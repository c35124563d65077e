import type { ApplianceState } from '../domain/appliance.ts';
import type { Appliance } from '../domain/applianceCommand.ts';
import type { BatteryState } from '../domain/battery.ts';
import type { Device } from '../domain/device.ts';
import type { ApplianceEntry } from './applianceState.ts';
import { type Context, staleAfterMs } from './context.ts';
import { type CoreState, type DeviceEntry, deviceTagKey } from './state.ts';

/** Batteries and all other devices under one roof, for what does not care which it is: groups, schedules, automations. */
export type AnyEntry = DeviceEntry | ApplianceEntry;

export const isBattery = (entry: AnyEntry): entry is DeviceEntry => 'device' in entry;

/** What both have: id, workspace, site, kind, tags. */
export const deviceOf = (entry: AnyEntry): Device | Appliance => (isBattery(entry) ? entry.device : entry.appliance);

export const anyDevice = (state: CoreState, deviceId: string): AnyEntry | undefined =>
  state.devices.get(deviceId) ?? state.appliances.get(deviceId);

/** Batteries first, then the others; each in the order in which they were connected. */
export function* allDevices(state: CoreState): Generator<AnyEntry> {
  yield* state.devices.values();
  yield* state.appliances.values();
}

/** Ids of the devices that carry a tag. */
export function taggedIds(state: CoreState, workspaceId: string, tag: string): string[] {
  const key = deviceTagKey(workspaceId, tag);
  return [...(state.devicesByTag.get(key) ?? []), ...(state.appliancesByTag.get(key) ?? [])];
}

export const byId = (a: AnyEntry, b: AnyEntry): number => (deviceOf(a).deviceId < deviceOf(b).deviceId ? -1 : 1);

/** How old a sample of the device may be before it says nothing [ms]. */
export const anyStaleAfterMs = (ctx: Context, entry: AnyEntry): number =>
  isBattery(entry)
    ? staleAfterMs(ctx, entry)
    : ctx.settings.capabilities.open.telemetryPeriodMs * ctx.settings.staleAfterPeriods;

/** A sample that speaks of now: of a device that is reached, and not stale. Null = nothing is known. */
export function freshSample(ctx: Context, entry: AnyEntry): BatteryState | ApplianceState | null {
  const { deviceId } = deviceOf(entry);
  const { latest, appliances } = ctx.telemetry;
  const state = (isBattery(entry) ? latest.get(deviceId) : appliances.get(deviceId))?.state;
  if (state === undefined || !entry.reachable) return null;
  return ctx.nowMs - state.sampledAtMs > anyStaleAfterMs(ctx, entry) ? null : state;
}
