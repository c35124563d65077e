import { describe, expect, it } from 'vitest';
import { BEHAVIOUR, BEHAVIOUR_SOURCE } from '../../../simulators/oem/behaviour.ts';
import type { CloudOptions, OemCloud } from '../../../simulators/oem/cloud.ts';
import { createEnphaseCloud } from '../../../simulators/oem/enphase.ts';
import { createSolaredgeCloud } from '../../../simulators/oem/solaredge.ts';
import { createTeslaCloud } from '../../../simulators/oem/tesla.ts';
import { InputError } from '../../../src/domain/errors.ts';
import { createOemSession } from '../../../src/oem/index.ts';
import type { BatteryOem } from '../../../src/ports/oem.ts';
import type { WeatherAlert } from '../../../src/ports/series.ts';
import {
  CREDENTIALS,
  controlJob,
  devices,
  OemPair,
  START_MS,
  TestClock,
  TestFleet,
  testRandom,
} from '../../helpers/oemPair.ts';

const CREATE: Record<BatteryOem, (o: CloudOptions) => OemCloud> = {
  enphase: createEnphaseCloud,
  solaredge: createSolaredgeCloud,
  tesla: createTeslaCloud,
};
const OEMS: readonly BatteryOem[] = ['enphase', 'solaredge', 'tesla'];

function pair(oem: BatteryOem, change: Partial<CloudOptions> = {}): OemPair {
  const clock = new TestClock(START_MS);
  const fleet = new TestFleet(clock);
  const cloud = CREATE[oem]({
    scheduler: clock,
    random: testRandom(5),
    fleet,
    devices: devices(4),
    behaviour: { deliveryFailureRatio: 0, commandTailRatio: 0, alertPollMs: 600_000 },
    credentials: CREDENTIALS,
    programs: [{ programId: 'prog-1' }],
    ...change,
  });
  const p = new OemPair({ clock, fleet, cloud, session: createOemSession(oem, CREDENTIALS) });
  p.run(1);
  return p;
}

const alert = (change: Partial<WeatherAlert> = {}): WeatherAlert => ({
  alertId: 'a1',
  event: 'Severe Thunderstorm Warning',
  status: 'Actual',
  messageType: 'Alert',
  severity: 'Severe',
  urgency: 'Immediate',
  certainty: 'Observed',
  sentMs: START_MS,
  onsetMs: START_MS,
  endMs: START_MS + 3 * 3_600_000,
  zones: ['CAC071', '006071'],
  references: [],
  headline: '',
  ...change,
});

describe.each(OEMS)('the storm mode of %s', (oem) => {
  it('begins at the next poll for the devices of the zones and ends with the alert', () => {
    const p = pair(oem);
    expect(p.cloud.alert(alert())).toEqual({
      acted: true,
      why: '"Severe Thunderstorm Warning" triggers; 2 devices in its zones',
    });
    p.run(599_000);
    expect(p.fleet.storms).toEqual([]);
    p.run(1_200_000);
    expect(p.fleet.storms.map((s) => [s.device, s.active])).toEqual(
      expect.arrayContaining([
        [0, true],
        [2, true],
      ]),
    );
    expect(p.fleet.storms).toHaveLength(2);
    p.run(3 * 3_600_000);
    expect(p.fleet.storm.size).toBe(0);
    expect(p.fleet.storms).toHaveLength(4);
  });

  it('is shown by the API, while a control for the device is accepted and comes to nothing', () => {
    const p = pair(oem);
    p.cloud.alert(alert());
    p.run(2_400_000);
    const nowMs = p.clock.nowMs();
    const job = controlJob('j', { startMs: nowMs, endMs: nowMs + 3_600_000, notAfterMs: nowMs + 600_000 });
    expect(p.ask(job).kind).toBe('accepted');
    p.run(1_800_000);
    expect(p.fleet.powerW(0)).toBe(0);
    const read = { kind: 'read-state', jobId: 's', vendorDeviceId: '1000' } as const;
    expect(p.ask(read)).toMatchObject({ kind: 'state', state: { isStormModeEnabled: true, isStormModeActive: true } });
    const other = { kind: 'read-state', jobId: 't', vendorDeviceId: '1001' } as const;
    expect(p.ask(other)).toMatchObject({ kind: 'state', state: { isStormModeActive: false } });
  });

  it.each([
    ['a test', { status: 'Test' as const }, 'status is Test, only Actual acts'],
    ['an exercise', { status: 'Exercise' as const }, 'status is Exercise, only Actual acts'],
    ['heat', { event: 'Excessive Heat Warning' }, undefined],
    ['another zone', { zones: ['TXC201'] }, 'no device with storm mode enabled in its zones'],
    ['the past', { endMs: START_MS + 60_000 }, 'over before the cloud would have acted'],
  ])('does not act on %s', (_what, change, why) => {
    const p = pair(oem);
    const verdict = p.cloud.alert(alert(change));
    expect(verdict.acted).toBe(false);
    if (why !== undefined) expect(verdict.why).toBe(why);
    p.run(3_600_000);
    expect(p.fleet.storms).toEqual([]);
  });

  it('does not act where the owner has switched it off', () => {
    const p = pair(oem, { devices: devices(4, { stormGuardEnabled: false }) });
    expect(p.cloud.alert(alert()).acted).toBe(false);
  });

  it('ends at a poll after a cancel, and goes on when another alert still holds', () => {
    const p = pair(oem);
    p.cloud.alert(alert());
    p.cloud.alert(alert({ alertId: 'a2', event: 'Tornado Warning', severity: 'Extreme' }));
    p.run(2_000_000);
    expect(p.fleet.storm.size).toBe(2);
    p.cloud.alert(alert({ alertId: 'c', messageType: 'Cancel', references: ['a1'] }));
    p.run(2_000_000);
    expect(p.fleet.storm.size).toBe(2);
    p.cloud.alertOver('a2');
    p.run(2_000_000);
    expect(p.fleet.storm.size).toBe(0);
  });

  it('is replaced without a gap by an update', () => {
    const p = pair(oem);
    p.cloud.alert(alert());
    p.run(2_000_000);
    p.cloud.alert(alert({ alertId: 'a2', messageType: 'Update', references: ['a1'], endMs: START_MS + 6 * 3_600_000 }));
    p.run(5 * 3_600_000 - 2_000_000);
    expect(p.fleet.storm.size).toBe(2);
    expect(p.fleet.storms).toHaveLength(2);
    p.run(2 * 3_600_000);
    expect(p.fleet.storm.size).toBe(0);
  });

  it('is cut short by an update that ends sooner', () => {
    const p = pair(oem);
    p.cloud.alert(alert());
    p.run(2_000_000);
    p.cloud.alert(alert({ alertId: 'a2', messageType: 'Update', references: ['a1'], endMs: START_MS + 3_600_000 }));
    p.run(3_000_000);
    expect(p.fleet.storm.size).toBe(0);
  });

  it('reaches a device that was offline when it comes back', () => {
    const p = pair(oem);
    p.fleet.offline.add(0);
    p.cloud.alert(alert());
    p.run(2_000_000);
    expect([...p.fleet.storm]).toEqual([2]);
    p.fleet.offline.delete(0);
    p.run(120_000);
    expect([...p.fleet.storm].sort()).toEqual([0, 2]);
  });
});

describe('the behaviour of a cloud', () => {
  it.each(OEMS)('of %s carries a source for every figure', (oem) => {
    expect(Object.keys(BEHAVIOUR_SOURCE[oem]).sort()).toEqual(Object.keys(BEHAVIOUR[oem]).sort());
  });

  it('refuses a ratio of 1.5 by name', () => {
    expect(() => pair('tesla', { behaviour: { deliveryFailureRatio: 1.5 } })).toThrow(InputError);
    expect(() => pair('tesla', { behaviour: { deliveryFailureRatio: 1.5 } })).toThrow(
      'cloud behaviour: deliveryFailureRatio: found 1.5, expected a number from 0 to 1.',
    );
  });
});
