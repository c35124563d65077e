import type { Behaviour } from '../../simulators/oem/behaviour.ts';
import type { CloudCounts } from '../../simulators/oem/cloud.ts';
import type { EpochMs } from '../../src/domain/units.ts';
import type { HttpHandler } from '../../src/ports/http.ts';
import type { OemId } from '../../src/ports/oem.ts';

/** A simulated cloud with what is behind it, as server.ts serves it and control.ts steers it. */
export interface ServedWorld {
  readonly oem: OemId;
  readonly cloud: {
    readonly handle: HttpHandler;
    setBehaviour(change: Partial<Behaviour>): void;
    behaviour(): Behaviour;
    revokeTokens(): void;
  };
  readonly deviceIds: readonly string[];
  /** Position in the fleet; null = no such device. */
  indexOf(vendorDeviceId: string): number | null;
  /** @returns why it cannot; null = done */
  change(device: number, wanted: DeviceChange): string | null;
  /** null: the cloud knows no programs, no storms. */
  readonly addProgram: ((programId: string) => void) | null;
  /** Begins or ends a storm at once: the cloud's storm mode for the devices of a zone, or for one. */
  readonly storm: ((where: StormPlace, active: boolean) => string) | null;
  shown(): WorldShown;
}

export type StormPlace = { readonly zone: string } | { readonly vendorDeviceId: string };

export interface DeviceChange {
  readonly online?: boolean | undefined;
  readonly reservePct?: number | undefined;
  readonly optOut?: boolean | undefined;
}

export interface WorldShown {
  readonly oem: OemId;
  readonly nowMs: EpochMs;
  readonly counts: CloudCounts;
  readonly behaviour: Behaviour;
  readonly devices: readonly { readonly vendorDeviceId: string }[];
}
