import type {
  Appliance,
  ApplianceCause,
  ApplianceCommand,
  ApplianceCommandStatus,
  ApplianceFact,
} from '../domain/applianceCommand.ts';
import type { CommandOutcome } from '../domain/command.ts';
import type { Fact } from '../domain/fact.ts';
import type { Setting, SettingSlug } from '../domain/setting.ts';
import { type EpochMs, MS_PER_MIN } from '../domain/units.ts';
import type { CoreSettings } from './settings.ts';
import { sourceKey } from './sources.ts';
import { type CoreState, deviceTagKey, ENDED_COMMANDS_MAX } from './state.ts';

/** What is kept of devices other than batteries, of the settings of all devices, and how facts change it. */
export interface ApplianceEntry extends SettingBook {
  appliance: Appliance;
  reachable: boolean;
}

/** The settings of one device, whatever it is. */
export interface SettingBook {
  /** Slug → the command that has not ended. */
  readonly open: Map<SettingSlug, string>;
  /** Slug → what is set back at a later time. */
  readonly restores: Map<SettingSlug, OwedRestore>;
  /** Slug → what rules: the newest command, unless it came to nothing or was set back. It rules on when it has ended. */
  readonly rulings: Map<SettingSlug, Ruling>;
}

/** Who told a device what it does, and until when. */
export interface Ruling {
  readonly commandId: string;
  readonly cause: ApplianceCause;
  readonly startMs: EpochMs;
  /** null = until the next one. */
  readonly endMs: EpochMs | null;
}

export interface OwedRestore {
  /** The command whose effect is taken back. */
  readonly commandId: string;
  readonly setting: Setting;
  readonly atMs: EpochMs;
  /** How often it was tried without an effect. */
  readonly tried: number;
}

export interface ApplianceCommandEntry {
  readonly command: ApplianceCommand;
  readonly acceptedAtMs: EpochMs;
  /** What was to be set back before this command came; it is again when this one never took effect. */
  readonly replaced: OwedRestore | null;
  status: ApplianceCommandStatus;
  jobId: string | null;
  vendorRef: string | null;
  acknowledgedAtMs: EpochMs | null;
  outcome: CommandOutcome | null;
}

/** A sample of the second telemetry period after a command must show its effect. */
const EFFECT_PERIODS = 2;
/** A device that is out of reach when its setting ought to be set back is tried so often, at this distance. */
export const RESTORE_TRIES_MAX = 6;
const RESTORE_RETRY_MS = 15 * MS_PER_MIN;

/** What is asked and withdrawn about a command goes under names of its own, made of its job's. */
export const READ = '/read';
export const CANCEL = '/cancel';

export const isApplianceFact = (fact: Fact): fact is ApplianceFact => fact.type.startsWith('appliance.');

export const emptyBook = (): SettingBook => ({ open: new Map(), restores: new Map(), rulings: new Map() });

export const bookOf = (state: CoreState, deviceId: string): SettingBook | undefined =>
  state.devices.get(deviceId) ?? state.appliances.get(deviceId);

/** How often there is a new sample of the device [ms]. */
function periodMs(state: CoreState, deviceId: string, settings: CoreSettings): number {
  const source = state.devices.get(deviceId)?.device.source;
  if (source?.kind === 'dnp3') return settings.fieldTelemetryPeriodMs;
  return settings.capabilities[source?.oem ?? 'open'].telemetryPeriodMs;
}

/** When the samples must have told what became of a command. */
export function verdictMs(
  state: CoreState,
  { command, acknowledgedAtMs }: ApplianceCommandEntry,
  settings: CoreSettings,
): EpochMs {
  const fromMs = acknowledgedAtMs === null ? command.notAfterMs : Math.max(acknowledgedAtMs, command.startMs);
  return fromMs + EFFECT_PERIODS * periodMs(state, command.deviceId, settings) + settings.verifySlackMs;
}

export function applyAppliance(state: CoreState, fact: ApplianceFact, atMs: EpochMs, settings: CoreSettings): void {
  switch (fact.type) {
    case 'appliance.connected': {
      const { appliance } = fact;
      state.appliances.set(appliance.deviceId, { appliance, reachable: true, ...emptyBook() });
      state.sources.set(sourceKey(appliance.source), appliance.deviceId);
      addToSite(state, appliance);
      return addTags(state, appliance);
    }
    case 'appliance.tagged':
      return retag(state, fact.deviceId, fact.tags);
    case 'appliance.reachable': {
      const entry = state.appliances.get(fact.deviceId);
      if (entry !== undefined) entry.reachable = fact.reachable;
      return;
    }
    case 'appliance.command-accepted':
      return accepted(state, fact.command, atMs, settings);
    case 'appliance.command-sent':
    case 'appliance.command-acknowledged':
    case 'appliance.command-ended':
      return commandChanged(state, fact, atMs, settings);
  }
}

function addToSite(state: CoreState, { deviceId, siteId }: Appliance): void {
  const set = state.appliancesBySite.get(siteId) ?? new Set();
  set.add(deviceId);
  state.appliancesBySite.set(siteId, set);
}

function addTags(state: CoreState, { deviceId, workspaceId, tags }: Appliance): void {
  for (const tag of tags) {
    const key = deviceTagKey(workspaceId, tag);
    const set = state.appliancesByTag.get(key) ?? new Set();
    set.add(deviceId);
    state.appliancesByTag.set(key, set);
  }
}

function retag(state: CoreState, deviceId: string, tags: readonly string[]): void {
  const entry = state.appliances.get(deviceId);
  if (entry === undefined) return;
  const { workspaceId } = entry.appliance;
  for (const tag of entry.appliance.tags) state.appliancesByTag.get(deviceTagKey(workspaceId, tag))?.delete(deviceId);
  entry.appliance = { ...entry.appliance, tags };
  addTags(state, entry.appliance);
}

function accepted(state: CoreState, command: ApplianceCommand, atMs: EpochMs, settings: CoreSettings): void {
  const { commandId, deviceId, startMs, endMs, before, cause } = command;
  const { slug } = command.setting;
  state.counters.command += 1;
  const appliance = bookOf(state, deviceId);
  const entry: ApplianceCommandEntry = {
    command,
    acceptedAtMs: atMs,
    replaced: appliance?.restores.get(slug) ?? null,
    status: 'accepted',
    jobId: null,
    vendorRef: null,
    acknowledgedAtMs: null,
    outcome: null,
  };
  state.applianceCommands.set(commandId, entry);
  appliance?.open.set(slug, commandId);
  appliance?.restores.delete(slug);
  if (cause.kind === 'restore') appliance?.rulings.delete(slug);
  else appliance?.rulings.set(slug, { commandId, cause, startMs, endMs });
  if (endMs !== null && before !== null) {
    owe(state, deviceId, { commandId, setting: before, atMs: endMs, tried: 0 });
  }
  state.agenda.add(verdictMs(state, entry, settings), { kind: 'appliance-check', commandId });
}

function owe(state: CoreState, deviceId: string, restore: OwedRestore): void {
  const { commandId: restoreOf, setting, atMs } = restore;
  bookOf(state, deviceId)?.restores.set(setting.slug, restore);
  state.agenda.add(atMs, { kind: 'appliance-restore', deviceId, slug: setting.slug, restoreOf });
}

function commandChanged(
  state: CoreState,
  fact: Extract<ApplianceFact, { readonly commandId: string }>,
  atMs: EpochMs,
  settings: CoreSettings,
): void {
  const entry = state.applianceCommands.get(fact.commandId);
  if (entry === undefined) return;
  const { commandId } = fact;
  switch (fact.type) {
    case 'appliance.command-sent':
      entry.status = 'sent';
      entry.jobId = fact.jobId;
      state.counters.job += 1;
      state.jobs.set(fact.jobId, { kind: 'appliance', commandId });
      return;
    case 'appliance.command-acknowledged': {
      entry.vendorRef = fact.vendorRef;
      if (entry.outcome !== null) return;
      entry.status = 'acknowledged';
      entry.acknowledgedAtMs = atMs;
      const startMs = Math.max(atMs, entry.command.startMs);
      const askMs = startMs + periodMs(state, entry.command.deviceId, settings);
      state.agenda.add(askMs, { kind: 'appliance-ask', commandId });
      state.agenda.add(verdictMs(state, entry, settings), { kind: 'appliance-check', commandId });
      return;
    }
    case 'appliance.command-ended': {
      entry.status = fact.outcome.status;
      entry.outcome = fact.outcome;
      const { deviceId, setting } = entry.command;
      const appliance = bookOf(state, deviceId);
      if (appliance?.open.get(setting.slug) === commandId) appliance.open.delete(setting.slug);
      const rules = appliance?.rulings.get(setting.slug)?.commandId === commandId;
      if (rules && fact.outcome.status !== 'succeeded') appliance?.rulings.delete(setting.slug);
      oweAgain(state, entry, fact.outcome, atMs);
      state.agenda.commandEnded(commandId);
      keepEnded(state, commandId);
    }
  }
}

/**
 * What a command without effect had replaced is owed again, unless a newer one rules; what it had itself to set back is
 * dropped only when it surely never came. What is set back is tried again when it failed; one that the cloud refused
 * would be refused again.
 */
function oweAgain(state: CoreState, entry: ApplianceCommandEntry, outcome: CommandOutcome, atMs: EpochMs): void {
  const { replaced, command } = entry;
  const { commandId, deviceId, setting } = command;
  const appliance = bookOf(state, deviceId);
  if (appliance === undefined || appliance.open.has(setting.slug)) return;
  const { status, reason } = outcome;
  if (command.cause.kind === 'restore') {
    const tried = (replaced?.tried ?? 0) + 1;
    if (tried >= RESTORE_TRIES_MAX || (status !== 'failed' && status !== 'expired')) return;
    return owe(state, deviceId, { commandId, setting, atMs: atMs + RESTORE_RETRY_MS, tried });
  }
  const withdrawn = status === 'cancelled' && atMs < command.startMs;
  const neverCame = status === 'rejected' || status === 'expired' || withdrawn;
  if (neverCame) appliance.restores.delete(setting.slug);
  if (replaced === null || !(neverCame || reason === 'no_effect' || reason === 'delivery_failed')) return;
  owe(state, deviceId, { ...replaced, atMs: Math.max(atMs, replaced.atMs) });
}

function keepEnded(state: CoreState, commandId: string): void {
  state.endedApplianceCommands.add(commandId);
  if (state.endedApplianceCommands.size <= ENDED_COMMANDS_MAX) return;
  const [oldest] = state.endedApplianceCommands;
  if (oldest === undefined) return;
  const jobId = state.applianceCommands.get(oldest)?.jobId;
  if (jobId !== null && jobId !== undefined) state.jobs.delete(jobId);
  state.applianceCommands.delete(oldest);
  state.endedApplianceCommands.delete(oldest);
}
