import { z } from 'zod';
import type { BatchEntry, CommandEntry, CoreState, DeviceEntry, Enrollment, EventEntry } from '../core/state.ts';
import type { Observation } from '../core/telemetry.ts';
import type { BatteryState } from '../domain/battery.ts';
import type { CommandInput } from '../domain/command.ts';
import type { Customer, Device, Site, Workspace } from '../domain/device.ts';
import { BATTERY_SLUG } from '../domain/order.ts';
import type { Award, Program } from '../domain/program.ts';
import { settingsOf } from '../domain/setting.ts';
import { isoUtc } from '../domain/time.ts';
import { wireInstant } from './schemas.ts';

/**
 * What the service shows of its things, and the schema of each. Names and units are Texture's where its pages give them
 * (TextureHQ/docs commands, data models, programs and enrollments @02e9856); instants are RFC 3339.
 */
const some = () => z.record(z.string(), z.unknown());
const nullable = <T extends z.ZodType>(schema: T) => z.nullable(schema);

export const workspaceSchema = z.strictObject({
  id: z.string(),
  name: z.string(),
  environment: z.enum(['production', 'sandbox']),
  gridServices: z.boolean(),
});
export const workspaceView = (w: Workspace) => ({
  id: w.workspaceId,
  name: w.name,
  environment: w.environment ?? 'production',
  gridServices: w.gridServices,
});

export const customerSchema = z.strictObject({ id: z.string(), name: z.string() });
export const customerView = (c: Customer) => ({ id: c.customerId, name: c.name });

const location = z.strictObject({ latitude: z.number(), longitude: z.number() });
export const siteSchema = z.strictObject({
  id: z.string(),
  customerId: z.string(),
  name: z.string(),
  timeZone: z.string(),
  location: nullable(location),
});
export const siteView = (s: Site) => ({
  id: s.siteId,
  customerId: s.customerId,
  name: s.name,
  timeZone: s.timeZone,
  location: s.location ?? null,
});

const batteryState = z.strictObject({
  charge: z.number(),
  chargePercentage: z.number(),
  chargingState: z.string(),
  chargeRate: z.number(),
  backupReserve: z.number(),
  gridStatus: z.string(),
  gridPower: nullable(z.number()),
  strategy: z.string(),
  isStormModeEnabled: z.boolean(),
  isStormModeActive: z.boolean(),
  createdAt: wireInstant(),
});
export const batteryStateSchema = batteryState;
export function batteryStateView({ sampledAtMs, ...state }: BatteryState) {
  return { ...state, createdAt: isoUtc(sampledAtMs) };
}

const BATTERY_COMMANDS = [
  { slug: BATTERY_SLUG, description: 'Charges, discharges, idles, or goes back to what the owner set.' },
  ...settingsOf('battery').map(({ slug, description }) => ({ slug, description })),
];

export const deviceSchema = z.strictObject({
  id: z.string(),
  type: z.string(),
  siteId: z.string(),
  name: nullable(z.string()),
  referenceId: nullable(z.string()),
  manufacturer: z.string(),
  model: z.string(),
  manufacturerDeviceId: nullable(z.string()),
  connection: z.enum(['oem', 'dnp3']),
  nameplate: some(),
  tags: z.array(z.string()),
  isReachable: z.boolean(),
  isStormModeActive: z.boolean(),
  openCommandId: nullable(z.string()),
  availableCommands: z.array(z.strictObject({ slug: z.string(), description: z.string() })),
  state: nullable(batteryState),
});
export type DeviceLike = Pick<DeviceEntry, 'device' | 'reachable' | 'stormActive' | 'openCommandId'>;
export function deviceView(entry: DeviceLike, observation: Observation | undefined) {
  const { device } = entry;
  return {
    id: device.deviceId,
    type: device.kind,
    siteId: device.siteId,
    name: device.name ?? null,
    referenceId: device.referenceId ?? null,
    manufacturer: device.manufacturer,
    model: device.model,
    manufacturerDeviceId: device.source.kind === 'oem' ? device.source.vendorDeviceId : null,
    connection: device.source.kind,
    nameplate: device.nameplate,
    tags: device.tags,
    isReachable: entry.reachable,
    isStormModeActive: entry.stormActive,
    openCommandId: entry.openCommandId,
    availableCommands: availableCommands(device),
    state: observation === undefined ? null : batteryStateView(observation.state),
  };
}

const availableCommands = (device: Device) =>
  device.kind === 'battery' || device.kind === 'bess' ? BATTERY_COMMANDS : [];

export const commandSchema = z.strictObject({
  id: z.string(),
  status: z.string(),
  reason: nullable(z.string()),
  detail: nullable(z.string()),
  deviceId: z.string(),
  command: z.strictObject({ slug: z.string(), input: some() }),
  route: nullable(z.string()),
  cause: some(),
  startsAt: wireInstant(),
  endsAt: nullable(wireInstant()),
  createdAt: wireInstant(),
});
export type CommandLike = Pick<CommandEntry, 'command' | 'status' | 'route' | 'outcome' | 'acceptedAtMs'>;
export function commandView({ command, status, route, outcome, acceptedAtMs }: CommandLike) {
  return {
    id: command.commandId,
    status,
    reason: outcome?.reason ?? null,
    detail: outcome?.detail ?? null,
    deviceId: command.deviceId,
    command: { slug: BATTERY_SLUG, input: inputView(command.input) },
    route,
    cause: command.cause,
    startsAt: isoUtc(command.startMs),
    endsAt: isoUtc(command.endMs),
    createdAt: isoUtc(acceptedAtMs),
  };
}

export const inputView = (input: CommandInput): CommandInput => input;

export const batchSchema = z.strictObject({
  id: z.string(),
  tag: nullable(z.string()),
  commands: z.array(z.strictObject({ id: z.string(), deviceId: nullable(z.string()), status: nullable(z.string()) })),
  skipped: z.array(z.strictObject({ deviceId: z.string(), reason: z.string() })),
  createdAt: wireInstant(),
});
export function batchView(
  batch: BatchEntry,
  { commands, applianceCommands }: Pick<CoreState, 'commands' | 'applianceCommands'>,
) {
  return {
    id: batch.batchId,
    tag: batch.tag === '' ? null : batch.tag,
    commands: batch.commandIds.map((id) => {
      const entry = commands.get(id) ?? applianceCommands.get(id);
      return { id, deviceId: entry?.command.deviceId ?? null, status: entry?.status ?? null };
    }),
    skipped: batch.skipped.map(({ deviceId, why }) => ({ deviceId, reason: why })),
    createdAt: isoUtc(batch.acceptedAtMs),
  };
}

export const programSchema = z.strictObject({
  id: z.string(),
  name: z.string(),
  timeZone: z.string(),
  node: z.string(),
  trigger: some(),
  nominatedW: z.number(),
  paymentUsdPerKwh: z.number(),
  provenance: some(),
});
export function programView({ programId, workspaceId: _, ...program }: Program) {
  return { id: programId, ...program };
}

export const enrollmentSchema = z.strictObject({
  id: z.string(),
  deviceId: z.string(),
  programId: z.string(),
  status: z.string(),
  submittedAt: nullable(wireInstant()),
});
export const enrollmentView = (e: Enrollment) => ({
  id: e.enrollmentId,
  deviceId: e.deviceId,
  programId: e.programId,
  status: e.status,
  submittedAt: e.submittedAtMs === null ? null : isoUtc(e.submittedAtMs),
});

export const awardSchema = z.strictObject({
  programId: z.string(),
  startsAt: wireInstant(),
  endsAt: wireInstant(),
  awardedW: z.number(),
  priceUsdPerMwh: z.number(),
});
export const awardView = ({ programId, startMs, endMs, awardedW, priceUsdPerMwh }: Award) => ({
  programId,
  startsAt: isoUtc(startMs),
  endsAt: isoUtc(endMs),
  awardedW,
  priceUsdPerMwh,
});

export const intervalSchema = z.strictObject({
  startsAt: wireInstant(),
  endsAt: wireInstant(),
  targetW: z.number(),
  priceUsdPerMwh: nullable(z.number()),
});
export const eventSchema = z.strictObject({
  id: z.string(),
  programId: z.string(),
  kind: z.string(),
  calledBy: z.string(),
  status: z.string(),
  intervals: z.array(intervalSchema),
  optedOutDeviceIds: z.array(z.string()),
});
export type EventLike = Pick<EventEntry, 'event' | 'status' | 'optedOut'>;
export const eventView = ({ event, status, optedOut }: EventLike) => ({
  id: event.eventId,
  programId: event.programId,
  kind: event.kind,
  calledBy: event.calledBy,
  status,
  intervals: event.intervals.map((i) => ({
    startsAt: isoUtc(i.startMs),
    endsAt: isoUtc(i.endMs),
    targetW: i.targetW,
    priceUsdPerMwh: i.priceUsdPerMwh,
  })),
  optedOutDeviceIds: [...optedOut],
});
