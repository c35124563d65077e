import { controlOctet, FUNCTION, IIN1, IIN2, nextSequence } from '../app/control.ts';
import { type Fragment, parseFragment, parseHeaders } from '../app/parse.ts';
import { type Incoming, Stack } from '../stack.ts';
import { sameOctets } from '../util/bytes.ts';
import { FRAGMENTS_MAX, MASTER_DEFAULTS, MASTER_EVENTS_MAX, type MasterConfig, type MasterEvent } from './config.ts';
import { measurementsOf } from './measurements.ts';
import {
  buildRequest,
  type CommandOutcome,
  type CommandRequest,
  type CommandTask,
  commandTask,
  controlAnswer,
  nextPhase,
  type Task,
} from './tasks.ts';

/**
 * A master for one outstation (IEEE 1815 clause 4 and 5 [S]; order of work as opendnp3 and stepfunc have it).
 *
 * After each connect: clear the restart bit (when shown), disable unsolicited, integrity poll, set the clock (when asked
 * for), enable unsolicited; then commands and polls. One request is under way at a time. No command leaves before the
 * integrity poll of this connection is complete, and none after the outstation showed a restart until it was read again;
 * an urgent one is the exception: it leaves at once and breaks off what is under way.
 *
 * A response counts only with the expected sequence, FIR on its first fragment and none later; each fragment restarts
 * the timer. Unsolicited data before the integrity poll is neither taken nor confirmed, so the outstation keeps it; a
 * repeat is confirmed and not delivered (stepfunc's ways; opendnp3 does neither). Controls are never repeated by
 * themselves: an answer that does not come is an unknown outcome and the owner's to judge.
 */
/** An outstation that goes on asking for the time is told it once in this long. */
const TIME_HOLD_MS = 60_000;

interface Flight {
  readonly task: Task;
  readonly request: Uint8Array;
  readonly sentMs: number;
  sequence: number;
  untilMs: number;
  fragments: number;
}

export class MasterSession {
  readonly stack: Stack;
  /** Values of points outside the map. */
  droppedValues = 0;
  /** Fragments that were no valid answer to anything. */
  droppedFragments = 0;
  private readonly settings: Required<MasterConfig>;
  private out: MasterEvent[] = [];
  private online = false;
  private sequence = 0;
  private flight: Flight | null = null;
  private commands: CommandTask[] = [];
  private lastHeardMs = 0;
  private askedStatusMs: number | null = null;
  private dead = false;
  private restartShown = false;
  private restartClearedMs = Number.NEGATIVE_INFINITY;
  private disabled = false;
  private enabled: 'no' | 'yes' | 'refused' = 'no';
  private integrity = false;
  private needTime = false;
  private timeWrittenMs = Number.NEGATIVE_INFINITY;
  private overflow = false;
  private pausedUntilMs = 0;
  private integrityDueMs = 0;
  private eventPollDueMs: number | null = null;
  private eventPollLastMs = Number.NEGATIVE_INFINITY;
  private lastUnsolicited: Uint8Array | null = null;

  constructor(config: MasterConfig) {
    this.settings = { ...MASTER_DEFAULTS, ...config };
    const { localAddress, remoteAddress, interOctetMs } = this.settings;
    this.stack = new Stack({ role: 'master', localAddress, remoteAddress, interOctetMs, fragmentOctetsMax: 2048 });
  }

  /** The picture is whole and of this connection. */
  get integrityComplete(): boolean {
    return this.online && this.integrity;
  }

  connected(nowMs: number): void {
    // A new connection may replace one whose end nobody saw: what was under way in that one ends here.
    if (this.online) this.disconnected(nowMs);
    this.stack.reset();
    this.online = true;
    this.lastHeardMs = nowMs;
    this.askedStatusMs = null;
    this.dead = false;
    this.restartShown = false;
    this.restartClearedMs = Number.NEGATIVE_INFINITY;
    this.needTime = false;
    this.overflow = false;
    this.pausedUntilMs = nowMs;
    this.eventPollDueMs = null;
    this.lastUnsolicited = null;
    this.beginAgain();
    this.work(nowMs);
  }

  disconnected(_nowMs: number): void {
    this.online = false;
    this.integrity = false;
    const flight = this.flight;
    this.flight = null;
    if (flight?.task.kind === 'command') this.endCommand(flight.task, unanswered(flight.task, 'the link went down'));
    const waiting = this.commands;
    this.commands = [];
    for (const c of waiting) this.endCommand(c, { kind: 'not-sent', why: 'the link went down before it was sent' });
    this.stack.reset();
  }

  receive(octets: Uint8Array, nowMs: number): void {
    if (!this.online) return;
    this.take(this.stack.receive(octets, nowMs), nowMs);
    this.work(nowMs);
  }

  /** Queues a command; its end comes as an event. A full queue or a dead link refuses it at once. */
  command(request: CommandRequest, nowMs: number): void {
    const task = commandTask(request, 0);
    if (request.steps.length === 0) return this.endCommand(task, { kind: 'not-sent', why: 'it holds no step' });
    if (!this.online) return this.endCommand(task, { kind: 'not-sent', why: 'there is no connection' });
    if (this.commands.length >= this.settings.commandsMax && !request.urgent) {
      return this.endCommand(task, { kind: 'not-sent', why: `${this.settings.commandsMax} commands are waiting` });
    }
    if (request.urgent) {
      this.commands.unshift(task);
      this.breakOff();
    } else this.commands.push(task);
    this.work(nowMs);
  }

  /** Takes back commands that wait; of one under way only what has left stands, and its outcome is told as unknown. */
  cancel(wanted: (id: string) => boolean, why: string): void {
    const task = this.flight?.task;
    if (task?.kind === 'command' && wanted(task.request.id)) {
      this.flight = null;
      this.endCommand(task, unanswered(task, why));
    }
    const gone = this.commands.filter((c) => wanted(c.request.id));
    this.commands = this.commands.filter((c) => !wanted(c.request.id));
    for (const c of gone) this.endCommand(c, { kind: 'not-sent', why });
  }

  timeout(nowMs: number): void {
    if (!this.online) return;
    this.take(this.stack.timeout(nowMs), nowMs);
    if (this.flight !== null && nowMs >= this.flight.untilMs) {
      this.fail(this.flight, 'no answer in time', nowMs);
      // Is anybody there at all? Asked at once, not only after the keep-alive time.
      if (this.askedStatusMs === null) this.lastHeardMs = Math.min(this.lastHeardMs, nowMs - this.settings.keepAliveMs);
    }
    this.keepAlive(nowMs);
    this.work(nowMs);
  }

  nextTimeoutMs(): number | null {
    if (!this.online) return null;
    const keepAliveMs =
      this.askedStatusMs === null
        ? this.lastHeardMs + this.settings.keepAliveMs
        : this.askedStatusMs + this.settings.responseMs;
    const times: (number | null)[] = [this.stack.nextTimeoutMs(), keepAliveMs];
    if (this.flight !== null) times.push(this.flight.untilMs);
    else if (this.dead) times.push(null);
    else if (this.integrity) {
      if (this.needTime) times.push(this.pausedUntilMs);
      times.push(Math.max(this.integrityDueMs, this.pausedUntilMs));
      if (this.eventPollDueMs !== null) times.push(Math.max(this.eventPollDueMs, this.pausedUntilMs));
      if (this.enabled === 'no' && this.settings.unsolicitedClasses.length > 0) times.push(this.pausedUntilMs);
    } else times.push(this.pausedUntilMs);
    return times.reduce<number | null>((min, t) => (t !== null && (min === null || t < min) ? t : min), null);
  }

  takeOutput(): Uint8Array[] {
    return this.stack.takeOutput();
  }

  takeEvents(): MasterEvent[] {
    const out = this.out;
    this.out = [];
    return out;
  }

  private emit(event: MasterEvent): void {
    if (this.out.length >= MASTER_EVENTS_MAX) this.out.shift();
    this.out.push(event);
  }

  private beginAgain(): void {
    this.disabled = false;
    this.enabled = 'no';
    this.integrity = false;
  }

  private endCommand(task: CommandTask, outcome: CommandOutcome): void {
    this.emit({ kind: 'command-ended', id: task.request.id, outcome });
  }

  /** An urgent command does not wait for an answer that may never come. A read broken off is done again later. */
  private breakOff(): void {
    const flight = this.flight;
    if (flight === null || (flight.task.kind === 'command' && flight.task.request.urgent)) return;
    this.flight = null;
    if (flight.task.kind === 'command') this.endCommand(flight.task, unanswered(flight.task, 'broken off'));
  }

  /** Sends the next request when none is under way. */
  private work(nowMs: number): void {
    if (!this.online || this.flight !== null) return;
    const task = this.nextTask(nowMs);
    if (task === null) return;
    if (task.kind === 'event-poll') this.eventPollLastMs = nowMs;
    this.fly(task, nowMs);
  }

  private fly(task: Task, nowMs: number): void {
    const sequence = this.sequence;
    this.sequence = nextSequence(sequence);
    const request = buildRequest(task, sequence, this.settings.unsolicitedClasses);
    if (task.kind === 'command') {
      this.emit({ kind: 'control-sent', id: task.request.id, phase: task.phase, step: task.step });
    }
    this.flight = { task, request, sentMs: nowMs, sequence, untilMs: nowMs + this.settings.responseMs, fragments: 0 };
    this.stack.sendFragment(request);
  }

  private nextTask(nowMs: number): Task | null {
    const first = this.commands[0];
    if (first?.request.urgent === true) return this.commands.shift() ?? null;
    const paused = this.dead || nowMs < this.pausedUntilMs;
    if (this.restartShown) return paused ? null : { kind: 'clear-restart' };
    if (!this.integrity) {
      if (paused) return null;
      return this.disabled ? { kind: 'integrity' } : { kind: 'disable-unsolicited' };
    }
    if (first !== undefined) return this.commands.shift() ?? null;
    if (paused) return null;
    if (this.needTime) return { kind: 'record-time' };
    if (this.enabled === 'no' && this.settings.unsolicitedClasses.length > 0) return { kind: 'enable-unsolicited' };
    if (nowMs >= this.integrityDueMs) return { kind: 'integrity' };
    if (this.eventPollDueMs !== null && nowMs >= this.eventPollDueMs) return { kind: 'event-poll' };
    return null;
  }

  private take(incoming: readonly Incoming[], nowMs: number): void {
    for (const item of incoming) {
      this.heard(nowMs);
      if (item.kind === 'link-status') continue;
      const fragment = parseFragment(item.octets);
      if (fragment === null || fragment.iin === null || !this.takeFragment(fragment, item.octets, nowMs)) {
        this.droppedFragments += 1;
      }
    }
  }

  private takeFragment(fragment: Fragment, octets: Uint8Array, nowMs: number): boolean {
    const isUnsolicited = fragment.functionCode === FUNCTION.unsolicitedResponse;
    if (isUnsolicited !== fragment.control.uns) return false;
    return isUnsolicited ? this.takeUnsolicited(fragment, octets, nowMs) : this.takeSolicited(fragment, nowMs);
  }

  private takeUnsolicited(fragment: Fragment, octets: Uint8Array, nowMs: number): boolean {
    const { fir, fin, con, sequence } = fragment.control;
    if (!fir || !fin || !con) return false;
    const isNull = fragment.body.length === 0;
    if (!isNull && !this.integrity) {
      this.react(fragment, nowMs);
      return true;
    }
    const isRepeat = this.lastUnsolicited !== null && sameOctets(this.lastUnsolicited, octets);
    if (!isRepeat && !this.deliver(fragment, true)) return false;
    this.confirm(sequence, true);
    this.lastUnsolicited = octets;
    if (!isRepeat) this.react(fragment, nowMs);
    return true;
  }

  private takeSolicited(fragment: Fragment, nowMs: number): boolean {
    const flight = this.flight;
    const { fir, fin, con, sequence } = fragment.control;
    if (flight === null || sequence !== flight.sequence || fir !== (flight.fragments === 0)) return false;
    const isRead = flight.task.kind === 'integrity' || flight.task.kind === 'event-poll';
    if (isRead && !this.deliver(fragment, false)) {
      this.fail(flight, 'the answer cannot be read', nowMs);
      return false;
    }
    if (con) this.confirm(sequence, false);
    flight.fragments += 1;
    flight.untilMs = nowMs + this.settings.responseMs;
    flight.sequence = nextSequence(sequence);
    if (!fin && flight.fragments >= FRAGMENTS_MAX) this.fail(flight, `more than ${FRAGMENTS_MAX} fragments`, nowMs);
    if (!fin) return true;
    this.sequence = flight.sequence;
    this.flight = null;
    this.react(fragment, nowMs);
    this.complete(flight, fragment, nowMs);
    return true;
  }

  /** @returns false when the objects cannot be read; then nothing of them counts */
  private deliver(fragment: Fragment, unsolicited: boolean): boolean {
    const parsed = parseHeaders(fragment.body, true);
    if (parsed.kind === 'bad') return false;
    const needTime = ((fragment.iin?.first ?? 0) & IIN1.needTime) !== 0;
    const { values, dropped } = measurementsOf(parsed.headers, { unsolicited, needTime }, this.settings.known);
    this.droppedValues += dropped;
    if (values.length > 0) this.emit({ kind: 'measurements', values });
    return true;
  }

  private confirm(sequence: number, uns: boolean): void {
    const control = controlOctet({ fir: true, fin: true, con: false, uns, sequence });
    this.stack.sendFragment(Uint8Array.of(control, FUNCTION.confirm));
  }

  /** Reacts to indications. What an outstation shows all the time is answered once per retry time, not in a storm. */
  private react(fragment: Fragment, nowMs: number): void {
    const { first, second } = fragment.iin ?? { first: 0, second: 0 };
    const { retryMs } = this.settings;
    if ((first & IIN1.restart) !== 0 && !this.restartShown && nowMs >= this.restartClearedMs + retryMs) {
      this.restartShown = true;
      if (this.integrity) {
        this.beginAgain();
        this.emit({ kind: 'restarted' });
      }
    }
    this.needTime =
      this.settings.timeSync && (first & IIN1.needTime) !== 0 && nowMs >= this.timeWrittenMs + TIME_HOLD_MS;
    const overflow = (second & IIN2.overflow) !== 0;
    if (overflow && !this.overflow) this.integrityDueMs = nowMs;
    this.overflow = overflow;
    const hasEvents = (first & (IIN1.class1 | IIN1.class2 | IIN1.class3)) !== 0;
    if (hasEvents && this.enabled !== 'yes') this.pollEventsAt(Math.max(nowMs, this.eventPollLastMs + 1_000));
  }

  private pollEventsAt(atMs: number): void {
    this.eventPollDueMs = this.eventPollDueMs === null ? atMs : Math.min(this.eventPollDueMs, atMs);
  }

  private complete(flight: Flight, fragment: Fragment, nowMs: number): void {
    const { task } = flight;
    switch (task.kind) {
      case 'clear-restart':
        this.restartShown = false;
        this.restartClearedMs = nowMs;
        return;
      case 'disable-unsolicited':
        this.disabled = true;
        return;
      case 'enable-unsolicited':
        this.enabled = (fragment.iin?.second ?? 0) & IIN2.noFunction ? 'refused' : 'yes';
        return;
      case 'integrity':
        this.integrityDueMs = nowMs + this.settings.integrityMs;
        this.scheduleEventPoll(nowMs);
        // A restart shown during the read makes it void.
        if (this.restartShown) return;
        this.integrity = true;
        this.emit({ kind: 'integrity-complete' });
        return;
      case 'event-poll':
        this.scheduleEventPoll(nowMs);
        this.emit({ kind: 'polled' });
        return;
      case 'record-time':
        // The two must follow each other directly: the outstation takes the time only with the next sequence number.
        this.fly({ kind: 'write-time', recordedMs: flight.sentMs }, nowMs);
        return;
      case 'write-time':
        this.needTime = false;
        this.timeWrittenMs = nowMs;
        return;
      case 'command':
        this.completeCommand(task, flight.request.subarray(2), fragment, nowMs);
        return;
    }
  }

  private scheduleEventPoll(nowMs: number): void {
    const { eventPollMs } = this.settings;
    this.eventPollDueMs = eventPollMs === null ? null : nowMs + eventPollMs;
  }

  private completeCommand(task: CommandTask, sent: Uint8Array, fragment: Fragment, nowMs: number): void {
    const problem = controlAnswer(sent, fragment.body, fragment.iin?.second ?? 0);
    if (problem !== null) {
      const kind = problem.refused ? 'refused' : task.phase === 'select' && task.step === 0 ? 'not-sent' : 'unknown';
      this.endCommand(task, { kind, why: `${task.phase}: ${problem.why}` });
      return;
    }
    const next = nextPhase(task);
    if (next === null) this.endCommand(task, { kind: 'operated' });
    else if (this.restartShown && !task.request.urgent) {
      this.endCommand(task, { kind: 'unknown', why: 'the outstation restarted in the middle of it' });
    } else this.fly(next, nowMs);
  }

  private fail(flight: Flight, why: string, nowMs: number): void {
    this.flight = null;
    const { task } = flight;
    if (task.kind === 'command') return this.endCommand(task, unanswered(task, why));
    this.emit({ kind: 'task-failed', task: task.kind, why });
    this.pausedUntilMs = nowMs + this.settings.retryMs;
    if (task.kind === 'event-poll') this.scheduleEventPoll(nowMs);
  }

  private heard(nowMs: number): void {
    this.lastHeardMs = nowMs;
    this.askedStatusMs = null;
    if (!this.dead) return;
    this.dead = false;
    this.emit({ kind: 'link-alive' });
  }

  /**
   * Asks for the link status after silence. When that stays without answer too the link is dead: what was known is void,
   * and only link status requests leave until something is heard.
   */
  private keepAlive(nowMs: number): void {
    const { keepAliveMs, responseMs } = this.settings;
    if (this.askedStatusMs === null) {
      if (nowMs < this.lastHeardMs + keepAliveMs) return;
      this.askedStatusMs = nowMs;
      this.stack.requestLinkStatus();
    } else if (nowMs >= this.askedStatusMs + responseMs) {
      this.askedStatusMs = null;
      this.lastHeardMs = nowMs;
      if (this.dead) return;
      this.dead = true;
      this.beginAgain();
      this.emit({ kind: 'link-dead' });
    }
  }
}

/** A select that was not answered did nothing; of anything else nobody knows. */
function unanswered(task: CommandTask, why: string): CommandOutcome {
  const isHarmless = task.phase === 'select' && task.step === 0;
  return { kind: isHarmless ? 'not-sent' : 'unknown', why: `${task.phase}: ${why}` };
}
