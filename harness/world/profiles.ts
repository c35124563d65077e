import type { HomeGroup, Scenario } from '../../scenarios/schema.ts';
import { endMsOf, startMsOf } from '../../scenarios/times.ts';
import type { HomeProfiles } from '../../simulators/battery/home.ts';
import { HOME_LOAD, loadDrivers, loadProfile } from '../../simulators/site/load.ts';
import { pvUnitProfile } from '../../simulators/site/pv.ts';
import type { SiteWeather } from '../../simulators/site/siteWeather.ts';
import { invariant } from '../../src/domain/errors.ts';
import { MS_PER_MIN } from '../../src/domain/units.ts';
import type { RandomSource } from '../../src/ports/random.ts';
import { LOAD_SHAPES } from './homes.ts';
import { historyStartOf } from './inputs.ts';

/** Load and PV of all homes: shapes shared by the homes of a group, per minute for the run, per step for the history. */
export interface Profiles {
  readonly run: HomeProfiles;
  readonly history: HomeProfiles;
  readonly historyStepMs: number;
  /** Factor that makes the mean home of a group use its dailyKwh. */
  readonly groupScale: ReadonlyMap<string, number>;
  /** First row of a group's shapes. */
  readonly firstRow: ReadonlyMap<string, number>;
}

/** PV of every home has the same orientation: one row. */
export const PV_ROW = 0;

export function makeProfiles(request: {
  readonly scenario: Scenario;
  readonly weather: SiteWeather;
  readonly random: RandomSource;
  readonly historyStepMs: number;
}): Profiles {
  const { scenario, weather, random, historyStepMs } = request;
  const fromMs = historyStartOf(scenario);
  const startMs = startMsOf(scenario);
  const minutes = Math.ceil((endMsOf(scenario) - fromMs) / MS_PER_MIN);
  const before = (startMs - fromMs) / MS_PER_MIN;
  const load: Int32Array[] = [];
  const groupScale = new Map<string, number>();
  const firstRow = new Map<string, number>();
  for (const group of scenario.fleet.homes) {
    const rows = shapesOf(group, { scenario, weather, random, startMs: fromMs, minutes });
    firstRow.set(group.group, load.length);
    groupScale.set(group.group, scaleFor(group, rows));
    load.push(...rows);
  }
  const pv = load.length === 0 ? [] : [pvUnitProfile({ weather, startMs: fromMs, minutes })];
  const perStep = historyStepMs / MS_PER_MIN;
  invariant(Number.isInteger(before / perStep), 'the history is a whole number of meter intervals');
  return {
    run: { load: load.map((row) => row.subarray(before)), pv: pv.map((row) => row.subarray(before)) },
    history: { load: load.map((r) => means(r, before, perStep)), pv: pv.map((r) => means(r, before, perStep)) },
    historyStepMs,
    groupScale,
    firstRow,
  };
}

function shapesOf(
  group: HomeGroup,
  at: { scenario: Scenario; weather: SiteWeather; random: RandomSource; startMs: number; minutes: number },
): Int32Array[] {
  const { startMs, minutes, scenario, weather, random } = at;
  const model = { ...HOME_LOAD, eveningHour: group.load.peakHour + 0.5 };
  const drivers = loadDrivers({
    startMs,
    minutes,
    timeZone: scenario.timeZone,
    temperatureC: weather.temperatureC,
    model,
  });
  return Array.from({ length: LOAD_SHAPES }, (_, k) =>
    loadProfile({ drivers, rng: random(`load/${group.group}/${k}`) }),
  );
}

function scaleFor(group: HomeGroup, rows: readonly Int32Array[]): number {
  const minutes = rows[0]?.length ?? 1;
  const meanW = rows.reduce((sum, r) => sum + r.reduce((a, b) => a + b, 0), 0) / (rows.length * minutes);
  return meanW === 0 ? 0 : (group.load.dailyKwh * 1000) / 24 / meanW;
}

/** Means over steps of the first `count` minutes. */
function means(row: Int32Array | Float64Array, count: number, perStep: number): Float64Array {
  return Float64Array.from({ length: count / perStep }, (_, k) => {
    let sum = 0;
    for (let m = 0; m < perStep; m++) sum += row[k * perStep + m] ?? 0;
    return sum / perStep;
  });
}
