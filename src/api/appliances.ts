import { z } from 'zod';
import type { ApplianceCommandEntry, ApplianceEntry } from '../core/applianceState.ts';
import type { CoreState } from '../core/state.ts';
import type { ApplianceObservation } from '../core/telemetry.ts';
import { type ApplianceState, commandsOf, type InputField } from '../domain/appliance.ts';
import type { Fact } from '../domain/fact.ts';
import { SETTINGS, type Setting, type SettingSlug } from '../domain/setting.ts';
import { isoUtc } from '../domain/time.ts';
import type { EpochMs } from '../domain/units.ts';
import * as s from './schemas.ts';
import type { Service } from './service.ts';

/**
 * Chargers, vehicles, thermostats and inverters on the wire. Fields of the states are those of the domain
 * (src/domain/appliance.ts names their source), instants are RFC 3339 under names that end in At or Date; schemas of
 * settings are made from SETTINGS, that of the reserve of batteries among them.
 */
interface Caller {
  readonly workspaceId: string;
  readonly state: CoreState;
}

/** The caller's device of this id if it is no battery; null = there is none. */
export function ownAppliance({ state, workspaceId }: Caller, deviceId: string): ApplianceEntry | null {
  const entry = state.appliances.get(deviceId);
  return entry?.appliance.workspaceId === workspaceId ? entry : null;
}

export const applianceStateSchema = z.record(z.string(), z.unknown());

/** "sampledAtMs" → createdAt, "chargeCompletedAtMs" → chargeCompletedAt; the rest as it is. */
export function applianceStateView(state: ApplianceState): Record<string, unknown> {
  const shown: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(state)) {
    if (name === 'kind' || name === 'sampledAtMs') continue;
    if (!name.endsWith('Ms')) shown[name] = value;
    else shown[name.slice(0, -'Ms'.length)] = typeof value === 'number' ? isoUtc(value) : null;
  }
  return { ...shown, createdAt: isoUtc(state.sampledAtMs) };
}

export const applianceSchema = z.strictObject({
  id: z.string(),
  type: z.enum(['charger', 'vehicle', 'thermostat', 'inverter']),
  siteId: z.string(),
  name: z.nullable(z.string()),
  referenceId: z.nullable(z.string()),
  manufacturer: z.string(),
  model: z.string(),
  chargeWMax: z.nullable(z.number()),
  manufacturerDeviceId: z.string(),
  connection: z.literal('oem'),
  tags: z.array(z.string()),
  isReachable: z.boolean(),
  openCommandIds: z.array(z.string()),
  availableCommands: z.array(z.strictObject({ slug: z.string(), description: z.string() })),
  state: z.nullable(applianceStateSchema),
});

export type ApplianceLike = Pick<ApplianceEntry, 'appliance' | 'reachable' | 'open'>;
export function applianceView(entry: ApplianceLike, observation: ApplianceObservation | undefined) {
  const { appliance } = entry;
  return {
    id: appliance.deviceId,
    type: appliance.kind,
    siteId: appliance.siteId,
    name: appliance.name ?? null,
    referenceId: appliance.referenceId ?? null,
    manufacturer: appliance.manufacturer,
    model: appliance.model,
    chargeWMax: appliance.chargeWMax ?? null,
    manufacturerDeviceId: appliance.source.vendorDeviceId,
    connection: appliance.source.kind,
    tags: appliance.tags,
    isReachable: entry.reachable,
    openCommandIds: [...entry.open.values()],
    availableCommands: commandsOf(appliance.kind).map(({ slug, description }) => ({ slug, description })),
    state: observation === undefined ? null : applianceStateView(observation.state),
  };
}

export type ApplianceCommandLike = Pick<ApplianceCommandEntry, 'command' | 'status' | 'outcome' | 'acceptedAtMs'>;

/** In the form of commandSchema; endsAt is null where the setting stands. */
export function applianceCommandView({ command, status, outcome, acceptedAtMs }: ApplianceCommandLike) {
  return {
    id: command.commandId,
    status,
    reason: outcome?.reason ?? null,
    detail: outcome?.detail ?? null,
    deviceId: command.deviceId,
    command: { slug: command.setting.slug, input: command.setting.input },
    route: null,
    cause: command.cause,
    startsAt: isoUtc(command.startMs),
    endsAt: command.endMs === null ? null : isoUtc(command.endMs),
    createdAt: isoUtc(acceptedAtMs),
  };
}

/** A command has at most so many entries: accepted and sent, acknowledged, ended; with room. */
const ENTRIES_PER_COMMAND = 20;

/** Also one that the core has forgotten since, from the journal; null if there never was one. */
export function applianceCommandOf(
  { service, state }: { readonly service: Service; readonly state: CoreState },
  commandId: string,
): ApplianceCommandLike | null {
  const known = state.applianceCommands.get(commandId);
  if (known !== undefined) return known;
  const entries = service.history(`command/${commandId}`, { beforeSeq: null, limit: ENTRIES_PER_COMMAND });
  let found: ApplianceCommandLike | null = null;
  for (const entry of [...entries].reverse()) {
    for (const fact of entry.facts) found = fold(found, fact, { commandId, atMs: entry.atMs });
  }
  return found;
}

function fold(
  known: ApplianceCommandLike | null,
  fact: Fact,
  { commandId, atMs }: { readonly commandId: string; readonly atMs: EpochMs },
): ApplianceCommandLike | null {
  if (fact.type === 'appliance.command-accepted' && fact.command.commandId === commandId) {
    return { command: fact.command, status: 'accepted', outcome: null, acceptedAtMs: atMs };
  }
  if (known === null || !('commandId' in fact) || fact.commandId !== commandId) return known;
  if (fact.type === 'appliance.command-sent') return { ...known, status: 'sent' };
  if (fact.type === 'appliance.command-acknowledged' && known.outcome === null) {
    return { ...known, status: 'acknowledged' };
  }
  if (fact.type !== 'appliance.command-ended') return known;
  return { ...known, status: fact.outcome.status, outcome: fact.outcome };
}

function fieldSchema(field: InputField): z.ZodType {
  if (field.kind === 'choice') {
    const error = `one of ${field.values.join(', ')}`;
    return z.enum([...field.values], { error });
  }
  const bounded = s.number(`${field.name} [${field.unit}]`, { min: field.min, max: field.max });
  return field.nullable ? z.nullable(bounded) : bounded;
}

/** The input of a setting, as its row of SETTINGS has it. */
export function inputSchema(slug: SettingSlug): z.ZodType<Setting['input']> {
  const fields = SETTINGS[slug].fields.map((f) => [f.name, f.required ? fieldSchema(f) : z.optional(fieldSchema(f))]);
  return z.strictObject(Object.fromEntries(fields)) as unknown as z.ZodType<Setting['input']>;
}

/** The table pairs each slug with its input; what the schema of a slug let through is the input of that slug. */
export const settingOf = (slug: SettingSlug, input: Setting['input']): Setting => ({ slug, input }) as Setting;
