import { z } from 'zod';
import { allDevices, deviceOf } from '../../core/anyDevice.ts';
import { membersOf } from '../../core/groups.ts';
import type { Appliance } from '../../domain/applianceCommand.ts';
import type { Device } from '../../domain/device.ts';
import {
  type DeviceWindows,
  METRIC_KINDS,
  METRICS,
  type Metric,
  type MetricRange,
  type MetricWindow,
  neededOf,
  type SumWindow,
  siteWindows,
  sumOfSites,
  windowLengthMs,
} from '../../domain/metric.ts';
import { isoUtc } from '../../domain/time.ts';
import { MS_PER_DAY, MS_PER_HOUR, MS_PER_MIN } from '../../domain/units.ts';
import { ownAny } from '../anyDevice.ts';
import { ownSite } from '../owned.ts';
import { notFound, ProblemError } from '../problems.ts';
import { type Asked, ok, type Route, route } from '../route.ts';
import * as s from '../schemas.ts';
import { range, rangeOf } from './records.ts';

/** Energy by windows, of devices, sites and groups. What it means is said at the domain's metrics. */

/** @source TextureHQ/docs metrics: FIFTEEN_MINUTES, HOUR, DAY; longer ones are sums over local months, which are not ours to guess */
const WINDOWS = { FIFTEEN_MINUTES: 15 * MS_PER_MIN, HOUR: MS_PER_HOUR, DAY: MS_PER_DAY } as const;
const WINDOWS_MAX = 20_000;

const query = z.strictObject({
  ...range,
  deviceId: z.optional(s.several(s.pathId())),
  siteId: z.optional(s.several(s.pathId())),
  groupId: z.optional(s.pathId()),
  groupBy: z.optional(s.choice(['DEVICE', 'SITE', 'GROUP'])),
  windowSize: z.optional(s.choice(['FIFTEEN_MINUTES', 'HOUR', 'DAY'])),
});
const pointSchema = z.strictObject({
  ts: s.wireInstant(),
  v: z.number(),
  knownRatio: z.number(),
  deviceId: z.nullable(z.string()),
  siteId: z.nullable(z.string()),
  groupId: z.nullable(z.string()),
});
type Point = z.output<typeof pointSchema>;

const metrics = route({
  method: 'GET',
  path: '/v1/metrics/{metric}',
  tag: 'Telemetry',
  summary: 'Energy per window and device, site or group [Wh]; windows are of UTC',
  description: `${METRICS.join(', ')}. A sample of power holds until the next one, an hour at most; energy is the sum of that over what is known. A window without a sample is left out: unknown is not zero; knownRatio tells how much of a window, of all devices that count, is known. consumption: what batteries, chargers and vehicles take in; production: what batteries give and inverters produce; generation: inverters alone; grid-energy: at the site's meter, positive = import; storage: at the last sample of the window. deviceId, siteId and groupId narrow it down together. groupBy SITE adds the devices of a site, GROUP those of groupId; there the site's meter counts once, and of the chargers' and the vehicles' energy at a site in a window the larger, because both tell of the same.`,
  scope: 'read',
  params: z.strictObject({ metric: s.choice(METRICS) }),
  query,
  answers: {
    200: {
      means: 'The points, by device, site or group, oldest first',
      body: z.strictObject({ data: z.array(pointSchema) }),
    },
  },
  problems: ['not_found', 'local_time', 'limit_reached'],
  handle: (asked) => {
    const { metric } = asked.params;
    const { groupBy = 'DEVICE', groupId, windowSize = 'HOUR', ...rest } = asked.query;
    if (groupBy === 'GROUP' && groupId === undefined) {
      const expected = 'the group to add up';
      throw new ProblemError('invalid_request', 'groupBy', {
        errors: [{ place: 'groupId', found: 'nothing', expected }],
      });
    }
    const devices = devicesOf(asked, asked.query).filter((d) => METRIC_KINDS[metric].includes(d.kind));
    const { fromMs, toMs } = rangeOf(rest, asked.nowMs);
    const windowMs = WINDOWS[windowSize];
    const count = devices.length * Math.ceil((toMs - fromMs) / windowMs);
    if (count > WINDOWS_MAX) {
      const fewer = 'ask for fewer devices or a shorter time';
      throw new ProblemError('limit_reached', `${count} windows, at most ${WINDOWS_MAX}: ${fewer}`);
    }
    // What a device will do is not known: its last power holds until now at most.
    const request = { metric, windowMs, range: { fromMs, toMs: Math.min(toMs, asked.nowMs + 1) } };
    const own = windowsOf(asked, devices, request);
    if (groupBy === 'DEVICE') return ok({ data: own.flatMap((d) => pointsOfDevice(d, request)) });
    const sites = bySite(own).map(([siteId, of]) => {
      const needed = neededOf(metric, of.length);
      return { siteId, needed, windows: siteWindows(metric, of) };
    });
    const id = groupId ?? null;
    if (groupBy === 'SITE') {
      const data = sites.flatMap(({ siteId, windows }) =>
        pointsOf(windows, request, { deviceId: null, siteId, groupId: id }),
      );
      return ok({ data });
    }
    const needed = sites.reduce((sum, site) => sum + site.needed, 0);
    const all = sumOfSites(
      sites.map((site) => site.windows),
      needed,
    );
    return ok({ data: pointsOf(all, request, { deviceId: null, siteId: null, groupId: id }) });
  },
});

interface Request {
  readonly metric: Metric;
  readonly windowMs: number;
  readonly range: MetricRange;
}

interface OwnWindows extends DeviceWindows {
  readonly siteId: string;
}

/** The caller's devices that are meant; what is not there, or another's, is not found. */
function devicesOf(
  asked: Asked,
  { deviceId, siteId, groupId }: z.output<typeof query>,
): readonly (Device | Appliance)[] {
  for (const id of siteId ?? []) ownSite(asked, id);
  const named = deviceId === undefined ? allDevices(asked.state) : deviceId.map((id) => ownAny(asked, id));
  const members = groupId === undefined ? null : idsOfGroup(asked, groupId);
  return [...named].map(deviceOf).filter((d) => {
    const isMeant = (siteId?.includes(d.siteId) ?? true) && (members?.has(d.deviceId) ?? true);
    return d.workspaceId === asked.workspaceId && isMeant;
  });
}

function idsOfGroup(asked: Asked, groupId: string): ReadonlySet<string> {
  if (asked.state.groups.get(groupId)?.workspaceId !== asked.workspaceId) throw notFound('group', groupId);
  return new Set(membersOf(asked.state, groupId).map((entry) => deviceOf(entry).deviceId));
}

function windowsOf(asked: Asked, devices: readonly (Device | Appliance)[], request: Request): OwnWindows[] {
  const found = new Map<string, MetricWindow[]>(devices.map((d) => [d.deviceId, []]));
  const deviceIds = [...found.keys()];
  for (const { deviceId, ...window } of asked.face.service.telemetry.windows({ deviceIds, ...request })) {
    found.get(deviceId)?.push(window);
  }
  const byId = [...new Map(devices.map((d) => [d.deviceId, d])).values()];
  return byId.map(({ deviceId, siteId, kind }) => ({ deviceId, siteId, kind, windows: found.get(deviceId) ?? [] }));
}

function bySite(own: readonly OwnWindows[]): [string, OwnWindows[]][] {
  const sites = new Map<string, OwnWindows[]>();
  for (const d of own) sites.set(d.siteId, [...(sites.get(d.siteId) ?? []), d]);
  return [...sites];
}

const pointsOfDevice = ({ deviceId, siteId, windows }: OwnWindows, request: Request): Point[] =>
  pointsOf(
    windows.map((w) => ({ ...w, devices: 1 })),
    request,
    { deviceId, siteId, groupId: null },
  );

function pointsOf(
  windows: readonly SumWindow[],
  { windowMs, range: within }: Request,
  whose: Pick<Point, 'deviceId' | 'siteId' | 'groupId'>,
): Point[] {
  return windows.map(({ startMs, value, knownMs, devices }) => {
    const wantedMs = devices * windowLengthMs(startMs, windowMs, within);
    const knownRatio = wantedMs === 0 ? 0 : Math.min(1, knownMs / wantedMs);
    return { ts: isoUtc(startMs), v: value, knownRatio, ...whose };
  });
}

export const metricRoutes: readonly Route[] = [metrics];
