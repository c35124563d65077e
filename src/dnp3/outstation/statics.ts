import { roomOctets } from '../app/build.ts';
import { type PointObject, type PointValue, pointObject, readBits, writeBits, writePointObject } from '../app/codec.ts';
import { FLAG } from '../app/control.ts';
import { KIND_GROUPS, type ObjectSpec, objectSpec } from '../app/objects.ts';
import { ByteWriter } from '../util/bytes.ts';
import type { PointRecord } from './database.ts';

/**
 * Static points as octets. What a READ selects is written at once, so that an answer of several fragments tells of one
 * moment, and each fragment copies its part.
 *
 * Most reads ask for all points of a kind in their own variations, and most points stand still between two of them. That
 * picture is kept, and a point that changes is written into it.
 */
export interface StaticRun {
  readonly spec: ObjectSpec;
  /** Octets of the range; the same for all points of one request header. */
  readonly rangeOctets: 1 | 2;
  /** Indices from `start` on, without a gap. */
  readonly start: number;
  readonly count: number;
  /** The objects, side by side without index. */
  readonly room: ByteWriter;
}

/** Adds records in one variation; 0 means each point's own. */
export function addStatics(runs: StaticRun[], records: readonly PointRecord[], variation: number): void {
  addRecords(
    runs,
    records,
    (r) => specOf(r, variation),
    (r) => r.current,
  );
}

/** Dead-bands of analog inputs as g34; variation 0 gives floats, which hold any of them. */
export function addDeadbands(runs: StaticRun[], records: readonly PointRecord[], variation: number): void {
  const spec = objectSpec(34, variation === 0 ? 3 : variation);
  addRecords(
    runs,
    records,
    () => spec,
    (r) => ({ value: r.deadband, flags: FLAG.online, timeMs: 0 }),
  );
}

/** All points of a kind, each in its own variation, kept up to date. */
export class Picture {
  private readonly runs: StaticRun[] = [];

  /** @param records  sorted by index */
  constructor(records: readonly PointRecord[]) {
    addStatics(this.runs, records, 0);
  }

  /** Writes a point as it is now; false when it needs another object than before: the picture then is of no use. */
  update(record: PointRecord): boolean {
    const run = this.runAt(record.index);
    const spec = specOf(record, 0);
    if (run?.spec !== spec) return run === null && spec === null;
    if (run !== null) writeInto(run, pointObject(run.spec), record.index - run.start, record.current);
    return true;
  }

  /** The moment's state, which later updates leave alone. */
  addTo(runs: StaticRun[]): void {
    for (const run of this.runs) runs.push({ ...run, room: copyOf(run.room) });
  }

  private runAt(index: number): StaticRun | null {
    let [from, to] = [0, this.runs.length];
    while (from < to) {
      const middle = (from + to) >>> 1;
      const run = this.runs[middle];
      if (run === undefined) return null;
      if (index < run.start) to = middle;
      else if (index >= run.start + run.count) from = middle + 1;
      else return run;
    }
    return null;
  }
}

/** Packed bits carry no quality: a point that is not plainly ONLINE is promoted to the variation with flags. */
function specOf(r: PointRecord, asked: number): ObjectSpec | null {
  const { staticGroup } = KIND_GROUPS[r.kind];
  // The variation of an octet string is its length.
  const variation = r.kind === 'OCT' ? (r.current.octets?.length ?? 0) : asked === 0 ? r.staticVariation : asked;
  const spec = objectSpec(staticGroup, variation);
  return spec?.shape.kind === 'packed' && r.current.flags !== FLAG.online ? objectSpec(staticGroup, 2) : spec;
}

function addRecords(
  runs: StaticRun[],
  records: readonly PointRecord[],
  specOf: (r: PointRecord) => ObjectSpec | null,
  pointOf: (r: PointRecord) => PointValue,
): void {
  const rangeOctets = records.some((r) => r.index > 0xff) ? 2 : 1;
  for (let from = 0, to = 0; from < records.length; from = to) {
    const first = records[from];
    if (first === undefined) return;
    const spec = specOf(first);
    for (to = from + 1; to < records.length; to++) {
      const next = records[to];
      if (next === undefined || next.index !== first.index + to - from || specOf(next) !== spec) break;
    }
    if (spec === null) continue;
    const count = to - from;
    const run = { spec, rangeOctets, start: first.index, count, room: roomFor(spec, count) } as const;
    const object = pointObject(spec);
    for (let i = 0; i < count; i++) {
      const r = records[from + i];
      if (r !== undefined) writeInto(run, object, i, pointOf(r));
    }
    addRun(runs, run);
  }
}

const writeInto = ({ room, spec }: StaticRun, object: PointObject, i: number, point: PointValue): void =>
  writePointObject(room, object, { at: spec.shape.kind === 'packed' ? 0 : roomOctets(spec.shape, i), i }, point);

function roomFor(spec: ObjectSpec, count: number): ByteWriter {
  const octets = roomOctets(spec.shape, count);
  const room = new ByteWriter(octets);
  room.reserve(octets);
  return room;
}

function copyOf(room: ByteWriter): ByteWriter {
  const copy = new ByteWriter(room.length);
  copy.bytes(room.toOctets());
  return copy;
}

/** Joins the last run where it goes on with it: one header for both. */
function addRun(runs: StaticRun[], run: StaticRun): void {
  const last = runs.at(-1);
  const joins =
    last?.spec === run.spec && last.rangeOctets === run.rangeOctets && last.start + last.count === run.start;
  if (!joins) {
    runs.push(run);
    return;
  }
  const { spec } = run;
  const count = last.count + run.count;
  const room = roomFor(spec, count);
  room.octets.set(last.room.toOctets());
  if (spec.shape.kind === 'packed') {
    const { bits } = spec.shape;
    for (let i = 0; i < run.count; i++) {
      writeBits(room.view, 0, last.count + i, bits, readBits(run.room.octets, i, bits));
    }
  } else room.octets.set(run.room.toOctets(), last.room.length);
  runs[runs.length - 1] = { ...last, count, room };
}
