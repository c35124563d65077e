import type { ApplianceState } from '../domain/appliance.ts';
import type { Setting } from '../domain/setting.ts';
import { type ChargeReading, chargingOf } from '../domain/topology.ts';
import type { EpochMs } from '../domain/units.ts';
import type { Context } from './context.ts';
import type { CoreState } from './state.ts';
import { LOADING_FRESH_MS, type TelemetryStore } from './telemetry.ts';

/**
 * What flows into the vehicles of a site, as its chargers and its vehicles tell it, and what it may become by commands.
 * Both may speak of the same power; chargingOf in the domain says how one of them is taken. Neither tells what it would
 * draw: a start is taken at what was said when the device was connected, or the most that it was seen to charge since the
 * core began to listen, the larger of the two; else at CHARGE_W_ASSUMED.
 */

/**
 * What a charger or vehicle of which nothing is known would draw [W]: 48 A at 240 V, what a home charger on a circuit
 * of 60 A may draw for hours. From memory of common chargers, not checked; too much rather than too little.
 */
export const CHARGE_W_ASSUMED = 11_520;

export interface ChargingWindow {
  readonly startMs: EpochMs;
  readonly endMs: EpochMs;
}

/** Into the vehicle [W]; negative while it gives back. null = not known, or no vehicle's business. */
export function chargeW(state: ApplianceState): number | null {
  if (state.kind !== 'charger' && state.kind !== 'vehicle') return null;
  return Number.isFinite(state.chargerWattage) ? state.chargerWattage : null;
}

/**
 * Whether a setting makes a charger or vehicle charge that does not: it is told to start, or it is plugged in and full at a
 * limit that is raised. One that was told to stop below its limit stays so; one that has shown nothing may start.
 */
export function mayStart({ telemetry }: Context, deviceId: string, { input }: Setting): boolean {
  if ('operatingMode' in input) return input.operatingMode === 'start-charging';
  if (!('chargeLimit' in input)) return false;
  const s = telemetry.appliances.get(deviceId)?.state;
  if (s?.kind !== 'vehicle') return true;
  return s.isPluggedIn && s.chargePercentage >= s.chargeLimit && input.chargeLimit > s.chargePercentage;
}

/** @returns  what the site's vehicles take now [W], as far as fresh samples tell; negative while they give back */
export function seenChargingW(state: CoreState, telemetry: TelemetryStore, siteId: string, nowMs: EpochMs): number {
  return chargingOf(chargingReadings(state, telemetry, siteId, nowMs)).powerW;
}

export interface TimedReading extends ChargeReading {
  /** null with powerW. */
  readonly atMs: EpochMs | null;
}

/** What each charger and vehicle of a site tells, null where it has told nothing fresh. */
export function chargingReadings(
  state: CoreState,
  telemetry: TelemetryStore,
  siteId: string,
  nowMs: EpochMs,
): TimedReading[] {
  return [...(state.appliancesBySite.get(siteId) ?? [])].flatMap((deviceId) => {
    const kind = state.appliances.get(deviceId)?.appliance.kind;
    if (kind !== 'charger' && kind !== 'vehicle') return [];
    const seen = telemetry.appliances.get(deviceId)?.state;
    const isFresh = seen !== undefined && nowMs - seen.sampledAtMs <= LOADING_FRESH_MS;
    const powerW = isFresh ? chargeW(seen) : null;
    return [{ deviceId, kind, powerW, atMs: powerW === null ? null : (seen?.sampledAtMs ?? null) }];
  });
}

/**
 * What the site's vehicles take, or are told to take in a window: of each device the larger of the two [W], ≥ 0.
 * @param started  devices that are taken as told to start as well
 */
export function chargingDoneW(
  ctx: Context,
  siteId: string,
  window: ChargingWindow,
  started: ReadonlySet<string> = new Set(),
): number {
  const { state, telemetry, nowMs } = ctx;
  const done = chargingReadings(state, telemetry, siteId, nowMs).map((r) => {
    const told = started.has(r.deviceId) || isToldToStart(ctx, r.deviceId, window);
    return { ...r, powerW: Math.max(0, r.powerW ?? 0, told ? (knownStartW(ctx, r.deviceId) ?? CHARGE_W_ASSUMED) : 0) };
  });
  return chargingOf(done).powerW;
}

function isToldToStart(ctx: Context, deviceId: string, window: ChargingWindow): boolean {
  const { state } = ctx;
  for (const commandId of state.appliances.get(deviceId)?.open.values() ?? []) {
    const command = state.applianceCommands.get(commandId)?.command;
    if (command === undefined || !mayStart(ctx, deviceId, command.setting)) continue;
    if (command.startMs < window.endMs && window.startMs < (command.endMs ?? Number.POSITIVE_INFINITY)) return true;
  }
  return false;
}

/** What a device would draw if it started [W]; null = nothing is known. */
export function knownStartW({ state, telemetry }: Context, deviceId: string): number | null {
  const mostW = telemetry.mostChargedW.get(deviceId) ?? 0;
  const saidW = state.appliances.get(deviceId)?.appliance.chargeWMax ?? 0;
  return mostW > 0 || saidW > 0 ? Math.max(mostW, saidW) : null;
}
