import type { BatteryState } from '../domain/battery.ts';
import { isTerminal } from '../domain/command.ts';
import { isoUtc } from '../domain/time.ts';
import type { EpochMs } from '../domain/units.ts';
import type { FieldEvent } from '../ports/field.ts';
import { settle } from './appliances.ts';
import { onSample } from './automations.ts';
import { conclude, stormBegan } from './commands.ts';
import { type Context, staleAfterMs } from './context.ts';
import { watchLoading } from './loadAlerts.ts';
import { onFieldReply } from './replies.ts';
import { onLinkLost } from './safety.ts';
import type { DeviceEntry } from './state.ts';
import { onReachable } from './undo.ts';
import { hasNoEffect } from './verify.ts';

/**
 * Telemetry comes in: it is kept beside the state, and what is concluded from it becomes a fact. A sample counts once,
 * whenever it arrives; only the newest one speaks of what is now.
 */

/** How far a device's clock may be ahead before its sample is no sample [ms]; promise S17 detects a jump over 5 s. */
const AHEAD_MS_MAX = 5_000;

/** Takes one sample of a device: state as it measured it, and whether its cloud reaches it. */
export function onTelemetry(ctx: Context, deviceId: string, state: BatteryState, online: boolean, local = false): void {
  const device = ctx.state.devices.get(deviceId);
  if (device === undefined) return ctx.refuse('telemetry', `${deviceId}: no such device`, 'unknown');
  const why = nonsense(state, ctx.nowMs);
  if (why !== null) return ctx.refuse('telemetry', `${deviceId}: ${why}`);
  const before = ctx.telemetry.latest.get(deviceId);
  const isNewest = before === undefined || before.state.sampledAtMs <= state.sampledAtMs;
  if (isNewest) {
    ctx.telemetry.observe(deviceId, { state, online, local, receivedAtMs: ctx.nowMs });
    setReachable(ctx, device, online, online ? 'its cloud reports it online' : 'its cloud reports it offline');
    setStorm(ctx, device, state);
    settle(ctx, deviceId);
    onSample(ctx, device, before?.state.sampledAtMs ?? null);
    watchLoading(ctx, device.device.siteId);
  }
  addEvidence(ctx, device.openCommandId, state);
  addEvidence(ctx, device.lastCommandId, state);
}

function setReachable(ctx: Context, device: DeviceEntry, reachable: boolean, why: string): void {
  if (reachable === device.reachable) return;
  ctx.emit({ type: 'device.reachable', deviceId: device.device.deviceId, reachable, why });
  if (reachable) onReachable(ctx, device);
}

/**
 * Nothing was heard of a device for so many of its periods that it cannot be called reachable: its cloud is down, or does
 * not know it. Counted from the core's start at the earliest, because samples are not kept over a restart. The link of a
 * site behind DNP3 speaks for itself once it was heard of.
 * @returns when to look again [epoch ms]; null = never
 */
export function checkHeard(ctx: Context, deviceId: string): EpochMs | null {
  const device = ctx.state.devices.get(deviceId);
  if (device === undefined) return null;
  const heard = ctx.telemetry.latest.get(deviceId);
  const isSite = device.device.source.kind === 'dnp3';
  if (isSite && (heard !== undefined || !device.reachable)) return null;
  const afterMs = staleAfterMs(ctx, device);
  const sinceMs = Math.max(heard?.receivedAtMs ?? Number.NEGATIVE_INFINITY, ctx.telemetry.startedMs ?? ctx.nowMs);
  if (ctx.nowMs < sinceMs + afterMs) return sinceMs + afterMs;
  if (device.reachable) {
    if (isSite) onLinkLost(ctx, device);
    const since = heard === undefined ? 'it is waited for' : isoUtc(heard.receivedAtMs);
    setReachable(ctx, device, false, `nothing was heard of it since ${since}`);
  }
  return ctx.nowMs + afterMs;
}

function setStorm(ctx: Context, device: DeviceEntry, state: BatteryState): void {
  if (state.isStormModeActive === device.stormActive) return;
  const { deviceId } = device.device;
  ctx.emit({ type: 'device.storm', deviceId, active: state.isStormModeActive, sampledAtMs: state.sampledAtMs });
  if (state.isStormModeActive) stormBegan(ctx, device);
}

/** A value outside what can be is no value (promise S19: unknown is not zero). */
function nonsense(s: BatteryState, nowMs: number): string | null {
  if (![s.charge, s.chargePercentage, s.chargeRate, s.backupReserve, s.sampledAtMs].every(Number.isFinite))
    return 'a figure is not a number';
  if (s.chargePercentage < -0.5 || s.chargePercentage > 100.5) return `state of charge ${s.chargePercentage} %`;
  if (s.backupReserve < 0 || s.backupReserve > 100) return `reserve ${s.backupReserve} %`;
  if (s.sampledAtMs > nowMs + AHEAD_MS_MAX) return `sampled ${s.sampledAtMs - nowMs} ms in the future`;
  return null;
}

/** Counts a sample for a command in whose window it lies; one that plainly has no effect is not waited for. */
function addEvidence(ctx: Context, commandId: string | null, state: BatteryState): void {
  const entry = commandId === null ? undefined : ctx.state.commands.get(commandId);
  if (entry === undefined || isTerminal(entry.status) || entry.status === 'accepted') return;
  const { command, acknowledgedAtMs } = entry;
  const fromMs = Math.max(command.startMs, acknowledgedAtMs ?? command.startMs) + ctx.settings.effectGraceMs;
  if (state.sampledAtMs < fromMs || state.sampledAtMs >= command.endMs) return;
  const evidence = ctx.telemetry.addEvidence(command.commandId, state);
  const device = ctx.state.devices.get(command.deviceId);
  if (device === undefined || command.endMs <= ctx.nowMs) return;
  const outcome = hasNoEffect({ entry, device, evidence, settings: ctx.settings, fromMs });
  if (outcome !== null) conclude(ctx, command.commandId, outcome);
}

/** What the connector of a site behind DNP3 says. */
export function onFieldEvent(ctx: Context, deviceId: string, event: FieldEvent): void {
  const device = ctx.state.devices.get(deviceId);
  if (device === undefined) return ctx.refuse('field-event', `${deviceId}: no such device`, 'unknown');
  switch (event.kind) {
    case 'link':
      if (!event.up && device.reachable) onLinkLost(ctx, device);
      return setReachable(ctx, device, event.up, event.up ? 'DNP3 link up' : 'DNP3 link down');
    case 'state':
      if (event.site !== undefined) ctx.telemetry.utility.set(deviceId, event.site);
      return onTelemetry(ctx, deviceId, event.state, true, event.local);
    case 'reply':
      return onFieldReply(ctx, event.reply);
    case 'integrity-read':
    case 'points':
      return;
  }
}
