import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { ApplianceState } from '../../src/domain/appliance.ts';
import type { BatteryState } from '../../src/domain/battery.ts';
import {
  type DeviceKind,
  HOLD_MS_MAX,
  METRIC_KINDS,
  METRICS,
  type Metric,
  metricPowerW,
  siteWindows,
  sumOfSites,
  windowLengthMs,
  windowsOf,
} from '../../src/domain/metric.ts';
import type { DeviceState } from '../../src/domain/sample.ts';
import { MS_PER_HOUR, MS_PER_MIN } from '../../src/domain/units.ts';
import { stateOf } from '../helpers/applianceBench.ts';
import { batteryState } from '../helpers/coreBench.ts';

/** Integers throughout: powers that are multiples of 60 W over whole minutes make whole watt-hours. */
const MIN = MS_PER_MIN;
const T0 = Date.UTC(2024, 6, 10);
const KINDS = ['battery', 'charger', 'vehicle', 'thermostat', 'inverter'] as const satisfies readonly DeviceKind[];
const ENERGIES = METRICS.filter((m) => m !== 'storage');
const WINDOWS = [15, 60, 1_440].map((min) => min * MIN);

interface Step {
  readonly min: number;
  readonly units: number;
  readonly grid: number | null;
}
interface Told {
  readonly kind: (typeof KINDS)[number];
  readonly steps: readonly Step[];
}

const told = (kinds: readonly (typeof KINDS)[number][]): fc.Arbitrary<Told> =>
  fc.record({
    kind: fc.constantFrom(...kinds),
    steps: fc.array(
      fc.record({
        min: fc.integer({ min: 1, max: 100 }),
        units: fc.integer({ min: -9, max: 9 }),
        grid: fc.option(fc.integer({ min: -9, max: 9 })),
      }),
      { maxLength: 25 },
    ),
  });

function statesOf({ kind, steps }: Told): DeviceState[] {
  let atMs = T0 - 90 * MIN;
  return steps.map(({ min, units, grid }) => {
    atMs += min * MIN;
    const gridPower = grid === null ? null : grid * 60;
    return kind === 'battery'
      ? batteryState(10_000, atMs, { chargeRate: units * 60, gridPower })
      : powered(kind, atMs, units * 60, gridPower);
  });
}

function powered(
  kind: Exclude<Told['kind'], 'battery'>,
  atMs: number,
  powerW: number,
  gridPower: number | null,
): ApplianceState {
  if (kind === 'inverter') return stateOf(kind, atMs, Math.abs(powerW), { gridPower });
  return stateOf(kind, atMs, powerW);
}

const range = fc.record({ fromMin: fc.integer({ min: -60, max: 300 }), forMin: fc.integer({ min: 1, max: 1_500 }) });
const rangeOf = ({ fromMin, forMin }: { fromMin: number; forMin: number }) => {
  const fromMs = T0 + fromMin * MIN;
  return { fromMs, toMs: fromMs + forMin * MIN };
};

/** The integral, minute by minute: the sample that holds then is the last one before, if it is young enough. */
function byHand(states: readonly DeviceState[], metric: Metric, { fromMs, toMs }: { fromMs: number; toMs: number }) {
  let [wattMinutes, minutes] = [0, 0];
  for (let t = fromMs; t < toMs; t += MIN) {
    const s = states.filter((x) => x.sampledAtMs <= t).at(-1);
    const powerW = s === undefined || t - s.sampledAtMs >= HOLD_MS_MAX ? null : metricPowerW(metric, s);
    if (powerW === null) continue;
    wattMinutes += powerW;
    minutes += 1;
  }
  return { wh: wattMinutes / 60, minutes };
}

const total = (windows: readonly { readonly value: number; readonly knownMs: number }[]) => ({
  wh: Math.round(windows.reduce((sum, w) => sum + w.value, 0) * 1e6) / 1e6,
  minutes: windows.reduce((sum, w) => sum + w.knownMs, 0) / MIN,
});

test('the energy of a device is the integral of its power over what is known, in windows of any length', () => {
  let holes = 0;
  fc.assert(
    fc.property(
      told(KINDS),
      range,
      fc.constantFrom(...ENERGIES),
      fc.constantFrom(...WINDOWS),
      (t, r, metric, windowMs) => {
        const within = rangeOf(r);
        const states = statesOf(t);
        const windows = windowsOf(states, { metric, range: within, windowMs });
        const wanted = byHand(states, metric, within);
        expect(total(windows)).toEqual({ wh: wanted.wh, minutes: wanted.minutes });
        for (const w of windows) {
          expect(w.knownMs).toBeGreaterThan(0);
          expect(w.knownMs).toBeLessThanOrEqual(windowLengthMs(w.startMs, windowMs, within));
        }
        if (windows.length > 0 && wanted.minutes < r.forMin) holes += 1;
      },
    ),
    { numRuns: 400 },
  );
  expect(holes).toBeGreaterThan(20);
});

test('a device that a metric does not speak of has no window, not one of nothing', () => {
  fc.assert(
    fc.property(told(KINDS), range, fc.constantFrom(...METRICS), (t, r, metric) => {
      fc.pre(!METRIC_KINDS[metric].includes(t.kind));
      expect(windowsOf(statesOf(t), { metric, range: rangeOf(r), windowMs: MS_PER_HOUR })).toEqual([]);
    }),
  );
});

const fleet = (kinds: readonly (typeof KINDS)[number][]) =>
  fc.array(fc.array(told(kinds), { maxLength: 4 }), { maxLength: 4 });

const windowsOfFleet = (sites: readonly (readonly Told[])[], metric: Metric, r: { fromMin: number; forMin: number }) =>
  sites.map((own, i) =>
    own
      .filter((t) => METRIC_KINDS[metric].includes(t.kind))
      .map((t, k) => ({
        deviceId: `d-${i}-${k}`,
        kind: t.kind,
        windows: windowsOf(statesOf(t), { metric, range: rangeOf(r), windowMs: MS_PER_HOUR }),
      })),
  );

test('sites add up to their devices, and all of them to their sites', () => {
  const metric = fc.constantFrom('consumption', 'production', 'generation', 'charged', 'discharged', 'storage');
  fc.assert(
    fc.property(fleet(['battery', 'charger', 'inverter', 'thermostat']), range, metric, (sites, r, m) => {
      const own = windowsOfFleet(sites, m as Metric, r);
      const bySite = own.map((devices) => siteWindows(m as Metric, devices));
      const devices = total(own.flat().flatMap((d) => d.windows));
      expect(total(bySite.flat())).toEqual(devices);
      expect(total(sumOfSites(bySite, own.flat().length))).toEqual(devices);
    }),
    { numRuns: 300 },
  );
});

test('of a site with chargers and vehicles the larger of the two counts: no more than all, no less than either', () => {
  let shared = 0;
  fc.assert(
    fc.property(fleet(['charger', 'vehicle']), range, (sites, r) => {
      for (const own of windowsOfFleet(sites, 'consumption', r)) {
        const of = (kind: DeviceKind, startMs: number): number =>
          own
            .filter((d) => d.kind === kind)
            .flatMap((d) => d.windows)
            .reduce((sum, w) => (w.startMs === startMs ? sum + w.value : sum), 0);
        for (const w of siteWindows('consumption', own)) {
          const [c, v] = [of('charger', w.startMs), of('vehicle', w.startMs)];
          expect(w.value).toBeCloseTo(Math.max(c, v), 6);
          if (c > 0 && v > 0) shared += 1;
        }
      }
    }),
    { numRuns: 200 },
  );
  expect(shared).toBeGreaterThan(20);
});

test('a meter that several devices read counts once, as the one says it that knows most', () => {
  fc.assert(
    fc.property(fc.array(told(['battery', 'inverter']), { minLength: 1, maxLength: 4 }), range, (site, r) => {
      const [own = []] = windowsOfFleet([site], 'grid-energy', r);
      for (const w of siteWindows('grid-energy', own)) {
        const said = own.flatMap((d) => d.windows).filter((x) => x.startMs === w.startMs);
        expect(w.knownMs).toBe(Math.max(...said.map((x) => x.knownMs)));
        expect(said.map((x) => x.value)).toContain(w.value);
      }
    }),
  );
});

test('grid energy is what was imported less what was exported', () => {
  fc.assert(
    fc.property(told(['battery', 'inverter']), range, (t, r) => {
      const of = (metric: Metric) =>
        total(windowsOf(statesOf(t), { metric, range: rangeOf(r), windowMs: MS_PER_HOUR })).wh;
      expect(of('grid-energy')).toBeCloseTo(of('imported') - of('exported'), 6);
    }),
  );
});

test('a figure that is no number is unknown, of every kind of device', () => {
  const broken: DeviceState[] = [
    batteryState(10_000, T0, { chargeRate: Number.NaN, gridPower: Number.NaN, charge: Number.NaN }) as BatteryState,
    ...(['charger', 'vehicle', 'inverter', 'thermostat'] as const).map((kind) =>
      stateOf(kind, T0, Number.NaN, kind === 'inverter' ? { gridPower: Number.NaN } : {}),
    ),
  ];
  for (const metric of METRICS) {
    for (const state of broken) {
      const range = { fromMs: T0, toMs: T0 + MS_PER_HOUR };
      expect(windowsOf([state], { metric, range, windowMs: MS_PER_HOUR })).toEqual([]);
    }
  }
});

test('energies are shown to the thousandth of a watt-hour, and what is shown adds up', () => {
  const odd = fc.array(fc.double({ min: 0, max: 11_000, noNaN: true }), { minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(odd, (powers) => {
      const request = {
        metric: 'consumption',
        range: { fromMs: T0, toMs: T0 + 50 * MIN },
        windowMs: MS_PER_HOUR,
      } as const;
      const own = powers.map((powerW, i) => ({
        deviceId: `d${i}`,
        kind: 'charger' as const,
        windows: windowsOf([stateOf('charger', T0 + 7 * MIN, powerW)], request),
      }));
      const shown = own.map((d) => d.windows[0]?.value ?? 0);
      for (const [i, wh] of shown.entries()) expect(wh).toBeCloseTo(((powers[i] ?? 0) * 43) / 60, 2);
      const mWh = (wh: number): number => Math.round(wh * 1_000);
      const [site] = siteWindows('consumption', own);
      expect(mWh(site?.value ?? -1)).toBe(shown.reduce((sum, wh) => sum + mWh(wh), 0));
    }),
  );
});
