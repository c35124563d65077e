import type { BatteryState, BatteryStrategy } from '../domain/battery.ts';
import { chargingStateOf, gridStatusOf } from '../domain/battery.ts';
import type { EpochMs } from '../domain/units.ts';

/**
 * Strict reading of what a cloud says. Nothing is coerced: a number in quotes, NaN, a state of charge of 140 % or a
 * time in the future make the answer invalid, and invalid is unknown, never zero.
 */
export const BODY_CHARS_MAX = 1_000_000;

export type Json = Record<string, unknown>;

export const isRecord = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The JSON object in a body; null for anything else, and for more than BODY_CHARS_MAX characters. */
export function readBody(text: string): Json | null {
  if (text.length > BODY_CHARS_MAX) return null;
  try {
    const value: unknown = JSON.parse(text);
    return isRecord(value) ? value : null;
  } catch {
    return null;
  }
}

export const textOf = (body: Json, key: string): string | null => {
  const value = body[key];
  return typeof value === 'string' && value.length <= 1000 ? value : null;
};

export const recordOf = (body: Json, key: string): Json | null => {
  const value = body[key];
  return isRecord(value) ? value : null;
};

/** The objects of a list; null when it is no list, is longer than `max`, or holds something else. */
export function recordsOf(body: Json, key: string, max: number): readonly Json[] | null {
  const value = body[key];
  return Array.isArray(value) && value.length <= max && value.every(isRecord) ? value : null;
}

export const numberOf = (body: Json, key: string, min: number, max: number): number | null => {
  const value = body[key];
  return typeof value === 'number' && value >= min && value <= max ? value : null;
};

export const flagOf = (body: Json, key: string): boolean | null => {
  const value = body[key];
  return typeof value === 'boolean' ? value : null;
};

/** ISO 8601 with a zone; null when it is none. */
export function timeOf(body: Json, key: string): EpochMs | null {
  const value = body[key];
  if (typeof value !== 'string' || value.length > 40 || !/(?:Z|[+-]\d\d:\d\d)$/.test(value)) return null;
  const ms = Date.parse(value);
  return Number.isFinite(ms) ? ms : null;
}

/** Power beyond this is nonsense for a home [W]. */
export const HOME_W_MAX = 1_000_000;
/** Energy beyond this is nonsense for a home battery [Wh]. */
export const HOME_WH_MAX = 1_000_000;
/** A device's clock may be ahead by this much [ms] (skew bound of the project). */
const AHEAD_MS_MAX = 2_000;

export interface Reading {
  readonly chargePercentage: number | null;
  readonly usableWh: number | null;
  /** + discharge [W] */
  readonly chargeRate: number | null;
  readonly backupReserve: number | null;
  /** + import [W]; null = the cloud has no site meter; undefined = it said something invalid. */
  readonly gridPower: number | null | undefined;
  readonly strategy: BatteryStrategy;
  readonly isStormModeEnabled: boolean | null;
  readonly isStormModeActive: boolean | null;
  readonly sampledAtMs: EpochMs | null;
}

/** The state, or the name of the first field that is not valid. */
export function stateOf(r: Reading, nowMs: EpochMs): BatteryState | string {
  if (r.chargePercentage === null) return 'state of charge';
  if (r.usableWh === null) return 'capacity';
  if (r.chargeRate === null) return 'battery power';
  if (r.backupReserve === null) return 'backup reserve';
  if (r.gridPower === undefined) return 'grid power';
  if (r.isStormModeEnabled === null || r.isStormModeActive === null) return 'storm mode';
  if (r.sampledAtMs === null || r.sampledAtMs > nowMs + AHEAD_MS_MAX) return 'time of the sample';
  return {
    charge: (r.usableWh * r.chargePercentage) / 100,
    chargePercentage: r.chargePercentage,
    chargingState: chargingStateOf(r.chargeRate),
    chargeRate: r.chargeRate,
    backupReserve: r.backupReserve,
    gridStatus: gridStatusOf(r.gridPower),
    gridPower: r.gridPower,
    strategy: r.strategy,
    isStormModeEnabled: r.isStormModeEnabled,
    isStormModeActive: r.isStormModeActive,
    sampledAtMs: r.sampledAtMs,
  };
}

/** RFC 4648 base64 of text in Latin-1, for an RFC 7617 Basic header. */
export function basic(clientId: string, clientSecret: string): string {
  const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
  const text = `${clientId}:${clientSecret}`;
  let out = '';
  for (let i = 0; i < text.length; i += 3) {
    const left = text.length - i;
    const octets = [0, 1, 2].map((k) => (k < left ? text.charCodeAt(i + k) & 0xff : 0));
    const word = ((octets[0] ?? 0) << 16) | ((octets[1] ?? 0) << 8) | (octets[2] ?? 0);
    for (let k = 0; k < 4; k++) out += k > left ? '=' : (ALPHABET[(word >> (18 - 6 * k)) & 63] ?? '');
  }
  return `Basic ${out}`;
}
