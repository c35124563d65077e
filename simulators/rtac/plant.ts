import { invariant } from '../../src/domain/errors.ts';
import { clamp, type EpochMs } from '../../src/domain/units.ts';
import { makeBatteryColumns, moveBattery, msUntilLimit } from '../battery/physics.ts';
import type { PlantChange, PlantRegisters, PlantState, RtacConfig } from './config.ts';

/**
 * The battery plant behind the RTAC.
 *
 *   schedule ──enable──> following ──silence, target not refreshed──> safe ──enable──> following
 *      ^───release──────────┘  └──────────────stop──────> stopped <──stop── any
 *      └──release── safe          stopped ──return to service──> schedule
 *
 * Power moves toward its goal by the ramp once a second and is constant in between, so energy is exact; falling to the
 * safe state and ceasing to energise do not ramp: the contactors open. Reserve and full store end a power within the
 * millisecond (battery physics). Left out: reactive power, temperature, inverters one by one.
 * Time is put in; who drives it calls step at stepDueMs.
 */
const RAMP_STEP_MS = 1_000;
/** How often an unchanging plant is looked at, for its state of charge and its own plan. */
const IDLE_STEP_MS = 10_000;

export class Plant {
  state: PlantState = 'schedule';
  powerW = 0;
  /** The master's target, kept while it is not enabled [W]. */
  targetW = 0;
  reversionMs = 0;
  reservePct: number;
  private readonly config: RtacConfig;
  private readonly battery: ReturnType<typeof makeBatteryColumns>;
  private readonly onChange: (change: PlantChange) => void;
  private dispatchedMj = 0;
  private importMj = 0;
  private exportMj = 0;
  private lastMs: EpochMs;
  private steppedMs: EpochMs;
  private heardMs: EpochMs;
  private targetMs: EpochMs;

  constructor(config: RtacConfig, nowMs: EpochMs, onChange: (change: PlantChange) => void) {
    invariant(config.rampWPerS >= 1, 'the ramp is at least 1 W/s');
    this.config = config;
    this.battery = makeBatteryColumns([config.battery]);
    this.reservePct = config.reservePct;
    this.onChange = onChange;
    this.lastMs = nowMs;
    this.steppedMs = nowMs;
    this.heardMs = nowMs;
    this.targetMs = nowMs;
  }

  get usableMj(): number {
    return this.battery.usableMj[0] ?? 0;
  }
  get floorMj(): number {
    return Math.ceil((this.usableMj * this.reservePct) / 100);
  }

  registers(): PlantRegisters {
    const b = this.battery;
    return {
      storedMj: b.storedMj[0] ?? 0,
      chargeMj: b.chargeMj[0] ?? 0,
      dischargeMj: b.dischargeMj[0] ?? 0,
      chargeLossMj: b.chargeLossMj[0] ?? 0,
      dischargeLossMj: b.dischargeLossMj[0] ?? 0,
      standbyMj: b.standbyMj[0] ?? 0,
      dispatchedMj: this.dispatchedMj,
      importMj: this.importMj,
      exportMj: this.exportMj,
    };
  }

  /** Books the energy up to now at the power that held; reading a register in between changes nothing. */
  advance(nowMs: EpochMs): void {
    const dtMs = nowMs - this.lastMs;
    if (dtMs <= 0) return;
    this.lastMs = nowMs;
    const before = this.battery.dischargeMj[0] ?? 0;
    const givenMs = moveBattery(this.battery, 0, this.powerW, dtMs, this.floorMj, this.usableMj);
    if (this.powerW < 0) this.importMj += -this.powerW * givenMs;
    else this.exportMj += this.powerW * givenMs;
    if (this.state === 'following') this.dispatchedMj += (this.battery.dischargeMj[0] ?? 0) - before;
    if (givenMs < dtMs) this.limitReached(nowMs);
  }

  private limitReached(nowMs: EpochMs): void {
    const cause = this.powerW > 0 ? 'the reserve is reached' : 'the battery is full';
    this.powerW = 0;
    this.tell(nowMs, cause);
  }

  /** A valid request of the master came. */
  heard(nowMs: EpochMs): void {
    this.heardMs = nowMs;
  }

  setTarget(powerW: number, nowMs: EpochMs): void {
    this.targetW = powerW;
    this.targetMs = nowMs;
  }

  enable(nowMs: EpochMs): void {
    this.targetMs = nowMs;
    if (this.state === 'following') return;
    this.enter('following', nowMs, `the master enabled a target of ${this.targetW} W`);
  }

  release(nowMs: EpochMs): void {
    if (this.state === 'following' || this.state === 'safe') this.enter('schedule', nowMs, 'the master released it');
  }

  /** Ceases to energise at once. */
  stop(nowMs: EpochMs, cause: string): void {
    this.advance(nowMs);
    this.powerW = 0;
    this.enter('stopped', nowMs, cause);
  }

  returnToService(nowMs: EpochMs, cause: string): void {
    if (this.state === 'stopped') this.enter('schedule', nowMs, cause);
  }

  /** Looks at the deadlines and moves the power one ramp step. */
  step(nowMs: EpochMs): void {
    this.advance(nowMs);
    if (this.state === 'following') this.watch(nowMs);
    if (this.powerW !== 0 && !this.canGive(this.powerW)) this.limitReached(nowMs);
    const goalW = this.goalW(nowMs);
    const elapsedMs = nowMs - this.steppedMs;
    if (this.powerW === goalW || elapsedMs < RAMP_STEP_MS) {
      if (this.powerW === goalW) this.steppedMs = nowMs;
      return;
    }
    const reachW = Math.max(1, Math.floor((this.config.rampWPerS * Math.min(elapsedMs, RAMP_STEP_MS)) / 1000));
    this.powerW += clamp(goalW - this.powerW, -reachW, reachW);
    this.steppedMs = nowMs;
    if (this.powerW === goalW) this.tell(nowMs, 'the wanted power is reached');
  }

  /** When step must be called next. */
  stepDueMs(nowMs: EpochMs): EpochMs {
    const goalW = this.goalW(nowMs);
    if (this.powerW !== goalW) return this.watchDueMs(Math.max(nowMs, this.steppedMs + RAMP_STEP_MS));
    const limitMs = msUntilLimit(this.battery, 0, this.powerW, IDLE_STEP_MS, this.floorMj, this.usableMj);
    return this.watchDueMs(nowMs + Math.max(1, limitMs));
  }

  private watchDueMs(atMs: EpochMs): EpochMs {
    if (this.state !== 'following') return atMs;
    const revertMs = this.reversionMs > 0 ? this.targetMs + this.reversionMs : Number.POSITIVE_INFINITY;
    return Math.min(atMs, this.heardMs + this.config.watchdogMs, revertMs);
  }

  private watch(nowMs: EpochMs): void {
    const { watchdogMs } = this.config;
    if (nowMs - this.heardMs >= watchdogMs) this.makeSafe(nowMs, `no valid request of the master for ${watchdogMs} ms`);
    else if (this.reversionMs > 0 && nowMs - this.targetMs >= this.reversionMs) {
      this.makeSafe(nowMs, `the target was not refreshed for ${this.reversionMs} ms`);
    }
  }

  private makeSafe(nowMs: EpochMs, cause: string): void {
    this.powerW = 0;
    this.enter('safe', nowMs, cause);
  }

  private enter(state: PlantState, nowMs: EpochMs, cause: string): void {
    this.advance(nowMs);
    this.state = state;
    this.steppedMs = nowMs;
    this.tell(nowMs, cause);
  }

  private tell(atMs: EpochMs, cause: string): void {
    this.onChange({ atMs, state: this.state, powerW: this.powerW, cause });
  }

  /** Where the power wants to be, after limits of the state and of the store. */
  private goalW(nowMs: EpochMs): number {
    const { chargeWMax, dischargeWMax } = this.config.battery;
    const wantedW = clamp(Math.round(this.wantedW(nowMs)), -chargeWMax, dischargeWMax);
    if (wantedW === 0) return 0;
    return this.canGive(wantedW) ? wantedW : 0;
  }

  private canGive(powerW: number): boolean {
    return msUntilLimit(this.battery, 0, powerW, RAMP_STEP_MS, this.floorMj, this.usableMj) > 0;
  }

  private wantedW(nowMs: EpochMs): number {
    switch (this.state) {
      case 'following':
        return this.targetW;
      case 'schedule':
        return this.config.schedule?.(nowMs) ?? 0;
      case 'safe':
      case 'stopped':
        return 0;
    }
  }
}
