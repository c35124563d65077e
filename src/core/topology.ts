import {
  type Feeder,
  feederProblem,
  type Loading,
  loadingOfFlows,
  POWER_FACTOR_ASSUMED,
  type SiteFlow,
  type TopologyFact,
  TRANSFORMERS_PER_WORKSPACE_MAX,
  type Transformer,
  transformerProblem,
} from '../domain/topology.ts';
import { type EpochMs, MS_PER_HOUR } from '../domain/units.ts';
import type { Context } from './context.ts';
import type { CoreState } from './state.ts';
import type { TelemetryStore } from './telemetry.ts';

/**
 * Transformers and feeders as the core knows them, and what flows through them now. Where the figures come from, in this
 * order: a device's sample of the site's meter, the newest meter interval of the site, and for a site that is a
 * utility-scale battery and nothing else the battery's own meter. Older than LOADING_FRESH_MS is not known.
 */
export const LOADING_FRESH_MS = MS_PER_HOUR;

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

/** What is known of a site's meter: a device's sample of it, else its newest meter interval, if either is fresh. */
export function flowOf(state: CoreState, telemetry: TelemetryStore, siteId: string, nowMs: EpochMs): SiteFlow {
  const seen = [...(state.devicesBySite.get(siteId) ?? [])].flatMap((deviceId) => {
    const o = telemetry.latest.get(deviceId);
    const isFresh = o !== undefined && nowMs - o.state.sampledAtMs <= LOADING_FRESH_MS;
    return isFresh ? [{ deviceId, o }] : [];
  });
  const metered = seen.find(({ o }) => o.state.gridPower !== null);
  if (metered?.o.state.gridPower != null) {
    return { siteId, importW: metered.o.state.gridPower, importVar: null, atMs: metered.o.state.sampledAtMs };
  }
  return meterFlow(telemetry, siteId, nowMs) ?? storageFlow(state, telemetry, siteId, seen);
}

function meterFlow(telemetry: TelemetryStore, siteId: string, nowMs: EpochMs): SiteFlow | null {
  const meter = telemetry.meters.get(siteId);
  const wh = meter?.gridWh.at(-1);
  if (meter === undefined || wh === undefined || Number.isNaN(wh)) return null;
  const endMs = meter.startMs + meter.gridWh.length * meter.stepMs;
  if (nowMs - endMs > LOADING_FRESH_MS) return null;
  return { siteId, importW: (wh * MS_PER_HOUR) / meter.stepMs, importVar: null, atMs: endMs };
}

/** A utility-scale battery's own meter is the site's, where there is nothing else at the site. */
function storageFlow(
  state: CoreState,
  telemetry: TelemetryStore,
  siteId: string,
  seen: readonly { readonly deviceId: string }[],
): SiteFlow {
  const ids = [...(state.devicesBySite.get(siteId) ?? [])];
  const unknown = { siteId, importW: null, importVar: null, atMs: null };
  const isStorage = ids.length > 0 && ids.every((id) => state.devices.get(id)?.device.kind === 'bess');
  if (!isStorage || seen.length < ids.length) return unknown;
  let importW = 0;
  let importVar: number | null = 0;
  let atMs = Number.POSITIVE_INFINITY;
  for (const id of ids) {
    const o = telemetry.latest.get(id);
    if (o === undefined || !Number.isFinite(o.state.chargeRate)) return unknown;
    importW -= o.state.chargeRate;
    const reactive = telemetry.utility.get(id)?.reactivePowerVar ?? null;
    importVar = importVar === null || reactive === null ? null : importVar - reactive;
    atMs = Math.min(atMs, o.state.sampledAtMs);
  }
  return { siteId, importW: importW + 0, importVar, atMs };
}

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
