import { existsSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { scenarioJsonSchema } from '../../scenarios/jsonSchema.ts';
import { LIBRARY } from '../../scenarios/library.ts';
import { InputError, type InputProblem, inputError } from '../../src/domain/errors.ts';
import { load } from '../run.ts';
import type { CliIo, GlobalOptions } from './io.ts';
import { findScenario } from './scenarioFile.ts';
import { template } from './template.ts';

export function listCommand(io: CliIo, flags: GlobalOptions): number {
  if (flags.json === true) {
    io.out(
      `${JSON.stringify(
        LIBRARY.map(({ name, title }) => ({ name, title })),
        null,
        2,
      )}\n`,
    );
    return 0;
  }
  const width = Math.max(...LIBRARY.map((e) => e.name.length));
  for (const { name, title } of LIBRARY) io.out(`${name.padEnd(width)}  ${title}\n`);
  return 0;
}

/** The JSON Schema of a scenario file, as scenarios/scenario.schema.json has it. */
export function schemaCommand(io: CliIo): number {
  io.out(`${JSON.stringify(scenarioJsonSchema(), null, 2)}\n`);
  return 0;
}

/** Checks every scenario named and tells all that is wrong with all of them. */
export async function checkCommand(
  io: CliIo,
  words: readonly string[],
  flags: GlobalOptions & { readonly data?: string },
): Promise<number> {
  const problems: InputProblem[] = [];
  for (const word of words) {
    try {
      const { scenario } = await findScenario(word, io.cwd);
      if (flags.data !== undefined) load({ scenario, dataDir: resolve(io.cwd, flags.data) });
      if (flags.json !== true) io.out(`${word}: ok\n`);
    } catch (e) {
      if (!(e instanceof InputError)) throw e;
      problems.push(...e.problems);
    }
  }
  if (flags.json === true) io.out(`${JSON.stringify({ ok: problems.length === 0, problems }, null, 2)}\n`);
  if (problems.length === 0) return 0;
  if (flags.json === true) return 2;
  throw new InputError(problems);
}

export function initCommand(io: CliIo, name: string, flags: { readonly force?: boolean }): number {
  const file = `${name}.yaml`;
  const path = resolve(io.cwd, file);
  if (existsSync(path) && flags.force !== true) {
    throw inputError({
      source: file,
      place: 'whole file',
      value: 'a file of that name',
      expected: 'a new name, or --force',
    });
  }
  writeFileSync(path, template(name));
  io.out(`${file}\n`);
  io.err(`check it with: npm run -s vpp -- check ${file}\nrun it with:   npm run -s vpp -- run ${file}\n`);
  return 0;
}
