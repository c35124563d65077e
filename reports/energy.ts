import { MJ_PER_WH } from '../src/domain/units.ts';
import type { Cell, CollectedSite, Span } from './collection.ts';
import type { EnergyTotals } from './measureTypes.ts';

/**
 * Whole Wh from exact mJ, so that parts sum to the whole.
 *
 * Each site has two registers that run from the start of the log: what the meter counted (import − export), and the
 * difference to the world without the events (baseline − metered). A figure for an interval is the difference of the
 * rounded register at its two ends, as a utility reads a meter. So intervals sum to hours and hours to the event, without
 * drift; and a load that is the same in both worlds changes no delivery. The baseline is stated as metered + delivered.
 * Sums over devices, groups and programs add these whole numbers. A device's figure is within 1 Wh of its exact energy.
 *
 * An interval in which a storm was active at the device, for however short a time, counts 0: a device under Storm Guard
 * has left grid services and is excused. What its meter moved then, mostly the recharge, is stated apart as stormWh.
 */
export interface CellEnergy {
  readonly cell: Cell;
  readonly measured: boolean;
  readonly storm: boolean;
  readonly meteredWh: number;
  readonly deliveredWh: number;
  readonly stormWh: number;
  /** Battery charge in the interval while it was touched by a storm [mJ]. */
  readonly rechargeMj: number;
}

/** Whole Wh of an energy that stands alone. */
export const wholeWh = (mj: number): number => Math.round(mj / MJ_PER_WH) + 0;

/** A register that is read at the ends of intervals; rounds half up, never gives −0. */
export class Register {
  private totalMj = 0;
  private readWh = 0;

  /** Adds energy and returns the whole Wh since the last reading. */
  advance(mj: number): number {
    this.totalMj += mj;
    const nowWh = Math.round(this.totalMj / MJ_PER_WH) + 0;
    const wh = nowWh - this.readWh;
    this.readWh = nowWh;
    return wh;
  }
}

/** The site's intervals in order of time, in whole Wh. */
export function cellEnergies(site: CollectedSite): CellEnergy[] {
  const metered = new Register();
  const difference = new Register();
  const cells = [...site.cells.values()].sort((a, b) => a.startMs - b.startMs);
  return cells.map((cell) => {
    const m = cell.metered;
    if (m === null) return unmeasured(cell);
    const netMj = m.importMj - m.exportMj;
    const meteredWh = metered.advance(netMj);
    const movedWh = cell.baselineMj === null ? 0 : difference.advance(cell.baselineMj - netMj);
    const storm = m.stormMs > 0;
    return {
      cell,
      measured: cell.baselineMj !== null,
      storm,
      meteredWh,
      deliveredWh: storm ? 0 : movedWh,
      stormWh: storm ? movedWh : 0,
      rechargeMj: storm ? m.chargeMj : 0,
    };
  });
}

const unmeasured = (cell: Cell): CellEnergy => ({
  cell,
  measured: false,
  storm: false,
  meteredWh: 0,
  deliveredWh: 0,
  stormWh: 0,
  rechargeMj: 0,
});

const NO_ENERGY: EnergyTotals = {
  targetWh: 0,
  plannedWh: 0,
  baselineWh: 0,
  meteredWh: 0,
  deliveredWh: 0,
  stormWh: 0,
};

/** Adds the six figures and nothing else of each part. */
export function sumEnergy(parts: Iterable<EnergyTotals>): EnergyTotals {
  const sum = { ...NO_ENERGY };
  for (const p of parts) {
    sum.targetWh += p.targetWh;
    sum.plannedWh += p.plannedWh;
    sum.baselineWh += p.baselineWh;
    sum.meteredWh += p.meteredWh;
    sum.deliveredWh += p.deliveredWh;
    sum.stormWh += p.stormWh;
  }
  return sum;
}

export const ratioOf = (deliveredWh: number, targetWh: number): number | null =>
  targetWh > 0 ? deliveredWh / targetWh : null;

/** The meter intervals that overlap a span; an interval cut by its edge counts whole, as meters do not split it. */
export function meterRows(span: Span, grid: { readonly startMs: number; readonly stepMs: number }): Span[] {
  const rows: Span[] = [];
  const first = Math.floor((span.startMs - grid.startMs) / grid.stepMs);
  for (let i = first; grid.startMs + i * grid.stepMs < span.endMs; i++) {
    const startMs = grid.startMs + i * grid.stepMs;
    rows.push({ startMs, endMs: startMs + grid.stepMs });
  }
  return rows;
}
