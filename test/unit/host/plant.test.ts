import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Decided, Submitted } from '../../../src/api/service.ts';
import type { CoreInput, Effect } from '../../../src/core/input.ts';
import { LivePlant, PROBE_MS, WAITING_MAX } from '../../../src/live/host/plant.ts';
import type { JournalEntry, StoredReply } from '../../../src/ports/journal.ts';
import { Bench, HOUR, MIN, T0 } from '../../helpers/coreBench.ts';
import { foldOf, HandClock, HandJournal, SETTINGS, textOf, turn } from './handJournal.ts';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
});
afterEach(() => {
  vi.useRealTimers();
});

const ORIGIN = { workspaceId: 'ws', actor: 'ana', requestId: 'r' };

class PlantRig {
  readonly journal = new HandJournal();
  readonly clock = new HandClock(T0);
  readonly performed: Effect[] = [];
  readonly durable: JournalEntry[] = [];
  readonly plant: LivePlant;
  folds = 0;
  breaksFold = false;
  breaksPerform = false;

  constructor() {
    this.plant = new LivePlant({
      plantId: 'main',
      scheduler: this.clock,
      journal: this.journal,
      settings: SETTINGS,
      fold: () => {
        this.folds += 1;
        if (this.breaksFold) throw new Error('page 7 cannot be read');
        return foldOf(this.journal.entries);
      },
      perform: (effect) => {
        if (this.breaksPerform) throw new Error('the link is gone');
        this.performed.push(effect);
      },
      onDurable: (entry) => this.durable.push(entry),
    });
  }

  ask(input: CoreInput, reply: ((decided: Decided) => StoredReply) | null = null): Answer {
    const answer: Answer = { now: null, done: this.plant.submit({ input, origin: ORIGIN, reply }) };
    answer.done.then(
      (submitted) => {
        answer.now = submitted;
      },
      () => {},
    );
    return answer;
  }

  /** What left for clouds and sites, without reads. */
  get controls(): string[] {
    return this.performed.flatMap((e) => {
      if (e.kind === 'field') return [`${e.deviceId} ${e.job.kind} ${e.job.jobId}`];
      if (e.kind !== 'oem' || (e.job.kind !== 'control' && e.job.kind !== 'cancel')) return [];
      return [`${e.deviceId} ${e.job.kind} ${e.job.jobId}${'resume' in e.job ? ' resumed' : ''}`];
    });
  }

  get inJournal(): string {
    return textOf(foldOf(this.journal.entries).core.state);
  }

  get inMemory(): string {
    return textOf(this.plant.state);
  }

  /** The probe of a stalled plant is due. */
  async probe(): Promise<void> {
    await vi.advanceTimersByTimeAsync(PROBE_MS);
    await turn();
  }
}

interface Answer {
  now: Submitted | null;
  readonly done: Promise<Submitted>;
}

/** A plant with home batteries behind Enphase (a) and Tesla (t) and a site behind DNP3 (x), all fit to be controlled. */
async function furnished(): Promise<PlantRig> {
  const rig = new PlantRig();
  const bench = new Bench();
  bench.device('enphase', 'a');
  bench.device('dnp3', 'x');
  bench.device('tesla', 't');
  for (const { input } of bench.inputs) {
    rig.ask(input);
    await rig.journal.write();
  }
  rig.performed.length = 0;
  rig.durable.length = 0;
  rig.folds = 0;
  expect(rig.plant.stalled).toBeNull();
  return rig;
}

const command = (deviceId: string, rig: PlantRig, inMs = 0): CoreInput => ({
  kind: 'command',
  request: {
    workspaceId: 'ws',
    deviceId,
    input: { operatingMode: 'discharge', enableGridInteraction: true },
    startMs: rig.clock.now + inMs,
    endMs: rig.clock.now + inMs + HOUR,
    actor: 'ana',
  },
});

const commandIdOf = (answer: Answer): string => {
  const facts = answer.now?.kind === 'done' ? answer.now.facts : [];
  const accepted = facts.find((f) => f.type === 'command.accepted');
  return accepted?.type === 'command.accepted' ? accepted.command.commandId : '';
};

describe('a plant on its journal', () => {
  test('nothing leaves, is told or is answered before its entry is durable', async () => {
    const rig = await furnished();
    const answer = rig.ask(command('a', rig));
    await turn();
    expect([rig.controls, rig.durable, answer.now, rig.plant.inFlight]).toEqual([[], [], null, 1]);
    await rig.journal.write();
    expect(rig.controls).toEqual([expect.stringMatching(/^a control /)]);
    expect(rig.durable.map((e) => e.seq)).toEqual([rig.journal.lastSeq()]);
    expect(answer.now).toMatchObject({ kind: 'done', seq: rig.journal.lastSeq() });
    expect(rig.plant.inFlight).toBe(0);
  });

  test('what entries intended leaves in their order', async () => {
    const rig = await furnished();
    rig.ask(command('x', rig));
    rig.ask(command('a', rig));
    await turn();
    await rig.journal.write(1);
    expect(rig.controls).toEqual([expect.stringMatching(/^x setpoint/)]);
    await rig.journal.write(1);
    expect(rig.controls).toEqual([expect.stringMatching(/^x setpoint/), expect.stringMatching(/^a control/)]);
  });

  test('an answer that needs no entry waits for the entries it rests on', async () => {
    const rig = await furnished();
    const first = rig.ask(command('a', rig, HOUR));
    await rig.journal.write();
    const cancel: CoreInput = { kind: 'cancel-command', commandId: commandIdOf(first), actor: 'ana' };
    const cancelled = rig.ask(cancel);
    const again = rig.ask(cancel);
    await turn();
    expect([rig.journal.waiting.length, cancelled.now, again.now]).toEqual([1, null, null]);
    await rig.journal.write();
    expect([cancelled.now, again.now]).toMatchObject([{ kind: 'done' }, { kind: 'done', seq: null }]);
  });

  test('an answer that needs no entry is a refusal when what it rests on was refused', async () => {
    const rig = await furnished();
    const first = rig.ask(command('a', rig, HOUR));
    await rig.journal.write();
    const cancel: CoreInput = { kind: 'cancel-command', commandId: commandIdOf(first), actor: 'ana' };
    rig.ask(cancel);
    const again = rig.ask(cancel);
    await turn();
    await rig.journal.refuse();
    expect(again.now).toMatchObject({ kind: 'unavailable', reason: 'full' });
  });

  test('an answer that needs no entry comes at once when nothing waits', async () => {
    const rig = await furnished();
    const answer = rig.ask({ kind: 'cancel-command', commandId: 'cmd-999', actor: 'ana' });
    await turn();
    expect(answer.now).toMatchObject({ kind: 'done', seq: null, refusals: [{ code: 'unknown' }] });
  });

  test('a refused entry takes along all that wait behind it; the state is that of the journal; nothing leaves', async () => {
    const rig = await furnished();
    const answers = [rig.ask(command('a', rig)), rig.ask(command('x', rig)), rig.ask(command('a', rig, 2 * HOUR))];
    await turn();
    expect(rig.inMemory).not.toBe(rig.inJournal);
    await rig.journal.refuse();
    for (const { now } of answers) expect(now).toMatchObject({ kind: 'unavailable', reason: 'full', why: 'no room' });
    expect([rig.controls, rig.durable]).toEqual([[], []]);
    expect(rig.inMemory).toBe(rig.inJournal);
    expect([rig.plant.stalled, rig.folds]).toEqual(['no room', 1]);
  });

  test('a stalled plant takes nothing, runs no timer and hears no peer', async () => {
    const rig = await furnished();
    rig.ask(command('a', rig, HOUR));
    await turn();
    await rig.journal.refuse();
    const before = rig.inMemory;
    expect(rig.clock.timers).toBe(0);
    const answer = rig.ask(command('x', rig));
    rig.plant.tell({ kind: 'field-event', deviceId: 'x', event: { kind: 'link', up: false } }, 'site/x');
    rig.clock.setTo(T0 + 3 * HOUR);
    await turn();
    expect(answer.now).toMatchObject({ kind: 'unavailable', reason: 'full' });
    expect([rig.inMemory, rig.journal.waiting.length]).toEqual([before, 0]);
  });

  test('a stall ends with a durable probe, and what is in doubt is asked for', async () => {
    const rig = await furnished();
    rig.ask(command('a', rig));
    await rig.journal.write();
    const [sent] = rig.controls;
    rig.performed.length = 0;
    rig.ask(command('x', rig));
    await turn();
    await rig.journal.refuse();
    await rig.probe();
    await rig.journal.refuse('still no room');
    expect(rig.plant.stalled).toBe('still no room');
    for (let n = 0; n < 4; n++) await rig.probe();
    expect(rig.journal.waiting.map(({ entry }) => entry.facts)).toEqual([[]]);
    expect(rig.controls).toEqual([]);
    await rig.journal.write();
    expect(rig.plant.stalled).toBeNull();
    expect(rig.controls).toEqual([`${sent} resumed`]);
    expect(rig.inMemory).toBe(rig.inJournal);
    expect(rig.clock.timers).toBe(1);
    await rig.probe();
    expect(rig.journal.waiting).toEqual([]);
  });

  test('what was on its way before a refusal and arrives in the stall is in the state, told, and asked for afterwards', async () => {
    const rig = await furnished();
    const first = rig.ask(command('a', rig));
    rig.journal.full = 'the queue is full';
    const second = rig.ask(command('x', rig));
    await turn();
    expect(second.now).toMatchObject({ kind: 'unavailable', reason: 'overload' });
    expect(rig.plant.isExact).toBe(false);
    rig.journal.full = null;
    await rig.journal.write();
    expect(first.now).toMatchObject({ kind: 'done' });
    expect(rig.durable).toHaveLength(1);
    expect(rig.inMemory).toBe(rig.inJournal);
    expect([rig.plant.isExact, rig.controls]).toEqual([true, []]);
    await rig.probe();
    await rig.journal.write();
    expect(rig.controls).toEqual([expect.stringMatching(/^a control .* resumed$/)]);
    expect(rig.inMemory).toBe(rig.inJournal);
  });

  test('an emergency stop during a stall leaves, and says that it is not recorded', async () => {
    const rig = await furnished();
    rig.ask(command('x', rig));
    await turn();
    await rig.journal.refuse();
    const answer = rig.ask({ kind: 'emergency-stop', deviceId: 'x', actor: 'ana' });
    await turn();
    expect(rig.controls).toEqual([`x emergency-stop unrecorded-${T0}`]);
    expect(answer.now).toMatchObject({
      kind: 'unavailable',
      why: 'the stop was sent, but it could not be recorded: no room',
    });
    expect(rig.ask({ kind: 'emergency-stop', deviceId: 'nobody', actor: 'ana' }).now).toBeNull();
    await turn();
    expect(rig.controls).toHaveLength(1);
  });

  test('a stop of everything during a stall leaves for the sites, and says what was not stopped', async () => {
    const rig = await furnished();
    rig.ask(command('x', rig));
    await turn();
    await rig.journal.refuse();
    const other = rig.ask({ kind: 'emergency-stop-all', workspaceId: 'foreign', tag: null, actor: 'eve' });
    const answer = rig.ask({ kind: 'emergency-stop-all', workspaceId: 'ws', tag: null, actor: 'ana' });
    await turn();
    expect(rig.controls).toEqual([`x emergency-stop unrecorded-${T0}`]);
    expect(answer.now).toMatchObject({ why: expect.stringMatching(/2 devices behind clouds were not stopped$/) });
    expect(other.now).toMatchObject({ why: 'no room' });
  });

  test('an emergency stop whose own entry is refused leaves', async () => {
    const rig = await furnished();
    rig.ask({ kind: 'emergency-stop', deviceId: 'x', actor: 'ana' });
    await turn();
    expect(rig.controls).toEqual([]);
    await rig.journal.refuse();
    expect(rig.controls).toEqual([`x emergency-stop unrecorded-${T0}`]);
  });

  test('an emergency stop that becomes durable during a stall leaves', async () => {
    const rig = await furnished();
    const stop = rig.ask({ kind: 'emergency-stop', deviceId: 'x', actor: 'ana' });
    rig.journal.full = 'the queue is full';
    rig.ask(command('a', rig));
    await turn();
    rig.journal.full = null;
    await rig.journal.write();
    expect(stop.now).toMatchObject({ kind: 'done' });
    expect(rig.controls).toEqual([expect.stringMatching(/^x emergency-stop (?!unrecorded)/)]);
  });

  test('over the limit requests are turned away, and stops and cancels pass', async () => {
    const rig = await furnished();
    rig.journal.ofOthers = WAITING_MAX;
    const answer = rig.ask(command('a', rig));
    await turn();
    expect(answer.now).toMatchObject({ kind: 'unavailable', reason: 'overload', retryAfterS: 1 });
    expect(rig.plant.stalled).toBeNull();
    rig.ask({ kind: 'emergency-stop', deviceId: 'x', actor: 'ana' });
    rig.ask({ kind: 'emergency-stop-all', workspaceId: 'ws', tag: null, actor: 'ana' });
    const cancelled = rig.ask({ kind: 'cancel-command', commandId: 'cmd-999', actor: 'ana' });
    expect(rig.journal.waiting).toHaveLength(2);
    await rig.journal.write();
    expect(rig.controls).toEqual(expect.arrayContaining([expect.stringMatching(/^x emergency-stop/)]));
    expect(cancelled.now).toMatchObject({ kind: 'done', refusals: [{ code: 'unknown' }] });
  });

  test('a bug in the middle of a decision leaves nothing behind, and the plant begins anew', async () => {
    const rig = await furnished();
    const before = rig.inMemory;
    const answer = rig.ask(command('a', rig), () => {
      throw new TypeError('no such field');
    });
    const next = rig.ask(command('x', rig));
    await expect(answer.done).rejects.toThrow('no such field');
    expect([rig.inMemory, rig.inJournal, rig.journal.waiting.length]).toEqual([before, before, 0]);
    expect(next.now).toMatchObject({ kind: 'unavailable', reason: 'bug' });
    expect([rig.plant.stalled, rig.plant.inFlight]).toEqual(['a bug: no such field', 0]);
    await rig.probe();
    await rig.journal.write();
    expect(rig.plant.stalled).toBeNull();
  });

  test('a bug of those who perform effects stalls the plant; its intent is taken up again', async () => {
    const rig = await furnished();
    rig.breaksPerform = true;
    rig.ask(command('a', rig));
    await turn();
    await rig.journal.write();
    expect(rig.plant.stalled).toBe('a bug: the link is gone');
    rig.breaksPerform = false;
    await rig.probe();
    await rig.journal.write();
    expect(rig.controls).toEqual([expect.stringMatching(/^a control .* resumed$/)]);
  });

  test('a journal that cannot be read keeps the plant stalled until it can', async () => {
    const rig = await furnished();
    rig.breaksFold = true;
    rig.ask(command('a', rig));
    await turn();
    await rig.journal.refuse();
    expect([rig.plant.stalled, rig.plant.isExact]).toEqual([
      'the journal cannot be read: page 7 cannot be read',
      false,
    ]);
    await rig.probe();
    expect(rig.journal.waiting).toEqual([]);
    rig.breaksFold = false;
    for (let n = 0; n < 2; n++) await rig.probe();
    expect(rig.inMemory).toBe(rig.inJournal);
    await rig.journal.write();
    expect(rig.plant.stalled).toBeNull();
  });

  test('a clock that was set back does not turn the time of the plant back', async () => {
    const rig = await furnished();
    rig.ask(command('a', rig));
    await rig.journal.write();
    rig.clock.now = T0 - HOUR;
    expect(rig.plant.nowMs()).toBe(T0);
    const late = rig.ask({ kind: 'cancel-command', commandId: 'cmd-1', actor: 'ana' });
    await rig.journal.write();
    expect(late.now).toMatchObject({ kind: 'done', atMs: T0 });
    const again = new LivePlant({
      plantId: 'main',
      scheduler: rig.clock,
      journal: rig.journal,
      settings: SETTINGS,
      fold: () => foldOf(rig.journal.entries),
      perform: () => {},
      onDurable: () => {},
    });
    expect(again.nowMs()).toBe(T0);
  });

  test('nor does a stall, for which the entries are older than what was decided without one', async () => {
    const rig = await furnished();
    rig.clock.now = T0 + HOUR;
    rig.ask({ kind: 'cancel-command', commandId: 'cmd-999', actor: 'ana' });
    rig.ask(command('a', rig));
    await turn();
    rig.clock.now = T0;
    await rig.journal.refuse();
    expect(rig.plant.nowMs()).toBe(T0 + HOUR);
  });

  test('what is due happens at its time, once', async () => {
    const rig = await furnished();
    rig.ask(command('t', rig, HOUR));
    await rig.journal.write();
    expect(rig.controls).toEqual([]);
    rig.clock.setTo(T0 + HOUR + MIN);
    await rig.journal.write();
    expect(rig.controls).toEqual([expect.stringMatching(/^t control/)]);
    const sent = rig.journal.entries.filter((e) => e.facts.some((f) => f.type === 'command.sent'));
    expect(sent.map((e) => [e.origin.actor, e.atMs])).toEqual([['timer', T0 + HOUR]]);
  });

  test('time that was stepped is recorded, so that it comes back', async () => {
    const rig = await furnished();
    rig.clock.now = T0 + 72 * HOUR;
    void rig.plant.keepTime();
    await rig.journal.write();
    expect(foldOf(rig.journal.entries).lastMs).toBe(T0 + 72 * HOUR);
  });

  test('closing lets what is decided reach the disk and leave, and takes nothing more', async () => {
    const rig = await furnished();
    const answer = rig.ask(command('a', rig));
    await turn();
    const closed = rig.plant.close();
    const late = rig.ask(command('x', rig));
    rig.plant.tell({ kind: 'time' }, 'timer');
    await turn();
    expect(late.now).toMatchObject({ kind: 'unavailable', reason: 'closing' });
    expect([rig.clock.timers, rig.journal.waiting.length]).toEqual([0, 1]);
    await rig.journal.write();
    await vi.advanceTimersByTimeAsync(10);
    await closed;
    expect(answer.now).toMatchObject({ kind: 'done' });
    expect(rig.controls).toHaveLength(1);
  });
});
