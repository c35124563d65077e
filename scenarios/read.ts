import { type Document, isMap, isSeq, LineCounter, type Node, parseDocument, type YAMLError } from 'yaml';
import { InputError, type InputProblem, inputError, show } from '../src/domain/errors.ts';
import { type Checked, checkScenario, type Issue, pathText } from './check.ts';
import { NESTING_LIMIT, tooDeepAt } from './nesting.ts';
import { plainValue, resolved } from './plain.ts';
import type { Scenario } from './schema.ts';

const TEXT_LENGTH_MAX = 1024 * 1024;
const PROBLEMS_MAX = 50;

/**
 * Reads a document from YAML 1.2 or JSON. CRLF and a byte order mark are fine. Tags, keys that are not text, repeated
 * keys, more than one document, deep nesting and aliases that multiply are refused.
 * @param text    the whole file, at most 1 048 576 characters
 * @param source  name of the file, for messages
 * @param what    what the document is, for an empty file: "a scenario: version, name, title, …"
 * @throws        InputError with line, column and path of everything that is wrong (the first 50)
 */
export function readDocument<T>({ text, source }: TextOfFile, what: string, check: (value: unknown) => Checked<T>): T {
  if (text.length > TEXT_LENGTH_MAX) {
    const value = `${text.length} characters`;
    throw inputError({ source, place: 'the file', value, expected: `at most ${TEXT_LENGTH_MAX} characters` });
  }
  const body = text.startsWith('\uFEFF') ? text.slice(1) : text;
  const deep = tooDeepAt(body);
  if (deep !== null) throw inputError({ source, ...placeIn(body, deep), expected: NESTING_LIMIT });
  const lines = new LineCounter();
  const doc = parseDocument(body, {
    version: '1.2',
    uniqueKeys: false,
    lineCounter: lines,
    prettyErrors: true,
    logLevel: 'error',
  });
  // What follows the first syntax error is mostly its echo.
  const [error] = doc.errors;
  if (error !== undefined) throw inputError(syntax(error, body, source));
  const place = new Places(doc, lines);
  const plain = plainValue(doc);
  if (plain.kind === 'bad') throw problems(plain.issues, place, source);
  if (plain.value === null) {
    throw inputError({
      source,
      place: 'line 1, column 1',
      value: 'an empty file',
      expected: what,
    });
  }
  const checked = check(plain.value);
  if (checked.kind === 'bad') throw problems(checked.issues, place, source);
  return checked.value;
}

export interface TextOfFile {
  readonly text: string;
  readonly source: string;
}

/** Reads a scenario. @throws InputError as readDocument does */
export const readScenario = (file: TextOfFile): Scenario =>
  readDocument(file, 'a scenario: version, name, title, …', checkScenario);

function placeIn(body: string, offset: number): { place: string; value: string } {
  const before = body.slice(0, offset).split('\n');
  const place = `line ${before.length}, column ${(before.at(-1) ?? '').length + 1}`;
  return { place, value: show(body.slice(offset, offset + 80).split(/\r?\n/)[0]) };
}

const SYNTAX: Readonly<Record<string, string>> = {
  TAB_AS_INDENT: 'spaces: YAML is not indented with tabs',
  MULTIPLE_DOCS: 'one document in a file',
};

function syntax(error: YAMLError, body: string, source: string): InputProblem {
  const start = error.linePos?.[0] ?? { line: 1, col: 1 };
  const reason = (error.message.split('\n')[0] ?? '').replace(/ at line [0-9]+, column [0-9]+:?$/, '');
  const line = (body.split(/\r?\n/)[start.line - 1] ?? '').slice(start.col - 1);
  return {
    source,
    place: `line ${start.line}, column ${start.col}`,
    value: show(line),
    expected: SYNTAX[error.code] ?? `valid YAML or JSON (${reason})`,
  };
}

function problems(issues: readonly Issue[], place: Places, source: string): InputError {
  const shown = issues.slice(0, PROBLEMS_MAX).map(
    (issue): InputProblem => ({
      source,
      place: place.of(issue),
      value: issue.value,
      expected: issue.expected,
      ...(issue.didYouMean === undefined ? {} : { didYouMean: issue.didYouMean }),
    }),
  );
  if (issues.length > PROBLEMS_MAX) {
    const value = `${issues.length - PROBLEMS_MAX} more problems`;
    shown.push({ source, place: 'the rest of the file', value, expected: 'none' });
  }
  return new InputError(shown);
}

/** Finds the line and column of a path; for a field that is missing, those of the object that lacks it. */
class Places {
  readonly #doc: Document.Parsed;
  readonly #lines: LineCounter;
  constructor(doc: Document.Parsed, lines: LineCounter) {
    this.#doc = doc;
    this.#lines = lines;
  }

  of({ path, atKey, offset }: Issue): string {
    const { line, col } = this.#lines.linePos(offset ?? this.#offset(path, atKey === true));
    return `line ${line}, column ${col} (${pathText(path)})`;
  }

  #offset(path: Issue['path'], atKey: boolean): number {
    let node: Node | null = this.#doc.contents;
    let offset = node?.range?.[0] ?? 0;
    for (const [i, step] of path.entries()) {
      const at = resolved(this.#doc, node);
      const pair = isMap<Node, Node>(at) ? at.items.find((p) => String(p.key) === String(step)) : undefined;
      const child: Node | null = isSeq<Node>(at) ? (at.items[Number(step)] ?? null) : (pair?.value ?? null);
      const wanted = atKey && i === path.length - 1 ? (pair?.key ?? null) : child;
      if (wanted === null) return offset;
      offset = wanted.range?.[0] ?? offset;
      node = child;
    }
    return offset;
  }
}
