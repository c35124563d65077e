import type { ApplianceInput, ChargerState, VehicleState } from '../../src/domain/appliance.ts';
import { InvariantError } from '../../src/domain/errors.ts';
import { type EpochMs, MJ_PER_WH, mjToWh, whToMj } from '../../src/domain/units.ts';
import { PRIORITY } from '../../src/ports/clock.ts';
import { acMjOf, type Curve, ceilingMj, curveOf, type EvSpec, gainMj, msUntilCeiling, powerAt } from './evPhysics.ts';
import { EV_EVENTS, type EvEvent, evMachine } from './machine.ts';
import { type ModeTable, modeTable, regionOf } from './table.ts';
import {
  Alarm,
  type ApplianceRegisters,
  type ApplianceSample,
  Modes,
  OFFLINE,
  refused,
  TAKEN,
  type Taken,
  type Unit,
  type UnitHost,
} from './unit.ts';
import type { Visit, VisitSource } from './visits.ts';

/**
 * A vehicle and the charger it stands at. As a device it is one or the other: a charger shows what flows and takes
 * start and stop; a vehicle shows its store as well and has a limit. The physics is the same (evPhysics.ts).
 */
export interface EvDevice {
  readonly kind: 'charger' | 'vehicle';
  readonly deviceId: string;
  readonly spec: EvSpec;
  /** Stored at the start [Wh]. */
  readonly storedWh: number;
  /** The owner's limit [%]. */
  readonly chargeLimitPct: number;
}

/** Causes of a note when a car comes and goes. */
export const PLUGGED = 'plugged in';
export const UNPLUGGED = 'unplugged';

/** Level 2 in North America (SAE J1772), held constant [V]. */
const VOLTAGE_V = 240;
/** For the range shown. Assumed. */
const MILES_PER_KWH = 3.5;

interface EvView {
  readonly plugged: boolean;
  readonly stage: 'charging' | 'full' | 'stopped' | null;
  readonly online: boolean;
}

let compiled: { table: ModeTable<EvEvent['type']>; views: EvView[] } | undefined;

function evTable(): { table: ModeTable<EvEvent['type']>; views: EvView[] } {
  if (compiled !== undefined) return compiled;
  const table = modeTable(evMachine, EV_EVENTS);
  const views = table.states.map((value): EvView => {
    const [session, stage] = regionOf(value, 'session');
    const online = regionOf(value, 'connection')[0] === 'online';
    const known = stage === 'charging' || stage === 'full' || stage === 'stopped';
    return { plugged: session === 'plugged', stage: known ? stage : null, online };
  });
  compiled = { table, views };
  return compiled;
}

export class EvUnit implements Unit {
  readonly deviceId: string;
  readonly kind: EvDevice['kind'];
  readonly #host: UnitHost;
  readonly #curve: Curve;
  readonly #chargeRatio: number;
  readonly #modes: Modes<EvEvent['type'], EvView>;
  readonly #visits: VisitSource;
  readonly #full: Alarm;
  readonly #door: Alarm;
  #timeMs: EpochMs;
  #storedMj: number;
  #intoMj = 0;
  #drivenMj = 0;
  #shortMj = 0;
  #limitPct: number;
  #completedAtMs: EpochMs | null = null;
  /** Where the running charge, or the last change of its limit, began. */
  #anchor = { atMs: 0, storedMj: 0, intoMj: 0 };
  /** When the running charge comes to its end. */
  #endMs: EpochMs = 0;

  /** @throws InputError naming each field of the spec that is out of range */
  constructor(device: EvDevice, visits: VisitSource, host: UnitHost) {
    const { table, views } = evTable();
    this.deviceId = device.deviceId;
    this.kind = device.kind;
    this.#host = host;
    this.#curve = curveOf(device.spec, device.deviceId);
    this.#chargeRatio = device.spec.chargeRatio;
    this.#modes = new Modes(table, views);
    this.#visits = visits;
    this.#full = new Alarm(host.scheduler, PRIORITY.physics);
    this.#door = new Alarm(host.scheduler, PRIORITY.physics);
    this.#timeMs = host.scheduler.nowMs();
    this.#storedMj = whToMj(device.storedWh);
    this.#limitPct = device.chargeLimitPct;
    this.#awaitVisit();
  }

  advance(toMs: EpochMs): void {
    if (toMs <= this.#timeMs) return;
    this.#timeMs = toMs;
    if (this.#modes.view().stage !== 'charging') return;
    const { atMs, storedMj, intoMj } = this.#anchor;
    const gain = gainMj(this.#curve, storedMj, toMs - atMs, this.#ceiling());
    this.#storedMj = storedMj + gain;
    this.#intoMj = intoMj + gain;
  }

  apply(setting: ApplianceInput, cause: string): Taken {
    const { online, plugged } = this.#modes.view();
    if (!online) return OFFLINE;
    this.#settle();
    switch (setting.slug) {
      case 'vehicle:set-charge-limit':
        this.#setLimit(setting.input.chargeLimit, cause);
        return TAKEN;
      case 'charger:set-operating-mode':
      case 'vehicle:set-operating-mode':
        if (!plugged) return refused('no vehicle is plugged in');
        this.#send(setting.input.operatingMode === 'start-charging' ? 'START' : 'STOP', cause);
        return TAKEN;
      case 'thermostat:set-operating-mode':
      case 'thermostat:set-fan-mode':
      case 'inverter:set-export-limit':
        throw new InvariantError(`${setting.slug} at the ${this.kind} ${this.deviceId}`);
    }
  }

  setLink(online: boolean, cause: string): void {
    this.#settle();
    this.#send(online ? 'LINK_UP' : 'LINK_DOWN', cause);
  }

  isOnline(): boolean {
    return this.#modes.view().online;
  }

  modes() {
    return this.#modes.value();
  }

  registers(): ApplianceRegisters {
    const chargeMj = acMjOf(this.#intoMj, this.#chargeRatio);
    return {
      kind: 'ev',
      chargeMj,
      lossMj: chargeMj - this.#intoMj,
      intoMj: this.#intoMj,
      drivenMj: this.#drivenMj,
      shortMj: this.#shortMj,
      storedMj: this.#storedMj,
    };
  }

  drawnW(untilMs: EpochMs): number {
    if (this.#modes.view().stage !== 'charging') return 0;
    const toMs = Math.min(untilMs, this.#endMs);
    if (toMs <= this.#timeMs) return 0;
    const { atMs, storedMj, intoMj } = this.#anchor;
    const comingMj = acMjOf(intoMj + gainMj(this.#curve, storedMj, toMs - atMs, this.#ceiling()), this.#chargeRatio);
    return Math.round((comingMj - acMjOf(this.#intoMj, this.#chargeRatio)) / (toMs - this.#timeMs));
  }

  takeRoom(): null {
    return null;
  }

  sample(): ApplianceSample {
    const nowMs = this.#settle();
    const { plugged, stage } = this.#modes.view();
    const isCharging = stage === 'charging' && this.#storedMj < this.#ceiling();
    const wattage = isCharging ? Math.round(powerAt(this.#curve, this.#storedMj) / this.#chargeRatio) : 0;
    const shown = {
      chargingState: isCharging ? 'charging' : 'idle',
      isPluggedIn: plugged,
      chargerVoltage: plugged ? VOLTAGE_V : 0,
      chargerCurrent: Math.round((wattage / VOLTAGE_V) * 10) / 10,
      chargerWattage: wattage,
      sampledAtMs: nowMs,
    } as const;
    const state: ChargerState | VehicleState =
      this.kind === 'charger'
        ? { kind: 'charger', ...shown }
        : { kind: 'vehicle', ...shown, ...this.#store(isCharging) };
    return { state, busW: wattage === 0 ? 0 : -wattage, gridMj: null };
  }

  #store(isCharging: boolean) {
    const { atMs, storedMj } = this.#anchor;
    return {
      charge: mjToWh(this.#storedMj),
      chargePercentage: (this.#storedMj / this.#curve.capacityMj) * 100,
      chargeCompletionDateMs: isCharging ? atMs + msUntilCeiling(this.#curve, storedMj, this.#ceiling()) : null,
      chargeCompletedAtMs: this.#completedAtMs,
      chargeLimit: this.#limitPct,
      range: Math.round((this.#storedMj / MJ_PER_WH / 1000) * MILES_PER_KWH),
      latitude: null,
      longitude: null,
    } as const;
  }

  #ceiling(): number {
    return ceilingMj(this.#curve, this.#limitPct);
  }

  #settle(): EpochMs {
    this.#host.settle();
    const nowMs = this.#host.scheduler.nowMs();
    this.advance(nowMs);
    return nowMs;
  }

  #setLimit(pct: number, cause: string): void {
    this.#limitPct = pct;
    if (this.#storedMj < this.#ceiling() && this.#modes.send('ROOM')) this.#note(cause);
    this.#plan();
  }

  #send(event: EvEvent['type'], cause: string): void {
    if (!this.#modes.send(event)) return;
    this.#note(cause);
    this.#plan();
  }

  /** Begins a new stretch of charging at now and finds where it ends. */
  #plan(): void {
    this.#full.clear();
    if (this.#modes.view().stage === 'charging') this.#charge();
    this.#host.changed();
  }

  #charge(): void {
    this.#anchor = { atMs: this.#timeMs, storedMj: this.#storedMj, intoMj: this.#intoMj };
    const endMs = this.#timeMs + msUntilCeiling(this.#curve, this.#storedMj, this.#ceiling());
    this.#endMs = endMs;
    this.#full.set(endMs, () => {
      this.#settle();
      this.#completedAtMs = endMs;
      this.#send('FULL', this.#limitPct < 100 ? 'charge limit reached' : 'full');
    });
  }

  #awaitVisit(): void {
    const visit = this.#visits.next();
    if (visit === null) return;
    this.#door.set(visit.arriveMs, () => this.#arrive(visit));
  }

  #arrive(visit: Visit): void {
    this.#settle();
    const wantedMj = whToMj(visit.usedWh);
    const usedMj = Math.min(wantedMj, this.#storedMj);
    this.#storedMj -= usedMj;
    this.#drivenMj += usedMj;
    this.#shortMj += wantedMj - usedMj;
    this.#send('PLUG_IN', PLUGGED);
    this.#door.set(visit.departMs, () => {
      this.#settle();
      this.#send('PLUG_OUT', UNPLUGGED);
      this.#awaitVisit();
    });
  }

  #note(cause: string): void {
    this.#host.note({ atMs: this.#timeMs, deviceId: this.deviceId, modes: this.#modes.value(), cause });
  }
}
