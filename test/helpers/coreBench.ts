import { Core, type CoreOutput } from '../../src/core/core.ts';
import type { CoreInput, Effect, Refusal } from '../../src/core/input.ts';
import { type CoreSettings, defaultSettings } from '../../src/core/settings.ts';
import type { BatteryState } from '../../src/domain/battery.ts';
import type { CommandInput, CommandOutcome, TerminalStatus } from '../../src/domain/command.ts';
import type { Device, DeviceSource } from '../../src/domain/device.ts';
import type { Dispatch, Fact } from '../../src/domain/fact.ts';
import { type Program, type ProgramTrigger, programTag } from '../../src/domain/program.ts';
import { MS_PER_HOUR, MS_PER_MIN } from '../../src/domain/units.ts';
import type { BatteryOem, OemCapabilities, OemId, OemJob, OemReply } from '../../src/ports/oem.ts';

/**
 * A small outside for the core: it builds a fleet, feeds telemetry, performs effects by answering them, and moves the
 * time. Clouds answer as told; a device does what its last taken command says, unless it is told to misbehave.
 */
export const MIN = MS_PER_MIN;
export const HOUR = MS_PER_HOUR;
/** Wednesday 2024-07-10 15:00 in Los Angeles. */
export const T0 = Date.UTC(2024, 6, 10, 22);
export const ZONE = 'America/Los_Angeles';
export const PROGRAM = 'dsgs';

const capabilities = (over: Partial<OemCapabilities>): OemCapabilities => ({
  gridServices: true,
  autoEnroll: false,
  needsEnrollment: false,
  powerControl: 'setpoint',
  scheduledStart: true,
  timedEnd: true,
  leadMs: MIN,
  durationMsMax: 5 * HOUR,
  telemetryPeriodMs: 5 * MIN,
  reservePctMin: 10,
  ...over,
});

/** Shapes of the three clouds as the core tells them apart; figures are the bench's own. */
export const CAPABILITIES: Readonly<Record<OemId, OemCapabilities>> = {
  enphase: capabilities({}),
  solaredge: capabilities({ autoEnroll: true, leadMs: 5 * MIN }),
  tesla: capabilities({
    gridServices: false,
    autoEnroll: true,
    powerControl: 'on-off',
    scheduledStart: false,
    timedEnd: false,
    leadMs: 0,
  }),
  open: capabilities({ gridServices: false, autoEnroll: true, timedEnd: false, leadMs: 0, reservePctMin: 0 }),
};

const WIRE: ReadonlySet<CoreInput['kind']> = new Set([
  'telemetry',
  'oem-reply',
  'field-event',
  'cancel-command',
  'cancel-event',
  'answer-event',
  'publish-prices',
  'awards',
]);

export type Make = BatteryOem | 'dnp3';
export type Answer = 'accept' | 'refuse' | 'refuse-grid' | 'lose' | 'not-sent' | 'silent';

export interface BenchOptions {
  readonly gridServices?: boolean;
  readonly trigger?: ProgramTrigger;
  readonly settings?: Partial<CoreSettings>;
  readonly startMs?: number;
  readonly answer?: (job: OemJob, deviceId: string) => Answer;
}

export interface DeviceOptions {
  readonly usableWh?: number;
  readonly dischargeWMax?: number;
  readonly tags?: readonly string[];
  readonly enrolled?: boolean;
  readonly observed?: boolean;
  readonly state?: Partial<BatteryState>;
  /** For a DNP3 site: limits and approval; absent = configured and approved for all it can. */
  readonly safety?: 'none' | 'unapproved' | { readonly approvedW: number };
}

export interface Sent {
  readonly atMs: number;
  readonly effect: Effect;
}

export class Bench {
  readonly core: Core;
  readonly settings: CoreSettings;
  readonly facts: { atMs: number; fact: Fact }[] = [];
  readonly sent: Sent[] = [];
  readonly refusals: Refusal[] = [];
  readonly inputs: { input: CoreInput; atMs: number }[] = [];
  nowMs: number;
  answer: (job: OemJob, deviceId: string) => Answer;
  /** Everything that comes in over a wire comes in twice. */
  twice = false;
  readonly #refs = new Map<string, string>();

  constructor(options: BenchOptions = {}) {
    this.settings = { ...defaultSettings(CAPABILITIES), ...options.settings };
    this.core = new Core(this.settings);
    this.nowMs = options.startMs ?? T0;
    this.answer = options.answer ?? (() => 'accept');
    const workspace = { workspaceId: 'ws', name: 'Test', gridServices: options.gridServices ?? true };
    this.put({ kind: 'create-workspace', workspace });
    this.program(PROGRAM, options.trigger);
  }

  program(programId: string, trigger: ProgramTrigger = { kind: 'called' }, over: Partial<Program> = {}): void {
    const program: Program = {
      programId,
      workspaceId: 'ws',
      name: programId,
      timeZone: ZONE,
      node: 'NODE',
      trigger,
      nominatedW: 5_000,
      paymentUsdPerKwh: 2,
      provenance: { source: 'test', standing: 'assumed' },
      ...over,
    };
    this.put({ kind: 'create-program', program });
  }

  /** Connects a device at its own site, enrolled in the program and seen a moment ago unless told otherwise. */
  device(make: Make, deviceId: string, options: DeviceOptions = {}): Device {
    const siteId = `site-${deviceId}`;
    const workspaceId = 'ws';
    this.put({
      kind: 'create-site',
      site: { siteId, workspaceId, customerId: 'c', name: siteId, timeZone: ZONE },
    });
    const dischargeWMax = options.dischargeWMax ?? 5_000;
    const source: DeviceSource =
      make === 'dnp3'
        ? { kind: 'dnp3', connectionId: `conn-${deviceId}`, mapRevision: 'r1' }
        : { kind: 'oem', oem: make, vendorDeviceId: `v-${deviceId}` };
    const device: Device = {
      deviceId,
      workspaceId,
      siteId,
      kind: make === 'dnp3' ? 'bess' : 'battery',
      manufacturer: make,
      model: 'M',
      nameplate: { usableWh: options.usableWh ?? 13_500, chargeWMax: dischargeWMax, dischargeWMax },
      source,
      tags: options.tags ?? [programTag(PROGRAM)],
    };
    if (make === 'dnp3') this.#configureSafety(siteId, dischargeWMax, options.safety);
    this.put({ kind: 'connect-device', device });
    if (options.enrolled !== false) this.enroll(deviceId);
    if (options.observed !== false) this.observe(deviceId, options.state);
    return device;
  }

  #configureSafety(siteId: string, limitW: number, safety: DeviceOptions['safety']): void {
    if (safety === 'none') return;
    const limits = { chargeWMax: limitW, dischargeWMax: limitW };
    this.put({
      kind: 'configure-safety',
      siteId,
      safety: { watchdog: { timeoutMs: MIN }, ...limits },
      actor: 'ana',
    });
    if (safety !== 'unapproved') this.approve(siteId, safety?.approvedW ?? limitW);
  }

  approve(siteId: string, approvedW: number): void {
    const approval = {
      approvalId: `a-${siteId}`,
      siteId,
      requestedBy: 'ana',
      approvedBy: 'ben',
      fromMs: this.nowMs,
      untilMs: this.nowMs + 24 * HOUR,
      chargeWMax: approvedW,
      dischargeWMax: approvedW,
      mapRevision: 'r1',
    };
    this.put({ kind: 'approve-control', approval });
  }

  /** Enrols and, where the manufacturer has to agree, lets it agree. */
  enroll(deviceId: string, programId = PROGRAM): void {
    const e = () => this.core.state.enrollments.get(`${programId}/${deviceId}`);
    if (e() === undefined) this.put({ kind: 'enroll', deviceId, programId });
    const enrollment = e();
    if (enrollment?.status !== 'submitted') return;
    this.enrollmentReply(deviceId, enrollment.enrollmentId, 'approved');
  }

  enrollmentReply(
    deviceId: string,
    enrollmentId: string,
    status: 'not-enrolled' | 'submitted' | 'approved' | 'rejected',
  ): void {
    const jobId = `read-${enrollmentId}`;
    this.reply(deviceId, { kind: 'enrollment', jobId, vendorDeviceId: `v-${deviceId}`, status });
  }

  /** Telemetry: full, idle and calm unless told otherwise. */
  observe(deviceId: string, over: Partial<BatteryState> = {}, online = true): CoreOutput {
    const state = batteryState(
      this.core.state.devices.get(deviceId)?.device.nameplate.usableWh ?? 13_500,
      this.nowMs,
      over,
    );
    const source = this.core.state.devices.get(deviceId)?.device.source.kind;
    return source === 'dnp3'
      ? this.put({ kind: 'field-event', deviceId, event: { kind: 'state', state, local: false } })
      : this.put({ kind: 'telemetry', deviceId, state, online });
  }

  link(deviceId: string, up: boolean): CoreOutput {
    return this.put({ kind: 'field-event', deviceId, event: { kind: 'link', up } });
  }

  reply(deviceId: string, reply: OemReply): CoreOutput {
    return this.put({ kind: 'oem-reply', deviceId, reply });
  }

  put(input: CoreInput): CoreOutput {
    this.inputs.push({ input, atMs: this.nowMs });
    const output = this.core.handle(input, this.nowMs);
    for (const fact of output.facts) this.facts.push({ atMs: this.nowMs, fact });
    this.refusals.push(...output.refusals);
    for (const effect of output.effects) this.sent.push({ atMs: this.nowMs, effect });
    for (const effect of output.effects) this.#perform(effect);
    if (this.twice && WIRE.has(input.kind)) this.#again(input);
    return output;
  }

  #again(input: CoreInput): void {
    this.twice = false;
    this.put(input);
    this.twice = true;
  }

  #perform(effect: Effect): void {
    if (effect.kind === 'field') {
      const reply = { kind: 'operated', jobId: effect.job.jobId } as const;
      const { deviceId } = effect;
      if (this.core.state.devices.get(deviceId)?.reachable) {
        this.put({ kind: 'field-event', deviceId, event: { kind: 'reply', reply } });
      }
    }
    if (effect.kind !== 'oem') return;
    const { job, deviceId } = effect;
    if (job.kind !== 'control' && job.kind !== 'cancel') return;
    const reply = this.answerTo(job, deviceId);
    if (reply !== null) this.reply(deviceId, reply);
  }

  #refOf(jobId: string): string {
    const ref = this.#refs.get(jobId) ?? `ref-${this.#refs.size + 1}`;
    this.#refs.set(jobId, ref);
    return ref;
  }

  answerTo(job: OemJob, deviceId: string): OemReply | null {
    const { jobId } = job;
    const grid = job.kind === 'control' && job.route === 'grid_services';
    switch (this.answer(job, deviceId)) {
      case 'accept':
        return { kind: 'accepted', jobId, vendorRef: this.#refOf(jobId) };
      case 'refuse-grid':
        return grid
          ? { kind: 'refused', jobId, code: 'E1', message: 'not now' }
          : { kind: 'accepted', jobId, vendorRef: this.#refOf(jobId) };
      case 'refuse':
        return { kind: 'refused', jobId, code: 'E1', message: 'not now' };
      case 'lose':
        return { kind: 'unknown', jobId, message: 'no answer' };
      case 'not-sent':
        return { kind: 'not-sent', jobId, message: 'throttled' };
      case 'silent':
        return null;
    }
  }

  /** Moves the time to an instant, with every deadline of the core on the way. */
  advanceTo(toMs: number): void {
    for (let n = 0; n < 1_000_000; n++) {
      const next = this.core.nextTimeoutMs();
      if (next === null || next > toMs) break;
      this.nowMs = Math.max(this.nowMs, next);
      this.put({ kind: 'time' });
    }
    this.nowMs = Math.max(this.nowMs, toMs);
  }

  advance(ms: number): void {
    this.advanceTo(this.nowMs + ms);
  }

  /** Moves the time while devices report each period; the state of each comes from a function. */
  run(
    toMs: number,
    sample: (deviceId: string, nowMs: number) => Partial<BatteryState> | null = (id) => this.obedient(id),
    periodMs = 5 * MIN,
  ): void {
    while (this.nowMs < toMs) {
      this.advanceTo(Math.min(toMs, this.nowMs + periodMs));
      for (const deviceId of [...this.core.state.devices.keys()].sort()) {
        const over = sample(deviceId, this.nowMs);
        if (over !== null) this.observe(deviceId, over);
      }
    }
  }

  /** What a device does that follows the command that holds now. */
  obedient(deviceId: string): Partial<BatteryState> {
    const id = this.core.state.devices.get(deviceId)?.openCommandId ?? null;
    const command = id === null ? undefined : this.core.state.commands.get(id)?.command;
    if (command === undefined || command.startMs > this.nowMs || command.endMs <= this.nowMs) return { chargeRate: 0 };
    const nameplate = this.core.state.devices.get(deviceId)?.device.nameplate;
    const { operatingMode, powerW } = command.input;
    if (operatingMode === 'discharge') return { chargeRate: powerW ?? nameplate?.dischargeWMax ?? 0 };
    return { chargeRate: operatingMode === 'charge' ? -(powerW ?? nameplate?.chargeWMax ?? 0) : 0 };
  }

  /** Requests a command of an operator from now (or later) for an hour. */
  command(deviceId: string, input: Partial<CommandInput> = {}, window: { inMs?: number; forMs?: number } = {}): string {
    const startMs = this.nowMs + (window.inMs ?? 0);
    const out = this.put({
      kind: 'command',
      request: {
        workspaceId: 'ws',
        deviceId,
        input: { operatingMode: 'discharge', enableGridInteraction: true, ...input },
        startMs,
        endMs: startMs + (window.forMs ?? HOUR),
        actor: 'ana',
      },
    });
    const accepted = out.facts.find((f) => f.type === 'command.accepted');
    return accepted?.type === 'command.accepted' ? accepted.command.commandId : '';
  }

  /** Offers an event; by default one hour from one hour from now. */
  event(
    targetW: number,
    over: { inMs?: number; forMs?: number; programId?: string; kind?: 'dispatch' | 'incentive' } = {},
  ) {
    const startMs = this.nowMs + (over.inMs ?? HOUR);
    const endMs = startMs + (over.forMs ?? HOUR);
    const out = this.put({
      kind: 'offer-event',
      offer: {
        programId: over.programId ?? PROGRAM,
        kind: over.kind ?? 'dispatch',
        calledBy: 'test',
        intervals: [{ startMs, endMs, targetW, priceUsdPerMwh: null }],
      },
    });
    const offered = out.facts.find((f) => f.type === 'event.offered');
    return { eventId: offered?.type === 'event.offered' ? offered.event.eventId : '', startMs, endMs };
  }

  outcome(commandId: string): CommandOutcome | null {
    return this.core.state.commands.get(commandId)?.outcome ?? null;
  }

  ended(commandId: string): [TerminalStatus, string] | null {
    const o = this.outcome(commandId);
    return o === null ? null : [o.status, o.reason];
  }

  factsOf<T extends Fact['type']>(type: T): Extract<Fact, { type: T }>[] {
    return this.facts.flatMap(({ fact }) => (fact.type === type ? [fact as Extract<Fact, { type: T }>] : []));
  }

  get lastDispatch(): Dispatch | undefined {
    return this.factsOf('dispatch.planned').at(-1)?.dispatch;
  }

  reasonOf(deviceId: string): string | undefined {
    return this.lastDispatch?.excluded.find((x) => x.deviceId === deviceId)?.reason;
  }

  allocatedW(deviceId: string): number {
    return this.lastDispatch?.allocations.find((a) => a.deviceId === deviceId)?.allocatedW ?? 0;
  }

  /** Jobs that went to clouds, without reads. */
  jobs(deviceId?: string): OemJob[] {
    return this.sent.flatMap(({ effect }) =>
      effect.kind === 'oem' &&
      (effect.job.kind === 'control' || effect.job.kind === 'cancel') &&
      (deviceId === undefined || effect.deviceId === deviceId)
        ? [effect.job]
        : [],
    );
  }

  fieldJobs(deviceId: string): string[] {
    return this.sent.flatMap(({ effect }) =>
      effect.kind === 'field' && effect.deviceId === deviceId ? [effect.job.kind] : [],
    );
  }
}

/** A battery that is full, idle, keeps 20 % and is in no storm, with changes. */
export function batteryState(usableWh: number, sampledAtMs: number, over: Partial<BatteryState> = {}): BatteryState {
  const chargePercentage = over.chargePercentage ?? 100;
  return {
    charge: (usableWh * chargePercentage) / 100,
    chargePercentage,
    chargingState: 'idle',
    chargeRate: 0,
    backupReserve: 20,
    gridStatus: 'unknown',
    gridPower: null,
    strategy: 'self_consumption',
    isStormModeEnabled: true,
    isStormModeActive: false,
    sampledAtMs,
    ...over,
  };
}

/** A value with keys sorted and maps and sets as lists, so that two states can be compared as text. */
export function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, v: unknown) => {
    if (v instanceof Map) return [...v.entries()];
    if (v instanceof Set) return [...v].sort();
    if (v !== null && typeof v === 'object' && !Array.isArray(v)) {
      return Object.fromEntries(Object.entries(v).sort(([a], [b]) => (a < b ? -1 : 1)));
    }
    return v;
  });
}
