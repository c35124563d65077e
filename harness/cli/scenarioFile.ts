import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname, extname, isAbsolute, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { checkScenario, pathText } from '../../scenarios/check.ts';
import { LIBRARY, loadScenario } from '../../scenarios/library.ts';
import { readScenario } from '../../scenarios/read.ts';
import type { Scenario } from '../../scenarios/schema.ts';
import { InputError, inputError, show } from '../../src/domain/errors.ts';
import { readTextFile } from '../world/inputs.ts';

/** Finds a scenario by the name it has in the library or by its file. */
export interface FoundScenario {
  readonly scenario: Scenario;
  /** Folder that its paths are under unless told otherwise. */
  readonly dataDir: string;
  /** What to write on a command line to run it again. */
  readonly word: string;
}

/** Beside the sources, also in the built package. */
const LIBRARY_DIR = findLibrary();

function findLibrary(): string {
  const here = dirname(fileURLToPath(import.meta.url));
  const near = join(here, '../../scenarios/library');
  return existsSync(near) ? near : join(here, '../../../scenarios/library');
}

const SCRIPTS = new Set(['.ts', '.mts', '.js', '.mjs']);

/** @throws InputError when there is no such scenario or it is wrong */
export async function findScenario(word: string, cwd: string): Promise<FoundScenario> {
  const looksLikeFile = /[\\/]|\.(ya?ml|json|m?[jt]s)$/i.test(word);
  if (!looksLikeFile || LIBRARY.some((e) => e.name === word)) {
    const scenario = loadScenario(word, (file) => readFileSync(join(LIBRARY_DIR, file), 'utf8'));
    return { scenario, dataDir: cwd, word };
  }
  const path = isAbsolute(word) ? word : resolve(cwd, word);
  const dataDir = dirname(path);
  if (SCRIPTS.has(extname(path))) return { scenario: await fromScript(path, word), dataDir, word };
  const { text } = readTextFile(path, word);
  return { scenario: readScenario({ text, source: word }), dataDir, word };
}

/** A script exports its scenario as default, made with defineScenario. */
async function fromScript(path: string, word: string): Promise<Scenario> {
  if (!existsSync(path)) {
    throw inputError({ source: word, place: 'whole file', value: 'no such file', expected: 'a file that can be read' });
  }
  const checked = checkScenario(await defaultExport(path, word));
  if (checked.kind === 'good') return checked.value;
  throw new InputError(
    checked.issues.map((i) => ({
      source: basename(word),
      place: pathText(i.path),
      value: i.value,
      expected: i.expected,
    })),
  );
}

/** A script that does not load is its author's mistake, whatever it throws. */
async function defaultExport(path: string, word: string): Promise<unknown> {
  try {
    const module: { default?: unknown } = await import(pathToFileURL(path).href);
    return module.default;
  } catch (e) {
    if (e instanceof InputError) throw e;
    const value = String(e).split('\n')[0] ?? '';
    throw inputError({
      source: word,
      place: 'whole file',
      value,
      expected: 'a script that loads and exports a scenario as default',
    });
  }
}

/** The scenario as a run folder keeps it. */
export function readKept(path: string, shownAs: string): Scenario {
  const { text } = readTextFile(path, shownAs);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (e) {
    throw inputError({
      source: shownAs,
      place: 'whole file',
      value: show(String(e)),
      expected: 'the scenario.json of a run',
    });
  }
  const checked = checkScenario(value);
  if (checked.kind === 'good') return checked.value;
  throw new InputError(
    checked.issues.map((i) => ({ source: shownAs, place: pathText(i.path), value: i.value, expected: i.expected })),
  );
}
