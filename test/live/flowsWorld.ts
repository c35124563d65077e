import type { CloudWorld } from '../../harness/cloud/cloudWorld.ts';
import type { OpenWorld } from '../../harness/cloud/openWorld.ts';
import type { SteppedClock } from '../../src/live/steppedClock.ts';
import type { BatteryOem } from '../../src/ports/oem.ts';

/** What a world, direct or on sockets, gives to the bench of the flows, and gets from it. */
export type Person = 'ana' | 'ben' | 'operator';

export interface WireReply {
  readonly status: number;
  readonly text: string;
}

/** What a receiver got. */
export interface Hook {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** What a world gives to the bench. */
export interface World {
  readonly keys: Readonly<Record<Person, string>>;
  readonly clouds: ReadonlyMap<BatteryOem, CloudWorld>;
  /** Chargers, vehicles, thermostats and inverters. */
  readonly open: OpenWorld;
  /** Where webhooks are sent to. */
  readonly receiverUrl: string;
  request(method: string, path: string, headers: Record<string, string>, body: string | undefined): Promise<WireReply>;
  close(): Promise<void>;
}

export interface WorldOptions {
  readonly dir: string;
  readonly clock: SteppedClock;
  readonly onHook: (hook: Hook) => void;
}

/** Batteries of each maker. */
export const BATTERIES = 6;
