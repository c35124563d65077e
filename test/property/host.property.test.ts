import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Submitted } from '../../src/api/service.ts';
import type { Effect } from '../../src/core/input.ts';
import { PROBE_MS } from '../../src/live/host/plant.ts';
import { T0 } from '../helpers/coreBench.ts';
import { play, stateText, story } from '../helpers/coreStory.ts';
import { foldOf, HandJournal, textOf } from '../unit/host/handJournal.ts';
import { type HostRig, put, rigOn } from '../unit/host/hostRig.ts';

/** What a disk does after an input: it writes so many of what waits, or refuses all of it. */
const disk = fc.array(fc.oneof({ weight: 6, arbitrary: fc.nat(4) }, { weight: 1, arbitrary: fc.constant(-1) }), {
  minLength: 5,
  maxLength: 30,
});

/** Inputs that set the fleet up. */
const FIRST = 20;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** Whether it makes something happen; null for reads. */
function jobIdOf(effect: Effect): string | null {
  if (effect.kind === 'field') return effect.job.jobId;
  if (effect.kind !== 'oem') return null;
  const { kind, jobId } = effect.job;
  return kind === 'control' || kind === 'cancel' || kind === 'set' ? jobId.replace(/\/cancel$/, '') : null;
}

interface Played {
  readonly journal: HandJournal;
  readonly rig: HostRig;
  readonly answers: Submitted[];
  /** Jobs that left before their entry was durable. */
  readonly early: string[];
}

async function playOn(s: Parameters<typeof play>[0], plan: readonly number[], crashAt: number): Promise<Played> {
  const { inputs } = play(s);
  const journal = new HandJournal();
  const rig = await rigOn(journal, { startMs: T0, snapshotEvery: 7 });
  const answers: Submitted[] = [];
  const early: string[] = [];
  let looked = 0;
  for (const [i, { input, atMs }] of inputs.slice(0, FIRST + (crashAt % (1 + inputs.length - FIRST))).entries()) {
    rig.clock.setTo(atMs);
    void put(rig.host, input).then((answer) => answers.push(answer));
    // Written down in the same turn as it is performed: the journal has the entry by then.
    const what = i < FIRST ? 4 : (plan[i % plan.length] ?? 1);
    if (what < 0) await refuse(journal);
    else await journal.write(what);
    const recorded = JSON.stringify(journal.entries.map((e) => e.facts));
    for (const { effect } of rig.performed.slice(looked)) {
      const jobId = jobIdOf(effect);
      if (jobId !== null && !recorded.includes(`"jobId":"${jobId}"`)) early.push(jobId);
    }
    looked = rig.performed.length;
  }
  return { journal, rig, answers, early };
}

async function refuse(journal: HandJournal): Promise<void> {
  await journal.refuse();
  await vi.advanceTimersByTimeAsync(64 * PROBE_MS);
  await journal.write();
}

describe('a host over random stories and disks', () => {
  test('a crash at any point loses nothing that was acknowledged, and what comes back is the fold of the entries', async () => {
    await fc.assert(
      fc.asyncProperty(story, disk, fc.nat(100_000), fc.nat(1_000), async (s, plan, crashAt, cut) => {
        const { journal, rig, answers, early } = await playOn(s, plan, crashAt);
        const entries = [...journal.entries];
        const { kept } = journal;
        expect(early).toEqual([]);
        for (const answer of answers) {
          if (answer.kind !== 'done' || answer.seq === null) continue;
          expect(entries[answer.seq - 1]?.facts).toEqual(answer.facts);
        }
        expect(rig.outbox.at).toBeLessThanOrEqual(entries.length);
        for (const length of [entries.length, cut % (entries.length + 1)]) {
          const left = entries.slice(0, length);
          const { state } = foldOf(left).core;
          for (const snapshot of [kept, null]) {
            const again = await rigOn(HandJournal.after(left, snapshot), { startMs: T0, cursor: rig.outbox.at });
            const began = again.began.get('main');
            expect(began?.butAgenda).toBe(stateText(state));
            if (snapshot === null) expect(began?.whole).toBe(textOf(state));
          }
        }
      }),
      { numRuns: 100 },
    );
  });
});
