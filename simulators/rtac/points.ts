import { FLAG } from '../../src/dnp3/app/control.ts';
import type { EventClass } from '../../src/dnp3/outstation/database.ts';
import type { PointKey } from '../../src/domain/pointsMap.ts';
import { MJ_PER_WH } from '../../src/domain/units.ts';
import type { RtacConfig, SiteSwitches } from './config.ts';
import type { Plant } from './plant.ts';
import { OUTPUT } from './settings.ts';
import { dcVoltageV, type Terminals, terminals } from './terminals.ts';

/**
 * The plant's points after AN2018-001, written down here a second time on purpose: the site and its master must not
 * share one table, or an error in it would cancel.
 *
 * Values are in W, Wh, %, V, Hz, var, s; positive = discharge; charge limits are ≤ 0. BI27 tells whether capacities are
 * Wh (1) or Ah (0, the note's default). While the controller does not reach its battery (BI0), what it knows of it is
 * marked as lost and keeps its last value.
 * @source points of AN2018-001 as listed by VOLTTRON mesa_points.config @releases/8.2 [S]; event classes: EPRI
 *         DERAppNoteDefinition.h (1 alarms, 2 settings and states, 3 measured) [S]; the groups of alarms (priority 1: the
 *         battery is lost or too hot; 2: a state of charge or the ambient temperature; 3: a full battery, local control)
 *         and the scales of battery bank #1 are assumed
 */
export type OutstationKind = 'AI' | 'BI' | 'CTR' | 'AOS' | 'BOS';

export interface PointDef {
  readonly kind: OutstationKind;
  readonly index: number;
  /** What a points map calls it; absent = it cannot be moved. */
  readonly key?: PointKey;
  readonly eventClass: EventClass;
  /** What one count is. */
  readonly scale: number;
  /** In the unit of the value. */
  readonly deadband: number;
  readonly value: (site: SiteNow) => number;
  /** Measured at the battery, so lost with the communication to it. */
  readonly ofBattery?: boolean;
}

export interface SiteNow {
  readonly config: RtacConfig;
  readonly plant: Plant;
  readonly switches: SiteSwitches;
  readonly storedMj: number;
  readonly socPct: number;
  readonly meter: Terminals;
}

export function siteNow(config: RtacConfig, plant: Plant, switches: SiteSwitches): SiteNow {
  const { storedMj } = plant.registers();
  const { chargeWMax, dischargeWMax } = config.battery;
  const ratedW = Math.max(chargeWMax, dischargeWMax, 1);
  const meter = terminals({ powerW: plant.powerW, ratedW, nominalV: config.nominalV ?? NOMINAL_V });
  return { config, plant, switches, storedMj, socPct: (100 * storedMj) / plant.usableMj, meter };
}

const NOMINAL_V = 12_470;
/** Nominal voltage at which a site that counts amp-hours would count them; only to make such a site. */
const AH_VOLTS = 1_000;
/** Dead-bands: 0.5 % of state of charge, 1 % of the larger power limit, 0.5 % of the voltage. */
const SOC_DEADBAND_PCT = 0.5;
const POWER_DEADBAND_RATIO = 0.01;
const VOLTAGE_DEADBAND_RATIO = 0.005;

type Value = PointDef['value'];
type More = Partial<Omit<PointDef, 'kind' | 'index' | 'value'>>;

const point =
  (kind: OutstationKind, base: { eventClass: EventClass }) =>
  (index: number, value: Value, more: More = {}): PointDef => ({
    kind,
    index,
    scale: 1,
    deadband: 0,
    ...base,
    value,
    ...more,
  });
const ai = point('AI', { eventClass: 2 });
const measured = point('AI', { eventClass: 3 });
const state = point('BI', { eventClass: 2 });
const alarm = point('BI', { eventClass: 1 });
const ao = point('AOS', { eventClass: 0 });
const bo = point('BOS', { eventClass: 0 });

const key = (name: PointKey): More => ({ key: name });
const tenths = (name?: PointKey, more: More = {}): More => ({
  scale: 0.1,
  ...(name === undefined ? {} : key(name)),
  ...more,
});
const bit = (on: boolean): number => (on ? 1 : 0);

const capacity: Value = ({ config }) =>
  config.capacityUnit === 'Ah' ? config.battery.usableWh / AH_VOLTS : config.battery.usableWh;
const isStopped: Value = ({ plant }) => bit(plant.state === 'stopped');
const isCritical = (s: SiteSwitches): boolean => s.communicationError || s.internalTemperatureHigh;
const socTooHigh = ({ plant, socPct }: SiteNow): boolean => socPct >= plant.setting(OUTPUT.reserveMax);
const socTooLow = ({ plant, storedMj }: SiteNow): boolean => storedMj <= plant.floorMj;
const isFull = ({ plant, storedMj }: SiteNow): boolean => storedMj >= plant.usableMj;
const isEmpty = ({ storedMj }: SiteNow): boolean => storedMj <= 0;
const follows =
  (mode: Plant['mode']): Value =>
  ({ plant }) =>
    bit(plant.state === 'following' && plant.mode === mode);
const isAvailable = ({ plant, switches }: SiteNow): boolean => plant.switchClosed && !switches.lockout;

const BINARY_INPUTS: readonly PointDef[] = [
  alarm(0, (s) => bit(s.switches.communicationError), key('communicationError')),
  alarm(1, (s) => bit(isCritical(s.switches)), key('priority1Alarm')),
  alarm(2, (s) => bit(s.switches.externalTemperatureHigh || socTooHigh(s) || socTooLow(s)), key('priority2Alarm')),
  alarm(3, (s) => bit(isFull(s) || s.switches.local || s.switches.lockout), key('priority3Alarm')),
  alarm(4, (s) => bit(isFull(s)), { key: 'socAtMaximum', ofBattery: true }),
  alarm(5, (s) => bit(socTooHigh(s)), { key: 'socTooHigh', ofBattery: true }),
  alarm(6, (s) => bit(socTooLow(s)), { key: 'socTooLow', ofBattery: true }),
  alarm(7, (s) => bit(isEmpty(s)), { key: 'socDepleted', ofBattery: true }),
  alarm(8, (s) => bit(s.switches.internalTemperatureHigh), key('internalTemperatureHigh')),
  alarm(9, (s) => bit(s.switches.externalTemperatureHigh), key('externalTemperatureHigh')),
  state(10, (s) => bit(s.switches.local), key('local')),
  state(11, (s) => bit(s.switches.lockout), key('lockout')),
  state(12, (s) => bit(s.plant.starting), key('starting')),
  // A stop is carried out at once, so nothing is ever on its way to it.
  state(13, () => 0),
  state(14, (s) => bit(s.plant.state !== 'stopped'), key('started')),
  state(15, isStopped, key('stopped')),
  state(16, (s) => bit(s.plant.startPermitted)),
  state(17, (s) => bit(s.plant.stopPermitted)),
  state(18, (s) => bit(s.plant.state !== 'stopped' && s.plant.powerW === 0), key('idle')),
  state(19, (s) => bit(s.plant.powerW > 0), key('generating')),
  state(20, (s) => bit(s.plant.powerW < 0), key('charging')),
  state(21, (s) => bit(s.plant.state === 'stopped' && isAvailable(s))),
  state(22, (s) => bit(s.plant.state === 'stopped' && !isAvailable(s))),
  state(23, (s) => bit(s.plant.switchClosed), key('switchClosed')),
  state(24, () => 0),
  state(27, (s) => bit(s.config.capacityUnit !== 'Ah'), { key: 'capacityUnits', eventClass: 3 }),
  state(36, () => 1, { eventClass: 0 }),
  state(37, () => 1, { eventClass: 0 }),
  state(42, () => 1, { key: 'supportsAgc', eventClass: 0 }),
  state(69, (s) => bit(s.plant.limitsOn), key('limitEnabled')),
  state(70, follows('charge-discharge'), key('chargeDischargeEnabled')),
  state(75, follows('agc'), key('agcEnabled')),
  state(90, (s) => bit(s.plant.useRates['charge-discharge'])),
  state(91, (s) => bit(s.plant.useRates.agc)),
  alarm(106, () => 0, key('meterCommunicationError')),
  alarm(222, (s) => bit(s.switches.communicationError)),
  alarm(223, (s) => bit(s.switches.local)),
  alarm(224, (s) => bit(s.plant.state !== 'stopped'), { ofBattery: true }),
  alarm(225, (s) => bit(s.plant.powerW < 0), { ofBattery: true }),
  alarm(226, (s) => bit(s.plant.powerW > 0), { ofBattery: true }),
];

function systemInputs(rated: { powerBandW: number; voltageBandV: number }): PointDef[] {
  const { powerBandW, voltageBandV } = rated;
  const phaseV: Value = (s) => s.meter.voltageV / Math.sqrt(3);
  const volts: More = { scale: 0.1, deadband: voltageBandV };
  const amps: More = { scale: 0.1, deadband: powerBandW / voltageBandV, eventClass: 1 };
  const soc: More = { deadband: SOC_DEADBAND_PCT, ofBattery: true };
  const current: Value = (s) => s.meter.currentA;
  return [
    measured(4, (s) => s.config.battery.dischargeWMax),
    measured(5, (s) => -s.config.battery.chargeWMax),
    measured(16, capacity),
    measured(17, capacity, key('effectiveCapacity')),
    measured(18, capacity, key('usableCapacity')),
    ai(29, (s) => s.config.nominalV ?? NOMINAL_V, tenths()),
    ai(31, (s) => s.meter.frequencyHz, { scale: 0.001 }),
    ai(32, (s) => s.config.battery.dischargeWMax, key('dischargeWMax')),
    ai(33, (s) => -s.config.battery.chargeWMax, key('chargeWMax')),
    ai(43, availableDischarge, key('availableDischargeW')),
    ai(44, availableCharge, key('availableChargeW')),
    ai(47, (s) => s.socPct, tenths('actualSoc', soc)),
    ai(48, (s) => s.socPct, tenths('usableSoc', soc)),
    measured(536, (s) => s.meter.frequencyHz, { scale: 0.001, key: 'frequency' }),
    measured(537, (s) => s.plant.powerW, { key: 'activePower', deadband: powerBandW }),
    measured(541, (s) => s.meter.reactiveVar, { key: 'reactivePower', deadband: powerBandW }),
    measured(545, (s) => s.meter.powerFactor, { scale: 0.01 }),
    measured(546, (s) => s.meter.apparentVa, { deadband: powerBandW }),
    ...[547, 549, 551].map((index) => measured(index, phaseV, volts)),
    measured(553, (s) => s.meter.voltageV, { ...volts, eventClass: 1, key: 'voltage' }),
    ...[554, 555, 556].map((index) => measured(index, current, amps)),
    ai(956, capacity),
    ai(957, capacity),
    ai(958, (s) => s.plant.setting(OUTPUT.reserveMin), tenths()),
    ai(959, (s) => s.plant.setting(OUTPUT.reserveMax), tenths()),
    measured(961, (s) => s.socPct, tenths(undefined, soc)),
    measured(963, (s) => dcVoltageV(s.socPct / 100), { scale: 0.1, deadband: 2, key: 'dcVoltage', ofBattery: true }),
    measured(966, (s) => s.plant.powerW, { deadband: powerBandW, eventClass: 1, ofBattery: true }),
  ];
}

function availableDischarge({ plant, storedMj }: SiteNow): number {
  return storedMj > plant.floorMj && plant.state !== 'stopped' ? plant.limitsW.dischargeW : 0;
}

function availableCharge({ plant, storedMj }: SiteNow): number {
  return storedMj < plant.ceilingMj && plant.state !== 'stopped' ? -plant.limitsW.chargeW : 0;
}

/** Mirrors and outputs that a map may move. */
const MIRROR_KEYS: Readonly<Record<number, PointKey>> = {
  148: 'chargeLimit',
  149: 'dischargeLimit',
  154: 'chargeDischargeTarget',
  161: 'minimumReserve',
  162: 'maximumReserve',
  213: 'agcTarget',
};
const OUTPUT_KEYS: Readonly<Record<number, PointKey>> = {
  85: 'limitReversion',
  87: 'setChargeLimit',
  88: 'setDischargeLimit',
  92: 'chargeDischargeReversion',
  93: 'setChargeDischargeTarget',
  100: 'setMinimumReserve',
  101: 'setMaximumReserve',
  145: 'agcReversion',
  146: 'setAgcTarget',
};

function settingPoints(plant: Plant): PointDef[] {
  const named = (keys: Readonly<Record<number, PointKey>>, index: number): More => {
    const name = keys[index];
    return name === undefined ? {} : { key: name };
  };
  return plant.settings.flatMap(({ output, mirror, scale }) => {
    const value: Value = (s) => s.plant.setting(output);
    return [
      ai(mirror, value, { scale, ...named(MIRROR_KEYS, mirror) }),
      ao(output, value, { scale, ...named(OUTPUT_KEYS, output) }),
    ];
  });
}

const BINARY_OUTPUTS: readonly PointDef[] = [
  bo(0, (s) => bit(s.switches.lockout), key('setLockout')),
  bo(1, (s) => bit(s.plant.state !== 'stopped'), key('returnToService')),
  bo(2, isStopped, key('ceaseToEnergize')),
  bo(3, (s) => bit(s.plant.startPermitted), key('permitStart')),
  bo(4, (s) => bit(s.plant.stopPermitted), key('permitStop')),
  bo(5, (s) => bit(s.plant.switchClosed), key('connectSwitch')),
  bo(17, (s) => bit(s.plant.limitsOn), key('enableLimit')),
  bo(18, follows('charge-discharge'), key('enableChargeDischarge')),
  bo(23, follows('agc'), key('enableAgc')),
  bo(38, (s) => bit(s.plant.useRates['charge-discharge'])),
  bo(39, (s) => bit(s.plant.useRates.agc)),
];

/** Every point of the site where AN2018-001 has it; a counter only where the site says it has one. */
export function pointDefs(config: RtacConfig, plant: Plant): PointDef[] {
  const { chargeWMax, dischargeWMax } = config.battery;
  const powerBandW = Math.max(1, Math.round(POWER_DEADBAND_RATIO * Math.max(chargeWMax, dischargeWMax)));
  const voltageBandV = VOLTAGE_DEADBAND_RATIO * (config.nominalV ?? NOMINAL_V);
  const counter: PointDef = {
    kind: 'CTR',
    index: 0,
    key: 'totalEnergy',
    eventClass: 3,
    // One kWh a count unless the map says otherwise.
    scale: 1_000,
    deadband: (config.battery.usableWh * SOC_DEADBAND_PCT) / 100,
    value: (s) => s.storedMj / MJ_PER_WH,
    ofBattery: true,
  };
  return [
    ...BINARY_INPUTS,
    ...systemInputs({ powerBandW, voltageBandV }),
    ...settingPoints(plant),
    ...BINARY_OUTPUTS,
    ...(config.pointsMap?.overrides.totalEnergy === undefined ? [] : [counter]),
  ];
}

/** Quality of a point now. */
export const flagsOf = (def: PointDef, site: SiteNow): number =>
  def.ofBattery === true && site.switches.communicationError ? FLAG.commLost : FLAG.online;
