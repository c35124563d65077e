/**
 * The weather at one place as the models use it: four series on one grid, and where the place is. It comes from a
 * file (simulators/feeds) or is drawn (weather.ts).
 */
import type { Series } from '../../src/ports/series.ts';

export interface Place {
  /** North positive. */
  readonly latitudeDeg: number;
  /** East positive. */
  readonly longitudeDeg: number;
}

export interface SiteWeather extends Place {
  /** Air temperature [°C], mean of the interval. */
  readonly temperatureC: Series;
  /** Global horizontal, direct normal and diffuse horizontal irradiance [W/m²], means of the interval. */
  readonly ghiWPerM2: Series;
  readonly dniWPerM2: Series;
  readonly dhiWPerM2: Series;
}
