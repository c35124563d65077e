import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { RtacConfig } from '../../simulators/rtac/config.ts';
import { createRtac } from '../../simulators/rtac/rtac.ts';
import { MasterSession } from '../../src/dnp3/master/session.ts';
import type { Approval, SiteSafety } from '../../src/domain/safety.ts';
import { ADDRESSES, APPROVAL, Bench, RTAC, SAFETY, START_MS, TestClock } from '../unit/field/bench.ts';

/** Numbers are those of the catalogue of properties for continuous integration. */

/** A bare master that sets a target, keeps quiet for a while and reads what it can. */
function silentFor(part: { watchdogS: number; reversionS: number; powerKw: number; beatsS: readonly number[] }) {
  const clock = new TestClock(START_MS);
  const config: RtacConfig = { ...RTAC, watchdogMs: part.watchdogS * 1000, rampWPerS: 500_000 };
  const rtac = createRtac(config, clock);
  const master = new MasterSession({
    localAddress: ADDRESSES.master,
    remoteAddress: ADDRESSES.outstation,
    known: () => false,
    keepAliveMs: 86_400_000,
    integrityMs: 86_400_000,
  });
  const pump = () => {
    for (let n = 0; n < 50; n++) {
      for (const o of master.takeOutput()) rtac.receive(o, clock.nowMs());
      const back = rtac.takeOutput();
      if (back.length === 0) return;
      for (const o of back) master.receive(o, clock.nowMs());
    }
  };
  const beat = () => {
    const steps = [
      { mode: 'direct' as const, controls: [{ kind: 'analog' as const, index: 145, value: part.reversionS }] },
      { mode: 'direct' as const, controls: [{ kind: 'analog' as const, index: 146, value: part.powerKw * 1000 }] },
      {
        mode: 'direct' as const,
        controls: [
          {
            kind: 'crob' as const,
            index: 23,
            operation: 3 as const,
            tripClose: 'none' as const,
            count: 1,
            onMs: 0,
            offMs: 0,
          },
        ],
      },
    ];
    master.command({ id: `b${clock.nowMs()}`, urgent: false, steps }, clock.nowMs());
    pump();
  };
  rtac.connected(START_MS);
  master.connected(START_MS);
  pump();
  beat();
  for (const s of part.beatsS) {
    clock.run(clock.nowMs() + s * 1000);
    beat();
  }
  return { clock, rtac };
}

/** What of a story a site's connector is asked to do. */
type Ask =
  | { readonly kind: 'setpoint'; readonly kw: number; readonly minutes: number }
  | { readonly kind: 'release' }
  | { readonly kind: 'stop' }
  | { readonly kind: 'approvals'; readonly which: readonly number[] }
  | { readonly kind: 'safety'; readonly isSet: boolean }
  | { readonly kind: 'link'; readonly how: 'cut' | 'silent' | 'up' }
  | { readonly kind: 'door'; readonly local: boolean }
  | { readonly kind: 'wait'; readonly s: number };

const ask: fc.Arbitrary<Ask> = fc.oneof(
  fc.record({
    kind: fc.constant('setpoint' as const),
    kw: fc.integer({ min: -1_500, max: 1_500 }),
    minutes: fc.integer({ min: 1, max: 30 }),
  }),
  fc.record({ kind: fc.constant('release' as const) }),
  fc.record({ kind: fc.constant('stop' as const) }),
  fc.record({
    kind: fc.constant('approvals' as const),
    which: fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 3 }),
  }),
  fc.record({ kind: fc.constant('safety' as const), isSet: fc.boolean() }),
  fc.record({
    kind: fc.constant('link' as const),
    how: fc.constantFrom('cut' as const, 'silent' as const, 'up' as const),
  }),
  fc.record({ kind: fc.constant('door' as const), local: fc.boolean() }),
  fc.record({ kind: fc.constant('wait' as const), s: fc.integer({ min: 1, max: 200 }) }),
);
const story = fc.array(ask, { minLength: 3, maxLength: 20 });

/** Good, by one person only, small, short, and for another points map. */
const APPROVALS: readonly Approval[] = [
  APPROVAL,
  { ...APPROVAL, approvalId: 'own', approvedBy: APPROVAL.requestedBy },
  { ...APPROVAL, approvalId: 'small', chargeWMax: 100_000, dischargeWMax: 100_000 },
  { ...APPROVAL, approvalId: 'short', untilMs: START_MS + 10 * 60_000 },
  { ...APPROVAL, approvalId: 'other', mapRevision: 'AN2018-001+activePower:sign=-1' },
];

interface Told {
  safety: SiteSafety | null;
  approvals: readonly Approval[];
}

interface Frame {
  readonly atMs: number;
  readonly detail: string;
  /** What was in force when it left. */
  readonly told: Told;
}

/** Plays a story and keeps every control that left, with what was in force then. */
function play(asks: readonly Ask[]) {
  const told: Told = { safety: SAFETY, approvals: [APPROVAL] };
  const bench = new Bench();
  const frames: Frame[] = [];
  const stops: number[] = [];
  let seen = 0;
  const note = () => {
    for (const detail of bench.intents.slice(seen)) frames.push({ atMs: bench.nowMs, detail, told: { ...told } });
    seen = bench.intents.length;
  };
  const wait = (ms: number) => {
    for (let t = 0; t < ms; t += 500) {
      bench.run(Math.min(500, ms - t));
      note();
    }
  };
  bench.connect();
  wait(1_000);
  asks.forEach((a, i) => {
    switch (a.kind) {
      case 'setpoint':
        bench.setpoint(`job-${i}`, a.kw * 1000, a.minutes);
        break;
      case 'release':
        bench.connector.submit({ kind: 'release', jobId: `job-${i}` }, bench.nowMs);
        bench.pump();
        break;
      case 'stop':
        stops.push(bench.nowMs);
        bench.connector.submit({ kind: 'emergency-stop', jobId: `job-${i}` }, bench.nowMs);
        bench.pump();
        break;
      case 'approvals':
        told.approvals = a.which.flatMap((n) => APPROVALS[n] ?? []);
        bench.connector.configure(told.safety, told.approvals, bench.nowMs);
        bench.pump();
        break;
      case 'safety':
        told.safety = a.isSet ? SAFETY : null;
        bench.connector.configure(told.safety, told.approvals, bench.nowMs);
        bench.pump();
        break;
      case 'link':
        if (a.how === 'cut') bench.cut();
        else if (a.how === 'silent') bench.goSilent();
        else bench.connect();
        break;
      case 'door':
        bench.rtac.setLocal(a.local, bench.nowMs);
        bench.pump();
        break;
      case 'wait':
        wait(a.s * 1000);
        return;
    }
    note();
    wait(500);
  });
  wait(30_000);
  return { bench, frames, stops };
}

const setpointW = (detail: string): number | null => {
  const found = /^setpoint (-?\d+) W/.exec(detail);
  return found === null ? null : Number(found[1]);
};

describe('a site behind DNP3 over random stories', () => {
  test('32 after silence longer than the watchdog the plant is safe within a tick, and longer silence gives no more', () => {
    fc.assert(
      fc.property(
        fc.record({
          watchdogS: fc.integer({ min: 2, max: 120 }),
          reversionS: fc.integer({ min: 1, max: 200 }),
          powerKw: fc.integer({ min: -2_000, max: 2_000 }),
          beatsS: fc.array(fc.integer({ min: 1, max: 60 }), { maxLength: 4 }),
        }),
        fc.integer({ min: 0, max: 600 }),
        fc.integer({ min: 0, max: 600 }),
        (part, silenceS, moreS) => {
          const { clock, rtac } = silentFor(part);
          const fromMs = clock.nowMs();
          clock.run(fromMs + silenceS * 1000);
          const powerW = Math.abs(rtac.plant.powerW);
          const limitS = Math.min(part.watchdogS, part.reversionS);
          if (silenceS >= limitS + 1) {
            expect(rtac.plant.powerW).toBe(0);
            expect(rtac.plant.state).toBe('safe');
          }
          const given = () => {
            const r = rtac.registers(clock.nowMs());
            return r.dischargeMj + r.chargeMj;
          };
          const before = given();
          clock.run(clock.nowMs() + moreS * 1000);
          // Once safe it stays safe; before that it may still be on its way to the target.
          if (silenceS >= limitS + 1) expect(given()).toBe(before);
          if (silenceS + moreS >= limitS + 1) expect(Math.abs(rtac.plant.powerW)).toBeLessThanOrEqual(powerW);
        },
      ),
    );
  });

  test('33 every setpoint that leaves has safety configuration and a valid approval of another person then', () => {
    let sent = 0;
    fc.assert(
      fc.property(story, (asks) => {
        const { frames } = play(asks);
        for (const { detail, told, atMs } of frames) {
          const powerW = setpointW(detail);
          if (powerW === null) continue;
          sent += 1;
          expect(told.safety, detail).not.toBeNull();
          const covers = (x: Approval) => {
            const limitW = powerW < 0 ? x.chargeWMax : x.dischargeWMax;
            const isInTime = x.fromMs <= atMs && atMs - 500 <= x.untilMs;
            return (
              x.requestedBy !== x.approvedBy && x.mapRevision === 'AN2018-001' && isInTime && Math.abs(powerW) <= limitW
            );
          };
          expect(told.approvals.filter(covers), `${detail} at ${atMs - START_MS} ms`).not.toEqual([]);
        }
      }),
      { numRuns: 150 },
    );
    expect(sent).toBeGreaterThan(100);
  });

  test('34 an emergency stop is on the wire within a second of a live link, and nothing but it follows', () => {
    let stopped = 0;
    fc.assert(
      fc.property(story, fc.integer({ min: 0, max: 5_000 }), (asks, laterMs) => {
        const { bench } = play(asks.filter((a) => a.kind !== 'door' && a.kind !== 'stop'));
        bench.connect();
        bench.run(laterMs);
        const fromMs = bench.nowMs;
        const before = bench.intents.length;
        bench.connector.submit({ kind: 'emergency-stop', jobId: 'stop' }, fromMs);
        bench.pump();
        bench.run(1_000);
        expect(bench.intents.slice(before)).toEqual(['emergency-stop']);
        expect(bench.rtac.plant).toMatchObject({ state: 'stopped', powerW: 0 });
        expect(bench.replies()).toContain('stop operated');
        bench.setpoint('later', 100_000, 5);
        bench.connector.submit({ kind: 'release', jobId: 'give-back' }, bench.nowMs);
        bench.pump();
        bench.run(120_000);
        expect(new Set(bench.intents.slice(before))).toEqual(new Set(['emergency-stop']));
        expect(bench.replies().filter((r) => r.startsWith('later') || r.startsWith('give-back'))).toEqual([
          'later refused: the site was stopped and has not returned to service',
          'give-back refused: the site is stopped: it follows nothing',
        ]);
        stopped += 1;
      }),
      { numRuns: 150 },
    );
    expect(stopped).toBe(150);
  });
});
