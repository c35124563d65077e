import { startRequest, writeCounted, writeHeaderOnly, writeIndices, writeObjects } from '../app/build.ts';
import { type AppControl, FUNCTION, IIN2 } from '../app/control.ts';
import { KIND_GROUPS, objectSpec, type PointKind } from '../app/objects.ts';
import { parseHeaders } from '../app/parse.ts';
import type { ByteWriter } from '../util/bytes.ts';

/**
 * What an owner may ask of a master beside commands: reads, the clock, restarts, classes, freezes, dead-bands. Each has
 * an id of the owner's; its end comes as one 'request-ended' event. Requests go in order, after the start-up of the
 * connection and behind commands; none is repeated by itself.
 */

/** What one object header names. Indices 0 to 65535; `stop` and `count` include the last one. */
export type Selector =
  | { readonly kind: 'all' }
  | { readonly kind: 'range'; readonly start: number; readonly stop: number }
  /** The first so many; of events the oldest. */
  | { readonly kind: 'count'; readonly count: number }
  | { readonly kind: 'indices'; readonly indices: readonly number[] };

/** One object header of a read; variation 0 = the outstation's own choice. */
export interface ObjectRead {
  readonly group: number;
  readonly variation: number;
  readonly select: Selector;
}

export interface ReadRangeRequest {
  readonly id: string;
  readonly objects: readonly ObjectRead[];
}
export interface ReadClassesRequest {
  readonly id: string;
  readonly classes: readonly (0 | 1 | 2 | 3)[];
}
export interface TimeSyncRequest {
  readonly id: string;
  /** lan: record current time, then write g50v3. non-lan: measure the delay, then write g50v1. */
  readonly method: 'lan' | 'non-lan';
}
export interface RestartRequest {
  readonly id: string;
  readonly how: 'cold' | 'warm';
}
export interface AssignClassRequest {
  readonly id: string;
  readonly assignments: readonly {
    readonly points: PointKind;
    readonly select: Selector;
    /** 0 = no events. */
    readonly eventClass: 0 | 1 | 2 | 3;
  }[];
}
export interface FreezeRequest {
  readonly id: string;
  /** Counters set to 0 once frozen. */
  readonly clear: boolean;
  /** False = the form without response; its end is 'sent'. */
  readonly acknowledged: boolean;
  /** Counters; all when left out. */
  readonly select?: Selector;
}
export interface WriteDeadbandsRequest {
  readonly id: string;
  /** Of analog inputs, in the point's raw units. */
  readonly deadbands: readonly { readonly index: number; readonly deadband: number }[];
}

export type MasterRequest =
  | ({ readonly kind: 'read-range' } & ReadRangeRequest)
  | ({ readonly kind: 'read-classes' } & ReadClassesRequest)
  | ({ readonly kind: 'time-sync' } & TimeSyncRequest)
  | ({ readonly kind: 'restart' } & RestartRequest)
  | ({ readonly kind: 'assign-class' } & AssignClassRequest)
  | ({ readonly kind: 'freeze' } & FreezeRequest)
  | ({ readonly kind: 'write-deadbands' } & WriteDeadbandsRequest);

export type RequestOutcome =
  /** The outstation answered without objection; of a restart, after which time it says it will be back [ms]. */
  | { readonly kind: 'done'; readonly restartMs?: number }
  /** It left, and no answer was asked for. */
  | { readonly kind: 'sent' }
  /** The outstation answered and objected. */
  | { readonly kind: 'refused'; readonly why: string }
  /** No octet of it left. */
  | { readonly kind: 'not-sent'; readonly why: string }
  /** It left and no valid answer came. */
  | { readonly kind: 'no-answer'; readonly why: string };

/** One application request of a MasterRequest; a time synchronisation has two. */
export interface RequestTask {
  readonly kind: 'request';
  readonly request: MasterRequest;
  /** Of the session itself, because the outstation asked; nobody waits for its end. */
  readonly own: boolean;
  readonly phase: 'only' | 'measure' | 'write-time';
  /** Phase write-time: what to write [ms since 1970]. */
  readonly timeMs: number;
}

/** First application request of a MasterRequest. */
export const requestTask = (request: MasterRequest, own = false): RequestTask => ({
  kind: 'request',
  request,
  own,
  phase: request.kind === 'time-sync' ? 'measure' : 'only',
  timeMs: 0,
});

export const isReadRequest = (request: MasterRequest): boolean =>
  request.kind === 'read-range' || request.kind === 'read-classes';

/** Does its function ask for a response? */
export const isAnswered = (request: MasterRequest): boolean => request.kind !== 'freeze' || request.acknowledged;

/**
 * Octets of a request.
 * @returns null when it names nothing, does not fit into one fragment of 2048 octets or holds a value that cannot be sent
 */
export function buildMasterRequest(task: RequestTask, sequence: number): Uint8Array | null {
  const control: AppControl = { fir: true, fin: true, con: false, uns: false, sequence };
  const writer = startRequest(control, requestFunction(task));
  return writeBody(writer, task) ? writer.toOctets() : null;
}

function requestFunction(task: RequestTask): number {
  const { request } = task;
  switch (request.kind) {
    case 'read-range':
    case 'read-classes':
      return FUNCTION.read;
    case 'time-sync':
      if (task.phase === 'write-time') return FUNCTION.write;
      return request.method === 'lan' ? FUNCTION.recordCurrentTime : FUNCTION.delayMeasure;
    case 'restart':
      return request.how === 'cold' ? FUNCTION.coldRestart : FUNCTION.warmRestart;
    case 'assign-class':
      return FUNCTION.assignClass;
    case 'freeze':
      if (request.clear) return request.acknowledged ? FUNCTION.freezeClear : FUNCTION.freezeClearNoResponse;
      return request.acknowledged ? FUNCTION.freeze : FUNCTION.freezeNoResponse;
    case 'write-deadbands':
      return FUNCTION.write;
  }
}

function writeBody(writer: ByteWriter, task: RequestTask): boolean {
  const { request } = task;
  switch (request.kind) {
    case 'read-range':
      return request.objects.length > 0 && request.objects.every((o) => writeSelector(writer, o, o.select));
    case 'read-classes': {
      const classes = [1, 2, 3, 0].filter((c) => request.classes.some((x) => x === c));
      return classes.length > 0 && classes.every((c) => writeHeaderOnly(writer, 60, c + 1, { kind: 'all' }));
    }
    case 'time-sync':
      return task.phase === 'measure' || writeTime(writer, request.method, task.timeMs);
    case 'restart':
      return true;
    case 'assign-class':
      return writeAssignments(writer, request.assignments);
    case 'freeze': {
      const counters = { group: KIND_GROUPS.CTR.staticGroup, variation: 0 };
      return writeSelector(writer, counters, request.select ?? { kind: 'all' });
    }
    case 'write-deadbands':
      return writeDeadbands(writer, request.deadbands);
  }
}

/** g60v1 to g60v4 names the class, the header after it the points that get it. */
export function writeAssignments(writer: ByteWriter, assignments: AssignClassRequest['assignments']): boolean {
  return (
    assignments.length > 0 &&
    assignments.every(
      (a) =>
        writeHeaderOnly(writer, 60, a.eventClass + 1, { kind: 'all' }) &&
        writeSelector(writer, { group: KIND_GROUPS[a.points].staticGroup, variation: 0 }, a.select),
    )
  );
}

function writeSelector(writer: ByteWriter, object: { group: number; variation: number }, select: Selector): boolean {
  const { group, variation } = object;
  const isIndex = (i: number): boolean => Number.isInteger(i) && i >= 0 && i <= 0xffff;
  switch (select.kind) {
    case 'all':
      return writeHeaderOnly(writer, group, variation, select);
    case 'count':
      return isIndex(select.count) && select.count > 0 && writeHeaderOnly(writer, group, variation, select);
    case 'range':
      return (
        isIndex(select.start) &&
        isIndex(select.stop) &&
        select.start <= select.stop &&
        writeHeaderOnly(writer, group, variation, select)
      );
    case 'indices':
      return select.indices.length > 0 && select.indices.every(isIndex) && writeIndices(writer, object, select.indices);
  }
}

function writeTime(writer: ByteWriter, method: TimeSyncRequest['method'], timeMs: number): boolean {
  const spec = objectSpec(50, method === 'lan' ? 3 : 1);
  return spec !== null && writeCounted(writer, spec, [[timeMs]]);
}

/** As g34v2 (32-bit) where all are whole, else as g34v3 (float). */
function writeDeadbands(writer: ByteWriter, deadbands: WriteDeadbandsRequest['deadbands']): boolean {
  const fits = deadbands.every((d) => d.deadband >= 0 && d.deadband <= 0xffff_ffff);
  const spec = objectSpec(34, deadbands.every((d) => Number.isInteger(d.deadband)) ? 2 : 3);
  if (!fits || spec === null || deadbands.length === 0) return false;
  const objects = deadbands.map((d) => ({ index: d.index, fields: [d.deadband] }));
  return writeObjects(writer, spec, 0x28, objects);
}

/** Time in the answer to a restart or a delay measurement, g52v1 [s] or g52v2 [ms]; null when there is none. */
export function delayOf(body: Uint8Array): number | null {
  const parsed = parseHeaders(body, true);
  const header = parsed.kind === 'headers' ? parsed.headers[0] : undefined;
  const delay = header?.objects[0]?.fields[0];
  if (header?.group !== 52 || delay === undefined) return null;
  return header.variation === 1 ? delay * 1000 : delay;
}

/**
 * The time to write after the first half of a synchronisation.
 * lan: the moment its octets left. non-lan: now, and half of the way there and back without the outstation's own delay.
 * @returns null when a measured delay did not come
 */
export function timeToWrite(
  method: TimeSyncRequest['method'],
  at: { sentMs: number; nowMs: number },
  body: Uint8Array,
): number | null {
  if (method === 'lan') return at.sentMs;
  const delayMs = delayOf(body);
  if (delayMs === null) return null;
  return Math.round(at.nowMs + Math.max(0, at.nowMs - at.sentMs - delayMs) / 2);
}

/** What indications object to; null when nothing. */
export function objection(iin2: number): string | null {
  const names: string[] = [];
  if (iin2 & IIN2.noFunction) names.push('function not supported');
  if (iin2 & IIN2.objectUnknown) names.push('object unknown');
  if (iin2 & IIN2.parameterError) names.push('parameter error');
  if (iin2 & IIN2.alreadyExecuting) names.push('already executing');
  return names.length === 0 ? null : names.join(', ');
}
