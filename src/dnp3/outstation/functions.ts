import { startResponse, writeCounted } from '../app/build.ts';
import type { PointValue } from '../app/codec.ts';
import { FUNCTION, IIN2, nextSequence, STATUS } from '../app/control.ts';
import { type DataKind, objectSpec } from '../app/objects.ts';
import type { Fragment, ObjectHeader } from '../app/parse.ts';
import type { ByteWriter } from '../util/bytes.ts';
import { CLOCK_MS_MAX, type ControlResult, type OutstationConfig, type OutstationEvent } from './config.ts';
import {
  type Control,
  decideControls,
  echoControls,
  isControlFunction,
  isControlList,
  operateRefusal,
  type Selection,
} from './controls.ts';
import type { Database } from './database.ts';
import type { EventBuffer } from './events.ts';
import { isFreeze, namedAssignments, namedClasses, namedCounters } from './requests.ts';

/**
 * What an outstation does for each function but READ, and what it has to remember for that: a selection, a recorded
 * time, the classes that may be sent unasked, whether it restarted or needs the time. Which octets leave when is the
 * session's business.
 */
export interface Answer {
  readonly iin2: number;
  /** A response begun, with the objects it holds. */
  readonly response?: ByteWriter;
}

export interface FunctionHooks {
  readonly emit: (event: OutstationEvent) => void;
  readonly update: (kind: DataKind, index: number, point: PointValue, nowMs: number) => void;
}

/** One header of a WRITE: what it would do, or the indication that refuses it. */
type Write = { readonly kind: 'act'; readonly act: () => void } | { readonly kind: 'refused'; readonly iin2: number };

export class Functions {
  restarted = true;
  /** The switch at the device stands on local: every control is refused with LOCAL (7). */
  local = false;
  /** Classes the master enabled for unsolicited responses. */
  classes: readonly number[] = [];
  private timeWanted: boolean;
  private clockSetMs: number | null = null;
  private selection: Selection | null = null;
  private recordedMs: { readonly sequence: number; readonly atMs: number } | null = null;
  private readonly settings: Required<OutstationConfig>;
  private readonly database: Database;
  private readonly events: EventBuffer;
  private readonly hooks: FunctionHooks;

  constructor(settings: Required<OutstationConfig>, database: Database, events: EventBuffer, hooks: FunctionHooks) {
    this.settings = settings;
    this.timeWanted = settings.needTime;
    this.database = database;
    this.events = events;
    this.hooks = hooks;
  }

  /** IIN1.4. */
  needsTime(nowMs: number): boolean {
    const { needTimeEveryMs } = this.settings;
    const stale = needTimeEveryMs !== null && this.clockSetMs !== null && nowMs >= this.clockSetMs + needTimeEveryMs;
    return this.timeWanted || stale;
  }

  /** The device lost its time, or has one from elsewhere. */
  setNeedTime(wanted: boolean): void {
    this.timeWanted = wanted;
  }

  /** A connection ended: nothing selected, recorded or enabled in it holds any more. */
  forget(): void {
    this.selection = null;
    this.recordedMs = null;
    this.classes = [];
  }

  /** Any request between a SELECT and its OPERATE ends the selection. */
  begin(functionCode: number): void {
    if (functionCode !== FUNCTION.operate) this.selection = null;
  }

  /** Everything but READ; the headers are whole and valid. */
  perform(fragment: Fragment, headers: readonly ObjectHeader[], nowMs: number): Answer {
    const { functionCode, body } = fragment;
    if (isControlFunction(functionCode)) return this.control(fragment, headers, nowMs);
    if (isFreeze(functionCode)) return this.freeze(functionCode, headers, nowMs);
    switch (functionCode) {
      case FUNCTION.write:
        return this.write(fragment, headers, nowMs);
      case FUNCTION.enableUnsolicited:
      case FUNCTION.disableUnsolicited:
        return this.setUnsolicited(functionCode === FUNCTION.enableUnsolicited, headers);
      case FUNCTION.assignClass:
        return this.assignClass(headers);
      case FUNCTION.coldRestart:
      case FUNCTION.warmRestart:
        if (body.length > 0) return { iin2: IIN2.parameterError };
        return this.restart(functionCode === FUNCTION.coldRestart);
      case FUNCTION.delayMeasure:
        return body.length > 0 ? { iin2: IIN2.parameterError } : { iin2: 0, response: delayResponse(0) };
      case FUNCTION.recordCurrentTime:
        if (body.length > 0) return { iin2: IIN2.parameterError };
        this.recordedMs = { sequence: fragment.control.sequence, atMs: nowMs };
        return { iin2: 0 };
      default:
        return { iin2: IIN2.noFunction };
    }
  }

  private control(fragment: Fragment, headers: readonly ObjectHeader[], nowMs: number): Answer {
    const { functionCode, body } = fragment;
    const { sequence } = fragment.control;
    if (!isControlList(headers)) return { iin2: IIN2.parameterError };
    const isSelect = functionCode === FUNCTION.select;
    const refusal =
      functionCode === FUNCTION.operate ? operateRefusal(this.selection, { sequence, body }, nowMs) : null;
    this.selection = null;
    const results: ControlResult[] = [];
    const statuses = decideControls(
      headers,
      (control) => {
        const status = refusal ?? this.decide(isSelect ? 'select' : 'operate', control, nowMs);
        results.push({ control, status });
        return status;
      },
      this.settings.controlsMax,
    );
    if (isSelect && statuses.every((s) => s === 0)) {
      this.selection = { sequence, body, untilMs: nowMs + this.settings.selectMs };
    }
    this.hooks.emit({ kind: 'controls', functionCode, controls: results });
    const response = startResponse(this.settings.fragmentOctetsMax);
    echoControls(response, headers, statuses);
    return { iin2: statuses.includes(STATUS.notSupported) ? IIN2.parameterError : 0, response };
  }

  private decide(step: 'select' | 'operate', control: Control, nowMs: number): number {
    if (this.local) return STATUS.local;
    if (control.kind === 'analog') {
      const { min, max } = this.database.get('AOS', control.index)?.config.limits ?? FLOAT_LIMITS;
      if (control.value < min || control.value > max) return STATUS.outOfRange;
    }
    return this.settings.onControl(step, control, nowMs);
  }

  private freeze(functionCode: number, headers: readonly ObjectHeader[], nowMs: number): Answer {
    const counters = namedCounters(headers, this.database);
    if (counters === null) return { iin2: IIN2.parameterError };
    const clears = functionCode === FUNCTION.freezeClear || functionCode === FUNCTION.freezeClearNoResponse;
    for (const index of counters) {
      const counter = this.database.get('CTR', index);
      if (counter === null) continue;
      this.hooks.update('FCTR', index, { ...counter.current, timeMs: nowMs }, nowMs);
      if (clears) this.hooks.update('CTR', index, { ...counter.current, value: 0, timeMs: nowMs }, nowMs);
    }
    return { iin2: 0 };
  }

  /** All headers are judged before the first one acts; one refusal refuses them all. */
  private write(fragment: Fragment, headers: readonly ObjectHeader[], nowMs: number): Answer {
    const writes = headers.map((h) => this.writeOne(h, fragment.control.sequence, nowMs));
    this.recordedMs = null;
    const iin2 = writes.reduce((bits, w) => (w.kind === 'refused' ? bits | w.iin2 : bits), 0);
    if (writes.length === 0) return { iin2: IIN2.parameterError };
    if (iin2 === 0) for (const w of writes) if (w.kind === 'act') w.act();
    return { iin2 };
  }

  private writeOne(header: ObjectHeader, sequence: number, nowMs: number): Write {
    if (header.group === 80) return this.writeIndication(header);
    if (header.group === 34) return this.writeDeadbands(header);
    if (header.group === 50 && header.variation !== 2) return this.writeClock(header, sequence, nowMs);
    return refused(header.spec.role === 'file' ? IIN2.objectUnknown : IIN2.noFunction);
  }

  /** g80v1 index 7 to 0 clears the restart bit; nothing else of it may be written. */
  private writeIndication({ range, objects }: ObjectHeader): Write {
    const object = objects[0];
    const fits = range.kind === 'range' && objects.length === 1 && object?.index === 7 && object.fields[0] === 0;
    return fits ? { kind: 'act', act: () => (this.restarted = false) } : refused(IIN2.parameterError);
  }

  /** g50v1 sets the clock; g50v3 sets it as of the time recorded by the request just before. */
  private writeClock({ variation, objects }: ObjectHeader, sequence: number, nowMs: number): Write {
    const timeMs = objects[0]?.fields[0];
    const recorded = this.recordedMs;
    const isLan = variation === 3;
    const inOrder = recorded !== null && sequence === nextSequence(recorded.sequence);
    if (objects.length !== 1 || timeMs === undefined || timeMs > CLOCK_MS_MAX || (isLan && !inOrder)) {
      return refused(IIN2.parameterError);
    }
    const passedMs = isLan && recorded !== null ? nowMs - recorded.atMs : 0;
    const act = (): void => {
      this.timeWanted = false;
      this.clockSetMs = nowMs;
      this.hooks.emit({ kind: 'clock-set', timeMs: timeMs + passedMs });
    };
    return { kind: 'act', act };
  }

  /** g34: dead-bands of analog inputs; each must be there, and each value finite and not negative. */
  private writeDeadbands({ range, objects }: ObjectHeader): Write {
    const wanted = objects.flatMap((o) => {
      const record = this.database.get('AI', o.index);
      const deadband = o.fields[0] ?? Number.NaN;
      return record === null || !Number.isFinite(deadband) || deadband < 0 ? [] : { record, deadband };
    });
    const isNamed = range.kind === 'range' || range.kind === 'indexed';
    if (!isNamed || wanted.length < objects.length || wanted.length === 0) return refused(IIN2.parameterError);
    const act = (): void => {
      for (const { record, deadband } of wanted) record.deadband = deadband;
      this.hooks.emit({ kind: 'deadbands-set', points: wanted.length });
    };
    return { kind: 'act', act };
  }

  private assignClass(headers: readonly ObjectHeader[]): Answer {
    const named = namedAssignments(headers, this.database);
    if (named === null) return { iin2: IIN2.parameterError };
    for (const { record, eventClass } of named.assigned) record.eventClass = eventClass;
    this.hooks.emit({ kind: 'class-assigned', points: named.assigned.length });
    return { iin2: named.missing ? IIN2.parameterError : 0 };
  }

  private setUnsolicited(enable: boolean, headers: readonly ObjectHeader[]): Answer {
    if (!this.settings.unsolicited) return { iin2: IIN2.noFunction };
    const named = namedClasses(headers);
    if (named === null) return { iin2: IIN2.parameterError };
    const rest = this.classes.filter((c) => !named.includes(c));
    this.classes = enable ? [...new Set([...rest, ...named])] : rest;
    return { iin2: 0 };
  }

  /** Cold: events, assigned classes and dead-bands are gone. Warm: only the dialogue starts anew. */
  private restart(cold: boolean): Answer {
    this.restarted = true;
    this.timeWanted = this.settings.needTime;
    this.clockSetMs = null;
    this.classes = [];
    if (cold) {
      this.events.clear();
      this.database.reset();
    }
    this.hooks.emit({ kind: 'restart', cold });
    return { iin2: 0, response: delayResponse(this.settings.restartMs) };
  }
}

const FLOAT_LIMITS = { min: -3.4028234663852886e38, max: 3.4028234663852886e38 };

const refused = (iin2: number): Write => ({ kind: 'refused', iin2 });

/** g52v2 in ms; what 16 bits do not hold as g52v1 in whole seconds, rounded up. */
function delayResponse(delayMs: number): ByteWriter {
  const response = startResponse(16);
  const isFine = delayMs <= 0xffff;
  const spec = objectSpec(52, isFine ? 2 : 1);
  if (spec !== null) writeCounted(response, spec, [[isFine ? delayMs : Math.min(0xffff, Math.ceil(delayMs / 1000))]]);
  return response;
}
