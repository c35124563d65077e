import { describe, expect, test } from 'vitest';
import { Bench, HOUR, T0 } from '../../helpers/coreBench.ts';

const routes = (b: Bench) => b.factsOf('command.routed').map((f) => f.route);

describe('routing', () => {
  test('enableGridInteraction on an enrolled device takes the Grid Service', () => {
    const b = new Bench();
    b.device('enphase', 'e');
    b.command('e');
    expect(routes(b)).toEqual(['grid_services']);
    expect(b.jobs('e')[0]).toMatchObject({ kind: 'control', route: 'grid_services', mode: 'discharge', powerW: null });
  });

  test('without enableGridInteraction, without enrollment, or without a Grid Service the baseline path is taken', () => {
    const b = new Bench();
    b.device('enphase', 'e');
    b.device('enphase', 'f', { enrolled: false });
    b.device('tesla', 't');
    b.command('e', { enableGridInteraction: false });
    b.command('f');
    b.command('t');
    expect(b.factsOf('command.routed').map((f) => [f.route, f.why])).toEqual([
      ['baseline', 'no grid interaction asked for'],
      ['baseline', 'the device is not enrolled in grid services'],
      ['baseline', 'the manufacturer offers no Grid Service'],
    ]);
  });

  test.each([[[]], [['baseline']]] as const)('executionPriority %j avoids the Grid Service', (executionPriority) => {
    const b = new Bench();
    b.device('enphase', 'e');
    b.command('e', { executionPriority });
    expect(routes(b)).toEqual(['baseline']);
  });

  test('baseline is always tried last, wherever it stands in the list', () => {
    const b = new Bench({ answer: () => 'refuse-grid' });
    b.device('enphase', 'e');
    const id = b.command('e', { executionPriority: ['baseline', 'grid_services'] });
    expect(routes(b)).toEqual(['grid_services', 'baseline']);
    expect(b.core.state.commands.get(id)?.status).toBe('acknowledged');
    expect(b.factsOf('command.sent').map((f) => f.attempt)).toEqual([1, 2]);
  });

  test('when both paths are refused the command is rejected with the last words of the cloud', () => {
    const b = new Bench({ answer: () => 'refuse' });
    b.device('enphase', 'e');
    const id = b.command('e');
    expect(b.outcome(id)).toEqual({ status: 'rejected', reason: 'oem_refused', detail: 'E1 not now' });
    expect(b.jobs('e')).toHaveLength(2);
  });

  test('a refusal that comes twice, or for the path before, changes nothing', () => {
    const b = new Bench({ answer: () => 'silent' });
    b.device('enphase', 'e');
    const id = b.command('e');
    const refused = { kind: 'refused', jobId: 'job-1', code: 'E1', message: 'no' } as const;
    b.reply('e', refused);
    b.reply('e', refused);
    expect(b.jobs('e')).toHaveLength(2);
    expect(b.core.state.commands.get(id)?.status).toBe('sent');
  });

  test('grid interaction is refused when it is not enabled for the organisation', () => {
    const b = new Bench({ gridServices: false });
    b.device('enphase', 'e', { enrolled: false });
    expect(b.command('e')).toBe('');
    expect(b.refusals.at(-1)?.why).toBe('e: grid services are not enabled for this organisation');
    expect(b.command('e', { enableGridInteraction: false })).toBe('cmd-1');
  });

  test.each([
    ['power over the nameplate', { powerW: 5_001 }, {}, "over the device's 5000 W"],
    ['a negative power', { powerW: -1 }, {}, 'the direction is the operating mode'],
    ['a fraction of a watt', { powerW: 1.5 }, {}, 'not a whole number'],
    ['a reserve over 100 %', { minimumBatteryReserve: 101 }, {}, 'minimum ≤ maximum ≤ 100'],
    ['reserves the wrong way round', { minimumBatteryReserve: 60, maximumBatteryReserve: 50 }, {}, 'minimum ≤ maximum'],
    ['an empty window', {}, { forMs: 0 }, 'ends before it starts'],
    ['a window in the past', {}, { inMs: -2 * HOUR }, 'in the past'],
    ['a window longer than the manufacturer takes', {}, { forMs: 6 * HOUR }, 'longer than the manufacturer takes'],
  ])('%s is refused and nothing is accepted', (_what, input, window, words) => {
    const b = new Bench();
    b.device('enphase', 'e');
    expect(b.command('e', input, window)).toBe('');
    expect(b.refusals.at(-1)?.why).toContain(words);
    expect(b.factsOf('command.accepted')).toEqual([]);
  });

  test("the manufacturer's floor goes with every discharge for the grid, the asked one if it is higher", () => {
    const b = new Bench();
    b.device('enphase', 'e');
    b.command('e');
    b.command('e', { minimumBatteryReserve: 35 });
    b.command('e', { enableGridInteraction: false });
    const floors = b.jobs('e').map((j) => (j.kind === 'control' ? j.reservePctMin : null));
    expect(floors).toEqual([10, 35, 0]);
  });
});

describe('batch by tag', () => {
  const batch = (b: Bench, tag: string, powerW = 4_000) =>
    b.put({
      kind: 'batch',
      batch: {
        workspaceId: 'ws',
        tag,
        input: { operatingMode: 'discharge', enableGridInteraction: true, powerW },
        startMs: T0,
        endMs: T0 + HOUR,
        actor: 'ana',
      },
    });

  test('goes to each compatible device; the others are named', () => {
    const b = new Bench();
    b.device('enphase', 'a', { tags: ['west'] });
    b.device('enphase', 'b', { tags: ['west'], dischargeWMax: 3_000 });
    b.device('enphase', 'c', { tags: ['east'] });
    batch(b, 'west');
    const [accepted] = b.factsOf('batch.accepted');
    expect(accepted?.commandIds).toEqual(['cmd-1']);
    expect(accepted?.skipped).toEqual([{ deviceId: 'b', why: "powerW 4000 is over the device's 3000 W" }]);
    expect(b.jobs('c')).toEqual([]);
  });

  test('is refused when no device carries the tag, or none can take it', () => {
    const b = new Bench();
    b.device('enphase', 'a', { tags: ['west'] });
    batch(b, 'north');
    batch(b, 'west', 9_000);
    expect(b.refusals.map((r) => r.why)).toEqual([
      'no device carries the tag "north"',
      'no device with the tag "west" can take it; a: powerW 9000 is over the device\'s 5000 W',
    ]);
    expect(b.factsOf('batch.accepted')).toEqual([]);
  });

  test('follows the tags of now', () => {
    const b = new Bench();
    b.device('enphase', 'a', { tags: ['west'] });
    b.device('enphase', 'b', { tags: [] });
    b.put({ kind: 'tag-device', deviceId: 'a', tags: [] });
    b.put({ kind: 'tag-device', deviceId: 'b', tags: ['west'] });
    b.put({ kind: 'tag-device', deviceId: 'nobody', tags: ['west'] });
    batch(b, 'west');
    expect(b.factsOf('command.accepted').map((f) => f.command.deviceId)).toEqual(['b']);
    expect(b.refusals.map((r) => r.what)).toEqual(['tag-device']);
  });
});
