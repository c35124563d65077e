import { describe, expect, test } from 'vitest';
import type { ApplianceInput } from '../../../src/domain/appliance.ts';
import { ApplianceRig, PERIOD } from '../../helpers/applianceRig.ts';
import { canonical } from '../../helpers/coreBench.ts';
import { HOUR, MINUTE } from '../appliance/world.ts';

const [CAR, WALL, HOUSE, ROOF] = [0, 1, 2, 3];
const limit = (chargeLimit: number): ApplianceInput => ({ slug: 'vehicle:set-charge-limit', input: { chargeLimit } });
const charging = (operatingMode: 'start-charging' | 'stop-charging'): ApplianceInput => ({
  slug: 'vehicle:set-operating-mode',
  input: { operatingMode },
});
const fan = (fanMode: 'auto' | 'on'): ApplianceInput => ({ slug: 'thermostat:set-fan-mode', input: { fanMode } });
const cool = (coolTarget: number): ApplianceInput => ({
  slug: 'thermostat:set-operating-mode',
  input: { operatingMode: 'cool', coolTarget },
});

describe('a command to a device that is no battery', () => {
  test.each([
    ['a vehicle', 'car', limit(60)],
    ['a vehicle that charges', 'car', charging('stop-charging')],
    ['a charger', 'wall', { slug: 'charger:set-operating-mode', input: { operatingMode: 'stop-charging' } }],
    ['a thermostat', 'house', cool(78)],
    ['a fan', 'house', fan('on')],
    ['an inverter', 'roof', { slug: 'inverter:set-export-limit', input: { powerW: 1_000 } }],
  ] as const)('reaches %s through its cloud, and the next sample ends it', (_, deviceId, setting) => {
    const r = new ApplianceRig();
    const id = r.command(deviceId, setting);
    expect(r.standing(id)).toEqual(['sent']);
    r.run(MINUTE);
    expect(r.standing(id)).toEqual(['acknowledged']);
    r.run(2 * PERIOD);
    expect(r.standing(id)).toEqual(['succeeded', 'effect_seen']);
    expect(r.cloud.orders(`v-${deviceId}`).map((o) => [o.status, o.effects])).toEqual([['applied', 1]]);
  });

  test('is not succeeded because the cloud says so: swallowed, it has no effect two periods after', () => {
    const r = new ApplianceRig({ behaviour: { swallowRatio: 1 } });
    const id = r.command('car', limit(60));
    r.run(2 * PERIOD);
    expect(r.standing(id)).toEqual(['acknowledged']);
    r.run(3 * MINUTE);
    expect(r.standing(id)).toEqual(['failed', 'no_effect']);
  });

  test('is not proven by a sample from before it', () => {
    const r = new ApplianceRig({ behaviour: { swallowRatio: 1 } });
    r.run(2 * PERIOD + 1);
    const id = r.command('car', limit(80));
    expect(r.standing(id)).toEqual(['sent']);
    r.run(1_000);
    const seen = r.core.telemetry.appliances.get('car');
    if (seen === undefined) throw new Error('the car has sent no sample');
    const reply = { kind: 'appliance-state', jobId: 'x', vendorDeviceId: 'v-car', ...seen } as const;
    r.put({ kind: 'oem-reply', deviceId: 'car', reply });
    expect(r.standing(id)).toEqual(['acknowledged']);
  });

  test('whose effect cannot be seen is unknown: a full charger that is told to start', () => {
    const r = new ApplianceRig();
    r.run(24 * HOUR);
    const id = r.command('wall', { slug: 'charger:set-operating-mode', input: { operatingMode: 'start-charging' } });
    r.run(3 * PERIOD);
    expect(r.standing(id)).toEqual(['failed', 'outcome_unknown']);
  });

  test('that no way led to is failed, with the words of its cloud', () => {
    const r = new ApplianceRig({ behaviour: { deliveryFailureRatio: 1, deliveryWindowMs: MINUTE } });
    const id = r.command('car', limit(60));
    r.run(2 * PERIOD);
    expect(r.standing(id)).toEqual(['failed', 'delivery_failed']);
    expect(r.core.state.applianceCommands.get(id)?.outcome?.detail).toContain('could not be reached');
  });

  test('that cannot leave in time is expired', () => {
    const r = new ApplianceRig({ behaviour: { tokenDown: true } });
    const id = r.command('car', limit(60), { notAfterMs: 2 * MINUTE });
    r.run(3 * MINUTE);
    expect(r.standing(id)).toEqual(['expired', 'not_after_passed']);
    expect(r.cloud.orders('v-car')).toEqual([]);
  });

  test('without answer is not sent twice to effect, and telemetry decides', () => {
    const r = new ApplianceRig({ link: { replyLossRatio: 1 } });
    const id = r.command('car', limit(60));
    r.run(HOUR + 15 * MINUTE);
    expect(r.standing(id)[0]).toMatch(/failed|expired/);
    expect(r.cloud.orders('v-car').length).toBeLessThanOrEqual(1);
  });

  test.each([
    ['another kind', 'car', fan('on'), 'a vehicle does not know thermostat:set-fan-mode'],
    ['a value out of range', 'car', limit(101), 'input.chargeLimit is 101'],
    ['no such device', 'nobody', limit(50), 'no such device'],
    [
      'targets too close',
      'house',
      { slug: 'thermostat:set-operating-mode', input: { operatingMode: 'auto', heatTarget: 70, coolTarget: 71 } },
      'not 3 °F above',
    ],
  ] as const)('%s is refused, and nothing is recorded', (_, deviceId, setting, why) => {
    const r = new ApplianceRig();
    const before = r.facts.length;
    expect(r.command(deviceId, setting)).toContain(why);
    expect(r.facts).toHaveLength(before);
  });
});

describe('newer beats older', () => {
  test('and an answer to the older one changes nothing any more', () => {
    const r = new ApplianceRig();
    r.mute = true;
    const id = r.command('car', limit(60));
    r.command('car', limit(70));
    const facts = r.facts.length;
    const jobId = r.core.state.applianceCommands.get(id)?.jobId ?? '';
    const reply = { kind: 'refused', jobId, code: 'no', message: 'no' } as const;
    r.put({ kind: 'oem-reply', deviceId: 'car', reply });
    expect(r.facts).toHaveLength(facts);
    expect(r.standing(id)).toEqual(['superseded', 'newer_command']);
  });

  test('per device and slug: a fan mode leaves the operating mode alone', () => {
    const r = new ApplianceRig();
    const first = r.command('house', cool(78));
    const other = r.command('house', fan('on'));
    const second = r.command('house', cool(76));
    expect(r.standing(first)).toEqual(['superseded', 'newer_command']);
    r.run(2 * PERIOD + MINUTE);
    expect([r.standing(other)[0], r.standing(second)[0]]).toEqual(['succeeded', 'succeeded']);
    expect(r.shown(HOUSE ?? 2)).toMatchObject({ operatingMode: 'cool', coolTarget: 76, fanMode: 'on' });
  });

  test('numbers are given in one row with commands of batteries, and jobs as well', () => {
    const r = new ApplianceRig();
    r.command('car', limit(60));
    r.command('house', fan('on'));
    expect(r.core.state.counters).toMatchObject({ command: 2, job: 2 });
  });
});

describe('setting back', () => {
  test('at the end of a command what stood before goes out as a command of its own', () => {
    const r = new ApplianceRig();
    r.run(PERIOD);
    const id = r.command('car', limit(60), { forMs: 30 * MINUTE });
    r.run(20 * MINUTE);
    expect(r.standing(id)).toEqual(['succeeded', 'effect_seen']);
    expect(r.shown(CAR ?? 0)).toMatchObject({ chargeLimit: 60 });
    r.run(25 * MINUTE);
    const back = r.accepted().at(-1);
    expect(back).toMatchObject({ setting: limit(80), cause: { kind: 'restore', commandId: id } });
    expect(r.standing(back?.commandId ?? '')).toEqual(['succeeded', 'effect_seen']);
    expect(r.shown(CAR ?? 0)).toMatchObject({ chargeLimit: 80 });
  });

  test('an end is refused while no state is known that could be set back', () => {
    const r = new ApplianceRig({ behaviour: { down: true } });
    expect(r.command('car', limit(60), { forMs: HOUR })).toContain('no fresh state');
    expect(r.command('car', limit(60))).toMatch(/^cmd-/);
  });

  test('cancelled after its start it is set back at once', () => {
    const r = new ApplianceRig();
    r.run(PERIOD);
    const id = r.command('house', cool(80));
    r.run(MINUTE);
    r.cancel(id);
    expect(r.standing(id)).toEqual(['cancelled', 'cancelled_by_actor']);
    r.run(MINUTE);
    expect(r.shown(HOUSE ?? 2)).toMatchObject({ coolTarget: 74 });
    expect(r.jobs.map((j) => j.kind)).toEqual(['set', 'set']);
    const facts = r.facts.length;
    r.cancel(id);
    expect(r.facts).toHaveLength(facts);
  });

  test('cancelled before its start it is withdrawn at the cloud, and nothing is set', () => {
    const r = new ApplianceRig();
    r.run(PERIOD);
    const id = r.command('car', limit(60), { inMs: HOUR });
    r.run(MINUTE);
    r.cancel(id);
    r.run(2 * HOUR);
    expect(r.cloud.orders('v-car').map((o) => [o.status, o.effects])).toEqual([['cancelled', 0]]);
    expect(r.jobs.map((j) => j.kind)).toEqual(['set', 'cancel']);
  });

  test('cancelled before its answer came it is withdrawn when the answer comes', () => {
    const r = new ApplianceRig({ link: { delayMinMs: 2_000 } });
    r.run(PERIOD);
    const id = r.command('car', limit(60), { inMs: HOUR });
    r.cancel(id);
    r.run(2 * HOUR);
    expect(r.cloud.orders('v-car').map((o) => [o.status, o.effects])).toEqual([['cancelled', 0]]);
  });

  test('withdrawn too late, it is set back', () => {
    const r = new ApplianceRig();
    r.run(PERIOD);
    const id = r.command('car', limit(60), { inMs: MINUTE });
    r.run(MINUTE - 10);
    r.cancel(id);
    r.run(5_000);
    expect(r.cloud.orders('v-car').map((o) => o.status)).toEqual(['applied', 'applied']);
    expect(r.shown(CAR ?? 0)).toMatchObject({ chargeLimit: 80 });
  });

  test('cancelled before its start and taken after it, it is set back', () => {
    const r = new ApplianceRig({ link: { delayMinMs: 2_000 } });
    r.run(PERIOD);
    const id = r.command('car', limit(60), { inMs: 1_000 });
    r.cancel(id);
    r.run(MINUTE);
    expect(r.cloud.orders('v-car').map((o) => o.body.setting)).toEqual([limit(60), limit(80)]);
    expect(r.shown(CAR ?? 0)).toMatchObject({ chargeLimit: 80 });
  });

  test('what is set back is what was ordered last, though no sample shows it yet', () => {
    const r = new ApplianceRig();
    r.run(PERIOD);
    r.command('car', limit(70));
    r.command('car', limit(50), { forMs: 30 * MINUTE });
    r.run(HOUR);
    expect(r.shown(CAR ?? 0)).toMatchObject({ chargeLimit: 70 });
  });

  test('a command whose window was over before it was seen is judged, not superseded', () => {
    const r = new ApplianceRig({ behaviour: { swallowRatio: 1 } });
    r.run(PERIOD);
    const id = r.command('car', limit(60), { forMs: PERIOD + MINUTE });
    r.run(PERIOD + 2 * MINUTE);
    expect(r.standing(id)).toEqual(['failed', 'no_effect']);
  });

  test('a newer command takes over what is to be set back', () => {
    const r = new ApplianceRig();
    r.run(PERIOD);
    r.command('car', limit(60), { forMs: HOUR });
    r.run(15 * MINUTE);
    r.command('car', limit(50), { forMs: 2 * HOUR });
    r.run(HOUR);
    expect(r.shown(CAR ?? 0)).toMatchObject({ chargeLimit: 50 });
    r.run(2 * HOUR);
    expect(r.shown(CAR ?? 0)).toMatchObject({ chargeLimit: 80 });
  });

  test.each([
    ['expired', { tokenDown: true, tokenLifetimeMs: MINUTE }],
    ['failed', { swallowRatio: 1 }],
  ])('what a command that %s had replaced is set back as before', (status, trouble) => {
    const r = new ApplianceRig({ behaviour: { tokenLifetimeMs: MINUTE } });
    r.run(PERIOD);
    r.command('car', limit(60), { forMs: HOUR });
    r.run(15 * MINUTE);
    r.cloud.setBehaviour(trouble);
    const second = r.command('car', limit(50), { notAfterMs: 2 * MINUTE });
    r.run(15 * MINUTE);
    expect(r.standing(second)[0]).toBe(status);
    r.cloud.setBehaviour({ tokenDown: false, swallowRatio: 0 });
    r.run(HOUR);
    expect(r.shown(CAR ?? 0)).toMatchObject({ chargeLimit: 80 });
  });

  test('a device that is out of reach then is tried again, at most six times', () => {
    const r = new ApplianceRig();
    r.run(PERIOD);
    r.command('car', limit(60), { forMs: HOUR });
    r.run(30 * MINUTE);
    r.world.fleet.setLink(CAR ?? 0, false);
    r.run(HOUR);
    expect(r.core.state.appliances.get('car')?.reachable).toBe(false);
    r.world.fleet.setLink(CAR ?? 0, true);
    r.run(HOUR);
    expect(r.shown(CAR ?? 0)).toMatchObject({ chargeLimit: 80 });
    const gone = new ApplianceRig();
    gone.run(PERIOD);
    gone.command('car', limit(60), { forMs: HOUR });
    gone.run(30 * MINUTE);
    gone.world.fleet.setLink(CAR ?? 0, false);
    gone.run(12 * HOUR);
    expect(gone.accepted().filter((c) => c.cause.kind === 'restore')).toHaveLength(6);
  });
});

describe('after a restart', () => {
  test('a setting that may have left is said again under its job, and has one effect', () => {
    const r = new ApplianceRig({ link: { delayMinMs: 1_000 } });
    const id = r.command('car', limit(60));
    r.run(3_500);
    expect(r.cloud.orders('v-car')).toHaveLength(1);
    expect(r.standing(id)).toEqual(['sent']);
    r.restart();
    r.run(2 * PERIOD + MINUTE);
    expect(r.standing(id)).toEqual(['succeeded', 'effect_seen']);
    expect(r.jobs.map((j) => [j.jobId, j.kind === 'set' && j.resume])).toEqual([
      ['job-1', undefined],
      ['job-1', true],
    ]);
    expect(r.cloud.orders('v-car').map((o) => o.effects)).toEqual([1]);
  });

  test('a setting that was recorded and never left is sent', () => {
    const r = new ApplianceRig();
    r.mute = true;
    const id = r.command('car', limit(60));
    r.restart();
    r.run(2 * PERIOD + MINUTE);
    expect(r.standing(id)).toEqual(['succeeded', 'effect_seen']);
  });

  test('a setting that may have left and can leave no more is not said never to have left', () => {
    const r = new ApplianceRig({ link: { delayMinMs: 1_000 } });
    const id = r.command('car', limit(60), { notAfterMs: MINUTE });
    r.run(3_500);
    r.deaf = true;
    r.run(2 * MINUTE);
    r.restart();
    r.run(MINUTE);
    expect(r.replies.filter((x) => x.jobId === 'job-1').at(-1)).toMatchObject({ kind: 'unknown' });
    r.run(2 * PERIOD);
    expect(r.standing(id)).toEqual(['succeeded', 'effect_seen']);
  });

  test('the state is the fold of the facts, snapshot or not', () => {
    const r = new ApplianceRig();
    r.run(PERIOD);
    r.command('car', limit(60), { forMs: HOUR });
    r.cancel(r.command('house', fan('on')));
    r.command('wall', { slug: 'charger:set-operating-mode', input: { operatingMode: 'stop-charging' } });
    r.put({ kind: 'tag-device', deviceId: 'roof', tags: ['pv'] });
    r.run(20 * MINUTE);
    expect(canonical(withoutAgenda(r.folded().state))).toBe(canonical(withoutAgenda(r.core.state)));
    r.restart();
    r.run(2 * HOUR);
    expect(r.shown(CAR ?? 0)).toMatchObject({ chargeLimit: 80 });
    expect(r.shown(ROOF ?? 3)).toMatchObject({ kind: 'inverter' });
    expect(r.shown(WALL ?? 1)).toMatchObject({ chargingState: 'idle' });
  });

  test('what was cancelled ahead of its start is withdrawn, also when the process died in between', () => {
    const r = new ApplianceRig();
    r.run(PERIOD);
    const id = r.command('car', limit(60), { inMs: HOUR });
    r.run(MINUTE);
    r.mute = true;
    r.cancel(id);
    r.restart();
    r.run(2 * HOUR);
    expect(r.cloud.orders('v-car').map((o) => [o.status, o.effects])).toEqual([['cancelled', 0]]);
  });
});

test('a device of another workspace is refused as one that does not exist', () => {
  const r = new ApplianceRig();
  const window = { startMs: r.nowMs, endMs: null, notAfterMs: r.nowMs + HOUR };
  const ask = (workspaceId: string, deviceId: string) =>
    r.put({ kind: 'appliance-command', request: { workspaceId, deviceId, setting: limit(60), ...window, actor: 'x' } });
  const [foreign] = ask('other', 'car').refusals;
  const [absent] = ask('ws', 'nobody').refusals;
  expect(foreign?.why.replace('car', '')).toBe(absent?.why.replace('nobody', ''));
  expect(foreign?.code).toBe('unknown');
});

describe('a batch by tag', () => {
  test('commands what can take it and names the rest', () => {
    const r = new ApplianceRig();
    const window = { startMs: r.nowMs, endMs: null, notAfterMs: r.nowMs + HOUR };
    const order = { workspaceId: 'ws', tag: 'all', setting: limit(70), ...window, actor: 'ana' };
    const { facts } = r.put({ kind: 'appliance-batch', batch: order });
    const made = facts.find((f) => f.type === 'batch.accepted');
    expect(made).toMatchObject({ commandIds: ['cmd-1'], tag: 'all' });
    expect(made?.type === 'batch.accepted' && made.skipped.map((s) => s.deviceId)).toEqual(['house', 'roof', 'wall']);
    const all = r.put({ kind: 'appliance-batch', batch: { ...order, allOrNothing: true } });
    expect([all.facts.length, all.refusals[0]?.code]).toEqual([0, 'invalid']);
    const strange = r.put({ kind: 'appliance-batch', batch: { ...order, workspaceId: 'other' } });
    expect([strange.facts.length, strange.refusals[0]?.code]).toEqual([0, 'unknown']);
  });
});

/** The agenda's own numbering differs by what was passed over. */
function withoutAgenda<T extends object>(state: T): object {
  return Object.fromEntries(Object.entries(state).filter(([name]) => name !== 'agenda'));
}
