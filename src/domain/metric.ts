import type { Appliance } from './applianceCommand.ts';
import type { Device } from './device.ts';
import type { DeviceState } from './sample.ts';
import { type EpochMs, MS_PER_HOUR } from './units.ts';

/**
 * Energy in windows of time, from samples of power. A sample's power holds until the device's next one, HOLD_MS_MAX at
 * most: beyond it is a hole. Energy is the integral of that step function over what is known; how much of a window is
 * known is told with it, and a window of which nothing is known is not there: unknown is not zero.
 *
 * Of a site. Its devices add up, with two exceptions: what several devices say of the site's one meter is taken from the
 * one that knows most of the window; and a vehicle and its charger tell of the same power, so that of the chargers' and
 * the vehicles' energy in a window the larger counts, as in the loading of transformers (topology.ts).
 * @source TextureHQ/docs docs/devices/metrics.md @508a0ef (read): consumption, production, storage, generation by these
 *         names, in Wh, sparse; grid energy positive = import; groupBy SITE. There consumption and production are of
 *         batteries only; chargers and vehicles in the one and inverters in the other are our own, as are charged,
 *         discharged, imported and exported. Emissions are left out: nothing here knows the carbon of a kWh. Stored
 *         energy is an average there and the last sample of the window here.
 */
export const METRICS = [
  'consumption',
  'production',
  'generation',
  'storage',
  'grid-energy',
  'charged',
  'discharged',
  'imported',
  'exported',
] as const;
export type Metric = (typeof METRICS)[number];

export type DeviceKind = Device['kind'] | Appliance['kind'];

/** A power holds no longer than this [ms]: four updates at the slower of the two paces that the reference names. */
export const HOLD_MS_MAX = MS_PER_HOUR;

const BATTERIES = ['battery', 'bess'] as const;
/** The devices that a metric speaks of. */
export const METRIC_KINDS: Readonly<Record<Metric, readonly DeviceKind[]>> = {
  consumption: [...BATTERIES, 'charger', 'vehicle'],
  production: [...BATTERIES, 'inverter'],
  generation: ['inverter'],
  storage: BATTERIES,
  'grid-energy': [...BATTERIES, 'inverter'],
  charged: BATTERIES,
  discharged: BATTERIES,
  imported: [...BATTERIES, 'inverter'],
  exported: [...BATTERIES, 'inverter'],
};

/**
 * The power that a metric counts [W]; ≥ 0 but for grid-energy, which is + for import.
 * @returns null where the device does not tell, and for storage, which is no power
 */
export function metricPowerW(metric: Metric, state: DeviceState): number | null {
  switch (metric) {
    case 'consumption':
      return part(intoDeviceW(state), 1);
    case 'production':
      return 'kind' in state ? generatedW(state) : part(intoDeviceW(state), -1);
    case 'generation':
      return generatedW(state);
    case 'charged':
      return 'kind' in state ? null : part(intoDeviceW(state), 1);
    case 'discharged':
      return 'kind' in state ? null : part(intoDeviceW(state), -1);
    case 'grid-energy':
      return gridW(state);
    case 'imported':
      return part(gridW(state), 1);
    case 'exported':
      return part(gridW(state), -1);
    case 'storage':
      return null;
  }
}

const known = (x: number | null): number | null => (x !== null && Number.isFinite(x) ? x : null);
const part = (x: number | null, sign: 1 | -1): number | null => (x === null ? null : Math.max(0, sign * x));

/** What charges a battery or a vehicle [W], negative while it gives back; null for what stores nothing. */
function intoDeviceW(state: DeviceState): number | null {
  if (!('kind' in state)) return known(-state.chargeRate);
  return state.kind === 'charger' || state.kind === 'vehicle' ? known(state.chargerWattage) : null;
}

const generatedW = (state: DeviceState): number | null =>
  'kind' in state && state.kind === 'inverter' ? known(state.power) : null;

const gridW = (state: DeviceState): number | null => ('gridPower' in state ? known(state.gridPower) : null);

/** [fromMs, toMs), as far as it has passed. */
export interface MetricRange {
  readonly fromMs: EpochMs;
  readonly toMs: EpochMs;
}

export interface MetricWindow {
  /** A multiple of the window's length, so that days begin at midnight UTC. */
  readonly startMs: EpochMs;
  /**
   * [Wh], to the thousandth, so that devices add up to their site as they are shown; of storage what was stored at the
   * last sample in the window.
   */
  readonly value: number;
  /** How much of the window samples speak of [ms]. */
  readonly knownMs: number;
}

/** @param states  of one device in order of time, from HOLD_MS_MAX before the range on */
export function windowsOf(
  states: Iterable<DeviceState>,
  request: { readonly metric: Metric; readonly range: MetricRange; readonly windowMs: number },
): MetricWindow[] {
  const { metric, range, windowMs } = request;
  const sums = new Map<EpochMs, { value: number | null; knownMs: number }>();
  const at = (startMs: EpochMs) => {
    const sum = sums.get(startMs) ?? { value: null, knownMs: 0 };
    sums.set(startMs, sum);
    return sum;
  };
  const hold = (s: DeviceState, nextMs: EpochMs): void => {
    const isLevel = metric === 'storage' && !('kind' in s);
    const powerW = metricPowerW(metric, s);
    if (powerW === null && !isLevel) return;
    const endMs = Math.min(nextMs, s.sampledAtMs + HOLD_MS_MAX, range.toMs);
    for (let t = Math.max(s.sampledAtMs, range.fromMs); t < endMs; ) {
      const startMs = windowStart(t, windowMs);
      const untilMs = Math.min(endMs, startMs + windowMs);
      const sum = at(startMs);
      sum.knownMs += untilMs - t;
      if (powerW !== null) sum.value = (sum.value ?? 0) + (powerW * (untilMs - t)) / MS_PER_HOUR;
      t = untilMs;
    }
    if (isLevel && s.sampledAtMs >= range.fromMs) at(windowStart(s.sampledAtMs, windowMs)).value = known(s.charge);
  };
  let held: DeviceState | null = null;
  for (const s of states) {
    if (held !== null) hold(held, s.sampledAtMs);
    held = s;
  }
  if (held !== null) hold(held, range.toMs);
  const windows = [...sums].flatMap(([startMs, { value, knownMs }]) =>
    value === null ? [] : [{ startMs, value: milli(value), knownMs }],
  );
  return windows.sort((a, b) => a.startMs - b.startMs);
}

const milli = (x: number): number => Math.round(x * 1_000) / 1_000 + 0;

const windowStart = (atMs: EpochMs, windowMs: number): EpochMs => Math.floor(atMs / windowMs) * windowMs;

/** How much of a window lies in the range [ms]. */
export const windowLengthMs = (startMs: EpochMs, windowMs: number, range: MetricRange): number =>
  Math.max(0, Math.min(startMs + windowMs, range.toMs) - Math.max(startMs, range.fromMs));

const isOfMeter = (metric: Metric): boolean =>
  metric === 'grid-energy' || metric === 'imported' || metric === 'exported';

/** How many of a site's devices have to be known for the site to be known: one is enough for its meter. */
export const neededOf = (metric: Metric, devices: number): number =>
  isOfMeter(metric) ? Math.min(1, devices) : devices;

/** A device's windows, as a part of its site. */
export interface DeviceWindows {
  readonly deviceId: string;
  readonly kind: DeviceKind;
  readonly windows: readonly MetricWindow[];
}

export interface SumWindow extends MetricWindow {
  /** How many devices knownMs is the sum over. */
  readonly devices: number;
}

/**
 * The windows of one site.
 * @param own  its devices that the metric speaks of, also those of which nothing is known
 */
export function siteWindows(metric: Metric, own: readonly DeviceWindows[]): SumWindow[] {
  const byStart = new Map<EpochMs, Said[]>();
  for (const { deviceId, kind, windows } of own) {
    for (const w of windows) byStart.set(w.startMs, [...(byStart.get(w.startMs) ?? []), { ...w, deviceId, kind }]);
  }
  const starts = [...byStart].sort(([a], [b]) => a - b);
  return starts.map(([startMs, said]) => {
    if (isOfMeter(metric)) return { ...bestOf(said), startMs, devices: 1 };
    const knownMs = said.reduce((sum, w) => sum + w.knownMs, 0);
    return { startMs, value: siteValue(said), knownMs, devices: own.length };
  });
}

interface Said extends MetricWindow {
  readonly deviceId: string;
  readonly kind: DeviceKind;
}

/** The one that knows most; at a tie a battery before an inverter, then the first by id. */
function bestOf(said: readonly Said[]): { readonly value: number; readonly knownMs: number } {
  const isBetter = (a: Said, b: Said): boolean => {
    if (a.knownMs !== b.knownMs) return a.knownMs > b.knownMs;
    if ((a.kind === 'inverter') !== (b.kind === 'inverter')) return b.kind === 'inverter';
    return a.deviceId < b.deviceId;
  };
  return said.reduce((best, w) => (isBetter(w, best) ? w : best));
}

function siteValue(said: readonly Said[]): number {
  let [chargers, vehicles, others] = [0, 0, 0];
  for (const { kind, value } of said) {
    if (kind === 'charger') chargers += value;
    else if (kind === 'vehicle') vehicles += value;
    else others += value;
  }
  return milli(others + Math.max(chargers, vehicles));
}

/** Sites together. @param devices  neededOf of all of them, also of those without a window */
export function sumOfSites(sites: readonly (readonly SumWindow[])[], devices: number): SumWindow[] {
  const sums = new Map<EpochMs, SumWindow>();
  for (const w of sites.flat()) {
    const sum = sums.get(w.startMs) ?? { startMs: w.startMs, value: 0, knownMs: 0, devices };
    sums.set(w.startMs, { ...sum, value: milli(sum.value + w.value), knownMs: sum.knownMs + w.knownMs });
  }
  return [...sums.values()].sort((a, b) => a.startMs - b.startMs);
}
