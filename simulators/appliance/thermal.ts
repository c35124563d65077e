/**
 * A house with a thermostat as one resistance and one capacity (1R1C):
 *
 *   capacity · dT/dt = leak · (T_out − T) + Q,   Q = HVAC heat + internal gains + solar aperture · GHI
 *
 * While weather and HVAC stand still, T comes nearer to T_eq = T_out + Q/leak by e^(−t/τ), τ = capacity/leak; so every
 * instant is a closed form from the last change, and the crossing of a limit is a logarithm. Weather is constant within
 * its intervals. The HVAC is on or off: heat = COP · electric power, with a constant COP (assumed).
 * Left out: humidity, a second node for walls and furniture, dependence of COP and capacity on the weather, doors.
 *
 * What follows from it by itself: raising a cooling target sheds the HVAC's power until the room has drifted up to it,
 * and setting it back makes all houses run at once until they are down again: the snap-back.
 *
 * Temperatures are °C here, °F at the thermostat. Electric energy is whole W times whole ms, exact in mJ; temperature is
 * a float that no ledger sums.
 * @source closed form and acceptance rows: SIMONA ThermalHouseSpec.scala (read); time between starts: assumed
 */
import { InputError, type InputProblem, show } from '../../src/domain/errors.ts';
import { MS_PER_HOUR, MS_PER_MIN } from '../../src/domain/units.ts';

export interface HouseSpec {
  /** Heat lost per degree to the outside, > 0 [W/K]. */
  readonly leakWPerK: number;
  /** Heat stored per degree, > 0 [Wh/K]. */
  readonly capacityWhPerK: number;
  /** People and appliances [W]. */
  readonly gainsW: number;
  /** Window that lets all horizontal irradiance in [m²]. */
  readonly solarApertureM2: number;
  /** Electric power of cooling and heating, whole, ≥ 0 [W]; 0 = has none. */
  readonly coolW: number;
  readonly heatW: number;
  /** Heat moved per electric energy, > 0. A gas furnace is heatW = its blower with a large COP. */
  readonly coolCop: number;
  readonly heatCop: number;
  /** Electric power of the fan, whole, ≥ 0 [W]. */
  readonly fanW: number;
  /** Between switching on and off, around the target, > 0 [°F]. */
  readonly deadbandF: number;
}

/** A detached house of 180 m² with a 3-ton heat pump. Assumed, all of it; τ is 20 hours. */
export const USUAL_HOUSE: HouseSpec = {
  leakWPerK: 250,
  capacityWhPerK: 5_000,
  gainsW: 500,
  solarApertureM2: 2,
  coolW: 3_000,
  heatW: 3_000,
  coolCop: 3.2,
  heatCop: 3,
  fanW: 300,
  deadbandF: 1,
};

/** A compressor that stopped does not start before this [ms]. Assumed: 5 minutes is the usual setting of a thermostat. */
export const REST_MS = 5 * MS_PER_MIN;
/** Eco widens both targets by this [°F]. Assumed: makers differ and publish nothing. */
export const ECO_F = 4;
/** Circulating takes this part of the fan's power. Assumed ("often at a lower rate", TextureHQ/docs thermostats, read). */
export const CIRCULATE_RATIO = 1 / 3;

export type Hvac = 'off' | 'heating' | 'cooling';

/** Heat into the room that does not depend on its temperature [W]. */
export function heatW(spec: HouseSpec, hvac: Hvac, ghiWPerM2: number): number {
  const free = spec.gainsW + spec.solarApertureM2 * ghiWPerM2;
  switch (hvac) {
    case 'off':
      return free;
    case 'heating':
      return free + spec.heatW * spec.heatCop;
    case 'cooling':
      return free - spec.coolW * spec.coolCop;
  }
}

/** Where the room tends to [°C]. */
export const equilibriumC = (spec: HouseSpec, outdoorC: number, heat: number): number =>
  outdoorC + heat / spec.leakWPerK;

export const timeConstantMs = (spec: HouseSpec): number => (spec.capacityWhPerK / spec.leakWPerK) * MS_PER_HOUR;

/** @returns temperature after ms on the way to equilibrium [°C] */
export const roomAfter = (spec: HouseSpec, fromC: number, towardsC: number, ms: number): number =>
  towardsC + (fromC - towardsC) * Math.exp(-ms / timeConstantMs(spec));

/** @returns whole ms until the room is at targetC or past it; 0 when it is there, null when it never gets there */
export function msUntil(spec: HouseSpec, at: { fromC: number; towardsC: number; targetC: number }): number | null {
  const { fromC, towardsC, targetC } = at;
  if (fromC === targetC) return 0;
  const share = (fromC - towardsC) / (targetC - towardsC);
  const heads = Math.sign(towardsC - fromC) === Math.sign(targetC - fromC);
  if (!heads || !(share >= 1) || !Number.isFinite(share)) return null;
  return Math.ceil(timeConstantMs(spec) * Math.log(share));
}

/** @throws InputError naming each field that is out of range */
export function checkHouse(spec: HouseSpec, place: string): void {
  const wrong = (field: keyof HouseSpec, ok: boolean, expected: string): InputProblem[] =>
    ok ? [] : [{ source: 'appliance fleet', place: `${place}.${field}`, value: show(spec[field]), expected }];
  const positive = (field: keyof HouseSpec): InputProblem[] =>
    wrong(field, spec[field] > 0 && Number.isFinite(spec[field]), 'a number > 0');
  const watts = (field: keyof HouseSpec): InputProblem[] =>
    wrong(field, Number.isSafeInteger(spec[field]) && spec[field] >= 0, 'a whole number of W, ≥ 0');
  const problems = [
    ...positive('leakWPerK'),
    ...positive('capacityWhPerK'),
    ...positive('coolCop'),
    ...positive('heatCop'),
    ...positive('deadbandF'),
    ...watts('coolW'),
    ...watts('heatW'),
    ...watts('fanW'),
    ...wrong('gainsW', Number.isFinite(spec.gainsW), 'a power in W'),
    ...wrong('solarApertureM2', spec.solarApertureM2 >= 0, 'an area ≥ 0 in m²'),
  ];
  if (problems.length > 0) throw new InputError(problems);
}
