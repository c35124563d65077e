/**
 * Photovoltaics after PVWatts: irradiance in the plane of the array, cell temperature, DC power, losses, inverter.
 *
 *   POA  = DNI·cos(aoi)⁺ + DHI·(1 + cos tilt)/2 + GHI·albedo·(1 − cos tilt)/2      isotropic sky (Liu & Jordan 1963)
 *   Tc   = Ta + POA·(NOCT − 20)/800, or SAPM with wind                             PVWatts; King et al., SAND2004-3535
 *   DC   = POA/1000 · (1 + γ (Tc − 25))                                            PVWatts (Dobos, NREL/TP-6A20-62641)
 *   AC   = part-load curve of the inverter, clipped at its rating                  same
 *
 * Hourly irradiance is spread over the minutes of its interval in the shape of a clear sky (global, diffuse) and evenly
 * over the sunlit minutes (direct), so that the mean of every interval stays what the file says. Left out: reflection
 * at steep angles (a PVWatts year comes out 1.9 % lower with it), shading by place, snow by day.
 */
import { inputError, invariant } from '../../src/domain/errors.ts';
import { isoUtc } from '../../src/domain/time.ts';
import { clamp, type EpochMs, MS_PER_MIN } from '../../src/domain/units.ts';
import type { Series } from '../../src/ports/series.ts';
import type { SiteWeather } from './siteWeather.ts';
import { haurwitzGhiWPerM2, sunPosition } from './sun.ts';

const RAD = Math.PI / 180;

/**
 * @param irradianceWPerM2  in the plane of the array, after reflection
 * @param gammaPerC         change of power per °C, < 0
 * @param k                 Marion's low-light correction; absent = none
 * @returns                 DC power in the unit of the nameplate
 * @source                  Dobos 2014, eq. 6; Marion et al. 2008 for k; pinned to pvlib `pvsystem.pvwatts_dc`
 */
export function pvwattsDc({
  irradianceWPerM2,
  cellC,
  nameplateW,
  gammaPerC,
  k,
}: {
  irradianceWPerM2: number;
  cellC: number;
  nameplateW: number;
  gammaPerC: number;
  k?: number;
}): number {
  const dcW = (irradianceWPerM2 / 1000) * nameplateW * (1 + gammaPerC * (cellC - 25));
  if (k === undefined) return dcW;
  const error =
    irradianceWPerM2 <= 200 ? k * (1 - (1 - irradianceWPerM2 / 200) ** 4) : (k * (1000 - irradianceWPerM2)) / 800;
  return dcW - nameplateW * error;
}

/** System losses, each a share in percent. */
export interface PvLosses {
  readonly soiling: number;
  readonly shading: number;
  readonly snow: number;
  readonly mismatch: number;
  readonly wiring: number;
  readonly connections: number;
  readonly lightInduced: number;
  readonly nameplateRating: number;
  readonly age: number;
  readonly availability: number;
}

/** @source defaults of PVWatts 5, Dobos 2014, table 2 */
export const PVWATTS_LOSSES: PvLosses = {
  soiling: 2,
  shading: 3,
  snow: 0,
  mismatch: 2,
  wiring: 2,
  connections: 0.5,
  lightInduced: 1.5,
  nameplateRating: 1,
  age: 0,
  availability: 3,
};

/** @returns all losses together [%]: 100 (1 − Π (1 − share/100)) */
export const lossesPct = (losses: PvLosses): number =>
  100 * (1 - Object.values(losses).reduce((rest: number, share: number) => rest * (1 - share / 100), 1));

/**
 * @param dcW          power offered to the inverter
 * @param dcRatedW     DC power at which it gives its AC rating
 * @param nominalRatio efficiency at rating
 * @returns            AC power, 0 … nominalRatio · dcRatedW
 * @source             Dobos 2014, eq. 10–12 (reference inverter 0.9637); pinned to pvlib `inverter.pvwatts`
 */
export function pvwattsAc({
  dcW,
  dcRatedW,
  nominalRatio,
}: {
  dcW: number;
  dcRatedW: number;
  nominalRatio: number;
}): number {
  const load = dcW / dcRatedW;
  if (!(load > 0)) return 0;
  const ratio = (nominalRatio / 0.9637) * (-0.0162 * load - 0.0059 / load + 0.9858);
  return clamp(ratio * dcW, 0, nominalRatio * dcRatedW);
}

export interface SapmMount {
  readonly a: number;
  readonly b: number;
  readonly deltaC: number;
}

/** @source King et al. 2004, table 1 */
export const OPEN_RACK: SapmMount = { a: -3.47, b: -0.0594, deltaC: 3 };
export const CLOSE_ROOF: SapmMount = { a: -2.98, b: -0.0471, deltaC: 1 };

/** @returns cell temperature [°C] */
export function sapmCellC({
  poaWPerM2,
  airC,
  windMPerS,
  mount,
}: {
  poaWPerM2: number;
  airC: number;
  windMPerS: number;
  mount: SapmMount;
}): number {
  return airC + poaWPerM2 * Math.exp(mount.a + mount.b * windMPerS) + (poaWPerM2 / 1000) * mount.deltaC;
}

/** @returns cell temperature from the nominal operating cell temperature (800 W/m², 20 °C, 1 m/s) [°C] */
export const noctCellC = ({ poaWPerM2, airC, noctC }: { poaWPerM2: number; airC: number; noctC: number }): number =>
  airC + (poaWPerM2 * (noctC - 20)) / 800;

export type CellModel =
  | { readonly kind: 'noct'; readonly noctC: number }
  | { readonly kind: 'sapm'; readonly mount: SapmMount; readonly windMPerS: number };

export interface PvArray {
  /** From horizontal [°]. */
  readonly tiltDeg: number;
  /** Clockwise from north [°]; 180 = south. */
  readonly azimuthDeg: number;
  readonly lossesPct: number;
  /** DC nameplate ÷ AC rating of the inverter. */
  readonly dcAcRatio: number;
  readonly inverterRatio: number;
  readonly gammaPerC: number;
  readonly cell: CellModel;
  readonly albedo: number;
}

/** A south roof with the defaults of PVWatts 5 (Dobos 2014, tables 1, 2, 5); installed NOCT of a roof mount 49 °C [M]. */
export const ROOF_ARRAY: PvArray = {
  tiltDeg: 20,
  azimuthDeg: 180,
  lossesPct: lossesPct(PVWATTS_LOSSES),
  dcAcRatio: 1.2,
  inverterRatio: 0.96,
  gammaPerC: -0.0047,
  cell: { kind: 'noct', noctC: 49 },
  albedo: 0.2,
};

export interface PvProfileInput {
  readonly weather: SiteWeather;
  readonly startMs: EpochMs;
  /** Length of the profile. */
  readonly minutes: number;
  readonly array?: Partial<PvArray> | undefined;
}

interface Sky {
  readonly ghiWPerM2: number;
  readonly dniWPerM2: number;
  readonly dhiWPerM2: number;
  readonly airC: number;
  readonly elevationDeg: number;
  readonly azimuthDeg: number;
}

/** No beam at the ground is stronger than outside the air at perihelion; what a file claims beyond is dropped. */
const DNI_W_PER_M2_MAX = 1412;

/**
 * AC power per watt of DC nameplate, one value for each minute from startMs, ≥ 0 [W/W].
 * @throws InputError when the weather does not cover the range or has a value missing in it (bridge it first)
 */
export function pvUnitProfile({ weather, startMs, minutes, array }: PvProfileInput): Float64Array {
  const pv = { ...ROOF_ARRAY, ...array };
  const { ghiWPerM2: grid } = weather;
  for (const s of [weather.temperatureC, weather.ghiWPerM2, weather.dniWPerM2, weather.dhiWPerM2]) {
    invariant(s.startMs === grid.startMs && s.stepMs === grid.stepMs, 'the series of a site weather share one grid');
    requireCovered(s, { startMs, endMs: startMs + minutes * MS_PER_MIN });
  }
  const perStep = grid.stepMs / MS_PER_MIN;
  invariant(Number.isInteger(perStep), 'weather steps are whole minutes');
  const out = new Float64Array(minutes);
  for (let i = Math.floor((startMs - grid.startMs) / grid.stepMs); ; i++) {
    const stepStartMs = grid.startMs + i * grid.stepMs;
    const offset = Math.round((stepStartMs - startMs) / MS_PER_MIN);
    if (offset >= minutes) return out;
    const skies = minuteSkies(weather, i, perStep);
    for (const [m, sky] of skies.entries())
      if (offset + m >= 0 && offset + m < minutes) out[offset + m] = unitAc(sky, pv);
  }
}

/** The minutes of one weather interval, with the interval's means kept. */
function minuteSkies(weather: SiteWeather, index: number, perStep: number): Sky[] {
  const { startMs, stepMs } = weather.ghiWPerM2;
  const suns = Array.from({ length: perStep }, (_, m) =>
    sunPosition(weather, startMs + index * stepMs + (m + 0.5) * MS_PER_MIN),
  );
  const clear = suns.map((sun) => haurwitzGhiWPerM2(Math.sin(sun.elevationDeg * RAD)));
  const mean = clear.reduce((a, b) => a + b, 0) / perStep;
  const lit = clear.filter((x) => x > 0).length;
  const at = (series: Series) => series.values[index] ?? Number.NaN;
  return suns.map((sun, m) => {
    const shape = mean > 0 ? (clear[m] ?? 0) / mean : 1;
    const beam = lit > 0 && (clear[m] ?? 0) > 0 ? perStep / lit : 0;
    return {
      ghiWPerM2: at(weather.ghiWPerM2) * shape,
      dhiWPerM2: at(weather.dhiWPerM2) * shape,
      dniWPerM2: Math.min(at(weather.dniWPerM2) * beam, DNI_W_PER_M2_MAX),
      airC: at(weather.temperatureC),
      ...sun,
    };
  });
}

/** @returns irradiance in the plane of the array [W/m²], ≥ 0 */
export function planeOfArrayWPerM2(
  sky: Omit<Sky, 'airC'>,
  { tiltDeg, azimuthDeg, albedo }: Pick<PvArray, 'tiltDeg' | 'azimuthDeg' | 'albedo'>,
): number {
  const tilt = tiltDeg * RAD;
  const elevation = sky.elevationDeg * RAD;
  const cosAoi =
    Math.sin(elevation) * Math.cos(tilt) +
    Math.cos(elevation) * Math.sin(tilt) * Math.cos((sky.azimuthDeg - azimuthDeg) * RAD);
  const direct = sky.elevationDeg > 0 ? sky.dniWPerM2 * Math.max(0, cosAoi) : 0;
  const diffuse = (sky.dhiWPerM2 * (1 + Math.cos(tilt))) / 2;
  return direct + diffuse + (sky.ghiWPerM2 * albedo * (1 - Math.cos(tilt))) / 2;
}

function cellOf(cell: CellModel, at: { poaWPerM2: number; airC: number }): number {
  switch (cell.kind) {
    case 'noct':
      return noctCellC({ ...at, noctC: cell.noctC });
    case 'sapm':
      return sapmCellC({ ...at, mount: cell.mount, windMPerS: cell.windMPerS });
  }
}

function unitAc(sky: Sky, pv: PvArray): number {
  const poaWPerM2 = planeOfArrayWPerM2(sky, pv);
  const cellC = cellOf(pv.cell, { poaWPerM2, airC: sky.airC });
  const dc = pvwattsDc({ irradianceWPerM2: poaWPerM2, cellC, nameplateW: 1, gammaPerC: pv.gammaPerC });
  const dcRatedW = 1 / pv.dcAcRatio / pv.inverterRatio;
  return pvwattsAc({ dcW: dc * (1 - pv.lossesPct / 100), dcRatedW, nominalRatio: pv.inverterRatio });
}

/** @throws InputError when the series leaves a part of the range open or has a value missing in it */
export function requireCovered(series: Series, { startMs, endMs }: { startMs: EpochMs; endMs: EpochMs }): void {
  const { source, stepMs, values } = series;
  const seriesEndMs = series.startMs + values.length * stepMs;
  if (startMs < series.startMs || endMs > seriesEndMs) {
    const value = `${isoUtc(series.startMs)} to ${isoUtc(seriesEndMs)}`;
    throw inputError({
      source,
      place: 'time range',
      value,
      expected: `values for ${isoUtc(startMs)} to ${isoUtc(endMs)}`,
    });
  }
  for (let i = Math.floor((startMs - series.startMs) / stepMs); i < Math.ceil((endMs - series.startMs) / stepMs); i++) {
    if (Number.isNaN(values[i] ?? Number.NaN)) {
      const place = isoUtc(series.startMs + i * stepMs);
      throw inputError({
        source,
        place,
        value: 'a missing value',
        expected: 'a value in every interval that is simulated; bridge the gap first',
      });
    }
  }
}
