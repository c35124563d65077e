import { IIN1, IIN2 } from '../app/control.ts';
import { MASTER_DEFAULTS, type MasterConfig } from './config.ts';
import { Hold } from './hold.ts';
import { requestTask } from './requests.ts';
import type { Task } from './tasks.ts';

/**
 * What a master does next, and how it reacts to internal indications.
 *
 * Order: urgent commands; clear the restart bit (when shown), disable unsolicited, assign classes, integrity poll; then
 * commands, the clock (when asked for), enable unsolicited, requests of the owner, integrity and event polls as they fall
 * due. A failed attempt pauses everything but commands; each failure in a row doubles the pause up to retryMaxMs.
 *
 * Indications are reacted to without storms: a restart bit, a need for time and an overflow that stay set are answered
 * again only after a hold that doubles (class Hold). Overflow asks for an integrity poll.
 */
export interface Indications {
  readonly first: number;
  readonly second: number;
}
type Due = Task | 'command' | 'request' | null;
interface Waiting {
  readonly commands: 'none' | 'some' | 'urgent';
  readonly requests: boolean;
}

/** An outstation that goes on asking for the time is told it once in this long. */
const TIME_HOLD_MS = 60_000;
/** Shortest time between event polls that indications ask for. */
const EVENT_POLL_HOLD_MS = 1_000;

export class Agenda {
  /** Every class was read to the end since the connection or the last restart. */
  integrity = false;
  /** The restart bit is to be cleared. */
  restartShown = false;
  private readonly settings: Required<MasterConfig>;
  private readonly restartHold: Hold;
  private readonly overflowHold: Hold;
  private readonly timeHold = new Hold(TIME_HOLD_MS, TIME_HOLD_MS);
  private disabled = false;
  private assigned = false;
  private enabled: 'no' | 'yes' | 'refused' = 'no';
  /** What the latest indications showed; acted on when its hold is over, unless they showed otherwise meanwhile. */
  private restartBit = false;
  private timeBit = false;
  private failures = 0;
  private pausedUntilMs = 0;
  private integrityDueMs = 0;
  private eventPollMs: number | null;
  private eventPollDueMs: number | null = null;
  private eventPollLastMs = Number.NEGATIVE_INFINITY;

  constructor(config: MasterConfig) {
    this.settings = { ...MASTER_DEFAULTS, ...config };
    this.eventPollMs = this.settings.eventPollMs;
    const { retryMs, retryMaxMs } = this.settings;
    this.restartHold = new Hold(retryMs, retryMaxMs);
    this.overflowHold = new Hold(retryMs, retryMaxMs);
  }

  connected(nowMs: number): void {
    this.restartShown = false;
    this.restartHold.reset();
    this.overflowHold.reset();
    this.timeHold.reset();
    this.restartBit = false;
    this.timeBit = false;
    this.failures = 0;
    this.pausedUntilMs = nowMs;
    this.eventPollDueMs = null;
    this.beginAgain();
  }

  /** The start-up runs anew. */
  beginAgain(): void {
    this.disabled = false;
    this.assigned = false;
    this.enabled = 'no';
    this.integrity = false;
  }

  next(nowMs: number, waiting: Waiting, dead: boolean): Due {
    if (waiting.commands === 'urgent') return 'command';
    const paused = dead || nowMs < this.pausedUntilMs;
    if (this.restartShown) return paused ? null : { kind: 'clear-restart' };
    if (!this.integrity) return paused ? null : this.startUp();
    if (waiting.commands === 'some') return 'command';
    if (paused) return null;
    if (this.timeBit && nowMs >= this.timeHold.readyMs()) {
      return requestTask({ kind: 'time-sync', id: '', method: this.settings.timeSyncMethod }, true);
    }
    if (this.wantsEnable()) return { kind: 'enable-unsolicited' };
    if (waiting.requests) return 'request';
    if (nowMs >= this.integrityDueMs) return { kind: 'integrity' };
    return this.eventPollDueMs !== null && nowMs >= this.eventPollDueMs ? { kind: 'event-poll' } : null;
  }

  /** When something may be due; null when only the peer can change that. */
  nextMs(waiting: Waiting, dead: boolean): number | null {
    if (dead) return null;
    const restartMs = this.restartBit && !this.restartShown ? this.restartHold.readyMs() : Number.POSITIVE_INFINITY;
    if (!this.integrity || this.restartShown || this.wantsEnable() || waiting.requests) {
      return Math.min(restartMs, this.pausedUntilMs);
    }
    const timeMs = this.timeBit ? this.timeHold.readyMs() : Number.POSITIVE_INFINITY;
    const dueMs = Math.min(this.integrityDueMs, this.eventPollDueMs ?? Number.POSITIVE_INFINITY, timeMs);
    return Math.min(restartMs, Math.max(dueMs, this.pausedUntilMs));
  }

  /** @returns whether what was known of the outstation is void: it restarted */
  react(iin: Indications, nowMs: number): boolean {
    this.restartBit = (iin.first & IIN1.restart) !== 0;
    this.timeBit = this.settings.timeSync && (iin.first & IIN1.needTime) !== 0;
    if ((iin.second & IIN2.overflow) !== 0) this.overflow(nowMs);
    const enabled = this.enabled === 'yes' ? this.settings.unsolicitedClasses : [];
    const bits = [1, 2, 3].filter((c) => !enabled.some((e) => e === c)).reduce((mask, c) => mask | (1 << c), 0);
    if ((iin.first & bits) !== 0) this.pollEventsAt(Math.max(nowMs, this.eventPollLastMs + EVENT_POLL_HOLD_MS));
    return this.tick(nowMs);
  }

  /** What was put off by a hold. @returns as react */
  tick(nowMs: number): boolean {
    if (!this.restartBit || this.restartShown || nowMs < this.restartHold.readyMs()) return false;
    this.restartShown = true;
    const wasWhole = this.integrity;
    if (wasWhole) this.beginAgain();
    return wasWhole;
  }

  /** A request left. */
  sent(task: Task, nowMs: number): void {
    if (task.kind === 'event-poll') this.eventPollLastMs = nowMs;
  }

  /** An integrity poll that took several fragments and ends with an overflow may lack what was lost meanwhile. */
  integrityRead(nowMs: number, lostMeanwhile: boolean): void {
    this.integrityDueMs = nowMs + this.settings.integrityMs;
    if (lostMeanwhile) this.overflow(nowMs);
    this.eventsRead(nowMs);
    // A restart shown during the read makes it void.
    this.integrity = !this.restartShown;
  }

  eventsRead(nowMs: number): void {
    this.eventPollDueMs = this.eventPollMs === null ? null : nowMs + this.eventPollMs;
  }

  /** As the setting eventPollMs, from now on. */
  pollEventsEvery(ms: number | null, nowMs: number): void {
    if (ms === this.eventPollMs) return;
    this.eventPollMs = ms;
    if (ms === null) this.eventPollDueMs = null;
    else if (this.integrity) this.pollEventsAt(nowMs + ms);
  }

  restartCleared(nowMs: number): void {
    this.restartShown = false;
    this.restartBit = false;
    this.restartHold.fired(nowMs);
  }

  timeWritten(nowMs: number): void {
    this.timeBit = false;
    this.timeHold.fired(nowMs);
  }

  disabledUnsolicited(): void {
    this.disabled = true;
  }

  assignedClasses(): void {
    this.assigned = true;
  }

  enabledUnsolicited(refused: boolean): void {
    this.enabled = refused ? 'refused' : 'yes';
  }

  succeeded(): void {
    this.failures = 0;
  }

  failed(task: Task, nowMs: number): void {
    const { retryMs, retryMaxMs } = this.settings;
    this.pausedUntilMs = nowMs + Math.min(Math.max(retryMs, retryMaxMs), retryMs * 2 ** Math.min(16, this.failures));
    this.failures += 1;
    if (task.kind === 'event-poll') this.eventsRead(nowMs);
  }

  private startUp(): Task {
    if (!this.disabled) return { kind: 'disable-unsolicited' };
    const assigns = !this.assigned && this.settings.assignments.length > 0;
    return assigns ? { kind: 'assign-classes' } : { kind: 'integrity' };
  }

  private wantsEnable(): boolean {
    return this.enabled === 'no' && this.settings.unsolicitedClasses.length > 0;
  }

  private overflow(nowMs: number): void {
    const atMs = Math.max(nowMs, this.overflowHold.readyMs());
    if (this.integrityDueMs <= atMs) return;
    this.integrityDueMs = atMs;
    this.overflowHold.fired(atMs);
  }

  private pollEventsAt(atMs: number): void {
    this.eventPollDueMs = this.eventPollDueMs === null ? atMs : Math.min(this.eventPollDueMs, atMs);
  }
}
