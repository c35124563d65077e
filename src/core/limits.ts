import type { CommandInput } from '../domain/command.ts';
import { activeLimitW, type Feeder, type Transformer } from '../domain/topology.ts';
import { type EpochMs, splitWhole } from '../domain/units.ts';
import { chargingDoneW, knownStartW, seenChargingW } from './charging.ts';
import { type Context, capabilitiesOf } from './context.ts';
import { signedPowerW } from './routing.ts';
import { flowOf } from './siteFlow.ts';
import type { DeviceEntry } from './state.ts';
import { feederLoadingOf, type GridNode, loadingOf, nodeOfFeeder, nodeOfTransformer } from './topology.ts';

/**
 * Ratings of transformers and feeders in what the core plans and accepts (promise S4).
 *
 * What flows without batteries and vehicles, base = Σ import of the known sites + Σ discharge of their batteries − Σ power
 * into their vehicles, is not the core's to change; those are. With L the most active power that keeps the rating, they
 * may together discharge at most L + base and charge at most L − base. What is asked of batteries above that is cut in
 * proportion; a charger or vehicle starts whole or not at all. A site that is not known keeps its equal share of the
 * rating for itself. Batteries and vehicles that are not asked count with what they do or are told to do, in the direction
 * that loads more: one that charges makes no room for another to discharge.
 * Left out: what homes do by themselves after an event (the rebound of their own strategies), and more PV where an export
 * limit is lifted, is seen, and alerted, but not commanded; phases are taken to be balanced; losses and voltage are not
 * looked at.
 */

/** One device of a plan, in one direction [W], ≥ 0. */
export interface Asked {
  readonly deviceId: string;
  /** What it does in any case. */
  readonly fixedW: number;
  /** What more it is asked for, or can give. */
  readonly moreW: number;
  /** It gives all of that or nothing. */
  readonly isWhole: boolean;
}

export interface Cut {
  /** What is left of moreW [W], whole. */
  readonly moreW: number;
  /** "transformer tr-1": the last that cut it. */
  readonly by: string;
}

export type Direction = 'discharge' | 'charge';

export interface Window {
  readonly startMs: EpochMs;
  readonly endMs: EpochMs;
}

/**
 * Cuts what devices are asked for so that no transformer and no feeder above them goes over its rating: transformers
 * first, then feeders, each in the order of its id. The result depends on figures and ids, not on the order of the input.
 * @returns what was cut; a device that is absent keeps all it was asked for
 */
export function fitUnderLimits(
  ctx: Context,
  request: { readonly direction: Direction; readonly asked: readonly Asked[]; readonly window: Window },
): ReadonlyMap<string, Cut> {
  const cuts = new Map<string, Cut>();
  const siteOf = (deviceId: string): string => ctx.state.devices.get(deviceId)?.device.siteId ?? '';
  const bySite = new Map<string, Asked[]>();
  for (const a of request.asked) bySite.set(siteOf(a.deviceId), [...(bySite.get(siteOf(a.deviceId)) ?? []), a]);
  for (const node of nodesAbove(ctx, [...bySite.keys()])) {
    const own = node.siteIds.flatMap((siteId) => bySite.get(siteId) ?? []).sort(byId);
    const without = new Set(own.map((a) => a.deviceId));
    const room = roomW(ctx, node, { ...request, without });
    const left = own.map((a) => ({ ...a, moreW: cuts.get(a.deviceId)?.moreW ?? a.moreW }));
    const freeW = Math.max(0, Math.floor(room - sum(own.map((a) => a.fixedW))));
    if (sum(left.map((a) => a.moreW)) <= freeW) continue;
    for (const [deviceId, moreW] of inProportion(left, freeW))
      cuts.set(deviceId, { moreW, by: `${node.kind} ${node.id}` });
  }
  return cuts;
}

/** Those that know only on and off: as many, by id, as fit into their part together. The others share the rest. */
function inProportion(asked: readonly Asked[], freeW: number): Map<string, number> {
  const parts = new Map<string, number>();
  const whole = asked.filter((a) => a.isWhole);
  const totalW = sum(asked.map((a) => a.moreW));
  const wholeW = sum(whole.map((a) => a.moreW));
  let usedW = 0;
  for (const a of whole) {
    const fits = (usedW + a.moreW) * totalW <= freeW * wholeW;
    parts.set(a.deviceId, fits ? a.moreW : 0);
    if (fits) usedW += a.moreW;
  }
  const smooth = asked.filter((a) => !a.isWhole);
  const wants = smooth.map((a) => a.moreW);
  const shares = splitWhole(Math.min(freeW - usedW, sum(wants)), wants);
  for (const [i, a] of smooth.entries()) parts.set(a.deviceId, shares[i] ?? 0);
  return parts;
}

/** Transformers and feeders with a rating above any of these sites: transformers first, by id. */
function nodesAbove(ctx: Context, siteIds: readonly string[]): GridNode[] {
  const { state } = ctx;
  if (state.transformers.size === 0) return [];
  const transformers = new Map<string, Transformer>();
  for (const siteId of siteIds) {
    const t = state.transformers.get(state.transformerOfSite.get(siteId) ?? '');
    if (t !== undefined) transformers.set(t.transformerId, t);
  }
  const feeders = new Map<string, Feeder>();
  for (const { feederId } of transformers.values()) {
    const f = state.feeders.get(feederId ?? '');
    if (f !== undefined && f.ratingVa !== null) feeders.set(f.feederId, f);
  }
  const byId = (a: GridNode, b: GridNode): number => (a.id < b.id ? -1 : 1);
  return [
    ...[...transformers.values()].map(nodeOfTransformer).sort(byId),
    ...[...feeders.values()].map((f) => nodeOfFeeder(state, f)).sort(byId),
  ];
}

/** What the devices that are asked may discharge or charge together under a node [W]; may be negative. */
function roomW(
  ctx: Context,
  node: GridNode,
  request: { readonly direction: Direction; readonly window: Window; readonly without: ReadonlySet<string> },
): number {
  const flows = node.siteIds.map((siteId) => flowOf(ctx.state, ctx.telemetry, siteId, ctx.nowMs));
  const limitW = activeLimitW(flows, node.ratingVa ?? 0, node.powerFactor);
  let baseW = 0;
  let othersW = 0;
  for (const flow of flows) {
    baseW += flow.importW ?? 0;
    for (const deviceId of ctx.state.devicesBySite.get(flow.siteId) ?? []) {
      const device = ctx.state.devices.get(deviceId);
      if (device === undefined) continue;
      if (flow.importW !== null) baseW += seenW(ctx, deviceId);
      if (!request.without.has(deviceId)) othersW += doneW(ctx, device, request);
    }
    if (!ctx.state.appliancesBySite.has(flow.siteId)) continue;
    const chargingW = seenChargingW(ctx.state, ctx.telemetry, flow.siteId, ctx.nowMs);
    if (flow.importW !== null) baseW -= chargingW;
    othersW +=
      request.direction === 'charge' ? chargingDoneW(ctx, flow.siteId, request.window) : Math.max(0, -chargingW);
  }
  return limitW + (request.direction === 'discharge' ? baseW : -baseW) - othersW;
}

const seenW = (ctx: Context, deviceId: string): number => {
  const rateW = ctx.telemetry.latest.get(deviceId)?.state.chargeRate ?? 0;
  return Number.isFinite(rateW) ? rateW : 0;
};

/** What a command makes of a device [W], + discharge: one that knows only on and off gives all it has. */
function givenW(ctx: Context, device: DeviceEntry, { powerW, ...rest }: CommandInput): number {
  const isWhole = powerW === undefined || capabilitiesOf(ctx, device)?.powerControl === 'on-off';
  return signedPowerW(device, isWhole ? rest : { ...rest, powerW });
}

/** What a device does, or is told to do in the window, in the direction; the larger of the two [W], ≥ 0. */
function doneW(
  ctx: Context,
  device: DeviceEntry,
  { direction, window }: { readonly direction: Direction; readonly window: Window },
): number {
  const sign = direction === 'discharge' ? 1 : -1;
  const open = ctx.state.commands.get(device.openCommandId ?? '')?.command;
  const overlaps = open !== undefined && open.startMs < window.endMs && window.startMs < open.endMs;
  const toldW = overlaps ? givenW(ctx, device, open.input) : 0;
  return Math.max(0, sign * toldW, sign * seenW(ctx, device.device.deviceId));
}

/** Why a single command would overload what is above its device, with the figures; null if it fits. */
export function overloadOf(ctx: Context, device: DeviceEntry, input: CommandInput, window: Window): string | null {
  const powerW = givenW(ctx, device, input);
  if (powerW === 0 || ctx.state.transformers.size === 0) return null;
  const asked = { deviceId: device.device.deviceId, fixedW: 0, moreW: Math.abs(powerW), isWhole: false };
  const direction = powerW > 0 ? 'discharge' : 'charge';
  const cut = fitUnderLimits(ctx, { direction, asked: [asked], window }).get(asked.deviceId);
  if (cut === undefined) return null;
  return `transformer_limit: ${direction} of ${asked.moreW} W would load ${cut.by}${figures(ctx, cut.by)} over its rating; ${cut.moreW} W fit`;
}

/**
 * Chargers and vehicles that are told to start, one after the other by id: whole or not at all, as long as there is room
 * with what those before them draw. What their site's vehicles draw already is not asked for again.
 * @returns why, for those that do not fit
 */
export function startsUnderLimits(
  ctx: Context,
  request: { readonly deviceIds: readonly string[]; readonly window: Window },
): ReadonlyMap<string, string> {
  const refused = new Map<string, string>();
  if (ctx.state.transformers.size === 0) return refused;
  const siteOf = (deviceId: string): string => ctx.state.appliances.get(deviceId)?.appliance.siteId ?? '';
  const left = leftForCharging(ctx, request.deviceIds.map(siteOf), request.window);
  const started = new Map<string, Set<string>>();
  for (const deviceId of [...request.deviceIds].sort()) {
    const siteId = siteOf(deviceId);
    const before = started.get(siteId) ?? new Set<string>();
    const after = new Set([...before, deviceId]);
    const doneW = (devices: ReadonlySet<string>) => chargingDoneW(ctx, siteId, request.window, devices);
    const moreW = doneW(after) - doneW(before);
    const above = left.get(siteId) ?? [];
    const full = above.find((n) => n.freeW < moreW);
    if (full === undefined) {
      for (const n of above) n.freeW -= moreW;
      started.set(siteId, after);
      continue;
    }
    const guess = knownStartW(ctx, deviceId) === null ? ', assumed as nothing is known of it,' : '';
    const why = `a start that draws ${moreW} W more${guess} would load ${full.by}${figures(ctx, full.by)} over its rating`;
    refused.set(deviceId, `transformer_limit: ${why}; ${full.freeW} W fit`);
  }
  return refused;
}

interface Left {
  readonly by: string;
  /** Room for more charging [W], ≥ 0, whole. */
  freeW: number;
}

/** Site → what is above it; the same node is the same object for all its sites. */
function leftForCharging(
  ctx: Context,
  siteIds: readonly string[],
  window: Window,
): ReadonlyMap<string, readonly Left[]> {
  const above = new Map<string, Left[]>();
  for (const node of nodesAbove(ctx, siteIds)) {
    const room = roomW(ctx, node, { direction: 'charge', window, without: new Set() });
    const left = { by: `${node.kind} ${node.id}`, freeW: Math.max(0, Math.floor(room)) };
    for (const siteId of node.siteIds) above.set(siteId, [...(above.get(siteId) ?? []), left]);
  }
  return above;
}

function figures(ctx: Context, by: string): string {
  const at = by.indexOf(' ');
  const id = by.slice(at + 1);
  const { state, telemetry, nowMs } = ctx;
  const of = by.slice(0, at) === 'feeder' ? feederLoadingOf : loadingOf;
  const l = of(state, telemetry, id, nowMs);
  if (l === null) return '';
  const seen = l.apparentVa === null ? 'not known' : `${Math.round(l.apparentVa)} VA`;
  return ` (${l.ratingVa} VA, now ${seen}, ${l.sitesKnown} of ${l.sitesTotal} sites known)`;
}

/** The same command for many devices, as far as it fits: the power of each [W], null = as asked; and who is left out. */
export function batchUnderLimits(
  ctx: Context,
  request: { readonly deviceIds: readonly string[]; readonly input: CommandInput; readonly window: Window },
): {
  readonly inputs: readonly { readonly deviceId: string; readonly input: CommandInput }[];
  readonly skipped: readonly { readonly deviceId: string; readonly why: string }[];
} {
  const { deviceIds, input, window } = request;
  const asked = deviceIds.flatMap((deviceId) => {
    const device = ctx.state.devices.get(deviceId);
    const moreW = device === undefined ? 0 : Math.abs(givenW(ctx, device, input));
    const isWhole = device !== undefined && capabilitiesOf(ctx, device)?.powerControl === 'on-off';
    return moreW === 0 ? [] : [{ deviceId, fixedW: 0, moreW, isWhole }];
  });
  const direction = input.operatingMode === 'charge' ? 'charge' : 'discharge';
  const cuts = fitUnderLimits(ctx, { direction, asked, window });
  const wanted = new Map(asked.map((a) => [a.deviceId, a.moreW]));
  const isLeft = (deviceId: string): boolean => cuts.get(deviceId)?.moreW !== 0;
  return {
    inputs: deviceIds.filter(isLeft).map((deviceId) => {
      const cut = cuts.get(deviceId);
      const isSame = cut === undefined || cut.moreW === wanted.get(deviceId);
      return { deviceId, input: isSame ? input : { ...input, powerW: cut.moreW } };
    }),
    skipped: deviceIds
      .filter((id) => !isLeft(id))
      .map((deviceId) => {
        return { deviceId, why: `transformer_limit: ${cuts.get(deviceId)?.by} has no room` };
      }),
  };
}

const byId = (a: Asked, b: Asked): number => (a.deviceId < b.deviceId ? -1 : 1);

const sum = (xs: readonly number[]): number => xs.reduce((a, b) => a + b, 0);
