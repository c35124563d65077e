import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ROOT } from './files.ts';

/**
 * What the README tells a reader to type must exist, and every command of the program must be in the README.
 *
 * Taken for commands: lines of fenced blocks and texts between backticks that begin with `npm` or `vpp` (a leading `$`,
 * `npx` or `VARIABLE=value` is passed over). Of `vpp` lines the subcommand and the options are checked, of `npm` lines the
 * script. A fenced block that begins with "Usage: vpp" must be the help text of the program or of the command it names,
 * word for word.
 */
interface Program {
  /** The program's own options, short and long: "--version", "-V". */
  readonly options: readonly string[];
  readonly commands: readonly { readonly name: string; readonly options: readonly string[]; readonly help: string }[];
  readonly help: string;
}

interface Docs {
  readonly readme: string;
  readonly scripts: readonly string[];
  /** null = the program cannot be built. */
  readonly program: Program | null;
}

/** npm's own commands, which need no script of that name. */
const NPM_OWN = ['ci', 'install', 'i', 'exec', 'ls', 'pack', 'link', 'run'];
/** Options that commander gives to each command. */
const ALWAYS = ['-h', '--help'];

interface Block {
  readonly text: string;
}

const fencedBlocks = (readme: string): Block[] =>
  [...readme.matchAll(/^```[^\n]*\n(.*?)^```/gms)].map((m) => ({ text: m[1] ?? '' }));

/** Each command as words, comments and what follows a pipe or `&&` cut into commands of their own. */
function commandLines(readme: string): string[][] {
  const outside = readme.replaceAll(/^```.*?^```/gms, '');
  const inline = [...outside.matchAll(/`([^`\n]+)`/g)].map((m) => m[1] ?? '');
  const fenced = fencedBlocks(readme)
    .filter((block) => !block.text.startsWith('Usage: '))
    .flatMap((block) => block.text.replaceAll('\\\n', ' ').split('\n'));
  return [...inline, ...fenced]
    .flatMap((line) => line.replace(/(^|\s)#.*$/, '').split(/&&|\||;/))
    .map((line) => line.trim().split(/\s+/))
    .map((words) => words.slice(words.findIndex((w) => !/^(\$|npx|[A-Z_]+=.*)$/.test(w))))
    .filter(([first]) => first === 'npm' || first === 'vpp');
}

function checkNpm(words: readonly string[], scripts: readonly string[]): { problems: string[]; rest: string[] } {
  const [, verb = '', ...more] = words;
  const name = more.find((w) => !w.startsWith('-'));
  const script = verb === 'run' || verb === 'run-script' ? (name ?? '') : verb;
  const known = scripts.includes(script) || (NPM_OWN.includes(verb) && verb !== 'run');
  const problems = known ? [] : [`README says "${words.join(' ')}", but package.json has no script "${script}"`];
  const dashes = words.indexOf('--');
  // `npm run vpp -- run x` and `npm start -- --seed 7` pass the rest on to the program.
  return { problems, rest: script === 'vpp' && dashes > 0 ? ['vpp', ...words.slice(dashes + 1)] : [] };
}

function checkVpp(words: readonly string[], program: Program | null): string[] {
  const said = `README says "${words.join(' ')}"`;
  if (program === null) return [`${said}, but there is no program: harness/cli/program.ts exports no buildProgram()`];
  const options = words.filter((w) => /^--?[a-zA-Z]/.test(w)).map((w) => w.split('=')[0] ?? w);
  const name = words[1];
  if (name === undefined || name.startsWith('-')) return unknownOptions(said, options, program.options);
  if (/^[<[]/.test(name) || name === 'help') return [];
  // Commands of a group are called by two words.
  const isGroup = program.commands.some((c) => c.name.startsWith(`${name} `));
  const wanted = isGroup ? `${name} ${words[2]}` : name;
  if (isGroup && (words[2] === undefined || /^[<[]/.test(words[2]))) return [];
  const command = program.commands.find((c) => c.name === wanted);
  if (command === undefined) return [`${said}, but the program has no command "${wanted}"`];
  return unknownOptions(said, options, [...command.options, ...program.options]);
}

const unknownOptions = (said: string, options: readonly string[], known: readonly string[]): string[] =>
  options.filter((o) => ![...known, ...ALWAYS].includes(o)).map((o) => `${said}, but there is no option "${o}"`);

function checkDocs({ readme, scripts, program }: Docs): string[] {
  const mentioned = new Set<string>();
  const problems: string[] = [];
  for (const words of commandLines(readme)) {
    const npm = words[0] === 'npm' ? checkNpm(words, scripts) : { problems: [], rest: [...words] };
    problems.push(...npm.problems);
    if (npm.rest.length === 0) continue;
    problems.push(...checkVpp(npm.rest, program));
    if (npm.rest[1] !== undefined) mentioned.add(npm.rest[1]).add(`${npm.rest[1]} ${npm.rest[2]}`);
  }
  if (program === null) return problems;
  for (const { name } of program.commands) {
    if (name !== 'help' && !mentioned.has(name))
      problems.push(`the program has a command "${name}", README does not say so`);
  }
  return [...problems, ...checkHelp(readme, program)];
}

function checkHelp(readme: string, program: Program): string[] {
  const texts = [program.help, ...program.commands.map((c) => c.help)].map((text) => text.trim());
  return fencedBlocks(readme)
    .map((block) => block.text.trim())
    .filter((text) => text.startsWith('Usage: ') && !texts.includes(text))
    .map((text) => `the help text in README that begins "${text.split('\n')[0]}" is not what the program prints`);
}

/** The little of commander's Command that is read here. */
interface CommandLike {
  name(): string;
  helpInformation(): string;
  readonly commands: readonly CommandLike[];
  readonly options: readonly { readonly short?: string | undefined; readonly long?: string | undefined }[];
}

const optionsOf = (command: CommandLike): string[] =>
  command.options.flatMap((o) => [o.short, o.long].filter((x) => x !== undefined));

async function loadProgram(): Promise<Program | null> {
  const path = 'harness/cli/program.ts';
  if (!existsSync(join(ROOT, path))) return null;
  const loaded: { buildProgram?: () => CommandLike } = await import(/* @vite-ignore */ `../../${path}`);
  const program = loaded.buildProgram?.();
  if (program === undefined) return null;
  return {
    options: optionsOf(program),
    help: program.helpInformation(),
    commands: program.commands.flatMap((c) => leaves(c, '')),
  };
}

/** A command, or the commands of a group: "dnp3 decode". */
function leaves(command: CommandLike, group: string): Program['commands'][number][] {
  const name = `${group}${command.name()}`;
  if (command.commands.length > 0) return command.commands.flatMap((c) => leaves(c, `${name} `));
  return [{ name, options: optionsOf(command), help: command.helpInformation() }];
}

const README = join(ROOT, 'README.md');

describe('the README', () => {
  test.skipIf(!existsSync(README))('says only commands that exist, and all of them (needs README.md)', async () => {
    const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
      scripts: Record<string, string>;
    };
    const readme = readFileSync(README, 'utf8');
    expect(commandLines(readme).length).toBeGreaterThan(0);
    expect(checkDocs({ readme, scripts: Object.keys(scripts), program: await loadProgram() })).toEqual([]);
  });
});

describe('the check of the README', () => {
  const program: Program = {
    options: ['-V', '--version', '--json'],
    help: 'Usage: vpp [options]\n\nCommands:\n  run\n',
    commands: [
      { name: 'run', options: ['--seed'], help: 'Usage: vpp run <scenario>\n' },
      { name: 'explain', options: [], help: 'Usage: vpp explain\n' },
      { name: 'wire decode', options: ['--hex'], help: 'Usage: vpp wire decode\n' },
    ],
  };
  const good =
    '# x\n\n`vpp explain`, `vpp wire decode <file>`\n\n```sh\n$ npx vpp run heat --seed 7 --json # all of it\n```\n';
  const docs = (readme: string, with_: Partial<Docs> = {}): string =>
    checkDocs({ readme, scripts: ['test', 'start', 'vpp'], program, ...with_ }).join('\n');

  test('passes what is right', () => {
    const more =
      '\n```sh\nnpm ci && npm test\nVPP_SEED=1 npm start -- --seed 7\nnpm run vpp -- run x \\\n  --seed 7\nvpp --version\n```\n';
    expect(docs(good + more)).toBe('');
    expect(docs(`${good}\n\`\`\`text\nUsage: vpp run <scenario>\n\`\`\`\n`)).toBe('');
  });

  test.each([
    ['an npm script that is not there', `${good}\`npm run bench\`\n`, /no script "bench"/],
    [
      'an npm script that is not there, in a block',
      `${good}\n\`\`\`sh\nnpm ci && npm run bench\n\`\`\`\n`,
      /no script "bench"/,
    ],
    ['npm run without a name', `${good}\`npm run\`\n`, /no script ""/],
    ['a command that is not there', `${good}\`vpp replay log.jsonl\`\n`, /no command "replay"/],
    ['a command that is not there, behind npm run', `${good}\`npm run vpp -- replay\`\n`, /no command "replay"/],
    ['a command of a group that is not there', `${good}\`vpp wire encode x\`\n`, /no command "wire encode"/],
    ['an option of a command of a group', `${good}\`vpp wire decode --hax x\`\n`, /no option "--hax"/],
    ['a command of a group left out', good.replace('vpp wire decode', 'nothing'), /command "wire decode", README does/],
    ['an option that is not there', `${good}\`vpp run heat --sede=7\`\n`, /no option "--sede"/],
    ['an option on the next line', `${good}\n\`\`\`\nvpp run heat \\\n  --fast\n\`\`\`\n`, /no option "--fast"/],
    ['an option of the program that is not there', `${good}\`vpp --verbose\`\n`, /no option "--verbose"/],
    ['a command left out', good.replace('vpp explain', 'nothing'), /command "explain", README does not say so/],
    [
      'an old help text',
      `${good}\n\`\`\`\nUsage: vpp [options]\n\nCommands:\n  run\n  walk\n\`\`\`\n`,
      /not what the program prints/,
    ],
  ])('rejects %s', (_name, readme, message) => {
    expect(docs(readme)).toMatch(message);
  });

  test('rejects commands of a program that cannot be built', () => {
    expect(docs(good, { program: null })).toMatch(/there is no program/);
  });
});

describe('docs/promises.md', () => {
  const text = readFileSync(join(ROOT, 'docs/promises.md'), 'utf8');
  const rows = text.split('\n').filter((line) => /^\| S\d/.test(line));
  const filesOf = (row: string): string[] =>
    [...row.matchAll(/`((?:src|test|simulators)\/[^`]+)`/g)].map((m) => m[1] ?? '');

  test('names only files that exist', () => {
    const missing = rows.flatMap(filesOf).filter((file) => !existsSync(join(ROOT, file)));
    expect(missing).toEqual([]);
  });

  test('has a test for every promise', () => {
    const without = rows.filter((row) => !filesOf(row).some((file) => file.startsWith('test/')));
    expect(rows.length).toBeGreaterThan(20);
    expect(without).toEqual([]);
  });
});
