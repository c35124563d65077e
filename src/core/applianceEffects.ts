import type { ApplianceFact } from '../domain/applianceCommand.ts';
import { type EpochMs, MS_PER_MIN } from '../domain/units.ts';
import type { FieldJob } from '../ports/field.ts';
import type { OemJob } from '../ports/oem.ts';
import { type ApplianceCommandEntry, CANCEL } from './applianceState.ts';
import type { Effect } from './input.ts';
import type { CoreState } from './state.ts';

/** What follows from facts about appliances outside the core. */
export function applianceEffects(state: CoreState, fact: ApplianceFact, atMs: EpochMs): Effect[] {
  switch (fact.type) {
    case 'appliance.connected':
      return [notify(state, fact.appliance.deviceId, 'device.discovered', fact.appliance.model)];
    case 'appliance.command-sent':
      return jobOf(state, fact.commandId, (entry) => setJob(entry));
    case 'appliance.command-acknowledged':
      return jobOf(state, fact.commandId, (entry) => withdrawal(entry, atMs));
    case 'appliance.command-ended': {
      const { commandId, outcome } = fact;
      const type = outcome.status === 'succeeded' ? 'command.succeeded' : 'command.failed';
      const detail = `${commandId}: ${outcome.status} (${outcome.reason}) ${outcome.detail}`;
      const deviceId = state.applianceCommands.get(commandId)?.command.deviceId ?? '';
      return [...jobOf(state, commandId, (entry) => withdrawal(entry, atMs)), notify(state, deviceId, type, detail)];
    }
    case 'appliance.tagged':
    case 'appliance.reachable':
    case 'appliance.command-accepted':
      return [];
  }
}

type Unaddressed<T> = T extends OemJob ? Omit<T, 'vendorDeviceId'> : never;
type JobMade = Unaddressed<Extract<OemJob, { kind: 'set' | 'cancel' }>>;

function jobOf(state: CoreState, commandId: string, make: (entry: ApplianceCommandEntry) => JobMade | null): Effect[] {
  const entry = state.applianceCommands.get(commandId);
  const deviceId = entry?.command.deviceId ?? '';
  const source = (state.devices.get(deviceId)?.device ?? state.appliances.get(deviceId)?.appliance)?.source;
  const made = entry === undefined ? null : make(entry);
  if (made === null || source === undefined) return [];
  if (source.kind === 'dnp3') {
    const job = fieldJob(made);
    return job === null ? [] : [{ kind: 'field', deviceId, connectionId: source.connectionId, job }];
  }
  const { oem, vendorDeviceId } = source;
  // Clouds of batteries keep no settings for later, so there is none to withdraw.
  if (made.kind === 'cancel' && oem !== 'open') return [];
  return [{ kind: 'oem', oem, deviceId, job: { ...made, vendorDeviceId } }];
}

/** Said again it has the same effect, so a restart says it again. */
function fieldJob(made: JobMade): FieldJob | null {
  if (made.kind !== 'set' || made.setting.slug !== 'battery:set-reserve') return null;
  const { jobId, notAfterMs, setting } = made;
  return { kind: 'reserve', jobId, reservePct: setting.input.chargePercentage, notAfterMs };
}

function setJob({ command, jobId }: ApplianceCommandEntry): JobMade | null {
  const { setting, startMs, notAfterMs } = command;
  return jobId === null ? null : { kind: 'set', jobId, setting, startMs, notAfterMs };
}

/** What was cancelled before its start is withdrawn at the cloud; so is what cannot be set back. */
function withdrawal({ command, outcome, vendorRef, jobId }: ApplianceCommandEntry, atMs: EpochMs): JobMade | null {
  if (outcome?.status !== 'cancelled' || vendorRef === null) return null;
  if (atMs >= command.startMs && command.before !== null) return null;
  return { kind: 'cancel', jobId: `${jobId}${CANCEL}`, vendorRef };
}

/** So close to its start a command that was cancelled is not sent again to learn its name at the cloud. */
const WITHDRAW_MARGIN_MS = MS_PER_MIN;

/**
 * What is said again after a restart: settings whose answer is not known (their job is their token, so a second time has
 * no second effect), and withdrawals of what has not begun yet.
 */
export function resumedAppliances(state: CoreState, nowMs: EpochMs): Effect[] {
  return [...state.applianceCommands.values()].flatMap((entry) => {
    const { command, status, outcome, vendorRef } = entry;
    const isAhead = outcome?.status === 'cancelled' && nowMs + WITHDRAW_MARGIN_MS < command.startMs;
    const isInDoubt = status === 'sent' || (isAhead && vendorRef === null);
    return jobOf(state, command.commandId, () => {
      if (!isInDoubt) return isAhead ? withdrawal(entry, nowMs) : null;
      const job = setJob(entry);
      return job?.kind === 'set' ? { ...job, resume: true } : null;
    });
  });
}

function notify(state: CoreState, deviceId: string, type: string, detail: string): Effect {
  const known = state.appliances.get(deviceId)?.appliance ?? state.devices.get(deviceId)?.device;
  const workspaceId = known?.workspaceId ?? '';
  return { kind: 'notify', workspaceId, type, subject: deviceId, detail };
}
