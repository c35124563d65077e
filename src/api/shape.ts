import type { z } from 'zod';
import { nearestName, show } from '../domain/errors.ts';
import { ProblemError, type RequestError } from './problems.ts';

/**
 * Checks a part of a request against its schema. Nothing is coerced, nothing is dropped: an unknown name is refused with
 * the nearest one that exists, since a misspelt limit that is ignored is worse than none.
 * @throws ProblemError invalid_request, with every wrong place
 */
export function checked<T extends z.ZodType>(schema: T, value: unknown, part: string): z.output<T> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const errors = result.error.issues.flatMap((issue) => errorsOf(issue, schema, value));
  const local = result.error.issues.some(isOfLocalTime);
  const names = [...new Set(errors.map((e) => (e.place === '' ? part : e.place)))].join(', ');
  throw new ProblemError(local ? 'local_time' : 'invalid_request', `${part}: ${names}`, { errors });
}

type Issue = z.core.$ZodIssue;

const isOfLocalTime = (issue: Issue): boolean =>
  issue.code === 'invalid_union'
    ? issue.errors.some((branch) => branch.some(isOfLocalTime))
    : issue.code === 'custom' && issue.params?.code === 'local_time';

function errorsOf(issue: Issue, schema: z.ZodType, value: unknown): RequestError[] {
  if (issue.code === 'unrecognized_keys') {
    const known = namesAt(schema, issue.path);
    const holder = valueAt(value, issue.path);
    return issue.keys.map((key) => {
      const expected = known.length === 0 ? 'no such field' : `one of ${known.join(', ')}`;
      const found = `the unknown field ${JSON.stringify(key)} with ${show(valueAt(holder, [key]))}`;
      return withHint({ place: placeOf([...issue.path, key]), found, expected }, nearestName(key, known));
    });
  }
  if (issue.code === 'invalid_union' && issue.discriminator === undefined) {
    const deepest = [...issue.errors].sort((a, b) => depthOf(b) - depthOf(a))[0] ?? [];
    // Where no way leads into the value, the one that takes its type knows what is wrong with it.
    const meant = depthOf(deepest) > 0 ? deepest : wayOfItsType(issue);
    if (meant !== undefined) {
      return meant.flatMap((i) => errorsOf({ ...i, path: [...issue.path, ...i.path] } as Issue, schema, value));
    }
  }
  if (issue.code === 'invalid_key') {
    const expected = issue.issues.map((i) => i.message).join(', ');
    return [{ place: placeOf(issue.path), found: show(issue.path[issue.path.length - 1]), expected }];
  }
  const found = valueAt(value, issue.path);
  const expected = issue.message.replace(/^Invalid input: expected /, '').replace(/, received .*$/, '');
  const values = issue.code === 'invalid_value' ? issue.values.map(String) : [];
  const hint = typeof found === 'string' ? nearestName(found, values) : undefined;
  return [withHint({ place: placeOf(issue.path), found: show(found), expected }, hint)];
}

/** Of a union that has no words of its own. */
const wayOfItsType = (issue: Extract<Issue, { code: 'invalid_union' }>): readonly Issue[] | undefined =>
  issue.message === 'Invalid input'
    ? issue.errors.find((way) => way.length > 0 && way.every((i) => i.code !== 'invalid_type'))
    : undefined;

const depthOf = (issues: readonly Issue[]): number => Math.max(0, ...issues.map((i) => i.path.length));

const withHint = (error: RequestError, didYouMean: string | undefined): RequestError =>
  didYouMean === undefined ? error : { ...error, didYouMean };

export function placeOf(path: readonly PropertyKey[]): string {
  return path.reduce<string>(
    (place, step) =>
      typeof step === 'number' ? `${place}[${step}]` : place === '' ? String(step) : `${place}.${String(step)}`,
    '',
  );
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (holder, step) =>
      typeof holder === 'object' && holder !== null && Object.hasOwn(holder, step)
        ? (holder as Record<PropertyKey, unknown>)[step]
        : undefined,
    value,
  );
}

/** The names an object may have at a place of a schema. */
function namesAt(schema: z.core.$ZodType, path: readonly PropertyKey[]): string[] {
  const holders = path.reduce<readonly z.core.$ZodType[]>(
    (at, step) => at.flatMap((s) => into(s, step)),
    unwrapped(schema),
  );
  return [...new Set(holders.flatMap((h) => Object.keys(shapeOf(h))))];
}

const shapeOf = (schema: z.core.$ZodType): Readonly<Record<string, z.core.$ZodType>> => {
  const { def } = schema._zod;
  return 'shape' in def && typeof def.shape === 'object' && def.shape !== null
    ? (def.shape as Record<string, z.core.$ZodType>)
    : {};
};

function into(schema: z.core.$ZodType, step: PropertyKey): readonly z.core.$ZodType[] {
  const def: object = schema._zod.def;
  if (typeof step === 'number' && 'element' in def) return unwrapped(def.element as z.core.$ZodType);
  const member = shapeOf(schema)[String(step)];
  return member === undefined ? [] : unwrapped(member);
}

/** The schemas inside optional, nullable, default, pipe and union. */
function unwrapped(schema: z.core.$ZodType): readonly z.core.$ZodType[] {
  const def: object = schema._zod.def;
  if ('innerType' in def) return unwrapped(def.innerType as z.core.$ZodType);
  if ('options' in def) return (def.options as z.core.$ZodType[]).flatMap(unwrapped);
  if ('in' in def) return unwrapped(def.in as z.core.$ZodType);
  return [schema];
}
