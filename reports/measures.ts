import { invariant } from '../src/domain/errors.ts';
import type { LogRecord } from '../src/ports/records.ts';
import { collect } from './collect.ts';
import type { CollectedSite, Collection } from './collection.ts';
import { type CellEnergy, cellEnergies, ratioOf, sumEnergy, wholeWh } from './energy.ts';
import { measureEvents } from './eventMeasures.ts';
import type {
  CommandCount,
  CommandMeasure,
  DeviceMeasure,
  EnrollmentCount,
  EventMeasure,
  FieldMeasure,
  ProgramMeasure,
  ProvenanceLine,
  RunMeasures,
} from './measureTypes.ts';
import { PriceBook, seriesOf } from './seriesMeasures.ts';

/**
 * Turns a run log into figures, in one pass over it.
 * @param records  the log in its order; about 200 000 records take a few seconds
 * @returns        energy in whole Wh, times in epoch ms; see RunMeasures
 * @throws         InvariantError for a log that names no run, meters an unknown site, or names a site twice
 */
export function measure(records: Iterable<LogRecord>): RunMeasures {
  const c = collect(records);
  const run = c.run;
  invariant(run !== null, 'the run log has no run-started record');
  const grid = { startMs: run.startMs, stepMs: run.meterIntervalMs, endMs: run.endMs };
  const cells = new Map([...c.sites].map(([siteId, site]) => [siteId, cellEnergies(site)]));
  const energies = new Map([...cells].map(([siteId, list]) => [siteId, byStart(list)]));
  const events = measureEvents({ c, grid, energies, prices: new PriceBook(c) });
  return {
    run,
    complete: c.complete,
    records: c.records,
    totals: sumEnergy(events),
    programs: programsOf(c, events),
    events,
    devices: [...c.sites.values()].map((s) => deviceOf(s, cells.get(s.site.siteId) ?? [])),
    commands: [...c.commands.values()].map(({ minimumReservePct: _floor, ...k }): CommandMeasure => k),
    commandCounts: commandCountsOf(c),
    enrollments: enrollmentsOf(c),
    series: seriesOf(c, grid),
    ledger: { ...c.ledger, applianceResidualMj: c.appliances.residualMj() },
    faults: c.faults,
    refusals: c.refusals,
    exchanges: [...c.exchanges.values()].sort((a, b) => (a.to < b.to ? -1 : a.to > b.to ? 1 : 0)),
    notifications: [...c.notifications].map(([type, count]) => ({ type, count })),
    fields: fieldsOf(c, grid),
    alerts: c.alerts,
    incidents: c.incidents,
    appliances: c.appliances.measure(grid),
    provenance: provenanceOf(c),
  };
}

const byStart = (list: readonly CellEnergy[]): ReadonlyMap<number, CellEnergy> =>
  new Map(list.map((x) => [x.cell.startMs, x]));

function programsOf(c: Collection, events: readonly EventMeasure[]): ProgramMeasure[] {
  return [...c.programs.values()].map((program) => {
    const own = events.filter((e) => e.programId === program.programId);
    const totals = sumEnergy(own);
    const factors = own.flatMap((e) => (e.nominationRatio === null ? [] : [e.nominationRatio]));
    return {
      program,
      events: own.length,
      ...totals,
      ratio: ratioOf(totals.deliveredWh, totals.targetWh),
      performanceFactor: factors.length === 0 ? null : factors.reduce((a, b) => a + b, 0) / factors.length,
      paymentUsd: own.reduce((sum, e) => sum + e.paymentUsd, 0),
    };
  });
}

function deviceOf({ site }: CollectedSite, list: readonly CellEnergy[]): DeviceMeasure {
  const metered = list.flatMap((x) => (x.cell.metered === null ? [] : [x.cell.metered]));
  const pct = (mj: number | undefined) =>
    mj === undefined || site.usableMj <= 0 ? null : Math.round((mj / site.usableMj) * 10_000) / 100;
  const sum = (f: (m: (typeof metered)[number]) => number) => metered.reduce((total, m) => total + f(m), 0);
  const lowestMj = metered.reduce((min, m) => Math.min(min, m.storedEndMj), metered[0]?.storedStartMj ?? Infinity);
  return {
    deviceId: site.deviceId,
    siteId: site.siteId,
    group: site.group,
    siteKind: site.siteKind,
    oem: site.oem,
    model: site.model,
    usableWh: wholeWh(site.usableMj),
    reservePct: site.reservePct,
    socStartPct: pct(metered[0]?.storedStartMj),
    socEndPct: pct(metered[metered.length - 1]?.storedEndMj),
    socMinPct: pct(metered.length === 0 ? undefined : lowestMj),
    stormMs: sum((m) => m.stormMs),
    stormDischargeMj: sum((m) => m.stormDischargeMj),
    rechargeWh: wholeWh(list.reduce((total, x) => total + x.rechargeMj, 0)),
    chargeWh: wholeWh(sum((m) => m.chargeMj)),
    dischargeWh: wholeWh(sum((m) => m.dischargeMj)),
    importWh: wholeWh(sum((m) => m.importMj)),
    exportWh: wholeWh(sum((m) => m.exportMj)),
  };
}

function commandCountsOf(c: Collection): CommandCount[] {
  const counts = new Map<string, CommandCount>();
  for (const { status, reason } of c.commands.values()) {
    const key = `${status}/${reason}`;
    counts.set(key, { status, reason, count: (counts.get(key)?.count ?? 0) + 1 });
  }
  return [...counts.values()].sort((a, b) => b.count - a.count);
}

function enrollmentsOf(c: Collection): EnrollmentCount[] {
  const counts = new Map<string, { programId: string; status: string; count: number; whys: Map<string, number> }>();
  for (const { programId, status, why } of c.enrollments.values()) {
    const key = `${programId}\n${status}`;
    const n = counts.get(key) ?? { programId, status, count: 0, whys: new Map() };
    n.count += 1;
    n.whys.set(why, (n.whys.get(why) ?? 0) + 1);
    counts.set(key, n);
  }
  return [...counts.values()].map((n) => ({
    ...n,
    whys: [...n.whys].map(([why, count]) => ({ why, count })).sort((a, b) => b.count - a.count),
  }));
}

function fieldsOf(c: Collection, span: { readonly startMs: number; readonly endMs: number }): FieldMeasure[] {
  return [...c.fields].map(([siteId, f]) => ({
    siteId,
    linkDownMs: c.links.within(siteId, span),
    operates: f.counts.get('operate') ?? 0,
    operated: f.counts.get('operated') ?? 0,
    refused: f.counts.get('refused') ?? 0,
    unknown: f.counts.get('unknown') ?? 0,
    integrityReads: f.counts.get('integrity-read') ?? 0,
    steps: f.steps,
    stepsLeftOut: f.stepsLeftOut,
    feed: f.feed.measure(),
  }));
}

/** One line for each different input, in the order of the log. */
function provenanceOf(c: Collection): ProvenanceLine[] {
  const seen = new Map<string, ProvenanceLine>();
  for (const p of c.provenance) seen.set(`${p.what}\n${p.source}`, p);
  return [...seen.values()];
}
