import { describe, expect, test } from 'vitest';
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
      new FieldConnector({ siteId: 'x', safety: null, approvals: [], mapRevision: 'AN2018-01', addresses: ADDRESSES });
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
});
