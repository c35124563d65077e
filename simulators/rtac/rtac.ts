import { FLAG } from '../../src/dnp3/app/control.ts';
import { OutstationSession } from '../../src/dnp3/outstation/session.ts';
import type { EpochMs } from '../../src/domain/units.ts';
import { PRIORITY, type Scheduler, type TimerHandle } from '../../src/ports/clock.ts';
import type { PlantChange, PlantRegisters, RtacConfig, SiteAlarmSwitch, SiteSwitches } from './config.ts';
import { controlPlant } from './controls.ts';
import { type PlacedPoint, placePoints, pointConfigs } from './placement.ts';
import { Plant } from './plant.ts';
import { flagsOf, pointDefs, siteNow } from './points.ts';

/**
 * A real-time automation controller at a utility-scale battery: a DNP3 outstation in front of a plant.
 *
 * It drives itself on the world's clock: one timer stands at the next thing due (a ramp step each second while power
 * moves, a look each ten seconds otherwise, the watchdog's or the outstation's deadline). Octets that leave between
 * calls are announced with onOutput; the owner then takes them.
 * The watchdog is fed by every request that the outstation understood and did not refuse; octets, confirms and link
 * frames do not feed it.
 */
export class Rtac {
  readonly outstation: OutstationSession;
  readonly plant: Plant;
  private readonly config: RtacConfig;
  private readonly scheduler: Scheduler;
  private readonly switches: SiteSwitches = {
    local: false,
    lockout: false,
    communicationError: false,
    internalTemperatureHigh: false,
    externalTemperatureHigh: false,
  };
  private readonly placed: readonly PlacedPoint[];
  /** Last value and flags shown of each placed point. */
  private readonly shown: { value: number; flags: number }[];
  private timer: { readonly handle: TimerHandle; readonly atMs: EpochMs } | null = null;
  private changed: (change: PlantChange) => void = () => {};
  private outputReady: () => void = () => {};
  private output: Uint8Array[] = [];

  constructor(config: RtacConfig, scheduler: Scheduler) {
    this.config = config;
    this.scheduler = scheduler;
    this.plant = new Plant(config, scheduler.nowMs(), (change) => this.changed(change));
    const { plant, switches } = this;
    const site = siteNow(config, plant, switches);
    this.placed = placePoints(pointDefs(config, plant), config);
    this.shown = this.placed.map((p) => ({ value: p.toRaw(p.def.value(site)), flags: flagsOf(p.def, site) }));
    this.outstation = new OutstationSession({
      localAddress: config.addresses.outstation,
      remoteAddress: config.addresses.master,
      points: pointConfigs(this.placed, site),
      unsolicited: config.unsolicited ?? true,
      onControl: (step, control, nowMs) => {
        const verdict = controlPlant(control, { plant, switches, placed: this.placed, nowMs });
        if (step === 'operate') verdict.act?.();
        return verdict.status;
      },
    });
    this.settle(scheduler.nowMs());
  }

  /** Called at each change of the plant's state, and when a wanted power or a limit is reached. */
  onPlantChange(callback: (change: PlantChange) => void): void {
    this.changed = callback;
  }

  /** Called when octets are there to be taken. */
  onOutput(callback: () => void): void {
    this.outputReady = callback;
  }

  connected(nowMs: EpochMs): void {
    this.outstation.connected(nowMs);
    this.settle(nowMs);
  }

  disconnected(nowMs: EpochMs): void {
    this.outstation.disconnected(nowMs);
    this.output = [];
    this.settle(nowMs);
  }

  receive(octets: Uint8Array, nowMs: EpochMs): void {
    this.plant.advance(nowMs);
    this.outstation.receive(octets, nowMs);
    this.settle(nowMs);
  }

  takeOutput(): Uint8Array[] {
    const out = this.output;
    this.output = [];
    return out;
  }

  /** Registers at an instant that is not before the last one. */
  registers(nowMs: EpochMs): PlantRegisters {
    this.plant.advance(nowMs);
    return this.plant.registers();
  }

  /** The switch at the site's door. */
  setLocal(local: boolean, nowMs: EpochMs): void {
    this.switches.local = local;
    this.outstation.setLocalControl(local);
    this.settle(nowMs);
  }

  setLockout(lockout: boolean, nowMs: EpochMs): void {
    this.switches.lockout = lockout;
    if (lockout) this.plant.stop(nowMs, 'lockout at the site');
    this.settle(nowMs);
  }

  /** A sensor of the site comes on or goes off. */
  setAlarm(alarm: SiteAlarmSwitch, on: boolean, nowMs: EpochMs): void {
    this.switches[alarm] = on;
    this.settle(nowMs);
  }

  /** Somebody at the site returns a stopped plant to service. */
  returnToService(nowMs: EpochMs): void {
    this.plant.returnToService(nowMs, 'return to service at the site');
    this.settle(nowMs);
  }

  private onTimer(): void {
    this.timer = null;
    const nowMs = this.scheduler.nowMs();
    this.plant.step(nowMs);
    this.outstation.timeout(nowMs);
    this.settle(nowMs);
  }

  /** After anything happened: feed the watchdog, show the points, hand over octets, set the timer. */
  private settle(nowMs: EpochMs): void {
    for (const event of this.outstation.takeEvents()) {
      if (event.kind === 'request' && event.iin2 === 0) this.plant.heard(nowMs);
    }
    this.plant.step(nowMs);
    this.refresh(nowMs);
    this.outstation.timeout(nowMs);
    const leaving = this.outstation.takeOutput();
    this.output.push(...leaving);
    this.schedule(nowMs);
    if (leaving.length > 0) this.outputReady();
  }

  private refresh(nowMs: EpochMs): void {
    const site = siteNow(this.config, this.plant, this.switches);
    this.placed.forEach((p, i) => {
      const shown = this.shown[i];
      const flags = flagsOf(p.def, site);
      if (shown === undefined) return;
      // What is not reached keeps the value it had.
      const value = flags === FLAG.online ? p.toRaw(p.def.value(site)) : shown.value;
      if (value === shown.value && flags === shown.flags) return;
      shown.value = value;
      shown.flags = flags;
      this.outstation.update(p.kind, p.index, { value, flags, timeMs: nowMs }, nowMs);
    });
  }

  private schedule(nowMs: EpochMs): void {
    const outstationMs = this.outstation.nextTimeoutMs() ?? Number.POSITIVE_INFINITY;
    const atMs = Math.max(nowMs, Math.min(this.plant.stepDueMs(nowMs), outstationMs));
    if (this.timer !== null && this.timer.atMs === atMs) return;
    if (this.timer !== null) this.scheduler.cancel(this.timer.handle);
    this.timer = { atMs, handle: this.scheduler.at(atMs, () => this.onTimer(), PRIORITY.physics) };
  }
}

export const createRtac = (config: RtacConfig, scheduler: Scheduler): Rtac => new Rtac(config, scheduler);
