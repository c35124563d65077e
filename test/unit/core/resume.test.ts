import { describe, expect, test } from 'vitest';
import { Core } from '../../../src/core/core.ts';
import type { Effect } from '../../../src/core/input.ts';
import { ENDED_COMMANDS_MAX } from '../../../src/core/state.ts';
import { Bench, HOUR, MIN, PROGRAM } from '../../helpers/coreBench.ts';

/** The same plant after a restart: what the facts say, and no telemetry. */
function restarted(b: Bench): Core {
  const core = new Core(b.settings);
  for (const { fact, atMs } of b.facts) core.replay([fact], atMs);
  return core;
}

const jobsOf = (effects: readonly Effect[]) => effects.flatMap((e) => (e.kind === 'notify' ? [] : [e.job]));

describe('after a restart', () => {
  test('a command whose request may have left is asked after, with the job it had', () => {
    const b = new Bench({ answer: () => 'silent' });
    b.device('enphase', 'e');
    b.command('e');
    const [sent] = b.jobs('e');
    const core = restarted(b);
    const { effects, facts } = core.handle({ kind: 'resume' }, b.nowMs);
    expect(facts).toEqual([]);
    expect(jobsOf(effects)).toEqual([{ ...sent, resume: true }]);
  });

  test('one that the cloud acknowledged, one that has ended and one that was not sent yet are left alone', () => {
    const b = new Bench();
    b.device('enphase', 'taken');
    b.command('taken');
    b.device('tesla', 'later');
    b.command('later', {}, { inMs: HOUR });
    b.device('enphase', 'over');
    const over = b.command('over');
    b.put({ kind: 'cancel-command', commandId: over, actor: 'ana' });
    const { effects } = restarted(b).handle({ kind: 'resume' }, b.nowMs);
    expect(effects).toEqual([]);
  });

  test('the setpoint of a site behind DNP3 is said again while its window is open, and not after it', () => {
    const b = new Bench();
    b.device('dnp3', 'site');
    b.command('site', { powerW: 1_000 }, { forMs: 10 * MIN });
    expect(jobsOf(restarted(b).handle({ kind: 'resume' }, b.nowMs).effects)).toMatchObject([
      { kind: 'setpoint', powerW: 1_000 },
    ]);
    expect(restarted(b).handle({ kind: 'resume' }, b.nowMs + HOUR).effects).toEqual([]);
  });

  test('the answer to a job from before the restart still counts for its command', () => {
    const b = new Bench({ answer: () => 'silent' });
    b.device('enphase', 'e');
    const id = b.command('e');
    const jobId = b.core.state.commands.get(id)?.jobId ?? '';
    const core = restarted(b);
    const reply = { kind: 'accepted', jobId, vendorRef: 'r' } as const;
    const { facts } = core.handle({ kind: 'oem-reply', deviceId: 'e', reply }, b.nowMs);
    expect(facts).toMatchObject([{ type: 'command.acknowledged', commandId: id, vendorRef: 'r' }]);
  });

  test('silence counts from the start, as samples are not kept', () => {
    const b = new Bench();
    b.device('enphase', 'e');
    const again = restarted(b);
    const atMs = b.nowMs + 24 * HOUR;
    expect(again.handle({ kind: 'time' }, atMs).facts).toEqual([]);
    expect(again.handle({ kind: 'time' }, atMs + 12.5 * MIN - 1).facts).toEqual([]);
    expect(again.handle({ kind: 'time' }, atMs + 12.5 * MIN).facts).toMatchObject([{ reachable: false }]);
  });

  test('a journal that runs backwards is a bug, not a history', () => {
    const b = new Bench();
    const core = restarted(b);
    expect(() => core.replay([], b.nowMs - 1)).toThrow('backwards');
  });
});

describe('what has ended', () => {
  test('is kept up to a limit, with its jobs; nothing of it stands on the agenda', () => {
    const b = new Bench();
    b.device('tesla', 't', { enrolled: false });
    const first = b.command('t', { enableGridInteraction: false }, { inMs: HOUR });
    for (let n = 0; n < ENDED_COMMANDS_MAX; n++) b.command('t', { enableGridInteraction: false }, { inMs: HOUR });
    expect(b.core.state.commands.size).toBe(ENDED_COMMANDS_MAX + 1);
    expect(b.core.state.commands.has(first)).toBe(true);
    const last = b.command('t', { enableGridInteraction: false }, { inMs: HOUR });
    expect(b.core.state.commands.has(first)).toBe(false);
    expect(b.core.state.jobs.size).toBeLessThanOrEqual(b.core.state.commands.size);
    b.put({ kind: 'cancel-command', commandId: last, actor: 'ana' });
    expect(b.core.state.agenda.saved().entries.map((e) => e.item.kind)).toEqual(['silence-check']);
  });
});

describe('grid services of an organisation', () => {
  const enable = (b: Bench, enabled: boolean) =>
    b.put({ kind: 'enable-grid-services', workspaceId: 'ws', enabled, actor: 'support' });

  test('once enabled, devices whose maker enrols by itself are enrolled, others wait for their application', () => {
    const b = new Bench({ gridServices: false });
    b.device('solaredge', 's', { enrolled: false });
    b.device('enphase', 'e', { enrolled: false });
    const out = enable(b, true);
    expect(out.facts[0]).toMatchObject({ type: 'workspace.grid-services', enabled: true });
    expect(b.core.state.enrollments.get(`${PROGRAM}/s`)?.status).toBe('approved');
    expect(b.core.state.enrollments.has(`${PROGRAM}/e`)).toBe(false);
    expect(enable(b, true).facts).toEqual([]);
  });

  test('disabled, every approved device leaves and a grid command is refused', () => {
    const b = new Bench();
    b.device('solaredge', 's');
    enable(b, false);
    expect(b.core.state.enrollments.get(`${PROGRAM}/s`)?.status).toBe('unenrolled');
    expect(b.command('s')).toBe('');
    expect(b.refusals.at(-1)).toMatchObject({ code: 'forbidden' });
  });

  test('an unknown organisation is refused as unknown', () => {
    const b = new Bench();
    b.put({ kind: 'enable-grid-services', workspaceId: 'nobody', enabled: true, actor: 'x' });
    expect(b.refusals.at(-1)).toMatchObject({ code: 'unknown' });
  });
});

describe('destinations', () => {
  const destination = {
    destinationId: 'd1',
    workspaceId: 'ws',
    label: 'L',
    url: 'https://example.com/hook',
    signature: 'texture',
    headers: {},
    eventTypes: [],
    deviceTypes: [],
    enabled: true,
  } as const;

  test('are made, changed and deleted; one of another workspace is unknown', () => {
    const b = new Bench();
    b.put({ kind: 'create-destination', destination, actor: 'ana' });
    b.put({ kind: 'change-destination', destination: { ...destination, label: 'M' }, actor: 'ana' });
    expect(b.core.state.destinations.get('d1')?.label).toBe('M');
    b.put({ kind: 'delete-destination', workspaceId: 'other', destinationId: 'd1', actor: 'eve' });
    b.put({ kind: 'change-destination', destination: { ...destination, workspaceId: 'other' }, actor: 'eve' });
    expect(b.refusals.map((r) => r.code)).toEqual(['unknown', 'unknown']);
    b.put({ kind: 'delete-destination', workspaceId: 'ws', destinationId: 'd1', actor: 'ana' });
    expect(b.core.state.destinations.size).toBe(0);
  });

  test('at most 50 in a workspace', () => {
    const b = new Bench();
    for (let n = 0; n < 51; n++) {
      b.put({ kind: 'create-destination', destination: { ...destination, destinationId: `d${n}` }, actor: 'ana' });
    }
    expect(b.core.state.destinations.size).toBe(50);
    expect(b.refusals.at(-1)).toMatchObject({ code: 'limit' });
  });
});
