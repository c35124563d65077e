import { invariant } from '../domain/errors.ts';
import type { OemId, OemJob, OemReply } from '../ports/oem.ts';
import { type OpenConfig, openDialect } from './appliance.ts';
import type { ApplianceJob, ApplianceReply, ApplianceSession } from './appliancePort.ts';
import type { Script } from './script.ts';
import { createSession } from './session.ts';

/**
 * Runs the open dialect on the session of the battery clouds (session.ts), with all its rules: lanes, deadlines, token,
 * limits, retries. The session knows the jobs and replies of src/ports/oem.ts only. So a 'set' travels as a 'control'
 * of no length, which has its rank and deadline and replaces no other, and what the script answers is kept aside and
 * put in the place of the session's reply.
 */
/** The session asks it for the jitter of its pauses and nothing else. */
const CARRIER: OemId = 'tesla';

export function createOpenSession(config: OpenConfig): ApplianceSession {
  const dialect = openDialect(config);
  /** Jobs under way, one entry each until their reply is taken. */
  const jobs = new Map<string, ApplianceJob>();
  const answers = new Map<string, ApplianceReply>();
  function* carry(jobId: string, script: Script<ApplianceReply>): Script<OemReply> {
    const reply = yield* script;
    answers.set(jobId, reply);
    return { kind: 'unknown', jobId, message: 'kept aside' };
  }
  const session = createSession({
    ...dialect,
    oem: CARRIER,
    script: ({ jobId }, clock) => {
      const job = jobs.get(jobId);
      invariant(job !== undefined, `no appliance job ${jobId}`);
      return carry(jobId, dialect.script(job, clock));
    },
  });
  return {
    oem: 'open',
    capabilities: dialect.capabilities,
    submit: (job, nowMs) => {
      if (jobs.has(job.jobId)) return;
      jobs.set(job.jobId, job);
      session.submit(carrierOf(job), nowMs);
    },
    receive: (requestId, outcome, nowMs) => session.receive(requestId, outcome, nowMs),
    timeout: (nowMs) => session.timeout(nowMs),
    nextTimeoutMs: () => session.nextTimeoutMs(),
    takeOutput: () => session.takeOutput(),
    takeReplies: () =>
      session.takeReplies().map((reply) => {
        const own = answers.get(reply.jobId);
        jobs.delete(reply.jobId);
        answers.delete(reply.jobId);
        return own ?? fromSession(reply);
      }),
  };
}

function carrierOf(job: ApplianceJob): OemJob {
  if (job.kind !== 'set') return job;
  const { jobId, vendorDeviceId, startMs, notAfterMs } = job;
  return {
    kind: 'control',
    jobId,
    vendorDeviceId,
    route: 'baseline',
    mode: 'idle',
    powerW: null,
    startMs,
    endMs: startMs,
    reservePctMin: 0,
    reservePctMax: 100,
    notAfterMs,
  };
}

/** What the session says itself, before or instead of a script: never sent, or nothing known. */
function fromSession(reply: OemReply): ApplianceReply {
  invariant(reply.kind === 'not-sent' || reply.kind === 'unknown', `the session answered ${reply.kind} by itself`);
  return reply;
}
