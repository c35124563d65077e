import type { EpochMs } from '../domain/units.ts';
import type { HttpResponse } from '../ports/http.ts';
import type { OemJob, OemReply } from '../ports/oem.ts';
import type { HttpStep, Script } from './script.ts';

/** A job under way in a session, and the rules that need nothing but the job. */
export type Rank = 0 | 1 | 2;

export interface Task {
  readonly job: OemJob;
  readonly rank: Rank;
  readonly script: Script;
  step: HttpStep | null;
  deadlineMs: EpochMs;
  /** Failed tries of the current step. */
  tries: number;
  unauthorised: number;
  state: 'ready' | 'in-flight' | 'waiting' | 'done';
  /** Tells a wake-up that is still meant from one that is not. */
  stamp: number;
  /** Which token the request under way carries. */
  tokenAge: number;
}

export interface Queued {
  readonly job: OemJob;
  readonly deadlineMs: EpochMs;
}

export interface Alarm {
  readonly task: Task;
  /** null = the deadline; else a wake-up for this stamp. */
  readonly stamp: number | null;
}

export const rankOf = (job: OemJob): Rank => {
  switch (job.kind) {
    case 'control':
    case 'set':
    case 'cancel':
      return 0;
    case 'enroll':
    case 'read-command':
    case 'read-enrollment':
      return 1;
    case 'read-state':
      return 2;
  }
};

export const isWrite = (job: OemJob): boolean =>
  job.kind === 'control' || job.kind === 'set' || job.kind === 'cancel' || job.kind === 'enroll';

/** It may have been sent before a restart; a reset is read first in any case, and one whose time is over undoes nothing. */
export const isResumed = (job: OemJob): boolean =>
  job.kind === 'control' && job.resume === true && job.mode !== 'reset';

/** The reply to a job that this session did not send. */
export function notSent(job: OemJob, message: string): OemReply {
  const { jobId } = job;
  if ((job.kind !== 'control' && job.kind !== 'set') || job.resume !== true)
    return { kind: 'not-sent', jobId, message };
  return {
    kind: 'unknown',
    jobId,
    message: `it may have been sent before the restart, and was not read back: ${message}`,
  };
}

/** A newer control takes the place of one that has not begun, when their windows overlap. */
export function replaces(newer: OemJob, older: OemJob): boolean {
  if (newer.kind !== 'control' || older.kind !== 'control') return false;
  return newer.startMs < older.endMs && older.startMs < newer.endMs;
}

export function retryAfterS(response: HttpResponse): number | null {
  const text = response.headers['retry-after'];
  return text !== undefined && /^\d{1,5}$/.test(text) ? Number(text) : null;
}
