import { createFleet, type Fleet } from '../../simulators/battery/fleet.ts';
import type { FleetDevice } from '../../simulators/battery/fleetInput.ts';
import { createEnphaseCloud } from '../../simulators/oem/enphase.ts';
import { createSolaredgeCloud } from '../../simulators/oem/solaredge.ts';
import { createTeslaCloud } from '../../simulators/oem/tesla.ts';
import { Core, type CoreOutput } from '../../src/core/core.ts';
import type { CoreInput } from '../../src/core/input.ts';
import { defaultSettings } from '../../src/core/settings.ts';
import type { CommandInput } from '../../src/domain/command.ts';
import { programTag } from '../../src/domain/program.ts';
import { MS_PER_HOUR, MS_PER_MIN } from '../../src/domain/units.ts';
import { CAPABILITIES, createOemSession } from '../../src/oem/index.ts';
import type { BatteryOem } from '../../src/ports/oem.ts';
import { HOME } from '../unit/battery/world.ts';
import { ZONE } from './coreBench.ts';
import { CREDENTIALS, OemPair, START_MS, TestClock, TestFleet, testRandom } from './oemPair.ts';

/**
 * The core over homes whose batteries, loads and meters are simulated, each behind the simulated cloud of its maker, on
 * one virtual clock. What is true is read at the homes, not from what clouds or the core say of them.
 */
export interface HomeOptions {
  readonly oem: BatteryOem;
  readonly loadW: number;
  readonly pvW: number;
  /** Most power in both directions. */
  readonly batteryW: number;
  readonly socPct: number;
  readonly reservePct: number;
  readonly strategy: FleetDevice['strategy'];
}

const PROGRAM = 'prog-1';
const MINUTES = 12 * 60;
const MAKE = { enphase: createEnphaseCloud, solaredge: createSolaredgeCloud, tesla: createTeslaCloud };

export class HomesRig {
  readonly clock = new TestClock(START_MS);
  readonly fleet: Fleet;
  readonly core = new Core(defaultSettings(CAPABILITIES));
  readonly #homes: readonly HomeOptions[];
  readonly #pairs = new Map<BatteryOem, OemPair>();
  #polls = 0;

  constructor(homes: readonly HomeOptions[]) {
    this.#homes = homes;
    this.fleet = createFleet({
      devices: homes.map(deviceOf),
      profiles: {
        load: homes.map((h) => Int32Array.from({ length: MINUTES }, () => h.loadW)),
        pv: [Float64Array.from({ length: MINUTES }, () => 1)],
      },
      startMs: START_MS,
      stepMs: MS_PER_MIN,
      scheduler: this.clock,
      onMode: () => {},
    });
    this.put({ kind: 'create-workspace', workspace: { workspaceId: 'ws', name: 'ws', gridServices: true } });
    this.put({
      kind: 'create-program',
      program: {
        programId: PROGRAM,
        workspaceId: 'ws',
        name: PROGRAM,
        timeZone: ZONE,
        node: 'N',
        trigger: { kind: 'called' },
        nominatedW: 1_000,
        paymentUsdPerKwh: 1,
        provenance: { source: 'test', standing: 'assumed' },
      },
    });
    for (const oem of new Set(homes.map((h) => h.oem))) this.#pairs.set(oem, this.#connect(oem));
    homes.forEach((h, i) => {
      this.#home(h, i);
    });
    this.run(40 * MS_PER_MIN);
  }

  #connect(oem: BatteryOem): OemPair {
    const { clock, fleet } = this;
    const cloud = MAKE[oem]({
      scheduler: clock,
      random: testRandom(11),
      fleet,
      devices: this.#homes.flatMap((h, device) =>
        h.oem === oem
          ? [{ device, vendorDeviceId: `${1000 + device}`, zones: [], stormGuardEnabled: true, enrolledIn: PROGRAM }]
          : [],
      ),
      behaviour: { deliveryFailureRatio: 0, commandTailRatio: 0 },
      credentials: CREDENTIALS,
      programs: [{ programId: PROGRAM }],
    });
    const session = createOemSession(oem, CREDENTIALS);
    return new OemPair({ clock, fleet: new TestFleet(clock), cloud, session });
  }

  #home({ oem, batteryW }: HomeOptions, i: number): void {
    const [deviceId, siteId] = [`b${i}`, `site-${i}`];
    this.put({
      kind: 'create-site',
      site: { siteId, workspaceId: 'ws', customerId: 'c', name: siteId, timeZone: ZONE },
    });
    this.put({
      kind: 'connect-device',
      device: {
        deviceId,
        workspaceId: 'ws',
        siteId,
        kind: 'battery',
        manufacturer: oem,
        model: 'M',
        nameplate: { usableWh: 13_500, chargeWMax: batteryW, dischargeWMax: batteryW },
        source: { kind: 'oem', oem, vendorDeviceId: `${1000 + i}` },
        tags: ['all', programTag(PROGRAM)],
      },
    });
    this.put({ kind: 'enroll', deviceId, programId: PROGRAM });
    this.#poll(i);
  }

  #poll(i: number): void {
    const oem = this.#homes[i]?.oem ?? 'tesla';
    this.#submit(oem, `b${i}`, {
      kind: 'read-state',
      jobId: `poll-${++this.#polls}`,
      vendorDeviceId: `${1000 + i}`,
    });
    this.clock.at(this.clock.nowMs() + CAPABILITIES[oem].telemetryPeriodMs, () => this.#poll(i));
  }

  readonly #whose = new Map<string, string>();
  #submit(oem: BatteryOem, deviceId: string, job: Parameters<OemPair['submit']>[0]): void {
    const pair = this.#pairs.get(oem);
    if (pair === undefined) return;
    this.#whose.set(`${oem}/${job.jobId}`, deviceId);
    pair.onReply = (reply) => {
      this.put({ kind: 'oem-reply', deviceId: this.#whose.get(`${oem}/${reply.jobId}`) ?? '', reply });
    };
    pair.submit(job);
  }

  put(input: CoreInput): CoreOutput {
    const out = this.core.handle(input, this.clock.nowMs());
    for (const e of out.effects) {
      if (e.kind === 'oem' && e.oem !== 'open') this.#submit(e.oem, e.deviceId, e.job);
    }
    return out;
  }

  /** Lets time pass and looks at the homes at the end of each ten seconds. */
  run(ms: number, look: () => void = () => {}): void {
    const endMs = this.clock.nowMs() + ms;
    while (this.clock.nowMs() < endMs) {
      this.clock.run(Math.min(endMs, this.clock.nowMs() + 10_000));
      if ((this.core.nextTimeoutMs() ?? Number.POSITIVE_INFINITY) <= this.clock.nowMs()) this.put({ kind: 'time' });
      this.fleet.advanceAll(this.clock.nowMs());
      look();
    }
  }

  /** A command of an operator from now on. @returns the id of the command, or why it was refused */
  command(i: number, input: CommandInput, forMs = MS_PER_HOUR): string {
    const startMs = this.clock.nowMs();
    const request = { workspaceId: 'ws', deviceId: `b${i}`, input, startMs, endMs: startMs + forMs, actor: 'ana' };
    const { facts, refusals } = this.put({ kind: 'command', request });
    const accepted = facts.find((f) => f.type === 'command.accepted');
    return accepted?.type === 'command.accepted' ? accepted.command.commandId : (refusals[0]?.why ?? 'nothing');
  }

  /** The battery of home i now [W], + discharge. */
  batteryW(i: number): number {
    return this.fleet.sample(i).state.chargeRate;
  }

  /** The meter of home i now [W], + import. */
  gridW(i: number): number {
    return this.fleet.sample(i).state.gridPower ?? Number.NaN;
  }
}

function deviceOf(h: HomeOptions, i: number): FleetDevice {
  return {
    ...HOME,
    deviceId: `b${i}`,
    siteId: `site-${i}`,
    spec: {
      ...HOME.spec,
      chargeWMax: h.batteryW,
      dischargeWMax: h.batteryW,
      storedWh: Math.round((HOME.spec.usableWh * h.socPct) / 100),
    },
    reservePct: h.reservePct,
    strategy: h.strategy,
    loadProfile: i,
    pvW: h.pvW,
  };
}
