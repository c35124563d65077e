import type { Destination, OutboxEvent } from '../../domain/destination.ts';
import { InvariantError } from '../../domain/errors.ts';
import type { EpochMs } from '../../domain/units.ts';
import { PRIORITY, type Scheduler } from '../../ports/clock.ts';
import { codeOf } from '../journal/errors.ts';
import { type Trouble, troubleOf } from '../journal/writer.ts';
import { type CourierOptions, carry, type SecretsOf } from './courier.ts';
import { bodyOf, sequenceOf, webhookIdOf } from './envelope.ts';
import { afresh, fingerprintOf, type Lane, mayRun, newLane, settle, timed, waitedFor, wants, widthOf } from './lane.ts';
import type { Post, PostOutcome } from './post.ts';
import { judge, type Schedule, STANDARD_SCHEDULE } from './schedule.ts';
import { type DeliveryRow, type DeliveryState, DeliveryStore, type Due, type Offered, type Outcome } from './store.ts';
import { PUBLIC_ONLY, type UrlPolicy, urlRefusal } from './urls.ts';

/**
 * Tells destinations what happened, at least once (promise S15):
 *
 *   offer ──> held ──(group commit, with the cursor)──> pending ──(attempt)──> delivered
 *                                                         ^  └──(failed)──> due later ──(last)──> dead
 *                                                         └──────────────(replay)─────────────────┘
 *
 * Once a turn of the event loop everything that was offered and everything that ended is written in one transaction; only
 * what is written is sent. An end that a crash kept from being written is an attempt more, with the same id. Order is not
 * promised; Texture-Sequence tells it.
 *
 * Each destination lives in the time of its workspace: retries of a sandbox wait for its clock. How long an answer may take
 * is the post's business, and signatures carry the machine's time, by which receivers judge them.
 *
 * Limits, and what happens there:
 *   PENDING_MAX of a destination    what comes on top is dead at birth; a replay takes it up
 *   HELD_MAX while the disk fails   nothing more is taken; when it is well again, onBehind asks for the rest
 *   OPEN_MAX messages under way     lanes take turns
 *   REPLAY_MAX of one replay        the oldest; ask again for the rest
 */
export interface SenderOptions {
  /** The folder of the deliveries, beside the journal's. */
  readonly dir: string;
  readonly secrets: SecretsOf;
  readonly post: Post;
  readonly schedulerOf: (workspaceId: string) => Scheduler;
  /** For refusalOf; give the post the same. */
  readonly policy?: UrlPolicy;
  readonly schedule?: Schedule;
  /** One attempt, name to last octet [ms]. */
  readonly attemptMsMax?: number;
  /** Messages under way to one destination. */
  readonly concurrency?: number;
  /** Deliveries that may wait for one destination; PENDING_MAX when absent. */
  readonly pendingMax?: number;
  /** Where a new file begins in the journal; 0 when absent: at its start. */
  readonly firstCursor?: number;
  /** The machine's time, for signatures and for what is kept how long; a test in virtual time gives its own. */
  readonly wallNowMs: () => EpochMs;
  /** A destination was switched off: 410, or nothing taken for 120 h. */
  readonly onDisabled?: (destinationId: string, why: string) => void;
  /** The disk is well again after more was offered than could be held: offer everything after cursor() anew. */
  readonly onBehind?: () => void;
}

export interface LaneHealth {
  readonly state: 'healthy' | 'failing' | 'disabled';
  readonly pending: number;
  readonly dead: number;
  readonly lastSuccessMs: EpochMs | null;
  readonly failingSinceMs: EpochMs | null;
  /** Why it was switched off. */
  readonly why: string | null;
}

export type ReplayChoice = { readonly deliveryId: string } | { readonly fromMs: EpochMs; readonly toMs: EpochMs };

/** How a test ended. */
export interface Tested {
  readonly ok: boolean;
  readonly status: number | null;
  readonly why: string;
}

export const PENDING_MAX = 100_000;
export const HELD_MAX = 100_000;
export const REPLAY_MAX = 10_000;
const OPEN_MAX = 1_024;
const LIST_MAX = 500;
const ATTEMPT_MS = 15_000;
const CONCURRENCY = 8;
/** The cursor alone is written after so many entries without an event: after a crash those are read again. */
const CURSOR_LAG_MAX = 1_000;
/** How often a disk without room is tried [ms]. */
const PROBE_MS = 1_000;
/** How old the last success on the disk may be [ms]. */
const SUCCESS_WRITTEN_MS = 60_000;
/** How long closing waits for answers [ms]; what has none by then is sent again after the next start. */
const CLOSE_MS = 2_000;

export class WebhookSender {
  readonly #o: SenderOptions;
  readonly #store: DeliveryStore;
  readonly #courier: CourierOptions;
  readonly #wallMs: () => EpochMs;
  readonly #schedule: Schedule;
  readonly #concurrency: number;
  readonly #lanes = new Map<string, Lane>();
  readonly #underWay = new Set<Promise<unknown>>();
  /** Lanes to look at after the next write. */
  readonly #due = new Set<Lane>();
  /** Lanes whose row is to be written. */
  readonly #changed = new Set<Lane>();
  #wanted: readonly Destination[] | null = null;
  #held: OutboxEvent[] = [];
  #outcomes: { readonly lane: Lane; readonly outcome: Outcome }[] = [];
  #offeredSeq: number;
  #behind = false;
  #trouble: (Trouble & { readonly passes: boolean }) | null = null;
  #probe: NodeJS.Timeout | null = null;
  /** The turn that is asked for. */
  #turn: { readonly handle: NodeJS.Immediate } | null = null;
  /** Workspaces for which the turn has work. */
  readonly #touched = new Set<string>();
  #open = 0;
  #tests = 0;
  #closed = false;

  /** @throws JournalError when the file cannot be used */
  constructor(options: SenderOptions) {
    this.#o = options;
    this.#wallMs = options.wallNowMs;
    const { post, secrets, attemptMsMax = ATTEMPT_MS } = options;
    this.#courier = { post, secrets, attemptMsMax, wallNowMs: this.#wallMs };
    this.#schedule = options.schedule ?? STANDARD_SCHEDULE;
    this.#concurrency = options.concurrency ?? CONCURRENCY;
    this.#store = new DeliveryStore(options.dir, { firstCursor: options.firstCursor ?? 0 });
    this.#offeredSeq = this.#store.cursor;
  }

  /** Number of the last entry of the journal whose events are on the disk here. */
  cursor(): number {
    return this.#store.cursor;
  }

  /**
   * Events that followed from the journal up to an entry, in its order. What was offered before is left out, so that a host
   * may offer again from cursor() + 1 after a crash.
   */
  offer(events: readonly OutboxEvent[], upToSeq: number): void {
    if (this.#closed || this.#behind || upToSeq <= this.#offeredSeq) return;
    if (this.#held.length + events.length > HELD_MAX && this.#trouble !== null) {
      this.#behind = true;
      return;
    }
    for (const event of events) {
      if (event.seq <= this.#offeredSeq) continue;
      this.#held.push(event);
      this.#touched.add(event.workspaceId);
    }
    this.#offeredSeq = upToSeq;
    if (events.length > 0 || upToSeq - this.#store.cursor >= CURSOR_LAG_MAX) this.#touch();
  }

  /** All destinations there are; those that are missing are forgotten with what waits for them. */
  setDestinations(destinations: readonly Destination[]): void {
    if (this.#closed) return;
    this.#wanted = destinations;
    this.#turnNow();
  }

  /** Switches a destination on again that the sender had switched off. @returns whether there is such a one */
  enable(destinationId: string): boolean {
    const lane = this.#lanes.get(destinationId);
    if (lane === undefined) return false;
    this.#refresh(lane, lane.row.fingerprint);
    this.#look(lane);
    return true;
  }

  /**
   * Puts ended deliveries back in the queue with all their attempts before them, under the same ids.
   * @param which  one of them, or events of a span of time [fromMs, toMs)
   * @returns      how many; 0 for a destination that the sender has switched off: enable it first
   */
  replay(destinationId: string, which: ReplayChoice): number {
    this.#turnNow();
    const lane = this.#lanes.get(destinationId);
    if (lane === undefined || lane.row.disabled !== null || this.#trouble !== null || this.#closed) return 0;
    const { workspaceId } = lane.destination;
    const sequence = 'deliveryId' in which ? sequenceOf(which.deliveryId, workspaceId) : null;
    if ('deliveryId' in which && sequence === null) return 0;
    const chosen = 'deliveryId' in which ? { sequence: sequence ?? 0 } : which;
    const request = { which: chosen, nowMs: lane.scheduler.nowMs(), limit: REPLAY_MAX };
    const count = this.#store.replay(lane.row.d, workspaceId, request);
    lane.pending += count;
    this.#look(lane);
    return count;
  }

  /** Sends a test message now, once, whatever the state of the destination; it is no delivery and changes nothing. */
  async test(destinationId: string): Promise<Tested> {
    const lane = this.#lanes.get(destinationId);
    if (lane === undefined || this.#closed) return { ok: false, status: null, why: 'no such destination' };
    if (lane.testing) return { ok: false, status: null, why: 'a test is under way' };
    const { workspaceId } = lane.destination;
    const timestampMs = lane.scheduler.nowMs();
    this.#tests += 1;
    const data = { workspaceId, destinationId };
    const body = bodyOf({ type: 'destination.test', version: '0.0.1', timestampMs, data });
    const webhookId = `${webhookIdOf(destinationId, this.#wallMs())}_test_${this.#tests}`;
    lane.testing = true;
    const outcome = await timed(lane, carry(lane.destination, { webhookId, sequence: null, body }, this.#courier));
    lane.testing = false;
    const verdict = judge(outcome, this.#wallMs());
    const status = outcome.kind === 'answered' ? outcome.status : null;
    return { ok: verdict.kind === 'delivered', status, why: verdict.kind === 'delivered' ? 'taken' : verdict.why };
  }

  list(
    destinationId: string,
    page: { readonly limit: number; readonly state: DeliveryState | null },
  ): readonly DeliveryRow[] {
    this.#turnNow();
    const lane = this.#lanes.get(destinationId);
    if (lane === undefined) return [];
    const limit = Math.min(page.limit, LIST_MAX);
    return this.#store.list(lane.row.d, lane.destination.workspaceId, { ...page, limit });
  }

  health(destinationId: string): LaneHealth | null {
    this.#turnNow();
    const lane = this.#lanes.get(destinationId);
    if (lane === undefined) return null;
    const { d, disabled, failingSinceMs, lastSuccessMs } = lane.row;
    const state = disabled !== null ? 'disabled' : failingSinceMs !== null ? 'failing' : 'healthy';
    const counts = { pending: this.#store.count(d, 'pending'), dead: this.#store.count(d, 'dead') };
    return { state, ...counts, lastSuccessMs, failingSinceMs, why: disabled };
  }

  /** Whether a URL may be a destination; null = it may. */
  refusalOf(url: string): string | null {
    return urlRefusal(url, this.#o.policy ?? PUBLIC_ONLY);
  }

  /** How the sender itself is, beside its receivers. */
  status(): { readonly ok: boolean; readonly why: string } {
    if (this.#trouble !== null) return { ok: false, why: `deliveries cannot be written: ${this.#trouble.why}` };
    if (this.#behind) return { ok: false, why: 'more was offered than could be held' };
    return { ok: true, why: `at ${this.#store.cursor}, ${this.#open} under way` };
  }

  /** For a stepped clock to watch: what goes on without time going on, of one workspace or of all. */
  inFlight(workspaceId?: string): number {
    const mine = ({ destination }: Lane): boolean =>
      workspaceId === undefined || destination.workspaceId === workspaceId;
    const turn = this.#turn === null ? 0 : workspaceId === undefined || this.#touched.has(workspaceId) ? 1 : 0;
    if (this.#o.post.waitsOn === 'scheduler') return turn;
    let open = 0;
    for (const lane of this.#lanes.values()) if (mine(lane)) open += waitedFor(lane);
    return turn + open;
  }

  /** Waits a little for answers, writes what ended and lets the file go. Nothing more is taken from now on. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (const lane of this.#lanes.values()) this.#disarm(lane);
    if (this.#o.post.waitsOn === 'machine' && this.#underWay.size > 0) {
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<void>((done) => {
        timer = setTimeout(done, CLOSE_MS);
      });
      await Promise.race([Promise.allSettled(this.#underWay), late]);
      clearTimeout(timer);
    }
    this.#o.post.close();
    await Promise.allSettled(this.#underWay);
    this.#write();
    if (this.#turn !== null) clearImmediate(this.#turn.handle);
    this.#turn = null;
    this.#store.close();
  }

  #look(lane: Lane): void {
    this.#due.add(lane);
    this.#touched.add(lane.destination.workspaceId);
    this.#touch();
  }

  #touch(): void {
    if (this.#turn !== null || this.#closed || this.#trouble !== null) return;
    this.#turn = { handle: setImmediate(() => this.#turnNow()) };
  }

  /** Writes, then sends what is due. */
  #turnNow(): void {
    if (this.#turn !== null) clearImmediate(this.#turn.handle);
    this.#turn = null;
    this.#touched.clear();
    if (this.#closed || !this.#write()) return;
    try {
      const due = [...this.#due];
      this.#due.clear();
      for (const lane of due) this.#fill(lane);
    } catch (e) {
      this.#onTrouble(e);
    }
  }

  /** @returns whether everything that was to be written is written */
  #write(): boolean {
    if (this.#trouble?.passes === false) return false;
    try {
      this.#takeUp();
      const offered = this.#held.map((event) => this.#address(event));
      const lagging = this.#closed || this.#offeredSeq - this.#store.cursor >= CURSOR_LAG_MAX;
      if (offered.length + this.#outcomes.length + this.#changed.size > 0 || lagging) {
        const outcomes = this.#outcomes.map(({ outcome }) => outcome);
        const destinations = [...this.#changed].map(({ row }) => row);
        const batch = { offered, cursor: this.#offeredSeq, outcomes, destinations, wallMs: this.#wallMs() };
        this.#store.write(batch);
      }
    } catch (e) {
      this.#onTrouble(e);
      return false;
    }
    for (const { lane, outcome } of this.#outcomes) lane.claimed.delete(outcome.no);
    this.#held = [];
    this.#outcomes = [];
    this.#changed.clear();
    this.#trouble = null;
    if (this.#behind && !this.#closed) {
      this.#behind = this.#o.onBehind === undefined;
      this.#o.onBehind?.();
    }
    return true;
  }

  /** Whom an event goes to. */
  #address(event: OutboxEvent): Offered {
    const most = this.#o.pendingMax ?? PENDING_MAX;
    const to: Offered['to'][number][] = [];
    for (const lane of this.#lanes.values()) {
      if (!wants(lane, event)) continue;
      const full = lane.pending >= most ? `more than ${most} were waiting` : null;
      to.push({ d: lane.row.d, dueMs: lane.scheduler.nowMs(), dead: full });
      if (full === null) lane.pending += 1;
      this.#due.add(lane);
    }
    return { event, to };
  }

  /** Lanes as the destinations are now. */
  #takeUp(): void {
    if (this.#wanted === null) return;
    const wanted = new Map(this.#wanted.map((d) => [d.destinationId, d]));
    const known = new Map(this.#store.destinations().map((row) => [row.destinationId, row]));
    const added = [...wanted.values()].filter((d) => !known.has(d.destinationId));
    const removed = [...known.values()].filter((row) => !wanted.has(row.destinationId));
    if (added.length + removed.length > 0) {
      this.#store.changeDestinations({
        added: added.map((d) => ({ destinationId: d.destinationId, fingerprint: fingerprintOf(d) })),
        removed: removed.map((row) => row.d),
      });
    }
    for (const { destinationId } of removed) {
      const lane = this.#lanes.get(destinationId);
      if (lane !== undefined) this.#forget(lane);
    }
    for (const row of this.#store.destinations()) {
      const destination = wanted.get(row.destinationId);
      if (destination !== undefined) this.#takeUpOne(destination, row);
    }
    this.#wanted = null;
  }

  #takeUpOne(destination: Destination, row: Lane['row']): void {
    const { destinationId } = destination;
    // What a lane knows is newer than its row, which may not be written yet.
    const lane = this.#lanes.get(destinationId) ?? this.#laneOf(destination, row);
    const fingerprint = fingerprintOf(destination);
    lane.destination = destination;
    if (lane.row.fingerprint !== fingerprint) this.#refresh(lane, fingerprint);
    this.#lanes.set(destinationId, lane);
    this.#due.add(lane);
  }

  /** Forgets what was decided about a receiver. */
  #refresh(lane: Lane, fingerprint: string): void {
    lane.row = afresh(lane.row, fingerprint);
    lane.failures = 0;
    lane.quietUntilMs = Number.NEGATIVE_INFINITY;
    this.#changed.add(lane);
  }

  #laneOf(destination: Destination, row: Lane['row']): Lane {
    const scheduler = this.#o.schedulerOf(destination.workspaceId);
    return newLane(destination, { row, scheduler, pending: this.#store.count(row.d, 'pending') });
  }

  #forget(lane: Lane): void {
    this.#disarm(lane);
    this.#lanes.delete(lane.destination.destinationId);
    this.#due.delete(lane);
    this.#changed.delete(lane);
  }

  /** Sends what is due in a lane, and sets its timer for what is not. */
  #fill(lane: Lane): void {
    if (this.#lanes.get(lane.destination.destinationId) !== lane) return;
    const { d, disabled } = lane.row;
    if (disabled !== null && lane.pending > 0) {
      this.#store.endPending(d, `switched off: ${disabled}`);
      lane.pending = 0;
    }
    if (!mayRun(lane)) return this.#disarm(lane);
    const nowMs = lane.scheduler.nowMs();
    if (nowMs < lane.quietUntilMs) return this.#arm(lane, lane.quietUntilMs);
    if (lane.pending <= lane.claimed.size) return this.#disarm(lane);
    const width = widthOf(lane, this.#concurrency);
    const free = Math.min(width - lane.open, OPEN_MAX - this.#open);
    if (free > 0) {
      const found = this.#store.due(d, nowMs, lane.claimed.size + free).filter(({ no }) => !lane.claimed.has(no));
      for (const due of found.slice(0, free)) this.#attempt(lane, due);
    } else if (lane.open < width) this.#due.add(lane);
    const nextMs = this.#store.nextDueMs(d, nowMs);
    if (nextMs === null) this.#disarm(lane);
    else this.#arm(lane, nextMs);
  }

  #attempt(lane: Lane, due: Due): void {
    const { round } = lane;
    const webhookId = webhookIdOf(lane.destination.workspaceId, due.sequence);
    lane.claimed.add(due.no);
    lane.open += 1;
    this.#open += 1;
    const message = { webhookId, sequence: due.sequence, body: due.body };
    const sent = timed(lane, carry(lane.destination, message, this.#courier)).then((outcome) => {
      lane.open -= 1;
      this.#open -= 1;
      this.#underWay.delete(sent);
      this.#onOutcome(lane, { due, round, outcome });
    });
    this.#underWay.add(sent);
  }

  #onOutcome(lane: Lane, { due, round, outcome }: { due: Due; round: number; outcome: PostOutcome }): void {
    if (outcome.kind === 'failed' && outcome.reason === 'closed') return;
    const before = lane.row;
    const verdict = judge(outcome, this.#wallMs());
    const status = outcome.kind === 'answered' ? outcome.status : null;
    this.#outcomes.push({
      lane,
      outcome: settle(lane, { due, round, verdict, status, schedule: this.#schedule }),
    });
    if (differs(before, lane.row)) this.#changed.add(lane);
    if (before.disabled === null && lane.row.disabled !== null) {
      this.#o.onDisabled?.(lane.destination.destinationId, lane.row.disabled);
    }
    this.#look(lane);
  }

  #arm(lane: Lane, atMs: EpochMs): void {
    if (lane.timer !== null && lane.timer.atMs === atMs) return;
    this.#disarm(lane);
    const onTime = (): void => {
      lane.timer = null;
      this.#look(lane);
    };
    lane.timer = { atMs, handle: lane.scheduler.at(atMs, onTime, PRIORITY.wire) };
  }

  #disarm(lane: Lane): void {
    if (lane.timer !== null) lane.scheduler.cancel(lane.timer.handle);
    lane.timer = null;
  }

  /** Nothing is sent while ends cannot be written: it would be sent again and again. */
  #onTrouble(e: unknown): void {
    if (e instanceof InvariantError) throw e;
    const trouble = troubleOf(e);
    // Somebody who looks at the file with a tool may hold it for a moment.
    const passes = trouble.reason === 'full' || codeOf(e).startsWith('SQLITE_BUSY');
    this.#trouble = { ...trouble, passes };
    if (!passes || this.#closed || this.#probe !== null) return;
    this.#probe = setTimeout(() => {
      this.#probe = null;
      this.#turnNow();
    }, PROBE_MS).unref();
  }
}

/** Whether a row is worth writing: the last success is worth it once a minute. */
const differs = (a: Lane['row'], b: Lane['row']): boolean =>
  a.failingSinceMs !== b.failingSinceMs ||
  a.disabled !== b.disabled ||
  (b.lastSuccessMs ?? 0) - (a.lastSuccessMs ?? 0) > SUCCESS_WRITTEN_MS;
