import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createOemSession } from '../../src/oem/index.ts';
import type { OemJob } from '../../src/ports/oem.ts';
import { CREDENTIALS, controlJob, OemPair, START_MS } from '../helpers/oemPair.ts';
import { fate, oemId, plan, trouble, type World, world } from '../helpers/oemWorld.ts';

/**
 * A control whose session dies after some exchanges. The request under way then arrives, or not, up to 20 s later (as
 * SETTLE_MS assumes); a new session that knows nothing takes the job up again, at any time and over a bad network.
 */
const parts = {
  /** Exchanges that were answered before. */
  after: fc.integer({ min: 0, max: 4 }),
  /** When the request under way then arrives; null = never. */
  arrivesMs: fc.option(fc.integer({ min: 0, max: 20_000 })),
};
/** Half of them while the request may still be on its way. */
const soon = fc.integer({ min: 0, max: 15_000 });
const crash = fc.record({ ...parts, restartMs: fc.oneof(soon, fc.integer({ min: 0, max: 400_000 })) });

const JOB = controlJob('j1', {
  powerW: 4_321,
  startMs: START_MS,
  endMs: START_MS + 3_600_000,
  notAfterMs: START_MS + 300_000,
});

/** What the session before the crash did, exchange by exchange, each answered at once. */
function dieAfter({ p }: World, at: { after: number; arrivesMs: number | null }): void {
  const session = createOemSession(p.cloud.oem, CREDENTIALS);
  session.submit(JOB, START_MS);
  for (let n = 0; n <= at.after; n++) {
    const [out] = session.takeOutput();
    if (out === undefined) return;
    if (n < at.after) {
      const response = p.cloud.handle(out.request, START_MS);
      session.receive(out.requestId, { kind: 'response', response }, START_MS);
    } else if (at.arrivesMs !== null) {
      p.clock.at(START_MS + at.arrivesMs, () => p.cloud.handle(out.request, p.clock.nowMs()));
    }
  }
}

function restart(w: World, restartMs: number, job: OemJob): OemPair {
  const { clock, fleet, cloud } = w.p;
  const p = new OemPair({ clock, fleet, cloud, session: createOemSession(cloud.oem, CREDENTIALS) });
  clock.at(START_MS + restartMs, () => p.submit(job));
  return p;
}

describe('a control that is resumed after a crash', () => {
  it('takes effect at most once, whenever the crash came, and its reply is true', () => {
    fc.assert(
      fc.property(
        oemId,
        crash,
        fc.array(fate, { maxLength: 20 }),
        fc.array(trouble, { maxLength: 3 }),
        (oem, c, fates, troubles) => {
          const w = world(oem);
          w.p.run(1);
          dieAfter(w, c);
          const p = restart(w, c.restartMs, { ...JOB, resume: true });
          p.wire = (_request, n) => fates[n % Math.max(1, fates.length)] ?? { thereMs: 10, backMs: 10 };
          plan(p, troubles);
          p.run(3_000_000);
          expect(p.replies.map(({ reply }) => reply.jobId)).toEqual(['j1']);
          const kind = p.replyTo('j1')?.kind;
          const made = w.commands('1000').filter((e) => e.spec.powerW === 4_321).length;
          expect(made).toBeLessThanOrEqual(1);
          if (oem === 'tesla') return;
          if (kind === 'accepted') expect(made).toBe(1);
          if (kind === 'not-sent' || kind === 'refused') expect(made).toBe(0);
        },
      ),
    );
  });

  it('is found or done when the network is good and there is time', () => {
    fc.assert(
      fc.property(oemId, fc.record({ ...parts, restartMs: fc.integer({ min: 0, max: 200_000 }) }), (oem, c) => {
        const w = world(oem);
        w.p.run(1);
        dieAfter(w, c);
        const p = restart(w, c.restartMs, { ...JOB, resume: true });
        p.run(1_000_000);
        expect(p.replyTo('j1')?.kind).toBe('accepted');
      }),
    );
  });

  it('makes nothing after notAfter', () => {
    fc.assert(
      fc.property(oemId, crash, fc.integer({ min: 300_001, max: 2_000_000 }), (oem, c, restartMs) => {
        const w = world(oem);
        w.p.run(1);
        dieAfter(w, c);
        const p = restart(w, restartMs, { ...JOB, resume: true });
        w.p.run(restartMs - 1);
        const madeBefore = w.commands('1000').length;
        const writes = (): number =>
          p.exchanges.filter((x) => x.request.method === 'POST' && !x.request.path.includes('token')).length;
        w.p.run(1_000_000);
        expect(w.commands('1000')).toHaveLength(madeBefore);
        expect(writes()).toBe(0);
        if (oem !== 'tesla') expect(p.replyTo('j1')?.kind).toBe(madeBefore === 1 ? 'accepted' : 'not-sent');
      }),
    );
  });
});
