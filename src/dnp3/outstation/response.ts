import { holdsObjects, openObjects, roomOctets, startResponse, writeCounted } from '../app/build.ts';
import { pointLayout, pointObject, writeIndex, writePointObject } from '../app/codec.ts';
import { type ObjectSpec, objectSpec } from '../app/objects.ts';
import type { ByteWriter } from '../util/bytes.ts';
import { type EventBuffer, type EventRecord, eventSpec } from './events.ts';
import type { StaticRun } from './statics.ts';

/**
 * The answer to a READ, cut into fragments as they are sent: all events first, then the static data. Static values are
 * those of the moment of the request; events become "written" when their fragment is built.
 */
export class ResponsePlan {
  private readonly events: EventBuffer;
  private readonly statics: readonly StaticRun[];
  private readonly synchronised: boolean;
  /** The run that comes next, and how many of its points are written. */
  private run = 0;
  private point = 0;

  constructor(events: EventBuffer, statics: readonly StaticRun[], synchronised: boolean) {
    this.events = events;
    this.statics = statics;
    this.synchronised = synchronised;
  }

  /** @returns the next fragment without its head, whether it holds events, and whether nothing is left after it */
  next(octetsMax: number): { response: ByteWriter; hasEvents: boolean; done: boolean } {
    const response = startResponse(octetsMax);
    const waiting = this.events.selected();
    const written = writeEvents(response, waiting, this.synchronised);
    const done = written === waiting.length && this.writeStatics(response);
    // What does not fit into an empty fragment fits into none: the answer ends there.
    return { response, hasEvents: written > 0, done: done || !holdsObjects(response) };
  }

  /** @returns whether all of them are written */
  private writeStatics(writer: ByteWriter): boolean {
    for (; this.run < this.statics.length; this.run++) {
      const run = this.statics[this.run];
      if (run === undefined) return true;
      const wanted = { start: run.start + this.point, count: run.count - this.point };
      const room = openObjects(writer, run.spec, run.rangeOctets === 2 ? 0x01 : 0x00, wanted);
      if (room === null) return false;
      // A fragment ends with an octet, so packed points go on in the next one from an octet on.
      const from = roomOctets(run.spec.shape, this.point);
      const octets = roomOctets(run.spec.shape, room.count);
      writer.octets.set(run.room.octets.subarray(from, from + octets), room.at);
      this.point += room.count;
      if (room.count < wanted.count) return false;
      this.point = 0;
    }
    return true;
  }
}

/**
 * Writes events in order of their happening, one header for each run of one object.
 * Relative times stand on a common time of occurrence (g51) that is renewed when 16 bits of ms do not reach.
 * @returns how many are done with: those that fitted are marked written; one without an object in the asked variation is
 *          left out of this response and waits
 */
export function writeEvents(writer: ByteWriter, events: readonly EventRecord[], synchronised: boolean): number {
  let baseMs: number | null = null;
  let done = 0;
  while (done < events.length) {
    const run = eventRun(events, done, baseMs);
    const [first] = run.events;
    if (first === undefined || run.spec === null) return events.length;
    const mark = writer.length;
    const hasBase = run.baseMs === baseMs || writeBaseTime(writer, run.baseMs ?? 0, synchronised);
    const room = hasBase ? openObjects(writer, run.spec, 0x28, { start: 0, count: run.events.length }) : null;
    if (room === null) {
      writer.rollback(mark);
      return events.indexOf(first);
    }
    const object = pointObject(run.spec, run.baseMs ?? 0);
    for (let i = 0; i < room.count; i++) {
      const e = run.events[i];
      if (e === undefined) break;
      const at = room.at + i * room.stride;
      writeIndex(writer.view, at, 2, e.index);
      writePointObject(writer, object, { at: at + 2, i }, e.point);
      e.state = 'written';
    }
    const next = run.events[room.count];
    if (next !== undefined) return events.indexOf(next);
    baseMs = run.baseMs;
    done = run.end;
  }
  return done;
}

interface EventRun {
  readonly spec: ObjectSpec | null;
  readonly events: readonly EventRecord[];
  /** Common time of occurrence that its times stand on; the one before where its times are not relative. */
  readonly baseMs: number | null;
  /** Position of what comes after it. */
  readonly end: number;
}

/** Events from a position on that go under one header, without those that have no object. */
function eventRun(events: readonly EventRecord[], from: number, beforeMs: number | null): EventRun {
  const run: EventRecord[] = [];
  let spec: ObjectSpec | null = null;
  let baseMs = beforeMs;
  let end = from;
  for (; end < events.length; end++) {
    const e = events[end];
    const own = e === undefined ? null : eventSpec(e);
    if (e === undefined || own === null) {
      if (e !== undefined) e.state = 'waiting';
      continue;
    }
    const { timeMs } = e.point;
    const reaches = !isRelative(own) || (baseMs !== null && timeMs >= baseMs && timeMs - baseMs <= 0xffff);
    if (spec !== null && (own !== spec || !reaches)) break;
    if (!reaches) baseMs = timeMs;
    spec = own;
    run.push(e);
  }
  return { spec, events: run, baseMs, end };
}

const isRelative = (spec: ObjectSpec): boolean => pointLayout(spec)?.isRelative === true;

function writeBaseTime(writer: ByteWriter, timeMs: number, synchronised: boolean): boolean {
  const spec = objectSpec(51, synchronised ? 1 : 2);
  return spec !== null && writeCounted(writer, spec, [[timeMs]]);
}
