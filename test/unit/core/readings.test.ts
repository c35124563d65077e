import { describe, expect, test } from 'vitest';
import { Core } from '../../../src/core/core.ts';
import { MEASURE_AGAIN_MS, READINGS_KEPT_MS } from '../../../src/core/readings.ts';
import { restoreState, snapshotOf } from '../../../src/core/snapshot.ts';
import type { MeterBlock } from '../../../src/domain/meter.ts';
import { Bench, HOUR, MIN, T0 } from '../../helpers/coreBench.ts';

const block = (startMs: number, energyWh: MeterBlock['energyWh'], over: Partial<MeterBlock> = {}): MeterBlock => ({
  siteId: 'site-a',
  deviceId: null,
  startMs,
  stepMs: HOUR,
  energyWh,
  ...over,
});
const read = (b: Bench, ...blocks: MeterBlock[]) => b.put({ kind: 'meter-readings', blocks });
const battery = (id: string, startMs: number, energyWh: MeterBlock['energyWh']) =>
  block(startMs, energyWh, { siteId: `site-${id}`, deviceId: id });

/** A bench at a whole hour with a battery "a". */
function bench(): Bench {
  const b = new Bench({ startMs: Math.floor(T0 / HOUR) * HOUR });
  b.device('tesla', 'a');
  return b;
}

describe('meter readings', () => {
  test('join in whatever order they come; a correction replaces, what was not read leaves what is known', () => {
    const b = bench();
    const at = (h: number) => b.nowMs - h * HOUR;
    read(b, block(at(3), [30, 20]));
    read(b, block(at(8), [80, null, 60]));
    read(b, block(at(3), [null, 21, 10]));
    const history = b.core.telemetry.gridHistory('site-a');
    expect(history).toEqual({
      startMs: at(8),
      stepMs: HOUR,
      wh: [80, Number.NaN, 60, Number.NaN, Number.NaN, 30, 21, 10],
    });
  });

  test('are kept for 60 days before the newest', () => {
    const b = bench();
    const oldestMs = b.nowMs - READINGS_KEPT_MS;
    read(b, block(oldestMs, [1, 2, 3]));
    b.advance(2 * HOUR);
    read(b, block(b.nowMs - HOUR, [9]));
    expect(b.core.telemetry.gridHistory('site-a')).toMatchObject({ startMs: oldestMs + 2 * HOUR });
    expect(b.core.state.meters.get('site/site-a')?.energyWh).toHaveLength(READINGS_KEPT_MS / HOUR);
  });

  test('of batteries add up to those of their site, where all are known', () => {
    const b = new Bench({ startMs: Math.floor(T0 / HOUR) * HOUR });
    const device = b.device('tesla', 'a');
    b.put({
      kind: 'connect-device',
      device: { ...device, deviceId: 'a2', source: { kind: 'oem', oem: 'tesla', vendorDeviceId: 'v-a2' } },
    });
    const startMs = b.nowMs - 2 * HOUR;
    read(b, battery('a', startMs, [100, 200]), { ...battery('a', startMs, [5, null]), deviceId: 'a2' });
    expect(b.core.telemetry.batteryHistory('site-a')?.wh).toEqual([105, Number.NaN]);
    expect(b.core.telemetry.gridHistory('site-a')?.wh).toEqual([Number.NaN, Number.NaN]);
  });

  test.each<[string, (b: Bench) => MeterBlock[], string]>([
    ['a device of another site', (b) => [block(b.nowMs - HOUR, [1], { deviceId: 'z' })], 'unknown'],
    ['a number that is none', (b) => [block(b.nowMs - HOUR, [Number.NaN])], 'invalid'],
    [
      'two steps in one request',
      (b) => [block(b.nowMs - HOUR, [1]), block(b.nowMs - HOUR, [1], { stepMs: 15 * MIN })],
      'conflict',
    ],
  ])('with %s are refused whole', (_, blocks, code) => {
    const b = bench();
    read(b, ...blocks(b));
    expect(b.refusals.map((r) => r.code)).toEqual([code]);
    expect(b.factsOf('meter.read')).toEqual([]);
  });

  test('are there after a restart, from a snapshot as from the facts', () => {
    const b = bench();
    read(b, block(b.nowMs - 3 * HOUR, [30, null, 10]), battery('a', b.nowMs - 2 * HOUR, [-5, 5]));
    const shown = [b.core.telemetry.gridHistory('site-a'), b.core.telemetry.batteryHistory('site-a')];
    const folded = new Core(b.settings);
    for (const { fact, atMs } of b.facts) folded.replay([fact], atMs);
    const restored = new Core(b.settings, restoreState(JSON.parse(JSON.stringify(snapshotOf(b.core.state)))));
    for (const core of [folded, restored]) {
      core.handle({ kind: 'resume' }, b.nowMs);
      expect([core.telemetry.gridHistory('site-a'), core.telemetry.batteryHistory('site-a')]).toEqual(shown);
    }
    expect(shown[1]?.wh).toEqual([Number.NaN, -5, 5]);
  });
});

describe('an event that was measured', () => {
  function measured(): { readonly b: Bench; readonly startMs: number } {
    const b = bench();
    b.device('tesla', 'b');
    for (const id of ['a', 'b']) b.enroll(id);
    const { startMs } = b.event(4_000, { inMs: HOUR, forMs: HOUR });
    b.run(startMs + 2 * HOUR);
    expect(b.factsOf('event.measured')).toHaveLength(1);
    return { b, startMs };
  }

  test('is measured again once, 5 minutes after the first late reading of its sites', () => {
    const { b, startMs } = measured();
    read(b, block(startMs, [1_000]));
    b.advance(MIN);
    read(b, block(startMs, [-2_000], { siteId: 'site-b' }));
    b.advance(MEASURE_AGAIN_MS - 2 * MIN);
    expect(b.factsOf('event.measured')).toHaveLength(1);
    b.advance(MIN);
    const [, again] = b.factsOf('event.measured');
    expect(again?.performance.devices.map((d) => [d.deviceId, d.meteredWh])).toEqual([
      ['a', 1_000],
      ['b', -2_000],
    ]);
    b.advance(24 * HOUR);
    expect(b.factsOf('event.measured')).toHaveLength(2);
  });

  test('is left alone by readings of after it, of other sites, and by those it knows', () => {
    const { b, startMs } = measured();
    b.device('tesla', 'c', { enrolled: false });
    read(b, block(startMs, [1_000]));
    b.advance(HOUR);
    expect(b.factsOf('event.measured')).toHaveLength(2);
    read(b, block(startMs, [1_000]), block(startMs + HOUR, [5]), block(startMs, [7], { siteId: 'site-c' }));
    b.advance(HOUR);
    expect(b.factsOf('event.measured')).toHaveLength(2);
  });
});
