import { idsOf, workspaceOf } from '../core/ownership.ts';
import type { CoreState } from '../core/state.ts';
import type { Fact } from '../domain/fact.ts';
import { isoUtc } from '../domain/time.ts';
import type { EpochMs } from '../domain/units.ts';
import type { JournalEntry } from '../ports/journal.ts';
import type { Service } from './service.ts';
import type { CommandLike } from './views.ts';

/**
 * The journal as a workspace may see it. An entry may hold facts of several workspaces (time passed for all of them), so
 * each fact is looked at by itself.
 */
export interface HistoryEntry {
  readonly seq: number;
  readonly at: string;
  readonly actor: string;
  readonly requestId: string | null;
  readonly facts: readonly Fact[];
}

/** @param subject  "device/…" whose owner has been checked: its facts are its owner's, also when it is forgotten since */
export function historyEntry(
  entry: JournalEntry,
  viewer: { readonly workspaceId: string; readonly state: CoreState; readonly subject: string | null },
): HistoryEntry {
  const { workspaceId, state, subject } = viewer;
  const { origin } = entry;
  const mine = origin.workspaceId === workspaceId;
  return {
    seq: entry.seq,
    at: isoUtc(entry.atMs),
    actor: mine || origin.workspaceId === null ? origin.actor : 'system',
    requestId: mine ? origin.requestId : null,
    facts: entry.facts.filter((fact) => {
      const ids = idsOf(fact);
      const [kind = '', id = ''] = subject?.split('/') ?? [];
      return workspaceOf(ids, state) === workspaceId || (subject !== null && ids.get(kind) === id);
    }),
  };
}

/** How many entries a command can have at most, with room: accepted, a route and a job per path, acknowledged, ended. */
const ENTRIES_PER_COMMAND = 50;

/** A command that the core has forgotten since, from the journal; null if there never was one. */
export function commandFromHistory(service: Service, commandId: string): CommandLike | null {
  const entries = service.history(`command/${commandId}`, { beforeSeq: null, limit: ENTRIES_PER_COMMAND });
  let found: { -readonly [K in keyof CommandLike]: CommandLike[K] } | null = null;
  for (const entry of [...entries].reverse()) {
    for (const fact of entry.facts) found = fold(found, fact, commandId, entry.atMs);
  }
  return found;
}

function fold(
  known: { -readonly [K in keyof CommandLike]: CommandLike[K] } | null,
  fact: Fact,
  commandId: string,
  atMs: EpochMs,
) {
  if (fact.type === 'command.accepted' && fact.command.commandId === commandId) {
    return { command: fact.command, status: 'accepted' as const, route: null, outcome: null, acceptedAtMs: atMs };
  }
  if (known === null || !('commandId' in fact) || fact.commandId !== commandId) return known;
  switch (fact.type) {
    case 'command.routed':
      return { ...known, status: 'routed' as const, route: fact.route };
    case 'command.sent':
      return { ...known, status: 'sent' as const };
    case 'command.acknowledged':
      return { ...known, status: 'acknowledged' as const };
    case 'command.ended':
      return { ...known, status: fact.outcome.status, outcome: fact.outcome };
    default:
      return known;
  }
}
