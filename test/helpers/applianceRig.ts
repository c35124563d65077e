import { randomSource } from '../../harness/kernel/random.ts';
import { HttpWire, type LinkBehaviour, PERFECT_LINK } from '../../harness/wire/http.ts';
import { createOemLink, type OemLink } from '../../harness/world/oemLink.ts';
import type { ApplianceDevice } from '../../simulators/appliance/fleet.ts';
import { createOpenCloud, type OpenCloud } from '../../simulators/oem/appliance.ts';
import type { Behaviour } from '../../simulators/oem/behaviour.ts';
import { Core, type CoreOutput } from '../../src/core/core.ts';
import type { CoreInput, Effect, Refusal } from '../../src/core/input.ts';
import { defaultSettings } from '../../src/core/settings.ts';
import type { ApplianceInput } from '../../src/domain/appliance.ts';
import type { ApplianceCommand } from '../../src/domain/applianceCommand.ts';
import type { Fact } from '../../src/domain/fact.ts';
import type { EpochMs } from '../../src/domain/units.ts';
import { CAPABILITIES, createOemSession } from '../../src/oem/index.ts';
import type { OemJob, OemReply } from '../../src/ports/oem.ts';
import { FOUR, SURE } from '../unit/appliance/pair.ts';
import { HOUR, MINUTE, type World, world } from '../unit/appliance/world.ts';

/**
 * The core, its session with the open device cloud, the cloud and its devices, all on one virtual clock. Devices are
 * polled every five minutes. A restart folds the facts anew; the session and what was on the wire are gone.
 */
export interface RigOptions {
  readonly behaviour?: Partial<Behaviour>;
  readonly link?: Partial<LinkBehaviour>;
  readonly devices?: readonly ApplianceDevice[];
  readonly seed?: string;
}

export const PERIOD = 5 * MINUTE;

export class ApplianceRig {
  readonly world: World;
  readonly cloud: OpenCloud;
  readonly facts: { readonly atMs: EpochMs; readonly fact: Fact }[] = [];
  readonly effects: Effect[] = [];
  readonly jobs: OemJob[] = [];
  readonly refusals: Refusal[] = [];
  readonly replies: OemReply[] = [];
  /** Set: effects are recorded and go nowhere, as when a process dies before it performs them. */
  mute = false;
  /** Set: nothing that the cloud answers is heard. */
  deaf = false;
  core: Core;
  readonly #options: RigOptions;
  readonly settings = defaultSettings(CAPABILITIES);
  #link: OemLink;
  #life = 0;
  #polls = 0;
  #wakeMs: EpochMs | null = null;

  constructor(options: RigOptions = {}) {
    const { devices = FOUR, behaviour, seed = 'rig' } = options;
    this.#options = options;
    this.world = world(devices);
    this.cloud = createOpenCloud({
      scheduler: this.world.kernel,
      random: randomSource(seed),
      fleet: this.world.fleet,
      devices: devices.map((d, device) => ({ device, vendorDeviceId: `v-${d.deviceId}` })),
      behaviour: { ...SURE, telemetryDelayMs: 0, ...behaviour },
      credentials: { clientId: 'a', clientSecret: 'b' },
    });
    this.core = new Core(this.settings);
    this.#link = this.#connect();
    this.put({ kind: 'create-workspace', workspace: { workspaceId: 'ws', name: 'ws', gridServices: false } });
    const site = { siteId: 'home', workspaceId: 'ws', customerId: 'c', name: 'Home', timeZone: 'America/Los_Angeles' };
    this.put({ kind: 'create-site', site });
    for (const [i, { deviceId }] of devices.entries()) {
      const kind = this.world.fleet.kind(i);
      const source = { kind: 'oem', oem: 'open', vendorDeviceId: `v-${deviceId}` } as const;
      const what = { deviceId, workspaceId: 'ws', siteId: 'home', kind, manufacturer: 'M', model: 'X', source };
      this.put({ kind: 'connect-appliance', appliance: { ...what, tags: ['all'] } });
      this.#poll(deviceId);
    }
    this.run(1);
  }

  get nowMs(): EpochMs {
    return this.world.kernel.nowMs();
  }

  run(ms: number): void {
    this.world.kernel.run(this.nowMs + ms);
  }

  put(input: CoreInput): CoreOutput {
    const out = this.core.handle(input, this.nowMs);
    for (const fact of out.facts) this.facts.push({ atMs: this.nowMs, fact });
    this.refusals.push(...out.refusals);
    for (const effect of out.effects) this.#perform(effect);
    this.#arm();
    return out;
  }

  /** @returns the id of the command, or why it was refused */
  command(
    deviceId: string,
    setting: ApplianceInput,
    over: { readonly inMs?: number; readonly forMs?: number; readonly notAfterMs?: number } = {},
  ): string {
    const startMs = this.nowMs + (over.inMs ?? 0);
    const endMs = over.forMs === undefined ? null : startMs + over.forMs;
    const notAfterMs = startMs + (over.notAfterMs ?? HOUR);
    const request = { workspaceId: 'ws', deviceId, setting, startMs, endMs, notAfterMs, actor: 'ana' };
    const { facts, refusals } = this.put({ kind: 'appliance-command', request });
    const made = facts.find((f) => f.type === 'appliance.command-accepted');
    return made?.type === 'appliance.command-accepted' ? made.command.commandId : (refusals[0]?.why ?? 'nothing');
  }

  cancel(commandId: string): CoreOutput {
    return this.put({ kind: 'cancel-command', commandId, actor: 'ana' });
  }

  /** Status and reason of a command. */
  standing(commandId: string): readonly string[] {
    const entry = this.core.state.applianceCommands.get(commandId);
    if (entry === undefined) return ['no such command'];
    return entry.outcome === null ? [entry.status] : [entry.status, entry.outcome.reason];
  }

  accepted(): readonly ApplianceCommand[] {
    return this.facts.flatMap(({ fact }) => (fact.type === 'appliance.command-accepted' ? [fact.command] : []));
  }

  /** What device i shows now. */
  shown(i: number) {
    return this.world.fleet.sample(i).state;
  }

  /** The same plant after a crash: what the facts say, a new session, and nothing that was on its way. */
  restart(): void {
    this.#life += 1;
    this.#wakeMs = null;
    this.core = this.folded();
    this.#link = this.#connect();
    this.mute = false;
    this.deaf = false;
    this.put({ kind: 'resume' });
    this.put({ kind: 'time' });
  }

  folded(): Core {
    const core = new Core(this.settings);
    for (const { fact, atMs } of this.facts) core.replay([fact], atMs);
    return core;
  }

  #connect(): OemLink {
    const life = this.#life;
    const { kernel } = this.world;
    const wire = new HttpWire({
      scheduler: kernel,
      random: randomSource(this.#options.seed ?? 'rig'),
      name: `open-${life}`,
      link: { ...PERFECT_LINK, delayMinMs: 20, ...this.#options.link },
      handler: this.cloud.handle,
    });
    const session = createOemSession('open', { clientId: 'a', clientSecret: 'b', apiKey: '' });
    return createOemLink({
      scheduler: kernel,
      session,
      wire,
      onReply: (reply) => {
        if (life !== this.#life || this.deaf) return;
        this.replies.push(reply);
        const deviceId = this.#deviceOf(reply);
        this.put({ kind: 'oem-reply', deviceId, reply });
      },
    });
  }

  #deviceOf({ jobId }: OemReply): string {
    const vendorId = this.jobs.find((j) => j.jobId === jobId)?.vendorDeviceId ?? jobId.split('|')[1] ?? '';
    return vendorId.slice('v-'.length);
  }

  #perform(effect: Effect): void {
    this.effects.push(effect);
    if (effect.kind !== 'oem' || this.mute) return;
    this.jobs.push(effect.job);
    this.#link.submit(effect.job);
  }

  #poll(deviceId: string): void {
    const { kernel } = this.world;
    const vendorDeviceId = `v-${deviceId}`;
    const read = (): void => {
      this.#polls += 1;
      this.#link.submit({ kind: 'read-state', jobId: `poll-${this.#polls}|${vendorDeviceId}`, vendorDeviceId });
      kernel.at(this.nowMs + PERIOD, read);
    };
    kernel.at(this.nowMs, read);
  }

  #arm(): void {
    const atMs = this.core.nextTimeoutMs();
    if (atMs === null || (this.#wakeMs !== null && this.#wakeMs <= atMs && this.#wakeMs > this.nowMs)) return;
    const life = this.#life;
    this.#wakeMs = Math.max(atMs, this.nowMs);
    this.world.kernel.at(this.#wakeMs, () => {
      if (life !== this.#life) return;
      this.#wakeMs = null;
      this.put({ kind: 'time' });
    });
  }
}
