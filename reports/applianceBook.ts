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
import { wholeWh } from './energy.ts';
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
  readonly endMs: EpochMs;
  with: Readonly<Record<What, number>> | null;
  without: Readonly<Record<What, number>> | null;
  /** evMj and hvacMj of the site less those of its devices [mJ]. */
  readonly leftMj: { ev: number; hvac: number };
}

interface Setting extends Writable<SettingMeasure> {
  /** Settings of one order. */
  readonly order: string;
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
  measure(run: { readonly endMs: EpochMs; readonly stepMs: number }): ApplianceMeasures | null {
    if (this.devices.size === 0) return null;
    return {
      devices: [...this.devices.values()].map(deviceOf),
      settings: [...this.settings.values()].map(({ order: _order, ...s }): SettingMeasure => s),
      moved: this.effects(run),
      series: this.series(run.stepMs),
    };
  }

  private row(siteId: string, { startMs, endMs }: { readonly startMs: EpochMs; readonly endMs: EpochMs }): Row {
    const rows = this.sites.get(siteId) ?? new Map<EpochMs, Row>();
    this.sites.set(siteId, rows);
    const row = rows.get(startMs) ?? { endMs, with: null, without: null, leftMj: { ev: 0, hvac: 0 } };
    rows.set(startMs, row);
    return row;
  }

  private effects(run: { readonly endMs: EpochMs; readonly stepMs: number }): SettingEffect[] {
    const orders = new Map<string, Setting[]>();
    for (const s of this.settings.values()) {
      if (!s.setsBack) orders.set(s.order, [...(orders.get(s.order) ?? []), s]);
    }
    return [...orders.values()].flatMap((list) => {
      const [first] = list;
      if (first === undefined) return [];
      const { slug, asked, by, startMs } = first;
      const endMs = first.endMs ?? run.endMs;
      const what = WHAT[SETTINGS[slug].deviceKind];
      if (what === null) return [];
      const sites = new Set(list.map((s) => this.devices.get(s.deviceId)?.device.siteId ?? ''));
      const sum = this.sum(what, sites, { startMs, endMs });
      const isFollowed = [...orders.values()].some(
        ([next]) =>
          next !== first && next !== undefined && follows(next, endMs) && WHAT[SETTINGS[next.slug].deviceKind] === what,
      );
      const after =
        first.endMs === null || isFollowed ? null : this.sum(what, sites, { startMs: endMs, endMs: endMs + BACK_MS });
      const toW = (mj: number | null): number | null => (mj === null ? null : Math.round(mj / run.stepMs));
      const succeeded = list.filter((s) => s.status === 'succeeded').length;
      return [
        {
          ...{ slug, asked, by, devices: list.length, succeeded, startMs, endMs, what },
          usedWh: wholeWh(sum.withMj),
          withoutWh: sum.withoutMj === null ? null : wholeWh(sum.withoutMj),
          savedWh: sum.withoutMj === null ? null : wholeWh(sum.withoutMj) - wholeWh(sum.withMj),
          backWh: after?.withoutMj == null ? null : wholeWh(after.withMj) - wholeWh(after.withoutMj),
          backPeakW: after === null ? null : toW(after.peakMj),
          withoutPeakW: after === null ? null : toW(after.withoutPeakMj),
        },
      ];
    });
  }

  private sum(what: What, siteIds: ReadonlySet<string>, span: { readonly startMs: EpochMs; readonly endMs: EpochMs }) {
    const byStart = new Map<EpochMs, { withMj: number; withoutMj: number | null }>();
    for (const siteId of siteIds) {
      for (const [startMs, row] of this.sites.get(siteId) ?? []) {
        if (row.endMs <= span.startMs || startMs >= span.endMs) continue;
        const at = byStart.get(startMs) ?? { withMj: 0, withoutMj: 0 };
        at.withMj += row.with?.[what] ?? 0;
        at.withoutMj = row.without === null || at.withoutMj === null ? null : at.withoutMj + row.without[what];
        byStart.set(startMs, at);
      }
    }
    const rows = [...byStart.values()];
    const known = rows.every((r) => r.withoutMj !== null) && rows.length > 0;
    const most = (of: (r: (typeof rows)[number]) => number): number => rows.reduce((m, r) => Math.max(m, of(r)), 0);
    return {
      withMj: rows.reduce((total, r) => total + r.withMj, 0),
      withoutMj: known ? rows.reduce((total, r) => total + (r.withoutMj ?? 0), 0) : null,
      peakMj: most((r) => r.withMj),
      withoutPeakMj: known ? most((r) => r.withoutMj ?? 0) : null,
    };
  }

  private series(stepMs: number): ApplianceSeries {
    const all = new Set(this.sites.keys());
    const starts = [...new Set([...this.sites.values()].flatMap((rows) => [...rows.keys()]))].sort((a, b) => a - b);
    const at = (what: What, startMs: EpochMs) => this.sum(what, all, { startMs, endMs: startMs + 1 });
    const ev = starts.map((t) => at('ev', t));
    const hvac = starts.map((t) => at('hvac', t));
    const toW = (mj: number): number => Math.round(mj / stepMs);
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

/** Whether a setting rules in the two hours after an earlier one: what came back then cannot be told apart. */
const follows = (next: Setting, endMs: EpochMs): boolean =>
  next.startMs < endMs + BACK_MS && (next.endMs ?? Number.POSITIVE_INFINITY) > endMs;

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
