import { join } from 'node:path';
import Database from 'libsql';
import { codeOf, JournalError, messageOf } from './errors.ts';

/**
 * One journal, one owner. The lock is the exclusive lock of an open SQLite transaction on a file of its own: the operating
 * system holds it for the process and drops it when the process is gone, however it went, so there is no stale lock. SQLite
 * keeps account of its locks per file, so a second owner in the same process is turned away as well.
 */
export interface Lock {
  release(): void;
}

/** @throws JournalError of kind 'locked', or 'read-only' when the folder takes no file */
export function lockFolder(dir: string): Lock {
  const file = join(dir, 'lock');
  let db: InstanceType<typeof Database> | undefined;
  try {
    db = new Database(file);
    db.exec('BEGIN EXCLUSIVE');
  } catch (e) {
    db?.close();
    if (codeOf(e) === 'SQLITE_BUSY') {
      const what = 'another instance has this folder; stop it first, or give this one a folder of its own';
      throw new JournalError('locked', { file, place: 'the folder', what });
    }
    throw new JournalError('read-only', { file, place: 'the folder', what: `it cannot be written: ${messageOf(e)}` });
  }
  const held = db;
  return { release: () => void held.close() };
}
