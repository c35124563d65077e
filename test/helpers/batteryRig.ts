import type { Behaviour } from '../../simulators/oem/behaviour.ts';
import type { OemCloud } from '../../simulators/oem/cloud.ts';
import { createEnphaseCloud } from '../../simulators/oem/enphase.ts';
import { createSolaredgeCloud } from '../../simulators/oem/solaredge.ts';
import { createTeslaCloud } from '../../simulators/oem/tesla.ts';
import { Core, type CoreOutput } from '../../src/core/core.ts';
import type { CoreInput, Effect } from '../../src/core/input.ts';
import { defaultSettings } from '../../src/core/settings.ts';
import type { OperatingMode } from '../../src/domain/command.ts';
import type { Fact } from '../../src/domain/fact.ts';
import { type EpochMs, MS_PER_HOUR } from '../../src/domain/units.ts';
import { CAPABILITIES, createOemSession } from '../../src/oem/index.ts';
import type { BatteryOem } from '../../src/ports/oem.ts';
import { CREDENTIALS, devices, OemPair, START_MS, TestClock, TestFleet, testRandom } from './oemPair.ts';

/**
 * The core, its session with one maker's cloud, the cloud and a battery "b", on one virtual clock; polled once a telemetry
 * period. A restart folds the facts anew; the session and what was on the wire are gone.
 */
export class BatteryRig {
  readonly clock = new TestClock(START_MS);
  readonly fleet = new TestFleet(this.clock);
  readonly cloud: OemCloud;
  readonly facts: { readonly atMs: EpochMs; readonly fact: Fact }[] = [];
  readonly effects: Effect[] = [];
  readonly oem: BatteryOem;
  core: Core;
  pair: OemPair;
  readonly #settings = defaultSettings(CAPABILITIES);
  #polls = 0;

  constructor(oem: BatteryOem, behaviour: Partial<Behaviour> = {}) {
    this.oem = oem;
    const options = {
      scheduler: this.clock,
      random: testRandom(5),
      fleet: this.fleet,
      devices: devices(1),
      behaviour: { deliveryFailureRatio: 0, commandTailRatio: 0, ...behaviour },
      credentials: CREDENTIALS,
      programs: [{ programId: 'prog-1' }],
    };
    const make = { enphase: createEnphaseCloud, solaredge: createSolaredgeCloud, tesla: createTeslaCloud };
    this.cloud = make[oem](options);
    this.core = new Core(this.#settings);
    this.pair = this.#connect();
    this.put({ kind: 'create-workspace', workspace: { workspaceId: 'ws', name: 'ws', gridServices: true } });
    const site = { siteId: 'home', workspaceId: 'ws', customerId: 'c', name: 'Home', timeZone: 'America/Los_Angeles' };
    this.put({ kind: 'create-site', site });
    const device = {
      deviceId: 'b',
      workspaceId: 'ws',
      siteId: 'home',
      kind: 'battery',
      manufacturer: 'M',
      model: 'X',
      nameplate: { usableWh: 13_500, chargeWMax: 5_000, dischargeWMax: 5_000 },
      source: { kind: 'oem', oem, vendorDeviceId: '1000' },
      tags: ['all'],
    } as const;
    this.put({ kind: 'connect-device', device });
    this.#poll();
    this.run(1_000);
  }

  put(input: CoreInput): CoreOutput {
    const out = this.core.handle(input, this.clock.nowMs());
    for (const fact of out.facts) this.facts.push({ atMs: this.clock.nowMs(), fact });
    this.effects.push(...out.effects);
    for (const effect of out.effects) if (effect.kind === 'oem') this.pair.submit(effect.job);
    return out;
  }

  /** Lets time pass; the core's own deadlines are looked at every second. */
  run(ms: number): void {
    const endMs = this.clock.nowMs() + ms;
    while (this.clock.nowMs() < endMs) {
      this.clock.run(Math.min(endMs, this.clock.nowMs() + 1_000));
      if ((this.core.nextTimeoutMs() ?? Number.POSITIVE_INFINITY) <= this.clock.nowMs()) this.put({ kind: 'time' });
    }
  }

  /** @returns the id of the command, or why it was refused */
  setReserve(chargePercentage: number, over: { readonly forMs?: number; readonly inMs?: number } = {}): string {
    const startMs = this.clock.nowMs() + (over.inMs ?? 0);
    const endMs = over.forMs === undefined ? null : startMs + over.forMs;
    const setting = { slug: 'battery:set-reserve', input: { chargePercentage } } as const;
    const times = { startMs, endMs, notAfterMs: startMs + MS_PER_HOUR };
    const request = { workspaceId: 'ws', deviceId: 'b', setting, ...times, actor: 'ana' };
    return this.#idOf(this.put({ kind: 'appliance-command', request }));
  }

  setMode(operatingMode: OperatingMode, forMs = MS_PER_HOUR): string {
    const startMs = this.clock.nowMs();
    const input = { operatingMode, enableGridInteraction: operatingMode === 'discharge' };
    const request = { workspaceId: 'ws', deviceId: 'b', input, startMs, endMs: startMs + forMs, actor: 'ana' };
    return this.#idOf(this.put({ kind: 'command', request }));
  }

  /** Status and reason of a command of either kind. */
  standing(commandId: string): readonly string[] {
    const { commands, applianceCommands } = this.core.state;
    const entry = applianceCommands.get(commandId) ?? commands.get(commandId);
    if (entry === undefined) return ['no such command'];
    return entry.outcome === null ? [entry.status] : [entry.status, entry.outcome.reason];
  }

  folded(): Core {
    const core = new Core(this.#settings);
    for (const { fact, atMs } of this.facts) core.replay([fact], atMs);
    return core;
  }

  restart(): void {
    this.pair.onReply = () => {};
    this.core = this.folded();
    this.pair = this.#connect();
    this.put({ kind: 'resume' });
    this.put({ kind: 'time' });
  }

  #connect(): OemPair {
    const { clock, fleet, cloud } = this;
    const pair = new OemPair({ clock, fleet, cloud, session: createOemSession(this.oem, CREDENTIALS) });
    pair.onReply = (reply) => this.put({ kind: 'oem-reply', deviceId: 'b', reply });
    return pair;
  }

  #poll(): void {
    this.pair.submit({ kind: 'read-state', jobId: `poll-${++this.#polls}`, vendorDeviceId: '1000' });
    const periodMs = CAPABILITIES[this.oem].telemetryPeriodMs;
    this.clock.at(this.clock.nowMs() + periodMs, () => this.#poll());
  }

  #idOf({ facts, refusals }: CoreOutput): string {
    for (const f of facts) {
      if (f.type === 'command.accepted' || f.type === 'appliance.command-accepted') return f.command.commandId;
    }
    return refusals[0]?.why ?? 'nothing';
  }
}
