import {
  APPLIANCE_COMMANDS,
  type ApplianceInput,
  type ApplianceKind,
  FAN_MODES,
  TARGET_F_MAX,
  TARGET_F_MIN,
  TARGET_GAP_F_MIN,
  THERMOSTAT_MODES,
} from '../../src/domain/appliance.ts';
import { InputError, type InputProblem, invariant, show } from '../../src/domain/errors.ts';
import type { EpochMs } from '../../src/domain/units.ts';
import type { Scheduler } from '../../src/ports/clock.ts';
import type { RandomSource } from '../../src/ports/random.ts';
import type { SiteWeather } from '../site/siteWeather.ts';
import { type EvDevice, EvUnit } from './ev.ts';
import { type HomeBuses, type HomeInverterDevice, HomeInverterUnit } from './homeInverter.ts';
import { type InverterDevice, InverterUnit, type PowerProfiles } from './inverter.ts';
import type { ModeValue } from './table.ts';
import { type ThermostatDevice, ThermostatUnit } from './thermostat.ts';
import {
  type ApplianceNote,
  type ApplianceRegisters,
  type ApplianceSample,
  refused,
  type Taken,
  type Unit,
  type UnitHost,
} from './unit.ts';
import { type DailyPattern, dailyVisits, listedVisits, type Visit } from './visits.ts';

/** One device as the author of a world describes it. */
export type ApplianceDevice =
  | (EvDevice & {
      /** When it stands at the charger: after a pattern, drawn from its own stream, or as listed. */
      readonly visits: { readonly pattern: DailyPattern } | { readonly list: readonly Visit[] };
    })
  | ThermostatDevice
  | InverterDevice
  | HomeInverterDevice;

export interface ApplianceFleetConfig {
  readonly devices: readonly ApplianceDevice[];
  readonly scheduler: Scheduler;
  /** Streams "appliance/<deviceId>". */
  readonly random: RandomSource;
  /** For the days of the patterns. */
  readonly timeZone: string;
  /** Needed when there are thermostats. */
  readonly weather?: SiteWeather;
  /** Needed when there are inverters with a bus of their own. */
  readonly profiles?: PowerProfiles;
  /** Needed when there are inverters of homes. */
  readonly homes?: HomeBuses;
  /** Called at each change of mode, in the order of time. */
  readonly onNote?: (note: ApplianceNote) => void;
  /** The bus that device i hangs on, where something else has to know of its power; an inverter is a bus of its own. */
  readonly busOf?: (i: number) => Pick<UnitHost, 'settle' | 'changed'>;
}

/** The devices as their cloud reaches them, by position. */
export interface AppliancePort {
  readonly count: number;
  kind(i: number): ApplianceKind;
  /** Whether the device can reach its cloud now. */
  isOnline(i: number): boolean;
  sample(i: number): ApplianceSample;
  apply(i: number, setting: ApplianceInput, cause: string): Taken;
}

export interface ApplianceFleet extends AppliancePort {
  deviceId(i: number): string;
  advanceAll(toMs: EpochMs): void;
  setLink(i: number, online: boolean, cause?: string): void;
  /** Registers of device i at the scheduler's now. */
  registers(i: number): ApplianceRegisters;
  modes(i: number): ModeValue;
  /** Device i itself, for the bus that it hangs on. */
  unit(i: number): Unit;
}

/** @throws InputError naming each device and field that is out of range, and weather or profiles that are missing */
export function createApplianceFleet(config: ApplianceFleetConfig): ApplianceFleet {
  const problems = problemsOf(config);
  if (problems.length > 0) throw new InputError(problems);
  const note = config.onNote ?? (() => {});
  const hosts = config.devices.map((_, i): UnitHost => {
    return { scheduler: config.scheduler, note, ...(config.busOf?.(i) ?? NO_BUS) };
  });
  const units = hosts.map((host, i) => makeUnit(config, i, host));
  const unit = (i: number): Unit => {
    const found = units[i];
    invariant(found !== undefined, `no appliance ${i}`);
    return found;
  };
  const advance = (i: number, toMs: EpochMs): Unit => {
    hosts[i]?.settle();
    unit(i).advance(toMs);
    return unit(i);
  };
  return {
    count: units.length,
    kind: (i) => unit(i).kind,
    deviceId: (i) => unit(i).deviceId,
    isOnline: (i) => unit(i).isOnline(),
    sample: (i) => unit(i).sample(),
    apply: (i, setting, cause) => {
      const { deviceKind } = APPLIANCE_COMMANDS[setting.slug];
      const { kind } = unit(i);
      if (kind !== deviceKind) return refused(`a ${kind} does not know ${setting.slug}`);
      return unit(i).apply(setting, cause);
    },
    advanceAll: (toMs) => {
      units.forEach((_, i) => {
        advance(i, toMs);
      });
    },
    setLink: (i, online, cause = online ? 'link up' : 'link down') => unit(i).setLink(online, cause),
    registers: (i) => advance(i, config.scheduler.nowMs()).registers(),
    modes: (i) => unit(i).modes(),
    unit,
  };
}

const NO_BUS = { settle: () => {}, changed: () => {} };

function makeUnit(config: ApplianceFleetConfig, i: number, host: UnitHost): Unit {
  const device = config.devices[i];
  invariant(device !== undefined, `no appliance ${i}`);
  switch (device.kind) {
    case 'charger':
    case 'vehicle': {
      const { visits, deviceId } = device;
      const source =
        'list' in visits
          ? listedVisits(visits.list, `devices[${i}].visits.list`)
          : dailyVisits({
              pattern: visits.pattern,
              draw: config.random(`appliance/${deviceId}`),
              startMs: config.scheduler.nowMs(),
              timeZone: config.timeZone,
              place: `devices[${i}].visits.pattern`,
            });
      return new EvUnit(device, source, host);
    }
    case 'thermostat':
      invariant(config.weather !== undefined, 'a fleet with thermostats was checked to have weather');
      return new ThermostatUnit(device, config.weather, host);
    case 'inverter':
      invariant(config.profiles !== undefined, 'a fleet with inverters was checked to have profiles');
      return new InverterUnit(device, config.profiles, host);
    case 'home-inverter':
      invariant(config.homes !== undefined, 'a fleet with inverters of homes was checked to have homes');
      return new HomeInverterUnit(device, config.homes, host);
  }
}

const problem = (place: string, value: unknown, expected: string): InputProblem => ({
  source: 'appliance fleet',
  place,
  value: show(value),
  expected,
});

function problemsOf(config: ApplianceFleetConfig): InputProblem[] {
  const { devices, weather, profiles } = config;
  const problems = devices.flatMap((d, i) => deviceProblems(d, `devices[${i}]`, profiles));
  const has = (kind: ApplianceDevice['kind']): boolean => devices.some((d) => d.kind === kind);
  if (has('thermostat') && weather === undefined)
    problems.push(problem('weather', weather, 'weather, because there are thermostats'));
  if (has('inverter') && profiles === undefined)
    problems.push(problem('profiles', profiles, 'profiles, because there are inverters'));
  if (has('home-inverter') && config.homes === undefined)
    problems.push(problem('homes', undefined, 'homes, because there are inverters of homes'));
  const seen = new Set<string>();
  devices.forEach(({ deviceId }, i) => {
    if (seen.has(deviceId)) problems.push(problem(`devices[${i}].deviceId`, deviceId, 'an id no other device has'));
    seen.add(deviceId);
  });
  return problems;
}

function deviceProblems(d: ApplianceDevice, place: string, profiles: PowerProfiles | undefined): InputProblem[] {
  const wrong = (field: string, value: unknown, ok: boolean, expected: string): InputProblem[] =>
    ok ? [] : [problem(`${place}.${field}`, value, expected)];
  const range = (field: string, value: number, min: number, max: number, unit: string): InputProblem[] =>
    wrong(field, value, value >= min && value <= max, `a number in ${min}..${max}, in ${unit}`);
  switch (d.kind) {
    case 'charger':
    case 'vehicle':
      return [
        ...range('storedWh', d.storedWh, 0, d.spec.capacityWh, 'Wh'),
        ...range('chargeLimitPct', d.chargeLimitPct, 0, 100, '%'),
      ];
    case 'thermostat':
      return [
        ...wrong('mode', d.mode, THERMOSTAT_MODES.includes(d.mode), `one of ${THERMOSTAT_MODES.join(', ')}`),
        ...wrong('fan', d.fan, FAN_MODES.includes(d.fan), `one of ${FAN_MODES.join(', ')}`),
        ...range('heatTarget', d.heatTarget, TARGET_F_MIN, TARGET_F_MAX, '°F'),
        ...range('coolTarget', d.coolTarget, d.heatTarget + TARGET_GAP_F_MIN, TARGET_F_MAX, '°F'),
        ...range('roomF', d.roomF, -60, 140, '°F'),
      ];
    case 'inverter':
      return [
        ...wrong('pvW', d.pvW, Number.isSafeInteger(d.pvW) && d.pvW >= 0, 'a whole number of W, ≥ 0'),
        ...wrong('loadScale', d.loadScale, d.loadScale >= 0 && Number.isFinite(d.loadScale), 'a factor ≥ 0'),
        ...wrong('pvProfile', d.pvProfile, profiles?.pv[d.pvProfile] !== undefined, 'a row of profiles.pv'),
        ...wrong('loadProfile', d.loadProfile, profiles?.load[d.loadProfile] !== undefined, 'a row of profiles.load'),
      ];
    case 'home-inverter':
      return wrong('home', d.home, Number.isSafeInteger(d.home) && d.home >= 0, 'the position of a home');
  }
}
