import type { Scenario } from '../../scenarios/schema.ts';
import type { CloudNote, CloudOptions, OemCloud } from '../../simulators/oem/cloud.ts';
import { createEnphaseCloud } from '../../simulators/oem/enphase.ts';
import { createSolaredgeCloud } from '../../simulators/oem/solaredge.ts';
import { createTeslaCloud } from '../../simulators/oem/tesla.ts';
import { createOemSession } from '../../src/oem/index.ts';
import type { Scheduler } from '../../src/ports/clock.ts';
import type { FleetPort } from '../../src/ports/device.ts';
import type { BatteryOem, OemJob, OemReply } from '../../src/ports/oem.ts';
import type { RandomSource } from '../../src/ports/random.ts';
import type { LogBody } from '../../src/ports/records.ts';
import { type Exchange, HttpWire, type LinkBehaviour } from '../wire/http.ts';
import type { Home } from './homes.ts';
import { createOemLink, type OemLink } from './oemLink.ts';

/** The three clouds of a run, each with its wire, its session and its devices. */
export interface CloudSite {
  readonly oem: BatteryOem;
  readonly cloud: OemCloud;
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
  readonly scheduler: Scheduler;
  readonly random: RandomSource;
  readonly record: (body: LogBody) => void;
  readonly onReply: (deviceId: string, reply: OemReply) => void;
}

/** Clouds for the makers that the scenario's homes need. */
export function makeClouds(r: CloudsRequest): Map<BatteryOem, CloudSite> {
  return new Map(OEMS.filter((oem) => r.homes.some((h) => h.group.oem === oem)).map((oem) => [oem, makeCloud(r, oem)]));
}

function makeCloud(r: CloudsRequest, oem: BatteryOem): CloudSite {
  const { scheduler, random } = r;
  const cloud = CREATE[oem](cloudOptions(r, oem));
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
  const deviceOf = new Map(r.homes.map((h) => [vendorIdOf(h), h.deviceId]));
  const owners = new Map<string, string>();
  const link = createOemLink({
    scheduler,
    session,
    wire,
    onReply: (reply) => {
      const deviceId = owners.get(reply.jobId);
      owners.delete(reply.jobId);
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

function cloudOptions(r: CloudsRequest, oem: BatteryOem): CloudOptions {
  const { scenario, scheduler, random, fleet } = r;
  const programIds = scenario.programs.map((p) => p.programId);
  return {
    scheduler,
    random,
    fleet,
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

function exchangeRecord(oem: BatteryOem, x: Exchange): LogBody {
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
