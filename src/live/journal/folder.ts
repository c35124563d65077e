import { closeSync, fsyncSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * Makes a folder with all above it that are missing, and syncs the names: without that a loss of power may take the folder
 * with everything in it, however well its files were synced.
 * @param dir  an absolute path
 * @throws     what the system says when it cannot be made
 */
export function makeFolder(dir: string, mode = 0o777): void {
  const highest = mkdirSync(dir, { recursive: true, mode });
  if (highest === undefined) return;
  for (let made = dir; ; made = dirname(made)) {
    syncFolder(dirname(made));
    if (made === highest || made === dirname(made)) return;
  }
}

/** Makes the names in a folder durable. */
export function syncFolder(folder: string): void {
  const fd = openSync(folder, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
