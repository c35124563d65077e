import type { Device, Workspace } from '../domain/device.ts';
import { InvariantError, invariant } from '../domain/errors.ts';
import type { Fact } from '../domain/fact.ts';
import type { EpochMs } from '../domain/units.ts';
import type { OemReply } from '../ports/oem.ts';
import type { AgendaItem } from './agenda.ts';
import { checkReach, checkSilence, watchFact } from './alerts.ts';
import {
  askAppliance,
  cancelAppliance,
  checkAppliance,
  isApplianceInput,
  onAppliance,
  onApplianceReply,
  restoreDue,
} from './appliances.ts';
import { apply } from './apply.ts';
import { automationDue, onApplianceSample, react } from './automations.ts';
import { onClient } from './clients.ts';
import { finish, requestBatch, requestCommand, send, verify, withdraw } from './commands.ts';
import type { Context } from './context.ts';
import { onDestination } from './destinations.ts';
import { plan } from './dispatch.ts';
import { effectsOf } from './effects.ts';
import {
  checkEnrollment,
  enableGridServices,
  enroll,
  enrollByItself,
  onEnrollmentReply,
  unenroll,
} from './enrollment.ts';
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
import { watchLoading } from './loadAlerts.ts';
import { publishPrices, submitBid, takeAwards } from './markets.ts';
import { measureEvent } from './measure.ts';
import { checkHeard, onFieldEvent, onTelemetry } from './observe.ts';
import { takeReadings } from './readings.ts';
import { check, onJobReply, onKept } from './replies.ts';
import { resume } from './resume.ts';
import { isRuleInput, onRule } from './rules.ts';
import { expireApproval } from './safety.ts';
import { fireSchedule } from './schedules.ts';
import type { CoreSettings } from './settings.ts';
import { connectObstacle } from './sources.ts';
import { type CoreState, newState } from './state.ts';
import { TelemetryStore } from './telemetry.ts';
import { checkUndo } from './undo.ts';
import { isWatchInput, onWatch } from './watch.ts';

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
  readonly state: CoreState;
  readonly telemetry = new TelemetryStore();
  readonly #settings: CoreSettings;
  #lastMs = Number.NEGATIVE_INFINITY;

  /** @param state  what a snapshot held; a new plant knows nothing */
  constructor(settings: CoreSettings, state: CoreState = newState()) {
    this.#settings = settings;
    this.state = state;
  }

  /** Folds facts that were recorded at one time [epoch ms]. Nothing leaves; {kind:'resume'} comes after the last. */
  replay(facts: readonly Fact[], atMs: EpochMs): void {
    invariant(atMs >= this.#lastMs, `the journal runs backwards: ${atMs} after ${this.#lastMs}`);
    this.#lastMs = atMs;
    for (const fact of facts) apply(this.state, fact, atMs, this.#settings);
  }

  /**
   * Takes one input at one time [epoch ms]. A request that cannot be met is a refusal in the output, no exception.
   * @throws InvariantError when time runs backwards
   */
  handle(input: CoreInput, nowMs: EpochMs): CoreOutput {
    invariant(nowMs >= this.#lastMs, `time runs backwards: ${nowMs} after ${this.#lastMs}`);
    this.#lastMs = nowMs;
    this.telemetry.startedMs ??= nowMs;
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
        watchFact(ctx, fact);
      },
      ask: (effect) => effects.push(effect),
      refuse: (what, why, code = 'conflict') => refusals.push({ what, why, code }),
    };
    decide(ctx, input);
    react(ctx, facts);
    return { facts, effects, refusals };
  }

  /** When the core wants {kind:'time'} next; null = not before another input. */
  nextTimeoutMs(): EpochMs | null {
    return this.state.agenda.nextMs();
  }
}

function decide(ctx: Context, input: CoreInput): void {
  if (isRuleInput(input)) return onRule(ctx, input);
  if (isWatchInput(input)) return onWatch(ctx, input);
  if (isApplianceInput(input)) return onAppliance(ctx, input);
  switch (input.kind) {
    case 'create-workspace':
      return createWorkspace(ctx, input.workspace);
    case 'enable-grid-services':
      return enableGridServices(ctx, input);
    case 'set-clock': {
      const { kind: _, ...set } = input;
      return set.isFrozen === ctx.state.clock.isFrozen ? undefined : ctx.emit({ type: 'clock.set', ...set });
    }
    case 'create-customer':
      return ctx.emit({ type: 'customer.created', customer: input.customer });
    case 'create-site':
      return ctx.emit({ type: 'site.created', site: input.site });
    case 'connect-device':
      return connect(ctx, input.device);
    case 'tag-device':
      if (ctx.state.appliances.has(input.deviceId))
        return ctx.emit({ type: 'appliance.tagged', deviceId: input.deviceId, tags: input.tags });
      return tagDevice(ctx, input.deviceId, input.tags);
    case 'create-client':
    case 'add-client-secret':
    case 'remove-client-secret':
    case 'revoke-client':
    case 'create-api-key':
    case 'revoke-api-key':
      return onClient(ctx, input);
    case 'create-destination':
    case 'change-destination':
    case 'delete-destination':
      return onDestination(ctx, input);
    case 'create-program':
      return ctx.emit({ type: 'program.created', program: input.program });
    case 'enroll':
      return enroll(ctx, input.deviceId, input.programId);
    case 'unenroll':
      return unenroll(ctx, input.deviceId, input.programId, input.why);
    case 'command':
      requestCommand(ctx, input.request);
      return;
    case 'batch':
      return requestBatch(ctx, input.batch);
    case 'cancel-command':
      if (ctx.state.applianceCommands.has(input.commandId)) {
        return cancelAppliance(ctx, input.commandId, input.actor);
      }
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
      const { kind: _, ...prices } = input;
      return publishPrices(ctx, prices);
    }
    case 'submit-bid':
      return submitBid(ctx, input.bid);
    case 'awards':
      return takeAwards(ctx, input.awards);
    case 'telemetry':
      return onTelemetry(ctx, input.deviceId, input.state, input.online);
    case 'meter':
      ctx.telemetry.addMeter(input.siteId, {
        startMs: input.startMs,
        stepMs: input.stepMs,
        gridWh: [...input.gridWh],
        batteryWh: [...input.batteryWh],
      });
      return watchLoading(ctx, input.siteId);
    case 'meter-readings':
      return takeReadings(ctx, input.blocks);
    case 'oem-reply':
      return onOemReply(ctx, input.deviceId, input.reply);
    case 'field-event':
      return onFieldEvent(ctx, input.deviceId, input.event);
    case 'resume':
      return resume(ctx);
    case 'time':
      return whatIsDue(ctx);
  }
}

function createWorkspace(ctx: Context, workspace: Workspace): void {
  const most = ctx.settings.sandboxesMax;
  const isSandbox = (w: Workspace): boolean => w.environment === 'sandbox' && w.workspaceId !== workspace.workspaceId;
  if (workspace.environment === 'sandbox' && [...ctx.state.workspaces.values()].filter(isSandbox).length >= most) {
    return ctx.refuse('create-workspace', `${most} sandboxes are there, the most that this service has`, 'limit');
  }
  ctx.emit({ type: 'workspace.created', workspace });
}

/** Connects a device; where the manufacturer enrols on connection, that happens now for every program it may join. */
function connect(ctx: Context, device: Device): void {
  const obstacle = connectObstacle(ctx, device);
  if (obstacle !== null) return ctx.refuse('connect-device', obstacle.why, obstacle.code);
  ctx.emit({ type: 'device.connected', device });
  enrollByItself(ctx, device);
}

/** Into a program's group by its tag: where the manufacturer enrols by itself, that happens now. */
function tagDevice(ctx: Context, deviceId: string, tags: readonly string[]): void {
  const entry = ctx.state.devices.get(deviceId);
  if (entry === undefined) return ctx.refuse('tag-device', `${deviceId}: no such device`, 'unknown');
  ctx.emit({ type: 'device.tagged', deviceId, tags });
  enrollByItself(ctx, entry.device);
}

function onOemReply(ctx: Context, deviceId: string, reply: OemReply): void {
  if (reply.kind === 'kept') return onKept(ctx, deviceId, reply.kept);
  const beforeMs = ctx.telemetry.appliances.get(deviceId)?.state.sampledAtMs ?? null;
  if (onApplianceReply(ctx, deviceId, reply)) return onApplianceSample(ctx, deviceId, beforeMs);
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
    case 'appliance-ask':
      return askAppliance(ctx, item.commandId);
    case 'appliance-check':
      return checkAppliance(ctx, item.commandId);
    case 'appliance-restore':
      return restoreDue(ctx, item);
    case 'schedule':
      return fireSchedule(ctx, item.scheduleId, item.atMs);
    case 'automation':
      return automationDue(ctx, item.automationId, item.atMs);
    case 'undo-check':
      return checkUndo(ctx, item.deviceId, item.jobId);
    case 'approval-end':
      return expireApproval(ctx, item.approvalId);
    case 'alert-check':
      return checkReach(ctx, item.deviceId, item.sinceMs);
    case 'silence-check': {
      const check = ctx.state.devices.has(item.deviceId) ? checkHeard : checkSilence;
      const againMs = check(ctx, item.deviceId);
      if (againMs !== null) ctx.state.agenda.add(againMs, item);
      return;
    }
    case 'enrollment-check': {
      const againMs = checkEnrollment(ctx, item);
      if (againMs !== null) ctx.state.agenda.add(againMs, item);
    }
  }
}
