import type { BatteryNameplate } from './battery.ts';

/** How a device is reached. */
export type DeviceSource =
  | { readonly kind: 'oem'; readonly oem: 'enphase' | 'solaredge' | 'tesla'; readonly vendorDeviceId: string }
  | { readonly kind: 'dnp3'; readonly connectionId: string; readonly mapRevision: string };

export interface Device {
  readonly deviceId: string;
  readonly workspaceId: string;
  readonly siteId: string;
  readonly kind: 'battery' | 'bess';
  readonly manufacturer: string;
  readonly model: string;
  readonly nameplate: BatteryNameplate;
  readonly source: DeviceSource;
  readonly tags: readonly string[];
  /** What its owner calls it; absent = nothing was said. */
  readonly name?: string;
  /** What the partner's own system calls it. */
  readonly referenceId?: string;
}

export interface Site {
  readonly siteId: string;
  readonly workspaceId: string;
  readonly customerId: string;
  readonly name: string;
  readonly timeZone: string;
  /** Absent = not known. */
  readonly location?: Location;
}

/** A place on the earth in decimal degrees (WGS 84), north and east positive. */
export interface Location {
  readonly latitude: number;
  readonly longitude: number;
}

/** Who owns the site. Names are invented (faker), never real. */
export interface Customer {
  readonly customerId: string;
  readonly workspaceId: string;
  readonly name: string;
}

export interface Workspace {
  readonly workspaceId: string;
  readonly name: string;
  /** A sandbox has a plant and a clock of its own; absent = production. */
  readonly environment?: 'production' | 'sandbox';
  /** The organisation asked for grid services and they are enabled for it. */
  readonly gridServices: boolean;
}
