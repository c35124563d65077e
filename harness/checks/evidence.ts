import type { ApplianceCommand } from '../../src/domain/applianceCommand.ts';
import type { Command, CommandOutcome } from '../../src/domain/command.ts';
import type { Award, GridEvent, Program } from '../../src/domain/program.ts';
import type { EpochMs } from '../../src/domain/units.ts';
import type {
  ApplianceInterval,
  ApplianceInWorld,
  CounterfactualInterval,
  LogRecord,
  MeterInterval,
  SiteInWorld,
} from '../../src/ports/records.ts';

/** The run log, sorted into what expectations ask for: one pass, nothing thrown away that a check needs. */
export interface CommandLife {
  readonly command: Command;
  readonly acceptedMs: EpochMs;
  endedMs: EpochMs | null;
  outcome: CommandOutcome | null;
}

/** A command to a charger, vehicle, thermostat or inverter. */
export interface SettingLife {
  readonly command: ApplianceCommand;
  readonly acceptedMs: EpochMs;
  endedMs: EpochMs | null;
  outcome: CommandOutcome | null;
}

export interface Evidence {
  readonly startMs: EpochMs;
  readonly endMs: EpochMs;
  readonly timeZone: string;
  readonly sites: Map<string, SiteInWorld>;
  readonly siteOfDevice: Map<string, SiteInWorld>;
  readonly programs: Map<string, Program>;
  readonly events: Map<string, GridEvent>;
  readonly commands: Map<string, CommandLife>;
  readonly settings: Map<string, SettingLife>;
  readonly appliances: Map<string, ApplianceInWorld>;
  readonly applianceMeters: ApplianceInterval[];
  /** Cars that left, with what was stored [mJ]. */
  readonly departures: { readonly atMs: EpochMs; readonly deviceId: string; readonly storedMj: number }[];
  readonly awards: Award[];
  readonly meters: MeterInterval[];
  /** By site and start of the interval: "<siteId>@<startMs>". */
  readonly counterfactual: Map<string, CounterfactualInterval>;
  /** Spans of active storm by the device's own truth. */
  readonly storms: Map<string, { startMs: EpochMs; endMs: EpochMs }[]>;
  /** Records whose order matters to a check, as they came. */
  readonly ordered: LogRecord[];
}

const ORDERED_FACTS = new Set([
  'enrollment.changed',
  'event.answered',
  'dispatch.planned',
  'command.accepted',
  'site.control-approved',
  'undo.sent',
  'event.cancelled',
]);

export function gather(records: Iterable<LogRecord>): Evidence {
  const e: { -readonly [K in keyof Evidence]: Evidence[K] } = {
    startMs: 0,
    endMs: 0,
    timeZone: 'UTC',
    sites: new Map(),
    siteOfDevice: new Map(),
    programs: new Map(),
    events: new Map(),
    commands: new Map(),
    settings: new Map(),
    appliances: new Map(),
    applianceMeters: [],
    departures: [],
    awards: [],
    meters: [],
    counterfactual: new Map(),
    storms: new Map(),
    ordered: [],
  };
  for (const r of records) take(e, r);
  for (const spans of e.storms.values()) {
    for (const s of spans) if (s.endMs < s.startMs) s.endMs = e.endMs;
  }
  return e;
}

function take(e: { -readonly [K in keyof Evidence]: Evidence[K] }, r: LogRecord): void {
  switch (r.kind) {
    case 'run-started':
      e.startMs = r.startMs;
      e.endMs = r.endMs;
      e.timeZone = r.timeZone;
      return;
    case 'site':
      e.sites.set(r.siteId, r);
      e.siteOfDevice.set(r.deviceId, r);
      return;
    case 'meter':
      e.meters.push(r);
      return;
    case 'appliance':
      e.appliances.set(r.deviceId, r);
      return;
    case 'appliance-meter':
      e.applianceMeters.push(r);
      return;
    case 'appliance-mode':
      if (r.storedMj !== null && r.mode === 'away') {
        e.departures.push({ atMs: r.atMs, deviceId: r.deviceId, storedMj: r.storedMj });
      }
      return;
    case 'counterfactual':
      e.counterfactual.set(`${r.siteId}@${r.startMs}`, r);
      return;
    case 'device-mode':
      return storm(e, r);
    case 'field':
    case 'points-map':
    case 'link':
    case 'plant':
    case 'alert':
    case 'reserve':
      e.ordered.push(r);
      return;
    case 'fact':
      return fact(e, r);
    default:
      return;
  }
}

function storm(e: Evidence, r: Extract<LogRecord, { kind: 'device-mode' }>): void {
  const spans = e.storms.get(r.deviceId) ?? [];
  const last = spans[spans.length - 1];
  const open = last !== undefined && last.endMs < last.startMs;
  if (r.storm === 'active' && !open) spans.push({ startMs: r.atMs, endMs: Number.NEGATIVE_INFINITY });
  if (r.storm !== 'active' && open && last !== undefined) last.endMs = r.atMs;
  e.storms.set(r.deviceId, spans);
}

function fact(e: Evidence, r: Extract<LogRecord, { kind: 'fact' }>): void {
  const { fact: f, atMs } = r;
  if (ORDERED_FACTS.has(f.type)) e.ordered.push(r);
  switch (f.type) {
    case 'program.created':
      e.programs.set(f.program.programId, f.program);
      return;
    case 'event.offered':
      e.events.set(f.event.eventId, f.event);
      return;
    case 'bid.awarded':
      e.awards.push(f.award);
      return;
    case 'command.accepted':
      e.commands.set(f.command.commandId, { command: f.command, acceptedMs: atMs, endedMs: null, outcome: null });
      return;
    case 'appliance.command-accepted':
      e.settings.set(f.command.commandId, { command: f.command, acceptedMs: atMs, endedMs: null, outcome: null });
      return;
    case 'appliance.command-ended': {
      const life = e.settings.get(f.commandId);
      if (life !== undefined) Object.assign(life, { endedMs: atMs, outcome: f.outcome });
      return;
    }
    case 'command.ended': {
      const life = e.commands.get(f.commandId);
      if (life !== undefined) Object.assign(life, { endedMs: atMs, outcome: f.outcome });
      return;
    }
    default:
      return;
  }
}

/** Whether a device was in an active storm at any time of [startMs, endMs). */
export function inStorm(e: Evidence, deviceId: string, span: { startMs: EpochMs; endMs: EpochMs }): boolean {
  return (e.storms.get(deviceId) ?? []).some((s) => s.startMs < span.endMs && span.startMs < s.endMs);
}

export const eventOfCommand = (c: Command): string | null => (c.cause.kind === 'dispatch' ? c.cause.eventId : null);
