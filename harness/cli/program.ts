import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { VERSION } from '../version.ts';
import { addCloudCommands } from './cloud.ts';
import { addDnp3Commands } from './dnp3.ts';
import type { CliIo } from './io.ts';
import { addJournalCommands } from './journalCommands.ts';
import { replayCommand, reportCommand, runCommand } from './runCommands.ts';
import { checkCommand, initCommand, listCommand, schemaCommand } from './scenarioCommands.ts';
import { addServeCommand } from './serve.ts';

/** Exit code of the command that ran; set by its action. */
export interface Outcome {
  code: number;
}

/** Goes nowhere: for callers that only want the program's shape. */
const SILENT: CliIo = {
  out: () => {},
  err: () => {},
  color: false,
  interactive: false,
  cwd: '.',
  nowMs: () => 0,
};

/**
 * The command line. Exit codes: 0 every expectation held, 1 one did not, 2 wrong usage or input, 3 a bug,
 * 130 interrupted. Data goes to standard output, words to standard error.
 */
export function buildProgram(io: CliIo = SILENT, outcome: Outcome = { code: 0 }): Command {
  const program = new Command('vpp')
    .description('Runs a whole virtual power plant on one virtual clock and says whether the dispatch performed')
    .version(VERSION)
    .exitOverride()
    .configureOutput({ writeOut: io.out, writeErr: io.err })
    .showHelpAfterError('(vpp --help lists the commands)')
    .option('--json', 'print data as JSON on standard output')
    .option('-q, --quiet', 'no progress and no words, only data');
  const finish = (code: number): void => {
    outcome.code = code;
  };

  program
    .command('run')
    .description('run scenarios: names of the library, or YAML, JSON or script files')
    .argument('<scenario...>', 'name or file')
    .option('--seed <seed>', 'integer or hex; replaces the seed of the scenario')
    .option('--date <date>', 'local date of the first day, like 2024-07-10')
    .option('--prices <file>', 'day-ahead prices: CAISO or ERCOT CSV')
    .option('--node <name>', 'node in the price file')
    .option('--weather <file>', 'EPW or TMY3 weather, plain or gzipped')
    .option('--alerts <file>', 'NWS GeoJSON or CAP XML alerts')
    .option('--data <folder>', 'folder that paths inside a scenario are under (default: that of the scenario)')
    .option('--out <folder>', 'where run folders go', 'runs')
    .option('--pcap', 'leave a capture of each DNP3 link')
    .action(async (names: string[], options) => finish(await runCommand(io, names, { ...program.opts(), ...options })));

  program
    .command('list')
    .description('list the scenarios of the library')
    .action(() => finish(listCommand(io, program.opts())));

  program
    .command('check')
    .description('check scenario files without running them')
    .argument('<scenario...>', 'name or file')
    .option('--data <folder>', 'also read the input files that the scenario names, under this folder')
    .action(async (names: string[], options) =>
      finish(await checkCommand(io, names, { ...program.opts(), ...options })),
    );

  program
    .command('replay')
    .description('run again what a run folder holds and compare the hash of the log')
    .argument('<folder>', 'a run folder')
    .action(async (folder: string) => finish(await replayCommand(io, folder, program.opts())));

  program
    .command('report')
    .description('make the report anew from the log of a run folder')
    .argument('<folder>', 'a run folder')
    .action(async (folder: string) => finish(await reportCommand(io, folder, program.opts())));

  program
    .command('init')
    .description('write a scenario to start from')
    .argument('[name]', 'name of the scenario', nameArgument, 'my-scenario')
    .option('--force', 'replace a file of that name')
    .action((name: string, options) => finish(initCommand(io, name, options)));

  program
    .command('schema')
    .description('print the JSON Schema of a scenario file')
    .action(() => finish(schemaCommand(io)));

  const to = { io, globals: () => program.opts(), finish };
  addServeCommand(program, to);
  addCloudCommands(program, to);
  addDnp3Commands(program, to);
  addJournalCommands(program, to);

  return program;
}

function nameArgument(value: string): string {
  if (/^[a-z][a-z0-9-]{0,59}$/.test(value)) return value;
  throw new InvalidArgumentError('expected lower-case letters, digits and hyphens, starting with a letter.');
}

export const isUsageError = (e: unknown): e is CommanderError => e instanceof CommanderError;
