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

  test('discharge ends at the reserve and the alarm of a low state of charge comes on, not that of an empty one', () => {
    const s = site({ watchdogMs: 1e9, battery: { ...RTAC.battery, storedWh: 500_000 } });
    s.operate(ao(146, 2_000_000), bo(23));
    s.run(3_600_000);
    const floorMj = 400_000 * MJ_PER_WH;
    const { storedMj } = s.rtac.registers(s.clock.nowMs());
    // Below the floor only the standby loss goes on: 4 kW for at most an hour.
    expect(storedMj).toBeLessThanOrEqual(floorMj);
    expect(storedMj).toBeGreaterThanOrEqual(floorMj - 4_000 * MJ_PER_WH);
    expect(s.rtac.outstation.database.get('BI', 6)?.current.value).toBe(1);
    expect(s.rtac.outstation.database.get('BI', 7)?.current.value).toBe(0);
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
    if (end === undefined) throw new Error('the plant never ran out');
    const before = make();
    before.run(end.atMs - 1 - START_MS);
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
    ['a point it does not have', () => {}, ao(300, 1), 'notSupported (status 4)'],
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

const point = (s: ReturnType<typeof site>, kind: 'AI' | 'BI' | 'AOS' | 'BOS' | 'CTR', index: number) =>
  s.rtac.outstation.database.get(kind, index)?.current;
const LONG = { watchdogMs: 1e9, rampWPerS: 2_000_000 };
const DEFAULT_LIMITS = { chargeWMax: 1_000_000, dischargeWMax: 2_000_000 };

describe('modes of the plant', () => {
  test('charge/discharge mode takes tenths of a percent of the maximum in its direction', () => {
    const s = site({ ...LONG, battery: { ...RTAC.battery, ...DEFAULT_LIMITS } });
    expect(s.operate(ao(93, 505), bo(18))).toBe('operated');
    s.run(5_000);
    expect(s.rtac.plant.powerW).toBe(1_010_000);
    s.operate(ao(93, -505));
    s.run(5_000);
    expect(s.rtac.plant.powerW).toBe(-505_000);
    expect([point(s, 'AI', 154)?.value, point(s, 'BI', 70)?.value, point(s, 'BI', 75)?.value]).toEqual([-505, 1, 0]);
  });

  test('the mode that was enabled last rules, and the other one set off does not end it', () => {
    const s = site(LONG);
    s.operate(ao(146, 500_000), bo(23), ao(93, 100), bo(18));
    s.run(5_000);
    expect(s.rtac.plant).toMatchObject({ mode: 'charge-discharge', powerW: 200_000 });
    s.operate(bo(23, false));
    s.run(5_000);
    expect(s.rtac.plant).toMatchObject({ state: 'following', powerW: 200_000 });
    s.operate(bo(18, false));
    s.run(5_000);
    expect(s.rtac.plant).toMatchObject({ state: 'schedule', powerW: 0 });
  });

  test('its reversion timeout is its own: AO145 does not end it and AO92 does', () => {
    const s = site(LONG);
    s.operate(ao(145, 5), ao(92, 20), ao(93, 100), bo(18));
    s.run(19_000);
    expect(s.rtac.plant.state).toBe('following');
    s.run(1_000);
    expect(s.changes.at(-1)).toBe('20 safe 0');
  });

  test('active power limits hold for a setpoint, and end when they are not refreshed in AO85 seconds', () => {
    const s = site(LONG);
    s.operate(ao(85, 60), ao(88, 250), ao(87, 100), bo(17), ao(146, 1_000_000), bo(23));
    s.run(30_000);
    expect(s.rtac.plant.powerW).toBe(500_000);
    expect([point(s, 'AI', 43)?.value, point(s, 'AI', 44)?.value]).toEqual([500_000, -200_000]);
    s.operate(ao(146, -1_000_000));
    s.run(10_000);
    expect(s.rtac.plant.powerW).toBe(-200_000);
    expect(point(s, 'BI', 69)?.value).toBe(1);
    s.run(21_000);
    expect(point(s, 'BI', 69)?.value).toBe(0);
    s.run(5_000);
    expect(s.rtac.plant.powerW).toBe(-1_000_000);
  });

  test('charging ends at the maximum reserve and the alarm of a high state of charge comes on', () => {
    const s = site({ ...LONG, battery: { ...RTAC.battery, storedWh: 3_000_000 } });
    s.operate(ao(101, 800), ao(146, -2_000_000), bo(23));
    s.run(3_600_000);
    const { storedMj } = s.rtac.registers(s.clock.nowMs());
    expect(storedMj).toBeLessThanOrEqual(3_200_000 * MJ_PER_WH);
    expect(storedMj).toBeGreaterThan(3_190_000 * MJ_PER_WH);
    expect([point(s, 'AI', 162)?.value, point(s, 'AI', 959)?.value]).toEqual([800, 800]);
    expect(point(s, 'BI', 4)?.value).toBe(0);
  });

  test('the lowest state of charge of AGC holds while AGC is followed', () => {
    const s = site({ ...LONG, battery: { ...RTAC.battery, storedWh: 2_100_000 } });
    s.operate(ao(153, 500), ao(146, 2_000_000), bo(23));
    s.run(3_600_000);
    expect(s.rtac.registers(s.clock.nowMs()).storedMj).toBeGreaterThan(1_990_000 * MJ_PER_WH);
    s.operate(ao(93, 1000), bo(18));
    s.run(3_600_000);
    expect(s.rtac.registers(s.clock.nowMs()).storedMj).toBeLessThan(500_000 * MJ_PER_WH);
  });

  test('rates of the settings slow the ramp only while they are switched on', () => {
    const s = site({ ...LONG, rampWPerS: 200_000 });
    // Discharging more: 2 % of 2 MW a second; less: 5 %.
    s.operate(ao(149, 20), ao(150, 50), bo(39), ao(146, 400_000), bo(23));
    s.run(5_000);
    expect(s.rtac.plant.powerW).toBe(200_000);
    s.operate(ao(146, 0));
    s.run(1_000);
    expect(s.rtac.plant.powerW).toBe(100_000);
    s.operate(bo(39, false), ao(146, 400_000));
    s.run(1_000);
    expect(s.rtac.plant.powerW).toBe(300_000);
    expect([point(s, 'BI', 91)?.value, point(s, 'AI', 216)?.value]).toEqual([0, 20]);
  });

  test('a setting without effect here is refused, and 0 is taken', () => {
    const s = site();
    for (const output of [82, 89, 90, 91, 94, 95, 142, 143, 144, 147, 148]) {
      expect(s.operate(ao(output, 1)), `AO${output}`).toContain('notSupported');
      expect(s.operate(ao(output, 0)), `AO${output}`).toBe('operated');
    }
    expect(s.operate(ao(100, 1_001))).toContain('outOfRange');
    expect(s.operate(ao(93, -1_001))).toContain('outOfRange');
  });
});

describe('stopping and starting', () => {
  test('a stop does not wait for the permission to stop; a start waits for the permission to start', () => {
    const s = site(LONG);
    s.operate(bo(4, false), bo(3, false), ao(146, 500_000), bo(23));
    s.run(3_000);
    expect(s.operate(bo(2))).toBe('operated');
    expect(s.rtac.plant).toMatchObject({ state: 'stopped', powerW: 0 });
    expect([point(s, 'BI', 15), point(s, 'BI', 17), point(s, 'BI', 21)].map((p) => p?.value)).toEqual([1, 0, 1]);
    s.operate(bo(1));
    expect(s.rtac.plant.state).toBe('stopped');
    expect(point(s, 'BI', 12)?.value).toBe(1);
    s.operate(bo(3));
    expect(s.rtac.plant.state).toBe('schedule');
    expect([point(s, 'BI', 12), point(s, 'BI', 14), point(s, 'BI', 16)].map((p) => p?.value)).toEqual([0, 1, 1]);
  });

  const trip: Control = { kind: 'crob', index: 5, operation: 1, tripClose: 'trip', count: 1, onMs: 100, offMs: 0 };
  test('the connect switch takes the plant off, by a latch or a trip, and it does not start again by itself', () => {
    for (const open of [bo(5, false), trip]) {
      const s = site(LONG);
      s.operate(ao(146, 500_000), bo(23));
      s.run(3_000);
      s.operate(open);
      expect(s.rtac.plant).toMatchObject({ state: 'stopped', powerW: 0, switchClosed: false });
      expect([point(s, 'BI', 22), point(s, 'BI', 23)].map((p) => p?.value)).toEqual([1, 0]);
      expect(s.operate(bo(1))).toContain('automationInhibit');
      s.operate({ ...trip, tripClose: 'close' });
      expect(s.rtac.plant.state).toBe('stopped');
      expect(s.operate(bo(1))).toBe('operated');
      expect(s.rtac.plant.state).toBe('schedule');
    }
  });

  test('a lockout by the master stops it, holds until it is taken off, and leaves the stop itself possible', () => {
    const s = site(LONG);
    s.operate(bo(0));
    expect(s.rtac.plant.state).toBe('stopped');
    expect(s.operate(bo(1))).toContain('automationInhibit');
    expect(s.operate(bo(17))).toContain('automationInhibit');
    expect(s.operate(bo(2))).toBe('operated');
    expect(s.operate(bo(0, false), bo(1))).toBe('operated');
    expect(s.rtac.plant.state).toBe('schedule');
  });
});

describe('what the site shows', () => {
  test('while the battery is not reached its values are marked as lost and keep still, and alarms come on', () => {
    const s = site(LONG);
    s.operate(ao(146, 2_000_000), bo(23));
    s.run(60_000);
    const before = point(s, 'AI', 48);
    s.rtac.setAlarm('communicationError', true, s.clock.nowMs());
    s.run(600_000);
    expect(point(s, 'AI', 48)).toMatchObject({ value: before?.value, flags: 0x04 });
    expect([0, 1, 2, 3].map((i) => point(s, 'BI', i)?.value)).toEqual([1, 1, 0, 0]);
    // The meter is the site's own.
    expect(point(s, 'AI', 537)).toMatchObject({ value: 2_000_000, flags: 0x01 });
    s.rtac.setAlarm('communicationError', false, s.clock.nowMs());
    expect(point(s, 'AI', 48)?.flags).toBe(0x01);
    expect(point(s, 'AI', 48)?.value).toBeLessThan(before?.value ?? 0);
  });

  test('temperatures raise their alarms and their groups', () => {
    const s = site();
    s.rtac.setAlarm('externalTemperatureHigh', true, s.clock.nowMs());
    expect([1, 2, 8, 9].map((i) => point(s, 'BI', i)?.value)).toEqual([0, 1, 0, 1]);
    s.rtac.setAlarm('internalTemperatureHigh', true, s.clock.nowMs());
    expect([1, 2, 8, 9].map((i) => point(s, 'BI', i)?.value)).toEqual([1, 1, 1, 1]);
  });

  test('the meter: S² = P² + Q², current by √3, voltage up with what is given and down with what is taken', () => {
    const s = site(LONG);
    const value = (index: number) => point(s, 'AI', index)?.value ?? Number.NaN;
    const idle = value(553);
    expect([value(536), value(537), value(541), value(545), idle]).toEqual([60_000, 0, 0, 100, 124_700]);
    s.operate(ao(146, 1_600_000), bo(23));
    s.run(5_000);
    expect(value(553)).toBeGreaterThan(idle);
    expect(Math.hypot(value(537), value(541))).toBeCloseTo(value(546), -1);
    expect(value(554) / 10).toBeCloseTo(value(546) / (Math.sqrt(3) * (value(553) / 10)), 0);
    expect(value(541)).toBeLessThan(0);
    s.operate(ao(146, -1_600_000));
    s.run(5_000);
    expect(value(553)).toBeLessThan(idle);
    expect(value(545)).toBeLessThan(-95);
  });

  test('a moved point is where the map says, as the map counts, and nowhere else', () => {
    const overrides = {
      activePower: { index: 700, sign: -1, unit: 'kW', scale: 0.5 },
      setAgcTarget: { index: 9, unit: 'kW' },
      totalEnergy: { index: 4, unit: 'Wh' },
    } as const;
    const s = site({ ...LONG, pointsMap: { revision: 'AN2018-001', overrides } });
    expect(s.operate(ao(146, 500))).toContain('notSupported');
    s.operate(ao(9, 500), bo(23));
    s.run(5_000);
    expect(s.rtac.plant.powerW).toBe(500_000);
    expect(point(s, 'AI', 700)?.value).toBe(-1_000);
    expect(point(s, 'AI', 537)).toBeUndefined();
    s.rtac.setLocal(false, s.clock.nowMs());
    expect(point(s, 'CTR', 4)?.value).toBe(Math.round(s.rtac.registers(s.clock.nowMs()).storedMj / MJ_PER_WH));
  });
});
