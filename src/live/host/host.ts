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
import { restoreState, snapshotOf } from '../../core/snapshot.ts';
import type { Destination, OutboxEvent } from '../../domain/destination.ts';
import { InputError, InvariantError, invariant } from '../../domain/errors.ts';
import type { Scheduler } from '../../ports/clock.ts';
import type { Journal, JournalEntry, StoredReply } from '../../ports/journal.ts';
import { eventsOf } from './outbox.ts';
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
  /** Makes what surrounds a plant. `lastMs`: the plant's time so far, null for a new one. */
  readonly outside: (plantId: string, lastMs: number | null) => Outside;
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
/** At 5,000 entries a second one pause of some 100 ms in 40 s. */
const SNAPSHOT_EVERY = 200_000;

interface Running {
  readonly plant: LivePlant;
  readonly outside: Outside;
}

export async function openHost(options: HostOptions): Promise<Host> {
  const host = new Host(options);
  await host.begin();
  return host;
}

export class Host implements Service {
  readonly #o: HostOptions;
  readonly #running = new Map<string, Running>();
  readonly #listeners = new Map<string, Set<(event: OutboxEvent) => void>>();
  #sinceSnapshot = 0;
  #snapshotUnderWay = false;
  #snapshotTrouble: string | null = null;

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
    const folded = this.#foldAll();
    this.#open(REGISTRY, folded.get(REGISTRY) ?? null);
    for (const w of this.registry.state.workspaces.values()) {
      if (w.environment === 'sandbox') this.#open(w.workspaceId, folded.get(w.workspaceId) ?? null);
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
    return () => void set.delete(onEvent);
  }

  clockOf(workspaceId: string): TestClock | null {
    const workspace = this.registry.state.workspaces.get(workspaceId);
    if (workspace === undefined) return null;
    return this.#running.get(plantIdOf(workspace))?.outside.clock ?? null;
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
    parts.webhooks = this.#o.outbox.status();
    if (this.#snapshotTrouble !== null) parts.snapshot = { ok: false, why: this.#snapshotTrouble };
    for (const { plant, outside } of this.#running.values()) {
      if (plant.stalled !== null) parts[`plant/${plant.plantId}`] = { ok: false, why: plant.stalled };
      for (const [name, part] of Object.entries(outside.health())) parts[`${plant.plantId}/${name}`] = part;
    }
    if (parts.journal?.ok !== true) return { status: 'read-only', parts };
    return { status: Object.values(parts).every((p) => p.ok) ? 'ok' : 'degraded', parts };
  }

  /** Takes nothing more, lets what is decided reach the disk, and lets everything go. */
  async close(): Promise<void> {
    for (const { outside } of this.#running.values()) await outside.stop();
    for (const { plant } of this.#running.values()) await plant.close();
    if (this.#o.journal.health().kind === 'ok') await this.#snapshot();
    await this.#o.outbox.close();
    await this.#o.journal.close();
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

  #open(plantId: string, folded: Folded | null): Running {
    let first = folded;
    const lastMs = folded === null || folded.lastMs === Number.NEGATIVE_INFINITY ? null : folded.lastMs;
    const outside = this.#o.outside(plantId, lastMs);
    const plant = new LivePlant({
      plantId,
      scheduler: outside.scheduler,
      journal: this.#o.journal,
      settings: this.#o.settings,
      fold: () => {
        const state = first ?? this.#foldAll().get(plantId) ?? this.#empty();
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

  /** A sandbox gets its plant, and its plant knows the workspace; after a crash in between, at the next start. */
  async #furnish(workspaceId: string): Promise<void> {
    const workspace = this.registry.state.workspaces.get(workspaceId);
    if (workspace?.environment !== 'sandbox') return;
    if (!this.#running.has(workspaceId)) {
      const { plant, outside } = this.#open(workspaceId, null);
      this.#startOne(plant, outside);
    }
    const { plant } = this.#plant(workspaceId);
    if (plant.state.workspaces.has(workspaceId)) return;
    const origin = { workspaceId, actor: 'system', requestId: null };
    await plant.submit({ input: { kind: 'create-workspace', workspace }, origin, reply: null });
  }

  #empty(): Folded {
    return { core: new Core(this.#o.settings), lastMs: Number.NEGATIVE_INFINITY };
  }

  /** Every plant as the journal has it. */
  #foldAll(): Map<string, Folded> {
    const { journal } = this.#o;
    const { folded, seq } = this.#unpacked();
    for (const { plantId, facts, atMs } of journal.read(seq + 1)) {
      const { core } = folded.get(plantId) ?? this.#empty();
      core.replay(facts, atMs);
      folded.set(plantId, { core, lastMs: atMs });
    }
    return folded;
  }

  /** What the newest snapshot holds; nothing when it is of another build's form: then the journal is folded whole. */
  #unpacked(): { readonly folded: Map<string, Folded>; readonly seq: number } {
    const { journal, settings } = this.#o;
    const snapshot = journal.snapshot();
    const folded = new Map<string, Folded>();
    try {
      for (const [plantId, kept] of Object.entries(snapshot?.plants ?? {})) {
        const { state, lastMs } = readSnapshot(kept);
        folded.set(plantId, {
          core: new Core(settings, restoreState(state)),
          lastMs: lastMs ?? Number.NEGATIVE_INFINITY,
        });
      }
      return { folded, seq: snapshot?.seq ?? 0 };
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      return { folded: new Map(), seq: 0 };
    }
  }

  /** Offers the outbox what became durable and has not reached it: at the start, and when its disk is well again. */
  catchUp(): void {
    this.#tellDestinations();
    for (const entry of this.#o.journal.read(this.#o.outbox.cursor() + 1)) {
      const plant = this.#running.get(entry.plantId)?.plant;
      this.#o.outbox.offer(plant === undefined ? [] : eventsOf(entry, plant.state), entry.seq);
    }
  }

  #tellDestinations(): void {
    const all = [...this.#running.values()].flatMap(({ plant }) => [...plant.state.destinations.values()]);
    this.#o.outbox.setDestinations(all);
  }

  #onDurable(entry: JournalEntry): void {
    const { plant, outside } = this.#plant(entry.plantId);
    if (entry.facts.some((f) => f.type.startsWith('destination.'))) this.#tellDestinations();
    for (const f of entry.facts) {
      if (f.type === 'destination.changed' && f.destination.enabled) this.#o.outbox.enable(f.destination.destinationId);
    }
    const events = eventsOf(entry, plant.state);
    this.#o.outbox.offer(events, entry.seq);
    for (const event of events) {
      for (const onEvent of this.#listeners.get(event.workspaceId) ?? []) onEvent(event);
    }
    outside.onFacts(entry.facts);
    this.#sinceSnapshot += 1;
    if (this.#sinceSnapshot >= (this.#o.snapshotEvery ?? SNAPSHOT_EVERY)) void this.#snapshot();
  }

  /**
   * The state in memory is ahead of the disk by what waits: it is the state at that number once that is durable, which
   * the journal checks before it keeps the snapshot.
   */
  async #snapshot(): Promise<void> {
    if (this.#snapshotUnderWay) return;
    this.#snapshotUnderWay = true;
    this.#sinceSnapshot = 0;
    try {
      const seq = this.#o.journal.lastSeq() + this.#o.journal.pending();
      const plants = Object.fromEntries([...this.#running].map(([id, { plant }]) => [id, snapshotOfPlant(plant)]));
      await this.#o.journal.writeSnapshot(plants, seq);
      this.#snapshotTrouble = null;
    } catch (error) {
      // Without it a start takes longer; nothing is lost.
      this.#snapshotTrouble = error instanceof Error ? error.message : String(error);
    } finally {
      this.#snapshotUnderWay = false;
    }
  }
}

const plantIdOf = (w: { readonly workspaceId: string; readonly environment?: 'production' | 'sandbox' }): string =>
  w.environment === 'sandbox' ? w.workspaceId : REGISTRY;

const snapshotOfPlant = ({ state, lastMs }: LivePlant) => ({
  state: snapshotOf(state),
  lastMs: Number.isFinite(lastMs) ? lastMs : null,
});

function readSnapshot(kept: unknown): { readonly state: unknown; readonly lastMs: number | null } {
  if (typeof kept === 'object' && kept !== null && 'state' in kept && 'lastMs' in kept) {
    const { state, lastMs } = kept;
    if (typeof lastMs === 'number' || lastMs === null) return { state, lastMs };
  }
  throw new InvariantError('the snapshot passed its check but is none of ours');
}
