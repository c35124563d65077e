import { idsOf, workspaceOf } from '../../core/ownership.ts';
import type { CoreState } from '../../core/state.ts';
import type { Fact } from '../../domain/fact.ts';
import { SUBJECTS_MAX } from '../../ports/journal.ts';

/**
 * Under which names an entry is found again: what its facts are about, and the workspaces they belong to. Beyond
 * SUBJECTS_MAX names the entry is found under those of its first facts alone.
 */
export function subjectsOf(facts: readonly Fact[], state: CoreState): string[] {
  const subjects = new Set<string>();
  for (const fact of facts) {
    const ids = idsOf(fact);
    const workspace = workspaceOf(ids, state);
    if (workspace !== null) subjects.add(`workspace/${workspace}`);
    for (const [name, id] of ids) {
      if (name === 'command' || name === 'device' || name === 'site' || name === 'event') subjects.add(`${name}/${id}`);
    }
    const command = ids.get('command') ?? '';
    const entry = state.commands.get(command) ?? state.applianceCommands.get(command);
    const device = ids.has('device') ? null : entry?.command.deviceId;
    if (device !== null && device !== undefined) subjects.add(`device/${device}`);
  }
  return [...subjects].slice(0, SUBJECTS_MAX);
}
