import { indexedSection, rangeSection, type Section, writeCounted } from '../app/build.ts';
import { pointToFields } from '../app/codec.ts';
import { type ObjectSpec, objectSpec } from '../app/objects.ts';
import { ByteWriter } from '../util/bytes.ts';
import type { StaticItem } from './database.ts';
import { type EventBuffer, type EventRecord, eventSpec } from './events.ts';

/**
 * The answer to a READ, cut into fragments as they are sent: all events first, then the static data. Static values are
 * those of the moment of the request; events become "written" when their fragment is built.
 */
export class ResponsePlan {
  private readonly events: EventBuffer;
  private readonly statics: readonly StaticItem[];
  private readonly synchronised: boolean;
  private at = 0;

  constructor(events: EventBuffer, statics: readonly StaticItem[], synchronised: boolean) {
    this.events = events;
    this.statics = statics;
    this.synchronised = synchronised;
  }

  /** @returns the objects of the next fragment, whether it holds events, and whether nothing is left after it */
  next(octetsMax: number): { objects: Uint8Array; hasEvents: boolean; done: boolean } {
    const writer = new ByteWriter(octetsMax);
    const waiting = this.events.selected();
    const written = writeEvents(writer, waiting, this.synchronised);
    const eventsDone = written === waiting.length;
    if (eventsDone) this.writeStatics(writer);
    const done = eventsDone && this.at >= this.statics.length;
    return { objects: writer.toOctets(), hasEvents: written > 0, done };
  }

  private writeStatics(writer: ByteWriter): void {
    let section: Section | null = null;
    let previous: StaticItem | null = null;
    for (; this.at < this.statics.length; this.at++) {
      const item = this.statics[this.at];
      if (item === undefined) return;
      const joins =
        previous !== null &&
        previous.spec === item.spec &&
        previous.rangeOctets === item.rangeOctets &&
        item.index === previous.index + 1;
      if (!joins) section = rangeSection(writer, item.spec, { start: item.index, octets: item.rangeOctets });
      if (section === null || !section.append(item.index, fieldsOf(item), item.point.octets)) return;
      previous = item;
    }
  }
}

/**
 * Writes events in order of their happening, one header for each run of one object.
 * Relative times stand on a common time of occurrence (g51) that is renewed when 16 bits of ms do not reach.
 * @returns how many fitted; those are marked written
 */
export function writeEvents(writer: ByteWriter, events: readonly EventRecord[], synchronised: boolean): number {
  let section: Section | null = null;
  let spec: ObjectSpec | null = null;
  let baseMs: number | null = null;
  let written = 0;
  for (const e of events) {
    const own = eventSpec(e);
    if (own === null) {
      // An event without an object in the asked variation is left out of this response and waits.
      e.state = 'waiting';
      written += 1;
      continue;
    }
    const mark = writer.length;
    const relative = isRelative(own);
    const outOfReach = relative && (baseMs === null || e.point.timeMs < baseMs || e.point.timeMs - baseMs > 0xffff);
    if (outOfReach) {
      if (!writeBaseTime(writer, e.point.timeMs, synchronised)) return written;
      baseMs = e.point.timeMs;
    }
    if (own !== spec || outOfReach) section = indexedSection(writer, own, 2);
    if (section === null || !append(section, e.index, { ...e, spec: own }, baseMs ?? 0)) {
      writer.rollback(mark);
      return written;
    }
    spec = own;
    e.state = 'written';
    written += 1;
  }
  return written;
}

/** A point that stood still is not worked out again. */
function fieldsOf(item: StaticItem): readonly number[] {
  item.fields ??= pointToFields(item.spec, item.kind, item.point);
  return item.fields;
}

const append = (
  section: Section,
  index: number,
  item: Pick<StaticItem, 'spec' | 'kind' | 'point'>,
  baseMs = 0,
): boolean => section.append(index, pointToFields(item.spec, item.kind, item.point, baseMs), item.point.octets);

const isRelative = (spec: ObjectSpec): boolean =>
  spec.shape.kind === 'fields' && spec.shape.fields.some((f) => f.name === 'relativeMs');

function writeBaseTime(writer: ByteWriter, timeMs: number, synchronised: boolean): boolean {
  const spec = objectSpec(51, synchronised ? 1 : 2);
  return spec !== null && writeCounted(writer, spec, [[timeMs]]);
}
