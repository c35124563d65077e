import { idsOf, workspaceOf } from '../../core/ownership.ts';
import type { CoreState } from '../../core/state.ts';
import type { Fact } from '../../domain/fact.ts';

/** Under which names an entry is found again: what its facts are about, and the workspaces they belong to. */
export function subjectsOf(facts: readonly Fact[], state: CoreState): string[] {
  const subjects = new Set<string>();
  for (const fact of facts) {
    const ids = idsOf(fact);
    const workspace = workspaceOf(ids, state);
    if (workspace !== null) subjects.add(`workspace/${workspace}`);
    for (const [name, id] of ids) {
      if (name === 'command' || name === 'device' || name === 'site' || name === 'event') subjects.add(`${name}/${id}`);
    }
    const device = ids.has('device') ? null : state.commands.get(ids.get('command') ?? '')?.command.deviceId;
    if (device !== null && device !== undefined) subjects.add(`device/${device}`);
  }
  return [...subjects];
}
