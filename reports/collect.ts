import type { Fact } from '../src/domain/fact.ts';
import { eventEndMs, eventStartMs } from '../src/domain/program.ts';
import type { EpochMs } from '../src/domain/units.ts';
import type { CounterfactualInterval, LogRecord, MeterInterval } from '../src/ports/records.ts';
import { type CollectedCommand, type CollectedEvent, Collection, LIMITS } from './collection.ts';
import type { Incident } from './measureTypes.ts';
import { KIND_WORDS } from './words.ts';

/**
 * Reads the run log once, in its order, and keeps what the measures need: one cell for each site and meter interval,
 * one entry for each command, event, program, enrollment, fault and link change.
 */
export function collect(records: Iterable<LogRecord>): Collection {
  const c = new Collection();
  for (const record of records) {
    c.records += 1;
    take(c, record);
  }
  return c;
}

function take(c: Collection, r: LogRecord): void {
  switch (r.kind) {
    case 'run-started': {
      const { kind: _kind, atMs: _atMs, ...run } = r;
      c.run = run;
      return;
    }
    case 'site':
      return c.addSite(r);
    case 'fact':
      return takeFact(c, r.fact, r.atMs);
    case 'refusal':
      if (c.refusals.length < LIMITS.refusals) c.refusals.push({ atMs: r.atMs, what: r.what, why: r.why });
      return;
    case 'exchange':
      return takeExchange(c, r.to, r.status, r.fault);
    case 'fault':
      return takeFault(c, r.what, r.target, r.phase, r.atMs);
    case 'device-mode':
      return takeMode(c, r);
    case 'meter':
      return takeMeter(c, r);
    case 'appliance':
      c.provenance.push({ what: `${KIND_WORDS[r.applianceKind]} of ${r.group}`, ...r.provenance });
      return c.appliances.take(r);
    case 'appliance-mode':
    case 'appliance-meter':
      return c.appliances.take(r);
    case 'reading':
      return incident(c, { deviceId: r.deviceId, atMs: r.atMs, what: 'battery registers read', why: r.why });
    case 'series':
      if (!c.series.has(r.name)) c.series.set(r.name, []);
      c.series.get(r.name)?.push(r);
      c.provenance.push({ what: `${r.name} [${r.unit}]`, source: r.source, standing: standingOf(r.source) });
      return;
    case 'alert':
      c.alerts.push({ atMs: r.atMs, ...r.alert, acted: r.acted, why: r.why });
      return;
    case 'link':
      c.links.change(r.siteId, !r.up, r.atMs);
      return step(c, r.siteId, r.atMs, r.up ? 'link up' : 'link lost', '');
    case 'points-map':
      c.provenance.push({ what: `points map of ${r.siteId}: ${r.revision}`, ...r.provenance });
      return c.field(r.siteId).feed.take(r);
    case 'points':
    case 'site-state':
      return c.field(r.siteId).feed.take(r);
    case 'plant':
      c.field(r.siteId).feed.take(r);
      return step(c, r.siteId, r.atMs, `plant ${r.state}`, `${r.powerW} W: ${r.cause}`);
    case 'field':
      return step(c, r.siteId, r.atMs, r.what, r.detail);
    case 'notification':
      c.notifications.set(r.type, (c.notifications.get(r.type) ?? 0) + 1);
      return;
    case 'counterfactual':
      return takeCounterfactual(c, r);
    case 'run-ended':
      c.complete = true;
      return;
  }
}

/** A series says "generated from seed" or names its file. */
const standingOf = (source: string): string => (/generated|synthetic/i.test(source) ? 'generated' : 'read from file');

function incident(c: Collection, i: Incident): void {
  if (c.incidents.length < LIMITS.incidents) c.incidents.push(i);
}

function step(c: Collection, siteId: string, atMs: EpochMs, what: string, detail: string): void {
  const site = c.field(siteId);
  site.counts.set(what, (site.counts.get(what) ?? 0) + 1);
  const again = what === 'operate' ? site.repeated.get(detail) : undefined;
  if (again !== undefined) {
    again.times += 1;
    again.lastMs = atMs;
    return;
  }
  if (what !== 'operate') site.repeated.clear();
  if (site.steps.length >= LIMITS.fieldSteps) {
    site.stepsLeftOut += 1;
    return;
  }
  const added = { atMs, what, detail, times: 1, lastMs: atMs };
  if (what === 'operate') site.repeated.set(detail, added);
  site.steps.push(added);
}

function takeMode(c: Collection, r: Extract<LogRecord, { kind: 'device-mode' }>): void {
  const before = c.modes.get(r.deviceId);
  c.modes.set(r.deviceId, { storm: r.storm, connection: r.connection });
  c.offline.change(r.deviceId, r.connection === 'offline', r.atMs);
  if (before?.storm !== r.storm && (before !== undefined || r.storm === 'active')) {
    incident(c, { deviceId: r.deviceId, atMs: r.atMs, what: `Storm Guard ${r.storm}`, why: r.cause });
  }
  if (before?.connection !== r.connection && (before !== undefined || r.connection === 'offline')) {
    incident(c, { deviceId: r.deviceId, atMs: r.atMs, what: `device ${r.connection}`, why: r.cause });
  }
}

function takeMeter(c: Collection, r: MeterInterval): void {
  const cell = c.cell(r.siteId, r.startMs, r.endMs);
  cell.metered = r;
  c.appliances.takeMeter(r);
  c.audit(r);
}

function takeCounterfactual(c: Collection, r: CounterfactualInterval): void {
  c.cell(r.siteId, r.startMs, r.endMs).baselineMj = r.importMj - r.exportMj;
  c.appliances.takeCounterfactual(r);
}

function takeExchange(c: Collection, to: string, status: number | null, fault: string | null): void {
  const n = c.exchanges.get(to) ?? { to, total: 0, ok: 0, refused: 0, serverError: 0, noAnswer: 0, faulted: 0 };
  n.total += 1;
  if (status === null) n.noAnswer += 1;
  else if (status < 400) n.ok += 1;
  else if (status < 500) n.refused += 1;
  else n.serverError += 1;
  if (fault !== null) n.faulted += 1;
  c.exchanges.set(to, n);
}

function takeFault(c: Collection, what: string, target: string, phase: 'begins' | 'ends', atMs: EpochMs): void {
  if (phase === 'begins') {
    c.faults.push({ what, target, beginMs: atMs, endMs: null });
    return;
  }
  const i = c.faults.findLastIndex((f) => f.what === what && f.target === target && f.endMs === null);
  const open = c.faults[i];
  if (open !== undefined) c.faults[i] = { ...open, endMs: atMs };
}

function takeFact(c: Collection, f: Fact, atMs: EpochMs): void {
  switch (f.type) {
    case 'device.storm':
      return incident(c, {
        deviceId: f.deviceId,
        atMs,
        what: f.active ? 'core sees Storm Guard active' : 'core sees Storm Guard off',
        why: 'telemetry',
      });
    case 'device.reachable':
      c.unreachable.change(f.deviceId, !f.reachable, atMs);
      return incident(c, { deviceId: f.deviceId, atMs, what: f.reachable ? 'reachable' : 'not reachable', why: f.why });
    case 'program.created': {
      const p = f.program;
      c.programs.set(p.programId, p);
      c.provenance.push({ what: `program "${p.name}"`, ...p.provenance });
      return;
    }
    case 'enrollment.changed':
      c.enrollments.set(`${f.programId}\n${f.deviceId}`, { programId: f.programId, status: f.to, why: f.why });
      return;
    case 'event.offered':
      c.events.set(f.event.eventId, newEvent(f.event));
      return;
    case 'event.started':
      return withEvent(c, f.eventId, (e) => (e.status = 'running'));
    case 'event.ended':
      return withEvent(c, f.eventId, (e) => (e.status = 'ended'));
    case 'event.cancelled':
      return withEvent(c, f.eventId, (e) => {
        e.status = 'cancelled';
        e.endMs = Math.max(e.startMs, Math.min(e.endMs, atMs));
      });
    case 'event.measured':
      return withEvent(c, f.performance.eventId, (e) => (e.derived = f.performance));
    case 'event.answered':
      if (c.refusals.length < LIMITS.refusals && f.answer === 'opt-out') {
        c.refusals.push({ atMs, what: `${f.resourceId} takes part in ${f.eventId}`, why: `opted out by ${f.by}` });
      }
      return;
    case 'dispatch.planned':
      return withEvent(c, f.dispatch.eventId, (e) => e.plans.set(f.dispatch.periodStartMs, f.dispatch));
    case 'prices.published':
      if (f.market === 'day-ahead') c.published.push(f);
      return;
    case 'command.accepted':
    case 'command.routed':
    case 'command.sent':
    case 'command.acknowledged':
    case 'command.ended':
      return takeCommand(c, f, atMs);
    case 'appliance.command-accepted':
    case 'appliance.command-sent':
    case 'appliance.command-acknowledged':
    case 'appliance.command-ended':
      return c.appliances.takeFact(f, atMs);
    case 'appliance.reachable':
      return incident(c, { deviceId: f.deviceId, atMs, what: f.reachable ? 'reachable' : 'not reachable', why: f.why });
    case 'undo.sent':
      return incident(c, { deviceId: f.deviceId, atMs, what: `undo: ${f.what}`, why: f.why });
    case 'site.safety-configured':
      return step(c, f.siteId, atMs, 'safety configured', `watchdog ${f.safety.watchdog.timeoutMs} ms, by ${f.actor}`);
    case 'site.control-approved': {
      const a = f.approval;
      return step(c, a.siteId, atMs, 'control approved', `asked by ${a.requestedBy}, given by ${a.approvedBy}`);
    }
    case 'workspace.created':
    case 'customer.created':
    case 'site.created':
    case 'device.connected':
    case 'device.tagged':
    case 'resource.registered':
    case 'report.received':
    case 'bid.submitted':
    case 'bid.awarded':
    case 'batch.accepted':
      return;
  }
}

function newEvent(event: CollectedEvent['event']): CollectedEvent {
  return {
    event,
    status: 'offered',
    startMs: eventStartMs(event),
    endMs: eventEndMs(event),
    plans: new Map(),
    derived: null,
  };
}

/** Facts about an event that was never offered are left out: there is nothing to measure them against. */
function withEvent(c: Collection, eventId: string, change: (e: CollectedEvent) => void): void {
  const e = c.events.get(eventId);
  if (e !== undefined) change(e);
}

type CommandFact = Extract<Fact, { readonly type: `command.${string}` }>;

function takeCommand(c: Collection, f: CommandFact, atMs: EpochMs): void {
  if (f.type === 'command.accepted') {
    c.commands.set(f.command.commandId, accepted(f.command, atMs));
    return;
  }
  const m = c.commands.get(f.commandId);
  if (m === undefined) return;
  switch (f.type) {
    case 'command.routed':
      m.status = 'routed';
      m.route = f.route;
      m.routeWhy = f.why;
      return;
    case 'command.sent':
      m.status = 'sent';
      m.sentMs ??= atMs;
      m.attempts = Math.max(m.attempts, f.attempt);
      return;
    case 'command.acknowledged':
      m.status = 'acknowledged';
      m.acknowledgedMs ??= atMs;
      return;
    case 'command.ended':
      m.status = f.outcome.status;
      m.reason = f.outcome.reason;
      m.detail = f.outcome.detail;
      m.endedMs = atMs;
      return;
  }
}

function accepted(
  command: Extract<CommandFact, { type: 'command.accepted' }>['command'],
  atMs: EpochMs,
): CollectedCommand {
  const { cause, input } = command;
  return {
    commandId: command.commandId,
    deviceId: command.deviceId,
    by: cause.kind === 'dispatch' ? `event ${cause.eventId}` : cause.actor,
    eventId: cause.kind === 'dispatch' ? cause.eventId : null,
    mode: input.operatingMode,
    powerW: input.powerW ?? null,
    minimumReservePct: input.minimumBatteryReserve ?? 0,
    startMs: command.startMs,
    endMs: command.endMs,
    acceptedMs: atMs,
    route: null,
    routeWhy: '',
    sentMs: null,
    attempts: 0,
    acknowledgedMs: null,
    endedMs: null,
    status: 'accepted',
    reason: null,
    detail: '',
  };
}
