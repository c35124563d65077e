import { InvariantError } from './errors.ts';

/**
 * One text for one value: keys sorted by UTF-16 code unit, no spaces, numbers as ECMAScript prints them, as RFC 8785 (JSON
 * Canonicalization Scheme) 3.2 has it, whatever order the keys were written in.
 * - −0 is written 0, as ECMAScript prints it: the two are one number here.
 * - NaN and ±Infinity have no JSON form and are refused; an unknown value is null, never NaN.
 * - A property whose value is undefined is left out, as if it were absent. undefined in an array, or by itself, is
 *   refused, because leaving it out would shift the rest.
 * - Only plain objects, arrays, text, numbers, booleans and null are taken. A Date, Map, typed array, bigint or
 *   function is refused: it would be written as {} or not at all, and nobody would see it.
 * - Nesting deeper than DEPTH_MAX is refused; that also ends a circle.
 * A refusal is an InvariantError that names the place: what is written so is made by our own code.
 */
const DEPTH_MAX = 64;
/** Text that needs no escape in JSON: printable ASCII without quote and backslash. */
const PLAIN_TEXT = /^[ !#-[\]-~]*$/;

export function canonicalJson(value: unknown): string {
  return write(value, 0, '');
}

function write(value: unknown, depth: number, place: string): string {
  switch (typeof value) {
    case 'string':
      return quote(value);
    case 'number':
      if (!Number.isFinite(value)) return refuse(value, place);
      return `${value}`;
    case 'boolean':
      return value ? 'true' : 'false';
    case 'object':
      if (value === null) return 'null';
      if (depth >= DEPTH_MAX) return refuse(`nesting deeper than ${DEPTH_MAX}`, place);
      return Array.isArray(value) ? writeArray(value, depth, place) : writeObject(value, depth, place);
    default:
      return refuse(value, place);
  }
}

const quote = (text: string): string => (PLAIN_TEXT.test(text) ? `"${text}"` : JSON.stringify(text));

function writeArray(values: readonly unknown[], depth: number, place: string): string {
  let text = '[';
  for (let i = 0; i < values.length; i++) {
    if (i > 0) text += ',';
    const value = values[i];
    // The common case, a series of numbers, does not pay for a place it will not need.
    text +=
      typeof value === 'number' && Number.isFinite(value) ? `${value}` : write(value, depth + 1, `${place}[${i}]`);
  }
  return `${text}]`;
}

function writeObject(value: object, depth: number, place: string): string {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return refuse(value.constructor?.name ?? 'object', place);
  const fields = value as Readonly<Record<string, unknown>>;
  let text = '{';
  for (const { key, quoted } of sortedFields(value)) {
    const field = fields[key];
    if (field === undefined) continue;
    text += text.length > 1 ? `,${quoted}` : quoted;
    if (typeof field === 'string') text += quote(field);
    else if (typeof field === 'number' && Number.isFinite(field)) text += `${field}`;
    else text += write(field, depth + 1, `${place}.${key}`);
  }
  return `${text}}`;
}

/**
 * Sorted keys by shape: objects of one kind have the same keys in the same order, so the sort and the quoting of a shape
 * are done once and found again by walking its keys through a tree of maps. Past SHAPE_NODES_MAX nodes (objects keyed by
 * ids, each a new shape) shapes are sorted each time. Measured on 200,000 meter records: 670 ms sorting, 480 ms so.
 */
interface Shape {
  readonly next: Map<string, Shape>;
  fields: readonly Field[] | undefined;
}
interface Field {
  readonly key: string;
  /** The key as it stands in the line: `"key":`. */
  readonly quoted: string;
}
const SHAPE_NODES_MAX = 10_000;
const newShape = (): Shape => ({ next: new Map(), fields: undefined });
const shapes = newShape();
let shapeNodes = 0;

function sortedFields(value: object): readonly Field[] {
  const keys = Object.keys(value);
  let shape = shapes;
  for (const key of keys) {
    let next = shape.next.get(key);
    if (next === undefined) {
      if (shapeNodes >= SHAPE_NODES_MAX) return fieldsOf(keys);
      shapeNodes += 1;
      next = newShape();
      shape.next.set(key, next);
    }
    shape = next;
  }
  shape.fields ??= fieldsOf(keys);
  return shape.fields;
}

const fieldsOf = (keys: readonly string[]): readonly Field[] =>
  keys.toSorted().map((key) => ({ key, quoted: `${quote(key)}:` }));

function refuse(what: unknown, place: string): never {
  throw new InvariantError(`JSON cannot hold ${String(what)} at ${place === '' ? 'the top' : place}`);
}
