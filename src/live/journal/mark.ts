import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { damaged } from './errors.ts';
import { syncFolder } from './folder.ts';

/**
 * The high-water mark: how far the journal is known to reach, in another folder. SQLite does not notice a WAL that was
 * deleted or cut; the mark does. It is written anew at most MARK_LATE_MS after a commit and at a clean close, so at most
 * that much of a cut tail goes unnoticed after a kill. In the text file: one line of JSON.
 */
export interface Mark {
  readonly seq: number;
  /** Hash of that entry, 64 hex digits. */
  readonly hash: string;
}

/** Leaves half of the promised second for the writing itself. */
export const MARK_LATE_MS = 500;

/** "<folder>/<name of the journal's folder>.hwm", by default beside the journal's folder. */
export const markFile = (dir: string, highWaterDir?: string): string =>
  join(resolve(highWaterDir ?? dirname(resolve(dir))), `${basename(resolve(dir))}.hwm`);

/** @returns the mark; null when there is none. @throws JournalError 'damaged' when it cannot be read as one */
export function readMark(file: string): Mark | null {
  if (!existsSync(file)) return null;
  const text = readFileSync(file, 'utf8');
  const found = /^\{"hash":"([0-9a-f]{64})","seq":(\d{1,15})\}\n$/.exec(text);
  if (found === null) throw damaged({ file, place: 'octet 0', what: 'this is no high-water mark' });
  return { hash: found[1] ?? '', seq: Number(found[2]) };
}

const textOf = ({ seq, hash }: Mark): string => `{"hash":"${hash}","seq":${seq}}\n`;

/** Under another name, synced, renamed, and the folder synced: the old mark or the new one, never half of one. */
export function writeMarkNow(file: string, mark: Mark): void {
  const fresh = `${file}.new`;
  const fd = openSync(fresh, 'w');
  try {
    writeSync(fd, textOf(mark));
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(fresh, file);
  syncFolder(dirname(file));
}

/** The same without holding up the caller's thread. */
export async function writeMark(file: string, mark: Mark): Promise<void> {
  await replaceFile(file, [textOf(mark)]);
}

/** Writes a file anew so that it is the old one or the new one at any time; what did not come to its end is removed. */
export async function replaceFile(file: string, parts: Iterable<string> | AsyncIterable<string>): Promise<void> {
  const fresh = `${file}.new`;
  try {
    const handle = await open(fresh, 'w');
    try {
      for await (const part of parts) await handle.writeFile(part);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(fresh, file);
  } catch (e) {
    await rm(fresh, { force: true });
    throw e;
  }
  const folder = await open(dirname(file), 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
