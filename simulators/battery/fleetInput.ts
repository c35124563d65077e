import type { BatteryStrategy } from '../../src/domain/battery.ts';
import { InputError, type InputProblem, show } from '../../src/domain/errors.ts';
import type { EpochMs } from '../../src/domain/units.ts';
import type { Scheduler } from '../../src/ports/clock.ts';
import type { LogRecord } from '../../src/ports/records.ts';
import { makeDeviceColumns } from './columns.ts';
import type { HomeColumns, HomeProfiles } from './home.ts';
import type { BatterySpec } from './physics.ts';

/** One home with its battery, as the author of a world describes it. */
export interface FleetDevice {
  readonly deviceId: string;
  readonly siteId: string;
  readonly spec: BatterySpec;
  /** The owner's floor for outages [%]. */
  readonly reservePct: number;
  /**
   * self_consumption: covers load − PV above the reserve, charges from surplus PV only. backup: charges from surplus
   * PV only and never discharges for the home's own use. time_of_use acts like self_consumption: a tariff's hours are
   * not modelled.
   */
  readonly strategy: Exclude<BatteryStrategy, 'unknown'>;
  readonly stormGuardEnabled: boolean;
  /** Row in profiles.load and the factor on it. */
  readonly loadProfile: number;
  readonly loadScale: number;
  /** Row in profiles.pv and the nameplate it is multiplied with, whole [W]. */
  readonly pvProfile: number;
  readonly pvW: number;
  /** Export limit at the meter, whole [W]; null = none. */
  readonly exportWMax: number | null;
}

/**
 * Loads at the buses of homes that follow no profile: vehicles that charge, heating and cooling. Their power is held from
 * one edge of a step to the next, or to a change that they tell of (Fleet.loadsChanged); what they drew beyond it is
 * settled there, so that the bus has their exact energy.
 */
export interface HomeLoads {
  /** Held now, by home, whole, ≥ 0 [W]. */
  readonly evW: Float64Array;
  readonly hvacW: Float64Array;
  has(i: number): boolean;
  /**
   * Moves the loads of home i to atMs and holds their mean power from there to untilMs.
   * @returns what they drew since the call before beyond what was held, whole, of either sign [mJ]
   */
  settle(i: number, atMs: EpochMs, untilMs: EpochMs): { readonly evMj: number; readonly hvacMj: number };
}

export type ModeRecord = Extract<LogRecord, { readonly kind: 'device-mode' }>;

export interface FleetConfig {
  readonly devices: readonly FleetDevice[];
  readonly profiles: HomeProfiles;
  /** Where the profiles begin. */
  readonly startMs: EpochMs;
  /** How long each of their values holds [ms]. */
  readonly stepMs: number;
  readonly scheduler: Scheduler;
  /** Called at each change of mode and each ignored command, in the order of time. */
  readonly onMode: (record: ModeRecord) => void;
  /** Plants a fault, for tests that must find it: the device follows grid commands during a storm. */
  readonly ruleOff?: { readonly stormGuardPrecedence: boolean };
  readonly loads?: HomeLoads;
  /** 'table' (default) or one XState actor per device. */
  readonly executor?: 'table' | 'actors';
}

/** @throws InputError naming each device and field that is out of range */
export function checkFleet(config: FleetConfig): void {
  const problems = [
    ...config.devices.flatMap((d, i) => deviceProblems(d, i, config.profiles)),
    ...profileProblems(config),
  ];
  const seen = new Set<string>();
  config.devices.forEach(({ deviceId }, i) => {
    if (seen.has(deviceId)) problems.push(problem(`devices[${i}].deviceId`, deviceId, 'an id no other device has'));
    seen.add(deviceId);
  });
  if (problems.length > 0) throw new InputError(problems);
}

const problem = (place: string, value: unknown, expected: string): InputProblem => ({
  source: 'battery fleet',
  place,
  value: show(value),
  expected,
});

const isCount = (x: number): boolean => Number.isSafeInteger(x) && x >= 0;

function deviceProblems(d: FleetDevice, i: number, profiles: HomeProfiles): InputProblem[] {
  const wrong = (field: keyof FleetDevice, ok: boolean, expected: string): InputProblem[] =>
    ok ? [] : [problem(`devices[${i}].${field}`, d[field], expected)];
  const row = (k: number, rows: readonly unknown[]): boolean => isCount(k) && k < rows.length;
  return [
    ...wrong('reservePct', d.reservePct >= 0 && d.reservePct <= 100, 'a percentage in 0..100'),
    ...wrong('loadProfile', row(d.loadProfile, profiles.load), `a row in 0..${profiles.load.length - 1}`),
    ...wrong('pvProfile', row(d.pvProfile, profiles.pv), `a row in 0..${profiles.pv.length - 1}`),
    ...wrong('loadScale', Number.isFinite(d.loadScale) && d.loadScale >= 0, 'a factor ≥ 0'),
    ...wrong('pvW', isCount(d.pvW), 'a whole number of W, ≥ 0'),
    ...wrong('exportWMax', d.exportWMax === null || isCount(d.exportWMax), 'a whole number of W, ≥ 0, or null'),
  ];
}

function profileProblems({ profiles, stepMs, startMs }: FleetConfig): InputProblem[] {
  const problems: InputProblem[] = [];
  if (!(Number.isSafeInteger(stepMs) && stepMs > 0))
    problems.push(problem('stepMs', stepMs, 'a whole number of ms, > 0'));
  if (!Number.isSafeInteger(startMs)) problems.push(problem('startMs', startMs, 'a whole number of ms'));
  const steps = profiles.load[0]?.length ?? 0;
  for (const kind of ['load', 'pv'] as const) {
    profiles[kind].forEach((row, k) => {
      if (row.length !== steps)
        problems.push(problem(`profiles.${kind}[${k}]`, row.length, `${steps} steps like the first`));
      const bad = row.findIndex((w) => !(Number.isFinite(w) && w >= 0));
      if (bad >= 0) problems.push(problem(`profiles.${kind}[${k}][${bad}]`, row[bad], 'a finite power ≥ 0'));
    });
  }
  return problems;
}

export function makeHomeColumns(config: FleetConfig): HomeColumns {
  const { devices } = config;
  const n = devices.length;
  const column = (value: (d: FleetDevice) => number): Float64Array => Float64Array.from(devices, value);
  const zeros = (): Float64Array => new Float64Array(n);
  return {
    device: makeDeviceColumns(devices, config.ruleOff?.stormGuardPrecedence !== true),
    mode: new Uint8Array(n),
    stormActive: new Uint8Array(n),
    backupOnly: Uint8Array.from(devices, (d) => (d.strategy === 'backup' ? 1 : 0)),
    reserveMj: zeros(),
    loadProfile: Uint16Array.from(devices, (d) => d.loadProfile),
    pvProfile: Uint16Array.from(devices, (d) => d.pvProfile),
    loadScale: column((d) => d.loadScale),
    pvW: column((d) => d.pvW),
    exportWMax: column((d) => d.exportWMax ?? Number.POSITIVE_INFINITY),
    loadMj: zeros(),
    pvMj: zeros(),
    curtailedMj: zeros(),
    unservedMj: zeros(),
    importMj: zeros(),
    exportMj: zeros(),
    evW: config.loads?.evW ?? zeros(),
    hvacW: config.loads?.hvacW ?? zeros(),
    evMj: zeros(),
    hvacMj: zeros(),
    edgeImportMj: zeros(),
    edgeExportMj: zeros(),
    chargeMj: zeros(),
    dischargeMj: zeros(),
    dispatchedMj: zeros(),
    stormMs: zeros(),
    stormDischargeMj: zeros(),
  };
}
