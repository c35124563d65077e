import { describe, expect, test } from 'vitest';
import { Bench, HOUR, MIN, T0 } from '../../helpers/coreBench.ts';

const DAY = 24 * HOUR;
const allocated = (b: Bench) => b.lastDispatch?.allocations.map((a) => [a.deviceId, a.allocatedW]);

describe('the dispatcher', () => {
  test('plans ahead of the event, sends, and re-plans in each control period without bothering a cloud again', () => {
    const b = new Bench();
    for (const id of ['a', 'b']) b.device('enphase', id);
    const { startMs, endMs } = b.event(4_000);
    b.run(endMs + 30 * MIN);
    const plans = b.factsOf('dispatch.planned').map((f) => f.dispatch);
    expect(plans).toHaveLength(13);
    expect(plans[0]).toMatchObject({ periodStartMs: startMs, periodEndMs: startMs, plannedW: 4_000, shortfallW: 0 });
    expect(plans.slice(1).map((p) => p.periodEndMs - p.periodStartMs)).toEqual(Array(12).fill(5 * MIN));
    expect(b.facts.find(({ fact }) => fact.type === 'command.sent')?.atMs).toBe(startMs - 10 * MIN);
    expect(b.jobs()).toHaveLength(2);
    expect(b.factsOf('command.ended').map((f) => f.outcome.status)).toEqual(['succeeded', 'succeeded']);
    expect(b.factsOf('event.started')).toHaveLength(1);
    expect(b.factsOf('event.ended')).toHaveLength(1);
  });

  test('shares follow what each can hold until the end, above the reserve (promise S1) and within its power (S3)', () => {
    const b = new Bench();
    b.device('enphase', 'big', { usableWh: 13_500, dischargeWMax: 5_000 });
    b.device('enphase', 'low', { usableWh: 13_500, state: { chargePercentage: 40 } });
    b.device('enphase', 'oem', { usableWh: 13_500, state: { chargePercentage: 40, backupReserve: 0 } });
    b.event(20_000, { inMs: 0 });
    b.advance(0);
    // 20 % and 30 % of 13.5 kWh over one hour at the assumed one-way efficiency of 0.948
    expect(allocated(b)).toEqual([
      ['big', 5_000],
      ['low', 2_559],
      ['oem', 3_839],
    ]);
    expect(b.lastDispatch?.shortfallW).toBe(20_000 - 5_000 - 2_559 - 3_839);
  });

  test('a reserve raised in mid-event binds within one control period', () => {
    const b = new Bench();
    b.device('enphase', 'a', { state: { chargePercentage: 60 } });
    const { endMs } = b.event(3_000, { inMs: 0 });
    b.run(T0 + 10 * MIN, (id) => ({ ...b.obedient(id), chargePercentage: 60 }));
    b.observe('a', { chargePercentage: 60, backupReserve: 60, sampledAtMs: b.nowMs });
    b.advance(5 * MIN);
    expect(b.reasonOf('a')).toBe('reserve');
    expect(b.jobs('a').at(-1)).toMatchObject({ kind: 'cancel' });
    expect(b.ended('cmd-1')).toEqual(['cancelled', 'released']);
    expect(endMs).toBeGreaterThan(b.nowMs);
  });

  test('the share is over what the battery does for its own site at this time of day', () => {
    const b = new Bench();
    b.device('enphase', 'a');
    const days = 20;
    const n = (days * DAY) / (15 * MIN);
    const zeros = Array<number>(n).fill(0);
    b.put({
      kind: 'meter',
      siteId: 'site-a',
      startMs: T0 - days * DAY,
      stepMs: 15 * MIN,
      gridWh: zeros,
      batteryWh: Array<number>(n).fill(250),
    });
    b.event(2_000, { inMs: 0 });
    b.advance(0);
    expect(b.lastDispatch?.allocations).toEqual([{ deviceId: 'a', allocatedW: 2_000, setpointW: 3_000 }]);
    expect(b.jobs('a')[0]).toMatchObject({ powerW: 3_000 });
  });

  test('what the battery needs for its own site until the end is not promised to the grid', () => {
    const b = new Bench();
    b.device('enphase', 'a', { state: { chargePercentage: 40 } });
    const wh = Array<number>(20 * 96).fill(250);
    b.put({ kind: 'meter', siteId: 'site-a', startMs: T0 - 20 * DAY, stepMs: 15 * MIN, gridWh: wh, batteryWh: wh });
    b.event(5_000, { inMs: 0 });
    b.advance(0);
    // 20 % of 13.5 kWh at 0.948 holds 2,559 W for the hour, of which 1,000 W are its own use
    expect(b.lastDispatch?.allocations).toEqual([{ deviceId: 'a', allocatedW: 1_559, setpointW: 2_559 }]);
  });

  test('a battery that gives all its power to its own site is not needed, whatever the target', () => {
    const b = new Bench();
    b.device('enphase', 'a');
    const wh = Array<number>(20 * 96).fill(2_000);
    b.put({ kind: 'meter', siteId: 'site-a', startMs: T0 - 20 * DAY, stepMs: 15 * MIN, gridWh: wh, batteryWh: wh });
    b.event(2_000, { inMs: 0 });
    b.advance(0);
    expect(b.lastDispatch?.excluded).toEqual([{ deviceId: 'a', reason: 'not_needed', capableW: 0 }]);
  });

  test('every device left out is named with its reason', () => {
    const b = new Bench();
    b.device('enphase', 'not-enrolled', { enrolled: false });
    b.device('enphase', 'pending', { enrolled: false });
    b.put({ kind: 'enroll', deviceId: 'pending', programId: 'dsgs' });
    b.device('enphase', 'offline');
    b.observe('offline', {}, false);
    b.device('enphase', 'stale', { observed: false });
    b.device('enphase', 'storm', { state: { isStormModeActive: true } });
    b.device('enphase', 'low', { state: { charge: 0, chargePercentage: 30 } });
    b.device('enphase', 'reserve', { state: { chargePercentage: 20 } });
    b.device('dnp3', 'closed', { safety: 'unapproved' });
    b.device('enphase', 'taken');
    b.command('taken');
    b.event(1_000, { inMs: 0 });
    b.advance(0);
    expect(Object.fromEntries(b.lastDispatch?.excluded.map((x) => [x.deviceId, x.reason]) ?? [])).toEqual({
      'not-enrolled': 'not_enrolled',
      pending: 'enrollment_pending',
      offline: 'offline',
      stale: 'stale_telemetry',
      storm: 'storm_guard',
      low: 'low_soc',
      reserve: 'reserve',
      closed: 'site_not_controllable',
      taken: 'held_by_command',
    });
  });

  test('devices that are able and have no share are not needed', () => {
    const b = new Bench();
    for (const id of ['t1', 't2']) b.device('tesla', id);
    b.event(5_000, { inMs: 0 });
    b.advance(0);
    expect(allocated(b)).toEqual([['t1', 5_000]]);
    expect(b.reasonOf('t2')).toBe('not_needed');
  });

  test('a device that takes commands and does nothing is given up after two of them, and the others take over', () => {
    const b = new Bench();
    for (const id of ['a', 'b', 'c']) b.device('enphase', id);
    const { endMs } = b.event(6_000, { inMs: 0, forMs: 2 * HOUR });
    b.run(endMs - 5 * MIN, (id) => (id === 'b' ? { chargeRate: 0 } : { ...b.obedient(id), chargePercentage: 100 }));
    const ends = b
      .factsOf('command.ended')
      .filter((f) => b.core.state.commands.get(f.commandId)?.command.deviceId === 'b');
    expect(ends.map((f) => f.outcome.reason)).toEqual(['no_effect', 'no_effect']);
    expect(b.reasonOf('b')).toBe('not_responding');
    expect(allocated(b)).toEqual([
      ['a', 3_000],
      ['c', 3_000],
    ]);
    expect(b.obedient('a').chargeRate).toBe(3_000);
  });

  test('a cloud that refuses the commands of a device is asked twice in an event', () => {
    const b = new Bench({ answer: () => 'refuse' });
    b.device('solaredge', 's');
    const { endMs } = b.event(1_000, { inMs: 0 });
    b.run(endMs);
    expect(b.factsOf('command.ended').map((f) => f.outcome.reason)).toEqual(['oem_refused', 'oem_refused']);
    expect(b.reasonOf('s')).toBe('not_responding');
  });

  test('a link that drops in mid-event leaves the site out; back again it is first released, then commanded anew', () => {
    const b = new Bench();
    b.device('dnp3', 'x', { usableWh: 1_000_000 });
    b.event(3_000, { inMs: 0 });
    b.run(T0 + 10 * MIN, undefined, MIN);
    b.link('x', false);
    b.advance(5 * MIN);
    expect(b.reasonOf('x')).toBe('offline');
    expect(b.ended('cmd-1')).toEqual(['failed', 'device_offline']);
    b.link('x', true);
    b.run(b.nowMs + 5 * MIN, undefined, MIN);
    expect(b.fieldJobs('x').slice(0, 1)).toEqual(['setpoint']);
    expect(b.fieldJobs('x').slice(-2)).toEqual(['release', 'setpoint']);
    expect(b.reasonOf('x')).toBe(undefined);
  });

  test('a site behind DNP3 is planned within its approval, so that the plan can be carried out', () => {
    const b = new Bench();
    b.device('dnp3', 'x', { usableWh: 1_000_000, dischargeWMax: 50_000, safety: { approvedW: 20_000 } });
    b.event(30_000, { inMs: 0 });
    b.advance(0);
    expect(b.lastDispatch).toMatchObject({ plannedW: 20_000, shortfallW: 10_000 });
    expect(b.core.state.commands.get('cmd-1')?.status).toBe('acknowledged');
  });

  test('small changes are held back until they add up: a lost device is made good although each change is small', () => {
    const b = new Bench();
    const ids = Array.from({ length: 30 }, (_, i) => `d${String(i).padStart(2, '0')}`);
    for (const id of ids) b.device('enphase', id);
    b.event(60_000, { inMs: 0 });
    b.run(T0 + 10 * MIN);
    expect(b.jobs()).toHaveLength(30);
    b.observe('d00', { sampledAtMs: b.nowMs }, false);
    b.run(b.nowMs + 10 * MIN, (id) => (id === 'd00' ? null : b.obedient(id)));
    const setpoints = b.lastDispatch?.allocations.map((a) => a.setpointW) ?? [];
    const sum = setpoints.reduce((x, y) => x + y, 0);
    expect(Math.abs(60_000 - sum)).toBeLessThanOrEqual(600);
    const doing = ids.slice(1).reduce((x, id) => x + (b.obedient(id).chargeRate ?? 0), 0);
    expect(doing).toBe(sum);
  });

  test('an event longer than the manufacturer takes is commanded in stretches', () => {
    const b = new Bench();
    b.device('enphase', 'a', { usableWh: 100_000 });
    const { endMs } = b.event(2_000, { inMs: 0, forMs: 7 * HOUR });
    b.run(endMs + 30 * MIN);
    const windows = b.factsOf('command.accepted').map((f) => [f.command.startMs, f.command.endMs]);
    expect(windows).toEqual([
      [T0, T0 + 5 * HOUR],
      [T0 + 5 * HOUR, T0 + 7 * HOUR],
    ]);
    expect(b.factsOf('command.ended').map((f) => f.outcome.status)).toEqual(['succeeded', 'succeeded']);
  });

  test('a stretch that has run its course is judged by its samples even if the device can give no more', () => {
    const b = new Bench();
    b.device('enphase', 'a', { usableWh: 100_000 });
    b.event(2_000, { inMs: 0, forMs: 7 * HOUR });
    b.run(T0 + 5 * HOUR - MIN, undefined, MIN);
    b.observe('a', { chargePercentage: 20, chargeRate: 2_000, sampledAtMs: b.nowMs });
    b.run(T0 + 6 * HOUR, () => ({ chargePercentage: 20 }));
    expect(b.reasonOf('a')).toBe('reserve');
    expect(b.factsOf('command.ended').map((f) => f.outcome.status)).toEqual(['succeeded']);
  });

  test('an agenda read again after a restart makes one plan and one measurement of what was made already', () => {
    const b = new Bench();
    b.device('enphase', 'a');
    const { eventId, endMs } = b.event(2_000, { inMs: 0 });
    b.advance(0);
    b.core.state.agenda.add(b.nowMs, { kind: 'plan', eventId });
    b.advance(0);
    expect(b.factsOf('dispatch.planned')).toHaveLength(1);
    b.run(endMs + HOUR);
    b.core.state.agenda.add(b.nowMs, { kind: 'event-measure', eventId });
    b.advance(0);
    expect(b.factsOf('event.measured')).toHaveLength(1);
  });

  test('a target that changes with the interval is planned at its start, inside a control period too', () => {
    const b = new Bench();
    b.device('enphase', 'a');
    const at = (min: number) => T0 + min * MIN;
    b.put({
      kind: 'offer-event',
      offer: {
        programId: 'dsgs',
        kind: 'dispatch',
        calledBy: 'test',
        intervals: [
          { startMs: at(0), endMs: at(7), targetW: 1_000, priceUsdPerMwh: null },
          { startMs: at(7), endMs: at(15), targetW: 2_000, priceUsdPerMwh: null },
        ],
      },
    });
    b.run(at(20), undefined, MIN);
    const plans = b
      .factsOf('dispatch.planned')
      .map(({ dispatch: d }) => [(d.periodStartMs - T0) / MIN, (d.periodEndMs - T0) / MIN, d.targetW]);
    expect(plans).toEqual([
      [0, 5, 1_000],
      [5, 7, 1_000],
      [7, 12, 2_000],
      [12, 15, 2_000],
    ]);
  });

  test('an event offered in its middle is planned once at once and then in its periods', () => {
    const b = new Bench();
    b.device('enphase', 'a');
    b.event(2_000, { inMs: -7 * MIN, forMs: 20 * MIN });
    b.run(b.nowMs + 20 * MIN, undefined, MIN);
    const periods = b.factsOf('dispatch.planned').map(({ dispatch: d }) => [d.periodStartMs - T0, d.periodEndMs - T0]);
    expect(periods).toEqual([
      [0, 3 * MIN],
      [3 * MIN, 8 * MIN],
      [8 * MIN, 13 * MIN],
    ]);
  });

  test('devices handed from one event to the next keep the first until it is over', () => {
    const b = new Bench();
    b.program('second');
    b.device('tesla', 't', { tags: ['program:dsgs', 'program:second'], usableWh: 100_000 });
    b.enroll('t', 'second');
    b.event(5_000, { inMs: 0 });
    b.event(5_000, { inMs: HOUR, programId: 'second' });
    b.run(T0 + 3 * HOUR);
    const modes = b.jobs('t').map((j) => (j.kind === 'control' ? j.mode : j.kind));
    expect(modes.filter((m) => m === 'discharge')).toHaveLength(2);
    expect(b.factsOf('command.ended').map((f) => f.outcome.status)).toEqual(['succeeded', 'succeeded']);
    expect(modes.at(-1)).toBe('reset');
  });

  test('a plan for 1,000 devices counts each device once and adds up', () => {
    const b = new Bench();
    for (let i = 0; i < 1_000; i++) b.device(i % 3 === 0 ? 'tesla' : 'enphase', `d${i}`);
    b.event(1_500_000, { inMs: 0 });
    b.advance(0);
    const d = b.lastDispatch;
    expect((d?.allocations.length ?? 0) + (d?.excluded.length ?? 0)).toBe(1_000);
    expect(d?.allocations.reduce((s, a) => s + a.allocatedW, 0)).toBe(1_500_000);
  });
});
