import { controlOctet, FUNCTION, IIN1, IIN2, nextSequence } from '../app/control.ts';
import { type Fragment, parseFragment, parseHeaders } from '../app/parse.ts';
import { type Incoming, Stack } from '../stack.ts';
import { sameOctets } from '../util/bytes.ts';
import { Agenda } from './agenda.ts';
import {
  FRAGMENTS_MAX,
  MASTER_DEFAULTS,
  MASTER_EVENTS_MAX,
  type MasterConfig,
  type MasterEvent,
  type MasterNotice,
} from './config.ts';
import { KeepAlive } from './keepAlive.ts';
import { deadbandsOf, measurementsOf, octetStringsOf } from './measurements.ts';
import {
  type AssignClassRequest,
  delayOf,
  type FreezeRequest,
  isAnswered,
  isReadRequest,
  type MasterRequest,
  objection,
  type ReadClassesRequest,
  type ReadRangeRequest,
  type RequestOutcome,
  type RequestTask,
  type RestartRequest,
  requestTask,
  type TimeSyncRequest,
  timeToWrite,
  type WriteDeadbandsRequest,
} from './requests.ts';
import {
  accepted,
  buildRequest,
  type CommandOutcome,
  type CommandRequest,
  type CommandTask,
  commandTask,
  controlAnswer,
  nextPhase,
  type Task,
  unanswered,
} from './tasks.ts';

/**
 * A master for one outstation (IEEE 1815 clause 4 and 5 [S]; order of work as opendnp3 and stepfunc have it).
 *
 * What is done when is the agenda's business (agenda.ts); here requests leave and answers are taken. One request is under
 * way at a time. No command leaves before the integrity poll of this connection is complete, and none after the
 * outstation showed a restart until it was read again; an urgent one is the exception: it leaves at once and breaks off
 * what is under way.
 *
 * A response counts only with the expected sequence, FIR on its first fragment and none later; each fragment restarts
 * the timer. Unsolicited data before the integrity poll is neither taken nor confirmed, so the outstation keeps it; a
 * repeat is confirmed and not delivered (stepfunc's ways; opendnp3 does neither). Controls are never repeated by
 * themselves: an answer that does not come is an unknown outcome and the owner's to judge. Values of points outside the
 * map are dropped and counted.
 */
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
  private readonly agenda: Agenda;
  private readonly link: KeepAlive;
  private out: MasterNotice[] = [];
  private online = false;
  private sequence = 0;
  private flight: Flight | null = null;
  private commands: CommandTask[] = [];
  private requests: RequestTask[] = [];
  private lastUnsolicited: Uint8Array | null = null;

  constructor(config: MasterConfig) {
    this.settings = { ...MASTER_DEFAULTS, ...config };
    const { localAddress, remoteAddress, interOctetMs, keepAliveMs, responseMs } = this.settings;
    this.agenda = new Agenda(this.settings);
    this.link = new KeepAlive(keepAliveMs, responseMs);
    this.stack = new Stack({ role: 'master', localAddress, remoteAddress, interOctetMs, fragmentOctetsMax: 2048 });
  }

  /** The picture is whole and of this connection. */
  get integrityComplete(): boolean {
    return this.online && this.agenda.integrity;
  }

  /** Time between reads of events from now on [ms]; null = only when indications say that there are some. */
  pollEventsEvery(ms: number | null, nowMs: number): void {
    this.agenda.pollEventsEvery(ms, nowMs);
  }

  connected(nowMs: number): void {
    // A new connection may replace one whose end nobody saw: what was under way in that one ends here.
    if (this.online) this.disconnected(nowMs);
    this.stack.reset();
    this.online = true;
    this.link.start(nowMs);
    this.agenda.connected(nowMs);
    this.lastUnsolicited = null;
    this.work(nowMs);
  }

  disconnected(_nowMs: number): void {
    this.online = false;
    this.agenda.beginAgain();
    this.breakOff('the link went down');
    const { commands, requests } = this;
    this.commands = [];
    this.requests = [];
    const end = { kind: 'not-sent', why: 'the link went down before it was sent' } as const;
    for (const c of commands) this.endCommand(c, end);
    for (const r of requests) this.endRequest(r, end);
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
      // An urgent command does not wait for an answer that may never come. A read broken off is done again later.
      const underWay = this.flight?.task;
      if (underWay?.kind !== 'command' || !underWay.request.urgent) this.breakOff('broken off');
    } else this.commands.push(task);
    this.work(nowMs);
  }

  /** Reads points by object header; values come as 'measurements'. */
  readRange(request: ReadRangeRequest, nowMs: number): void {
    this.ask({ kind: 'read-range', ...request }, nowMs);
  }

  /** Reads classes, events (1 to 3) before static values (0); values come as 'measurements'. */
  readClasses(request: ReadClassesRequest, nowMs: number): void {
    this.ask({ kind: 'read-classes', ...request }, nowMs);
  }

  /** Sets the outstation's clock to the session's time. */
  timeSync(request: TimeSyncRequest, nowMs: number): void {
    this.ask({ kind: 'time-sync', ...request }, nowMs);
  }

  restart(request: RestartRequest, nowMs: number): void {
    this.ask({ kind: 'restart', ...request }, nowMs);
  }

  assignClass(request: AssignClassRequest, nowMs: number): void {
    this.ask({ kind: 'assign-class', ...request }, nowMs);
  }

  /** Freezes counters. */
  freeze(request: FreezeRequest, nowMs: number): void {
    this.ask({ kind: 'freeze', ...request }, nowMs);
  }

  /** Sets dead-bands of analog inputs. */
  writeDeadbands(request: WriteDeadbandsRequest, nowMs: number): void {
    this.ask({ kind: 'write-deadbands', ...request }, nowMs);
  }

  /** Takes back commands and requests that wait; of one under way only what has left stands. */
  cancel(wanted: (id: string) => boolean, why: string): void {
    const task = this.flight?.task;
    const isOwners = task?.kind === 'command' || (task?.kind === 'request' && !task.own);
    if (isOwners && wanted(task.request.id)) this.breakOff(why);
    const commands = this.commands.filter((c) => wanted(c.request.id));
    const requests = this.requests.filter((r) => wanted(r.request.id));
    this.commands = this.commands.filter((c) => !commands.includes(c));
    this.requests = this.requests.filter((r) => !requests.includes(r));
    for (const c of commands) this.endCommand(c, { kind: 'not-sent', why });
    for (const r of requests) this.endRequest(r, { kind: 'not-sent', why });
  }

  timeout(nowMs: number): void {
    if (!this.online) return;
    this.take(this.stack.timeout(nowMs), nowMs);
    if (this.flight !== null && nowMs >= this.flight.untilMs) {
      this.fail(this.flight, 'no answer in time', nowMs);
      this.link.doubt(nowMs);
    }
    const due = this.link.due(nowMs);
    if (due === 'ask') this.stack.requestLinkStatus();
    else if (due === 'died') {
      this.agenda.beginAgain();
      this.emit({ kind: 'link-dead' });
    }
    this.work(nowMs);
  }

  nextTimeoutMs(): number | null {
    if (!this.online) return null;
    const work = this.flight === null ? this.agenda.nextMs(this.waiting(), this.link.dead) : this.flight.untilMs;
    const times = [this.stack.nextTimeoutMs(), this.link.nextMs(), work];
    return times.reduce<number | null>((min, t) => (t !== null && (min === null || t < min) ? t : min), null);
  }

  takeOutput(): Uint8Array[] {
    return this.stack.takeOutput();
  }

  /** Everything told since the last call, in order. */
  takeNotices(): MasterNotice[] {
    const out = this.out;
    this.out = [];
    return out;
  }

  /** The same without ends of requests, octet strings and dead-bands, for an owner who asks for none of them. */
  takeEvents(): MasterEvent[] {
    return this.takeNotices().filter(isEvent);
  }

  private emit(notice: MasterNotice): void {
    if (this.out.length >= MASTER_EVENTS_MAX) this.out.shift();
    this.out.push(notice);
  }

  private endCommand(task: CommandTask, outcome: CommandOutcome): void {
    this.emit({ kind: 'command-ended', id: task.request.id, outcome });
  }

  private endRequest(task: RequestTask, outcome: RequestOutcome): void {
    if (task.own) return;
    this.emit({ kind: 'request-ended', id: task.request.id, request: task.request.kind, outcome });
  }

  private ask(request: MasterRequest, nowMs: number): void {
    const task = requestTask(request);
    const { requestsMax } = this.settings;
    if (!this.online) return this.endRequest(task, { kind: 'not-sent', why: 'there is no connection' });
    if (this.requests.length >= requestsMax) {
      return this.endRequest(task, { kind: 'not-sent', why: `${requestsMax} requests are waiting` });
    }
    this.requests.push(task);
    this.work(nowMs);
  }

  /** Gives up what is under way; an answer that still comes belongs to nothing. */
  private breakOff(why: string): void {
    const task = this.flight?.task;
    this.flight = null;
    if (task?.kind === 'command') this.endCommand(task, unanswered(task, why));
    if (task?.kind === 'request') this.endRequest(task, { kind: 'no-answer', why });
  }

  private waiting() {
    const urgent = this.commands[0]?.request.urgent === true;
    const commands = urgent ? 'urgent' : this.commands.length > 0 ? 'some' : 'none';
    return { commands, requests: this.requests.length > 0 } as const;
  }

  /** Sends what is due until something waits for an answer; each turn takes one task from a bounded queue. */
  private work(nowMs: number): void {
    if (this.flight === null && this.agenda.tick(nowMs)) this.emit({ kind: 'restarted' });
    while (this.online && this.flight === null) {
      const due = this.agenda.next(nowMs, this.waiting(), this.link.dead);
      const task = due === 'command' ? this.commands.shift() : due === 'request' ? this.requests.shift() : due;
      if (task === null || task === undefined) return;
      this.fly(task, nowMs);
      // Only what no answer is wanted for goes on to the next.
      if (task.kind !== 'command' && task.kind !== 'request') return;
    }
  }

  private fly(task: Task, nowMs: number): void {
    const { sequence } = this;
    const request = buildRequest(task, sequence, this.settings);
    if (request === null) return this.unsendable(task, nowMs);
    this.sequence = nextSequence(sequence);
    if (task.kind === 'command') {
      this.emit({ kind: 'control-sent', id: task.request.id, phase: task.phase, step: task.step });
    }
    this.stack.sendFragment(request);
    this.agenda.sent(task, nowMs);
    if (task.kind === 'command' && task.phase === 'no-ack') return this.advance(task, nowMs);
    if (task.kind === 'request' && !isAnswered(task.request)) return this.endRequest(task, { kind: 'sent' });
    this.flight = { task, request, sentMs: nowMs, sequence, untilMs: nowMs + this.settings.responseMs, fragments: 0 };
  }

  private unsendable(task: Task, nowMs: number): void {
    const why = 'it names nothing, does not fit into one fragment, or holds a value that cannot be sent';
    switch (task.kind) {
      case 'command':
        return this.endCommand(task, { kind: task.step === 0 ? 'not-sent' : 'refused', why });
      case 'request':
        return this.endRequest(task, { kind: 'not-sent', why });
      default:
        if (task.kind === 'assign-classes') this.agenda.assignedClasses();
        this.emit({ kind: 'task-failed', task: task.kind, why });
        this.agenda.failed(task, nowMs);
    }
  }

  private take(incoming: readonly Incoming[], nowMs: number): void {
    for (const item of incoming) {
      if (this.link.heard(nowMs)) this.emit({ kind: 'link-alive' });
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
    if (!isNull && !this.agenda.integrity) {
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
    if (isRead(flight.task) && !this.deliver(fragment, false)) {
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
    this.agenda.succeeded();
    this.react(fragment, nowMs, flight.task.kind === 'integrity');
    this.complete(flight, fragment, nowMs);
    return true;
  }

  /** @returns false when the objects cannot be read; then nothing of them counts */
  private deliver(fragment: Fragment, unsolicited: boolean): boolean {
    const parsed = parseHeaders(fragment.body, true);
    if (parsed.kind === 'bad') return false;
    const needTime = ((fragment.iin?.first ?? 0) & IIN1.needTime) !== 0;
    const points = measurementsOf(parsed.headers, { unsolicited, needTime }, this.settings.known);
    const strings = octetStringsOf(parsed.headers, unsolicited, this.settings.knownOctets);
    const deadbands = deadbandsOf(parsed.headers, this.settings.known);
    this.droppedValues += points.dropped + strings.dropped + deadbands.dropped;
    if (points.values.length > 0) this.emit({ kind: 'measurements', values: points.values });
    if (strings.values.length > 0) this.emit({ kind: 'octet-strings', values: strings.values });
    if (deadbands.values.length > 0) this.emit({ kind: 'deadbands', values: deadbands.values });
    return true;
  }

  private confirm(sequence: number, uns: boolean): void {
    const control = controlOctet({ fir: true, fin: true, con: false, uns, sequence });
    this.stack.sendFragment(Uint8Array.of(control, FUNCTION.confirm));
  }

  /** @param integrityAnswer  an overflow told in it is judged with the whole answer, see complete */
  private react(fragment: Fragment, nowMs: number, integrityAnswer = false): void {
    const { first, second } = fragment.iin ?? { first: 0, second: 0 };
    const told = integrityAnswer ? second & ~IIN2.overflow : second;
    if (this.agenda.react({ first, second: told }, nowMs)) this.emit({ kind: 'restarted' });
  }

  private complete(flight: Flight, fragment: Fragment, nowMs: number): void {
    const { task } = flight;
    const iin2 = fragment.iin?.second ?? 0;
    switch (task.kind) {
      case 'clear-restart':
        this.agenda.restartCleared(nowMs);
        // The bit is still there in this very answer when the outstation does not let itself be cleared.
        return this.react(fragment, nowMs);
      case 'disable-unsolicited':
        return this.agenda.disabledUnsolicited();
      case 'enable-unsolicited':
        return this.agenda.enabledUnsolicited((iin2 & IIN2.noFunction) !== 0);
      case 'assign-classes': {
        const why = objection(iin2);
        if (why !== null) this.emit({ kind: 'task-failed', task: task.kind, why });
        return this.agenda.assignedClasses();
      }
      case 'integrity':
        this.agenda.integrityRead(nowMs, flight.fragments > 1 && (iin2 & IIN2.overflow) !== 0);
        if (this.agenda.integrity) this.emit({ kind: 'integrity-complete' });
        return;
      case 'event-poll':
        this.agenda.eventsRead(nowMs);
        this.emit({ kind: 'polled' });
        return;
      case 'request':
        return this.completeRequest(task, flight, fragment, nowMs);
      case 'command':
        return this.completeCommand(task, flight.request.subarray(2), fragment, nowMs);
    }
  }

  private completeRequest(task: RequestTask, flight: Flight, fragment: Fragment, nowMs: number): void {
    const { request } = task;
    const why = objection(fragment.iin?.second ?? 0);
    if (request.kind === 'time-sync') {
      const timeMs =
        task.phase === 'measure' ? timeToWrite(request.method, { sentMs: flight.sentMs, nowMs }, fragment.body) : null;
      if (task.phase === 'measure' && why === null && timeMs !== null) {
        // The two must follow each other directly: a LAN outstation takes the time only with the next sequence number.
        return this.fly({ ...task, phase: 'write-time', timeMs }, nowMs);
      }
      this.agenda.timeWritten(nowMs);
      const unmeasured = task.phase === 'measure' ? 'it told no delay' : null;
      if (why !== null || unmeasured !== null) {
        return this.endRequest(task, { kind: 'refused', why: why ?? unmeasured ?? '' });
      }
    }
    if (why !== null) return this.endRequest(task, { kind: 'refused', why });
    const restartMs = request.kind === 'restart' ? delayOf(fragment.body) : null;
    this.endRequest(task, restartMs === null ? { kind: 'done' } : { kind: 'done', restartMs });
  }

  private completeCommand(task: CommandTask, sent: Uint8Array, fragment: Fragment, nowMs: number): void {
    const problem = controlAnswer(sent, fragment.body, fragment.iin?.second ?? 0);
    if (problem === null) return this.advance(task, nowMs);
    const kind = problem.refused ? 'refused' : task.phase === 'select' && task.step === 0 ? 'not-sent' : 'unknown';
    this.endCommand(task, { kind, why: `${task.phase}: ${problem.why}` });
  }

  /** A request of a command went through: on to the next one. */
  private advance(task: CommandTask, nowMs: number): void {
    const next = nextPhase(task);
    if (next === null) this.endCommand(task, accepted(task.request));
    else if (this.agenda.restartShown && !task.request.urgent) {
      this.endCommand(task, { kind: 'unknown', why: 'the outstation restarted in the middle of it' });
    } else this.fly(next, nowMs);
  }

  private fail(flight: Flight, why: string, nowMs: number): void {
    this.flight = null;
    const { task } = flight;
    if (task.kind === 'command') return this.endCommand(task, unanswered(task, why));
    if (task.kind === 'request' && !task.own) return this.endRequest(task, { kind: 'no-answer', why });
    this.emit({ kind: 'task-failed', task: task.kind === 'request' ? task.request.kind : task.kind, why });
    this.agenda.failed(task, nowMs);
  }
}

const isRead = (task: Task): boolean =>
  task.kind === 'integrity' || task.kind === 'event-poll' || (task.kind === 'request' && isReadRequest(task.request));

const isEvent = (notice: MasterNotice): notice is MasterEvent =>
  notice.kind !== 'request-ended' && notice.kind !== 'octet-strings' && notice.kind !== 'deadbands';
