import { type BatteryState, type ChargingState, chargingStateOf } from '../domain/battery.ts';
import type { EpochMs } from '../domain/units.ts';
import type { RawPoint } from '../ports/field.ts';
import { type POINT, type PointMap, pointOf } from './an2018.ts';

/**
 * Raw points -> the normalised battery.
 *
 *   state of charge   AI48 usable, else AI47 actual
 *   charge (energy)   AI18 usable × AI48, else AI17 effective × AI47; only when BI27 says Wh: amp-hours are no energy
 *   charge rate       AI537, positive = discharging as here
 *   backup reserve    AI161
 *   charging state    BI19 generating, BI20 charging, BI18 idle; else the sign of AI537
 *
 * A point that is missing, not online or in doubt gives NaN ("unknown"), never 0; who decides from it must look.
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

/** A value whose quality is good; else NaN. A forced value (0x08, 0x10) is somebody's decision and counts. */
const good = (p: RawPoint | null, doubt: number): number =>
  p !== null && (p.flags & ONLINE) !== 0 && (p.flags & doubt) === 0 ? p.value : Number.NaN;

/** A point in engineering units; NaN when it is not known. */
export function engineering(table: PointTable, map: PointMap, key: keyof typeof POINT): number {
  const point = pointOf(map, key);
  if (point === null) return Number.NaN;
  const isBinary = point.type === 'BI';
  const raw = table.get(isBinary ? 'BI' : 'AI', point.index);
  // For binaries bits 5 and 6 mean chatter and reserved: only chatter puts a state in doubt.
  const value = good(raw, isBinary ? 0x02 | 0x04 | 0x20 : DOUBT);
  // Division by a whole number keeps 0.1-scaled figures exact: 655 × 0.1 is not 65.5 in binary, 655 / 10 is.
  return point.scale === 0.1 ? value / 10 : value * point.scale;
}

const isOn = (table: PointTable, map: PointMap, key: keyof typeof POINT): boolean => engineering(table, map, key) === 1;

export function normalise(table: PointTable, map: PointMap, nowMs: EpochMs): BatteryState {
  const value = (key: keyof typeof POINT): number => engineering(table, map, key);
  const usable = value('usableSoc');
  const socPct = Number.isFinite(usable) ? usable : value('actualSoc');
  const capacityWh = Number.isFinite(usable) ? value('usableCapacity') : value('effectiveCapacity');
  const inWh = isOn(table, map, 'capacityUnits');
  return {
    charge: inWh ? (capacityWh * socPct) / 100 : Number.NaN,
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
