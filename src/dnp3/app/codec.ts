import { FLAG, FLAG_OVER_RANGE } from './control.ts';
import type { FieldSpec, FieldType, ObjectSpec, PointKind } from './objects.ts';

/**
 * Octets of one object <-> its fields as numbers, in the order of the table, and <-> the point that it tells of. Whoever
 * calls has made sure that the octets are there.
 */
export const readFields = (view: DataView, at: number, fields: readonly FieldSpec[]): number[] =>
  fields.map((f) => readField(view, at + f.at, f.type));

function readField(view: DataView, at: number, type: FieldType): number {
  switch (type) {
    case 'f32':
      return view.getFloat32(at, true);
    case 'i32':
      return view.getInt32(at, true);
    case 'i16':
      return view.getInt16(at, true);
    case 'u8':
      return view.getUint8(at);
    case 'u16':
      return view.getUint16(at, true);
    case 'u32':
      return view.getUint32(at, true);
    case 'f64':
      return view.getFloat64(at, true);
    case 'u48':
      // Exact, since a number holds 53 bits.
      return view.getUint16(at + 4, true) * 0x1_0000_0000 + view.getUint32(at, true);
  }
}

export function writeFields(view: DataView, at: number, fields: readonly FieldSpec[], values: readonly number[]): void {
  for (let i = 0; i < fields.length; i++) {
    const field = fields[i];
    if (field !== undefined) writeField(view, at + field.at, field.type, values[i] ?? 0);
  }
}

function writeField(view: DataView, at: number, type: FieldType, value: number): void {
  switch (type) {
    case 'f32':
      return view.setFloat32(at, value, true);
    case 'i32':
      return view.setInt32(at, value, true);
    case 'i16':
      return view.setInt16(at, value, true);
    case 'u8':
      return view.setUint8(at, value);
    case 'u16':
      return view.setUint16(at, value, true);
    case 'u32':
      return view.setUint32(at, value, true);
    case 'f64':
      return view.setFloat64(at, value, true);
    case 'u48':
      view.setUint32(at, value % 0x1_0000_0000, true);
      return view.setUint16(at + 4, Math.floor(value / 0x1_0000_0000), true);
  }
}

/** The index before an object; prefixes are of 1 or 2 octets, 0 = there is none. */
export const readIndex = (view: DataView, at: number, prefix: 1 | 2): number =>
  prefix === 2 ? view.getUint16(at, true) : view.getUint8(at);

export function writeIndex(view: DataView, at: number, prefix: 0 | 1 | 2, index: number): void {
  if (prefix === 2) view.setUint16(at, index, true);
  if (prefix === 1) view.setUint8(at, index);
}

/** What a point holds: the value as a number (binaries 0 or 1, double-bit 0 to 3), quality, and when it was so. */
export interface PointValue {
  readonly value: number;
  readonly flags: number;
  readonly timeMs: number;
  /** Of octet strings: 1 to 255 octets. */
  readonly octets?: Uint8Array;
}

/** A point as an object tells of it; the time is null where the object has none. */
export interface PointTold {
  readonly value: number;
  readonly flags: number;
  readonly timeMs: number | null;
}

/** What a row of the table says of a point: which fields there are, and what the value may be. */
export interface PointLayout {
  readonly flags: FieldSpec | null;
  /** Null where the value is bits of the flags. */
  readonly value: FieldSpec | null;
  /** Absolute or relative. */
  readonly time: FieldSpec | null;
  readonly isRelative: boolean;
  /** First bit of the flags octet that belongs to the value: 7 of binaries, 6 of double-bit inputs; 8 = none does. */
  readonly stateBit: 6 | 7 | 8;
  readonly isWhole: boolean;
  readonly min: number;
  readonly max: number;
}

const RANGE: Readonly<Record<FieldType, readonly [number, number]>> = {
  u8: [0, 0xff],
  u16: [0, 0xffff],
  u32: [0, 0xffff_ffff],
  i16: [-0x8000, 0x7fff],
  i32: [-0x8000_0000, 0x7fff_ffff],
  u48: [0, 0xffff_ffff_ffff],
  f32: [-3.4028234663852886e38, 3.4028234663852886e38],
  f64: [-Number.MAX_VALUE, Number.MAX_VALUE],
};

const LAYOUTS = new Map<ObjectSpec, PointLayout>();

/** @returns null where objects of this row are no octets in order: packed bits, strings, markers */
export function pointLayout(spec: ObjectSpec): PointLayout | null {
  if (spec.shape.kind !== 'fields') return null;
  const known = LAYOUTS.get(spec);
  if (known !== undefined) return known;
  const named = (name: string): FieldSpec | null =>
    spec.shape.kind === 'fields' ? (spec.shape.fields.find((f) => f.name === name) ?? null) : null;
  const [value, relative] = [named('value'), named('relativeMs')];
  const type = value?.type ?? 'f64';
  const [min, max] = RANGE[type];
  const layout: PointLayout = {
    flags: named('flags'),
    value,
    time: relative ?? named('timeMs'),
    isRelative: relative !== null,
    stateBit: stateBitOf(spec.point),
    isWhole: type !== 'f32' && type !== 'f64',
    min,
    max,
  };
  // As many as the table has rows.
  LAYOUTS.set(spec, layout);
  return layout;
}

const stateBitOf = (kind: PointKind | null): 6 | 7 | 8 => {
  if (kind === 'BI' || kind === 'BOS') return 7;
  return kind === 'DBI' ? 6 : 8;
};
/** Quality alone: the flags octet without the bits of the value. */
const qualityOf = (octet: number, stateBit: number): number => octet & ((1 << stateBit) - 1);

/**
 * Writes one point as one object. A value that does not fit is clipped and marked OVER_RANGE; one that is no number is
 * sent as 0 without ONLINE.
 * @param baseMs  for relative times: the common time of occurrence sent before [ms]
 */
function writePoint(view: DataView, at: number, layout: PointLayout, point: PointValue, baseMs: number): void {
  const { flags, value: field, time, stateBit, min, max } = layout;
  const known = !Number.isNaN(point.value);
  const whole = known && layout.isWhole ? Math.round(point.value) : point.value;
  const value = known ? (whole < min ? min : whole > max ? max : whole) : 0;
  if (flags !== null) {
    let octet = known ? point.flags : point.flags & ~FLAG.online;
    if (stateBit < 8) octet = qualityOf(octet, stateBit) | (value << stateBit);
    else if (known && value !== whole) octet |= FLAG_OVER_RANGE;
    view.setUint8(at + flags.at, octet);
  }
  if (field !== null) writeField(view, at + field.at, field.type, value);
  if (time !== null) {
    writeField(view, at + time.at, time.type, layout.isRelative ? point.timeMs - baseMs : Math.max(0, point.timeMs));
  }
}

/** The object that points are written in, looked up once for a run of them. */
export interface PointObject {
  readonly spec: ObjectSpec;
  readonly layout: PointLayout | null;
  readonly baseMs: number;
}
export const pointObject = (spec: ObjectSpec, baseMs = 0): PointObject => ({ spec, layout: pointLayout(spec), baseMs });

/** Writes object number i of its header: it begins at `at`; packed ones share what begins there. */
export function writePointObject(
  out: { readonly octets: Uint8Array; readonly view: DataView },
  { spec: { shape }, layout, baseMs }: PointObject,
  { at, i }: { readonly at: number; readonly i: number },
  point: PointValue,
): void {
  if (layout !== null) writePoint(out.view, at, layout, point, baseMs);
  else if (shape.kind === 'packed') writeBits(out.view, at, i, shape.bits, point.value);
  else out.octets.set(point.octets ?? [], at);
}

/**
 * The point in one object; flags are ONLINE where the object has none.
 * @param baseMs  common time of occurrence before it [ms]; null when there was none: a relative time then is none
 */
export function readPoint(view: DataView, at: number, layout: PointLayout, baseMs: number | null): PointTold {
  const { flags, value, time, stateBit } = layout;
  const octet = flags === null ? FLAG.online : view.getUint8(at + flags.at);
  return {
    value: value === null ? octet >>> stateBit : readField(view, at + value.at, value.type),
    flags: qualityOf(octet, stateBit),
    timeMs: time === null ? null : timeOf(layout, readField(view, at + time.at, time.type), baseMs),
  };
}

/** The same from fields that were taken apart before. */
export function fieldsToPoint(
  spec: ObjectSpec,
  kind: PointKind,
  fields: readonly number[],
  baseMs: number | null,
): PointTold {
  const layout = pointLayout(spec);
  if (layout === null || spec.shape.kind !== 'fields') return bitPoint(fields[0] ?? 0);
  const specs = spec.shape.fields;
  const of = (f: FieldSpec): number => fields[specs.indexOf(f)] ?? 0;
  const { flags, value, time } = layout;
  const stateBit = stateBitOf(kind);
  const octet = flags === null ? FLAG.online : of(flags);
  return {
    value: value === null ? octet >>> stateBit : of(value),
    flags: qualityOf(octet, stateBit),
    timeMs: time === null ? null : timeOf(layout, of(time), baseMs),
  };
}

function timeOf(layout: PointLayout, time: number, baseMs: number | null): number | null {
  if (!layout.isRelative) return time;
  return baseMs === null ? null : baseMs + time;
}

/** Packed objects: bits side by side, lowest first, without quality or time. */
export const bitPoint = (value: number): PointTold => ({ value, flags: FLAG.online, timeMs: null });

export const packedOctets = (count: number, bits: 1 | 2): number => Math.ceil((count * bits) / 8);

export function readBits(octets: Uint8Array, i: number, bits: 1 | 2): number {
  const bit = i * bits;
  return ((octets[bit >>> 3] ?? 0) >>> (bit & 7)) & ((1 << bits) - 1);
}

export function writeBits(view: DataView, at: number, i: number, bits: 1 | 2, value: number): void {
  const bit = i * bits;
  const mask = (1 << bits) - 1;
  const octetAt = at + (bit >>> 3);
  const others = view.getUint8(octetAt) & ~(mask << (bit & 7));
  view.setUint8(octetAt, others | ((value & mask) << (bit & 7)));
}
