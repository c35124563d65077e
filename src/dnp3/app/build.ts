import { ByteWriter } from '../util/bytes.ts';
import { packedOctets, writeBits, writeFields, writeIndex } from './codec.ts';
import { type AppControl, controlOctet } from './control.ts';
import type { ObjectShape, ObjectSpec } from './objects.ts';
import { type HeaderRange, isWide, type ObjectValue, prefixOctets } from './parse.ts';

/**
 * Writers of fragments. Under an object header as many objects are taken room for as the fragment holds, before the first
 * of them is written: its count or stop index is right from the beginning, and no object has to ask for room again.
 */
export function startRequest(control: AppControl, functionCode: number, octetsMax = 2048): ByteWriter {
  const writer = new ByteWriter(octetsMax);
  writer.u8(controlOctet(control));
  writer.u8(functionCode);
  return writer;
}

/** Control octet, function code and indications: 4 octets. */
const RESPONSE_HEAD_OCTETS = 4;

/** Leaves room for what finishResponse knows: whether a confirm is wanted depends on the objects that follow. */
export function startResponse(octetsMax = RESPONSE_HEAD_OCTETS): ByteWriter {
  const writer = new ByteWriter(octetsMax);
  writer.reserve(RESPONSE_HEAD_OCTETS);
  return writer;
}

export const holdsObjects = (response: ByteWriter): boolean => response.length > RESPONSE_HEAD_OCTETS;

/** @returns the whole fragment, a view of the writer's octets */
export function finishResponse(
  response: ByteWriter,
  control: AppControl,
  functionCode: number,
  iin: { first: number; second: number },
): Uint8Array {
  response.octets.set([controlOctet(control), functionCode, iin.first, iin.second]);
  return response.toOctets();
}

/** Room for `count` objects behind their header: one each `stride` octets from `at` on, packed ones bit by bit. */
export interface Room {
  readonly at: number;
  readonly count: number;
  readonly stride: number;
}

/**
 * Writes an object header and takes room for as many of the wanted objects as fit; the caller fills it.
 * @param qualifier  00 01 (consecutive indices from `start`), 07 08 (a count), 17 28 (each object after its index)
 * @returns          null when not one fits, or such objects cannot stand there; then nothing is written
 */
export function openObjects(
  writer: ByteWriter,
  spec: ObjectSpec,
  qualifier: number,
  wanted: { readonly start: number; readonly count: number },
): Room | null {
  const wide = isWide(qualifier);
  const isRange = qualifier <= 0x01;
  const prefix = prefixOctets(qualifier);
  const headOctets = 3 + (wide ? 2 : 1) * (isRange ? 2 : 1);
  const countMax = (wide ? 0xffff : 0xff) - (isRange ? wanted.start - 1 : 0);
  const count = Math.min(wanted.count, countMax, objectsIn(writer.free - headOctets, spec.shape, prefix));
  if (count <= 0) return null;
  writer.u8(spec.group);
  writer.u8(spec.variation);
  writer.u8(qualifier);
  if (isRange) writeNumber(writer, wanted.start, wide);
  writeNumber(writer, isRange ? wanted.start + count - 1 : count, wide);
  const stride = spec.shape.kind === 'packed' ? 0 : prefix + octetsOf(spec.shape);
  return { at: writer.reserve(roomOctets(spec.shape, count, prefix)), count, stride };
}

const writeNumber = (writer: ByteWriter, x: number, wide: boolean): boolean => (wide ? writer.u16(x) : writer.u8(x));

/** Octets that so many objects take, each after its index. */
export const roomOctets = (shape: ObjectShape, count: number, prefix = 0): number =>
  shape.kind === 'packed' ? packedOctets(count, shape.bits) : count * (prefix + octetsOf(shape));

/** Objects of this shape that stand in so many octets. */
function objectsIn(octets: number, shape: ObjectShape, prefix: number): number {
  if (shape.kind === 'packed') return prefix === 0 ? Math.floor((octets * 8) / shape.bits) : 0;
  return octetsOf(shape) === 0 ? 0 : Math.floor(octets / (prefix + octetsOf(shape)));
}

const octetsOf = (shape: ObjectShape): number =>
  shape.kind === 'fields' || shape.kind === 'octets' ? shape.octets : 0;

/** A whole header with its objects; false (and nothing written) when it does not fit or cannot be written so. */
export function writeObjects(
  writer: ByteWriter,
  spec: ObjectSpec,
  qualifier: number,
  objects: readonly ObjectValue[],
): boolean {
  const mark = writer.length;
  const room = openObjects(writer, spec, qualifier, { start: objects[0]?.index ?? 0, count: objects.length });
  const fitted = room?.count === objects.length && fillRoom(writer, room, { spec, qualifier, objects });
  if (!fitted) writer.rollback(mark);
  return fitted;
}

function fillRoom(
  writer: ByteWriter,
  room: Room,
  { spec, qualifier, objects }: { spec: ObjectSpec; qualifier: number; objects: readonly ObjectValue[] },
): boolean {
  const { view } = writer;
  const { shape } = spec;
  const prefix = prefixOctets(qualifier);
  return objects.every((o, i) => {
    const at = room.at + i * room.stride;
    writeIndex(view, at, prefix, o.index);
    if (shape.kind === 'packed') writeBits(view, at, i, shape.bits, o.fields[0] ?? 0);
    if (shape.kind === 'fields') writeFields(view, at + prefix, shape.fields, o.fields);
    if (shape.kind !== 'octets') return true;
    if (o.octets?.length !== shape.octets) return false;
    writer.octets.set(o.octets, at + prefix);
    return true;
  });
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
export const writeCounted = (writer: ByteWriter, spec: ObjectSpec, objects: readonly (readonly number[])[]): boolean =>
  writeObjects(
    writer,
    spec,
    0x07,
    objects.map((fields) => ({ index: 0, fields })),
  );

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
