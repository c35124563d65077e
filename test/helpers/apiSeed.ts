import type { Scope } from '../../src/domain/client.ts';
import { type ApiBench, OPERATOR_KEY, type Tenant } from './apiBench.ts';
import { HOUR } from './coreBench.ts';

/** One of everything in a workspace, made over HTTP where that can be, with the ids that paths and bodies need. */
export type Seed = Readonly<Record<string, string>>;

export async function seed(api: ApiBench, tenant: Tenant): Promise<Seed> {
  const { workspaceId, key } = tenant;
  const post = async (path: string, body: unknown, by = key) => {
    const made = await api.post(path, body, { key: by });
    if (made.status >= 300) throw new Error(`${path}: ${made.text}`);
    return made.body;
  };
  await api.request('PUT', '/v1/grid-services', { key, body: { enabled: true } });
  const customerId: string = (await post('/v1/customers', { name: 'Ana' })).id;
  const siteId: string = (await post('/v1/sites', { customerId, name: 'Home', timeZone: 'America/Los_Angeles' })).id;
  const programId: string = (await post('/v1/programs', program())).id;
  const device = { ...deviceBody(siteId), tags: [`program:${programId}`, 'north'] };
  const deviceId: string = (await post('/v1/devices', device)).id;
  api.observe(workspaceId, deviceId);
  const connected: Record<string, string> = {};
  for (const type of ['charger', 'vehicle', 'thermostat', 'inverter'] as const) {
    connected[`${type}Id`] = (await post('/v1/devices', applianceBody(siteId, type))).id;
  }
  const enrollmentId: string = (await post(`/v1/programs/${programId}/enrollments`, { deviceId })).id;
  const commandId: string = (await post('/v1/commands', { deviceId, input: { operatingMode: 'idle' } })).id;
  const command = { slug: 'battery:set-operating-mode', input: { operatingMode: 'charge' } };
  const batchId: string = (await post('/v1/batch-commands', { tag: 'north', command })).id;
  await post('/v1/resources', { id: 'ev-fleet', programId, deviceIds: [deviceId] });
  const eventId: string = (await post('/v1/events', eventBody(api, programId))).id;
  const scheduleId: string = (await post('/v1/schedules', schedule(deviceId))).id;
  await post(`/v1/devices/${deviceId}/schedule`, deviceSchedule());
  const automationId: string = (await post('/v1/automations', automation())).id;
  const groupId: string = (await post('/v1/groups', group())).id;
  const feederId: string = (await post('/v1/feeders', feeder())).id;
  const other: string = (await post('/v1/sites', { customerId, name: 'Shed', timeZone: 'UTC' })).id;
  const transformerId: string = (await post('/v1/transformers', transformer(feederId, other))).id;
  await api.request('PUT', `/v1/sites/${siteId}/safety`, { key, body: safety() });
  const dnp3 = { kind: 'dnp3', connectionId: `conn-${siteId}`, mapRevision: 'r1' };
  await post('/v1/devices', { ...deviceBody(siteId), type: 'bess', source: dnp3 });
  const approvalId: string = (await post(`/v1/sites/${siteId}/approvals`, approval(api))).id;
  const stoppedId: string = (await post('/v1/devices', deviceBody(other))).id;
  await post(`/v1/devices/${stoppedId}/emergency-stop`, {});
  const alertId: string = (await api.get('/v1/alerts', { key })).body.data[0].id;
  const destinationId: string = (await post('/v1/destinations', destination())).id;
  const clientId: string = (await post(`/v1/workspaces/${workspaceId}/clients`, credential(['read']))).id;
  const withTwo = await post(`/v1/workspaces/${workspaceId}/clients/${clientId}/secrets`, {}, OPERATOR_KEY);
  const secretId: string = withTwo.secrets[1].id;
  const keyId: string = (await post(`/v1/workspaces/${workspaceId}/api-keys`, credential(['read']))).id;
  return {
    ...connected,
    workspaceId,
    customerId,
    siteId,
    programId,
    deviceId,
    enrollmentId,
    commandId,
    batchId,
    resourceId: 'ev-fleet',
    eventId,
    scheduleId,
    automationId,
    groupId,
    feederId,
    transformerId,
    approvalId,
    otherSiteId: other,
    alertId,
    destinationId,
    clientId,
    secretId,
    keyId,
    tag: 'north',
    metric: 'discharged',
  };
}

export const program = () => ({
  name: 'Evening',
  timeZone: 'America/Los_Angeles',
  node: 'NODE',
  trigger: { kind: 'called' },
  nominatedW: 5_000,
  paymentUsdPerKwh: 2,
});

let serial = 0;
export const deviceBody = (siteId: string) => {
  serial += 1;
  return {
    siteId,
    type: 'battery',
    manufacturer: 'Tesla',
    model: 'Powerwall 3',
    nameplate: { usableWh: 13_500, chargeWMax: 5_000, dischargeWMax: 11_500 },
    source: { kind: 'oem', oem: 'tesla', vendorDeviceId: `v-${serial}` },
  };
};

export const applianceBody = (siteId: string, type: 'charger' | 'vehicle' | 'thermostat' | 'inverter') => {
  serial += 1;
  const source = { kind: 'oem', oem: 'open', vendorDeviceId: `v-${serial}` };
  return { siteId, type, manufacturer: 'Acme', model: 'One', source, tags: ['plugs'] };
};

export const eventBody = (api: ApiBench, programId: string, id?: string) => ({
  ...(id === undefined ? {} : { id }),
  programId,
  kind: 'dispatch',
  intervals: [
    {
      startsAt: new Date(api.service.nowMs + HOUR).toISOString(),
      endsAt: new Date(api.service.nowMs + 2 * HOUR).toISOString(),
      targetW: 4_000,
    },
  ],
});

export const schedule = (deviceId: string) => ({
  target: { kind: 'device', deviceId },
  timing: { kind: 'cron', expression: '0 18 * * *', timeZone: 'America/Los_Angeles' },
  command: { slug: 'battery:set-operating-mode', input: { operatingMode: 'discharge' }, durationS: 3_600 },
});

export const deviceSchedule = () => ({
  schedule: { deviceTimezone: 'America/Los_Angeles', defaultDeviceOperatingMode: 'reset' },
  rules: [{ daysOfWeek: [1, 2], startTime: '01:00', endTime: '02:00', deviceOperatingMode: 'charge' }],
});

export const automation = () => ({
  name: 'low',
  enabled: true,
  when: {
    kind: 'telemetry',
    watch: { kind: 'all' },
    metric: 'chargePercentage',
    comparison: 'below',
    value: 20,
    forMs: 0,
    hysteresis: 5,
  },
  target: { kind: 'triggering-device' },
  action: { kind: 'alert', type: 'POWER_LIMIT', severity: 'WARNING', text: 'nearly empty' },
  cooldownMs: 3_600_000,
  firingsPerDayMax: 3,
  timeZone: 'America/Los_Angeles',
});

export const group = () => ({ name: 'north', rule: { tags: ['north'] } });
export const feeder = () => ({ name: 'F1', ratingVa: null });
export const transformer = (feederId: string, siteId: string) => ({
  name: 'T1',
  feederId,
  ratingVa: 50_000,
  siteIds: [siteId],
});
export const safety = () => ({ watchdog: { timeoutMs: 60_000 }, chargeWMax: 5_000, dischargeWMax: 5_000 });
export const approval = (api: ApiBench) => ({
  from: new Date(api.service.nowMs).toISOString(),
  until: new Date(api.service.nowMs + 24 * HOUR).toISOString(),
  chargeWMax: 5_000,
  dischargeWMax: 5_000,
  mapRevision: 'r1',
});

export const destination = () => ({ label: 'hooks', url: 'https://hooks.example/in', eventTypes: ['command.failed'] });
export const credential = (scopes: readonly Scope[]) => ({ name: 'reader', scopes });
