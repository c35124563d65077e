import type { FiringResult, Schedule, ScheduleFact } from '../domain/schedule.ts';
import type { EpochMs } from '../domain/units.ts';
import { type CoreState, deviceTagKey } from './state.ts';

/** What is kept of a schedule, and how its facts change it. */
export interface ScheduleEntry {
  readonly schedule: Schedule;
  /** 1, 2, … in the order in which they were made. */
  readonly order: number;
  /** over: it has no time left. */
  status: 'active' | 'paused' | 'over';
  nextMs: EpochMs | null;
  /** The latest time for which the agenda has an entry. */
  agendaMs: EpochMs | null;
  last: { readonly dueMs: EpochMs; readonly result: FiringResult } | null;
  fired: number;
  missed: number;
}

export const deviceKey = (deviceId: string): string => `device/${deviceId}`;
export const tagKey = (workspaceId: string, tag: string): string => `tag/${deviceTagKey(workspaceId, tag)}`;
/** All schedules of groups of a workspace: who is in a group is worked out when it is asked. */
export const groupKey = (workspaceId: string): string => `group/${workspaceId}`;

const targetKey = (s: Schedule): string => {
  if (s.kind === 'device-modes') return deviceKey(s.deviceId);
  switch (s.target.kind) {
    case 'tag':
      return tagKey(s.workspaceId, s.target.tag);
    case 'group':
      return groupKey(s.workspaceId);
    case 'device':
      return deviceKey(s.target.deviceId);
  }
};

export function applySchedule(state: CoreState, fact: ScheduleFact, atMs: EpochMs): void {
  if (fact.type === 'schedule.created') return created(state, fact, atMs);
  const entry = state.schedules.get(fact.scheduleId);
  if (entry === undefined) return;
  switch (fact.type) {
    case 'schedule.deleted':
      return deleted(state, entry.schedule);
    case 'schedule.paused':
      entry.status = 'paused';
      entry.nextMs = null;
      return;
    case 'schedule.resumed':
      return setNext(state, entry, fact.nextMs, atMs);
    case 'schedule.fired':
      entry.fired += 1;
      entry.last = { dueMs: fact.dueMs, result: fact.result };
      return setNext(state, entry, fact.nextMs, atMs);
    case 'schedule.missed':
      entry.missed += fact.count;
      return setNext(state, entry, fact.nextMs, atMs);
  }
}

function created(state: CoreState, fact: Extract<ScheduleFact, { type: 'schedule.created' }>, atMs: EpochMs): void {
  const { schedule, scheduleId } = fact;
  state.counters.schedule += 1;
  const entry: ScheduleEntry = {
    schedule,
    order: state.counters.schedule,
    status: 'active',
    nextMs: null,
    agendaMs: null,
    last: null,
    fired: 0,
    missed: 0,
  };
  state.schedules.set(scheduleId, entry);
  if (schedule.kind === 'device-modes') state.deviceModes.set(schedule.deviceId, scheduleId);
  addTo(state.schedulesOf, targetKey(schedule), scheduleId);
  addTo(state.schedulesIn, schedule.workspaceId, scheduleId);
  setNext(state, entry, fact.nextMs, atMs);
}

function deleted(state: CoreState, schedule: Schedule): void {
  const { scheduleId } = schedule;
  state.schedules.delete(scheduleId);
  if (schedule.kind === 'device-modes' && state.deviceModes.get(schedule.deviceId) === scheduleId) {
    state.deviceModes.delete(schedule.deviceId);
  }
  removeFrom(state.schedulesOf, targetKey(schedule), scheduleId);
  removeFrom(state.schedulesIn, schedule.workspaceId, scheduleId);
}

function addTo(index: Map<string, Set<string>>, key: string, id: string): void {
  const ids = index.get(key) ?? new Set();
  ids.add(id);
  index.set(key, ids);
}

function removeFrom(index: Map<string, Set<string>>, key: string, id: string): void {
  const ids = index.get(key);
  ids?.delete(id);
  if (ids?.size === 0) index.delete(key);
}

/** Pausing and resuming again and again puts no second entry for the same time into the agenda. */
function setNext(state: CoreState, entry: ScheduleEntry, nextMs: EpochMs | null, atMs: EpochMs): void {
  entry.status = nextMs === null ? 'over' : 'active';
  entry.nextMs = nextMs;
  if (nextMs === null || (nextMs === entry.agendaMs && nextMs > atMs)) return;
  entry.agendaMs = nextMs;
  state.agenda.add(nextMs, { kind: 'schedule', scheduleId: entry.schedule.scheduleId, atMs: nextMs });
}
