import type { Fact } from '../../src/domain/fact.ts';
import type { ExclusionReason, GridEvent } from '../../src/domain/program.ts';
import { whToMj } from '../../src/domain/units.ts';
import type { LogRecord, MeterInterval } from '../../src/ports/records.ts';

/**
 * A small run log in whole meter intervals, for tests that say exactly what was metered. Time starts at 0 UTC; an index
 * counts intervals.
 */
export interface MiniSite {
  readonly deviceId: string;
  readonly group?: string;
  /** Import − export of each interval [mJ]; null = no meter record. */
  readonly metered: readonly (number | null)[];
  /** The same without the events; null = no baseline record. */
  readonly baseline: readonly (number | null)[];
  readonly stormMs?: readonly number[];
  readonly storedEndMj?: number;
}

export interface MiniEvent {
  readonly eventId: string;
  readonly programId?: string;
  /** Interval indices [from, to). */
  readonly from: number;
  readonly to: number;
  readonly targetW: number;
  readonly plans?: readonly MiniPlan[];
}

export interface MiniPlan {
  readonly fromMs: number;
  readonly toMs: number;
  readonly allocatedW: Readonly<Record<string, number>>;
  readonly excluded?: readonly {
    readonly deviceId: string;
    readonly reason: ExclusionReason;
    readonly capableW: number;
  }[];
}

export interface MiniRun {
  readonly stepMs: number;
  readonly sites: readonly MiniSite[];
  readonly events?: readonly MiniEvent[];
  readonly facts?: readonly { readonly atMs: number; readonly fact: Fact }[];
  readonly more?: readonly LogRecord[];
  readonly timeZone?: string;
  readonly ended?: boolean;
}

export const factAt = (atMs: number, fact: Fact): LogRecord => ({ atMs, kind: 'fact', fact });

export const siteIdOf = (deviceId: string): string => `site of ${deviceId}`;

/** An interval in which a home without battery use imports, or its PV exports; its books close. */
export function meterInterval(siteId: string, startMs: number, endMs: number, mj: number): MeterInterval {
  const importMj = Math.max(0, mj);
  const exportMj = Math.max(0, -mj);
  const nothing = { chargeMj: 0, dischargeMj: 0, chargeLossMj: 0, dischargeLossMj: 0, standbyMj: 0, dispatchedMj: 0 };
  const stored = { storedStartMj: 0, storedEndMj: 0 };
  const storm = { stormMs: 0, stormDischargeMj: 0 };
  return {
    kind: 'meter',
    siteId,
    startMs,
    endMs,
    loadMj: importMj,
    pvMj: exportMj,
    importMj,
    exportMj,
    ...nothing,
    ...stored,
    ...storm,
  };
}

function siteRecords(s: MiniSite, stepMs: number): LogRecord[] {
  const siteId = siteIdOf(s.deviceId);
  const out: LogRecord[] = [];
  s.metered.forEach((mj, i) => {
    const [startMs, endMs] = [i * stepMs, (i + 1) * stepMs];
    const stored = s.storedEndMj ?? whToMj(5_000);
    const extra = { stormMs: s.stormMs?.[i] ?? 0, storedStartMj: stored, storedEndMj: stored };
    if (mj !== null) out.push({ atMs: endMs, ...meterInterval(siteId, startMs, endMs, mj), ...extra });
    const b = s.baseline[i] ?? null;
    if (b === null) return;
    const battery = { chargeMj: 0, dischargeMj: 0 };
    const importMj = Math.max(0, b);
    const exportMj = Math.max(0, -b);
    out.push({ atMs: endMs, kind: 'counterfactual', siteId, startMs, endMs, importMj, exportMj, ...battery });
  });
  return out;
}

function eventRecords(e: MiniEvent, stepMs: number): LogRecord[] {
  const interval = { startMs: e.from * stepMs, endMs: e.to * stepMs, targetW: e.targetW, priceUsdPerMwh: null };
  const event: GridEvent = {
    eventId: e.eventId,
    programId: e.programId ?? 'p',
    kind: 'dispatch',
    calledBy: 'a test',
    intervals: [interval],
  };
  const plans = (e.plans ?? []).map((p): LogRecord => {
    const allocations = Object.entries(p.allocatedW).map(([deviceId, w]) => ({
      deviceId,
      allocatedW: w,
      setpointW: w,
    }));
    const plannedW = allocations.reduce((sum, a) => sum + a.allocatedW, 0);
    const dispatch = {
      eventId: e.eventId,
      periodStartMs: p.fromMs,
      periodEndMs: p.toMs,
      targetW: e.targetW,
      allocations,
      excluded: p.excluded ?? [],
      plannedW,
      shortfallW: Math.max(0, e.targetW - plannedW),
    };
    return factAt(p.fromMs, { type: 'dispatch.planned', dispatch });
  });
  return [factAt(0, { type: 'event.offered', event }), ...plans];
}

export function miniRun(run: MiniRun): LogRecord[] {
  const steps = Math.max(...run.sites.map((s) => s.metered.length), 1);
  const endMs = steps * run.stepMs;
  const program = {
    programId: 'p',
    workspaceId: 'w',
    name: 'Program',
    timeZone: 'UTC',
    node: 'N',
    trigger: { kind: 'called' },
    nominatedW: 10_000,
    paymentUsdPerKwh: 2,
    provenance: { source: 'test', standing: 'assumed' },
  } as const;
  return [
    {
      atMs: 0,
      kind: 'run-started',
      scenario: 'mini',
      title: 'Mini',
      seed: '1',
      startMs: 0,
      endMs,
      timeZone: run.timeZone ?? 'UTC',
      meterIntervalMs: run.stepMs,
      version: '0.0.0',
    },
    ...run.sites.map(
      (s): LogRecord => ({
        atMs: 0,
        kind: 'site',
        siteId: siteIdOf(s.deviceId),
        deviceId: s.deviceId,
        group: s.group ?? 'homes',
        siteKind: 'home',
        oem: 'enphase',
        model: 'any',
        usableMj: whToMj(10_000),
        chargeWMax: 5_000,
        dischargeWMax: 5_000,
        reservePct: 20,
        pvW: 0,
        zones: [],
      }),
    ),
    factAt(0, { type: 'program.created', program }),
    ...(run.events ?? []).flatMap((e) => eventRecords(e, run.stepMs)),
    ...(run.facts ?? []).map((f) => factAt(f.atMs, f.fact)),
    ...(run.more ?? []),
    ...run.sites.flatMap((s) => siteRecords(s, run.stepMs)),
    ...(run.ended === false ? [] : [{ atMs: endMs, kind: 'run-ended', virtualMs: endMs } as const]),
  ];
}
