import { anyDevice, deviceOf, isBattery } from '../../core/anyDevice.ts';
import type { Effect } from '../../core/input.ts';
import { holderOf, type Reach } from '../../core/sources.ts';
import type { CoreState } from '../../core/state.ts';
import type { Appliance } from '../../domain/applianceCommand.ts';
import type { Device } from '../../domain/device.ts';
import type { Fact } from '../../domain/fact.ts';
import type { Approval, SiteSafety } from '../../domain/safety.ts';
import { PRIORITY } from '../../ports/clock.ts';
import type { FieldEvent, FieldJob } from '../../ports/field.ts';
import type { OemCapabilities, OemId, OemJob, OemReply } from '../../ports/oem.ts';
import { Poller } from '../poller.ts';
import type { SteppedClock } from '../steppedClock.ts';
import type { Outside, Tell } from './outside.ts';
import type { TelemetrySink } from './telemetry.ts';

/**
 * The outside of a plant: a link per cloud and per site, the polling of devices behind clouds, and the way back. The same
 * for wall time and real sockets, and for a stepped clock and makers in the same process.
 */
export interface CloudLink {
  submit(job: OemJob): void;
  inFlight(): number;
  health(): { readonly ok: boolean; readonly why: string };
  stop(): void | Promise<void>;
}

export interface SiteLink {
  start(): void;
  submit(job: FieldJob): void;
  /** What the safety gate goes by from now on. */
  configure(safety: SiteSafety | null, approvals: readonly Approval[]): void;
  inFlight(): number;
  health(): { readonly ok: boolean; readonly why: string };
  stop(): void | Promise<void>;
}

/** @param state  of the plant, as it is when it is asked */
export type MakeCloudLink = (onReply: (reply: OemReply) => void, state: () => CoreState) => CloudLink;

export interface AroundOptions {
  readonly clock: SteppedClock;
  /** The clock may be frozen and advanced from outside. */
  readonly testClock: boolean;
  readonly capabilities: Readonly<Record<OemId, OemCapabilities>>;
  readonly clouds: ReadonlyMap<OemId, MakeCloudLink>;
  readonly sites: ReadonlyMap<string, (onEvent: (event: FieldEvent) => void) => SiteLink>;
  readonly telemetry: TelemetrySink;
  /** As the core's settings have it. */
  readonly reach?: Reach | undefined;
}

export class Around implements Outside {
  readonly #o: AroundOptions;
  readonly #clouds = new Map<OemId, CloudLink>();
  readonly #sites = new Map<string, SiteLink>();
  /** Job → device, until it is answered. */
  readonly #owners = new Map<string, string>();
  readonly #poller: Poller;
  #tell: Tell = () => {};
  #state: () => CoreState = () => {
    throw new Error('not started');
  };

  constructor(options: AroundOptions) {
    this.#o = options;
    this.#poller = new Poller(options.clock);
  }

  get scheduler(): SteppedClock {
    return this.#o.clock;
  }

  get clock(): SteppedClock | null {
    return this.#o.testClock ? this.#o.clock : null;
  }

  start(tell: Tell, state: () => CoreState): void {
    const { clock, clouds, sites } = this.#o;
    this.#tell = tell;
    this.#state = state;
    for (const [oem, make] of clouds) {
      const link = make((reply) => this.#onReply(oem, reply), state);
      this.#clouds.set(oem, link);
      clock.watch(() => link.inFlight(), `requests to ${oem}`);
    }
    for (const [connectionId, make] of sites) {
      const link = make((event) => this.#onEvent(connectionId, event));
      this.#sites.set(connectionId, link);
      clock.watch(() => link.inFlight(), `octets to and from ${connectionId}`);
    }
    for (const { device } of state().devices.values()) this.#connected(device);
    for (const { appliance } of state().appliances.values()) this.#polled(appliance);
    for (const [connectionId, link] of this.#sites) {
      this.#configure(connectionId);
      link.start();
    }
  }

  perform(effect: Effect): void {
    switch (effect.kind) {
      case 'oem':
        return this.#submit(effect.oem, effect.deviceId, effect.job);
      case 'field':
        return this.#operate(effect.connectionId, effect.deviceId, effect.job);
      case 'notify':
        return;
    }
  }

  watch(probe: () => number, name: string): void {
    this.#o.clock.watch(probe, name);
  }

  onFacts(facts: readonly Fact[]): void {
    const sites = new Set<string>();
    for (const fact of facts) {
      if (fact.type === 'device.connected') this.#connected(fact.device);
      if (fact.type === 'appliance.connected') this.#polled(fact.appliance);
      const siteId = siteOf(fact, this.#state());
      if (siteId !== null) sites.add(siteId);
    }
    if (sites.size === 0) return;
    for (const connectionId of this.#sites.keys()) {
      if (sites.has(this.#holderOf(connectionId)?.siteId ?? '')) this.#configure(connectionId);
    }
  }

  health(): Record<string, { ok: boolean; why: string }> {
    const parts: Record<string, { ok: boolean; why: string }> = {};
    const setByMs = this.#o.testClock ? 0 : Date.now() - this.#o.clock.nowMs();
    if (Math.abs(setByMs) > SKEW_MS_MAX) parts.clock = { ok: false, why: clockWords(setByMs) };
    for (const [oem, link] of this.#clouds) parts[`cloud/${oem}`] = link.health();
    for (const [connectionId, link] of this.#sites) parts[`site/${connectionId}`] = link.health();
    return parts;
  }

  async stop(): Promise<void> {
    this.#tell = () => {};
    this.#poller.stop();
    const links = [...this.#clouds.values(), ...this.#sites.values()];
    const stopped = await Promise.allSettled(links.map(async (link) => link.stop()));
    this.#o.clock.stop();
    for (const result of stopped) if (result.status === 'rejected') throw result.reason;
  }

  #connected({ source, deviceId }: Device): void {
    if (source.kind === 'dnp3') this.#configure(source.connectionId);
    else this.#poll(deviceId, source.oem, source.vendorDeviceId);
  }

  #polled({ deviceId, source }: Appliance): void {
    this.#poll(deviceId, source.oem, source.vendorDeviceId);
  }

  /** The one device that a connection is led to. */
  #holderOf(connectionId: string): Device | null {
    const entry = holderOf(this.#state(), this.#o.reach, { kind: 'dnp3', connectionId, mapRevision: '' });
    return entry !== null && isBattery(entry) ? entry.device : null;
  }

  /** Its source is another's: a device that was there first, or the workspace that alone may have it. */
  #isCutOff(deviceId: string): boolean {
    const state = this.#state();
    const entry = anyDevice(state, deviceId);
    if (entry === undefined) return false;
    const holder = holderOf(state, this.#o.reach, deviceOf(entry).source);
    return holder !== entry;
  }

  #configure(connectionId: string): void {
    const siteId = this.#holderOf(connectionId)?.siteId;
    if (siteId === undefined) return;
    const { safety, approvals } = this.#state();
    this.#sites.get(connectionId)?.configure(safety.get(siteId) ?? null, approvals.get(siteId) ?? []);
  }

  /** Once per telemetry period of its cloud, and once at first: until then nothing is known of it. */
  #poll(deviceId: string, oem: OemId, vendorDeviceId: string): void {
    if (!this.#clouds.has(oem) || this.#isCutOff(deviceId)) return;
    const submit = (job: OemJob): void => this.#submit(oem, deviceId, job);
    this.#poller.add({ deviceId, vendorDeviceId, periodMs: this.#o.capabilities[oem].telemetryPeriodMs, submit });
    this.#later(() => submit({ kind: 'read-state', jobId: `first-${deviceId}`, vendorDeviceId }));
  }

  #submit(oem: OemId, deviceId: string, job: OemJob): void {
    const link = this.#clouds.get(oem);
    const { jobId } = job;
    if (link === undefined || this.#isCutOff(deviceId)) {
      const reply: OemReply = { kind: 'not-sent', jobId, message: `no connection to ${oem} is configured` };
      this.#later(() => this.#tell({ kind: 'oem-reply', deviceId, reply }, `cloud/${oem}`));
      return;
    }
    this.#owners.set(jobId, deviceId);
    link.submit(job);
  }

  #operate(connectionId: string, deviceId: string, job: FieldJob): void {
    const link = this.#sites.get(connectionId);
    if (link !== undefined && !this.#isCutOff(deviceId)) {
      // After a stall the state is another one than the gate was told.
      if (job.kind === 'setpoint' || job.kind === 'reserve') this.#configure(connectionId);
      return link.submit(job);
    }
    const why = `no connection ${connectionId} is configured`;
    const reply = { kind: 'refused', jobId: job.jobId, why } as const;
    this.#later(() =>
      this.#tell({ kind: 'field-event', deviceId, event: { kind: 'reply', reply } }, `site/${connectionId}`),
    );
  }

  #later(fn: () => void): void {
    this.#o.clock.at(this.#o.clock.nowMs(), fn, PRIORITY.wire);
  }

  #onReply(oem: OemId, reply: OemReply): void {
    const deviceId = this.#owners.get(reply.jobId);
    if (reply.kind !== 'kept') this.#owners.delete(reply.jobId);
    if (deviceId === undefined) return;
    if (reply.kind === 'state') this.#o.telemetry.addState(deviceId, reply.state);
    if (reply.kind === 'appliance-state') this.#o.telemetry.addApplianceState(deviceId, reply.state);
    this.#tell({ kind: 'oem-reply', deviceId, reply }, `cloud/${oem}`);
  }

  #onEvent(connectionId: string, event: FieldEvent): void {
    const deviceId = this.#holderOf(connectionId)?.deviceId;
    if (deviceId === undefined) return;
    if (event.kind === 'points') return this.#o.telemetry.addPoints(deviceId, event.points);
    if (event.kind === 'state') this.#o.telemetry.addState(deviceId, event.state);
    this.#tell({ kind: 'field-event', deviceId, event }, `site/${connectionId}`);
  }
}

/** @source reliability practice: 2 s between clocks are tolerated, a jump of more than 5 s is told */
const SKEW_MS_MAX = 5_000;

/** The plant's time runs on with the monotonic clock, so that no deadline moves; only a start takes a new time. */
const clockWords = (setByMs: number): string =>
  `the machine's clock is ${Math.round(setByMs / 1_000)} s from the time that the service goes by since its start`;

/** The site whose safety a fact is about; null for other facts. */
function siteOf(fact: Fact, state: CoreState): string | null {
  if (fact.type === 'undo.sent') return state.devices.get(fact.deviceId)?.device.siteId ?? null;
  if (!fact.type.startsWith('site.') && !fact.type.startsWith('approval.') && !fact.type.startsWith('stop.'))
    return null;
  if ('siteId' in fact && typeof fact.siteId === 'string') return fact.siteId;
  if ('approval' in fact) return fact.approval.siteId;
  return 'deviceId' in fact && typeof fact.deviceId === 'string'
    ? (state.devices.get(fact.deviceId)?.device.siteId ?? null)
    : null;
}
