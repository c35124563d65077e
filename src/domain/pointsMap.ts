import { inputError, nearestName, show } from './errors.ts';

/**
 * Which points of a utility-scale site stand for what: a revision of the points map, chosen by the site's firmware, and
 * what this one site does otherwise. Both ends of a link and a scenario speak of a point by its name here.
 * @source names and standard places: DNP3 Application Note AN2018-001 as listed by VOLTTRON mesa_points.config
 *         @releases/8.2 [S]; that the revision follows the firmware: Texture, "Utility-Scale Batteries"
 */
export type PointKind = 'AI' | 'BI' | 'AO' | 'BO' | 'CTR';
export type Quantity = 'power' | 'energy' | 'percent' | 'voltage' | 'frequency' | 'reactive' | 'time' | 'state';

export interface PointPlace {
  readonly type: PointKind;
  /** Index in AN2018-001; null: the note has no such point, a site may have one. */
  readonly index: number | null;
  readonly quantity: Quantity;
}

const at =
  (type: PointKind) =>
  (index: number | null, quantity: Quantity): PointPlace => ({ type, index, quantity });
const [ai, bi, ao, bo, ctr] = [at('AI'), at('BI'), at('AO'), at('BO'), at('CTR')];

export const POINT_PLACES = {
  effectiveCapacity: ai(17, 'energy'),
  usableCapacity: ai(18, 'energy'),
  dischargeWMax: ai(32, 'power'),
  chargeWMax: ai(33, 'power'),
  availableDischargeW: ai(43, 'power'),
  availableChargeW: ai(44, 'power'),
  actualSoc: ai(47, 'percent'),
  usableSoc: ai(48, 'percent'),
  chargeLimit: ai(148, 'percent'),
  dischargeLimit: ai(149, 'percent'),
  chargeDischargeTarget: ai(154, 'percent'),
  minimumReserve: ai(161, 'percent'),
  maximumReserve: ai(162, 'percent'),
  agcTarget: ai(213, 'power'),
  frequency: ai(536, 'frequency'),
  activePower: ai(537, 'power'),
  reactivePower: ai(541, 'reactive'),
  voltage: ai(553, 'voltage'),
  dcVoltage: ai(963, 'voltage'),
  /** Energy in the store as the site counts it. */
  totalEnergy: ctr(null, 'energy'),
  communicationError: bi(0, 'state'),
  priority1Alarm: bi(1, 'state'),
  priority2Alarm: bi(2, 'state'),
  priority3Alarm: bi(3, 'state'),
  socAtMaximum: bi(4, 'state'),
  socTooHigh: bi(5, 'state'),
  socTooLow: bi(6, 'state'),
  socDepleted: bi(7, 'state'),
  internalTemperatureHigh: bi(8, 'state'),
  externalTemperatureHigh: bi(9, 'state'),
  local: bi(10, 'state'),
  lockout: bi(11, 'state'),
  starting: bi(12, 'state'),
  started: bi(14, 'state'),
  stopped: bi(15, 'state'),
  idle: bi(18, 'state'),
  generating: bi(19, 'state'),
  charging: bi(20, 'state'),
  switchClosed: bi(23, 'state'),
  capacityUnits: bi(27, 'state'),
  supportsAgc: bi(42, 'state'),
  limitEnabled: bi(69, 'state'),
  chargeDischargeEnabled: bi(70, 'state'),
  agcEnabled: bi(75, 'state'),
  meterCommunicationError: bi(106, 'state'),
  limitReversion: ao(85, 'time'),
  setChargeLimit: ao(87, 'percent'),
  setDischargeLimit: ao(88, 'percent'),
  chargeDischargeReversion: ao(92, 'time'),
  setChargeDischargeTarget: ao(93, 'percent'),
  setMinimumReserve: ao(100, 'percent'),
  setMaximumReserve: ao(101, 'percent'),
  agcReversion: ao(145, 'time'),
  setAgcTarget: ao(146, 'power'),
  setLockout: bo(0, 'state'),
  returnToService: bo(1, 'state'),
  ceaseToEnergize: bo(2, 'state'),
  permitStart: bo(3, 'state'),
  permitStop: bo(4, 'state'),
  connectSwitch: bo(5, 'state'),
  enableLimit: bo(17, 'state'),
  enableChargeDischarge: bo(18, 'state'),
  enableAgc: bo(23, 'state'),
} as const satisfies Record<string, PointPlace>;

export type PointKey = keyof typeof POINT_PLACES;
export const POINT_KEYS = Object.keys(POINT_PLACES) as readonly PointKey[];
export const isPointKey = (name: string): name is PointKey => Object.hasOwn(POINT_PLACES, name);

/** The revision of a site that names none. */
export const DEFAULT_REVISION = 'AN2018-001';
export const MAP_REVISIONS: readonly string[] = [DEFAULT_REVISION];

/** How a site differs at one point from its revision; what is absent is as the revision has it. */
export interface PointOverride {
  readonly index?: number;
  /** Value in `unit` = raw × scale; above 0. */
  readonly scale?: number;
  /** −1: this site counts the other way round (charging positive, import negative). */
  readonly sign?: 1 | -1;
  readonly unit?: string;
}

export interface PointsMapConfig {
  readonly revision: string;
  /** By name of the point. */
  readonly overrides: Readonly<Record<string, PointOverride>>;
}

export const STANDARD_MAP: PointsMapConfig = { revision: DEFAULT_REVISION, overrides: {} };

/** Units a point may be in, with what one of them is in W, Wh, %, V, Hz, var or s; amp-hours are no energy: null. */
export const UNITS: Readonly<Record<Quantity, Readonly<Record<string, number | null>>>> = {
  power: { W: 1, kW: 1_000, MW: 1_000_000 },
  energy: { Wh: 1, kWh: 1_000, MWh: 1_000_000, Ah: null },
  percent: { '%': 1 },
  voltage: { V: 1, kV: 1_000 },
  frequency: { Hz: 1 },
  reactive: { var: 1, kvar: 1_000, Mvar: 1_000_000 },
  time: { s: 1 },
  state: {},
};

/**
 * The revision with everything that this site does otherwise, as one text: an approval is given for exactly this, so that
 * moving a point voids it. "AN2018-001" without overrides; "AN2018-001+activePower:index=600,sign=-1" with one.
 */
export function fullRevision({ revision, overrides }: PointsMapConfig): string {
  const parts = Object.keys(overrides)
    .sort()
    .map((name) => {
      const o = overrides[name] ?? {};
      const fields = (['index', 'scale', 'sign', 'unit'] as const).flatMap((f) =>
        o[f] === undefined ? [] : [`${f}=${o[f]}`],
      );
      return `${name}:${fields.join(',')}`;
    });
  return [revision, ...parts].join('+');
}

export interface MapProblem {
  readonly place: readonly string[];
  readonly value: unknown;
  readonly expected: string;
  readonly didYouMean?: string;
}

/** What is wrong with a points map as configured, all of it; empty when it can be used. */
export function mapProblems({ revision, overrides }: PointsMapConfig): MapProblem[] {
  const problems: MapProblem[] = [];
  if (!MAP_REVISIONS.includes(revision)) {
    const expected = `a points-map revision: ${MAP_REVISIONS.join(', ')}`;
    problems.push({ place: ['revision'], value: revision, expected, ...hint(revision, MAP_REVISIONS) });
  }
  const taken = new Map<string, string>();
  for (const key of POINT_KEYS) {
    const index = overrides[key]?.index ?? POINT_PLACES[key].index;
    if (index === null) continue;
    const place = `${POINT_PLACES[key].type}${index}`;
    const other = taken.get(place);
    if (other !== undefined) {
      const moved = overrides[key]?.index === undefined ? other : key;
      problems.push({
        place: ['overrides', moved, 'index'],
        value: index,
        expected: `a place of its own: ${place} is ${moved === key ? other : key}`,
      });
    }
    taken.set(place, key);
  }
  for (const [name, o] of Object.entries(overrides)) problems.push(...overrideProblems(name, o));
  return problems;
}

function overrideProblems(name: string, o: PointOverride): MapProblem[] {
  const place = ['overrides', name];
  if (!isPointKey(name)) {
    return [{ place, value: name, expected: `the name of a point: ${listed(POINT_KEYS)}`, ...hint(name, POINT_KEYS) }];
  }
  const { index, quantity } = POINT_PLACES[name];
  const units = Object.keys(UNITS[quantity]);
  const problems: MapProblem[] = [];
  const bad = (field: string, value: unknown, expected: string) =>
    problems.push({ place: [...place, field], value, expected });
  if (Object.values(o).every((v) => v === undefined)) {
    problems.push({ place, value: o, expected: 'at least one of index, scale, sign, unit' });
  }
  if (index === null && o.index === undefined) bad('index', undefined, 'an index: the revision has no such point');
  if (o.index !== undefined && !(Number.isInteger(o.index) && o.index >= 0 && o.index <= 65_535)) {
    bad('index', o.index, 'a whole number from 0 to 65535');
  }
  if (o.scale !== undefined && !(Number.isFinite(o.scale) && o.scale > 0)) bad('scale', o.scale, 'a number above 0');
  if (quantity === 'state') {
    for (const f of ['scale', 'sign', 'unit'] as const) {
      if (o[f] !== undefined) bad(f, o[f], `no ${f}: ${name} is a state, 0 or 1`);
    }
  } else if (o.unit !== undefined && !units.includes(o.unit)) {
    problems.push({
      place: [...place, 'unit'],
      value: o.unit,
      expected: `one of ${units.join(', ')}`,
      ...hint(o.unit, units),
    });
  }
  return problems;
}

const listed = (names: readonly string[]): string => `${names.slice(0, 12).join(', ')} and ${names.length - 12} more`;

function hint(name: string, names: readonly string[]): { readonly didYouMean?: string } {
  const near = nearestName(name, names);
  return near === undefined ? {} : { didYouMean: near };
}

/** @throws InputError for the first thing that is wrong with the map of a site */
export function checkMap(siteId: string, config: PointsMapConfig): void {
  const [first] = mapProblems(config);
  if (first === undefined) return;
  const { place, value, expected, didYouMean } = first;
  throw inputError({
    source: `site ${siteId}`,
    place: `pointsMap.${place.join('.')}`,
    value: show(value),
    expected,
    ...(didYouMean === undefined ? {} : { didYouMean }),
  });
}
