import { MS_PER_HOUR } from '../src/domain/units.ts';
import type { Collection } from './collection.ts';
import { meterRows } from './energy.ts';
import type { SeriesMeasure } from './measureTypes.ts';

interface Block {
  readonly startMs: number;
  readonly stepMs: number;
  readonly values: readonly (number | null)[];
}

/** Value of the last block that covers the instant; null where it is missing or nothing covers it. */
function valueIn(blocks: readonly Block[], atMs: number): number | null {
  for (let i = blocks.length - 1; i >= 0; i--) {
    const b = blocks[i];
    const index = b === undefined ? -1 : Math.floor((atMs - b.startMs) / b.stepMs);
    if (b !== undefined && index >= 0 && index < b.values.length) return b.values[index] ?? null;
  }
  return null;
}

/** Day-ahead prices: what was published for the node, else the run's own series. */
export class PriceBook {
  private readonly byNode = new Map<string, Block[]>();
  private readonly market: readonly Block[];

  constructor(c: Collection) {
    this.market = c.series.get('price-day-ahead') ?? [];
    for (const p of c.published) {
      const list = this.byNode.get(p.node) ?? [];
      list.push({ startMs: p.startMs, stepMs: p.stepMs, values: p.usdPerMwh });
      this.byNode.set(p.node, list);
    }
  }

  dayAhead(atMs: number, node: string | null): number | null {
    const published = node === null ? null : valueIn(this.byNode.get(node) ?? [], atMs);
    return published ?? valueIn(this.market, atMs);
  }
}

/** Mean power of the fleet and stored energy by group, interval by interval, with what moved them. */
export function seriesOf(
  c: Collection,
  grid: { readonly startMs: number; readonly stepMs: number; readonly endMs: number },
): SeriesMeasure {
  const rows = meterRows({ startMs: grid.startMs, endMs: grid.endMs }, grid);
  const toW = MS_PER_HOUR / grid.stepMs / 3_600_000;
  const at = (name: string) => rows.map((r) => valueIn(c.series.get(name) ?? [], r.startMs));
  const prices = new PriceBook(c);
  const sums = rows.map((r) => sumRow(c, r.startMs));
  return {
    startMs: rows.map((r) => r.startMs),
    batteryW: sums.map((s) => Math.round(s.batteryMj * toW) + 0),
    gridW: sums.map((s) => Math.round(s.gridMj * toW) + 0),
    baselineGridW: sums.map((s) => (s.baselineMj === null ? null : Math.round(s.baselineMj * toW) + 0)),
    targetW: rows.map((r) => targetW(c, r.startMs, grid.stepMs)),
    socPct: socByGroup(
      c,
      rows.map((r) => r.startMs),
    ),
    dayAheadUsdPerMwh: rows.map((r) => prices.dayAhead(r.startMs, firstNode(c))),
    realTimeUsdPerMwh: at('price-real-time'),
    temperatureC: at('temperature'),
  };
}

const firstNode = (c: Collection): string | null => [...c.programs.values()][0]?.node ?? null;

function sumRow(c: Collection, startMs: number): { batteryMj: number; gridMj: number; baselineMj: number | null } {
  let batteryMj = 0;
  let gridMj = 0;
  let baselineMj: number | null = 0;
  for (const { cells } of c.sites.values()) {
    const cell = cells.get(startMs);
    if (cell?.metered == null) continue;
    batteryMj += cell.metered.dischargeMj - cell.metered.chargeMj;
    gridMj += cell.metered.importMj - cell.metered.exportMj;
    baselineMj = cell.baselineMj === null || baselineMj === null ? null : baselineMj + cell.baselineMj;
  }
  return { batteryMj, gridMj, baselineMj };
}

/** Mean power that the events asked for in the interval. */
function targetW(c: Collection, startMs: number, stepMs: number): number {
  let mj = 0;
  for (const e of c.events.values()) {
    for (const i of e.event.intervals) {
      const ms = Math.min(i.endMs, e.endMs, startMs + stepMs) - Math.max(i.startMs, startMs);
      if (ms > 0) mj += i.targetW * ms;
    }
  }
  return Math.round(mj / stepMs);
}

/** State of charge at the end of each interval: stored ÷ usable over the sites that were metered then [%]. */
function socByGroup(c: Collection, starts: readonly number[]): SeriesMeasure['socPct'] {
  const groups = [...new Set([...c.sites.values()].map((s) => s.site.group))];
  return groups.map((group) => {
    const sites = [...c.sites.values()].filter((s) => s.site.group === group);
    const pct = starts.map((startMs) => {
      let storedMj = 0;
      let usableMj = 0;
      for (const { site, cells } of sites) {
        const m = cells.get(startMs)?.metered;
        if (m == null) continue;
        storedMj += m.storedEndMj;
        usableMj += site.usableMj;
      }
      return usableMj > 0 ? Math.round((storedMj / usableMj) * 10_000) / 100 : null;
    });
    return { group, pct };
  });
}
