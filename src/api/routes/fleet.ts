import { z } from 'zod';
import { type AnyEntry, allDevices, deviceOf } from '../../core/anyDevice.ts';
import type { CoreState } from '../../core/state.ts';
import type { Customer, Device, Site } from '../../domain/device.ts';
import { anySchema, anyView, ownAny } from '../anyDevice.ts';
import { ownCustomer, ownDevice, ownSite } from '../owned.ts';
import { pageOf } from '../page.ts';
import { type Asked, ok, type Route, route } from '../route.ts';
import * as s from '../schemas.ts';
import { randomId } from '../tools.ts';
import { customerSchema, customerView, siteSchema, siteView } from '../views.ts';
import { applianceBody, connectAppliance } from './appliances.ts';

/** Customers, sites, devices, tags. @source TextureHQ/docs data models and batch commands: fields, tag paths */
const tags = s.tags();

const customers: readonly Route[] = [
  route({
    method: 'POST',
    path: '/v1/customers',
    tag: 'Fleet',
    summary: 'Makes a customer, who owns sites',
    scope: 'write:devices',
    body: z.strictObject({ name: s.text('name') }),
    answers: { 201: { means: 'Made', body: customerSchema } },
    handle: (asked) => {
      const customerId = randomId(asked.face.tools, 'cus');
      const customer = { customerId, workspaceId: asked.workspaceId, name: asked.body.name };
      return asked.change({ kind: 'create-customer', customer }, () => ({ status: 201, body: customerView(customer) }));
    },
  }),
  route({
    method: 'GET',
    path: '/v1/customers',
    tag: 'Fleet',
    summary: 'Customers',
    scope: 'read',
    query: z.strictObject(s.paging),
    answers: { 200: { means: 'A page', body: s.page(customerSchema) } },
    handle: (asked) => {
      const isMine = (c: Customer) => c.workspaceId === asked.workspaceId;
      const all = asked.state.customers.values();
      return ok(pageOf({ list: 'customers', all, idOf: (c) => c.customerId, isMine, view: customerView }, asked.query));
    },
  }),
  route({
    method: 'GET',
    path: '/v1/customers/{customerId}',
    tag: 'Fleet',
    summary: 'A customer',
    scope: 'read',
    params: z.strictObject({ customerId: s.pathId() }),
    answers: { 200: { means: 'The customer', body: customerSchema } },
    problems: ['not_found'],
    handle: (asked) => ok(customerView(ownCustomer(asked, asked.params.customerId))),
  }),
];

const sites: readonly Route[] = [
  route({
    method: 'POST',
    path: '/v1/sites',
    tag: 'Fleet',
    summary: 'Makes a site, where devices share a meter',
    scope: 'write:devices',
    body: z.strictObject({
      customerId: s.id('customerId'),
      name: s.text('name'),
      timeZone: s.timeZone(),
      location: z.optional(
        z.strictObject({
          latitude: s.number('latitude [°]', { min: -90, max: 90 }),
          longitude: s.number('longitude [°]', { min: -180, max: 180 }),
        }),
      ),
    }),
    answers: { 201: { means: 'Made', body: siteSchema } },
    problems: ['not_found'],
    handle: (asked) => {
      const { customerId, name, timeZone, location } = asked.body;
      ownCustomer(asked, customerId);
      const { workspaceId } = asked;
      const siteId = randomId(asked.face.tools, 'site');
      const bare = { siteId, workspaceId, customerId, name, timeZone };
      const site: Site = location === undefined ? bare : { ...bare, location };
      return asked.change({ kind: 'create-site', site }, () => ({ status: 201, body: siteView(site) }));
    },
  }),
  route({
    method: 'GET',
    path: '/v1/sites',
    tag: 'Fleet',
    summary: 'Sites',
    scope: 'read',
    query: z.strictObject({ ...s.paging, customerId: z.optional(s.pathId()) }),
    answers: { 200: { means: 'A page', body: s.page(siteSchema) } },
    handle: (asked) => {
      const { customerId } = asked.query;
      const isMine = (x: Site) => x.workspaceId === asked.workspaceId;
      const matches = (x: Site) => customerId === undefined || x.customerId === customerId;
      const all = asked.state.sites.values();
      return ok(pageOf({ list: 'sites', all, idOf: (x) => x.siteId, isMine, matches, view: siteView }, asked.query));
    },
  }),
  route({
    method: 'GET',
    path: '/v1/sites/{siteId}',
    tag: 'Fleet',
    summary: 'A site',
    scope: 'read',
    params: z.strictObject({ siteId: s.pathId() }),
    answers: { 200: { means: 'The site', body: siteSchema } },
    problems: ['not_found'],
    handle: (asked) => ok(siteView(ownSite(asked, asked.params.siteId))),
  }),
];

const BATTERY_TYPES = ['battery', 'bess'] as const;
const APPLIANCE_TYPES = ['charger', 'vehicle', 'thermostat', 'inverter'] as const;
const TYPES = [...BATTERY_TYPES, ...APPLIANCE_TYPES] as const;

const batteryBody = z.strictObject({
  siteId: s.id('siteId'),
  type: s.choice(BATTERY_TYPES),
  manufacturer: s.text('manufacturer', 100),
  model: s.text('model', 100),
  name: z.optional(s.text('name')),
  referenceId: z.optional(s.text('referenceId', 100)),
  nameplate: z.strictObject({
    usableWh: s.whole('usable energy [Wh]', { min: 1, max: 1e12 }),
    chargeWMax: s.watts('chargeWMax'),
    dischargeWMax: s.watts('dischargeWMax'),
  }),
  source: z.discriminatedUnion(
    'kind',
    [
      z.strictObject({
        kind: z.literal('oem'),
        oem: s.choice(['enphase', 'solaredge', 'tesla']),
        vendorDeviceId: s.id('vendorDeviceId'),
      }),
      z.strictObject({
        kind: z.literal('dnp3'),
        connectionId: s.id('connectionId'),
        mapRevision: s.text('mapRevision', 100),
      }),
    ],
    { error: 'kind "oem" or "dnp3"' },
  ),
  tags: z.optional(tags),
});

const deviceBody = z.discriminatedUnion('type', [batteryBody, applianceBody], {
  error: `type: one of ${TYPES.join(', ')}`,
});

function connect(asked: Asked<undefined, undefined, z.output<typeof deviceBody>>) {
  const { body } = asked;
  return 'nameplate' in body ? connectBattery(asked, body) : connectAppliance(asked, body);
}

function connectBattery(asked: Asked, body: z.output<typeof batteryBody>) {
  const { siteId, type, manufacturer, model, name, referenceId, nameplate, source, tags: given } = body;
  ownSite(asked, siteId);
  const { workspaceId } = asked;
  const device: Device = {
    deviceId: randomId(asked.face.tools, 'dev'),
    workspaceId,
    siteId,
    kind: type,
    manufacturer,
    model,
    nameplate,
    source,
    tags: given ?? [],
    ...(name === undefined ? {} : { name }),
    ...(referenceId === undefined ? {} : { referenceId }),
  };
  return asked.change({ kind: 'connect-device', device }, () => ({
    status: 201,
    body: anyView(asked, ownDevice(asked, device.deviceId)),
  }));
}

const CONNECT =
  'A source (a connectionId, or a vendorDeviceId at its maker) is one device of one workspace, of all that the service has. What another workspace has is refused without a word of whose it is: a connection with 404, like one that does not exist; a device at its maker with 409.';

const deviceParams = z.strictObject({ deviceId: s.pathId() });

const devices: readonly Route[] = [
  route({
    method: 'POST',
    path: '/v1/devices',
    tag: 'Fleet',
    summary: 'Connects a device',
    description: CONNECT,
    scope: 'write:devices',
    body: deviceBody,
    answers: { 201: { means: 'Connected', body: anySchema } },
    problems: ['not_found', 'conflict'],
    handle: connect,
  }),
  route({
    method: 'GET',
    path: '/v1/devices',
    tag: 'Fleet',
    summary: 'Devices with their newest state',
    scope: 'read',
    query: z.strictObject({
      ...s.paging,
      tag: z.optional(z.string().max(100)),
      type: z.optional(s.choice(TYPES)),
      siteId: z.optional(s.pathId()),
      search: z.optional(z.string().min(1).max(100)),
    }),
    answers: { 200: { means: 'A page', body: s.page(anySchema) } },
    handle: (asked) => ok(devicePage(asked, asked.query)),
  }),
  route({
    method: 'GET',
    path: '/v1/devices/{deviceId}',
    tag: 'Fleet',
    summary: 'A device with its newest state',
    scope: 'read',
    params: deviceParams,
    answers: { 200: { means: 'The device', body: anySchema } },
    problems: ['not_found'],
    handle: (asked) => ok(anyView(asked, ownAny(asked, asked.params.deviceId))),
  }),
];

interface DeviceFilter {
  readonly tag?: string | undefined;
  readonly type?: string | undefined;
  readonly siteId?: string | undefined;
  readonly search?: string | undefined;
  readonly limit?: number | undefined;
  readonly cursor?: string | undefined;
}

function devicePage(asked: Asked, { tag, type, siteId, search, ...query }: DeviceFilter) {
  const words = search?.toLowerCase();
  const matches = (entry: AnyEntry): boolean => {
    const d = deviceOf(entry);
    const texts = [d.deviceId, d.manufacturer, d.model, d.name ?? '', d.referenceId ?? ''];
    return (
      (tag === undefined || d.tags.includes(tag)) &&
      (type === undefined || d.kind === type) &&
      (siteId === undefined || d.siteId === siteId) &&
      (words === undefined || texts.some((t) => t.toLowerCase().includes(words)))
    );
  };
  return pageOf(
    {
      list: 'devices',
      all: allDevices(asked.state),
      idOf: (entry) => deviceOf(entry).deviceId,
      isMine: (entry) => deviceOf(entry).workspaceId === asked.workspaceId,
      matches,
      view: (entry) => anyView(asked, entry),
    },
    query,
  );
}

const tagList = z.strictObject({ tags: z.array(z.string()) });

/** How many devices have each tag, of whatever kind; in the order in which the tags came up. */
function tagsOf({ devicesByTag, appliancesByTag }: CoreState): Map<string, number> {
  const counts = new Map<string, number>();
  for (const index of [devicesByTag, appliancesByTag]) {
    for (const [key, ids] of index) counts.set(key, (counts.get(key) ?? 0) + ids.size);
  }
  return counts;
}

const tagRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/v1/devices/{deviceId}/tags',
    tag: 'Fleet',
    summary: 'The tags of a device',
    scope: 'read',
    params: deviceParams,
    answers: { 200: { means: 'The tags', body: tagList } },
    problems: ['not_found'],
    handle: (asked) => ok({ tags: deviceOf(ownAny(asked, asked.params.deviceId)).tags }),
  }),
  route({
    method: 'PUT',
    path: '/v1/devices/{deviceId}/tags',
    tag: 'Fleet',
    summary: 'Replaces the tags of a device',
    scope: 'write:devices',
    params: deviceParams,
    body: z.strictObject({ tags }),
    answers: { 200: { means: 'The tags', body: tagList } },
    problems: ['not_found'],
    handle: (asked) => {
      const { deviceId } = asked.params;
      ownAny(asked, deviceId);
      const { tags: wanted } = asked.body;
      return asked.change({ kind: 'tag-device', deviceId, tags: wanted }, () => ok({ tags: wanted }));
    },
  }),
  route({
    method: 'GET',
    path: '/v1/tags',
    tag: 'Fleet',
    summary: 'The tags in use and how many devices have each',
    scope: 'read',
    query: z.strictObject(s.paging),
    answers: {
      200: { means: 'A page', body: s.page(z.strictObject({ tag: z.string(), devices: z.number() })) },
    },
    handle: (asked) => {
      const prefix = `${asked.workspaceId}/`;
      return ok(
        pageOf(
          {
            list: 'tags',
            all: tagsOf(asked.state),
            idOf: ([name]) => name,
            isMine: ([name, devices]) => name.startsWith(prefix) && devices > 0,
            view: ([name, devices]) => ({ tag: name.slice(prefix.length), devices }),
          },
          asked.query,
        ),
      );
    },
  }),
  route({
    method: 'GET',
    path: '/v1/tags/{tag}/devices',
    tag: 'Fleet',
    summary: 'The devices with a tag',
    scope: 'read',
    params: z.strictObject({ tag: z.string().max(100) }),
    query: z.strictObject(s.paging),
    answers: { 200: { means: 'A page', body: s.page(anySchema) } },
    handle: (asked) => ok(devicePage(asked, { ...asked.query, tag: asked.params.tag })),
  }),
];

export const fleetRoutes: readonly Route[] = [...customers, ...sites, ...devices, ...tagRoutes];
