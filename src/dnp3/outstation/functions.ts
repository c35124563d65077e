import { writeCounted } from '../app/build.ts';
import type { PointValue } from '../app/codec.ts';
import { FUNCTION, IIN2, nextSequence, STATUS } from '../app/control.ts';
import { objectSpec, type PointKind } from '../app/objects.ts';
import type { Fragment, ObjectHeader } from '../app/parse.ts';
import { ByteWriter } from '../util/bytes.ts';
import { CLOCK_MS_MAX, type ControlResult, type OutstationConfig, type OutstationEvent } from './config.ts';
import {
  decideControls,
  echoControls,
  isControlFunction,
  isControlList,
  operateRefusal,
  type Selection,
} from './controls.ts';
import type { Database } from './database.ts';
import type { EventBuffer } from './events.ts';
import { isFreeze, namedClasses, namedCounters } from './requests.ts';

/**
 * What an outstation does for each function but READ, and what it has to remember for that: a selection, a recorded
 * time, the classes that may be sent unasked, whether it restarted or needs the time. Which octets leave when is the
 * session's business.
 */
export interface Answer {
  readonly iin2: number;
  readonly objects?: Uint8Array;
}

export interface FunctionHooks {
  readonly emit: (event: OutstationEvent) => void;
  readonly update: (kind: PointKind, index: number, point: PointValue, nowMs: number) => void;
}

export class Functions {
  restarted = true;
  needTime: boolean;
  /** Classes the master enabled for unsolicited responses. */
  classes: readonly number[] = [];
  private selection: Selection | null = null;
  private recordedMs: { readonly sequence: number; readonly atMs: number } | null = null;
  private readonly settings: Required<OutstationConfig>;
  private readonly database: Database;
  private readonly events: EventBuffer;
  private readonly hooks: FunctionHooks;

  constructor(settings: Required<OutstationConfig>, database: Database, events: EventBuffer, hooks: FunctionHooks) {
    this.settings = settings;
    this.needTime = settings.needTime;
    this.database = database;
    this.events = events;
    this.hooks = hooks;
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
      case FUNCTION.coldRestart:
      case FUNCTION.warmRestart:
        if (body.length > 0) return { iin2: IIN2.parameterError };
        return this.restart(functionCode === FUNCTION.coldRestart);
      case FUNCTION.delayMeasure:
        return body.length > 0 ? { iin2: IIN2.parameterError } : { iin2: 0, objects: delayObject(0) };
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
        const status = refusal ?? this.settings.onControl(isSelect ? 'select' : 'operate', control, nowMs);
        results.push({ control, status });
        return status;
      },
      this.settings.controlsMax,
    );
    if (isSelect && statuses.every((s) => s === 0)) {
      this.selection = { sequence, body, untilMs: nowMs + this.settings.selectMs };
    }
    this.hooks.emit({ kind: 'controls', functionCode, controls: results });
    const writer = new ByteWriter(this.settings.fragmentOctetsMax - 4);
    echoControls(writer, headers, statuses);
    return { iin2: statuses.includes(STATUS.notSupported) ? IIN2.parameterError : 0, objects: writer.toOctets() };
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

  /** g80v1 index 7 to 0 clears the restart bit; g50v1 sets the clock; g50v3 sets it as of the recorded time. */
  private write(fragment: Fragment, headers: readonly ObjectHeader[], nowMs: number): Answer {
    const header = headers[0];
    const object = header?.objects[0];
    if (header === undefined || object === undefined || headers.length !== 1 || header.objects.length !== 1) {
      return { iin2: IIN2.parameterError };
    }
    const value = object.fields[0] ?? 0;
    if (header.group === 80) {
      if (object.index !== 7 || value !== 0 || header.range.kind !== 'range') return { iin2: IIN2.parameterError };
      this.restarted = false;
      return { iin2: 0 };
    }
    if (header.group !== 50 || header.variation === 2) return { iin2: IIN2.noFunction };
    const recorded = this.recordedMs;
    this.recordedMs = null;
    const isLan = header.variation === 3;
    const inOrder = recorded !== null && fragment.control.sequence === nextSequence(recorded.sequence);
    if (value > CLOCK_MS_MAX || (isLan && !inOrder)) return { iin2: IIN2.parameterError };
    this.needTime = false;
    this.hooks.emit({ kind: 'clock-set', timeMs: value + (isLan && recorded !== null ? nowMs - recorded.atMs : 0) });
    return { iin2: 0 };
  }

  private setUnsolicited(enable: boolean, headers: readonly ObjectHeader[]): Answer {
    if (!this.settings.unsolicited) return { iin2: IIN2.noFunction };
    const named = namedClasses(headers);
    if (named === null) return { iin2: IIN2.parameterError };
    const rest = this.classes.filter((c) => !named.includes(c));
    this.classes = enable ? [...rest, ...named] : rest;
    return { iin2: 0 };
  }

  private restart(cold: boolean): Answer {
    this.restarted = true;
    this.needTime = this.settings.needTime;
    this.events.clear();
    this.classes = [];
    this.hooks.emit({ kind: 'restart', cold });
    return { iin2: 0, objects: delayObject(this.settings.restartMs) };
  }
}

function delayObject(delayMs: number): Uint8Array {
  const writer = new ByteWriter(16);
  const spec = objectSpec(52, 2);
  if (spec !== null) writeCounted(writer, spec, [[delayMs]]);
  return writer.toOctets();
}
