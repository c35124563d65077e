import { describe, expect, test } from 'vitest';
import type { BatteryState } from '../../../src/domain/battery.ts';
import { Bench, CAPABILITIES, HOUR, MIN } from '../../helpers/coreBench.ts';

const kinds = (b: Bench, deviceId: string) =>
  b.jobs(deviceId).map((j) => (j.kind === 'control' ? j.mode : `${j.kind} ${'vendorRef' in j ? j.vendorRef : ''}`));

describe('the eight ends of a command', () => {
  test('succeeded: the samples show the power', () => {
    const b = new Bench();
    b.device('enphase', 'e');
    const id = b.command('e', { powerW: 3_000 });
    b.run(b.nowMs + 2 * HOUR);
    expect(b.outcome(id)).toEqual({
      status: 'succeeded',
      reason: 'effect_seen',
      detail: 'wanted 3000 W; mean 3000 W over 11 samples',
    });
  });

  test('partial: the samples show a part of it', () => {
    const b = new Bench();
    b.device('enphase', 'e');
    const id = b.command('e', { powerW: 3_000 });
    b.run(b.nowMs + 2 * HOUR, () => ({ chargeRate: 1_500 }));
    expect(b.ended(id)).toEqual(['partial', 'effect_partly_seen']);
  });

  test('failed: the cloud took it and completed it, and telemetry shows nothing', () => {
    const b = new Bench();
    b.device('enphase', 'e');
    const id = b.command('e', { powerW: 3_000 });
    b.advance(10 * MIN);
    b.reply('e', { kind: 'command-status', jobId: 'job-1/read', status: 'completed', detail: '' });
    b.run(b.nowMs + 2 * HOUR, () => ({ chargeRate: 0 }));
    expect(b.ended(id)).toEqual(['failed', 'no_effect']);
  });

  test('failed: no sample came, the device was offline, the answer was lost, the cloud could not deliver', () => {
    const b = new Bench();
    for (const id of ['a', 'b', 'c', 'd']) b.device('enphase', id);
    b.answer = (_job, deviceId) => (deviceId === 'c' ? 'lose' : 'accept');
    const ids = ['a', 'b', 'c', 'd'].map((d) => b.command(d));
    b.observe('b', {}, false);
    b.reply('d', { kind: 'command-status', jobId: 'job-4/read', status: 'failed', detail: 'gateway silent' });
    b.advance(2 * HOUR);
    expect(ids.map((id) => b.ended(id))).toEqual([
      ['failed', 'no_telemetry'],
      ['failed', 'device_offline'],
      ['failed', 'outcome_unknown'],
      ['failed', 'delivery_failed'],
    ]);
  });

  test('expired: it never left the adapter, or its window had passed', () => {
    const b = new Bench({ answer: () => 'not-sent' });
    b.device('enphase', 'e');
    b.device('tesla', 't');
    const [first, second] = [b.command('e'), b.command('t', {}, { inMs: HOUR })];
    b.nowMs += 2 * HOUR; // the core slept over the whole window
    b.put({ kind: 'time' });
    expect([b.ended(first), b.ended(second)]).toEqual([
      ['expired', 'not_after_passed'],
      ['expired', 'not_after_passed'],
    ]);
    expect(b.jobs('t')).toEqual([]);
  });

  test('expired, not replayed: a refusal that comes after the latest start opens no second path', () => {
    const b = new Bench({ answer: () => 'silent' });
    b.device('enphase', 'e');
    const id = b.command('e');
    b.nowMs += HOUR;
    b.reply('e', { kind: 'refused', jobId: 'job-1', code: 'E', message: 'late' });
    expect(b.ended(id)).toEqual(['expired', 'not_after_passed']);
    expect(b.jobs('e')).toHaveLength(1);
  });

  test('cancelled: before it is sent nothing leaves at all; again it changes nothing', () => {
    const b = new Bench();
    b.device('tesla', 't');
    const id = b.command('t', {}, { inMs: HOUR });
    b.put({ kind: 'cancel-command', commandId: id, actor: 'ana' });
    const ofCommands = () => b.facts.filter(({ fact }) => fact.type.startsWith('command.'));
    const before = ofCommands();
    b.put({ kind: 'cancel-command', commandId: id, actor: 'ana' });
    b.advance(3 * HOUR);
    expect(ofCommands()).toEqual(before);
    expect(b.jobs('t')).toEqual([]);
    expect(b.ended(id)).toEqual(['cancelled', 'cancelled_by_actor']);
    b.put({ kind: 'cancel-command', commandId: 'cmd-9', actor: 'ana' });
    expect(b.refusals.at(-1)?.why).toBe('cmd-9: no such command');
  });

  test('cancelled after it was sent: the peer is told in its own way', () => {
    const b = new Bench();
    b.device('enphase', 'e');
    b.device('tesla', 't');
    b.device('dnp3', 'x');
    for (const d of ['e', 't', 'x']) b.put({ kind: 'cancel-command', commandId: b.command(d), actor: 'ana' });
    expect(kinds(b, 'e')).toEqual(['discharge', 'cancel ref-1']);
    expect(kinds(b, 't')).toEqual(['discharge', 'reset']);
    expect(b.fieldJobs('x')).toEqual(['setpoint', 'release']);
  });

  test('cancelled because the owner opted out at the cloud', () => {
    const b = new Bench();
    b.device('enphase', 'e');
    const id = b.command('e');
    b.advance(7 * MIN);
    expect(b.sent.some(({ effect }) => effect.kind === 'oem' && effect.job.jobId === 'job-1/read')).toBe(true);
    b.reply('e', { kind: 'command-status', jobId: 'job-1/read', status: 'opted-out', detail: 'by app' });
    expect(b.ended(id)).toEqual(['cancelled', 'opted_out']);
  });

  test('superseded: the newer one takes its place at the device and nothing is undone', () => {
    const b = new Bench();
    b.device('tesla', 't');
    const first = b.command('t');
    b.advance(10 * MIN);
    const second = b.command('t', { operatingMode: 'charge' });
    expect(b.ended(first)).toEqual(['superseded', 'newer_command']);
    expect(b.core.state.devices.get('t')?.openCommandId).toBe(second);
    expect(kinds(b, 't')).toEqual(['discharge', 'charge']);
  });

  test('ignored and rejected: Storm Guard; a site that may not be controlled', () => {
    const b = new Bench();
    b.device('enphase', 'e', { state: { isStormModeActive: true } });
    b.device('dnp3', 'x', { safety: 'unapproved' });
    const [stormy, closed] = [b.command('e'), b.command('x')];
    expect(b.ended(stormy)).toEqual(['ignored', 'storm_guard']);
    expect(b.ended(closed)).toEqual(['rejected', 'site_not_controllable']);
    expect([b.jobs('e'), b.fieldJobs('x')]).toEqual([[], []]);
  });
});

describe('what the cloud is left with', () => {
  test('a newer command that starts later takes the running one back', () => {
    const b = new Bench();
    b.device('enphase', 'e');
    b.command('e');
    b.command('e', {}, { inMs: 30 * MIN });
    expect(kinds(b, 'e')).toEqual(['discharge', 'cancel ref-1', 'discharge']);
  });

  test('a cloud that takes a command after it was cancelled or superseded is told to cancel that one, once', () => {
    const b = new Bench({ answer: () => 'silent' });
    b.device('enphase', 'e');
    const first = b.command('e');
    b.command('e');
    expect(b.ended(first)).toEqual(['superseded', 'newer_command']);
    const late = { kind: 'accepted', jobId: 'job-1', vendorRef: 'old' } as const;
    b.reply('e', late);
    b.reply('e', late);
    expect(kinds(b, 'e')).toEqual(['discharge', 'discharge', 'cancel old']);
  });

  test('a cloud without names of commands is not reset while a newer command holds', () => {
    const b = new Bench({ answer: () => 'silent' });
    b.device('tesla', 't');
    b.command('t');
    const second = b.command('t');
    b.reply('t', { kind: 'accepted', jobId: 'job-1', vendorRef: 'old' });
    expect(kinds(b, 't')).toEqual(['discharge', 'discharge']);
    b.put({ kind: 'cancel-command', commandId: second, actor: 'ana' });
    expect(kinds(b, 't')).toEqual(['discharge', 'discharge', 'reset']);
  });

  test('a cancelled command whose outcome is unknown is taken back by a reset', () => {
    const b = new Bench({ answer: () => 'silent' });
    b.device('enphase', 'e');
    b.put({ kind: 'cancel-command', commandId: b.command('e'), actor: 'ana' });
    expect(kinds(b, 'e')).toEqual(['discharge']);
    b.reply('e', { kind: 'unknown', jobId: 'job-1', message: 'lost' });
    expect(kinds(b, 'e')).toEqual(['discharge', 'reset']);
  });

  test('an acknowledgement that comes twice is one acknowledgement', () => {
    const b = new Bench();
    b.device('enphase', 'e');
    b.command('e');
    b.reply('e', { kind: 'accepted', jobId: 'job-1', vendorRef: 'ref-1' });
    expect(b.factsOf('command.acknowledged')).toHaveLength(1);
  });

  test('the fate of a question is not the fate of the command', () => {
    const b = new Bench();
    b.device('enphase', 'e');
    const id = b.command('e');
    b.reply('e', { kind: 'not-sent', jobId: 'job-1/read', message: 'queue full' });
    b.reply('e', { kind: 'refused', jobId: 'job-1/read', code: '404', message: 'gone' });
    expect(b.core.state.commands.get(id)?.status).toBe('acknowledged');
  });

  test('a device that does not end by itself is reset at the end, unless a newer command holds', () => {
    const b = new Bench();
    b.device('tesla', 't');
    b.command('t', {}, { forMs: HOUR });
    b.run(b.nowMs + HOUR);
    expect(kinds(b, 't')).toEqual(['discharge', 'reset']);
    b.command('t', {}, { forMs: 30 * MIN });
    b.advance(30 * MIN - 1);
    b.command('t', {}, { forMs: HOUR });
    b.advance(10 * MIN);
    expect(kinds(b, 't')).toEqual(['discharge', 'reset', 'discharge', 'discharge']);
  });

  test('the end of a window does not reset a device that a newer command took over at the same instant', () => {
    const b = new Bench();
    b.device('tesla', 't');
    b.command('t', {}, { forMs: HOUR });
    b.advance(HOUR - 1);
    b.nowMs += 1;
    b.command('t', {}, { forMs: HOUR });
    b.put({ kind: 'time' });
    expect(kinds(b, 't')).toEqual(['discharge', 'discharge']);
  });

  test('the samples of a command are forgotten when it has ended', () => {
    const b = new Bench();
    b.device('enphase', 'e');
    b.command('e');
    b.run(b.nowMs + 30 * MIN);
    expect(b.core.telemetry.evidence.size).toBe(1);
    b.run(b.nowMs + HOUR);
    expect(b.core.telemetry.evidence.size).toBe(0);
  });

  test('a command over its window is judged by its samples even if a newer one holds by then', () => {
    const b = new Bench();
    b.device('enphase', 'e');
    const first = b.command('e', { powerW: 3_000 });
    b.run(b.nowMs + HOUR);
    const second = b.command('e', { powerW: 1_000 });
    b.run(b.nowMs + HOUR);
    expect(b.ended(first)).toEqual(['succeeded', 'effect_seen']);
    b.run(b.nowMs + HOUR);
    expect(b.ended(second)).toEqual(['succeeded', 'effect_seen']);
  });

  test('a reset that does not get through is said again, six times in all, and once more when the device is back', () => {
    const b = new Bench();
    b.device('tesla', 't');
    const id = b.command('t', {}, { forMs: 4 * HOUR });
    b.observe('t', {}, false);
    b.put({ kind: 'cancel-command', commandId: id, actor: 'ana' });
    b.advance(2 * HOUR);
    expect(kinds(b, 't').filter((k) => k === 'reset')).toHaveLength(6);
    b.observe('t');
    expect(kinds(b, 't').filter((k) => k === 'reset')).toHaveLength(7);
    b.observe('t', {}, false);
    b.observe('t');
    b.advance(2 * HOUR);
    expect(kinds(b, 't').filter((k) => k === 'reset')).toHaveLength(7);
  });

  test('a reset is not said again once a newer command rules the device', () => {
    const b = new Bench();
    b.device('tesla', 't');
    b.answer = (job) => (job.kind === 'control' && job.mode === 'reset' ? 'lose' : 'accept');
    b.put({ kind: 'cancel-command', commandId: b.command('t'), actor: 'ana' });
    b.command('t');
    b.advance(30 * MIN);
    expect(kinds(b, 't')).toEqual(['discharge', 'reset', 'discharge']);
  });
});

describe('what a peer has no words for', () => {
  const lastOf = (b: Bench) => `${b.refusals.at(-1)?.code}: ${b.refusals.at(-1)?.why}`;

  test('a power below what a device gives that knows only on and off is refused, and all of it is taken', () => {
    const b = new Bench();
    b.device('tesla', 't', { dischargeWMax: 11_500 });
    for (const operatingMode of ['discharge', 'charge'] as const) {
      expect(b.command('t', { operatingMode, powerW: 1_000 })).toBe('');
      expect(lastOf(b)).toBe(
        'unsupported: t: it knows only on and off: leave out powerW, and it gives all of its 11500 W',
      );
      expect(b.command('t', { operatingMode, powerW: 11_500 })).not.toBe('');
      expect(b.command('t', { operatingMode })).not.toBe('');
    }
    expect(b.command('t', { operatingMode: 'idle', powerW: 1_000 })).not.toBe('');
  });

  test('a batch leaves such a device out and names it; the others follow', () => {
    const b = new Bench();
    b.device('solaredge', 's', { tags: ['x'] });
    b.device('tesla', 't', { tags: ['x'], enrolled: false });
    const input = { operatingMode: 'charge', enableGridInteraction: false, powerW: 1_000 } as const;
    const window = { startMs: b.nowMs, endMs: b.nowMs + HOUR };
    b.put({ kind: 'batch', batch: { workspaceId: 'ws', tag: 'x', input, ...window, actor: 'ana' } });
    const [batch] = b.factsOf('batch.accepted');
    expect([batch?.commandIds.length, batch?.skipped.map((s) => s.deviceId)]).toEqual([1, ['t']]);
  });

  test('reserves, and a discharge without grid interaction, are refused for a site behind DNP3', () => {
    const b = new Bench();
    b.device('dnp3', 'x');
    for (const reserve of [{ minimumBatteryReserve: 58 }, { maximumBatteryReserve: 90 }]) {
      expect(b.command('x', { powerW: 1_000, ...reserve })).toBe('');
      expect(lastOf(b)).toContain('unsupported: x: a setpoint of a site behind DNP3 has no reserves of its own');
    }
    expect(b.command('x', { powerW: 1_000, enableGridInteraction: false })).toBe('');
    expect(lastOf(b)).toContain('without enableGridInteraction it cannot discharge');
    expect(b.command('x', { operatingMode: 'charge', powerW: 1_000, enableGridInteraction: false })).not.toBe('');
    expect(b.fieldJobs('x')).toEqual(['setpoint']);
  });

  test('nothing is taken for a device that is not enrolled where its manufacturer has no other way', () => {
    const capabilities = { ...CAPABILITIES, enphase: { ...CAPABILITIES.enphase, needsEnrollment: true } };
    const b = new Bench({ settings: { capabilities } });
    b.device('enphase', 'e', { enrolled: false });
    b.device('solaredge', 's', { enrolled: false, tags: [] });
    const asks = ['discharge', 'charge', 'idle', 'reset'] as const;
    for (const operatingMode of asks) {
      expect(b.command('e', { operatingMode, enableGridInteraction: false })).toBe('');
      expect(lastOf(b)).toContain('unsupported: e: its manufacturer takes commands only for a device with an approved');
      expect(b.command('s', { operatingMode, enableGridInteraction: false })).not.toBe('');
    }
    b.enroll('e');
    for (const operatingMode of asks) expect(b.command('e', { operatingMode })).not.toBe('');
  });
});

describe('a discharge without grid interaction', () => {
  const home = { enableGridInteraction: false, powerW: 3_000 } as const;
  const resultOf = (b: Bench, id: string, state: Partial<BatteryState>) => {
    b.run(b.nowMs + 2 * HOUR, () => state);
    return b.outcome(id);
  };

  test('had its effect where the home takes nothing from the grid, as little as it needs', () => {
    const b = new Bench();
    b.device('solaredge', 's');
    const id = b.command('s', home);
    expect(resultOf(b, id, { chargeRate: 250, gridPower: 10 })).toMatchObject({
      status: 'succeeded',
      reason: 'effect_seen',
    });
    expect(b.outcome(id)?.detail).toContain('the home took 10 W from the grid; mean 250 W');
  });

  test('had none where the home takes from the grid, where it charges instead, and where no meter tells', () => {
    for (const state of [
      { chargeRate: 250, gridPower: 1_000 },
      { chargeRate: -250, gridPower: -1_000 },
      { chargeRate: 250, gridPower: null },
    ]) {
      const b = new Bench();
      b.device('solaredge', 's');
      expect(resultOf(b, b.command('s', home), state)?.reason).toBe('no_effect');
    }
  });

  test('is no success where it gives more than it was asked for', () => {
    const b = new Bench();
    b.device('solaredge', 's');
    const outcome = resultOf(b, b.command('s', home), { chargeRate: 4_000, gridPower: -3_000 });
    expect(outcome).toMatchObject({ status: 'partial', reason: 'effect_exceeded' });
  });
});

describe('a site behind DNP3', () => {
  test('is held to limit, approval and map revision; what is approved goes through', () => {
    const b = new Bench();
    b.device('dnp3', 'none', { safety: 'none' });
    b.device('dnp3', 'part', { safety: { approvedW: 2_000 } });
    const outcomes = [b.command('none', { powerW: 1 }), b.command('part', { powerW: 2_001 })].map(
      (id) => b.outcome(id)?.detail,
    );
    expect(outcomes[0]).toContain('no safety configuration');
    expect(outcomes[1]).toContain('2001 W is more than what was approved');
    const id = b.command('part', { powerW: 2_000 });
    expect(b.core.state.commands.get(id)).toMatchObject({ status: 'acknowledged', route: 'dnp3' });
  });

  test('an approval by the one who asked is refused', () => {
    const b = new Bench();
    b.device('dnp3', 'x', { safety: 'unapproved' });
    const approval = {
      approvalId: 'a',
      siteId: 'site-x',
      requestedBy: 'ana',
      approvedBy: 'ana',
      fromMs: 0,
      untilMs: 9e15,
    };
    b.put({ kind: 'approve-control', approval: { ...approval, chargeWMax: 1, dischargeWMax: 1, mapRevision: 'r1' } });
    expect(b.factsOf('site.control-approved')).toEqual([]);
    expect(b.refusals.at(-1)?.what).toBe('approve-control');
  });

  test('reset is a release, not a setpoint of zero', () => {
    const b = new Bench();
    b.device('dnp3', 'x');
    b.command('x', { operatingMode: 'reset', enableGridInteraction: false });
    b.advance(2 * HOUR);
    expect(b.fieldJobs('x')).toEqual(['release']);
  });

  test('an emergency stop needs no approval, ends the command, and nothing else leaves until two persons release it and a second person approves anew', () => {
    const b = new Bench();
    b.device('dnp3', 'x', { usableWh: 1_000_000 });
    b.event(3_000, { inMs: 0 });
    b.advance(0);
    b.put({ kind: 'emergency-stop', deviceId: 'x', actor: 'ana' });
    b.run(b.nowMs + 20 * MIN, undefined, MIN);
    expect(b.fieldJobs('x')).toEqual(['setpoint', 'emergency-stop']);
    expect(b.reasonOf('x')).toBe('site_not_controllable');
    expect(b.ended('cmd-1')).toEqual(['cancelled', 'cancelled_by_actor']);
    b.approve('site-x', 5_000);
    expect(b.refusals.at(-1)?.why).toContain('x is stopped');
    b.put({ kind: 'request-release', deviceId: 'x', by: 'ana' });
    b.put({ kind: 'confirm-release', deviceId: 'x', by: 'ben' });
    b.approve('site-x', 5_000);
    b.run(b.nowMs + 6 * MIN, undefined, MIN);
    expect(b.fieldJobs('x')).toEqual(['setpoint', 'emergency-stop', 'setpoint']);
  });

  test('an emergency stop that the link swallows is said again when the link is back', () => {
    const b = new Bench();
    b.device('dnp3', 'x');
    b.link('x', false);
    b.put({ kind: 'emergency-stop', deviceId: 'x', actor: 'ana' });
    b.link('x', true);
    b.advance(HOUR);
    expect(b.fieldJobs('x')).toEqual(['emergency-stop', 'emergency-stop']);
  });
});

describe('telemetry', () => {
  test('a device never seen, and figures that cannot be, are refused', () => {
    const b = new Bench();
    b.device('enphase', 'e');
    const before = b.facts.length;
    b.observe('nobody');
    b.observe('e', { chargePercentage: 140 });
    b.observe('e', { chargeRate: Number.NaN });
    b.observe('e', { backupReserve: -1 });
    b.observe('e', { sampledAtMs: b.nowMs + 60_000 });
    expect(b.refusals.map((r) => r.why)).toEqual([
      'nobody: no such device',
      'e: state of charge 140 %',
      'e: a figure is not a number',
      'e: reserve -1 %',
      'e: sampled 60000 ms in the future',
    ]);
    expect(b.facts).toHaveLength(before);
  });

  test('an older sample does not say what is now', () => {
    const b = new Bench();
    b.device('enphase', 'e');
    b.advance(10 * MIN);
    b.observe('e');
    b.observe('e', { isStormModeActive: true, sampledAtMs: b.nowMs - 5 * MIN });
    expect(b.core.state.devices.get('e')?.stormActive).toBe(false);
  });

  test('time that runs backwards is a bug', () => {
    const b = new Bench();
    expect(() => b.core.handle({ kind: 'time' }, b.nowMs - 1)).toThrow('time runs backwards');
  });
});
