import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { JournalError } from '../../../src/live/journal/errors.ts';
import { markFile, writeMarkNow } from '../../../src/live/journal/mark.ts';
import { JournalReader } from '../../../src/live/journal/reader.ts';
import { databaseFile, recover } from '../../../src/live/journal/recover.ts';
import { verifyJournal } from '../../../src/live/journal/verify.ts';
import { JournalWriter } from '../../../src/live/journal/writer.ts';
import {
  CRASH_BUILD,
  drawOf,
  halfHeaders,
  type Image,
  letFilesGo,
  placed,
  type Recorded,
  record,
  recordFirst,
  type Step,
  statesOf,
} from '../../helpers/crashStates.ts';

/**
 * Crash states: whatever part of the last writes a loss of power leaves, the start has every entry that was acknowledged,
 * the group under way whole or not at all, and nothing else; and it can be written on. VPP_CRASH_STATES=5000 tries more.
 */
const STATES = Number(process.env.VPP_CRASH_STATES ?? '400');
const STATES_AT_ONCE = 25;
const SEED = process.env.VPP_CRASH_SEED ?? '1';

// Nothing is learnt from the syncs of this machine's disk, which take most of the time.
const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'vpp-crash-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const work = join(folder, 'state');
let recorded: Recorded;
beforeAll(async () => {
  recorded = await record(join(folder, 'run'), drawOf(SEED));
});

/** What the start has: bodies of all entries. @throws JournalError when it refuses */
function started(dir: string): string[] {
  const { last } = recover({ dir, markFile: markFile(dir) }, CRASH_BUILD);
  if (last.seq === 0) return [];
  const reader = new JournalReader(databaseFile(dir));
  try {
    const bodies = [...reader.rows(1)].map(({ text }) => text.slice(text.indexOf('{')));
    expect(bodies).toHaveLength(last.seq);
    return bodies;
  } finally {
    reader.close();
  }
}

/** One more entry, and everything is as it was written. */
function writtenOn(dir: string): void {
  const { last } = recover({ dir, markFile: markFile(dir) }, CRASH_BUILD);
  const writer = new JournalWriter(databaseFile(dir), last);
  writeMarkNow(markFile(dir), last);
  const more = { plantId: 'main', atMs: 1, body: '{"facts":[],"origin":{},"subjects":[]}', subjects: [], reply: null };
  expect(writer.write(9_000, [more])).toEqual({ kind: 'written', firstSeq: last.seq + 1 });
  writer.close();
  expect(verifyJournal(dir)).toMatchObject({ entries: last.seq + 1, damage: [] });
}

/** @returns how many of the entries under way are there */
function held(image: Image, step: Step, truth = recorded.bodies): number {
  const dir = placed(work, image, step);
  const bodies = started(dir);
  expect(bodies).toEqual(truth.slice(0, bodies.length));
  expect([step.acknowledged, step.withGroup]).toContain(bodies.length);
  writtenOn(dir);
  return bodies.length - step.acknowledged;
}

beforeEach(letFilesGo);

describe('a loss of power', () => {
  test(`in the middle of a commit or a checkpoint loses nothing that was acknowledged (${STATES} states)`, async () => {
    const all = recorded.steps.flatMap((step) => statesOf(step).map((state) => ({ step, state })));
    expect(all.length).toBeGreaterThan(2_000);
    const seen = { withGroup: 0, without: 0, checkpoints: 0 };
    for (let n = 0; n < STATES; n++) {
      // Spread over the run; a second round draws other sectors.
      const found = all[Math.floor((n * all.length) / STATES) % all.length];
      if (found === undefined) continue;
      const { step, state } = found;
      if (n % STATES_AT_ONCE === 0) await letFilesGo();
      try {
        const more = held(state.image(drawOf(`${SEED}/${n}`)), step);
        if (step.kind === 'checkpoint') seen.checkpoints += 1;
        else if (more > 0) seen.withGroup += 1;
        else seen.without += 1;
      } catch (e) {
        throw new Error(`seed ${SEED}, step ${recorded.steps.indexOf(step)}: ${state.name}`, { cause: e });
      }
    }
    expect(seen.withGroup).toBeGreaterThan(STATES / 100);
    expect(seen.without).toBeGreaterThan(STATES / 4);
    expect(seen.checkpoints).toBeGreaterThan(STATES / 100);
  }, 600_000);
});

test('half a header that is of an older round of the log is no damage', async () => {
  // A run in which there is one.
  const own = await record(join(folder, 'run-3'), drawOf('3'));
  const states = own.steps.flatMap((step) => halfHeaders(step).map((image) => ({ step, image })));
  expect(states.length).toBeGreaterThan(0);
  for (const { step, image } of states) expect(held(image, step, own.bodies)).toBe(0);
});

describe('a loss of power in the first start', () => {
  test('leaves a journal that can be begun', async () => {
    const step = recordFirst(join(folder, 'first'));
    const states = statesOf(step);
    expect(step.before.db.length).toBeGreaterThan(0);
    expect(states.length).toBeGreaterThan(20);
    expect(verifyJournal(placed(work, step.before, step)).damage).toEqual([]);
    for (const [n, state] of states.entries()) {
      if (n % STATES_AT_ONCE === 0) await letFilesGo();
      expect(held(state.image(drawOf(`${SEED}/${n}`)), step)).toBe(0);
    }
    expect(held({ db: Buffer.alloc(0), wal: Buffer.alloc(0) }, step)).toBe(0);
  });

  test('is not what took all but the first page of a journal, and its mark', () => {
    const last = recorded.steps.at(-1);
    const db = last?.after.db.subarray(0, 4_096) ?? Buffer.alloc(0);
    const dir = placed(work, { db, wal: Buffer.alloc(0) }, { mark: null, snapshots: new Map() });
    expect(refusal(dir)).toMatchObject({ kind: 'damaged', file: databaseFile(dir) });
    expect(verifyJournal(dir).damage).not.toEqual([]);
  });
});

/** Kind, file and place of the refusal; null when it starts. */
function refusal(dir: string): { readonly kind: string; readonly file: string; readonly place: string } | null {
  try {
    started(dir);
    return null;
  } catch (e) {
    if (!(e instanceof JournalError)) throw e;
    const { kind, file, place } = e;
    return { kind, file, place };
  }
}

/** The commits of the run, some of them. */
const someCommits = (): Step[] =>
  recorded.steps.filter(({ kind, acknowledged }) => kind === 'commit' && acknowledged > 0);

describe('the high-water mark after a loss of power', () => {
  test('as it was at any time before holds nothing back', () => {
    const marks = [...new Set(recorded.steps.map(({ mark }) => mark))];
    expect(marks.length).toBeGreaterThan(5);
    const last = recorded.steps.at(-1);
    if (last === undefined) throw new Error('nothing was recorded');
    for (const mark of marks) {
      const dir = placed(work, last.after, { ...last, mark });
      expect(started(dir)).toEqual(recorded.bodies);
    }
  });

  test.each([
    ['missing', (file: string) => rmSync(file), 'the file'],
    ['empty', (file: string) => truncateSync(file, 0), 'octet 0'],
    ['full of zeros', (file: string) => writeFileSync(file, Buffer.alloc(85)), 'octet 0'],
    ['half', (file: string) => truncateSync(file, 40), 'octet 0'],
  ])('%s is refused by its name', (_what, harm, place) => {
    for (const step of someCommits().slice(-5)) {
      const dir = placed(work, step.before, step);
      harm(markFile(dir));
      expect(refusal(dir)).toEqual({ kind: 'damaged', file: markFile(dir), place });
    }
  });

  test('beyond what is there is refused with the first entry that is missing', () => {
    const steps = someCommits();
    for (const [i, step] of steps.entries()) {
      const later = steps[i + 9];
      if (later === undefined || later.mark === null || later.mark === step.mark || i % 5 !== 0) continue;
      const dir = placed(work, step.before, { ...step, mark: later.mark });
      const said = refusal(dir);
      if (seqOf(later.mark) <= step.acknowledged) expect(said).toBeNull();
      else expect(said).toMatchObject({ file: databaseFile(dir), place: `entry ${step.acknowledged + 1}` });
    }
  });
});

describe('a snapshot after a loss of power', () => {
  test.each([
    ['cut', (file: string) => truncateSync(file, 120)],
    ['empty', (file: string) => truncateSync(file, 0)],
    ['full of zeros', (file: string) => writeFileSync(file, Buffer.alloc(readFileSync(file).length))],
    ['gone', (file: string) => rmSync(file)],
  ])('%s costs time and nothing else', (_what, harm) => {
    const step = recorded.steps.findLast(({ snapshots }) => snapshots.size > 1);
    if (step === undefined) throw new Error('no snapshots were recorded');
    const dir = placed(work, step.before, step);
    const [newest, older] = readdirSync(dir)
      .filter((name) => step.snapshots.has(name))
      .sort((a, b) => numberOf(b) - numberOf(a));
    harm(join(dir, newest ?? ''));
    writeFileSync(join(dir, `${newest}.new`), 'half of a');
    const { snapshot, last } = recover({ dir, markFile: markFile(dir) }, CRASH_BUILD);
    expect([snapshot?.seq, last.seq]).toEqual([numberOf(older ?? ''), step.acknowledged]);
    expect(started(dir)).toEqual(recorded.bodies.slice(0, step.acknowledged));
  });
});

const seqOf = (mark: string | null): number => Number(/"seq":(\d+)/.exec(mark ?? '')?.[1] ?? 0);
const numberOf = (name: string): number => Number(/\d+/.exec(name)?.[0]);

describe('a database of an earlier time beside the log of a later one, as a disk leaves them that lies about a sync', () => {
  test('has everything as far as the mark goes and nothing else, or is refused with file and place', async () => {
    const seen = { whole: 0, refused: 0 };
    const times = recorded.steps.filter((_, i) => i % 4 === 0);
    for (const [i, earlier] of times.entries()) {
      await letFilesGo();
      for (const later of times.slice(i)) {
        // A snapshot would stand for the entries before it, which is another matter.
        const dir = placed(work, { db: earlier.before.db, wal: later.after.wal }, { ...later, snapshots: new Map() });
        const said = refusal(dir);
        if (said === null) {
          const bodies = started(dir);
          expect(bodies).toEqual(recorded.bodies.slice(0, bodies.length));
          expect(bodies.length).toBeGreaterThanOrEqual(seqOf(later.mark));
          expect(bodies.length).toBeLessThanOrEqual(later.withGroup);
        } else expect(said).toMatchObject({ kind: expect.any(String), file: expect.stringContaining(dir) });
        seen[said === null ? 'whole' : 'refused'] += 1;
      }
    }
    expect(seen.whole).toBeGreaterThan(20);
    expect(seen.refused).toBeGreaterThan(20);
  });
});
