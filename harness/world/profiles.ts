import type { HomeGroup, Scenario } from '../../scenarios/schema.ts';
import { endMsOf, startMsOf } from '../../scenarios/times.ts';
import type { HomeProfiles } from '../../simulators/battery/home.ts';
import { HOME_LOAD, loadDrivers, loadProfile } from '../../simulators/site/load.ts';
import { pvUnitProfile } from '../../simulators/site/pv.ts';
import { invariant } from '../../src/domain/errors.ts';
import { type EpochMs, MS_PER_MIN } from '../../src/domain/units.ts';
import type { RandomSource } from '../../src/ports/random.ts';
import { LOAD_SHAPES } from './homes.ts';
import { historyStartOf, type WorldInputs } from './inputs.ts';
import { perMinute } from './metered.ts';

/** Load and PV of all homes: shapes shared by the homes of a group, per minute for the run, per step for the history. */
export interface Profiles {
  readonly run: HomeProfiles;
  readonly history: HomeProfiles;
  readonly historyStepMs: number;
  readonly groups: ReadonlyMap<string, GroupProfiles>;
}

/** Where a group's rows are in the profiles. */
export interface GroupProfiles {
  readonly firstLoadRow: number;
  readonly loadRows: number;
  readonly pvRow: number;
  /** Factor that makes the mean home of the group use its dailyKwh. */
  readonly loadScale: number;
}

interface Span {
  readonly startMs: EpochMs;
  readonly minutes: number;
}

export function makeProfiles(request: {
  readonly scenario: Scenario;
  readonly inputs: WorldInputs;
  readonly random: RandomSource;
  readonly historyStepMs: number;
}): Profiles {
  const { scenario, inputs, historyStepMs } = request;
  const fromMs = historyStartOf(scenario);
  const before = (startMsOf(scenario) - fromMs) / MS_PER_MIN;
  const span = { startMs: fromMs, minutes: Math.ceil((endMsOf(scenario) - fromMs) / MS_PER_MIN) };
  const load: (Int32Array | Float64Array)[] = [];
  const { homes } = scenario.fleet;
  // PV of the modelled homes has one orientation and one place: one row serves them all.
  const pv = homes.length === 0 ? [] : [pvUnitProfile({ weather: inputs.weather, ...span })];
  const groups = new Map<string, GroupProfiles>();
  for (const group of homes) {
    const rows = loadRowsOf(group, span, request);
    const loadScale = scaleFor(group, rows);
    groups.set(group.group, {
      firstLoadRow: load.length,
      loadRows: rows.length,
      pvRow: pvRowOf(group, span, request, pv),
      loadScale,
    });
    load.push(...rows);
  }
  const perStep = historyStepMs / MS_PER_MIN;
  invariant(Number.isInteger(before / perStep), 'the history is a whole number of meter intervals');
  return {
    run: { load: load.map((row) => row.subarray(before)), pv: pv.map((row) => row.subarray(before)) },
    history: { load: load.map((r) => means(r, before, perStep)), pv: pv.map((r) => means(r, before, perStep)) },
    historyStepMs,
    groups,
  };
}

type Request = Parameters<typeof makeProfiles>[0];

function loadRowsOf(
  group: HomeGroup,
  span: Span,
  { scenario, inputs, random }: Request,
): (Int32Array | Float64Array)[] {
  const metered = inputs.metered.get(group.group)?.load;
  if (group.loadFile !== undefined && metered !== undefined) {
    const file = group.loadFile;
    return metered.map((series) => perMinute(series, { scenario, ...span, file }));
  }
  const usual = { ...HOME_LOAD, eveningHour: group.load.peakHour + 0.5 };
  // A thermostat's house has its cooling in its own register.
  const model = group.thermostat === undefined ? usual : { ...usual, coolingRatio: 0 };
  const { temperatureC } = inputs.weather;
  const drivers = loadDrivers({ ...span, timeZone: scenario.timeZone, temperatureC, model });
  return Array.from({ length: LOAD_SHAPES }, (_, k) =>
    loadProfile({ drivers, rng: random(`load/${group.group}/${k}`) }),
  );
}

/** Adds the row of a metered plant, the mean of its columns per watt of nameplate; else the modelled row serves. */
function pvRowOf(group: HomeGroup, span: Span, { scenario, inputs }: Request, pv: Float64Array[]): number {
  const metered = inputs.metered.get(group.group)?.pv;
  if (group.pvFile === undefined || metered === undefined) return 0;
  const file = group.pvFile;
  const columns = metered.map((series) => perMinute(series, { scenario, ...span, file }));
  const perWatt = 1 / (columns.length * file.nameplateKw * 1000);
  return pv.push(Float64Array.from({ length: span.minutes }, (_, m) => perWatt * sumAt(columns, m))) - 1;
}

const sumAt = (columns: readonly Float64Array[], i: number): number => columns.reduce((sum, c) => sum + (c[i] ?? 0), 0);

function scaleFor(group: HomeGroup, rows: readonly (Int32Array | Float64Array)[]): number {
  const minutes = rows[0]?.length ?? 1;
  const meanW = rows.reduce((sum, r) => sum + total(r), 0) / (rows.length * minutes);
  return meanW === 0 ? 0 : (group.load.dailyKwh * 1000) / 24 / meanW;
}

function total(row: Int32Array | Float64Array): number {
  let sum = 0;
  for (const w of row) sum += w;
  return sum;
}

/** Means over steps of the first `count` minutes. */
function means(row: Int32Array | Float64Array, count: number, perStep: number): Float64Array {
  return Float64Array.from({ length: count / perStep }, (_, k) => {
    let sum = 0;
    for (let m = 0; m < perStep; m++) sum += row[k * perStep + m] ?? 0;
    return sum / perStep;
  });
}
