import { readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { describe, expect, test } from 'vitest';
import { allFiles, isInside, print, ROOT, type SourceFile, sourceFile, type Violation } from './files.ts';
import { importsOf, scan } from './scan.ts';

/** Who may import whom. The arrows are the architecture: simulators never see the core, so the world cannot know the answer. */
interface Zone {
  readonly folder: string;
  /** Folders of the project beside its own. */
  readonly project: readonly string[];
  /** Packages; 'dependencies' = all that are shipped, 'all' = those for development as well. */
  readonly packages: readonly string[] | 'dependencies' | 'all';
}
const EVERYTHING = ['src', 'simulators', 'scenarios', 'harness', 'reports'];
const ZONES: readonly Zone[] = [
  { folder: 'src/domain', project: [], packages: ['temporal-polyfill'] },
  { folder: 'src/ports', project: ['src/domain'], packages: [] },
  { folder: 'src/dnp3', project: [], packages: [] },
  { folder: 'src/core', project: ['src/domain', 'src/ports'], packages: [] },
  { folder: 'src/oem', project: ['src/domain', 'src/ports'], packages: [] },
  { folder: 'src/field', project: ['src/domain', 'src/ports', 'src/dnp3'], packages: [] },
  {
    folder: 'src/api',
    project: ['src/core', 'src/domain', 'src/ports'],
    packages: ['fastify', '@fastify/websocket', 'jose', 'zod'],
  },
  { folder: 'src/live', project: ['src'], packages: 'dependencies' },
  {
    folder: 'simulators',
    project: ['src/domain', 'src/ports', 'src/dnp3'],
    packages: ['xstate', '@faker-js/faker', 'fast-xml-parser'],
  },
  { folder: 'scenarios', project: ['src/domain'], packages: ['zod', 'yaml'] },
  { folder: 'harness', project: [...EVERYTHING, 'package.json'], packages: 'dependencies' },
  {
    folder: 'reports',
    project: ['src/domain', 'src/ports'],
    packages: ['chart.js', 'chartjs-node-canvas', '@napi-rs/canvas', 'dejavu-fonts-ttf', 'uplot'],
  },
  { folder: 'test', project: EVERYTHING, packages: 'all' },
];

const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
  dependencies: Record<string, string>;
  devDependencies: Record<string, string>;
};
const shipped = Object.keys(manifest.dependencies);
const installed = [...shipped, ...Object.keys(manifest.devDependencies)];

const packageOf = (specifier: string): string =>
  specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');

function allowedPackages(zone: Zone): readonly string[] {
  if (zone.packages === 'all') return installed;
  return zone.packages === 'dependencies' ? shipped : zone.packages;
}

/** Files that may import a computed name, each with what it loads. */
const COMPUTED: Readonly<Record<string, string>> = {
  'harness/cli/scenarioFile.ts': 'the scenario script that the user names',
  'test/arch/docs.test.ts': 'a program that need not be there',
};

/** What is wrong with one import, or null. What of node:* may be used where is the bans' matter. */
function verdict(file: SourceFile, zone: Zone, specifier: string | null): string | null {
  if (specifier === null && file.path in COMPUTED) return null;
  if (specifier === null) return 'imports a computed name, which cannot be checked';
  if (specifier.startsWith('node:')) return null;
  if (!specifier.startsWith('.')) {
    const name = packageOf(specifier);
    if (allowedPackages(zone).includes(name)) return null;
    return `${zone.folder} may not import the package ${name}`;
  }
  const target = posix.join(posix.dirname(file.path), specifier);
  const folder = posix.dirname(target);
  if (posix.basename(target) === 'index.ts' && isInside(file.path, folder))
    return `imports the barrel of its own folder`;
  if ([zone.folder, ...zone.project].some((allowed) => isInside(target, allowed))) return null;
  return `${zone.folder} may not import ${target}`;
}

function check(files: readonly SourceFile[]): Violation[] {
  return files.flatMap((file) => {
    const zone = ZONES.find((z) => isInside(file.path, z.folder));
    if (zone === undefined) return [{ path: file.path, line: 1, what: 'lies in no folder of the import table' }];
    return importsOf(file.tokens).flatMap(({ specifier, line }) => {
      const what = verdict(file, zone, specifier);
      return what === null ? [] : [{ path: file.path, line, what }];
    });
  });
}

/** Modules that reach themselves over imports that are there at run time. */
function circles(files: readonly SourceFile[]): string[] {
  const known = new Set(files.map((f) => f.path));
  const arrows = new Map(
    files.map((file) => [
      file.path,
      importsOf(file.tokens)
        .flatMap(({ specifier }) =>
          specifier?.startsWith('.') ? [posix.join(posix.dirname(file.path), specifier)] : [],
        )
        .filter((target) => known.has(target) && !onlyTypes(file, target)),
    ]),
  );
  const found: string[] = [];
  const state = new Map<string, 'open' | 'done'>();
  const visit = (path: string, trail: readonly string[]): void => {
    if (state.get(path) === 'done') return;
    if (state.get(path) === 'open') {
      found.push([...trail.slice(trail.indexOf(path)), path].join(' -> '));
      return;
    }
    state.set(path, 'open');
    for (const next of arrows.get(path) ?? []) visit(next, [...trail, path]);
    state.set(path, 'done');
  };
  for (const path of arrows.keys()) visit(path, []);
  return found;
}

/** `import type` is erased, so a circle over it exists on paper only. */
function onlyTypes(file: SourceFile, target: string): boolean {
  const statements = file.text.matchAll(/^(?:import|export) (type )?[^;]*?from '([^']+)'/gms);
  const of = [...statements].filter((m) => posix.join(posix.dirname(file.path), m[2] ?? '') === target);
  return of.length > 0 && of.every((m) => m[1] !== undefined);
}

describe('the import table', () => {
  test('every file imports only what its folder may', () => {
    expect(allFiles.length).toBeGreaterThan(20);
    expect(print(check(allFiles))).toEqual([]);
  });

  test('no modules import each other in a circle at run time', () => {
    expect(circles(allFiles)).toEqual([]);
  });

  const canaries: readonly [string, string, string, RegExp][] = [
    [
      'a simulator that imports the core',
      'simulators/x/a.ts',
      "import { decide } from '../../src/core/core.ts';",
      /may not import src\/core\/core\.ts/,
    ],
    ['for its types only', 'simulators/x/a.ts', "import type { State } from '../../src/core/state.ts';", /src\/core/],
    ['by re-export', 'simulators/x/a.ts', "export { decide as d } from '../../src/core/core.ts';", /src\/core/],
    ['by re-export of all', 'simulators/x/a.ts', "export * as core from '../../src/core/core.ts';", /src\/core/],
    ['dynamically', 'simulators/x/a.ts', "const c = await import('../../src/core/core.ts');", /src\/core/],
    [
      'inside a template',
      'simulators/x/a.ts',
      `const c = \`\${await import('../../src/core/core.ts')}\`;`,
      /src\/core/,
    ],
    ['as a type of a field', 'simulators/x/a.ts', "let s: import('../../src/core/state.ts').State;", /src\/core/],
    ['for its side effects', 'simulators/x/a.ts', "import '../../src/core/core.ts';", /src\/core/],
    [
      'over several lines',
      'simulators/x/a.ts',
      "import {\n  a, // it's\n  type b,\n} from '../../src/core/core.ts';",
      /src\/core/,
    ],
    ['by a detour', 'simulators/x/a.ts', "import { a } from '../../simulators/../src/core/core.ts';", /src\/core/],
    ['by a computed name', 'simulators/x/a.ts', `const c = await import(\`../../src/\${name}.ts\`);`, /computed name/],
    [
      'by a joined name',
      'simulators/x/a.ts',
      "const c = await import('../../src/co' + 're/core.ts');",
      /computed name/,
    ],
    ['by require', 'simulators/x/a.ts', "const c = require('../../src/core/core.ts');", /src\/core/],
    [
      'the core that imports a simulator',
      'src/core/a.ts',
      "import { x } from '../../simulators/oem/cloud.ts';",
      /simulators\/oem/,
    ],
    [
      'the domain that imports a port',
      'src/domain/a.ts',
      "import { PRIORITY } from '../ports/clock.ts';",
      /src\/ports/,
    ],
    [
      'dnp3 that imports the domain',
      'src/dnp3/a.ts',
      "import { invariant } from '../domain/errors.ts';",
      /src\/domain/,
    ],
    ['the connector that imports the core', 'src/field/a.ts', "import { x } from '../core/core.ts';", /src\/core/],
    [
      'scenarios that import the harness',
      'scenarios/a.ts',
      "import { x } from '../harness/kernel/kernel.ts';",
      /harness/,
    ],
    ['a report that imports the core', 'reports/a.ts', "import { x } from '../src/core/core.ts';", /src\/core/],
    ['the harness that imports a test', 'harness/a.ts', "import { x } from '../test/helpers/x.ts';", /test\/helpers/],
    ['the core that imports a package', 'src/core/a.ts', "import { z } from 'zod';", /package zod/],
    ['a package nobody declared', 'harness/a.ts', "import x from 'left-pad/deep/file';", /package left-pad/],
    ['a package for development in shipped code', 'harness/a.ts', "import fc from 'fast-check';", /package fast-check/],
    [
      'a scoped package',
      'reports/a.ts',
      "import { faker } from '@faker-js/faker/locale/en';",
      /package @faker-js\/faker/,
    ],
    ['a barrel', 'src/core/a.ts', "import { x } from './index.ts';", /barrel/],
    ['a folder nobody planned', 'src/extra/a.ts', 'export const x = 1;', /no folder/],
  ];
  test.each(canaries)('rejects %s', (_name, path, text, message) => {
    expect(print(check([sourceFile(path, text)])).join('\n')).toMatch(message);
  });

  test.each([
    ['a comment', "// import x from '../../src/core/core.ts'\n/* import('../../src/core/core.ts') */"],
    ['a string', 'const s = "import x from \'../../src/core/core.ts\'";'],
    ['a template', `const s = \`import x from '../../src/core/core.ts' \${1}\`;`],
    ['a regular expression', "const r = /import '..\\/..\\/src[/']core\\/core.ts'/;"],
    ['a property', "x.import('../../src/core/core.ts'); const o = { import: '../../src/core/core.ts' };"],
    ['import.meta', "const d = import.meta.dirname + '../../src/core/core.ts';"],
  ])('does not take %s for an import', (_name, text) => {
    expect(print(check([sourceFile('simulators/x/a.ts', text)]))).toEqual([]);
  });

  test('rejects two modules that import each other, not two that share types', () => {
    const a = (kind: string): SourceFile => sourceFile('src/core/a.ts', `import ${kind}{ b } from './b.ts';`);
    const b = sourceFile('src/core/b.ts', "import { a } from './a.ts';");
    expect(circles([a(''), b])).toEqual(['src/core/a.ts -> src/core/b.ts -> src/core/a.ts']);
    expect(circles([a('type '), b])).toEqual([]);
  });
});

describe('the scanner', () => {
  test('tells code from text, with lines', () => {
    const source = `a = b / c / 'd'; // 'x\n/* \` */ e(\`t\${f({ g: \`h\${i}\` })}u\`, /[/'"]j/g);`;
    expect(scan(source).map((t) => `${t.line} ${t.kind} ${t.text}`)).toEqual([
      '1 word a',
      '1 punct =',
      '1 word b',
      '1 punct /',
      '1 word c',
      '1 punct /',
      '1 string d',
      '1 punct ;',
      '2 word e',
      '2 punct (',
      '2 template t',
      '2 word f',
      '2 punct (',
      '2 punct {',
      '2 word g',
      '2 punct :',
      '2 template h',
      '2 word i',
      '2 template ',
      '2 punct }',
      '2 punct )',
      '2 template u',
      '2 punct ,',
      '2 regex /[/\'"]j/g',
      '2 punct )',
      '2 punct ;',
    ]);
  });
});
