import { closeSync, existsSync, mkdirSync, openSync, readdirSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { measure } from '../reports/measures.ts';
import type { RunMeasures } from '../reports/measureTypes.ts';
import { type ExpectationResult, type RunInfo, type Verdict, verdictOf } from '../reports/verdict.ts';
import { writeReport } from '../reports/write.ts';
import type { Scenario } from '../scenarios/schema.ts';
import { durationMs, endMsOf, instantAt, startMsOf } from '../scenarios/times.ts';
import { inputError, show } from '../src/domain/errors.ts';
import type { EpochMs } from '../src/domain/units.ts';
import type { LogRecord, MeterInterval } from '../src/ports/records.ts';
import { checkExpectations } from './checks/check.ts';
import { RunLog } from './kernel/log.ts';
import { randomSource } from './kernel/random.ts';
import type { Overrides } from './overrides.ts';
import { VERSION } from './version.ts';
import type { Segment } from './wire/pipe.ts';
import { loadInputs, type WorldInputs } from './world/inputs.ts';
import type { Note } from './world/textFile.ts';
import { prepare, runWorld } from './world/world.ts';

/** One run of a scenario: two worlds, one log, measures, a verdict. */
export interface RunOptions {
  readonly scenario: Scenario;
  /** Folder that the scenario's own paths are under. */
  readonly dataDir: string;
  readonly onProgress?: (share: number, atMs: EpochMs) => void;
  /** Takes each line of the log as it is made. */
  readonly onLine?: (line: string) => void;
  /** A tap beside the DNP3 link of a site, for a capture. */
  readonly tapOf?: (siteId: string) => (segment: Segment) => void;
}

export interface RunResult {
  readonly scenario: Scenario;
  readonly records: readonly LogRecord[];
  readonly hash: string;
  readonly measures: RunMeasures;
  readonly expectations: readonly ExpectationResult[];
  readonly verdict: Verdict;
  readonly notes: readonly Note[];
  /** Callbacks of the kernel in both worlds. */
  readonly executed: number;
}

/** How long after an event its rebound is compared with the world without it. */
const SNAPBACK_MS = 2 * 3_600_000;
/** The world without events is quick: its share of the progress. */
const MAIN_SHARE = 0.7;

/**
 * @throws InputError before anything is simulated when an input file cannot be read or does not cover the run
 */
export function simulate(options: RunOptions): RunResult {
  return simulateWith(options, load(options));
}

/** Reads and checks all input of a run; nothing is simulated or written. */
export function load({ scenario, dataDir }: RunOptions): WorldInputs {
  return loadInputs({ scenario, dataDir, random: randomSource(scenario.seed) });
}

export function simulateWith(options: RunOptions, inputs: WorldInputs): RunResult {
  const { scenario, onLine, onProgress, tapOf } = options;
  const random = () => randomSource(scenario.seed);
  const profiles = prepare({ scenario, inputs, random: random() });
  const records: LogRecord[] = [];
  const log = new RunLog(onLine);
  const record = (r: LogRecord): void => {
    records.push(r);
    log.write(r);
  };
  record(startRecord(scenario));
  const share = (from: number, width: number) =>
    onProgress === undefined ? {} : { onProgress: (t: EpochMs) => onProgress(from + width * done(scenario, t), t) };
  const taps = tapOf === undefined ? {} : { tapOf };
  const main = runWorld({
    scenario,
    inputs,
    profiles,
    random: random(),
    events: true,
    record,
    ...taps,
    ...share(0, MAIN_SHARE),
  });
  const spans = [...eventSpans(records, durationMs(scenario.meterInterval)), ...settingSpans(scenario)];
  const without: MeterInterval[] = [];
  const twin =
    spans.length === 0
      ? null
      : runWorld({
          scenario,
          inputs,
          profiles,
          random: random(),
          events: false,
          record: () => {},
          onMeter: (m) => void (touches(spans, m) && without.push(m)),
          ...share(MAIN_SHARE, 1 - MAIN_SHARE),
        });
  for (const m of without) record(counterfactual(m, endMsOf(scenario)));
  record({ atMs: endMsOf(scenario), kind: 'run-ended', virtualMs: endMsOf(scenario) - startMsOf(scenario) });
  const measures = measure(records);
  const expectations = checkExpectations({ scenario, records, measures });
  return {
    scenario,
    records,
    hash: log.hash(),
    measures,
    expectations,
    verdict: verdictOf(expectations),
    notes: inputs.notes,
    executed: main.executed + (twin?.executed ?? 0),
  };
}

const done = (scenario: Scenario, atMs: EpochMs): number =>
  (atMs - startMsOf(scenario)) / (endMsOf(scenario) - startMsOf(scenario));

function startRecord(scenario: Scenario): LogRecord {
  const startMs = startMsOf(scenario);
  return {
    atMs: startMs,
    kind: 'run-started',
    scenario: scenario.name,
    title: scenario.title,
    seed: scenario.seed,
    startMs,
    endMs: endMsOf(scenario),
    timeZone: scenario.timeZone,
    meterIntervalMs: durationMs(scenario.meterInterval),
    version: VERSION,
  };
}

interface Span {
  readonly startMs: EpochMs;
  readonly endMs: EpochMs;
}

/** Times for which the world without events is compared: each event and the rebound after it. */
function eventSpans(records: readonly LogRecord[], intervalMs: number): Span[] {
  return records.flatMap((r) => {
    if (r.kind !== 'fact' || r.fact.type !== 'event.offered') return [];
    const { intervals } = r.fact.event;
    const startMs = (intervals[0]?.startMs ?? 0) - intervalMs;
    return [{ startMs, endMs: (intervals[intervals.length - 1]?.endMs ?? 0) + SNAPBACK_MS }];
  });
}

/** Settings of appliances are left out of that world too: from a setting to the rebound after it, or to the end. */
function settingSpans(scenario: Scenario): Span[] {
  const intervalMs = durationMs(scenario.meterInterval);
  return scenario.timeline.flatMap((step) => {
    if (step.kind !== 'set') return [];
    const startMs = instantAt(scenario, step.at, 'at');
    const endMs = step.duration === undefined ? endMsOf(scenario) : startMs + durationMs(step.duration) + SNAPBACK_MS;
    return [{ startMs: startMs - intervalMs, endMs }];
  });
}

const touches = (spans: readonly Span[], m: MeterInterval): boolean =>
  spans.some((s) => s.startMs < m.endMs && m.startMs < s.endMs);

function counterfactual(m: MeterInterval, atMs: EpochMs): LogRecord {
  const { siteId, startMs, endMs, importMj, exportMj, chargeMj, dischargeMj, evMj, hvacMj } = m;
  const same = { siteId, startMs, endMs, importMj, exportMj, chargeMj, dischargeMj };
  if (evMj === undefined || hvacMj === undefined) return { atMs, kind: 'counterfactual', ...same };
  return { atMs, kind: 'counterfactual', ...same, evMj, hvacMj };
}

/** Collects log lines and writes them in blocks. */
class LogFile {
  readonly #fd: number;
  #lines: string[] = [];

  constructor(path: string) {
    this.#fd = openSync(path, 'w');
  }

  add(line: string): void {
    this.#lines.push(line);
    if (this.#lines.length >= 5000) this.#flush();
  }

  close(): void {
    this.#flush();
    closeSync(this.#fd);
  }

  #flush(): void {
    if (this.#lines.length > 0) writeSync(this.#fd, `${this.#lines.join('\n')}\n`);
    this.#lines = [];
  }
}

export interface RunToFolder extends RunOptions {
  readonly dir: string;
  readonly replayCommand: string;
  /** The scenario before overrides, the overrides and the data folder: what a replay starts from. */
  readonly base: Scenario;
  readonly overrides: Overrides;
}

/** The part of a run folder that says how to run it again. Paths in it are those of the machine it was made on. */
export interface ReplayFile {
  readonly overrides: Overrides;
  readonly dataDir: string;
  readonly replayCommand: string;
}

/** What every run folder holds: a folder with other things in it is somebody's and is left alone. */
const MARK = 'log.jsonl';

function emptyFolder(dir: string): void {
  if (existsSync(dir) && readdirSync(dir).length > 0 && !existsSync(join(dir, MARK))) {
    throw inputError({
      source: dir,
      place: 'run folder',
      value: 'other files',
      expected: 'an empty folder, or one of an earlier run',
    });
  }
  try {
    rmSync(dir, { recursive: true, force: true });
    mkdirSync(dir, { recursive: true });
  } catch (e) {
    const value = e instanceof Error && 'code' in e ? String(e.code) : show(String(e));
    throw inputError({ source: dir, place: 'run folder', value, expected: 'a folder that can be made and written' });
  }
}

/**
 * Runs and leaves the run folder: log, scenario, summary, charts, report. Input is read and checked first, so a run that
 * cannot start leaves no folder.
 */
export async function runToFolder(
  options: RunToFolder,
): Promise<{ result: RunResult; run: RunInfo; files: readonly string[] }> {
  const inputs = load(options);
  const { dir } = options;
  emptyFolder(dir);
  const file = new LogFile(join(dir, MARK));
  const result = simulateWith({ ...options, onLine: (line) => file.add(line) }, inputs);
  file.close();
  const replay: ReplayFile = {
    overrides: options.overrides,
    dataDir: options.dataDir,
    replayCommand: options.replayCommand,
  };
  writeFileSync(join(dir, 'scenario.json'), `${JSON.stringify(options.base, null, 2)}\n`);
  writeFileSync(join(dir, 'replay.json'), `${JSON.stringify(replay, null, 2)}\n`);
  const run = runInfo(result, options.replayCommand);
  const { records, measures, expectations } = result;
  const files = await writeReport({ dir, records, measures, expectations, run });
  return { result, run, files };
}

export const runInfo = (r: RunResult, replayCommand: string): RunInfo => ({
  scenario: r.scenario.name,
  title: r.scenario.title,
  seed: r.scenario.seed,
  version: VERSION,
  hash: r.hash,
  replayCommand,
});
