import { z } from 'zod';
import { type Appliance, SETTING_NOT_AFTER_MS } from '../../domain/applianceCommand.ts';
import { SETTINGS, type Setting, type SettingSlug } from '../../domain/setting.ts';
import { isoUtc } from '../../domain/time.ts';
import { type EpochMs, MS_PER_DAY } from '../../domain/units.ts';
import { applianceCommandView, applianceView, inputSchema, ownAppliance, settingOf } from '../appliances.ts';
import { ownSite } from '../owned.ts';
import { ProblemError } from '../problems.ts';
import { type Answer, type Asked, type Route, route } from '../route.ts';
import * as s from '../schemas.ts';
import type { Decided } from '../service.ts';
import { randomId } from '../tools.ts';
import { commandSchema } from '../views.ts';

/**
 * Settings of chargers, vehicles, thermostats, inverters, and the reserve of batteries, one route a slug; the routes are made from the table of
 * commands. Lists, tags and cancelling are those of all devices.
 * @source TextureHQ/docs platform-concepts/commands @022f132: slugs, inputs; inverter:set-export-limit is our own
 */
const WINDOW_MS_MAX = 7 * MS_PER_DAY;

/** Beyond the fastest chargers of trucks, 3.75 MW. From memory of the Megawatt Charging System, not checked. */
const CHARGE_W_MAX = 4_000_000;

export const applianceBody = z.strictObject({
  siteId: s.id('siteId'),
  type: s.choice(['charger', 'vehicle', 'thermostat', 'inverter']),
  manufacturer: s.text('manufacturer', 100),
  model: s.text('model', 100),
  name: z.optional(s.text('name')),
  referenceId: z.optional(s.text('referenceId', 100)),
  chargeWMax: z.optional(s.number('chargeWMax of a charger or vehicle [W]', { min: 1, max: CHARGE_W_MAX })),
  source: z.strictObject({
    kind: z.literal('oem', { error: 'kind "oem"' }),
    oem: s.choice(['open']),
    vendorDeviceId: s.id('vendorDeviceId'),
  }),
  tags: z.optional(s.tags()),
});

/** @throws ProblemError when the site is not the caller's, or the device is connected already */
export function connectAppliance(asked: Asked, body: z.output<typeof applianceBody>): Promise<Answer> {
  const { siteId, type: kind, manufacturer, model, name, referenceId, chargeWMax, source, tags = [] } = body;
  const { workspaceId } = asked;
  if (chargeWMax !== undefined && kind !== 'charger' && kind !== 'vehicle') {
    const error = { place: 'chargeWMax', found: `${chargeWMax}`, expected: `nothing: a ${kind} does not charge` };
    throw new ProblemError('invalid_request', 'the device', { errors: [error] });
  }
  ownSite(asked, siteId);
  const deviceId = randomId(asked.face.tools, 'dev');
  const bare = { deviceId, workspaceId, siteId, kind, manufacturer, model, source, tags };
  const appliance: Appliance = {
    ...bare,
    ...(name === undefined ? {} : { name }),
    ...(referenceId === undefined ? {} : { referenceId }),
    ...(chargeWMax === undefined ? {} : { chargeWMax }),
  };
  return asked.change({ kind: 'connect-appliance', appliance }, () => {
    const entry = ownAppliance(asked, deviceId);
    if (entry === null) throw new ProblemError('internal', 'a device was connected and is not there');
    return { status: 201, body: applianceView(entry, undefined) };
  });
}

const times = { startsAt: z.optional(s.instant()), endsAt: z.optional(s.instant()) };

/** Now, and for good, unless it says otherwise; it must have begun an hour after its start [epoch ms]. */
export function settingWindow(
  asked: { readonly startsAt?: EpochMs | undefined; readonly endsAt?: EpochMs | undefined },
  nowMs: EpochMs,
): { readonly startMs: EpochMs; readonly endMs: EpochMs | null; readonly notAfterMs: EpochMs } {
  const startMs = asked.startsAt ?? nowMs;
  const endMs = asked.endsAt ?? null;
  const at = (place: string, foundMs: EpochMs, expected: string) => ({
    errors: [{ place, found: isoUtc(foundMs), expected }],
  });
  if (endMs !== null && endMs <= startMs) {
    throw new ProblemError('invalid_request', 'the window', at('endsAt', endMs, `after ${isoUtc(startMs)}`));
  }
  const notAfterMs = Math.min(startMs + SETTING_NOT_AFTER_MS, endMs ?? Number.POSITIVE_INFINITY);
  if (notAfterMs <= nowMs) {
    throw new ProblemError('window_in_past', 'the window', at('startsAt', startMs, `about ${isoUtc(nowMs)} or later`));
  }
  const lastMs = endMs ?? startMs;
  if (lastMs - Math.min(startMs, nowMs) > WINDOW_MS_MAX) {
    const place = endMs === null ? 'startsAt' : 'endsAt';
    throw new ProblemError('window_too_long', 'the window', at(place, lastMs, 'within 7 days'));
  }
  return { startMs, endMs, notAfterMs };
}

function accepted(asked: Asked, { facts }: Decided): Answer {
  const fact = facts.find((f) => f.type === 'appliance.command-accepted');
  const id = fact?.type === 'appliance.command-accepted' ? fact.command.commandId : '';
  const entry = asked.state.applianceCommands.get(id);
  if (entry === undefined) throw new ProblemError('internal', 'a command was accepted and is not there');
  return { status: 202, body: applianceCommandView(entry) };
}

/** "vehicle:set-charge-limit" → "/v1/commands/vehicle/set-charge-limit". */
const pathOf = (slug: SettingSlug): string => `/v1/commands/${slug.replace(':', '/')}`;

function create(slug: SettingSlug): Route {
  const { description, deviceKind, provenance } = SETTINGS[slug];
  return route({
    method: 'POST',
    path: pathOf(slug),
    tag: 'Commands',
    summary: description,
    description: `For a ${deviceKind}. The setting stands until the next one; with endsAt, what stood before is set back then, as a command of its own. A newer ${slug} takes the place of the open one. Source of the input: ${provenance.source} (${provenance.standing}).`,
    scope: 'write:commands',
    body: z.strictObject({ deviceId: s.id('deviceId'), input: inputSchema(slug), ...times }),
    answers: { 202: { means: 'Recorded; the status tells what became of it so far', body: commandSchema } },
    problems: [
      'not_found',
      'conflict',
      'unprocessable',
      'unsupported_by_device',
      'window_in_past',
      'window_too_long',
      'local_time',
    ],
    handle: (asked) => {
      const { deviceId, input, ...window } = asked.body;
      const setting: Setting = settingOf(slug, input);
      const { workspaceId, nowMs, principal } = asked;
      const request = { workspaceId, deviceId, setting, ...settingWindow(window, nowMs), actor: principal.actor };
      return asked.change({ kind: 'appliance-command', request }, (decided) => accepted(asked, decided));
    },
  });
}

export const applianceRoutes: readonly Route[] = Object.values(SETTINGS).map(({ slug }) => create(slug));

/** One of a batch: its slug, and the input of that slug. */
export const batchSettings = () =>
  Object.values(SETTINGS).map(({ slug }) => z.strictObject({ slug: z.literal(slug), input: inputSchema(slug) }));
