import { isoUtc } from '../domain/time.ts';
import { MS_PER_DAY, MS_PER_MIN } from '../domain/units.ts';
import type { OemCapabilities, OemJob, VendorCommandStatus } from '../ports/oem.ts';
import { shownDevice } from './applianceRead.ts';
import { readToken } from './enphase.ts';
import { basic, type Json, textOf } from './read.ts';
import {
  type Dialect,
  failReply,
  garbled,
  get,
  type Limits,
  nothingKept,
  postAgain,
  remove,
  type Script,
  type ScriptClock,
} from './script.ts';
import { failedSet } from './task.ts';

/**
 * The open device cloud from the core's side: chargers, vehicles, thermostats and inverters. NO VENDOR'S: a dialect of
 * our own, ASSUMED throughout; see simulators/oem/appliance.ts.
 *
 * A command is a setting that stands until the next one. Its clientToken is the id of our job, so a post whose answer
 * was lost is repeated as it is: the cloud knows the token and does it once. A job that may have left before a crash is
 * submitted again under its id, with the same effect; nothing has to be read back first.
 */
export interface OpenConfig {
  readonly clientId: string;
  readonly clientSecret: string;
  /** Replaces single limits of our own. */
  readonly limits?: Partial<Limits>;
}

export const OPEN_CAPABILITIES: OemCapabilities = {
  gridServices: false, // assumed
  autoEnroll: true, // assumed: the owner's consent when the device is connected is all there is
  needsEnrollment: false, // assumed
  powerControl: 'on-off', // a charger is started or stopped (read, TextureHQ/docs commands); the rest has settings
  scheduledStart: true, // assumed: startAt
  timedEnd: false, // assumed: a setting stands until the next one
  leadMs: 30_000, // assumed
  durationMsMax: MS_PER_DAY, // assumed
  telemetryPeriodMs: 5 * MS_PER_MIN, // state updates arrive every 5 or 15 minutes (read, TextureHQ/docs)
  reservePctMin: 0, // has no reserve
};

const LIMITS: Limits = {
  perSecondMax: null,
  perMinuteMax: 1_200, // assumed
  perDayMax: null,
  perSiteDayMax: null,
  inFlightMax: 20, // our own choice
};

export function openDialect(config: OpenConfig): Dialect {
  let headersOf = '';
  let headers: Readonly<Record<string, string>> = {};
  return {
    oem: 'open',
    capabilities: OPEN_CAPABILITIES,
    limits: { ...LIMITS, ...config.limits },
    auth: {
      request: {
        method: 'POST',
        path: '/oauth2/token',
        headers: {
          authorization: basic(config.clientId, config.clientSecret),
          'content-type': 'application/x-www-form-urlencoded',
        },
        body: 'grant_type=client_credentials',
      },
      read: readToken,
    },
    headers: (token) => {
      if (token === headersOf) return headers;
      headersOf = token;
      headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
      return headers;
    },
    errorOf: (status, body) => ({
      code: textOf(body, 'error') ?? String(status),
      message: textOf(body, 'message') ?? `HTTP ${status}`,
    }),
    script: (job, clock) => {
      switch (job.kind) {
        case 'set':
          return set(job);
        case 'cancel':
          return cancel(job);
        case 'read-command':
          return readCommand(job);
        case 'read-state':
          return readState(job, clock);
        case 'recall':
          return nothingKept(job.jobId);
        case 'control':
        case 'enroll':
        case 'read-enrollment':
          return noBatteries(job);
      }
    },
  };
}

const devicePath = (id: string, leaf: string): string => `/devices/${encodeURIComponent(id)}/${leaf}`;
const commandPath = (ref: string): string => `/commands/${encodeURIComponent(ref)}`;

type SetJob = Extract<OemJob, { kind: 'set' }>;

function* set(job: SetJob): Script {
  const { jobId, setting } = job;
  const times = { startAt: isoUtc(job.startMs), expireAt: isoUtc(job.notAfterMs) };
  const body = { slug: setting.slug, input: setting.input, clientToken: jobId, ...times };
  const answer = yield postAgain(devicePath(job.vendorDeviceId, 'commands'), body);
  if (answer.kind !== 'ok') return failedSet(job, answer);
  const vendorRef = textOf(answer.body, 'id');
  return vendorRef === null ? garbled(jobId, 'id of the command') : { kind: 'accepted', jobId, vendorRef };
}

/** A command that was withdrawn counts as taken back; one that the device was told already does not. */
function* cancel(job: Extract<OemJob, { kind: 'cancel' }>): Script {
  const answer = yield remove(commandPath(job.vendorRef));
  if (answer.kind !== 'ok') return failReply(job.jobId, answer);
  return { kind: 'accepted', jobId: job.jobId, vendorRef: job.vendorRef };
}

const STATUS: Readonly<Record<string, VendorCommandStatus>> = {
  scheduled: 'scheduled',
  applied: 'completed',
  failed: 'failed',
  expired: 'failed',
  cancelled: 'cancelled',
};

function* readCommand(job: Extract<OemJob, { kind: 'read-command' }>): Script {
  const { jobId } = job;
  const answer = yield get(commandPath(job.vendorRef));
  if (answer.kind !== 'ok') return failReply(jobId, answer);
  const said = textOf(answer.body, 'status') ?? '';
  const status = Object.hasOwn(STATUS, said) ? STATUS[said] : undefined;
  if (status === undefined) return garbled(jobId, 'status');
  return { kind: 'command-status', jobId, status, detail: reasonOf(answer.body) ?? said };
}

const reasonOf = (body: Json): string | null => textOf(body, 'reason');

function* readState(job: Extract<OemJob, { kind: 'read-state' }>, clock: ScriptClock): Script {
  const { jobId, vendorDeviceId } = job;
  const answer = yield get(devicePath(vendorDeviceId, 'state'));
  if (answer.kind !== 'ok') return failReply(jobId, answer);
  const seen = shownDevice(answer.body, clock.nowMs);
  if (typeof seen === 'string') return garbled(jobId, seen);
  return { kind: 'appliance-state', jobId, vendorDeviceId, ...seen };
}

/** It has neither batteries nor programs. */
// biome-ignore lint/correctness/useYield: a script that has nothing to ask
function* noBatteries({ jobId }: OemJob): Script {
  return { kind: 'refused', jobId, code: 'unsupported', message: 'this cloud has no batteries' };
}
