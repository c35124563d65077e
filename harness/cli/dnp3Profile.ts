import { readFileSync } from 'node:fs';
import { LineCounter, parseDocument } from 'yaml';
import { z } from 'zod';
import { KIND_GROUPS, objectSpec } from '../../src/dnp3/app/objects.ts';
import { InputError, type InputProblem, inputError, nearestName, show } from '../../src/domain/errors.ts';
import type { BankPoint } from './dnp3Bank.ts';

/**
 * A profile names the points of an outstation:
 *
 *   points:
 *     - { kind: AI, from: 0, to: 9, class: 2, staticVariation: 5, deadband: 1, value: 100, walk: 2 }
 *     - { kind: BOS, from: 0 }
 */
const KINDS = ['BI', 'DBI', 'AI', 'CTR', 'FCTR', 'BOS', 'AOS'] as const;
const index = z.int().min(0).max(65_535);
const variation = z.int().min(1).max(255);
const rowSchema = z.strictObject({
  kind: z.enum(KINDS),
  from: index,
  to: index.optional(),
  class: z.union([z.literal(0), z.literal(1), z.literal(2), z.literal(3)]).default(0),
  staticVariation: variation.optional(),
  eventVariation: variation.optional(),
  deadband: z.number().min(0).optional(),
  value: z.number().default(0),
  walk: z.number().min(0).default(0),
});
const profileSchema = z.strictObject({ points: z.array(rowSchema).min(1).max(10_000) });
type Row = z.infer<typeof rowSchema>;

const POINTS_MAX = 65_536;

/** @throws InputError naming file, line and field */
export function readProfile(path: string, source: string): BankPoint[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (e) {
    throw inputError({
      source,
      place: 'the file',
      value: e instanceof Error ? e.message : show(e),
      expected: 'a readable YAML file with the points of an outstation',
    });
  }
  return profilePoints(text, source);
}

/** @throws InputError as readProfile */
export function profilePoints(text: string, source: string): BankPoint[] {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  const broken = document.errors[0];
  if (broken !== undefined) {
    const { line, col } = lines.linePos(broken.pos[0]);
    const value = broken.message.split('\n')[0] ?? '';
    throw inputError({ source, place: `line ${line}, column ${col}`, value, expected: 'YAML' });
  }
  const input: unknown = document.toJS();
  const parsed = profileSchema.safeParse(input);
  const placeOf = (path: readonly (string | number)[]): string => {
    const node = document.getIn(path, true);
    const at = isNode(node) ? lines.linePos(node.range[0]).line : null;
    return `${pathWords(path)}${at === null ? '' : `, line ${at}`}`;
  };
  if (!parsed.success) throw new InputError(parsed.error.issues.flatMap((i) => problems(i, input, source, placeOf)));
  return parsed.data.points.flatMap((row, i) => expand(row, source, placeOf(['points', i])));
}

const isNode = (node: unknown): node is { range: [number, number, number] } =>
  typeof node === 'object' && node !== null && 'range' in node && Array.isArray(node.range);

const pathWords = (path: readonly (string | number)[]): string =>
  path.map((p, i) => (typeof p === 'number' ? `[${p}]` : i === 0 ? p : `.${p}`)).join('') || 'the document';

function problems(
  issue: z.core.$ZodIssue,
  input: unknown,
  source: string,
  placeOf: (path: readonly (string | number)[]) => string,
): InputProblem[] {
  const path = issue.path.filter((p) => typeof p !== 'symbol');
  if (issue.code === 'unrecognized_keys') {
    const known = path.length === 0 ? Object.keys(profileSchema.shape) : Object.keys(rowSchema.shape);
    return issue.keys.map((key) => {
      const hint = nearestName(key, known);
      const problem = { source, place: placeOf(path), value: show(key), expected: `one of ${known.join(', ')}` };
      return hint === undefined ? problem : { ...problem, didYouMean: hint };
    });
  }
  const value = path.reduce<unknown>(
    (at, key) => (typeof at === 'object' && at !== null ? Reflect.get(at, key) : undefined),
    input,
  );
  const hint = issue.code === 'invalid_value' ? nearestName(String(value), issue.values.map(String)) : undefined;
  const problem = { source, place: placeOf(path), value: show(value), expected: issue.message };
  return [hint === undefined ? problem : { ...problem, didYouMean: hint }];
}

function expand(row: Row, source: string, place: string): BankPoint[] {
  const { from, to = from, kind } = row;
  const groups = KIND_GROUPS[kind];
  const wrong = (value: string, expected: string): InputError => inputError({ source, place, value, expected });
  if (to < from || to - from >= POINTS_MAX) throw wrong(`from ${from} to ${to}`, '"to" at or above "from"');
  for (const [group, v] of [
    [groups.staticGroup, row.staticVariation],
    [groups.eventGroup, row.eventVariation],
  ] as const) {
    if (v !== undefined && objectSpec(group, v) === null) throw wrong(`g${group}v${v}`, 'a variation that exists');
  }
  const { staticVariation, eventVariation, deadband } = row;
  return Array.from({ length: to - from + 1 }, (_, i) => ({
    kind,
    index: from + i,
    eventClass: row.class,
    value: row.value,
    walk: row.walk,
    ...(staticVariation === undefined ? {} : { staticVariation }),
    ...(eventVariation === undefined ? {} : { eventVariation }),
    ...(deadband === undefined ? {} : { deadband }),
  }));
}
