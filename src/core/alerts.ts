import {
  type Alert,
  type AlertFact,
  type AlertRule,
  type AlertSeverity,
  type AlertSubject,
  type AlertType,
  alertKey,
  type Evidence,
} from '../domain/alert.ts';
import type { DevicePerformance, Fact } from '../domain/fact.ts';
import { eventEndMs, eventStartMs } from '../domain/program.ts';
import { isoUtc } from '../domain/time.ts';
import { type EpochMs, MS_PER_MIN } from '../domain/units.ts';
import type { Context } from './context.ts';
import type { Effect } from './input.ts';
import { type CoreState, enrollmentKey } from './state.ts';

/**
 * Alerts at work: rules look at each fact as it is recorded; those that look at samples are in loadAlerts.ts, and
 * checkSilence here. What they open and resolve are facts of their own. One alert at a time per type and subject bounds their number by the
 * number of devices, sites and transformers; resolved ones are kept up to RESOLVED_ALERTS_MAX, the journal has the rest.
 */
export interface AlertSettings {
  /** A device behind a cloud may be out of reach for so long [ms]. */
  readonly unreachableMs: number;
  /** A charger, vehicle, thermostat or inverter may send no sample for so long [ms]; its cloud may call it online. */
  readonly silentMs: number;
  /** A site behind DNP3 may be without link for so long [ms]. */
  readonly linkDownMs: number;
  /** Loading ÷ rating above which an overload is critical, above which it is a warning, and below which it is over. */
  readonly overloadRatio: number;
  readonly highLoadRatio: number;
  readonly loadClearRatio: number;
  /** A transformer is looked at no more often than this [ms]. */
  readonly loadCheckMs: number;
  /** Commands in a row without effect. */
  readonly noEffectMax: number;
  /** Delivered ÷ requested of a measured event below which a device underperforms. */
  readonly performanceRatioMin: number;
}

/** Figures are assumed, but for the ratios of loading: 100 % is the nameplate. */
export const DEFAULT_ALERTS: AlertSettings = {
  unreachableMs: 15 * MS_PER_MIN,
  silentMs: 30 * MS_PER_MIN, // two updates at the slower of the two paces that the reference names, 5 and 15 min
  linkDownMs: MS_PER_MIN,
  overloadRatio: 1,
  highLoadRatio: 0.8,
  loadClearRatio: 0.75,
  loadCheckMs: MS_PER_MIN,
  noEffectMax: 3,
  performanceRatioMin: 0.5,
};

export const RESOLVED_ALERTS_MAX = 10_000;

export type AlertInput =
  | {
      readonly kind: 'acknowledge-alert' | 'ignore-alert';
      readonly workspaceId: string;
      readonly alertId: string;
      readonly by: string;
    }
  | {
      readonly kind: 'resolve-alert';
      readonly workspaceId: string;
      readonly alertId: string;
      readonly by: string;
      readonly why: string;
    };

export function onAlertInput(ctx: Context, input: AlertInput): void {
  const { kind, workspaceId, alertId, by } = input;
  const alert = ctx.state.alerts.get(alertId);
  if (alert === undefined || alert.workspaceId !== workspaceId) {
    return ctx.refuse(kind, `${alertId}: no such alert`, 'unknown');
  }
  if (alert.status === 'RESOLVED') return ctx.refuse(kind, `${alertId} is resolved`);
  if (input.kind === 'resolve-alert') {
    return ctx.emit({ type: 'alert.resolved', alertId, workspaceId, why: input.why, by });
  }
  const status = kind === 'acknowledge-alert' ? 'ACKNOWLEDGED' : 'IGNORED';
  if (alert.status === status) return;
  const { severity, text, evidence } = alert;
  ctx.emit({ type: 'alert.changed', alertId, workspaceId, status, severity, text, evidence, by });
}

export interface NewAlert {
  readonly workspaceId: string;
  readonly severity: AlertSeverity;
  readonly type: AlertType;
  readonly rule: AlertRule;
  readonly subject: AlertSubject;
  readonly text: string;
  readonly evidence: Evidence;
}

/** Opens an alert, makes the open one of the same rule worse, or does nothing. @returns its id; null = one is open */
export function openAlert(ctx: Context, alert: NewAlert): string | null {
  const known = openOne(ctx.state, alert.type, alert.subject);
  if (known === null) {
    const alertId = `alert-${ctx.state.counters.alert + 1}`;
    ctx.emit({ type: 'alert.opened', alert: { alertId, ...alert } });
    return alertId;
  }
  if (known.rule !== alert.rule || rank(alert.severity) >= rank(known.severity)) return null;
  const { severity, text, evidence } = alert;
  const { alertId, workspaceId } = known;
  ctx.emit({ type: 'alert.changed', alertId, workspaceId, status: 'OPEN', severity, text, evidence, by: null });
  return alertId;
}

/** The condition of a rule is over: its alert is, too. */
export function clearAlert(ctx: Context, type: AlertType, subject: AlertSubject, rule: AlertRule, why: string): void {
  const open = openOne(ctx.state, type, subject);
  if (open === null || open.rule !== rule) return;
  const { alertId, workspaceId } = open;
  ctx.emit({ type: 'alert.resolved', alertId, workspaceId, why, by: null });
}

function openOne(state: CoreState, type: AlertType, subject: AlertSubject): Alert | null {
  const id = state.openAlerts.get(alertKey(type, subject));
  return id === undefined ? null : (state.alerts.get(id) ?? null);
}

const RANK: Readonly<Record<AlertSeverity, number>> = { CRITICAL: 0, WARNING: 1, INFO: 2 };
const rank = (s: AlertSeverity): number => RANK[s];

// --- the fold ---

export function applyAlert(state: CoreState, fact: AlertFact, atMs: EpochMs): void {
  if (fact.type === 'alert.opened') {
    const { alert } = fact;
    state.counters.alert += 1;
    state.alerts.set(alert.alertId, { ...alert, status: 'OPEN', openedMs: atMs, changedMs: atMs, changedBy: null });
    state.openAlerts.set(alertKey(alert.type, alert.subject), alert.alertId);
    return;
  }
  const known = state.alerts.get(fact.alertId);
  if (known === undefined) return;
  if (fact.type === 'alert.changed') {
    const { status, severity, text, evidence, by } = fact;
    state.alerts.set(fact.alertId, { ...known, status, severity, text, evidence, changedMs: atMs, changedBy: by });
    return;
  }
  state.alerts.set(fact.alertId, { ...known, status: 'RESOLVED', changedMs: atMs, changedBy: fact.by });
  state.openAlerts.delete(alertKey(known.type, known.subject));
  state.resolvedAlerts.add(fact.alertId);
  const [oldest] = state.resolvedAlerts;
  if (state.resolvedAlerts.size <= RESOLVED_ALERTS_MAX || oldest === undefined) return;
  state.resolvedAlerts.delete(oldest);
  state.alerts.delete(oldest);
}

/** What rules remember between facts: since when a device is out of reach, and its commands in a row without effect. */
export function noteForAlerts(state: CoreState, fact: Fact, atMs: EpochMs, rules: AlertSettings | null): void {
  if (fact.type === 'device.reachable' || fact.type === 'appliance.reachable') {
    return noteReach(state, fact, atMs, rules);
  }
  if (fact.type === 'appliance.connected') {
    if (rules === null) return;
    const { deviceId } = fact.appliance;
    return state.agenda.add(atMs + rules.silentMs, { kind: 'silence-check', deviceId });
  }
  if (fact.type !== 'command.ended' && fact.type !== 'appliance.command-ended') return;
  const deviceId = commandOf(state, fact.commandId)?.deviceId;
  if (deviceId === undefined) return;
  const { reason } = fact.outcome;
  if (reason === 'no_effect') state.noEffectRuns.set(deviceId, (state.noEffectRuns.get(deviceId) ?? 0) + 1);
  if (reason === 'effect_seen' || reason === 'effect_partly_seen' || reason === 'effect_exceeded')
    state.noEffectRuns.delete(deviceId);
}

/** Whose a command is, of a battery or of another device; their numbers are one row. */
const commandOf = (state: CoreState, commandId: string) =>
  (state.commands.get(commandId) ?? state.applianceCommands.get(commandId))?.command;

function noteReach(
  state: CoreState,
  fact: Extract<Fact, { type: 'device.reachable' | 'appliance.reachable' }>,
  atMs: EpochMs,
  rules: AlertSettings | null,
): void {
  const { deviceId, reachable } = fact;
  if (reachable) state.unreachableSince.delete(deviceId);
  else state.unreachableSince.set(deviceId, atMs);
  if (reachable || rules === null) return;
  const isSite = state.devices.get(deviceId)?.device.source.kind === 'dnp3';
  const inMs = isSite ? rules.linkDownMs : rules.unreachableMs;
  state.agenda.add(atMs + inMs, { kind: 'alert-check', deviceId, sinceMs: atMs });
}

export function alertEffects(state: CoreState, fact: AlertFact): Effect[] {
  const alertId = fact.type === 'alert.opened' ? fact.alert.alertId : fact.alertId;
  const alert = state.alerts.get(alertId);
  if (alert === undefined) return [];
  const detail = `${alert.severity} ${alert.type}: ${alert.text}`;
  return [{ kind: 'notify', workspaceId: alert.workspaceId, type: fact.type, subject: alertId, detail }];
}

// --- the rules ---

/** Looks at a fact that was just recorded. */
export function watchFact(ctx: Context, fact: Fact): void {
  const rules = ctx.settings.alerts;
  if (rules === null) return;
  switch (fact.type) {
    case 'device.reachable':
    case 'appliance.reachable':
      return onReach(ctx, fact.deviceId, fact.reachable);
    case 'device.storm':
      return onStorm(ctx, fact.deviceId, fact.active);
    case 'command.ended':
    case 'appliance.command-ended':
      return onCommandEnded(ctx, rules, fact);
    case 'undo.sent':
      return fact.what === 'emergency-stop' ? onStop(ctx, fact.deviceId, fact.why) : undefined;
    case 'stop.released':
      return clearAlert(
        ctx,
        'SAFETY',
        device(fact.deviceId),
        'emergency-stop',
        `released by ${fact.requestedBy} and ${fact.by}`,
      );
    case 'enrollment.changed':
      return onEnrollment(ctx, fact);
    case 'event.measured':
      for (const p of fact.performance.devices) onPerformance(ctx, rules, fact.performance.eventId, p);
      return;
    case 'event.offered':
      return coverage(ctx, fact.event.eventId);
    case 'site.control-approved':
      return coverageOfSite(ctx, fact.approval.siteId);
    case 'approval.ended':
      return coverageOfSite(ctx, fact.siteId);
    case 'event.ended':
    case 'event.cancelled':
      return endCoverage(ctx, fact.eventId);
    default:
      return;
  }
}

const device = (id: string): AlertSubject => ({ kind: 'device', id });

function onReach(ctx: Context, deviceId: string, reachable: boolean): void {
  const known = reachOf(ctx.state, deviceId);
  if (known === null || !reachable) return;
  const { isSite, subject } = known;
  clearAlert(ctx, 'COMMUNICATIONS', subject, isSite ? 'link-down' : 'unreachable', 'it can be reached again');
}

interface Reach {
  readonly workspaceId: string;
  readonly siteId: string;
  readonly isSite: boolean;
  readonly subject: AlertSubject;
}

/** Of a device of any kind; null = there is none. */
function reachOf(state: CoreState, deviceId: string): Reach | null {
  const known = state.devices.get(deviceId)?.device ?? state.appliances.get(deviceId)?.appliance;
  if (known === undefined) return null;
  const { workspaceId, siteId, source } = known;
  const isSite = source.kind === 'dnp3';
  return { workspaceId, siteId, isSite, subject: isSite ? { kind: 'site', id: siteId } : device(deviceId) };
}

/** A device went out of reach some time ago; is it still? */
export function checkReach(ctx: Context, deviceId: string, sinceMs: EpochMs): void {
  const known = reachOf(ctx.state, deviceId);
  if (known === null || ctx.state.unreachableSince.get(deviceId) !== sinceMs) return;
  const { isSite, subject, workspaceId, siteId } = known;
  openAlert(ctx, {
    workspaceId,
    severity: isSite ? 'CRITICAL' : 'WARNING',
    type: 'COMMUNICATIONS',
    rule: isSite ? 'link-down' : 'unreachable',
    subject,
    text: isSite
      ? `the link to the site ${siteId} is down since ${isoUtc(sinceMs)}`
      : `${deviceId} cannot be reached since ${isoUtc(sinceMs)}`,
    evidence: { deviceId, sinceMs, forMs: ctx.nowMs - sinceMs },
  });
}

/**
 * A charger, vehicle, thermostat or inverter: is its newest sample too old? Counted from the core's start at the earliest,
 * because samples are not kept over a restart.
 * @returns when to look again; null = never
 */
export function checkSilence(ctx: Context, deviceId: string): EpochMs | null {
  const rules = ctx.settings.alerts;
  const known = reachOf(ctx.state, deviceId);
  if (rules === null || known === null) return null;
  const lastMs = ctx.telemetry.appliances.get(deviceId)?.state.sampledAtMs ?? null;
  const sinceMs = Math.max(lastMs ?? Number.NEGATIVE_INFINITY, ctx.telemetry.startedMs ?? ctx.nowMs);
  if (ctx.nowMs < sinceMs + rules.silentMs) return sinceMs + rules.silentMs;
  openAlert(ctx, {
    workspaceId: known.workspaceId,
    severity: 'WARNING',
    type: 'COMMUNICATIONS',
    rule: 'stale-telemetry',
    subject: known.subject,
    text: `${deviceId} has sent no sample since ${lastMs === null ? 'it is waited for' : isoUtc(lastMs)}`,
    evidence: { deviceId, lastSampleMs: lastMs, forMs: ctx.nowMs - sinceMs },
  });
  return ctx.nowMs + rules.silentMs;
}

/** A new sample came in: if it is fresh the silence is over, and what it had hidden is looked at again. */
export function endSilence(ctx: Context, deviceId: string, sampledAtMs: EpochMs): void {
  const rules = ctx.settings.alerts;
  if (rules === null || ctx.nowMs - sampledAtMs >= rules.silentMs) return;
  clearAlert(ctx, 'COMMUNICATIONS', device(deviceId), 'stale-telemetry', 'it sends samples again');
  const sinceMs = ctx.state.unreachableSince.get(deviceId);
  if (sinceMs !== undefined && ctx.nowMs - sinceMs >= rules.unreachableMs) checkReach(ctx, deviceId, sinceMs);
}

function isEnrolled(state: CoreState, deviceId: string): boolean {
  for (const [programId, members] of state.enrolledIn) {
    if (!members.has(deviceId)) continue;
    if (state.enrollments.get(enrollmentKey(deviceId, programId))?.status === 'approved') return true;
  }
  return false;
}

function onStorm(ctx: Context, deviceId: string, active: boolean): void {
  const entry = ctx.state.devices.get(deviceId);
  if (entry === undefined) return;
  if (!active) return clearAlert(ctx, 'GRID_STATUS', device(deviceId), 'storm', 'Storm Guard is no longer active');
  if (!isEnrolled(ctx.state, deviceId)) return;
  openAlert(ctx, {
    workspaceId: entry.device.workspaceId,
    severity: 'INFO',
    type: 'GRID_STATUS',
    rule: 'storm',
    subject: device(deviceId),
    text: `Storm Guard is active on ${deviceId}: it leaves grid services`,
    evidence: { deviceId },
  });
}

function onCommandEnded(
  ctx: Context,
  rules: AlertSettings,
  fact: Extract<Fact, { type: 'command.ended' | 'appliance.command-ended' }>,
): void {
  const { commandId } = fact;
  const command = commandOf(ctx.state, commandId);
  if (command === undefined) return;
  const { deviceId, workspaceId } = command;
  const { reason } = fact.outcome;
  if (reason === 'effect_seen') {
    return clearAlert(ctx, 'HARDWARE_FAULT', device(deviceId), 'no-effect', `${commandId} had its effect`);
  }
  const inARow = ctx.state.noEffectRuns.get(deviceId) ?? 0;
  if (reason !== 'no_effect' || inARow < rules.noEffectMax) return;
  openAlert(ctx, {
    workspaceId,
    severity: 'WARNING',
    type: 'HARDWARE_FAULT',
    rule: 'no-effect',
    subject: device(deviceId),
    text: `${inARow} commands in a row had no effect on ${deviceId}`,
    evidence: { deviceId, inARow, lastCommandId: commandId },
  });
}

function onStop(ctx: Context, deviceId: string, why: string): void {
  const entry = ctx.state.devices.get(deviceId);
  if (entry === undefined) return;
  openAlert(ctx, {
    workspaceId: entry.device.workspaceId,
    severity: 'CRITICAL',
    type: 'SAFETY',
    rule: 'emergency-stop',
    subject: device(deviceId),
    text: `emergency stop of ${deviceId} ${why}: latched until two persons release it`,
    evidence: { deviceId, siteId: entry.device.siteId },
  });
}

function onEnrollment(ctx: Context, fact: Extract<Fact, { type: 'enrollment.changed' }>): void {
  const { deviceId, programId, enrollmentId, to, why } = fact;
  const entry = ctx.state.devices.get(deviceId);
  if (entry === undefined || to !== 'rejected') return;
  openAlert(ctx, {
    workspaceId: entry.device.workspaceId,
    severity: 'WARNING',
    type: 'SOFTWARE_PROCESS',
    rule: 'enrollment-rejected',
    subject: device(deviceId),
    text: `the enrollment of ${deviceId} in ${programId} was rejected: ${why}`,
    evidence: { deviceId, programId, enrollmentId },
  });
}

/** Without a baseline, or without a request, nothing is said of a device. */
function onPerformance(ctx: Context, rules: AlertSettings, eventId: string, p: DevicePerformance): void {
  const entry = ctx.state.devices.get(p.deviceId);
  if (entry === undefined || p.deliveredWh === null || p.requestedWh <= 0) return;
  const ratio = p.deliveredWh / p.requestedWh;
  const subject = device(p.deviceId);
  if (ratio >= rules.performanceRatioMin) {
    return clearAlert(ctx, 'HARDWARE_FAULT', subject, 'underperformer', `it delivered ${percent(ratio)} in ${eventId}`);
  }
  openAlert(ctx, {
    workspaceId: entry.device.workspaceId,
    severity: 'WARNING',
    type: 'HARDWARE_FAULT',
    rule: 'underperformer',
    subject,
    text: `${p.deviceId} delivered ${percent(ratio)} of what ${eventId} asked of it`,
    evidence: { deviceId: p.deviceId, eventId, requestedWh: p.requestedWh, deliveredWh: p.deliveredWh, ratio },
  });
}

export const percent = (ratio: number): string => `${Math.round(ratio * 100)} %`;

// --- approvals that end during an event ---

function coverageOfSite(ctx: Context, siteId: string): void {
  for (const [eventId, { status, event }] of ctx.state.events) {
    if (status !== 'offered' && status !== 'started') continue;
    if (sitesOf(ctx, event.programId).includes(siteId)) coverage(ctx, eventId);
  }
}

/** Sites behind DNP3 with a device in a program. */
function sitesOf(ctx: Context, programId: string): string[] {
  const ids = [...(ctx.state.enrolledIn.get(programId) ?? [])].sort();
  const sites = ids.flatMap((id) => {
    const d = ctx.state.devices.get(id)?.device;
    return d?.source.kind === 'dnp3' ? [d.siteId] : [];
  });
  return [...new Set(sites)];
}

/** An approval holds when an event begins, or now, and ends before the event does. */
function coverage(ctx: Context, eventId: string): void {
  const entry = ctx.state.events.get(eventId);
  if (entry === undefined || entry.event.kind === 'incentive') return;
  const { event } = entry;
  const fromMs = Math.max(ctx.nowMs, eventStartMs(event));
  const endMs = eventEndMs(event);
  for (const siteId of sitesOf(ctx, event.programId)) {
    const holds = (ctx.state.approvals.get(siteId) ?? []).filter((a) => a.fromMs <= fromMs && fromMs < a.untilMs);
    const last = holds.reduce((max, a) => Math.max(max, a.untilMs), Number.NEGATIVE_INFINITY);
    const subject = { kind: 'site', id: siteId } as const;
    if (last >= endMs) {
      clearAlert(ctx, 'SAFETY', subject, 'approval-ends', 'an approval covers the event');
      continue;
    }
    if (holds.length === 0) continue;
    openAlert(ctx, {
      workspaceId: ctx.state.sites.get(siteId)?.workspaceId ?? '',
      severity: 'WARNING',
      type: 'SAFETY',
      rule: 'approval-ends',
      subject,
      text: `the approval of ${siteId} ends ${isoUtc(last)}, during ${eventId}: the site takes no part in it`,
      evidence: { siteId, eventId, approvalEndsMs: last, eventEndsMs: endMs },
    });
  }
}

function endCoverage(ctx: Context, eventId: string): void {
  const programId = ctx.state.events.get(eventId)?.event.programId ?? '';
  for (const siteId of sitesOf(ctx, programId)) {
    const subject = { kind: 'site', id: siteId } as const;
    const open = openOne(ctx.state, 'SAFETY', subject);
    if (open?.evidence.eventId === eventId) clearAlert(ctx, 'SAFETY', subject, 'approval-ends', `${eventId} is over`);
  }
}
