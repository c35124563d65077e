import { describe, expect, test } from 'vitest';
import { Agenda } from '../../../src/core/agenda.ts';
import { frozenSnapshotOf, restoreState, snapshotOf } from '../../../src/core/snapshot.ts';
import { type CoreState, newState } from '../../../src/core/state.ts';
import { InputError, InvariantError } from '../../../src/domain/errors.ts';
import { writtenOf } from '../../helpers/frozen.ts';

/** Puts something into a field by what kind of thing it is; a kind nobody thought of fails here. */
function filled(value: unknown, name: string): unknown {
  const thing = { id: `a ${name}`, nested: new Map([['k', new Set([1, 2])]]), list: [{ x: null }], n: 1.5, on: true };
  if (value instanceof Map)
    return new Map<unknown, unknown>([
      ['b', thing],
      ['a', [thing]],
      [7, new Set(['z', 'y'])],
    ]);
  if (value instanceof Set) return new Set(['z', 'a', 3]);
  if (Array.isArray(value)) return [thing, thing];
  if (value instanceof Agenda) return agenda();
  if (typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype) {
    return Object.fromEntries(Object.keys(value).map((key, i) => [key, i + 5]));
  }
  throw new Error(
    `the snapshot test knows no ${typeof value} like ${name}: say how it is filled, and see it come back`,
  );
}

function agenda(): Agenda {
  const made = new Agenda();
  const items = [30, 10, 20, 10].map((atMs, i) => ({ atMs, item: { kind: 'plan', eventId: `e${i}` } as const }));
  for (const { atMs, item } of items) made.add(atMs, item);
  made.add(5, { kind: 'command-send', commandId: 'over' });
  made.commandEnded('over');
  return made;
}

const drained = (a: Agenda): unknown[] => {
  const items: unknown[] = [];
  for (let item = a.takeDue(1_000); item !== null; item = a.takeDue(1_000)) items.push(item);
  return items;
};

const fieldsOf = (state: CoreState): [string, unknown][] => Object.entries(state);
const throughJson = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

describe('a snapshot of the core', () => {
  test.each(fieldsOf(newState()))('brings the field %s back as it was', (name, empty) => {
    const value = filled(empty, name);
    const state = { ...newState(), [name]: value } as CoreState;
    const restored = restoreState(throughJson(snapshotOf(state)));
    const back = Object.fromEntries(fieldsOf(restored))[name];
    if (value instanceof Agenda && back instanceof Agenda) {
      expect(drained(back)).toEqual(drained(agenda()));
      return;
    }
    expect(back).toStrictEqual(value);
    expect(Array.from(back as Iterable<unknown> & object, (x) => x)).toEqual(Array.from(value as never, (x) => x));
    expect(back).not.toStrictEqual(empty);
  });

  test.each(fieldsOf(newState()))('that is written later has the field %s as it was', (name, empty) => {
    const state = { ...newState(), [name]: filled(empty, name) } as CoreState;
    const expected = throughJson(snapshotOf(state));
    expect(writtenOf(frozenSnapshotOf(state))).toEqual(expected);
  });

  test('has every field of the state, and no other', () => {
    const { fields } = snapshotOf(newState()) as { fields: object };
    expect(Object.keys(fields).sort()).toEqual(Object.keys(newState()).sort());
  });

  test('an agenda gives equal times in the order of their entry, before and after what is added later', () => {
    const state = { ...newState(), agenda: agenda() };
    const { agenda: back } = restoreState(throughJson(snapshotOf(state)));
    back.add(10, { kind: 'plan', eventId: 'late' });
    const ids = drained(back).map((item) => (item as { eventId: string }).eventId);
    expect(ids).toEqual(['e1', 'e3', 'late', 'e2', 'e0']);
  });

  test.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0])('keeps the number %s', (n) => {
    const state = { ...newState(), prices: new Map([['p', { n }]]) } as unknown as CoreState;
    const back = restoreState(throughJson(snapshotOf(state))).prices.get('p') as unknown as { n: number };
    expect(Object.is(back.n, n)).toBe(true);
  });

  test.each([['$map'], ['$set'], ['$number'], ['$object'], ['__proto__'], ['$']])(
    'keeps an object with the key %s',
    (key) => {
      const odd = Object.fromEntries([[key, [['a', 1]]]]);
      const state = { ...newState(), awards: [odd] } as unknown as CoreState;
      const [back] = restoreState(throughJson(snapshotOf(state))).awards;
      expect(Object.entries(back ?? {})).toEqual(Object.entries(odd));
    },
  );

  test('shares nothing that can change with the state', () => {
    const state = newState();
    state.devicesByTag.set('t', new Set(['a']));
    const saved = throughJson(snapshotOf(state));
    const kept = snapshotOf(state);
    state.devicesByTag.get('t')?.add('b');
    expect(throughJson(kept)).toEqual(saved);
  });

  test.each([
    ['a date', new Date(0)],
    ['a class of its own', new (class Own {})()],
    ['a function', () => 1],
    ['a big integer', 1n],
    ['nothing in a list', [undefined]],
  ])('refuses %s, which would come back as something else', (_name, value) => {
    const state = { ...newState(), awards: [value] } as unknown as CoreState;
    expect(() => snapshotOf(state)).toThrow(InvariantError);
    expect(() => snapshotOf(state)).toThrow(/at awards\[0\]/);
  });

  test.each([
    ['another format', { format: 2, fields: {} }, /format: found 2/],
    ['a field that is missing', without('jobs'), /jobs: found "nothing", expected a map/],
    ['a field that is new', withField('more', 1), /found "more", expected only fields/],
    ['a field of another kind', withField('jobs', []), /jobs: found "a list", expected a map/],
    ['a mark that is unknown', withField('jobs', { $queue: [] }), /jobs: found "\$queue"/],
    ['no object', [], /the top: found \[\]/],
  ])('%s is an InputError that names the place', (_name, json, says) => {
    expect(() => restoreState(json)).toThrow(InputError);
    expect(() => restoreState(json)).toThrow(says);
  });
});

function withField(name: string, value: unknown): unknown {
  const saved = snapshotOf(newState()) as { fields: object };
  return { ...saved, fields: { ...saved.fields, [name]: value } };
}

function without(name: string): unknown {
  const saved = snapshotOf(newState()) as { fields: Record<string, unknown> };
  const { [name]: _gone, ...fields } = saved.fields;
  return { ...saved, fields };
}
