import { invariant } from '../../src/domain/errors.ts';
import { clamp, type EpochMs } from '../../src/domain/units.ts';
import { makeBatteryColumns, moveBattery, msUntilLimit } from '../battery/physics.ts';
import type { PlantChange, PlantMode, PlantRegisters, PlantState, RtacConfig } from './config.ts';
import { OUTPUT, plantSettings, type Setting } from './settings.ts';

/**
 * The battery plant behind the RTAC.
 *
 *   schedule ──enable──> following ──silence, target not refreshed──> safe ──enable──> following
 *      ^───release──────────┘  └──────────────stop──────> stopped <──stop── any
 *      └──release── safe          stopped ──return to service, when permitted──> schedule
 *
 * It follows AGC (watts) or charge/discharge mode (percent of its maximum, of its charging maximum below 0); the one that
 * was enabled last. Active power limits hold in every state until they are set off or not refreshed in time; the minimum
 * and maximum reserve hold always, the states of charge of AGC while AGC is followed.
 *
 * Power moves toward its goal by the ramp once a second and is constant in between, so energy is exact; falling to the
 * safe state and ceasing to energise do not ramp: the contactors open. Reserve and full store end a power within the
 * millisecond (battery physics). Left out: reactive power as a command, temperature, inverters one by one.
 * Time is put in; who drives it calls step at stepDueMs.
 */
const RAMP_STEP_MS = 1_000;
/** How often an unchanging plant is looked at, for its state of charge and its own plan. */
const IDLE_STEP_MS = 10_000;

export class Plant {
  state: PlantState = 'schedule';
  /** Which target rules while it follows. */
  mode: PlantMode = 'agc';
  powerW = 0;
  limitsOn = false;
  /** Rates of the settings instead of the plant's own ramp, by mode. */
  readonly useRates: Record<PlantMode, boolean> = { agc: false, 'charge-discharge': false };
  switchClosed = true;
  startPermitted = true;
  stopPermitted = true;
  /** Told to start and waiting for the permission. */
  starting = false;
  readonly settings: readonly Setting[];
  private readonly values: Map<number, number>;
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
  private limitsMs: EpochMs;

  constructor(config: RtacConfig, nowMs: EpochMs, onChange: (change: PlantChange) => void) {
    invariant(config.rampWPerS >= 1, 'the ramp is at least 1 W/s');
    this.config = config;
    const { chargeWMax, dischargeWMax } = config.battery;
    this.settings = plantSettings({ chargeWMax, dischargeWMax, reservePct: config.reservePct });
    this.values = new Map(this.settings.map((s) => [s.output, s.initial]));
    this.battery = makeBatteryColumns([config.battery]);
    this.onChange = onChange;
    this.lastMs = nowMs;
    this.steppedMs = nowMs;
    this.heardMs = nowMs;
    this.targetMs = nowMs;
    this.limitsMs = nowMs;
  }

  /** A setting by its analog output [s, %, W]. */
  setting(output: number): number {
    return this.values.get(output) ?? 0;
  }

  /** Sets one; a target or a limit counts as refreshed. The caller has seen to the range. */
  set(output: number, value: number, nowMs: EpochMs): void {
    this.advance(nowMs);
    this.values.set(output, value);
    if (output === this.targetOutput) this.targetMs = nowMs;
    if (output === OUTPUT.chargeLimit || output === OUTPUT.dischargeLimit) this.limitsMs = nowMs;
  }

  private get targetOutput(): number {
    return this.mode === 'agc' ? OUTPUT.agcTarget : OUTPUT.percentTarget;
  }

  /** The master's target, kept while it is not enabled [W]. */
  get targetW(): number {
    const value = this.setting(this.targetOutput);
    if (this.mode === 'agc') return value;
    const { chargeWMax, dischargeWMax } = this.config.battery;
    return Math.trunc((value * (value < 0 ? chargeWMax : dischargeWMax)) / 100) + 0;
  }

  private get reversionMs(): number {
    return 1_000 * this.setting(this.mode === 'agc' ? OUTPUT.agcReversion : OUTPUT.percentReversion);
  }

  /** What may leave and enter at most now, after the active power limits [W]. */
  get limitsW(): { readonly chargeW: number; readonly dischargeW: number } {
    const { chargeWMax, dischargeWMax } = this.config.battery;
    const share = (output: number) => (this.limitsOn ? this.setting(output) / 100 : 1);
    return {
      chargeW: Math.floor(chargeWMax * share(OUTPUT.chargeLimit)),
      dischargeW: Math.floor(dischargeWMax * share(OUTPUT.dischargeLimit)),
    };
  }

  get usableMj(): number {
    return this.battery.usableMj[0] ?? 0;
  }

  private get followsAgc(): boolean {
    return this.state === 'following' && this.mode === 'agc';
  }
  get floorPct(): number {
    return Math.max(this.setting(OUTPUT.reserveMin), this.followsAgc ? this.setting(OUTPUT.agcSocMin) : 0);
  }
  get ceilingPct(): number {
    return Math.min(this.setting(OUTPUT.reserveMax), this.followsAgc ? this.setting(OUTPUT.agcSocMax) : 100);
  }
  get floorMj(): number {
    return Math.ceil((this.usableMj * this.floorPct) / 100);
  }
  get ceilingMj(): number {
    return Math.max(this.floorMj, Math.floor((this.usableMj * this.ceilingPct) / 100));
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
    const givenMs = moveBattery(this.battery, 0, this.powerW, dtMs, this.floorMj, this.ceilingMj);
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

  enable(mode: PlantMode, nowMs: EpochMs): void {
    this.targetMs = nowMs;
    if (this.state === 'following' && this.mode === mode) return;
    this.advance(nowMs);
    this.mode = mode;
    const what = mode === 'agc' ? 'a target' : 'charge/discharge mode';
    this.enter('following', nowMs, `the master enabled ${what} of ${this.targetW} W`);
  }

  /** Sets a mode off; one that is not followed is off already. */
  release(mode: PlantMode, nowMs: EpochMs): void {
    if (this.mode !== mode) return;
    if (this.state === 'following' || this.state === 'safe') this.enter('schedule', nowMs, 'the master released it');
  }

  /** Active power limits on or off. */
  limit(on: boolean, nowMs: EpochMs): void {
    this.advance(nowMs);
    this.limitsOn = on;
    this.limitsMs = nowMs;
  }

  /** Ceases to energise at once. */
  stop(nowMs: EpochMs, cause: string): void {
    this.advance(nowMs);
    this.powerW = 0;
    this.starting = false;
    this.enter('stopped', nowMs, cause);
  }

  /** Starts a stopped plant, or has it wait for the permission; an open switch keeps it stopped. */
  returnToService(nowMs: EpochMs, cause: string): void {
    if (this.state !== 'stopped' || !this.switchClosed) return;
    this.starting = !this.startPermitted;
    if (!this.starting) this.enter('schedule', nowMs, cause);
  }

  permitStart(on: boolean, nowMs: EpochMs): void {
    this.startPermitted = on;
    if (on && this.starting) this.returnToService(nowMs, 'the master permitted the start');
  }

  /** The connect switch; opening it takes the plant off, closing it does not start it. */
  connect(closed: boolean, nowMs: EpochMs): void {
    this.switchClosed = closed;
    if (!closed && this.state !== 'stopped') this.stop(nowMs, 'the connect switch was opened');
  }

  /** Looks at the deadlines and moves the power one ramp step. */
  step(nowMs: EpochMs): void {
    this.advance(nowMs);
    if (this.state === 'following') this.watch(nowMs);
    if (nowMs >= this.limitsEndMs) this.limit(false, nowMs);
    if (this.powerW !== 0 && !this.canGive(this.powerW)) this.limitReached(nowMs);
    const goalW = this.goalW(nowMs);
    const elapsedMs = nowMs - this.steppedMs;
    if (this.powerW === goalW || elapsedMs < RAMP_STEP_MS) {
      if (this.powerW === goalW) this.steppedMs = nowMs;
      return;
    }
    const reachW = Math.max(1, Math.floor((this.rampWPerS(goalW) * Math.min(elapsedMs, RAMP_STEP_MS)) / 1000));
    this.powerW += clamp(goalW - this.powerW, -reachW, reachW);
    this.steppedMs = nowMs;
    if (this.powerW === goalW) this.tell(nowMs, 'the wanted power is reached');
  }

  /** When step must be called next. */
  stepDueMs(nowMs: EpochMs): EpochMs {
    const goalW = this.goalW(nowMs);
    if (this.powerW !== goalW) return this.watchDueMs(Math.max(nowMs, this.steppedMs + RAMP_STEP_MS));
    const limitMs = msUntilLimit(this.battery, 0, this.powerW, IDLE_STEP_MS, this.floorMj, this.ceilingMj);
    return this.watchDueMs(nowMs + Math.max(1, limitMs));
  }

  /**
   * The ramp toward a goal: the plant's own, or the rate of the mode's settings if that is slower. The four rates are for
   * discharging more, discharging less, charging more and charging less [% of the maximum per second], 0 = none set.
   */
  private rampWPerS(goalW: number): number {
    const { rampWPerS, battery } = this.config;
    if (this.state !== 'following' || !this.useRates[this.mode]) return rampWPerS;
    const discharges = this.powerW > 0 || (this.powerW === 0 && goalW > 0);
    const more = Math.abs(goalW) > Math.abs(this.powerW) && goalW > 0 === discharges;
    const first = this.mode === 'agc' ? OUTPUT.agcRates : OUTPUT.percentRates;
    const pctPerS = this.setting(first + (discharges ? 0 : 2) + (more ? 0 : 1));
    const rateW = (pctPerS * (discharges ? battery.dischargeWMax : battery.chargeWMax)) / 100;
    return rateW > 0 ? Math.min(rampWPerS, rateW) : rampWPerS;
  }

  /** When the active power limits end by themselves. */
  private get limitsEndMs(): EpochMs {
    const forMs = 1_000 * this.setting(OUTPUT.limitReversion);
    return this.limitsOn && forMs > 0 ? this.limitsMs + forMs : Number.POSITIVE_INFINITY;
  }

  private watchDueMs(dueMs: EpochMs): EpochMs {
    const atMs = Math.min(dueMs, this.limitsEndMs);
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
    const { chargeW, dischargeW } = this.limitsW;
    const wantedW = clamp(Math.round(this.wantedW(nowMs)), -chargeW, dischargeW);
    if (wantedW === 0) return 0;
    return this.canGive(wantedW) ? wantedW : 0;
  }

  private canGive(powerW: number): boolean {
    return msUntilLimit(this.battery, 0, powerW, RAMP_STEP_MS, this.floorMj, this.ceilingMj) > 0;
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
