import type { Decided, Plant, Submitted } from '../../api/service.ts';
import type { Core } from '../../core/core.ts';
import type { CoreInput, Effect } from '../../core/input.ts';
import type { CoreSettings } from '../../core/settings.ts';
import type { CoreState } from '../../core/state.ts';
import type { TelemetryStore } from '../../core/telemetry.ts';
import type { Device } from '../../domain/device.ts';
import type { EpochMs } from '../../domain/units.ts';
import { PRIORITY, type Scheduler, type TimerHandle } from '../../ports/clock.ts';
import type { Appended, Journal, JournalEntry, Origin, StoredReply } from '../../ports/journal.ts';
import { messageOf } from '../journal/errors.ts';
import { subjectsOf } from './subjects.ts';

/**
 * One core on a journal: nothing leaves and nobody is told before it is durable.
 *
 *   running ──(an append is refused, or a bug)──> stalled ──(the disk takes writes again)──> running
 *
 * An input is decided at once, so that the next one sees its facts; its effects and its answer wait for the disk. An answer
 * that needs no entry waits for the entries before it, which it may rest on.
 * When the disk refuses, or a bug stops a decision half-way, the state in memory is ahead of the truth: it is thrown away
 * and folded again from the journal, and until a probe is durable nothing is accepted, no timer runs and no control leaves
 * (promise S20). What was on its way to the disk before and arrives there is added to the fold. What peers say meanwhile is
 * dropped: telemetry comes again, and answers to jobs are asked for after the stall as after a restart.
 */
export interface PlantOptions {
  readonly plantId: string;
  readonly scheduler: Scheduler;
  readonly journal: Journal;
  readonly settings: CoreSettings;
  /** What the journal holds of the plant. Called at the start and in a stall. */
  readonly fold: () => Folded;
  readonly perform: (effect: Effect) => void;
  readonly onDurable: (entry: JournalEntry) => void;
}

/** What the journal holds of a plant. */
export interface Folded {
  readonly core: Core;
  /** Time of its last entry; -Infinity for a new plant [epoch ms]. */
  readonly lastMs: EpochMs;
  /** Number of the last entry that was read, of whatever plant. */
  readonly seq: number;
}

/** Entries that wait for the disk; beyond it new requests are turned away. The other half is for what is not asked. */
export const WAITING_MAX = 10_000;
/** How often a stalled plant tries the disk; after one stall upon another twice as long, up to the most [ms]. */
export const PROBE_MS = 1_000;
const PROBE_MS_MAX = 60_000;

const FROM_SYSTEM: Origin = { workspaceId: null, actor: 'system', requestId: null };

/** Why nothing is taken. */
interface Trouble {
  readonly reason: string;
  readonly why: string;
}

type Asked = {
  readonly input: CoreInput;
  readonly origin: Origin;
  readonly reply: ((decided: Decided) => StoredReply) | null;
};

interface Taken {
  readonly decided: Decided;
  readonly effects: readonly Effect[];
  /** null: there is nothing to record. */
  readonly entry: Pick<JournalEntry, 'plantId' | 'atMs' | 'origin' | 'facts'> | null;
  readonly appended: Promise<Appended> | null;
}

export class LivePlant implements Plant {
  readonly plantId: string;
  readonly #o: PlantOptions;
  #core: Core;
  #lastMs: EpochMs;
  /** The state has every entry of the plant up to this one, and those that were decided since. */
  #foldedSeq: number;
  #waiting = 0;
  /** The newest entry on its way to the disk. */
  #tail: Promise<Appended> | null = null;
  #stalled: Trouble | null = null;
  /** The state holds what the journal does not, and could not be folded anew. */
  #isAhead = false;
  #probeMs = PROBE_MS;
  #wake: { readonly handle: TimerHandle; readonly atMs: EpochMs } | null = null;
  #closed = false;

  constructor(options: PlantOptions) {
    this.plantId = options.plantId;
    this.#o = options;
    const { core, lastMs, seq } = options.fold();
    this.#core = core;
    this.#lastMs = lastMs;
    this.#foldedSeq = seq;
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

  /** Entries that are not on the disk yet. */
  get inFlight(): number {
    return this.#waiting;
  }

  get stalled(): string | null {
    return this.#stalled?.why ?? null;
  }

  /** Whether the state is that of the journal with all that waits for it. Ask at the start of a turn of the event loop. */
  get isExact(): boolean {
    return this.#stalled === null || (!this.#isAhead && this.#waiting === 0);
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
    const taken = this.#take({ input, origin: { workspaceId: null, actor, requestId: null }, reply: null });
    // A bug has stalled the plant, which says so in its health.
    taken.catch(() => {});
  }

  /**
   * A request. Resolves when it is durable, or when nothing happened.
   * @throws whatever a bug throws, as a rejection; the plant is stalled then
   */
  async submit(asked: Asked): Promise<Submitted> {
    if (this.#closed) return unavailable('closing', 'the service is going down', 5);
    if (this.#stalled !== null) return this.#duringStall(asked.input);
    const waiting = this.#o.journal.pending();
    if (waiting >= WAITING_MAX && !isUrgent(asked.input)) {
      return unavailable('overload', `${waiting} entries wait for the disk`, 1);
    }
    const taking = this.#take(asked);
    const before = this.#tail;
    const done = await taking;
    if (done.kind === 'unavailable' || done.seq !== null || before === null) return done;
    return (await before).kind === 'durable' ? done : this.#duringStall(asked.input);
  }

  /** Records how late it is, where a clock was set forward and nothing else happened. */
  async keepTime(): Promise<void> {
    if (this.#stalled !== null || this.#closed) return;
    this.#lastMs = this.nowMs();
    this.#waiting += 1;
    const appended = await this.#appendTime(this.#lastMs);
    this.#waiting -= 1;
    if (appended.kind === 'refused') this.#stall(appended);
  }

  /** Waits for what is on its way to the disk; nothing more is taken. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#disarm();
    for (let n = 0; this.#waiting > 0 && n < 1_000; n++) await new Promise((done) => setTimeout(done, 10));
  }

  async #take(asked: Asked): Promise<Submitted> {
    const { decided, effects, entry, appended: writing } = this.#guarded(() => this.#decide(asked));
    if (entry === null || writing === null) {
      this.#guarded(() => this.#perform(effects));
      return { kind: 'done', seq: null, ...decided };
    }
    this.#waiting += 1;
    this.#tail = writing;
    const appended = await writing;
    this.#waiting -= 1;
    if (this.#waiting === 0) this.#tail = null;
    if (appended.kind === 'refused') {
      this.#stall(appended);
      return this.#duringStall(asked.input);
    }
    const { seq } = appended;
    this.#guarded(() => this.#recorded({ ...entry, seq, wallMs: entry.atMs }));
    // In a stall nothing leaves but a stop; what this entry intended is asked after when it is over.
    if (this.#stalled === null || isStop(asked.input)) this.#guarded(() => this.#perform(effects));
    return { kind: 'done', seq, ...decided };
  }

  #decide({ input, origin, reply }: Asked): Taken {
    const atMs = this.nowMs();
    this.#lastMs = atMs;
    const { facts, effects, refusals } = this.#core.handle(input, atMs);
    this.#arm();
    const decided: Decided = { facts, refusals, atMs };
    if (facts.length === 0) return { decided, effects, entry: null, appended: null };
    const entry = { plantId: this.plantId, atMs, origin, facts };
    const subjects = subjectsOf(facts, this.#core.state);
    const appended = this.#o.journal.append({ ...entry, subjects, reply: reply?.(decided) ?? null });
    return { decided, effects, entry, appended };
  }

  #recorded(entry: JournalEntry): void {
    if (this.#stalled === null) this.#probeMs = PROBE_MS;
    else if (entry.seq > this.#foldedSeq) this.#core.replay(entry.facts, entry.atMs);
    this.#o.onDurable(entry);
  }

  #perform(effects: readonly Effect[]): void {
    for (const effect of effects) if (effect.kind !== 'notify') this.#o.perform(effect);
  }

  /** What a bug leaves half-done is never built upon: at once, before another input is decided. */
  #guarded<T>(act: () => T): T {
    try {
      return act();
    } catch (e) {
      this.#stall({ reason: 'bug', why: `a bug: ${messageOf(e)}` });
      throw e;
    }
  }

  #arm(): void {
    if (this.#closed) return;
    const atMs = this.#core.nextTimeoutMs();
    if (this.#wake !== null && this.#wake.atMs === atMs) return;
    this.#disarm();
    if (atMs === null) return;
    const onWake = (): void => {
      this.#wake = null;
      this.tell({ kind: 'time' }, 'timer');
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
    this.#probeLater();
    this.#probeMs = Math.min(2 * this.#probeMs, PROBE_MS_MAX);
  }

  #foldAnew(): void {
    try {
      const { core, lastMs, seq } = this.#o.fold();
      this.#core = core;
      this.#lastMs = Math.max(this.#lastMs, lastMs);
      this.#foldedSeq = seq;
      this.#isAhead = false;
    } catch (e) {
      this.#stalled = { reason: 'failed', why: `the journal cannot be read: ${messageOf(e)}` };
      this.#isAhead = true;
    }
  }

  #probeLater(): void {
    setTimeout(() => void this.#probe(), this.#probeMs).unref();
  }

  async #probe(): Promise<void> {
    if (this.#closed) return;
    if (this.#isAhead) this.#foldAnew();
    if (this.#isAhead) return this.#probeLater();
    const tried = await this.#appendTime(this.nowMs());
    if (this.#closed) return;
    if (tried.kind === 'refused') this.#stalled = { reason: tried.reason, why: tried.why };
    if (tried.kind === 'refused') return this.#probeLater();
    this.#stalled = null;
    this.start();
  }

  /** An entry without facts: if the disk takes it, it takes others. */
  #appendTime(atMs: EpochMs): Promise<Appended> {
    const { plantId } = this;
    return this.#o.journal.append({ plantId, atMs, origin: FROM_SYSTEM, facts: [], subjects: [], reply: null });
  }

  /** The one thing that leaves without a record is the emergency stop of sites: safety comes before the books. */
  #duringStall(input: CoreInput): Submitted {
    const { reason, why } = this.#stalled ?? { reason: 'failed', why: 'the journal takes no entries' };
    if (!isStop(input)) return unavailable(reason, why, 5);
    const meant = this.#meantBy(input);
    const jobId = `unrecorded-${this.#o.scheduler.nowMs()}`;
    let sites = 0;
    for (const { deviceId, source } of meant) {
      if (source.kind !== 'dnp3') continue;
      sites += 1;
      this.#o.perform({
        kind: 'field',
        deviceId,
        connectionId: source.connectionId,
        job: { kind: 'emergency-stop', jobId },
      });
    }
    if (sites === 0) return unavailable(reason, why, 5);
    const rest = meant.length - sites;
    const but = rest === 0 ? '' : `; ${rest} devices behind clouds were not stopped`;
    return unavailable(reason, `the stop was sent, but it could not be recorded: ${why}${but}`, 5);
  }

  #meantBy(stop: Stop): Device[] {
    const { devices } = this.#core.state;
    if (stop.kind === 'emergency-stop') {
      const entry = devices.get(stop.deviceId);
      return entry === undefined ? [] : [entry.device];
    }
    const { workspaceId, tag } = stop;
    return [...devices.values()].flatMap(({ device }) =>
      device.workspaceId === workspaceId && (tag === null || device.tags.includes(tag)) ? [device] : [],
    );
  }
}

type Stop = Extract<CoreInput, { readonly kind: 'emergency-stop' | 'emergency-stop-all' }>;

const isStop = (input: CoreInput): input is Stop =>
  input.kind === 'emergency-stop' || input.kind === 'emergency-stop-all';

/** What stops something is taken whatever waits (promise S21). */
const URGENT = new Set<CoreInput['kind']>([
  'emergency-stop',
  'emergency-stop-all',
  'cancel-command',
  'cancel-event',
  'revoke-approval',
  'refuse-approval',
  'answer-event',
  'delete-schedule',
  'delete-automation',
]);
const isUrgent = ({ kind }: CoreInput): boolean => URGENT.has(kind);

const unavailable = (reason: string, why: string, retryAfterS: number): Submitted => ({
  kind: 'unavailable',
  reason,
  why,
  retryAfterS,
});
