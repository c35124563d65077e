import {
  type ApplianceState,
  FAN_MODES,
  type FanMode,
  THERMOSTAT_MODES,
  type ThermostatMode,
} from '../domain/appliance.ts';
import { type ChargingState, gridStatusOf } from '../domain/battery.ts';
import type { EpochMs } from '../domain/units.ts';
import { flagOf, HOME_W_MAX, HOME_WH_MAX, type Json, numberOf, recordOf, textOf, timeOf } from './read.ts';

/**
 * Strict reading of a device's state as the open device cloud shows it (GET /devices/{id}/state). Nothing is coerced: a
 * value out of range or of another kind makes the answer invalid, and invalid is unknown, never zero. A mode that is
 * none of ours is 'unknown', as the data models have it.
 */
export interface ShownDevice {
  readonly state: ApplianceState;
  readonly online: boolean;
}

/** A device's clock may be ahead by this much [ms] (skew bound of the project). */
const AHEAD_MS_MAX = 2_000;
/** Volts, amperes, miles, degrees beyond which a value is nonsense. */
const V_MAX = 1_500;
const A_MAX = 1_000;
const MILES_MAX = 2_000;
const ROOM_F_MIN = -60;
const ROOM_F_MAX = 160;

/** The state, or the name of the first field that is not valid. */
export function shownDevice(body: Json, nowMs: EpochMs): ShownDevice | string {
  const online = flagOf(body, 'online');
  const sampledAtMs = timeOf(body, 'sampledAt');
  const shown = recordOf(body, 'state');
  if (online === null) return 'online';
  if (sampledAtMs === null || sampledAtMs > nowMs + AHEAD_MS_MAX) return 'time of the sample';
  if (shown === null) return 'state';
  const state = stateOf(body.kind, shown, sampledAtMs);
  return typeof state === 'string' ? state : { state, online };
}

function stateOf(kind: unknown, s: Json, sampledAtMs: EpochMs): ApplianceState | string {
  switch (kind) {
    case 'charger':
      return charger(s, sampledAtMs);
    case 'vehicle':
      return vehicle(s, sampledAtMs);
    case 'thermostat':
      return thermostat(s, sampledAtMs);
    case 'inverter':
      return inverter(s, sampledAtMs);
    default:
      return 'kind';
  }
}

const CHARGING_STATES: readonly ChargingState[] = ['charging', 'discharging', 'idle'];

interface Plug {
  readonly chargingState: ChargingState;
  readonly isPluggedIn: boolean;
  readonly chargerVoltage: number;
  readonly chargerCurrent: number;
  readonly chargerWattage: number;
}

function plug(s: Json): Plug | string {
  const isPluggedIn = flagOf(s, 'isPluggedIn');
  const chargerVoltage = numberOf(s, 'chargerVoltage', 0, V_MAX);
  const chargerCurrent = numberOf(s, 'chargerCurrent', -A_MAX, A_MAX);
  const chargerWattage = numberOf(s, 'chargerWattage', -HOME_W_MAX, HOME_W_MAX);
  if (isPluggedIn === null) return 'isPluggedIn';
  if (chargerVoltage === null) return 'chargerVoltage';
  if (chargerCurrent === null) return 'chargerCurrent';
  if (chargerWattage === null) return 'chargerWattage';
  const chargingState = CHARGING_STATES.find((x) => x === s.chargingState) ?? 'unknown';
  return { chargingState, isPluggedIn, chargerVoltage, chargerCurrent, chargerWattage };
}

function charger(s: Json, sampledAtMs: EpochMs): ApplianceState | string {
  const p = plug(s);
  return typeof p === 'string' ? p : { kind: 'charger', ...p, sampledAtMs };
}

/** null stands for a value that the device does not tell; undefined for one that is not valid. */
const nullable = <T>(s: Json, key: string, read: (s: Json, key: string) => T | null): T | null | undefined =>
  s[key] === null ? null : (read(s, key) ?? undefined);
const number = (min: number, max: number) => (s: Json, key: string) => numberOf(s, key, min, max);

function vehicle(s: Json, sampledAtMs: EpochMs): ApplianceState | string {
  const p = plug(s);
  if (typeof p === 'string') return p;
  const charge = nullable(s, 'charge', number(0, HOME_WH_MAX));
  const chargePercentage = numberOf(s, 'chargePercentage', 0, 100);
  const chargeLimit = numberOf(s, 'chargeLimit', 0, 100);
  const chargeCompletionDateMs = nullable(s, 'chargeCompletionDate', timeOf);
  const chargeCompletedAtMs = nullable(s, 'chargeCompletedAt', timeOf);
  const range = numberOf(s, 'range', 0, MILES_MAX);
  const latitude = nullable(s, 'latitude', number(-90, 90));
  const longitude = nullable(s, 'longitude', number(-180, 180));
  if (charge === undefined) return 'charge';
  if (chargePercentage === null) return 'chargePercentage';
  if (chargeLimit === null) return 'chargeLimit';
  if (chargeCompletionDateMs === undefined) return 'chargeCompletionDate';
  if (chargeCompletedAtMs === undefined) return 'chargeCompletedAt';
  if (range === null) return 'range';
  if (latitude === undefined || longitude === undefined) return 'location';
  const times = { chargeCompletionDateMs, chargeCompletedAtMs };
  return {
    kind: 'vehicle',
    ...p,
    charge,
    chargePercentage,
    chargeLimit,
    ...times,
    range,
    latitude,
    longitude,
    sampledAtMs,
  };
}

function thermostat(s: Json, sampledAtMs: EpochMs): ApplianceState | string {
  const ambientTemperature = numberOf(s, 'ambientTemperature', ROOM_F_MIN, ROOM_F_MAX);
  const heatTarget = nullable(s, 'heatTarget', number(ROOM_F_MIN, ROOM_F_MAX));
  const coolTarget = nullable(s, 'coolTarget', number(ROOM_F_MIN, ROOM_F_MAX));
  const mode = textOf(s, 'operatingMode');
  const fan = textOf(s, 'fanMode');
  if (ambientTemperature === null) return 'ambientTemperature';
  if (heatTarget === undefined) return 'heatTarget';
  if (coolTarget === undefined) return 'coolTarget';
  if (mode === null) return 'operatingMode';
  if (fan === null) return 'fanMode';
  const operatingMode: ThermostatMode | 'unknown' = THERMOSTAT_MODES.find((m) => m === mode) ?? 'unknown';
  const fanMode: FanMode | 'unknown' = FAN_MODES.find((m) => m === fan) ?? 'unknown';
  return { kind: 'thermostat', ambientTemperature, operatingMode, heatTarget, coolTarget, fanMode, sampledAtMs };
}

function inverter(s: Json, sampledAtMs: EpochMs): ApplianceState | string {
  const power = numberOf(s, 'power', -HOME_W_MAX, HOME_W_MAX);
  const gridPower = nullable(s, 'gridPower', number(-HOME_W_MAX, HOME_W_MAX));
  const gridEnergy = nullable(s, 'gridEnergy', number(-HOME_WH_MAX, HOME_WH_MAX));
  const exportLimit = nullable(s, 'exportLimit', number(0, HOME_W_MAX));
  if (power === null) return 'power';
  if (gridPower === undefined) return 'gridPower';
  if (gridEnergy === undefined) return 'gridEnergy';
  if (exportLimit === undefined) return 'exportLimit';
  const gridStatus = gridStatusOf(gridPower);
  return { kind: 'inverter', power, gridStatus, gridPower, gridEnergy, exportLimit, sampledAtMs };
}
