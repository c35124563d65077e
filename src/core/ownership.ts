import type { Fact } from '../domain/fact.ts';
import type { CoreState } from './state.ts';

/**
 * Whose a fact is and what it is about, read off its shape: ids stand under the same names in every fact, so that a new
 * fact is found in the audit trail without a line here.
 */
const NAMES: Readonly<Record<string, string>> = {
  workspaceId: 'workspace',
  customerId: 'customer',
  siteId: 'site',
  deviceId: 'device',
  programId: 'program',
  commandId: 'command',
  batchId: 'batch',
  eventId: 'event',
  resourceId: 'resource',
  enrollmentId: 'enrollment',
  scheduleId: 'schedule',
  automationId: 'automation',
  groupId: 'group',
  transformerId: 'transformer',
  feederId: 'feeder',
  alertId: 'alert',
  approvalId: 'approval',
  clientId: 'client',
  keyId: 'key',
  destinationId: 'destination',
};

/** "device" → its id, and so on. */
export type Ids = ReadonlyMap<string, string>;

/** The ids a fact names, in itself or in the one object it carries. */
export function idsOf(fact: Fact): Ids {
  const ids = new Map<string, string>();
  read(fact, ids);
  for (const value of Object.values(fact)) {
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) read(value, ids);
  }
  return ids;
}

function read(holder: object, ids: Map<string, string>): void {
  for (const [field, value] of Object.entries(holder)) {
    const name = NAMES[field];
    if (name !== undefined && typeof value === 'string' && !ids.has(name)) ids.set(name, value);
  }
}

/** The workspace a fact belongs to; null for facts of the plant as a whole. */
export function workspaceOf(ids: Ids, state: CoreState): string | null {
  const named = ids.get('workspace');
  if (named !== undefined) return named;
  const command = ids.get('command');
  const device = ids.get('device');
  const site = ids.get('site');
  const program = ids.get('program');
  const event = ids.get('event');
  return (
    (command === undefined ? undefined : state.commands.get(command)?.command.workspaceId) ??
    (command === undefined ? undefined : state.applianceCommands.get(command)?.command.workspaceId) ??
    (device === undefined ? undefined : state.devices.get(device)?.device.workspaceId) ??
    (device === undefined ? undefined : state.appliances.get(device)?.appliance.workspaceId) ??
    (site === undefined ? undefined : state.sites.get(site)?.workspaceId) ??
    (program === undefined ? undefined : state.programs.get(program)?.workspaceId) ??
    (event === undefined ? undefined : programOf(event, state)) ??
    null
  );
}

const programOf = (eventId: string, state: CoreState): string | undefined =>
  state.programs.get(state.events.get(eventId)?.event.programId ?? '')?.workspaceId;
