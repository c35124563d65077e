import type { z } from 'zod';
import { nearestName, show } from '../src/domain/errors.ts';
import { SCENARIO_VERSION, type Scenario, scenarioSchema } from './schema.ts';
import { isAfterVersion, keysAt } from './shape.ts';
import { validate } from './validate.ts';

/** One thing wrong with a scenario, by its path in the document; whoever knows the text adds line and column. */
export interface Issue {
  readonly path: readonly (string | number)[];
  /** Printable. */
  readonly value: string;
  readonly expected: string;
  readonly didYouMean?: string;
  /** The name of the field is wrong, not its value. */
  readonly atKey?: true;
  /** Where it stands in the text, when the path does not tell. */
  readonly offset?: number;
}

export type Checked<T> =
  | { readonly kind: 'good'; readonly value: T }
  | { readonly kind: 'bad'; readonly issues: readonly Issue[] };

/** "fleet.homes[0].count" */
export const pathText = (path: readonly (string | number)[]): string =>
  path
    .map((p) => (typeof p === 'number' ? `[${p}]` : `.${p}`))
    .join('')
    .replace(/^\./, '') || 'the document';

/** Of one object; a file of nothing else would be told at length. */
const UNKNOWN_KEYS_MAX = 60;

/** Checks the shape first and, only if that is right, what fields say about each other. */
export function checkScenario(input: unknown): Checked<Scenario> {
  if (isAfterVersion(input, SCENARIO_VERSION)) return bad([versionIssue(input.version)]);
  const shaped = checkShape(scenarioSchema, input);
  if (shaped.kind === 'bad') return shaped;
  const issues = validate(shaped.value);
  return issues.length === 0 ? shaped : bad(issues);
}

/** Checks a document against any schema; each thing wrong with its place, its value and what was expected. */
export function checkShape<S extends z.ZodType>(schema: S, input: unknown): Checked<z.output<S>> {
  const parsed = schema.safeParse(input);
  if (parsed.success) return { kind: 'good', value: parsed.data };
  return bad(withoutEchoes(parsed.error.issues.flatMap((issue) => fromZod(schema, issue, input))));
}

const bad = (issues: readonly Issue[]) => ({ kind: 'bad', issues }) as const;

/** A misspelt field is one slip, not two: the field that is missing because of it goes unsaid. */
function withoutEchoes(issues: readonly Issue[]): Issue[] {
  const meant = new Set(
    issues.flatMap((i) =>
      i.atKey && i.didYouMean !== undefined ? [pathText([...i.path.slice(0, -1), i.didYouMean])] : [],
    ),
  );
  return issues.filter((i) => i.value !== show(undefined) || !meant.has(pathText(i.path)));
}

const versionIssue = (version: number): Issue => ({
  path: ['version'],
  value: show(version),
  expected: `version ${SCENARIO_VERSION}: the file is newer than this vpp-testbed; upgrade it, or write version ${SCENARIO_VERSION}`,
});

function fromZod(schema: z.ZodType, issue: z.core.$ZodIssue, input: unknown): Issue[] {
  const path = issue.path.filter((p) => typeof p !== 'symbol');
  const value = valueAt(input, path);
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys
        .slice(0, UNKNOWN_KEYS_MAX)
        .map((key) => unknownKey([...path, key], key, keysAt(schema, path, input)));
    case 'invalid_union':
      return [issue.discriminator === undefined ? plain(path, value, issue.message) : unknownKind(path, value, issue)];
    case 'invalid_value':
      return [withNearest(plain(path, value, issue.message), value, issue.values.map(String))];
    case 'invalid_type':
      return [plain(path, value, typeWords(schema, issue, path, input))];
    default:
      return [plain(path, value, issue.message)];
  }
}

const plain = (path: readonly (string | number)[], value: unknown, expected: string): Issue => ({
  path,
  value: typeof value === 'number' && !Number.isFinite(value) ? String(value) : show(value),
  expected,
  ...unitSlip(value, expected),
});

/** "5kW" where a number of kW belongs: the number is what was meant. */
function unitSlip(value: unknown, expected: string): { didYouMean?: string } {
  const [, digits, unit] = (typeof value === 'string' && /^(-?[0-9]+(?:\.[0-9]+)?) ?([^0-9 ]+)$/.exec(value)) || [];
  return digits !== undefined && expected.startsWith(`a number of ${unit} `) ? { didYouMean: digits } : {};
}

function withNearest(issue: Issue, value: unknown, names: readonly string[]): Issue {
  const near = typeof value === 'string' ? nearestName(value, names) : undefined;
  return near === undefined || near === value ? issue : { ...issue, didYouMean: near };
}

function unknownKey(path: readonly (string | number)[], key: string, valid: readonly string[]): Issue {
  const issue: Issue = {
    path,
    value: `the field ${show(key)}`,
    expected: `one of the fields ${valid.join(', ')}`,
    atKey: true,
  };
  return withNearest(issue, key, valid);
}

function unknownKind(path: readonly (string | number)[], value: unknown, issue: z.core.$ZodIssueInvalidUnion): Issue {
  const options = 'options' in issue && Array.isArray(issue.options) ? issue.options.map(String) : [];
  return withNearest(plain(path, value, `one of ${options.join(', ')}`), value, options);
}

function typeWords(
  schema: z.ZodType,
  issue: z.core.$ZodIssueInvalidType,
  path: readonly (string | number)[],
  input: unknown,
): string {
  if (issue.expected === 'array') return 'a list';
  if (issue.expected !== 'object') return issue.message;
  return `fields: ${keysAt(schema, path, input).join(', ')}`;
}

function valueAt(input: unknown, path: readonly (string | number)[]): unknown {
  let value: unknown = input;
  for (const step of path) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = Object.getOwnPropertyDescriptor(value, step)?.value;
  }
  return value;
}
