import type { Appliance } from '../domain/applianceCommand.ts';
import type { Device } from '../domain/device.ts';
import { describeProblem } from '../domain/errors.ts';
import { distanceM, type Group, type GroupFact, type GroupRule, groupProblems } from '../domain/group.ts';
import { type AnyEntry, allDevices, byId, deviceOf } from './anyDevice.ts';
import type { Context } from './context.ts';
import { groupKey } from './scheduleState.ts';
import type { CoreState } from './state.ts';

/** Groups: saved selections of devices of every kind. Who is in one is worked out from the state whenever it is asked. */
export const GROUPS_PER_WORKSPACE_MAX = 1_000;

export type GroupInput =
  | { readonly kind: 'create-group'; readonly group: Omit<Group, 'groupId'>; readonly actor: string }
  /** The whole of it anew; id and workspace stay. */
  | { readonly kind: 'change-group'; readonly group: Group; readonly actor: string }
  | { readonly kind: 'delete-group'; readonly workspaceId: string; readonly groupId: string; readonly actor: string };

export function onGroup(ctx: Context, input: GroupInput): void {
  switch (input.kind) {
    case 'create-group': {
      const { workspaceId } = input.group;
      if (!ctx.state.workspaces.has(workspaceId)) {
        return ctx.refuse(input.kind, `${workspaceId}: no such workspace`, 'unknown');
      }
      const count = [...ctx.state.groups.values()].filter((g) => g.workspaceId === workspaceId).length;
      if (count >= GROUPS_PER_WORKSPACE_MAX) {
        return ctx.refuse(input.kind, `a workspace has at most ${GROUPS_PER_WORKSPACE_MAX} groups`, 'limit');
      }
      const groupId = `grp-${ctx.state.counters.group + 1}`;
      return save(ctx, input.kind, { ...input.group, groupId }, input.actor);
    }
    case 'change-group':
      if (!isOf(ctx.state, input.group)) {
        return ctx.refuse(input.kind, `${input.group.groupId}: no such group`, 'unknown');
      }
      return save(ctx, input.kind, input.group, input.actor);
    case 'delete-group': {
      const { workspaceId, groupId, actor } = input;
      if (!isOf(ctx.state, input)) return ctx.refuse(input.kind, `${groupId}: no such group`, 'unknown');
      const user = userOf(ctx.state, workspaceId, groupId);
      if (user !== null) return ctx.refuse(input.kind, `${groupId} is used by ${user}`);
      return ctx.emit({ type: 'group.deleted', workspaceId, groupId, actor });
    }
  }
}

function save(ctx: Context, what: string, group: Group, actor: string): void {
  const problems = groupProblems(group);
  if (problems.length > 0) return ctx.refuse(what, problems.map(describeProblem).join('\n'), 'invalid');
  const { workspaceId, groupId, rule } = group;
  const strange = (rule.siteIds ?? []).find((id) => ctx.state.sites.get(id)?.workspaceId !== workspaceId);
  if (strange !== undefined) return ctx.refuse(what, `group: rule.siteIds: ${strange}: no such site`, 'unknown');
  const { transformerId } = rule;
  if (transformerId !== undefined && ctx.state.transformers.get(transformerId)?.workspaceId !== workspaceId) {
    return ctx.refuse(what, `group: rule.transformerId: ${transformerId}: no such transformer`, 'unknown');
  }
  ctx.emit({ type: 'group.saved', workspaceId, groupId, group, actor });
}

const isOf = (
  state: CoreState,
  { groupId, workspaceId }: { readonly groupId: string; readonly workspaceId: string },
): boolean => state.groups.get(groupId)?.workspaceId === workspaceId;

/** A schedule or automation that goes by the group; null if there is none. */
function userOf(state: CoreState, workspaceId: string, groupId: string): string | null {
  for (const id of state.schedulesOf.get(groupKey(workspaceId)) ?? []) {
    const schedule = state.schedules.get(id)?.schedule;
    if (schedule?.kind === 'command' && schedule.target.kind === 'group' && schedule.target.groupId === groupId) {
      return id;
    }
  }
  for (const id of state.automationsOf.get(workspaceId) ?? []) {
    const automation = state.automations.get(id)?.automation;
    if (automation === undefined) continue;
    const { when, target } = automation;
    const watched = 'watch' in when ? when.watch : null;
    if ([watched, target].some((s) => s?.kind === 'group' && s.groupId === groupId)) return id;
  }
  return null;
}

export function applyGroup(state: CoreState, fact: GroupFact): void {
  if (fact.type === 'group.deleted') {
    state.groups.delete(fact.groupId);
    return;
  }
  if (!state.groups.has(fact.groupId)) state.counters.group += 1;
  state.groups.set(fact.groupId, fact.group);
}

/** Whether a device of the group's workspace is in it. What is not known of the device does not fit. */
export function fitsGroup(state: CoreState, rule: GroupRule, device: Device | Appliance): boolean {
  const { tags, kinds, siteIds, within, transformerId } = rule;
  if (tags !== undefined && !tags.every((t) => device.tags.includes(t))) return false;
  if (kinds !== undefined && !kinds.includes(device.kind)) return false;
  if (siteIds !== undefined && !siteIds.includes(device.siteId)) return false;
  if (transformerId !== undefined && state.transformerOfSite.get(device.siteId) !== transformerId) return false;
  if (within === undefined) return true;
  const place = state.sites.get(device.siteId)?.location;
  return place !== undefined && distanceM(place, within) <= within.radiusM;
}

/** The devices of a group, by id; empty for a group that is not there. */
export function membersOf(state: CoreState, groupId: string): AnyEntry[] {
  const group = state.groups.get(groupId);
  if (group === undefined) return [];
  const isIn = (device: Device | Appliance): boolean =>
    device.workspaceId === group.workspaceId && fitsGroup(state, group.rule, device);
  return [...allDevices(state)].filter((entry) => isIn(deviceOf(entry))).sort(byId);
}
