import type {
  Decided,
  Deliveries,
  Delivery,
  Plant,
  Secrets,
  Service,
  ServiceHealth,
  Submission,
  Submitted,
  TelemetryHistory,
  TestClock,
} from '../../src/api/service.ts';
import { Core } from '../../src/core/core.ts';
import type { Effect } from '../../src/core/input.ts';
import { type CoreSettings, defaultSettings } from '../../src/core/settings.ts';
import type { ApplianceState } from '../../src/domain/appliance.ts';
import type { BatteryState } from '../../src/domain/battery.ts';
import type { OutboxEvent } from '../../src/domain/destination.ts';
import { invariant } from '../../src/domain/errors.ts';
import { windowsOf } from '../../src/domain/metric.ts';
import { eventsOf } from '../../src/live/host/outbox.ts';
import { subjectsOf } from '../../src/live/host/subjects.ts';
import type { RawPoint } from '../../src/ports/field.ts';
import type { JournalEntry, StoredReply } from '../../src/ports/journal.ts';
import { CAPABILITIES } from './coreBench.ts';

/**
 * A service without a machine behind it: the real core, a journal in memory, a clock that the test moves. What it keeps it
 * keeps as the host does: the answer to a key with the facts, nothing told before it is recorded.
 */
const REGISTRY = 'main';

class MemoryPlant implements Plant {
  readonly plantId: string;
  readonly core: Core;
  readonly #service: MemoryService;
  constructor(plantId: string, settings: CoreSettings, service: MemoryService) {
    this.plantId = plantId;
    this.core = new Core(settings);
    this.#service = service;
  }
  get state() {
    return this.core.state;
  }
  get telemetry() {
    return this.core.telemetry;
  }
  get settings() {
    return this.#service.settings;
  }
  nowMs(): number {
    return this.#service.nowMs;
  }
}

export class MemoryService implements Service {
  nowMs: number;
  readonly settings = defaultSettings({ ...CAPABILITIES, enphase: { ...CAPABILITIES.enphase, needsEnrollment: true } });
  readonly entries: JournalEntry[] = [];
  readonly effects: Effect[] = [];
  readonly states = new Map<string, BatteryState[]>();
  readonly applianceStates = new Map<string, ApplianceState[]>();
  readonly rawPoints = new Map<string, RawPoint[]>();
  readonly delivered: (Delivery & { readonly destinationId: string })[] = [];
  /** Set: what is submitted waits for it before it counts as recorded. */
  hold: Promise<void> | null = null;
  /** Whether one more advance of a clock may wait. */
  canAdvance = true;
  /** Set: nothing is taken. */
  refusing: Extract<Submitted, { kind: 'unavailable' }> | null = null;
  healthNow: ServiceHealth = { status: 'ok', parts: { journal: { ok: true, why: 'in memory' } } };
  readonly #plants = new Map<string, MemoryPlant>();
  readonly #bySubject = new Map<string, JournalEntry[]>();
  readonly #replies = new Map<string, StoredReply>();
  readonly #listeners = new Map<string, Set<(event: OutboxEvent) => void>>();
  readonly #frozen = new Set<string>();
  #secrets = 0;
  /** Set to false where a benchmark would only measure the growth of the journal. */
  keepsHistory = true;

  constructor(startMs: number) {
    this.nowMs = startMs;
    this.#plants.set(REGISTRY, new MemoryPlant(REGISTRY, this.settings, this));
  }

  get registry(): Plant {
    return this.#plant(REGISTRY);
  }

  plantOf(workspaceId: string): Plant | null {
    const plantId = this.#plantIdOf(workspaceId);
    return plantId === null ? null : this.#plant(plantId);
  }

  async submit(s: Submission): Promise<Submitted> {
    if (this.refusing !== null) return this.refusing;
    const plantId = s.workspaceId === null ? REGISTRY : this.#plantIdOf(s.workspaceId);
    invariant(plantId !== null, `a request for the unknown workspace ${s.workspaceId}`);
    const plant = this.#plant(plantId);
    const { facts, effects, refusals } = plant.core.handle(s.input, this.nowMs);
    this.effects.push(...effects);
    const decided: Decided = { facts, refusals, atMs: this.nowMs };
    if (facts.length === 0) return { kind: 'done', seq: null, ...decided };
    const reply = s.reply?.(decided) ?? null;
    await (this.hold ?? undefined);
    const entry: JournalEntry = {
      seq: this.entries.length + 1,
      plantId,
      atMs: decided.atMs,
      wallMs: decided.atMs,
      origin: { workspaceId: s.workspaceId, actor: s.actor, requestId: s.requestId },
      facts,
    };
    this.#record(entry, plant, reply);
    if (s.input.kind === 'create-workspace') this.#furnish(s.input.workspace.workspaceId);
    return { kind: 'done', seq: entry.seq, ...decided };
  }

  /** What nobody asked for: telemetry, answers of clouds, time. */
  tell(workspaceId: string, input: Parameters<Core['handle']>[0]): void {
    const plant = this.#plant(this.#plantIdOf(workspaceId) ?? REGISTRY);
    const { facts, effects } = plant.core.handle(input, this.nowMs);
    this.effects.push(...effects);
    if (facts.length === 0) return;
    const origin = { workspaceId: null, actor: 'cloud', requestId: null };
    const at = { atMs: this.nowMs, wallMs: this.nowMs };
    this.#record({ seq: this.entries.length + 1, plantId: plant.plantId, ...at, origin, facts }, plant, null);
  }

  /** Moves the time of all plants, with every deadline on the way. */
  advanceTo(toMs: number): void {
    for (;;) {
      const due = [...this.#plants.values()]
        .map((plant) => ({ plant, atMs: plant.core.nextTimeoutMs() ?? Number.POSITIVE_INFINITY }))
        .sort((a, b) => a.atMs - b.atMs)[0];
      if (due === undefined || due.atMs > toMs) break;
      this.nowMs = Math.max(this.nowMs, due.atMs);
      this.tell(due.plant.plantId, { kind: 'time' });
    }
    this.nowMs = Math.max(this.nowMs, toMs);
  }

  replyOf(workspaceId: string, key: string): StoredReply | null {
    return this.#replies.get(`${workspaceId}\n${key}`) ?? null;
  }

  history(subject: string, page: { readonly beforeSeq: number | null; readonly limit: number }) {
    const before = page.beforeSeq ?? Number.POSITIVE_INFINITY;
    const all = (this.#bySubject.get(subject) ?? []).filter((e) => e.seq < before);
    return all.slice(-page.limit).reverse();
  }

  readonly telemetry: TelemetryHistory = {
    states: (deviceId, { fromMs, toMs, limit }) =>
      (this.states.get(deviceId) ?? []).filter((s) => s.sampledAtMs >= fromMs && s.sampledAtMs < toMs).slice(-limit),
    applianceStates: (deviceId, { fromMs, toMs, limit }) =>
      (this.applianceStates.get(deviceId) ?? [])
        .filter((s) => s.sampledAtMs >= fromMs && s.sampledAtMs < toMs)
        .slice(-limit),
    points: (deviceId, { fromMs, toMs, limit }) =>
      (this.rawPoints.get(deviceId) ?? []).filter((p) => p.atMs >= fromMs && p.atMs < toMs).slice(-limit),
    windows: ({ deviceIds, ...request }) =>
      deviceIds.flatMap((deviceId) => {
        const states = [...(this.states.get(deviceId) ?? []), ...(this.applianceStates.get(deviceId) ?? [])];
        return windowsOf(states, request).map((w) => ({ deviceId, ...w }));
      }),
  };

  readonly deliveries: Deliveries = {
    list: (destinationId, { limit, state }) =>
      this.delivered
        .filter((d) => d.destinationId === destinationId && (state === null || d.state === state))
        .slice(-limit)
        .map(({ destinationId: _, ...d }) => d),
    health: () => ({ state: 'healthy', pending: 0, dead: 0, lastSuccessMs: null, failingSinceMs: null }),
    test: async () => ({ ok: true, status: 200, why: 'answered 200' }),
    replay: (destinationId) => this.delivered.filter((d) => d.destinationId === destinationId).length,
    refusalOf: (url) => (/^https:\/\/[^/]*\.example(\/|$)/.test(url) ? null : 'only https to a public host'),
  };

  readonly secrets: Secrets = {
    rotateWebhook: () => {
      this.#secrets += 1;
      return `whsec_${'x'.repeat(32)}${this.#secrets}`;
    },
    forgetWebhook: () => undefined,
  };

  listen(workspaceId: string, onEvent: (event: OutboxEvent) => void): () => void {
    const set = this.#listeners.get(workspaceId) ?? new Set();
    set.add(onEvent);
    this.#listeners.set(workspaceId, set);
    return () => void set.delete(onEvent);
  }

  get listening(): number {
    return [...this.#listeners.values()].reduce((sum, set) => sum + set.size, 0);
  }

  /** Tells everybody who listens to a workspace. */
  emit(event: OutboxEvent): void {
    for (const onEvent of this.#listeners.get(event.workspaceId) ?? []) onEvent(event);
  }

  clockOf(workspaceId: string): TestClock | null {
    if (this.#plantIdOf(workspaceId) !== workspaceId) return null;
    return {
      nowMs: () => this.nowMs,
      isFrozen: () => this.#frozen.has(workspaceId),
      freeze: () => void this.#frozen.add(workspaceId),
      resume: () => void this.#frozen.delete(workspaceId),
      canAdvance: () => this.canAdvance,
      advanceTo: async (atMs) => this.advanceTo(atMs),
    };
  }

  health(): ServiceHealth {
    return this.healthNow;
  }

  #plant(plantId: string): MemoryPlant {
    const plant = this.#plants.get(plantId);
    invariant(plant !== undefined, `no plant ${plantId}`);
    return plant;
  }

  #plantIdOf(workspaceId: string): string | null {
    const workspace = this.#plant(REGISTRY).state.workspaces.get(workspaceId);
    if (workspace === undefined) return this.#plants.has(workspaceId) ? workspaceId : null;
    return workspace.environment === 'sandbox' ? workspaceId : REGISTRY;
  }

  #furnish(workspaceId: string): void {
    const workspace = this.registry.state.workspaces.get(workspaceId);
    if (workspace?.environment !== 'sandbox') return;
    this.#plants.set(workspaceId, new MemoryPlant(workspaceId, this.settings, this));
    this.tell(workspaceId, { kind: 'create-workspace', workspace });
  }

  #record(entry: JournalEntry, plant: MemoryPlant, reply: StoredReply | null): void {
    if (reply !== null) this.#replies.set(`${reply.workspaceId}\n${reply.key}`, reply);
    // A copy, as a journal on disk would be: what holds no JSON, or a secret, shows.
    const kept = this.keepsHistory ? (JSON.parse(JSON.stringify(entry)) as JournalEntry) : entry;
    this.entries.push(kept);
    if (this.keepsHistory) {
      for (const subject of subjectsOf(entry.facts, plant.state)) {
        const list = this.#bySubject.get(subject) ?? [];
        list.push(kept);
        this.#bySubject.set(subject, list);
      }
    }
    if (this.#listeners.size > 0) for (const event of eventsOf(entry, plant.state)) this.emit(event);
  }
}
