import { ByteWriter } from '../util/bytes.ts';
import { writeFields } from './codec.ts';
import { type AppControl, controlOctet } from './control.ts';
import type { ObjectSpec } from './objects.ts';
import type { HeaderRange, ObjectValue } from './parse.ts';

/**
 * Writers of fragments. A section is one object header that grows object by object until the fragment is full; its
 * count or stop index is set right after each object, so a section can be left at any time.
 */
export function startRequest(control: AppControl, functionCode: number, octetsMax = 2048): ByteWriter {
  const writer = new ByteWriter(octetsMax);
  writer.u8(controlOctet(control));
  writer.u8(functionCode);
  return writer;
}

/** Puts control octet and indications in front of objects already written. */
export function finishResponse(
  control: AppControl,
  functionCode: number,
  iin: { first: number; second: number },
  objects: Uint8Array,
): Uint8Array {
  const out = new Uint8Array(4 + objects.length);
  out.set([controlOctet(control), functionCode, iin.first, iin.second]);
  out.set(objects, 4);
  return out;
}

export interface Section {
  /** False when the object did not fit; the fragment then ends before it. */
  append(index: number, fields: readonly number[], octets?: Uint8Array): boolean;
}

/** One object that ends on an octet; false when it does not fit or is of another shape. */
function writeObject(writer: ByteWriter, spec: ObjectSpec, fields: readonly number[], octets?: Uint8Array): boolean {
  const { shape } = spec;
  if (shape.kind === 'fields') return writeFields(writer, shape.fields, fields);
  return shape.kind === 'octets' && octets?.length === shape.octets && writer.bytes(octets);
}

/**
 * Objects with index, qualifier 17 or 28.
 * @returns null when not even the header fits
 */
export function indexedSection(writer: ByteWriter, spec: ObjectSpec, prefix: 1 | 2): Section | null {
  const start = writer.length;
  const fitted = writer.u8(spec.group) && writer.u8(spec.variation) && writer.u8(prefix === 2 ? 0x28 : 0x17);
  const countAt = writer.length;
  if (!fitted || !(prefix === 2 ? writer.u16(0) : writer.u8(0))) {
    writer.rollback(start);
    return null;
  }
  const countMax = prefix === 2 ? 0xffff : 0xff;
  let count = 0;
  return {
    append(index, fields, octets) {
      const mark = count === 0 ? start : writer.length;
      const fits =
        count < countMax &&
        (prefix === 2 ? writer.u16(index) : writer.u8(index)) &&
        writeObject(writer, spec, fields, octets);
      if (!fits) {
        writer.rollback(mark);
        return false;
      }
      count += 1;
      if (prefix === 2) writer.patchU16(countAt, count);
      else writer.patchU8(countAt, count);
      return true;
    },
  };
}

/**
 * Consecutive objects, qualifier 00 or 01; the caller appends indices in order without gaps.
 * @returns null when not even the header fits
 */
export function rangeSection(
  writer: ByteWriter,
  spec: ObjectSpec,
  at: { start: number; octets: 1 | 2 },
): Section | null {
  const mark = writer.length;
  const wide = at.octets === 2;
  const put = (x: number): boolean => (wide ? writer.u16(x) : writer.u8(x));
  const fitted = writer.u8(spec.group) && writer.u8(spec.variation) && writer.u8(wide ? 1 : 0);
  if (!fitted || !put(at.start) || !put(at.start)) {
    writer.rollback(mark);
    return null;
  }
  const stopAt = writer.length - at.octets;
  let count = 0;
  let packed = 0;
  const packBit = (value: number, bits: 1 | 2): boolean => {
    const slot = count % (8 / bits);
    if (slot === 0) {
      packed = 0;
      if (!writer.u8(0)) return false;
    }
    packed |= value << (slot * bits);
    writer.patchU8(writer.length - 1, packed);
    return true;
  };
  return {
    append(index, fields, octets) {
      const before = count === 0 ? mark : writer.length;
      const { shape } = spec;
      const fits =
        shape.kind === 'packed' ? packBit(fields[0] ?? 0, shape.bits) : writeObject(writer, spec, fields, octets);
      if (!fits) {
        writer.rollback(before);
        return false;
      }
      count += 1;
      if (wide) writer.patchU16(stopAt, index);
      else writer.patchU8(stopAt, index);
      return true;
    },
  };
}

/** A header without objects: "all" (06), a count (07, 08), a range (00, 01) or the count of a list, as requests use them. */
export function writeHeaderOnly(writer: ByteWriter, group: number, variation: number, range: HeaderRange): boolean {
  const mark = writer.length;
  const put = (x: number, wide: boolean): boolean => (wide ? writer.u16(x) : writer.u8(x));
  const head = (qualifier: number): boolean => writer.u8(group) && writer.u8(variation) && writer.u8(qualifier);
  let fitted = false;
  switch (range.kind) {
    case 'all':
      fitted = head(0x06);
      break;
    case 'count':
    case 'indexed': {
      const wide = range.count > 0xff;
      const narrow = range.kind === 'count' ? 0x07 : 0x17;
      fitted = head(wide ? (range.kind === 'count' ? 0x08 : 0x28) : narrow) && put(range.count, wide);
      break;
    }
    case 'free':
      fitted = head(0x5b) && writer.u8(range.count);
      break;
    case 'range': {
      const wide = range.stop > 0xff;
      fitted = head(wide ? 0x01 : 0x00) && put(range.start, wide) && put(range.stop, wide);
      break;
    }
  }
  if (!fitted) writer.rollback(mark);
  return fitted;
}

/** A counted list of objects without index, qualifier 07: times and delays. */
export function writeCounted(writer: ByteWriter, spec: ObjectSpec, objects: readonly (readonly number[])[]): boolean {
  const mark = writer.length;
  const { shape } = spec;
  const fitted =
    shape.kind === 'fields' &&
    objects.length <= 0xff &&
    writeHeaderOnly(writer, spec.group, spec.variation, { kind: 'count', count: objects.length }) &&
    objects.every((fields) => writeFields(writer, shape.fields, fields));
  if (!fitted) writer.rollback(mark);
  return fitted;
}

/** Objects of a length of their own, qualifier 5B; file transfer only. */
export function writeFree(writer: ByteWriter, spec: ObjectSpec, objects: readonly Uint8Array[]): boolean {
  const mark = writer.length;
  const fitted =
    spec.shape.kind === 'free' &&
    objects.length <= 0xff &&
    writeHeaderOnly(writer, spec.group, spec.variation, { kind: 'free', count: objects.length }) &&
    objects.every((o) => o.length <= 0xffff && writer.u16(o.length) && writer.bytes(o));
  if (!fitted) writer.rollback(mark);
  return fitted;
}

/** Indices without objects, qualifier 17 or 28: a read of single points. */
export function writeIndices(
  writer: ByteWriter,
  object: { readonly group: number; readonly variation: number },
  indices: readonly number[],
): boolean {
  const mark = writer.length;
  const wide = indices.length > 0xff || indices.some((i) => i > 0xff);
  const fitted =
    writer.u8(object.group) &&
    writer.u8(object.variation) &&
    writer.u8(wide ? 0x28 : 0x17) &&
    (wide ? writer.u16(indices.length) : writer.u8(indices.length)) &&
    indices.every((i) => (wide ? writer.u16(i) : writer.u8(i)));
  if (!fitted) writer.rollback(mark);
  return fitted;
}

/** A whole header with its objects; false (and nothing written) when it does not fit or cannot be written so. */
export function writeObjects(
  writer: ByteWriter,
  spec: ObjectSpec,
  qualifier: number,
  objects: readonly ObjectValue[],
): boolean {
  const mark = writer.length;
  const wide = qualifier === 0x28 || qualifier === 0x01 ? 2 : 1;
  const section =
    qualifier === 0x17 || qualifier === 0x28
      ? indexedSection(writer, spec, wide)
      : rangeSection(writer, spec, { start: objects[0]?.index ?? 0, octets: wide });
  const fitted = section !== null && objects.every((o) => section.append(o.index, o.fields, o.octets));
  if (!fitted) writer.rollback(mark);
  return fitted;
}
