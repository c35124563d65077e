import { startRequest, writeHeaderOnly, writeObjects } from '../app/build.ts';
import { type AppControl, FUNCTION, IIN2, statusName } from '../app/control.ts';
import { objectSpec } from '../app/objects.ts';
import { type ObjectHeader, parseHeaders } from '../app/parse.ts';
import type { Control } from '../outstation/controls.ts';
import { type ByteWriter, sameOctets } from '../util/bytes.ts';
import { type AssignClassRequest, buildMasterRequest, type RequestTask, writeAssignments } from './requests.ts';

/** What a master does, one request at a time. */
export interface CommandStep {
  /** Direct operate, select and then operate, or direct operate without response: nothing is known of its effect. */
  readonly mode: 'direct' | 'select-operate' | 'direct-no-ack';
  readonly controls: readonly Control[];
}

export interface CommandRequest {
  readonly id: string;
  /** Carried out in order; the first that fails ends the command. At least one. */
  readonly steps: readonly CommandStep[];
  /** Goes before everything, even before the start-up reads, and breaks off a request in flight. */
  readonly urgent: boolean;
}

export type CommandOutcome =
  | { readonly kind: 'operated' }
  /** The outstation said no to a step; steps before it took effect. */
  | { readonly kind: 'refused'; readonly why: string }
  /** Nothing took effect: no control left, or only a select that was never answered. */
  | { readonly kind: 'not-sent'; readonly why: string }
  /** A control left and no valid answer came: it may or may not have taken effect. */
  | { readonly kind: 'unknown'; readonly why: string };

export interface CommandTask {
  readonly kind: 'command';
  readonly request: CommandRequest;
  readonly step: number;
  readonly phase: 'select' | 'operate' | 'direct' | 'no-ack';
}

export type Task =
  | { readonly kind: 'clear-restart' }
  | { readonly kind: 'disable-unsolicited' }
  | { readonly kind: 'assign-classes' }
  | { readonly kind: 'integrity' }
  | { readonly kind: 'enable-unsolicited' }
  | { readonly kind: 'event-poll' }
  | RequestTask
  | CommandTask;

/** First phase of the n-th step. */
export function commandTask(request: CommandRequest, step: number): CommandTask {
  const mode = request.steps[step]?.mode;
  const phase = mode === 'direct' ? 'direct' : mode === 'direct-no-ack' ? 'no-ack' : 'select';
  return { kind: 'command', request, step, phase };
}

/** How a command ends whose steps all went through: of one without response nobody knows. */
export function accepted(request: CommandRequest): CommandOutcome {
  const isBlind = request.steps.some((s) => s.mode === 'direct-no-ack');
  return isBlind ? { kind: 'unknown', why: 'no answer was asked for' } : { kind: 'operated' };
}

/** A select that was not answered did nothing; of anything else nobody knows. */
export function unanswered(task: CommandTask, why: string): CommandOutcome {
  const isHarmless = task.phase === 'select' && task.step === 0;
  return { kind: isHarmless ? 'not-sent' : 'unknown', why: `${task.phase}: ${why}` };
}

/** The next request of a command whose last one was accepted; null when it is done. */
export function nextPhase(task: CommandTask): CommandTask | null {
  if (task.phase === 'select') return { ...task, phase: 'operate' };
  return task.step + 1 < task.request.steps.length ? commandTask(task.request, task.step + 1) : null;
}

/** What of the configuration goes into requests. */
export interface RequestSettings {
  readonly unsolicitedClasses: readonly number[];
  readonly assignments: AssignClassRequest['assignments'];
}

/** Octets of a request; null when it cannot be written. */
export function buildRequest(task: Task, sequence: number, settings: RequestSettings): Uint8Array | null {
  if (task.kind === 'request') return buildMasterRequest(task, sequence);
  const control: AppControl = { fir: true, fin: true, con: false, uns: false, sequence };
  const writer = startRequest(control, functionOf(task));
  switch (task.kind) {
    case 'clear-restart':
      writeIinZero(writer);
      break;
    case 'disable-unsolicited':
    case 'event-poll':
      writeClasses(writer, [1, 2, 3]);
      break;
    case 'integrity':
      writeClasses(writer, [1, 2, 3, 0]);
      break;
    case 'enable-unsolicited':
      writeClasses(writer, settings.unsolicitedClasses);
      break;
    case 'assign-classes':
      if (!writeAssignments(writer, settings.assignments)) return null;
      break;
    case 'command':
      if (!writeControls(writer, task.request.steps[task.step]?.controls ?? [])) return null;
      break;
  }
  return writer.toOctets();
}

function functionOf(task: Exclude<Task, RequestTask>): number {
  switch (task.kind) {
    case 'clear-restart':
      return FUNCTION.write;
    case 'assign-classes':
      return FUNCTION.assignClass;
    case 'disable-unsolicited':
      return FUNCTION.disableUnsolicited;
    case 'enable-unsolicited':
      return FUNCTION.enableUnsolicited;
    case 'integrity':
    case 'event-poll':
      return FUNCTION.read;
    case 'command':
      if (task.phase === 'direct') return FUNCTION.directOperate;
      if (task.phase === 'no-ack') return FUNCTION.directOperateNoResponse;
      return task.phase === 'select' ? FUNCTION.select : FUNCTION.operate;
  }
}

function writeClasses(writer: ByteWriter, classes: readonly number[]): void {
  for (const c of classes) writeHeaderOnly(writer, 60, c + 1, { kind: 'all' });
}

/** g80v1, index 7 = 0: "I know that you restarted". */
function writeIinZero(writer: ByteWriter): void {
  const spec = objectSpec(80, 1);
  if (spec !== null) writeObjects(writer, spec, 0x00, [{ index: 7, fields: [0] }]);
}

const TRIP_CLOSE = { none: 0, close: 0x40, trip: 0x80 } as const;

/** False when there is none or they do not fit. Each in a header of its own, index prefix of two octets. Analogs go as 32-bit integers where they are whole. */
function writeControls(writer: ByteWriter, controls: readonly Control[]): boolean {
  if (controls.length === 0) return false;
  return controls.every((c) => {
    const isInt = c.kind === 'analog' && Number.isInteger(c.value) && Math.abs(c.value) <= 0x7fff_ffff;
    const spec = c.kind === 'crob' ? objectSpec(12, 1) : objectSpec(41, isInt ? 1 : 4);
    const fields =
      c.kind === 'crob' ? [c.operation | TRIP_CLOSE[c.tripClose], c.count, c.onMs, c.offMs, 0] : [c.value, 0];
    return spec !== null && writeObjects(writer, spec, 0x28, [{ index: c.index, fields }]);
  });
}

/**
 * What the answer to a control says: it must repeat the request's objects, each with status 0.
 * @param sent      body of our request
 * @param answered  body of the response
 * @returns         null when all were accepted
 */
export function controlAnswer(
  sent: Uint8Array,
  answered: Uint8Array,
  iin2: number,
): { readonly refused: boolean; readonly why: string } | null {
  const asked = parseHeaders(sent, true);
  const got = parseHeaders(answered, true);
  const statuses = got.kind === 'headers' ? statusesOf(got.headers) : [];
  const bad = statuses.find((s) => s !== 0);
  if (bad !== undefined) return { refused: true, why: `the outstation answered ${statusName(bad)} (status ${bad})` };
  if (iin2 & (IIN2.noFunction | IIN2.objectUnknown | IIN2.parameterError)) {
    return { refused: true, why: `the outstation answered with indications 0x${iin2.toString(16)}` };
  }
  const echoes = asked.kind === 'headers' && got.kind === 'headers' && sameOctets(sent, answered);
  return echoes ? null : { refused: false, why: 'the answer does not repeat the control that was sent' };
}

const statusesOf = (headers: readonly ObjectHeader[]): number[] =>
  headers.filter((h) => h.spec.role === 'command').flatMap((h) => h.objects.map((o) => o.fields.at(-1) ?? 0));
