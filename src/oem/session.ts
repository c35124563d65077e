import type { EpochMs } from '../domain/units.ts';
import type { HttpOutcome, HttpResponse } from '../ports/http.ts';
import type { OemHealth, OemHttpOut, OemJob, OemReply, OemSession } from '../ports/oem.ts';
import type { RandomStream } from '../ports/random.ts';
import { createFifo, type Fifo } from './fifo.ts';
import { backoffMs, createFlow, type Flow } from './flow.ts';
import { createHeap } from './heap.ts';
import { createLanes, STOPPED_FIRST } from './lanes.ts';
import { readBody } from './read.ts';
import type { Answer, Dialect, HttpStep, ScriptClock, Step } from './script.ts';
import {
  type Alarm,
  isEmergency,
  isOrder,
  isResumed,
  isWrite,
  notSent,
  type Queued,
  rankOf,
  retryAfterS,
  type Task,
} from './task.ts';
import { createTokenKeeper, type TokenKeeper } from './token.ts';

/**
 * Runs the scripts of a dialect over one cloud: queueing, tokens, limits, retries. No I/O and no clock.
 *
 *   submitted ─> ready ─> in flight ─> (answer to the script) ─> ready … ─> done: exactly one reply
 *                  ^  ^        │
 *                  │  └ pause ─┘  401: one refresh for all, then again; 429: everybody pauses
 *                  └─ waiting ─┘  lost, 5xx, garbage on a safe step: exponential back-off with jitter
 *
 * Rules
 * - Writes for one device go one after the other (lanes.ts); reads go beside them. At the cloud emergency stops go before
 *   everything, then what takes back, then controls and settings (rankOf).
 * - After an emergency stop of a device nothing more of an order under way is written there. What had left already may
 *   still take effect: the core takes it back when its answer comes.
 * - A job has a deadline: notAfterMs for a control or a setting; for the rest one telemetry period after submission, when the next
 *   poll is due. What has not left by then ends 'not-sent'. A control that may have taken effect gets DOUBT_MS more to
 *   find out, then ends 'unknown'.
 * - An unsafe step is repeated only after 401, 429 and 503, which say that nothing was done (RFC 9110 15.5.2, RFC 6585
 *   4, RFC 9110 15.6.4). Any other failure of it is 'doubtful' and goes to the script, which reads back (sendOnce).
 * - At QUEUE_MAX jobs a new read ends 'not-sent' at once; orders have ORDER_EXTRA places more, emergency stops twice that.
 * - A control that is resumed after a restart may have been sent before: it is read back even after notAfterMs, and it
 *   never ends 'not-sent' unless reading back showed that it is not there.
 * - A device is read once at a time: where a cloud takes fewer requests than are wanted, readings come less often, each
 *   device in its turn, and no queue grows.
 * - A newer control that overlaps one which still waits for its turn at the same device replaces it.
 */
export const QUEUE_MAX = 20_000;
export const ORDER_EXTRA = 20_000;
const DOUBT_MS = 90_000;
const REQUEST_TIMEOUT_MS = 10_000;
/** Tries of a safe step that got no usable answer. */
const TRIES_MAX = 4;

/** @param random  for the jitter of the circuit; absent = none */
export const createSession = (dialect: Dialect, random: RandomStream | null = null): OemSession =>
  new Session(dialect, random);

class Session implements OemSession {
  readonly oem: OemSession['oem'];
  readonly capabilities: OemSession['capabilities'];
  readonly #dialect: Dialect;
  readonly #clock: ScriptClock = { nowMs: 0 };
  /** By rank; the first is that of emergency stops. */
  readonly #ready = [
    createFifo<Task>(),
    createFifo<Task>(),
    createFifo<Task>(),
    createFifo<Task>(),
    createFifo<Task>(),
  ] as const;
  readonly #alarms = createHeap<Alarm>();
  readonly #active = new Map<string, Task>();
  readonly #inFlight = new Map<number, Task>();
  /** Device → the newest reading of its state that has not ended. */
  readonly #reading = new Map<string, { readonly jobId: string; readonly deadlineMs: EpochMs }>();
  readonly #lanes = createLanes();
  readonly #flow: Flow;
  readonly #token: TokenKeeper;
  #nextId = 1;
  #out: OemHttpOut[] = [];
  #replies: OemReply[] = [];

  constructor(dialect: Dialect, random: RandomStream | null) {
    this.oem = dialect.oem;
    this.capabilities = dialect.capabilities;
    this.#dialect = dialect;
    this.#flow = createFlow(dialect.limits, random);
    this.#token = createTokenKeeper(dialect.auth, dialect.oem);
  }

  submit(job: OemJob, nowMs: EpochMs): void {
    if (this.#active.has(job.jobId)) return;
    const extra = !isOrder(rankOf(job)) ? 0 : isEmergency(job) ? 2 * ORDER_EXTRA : ORDER_EXTRA;
    const max = QUEUE_MAX + extra;
    if (this.#active.size + this.#lanes.size() >= max) {
      this.#replies.push(notSent(job, `${max} jobs are waiting already`));
      return;
    }
    const patienceMs = this.#dialect.capabilities.telemetryPeriodMs;
    const deadlineMs = job.kind === 'control' || job.kind === 'set' ? job.notAfterMs + 1 : nowMs + patienceMs;
    if (job.kind === 'read-state') {
      const { vendorDeviceId, jobId } = job;
      const before = this.#reading.get(vendorDeviceId);
      if (before !== undefined && nowMs < before.deadlineMs) {
        this.#replies.push(notSent(job, 'a reading of the device is under way already'));
        return;
      }
      this.#reading.set(vendorDeviceId, { jobId, deadlineMs });
    }
    if (isWrite(job)) this.#enterLane({ job, deadlineMs }, nowMs);
    else this.#start({ job, deadlineMs }, nowMs);
    this.#pump(nowMs);
  }

  receive(requestId: number, outcome: HttpOutcome, nowMs: EpochMs): void {
    if (this.#token.owns(requestId)) {
      const response = outcome.kind === 'response' ? outcome.response : null;
      if (response?.status === 429) this.#flow.throttled(retryAfterS(response), nowMs);
      this.#token.receive(outcome, nowMs);
    }
    const task = this.#inFlight.get(requestId);
    if (task !== undefined) {
      this.#inFlight.delete(requestId);
      if (outcome.kind === 'lost') this.#failed(task, 'no answer came', true, nowMs);
      else this.#answered(task, outcome.response, nowMs);
    }
    this.#pump(nowMs);
  }

  timeout(nowMs: EpochMs): void {
    for (;;) {
      const atMs = this.#alarms.peekMs();
      if (atMs === null || atMs > nowMs) break;
      const alarm = this.#alarms.pop();
      if (alarm !== undefined) this.#ring(alarm, nowMs);
    }
    this.#pump(nowMs);
  }

  nextTimeoutMs(): EpochMs | null {
    let nextMs = this.#nextAlarmMs() ?? Number.POSITIVE_INFINITY;
    for (const queue of this.#ready) {
      const head = this.#head(queue);
      if (head === undefined) continue;
      const isFirst = queue === this.#ready[0];
      const freeMs = Math.max(this.#flow.freeMs(this.#clock.nowMs, isFirst), this.#token.freeMs(this.#clock.nowMs));
      // With the window full, or a token on its way, an answer comes before anything can be sent.
      const blocked = this.#token.isAwaited() || this.#inFlight.size >= this.#flow.window(isFirst);
      nextMs = Math.min(nextMs, blocked ? head.deadlineMs : Math.min(head.deadlineMs, freeMs));
    }
    return nextMs === Number.POSITIVE_INFINITY ? null : nextMs;
  }

  health(nowMs: EpochMs): OemHealth {
    const health = this.#flow.health(nowMs);
    return { ...health, why: health.why ?? this.#token.reason() };
  }

  takeOutput(): OemHttpOut[] {
    const out = this.#out;
    this.#out = [];
    return out;
  }

  takeReplies(): OemReply[] {
    const replies = this.#replies;
    this.#replies = [];
    return replies;
  }

  #nextAlarmMs(): EpochMs | null {
    while (this.#alarms.peek()?.task.state === 'done') this.#alarms.pop();
    return this.#alarms.peekMs();
  }

  /** The first task of a queue that is still ready; what left that state otherwise is dropped here. */
  #head(queue: Fifo<Task>): Task | undefined {
    for (;;) {
      const task = queue.peek();
      if (task === undefined || task.state === 'ready') return task;
      queue.take();
    }
  }

  #enterLane(queued: Queued, nowMs: EpochMs): void {
    const { starts, ended, barredJobId } = this.#lanes.enter(queued);
    for (const { job, why } of ended) this.#replies.push(notSent(job, why));
    const barred = barredJobId === null ? undefined : this.#active.get(barredJobId);
    if (barred !== undefined) barred.barred = true;
    if (starts) this.#start(queued, nowMs);
  }

  #start(queued: Queued, nowMs: EpochMs): void {
    const { job } = queued;
    const deadlineMs = isResumed(job) ? Math.max(queued.deadlineMs, nowMs + DOUBT_MS) : queued.deadlineMs;
    if (nowMs >= deadlineMs) {
      this.#replies.push(notSent(job, 'its time had passed before it could be sent'));
      if (isWrite(job)) this.#leaveLane(job, nowMs);
      return;
    }
    const task: Task = {
      job,
      rank: rankOf(job),
      script: this.#dialect.script(job, this.#clock),
      step: null,
      deadlineMs,
      tries: 0,
      unauthorised: 0,
      state: 'ready',
      stamp: 0,
      tokenAge: 0,
      sentMs: nowMs,
      barred: false,
    };
    this.#active.set(job.jobId, task);
    if (isOrder(task.rank)) this.#alarms.push(task.deadlineMs, { task, stamp: null });
    this.#resume(task, null, nowMs);
  }

  #resume(task: Task, answer: Answer | null, nowMs: EpochMs): void {
    this.#clock.nowMs = nowMs;
    const next = answer === null ? task.script.next() : task.script.next(answer);
    task.tries = 0;
    task.unauthorised = 0;
    if (next.done === true) this.#finish(task, next.value, nowMs);
    else this.#take(task, next.value, nowMs);
  }

  #take(task: Task, step: Step, nowMs: EpochMs): void {
    if (step.kind === 'tell') {
      this.#replies.push(step.reply);
      return this.#resume(task, { kind: 'waited' }, nowMs);
    }
    if (step.kind === 'wait') {
      task.step = null;
      this.#extend(task, nowMs + step.ms + DOUBT_MS);
      this.#wakeAt(task, nowMs + step.ms);
      return;
    }
    task.step = step;
    this.#queue(task);
  }

  #queue(task: Task): void {
    task.state = 'ready';
    this.#ready[task.rank].push(task);
  }

  #wakeAt(task: Task, atMs: EpochMs): void {
    task.state = 'waiting';
    task.stamp += 1;
    this.#alarms.push(atMs, { task, stamp: task.stamp });
  }

  #extend(task: Task, untilMs: EpochMs): void {
    if (untilMs <= task.deadlineMs) return;
    task.deadlineMs = untilMs;
    if (isOrder(task.rank)) this.#alarms.push(untilMs, { task, stamp: null });
  }

  #ring({ task, stamp }: Alarm, nowMs: EpochMs): void {
    if (stamp === null) {
      const over = task.state === 'ready' || (task.state === 'waiting' && task.step !== null);
      if (over && nowMs >= task.deadlineMs) this.#expire(task, nowMs);
      return;
    }
    if (task.state !== 'waiting' || task.stamp !== stamp) return;
    if (task.step === null) this.#resume(task, { kind: 'waited' }, nowMs);
    else this.#queue(task);
  }

  #expire(task: Task, nowMs: EpochMs): void {
    const tried = task.tries > 0 && task.step?.safe === true;
    task.stamp += 1;
    this.#resume(
      task,
      tried
        ? { kind: 'no-answer', why: 'no usable answer before the deadline' }
        : { kind: 'not-sent', why: this.#flow.reason(nowMs) ?? this.#token.reason() ?? 'not sent before the deadline' },
      nowMs,
    );
  }

  #finish(task: Task, reply: OemReply, nowMs: EpochMs): void {
    task.state = 'done';
    this.#active.delete(task.job.jobId);
    const { jobId, vendorDeviceId } = task.job;
    if (this.#reading.get(vendorDeviceId)?.jobId === jobId) this.#reading.delete(vendorDeviceId);
    this.#replies.push(reply);
    if (isWrite(task.job)) this.#leaveLane(task.job, nowMs);
  }

  #leaveLane(job: OemJob, nowMs: EpochMs): void {
    const next = this.#lanes.leave(job);
    if (next !== undefined) this.#start(next, nowMs);
  }

  #pump(nowMs: EpochMs): void {
    this.#clock.nowMs = nowMs;
    for (;;) {
      const queue = this.#nextQueue(nowMs);
      if (queue === undefined) return;
      const isFirst = queue === this.#ready[0];
      if (this.#inFlight.size >= this.#flow.window(isFirst) || this.#flow.freeMs(nowMs, isFirst) > nowMs) return;
      if (!this.#hasToken(nowMs)) return;
      const task = queue.take();
      if (task?.state === 'ready' && task.step !== null) this.#send(task, task.step, nowMs);
    }
  }

  /** Ends the jobs at the heads whose time is over; returns the first queue that still holds one. */
  #nextQueue(nowMs: EpochMs): Fifo<Task> | undefined {
    let first: Fifo<Task> | undefined;
    for (const queue of this.#ready) {
      let head = this.#head(queue);
      while (head !== undefined && nowMs >= head.deadlineMs) {
        queue.take();
        this.#expire(head, nowMs);
        head = this.#head(queue);
      }
      if (head !== undefined) first ??= queue;
    }
    return first;
  }

  #hasToken(nowMs: EpochMs): boolean {
    if (this.#token.isValid(nowMs)) return true;
    const request = this.#token.wanted(nowMs, this.#nextId);
    if (request === null) return false;
    this.#flow.sent(null, nowMs);
    this.#out.push({ requestId: this.#nextId, request, timeoutMs: nowMs + REQUEST_TIMEOUT_MS });
    this.#nextId += 1;
    return false;
  }

  #send(task: Task, step: HttpStep, nowMs: EpochMs): void {
    if (task.barred && (step.method === 'POST' || step.method === 'PUT')) {
      this.#resume(task, { kind: 'not-sent', why: STOPPED_FIRST }, nowMs);
      return;
    }
    if (step.quotaSite !== null && !this.#flow.siteFree(step.quotaSite, nowMs)) {
      this.#resume(task, { kind: 'not-sent', why: `the day's quota of site ${step.quotaSite} is used up` }, nowMs);
      return;
    }
    if (step.notAfterMs !== null && nowMs > step.notAfterMs) {
      this.#resume(task, { kind: 'not-sent', why: 'its time had passed before it could be sent' }, nowMs);
      return;
    }
    this.#flow.sent(step.quotaSite, nowMs);
    const token = this.#token.use();
    task.state = 'in-flight';
    task.tokenAge = token.age;
    task.sentMs = nowMs;
    this.#inFlight.set(this.#nextId, task);
    const { method, path, body } = step;
    this.#out.push({
      requestId: this.#nextId,
      request: { method, path, headers: this.#dialect.headers(token.value), body },
      timeoutMs: nowMs + REQUEST_TIMEOUT_MS,
    });
    this.#nextId += 1;
  }

  #answered(task: Task, response: HttpResponse, nowMs: EpochMs): void {
    const { status } = response;
    if (status >= 200 && status < 300) {
      const body = readBody(response.body);
      this.#flow.succeeded(task.sentMs);
      if (body === null) this.#failed(task, 'the answer is not a JSON object', false, nowMs);
      else this.#resume(task, { kind: 'ok', body }, nowMs);
      return;
    }
    if (status === 429) {
      this.#flow.throttled(retryAfterS(response), nowMs);
      this.#again(task, nowMs);
      return;
    }
    if (status === 401 && this.#dialect.auth !== null && task.unauthorised === 0) {
      task.unauthorised += 1;
      this.#token.refused(task.tokenAge);
      this.#again(task, nowMs);
      return;
    }
    if (status === 503) {
      this.#flow.failed(nowMs);
      task.tries += 1;
      if (!isOrder(task.rank) && task.tries >= TRIES_MAX) this.#giveUp(task, 'the cloud is unavailable (503)', nowMs);
      else this.#later(task, nowMs);
      return;
    }
    if (status >= 400 && status < 500) {
      this.#flow.succeeded(task.sentMs);
      const { code, message } = this.#dialect.errorOf(status, readBody(response.body) ?? {});
      this.#resume(task, { kind: 'refused', status, code, message }, nowMs);
      return;
    }
    this.#failed(task, `the cloud answered ${status}`, status >= 500, nowMs);
  }

  /** A failure that leaves open whether the request took effect. */
  #failed(task: Task, why: string, counts: boolean, nowMs: EpochMs): void {
    if (counts) this.#flow.failed(nowMs);
    if (task.step?.safe !== true) {
      this.#extend(task, nowMs + DOUBT_MS);
      this.#resume(task, { kind: 'doubtful', why }, nowMs);
      return;
    }
    task.tries += 1;
    if (task.tries >= TRIES_MAX) this.#giveUp(task, why, nowMs);
    else this.#later(task, nowMs);
  }

  #giveUp(task: Task, why: string, nowMs: EpochMs): void {
    this.#resume(task, { kind: 'no-answer', why: `${why}, ${task.tries} times` }, nowMs);
  }

  #later(task: Task, nowMs: EpochMs): void {
    if (nowMs >= task.deadlineMs) this.#expire(task, nowMs);
    else this.#wakeAt(task, nowMs + backoffMs(task.tries, task.job.jobId));
  }

  /** Back to the head of its queue: nothing was done. */
  #again(task: Task, nowMs: EpochMs): void {
    if (nowMs >= task.deadlineMs) {
      this.#expire(task, nowMs);
      return;
    }
    task.state = 'ready';
    this.#ready[task.rank].putBack(task);
  }
}
