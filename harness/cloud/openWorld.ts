import { USUAL_EV } from '../../simulators/appliance/evPhysics.ts';
import { type ApplianceDevice, type ApplianceFleet, createApplianceFleet } from '../../simulators/appliance/fleet.ts';
import { USUAL_HOUSE } from '../../simulators/appliance/thermal.ts';
import { COMMUTER } from '../../simulators/appliance/visits.ts';
import { createOpenCloud, type OpenCloud } from '../../simulators/oem/appliance.ts';
import type { Behaviour } from '../../simulators/oem/behaviour.ts';
import type { CloudCredentials } from '../../simulators/oem/cloud.ts';
import { syntheticWeather } from '../../simulators/site/weather.ts';
import type { ApplianceKind, ApplianceState } from '../../src/domain/appliance.ts';
import { invariant } from '../../src/domain/errors.ts';
import type { EpochMs } from '../../src/domain/units.ts';
import type { Scheduler } from '../../src/ports/clock.ts';
import type { RandomSource } from '../../src/ports/random.ts';
import { CREDENTIALS, DEVICES_MAX } from './cloudWorld.ts';
import { LOAD_SHAPES, PLACE, PV_W, STEP_MS, servedProfiles, TIME_ZONE, vendorIdAt, WEEKS } from './homes.ts';
import type { ServedWorld, WorldShown } from './served.ts';

/**
 * The open device cloud with chargers, vehicles, thermostats and inverters behind it, one of each in turn: commuters'
 * cars, houses in a warm place, roofs like those of homes.ts. Figures are assumed: no fleet is copied.
 */
export interface OpenWorldOptions {
  readonly scheduler: Scheduler;
  readonly random: RandomSource;
  readonly devices: number;
  readonly behaviour?: Partial<Behaviour>;
}

export interface ApplianceShown {
  readonly vendorDeviceId: string;
  readonly kind: ApplianceKind;
  readonly online: boolean;
  readonly state: ApplianceState;
  /** All that the cloud keeps of it, oldest first; effects: how often the device followed it. */
  readonly commands: readonly {
    readonly id: string;
    readonly clientToken: string;
    readonly setting: unknown;
    readonly createdMs: EpochMs;
    readonly status: string;
    readonly reason: string | null;
    readonly effects: number;
  }[];
}

export interface OpenWorld extends ServedWorld {
  readonly oem: 'open';
  readonly cloud: OpenCloud;
  readonly fleet: ApplianceFleet;
  readonly credentials: CloudCredentials;
  shown(): WorldShown & { readonly devices: readonly ApplianceShown[] };
}

const KINDS: readonly ApplianceKind[] = ['charger', 'vehicle', 'thermostat', 'inverter'];
/** Of the device with this index. */
export const kindAt = (index: number): ApplianceKind => KINDS[index % KINDS.length] ?? 'vehicle';
const CHARGE_LIMIT_PCT = 80;
/** Share of the battery that is full at the start. */
const FULL_RATIO = { min: 0.3, max: 0.7 } as const;
const HEAT_F = 66;
const COOL_F = 76;
/** Mean nights and days of a warm place. */
const LOW_C = 15;
const HIGH_C = 29;
const HOURS_PER_WEEK = 168;

export function createOpenWorld({ scheduler, random, devices: count, behaviour }: OpenWorldOptions): OpenWorld {
  invariant(count >= 1 && count <= DEVICES_MAX, `1 to ${DEVICES_MAX} devices, not ${count}`);
  const deviceIds = Array.from({ length: count }, (_, i) => vendorIdAt(i));
  const { profiles, startMs } = servedProfiles(scheduler.nowMs(), random);
  const fleet = createApplianceFleet({
    devices: deviceIds.map((id, i) => deviceAt(id, i, random)),
    scheduler,
    random,
    timeZone: TIME_ZONE,
    weather: syntheticWeather({
      ...PLACE,
      startMs,
      hours: WEEKS * HOURS_PER_WEEK,
      lowC: LOW_C,
      highC: HIGH_C,
      random,
    }),
    profiles: { ...profiles, startMs, stepMs: STEP_MS },
  });
  const cloud = createOpenCloud({
    scheduler,
    random,
    fleet,
    credentials: CREDENTIALS,
    devices: deviceIds.map((vendorDeviceId, device) => ({ device, vendorDeviceId })),
    ...(behaviour === undefined ? {} : { behaviour }),
  });
  const index = new Map(deviceIds.map((id, i) => [id, i]));
  return {
    oem: 'open',
    cloud,
    fleet,
    credentials: CREDENTIALS,
    deviceIds,
    indexOf: (id) => index.get(id) ?? null,
    change: (i, { online, reservePct, optOut }) => {
      if (reservePct !== undefined || optOut !== undefined) return 'it has no reserve and is in no program';
      if (online !== undefined) fleet.setLink(i, online);
      return null;
    },
    addProgram: null,
    storm: null,
    shown: () => ({
      oem: 'open',
      nowMs: scheduler.nowMs(),
      counts: cloud.counts(),
      behaviour: cloud.behaviour(),
      devices: deviceIds.map((id, i) => shownAt({ cloud, fleet }, id, i)),
    }),
  };
}

function deviceAt(deviceId: string, i: number, random: RandomSource): ApplianceDevice {
  const draw = random(`home/open/${deviceId}`);
  const kind = kindAt(i);
  switch (kind) {
    case 'charger':
    case 'vehicle': {
      const storedWh = Math.round(USUAL_EV.capacityWh * draw.uniform(FULL_RATIO.min, FULL_RATIO.max));
      const visits = { pattern: COMMUTER };
      return { kind, deviceId, spec: USUAL_EV, storedWh, chargeLimitPct: CHARGE_LIMIT_PCT, visits };
    }
    case 'thermostat': {
      const targets = { heatTarget: HEAT_F, coolTarget: COOL_F, roomF: draw.int(HEAT_F, COOL_F) };
      return { kind, deviceId, house: USUAL_HOUSE, mode: 'cool', fan: 'auto', ...targets };
    }
    case 'inverter': {
      const loadProfile = i % LOAD_SHAPES;
      return { kind, deviceId, pvProfile: 0, pvW: PV_W, loadProfile, loadScale: draw.uniform(0.7, 1.3) };
    }
  }
}

function shownAt(
  { cloud, fleet }: { readonly cloud: OpenCloud; readonly fleet: ApplianceFleet },
  id: string,
  i: number,
): ApplianceShown {
  return {
    vendorDeviceId: id,
    kind: fleet.kind(i),
    online: fleet.isOnline(i),
    state: fleet.sample(i).state,
    commands: cloud.orders(id).map((o) => ({
      id: o.id,
      clientToken: o.body.clientToken,
      setting: o.body.setting,
      createdMs: o.createdMs,
      status: o.status,
      reason: o.reason,
      effects: o.effects,
    })),
  };
}
