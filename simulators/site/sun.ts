/**
 * Where the sun stands, and how bright a clear sky is.
 *
 * Position: the low-precision series of Meeus, Astronomical Algorithms, ch. 25 (apparent longitude, nutation by its
 * largest term) with the equation of time of ch. 28, as in the NOAA solar calculator. Against NREL's SPA it errs by a
 * few thousandths of a degree between 1900 and 2100. Refraction is left out: near the horizon the sun is seen up to
 * 0.6° higher than computed, where a PV array makes nothing.
 *
 * Clear sky: Haurwitz 1945, global irradiance from the zenith angle alone, GHI = 1098 cos z exp(−0.059 / cos z).
 * Diffuse share: Erbs, Klein, Duffie 1982 (Solar Energy 28), from the clearness index.
 */
import type { EpochMs } from '../../src/domain/units.ts';
import type { Place } from './siteWeather.ts';

const RAD = Math.PI / 180;
const J2000_MS = Date.UTC(2000, 0, 1, 12);
const MS_PER_CENTURY = 36_525 * 86_400_000;
/** Terrestrial Time − UTC, some 69 s in the 2020s; a minute of error moves the sun's longitude by 0.0007°. */
const TT_MINUS_UTC_MS = 69_000;

export interface SunPosition {
  /** Geometric height above the horizon [°], negative at night. */
  readonly elevationDeg: number;
  /** Clockwise from north [°], 0 ≤ x < 360. */
  readonly azimuthDeg: number;
}

interface SunAtInstant {
  readonly sinDeclination: number;
  readonly cosDeclination: number;
  /** Apparent minus mean solar time [min]. */
  readonly equationMin: number;
}

function sunAt(atMs: EpochMs): SunAtInstant {
  const t = (atMs + TT_MINUS_UTC_MS - J2000_MS) / MS_PER_CENTURY;
  const l0 = (280.46646 + t * (36000.76983 + 0.0003032 * t)) * RAD;
  const m = (357.52911 + t * (35999.05029 - 0.0001537 * t)) * RAD;
  const e = 0.016708634 - t * (0.000042037 + 0.0000001267 * t);
  const center =
    Math.sin(m) * (1.914602 - t * (0.004817 + 0.000014 * t)) +
    Math.sin(2 * m) * (0.019993 - 0.000101 * t) +
    Math.sin(3 * m) * 0.000289;
  const node = (125.04 - 1934.136 * t) * RAD;
  const longitude = l0 + (center - 0.00569 - 0.00478 * Math.sin(node)) * RAD;
  const meanObliquity = 23 + (26 + (21.448 - t * (46.815 + t * (0.00059 - t * 0.001813))) / 60) / 60;
  const obliquity = (meanObliquity + 0.00256 * Math.cos(node)) * RAD;
  const sinDeclination = Math.sin(obliquity) * Math.sin(longitude);
  const y = Math.tan(obliquity / 2) ** 2;
  const equation =
    y * Math.sin(2 * l0) -
    2 * e * Math.sin(m) +
    4 * e * y * Math.sin(m) * Math.cos(2 * l0) -
    0.5 * y * y * Math.sin(4 * l0) -
    1.25 * e * e * Math.sin(2 * m);
  return { sinDeclination, cosDeclination: Math.sqrt(1 - sinDeclination ** 2), equationMin: (4 * equation) / RAD };
}

/** @source Meeus ch. 13, 25, 28 */
export function sunPosition({ latitudeDeg, longitudeDeg }: Place, atMs: EpochMs): SunPosition {
  const { sinDeclination, cosDeclination, equationMin } = sunAt(atMs);
  const minuteOfDay = (((atMs % 86_400_000) + 86_400_000) % 86_400_000) / 60_000;
  const hourAngle = ((minuteOfDay + equationMin) / 4 + longitudeDeg - 180) * RAD;
  const sinLatitude = Math.sin(latitudeDeg * RAD);
  const cosLatitude = Math.cos(latitudeDeg * RAD);
  const sinElevation = sinLatitude * sinDeclination + cosLatitude * cosDeclination * Math.cos(hourAngle);
  const east = cosDeclination * Math.sin(hourAngle);
  const south = cosDeclination * Math.cos(hourAngle) * sinLatitude - sinDeclination * cosLatitude;
  const azimuth = Math.atan2(east, south) / RAD + 180;
  return {
    elevationDeg: Math.asin(Math.max(-1, Math.min(1, sinElevation))) / RAD,
    azimuthDeg: ((azimuth % 360) + 360) % 360,
  };
}

/** Cosine of the zenith angle, negative at night. */
export const cosZenith = (place: Place, atMs: EpochMs): number => Math.sin(sunPosition(place, atMs).elevationDeg * RAD);

/**
 * @param cosZ  cosine of the sun's zenith angle
 * @returns     clear-sky global horizontal irradiance [W/m²], 0 when the sun is down
 * @source      Haurwitz 1945; constants as in pvlib `clearsky.haurwitz`
 */
export const haurwitzGhiWPerM2 = (cosZ: number): number => (cosZ > 0 ? 1098 * cosZ * Math.exp(-0.059 / cosZ) : 0);

/** Solar constant [W/m²] and Spencer's first term for the distance of the sun over the year. */
const SOLAR_CONSTANT_W_PER_M2 = 1366.1;

/** @returns irradiance on a plane facing the sun outside the air [W/m²] */
export function extraterrestrialWPerM2(atMs: EpochMs): number {
  const yearStartMs = Date.UTC(new Date(atMs).getUTCFullYear(), 0, 1);
  const dayAngle = (2 * Math.PI * (atMs - yearStartMs)) / (365.25 * 86_400_000);
  return SOLAR_CONSTANT_W_PER_M2 * (1 + 0.033 * Math.cos(dayAngle));
}

/**
 * @param clearness  GHI ÷ horizontal extraterrestrial irradiance
 * @returns          diffuse ÷ global, 0.165…1
 * @source           Erbs, Klein, Duffie 1982
 */
export function erbsDiffuseRatio(clearness: number): number {
  const k = Math.max(0, clearness);
  if (k <= 0.22) return 1 - 0.09 * k;
  if (k <= 0.8) return 0.9511 - 0.1604 * k + 4.388 * k ** 2 - 16.638 * k ** 3 + 12.336 * k ** 4;
  return 0.165;
}
