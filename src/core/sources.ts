import type { Appliance } from '../domain/applianceCommand.ts';
import type { Device } from '../domain/device.ts';
import type { OemId } from '../ports/oem.ts';
import { type AnyEntry, anyDevice, deviceOf } from './anyDevice.ts';
import type { Context } from './context.ts';
import type { RefusalCode } from './input.ts';
import type { CoreState } from './state.ts';

/**
 * Whose the outside is. A source (a connection to a site, a device at its maker's) is one device of one workspace, of all
 * that share the plant: who has it commands it, so nobody else may. A workspace has it from when it connects it. Whoever
 * runs the service may name the one workspace that may have it, which then holds against one that was quicker: that one's
 * device is cut off. Where a source may not be had nobody is told whose it is (promise S14).
 */
export interface Reach {
  /** The sites behind DNP3 that there are, with the one workspace that may connect them; null = whichever is first. */
  readonly sites: ReadonlyMap<string, string | null>;
  /** Clouds with one workspace that may connect their devices; one that is absent is for all. */
  readonly clouds: ReadonlyMap<OemId, string>;
}

type Source = Device['source'] | Appliance['source'];

/** Whether a workspace may have a source at all. Without a reach the world is one workspace's, as in a simulation. */
function mayHave(reach: Reach | undefined, source: Source, workspaceId: string): boolean {
  if (reach === undefined) return true;
  const owner = source.kind === 'dnp3' ? reach.sites.get(source.connectionId) : (reach.clouds.get(source.oem) ?? null);
  return owner === null || owner === workspaceId;
}

/** Makers may read "01000003" as 1000003 and letters in either case: such names are one device. */
export const sourceKey = (source: Source): string =>
  source.kind === 'dnp3'
    ? `dnp3/${source.connectionId}`
    : `${source.oem}/${source.vendorDeviceId.toLowerCase().replace(/^0+(?=\d)/, '')}`;

/** The device that has a source; null = none, or one of a workspace that may not have it. */
export function holderOf(state: CoreState, reach: Reach | undefined, source: Source): AnyEntry | null {
  const entry = anyDevice(state, state.sources.get(sourceKey(source)) ?? '');
  return entry !== undefined && mayHave(reach, source, deviceOf(entry).workspaceId) ? entry : null;
}

/** Why a device cannot be connected; null = it can. */
export function connectObstacle(
  { state, settings }: Context,
  { deviceId, siteId, workspaceId, source }: Device | Appliance,
): { readonly why: string; readonly code: RefusalCode } | null {
  if (anyDevice(state, deviceId) !== undefined) return { why: `${deviceId} is connected`, code: 'conflict' };
  if (state.sites.get(siteId)?.workspaceId !== workspaceId) return { why: `${siteId}: no such site`, code: 'unknown' };
  const name = source.kind === 'dnp3' ? source.connectionId : source.oem;
  const unknown = { why: `no connection ${JSON.stringify(name)}`, code: 'unknown' } as const;
  if (!mayHave(settings.reach, source, workspaceId)) return unknown;
  const holder = holderOf(state, settings.reach, source);
  if (holder === null) return null;
  const other = deviceOf(holder);
  if (other.workspaceId === workspaceId)
    return { why: `${other.deviceId} is connected to it already`, code: 'conflict' };
  if (source.kind === 'dnp3') return unknown;
  return { why: `${source.vendorDeviceId} at ${source.oem} is connected already`, code: 'conflict' };
}

/** The names of the sites and clouds that a workspace has to do with: those it may alone have, those of its devices. */
export function connectionsOf(
  state: CoreState,
  reach: Reach | undefined,
  workspaceId: string,
): { readonly sites: ReadonlySet<string>; readonly clouds: ReadonlySet<OemId> } {
  const sites = new Set<string>();
  const clouds = new Set<OemId>();
  for (const [connectionId, owner] of reach?.sites ?? []) if (owner === workspaceId) sites.add(connectionId);
  for (const [oem, owner] of reach?.clouds ?? []) if (owner === workspaceId) clouds.add(oem);
  for (const deviceId of state.sources.values()) {
    const entry = anyDevice(state, deviceId);
    const device = entry === undefined ? null : deviceOf(entry);
    if (device?.workspaceId !== workspaceId || !mayHave(reach, device.source, workspaceId)) continue;
    if (device.source.kind === 'dnp3') sites.add(device.source.connectionId);
    else clouds.add(device.source.oem);
  }
  return { sites, clouds };
}
