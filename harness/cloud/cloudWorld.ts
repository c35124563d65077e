import { createFleet, type Fleet } from '../../simulators/battery/fleet.ts';
import type { Behaviour } from '../../simulators/oem/behaviour.ts';
import type { CloudCredentials, CloudProgram, OemCloud } from '../../simulators/oem/cloud.ts';
import { createEnphaseCloud } from '../../simulators/oem/enphase.ts';
import { createSolaredgeCloud } from '../../simulators/oem/solaredge.ts';
import { createTeslaCloud, type TeslaSettings } from '../../simulators/oem/tesla.ts';
import { phaseOf, type TimedCommand } from '../../simulators/oem/timed.ts';
import { invariant } from '../../src/domain/errors.ts';
import type { EpochMs } from '../../src/domain/units.ts';
import type { Scheduler } from '../../src/ports/clock.ts';
import type { DeviceControl, FleetPort } from '../../src/ports/device.ts';
import type { BatteryOem } from '../../src/ports/oem.ts';
import type { RandomSource } from '../../src/ports/random.ts';
import { makeHomes, STEP_MS } from './homes.ts';
import type { ServedWorld, StormPlace, WorldShown } from './served.ts';

/**
 * One simulated cloud with the batteries behind it, and what a test may do to them and ask of them. No sockets here:
 * server.ts puts it on one; `cloud.handle` is the direct wire.
 */
export interface CloudWorldOptions {
  readonly oem: BatteryOem;
  readonly scheduler: Scheduler;
  readonly random: RandomSource;
  readonly devices: number;
  readonly programIds: readonly string[];
  /** The first program has every device as a member from the start. */
  readonly enrolled: boolean;
  /** Devices that are members from the start besides, each with its program. */
  readonly members?: ReadonlyMap<string, string>;
  readonly behaviour?: Partial<Behaviour>;
  readonly credentials?: CloudCredentials;
}

/** What a device was told, as it took it or did not. */
export interface ControlTaken {
  readonly atMs: EpochMs;
  /** The cloud's own reference of the command; for settings what they are. */
  readonly cause: string;
  readonly mode: DeviceControl['mode'];
  readonly powerW: number | null;
  readonly endMs: EpochMs | null;
  readonly taken: boolean;
}

/** A command as the cloud keeps it. */
export interface CommandKept {
  readonly id: string;
  readonly mode: string;
  readonly powerW: number | null;
  readonly startMs: EpochMs;
  readonly endMs: EpochMs;
  readonly createdMs: EpochMs;
  readonly phase: string;
  readonly delivery: string;
}

export interface DeviceShown {
  readonly vendorDeviceId: string;
  readonly online: boolean;
  readonly operation: string;
  readonly storm: string;
  readonly socPct: number;
  readonly reservePct: number;
  /** AC power, + discharge [W]. */
  readonly powerW: number;
  /** How often it was told something and took it, in all. */
  readonly controlsTaken: number;
  /** The last CONTROLS_KEPT that it was told, oldest first. */
  readonly controls: readonly ControlTaken[];
  /** All that the cloud keeps of it, oldest first: a command that was sent twice stands here twice. */
  readonly commands: readonly CommandKept[];
  /** Tesla has no commands but settings. */
  readonly settings: TeslaSettings | null;
}

export interface CloudShown extends WorldShown {
  readonly oem: BatteryOem;
  readonly devices: readonly DeviceShown[];
}

export interface CloudWorld extends ServedWorld {
  readonly oem: BatteryOem;
  readonly cloud: OemCloud;
  readonly fleet: Fleet;
  readonly credentials: CloudCredentials;
  readonly addProgram: (programId: string) => void;
  readonly storm: (where: StormPlace, active: boolean) => string;
  shown(): CloudShown;
}

export const DEVICES_MAX = 10_000;
export const CONTROLS_KEPT = 100;
const STORM_MS = 365 * 86_400_000;
/** Simulated; nobody's real ones look like this. */
export const CREDENTIALS: CloudCredentials = {
  clientId: 'vpp-testbed',
  clientSecret: 'simulated-secret',
  apiKey: 'simulated-key',
};

/** Every other device stands in the second zone; besides each has one of its own, so that a storm can meet it alone. */
export const ZONES = ['CAC037', 'CAC071'] as const;
const ownZone = (vendorDeviceId: string): string => `DEVICE-${vendorDeviceId}`;

export function createCloudWorld(options: CloudWorldOptions): CloudWorld {
  const { oem, scheduler, random, devices: count } = options;
  invariant(count >= 1 && count <= DEVICES_MAX, `1 to ${DEVICES_MAX} devices, not ${count}`);
  const homes = makeHomes({ oem, count, nowMs: scheduler.nowMs(), random });
  const fleet = createFleet({ ...homes, stepMs: STEP_MS, scheduler, onMode: () => {} });
  const heard = new Heard(fleet, scheduler);
  const { members = new Map<string, string>() } = options;
  const programIds = new Set([...options.programIds, ...members.values()]);
  const programs: CloudProgram[] = [...programIds].map((programId) => ({ programId }));
  const enrolledIn = options.enrolled ? options.programIds[0] : undefined;
  const { behaviour, credentials = CREDENTIALS } = options;
  const made = createCloud(oem, {
    scheduler,
    random,
    fleet: heard,
    credentials,
    programs,
    ...(behaviour === undefined ? {} : { behaviour }),
    devices: homes.devices.map(({ deviceId }, device) => {
      const programId = members.get(deviceId) ?? enrolledIn;
      return {
        device,
        vendorDeviceId: deviceId,
        zones: [ZONES[device % ZONES.length] ?? ZONES[0], ownZone(deviceId)],
        stormGuardEnabled: true,
        ...(programId === undefined ? {} : { enrolledIn: programId }),
      };
    }),
  });
  const deviceIds = homes.devices.map((d) => d.deviceId);
  const index = new Map(deviceIds.map((id, i) => [id, i]));
  const storms = new Storms(made.cloud, scheduler);
  return {
    oem,
    cloud: made.cloud,
    fleet,
    credentials,
    deviceIds,
    indexOf: (id) => index.get(id) ?? null,
    change: (i, { online, reservePct, optOut }) => {
      if (online !== undefined) fleet.setLink(i, online);
      if (reservePct !== undefined) fleet.setReserve(i, reservePct);
      if (optOut !== undefined) made.cloud.setOptOut(deviceIds[i] ?? '', optOut);
      return null;
    },
    addProgram: (programId) => {
      if (!programs.some((p) => p.programId === programId)) programs.push({ programId });
    },
    storm: (where, active) => storms.set('zone' in where ? where.zone : ownZone(where.vendorDeviceId), active),
    shown: () => ({
      oem,
      nowMs: scheduler.nowMs(),
      counts: made.cloud.counts(),
      behaviour: made.cloud.behaviour(),
      devices: deviceIds.map((id, i) => showDevice({ id, i, fleet, heard, made, nowMs: scheduler.nowMs() })),
    }),
  };
}

interface Made {
  readonly cloud: OemCloud;
  readonly commands: (vendorDeviceId: string) => readonly TimedCommand[];
  readonly settings: (vendorDeviceId: string) => TeslaSettings | null;
}

function createCloud(oem: BatteryOem, options: Parameters<typeof createEnphaseCloud>[0]): Made {
  switch (oem) {
    case 'enphase': {
      const cloud = createEnphaseCloud(options);
      return { cloud, commands: cloud.events, settings: () => null };
    }
    case 'solaredge': {
      const cloud = createSolaredgeCloud(options);
      return { cloud, commands: cloud.profiles, settings: () => null };
    }
    case 'tesla': {
      const cloud = createTeslaCloud(options);
      return { cloud, commands: () => [], settings: cloud.settings };
    }
  }
}

function showDevice(r: {
  readonly id: string;
  readonly i: number;
  readonly fleet: Fleet;
  readonly heard: Heard;
  readonly made: Made;
  readonly nowMs: EpochMs;
}): DeviceShown {
  const { id, i, fleet, heard, made, nowMs } = r;
  const { state } = fleet.sample(i);
  const view = fleet.view(i);
  return {
    vendorDeviceId: id,
    online: view.connection === 'online',
    operation: view.operation,
    storm: view.storm,
    socPct: Math.round(state.chargePercentage * 100) / 100,
    reservePct: state.backupReserve,
    powerW: state.chargeRate,
    controlsTaken: heard.taken(i),
    controls: heard.of(i),
    commands: made.commands(id).map((c) => ({
      id: c.id,
      mode: c.spec.mode,
      powerW: c.spec.powerW,
      startMs: c.spec.startMs,
      endMs: c.endMs,
      createdMs: c.createdMs,
      phase: phaseOf(c, nowMs),
      delivery: c.delivery,
    })),
    settings: made.settings(id),
  };
}

/** The fleet, with a record of what each device was told. */
class Heard implements FleetPort {
  readonly #fleet: Fleet;
  readonly #scheduler: Scheduler;
  readonly #controls = new Map<number, ControlTaken[]>();
  readonly #taken = new Map<number, number>();

  constructor(fleet: Fleet, scheduler: Scheduler) {
    this.#fleet = fleet;
    this.#scheduler = scheduler;
  }

  of(device: number): readonly ControlTaken[] {
    return this.#controls.get(device) ?? [];
  }

  taken(device: number): number {
    return this.#taken.get(device) ?? 0;
  }

  isOnline(device: number): boolean {
    return this.#fleet.isOnline(device);
  }

  sample(device: number): ReturnType<Fleet['sample']> {
    return this.#fleet.sample(device);
  }

  keepReserve(device: number, reservePct: number, cause: string): 'taken' | 'offline' {
    return this.#fleet.keepReserve(device, reservePct, cause);
  }

  setStorm(device: number, active: boolean, cause: string): 'taken' | 'offline' {
    return this.#fleet.setStorm(device, active, cause);
  }

  control(device: number, control: DeviceControl): 'taken' | 'offline' {
    const outcome = this.#fleet.control(device, control);
    const { cause, mode, powerW, endMs } = control;
    const list = this.#controls.get(device) ?? [];
    list.push({ atMs: this.#scheduler.nowMs(), cause, mode, powerW, endMs, taken: outcome === 'taken' });
    if (list.length > CONTROLS_KEPT) list.shift();
    this.#controls.set(device, list);
    if (outcome === 'taken') this.#taken.set(device, this.taken(device) + 1);
    return outcome;
  }
}

/** Storms by hand: an alert of a kind that every maker acts on, for one zone, that begins and ends at once. */
class Storms {
  readonly #cloud: OemCloud;
  readonly #scheduler: Scheduler;
  readonly #open = new Map<string, string>();
  #count = 0;

  constructor(cloud: OemCloud, scheduler: Scheduler) {
    this.#cloud = cloud;
    this.#scheduler = scheduler;
  }

  set(zone: string, active: boolean): string {
    const open = this.#open.get(zone);
    if (active && open !== undefined) return 'is active already';
    if (!active && open === undefined) return 'is not active';
    // The cloud looks at alerts at intervals; here it looks now.
    const { alertPollMs } = this.#cloud.behaviour();
    this.#cloud.setBehaviour({ alertPollMs: 1 });
    const why = open === undefined ? this.#begin(zone) : this.#end(zone, open);
    this.#cloud.setBehaviour({ alertPollMs });
    return why;
  }

  #begin(zone: string): string {
    this.#count += 1;
    const alertId = `storm-${this.#count}`;
    const nowMs = this.#scheduler.nowMs();
    const verdict = this.#cloud.alert({
      alertId,
      event: 'High Wind Warning',
      status: 'Actual',
      messageType: 'Alert',
      severity: 'Severe',
      urgency: 'Expected',
      certainty: 'Likely',
      sentMs: nowMs,
      onsetMs: nowMs,
      endMs: nowMs + STORM_MS,
      zones: [zone],
      references: [],
      headline: 'a storm by hand',
    });
    if (verdict.acted) this.#open.set(zone, alertId);
    return verdict.why;
  }

  #end(zone: string, alertId: string): string {
    this.#open.delete(zone);
    this.#cloud.alertOver(alertId);
    return 'is over';
  }
}
