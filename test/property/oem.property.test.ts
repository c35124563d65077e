import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readBasic } from '../../simulators/oem/http.ts';
import { isOpen } from '../../simulators/oem/timed.ts';
import { backoffMs } from '../../src/oem/flow.ts';
import { createHeap } from '../../src/oem/heap.ts';
import { createLimiter } from '../../src/oem/limiter.ts';
import { basic } from '../../src/oem/read.ts';
import type { BatteryOem, OemJob } from '../../src/ports/oem.ts';
import { controlJob, type Fate, START_MS } from '../helpers/oemPair.ts';
import { fate, oemId, plan, type Trouble, trouble, type World, world } from '../helpers/oemWorld.ts';

const job = fc.record({
  kind: fc.constantFrom(
    'control',
    'control',
    'reset',
    'read-state',
    'enroll',
    'read-enrollment',
    'read-command',
    'cancel',
    'set',
    'stop',
  ),
  site: fc.integer({ min: 0, max: 2 }),
  powerW: fc.integer({ min: 1, max: 5_000 }),
  atMs: fc.integer({ min: 0, max: 300_000 }),
  patienceMs: fc.integer({ min: 0, max: 300_000 }),
});

type JobSpec = typeof job extends fc.Arbitrary<infer T> ? T : never;

function jobOf(spec: JobSpec, i: number, nowMs: number): OemJob {
  const base = { jobId: `j${i}`, vendorDeviceId: String(1000 + spec.site) };
  switch (spec.kind) {
    case 'set': {
      const setting = { slug: 'battery:set-reserve', input: { chargePercentage: spec.powerW % 101 } } as const;
      return { ...base, kind: 'set', setting, startMs: nowMs, notAfterMs: nowMs + spec.patienceMs };
    }
    case 'control':
    case 'reset':
    case 'stop':
      return controlJob(base.jobId, {
        ...base,
        ...(spec.kind === 'stop' ? { emergency: true } : {}),
        mode: spec.kind === 'control' ? 'discharge' : 'reset',
        // The power names the job, so that the commands at the cloud can be counted per job.
        powerW: 10_000 + i,
        startMs: nowMs,
        endMs: nowMs + 3_600_000,
        notAfterMs: nowMs + spec.patienceMs,
      });
    case 'cancel':
    case 'read-command':
      return { ...base, kind: spec.kind, vendorRef: 'profile-1' };
    case 'enroll':
    case 'read-enrollment':
      return { ...base, kind: spec.kind, programId: 'prog-1' };
    default:
      return { ...base, kind: 'read-state' };
  }
}

function play(oem: BatteryOem, specs: readonly JobSpec[], fates: readonly Fate[], troubles: readonly Trouble[]): World {
  const w = world(oem);
  const { p } = w;
  p.wire = (_request, n) => fates[n % Math.max(1, fates.length)] ?? { thereMs: 10, backMs: 10 };
  specs.forEach((spec, i) => {
    p.clock.at(START_MS + spec.atMs, () => p.submit(jobOf(spec, i, START_MS + spec.atMs)));
  });
  plan(p, troubles);
  p.run(1_800_000);
  return w;
}

describe('an OEM session under a bad network', () => {
  it('gives exactly one reply to every job', () => {
    fc.assert(
      fc.property(
        oemId,
        fc.array(job, { minLength: 1, maxLength: 12 }),
        fc.array(fate, { maxLength: 40 }),
        fc.array(trouble, { maxLength: 4 }),
        (oem, specs, fates, troubles) => {
          const { p } = play(oem, specs, fates, troubles);
          const ids = p.replies.map((r) => r.reply.jobId).sort();
          expect(ids).toEqual(specs.map((_, i) => `j${i}`).sort());
          expect(p.session.nextTimeoutMs()).toBeNull();
        },
      ),
    );
  });

  it('never makes two commands of one control job, and none for a job that was not sent or refused', () => {
    const control = job.map((s) => ({ ...s, kind: 'control' as const }));
    fc.assert(
      fc.property(
        fc.constantFrom('enphase' as const, 'solaredge' as const),
        fc.array(control, { minLength: 1, maxLength: 8 }),
        fc.array(fate, { maxLength: 40 }),
        fc.array(trouble, { maxLength: 4 }),
        (oem, specs, fates, troubles) => {
          const { p, commands } = play(oem, specs, fates, troubles);
          const made = specs.map(
            (s, i) => commands(String(1000 + s.site)).filter((c) => c.spec.powerW === 10_000 + i).length,
          );
          made.forEach((n, i) => {
            expect(n).toBeLessThanOrEqual(1);
            const reply = p.replyTo(`j${i}`);
            if (reply?.kind === 'accepted') expect(n).toBe(1);
            if (reply?.kind === 'not-sent' || reply?.kind === 'refused') expect(n).toBe(0);
          });
        },
      ),
    );
  });

  it('leaves at most one open command per site when the network doubles requests', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('enphase' as const, 'solaredge' as const),
        fc.array(job, { minLength: 1, maxLength: 8 }),
        (oem, specs) => {
          const doubled: Fate = { thereMs: 30, backMs: 30, twice: true };
          const { p, commands } = play(oem, specs, [doubled], []);
          for (const site of ['1000', '1001', '1002']) {
            const open = commands(site).filter((c) => isOpen(c, p.clock.nowMs()));
            expect(open.length).toBeLessThanOrEqual(1);
          }
        },
      ),
    );
  });

  it('is not thrown off by any body', () => {
    fc.assert(
      fc.property(
        oemId,
        fc.array(job, { minLength: 1, maxLength: 6 }),
        fc.array(fc.oneof(fc.json(), fc.string()), { minLength: 1, maxLength: 10 }),
        (oem, specs, bodies) => {
          const fates = bodies.map((garbage): Fate => ({ thereMs: 10, backMs: 10, garbage }));
          const { p } = play(oem, specs, [{ thereMs: 10, backMs: 10 }, ...fates], []);
          expect(p.replies).toHaveLength(specs.length);
        },
      ),
    );
  });

  it('says the same things at the same times when it is played again', () => {
    fc.assert(
      fc.property(
        oemId,
        fc.array(job, { minLength: 1, maxLength: 8 }),
        fc.array(fate, { maxLength: 20 }),
        (oem, specs, fates) => {
          const once = play(oem, specs, fates, []).p.replies;
          expect(play(oem, specs, fates, []).p.replies).toEqual(once);
        },
      ),
      { numRuns: 30 },
    );
  });
});

describe('the parts of a session', () => {
  it('never let more through in any window than the limit says', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 20 }),
        fc.array(fc.integer({ min: 0, max: 400 }), { maxLength: 200 }),
        (max, gaps) => {
          const limiter = createLimiter({
            perSecondMax: max,
            perMinuteMax: null,
            perDayMax: null,
            perSiteDayMax: null,
            inFlightMax: 1,
          });
          const sent: number[] = [];
          let nowMs = 0;
          for (const gap of gaps) {
            nowMs = Math.max(nowMs + gap, limiter.freeMs(nowMs + gap, true));
            limiter.sent(null, nowMs);
            sent.push(nowMs);
          }
          for (const from of sent)
            expect(sent.filter((t) => t >= from && t < from + 1_000).length).toBeLessThanOrEqual(max);
        },
      ),
    );
  });

  it('hand deadlines out in order of time, then of arrival', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 20 })), (times) => {
        const heap = createHeap<{ atMs: number; i: number }>();
        for (const [i, atMs] of times.entries()) heap.push(atMs, { atMs, i });
        const out = times.map(() => heap.pop());
        const sorted = times.map((atMs, i) => ({ atMs, i })).sort((a, b) => a.atMs - b.atMs || a.i - b.i);
        expect(out).toEqual(sorted);
        expect(heap.pop()).toBeUndefined();
      }),
    );
  });

  it('wait between half a second and 30 s, the same for the same job and try', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 50 }), fc.string(), (tries, key) => {
        const ms = backoffMs(tries, key);
        expect(ms).toBe(backoffMs(tries, key));
        expect(ms).toBeGreaterThanOrEqual(500);
        expect(ms).toBeLessThanOrEqual(30_000);
      }),
    );
  });

  it('write credentials in base64 that the other side reads back', () => {
    const latin1 = fc.string({ unit: fc.integer({ min: 0x20, max: 0xff }).map((c) => String.fromCharCode(c)) });
    fc.assert(
      fc.property(latin1, latin1, (id, secret) => {
        expect(readBasic(basic(id, secret))).toBe(`${id}:${secret}`);
        expect(basic(id, secret)).toBe(`Basic ${Buffer.from(`${id}:${secret}`, 'latin1').toString('base64')}`);
      }),
    );
  });
});
