import type { CoreState, DeviceEntry, EventEntry, Resource } from '../core/state.ts';
import type { Customer, Site } from '../domain/device.ts';
import type { Group } from '../domain/group.ts';
import type { Program } from '../domain/program.ts';
import { notFound } from './problems.ts';

/**
 * Things of a workspace by id. What is another's answers exactly as what does not exist: one lookup, one comparison, the
 * same words (promise S14).
 */
interface Caller {
  readonly workspaceId: string;
  readonly state: CoreState;
}

export function ownDevice({ state, workspaceId }: Caller, deviceId: string): DeviceEntry {
  const entry = state.devices.get(deviceId);
  if (entry?.device.workspaceId !== workspaceId) throw notFound('device', deviceId);
  return entry;
}

export function ownSite({ state, workspaceId }: Caller, siteId: string): Site {
  const site = state.sites.get(siteId);
  if (site?.workspaceId !== workspaceId) throw notFound('site', siteId);
  return site;
}

export function ownCustomer({ state, workspaceId }: Caller, customerId: string): Customer {
  const customer = state.customers.get(customerId);
  if (customer?.workspaceId !== workspaceId) throw notFound('customer', customerId);
  return customer;
}

export function ownGroup({ state, workspaceId }: Caller, groupId: string): Group {
  const group = state.groups.get(groupId);
  if (group?.workspaceId !== workspaceId) throw notFound('group', groupId);
  return group;
}

export function ownProgram({ state, workspaceId }: Caller, programId: string): Program {
  const program = state.programs.get(programId);
  if (program?.workspaceId !== workspaceId) throw notFound('program', programId);
  return program;
}

/**
 * Ids that partners choose are theirs alone: inside they carry the workspace, so that two may choose the same one and
 * neither learns of the other. Nothing that leaves shows it.
 */
export const ownPrefix = (workspaceId: string): string => `${workspaceId}/`;
export const withoutPrefix = (text: string, workspaceId: string): string => text.replaceAll(ownPrefix(workspaceId), '');

export function ownResource({ state, workspaceId }: Caller, resourceId: string): Resource {
  const resource = state.resources.get(`${ownPrefix(workspaceId)}${resourceId}`);
  if (resource === undefined) throw notFound('resource', resourceId);
  return resource;
}

/** By the id a partner gave it, or by the number that the core gave it. */
export function ownEvent(caller: Caller, eventId: string): EventEntry {
  const { state, workspaceId } = caller;
  const entry = state.events.get(`${ownPrefix(workspaceId)}${eventId}`) ?? state.events.get(eventId);
  if (entry === undefined || !isOwnEvent(caller, entry)) throw notFound('event', eventId);
  return entry;
}

export const isOwnEvent = ({ state, workspaceId }: Caller, { event }: EventEntry): boolean =>
  state.programs.get(event.programId)?.workspaceId === workspaceId;
