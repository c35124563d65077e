import type { ByteReader, ByteWriter } from '../util/bytes.ts';
import { FLAG, FLAG_OVER_RANGE } from './control.ts';
import type { FieldSpec, FieldType, ObjectSpec, PointKind } from './objects.ts';

/** Octets of one object <-> its fields as numbers, in the order of the table. */
export function readFields(reader: ByteReader, fields: readonly FieldSpec[]): number[] {
  return fields.map((f) => readField(reader, f.type));
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
  return fields.every((f, i) => writeField(writer, f.type, values[i] ?? 0));
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
const stateShift = (kind: PointKind): number | null =>
  kind === 'BI' || kind === 'BOS' ? 7 : kind === 'DBI' ? 6 : null;

/**
 * Fields of one point in one variation. A value that does not fit is clipped and marked OVER_RANGE; one that is no
 * number is sent as 0 without ONLINE.
 * @param baseMs  for relative times: the common time of occurrence sent before [ms]
 */
export function pointToFields(spec: ObjectSpec, kind: PointKind, point: PointValue, baseMs = 0): number[] {
  const shift = stateShift(kind);
  if (spec.shape.kind === 'packed') return [point.value];
  if (spec.shape.kind === 'marker') return [];
  const type = spec.shape.fields.find((f) => f.name === 'value')?.type ?? 'f64';
  const [min, max] = RANGE[type];
  const known = !Number.isNaN(point.value);
  const whole = known && type !== 'f32' && type !== 'f64' ? Math.round(point.value) : point.value;
  const value = known ? Math.min(max, Math.max(min, whole)) : 0;
  let flags = known ? point.flags : point.flags & ~FLAG.online;
  if (shift === null && known && value !== whole) flags |= FLAG_OVER_RANGE;
  return spec.shape.fields.map((f) => {
    if (f.name === 'flags') return shift === null ? flags : (flags & ((1 << shift) - 1)) | (value << shift);
    if (f.name === 'timeMs') return Math.max(0, point.timeMs);
    if (f.name === 'relativeMs') return point.timeMs - baseMs;
    return value;
  });
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
  for (const [i, f] of spec.shape.fields.entries()) {
    const x = fields[i] ?? 0;
    if (f.name === 'value') value = x;
    if (f.name === 'timeMs') timeMs = x;
    if (f.name === 'relativeMs') timeMs = baseMs === null ? null : baseMs + x;
    if (f.name === 'flags') {
      flags = shift === null ? x : x & ((1 << shift) - 1);
      if (shift !== null) value = x >>> shift;
    }
  }
  return { value, flags, timeMs };
}
