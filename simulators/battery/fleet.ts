import { type BatteryState, chargingStateOf, gridStatusOf } from '../../src/domain/battery.ts';
import { InvariantError, inputError, invariant, show } from '../../src/domain/errors.ts';
import { clamp, type EpochMs, MS_PER_DAY, mjToWh } from '../../src/domain/units.ts';
import { PRIORITY, type TimerHandle } from '../../src/ports/clock.ts';
import type { DeviceControl, DeviceSample, FleetPort } from '../../src/ports/device.ts';
import type { SiteRegisters } from '../site/meter.ts';
import { actorExecutor } from './actors.ts';
import { floorMjAt } from './columns.ts';
import { compileMachine, type Executor, type TransitionTable, tableExecutor } from './compile.ts';
import { checkFleet, type FleetConfig, type FleetDevice, makeHomeColumns } from './fleetInput.ts';
import {
  ceilMjOf,
  floorMjOf,
  gridPower,
  type HomeColumns,
  loadAt,
  moveHome,
  powerWanted,
  pvAt,
  pvAtBus,
  settleLoads,
} from './home.ts';
import { ACTIONS, batteryMachine, type DeviceEvent, EVENT_TYPES, GUARDS } from './machine.ts';
import { type ModeView, sampleOperation, viewOf } from './modeView.ts';
import { msUntilLimit } from './physics.ts';

/**
 * A fleet of home batteries. Between events a device's mode is fixed and its power follows the step values of load and
 * PV, so that time is advanced lazily and exactly: to the next value, to the deadline of a command, to the limit of the
 * store. Deadlines and limits are timers of the kernel; they stand at their exact ms and do not depend on when anybody
 * reads the device.
 */
export interface Fleet extends FleetPort {
  readonly count: number;
  /** Moves device i, or all, up to toMs; a time already reached changes nothing. */
  advance(i: number, toMs: EpochMs): void;
  advanceAll(toMs: EpochMs): void;
  /** Registers of site i as they stand where it was last advanced to. */
  registers(i: number): FleetRegisters;
  /** The way between the cloud and the device. */
  setLink(i: number, online: boolean, cause?: string): void;
  /** The owner's floor for outages [%], 0..100. */
  setReserve(i: number, pct: number): void;
  setGrid(i: number, connected: boolean, cause?: string): void;
  /** The owner's consent to the storm mode. */
  setStormGuard(i: number, enabled: boolean, cause?: string): void;
  /** Most power out of the site's meter, whole, ≥ 0 [W]; null: what the home was made with. PV gives way. */
  setExportLimit(i: number, powerW: number | null): void;
  view(i: number): ModeView;
  /** The power of an appliance at the bus of home i changes now; the home has been moved to now before. */
  loadsChanged(i: number): void;
}

export interface FleetRegisters extends Required<SiteRegisters> {
  /** PV that the export limit or an outage kept off the bus [mJ]. */
  readonly curtailedMj: number;
  /** Load that went unserved in an outage [mJ]. */
  readonly unservedMj: number;
}

/** How far ahead a limit is looked for at once; at the end of it the device looks again. */
const LOOK_AHEAD_MS = MS_PER_DAY;

export const BATTERY_SPEC = { machine: batteryMachine, events: EVENT_TYPES, guards: GUARDS, actions: ACTIONS };

let compiled: TransitionTable | undefined;
/** The table of the battery machine; it never changes, so it is compiled once. */
export function batteryTable(): TransitionTable {
  compiled ??= compileMachine(BATTERY_SPEC);
  return compiled;
}

/** @throws InputError naming each device, field or profile that is out of range */
export function createFleet(config: FleetConfig): Fleet {
  checkFleet(config);
  const homes = makeHomeColumns(config);
  const executor: Executor =
    config.executor === 'actors'
      ? actorExecutor(homes.device)
      : tableExecutor(batteryTable(), BATTERY_SPEC, homes.device);
  const fleet = new HomeFleet(config, homes, executor);
  config.devices.forEach((d, i) => {
    homes.reserveMj[i] = floorMjAt(homes.device.battery, i, d.reservePct);
    if (d.stormGuardEnabled) executor.send(i, { type: 'STORM_ENABLE' });
    fleet.refresh(i);
  });
  return fleet;
}

class HomeFleet implements Fleet {
  readonly count: number;
  private readonly config: FleetConfig;
  private readonly homes: HomeColumns;
  private readonly executor: Executor;
  private readonly timeMs: Float64Array;
  private readonly steps: number;
  private readonly views: ModeView[] = [];
  private readonly endTimers: (TimerHandle | undefined)[] = [];
  private readonly limitTimers: (TimerHandle | undefined)[] = [];
  private readonly causes: string[] = [];

  constructor(config: FleetConfig, homes: HomeColumns, executor: Executor) {
    this.config = config;
    this.homes = homes;
    this.executor = executor;
    this.count = config.devices.length;
    this.steps = config.profiles.load[0]?.length ?? 0;
    this.timeMs = new Float64Array(this.count).fill(config.startMs);
  }

  advance(i: number, toMs: EpochMs): void {
    const { startMs, stepMs, profiles } = this.config;
    const h = this.homes;
    let now = this.timeMs[i];
    invariant(now !== undefined, `no device ${i}`);
    if (toMs <= now) return;
    let step = Math.floor((now - startMs) / stepMs);
    if (toMs > startMs + this.steps * stepMs) throw this.profileEnds(toMs);
    while (now < toMs) {
      const boundary = startMs + (step + 1) * stepMs;
      const until = boundary < toMs ? boundary : toMs;
      moveHome(h, i, loadAt(h, profiles, i, step), pvAt(h, profiles, i, step), until - now);
      now = until;
      if (until === boundary && this.hasLoads(i)) this.settleLoadsAt(i, boundary);
      step += 1;
    }
    this.timeMs[i] = now;
  }

  loadsChanged(i: number): void {
    this.settleLoadsAt(i, this.settle(i));
    this.watch(i);
  }

  private hasLoads(i: number): boolean {
    return this.config.loads?.has(i) === true;
  }

  private settleLoadsAt(i: number, atMs: EpochMs): void {
    const { startMs, stepMs, loads } = this.config;
    if (loads === undefined) return;
    const untilMs = startMs + (Math.floor((atMs - startMs) / stepMs) + 1) * stepMs;
    settleLoads(this.homes, i, loads.settle(i, atMs, untilMs));
  }

  private profileEnds(toMs: EpochMs): Error {
    return inputError({
      source: 'battery fleet',
      place: 'profiles',
      value: `${this.steps} steps of ${this.config.stepMs} ms`,
      expected: `enough for ${toMs - this.config.startMs} ms`,
    });
  }

  advanceAll(toMs: EpochMs): void {
    for (let i = 0; i < this.count; i++) this.advance(i, toMs);
  }

  sample(i: number): DeviceSample {
    const nowMs = this.settle(i);
    const { battery } = this.homes.device;
    const view = this.view(i);
    const { loadW, pvW, powerW } = this.present(i);
    const stored = battery.storedMj[i] ?? 0;
    const usable = battery.usableMj[i] ?? 0;
    const gridW = gridPower(this.homes, i, loadW, pvW, powerW);
    const state: BatteryState = {
      charge: mjToWh(stored),
      chargePercentage: (stored / usable) * 100,
      chargingState: chargingStateOf(powerW),
      chargeRate: powerW,
      backupReserve: this.homes.device.reservePct[i] ?? 0,
      gridStatus: gridStatusOf(gridW),
      gridPower: gridW,
      strategy: this.device(i).strategy,
      isStormModeEnabled: view.storm !== 'disabled',
      isStormModeActive: view.storm === 'active',
      sampledAtMs: nowMs,
    };
    return {
      state,
      operation: sampleOperation(view),
      loadW,
      pvW: pvAtBus(this.homes, i, loadW, pvW, powerW),
      chargeWMax: battery.chargeWMax[i] ?? 0,
      dischargeWMax: battery.dischargeWMax[i] ?? 0,
      usableWh: mjToWh(usable),
    };
  }

  isOnline(i: number): boolean {
    return this.view(i).connection === 'online';
  }

  control(i: number, control: DeviceControl): 'taken' | 'offline' {
    checkControl(control);
    if (this.view(i).connection === 'offline') return 'offline';
    const nowMs = this.settle(i);
    if (control.endMs !== null && control.endMs <= nowMs) {
      this.note(i, `ignored, its end has passed: ${control.cause}`);
      return 'taken';
    }
    const ignoredBefore = this.homes.device.ignored[i];
    this.executor.send(i, controlEvent(control));
    const ignored = this.homes.device.ignored[i] !== ignoredBefore;
    if (ignored) {
      const why = this.view(i).grid === 'outage' ? 'grid outage' : 'storm guard';
      this.note(i, `ignored, ${why}: ${control.cause}`);
      return 'taken';
    }
    this.causes[i] = control.cause;
    this.refresh(i);
    this.stopTimer(this.endTimers, i);
    if (control.mode !== 'reset' && control.endMs !== null) this.endAt(i, control.endMs);
    this.note(i, control.cause);
    return 'taken';
  }

  setStorm(i: number, active: boolean, cause: string): 'taken' | 'offline' {
    if (this.view(i).connection === 'offline') return 'offline';
    this.send(i, { type: active ? 'STORM_ON' : 'STORM_OFF' }, cause);
    return 'taken';
  }

  keepReserve(i: number, reservePct: number, cause: string): 'taken' | 'offline' {
    if (this.view(i).connection === 'offline') return 'offline';
    this.setReserve(i, reservePct);
    this.note(i, cause);
    return 'taken';
  }

  setLink(i: number, online: boolean, cause = online ? 'link up' : 'link down'): void {
    this.send(i, { type: online ? 'LINK_UP' : 'LINK_DOWN' }, cause);
  }

  setGrid(i: number, connected: boolean, cause = connected ? 'grid back' : 'grid lost'): void {
    invariant(!this.hasLoads(i), `an outage of home ${i}, which has appliances: what they go without is not modelled`);
    this.send(i, { type: connected ? 'GRID_BACK' : 'GRID_LOST' }, cause);
  }

  setExportLimit(i: number, powerW: number | null): void {
    const ok = powerW === null || (Number.isSafeInteger(powerW) && powerW >= 0);
    if (!ok) {
      const expected = 'a whole number of W, ≥ 0, or null';
      throw inputError({ source: 'battery fleet', place: 'setExportLimit', value: show(powerW), expected });
    }
    this.settle(i);
    this.homes.exportWMax[i] = powerW ?? this.device(i).exportWMax ?? Number.POSITIVE_INFINITY;
    this.watch(i);
  }

  setStormGuard(i: number, enabled: boolean, cause = enabled ? 'storm guard enabled' : 'storm guard disabled'): void {
    this.send(i, { type: enabled ? 'STORM_ENABLE' : 'STORM_DISABLE' }, cause);
  }

  setReserve(i: number, pct: number): void {
    if (!(pct >= 0 && pct <= 100)) {
      throw inputError({
        source: 'battery fleet',
        place: 'setReserve',
        value: show(pct),
        expected: 'a percentage in 0..100',
      });
    }
    this.settle(i);
    this.homes.device.reservePct[i] = pct;
    this.homes.reserveMj[i] = floorMjAt(this.homes.device.battery, i, pct);
    this.send(i, { type: 'RESERVE_SET' }, `reserve set to ${pct} %`);
    this.watch(i);
  }

  view(i: number): ModeView {
    const view = this.views[i];
    invariant(view !== undefined, `no device ${i}`);
    return view;
  }

  registers(i: number): FleetRegisters {
    const h = this.homes;
    const b = h.device.battery;
    this.device(i);
    return {
      loadMj: valueIn(h.loadMj, i),
      pvMj: valueIn(h.pvMj, i),
      importMj: valueIn(h.importMj, i),
      exportMj: valueIn(h.exportMj, i),
      chargeMj: valueIn(h.chargeMj, i),
      dischargeMj: valueIn(h.dischargeMj, i),
      chargeLossMj: valueIn(b.chargeLossMj, i),
      dischargeLossMj: valueIn(b.dischargeLossMj, i),
      standbyMj: valueIn(b.standbyMj, i),
      storedMj: valueIn(b.storedMj, i),
      dispatchedMj: valueIn(h.dispatchedMj, i),
      stormMs: valueIn(h.stormMs, i),
      stormDischargeMj: valueIn(h.stormDischargeMj, i),
      curtailedMj: valueIn(h.curtailedMj, i),
      unservedMj: valueIn(h.unservedMj, i),
      appliances: this.hasLoads(i) ? { evMj: valueIn(h.evMj, i), hvacMj: valueIn(h.hvacMj, i) } : null,
    };
  }

  /** Brings the columns that physics reads in line with the machine's state. */
  refresh(i: number): void {
    const view = viewOf(this.executor.valueOf(i));
    this.views[i] = view;
    this.homes.mode[i] = view.mode;
    this.homes.stormActive[i] = view.storm === 'active' ? 1 : 0;
    if (view.operation === 'self-consumption') this.stopTimer(this.endTimers, i);
    this.watch(i);
  }

  private device(i: number): FleetDevice {
    const device = this.config.devices[i];
    invariant(device !== undefined, `no device ${i}`);
    return device;
  }

  /** Moves device i to the kernel's now; what is asked of it must not lie in its past. */
  private settle(i: number): EpochMs {
    const nowMs = this.config.scheduler.nowMs();
    this.advance(i, nowMs);
    if (this.timeMs[i] !== nowMs)
      throw new InvariantError(`device ${i} was advanced past ${nowMs} to ${this.timeMs[i]}`);
    return nowMs;
  }

  private send(i: number, event: DeviceEvent, cause: string): void {
    this.settle(i);
    if (!this.executor.send(i, event)) return;
    this.refresh(i);
    this.note(i, cause);
  }

  private note(i: number, cause: string): void {
    const { operation, storm, connection } = this.view(i);
    const atMs = this.config.scheduler.nowMs();
    const { deviceId } = this.device(i);
    this.config.onMode({ atMs, kind: 'device-mode', deviceId, operation, storm, connection, cause });
  }

  private endAt(i: number, endMs: EpochMs): void {
    const end = (): void => {
      this.endTimers[i] = undefined;
      this.send(i, { type: 'END_OF_COMMAND' }, `end of ${this.causes[i] ?? 'command'}`);
    };
    this.endTimers[i] = this.config.scheduler.at(endMs, end, PRIORITY.physics);
  }

  private stopTimer(timers: (TimerHandle | undefined)[], i: number): void {
    const handle = timers[i];
    if (handle === undefined) return;
    this.config.scheduler.cancel(handle);
    timers[i] = undefined;
  }

  /** Load, PV and the battery's power at this very ms: 0 where a limit lets nothing through. */
  private present(i: number): { loadW: number; pvW: number; powerW: number } {
    const h = this.homes;
    const step = Math.min(this.steps - 1, this.stepOf(i));
    const loadW = loadAt(h, this.config.profiles, i, step);
    const pvW = pvAt(h, this.config.profiles, i, step);
    const wantedW = powerWanted(h, i, loadW, pvW);
    const gives = msUntilLimit(h.device.battery, i, wantedW, 1, floorMjOf(h, i), ceilMjOf(h, i)) === 1;
    return { loadW, pvW, powerW: gives ? wantedW : 0 };
  }

  private stepOf(i: number): number {
    return Math.floor(((this.timeMs[i] ?? 0) - this.config.startMs) / this.config.stepMs);
  }

  /**
   * Sets the timer for the limit this device's mode waits for. Full power reaches a limit soonest: until then nothing
   * can happen, whatever the load does. If that lies beyond the running step, look again then; else the power of the
   * running step tells the exact ms, or that it is not in this step.
   */
  private watch(i: number): void {
    this.stopTimer(this.limitTimers, i);
    const { limit } = this.view(i);
    const endMs = this.config.startMs + this.steps * this.config.stepMs;
    const nowMs = this.timeMs[i] ?? 0;
    if (limit === null || nowMs >= endMs) return;
    const again = (): void => {
      this.limitTimers[i] = undefined;
      this.settle(i);
      if (this.atLimit(i)) this.send(i, { type: limit }, limit === 'FULL' ? 'full' : 'at reserve');
      else this.watch(i);
    };
    const wakeMs = this.atLimit(i) ? nowMs : this.nextLook(i, nowMs);
    if (wakeMs <= endMs) this.limitTimers[i] = this.config.scheduler.at(wakeMs, again, PRIORITY.physics);
  }

  private atLimit(i: number): boolean {
    const { loadW, pvW, powerW } = this.present(i);
    return powerW === 0 && powerWanted(this.homes, i, loadW, pvW) !== 0;
  }

  private nextLook(i: number, nowMs: EpochMs): EpochMs {
    const h = this.homes;
    const b = h.device.battery;
    const floor = floorMjOf(h, i);
    const ceil = ceilMjOf(h, i);
    const { powerW } = this.present(i);
    const mostW = this.view(i).limit === 'FULL' ? -(b.chargeWMax[i] ?? 0) : (b.dischargeWMax[i] ?? 0);
    const safeMs = mostW === 0 ? LOOK_AHEAD_MS : msUntilLimit(b, i, mostW, LOOK_AHEAD_MS, floor, ceil);
    const boundary = this.config.startMs + (this.stepOf(i) + 1) * this.config.stepMs;
    if (nowMs + safeMs >= boundary) return nowMs + safeMs;
    const untilMs = msUntilLimit(b, i, powerW, boundary - nowMs, floor, ceil);
    invariant(untilMs > 0, `device ${i} is at a limit and was not found at it`);
    return nowMs + untilMs;
  }
}

const valueIn = (column: Float64Array, i: number): number => column[i] ?? 0;

function checkControl(control: DeviceControl): void {
  const { powerW, reservePctMin, reservePctMax } = control;
  const whole = powerW === null || (Number.isSafeInteger(powerW) && powerW >= 0);
  invariant(whole, `a control's power must be a whole number of W, ≥ 0, got ${powerW}`);
  for (const pct of [reservePctMin, reservePctMax]) invariant(Number.isFinite(pct), `a control's limit is ${pct} %`);
}

function controlEvent(control: DeviceControl): DeviceEvent {
  const taken = {
    powerW: control.powerW,
    reservePctMin: clamp(control.reservePctMin, 0, 100),
    reservePctMax: clamp(control.reservePctMax, 0, 100),
    allowExport: control.allowExport,
  };
  switch (control.mode) {
    case 'charge':
      return { type: 'COMMAND_CHARGE', control: taken };
    case 'discharge':
      return { type: 'COMMAND_DISCHARGE', control: taken };
    case 'idle':
      return { type: 'COMMAND_IDLE', control: taken };
    case 'reset':
      return { type: 'COMMAND_RESET' };
  }
}
