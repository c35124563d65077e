import {
  type Feeder,
  feederProblem,
  type Loading,
  loadingOfFlows,
  POWER_FACTOR_ASSUMED,
  type TopologyFact,
  TRANSFORMERS_PER_WORKSPACE_MAX,
  type Transformer,
  transformerProblem,
} from '../domain/topology.ts';
import type { EpochMs } from '../domain/units.ts';
import type { Context } from './context.ts';
import { flowOf } from './siteFlow.ts';
import type { CoreState } from './state.ts';
import type { TelemetryStore } from './telemetry.ts';

/** Transformers and feeders as the core knows them, and what flows through them now; siteFlow.ts says where from. */
export type TopologyInput =
  | { readonly kind: 'set-feeder'; readonly feeder: Feeder; readonly actor: string }
  | { readonly kind: 'set-transformer'; readonly transformer: Transformer; readonly actor: string }
  | {
      readonly kind: 'remove-feeder';
      readonly workspaceId: string;
      readonly feederId: string;
      readonly actor: string;
    }
  | {
      readonly kind: 'remove-transformer';
      readonly workspaceId: string;
      readonly transformerId: string;
      readonly actor: string;
    };

export function onTopology(ctx: Context, input: TopologyInput): void {
  switch (input.kind) {
    case 'set-feeder':
      return setFeeder(ctx, input.feeder, input.actor);
    case 'set-transformer':
      return setTransformer(ctx, input.transformer, input.actor);
    case 'remove-feeder': {
      const { workspaceId, feederId, actor, kind } = input;
      if (ctx.state.feeders.get(feederId)?.workspaceId !== workspaceId) {
        return ctx.refuse(kind, `${feederId}: no such feeder`, 'unknown');
      }
      const user = [...ctx.state.transformers.values()].find((t) => t.feederId === feederId);
      if (user !== undefined) return ctx.refuse(kind, `${user.transformerId} is on ${feederId}: move it first`);
      return ctx.emit({ type: 'topology.feeder-removed', workspaceId, feederId, actor });
    }
    case 'remove-transformer': {
      const { workspaceId, transformerId, actor, kind } = input;
      if (ctx.state.transformers.get(transformerId)?.workspaceId !== workspaceId) {
        return ctx.refuse(kind, `${transformerId}: no such transformer`, 'unknown');
      }
      return ctx.emit({ type: 'topology.transformer-removed', workspaceId, transformerId, actor });
    }
  }
}

function setFeeder(ctx: Context, feeder: Feeder, actor: string): void {
  const what = 'set-feeder';
  const { feederId, workspaceId } = feeder;
  if (!ctx.state.workspaces.has(workspaceId)) return ctx.refuse(what, `${workspaceId}: no such workspace`, 'unknown');
  const known = ctx.state.feeders.get(feederId);
  if (known !== undefined && known.workspaceId !== workspaceId) return ctx.refuse(what, `${feederId} exists`);
  const problem = feederProblem(feeder);
  if (problem !== null) return ctx.refuse(what, problem, 'invalid');
  if (known === undefined && countOf(ctx.state.feeders.values(), workspaceId) >= TRANSFORMERS_PER_WORKSPACE_MAX) {
    return ctx.refuse(what, `a workspace has at most ${TRANSFORMERS_PER_WORKSPACE_MAX} feeders`, 'limit');
  }
  ctx.emit({ type: 'topology.feeder-set', feeder, actor });
}

function setTransformer(ctx: Context, transformer: Transformer, actor: string): void {
  const what = 'set-transformer';
  const { state } = ctx;
  const { transformerId, workspaceId, feederId, siteIds } = transformer;
  if (!state.workspaces.has(workspaceId)) return ctx.refuse(what, `${workspaceId}: no such workspace`, 'unknown');
  const known = state.transformers.get(transformerId);
  if (known !== undefined && known.workspaceId !== workspaceId) return ctx.refuse(what, `${transformerId} exists`);
  const problem = transformerProblem(transformer);
  if (problem !== null) return ctx.refuse(what, problem, 'invalid');
  if (feederId !== null && state.feeders.get(feederId)?.workspaceId !== workspaceId) {
    return ctx.refuse(what, `feederId: ${feederId}: no such feeder`, 'unknown');
  }
  const foreign = siteIds.find((id) => state.sites.get(id)?.workspaceId !== workspaceId);
  if (foreign !== undefined) return ctx.refuse(what, `siteIds: ${foreign}: no such site`, 'unknown');
  const taken = siteIds.find((id) => (state.transformerOfSite.get(id) ?? transformerId) !== transformerId);
  if (taken !== undefined) {
    return ctx.refuse(what, `siteIds: ${taken} is under ${state.transformerOfSite.get(taken)} already`);
  }
  if (known === undefined && countOf(state.transformers.values(), workspaceId) >= TRANSFORMERS_PER_WORKSPACE_MAX) {
    return ctx.refuse(what, `a workspace has at most ${TRANSFORMERS_PER_WORKSPACE_MAX} transformers`, 'limit');
  }
  ctx.emit({ type: 'topology.transformer-set', transformer, actor });
}

function countOf(all: Iterable<{ readonly workspaceId: string }>, workspaceId: string): number {
  let n = 0;
  for (const x of all) if (x.workspaceId === workspaceId) n += 1;
  return n;
}

export function applyTopology(state: CoreState, fact: TopologyFact): void {
  switch (fact.type) {
    case 'topology.feeder-set':
      state.feeders.set(fact.feeder.feederId, fact.feeder);
      return;
    case 'topology.feeder-removed':
      state.feeders.delete(fact.feederId);
      return;
    case 'topology.transformer-set': {
      const { transformer } = fact;
      freeSites(state, transformer.transformerId);
      state.transformers.set(transformer.transformerId, transformer);
      for (const siteId of transformer.siteIds) state.transformerOfSite.set(siteId, transformer.transformerId);
      return;
    }
    case 'topology.transformer-removed':
      freeSites(state, fact.transformerId);
      state.transformers.delete(fact.transformerId);
  }
}

function freeSites(state: CoreState, transformerId: string): void {
  for (const siteId of state.transformers.get(transformerId)?.siteIds ?? []) state.transformerOfSite.delete(siteId);
}

// --- loading ---

/** A transformer or a feeder with the sites below it. */
export interface GridNode {
  readonly kind: 'transformer' | 'feeder';
  readonly id: string;
  readonly ratingVa: number | null;
  readonly powerFactor: number;
  readonly siteIds: readonly string[];
}

export const nodeOfTransformer = (t: Transformer): GridNode => ({
  kind: 'transformer',
  id: t.transformerId,
  ratingVa: t.ratingVa,
  powerFactor: t.powerFactorAssumed,
  siteIds: t.siteIds,
});

/** A feeder's sites are those of its transformers; where they assume different power factors, the lowest. */
export function nodeOfFeeder(state: CoreState, f: Feeder): GridNode {
  const own = [...state.transformers.values()].filter((t) => t.feederId === f.feederId);
  return {
    kind: 'feeder',
    id: f.feederId,
    ratingVa: f.ratingVa,
    powerFactor: own.length === 0 ? POWER_FACTOR_ASSUMED : Math.min(...own.map((t) => t.powerFactorAssumed)),
    siteIds: own.flatMap((t) => t.siteIds),
  };
}

/** @returns loading now; null when there is no such transformer */
export function loadingOf(
  state: CoreState,
  telemetry: TelemetryStore,
  transformerId: string,
  nowMs: EpochMs,
): Loading | null {
  const t = state.transformers.get(transformerId);
  return t === undefined ? null : nodeLoading(state, telemetry, nodeOfTransformer(t), nowMs);
}

/** @returns loading now; null when there is no such feeder */
export function feederLoadingOf(
  state: CoreState,
  telemetry: TelemetryStore,
  feederId: string,
  nowMs: EpochMs,
): Loading | null {
  const f = state.feeders.get(feederId);
  return f === undefined ? null : nodeLoading(state, telemetry, nodeOfFeeder(state, f), nowMs);
}

function nodeLoading(state: CoreState, telemetry: TelemetryStore, node: GridNode, nowMs: EpochMs): Loading {
  const flows = node.siteIds.map((siteId) => flowOf(state, telemetry, siteId, nowMs));
  return loadingOfFlows(flows, node.ratingVa, node.powerFactor);
}
