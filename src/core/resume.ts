import { isTerminal } from '../domain/command.ts';
import { resumedAppliances } from './applianceEffects.ts';
import type { Context } from './context.ts';
import { controlEffect } from './effects.ts';
import type { Effect } from './input.ts';
import { showAllReadings } from './readings.ts';

/**
 * After a restart the intents are known, and what became of them is not: a request may have left, arrived and taken
 * effect. A cloud is asked before anything is said again (promise S22); the setpoint of a site behind DNP3 is absolute
 * and passes the safety gate anew, so it is said again while its window is open. What is owed as an undo, and pending
 * applications, come back by the agenda. What a session asked to keep is recalled to it first. Nothing here changes the state.
 */
export function resume(ctx: Context): void {
  for (const { device, kept } of ctx.state.devices.values()) {
    const { source, deviceId } = device;
    if (kept === null || source.kind !== 'oem') continue;
    const { oem, vendorDeviceId } = source;
    ctx.ask({ kind: 'oem', oem, deviceId, job: { kind: 'recall', jobId: `recall-${deviceId}`, vendorDeviceId, kept } });
  }
  for (const entry of ctx.state.commands.values()) {
    const { command, status, jobId, route } = entry;
    if (isTerminal(status) || jobId === null) continue;
    const isField = route === 'dnp3';
    const inDoubt = isField ? ctx.nowMs < command.endMs : status === 'sent';
    if (!inDoubt) continue;
    for (const effect of controlEffect(ctx.state, command.commandId, jobId, ctx.settings)) {
      ctx.ask(asResumed(effect));
    }
  }
  for (const effect of resumedAppliances(ctx.state, ctx.nowMs)) ctx.ask(effect);
  showAllReadings(ctx);
}

function asResumed(effect: Effect): Effect {
  if (effect.kind !== 'oem' || effect.job.kind !== 'control') return effect;
  return { ...effect, job: { ...effect.job, resume: true } };
}
