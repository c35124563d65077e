import { type BatteryState, type ChargingState, chargingStateOf } from '../domain/battery.ts';
import type { PointKey } from '../domain/pointsMap.ts';
import { SITE_ALARMS, type SiteAlarm, type SiteTelemetry } from '../domain/siteTelemetry.ts';
import type { EpochMs } from '../domain/units.ts';
import type { RawPoint } from '../ports/field.ts';
import { type MappedPoint, type PointMap, scaled } from './pointMap.ts';

/**
 * Raw points -> the normalised battery.
 *
 *   state of charge   AI48 usable, else AI47 actual
 *   charge (energy)   the site's counter of energy where the map has one; else AI18 usable × AI48, else AI17 effective ×
 *                     AI47, when BI27 or the map says that capacities are watt-hours: amp-hours are no energy
 *   charge rate       AI537, positive = discharging as here
 *   backup reserve    AI161
 *   charging state    BI19 generating, BI20 charging, BI18 idle; else the sign of AI537
 *   limits            AI32 discharge, AI33 charge; what is available now AI43, AI44
 *
 * A point that is missing, not online or in doubt gives NaN ("unknown"), never 0; who decides from it must look. A counter
 * that is in doubt is not replaced by the capacity: two ways of counting may not alternate.
 * @source the field table of Texture's page "Utility-Scale Batteries"; points of AN2018-001
 */
export class PointTable {
  private readonly latest = new Map<string, RawPoint>();

  /** Grows only by points that the caller admits: the master drops what is outside the map. */
  set(point: RawPoint): void {
    this.latest.set(`${point.type}${point.index}`, point);
  }

  get(type: RawPoint['type'], index: number): RawPoint | null {
    return this.latest.get(`${type}${index}`) ?? null;
  }

  clear(): void {
    this.latest.clear();
  }
}

const ONLINE = 0x01;
/** Restart, communication lost, over-range, reference error: the value is not what the plant has now. */
const DOUBT = 0x02 | 0x04 | 0x20 | 0x40;
/** Of a binary bit 5 is chatter and bit 6 reserved; of a counter bit 5 is rollover and bit 6 discontinuity. */
const DOUBT_OF_BINARY = 0x02 | 0x04 | 0x20;
const DOUBT_OF_COUNTER = 0x02 | 0x04 | 0x40;

/** A value whose quality is good; else NaN. A forced value (0x08, 0x10) is somebody's decision and counts. */
const good = (p: RawPoint | null, doubt: number): number =>
  p !== null && (p.flags & ONLINE) !== 0 && (p.flags & doubt) === 0 ? p.value : Number.NaN;

function rawOfPoint(table: PointTable, point: MappedPoint): number {
  switch (point.type) {
    case 'AI':
      return good(table.get('AI', point.index), DOUBT);
    case 'BI':
      return good(table.get('BI', point.index), DOUBT_OF_BINARY);
    case 'CTR':
      return good(table.get('CTR', point.index), DOUBT_OF_COUNTER);
    case 'AO':
      return good(table.get('AOS', point.index), DOUBT);
    case 'BO':
      return good(table.get('BOS', point.index), DOUBT_OF_BINARY);
  }
}

/** A point in W, Wh, %, V, Hz, var, s or as 0 and 1; NaN when it is not known or its unit is not that. */
export function engineering(table: PointTable, map: PointMap, key: PointKey): number {
  const point = map.byKey.get(key);
  if (point === undefined) return Number.NaN;
  const factor = point.unit === 'Wh or Ah' ? unitOfCapacity(table, map) : point.unitFactor;
  return factor === null ? Number.NaN : scaled(rawOfPoint(table, point), point.scale) * point.sign * factor + 0;
}

/** BI27: 1 = watt-hours; 0, the default of the note, = amp-hours. */
function unitOfCapacity(table: PointTable, map: PointMap): number | null {
  const units = map.byKey.get('capacityUnits');
  return units !== undefined && rawOfPoint(table, units) === 1 ? 1 : null;
}

const isOn = (table: PointTable, map: PointMap, key: PointKey): boolean => engineering(table, map, key) === 1;

export function normalise(table: PointTable, map: PointMap, nowMs: EpochMs): BatteryState {
  const value = (key: PointKey): number => engineering(table, map, key);
  const usable = value('usableSoc');
  const socPct = Number.isFinite(usable) ? usable : value('actualSoc');
  const capacityWh = Number.isFinite(usable) ? value('usableCapacity') : value('effectiveCapacity');
  return {
    charge: map.byKey.has('totalEnergy') ? value('totalEnergy') : (capacityWh * socPct) / 100,
    chargePercentage: socPct,
    chargingState: chargingState(table, map),
    chargeRate: value('activePower'),
    backupReserve: value('minimumReserve'),
    // AI537 is the meter of the storage system; nothing is known of a site meter behind it.
    gridStatus: 'unknown',
    gridPower: null,
    strategy: 'unknown',
    isStormModeEnabled: false,
    isStormModeActive: false,
    sampledAtMs: nowMs,
  };
}

function chargingState(table: PointTable, map: PointMap): ChargingState {
  const states: ChargingState[] = [];
  if (isOn(table, map, 'generating')) states.push('discharging');
  if (isOn(table, map, 'charging')) states.push('charging');
  if (isOn(table, map, 'idle')) states.push('idle');
  // Two states at once are a contradiction, and none at all says nothing: the sign of power decides.
  return states.length === 1 ? (states[0] ?? 'unknown') : chargingStateOf(engineering(table, map, 'activePower'));
}

/** Somebody at the site has the control: local switch or lockout. An unknown switch counts as local. */
export function isLocal(table: PointTable, map: PointMap): boolean {
  return engineering(table, map, 'local') !== 0 || engineering(table, map, 'lockout') !== 0;
}

const ALARM_POINTS: Readonly<Record<SiteAlarm, PointKey>> = {
  'communication-error': 'communicationError',
  'priority-1': 'priority1Alarm',
  'priority-2': 'priority2Alarm',
  'priority-3': 'priority3Alarm',
  'soc-at-maximum': 'socAtMaximum',
  'soc-too-high': 'socTooHigh',
  'soc-too-low': 'socTooLow',
  'soc-depleted': 'socDepleted',
  'internal-temperature-high': 'internalTemperatureHigh',
  'external-temperature-high': 'externalTemperatureHigh',
  'meter-communication-error': 'meterCommunicationError',
};

/** What the site says beyond the normalised battery; what it does not say or is in doubt is null. */
export function enrich(table: PointTable, map: PointMap, nowMs: EpochMs): SiteTelemetry {
  const value = (key: PointKey): number | null => {
    const found = engineering(table, map, key);
    return Number.isFinite(found) ? found : null;
  };
  const magnitude = (key: PointKey): number | null => {
    const found = value(key);
    return found === null ? null : Math.abs(found);
  };
  return {
    chargeWMax: magnitude('chargeWMax'),
    dischargeWMax: magnitude('dischargeWMax'),
    availableChargeW: magnitude('availableChargeW'),
    availableDischargeW: magnitude('availableDischargeW'),
    maximumReservePct: value('maximumReserve'),
    voltageV: value('voltage'),
    dcVoltageV: value('dcVoltage'),
    frequencyHz: value('frequency'),
    reactivePowerVar: value('reactivePower'),
    alarms: SITE_ALARMS.filter((a) => value(ALARM_POINTS[a]) === 1),
    alarmsUnknown: SITE_ALARMS.filter((a) => value(ALARM_POINTS[a]) === null),
    sampledAtMs: nowMs,
  };
}
