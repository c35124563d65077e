import { InvariantError, inputError, invariant, show } from '../domain/errors.ts';
import { Agenda, type SavedAgenda } from './agenda.ts';
import { type CoreState, newState } from './state.ts';

/**
 * The state as plain values that JSON can hold, and back. It goes by what a value is, not by the names of fields, so that
 * a field that is added to CoreState comes along:
 *   Map → {"$map": [[key, value], …]}, Set → {"$set": [value, …]}, both in their order, which the core relies on;
 *   Agenda → {"$agenda": …}; −0, NaN and ±Infinity → {"$number": "-0"}; an object with a key that begins with $ →
 *   {"$object": [[key, value], …]}; everything else as it is. A property whose value is undefined is left out.
 * What none of these is (a class of somebody's own, a function, a date) is refused as a bug, because it would come back as
 * something else. The copy shares nothing with the state that can change.
 */
const FORMAT = 1;

/** @returns  plain values, a copy. @throws InvariantError for a value that has no such form, with its place */
export function snapshotOf(state: CoreState): unknown {
  const fields = Object.entries(state).map(([name, value]) => [name, encode(value, name)]);
  return { format: FORMAT, fields: Object.fromEntries(fields) };
}

/**
 * The state a snapshot was made of.
 * @throws InputError when it is of another format, or its fields are not those of this build's state: then the state has
 *         to be folded from the journal again
 */
export function restoreState(json: unknown): CoreState {
  const { format, fields } = asRecord(json, '');
  if (format !== FORMAT) throw mistaken('format', format, String(FORMAT));
  const saved = asRecord(fields, 'fields');
  const fresh: Record<string, unknown> = { ...newState() };
  const unknown = Object.keys(saved).find((name) => !(name in fresh));
  if (unknown !== undefined) throw mistaken('fields', unknown, 'only fields that the state of this build has');
  for (const [name, empty] of Object.entries(fresh)) {
    const value = decode(saved[name], name);
    if (kindOf(value) !== kindOf(empty)) throw mistaken(name, kindOf(value), kindOf(empty));
    fresh[name] = value;
  }
  return fresh as unknown as CoreState;
}

/**
 * The same of the state as it is at the call, to be made while the state goes on changing: what can change is copied now,
 * which takes 3 ms for 21,000 commands, and made into plain values as it is read, which takes the rest.
 * It goes by how apply.ts writes: Maps, Sets and the agenda change in place; so do the objects that stand directly in a
 * Map, and the counters, but for commands of batteries that have ended, which are nearly all there are; lists only grow at
 * their end; everything else is replaced and never changed.
 * @returns  plain values whose lists are iterables, to be read once; as JSON the same as snapshotOf
 * @throws   nothing here; reading throws what snapshotOf throws
 */
export function frozenSnapshotOf(state: CoreState): unknown {
  const { commands, ...others } = state;
  const held = Object.entries(others).map(([name, value]) => [name, lazily(frozen(value), name)]);
  const kept = new Frozen(commands, (c) => (c.outcome === null ? frozen(c) : c));
  return { format: FORMAT, fields: { ...Object.fromEntries(held), commands: lazily(kept, 'commands') } };
}

/** A list as long as it was; what it holds does not change. */
class Grown {
  readonly list: readonly unknown[];
  readonly length: number;
  constructor(list: readonly unknown[]) {
    this.list = list;
    this.length = list.length;
  }

  *[Symbol.iterator](): Generator<unknown> {
    for (let i = 0; i < this.length; i++) yield this.list[i];
  }
}

/** A Map as it was: two lists are made several times faster than another Map. */
class Frozen<V> {
  readonly keys: readonly unknown[];
  readonly values: readonly unknown[];
  constructor(map: ReadonlyMap<unknown, V>, by: (value: V) => unknown) {
    this.keys = [...map.keys()];
    this.values = Array.from(map.values(), by);
  }

  *[Symbol.iterator](): Generator<readonly [unknown, unknown]> {
    for (let i = 0; i < this.keys.length; i++) yield [this.keys[i], this.values[i]];
  }
}

function frozen(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Object.getPrototypeOf(value) !== Object.prototype) return frozenHolder(value);
  const fields = value as Readonly<Record<string, unknown>>;
  const copy: Record<string, unknown> = { ...fields };
  for (const k in fields) {
    const field = fields[k];
    if (typeof field !== 'object' || field === null || Object.getPrototypeOf(field) === Object.prototype) continue;
    copy[k] = frozenHolder(field);
  }
  return copy;
}

function frozenHolder(value: object): unknown {
  if (Array.isArray(value)) return new Grown(value);
  if (value instanceof Map) return new Frozen(value, frozen);
  if (value instanceof Set) return new Set(value);
  return value instanceof Agenda ? value.copy() : value;
}

/** Of a frozen field. */
function lazily(value: unknown, place: string): unknown {
  if (value instanceof Frozen) return { $map: encodedEach(value, ([k, v]) => encodePair(k, v, place)) };
  if (value instanceof Set) return { $set: encodedEach(value, (v) => encode(v, place)) };
  if (value instanceof Grown) return encodedEach(value, (v, i) => encode(v, `${place}[${i}]`));
  if (value instanceof Agenda) {
    const { seq, entries } = value.drained();
    return { $agenda: { seq, entries: encodedEach(entries, (v) => encode(v, place)) } };
  }
  return encode(value, place);
}

function* encodedEach<T>(values: Iterable<T>, by: (value: T, i: number) => unknown): Generator<unknown> {
  let i = 0;
  for (const value of values) yield by(value, i++);
}

function encode(value: unknown, place: string): unknown {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value;
    case 'number':
      return Number.isFinite(value) && !Object.is(value, -0)
        ? value
        : { $number: Object.is(value, -0) ? '-0' : `${value}` };
    case 'object':
      return value === null ? null : encodeObject(value, place);
    default:
      throw new InvariantError(`a snapshot cannot hold ${String(value)} at ${place}`);
  }
}

function encodeObject(value: object, place: string): unknown {
  if (Array.isArray(value)) return value.map((v, i) => encode(v, `${place}[${i}]`));
  if (value instanceof Grown) return Array.from(value, (v, i) => encode(v, `${place}[${i}]`));
  if (value instanceof Map || value instanceof Frozen)
    return { $map: Array.from(value, ([k, v]) => encodePair(k, v, place)) };
  if (value instanceof Set) return { $set: [...value].map((v) => encode(v, place)) };
  if (value instanceof Agenda) return { $agenda: encode(value.saved(), place) };
  const prototype: unknown = Object.getPrototypeOf(value);
  const isPlain = prototype === Object.prototype || prototype === null;
  invariant(isPlain, `a snapshot cannot hold a ${value.constructor?.name ?? 'foreign object'} at ${place}`);
  const fields = value as Readonly<Record<string, unknown>>;
  const plain: Record<string, unknown> = {};
  for (const k of Object.keys(fields)) {
    const v = fields[k];
    if (k.startsWith('$') || k === '__proto__') return { $object: pairsOf(fields, place) };
    if (v !== undefined) plain[k] = encode(v, `${place}.${k}`);
  }
  return plain;
}

const encodePair = (key: unknown, value: unknown, place: string): unknown[] => [
  encode(key, place),
  encode(value, `${place}.${String(key)}`),
];

const pairsOf = (fields: Readonly<Record<string, unknown>>, place: string): unknown[] =>
  Object.entries(fields)
    .filter(([, v]) => v !== undefined)
    .map(([k, v]) => [k, encode(v, `${place}.${k}`)]);

function decode(value: unknown, place: string): unknown {
  if (Array.isArray(value)) return value.map((v, i) => decode(v, `${place}[${i}]`));
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value);
  const [mark, held] = entries[0] ?? ['', null];
  if (entries.length !== 1 || !mark.startsWith('$')) {
    return Object.fromEntries(entries.map(([k, v]) => [k, decode(v, `${place}.${k}`)]));
  }
  switch (mark) {
    case '$map':
      return new Map(asPairs(held, place).map(([k, v]) => [decode(k, place), decode(v, `${place}.${String(k)}`)]));
    case '$set':
      return new Set(asList(held, place).map((v) => decode(v, place)));
    case '$agenda':
      return Agenda.restored(decode(held, place) as SavedAgenda);
    case '$number':
      return Number(held);
    case '$object':
      return ownProperties(asPairs(held, place).map(([k, v]) => [String(k), decode(v, `${place}.${String(k)}`)]));
    default:
      throw mistaken(place, mark, '$map, $set, $agenda, $number or $object');
  }
}

/** Object.fromEntries defines properties, so that a key "__proto__" stays a key. */
const ownProperties = (pairs: readonly (readonly [string, unknown])[]): object => Object.fromEntries(pairs);

function asRecord(value: unknown, place: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw mistaken(place, value, 'an object');
  return value as Readonly<Record<string, unknown>>;
}

function asList(value: unknown, place: string): readonly unknown[] {
  if (!Array.isArray(value)) throw mistaken(place, value, 'a list');
  return value;
}

const asPairs = (value: unknown, place: string): readonly (readonly [unknown, unknown])[] =>
  asList(value, place).map((pair) => {
    const [k, v] = asList(pair, place);
    return [k, v];
  });

function kindOf(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  if (value instanceof Map) return 'a map';
  if (value instanceof Set) return 'a set';
  if (value instanceof Agenda) return 'an agenda';
  return value === null || value === undefined ? 'nothing' : `a ${typeof value}`;
}

const mistaken = (place: string, value: unknown, expected: string) =>
  inputError({ source: 'snapshot of the core', place: place === '' ? 'the top' : place, value: show(value), expected });
