import { describe, expect, test } from 'vitest';
import { allFiles, isInside, print, type SourceFile, sourceFile, type Violation } from './files.ts';
import { importsOf, type Token } from './scan.ts';

/**
 * What may be touched where. In a run, time, chance, files and sockets come in from outside; only the rooms named here
 * may reach for the machine. Strings and comments do not count.
 */
interface Ban {
  readonly name: string;
  /** Where it is allowed; everywhere else it is a violation. */
  readonly rooms: readonly string[];
  readonly except?: readonly string[];
  readonly find: (file: SourceFile) => readonly { readonly line: number; readonly what: string }[];
}

/** What plays inside a run and must be the same each time, though the harness around it may use the machine. */
const INSIDE_A_RUN = ['harness/kernel', 'harness/wire', 'harness/world', 'harness/checks'];
const MACHINE_ROOMS = ['src/live', 'harness', 'test'];
const TIMERS = ['setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask', 'requestAnimationFrame'];

/** Positions of a global's name: not a property of something else, not a key, not a private name. */
function globals(tokens: readonly Token[], name: string): number[] {
  return tokens.flatMap((token, i) => (token.kind === 'word' && token.text === name && isFree(tokens, i) ? [i] : []));
}

function isFree(tokens: readonly Token[], i: number): boolean {
  const before = tokens[i - 1];
  if (before?.kind === 'punct' && before.text === '.') {
    return ['globalThis', 'global', 'window', 'self'].includes(tokens[i - 2]?.text ?? '');
  }
  return !isKey(tokens, i);
}

/** `process: …` and `process?: …` in an object or interface name a field; `a ? process : b` is told by what stands before. */
function isKey(tokens: readonly Token[], i: number): boolean {
  const next = tokens[i + 1]?.text === '?' ? tokens[i + 2] : tokens[i + 1];
  const before = tokens[i - 1];
  const startsField = before === undefined || '{,;('.includes(before.text) || before.text === 'readonly';
  return next?.kind === 'punct' && next.text === ':' && startsField;
}

const findGlobal =
  (...names: string[]): Ban['find'] =>
  ({ tokens }) =>
    names.flatMap((name) => globals(tokens, name).map((i) => ({ line: tokens[i]?.line ?? 0, what: name })));

/** A name so telling that it counts wherever it stands, as a member or an import as well. */
const findWord =
  (...names: string[]): Ban['find'] =>
  ({ tokens }) =>
    tokens.flatMap(({ kind, text, line }) => (kind === 'word' && names.includes(text) ? [{ line, what: text }] : []));

/** `object.member`, `object['member']`, and taking the object apart or passing it on, which would hide the member. */
const findMember =
  (object: string, members: readonly string[]): Ban['find'] =>
  ({ tokens }) =>
    globals(tokens, object).flatMap((i) => {
      const line = tokens[i]?.line ?? 0;
      const at = (n: number): Token | undefined => tokens[i + n];
      const optional = at(1)?.text === '?' ? 1 : 0;
      const bracket = at(1 + optional)?.text === '[' || at(2 + optional)?.text === '[';
      const member = [at(2 + optional), at(3 + optional)].find((t) => t?.kind === 'word' || t?.kind === 'string');
      const dotted = at(1 + optional)?.kind === 'punct' && at(1 + optional)?.text === '.';
      if ((dotted || bracket) && members.includes(member?.text ?? ''))
        return [{ line, what: `${object}.${member?.text}` }];
      // `performance` is also a word of this project, so taking that one apart is not told from a variable of its name.
      const handedOn = object !== 'performance' && at(-1)?.text === '=' && !dotted && at(1)?.text !== '(';
      return handedOn ? [{ line, what: `${object} handed on, which hides ${members.join(', ')}` }] : [];
    });

/** `new Date()`, `new Date`, `Date()`: the machine's clock. `new Date(ms)` and the type Date are fine. */
const findBareDate: Ban['find'] = ({ tokens }) =>
  globals(tokens, 'Date').flatMap((i) => {
    const isNew = tokens[i - 1]?.text === 'new';
    const called = tokens[i + 1]?.text === '(';
    const bare = isNew ? !called || tokens[i + 2]?.text === ')' : called;
    return bare ? [{ line: tokens[i]?.line ?? 0, what: 'a Date without an argument' }] : [];
  });

/** Any call of the package without a first argument: seedrandom(), seedrandom.alea(), seedrandom(undefined, …). */
const findUnseeded: Ban['find'] = ({ tokens }) =>
  tokens.flatMap((token, i) => {
    if (token.kind !== 'word' || token.text !== 'seedrandom') return [];
    const open = tokens[i + 1]?.text === '.' ? i + 3 : i + 1;
    const first = tokens[open + 1];
    const empty = first?.text === ')' || first?.text === 'undefined' || first?.text === 'null';
    return tokens[open]?.text === '(' && empty ? [{ line: token.line, what: 'seedrandom without a seed' }] : [];
  });

const findNode =
  (...modules: string[]): Ban['find'] =>
  ({ tokens }) =>
    importsOf(tokens).flatMap(({ specifier, line }) => {
      const hit = specifier?.startsWith('node:') && (modules.length === 0 || modules.includes(specifier.slice(5)));
      return hit ? [{ line, what: `import of ${specifier}` }] : [];
    });

/** The same modules under their old names would pass the ban on node:*. */
const BUILTINS =
  'fs fs/promises net http http2 https tls dgram dns child_process worker_threads cluster os path crypto timers timers/promises events stream util zlib module url perf_hooks process buffer assert readline vm v8'.split(
    ' ',
  );
const findUnprefixed: Ban['find'] = ({ tokens }) =>
  importsOf(tokens).flatMap(({ specifier, line }) =>
    specifier !== null && BUILTINS.includes(specifier) ? [{ line, what: `import of ${specifier} without node:` }] : [],
  );

const BANS: readonly Ban[] = [
  { name: 'unseeded chance', rooms: [], find: findMember('Math', ['random']) },
  { name: 'unseeded chance', rooms: [], find: findUnseeded },
  {
    name: 'unseeded chance',
    // Ids and secrets that nobody may guess come from this one file.
    rooms: ['src/live/secureRandom.ts'],
    find: findWord(
      'randomUUID',
      'getRandomValues',
      'randomBytes',
      'randomInt',
      'randomFill',
      'randomFillSync',
      'generateKeySync',
    ),
  },
  { name: "XState's clock, which fires chained timers late", rooms: [], find: findGlobal('SimulatedClock') },
  { name: 'unprefixed builtins', rooms: [], find: findUnprefixed },
  { name: "the machine's clock", rooms: MACHINE_ROOMS, except: INSIDE_A_RUN, find: findMember('Date', ['now']) },
  { name: "the machine's clock", rooms: MACHINE_ROOMS, except: INSIDE_A_RUN, find: findBareDate },
  {
    name: "the machine's clock",
    rooms: MACHINE_ROOMS,
    except: INSIDE_A_RUN,
    find: findMember('performance', ['now', 'timeOrigin']),
  },
  { name: "the machine's timers", rooms: MACHINE_ROOMS, except: INSIDE_A_RUN, find: findGlobal(...TIMERS) },
  {
    name: "the machine's timers",
    rooms: MACHINE_ROOMS,
    except: INSIDE_A_RUN,
    find: findNode('timers', 'timers/promises', 'perf_hooks'),
  },
  {
    name: 'sockets',
    rooms: ['src/live', 'harness', 'test'],
    except: INSIDE_A_RUN,
    find: findNode('net', 'http', 'http2', 'https', 'tls', 'dgram', 'dns'),
  },
  {
    name: 'sockets',
    rooms: ['src/live', 'harness', 'test'],
    except: INSIDE_A_RUN,
    find: findGlobal('fetch', 'WebSocket'),
  },
  {
    name: 'files',
    rooms: ['src/live', 'harness', 'reports/write', 'test'],
    except: ['harness/kernel', 'harness/wire', 'harness/checks'],
    find: findNode('fs', 'fs/promises'),
  },
  {
    name: 'the process',
    rooms: ['src/live', 'harness', 'reports/write', 'test'],
    except: INSIDE_A_RUN,
    find: findGlobal('process'),
  },
  { name: 'the console', rooms: ['src/live', 'harness', 'test'], except: INSIDE_A_RUN, find: findGlobal('console') },
  { name: 'node:*', rooms: ['src/live', 'src/api', 'harness', 'reports/write', 'test'], find: findNode() },
];

/** "reports/write" is a room of files that begin so; the other rooms are folders. */
const isIn = (path: string, room: string): boolean =>
  isInside(path, room) || (room === 'reports/write' && path.startsWith(room));

function check(files: readonly SourceFile[]): Violation[] {
  return files.flatMap((file) =>
    BANS.filter(
      ({ rooms, except = [] }) =>
        !rooms.some((room) => isIn(file.path, room)) || except.some((room) => isIn(file.path, room)),
    ).flatMap((ban) =>
      ban
        .find(file)
        .map(({ line, what }) => ({ path: file.path, line, what: `${what} (${ban.name}) is not for here` })),
    ),
  );
}

/** [lines] A file is read in one sitting. */
const LINES_MAX = 500;
/** Files that are longer, each with the reason why cutting them would make them harder to read. */
const LONGER: Readonly<Record<string, { readonly linesMax: number; readonly why: string }>> = {};

function checkSizes(files: readonly SourceFile[]): Violation[] {
  return files.flatMap(({ path, text }) => {
    const lines = text.trimEnd().split('\n').length;
    const most = LONGER[path]?.linesMax ?? LINES_MAX;
    return lines <= most ? [] : [{ path, line: lines, what: `has ${lines} lines, ${most} are allowed` }];
  });
}

describe('bans', () => {
  test('nothing reaches for the machine outside its room', () => {
    expect(allFiles.length).toBeGreaterThan(20);
    expect(print(check(allFiles))).toEqual([]);
  });

  const canaries: readonly [string, string, string][] = [
    ['src/core/a.ts', 'const t = Date.now();', 'Date.now'],
    ['src/core/a.ts', 'const t = Date\n  .now();', 'Date.now'],
    ['src/core/a.ts', "const t = Date['now']();", 'Date.now'],
    ['src/core/a.ts', 'const t = Date?.now();', 'Date.now'],
    ['src/core/a.ts', 'const t = globalThis.Date.now();', 'Date.now'],
    ['src/core/a.ts', 'const { now } = Date;', 'Date handed on'],
    ['src/core/a.ts', `const t = \`\${Date.now()}\`;`, 'Date.now'],
    ['src/core/a.ts', 'const t = new Date();', 'a Date without'],
    ['src/core/a.ts', 'const t = new Date;', 'a Date without'],
    ['src/core/a.ts', 'const t = Date();', 'a Date without'],
    ['src/core/a.ts', 'const t = performance.now();', 'performance.now'],
    ['src/core/a.ts', 'setTimeout(f, 1);', 'setTimeout'],
    ['simulators/x/a.ts', 'globalThis.setInterval(f, 1);', 'setInterval'],
    ['scenarios/a.ts', 'const later = setImmediate;', 'setImmediate'],
    ['src/dnp3/a.ts', 'queueMicrotask(f);', 'queueMicrotask'],
    ['harness/kernel/a.ts', 'setTimeout(f, 1);', 'setTimeout'],
    ['harness/world/a.ts', 'const t = Date.now();', 'Date.now'],
    ['harness/wire/a.ts', "import { connect } from 'node:net';", 'node:net'],
    ['src/oem/a.ts', 'await fetch(url);', 'fetch'],
    ['src/core/a.ts', 'const debug = process.env.DEBUG;', 'process'],
    ['src/core/a.ts', 'const p = ok ? process : null;', 'process'],
    ['reports/a.ts', "import { readFileSync } from 'node:fs';", 'node:fs'],
    ['reports/a.ts', "const fs = await import('node:fs/promises');", 'node:fs/promises'],
    ['reports/a.ts', "import fs from 'fs';", 'without node:'],
    ['scenarios/a.ts', "import { join } from 'node:path';", 'node:path'],
    ['simulators/x/a.ts', "export { createHash } from 'node:crypto';", 'node:crypto'],
    ['reports/a.ts', "import { createServer } from 'node:http';", 'node:http'],
    ['src/core/a.ts', 'console.log(1);', 'console'],
    ['harness/cli/a.ts', 'const x = Math.random();', 'Math.random'],
    ['test/unit/a.ts', "const x = Math['random']();", 'Math.random'],
    ['test/unit/a.ts', 'const { random } = Math;', 'Math handed on'],
    ['harness/cli/a.ts', 'const id = crypto.randomUUID();', 'randomUUID'],
    ['harness/cli/a.ts', "import { randomBytes } from 'node:crypto';", 'randomBytes'],
    ['harness/kernel/a.ts', 'const r = seedrandom();', 'seedrandom without'],
    ['harness/kernel/a.ts', 'const r = seedrandom.alea();', 'seedrandom without'],
    ['harness/kernel/a.ts', 'const r = seedrandom(undefined, { entropy: true });', 'seedrandom without'],
    ['simulators/x/a.ts', "import { SimulatedClock } from 'xstate';", 'SimulatedClock'],
  ];
  test.each(canaries)('rejects in %s: %s', (path, text, what) => {
    expect(print(check([sourceFile(path, text)])).join('\n')).toContain(what);
  });

  test.each([
    ['src/core/a.ts', "// Date.now()\nconst s = 'Math.random() process console.log';"],
    ['src/core/a.ts', 'const t = new Date(nowMs).toISOString(); let d: Date; const u = Date.UTC(2024, 1);'],
    [
      'src/core/a.ts',
      'const m = Math.max(1, 2); const x = { process: 1, fetch: 2 }; x.process; this.#fetch(); y.console;',
    ],
    ['reports/a.ts', 'const performance = measure(); const rows = performance; performance.ratio;'],
    ['src/core/a.ts', 'interface A { readonly process: string; fetch?: number }'],
    ['src/live/a.ts', "import { createServer } from 'node:net'; setTimeout(f, Date.now()); process.exit(1);"],
    ['harness/cli/a.ts', "import { readFileSync } from 'node:fs'; console.log(performance.now());"],
    ['harness/world/a.ts', "import { readFileSync } from 'node:fs';"],
    ['reports/writeHtml.ts', "import { writeFileSync } from 'node:fs';"],
    ['harness/kernel/a.ts', "const r = seedrandom.alea('7/load');"],
  ])('allows in %s: %s', (path, text) => {
    expect(print(check([sourceFile(path, text)]))).toEqual([]);
  });
});

describe('sizes', () => {
  test(`no file has more than ${LINES_MAX} lines, but for those with a reason`, () => {
    expect(print(checkSizes(allFiles))).toEqual([]);
  });

  test('each exception is still needed and says why', () => {
    for (const [path, { linesMax, why }] of Object.entries(LONGER)) {
      const file = allFiles.find((f) => f.path === path);
      expect(file?.text.trimEnd().split('\n').length ?? 0, path).toBeGreaterThan(LINES_MAX);
      expect(linesMax, path).toBeLessThan(700);
      expect(why.length, path).toBeGreaterThan(20);
    }
  });

  test('rejects one line too many', () => {
    const file = (lines: number): SourceFile => sourceFile('src/core/a.ts', 'x;\n'.repeat(lines));
    expect(print(checkSizes([file(LINES_MAX), file(LINES_MAX + 1)]))).toEqual([
      `src/core/a.ts:${LINES_MAX + 1}: has ${LINES_MAX + 1} lines, ${LINES_MAX} are allowed`,
    ]);
  });
});
