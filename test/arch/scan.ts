/**
 * A small scanner for TypeScript, enough to see which modules a file asks for and which globals it touches.
 *
 * It splits source into tokens; comments vanish, the contents of strings, templates and regular expressions are kept
 * apart from code, and code inside `${}` is code. A slash begins a regular expression unless the token before it can end
 * a value. Left out: JSX, and a regular expression right after `)` or `}`, which is read as a division.
 */
export interface Token {
  readonly kind: 'word' | 'string' | 'template' | 'regex' | 'punct';
  /** For a string what stands between its quotes, as written. */
  readonly text: string;
  readonly line: number;
}

const WORD = /[\p{L}\p{N}_$#]/u;
/** After these words a value begins, so a slash opens a regular expression. */
const BEFORE_VALUE = new Set(
  'return typeof case in of delete void throw new else do instanceof yield await default extends'.split(' '),
);

export function scan(source: string): Token[] {
  const tokens: Token[] = [];
  /** For each open `${`, how many braces are open inside it. */
  const templates: number[] = [];
  let at = 0;
  let line = 1;
  const push = (kind: Token['kind'], text: string, end: number): void => {
    tokens.push({ kind, text, line });
    skipTo(end);
  };
  const skipTo = (end: number): void => {
    for (; at < end; at++) if (source[at] === '\n') line += 1;
  };
  const template = (from: number): void => {
    const end = templateEnd(source, from);
    const opens = source.startsWith('${', end);
    push('template', source.slice(from, end), end + (opens ? 2 : 1));
    if (opens) templates.push(0);
  };
  while (at < source.length) {
    const c = source.charAt(at);
    if (/\s/.test(c)) skipTo(at + 1);
    else if (source.startsWith('//', at)) skipTo(orEnd(source.indexOf('\n', at), source));
    else if (source.startsWith('/*', at)) skipTo(orEnd(source.indexOf('*/', at + 2), source, 2));
    else if (c === "'" || c === '"') {
      const end = quotedEnd(source, at + 1, c);
      push('string', source.slice(at + 1, end), end + 1);
    } else if (c === '`') template(at + 1);
    else if (c === '/' && opensRegex(tokens.at(-1))) {
      const end = regexEnd(source, at + 1);
      push('regex', source.slice(at, end), end);
    } else if (WORD.test(c)) {
      let end = at + 1;
      while (end < source.length && WORD.test(source.charAt(end))) end += 1;
      push('word', source.slice(at, end), end);
    } else {
      const inside = templates.length - 1;
      if (c === '}' && templates[inside] === 0) {
        templates.pop();
        template(at + 1);
        continue;
      }
      if (inside >= 0 && c === '{') templates[inside] = (templates[inside] ?? 0) + 1;
      if (inside >= 0 && c === '}') templates[inside] = (templates[inside] ?? 0) - 1;
      push('punct', c, at + 1);
    }
  }
  return tokens;
}

const orEnd = (found: number, source: string, width = 0): number => (found < 0 ? source.length : found + width);

function opensRegex(before: Token | undefined): boolean {
  if (before === undefined) return true;
  if (before.kind === 'word') return BEFORE_VALUE.has(before.text);
  return before.kind === 'punct' && !')]}'.includes(before.text);
}

function quotedEnd(source: string, from: number, quote: string): number {
  let at = from;
  while (at < source.length && source[at] !== quote && source[at] !== '\n') at += source[at] === '\\' ? 2 : 1;
  return at;
}

function templateEnd(source: string, from: number): number {
  let at = from;
  while (at < source.length && source[at] !== '`' && !source.startsWith('${', at)) at += source[at] === '\\' ? 2 : 1;
  return at;
}

function regexEnd(source: string, from: number): number {
  let at = from;
  let inClass = false;
  while (at < source.length && source[at] !== '\n' && (inClass || source[at] !== '/')) {
    if (source[at] === '[') inClass = true;
    if (source[at] === ']') inClass = false;
    at += source[at] === '\\' ? 2 : 1;
  }
  at += 1;
  while (at < source.length && WORD.test(source.charAt(at))) at += 1;
  return at;
}

export interface Import {
  /** What is asked for, or null when it is computed and cannot be told. */
  readonly specifier: string | null;
  readonly line: number;
}

/** Every module a file asks for: import and export from, for side effects, dynamic, as a type, and require. */
export function importsOf(tokens: readonly Token[]): Import[] {
  const found: Import[] = [];
  tokens.forEach((token, i) => {
    if (token.kind !== 'word' || isProperty(tokens, i)) return;
    if (token.text === 'import') found.push(...importAt(tokens, i));
    else if (token.text === 'export') found.push(...exportAt(tokens, i));
    else if (token.text === 'require' && tokens[i + 1]?.text === '(') found.push(called(tokens, i));
  });
  return found;
}

/** A name after a dot or before a colon of an object, not the keyword. */
function isProperty(tokens: readonly Token[], i: number): boolean {
  const before = tokens[i - 1];
  const after = tokens[i + 1];
  return (before?.kind === 'punct' && before.text === '.') || (after?.kind === 'punct' && after.text === ':');
}

function importAt(tokens: readonly Token[], i: number): Import[] {
  const next = tokens[i + 1];
  if (next === undefined || (next.kind === 'punct' && next.text === '.')) return [];
  if (next.kind === 'punct' && next.text === '(') return [called(tokens, i)];
  if (next.kind === 'string') return [{ specifier: next.text, line: next.line }];
  return fromClause(tokens, i + 1);
}

function exportAt(tokens: readonly Token[], i: number): Import[] {
  const start = tokens[i + 1]?.text === 'type' ? i + 2 : i + 1;
  const opener = tokens[start];
  return opener?.kind === 'punct' && '*{'.includes(opener.text) ? fromClause(tokens, start) : [];
}

function called(tokens: readonly Token[], i: number): Import {
  const argument = tokens[i + 2];
  const alone = tokens[i + 3]?.text === ')' || tokens[i + 3]?.text === ',';
  const known = (argument?.kind === 'string' || argument?.kind === 'template') && alone;
  return { specifier: known ? argument.text : null, line: tokens[i]?.line ?? 0 };
}

/** The module after `from`, looked for up to the end of the clause: only names, commas, braces and a star stand there. */
function fromClause(tokens: readonly Token[], start: number): Import[] {
  for (let i = start; i < tokens.length; i++) {
    const token = tokens[i];
    const next = tokens[i + 1];
    if (token?.kind === 'word' && token.text === 'from' && next?.kind === 'string') {
      return [{ specifier: next.text, line: next.line }];
    }
    const inside = token?.kind === 'word' || token?.kind === 'string' || '{},*'.includes(token?.text ?? ';');
    if (!inside) return [];
  }
  return [];
}
