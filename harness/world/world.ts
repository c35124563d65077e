import { bessDeviceId } from '../../scenarios/fleet.ts';
import type { Scenario } from '../../scenarios/schema.ts';
import type { TimelineStep } from '../../scenarios/steps.ts';
import { durationMs, endMsOf, instantAt, startMsOf } from '../../scenarios/times.ts';
import { BusLoads } from '../../simulators/appliance/homeLoads.ts';
import { createFleet, type Fleet } from '../../simulators/battery/fleet.ts';
import type { FleetDevice } from '../../simulators/battery/fleetInput.ts';
import type { CoreInput, Effect } from '../../src/core/input.ts';
import { defaultSettings } from '../../src/core/settings.ts';
import { invariant } from '../../src/domain/errors.ts';
import type { EpochMs } from '../../src/domain/units.ts';
import { CAPABILITIES } from '../../src/oem/index.ts';
import { PRIORITY } from '../../src/ports/clock.ts';
import type { OemId } from '../../src/ports/oem.ts';
import type { RandomSource } from '../../src/ports/random.ts';
import type { LogBody, LogRecord, MeterInterval } from '../../src/ports/records.ts';
import type { Series, WeatherAlert } from '../../src/ports/series.ts';
import { Kernel } from '../kernel/kernel.ts';
import type { Segment } from '../wire/pipe.ts';
import { createApplianceMeter } from './applianceMeter.ts';
import {
  hangAppliances,
  inWorld,
  makeAppliances,
  noteRecord,
  type RunningAppliances,
  storedMjOf,
} from './appliances.ts';
import { type CloudSite, makeClouds, openIdOf, vendorIdOf } from './clouds.ts';
import { type CoreDriver, createCoreDriver } from './coreDriver.ts';
import { scheduleFaults } from './faults.ts';
import { createFieldSite, type FieldSite } from './fieldSite.ts';
import { bessHistory, homeHistory } from './history.ts';
import { type Home, makeHomes } from './homes.ts';
import type { WorldInputs } from './inputs.ts';
import { bidsOf, clear } from './market.ts';
import { type MeteredSite, startMetering } from './metering.ts';
import { type Partners, startPartners } from './partners.ts';
import { makeProfiles, type Profiles } from './profiles.ts';
import { connectInput, setUpInputs, sitesInWorld, WORKSPACE_ID } from './setUp.ts';
import { alertOfStep, commandOfStep, devicesOfStep, noticeMs, offerOfStep, settingOfStep } from './timeline.ts';

/**
 * The whole plant: homes, clouds, sites behind DNP3, prices and alerts around the real core, on one kernel.
 * Built twice for a run: once as the scenario says, once without its events, for the exact baseline.
 */
export interface WorldRequest {
  readonly scenario: Scenario;
  readonly inputs: WorldInputs;
  readonly random: RandomSource;
  readonly profiles: Profiles;
  /** False: no event is offered, everything else is the same. */
  readonly events: boolean;
  readonly record: (record: LogRecord) => void;
  readonly onMeter?: (interval: MeterInterval) => void;
  /** Called about every simulated hour. */
  readonly onProgress?: (atMs: EpochMs) => void;
  /** A tap beside the DNP3 link of a site, for a capture. */
  readonly tapOf?: (siteId: string) => (segment: Segment) => void;
}

/** How the world ended: for tests and the summary. */
export interface WorldResult {
  readonly executed: number;
  readonly core: CoreDriver['core'];
}

interface World {
  readonly request: WorldRequest;
  readonly kernel: Kernel;
  readonly homes: readonly Home[];
  readonly fleet: Fleet;
  readonly appliances: RunningAppliances;
  readonly clouds: ReadonlyMap<OemId, CloudSite>;
  readonly fields: ReadonlyMap<string, FieldSite>;
  readonly driver: CoreDriver;
  readonly record: (body: LogBody) => void;
}

/** Prepares what both worlds share. */
export function prepare(request: { scenario: Scenario; inputs: WorldInputs; random: RandomSource }): Profiles {
  const { scenario, inputs, random } = request;
  return makeProfiles({ scenario, inputs, random, historyStepMs: durationMs(scenario.meterInterval) });
}

export function runWorld(request: WorldRequest): WorldResult {
  const { scenario } = request;
  const world = build(request);
  const { kernel, driver, fields } = world;
  const startMs = startMsOf(scenario);
  const endMs = endMsOf(scenario);
  const { list } = world.appliances;
  for (const body of sitesInWorld(scenario, world.homes)) world.record(body);
  for (const appliance of list) world.record(inWorld(appliance));
  for (const input of setUpInputs(scenario, world.homes)) driver.input(input);
  for (const appliance of list) driver.input(connectInput(appliance));
  for (const input of history(world)) driver.input(input);
  for (const field of fields.values()) field.start();
  if (request.events || needsTelemetry(scenario)) startPolling(world);
  publish(world);
  scheduleAlerts(world);
  for (const step of scenario.timeline) scheduleStep(world, step);
  cutOff(world);
  scheduleFaults({ ...request, scheduler: kernel, record: world.record, targets: targetsOf(world) });
  meterAll(world, request.events ? startPartners({ scenario, scheduler: kernel, homes: world.homes, driver }) : null);
  progress(request, kernel, startMs, endMs);
  kernel.run(endMs);
  return { executed: kernel.executed(), core: driver.core };
}

const history = ({ request, homes, appliances }: World): CoreInput[] => [
  ...homeHistory({ ...request, devices: fleetDevices(homes, request.profiles), appliances: appliances.list }),
  ...bessHistory(request.scenario, request.profiles.historyStepMs),
];

function build(request: WorldRequest): World {
  const { scenario, random } = request;
  const kernel = new Kernel({ startMs: startMsOf(scenario) });
  const record = (body: LogBody): void => request.record({ atMs: kernel.nowMs(), ...body });
  const homes = makeHomes(scenario, random);
  const buses = new BusLoads(homes.length, kernel.nowMs());
  const fleet = createFleet({
    devices: fleetDevices(homes, request.profiles),
    profiles: request.profiles.run,
    startMs: kernel.nowMs(),
    stepMs: 60_000,
    scheduler: kernel,
    onMode: (mode) => request.record(mode),
    ruleOff: { stormGuardPrecedence: scenario.faults.some((f) => f.kind === 'rule-off') },
    loads: buses,
  });
  const list = makeAppliances({ ...request, homes });
  const appliances = hangAppliances({
    ...request,
    list,
    buses,
    homes: fleet,
    scheduler: kernel,
    label: '',
    onNote: (note, i) => record(noteRecord(note, storedMjOf(appliances.fleet, i, note))),
  });
  const clouds = makeClouds({
    scenario,
    homes,
    fleet,
    appliances,
    scheduler: kernel,
    random,
    record,
    onReply: (deviceId, reply) => driver.input({ kind: 'oem-reply', deviceId, reply }),
  });
  const fields = new Map<string, FieldSite>();
  // A run is judged by its checks; alerts are for those who watch a live plant.
  const settings = {
    ...defaultSettings(CAPABILITIES),
    alerts: null,
    controlPeriodMs: durationMs(scenario.controlPeriod),
  };
  const driver = createCoreDriver({ scheduler: kernel, settings, record, perform: (e) => perform(e, clouds, fields) });
  for (const bess of scenario.fleet.bess) {
    const deviceId = bessDeviceId(bess.siteId);
    const onEvent = (event: Extract<CoreInput, { kind: 'field-event' }>['event']) =>
      driver.input({ kind: 'field-event', deviceId, event });
    fields.set(bess.siteId, createFieldSite({ ...request, bess, scheduler: kernel, record, onEvent }));
  }
  return { request, kernel, homes, fleet, appliances, clouds, fields, driver, record };
}

function perform(effect: Effect, clouds: ReadonlyMap<OemId, CloudSite>, fields: ReadonlyMap<string, FieldSite>): void {
  if (effect.kind === 'oem') clouds.get(effect.oem)?.link.submit(effect.job);
  if (effect.kind === 'field') fields.get(effect.connectionId)?.submit(effect.job);
}

function fleetDevices(homes: readonly Home[], profiles: Profiles): FleetDevice[] {
  return homes.map((h) => ({
    deviceId: h.deviceId,
    siteId: h.siteId,
    spec: h.spec,
    reservePct: h.group.reservePct,
    strategy: h.group.strategy,
    stormGuardEnabled: h.group.stormGuard,
    ...rowsOf(h, profiles),
    pvW: h.pvW,
    exportWMax: null,
  }));
}

function rowsOf(h: Home, profiles: Profiles) {
  const group = profiles.groups.get(h.group.group);
  invariant(group !== undefined && group.loadRows > 0, `no load profile for ${h.group.group}`);
  return {
    loadProfile: group.firstLoadRow + (h.loadShape % group.loadRows),
    loadScale: h.loadScale * group.loadScale,
    pvProfile: group.pvRow,
  };
}

/**
 * Without events only a command of the timeline needs telemetry, for its verdict. Polling moves no device: the homes' own
 * physics is the same with and without it.
 */
const needsTelemetry = (scenario: Scenario): boolean => scenario.timeline.some((s) => s.kind === 'command');

interface Polled {
  readonly oem: OemId;
  readonly deviceId: string;
  readonly vendorDeviceId: string;
}

/** Each device is polled once per telemetry period of its cloud, at an offset of its own. */
function startPolling(world: World): void {
  const { homes, appliances, clouds, kernel, request } = world;
  const polled: Polled[] = [
    ...homes.map((h) => ({ oem: h.group.oem, deviceId: h.deviceId, vendorDeviceId: vendorIdOf(h) })),
    ...appliances.list.map((a) => ({ oem: 'open' as const, deviceId: a.deviceId, vendorDeviceId: openIdOf(a) })),
  ];
  for (const { oem, deviceId, vendorDeviceId } of polled) {
    const site = clouds.get(oem);
    if (site === undefined) continue;
    const periodMs = CAPABILITIES[oem].telemetryPeriodMs;
    let n = 0;
    const poll = (): void => {
      site.link.submit({ kind: 'read-state', jobId: `poll-${deviceId}-${n++}`, vendorDeviceId });
      kernel.at(kernel.nowMs() + periodMs, poll, PRIORITY.wire);
    };
    const offsetMs = request.random(`poll/${deviceId}`).int(0, periodMs - 1);
    kernel.at(kernel.nowMs() + offsetMs, poll, PRIORITY.wire);
  }
}

/** Prices are known at the start; bids go in then and the day-ahead market answers a minute later. */
function publish(world: World): void {
  const { request, driver, kernel, record } = world;
  const { scenario, inputs, events } = request;
  record(seriesRecord('price-day-ahead', inputs.dayAhead));
  if (inputs.realTime !== null) record(seriesRecord('price-real-time', inputs.realTime));
  record(seriesRecord('temperature', inputs.weather.temperatureC));
  record(seriesRecord('irradiance', inputs.weather.ghiWPerM2));
  if (!events) return;
  const { dayAhead } = inputs;
  driver.input({ kind: 'publish-prices', node: scenario.market.node, market: 'day-ahead', ...priceFields(dayAhead) });
  const span = { startMs: kernel.nowMs(), endMs: endMsOf(scenario) };
  for (const program of scenario.programs) {
    const bids = bidsOf(scenario, program, span);
    for (const bid of bids) driver.input({ kind: 'submit-bid', bid });
    if (bids.length === 0) continue;
    const awards = bids.map((bid) => clear(bid, dayAhead));
    kernel.at(kernel.nowMs() + 60_000, () => driver.input({ kind: 'awards', awards }), PRIORITY.wire);
  }
}

const finiteOrNull = (values: Float64Array): (number | null)[] =>
  Array.from(values, (v) => (Number.isNaN(v) ? null : v));

const priceFields = (s: Series) => ({ startMs: s.startMs, stepMs: s.stepMs, usdPerMwh: finiteOrNull(s.values) });

function seriesRecord(name: Extract<LogBody, { kind: 'series' }>['name'], s: Series): LogBody {
  const { unit, startMs, stepMs, source } = s;
  return { kind: 'series', name, unit, startMs, stepMs, values: finiteOrNull(s.values), source };
}

/** Every alert reaches every cloud when it is sent (those sent before the run at its start). */
function scheduleAlerts(world: World): void {
  const { request, kernel } = world;
  const { scenario, inputs } = request;
  const own = scenario.timeline.flatMap((s) => (s.kind === 'alert' ? [alertOfStep(scenario, s)] : []));
  for (const alert of [...inputs.alerts, ...own]) {
    if (alert.endMs <= kernel.nowMs() || alert.sentMs >= endMsOf(scenario)) continue;
    kernel.at(alert.sentMs, () => tellClouds(world, alert), PRIORITY.world);
  }
}

function tellClouds(world: World, alert: WeatherAlert): void {
  const verdicts = [...world.clouds.values()].flatMap(({ oem, cloud }) =>
    'alert' in cloud ? [{ oem, ...cloud.alert(alert) }] : [],
  );
  const acted = verdicts.some((v) => v.acted);
  const why = verdicts.map((v) => `${v.oem}: ${v.why}`).join('; ');
  world.record({ kind: 'alert', alert, acted, why });
}

function scheduleStep(world: World, step: TimelineStep): void {
  const { request, kernel, driver } = world;
  const { scenario, events } = request;
  const at = (atMs: EpochMs, input: CoreInput) => void kernel.at(atMs, () => driver.input(input), PRIORITY.wire);
  const atMs = instantAt(scenario, step.at, 'at');
  switch (step.kind) {
    case 'alert':
      return;
    case 'dispatch':
      if (events) at(noticeMs(scenario, step, kernel.nowMs()), offerOfStep(scenario, step));
      return;
    case 'cancelEvent':
      if (events) at(atMs, { kind: 'cancel-event', eventId: step.eventId, by: 'timeline' });
      return;
    case 'answer':
      kernel.at(atMs, () => answer(world, step), PRIORITY.wire);
      return;
    case 'command':
      return at(atMs, commandOfStep(scenario, step, 'testbed'));
    case 'set':
      // The world without events is one in which nobody sets anything either: what a setting moves is measured against it.
      if (events) at(atMs, settingOfStep(scenario, step, WORKSPACE_ID));
      return;
    case 'setReserve':
      kernel.at(atMs, () => setReserve(world, step), PRIORITY.world);
      return;
    case 'emergencyStop':
      return at(atMs, { kind: 'emergency-stop', deviceId: bessDeviceId(step.siteId), actor: 'timeline' });
  }
}

function answer(world: World, step: Extract<TimelineStep, { kind: 'answer' }>): void {
  const { driver, request } = world;
  const open = [...driver.core.state.events.values()].filter((e) => e.status === 'offered' || e.status === 'started');
  const events = open.filter((e) => step.eventId === undefined || e.event.eventId === step.eventId);
  for (const { event } of events) {
    for (const resourceId of devicesOfStep(request.scenario, step)) {
      driver.input({ kind: 'answer-event', eventId: event.eventId, resourceId, answer: step.answer, by: 'owner' });
    }
  }
}

function setReserve(world: World, step: Extract<TimelineStep, { kind: 'setReserve' }>): void {
  const ids = new Set(devicesOfStep(world.request.scenario, step));
  world.homes.forEach((h, i) => {
    if (!ids.has(h.deviceId)) return;
    world.fleet.setReserve(i, step.reservePct);
    world.record({ kind: 'reserve', deviceId: h.deviceId, reservePct: step.reservePct });
  });
}

/** Homes that have no connection at all. */
function cutOff({ homes, fleet, appliances }: World): void {
  const why = 'this home has no connection';
  homes.forEach((h, i) => {
    if (h.offline) fleet.setLink(i, false, why);
  });
  appliances.list.forEach((a, i) => {
    if (a.offline) appliances.fleet.setLink(i, false, why);
  });
}

function targetsOf(world: World) {
  const { clouds, fields, homes, fleet, appliances } = world;
  const own = new Map<number, number[]>();
  appliances.list.forEach((a, i) => {
    own.set(a.home, [...(own.get(a.home) ?? []), i]);
  });
  const setLink = (home: number, online: boolean, cause: string): void => {
    fleet.setLink(home, online, cause);
    for (const i of own.get(home) ?? []) appliances.fleet.setLink(i, online, cause);
  };
  return { clouds, fields, homes, setLink };
}

function meterAll(world: World, partners: Partners | null): void {
  const { request, kernel, fleet, appliances, homes, fields, driver } = world;
  const { scenario } = request;
  const advanced = (i: number) => {
    fleet.advance(i, kernel.nowMs());
    return fleet.registers(i);
  };
  const sites: MeteredSite[] = [
    ...homes.map((h, i) => ({ siteId: h.siteId, registers: () => advanced(i) })),
    ...[...fields].map(([siteId, field]) => ({ siteId, registers: () => field.registers() })),
  ];
  const intervalMs = durationMs(scenario.meterInterval);
  const devices = createApplianceMeter(appliances);
  startMetering({
    scheduler: kernel,
    sites,
    startMs: kernel.nowMs(),
    endMs: endMsOf(scenario),
    intervalMs,
    onInterval: (interval, wh) => {
      const { siteId, startMs, endMs } = interval;
      world.record(interval);
      for (const read of devices.read(siteId, { startMs, endMs })) world.record(read);
      request.onMeter?.(interval);
      partners?.metered(siteId, { startMs, endMs, usageWh: wh.gridWh });
      driver.input({
        kind: 'meter',
        siteId,
        startMs,
        stepMs: intervalMs,
        gridWh: [wh.gridWh],
        batteryWh: [wh.batteryWh],
      });
    },
  });
}

function progress(request: WorldRequest, kernel: Kernel, startMs: EpochMs, endMs: EpochMs): void {
  const { onProgress } = request;
  if (onProgress === undefined) return;
  for (let t = startMs + 3_600_000; t <= endMs; t += 3_600_000) kernel.at(t, () => onProgress(t), PRIORITY.check);
}
