import { describe, expect, test } from 'vitest';
import { Bench, HOUR, MIN } from '../../helpers/coreBench.ts';

const STORM = { isStormModeActive: true, chargeRate: -3_000 };

describe('Storm Guard (promise S2; seed: ignored "even if they are sent successfully")', () => {
  test('a command taken by the cloud before the storm was seen is ignored, not succeeded, and the cloud is told to cancel', () => {
    const b = new Bench();
    b.device('enphase', 'e');
    const id = b.command('e', { powerW: 3_000 });
    expect(b.core.state.commands.get(id)?.status).toBe('acknowledged');
    b.advance(5 * MIN);
    b.observe('e', STORM);
    expect(b.ended(id)).toEqual(['ignored', 'storm_guard']);
    expect(b.jobs('e').at(-1)).toMatchObject({ kind: 'cancel', vendorRef: 'ref-1' });
    b.run(b.nowMs + 2 * HOUR, () => ({ chargeRate: 3_000 }));
    expect(b.ended(id)).toEqual(['ignored', 'storm_guard']);
  });

  test('the storm can begin before the cloud answers: the late answer is taken back', () => {
    const b = new Bench({ answer: (job) => (job.kind === 'control' ? 'silent' : 'accept') });
    b.device('enphase', 'e');
    const id = b.command('e');
    b.observe('e', STORM);
    b.reply('e', { kind: 'accepted', jobId: 'job-1', vendorRef: 'late' });
    expect(b.ended(id)).toEqual(['ignored', 'storm_guard']);
    expect(b.jobs('e').at(-1)).toMatchObject({ kind: 'cancel', vendorRef: 'late' });
  });

  test('a command during the storm is ignored and nothing is sent; afterwards commands work again', () => {
    const b = new Bench();
    b.device('enphase', 'e', { state: STORM });
    const id = b.command('e');
    expect(b.ended(id)).toEqual(['ignored', 'storm_guard']);
    expect(b.jobs('e')).toEqual([]);
    b.advance(HOUR);
    b.observe('e');
    b.command('e');
    expect(b.jobs('e')).toHaveLength(1);
  });

  test('a command without grid interaction is sent, but what the samples show under the storm is no success', () => {
    const b = new Bench();
    b.device('enphase', 'e', { state: STORM });
    const id = b.command('e', { enableGridInteraction: false, operatingMode: 'charge' });
    expect(b.jobs('e')).toHaveLength(1);
    b.run(b.nowMs + 2 * HOUR, () => STORM);
    expect(b.ended(id)).toEqual(['ignored', 'storm_guard']);
  });

  test('a storm in mid-event takes the device out; the others take over its share in the next control period', () => {
    const b = new Bench();
    for (const id of ['a', 'b', 'c']) b.device('enphase', id);
    const { startMs } = b.event(6_000);
    b.run(startMs + 10 * MIN);
    expect(['a', 'b', 'c'].map((id) => b.allocatedW(id))).toEqual([2_000, 2_000, 2_000]);
    b.observe('b', { ...STORM, sampledAtMs: b.nowMs });
    b.run(b.nowMs + 10 * MIN, (id) => (id === 'b' ? STORM : b.obedient(id)));
    expect(['a', 'b', 'c'].map((id) => b.allocatedW(id))).toEqual([3_000, 0, 3_000]);
    expect(b.reasonOf('b')).toBe('storm_guard');
    expect(b.lastDispatch).toMatchObject({ plannedW: 6_000, shortfallW: 0 });
    expect(b.jobs('b').at(-1)).toMatchObject({ kind: 'cancel' });
    expect(b.jobs('a').at(-1)).toMatchObject({ kind: 'control', powerW: 3_000 });
  });

  test('before the event starts the storm takes back what was sent ahead', () => {
    const b = new Bench();
    b.device('enphase', 'a');
    const { startMs } = b.event(2_000);
    b.run(startMs - 5 * MIN);
    expect(b.jobs('a')).toHaveLength(1);
    b.observe('a', { ...STORM, sampledAtMs: b.nowMs });
    expect(b.ended('cmd-1')).toEqual(['ignored', 'storm_guard']);
    expect(b.jobs('a').at(-1)).toMatchObject({ kind: 'cancel' });
  });
});
