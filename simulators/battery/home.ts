import { InvariantError } from '../../src/domain/errors.ts';
import { ceilMjAt, type DeviceColumns, floorMjAt } from './columns.ts';
import { moveBattery } from './physics.ts';

/**
 * A home behind one meter: load, PV and battery on one bus, whole W, constant inside a step.
 *
 *   grid = load − battery − pv       (+ import, − export)
 *
 * The load is the household's and that of the appliances at the bus (HomeLoads), each with a register of its own. An
 * appliance whose power is not constant in a step draws its mean, and at the step's end the meter takes the rest, netted
 * with what flowed through it in the step (settleLoads).
 *
 * What the battery wants follows from its mode and the net load; what it gives, from physics. PV that may not be
 * exported is curtailed. In an outage there is no grid: the battery carries what it can, surplus PV is curtailed and
 * load that nobody carries is not served. Registers are added up each on its own path, never one from the others.
 */
export const MODE = { home: 0, charge: 1, discharge: 2, idle: 3, storm: 4, island: 5 } as const;
export type Mode = (typeof MODE)[keyof typeof MODE];

/** Per minute: load [W] before scaling, PV at the bus [W per W nameplate]. Shared by many homes. */
export interface HomeProfiles {
  readonly load: readonly (Int32Array | Float64Array)[];
  readonly pv: readonly Float64Array[];
}

export interface HomeColumns {
  readonly device: DeviceColumns;
  readonly mode: Uint8Array;
  /** 1 = an active storm, whatever the mode. */
  readonly stormActive: Uint8Array;
  /** 1 = never discharges for the home (strategy backup). */
  readonly backupOnly: Uint8Array;
  /** The owner's reserve [mJ]. */
  readonly reserveMj: Float64Array;
  readonly loadProfile: Uint16Array;
  readonly pvProfile: Uint16Array;
  readonly loadScale: Float64Array;
  readonly pvW: Float64Array;
  /** Limit at the meter [W]; Infinity = none. */
  readonly exportWMax: Float64Array;
  readonly loadMj: Float64Array;
  readonly pvMj: Float64Array;
  readonly curtailedMj: Float64Array;
  readonly unservedMj: Float64Array;
  readonly importMj: Float64Array;
  readonly exportMj: Float64Array;
  /** Appliances at the bus: power held now [W], and energy [mJ]. */
  readonly evW: Float64Array;
  readonly hvacW: Float64Array;
  readonly evMj: Float64Array;
  readonly hvacMj: Float64Array;
  /** The meter at the last settlement of the appliances [mJ]. */
  readonly edgeImportMj: Float64Array;
  readonly edgeExportMj: Float64Array;
  readonly chargeMj: Float64Array;
  readonly dischargeMj: Float64Array;
  readonly dispatchedMj: Float64Array;
  readonly stormMs: Float64Array;
  readonly stormDischargeMj: Float64Array;
}

/** Index reads below are in range: the fleet checks i and the profiles' length before. */
export function loadAt(h: HomeColumns, profiles: HomeProfiles, i: number, step: number): number {
  const row = profiles.load[h.loadProfile[i] as number] as Int32Array;
  const household = Math.round((row[step] as number) * (h.loadScale[i] as number));
  return household + (h.evW[i] as number) + (h.hvacW[i] as number);
}

export function pvAt(h: HomeColumns, profiles: HomeProfiles, i: number, step: number): number {
  const row = profiles.pv[h.pvProfile[i] as number] as Float64Array;
  return Math.round((row[step] as number) * (h.pvW[i] as number));
}

/** The AC power the battery of home i wants in its mode, within its own limits [W, + discharge]. */
export function powerWanted(h: HomeColumns, i: number, loadW: number, pvW: number): number {
  const b = h.device.battery;
  const chargeWMax = b.chargeWMax[i] as number;
  const dischargeWMax = b.dischargeWMax[i] as number;
  const netW = loadW - pvW;
  switch (h.mode[i] as Mode) {
    case MODE.home:
      if (netW > 0) return h.backupOnly[i] === 1 ? 0 : Math.min(netW, dischargeWMax);
      return netW === 0 ? 0 : -Math.min(-netW, chargeWMax);
    case MODE.island:
      if (netW > 0) return Math.min(netW, dischargeWMax);
      return netW === 0 ? 0 : -Math.min(-netW, chargeWMax);
    case MODE.charge: {
      const asked = h.device.commandW[i] as number;
      const power = asked < 0 ? chargeWMax : Math.min(asked, chargeWMax);
      return power === 0 ? 0 : -power;
    }
    case MODE.discharge: {
      const asked = h.device.commandW[i] as number;
      const power = asked < 0 ? dischargeWMax : Math.min(asked, dischargeWMax);
      const roomW = h.device.commandExport[i] === 1 ? netW + (h.exportWMax[i] as number) : netW;
      return Math.min(power, Math.max(0, roomW));
    }
    case MODE.idle:
      return 0;
    case MODE.storm:
      return chargeWMax === 0 ? 0 : -chargeWMax;
  }
}

/** The store below which the battery of home i gives nothing in its mode [mJ]. The reserve is there for outages. */
export function floorMjOf(h: HomeColumns, i: number): number {
  const mode = h.mode[i] as Mode;
  if (mode === MODE.island) return 0;
  const reserve = h.reserveMj[i] as number;
  if (mode !== MODE.discharge) return reserve;
  return Math.max(reserve, floorMjAt(h.device.battery, i, h.device.commandFloorPct[i] as number));
}

export function ceilMjOf(h: HomeColumns, i: number): number {
  if (h.mode[i] !== MODE.charge) return h.device.battery.usableMj[i] as number;
  return ceilMjAt(h.device.battery, i, h.device.commandCeilPct[i] as number);
}

/** Moves home i over dtMs at constant load and PV and meters it. */
export function moveHome(h: HomeColumns, i: number, loadW: number, pvW: number, dtMs: number): void {
  const wantedW = powerWanted(h, i, loadW, pvW);
  const givenMs = moveBattery(h.device.battery, i, wantedW, dtMs, floorMjOf(h, i), ceilMjOf(h, i));
  if (givenMs > 0) meterHome(h, i, loadW, pvW, wantedW, givenMs);
  if (givenMs < dtMs) meterHome(h, i, loadW, pvW, 0, dtMs - givenMs);
  if (h.stormActive[i] === 1) h.stormMs[i] = (h.stormMs[i] as number) + dtMs;
}

/** Power at the meter [W, + import], after PV curtailment; 0 in an outage. */
export function gridPower(h: HomeColumns, i: number, loadW: number, pvW: number, batteryW: number): number {
  if (h.mode[i] === MODE.island) return 0;
  const grid = loadW - batteryW - pvW;
  const exportWMax = h.exportWMax[i] as number;
  return -grid <= exportWMax ? grid : grid + Math.min(pvW, -grid - exportWMax);
}

/** PV that reaches the bus [W]: what the meter's balance and the outage leave of pvW. */
export function pvAtBus(h: HomeColumns, i: number, loadW: number, pvW: number, batteryW: number): number {
  if (h.mode[i] === MODE.island) return Math.min(loadW, pvW + batteryW) - batteryW;
  const over = batteryW + pvW - loadW - (h.exportWMax[i] as number);
  return over > 0 ? pvW - Math.min(pvW, over) : pvW;
}

function meterHome(h: HomeColumns, i: number, loadW: number, pvW: number, batteryW: number, ms: number): void {
  const busPvW = pvAtBus(h, i, loadW, pvW, batteryW);
  const gridW = gridPower(h, i, loadW, pvW, batteryW);
  const servedW = h.mode[i] === MODE.island ? Math.min(loadW, pvW + batteryW) : loadW;
  if (servedW !== gridW + batteryW + busPvW) {
    throw new InvariantError(`bus of home ${i}: ${servedW} ≠ ${gridW} + ${batteryW} + ${busPvW} W`);
  }
  const evW = h.evW[i] as number;
  const hvacW = h.hvacW[i] as number;
  h.loadMj[i] = (h.loadMj[i] as number) + (servedW - evW - hvacW) * ms;
  if (evW > 0) h.evMj[i] = (h.evMj[i] as number) + evW * ms;
  if (hvacW > 0) h.hvacMj[i] = (h.hvacMj[i] as number) + hvacW * ms;
  h.pvMj[i] = (h.pvMj[i] as number) + busPvW * ms;
  if (busPvW !== pvW) h.curtailedMj[i] = (h.curtailedMj[i] as number) + (pvW - busPvW) * ms;
  if (servedW !== loadW) h.unservedMj[i] = (h.unservedMj[i] as number) + (loadW - servedW) * ms;
  if (gridW > 0) h.importMj[i] = (h.importMj[i] as number) + gridW * ms;
  else if (gridW < 0) h.exportMj[i] = (h.exportMj[i] as number) - gridW * ms;
  if (batteryW < 0) h.chargeMj[i] = (h.chargeMj[i] as number) - batteryW * ms;
  else if (batteryW > 0) {
    const energy = batteryW * ms;
    h.dischargeMj[i] = (h.dischargeMj[i] as number) + energy;
    if (h.mode[i] === MODE.discharge) h.dispatchedMj[i] = (h.dispatchedMj[i] as number) + energy;
    if (h.stormActive[i] === 1) h.stormDischargeMj[i] = (h.stormDischargeMj[i] as number) + energy;
  }
}

/**
 * Books what appliances drew beyond the power that was held for them, and begins the next stretch. The meter nets it with
 * what flowed the other way since the last call, and takes the rest: no register falls below where it stood then.
 */
export function settleLoads(
  h: HomeColumns,
  i: number,
  beyond: { readonly evMj: number; readonly hvacMj: number },
): void {
  h.evMj[i] = (h.evMj[i] as number) + beyond.evMj;
  h.hvacMj[i] = (h.hvacMj[i] as number) + beyond.hvacMj;
  const mj = beyond.evMj + beyond.hvacMj;
  const [one, other] = mj >= 0 ? [h.importMj, h.exportMj] : [h.exportMj, h.importMj];
  const edge = mj >= 0 ? h.edgeExportMj : h.edgeImportMj;
  const size = Math.abs(mj);
  const netted = Math.min(size, (other[i] as number) - (edge[i] as number));
  other[i] = (other[i] as number) - netted;
  one[i] = (one[i] as number) + size - netted;
  h.edgeImportMj[i] = h.importMj[i] as number;
  h.edgeExportMj[i] = h.exportMj[i] as number;
}
