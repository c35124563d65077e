import type { ApplianceFact } from '../src/domain/applianceCommand.ts';
import { SETTINGS, type SettingKind } from '../src/domain/setting.ts';
import { type EpochMs, MS_PER_HOUR } from '../src/domain/units.ts';
import type {
  ApplianceInterval,
  ApplianceInWorld,
  CounterfactualInterval,
  LogRecord,
  MeterInterval,
} from '../src/ports/records.ts';
import type {
  ApplianceMeasure,
  ApplianceMeasures,
  ApplianceSeries,
  CarMeasure,
  RoomMeasure,
  SettingEffect,
  SettingMeasure,
} from './applianceTypes.ts';
import { meterRows, wholeWh } from './energy.ts';
import { settingWords } from './words.ts';

/** Reads what the log says of chargers, vehicles, thermostats and inverters, and of the registers they are in. */
type Writable<T> = { -readonly [K in keyof T]: T[K] };
type EvInterval = Extract<ApplianceInterval, { what: 'ev' }>;
type HvacInterval = Extract<ApplianceInterval, { what: 'hvac' }>;
type What = SettingEffect['what'];

interface Device {
  readonly device: ApplianceInWorld;
  readonly intervals: ApplianceInterval[];
  readonly departedMj: number[];
}

/** One site and meter interval: the registers as run, and without events and settings. */
interface Row {
  with: Readonly<Record<What, number>> | null;
  without: Readonly<Record<What, number>> | null;
  /** evMj and hvacMj of the site less those of its devices [mJ]. */
  readonly leftMj: { ev: number; hvac: number };
}

interface Setting extends Writable<SettingMeasure> {
  /** Settings of one order. */
  readonly order: string;
}

/** The run and its meter intervals. */
interface Grid {
  readonly startMs: EpochMs;
  readonly endMs: EpochMs;
  readonly stepMs: number;
}

interface Sum {
  readonly withMj: number;
  readonly withoutMj: number | null;
}

/** Settings that were given together. */
interface Order {
  readonly first: Setting;
  readonly list: readonly Setting[];
  readonly what: What;
  readonly sites: ReadonlySet<string>;
  readonly startMs: EpochMs;
  readonly endMs: EpochMs;
  readonly stands: boolean;
}

/** Rebound is looked for so long after the end of a setting; the counterfactual reaches as far. */
const BACK_MS = 2 * MS_PER_HOUR;

export class ApplianceBook {
  private readonly devices = new Map<string, Device>();
  private readonly settings = new Map<string, Setting>();
  private readonly sites = new Map<string, Map<EpochMs, Row>>();
  /** Σ |charge − loss − driven − change of the store| over cars and intervals [mJ]. */
  private storeResidualMj = 0;

  take(r: Extract<LogRecord, { kind: 'appliance' | 'appliance-mode' | 'appliance-meter' }>): void {
    switch (r.kind) {
      case 'appliance':
        this.devices.set(r.deviceId, { device: r, intervals: [], departedMj: [] });
        return;
      case 'appliance-mode':
        if (r.storedMj !== null && r.mode === 'away') this.devices.get(r.deviceId)?.departedMj.push(r.storedMj);
        return;
      case 'appliance-meter': {
        this.devices.get(r.deviceId)?.intervals.push(r);
        const { leftMj } = this.row(r.siteId, r);
        if (r.what === 'hvac') leftMj.hvac -= r.hvacMj + r.fanMj;
        else {
          leftMj.ev -= r.chargeMj;
          this.storeResidualMj += Math.abs(r.chargeMj - r.lossMj - r.drivenMj - (r.storedEndMj - r.storedStartMj));
        }
        return;
      }
    }
  }

  takeMeter(m: MeterInterval): void {
    if (m.evMj === undefined || m.hvacMj === undefined) return;
    const row = this.row(m.siteId, m);
    row.with = { ev: m.evMj, hvac: m.hvacMj, export: m.exportMj };
    row.leftMj.ev += m.evMj;
    row.leftMj.hvac += m.hvacMj;
  }

  takeCounterfactual(m: CounterfactualInterval): void {
    if (m.evMj === undefined || m.hvacMj === undefined) return;
    this.row(m.siteId, m).without = { ev: m.evMj, hvac: m.hvacMj, export: m.exportMj };
  }

  takeFact(f: ApplianceFact, atMs: EpochMs): void {
    if (f.type === 'appliance.command-accepted') {
      const { commandId, deviceId, setting, startMs, endMs, cause } = f.command;
      this.settings.set(commandId, {
        commandId,
        deviceId,
        by: ('actor' in cause ? cause.actor : null) ?? cause.kind,
        order: ('batchId' in cause ? cause.batchId : null) ?? commandId,
        slug: setting.slug,
        asked: settingWords(setting),
        setsBack: cause.kind === 'restore',
        startMs,
        endMs,
        acceptedMs: atMs,
        endedMs: null,
        status: 'accepted',
        reason: null,
        detail: '',
      });
      return;
    }
    if (!('commandId' in f)) return;
    const s = this.settings.get(f.commandId);
    if (s === undefined) return;
    if (f.type === 'appliance.command-sent') s.status = 'sent';
    if (f.type === 'appliance.command-acknowledged' && s.endedMs === null) s.status = 'acknowledged';
    if (f.type === 'appliance.command-ended') {
      const { status, reason, detail } = f.outcome;
      Object.assign(s, { status, reason, detail, endedMs: atMs });
    }
  }

  /** What the devices' books leave over [mJ]: against their site's registers, and in the stores of the cars. */
  residualMj(): number {
    let sum = this.storeResidualMj;
    for (const rows of this.sites.values()) {
      for (const { leftMj } of rows.values()) sum += Math.abs(leftMj.ev) + Math.abs(leftMj.hvac);
    }
    return sum;
  }

  /** Null when the run has no such device. */
  measure(run: Grid): ApplianceMeasures | null {
    if (this.devices.size === 0) return null;
    return {
      devices: [...this.devices.values()].map(deviceOf),
      settings: [...this.settings.values()].map(({ order: _order, ...s }): SettingMeasure => s),
      moved: this.effects(run),
      series: this.series(run),
    };
  }

  private row(siteId: string, { startMs }: { readonly startMs: EpochMs }): Row {
    const rows = this.sites.get(siteId) ?? new Map<EpochMs, Row>();
    this.sites.set(siteId, rows);
    const row = rows.get(startMs) ?? { with: null, without: null, leftMj: { ev: 0, hvac: 0 } };
    rows.set(startMs, row);
    return row;
  }

  private effects(run: Grid): SettingEffect[] {
    const orders = new Map<string, Setting[]>();
    for (const s of this.settings.values()) {
      if (!s.setsBack) orders.set(s.order, [...(orders.get(s.order) ?? []), s]);
    }
    const all = [...orders.values()].map((list) => this.orderOf(list, run.endMs)).filter((o) => o !== null);
    return all.map((order) => this.effectOf(order, all, run));
  }

  /** Null for a setting that moves no energy by itself. */
  private orderOf(list: readonly Setting[], runEndMs: EpochMs): Order | null {
    const [first] = list;
    const what = first === undefined ? null : WHAT[SETTINGS[first.slug].deviceKind];
    if (first === undefined || what === null) return null;
    const sites = new Set(list.map((s) => this.devices.get(s.deviceId)?.device.siteId ?? ''));
    const span = { startMs: first.startMs, endMs: first.endMs ?? runEndMs };
    return { first, list, what, sites, stands: first.endMs === null, ...span };
  }

  private effectOf(order: Order, all: readonly Order[], run: Grid): SettingEffect {
    const { first, list, what, sites, startMs, endMs } = order;
    const sum = this.sum(what, sites, order, run);
    const isKnown = !order.stands && !all.some((next) => next !== order && follows(next, order));
    const after = isKnown ? this.sum(what, sites, { startMs: endMs, endMs: endMs + BACK_MS }, run) : null;
    const toW = (mj: number | null): number | null => (mj === null ? null : Math.round(mj / run.stepMs));
    const usedWh = wholeWh(sum.withMj);
    const withoutWh = sum.withoutMj === null ? null : wholeWh(sum.withoutMj);
    return {
      ...{ slug: first.slug, asked: first.asked, by: first.by, startMs, endMs, what, usedWh, withoutWh },
      devices: list.length,
      succeeded: list.filter((s) => s.status === 'succeeded').length,
      savedWh: withoutWh === null ? null : withoutWh - usedWh,
      backWh: after?.withoutMj == null ? null : wholeWh(after.withMj) - wholeWh(after.withoutMj),
      backPeakW: after === null ? null : toW(after.peakMj),
      withoutPeakW: after === null ? null : toW(after.withoutPeakMj),
    };
  }

  /** One meter interval of some sites; null where none of them was metered. */
  private at(what: What, siteIds: Iterable<string>, startMs: EpochMs): Sum | null {
    let withMj = 0;
    let withoutMj: number | null = 0;
    let seen = false;
    for (const siteId of siteIds) {
      const row = this.sites.get(siteId)?.get(startMs);
      if (row === undefined) continue;
      seen = true;
      withMj += row.with?.[what] ?? 0;
      withoutMj = row.without === null || withoutMj === null ? null : withoutMj + row.without[what];
    }
    return seen ? { withMj, withoutMj } : null;
  }

  /** Over the meter intervals that a span touches. */
  private sum(
    what: What,
    siteIds: ReadonlySet<string>,
    span: { readonly startMs: EpochMs; readonly endMs: EpochMs },
    run: Grid,
  ) {
    const rows = meterRows(span, run).flatMap(({ startMs }) => this.at(what, siteIds, startMs) ?? []);
    const known = rows.every((r) => r.withoutMj !== null) && rows.length > 0;
    const most = (of: (r: (typeof rows)[number]) => number): number => rows.reduce((m, r) => Math.max(m, of(r)), 0);
    return {
      withMj: rows.reduce((total, r) => total + r.withMj, 0),
      withoutMj: known ? rows.reduce((total, r) => total + (r.withoutMj ?? 0), 0) : null,
      peakMj: most((r) => r.withMj),
      withoutPeakMj: known ? most((r) => r.withoutMj ?? 0) : null,
    };
  }

  private series(run: Grid): ApplianceSeries {
    const all = [...this.sites.keys()];
    const starts = meterRows(run, run).map((r) => r.startMs);
    const at = (what: What, startMs: EpochMs): Sum => this.at(what, all, startMs) ?? { withMj: 0, withoutMj: null };
    const ev = starts.map((t) => at('ev', t));
    const hvac = starts.map((t) => at('hvac', t));
    const toW = (mj: number): number => Math.round(mj / run.stepMs);
    const devices = [...this.devices.values()];
    const byStart = new Map(devices.map((d) => [d, new Map(d.intervals.map((i) => [i.startMs, i]))]));
    const own = starts.map((t) => devices.map((d) => ({ d, i: byStart.get(d)?.get(t) })));
    const rooms = own.map((list) => list.flatMap(({ i }) => (i?.what === 'hvac' ? [i] : [])));
    return {
      startMs: starts,
      evW: ev.map((r) => toW(r.withMj)),
      hvacW: hvac.map((r) => toW(r.withMj)),
      withoutEvW: ev.map((r) => (r.withoutMj === null ? null : toW(r.withoutMj))),
      withoutHvacW: hvac.map((r) => (r.withoutMj === null ? null : toW(r.withoutMj))),
      carPct: own.map((list) =>
        mean(list.flatMap(({ d, i }) => (i?.what === 'ev' ? [pctOf(d.device, i.storedEndMj) ?? 0] : []))),
      ),
      roomF: rooms.map((list) => mean(list.map((i) => i.roomF))),
      roomLowF: rooms.map((list) => (list.length === 0 ? null : Math.min(...list.map((i) => i.roomLowF)))),
      roomHighF: rooms.map((list) => (list.length === 0 ? null : Math.max(...list.map((i) => i.roomHighF)))),
    };
  }
}

const WHAT = {
  charger: 'ev',
  vehicle: 'ev',
  thermostat: 'hvac',
  inverter: 'export',
  // A reserve moves no energy by itself.
  battery: null,
} as const satisfies Record<SettingKind, What | null>;

/** Whether a setting rules at one of the same sites in the two hours after: what came back then cannot be told apart. */
const follows = (next: Order, { what, sites, endMs }: Order): boolean =>
  next.what === what &&
  next.startMs < endMs + BACK_MS &&
  next.endMs > endMs &&
  [...next.sites].some((siteId) => sites.has(siteId));

const mean = (xs: readonly number[]): number | null =>
  xs.length === 0 ? null : Math.round((xs.reduce((a, b) => a + b, 0) / xs.length) * 100) / 100;

const pctOf = ({ capacityMj }: ApplianceInWorld, mj: number): number | null =>
  capacityMj === null || capacityMj <= 0 ? null : Math.round((mj / capacityMj) * 10_000) / 100;

function deviceOf({ device, intervals, departedMj }: Device): ApplianceMeasure {
  const { deviceId, siteId, group, applianceKind: kind } = device;
  const ev = intervals.filter((i): i is EvInterval => i.what === 'ev');
  const hvac = intervals.filter((i): i is HvacInterval => i.what === 'hvac');
  const usedMj = sumOf(ev, (i) => i.chargeMj) + sumOf(hvac, (i) => i.hvacMj + i.fanMj);
  return {
    ...{ deviceId, siteId, group, kind },
    usedWh: kind === 'inverter' ? null : wholeWh(usedMj),
    ev: device.capacityMj === null ? null : carOf(device, device.capacityMj, ev, departedMj),
    room: kind === 'thermostat' ? roomOf(hvac) : null,
  };
}

function carOf(
  device: ApplianceInWorld,
  capacityMj: number,
  ev: readonly EvInterval[],
  departedMj: readonly number[],
): CarMeasure {
  const [first, last] = [ev[0], ev.at(-1)];
  return {
    capacityWh: wholeWh(capacityMj),
    lossWh: wholeWh(sumOf(ev, (i) => i.lossMj)),
    drivenWh: wholeWh(sumOf(ev, (i) => i.drivenMj)),
    shortWh: wholeWh(sumOf(ev, (i) => i.shortMj)),
    socStartPct: first === undefined ? null : pctOf(device, first.storedStartMj),
    socEndPct: last === undefined ? null : pctOf(device, last.storedEndMj),
    departures: departedMj.length,
    departurePctMin: departedMj.length === 0 ? null : pctOf(device, Math.min(...departedMj)),
  };
}

function roomOf(hvac: readonly HvacInterval[]): RoomMeasure {
  const none = hvac.length === 0;
  return {
    coolingMs: sumOf(hvac, (i) => i.coolingMs),
    heatingMs: sumOf(hvac, (i) => i.heatingMs),
    lowF: none ? null : Math.min(...hvac.map((i) => i.roomLowF)),
    highF: none ? null : Math.max(...hvac.map((i) => i.roomHighF)),
    endF: hvac.at(-1)?.roomF ?? null,
  };
}

const sumOf = <T>(list: readonly T[], of: (item: T) => number): number => list.reduce((sum, x) => sum + of(x), 0);
