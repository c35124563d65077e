import type { ByteReader, ByteWriter } from '../util/bytes.ts';
import { FLAG, FLAG_OVER_RANGE } from './control.ts';
import type { DataKind, FieldSpec, FieldType, ObjectSpec, PointKind } from './objects.ts';

/** Octets of one object <-> its fields as numbers, in the order of the table. */
export function readFields(reader: ByteReader, fields: readonly FieldSpec[]): number[] {
  // Literals of the right length: an array that grows by push takes room for 17 numbers, a thousand times an answer.
  const a = fields[0];
  const b = fields[1];
  const c = fields[2];
  if (a === undefined || fields.length > 3) return fields.map((f) => readField(reader, f.type));
  if (b === undefined) return [readField(reader, a.type)];
  if (c === undefined) return [readField(reader, a.type), readField(reader, b.type)];
  return [readField(reader, a.type), readField(reader, b.type), readField(reader, c.type)];
}

function readField(reader: ByteReader, type: FieldType): number {
  switch (type) {
    case 'u8':
      return reader.u8();
    case 'u16':
      return reader.u16();
    case 'u32':
      return reader.u32();
    case 'i16':
      return reader.i16();
    case 'i32':
      return reader.i32();
    case 'f32':
      return reader.f32();
    case 'f64':
      return reader.f64();
    case 'u48':
      return reader.u48();
  }
}

export function writeFields(writer: ByteWriter, fields: readonly FieldSpec[], values: readonly number[]): boolean {
  for (let i = 0; i < fields.length; i++) {
    const field = fields[i];
    if (field !== undefined && !writeField(writer, field.type, values[i] ?? 0)) return false;
  }
  return true;
}

function writeField(writer: ByteWriter, type: FieldType, value: number): boolean {
  switch (type) {
    case 'u8':
      return writer.u8(value);
    case 'u16':
    case 'i16':
      return writer.u16(value);
    case 'u32':
    case 'i32':
      return writer.u32(value);
    case 'f32':
      return writer.f32(value);
    case 'f64':
      return writer.f64(value);
    case 'u48':
      return writer.u48(value);
  }
}

/** What a point holds: the value as a number (binaries 0 or 1, double-bit 0 to 3), quality, and when it was so. */
export interface PointValue {
  readonly value: number;
  readonly flags: number;
  readonly timeMs: number;
  /** Of octet strings: 1 to 255 octets. */
  readonly octets?: Uint8Array;
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

/** Value bits that live in the flags octet: bit 7 of binaries, bits 6 and 7 of double-bit inputs. */
const stateShift = (kind: DataKind): number | null => (kind === 'BI' || kind === 'BOS' ? 7 : kind === 'DBI' ? 6 : null);

/**
 * Fields of one point in one variation. A value that does not fit is clipped and marked OVER_RANGE; one that is no
 * number is sent as 0 without ONLINE.
 * @param baseMs  for relative times: the common time of occurrence sent before [ms]
 */
export function pointToFields(spec: ObjectSpec, kind: DataKind, point: PointValue, baseMs = 0): number[] {
  const shift = stateShift(kind);
  if (spec.shape.kind === 'packed') return [point.value];
  if (spec.shape.kind !== 'fields') return [];
  const { fields } = spec.shape;
  const { min, max, isWhole, isPlain } = layoutOf(spec, fields);
  const known = !Number.isNaN(point.value);
  const whole = known && isWhole ? Math.round(point.value) : point.value;
  const value = known ? (whole < min ? min : whole > max ? max : whole) : 0;
  let flags = known ? point.flags : point.flags & ~FLAG.online;
  if (shift === null && known && value !== whole) flags |= FLAG_OVER_RANGE;
  const octet = shift === null ? flags : (flags & ((1 << shift) - 1)) | (value << shift);
  if (isPlain) return [octet, value];
  return fields.map(({ name }) => {
    if (name === 'flags') return octet;
    if (name === 'timeMs') return Math.max(0, point.timeMs);
    return name === 'relativeMs' ? point.timeMs - baseMs : value;
  });
}

/** What writing a point in one object needs to know of it; worked out once for each row of the table. */
interface Layout {
  readonly min: number;
  readonly max: number;
  readonly isWhole: boolean;
  /** Just flags and value, in this order. */
  readonly isPlain: boolean;
}
const layouts = new Map<ObjectSpec, Layout>();

function layoutOf(spec: ObjectSpec, fields: readonly FieldSpec[]): Layout {
  const known = layouts.get(spec);
  if (known !== undefined) return known;
  const type = valueType(fields);
  const [min, max] = RANGE[type];
  const layout = { min, max, isWhole: type !== 'f32' && type !== 'f64', isPlain: isFlagsAndValue(fields) };
  layouts.set(spec, layout);
  return layout;
}

const isFlagsAndValue = (fields: readonly FieldSpec[]): boolean =>
  fields.length === 2 && fields[0]?.name === 'flags' && fields[1]?.name === 'value';

function valueType(fields: readonly FieldSpec[]): FieldType {
  for (const f of fields) if (f.name === 'value') return f.type;
  return 'f64';
}

/** Whether the object of an analog or a counter is just its flags and its value, in this order. */
export function isFlagsAndNumber(spec: ObjectSpec, kind: DataKind): boolean {
  return spec.shape.kind === 'fields' && stateShift(kind) === null && isFlagsAndValue(spec.shape.fields);
}

/** The point in one object; the time is null where the variation has none, and flags are ONLINE where it has none. */
export function fieldsToPoint(
  spec: ObjectSpec,
  kind: PointKind,
  fields: readonly number[],
  baseMs: number | null,
): { value: number; flags: number; timeMs: number | null } {
  const shift = stateShift(kind);
  if (spec.shape.kind !== 'fields') return { value: fields[0] ?? 0, flags: FLAG.online, timeMs: null };
  let value = 0;
  let flags: number = FLAG.online;
  let timeMs: number | null = null;
  const specs = spec.shape.fields;
  for (let i = 0; i < specs.length; i++) {
    const name = specs[i]?.name;
    const x = fields[i] ?? 0;
    if (name === 'value') value = x;
    else if (name === 'timeMs') timeMs = x;
    else if (name === 'relativeMs') timeMs = baseMs === null ? null : baseMs + x;
    else if (name === 'flags') {
      flags = shift === null ? x : x & ((1 << shift) - 1);
      if (shift !== null) value = x >>> shift;
    }
  }
  return { value, flags, timeMs };
}
