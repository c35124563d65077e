/**
 * JSON as it comes in from outside, read strictly. JSON.parse and what frameworks do before it repair too much: of two
 * members with one name the last wins, octets that are no UTF-8 become U+FFFD, a BOM is dropped, 1e400 becomes Infinity,
 * and `__proto__` reaches the prototype of whoever copies the object (measured: reliability note F4). A body that says
 * one thing to its author and another to us must not become a command.
 *
 * Two levels. The grammar is RFC 8259, nothing more. On top of it, unless asked for the grammar alone:
 *   - a name stands once in an object (RFC 8259 4: "SHOULD be unique"; I-JSON, RFC 7493 2.3: must);
 *   - names `__proto__`, `constructor`, `prototype` are refused;
 *   - text is Unicode without lone surrogates (RFC 7493 2.1) and without control characters but tab and line ends;
 *   - a number is finite and, when it is larger than 2^53 − 1, refused, since neighbours of it are told apart no more
 *     (RFC 7493 2.2);
 *   - −0 is 0.
 * Depth has a limit at both levels, so that no body can exhaust the stack.
 */
export const DEPTH_MAX = 32;

export type JsonRefused = {
  readonly kind: 'refused';
  /** Path of the member, e.g. "input.powerW"; '' = the whole. */
  readonly place: string;
  readonly found: string;
  readonly expected: string;
};
export type JsonRead = { readonly kind: 'read'; readonly value: unknown } | JsonRefused;

export interface JsonRules {
  /** Only the grammar of RFC 8259 and the depth are checked. */
  readonly grammarOnly?: boolean;
  readonly depthMax?: number;
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Reads octets as UTF-8 and then as one JSON text. */
export function readJsonOctets(octets: Uint8Array, rules: JsonRules = {}): JsonRead {
  if (octets[0] === 0xef && octets[1] === 0xbb && octets[2] === 0xbf) {
    return refused('', 'a byte order mark', 'JSON text without one (RFC 8259 8.1)');
  }
  let text: string;
  try {
    text = decoder.decode(octets);
  } catch {
    return refused('', 'octets that are not UTF-8', 'JSON text in UTF-8');
  }
  return readJson(text, rules);
}

export function readJson(text: string, rules: JsonRules = {}): JsonRead {
  const reader = new Reader(text, rules);
  try {
    return { kind: 'read', value: reader.all() };
  } catch (error) {
    if (error instanceof Refusal) return refused(reader.place(), error.found, error.expected);
    throw error;
  }
}

const refused = (place: string, found: string, expected: string): JsonRefused => ({
  kind: 'refused',
  place,
  found,
  expected,
});

class Refusal extends Error {
  readonly found: string;
  readonly expected: string;
  constructor(found: string, expected: string) {
    super(found);
    this.found = found;
    this.expected = expected;
  }
}

const FORBIDDEN_NAMES: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype']);
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
const CONTROL = /[\u0000-\u0008\u000b\u000c\u000e-\u001f]/;
const LONE_SURROGATE = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const ESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  '\\': '\\',
  '/': '/',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
};
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

class Reader {
  readonly #text: string;
  readonly #strict: boolean;
  readonly #depthMax: number;
  readonly #path: (string | number)[] = [];
  #at = 0;

  constructor(text: string, rules: JsonRules) {
    this.#text = text;
    this.#strict = rules.grammarOnly !== true;
    this.#depthMax = rules.depthMax ?? DEPTH_MAX;
  }

  /** Where the reader stands, as a path. */
  place(): string {
    return this.#path.reduce<string>(
      (place, step) => (typeof step === 'number' ? `${place}[${step}]` : place === '' ? step : `${place}.${step}`),
      '',
    );
  }

  all(): unknown {
    this.#space();
    if (this.#at >= this.#text.length) throw new Refusal('nothing', 'one JSON value');
    const value = this.#value(0);
    this.#space();
    if (this.#at < this.#text.length) throw this.#unexpected('the end after one JSON value');
    return value;
  }

  #value(depth: number): unknown {
    switch (this.#text.charCodeAt(this.#at)) {
      case 0x7b:
        return this.#object(depth + 1);
      case 0x5b:
        return this.#array(depth + 1);
      case QUOTE:
        return this.#string();
      case 0x74:
        return this.#word('true', true);
      case 0x66:
        return this.#word('false', false);
      case 0x6e:
        return this.#word('null', null);
      default:
        return this.#number();
    }
  }

  #object(depth: number): unknown {
    this.#guardDepth(depth);
    const object: Record<string, unknown> = {};
    this.#at += 1;
    this.#space();
    if (this.#skip('}')) return object;
    for (;;) {
      if (this.#text.charCodeAt(this.#at) !== QUOTE) throw this.#unexpected('a name in double quotes');
      const name = this.#string();
      this.#path.push(name);
      if (this.#strict) this.#guardName(object, name);
      this.#space();
      if (!this.#skip(':')) throw this.#unexpected('":"');
      this.#space();
      const value = this.#value(depth);
      if (name === '__proto__') Object.defineProperty(object, name, { value, enumerable: true });
      else object[name] = value;
      this.#path.pop();
      this.#space();
      if (this.#skip('}')) return object;
      if (!this.#skip(',')) throw this.#unexpected('"," or "}"');
      this.#space();
    }
  }

  #guardName(object: object, name: string): void {
    if (FORBIDDEN_NAMES.has(name)) throw new Refusal(`the name "${name}"`, 'a name that no object has by itself');
    if (Object.hasOwn(object, name)) throw new Refusal(`the name "${name}" twice`, 'each name once in an object');
  }

  #array(depth: number): unknown {
    this.#guardDepth(depth);
    const values: unknown[] = [];
    this.#at += 1;
    this.#space();
    if (this.#skip(']')) return values;
    for (;;) {
      this.#path.push(values.length);
      values.push(this.#value(depth));
      this.#path.pop();
      this.#space();
      if (this.#skip(']')) return values;
      if (!this.#skip(',')) throw this.#unexpected('"," or "]"');
      this.#space();
    }
  }

  #guardDepth(depth: number): void {
    if (depth > this.#depthMax) throw new Refusal(`nesting deeper than ${this.#depthMax}`, 'a flatter value');
  }

  #string(): string {
    const start = this.#at + 1;
    for (let at = start; at < this.#text.length; at++) {
      const code = this.#text.charCodeAt(at);
      if (code === QUOTE) {
        this.#at = at + 1;
        return this.#text.slice(start, at);
      }
      if (code === BACKSLASH) return this.#escaped(start, at);
      if (code < 0x20) throw this.#control(at);
    }
    throw new Refusal('text without an end', 'a closing double quote');
  }

  /** A string that has an escape at `from`. */
  #escaped(start: number, from: number): string {
    let value = this.#text.slice(start, from);
    let at = from;
    for (;;) {
      const code = this.#text.charCodeAt(at);
      if (Number.isNaN(code)) throw new Refusal('text without an end', 'a closing double quote');
      if (code === QUOTE) break;
      if (code < 0x20) throw this.#control(at);
      if (code !== BACKSLASH) {
        value += this.#text[at];
        at += 1;
        continue;
      }
      const mark = this.#text[at + 1] ?? '';
      if (mark === 'u') {
        const hex = this.#text.slice(at + 2, at + 6);
        if (!/^[0-9a-fA-F]{4}$/.test(hex)) throw new Refusal(`the escape "\\u${hex}"`, 'four hexadecimal digits');
        value += String.fromCharCode(Number.parseInt(hex, 16));
        at += 6;
      } else {
        const plain = Object.hasOwn(ESCAPES, mark) ? ESCAPES[mark] : undefined;
        if (plain === undefined)
          throw new Refusal(`the escape "\\${mark}"`, 'one of \\" \\\\ \\/ \\b \\f \\n \\r \\t \\u');
        value += plain;
        at += 2;
      }
    }
    this.#at = at + 1;
    return this.#checked(value);
  }

  /** Only an escape can bring in what raw text cannot hold: the decoder and the scan above have seen to the rest. */
  #checked(text: string): string {
    if (!this.#strict) return text;
    if (LONE_SURROGATE.test(text)) throw new Refusal('half of a surrogate pair', 'whole Unicode characters');
    if (CONTROL.test(text)) throw new Refusal('a control character in text', 'text without control characters');
    return text;
  }

  #number(): number {
    NUMBER.lastIndex = this.#at;
    const token = NUMBER.exec(this.#text)?.[0];
    if (token === undefined) throw this.#unexpected('a JSON value');
    this.#at += token.length;
    const value = Number(token);
    if (!this.#strict) return value;
    if (!Number.isFinite(value) || Math.abs(value) > Number.MAX_SAFE_INTEGER) {
      throw new Refusal(token.slice(0, 40), `a number of magnitude at most ${Number.MAX_SAFE_INTEGER}`);
    }
    return value === 0 ? 0 : value;
  }

  #word<T>(word: string, value: T): T {
    if (!this.#text.startsWith(word, this.#at)) throw this.#unexpected('a JSON value');
    this.#at += word.length;
    return value;
  }

  #skip(mark: string): boolean {
    if (this.#text[this.#at] !== mark) return false;
    this.#at += 1;
    return true;
  }

  #space(): void {
    for (;;) {
      const code = this.#text.charCodeAt(this.#at);
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return;
      this.#at += 1;
    }
  }

  #control(at: number): Refusal {
    return new Refusal(`a bare control character at character ${at + 1}`, 'it written as an escape');
  }

  #unexpected(expected: string): Refusal {
    const found = this.#at >= this.#text.length ? 'the end' : JSON.stringify(this.#text.slice(this.#at, this.#at + 12));
    return new Refusal(`${found} at character ${this.#at + 1}`, expected);
  }
}
