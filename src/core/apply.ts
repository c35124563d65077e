import type { Command, CommandOutcome, EndReason } from '../domain/command.ts';
import type { Device } from '../domain/device.ts';
import type { Fact } from '../domain/fact.ts';
import { eventEndMs, eventStartMs, type GridEvent } from '../domain/program.ts';
import { startOfLocalDay } from '../domain/time.ts';
import { type EpochMs, MS_PER_MIN } from '../domain/units.ts';
import { noteForAlerts } from './alerts.ts';
import { applyAppliance, emptyBook, isApplianceFact } from './applianceState.ts';
import { applyClient } from './clients.ts';
import { staleAfterMs } from './context.ts';
import { applyDestination } from './destinations.ts';
import { joinPrices } from './prices.ts';
import { applyReadings } from './readings.ts';
import { applyRule, isRuleFact } from './rules.ts';
import { applyApproved, applyConfigured, applyStop } from './safety.ts';
import type { CoreSettings } from './settings.ts';
import { sourceKey } from './sources.ts';
import {
  BATCHES_MAX,
  bidKey,
  type CoreState,
  deviceTagKey,
  ENDED_COMMANDS_MAX,
  enrollmentKey,
  priceKey,
  UNDO_JOBS_MAX,
} from './state.ts';
import { UNDO_RETRY_MS } from './undo.ts';
import { applyWatch, isWatchFact } from './watch.ts';

/** When a new application is asked after for the first time. */
const ENROLLMENT_FIRST_CHECK_MS = MS_PER_MIN;

type FactOf<T extends Fact['type']> = Extract<Fact, { type: T }>;

/** Folds one fact into the state: the only place that changes it. */
export function apply(state: CoreState, fact: Fact, atMs: EpochMs, settings: CoreSettings): void {
  if (isRuleFact(fact)) return applyRule(state, fact, atMs);
  if (isWatchFact(fact)) return applyWatch(state, fact, atMs);
  noteForAlerts(state, fact, atMs, settings.alerts);
  if (isApplianceFact(fact)) return applyAppliance(state, fact, atMs, settings);
  switch (fact.type) {
    case 'workspace.created':
    case 'customer.created':
    case 'site.created':
    case 'program.created':
      return created(state, fact);
    case 'workspace.grid-services': {
      const known = state.workspaces.get(fact.workspaceId);
      if (known !== undefined) state.workspaces.set(fact.workspaceId, { ...known, gridServices: fact.enabled });
      return;
    }
    case 'clock.set':
      state.clock.isFrozen = fact.isFrozen;
      return;
    case 'device.connected':
      return connected(state, fact.device, atMs, settings);
    case 'client.created':
    case 'client.secret-added':
    case 'client.secret-removed':
    case 'client.revoked':
    case 'api-key.created':
    case 'api-key.revoked':
      return applyClient(state, fact);
    case 'destination.created':
    case 'destination.changed':
    case 'destination.deleted':
      return applyDestination(state, fact);
    case 'device.tagged':
      return retag(state, fact);
    case 'device.storm':
      return change(state, fact.deviceId, (d) => {
        d.stormActive = fact.active;
      });
    case 'device.reachable':
      return change(state, fact.deviceId, (d) => {
        d.reachable = fact.reachable;
      });
    case 'device.kept':
      return change(state, fact.deviceId, (d) => {
        d.kept = fact.kept;
      });
    case 'enrollment.changed':
      return enrollmentChanged(state, fact, atMs);
    case 'site.safety-configured':
      return applyConfigured(state, fact.siteId, fact.safety, fact.actor);
    case 'site.control-approved':
      return applyApproved(state, fact.approval);
    case 'resource.registered':
      state.resources.set(fact.resourceId, fact);
      return;
    case 'event.offered':
    case 'event.answered':
    case 'event.started':
    case 'event.ended':
    case 'event.cancelled':
    case 'event.measured':
    case 'dispatch.planned':
      return eventChanged(state, fact, atMs, settings);
    case 'prices.published':
      return pricesPublished(state, fact, atMs);
    case 'meter.read':
      return applyReadings(state, fact, atMs);
    case 'bid.submitted':
      state.bids.set(bidKey(fact.bid.programId, fact.bid.startMs), fact.bid);
      return;
    case 'bid.awarded':
      state.awards.push(fact.award);
      return;
    case 'batch.accepted':
      return batchAccepted(state, fact, atMs);
    case 'report.received':
      return;
    case 'command.accepted':
    case 'command.routed':
    case 'command.sent':
    case 'command.acknowledged':
    case 'command.ended':
      return commandChanged(state, fact, atMs, settings);
    case 'undo.sent':
      return undoSent(state, fact, atMs);
  }
}

function pricesPublished(state: CoreState, fact: FactOf<'prices.published'>, atMs: EpochMs): void {
  const key = priceKey(fact.node, fact.market, fact.workspaceId);
  state.prices.set(key, joinPrices(state.prices.get(key), fact, atMs));
}

function connected(state: CoreState, device: Device, atMs: EpochMs, settings: CoreSettings): void {
  const { deviceId, source } = device;
  state.devices.set(deviceId, {
    device,
    stormActive: false,
    reachable: true,
    openCommandId: null,
    lastCommandId: null,
    kept: null,
    undo: null,
    ...emptyBook(),
  });
  state.sources.set(sourceKey(source), deviceId);
  tag(state, deviceId, device.tags);
  addToSite(state, device);
  state.agenda.add(atMs + staleAfterMs({ settings }, { device }), { kind: 'silence-check', deviceId });
}

function addToSite(state: CoreState, { deviceId, siteId }: Device): void {
  state.devicesBySite.set(siteId, new Set([...(state.devicesBySite.get(siteId) ?? []), deviceId]));
}

function created(
  state: CoreState,
  fact: FactOf<'workspace.created' | 'customer.created' | 'site.created' | 'program.created'>,
): void {
  switch (fact.type) {
    case 'workspace.created':
      state.workspaces.set(fact.workspace.workspaceId, fact.workspace);
      return;
    case 'customer.created':
      state.customers.set(fact.customer.customerId, fact.customer);
      return;
    case 'site.created':
      state.sites.set(fact.site.siteId, fact.site);
      return;
    case 'program.created':
      state.programs.set(fact.program.programId, fact.program);
  }
}

/** An emergency stop voids every approval of the site: control comes back only with a new one by a second person. */
function undoSent(state: CoreState, fact: FactOf<'undo.sent'>, atMs: EpochMs): void {
  const { deviceId, jobId, what, vendorRef, why } = fact;
  state.counters.job += 1;
  state.jobs.set(jobId, { kind: 'undo', deviceId, vendorRef });
  state.undoJobs.add(jobId);
  const [oldest] = state.undoJobs;
  if (state.undoJobs.size > UNDO_JOBS_MAX && oldest !== undefined) {
    state.undoJobs.delete(oldest);
    state.jobs.delete(oldest);
  }
  state.agenda.add(atMs + UNDO_RETRY_MS, { kind: 'undo-check', deviceId, jobId });
  change(state, deviceId, (d) => {
    const isAgain = d.undo?.what === what && d.undo.vendorRef === vendorRef;
    d.undo = { jobId, what, vendorRef, why, attempt: isAgain ? (d.undo?.attempt ?? 0) + 1 : 1 };
  });
  if (what === 'emergency-stop') applyStop(state, deviceId, why, atMs);
}

function change(
  state: CoreState,
  deviceId: string,
  by: (d: NonNullable<ReturnType<CoreState['devices']['get']>>) => void,
) {
  const d = state.devices.get(deviceId);
  if (d !== undefined) by(d);
}

function tag(state: CoreState, deviceId: string, tags: readonly string[]): void {
  const workspaceId = state.devices.get(deviceId)?.device.workspaceId ?? '';
  for (const t of tags) {
    const key = deviceTagKey(workspaceId, t);
    const set = state.devicesByTag.get(key) ?? new Set();
    set.add(deviceId);
    state.devicesByTag.set(key, set);
  }
}

function retag(state: CoreState, fact: FactOf<'device.tagged'>): void {
  const entry = state.devices.get(fact.deviceId);
  if (entry === undefined) return;
  for (const t of entry.device.tags) {
    state.devicesByTag.get(deviceTagKey(entry.device.workspaceId, t))?.delete(fact.deviceId);
  }
  entry.device = { ...entry.device, tags: fact.tags };
  tag(state, fact.deviceId, fact.tags);
}

function enrollmentChanged(state: CoreState, fact: FactOf<'enrollment.changed'>, atMs: EpochMs): void {
  const { enrollmentId, deviceId, programId, from, to } = fact;
  const key = enrollmentKey(deviceId, programId);
  const known = state.enrollments.get(key);
  if (from === null || known === undefined) {
    state.counters.enrollment += 1;
    const fresh = { enrollmentId, deviceId, programId, status: to, submittedAtMs: null, wasTakenOut: false };
    state.enrollments.set(key, fresh);
  } else {
    known.status = to;
    const workspaceId = state.devices.get(deviceId)?.device.workspaceId ?? '';
    known.wasTakenOut = to === 'unenrolled' && state.workspaces.get(workspaceId)?.gridServices === true;
  }
  const members = state.enrolledIn.get(programId) ?? new Set();
  members.add(deviceId);
  state.enrolledIn.set(programId, members);
  if (to !== 'submitted') return;
  if (known !== undefined) known.submittedAtMs = atMs;
  state.agenda.add(atMs + ENROLLMENT_FIRST_CHECK_MS, { kind: 'enrollment-check', enrollmentKey: key, enrollmentId });
}

type EventFact = FactOf<
  | 'event.offered'
  | 'event.answered'
  | 'event.started'
  | 'event.ended'
  | 'event.cancelled'
  | 'event.measured'
  | 'dispatch.planned'
>;

function eventChanged(state: CoreState, fact: EventFact, atMs: EpochMs, settings: CoreSettings): void {
  if (fact.type === 'event.offered') return eventOffered(state, fact, atMs, settings);
  const eventId = fact.type === 'dispatch.planned' ? fact.dispatch.eventId : eventIdOf(fact);
  const entry = state.events.get(eventId);
  if (entry === undefined) return;
  switch (fact.type) {
    case 'event.started':
      entry.status = 'started';
      return;
    case 'event.ended':
      entry.status = 'ended';
      return;
    case 'event.cancelled':
      entry.status = 'cancelled';
      return setEventDays(state, entry.event.programId);
    case 'event.measured':
      entry.measured = true;
      entry.measureAgain = false;
      return;
    case 'event.answered': {
      const deviceIds = state.resources.get(fact.resourceId)?.deviceIds ?? [];
      for (const id of deviceIds) fact.answer === 'opt-out' ? entry.optedOut.add(id) : entry.optedOut.delete(id);
      return;
    }
    case 'dispatch.planned': {
      entry.lastDispatch = fact.dispatch;
      const { periodStartMs, periodEndMs } = fact.dispatch;
      for (const a of fact.dispatch.allocations) {
        const before = entry.requestedMj.get(a.deviceId) ?? 0;
        entry.requestedMj.set(a.deviceId, before + a.allocatedW * (periodEndMs - periodStartMs));
      }
    }
  }
}

const eventIdOf = (fact: Exclude<EventFact, { type: 'dispatch.planned' | 'event.offered' }>): string =>
  fact.type === 'event.measured' ? fact.performance.eventId : fact.eventId;

function eventOffered(state: CoreState, fact: FactOf<'event.offered'>, atMs: EpochMs, settings: CoreSettings): void {
  const { event } = fact;
  state.counters.event += 1;
  state.events.set(event.eventId, {
    event,
    status: 'offered',
    measured: false,
    measureAgain: false,
    optedOut: new Set(),
    lastDispatch: null,
    failures: new Map(),
    requestedMj: new Map(),
  });
  setEventDays(state, event.programId);
  const { eventId } = event;
  const startMs = eventStartMs(event);
  const endMs = eventEndMs(event);
  state.agenda.add(startMs, { kind: 'event-start', eventId });
  if (event.kind !== 'incentive') {
    for (const t of planTimes(event, atMs, settings)) state.agenda.add(t, { kind: 'plan', eventId });
    state.agenda.add(endMs + settings.meterDelayMs, { kind: 'event-measure', eventId });
  }
  state.agenda.add(endMs, { kind: 'event-end', eventId });
}

/** Once ahead of the event, or now if it is that late; then at the start of each interval and each period inside it. */
function planTimes(event: GridEvent, atMs: EpochMs, settings: CoreSettings): Set<EpochMs> {
  const times = new Set([Math.max(atMs, eventStartMs(event) - settings.planLeadMs)]);
  for (const i of event.intervals) {
    for (let t = i.startMs; t < i.endMs; t += settings.controlPeriodMs) if (t >= atMs) times.add(t);
  }
  return times;
}

/** Days of events that were not called off before they began. */
function setEventDays(state: CoreState, programId: string): void {
  const timeZone = state.programs.get(programId)?.timeZone ?? 'UTC';
  const days = new Set<EpochMs>();
  for (const { event, status, lastDispatch } of state.events.values()) {
    if (event.programId !== programId || (status === 'cancelled' && lastDispatch === null)) continue;
    for (const i of event.intervals) {
      days.add(startOfLocalDay(i.startMs, timeZone));
      days.add(startOfLocalDay(i.endMs - 1, timeZone));
    }
  }
  state.eventDays.set(programId, days);
}

type CommandFact = FactOf<
  'command.accepted' | 'command.routed' | 'command.sent' | 'command.acknowledged' | 'command.ended'
>;

function commandChanged(state: CoreState, fact: CommandFact, atMs: EpochMs, settings: CoreSettings): void {
  if (fact.type === 'command.accepted') return commandAccepted(state, fact, atMs, settings);
  const entry = state.commands.get(fact.commandId);
  if (entry === undefined) return;
  const { command } = entry;
  switch (fact.type) {
    case 'command.routed':
      entry.status = 'routed';
      entry.route = fact.route;
      entry.tried.push(fact.route);
      return;
    case 'command.sent':
      entry.status = 'sent';
      entry.jobId = fact.jobId;
      entry.jobIds.push(fact.jobId);
      entry.attempt = fact.attempt;
      state.counters.job += 1;
      state.jobs.set(fact.jobId, { kind: 'command', commandId: fact.commandId });
      return change(state, command.deviceId, (d) => {
        d.undo = null;
      });
    case 'command.acknowledged':
      entry.status = 'acknowledged';
      entry.vendorRef = fact.vendorRef;
      entry.acknowledgedAtMs = atMs;
      state.agenda.add(Math.max(atMs, command.startMs) + settings.commandCheckMs, {
        kind: 'command-check',
        commandId: fact.commandId,
      });
      return;
    case 'command.ended': {
      entry.status = fact.outcome.status;
      entry.outcome = fact.outcome;
      const device = state.devices.get(command.deviceId);
      if (device?.openCommandId === command.commandId) device.openCommandId = null;
      noteFailure(state, command, fact.outcome);
      state.agenda.commandEnded(fact.commandId);
      keepEnded(state, fact.commandId);
    }
  }
}

function batchAccepted(state: CoreState, fact: FactOf<'batch.accepted'>, atMs: EpochMs): void {
  const { type: _, ...batch } = fact;
  state.counters.batch += 1;
  state.batches.set(fact.batchId, { ...batch, acceptedAtMs: atMs });
  const [oldest] = state.batches.keys();
  if (state.batches.size > BATCHES_MAX && oldest !== undefined) state.batches.delete(oldest);
}

function keepEnded(state: CoreState, commandId: string): void {
  state.endedCommands.add(commandId);
  if (state.endedCommands.size <= ENDED_COMMANDS_MAX) return;
  const [oldest] = state.endedCommands;
  if (oldest === undefined) return;
  for (const jobId of state.commands.get(oldest)?.jobIds ?? []) state.jobs.delete(jobId);
  state.commands.delete(oldest);
  state.endedCommands.delete(oldest);
}

/** A device that could not be heard has not failed; one that took a command and did nothing has. */
const FAILURES: readonly EndReason[] = ['no_effect', 'delivery_failed', 'oem_refused', 'no_route', 'outcome_unknown'];

function noteFailure(state: CoreState, { cause, deviceId }: Command, outcome: CommandOutcome): void {
  if (cause.kind !== 'dispatch' || !FAILURES.includes(outcome.reason)) return;
  const failures = state.events.get(cause.eventId)?.failures;
  failures?.set(deviceId, (failures.get(deviceId) ?? 0) + 1);
}

function commandAccepted(
  state: CoreState,
  fact: FactOf<'command.accepted'>,
  atMs: EpochMs,
  settings: CoreSettings,
): void {
  const { command } = fact;
  state.counters.command += 1;
  state.commands.set(command.commandId, {
    command,
    acceptedAtMs: atMs,
    status: 'accepted',
    route: null,
    tried: [],
    jobId: null,
    jobIds: [],
    attempt: 0,
    vendorRef: null,
    acknowledgedAtMs: null,
    outcome: null,
  });
  const device = state.devices.get(command.deviceId);
  const { commandId } = command;
  if (device === undefined) return;
  device.lastCommandId = device.openCommandId;
  device.openCommandId = commandId;
  const { source } = device.device;
  const capabilities = source.kind === 'oem' ? settings.capabilities[source.oem] : null;
  if (capabilities !== null && !capabilities.scheduledStart) {
    state.agenda.add(command.startMs - capabilities.leadMs, { kind: 'command-send', commandId });
  }
  state.agenda.add(command.endMs, { kind: 'command-finish', commandId });
  const periodMs = capabilities?.telemetryPeriodMs ?? settings.fieldTelemetryPeriodMs;
  state.agenda.add(command.endMs + periodMs + settings.verifySlackMs, { kind: 'command-verify', commandId });
}
