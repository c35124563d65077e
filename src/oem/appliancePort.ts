import type { ApplianceInput, ApplianceState } from '../domain/appliance.ts';
import type { EpochMs } from '../domain/units.ts';
import type { OemCapabilities, OemHttpOut, OemJob, OemReply, OemSession } from '../ports/oem.ts';

/**
 * Jobs and replies of devices that are no batteries, in the manner of src/ports/oem.ts and to be read beside it. The
 * jobId of a 'set' is its idempotency token at the cloud: a job that may have been sent before is submitted again under
 * the same id and has one effect.
 */
export type ApplianceJob =
  | {
      readonly kind: 'set';
      readonly jobId: string;
      readonly vendorDeviceId: string;
      readonly setting: ApplianceInput;
      /** Acts not before. */
      readonly startMs: EpochMs;
      /** Neither leaves nor acts after. */
      readonly notAfterMs: EpochMs;
    }
  | Extract<OemJob, { kind: 'cancel' | 'read-command' | 'read-state' }>;

export type ApplianceReply =
  | Extract<OemReply, { kind: 'accepted' | 'refused' | 'unknown' | 'not-sent' | 'command-status' }>
  | {
      readonly kind: 'appliance-state';
      readonly jobId: string;
      readonly vendorDeviceId: string;
      readonly state: ApplianceState;
      readonly online: boolean;
    };

/** As OemSession, with these jobs and replies. */
export interface ApplianceSession extends Pick<OemSession, 'receive' | 'timeout' | 'nextTimeoutMs'> {
  readonly oem: 'open';
  readonly capabilities: OemCapabilities;
  submit(job: ApplianceJob, nowMs: EpochMs): void;
  takeOutput(): OemHttpOut[];
  takeReplies(): ApplianceReply[];
}
