import { ByteReader } from '../util/bytes.ts';
import { readFields } from './codec.ts';
import { type AppControl, FUNCTION, IIN2, parseControl } from './control.ts';
import { type ObjectSpec, objectSpec } from './objects.ts';

/**
 * A whole fragment is parsed before anything in it acts: a list of controls cut short must operate none of them.
 *
 * Every count is held against the octets that are left before anything is allocated. An object without octets under a
 * qualifier that promises objects is an error, so no loop runs without eating octets. Four-octet ranges and counts
 * (qualifiers 02 09 39) are refused, as opendnp3 and stepfunc refuse them: they can only overflow.
 */
export interface ObjectValue {
  readonly index: number;
  readonly fields: readonly number[];
  /** Of octet strings and free-format objects: a view into the fragment. */
  readonly octets?: Uint8Array;
}

export type HeaderRange =
  | { readonly kind: 'all' }
  | { readonly kind: 'range'; readonly start: number; readonly stop: number }
  | { readonly kind: 'count'; readonly count: number }
  | { readonly kind: 'indexed'; readonly count: number }
  /** Qualifier 5B: each object brings its own length, in requests without objects too. */
  | { readonly kind: 'free'; readonly count: number };

export interface ObjectHeader {
  readonly group: number;
  readonly variation: number;
  readonly qualifier: number;
  readonly spec: ObjectSpec;
  readonly range: HeaderRange;
  /** Empty where the function carries no objects (READ and its like), except for the indices of 17 and 28. */
  readonly objects: readonly ObjectValue[];
}

export interface Fragment {
  readonly control: AppControl;
  readonly functionCode: number;
  /** Internal indications, of responses only. */
  readonly iin: { readonly first: number; readonly second: number } | null;
  /** All octets of it. */
  readonly octets: Uint8Array;
  /** Octets after the application header. */
  readonly body: Uint8Array;
}

export interface ParseFailure {
  /** Bit for IIN2: object unknown or parameter error. */
  readonly iin2: number;
  readonly why: string;
}
export type HeadersResult =
  | { readonly kind: 'headers'; readonly headers: readonly ObjectHeader[] }
  | ({ readonly kind: 'bad' } & ParseFailure);

/** Header lists longer than this are refused with a parameter error (stepfunc's limit). */
export const HEADERS_MAX = 64;

/** @returns null when the octets are too few for an application header */
export function parseFragment(octets: Uint8Array): Fragment | null {
  const reader = new ByteReader(octets);
  const control = parseControl(reader.u8());
  const functionCode = reader.u8();
  const isResponse = functionCode === FUNCTION.response || functionCode === FUNCTION.unsolicitedResponse;
  const iin = isResponse ? { first: reader.u8(), second: reader.u8() } : null;
  if (!reader.ok) return null;
  return { control, functionCode, iin, octets, body: octets.subarray(reader.position) };
}

/** Functions whose object headers are followed by objects. */
export function carriesObjects(functionCode: number): boolean {
  switch (functionCode) {
    case FUNCTION.write:
    case FUNCTION.select:
    case FUNCTION.operate:
    case FUNCTION.directOperate:
    case FUNCTION.directOperateNoResponse:
    case FUNCTION.response:
    case FUNCTION.unsolicitedResponse:
      return true;
    default:
      return false;
  }
}

/** @param withObjects  objects follow their headers, see carriesObjects */
export function parseHeaders(body: Uint8Array, withObjects: boolean): HeadersResult {
  const reader = new ByteReader(body);
  const headers: ObjectHeader[] = [];
  while (reader.remaining > 0) {
    if (headers.length >= HEADERS_MAX && !withObjects) return bad(`more than ${HEADERS_MAX} object headers`);
    const header = parseHeader(reader, withObjects);
    if ('why' in header) return { kind: 'bad', ...header };
    headers.push(header);
  }
  return { kind: 'headers', headers };
}

function parseHeader(reader: ByteReader, withObjects: boolean): ObjectHeader | ParseFailure {
  const group = reader.u8();
  const variation = reader.u8();
  const qualifier = reader.u8();
  if (!reader.ok) return failure('an object header is cut short');
  const range = parseRange(reader, qualifier);
  if (range === null) return failure(`qualifier 0x${qualifier.toString(16)} is unknown or its range is cut short`);
  if (range.kind === 'range' && range.stop < range.start) return failure('the range ends before it starts');
  const spec = objectSpec(group, variation);
  if (spec === null) return { iin2: IIN2.objectUnknown, why: `g${group}v${variation} is unknown` };
  const objects =
    withObjects || range.kind === 'free'
      ? parseObjects(reader, spec, range, prefixOctets(qualifier))
      : parseIndices(reader, range, prefixOctets(qualifier));
  if (objects === null) return failure(`the objects of g${group}v${variation} are cut short or cannot stand here`);
  return { group, variation, qualifier, spec, range, objects };
}

const prefixOctets = (qualifier: number): 1 | 2 => (qualifier === 0x28 ? 2 : 1);

function parseRange(reader: ByteReader, qualifier: number): HeaderRange | null {
  const range = readRange(reader, qualifier);
  return reader.ok ? range : null;
}

function readRange(reader: ByteReader, qualifier: number): HeaderRange | null {
  switch (qualifier) {
    case 0x00:
      return { kind: 'range', start: reader.u8(), stop: reader.u8() };
    case 0x01:
      return { kind: 'range', start: reader.u16(), stop: reader.u16() };
    case 0x06:
      return { kind: 'all' };
    case 0x07:
      return { kind: 'count', count: reader.u8() };
    case 0x08:
      return { kind: 'count', count: reader.u16() };
    case 0x17:
      return { kind: 'indexed', count: reader.u8() };
    case 0x28:
      return { kind: 'indexed', count: reader.u16() };
    case 0x5b:
      return { kind: 'free', count: reader.u8() };
    default:
      return null;
  }
}

/** In requests without objects only the indices of 17 and 28 follow. */
function parseIndices(reader: ByteReader, range: HeaderRange, prefix: 1 | 2): ObjectValue[] | null {
  if (range.kind !== 'indexed') return [];
  if (range.count * prefix > reader.remaining) return null;
  return Array.from({ length: range.count }, () => ({ index: prefix === 2 ? reader.u16() : reader.u8(), fields: [] }));
}

function parseObjects(reader: ByteReader, spec: ObjectSpec, range: HeaderRange, prefix: 1 | 2): ObjectValue[] | null {
  const { shape } = spec;
  if (range.kind === 'all') return shape.kind === 'marker' ? [] : null;
  if (shape.kind === 'marker') return null;
  if (range.kind === 'free' || shape.kind === 'free') return parseFree(reader, spec, range);
  const count = range.kind === 'range' ? range.stop - range.start + 1 : range.count;
  const first = range.kind === 'range' ? range.start : 0;
  if (count === 0) return null;
  if (shape.kind === 'packed') {
    if (range.kind === 'indexed') return null;
    return parsePacked(reader, shape.bits, { first, count });
  }
  const size = shape.octets + (range.kind === 'indexed' ? prefix : 0);
  if (count * size > reader.remaining) return null;
  if (range.kind === 'range' && shape.kind === 'fields') return parseRun(reader, shape, { first, count });
  const objects: ObjectValue[] = [];
  for (let i = 0; i < count; i++) {
    const index = range.kind === 'indexed' ? (prefix === 2 ? reader.u16() : reader.u8()) : first + i;
    if (shape.kind === 'octets') objects.push({ index, fields: [], octets: reader.bytes(shape.octets) });
    else objects.push({ index, fields: readFields(reader, shape.fields) });
  }
  return objects;
}

/**
 * Objects side by side without an index, as static reads answer: a thousand in a poll. Flags and a number, the usual
 * pair, are taken straight from the octets; the room for all of them was checked before.
 */
function parseRun(
  reader: ByteReader,
  shape: Extract<ObjectSpec['shape'], { kind: 'fields' }>,
  at: { first: number; count: number },
): ObjectValue[] {
  const { fields } = shape;
  const objects: ObjectValue[] = [];
  const type = fields.length === 2 && fields[0]?.type === 'u8' ? fields[1]?.type : undefined;
  if (type !== 'f32' && type !== 'i32') {
    for (let i = 0; i < at.count; i++) objects.push({ index: at.first + i, fields: readFields(reader, fields) });
    return objects;
  }
  const octets = reader.bytes(at.count * shape.octets);
  const view = new DataView(octets.buffer, octets.byteOffset, octets.length);
  for (let i = 0; i < at.count; i++) {
    const from = i * shape.octets;
    const value = type === 'f32' ? view.getFloat32(from + 1, true) : view.getInt32(from + 1, true);
    objects.push({ index: at.first + i, fields: [view.getUint8(from), value] });
  }
  return objects;
}

/** Objects of a length of their own; file transfer is the only one, and its inside is not looked into. */
function parseFree(reader: ByteReader, spec: ObjectSpec, range: HeaderRange): ObjectValue[] | null {
  if (spec.shape.kind !== 'free' || range.kind !== 'free' || range.count === 0) return null;
  const objects: ObjectValue[] = [];
  for (let i = 0; i < range.count; i++) {
    const octets = reader.bytes(reader.u16());
    if (!reader.ok) return null;
    objects.push({ index: i, fields: [], octets });
  }
  return objects;
}

function parsePacked(reader: ByteReader, bits: 1 | 2, at: { first: number; count: number }): ObjectValue[] | null {
  const octets = reader.bytes(Math.ceil((at.count * bits) / 8));
  if (!reader.ok) return null;
  const perOctet = 8 / bits;
  return Array.from({ length: at.count }, (_, i) => {
    const octet = octets[Math.floor(i / perOctet)] ?? 0;
    return { index: at.first + i, fields: [(octet >>> ((i % perOctet) * bits)) & ((1 << bits) - 1)] };
  });
}

const failure = (why: string): ParseFailure => ({ iin2: IIN2.parameterError, why });
const bad = (why: string): HeadersResult => ({ kind: 'bad', ...failure(why) });
