import type { Fact } from '../domain/fact.ts';
import { type EpochMs, MS_PER_HOUR } from '../domain/units.ts';
import type { FieldJob } from '../ports/field.ts';
import type { OemCapabilities, OemJob } from '../ports/oem.ts';
import { alertEffects } from './alerts.ts';
import { applianceEffects } from './applianceEffects.ts';
import { isApplianceFact } from './applianceState.ts';
import type { Effect } from './input.ts';
import { signedPowerW } from './routing.ts';
import type { CoreSettings } from './settings.ts';
import type { CommandEntry, CoreState, DeviceEntry } from './state.ts';
import { UNDO_RETRY_MS } from './undo.ts';

/** What follows from a fact outside the core. A pure function of the fact, its time and the state after it. */
export function effectsOf(state: CoreState, fact: Fact, atMs: EpochMs, settings: CoreSettings): Effect[] {
  if (isApplianceFact(fact)) return applianceEffects(state, fact, atMs);
  switch (fact.type) {
    case 'command.sent':
      return controlEffect(state, fact.commandId, fact.jobId, settings);
    case 'undo.sent':
      return undoEffect(state, fact, atMs, settings);
    case 'enrollment.changed':
      return [
        ...applicationEffect(state, fact, settings),
        notifyDevice(state, fact.deviceId, `enrollment.${fact.to}`, fact.why),
      ];
    case 'command.ended': {
      const command = state.commands.get(fact.commandId)?.command;
      const type = fact.outcome.status === 'succeeded' ? 'command.succeeded' : 'command.failed';
      const detail = `${fact.commandId}: ${fact.outcome.status} (${fact.outcome.reason}) ${fact.outcome.detail}`;
      return command === undefined ? [] : [notifyDevice(state, command.deviceId, type, detail)];
    }
    case 'alert.opened':
    case 'alert.changed':
    case 'alert.resolved':
      return alertEffects(state, fact);
    case 'device.connected':
      return [notifyDevice(state, fact.device.deviceId, 'device.discovered', fact.device.model)];
    default:
      return [];
  }
}

/** The intent of a command as a job for its peer. */
export function controlEffect(state: CoreState, commandId: string, jobId: string, settings: CoreSettings): Effect[] {
  const entry = state.commands.get(commandId);
  const device = entry === undefined ? undefined : state.devices.get(entry.command.deviceId);
  if (entry === undefined || device === undefined) return [];
  const { source, deviceId } = device.device;
  if (source.kind === 'dnp3') {
    const { startMs, endMs, input } = entry.command;
    const powerW = signedPowerW(device, input);
    const job: FieldJob =
      input.operatingMode === 'reset'
        ? { kind: 'release', jobId }
        : { kind: 'setpoint', jobId, powerW, startMs, endMs };
    return [{ kind: 'field', deviceId, connectionId: source.connectionId, job }];
  }
  const job = controlJob({
    entry,
    vendorDeviceId: source.vendorDeviceId,
    jobId,
    caps: settings.capabilities[source.oem],
  });
  return [{ kind: 'oem', oem: source.oem, deviceId, job }];
}

/** Discharge for the grid stops at the manufacturer's floor whatever was asked for (promise S1). */
function controlJob(request: {
  readonly entry: CommandEntry;
  readonly vendorDeviceId: string;
  readonly jobId: string;
  readonly caps: OemCapabilities;
}): OemJob {
  const { entry, vendorDeviceId, jobId, caps } = request;
  const { input, startMs, endMs, notAfterMs } = entry.command;
  const forGrid = input.enableGridInteraction && input.operatingMode === 'discharge';
  return {
    kind: 'control',
    jobId,
    vendorDeviceId,
    route: entry.route === 'grid_services' ? 'grid_services' : 'baseline',
    mode: input.operatingMode,
    mayExport: forGrid,
    powerW: input.powerW ?? null,
    startMs,
    endMs,
    reservePctMin: Math.max(input.minimumBatteryReserve ?? 0, forGrid ? caps.reservePctMin : 0),
    reservePctMax: input.maximumBatteryReserve ?? 100,
    notAfterMs,
  };
}

function undoEffect(
  state: CoreState,
  fact: Extract<Fact, { type: 'undo.sent' }>,
  atMs: EpochMs,
  settings: CoreSettings,
): Effect[] {
  const device = state.devices.get(fact.deviceId);
  if (device === undefined) return [];
  const { source, deviceId } = device.device;
  const { jobId } = fact;
  if (source.kind === 'dnp3') {
    const kind = fact.what === 'emergency-stop' ? 'emergency-stop' : 'release';
    return [{ kind: 'field', deviceId, connectionId: source.connectionId, job: { kind, jobId } }];
  }
  const { oem, vendorDeviceId } = source;
  const { vendorRef } = fact;
  const urgency = fact.what === 'emergency-stop' ? ({ emergency: true } as const) : {};
  const reset: Effect = {
    kind: 'oem',
    oem,
    deviceId,
    job: { ...resetJob(vendorDeviceId, jobId, atMs), ...urgency },
  };
  const cancel = (id: string, ref: string): Effect => {
    return {
      kind: 'oem',
      oem,
      deviceId,
      job: { kind: 'cancel', jobId: id, vendorDeviceId, vendorRef: ref, ...urgency },
    };
  };
  if (fact.what === 'cancel') return [cancel(jobId, vendorRef ?? '')];
  // An emergency stop says both: what the cloud has a name for is off, and whatever else holds there is, too.
  const hasName = fact.what === 'emergency-stop' && vendorRef !== null && settings.capabilities[oem].timedEnd;
  return hasName ? [cancel(`${jobId}/cancel`, vendorRef), reset] : [reset];
}

/** A reset holds from now on and may be late: it undoes, it never starts anything. The core says it again by itself. */
function resetJob(vendorDeviceId: string, jobId: string, startMs: EpochMs): OemJob {
  return {
    kind: 'control',
    jobId,
    vendorDeviceId,
    route: 'baseline',
    mode: 'reset',
    mayExport: false,
    powerW: null,
    startMs,
    endMs: startMs + MS_PER_HOUR,
    reservePctMin: 0,
    reservePctMax: 100,
    notAfterMs: startMs + UNDO_RETRY_MS,
  };
}

function applicationEffect(
  state: CoreState,
  fact: Extract<Fact, { type: 'enrollment.changed' }>,
  settings: CoreSettings,
): Effect[] {
  const device = state.devices.get(fact.deviceId);
  if (fact.to !== 'submitted' || device?.device.source.kind !== 'oem') return [];
  const { oem, vendorDeviceId } = device.device.source;
  const caps = settings.capabilities[oem];
  if (!caps.gridServices || caps.autoEnroll) return [];
  const job = {
    kind: 'enroll',
    jobId: `apply-${fact.enrollmentId}`,
    vendorDeviceId,
    programId: fact.programId,
  } as const;
  return [{ kind: 'oem', oem, deviceId: fact.deviceId, job }];
}

function notifyDevice(state: CoreState, deviceId: string, type: string, detail: string): Effect {
  const entry: DeviceEntry | undefined = state.devices.get(deviceId);
  return { kind: 'notify', workspaceId: entry?.device.workspaceId ?? '', type, subject: deviceId, detail };
}
