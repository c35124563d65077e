import type { BatteryState } from '../domain/battery.ts';
import { isTerminal } from '../domain/command.ts';
import { MS_PER_MIN } from '../domain/units.ts';
import type { FieldEvent } from '../ports/field.ts';
import { end, stormBegan } from './commands.ts';
import type { Context } from './context.ts';
import type { DeviceEntry } from './state.ts';

/** Telemetry comes in: it is kept beside the state, and what is concluded from it becomes a fact. */

/** A command has this long to show in the samples after it starts or is acknowledged. */
const EFFECT_GRACE_MS = 2 * MS_PER_MIN;

export function onTelemetry(ctx: Context, deviceId: string, state: BatteryState, online: boolean, local = false): void {
  const device = ctx.state.devices.get(deviceId);
  if (device === undefined) return ctx.refuse('telemetry', `${deviceId}: no such device`);
  const why = nonsense(state);
  if (why !== null) return ctx.refuse('telemetry', `${deviceId}: ${why}`);
  const before = ctx.telemetry.latest.get(deviceId);
  if (before !== undefined && before.state.sampledAtMs > state.sampledAtMs) return; // late and older: nothing new
  ctx.telemetry.observe(deviceId, { state, online, local, receivedAtMs: ctx.nowMs });
  if (online !== device.reachable) {
    const text = online ? 'its cloud reports it online' : 'its cloud reports it offline';
    ctx.emit({ type: 'device.reachable', deviceId, reachable: online, why: text });
  }
  if (state.isStormModeActive !== device.stormActive) {
    ctx.emit({ type: 'device.storm', deviceId, active: state.isStormModeActive, sampledAtMs: state.sampledAtMs });
    if (state.isStormModeActive) stormBegan(ctx, device);
  }
  if (before === undefined || before.state.sampledAtMs !== state.sampledAtMs) addEvidence(ctx, device, state);
}

/** A value outside what can be is no value (promise S19: unknown is not zero). */
function nonsense(s: BatteryState): string | null {
  if (![s.charge, s.chargePercentage, s.chargeRate, s.backupReserve].every(Number.isFinite))
    return 'a figure is not a number';
  if (s.chargePercentage < -0.5 || s.chargePercentage > 100.5) return `state of charge ${s.chargePercentage} %`;
  if (s.backupReserve < 0 || s.backupReserve > 100) return `reserve ${s.backupReserve} %`;
  return null;
}

function addEvidence(ctx: Context, device: DeviceEntry, state: BatteryState): void {
  const entry = device.openCommandId === null ? undefined : ctx.state.commands.get(device.openCommandId);
  if (entry === undefined || isTerminal(entry.status) || entry.status === 'accepted') return;
  const { command, acknowledgedAtMs } = entry;
  const fromMs = Math.max(command.startMs, acknowledgedAtMs ?? command.startMs) + EFFECT_GRACE_MS;
  if (state.sampledAtMs < fromMs || state.sampledAtMs > command.endMs) return;
  ctx.telemetry.addEvidence(command.commandId, state);
}

export function onFieldEvent(ctx: Context, deviceId: string, event: FieldEvent): void {
  const device = ctx.state.devices.get(deviceId);
  if (device === undefined) return ctx.refuse('field-event', `${deviceId}: no such device`);
  switch (event.kind) {
    case 'link':
      if (event.up !== device.reachable) {
        ctx.emit({
          type: 'device.reachable',
          deviceId,
          reachable: event.up,
          why: event.up ? 'DNP3 link up' : 'DNP3 link down',
        });
      }
      return;
    case 'state':
      return onTelemetry(ctx, deviceId, event.state, true, event.local);
    case 'reply':
      return onFieldReply(ctx, event.reply);
    case 'integrity-read':
    case 'points':
      return;
  }
}

function onFieldReply(ctx: Context, reply: Extract<FieldEvent, { kind: 'reply' }>['reply']): void {
  const use = ctx.state.jobs.get(reply.jobId);
  if (use?.kind !== 'command') return;
  const entry = ctx.state.commands.get(use.commandId);
  if (entry === undefined || isTerminal(entry.status)) return;
  if (reply.kind === 'operated') {
    if (entry.status === 'sent')
      ctx.emit({ type: 'command.acknowledged', commandId: use.commandId, vendorRef: reply.jobId });
  } else if (reply.kind === 'refused') {
    end(ctx, use.commandId, 'rejected', 'site_not_controllable', reply.why);
  }
}
