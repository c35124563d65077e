import { STATUS } from '../../src/dnp3/app/control.ts';
import type { Control } from '../../src/dnp3/outstation/controls.ts';
import type { EventClass, PointConfig } from '../../src/dnp3/outstation/database.ts';
import type { EpochMs } from '../../src/domain/units.ts';
import type { RtacConfig } from './config.ts';
import type { Plant } from './plant.ts';

/**
 * The plant's points after AN2018-001, written down here a second time on purpose: the site and its master must not
 * share one table, or an error in it would cancel.
 *
 * AI in W, Wh and tenths of a percent; positive = discharge; charge limits are ≤ 0. BI27 tells whether capacities are Wh
 * (1) or Ah (0, the note's default).
 * @source points of AN2018-001 as listed by VOLTTRON mesa_points.config @releases/8.2 [S]; event classes: EPRI
 *         DERAppNoteDefinition.h (1 alarms, 2 settings and states, 3 measured) [S]; alarm levels are assumed
 */
export interface SiteSwitches {
  /** Control is taken at the site. */
  local: boolean;
  lockout: boolean;
}

const ALARM_HIGH_PCT = 95;
const ALARM_LOW_ABOVE_RESERVE_PCT = 5;
/** Dead-bands: 0.5 % of state of charge, 1 % of the larger power limit. */
const SOC_DEADBAND = 5;
const POWER_DEADBAND_RATIO = 0.01;

interface Reading {
  readonly kind: 'AI' | 'BI' | 'AOS' | 'BOS';
  readonly index: number;
  readonly eventClass: EventClass;
  readonly deadband?: number;
  readonly value: number;
}

/** Every point with its value of this moment. */
export function readings(config: RtacConfig, plant: Plant, switches: SiteSwitches): Reading[] {
  const { chargeWMax, dischargeWMax, usableWh } = config.battery;
  const { storedMj } = plant.registers();
  const socPct = (100 * storedMj) / plant.usableMj;
  const tenths = Math.round(socPct * 10);
  const powerBand = Math.max(1, Math.round(POWER_DEADBAND_RATIO * Math.max(chargeWMax, dischargeWMax)));
  const capacity = config.capacityUnit === 'Ah' ? Math.round(usableWh / AH_VOLTS) : Math.round(usableWh);
  const { state, powerW } = plant;
  const ai = (index: number, eventClass: EventClass, value: number, deadband = 0): Reading => ({
    kind: 'AI',
    index,
    eventClass,
    deadband,
    value,
  });
  const bi = (index: number, eventClass: EventClass, on: boolean): Reading => ({
    kind: 'BI',
    index,
    eventClass,
    value: on ? 1 : 0,
  });
  return [
    bi(4, 1, storedMj >= plant.usableMj),
    bi(5, 1, socPct >= ALARM_HIGH_PCT),
    bi(6, 1, socPct <= plant.reservePct + ALARM_LOW_ABOVE_RESERVE_PCT),
    bi(7, 1, storedMj <= plant.floorMj),
    bi(10, 2, switches.local),
    bi(11, 2, switches.lockout),
    bi(14, 2, state !== 'stopped'),
    bi(15, 2, state === 'stopped'),
    bi(18, 2, state !== 'stopped' && powerW === 0),
    bi(19, 2, powerW > 0),
    bi(20, 2, powerW < 0),
    bi(27, 3, config.capacityUnit !== 'Ah'),
    bi(42, 0, true),
    bi(75, 2, state === 'following'),
    ai(4, 3, dischargeWMax),
    ai(5, 3, -chargeWMax),
    ai(17, 3, capacity),
    ai(18, 3, capacity),
    ai(32, 2, dischargeWMax),
    ai(33, 2, -chargeWMax),
    ai(43, 2, storedMj > plant.floorMj && state !== 'stopped' ? dischargeWMax : 0),
    ai(44, 2, storedMj < plant.usableMj && state !== 'stopped' ? -chargeWMax : 0),
    ai(47, 2, tenths, SOC_DEADBAND),
    ai(48, 2, tenths, SOC_DEADBAND),
    ai(161, 2, Math.round(plant.reservePct * 10)),
    ai(213, 2, plant.targetW),
    ai(537, 3, powerW, powerBand),
    { kind: 'AOS', index: 100, eventClass: 0, value: Math.round(plant.reservePct * 10) },
    { kind: 'AOS', index: 145, eventClass: 0, value: Math.round(plant.reversionMs / 1000) },
    { kind: 'AOS', index: 146, eventClass: 0, value: plant.targetW },
    { kind: 'BOS', index: 0, eventClass: 0, value: switches.lockout ? 1 : 0 },
    { kind: 'BOS', index: 1, eventClass: 0, value: state !== 'stopped' ? 1 : 0 },
    { kind: 'BOS', index: 2, eventClass: 0, value: state === 'stopped' ? 1 : 0 },
    { kind: 'BOS', index: 23, eventClass: 0, value: state === 'following' ? 1 : 0 },
  ];
}

/** Nominal voltage at which a site that counts amp-hours would count them; only to make such a site. */
const AH_VOLTS = 1_000;

export function pointConfigs(all: readonly Reading[]): PointConfig[] {
  return all.map(({ kind, index, eventClass, deadband, value }) => ({
    kind,
    index,
    eventClass,
    value,
    deadband: deadband ?? 0,
  }));
}

/**
 * Decides on one control and, in the operate step, does it.
 * Local: LOCAL (7). Lockout, or a stopped plant: AUTOMATION_INHIBIT (10), but a stop and the end of a lockout are taken.
 * A value outside its range: OUT_OF_RANGE (12). Anything this plant does not have: NOT_SUPPORTED (4).
 */
export function controlPlant(
  control: Control,
  on: { readonly config: RtacConfig; readonly plant: Plant; readonly switches: SiteSwitches; readonly nowMs: EpochMs },
): { readonly status: number; readonly act?: () => void } {
  const { config, plant, switches, nowMs } = on;
  if (switches.local) return { status: STATUS.local };
  if (control.kind === 'analog') return analogControl(control.index, control.value, { config, plant, switches, nowMs });
  if (control.operation !== 3 && control.operation !== 4) return { status: STATUS.notSupported };
  const latchOn = control.operation === 3;
  switch (control.index) {
    case 0:
      return done(() => {
        switches.lockout = latchOn;
        if (latchOn) plant.stop(nowMs, 'lockout by the master');
      });
    case 1:
      if (switches.lockout) return { status: STATUS.automationInhibit };
      return latchOn ? done(() => plant.returnToService(nowMs, 'return to service by the master')) : notSupported;
    case 2:
      return latchOn ? done(() => plant.stop(nowMs, 'emergency stop by the master')) : notSupported;
    case 23:
      if (latchOn && (switches.lockout || plant.state === 'stopped')) return { status: STATUS.automationInhibit };
      return done(() => (latchOn ? plant.enable(nowMs) : plant.release(nowMs)));
    default:
      return notSupported;
  }
}

const done = (act: () => void) => ({ status: STATUS.success, act });
const notSupported = { status: STATUS.notSupported };

function analogControl(
  index: number,
  value: number,
  on: { readonly config: RtacConfig; readonly plant: Plant; readonly switches: SiteSwitches; readonly nowMs: EpochMs },
): { readonly status: number; readonly act?: () => void } {
  const { plant, switches, nowMs } = on;
  const { chargeWMax, dischargeWMax } = on.config.battery;
  if (switches.lockout || plant.state === 'stopped') return { status: STATUS.automationInhibit };
  const within = (min: number, max: number, act: () => void) =>
    value >= min && value <= max ? done(act) : { status: STATUS.outOfRange };
  switch (index) {
    case 100:
      return within(0, 1000, () => {
        plant.advance(nowMs);
        plant.reservePct = value / 10;
      });
    case 145:
      return within(0, 86_400, () => {
        plant.reversionMs = Math.round(value * 1000);
      });
    case 146:
      return within(-chargeWMax, dischargeWMax, () => plant.setTarget(Math.round(value), nowMs));
    default:
      return notSupported;
  }
}
