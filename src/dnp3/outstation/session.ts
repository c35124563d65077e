import { finishResponse, startResponse } from '../app/build.ts';
import type { PointValue } from '../app/codec.ts';
import { FUNCTION, IIN1, IIN2, nextSequence } from '../app/control.ts';
import type { DataKind } from '../app/objects.ts';
import { carriesObjects, type Fragment, type ObjectHeader, parseFragment, parseHeaders } from '../app/parse.ts';
import type { Broadcast } from '../link/frame.ts';
import { type Incoming, Stack } from '../stack.ts';
import { type ByteWriter, sameOctets } from '../util/bytes.ts';
import {
  DEFERRED_MAX,
  EVENTS_OUT_MAX,
  OUTPUT_MAX,
  OUTSTATION_DEFAULTS,
  type OutstationConfig,
  type OutstationEvent,
} from './config.ts';
import { isControlFunction } from './controls.ts';
import { Database } from './database.ts';
import { EventBuffer } from './events.ts';
import { Functions } from './functions.ts';
import { selectRead, wantsNoResponse } from './requests.ts';
import { ResponsePlan, writeEvents } from './response.ts';

/**
 * An outstation's application layer for one master (IEEE 1815 clause 4 and 5 [S]; behaviours as observed of opendnp3).
 *
 * Two dialogues run side by side, each with its own sequence numbers:
 *   solicited    idle | waiting for the confirm of a fragment (with events, or with more fragments to come)
 *   unsolicited  idle | waiting for the confirm of a null or data response | pausing after the last retry
 * After each connect an empty unsolicited response is sent until it is confirmed; data follows only for classes that the
 * master enabled. READs that come while an unsolicited response waits are put off until it is confirmed or given up
 * (DEFERRED_MAX of them, all answered in order; opendnp3 keeps one); all else is answered at once. A request repeated
 * octet by octet gets the same response again and is not executed again; a confirm ends that memory, but of controls.
 *
 * Left out: files, data sets, secure authentication, freeze at a time, device attributes. Answered IIN2.0 or IIN2.1.
 * Broadcasts: the clock, the restart bit, freezes, classes and unsolicited modes are taken; controls are refused unless
 * the configuration takes them (opendnp3 executes them).
 */
type Settings = Required<OutstationConfig>;
interface Waiting {
  readonly sequence: number;
  /** Events lost in all when it was built, see EventBuffer. */
  readonly lostTold: number;
  readonly untilMs: number;
}
interface Unsolicited extends Waiting {
  readonly fragment: Uint8Array;
  readonly isNull: boolean;
  readonly triesLeft: number;
}
interface Response {
  readonly sequence: number;
  readonly iin2: number;
  /** The objects of it; an empty one when left out. */
  readonly response?: ByteWriter;
  readonly con: boolean;
  readonly fir: boolean;
  readonly fin: boolean;
}
export class OutstationSession {
  readonly database: Database;
  readonly events: EventBuffer;
  readonly stack: Stack;
  private readonly settings: Settings;
  private readonly functions: Functions;
  private online = false;
  private out: OutstationEvent[] = [];
  private pendingOut = 0;
  private broadcast: Broadcast | null = null;
  private last: { readonly request: Uint8Array; response: Uint8Array | null } | null = null;
  private plan: ResponsePlan | null = null;
  private solicited: Waiting | null = null;
  private deferred: Uint8Array[] = [];
  private unsolicited: Unsolicited | null = null;
  private unsolicitedSequence = 0;
  private nullConfirmed = false;
  private unsolicitedAtMs: number | null = null;

  constructor(config: OutstationConfig) {
    this.settings = { ...OUTSTATION_DEFAULTS, ...config };
    this.database = new Database(config.points);
    this.events = new EventBuffer(this.settings.eventsMax);
    this.functions = new Functions(this.settings, this.database, this.events, {
      emit: (event) => this.emit(event),
      update: (kind, index, point, nowMs) => this.update(kind, index, point, nowMs),
    });
    const { localAddress, remoteAddress, interOctetMs, fragmentOctetsMax } = this.settings;
    this.stack = new Stack({ role: 'outstation', localAddress, remoteAddress, interOctetMs, fragmentOctetsMax });
  }

  connected(nowMs: number): void {
    this.stack.reset();
    this.resetDialogues();
    this.online = true;
    this.schedule(nowMs);
    this.trySpeak(nowMs);
  }

  disconnected(_nowMs: number): void {
    this.online = false;
    this.resetDialogues();
    this.stack.reset();
  }

  receive(octets: Uint8Array, nowMs: number): void {
    if (this.online) this.take(this.stack.receive(octets, nowMs), nowMs);
  }

  /** Takes a measured value; makes an event of it when its class and dead-band say so. */
  update(kind: DataKind, index: number, point: PointValue, nowMs: number): void {
    const record = this.database.update(kind, index, point);
    if (record === null) return;
    this.events.add(record);
    if (this.unsolicitedAtMs === null) this.unsolicitedAtMs = nowMs + this.settings.holdMs;
  }

  /** Local control switched on at the device: shown in IIN1.5, and every control is refused with LOCAL (7). */
  setLocalControl(on: boolean): void {
    this.functions.local = on;
  }

  /** The device lost its time (IIN1.4), or has one from elsewhere. */
  setNeedTime(wanted: boolean): void {
    this.functions.setNeedTime(wanted);
  }

  timeout(nowMs: number): void {
    if (!this.online) return;
    this.take(this.stack.timeout(nowMs), nowMs);
    if (this.solicited !== null && nowMs >= this.solicited.untilMs) this.endSolicited();
    if (this.unsolicited !== null && nowMs >= this.unsolicited.untilMs) this.retryUnsolicited(this.unsolicited, nowMs);
    this.trySpeak(nowMs);
  }

  nextTimeoutMs(): number | null {
    if (!this.online) return null;
    const speak = this.unsolicited === null && this.solicited === null && this.wantsToSpeak();
    const times = [
      this.stack.nextTimeoutMs(),
      this.solicited?.untilMs ?? null,
      this.unsolicited?.untilMs ?? null,
      speak ? this.unsolicitedAtMs : null,
    ];
    return times.reduce((min, t) => (t !== null && (min === null || t < min) ? t : min), null);
  }

  takeOutput(): Uint8Array[] {
    this.pendingOut = 0;
    return this.stack.takeOutput();
  }

  takeEvents(): OutstationEvent[] {
    const out = this.out;
    this.out = [];
    return out;
  }

  private resetDialogues(): void {
    this.events.putBack();
    this.functions.forget();
    this.last = null;
    this.plan = null;
    this.solicited = null;
    this.deferred = [];
    this.unsolicited = null;
    this.nullConfirmed = false;
    this.unsolicitedSequence = 0;
  }

  private emit(event: OutstationEvent): void {
    if (this.out.length >= EVENTS_OUT_MAX) this.out.shift();
    this.out.push(event);
  }

  private send(fragment: Uint8Array): void {
    this.pendingOut += 1;
    this.stack.sendFragment(fragment);
  }

  private take(incoming: readonly Incoming[], nowMs: number): void {
    for (const item of incoming) {
      if (item.kind !== 'fragment') continue;
      if (this.pendingOut >= OUTPUT_MAX) {
        this.emit({ kind: 'request-dropped', why: 'answers waiting' });
        continue;
      }
      this.handle(item.octets, item.broadcast, nowMs);
      this.trySpeak(nowMs);
    }
  }

  private handle(octets: Uint8Array, broadcast: Broadcast | null, nowMs: number): void {
    const fragment = parseFragment(octets);
    if (fragment === null || fragment.iin !== null) return;
    const { control, functionCode } = fragment;
    if (functionCode === FUNCTION.confirm) {
      if (broadcast === null && fragment.body.length === 0) this.handleConfirm(control, nowMs);
      return;
    }
    if (!control.fir || !control.fin || control.con || control.uns) return;
    if (broadcast !== null) return this.handleBroadcast(fragment, broadcast, nowMs);
    if (this.last !== null && sameOctets(this.last.request, octets)) {
      if (this.last.response !== null) this.send(this.last.response);
      return;
    }
    if (functionCode === FUNCTION.read && this.unsolicited !== null) {
      if (this.deferred.length < DEFERRED_MAX) this.deferred.push(octets);
      else this.emit({ kind: 'request-dropped', why: 'reads waiting' });
      return;
    }
    this.answer(octets, fragment, nowMs);
  }

  private handleConfirm(control: { uns: boolean; sequence: number }, nowMs: number): void {
    const lostTold = (control.uns ? this.unsolicited : this.solicited)?.lostTold ?? 0;
    if (control.uns) {
      if (this.unsolicited === null || control.sequence !== this.unsolicited.sequence) return;
      if (this.unsolicited.isNull) this.nullConfirmed = true;
      this.unsolicited = null;
    } else {
      if (this.solicited === null || control.sequence !== this.solicited.sequence) return;
      this.solicited = null;
      // A control is remembered: a confirm in between must not let a repeat of it execute.
      if (this.last !== null && !isControlFunction(this.last.request[1] ?? 0)) this.last = null;
    }
    if (this.broadcast === 'confirm-wanted') this.broadcast = null;
    // A confirm of one dialogue says nothing of what the other one still waits for.
    if (control.uns || this.unsolicited === null) this.events.confirmWritten(lostTold);
    if (!control.uns && this.plan !== null) this.sendNext(nextSequence(control.sequence), false, nowMs);
    this.runDeferred(nowMs);
  }

  private runDeferred(nowMs: number): void {
    if (this.unsolicited !== null) return;
    const waiting = this.deferred;
    this.deferred = [];
    for (const octets of waiting) {
      const fragment = parseFragment(octets);
      if (fragment !== null) this.answer(octets, fragment, nowMs);
    }
  }

  /** A new request: whatever was being answered is over. */
  private answer(octets: Uint8Array, fragment: Fragment, nowMs: number): void {
    if (this.solicited !== null || this.plan !== null) this.endSolicited();
    const { functionCode } = fragment;
    this.functions.begin(functionCode);
    this.last = { request: octets, response: null };
    const parsed = parseHeaders(fragment.body, carriesObjects(functionCode));
    if (functionCode === FUNCTION.read && parsed.kind === 'headers') {
      return this.answerRead(parsed.headers, fragment.control.sequence, nowMs);
    }
    const result =
      parsed.kind === 'bad' && isKnown(functionCode)
        ? { iin2: parsed.iin2 }
        : this.functions.perform(fragment, parsed.kind === 'headers' ? parsed.headers : [], nowMs);
    if (functionCode === FUNCTION.enableUnsolicited) this.schedule(nowMs);
    this.emit({ kind: 'request', functionCode, iin2: result.iin2 });
    if (wantsNoResponse(functionCode)) return;
    this.respond({ sequence: fragment.control.sequence, ...result, con: false, fir: true, fin: true }, nowMs);
  }

  private answerRead(headers: readonly ObjectHeader[], sequence: number, nowMs: number): void {
    const { statics, iin2 } = selectRead(headers, this.database, this.events, this.settings.class0);
    this.emit({ kind: 'request', functionCode: FUNCTION.read, iin2 });
    this.plan = new ResponsePlan(this.events, statics, !this.functions.needsTime(nowMs));
    this.sendNext(sequence, true, nowMs, iin2);
  }

  private sendNext(sequence: number, fir: boolean, nowMs: number, iin2 = 0): void {
    const part = this.plan?.next(this.settings.fragmentOctetsMax);
    if (part === undefined) return;
    const { response, done: fin } = part;
    if (fin) this.plan = null;
    this.respond({ sequence, iin2, response, con: part.hasEvents || !fin, fir, fin }, nowMs);
  }

  private respond(r: Response, nowMs: number): void {
    const con = r.con || this.broadcast === 'confirm-wanted';
    if (con) {
      const untilMs = nowMs + this.settings.confirmMs;
      this.solicited = { sequence: r.sequence, untilMs, lostTold: this.events.lost };
    }
    const control = { fir: r.fir, fin: r.fin, con, uns: false, sequence: r.sequence };
    const begun = r.response ?? startResponse();
    const response = finishResponse(begun, control, FUNCTION.response, this.iin(r.iin2, nowMs));
    if (this.last !== null) this.last.response = response;
    this.send(response);
  }

  /** Indications of the moment; a broadcast is told once, or until confirmed where its address asks so. */
  private iin(iin2: number, nowMs: number): { first: number; second: number } {
    const first =
      this.events.classBits() |
      (this.broadcast === null ? 0 : IIN1.broadcast) |
      (this.functions.needsTime(nowMs) ? IIN1.needTime : 0) |
      (this.functions.local ? IIN1.localControl : 0) |
      (this.functions.restarted ? IIN1.restart : 0);
    if (this.broadcast !== 'confirm-wanted') this.broadcast = null;
    return { first, second: iin2 | (this.events.overflowed ? IIN2.overflow : 0) };
  }

  private endSolicited(): void {
    this.solicited = null;
    this.plan = null;
    if (this.unsolicited === null) this.events.putBack();
  }

  private handleBroadcast(fragment: Fragment, broadcast: Broadcast, nowMs: number): void {
    const { functionCode } = fragment;
    this.broadcast = broadcast;
    const isTaken = this.settings.broadcastControls && functionCode === FUNCTION.directOperateNoResponse;
    if (isControlFunction(functionCode) && !isTaken) return this.emit({ kind: 'broadcast-refused', functionCode });
    if (functionCode === FUNCTION.read) return;
    this.functions.begin(functionCode);
    // Sent to all at once and never answered: a repeat of it would execute again.
    if (this.last !== null && sameOctets(this.last.request, fragment.octets)) return;
    this.last = { request: fragment.octets, response: null };
    const parsed = parseHeaders(fragment.body, carriesObjects(functionCode));
    if (parsed.kind === 'headers') this.functions.perform(fragment, parsed.headers, nowMs);
  }

  private schedule(atMs: number): void {
    this.unsolicitedAtMs = atMs;
  }

  private wantsToSpeak(): boolean {
    if (!this.settings.unsolicited) return false;
    return !this.nullConfirmed || this.events.hasWaiting(this.functions.classes);
  }

  private trySpeak(nowMs: number): void {
    if (!this.online || this.unsolicited !== null || this.solicited !== null || !this.wantsToSpeak()) return;
    if (this.unsolicitedAtMs === null) this.unsolicitedAtMs = nowMs;
    if (nowMs < this.unsolicitedAtMs) return;
    this.unsolicitedAtMs = null;
    const isNull = !this.nullConfirmed;
    const response = startResponse(this.settings.fragmentOctetsMax);
    if (!isNull) {
      this.events.select((e) => this.functions.classes.includes(e.eventClass), 0, Number.POSITIVE_INFINITY);
      writeEvents(response, this.events.selected(), !this.functions.needsTime(nowMs));
      this.events.unselect();
    }
    const sequence = this.unsolicitedSequence;
    this.unsolicitedSequence = nextSequence(sequence);
    const control = { fir: true, fin: true, con: true, uns: true, sequence };
    const fragment = finishResponse(response, control, FUNCTION.unsolicitedResponse, this.iin(0, nowMs));
    const untilMs = nowMs + this.settings.confirmMs;
    const lostTold = this.events.lost;
    this.unsolicited = { sequence, untilMs, lostTold, fragment, isNull, triesLeft: this.settings.unsolicitedRetries };
    this.send(fragment);
  }

  /** Data is repeated octet by octet, a null response made anew; a deferred READ goes first. */
  private retryUnsolicited(waiting: Unsolicited, nowMs: number): void {
    const untilMs = nowMs + this.settings.confirmMs;
    if (!waiting.isNull && waiting.triesLeft > 0 && this.deferred.length === 0) {
      this.unsolicited = { ...waiting, untilMs, triesLeft: waiting.triesLeft - 1 };
      this.send(waiting.fragment);
      return;
    }
    this.unsolicited = null;
    this.events.putBack();
    const pause = waiting.isNull || this.deferred.length > 0 ? 0 : this.settings.offlineMs;
    this.schedule(nowMs + pause);
    this.runDeferred(nowMs);
  }
}

const KNOWN: readonly number[] = Object.values(FUNCTION);
const isKnown = (functionCode: number): boolean => functionCode < FUNCTION.response && KNOWN.includes(functionCode);
