import type { Fact } from '../domain/fact.ts';
import type { OemJob } from '../ports/oem.ts';
import { signedPowerW } from './commands.ts';
import type { Effect } from './input.ts';
import type { CoreSettings } from './settings.ts';
import type { CommandEntry, CoreState, DeviceEntry } from './state.ts';

/** What follows from a fact outside the core. A pure function of the fact and the state after it. */
export function effectsOf(state: CoreState, fact: Fact, settings: CoreSettings): Effect[] {
  switch (fact.type) {
    case 'command.sent':
      return controlEffect(state, fact.commandId, fact.jobId);
    case 'undo.sent':
      return undoEffect(state, fact);
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
    case 'device.connected':
      return [notifyDevice(state, fact.device.deviceId, 'device.discovered', fact.device.model)];
    default:
      return [];
  }
}

function controlEffect(state: CoreState, commandId: string, jobId: string): Effect[] {
  const entry = state.commands.get(commandId);
  const device = entry === undefined ? undefined : state.devices.get(entry.command.deviceId);
  if (entry === undefined || device === undefined) return [];
  const { source, deviceId } = device.device;
  if (source.kind === 'dnp3') {
    const { startMs, endMs, input } = entry.command;
    const job = { kind: 'setpoint', jobId, powerW: signedPowerW(device, input), startMs, endMs } as const;
    return [{ kind: 'field', deviceId, connectionId: source.connectionId, job }];
  }
  return [{ kind: 'oem', oem: source.oem, deviceId, job: controlJob(entry, source.vendorDeviceId, jobId) }];
}

function controlJob(entry: CommandEntry, vendorDeviceId: string, jobId: string): OemJob {
  const { input, startMs, endMs, notAfterMs } = entry.command;
  return {
    kind: 'control',
    jobId,
    vendorDeviceId,
    route: entry.route === 'grid_services' ? 'grid_services' : 'baseline',
    mode: input.operatingMode,
    powerW: input.powerW ?? null,
    startMs,
    endMs,
    reservePctMin: input.minimumBatteryReserve ?? 0,
    reservePctMax: input.maximumBatteryReserve ?? 100,
    notAfterMs,
  };
}

function undoEffect(state: CoreState, fact: Extract<Fact, { type: 'undo.sent' }>): Effect[] {
  const device = state.devices.get(fact.deviceId);
  if (device === undefined) return [];
  const { source, deviceId } = device.device;
  const { jobId } = fact;
  if (source.kind === 'dnp3') {
    const kind = fact.what === 'emergency-stop' ? 'emergency-stop' : 'release';
    return [{ kind: 'field', deviceId, connectionId: source.connectionId, job: { kind, jobId } }];
  }
  const { oem, vendorDeviceId } = source;
  if (fact.what === 'cancel') {
    const job = { kind: 'cancel', jobId, vendorDeviceId, vendorRef: fact.vendorRef ?? '' } as const;
    return [{ kind: 'oem', oem, deviceId, job }];
  }
  return [{ kind: 'oem', oem, deviceId, job: resetJob(vendorDeviceId, jobId) }];
}

/** A reset holds from now on and may be late: it undoes, it never starts anything. */
function resetJob(vendorDeviceId: string, jobId: string): OemJob {
  const [startMs, endMs] = [0, Number.MAX_SAFE_INTEGER];
  return {
    kind: 'control',
    jobId,
    vendorDeviceId,
    route: 'baseline',
    mode: 'reset',
    powerW: null,
    startMs,
    endMs,
    reservePctMin: 0,
    reservePctMax: 100,
    notAfterMs: endMs,
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
