import type { Automation, AutomationFact } from '../domain/automation.ts';
import type { EpochMs } from '../domain/units.ts';
import { type Use, useKey } from './automationView.ts';
import type { CoreState } from './state.ts';

/** What is kept of an automation, and how its facts change it. */
export interface AutomationEntry {
  automation: Automation;
  nextMs: EpochMs | null;
  /** The latest time for which the agenda has an entry. */
  agendaMs: EpochMs | null;
  /** Where the test is known to hold: device, or '' for a price. isUsed: it has fired or was held back. */
  readonly met: Map<string, { readonly sinceMs: EpochMs; isUsed: boolean }>;
  readonly uses: Map<string, Use>;
  firings: number;
}

export function applyAutomation(state: CoreState, fact: AutomationFact, atMs: EpochMs): void {
  if (fact.type === 'automation.saved') return saved(state, fact, atMs);
  const entry = state.automations.get(fact.automationId);
  if (entry === undefined) return;
  switch (fact.type) {
    case 'automation.deleted':
      state.automations.delete(fact.automationId);
      state.automationsOf.get(fact.workspaceId)?.delete(fact.automationId);
      return;
    case 'automation.waits':
      return setNext(state, entry, fact.nextMs, atMs);
    case 'automation.met':
      if (fact.sinceMs === null) entry.met.delete(fact.subject);
      else entry.met.set(fact.subject, { sinceMs: fact.sinceMs, isUsed: false });
      return;
    case 'automation.suppressed':
      return useUp(entry, fact.subject);
    case 'automation.triggered': {
      const key = useKey(entry.automation, fact.subject);
      const before = entry.uses.get(key);
      const count = before?.day === fact.day ? before.count + 1 : 1;
      entry.uses.set(key, { lastMs: atMs, day: fact.day, count });
      entry.firings += 1;
      return useUp(entry, fact.subject);
    }
  }
}

function useUp(entry: AutomationEntry, subject: string): void {
  const met = entry.met.get(subject);
  if (met !== undefined) met.isUsed = true;
}

/** What is known to hold stays known while the test is the same; another test, or a rule switched off, begins anew. */
function saved(state: CoreState, fact: Extract<AutomationFact, { type: 'automation.saved' }>, atMs: EpochMs): void {
  const { automation, automationId, workspaceId } = fact;
  const known = state.automations.get(automationId);
  const entry: AutomationEntry = known ?? {
    automation,
    nextMs: null,
    agendaMs: null,
    met: new Map(),
    uses: new Map(),
    firings: 0,
  };
  const isSameTest = JSON.stringify(entry.automation.when) === JSON.stringify(automation.when);
  if (!isSameTest || !automation.enabled) entry.met.clear();
  entry.automation = automation;
  if (known === undefined) {
    state.counters.automation += 1;
    state.automations.set(automationId, entry);
    const same = state.automationsOf.get(workspaceId) ?? new Set();
    same.add(automationId);
    state.automationsOf.set(workspaceId, same);
  }
  setNext(state, entry, fact.nextMs, atMs);
}

function setNext(state: CoreState, entry: AutomationEntry, nextMs: EpochMs | null, atMs: EpochMs): void {
  entry.nextMs = nextMs;
  if (nextMs === null || (nextMs === entry.agendaMs && nextMs > atMs)) return;
  entry.agendaMs = nextMs;
  const { automationId } = entry.automation;
  state.agenda.add(nextMs, { kind: 'automation', automationId, atMs: nextMs });
}
