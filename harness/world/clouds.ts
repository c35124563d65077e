import type { Scenario } from '../../scenarios/schema.ts';
import { createOpenCloud, type OpenCloud } from '../../simulators/oem/appliance.ts';
import type { CloudNote, CloudOptions, OemCloud } from '../../simulators/oem/cloud.ts';
import { createEnphaseCloud } from '../../simulators/oem/enphase.ts';
import { createSolaredgeCloud } from '../../simulators/oem/solaredge.ts';
import { createTeslaCloud } from '../../simulators/oem/tesla.ts';
import { createOemSession } from '../../src/oem/index.ts';
import type { Scheduler } from '../../src/ports/clock.ts';
import type { FleetPort } from '../../src/ports/device.ts';
import type { BatteryOem, OemId, OemJob, OemReply } from '../../src/ports/oem.ts';
import type { RandomSource } from '../../src/ports/random.ts';
import type { LogBody } from '../../src/ports/records.ts';
import { type Exchange, HttpWire, type LinkBehaviour } from '../wire/http.ts';
import type { HomeAppliance, RunningAppliances } from './appliances.ts';
import type { Home } from './homes.ts';
import { createOemLink, type OemLink } from './oemLink.ts';

/** The clouds of a run, each with its wire, its session and its devices. */
export interface CloudSite {
  readonly oem: OemId;
  readonly cloud: OemCloud | OpenCloud;
  readonly wire: HttpWire;
  readonly link: OemLink;
}

/** An ordinary internet path. Assumed: no vendor publishes one. */
export const INTERNET: LinkBehaviour = {
  delayMinMs: 20,
  delayMeanMs: 60,
  requestLossRatio: 0.0005,
  replyLossRatio: 0.0005,
  duplicateRatio: 0,
  garbageRatio: 0,
  down: false,
};

const CREDENTIALS = { clientId: 'vpp-testbed', clientSecret: 'simulated-secret', apiKey: 'simulated-key' };
const CREATE = { enphase: createEnphaseCloud, solaredge: createSolaredgeCloud, tesla: createTeslaCloud } as const;
const OEMS: readonly BatteryOem[] = ['enphase', 'solaredge', 'tesla'];

export interface CloudsRequest {
  readonly scenario: Scenario;
  readonly homes: readonly Home[];
  readonly fleet: FleetPort;
  readonly appliances: RunningAppliances;
  readonly scheduler: Scheduler;
  readonly random: RandomSource;
  readonly record: (body: LogBody) => void;
  readonly onReply: (deviceId: string, reply: OemReply) => void;
}

/** Clouds for the makers that the scenario's homes need, and the open one for what stands beside the batteries. */
export function makeClouds(r: CloudsRequest): Map<OemId, CloudSite> {
  const clouds = new Map<OemId, CloudSite>();
  for (const oem of OEMS) {
    if (!r.homes.some((h) => h.group.oem === oem)) continue;
    const deviceOf = new Map(r.homes.map((h) => [vendorIdOf(h), h.deviceId]));
    clouds.set(oem, connect(r, CREATE[oem](cloudOptions(r, oem)), deviceOf));
  }
  const { list } = r.appliances;
  if (list.length > 0) {
    clouds.set('open', connect(r, openCloud(r), new Map(list.map((a) => [openIdOf(a), a.deviceId]))));
  }
  return clouds;
}

function connect(r: CloudsRequest, cloud: OemCloud | OpenCloud, deviceOf: ReadonlyMap<string, string>): CloudSite {
  const { scheduler, random } = r;
  const { oem } = cloud;
  const wire = new HttpWire({
    scheduler,
    random,
    name: oem,
    link: INTERNET,
    handler: cloud.handle,
    onExchange: (x) => {
      if (isWorthLogging(x)) r.record(exchangeRecord(oem, x));
    },
  });
  const session = createOemSession(oem, CREDENTIALS);
  const owners = new Map<string, string>();
  const link = createOemLink({
    scheduler,
    session,
    wire,
    onReply: (reply) => {
      const deviceId = owners.get(reply.jobId);
      if (reply.kind !== 'kept') owners.delete(reply.jobId);
      if (deviceId !== undefined) r.onReply(deviceId, reply);
    },
  });
  const submit = (job: OemJob): void => {
    owners.set(job.jobId, deviceOf.get(job.vendorDeviceId) ?? '');
    link.submit(job);
  };
  return { oem, cloud, wire, link: { submit } };
}

/** The maker's own id of a home's battery: never the id we use. */
export const vendorIdOf = (home: Home): string => `${home.group.oem.slice(0, 2)}-${home.deviceId}`;
export const openIdOf = (a: Pick<HomeAppliance, 'deviceId'>): string => `op-${a.deviceId}`;

function openCloud(r: CloudsRequest): OpenCloud {
  const { scheduler, random } = r;
  const { list, fleet } = r.appliances;
  return createOpenCloud({
    scheduler,
    random,
    fleet,
    devices: list.map((a, device) => ({ device, vendorDeviceId: openIdOf(a) })),
    credentials: CREDENTIALS,
    onNote: ({ device, vendorDeviceId, what, detail }) => {
      if (what === 'delivered') return;
      r.record({ kind: 'cloud', oem: 'open', deviceId: list[device]?.deviceId ?? vendorDeviceId, what, detail });
    },
  });
}

function cloudOptions(r: CloudsRequest, oem: BatteryOem): CloudOptions {
  const { scenario, scheduler, random } = r;
  const programIds = scenario.programs.map((p) => p.programId);
  return {
    scheduler,
    random,
    fleet: heard(r),
    credentials: CREDENTIALS,
    programs: programIds.map((programId) => ({ programId })),
    devices: r.homes.flatMap((h, device) => {
      if (h.group.oem !== oem) return [];
      const programId = scenario.programs.find((p) => p.groups.includes(h.group.group))?.programId;
      const seat = {
        device,
        vendorDeviceId: vendorIdOf(h),
        zones: h.group.zones,
        stormGuardEnabled: h.group.stormGuard,
      };
      return [programId !== undefined && h.enrolled ? { ...seat, enrolledIn: programId } : seat];
    }),
    onNote: (note: CloudNote) => noteRecord(r, oem, note),
  };
}

/** The fleet, with a record of each reserve that a device is told: it is the floor of checks from then on. */
function heard({ fleet, homes, record }: CloudsRequest): FleetPort {
  return {
    isOnline: (i) => fleet.isOnline(i),
    sample: (i) => fleet.sample(i),
    control: (i, control) => fleet.control(i, control),
    setStorm: (i, active, cause) => fleet.setStorm(i, active, cause),
    keepReserve: (i, reservePct, cause) => {
      const taken = fleet.keepReserve(i, reservePct, cause);
      const deviceId = homes[i]?.deviceId;
      if (taken === 'taken' && deviceId !== undefined) record({ kind: 'reserve', deviceId, reservePct });
      return taken;
    },
  };
}

function noteRecord(r: CloudsRequest, oem: BatteryOem, note: CloudNote): void {
  if (note.what !== 'delivery-failed' && note.what !== 'swallowed') return;
  const deviceId = r.homes[note.device]?.deviceId ?? note.vendorDeviceId;
  r.record({ kind: 'cloud', oem, deviceId, what: note.what, detail: note.detail });
}

/** Telemetry polls that went well are left out of the log: they are many and say nothing. */
function isWorthLogging(x: Exchange): boolean {
  const { request, outcome } = x;
  if (request.method !== 'GET' || x.faults.length > 0) return true;
  return outcome.kind === 'lost' || outcome.response.status >= 400;
}

function exchangeRecord(oem: OemId, x: Exchange): LogBody {
  return {
    kind: 'exchange',
    to: oem,
    method: x.request.method,
    path: x.request.path,
    status: x.outcome.kind === 'response' ? x.outcome.response.status : null,
    sentMs: x.sentMs,
    fault: x.faults.length === 0 ? null : x.faults.join('+'),
  };
}
