import { describe, expect, test } from 'vitest';
import type { Context } from '../../../src/core/context.ts';
import { RELEASE_CONFIRM_MS } from '../../../src/core/safety.ts';
import { undo } from '../../../src/core/undo.ts';
import type { ApprovalRequest, SiteSafety } from '../../../src/domain/safety.ts';
import { Bench, HOUR, MIN } from '../../helpers/coreBench.ts';

const SAFETY: SiteSafety = { watchdog: { timeoutMs: MIN }, chargeWMax: 4_000, dischargeWMax: 5_000 };

/** A site behind DNP3 that is configured and not approved. */
function site(safety: SiteSafety | null = SAFETY): Bench {
  const b = new Bench();
  b.device('dnp3', 'x', { safety: 'none', usableWh: 1_000_000 });
  if (safety !== null) configure(b, safety);
  return b;
}

const configure = (b: Bench, safety: SiteSafety) =>
  b.put({ kind: 'configure-safety', siteId: 'site-x', safety, actor: 'ana' });

function request(b: Bench, over: Partial<ApprovalRequest> = {}): string {
  const out = b.put({
    kind: 'request-approval',
    request: {
      siteId: 'site-x',
      requestedBy: 'ana',
      modes: ['discharge', 'idle'],
      chargeWMax: 0,
      dischargeWMax: 3_000,
      fromMs: b.nowMs,
      untilMs: b.nowMs + 8 * HOUR,
      mapRevision: 'r1',
      ...over,
    },
  });
  const fact = out.facts.find((f) => f.type === 'approval.requested');
  return fact?.type === 'approval.requested' ? fact.request.approvalId : '';
}

const approve = (b: Bench, approvalId: string, approvedBy = 'ben') =>
  b.put({ kind: 'approve-control', approvalId, approvedBy });

const statusOf = (b: Bench, approvalId: string) => b.core.state.approvalRequests.get(approvalId)?.status;
const setpoints = (b: Bench): number => b.fieldJobs('x').filter((k) => k === 'setpoint').length;
const lastWhy = (b: Bench): string => `${b.refusals.at(-1)?.code}: ${b.refusals.at(-1)?.why}`;

describe('an approval', () => {
  test('is asked for by one person and given by another, and then the setpoint leaves', () => {
    const b = site();
    const id = request(b);
    expect(b.ended(b.command('x', { powerW: 1_000 }))).toEqual(['rejected', 'site_not_controllable']);
    approve(b, id, 'ana');
    expect(lastWhy(b)).toBe('forbidden: the approval must come from somebody other than who asked');
    expect(setpoints(b)).toBe(0);
    approve(b, id);
    expect(statusOf(b, id)).toBe('approved');
    b.command('x', { powerW: 1_000 });
    expect(setpoints(b)).toBe(1);
    approve(b, id);
    expect(lastWhy(b)).toBe(`conflict: ${id} is approved`);
  });

  test('covers its modes, its powers and its window, and nothing else', () => {
    const b = site();
    approve(b, request(b));
    const end = (input: Parameters<Bench['command']>[1], window?: Parameters<Bench['command']>[2]) =>
      b.outcome(b.command('x', input, window))?.detail ?? 'left';
    expect(end({ operatingMode: 'charge', powerW: 500 })).toContain('the approval does not cover the mode charge');
    expect(end({ powerW: 3_001 })).toContain('3001 W is more than what was approved');
    expect(end({ powerW: 3_000 }, { forMs: 9 * HOUR })).toContain('no valid approval by a second person covers');
    expect(end({ powerW: 3_000 })).toBe('left');
    expect(end({ operatingMode: 'idle' })).toBe('left');
  });

  test('is void, with all that waits, when the safety configuration changes in one place', () => {
    const changes: Partial<SiteSafety>[] = [
      { watchdog: { timeoutMs: 2 * MIN } },
      { chargeWMax: 3_999 },
      { dischargeWMax: 5_001 },
      { rampWPerS: 100 },
      { allowedModes: ['discharge', 'idle'] },
      { directOperate: false },
      { afterReconnect: 'new-command' },
    ];
    for (const change of changes) {
      const b = site();
      const [given, waits] = [request(b), request(b)];
      approve(b, given);
      const commandId = b.command('x', { powerW: 1_000 });
      configure(b, { ...SAFETY, ...change });
      expect(b.factsOf('site.safety-configured').at(-1)?.voided).toEqual([given, waits]);
      expect([statusOf(b, given), statusOf(b, waits)]).toEqual(['void', 'void']);
      expect(b.ended(commandId)).toEqual(['cancelled', 'site_not_controllable']);
      expect(b.fieldJobs('x')).toEqual(['setpoint', 'release']);
      b.command('x', { powerW: 1_000 });
      expect(setpoints(b)).toBe(1);
      approve(b, waits);
      expect(lastWhy(b)).toBe(`conflict: ${waits} is void`);
    }
  });

  test('stays when the same configuration is given again', () => {
    const b = site();
    const id = request(b);
    approve(b, id);
    expect(configure(b, { dischargeWMax: 5_000, chargeWMax: 4_000, watchdog: { timeoutMs: MIN } }).facts).toEqual([]);
    expect(statusOf(b, id)).toBe('approved');
  });

  test('ends what it allowed when it is revoked', () => {
    const b = site();
    const id = request(b);
    approve(b, id);
    const commandId = b.command('x', { powerW: 1_000 });
    b.put({ kind: 'revoke-approval', approvalId: id, by: 'cleo', why: 'works at the feeder' });
    const who = { decidedBy: 'ben', revokedBy: 'cleo' };
    expect(b.core.state.approvalRequests.get(id)).toMatchObject({ status: 'revoked', ...who });
    expect(b.ended(commandId)).toEqual(['cancelled', 'site_not_controllable']);
    expect(b.fieldJobs('x')).toEqual(['setpoint', 'release']);
  });

  test('expires with its window, given or not, and says so', () => {
    const b = site();
    const [given, waits] = [request(b, { untilMs: b.nowMs + HOUR }), request(b, { untilMs: b.nowMs + HOUR })];
    approve(b, given);
    b.advance(HOUR);
    expect(b.factsOf('approval.ended').map((f) => [f.approvalId, f.status, f.why])).toEqual([
      [given, 'expired', 'its window is over'],
      [waits, 'expired', 'nobody decided in time'],
    ]);
    expect(b.core.state.approvals.get('site-x')).toEqual([]);
  });

  test('that is refused cannot be given any more', () => {
    const b = site();
    const id = request(b);
    b.put({ kind: 'refuse-approval', approvalId: id, by: 'ben', why: 'too much' });
    approve(b, id);
    expect(lastWhy(b)).toBe(`conflict: ${id} is refused`);
    b.put({ kind: 'revoke-approval', approvalId: id, by: 'ben', why: '' });
    expect(lastWhy(b)).toBe(`conflict: ${id} is refused`);
  });

  test('is not asked for without configuration, for another points map, over the limits, or for a mode that is not allowed', () => {
    const cases: [SiteSafety | null, Partial<ApprovalRequest>, string][] = [
      [null, {}, 'conflict: site-x has no safety configuration to approve control under'],
      [SAFETY, { siteId: 'nowhere' }, 'unknown: nowhere: no such site'],
      [SAFETY, { mapRevision: 'r2' }, 'conflict: mapRevision: found r2, the site has r1'],
      [SAFETY, { dischargeWMax: 5_001 }, "invalid: dischargeWMax: found 5001, expected at most the site's 5000 W"],
      [SAFETY, { chargeWMax: -1 }, 'invalid: chargeWMax: found -1, expected whole watts ≥ 0'],
      [SAFETY, { untilMs: 0 }, 'invalid: untilMs: the window ends before it starts'],
      [SAFETY, { fromMs: 0, untilMs: 5 }, 'invalid: untilMs: the window is in the past'],
      [SAFETY, { modes: [] }, 'invalid: modes: found [], expected some of charge, discharge, idle, each once'],
      [
        { ...SAFETY, allowedModes: ['idle'] },
        { modes: ['discharge'] },
        'invalid: modes: found discharge, expected some of idle: the site allows these',
      ],
    ];
    for (const [safety, over, why] of cases) {
      const b = site(safety);
      expect(request(b, over)).toBe('');
      expect(lastWhy(b)).toBe(why);
    }
  });

  test('has a limit of twenty a site, asked for and given together', () => {
    const b = site();
    for (let n = 0; n < 20; n++) expect(request(b)).not.toBe('');
    expect(request(b)).toBe('');
    expect(lastWhy(b)).toBe('limit: a site has at most 20 requests and approvals');
  });
});

test('a safety configuration that makes no sense is refused with place, value and expectation', () => {
  const cases: [Partial<SiteSafety>, string][] = [
    [{ watchdog: { timeoutMs: 0 } }, 'watchdog.timeoutMs: found 0, expected whole milliseconds from 1 to 3600000'],
    [{ dischargeWMax: Number.NaN }, 'dischargeWMax: found NaN, expected whole watts ≥ 0'],
    [{ rampWPerS: 0 }, 'rampWPerS: found 0, expected whole watts a second > 0'],
    [{ allowedModes: ['idle', 'idle'] }, 'allowedModes: found [idle, idle], expected some of'],
  ];
  for (const [over, why] of cases) {
    const b = site(null);
    expect(configure(b, { ...SAFETY, ...over }).facts).toEqual([]);
    expect(lastWhy(b)).toContain(`invalid: ${why}`);
  }
});

describe('after the link was lost', () => {
  const lose = (afterReconnect: NonNullable<SiteSafety['afterReconnect']>) => {
    const b = site({ ...SAFETY, afterReconnect });
    const id = request(b);
    approve(b, id);
    const commandId = b.command('x', { powerW: 1_000 });
    b.link('x', false);
    b.link('x', true);
    return { b, id, commandId };
  };

  test('a site that resumes keeps its command', () => {
    const { b, commandId } = lose('resume');
    expect(b.ended(commandId)).toBeNull();
  });

  test('a site that wants a new command ends the one that holds, and takes a new one', () => {
    const { b, id, commandId } = lose('new-command');
    expect(b.ended(commandId)).toEqual(['failed', 'site_not_controllable']);
    expect(statusOf(b, id)).toBe('approved');
    b.command('x', { powerW: 1_000 });
    expect(setpoints(b)).toBe(2);
  });

  test('a site that wants a new approval has none', () => {
    const { b, id, commandId } = lose('new-approval');
    expect(b.ended(commandId)).toEqual(['failed', 'site_not_controllable']);
    expect(statusOf(b, id)).toBe('void');
    b.command('x', { powerW: 1_000 });
    expect(setpoints(b)).toBe(1);
  });
});

describe('an emergency stop', () => {
  const release = (b: Bench, first: string, second: string) => {
    b.put({ kind: 'request-release', deviceId: 'x', by: first });
    b.put({ kind: 'confirm-release', deviceId: 'x', by: second });
  };

  test('voids approvals, and while it is latched nothing leaves and none is given', () => {
    const b = site();
    const [given, waits] = [request(b), request(b)];
    approve(b, given);
    b.put({ kind: 'emergency-stop', deviceId: 'x', actor: 'anybody' });
    expect([statusOf(b, given), statusOf(b, waits)]).toEqual(['void', 'void']);
    b.command('x', { powerW: 1_000 });
    expect(lastWhy(b)).toBe('conflict: x: the device is stopped: two persons have to release it first');
    const fresh = request(b);
    approve(b, fresh);
    expect(lastWhy(b)).toContain('x is stopped: two persons have to release it');
    expect(b.fieldJobs('x')).toEqual(['emergency-stop']);
  });

  test('opens only by two persons within the time, and control comes back only with a new approval', () => {
    const b = site();
    approve(b, request(b));
    b.put({ kind: 'emergency-stop', deviceId: 'x', actor: 'ana' });
    b.put({ kind: 'confirm-release', deviceId: 'x', by: 'ben' });
    expect(lastWhy(b)).toBe('conflict: nobody asked for the release of x');
    release(b, 'ana', 'ana');
    expect(lastWhy(b)).toBe('forbidden: the release must be confirmed by somebody other than who asked');
    b.advance(RELEASE_CONFIRM_MS);
    b.put({ kind: 'confirm-release', deviceId: 'x', by: 'ben' });
    expect(lastWhy(b)).toBe('conflict: the request for the release is too old: ask again');
    release(b, 'ana', 'ben');
    expect(b.factsOf('stop.released')).toEqual([
      { type: 'stop.released', deviceId: 'x', requestedBy: 'ana', by: 'ben' },
    ]);
    expect(b.ended(b.command('x', { powerW: 1_000 }))).toEqual(['rejected', 'site_not_controllable']);
    approve(b, request(b));
    b.command('x', { powerW: 1_000 });
    expect(setpoints(b)).toBe(1);
  });

  test('that was released before the site could hear it is not said any more', () => {
    const b = site();
    b.link('x', false);
    b.put({ kind: 'emergency-stop', deviceId: 'x', actor: 'ana' });
    release(b, 'ana', 'ben');
    b.link('x', true);
    b.advance(HOUR);
    expect(b.fieldJobs('x')).toEqual(['emergency-stop']);
  });

  test('of a home battery cancels what its cloud has a name for, resets it, and keeps commands off', () => {
    const b = new Bench();
    b.device('enphase', 'e');
    const commandId = b.command('e', { powerW: 1_000 });
    const ref = b.core.state.commands.get(commandId)?.vendorRef;
    b.put({ kind: 'emergency-stop', deviceId: 'e', actor: 'ana' });
    expect(b.ended(commandId)).toEqual(['cancelled', 'cancelled_by_actor']);
    const jobs = b.jobs('e').slice(1);
    expect(jobs).toMatchObject([
      { kind: 'cancel', vendorRef: ref, emergency: true },
      { kind: 'control', mode: 'reset', emergency: true },
    ]);
    b.event(1_000, { inMs: 0 });
    b.advance(10 * MIN);
    expect(b.reasonOf('e')).toBe('site_not_controllable');
    b.command('e', { powerW: 1_000 });
    expect(b.jobs('e').slice(3)).toEqual([]);
    b.put({ kind: 'request-release', deviceId: 'e', by: 'ana' });
    b.put({ kind: 'confirm-release', deviceId: 'e', by: 'ben' });
    b.command('e', { powerW: 1_000 });
    expect(b.jobs('e').slice(3)).toMatchObject([{ kind: 'control', mode: 'discharge' }]);
  });

  test('of everything stops the devices of the workspace or of the tag, those behind DNP3 first', () => {
    const stopped = (tag: string | null) => {
      const b = new Bench();
      b.device('tesla', 'a', { tags: ['north'] });
      b.device('dnp3', 'z', { tags: ['north'] });
      b.device('enphase', 'm', { tags: ['south'] });
      b.put({ kind: 'emergency-stop-all', workspaceId: 'ws', tag, actor: 'ana' });
      return [b.factsOf('undo.sent').map((f) => f.deviceId), lastWhy(b)];
    };
    expect(stopped(null)[0]).toEqual(['z', 'a', 'm']);
    expect(stopped('north')[0]).toEqual(['z', 'a']);
    expect(stopped('west')).toEqual([[], 'unknown: no device carries the tag "west"']);
  });
});

test('a command that could not be sent takes back the one that it was to replace', () => {
  const b = site();
  approve(b, request(b));
  const first = b.command('x', { powerW: 1_000 });
  const second = b.command('x', { powerW: 4_000 });
  expect([b.ended(first), b.ended(second)]).toEqual([
    ['superseded', 'newer_command'],
    ['rejected', 'site_not_controllable'],
  ]);
  expect(b.fieldJobs('x')).toEqual(['setpoint', 'release']);
});

test('while a site is stopped no other undo leaves for it, whoever asks for one', () => {
  const b = site();
  b.put({ kind: 'emergency-stop', deviceId: 'x', actor: 'ana' });
  const emitted: string[] = [];
  const ctx: Context = {
    state: b.core.state,
    telemetry: b.core.telemetry,
    settings: b.settings,
    nowMs: b.nowMs,
    emit: (fact) => emitted.push('what' in fact ? fact.what : fact.type),
    ask: () => undefined,
    refuse: () => undefined,
  };
  for (const what of ['release', 'emergency-stop', 'reset'] as const)
    undo(ctx, 'x', { what, vendorRef: null, why: '' });
  expect(emitted).toEqual(['emergency-stop']);
});
