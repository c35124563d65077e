import { type ApplianceState, FAN_MODES, THERMOSTAT_MODES } from './appliance.ts';
import type { BatteryState } from './battery.ts';
import { type InputProblem, nearestName, problem } from './errors.ts';

/**
 * Tests on samples, whatever device they are of. Fields have the names and units of the states (battery.ts,
 * appliance.ts); a field of the same name means the same on each kind that has it. What a device does not know, or has no
 * such field for, holds neither way.
 */
export type DeviceState = BatteryState | ApplianceState;

/** Numbers, with their units. Power is + into the site's bus, but gridPower + import and chargerWattage + charging. */
const UNITS = {
  chargePercentage: '%',
  backupReserve: '%',
  chargeLimit: '%',
  chargeRate: 'W',
  gridPower: 'W',
  power: 'W',
  exportLimit: 'W',
  chargerWattage: 'W',
  ambientTemperature: '°F',
  heatTarget: '°F',
  coolTarget: '°F',
  range: 'mi',
} as const;
export type Metric = keyof typeof UNITS;
export const METRICS = Object.keys(UNITS) as readonly Metric[] as readonly [Metric, ...Metric[]];
export type Comparison = 'above' | 'below';

/** What a device is or does, with its values; "unknown" is none of them. */
const VALUES = {
  chargingState: ['charging', 'discharging', 'idle'],
  gridStatus: ['importing', 'exporting', 'idle'],
  isPluggedIn: [true, false],
  operatingMode: THERMOSTAT_MODES,
  fanMode: FAN_MODES,
} as const satisfies Readonly<Record<string, readonly (string | boolean)[]>>;
export type StateField = keyof typeof VALUES;
export const STATE_FIELDS = Object.keys(VALUES) as readonly StateField[] as readonly [StateField, ...StateField[]];

export interface MetricTest {
  readonly kind: 'telemetry';
  readonly metric: Metric;
  readonly comparison: Comparison;
  readonly value: number;
}

export interface StateTest {
  readonly kind: 'state';
  readonly field: StateField;
  readonly is: string | boolean;
}

export type SampleTest = MetricTest | StateTest;

export const fieldOf = (test: SampleTest): string => (test.kind === 'telemetry' ? test.metric : test.field);

/** What a sample says of the field that a test asks for; null = nothing. */
export function sampledValue(state: DeviceState, test: SampleTest): number | string | boolean | null {
  const value: unknown = Reflect.get(state, fieldOf(test));
  if (test.kind === 'telemetry') return typeof value === 'number' && Number.isFinite(value) ? value : null;
  const values: readonly unknown[] = VALUES[test.field];
  return (typeof value === 'string' || typeof value === 'boolean') && values.includes(value) ? value : null;
}

export const compares = (x: number, comparison: Comparison, value: number): boolean =>
  comparison === 'above' ? x > value : x < value;

/** @param value  as sampledValue has it, not null */
export const holdsFor = (value: number | string | boolean, test: SampleTest): boolean =>
  test.kind === 'telemetry' ? compares(Number(value), test.comparison, test.value) : value === test.is;

/** What held is over: a number is past the value by the hysteresis on the other side, a state is another. */
export function isOver(
  value: number | string | boolean,
  test: (MetricTest & { readonly hysteresis: number }) | StateTest,
): boolean {
  if (test.kind === 'state') return value !== test.is;
  const { comparison, value: limit, hysteresis } = test;
  return comparison === 'below' ? Number(value) >= limit + hysteresis : Number(value) <= limit - hysteresis;
}

export function metricProblems(source: string, place: string, { metric, value }: MetricTest): InputProblem[] {
  const names: readonly string[] = METRICS;
  if (!names.includes(metric)) return [unknownName(source, `${place}.metric`, metric, names)];
  const unit = UNITS[metric];
  const inRange = Number.isFinite(value) && (unit !== '%' || (value >= 0 && value <= 100));
  const expected = unit === '%' ? '0 to 100 %' : unit === 'W' ? 'a number of watts' : `a number [${unit}]`;
  return inRange ? [] : [problem(source, `${place}.value`, value, expected)];
}

export function stateProblems(source: string, place: string, { field, is }: StateTest): InputProblem[] {
  const names: readonly string[] = STATE_FIELDS;
  if (!names.includes(field)) return [unknownName(source, `${place}.field`, field, names)];
  const values: readonly (string | boolean)[] = VALUES[field];
  return values.includes(is) ? [] : [problem(source, `${place}.is`, is, `one of ${values.join(', ')}`)];
}

function unknownName(source: string, place: string, name: string, names: readonly string[]): InputProblem {
  const didYouMean = nearestName(name, names);
  const p = problem(source, place, name, `one of ${names.join(', ')}`);
  return didYouMean === undefined ? p : { ...p, didYouMean };
}
