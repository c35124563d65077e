import type { BatterySpec } from '../../simulators/battery/physics.ts';
import { kwToW } from '../../src/domain/units.ts';

/** The figures of a battery as a scenario states them. */
export interface StatedBattery {
  readonly usableKwh: number;
  readonly chargeKwMax: number;
  readonly dischargeKwMax: number;
  /** AC to AC, both ways; split evenly between the two. */
  readonly roundTripRatio: number;
  readonly standbyW: number;
}

/** The physical battery at its state of charge [%] at the start. */
export function specOf(b: StatedBattery, socPct: number): BatterySpec {
  const oneWay = Math.sqrt(b.roundTripRatio);
  const usableWh = b.usableKwh * 1000;
  return {
    usableWh,
    chargeWMax: kwToW(b.chargeKwMax),
    dischargeWMax: kwToW(b.dischargeKwMax),
    chargeRatio: oneWay,
    dischargeRatio: oneWay,
    standbyW: Math.round(b.standbyW),
    storedWh: (usableWh * socPct) / 100,
  };
}
