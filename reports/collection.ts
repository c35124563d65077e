import { invariant } from '../src/domain/errors.ts';
import type { Dispatch, EventPerformance, Fact } from '../src/domain/fact.ts';
import type { GridEvent, Program } from '../src/domain/program.ts';
import type { EpochMs } from '../src/domain/units.ts';
import type { LogRecord, MeterInterval, RunStarted, SiteInWorld } from '../src/ports/records.ts';
import { ApplianceBook } from './applianceBook.ts';
import type {
  AlertMeasure,
  CommandMeasure,
  EventMeasure,
  ExchangeCount,
  FaultMeasure,
  FieldStep,
  Incident,
  LedgerMeasure,
  ProvenanceLine,
} from './measureTypes.ts';
import { SiteFeed } from './siteFeed.ts';

/** Lists that grow with the length of a run stop here; counts go on. */
export const LIMITS = { incidents: 50_000, refusals: 1_000, fieldSteps: 500, openLedger: 20 } as const;

type Writable<T> = { -readonly [K in keyof T]: T[K] };

export type CollectedCommand = Writable<CommandMeasure> & { readonly minimumReservePct: number };

export interface CollectedEvent {
  readonly event: GridEvent;
  status: EventMeasure['status'];
  readonly startMs: EpochMs;
  endMs: EpochMs;
  /** By start of the control period; a later decision for the same period replaces the earlier one. */
  readonly plans: Map<EpochMs, Dispatch>;
  derived: EventPerformance | null;
}

/** One site over one meter interval: what was metered and what would have been. */
export interface Cell {
  readonly startMs: EpochMs;
  readonly endMs: EpochMs;
  metered: MeterInterval | null;
  /** Import − export without the events [mJ]. */
  baselineMj: number | null;
}

export interface CollectedSite {
  readonly site: SiteInWorld;
  readonly cells: Map<EpochMs, Cell>;
}

export interface Span {
  readonly startMs: EpochMs;
  readonly endMs: EpochMs;
}

/** Times during which something was so, from the changes of a flag. */
export class Spans {
  private readonly open = new Map<string, EpochMs>();
  private readonly done = new Map<string, Span[]>();

  change(key: string, on: boolean, atMs: EpochMs): void {
    const since = this.open.get(key);
    if (on && since === undefined) this.open.set(key, atMs);
    if (on || since === undefined) return;
    this.open.delete(key);
    const list = this.done.get(key) ?? [];
    list.push({ startMs: since, endMs: atMs });
    this.done.set(key, list);
  }

  /** Milliseconds of [startMs, endMs) in which it was so; a span still open lasts for ever. */
  within(key: string, { startMs, endMs }: Span): number {
    const closed = (this.done.get(key) ?? []).reduce((sum, s) => sum + overlapMs(s, { startMs, endMs }), 0);
    const since = this.open.get(key);
    return closed + (since === undefined ? 0 : overlapMs({ startMs: since, endMs }, { startMs, endMs }));
  }
}

export const overlapMs = (a: Span, b: Span): number =>
  Math.max(0, Math.min(a.endMs, b.endMs) - Math.max(a.startMs, b.startMs));

interface FieldSite {
  readonly counts: Map<string, number>;
  readonly steps: Writable<FieldStep>[];
  /** Controls sent since the last step of another kind, by their detail. */
  readonly repeated: Map<string, Writable<FieldStep>>;
  stepsLeftOut: number;
  readonly feed: SiteFeed;
}

export class Collection {
  run: Omit<RunStarted, 'kind'> | null = null;
  complete = false;
  records = 0;
  readonly sites = new Map<string, CollectedSite>();
  readonly siteOfDevice = new Map<string, string>();
  readonly programs = new Map<string, Program>();
  readonly events = new Map<string, CollectedEvent>();
  readonly commands = new Map<string, CollectedCommand>();
  readonly enrollments = new Map<string, { programId: string; status: string; why: string }>();
  readonly exchanges = new Map<string, Writable<ExchangeCount>>();
  readonly notifications = new Map<string, number>();
  readonly modes = new Map<string, { storm: string; connection: string }>();
  /** By the device's own word, and by what the core concluded. */
  readonly offline = new Spans();
  readonly unreachable = new Spans();
  readonly links = new Spans();
  readonly faults: FaultMeasure[] = [];
  readonly refusals: { atMs: EpochMs; what: string; why: string }[] = [];
  readonly incidents: Incident[] = [];
  readonly alerts: AlertMeasure[] = [];
  readonly provenance: ProvenanceLine[] = [];
  readonly series = new Map<string, Extract<LogRecord, { kind: 'series' }>[]>();
  readonly published: Extract<Fact, { type: 'prices.published' }>[] = [];
  readonly fields = new Map<string, FieldSite>();
  readonly appliances = new ApplianceBook();
  readonly ledger = {
    intervals: 0,
    siteResidualMj: 0,
    batteryResidualMj: 0,
    open: [] as LedgerMeasure['open'][number][],
  };

  private byEvent: Map<string, Map<string, CollectedCommand[]>> | null = null;

  addSite(site: SiteInWorld): void {
    invariant(!this.sites.has(site.siteId), `site ${site.siteId} stands twice in the run log: one meter, one device`);
    this.sites.set(site.siteId, { site, cells: new Map() });
    this.siteOfDevice.set(site.deviceId, site.siteId);
  }

  cell(siteId: string, startMs: EpochMs, endMs: EpochMs): Cell {
    const site = this.sites.get(siteId);
    invariant(site !== undefined, `the run log meters site ${siteId} before it names it`);
    let cell = site.cells.get(startMs);
    if (cell === undefined) {
      cell = { startMs, endMs, metered: null, baselineMj: null };
      site.cells.set(startMs, cell);
    }
    invariant(cell.endMs === endMs, `two intervals of site ${siteId} begin at ${startMs} and end at different times`);
    return cell;
  }

  /** The commands of an event by device, in order of acceptance; built on first use, when the log has been read. */
  commandsByEvent(eventId: string): ReadonlyMap<string, CollectedCommand[]> {
    if (this.byEvent === null) {
      this.byEvent = new Map();
      for (const k of this.commands.values()) {
        if (k.eventId === null) continue;
        const devices = this.byEvent.get(k.eventId) ?? new Map<string, CollectedCommand[]>();
        const list = devices.get(k.deviceId) ?? [];
        list.push(k);
        devices.set(k.deviceId, list);
        this.byEvent.set(k.eventId, devices);
      }
    }
    return this.byEvent.get(eventId) ?? new Map();
  }

  field(siteId: string): FieldSite {
    let site = this.fields.get(siteId);
    if (site === undefined) {
      site = { counts: new Map(), steps: [], repeated: new Map(), stepsLeftOut: 0, feed: new SiteFeed() };
      this.fields.set(siteId, site);
    }
    return site;
  }

  /** Adds the absolute residuals, so that two errors cannot cancel. */
  audit(m: MeterInterval): void {
    const { siteMj, batteryMj } = residuals(m);
    this.ledger.intervals += 1;
    this.ledger.siteResidualMj += Math.abs(siteMj);
    this.ledger.batteryResidualMj += Math.abs(batteryMj);
    if ((siteMj !== 0 || batteryMj !== 0) && this.ledger.open.length < LIMITS.openLedger) {
      this.ledger.open.push({ siteId: m.siteId, startMs: m.startMs, siteMj, batteryMj });
    }
  }
}

/**
 * What the books of one interval leave over [mJ]; both are 0 when they close.
 * @source the two identities of MeterInterval: load + ev + hvac = import − export + discharge − charge + pv, and
 *         storedEnd − storedStart = charge − chargeLoss − discharge − dischargeLoss − standby
 */
export function residuals(m: MeterInterval): { readonly siteMj: number; readonly batteryMj: number } {
  const usedMj = m.loadMj + (m.evMj ?? 0) + (m.hvacMj ?? 0);
  const siteMj = m.importMj - m.exportMj + m.dischargeMj - m.chargeMj + m.pvMj - usedMj;
  const kept = m.chargeMj - m.chargeLossMj - m.dischargeMj - m.dischargeLossMj - m.standbyMj;
  return { siteMj, batteryMj: kept - (m.storedEndMj - m.storedStartMj) };
}
