import type { Fact } from '../domain/fact.ts';
import type { EpochMs } from '../domain/units.ts';
import type { OemCapabilities } from '../ports/oem.ts';
import type { Effect, RefusalCode } from './input.ts';
import type { CoreSettings } from './settings.ts';
import type { CoreState, DeviceEntry } from './state.ts';
import type { TelemetryStore } from './telemetry.ts';

/**
 * What a decision sees and says. A fact is applied as it is emitted, so the next line of the decision sees its result;
 * nothing leaves the core before all facts of the input are recorded.
 */
export interface Context {
  readonly state: CoreState;
  readonly telemetry: TelemetryStore;
  readonly settings: CoreSettings;
  readonly nowMs: EpochMs;
  emit(fact: Fact): void;
  /** An effect that changes nothing anywhere: a question. */
  ask(effect: Effect): void;
  /** The request is refused as a whole; nothing has been emitted for it. */
  refuse(what: string, why: string, code?: RefusalCode): void;
}

/** Capabilities of a device's OEM; null for a site behind DNP3. */
export function capabilitiesOf(
  ctx: Pick<Context, 'settings'>,
  entry: Pick<DeviceEntry, 'device'>,
): OemCapabilities | null {
  const { source } = entry.device;
  return source.kind === 'oem' ? ctx.settings.capabilities[source.oem] : null;
}

/** How old a sample may be before it says nothing [ms]. */
export function staleAfterMs(ctx: Pick<Context, 'settings'>, entry: Pick<DeviceEntry, 'device'>): number {
  const period = capabilitiesOf(ctx, entry)?.telemetryPeriodMs ?? ctx.settings.fieldTelemetryPeriodMs;
  return period * ctx.settings.staleAfterPeriods;
}

/** Said to be out of reach, or never heard of; false for one that was online when it was last heard of. */
export function isOffline(ctx: Context, { device, reachable }: DeviceEntry): boolean {
  return !reachable && (device.source.kind === 'dnp3' || ctx.telemetry.latest.get(device.deviceId)?.online !== true);
}

export const nextJobId = (ctx: Context): string => `job-${ctx.state.counters.job + 1}`;
