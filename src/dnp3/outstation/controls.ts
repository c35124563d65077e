import { writeObjects } from '../app/build.ts';
import { FUNCTION, nextSequence, STATUS } from '../app/control.ts';
import type { ObjectHeader, ObjectValue } from '../app/parse.ts';
import { type ByteWriter, sameOctets } from '../util/bytes.ts';

/**
 * Controls: SELECT, OPERATE, DIRECT OPERATE and its form without response (IEEE 1815 clause 4.4 [S]).
 *
 * An OPERATE executes only when it is the very next request after its SELECT (sequence + 1), repeats the same object
 * octets and comes in time; else every object is answered NO_SELECT (2) or TIMEOUT (1) and the selection is gone, as the
 * certification log 8.2.1.2.15 shows. A selection holds only when every object of it was accepted.
 *
 * An analog setpoint that is NaN or infinite is refused here with FORMAT_ERROR (3) and never reaches the application;
 * opendnp3 passes it on and reports success (seen). Values too large for a device are the application's to refuse.
 */
export type Control =
  | {
      readonly kind: 'crob';
      readonly index: number;
      /** Operation 1 pulse on, 2 pulse off, 3 latch on, 4 latch off. */
      readonly operation: 1 | 2 | 3 | 4;
      readonly tripClose: 'none' | 'close' | 'trip';
      readonly count: number;
      readonly onMs: number;
      readonly offMs: number;
    }
  | { readonly kind: 'analog'; readonly index: number; readonly value: number };

/** Decides on one control; a status of STATUS. Must not act on 'select'. */
export type ControlHandler = (step: 'select' | 'operate', control: Control, nowMs: number) => number;

export interface Selection {
  readonly sequence: number;
  readonly body: Uint8Array;
  readonly untilMs: number;
}

export const isControlList = (headers: readonly ObjectHeader[]): boolean =>
  headers.length > 0 && headers.every((h) => h.spec.role === 'command' && h.range.kind === 'indexed');

/** Why an OPERATE may not execute; null when it may. */
export function operateRefusal(
  selection: Selection | null,
  request: { sequence: number; body: Uint8Array },
  nowMs: number,
): number | null {
  if (selection === null) return STATUS.noSelect;
  if (request.sequence !== nextSequence(selection.sequence)) return STATUS.noSelect;
  if (!sameOctets(request.body, selection.body)) return STATUS.noSelect;
  return nowMs >= selection.untilMs ? STATUS.timeout : null;
}

/** Status of each object, in order. */
export function decideControls(
  headers: readonly ObjectHeader[],
  decide: (control: Control) => number,
  controlsMax: number,
): number[] {
  const statuses: number[] = [];
  for (const header of headers) {
    for (const object of header.objects) {
      const control = toControl(header, object);
      if (statuses.length >= controlsMax) statuses.push(STATUS.tooManyOps);
      else statuses.push(typeof control === 'number' ? control : decide(control));
    }
  }
  return statuses;
}

/** The control in one object, or the status that refuses it. */
function toControl(header: ObjectHeader, object: ObjectValue): Control | number {
  if (header.group === 41) {
    const value = object.fields[0] ?? Number.NaN;
    return Number.isFinite(value) ? { kind: 'analog', index: object.index, value } : STATUS.formatError;
  }
  const [code = 0, count = 0, onMs = 0, offMs = 0] = object.fields;
  const operation = code & 0x0f;
  const tripCloseCode = code >>> 6;
  const queuedOrClear = (code & 0x30) !== 0;
  if (queuedOrClear || tripCloseCode === 3) return STATUS.notSupported;
  if (operation !== 1 && operation !== 2 && operation !== 3 && operation !== 4) return STATUS.notSupported;
  const tripClose = tripCloseCode === 0 ? 'none' : tripCloseCode === 1 ? 'close' : 'trip';
  return { kind: 'crob', index: object.index, operation, tripClose, count, onMs, offMs };
}

/** The request's objects again, with each status in its last field. */
export function echoControls(
  writer: ByteWriter,
  headers: readonly ObjectHeader[],
  statuses: readonly number[],
): boolean {
  let at = 0;
  return headers.every((h) => {
    const objects = h.objects.map((o) => ({ index: o.index, fields: [...o.fields.slice(0, -1), statuses[at++] ?? 0] }));
    return writeObjects(writer, h.spec, h.qualifier, objects);
  });
}

export const isControlFunction = (functionCode: number): boolean =>
  functionCode >= FUNCTION.select && functionCode <= FUNCTION.directOperateNoResponse;
