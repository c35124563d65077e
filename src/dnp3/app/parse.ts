import { ByteReader, viewOf } from '../util/bytes.ts';
import { packedOctets, readBits, readFields, readIndex } from './codec.ts';
import { type AppControl, FUNCTION, IIN2, parseControl } from './control.ts';
import { type ObjectShape, type ObjectSpec, objectSpec } from './objects.ts';

/**
 * A whole fragment is parsed before anything in it acts: a list of controls cut short must operate none of them. Parsing
 * finds the headers and proves that the octets of their objects are there; what is in the objects is read by whoever
 * wants it, and cannot fail any more.
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

/** What follows an object header, as a view into the fragment. */
export interface Content {
  readonly holds: 'objects' | 'indices';
  readonly count: number;
  /** Index of the first one where none stands before each. */
  readonly first: number;
  /** Octets of the index before each. */
  readonly prefix: 0 | 1 | 2;
  /** Octets from one to the next, index included; 0 where they do not end on octets or each has its own length. */
  readonly stride: number;
  readonly octets: Uint8Array;
}

export const indexAt = ({ first, prefix, stride }: Content, view: DataView, i: number): number =>
  prefix === 0 ? first + i : readIndex(view, i * stride, prefix);

export class ObjectHeader {
  readonly group: number;
  readonly variation: number;
  readonly qualifier: number;
  readonly spec: ObjectSpec;
  readonly range: HeaderRange;
  readonly content: Content;
  private taken: readonly ObjectValue[] | null = null;

  constructor(head: { qualifier: number; spec: ObjectSpec; range: HeaderRange }, content: Content) {
    this.group = head.spec.group;
    this.variation = head.spec.variation;
    this.qualifier = head.qualifier;
    this.spec = head.spec;
    this.range = head.range;
    this.content = content;
  }

  /** Empty where the function carries no objects (READ and its like), except for the indices of 17 and 28. */
  get objects(): readonly ObjectValue[] {
    this.taken ??= objectsOf(this);
    return this.taken;
  }
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
  const content =
    withObjects || range.kind === 'free'
      ? parseObjects(reader, spec.shape, range, prefixOctets(qualifier))
      : parseIndices(reader, range, prefixOctets(qualifier));
  if (content === null) return failure(`the objects of g${group}v${variation} are cut short or cannot stand here`);
  return new ObjectHeader({ qualifier, spec, range }, content);
}

/** Qualifiers whose indices and counts are of two octets. */
export const isWide = (qualifier: number): boolean => qualifier === 0x01 || qualifier === 0x08 || qualifier === 0x28;
/** Octets of the index before each object. */
export const prefixOctets = (qualifier: number): 0 | 1 | 2 => (qualifier === 0x28 ? 2 : qualifier === 0x17 ? 1 : 0);

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

const NOTHING: Content = { holds: 'objects', count: 0, first: 0, prefix: 0, stride: 0, octets: new Uint8Array(0) };

/** In requests without objects only the indices of 17 and 28 follow. */
function parseIndices(reader: ByteReader, range: HeaderRange, prefix: 0 | 1 | 2): Content | null {
  if (range.kind !== 'indexed') return NOTHING;
  const { count } = range;
  const octets = reader.bytes(count * prefix);
  return reader.ok ? { holds: 'indices', count, first: 0, prefix, stride: prefix, octets } : null;
}

function parseObjects(reader: ByteReader, shape: ObjectShape, range: HeaderRange, prefix: 0 | 1 | 2): Content | null {
  if (range.kind === 'all') return shape.kind === 'marker' ? NOTHING : null;
  if (range.kind === 'free') return shape.kind === 'free' ? parseFree(reader, range.count) : null;
  const isRange = range.kind === 'range';
  const count = isRange ? range.stop - range.start + 1 : range.count;
  const first = isRange ? range.start : 0;
  const isPacked = shape.kind === 'packed';
  if (count === 0 || shape.kind === 'marker' || shape.kind === 'free' || (isPacked && prefix > 0)) return null;
  const stride = isPacked ? 0 : prefix + shape.octets;
  const octets = reader.bytes(isPacked ? packedOctets(count, shape.bits) : count * stride);
  return reader.ok ? { holds: 'objects', count, first, prefix, stride, octets } : null;
}

/** Objects of a length of their own; file transfer is the only one, and its inside is not looked into. */
function parseFree(reader: ByteReader, count: number): Content | null {
  const from = reader.position;
  for (let i = 0; i < count; i++) reader.bytes(reader.u16());
  return reader.ok && count > 0 ? { ...NOTHING, count, octets: reader.since(from) } : null;
}

function objectsOf({ spec, content }: ObjectHeader): ObjectValue[] {
  const view = viewOf(content.octets);
  const free = new ByteReader(content.octets);
  return Array.from({ length: content.count }, (_, i) => {
    const index = indexAt(content, view, i);
    return content.holds === 'indices' ? { index, fields: [] } : { index, ...insideOf(spec, content, view, i, free) };
  });
}

/** What is in object number i; those of a length of their own are read in order. */
function insideOf(
  { shape }: ObjectSpec,
  { octets, stride, prefix }: Content,
  view: DataView,
  i: number,
  free: ByteReader,
): Omit<ObjectValue, 'index'> {
  const at = i * stride + prefix;
  switch (shape.kind) {
    case 'packed':
      return { fields: [readBits(octets, i, shape.bits)] };
    case 'fields':
      return { fields: readFields(view, at, shape.fields) };
    case 'octets':
      return { fields: [], octets: octets.subarray(at, at + shape.octets) };
    case 'free':
      return { fields: [], octets: free.bytes(free.u16()) };
    case 'marker':
      return { fields: [] };
  }
}

const failure = (why: string): ParseFailure => ({ iin2: IIN2.parameterError, why });
const bad = (why: string): HeadersResult => ({ kind: 'bad', ...failure(why) });
