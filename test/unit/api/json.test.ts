import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readJson, readJsonOctets } from '../../../src/api/json.ts';

const octets = (text: string): Uint8Array => new TextEncoder().encode(text);
const refusal = (text: string) => {
  const read = readJson(text);
  return read.kind === 'refused' ? `${read.place}: ${read.found}` : `taken: ${JSON.stringify(read.value)}`;
};

describe('strict JSON', () => {
  test.each([
    ['{"a":1,"a":2}', 'a: the name "a" twice'],
    ['{"x":{"p":1,"p":9}}', 'x.p: the name "p" twice'],
    ['{"__proto__":{}}', '__proto__: the name "__proto__"'],
    ['{"constructor":1}', 'constructor: the name "constructor"'],
    ['{"\\u0061":1,"a":2}', 'a: the name "a" twice'],
    ['{"a":1e400}', 'a: 1e400'],
    ['{"a":-1e400}', 'a: -1e400'],
    ['{"a":9007199254740993}', 'a: 9007199254740993'],
    ['{"a":NaN}', 'a: "NaN}" at character 6'],
    ['{"a":Infinity}', 'a: "Infinity}" at character 6'],
    ['{"id":"a\\u0000b"}', 'id: a control character in text'],
    ['{"id":"a\\u001bb"}', 'id: a control character in text'],
    ['{"id":"\\ud800"}', 'id: half of a surrogate pair'],
    ['{"id":"\\udc00\\ud800"}', 'id: half of a surrogate pair'],
    ['{"a":1} x', ': "x" at character 9'],
    ['{"a":1}{"a":1}', ': "{\\"a\\":1}" at character 8'],
    ['', ': nothing'],
    ['  \n', ': nothing'],
    ['{"a":01}', ': "1}" at character 7'],
    ['{"a":1.}', ': ".}" at character 7'],
    ['{"a":+1}', 'a: "+1}" at character 6'],
    ['{"a":.5}', 'a: ".5}" at character 6'],
    ["{'a':1}", `: "'a':1}" at character 2`],
    ['{"a":1,}', ': "}" at character 8'],
    ['[1,]', '[1]: "]" at character 4'],
    ['{"a"}', 'a: "}" at character 5'],
    ['{"a":"x', 'a: text without an end'],
    ['{"a":"\t"}', 'a: a bare control character at character 7'],
    ['{"a":"\\x41"}', 'a: the escape "\\x"'],
    ['{"a":"\\u00g0"}', 'a: the escape "\\u00g0"'],
    ['tru', ': "tru" at character 1'],
    ['{"a":1 /* x */}', ': "/* x */}" at character 8'],
    ['\u00a0{}', ': "\u00a0{}" at character 1'],
  ])('refuses %s', (text, found) => {
    expect(refusal(text)).toBe(found);
  });

  test('refuses depth over 32, and a body of brackets alone without exhausting the stack', () => {
    expect(readJson('['.repeat(32) + ']'.repeat(32)).kind).toBe('read');
    expect(refusal('['.repeat(33) + ']'.repeat(33))).toContain('nesting deeper than 32');
    expect(refusal('['.repeat(60_000))).toContain('nesting deeper than 32');
  });

  test('refuses octets that are not UTF-8, overlong forms, surrogates as octets, and a byte order mark', () => {
    for (const bad of [
      [0x22, 0xff, 0x22],
      [0x22, 0xc0, 0x80, 0x22],
      [0x22, 0xed, 0xa0, 0x80, 0x22],
      [0x22, 0xe2, 0x82, 0x22],
    ]) {
      expect(readJsonOctets(new Uint8Array(bad))).toMatchObject({
        kind: 'refused',
        found: 'octets that are not UTF-8',
      });
    }
    expect(readJsonOctets(new Uint8Array([0xef, 0xbb, 0xbf, 0x7b, 0x7d]))).toMatchObject({
      kind: 'refused',
      found: 'a byte order mark',
    });
    expect(readJsonOctets(octets('{}').slice(0, 1)).kind).toBe('refused');
  });

  test('takes −0 as 0, and everything that it should', () => {
    const read = readJson(' {"a":-0,"b":[true,false,null,1.5e2,"\\ud83d\\ude00é\\n\\/"],"":{}} ');
    expect(read).toEqual({ kind: 'read', value: { a: 0, b: [true, false, null, 150, '😀é\n/'], '': {} } });
    expect(read.kind === 'read' && Object.is((read.value as { a: number }).a, 0)).toBe(true);
  });

  test('with the grammar alone, agrees with JSON.parse on any value and on any text', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 6 }), (text) => {
        expect(readJson(text, { grammarOnly: true })).toEqual({ kind: 'read', value: JSON.parse(text) });
      }),
    );
    const mark = fc.constantFrom(...'{}[]",:\\/0123456789.eE+-truefalsnu \n\t\u0001'.split(''));
    fc.assert(
      fc.property(fc.array(mark, { maxLength: 24 }), (marks) => {
        const text = marks.join('');
        let expected: unknown;
        try {
          expected = { kind: 'read', value: JSON.parse(text) };
        } catch {
          expected = 'refused';
        }
        const read = readJson(text, { grammarOnly: true });
        expect(read.kind === 'refused' ? 'refused' : read).toEqual(expected);
      }),
      { numRuns: 2_000 },
    );
  });

  test('a name __proto__ is a member like others with the grammar alone, and touches no prototype', () => {
    const read = readJson('{"__proto__":{"polluted":1}}', { grammarOnly: true });
    expect(read.kind === 'read' && Object.keys(read.value as object)).toEqual(['__proto__']);
    expect(read.kind === 'read' && Object.getPrototypeOf(read.value)).toBe(Object.prototype);
  });
});
