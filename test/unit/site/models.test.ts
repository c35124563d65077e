import { describe, expect, test } from 'vitest';
import { randomSource } from '../../../harness/kernel/random.ts';
import { weatherBetween } from '../../../simulators/feeds/typicalYear.ts';
import { readWeather } from '../../../simulators/feeds/weather.ts';
import { loadDrivers, loadProfile } from '../../../simulators/site/load.ts';
import {
  lossesPct,
  noctCellC,
  OPEN_RACK,
  PVWATTS_LOSSES,
  pvUnitProfile,
  pvwattsAc,
  pvwattsDc,
  sapmCellC,
} from '../../../simulators/site/pv.ts';
import { erbsDiffuseRatio, haurwitzGhiWPerM2, sunPosition } from '../../../simulators/site/sun.ts';
import { bridgeWeather, syntheticWeather } from '../../../simulators/site/weather.ts';
import { dataText, missing, refusal } from '../feeds/data.ts';

const at = (iso: string): number => Date.parse(iso);

describe('published values', () => {
  test('PVWatts DC: pvlib test_pvsystem.py', () => {
    const dc = { cellC: 30, nameplateW: 100, gammaPerC: -0.003 };
    expect(pvwattsDc({ ...dc, irradianceWPerM2: 900 })).toBeCloseTo(88.65, 9);
    expect(pvwattsDc({ ...dc, irradianceWPerM2: 100, k: 0.01 })).toBeCloseTo(8.9125, 9);
    expect(pvwattsDc({ ...dc, irradianceWPerM2: 600, k: 0.01 })).toBeCloseTo(59.1 - 0.5, 9);
  });

  test('PVWatts losses: pvlib test_pvsystem.py', () => {
    expect(lossesPct(PVWATTS_LOSSES)).toBeCloseTo(14.075660688264469, 9);
    expect(lossesPct({ ...PVWATTS_LOSSES, age: 1 })).toBeCloseTo(14.934904, 6);
  });

  test('PVWatts inverter: pvlib test_inverter.py', () => {
    const ac = (dcW: number) => pvwattsAc({ dcW, dcRatedW: 100, nominalRatio: 0.95 });
    expect(ac(90)).toBeCloseTo(85.58556604752516, 8);
    expect(ac(50)).toBeCloseTo(47.60843624, 8);
    expect([ac(100), ac(0), ac(1e-4), ac(-1)]).toEqual([95, 0, 0, 0]);
  });

  test('SAPM cell temperature: pvlib test_temperature.py; NOCT by its definition', () => {
    expect(sapmCellC({ poaWPerM2: 900, airC: 20, windMPerS: 5, mount: OPEN_RACK })).toBeCloseTo(43.509, 3);
    expect(noctCellC({ poaWPerM2: 800, airC: 20, noctC: 45 })).toBe(45);
  });

  test('Haurwitz clear sky at 5, 10, 30, 50, 90°: pvlib test_clearsky.py', () => {
    const expected = [48.6298687941956, 135.741748091813, 487.894132885425, 778.766689344363, 1035.0920325345];
    for (const [i, deg] of [5, 10, 30, 50, 90].entries()) {
      expect(haurwitzGhiWPerM2(Math.sin((deg * Math.PI) / 180))).toBeCloseTo(expected[i] ?? 0, 9);
    }
    expect([haurwitzGhiWPerM2(0), haurwitzGhiWPerM2(-0.1)]).toEqual([0, 0]);
  });

  test('sun at Golden, 17 October 2003 12:30:30 MST: NREL SPA within 0.004°', () => {
    const golden = { latitudeDeg: 39.742476, longitudeDeg: -105.1786 };
    const { elevationDeg, azimuthDeg } = sunPosition(golden, at('2003-10-17T12:30:30-07:00'));
    expect(Math.abs(elevationDeg - 39.872046)).toBeLessThan(0.004);
    expect(Math.abs(azimuthDeg - 194.340241)).toBeLessThan(0.004);
    // Sunrise and sunset of SPA: the centre stands 0.8333° below the horizon; 0.01° is some 3 s.
    for (const iso of ['2015-01-02T07:21:55-07:00', '2015-01-02T16:47:43-07:00']) {
      expect(Math.abs(sunPosition(golden, at(iso)).elevationDeg + 0.8333)).toBeLessThan(0.01);
    }
  });

  test('the Erbs correlation is continuous at its joints and stays in 0.165…1', () => {
    expect(erbsDiffuseRatio(0.22)).toBeCloseTo(erbsDiffuseRatio(0.2200001), 2);
    expect(erbsDiffuseRatio(0.8)).toBeCloseTo(0.165, 2);
    expect([erbsDiffuseRatio(0), erbsDiffuseRatio(1.1)]).toEqual([1, 0.165]);
  });
});

const place = { latitudeDeg: 34.05, longitudeDeg: -117.6 };
const startMs = at('2024-07-10T07:00:00Z');
const synthetic = (seed: string, more: object = {}) =>
  syntheticWeather({ ...place, startMs, hours: 72, lowC: 18, highC: 36, random: randomSource(seed), ...more });

describe('synthetic weather', () => {
  test('the day is coldest about 6 and hottest about 15 solar time, near what was asked', () => {
    const day = [...synthetic('1', { dayToDayC: 0 }).temperatureC.values].slice(0, 24);
    expect([Math.min(...day), Math.max(...day)].map(Math.round)).toEqual([18, 36]);
    // Solar time is UTC − 7.84 h: 6:00 solar is hour 6, 15:00 solar hour 15 of a series from 07:00Z.
    expect([day.indexOf(Math.min(...day)), day.indexOf(Math.max(...day))]).toEqual([6, 15]);
  });

  test('a heat wave may be given day by day', () => {
    const t = synthetic('1', { dayToDayC: 0, highC: [30, 40, 44] }).temperatureC.values;
    expect([0, 1, 2].map((d) => Math.round(Math.max(...t.slice(24 * d, 24 * d + 24))))).toEqual([30, 40, 44]);
  });

  test('irradiance closes (global = direct · cos z + diffuse), is dark at night, and clouds take from it', () => {
    const clear = synthetic('1', { cloudiness: 0 });
    const grey = synthetic('1', { cloudiness: 0.9 });
    const sum = (a: Float64Array) => a.reduce((x, y) => x + y, 0);
    expect(sum(grey.ghiWPerM2.values)).toBeLessThan(0.7 * sum(clear.ghiWPerM2.values));
    for (const w of [clear, grey]) {
      for (const [i, ghi] of w.ghiWPerM2.values.entries()) {
        const dhi = w.dhiWPerM2.values[i] ?? NaN;
        expect(dhi).toBeGreaterThanOrEqual(0);
        expect(dhi).toBeLessThanOrEqual(ghi + 0.1);
      }
      expect(w.ghiWPerM2.values[3]).toBe(0);
    }
    const noon = Math.round(sum(clear.ghiWPerM2.values.slice(0, 24)) / 100) / 10;
    expect([noon > 7, noon < 9]).toEqual([true, true]);
  });

  test('the same seed gives the same weather, another seed another', () => {
    expect(synthetic('1')).toEqual(synthetic('1'));
    expect(synthetic('1').temperatureC.values).not.toEqual(synthetic('2').temperatureC.values);
  });
});

describe('PV of a home', () => {
  test('never exceeds the inverter, is dark at night, and has one value a minute', () => {
    const u = pvUnitProfile({ weather: synthetic('1'), startMs: startMs + 60_000, minutes: 1440 });
    expect(u.length).toBe(1440);
    expect(Math.max(...u)).toBeLessThanOrEqual(1 / 1.2 + 1e-12);
    expect(Math.max(...u)).toBeGreaterThan(0.5);
    expect([Math.min(...u), u[120]]).toEqual([0, 0]);
  });

  test('an east roof peaks before a west one', () => {
    const weather = synthetic('1', { cloudiness: 0 });
    const peak = (azimuthDeg: number) => {
      const u = pvUnitProfile({ weather, startMs, minutes: 1440, array: { azimuthDeg, tiltDeg: 30 } });
      return u.indexOf(Math.max(...u));
    };
    expect(peak(270) - peak(90)).toBeGreaterThan(120);
  });

  const chino = 'weather/CA-Chino_Airport.tmy3.gz';
  test.skipIf(missing(chino))(`a year at Chino gives 1,350 to 1,650 kWh a kW, most of it in summer (${chino})`, () => {
    const year = readWeather({ text: dataText(chino), source: chino });
    const fromMs = at('2023-01-01T08:00:00Z');
    const weather = weatherBetween(year, { startMs: fromMs, endMs: fromMs + 365 * 86_400_000 });
    const kwh = (from: number, days: number) =>
      pvUnitProfile({ weather, startMs: fromMs + from * 86_400_000, minutes: days * 1440 }).reduce((a, b) => a + b, 0) /
      60;
    const all = kwh(0, 365);
    expect([all > 1350, all < 1650]).toEqual([true, true]);
    expect(kwh(172, 30)).toBeGreaterThan(1.4 * kwh(355, 10) * 3);
  });

  test('minutes keep the means of the hours: a flat array at 25 °C without losses gives the irradiation back', () => {
    const weather = synthetic('1', { cloudiness: 0 });
    const cool = {
      ...weather,
      temperatureC: { ...weather.temperatureC, values: weather.temperatureC.values.map(() => 25) },
    };
    const array = { tiltDeg: 0, lossesPct: 0, dcAcRatio: 0.5, gammaPerC: 0, albedo: 0, inverterRatio: 0.9637 };
    const u = pvUnitProfile({ weather: cool, startMs, minutes: 1440, array });
    const sunWh = weather.ghiWPerM2.values.slice(0, 24).reduce((a, b) => a + b, 0);
    const ratio = u.reduce((a, b) => a + b, 0) / 60 / (sunWh / 1000);
    // The inverter at part load takes some 2 to 4 %.
    expect([ratio > 0.95, ratio < 0.99]).toEqual([true, true]);
  });

  test('weather that does not reach, or has a hole, is refused; a bridged hole is not', () => {
    const weather = synthetic('1');
    expect(refusal(() => pvUnitProfile({ weather, startMs, minutes: 73 * 60 }))).toMatch(
      /expected values for 2024-07-10T07:00/,
    );
    const values = weather.ghiWPerM2.values.with(12, NaN);
    const holed = { ...weather, ghiWPerM2: { ...weather.ghiWPerM2, values } };
    expect(refusal(() => pvUnitProfile({ weather: holed, startMs, minutes: 1440 }))).toMatch(
      /2024-07-10T19:00.*a missing value.*bridge the gap first/,
    );
    const bridged = bridgeWeather(holed, 3);
    expect(bridged.filled).toBe(1);
    expect(pvUnitProfile({ weather: bridged.weather, startMs, minutes: 1440 }).every((x) => x >= 0)).toBe(true);
  });
});

describe('load of a home', () => {
  const timeZone = 'America/Los_Angeles';
  const weather = synthetic('1');
  const fleet = (drivers: ReturnType<typeof loadDrivers>, homes: number): Float64Array => {
    const random = randomSource('7');
    const sum = new Float64Array(drivers.minutes);
    for (let i = 0; i < homes; i++)
      for (const [m, w] of loadProfile({ drivers, rng: random(`load/${i}`) }).entries())
        sum[m] = (sum[m] ?? 0) + w / homes;
    return sum;
  };
  const meanW = (values: Float64Array) => values.reduce((a, b) => a + b, 0) / values.length;

  test('is whole watts ≥ 0, one a minute, the same from the same stream', () => {
    const drivers = loadDrivers({ startMs, minutes: 2880, timeZone, temperatureC: weather.temperatureC });
    const home = () => loadProfile({ drivers, rng: randomSource('7')('load/1') });
    expect(home()).toEqual(home());
    expect(home()).not.toEqual(loadProfile({ drivers, rng: randomSource('7')('load/2') }));
    expect(home().length).toBe(2880);
    expect(Math.min(...home())).toBeGreaterThan(0);
  });

  test('200 homes use 15 to 24 kWh on a mild day, most of it in the evening', () => {
    const mild = fleet(loadDrivers({ startMs, minutes: 1440, timeZone }), 200);
    expect([meanW(mild) * 0.024 > 15, meanW(mild) * 0.024 < 24]).toEqual([true, true]);
    const hour = (h: number) => meanW(mild.slice(h * 60, h * 60 + 60));
    expect(hour(19)).toBeGreaterThan(2 * hour(3));
  });

  test('heat adds cooling, and only above comfort', () => {
    const cool = { ...weather.temperatureC, values: weather.temperatureC.values.map(() => 22) };
    const at22 = fleet(loadDrivers({ startMs, minutes: 1440, timeZone, temperatureC: cool }), 50);
    expect(at22).toEqual(fleet(loadDrivers({ startMs, minutes: 1440, timeZone }), 50));
    const hot = fleet(loadDrivers({ startMs, minutes: 1440, timeZone, temperatureC: weather.temperatureC }), 50);
    expect(meanW(hot)).toBeGreaterThan(1.4 * meanW(at22));
  });

  test('the clock follows daylight saving time and weekends', () => {
    const night = at('2024-11-03T08:00:00Z');
    const { minuteOfDay, weekend } = loadDrivers({ startMs: night, minutes: 25 * 60 + 1, timeZone });
    expect([0, 59, 60, 120].map((m) => minuteOfDay[m])).toEqual([60, 119, 60, 120]);
    expect([weekend[0], weekend[24 * 60], weekend[24 * 60 + 59]]).toEqual([1, 0, 0]);
  });
});
