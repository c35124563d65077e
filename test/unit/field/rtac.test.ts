import { describe, expect, test } from 'vitest';
import type { RtacConfig } from '../../../simulators/rtac/config.ts';
import { createRtac } from '../../../simulators/rtac/rtac.ts';
import { MasterSession } from '../../../src/dnp3/master/session.ts';
import type { Control } from '../../../src/dnp3/outstation/controls.ts';
import { MJ_PER_WH } from '../../../src/domain/units.ts';
import { ADDRESSES, RTAC, START_MS, TestClock } from './bench.ts';

const bo = (index: number, on = true): Control => ({
  kind: 'crob',
  index,
  operation: on ? 3 : 4,
  tripClose: 'none',
  count: 1,
  onMs: 0,
  offMs: 0,
});
const ao = (index: number, value: number): Control => ({ kind: 'analog', index, value });

/** A bare master in front of the site, without a connector that would hold anything back. */
function site(part: Partial<RtacConfig> = {}) {
  const clock = new TestClock(START_MS);
  const rtac = createRtac({ ...RTAC, ...part }, clock);
  const master = new MasterSession({
    localAddress: ADDRESSES.master,
    remoteAddress: ADDRESSES.outstation,
    known: () => true,
    keepAliveMs: 600_000,
  });
  const changes: string[] = [];
  rtac.onPlantChange((c) => changes.push(`${(c.atMs - START_MS) / 1000} ${c.state} ${c.powerW}`));
  const pump = () => {
    for (let n = 0; n < 100; n++) {
      const [out, back] = [master.takeOutput(), rtac.takeOutput()];
      if (out.length + back.length === 0) return;
      for (const o of out) rtac.receive(o, clock.nowMs());
      for (const o of back) master.receive(o, clock.nowMs());
    }
  };
  rtac.onOutput(() => {});
  rtac.connected(START_MS);
  master.connected(START_MS);
  pump();
  let n = 0;
  /** Outcome of one direct operate. */
  const operate = (...controls: Control[]): string => {
    n += 1;
    master.command(
      { id: String(n), urgent: false, steps: controls.map((c) => ({ mode: 'direct', controls: [c] })) },
      clock.nowMs(),
    );
    pump();
    const end = master.takeEvents().find((e) => e.kind === 'command-ended');
    if (end?.kind !== 'command-ended') return 'no end';
    return end.outcome.kind === 'operated' ? 'operated' : end.outcome.why;
  };
  const run = (ms: number) => clock.run(clock.nowMs() + ms);
  return { clock, rtac, master, changes, operate, run, pump };
}

describe('a site behind an RTAC', () => {
  test('silence of the master makes it safe at the watchdog, without any reversion time set', () => {
    const s = site();
    expect(s.operate(ao(146, 400_000), bo(23))).toBe('operated');
    s.run(60_000);
    expect(s.changes).toEqual(['0 following 0', '2 following 400000', '30 safe 0']);
  });

  test('a target that is not refreshed makes it safe at the reversion time, though the master still reads', () => {
    const s = site({ watchdogMs: 3_600_000 });
    s.operate(ao(145, 10), ao(146, 400_000), bo(23));
    s.run(60_000);
    expect(s.changes.at(-1)).toBe('10 safe 0');
  });

  test('power follows the ramp second by second and energy is exact', () => {
    const s = site({ watchdogMs: 3_600_000 });
    s.operate(ao(146, 500_000), bo(23));
    const powers = [1, 2, 3, 4].map(() => {
      s.run(1_000);
      return s.rtac.plant.powerW;
    });
    expect(powers).toEqual([200_000, 400_000, 500_000, 500_000]);
    // 0, 200, 400 and 500 kW, a second each.
    expect(s.rtac.registers(s.clock.nowMs()).dischargeMj).toBe(1_100_000 * 1_000);
    expect(s.rtac.registers(s.clock.nowMs()).dispatchedMj).toBe(1_100_000 * 1_000);
  });

  test('in every store: stored = charge − loss − discharge − loss − standby, to the mJ', () => {
    const s = site({ watchdogMs: 3_600_000 });
    const before = s.rtac.registers(s.clock.nowMs()).storedMj;
    s.operate(ao(146, 1_234_567), bo(23));
    s.run(777_777);
    s.operate(ao(146, -765_432));
    s.run(555_555);
    const r = s.rtac.registers(s.clock.nowMs());
    expect(r.chargeMj).toBeGreaterThan(0);
    expect(r.storedMj - before).toBe(r.chargeMj - r.chargeLossMj - r.dischargeMj - r.dischargeLossMj - r.standbyMj);
  });

  test('discharge ends at the reserve and the depleted alarm comes on', () => {
    const s = site({ watchdogMs: 1e9, battery: { ...RTAC.battery, storedWh: 500_000 } });
    s.operate(ao(146, 2_000_000), bo(23));
    s.run(3_600_000);
    const floorMj = 400_000 * MJ_PER_WH;
    const { storedMj } = s.rtac.registers(s.clock.nowMs());
    // Below the floor only the standby loss goes on: 4 kW for at most an hour.
    expect(storedMj).toBeLessThanOrEqual(floorMj);
    expect(storedMj).toBeGreaterThanOrEqual(floorMj - 4_000 * MJ_PER_WH);
    expect(s.rtac.outstation.database.get('BI', 7)?.current.value).toBe(1);
    expect(s.rtac.plant.powerW).toBe(0);
  });

  test('at the reserve the power is 0 from the very millisecond on, in the points as in the registers', () => {
    const make = () => {
      const s = site({ watchdogMs: 1e9, battery: { ...RTAC.battery, storedWh: 500_000 } });
      s.operate(ao(146, 2_000_000), bo(23));
      return s;
    };
    const whole = make();
    const changes: { atMs: number; powerW: number }[] = [];
    whole.rtac.onPlantChange((c) => changes.push(c));
    whole.run(3_600_000);
    const end = changes.find((c) => c.powerW === 0);
    expect(end).toBeDefined();
    const before = make();
    before.run((end?.atMs ?? 0) - 1 - START_MS);
    expect(before.rtac.plant.powerW).toBe(2_000_000);
    const given = (s: ReturnType<typeof site>) => s.rtac.registers(s.clock.nowMs()).dischargeMj;
    expect(given(whole) - given(before)).toBe(2_000_000);
  });

  const REFUSED: readonly (readonly [string, (s: ReturnType<typeof site>) => void, Control, string])[] = [
    ['local control', (s) => s.rtac.setLocal(true, START_MS), bo(23), 'local (status 7)'],
    ['lockout', (s) => s.rtac.setLockout(true, START_MS), ao(146, 1), 'automationInhibit (status 10)'],
    ['a stopped plant', (s) => void s.operate(bo(2)), bo(23), 'automationInhibit (status 10)'],
    ['a target above the limit', () => {}, ao(146, 2_000_001), 'outOfRange (status 12)'],
    ['a target below the limit', () => {}, ao(146, -2_000_001), 'outOfRange (status 12)'],
    ['a point it does not have', () => {}, ao(93, 1), 'notSupported (status 4)'],
    ['a setpoint that is no number', () => {}, ao(146, Number.NaN), 'formatError (status 3)'],
    ['an infinite setpoint', () => {}, ao(146, Number.POSITIVE_INFINITY), 'formatError (status 3)'],
  ];
  for (const [name, prepare, control, why] of REFUSED) {
    test(`${name} is refused with ${why}`, () => {
      const s = site();
      prepare(s);
      expect(s.operate(control)).toContain(why);
      expect(s.rtac.plant.targetW).toBe(0);
      expect(s.rtac.plant.state).not.toBe('following');
    });
  }

  test('a day of idling is cheap: fewer than 10 000 looks', () => {
    const s = site();
    let calls = 0;
    const step = s.rtac.plant.step.bind(s.rtac.plant);
    s.rtac.plant.step = (nowMs) => {
      calls += 1;
      step(nowMs);
    };
    s.rtac.disconnected(START_MS);
    s.run(24 * 3_600_000);
    expect(calls).toBeLessThan(20_000);
    expect(calls).toBeGreaterThan(8_000);
  });
});
