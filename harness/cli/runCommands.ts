import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { z } from 'zod';
import { measure } from '../../reports/measures.ts';
import type { RunMeasures } from '../../reports/measureTypes.ts';
import { summaryOf } from '../../reports/summary.ts';
import { summaryTable } from '../../reports/table.ts';
import { verdictOf } from '../../reports/verdict.ts';
import { writeReport } from '../../reports/write.ts';
import type { Scenario } from '../../scenarios/schema.ts';
import { inputError, show } from '../../src/domain/errors.ts';
import { localClock, localDate } from '../../src/domain/time.ts';
import type { LogRecord } from '../../src/ports/records.ts';
import { checkExpectations } from '../checks/check.ts';
import { applyOverrides, type Overrides, overrideWords, withAbsolutePaths } from '../overrides.ts';
import { type ReplayFile, type RunResult, runInfo, runToFolder, simulate } from '../run.ts';
import { createCapture } from './capture.ts';
import type { CliIo, GlobalOptions } from './io.ts';
import { progressLine } from './progress.ts';
import { findScenario, readKept } from './scenarioFile.ts';

export interface RunFlags extends GlobalOptions, Overrides {
  readonly data?: string;
  readonly out: string;
  readonly pcap?: boolean;
}

/** Runs scenarios one after another. Exit code 1 as soon as one expectation of severity "fail" did not hold. */
export async function runCommand(io: CliIo, names: readonly string[], flags: RunFlags): Promise<number> {
  let code = 0;
  const summaries: unknown[] = [];
  for (const name of names) {
    const one = await runOne(io, name, flags);
    summaries.push(one.summary);
    if (!one.passed) code = 1;
  }
  if (flags.json === true) io.out(`${JSON.stringify(names.length === 1 ? summaries[0] : summaries, null, 2)}\n`);
  return code;
}

async function runOne(io: CliIo, word: string, flags: RunFlags): Promise<{ passed: boolean; summary: unknown }> {
  const found = await findScenario(word, io.cwd);
  const overrides = overridesOf(flags);
  const scenario = applyOverrides(found.scenario, overrides, (p) => resolve(io.cwd, p));
  const dataDir = flags.data === undefined ? found.dataDir : resolve(io.cwd, flags.data);
  const dir = resolve(io.cwd, flags.out, `${scenario.name}-${scenario.seed}`);
  const replayCommand = replayWords(found.word, scenario, { ...overrides, seed: scenario.seed }, flags);
  say(io, flags, `${scenario.name}: ${scenario.title}\nseed ${scenario.seed}, replay: ${replayCommand}\n`);
  const capture = flags.pcap === true ? createCapture() : null;
  const progress = progressLine(io, flags.quiet === true);
  const began = io.nowMs();
  const { result, run, files } = await runToFolder({
    scenario,
    base: found.scenario,
    overrides: withAbsolutePaths(overrides, (p) => resolve(io.cwd, p)),
    dataDir,
    dir,
    replayCommand,
    onProgress: progress.update,
    ...(capture === null ? {} : { tapOf: capture.tapOf }),
  });
  progress.end();
  const captures = capture === null ? [] : capture.write(dir);
  const { measures, expectations } = result;
  if (flags.json !== true) {
    io.out(summaryTable({ run, measures, expectations, color: io.color }));
    io.out(dispatchedHours(measures));
    io.out(`  report: ${relative(io.cwd, join(dir, 'report.html'))}\n`);
    for (const f of [...files.filter((p) => p.endsWith('.png')), ...captures]) io.out(`  ${relative(io.cwd, f)}\n`);
  }
  const seconds = ((io.nowMs() - began) / 1000).toFixed(1);
  tellNotes(io, flags, result);
  say(io, flags, `${result.records.length} records, ${result.executed} events of the kernel, ${seconds} s\n`);
  return { passed: result.verdict.passed, summary: summaryOf({ run, measures, expectations }) };
}

const overridesOf = (f: RunFlags): Overrides =>
  Object.fromEntries(
    (['seed', 'date', 'prices', 'node', 'weather', 'alerts'] as const).flatMap((k) =>
      f[k] === undefined ? [] : [[k, f[k]]],
    ),
  );

function replayWords(word: string, scenario: Scenario, overrides: Overrides, flags: RunFlags): string {
  const data = flags.data === undefined ? [] : ['--data', flags.data];
  return ['npm run -s vpp -- run', word, ...overrideWords({ ...overrides, seed: scenario.seed }), ...data].join(' ');
}

const NOTES_SHOWN = 5;

function tellNotes(io: CliIo, flags: GlobalOptions, result: RunResult): void {
  for (const n of result.notes.slice(0, NOTES_SHOWN)) say(io, flags, `note: ${n.source}: ${n.what}\n`);
  const more = result.notes.length - NOTES_SHOWN;
  if (more > 0) say(io, flags, `note: ${more} more\n`);
}

function say(io: CliIo, flags: GlobalOptions, text: string): void {
  if (flags.quiet !== true) io.err(text);
}

/** The hours that were dispatched, with the price that called them. */
export function dispatchedHours(m: RunMeasures): string {
  const { timeZone } = m.run;
  const lines = m.events.flatMap((e) => hoursOf(e.intervals, timeZone));
  return lines.length === 0 ? '' : `  Dispatched hours\n${lines.join('\n')}\n\n`;
}

function hoursOf(intervals: RunMeasures['events'][number]['intervals'], timeZone: string): string[] {
  const hours = new Map<string, { price: number | null; targetWh: number; deliveredWh: number }>();
  for (const i of intervals) {
    if (i.targetWh === 0) continue;
    const hour = Number(localClock(i.startMs, timeZone).slice(0, 2));
    const key = `${localDate(i.startMs, timeZone)} HE${String(hour + 1).padStart(2, '0')}`;
    const h = hours.get(key) ?? { price: i.priceUsdPerMwh, targetWh: 0, deliveredWh: 0 };
    hours.set(key, { price: h.price, targetWh: h.targetWh + i.targetWh, deliveredWh: h.deliveredWh + i.deliveredWh });
  }
  return [...hours].map(([key, h]) => {
    const price = h.price === null ? 'no price' : `${h.price.toFixed(2)} $/MWh`;
    const kwh = (wh: number) => `${(wh / 1000).toFixed(1)} kWh`;
    return `    ${key}  ${price.padStart(14)}   requested ${kwh(h.targetWh)}, delivered ${kwh(h.deliveredWh)}`;
  });
}

/** Runs again what a folder holds; the same seed and build must give the same log. */
export async function replayCommand(io: CliIo, folder: string, flags: GlobalOptions): Promise<number> {
  const dir = resolve(io.cwd, folder);
  const replay = readReplay(join(dir, 'replay.json'), `${folder}/replay.json`);
  const base = readKept(join(dir, 'scenario.json'), `${folder}/scenario.json`);
  const kept = hashOf(logBytes(dir, folder));
  const scenario = applyOverrides(base, replay.overrides, (p) => resolve(io.cwd, p));
  const progress = progressLine(io, flags.quiet === true);
  const result = simulate({ scenario, dataDir: replay.dataDir, onProgress: progress.update });
  progress.end();
  const same = result.hash === kept;
  const data = { scenario: scenario.name, seed: scenario.seed, kept, replayed: result.hash, same };
  if (flags.json === true) io.out(`${JSON.stringify(data, null, 2)}\n`);
  else {
    const run = runInfo(result, replay.replayCommand);
    io.out(summaryTable({ run, measures: result.measures, expectations: result.expectations, color: io.color }));
    io.out(`  log kept      ${kept}\n  log replayed  ${result.hash}\n  ${same ? 'the same' : 'NOT THE SAME'}\n`);
  }
  return same && result.verdict.passed ? 0 : 1;
}

const replayFile = z.strictObject({
  overrides: z.strictObject({
    seed: z.exactOptional(z.string()),
    date: z.exactOptional(z.string()),
    prices: z.exactOptional(z.string()),
    node: z.exactOptional(z.string()),
    weather: z.exactOptional(z.string()),
    alerts: z.exactOptional(z.string()),
  }),
  dataDir: z.string(),
  replayCommand: z.string(),
});

function readReplay(path: string, shownAs: string): ReplayFile {
  const wrong = (place: string, value: string, expected: string) =>
    inputError({ source: shownAs, place, value, expected });
  if (!existsSync(path)) throw wrong('whole file', 'no such file', 'a run folder, made by vpp run');
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(path, 'utf8'));
  } catch (e) {
    throw wrong('whole file', show(String(e)), 'JSON');
  }
  const read = replayFile.safeParse(value);
  if (read.success) return read.data;
  const [issue] = read.error.issues;
  throw wrong(issue?.path.join('.') || 'whole file', show(value), `the replay.json of a run (${issue?.message})`);
}

function logBytes(dir: string, folder: string): Uint8Array {
  const path = join(dir, 'log.jsonl');
  if (existsSync(path)) return readFileSync(path);
  throw inputError({
    source: `${folder}/log.jsonl`,
    place: 'whole file',
    value: 'no such file',
    expected: 'the log of a run',
  });
}

/** Of the octets as they stand, so that any change shows. */
const hashOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

const recordsOf = (bytes: Uint8Array, folder: string): LogRecord[] =>
  new TextDecoder()
    .decode(bytes)
    .split('\n')
    .flatMap((line, i) => (line === '' ? [] : [parseLine(line, i + 1, folder)]));

function parseLine(line: string, row: number, folder: string): LogRecord {
  try {
    return JSON.parse(line) as LogRecord;
  } catch {
    throw inputError({
      source: `${folder}/log.jsonl`,
      place: `line ${row}`,
      value: show(line),
      expected: 'a JSON record',
    });
  }
}

/** Makes the report anew from the log alone. */
export async function reportCommand(io: CliIo, folder: string, flags: GlobalOptions): Promise<number> {
  const dir = resolve(io.cwd, folder);
  const base = readKept(join(dir, 'scenario.json'), `${folder}/scenario.json`);
  const replay = readReplay(join(dir, 'replay.json'), `${folder}/replay.json`);
  const bytes = logBytes(dir, folder);
  const records = recordsOf(bytes, folder);
  const scenario = applyOverrides(base, replay.overrides, (p) => resolve(io.cwd, p));
  const measures = measure(records);
  const expectations = checkExpectations({ scenario, records, measures });
  const { name, title, seed } = scenario;
  const run = {
    scenario: name,
    title,
    seed,
    version: measures.run.version,
    hash: hashOf(bytes),
    replayCommand: replay.replayCommand,
  };
  const files = await writeReport({ dir, records, measures, expectations, run });
  if (flags.json === true) io.out(`${JSON.stringify(summaryOf({ run, measures, expectations }), null, 2)}\n`);
  else for (const f of files) io.out(`${relative(io.cwd, f)}\n`);
  return verdictOf(expectations).passed ? 0 : 1;
}
