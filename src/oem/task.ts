import type { EpochMs } from '../domain/units.ts';
import type { HttpResponse } from '../ports/http.ts';
import type { OemJob, OemReply } from '../ports/oem.ts';
import { type Answer, failReply, type HttpStep, type Script } from './script.ts';

/** A job under way in a session, and the rules that need nothing but the job. */
export type Rank = 0 | 1 | 2 | 3 | 4;

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
  /** Which token the request under way carries, and when that left. */
  tokenAge: number;
  sentMs: EpochMs;
  /** An emergency stop of its device came: nothing more of it is written. */
  barred: boolean;
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

/** Who goes first at a cloud: emergency stops; what takes back; orders; what follows them; readings. */
export const rankOf = (job: OemJob): Rank => {
  switch (job.kind) {
    case 'control':
      return job.emergency === true ? 0 : job.mode === 'reset' ? 1 : 2;
    case 'cancel':
      return job.emergency === true ? 0 : 1;
    case 'set':
      return 2;
    case 'enroll':
    case 'read-command':
    case 'read-enrollment':
      return 3;
    case 'read-state':
    case 'recall':
      return 4;
  }
};

/** Of a control, a setting or what takes one back; the rest is asked again anyway. */
export const isOrder = (rank: Rank): boolean => rank <= 2;

export const isEmergency = (job: OemJob): boolean => rankOf(job) === 0;

/** What an emergency stop of its device ends, or keeps from being written. */
export const isBarred = (job: OemJob): boolean =>
  job.kind === 'set' || (job.kind === 'control' && job.mode !== 'reset');

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

/** As failReply; a session that began after the setting had left cannot say that it never did. */
export function failedSet(job: Extract<OemJob, { kind: 'set' }>, answer: Exclude<Answer, { kind: 'ok' }>): OemReply {
  const reply = failReply(job.jobId, answer);
  return reply.kind === 'not-sent' ? notSent(job, reply.message) : reply;
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
