import { type ApplianceField, applianceDeviceId, applianceKindOf, applianceTags } from '../../scenarios/fleet.ts';
import type { HomeGroup, Scenario } from '../../scenarios/schema.ts';
import { PLUGGED, UNPLUGGED } from '../../simulators/appliance/ev.ts';
import { type EvSpec, USUAL_EV } from '../../simulators/appliance/evPhysics.ts';
import { type ApplianceDevice, type ApplianceFleet, createApplianceFleet } from '../../simulators/appliance/fleet.ts';
import type { BusLoads } from '../../simulators/appliance/homeLoads.ts';
import { regionOf } from '../../simulators/appliance/table.ts';
import { type HouseSpec, USUAL_HOUSE } from '../../simulators/appliance/thermal.ts';
import type { ApplianceNote } from '../../simulators/appliance/unit.ts';
import type { DailyPattern, Visit } from '../../simulators/appliance/visits.ts';
import type { Fleet } from '../../simulators/battery/fleet.ts';
import { OPEN_BEHAVIOUR_PROVENANCE } from '../../simulators/oem/applianceBehaviour.ts';
import type { ApplianceKind } from '../../src/domain/appliance.ts';
import { invariant } from '../../src/domain/errors.ts';
import { clamp, type EpochMs, kwToW, whToMj } from '../../src/domain/units.ts';
import type { Scheduler } from '../../src/ports/clock.ts';
import type { RandomSource, RandomStream } from '../../src/ports/random.ts';
import type { ApplianceInWorld, LogBody } from '../../src/ports/records.ts';
import type { Home } from './homes.ts';
import type { WorldInputs } from './inputs.ts';

/**
 * Vehicles, thermostats and inverters of the homes, one by one, each drawn from a stream of its own name: a group that
 * gets cars leaves its batteries, loads and clouds as they were.
 */
export interface HomeAppliance {
  readonly deviceId: string;
  readonly kind: ApplianceKind;
  readonly field: ApplianceField;
  /** Position of its home. */
  readonly home: number;
  readonly siteId: string;
  readonly group: HomeGroup;
  readonly tags: readonly string[];
  readonly offline: boolean;
  readonly device: ApplianceDevice;
  readonly capacityWh: number | null;
  readonly powerWMax: number;
}

export interface ApplianceRequest {
  readonly scenario: Scenario;
  readonly inputs: WorldInputs;
  readonly random: RandomSource;
  readonly homes: readonly Home[];
}

const FIELDS = ['ev', 'thermostat', 'inverter'] as const satisfies readonly ApplianceField[];

export function makeAppliances(r: ApplianceRequest): HomeAppliance[] {
  const indexInGroup = new Map<string, number>();
  return r.homes.flatMap((h, home) => {
    const index = indexInGroup.get(h.group.group) ?? 0;
    indexInGroup.set(h.group.group, index + 1);
    return FIELDS.flatMap((field) => {
      const kind = applianceKindOf(h.group, field);
      const wanted = h.group[field];
      if (kind === null || wanted === undefined) return [];
      const deviceId = applianceDeviceId(h.deviceId, field);
      const draw = r.random(`home/${deviceId}`);
      const falls = draw.chance(wanted.share ?? 1);
      if (!(wanted.count === undefined ? falls : index < wanted.count)) return [];
      const { group, siteId, offline } = h;
      const tags = applianceTags(group, field);
      const figures = figuresOf(r, { deviceId, home, index, group, draw });
      return [{ deviceId, kind, field, home, siteId, group, tags, offline, ...figures(field) }];
    });
  });
}

interface Place {
  readonly deviceId: string;
  readonly home: number;
  readonly index: number;
  readonly group: HomeGroup;
  readonly draw: RandomStream;
}

type Figures = Pick<HomeAppliance, 'device' | 'capacityWh' | 'powerWMax'>;

const figuresOf =
  (r: ApplianceRequest, at: Place) =>
  (field: ApplianceField): Figures => {
    switch (field) {
      case 'ev':
        return car(r, at);
      case 'thermostat':
        return houseOf(at);
      case 'inverter':
        return roof(at);
    }
  };

function car({ inputs }: ApplianceRequest, { deviceId, group, index, draw }: Place): Figures {
  const { ev } = group;
  invariant(ev !== undefined, `${deviceId} belongs to a group without vehicles`);
  const spec: EvSpec = {
    ...USUAL_EV,
    ...(ev.capacityKwh === undefined ? {} : { capacityWh: ev.capacityKwh * 1000 }),
    ...(ev.chargerKwMax === undefined ? {} : { chargerWMax: kwToW(ev.chargerKwMax) }),
    ...(ev.vehicleKwMax === undefined ? {} : { vehicleWMax: kwToW(ev.vehicleKwMax) }),
    ...(ev.chargeRatio === undefined ? {} : { chargeRatio: ev.chargeRatio }),
    ...(ev.taperFromPct === undefined ? {} : { taperFromPct: ev.taperFromPct }),
  };
  const pct = clamp(draw.uniform(ev.socPct.mean - ev.socPct.spread, ev.socPct.mean + ev.socPct.spread), 0, 100);
  const stays = inputs.sessions.get(group.group)?.[index];
  const visits = inputs.sessions.has(group.group)
    ? { list: (stays ?? []).map((v): Visit => ({ ...v, usedWh: Math.round(v.usedWh * spec.chargeRatio) })) }
    : { pattern: patternOf(ev.visits) };
  const storedWh = Math.round((spec.capacityWh * pct) / 100);
  return {
    device: { kind: ev.reachedAs, deviceId, spec, storedWh, chargeLimitPct: ev.chargeLimitPct, visits },
    capacityWh: spec.capacityWh,
    powerWMax: Math.min(spec.chargerWMax, spec.vehicleWMax),
  };
}

const minutesOf = (clock: string): number => Number(clock.slice(0, 2)) * 60 + Number(clock.slice(3));

function patternOf(v: NonNullable<HomeGroup['ev']>['visits']): DailyPattern {
  const departMin = minutesOf(v.depart);
  const arriveMin = minutesOf(v.arrive);
  return {
    departMin,
    departSdMin: v.departSdMin,
    arriveMin: arriveMin < departMin ? arriveMin + 1_440 : arriveMin,
    arriveSdMin: v.arriveSdMin,
    usedWh: v.usedKwh * 1000,
    usedSdWh: v.usedSdKwh * 1000,
    drivesRatio: v.drivesShare,
  };
}

function houseOf({ deviceId, group, draw }: Place): Figures {
  const t = group.thermostat;
  invariant(t !== undefined, `${deviceId} belongs to a group without thermostats`);
  const own = t.house;
  const vary = (): number => clamp(draw.normal(1, t.houseSpread), 0.4, 2);
  const house: HouseSpec = {
    leakWPerK: (own.leakWPerK ?? USUAL_HOUSE.leakWPerK) * vary(),
    capacityWhPerK: (own.capacityWhPerK ?? USUAL_HOUSE.capacityWhPerK) * vary(),
    gainsW: own.gainsW ?? USUAL_HOUSE.gainsW,
    solarApertureM2: own.solarApertureM2 ?? USUAL_HOUSE.solarApertureM2,
    coolW: own.coolKw === undefined ? USUAL_HOUSE.coolW : kwToW(own.coolKw),
    heatW: own.heatKw === undefined ? USUAL_HOUSE.heatW : kwToW(own.heatKw),
    coolCop: own.coolCop ?? USUAL_HOUSE.coolCop,
    heatCop: own.heatCop ?? USUAL_HOUSE.heatCop,
    fanW: Math.round(own.fanW ?? USUAL_HOUSE.fanW),
    deadbandF: own.deadbandF ?? USUAL_HOUSE.deadbandF,
  };
  const shift = Math.round(draw.uniform(-t.targetSpreadF, t.targetSpreadF) * 2) / 2;
  const heatTarget = t.heatTargetF + shift;
  const coolTarget = t.coolTargetF + shift;
  const inBand = draw.uniform(-house.deadbandF / 2, house.deadbandF / 2);
  const roomF = t.roomF ?? (t.mode === 'heat' ? heatTarget : coolTarget) + inBand;
  const { mode, fan } = t;
  return {
    device: { kind: 'thermostat', deviceId, house, mode, fan, heatTarget, coolTarget, roomF },
    capacityWh: null,
    powerWMax: Math.max(house.coolW, house.heatW) + house.fanW,
  };
}

function roof({ deviceId, home, group }: Place): Figures {
  return {
    device: { kind: 'home-inverter', deviceId, home },
    capacityWh: null,
    powerWMax: kwToW(group.pvKw),
  };
}

/** The simulated devices, hung on the buses of the homes. */
export interface RunningAppliances {
  readonly list: readonly HomeAppliance[];
  readonly fleet: ApplianceFleet;
}

/**
 * Builds them at the scheduler's now and hangs them on the buses of a fleet that was made with these buses.
 * @param label  put before the names of the random streams, so that two fleets of one run draw apart
 */
export function hangAppliances(
  r: Pick<ApplianceRequest, 'scenario' | 'inputs' | 'random'> & {
    readonly list: readonly HomeAppliance[];
    readonly buses: BusLoads;
    readonly homes: Fleet;
    readonly scheduler: Scheduler;
    readonly label: string;
    readonly onNote: (note: ApplianceNote, i: number) => void;
  },
): RunningAppliances {
  const { list, buses, homes, scheduler } = r;
  let ready = false;
  const indexOf = new Map(list.map((a, i) => [a.deviceId, i]));
  const homeOf = (i: number): number => list[i]?.home ?? 0;
  const fleet = createApplianceFleet({
    devices: list.map((a) => since(scheduler.nowMs(), a.device)),
    scheduler,
    random: (name) => r.random(`${r.label}${name}`),
    timeZone: r.scenario.timeZone,
    weather: r.inputs.weather,
    homes,
    onNote: (note) => {
      if (ready) r.onNote(note, indexOf.get(note.deviceId) ?? 0);
    },
    busOf: (i) => ({
      settle: () => homes.advance(homeOf(i), scheduler.nowMs()),
      changed: () => {
        if (ready) homes.loadsChanged(homeOf(i));
      },
    }),
  });
  list.forEach((a, i) => {
    if (a.kind !== 'inverter') buses.add(a.home, fleet.unit(i));
  });
  ready = true;
  for (const home of new Set(list.map((a) => a.home))) homes.loadsChanged(home);
  return { list, fleet };
}

/** Without the stays that were over before; a car that is there already has driven before it came. */
function since(startMs: EpochMs, device: ApplianceDevice): ApplianceDevice {
  if (!('visits' in device) || !('list' in device.visits)) return device;
  const list = device.visits.list
    .filter((v) => v.departMs > startMs)
    .map((v) => (v.arriveMs < startMs ? { ...v, arriveMs: startMs, usedWh: 0 } : v));
  return { ...device, visits: { list } };
}

export const inWorld = (a: HomeAppliance): ApplianceInWorld => ({
  kind: 'appliance',
  siteId: a.siteId,
  deviceId: a.deviceId,
  group: a.group.group,
  applianceKind: a.kind,
  model: MODEL,
  capacityMj: a.capacityWh === null ? null : whToMj(a.capacityWh),
  powerWMax: a.powerWMax,
  provenance: { source: `${FIGURES[a.field]}; its cloud: ${OPEN_BEHAVIOUR_PROVENANCE.source}`, standing: 'assumed' },
});

/** What stands in for figures that a scenario leaves out. @source evPhysics.ts, visits.ts, thermal.ts */
const FIGURES: Readonly<Record<ApplianceField, string>> = {
  ev: 'the scenario, and where it is silent a mid-size commuter car at a 7.2 kW charger',
  thermostat: 'the scenario, and where it is silent a detached house of 180 m² with a 3-ton heat pump',
  inverter: 'PV of the home',
};

export const MODEL = 'own figures';

/** What is in a car that comes or goes [mJ]; null at every other change. */
export function storedMjOf(fleet: ApplianceFleet, i: number, note: ApplianceNote): number | null {
  if (note.cause !== PLUGGED && note.cause !== UNPLUGGED) return null;
  const registers = fleet.unit(i).registers();
  return registers.kind === 'ev' ? registers.storedMj : null;
}

/** "plugged/charging", "cool/resting/auto", "limited": the regions of a device's chart beside its connection. */
export function noteRecord(note: ApplianceNote, storedMj: number | null): LogBody {
  const { deviceId, modes, cause } = note;
  const regions = typeof modes === 'string' ? [] : Object.keys(modes).filter((name) => name !== 'connection');
  const mode = regions.map((name) => regionOf(modes, name).at(-1) ?? '').join('/');
  const connection = regionOf(modes, 'connection')[0] ?? '';
  return { kind: 'appliance-mode', deviceId, mode, connection, cause, storedMj };
}
