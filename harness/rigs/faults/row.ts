import { setTimeout as sleep } from 'node:timers/promises';

/**
 * The fault matrix: one row per component and fault, each with what is expected and a run that breaks things and looks.
 * A row passes, fails with the words of what was not so, or is skipped with the name of what this machine does not have.
 */
export interface Row<B> {
  readonly component: 'core' | 'journal' | 'cloud' | 'site' | 'receiver' | 'clock' | 'operator';
  readonly fault: string;
  readonly expectation: string;
  /** @returns figures worth a word; throws Missed or Skipped */
  readonly run: (bed: B) => Promise<string>;
}

/** Rows that share a bed, one after the other. */
export interface Group {
  readonly name: string;
  readonly rows: readonly Row<never>[];
  /** Runs the rows that are wanted; each result is told as it comes. */
  readonly run: (wanted: (row: Row<never>) => boolean, told: (result: RowResult) => void) => Promise<void>;
}

export interface RowResult {
  readonly component: string;
  readonly fault: string;
  readonly expectation: string;
  readonly verdict: 'PASS' | 'FAIL' | 'SKIP';
  readonly seconds: number;
  /** Figures of a pass, what was not so, or what is missing. */
  readonly words: string;
}

/** What was expected is not so. */
export class Missed extends Error {
  override readonly name = 'Missed';
}

/** This machine lacks something that the row needs. */
export class Skipped extends Error {
  override readonly name = 'Skipped';
}

export function must(holds: boolean, otherwise: string): asserts holds {
  if (!holds) throw new Missed(otherwise);
}

/** @param open  makes the bed; a failure of it fails each row of the group */
export function group<B>(
  name: string,
  open: () => Promise<B>,
  close: (bed: B) => Promise<void>,
  rows: readonly Row<B>[],
): Group {
  return {
    name,
    rows: rows as readonly Row<never>[],
    run: async (wanted, told) => {
      const asked = rows.filter((row) => wanted(row as Row<never>));
      if (asked.length === 0) return;
      let bed: B | null = null;
      for (const row of asked) {
        const beganMs = performance.now();
        const { verdict, words } = await oneRow(async () => {
          bed ??= await open();
          return row.run(bed);
        });
        const { component, fault, expectation } = row;
        const seconds = (performance.now() - beganMs) / 1_000;
        told({ component, fault, expectation, verdict, seconds, words });
      }
      if (bed !== null) await close(bed);
    },
  };
}

const ROW_MS_MAX = 180_000;

async function oneRow(run: () => Promise<string>): Promise<Pick<RowResult, 'verdict' | 'words'>> {
  let limit: NodeJS.Timeout | undefined;
  const tooLong = new Promise<never>((_, fail) => {
    limit = setTimeout(() => fail(new Missed(`did not end within ${ROW_MS_MAX / 1_000} s`)), ROW_MS_MAX);
  });
  try {
    return { verdict: 'PASS', words: await Promise.race([run(), tooLong]) };
  } catch (e) {
    if (e instanceof Skipped) return { verdict: 'SKIP', words: e.message };
    if (e instanceof Missed) return { verdict: 'FAIL', words: e.message };
    return { verdict: 'FAIL', words: e instanceof Error ? (e.stack ?? e.message) : String(e) };
  } finally {
    clearTimeout(limit);
  }
}

/** Asks again until there is an answer. @throws Missed after `ms` with what was seen last */
export async function until<T>(
  what: string,
  ms: number,
  look: () => Promise<T | null> | T | null,
  seen: () => string = () => '',
): Promise<T> {
  const endMs = performance.now() + ms;
  for (;;) {
    const found = await look();
    if (found !== null) return found;
    if (performance.now() > endMs) {
      const last = seen();
      throw new Missed(
        `not within ${Math.round(ms / 100) / 10} s: ${what}${last === '' ? '' : `; last seen: ${last}`}`,
      );
    }
    await sleep(STEP_MS);
  }
}
const STEP_MS = 50;

export const yes = (holds: boolean): true | null => (holds ? true : null);
export const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`;
