import { busPowerW } from '../domain/appliance.ts';
import { chargingOf, type DeviceCount, type SiteFlow, sumOf } from '../domain/topology.ts';
import { type EpochMs, MS_PER_HOUR } from '../domain/units.ts';
import { chargingReadings } from './charging.ts';
import type { CoreState } from './state.ts';
import { LOADING_FRESH_MS, type TelemetryStore } from './telemetry.ts';

/**
 * What flows into a site now. Where the figures come from, in this order: a battery's or an inverter's sample of the
 * site's meter; the newest meter interval of the site; for a site that is a utility-scale battery and nothing else the
 * battery's own meter; what devices tell of themselves, which is a part of the site only. Older than LOADING_FRESH_MS is
 * not known.
 */
export function flowOf(state: CoreState, telemetry: TelemetryStore, siteId: string, nowMs: EpochMs): SiteFlow {
  const at: Place = { state, telemetry, siteId, nowMs };
  return sampledMeter(at) ?? meterFlow(at) ?? storageFlow(at) ?? flowInPart(at);
}

interface Place {
  readonly state: CoreState;
  readonly telemetry: TelemetryStore;
  readonly siteId: string;
  readonly nowMs: EpochMs;
}

const batteriesOf = ({ state, siteId }: Place): readonly string[] => [...(state.devicesBySite.get(siteId) ?? [])];
const appliancesOf = ({ state, siteId }: Place): readonly string[] => [...(state.appliancesBySite.get(siteId) ?? [])];
const isFresh = ({ nowMs }: Place, sampledAtMs: EpochMs): boolean => nowMs - sampledAtMs <= LOADING_FRESH_MS;

/** A meter sees everything behind it: all devices count. */
function whole(
  at: Place,
  flow: { readonly importW: number; readonly importVar: number | null; readonly atMs: EpochMs },
) {
  const counted = batteriesOf(at).length + appliancesOf(at).length;
  return { siteId: at.siteId, ...flow, isWhole: true, devices: { counted, unknown: 0, same: 0 } };
}

function sampledMeter(at: Place): SiteFlow | null {
  const { latest, appliances } = at.telemetry;
  for (const id of batteriesOf(at)) {
    const s = latest.get(id)?.state;
    if (s === undefined || s.gridPower === null || !isFresh(at, s.sampledAtMs)) continue;
    return whole(at, { importW: s.gridPower, importVar: null, atMs: s.sampledAtMs });
  }
  for (const id of appliancesOf(at)) {
    const s = appliances.get(id)?.state;
    if (s?.kind !== 'inverter' || s.gridPower === null || !isFresh(at, s.sampledAtMs)) continue;
    return whole(at, { importW: s.gridPower, importVar: null, atMs: s.sampledAtMs });
  }
  return null;
}

function meterFlow(at: Place): SiteFlow | null {
  const meter = at.telemetry.meters.get(at.siteId);
  const wh = meter?.gridWh.at(-1);
  if (meter === undefined || wh === undefined || Number.isNaN(wh)) return null;
  const endMs = meter.startMs + meter.gridWh.length * meter.stepMs;
  if (!isFresh(at, endMs)) return null;
  return whole(at, { importW: (wh * MS_PER_HOUR) / meter.stepMs, importVar: null, atMs: endMs });
}

/** A utility-scale battery's own meter is the site's, where there is nothing else at the site. */
function storageFlow(at: Place): SiteFlow | null {
  const ids = batteriesOf(at);
  const isStorage = ids.length > 0 && ids.every((id) => at.state.devices.get(id)?.device.kind === 'bess');
  if (!isStorage || appliancesOf(at).length > 0) return null;
  let importW = 0;
  let importVar: number | null = 0;
  let atMs = Number.POSITIVE_INFINITY;
  for (const id of ids) {
    const s = at.telemetry.latest.get(id)?.state;
    if (s === undefined || !isFresh(at, s.sampledAtMs) || !Number.isFinite(s.chargeRate)) return null;
    importW -= s.chargeRate;
    const reactive = at.telemetry.utility.get(id)?.reactivePowerVar ?? null;
    importVar = importVar === null || reactive === null ? null : importVar - reactive;
    atMs = Math.min(atMs, s.sampledAtMs);
  }
  return whole(at, { importW: importW + 0, importVar, atMs });
}

/** What devices tell of themselves. Those that stand for no power of their own (same) are in no sum. */
function flowInPart(at: Place): SiteFlow {
  const told = [
    ...batteriesOf(at).map((id) => batteryTold(at, id)),
    ...appliancesOf(at).flatMap((id) => bareTold(at, id)),
  ];
  const readings = chargingReadings(at.state, at.telemetry, at.siteId, at.nowMs);
  const charging = chargingOf(readings);
  const known = told.filter((t) => t !== null);
  const own: DeviceCount = { counted: known.length, unknown: told.length - known.length, same: 0 };
  const devices = sumOf([own, charging.devices]);
  const times = [...known, ...readings].flatMap((t) => (t.atMs === null ? [] : [t.atMs]));
  const { siteId } = at;
  if (times.length === 0) return { siteId, importW: null, importVar: null, atMs: null, isWhole: false, devices };
  const importW = charging.powerW - known.reduce((sum, t) => sum + t.busW, 0) + 0;
  return { siteId, importW, importVar: null, atMs: Math.min(...times), isWhole: false, devices };
}

interface Told {
  /** Into the site's bus [W]. */
  readonly busW: number;
  readonly atMs: EpochMs;
}

function batteryTold(at: Place, deviceId: string): Told | null {
  const s = at.telemetry.latest.get(deviceId)?.state;
  if (s === undefined || !isFresh(at, s.sampledAtMs) || !Number.isFinite(s.chargeRate)) return null;
  return { busW: s.chargeRate, atMs: s.sampledAtMs };
}

/** Of inverters and thermostats; chargers and vehicles are taken together. */
function bareTold(at: Place, deviceId: string): (Told | null)[] {
  const kind = at.state.appliances.get(deviceId)?.appliance.kind;
  if (kind === 'charger' || kind === 'vehicle') return [];
  const s = at.telemetry.appliances.get(deviceId)?.state;
  const busW = s === undefined || !isFresh(at, s.sampledAtMs) ? null : busPowerW(s);
  return [s === undefined || busW === null || !Number.isFinite(busW) ? null : { busW, atMs: s.sampledAtMs }];
}
