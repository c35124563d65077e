import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import Database from 'libsql';
import { describe, expect, test } from 'vitest';
import { apply } from '../../src/core/apply.ts';
import { restoreState, snapshotOf } from '../../src/core/snapshot.ts';
import { type CoreState, newState } from '../../src/core/state.ts';
import { canonicalJson } from '../../src/domain/canonicalJson.ts';
import type { Fact } from '../../src/domain/fact.ts';
import { GENESIS } from '../../src/live/journal/chain.ts';
import { markFile, writeMarkNow } from '../../src/live/journal/mark.ts';
import { JournalReader } from '../../src/live/journal/reader.ts';
import { databaseFile, recover } from '../../src/live/journal/recover.ts';
import { readSnapshotFile, snapshotPath, writeSnapshotFile } from '../../src/live/journal/snapshotFile.ts';
import { verifyJournal } from '../../src/live/journal/verify.ts';
import { JournalWriter } from '../../src/live/journal/writer.ts';
import { tempFolder } from '../helpers/cli.ts';
import type { Bench } from '../helpers/coreBench.ts';
import { play, story } from '../helpers/coreStory.ts';
import { expectFrozen } from '../helpers/frozen.ts';
import { copyOf } from '../unit/journal/journals.ts';

type Recorded = readonly { readonly atMs: number; readonly fact: Fact }[];

function fold(state: CoreState, facts: Recorded, settings: Bench['settings']): CoreState {
  for (const { atMs, fact } of facts) apply(state, fact, atMs, settings);
  return state;
}

const textOf = (state: CoreState): string => canonicalJson(snapshotOf(state));
/** Time takes entries out of the agenda, which no fact says: a live core and a fold differ in it and in nothing else. */
const textBesideAgenda = (state: CoreState): string => textOf({ ...state, agenda: newState().agenda });

describe('the state of the core', () => {
  test('is the fold of its facts at each prefix, through the text of the journal', () => {
    fc.assert(
      fc.property(story, (s) => {
        const b = play(s);
        const read = b.facts.map(({ atMs, fact }) => ({ atMs, fact: JSON.parse(canonicalJson(fact)) as Fact }));
        const folded = newState();
        const live = newState();
        for (const [i, recorded] of b.facts.entries()) {
          fold(live, [recorded], b.settings);
          fold(folded, read.slice(i, i + 1), b.settings);
          if (i % 16 === 0) expect(textOf(folded)).toBe(textOf(live));
        }
        expect(textBesideAgenda(folded)).toBe(textBesideAgenda(b.core.state));
      }),
      { numRuns: 30 },
    );
  });

  test('is the same from a snapshot and the facts behind it as from all facts', () => {
    fc.assert(
      fc.property(story, fc.nat(1_000), (s, at) => {
        const b = play(s);
        const cut = at % (b.facts.length + 1);
        const before = fold(newState(), b.facts.slice(0, cut), b.settings);
        const restored = restoreState(JSON.parse(canonicalJson(snapshotOf(before))));
        expect(textOf(restored)).toBe(textOf(before));
        fold(restored, b.facts.slice(cut), b.settings);
        expect(textOf(restored)).toBe(textOf(fold(newState(), b.facts, b.settings)));
      }),
      { numRuns: 50 },
    );
  });

  test('is what a snapshot has that is written long after it was taken', () => {
    fc.assert(
      fc.property(story, fc.nat(1_000), (s, at) => {
        const { facts, settings } = play(s);
        expectFrozen(facts, { cut: at % (facts.length + 1), settings });
      }),
      { numRuns: 100 },
    );
  });

  test('a core that goes on from a snapshot of itself does what it would have done', () => {
    fc.assert(
      fc.property(story, story, (s, then) => {
        const [a, b] = [play(s), play(s)];
        Object.assign(b.core.state, restoreState(JSON.parse(canonicalJson(snapshotOf(b.core.state)))));
        const restart = a.facts.length;
        for (const bench of [a, b]) {
          for (const act of then.acts) if (act.kind === 'wait') bench.advance(act.min * 60_000);
          bench.advance(7 * 3_600_000);
        }
        expect(b.facts.slice(restart)).toEqual(a.facts.slice(restart));
        expect(textOf(b.core.state)).toBe(textOf(a.core.state));
      }),
      { numRuns: 30 },
    );
  });
});

const folder = tempFolder();
const BUILD = 'property';
const ENTRIES = 60;
let count = 0;
const fresh = (): string => join(folder, `p${count++}`);

/** A journal whose entries stand partly in the database and partly in its log, as a kill leaves it, with a snapshot. */
async function killed(checkpointAt: number, markAt: number): Promise<string> {
  const [work, dir] = [fresh(), fresh()];
  mkdirSync(work);
  mkdirSync(dir);
  const writer = new JournalWriter(databaseFile(work), { seq: 0, hash: GENESIS });
  for (let n = 1; n <= ENTRIES; n++) {
    const body = canonicalJson({
      facts: [{ n, pad: 'x'.repeat((n * 37) % 400) }],
      origin: {},
      subjects: [`s/${n % 5}`],
    });
    writer.write(1_000 + n, [{ plantId: 'main', atMs: n, body, subjects: [`s/${n % 5}`], reply: null }]);
    if (n === checkpointAt) writer.checkpoint();
    if (n === markAt) writeMarkNow(markFile(dir), writer.last);
    if (n === 20) await writeSnapshotFile(dir, { ...writer.last, build: BUILD }, { main: { n } });
  }
  for (const end of ['', '-wal']) cpSync(databaseFile(work) + end, databaseFile(dir) + end);
  return dir;
}

const entriesOf = (dir: string): string[] => {
  const reader = new JournalReader(databaseFile(dir));
  try {
    return [...reader.read(1)].map((e) => JSON.stringify(e));
  } finally {
    reader.close();
  }
};

describe('a damaged journal', () => {
  test('gives a prefix of what was written or is refused, and never another history', async () => {
    const good = await killed(30, 45);
    const truth = entriesOf(copyOf(good, fresh()));
    expect(truth).toHaveLength(ENTRIES);
    const outcomes = { refused: 0, prefix: 0, whole: 0 };
    fc.assert(
      fc.property(fc.constantFrom('', '-wal'), fc.boolean(), fc.nat(), fc.nat(254), (end, cuts, at, by) => {
        const dir = copyOf(good, fresh());
        const file = databaseFile(dir) + end;
        const octets = readFileSync(file);
        const place = at % octets.length;
        octets.writeUInt8((octets[place] ?? 0) ^ (by + 1), place);
        writeFileSync(file, cuts ? octets.subarray(0, place) : octets);
        const found = attempt(() => {
          const { last } = recover({ dir, markFile: markFile(dir) }, BUILD);
          const read = entriesOf(dir);
          expect(read).toHaveLength(last.seq);
          return read;
        });
        rmSync(dir, { recursive: true });
        if (found === null) {
          outcomes.refused += 1;
          return;
        }
        expect(found).toEqual(truth.slice(0, found.length));
        expect(found.length).toBeGreaterThanOrEqual(45);
        outcomes[found.length === ENTRIES ? 'whole' : 'prefix'] += 1;
      }),
      { numRuns: 200 },
    );
    expect(outcomes.refused).toBeGreaterThan(50);
    expect(outcomes.prefix).toBeGreaterThan(0);
  });

  test('a damaged snapshot is never read', async () => {
    const good = await killed(30, 45);
    const file = snapshotPath(good, 20);
    const text = readFileSync(file);
    expect(readSnapshotFile(file).kind).toBe('good');
    fc.assert(
      fc.property(fc.boolean(), fc.nat(), fc.nat(254), (cuts, at, by) => {
        const octets = Buffer.from(text);
        const place = at % octets.length;
        octets.writeUInt8((octets[place] ?? 0) ^ (by + 1), place);
        writeFileSync(file, cuts ? octets.subarray(0, place) : octets);
        expect(readSnapshotFile(file).kind).toBe('bad');
      }),
    );
  });

  test('whatever row is changed in whatever field, the check names it', async () => {
    const good = await killed(ENTRIES, ENTRIES);
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: ENTRIES }),
        fc.constantFrom(
          `plant = plant || 'x'`,
          'at_ms = at_ms + 1',
          'wall_ms = wall_ms - 1',
          'crc = crc + 1',
          `body = replace(body, '"n":', '"m":')`,
          `hash = zeroblob(32)`,
        ),
        (seq, change) => {
          const dir = copyOf(good, fresh());
          const db = new Database(databaseFile(dir));
          db.exec(`UPDATE entry SET ${change} WHERE seq = ${seq}`);
          db.close();
          expect(verifyJournal(dir).damage[0]?.place).toBe(`entry ${seq}`);
          rmSync(dir, { recursive: true });
        },
      ),
      { numRuns: 40 },
    );
  });
});

/** null = refused, as an error of the journal; anything else is a bug. */
function attempt<T>(work: () => T): T | null {
  try {
    return work();
  } catch (e) {
    if (e instanceof Error && e.name === 'JournalError') return null;
    throw e;
  }
}
