import type { Decided, Plant, Submitted } from '../../api/service.ts';
import type { Core } from '../../core/core.ts';
import type { CoreInput, Effect } from '../../core/input.ts';
import type { CoreSettings } from '../../core/settings.ts';
import type { CoreState } from '../../core/state.ts';
import type { TelemetryStore } from '../../core/telemetry.ts';
import type { EpochMs } from '../../domain/units.ts';
import { PRIORITY, type Scheduler, type TimerHandle } from '../../ports/clock.ts';
import type { Appended, Journal, JournalEntry, Origin, StoredReply } from '../../ports/journal.ts';
import { subjectsOf } from './subjects.ts';

/**
 * One core on a journal: nothing leaves and nobody is told before it is durable.
 *
 *   running ──(an append is refused)──> stalled ──(the disk takes writes again, state folded anew)──> running
 *
 * An input is decided at once, so that the next one sees its facts; its effects and its answer wait for the disk. When the
 * disk refuses, the state in memory is ahead of the truth: it is thrown away and folded again from the journal, and until
 * a probe is durable nothing is accepted, no timer runs and no control leaves (promise S20). What peers say meanwhile is
 * dropped: telemetry comes again, and answers to jobs are asked for after the stall as after a restart.
 */
export interface PlantOptions {
  readonly plantId: string;
  readonly scheduler: Scheduler;
  readonly journal: Journal;
  readonly settings: CoreSettings;
  /** The state of the newest snapshot, or null. Called at the start and after a stall. */
  readonly fold: () => Folded;
  readonly perform: (effect: Effect) => void;
  readonly onDurable: (entry: JournalEntry) => void;
}

/** What the journal holds of a plant. */
export interface Folded {
  readonly core: Core;
  /** Time of its last entry; -Infinity for a new plant [epoch ms]. */
  readonly lastMs: EpochMs;
}

/** Entries that wait for the disk; beyond it new requests are turned away. */
const WAITING_MAX = 20_000;
/** How often a stalled plant tries the disk. */
const PROBE_MS = 1_000;

const FROM_TIME: Origin = { workspaceId: null, actor: 'timer', requestId: null };

/** Why the disk takes nothing. */
interface Trouble {
  readonly reason: string;
  readonly why: string;
}

type Asked = {
  readonly input: CoreInput;
  readonly origin: Origin;
  readonly reply: ((decided: Decided) => StoredReply) | null;
};

export class LivePlant implements Plant {
  readonly plantId: string;
  readonly #o: PlantOptions;
  #core: Core;
  #lastMs: EpochMs;
  #waiting = 0;
  #stalled: Trouble | null = null;
  #wake: { readonly handle: TimerHandle; readonly atMs: EpochMs } | null = null;
  #closed = false;

  constructor(options: PlantOptions) {
    this.plantId = options.plantId;
    this.#o = options;
    const { core, lastMs } = options.fold();
    this.#core = core;
    this.#lastMs = lastMs;
  }

  get state(): CoreState {
    return this.#core.state;
  }

  get settings(): CoreSettings {
    return this.#o.settings;
  }

  get telemetry(): TelemetryStore {
    return this.#core.telemetry;
  }

  /** Time of the newest decision; -Infinity before the first [epoch ms]. */
  get lastMs(): EpochMs {
    return this.#lastMs;
  }

  /** Entries and effects that are not out yet. */
  get inFlight(): number {
    return this.#waiting;
  }

  get stalled(): string | null {
    return this.#stalled?.why ?? null;
  }

  /** Never before what the journal holds: a wall clock that was set back does not turn the plant's time back. */
  nowMs(): EpochMs {
    return Math.max(this.#o.scheduler.nowMs(), this.#lastMs);
  }

  /** Takes up what may be under way and what is due. Once, when those who perform effects are ready. */
  start(): void {
    this.tell({ kind: 'resume' }, 'system');
    this.tell({ kind: 'time' }, 'timer');
  }

  /** Something that nobody asked for: telemetry, an answer of a peer, time. */
  tell(input: CoreInput, actor: string): void {
    if (this.#stalled !== null || this.#closed) return;
    void this.#take({ input, origin: { workspaceId: null, actor, requestId: null }, reply: null });
  }

  /** A request. Resolves when it is durable, or when nothing happened. */
  async submit(asked: Asked): Promise<Submitted> {
    if (this.#closed) return unavailable('closing', 'the service is going down', 5);
    if (this.#stalled !== null) return this.#duringStall(asked.input);
    if (this.#waiting >= WAITING_MAX && !isUrgent(asked.input)) {
      return unavailable('overload', `${this.#waiting} entries wait for the disk`, 1);
    }
    return this.#take(asked);
  }

  /** Waits for what is on its way to the disk; nothing more is taken. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#disarm();
    for (let n = 0; this.#waiting > 0 && n < 1_000; n++) await new Promise((done) => setTimeout(done, 10));
  }

  async #take({ input, origin, reply }: Asked): Promise<Submitted> {
    const atMs = this.nowMs();
    this.#lastMs = atMs;
    const { facts, effects, refusals } = this.#core.handle(input, atMs);
    this.#arm();
    const decided: Decided = { facts, refusals, atMs };
    if (facts.length === 0) {
      this.#perform(effects);
      return { kind: 'done', seq: null, ...decided };
    }
    const entry = { plantId: this.plantId, atMs, origin, facts };
    const subjects = subjectsOf(facts, this.#core.state);
    this.#waiting += 1;
    const appended = await this.#append({ ...entry, subjects, reply: reply?.(decided) ?? null });
    this.#waiting -= 1;
    if (appended.kind === 'refused') {
      this.#stall(appended);
      return this.#duringStall(input);
    }
    this.#o.onDurable({ ...entry, seq: appended.seq, wallMs: atMs });
    // In a stall nothing leaves; what this entry intended is asked after when it is over.
    if (this.#stalled === null) this.#perform(effects);
    return { kind: 'done', seq: appended.seq, ...decided };
  }

  #append(entry: Parameters<Journal['append']>[0]): Promise<Appended> {
    return this.#o.journal.append(entry);
  }

  #perform(effects: readonly Effect[]): void {
    for (const effect of effects) if (effect.kind !== 'notify') this.#o.perform(effect);
  }

  #arm(): void {
    if (this.#closed) return;
    const atMs = this.#core.nextTimeoutMs();
    if (this.#wake !== null && this.#wake.atMs === atMs) return;
    this.#disarm();
    if (atMs === null) return;
    const onWake = (): void => {
      this.#wake = null;
      if (this.#stalled === null && !this.#closed)
        void this.#take({ input: { kind: 'time' }, origin: FROM_TIME, reply: null });
    };
    this.#wake = { atMs, handle: this.#o.scheduler.at(atMs, onWake, PRIORITY.core) };
  }

  #disarm(): void {
    if (this.#wake !== null) this.#o.scheduler.cancel(this.#wake.handle);
    this.#wake = null;
  }

  #stall({ reason, why }: Trouble): void {
    if (this.#stalled !== null) return;
    this.#stalled = { reason, why };
    this.#disarm();
    this.#foldAnew();
    setTimeout(() => void this.#probe(), PROBE_MS).unref();
  }

  #foldAnew(): void {
    const { core, lastMs } = this.#o.fold();
    this.#core = core;
    this.#lastMs = lastMs;
  }

  /** An entry without facts: if the disk takes it, it takes others. */
  async #probe(): Promise<void> {
    if (this.#closed) return;
    const atMs = this.nowMs();
    const origin: Origin = { workspaceId: null, actor: 'system', requestId: null };
    const tried = await this.#append({ plantId: this.plantId, atMs, origin, facts: [], subjects: [], reply: null });
    if (tried.kind === 'refused' || this.#waiting > 0) {
      if (tried.kind === 'refused') this.#stalled = { reason: tried.reason, why: tried.why };
      setTimeout(() => void this.#probe(), PROBE_MS).unref();
      return;
    }
    this.#foldAnew();
    this.#stalled = null;
    this.start();
  }

  /** The one thing that leaves without a record is the emergency stop of a site: safety comes before the books. */
  #duringStall(input: CoreInput): Submitted {
    const { reason, why } = this.#stalled ?? { reason: 'failed', why: 'the journal takes no entries' };
    if (input.kind !== 'emergency-stop') return unavailable(reason, why, 5);
    const device = this.#core.state.devices.get(input.deviceId)?.device;
    if (device?.source.kind !== 'dnp3') return unavailable(reason, why, 5);
    const { deviceId, source } = device;
    const job = { kind: 'emergency-stop', jobId: `unrecorded-${this.#o.scheduler.nowMs()}` } as const;
    this.#o.perform({ kind: 'field', deviceId, connectionId: source.connectionId, job });
    return unavailable(reason, `the stop was sent, but it could not be recorded: ${why}`, 5);
  }
}

const isUrgent = ({ kind }: CoreInput): boolean =>
  kind === 'emergency-stop' || kind === 'cancel-command' || kind === 'cancel-event';

const unavailable = (reason: string, why: string, retryAfterS: number): Submitted => ({
  kind: 'unavailable',
  reason,
  why,
  retryAfterS,
});
