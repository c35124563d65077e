import { InputError, type InputProblem, InvariantError, show } from '../../src/domain/errors.ts';
import { whToMj } from '../../src/domain/units.ts';

/**
 * Theory. A battery is a store with one efficiency each way and a standby loss:
 *
 *   d stored / dt = chargeRatio · P_charge − P_discharge / dischargeRatio − P_standby
 *
 * with constant AC power inside a step, so that the closed form is exact and needs no small steps.
 * Left out: dependence of efficiency and limits on power, temperature and state of charge; ageing; settling times.
 *
 * Arithmetic. Power is whole W, time whole ms, energy whole mJ (1 W·ms), ratios whole parts per million. Losses are
 * functions of the cumulative AC registers alone, rounded up to the next mJ:
 *
 *   chargeLoss(C)    = ⌈ C · (1 − chargeRatio) ⌉              so  stored from C   = ⌊ C · chargeRatio ⌋
 *   dischargeLoss(D) = ⌈ D · (1 − dischargeRatio) / dischargeRatio ⌉  so  taken for D = ⌈ D / dischargeRatio ⌉
 *
 * Booked is the difference to what was booked before. Therefore stored = stored0 + charge − chargeLoss − discharge −
 * dischargeLoss − standby holds to the mJ at every instant, a step may be split anywhere without changing a digit, and
 * rounding never makes energy. Limits are found on the grid of whole ms: power stops before the first ms that would
 * cross, so neither floor nor ceiling is passed by 1 mJ.
 *
 * Standby is drawn from the store while anything is in it, also below the floor (the floor binds discharge alone). At
 * the ceiling it would make a charger chatter; like real chargers this one starts again only after the store fell
 * by RESUME_RATIO of its usable energy, or after a discharge.
 *
 * @source closed form and acceptance rows: SIMONA StorageModelSpec.scala (2cf8fe6); the resume band is a modelling
 *         choice, no vendor's figure
 */
export interface BatterySpec {
  /** Energy between empty and full, > 0 [Wh]. */
  readonly usableWh: number;
  /** Limits at the AC terminals, whole, ≥ 0 [W]. */
  readonly chargeWMax: number;
  readonly dischargeWMax: number;
  /** One-way efficiencies, 0 < ratio ≤ 1, kept to parts per million. */
  readonly chargeRatio: number;
  readonly dischargeRatio: number;
  /** Drawn from the store at all times while it is not empty, whole, ≥ 0 [W]. */
  readonly standbyW: number;
  /** Stored at the start, 0..usableWh [Wh]. */
  readonly storedWh: number;
}

/** One value per battery; every *Mj column holds whole mJ, the cumulative registers only grow. */
export interface BatteryColumns {
  readonly count: number;
  readonly usableMj: Float64Array;
  readonly storedMj: Float64Array;
  readonly chargeWMax: Float64Array;
  readonly dischargeWMax: Float64Array;
  readonly chargeRatio: Float64Array;
  readonly dischargeRatio: Float64Array;
  readonly standbyW: Float64Array;
  /** AC energy in, AC energy out, and what was lost on the way [mJ]. */
  readonly chargeMj: Float64Array;
  readonly dischargeMj: Float64Array;
  readonly chargeLossMj: Float64Array;
  readonly dischargeLossMj: Float64Array;
  readonly standbyMj: Float64Array;
  /** Ratios as whole parts per million, the form the arithmetic uses. */
  readonly chargePpm: Float64Array;
  readonly dischargePpm: Float64Array;
  /** The ceiling at which charging stopped and has not resumed [mJ]; −1 = not stopped. */
  readonly fullAtMj: Float64Array;
}

const PPM = 1_000_000;
/** Part of the usable energy that must be gone before a full battery takes charge again. */
const RESUME_RATIO = 0.01;

/**
 * Lays batteries out as columns.
 * @throws InputError naming each spec and field that is out of range
 */
export function makeBatteryColumns(specs: readonly BatterySpec[]): BatteryColumns {
  const problems = specs.flatMap(problemsOf);
  if (problems.length > 0) throw new InputError(problems);
  const column = (value: (s: BatterySpec) => number): Float64Array => Float64Array.from(specs, value);
  const ppm = (ratio: number): number => Math.round(ratio * PPM);
  return {
    count: specs.length,
    usableMj: column((s) => whToMj(s.usableWh)),
    storedMj: column((s) => whToMj(s.storedWh)),
    chargeWMax: column((s) => s.chargeWMax),
    dischargeWMax: column((s) => s.dischargeWMax),
    chargeRatio: column((s) => ppm(s.chargeRatio) / PPM),
    dischargeRatio: column((s) => ppm(s.dischargeRatio) / PPM),
    standbyW: column((s) => s.standbyW),
    chargeMj: column(() => 0),
    dischargeMj: column(() => 0),
    chargeLossMj: column(() => 0),
    dischargeLossMj: column(() => 0),
    standbyMj: column(() => 0),
    chargePpm: column((s) => ppm(s.chargeRatio)),
    dischargePpm: column((s) => ppm(s.dischargeRatio)),
    fullAtMj: column(() => -1),
  };
}

function problemsOf(spec: BatterySpec, index: number): InputProblem[] {
  const wrong = (field: keyof BatterySpec, ok: boolean, expected: string): InputProblem[] =>
    ok ? [] : [{ source: 'battery spec', place: `specs[${index}].${field}`, value: show(spec[field]), expected }];
  const wholeW = (w: number): boolean => Number.isSafeInteger(w) && w >= 0;
  const ratio = (r: number): boolean => r <= 1 && Math.round(r * PPM) >= 1;
  const fits = (wh: number): boolean => Number.isSafeInteger(whToMj(wh));
  return [
    ...wrong('usableWh', spec.usableWh > 0 && fits(spec.usableWh), 'energy > 0 and below 2501 MWh, in Wh'),
    ...wrong('chargeWMax', wholeW(spec.chargeWMax), 'a whole number of W, ≥ 0'),
    ...wrong('dischargeWMax', wholeW(spec.dischargeWMax), 'a whole number of W, ≥ 0'),
    ...wrong('chargeRatio', ratio(spec.chargeRatio), 'a ratio in (0, 1], at least 1 ppm'),
    ...wrong('dischargeRatio', ratio(spec.dischargeRatio), 'a ratio in (0, 1], at least 1 ppm'),
    ...wrong('standbyW', wholeW(spec.standbyW), 'a whole number of W, ≥ 0'),
    ...wrong('storedWh', spec.storedWh >= 0 && spec.storedWh <= spec.usableWh, 'energy in 0..usableWh, in Wh'),
  ];
}

/** ⌈ e · part / whole ⌉ for whole numbers, exact although e · part may pass 2^53. */
function ceilShare(e: number, part: number, whole: number): number {
  const q = Math.floor(e / whole);
  return q * part + Math.ceil(((e - q * whole) * part) / whole);
}

/**
 * Advances battery i over dtMs at constant AC power.
 * @param powerW   whole, + discharge, − charge, within the battery's limits [W]
 * @param dtMs     whole, ≥ 0 [ms]
 * @param floorMj  discharge stops before the store would fall below it [mJ]; it never empties below 0
 * @param ceilMj   charging stops before the store would rise above it [mJ]; it never fills above usableMj
 * @returns        for how long of dtMs the power was really given [ms]; for the rest the AC power was 0. With powerW 0
 *                 it is dtMs. Discharge is given from the start until the floor; charging likewise, and again when the
 *                 store has fallen by the resume band
 * @throws         InvariantError for an index, power or time out of range, or a register past 2^53 mJ (2501 MWh)
 */
export function moveBattery(
  c: BatteryColumns,
  i: number,
  powerW: number,
  dtMs: number,
  floorMj: number,
  ceilMj: number,
): number {
  if (!(i >= 0 && i < c.count)) throw new InvariantError(`battery index ${i} is not in 0..${c.count - 1}`);
  if (!(dtMs >= 0 && Number.isSafeInteger(dtMs))) throw new InvariantError(`dtMs ${dtMs} is not a whole number ≥ 0`);
  if (powerW === 0) {
    standBy(c, i, dtMs);
    return dtMs;
  }
  if (!Number.isSafeInteger(powerW)) throw new InvariantError(`power ${powerW} W is not whole`);
  if (powerW > 0) {
    if (powerW > (c.dischargeWMax[i] as number)) throw new InvariantError(`discharge of ${powerW} W is over the limit`);
    return dischargeFor(c, i, powerW, dtMs, floorMj > 0 ? floorMj : 0);
  }
  if (-powerW > (c.chargeWMax[i] as number)) throw new InvariantError(`charge of ${-powerW} W is over the limit`);
  const usable = c.usableMj[i] as number;
  return chargeFor(c, i, -powerW, dtMs, ceilMj < usable ? ceilMj : usable);
}

/** Idle: only the standby loss, until the store is empty. Index reads are in range: moveBattery checked i. */
function standBy(c: BatteryColumns, i: number, dtMs: number): void {
  const stored = c.storedMj[i] as number;
  const wanted = (c.standbyW[i] as number) * dtMs;
  const lost = wanted < stored ? wanted : stored;
  c.storedMj[i] = stored - lost;
  c.standbyMj[i] = (c.standbyMj[i] as number) + lost;
}

function dischargeFor(c: BatteryColumns, i: number, powerW: number, dtMs: number, floorMj: number): number {
  c.fullAtMj[i] = -1;
  const givenMs = dischargeReach(c, i, powerW, dtMs, floorMj);
  if (givenMs > 0) {
    const out = (c.dischargeMj[i] as number) + powerW * givenMs;
    const ppm = c.dischargePpm[i] as number;
    const after = storedAfterDischarge(c, i, powerW, givenMs);
    checkRegister(out);
    c.storedMj[i] = after;
    c.dischargeMj[i] = out;
    c.dischargeLossMj[i] = ceilShare(out, PPM - ppm, ppm);
    c.standbyMj[i] = (c.standbyMj[i] as number) + (c.standbyW[i] as number) * givenMs;
  }
  if (givenMs < dtMs) standBy(c, i, dtMs - givenMs);
  return givenMs;
}

/** The longest discharge within dtMs that keeps the store at or above the floor: a search by halves on whole ms. */
function dischargeReach(c: BatteryColumns, i: number, powerW: number, dtMs: number, floorMj: number): number {
  if (storedAfterDischarge(c, i, powerW, dtMs) >= floorMj) return dtMs;
  let under = dtMs;
  let reach = 0;
  while (under - reach > 1) {
    const mid = reach + Math.floor((under - reach) / 2);
    if (storedAfterDischarge(c, i, powerW, mid) < floorMj) under = mid;
    else reach = mid;
  }
  return reach;
}

function storedAfterDischarge(c: BatteryColumns, i: number, powerW: number, ms: number): number {
  const energy = powerW * ms;
  const ppm = c.dischargePpm[i] as number;
  const loss = ceilShare((c.dischargeMj[i] as number) + energy, PPM - ppm, ppm) - (c.dischargeLossMj[i] as number);
  return (c.storedMj[i] as number) - energy - loss - (c.standbyW[i] as number) * ms;
}

/**
 * For how long within dtMs a power could be given without a break from now on; changes nothing.
 * Parameters as for moveBattery. 0 at a limit; dtMs when the power is 0.
 */
export function msUntilLimit(
  c: BatteryColumns,
  i: number,
  powerW: number,
  dtMs: number,
  floorMj: number,
  ceilMj: number,
): number {
  if (powerW === 0) return dtMs;
  if (powerW > 0) return dischargeReach(c, i, powerW, dtMs, floorMj > 0 ? floorMj : 0);
  const usable = c.usableMj[i] as number;
  const ceil = ceilMj < usable ? ceilMj : usable;
  return restsFull(c, i, ceil) ? 0 : chargeReach(c, i, -powerW, dtMs, ceil);
}

function resumeLevel(c: BatteryColumns, i: number, ceilMj: number): number {
  return Math.max(0, ceilMj - Math.floor((c.usableMj[i] as number) * RESUME_RATIO));
}

/** Charging stopped at this ceiling, or the ceiling came down below the store, and the resume level is not reached. */
function restsFull(c: BatteryColumns, i: number, ceilMj: number): boolean {
  const stored = c.storedMj[i] as number;
  return (stored > ceilMj || c.fullAtMj[i] === ceilMj) && stored > resumeLevel(c, i, ceilMj);
}

/** Charges, rests at the ceiling, resumes; each turn of the loop uses up time, so it ends. */
function chargeFor(c: BatteryColumns, i: number, powerW: number, dtMs: number, ceilMj: number): number {
  const resumeMj = resumeLevel(c, i, ceilMj);
  const standbyW = c.standbyW[i] as number;
  let leftMs = dtMs;
  let givenMs = 0;
  while (leftMs > 0) {
    const stored = c.storedMj[i] as number;
    if (restsFull(c, i, ceilMj)) {
      c.fullAtMj[i] = ceilMj;
      const untilResumeMs = standbyW > 0 ? Math.ceil((stored - resumeMj) / standbyW) : leftMs;
      const restMs = untilResumeMs < leftMs ? untilResumeMs : leftMs;
      standBy(c, i, restMs);
      leftMs -= restMs;
      continue;
    }
    const ms = chargeUntil(c, i, powerW, leftMs, ceilMj);
    c.fullAtMj[i] = ms < leftMs ? ceilMj : -1;
    givenMs += ms;
    leftMs -= ms;
    if (ms === 0 && stored <= resumeMj) {
      standBy(c, i, leftMs);
      break;
    }
  }
  return givenMs;
}

/** The longest unbroken charge within dtMs that keeps the store at or below the ceiling. */
function chargeReach(c: BatteryColumns, i: number, powerW: number, dtMs: number, ceilMj: number): number {
  if (storedAfterCharge(c, i, powerW, dtMs) <= ceilMj) return dtMs;
  let over = dtMs;
  let reach = 0;
  while (over - reach > 1) {
    const mid = reach + Math.floor((over - reach) / 2);
    if (storedAfterCharge(c, i, powerW, mid) > ceilMj) over = mid;
    else reach = mid;
  }
  return reach;
}

function chargeUntil(c: BatteryColumns, i: number, powerW: number, dtMs: number, ceilMj: number): number {
  const ms = chargeReach(c, i, powerW, dtMs, ceilMj);
  if (ms === 0) return 0;
  const energy = powerW * ms;
  const into = (c.chargeMj[i] as number) + energy;
  const loss = ceilShare(into, PPM - (c.chargePpm[i] as number), PPM);
  checkRegister(into);
  const available = (c.storedMj[i] as number) + energy - (loss - (c.chargeLossMj[i] as number));
  const wanted = (c.standbyW[i] as number) * ms;
  const lost = wanted < available ? wanted : available;
  c.chargeMj[i] = into;
  c.chargeLossMj[i] = loss;
  c.storedMj[i] = available - lost;
  c.standbyMj[i] = (c.standbyMj[i] as number) + lost;
  return ms;
}

/**
 * The store after charging for ms. The gain of one ms is ⌊x⌋ or ⌈x⌉ of x = power · ratio and standby is whole, so the
 * store moves one way only: the search by halves is sound, and where it falls it falls to 0 and stays.
 */
function storedAfterCharge(c: BatteryColumns, i: number, powerW: number, ms: number): number {
  const energy = powerW * ms;
  const loss =
    ceilShare((c.chargeMj[i] as number) + energy, PPM - (c.chargePpm[i] as number), PPM) -
    (c.chargeLossMj[i] as number);
  const after = (c.storedMj[i] as number) + energy - loss - (c.standbyW[i] as number) * ms;
  return after > 0 ? after : 0;
}

function checkRegister(mj: number): void {
  if (mj > Number.MAX_SAFE_INTEGER) throw new InvariantError(`a register would pass 2^53 mJ: ${mj}`);
}
