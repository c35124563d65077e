import { describe, expect, test } from 'vitest';
import { fullRevision } from '../../../src/domain/pointsMap.ts';
import { FieldConnector } from '../../../src/field/connector.ts';
import { ADDRESSES, APPROVAL, Bench, RTAC, SAFETY } from './bench.ts';

describe('connector and simulated site', () => {
  test('the normalised state after the integrity poll is what the plant holds', () => {
    const bench = new Bench();
    bench.connect();
    bench.run(1_000);
    expect(bench.log.slice(0, 2)).toEqual(['link up', 'integrity-read']);
    expect(bench.lastState()).toMatchObject({
      local: false,
      state: { chargePercentage: 90, charge: 3_600_000, chargeRate: 0, chargingState: 'idle', backupReserve: 10 },
    });
  });

  test('a setpoint is AO145, AO146, then BO23, and the plant ramps to it', () => {
    const bench = new Bench();
    bench.connect();
    bench.run(1_000);
    bench.setpoint('job', 1_000_000, 10);
    bench.run(8_000);
    expect(bench.intents.slice(0, 3)).toEqual([
      'setpoint 1000000 W: direct operate AO145',
      'setpoint 1000000 W: direct operate AO146',
      'setpoint 1000000 W: operate BO23',
    ]);
    expect(bench.replies()).toEqual(['job operated']);
    expect(bench.rtac.plant).toMatchObject({ state: 'following', powerW: 1_000_000 });
    bench.run(30_000);
    expect(bench.lastState()?.state).toMatchObject({ chargeRate: 1_000_000, chargingState: 'discharging' });
  });

  test('beats keep the watchdog fed for the whole window, and then the site is given back', () => {
    const bench = new Bench();
    bench.connect();
    bench.run(1_000);
    bench.setpoint('job', 500_000, 10);
    bench.run(10 * 60_000 - 1);
    expect(bench.plant.filter((c) => c.state === 'safe')).toEqual([]);
    expect(bench.intents.filter((i) => i.includes('BO23'))).toHaveLength(60);
    bench.run(10_000);
    expect(bench.rtac.plant.state).toBe('schedule');
    expect(bench.intents.at(-1)).toBe('release, stop following');
  });

  test('a next setpoint at the end of the window takes over without a release between', () => {
    const bench = new Bench();
    bench.connect();
    bench.run(1_000);
    bench.setpoint('one', 500_000, 5);
    bench.run(5 * 60_000);
    bench.setpoint('two', 600_000, 5);
    bench.run(60_000);
    expect(bench.intents.filter((i) => i.startsWith('release'))).toEqual([]);
    expect(bench.rtac.plant.powerW).toBe(600_000);
    expect(bench.replies()).toEqual(['one operated', 'two operated']);
  });

  for (const told of [true, false]) {
    const how = told ? 'both ends are told' : 'nobody is told';
    test(`a cut link (${how}) makes the plant safe within watchdog + 1 s, and controls wait for the integrity poll`, () => {
      const bench = new Bench();
      bench.connect();
      bench.run(1_000);
      bench.setpoint('job', 1_000_000, 60);
      bench.run(60_000);
      const cutMs = bench.nowMs;
      if (told) bench.cut();
      else bench.goSilent();
      bench.run(20 * 60_000);
      const safe = bench.plant.find((c) => c.state === 'safe');
      expect(safe?.powerW).toBe(0);
      expect((safe?.atMs ?? Number.POSITIVE_INFINITY) - cutMs).toBeLessThanOrEqual(RTAC.watchdogMs + 1_000);
      expect(bench.log).toContain('link down');
      const before = bench.log.length;
      bench.connect();
      bench.run(60_000);
      const after = bench.log.slice(before);
      expect(after.indexOf('integrity-read')).toBeGreaterThanOrEqual(0);
      expect(after.findIndex((l) => l.startsWith('operate'))).toBeGreaterThan(after.indexOf('integrity-read'));
      expect(bench.rtac.plant).toMatchObject({ state: 'following', powerW: 1_000_000 });
    });
  }

  test('while half open, the connector says the link is down within three tries and sends no control', () => {
    const bench = new Bench();
    bench.connect();
    bench.run(1_000);
    bench.setpoint('job', 1_000_000, 60);
    bench.run(60_000);
    bench.goSilent();
    bench.run(25_000);
    expect(bench.log).toContain('link down');
    const sent = bench.intents.length;
    bench.run(10 * 60_000);
    expect(bench.intents.length).toBe(sent);
  });

  test('the emergency stop leaves ahead of everything, ends the setpoint and keeps later ones out', () => {
    const bench = new Bench();
    bench.connect();
    bench.run(1_000);
    bench.setpoint('job', 1_000_000, 60);
    bench.connector.submit({ kind: 'emergency-stop', jobId: 'stop' }, bench.nowMs);
    bench.pump();
    bench.run(60_000);
    expect(bench.intents.at(-1)).toBe('emergency-stop');
    expect(bench.rtac.plant).toMatchObject({ state: 'stopped', powerW: 0 });
    expect(bench.replies()).toContain('stop operated');
    bench.setpoint('later', 100_000, 5);
    bench.run(60_000);
    expect(bench.replies().at(-1)).toBe('later refused: the site was stopped and has not returned to service');
    bench.rtac.returnToService(bench.nowMs);
    bench.run(60_000);
    bench.setpoint('again', 100_000, 5);
    bench.run(10_000);
    expect(bench.replies().at(-1)).toBe('again operated');
  });

  test('an emergency stop without an answer is told once and repeated until it is answered', () => {
    const bench = new Bench();
    bench.connect();
    bench.run(1_000);
    bench.goSilent();
    bench.connector.submit({ kind: 'emergency-stop', jobId: 'stop' }, bench.nowMs);
    bench.pump();
    bench.run(20_000);
    expect(bench.replies()).toEqual(['stop unknown: direct: no answer in time']);
    bench.run(3_000);
    // The owner dials anew without having seen the end of the old connection.
    bench.connect();
    bench.run(1_000);
    expect(bench.replies().slice(1)).toEqual(['stop operated']);
    expect(bench.rtac.plant.state).toBe('stopped');
  });

  test('a read of everything in the middle of a window does not hurry the beats', () => {
    const bench = new Bench();
    bench.connect();
    bench.run(1_000);
    bench.setpoint('job', 500_000, 120);
    bench.run(110 * 60_000);
    expect(bench.log.filter((l) => l === 'integrity-read').length).toBeGreaterThan(1);
    expect(bench.intents.filter((i) => i.includes('BO23'))).toHaveLength(660);
  });

  test('an emergency stop asked for while the link is down is the first thing to leave when it is back', () => {
    const bench = new Bench();
    bench.connector.submit({ kind: 'emergency-stop', jobId: 'stop' }, bench.nowMs);
    bench.run(60_000);
    expect(bench.intents).toEqual([]);
    bench.connect();
    bench.run(5);
    expect(bench.intents).toEqual(['emergency-stop']);
    expect(bench.rtac.plant.state).toBe('stopped');
  });

  test('without safety configuration or approval nothing leaves and the reason is told', () => {
    const none = new Bench({ safety: null });
    none.connect();
    none.run(1_000);
    none.setpoint('a', 1_000, 5);
    const own = new Bench({ approvals: [{ ...APPROVAL, approvedBy: APPROVAL.requestedBy }] });
    own.connect();
    own.run(1_000);
    own.setpoint('b', 1_000, 5);
    expect(none.replies()[0]).toContain('no safety configuration');
    expect(own.replies()[0]).toContain('second person');
    expect([...none.intents, ...own.intents]).toEqual([]);
  });

  test('an approval that does not cover the whole window is refused before anything leaves', () => {
    const bench = new Bench({ approvals: [{ ...APPROVAL, untilMs: APPROVAL.fromMs + 60_000 }] });
    bench.connect();
    bench.run(1_000);
    bench.setpoint('job', 1_000, 5);
    bench.run(10_000);
    expect(bench.replies()).toHaveLength(1);
    expect(bench.replies()[0]).toContain('no valid approval');
    expect(bench.intents).toEqual([]);
  });

  test('an approval taken back in the middle of a window ends the setpoint and gives the site back', () => {
    const bench = new Bench();
    bench.connect();
    bench.run(1_000);
    bench.setpoint('job', 500_000, 60);
    bench.run(60_000);
    bench.pump();
    const sent = bench.intents.length;
    bench.connector.configure(SAFETY, [], bench.nowMs);
    bench.pump();
    bench.run(60_000);
    expect(bench.intents.slice(sent)).toEqual(['release, stop following']);
    expect(bench.rtac.plant.state).toBe('schedule');
  });

  test('a site in local mode is not controlled, and its state says so', () => {
    const bench = new Bench();
    bench.rtac.setLocal(true, bench.nowMs);
    bench.connect();
    bench.run(1_000);
    bench.setpoint('job', 500_000, 1);
    bench.run(90_000);
    expect(bench.lastState()?.local).toBe(true);
    expect(bench.intents).toEqual([]);
    expect(bench.replies()[0]).toContain('job refused');
  });

  test('capacities in amp-hours give no energy', () => {
    const bench = new Bench({ rtac: { capacityUnit: 'Ah' } });
    bench.connect();
    bench.run(1_000);
    expect(bench.lastState()?.state.charge).toBeNaN();
    expect(bench.lastState()?.state.chargePercentage).toBe(90);
  });

  test('an unknown map revision is the author’s mistake and names the nearest one', () => {
    const make = () =>
      new FieldConnector({
        siteId: 'x',
        safety: null,
        approvals: [],
        pointsMap: { revision: 'AN2018-01', overrides: {} },
        addresses: ADDRESSES,
      });
    expect(make).toThrow(/Did you mean "AN2018-001"/);
  });

  test('a fresh state comes at least each minute though nothing changes', () => {
    const bench = new Bench();
    bench.connect();
    bench.run(10 * 60_000);
    const times = bench.events.flatMap(({ event }) => (event.kind === 'state' ? [event.state.sampledAtMs] : []));
    const gaps = times.slice(1).map((t, i) => t - (times[i] ?? 0));
    expect(Math.max(...gaps)).toBeLessThanOrEqual(60_000);
  });

  test('both ends with the same moved, scaled and turned points mean the same', () => {
    const overrides = {
      activePower: { index: 600, scale: 0.1, sign: -1, unit: 'kW' },
      usableSoc: { index: 601, scale: 0.01 },
      totalEnergy: { index: 3 },
      setAgcTarget: { index: 30, unit: 'kW', sign: -1 },
      enableAgc: { index: 31 },
      ceaseToEnergize: { index: 32 },
      stopped: { index: 300 },
      local: { index: 301 },
    } as const;
    const pointsMap = { revision: 'AN2018-001', overrides };
    const bench = new Bench({ pointsMap, approvals: [{ ...APPROVAL, mapRevision: fullRevision(pointsMap) }] });
    bench.connect();
    bench.run(1_000);
    bench.setpoint('job', -700_000, 10);
    bench.run(60_000);
    expect(bench.intents[1]).toBe('setpoint -700000 W: direct operate AO30');
    expect(bench.rtac.plant.powerW).toBe(-700_000);
    const charge = bench.rtac.registers(bench.nowMs).storedMj / 3_600_000;
    const state = bench.lastState()?.state;
    expect(state).toMatchObject({ chargeRate: -700_000, chargingState: 'charging' });
    expect(Math.abs((state?.charge ?? 0) - charge)).toBeLessThan(0.01 * charge);
    bench.connector.submit({ kind: 'emergency-stop', jobId: 'stop' }, bench.nowMs);
    bench.pump();
    bench.run(1_000);
    expect(bench.rtac.plant.state).toBe('stopped');
  });

  test('an approval for the revision does not cover a site that moved a point since', () => {
    const bench = new Bench({ pointsMap: { revision: 'AN2018-001', overrides: { activePower: { sign: -1 } } } });
    bench.connect();
    bench.run(1_000);
    bench.setpoint('job', 1_000, 5);
    bench.run(10_000);
    expect(bench.replies()[0]).toContain('no valid approval');
    expect(bench.intents).toEqual([]);
  });

  test('a site without AGC is given percentages: AO92, AO93, then BO18', () => {
    const bench = new Bench({ connector: { controlMode: 'charge-discharge' } });
    bench.connect();
    bench.run(1_000);
    bench.setpoint('job', 999_999, 10);
    bench.run(20_000);
    expect(bench.intents.slice(0, 3).map((i) => i.split(': ')[1])).toEqual([
      'direct operate AO92',
      'direct operate AO93',
      'operate BO18',
    ]);
    // 49.9 % of 2 MW: cut toward 0, never more than asked.
    expect(bench.rtac.plant).toMatchObject({ state: 'following', mode: 'charge-discharge', powerW: 998_000 });
    bench.connector.submit({ kind: 'release', jobId: 'back' }, bench.nowMs);
    bench.pump();
    bench.run(5_000);
    expect(bench.rtac.plant.state).toBe('schedule');
  });

  test('a master that was silent for longer than the watchdog hears the site before it controls it again', () => {
    const bench = new Bench();
    bench.connect();
    bench.run(1_000);
    bench.setpoint('job', 500_000, 60);
    bench.run(20_000);
    // Its own timers stand still: nothing is sent, nothing is heard, the connection stays.
    bench.hang(5 * 60_000);
    expect(bench.rtac.plant.state).toBe('safe');
    const before = bench.log.length;
    const heard = bench.events.length;
    bench.wake();
    bench.run(15_000);
    const after = bench.log.slice(before);
    expect(after.some((l) => l.startsWith('operate setpoint'))).toBe(true);
    const firstState = bench.events.slice(heard).find(({ event }) => event.kind === 'state')?.atMs ?? 0;
    expect(bench.intentTimes.filter((t) => t >= bench.wokeMs).every((t) => t >= firstState)).toBe(true);
    expect(firstState).toBeGreaterThan(0);
    expect(bench.rtac.plant).toMatchObject({ state: 'following', powerW: 500_000 });
  });

  test('a setpoint for a site that was not heard within its watchdog waits for something fresh of it', () => {
    const bench = new Bench();
    bench.connect();
    bench.run(1_000);
    bench.hang(5 * 60_000);
    const heard = bench.events.length;
    bench.unfreeze();
    bench.setpoint('job', 500_000, 60);
    expect(bench.intents).toEqual([]);
    bench.run(15_000);
    const firstState = bench.events.slice(heard).find(({ event }) => event.kind === 'state')?.atMs;
    expect(bench.intentTimes[0]).toBeGreaterThanOrEqual(firstState ?? Number.POSITIVE_INFINITY);
    expect(bench.rtac.plant).toMatchObject({ state: 'following', powerW: 500_000 });
  });

  test('a watchdog that is configured while the link stands sets how often the site is asked from then on', () => {
    const bench = new Bench({ safety: null, rtac: { watchdogMs: 6_000, unsolicited: false } });
    bench.connect();
    bench.run(1_000);
    bench.connector.configure({ ...SAFETY, watchdog: { timeoutMs: 6_000 } }, [APPROVAL], bench.nowMs);
    bench.pump();
    bench.setpoint('job', 500_000, 120);
    bench.run(5_000);
    expect(bench.rtac.plant.state).toBe('following');
    bench.hang(8_000);
    expect(bench.rtac.plant.state).toBe('safe');
    bench.wake();
    bench.run(6_000);
    expect(bench.rtac.plant).toMatchObject({ state: 'following', powerW: 500_000 });
  });

  test('the state carries what the site says beyond the battery', () => {
    const bench = new Bench();
    bench.connect();
    bench.run(1_000);
    expect(bench.lastState()?.site).toMatchObject({
      chargeWMax: 2_000_000,
      dischargeWMax: 2_000_000,
      voltageV: 12_470,
      frequencyHz: 60,
      reactivePowerVar: 0,
      maximumReservePct: 100,
      alarms: [],
      alarmsUnknown: [],
    });
    bench.rtac.setAlarm('internalTemperatureHigh', true, bench.nowMs);
    bench.run(5_000);
    expect(bench.lastState()?.site?.alarms).toEqual(['priority-1', 'internal-temperature-high']);
  });

  test('a battery that its controller does not reach is unknown, and the meter is not', () => {
    const bench = new Bench();
    bench.connect();
    bench.run(1_000);
    bench.rtac.setAlarm('communicationError', true, bench.nowMs);
    bench.run(5_000);
    const last = bench.lastState();
    expect(last?.state.chargePercentage).toBeNaN();
    expect(last?.state.charge).toBeNaN();
    expect(last?.state.chargeRate).toBe(0);
    expect(last?.site?.alarmsUnknown).toEqual(['soc-at-maximum', 'soc-too-high', 'soc-too-low', 'soc-depleted']);
  });
});

describe('the reserve of a site', () => {
  const reserve = (bench: Bench, jobId: string, reservePct: number): void => {
    bench.connector.submit({ kind: 'reserve', jobId, reservePct, notAfterMs: bench.nowMs + 60_000 }, bench.nowMs);
    bench.pump();
  };

  test('is AO100, selected and operated once, and the site shows it', () => {
    const bench = new Bench();
    bench.connect();
    bench.run(1_000);
    reserve(bench, 'job', 42.5);
    bench.run(30_000);
    expect(bench.intents).toEqual(['reserve 42.5 %']);
    expect(bench.replies()).toEqual(['job operated']);
    expect(bench.lastState()?.state.backupReserve).toBe(42.5);
  });

  test('leaves a setpoint alone, and the setpoint it', () => {
    const bench = new Bench();
    bench.connect();
    bench.run(1_000);
    bench.setpoint('power', 500_000, 10);
    bench.run(20_000);
    reserve(bench, 'job', 30);
    bench.run(60_000);
    expect(bench.replies()).toEqual(['power operated', 'job operated']);
    expect(bench.rtac.plant).toMatchObject({ state: 'following', powerW: 500_000 });
    expect(bench.lastState()?.state.backupReserve).toBe(30);
  });

  test.each([
    ['a safety configuration', { safety: null }, /no safety configuration/],
    ['an approval', { approvals: [] }, /no valid approval/],
    ['an approval in force', { approvals: [{ ...APPROVAL, untilMs: APPROVAL.fromMs + 1 }] }, /no valid approval/],
  ])('is refused at once without %s, and nothing leaves', (_, part, why) => {
    const bench = new Bench(part);
    bench.run(1_000);
    reserve(bench, 'job', 30);
    expect(bench.replies()).toEqual([expect.stringMatching(why)]);
    bench.connect();
    bench.run(60_000);
    expect(bench.replies()).toEqual([expect.stringMatching(why)]);
    expect(bench.intents).toEqual([]);
  });

  test('waits for the link until its time is over, and a newer one takes the place of one that waits', () => {
    const bench = new Bench();
    reserve(bench, 'one', 30);
    reserve(bench, 'two', 31);
    bench.run(61_000);
    expect(bench.replies()).toEqual([
      'one refused: replaced by a newer reserve',
      'two refused: its time had passed before it could be sent',
    ]);
    reserve(bench, 'three', 32);
    bench.connect();
    bench.run(10_000);
    expect(bench.replies().at(-1)).toBe('three operated');
  });

  test('does not leave when its approval ended while it waited', () => {
    const bench = new Bench();
    reserve(bench, 'job', 30);
    bench.connector.configure(SAFETY, [], bench.nowMs);
    bench.connect();
    bench.run(10_000);
    expect(bench.replies()).toEqual([expect.stringMatching(/^job refused: no valid approval/)]);
    expect(bench.intents).toEqual([]);
  });

  test('is not given to a site that is stopped, nor does one that waits come after the stop', () => {
    const bench = new Bench();
    reserve(bench, 'before', 30);
    bench.connector.submit({ kind: 'emergency-stop', jobId: 'stop' }, bench.nowMs);
    reserve(bench, 'after', 31);
    bench.connect();
    bench.run(30_000);
    expect(bench.replies().filter((r) => !r.startsWith('stop'))).toEqual([
      'before refused: the site is being stopped',
      'after refused: the site was stopped and has not returned to service',
    ]);
    expect(bench.intents.filter((i) => i.startsWith('reserve'))).toEqual([]);
  });
});
