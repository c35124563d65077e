import type {
  Deliveries,
  Plant,
  Secrets,
  Service,
  ServiceHealth,
  Submission,
  Submitted,
  TelemetryHistory,
  TestClock,
} from '../../api/service.ts';
import { Core } from '../../core/core.ts';
import type { CoreSettings } from '../../core/settings.ts';
import { frozenSnapshotOf, restoreState } from '../../core/snapshot.ts';
import type { Destination, OutboxEvent } from '../../domain/destination.ts';
import { InputError, InvariantError, invariant } from '../../domain/errors.ts';
import type { Fact } from '../../domain/fact.ts';
import type { Scheduler } from '../../ports/clock.ts';
import type { Journal, JournalEntry, StoredReply } from '../../ports/journal.ts';
import { eventsOf, isForgotten } from './outbox.ts';
import type { Outside } from './outside.ts';
import { type Folded, LivePlant } from './plant.ts';

/**
 * The service behind the HTTP face: plants on one journal, their outsides, and what is told to destinations.
 * Start: newest snapshot that can be trusted, then the entries after it; the outbox catches up from its own cursor; only
 * then do the plants begin to speak.
 */
export interface HostOptions {
  readonly journal: Journal;
  readonly settings: CoreSettings;
  /** Makes what surrounds a plant. `lastMs`: the plant's time so far, null for a new one; `isFrozen`: its clock stood. */
  readonly outside: (plantId: string, lastMs: number | null, isFrozen: boolean) => Outside;
  readonly telemetry: TelemetryHistory;
  readonly outbox: Outbox;
  readonly secrets: Secrets;
  /** Entries between two snapshots. */
  readonly snapshotEvery?: number;
}

/** At-least-once delivery, as the host drives it. */
export interface Outbox extends Deliveries {
  /** Sequence number up to which it has taken events. */
  cursor(): number;
  offer(events: readonly OutboxEvent[], upToSeq: number): void;
  setDestinations(destinations: readonly Destination[]): void;
  /** Switches one on again that the sender had given up. */
  enable(destinationId: string): boolean;
  status(): { readonly ok: boolean; readonly why: string };
  /** What goes on without time going on, of one workspace or of all. */
  inFlight(workspaceId?: string): number;
  close(): Promise<void>;
}

export const REGISTRY = 'main';
/**
 * At 5,000 entries a second half a second of processor time in 20 s (21,000 commands in the state), in pieces of some
 * milliseconds. A start without a snapshot takes 1.1 s of processor time and 15 µs more for each entry, so that it stays
 * under 3 s.
 */
const SNAPSHOT_EVERY = 100_000;
/** Clocks of machines are that far apart at most. */
const BEHIND_MS_MAX = 2_000;

interface Running {
  readonly plant: LivePlant;
  readonly outside: Outside;
}

/** Call begin() once; nothing is served before. */
export class Host implements Service {
  readonly #o: HostOptions;
  readonly #running = new Map<string, Running>();
  readonly #listeners = new Map<string, Set<(event: OutboxEvent) => void>>();
  /** As the durable entries have them. */
  readonly #destinations = new Map<string, Destination>();
  /** Of this turn of the event loop; a plant that was given away is not in it any more. */
  #folded: FoldedAll | null = null;
  #sinceSnapshot = 0;
  #snapshotting: Promise<void> | null = null;
  #snapshotTrouble: string | null = null;
  #closing: Promise<void> | null = null;

  constructor(options: HostOptions) {
    this.#o = options;
  }

  get registry(): Plant {
    return this.#plant(REGISTRY).plant;
  }

  get telemetry(): TelemetryHistory {
    return this.#o.telemetry;
  }

  get deliveries(): Deliveries {
    return this.#o.outbox;
  }

  get secrets(): Secrets {
    return this.#o.secrets;
  }

  async begin(): Promise<void> {
    const all = this.#foldAll();
    this.#open(REGISTRY, this.#foldedOf(all, REGISTRY));
    for (const w of this.registry.state.workspaces.values()) {
      if (w.environment === 'sandbox') this.#open(w.workspaceId, this.#foldedOf(all, w.workspaceId));
    }
    for (const { plant } of this.#running.values()) {
      for (const d of plant.state.destinations.values()) this.#destinations.set(d.destinationId, d);
    }
    this.catchUp();
    for (const { plant, outside } of this.#running.values()) this.#startOne(plant, outside);
    for (const w of [...this.registry.state.workspaces.values()]) await this.#furnish(w.workspaceId);
  }

  plantOf(workspaceId: string): Plant | null {
    const workspace = this.registry.state.workspaces.get(workspaceId);
    if (workspace === undefined) return null;
    return this.#running.get(plantIdOf(workspace))?.plant ?? null;
  }

  async submit(s: Submission): Promise<Submitted> {
    const { input, actor, requestId, workspaceId, reply } = s;
    if (workspaceId !== null && !this.#isFurnished(workspaceId)) await this.#furnish(workspaceId);
    const plant = workspaceId === null ? this.#plant(REGISTRY).plant : this.#livePlantOf(workspaceId);
    const done = await plant.submit({ input, origin: { workspaceId, actor, requestId }, reply });
    if (done.kind === 'done' && input.kind === 'create-workspace') await this.#furnish(input.workspace.workspaceId);
    return done;
  }

  replyOf(workspaceId: string, key: string): StoredReply | null {
    return this.#o.journal.replyOf(workspaceId, key);
  }

  history(subject: string, page: { readonly beforeSeq: number | null; readonly limit: number }) {
    return this.#o.journal.bySubject(subject, page);
  }

  listen(workspaceId: string, onEvent: (event: OutboxEvent) => void): () => void {
    const set = this.#listeners.get(workspaceId) ?? new Set();
    set.add(onEvent);
    this.#listeners.set(workspaceId, set);
    return () => {
      set.delete(onEvent);
      if (set.size === 0 && this.#listeners.get(workspaceId) === set) this.#listeners.delete(workspaceId);
    };
  }

  clockOf(workspaceId: string): TestClock | null {
    const workspace = this.registry.state.workspaces.get(workspaceId);
    if (workspace === undefined) return null;
    const running = this.#running.get(plantIdOf(workspace));
    const clock = running?.outside.clock ?? null;
    return running === undefined || clock === null ? null : keptClock(clock, running.plant);
  }

  /** The clock of a workspace. */
  schedulerOf(workspaceId: string): Scheduler {
    const workspace = this.registry.state.workspaces.get(workspaceId);
    const plantId = workspace === undefined ? REGISTRY : plantIdOf(workspace);
    return this.#plant(plantId).outside.scheduler;
  }

  health(): ServiceHealth {
    const journal = this.#o.journal.health();
    const parts: Record<string, { ok: boolean; why: string }> = {
      journal: {
        ok: journal.kind === 'ok',
        why: journal.kind === 'ok' ? `at ${this.#o.journal.lastSeq()}` : journal.why,
      },
    };
    const damage = this.#o.journal.damage();
    if (damage !== null) parts.history = { ok: false, why: damage };
    parts.webhooks = this.#o.outbox.status();
    if (this.#snapshotTrouble !== null) parts.snapshot = { ok: false, why: this.#snapshotTrouble };
    for (const { plant, outside } of this.#running.values()) {
      const standsMs = plant.lastMs - outside.scheduler.nowMs();
      if (standsMs > BEHIND_MS_MAX) {
        const why = `the clock is ${Math.round(standsMs / 1_000)} s before the newest entry: time stands until it is there`;
        parts[`${plant.plantId}/time`] = { ok: false, why };
      }
      if (plant.stalled !== null) parts[`plant/${plant.plantId}`] = { ok: false, why: plant.stalled };
      for (const [name, part] of Object.entries(outside.health())) parts[`${plant.plantId}/${name}`] = part;
    }
    if (parts.journal?.ok !== true) return { status: 'read-only', parts };
    return { status: Object.values(parts).every((p) => p.ok) ? 'ok' : 'degraded', parts };
  }

  /** Takes nothing more, lets what is decided reach the disk and leave, and lets everything go. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const all = [...this.#running.values()];
    await Promise.all(all.map(({ plant }) => plant.close()));
    const stopped = await Promise.allSettled(all.map(({ outside }) => outside.stop()));
    await this.#snapshotting;
    if (this.#o.journal.health().kind === 'ok') await this.#snapshot();
    await this.#o.outbox.close();
    await this.#o.journal.close();
    for (const result of stopped) if (result.status === 'rejected') throw result.reason;
  }

  #plant(plantId: string): Running {
    const running = this.#running.get(plantId);
    invariant(running !== undefined, `no plant ${plantId}`);
    return running;
  }

  #livePlantOf(workspaceId: string): LivePlant {
    const workspace = this.registry.state.workspaces.get(workspaceId);
    invariant(workspace !== undefined, `a request for the unknown workspace ${workspaceId}`);
    return this.#plant(plantIdOf(workspace)).plant;
  }

  #open(plantId: string, folded: Folded): Running {
    let first: Folded | null = folded;
    const lastMs = folded.lastMs === Number.NEGATIVE_INFINITY ? null : folded.lastMs;
    const outside = this.#o.outside(plantId, lastMs, folded.core.state.clock.isFrozen);
    const plant = new LivePlant({
      plantId,
      scheduler: outside.scheduler,
      journal: this.#o.journal,
      settings: this.#settingsOf(plantId),
      fold: () => {
        const state = first ?? this.#foldAnew(plantId);
        first = null;
        return state;
      },
      perform: (effect) => outside.perform(effect),
      onDurable: (entry) => this.#onDurable(entry),
    });
    const { outbox } = this.#o;
    outside.watch(() => plant.inFlight, 'entries for the journal');
    outside.watch(() => (plantId === REGISTRY ? outbox.inFlight() : outbox.inFlight(plantId)), 'webhooks');
    const running = { plant, outside };
    this.#running.set(plantId, running);
    return running;
  }

  #startOne(plant: LivePlant, outside: Outside): void {
    outside.start(
      (input, actor) => plant.tell(input, actor),
      () => plant.state,
    );
    plant.start();
  }

  /**
   * A sandbox gets its plant, and its plant knows the workspace; after a crash or a stall in between, at the next start or
   * request.
   */
  async #furnish(workspaceId: string): Promise<void> {
    const workspace = this.registry.state.workspaces.get(workspaceId);
    if (workspace?.environment !== 'sandbox' || this.#closing !== null) return;
    if (!this.#running.has(workspaceId)) {
      const { plant, outside } = this.#open(workspaceId, this.#nothing(workspaceId, this.#o.journal.lastSeq()));
      this.#startOne(plant, outside);
    }
    const { plant } = this.#plant(workspaceId);
    if (plant.state.workspaces.has(workspaceId)) return;
    const origin = { workspaceId, actor: 'system', requestId: null };
    await plant.submit({ input: { kind: 'create-workspace', workspace }, origin, reply: null });
  }

  #isFurnished(workspaceId: string): boolean {
    const plant = this.plantOf(workspaceId);
    return plant?.plantId === REGISTRY || plant?.state.workspaces.has(workspaceId) === true;
  }

  /** A sandbox has a world of its own, where whatever is named may be connected. */
  #settingsOf(plantId: string): CoreSettings {
    const { reach: _, ...sandbox } = this.#o.settings;
    return plantId === REGISTRY ? this.#o.settings : sandbox;
  }

  #nothing(plantId: string, seq: number): Folded {
    return { core: new Core(this.#settingsOf(plantId)), lastMs: Number.NEGATIVE_INFINITY, seq };
  }

  /** A plant for a stall. A disk that takes nothing stalls every plant in the same turn: one reading serves all of them. */
  #foldAnew(plantId: string): Folded {
    let all = this.#folded;
    if (all === null || !all.plants.has(plantId) || all.seq < this.#o.journal.lastSeq()) {
      all = this.#foldAll();
      this.#folded = all;
      setImmediate(() => {
        this.#folded = null;
      });
    }
    const found = this.#foldedOf(all, plantId);
    all.plants.delete(plantId);
    return found;
  }

  #foldedOf({ plants, seq }: FoldedAll, plantId: string): Folded {
    const found = plants.get(plantId);
    return found === undefined ? this.#nothing(plantId, seq) : { ...found, seq };
  }

  /** Every plant as the journal has it. */
  #foldAll(): FoldedAll {
    const all = this.#unpacked();
    let { seq } = all;
    for (const { entry } of this.#folding(all)) seq = entry.seq;
    // They count, so that one crash after another does not make each start longer than the one before.
    this.#sinceSnapshot = seq - all.seq;
    return { plants: all.plants, seq };
  }

  /** Folds what comes after; each entry with the core that has it, and nothing after it. */
  *#folding({ plants, seq }: FoldedAll): Generator<{ readonly entry: JournalEntry; readonly core: Core }> {
    for (const entry of this.#o.journal.read(seq + 1)) {
      const { core } = plants.get(entry.plantId) ?? this.#nothing(entry.plantId, 0);
      core.replay(entry.facts, entry.atMs);
      plants.set(entry.plantId, { core, lastMs: entry.atMs });
      yield { entry, core };
    }
  }

  /** What the newest snapshot holds; nothing when it is of another build's form: then the journal is folded whole. */
  #unpacked(): FoldedAll {
    const snapshot = this.#o.journal.snapshot();
    const plants: FoldedAll['plants'] = new Map();
    try {
      for (const [plantId, kept] of Object.entries(snapshot?.plants ?? {})) {
        const { state, lastMs } = readSnapshot(kept);
        const core = new Core(this.#settingsOf(plantId), restoreState(state));
        plants.set(plantId, { core, lastMs: lastMs ?? Number.NEGATIVE_INFINITY });
      }
      return { plants, seq: snapshot?.seq ?? 0 };
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      return { plants: new Map(), seq: 0 };
    }
  }

  /** Offers the outbox what became durable and has not reached it: at the start, and when its disk is well again. */
  catchUp(): void {
    this.#tellDestinations();
    for (const entry of this.#o.journal.read(this.#o.outbox.cursor() + 1)) {
      const plant = this.#running.get(entry.plantId)?.plant;
      if (plant !== undefined && isForgotten(entry, plant.state)) return this.#catchUpFrom(entry.seq);
      this.#o.outbox.offer(plant === undefined ? [] : eventsOf(entry, plant.state), entry.seq);
    }
  }

  /** With the state as it was at each entry. Takes as long as a start without a snapshot. */
  #catchUpFrom(fromSeq: number): void {
    const kept = this.#unpacked();
    const before = kept.seq < fromSeq ? kept : { plants: new Map(), seq: 0 };
    for (const { entry, core } of this.#folding(before)) {
      if (entry.seq >= fromSeq) this.#o.outbox.offer(eventsOf(entry, core.state), entry.seq);
    }
  }

  #tellDestinations(): void {
    this.#o.outbox.setDestinations([...this.#destinations.values()]);
  }

  #onDurable(entry: JournalEntry): void {
    const { plant, outside } = this.#plant(entry.plantId);
    this.#takeDestinations(entry.facts);
    const events = eventsOf(entry, plant.state);
    this.#o.outbox.offer(events, entry.seq);
    for (const event of events) {
      for (const onEvent of this.#listeners.get(event.workspaceId) ?? []) onEvent(event);
    }
    outside.onFacts(entry.facts);
    this.#sinceSnapshot += 1;
    if (this.#sinceSnapshot < (this.#o.snapshotEvery ?? SNAPSHOT_EVERY) || this.#snapshotting !== null) return;
    this.#snapshotting = this.#snapshot().finally(() => {
      this.#snapshotting = null;
    });
  }

  #takeDestinations(facts: readonly Fact[]): void {
    let changed = false;
    for (const fact of facts) {
      if (fact.type === 'destination.created' || fact.type === 'destination.changed') {
        this.#destinations.set(fact.destination.destinationId, fact.destination);
        changed = true;
      } else if (fact.type === 'destination.deleted')
        changed = this.#destinations.delete(fact.destinationId) || changed;
    }
    if (!changed) return;
    this.#tellDestinations();
    for (const f of facts) {
      if (f.type === 'destination.changed' && f.destination.enabled) this.#o.outbox.enable(f.destination.destinationId);
    }
  }

  /**
   * The state in memory is ahead of the disk by what waits: it is the state at that number once that is durable, which
   * the journal checks before it keeps the snapshot. At the start of a turn every refusal so far has reached its plant.
   */
  async #snapshot(): Promise<void> {
    this.#sinceSnapshot = 0;
    await new Promise<void>((done) => setImmediate(done));
    try {
      const all = [...this.#running.values()];
      const inexact = all.find(({ plant }) => !plant.isExact);
      if (inexact !== undefined) throw new Error(`plant ${inexact.plant.plantId} is stalled`);
      const seq = this.#o.journal.lastSeq() + this.#o.journal.pending();
      const plants = Object.fromEntries(all.map(({ plant }) => [plant.plantId, snapshotOfPlant(plant)]));
      await this.#o.journal.writeSnapshot(plants, seq);
      this.#snapshotTrouble = null;
    } catch (error) {
      // Without it a start takes longer; nothing is lost.
      this.#snapshotTrouble = error instanceof Error ? error.message : String(error);
    }
  }
}

interface FoldedAll {
  readonly plants: Map<string, Omit<Folded, 'seq'>>;
  /** Number of the last entry that is in them. */
  readonly seq: number;
}

/** How far a test clock was set forward is recorded, so that after a crash it is not earlier than it was. */
const keptClock = (clock: TestClock, plant: LivePlant): TestClock => ({
  nowMs: () => clock.nowMs(),
  isFrozen: () => clock.isFrozen(),
  freeze: () => clock.freeze(),
  resume: () => clock.resume(),
  canAdvance: () => clock.canAdvance(),
  advanceTo: async (atMs) => {
    await clock.advanceTo(atMs);
    await plant.keepTime();
  },
});

const plantIdOf = (w: { readonly workspaceId: string; readonly environment?: 'production' | 'sandbox' }): string =>
  w.environment === 'sandbox' ? w.workspaceId : REGISTRY;

const snapshotOfPlant = ({ state, lastMs }: LivePlant) => ({
  state: frozenSnapshotOf(state),
  lastMs: Number.isFinite(lastMs) ? lastMs : null,
});

function readSnapshot(kept: unknown): { readonly state: unknown; readonly lastMs: number | null } {
  if (typeof kept === 'object' && kept !== null && 'state' in kept && 'lastMs' in kept) {
    const { state, lastMs } = kept;
    if (typeof lastMs === 'number' || lastMs === null) return { state, lastMs };
  }
  throw new InvariantError('the snapshot passed its check but is none of ours');
}
