import { SETTING_NOT_AFTER_MS } from '../domain/applianceCommand.ts';
import type { CommandCause } from '../domain/command.ts';
import { invariant } from '../domain/errors.ts';
import { BATTERY_SLUG, knows, type Order } from '../domain/order.ts';
import { unknownTo } from '../domain/setting.ts';
import type { EpochMs } from '../domain/units.ts';
import { type AnyEntry, anyDevice, deviceOf, isBattery } from './anyDevice.ts';
import type { Ruling } from './applianceState.ts';
import { acceptSetting, issueSettings, planSettings, settingRefusal } from './appliances.ts';
import {
  accept,
  type BatchPlan,
  commandObstacle,
  issueBatch,
  type Obstacle,
  openEntry,
  planBatch,
} from './commands.ts';
import type { Context } from './context.ts';

/**
 * Orders to devices of any kind: what schedules and automations give goes through here to the commands of batteries or to
 * the settings of the others. An order to a battery always has an end; one without leaves a setting standing.
 */
export interface OrderRequest {
  readonly workspaceId: string;
  readonly order: Order;
  readonly startMs: EpochMs;
  /** null = it stands until the next one. */
  readonly endMs: EpochMs | null;
  readonly actor: string;
}

/** Why a device cannot take an order at all; null if it can. */
export function orderObstacle(ctx: Context, request: OrderRequest & { readonly deviceId: string }): Obstacle | null {
  const { workspaceId, deviceId, order } = request;
  const entry = anyDevice(ctx.state, deviceId);
  const device = entry === undefined ? undefined : deviceOf(entry);
  if (device?.workspaceId !== workspaceId) return { why: 'no such device', code: 'unknown' };
  if (!knows(device.kind, order)) return { why: unknownTo(device.kind, order.slug), code: 'invalid' };
  if (order.slug !== BATTERY_SLUG) return settingRefusal(ctx, { ...request, setting: order, ...lifeOf(request) });
  return commandObstacle(ctx, { ...request, input: order.input, endMs: endOf(request) });
}

/** When a setting leaves at the latest: in its window. */
const lifeOf = ({ startMs, endMs }: OrderRequest) => ({
  notAfterMs: Math.min(startMs + SETTING_NOT_AFTER_MS, endMs ?? Number.POSITIVE_INFINITY),
});

function endOf({ order, endMs }: OrderRequest): EpochMs {
  invariant(endMs !== null, `${order.slug} without an end`);
  return endMs;
}

/** Accepts an order that has no obstacle. @returns the id of the command */
export function giveOrder(
  ctx: Context,
  request: OrderRequest & { readonly deviceId: string },
  cause: CommandCause,
): string {
  const { deviceId, order, startMs } = request;
  if (order.slug !== BATTERY_SLUG) {
    return acceptSetting(ctx, { ...request, setting: order, ...lifeOf(request) }, cause);
  }
  const endMs = endOf(request);
  return accept(ctx, { deviceId, input: order.input, startMs, endMs, notAfterMs: endMs, cause });
}

/** Devices with a tag, or of a list; then the tag is empty. */
export interface OrderBatch extends OrderRequest {
  readonly tag: string;
  readonly deviceIds?: readonly string[];
}

export function planOrders(ctx: Context, batch: OrderBatch, holdsBack: (device: AnyEntry) => string | null): BatchPlan {
  const { order } = batch;
  return order.slug === BATTERY_SLUG
    ? planBatch(ctx, { ...batch, input: order.input, endMs: endOf(batch) }, holdsBack)
    : planSettings(ctx, { ...batch, setting: order, ...lifeOf(batch) }, holdsBack);
}

export function issueOrders(
  ctx: Context,
  batch: OrderBatch,
  plan: Extract<BatchPlan, { kind: 'batch' }>,
  cause: CommandCause,
): void {
  const { order } = batch;
  if (order.slug === BATTERY_SLUG) {
    return issueBatch(ctx, { ...batch, input: order.input, endMs: endOf(batch) }, plan, cause);
  }
  issueSettings(ctx, { ...batch, setting: order, ...lifeOf(batch) }, plan, cause);
}

/** What a device does now, or next, in the matter of an order, and who said so; null = nobody's command rules there. */
export function rulingOf(ctx: Context, entry: AnyEntry, slug: Order['slug']): Ruling | null {
  const found = slug === BATTERY_SLUG ? openOf(ctx, entry) : entry.rulings.get(slug);
  if (found === null || found === undefined) return null;
  return found.endMs === null || found.endMs > ctx.nowMs ? found : null;
}

const openOf = (ctx: Context, entry: AnyEntry): Ruling | null =>
  isBattery(entry) ? (openEntry(ctx, entry)?.command ?? null) : null;
