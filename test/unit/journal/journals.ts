import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import Database from 'libsql';
import { afterEach } from 'vitest';

import { type JournalOptions, type LiveJournal, openJournal } from '../../../src/live/journal/journal.ts';
import { markFile } from '../../../src/live/journal/mark.ts';
import type { Appended } from '../../../src/ports/journal.ts';
import { entry, reply } from './entries.ts';

/** Journals in folders of the test, closed after it. */
export const BUILD = 'test';

const open: LiveJournal[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((journal) => journal.close()));
});

export async function journalIn(dir: string, options: Partial<JournalOptions> = {}): Promise<LiveJournal> {
  const journal = await openJournal({ dir, build: BUILD, ...options });
  open.push(journal);
  return journal;
}

/** Appends one after the other, each a transaction of its own. */
export async function fill(journal: LiveJournal, count: number, from = 1): Promise<void> {
  for (let n = from; n < from + count; n++) {
    const appended: Appended = await journal.append(entry(n, { reply: reply(`key-${n}`) }));
    if (appended.kind !== 'durable') throw new Error(`entry ${n} was refused: ${appended.why}`);
  }
}

/** What a kill would leave at this moment, under a new name: the files as they are, and the mark at `markSeq`. */
export function asKilled(dir: string, to: string, mark: string | null): string {
  mkdirSync(to, { recursive: true });
  for (const name of ['journal.db', 'journal.db-wal']) {
    if (existsSync(join(dir, name))) cpSync(join(dir, name), join(to, name));
  }
  if (mark !== null) writeFileSync(markFile(to), mark);
  return to;
}

export const copyOf = (dir: string, to: string): string => {
  cpSync(dir, to, { recursive: true });
  cpSync(markFile(dir), markFile(to));
  return to;
};

export function changed(file: string, change: (octets: Buffer) => Buffer | undefined): void {
  const octets = readFileSync(file);
  writeFileSync(file, change(octets) ?? octets);
}

/** Changes the tables behind the journal's back. */
export function sql(dir: string, ...statements: readonly string[]): void {
  const db = new Database(join(dir, 'journal.db'));
  for (const statement of statements) db.exec(statement);
  db.close();
}

export const nameOf = (path: string): string => basename(path);
