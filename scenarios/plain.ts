import { type Alias, type Document, isAlias, isMap, isScalar, isSeq, type Node } from 'yaml';
import { show } from '../src/domain/errors.ts';
import type { Issue } from './check.ts';
import { DEPTH_MAX } from './nesting.ts';

/**
 * Turns a parsed YAML document into plain data, itself, because what the file may contain is less than what YAML
 * allows: no tags, keys that are text, no key that means something to JavaScript, no control characters, and a limit on
 * what aliases unfold to (the "billion laughs" file has 9 lines).
 */
const VALUES_MAX = 200_000;
const LIMIT = `at most ${VALUES_MAX} values, with aliases unfolded`;
const FORBIDDEN = ['__proto__', 'constructor', 'prototype'];
// Tab, line feed and carriage return are text; a lone surrogate is no character at all.
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const UNPRINTABLE = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]|\p{Surrogate}/u;

export type Plain =
  | { readonly kind: 'good'; readonly value: unknown }
  | { readonly kind: 'bad'; readonly issues: readonly Issue[] };

/** The node itself, or the one that an alias stands for; null for an alias without its anchor. */
export function resolved(doc: Document.Parsed, node: Node | null): Node | null {
  return isAlias(node) ? (node.resolve(doc) ?? null) : node;
}

export function plainValue(doc: Document.Parsed): Plain {
  const walk = new Walk();
  const value = walk.value(doc.contents, []);
  return walk.issues.length === 0 ? { kind: 'good', value } : { kind: 'bad', issues: walk.issues };
}

class Walk {
  readonly issues: Issue[] = [];
  readonly #anchors = new Map<string, Node>();
  #values = 0;
  /** Aliases that the walk is inside of: an anchor there was noted when it stood in the text. */
  #unfolding = 0;

  value(node: Node | null, path: Issue['path']): unknown {
    if (this.issues.length > 0) return null;
    this.#values += 1;
    if (this.#values > VALUES_MAX) return this.#refuse(path, `more than ${VALUES_MAX} values`, LIMIT);
    if (path.length > DEPTH_MAX) return this.#refuse(path, 'deeper nesting', `at most ${DEPTH_MAX} levels of nesting`);
    if (isAlias(node)) return this.#alias(node, path);
    if (node === null) return null;
    if (this.#unfolding === 0 && 'anchor' in node && node.anchor !== undefined) this.#anchors.set(node.anchor, node);
    if (node.tag !== undefined) return this.#refuse(path, node.tag, 'a value without a YAML tag');
    if (isScalar(node)) return this.#scalar(node.value, path);
    if (isSeq<Node>(node)) return node.items.map((item, i) => this.value(item, [...path, i]));
    return isMap<Node, Node>(node) ? this.#object(node.items, path) : this.#refuse(path, String(node), 'plain data');
  }

  #object(pairs: readonly { readonly key: Node; readonly value: Node | null }[], path: Issue['path']): object {
    const result: Record<string, unknown> = {};
    for (const { key, value } of pairs) {
      const name: unknown = isScalar(key) ? key.value : key;
      const again = typeof name === 'string' && Object.hasOwn(result, name);
      if (again) this.#refuse([...path, name], name, 'each field once', key.range?.[0]);
      else if (typeof name !== 'string') {
        this.#refuse(path, String(key), 'the name of a field as a key', key.range?.[0]);
      } else if (FORBIDDEN.includes(name)) {
        this.issues.push({
          path: [...path, name],
          value: `the field ${show(name)}`,
          expected: 'no such name',
          atKey: true,
        });
      } else result[name] = this.value(value, [...path, name]);
    }
    return result;
  }

  #alias(node: Alias, path: Issue['path']): unknown {
    const target = this.#anchors.get(node.source);
    if (target === undefined) return this.#refuse(path, `*${node.source}`, 'an alias whose anchor stands above it');
    this.#unfolding += 1;
    const value = this.value(target, path);
    this.#unfolding -= 1;
    return value;
  }

  #scalar(value: unknown, path: Issue['path']): unknown {
    if (typeof value === 'string' && UNPRINTABLE.test(value)) {
      return this.#refuse(path, value, 'text without control characters and broken surrogates');
    }
    return value;
  }

  #refuse(path: Issue['path'], value: string, expected: string, offset?: number): null {
    const issue = { path, value: show(value), expected };
    this.issues.push(offset === undefined ? issue : { ...issue, offset });
    return null;
  }
}
