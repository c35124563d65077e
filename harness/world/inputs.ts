import { readFileSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { gunzipSync } from 'node:zlib';
import type { Scenario } from '../../scenarios/schema.ts';
import { endMsOf, startMsOf } from '../../scenarios/times.ts';
import type { Visit } from '../../simulators/appliance/visits.ts';
import { readAlerts } from '../../simulators/feeds/alerts.ts';
import { weatherBetween } from '../../simulators/feeds/typicalYear.ts';
import { readWeather } from '../../simulators/feeds/weather.ts';
import type { SiteWeather } from '../../simulators/site/siteWeather.ts';
import { bridgeWeather, syntheticWeather } from '../../simulators/site/weather.ts';
import { inputError, show } from '../../src/domain/errors.ts';
import { startOfLocalDay } from '../../src/domain/time.ts';
import { type EpochMs, MS_PER_HOUR } from '../../src/domain/units.ts';
import type { RandomSource } from '../../src/ports/random.ts';
import type { Series, WeatherAlert } from '../../src/ports/series.ts';
import { readMetered } from './metered.ts';
import { pricesOf } from './series.ts';
import { sessionsOf } from './sessions.ts';
import type { Note, TextFile } from './textFile.ts';

/** What drives a run from outside: prices, weather, alerts; from files where the scenario names some, else from the seed. */
export interface WorldInputs {
  readonly dayAhead: Series;
  readonly realTime: Series | null;
  /** From the first day of the meter history to the end of the run. */
  readonly weather: SiteWeather;
  /** Alerts read from files; those of the timeline come on top. */
  readonly alerts: readonly WeatherAlert[];
  /** Metered load [W] and generation [W] by group of homes, where the scenario names files. */
  readonly metered: ReadonlyMap<
    string,
    { readonly load: readonly Series[] | undefined; readonly pv: readonly Series[] | undefined }
  >;
  /** Stays of the cars by group of homes and position of the home, where the scenario names a file. */
  readonly sessions: ReadonlyMap<string, readonly (readonly Visit[])[]>;
  readonly notes: readonly Note[];
}

/** Days of meter history before the run: ten similar days for a baseline need at most sixteen, with one event day. */
export const HISTORY_DAYS = 16;
/** Longest hole in a weather file that is bridged by a straight line. */
const WEATHER_BRIDGE_HOURS_MAX = 3;
const FILE_BYTES_MAX = 64 * 1024 * 1024;

export const historyStartOf = (scenario: Scenario): EpochMs =>
  startOfLocalDay(startMsOf(scenario), scenario.timeZone, -HISTORY_DAYS);

/** @throws InputError naming the file and the place when one cannot be read or does not cover the run */
export function loadInputs(request: {
  readonly scenario: Scenario;
  readonly random: RandomSource;
  /** Folder that the scenario's own paths are under. */
  readonly dataDir: string;
}): WorldInputs {
  const { scenario, random, dataDir } = request;
  const notes: Note[] = [];
  const span = { startMs: startMsOf(scenario), endMs: endMsOf(scenario) };
  const readText = (path: string) => readTextFile(resolve(dataDir, path), basename(path));
  const prices = { scenario, span, random, readText, note: (n: Note) => void notes.push(n) };
  const { dayAhead, realTime } = scenario.market;
  return {
    dayAhead: pricesOf({ ...prices, source: dayAhead, market: 'day-ahead' }),
    realTime: realTime.kind === 'none' ? null : pricesOf({ ...prices, source: realTime, market: 'real-time' }),
    weather: weatherOf(request, { startMs: historyStartOf(scenario), endMs: span.endMs }, readText, notes),
    sessions: sessionsOf({ scenario, historyDays: HISTORY_DAYS, readText, note: (n) => void notes.push(n) }),
    metered: meteredOf(scenario, readText, (n) => void notes.push(n)),
    alerts: scenario.alertFiles.flatMap((path) => alertsOf(readText(path), span.startMs, notes)),
    notes,
  };
}

function meteredOf(
  scenario: Scenario,
  readText: (path: string) => TextFile,
  note: (n: Note) => void,
): WorldInputs['metered'] {
  return new Map(
    scenario.fleet.homes.map(({ group, loadFile, pvFile }) => {
      const read = (file: typeof loadFile) =>
        file === undefined ? undefined : readMetered({ scenario, file, readText, note });
      return [group, { load: read(loadFile), pv: read(pvFile) }];
    }),
  );
}

function weatherOf(
  request: { readonly scenario: Scenario; readonly random: RandomSource },
  span: { readonly startMs: EpochMs; readonly endMs: EpochMs },
  readText: (path: string) => TextFile,
  notes: Note[],
): SiteWeather {
  const { scenario, random } = request;
  const { weather } = scenario;
  if (weather.kind === 'synthetic') {
    return syntheticWeather({
      latitudeDeg: weather.latitudeDeg,
      longitudeDeg: weather.longitudeDeg,
      startMs: span.startMs,
      hours: Math.ceil((span.endMs - span.startMs) / MS_PER_HOUR),
      lowC: weather.temperatureMinC,
      highC: weather.temperatureMaxC,
      cloudiness: weather.cloudRatio,
      random,
    });
  }
  const { text, source } = readText(weather.path);
  const year = readWeather({ text, source });
  for (const n of year.notes) notes.push({ source, what: `row ${n.row}: ${n.what}` });
  const { weather: bridged, filled } = bridgeWeather(weatherBetween(year, span), WEATHER_BRIDGE_HOURS_MAX);
  if (filled > 0) notes.push({ source, what: `${filled} missing values bridged by straight lines` });
  return bridged;
}

function alertsOf({ text, source }: TextFile, anchorMs: EpochMs, notes: Note[]): WeatherAlert[] {
  const read = readAlerts({ text, source, anchorMs });
  for (const n of read.notes) notes.push({ source, what: `alert ${n.row}: ${n.what}` });
  return [...read.alerts];
}

/**
 * Reads a text file, gunzipped when it is gzip.
 * @throws InputError when it does not exist, is a folder, is too large, or is no UTF-8
 */
export function readTextFile(path: string, shownAs: string): TextFile {
  const bytes = readBytes(path, shownAs);
  try {
    const plain =
      bytes[0] === 0x1f && bytes[1] === 0x8b ? gunzipSync(bytes, { maxOutputLength: FILE_BYTES_MAX }) : bytes;
    return { text: new TextDecoder('utf-8', { fatal: true }).decode(plain), source: shownAs };
  } catch (e) {
    const value = e instanceof Error ? e.message : String(e);
    throw inputError({
      source: shownAs,
      place: 'whole file',
      value: show(value),
      expected: 'UTF-8 text, plain or gzipped, at most 64 MB',
    });
  }
}

function readBytes(path: string, shownAs: string): Uint8Array {
  try {
    const bytes = readFileSync(path);
    if (bytes.length <= FILE_BYTES_MAX) return bytes;
    throw inputError({
      source: shownAs,
      place: 'whole file',
      value: `${bytes.length} bytes`,
      expected: 'at most 64 MB',
    });
  } catch (e) {
    const code = e instanceof Error && 'code' in e ? String(e.code) : '';
    if (code === '') throw e;
    const value = code === 'ENOENT' ? 'no such file' : code;
    throw inputError({ source: shownAs, place: 'whole file', value, expected: 'a file that can be read' });
  }
}
