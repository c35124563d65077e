import { isoUtc } from '../../src/domain/time.ts';
import type { EpochMs } from '../../src/domain/units.ts';
import type { HttpResponse } from '../../src/ports/http.ts';
import type { CloudBase, CloudOptions, Seat } from './cloud.ts';
import { json } from './http.ts';
import type { TimedCommands } from './timed.ts';

/** What the parts of the simulated Enphase cloud share. */
export type Application = {
  readonly applicationId: number;
  readonly programId: string;
  readonly createdMs: EpochMs;
  status: 'Application_Submitted' | 'Application_Rejected' | 'Site_Submitted' | 'Site_Approved';
};

export interface Detail {
  readonly programId: string;
  readonly mode: string;
  readonly rateWatt: number;
  readonly targetSoc: number | null;
}

export interface EnphaseCtx {
  readonly base: CloudBase;
  readonly options: CloudOptions;
  readonly events: TimedCommands<Detail>;
  readonly applications: Map<Seat, Application>;
}

export const FIRST_APPLICATION = 10_000;

/** The real ids are integers; others are shown as text. */
export const siteId = (seat: Seat): number | string => (/^[1-9][0-9]{0,9}$/.test(seat.id) ? Number(seat.id) : seat.id);

/** The error body of the VPP API; errorRefNo is a constant here, nothing reads it. */
export const fail = (status: number, displayMessage: string, additionalInfo: string = displayMessage): HttpResponse =>
  json(status, { code: String(status), displayMessage, additionalInfo, errorRefNo: '0000000000000000' });

export const stamp = (ms: EpochMs): string => `${isoUtc(ms).slice(0, 23)}+00:00`;
