import type { Device } from '../domain/device.ts';
import { InvariantError, invariant } from '../domain/errors.ts';
import type { Fact } from '../domain/fact.ts';
import { programTag } from '../domain/program.ts';
import type { EpochMs } from '../domain/units.ts';
import type { OemReply } from '../ports/oem.ts';
import type { AgendaItem } from './agenda.ts';
import { apply } from './apply.ts';
import { end, finish, openEntry, requestBatch, requestCommand, send, verify, withdraw } from './commands.ts';
import type { Context } from './context.ts';
import { plan } from './dispatch.ts';
import { effectsOf } from './effects.ts';
import { checkEnrollment, enroll, onEnrollmentReply, unenroll } from './enrollment.ts';
import {
  answerEvent,
  cancelEvent,
  endEvent,
  offerEvent,
  registerResource,
  startEvent,
  takeReport,
} from './incentives.ts';
import type { CoreInput, Effect, Refusal } from './input.ts';
import { publishPrices, submitBid, takeAwards } from './markets.ts';
import { measureEvent } from './measure.ts';
import { onFieldEvent, onTelemetry } from './observe.ts';
import { check, onJobReply } from './replies.ts';
import type { CoreSettings } from './settings.ts';
import { type CoreState, newState } from './state.ts';
import { TelemetryStore } from './telemetry.ts';
import { checkUndo, undo } from './undo.ts';

/**
 * The coordination core: a deterministic state machine. Input and time go in; facts and effects come out; state is the
 * fold of the facts. It reads no clock, no socket, no file and no random number, so the one that serves requests is the
 * one that runs in simulation.
 */
export interface CoreOutput {
  readonly facts: readonly Fact[];
  /** To be performed after the facts are recorded. */
  readonly effects: readonly Effect[];
  readonly refusals: readonly Refusal[];
}

/** A plan that keeps scheduling itself at one instant would never end. */
const DUE_AT_ONCE_MAX = 1_000_000;

export class Core {
  readonly state: CoreState = newState();
  readonly telemetry = new TelemetryStore();
  readonly #settings: CoreSettings;
  #lastMs = Number.NEGATIVE_INFINITY;

  constructor(settings: CoreSettings) {
    this.#settings = settings;
  }

  /**
   * Takes one input at one time [epoch ms]. A request that cannot be met is a refusal in the output, no exception.
   * @throws InvariantError when time runs backwards
   */
  handle(input: CoreInput, nowMs: EpochMs): CoreOutput {
    invariant(nowMs >= this.#lastMs, `time runs backwards: ${nowMs} after ${this.#lastMs}`);
    this.#lastMs = nowMs;
    const facts: Fact[] = [];
    const effects: Effect[] = [];
    const refusals: Refusal[] = [];
    const ctx: Context = {
      state: this.state,
      telemetry: this.telemetry,
      settings: this.#settings,
      nowMs,
      emit: (fact) => {
        apply(this.state, fact, nowMs, this.#settings);
        facts.push(fact);
        effects.push(...effectsOf(this.state, fact, nowMs, this.#settings));
        if (fact.type === 'command.ended') this.telemetry.evidence.delete(fact.commandId);
      },
      ask: (effect) => effects.push(effect),
      refuse: (what, why, code = 'conflict') => refusals.push({ what, why, code }),
    };
    decide(ctx, input);
    return { facts, effects, refusals };
  }

  /** When the core wants {kind:'time'} next; null = not before another input. */
  nextTimeoutMs(): EpochMs | null {
    return this.state.agenda.nextMs();
  }
}

function decide(ctx: Context, input: CoreInput): void {
  switch (input.kind) {
    case 'create-workspace':
      return ctx.emit({ type: 'workspace.created', workspace: input.workspace });
    case 'create-customer':
      return ctx.emit({ type: 'customer.created', customer: input.customer });
    case 'create-site':
      return ctx.emit({ type: 'site.created', site: input.site });
    case 'connect-device':
      return connect(ctx, input.device);
    case 'tag-device':
      if (!ctx.state.devices.has(input.deviceId))
        return ctx.refuse('tag-device', `${input.deviceId}: no such device`, 'unknown');
      return ctx.emit({ type: 'device.tagged', deviceId: input.deviceId, tags: input.tags });
    case 'create-program':
      return ctx.emit({ type: 'program.created', program: input.program });
    case 'enroll':
      return enroll(ctx, input.deviceId, input.programId);
    case 'unenroll':
      return unenroll(ctx, input.deviceId, input.programId, input.why);
    case 'configure-safety':
    case 'approve-control':
    case 'emergency-stop':
      return onSafety(ctx, input);
    case 'command':
      requestCommand(ctx, input.request);
      return;
    case 'batch':
      return requestBatch(ctx, input.batch);
    case 'cancel-command':
      if (!ctx.state.commands.has(input.commandId)) {
        return ctx.refuse('cancel-command', `${input.commandId}: no such command`, 'unknown');
      }
      return withdraw(ctx, input.commandId, 'cancelled_by_actor', `cancelled by ${input.actor}`);
    case 'register-resource':
      return registerResource(ctx, input);
    case 'offer-event':
      offerEvent(ctx, input.offer);
      return;
    case 'cancel-event':
      return cancelEvent(ctx, input.eventId, input.by);
    case 'answer-event':
      return answerEvent(ctx, input);
    case 'report':
      return takeReport(ctx, input);
    case 'publish-prices': {
      const { node, market, startMs, stepMs, usdPerMwh } = input;
      return publishPrices(ctx, { node, market, startMs, stepMs, usdPerMwh });
    }
    case 'submit-bid':
      return submitBid(ctx, input.bid);
    case 'awards':
      return takeAwards(ctx, input.awards);
    case 'telemetry':
      return onTelemetry(ctx, input.deviceId, input.state, input.online);
    case 'meter':
      return ctx.telemetry.addMeter(input.siteId, {
        startMs: input.startMs,
        stepMs: input.stepMs,
        gridWh: [...input.gridWh],
        batteryWh: [...input.batteryWh],
      });
    case 'oem-reply':
      return onOemReply(ctx, input.deviceId, input.reply);
    case 'field-event':
      return onFieldEvent(ctx, input.deviceId, input.event);
    case 'time':
      return whatIsDue(ctx);
  }
}

/** What makes a site controllable, and what stops it at once. */
function onSafety(
  ctx: Context,
  input: Extract<CoreInput, { kind: 'configure-safety' | 'approve-control' | 'emergency-stop' }>,
): void {
  switch (input.kind) {
    case 'configure-safety': {
      const { siteId, safety, actor } = input;
      return ctx.emit({ type: 'site.safety-configured', siteId, safety, actor });
    }
    case 'approve-control':
      if (input.approval.approvedBy === input.approval.requestedBy) {
        return ctx.refuse('approve-control', 'the approval must come from somebody other than who asked');
      }
      return ctx.emit({ type: 'site.control-approved', approval: input.approval });
    case 'emergency-stop':
      return emergencyStop(ctx, input.deviceId, input.actor);
  }
}

/** Connects a device; where the manufacturer enrols on connection, that happens now for every program it may join. */
function connect(ctx: Context, device: Device): void {
  if (ctx.state.devices.has(device.deviceId)) return ctx.refuse('connect-device', `${device.deviceId} is connected`);
  if (!ctx.state.sites.has(device.siteId))
    return ctx.refuse('connect-device', `${device.siteId}: no such site`, 'unknown');
  ctx.emit({ type: 'device.connected', device });
  if (device.source.kind !== 'oem' || !ctx.state.workspaces.get(device.workspaceId)?.gridServices) return;
  const caps = ctx.settings.capabilities[device.source.oem];
  if (!caps.gridServices || !caps.autoEnroll) return;
  for (const { programId } of ctx.state.programs.values()) {
    if (device.tags.includes(programTag(programId))) enroll(ctx, device.deviceId, programId);
  }
}

/** Needs no approval (promise S11). The open command is over at once; nothing but the stop itself leaves. */
function emergencyStop(ctx: Context, deviceId: string, actor: string): void {
  const device = ctx.state.devices.get(deviceId);
  if (device === undefined || device.device.source.kind !== 'dnp3') {
    return ctx.refuse('emergency-stop', `${deviceId} is not a site behind DNP3`);
  }
  const open = openEntry(ctx, device);
  if (open !== null) {
    end(ctx, open.command.commandId, 'cancelled', 'cancelled_by_actor', `emergency stop by ${actor}`);
  }
  undo(ctx, deviceId, { what: 'emergency-stop', vendorRef: null, why: `by ${actor}` });
}

function onOemReply(ctx: Context, deviceId: string, reply: OemReply): void {
  if (reply.kind === 'state') return onTelemetry(ctx, deviceId, reply.state, reply.online);
  onEnrollmentReply(ctx, deviceId, reply);
  onJobReply(ctx, reply);
}

function whatIsDue(ctx: Context): void {
  for (let n = 0; n < DUE_AT_ONCE_MAX; n++) {
    const item = ctx.state.agenda.takeDue(ctx.nowMs);
    if (item === null) return;
    due(ctx, item);
  }
  throw new InvariantError(`the agenda never empties at ${ctx.nowMs}`);
}

function due(ctx: Context, item: AgendaItem): void {
  switch (item.kind) {
    case 'plan':
      return plan(ctx, item.eventId);
    case 'event-start':
      return startEvent(ctx, item.eventId);
    case 'event-end':
      return endEvent(ctx, item.eventId);
    case 'event-measure':
      return measureEvent(ctx, item.eventId);
    case 'command-send':
      return send(ctx, item.commandId);
    case 'command-check':
      return check(ctx, item.commandId);
    case 'command-finish':
      return finish(ctx, item.commandId);
    case 'command-verify':
      return verify(ctx, item.commandId);
    case 'undo-check':
      return checkUndo(ctx, item.deviceId, item.jobId);
    case 'enrollment-check': {
      const againMs = checkEnrollment(ctx, item.enrollmentKey);
      if (againMs !== null) ctx.state.agenda.add(againMs, item);
    }
  }
}
