import { PRIORITY, type Scheduler, type TimerHandle } from '../../src/ports/clock.ts';
import type { OemJob, OemReply, OemSession } from '../../src/ports/oem.ts';
import type { HttpWire } from '../wire/http.ts';

/** Joins an OEM session with the wire to its cloud: drains requests, feeds answers and time back. */
export interface OemLink {
  submit(job: OemJob): void;
}

export function createOemLink(options: {
  readonly scheduler: Scheduler;
  readonly session: OemSession;
  readonly wire: HttpWire;
  readonly onReply: (reply: OemReply) => void;
}): OemLink {
  const { scheduler, session, wire, onReply } = options;
  let wake: { handle: TimerHandle; atMs: number } | null = null;

  const pump = (): void => {
    for (const { requestId, request, timeoutMs } of session.takeOutput()) {
      wire.send(request, timeoutMs, (outcome) => {
        session.receive(requestId, outcome, scheduler.nowMs());
        pump();
      });
    }
    for (const reply of session.takeReplies()) onReply(reply);
    arm();
  };

  const arm = (): void => {
    const atMs = session.nextTimeoutMs();
    if (wake !== null && wake.atMs === atMs) return;
    if (wake !== null) scheduler.cancel(wake.handle);
    wake = atMs === null ? null : { atMs, handle: scheduler.at(atMs, onWake, PRIORITY.wire) };
  };

  const onWake = (): void => {
    wake = null;
    session.timeout(scheduler.nowMs());
    pump();
  };

  return {
    submit(job) {
      session.submit(job, scheduler.nowMs());
      pump();
    },
  };
}
