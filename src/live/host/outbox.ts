import { applianceView } from '../../api/appliances.ts';
import { withoutPrefix } from '../../api/owned.ts';
import { awardView, deviceView, eventView, siteView } from '../../api/views.ts';
import { idsOf, workspaceOf } from '../../core/ownership.ts';
import type { CoreState } from '../../core/state.ts';
import type { OutboxEvent } from '../../domain/destination.ts';
import { EVENT_TYPES, type EventType } from '../../domain/eventTypes.ts';
import type { Fact } from '../../domain/fact.ts';
import { isoUtc } from '../../domain/time.ts';
import type { JournalEntry } from '../../ports/journal.ts';

/**
 * The journal as events for destinations: a view, made anew after a restart from the same entries. What is shown whole is
 * shown as the API shows it when it is new, and under the ids of the API.
 * @source TextureHQ/docs events: types, versions and the shape of `data` of command.succeeded, command.failed,
 *         device.discovered, device.disconnected, enrollment.* and site.created; the others follow the same form.
 *         occurredAt is our own: what happens again has other data, and so another key, than what is told again
 */
export function eventsOf(entry: JournalEntry, state: CoreState): OutboxEvent[] {
  return entry.facts.flatMap((fact, index) => {
    const told = tell(fact, entry, state);
    if (told === null) return [];
    const ids = idsOf(fact);
    const workspaceId = workspaceOf(ids, state);
    if (workspaceId === null) return [];
    const deviceId = ids.get('device') ?? deviceOfCommand(ids.get('command'), state);
    const deviceType = deviceId === undefined ? null : kindOf(deviceId, state);
    const { type, data } = told;
    const { version } = EVENT_TYPES[type];
    const head = { seq: entry.seq, index, workspaceId, type, version, deviceType, timestampMs: entry.atMs };
    return [{ ...head, data: { workspaceId, occurredAt: isoUtc(entry.atMs), ...onTheWire(data, workspaceId) } }];
  });
}

const commandOf = (commandId: string, state: CoreState) =>
  state.commands.get(commandId) ?? state.applianceCommands.get(commandId);

const deviceOfCommand = (commandId: string | undefined, state: CoreState): string | undefined =>
  commandId === undefined ? undefined : commandOf(commandId, state)?.command.deviceId;

const kindOf = (deviceId: string, state: CoreState): string | null =>
  state.devices.get(deviceId)?.device.kind ?? state.appliances.get(deviceId)?.appliance.kind ?? null;

/** Whether it tells of a command that the state has let go, as it does with all but the newest that ended. */
export const isForgotten = (entry: JournalEntry, state: CoreState): boolean =>
  entry.facts.some(
    (f) =>
      (f.type === 'command.ended' || f.type === 'appliance.command-ended') &&
      commandOf(f.commandId, state) === undefined,
  );

/** Instants of facts [epoch ms], and what they are called where they are RFC 3339. Other names in Ms are durations. */
const INSTANTS: Readonly<Record<string, string>> = {
  startMs: 'startsAt',
  endMs: 'endsAt',
  fromMs: 'from',
  untilMs: 'until',
  dueMs: 'dueAt',
  nextMs: 'nextAt',
  sinceMs: 'since',
};

function onTheWire(data: Readonly<Record<string, unknown>>, workspaceId: string): Record<string, unknown> {
  const shown: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(data)) {
    const instant = INSTANTS[name];
    if (instant !== undefined && (value === null || typeof value === 'number')) {
      shown[instant] = value === null ? null : isoUtc(value);
    } else shown[name] = inside(value, workspaceId);
  }
  return shown;
}

function inside(value: unknown, workspaceId: string): unknown {
  if (typeof value === 'string') return withoutPrefix(value, workspaceId);
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((v) => inside(v, workspaceId));
  return onTheWire(value as Readonly<Record<string, unknown>>, workspaceId);
}

interface Told {
  readonly type: EventType;
  readonly data: Readonly<Record<string, unknown>>;
}

/** Facts that are told as they are, under these names. */
const AS_THEY_ARE: Readonly<Record<string, EventType>> = {
  'event.started': 'event.started',
  'event.ended': 'event.ended',
  'event.cancelled': 'event.cancelled',
  'event.measured': 'event.measured',
  'alert.opened': 'alert.opened',
  'alert.changed': 'alert.updated',
  'alert.resolved': 'alert.resolved',
  'schedule.fired': 'schedule.fired',
  'automation.triggered': 'automation.triggered',
  'approval.ended': 'approval.ended',
  'stop.release-requested': 'stop.release-requested',
  'stop.released': 'stop.released',
};

function tell(fact: Fact, entry: JournalEntry, state: CoreState): Told | null {
  switch (fact.type) {
    case 'command.ended':
    case 'appliance.command-ended':
      return commandEnded(fact, entry, state);
    case 'enrollment.changed':
      return enrollmentChanged(fact);
    case 'device.connected': {
      const { device } = fact;
      const entry = { device, reachable: true, stormActive: false, openCommandId: null };
      return { type: 'device.discovered', data: { deviceId: device.deviceId, device: deviceView(entry, undefined) } };
    }
    case 'event.offered': {
      const { event } = fact;
      const shown = eventView({ event, status: 'offered', optedOut: new Set() });
      return { type: 'event.offered', data: { eventId: event.eventId, event: shown } };
    }
    case 'device.storm':
      return {
        type: 'device.updated',
        data: {
          deviceId: fact.deviceId,
          state: { isStormModeActive: fact.active },
          sampledAt: isoUtc(fact.sampledAtMs),
        },
      };
    case 'appliance.connected': {
      const { appliance } = fact;
      const device = applianceView({ appliance, reachable: true, open: new Map() }, undefined);
      return { type: 'device.discovered', data: { deviceId: appliance.deviceId, device } };
    }
    case 'device.reachable':
    case 'appliance.reachable': {
      const type = fact.reachable ? 'device.updated' : 'device.disconnected';
      return { type, data: { deviceId: fact.deviceId, reachable: fact.reachable, reason: fact.why } };
    }
    case 'approval.requested': {
      const { approvalId, siteId } = fact.request;
      return { type: 'approval.requested', data: { approvalId, siteId, request: fact.request } };
    }
    case 'site.control-approved': {
      const { binding: _, ...approval } = fact.approval;
      return {
        type: 'approval.approved',
        data: { approvalId: approval.approvalId, siteId: approval.siteId, approval },
      };
    }
    case 'undo.sent':
      return fact.what === 'emergency-stop'
        ? { type: 'stop.latched', data: { deviceId: fact.deviceId, why: fact.why } }
        : null;
    case 'bid.awarded':
      return { type: 'bid.awarded', data: { award: awardView(fact.award) } };
    case 'site.created':
      return { type: 'site.created', data: { siteId: fact.site.siteId, site: siteView(fact.site) } };
    case 'customer.created':
      return { type: 'customer.created', data: { customerId: fact.customer.customerId } };
    default: {
      const type = AS_THEY_ARE[fact.type];
      if (type === undefined) return null;
      const { type: _, ...data } = fact;
      return { type, data };
    }
  }
}

/** The vendor knows two ends; which of the eight it was, and why, stands beside it. */
function commandEnded(
  fact: Extract<Fact, { type: 'command.ended' | 'appliance.command-ended' }>,
  entry: JournalEntry,
  state: CoreState,
): Told | null {
  const entered = commandOf(fact.commandId, state);
  if (entered === undefined) return null;
  const { status, reason, detail } = fact.outcome;
  const data = {
    commandId: fact.commandId,
    deviceId: entered.command.deviceId,
    status,
    reason,
    issuedAt: isoUtc(entered.acceptedAtMs),
    executedAt: isoUtc(entry.atMs),
  };
  return status === 'succeeded'
    ? { type: 'command.succeeded', data: { ...data, detail } }
    : { type: 'command.failed', data: { ...data, error: { message: detail } } };
}

function enrollmentChanged(fact: Extract<Fact, { type: 'enrollment.changed' }>): Told {
  const { enrollmentId, deviceId, programId, from, to, why } = fact;
  const named = from === null ? 'created' : to === 'submitted' || to === 'approved' || to === 'rejected' ? to : null;
  const type = named === null ? 'enrollment.status_changed' : (`enrollment.${named}` as const);
  return { type, data: { enrollmentId, deviceId, program: { programId }, from, status: to, why } };
}
