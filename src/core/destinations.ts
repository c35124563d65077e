import type { Destination, DestinationFact } from '../domain/destination.ts';
import type { Context } from './context.ts';
import type { CoreState } from './state.ts';

/**
 * Where a workspace wants its events. The core keeps what is wanted; delivering is done beside it, from the journal.
 * Secrets are no part of it.
 */
export const DESTINATIONS_PER_WORKSPACE_MAX = 50;

export type DestinationInput =
  | { readonly kind: 'create-destination'; readonly destination: Destination; readonly actor: string }
  /** The whole of it anew; id and workspace stay. */
  | { readonly kind: 'change-destination'; readonly destination: Destination; readonly actor: string }
  | {
      readonly kind: 'delete-destination';
      readonly workspaceId: string;
      readonly destinationId: string;
      readonly actor: string;
    };

export function onDestination(ctx: Context, input: DestinationInput): void {
  const { destinations, workspaces } = ctx.state;
  switch (input.kind) {
    case 'create-destination': {
      const { destination, actor } = input;
      const { destinationId, workspaceId } = destination;
      if (!workspaces.has(workspaceId)) return ctx.refuse(input.kind, `${workspaceId}: no such workspace`, 'unknown');
      if (destinations.has(destinationId)) return ctx.refuse(input.kind, `${destinationId} exists`);
      const count = [...destinations.values()].filter((d) => d.workspaceId === workspaceId).length;
      if (count >= DESTINATIONS_PER_WORKSPACE_MAX) {
        return ctx.refuse(
          input.kind,
          `a workspace has at most ${DESTINATIONS_PER_WORKSPACE_MAX} destinations`,
          'limit',
        );
      }
      return ctx.emit({ type: 'destination.created', destination, actor });
    }
    case 'change-destination': {
      const { destination, actor } = input;
      if (!isOf(ctx.state, destination)) {
        return ctx.refuse(input.kind, `${destination.destinationId}: no such destination`, 'unknown');
      }
      return ctx.emit({ type: 'destination.changed', destination, actor });
    }
    case 'delete-destination': {
      const { destinationId, workspaceId, actor } = input;
      if (!isOf(ctx.state, input)) return ctx.refuse(input.kind, `${destinationId}: no such destination`, 'unknown');
      return ctx.emit({ type: 'destination.deleted', workspaceId, destinationId, actor });
    }
  }
}

const isOf = (
  state: CoreState,
  { destinationId, workspaceId }: { readonly destinationId: string; readonly workspaceId: string },
): boolean => state.destinations.get(destinationId)?.workspaceId === workspaceId;

export function applyDestination(state: CoreState, fact: DestinationFact): void {
  if (fact.type === 'destination.deleted') state.destinations.delete(fact.destinationId);
  else state.destinations.set(fact.destination.destinationId, fact.destination);
}
