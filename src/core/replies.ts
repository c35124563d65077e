import { isTerminal } from '../domain/command.ts';
import type { FieldReply } from '../ports/field.ts';
import { KEPT_CHARS_MAX, type OemReply } from '../ports/oem.ts';
import { onFieldSetting } from './appliances.ts';
import { conclude, end, openEntry, tryNextPath } from './commands.ts';
import type { Context } from './context.ts';
import type { CommandEntry } from './state.ts';
import { giveBack, onUndoAnswer, undo } from './undo.ts';

/**
 * What peers answer. A reply counts only for the job it answers: one that comes twice, or for a path that was given up,
 * changes nothing. A command that ended while its answer was on the way is taken back when the answer comes.
 */

const READ = '/read';

/** Asks the cloud how an acknowledged command stands. The question has a name of its own, so that its fate is not the command's. */
export function check(ctx: Context, commandId: string): void {
  const entry = ctx.state.commands.get(commandId);
  if (entry === undefined || entry.status !== 'acknowledged' || entry.vendorRef === null) return;
  const device = ctx.state.devices.get(entry.command.deviceId)?.device;
  if (device === undefined || device.source.kind !== 'oem' || entry.jobId === null) return;
  const { oem, vendorDeviceId } = device.source;
  const jobId = `${entry.jobId}${READ}`;
  const job = { kind: 'read-command', jobId, vendorDeviceId, vendorRef: entry.vendorRef } as const;
  ctx.ask({ kind: 'oem', oem, deviceId: device.deviceId, job });
}

/** Kept as it is said: nobody but the session reads it. What is too long is a bug of the session, and is not kept. */
export function onKept(ctx: Context, deviceId: string, kept: string | null): void {
  const device = ctx.state.devices.get(deviceId);
  if (device === undefined || device.kept === kept || (kept?.length ?? 0) > KEPT_CHARS_MAX) return;
  ctx.emit({ type: 'device.kept', deviceId, kept });
}

/** A cloud's answer to a control job, an undo or the question after a command. */
export function onJobReply(ctx: Context, reply: OemReply): void {
  const isRead = reply.jobId.endsWith(READ);
  const jobId = isRead ? reply.jobId.slice(0, -READ.length) : reply.jobId;
  const use = ctx.state.jobs.get(jobId);
  if (use === undefined) return;
  if (use.kind === 'undo') {
    return onUndoAnswer(ctx, use.deviceId, jobId, reply.kind !== 'unknown' && reply.kind !== 'not-sent');
  }
  const entry = ctx.state.commands.get(use.commandId);
  if (entry === undefined || entry.jobId !== jobId) return;
  if (reply.kind === 'command-status') return onVendorStatus(ctx, entry, reply.status, reply.detail);
  if (!isRead) onControlReply(ctx, entry, reply);
}

function onControlReply(ctx: Context, entry: CommandEntry, reply: OemReply): void {
  const { commandId } = entry.command;
  if (isTerminal(entry.status)) return onLateReply(ctx, entry, reply);
  if (entry.status !== 'sent') return;
  switch (reply.kind) {
    case 'accepted':
      return ctx.emit({ type: 'command.acknowledged', commandId, vendorRef: reply.vendorRef });
    case 'refused':
      return entry.route === 'grid_services'
        ? tryNextPath(ctx, entry, `grid service refused: ${reply.code} ${reply.message}`)
        : end(ctx, commandId, 'rejected', 'oem_refused', `${reply.code} ${reply.message}`);
    case 'not-sent':
      return end(ctx, commandId, 'expired', 'not_after_passed', `never left: ${reply.message}`);
    case 'unknown':
    case 'command-status':
    case 'kept':
    case 'state':
    case 'appliance-state':
    case 'enrollment':
      return; // an unknown outcome stays "sent": telemetry decides at the end of the window
  }
}

/**
 * The command has ended, and only now the cloud says that it took it, or that it does not know. A cloud that names its
 * commands is told to cancel that one, whatever came after it. Any other must not be reset while a newer command holds.
 */
function onLateReply(ctx: Context, entry: CommandEntry, reply: OemReply): void {
  if (entry.vendorRef !== null || (reply.kind !== 'accepted' && reply.kind !== 'unknown')) return;
  const { commandId, deviceId, endMs } = entry.command;
  const device = ctx.state.devices.get(deviceId);
  if (device?.device.source.kind !== 'oem' || ctx.nowMs >= endMs) return;
  const why = `${commandId} had ended (${entry.outcome?.reason}) before the cloud answered`;
  const { timedEnd } = ctx.settings.capabilities[device.device.source.oem];
  if (timedEnd && reply.kind === 'accepted') {
    const { vendorRef } = reply;
    if (device.undo?.vendorRef === vendorRef) return; // the same answer came twice
    return undo(ctx, deviceId, { what: 'cancel', vendorRef, why });
  }
  const newer = openEntry(ctx, device);
  if (newer !== null && newer.status !== 'accepted') return;
  if (timedEnd) return undo(ctx, deviceId, { what: 'reset', vendorRef: null, why });
  giveBack(ctx, entry, why);
}

function onVendorStatus(ctx: Context, entry: CommandEntry, status: string, detail: string): void {
  const { commandId } = entry.command;
  if (isTerminal(entry.status)) return;
  if (status === 'failed')
    return end(ctx, commandId, 'failed', 'delivery_failed', `the cloud could not deliver it: ${detail}`);
  if (status === 'opted-out') return end(ctx, commandId, 'cancelled', 'opted_out', `the owner opted out: ${detail}`);
}

/** The connector's answer to a job of a site behind DNP3. */
export function onFieldReply(ctx: Context, reply: FieldReply): void {
  const use = ctx.state.jobs.get(reply.jobId);
  if (use === undefined) return;
  if (use.kind === 'undo') return onUndoAnswer(ctx, use.deviceId, reply.jobId, reply.kind !== 'unknown');
  if (use.kind === 'appliance') return onFieldSetting(ctx, use.commandId, reply);
  const entry = ctx.state.commands.get(use.commandId);
  if (entry === undefined || isTerminal(entry.status) || entry.jobId !== reply.jobId) return;
  if (reply.kind === 'operated' && entry.status === 'sent') {
    ctx.emit({ type: 'command.acknowledged', commandId: use.commandId, vendorRef: reply.jobId });
  } else if (reply.kind === 'refused' && entry.status === 'sent') {
    end(ctx, use.commandId, 'rejected', 'site_not_controllable', reply.why);
  } else if (reply.kind === 'refused') {
    conclude(ctx, use.commandId, { status: 'failed', reason: 'site_not_controllable', detail: reply.why });
  }
}
